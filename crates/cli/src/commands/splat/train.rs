//! `monotile splat train`: a scene of splats from pictures with known cameras.

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use monotile::ErrorKind;
use monotile::io::write_atomic;
use monotile::text::printable;
use monotile_adapters::staged::Lock;
use monotile_radiance::train::{
    AppearanceTraining, Densify, InitialSplats, LOG, Mcmc, PoseTraining, SplatEvaluation, SplatProgress, SplatRun, SplatStrategy,
    SplatTrainOptions, SplatTrainPlan, SplatTrainer, TrainBackground,
};
use monotile_radiance::{Capture, CaptureOptions, ProjectOptions, SplatFormat, SplatWriteOptions, UpAxis};

use super::counted;
use super::data::open_data;
use crate::command_error::CommandError;
use crate::commands::devices::DeviceArgs;
use crate::machine;
use crate::numbers;
use crate::picture::{picture_of, strip};
use crate::plot::{Plot, PlotAxis, Series, SeriesStyle};
use crate::progress::{Progress, say};
use crate::report::{self, bytes, duration};
use crate::stop;

/// Learns a scene of Gaussian splats from pictures with known cameras, on the processor or on a GPU.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile splat train lego -o lego.ply                          as many steps as it takes to look good
  monotile splat train lego -o lego.ply --minutes 2              as good as it gets in two minutes
  monotile splat train photos -o room.ply --poses refine --appearance affine
  monotile splat train lego -o lego.ply --resume                 go on after Ctrl-C or a kill
  monotile splat train lego -o lego.ply --device gpu             on an adapter, where the scene stays while it learns

DATA is a folder as NeRF's Blender scenes, nerfstudio or COLMAP have it, or a 3D model, which is then drawn from all around. Its world is rotated so that what is up on
most pictures is up in viewers, which take y of such a file to point down; cameras.json is of that world.

Beside scene.ply the folder scene.run has log.csv, curve.svg, cameras.json, pictures beside their truth, and what --resume needs. With --steps
the same command gives the same bytes on any number of threads, also after a kill; with --minutes a run depends on the machine's speed.")]
pub struct SplatTrainArgs {
    /// Pictures with cameras
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// The scene: .ply, or another file of splats
    #[arg(short, long, value_name = "FILE", default_value = "scene.ply")]
    out: PathBuf,
    /// How splats are born and removed
    #[arg(long, value_enum, default_value_t = Strategy::Mcmc)]
    strategy: Strategy,
    /// The most splats [default: one for each pixel of the largest picture, from 20000 to 300000, as far as memory allows]
    #[arg(long, value_name = "N")]
    max_splats: Option<usize>,
    /// The most memory in MiB [default: what the machine has]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..1 << 40))]
    memory: Option<u64>,
    /// Steps, of a view each
    #[arg(long, value_name = "N", conflicts_with = "minutes")]
    steps: Option<usize>,
    /// How long to train, in the place of a number of steps
    #[arg(long, value_name = "M", value_parser = numbers::positive::<f64>)]
    minutes: Option<f64>,
    /// Whether the cameras' poses are learned, too
    #[arg(long, value_enum, default_value_t = Poses::Fixed)]
    poses: Poses,
    /// Whether views may differ in their colours
    #[arg(long, value_enum, default_value_t = Appearance::None)]
    appearance: Appearance,
    /// What is behind pictures that are transparent somewhere
    #[arg(long, value_enum, default_value_t = Background::Random)]
    background: Background,
    /// The degree of the colours' dependence on direction
    #[arg(long, value_name = "N", default_value_t = 3)]
    degree: usize,
    /// Scale pictures down to this many pixels on their longer side
    #[arg(long, value_name = "PIXELS")]
    longest_side: Option<usize>,
    /// The seed of everything random
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    device: DeviceArgs,
    /// Go on with the run of this scene, from its last save
    #[arg(long)]
    resume: bool,
    /// Steps between evaluations on the views that are held out; 0 for the last one alone
    #[arg(long, value_name = "N", default_value_t = 1000)]
    eval_every: u64,
    /// Steps between saves; 0 for the last one alone
    #[arg(long, value_name = "N", default_value_t = 2000)]
    save_every: u64,
}

