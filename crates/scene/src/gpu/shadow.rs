//! What is behind a scene, and the map of the shadow on it.

use super::pipeline::{PipelineDescriptor, SCENE, VERTEX, layout, module};
use crate::shot::SHADOW_SIZE;

/// Three maps, each made from the one before: the shadow, blurred along u, blurred along v.
pub(super) struct GroundShadow {
    maps: [wgpu::TextureView; 3],
    /// Groups 1 that read the maps.
    reads: Vec<wgpu::BindGroup>,
    cast: wgpu::RenderPipeline,
    blurs: [wgpu::RenderPipeline; 2],
    background: wgpu::RenderPipeline,
}

/// The first map holds 0 and 1 alone; what the blurs need between them has more than eight bits.
const FORMATS: [wgpu::TextureFormat; 3] =
    [wgpu::TextureFormat::R8Unorm, wgpu::TextureFormat::R16Float, wgpu::TextureFormat::R16Float];

impl GroundShadow {
    pub fn new(device: &wgpu::Device, frame: &wgpu::BindGroupLayout, format: wgpu::TextureFormat) -> Self {
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry { binding, visibility: wgpu::ShaderStages::FRAGMENT, ty, count: None };
        let image = wgpu::BindingType::Texture {
            sample_type: wgpu::TextureSampleType::Float { filterable: true },
            view_dimension: wgpu::TextureViewDimension::D2,
            multisampled: false,
        };
        let group = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("shadow"),
            entries: &[entry(0, image), entry(1, wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering))],
        });
        let maps = FORMATS.map(|format| map(device, format));
        let sampler = device.create_sampler(&wgpu::SamplerDescriptor {
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            ..Default::default()
        });
        let read = |view| {
            let entries = [
                wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::TextureView(view) },
                wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::Sampler(&sampler) },
            ];
            device.create_bind_group(&wgpu::BindGroupDescriptor { label: Some("shadow"), layout: &group, entries: &entries })
        };
        let source = [SCENE, VERTEX, include_str!("background.wgsl"), include_str!("shadow.wgsl")].concat();
        let module = module(device, source);
        let (alone, reading) = (layout(device, &[Some(frame)]), layout(device, &[Some(frame), Some(&group)]));
        let blur = |format, name| PipelineDescriptor::new(&module, &reading, format, ["cover_vertex", name]).make(device);
        let background = PipelineDescriptor {
            depth: Some((false, wgpu::CompareFunction::LessEqual)),
            ..PipelineDescriptor::new(&module, &reading, format, ["cover_vertex", "background"])
        };
        Self {
            reads: maps.iter().map(read).collect(),
            cast: PipelineDescriptor::new(&module, &alone, FORMATS[0], ["cast_vertex", "cast_shadow"]).make(device),
            blurs: [blur(FORMATS[1], "blur_u"), blur(FORMATS[2], "blur_v")],
            background: background.make(device),
            maps,
        }
    }

    /// Makes the maps: `casters` draws everything that throws a shadow.
    pub fn encode(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        frame: &wgpu::BindGroup,
        casters: impl FnOnce(&mut wgpu::RenderPass<'_>),
    ) {
        let mut pass = begin(encoder, &self.maps[0]);
        pass.set_pipeline(&self.cast);
        pass.set_bind_group(0, frame, &[]);
        casters(&mut pass);
        drop(pass);
        for (i, blur) in self.blurs.iter().enumerate() {
            let mut pass = begin(encoder, &self.maps[i + 1]);
            pass.set_pipeline(blur);
            pass.set_bind_group(0, frame, &[]);
            pass.set_bind_group(1, &self.reads[i], &[]);
            pass.draw(0..3, 0..1);
        }
    }

    /// Draws what is behind, wherever nothing was drawn. Group 0 is set.
    pub fn draw_background(&self, pass: &mut wgpu::RenderPass<'_>) {
        pass.set_pipeline(&self.background);
        pass.set_bind_group(1, &self.reads[2], &[]);
        pass.draw(0..3, 0..1);
    }
}

fn map(device: &wgpu::Device, format: wgpu::TextureFormat) -> wgpu::TextureView {
    let side = SHADOW_SIZE as u32;
    let texture = device.create_texture(&wgpu::TextureDescriptor {
        label: Some("shadow"),
        size: wgpu::Extent3d { width: side, height: side, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::TEXTURE_BINDING,
        view_formats: &[],
    });
    texture.create_view(&Default::default())
}

fn begin<'a>(encoder: &'a mut wgpu::CommandEncoder, view: &wgpu::TextureView) -> wgpu::RenderPass<'a> {
    encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
        label: Some("shadow"),
        color_attachments: &[Some(wgpu::RenderPassColorAttachment {
            view,
            depth_slice: None,
            resolve_target: None,
            ops: wgpu::Operations { load: wgpu::LoadOp::Clear(wgpu::Color::TRANSPARENT), store: wgpu::StoreOp::Store },
        })],
        ..Default::default()
    })
}
