//! The adapter, and errors as sentences.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use monotile::{Error, ErrorKind, Result, limits};

/// Whether a device was left at work.
static LEFT: AtomicBool = AtomicBool::new(false);

/// Whether a picture that took longer than the limit `gpu-time` has left a device at work. Its driver may crash in what it does at the
/// end of the process: a program had better end by [`exit_at_once`](monotile_kernels::process::exit_at_once).
pub fn is_left_at_work() -> bool {
    LEFT.load(Ordering::Relaxed)
}

/// A device and its queue.
pub(super) struct Gpu {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub info: wgpu::AdapterInfo,
}

impl Gpu {
    /// The best adapter; one that can present to `surface`, where there is one.
    pub fn open(instance: &wgpu::Instance, surface: Option<&wgpu::Surface<'_>>) -> Result<(Self, wgpu::Adapter)> {
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            compatible_surface: surface,
            ..Default::default()
        };
        let adapter = pollster::block_on(instance.request_adapter(&options)).map_err(|_| missing())?;
        let has = adapter.limits();
        let limits = wgpu::Limits {
            max_texture_dimension_2d: has.max_texture_dimension_2d,
            max_buffer_size: has.max_buffer_size,
            max_storage_buffer_binding_size: has.max_storage_buffer_binding_size,
            ..Default::default()
        };
        let wanted = wgpu::DeviceDescriptor { required_limits: limits, ..Default::default() };
        let (device, queue) = pollster::block_on(adapter.request_device(&wanted))
            .map_err(|error| unsupported(format!("{} cannot draw this: {error}", adapter.get_info().name)))?;
        Ok((Self { device, queue, info: adapter.get_info() }, adapter))
    }

    /// The adapter's name, its interface, and whether it is software.
    pub fn name(&self) -> String {
        let software = if self.info.device_type == wgpu::DeviceType::Cpu { ", software" } else { "" };
        format!("{} ({}{software})", self.info.name, self.info.backend)
    }

    /// What `work` returns, unless the device refused something meanwhile.
    pub fn checked<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validity = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let done = work();
        let refused = [pollster::block_on(validity.pop()), pollster::block_on(memory.pop())];
        match refused.into_iter().flatten().next() {
            Some(error) => Err(unsupported(one_line(&error.to_string()))),
            None => done,
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
                Err(limits::GPU_TIME.refusal(format!("the picture on {}", self.info.name), "more"))
            }
            Err(error) => Err(unsupported(format!("{} gave no picture: {error}", self.info.name))),
        }
    }

    /// Refuses more pixels a side than a texture has.
    pub fn check_size(&self, [width, height]: [usize; 2]) -> Result<()> {
        let most = self.device.limits().max_texture_dimension_2d as usize;
        if width > most || height > most {
            return Err(unsupported(format!(
                "{} has textures of at most {most} texels a side, not {width} x {height}",
                self.info.name
            )));
        }
        Ok(())
    }

    /// Refuses a buffer that is larger than shaders can read.
    pub fn check_bytes(&self, what: &str, bytes: usize) -> Result<()> {
        let limits = self.device.limits();
        self.admit(what, bytes, limits.max_storage_buffer_binding_size.min(limits.max_buffer_size))
    }

    /// Refuses a buffer that is larger than there can be.
    pub fn check_buffer(&self, what: &str, bytes: usize) -> Result<()> {
        self.admit(what, bytes, self.device.limits().max_buffer_size)
    }

    fn admit(&self, what: &str, bytes: usize, most: u64) -> Result<()> {
        if bytes as u64 > most {
            let name = &self.info.name;
            return Err(unsupported(format!("{name} reads at most {most} bytes of {what}, not {bytes}; draw with --cpu")));
        }
        Ok(())
    }
}

fn missing() -> Error {
    unsupported(
        "there is no graphics adapter here; install a driver for Vulkan (on Debian: mesa-vulkan-drivers), or draw with --cpu",
    )
}

pub(super) fn unsupported(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Unsupported, format!("gpu: {what}"))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
