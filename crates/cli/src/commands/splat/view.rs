//! `monotile splat view`: a scene of splats in a page.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use monotile::io::write_atomic;
use monotile_radiance::{AxisFrame, ProjectOptions, SplatWriteOptions, UpAxis};
use monotile_scene::Orbit;

use super::orbit::up_axis;
use super::page::SplatPage;
use super::render::{SplatBackground, background};
use super::{SceneExtent, counted, open};
use crate::command_error::CommandError;
use crate::commands::viewpoint::Viewpoint;
use crate::numbers;
use crate::progress::say;
use crate::report::{self, bytes};

/// Shows a scene of Gaussian splats: a page to orbit it in.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile splat view scene.ply --html scene.html                       one file: open it in a browser, send it, put it on a server
  monotile splat view scene.ply --html scene.html --camera orbit:120,10,0.8
  monotile splat view scene.spz --html scene.html --background none     the page's own ground, light or dark

The page holds the scene as SPZ and needs nothing else. It draws by WebGPU, with the shaders of --device gpu, and on the processor, by WebAssembly, where a
browser has no adapter. Drag to orbit, right drag to pan, wheel to come nearer; its address has the camera.")]
pub struct SplatViewArgs {
    /// A scene: .ply, .splat, .spz, .sog, .glb, .gltf
    #[arg(value_name = "SCENE")]
    scene: PathBuf,
    /// The page to write
    #[arg(long, value_name = "FILE")]
    html: PathBuf,
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
    #[arg(long, value_name = "BITS", num_args = 2, default_values_t = [8, 6], value_parser = clap::value_parser!(u32).range(1..=8))]
    spz_bits: Vec<u32>,
    /// Refuse a scene with splats that cannot be drawn
    #[arg(long)]
    strict: bool,
}

impl SplatViewArgs {
    /// Reads the scene and writes the page.
    pub fn run(&self) -> Result<(), CommandError> {
        let refuse = |words: &str| Err(CommandError::Usage(format!("splat view: {words}")));
        if !(self.fov >= 1.0 && self.fov <= 170.0) {
            return refuse("--fov is from 1 to 170 degrees");
        }
        let Viewpoint::Orbit(orbit) = self.camera else {
            return refuse("the camera orbits the scene; begin anywhere by --camera orbit:30,20");
        };
        let ends = self.html.extension().is_some_and(|e| e.eq_ignore_ascii_case("html") || e.eq_ignore_ascii_case("htm"));
        if !ends {
            return refuse(&format!("{} does not end in .html", report::path(&self.html)));
        }
        self.write_page(&orbit)
    }

    fn write_page(&self, orbit: &Orbit) -> Result<(), CommandError> {
        let (splats, about) = open(&self.scene, self.strict)?;
        let project = ProjectOptions { antialiased: self.antialiased || about.antialiased, ..about.project() };
        let up = self.up.unwrap_or(about.up()).in_frame(about.frame, AxisFrame::Rub);
        let splats = splats.to_frame(about.frame, AxisFrame::Rub)?;
        let Some(extent) = SceneExtent::of(&splats)? else {
            return Err(CommandError::new(format!("{}: there is nothing to see: it has no splats", report::path(&self.scene))));
        };
        let options = SplatWriteOptions {
            frame: AxisFrame::Rub,
            spz_bits: [self.spz_bits[0], self.spz_bits[1]],
            ..SplatWriteOptions::from_project(&project)
        };
        let page = SplatPage {
            name: self.scene.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            splats: splats.len(),
            degree: splats.degree().unwrap_or_default(),
            scene: splats.to_spz(&options)?,
            extent,
            up,
            orbit: *orbit,
            fov: self.fov,
            project,
            background: self.background,
        };
        let html = page.html();
        write_atomic(&self.html, |to| to.write_all(html.as_bytes()))?;
        let (scene, all) = (bytes(page.scene.len() as u64), bytes(html.len() as u64));
        say(&format!("{}: {}, {scene} of SPZ, {all} in all", report::path(&self.html), counted(page.splats)));
        Ok(())
    }
}
