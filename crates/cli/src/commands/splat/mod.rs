//! `monotile splat`: scenes of Gaussian splats.

mod capture_info;
mod compare;
mod convert;
mod data;
mod info;
mod orbit;
mod page;
mod render;
mod train;
mod view;
mod views;
#[cfg(feature = "view")]
mod window;

pub use data::{OrbitCaptureOptions, capture_scene, open_data};
pub use page::{SPZ_BITS, SplatPage, SplatPageOptions};
pub use render::SplatBackground;

use std::io::Write;
use std::path::Path;

use clap::{Args, Subcommand};
use monotile_radiance::{SplatFileInfo, SplatReadOptions, Splats};

use crate::command_error::CommandError;
use crate::progress::say;
use crate::report;

/// Draws and shows scenes of Gaussian splats, tells what is in their files, converts and compares them.
#[derive(Args)]
pub struct SplatArgs {
    #[command(subcommand)]
    command: SplatCommand,
}

#[derive(Subcommand)]
enum SplatCommand {
    Render(render::SplatRenderArgs),
    Info(info::SplatInfoArgs),
    Train(train::SplatTrainArgs),
    Convert(convert::SplatConvertArgs),
    Compare(compare::SplatCompareArgs),
    View(view::SplatViewArgs),
}

impl SplatArgs {
    /// Runs the subcommand.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        match &self.command {
            SplatCommand::Render(command) => command.run(out),
            SplatCommand::Info(command) => command.run(out),
            SplatCommand::Train(command) => command.run(out),
            SplatCommand::Convert(command) => command.run(),
            SplatCommand::Compare(command) => command.run(out),
            SplatCommand::View(command) => command.run(),
        }
    }
}

/// `1 splat`, `2,000 splats`
fn counted(splats: usize) -> String {
    format!("{} {}", report::count(splats as u64), if splats == 1 { "splat" } else { "splats" })
}

/// Reads a scene and says how many splats of it are left out.
fn open(path: &Path, strict: bool) -> Result<(Splats, SplatFileInfo), CommandError> {
    let (splats, about) = Splats::read(path, &SplatReadOptions { strict })?;
    if about.dropped > 0 {
        let (left, is) = (counted(about.dropped), if about.dropped == 1 { "is" } else { "are" });
        let words = format!("{left} {is} left out: a number there is NaN or infinite, or a quaternion is 0");
        say(&format!("warning: {}: {words}", report::path(path)));
    }
    about.notes.iter().for_each(|note| say(&format!("warning: {}: {note}", report::path(path))));
    Ok((splats, about))
}

/// Where a scene is: the middle of most of its splats, and the distance from it within which nine of ten are.
struct SceneExtent {
    center: [f64; 3],
    radius: f64,
    least: [f64; 3],
    greatest: [f64; 3],
}

impl SceneExtent {
    /// None of a scene without splats.
    fn of(splats: &Splats) -> Result<Option<Self>, CommandError> {
        let means = splats.means.to_f64_vec()?;
        if means.is_empty() {
            return Ok(None);
        }
        let mut columns: [Vec<f64>; 3] = [0, 1, 2].map(|k| means.iter().skip(k).step_by(3).copied().collect());
        columns.iter_mut().for_each(|column| column.sort_unstable_by(f64::total_cmp));
        let at = |column: &[f64], share: f64| column[((column.len() - 1) as f64 * share).round() as usize];
        let center = [0, 1, 2].map(|k| 0.5 * (at(&columns[k], 0.05) + at(&columns[k], 0.95)));
        let distance = |m: &[f64]| m.iter().zip(center).map(|(m, c)| (m - c) * (m - c)).sum::<f64>().sqrt();
        let mut distances: Vec<f64> = means.chunks_exact(3).map(distance).collect();
        distances.sort_unstable_by(f64::total_cmp);
        // A few splats are as large as their scales say.
        let size = splats.log_scales.to_f64_vec()?.into_iter().fold(f64::NEG_INFINITY, f64::max).exp();
        let around = if distances.len() > 10 { 0.0 } else { 3.0 * size };
        let radius = at(&distances, 0.9).max(around).max(1e-6);
        Ok(Some(Self {
            center,
            radius,
            least: [0, 1, 2].map(|k| columns[k][0]),
            greatest: [0, 1, 2].map(|k| at(&columns[k], 1.0)),
        }))
    }
}
