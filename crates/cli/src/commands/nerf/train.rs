//! `monotile nerf train`: a field from pictures.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, ValueEnum};
use monotile::io::{check_own, read_regular, write_atomic};
use monotile::limits;
use monotile_adapters::staged::Lock;
use monotile_radiance::{
    Capture, CaptureOptions, CaptureSplit, FieldBackground, FieldKind, FieldObjective, FieldOptions, FieldPoses, FieldTrainOptions,
    FieldTrainer, FieldView,
};

use super::judged::judge;
use crate::command_error::CommandError;
use crate::commands::splat::open_data;
use crate::numbers;
use crate::plot::{Plot, PlotAxis, Series, SeriesStyle};
use crate::progress::{Progress, say};
use crate::report::{self, count};
use crate::stop;

/// Learns a radiance field from pictures whose cameras are known.
#[derive(Args)]
#[command(after_help = "\
Examples:
  monotile nerf train lego -o field --minutes 5
  monotile nerf train lego -o field --steps 3000 --seed 7
  monotile nerf train lego -o field --steps 3000 --seed 7 --resume
  monotile nerf train lego -o field --field tensorf --background white
  monotile nerf train lego -o field --poses refine                     cameras that are nearly right

DATA is a folder of a capture: NeRF's Blender scenes, nerfstudio's transforms.json and others. The folder OUT holds the field
(field.json, field.safetensors), log.csv (a line a step), curve.svg, pictures of held-out views beside their truth in views/, refined
cameras in cameras.json, and what --resume needs. With --steps, a run that was stopped and resumed ends with the same bytes.")]
pub struct NerfTrainArgs {
    /// A folder of pictures and their cameras
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// Folder for the field and the run's files
    #[arg(short, long, value_name = "DIR")]
    out: PathBuf,
    /// How the field is held
    #[arg(long, value_enum, default_value_t = NerfField::Hash)]
    field: NerfField,
    /// Steps to make [default: 3000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "minutes")]
    steps: Option<u64>,
    /// Minutes to learn for, in the place of --steps
    #[arg(long, value_name = "M", value_parser = numbers::positive::<f64>)]
    minutes: Option<f64>,
    /// Go on with the run in that folder, from its last save
    #[arg(long)]
    resume: bool,
    /// What is behind transparent pictures while they are learned; they are measured on white, or on that colour
    #[arg(long, value_name = "WHAT", default_value = "random", value_parser = background)]
    background: FieldBackground,
    /// What a step makes smaller
    #[arg(long, value_enum, default_value_t = NerfLoss::Mse)]
    loss: NerfLoss,
    /// Whether cameras are learned with the field
    #[arg(long, value_enum, default_value_t = NerfPoses::Fixed)]
    poses: NerfPoses,
    /// Samples of a step
    #[arg(long, value_name = "N", default_value_t = FieldTrainOptions::default().samples)]
    samples: usize,
    /// The learning rate of the first step
    #[arg(long, value_name = "RATE", value_parser = numbers::positive::<f64>)]
    lr: Option<f64>,
    /// The most pixels of a picture's longer side; larger ones are scaled down
    #[arg(long, value_name = "N")]
    longest_side: Option<usize>,
    /// Steps between measurements on held-out views [default: a sixth of the run]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    eval_every: Option<u64>,
    /// Steps between saves
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..))]
    save_every: u64,
    /// The seed of everything random
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// How a field is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NerfField {
    /// A hash grid and two small networks
    Hash,
    /// A deep network of sines and cosines: slow
    Frequency,
    /// Planes times lines
    Tensorf,
}

/// What a step makes smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NerfLoss {
    /// The mean square of the difference
    Mse,
    /// Large differences count less
    Huber,
}

/// Whether cameras are learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum NerfPoses {
    /// They are right
    Fixed,
    /// Each is rotated and moved with the field; held-out ones stay
    Refine,
}

fn background(text: &str) -> Result<FieldBackground, String> {
    match text {
        "random" => Ok(FieldBackground::Random),
        _ => super::color(text).map(FieldBackground::Color).map_err(|words| format!("{words}; or random")),
    }
}

/// The files of a run in its folder.
const STATE: &str = "training.safetensors";
const LOG: &str = "log.csv";
const CURVE: &str = "curve.svg";
const VIEWS: &str = "views";
/// Cameras that were refined.
const CAMERAS: &str = "cameras.json";
/// The first line of the log.
const HEADER: &str = "step,seconds,loss,psnr,rays,samples,held_out_psnr";
/// Held-out views that are measured, and drawn, while a field is learned.
const WATCHED: usize = 2;
/// Steps of a run that is told neither steps nor minutes.
const STEPS: u64 = 3000;

