//! What `train` and `lora train` share: the options of a run, its progress, its loss curve.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use monotile::io::write_atomic;
use monotile::optim::Decay;
use monotile::text::parser_report;
use monotile::{DType, ErrorKind};
use monotile_llama::data::TokenDataset;
use monotile_llama::train::{self, RunOptions, RunOutcome, TrainOptions, TrainProgress, Trainer};
use monotile_llama::{Model, Tokenizer};
use serde_json::Value;

use super::data::{DataArgs, DataReader};
use super::devices::DeviceArgs;
use super::plan::TimeEstimate;
use crate::command_error::CommandError;
use crate::numbers;
use crate::plot::{Plot, PlotAxis, Series, SeriesStyle};
use crate::progress::{Progress, say};
use crate::report::count;
use crate::stop;

/// What a run of training is asked to do.
#[derive(Args)]
pub struct TrainingArgs {
    #[command(flatten)]
    pub data: DataArgs,
    /// Folder for what comes out
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Go on with the run in that folder, from its last save
    #[arg(long)]
    resume: bool,
    /// Steps to make
    #[arg(long, value_name = "N", default_value_t = 300)]
    steps: usize,
    /// Rows a pass
    #[arg(long, value_name = "N", default_value_t = 8)]
    batch: usize,
    /// Passes whose gradients are averaged before a step
    #[arg(long, value_name = "N", default_value_t = 1)]
    accumulate: usize,
    /// The highest learning rate
    #[arg(long, value_name = "RATE", default_value_t = 2e-3, value_parser = numbers::positive::<f64>)]
    lr: f64,
    /// How the learning rate goes down
    #[arg(long, value_enum, default_value_t = Schedule::Cosine)]
    schedule: Schedule,
    /// Steps in which the learning rate goes up [default: a twentieth of the steps; none where it is constant]
    #[arg(long, value_name = "N")]
    warmup: Option<usize>,
    /// AdamW's weight decay
    #[arg(long, value_name = "X", default_value_t = 0.0, value_parser = numbers::not_negative::<f64>)]
    weight_decay: f64,
    /// AdamW's two betas
    #[arg(long, value_name = "B1,B2", default_value = "0.9,0.999", value_parser = betas)]
    betas: (f64, f64),
    /// AdamW's epsilon
    #[arg(long, value_name = "X", default_value_t = 1e-8, value_parser = numbers::not_negative::<f64>)]
    eps: f64,
    /// The longest gradient; longer ones are shortened to it, 0 leaves all as they are
    #[arg(long, value_name = "NORM", default_value_t = 1.0, value_parser = numbers::not_negative::<f64>)]
    clip: f64,
    /// Steps between evaluations [default: a sixth of the steps]
    #[arg(long, value_name = "N")]
    eval_every: Option<usize>,
    /// End after this many evaluations without a better one, and keep the best [default: go all steps and keep the last]
    #[arg(long, value_name = "N")]
    patience: Option<usize>,
    /// Steps between saves
    #[arg(long, value_name = "N", default_value_t = 50)]
    save_every: usize,
    /// Take rows, and pack samples, in the order of the file
    #[arg(long)]
    no_shuffle: bool,
    /// Compute blocks again for their gradients instead of keeping them: less memory for a third more time, the same result
    #[arg(long)]
    checkpointing: bool,
    /// Read the data, say what the run takes, and stop
    #[arg(long)]
    pub dry_run: bool,
    /// Numbers to compute in, whatever the checkpoint is stored in
    #[arg(long, value_enum, default_value_t = Compute::F32)]
    compute: Compute,
    /// The seed of everything random
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// How the learning rate goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Schedule {
    /// It does not
    Constant,
    /// Straight to 0
    Linear,
    /// By half a cosine to 0
    Cosine,
}

/// The numbers that a run computes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Compute {
    /// Single precision
    F32,
    /// Double precision: about half as fast, for runs that are compared digit by digit
    F64,
}

fn betas(text: &str) -> Result<(f64, f64), String> {
    let both = text.split_once(',').and_then(|(a, b)| Some((numbers::share(a).ok()?, numbers::share(b).ok()?)));
    both.ok_or_else(|| "two numbers of at least 0 and below 1 are wanted with a comma between them, as 0.9,0.999".to_string())
}

