//! `monotile lora`: low-rank adapters of a checkpoint.

use std::io::Write;

use clap::{Args, Subcommand};

use crate::failure::Failure;

mod applied;
mod diff;
mod extract;
mod init;
mod inspect;
mod keep;
mod layers;
mod merge;
mod output;
mod resize;
mod spectra;
mod train;
mod verify;

/// Trains low-rank adapters (LoRA), as PEFT reads and writes them, and takes them apart.
#[derive(Args)]
pub struct Lora {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(Box<train::Train>),
    Init(init::Init),
    Resize(resize::Resize),
    Inspect(inspect::Inspect),
    Diff(diff::Diff),
    Merge(merge::Merge),
    Verify(verify::Verify),
    Extract(Box<extract::Extract>),
}

impl Lora {
    /// Runs the subcommand.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        match &self.command {
            Command::Train(command) => command.run(out),
            Command::Init(command) => command.run(out),
            Command::Resize(command) => command.run(out),
            Command::Inspect(command) => command.run(out),
            Command::Diff(command) => command.run(out),
            Command::Merge(command) => command.run(out),
            Command::Verify(command) => command.run(out),
            Command::Extract(command) => command.run(out),
        }
    }
}
