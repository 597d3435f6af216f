//! Materials: a uniform, five textures and five samplers each.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use monotile::Result;
use wgpu::util::DeviceExt as _;

use super::device::Gpu;
use super::texture;
use super::uniform_data::UniformData;
use crate::{AlphaMode, Material, Scene};

impl Material {
    /// `Material` of `scene.wgsl`.
    fn uniform(&self) -> UniformData {
        let cutoff = if let AlphaMode::Mask(cutoff) = self.alpha { cutoff } else { 0.0 };
        let textures = self.textures();
        let lit = [self.unlit, matches!(self.alpha, AlphaMode::Mask(_))];
        let flags = textures.iter().map(Option::is_some).chain(lit).enumerate().map(|(i, set)| u32::from(set) << i).sum();
        let mut words = UniformData::default();
        words.floats(&self.base_color).floats(&self.emissive).floats(&[self.metallic]);
        words.floats(&[self.roughness, self.normal_scale, self.occlusion_strength, cutoff]);
        for used in textures {
            let [[a, b], [c, d], [e, f]] = used.map_or([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], |used| used.transform);
            words.floats(&[a, b, c, d, e, f, 0.0, 0.0]);
        }
        words.uints([flags]).pad();
        words
    }
}

/// What `scene.wgsl` has in group 1.
pub(super) fn layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let entry = |binding, ty| wgpu::BindGroupLayoutEntry { binding, visibility: wgpu::ShaderStages::FRAGMENT, ty, count: None };
    let uniform =
        wgpu::BindingType::Buffer { ty: wgpu::BufferBindingType::Uniform, has_dynamic_offset: false, min_binding_size: None };
    let image = wgpu::BindingType::Texture {
        sample_type: wgpu::TextureSampleType::Float { filterable: true },
        view_dimension: wgpu::TextureViewDimension::D2,
        multisampled: false,
    };
    let sampler = wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering);
    let mut entries = vec![wgpu::BindGroupLayoutEntry { visibility: wgpu::ShaderStages::VERTEX_FRAGMENT, ..entry(0, uniform) }];
    entries.extend((1..6).map(|binding| entry(binding, image)));
    entries.extend((6..11).map(|binding| entry(binding, sampler)));
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some("material"), entries: &entries })
}

/// Group 1 of every material, and of the default one at the end.
pub(super) fn bind_all(gpu: &Gpu, layout: &wgpu::BindGroupLayout, scene: &Scene) -> Result<Vec<wgpu::BindGroup>> {
    let Gpu { device, queue, .. } = gpu;
    let mut images = HashMap::new();
    let blank = texture::blank(device, queue)?;
    let plain = Material::default();
    for (used, color) in scene.materials.iter().flat_map(|material| material.textures().into_iter().zip(Material::COLORS)) {
        let Some(image) = used.map(|used| scene.textures[used.texture].image) else { continue };
        if let Entry::Vacant(free) = images.entry((image, color)) {
            free.insert(texture::upload(device, queue, &scene.images[image], color)?);
        }
    }
    let bind = |material: &Material| {
        let uniform = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("material"),
            contents: material.uniform().bytes(),
            usage: wgpu::BufferUsages::UNIFORM,
        });
        let read: Vec<(wgpu::TextureView, wgpu::Sampler)> = material
            .textures()
            .iter()
            .zip(Material::COLORS)
            .map(|(used, color)| {
                let Some(used) = used else { return (texture::view(&blank, true), texture::sampler(device, &Default::default())) };
                let texture = &scene.textures[used.texture];
                let uploaded = &images[&(texture.image, color)];
                (texture::view(uploaded, texture.sampler.mipmap.is_some()), texture::sampler(device, &texture.sampler))
            })
            .collect();
        let mut entries = vec![wgpu::BindGroupEntry { binding: 0, resource: uniform.as_entire_binding() }];
        for (i, (view, sampler)) in (1..).zip(&read) {
            entries.push(wgpu::BindGroupEntry { binding: i, resource: wgpu::BindingResource::TextureView(view) });
            entries.push(wgpu::BindGroupEntry { binding: i + 5, resource: wgpu::BindingResource::Sampler(sampler) });
        }
        device.create_bind_group(&wgpu::BindGroupDescriptor { label: Some("material"), layout, entries: &entries })
    };
    Ok(scene.materials.iter().chain([&plain]).map(bind).collect())
}
