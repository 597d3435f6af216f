//! Adapters, what they can do, and an open device.

use std::ops::RangeInclusive;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::error::{GpuError, GpuErrorKind, GpuResult};

/// What a device can do, as far as the kernels here choose by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// Bytes of memory that a workgroup shares.
    pub workgroup_bytes: u32,
    /// Threads of a workgroup.
    pub workgroup_invocations: u32,
    /// Buffers that a kernel reads and writes.
    pub storage_buffers: u32,
    /// Bytes of one of them that a kernel sees.
    pub binding_bytes: u64,
    /// Bytes of a buffer.
    pub buffer_bytes: u64,
    /// Workgroups along a dimension of a grid.
    pub groups_per_dimension: u32,
    /// Texels of a side of a texture.
    pub texture_side: u32,
    /// Threads of a subgroup, from the fewest to the most; `None` where kernels cannot use them.
    pub subgroups: Option<RangeInclusive<u32>>,
    /// Whether shaders compute in f16. (f16 and bf16 in memory need nothing.)
    pub f16: bool,
    /// Bytes of parameters that a command carries itself; 0 where they pass through a buffer.
    pub immediates: u32,
    /// Products of tiles that subgroups compute. They are listed, not used.
    pub cooperative: Vec<CooperativeShape>,
}

/// A product of tiles that the subgroups of an adapter compute: m x k by k x n.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CooperativeShape {
    /// m, n and k.
    pub sizes: [u32; 3],
    /// The type of the factors.
    pub factors: String,
    /// The type of the sums.
    pub sums: String,
}

impl Capabilities {
    /// The defaults of WebGPU 1.0, which every browser has.
    pub fn webgpu() -> Self {
        Self::of(&wgpu::Limits::default(), wgpu::Features::empty(), 0..=0)
    }

    fn of(limits: &wgpu::Limits, features: wgpu::Features, subgroups: RangeInclusive<u32>) -> Self {
        Self {
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            workgroup_invocations: limits.max_compute_invocations_per_workgroup.min(limits.max_compute_workgroup_size_x),
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            binding_bytes: limits.max_storage_buffer_binding_size,
            buffer_bytes: limits.max_buffer_size,
            groups_per_dimension: limits.max_compute_workgroups_per_dimension,
            texture_side: limits.max_texture_dimension_2d,
            subgroups: features.contains(wgpu::Features::SUBGROUP).then_some(subgroups),
            f16: features.contains(wgpu::Features::SHADER_F16),
            immediates: if features.contains(wgpu::Features::IMMEDIATES) { limits.max_immediate_size } else { 0 },
            cooperative: Vec::new(),
        }
    }

    fn of_adapter(adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        let mut found = Self::of(&adapter.limits(), adapter.features(), info.subgroup_min_size..=info.subgroup_max_size);
        found.cooperative = adapter
            .cooperative_matrix_properties()
            .into_iter()
            .map(|p| CooperativeShape {
                sizes: [p.m_size, p.n_size, p.k_size],
                factors: format!("{:?}", p.ab_type).to_lowercase(),
                sums: format!("{:?}", p.cr_type).to_lowercase(),
            })
            .collect();
        found
    }

    fn limits(&self) -> wgpu::Limits {
        wgpu::Limits {
            max_compute_workgroup_storage_size: self.workgroup_bytes,
            max_compute_invocations_per_workgroup: self.workgroup_invocations,
            max_compute_workgroup_size_x: self.workgroup_invocations,
            max_storage_buffers_per_shader_stage: self.storage_buffers,
            max_storage_buffer_binding_size: self.binding_bytes,
            max_buffer_size: self.buffer_bytes,
            max_compute_workgroups_per_dimension: self.groups_per_dimension,
            max_texture_dimension_2d: self.texture_side,
            max_immediate_size: self.immediates,
            ..Default::default()
        }
    }

