use std::cmp::Ordering;

use super::*;
use crate::real::BoolByte;

/// Numbers with ties, zeros of both signs, infinities and NaN, in an order that no pattern explains.
fn some(n: usize, kinds: u64) -> Vec<f64> {
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let number = |r: u64| match r % kinds {
        0 => 0.0,
        1 => -0.0,
        2 => f64::NAN,
        3 => f64::NEG_INFINITY,
        4 => f64::INFINITY,
        5 => -f64::NAN,
        6 => 1e-320,
        r => (r as f64 - kinds as f64 / 2.0) * 0.125,
    };
    (0..n).map(|_| number(next())).collect()
}

/// NaN after all numbers.
fn order(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// The places of each row in a stable order.
fn plain(x: &[f64], n: usize, descending: bool) -> Vec<i64> {
    let row = |row: &[f64]| {
        let mut places: Vec<usize> = (0..n).collect();
        places.sort_by(|&a, &b| if descending { order(row[b], row[a]) } else { order(row[a], row[b]) });
        places.into_iter().map(|p| p as i64).collect::<Vec<_>>()
    };
    x.chunks_exact(n.max(1)).flat_map(row).collect()
}

fn bits(x: &[f64]) -> Vec<u64> {
    x.iter().map(|x| x.to_bits()).collect()
}

#[test]
fn rows_of_every_length_are_sorted_as_the_standard_library_does() {
    let (most, lengths) = if cfg!(miri) { (300, 6) } else { (70_000, 8) };
    for (rows, n) in [(3, 0), (5, 1), (7, 2), (4, 33), (3, 257), (2, 300), (1, 33_000), (1, most)].into_iter().take(lengths) {
        for kinds in [9, 1 << 20] {
            let x = some(rows * n, kinds);
            for descending in [false, true] {
                let (mut values, mut places) = (vec![0.0; x.len()], vec![0; x.len()]);
                sort(&x, n, descending, Some(&mut values), &mut places).unwrap();
                assert!(places == plain(&x, n, descending), "{rows} rows of {n}");
                let picked: Vec<f64> = places.iter().enumerate().map(|(i, &p)| x[i / n * n + p as usize]).collect();
                assert!(bits(&values) == bits(&picked), "{rows} rows of {n}");
            }
        }
    }
}

#[test]
fn every_type_is_sorted_in_its_order() {
    fn sorted<T: SortKey>(x: &[T]) -> Vec<i64> {
        let (mut values, mut places) = (x.to_vec(), vec![0; x.len()]);
        sort(x, x.len(), false, Some(&mut values), &mut places).unwrap();
        assert!(values.iter().zip(&places).all(|(v, &p)| bytemuck::bytes_of(v) == bytemuck::bytes_of(&x[p as usize])));
        places
    }
    let x = some(1000, 1 << 20);
    let narrow: Vec<f32> = x.iter().map(|&x| x as f32).collect();
    assert_eq!(sorted(&narrow), plain(&narrow.iter().map(|&x| x.into()).collect::<Vec<_>>(), 1000, false));
    let half: Vec<half::f16> = x.iter().map(|&x| half::f16::from_f64(x)).collect();
    assert_eq!(sorted(&half), plain(&half.iter().map(|&x| x.into()).collect::<Vec<_>>(), 1000, false));
    let brain: Vec<half::bf16> = x.iter().map(|&x| half::bf16::from_f64(x)).collect();
    assert_eq!(sorted(&brain), plain(&brain.iter().map(|&x| x.into()).collect::<Vec<_>>(), 1000, false));
    assert_eq!(sorted(&[3, i64::MIN, i64::MAX, -1, 0]), [1, 3, 4, 0, 2]);
    assert_eq!(sorted(&[true, false, true, false].map(BoolByte::from)), [1, 3, 0, 2]);
}

#[test]
fn the_smallest_and_the_largest_are_those_of_a_sorted_row() {
    for (n, k) in [(1, 0), (1, 1), (10, 3), (300, 300), (1000, 5), (5000, 600), (3000, 1)] {
        for kinds in [9, 1 << 20] {
            let x = some(2 * n, kinds);
            for largest in [false, true] {
                let mut places = vec![0; 2 * k];
                smallest(&x, [n, k], largest, &mut places).unwrap();
                let expected: Vec<i64> = plain(&x, n, largest).chunks(n).flat_map(|row| row[..k].to_vec()).collect();
                assert!(places == expected, "{k} of {n}");
            }
        }
    }
    // A row that falls passes every bound.
    let x: Vec<f32> = (0..2000_i16).rev().map(f32::from).collect();
    let mut places = [0; 3];
    smallest(&x, [2000, 3], false, &mut places).unwrap();
    assert_eq!(places, [1999, 1998, 1997]);
}

#[test]
fn elements_of_ranks_are_those_of_a_sorted_row_and_nan_answers_for_all() {
    let x: Vec<f64> = some(3000, 1 << 20).into_iter().map(|x| if x.is_nan() { 0.5 } else { x }).collect();
    let ranks = [0, 1, 7, 500, 501, 999];
    let mut places = vec![0; 3 * ranks.len()];
    of_ranks(&x, 1000, &ranks, true, &mut places).unwrap();
    let sorted = plain(&x, 1000, false);
    let expected: Vec<i64> = (0..3).flat_map(|r| ranks.map(|rank| sorted[r * 1000 + rank])).collect();
    assert_eq!(places, expected);
    let mut places = [0; 2];
    of_ranks(&[1.0, f64::NAN, 0.0, f64::NAN], 4, &[0, 2], true, &mut places).unwrap();
    assert_eq!(places, [1, 1]);
    of_ranks(&[1.0, f64::NAN, 0.0, f64::NAN], 4, &[0, 2], false, &mut places).unwrap();
    assert_eq!(places, [2, 1]);
}

#[test]
fn equal_elements_are_found_with_the_places_and_counts_of_each() {
    let x = [2.0, f64::NAN, -0.0, 2.0, 0.0, -f64::NAN, 2.0];
    let mut inverse = [0; 7];
    let Distinct { first, counts } = unique(&x, &mut inverse).unwrap();
    assert_eq!((first, counts), (vec![2, 0, 1], vec![2, 3, 2]));
    assert_eq!(inverse, [1, 2, 0, 1, 0, 2, 1]);
    let mut places = [0; 2];
    mode(&[5_i64, 3, 3, 5, 9, 1, 9, 9], 4, &mut places).unwrap();
    assert_eq!(places, [2, 3]);
}

#[test]
fn few_equal_elements_and_many_are_found_alike() {
    // Few over all threads, few in a part but many in all, many, and few whose last ones are many.
    let n: usize = 200_000;
    let cases: [fn(usize, u64) -> u64; 4] = [
        |_, r| r % 900,
        |i, r| (i / 50_000) as u64 * 3000 + r % 3000,
        |_, r| r % 100_000,
        |i, r| r % if i < 190_000 { 9 } else { 9999 },
    ];
    for kind in cases.into_iter().take(if cfg!(miri) { 0 } else { 4 }) {
        let random =
            |i: usize| (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 20;
        let x: Vec<f64> = (0..n)
            .map(|i| kind(i, random(i)))
            .map(|k| match k {
                0 => f64::NAN,
                1 => -0.0,
                2 => 0.0,
                3 => -f64::NAN,
                k => 1000.0 - k as f64 / 3.0,
            })
            .collect();
        let sorted = plain(&x, n, false);
        let same = |a: &i64, b: &i64| order(x[*a as usize], x[*b as usize]) == Ordering::Equal;
        let (mut first, mut counts, mut expected) = (vec![], vec![], vec![0; n]);
        for (group, places) in sorted.chunk_by(same).enumerate() {
            first.push(places[0]);
            counts.push(places.len() as i64);
            places.iter().for_each(|&place| expected[place as usize] = group as i64);
        }
        for threads in [1, 2, 8] {
            let mut inverse = vec![0; n];
            let found = crate::threads::with_count(threads, || unique(&x, &mut inverse)).unwrap();
            assert!(found.first == first && found.counts == counts && inverse == expected);
        }
    }
}

#[test]
fn keys_that_collide_are_sorted() {
    // Multiples of the golden number's inverse modulo 2⁶⁴: their products have the same highest bits.
    let inverse_of = (0..5)
        .fold(0x9E37_79B9_7F4A_7C15_u64, |y, _| y.wrapping_mul(2_u64.wrapping_sub(0x9E37_79B9_7F4A_7C15_u64.wrapping_mul(y))));
    let x: Vec<i64> = (0..40_000_u64).map(|i| ((i % 500).wrapping_mul(inverse_of) ^ 1 << 63) as i64).collect();
    let mut inverse = vec![0; x.len()];
    let Distinct { first, counts } = unique(&x, &mut inverse).unwrap();
    assert!(first.len() == 500 && counts.iter().all(|&count| count == 80));
    assert!(inverse.iter().zip(&x).all(|(&k, &x_k)| x[first[k as usize] as usize] == x_k));
}

#[test]
fn places_among_sorted_numbers_are_those_of_numpy() {
    // np.searchsorted([0., 1., 1., 2., nan], [-1., 1., 1.5, nan, -0.]), and with side="right"
    let (sorted, x) = ([0.0, 1.0, 1.0, 2.0, f64::NAN], [-1.0, 1.0, 1.5, f64::NAN, -0.0]);
    let mut places = [0; 5];
    search(&sorted, 5, &x, 5, false, &mut places);
    assert_eq!(places, [0, 1, 3, 4, 0]);
    search(&sorted, 5, &x, 5, true, &mut places);
    assert_eq!(places, [0, 3, 3, 5, 1]);
    // Rows of their own.
    let mut places = [0; 4];
    search(&[1_i64, 2, 10, 20], 2, &[1, 3, 5, 30], 2, false, &mut places);
    assert_eq!(places, [0, 2, 0, 2]);
}

#[test]
fn places_of_many_searches_are_those_that_counting_finds() {
    for n in [0, 1, 2, 3, 15, 16, 17, 1000] {
        for (rows, m) in [(1, 1), (1, 100), (3, 37), (3, 16)] {
            let mut sorted = some(rows * n, 1 << 10);
            sorted.chunks_mut(n.max(1)).for_each(|row| row.sort_by(|a, b| order(*a, *b)));
            let x = some(rows * m, 1 << 10);
            for right in [false, true] {
                let mut places = vec![-1; x.len()];
                search(&sorted, n, &x, m, right, &mut places);
                for (i, (&place, &x)) in places.iter().zip(&x).enumerate() {
                    let row = &sorted[i / m * n..(i / m + 1) * n];
                    let before = |s: &f64| order(*s, x) == Ordering::Less || right && order(*s, x) == Ordering::Equal;
                    assert_eq!(place as usize, row.iter().filter(|s| before(s)).count(), "{n} elements, {rows} rows of {m}");
                }
            }
        }
    }
}

#[test]
fn integers_and_numbers_in_bins_are_counted_over_threads() {
    let n: usize = if cfg!(miri) { 1000 } else { 300_000 };
    let x: Vec<i64> = (0..n).map(|i| (i * i % 17) as i64).collect();
    let mut counts = [0; 20];
    count(&x, &mut counts).unwrap();
    assert!((0..20).all(|bin| counts[bin] == x.iter().filter(|&&x| x == bin as i64).count() as i64));
    assert_eq!(extent(&x), Some((0, *x.iter().max().unwrap())));
    let edges: Vec<f32> = (0..=10).map(|i| -1.0 + i as f32 * 0.2).collect();
    let x: Vec<f32> =
        (0..n).map(|i| ((i * 7919 % 2503) as f32 / 1200.0) - 1.04).chain([f32::NAN, f32::INFINITY, 1.0, -1.0]).collect();
    let mut counts = [0; 10];
    histogram(&x, &edges, &mut counts).unwrap();
    for bin in 0..10 {
        let inside = |&&x: &&f32| x >= edges[bin] && (x < edges[bin + 1] || (bin == 9 && x == edges[10]));
        assert_eq!(counts[bin], x.iter().filter(inside).count() as i64, "bin {bin}");
    }
}

#[test]
fn places_of_what_is_set_are_found_over_threads_with_their_coordinates() {
    for n in [0, 1, 63, 64, 1000, if cfg!(miri) { 2000 } else { 3_000_000 }] {
        let mask: Vec<BoolByte> = (0..n).map(|i| BoolByte(u8::from(i % 7 == 3 || i / 100 % 50 == 2) * 255)).collect();
        let expected: Vec<i64> = (0..n as i64).filter(|&i| mask[i as usize].get()).collect();
        let mut found = vec![0; count_set(&mask)];
        places(&mask, &mut found).unwrap();
        assert_eq!(found, expected);
    }
    let mut at = [0; 6];
    coordinates(&[0, 23], &crate::shape::Shape::new(&[2, 3, 4]).unwrap(), &mut at);
    assert_eq!(at, [0, 0, 0, 1, 2, 3]);
    // In any order, over several threads.
    let (places, sizes): (Vec<i64>, _) = ((0..60_000).map(|i| i * 7919 % 60_000).collect(), [20, 300, 10]);
    let mut at = vec![0; 3 * places.len()];
    coordinates(&places, &crate::shape::Shape::new(&sizes).unwrap(), &mut at);
    assert!(places.iter().zip(at.chunks_exact(3)).all(|(&place, at)| place == (at[0] * 300 + at[1]) * 10 + at[2]));
    assert!(at.chunks_exact(3).all(|at| at[1] < 300 && at[2] < 10));
}
