//! Who draws.

use monotile_scene::{Picture, Pose, Result, Scene, Shot, raster};

/// The processor or a graphics device.
pub enum Renderer<'a> {
    Cpu(Box<raster::CpuRenderer<'a>>),
    #[cfg(feature = "gpu")]
    Gpu(Box<monotile_scene::gpu::GpuRenderer>),
}

impl<'a> Renderer<'a> {
    /// The graphics device where there is one that is not software itself, else the processor; or the one that is asked for.
    pub fn new(scene: &'a Scene, cpu: bool, gpu: bool) -> Result<Self> {
        #[cfg(feature = "gpu")]
        if gpu {
            return Ok(Self::Gpu(Box::new(monotile_scene::gpu::GpuRenderer::new(scene)?)));
        } else if !cpu
            && may_have_device()
            && let Ok(device) = monotile_scene::gpu::GpuRenderer::new(scene)
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
        Ok(Self::Cpu(Box::new(raster::CpuRenderer::new(scene))))
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

/// Runs the command anew where a library under the driver would print complaints of its own: of a session that there is none of.
///
/// It complains where the variable is missing, empty or no absolute path, and must find it before the driver is loaded. A folder that
/// does not exist says that there is no session.
#[cfg(all(feature = "gpu", target_os = "linux"))]
pub fn silence_driver_messages(gpu: bool) {
    use std::os::unix::process::CommandExt;
    const SESSION: &str = "XDG_RUNTIME_DIR";
    let named = std::env::var_os(SESSION).is_some_and(|folder| std::path::Path::new(&folder).is_absolute());
    if named || !(gpu || may_have_device()) {
        return;
    }
    if let Ok(this) = std::env::current_exe() {
        // It returns where the program cannot be started; then the complaints are no harm.
        let _ = std::process::Command::new(this).args(std::env::args_os().skip(1)).env(SESSION, "/nonexistent").exec();
    }
}

#[cfg(not(all(feature = "gpu", target_os = "linux")))]
pub fn silence_driver_messages(_: bool) {}

/// Whether it is worth asking: without a device's file only software draws, and its libraries print complaints of their own.
#[cfg(feature = "gpu")]
fn may_have_device() -> bool {
    !cfg!(target_os = "linux") || ["/dev/dri", "/dev/nvidia0", "/dev/dxg"].iter().any(|file| std::path::Path::new(file).exists())
}
