//! Rows of 3 and 4 numbers, one after another: points through matrices, poses, slerp.
//! [`compose`] reads scales on the host, to refuse the inverse of a scale of 0.

use monotile_kernels::real::Real;
use monotile_kernels::simd::Lanes;
use monotile_kernels::transform::BroadcastRows;
pub use monotile_kernels::transform::points::VectorKind;
use monotile_kernels::transform::{points, pose, slerp as between};

use super::real;
use crate::error::Result;
use crate::tensor::Tensor;
use crate::tensor::dtype::StorageElement;
use crate::tensor::uninit::UninitTensor;

/// Rows through 4 x 4 matrices, each of which takes the next `per` rows.
#[track_caller]
pub fn points(op: &str, kind: VectorKind, matrices: &Tensor, per: usize, rows: &Tensor) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(op: &str, kind: VectorKind, matrices: &Tensor, per: usize, rows: &Tensor) -> Result<Tensor> {
        let mut out = UninitTensor::<T>::like(op, rows)?;
        if !rows.is_empty() {
            points::transform(kind, matrices.elements(), per, rows.elements(), &mut out);
        }
        Ok(out.tensor())
    }
    real!(op, [rows, matrices], run(op, kind, matrices, per, rows))
}

/// T R S of each translation, rotation and scale, or its inverse; none where a scale has no inverse. Each of the three is one row for
/// all, or one each.
#[track_caller]
pub fn compose(op: &str, inverse: bool, parts: [&Tensor; 3], shape: &[usize]) -> Result<Option<Tensor>> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(op: &str, inverse: bool, [t, q, s]: [&Tensor; 3], shape: &[usize]) -> Result<Option<Tensor>> {
        if inverse && s.elements::<T>().contains(&T::ZERO) {
            return Ok(None);
        }
        let mut out = UninitTensor::<T>::new(op, shape)?;
        pose::compose(pose::PoseParts { translation: rows(t), rotation: rows(q), scale: rows(s) }, inverse, &mut out);
        Ok(Some(out.tensor()))
    }
    real!(op, parts, run(op, inverse, parts, shape))
}

/// The rotations between a and b at t; each of the three is one row for all, or one each.
#[track_caller]
pub fn slerp(op: &str, operands: [&Tensor; 3], shape: &[usize]) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(op: &str, [a, b, t]: [&Tensor; 3], shape: &[usize]) -> Result<Tensor> {
        let mut out = UninitTensor::<T>::new(op, shape)?;
        between::slerp(rows(a), rows(b), rows(t), &mut out);
        Ok(out.tensor())
    }
    real!(op, operands, run(op, operands, shape))
}

fn rows<T: StorageElement + Real>(x: &Tensor) -> BroadcastRows<'_, T> {
    let (width, numbers) = (x.dim(-1), x.elements::<T>());
    if x.len() == width { BroadcastRows::shared(numbers) } else { BroadcastRows::per_row(numbers, width) }
}