impl NerfTrainArgs {
    /// Reads the pictures, learns, and writes the field.
    pub fn run(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        let state = self.out.join(STATE);
        check_own(&state)?;
        if !self.resume && (state.exists() || self.out.join("field.json").exists()) {
            let words = format!("{}: a field is here; --resume goes on with it, or name another folder", report::path(&self.out));
            return Err(CommandError::new(words));
        }
        let options = CaptureOptions { longest_side: self.longest_side, ..CaptureOptions::default() };
        let capture = open_data(&self.data, &options)?;
        capture.notes.iter().for_each(|note| say(&format!("warning: {}: {note}", report::path(&self.data))));
        let views = |split| capture.of(split).map(FieldView::from_capture).collect::<monotile::Result<Vec<_>>>();
        let learned = views(CaptureSplit::Train)?;
        let mut held_out = views(CaptureSplit::Test)?;
        if held_out.is_empty() {
            held_out = views(CaptureSplit::Validation)?;
        }
        say(&format!("views     {} to learn from, {} held out", count(learned.len() as u64), count(held_out.len() as u64)));
        let trainer = FieldTrainer::new(learned, self.options())?;
        std::fs::create_dir_all(self.out.join(VIEWS)).map_err(|e| monotile::Error::io("writing", &self.out, &e))?;
        let _lock = Lock::within(&self.out)?;
        let mut run = NerfRun { args: self, capture, trainer, held_out, log: Vec::new(), seconds: 0.0 };
        if self.resume && state.exists() {
            run.resume(&state)?;
        }
        run.learn()?;
        run.write_cameras()?;
        run.finish(out)
    }

    fn options(&self) -> FieldTrainOptions {
        let kind = match self.field {
            NerfField::Hash => FieldKind::Hash,
            NerfField::Frequency => FieldKind::Frequency,
            NerfField::Tensorf => FieldKind::Tensorf,
        };
        let default = FieldTrainOptions::default();
        // A deep network takes smaller steps, and planes take larger ones.
        let rate = match kind {
            FieldKind::Hash => default.learning_rate,
            FieldKind::Frequency => 1e-3,
            FieldKind::Tensorf => 2e-2,
        };
        FieldTrainOptions {
            field: FieldOptions { kind, ..FieldOptions::default() },
            samples: self.samples,
            learning_rate: self.lr.unwrap_or(rate),
            objective: if self.loss == NerfLoss::Huber { FieldObjective::Huber } else { FieldObjective::Mse },
            background: self.background,
            poses: if self.poses == NerfPoses::Refine { FieldPoses::Refine } else { FieldPoses::Fixed },
            seed: self.seed,
            ..default
        }
    }

    /// What held-out views are measured over.
    fn measured_over(&self) -> [f64; 3] {
        match self.background {
            FieldBackground::Random => [1.0; 3],
            FieldBackground::Color(color) => color,
        }
    }

    fn steps(&self) -> u64 {
        self.steps.unwrap_or(STEPS)
    }
}

/// A run in its folder.
struct NerfRun<'a> {
    args: &'a NerfTrainArgs,
    capture: Capture,
    trainer: FieldTrainer,
    held_out: Vec<FieldView>,
    /// Lines of the log.
    log: Vec<String>,
    /// Seconds that steps took.
    seconds: f64,
}

