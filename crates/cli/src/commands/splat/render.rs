//! `monotile splat render`: pictures of a scene of splats.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use monotile::{DType, Device, limits};
use monotile_radiance::{AxisFrame, MatrixCamera, ProjectOptions, RenderedSplats, SplatFileInfo, SplatOptions, Splats, UpAxis};
use monotile_scene::{Orbit, Picture};

use super::orbit::{OrbitLens, learned_up, up_axis};
use super::views::{SplitChoice, draw_views, views};
use super::{SceneExtent, open};
use crate::command_error::CommandError;
use crate::commands::devices::DeviceArgs;
use crate::commands::render::RenderOutput;
use crate::commands::viewpoint::{Viewpoint, size};
use crate::numbers;
use crate::progress::{Progress, say};
use crate::report;

/// Draws a scene of Gaussian splats: a picture, or once around it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile splat render scene.ply                                       scene.png, most of it in the picture
  monotile splat render scene.ply --camera orbit:120,10,0.8 --size 800x600 -o side.png
  monotile splat render scene.ply --orbit -o scene.gif                  once around; also .apng
  monotile splat render scene.ply --orbit --frames 90 -o 'frames/%04d.png'
  monotile splat render scene.ply --cameras DATA --split test -o 'frames/%04d.png'
  monotile splat render scene.ply --camera cameras.json -o view.png     one camera, or more into frames/%04d.png
  monotile splat render scene.ply --depth -o depth.png                  near is bright
  monotile splat render scene.ply --up z                                a file whose z points up
  monotile splat render scene.ply --device gpu                          on an adapter

The y of PLY, .splat and SOG points down, as most trainers have it, that of SPZ and glTF up. `splat train` rotates a capture so that its scene stands upright, and
cameras of a capture are rotated likewise. A scene that another program learned in the capture's own world is told by its axis, as --up z. The same command gives the same bytes on any number of threads, and on
one adapter.")]
pub struct SplatRenderArgs {
    /// A scene: .ply, .splat, .spz, .sog, .glb, .gltf
    #[arg(value_name = "SCENE")]
    scene: PathBuf,
    /// File: .png, .gif, .apng, frames/%04d.png, or - for PNG on standard output [default: the scene's name with .png]
    #[arg(short, long, value_name = "FILE")]
    out: Option<String>,
    /// orbit:AZIMUTH,ELEVATION[,DISTANCE] in degrees, or a file of cameras: transforms.json, cameras.json
    #[arg(long, value_name = "CAMERA", default_value = "orbit:35,18")]
    camera: Viewpoint,
    /// A picture for each view of a capture: a folder of pictures with known cameras, or a 3D model that is looked at from all around
    #[arg(long, value_name = "DATA", conflicts_with_all = ["camera", "orbit"])]
    cameras: Option<PathBuf>,
    /// Which views of the capture
    #[arg(long, value_name = "WHICH", default_value = "all")]
    split: SplitChoice,
    /// The camera goes once around
    #[arg(long)]
    orbit: bool,
    /// Pictures of a turn
    #[arg(long, value_name = "N", default_value_t = 96, value_parser = clap::value_parser!(u64).range(1..))]
    frames: u64,
    /// Frames a second of an animation
    #[arg(long, value_name = "N", default_value_t = 24.0, value_parser = numbers::finite::<f64>)]
    fps: f64,
    /// Pixels; views of a capture have their own
    #[arg(long, value_name = "WxH", default_value = "800x800", value_parser = size, conflicts_with = "cameras")]
    size: [usize; 2],
    /// Degrees that the camera sees vertically
    #[arg(long, value_name = "DEGREES", default_value_t = 40.0, value_parser = numbers::finite::<f64>)]
    fov: f64,
    /// The axis of the file that points up: x, -x, y, -y, z or -z [default: that of its format, y of SPZ and glTF, -y of others]
    #[arg(long, value_name = "AXIS", allow_hyphen_values = true, value_parser = up_axis)]
    up: Option<UpAxis>,
    /// none, or a colour as #rrggbb
    #[arg(long, value_name = "WHAT", default_value = "#000000", value_parser = background)]
    background: SplatBackground,
    /// Draw splats antialiased, even if the file does not say so
    #[arg(long)]
    antialiased: bool,
    /// Distances in the place of colours: the nearest white, the farthest black
    #[arg(long)]
    depth: bool,
    /// Refuse a scene with splats that cannot be drawn
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    device: DeviceArgs,
}

