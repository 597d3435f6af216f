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

/// Runs the command anew where a library under the driver would print complaints of its own: of a session or a cache that there is none of.
///
/// It reads these variables when the driver is loaded. A folder that does not exist says that there is no session.
#[cfg(all(feature = "gpu", target_os = "linux"))]
pub fn silence_driver_messages(gpu: bool) {
    use std::os::unix::process::CommandExt;
    const SESSION: &str = "XDG_RUNTIME_DIR";
    const NO_CACHE: &str = "MESA_SHADER_CACHE_DISABLE";
    let session = (!std::env::var_os(SESSION).is_some_and(|folder| std::path::Path::new(&folder).is_absolute()))
        .then_some((SESSION, "/nonexistent"));
    let no_cache = (std::env::var_os(NO_CACHE).is_none() && !may_cache()).then_some((NO_CACHE, "true"));
    if session.or(no_cache).is_none() || !(gpu || may_have_device()) {
        return;
    }
    if let Ok(this) = std::env::current_exe() {
        let mut command = std::process::Command::new(this);
        // It returns where the program cannot be started; then the complaints are no harm.
        let _ = command.args(std::env::args_os().skip(1)).envs(session.into_iter().chain(no_cache)).exec();
    }
}

/// Whether there is a folder for Mesa's cache of shaders: the first of these variables that is set decides, as it does there.
#[cfg(all(feature = "gpu", target_os = "linux"))]
fn may_cache() -> bool {
    let folder = ["MESA_SHADER_CACHE_DIR", "XDG_CACHE_HOME", "HOME"].iter().find_map(std::env::var_os);
    let open =
        |path: &std::path::Path| std::fs::metadata(path).is_ok_and(|found| found.is_dir() && !found.permissions().readonly());
    // It makes the folder, but not the one above.
    folder.map(std::path::PathBuf::from).is_some_and(|folder| match folder.exists() {
        true => open(&folder),
        false => folder.parent().is_some_and(open),
    })
}

#[cfg(not(all(feature = "gpu", target_os = "linux")))]
pub fn silence_driver_messages(_: bool) {}

/// Whether it is worth asking: without a device's file only software draws, and its libraries print complaints of their own.
#[cfg(feature = "gpu")]
fn may_have_device() -> bool {
    !cfg!(target_os = "linux") || ["/dev/dri", "/dev/nvidia0", "/dev/dxg"].iter().any(|file| std::path::Path::new(file).exists())
}
