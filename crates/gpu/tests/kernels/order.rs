//! Orders, places and counts against plain loops in Rust's own order of numbers: NaN above all, -0 as 0, equal ones in their order.

use std::cmp::Ordering;

use monotile_gpu::{
    GpuBlock, GpuOperand, GpuStream, GpuType, coordinates, count_between, count_integers, distinct, most_frequent, order_rows,
    places_among, places_set, running_extrema,
};

use crate::{LAYOUTS, numbers, operand, streams, upload};

fn integers(stream: &GpuStream, block: &GpuBlock) -> Vec<i32> {
    bytemuck::pod_collect_to_vec(&stream.read_blocking(block).unwrap())
}

fn compare(a: f32, b: f32) -> Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// Numbers of which many are equal, with NaN, zeros of both signs and infinities.
fn mixed(n: usize, seed: u32) -> Vec<f32> {
    let special = [f32::NAN, 0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, 1e-40];
    let of = |(i, x): (usize, f32)| if i % 11 == 3 { special[i / 11 % 6] } else { (4.0 * x).round() / 4.0 };
    numbers(n, seed).into_iter().enumerate().map(of).collect()
}

#[test]
fn rows_are_in_order_both_ways_and_equal_numbers_stay() {
    for (label, stream) in streams() {
        for [rows, n] in [[1, 1], [3, 7], [40, 128], [5, 129], [1, 5000], [300, 200]] {
            let x = mixed(rows * n, 3);
            let there = GpuOperand::contiguous(&upload(&stream, &x), GpuType::F32, &[rows, n]).unwrap();
            for descending in [false, true] {
                let found = integers(&stream, &order_rows(&stream, &there, descending).unwrap());
                let mut expected = Vec::new();
                for row in x.chunks_exact(n) {
                    let mut order: Vec<i32> = (0..n as i32).collect();
                    let of = |&i: &i32| row[i as usize];
                    order.sort_by(|a, b| if descending { compare(of(b), of(a)) } else { compare(of(a), of(b)) });
                    expected.extend(order);
                }
                assert!(found == expected, "{label}: {rows} rows of {n}, {descending}");
            }
        }
        for dtype in [GpuType::F32, GpuType::BF16, GpuType::F16, GpuType::I32, GpuType::Bool] {
            for layout in LAYOUTS {
                let (there, x) = operand(&stream, &[6, 9], layout, dtype, 4);
                let found = integers(&stream, &order_rows(&stream, &there, false).unwrap());
                for (row, order) in x.chunks_exact(9).zip(found.chunks_exact(9)) {
                    let pairs = order.windows(2).map(|pair| [pair[0] as usize, pair[1] as usize]);
                    let sorted = |[a, b]: [usize; 2]| row[a] < row[b] || (row[a] == row[b] && a < b);
                    assert!(pairs.into_iter().all(sorted), "{label}: {dtype:?} {layout:?} {row:?} {order:?}");
                }
            }
        }
    }
}

#[test]
fn numbers_that_differ_are_found_with_their_places_and_counts() {
    for (label, stream) in streams() {
        for n in [0, 1, 50, 3000] {
            let x = mixed(n, 5);
            let there = GpuOperand::contiguous(&upload(&stream, &x), GpuType::F32, &[n]).unwrap();
            let found = distinct(&stream, &there).unwrap();
            let mut order: Vec<usize> = (0..n).collect();
            order.sort_by(|&a, &b| compare(x[a], x[b]));
            let (mut first, mut counts, mut inverse) = (Vec::new(), Vec::new(), vec![0; n]);
            for (k, &i) in order.iter().enumerate() {
                if k == 0 || compare(x[order[k - 1]], x[i]).is_ne() {
                    first.push(i as i32);
                    counts.push(0);
                }
                *counts.last_mut().unwrap() += 1;
                inverse[i] = first.len() as i32 - 1;
            }
            assert_eq!(found.count, first.len(), "{label}: {n}");
            let of = |block: &GpuBlock| integers(&stream, block);
            assert_eq!((of(&found.first), of(&found.counts), of(&found.inverse)), (first, counts, inverse), "{label}: {n}");
        }
    }
}

