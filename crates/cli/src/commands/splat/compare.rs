//! `monotile splat compare`: how much the pictures of two scenes differ.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use monotile::Tensor;
use monotile_radiance::{
    AxisFrame, Capture, CapturePicture, CaptureView, MatrixCamera, ProjectOptions, SplatOptions, Splats, SsimWindows, UpAxis, ssim,
};
use serde_json::{Value, json};

use super::orbit::{OrbitLens, learned_up, up_axis};
use super::render::{SplatBackground, background};
use super::views::{SplitChoice, views};
use super::{SceneExtent, open};
use crate::command_error::CommandError;
use crate::commands::viewpoint::{Viewpoint, size};
use crate::numbers;
use crate::progress::Progress;
use crate::report::{self, Table, number};

/// Compares the pictures of two scenes of Gaussian splats from the same places, or pictures of a folder.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile splat convert scene.ply scene.spz && monotile splat compare scene.ply scene.spz
  monotile splat compare a.ply b.ply --views 24 --size 800x600
  monotile splat compare DATA scene.ply --cameras DATA --split test      how well a scene shows pictures that it has not seen
  monotile splat compare frames/ scene.ply --cameras DATA                pictures are in the views' order, or have their names
  monotile splat compare before/ after/                                  two folders of pictures of the same names
  monotile splat compare a.ply b.ply --json | jq .psnr

Cameras stand around the first scene, if there is no --cameras. Files whose axes point otherwise are rotated first. PSNR is of numbers from 0 to 1, the mean that
of pictures; SSIM is that of windows of 11 x 11 pixels within the picture.")]
pub struct SplatCompareArgs {
    /// What is compared with: a scene, a folder of pictures, or a capture
    #[arg(value_name = "FIRST")]
    first: PathBuf,
    /// What is compared
    #[arg(value_name = "SECOND")]
    second: PathBuf,
    /// A capture, whose cameras see the scenes
    #[arg(long, value_name = "DATA", conflicts_with_all = ["views", "camera", "size", "fov"])]
    cameras: Option<PathBuf>,
    /// Which of its views
    #[arg(long, value_name = "SPLIT", default_value = "all", requires = "cameras")]
    split: SplitChoice,
    /// Cameras around the scene
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    views: u64,
    /// orbit:AZIMUTH,ELEVATION[,DISTANCE] in degrees: the first camera
    #[arg(long, value_name = "CAMERA", default_value = "orbit:35,18")]
    camera: Viewpoint,
    /// Pixels
    #[arg(long, value_name = "WxH", default_value = "400x400", value_parser = size)]
    size: [usize; 2],
    /// Degrees that a camera sees vertically
    #[arg(long, value_name = "DEGREES", default_value_t = 40.0, value_parser = numbers::finite::<f64>)]
    fov: f64,
    /// The axis that points up, in the first scene [default: that of its format]
    #[arg(long, value_name = "AXIS", allow_hyphen_values = true, value_parser = up_axis)]
    up: Option<UpAxis>,
    /// What is behind scenes and transparent pictures: a colour as #rrggbb
    #[arg(long, value_name = "COLOUR", default_value = "#000000", value_parser = background)]
    background: SplatBackground,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// How much two pictures differ.
struct ViewDifference {
    name: String,
    /// Decibels; none where nothing differs.
    psnr: Option<f64>,
    /// None where a picture is smaller than a window.
    ssim: Option<f64>,
    /// The largest difference of a number.
    largest: f64,
}

impl ViewDifference {
    fn of(name: String, [x, y]: [&Tensor; 2]) -> Result<Self, CommandError> {
        if x.shape() != y.shape() {
            let [a, b] = [x, y].map(|t| format!("{} x {}", t.dim(1), t.dim(0)));
            return Err(CommandError::new(format!(
                "the pictures of {name} are {a} and {b} pixels; those of one size are compared"
            )));
        }
        let (a, b) = (x.to_f64_vec()?, y.to_f64_vec()?);
        let differences = || a.iter().zip(&b).map(|(a, b)| (a - b).abs());
        let square = differences().map(|d| d * d).sum::<f64>() / a.len() as f64;
        Ok(Self {
            name,
            psnr: (square > 0.0).then(|| -10.0 * square.log10()),
            ssim: (x.dim(0).min(x.dim(1)) >= WINDOW).then(|| ssim(x, y, SsimWindows::Within)?.item::<f64>()).transpose()?,
            largest: differences().fold(0.0, f64::max),
        })
    }
}

/// Pixels of a side of a window of SSIM.
const WINDOW: usize = 11;

/// A scene that is compared.
struct ComparedScene {
    splats: Splats,
    frame: AxisFrame,
    /// What points up in the world that it was learned in.
    up: UpAxis,
    options: SplatOptions,
}

/// What is compared.
enum Compared {
    Scene(Box<ComparedScene>),
    Pictures(Vec<PathBuf>),
    Views(Vec<CaptureView>),
}

impl Compared {
    /// The scene of a file, if it is one.
    fn scene_of(path: &Path, up: Option<UpAxis>) -> Result<Option<Self>, CommandError> {
        if path.is_dir() && !path.join("meta.json").is_file() {
            return Ok(None);
        }
        let (splats, about) = open(path, false)?;
        let options = SplatOptions { project: about.project(), ..SplatOptions::default() };
        Ok(Some(Self::Scene(Box::new(ComparedScene { splats, frame: about.frame, up: learned_up(up, &about), options }))))
    }

