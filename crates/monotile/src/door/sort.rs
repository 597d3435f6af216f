//! Orders of rows, elements chosen by them, and counts. Operands are contiguous; their last axis is the one of rows. Narrow integers are
//! ordered as i64.
//!
//! Some results have a size that depends on values: [`unique`], [`nonzero`] and [`bincount`] read on the host how large they are.

use monotile_kernels::buffer::OutOfMemory;
use monotile_kernels::real::{BoolByte, Real};
use monotile_kernels::sort::{self as kernel, Distinct, SortKey};

use super::{OperandPlace, place};
use super::{real, widened};
use crate::error::Result;
use crate::tensor::dtype::StorageElement;
use crate::tensor::uninit::UninitTensor;
use crate::tensor::{Dims, Tensor};

/// Each row sorted, and the places in the row that its elements had.
#[track_caller]
pub fn sort(op: &str, x: &Tensor, descending: bool) -> Result<(Tensor, Tensor)> {
    #[track_caller]
    fn run<T: StorageElement + SortKey>(op: &str, x: &Tensor, descending: bool) -> Result<(Tensor, Tensor)> {
        let (mut values, mut places) = (UninitTensor::<T>::like(op, x)?, UninitTensor::like(op, x)?);
        kernel::sort::<T>(x.elements(), x.dim(-1), descending, Some(&mut values), &mut places)?;
        Ok((values.tensor(), places.tensor()))
    }
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[x])? {
        return gpu.sort(x, descending);
    }
    let wide = &x.widened(op)?;
    let (values, places) = widened!(op, [wide], run(op, wide, descending))?;
    Ok((values.to_dtype(x.dtype())?, places))
}

/// The places of [`sort`] alone.
#[track_caller]
pub fn argsort(op: &str, x: &Tensor, descending: bool) -> Result<Tensor> {
    fn run<T: StorageElement + SortKey>(x: &Tensor, descending: bool, places: &mut [i64]) -> std::result::Result<(), OutOfMemory> {
        kernel::sort::<T>(x.elements(), x.dim(-1), descending, None, places)
    }
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[x])? {
        return gpu.argsort(x, descending);
    }
    let (x, mut places) = (&x.widened(op)?, UninitTensor::like(op, x)?);
    widened!(op, [x], run(x, descending, &mut places))?;
    Ok(places.tensor())
}

/// The places of the k smallest elements of each row, or of its k largest, in their order.
#[track_caller]
pub fn smallest(op: &str, x: &Tensor, k: usize, largest: bool) -> Result<Tensor> {
    fn run<T: StorageElement + SortKey>(
        x: &Tensor,
        k: usize,
        largest: bool,
        places: &mut [i64],
    ) -> std::result::Result<(), OutOfMemory> {
        kernel::smallest::<T>(x.elements(), [x.dim(-1), k], largest, places)
    }
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[x])? {
        return gpu.smallest(x, k, largest);
    }
    let (x, mut places) = (&x.widened(op)?, UninitTensor::new(op, &with_last(x, k))?);
    widened!(op, [x], run(x, k, largest, &mut places))?;
    Ok(places.tensor())
}

/// The places of the elements of each row that sorting would put at these ranks, which increase; where `nan_for_all` is set, a NaN is
/// chosen for all of them.
#[track_caller]
pub fn of_ranks(op: &str, x: &Tensor, ranks: &[usize], nan_for_all: bool) -> Result<Tensor> {
    fn run<T: StorageElement + SortKey>(
        x: &Tensor,
        ranks: &[usize],
        nan_for_all: bool,
        places: &mut [i64],
    ) -> std::result::Result<(), OutOfMemory> {
        kernel::of_ranks::<T>(x.elements(), x.dim(-1), ranks, nan_for_all, places)
    }
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[x])? {
        return gpu.of_ranks(x, ranks, nan_for_all);
    }
    let (x, mut places) = (&x.widened(op)?, UninitTensor::new(op, &with_last(x, ranks.len()))?);
    widened!(op, [x], run(x, ranks, nan_for_all, &mut places))?;
    Ok(places.tensor())
}

/// The place in each row of the element that occurs most often there; rows are not empty.
#[track_caller]
pub fn mode(op: &str, x: &Tensor) -> Result<Tensor> {
    fn run<T: StorageElement + SortKey>(x: &Tensor, places: &mut [i64]) -> std::result::Result<(), OutOfMemory> {
        kernel::mode::<T>(x.elements(), x.dim(-1), places)
    }
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[x])? {
        return gpu.mode(x, &with_last(x, 1));
    }
    let (x, mut places) = (&x.widened(op)?, UninitTensor::new(op, &with_last(x, 1))?);
    widened!(op, [x], run(x, &mut places))?;
    Ok(places.tensor())
}

