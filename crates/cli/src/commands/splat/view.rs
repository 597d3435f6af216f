//! `monotile splat view`: a scene of splats in a window, or in a page.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use monotile::io::write_atomic;
use monotile_radiance::{ProjectOptions, SplatFileInfo, Splats, UpAxis};
use monotile_scene::Orbit;

use super::orbit::up_axis;
use super::page::{SPZ_BITS, SplatPage, SplatPageOptions};
use super::render::{SplatBackground, background};
use super::{counted, open};
use crate::command_error::CommandError;
use crate::commands::devices::DeviceArgs;
use crate::commands::viewpoint::{Viewpoint, size};
use crate::numbers;
use crate::progress::say;
use crate::report::{self, bytes};

/// Shows a scene of Gaussian splats: a window to orbit it in, or a page for browsers.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile splat view scene.ply                                         a window: drag to orbit, wheel to come nearer, H for help
  monotile splat view scene.ply --device gpu
  monotile splat view scene.ply --html scene.html                       one file: open it in a browser, send it, put it on a server
  monotile splat view scene.ply --html scene.html --camera orbit:120,10,0.8
  monotile splat view scene.spz --html scene.html --background none     the page's own ground, light or dark

A page holds the scene as SPZ and needs nothing else. It draws by WebGPU, with the shaders of --device gpu, and on the processor, by WebAssembly, where a
browser has no adapter. Drag to orbit, right drag to pan, wheel to come nearer; its address has the camera. Splats are drawn smaller while the camera moves where
the processor draws.")]
pub struct SplatViewArgs {
    /// A scene: .ply, .splat, .spz, .sog, .glb, .gltf
    #[arg(value_name = "SCENE")]
    scene: PathBuf,
    /// Write a page in the place of opening a window
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Width and height of the window in pixels
    #[arg(long, value_name = "WxH", default_value = "1280x720", value_parser = size, conflicts_with = "html")]
    size: [usize; 2],
    /// orbit:AZIMUTH,ELEVATION[,DISTANCE] in degrees: where the camera is at first
    #[arg(long, value_name = "CAMERA", default_value = "orbit:35,18")]
    camera: Viewpoint,
    /// Degrees that the camera sees vertically
    #[arg(long, value_name = "DEGREES", default_value_t = 40.0, value_parser = numbers::finite::<f64>)]
    fov: f64,
    /// The axis of the file that points up [default: that of its format, y of SPZ and glTF, -y of others]
    #[arg(long, value_name = "AXIS", allow_hyphen_values = true, value_parser = up_axis)]
    up: Option<UpAxis>,
    /// none, or a colour as #rrggbb
    #[arg(long, value_name = "WHAT", default_value = "#000000", value_parser = background)]
    background: SplatBackground,
    /// Draw splats antialiased, even if the file does not say so
    #[arg(long)]
    antialiased: bool,
    /// Bits of harmonics in the page, of degree 1 and of those above; 8 keeps most and takes most
    #[arg(long, value_name = "BITS", num_args = 2, requires = "html", default_values_t = SPZ_BITS, value_parser = clap::value_parser!(u32).range(1..=8))]
    spz_bits: Vec<u32>,
    /// Refuse a scene with splats that cannot be drawn
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

impl SplatViewArgs {
    /// Reads the scene, and writes the page or returns when the window is closed.
    pub fn run(&self) -> Result<(), CommandError> {
        let refuse = |words: &str| Err(CommandError::Usage(format!("splat view: {words}")));
        if !(self.fov >= 1.0 && self.fov <= 170.0) {
            return refuse("--fov is from 1 to 170 degrees");
        }
        let Viewpoint::Orbit(orbit) = self.camera else {
            return refuse("the camera orbits the scene; begin anywhere by --camera orbit:30,20");
        };
        let Some(html) = &self.html else { return self.open_window(&orbit) };
        if !html.extension().is_some_and(|e| e.eq_ignore_ascii_case("html") || e.eq_ignore_ascii_case("htm")) {
            return refuse(&format!("{} does not end in .html", report::path(html)));
        }
        self.write_page(html, &orbit)
    }

    /// The scene, what its file says, and how it is projected.
    fn scene(&self) -> Result<(Splats, SplatFileInfo, ProjectOptions), CommandError> {
        let (splats, about) = open(&self.scene, self.strict)?;
        let project = ProjectOptions { antialiased: self.antialiased || about.antialiased, ..about.project() };
        Ok((splats, about, project))
    }

    fn nothing(&self) -> CommandError {
        CommandError::new(format!("{}: there is nothing to see: it has no splats", report::path(&self.scene)))
    }

    fn name(&self) -> String {
        report::path(self.scene.file_name().unwrap_or_default().as_ref())
    }

    #[cfg(feature = "view")]
    fn open_window(&self, orbit: &Orbit) -> Result<(), CommandError> {
        use super::SceneExtent;
        use monotile_radiance::SplatOptions;
        use monotile_scene::Picture;

        use crate::commands::render::silence_driver_messages;
        use crate::viewer::{self, ViewerState};

        silence_driver_messages(true);
        let device = self.device.open()?;
        let (splats, about, mut project) = self.scene()?;
        let extent = SceneExtent::of(&splats)?.ok_or_else(|| self.nothing())?;
        // What is nearer than a hundredth of the scene's radius would fill the picture.
        project.near = 0.01 * extent.radius;
        let content = super::window::SplatContent {
            splats: splats.to(&device)?,
            extent,
            up: self.up.unwrap_or(about.up()),
            fov: self.fov,
            options: SplatOptions { project, ..SplatOptions::default() },
            background: self.background,
            shrinks: device.is_cpu(),
            screen: None,
            share: 0.5,
            took: None,
            picture: Picture { width: 0, height: 0, rgba: Vec::new() },
        };
        viewer::open(content, ViewerState::still(*orbit), &self.name(), self.size)
    }

    #[cfg(not(feature = "view"))]
    fn open_window(&self, _: &Orbit) -> Result<(), CommandError> {
        Err(CommandError::new("splat view: this command was built without windows")
            .hint("--html FILE writes a page that shows the scene"))
    }

    fn write_page(&self, html: &Path, orbit: &Orbit) -> Result<(), CommandError> {
        let (splats, about, project) = self.scene()?;
        let options = SplatPageOptions {
            name: self.name(),
            frame: about.frame,
            up: self.up.unwrap_or(about.up()),
            orbit: *orbit,
            fov: self.fov,
            project,
            background: self.background,
            spz_bits: [self.spz_bits[0], self.spz_bits[1]],
        };
        let page = SplatPage::new(&splats, options)?.ok_or_else(|| self.nothing())?;
        let text = page.html();
        write_atomic(html, |to| to.write_all(text.as_bytes()))?;
        let (scene, all) = (bytes(page.scene.len() as u64), bytes(text.len() as u64));
        say(&format!("{}: {}, {scene} of SPZ, {all} in all", report::path(html), counted(splats.len())));
        Ok(())
    }
}
