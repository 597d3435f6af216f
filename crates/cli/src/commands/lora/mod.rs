//! `monotile lora`: low-rank adapters of a checkpoint.

use std::io::Write;

use clap::{Args, Subcommand};

use crate::command_error::CommandError;

mod adapters;
mod diff;
mod extract;
mod init;
mod inspect;
mod layers;
mod merge;
mod output;
mod rank;
mod resize;
mod spectra;
mod train;
mod verify;

/// Trains low-rank adapters (LoRA), as PEFT reads and writes them, and takes them apart.
#[derive(Args)]
pub struct LoraArgs {
    #[command(subcommand)]
    command: LoraCommand,
}

#[derive(Subcommand)]
enum LoraCommand {
    Train(Box<train::LoraTrainArgs>),
    Init(init::LoraInitArgs),
    Resize(resize::LoraResizeArgs),
    Inspect(inspect::LoraInspectArgs),
    Diff(diff::LoraDiffArgs),
    Merge(merge::LoraMergeArgs),
    Verify(verify::LoraVerifyArgs),
    Extract(Box<extract::LoraExtractArgs>),
}

impl LoraArgs {
    /// Runs the subcommand.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        match &self.command {
            LoraCommand::Train(command) => command.run(out),
            LoraCommand::Init(command) => command.run(out),
            LoraCommand::Resize(command) => command.run(out),
            LoraCommand::Inspect(command) => command.run(out),
            LoraCommand::Diff(command) => command.run(out),
            LoraCommand::Merge(command) => command.run(out),
            LoraCommand::Verify(command) => command.run(out),
            LoraCommand::Extract(command) => command.run(out),
        }
    }
}
