//! `monotile nerf render`: pictures of a field.

use std::f64::consts::TAU;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use monotile::io::check_own;
use monotile::transform::{DepthRange, look_at, perspective};
use monotile::{Tensor, limits};
use monotile_radiance::{CaptureOptions, FieldScene, FieldView, MatrixCamera};
use monotile_scene::Picture;

use super::ViewSplit;
use super::judged::beside;
use crate::command_error::CommandError;
use crate::commands::render::RenderOutput;
use crate::commands::splat::open_data;
use crate::commands::viewpoint::size;
use crate::numbers;
use crate::progress::{Progress, say};
use crate::report;

/// Draws a radiance field: as the cameras of a capture see it, or once around it.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile nerf render field --cameras lego -o pictures               the test views, and how near they are to the camera's
  monotile nerf render field --cameras lego --split train -o pictures
  monotile nerf render field --orbit -o field.gif                     once around; also .apng
  monotile nerf render field --orbit --frames 90 -o frames/           numbered pictures")]
pub struct NerfRenderArgs {
    /// The folder of a field
    #[arg(value_name = "FIELD")]
    field: PathBuf,
    /// A capture whose cameras are drawn
    #[arg(long, value_name = "DATA", required_unless_present = "orbit", conflicts_with = "orbit")]
    cameras: Option<PathBuf>,
    /// Which of its views
    #[arg(long, value_enum, default_value_t = ViewSplit::Test)]
    split: ViewSplit,
    /// The camera goes once around
    #[arg(long)]
    orbit: bool,
    /// Folder for the pictures of --cameras; .gif, .apng, frames/ or frames/%04d.png for --orbit
    #[arg(short, long, value_name = "PATH")]
    out: String,
    /// Pictures of a turn
    #[arg(long, value_name = "N", default_value_t = 48, value_parser = clap::value_parser!(u64).range(1..))]
    frames: u64,
    /// Frames a second of an animation
    #[arg(long, value_name = "N", default_value_t = 24.0, value_parser = numbers::finite::<f64>)]
    fps: f64,
    /// Pixels of a turn's pictures
    #[arg(long, value_name = "WxH", default_value = "400x400", value_parser = size)]
    size: [usize; 2],
    /// Degrees that the camera of a turn sees vertically
    #[arg(long, value_name = "DEGREES", default_value_t = 40.0, value_parser = numbers::finite::<f64>)]
    fov: f64,
    /// Degrees above the horizon of a turn
    #[arg(long, value_name = "DEGREES", default_value_t = 25.0, value_parser = numbers::finite::<f64>, allow_hyphen_values = true)]
    elevation: f64,
    /// The axis of the capture that points up
    #[arg(long, value_enum, default_value_t = UpwardAxis::Z)]
    up: UpwardAxis,
    /// black, white, or a colour as #rrggbb
    #[arg(long, value_name = "COLOR", default_value = "white", value_parser = super::color)]
    background: [f64; 3],
}

/// Which way is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum UpwardAxis {
    Y,
    Z,
}

impl UpwardAxis {
    fn place(self, [x, y, z]: [f64; 3]) -> [f64; 3] {
        match self {
            Self::Y => [x, y, z],
            Self::Z => [x, -z, y],
        }
    }
}

