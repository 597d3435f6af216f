//! Spectral decompositions by LAPACK's measures, and on the matrices that they are hard for.

use super::{frobenius, identity, product, ratio, real, transposed, wide};
use crate::factor::eigh::eigh;
use crate::factor::svd::{Vectors, svd};
use crate::naive::numbers;
use crate::simd::Lanes;
use crate::view::View;

/// LAPACK's tests accept ratios up to 30.
const MOST: f64 = 30.0;

const ORDERS: [usize; 12] = [0, 1, 2, 3, 5, 8, 15, 16, 17, 20, 33, 64];

/// Around the edges of panels, slabs and blocks.
const LARGE: [usize; 6] = [70, 100, 129, 200, 257, 300];

fn symmetric(a: &[f64], n: usize) -> Vec<f64> {
    (0..n * n).map(|at| if at % n <= at / n { a[at] } else { a[at % n * n + at / n] }).collect()
}

/// Checks all of A = V Λ Vᵀ, with f64 entries of `a` that are exact in T.
fn check_eigh<T: Lanes>(a: &[f64], n: usize, what: &str) {
    let stored = real::<T>(a);
    let (shape, strides) = ([n, n], [n as isize, 1]);
    let view = View::new(&stored, 0, &shape, &strides).unwrap();
    let (mut values, mut vectors, mut alone) = (real::<T>(&vec![9.0; n]), real::<T>(&vec![9.0; n * n]), real::<T>(&vec![9.0; n]));
    eigh(view, &mut values, &mut vectors).unwrap();
    eigh(view, &mut alone, &mut []).unwrap();
    // Squares of what is left of extreme matrices would vanish.
    let most = a.iter().fold(1e-300, |m: f64, x| m.max(x.abs()));
    let near_one = |x: &[f64]| -> Vec<f64> { x.iter().map(|x| x / most).collect() };
    let (values, v, alone) = (near_one(&wide(&values)), transposed(&wide(&vectors), n, n), near_one(&wide(&alone)));
    let a = symmetric(&near_one(a), n);
    let scaled: Vec<f64> = (0..n * n).map(|at| v[at] * values[at % n]).collect();
    let off = ratio::<T>(&a, &product(&scaled, &transposed(&v, n, n), n), n);
    let gram = ratio::<T>(&identity(n), &product(&transposed(&v, n, n), &v, n), n);
    assert!(off < MOST && gram < MOST, "{what}, {n}: {off}, {gram}");
    assert!(values.is_sorted(), "{what}, {n}: {values:?}");
    let scale = values.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    let apart = values.iter().zip(&alone).fold(0.0, |m: f64, (x, y)| m.max((x - y).abs()));
    assert!(apart <= MOST * n as f64 * T::EPSILON.to_f64() * scale, "{what}, {n}: {apart}");
}

#[test]
fn symmetric_matrices_are_their_eigenvectors_and_values() {
    for n in ORDERS {
        let random = numbers(n * n, n as u64 + 1);
        let ones = vec![1.0; n * n];
        let clustered: Vec<f64> =
            random.iter().enumerate().map(|(at, x)| f64::from(at / n.max(1) == at % n.max(1)) + 1e-9 * x).collect();
        for (what, a) in [
            ("random", &random),
            ("identity", &identity(n)),
            ("zero", &vec![0.0; n * n]),
            ("ones", &ones),
            ("clustered", &clustered),
        ] {
            check_eigh::<f64>(a, n, what);
            let rounded: Vec<f64> = a.iter().map(|&x| f64::from(x as f32)).collect();
            check_eigh::<f32>(&rounded, n, what);
        }
    }
}

/// A full symmetric matrix with these values.
fn with_values(values: &[f64]) -> Vec<f64> {
    let n = values.len();
    let v = numbers(n, 5);
    let square: f64 = v.iter().map(|x| x * x).sum();
    // H Λ H with H = I − 2 v vᵀ / vᵀ v
    let h = |i: usize, j: usize| f64::from(i == j) - 2.0 * v[i] * v[j] / square;
    let (hs, scaled): (Vec<f64>, Vec<f64>) =
        (0..n * n).map(|at| (at / n, at % n)).map(|(i, j)| (h(i, j), h(i, j) * values[j])).unzip();
    product(&scaled, &hs, n)
}

