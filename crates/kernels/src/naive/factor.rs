//! Factorizations as their definitions read: one matrix, row by row.

use crate::real::Real;

/// The lower triangular L with A = L Lᵀ; `None` where A is not positive definite.
pub fn cholesky<T: Real>(a: &[T], n: usize) -> Option<Vec<T>> {
    let mut l = vec![T::ZERO; n * n];
    for i in 0..n {
        for j in 0..=i {
            let sum = (0..j).fold(a[i * n + j], |sum, k| sum - l[i * n + k] * l[j * n + k]);
            if i == j && !(sum > T::ZERO) {
                return None;
            }
            l[i * n + j] = if i == j { sum.sqrt() } else { sum / l[j * n + j] };
        }
    }
    Some(l)
}

/// L with a unit diagonal, U, and which row of A each row of L U is.
pub fn lu<T: Real>(a: &[T], m: usize, n: usize) -> (Vec<T>, Vec<T>, Vec<usize>) {
    let (mut a, steps) = (a.to_vec(), m.min(n));
    let mut order: Vec<usize> = (0..m).collect();
    for j in 0..steps {
        let largest = (j..m).fold(j, |p, i| if a[i * n + j].abs() > a[p * n + j].abs() { i } else { p });
        order.swap(j, largest);
        (0..n).for_each(|c| a.swap(j * n + c, largest * n + c));
        let pivot = a[j * n + j];
        if pivot == T::ZERO {
            continue;
        }
        for i in j + 1..m {
            let factor = a[i * n + j] / pivot;
            a[i * n + j] = factor;
            (j + 1..n).for_each(|c| a[i * n + c] = a[i * n + c] - factor * a[j * n + c]);
        }
    }
    let one = |i, k| if i == k { T::ONE } else { T::ZERO };
    let l = (0..m * steps).map(|at| (at / steps, at % steps)).map(|(i, k)| if k < i { a[i * n + k] } else { one(i, k) }).collect();
    let u = (0..steps * n).map(|at| (at / n, at % n)).map(|(i, j)| if i <= j { a[i * n + j] } else { T::ZERO }).collect();
    (l, u, order)
}

/// Q with orthonormal columns and R with a positive diagonal, of a matrix of full column rank, by projections applied
/// twice.
pub fn qr<T: Real>(a: &[T], m: usize, n: usize) -> (Vec<T>, Vec<T>) {
    let (mut q, mut r) = (a.to_vec(), vec![T::ZERO; n * n]);
    for j in 0..n {
        for _ in 0..2 {
            for k in 0..j {
                let along = (0..m).fold(T::ZERO, |sum, i| sum + q[i * n + k] * q[i * n + j]);
                r[k * n + j] += along;
                (0..m).for_each(|i| q[i * n + j] = q[i * n + j] - along * q[i * n + k]);
            }
        }
        let norm = (0..m).fold(T::ZERO, |sum, i| sum + q[i * n + j] * q[i * n + j]).sqrt();
        r[j * n + j] = norm;
        (0..m).for_each(|i| q[i * n + j] = q[i * n + j] / norm);
    }
    (q, r)
}

/// X with T X = B, where T is a triangle of an n×n matrix and B has k columns.
pub fn solve_triangular<T: Real>(t: &[T], n: usize, upper: bool, unit: bool, b: &[T]) -> Vec<T> {
    let k = b.len() / n.max(1);
    let mut x = b.to_vec();
    for step in 0..n {
        let i = if upper { n - 1 - step } else { step };
        let known = if upper { i + 1..n } else { 0..i };
        for c in 0..k {
            let sum = known.clone().fold(x[i * k + c], |sum, j| sum - t[i * n + j] * x[j * k + c]);
            x[i * k + c] = if unit { sum } else { sum / t[i * n + i] };
        }
    }
    x
}
