//! Every scan against a plain loop, over every way through memory.

use super::*;
use crate::naive;

/// (outer, n, inner): short and long series, blocks and what is left of them, rows side by side, narrow and wide columns, nothing.
const SHAPES: [[usize; 3]; 14] = [
    [1, 1, 1],
    [2, 3, 4],
    [5, 7, 1],
    [11, 100, 1],
    [70, 3000, 1],
    [1, 1023, 1],
    [1, 1025, 1],
    [3, 2100, 1],
    [1, 400_003, 1],
    [1, 150_001, 2],
    [2, 50, 1100],
    [1, 3, 100_000],
    [0, 3, 2],
    [2, 0, 3],
];

/// The elements of each series, with where they lie.
fn series([outer, n, inner]: [usize; 3]) -> impl Iterator<Item = Vec<usize>> {
    (0..outer * inner).map(move |k| (0..n).map(|j| (k / inner * n + j) * inner + k % inner).collect())
}

/// Compares a scan with a plain running state.
fn check<S: Copy>(scan: impl Fn(&[f64], usize, usize, &mut [f64]), start: S, step: impl Fn(S, f64) -> (S, f64)) {
    for shape in SHAPES {
        let [outer, n, inner] = shape;
        let x = naive::numbers(outer * n * inner, 7);
        let (mut y, mut expected) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        scan(&x, n, inner, &mut y);
        for places in series(shape) {
            let mut state = start;
            for at in places {
                (state, expected[at]) = step(state, x[at]);
            }
        }
        naive::close(&y, &expected, 1e-12);
    }
}

#[test]
fn running_sums_equal_plain_ones_along_every_axis() {
    check(|x, n, inner, y| cumulative_sum(x, n, inner, y).unwrap(), 0.0, |sum, x| (sum + x, sum + x));
}

#[test]
fn running_products_and_recurrences_equal_plain_ones() {
    check(|x, n, inner, y| cumulative_product(x, n, inner, y).unwrap(), 1.0, |product, x| (product * x, product * x));
    let halved = |x: &[f64]| x.iter().map(|x| x / 2.5).collect::<Vec<_>>();
    let plain = |y: f64, x: f64| (x / 2.5 * y + x, x / 2.5 * y + x);
    check(|x, n, inner, y| recurrence(&halved(x), x, n, inner, y).unwrap(), 0.0, plain);
}

#[test]
fn running_log_sums_equal_plain_ones() {
    let plain = |sum: f64, x: f64| (sum + x.exp(), (sum + x.exp()).ln());
    check(|x, n, inner, y| cumulative_log_sum_exp(x, n, inner, y).unwrap(), 0.0, plain);
}

#[test]
fn running_extrema_are_the_last_of_equal_ones() {
    for shape in SHAPES {
        let [outer, n, inner] = shape;
        // Few values, so that many are equal.
        let x: Vec<f64> = naive::numbers(outer * n * inner, 3).iter().map(|x| (x * 4.0).round()).collect();
        let integers: Vec<i64> = x.iter().map(|&x| x as i64).collect();
        let mut found = [vec![0; x.len()], vec![0; x.len()], vec![0; x.len()], vec![0; x.len()]];
        let (mut values, mut whole) = ([vec![0.0; x.len()], vec![0.0; x.len()]], [vec![0; x.len()], vec![0; x.len()]]);
        cumulative_max(&x, n, inner, &mut values[0], &mut found[0]).unwrap();
        cumulative_max_i64(&integers, n, inner, &mut whole[0], &mut found[1]).unwrap();
        cumulative_min(&x, n, inner, &mut values[1], &mut found[2]).unwrap();
        cumulative_min_i64(&integers, n, inner, &mut whole[1], &mut found[3]).unwrap();
        for places in series(shape) {
            let (mut largest, mut smallest) = (0, 0);
            for (j, &at) in places.iter().enumerate() {
                largest = if x[at] >= x[places[largest]] { j } else { largest };
                smallest = if x[at] <= x[places[smallest]] { j } else { smallest };
                let [a, b, c, d] = [0, 1, 2, 3].map(|k: usize| found[k][at]);
                assert_eq!([a, b, c, d], [largest, largest, smallest, smallest].map(|k| k as i64));
                assert_eq!([values[0][at], values[1][at]], [x[places[largest]], x[places[smallest]]]);
                assert_eq!([whole[0][at], whole[1][at]], [integers[places[largest]], integers[places[smallest]]]);
            }
        }
    }
}

#[test]
fn sixteen_million_f32_are_summed_to_their_last_bit() {
    let n = (1 << 24) + 1000;
    let mut y = vec![0.0_f32; n];
    cumulative_sum(&vec![1.0_f32; n], n, 1, &mut y).unwrap();
    assert!(y.iter().enumerate().all(|(j, &y)| y == (j + 1) as f32));
}

#[test]
fn sums_of_numbers_that_are_not_negative_never_fall() {
    // Also where groups and threads meet.
    let x: Vec<f64> = naive::numbers(300_000, 5).iter().map(|x| if *x > 0.0 { *x } else { 0.0 }).collect();
    let mut y = vec![0.0; x.len()];
    cumulative_sum(&x, x.len(), 1, &mut y).unwrap();
    assert!(y.is_sorted());
}

