//! Rectangles over a finished picture: what a window says about it.

use super::device::Gpu;
use super::pipeline::{PipelineDescriptor, layout, module};
use super::uniform_data::UniformData;
use crate::srgb;

/// A rectangle of one colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rectangle {
    /// Left and upper edge, then right and lower one, in pixels.
    pub edges: [f32; 4],
    /// sRGB and alpha.
    pub rgba: [u8; 4],
}

/// What draws rectangles.
pub(super) struct Overlay {
    pipeline: wgpu::RenderPipeline,
    group: wgpu::BindGroupLayout,
}

impl Overlay {
    pub fn new(device: &wgpu::Device, format: wgpu::TextureFormat) -> Self {
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::VERTEX,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
            count: None,
        };
        let group = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("overlay"),
            entries: &[entry(0, wgpu::BufferBindingType::Uniform), entry(1, wgpu::BufferBindingType::Storage { read_only: true })],
        });
        let module = module(device, include_str!("overlay.wgsl").to_string());
        let layout = layout(device, &[Some(&group)]);
        let recipe = PipelineDescriptor {
            blend: Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING),
            ..PipelineDescriptor::new(&module, &layout, format, ["overlay_vertex", "overlay"])
        };
        Self { pipeline: recipe.make(device), group }
    }

    /// Draws rectangles in their order over a picture of this size.
    pub fn encode(
        &self,
        gpu: &Gpu,
        encoder: &mut wgpu::CommandEncoder,
        (view, size): (&wgpu::TextureView, [usize; 2]),
        rectangles: &[Rectangle],
    ) {
        use wgpu::util::DeviceExt as _;
        if rectangles.is_empty() {
            return;
        }
        let mut words = UniformData::default();
        for Rectangle { edges, rgba: [r, g, b, a] } in rectangles {
            let [r, g, b] = [r, g, b].map(|byte| srgb::decode(f32::from(*byte) / 255.0));
            words.floats(edges).floats(&[r, g, b, f32::from(*a) / 255.0]);
        }
        let mut raster = UniformData::default();
        raster.floats(&[size[0] as f32, size[1] as f32, 0.0, 0.0]);
        let filled = |words: &UniformData, usage| {
            gpu.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
                label: Some("overlay"),
                contents: words.bytes(),
                usage,
            })
        };
        let buffers = [filled(&raster, wgpu::BufferUsages::UNIFORM), filled(&words, wgpu::BufferUsages::STORAGE)];
        let entries = [0, 1].map(|i| wgpu::BindGroupEntry { binding: i, resource: buffers[i as usize].as_entire_binding() });
        let group = gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("overlay"),
            layout: &self.group,
            entries: &entries,
        });
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            label: Some("overlay"),
            color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                view,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations { load: wgpu::LoadOp::Load, store: wgpu::StoreOp::Store },
            })],
            ..Default::default()
        });
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.draw(0..6 * rectangles.len() as u32, 0..1);
    }
}
