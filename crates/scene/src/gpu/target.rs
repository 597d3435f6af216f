//! What is drawn into, and the way back to memory.

use monotile::{Result, memory};

use super::device::{Gpu, unsupported};
use crate::{Picture, srgb};

/// Samples of a pixel.
pub(super) const SAMPLES: u32 = 4;
/// The format of depths.
pub(super) const DEPTH: wgpu::TextureFormat = wgpu::TextureFormat::Depth32Float;

/// Colours and depths of all samples; a pass averages the colours into a picture or a window.
pub(super) struct RenderTarget {
    pub colors: wgpu::TextureView,
    pub depths: wgpu::TextureView,
    pub size: [usize; 2],
}

impl RenderTarget {
    pub fn new(device: &wgpu::Device, format: wgpu::TextureFormat, size: [usize; 2]) -> Self {
        let samples = |format| {
            let texture = device.create_texture(&wgpu::TextureDescriptor {
                sample_count: SAMPLES,
                ..flat(format, size, wgpu::TextureUsages::RENDER_ATTACHMENT)
            });
            texture.create_view(&Default::default())
        };
        Self { colors: samples(format), depths: samples(DEPTH), size }
    }
}

fn flat(format: wgpu::TextureFormat, [width, height]: [usize; 2], usage: wgpu::TextureUsages) -> wgpu::TextureDescriptor<'static> {
    wgpu::TextureDescriptor {
        label: None,
        size: wgpu::Extent3d { width: width as u32, height: height as u32, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage,
        view_formats: &[],
    }
}

/// A picture on the device, and a buffer that the host can read.
pub(super) struct Headless {
    pub target: RenderTarget,
    pub view: wgpu::TextureView,
    pub texture: wgpu::Texture,
    buffer: wgpu::Buffer,
    stride: u32,
}

impl Headless {
    /// Of pictures.
    pub const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8UnormSrgb;

    pub fn new(device: &wgpu::Device, size: [usize; 2]) -> Self {
        let texture = device.create_texture(&flat(
            Self::FORMAT,
            size,
            wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
        ));
        let stride = stride(size[0]);
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("picture"),
            size: Self::bytes(size) as u64,
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let view = texture.create_view(&Default::default());
        Self { target: RenderTarget::new(device, Self::FORMAT, size), view, texture, buffer, stride }
    }

    /// Of the buffer.
    pub fn bytes([width, height]: [usize; 2]) -> usize {
        stride(width) as usize * height
    }

    /// Asks for the way back, after the passes.
    pub fn copy(&self, encoder: &mut wgpu::CommandEncoder) {
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(self.stride), rows_per_image: None };
        let to = wgpu::TexelCopyBufferInfo { buffer: &self.buffer, layout };
        encoder.copy_texture_to_buffer(self.texture.as_image_copy(), to, self.texture.size());
    }

    /// Waits for what was submitted and reads it; takes alpha out of colours that it is multiplied into, where not all is opaque.
    pub fn read(&self, gpu: &Gpu, transparent: bool) -> Result<Picture> {
        let (said, heard) = std::sync::mpsc::channel();
        // The receiver lives as long as this function, which waits for the call.
        self.buffer.map_async(wgpu::MapMode::Read, .., move |mapped| drop(said.send(mapped)));
        let lost = |error: &dyn std::fmt::Display| unsupported(format!("{} gave no picture: {error}", gpu.summary().name));
        gpu.wait()?;
        heard.recv().map_err(|e| lost(&e))?.map_err(|e| lost(&e))?;
        let [width, height] = self.target.size;
        let mut rgba = memory::list(4 * width * height, "the picture")?;
        {
            let rows = self.buffer.get_mapped_range(..).map_err(|e| lost(&e))?;
            for row in rows.chunks_exact(self.stride as usize) {
                rgba.extend_from_slice(&row[..4 * width]);
            }
        }
        self.buffer.unmap();
        if transparent {
            straighten(&mut rgba);
        }
        Ok(Picture { width, height, rgba })
    }
}

/// Bytes from row to row.
fn stride(width: usize) -> u32 {
    (4 * width as u32).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT)
}

/// Divides linear colours by alpha.
fn straighten(rgba: &mut [u8]) {
    let linear = srgb::table();
    for pixel in rgba.chunks_exact_mut(4).filter(|pixel| !matches!(pixel[3], 0 | 255)) {
        let alpha = f32::from(pixel[3]) / 255.0;
        for byte in &mut pixel[..3] {
            *byte = srgb::byte(linear[usize::from(*byte)] / alpha);
        }
    }
}
