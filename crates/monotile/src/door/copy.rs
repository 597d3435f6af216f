//! Elements as they are, into other places. [`scatter`] reads the numbers of places on the host, where it also writes.

use monotile_kernels::real::Real;
use monotile_kernels::shape::{Shape, count};

use super::{real, stored};
use crate::error::Result;
use crate::tensor::dtype::StorageElement;
use crate::tensor::uninit::UninitTensor;
use crate::tensor::{DType, Tensor};

/// Contiguous tensors of one type, one after another along an axis; `shape` is that of all together.
#[track_caller]
pub fn cat(op: &str, sources: &[Tensor], shape: &Shape, axis: usize) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement>(op: &str, sources: &[Tensor], shape: &Shape, axis: usize) -> Result<Tensor> {
        let (inner, row) = (count(&shape[axis + 1..]), count(&shape[axis..]));
        let mut out = UninitTensor::<T>::with_shape(op, shape.clone())?;
        let mut start = 0;
        for source in sources.iter().filter(|source| !source.is_empty()) {
            let width = source.shape()[axis] * inner;
            let from = source.elements::<T>().chunks_exact(width);
            out.chunks_exact_mut(row).zip(from).for_each(|(to, from)| to[start..start + width].copy_from_slice(from));
            start += width;
        }
        Ok(out.tensor())
    }
    stored!(op, sources, run(op, sources, shape, axis) => cat(sources, shape, axis))
}

/// Zeros of a shape with the elements of x, contiguous, f32 or f64, where `view` takes its view of a tensor of that shape.
#[track_caller]
pub fn scatter(op: &str, x: &Tensor, shape: &[usize], view: &dyn Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Real>(
        op: &str,
        x: &Tensor,
        shape: &[usize],
        view: &dyn Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let places = view(&Tensor::arange(count(shape))?.reshape(shape)?)?.contiguous_detached(op)?;
        let mut out = UninitTensor::filled(op, shape, T::ZERO)?;
        places.elements::<i64>().iter().zip(x.elements::<T>()).for_each(|(&at, &x)| out[at as usize] = x);
        Ok(out.tensor())
    }
    real!(op, [x], run(op, x, shape, view) => embed(x, shape, view))
}

/// Refuses a result of this shape that there is no memory for, before it is computed piece by piece.
#[track_caller]
pub fn check_memory(op: &str, shape: &[usize], dtype: DType) -> Result<()> {
    match dtype.size() {
        8 => UninitTensor::<f64>::new(op, shape).map(drop),
        _ => UninitTensor::<f32>::new(op, shape).map(drop),
    }
}
