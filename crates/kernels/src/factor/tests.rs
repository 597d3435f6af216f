//! Every factorization against its twin, and by LAPACK's measures, at sizes around the edges of blocks.

mod general;
mod orthogonal;
mod registers;
mod spectral;

use super::cholesky::cholesky;
use super::lu::{Factored, lu, lu_solve};
use super::qr::{Kind, qr};
use super::triangular::{Triangle, solve_triangular};
use super::{Failure, columns};
use crate::naive::{self, close, numbers};
use crate::simd::Lanes;
use crate::view::View;

const SIZES: [usize; 17] = [1, 2, 3, 5, 8, 9, 16, 31, 32, 33, 63, 64, 65, 100, 127, 129, 200];

fn real<T: Lanes>(x: &[f64]) -> Vec<T> {
    x.iter().map(|&x| T::from_f64(x)).collect()
}

fn wide<T: Lanes>(x: &[T]) -> Vec<f64> {
    x.iter().map(|x| x.to_f64()).collect()
}

/// Numbers in the other order: rows of n from columns of m, or the reverse.
fn transposed(x: &[f64], m: usize, n: usize) -> Vec<f64> {
    (0..m * n).map(|at| x[at % n * m + at / n]).collect()
}

fn product(a: &[f64], b: &[f64], k: usize) -> Vec<f64> {
    let (m, n) = (a.len() / k.max(1), b.len() / k.max(1));
    (0..m * n).map(|at| (0..k).map(|l| a[at / n * k + l] * b[l * n + at % n]).sum()).collect()
}

