//! The steps that work in registers, on every instruction set.

use super::{identity, positive_definite, product, ratio, real, transposed, wide};
use crate::factor::matrix::Matrix;
use crate::factor::{cholesky, crout, substitute};
use crate::naive::{self, close, numbers};
use crate::simd::{Lanes, available};

const ORDERS: [usize; 12] = [1, 2, 3, 4, 7, 8, 9, 16, 17, 33, 65, 128];

fn cholesky_at<T: Lanes>(n: usize) {
    let a = positive_definite(n, 3);
    for isa in available() {
        let mut columns = real::<T>(&a);
        cholesky::leaf(isa, &mut columns, n, n).unwrap();
        let u: Vec<f64> = wide(&columns).iter().enumerate().map(|(at, &x)| if at % n < at / n { 0.0 } else { x }).collect();
        assert!(ratio::<T>(&a, &product(&transposed(&u, n, n), &u, n), n) < 10.0, "{isa:?} {n}");
        let mut bad = real::<T>(&a);
        bad[n * n - 1] = -T::ONE;
        assert_eq!(cholesky::leaf(isa, &mut bad, n, n), Err(n));
    }
}

fn lu_at<T: Lanes>(m: usize, n: usize) {
    let (a, stride) = (numbers(m * n, 7), n + 3);
    for isa in available() {
        let mut rows = real::<T>(&vec![7.0; m * stride]);
        let stored = real::<T>(&a);
        rows.chunks_mut(stride).zip(stored.chunks(n)).for_each(|(to, from)| to[..n].copy_from_slice(from));
        let k = m.min(n);
        let mut pivots = vec![0; k];
        crout::factor(isa, &mut rows, m, n, stride, &mut pivots).unwrap();
        assert!(rows.chunks(stride).all(|row| row[n..].iter().all(|&x| x == T::from_f64(7.0))));
        let f: Vec<f64> = rows.chunks(stride).flat_map(|row| wide(&row[..n])).collect();
        let l: Vec<f64> =
            (0..m * k).map(|at| (at / k, at % k)).map(|(i, j)| if j < i { f[i * n + j] } else { f64::from(i == j) }).collect();
        let u: Vec<f64> = (0..k * n).map(|at| if at / n <= at % n { f[at] } else { 0.0 }).collect();
        let mut exchanged = wide(&stored);
        for (i, &p) in pivots.iter().enumerate() {
            (0..n).for_each(|j| exchanged.swap(i * n + j, p * n + j));
        }
        assert!(ratio::<T>(&exchanged, &product(&l, &u, k), m.max(n)) < 10.0, "{isa:?} {m} x {n}");
        assert!(l.iter().all(|x| x.abs() <= 1.0));
    }
}

#[test]
fn cholesky_in_registers_gives_the_matrix_back() {
    ORDERS.into_iter().for_each(cholesky_at::<f32>);
    ORDERS.into_iter().for_each(cholesky_at::<f64>);
}

#[test]
fn lu_in_registers_gives_the_matrix_back() {
    for n in ORDERS {
        for m in [1, n, n + 1, 2 * n + 3] {
            lu_at::<f32>(m, n);
            lu_at::<f64>(m, n);
        }
    }
}

#[test]
fn a_pivot_is_the_first_of_the_largest_and_a_column_of_zeros_has_none() {
    for isa in available() {
        let n = 20;
        // Rows of ±1 in the first column: the first row stays.
        let mut a = identity(n);
        (0..n).for_each(|i| a[i * n] = if i % 2 == 0 { 1.0 } else { -1.0 });
        (0..n).for_each(|i| a[i * n + 5] = 0.0);
        let mut pivots = vec![9; n];
        crout::factor(isa, &mut a, n, n, n, &mut pivots).unwrap();
        assert_eq!((pivots[0], pivots[5]), (0, 5));
        assert!(a[5 * n + 5] == 0.0 && a.iter().all(|x| x.is_finite()));
    }
}

#[test]
fn rows_of_triangular_systems_agree_with_their_twin() {
    for isa in available() {
        for n in ORDERS {
            let mut t: Vec<f64> = numbers(n * n, 5).iter().map(|x| x / n as f64).collect();
            (0..n).for_each(|i| t[i * n + i] = 1.5);
            for k in [1, 3, 16, 17, 50, 64] {
                for upper in [false, true] {
                    let b = numbers(n * k, 6);
                    let mut x = b.clone();
                    substitute::solve(isa, Matrix::of_rows(&t, n, n, n), [upper, false], &mut x, k, k);
                    close(&x, &naive::solve_triangular(&t, n, upper, false, &b), 1e-12);
                }
            }
        }
        // The inverse of a subnormal number is infinite where the quotient is not.
        let mut x = [2e-310_f64, 3e-310];
        substitute::solve(isa, Matrix::of_rows(&[1e-310], 1, 1, 1), [false, false], &mut x, 2, 2);
        assert!((x[0] - 2.0).abs() < 1e-9 && (x[1] - 3.0).abs() < 1e-9);
    }
}
