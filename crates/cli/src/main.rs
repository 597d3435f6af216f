//! The `monotile` command: one subcommand a file, data on standard output, everything else on standard error.
//!
//! It exits with 0, with 1 after a failure, which it tells in one sentence, and with 2 where the command line was wrong.
#![forbid(unsafe_code)]

mod command_error;
mod commands;
mod machine;
mod measure;
mod numbers;
mod page;
mod picture;
mod plot;
mod progress;
mod report;
mod spaces;
mod stop;
#[cfg(feature = "view")]
mod viewer;

use std::io::{BufWriter, Write, stdout};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use command_error::CommandError;
#[cfg(feature = "view")]
use commands::view;
use commands::{bench, devices, einsum, explain, factor, generate, info, lora, nerf, render, splat, tour, train};
use monotile::text::printable;
use monotile_kernels::process::{self, CountingAllocator};

/// Chat templates are programs of strangers; what they take is counted, so that it can be bounded.
#[global_allocator]
static MEMORY: CountingAllocator = CountingAllocator;

/// Linear algebra for machine learning and graphics: run it, train with it, measure it.
#[derive(Parser)]
#[command(
    version,
    arg_required_else_help = true,
    after_help = "\
Examples:
  monotile tour                                              see what it does, in a minute, in tour/index.html
  monotile einsum \"ij,jk,kl->il\" a.npy b.npy c.npy -o d.npy   contract tensors in the cheapest order
  monotile factor svd a.npy -o out.npz --plot spectrum.svg   decompose a matrix, and see its spectrum
  monotile generate --model DIR --prompt \"ROMEO:\" --seed 1   continue a text with a LLaMA, Mistral or Qwen2 checkpoint
  monotile lora train --model DIR --data text.txt --rank 8 --out ADAPTER_DIR
  monotile train --data text.txt --out DIR                   a small LLaMA from scratch
  monotile info --model DIR                                  what a checkpoint holds and what it costs to run
  monotile devices                                           where to compute: the processor, and graphics processors
  monotile render Fox.glb -o fox.png                         a picture of a 3D model; animations as .gif or .apng
  monotile splat render scene.ply --orbit -o scene.gif       once around a scene of Gaussian splats
  monotile splat view scene.ply --html scene.html            a page to orbit it in; without --html a window
  monotile nerf train lego -o field --minutes 5              a radiance field from pictures with known cameras
  monotile info Fox.glb                                      what a 3D model holds
  monotile explain Fox.glb --vertex 1234 -o vertex.svg       one vertex on its way from the mesh to a pixel

`monotile COMMAND --help` says more, with examples."
)]
struct Cli {
    /// Take more (or less) of what a file asks for: `json=1Gi`, `texels=500M`; SECURITY.md lists the limits
    #[arg(long, global = true, value_name = "NAME=VALUE", value_parser = limit, help_heading = "Limits")]
    limit: Vec<()>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Einsum(einsum::EinsumArgs),
    Factor(factor::FactorArgs),
    Generate(generate::GenerateArgs),
    Train(train::TrainArgs),
    Lora(lora::LoraArgs),
    Info(info::InfoArgs),
    Devices(devices::DevicesArgs),
    Render(Box<render::RenderArgs>),
    Splat(splat::SplatArgs),
    Nerf(nerf::NerfArgs),
    Explain(explain::ExplainArgs),
    Bench(bench::BenchArgs),
    Tour(tour::TourArgs),
    #[cfg(feature = "view")]
    View(view::ViewArgs),
}

impl Command {
    fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        match self {
            Self::Einsum(command) => command.run(out),
            Self::Factor(command) => command.run(out),
            Self::Generate(command) => command.run(out),
            Self::Train(command) => command.run(out),
            Self::Lora(command) => command.run(out),
            Self::Info(command) => command.run(out),
            Self::Devices(command) => command.run(out),
            Self::Render(command) => command.run(out),
            Self::Splat(command) => command.run(out),
            Self::Nerf(command) => command.run(out),
            Self::Explain(command) => command.run(out),
            Self::Bench(command) => command.run(out),
            Self::Tour(command) => command.run(out),
            #[cfg(feature = "view")]
            Self::View(command) => command.run(),
        }
    }
}

/// Sets a limit while the command line is read.
fn limit(setting: &str) -> Result<(), String> {
    monotile::limits::set(setting).map_err(|error| error.to_string())
}

/// A panic in a picture's decoder refuses the picture, in a sentence of its own.
fn silence_decoders() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !monotile_scene::in_decoder() && !monotile_radiance::in_picture_decoder() {
            report(panic);
        }
    }));
}

/// Ends as clap does. Refusals quote the command line, and names of files in it may hold anything.
fn refuse(refusal: &clap::Error) -> ! {
    let shown = std::env::args_os().map(|word| printable(&word.to_string_lossy()).to_string());
    match Cli::try_parse_from(shown) {
        Err(same) if refusal.use_stderr() => same.exit(),
        _ => refusal.exit(),
    }
}

fn main() -> ExitCode {
    // Before anything asks for memory: reading the command line does.
    process::exit_without_memory();
    process::exit_on_bus_error();
    process::ignore_size_signal();
    let cli = Cli::try_parse().unwrap_or_else(|refusal| refuse(&refusal));
    silence_decoders();
    let mut out = BufWriter::new(stdout().lock());
    let ended = machine::check_threads()
        .and_then(|()| machine::check_params())
        .and_then(|()| cli.command.run(&mut out))
        .and_then(|()| Ok(out.flush()?));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let status = failure.report();
            #[cfg(feature = "gpu")]
            if monotile_scene::gpu::is_left_at_work() {
                let _ = out.flush();
                process::exit_at_once(1);
            }
            status
        }
    }
}