fn frobenius(x: impl IntoIterator<Item = f64>) -> f64 {
    x.into_iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// ‖A − B‖ / (‖A‖ n u)
fn ratio<T: Lanes>(a: &[f64], b: &[f64], n: usize) -> f64 {
    let u = T::EPSILON.to_f64() / 2.0;
    frobenius(a.iter().zip(b).map(|(a, b)| a - b)) / (frobenius(a.iter().copied()).max(1e-300) * n.max(1) as f64 * u)
}

fn identity(n: usize) -> Vec<f64> {
    (0..n * n).map(|at| f64::from(at / n == at % n)).collect()
}

/// B Bᵀ + n I
fn positive_definite(n: usize, seed: u64) -> Vec<f64> {
    let b = numbers(n * n, seed);
    let mut a = product(&b, &transposed(&b, n, n), n);
    (0..n).for_each(|i| a[i * n + i] += n as f64);
    a
}

fn cholesky_at<T: Lanes>(n: usize) {
    let a: Vec<f64> = (0..3).flat_map(|i| positive_definite(n, i)).collect();
    // What is above the diagonal must not be read.
    let lower: Vec<f64> = a.iter().enumerate().map(|(at, &x)| if at % n > at / n % n { f64::NAN } else { x }).collect();
    let (stored, mut l) = (real::<T>(&lower), real(&vec![9.0; 3 * n * n]));
    cholesky(View::new(&stored, 0, &[3, n, n], &[(n * n) as isize, n as isize, 1]).unwrap(), &mut l).unwrap();
    for (a, l) in a.chunks(n * n).zip(l.chunks(n * n)) {
        let l = transposed(&wide(l), n, n);
        assert!((0..n * n).all(|at| at % n <= at / n || l[at] == 0.0));
        let off = ratio::<T>(a, &product(&l, &transposed(&l, n, n), n), n);
        assert!(off < 10.0, "{n}: {off}");
        close(&l, &naive::cholesky(a, n).unwrap(), 100.0 * n as f64 * T::EPSILON.to_f64());
    }
}

#[test]
fn cholesky_agrees_with_its_twin() {
    SIZES.into_iter().for_each(cholesky_at::<f64>);
    SIZES.into_iter().for_each(cholesky_at::<f32>);
}

#[test]
fn cholesky_names_the_matrix_and_the_leading_minor() {
    for (n, bad) in [(3, 1), (40, 35), (70, 66), (100, 0)] {
        let mut a: Vec<f64> = (0..4).flat_map(|i| positive_definite(n, i)).collect();
        for matrix in [2, 3] {
            a[matrix * n * n + bad * n + bad] = -1.0;
        }
        a[5 * n / 4] = 0.0;
        let mut l = vec![0.0; a.len()];
        let shape = [4, n, n];
        let strides = [(n * n) as isize, n as isize, 1];
        let found = cholesky(View::new(&a, 0, &shape, &strides).unwrap(), &mut l);
        assert_eq!(found, Err(Failure::Matrix { matrix: 2, order: bad + 1 }));
        // A matrix that is not finite gives NaN and spares the others.
        a[0] = f64::NAN;
        a.truncate(2 * n * n);
        l.truncate(2 * n * n);
        cholesky(View::new(&a, 0, &[2, n, n], &strides).unwrap(), &mut l).unwrap();
        assert!(l[..n * n].iter().all(|x| x.is_nan()) && l[n * n..].iter().all(|x| x.is_finite()));
    }
}

fn lu_at<T: Lanes>(m: usize, n: usize) {
    let a = numbers(2 * m * n, (m * 1000 + n) as u64);
    let stored = real::<T>(&a);
    let (mut factors, mut order) = (real::<T>(&vec![9.0; 2 * m * n]), vec![0; 2 * m]);
    lu(View::new(&stored, 0, &[2, m, n], &[(m * n) as isize, n as isize, 1]).unwrap(), &mut factors, &mut order).unwrap();
    let k = m.min(n);
    for ((a, factors), order) in wide(&stored).chunks(m * n).zip(factors.chunks(m * n)).zip(order.chunks(m)) {
        let f = wide(factors);
        let l: Vec<f64> =
            (0..m * k).map(|at| (at / k, at % k)).map(|(i, j)| if j < i { f[i * n + j] } else { f64::from(i == j) }).collect();
        let u: Vec<f64> = (0..k * n).map(|at| if at / n <= at % n { f[at] } else { 0.0 }).collect();
        let rows: Vec<f64> = order.iter().flat_map(|&i| a[i as usize * n..][..n].to_vec()).collect();
        let off = ratio::<T>(&rows, &product(&l, &u, k), m.max(n));
        assert!(off < 10.0 && l.iter().all(|x| x.abs() <= 1.0), "{m} x {n}: {off}");
        if size_of::<T>() == 8 {
            let (_, expected, naive_order) = naive::lu(a, m, n);
            assert!(order.iter().zip(&naive_order).all(|(&a, &b)| a as usize == b));
            close(&u, &expected, 1e-9);
        }
    }
}

#[test]
fn lu_agrees_with_its_twin() {
    for n in SIZES {
        for m in [n, n + 1, 2 * n + 3, n / 2 + 1] {
            lu_at::<f64>(m, n);
            lu_at::<f32>(m, n);
        }
    }
}

#[test]
fn lu_solves_with_the_matrix_and_its_transpose() {
    for n in [1, 2, 7, 33, 65, 130] {
        for k in [1, 2, 9, 65, 80] {
            let (a, x) = (numbers(2 * n * n, n as u64), numbers(2 * n * k, k as u64));
            let shape = [2, n, n];
            let (mut factors, mut order) = (vec![0.0; 2 * n * n], vec![0; 2 * n]);
            lu(View::new(&a, 0, &shape, &[(n * n) as isize, n as isize, 1]).unwrap(), &mut factors, &mut order).unwrap();
            let solve = |transpose: bool| {
                let each = a.chunks(n * n).zip(x.chunks(n * k));
                let b: Vec<f64> = each
                    .flat_map(|(a, x)| if transpose { product(&transposed(a, n, n), x, n) } else { product(a, x, n) })
                    .collect();
                let mut found = vec![0.0; b.len()];
                lu_solve(Factored { factors: &factors, order: &order, n }, transpose, &b, &mut found).unwrap();
                // Backward stable: the residual is small whatever the condition.
                for ((a, found), b) in a.chunks(n * n).zip(found.chunks(n * k)).zip(b.chunks(n * k)) {
                    let a = if transpose { transposed(a, n, n) } else { a.to_vec() };
                    let off = frobenius(product(&a, found, n).iter().zip(b).map(|(a, b)| a - b));
                    let scale = frobenius(a.iter().copied()) * frobenius(found.iter().copied());
                    assert!(off < 10.0 * n as f64 * f64::EPSILON * scale, "{n}, {k}: {off}");
                }
            };
            solve(false);
            solve(true);
        }
    }
    let mut x = [0.0; 2];
    let factored = Factored { factors: &[1.0, 0.0, 5.0, 0.0], order: &[0, 1], n: 2 };
    assert_eq!(lu_solve(factored, false, &[1.0, 1.0], &mut x), Err(Failure::Matrix { matrix: 0, order: 2 }));
}

fn qr_at<T: Lanes>(m: usize, n: usize) {
    let stored = real::<T>(&numbers(2 * m * n, (m * 1000 + n) as u64));
    let (shape, strides) = ([2, m, n], [1, 2 * n as isize, 2]);
    let steps = m.min(n);
    for full in [false, true] {
        let k = if full { m } else { steps };
        let (mut q, mut r) = (real::<T>(&vec![9.0; 2 * m * k]), real::<T>(&vec![9.0; 2 * k * n]));
        qr(View::new(&stored, 0, &shape, &strides).unwrap(), Kind { full, non_negative: true }, &mut q, &mut r).unwrap();
        for i in 0..2 {
            let a: Vec<f64> = wide(&stored).into_iter().skip(i).step_by(2).collect();
            let (q, r) = (transposed(&wide(&q[i * m * k..][..m * k]), m, k), transposed(&wide(&r[i * k * n..][..k * n]), k, n));
            let off = ratio::<T>(&a, &product(&q, &r, k), m.max(n));
            let gram = ratio::<T>(&identity(k), &product(&transposed(&q, k, m), &q, m), m);
            assert!(off < 10.0 && gram < 10.0, "{m} x {n}, {full}: {off}, {gram}");
            assert!((0..k * n).all(|at| at / n <= at % n || r[at] == 0.0) && (0..steps).all(|j| r[j * n + j] >= 0.0));
            if size_of::<T>() == 8 && m > n && !full {
                close(&r, &naive::qr(&a, m, n).1, 1e-11);
            }
        }
    }
}

#[test]
fn qr_agrees_with_its_twin() {
    for n in SIZES {
        for m in [n, n + 1, 2 * n + 3, n / 2 + 1] {
            qr_at::<f64>(m, n);
            qr_at::<f32>(m, n);
        }
    }
}

#[test]
fn qr_survives_extreme_scales_and_zeros() {
    for scale in [1e150, 1e-150, 1e300, 1e-300, 0.0] {
        let (m, n) = (9, 5);
        let a: Vec<f64> = numbers(m * n, 3).iter().map(|x| x * scale).collect();
        let (mut q, mut r) = (vec![9.0; m * n], vec![9.0; n * n]);
        qr(View::new(&a, 0, &[m, n], &[n as isize, 1]).unwrap(), Kind { full: false, non_negative: false }, &mut q, &mut r)
            .unwrap();
        let (q, r) = (transposed(&q, m, n), transposed(&r, n, n));
        let unit = |x: &[f64]| x.iter().map(|x| if scale == 0.0 { *x } else { x / scale }).collect::<Vec<_>>();
        assert!(ratio::<f64>(&unit(&a), &product(&q, &unit(&r), n), m) < 10.0, "{scale}");
        assert!(ratio::<f64>(&identity(n), &product(&transposed(&q, n, m), &q, m), m) < 10.0, "{scale}");
    }
    for scale in [1e200_f64, 1e-200] {
        assert!((columns::norm(&[3.0 * scale, 4.0 * scale]) / (5.0 * scale) - 1.0).abs() < 1e-15);
    }
}

#[test]
fn triangular_systems_agree_with_their_twin() {
    for n in SIZES {
        for k in [1, 2, 7, 8, 9, 63, 64, 65, 130] {
            for (upper, unit) in [(false, false), (false, true), (true, false), (true, true)] {
                // Small entries off the diagonal keep the condition low.
                let mut t: Vec<f64> = numbers(n * n, 5).iter().map(|x| x / n as f64).collect();
                for i in 0..n {
                    t[i * n + i] = if unit { f64::NAN } else { 1.5 + i as f64 / n as f64 };
                    (0..n).filter(|&j| (j > i) != upper && j != i).for_each(|j| t[i * n + j] = f64::NAN);
                }
                let (b, mut x) = (numbers(n * k, 6), numbers(n * k, 6));
                let columns = transposed(&t, n, n);
                for (data, strides) in [(&t, [n as isize, 1]), (&columns, [1, n as isize])] {
                    x.copy_from_slice(&b);
                    solve_triangular(View::new(data, 0, &[n, n], &strides).unwrap(), &mut x, Triangle { upper, unit }).unwrap();
                    close(&x, &naive::solve_triangular(&t, n, upper, unit, &b), 1e-12);
                }
            }
        }
    }
    let view = View::new(&[1.0, 2.0, 3.0, 0.0], 0, &[2, 2], &[2, 1]).unwrap();
    let found = solve_triangular(view, &mut [1.0, 1.0], Triangle { upper: false, unit: false });
    assert_eq!(found, Err(Failure::Matrix { matrix: 0, order: 2 }));
}
