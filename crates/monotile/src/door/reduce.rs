//! The elements over some axes, which disappear, to one; and those up to each along an axis.

use monotile_kernels::buffer::OutOfMemory;
use monotile_kernels::real::{BoolByte, Real};
use monotile_kernels::shape::count;
use monotile_kernels::{reduce as kernel, scan};

#[cfg(feature = "gpu")]
use super::{OperandPlace, place};
use super::{on_cpu, real};
use crate::error::{Error, Result};
use crate::tensor::dtype::StorageElement;
use crate::tensor::uninit::UninitTensor;
use crate::tensor::{DType, Dims, Tensor};

/// Which number they become.
#[derive(Clone, Copy)]
pub enum Reduction {
    Sum,
    Prod,
    Mean,
    Max,
    Min,
    Variance { correction: f64 },
    LogSumExp,
}

/// The reduction of an f32 or f64 tensor.
#[track_caller]
pub fn reduce(op: &str, x: &Tensor, axes: &[usize], reduction: Reduction) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Real>(op: &str, x: &Tensor, axes: &[usize], reduction: Reduction) -> Result<Tensor> {
        let mut out = UninitTensor::<T>::new(op, &without(x, axes))?;
        let x = x.elements_view::<T>();
        match reduction {
            Reduction::Sum => kernel::sum(x, axes, &mut out),
            Reduction::Prod => kernel::prod(x, axes, &mut out),
            Reduction::Mean => kernel::mean(x, axes, &mut out),
            Reduction::Max => kernel::max(x, axes, &mut out),
            Reduction::Min => kernel::min(x, axes, &mut out),
            Reduction::Variance { correction } => kernel::variance(x, axes, correction, &mut out),
            Reduction::LogSumExp => kernel::log_sum_exp(x, axes, &mut out),
        }?;
        Ok(out.tensor())
    }
    real!(op, [x], run(op, x, axes, reduction) => reduce(x, axes, reduction))
}

/// The sum, product, maximum or minimum of an i64 tensor, exactly.
///
/// # Errors
/// If a sum or a product does not fit.
#[track_caller]
pub fn reduce_integers(op: &str, x: &Tensor, axes: &[usize], reduction: Reduction) -> Result<Tensor> {
    on_cpu(op, &[x])?;
    let mut out = UninitTensor::<i64>::new(op, &without(x, axes))?;
    let elements = x.elements_view::<i64>();
    let fits = match reduction {
        Reduction::Sum => kernel::sum_i64(elements, axes, &mut out)?,
        Reduction::Prod => kernel::prod_i64(elements, axes, &mut out)?,
        Reduction::Max => kernel::max_i64(elements, axes, &mut out).map(|()| true)?,
        Reduction::Min => kernel::min_i64(elements, axes, &mut out).map(|()| true)?,
        Reduction::Mean | Reduction::Variance { .. } | Reduction::LogSumExp => unreachable!("refused by the operation"),
    };
    fitting(op, fits)?;
    Ok(out.tensor())
}

/// Refuses integers that an operation could not hold.
#[track_caller]
fn fitting(op: &str, fits: bool) -> Result<()> {
    let words = || format!("{op}: a result does not fit i64; cast with to_dtype(DType::F64) for an approximation");
    if fits { Ok(()) } else { Err(Error::value(words())) }
}

/// How many elements of a boolean tensor are true, as i64.
#[track_caller]
pub fn count_true(op: &str, x: &Tensor, axes: &[usize]) -> Result<Tensor> {
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[x])? {
        return gpu.count_true(x, axes);
    }
    let mut out = UninitTensor::<i64>::new(op, &without(x, axes))?;
    kernel::count_true(x.elements_view(), axes, &mut out)?;
    Ok(out.tensor())
}

/// Whether any, or all, elements of a boolean tensor are true.
#[track_caller]
pub fn logical(op: &str, x: &Tensor, axes: &[usize], all: bool) -> Result<Tensor> {
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[x])? {
        return gpu.logical(x, axes, all);
    }
    let mut out = UninitTensor::<BoolByte>::new(op, &without(x, axes))?;
    let kernel = if all { kernel::all } else { kernel::any };
    kernel(x.elements_view(), axes, &mut out)?;
    Ok(out.tensor())
}

/// Where the largest or the smallest element is, as i64: its number in row-major order over the axes.
#[track_caller]
pub fn index_of_extremum(op: &str, x: &Tensor, axes: &[usize], largest: bool) -> Result<Tensor> {
    fn run<T: StorageElement + Real>(
        x: &Tensor,
        axes: &[usize],
        largest: bool,
        out: &mut [i64],
    ) -> std::result::Result<(), OutOfMemory> {
        let x = x.elements_view::<T>();
        if largest { kernel::argmax(x, axes, out) } else { kernel::argmin(x, axes, out) }
    }
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[x])? {
        return gpu.index_of_extremum(x, axes, largest);
    }
    let mut out = UninitTensor::<i64>::new(op, &without(x, axes))?;
    match x.dtype() {
        DType::I64 if largest => kernel::argmax_i64(x.elements_view(), axes, &mut out)?,
        DType::I64 => kernel::argmin_i64(x.elements_view(), axes, &mut out)?,
        _ => real!(op, [x], run(x, axes, largest, &mut out))?,
    }
    Ok(out.tensor())
}

