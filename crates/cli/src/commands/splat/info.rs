//! `monotile splat info`: what a file of splats holds.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use monotile::Tensor;
use monotile::text::printable;
use monotile_radiance::Capture;
use serde_json::json;

use super::{SceneExtent, capture_info, counted, open};
use crate::command_error::CommandError;
use crate::report::{self, Table, bytes, number};

/// Tells what a file of Gaussian splats holds, or a capture to learn them from.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile splat info scene.ply           how many, how large, where, and what is unusual
  monotile splat info DATA                views, cameras and points of a capture, and what is missing
  monotile splat info scene.ply --json | jq .splats")]
pub struct SplatInfoArgs {
    /// A scene: .ply, .splat, .spz, .sog, .glb, .gltf; or a capture: a folder of pictures with known cameras
    #[arg(value_name = "SCENE")]
    scene: PathBuf,
    /// Refuse a scene with splats that cannot be drawn
    #[arg(long)]
    strict: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Shares of the splats below the numbers that are told.
const SHARES: [f64; 5] = [0.0, 0.1, 0.5, 0.9, 1.0];

/// The numbers below which these shares of all are.
fn quantiles(mut x: Vec<f64>) -> [f64; 5] {
    x.sort_unstable_by(f64::total_cmp);
    SHARES.map(|share| x.get((x.len().saturating_sub(1) as f64 * share).round() as usize).copied().unwrap_or(f64::NAN))
}

impl SplatInfoArgs {
    /// Reads the scene and prints what is in it.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        if Capture::is_at(&self.scene) {
            return capture_info::tell(&self.scene, self.json, out);
        }
        let (splats, about) = open(&self.scene, self.strict)?;
        let degree = splats.degree().unwrap_or_default();
        let extent = SceneExtent::of(&splats)?;
        let [opacities, scales] = [
            quantiles(splats.logits.sigmoid()?.to_f64_vec()?),
            quantiles(splats.log_scales.mean(&[1], false)?.exp()?.to_f64_vec()?),
        ];
        let held: usize = [&splats.means, &splats.rotations, &splats.log_scales, &splats.logits, &splats.harmonics]
            .map(|t: &Tensor| t.len() * t.dtype().size())
            .iter()
            .sum();
        if self.json {
            let finite = |x: [f64; 5]| x.map(|x| x.is_finite().then_some(x));
            let object = json!({
                "format": about.format,
                "splats": splats.len(),
                "degree": degree,
                "dropped": about.dropped,
                "antialiased": about.antialiased,
                "frame": about.frame.name(),
                "notes": about.notes,
                "box": extent.as_ref().map(|e| [e.least, e.greatest]),
                "center": extent.as_ref().map(|e| e.center),
                "radius": extent.as_ref().map(|e| e.radius),
                "opacity": finite(opacities),
                "scale": finite(scales),
                "bytes": held,
                "comments": about.comments,
            });
            return report::print_json(&object, out);
        }
        let colour = report::coloured();
        writeln!(out, "{}", report::bold(&report::path(&self.scene), colour))?;
        let drawn = if about.antialiased { ", to be drawn antialiased" } else { "" };
        let splats_told = counted(splats.len());
        writeln!(out, "  {}, {splats_told}, harmonics of degree {degree}{drawn}, {} in memory", about.format, bytes(held as u64))?;
        writeln!(out, "  axes {}: {}", about.frame.name(), about.frame.words())?;
        if about.dropped > 0 {
            let first = about.first_dropped.unwrap_or_default();
            writeln!(out, "  {} cannot be drawn, number {first} first", counted(about.dropped))?;
        }
        let Some(extent) = extent else { return Ok(()) };
        let place = |x: [f64; 3]| x.map(number).join(", ");
        writeln!(out, "  box from ({}) to ({})", place(extent.least), place(extent.greatest))?;
        writeln!(out, "  nine of ten within {} of ({})", number(extent.radius), place(extent.center))?;
        let mut table = Table::new(&["", "least", "10 %", "median", "90 %", "most"]);
        for (name, numbers) in [("opacity", opacities), ("scale", scales)] {
            table.row([name.to_owned()].into_iter().chain(numbers.map(number)).collect());
        }
        write!(out, "\n{}", table.render(colour))?;
        for comment in &about.comments {
            writeln!(out, "  comment: {}", printable(comment))?;
        }
        Ok(())
    }
}
