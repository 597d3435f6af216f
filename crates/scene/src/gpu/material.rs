//! Materials: a uniform, five textures and five samplers each. Those that read the same textures share a group.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use monotile::Result;
use wgpu::util::DeviceExt as _;

use super::device::Gpu;
use super::texture::{self, Uploads};
use super::uniform_data::UniformData;
use crate::{AlphaMode, Image, Material, Sampler, Scene};

/// The image, whether its bytes are sRGB, and how it is read.
type TextureKey = (usize, bool, Sampler);

/// Group 1 of materials.
pub(super) struct Materials {
    groups: Vec<wgpu::BindGroup>,
    /// For each material, and the default one at the end, its group and where its uniform begins.
    places: Vec<(usize, u32)>,
}

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
        wgpu::BindingType::Buffer { ty: wgpu::BufferBindingType::Uniform, has_dynamic_offset: true, min_binding_size: None };
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

/// How many bytes the uniforms of so many materials take, and the default one's.
pub(super) fn uniform_bytes(materials: usize) -> usize {
    (materials + 1) * stride()
}

/// How far apart uniforms begin.
fn stride() -> usize {
    Material::default()
        .uniform()
        .bytes()
        .len()
        .next_multiple_of(wgpu::Limits::default().min_uniform_buffer_offset_alignment as usize)
}

impl Materials {
    /// Uploads the textures and uniforms of a scene.
    ///
    /// # Errors
    /// `Memory`, where there is not enough for the levels of an image.
    pub fn new(gpu: &Gpu, layout: &wgpu::BindGroupLayout, scene: &Scene) -> Result<Self> {
        let plain = Material::default();
        let all = || scene.materials.iter().chain([&plain]);
        let mut contents = Vec::with_capacity(uniform_bytes(scene.materials.len()));
        for material in all() {
            contents.extend_from_slice(material.uniform().bytes());
            contents.resize(contents.len().next_multiple_of(stride()), 0);
        }
        let usage = wgpu::BufferUsages::UNIFORM;
        let uniforms = gpu.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("materials"),
            contents: &contents,
            usage,
        });
        let textures = Textures::new(gpu, scene)?;
        let (mut groups, mut places, mut found) = (Vec::new(), Vec::new(), HashMap::new());
        for (i, material) in all().enumerate() {
            let keys = keys(scene, material);
            let group = *found.entry(keys).or_insert_with(|| {
                groups.push(textures.bind(gpu, layout, (&uniforms, plain.uniform().bytes().len()), &keys));
                groups.len() - 1
            });
            places.push((group, (i * stride()) as u32));
        }
        Ok(Self { groups, places })
    }

    /// Sets group 1 to that of a material.
    pub fn set(&self, pass: &mut wgpu::RenderPass<'_>, material: usize) {
        let (group, offset) = self.places[material];
        pass.set_bind_group(1, &self.groups[group], &[offset]);
    }
}

/// What a material reads.
fn keys(scene: &Scene, material: &Material) -> [Option<TextureKey>; 5] {
    let textures = material.textures();
    std::array::from_fn(|i| {
        let texture = &scene.textures[textures[i]?.texture];
        Some((texture.image, Material::COLORS[i], texture.sampler))
    })
}

/// The views and samplers of a scene, each once.
struct Textures {
    views: HashMap<(usize, bool, bool), wgpu::TextureView>,
    samplers: HashMap<Sampler, wgpu::Sampler>,
    /// One white texel, where a material has no texture.
    blank: (wgpu::TextureView, wgpu::Sampler),
}

impl Textures {
    fn new(gpu: &Gpu, scene: &Scene) -> Result<Self> {
        let mut uploads = Uploads::new(gpu);
        let blank = uploads.upload(&Image { name: "blank".to_string(), width: 1, height: 1, rgba: vec![255; 4] }, false)?;
        let blank = (texture::view(&blank, true), texture::sampler(&gpu.device, &Sampler::default()));
        let (mut images, mut views, mut samplers) = (HashMap::new(), HashMap::new(), HashMap::new());
        for (image, color, sampler) in scene.materials.iter().flat_map(|material| keys(scene, material)).flatten() {
            if let Entry::Vacant(free) = images.entry((image, color)) {
                free.insert(uploads.upload(&scene.images[image], color)?);
            }
            let mipmap = sampler.mipmap.is_some();
            views.entry((image, color, mipmap)).or_insert_with(|| texture::view(&images[&(image, color)], mipmap));
            samplers.entry(sampler).or_insert_with(|| texture::sampler(&gpu.device, &sampler));
        }
        uploads.finish();
        Ok(Self { views, samplers, blank })
    }

    fn bind(
        &self,
        gpu: &Gpu,
        layout: &wgpu::BindGroupLayout,
        (uniforms, size): (&wgpu::Buffer, usize),
        keys: &[Option<TextureKey>; 5],
    ) -> wgpu::BindGroup {
        let size = wgpu::BufferSize::new(size as u64);
        let part = wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer: uniforms, offset: 0, size });
        let mut entries = vec![wgpu::BindGroupEntry { binding: 0, resource: part }];
        for (i, key) in (1..).zip(keys) {
            let (view, sampler) = match key {
                Some((image, color, sampler)) => {
                    (&self.views[&(*image, *color, sampler.mipmap.is_some())], &self.samplers[sampler])
                }
                None => (&self.blank.0, &self.blank.1),
            };
            entries.push(wgpu::BindGroupEntry { binding: i, resource: wgpu::BindingResource::TextureView(view) });
            entries.push(wgpu::BindGroupEntry { binding: i + 5, resource: wgpu::BindingResource::Sampler(sampler) });
        }
        gpu.device.create_bind_group(&wgpu::BindGroupDescriptor { label: Some("material"), layout, entries: &entries })
    }
}