    fn features(&self) -> wgpu::Features {
        let mut features = wgpu::Features::empty();
        features.set(wgpu::Features::SUBGROUP, self.subgroups.is_some());
        features.set(wgpu::Features::SHADER_F16, self.f16);
        features.set(wgpu::Features::IMMEDIATES, self.immediates > 0);
        features
    }
}

/// What there is to know of an adapter before a device on it is opened.
#[derive(Debug, Clone)]
pub struct AdapterSummary {
    /// As its driver calls it.
    pub name: String,
    /// The interface: `vulkan`, `metal`, `dx12`.
    pub backend: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: &'static str,
    /// Whether it computes on the CPU.
    pub software: bool,
    /// What it can do.
    pub capabilities: Capabilities,
}

impl AdapterSummary {
    fn of(adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        Self {
            kind: kind(info.device_type).1,
            software: info.device_type == wgpu::DeviceType::Cpu,
            backend: info.backend.to_string(),
            name: info.name,
            capabilities: Capabilities::of_adapter(adapter),
        }
    }
}

/// A rank, the preferred first, and a word.
fn kind(device: wgpu::DeviceType) -> (usize, &'static str) {
    match device {
        wgpu::DeviceType::DiscreteGpu => (0, "discrete"),
        wgpu::DeviceType::IntegratedGpu => (1, "integrated"),
        wgpu::DeviceType::VirtualGpu => (2, "virtual"),
        wgpu::DeviceType::Other => (3, "other"),
        wgpu::DeviceType::Cpu => (4, "software"),
    }
}

/// The adapters of this machine, the preferred ones first.
pub fn adapters() -> Vec<AdapterSummary> {
    pollster::block_on(found()).iter().map(AdapterSummary::of).collect()
}

/// One for the process: each looks for drivers anew.
static INSTANCE: LazyLock<wgpu::Instance> = LazyLock::new(|| {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    // Where a driver tells its budget, what does not fit is refused before the driver is asked.
    descriptor.memory_budget_thresholds.for_resource_creation = Some(BUDGET);
    wgpu::Instance::new(descriptor)
});

/// Percents of a device's memory beyond which nothing is created, where its driver tells how much there is.
const BUDGET: u8 = 97;

/// The instance that all adapters are of, for those who present what they draw.
pub fn instance() -> &'static wgpu::Instance {
    &INSTANCE
}

async fn found() -> Vec<wgpu::Adapter> {
    let mut adapters = INSTANCE.enumerate_adapters(wgpu::Backends::all()).await;
    adapters.sort_by_key(|adapter| kind(adapter.get_info().device_type).0);
    adapters
}

/// Which device [`Gpu::open`] opens.
#[derive(Debug, Clone, Default)]
pub struct GpuOptions {
    /// A part of its adapter's name, in letters of either case; without one, the preferred adapter.
    pub adapter: Option<String>,
    /// What it may use; without this, all that the adapter has.
    pub capabilities: Option<Capabilities>,
}

/// What went wrong and has not been told yet. Devices tell it by callbacks.
#[derive(Debug, Default)]
struct Faults {
    first: Option<GpuError>,
    lost: Option<GpuError>,
}

/// An open device and its queue. Copies are the same device.
#[derive(Debug, Clone)]
pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    summary: Arc<AdapterSummary>,
    faults: Arc<Mutex<Faults>>,
}

impl Gpu {
    /// Opens a device.
    ///
    /// # Errors
    /// If there is no such adapter, or it lacks what `capabilities` asks for.
    pub fn open(options: &GpuOptions) -> GpuResult<Self> {
        pollster::block_on(Self::open_async(options))
    }

    /// [`open`](Self::open) for those who may not wait.
    pub async fn open_async(options: &GpuOptions) -> GpuResult<Self> {
        let mut adapters = found().await;
        let names = adapters.iter().map(|adapter| adapter.get_info().name).collect::<Vec<_>>().join(", ");
        if let Some(part) = &options.adapter {
            adapters.retain(|adapter| adapter.get_info().name.to_lowercase().contains(&part.to_lowercase()));
        }
        let Some(adapter) = adapters.into_iter().next() else {
            return Err(GpuError::new(GpuErrorKind::NoAdapter, no_adapter(options.adapter.as_deref(), &names)));
        };
        Self::of_adapter(&adapter, options.capabilities.as_ref()).await
    }

