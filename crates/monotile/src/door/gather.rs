//! Picking, adding and writing by indices along an axis, and reading pictures between their points. Operands and indices are contiguous;
//! indices are i64. Each door refuses one that is not in range as its operation does.
//! [`outside`] reads indices on the host, to refuse what is out of range.

use std::sync::atomic::{AtomicBool, Ordering};

use half::{bf16, f16};
use monotile_kernels::gather::{self as kernel, Accumulation, GatherDims, OutOfRange};
use monotile_kernels::real::{Real, Widen};
use monotile_kernels::sample as pictures;
use monotile_kernels::sample::SampleDims;
pub use monotile_kernels::sample::{MOST_ELEMENTS, MOST_SIDE, PixelCoordinate, SampleMode, SamplePadding, SampleRule};
use monotile_kernels::shape::count;
use monotile_kernels::simd::Lanes;

#[cfg(feature = "gpu")]
use super::{OperandPlace, gpu::GpuScatter, place};
use super::{on_cpu, real, stored};
use crate::error::{Error, Result};
use crate::memory;
use crate::tensor::dtype::StorageElement;
use crate::tensor::uninit::UninitTensor;
use crate::tensor::{DType, Dims, Tensor};

/// The first index that is not in 0 … size − 1.
pub fn outside(indices: &Tensor, size: usize) -> Option<i64> {
    #[cfg(feature = "gpu")]
    if !indices.device().is_cpu() {
        return super::gpu::outside(indices, size);
    }
    kernel::check(indices.elements(), size).err().map(|OutOfRange(index)| index)
}

/// Refuses an index that is not in 0 … size − 1, of an axis of this size.
#[track_caller]
pub fn check_range(op: &str, indices: &Tensor, axis: usize, size: usize) -> Result<()> {
    inside(op, outside(indices, size).map_or(Ok(()), |index| Err(OutOfRange(index))), axis, size)
}

/// [`check_range`], where no kernel does so itself: a GPU's do not.
#[track_caller]
fn check_elsewhere(op: &str, indices: &Tensor, axis: usize, size: usize) -> Result<()> {
    if indices.device().is_cpu() { Ok(()) } else { check_range(op, indices, axis, size) }
}

/// What a kernel found about indices along an axis of this size.
#[track_caller]
fn inside(op: &str, found: std::result::Result<(), OutOfRange>, axis: usize, size: usize) -> Result<()> {
    match found {
        Ok(()) => Ok(()),
        Err(OutOfRange(index)) => Err(Error::value(format!("{op}: index {index} is outside axis {axis} of size {size}"))),
    }
}

/// out[…, j, …] = x[…, indices[j], …]; `None` where an index is outside.
#[track_caller]
pub fn select_inside(op: &str, x: &Tensor, axis: usize, indices: &Tensor) -> Result<Option<Tensor>> {
    #[track_caller]
    fn run<T: StorageElement>(op: &str, x: &Tensor, axis: usize, indices: &Tensor) -> Result<Option<Tensor>> {
        let mut out = UninitTensor::<T>::new(op, &with_size(x.shape(), axis, indices.len()))?;
        let found = kernel::select(x.elements(), sizes(x.shape(), axis), indices.elements(), &mut out, |x: T| x);
        Ok(found.is_ok().then(|| out.tensor()))
    }
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[x, indices])? {
        return if outside(indices, x.shape()[axis]).is_some() { Ok(None) } else { gpu.select(x, axis, indices).map(Some) };
    }
    stored!(op, [x, indices], run(op, x, axis, indices))
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
        match kernel::select(table.elements::<A>(), sizes, ids.elements(), &mut out, |x| x.widen()) {
            Ok(()) => Ok(out.tensor()),
            Err(OutOfRange(id)) => Err(Error::value(format!("{op}: index {id} is outside the table of {vocab} rows"))),
        }
    }
    if let DType::Quantized(format) = table.dtype() {
        return super::blocks::rows(op, table, format, ids);
    }
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[table, ids])? {
        if let Some(id) = outside(ids, table.dim(0)) {
            return Err(Error::value(format!("{op}: index {id} is outside the table of {} rows", table.dim(0))));
        }
        return gpu.rows(table, ids);
    }
    match table.dtype() {
        DType::F32 => run::<f32, f32>(op, table, ids),
        DType::F64 => run::<f64, f64>(op, table, ids),
        DType::BF16 => run::<bf16, f32>(op, table, ids),
        DType::F16 => run::<f16, f32>(op, table, ids),
        DType::I64 | DType::I32 | DType::U8 | DType::Bool | DType::Quantized(_) => {
            unreachable!("a table of floating-point numbers")
        }
    }
}

