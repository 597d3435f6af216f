//! Devices: where tensors are, and how one goes from one to another.

use std::fmt;
#[cfg(feature = "gpu")]
use std::sync::Arc;

use super::Tensor;
#[cfg(feature = "gpu")]
use super::gpu::OpenGpu;
use super::storage::Storage;
use crate::error::Result;
#[cfg(not(feature = "gpu"))]
use crate::error::{Error, ErrorKind};
use crate::tape::{Gradient, Saved};

/// Where elements are and operations on them are carried out: the processor, or an open GPU. Copies are the same device.
///
/// A GPU holds f32, bf16, f16, i32 and bool, and computes in f32. Nothing moves by itself: an operation takes tensors of one device, and
/// one that the GPU has no kernel for is refused by its name. A tensor of one number at every index, as [`Tensor::scalar`] and
/// [`Tensor::zeros`] make, stands beside tensors of any device.
///
/// The feature `gpu` has it; without it there is the processor alone.
///
/// # Example
/// ```
/// use monotile::{Device, Tensor};
/// let device = Device::open("auto")?;
/// let x = Tensor::from([1.0_f32, 2.0]).to(&device)?;
/// assert_eq!((&x * 3.0).to_vec::<f32>()?, [3.0, 6.0]);
/// assert_eq!(x.device(), device);
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Clone)]
pub struct Device(Processor);

/// What a [`Device`] is.
#[derive(Clone)]
pub(crate) enum Processor {
    Cpu,
    #[cfg(feature = "gpu")]
    Gpu(Arc<OpenGpu>),
}

impl Device {
    /// The processor, in whose memory tensors are made.
    pub fn cpu() -> Self {
        Self(Processor::Cpu)
    }

    /// Opens a GPU anew. Tensors of two devices do not meet, also where both are one adapter: [`open`](Self::open) opens each once.
    ///
    /// # Errors
    /// If there is no such adapter, or it lacks what is asked for.
    ///
    /// # Example
    /// ```
    /// use monotile::{Device, GpuOptions, Tensor};
    /// let Ok(device) = Device::gpu(&GpuOptions::default()) else { return Ok(()) };
    /// let x = Tensor::from([[1.0_f32, 2.0], [3.0, 4.0]]).to(&device)?;
    /// assert_eq!(x.matmul(&x)?.to_vec::<f32>()?, [7.0, 10.0, 15.0, 22.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[cfg(feature = "gpu")]
    #[track_caller]
    pub fn gpu(options: &monotile_gpu::GpuOptions) -> Result<Self> {
        Ok(Self(Processor::Gpu(OpenGpu::open(options)?)))
    }

    /// The device of this name: `cpu`; `gpu`, the preferred adapter; `auto`, that adapter unless it is a program on the processor, or else the
    /// processor; or a part of an adapter's name, in letters of either case.
    ///
    /// A GPU that is open already is not opened again.
    ///
    /// # Errors
    /// If there is no such adapter, or this build is without the feature `gpu`.
    #[doc(alias = "device")]
    #[track_caller]
    pub fn open(name: &str) -> Result<Self> {
        match name {
            "cpu" => Ok(Self::cpu()),
            #[cfg(feature = "gpu")]
            "auto" if monotile_gpu::adapters().first().is_none_or(|adapter| adapter.software) => Ok(Self::cpu()),
            #[cfg(feature = "gpu")]
            "auto" | "gpu" => Ok(Self(Processor::Gpu(OpenGpu::shared(None)?))),
            #[cfg(feature = "gpu")]
            other => Ok(Self(Processor::Gpu(OpenGpu::shared(Some(other))?))),
            #[cfg(not(feature = "gpu"))]
            "auto" => Ok(Self::cpu()),
            #[cfg(not(feature = "gpu"))]
            other => Err(Error::new(
                ErrorKind::Unsupported,
                format!("device: this build knows the cpu alone, not {other:?}; build monotile with the feature gpu"),
            )),
        }
    }

    /// `cpu`, or the name of the adapter.
    pub fn name(&self) -> &str {
        match &self.0 {
            Processor::Cpu => "cpu",
            #[cfg(feature = "gpu")]
            Processor::Gpu(gpu) => gpu.name(),
        }
    }

    /// Whether this is the processor.
    pub fn is_cpu(&self) -> bool {
        matches!(self.0, Processor::Cpu)
    }