impl TrainingArgs {
    /// The rows to train on and those held out; `end` ends a sample, `checkpoint` is the folder of the model that there is.
    pub fn rows(
        &self,
        tokenizer: &Tokenizer,
        end: Option<u32>,
        checkpoint: Option<&Path>,
    ) -> Result<(TokenDataset, Option<TokenDataset>), CommandError> {
        let shuffle = (!self.no_shuffle).then_some(self.seed);
        self.data.read(&DataReader { tokenizer, end, checkpoint, shuffle })
    }

    /// Refuses a folder with something else in it, before anything takes time.
    pub fn check_out(&self) -> monotile::Result<()> {
        if self.dry_run { Ok(()) } else { train::check_folder(&self.out) }
    }

    /// The model, computing in what was asked for.
    pub fn computing(&self, model: Model) -> monotile::Result<Model> {
        model.with_compute_dtype(self.compute())
    }

    /// The dtype to compute in.
    pub fn compute(&self) -> DType {
        if self.compute == Compute::F64 { DType::F64 } else { DType::F32 }
    }

    /// The numbers of the run, as the library takes them.
    pub fn options(&self) -> TrainOptions {
        let decay = match self.schedule {
            Schedule::Constant => Decay::Constant,
            Schedule::Linear => Decay::Linear,
            Schedule::Cosine => Decay::Cosine,
        };
        let warmup = if self.schedule == Schedule::Constant { 0 } else { self.steps / 20 };
        TrainOptions {
            steps: self.steps,
            batch: self.batch,
            accumulate: self.accumulate,
            learning_rate: self.lr,
            decay,
            warmup: self.warmup.unwrap_or(warmup),
            betas: self.betas,
            epsilon: self.eps,
            weight_decay: self.weight_decay,
            clip: (self.clip != 0.0).then_some(self.clip),
            patience: self.patience,
            shuffle: !self.no_shuffle,
            seed: self.seed,
            checkpointing: self.checkpointing,
        }
    }

