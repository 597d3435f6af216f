//! What a GPU does behind each door: kernels of `monotile_gpu`, and compositions of them.
//!
//! Results are contiguous, of f32 unless a type is kept, and unrecorded. What is not here is refused by the name of its operation.
//! [`outside`] and [`count_targets`] look at integers on the host, where those that came from there have a copy.

mod access;
mod distance;
mod factor;
mod gather;
mod integer;
mod map;
mod matrix;
mod order;
mod reduce;
mod rowwise;
mod sample;
mod update;

use std::borrow::Borrow;
use std::sync::Arc;

use monotile_gpu::{GpuBlock, GpuOperand, GpuStream, GpuType};
use monotile_kernels::shape::Shape;

use super::OperandPlace;
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::gpu::{OpenGpu, done, gpu_type, is_one_number};
use crate::tensor::storage::Storage;
use crate::tensor::{DType, Processor, Strides, Tensor};

pub use access::GpuAccess;
pub(crate) use gather::outside;
pub(crate) use monotile_gpu::GpuScatter;
pub(crate) use rowwise::count_targets;

/// An operation that a GPU carries out.
pub(crate) struct GpuDoor {
    op: Box<str>,
    gpu: Arc<OpenGpu>,
}

/// Where an operation on these tensors is carried out.
///
/// # Errors
/// If they are on two devices.
#[track_caller]
pub(crate) fn place<T: Borrow<Tensor>>(op: &str, operands: &[T]) -> Result<OperandPlace> {
    let operands = || operands.iter().map(Borrow::borrow);
    if operands().all(|x| matches!(x.storage(), Storage::Cpu(_))) {
        return Ok(OperandPlace::Cpu);
    }
    // Numbers stand beside tensors of any device.
    let mut there: Option<&Tensor> = None;
    for x in operands().filter(|x| !matches!(x.storage(), Storage::Cpu(_)) || !is_one_number(x)) {
        match there {
            Some(first) if first.device() != x.device() => {
                let (a, b) = (first.device(), x.device());
                let words = format!("{op}: one operand is on {a}, the other on {b}; move one with `to`");
                return Err(Error::new(ErrorKind::Unsupported, words));
            }
            _ => there = Some(x),
        }
    }
    match there.map(Tensor::processor) {
        Some(Processor::Gpu(gpu)) => Ok(OperandPlace::Gpu(GpuDoor { op: op.into(), gpu })),
        Some(Processor::Cpu) | None => Ok(OperandPlace::Cpu),
    }
}

impl GpuDoor {
    /// The refusal of what has no kernel.
    #[track_caller]
    pub fn refused(&self) -> Error {
        let (op, name) = (&self.op, self.gpu.name());
        Error::new(ErrorKind::Unsupported, format!("{op}: not on a GPU yet; move the operands from {name} to the cpu with `to`"))
    }

    fn stream(&self) -> &GpuStream {
        self.gpu.stream()
    }

    #[track_caller]
    fn operand(&self, x: &Tensor) -> Result<GpuOperand> {
        self.gpu.operand(&self.op, x)
    }

    #[track_caller]
    fn done<T>(&self, result: monotile_gpu::GpuResult<T>) -> Result<T> {
        done(&self.op, result)
    }

    /// A block of f32 as a tensor.
    #[track_caller]
    fn tensor(&self, block: GpuBlock, sizes: &[usize]) -> Result<Tensor> {
        Ok(self.gpu.tensor(block, DType::F32, self.shape(sizes)?))
    }

    #[track_caller]
    fn shape(&self, sizes: &[usize]) -> Result<Shape> {
        crate::check::shape(&self.op, sizes)
    }

    #[track_caller]
    fn gpu_type(&self, dtype: DType) -> Result<GpuType> {
        gpu_type(&self.op, self.gpu.name(), dtype)
    }
}

/// A tensor whose dimensions `axes` were reduced, repeated along them again: a view of a larger shape.
fn repeated(x: &Tensor, shape: &Shape, axes: &[usize]) -> Tensor {
    let mut kept = x.strides().iter();
    let strides: Strides =
        (0..shape.rank()).map(|d| if axes.contains(&d) { 0 } else { kept.next().copied().unwrap_or(0) }).collect();
    let layout = crate::tensor::layout::Layout { shape: shape.clone(), strides, offset: x.layout().offset };
    x.with_layout(layout)
}
