//! `monotile splat compare`: how much the pictures of two scenes differ.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use monotile_radiance::{AxisFrame, ProjectOptions, SplatOptions, Splats};
use monotile_scene::Orbit;
use serde_json::{Value, json};

use super::orbit::{OrbitLens, UpAxis};
use super::{SceneExtent, open};
use crate::command_error::CommandError;
use crate::commands::viewpoint::{Viewpoint, size};
use crate::numbers;
use crate::report::{self, Table, number};

/// Compares the pictures of two scenes of Gaussian splats from the same places.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile splat convert scene.ply scene.spz && monotile splat compare scene.ply scene.spz
  monotile splat compare a.ply b.ply --views 24 --size 800x600
  monotile splat compare a.ply b.ply --json | jq .psnr

The cameras stand around the first scene. Files whose axes point otherwise are rotated first.")]
pub struct SplatCompareArgs {
    /// The scene that is compared with
    #[arg(value_name = "SCENE")]
    first: PathBuf,
    /// The scene that is compared
    #[arg(value_name = "OTHER")]
    second: PathBuf,
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
    /// The axis that points up, in the first file [default: that of its format]
    #[arg(long, value_name = "AXIS", allow_hyphen_values = true)]
    up: Option<UpAxis>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// How much two pictures differ.
struct ViewDifference {
    /// Mean square of differences.
    square: f64,
    /// The largest.
    largest: f64,
}

impl ViewDifference {
    fn of(x: &[f64], y: &[f64]) -> Self {
        let mut found = Self { square: 0.0, largest: 0.0 };
        for (x, y) in x.iter().zip(y) {
            let d = x.clamp(0.0, 1.0) - y.clamp(0.0, 1.0);
            found.square += d * d;
            found.largest = found.largest.max(d.abs());
        }
        found.square /= x.len() as f64;
        found
    }

    /// Decibels; none where nothing differs.
    fn psnr(&self) -> Option<f64> {
        (self.square > 0.0).then(|| -10.0 * self.square.log10())
    }
}

impl SplatCompareArgs {
    /// Draws both scenes from all cameras.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        if !(self.fov >= 1.0 && self.fov <= 170.0) {
            return Err(CommandError::Usage("splat compare: --fov is from 1 to 170 degrees".to_owned()));
        }
        let Viewpoint::Orbit(orbit) = self.camera else {
            return Err(CommandError::Usage(
                "splat compare: cameras stand around the scene; begin anywhere by --camera orbit:30,20".to_owned(),
            ));
        };
        let (first, frame, first_options) = scene(&self.first, None)?;
        let (second, _, second_options) = scene(&self.second, Some(frame))?;
        let Some(extent) = SceneExtent::of(&first)? else {
            return Err(CommandError::new(format!("{}: there is nothing to see: it has no splats", report::path(&self.first))));
        };
        let lens = OrbitLens { size: self.size, fov: self.fov, up: self.up.unwrap_or(UpAxis::of(frame)) };
        let pixels = |splats: &Splats, options: &SplatOptions, orbit: &Orbit, azimuth: f64| {
            let project = ProjectOptions { near: 0.01 * extent.radius, ..options.project.clone() };
            let seen = splats.render(&lens.camera(&extent, orbit, azimuth)?, &SplatOptions { project, ..options.clone() })?;
            Ok::<_, CommandError>(seen.picture.to_f64_vec()?)
        };
        let mut views = Vec::new();
        for i in 0..self.views {
            let azimuth = f64::from(orbit.azimuth) + 360.0 * i as f64 / self.views as f64;
            let [a, b] = [pixels(&first, &first_options, &orbit, azimuth)?, pixels(&second, &second_options, &orbit, azimuth)?];
            views.push((azimuth.rem_euclid(360.0), ViewDifference::of(&a, &b)));
        }
        self.tell(&views, out)
    }

    fn tell(&self, views: &[(f64, ViewDifference)], out: &mut dyn Write) -> Result<(), CommandError> {
        let known: Vec<f64> = views.iter().filter_map(|(_, view)| view.psnr()).collect();
        // The mean over pictures, as is usual; those without a difference have no number.
        let mean = (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64);
        let largest = views.iter().map(|(_, view)| view.largest).fold(0.0, f64::max);
        if self.json {
            let views: Vec<Value> =
                views.iter().map(|(at, view)| json!({ "azimuth": at, "psnr": view.psnr(), "largest": view.largest })).collect();
            return report::print_json(&json!({ "psnr": mean, "largest": largest, "views": views }), out);
        }
        let decibels = |psnr: Option<f64>| psnr.map_or("the same".to_owned(), |psnr| format!("{psnr:.2}"));
        let mut table = Table::new(&["azimuth", "PSNR dB", "largest"]);
        for (at, view) in views {
            table.row(vec![number(*at), decibels(view.psnr()), number(view.largest)]);
        }
        table.row(vec!["mean".to_owned(), decibels(mean), number(largest)]);
        write!(out, "{}", table.render(report::coloured()))?;
        Ok(())
    }
}

/// A scene in these axes, else in its own, and how it is drawn.
fn scene(path: &Path, frame: Option<AxisFrame>) -> Result<(Splats, AxisFrame, SplatOptions), CommandError> {
    let (splats, about) = open(path, false)?;
    let frame = frame.unwrap_or(about.frame);
    let project = about.project();
    Ok((splats.to_frame(about.frame, frame)?, frame, SplatOptions { project, ..SplatOptions::default() }))
}
