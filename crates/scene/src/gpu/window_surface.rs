//! What every picture in a window needs: the adapter that presents to it, its size, and rectangles over it.

use monotile::Result;

use super::device::{Gpu, unsupported};
use super::overlay::{Overlay, Rectangle};

/// A window that is drawn in.
pub(super) struct WindowSurface {
    pub gpu: Gpu,
    overlay: Overlay,
    surface: wgpu::Surface<'static>,
    configuration: wgpu::SurfaceConfiguration,
    /// The format that is drawn in: sRGB, also where the window's own is not.
    pub format: wgpu::TextureFormat,
}

impl WindowSurface {
    /// The adapter that presents to `window`, which is `size` pixels wide and high.
    pub fn new<W: wgpu::DisplayAndWindowHandle + 'static>(window: W, size: [usize; 2]) -> Result<Self> {
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
        let overlay = gpu.checked(|| Ok(Overlay::new(&gpu.device, format)))?;
        Ok(Self { gpu, overlay, surface, configuration, format })
    }

    /// Begins to present, or begins anew.
    pub fn configure(&self) {
        self.surface.configure(&self.gpu.device, &self.configuration);
    }

    /// Follows the window to a new size; whether that is another one.
    pub fn resize(&mut self, size: [usize; 2]) -> Result<bool> {
        self.gpu.check_size(size)?;
        if size.contains(&0) || size == self.size() {
            return Ok(false);
        }
        (self.configuration.width, self.configuration.height) = (size[0] as u32, size[1] as u32);
        self.configure();
        Ok(true)
    }

    /// Width and height in pixels.
    pub fn size(&self) -> [usize; 2] {
        [self.configuration.width as usize, self.configuration.height as usize]
    }

    /// Shows what `draw` records into the window's picture, with rectangles over it; skips it where the window is hidden.
    pub fn present(
        &mut self,
        over: &[Rectangle],
        draw: impl FnOnce(&Gpu, &mut wgpu::CommandEncoder, &wgpu::TextureView),
    ) -> Result<()> {
        let texture = match self.surface.get_current_texture() {
            wgpu::CurrentSurfaceTexture::Success(texture) | wgpu::CurrentSurfaceTexture::Suboptimal(texture) => texture,
            wgpu::CurrentSurfaceTexture::Timeout | wgpu::CurrentSurfaceTexture::Occluded => return Ok(()),
            wgpu::CurrentSurfaceTexture::Outdated | wgpu::CurrentSurfaceTexture::Lost => {
                self.configure();
                return Ok(());
            }
            wgpu::CurrentSurfaceTexture::Validation => return Err(unsupported("the window gives no picture to draw in")),
        };
        let view = texture.texture.create_view(&wgpu::TextureViewDescriptor { format: Some(self.format), ..Default::default() });
        let (gpu, size) = (&self.gpu, self.size());
        gpu.checked(|| {
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            draw(gpu, &mut encoder, &view);
            self.overlay.encode(gpu, &mut encoder, (&view, size), over);
            gpu.queue.submit([encoder.finish()]);
            Ok(())
        })?;
        self.gpu.queue.present(texture);
        Ok(())
    }
}
