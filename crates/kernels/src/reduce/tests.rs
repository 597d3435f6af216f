//! Every reduction against plain folds of gathered elements, over every way through memory.

use super::*;
use crate::naive;

/// Shapes, strides and axes around every way through memory.
const CASES: [(&[usize], &[isize], &[usize]); 19] = [
    (&[], &[], &[]),
    (&[5], &[1], &[0]),
    (&[5], &[1], &[]),
    (&[3, 33], &[33, 1], &[1]),
    (&[3, 33], &[33, 1], &[0]),
    (&[33, 3], &[1, 33], &[0]),
    (&[33, 3], &[1, 33], &[1]),
    (&[4, 5, 6], &[30, 6, 1], &[1]),
    (&[4, 5, 6], &[30, 6, 1], &[0, 2]),
    (&[4, 5, 6], &[-30, 6, -1], &[0, 1]),
    (&[4, 5], &[0, 1], &[0]),
    (&[130, 520], &[520, 1], &[0]),
    // Matrices one after another, narrow ones too; more and fewer than threads; dimensions of size 1.
    (&[3, 40, 17], &[680, 17, 1], &[1]),
    (&[90, 5, 3, 20], &[300, 60, 20, 1], &[1, 2]),
    (&[2, 900, 20, 2], &[36_000, 40, 2, 1], &[1]),
    (&[9, 6, 15], &[90, 15, 1], &[1]),
    (&[1, 200, 1, 30], &[7, 30, 7, 1], &[1]),
    (&[0, 4], &[4, 1], &[0]),
    (&[4, 0], &[1, 1], &[0]),
];

fn cases(mut check: impl FnMut(View<'_, f64>, &[usize])) {
    let data = naive::numbers(80_000, 5);
    for (shape, strides, axes) in CASES {
        let low: isize = shape.iter().zip(strides).map(|(&n, &s)| if s < 0 { (n as isize - 1) * -s } else { 0 }).sum();
        check(View::new(&data, low as usize, shape, strides).unwrap(), axes);
    }
}

#[test]
fn reductions_over_any_axes_equal_the_twin() {
    cases(|x, axes| {
        let groups = naive::groups(x, axes);
        let mut out = vec![0.0; groups.len()];
        let mut compare = |kernel: &dyn Fn(&mut [f64]), plain: &dyn Fn(&[f64]) -> f64| {
            kernel(&mut out);
            let expected: Vec<f64> = groups.iter().map(|g| plain(g)).collect();
            naive::close(&out, &expected, 1e-13);
        };
        compare(&|out| sum(x, axes, out).unwrap(), &|g| g.iter().sum());
        compare(&|out| mean(x, axes, out).unwrap(), &|g| g.iter().sum::<f64>() / g.len() as f64);
        compare(&|out| max(x, axes, out).unwrap(), &|g| g.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        compare(&|out| min(x, axes, out).unwrap(), &|g| g.iter().copied().fold(f64::INFINITY, f64::min));
        compare(&|out| log_sum_exp(x, axes, out).unwrap(), &|g| g.iter().map(|v| v.exp()).sum::<f64>().ln());
        compare(&|out| variance(x, axes, 0.0, out).unwrap(), &|g| {
            let mu = g.iter().sum::<f64>() / g.len() as f64;
            g.iter().map(|v| (v - mu).powi(2)).sum::<f64>() / g.len() as f64
        });
        let mut at = vec![0; groups.len()];
        let first = |g: &[f64], best: f64| g.iter().position(|&v| v == best).unwrap_or(0) as i64;
        argmax(x, axes, &mut at).unwrap();
        assert!(at.iter().zip(&groups).all(|(&i, g)| i == first(g, g.iter().copied().fold(f64::NEG_INFINITY, f64::max))));
        argmin(x, axes, &mut at).unwrap();
        assert!(at.iter().zip(&groups).all(|(&i, g)| i == first(g, g.iter().copied().fold(f64::INFINITY, f64::min))));
    });
}

#[test]
fn a_sum_of_ten_million_f32_keeps_six_digits() {
    let n = 10_000_000;
    let x: Vec<f32> = (0..n).map(|i| 1.0 + (i % 7) as f32 * 0.1).collect();
    let exact: f64 = x.iter().map(|&v| f64::from(v)).sum();
    let mut out = [0.0];
    sum(View::new(&x, 0, &[n], &[1]).unwrap(), &[0], &mut out).unwrap();
    assert!((f64::from(out[0]) / exact - 1.0).abs() < 1e-6, "rows: {} for {exact}", out[0]);
    // The same numbers as columns: two long ones.
    let mut pair = [0.0; 2];
    sum(View::new(&x, 0, &[n / 2, 2], &[2, 1]).unwrap(), &[0], &mut pair).unwrap();
    let total = f64::from(pair[0]) + f64::from(pair[1]);
    assert!((total / exact - 1.0).abs() < 1e-6, "columns: {total} for {exact}");
}

#[test]
fn nan_and_infinity_come_through() {
    let data = [1.0, f64::NAN, 3.0, -1.0, f64::INFINITY, 2.0, f64::NEG_INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    check_nan_and_infinity(View::new(&data, 0, &[3, 3], &[3, 1]).unwrap(), 1);
    // The same rows as columns.
    let turned: Vec<f64> = (0..9).map(|i| data[i % 3 * 3 + i / 3]).collect();
    check_nan_and_infinity(View::new(&turned, 0, &[3, 3], &[3, 1]).unwrap(), 0);
}

fn check_nan_and_infinity(x: View<'_, f64>, axis: usize) {
    let mut out = [0.0; 3];
    max(x, &[axis], &mut out).unwrap();
    assert!(out[0].is_nan() && out[1..] == [f64::INFINITY, f64::NEG_INFINITY]);
    min(x, &[axis], &mut out).unwrap();
    assert!(out[0].is_nan() && out[1..] == [-1.0, f64::NEG_INFINITY]);
    log_sum_exp(x, &[axis], &mut out).unwrap();
    assert!(out[0].is_nan() && out[1..] == [f64::INFINITY, f64::NEG_INFINITY]);
    sum(x, &[axis], &mut out).unwrap();
    assert!(out[0].is_nan() && out[1..] == [f64::INFINITY, f64::NEG_INFINITY]);
    mean(x, &[axis], &mut out).unwrap();
    assert!(out[0].is_nan() && out[1..] == [f64::INFINITY, f64::NEG_INFINITY]);
    // A deviation from an infinite mean has no value.
    variance(x, &[axis], 0.0, &mut out).unwrap();
    assert!(out.iter().all(|y| y.is_nan()));
    let mut at = [0; 3];
    argmax(x, &[axis], &mut at).unwrap();
    assert_eq!(at, [1, 1, 0]);
    argmin(x, &[axis], &mut at).unwrap();
    assert_eq!(at, [1, 0, 0]);
}

#[test]
fn running_sums_follow_the_axis() {
    let x: Vec<f64> = (0..24).map(f64::from).collect();
    let mut y = vec![0.0; 24];
    cumulative_sum(&x, 3, 4, &mut y);
    let expected: Vec<f64> = (0..24).map(|i| (0..=(i / 4 % 3)).map(|j| x[i / 12 * 12 + j * 4 + i % 4]).sum()).collect();
    assert_eq!(y, expected);
}
