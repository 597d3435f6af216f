//! The `monotile` command: one subcommand a file, data on standard output, everything else on standard error.
//!
//! It exits with 0, with 1 after a failure, which it tells in one sentence, and with 2 where the command line was wrong.
#![forbid(unsafe_code)]

#[allow(dead_code, reason = "the commands that use the rest are being added")]
mod commands;
#[allow(dead_code, reason = "the commands that use the rest are being added")]
mod failure;
#[allow(dead_code, reason = "the commands that use the rest are being added")]
mod measure;
#[allow(dead_code, reason = "the commands that use the rest are being added")]
mod output;
#[allow(dead_code, reason = "the commands that use the rest are being added")]
mod page;
#[allow(dead_code, reason = "the commands that use the rest are being added")]
mod plot;
#[allow(dead_code, reason = "the commands that use the rest are being added")]
mod progress;
#[allow(dead_code, reason = "the commands that use the rest are being added")]
mod report;

use std::io::{BufWriter, Write, stdout};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use commands::{bench, info};
use failure::Failure;

/// Linear algebra for machine learning and graphics: run it, train with it, measure it.
#[derive(Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = "\
Examples:
  monotile info --model DIR    what a checkpoint holds and what it costs to run
  monotile bench gemm          time matrix products

`monotile COMMAND --help` says more, with examples."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Info(info::Info),
    Bench(bench::Bench),
}

impl Command {
    fn run(&self, out: &mut dyn Write) -> Result<(), Failure> {
        match self {
            Self::Info(command) => command.run(out),
            Self::Bench(command) => command.run(out),
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let mut out = BufWriter::new(stdout().lock());
    let ended = cli.command.run(&mut out).and_then(|()| Ok(out.flush()?));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