/// The most splats that a run begins with, where a capture has no points.
const MOST_INITIAL: usize = 100_000;
/// The most splats of a run that names no number.
const MOST_BY_DEFAULT: usize = 300_000;

/// How splats are born and removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Strategy {
    /// Within a budget, faint splats move to where others are
    Mcmc,
    /// Splats that pictures pull at are doubled or split
    Densify,
}

/// Whether poses are learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Poses {
    /// As they are given
    Fixed,
    /// Moved, with the mean of all held
    Refine,
}

/// Whether views differ in their colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Appearance {
    /// They do not
    None,
    /// Each has an affine map of colours
    Affine,
}

/// What is behind transparent pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Background {
    /// Black in training and evaluation
    Black,
    /// White in training and evaluation
    White,
    /// Another colour each step, and black in evaluation
    Random,
}

impl SplatTrainArgs {
    /// Reads the capture, trains, writes.
    pub fn run(&self, _out: &mut dyn Write) -> Result<(), CommandError> {
        if SplatFormat::of_name(&self.out).is_none() {
            let endings = SplatFormat::ALL.map(SplatFormat::ending).join(", ");
            return Err(CommandError::Usage(format!("splat train: -o names a file that ends in {endings}")));
        }
        let device = self.device.open()?;
        let options = CaptureOptions { longest_side: self.longest_side, ..CaptureOptions::default() };
        // Files of splats have y down, and viewers take them so.
        let capture = open_data(&self.data, &options)?.with_up(UpAxis::MinusY);
        capture.notes.iter().for_each(|note| say(&format!("note      {note}")));
        let options = self.options(&capture)?;
        let plan = SplatTrainPlan::new(&capture, &options);
        let mut trainer = SplatTrainer::new(&capture, options)?.to(&device)?;
        let lock = Lock::within(&self.folder())?;
        let [views, held_out] = trainer.view_counts();
        say(&format!("views     {views} to learn from, {held_out} held out"));
        say(&format!(
            "splats    {} at first, {} at most",
            report::count(trainer.splat_count() as u64),
            report::count(plan.splats as u64)
        ));
        let there = if device.is_cpu() { String::new() } else { format!(" on {}", printable(device.name())) };
        say(&format!("memory    about {}{there} with all of them, {} of it pictures", bytes(plan.memory()), bytes(plan.pictures)));
        let found = self.train(&mut trainer);
        drop(lock);
        let done = found?;
        if !done {
            let sentence = format!("stopped after {} steps; all of them are saved", report::count(trainer.steps_done()));
            return Err(CommandError::new(sentence).hint("the same command with --resume goes on from there"));
        }
        say(&format!("{}: {}", report::path(&self.out), counted(trainer.splat_count())));
        Ok(())
    }

