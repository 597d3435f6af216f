//! The door of operations that other crates have.

use std::fmt;
use std::sync::Arc;

use monotile_gpu::{GpuOperand, GpuResult, GpuStream, GpuType};

use super::{GpuDoor, place};
use crate::door::OperandPlace;
use crate::error::Result;
use crate::tensor::gpu::GpuStorage;
use crate::tensor::layout::Layout;
use crate::tensor::storage::Storage;
use crate::tensor::{DType, Strides, Tensor};

/// An operation of another crate on a GPU: its tensors as operands of the kernels of `monotile_gpu`, and what those return as tensors.
///
/// Results are unrecorded; [`Tensor::record`] gives them a rule.
///
/// # Example
/// ```
/// use monotile::{Device, GpuAccess, GpuOptions, Tensor};
/// let Ok(device) = Device::gpu(&GpuOptions::default()) else { return Ok(()) };
/// let x = Tensor::from([3.0_f32, 1.0, 2.0]).to(&device)?;
/// let gpu = GpuAccess::of("reversed", &[&x])?.expect("a tensor of a GPU");
/// let there = gpu.operand(&x.flip(&[0])?)?;
/// assert_eq!(gpu.tensor(&there)?.to_vec::<f32>()?, [2.0, 1.0, 3.0]);
/// assert!(GpuAccess::of("reversed", &[&Tensor::from([1.0_f32, 2.0])])?.is_none());
/// # Ok::<(), monotile::Error>(())
/// ```
pub struct GpuAccess(GpuDoor);

impl fmt::Debug for GpuAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GpuAccess({} on {})", self.0.op, self.0.gpu.name())
    }
}

impl GpuAccess {
    /// The GPU that an operation on these tensors is carried out by; `None` where it is the processor. A number that is repeated stands beside tensors of any device.
    ///
    /// # Errors
    /// If they are on two devices.
    #[track_caller]
    pub fn of(op: &str, operands: &[&Tensor]) -> Result<Option<Self>> {
        match place(op, operands)? {
            OperandPlace::Cpu => Ok(None),
            OperandPlace::Gpu(door) => Ok(Some(Self(door))),
        }
    }

    /// The commands of the GPU.
    pub fn stream(&self) -> &GpuStream {
        self.0.stream()
    }

    /// A tensor as kernels read it: one of this GPU where it lies, or one number of the processor, repeated.
    ///
    /// # Errors
    /// If the GPU does not hold its type, or it has more than six dimensions.
    #[track_caller]
    pub fn operand(&self, x: &Tensor) -> Result<GpuOperand> {
        self.0.operand(x)
    }

    /// An operand of this GPU's blocks as a tensor, without a copy.
    ///
    /// # Errors
    /// If it has more elements than a tensor.
    #[track_caller]
    pub fn tensor(&self, x: &GpuOperand) -> Result<Tensor> {
        let dtype = match x.dtype() {
            GpuType::F32 => DType::F32,
            GpuType::BF16 => DType::BF16,
            GpuType::F16 => DType::F16,
            GpuType::I32 => DType::I32,
            GpuType::Bool => DType::Bool,
        };
        let layout = Layout { shape: self.0.shape(x.sizes())?, strides: Strides::from_slice(x.strides()), offset: x.offset() };
        let memory = GpuStorage { gpu: Arc::clone(&self.0.gpu), block: x.block().clone(), dtype, host: None };
        Ok(Tensor::new(Storage::Gpu(memory), layout))
    }

    /// What a kernel returned, its failure in the name of the operation.
    ///
    /// # Errors
    /// That failure.
    #[track_caller]
    pub fn done<T>(&self, result: GpuResult<T>) -> Result<T> {
        self.0.done(result)
    }
}

#[cfg(test)]
mod tests {
    use monotile_gpu::{GpuOptions, adapters};

    use super::*;
    use crate::tensor::Device;

    #[test]
    fn two_devices_are_refused_and_views_are_no_copies() {
        if adapters().is_empty() {
            return eprintln!("skipped: no adapter");
        }
        let device = Device::gpu(&GpuOptions::default()).unwrap();
        let here = Tensor::from([[1.0_f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
        let there = here.to(&device).unwrap();
        let words = GpuAccess::of("blend", &[&there, &here]).unwrap_err().to_string();
        assert!(
            words.starts_with("blend: one operand is on ") && words.ends_with("the other on cpu; move one with `to`"),
            "{words}"
        );
        let zeros = Tensor::zeros(&[2, 3], DType::F32).unwrap();
        let gpu = GpuAccess::of("blend", &[&there, &zeros]).unwrap().unwrap();
        let before = device.memory();
        let column = gpu.tensor(&gpu.operand(&there.slice(1, 1..2).unwrap()).unwrap()).unwrap();
        assert_eq!((column.shape(), column.device(), device.memory()), (&[2, 1][..], device, before));
        assert_eq!(column.to_vec::<f32>().unwrap(), [2.0, 5.0]);
        let failed = gpu.done(GpuOperand::strided(gpu.operand(&there).unwrap().block(), GpuType::F32, &[9], &[1], 0));
        assert!(failed.unwrap_err().to_string().starts_with("blend: an operand of sizes [9]"));
    }
}
