//! `monotile splat convert`: a file of splats in another format.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use monotile_radiance::{AxisFrame, ProjectOptions, SplatFormat, SplatWriteOptions, Splats};

use super::{counted, open};
use crate::command_error::CommandError;
use crate::progress::say;
use crate::report::{self, bytes};

/// Writes a scene of Gaussian splats in another format, and says what is lost.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile splat convert scene.ply scene.spz                    a tenth of the bytes
  monotile splat convert scene.ply scene.spz --spz-version 4    as new viewers read it
  monotile splat convert scene.ply scene.glb                    glTF, with KHR_gaussian_splatting
  monotile splat convert scene.sog scene.ply --degree 0         without harmonics above degree 0
  monotile splat convert scene.spz scene.ply --frame rdf        an SPZ that has the axes of PLY

Formats are told by names: .ply, .compressed.ply, .splat, .spz, .sog, .glb, .gltf. The y of PLY, .splat and SOG points down, that of SPZ and glTF up: the scene is
rotated, and its harmonics with it.")]
pub struct SplatConvertArgs {
    /// The scene
    #[arg(value_name = "FROM")]
    from: PathBuf,
    /// The file to write
    #[arg(value_name = "TO")]
    to: PathBuf,
    /// Leave out harmonics above this degree
    #[arg(long, value_name = "DEGREE", value_parser = clap::value_parser!(u8).range(0..=3))]
    degree: Option<u8>,
    /// Version of an SPZ: 3 is packed by gzip, 4 by Zstandard
    #[arg(long, value_name = "3|4", default_value_t = 3, value_parser = clap::value_parser!(u32).range(3..=4))]
    spz_version: u32,
    /// Bits of harmonics in an SPZ, of degree 1 and of those above; 8 keeps most and takes most
    #[arg(long, value_name = "BITS", num_args = 2, default_values_t = [5, 4], value_parser = clap::value_parser!(u32).range(1..=8))]
    spz_bits: Vec<u32>,
    /// The axes of FROM, if they are not those of its format
    #[arg(long, value_name = "AXES")]
    frame: Option<FrameChoice>,
    /// Refuse a scene with splats that cannot be drawn
    #[arg(long)]
    strict: bool,
}

/// Axes of a file.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum FrameChoice {
    /// x right, y down, z forward
    Rdf,
    /// x right, y up, z backward
    Rub,
}

impl From<FrameChoice> for AxisFrame {
    fn from(choice: FrameChoice) -> Self {
        match choice {
            FrameChoice::Rdf => Self::Rdf,
            FrameChoice::Rub => Self::Rub,
        }
    }
}

impl SplatConvertArgs {
    /// Reads, writes, and says what was lost.
    pub fn run(&self) -> Result<(), CommandError> {
        let Some(format) = SplatFormat::of_name(&self.to) else {
            let endings = SplatFormat::ALL.map(SplatFormat::ending).join(", ");
            let words = format!("splat convert: {} ends in no format's name; those are {endings}", report::path(&self.to));
            return Err(CommandError::Usage(words));
        };
        let (splats, about) = open(&self.from, self.strict)?;
        let held = splats.degree().unwrap_or_default();
        let most = if format == SplatFormat::Splat { 0 } else { held };
        let degree = self.degree.map_or(most, |degree| most.min(usize::from(degree)));
        let coefficients = (degree + 1) * (degree + 1);
        let splats = Splats { harmonics: splats.harmonics.slice(1, ..coefficients)?, ..splats };
        let options = SplatWriteOptions {
            frame: self.frame.map_or(about.frame, AxisFrame::from),
            antialiased: about.antialiased,
            comments: about.comments.clone(),
            spz_version: self.spz_version,
            spz_bits: [self.spz_bits[0], self.spz_bits[1]],
        };
        splats.write_as(&self.to, &options)?;
        let size = |path: &PathBuf| std::fs::metadata(path).map(|about| bytes(about.len())).unwrap_or_default();
        let to = report::path(&self.to);
        say(&format!(
            "{to}: {}, harmonics of degree {degree}, {} after {}",
            counted(splats.len()),
            size(&self.to),
            size(&self.from)
        ));
        if degree < held {
            say(&format!("lost: harmonics above degree {degree}"));
        }
        if about.antialiased
            && !matches!(format, SplatFormat::Ply | SplatFormat::CompressedPly | SplatFormat::Spz | SplatFormat::Sog)
        {
            say("lost: that splats are to be drawn antialiased, which the format cannot say");
        }
        let default = ProjectOptions::default();
        if about.project().blur != default.blur && !matches!(format, SplatFormat::Ply | SplatFormat::CompressedPly) {
            let blur = default.blur;
            say(&format!("lost: how sharp splats are drawn; the format means a blur of {blur} square pixels"));
        }
        if let Some(rounding) = format.rounding() {
            say(&format!("lost: {rounding}"));
        }
        Ok(())
    }
}