    /// The numbers of the run, as the library takes them.
    fn options(&self, capture: &Capture) -> Result<SplatTrainOptions, CommandError> {
        let default = SplatTrainOptions::default();
        let memory = self.memory.map(|mib| mib << 20).or_else(machine::memory);
        let pixels = capture.views.iter().map(|view| view.width.saturating_mul(view.height)).max().unwrap_or(0);
        let max_splats = self.max_splats.unwrap_or(pixels.clamp(default.max_splats, MOST_BY_DEFAULT));
        let mut options = SplatTrainOptions {
            steps: self.steps.unwrap_or(default.steps),
            max_splats,
            initial: InitialSplats { count: max_splats.min(MOST_INITIAL), ..default.initial.clone() },
            // The other formats do not say that splats are drawn sharper.
            project: if self.says_mip() { ProjectOptions::mip() } else { ProjectOptions::default() },
            memory,
            strategy: match self.strategy {
                Strategy::Mcmc => SplatStrategy::Mcmc(Mcmc::default()),
                Strategy::Densify => SplatStrategy::Densify(Densify::default()),
            },
            degree: self.degree,
            background: match self.background {
                Background::Black => TrainBackground::Black,
                Background::White => TrainBackground::White,
                Background::Random => TrainBackground::Random,
            },
            poses: if self.poses == Poses::Refine { PoseTraining::Refine } else { PoseTraining::Fixed },
            appearance: if self.appearance == Appearance::Affine { AppearanceTraining::Affine } else { AppearanceTraining::None },
            seed: self.seed,
            ..default
        };
        options.check()?;
        if let (None, Some(memory)) = (self.max_splats, memory) {
            let fits = SplatTrainPlan::new(capture, &options).splats_within(memory);
            options.max_splats = options.max_splats.min(fits.max(8));
        }
        Ok(options)
    }

    /// Whether the scene's file can say how sharp its splats are drawn.
    fn says_mip(&self) -> bool {
        matches!(SplatFormat::of_name(&self.out), Some(SplatFormat::Ply | SplatFormat::CompressedPly))
    }

    /// The folder beside the scene.
    fn folder(&self) -> PathBuf {
        self.out.with_extension("run")
    }

