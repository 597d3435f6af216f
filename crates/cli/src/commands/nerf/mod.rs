//! `monotile nerf`: radiance fields.

mod judged;
mod render;
mod train;

use std::io::Write;

use clap::{Args, Subcommand, ValueEnum};
use monotile_radiance::CaptureSplit;

use crate::command_error::CommandError;

/// Learns radiance fields from pictures with known cameras, and draws them.
#[derive(Args)]
pub struct NerfArgs {
    #[command(subcommand)]
    command: NerfCommand,
}

#[derive(Subcommand)]
enum NerfCommand {
    Train(Box<train::NerfTrainArgs>),
    Render(render::NerfRenderArgs),
}

impl NerfArgs {
    /// Runs the subcommand.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        match &self.command {
            NerfCommand::Train(command) => command.run(out),
            NerfCommand::Render(command) => command.run(out),
        }
    }
}

/// Views of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ViewSplit {
    /// Those that are learned from
    Train,
    /// Those looked at meanwhile
    Validation,
    /// Those held out
    Test,
}

impl From<ViewSplit> for CaptureSplit {
    fn from(split: ViewSplit) -> Self {
        match split {
            ViewSplit::Train => Self::Train,
            ViewSplit::Validation => Self::Validation,
            ViewSplit::Test => Self::Test,
        }
    }
}

/// A colour behind a field.
fn color(text: &str) -> Result<[f64; 3], String> {
    let named = match text {
        "black" => Some(0),
        "white" => Some(0x00ff_ffff),
        _ => {
            text.strip_prefix('#').filter(|hex| hex.len() == 6 && hex.is_ascii()).and_then(|hex| u32::from_str_radix(hex, 16).ok())
        }
    };
    let number = named.ok_or_else(|| format!("{text:?} is no background; it is black, white, or a colour like #f4f0e8"))?;
    Ok([16, 8, 0].map(|shift| f64::from(number >> shift & 0xff) / 255.0))
}
