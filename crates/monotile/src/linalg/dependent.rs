//! Which triangles have columns that depend on each other, up to rounding.

use super::parts::matrix_name;
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::Tensor;

/// In multiples of ε, what rounding leaves of dependent columns in the triangle of a factorization by reflections, of `rows` by `columns`.
///
/// Measured: at most 1.5 ε of square matrices, 1 ε from order 64 on, and √(rows - columns) ε of tall ones. The least singular value of k columns of k
/// random numbers is below t for a share k t of them (Edelman 1988): 3 in 10,000 are refused in f32 at order 512.
pub(super) fn left_by_reflections(rows: usize, columns: usize) -> f64 {
    4.0 + 16.0 / (columns.max(1) as f64).sqrt() + 4.0 * (rows.saturating_sub(columns) as f64).sqrt()
}

/// The same of a factorization by elimination, whose pivots grow: measured, half of √n ε at order n.
pub(super) fn left_by_elimination(size: usize) -> f64 {
    4.0 * (size as f64).sqrt()
}

/// Refuses a gradient by the inverse of triangles `r`, `(…, k, k)`, whose least singular value is at most `left` ε.
///
/// Columns count at length 1: no choice of units makes them depend on each other. On a GPU nothing is read back, and nothing refused.
#[track_caller]
pub(super) fn refuse_dependent(op: &str, r: &Tensor, left: f64) -> Result<()> {
    let k = r.dim(-1);
    if r.is_empty() || !r.device().is_cpu() {
        return Ok(());
    }
    let (elements, limit) = (r.to_f64_vec()?, left * r.dtype().epsilon());
    for (matrix, elements) in elements.chunks_exact(k * k).enumerate() {
        let Some(column) = dependent(elements, k, limit) else { continue };
        let which = matrix_name(r, matrix);
        let why = format!(
            "the gradient of {op}: column {column} of {which} depends on those before it, up to rounding; leave it out, or take svd"
        );
        return Err(Error::new(ErrorKind::Singular, why));
    }
    Ok(())
}

/// The first column of an upper triangle that is in the span of those before it, or else the nearest to it, if the columns depend on each other.
fn dependent(r: &[f64], k: usize, limit: f64) -> Option<usize> {
    let length = |j: usize| {
        let most = (0..=j).fold(0.0, |m: f64, i| m.max(r[i * k + j].abs()));
        if most == 0.0 { 0.0 } else { most * (0..=j).map(|i| (r[i * k + j] / most).powi(2)).sum::<f64>().sqrt() }
    };
    let lengths: Vec<f64> = (0..k).map(length).collect();
    if let Some(zero) = lengths.iter().position(|&x| x == 0.0) {
        return Some(zero);
    }
    // What is not finite is no matter of rank.
    if !lengths.iter().all(|x| x.is_finite()) {
        return None;
    }
    let mut scaled = r.to_vec();
    scaled.iter_mut().enumerate().for_each(|(at, x)| *x /= lengths[at % k]);
    if smallest(&scaled, k) > limit {
        return None;
    }
    let apart = |j: usize| scaled[j * k + j].abs();
    (0..k).find(|&j| apart(j) <= limit).or_else(|| (0..k).min_by(|&i, &j| apart(i).total_cmp(&apart(j))))
}

/// The smallest singular value of an upper triangle, by a few steps of inverse iteration with RᵀR: at least the true one,
/// and near it.
pub(super) fn smallest(r: &[f64], k: usize) -> f64 {
    let mut x: Vec<f64> = (0..k).map(|i| 1.0 + (i % 7) as f64 / 7.0).collect();
    let mut least = f64::INFINITY;
    for _ in 0..4 {
        let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
        let length = norm(&x);
        x.iter_mut().for_each(|x| *x /= length);
        for i in 0..k {
            let known: f64 = (0..i).map(|j| r[j * k + i] * x[j]).sum();
            x[i] = (x[i] - known) / r[i * k + i];
        }
        for i in (0..k).rev() {
            let known: f64 = (i + 1..k).map(|j| r[i * k + j] * x[j]).sum();
            x[i] = (x[i] - known) / r[i * k + i];
        }
        let length = norm(&x);
        // A 0 on the diagonal, or one that is nearly.
        if !length.is_finite() {
            return 0.0;
        }
        least = least.min(length.sqrt().recip());
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::{QrOptions, lu, qr};
    use crate::{DType, Rng};

    #[test]
    fn dependent_columns_are_refused_by_the_triangle_of_an_elimination_too() {
        let mut rng = Rng::new(3);
        for (m, n) in [(4, 4), (8, 5), (64, 64), (150, 150), (200, 40)] {
            for dtype in [DType::F32, DType::F64] {
                let a = rng.normal([m, n], dtype).unwrap();
                let refused = |a: &Tensor| refuse_dependent("lu", &lu(a).unwrap().u, left_by_elimination(m)).is_err();
                assert!(!refused(&a), "{dtype} {m} {n}");
                let others = a.slice(1, ..n - 1).unwrap();
                let half = others.slice(1, ..1).unwrap().mul(0.3).unwrap();
                let combination = others.matmul(&rng.normal([n - 1, 1], dtype).unwrap()).unwrap();
                for last in [half, combination] {
                    assert!(refused(&Tensor::cat([&others, &last], 1).unwrap()), "{dtype} {m} {n}");
                }
            }
        }
    }

    #[test]
    fn dependent_columns_of_tall_and_small_matrices_are_refused() {
        let mut rng = Rng::new(2);
        for (m, n) in [(2, 2), (3, 2), (4, 4), (8, 5), (40, 3), (400, 20), (2000, 8)] {
            for dtype in [DType::F32, DType::F64] {
                for _ in 0..10 {
                    let a = rng.normal([m, n], dtype).unwrap();
                    let refused = |a: &Tensor| {
                        refuse_dependent("qr", &qr(a, &QrOptions::default()).unwrap().r, left_by_reflections(m, n)).is_err()
                    };
                    let low = a.slice(1, 1..).unwrap().matmul(&rng.normal([n - 1, n], dtype).unwrap()).unwrap();
                    assert!(!refused(&a) && refused(&low), "{dtype} {m} {n}");
                }
            }
        }
    }

    #[test]
    fn columns_of_random_numbers_are_told_from_those_that_depend_on_each_other() {
        let mut rng = Rng::new(1);
        for round in 0..30 {
            let n = 80 + round;
            for dtype in [DType::F32, DType::F64] {
                let a = rng.normal([n, n], dtype).unwrap();
                let refused = |a: &Tensor| {
                    refuse_dependent("qr", &qr(a, &QrOptions::default()).unwrap().r, left_by_reflections(n, n)).is_err()
                };
                assert!(!refused(&a), "{dtype} {n}");
                // The last column becomes a combination of the others, one of them, and a multiple of one.
                let others = a.slice(1, ..n - 1).unwrap();
                let first = others.slice(1, ..1).unwrap();
                let combination = others.matmul(&rng.normal([n - 1, 1], dtype).unwrap()).unwrap();
                for last in [combination, first.mul(0.3).unwrap(), first] {
                    assert!(refused(&Tensor::cat([&others, &last], 1).unwrap()), "{dtype} {n}");
                }
                let low = others.matmul(&rng.normal([n - 1, n], dtype).unwrap()).unwrap();
                assert!(refused(&low), "{dtype} {n}");
            }
        }
    }
}