    fn train(&self, trainer: &mut SplatTrainer) -> Result<bool, CommandError> {
        stop::listen();
        let folder = self.folder();
        let (out, cameras) = (&self.out, folder.join("cameras.json"));
        let mut write = |trainer: &mut SplatTrainer| {
            let options = SplatWriteOptions::from_project(&trainer.options().project);
            trainer.splats()?.write_as(out, &options)?;
            trainer.write_cameras(&cameras)
        };
        let mut run = SplatRun {
            folder: folder.clone(),
            duration: self.minutes.map(|minutes| Duration::from_secs_f64(60.0 * minutes)),
            evaluate_every: self.eval_every,
            save_every: self.save_every,
            resume: self.resume,
            write: &mut write,
        };
        let total = trainer.options().steps as u64;
        // A thousand parts of the time, where there is no number of steps.
        let mut shown =
            Shown { progress: Progress::new("training", if self.minutes.is_some() { 1000 } else { total }), ..Shown::default() };
        let by_time = self.minutes.is_some();
        let mut refused = None;
        let found = trainer.run(&mut run, &mut |trainer, event| {
            shown.event(event, by_time);
            if let SplatProgress::Evaluated(step, _) = event
                && let Err(error) = pictures(trainer, &folder, step)
            {
                refused = Some(error);
                return ControlFlow::Break(());
            }
            if stop::is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        shown.progress.finish();
        if let Some(error) = refused {
            return Err(error.into());
        }
        let done = found.map_err(|e| self.explain(e))?;
        let curve = curve(&folder.join(LOG))?.svg();
        write_atomic(&folder.join("curve.svg"), |file| file.write_all(curve.as_bytes()))?;
        Ok(done)
    }

    fn explain(&self, error: monotile::Error) -> CommandError {
        let begun = self.folder().join(monotile_radiance::train::STATE).exists();
        match (begun, self.resume, error.kind()) {
            (true, false, ErrorKind::Value) => CommandError::from(error).hint("--resume goes on with the run of that scene"),
            (true, true, ErrorKind::Value) => {
                CommandError::from(error).hint("--resume wants the same options and pictures as the run began with")
            }
            _ => CommandError::from(error),
        }
    }
}

/// What is shown while a run goes on.
struct Shown {
    progress: Progress,
    begun: Instant,
    /// The first step of this run, and the part that was over then.
    first: Option<(u64, f64)>,
    loss: f64,
    found: Option<SplatEvaluation>,
}

impl Default for Shown {
    fn default() -> Self {
        Self { progress: Progress::new("training", 1), begun: Instant::now(), first: None, loss: f64::NAN, found: None }
    }
}

impl Shown {
    fn event(&mut self, event: SplatProgress, by_time: bool) {
        match event {
            SplatProgress::Resumed(step) => {
                self.progress.note(&format!("going on after step {step}"));
                if !by_time {
                    self.progress.resume_at(step);
                }
            }
            SplatProgress::Step(step, share) => {
                let (first, from) = *self.first.get_or_insert((step.number - 1, if by_time { 0.0 } else { share }));
                // A view's loss differs from the next one's: a mean that forgets.
                for _ in 0..step.measured {
                    self.loss = if self.loss.is_nan() { step.loss.total } else { 0.98 * self.loss + 0.02 * step.loss.total };
                }
                let spent = self.begun.elapsed().as_secs_f64();
                let speed = (step.number - first) as f64 / spent.max(1e-9);
                let psnr = self.found.map_or(String::new(), |found| format!("  PSNR {:.2}", found.psnr));
                let left = match std::io::stderr().is_terminal() || share <= from || share >= 1.0 {
                    true => String::new(),
                    false => format!("  {} left", duration(spent * (1.0 - share) / (share - from))),
                };
                let message = format!("loss {:.4}{psnr}  {}  {speed:.0} steps/s{left}", self.loss, counted(step.splats));
                self.progress.at(if by_time { (1000.0 * share) as u64 } else { step.number }, &message);
            }
            SplatProgress::Evaluated(step, found) => {
                let refined = found.refined_psnr.map_or(String::new(), |x| format!(", {x:.2} dB with their poses refined"));
                let SplatEvaluation { views, psnr, ssim, .. } = found;
                let held_out = format!("{views} {}", if views == 1 { "view" } else { "views" });
                self.progress.note(&format!("step {step}: {held_out} held out, PSNR {psnr:.2} dB, SSIM {ssim:.4}{refined}"));
                self.found = Some(found);
            }
            SplatProgress::Saved(_) => {}
        }
    }
}

/// Writes a view that is held out beside what the scene shows of it.
fn pictures(trainer: &mut SplatTrainer, folder: &Path, step: u64) -> monotile::Result<()> {
    let Some(seen) = trainer.picture(0)? else { return Ok(()) };
    let both = strip(&[picture_of(&seen.found)?, picture_of(&seen.truth)?]);
    let folder = folder.join("pictures");
    std::fs::create_dir_all(&folder).map_err(|e| monotile::Error::io("writing", &folder, &e))?;
    let name: String = seen.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    write_atomic(&folder.join(format!("{step:06}-{name}.png")), |file| both.write_png(file, None))
}

/// The PSNR of the views held out by step, or the loss where there are none.
fn curve(log: &Path) -> monotile::Result<Plot> {
    let text = std::fs::read_to_string(log).map_err(|e| monotile::Error::io("reading", log, &e))?;
    let column = |number: usize| {
        let point = |line: &str| {
            let cells: Vec<&str> = line.split(',').collect();
            Some((cells.first()?.parse().ok()?, cells.get(number)?.parse().ok()?))
        };
        text.lines().skip(1).filter_map(point).collect::<Vec<(f64, f64)>>()
    };
    let (losses, psnr) = (column(2), column(6));
    let series = |name: &str, points, stroke| Series { name: name.to_owned(), points, stroke, colour: 0 };
    let (title, y, all) = match psnr.is_empty() {
        true => ("Loss", PlotAxis::log10("loss"), series("training", losses, SeriesStyle::Line)),
        false => ("Views held out", PlotAxis::linear("PSNR, dB"), series("held out", psnr, SeriesStyle::Marked)),
    };
    Ok(Plot { title: title.to_owned(), x: PlotAxis::linear("step"), y, series: vec![all] })
}
