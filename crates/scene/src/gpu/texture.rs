//! Images with their mipmaps, and the ways they are read.

use crate::mipmaps::levels;
use crate::{Filter, Image, Sampler, Wrap};

/// An image with all its levels; `color` says that its bytes are sRGB.
pub(super) fn upload(device: &wgpu::Device, queue: &wgpu::Queue, image: &Image, color: bool) -> wgpu::Texture {
    let levels = levels(image, color);
    let size = wgpu::Extent3d { width: image.width, height: image.height, depth_or_array_layers: 1 };
    let texture = device.create_texture(&wgpu::TextureDescriptor {
        label: Some(&image.name),
        size,
        mip_level_count: levels.len() as u32,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: if color { wgpu::TextureFormat::Rgba8UnormSrgb } else { wgpu::TextureFormat::Rgba8Unorm },
        usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    });
    for (i, level) in (0..).zip(&levels) {
        queue.write_texture(
            wgpu::TexelCopyTextureInfo { mip_level: i, ..texture.as_image_copy() },
            &level.rgba,
            wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(4 * level.width), rows_per_image: None },
            wgpu::Extent3d { width: level.width, height: level.height, depth_or_array_layers: 1 },
        );
    }
    texture
}

/// One white texel, where a material has no texture.
pub(super) fn blank(device: &wgpu::Device, queue: &wgpu::Queue) -> wgpu::Texture {
    upload(device, queue, &Image { name: "blank".to_string(), width: 1, height: 1, rgba: vec![255; 4] }, false)
}

/// All levels, or the finest alone.
pub(super) fn view(texture: &wgpu::Texture, mipmap: bool) -> wgpu::TextureView {
    texture.create_view(&wgpu::TextureViewDescriptor { mip_level_count: if mipmap { None } else { Some(1) }, ..Default::default() })
}

pub(super) fn sampler(device: &wgpu::Device, sampler: &Sampler) -> wgpu::Sampler {
    let wrap = |wrap| match wrap {
        Wrap::Repeat => wgpu::AddressMode::Repeat,
        Wrap::Mirror => wgpu::AddressMode::MirrorRepeat,
        Wrap::Clamp => wgpu::AddressMode::ClampToEdge,
    };
    let filter = |filter| match filter {
        Filter::Nearest => wgpu::FilterMode::Nearest,
        Filter::Linear => wgpu::FilterMode::Linear,
    };
    device.create_sampler(&wgpu::SamplerDescriptor {
        address_mode_u: wrap(sampler.wrap_u),
        address_mode_v: wrap(sampler.wrap_v),
        mag_filter: filter(sampler.magnify),
        min_filter: filter(sampler.minify),
        mipmap_filter: match sampler.mipmap {
            Some(Filter::Linear) => wgpu::MipmapFilterMode::Linear,
            _ => wgpu::MipmapFilterMode::Nearest,
        },
        ..Default::default()
    })
}