/// Of the elements that differ, in order: first places, for each element which it is, and counts.
#[track_caller]
pub fn unique(op: &str, x: &Tensor) -> Result<[Tensor; 3]> {
    fn run<T: StorageElement + SortKey>(x: &Tensor, inverse: &mut [i64]) -> std::result::Result<Distinct, OutOfMemory> {
        kernel::unique::<T>(x.elements(), inverse)
    }
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[x])? {
        return gpu.unique(x);
    }
    let (x, mut inverse) = (&x.widened(op)?, UninitTensor::like(op, x)?);
    let Distinct { first, counts } = widened!(op, [x], run(x, &mut inverse))?;
    let k = first.len();
    Ok([Tensor::from_vec(first, &[k])?, inverse.tensor(), Tensor::from_vec(counts, &[k])?])
}

/// Where each x would be put in its row of sorted elements, or in the only one: before equal ones, or after them if `right` is set.
#[track_caller]
pub fn search(op: &str, sorted: &Tensor, x: &Tensor, right: bool) -> Result<Tensor> {
    fn run<T: StorageElement + SortKey>(sorted: &Tensor, x: &Tensor, right: bool, places: &mut [i64]) {
        let m = if sorted.rank() == 1 { x.len() } else { x.dim(-1) };
        kernel::search::<T>(sorted.elements(), sorted.dim(-1), x.elements(), m, right, places);
    }
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[sorted, x])? {
        return gpu.search(sorted, x, right);
    }
    let (sorted, x, mut places) = (&sorted.widened(op)?, &x.widened(op)?, UninitTensor::like(op, x)?);
    widened!(op, [x, sorted], run(sorted, x, right, &mut places));
    Ok(places.tensor())
}

/// The least and the largest of i64.
#[track_caller]
pub fn extent(op: &str, x: &Tensor) -> Result<Option<(i64, i64)>> {
    match place(op, &[x])? {
        OperandPlace::Cpu => Ok(kernel::extent(x.elements())),
        #[cfg(feature = "gpu")]
        OperandPlace::Gpu(gpu) => gpu.extent(x),
    }
}

/// How often each of 0 … size − 1 occurs among i64, which are all of these.
#[track_caller]
pub fn bincount(op: &str, x: &Tensor, size: usize) -> Result<Tensor> {
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[x])? {
        return gpu.bincount(x, size);
    }
    let mut counts = UninitTensor::new(op, &[size])?;
    kernel::count(x.elements(), &mut counts)?;
    Ok(counts.tensor())
}

/// Whether a vector of f32 or f64 increases.
#[track_caller]
pub fn increases(op: &str, x: &Tensor) -> Result<bool> {
    fn run<T: StorageElement + Real>(x: &Tensor) -> bool {
        x.elements::<T>().windows(2).all(|pair| pair[0] < pair[1])
    }
    Ok(real!(op, [x], run(x)))
}

/// How many f32 or f64 are between edges of their type, which increase.
#[track_caller]
pub fn histogram(op: &str, x: &Tensor, edges: &Tensor) -> Result<Tensor> {
    fn run<T: StorageElement + Real>(x: &Tensor, edges: &Tensor, counts: &mut [i64]) -> std::result::Result<(), OutOfMemory> {
        kernel::histogram::<T>(x.elements(), edges.elements(), counts)
    }
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[x, edges])? {
        return gpu.histogram(x, edges);
    }
    let mut counts = UninitTensor::new(op, &[edges.len() - 1])?;
    real!(op, [x, edges], run(x, edges, &mut counts))?;
    Ok(counts.tensor())
}

/// The places in row-major order of the elements of a mask that are true.
#[track_caller]
pub fn nonzero(op: &str, mask: &Tensor) -> Result<Tensor> {
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[mask])? {
        return gpu.nonzero(mask);
    }
    let bytes = mask.elements::<BoolByte>();
    let mut places = UninitTensor::new(op, &[kernel::count_set(bytes)])?;
    kernel::places(bytes, &mut places)?;
    Ok(places.tensor())
}

/// The indices along each dimension of a tensor of such places in it.
#[track_caller]
pub fn coordinates(op: &str, places: &Tensor, of: &Tensor) -> Result<Tensor> {
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[places])? {
        return gpu.coordinates(places, of);
    }
    let mut out = UninitTensor::new(op, &[places.len(), of.rank()])?;
    kernel::coordinates(places.elements(), &of.layout().shape, &mut out);
    Ok(out.tensor())
}

/// The shape with another last size.
fn with_last(x: &Tensor, size: usize) -> Dims {
    let (_, before) = x.shape().split_last().unwrap_or((&1, &[]));
    before.iter().copied().chain([size]).collect()
}