/// What is behind the splats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SplatBackground {
    Transparent,
    Color([u8; 3]),
}

/// A background by its words.
pub fn background(text: &str) -> Result<SplatBackground, String> {
    let hex = |text: &str| {
        let number = u32::from_str_radix(text, 16).ok().filter(|_| text.len() == 6 && text.is_ascii())?;
        Some(SplatBackground::Color([16, 8, 0].map(|shift| (number >> shift) as u8)))
    };
    match text {
        "none" => Ok(SplatBackground::Transparent),
        _ => text
            .strip_prefix('#')
            .and_then(hex)
            .ok_or_else(|| format!("{text:?} is no background; it is none, or a colour like #f4f0e8")),
    }
}

impl SplatRenderArgs {
    /// Reads, draws, writes.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        let output = RenderOutput::parse(self.out.as_deref(), &self.scene)?;
        let animated = matches!(output, RenderOutput::Animated(_));
        let refuse = |words: &str| Err(CommandError::Usage(format!("splat render: {words}")));
        if !(self.fps > 0.0 && self.fps <= 1000.0) {
            return refuse("--fps is above 0 and at most 1000");
        }
        if !(self.fov >= 1.0 && self.fov <= 170.0) {
            return refuse("--fov is from 1 to 170 degrees");
        }
        let of_file = match &self.camera {
            Viewpoint::OfFile(file) => Some(Path::new(file)),
            Viewpoint::Orbit(_) => self.cameras.as_deref(),
        };
        if let Some(file) = of_file {
            if self.cameras.is_none() && !file.exists() {
                let words = format!("there is no file {} of cameras; stand anywhere by --camera orbit:30,20", report::path(file));
                return refuse(&words);
            }
            return self.draw_views(file, &output, &self.device.open()?, out);
        }
        if animated != self.orbit {
            return refuse("--orbit draws an animation, a .gif, an .apng or frames/%04d.png, and nothing else does");
        }
        let Viewpoint::Orbit(orbit) = self.camera else { unreachable!("a file's cameras are drawn above") };
        let frames = if self.orbit { self.frames } else { 1 };
        limits::FRAMES.admit(report::path(&self.scene), frames)?;
        let device = self.device.open()?;
        let (splats, about) = open(&self.scene, self.strict)?;
        let Some(extent) = SceneExtent::of(&splats)? else {
            return Err(CommandError::new(format!("{}: there is nothing to see: it has no splats", report::path(&self.scene))));
        };
        let splats = splats.to(&device)?;
        let up = self.up.unwrap_or(about.up());
        let mut options = self.options(&about);
        // What is nearer than a hundredth of the scene's radius would fill the picture.
        options.project.near = 0.01 * extent.radius;
        let draw = |frame: usize| {
            let azimuth = f64::from(orbit.azimuth) + 360.0 * frame as f64 / frames as f64;
            self.picture(&splats, &self.camera(&extent, &orbit, up, azimuth)?, &options)
        };
        let RenderOutput::Animated(files) = &output else {
            return output.write_picture(&draw(0)?, out);
        };
        let mut progress = Progress::new("frames", frames);
        let source = format!("{} {orbit:?} {frames} {up:?}", self.source(&device));
        files.write(self.size, frames as usize, self.fps, &source, &mut progress, draw)?;
        progress.finish();
        say(&format!("{output}: {frames} frames of {} x {}", self.size[0], self.size[1]));
        Ok(())
    }

    fn options(&self, about: &SplatFileInfo) -> SplatOptions {
        let project = ProjectOptions { antialiased: self.antialiased || about.antialiased, ..about.project() };
        SplatOptions { project, ..SplatOptions::default() }
    }

    /// What a picture is made of, besides its camera: a frame that says the same need not be drawn again.
    fn source(&self, device: &Device) -> String {
        let metadata = std::fs::metadata(&self.scene).ok();
        let changed = metadata.map(|m| (m.len(), m.modified().ok()));
        let Self { size, fov, background, antialiased, depth, .. } = self;
        format!("{} {changed:?} {size:?} {fov} {background:?} {antialiased} {depth} {device}", self.scene.display())
    }

    /// A picture for each view that a file or a folder has.
    fn draw_views(&self, file: &Path, output: &RenderOutput, device: &Device, out: &mut dyn Write) -> Result<(), CommandError> {
        if self.orbit {
            return Err(CommandError::Usage(
                "splat render: --orbit goes around the scene, and --camera has a place of its own".to_owned(),
            ));
        }
        let (splats, about) = open(&self.scene, self.strict)?;
        let views = views(file, self.split, learned_up(self.up, &about))?;
        // The world of a capture is that of the files that are trained from it.
        let splats = splats.to_frame(about.frame, AxisFrame::default())?.to(device)?;
        let options = self.options(&about);
        let cameras: Vec<_> = views.iter().map(|view| (view.view_from_world, view.intrinsics, view.width, view.height)).collect();
        let source = format!("{} {cameras:?}", self.source(device));
        draw_views(&views, output, (self.fps, &hashed(&source)), |camera| self.picture(&splats, camera, &options), out)
    }

    /// A camera on a circle around the scene, which it looks at.
    fn camera(&self, extent: &SceneExtent, orbit: &Orbit, up: UpAxis, azimuth: f64) -> Result<MatrixCamera, CommandError> {
        OrbitLens { size: self.size, fov: self.fov, up }.camera(extent, orbit, azimuth)
    }

    fn picture(&self, splats: &Splats, camera: &MatrixCamera, options: &SplatOptions) -> Result<Picture, CommandError> {
        let seen = splats.render(camera, options)?;
        let rgba = if self.depth { depths(&seen)? } else { colors(&seen, self.background)? };
        Ok(Picture { width: camera.width, height: camera.height, rgba })
    }
}