#[test]
fn symmetric_matrices_that_are_hard_are_their_eigenvectors_and_values() {
    for n in (17..70).chain(LARGE) {
        let random = numbers(n * n, n as u64 + 1);
        let diagonal: Vec<f64> = (0..n * n).map(|at| if at / n == at % n { random[at] } else { 0.0 }).collect();
        let tridiagonal: Vec<f64> = (0..n * n).map(|at| if (at / n).abs_diff(at % n) <= 1 { random[at] } else { 0.0 }).collect();
        let halves: Vec<f64> = (0..n).map(|i| if i % 2 == 0 { 1.0 } else { -2.0 }).collect();
        let graded: Vec<f64> = (0..n).map(|i| 10_f64.powf(-12.0 * i as f64 / n as f64)).collect();
        let graded: Vec<f64> = (0..n * n).map(|at| random[at] * graded[at / n] * graded[at % n]).collect();
        let one: Vec<f64> = (0..n * n).map(|at| random[at / n] * random[at % n]).collect();
        let scaled = |by: f64| random.iter().map(|x| x * by).collect();
        for (what, a) in [
            ("random", random.clone()),
            ("zero", vec![0.0; n * n]),
            ("diagonal", diagonal),
            ("tridiagonal", tridiagonal),
            ("equal values", with_values(&halves)),
            ("graded", graded),
            ("rank one", one),
            ("large", scaled(1e150)),
            ("small", scaled(1e-150)),
        ] {
            check_eigh::<f64>(&a, n, what);
            let rounded: Vec<f64> = a.iter().map(|&x| f64::from(x as f32)).collect();
            if rounded.iter().all(|x| x.is_finite()) {
                check_eigh::<f32>(&rounded, n, what);
            }
        }
    }
}

#[test]
fn beyond_the_implicit_iteration_matrices_are_their_eigenvectors_and_values() {
    let n = 520;
    let random = numbers(n * n, 1);
    let halves: Vec<f64> = (0..n).map(|i| if i % 2 == 0 { 1.0 } else { -2.0 }).collect();
    for (what, a) in [("random", random), ("equal values", with_values(&halves))] {
        check_eigh::<f64>(&a, n, what);
        let rounded: Vec<f64> = a.iter().map(|&x| f64::from(x as f32)).collect();
        check_eigh::<f32>(&rounded, n, what);
    }
}

/// Checks all of A = U S Vᵀ.
fn check_svd<T: Lanes>(a: &[f64], [m, n]: [usize; 2], vectors: Vectors, what: &str) -> Vec<f64> {
    let stored = real::<T>(a);
    let (shape, strides) = ([m, n], [n as isize, 1]);
    let view = View::new(&stored, 0, &shape, &strides).unwrap();
    let ([ku, kv], k) = (vectors.columns([m, n]), m.min(n));
    let nines = |len: usize| real::<T>(&vec![9.0; len]);
    let (mut s, mut u, mut v, mut alone) = (nines(k), nines(m * ku), nines(n * kv), nines(k));
    svd(view, vectors, &mut s, &mut u, &mut v).unwrap();
    svd(view, Vectors::None, &mut alone, &mut [], &mut []).unwrap();
    let (s, u, vt, alone) = (wide(&s), transposed(&wide(&u), m, ku), wide(&v), wide(&alone));
    let scaled: Vec<f64> = (0..m * k).map(|at| (at / k, at % k)).map(|(i, j)| u[i * ku + j] * s[j]).collect();
    let size = m.max(n);
    let off = ratio::<T>(a, &product(&scaled, &vt[..k * n], k), size);
    let left = ratio::<T>(&identity(ku), &product(&transposed(&u, ku, m), &u, m), size);
    let right = ratio::<T>(&identity(kv), &product(&vt, &transposed(&vt, n, kv), n), size);
    assert!(off < MOST && left < MOST && right < MOST, "{what}, {m} x {n}, {vectors:?}: {off}, {left}, {right}");
    assert!(s.iter().rev().is_sorted() && s.iter().all(|&s| s >= 0.0), "{what}, {m} x {n}: {s:?}");
    let apart = s.iter().zip(&alone).fold(0.0, |m: f64, (x, y)| m.max((x - y).abs()));
    assert!(apart <= MOST * size as f64 * T::EPSILON.to_f64() * s.first().unwrap_or(&0.0), "{what}, {m} x {n}: {apart}");
    s
}

