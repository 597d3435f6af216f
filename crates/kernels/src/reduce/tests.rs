//! Every reduction against plain folds of gathered elements, over every way through memory.

use super::*;
use crate::naive;
use crate::real::BoolByte;

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
fn reductions_of_integers_over_any_axes_are_exact() {
    cases(|x, axes| {
        let groups = naive::groups(x, axes);
        // Beyond 2⁵³, where f64 would round.
        let exact = |v: f64| (v * 250.0) as i64 * 9_007_199_254_740_993;
        let data: Vec<i64> = x.iter().map(exact).collect();
        let strides = crate::shape::Shape::new(x.shape()).unwrap().row_major();
        let view = View::new(&data, 0, x.shape(), &strides).unwrap();
        let (mut out, mut at) = (vec![0; groups.len()], vec![0; groups.len()]);
        let expected =
            |f: &dyn Fn(Vec<i64>) -> i64| -> Vec<i64> { groups.iter().map(|g| f(g.iter().map(|&v| exact(v)).collect())).collect() };
        let sums: Vec<i128> = groups.iter().map(|g| g.iter().map(|&v| i128::from(exact(v))).sum()).collect();
        let fits = sum_i64(view, axes, &mut out).unwrap();
        assert_eq!(fits, sums.iter().all(|&s| i64::try_from(s).is_ok()));
        assert!(!fits || sums.iter().zip(&out).all(|(&s, &y)| s == i128::from(y)));
        if groups.iter().all(|g| !g.is_empty()) {
            max_i64(view, axes, &mut out).unwrap();
            assert_eq!(out, expected(&|g| *g.iter().max().unwrap()));
            argmax_i64(view, axes, &mut at).unwrap();
            assert_eq!(at, expected(&|g| g.iter().position(|v| v == g.iter().max().unwrap()).unwrap() as i64));
            min_i64(view, axes, &mut out).unwrap();
            assert_eq!(out, expected(&|g| *g.iter().min().unwrap()));
            argmin_i64(view, axes, &mut at).unwrap();
            assert_eq!(at, expected(&|g| g.iter().position(|v| v == g.iter().min().unwrap()).unwrap() as i64));
        }
        let truths: Vec<BoolByte> = x.iter().map(|v| (v > 1.9).into()).collect();
        let view = View::new(&truths, 0, x.shape(), &strides).unwrap();
        let mut found = vec![BoolByte::from(false); groups.len()];
        count_true(view, axes, &mut out).unwrap();
        assert!(out.iter().zip(&groups).all(|(&y, g)| y == g.iter().filter(|&&v| v > 1.9).count() as i64));
        any(view, axes, &mut found).unwrap();
        assert!(found.iter().zip(&groups).all(|(&y, g)| y.get() == g.iter().any(|&v| v > 1.9)));
        all(view, axes, &mut found).unwrap();
        assert!(found.iter().zip(&groups).all(|(&y, g)| y.get() == g.iter().all(|&v| v > 1.9)));
    });
}

#[test]
fn integers_that_do_not_fit_are_told() {
    let check = |data: &[i64], sum: Option<i64>, product: Option<i64>| {
        let (shape, mut out) = ([data.len()], [0]);
        let view = View::new(data, 0, &shape, &[1]).unwrap();
        assert_eq!(sum_i64(view, &[0], &mut out).unwrap().then_some(out[0]), sum);
        assert_eq!(prod_i64(view, &[0], &mut out).unwrap().then_some(out[0]), product);
    };
    check(&[i64::MAX, 1, -1], Some(i64::MAX), Some(-i64::MAX));
    check(&[i64::MAX, 1], None, Some(i64::MAX));
    check(&[i64::MIN, -1], None, None);
    check(&[i64::MIN, -1, -1], None, Some(i64::MIN));
    check(&[i64::MIN, i64::MIN, i64::MAX, i64::MAX, 2, 0], Some(0), Some(0));
    check(&[], Some(0), Some(1));
}
