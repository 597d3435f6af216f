//! Picking, adding and writing by indices along an axis, and reading pictures between their points. Operands and indices are contiguous;
//! indices are i64 and in range.
//! [`outside`] reads indices on the host, to refuse what is out of range.

use half::{bf16, f16};
use monotile_kernels::gather::{self as kernel, GatherDims};
use monotile_kernels::real::{Real, Widen};
use monotile_kernels::sample as pictures;
use monotile_kernels::sample::SampleDims;
pub use monotile_kernels::sample::{MOST_ELEMENTS, MOST_SIDE, PixelCoordinate, SampleMode, SamplePadding, SampleRule};
use monotile_kernels::shape::count;

#[cfg(feature = "gpu")]
use super::{OperandPlace, gpu::GpuScatter, place};
use super::{real, stored};
use crate::error::Result;
use crate::tensor::dtype::StorageElement;
use crate::tensor::uninit::UninitTensor;
use crate::tensor::{DType, Dims, Tensor};

/// The first index that is not in 0 … size − 1.
pub fn outside(indices: &Tensor, size: usize) -> Option<i64> {
    #[cfg(feature = "gpu")]
    if !indices.device().is_cpu() {
        return super::gpu::outside(indices, size);
    }
    indices.elements::<i64>().iter().find(|i| !(0..size as i64).contains(i)).copied()
}

/// out[…, j, …] = x[…, indices[j], …]
#[track_caller]
pub fn select(op: &str, x: &Tensor, axis: usize, indices: &Tensor) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement>(op: &str, x: &Tensor, axis: usize, indices: &Tensor) -> Result<Tensor> {
        let mut out = UninitTensor::<T>::new(op, &with_size(x.shape(), axis, indices.len()))?;
        kernel::select(x.elements(), sizes(x.shape(), axis), indices.elements(), &mut out, |x: T| x);
        Ok(out.tensor())
    }
    stored!(op, [x, indices], run(op, x, axis, indices) => select(x, axis, indices))
}

/// The rows of a table of floating-point numbers that indices name, in the type that is computed in.
#[track_caller]
pub fn rows(op: &str, table: &Tensor, ids: &Tensor) -> Result<Tensor> {
    #[track_caller]
    fn run<A: StorageElement + Widen<R>, R: StorageElement + Real>(op: &str, table: &Tensor, ids: &Tensor) -> Result<Tensor> {
        let (vocab, dim) = (table.dim(0), table.dim(1));
        let shape: Dims = ids.shape().iter().copied().chain([dim]).collect();
        let mut out = UninitTensor::<R>::new(op, &shape)?;
        let sizes = GatherDims { outer: 1, axis: vocab, inner: dim };
        kernel::select(table.elements::<A>(), sizes, ids.elements(), &mut out, |x| x.widen());
        Ok(out.tensor())
    }
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[table, ids])? {
        return gpu.rows(table, ids);
    }
    match table.dtype() {
        DType::F32 => run::<f32, f32>(op, table, ids),
        DType::F64 => run::<f64, f64>(op, table, ids),
        DType::BF16 => run::<bf16, f32>(op, table, ids),
        DType::F16 => run::<f16, f32>(op, table, ids),
        DType::I64 | DType::I32 | DType::U8 | DType::Bool => unreachable!("a table of floating-point numbers"),
    }
}

/// Zeros of g's shape, but for the size of the axis, with out[…, indices[j], …] += g[…, j, …].
#[track_caller]
pub fn select_add(op: &str, g: &Tensor, axis: usize, indices: &Tensor, size: usize) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Real>(op: &str, g: &Tensor, axis: usize, indices: &Tensor, size: usize) -> Result<Tensor> {
        let shape = with_size(g.shape(), axis, size);
        let mut out = UninitTensor::filled(op, &shape, T::ZERO)?;
        kernel::select_add(g.elements(), indices.elements(), &mut out, sizes(&shape, axis));
        Ok(out.tensor())
    }
    real!(op, [g, indices], run(op, g, axis, indices, size) => select_add(g, axis, indices, size))
}

/// out[…, j, …] = x[…, index[…, j, …], …]
#[track_caller]
pub fn gather(op: &str, x: &Tensor, axis: usize, index: &Tensor) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement>(op: &str, x: &Tensor, axis: usize, index: &Tensor) -> Result<Tensor> {
        let mut out = UninitTensor::<T>::like(op, index)?;
        kernel::gather(x.elements(), sizes(x.shape(), axis), index.elements(), &mut out);
        Ok(out.tensor())
    }
    stored!(op, [x, index], run(op, x, axis, index) => gather(x, axis, index))
}

/// x with out[…, index[…, j, …], …] += source[…, j, …]
#[track_caller]
pub fn scatter_add(op: &str, x: &Tensor, axis: usize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Real>(op: &str, x: &Tensor, axis: usize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let mut out = UninitTensor::<T>::like(op, x)?;
        out.copy_from_slice(x.elements());
        kernel::scatter_add(source.elements(), index.elements(), &mut out, sizes(x.shape(), axis));
        Ok(out.tensor())
    }
    real!(op, [x, index, source], run(op, x, axis, index, source) => scatter(GpuScatter::Add, x, axis, index, source))
}