#[test]
fn places_and_counts_are_those_of_plain_loops() {
    for (label, stream) in streams() {
        let mut row: Vec<f32> = mixed(70, 7);
        row.sort_by(|a, b| compare(*a, *b));
        let x = mixed(333, 8);
        let line = |x: &[f32]| GpuOperand::contiguous(&upload(&stream, x), GpuType::F32, &[x.len()]).unwrap();
        for right in [false, true] {
            let found = integers(&stream, &places_among(&stream, &line(&row), &line(&x), right).unwrap());
            let before = |x: f32| row.iter().filter(|y| compare(**y, x).is_lt() || (right && compare(**y, x).is_eq())).count();
            assert_eq!(found, x.iter().map(|&x| before(x) as i32).collect::<Vec<_>>(), "{label}: {right}");
        }
        let edges = [-1.0, -0.25, 0.5, 1.25];
        let found = integers(&stream, &count_between(&stream, &line(&x), &line(&edges)).unwrap());
        let inside = |k: usize| x.iter().filter(move |x| **x >= edges[k] && (**x < edges[k + 1] || (k == 2 && **x == edges[3])));
        assert_eq!(found, [0, 1, 2].map(|k| inside(k).count() as i32), "{label}");
        let whole: Vec<i32> = x.iter().map(|x| (4.0 * x) as i32).collect();
        let there = stream.upload(bytemuck::cast_slice(&whole)).unwrap();
        let there = GpuOperand::contiguous(&there, GpuType::I32, &[333]).unwrap();
        let found = integers(&stream, &count_integers(&stream, &there, 5).unwrap());
        assert_eq!(found, [0, 1, 2, 3, 4].map(|k| whole.iter().filter(|x| **x == k).count() as i32), "{label}");
        let mask: Vec<u8> = x.iter().map(|x| u8::from(*x > 0.5)).collect();
        let there = GpuOperand::contiguous(&stream.upload(&mask).unwrap(), GpuType::Bool, &[333]).unwrap();
        let (places, many) = places_set(&stream, &there).unwrap();
        let expected: Vec<i32> = (0..333).filter(|&i| mask[i as usize] != 0).collect();
        assert_eq!((integers(&stream, &places), many), (expected.clone(), expected.len()), "{label}");
        let there = GpuOperand::contiguous(&places, GpuType::I32, &[many]).unwrap();
        let found = integers(&stream, &coordinates(&stream, &there, &[9, 1, 37]).unwrap());
        assert_eq!(found, expected.iter().flat_map(|i| [i / 37, 0, i % 37]).collect::<Vec<_>>(), "{label}");
    }
}

#[test]
fn running_extrema_and_the_most_frequent_are_those_of_plain_loops() {
    for (label, stream) in streams() {
        let x = mixed(4 * 9 * 5, 9);
        let there = GpuOperand::contiguous(&upload(&stream, &x), GpuType::F32, &[4, 9, 5]).unwrap();
        for (axis, largest) in [(0, true), (1, true), (1, false), (2, false)] {
            let found = integers(&stream, &running_extrema(&stream, &there, axis, largest).unwrap());
            let (n, inner) = ([4, 9, 5][axis], [45, 5, 1][axis]);
            for (at, &index) in found.iter().enumerate() {
                let j = at / inner % n;
                let of = |k: usize| x[at - (j - k) * inner];
                let better = |a: f32, b: f32| a.is_nan() || (!b.is_nan() && if largest { a >= b } else { a <= b });
                let expected = (1..=j).fold(0, |best, k| if better(of(k), of(best)) { k } else { best });
                assert_eq!(index as usize, expected, "{label}: {axis} {largest} {at}");
            }
        }
        let there = GpuOperand::contiguous(&upload(&stream, &x), GpuType::F32, &[6, 30]).unwrap();
        let found = integers(&stream, &most_frequent(&stream, &there).unwrap());
        for (row, place) in x.chunks_exact(30).zip(found) {
            let often = |x: f32| row.iter().filter(|y| compare(**y, x).is_eq()).count();
            let most = row.iter().map(|&x| often(x)).max().unwrap();
            let best = row.iter().copied().filter(|&x| often(x) == most).min_by(|a, b| compare(*a, *b)).unwrap();
            assert_eq!(Some(place as usize), row.iter().rposition(|y| compare(*y, best).is_eq()), "{label}: {row:?}");
        }
    }
}
