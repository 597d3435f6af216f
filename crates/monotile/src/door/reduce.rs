//! The elements over some axes, which disappear, to one.

use monotile_kernels::buffer::OutOfMemory;
use monotile_kernels::real::Real;
use monotile_kernels::reduce as kernel;
use monotile_kernels::shape::count;

use super::real;
use crate::error::Result;
use crate::tensor::dtype::StorageElement;
use crate::tensor::uninit::UninitTensor;
use crate::tensor::{Dims, Tensor};

/// Which number they become.
#[derive(Clone, Copy)]
pub enum Reduction {
    Sum,
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
            Reduction::Mean => kernel::mean(x, axes, &mut out),
            Reduction::Max => kernel::max(x, axes, &mut out),
            Reduction::Min => kernel::min(x, axes, &mut out),
            Reduction::Variance { correction } => kernel::variance(x, axes, correction, &mut out),
            Reduction::LogSumExp => kernel::log_sum_exp(x, axes, &mut out),
        }?;
        Ok(out.tensor())
    }
    real!(x, run(op, x, axes, reduction))
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
    let mut out = UninitTensor::<i64>::new(op, &without(x, axes))?;
    real!(x, run(x, axes, largest, &mut out))?;
    Ok(out.tensor())
}

/// The running sum of a contiguous tensor along an axis.
#[track_caller]
pub fn cumulative_sum(op: &str, x: &Tensor, axis: usize) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Real>(op: &str, x: &Tensor, axis: usize) -> Result<Tensor> {
        let mut out = UninitTensor::<T>::like(op, x)?;
        kernel::cumulative_sum(x.elements(), x.shape()[axis], count(&x.shape()[axis + 1..]), &mut out);
        Ok(out.tensor())
    }
    real!(x, run(op, x, axis))
}

/// The shape that is left.
fn without(x: &Tensor, axes: &[usize]) -> Dims {
    (0..x.rank()).filter(|d| !axes.contains(d)).map(|d| x.shape()[d]).collect()
}