    /// The pictures of a folder: a capture's, or any.
    fn pictures_of(path: &Path, split: SplitChoice, up: UpAxis) -> Result<Self, CommandError> {
        if Capture::is_at(path) {
            return Ok(Self::Views(views(path, split, up)?));
        }
        let entries = std::fs::read_dir(path).map_err(|e| monotile::Error::io("reading", path, &e))?;
        let is_picture = |file: &PathBuf| {
            let ending = file.extension().map(|e| e.to_string_lossy().to_lowercase());
            ending.is_some_and(|e| ["png", "jpg", "jpeg"].contains(&e.as_str()))
        };
        let mut pictures: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_picture).collect();
        pictures.sort();
        if pictures.is_empty() {
            return Err(CommandError::new(format!("{}: is a folder without pictures, and no capture", report::path(path))));
        }
        Ok(Self::Pictures(pictures))
    }

    fn scene(&self) -> Option<&ComparedScene> {
        match self {
            Self::Scene(scene) => Some(scene),
            _ => None,
        }
    }

    /// In these axes, if it is a scene.
    fn in_frame(self, frame: AxisFrame) -> Result<Self, CommandError> {
        match self {
            Self::Scene(scene) => {
                let splats = scene.splats.to_frame(scene.frame, frame)?;
                Ok(Self::Scene(Box::new(ComparedScene { splats, frame, ..*scene })))
            }
            other => Ok(other),
        }
    }
}

/// A camera that scenes are seen from, and how views call it.
struct ComparedView {
    name: String,
    /// None where both are pictures.
    camera: Option<MatrixCamera>,
}