impl NerfRenderArgs {
    /// Reads the field, draws, and writes.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        let scene = FieldScene::read(&self.field)?;
        match &self.cameras {
            Some(capture) => self.views(&scene, capture, out),
            None => self.once_around(&scene),
        }
    }

    fn draw(&self, scene: &FieldScene, camera: &MatrixCamera) -> Result<Picture, CommandError> {
        beside(&[&scene.render(camera)?.over(self.background)?])
    }

    /// The views of a capture, each in a file of its name; and their ratios where their pictures are there.
    fn views(&self, scene: &FieldScene, capture: &Path, out: &mut dyn Write) -> Result<(), CommandError> {
        let read = open_data(capture, &CaptureOptions::default())?;
        let split = self.split.into();
        let views: Vec<_> = read.of(split).collect();
        if views.is_empty() {
            return Err(CommandError::new(format!("{}: has no {} views", report::path(capture), split.name())));
        }
        let folder = Path::new(&self.out);
        std::fs::create_dir_all(folder).map_err(|e| monotile::Error::io("writing", folder, &e))?;
        let mut progress = Progress::new("views", views.len() as u64);
        let mut ratios = Vec::new();
        for (number, view) in views.iter().enumerate() {
            let path = folder.join(format!("{number:03}.png"));
            check_own(&path)?;
            let picture = if view.has_picture() {
                let judged = scene.judge(&FieldView::from_capture(view)?, self.background)?;
                writeln!(out, "{}\t{:.4}", monotile::text::printable(&view.name), judged.psnr)?;
                ratios.push(judged.psnr);
                beside(&[&judged.picture])?
            } else {
                self.draw(scene, &view.camera()?)?
            };
            picture.save_png(&path, None)?;
            progress.at(number as u64 + 1, &path.display().to_string());
        }
        progress.finish();
        let mut words = format!("{}: {} pictures", report::path(folder), views.len());
        if !ratios.is_empty() {
            words = format!("{words}; {:.2} dB, the mean of {}", ratios.iter().sum::<f64>() / ratios.len() as f64, ratios.len());
        }
        say(&words);
        Ok(())
    }

    fn once_around(&self, scene: &FieldScene) -> Result<(), CommandError> {
        // A folder takes numbered pictures.
        let numbered = if self.out.ends_with('/') { format!("{}%04d.png", self.out) } else { self.out.clone() };
        let output = RenderOutput::parse(Some(&numbered), &self.field)?;
        limits::FRAMES.admit(report::path(&self.field), self.frames)?;
        let camera = |frame: usize| self.camera(scene, TAU * frame as f64 / self.frames as f64);
        let RenderOutput::Animated(files) = &output else {
            return output.write_picture(&self.draw(scene, &camera(0)?)?, &mut std::io::sink());
        };
        let mut progress = Progress::new("frames", self.frames);
        let metadata = std::fs::metadata(self.field.join("field.safetensors")).ok();
        let changed = metadata.map(|m| (m.len(), m.modified().ok()));
        let Self { field, frames, size, fov, elevation, up, background, .. } = self;
        let source = format!("{} {changed:?} {frames} {size:?} {fov} {elevation} {up:?} {background:?}", field.display());
        let draw = |frame| self.draw(scene, &camera(frame)?);
        files.write(self.size, self.frames as usize, self.fps, &source, &mut progress, draw)?;
        progress.finish();
        say(&format!("{output}: {} frames of {} x {}", self.frames, self.size[0], self.size[1]));
        Ok(())
    }

    /// A camera on a circle around the cube, which it looks at.
    fn camera(&self, scene: &FieldScene, azimuth: f64) -> Result<MatrixCamera, CommandError> {
        let [width, height] = self.size;
        let (cube, fovy) = (scene.field().cube(), self.fov.to_radians());
        let aspect = width as f64 / height as f64;
        let distance = cube.half / ((0.5 * fovy).tan() * aspect.min(1.0));
        let (high, level) = self.elevation.to_radians().sin_cos();
        let (sin, cos) = azimuth.sin_cos();
        let offset = self.up.place([distance * level * sin, distance * high, distance * level * cos]);
        let vector = |x: [f64; 3]| Tensor::from(x);
        let eye = [0, 1, 2].map(|k| cube.center[k] + offset[k]);
        let view_from_world = look_at(&vector(eye), &vector(cube.center), &vector(self.up.place([0.0, 1.0, 0.0])))?;
        let number = Tensor::scalar::<f64>;
        let [near, far] = [1e-3, 1e3].map(|x| number(x * cube.half));
        let clip_from_view = perspective(&number(fovy), &number(aspect), &near, &far, DepthRange::ZeroOne)?;
        Ok(MatrixCamera { view_from_world, clip_from_view, width, height })
    }
}
