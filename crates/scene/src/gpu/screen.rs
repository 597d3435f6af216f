//! A window's picture: a scene that the adapter draws, or a picture that is there already.

use std::fmt;

use monotile::Result;

use super::Uploaded;
use super::device::unsupported;
use super::overlay::Rectangle;
use super::pipeline::{PipelineDescriptor, layout, module};
use super::target::RenderTarget;
use super::window_surface::WindowSurface;
use crate::{Picture, Pose, Scene, Shot};

/// A scene in a window.
pub struct Screen {
    surface: WindowSurface,
    uploaded: Uploaded,
    target: RenderTarget,
}

impl Screen {
    /// Uploads a scene to the adapter that presents to `window`, which is `size` pixels wide and high.
    ///
    /// # Errors
    /// A machine without an adapter that can, and a scene that does not fit it.
    pub fn new<W: wgpu::DisplayAndWindowHandle + 'static>(scene: &Scene, window: W, size: [usize; 2]) -> Result<Self> {
        let surface = WindowSurface::new(window, size)?;
        let gpu = &surface.gpu;
        let uploaded = Uploaded::new(gpu, scene, surface.format)?;
        let target = gpu.checked(|| Ok(RenderTarget::new(&gpu.device, surface.format, surface.size())))?;
        surface.configure();
        Ok(Self { surface, uploaded, target })
    }

    /// Follows the window to a new size.
    ///
    /// # Errors
    /// More pixels than the device has.
    pub fn resize(&mut self, size: [usize; 2]) -> Result<()> {
        if self.surface.resize(size)? {
            self.target = RenderTarget::new(&self.surface.gpu.device, self.surface.format, size);
        }
        Ok(())
    }

    /// Width and height of the pictures that [`Screen::present`] takes.
    pub fn size(&self) -> [usize; 2] {
        self.surface.size()
    }

    /// Shows a pose with rectangles over it, at the display's next refresh; skips it where the window is hidden.
    ///
    /// # Errors
    /// A shot that is not of this window's size, and a device that is lost.
    pub fn present(&mut self, pose: &Pose, shot: &Shot, over: &[Rectangle]) -> Result<()> {
        if [shot.camera.width, shot.camera.height] != self.size() {
            return Err(unsupported(format!("the window is {:?} pixels, the shot {:?}", self.size(), shot.camera)));
        }
        let Self { surface, uploaded, target } = self;
        surface.present(over, |gpu, encoder, view| uploaded.encode(gpu, encoder, (target, view), (pose, shot)))
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [width, height] = self.size();
        write!(f, "Screen({}, {width} x {height})", self.surface.gpu.name())
    }
}

/// Pictures in a window, which something else draws.
pub struct PictureScreen {
    surface: WindowSurface,
    pipeline: wgpu::RenderPipeline,
    group: wgpu::BindGroupLayout,
    sampler: wgpu::Sampler,
    /// The last picture's texture.
    held: Option<(wgpu::Texture, wgpu::BindGroup)>,
}

impl PictureScreen {
    /// Takes the adapter that presents to `window`, which is `size` pixels wide and high.
    ///
    /// # Errors
    /// A machine without an adapter that can.
    pub fn new<W: wgpu::DisplayAndWindowHandle + 'static>(window: W, size: [usize; 2]) -> Result<Self> {
        let surface = WindowSurface::new(window, size)?;
        let device = &surface.gpu.device;
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry { binding, visibility: wgpu::ShaderStages::FRAGMENT, ty, count: None };
        let sampled = wgpu::BindingType::Texture {
            sample_type: wgpu::TextureSampleType::Float { filterable: true },
            view_dimension: wgpu::TextureViewDimension::D2,
            multisampled: false,
        };
        let entries = [entry(0, sampled), entry(1, wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering))];
        let (group, pipeline) = surface.gpu.checked(|| {
            let descriptor = wgpu::BindGroupLayoutDescriptor { label: Some("picture"), entries: &entries };
            let group = device.create_bind_group_layout(&descriptor);
            let module = module(device, include_str!("picture.wgsl").to_string());
            let layout = layout(device, &[Some(&group)]);
            let pipeline =
                PipelineDescriptor::new(&module, &layout, surface.format, ["picture_vertex", "picture_pixel"]).make(device);
            Ok((group, pipeline))
        })?;
        let sampler = device.create_sampler(&wgpu::SamplerDescriptor {
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            ..Default::default()
        });
        surface.configure();
        Ok(Self { surface, pipeline, group, sampler, held: None })
    }

    /// Follows the window to a new size.
    ///
    /// # Errors
    /// More pixels than the device has.
    pub fn resize(&mut self, size: [usize; 2]) -> Result<()> {
        self.surface.resize(size).map(|_| ())
    }

    /// Width and height of the window.
    pub fn size(&self) -> [usize; 2] {
        self.surface.size()
    }

    /// Shows a picture over the whole window, whatever its own size, with rectangles over it. Its alpha is not read.
    ///
    /// # Errors
    /// A picture with more pixels a side than the device has, and a device that is lost.
    pub fn present(&mut self, picture: &Picture, over: &[Rectangle]) -> Result<()> {
        let Picture { width, height, rgba } = picture;
        self.surface.gpu.check_size([*width, *height])?;
        let size = wgpu::Extent3d { width: *width as u32, height: *height as u32, depth_or_array_layers: 1 };
        if self.held.as_ref().is_none_or(|(texture, _)| texture.size() != size) {
            self.held = Some(self.texture(size)?);
        }
        let Self { surface, pipeline, held: Some((texture, bound)), .. } = self else { return Ok(()) };
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(4 * size.width), rows_per_image: None };
        surface.gpu.queue.write_texture(texture.as_image_copy(), rgba, layout, size);
        surface.present(over, |_, encoder, view| {
            let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                label: Some("picture"),
                color_attachments: &[Some(wgpu::RenderPassColorAttachment {
                    view,
                    depth_slice: None,
                    resolve_target: None,
                    ops: wgpu::Operations { load: wgpu::LoadOp::Clear(wgpu::Color::BLACK), store: wgpu::StoreOp::Store },
                })],
                ..Default::default()
            });
            pass.set_pipeline(pipeline);
            pass.set_bind_group(0, &*bound, &[]);
            pass.draw(0..3, 0..1);
        })
    }

    fn texture(&self, size: wgpu::Extent3d) -> Result<(wgpu::Texture, wgpu::BindGroup)> {
        let device = &self.surface.gpu.device;
        self.surface.gpu.checked(|| {
            let texture = device.create_texture(&wgpu::TextureDescriptor {
                label: Some("picture"),
                size,
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: wgpu::TextureFormat::Rgba8UnormSrgb,
                usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
                view_formats: &[],
            });
            let view = texture.create_view(&Default::default());
            let entries = [
                wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::TextureView(&view) },
                wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::Sampler(&self.sampler) },
            ];
            let descriptor = wgpu::BindGroupDescriptor { label: Some("picture"), layout: &self.group, entries: &entries };
            let bound = device.create_bind_group(&descriptor);
            Ok((texture, bound))
        })
    }
}

impl fmt::Debug for PictureScreen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [width, height] = self.size();
        write!(f, "PictureScreen({}, {width} x {height})", self.surface.gpu.name())
    }
}
