//! Norms of matrices

use super::parts::batch;
use super::svd::svdvals;
use crate::check;
use crate::error::Result;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// Which norm of a matrix.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MatrixNorm {
    /// The root of the sum of all squares.
    #[default]
    Frobenius,
    /// The sum of the singular values.
    Nuclear,
    /// The largest sum of absolute values of a column.
    One,
    /// The largest singular value.
    Two,
    /// The largest sum of absolute values of a row.
    Infinity,
}

/// Norms of matrices.
///
/// Shapes: `a` is `(…, m, n)`, the result `(…)`; 0 for a matrix without an element. Squares are taken of scaled numbers, so that
/// none overflows or vanishes.
///
/// # Gradient
/// A subgradient where the norm has a kink; 0 at A = 0 for Frobenius' norm.
///
/// # Errors
/// If `a` is no matrix, or of integers.
///
/// # Cost
/// m n operations a matrix, or that of the singular values for the nuclear norm and the norm of two.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::{MatrixNorm, norm}};
/// let a = Tensor::from_rows(&[[3.0_f64, 0.0], [0.0, -4.0]])?;
/// let norms = [MatrixNorm::Frobenius, MatrixNorm::Nuclear, MatrixNorm::One].map(|which| norm(&a, which).unwrap());
/// assert_eq!(norms.map(|norm| norm.item::<f64>().unwrap()), [5.0, 7.0, 4.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "matrix_norm")]
#[track_caller]
pub fn norm(a: &Tensor, which: MatrixNorm) -> Result<Tensor> {
    let a = a.to_compute_dtype("norm")?;
    let [m, n] = check::matrices("norm", &a)?;
    if m == 0 || n == 0 {
        return Tensor::zeros(batch(&a), a.dtype());
    }
    match which {
        MatrixNorm::Frobenius => frobenius(&a),
        MatrixNorm::Nuclear => svdvals(&a)?.sum(&[-1], false),
        MatrixNorm::One => a.abs()?.sum(&[-2], false)?.max(&[-1], false),
        MatrixNorm::Two => svdvals(&a)?.select(-1, 0),
        MatrixNorm::Infinity => a.abs()?.sum(&[-1], false)?.max(&[-1], false),
    }
}

#[track_caller]
fn frobenius(a: &Tensor) -> Result<Tensor> {
    let largest = a.detach().abs()?.max(&[-2, -1], true)?;
    let zero = largest.eq(largest.zeros_like())?;
    // The norm grows with its matrix, so that scaling by a constant is no part of its gradient.
    let scale = zero.where_(largest.ones_like(), &largest)?;
    let squares = a.div(&scale)?.square()?.sum(&[-2, -1], true)?;
    let root = zero.where_(squares.ones_like(), &squares)?.sqrt()?.mul(&scale)?;
    zero.where_(root.zeros_like(), &root)?.squeeze(-1)?.squeeze(-1)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::distinct;
    let of = |which: MatrixNorm| {
        // Normal numbers: sums of columns and of rows differ by more than a difference quotient's step.
        Spec::new("norm", move |x| Ok(vec![norm(&distinct(&x[0])?, which)?]))
            .sample("batch", vec![normal(&[2, 4, 3])])
            .sample("wide", vec![normal(&[2, 4])])
            .sample("no rows", vec![normal(&[2, 0, 3])])
            .orders(2)
    };
    let plain = |which: MatrixNorm, f: fn(&[f64], usize) -> f64| {
        Spec::new("norm", move |x| Ok(vec![norm(&x[0], which)?])).sample("batch", vec![normal(&[2, 4, 3])]).shaped_reference(
            move |x, shapes| {
                let [_, m, n] = shapes[0][..] else { unreachable!("a batch of matrices") };
                vec![x[0].chunks(m * n).map(|a| f(a, n)).collect()]
            },
        )
    };
    vec![
        of(MatrixNorm::Frobenius),
        of(MatrixNorm::Nuclear),
        of(MatrixNorm::One),
        of(MatrixNorm::Two),
        of(MatrixNorm::Infinity),
        plain(MatrixNorm::Frobenius, |a, _| a.iter().map(|x| x * x).sum::<f64>().sqrt()).refuses(
            vec![Tensor::arange(4).unwrap().reshape(&[2, 2]).unwrap()],
            "norm: takes floating-point numbers, got i64; cast with to_dtype",
        ),
        plain(MatrixNorm::One, |a, n| (0..n).map(|j| a.iter().skip(j).step_by(n).map(|x| x.abs()).sum()).fold(0.0, f64::max)),
        plain(MatrixNorm::Infinity, |a, n| a.chunks(n).map(|row| row.iter().map(|x| x.abs()).sum()).fold(0.0, f64::max)),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: norm);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::grad;

    #[test]
    fn frobenius_norm_holds_at_extreme_scales_and_at_zero() {
        for scale in [1e150_f64, 1e-150, 1e-300] {
            let a = Tensor::from_rows(&[[3.0 * scale, 4.0 * scale]]).unwrap();
            assert!((norm(&a, MatrixNorm::Frobenius).unwrap().item::<f64>().unwrap() / (5.0 * scale) - 1.0).abs() < 1e-15);
        }
        let zero = Tensor::zeros(&[2, 2], crate::DType::F64).unwrap().requires_grad();
        let value = norm(&zero, MatrixNorm::Frobenius).unwrap();
        assert_eq!(value.item::<f64>().unwrap(), 0.0);
        assert_eq!(grad(&value, &[&zero]).unwrap()[0].to_f64_vec().unwrap(), [0.0; 4]);
    }
}