/// What an element becomes by those up to it along an axis.
#[derive(Clone, Copy)]
pub enum Scan {
    Sum,
    Product,
    LogSumExp,
}

/// A scan of a contiguous f32, f64 or i64 tensor along an axis.
///
/// # Errors
/// If an integer does not fit.
#[track_caller]
pub fn scan(op: &str, x: &Tensor, axis: usize, scan: Scan) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Real>(op: &str, x: &Tensor, [n, inner]: [usize; 2], scan: Scan) -> Result<Tensor> {
        let (mut out, x) = (UninitTensor::<T>::like(op, x)?, x.elements());
        match scan {
            Scan::Sum => scan::cumulative_sum(x, n, inner, &mut out),
            Scan::Product => scan::cumulative_product(x, n, inner, &mut out),
            Scan::LogSumExp => scan::cumulative_log_sum_exp(x, n, inner, &mut out),
        }?;
        Ok(out.tensor())
    }
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[x])? {
        return gpu.scan(x, axis, scan);
    }
    let [n, inner] = along(x, axis);
    if x.dtype() != DType::I64 {
        return real!(op, [x], run(op, x, [n, inner], scan));
    }
    let mut out = UninitTensor::<i64>::like(op, x)?;
    let fits = match scan {
        Scan::Sum => scan::cumulative_sum_i64(x.elements(), n, inner, &mut out)?,
        Scan::Product => scan::cumulative_product_i64(x.elements(), n, inner, &mut out)?,
        Scan::LogSumExp => unreachable!("refused by the operation"),
    };
    fitting(op, fits)?;
    Ok(out.tensor())
}

/// The largest or the smallest elements up to each, and where they are, along an axis of a contiguous f32, f64 or i64 tensor.
#[track_caller]
pub fn scan_extrema(op: &str, x: &Tensor, axis: usize, largest: bool) -> Result<(Tensor, Tensor)> {
    #[track_caller]
    fn run<T: StorageElement>(op: &str, x: &Tensor, axis: usize, kernel: ExtremaKernel<T>) -> Result<(Tensor, Tensor)> {
        let ([n, inner], mut values, mut places) = (along(x, axis), UninitTensor::<T>::like(op, x)?, UninitTensor::like(op, x)?);
        kernel(x.elements(), n, inner, &mut values, &mut places)?;
        Ok((values.tensor(), places.tensor()))
    }
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[x])? {
        return gpu.scan_extrema(x, axis, largest);
    }
    match (x.dtype(), largest) {
        (DType::I64, true) => run::<i64>(op, x, axis, scan::cumulative_max_i64),
        (DType::I64, false) => run::<i64>(op, x, axis, scan::cumulative_min_i64),
        (DType::F32, true) => run::<f32>(op, x, axis, scan::cumulative_max::<f32>),
        (DType::F32, false) => run::<f32>(op, x, axis, scan::cumulative_min::<f32>),
        (DType::F64, true) => run::<f64>(op, x, axis, scan::cumulative_max::<f64>),
        (DType::F64, false) => run::<f64>(op, x, axis, scan::cumulative_min::<f64>),
        _ => unreachable!("f32, f64 or i64"),
    }
}

/// A running extremum: of elements in series of n, so many elements apart, to values and places.
type ExtremaKernel<T> = fn(&[T], usize, usize, &mut [T], &mut [i64]) -> std::result::Result<(), OutOfMemory>;

/// yⱼ = aⱼ yⱼ₋₁ + bⱼ along an axis of two contiguous tensors of one shape and type, f32 or f64.
#[track_caller]
pub fn recurrence(op: &str, a: &Tensor, b: &Tensor, axis: usize) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Real>(op: &str, a: &Tensor, b: &Tensor, axis: usize) -> Result<Tensor> {
        let ([n, inner], mut out) = (along(b, axis), UninitTensor::<T>::like(op, b)?);
        scan::recurrence(a.elements::<T>(), b.elements(), n, inner, &mut out)?;
        Ok(out.tensor())
    }
    real!(op, [b, a], run(op, a, b, axis) => recurrence(a, b, axis))
}

/// The size of an axis, and the number of elements from one index of it to the next.
fn along(x: &Tensor, axis: usize) -> [usize; 2] {
    [x.shape()[axis], count(&x.shape()[axis + 1..])]
}

/// The shape that is left.
pub(super) fn without(x: &Tensor, axes: &[usize]) -> Dims {
    (0..x.rank()).filter(|d| !axes.contains(d)).map(|d| x.shape()[d]).collect()
}
