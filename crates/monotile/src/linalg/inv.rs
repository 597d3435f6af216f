//! A⁻¹

use super::parts::singular;
use crate::check;
use crate::door;
use crate::error::Result;
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The inverses of square matrices.
///
/// Shapes: `a` is `(…, n, n)`, and so is the result. To solve a system, [`solve`](super::solve) is faster and more accurate.
///
/// # Errors
/// If the matrices are not square, or `Singular` if a pivot is 0, naming the matrix of the batch.
/// On a GPU nothing is read back: a pivot of 0 gives infinities or NaN there. Matrices are at most 32 x 32 there.
///
/// # Cost
/// 2⅔ n³ operations a matrix.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::inv};
/// let a = Tensor::from_rows(&[[1.0_f64, 0.0], [2.0, 4.0]])?;
/// assert_eq!(inv(&a)?.to_vec::<f64>()?, [1.0, 0.0, -0.5, 0.25]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "inverse")]
#[track_caller]
pub fn inv(a: &Tensor) -> Result<Tensor> {
    let a = a.to_compute_dtype("inv")?;
    check::square("inv", &a)?;
    let inverse = door::factor::inverse("inv", &a, singular("inv", &a, "pivot"))?;
    Ok(Tensor::record(inverse, &[&a], Inverse))
}

struct Inverse;

impl Gradient for Inverse {
    fn name(&self) -> &'static str {
        "inv"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    // With Y = A⁻¹:  Ā = −Yᵀ Ȳ Yᵀ
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(y_bar) = &cotangents[0] else { return Ok(vec![None]) };
        let y = saved.output(0);
        Ok(vec![Some(y.mt().matmul(y_bar)?.matmul(&y.mt())?.neg()?)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, regular};
    vec![
        Spec::new("inv", |x| Ok(vec![inv(&x[0])?]))
            .sample("matrix", vec![regular(&[4, 4])])
            .sample("batch", vec![regular(&[2, 3, 3, 3])])
            .sample("one by one", vec![regular(&[1, 1])])
            .sample("no rows", vec![normal(&[2, 0, 0])])
            .property("A A⁻¹ = I", |x, y| {
                let product = x[0].matmul(&y[0])?;
                distance(&Tensor::eye(x[0].dim(-1), x[0].dtype())?.expand(product.shape())?, &product)
            })
            .orders(2)
            .refuses(vec![Tensor::ones(&[2, 2], crate::DType::F64).unwrap()], "inv: the matrix is singular (its pivot 1 is 0)"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: inv);