/// Zeros of g's shape, but for the size of the axis, with out[…, indices[j], …] += g[…, j, …].
#[track_caller]
pub fn select_add(op: &str, g: &Tensor, axis: usize, indices: &Tensor, size: usize) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Real>(op: &str, g: &Tensor, axis: usize, indices: &Tensor, size: usize) -> Result<Tensor> {
        let shape = with_size(g.shape(), axis, size);
        let mut out = UninitTensor::<T>::new(op, &shape)?;
        inside(op, kernel::select_add::<T>(g.elements(), indices.elements(), &mut out, sizes(&shape, axis)), axis, size)?;
        Ok(out.tensor())
    }
    check_elsewhere(op, indices, axis, size)?;
    real!(op, [g, indices], run(op, g, axis, indices, size) => select_add(g, axis, indices, size))
}

/// out[…, j, …] = x[…, index[…, j, …], …]; `None` where an index is outside.
#[track_caller]
pub fn gather_inside(op: &str, x: &Tensor, axis: usize, index: &Tensor) -> Result<Option<Tensor>> {
    #[track_caller]
    fn run<T: StorageElement>(op: &str, x: &Tensor, axis: usize, index: &Tensor) -> Result<Option<Tensor>> {
        let mut out = UninitTensor::<T>::like(op, index)?;
        let found = kernel::gather(x.elements(), sizes(x.shape(), axis), index.elements(), &mut out);
        Ok(found.is_ok().then(|| out.tensor()))
    }
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[x, index])? {
        return if outside(index, x.shape()[axis]).is_some() { Ok(None) } else { gpu.gather(x, axis, index).map(Some) };
    }
    stored!(op, [x, index], run(op, x, axis, index))
}

/// x with out[…, index[…, j, …], …] += source[…, j, …]
#[track_caller]
pub fn scatter_add(op: &str, x: &Tensor, axis: usize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
    scatter_reduce(op, x, axis, index, source, ScatterKind::Sum)
}

/// Zeros of a shape with out[…, index[…, j, …], …] += source[…, j, …]
#[track_caller]
pub fn scatter_sum(op: &str, shape: &[usize], axis: usize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(_) = place(op, &[source, index])? {
        return scatter_reduce(op, &source.zeros_beside(shape, source.dtype())?, axis, index, source, ScatterKind::Sum);
    }
    real!(op, [source, index], accumulate(op, (None, shape), axis, index, source, Accumulation::Add))
}

/// How elements that an index names are put together with what is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ScatterKind {
    Sum,
    Prod,
    Max,
    Min,
}

/// x with out[…, index[…, j, …], …] and source[…, j, …] put together; NaN if one is.
#[track_caller]
pub fn scatter_reduce(op: &str, x: &Tensor, axis: usize, index: &Tensor, source: &Tensor, kind: ScatterKind) -> Result<Tensor> {
    let how = match kind {
        ScatterKind::Sum => Accumulation::Add,
        ScatterKind::Prod => Accumulation::Multiply,
        ScatterKind::Max => Accumulation::Maximum,
        ScatterKind::Min => Accumulation::Minimum,
    };
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[x, index, source])? {
        check_range(op, index, axis, x.shape()[axis])?;
        return gpu.scatter_reduce(x, axis, index, source, kind);
    }
    real!(op, [x, index, source], accumulate(op, (Some(x), x.shape()), axis, index, source, how))
}

/// x, or zeros of this shape, with elements of `source` put together with those that indices name.
#[track_caller]
fn accumulate<T: StorageElement + Real>(
    op: &str,
    (x, shape): (Option<&Tensor>, &[usize]),
    axis: usize,
    index: &Tensor,
    source: &Tensor,
    how: Accumulation,
) -> Result<Tensor> {
    let mut out = UninitTensor::<T>::new(op, shape)?;
    let (x, dims) = (x.map(|x| x.elements::<T>()), sizes(shape, axis));
    let found = kernel::scatter::<T>(x, source.elements(), index.elements(), &mut out, dims, how);
    inside(op, found, axis, shape[axis])?;
    Ok(out.tensor())
}

/// x with out[…, indices[j], …] = source[…, j, …], of any one type.
#[track_caller]
pub fn select_put(op: &str, x: &Tensor, axis: usize, indices: &Tensor, source: &Tensor) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement>(op: &str, x: &Tensor, axis: usize, indices: &Tensor, source: &Tensor) -> Result<Tensor> {
        let (mut out, dims) = (UninitTensor::<T>::like(op, x)?, sizes(x.shape(), axis));
        let found = kernel::select_put::<T>(x.elements(), source.elements(), indices.elements(), &mut out, dims);
        inside(op, found, axis, x.shape()[axis])?;
        Ok(out.tensor())
    }
    check_elsewhere(op, indices, axis, x.shape()[axis])?;
    stored!(op, [x, indices, source], run(op, x, axis, indices, source) => select_put(x, axis, indices, source))
}

