//! Shaders with the fixed steps around them.

use std::collections::HashMap;

use super::target::{DEPTH, SAMPLES};
use crate::draws::AlphaPart;

/// What pipelines of surfaces differ in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PipelineKey {
    pub shape: PrimitiveShape,
    pub part: AlphaPart,
}

/// What is made of a primitive's indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum PrimitiveShape {
    /// `mirrored` where the transform turns them over.
    Triangles {
        double_sided: bool,
        mirrored: bool,
    },
    /// Only their edges.
    Edges,
    Lines {
        lit: bool,
    },
    Points {
        lit: bool,
    },
}

/// The pipelines that were needed so far.
pub(super) struct Pipelines {
    module: wgpu::ShaderModule,
    layout: wgpu::PipelineLayout,
    format: wgpu::TextureFormat,
    made: HashMap<PipelineKey, wgpu::RenderPipeline>,
}

impl Pipelines {
    pub fn new(device: &wgpu::Device, groups: &[Option<&wgpu::BindGroupLayout>], format: wgpu::TextureFormat) -> Self {
        let source = [SCENE, VERTEX, include_str!("line.wgsl"), include_str!("surface.wgsl")].concat();
        Self { module: module(device, source), layout: layout(device, groups), format, made: HashMap::new() }
    }

    /// Makes the pipeline of this kind where it is new.
    pub fn ensure(&mut self, device: &wgpu::Device, kind: PipelineKey) {
        let make = || {
            let (vertex, fragment) = match kind.shape {
                PrimitiveShape::Triangles { .. } => ("triangle_vertex", "surface"),
                PrimitiveShape::Edges => ("edge_vertex", "stroke"),
                PrimitiveShape::Lines { lit } => ("line_vertex", if lit { "stroke" } else { "unlit_stroke" }),
                PrimitiveShape::Points { lit } => ("point_vertex", if lit { "stroke" } else { "unlit_stroke" }),
            };
            let blends = kind.part == AlphaPart::Clear;
            let mut recipe = PipelineDescriptor {
                blend: blends.then_some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING),
                depth: Some((!blends, wgpu::CompareFunction::Less)),
                // As `surface.wgsl` counts them.
                part: Some(match kind.part {
                    AlphaPart::All => 0.0,
                    AlphaPart::Solid => 1.0,
                    AlphaPart::Clear => 2.0,
                }),
                ..PipelineDescriptor::new(&self.module, &self.layout, self.format, [vertex, fragment])
            };
            if let PrimitiveShape::Triangles { double_sided, mirrored } = kind.shape {
                recipe.cull = (!double_sided).then_some(wgpu::Face::Back);
                recipe.front = if mirrored { wgpu::FrontFace::Cw } else { wgpu::FrontFace::Ccw };
            }
            recipe.make(device)
        };
        self.made.entry(kind).or_insert_with(make);
    }

    /// A pipeline that was needed before.
    pub fn get(&self, kind: PipelineKey) -> &wgpu::RenderPipeline {
        &self.made[&kind]
    }
}

/// What all shaders of a scene begin with.
pub(super) const SCENE: &str = include_str!("scene.wgsl");
/// What moves vertices.
pub(super) const VERTEX: &str = include_str!("vertex.wgsl");

pub(super) fn module(device: &wgpu::Device, source: String) -> wgpu::ShaderModule {
    device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source: wgpu::ShaderSource::Wgsl(source.into()) })
}

pub(super) fn layout(device: &wgpu::Device, groups: &[Option<&wgpu::BindGroupLayout>]) -> wgpu::PipelineLayout {
    device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor { label: None, bind_group_layouts: groups, immediate_size: 0 })
}

/// A pipeline by what this crate's pipelines differ in.
pub(super) struct PipelineDescriptor<'a> {
    pub module: &'a wgpu::ShaderModule,
    pub layout: &'a wgpu::PipelineLayout,
    pub format: wgpu::TextureFormat,
    /// Of the vertex and the fragment shader.
    pub names: [&'a str; 2],
    pub front: wgpu::FrontFace,
    pub cull: Option<wgpu::Face>,
    pub blend: Option<wgpu::BlendState>,
    /// Whether depths are written, and how they are compared; with them a pixel has [`SAMPLES`], without one.
    pub depth: Option<(bool, wgpu::CompareFunction)>,
    /// The constant `part` of the fragment shader, where it has one.
    pub part: Option<f64>,
}

impl<'a> PipelineDescriptor<'a> {
    /// Triangles of both sides that cover what is there.
    pub fn new(
        module: &'a wgpu::ShaderModule,
        layout: &'a wgpu::PipelineLayout,
        format: wgpu::TextureFormat,
        names: [&'a str; 2],
    ) -> Self {
        Self { module, layout, format, names, front: wgpu::FrontFace::Ccw, cull: None, blend: None, depth: None, part: None }
    }

    pub fn make(&self, device: &wgpu::Device) -> wgpu::RenderPipeline {
        let [vertex, fragment] = self.names;
        let constants: Vec<(&str, f64)> = self.part.map(|part| ("part", part)).into_iter().collect();
        device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label: Some(vertex),
            layout: Some(self.layout),
            vertex: wgpu::VertexState {
                module: self.module,
                entry_point: Some(vertex),
                compilation_options: Default::default(),
                buffers: &[],
            },
            primitive: wgpu::PrimitiveState { front_face: self.front, cull_mode: self.cull, ..Default::default() },
            depth_stencil: self.depth.map(|(write, compare)| wgpu::DepthStencilState {
                format: DEPTH,
                depth_write_enabled: Some(write),
                depth_compare: Some(compare),
                stencil: Default::default(),
                bias: Default::default(),
            }),
            multisample: wgpu::MultisampleState { count: if self.depth.is_some() { SAMPLES } else { 1 }, ..Default::default() },
            fragment: Some(wgpu::FragmentState {
                module: self.module,
                entry_point: Some(fragment),
                compilation_options: wgpu::PipelineCompilationOptions { constants: &constants, ..Default::default() },
                targets: &[Some(wgpu::ColorTargetState {
                    format: self.format,
                    blend: self.blend,
                    write_mask: wgpu::ColorWrites::ALL,
                })],
            }),
            multiview_mask: None,
            cache: None,
        })
    }
}
