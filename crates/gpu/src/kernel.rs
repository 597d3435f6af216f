//! KernelCache: their texts, the pipelines made of them, and what they bind.

use std::collections::HashMap;
use std::sync::Arc;

use crate::device::Gpu;
use crate::error::{GpuError, GpuResult};
use crate::text::{Text, join};

/// Bytes of the parameters of a dispatch that pass through a buffer.
pub(crate) const UNIFORM_BYTES: usize = 256;

/// What a kernel is known by: its name, and the numbers that its text was written for.
pub(crate) type KernelKey = (&'static str, Vec<u64>);

/// The text of a kernel, without what declares its buffers and parameters.
///
/// The body calls the inputs `a0`, `a1`, … and the outputs `y0`, …; its workgroup is numbered `group`, its thread `local`.
#[derive(Debug, Default)]
pub(crate) struct KernelText {
    /// Element types of the buffers that it reads.
    pub inputs: Vec<&'static str>,
    /// Element types of the buffers that it writes.
    pub outputs: Vec<&'static str>,
    /// How many parameters it takes.
    pub words: usize,
    /// Threads of a workgroup.
    pub threads: usize,
    /// What stands before the function: constants, functions, memory of the workgroup.
    pub globals: String,
    /// The inside of the function.
    pub body: String,
}

impl KernelText {
    /// Vectors of four words that hold the parameters.
    fn vectors(&self) -> usize {
        (self.words + 2).div_ceil(4)
    }

    /// The whole module; its parameters come with the command, or through a buffer.
    pub fn wgsl(&self, immediate: bool) -> String {
        let mut text = Text::default();
        text.line(format_args!("struct Parameters {{ {} }}", join(self.vectors(), ", ", |i| format!("p{i}: vec4<u32>"))));
        let space = if immediate { "var<immediate>" } else { "@group(1) @binding(0) var<uniform>" };
        text.line(format_args!("{space} p: Parameters;"));
        for (number, element) in self.inputs.iter().enumerate() {
            text.line(format_args!("@group(0) @binding({number}) var<storage, read> a{number}: array<{element}>;"));
        }
        for (number, element) in self.outputs.iter().enumerate() {
            let binding = self.inputs.len() + number;
            text.line(format_args!("@group(0) @binding({binding}) var<storage, read_write> y{number}: array<{element}>;"));
        }
        text.line(&self.globals);
        text.line(format_args!("@compute @workgroup_size({})", self.threads));
        text.line("fn main(@builtin(workgroup_id) place: vec3<u32>, @builtin(local_invocation_index) local: u32) {");
        text.line("    let group = place.x + place.y * p.p0.y;");
        text.line("    if (group >= p.p0.x) { return; }");
        text.line(&self.body);
        text.line("}");
        text.finish()
    }
}

/// A kernel that the device has compiled.
#[derive(Debug)]
pub(crate) struct GpuKernel {
    pub pipeline: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
    pub name: &'static str,
    pub inputs: usize,
    pub outputs: usize,
    pub words: usize,
    /// Whether its parameters come with the command.
    pub immediate: bool,
}

/// All kernels of a device, and the layouts of their buffers.
#[derive(Debug)]
pub(crate) struct KernelCache {
    compiled: HashMap<KernelKey, Arc<GpuKernel>>,
    layouts: HashMap<(usize, usize), wgpu::BindGroupLayout>,
    /// Of the group of the buffer with the parameters.
    pub uniforms: wgpu::BindGroupLayout,
}

impl KernelCache {
    pub fn new(gpu: &Gpu) -> Self {
        let entry = wgpu::BindGroupLayoutEntry {
            binding: 0,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: wgpu::BufferBindingType::Uniform,
                has_dynamic_offset: true,
                min_binding_size: None,
            },
            count: None,
        };
        let descriptor = wgpu::BindGroupLayoutDescriptor { label: Some("parameters"), entries: &[entry] };
        let uniforms = gpu.device().create_bind_group_layout(&descriptor);
        Self { compiled: HashMap::new(), layouts: HashMap::new(), uniforms }
    }

    /// How many are compiled.
    pub fn len(&self) -> usize {
        self.compiled.len()
    }

    /// The kernel of this key; compiled from `text` if there is none yet.
    pub fn get(&mut self, gpu: &Gpu, key: KernelKey, text: impl FnOnce() -> KernelText) -> GpuResult<Arc<GpuKernel>> {
        if let Some(kernel) = self.compiled.get(&key) {
            return Ok(Arc::clone(kernel));
        }
        let text = text();
        let (capabilities, buffers) = (gpu.capabilities(), text.inputs.len() + text.outputs.len());
        if buffers > capabilities.storage_buffers as usize {
            let (name, most) = (&gpu.summary().name, capabilities.storage_buffers);
            return Err(GpuError::limit(format!("{}: {name} binds at most {most} buffers to a kernel, not {buffers}", key.0)));
        }
        if text.vectors() * 16 > UNIFORM_BYTES {
            return Err(GpuError::limit(format!("{}: {} parameters are more than a kernel takes", key.0, text.words)));
        }
        let layout = self.layout(gpu, text.inputs.len(), text.outputs.len());
        let bytes = text.vectors() * 16;
        let immediate = bytes <= capabilities.immediates as usize;
        let groups = [Some(&layout), Some(&self.uniforms)];
        let device = gpu.device();
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(key.0),
            bind_group_layouts: if immediate { &groups[..1] } else { &groups },
            immediate_size: if immediate { bytes as u32 } else { 0 },
        });
        // With wgpu's checks of indices and loops: without them a fault of a kernel would read memory of others.
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(key.0),
            source: wgpu::ShaderSource::Wgsl(text.wgsl(immediate).into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(key.0),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            // Every kernel writes what it reads there.
            compilation_options: wgpu::PipelineCompilationOptions { zero_initialize_workgroup_memory: false, ..Default::default() },
            cache: None,
        });
        let kernel = Arc::new(GpuKernel {
            pipeline,
            layout,
            name: key.0,
            inputs: text.inputs.len(),
            outputs: text.outputs.len(),
            words: text.words,
            immediate,
        });
        self.compiled.insert(key, Arc::clone(&kernel));
        Ok(kernel)
    }

    fn layout(&mut self, gpu: &Gpu, inputs: usize, outputs: usize) -> wgpu::BindGroupLayout {
        let create = || {
            let entries: Vec<wgpu::BindGroupLayoutEntry> = (0..inputs + outputs)
                .map(|number| wgpu::BindGroupLayoutEntry {
                    binding: number as u32,
                    visibility: wgpu::ShaderStages::COMPUTE,
                    ty: wgpu::BindingType::Buffer {
                        ty: wgpu::BufferBindingType::Storage { read_only: number < inputs },
                        has_dynamic_offset: false,
                        min_binding_size: None,
                    },
                    count: None,
                })
                .collect();
            gpu.device().create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some("operands"), entries: &entries })
        };
        self.layouts.entry((inputs, outputs)).or_insert_with(create).clone()
    }
}

/// Whether naga takes a text for a shader, with either kind of parameters; the words of its refusal and the text are the panic.
#[cfg(test)]
pub(crate) fn validate(text: &KernelText) {
    for immediate in [false, true] {
        let source = text.wgsl(immediate);
        let parsed = naga::front::wgsl::parse_str(&source).map_err(|fault| fault.emit_to_string(&source));
        let module = parsed.unwrap_or_else(|fault| panic!("{fault}\n{source}"));
        let capabilities = if immediate { naga::valid::Capabilities::IMMEDIATES } else { naga::valid::Capabilities::empty() };
        let checked = naga::valid::Validator::new(naga::valid::ValidationFlags::all(), capabilities).validate(&module);
        checked.unwrap_or_else(|fault| panic!("{}\n{source}", fault.emit_to_string(&source)));
    }
}