    /// Trains to the end, showing how it goes, and draws the loss curve. `write` writes what was trained.
    ///
    /// Gives the held-out loss before and after, where there is one.
    pub fn train(
        &self,
        trainer: &mut Trainer,
        write: &dyn Fn(&Model, &Path) -> monotile::Result<()>,
    ) -> Result<Vec<(f64, f64)>, CommandError> {
        stop::listen();
        let run = RunOptions {
            folder: self.out.clone(),
            evaluate_every: self.eval_every.unwrap_or(self.steps.div_ceil(6)),
            save_every: self.save_every,
            resume: self.resume,
            write,
        };
        let mut progress = Progress::new("training", self.steps as u64);
        let mut pace = TimeEstimate::new(self.steps);
        let mut saved = None;
        let finished = train::run(trainer, &run, &mut |event| {
            show(&mut progress, event);
            if let TrainProgress::Saved { steps } | TrainProgress::Resumed { steps } = event {
                saved = Some(steps);
            }
            if let TrainProgress::Step(step, time) = event
                && let Some(line) = pace.after(&step, time)
            {
                progress.note(&line);
            }
            if stop::is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        progress.finish();
        let finished = finished.map_err(|e| self.explain(e, saved))?;
        let (losses, mut held_out) = read_log(&self.out.join("log.jsonl"))?;
        let curve = loss_curve("Loss", losses, held_out.clone()).svg();
        // What came after the best was not kept.
        held_out.retain(|(step, _)| trainer.best().is_none_or(|(best, _)| *step <= best as f64));
        write_atomic(&self.out.join("loss.svg"), |file| std::io::Write::write_all(file, curve.as_bytes()))?;
        match finished {
            RunOutcome::Done => Ok(held_out),
            RunOutcome::Interrupted => {
                let sentence = format!("stopped after {} of {} steps; all of them are saved", trainer.steps_done(), self.steps);
                Err(CommandError::new(sentence).hint("the same command with --resume goes on to the same result"))
            }
        }
    }

    /// Adds what to do about it to an error that has a usual reason; `saved` is after how many steps the last save was.
    fn explain(&self, error: monotile::Error, saved: Option<usize>) -> CommandError {
        let begun = self.out.join("training.safetensors").exists();
        let is_own = |error: &monotile::Error| error.to_string().starts_with(&self.out.display().to_string());
        match (begun, self.resume) {
            // These say themselves what to do.
            _ if matches!(error.kind(), ErrorKind::Busy | ErrorKind::Limit | ErrorKind::Memory) => CommandError::from(error),
            _ if error.kind() == ErrorKind::NotConverged => CommandError::from(error).hint(match saved {
                Some(steps) => {
                    format!("the save after step {steps} is kept, and --resume comes to the same end; lower --lr in a new folder")
                }
                None => "nothing was saved; lower --lr".to_string(),
            }),
            (true, _) if error.kind() == ErrorKind::Io => {
                CommandError::from(error).hint("the same command with --resume resumes from the last save")
            }
            _ if error.kind() == ErrorKind::Format && is_own(&error) => CommandError::from(error)
                .hint("the run in that folder is damaged and cannot be resumed; begin anew in another folder"),
            (true, false) => CommandError::from(error).hint("--resume continues the run in that folder"),
            (true, true) => CommandError::from(error).hint("--resume wants the same options as the run began with"),
            _ => CommandError::from(error),
        }
    }
}

/// What happened, in the progress bar or as a line above it.
fn show(progress: &mut Progress, event: TrainProgress) {
    match event {
        TrainProgress::Resumed { steps } => {
            progress.note(&format!("going on after step {steps}"));
            progress.resume_at(steps as u64);
        }
        TrainProgress::Step(step, time) => {
            let speed = step.tokens as f64 / time.as_secs_f64();
            progress.at(step.number as u64, &format!("loss {:.3}  {} tokens/s", step.loss, count(speed as u64)));
        }
        TrainProgress::Evaluated { steps, loss } => progress.note(&format!("held-out loss {loss:.4} after {steps} steps")),
        TrainProgress::Restored { steps, loss } => {
            progress.note(&format!("back to step {steps}, where the held-out loss was {loss:.4}"))
        }
        TrainProgress::Saved { .. } => {}
    }
}

/// Losses by step.
type Points = Vec<(f64, f64)>;

/// The losses of the steps and those of the held-out rows, by step, as the log of a run tells them.
fn read_log(path: &Path) -> monotile::Result<(Points, Points)> {
    let text = monotile_adapters::json::read_text(path, &monotile::limits::TEXT)?;
    let (mut losses, mut held_out) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let entry: Value = serde_json::from_str(line).map_err(|e| monotile::Error::format(path, parser_report(&e)))?;
        let step = entry["step"].as_f64().unwrap_or(f64::NAN);
        losses.extend(entry["loss"].as_f64().map(|loss| (step, loss)));
        held_out.extend(entry["held_out_loss"].as_f64().map(|loss| (step, loss)));
    }
    Ok((losses, held_out))
}

/// The batches' losses pale, their running mean as a line, the held-out rows' as marks.
pub fn loss_curve(title: &str, losses: Points, held_out: Points) -> Plot {
    let mean = running_mean(&losses);
    let series = |name: &str, points, stroke, colour| Series { name: name.to_string(), points, stroke, colour };
    let mut all = vec![series("", losses, SeriesStyle::Faint, 0), series("training", mean, SeriesStyle::Line, 0)];
    if !held_out.is_empty() {
        all.push(series("held out", held_out, SeriesStyle::Marked, 1));
    }
    Plot { title: title.to_string(), x: PlotAxis::linear("step"), y: PlotAxis::linear("loss, nats a token"), series: all }
}

/// The mean of every point with its neighbours, a fortieth of the run to each side, as far as there are any.
fn running_mean(points: &[(f64, f64)]) -> Points {
    let reach = points.len() / 40;
    let around = |i: usize| {
        let near = reach.min(i).min(points.len() - 1 - i);
        let window = &points[i - near..=i + near];
        window.iter().map(|(_, y)| y).sum::<f64>() / window.len() as f64
    };
    points.iter().enumerate().map(|(i, (x, _))| (*x, around(i))).collect()
}

/// Says on standard error what the held-out rows say of the run.
pub fn sum_up(held_out: &[(f64, f64)], made: &str) {
    match (held_out.first(), held_out.last()) {
        (Some((_, before)), Some((_, after))) => say(&format!("held-out loss {before:.4} → {after:.4}; {made}")),
        _ => say(made),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_mean_of_a_line_is_that_line() {
        let points: Vec<_> = (0..100).map(|i| (f64::from(i), 3.0 * f64::from(i))).collect();
        assert!(running_mean(&points).iter().zip(&points).all(|(a, b)| (a.1 - b.1).abs() < 1e-9));
        assert_eq!(running_mean(&[]), []);
    }

    #[test]
    fn betas_are_two_numbers() {
        assert_eq!(betas("0.9, 0.95"), Ok((0.9, 0.95)));
        assert!(["0.9", "a,b", "0.9,nan", "0.9,1", "-1,0.9"].iter().all(|text| betas(text).is_err()));
    }
}
