//! The ways of A = Q R: reflections in registers on every instruction set, blocks of products, and trees of slabs.

use super::{frobenius, identity, product, ratio, real, transposed, wide};
use crate::factor::householder::{PanelReflections, len};
use crate::factor::matrix::Matrix;
use crate::factor::qr::{Kind, blocked, qr};
use crate::factor::svd::{Vectors, svd};
use crate::naive::numbers;
use crate::simd::{Lanes, available};
use crate::view::View;

fn check<T: Lanes>(what: &str, a: &[f64], q: &[f64], r: &[f64], [m, n, k]: [usize; 3]) {
    let off = ratio::<T>(a, &product(q, r, k), m.max(n));
    let gram = ratio::<T>(&identity(k), &product(&transposed(q, k, m), q, m), m);
    assert!(off < 10.0 && gram < 10.0, "{what} {m} x {n}: {off}, {gram}");
    assert!((0..k * n).all(|at| at / n <= at % n || r[at] == 0.0), "{what} {m} x {n}: R is upper triangular");
}

fn reflections_at<T: Lanes>(m: usize, n: usize) {
    let steps = m.min(n);
    let a = real::<T>(&numbers(m * n, (m * 100 + n) as u64));
    for isa in available() {
        let (mut rows, mut memory) = (a.clone(), real::<T>(&vec![9.0; len(m, steps)]));
        let mut reflections = PanelReflections::new(&mut memory, m, steps);
        reflections.factor(isa, &mut rows, n).unwrap();
        let mut q = real::<T>(&vec![9.0; m * steps]);
        reflections.columns(isa, &mut q, steps);
        let mut r = wide(&rows[..steps * n]);
        (0..steps).for_each(|i| r[i * n..][..i].fill(0.0));
        check::<T>(&format!("{isa:?}"), &wide(&a), &wide(&q), &r, [m, n, steps]);
        // Multiplied with R they give A as well.
        let mut back = real::<T>(&r);
        back.resize(m * n, T::ZERO);
        reflections.apply(isa, &mut back, n);
        assert!(ratio::<T>(&wide(&a), &wide(&back), m.max(n)) < 10.0, "{isa:?} {m} x {n}");
    }
}

#[test]
fn reflections_in_registers_give_the_matrix_back() {
    for n in [1, 2, 7, 8, 9, 15, 16, 17, 33] {
        for m in [1, n, n + 1, 3 * n + 2, 70] {
            reflections_at::<f32>(m, n);
            reflections_at::<f64>(m, n);
        }
    }
}

#[test]
fn blocks_of_products_give_the_matrix_back() {
    for (m, n, full) in [(3, 3, false), (65, 64, true), (130, 67, false), (70, 200, false), (129, 5, true)] {
        let k = if full { m } else { m.min(n) };
        let a = numbers(m * n, 8);
        let (mut q, mut r) = (vec![9.0; m * k], vec![9.0; k * n]);
        blocked(Matrix::of_rows(&a, m, n, n), k, &mut q, &mut r).unwrap();
        check::<f64>("blocks", &a, &transposed(&q, m, k), &transposed(&r, k, n), [m, n, k]);
    }
}

/// Columns of very different lengths, some of them nearly the same.
fn graded(m: usize, n: usize) -> Vec<f64> {
    let a = numbers(m * n, 5);
    (0..m * n).map(|at| (a[at] + 1e3 * a[at / n * n]) * 10_f64.powi(-((at % n) as i32))).collect()
}

fn tall_at<T: Lanes>(m: usize, n: usize, a: &[f64]) {
    let stored = real::<T>(a);
    let (shape, strides) = ([m, n], [n as isize, 1]);
    let view = View::new(&stored, 0, &shape, &strides).unwrap();
    let (mut q, mut r) = (real::<T>(&vec![9.0; m * n]), real::<T>(&vec![9.0; n * n]));
    let kind = Kind { full: false, non_negative: true };
    qr(view, kind, &mut q, &mut r).unwrap();
    let a = wide(&stored);
    check::<T>("tall", &a, &transposed(&wide(&q), m, n), &transposed(&wide(&r), n, n), [m, n, n]);
    let mut alone = real::<T>(&vec![9.0; n * n]);
    qr(view, kind, &mut [], &mut alone).unwrap();
    assert_eq!(r, alone);

    let (mut s, mut u, mut v) = (real::<T>(&vec![9.0; n]), q.clone(), r.clone());
    svd(view, Vectors::Thin, &mut s, &mut u, &mut v).unwrap();
    let u = transposed(&wide(&u), m, n);
    let scaled: Vec<f64> = u.iter().enumerate().map(|(at, x)| x * s[at % n].to_f64()).collect();
    assert!(ratio::<T>(&a, &product(&scaled, &wide(&v), n), m) < 10.0);
    assert!(ratio::<T>(&identity(n), &product(&transposed(&u, n, m), &u, m), m) < 10.0);
    let mut values = s.clone();
    svd(view, Vectors::None, &mut values, &mut [], &mut []).unwrap();
    assert!(ratio::<T>(&wide(&s), &wide(&values), n) < 10.0);
}

#[test]
fn trees_of_slabs_give_the_matrix_back() {
    for (m, n) in [(70_000, 1), (9_000, 8), (5_000, 17), (20_001, 33), (3_000, 64)] {
        tall_at::<f32>(m, n, &numbers(m * n, 4));
        tall_at::<f64>(m, n, &numbers(m * n, 4));
    }
    tall_at::<f64>(9_000, 8, &graded(9_000, 8));
    tall_at::<f32>(9_000, 8, &vec![0.0; 72_000]);
}

#[test]
fn tall_matrices_at_the_ends_of_the_range_lose_nothing_and_nan_ends() {
    let (m, n) = (9_000, 8);
    let (shape, strides) = ([m, n], [n as isize, 1]);
    let a = numbers(m * n, 6);
    for scale in [1e200, 1e-200] {
        let scaled: Vec<f64> = a.iter().map(|x| x * scale).collect();
        let view = View::new(&scaled, 0, &shape, &strides).unwrap();
        let (mut q, mut r) = (vec![9.0; m * n], vec![9.0; n * n]);
        qr(view, Kind { full: false, non_negative: false }, &mut q, &mut r).unwrap();
        let r: Vec<f64> = r.iter().map(|x| x / scale).collect();
        check::<f64>("scaled", &a, &transposed(&q, m, n), &transposed(&r, n, n), [m, n, n]);
        assert!(frobenius(r) > 1.0);
    }
    let mut a = a;
    a[40_000] = f64::NAN;
    let view = View::new(&a, 0, &shape, &strides).unwrap();
    let (mut s, mut u, mut v) = (vec![9.0; n], vec![9.0; m * n], vec![9.0; n * n]);
    svd(view, Vectors::Thin, &mut s, &mut u, &mut v).unwrap();
    assert!(s.iter().chain(&u).chain(&v).all(|x| x.is_nan()));
}