    /// Bytes that tensors hold in the memory of a GPU; of the processor's nothing is known.
    pub fn memory(&self) -> Option<u64> {
        match &self.0 {
            Processor::Cpu => None,
            #[cfg(feature = "gpu")]
            Processor::Gpu(gpu) => Some(gpu.stream().pool().live()),
        }
    }

    /// How many kernels a GPU was given so far.
    pub fn dispatches(&self) -> Option<u64> {
        match &self.0 {
            Processor::Cpu => None,
            #[cfg(feature = "gpu")]
            Processor::Gpu(gpu) => Some(gpu.stream().dispatches()),
        }
    }

    /// How many kernels a GPU has compiled: each once, when it is first called.
    pub fn compiled(&self) -> Option<usize> {
        match &self.0 {
            Processor::Cpu => None,
            #[cfg(feature = "gpu")]
            Processor::Gpu(gpu) => Some(gpu.stream().compiled()),
        }
    }

    pub(crate) fn of(processor: Processor) -> Self {
        Self(processor)
    }
}

impl PartialEq for Device {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Processor::Cpu, Processor::Cpu) => true,
            #[cfg(feature = "gpu")]
            (Processor::Gpu(a), Processor::Gpu(b)) => Arc::ptr_eq(a, b),
            #[cfg(feature = "gpu")]
            _ => false,
        }
    }
}

impl Eq for Device {}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({})", self.name())
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// # Convert: to another device
///
/// Tensors are made in the processor's memory, and go to a GPU and back when they are told to.
impl Tensor {
    /// Where the elements are.
    pub fn device(&self) -> Device {
        Device::of(self.processor())
    }

    pub(crate) fn processor(&self) -> Processor {
        match self.storage() {
            Storage::Cpu(_) => Processor::Cpu,
            #[cfg(feature = "gpu")]
            Storage::Gpu(memory) => Processor::Gpu(Arc::clone(&memory.gpu)),
        }
    }

    /// This tensor; where it is a number of the processor, repeated, on the device of another tensor.
    #[track_caller]
    pub(crate) fn beside(&self, other: &Tensor) -> Result<Tensor> {
        match other.processor() {
            #[cfg(feature = "gpu")]
            Processor::Gpu(gpu) if self.device().is_cpu() && super::gpu::is_one_number(self) && !self.is_recorded() => {
                gpu.upload(self)
            }
            _ => Ok(self.clone()),
        }
    }

    /// The same elements on a device; this tensor where it is there already.
    ///
    /// A GPU holds i64 as i32.
    ///
    /// # Gradient
    /// The cotangent, on this tensor's device.
    ///
    /// # Errors
    /// If the device does not hold this type, an i64 is no i32, or there is no memory for the elements.
    ///
    /// # Cost
    /// To the processor it waits for all that the device was given.
    ///
    /// # Example
    /// ```
    /// use monotile::{Device, Tensor};
    /// let x = Tensor::from([1.0_f32, 2.0]);
    /// assert_eq!(x.to(&Device::cpu())?.to_vec::<f32>()?, [1.0, 2.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "cuda")]
    #[doc(alias = "cpu")]
    #[track_caller]
    pub fn to(&self, device: &Device) -> Result<Tensor> {
        if self.device() == *device {
            return Ok(self.clone());
        }
        let here = self.on_cpu()?;
        let there = match &device.0 {
            Processor::Cpu => here,
            #[cfg(feature = "gpu")]
            Processor::Gpu(gpu) => gpu.upload(&here)?,
        };
        Ok(Tensor::record(there, &[self], To { source: self.device() }))
    }
}

struct To {
    source: Device,
}

impl Gradient for To {
    fn name(&self) -> &'static str {
        "to"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, _: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![cotangents[0].as_ref().map(|g| g.to(&self.source)).transpose()?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_the_device_of_what_is_made() {
        let x = Tensor::from([1.0_f32, 2.0]);
        assert_eq!((x.device(), x.device().name(), x.device().memory()), (Device::cpu(), "cpu", None));
        assert!(x.to(&Device::open("cpu").unwrap()).unwrap().device().is_cpu());
        assert_eq!(format!("{:?} {}", Device::cpu(), Device::cpu()), "Device(cpu) cpu");
    }

    #[cfg(not(feature = "gpu"))]
    #[test]
    fn a_build_without_the_feature_says_so() {
        assert!(Device::open("auto").unwrap().is_cpu());
        let words = Device::open("gpu").unwrap_err().to_string();
        assert_eq!(words, "device: this build knows the cpu alone, not \"gpu\"; build monotile with the feature gpu");
    }
}