impl NerfRun<'_> {
    fn resume(&mut self, state: &Path) -> Result<(), CommandError> {
        self.seconds = self
            .trainer
            .resume(state)
            .map_err(|e| CommandError::from(e).hint("--resume wants the same pictures and options as the run began with"))?;
        let path = self.args.out.join(LOG);
        if path.exists() {
            let bytes = read_regular(&path, &limits::TEXT)?;
            let text = String::from_utf8_lossy(&bytes);
            let done = self.trainer.steps_done();
            // Later lines are of steps that were not saved and come again.
            let within = |line: &&str| line.split(',').next().and_then(|n| n.parse().ok()).is_some_and(|n: usize| n <= done);
            self.log = text.lines().filter(within).map(str::to_string).collect();
        }
        say(&format!("going on after step {}", count(self.trainer.steps_done() as u64)));
        Ok(())
    }

    /// How much of the run is done.
    fn done(&self) -> f64 {
        match self.args.minutes {
            Some(minutes) => self.seconds / (60.0 * minutes),
            None => self.trainer.steps_done() as f64 / self.args.steps() as f64,
        }
    }

    fn learn(&mut self) -> Result<(), CommandError> {
        stop::listen();
        let total = self.args.minutes.map_or(self.args.steps(), |minutes| (60.0 * minutes).ceil() as u64);
        let mut progress = Progress::new("learning", total);
        let at = |run: &Self| if run.args.minutes.is_some() { run.seconds as u64 } else { run.trainer.steps_done() as u64 };
        progress.resume_at(at(self));
        let (mut measured, mut stopped) = ((6.0 * self.done()) as u64, false);
        let mut watched = String::new();
        while self.done() < 1.0 && !stopped {
            let begun = Instant::now();
            let step = self.trainer.step(self.done())?;
            let time = begun.elapsed().as_secs_f64();
            self.seconds += time;
            let per_second = |n: usize| report::short(n as f64 / time);
            let done = self.done().min(1.0);
            let words = format!(
                "step {}  loss {:.5}  {:.1} dB{watched}  {} rays/s  {} samples/s  {} left",
                step.number,
                step.loss,
                step.psnr,
                per_second(step.rays),
                per_second(step.samples),
                report::duration(self.seconds * (1.0 - done) / done)
            );
            progress.at(at(self).min(total), &words);
            let due = match self.args.eval_every {
                Some(every) => (step.number as u64).is_multiple_of(every),
                None => (6.0 * self.done()) as u64 > measured,
            };
            let mut held_out = String::new();
            if due && self.done() < 1.0 && !self.held_out.is_empty() {
                measured = (6.0 * self.done()) as u64;
                let folder = self.args.out.join(VIEWS).join(format!("step-{:06}", step.number));
                std::fs::create_dir_all(&folder).map_err(|e| monotile::Error::io("writing", &folder, &e))?;
                let some = &self.held_out[..WATCHED.min(self.held_out.len())];
                let psnr = judge(self.trainer.scene(), some, self.args.measured_over(), Some((&folder, WATCHED)))?;
                progress.note(&format!("{psnr:.2} dB on {} held-out views after {} steps", some.len(), count(step.number as u64)));
                (held_out, watched) = (format!("{psnr}"), format!("  held out {psnr:.1} dB"));
            }
            let seconds = self.seconds;
            self.log.push(format!(
                "{},{seconds:.3},{},{},{},{},{held_out}",
                step.number, step.loss, step.psnr, step.rays, step.samples
            ));
            stopped = stop::is_requested();
            if (step.number as u64).is_multiple_of(self.args.save_every) && !stopped {
                self.save()?;
            }
        }
        progress.finish();
        self.save()?;
        if stopped && self.done() < 1.0 {
            let words = format!("stopped after {} steps; all of them are saved", count(self.trainer.steps_done() as u64));
            return Err(CommandError::new(words).hint("the same command with --resume goes on"));
        }
        Ok(())
    }

    /// State, log and field.
    fn save(&self) -> Result<(), CommandError> {
        let folder = &self.args.out;
        self.trainer.save(&folder.join(STATE), self.seconds)?;
        let path = folder.join(LOG);
        check_own(&path)?;
        write_atomic(&path, |file| {
            writeln!(file, "{HEADER}")?;
            self.log.iter().try_for_each(|line| writeln!(file, "{line}"))
        })?;
        self.trainer.scene().write(folder)?;
        Ok(())
    }

    /// The cameras as they were refined.
    fn write_cameras(&mut self) -> Result<(), CommandError> {
        if self.args.poses == NerfPoses::Fixed {
            return Ok(());
        }
        let learned = self.capture.views.iter_mut().filter(|view| view.split == CaptureSplit::Train);
        for (number, view) in learned.enumerate() {
            let rows = self.trainer.camera(number)?.view_from_world.to_f64_vec()?;
            (0..16).for_each(|k| view.view_from_world[k / 4][k % 4] = rows[k]);
        }
        Ok(self.capture.write_cameras(self.args.out.join(CAMERAS))?)
    }

    /// The curve, and what all held-out views say.
    fn finish(&self, out: &mut dyn Write) -> Result<(), CommandError> {
        let folder = &self.args.out;
        let curve = self.curve().svg();
        write_atomic(&folder.join(CURVE), |file| file.write_all(curve.as_bytes()))?;
        let (steps, time) = (count(self.trainer.steps_done() as u64), report::duration(self.seconds));
        let mut words = format!("{}: {steps} steps in {time}", report::path(folder));
        if !self.held_out.is_empty() {
            let (views, over) = (folder.join(VIEWS), self.args.measured_over());
            let psnr = judge(self.trainer.scene(), &self.held_out, over, Some((&views, usize::MAX)))?;
            words = format!("{words}; {psnr:.2} dB, the mean of {} held-out views", self.held_out.len());
            writeln!(out, "{psnr:.4}")?;
        }
        say(&words);
        Ok(())
    }

    fn curve(&self) -> Plot {
        let mut all = Vec::new();
        let mut held_out = Vec::new();
        for line in &self.log {
            let numbers: Vec<Option<f64>> = line.split(',').map(|x| x.parse().ok()).collect();
            if let [Some(step), _, _, Some(psnr), _, _, judged] = numbers[..] {
                all.push((step, psnr));
                held_out.extend(judged.map(|judged| (step, judged)));
            }
        }
        // A point of a curve is the mean of some steps.
        let every = (all.len() / 200).max(1);
        let mean = |points: &[(f64, f64)]| {
            let n = points.len() as f64;
            (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n)
        };
        let learned = all.chunks(every).map(mean).collect();
        let series = |name: &str, points, stroke, colour| Series { name: name.to_string(), points, stroke, colour };
        let mut drawn = vec![series("learned rays", learned, SeriesStyle::Line, 0)];
        if !held_out.is_empty() {
            drawn.push(series("held-out views", held_out, SeriesStyle::Marked, 1));
        }
        Plot { title: "PSNR".to_string(), x: PlotAxis::linear("step"), y: PlotAxis::linear("dB"), series: drawn }
    }
}