    /// Opens a device on the adapter that presents to a surface of [`instance`], with all that it has; and that adapter.
    ///
    /// # Errors
    /// If there is none.
    pub fn presenting(surface: &wgpu::Surface<'_>) -> GpuResult<(Self, wgpu::Adapter)> {
        let options = wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            compatible_surface: Some(surface),
            ..Default::default()
        };
        let found = pollster::block_on(INSTANCE.request_adapter(&options));
        let adapter = found.map_err(|_| GpuError::new(GpuErrorKind::NoAdapter, no_adapter(None, "")))?;
        Ok((pollster::block_on(Self::of_adapter(&adapter, None))?, adapter))
    }

    async fn of_adapter(adapter: &wgpu::Adapter, capabilities: Option<&Capabilities>) -> GpuResult<Self> {
        let mut summary = AdapterSummary::of(adapter);
        if let Some(capabilities) = capabilities {
            summary.capabilities = capabilities.clone();
        }
        let wanted = wgpu::DeviceDescriptor {
            label: Some("monotile"),
            required_features: summary.capabilities.features(),
            required_limits: summary.capabilities.limits(),
            ..Default::default()
        };
        let (device, queue) = adapter.request_device(&wanted).await.map_err(|error| {
            GpuError::new(GpuErrorKind::Unsupported, format!("{} does not have what was asked of it: {error}", summary.name))
        })?;
        let faults = Arc::new(Mutex::new(Faults::default()));
        let (seen, name) = (Arc::clone(&faults), summary.name.clone());
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            let fault = match error {
                wgpu::Error::OutOfMemory { .. } => GpuError::new(GpuErrorKind::Memory, format!("{name} has no more memory")),
                error => GpuError::invalid(format!("{name} refused a command: {error}")),
            };
            lock(&seen).first.get_or_insert(fault);
        }));
        let (seen, name) = (Arc::clone(&faults), summary.name.clone());
        device.set_device_lost_callback(move |reason, message| {
            if reason != wgpu::DeviceLostReason::Destroyed || !message.contains("dropped") {
                lock(&seen).lost = Some(GpuError::new(GpuErrorKind::Lost, format!("{name} is lost: {message}")));
            }
        });
        Ok(Self { device, queue, summary: Arc::new(summary), faults })
    }

    /// The adapter, with the capabilities that the device was opened with.
    pub fn summary(&self) -> &AdapterSummary {
        &self.summary
    }

    /// What the device may use.
    pub fn capabilities(&self) -> &Capabilities {
        &self.summary.capabilities
    }

    /// The device itself, for those who draw with it too.
    pub fn device(&self) -> &wgpu::Device {
        &self.device
    }

    /// Its queue.
    pub fn queue(&self) -> &wgpu::Queue {
        &self.queue
    }

    /// What went wrong since the last call; a lost device stays lost.
    ///
    /// # Errors
    /// That.
    pub fn check(&self) -> GpuResult<()> {
        // So that callbacks are called that wait to be.
        let _ = self.device.poll(wgpu::PollType::Poll);
        let mut faults = lock(&self.faults);
        let first = faults.first.take();
        faults.lost.clone().or(first).map_or(Ok(()), Err)
    }
}

/// What a panic of another thread left is still a list of faults.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn no_adapter(part: Option<&str>, names: &str) -> String {
    let driver = "there is no adapter here; install a driver for Vulkan (on Debian: mesa-vulkan-drivers)";
    match part {
        Some(part) if !names.is_empty() => format!("no adapter has {part:?} in its name; there are: {names}"),
        _ => driver.to_string(),
    }
}
