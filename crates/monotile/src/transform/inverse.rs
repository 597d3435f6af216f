//! Inverses of matrices that move, turn and stretch, and the matrices of normals.

use crate::error::{Error, Result};
use crate::linalg::inv;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal, positive};

use super::parts::{affine, check_matrices, common};

/// The inverses of rotations with translations: from p ↦ R p + t, p ↦ Rᵀ p − Rᵀ t.
///
/// Shapes: `m` is `(…, 4, 4)`, and so is the result. That the upper left block rotates, and that the last row is 0, 0, 0, 1, is not checked.
///
/// # Errors
/// If the matrices are not 4 x 4.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::{rigid_inverse, translation}};
/// let m = translation(&Tensor::from_slice(&[1.0_f64, 2.0, 3.0], &[3])?)?;
/// assert_eq!(rigid_inverse(&m)?.select(1, 3)?.to_vec::<f64>()?, [-1.0, -2.0, -3.0, 1.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn rigid_inverse(m: &Tensor) -> Result<Tensor> {
    let [linear, offset] = blocks("rigid_inverse", m)?;
    inverse_of(&linear.mt(), &offset)
}

/// The inverses of affine matrices, those of [`compose`](super::compose) among them: from p ↦ A p + t, p ↦ A⁻¹ p − A⁻¹ t.
///
/// Shapes: `m` is `(…, 4, 4)`, and so is the result. That the last row is 0, 0, 0, 1 is not checked.
///
/// # Errors
/// If the matrices are not 4 x 4, or one is singular. Where the parts of a pose are known,
/// [`compose_inverse`](super::compose_inverse) is faster and more exact.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::{affine_inverse, scaling}};
/// let m = scaling(&Tensor::from_slice(&[2.0_f64, 4.0, 0.5], &[3])?)?;
/// assert_eq!(affine_inverse(&m)?.diagonal(0, 1)?.to_vec::<f64>()?, [0.5, 0.25, 2.0, 1.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn affine_inverse(m: &Tensor) -> Result<Tensor> {
    let [linear, offset] = blocks("affine_inverse", m)?;
    inverse_of(&inv(&linear).map_err(|e| renamed("affine_inverse", e))?, &offset)
}

/// The matrices that normals are transformed by where points are by `m`: (A⁻¹)ᵀ of its upper left block A. Normals come out of another
/// length.
///
/// Shapes: `m` is `(…, 4, 4)`, the result `(…, 3, 3)`.
///
/// # Errors
/// If the matrices are not 4 x 4, or the block of one is singular.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::{normal_matrix, scaling}};
/// let m = scaling(&Tensor::from_slice(&[2.0_f64, 4.0, 1.0], &[3])?)?;
/// assert_eq!(normal_matrix(&m)?.diagonal(0, 1)?.to_vec::<f64>()?, [0.5, 0.25, 1.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn normal_matrix(m: &Tensor) -> Result<Tensor> {
    let [linear, _] = blocks("normal_matrix", m)?;
    Ok(inv(&linear).map_err(|e| renamed("normal_matrix", e))?.mt())
}

/// The upper left 3 x 3 blocks, and the translations as rows.
#[track_caller]
fn blocks(op: &str, m: &Tensor) -> Result<[Tensor; 2]> {
    check_matrices(op, m, 4)?;
    let [m] = common(op, [m])?;
    let upper = m.slice(-2, ..3)?;
    Ok([upper.slice(-1, ..3)?, upper.select(-1, 3)?])
}

/// p ↦ B p − B t
#[track_caller]
fn inverse_of(b: &Tensor, offset: &Tensor) -> Result<Tensor> {
    affine(b, &b.mul(&offset.unsqueeze(-2)?)?.sum(&[-1], false)?.neg()?)
}

/// An error of [`inv`] in the name of the operation that the caller typed.
#[track_caller]
pub(super) fn renamed(op: &str, error: Error) -> Error {
    let words = error.to_string();
    error.with_message(format!("{op}: {}", words.strip_prefix("inv: ").unwrap_or(&words)))
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, rotations};
    use super::{compose, scaling};
    // Products T R S, regular by their scales, that a difference quotient keeps so.
    let pose = |leading: &[usize], scale: Tensor| {
        let leading_3: Vec<usize> = leading.iter().copied().chain([3]).collect();
        compose(&normal(&leading_3), &rotations(leading), &scale).unwrap()
    };
    let ones = || Tensor::ones(&[3], crate::DType::F64).unwrap();
    let identity = |x: &[Tensor], y: &[Tensor]| {
        let product = x[0].matmul(&y[0])?;
        distance(&product, &Tensor::eye(4, product.dtype())?.expand(product.shape())?)
    };
    let flat = scaling(&Tensor::from_slice(&[1.0, 0.0, 2.0], &[3]).unwrap()).unwrap();
    vec![
        Spec::new("rigid_inverse", |x| Ok(vec![rigid_inverse(&x[0])?]))
            .sample("batch", vec![pose(&[2, 2], ones())])
            .sample("identity", vec![Tensor::eye(4, crate::DType::F64).unwrap()])
            .property("M M⁻¹ = I", identity)
            .may_drop_nan()
            .orders(2)
            .refuses(vec![normal(&[3, 3])], "rigid_inverse: needs 4 x 4 matrices, got shape [3, 3]"),
        Spec::new("affine_inverse", |x| Ok(vec![affine_inverse(&x[0])?]))
            .sample("batch", vec![pose(&[3], positive(&[3, 3]))])
            .sample("identity", vec![Tensor::eye(4, crate::DType::F64).unwrap()])
            .property("M M⁻¹ = I", identity)
            .orders(2)
            .refuses(vec![flat.clone()], "affine_inverse: the matrix is singular (its pivot 1 is 0)"),
        Spec::new("normal_matrix", |x| Ok(vec![normal_matrix(&x[0])?]))
            .sample("batch", vec![pose(&[3], positive(&[3, 3]))])
            .sample("identity", vec![Tensor::eye(4, crate::DType::F64).unwrap()])
            .property("normals stay perpendicular to the surface", |x, y| {
                let (tangent, normal) = (normal(&[5, 3]), normal(&[3, 5]).mt());
                let along = tangent.mul(&normal)?.sum(&[-1], true)?.div(&normal.square()?.sum(&[-1], true)?)?;
                let tangent = tangent.sub(&normal.mul(&along)?)?;
                let linear = x[0].slice(-1, ..3)?.slice(-2, ..3)?;
                let product = tangent.matmul(&linear.mt())?.mul(&normal.matmul(&y[0].mt())?)?.sum(&[-1], false)?;
                distance(&product, &product.zeros_like())
            })
            .orders(2)
            .refuses(vec![flat], "normal_matrix: the matrix is singular (its pivot 1 is 0)"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: rigid_inverse, affine_inverse, normal_matrix);