/// Colours over the background, or straight ones beside their coverage.
pub fn colors(seen: &RenderedSplats, background: SplatBackground) -> Result<Vec<u8>, CommandError> {
    let [colors, coverage] = [&seen.picture, &seen.coverage].map(|x| x.to_dtype(DType::F32).and_then(|x| x.to_vec::<f32>()));
    let (colors, coverage) = (colors?, coverage?);
    let byte = |x: f32| (255.0 * x).round().clamp(0.0, 255.0) as u8;
    let pixel = |(color, &covered): (&[f32], &f32)| match background {
        SplatBackground::Transparent => {
            let straight = |k: usize| byte(if covered > 0.0 { color[k] / covered } else { 0.0 });
            [straight(0), straight(1), straight(2), byte(covered)]
        }
        SplatBackground::Color(behind) => {
            let over = |k: usize| byte(color[k] + (1.0 - covered) * f32::from(behind[k]) / 255.0);
            [over(0), over(1), over(2), 255]
        }
    };
    Ok(colors.chunks_exact(3).zip(&coverage).flat_map(pixel).collect())
}

/// Depths as gray: white the nearest of the picture, black the farthest; nothing where little is covered.
fn depths(seen: &RenderedSplats) -> Result<Vec<u8>, CommandError> {
    let (depth, coverage) = (seen.depth.to_f64_vec()?, seen.coverage.to_f64_vec()?);
    let covered = || depth.iter().zip(&coverage).filter(|(_, covered)| **covered > 0.5).map(|(depth, _)| *depth);
    let (least, most) = covered().fold((f64::INFINITY, 0.0_f64), |(a, b), x| (a.min(x), b.max(x)));
    let pixel = |(depth, covered): (&f64, &f64)| {
        let share = if most > least { (most - depth) / (most - least) } else { 1.0 };
        let gray = (20.0 + 235.0 * share).round().clamp(0.0, 255.0) as u8;
        [gray, gray, gray, (255.0 * covered).round().clamp(0.0, 255.0) as u8]
    };
    Ok(depth.iter().zip(&coverage).flat_map(pixel).collect())
}

/// Sixteen digits in the place of a text that is too long for a picture's file.
fn hashed(text: &str) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
