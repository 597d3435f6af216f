//! Who draws.

use monotile_scene::{Picture, Pose, Result, Scene, Shot, raster};

/// The processor or a graphics device.
pub enum Renderer<'a> {
    Cpu(Box<raster::Renderer<'a>>),
    #[cfg(feature = "gpu")]
    Gpu(Box<monotile_scene::gpu::Renderer>),
}

impl<'a> Renderer<'a> {
    /// The graphics device where there is one that is not software itself, else the processor; or the one that is asked for.
    pub fn new(scene: &'a Scene, cpu: bool, gpu: bool) -> Result<Self> {
        #[cfg(feature = "gpu")]
        if gpu {
            return Ok(Self::Gpu(Box::new(monotile_scene::gpu::Renderer::new(scene)?)));
        } else if !cpu
            && may_have_device()
            && let Ok(device) = monotile_scene::gpu::Renderer::new(scene)
            && !device.is_software()
        {
            return Ok(Self::Gpu(Box::new(device)));
        }
        #[cfg(not(feature = "gpu"))]
        if gpu && !cpu {
            return Err(monotile::Error::new(
                monotile::ErrorKind::Unsupported,
                "render: this command was built without graphics devices; build it with --features gpu, or draw with --cpu",
            ));
        }
        Ok(Self::Cpu(Box::new(raster::Renderer::new(scene))))
    }

    pub fn draw(&mut self, pose: &Pose, shot: &Shot) -> Result<Picture> {
        match self {
            Self::Cpu(renderer) => renderer.draw(pose, shot),
            #[cfg(feature = "gpu")]
            Self::Gpu(renderer) => renderer.draw(pose, shot),
        }
    }

    pub fn name(&self) -> String {
        match self {
            Self::Cpu(_) => "the processor".to_string(),
            #[cfg(feature = "gpu")]
            Self::Gpu(renderer) => renderer.adapter(),
        }
    }
}

/// Whether it is worth asking: without a device's file only software draws, and its libraries print complaints of their own.
#[cfg(feature = "gpu")]
fn may_have_device() -> bool {
    !cfg!(target_os = "linux") || ["/dev/dri", "/dev/nvidia0", "/dev/dxg"].iter().any(|file| std::path::Path::new(file).exists())
}