#[test]
fn matrices_are_their_singular_vectors_and_values() {
    for n in ORDERS {
        for m in [n, n + 1, 2 * n + 3, n / 2] {
            let random = numbers(m * n, (m * 100 + n) as u64);
            let low: Vec<f64> = (0..m * n).map(|at| (at / n) as f64 - 2.0 * (at % n) as f64).collect();
            let pairs: Vec<f64> = (0..m * n).map(|at| random[at / n * n + at % n / 2 * 2]).collect();
            let equal: Vec<f64> = (0..m * n).map(|at| if at / n == at % n { 3.0 } else { 0.0 }).collect();
            let zero = vec![0.0; m * n];
            for (what, a) in
                [("random", &random), ("rank 2", &low), ("equal columns", &pairs), ("equal values", &equal), ("zero", &zero)]
            {
                for vectors in [Vectors::Thin, Vectors::Full] {
                    check_svd::<f64>(a, [m, n], vectors, what);
                    let rounded: Vec<f64> = a.iter().map(|&x| f64::from(x as f32)).collect();
                    check_svd::<f32>(&rounded, [m, n], vectors, what);
                }
            }
        }
    }
}

#[test]
fn extreme_scales_neither_overflow_nor_vanish() {
    for n in [6, 24] {
        let a = numbers(n * n, 7);
        let expected = check_svd::<f64>(&a, [n, n], Vectors::Thin, "unit");
        for scale in [1e150, 1e-150, 1e300, 1e-300] {
            let a: Vec<f64> = a.iter().map(|x| x * scale).collect();
            let (mut s, mut u, mut v) = (vec![0.0; n], vec![0.0; n * n], vec![0.0; n * n]);
            let (shape, strides) = ([n, n], [n as isize, 1]);
            let view = View::new(&a, 0, &shape, &strides).unwrap();
            svd(view, Vectors::Thin, &mut s, &mut u, &mut v).unwrap();
            let apart = s.iter().zip(&expected).fold(0.0, |m: f64, (s, e)| m.max((s / scale - e).abs()));
            assert!(apart < 1e-14 * n as f64 * expected[0], "{scale}: {apart}");
            assert!((frobenius(u.iter().copied()) - (n as f64).sqrt()).abs() < 1e-12);
            eigh(view, &mut s, &mut v).unwrap();
            assert!(s.iter().all(|s| s.is_finite() && *s != 0.0), "{scale}");
        }
    }
}

#[test]
fn what_is_not_finite_gives_nan_and_spares_the_others() {
    for n in [3, 20] {
        for poison in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let mut a = numbers(2 * n * n, 1);
            a[n] = poison;
            let (shape, strides) = ([2, n, n], [(n * n) as isize, n as isize, 1]);
            let view = View::new(&a, 0, &shape, &strides).unwrap();
            let (mut s, mut u, mut v) = (vec![0.0; 2 * n], vec![0.0; 2 * n * n], vec![0.0; 2 * n * n]);
            svd(view, Vectors::Thin, &mut s, &mut u, &mut v).unwrap();
            for (x, len) in [(&s, n), (&u, n * n), (&v, n * n)] {
                assert!(x[..len].iter().all(|x| x.is_nan()) && x[len..].iter().all(|x| x.is_finite()));
            }
            eigh(view, &mut s, &mut v).unwrap();
            assert!(s[..n].iter().all(|x| x.is_nan()) && s[n..].iter().all(|x| x.is_finite()));
        }
    }
}