/// x with out[…, index[…, j, …], …] = source[…, j, …], of any one type.
#[track_caller]
pub fn scatter(op: &str, x: &Tensor, axis: usize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement>(op: &str, x: &Tensor, axis: usize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let (mut out, dims) = (UninitTensor::<T>::like(op, x)?, sizes(x.shape(), axis));
        let found = kernel::scatter_put::<T>(x.elements(), source.elements(), index.elements(), &mut out, dims);
        inside(op, found, axis, x.shape()[axis])?;
        Ok(out.tensor())
    }
    check_elsewhere(op, index, axis, x.shape()[axis])?;
    stored!(op, [x, index, source], run(op, x, axis, index, source) => scatter(GpuScatter::Put, x, axis, index, source))
}

/// [`scatter_reduce`] of i64; `None` where a result does not fit.
#[track_caller]
pub fn scatter_integers(
    op: &str,
    x: &Tensor,
    axis: usize,
    index: &Tensor,
    source: &Tensor,
    kind: ScatterKind,
) -> Result<Option<Tensor>> {
    on_cpu(op, &[x, index, source])?;
    let (mut out, dims, left) = (UninitTensor::<i64>::like(op, x)?, sizes(x.shape(), axis), AtomicBool::new(false));
    let index_count = index.shape()[axis];
    let together = |a: i64, b: i64| {
        let found = match kind {
            ScatterKind::Sum => a.checked_add(b),
            ScatterKind::Prod => a.checked_mul(b),
            ScatterKind::Max => Some(a.max(b)),
            ScatterKind::Min => Some(a.min(b)),
        };
        found.unwrap_or_else(|| {
            left.store(true, Ordering::Relaxed);
            a
        })
    };
    let found = kernel::scatter_with(Some(x.elements()), source.elements(), index.elements(), &mut out, dims, together);
    inside(op, found, axis, x.shape()[axis])?;
    if !left.into_inner() {
        return Ok(Some(out.tensor()));
    }
    // What does not fit on the way may do so at the end: a sum of both signs, a product with 0.
    let mut wide = memory::collected(x.elements::<i64>().iter().map(|&x| i128::from(x)), op)?;
    for (at, (&new, &index)) in source.elements::<i64>().iter().zip(index.elements::<i64>()).enumerate() {
        let o = at / (index_count * dims.inner);
        let to = &mut wide[(o * dims.axis + index as usize) * dims.inner + at % dims.inner];
        *to = match kind {
            ScatterKind::Sum => *to + i128::from(new),
            // A product that is too large stays so, but beside a 0.
            _ => to.saturating_mul(i128::from(new)),
        };
    }
    for (out, &exact) in out.iter_mut().zip(&wide) {
        let Ok(fits) = i64::try_from(exact) else { return Ok(None) };
        *out = fits;
    }
    Ok(Some(out.tensor()))
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
    fn run<T: StorageElement + Lanes>(op: &str, rule: SampleRule, x: &Tensor, grid: &Tensor) -> Result<Tensor> {
        let points = &grid.shape()[1..grid.rank() - 1];
        let shape: Dims = x.shape()[..2].iter().chain(points).copied().collect();
        let mut out = UninitTensor::<T>::new(op, &shape)?;
        pictures::sample(sample_dims(x.shape(), grid), rule, x.elements(), grid.elements(), &mut out);
        Ok(out.tensor())
    }
    real!(op, [x, grid], run(op, rule, x, grid) => sample(rule, x, grid))
}

/// The gradient of the pictures, of this shape, for cotangents g of the samples.
#[track_caller]
pub fn picture_gradient(op: &str, rule: SampleRule, shape: &[usize], grid: &Tensor, g: &Tensor) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(op: &str, rule: SampleRule, shape: &[usize], grid: &Tensor, g: &Tensor) -> Result<Tensor> {
        let mut out = UninitTensor::filled(op, shape, T::ZERO)?;
        pictures::sample_picture_gradient(sample_dims(shape, grid), rule, grid.elements(), g.elements(), &mut out);
        Ok(out.tensor())
    }
    real!(op, [g, grid], run(op, rule, shape, grid, g) => picture_gradient(rule, shape, grid, g))
}

/// The gradient of the grid for cotangents g of the samples.
#[track_caller]
pub fn grid_gradient(op: &str, rule: SampleRule, x: &Tensor, grid: &Tensor, g: &Tensor) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(op: &str, rule: SampleRule, x: &Tensor, grid: &Tensor, g: &Tensor) -> Result<Tensor> {
        let mut out = UninitTensor::<T>::like(op, grid)?;
        pictures::sample_grid_gradient(sample_dims(x.shape(), grid), rule, x.elements(), grid.elements(), g.elements(), &mut out);
        Ok(out.tensor())
    }
    real!(op, [g, x, grid], run(op, rule, x, grid, g) => grid_gradient(rule, x, grid, g))
}

pub(super) fn sample_dims(pictures: &[usize], grid: &Tensor) -> SampleDims {
    let &[batch, channels, height, width] = pictures else { unreachable!("the operation checked the rank") };
    SampleDims { batch, channels, height, width, points: count(&grid.shape()[1..grid.rank() - 1]) }
}