/// x with out[…, indices[j], …] = source[…, j, …], of any one type.
#[track_caller]
pub fn select_put(op: &str, x: &Tensor, axis: usize, indices: &Tensor, source: &Tensor) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement>(op: &str, x: &Tensor, axis: usize, indices: &Tensor, source: &Tensor) -> Result<Tensor> {
        let mut out = UninitTensor::<T>::like(op, x)?;
        out.copy_from_slice(x.elements());
        kernel::select_put(source.elements(), indices.elements(), &mut out, sizes(x.shape(), axis));
        Ok(out.tensor())
    }
    stored!(op, [x, indices, source], run(op, x, axis, indices, source) => select_put(x, axis, indices, source))
}

/// x with out[…, index[…, j, …], …] = source[…, j, …], of any one type.
#[track_caller]
pub fn scatter(op: &str, x: &Tensor, axis: usize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement>(op: &str, x: &Tensor, axis: usize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let mut out = UninitTensor::<T>::like(op, x)?;
        out.copy_from_slice(x.elements());
        kernel::scatter(source.elements(), index.elements(), &mut out, sizes(x.shape(), axis), |_, new: T| new);
        Ok(out.tensor())
    }
    stored!(op, [x, index, source], run(op, x, axis, index, source) => scatter(GpuScatter::Put, x, axis, index, source))
}

/// x with the largest, or the smallest, of out[…, index[…, j, …], …] and source[…, j, …]; NaN if one is.
#[track_caller]
pub fn scatter_extreme(op: &str, x: &Tensor, axis: usize, index: &Tensor, source: &Tensor, largest: bool) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Real>(
        op: &str,
        x: &Tensor,
        axis: usize,
        index: &Tensor,
        source: &Tensor,
        largest: bool,
    ) -> Result<Tensor> {
        let mut out = UninitTensor::<T>::like(op, x)?;
        out.copy_from_slice(x.elements());
        let dims = sizes(x.shape(), axis);
        let extreme = |a: T, b: T| if largest { a.maximum(b) } else { a.minimum(b) };
        kernel::scatter(source.elements(), index.elements(), &mut out, dims, extreme);
        Ok(out.tensor())
    }
    real!(op, [x, index, source], run(op, x, axis, index, source, largest) => scatter_extreme(x, axis, index, source, largest))
}

/// A shape as the kernel reads it: what lies before the axis, the axis, and what lies after it.
fn sizes(shape: &[usize], axis: usize) -> GatherDims {
    GatherDims { outer: count(&shape[..axis]), axis: shape[axis], inner: count(&shape[axis + 1..]) }
}

fn with_size(shape: &[usize], axis: usize, size: usize) -> Dims {
    shape.iter().enumerate().map(|(d, &n)| if d == axis { size } else { n }).collect()
}

/// The samples `(n, c, …)` of pictures `(n, c, h, w)` at the points of a grid `(n, …, 2)`.
#[track_caller]
pub fn sample(op: &str, rule: SampleRule, x: &Tensor, grid: &Tensor) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Real>(op: &str, rule: SampleRule, x: &Tensor, grid: &Tensor) -> Result<Tensor> {
        let points = &grid.shape()[1..grid.rank() - 1];
        let shape: Dims = x.shape()[..2].iter().chain(points).copied().collect();
        let mut out = UninitTensor::<T>::new(op, &shape)?;
        pictures::sample(sample_dims(x.shape(), grid), rule, x.elements(), grid.elements(), &mut out);
        Ok(out.tensor())
    }
    real!(op, [x, grid], run(op, rule, x, grid))
}

/// The gradient of the pictures, of this shape, for cotangents g of the samples.
#[track_caller]
pub fn picture_gradient(op: &str, rule: SampleRule, shape: &[usize], grid: &Tensor, g: &Tensor) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Real>(op: &str, rule: SampleRule, shape: &[usize], grid: &Tensor, g: &Tensor) -> Result<Tensor> {
        let mut out = UninitTensor::filled(op, shape, T::ZERO)?;
        pictures::sample_picture_gradient(sample_dims(shape, grid), rule, grid.elements(), g.elements(), &mut out);
        Ok(out.tensor())
    }
    real!(op, [g, grid], run(op, rule, shape, grid, g))
}

/// The gradient of the grid for cotangents g of the samples.
#[track_caller]
pub fn grid_gradient(op: &str, rule: SampleRule, x: &Tensor, grid: &Tensor, g: &Tensor) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Real>(op: &str, rule: SampleRule, x: &Tensor, grid: &Tensor, g: &Tensor) -> Result<Tensor> {
        let mut out = UninitTensor::<T>::like(op, grid)?;
        pictures::sample_grid_gradient(sample_dims(x.shape(), grid), rule, x.elements(), grid.elements(), g.elements(), &mut out);
        Ok(out.tensor())
    }
    real!(op, [g, x, grid], run(op, rule, x, grid, g))
}

fn sample_dims(pictures: &[usize], grid: &Tensor) -> SampleDims {
    let &[batch, channels, height, width] = pictures else { unreachable!("the operation checked the rank") };
    SampleDims { batch, channels, height, width, points: count(&grid.shape()[1..grid.rank() - 1]) }
}