#[test]
fn infinities_and_nan_stay_from_where_they_are() {
    let mut y = [0.0; 4];
    cumulative_sum(&[1.0, f64::INFINITY, 2.0, f64::NEG_INFINITY], 4, 1, &mut y).unwrap();
    assert!(y[..3] == [1.0, f64::INFINITY, f64::INFINITY] && y[3].is_nan());
    cumulative_log_sum_exp(&[f64::NEG_INFINITY, f64::NEG_INFINITY, 0.0, f64::INFINITY], 4, 1, &mut y).unwrap();
    assert_eq!(y, [f64::NEG_INFINITY, f64::NEG_INFINITY, 0.0, f64::INFINITY]);
    cumulative_log_sum_exp(&[1000.0, f64::NAN, 0.0, f64::INFINITY], 4, 1, &mut y).unwrap();
    assert!(y[0] == 1000.0 && y[1..].iter().all(|y| y.is_nan()));
    recurrence(&[f64::INFINITY, 2.0, f64::NAN, 0.0], &[1.0, 1.0, 0.0, 1.0], 4, 1, &mut y).unwrap();
    assert!(y[..2] == [1.0, 3.0] && y[2..].iter().all(|y| y.is_nan()));
    // torch.cummax and torch.cummin of the same numbers.
    let (x, mut at) = ([2.0, f64::NAN, 3.0, f64::NAN], [0; 4]);
    cumulative_max(&x, 4, 1, &mut y, &mut at).unwrap();
    assert_eq!(at, [0, 1, 1, 3]);
    assert!(y[0] == 2.0 && y[1..].iter().all(|y| y.is_nan()));
    cumulative_min(&x, 4, 1, &mut y, &mut at).unwrap();
    assert_eq!(at, [0, 1, 1, 3]);
}

#[test]
fn integers_are_exact_or_told_not_to_fit() {
    let mut y = [0; 3];
    assert!(cumulative_sum_i64(&[i64::MAX, -1, 1], 3, 1, &mut y).unwrap());
    assert_eq!(y, [i64::MAX, i64::MAX - 1, i64::MAX]);
    assert!(!cumulative_sum_i64(&[i64::MAX, 1, -1], 3, 1, &mut y).unwrap());
    assert!(cumulative_product_i64(&[i64::MIN, 1, 0], 3, 1, &mut y).unwrap());
    assert_eq!(y, [i64::MIN, i64::MIN, 0]);
    assert!(!cumulative_product_i64(&[i64::MIN, -1, 0], 3, 1, &mut y).unwrap());
    assert!(!cumulative_product_i64(&[i64::MAX, i64::MAX, i64::MIN], 3, 1, &mut y).unwrap());
    for shape @ [outer, n, inner] in SHAPES {
        let x: Vec<i64> = naive::numbers(outer * n * inner, 9).iter().map(|x| (x * 1e15) as i64).collect();
        let mut y = vec![0; x.len()];
        assert!(cumulative_sum_i64(&x, n, inner, &mut y).unwrap());
        for places in series(shape) {
            let mut sum = 0;
            assert!(places.iter().all(|&at| {
                sum += x[at];
                y[at] == sum
            }));
        }
    }
}

#[test]
fn nan_spreads_over_blocks_threads_and_columns_with_the_last_place() {
    for [n, inner] in [[5000, 1], [300_000, 1], [100_000, 3], [70, 600]] {
        let mut x = vec![0.0; n * inner];
        let (first, last) = (n / 3, n / 2 + 7);
        x[first * inner..(first + 1) * inner].fill(f64::NAN);
        x[last * inner..(last + 1) * inner].fill(f64::NAN);
        let (mut y, mut at) = (vec![0.0; x.len()], vec![0; x.len()]);
        cumulative_max(&x, n, inner, &mut y, &mut at).unwrap();
        for (j, (y, at)) in y.chunks_exact(inner).zip(at.chunks_exact(inner)).enumerate() {
            let place = if j < first {
                j
            } else if j < last {
                first
            } else {
                last
            };
            assert!(at.iter().all(|&at| at == place as i64) && y.iter().all(|y| y.is_nan() == (j >= first)));
        }
    }
}

#[test]
fn extremes_past_the_caches_are_those_within() {
    let n: usize = if cfg!(miri) { 1000 } else { 1 << 20 };
    let x: Vec<f32> = naive::numbers(8 * n, 3).iter().map(|&x| x as f32).collect();
    let (mut y, mut at) = (vec![0.0; x.len()], vec![0; x.len()]);
    cumulative_max(&x, n / 64, 1, &mut y, &mut at).unwrap();
    for (r, row) in x.chunks_exact(n / 64).enumerate() {
        let first = r * (n / 64);
        let (mut values, mut places) = (vec![0.0; row.len()], vec![0; row.len()]);
        cumulative_max(row, row.len(), 1, &mut values, &mut places).unwrap();
        assert_eq!((&y[first..first + row.len()], &at[first..first + row.len()]), (&values[..], &places[..]));
    }
}

#[test]
fn running_log_sums_of_blocks_have_the_bits_of_one_step_after_another() {
    let x: Vec<f32> = naive::numbers(3000, 11).iter().map(|&x| (x * 30.0) as f32).collect();
    let mut y = vec![0.0; x.len()];
    cumulative_log_sum_exp(&x, x.len(), 1, &mut y).unwrap();
    let s = LogSumExp::<f32>::NEW;
    let mut state = s.start();
    for (j, (&x, &y)) in x.iter().zip(&y).enumerate() {
        state = s.step(state, [x, x], j);
        assert_eq!(s.value(state), y);
    }
}
