//! A window's picture.

use std::fmt;

use monotile::Result;

use super::Uploaded;
use super::device::{Gpu, unsupported};
use super::overlay::{Overlay, Rectangle};
use super::target::RenderTarget;
use crate::{Pose, Scene, Shot};

/// A scene in a window.
pub struct Screen {
    gpu: Gpu,
    uploaded: Uploaded,
    overlay: Overlay,
    surface: wgpu::Surface<'static>,
    configuration: wgpu::SurfaceConfiguration,
    /// The format that is drawn in: sRGB, also where the window's own is not.
    format: wgpu::TextureFormat,
    target: RenderTarget,
}

impl Screen {
    /// Uploads a scene to the adapter that presents to `window`, which is `size` pixels wide and high.
    ///
    /// # Errors
    /// A machine without an adapter that can, and a scene that does not fit it.
    pub fn new<W: wgpu::DisplayAndWindowHandle + 'static>(scene: &Scene, window: W, size: [usize; 2]) -> Result<Self> {
        let surface = monotile_gpu::instance()
            .create_surface(window)
            .map_err(|e| unsupported(format!("nothing can be drawn in this window: {e}")))?;
        let (gpu, adapter) = Gpu::presenting(&surface)?;
        let mut configuration = surface
            .get_default_config(&adapter, size[0].max(1) as u32, size[1].max(1) as u32)
            .ok_or_else(|| unsupported(format!("{} cannot draw in this window", gpu.summary().name)))?;
        let formats = surface.get_capabilities(&adapter).formats;
        configuration.format = formats.iter().copied().find(wgpu::TextureFormat::is_srgb).unwrap_or(configuration.format);
        let format = configuration.format.add_srgb_suffix();
        if format != configuration.format {
            configuration.view_formats = vec![format];
        }
        configuration.present_mode = wgpu::PresentMode::AutoVsync;
        let uploaded = Uploaded::new(&gpu, scene, format)?;
        let (overlay, target) =
            gpu.checked(|| Ok((Overlay::new(&gpu.device, format), RenderTarget::new(&gpu.device, format, sides(&configuration)))))?;
        surface.configure(&gpu.device, &configuration);
        Ok(Self { gpu, uploaded, overlay, surface, configuration, format, target })
    }

    /// Follows the window to a new size.
    ///
    /// # Errors
    /// More pixels than the device has.
    pub fn resize(&mut self, size: [usize; 2]) -> Result<()> {
        self.gpu.check_size(size)?;
        if size.contains(&0) || size == sides(&self.configuration) {
            return Ok(());
        }
        (self.configuration.width, self.configuration.height) = (size[0] as u32, size[1] as u32);
        self.surface.configure(&self.gpu.device, &self.configuration);
        self.target = RenderTarget::new(&self.gpu.device, self.format, size);
        Ok(())
    }

    /// Width and height of the pictures that [`Screen::present`] takes.
    pub fn size(&self) -> [usize; 2] {
        sides(&self.configuration)
    }

    /// Shows a pose with rectangles over it, at the display's next refresh; skips it where the window is hidden.
    ///
    /// # Errors
    /// A shot that is not of this window's size, and a device that is lost.
    pub fn present(&mut self, pose: &Pose, shot: &Shot, over: &[Rectangle]) -> Result<()> {
        if [shot.camera.width, shot.camera.height] != self.size() {
            return Err(unsupported(format!("the window is {:?} pixels, the shot {:?}", self.size(), shot.camera)));
        }
        let texture = match self.surface.get_current_texture() {
            wgpu::CurrentSurfaceTexture::Success(texture) | wgpu::CurrentSurfaceTexture::Suboptimal(texture) => texture,
            wgpu::CurrentSurfaceTexture::Timeout | wgpu::CurrentSurfaceTexture::Occluded => return Ok(()),
            wgpu::CurrentSurfaceTexture::Outdated | wgpu::CurrentSurfaceTexture::Lost => {
                self.surface.configure(&self.gpu.device, &self.configuration);
                return Ok(());
            }
            wgpu::CurrentSurfaceTexture::Validation => return Err(unsupported("the window gives no picture to draw in")),
        };
        let Self { gpu, uploaded, overlay, target, .. } = self;
        let view = texture.texture.create_view(&wgpu::TextureViewDescriptor { format: Some(self.format), ..Default::default() });
        gpu.checked(|| {
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            uploaded.encode(gpu, &mut encoder, (target, &view), (pose, shot));
            overlay.encode(gpu, &mut encoder, (&view, target.size), over);
            gpu.queue.submit([encoder.finish()]);
            Ok(())
        })?;
        self.gpu.queue.present(texture);
        Ok(())
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Screen({}, {} x {})", self.gpu.name(), self.configuration.width, self.configuration.height)
    }
}

fn sides(configuration: &wgpu::SurfaceConfiguration) -> [usize; 2] {
    [configuration.width as usize, configuration.height as usize]
}
