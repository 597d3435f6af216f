//! Images with their mipmaps, and the ways they are read.

use monotile::Result;

use super::device::Gpu;
use crate::mipmaps::levels;
use crate::{Filter, Image, Sampler, WrapMode};

/// Bytes that are on their way to the device at a time: the queue keeps a copy of each until it is submitted.
const AT_A_TIME: usize = 32 << 20;

/// Images on their way to the device.
pub(super) struct Uploads<'a> {
    gpu: &'a Gpu,
    /// Bytes that were written since the last time that the queue was empty.
    waiting: usize,
}

impl<'a> Uploads<'a> {
    pub fn new(gpu: &'a Gpu) -> Self {
        Self { gpu, waiting: 0 }
    }

    /// An image with all its levels; `color` says that its bytes are sRGB.
    ///
    /// # Errors
    /// `Memory`, where there is not enough for the levels.
    pub fn upload(&mut self, image: &Image, color: bool) -> Result<wgpu::Texture> {
        let levels = levels(image, color)?;
        let size = wgpu::Extent3d { width: image.width, height: image.height, depth_or_array_layers: 1 };
        let texture = self.gpu.device.create_texture(&wgpu::TextureDescriptor {
            label: Some(&image.name),
            size,
            mip_level_count: 1 + levels.len() as u32,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: if color { wgpu::TextureFormat::Rgba8UnormSrgb } else { wgpu::TextureFormat::Rgba8Unorm },
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let finest = (image.width, &image.rgba);
        for (i, (width, rgba)) in (0..).zip(std::iter::once(finest).chain(levels.iter().map(|level| (level.width, &level.rgba)))) {
            self.write(&texture, i, width, rgba);
        }
        Ok(texture)
    }

    /// Writes a level, some rows at a time.
    fn write(&mut self, texture: &wgpu::Texture, level: u32, width: u32, rgba: &[u8]) {
        let row = 4 * width as usize;
        let rows = (AT_A_TIME / row).max(1);
        for (part, bytes) in (0..).zip(rgba.chunks(rows * row)) {
            let origin = wgpu::Origin3d { x: 0, y: part * rows as u32, z: 0 };
            self.gpu.queue.write_texture(
                wgpu::TexelCopyTextureInfo { mip_level: level, origin, ..texture.as_image_copy() },
                bytes,
                wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(4 * width), rows_per_image: None },
                wgpu::Extent3d { width, height: (bytes.len() / row) as u32, depth_or_array_layers: 1 },
            );
            self.waiting += bytes.len();
            if self.waiting >= AT_A_TIME {
                self.finish();
            }
        }
    }

    /// Waits until the device has what was written, and frees the copies.
    pub fn finish(&mut self) {
        self.gpu.queue.submit([]);
        // A device that is lost says so where it draws.
        let _ = self.gpu.device.poll(wgpu::PollType::wait_indefinitely());
        self.waiting = 0;
    }
}

/// All levels, or the finest alone.
pub(super) fn view(texture: &wgpu::Texture, mipmap: bool) -> wgpu::TextureView {
    texture.create_view(&wgpu::TextureViewDescriptor { mip_level_count: if mipmap { None } else { Some(1) }, ..Default::default() })
}

pub(super) fn sampler(device: &wgpu::Device, sampler: &Sampler) -> wgpu::Sampler {
    let wrap = |wrap| match wrap {
        WrapMode::Repeat => wgpu::AddressMode::Repeat,
        WrapMode::Mirror => wgpu::AddressMode::MirrorRepeat,
        WrapMode::Clamp => wgpu::AddressMode::ClampToEdge,
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