/// A picture's name without its folder and ending.
fn stem(name: &str) -> &str {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

impl SplatCompareArgs {
    /// Compares view after view.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        if !(self.fov >= 1.0 && self.fov <= 170.0) {
            return Err(CommandError::Usage("splat compare: --fov is from 1 to 170 degrees".to_owned()));
        }
        if self.background == SplatBackground::Transparent {
            return Err(CommandError::Usage("splat compare: --background is a colour like #f4f0e8".to_owned()));
        }
        let first = Compared::scene_of(&self.first, self.up)?;
        let second = Compared::scene_of(&self.second, self.up.filter(|_| first.is_none()))?;
        let scenes = [first, second];
        let of_scenes = scenes.iter().flatten().find_map(Compared::scene).map(|scene| (scene.frame, scene.up));
        let (own, up) = of_scenes.unwrap_or((AxisFrame::Rdf, UpAxis::MinusY));
        let opened = |scene: Option<Compared>, path: &Path| match scene {
            Some(scene) => Ok(scene),
            None => Compared::pictures_of(path, self.split, up),
        };
        let [first, second] = scenes;
        let [first, second] = [opened(first, &self.first)?, opened(second, &self.second)?];
        // The world of a capture is that of the files that are trained from it.
        let frame = if self.cameras.is_some() { AxisFrame::Rdf } else { own };
        let [first, second] = [first.in_frame(frame)?, second.in_frame(frame)?];
        let (wanted, near) = self.wanted(&first, &second, (frame, up))?;
        let mut progress = Progress::new("views", wanted.len() as u64);
        let mut found = Vec::new();
        for (i, view) in wanted.iter().enumerate() {
            let picture = |from: &Compared| self.picture(from, i, view, wanted.len(), near);
            let [x, y] = [picture(&first)?, picture(&second)?];
            found.push(ViewDifference::of(view.name.clone(), [&x, &y])?);
            progress.at(i as u64 + 1, "");
        }
        progress.finish();
        self.tell(&found, out)
    }

    /// From where scenes are looked at, and how near splats are seen.
    fn wanted(
        &self,
        first: &Compared,
        second: &Compared,
        (frame, up): (AxisFrame, UpAxis),
    ) -> Result<(Vec<ComparedView>, Option<f64>), CommandError> {
        let of_views = |views: &[CaptureView]| {
            let view = |view: &CaptureView| Ok(ComparedView { name: view.name.clone(), camera: Some(view.camera()?) });
            views.iter().map(view).collect::<Result<Vec<_>, CommandError>>()
        };
        if let Some(data) = &self.cameras {
            return Ok((of_views(&views(data, self.split, up)?)?, None));
        }
        let (Some(ComparedScene { splats, .. }), true) = (first.scene(), second.scene().is_some()) else {
            return match (first, second) {
                (Compared::Pictures(pictures), Compared::Pictures(_)) => {
                    let name =
                        |file: &PathBuf| file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                    Ok((pictures.iter().map(|file| ComparedView { name: name(file), camera: None }).collect(), None))
                }
                (Compared::Views(views), _) | (_, Compared::Views(views)) => Ok((of_views(views)?, None)),
                _ => {
                    let words = "splat compare: pictures have no cameras; name those that a scene is seen from by --cameras DATA";
                    Err(CommandError::Usage(words.to_owned()))
                }
            };
        };
        let Viewpoint::Orbit(orbit) = self.camera else {
            let words = "splat compare: cameras stand around the scene; begin anywhere by --camera orbit:30,20";
            return Err(CommandError::Usage(words.to_owned()));
        };
        let Some(extent) = SceneExtent::of(splats)? else {
            return Err(CommandError::new(format!("{}: there is nothing to see: it has no splats", report::path(&self.first))));
        };
        let lens = OrbitLens {
            size: self.size,
            fov: self.fov,
            up: self.up.unwrap_or(if up == UpAxis::MinusY { UpAxis::of(frame) } else { up }),
        };
        let view = |i: u64| {
            let azimuth = f64::from(orbit.azimuth) + 360.0 * i as f64 / self.views as f64;
            let camera = Some(lens.camera(&extent, &orbit, azimuth)?);
            Ok(ComparedView { name: format!("{}°", (10.0 * azimuth.rem_euclid(360.0)).round() / 10.0), camera })
        };
        Ok(((0..self.views).map(view).collect::<Result<_, CommandError>>()?, Some(0.01 * extent.radius)))
    }

    /// The picture of a view, `(height, width, 3)` in f64 from 0 to 1.
    fn picture(
        &self,
        from: &Compared,
        i: usize,
        view: &ComparedView,
        count: usize,
        near: Option<f64>,
    ) -> Result<Tensor, CommandError> {
        let of_file = |picture: CapturePicture| {
            let rgba = picture.rgba.to_dtype(monotile::DType::F64)?;
            let (colors, alpha) = (rgba.slice(2, ..3)?, rgba.slice(2, 3..)?);
            Ok(colors.mul(&alpha)?.add(alpha.neg()?.add(1.0)?.mul(self.behind()?)?)?)
        };
        match from {
            Compared::Scene(scene) => {
                let ComparedScene { splats, options, .. } = &**scene;
                let Some(camera) = &view.camera else { unreachable!("a scene is seen by a camera") };
                let project = ProjectOptions { near: near.unwrap_or(options.project.near), ..options.project.clone() };
                let options = SplatOptions { project, background: Some(self.behind()?), ..options.clone() };
                Ok(splats.render(camera, &options)?.picture.to_dtype(monotile::DType::F64)?.clamp(0.0, 1.0)?)
            }
            Compared::Views(views) => {
                let named = views.iter().find(|own| own.name == view.name).or(views.get(i));
                let Some(own) = named else {
                    return Err(CommandError::new(format!("there is no picture of the view {}", view.name)));
                };
                of_file(own.picture()?)
            }
            Compared::Pictures(files) => {
                let wanted = stem(&view.name);
                let same = |file: &&PathBuf| file.file_stem().is_some_and(|name| name.to_string_lossy() == wanted);
                // Frames that were drawn from the same views have numbers in the place of names.
                let numbered = files.get(i).filter(|_| files.len() == count);
                match files.iter().find(same).or(numbered) {
                    Some(file) => of_file(CapturePicture::read(file)?),
                    None => Err(CommandError::new(format!(
                        "there is no picture of the name {wanted}, nor one for each of {count} views"
                    ))),
                }
            }
        }
    }

    fn behind(&self) -> monotile::Result<Tensor> {
        let SplatBackground::Color(rgb) = self.background else { return Ok(Tensor::from([0.0; 3])) };
        Ok(Tensor::from(rgb.map(|x| f64::from(x) / 255.0)))
    }

    fn tell(&self, views: &[ViewDifference], out: &mut dyn Write) -> Result<(), CommandError> {
        // The means over pictures, as is usual; those without a difference have no PSNR.
        let mean = |of: fn(&ViewDifference) -> Option<f64>| {
            let known: Vec<f64> = views.iter().filter_map(of).collect();
            (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
        };
        let [psnr, similarity] = [mean(|view| view.psnr), mean(|view| view.ssim)];
        let largest = views.iter().map(|view| view.largest).fold(0.0, f64::max);
        if self.json {
            let view =
                |view: &ViewDifference| json!({ "view": view.name, "psnr": view.psnr, "ssim": view.ssim, "largest": view.largest });
            let views: Vec<Value> = views.iter().map(view).collect();
            return report::print_json(&json!({ "psnr": psnr, "ssim": similarity, "largest": largest, "views": views }), out);
        }
        let decibels = |psnr: Option<f64>| psnr.map_or("the same".to_owned(), |psnr| format!("{psnr:.2}"));
        let share = |ssim: Option<f64>| ssim.map_or("-".to_owned(), |ssim| format!("{ssim:.4}"));
        let mut table = Table::new(&["view", "PSNR dB", "SSIM", "largest"]);
        for view in views {
            table.row(vec![
                monotile::text::printable(&view.name).to_string(),
                decibels(view.psnr),
                share(view.ssim),
                number(view.largest),
            ]);
        }
        table.row(vec!["mean".to_owned(), decibels(psnr), share(similarity), number(largest)]);
        write!(out, "{}", table.render(report::coloured()))?;
        Ok(())
    }
}
