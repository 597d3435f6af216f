//! The adapter, and errors as sentences.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use monotile::{Error, ErrorKind, Result, limits};
use monotile_gpu::{AdapterSummary, Capabilities, GpuError, GpuErrorKind, GpuOptions};

/// Whether a device was left at work.
static LEFT: AtomicBool = AtomicBool::new(false);

/// Whether a picture that took longer than the limit `gpu-time` has left a device at work. Its driver may crash in what it does at the
/// end of the process: a program had better end by [`exit_at_once`](monotile_kernels::process::exit_at_once).
pub fn is_left_at_work() -> bool {
    LEFT.load(Ordering::Relaxed)
}

/// The device that kernels of tensors run on, too, with its handles at hand.
pub(super) struct Gpu {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    shared: monotile_gpu::Gpu,
}

impl Gpu {
    /// The preferred adapter.
    pub fn open() -> Result<Self> {
        monotile_gpu::Gpu::open(&GpuOptions::default()).map(|gpu| Self::of(&gpu)).map_err(opening)
    }

    /// The adapter that presents to a surface.
    pub fn presenting(surface: &wgpu::Surface<'_>) -> Result<(Self, wgpu::Adapter)> {
        let (gpu, adapter) = monotile_gpu::Gpu::presenting(surface).map_err(opening)?;
        Ok((Self::of(&gpu), adapter))
    }

    /// A device that is open.
    pub fn of(gpu: &monotile_gpu::Gpu) -> Self {
        Self { device: gpu.device().clone(), queue: gpu.queue().clone(), shared: gpu.clone() }
    }

    /// The adapter, and what the device may use.
    pub fn summary(&self) -> &AdapterSummary {
        self.shared.summary()
    }

    /// The adapter's name, its interface, and whether it is software.
    pub fn name(&self) -> String {
        let AdapterSummary { name, backend, software, .. } = self.summary();
        format!("{name} ({backend}{})", if *software { ", software" } else { "" })
    }

    /// What `work` returns, unless the device refused something meanwhile.
    pub fn checked<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validity = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let done = work();
        let refused = [pollster::block_on(validity.pop()), pollster::block_on(memory.pop())];
        match refused.into_iter().flatten().next() {
            Some(error) => Err(unsupported(one_line(&error.to_string()))),
            // A device that is lost says so.
            None => done.and_then(|done| self.shared.check().map(|()| done).map_err(unsupported)),
        }
    }

    /// Waits for what was submitted, as long as the limit says.
    pub fn wait(&self) -> Result<()> {
        let timeout = Some(Duration::from_secs(limits::GPU_TIME.get()));
        match self.device.poll(wgpu::PollType::Wait { submission_index: None, timeout }) {
            Ok(_) => Ok(()),
            Err(wgpu::PollError::Timeout) => {
                // Nothing stops a device, and dropping one waits for it.
                LEFT.store(true, Ordering::Relaxed);
                std::mem::forget((self.device.clone(), self.queue.clone()));
                Err(limits::GPU_TIME.refusal(format!("the picture on {}", self.summary().name), "more"))
            }
            Err(error) => Err(unsupported(format!("{} gave no picture: {error}", self.summary().name))),
        }
    }

    /// Refuses more pixels a side than a texture has.
    pub fn check_size(&self, [width, height]: [usize; 2]) -> Result<()> {
        let most = self.summary().capabilities.texture_side as usize;
        if width > most || height > most {
            return Err(unsupported(format!(
                "{} has textures of at most {most} texels a side, not {width} x {height}",
                self.summary().name
            )));
        }
        Ok(())
    }

    /// Refuses a buffer that is larger than shaders can read.
    pub fn check_bytes(&self, what: &str, bytes: usize) -> Result<()> {
        let Capabilities { binding_bytes, buffer_bytes, .. } = self.summary().capabilities;
        self.admit(what, bytes, binding_bytes.min(buffer_bytes))
    }

    /// Refuses a buffer that is larger than there can be.
    pub fn check_buffer(&self, what: &str, bytes: usize) -> Result<()> {
        self.admit(what, bytes, self.summary().capabilities.buffer_bytes)
    }

    fn admit(&self, what: &str, bytes: usize, most: u64) -> Result<()> {
        if bytes as u64 > most {
            let name = &self.summary().name;
            return Err(unsupported(format!("{name} reads at most {most} bytes of {what}, not {bytes}; draw with --cpu")));
        }
        Ok(())
    }
}

/// Why no device was opened.
fn opening(error: GpuError) -> Error {
    match error.kind {
        GpuErrorKind::NoAdapter => unsupported(
            "there is no graphics adapter here; install a driver for Vulkan (on Debian: mesa-vulkan-drivers), or draw with --cpu",
        ),
        _ => unsupported(error),
    }
}

pub(super) fn unsupported(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Unsupported, format!("gpu: {what}"))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
