//! A whole run in a folder: steps, evaluations, a log, and saving often enough.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use monotile::io::{check_mapped, check_own, open_own, write_atomic};
use monotile::{Error, Result};
use serde_json::{Value, json};

use super::{StepReport, Trainer};
use crate::model::Model;
use monotile_adapters::json::number;
use monotile_adapters::staged::{Lock, check_empty_mark, check_is_folder};

/// The file of a run's state, in its folder.
const STATE: &str = "training.safetensors";
/// An empty file that is there from the beginning of a run to its first state: the log beside it is the run's.
const BEGUN: &str = ".begun";
/// The file with a line of JSON for every step and evaluation.
const LOG: &str = "log.jsonl";
/// The file that keeps other runs off, as [`Lock::within`] names it.
const LOCK: &str = ".lock";

/// Where and how often.
pub struct RunOptions<'a> {
    /// The folder for the log, the state and the result; made if it is not there.
    pub folder: PathBuf,
    /// Steps between evaluations on the held-out rows; there is one before the first step and one after the last anyway.
    pub evaluate_every: usize,
    /// Steps between savings; there is one after the last anyway.
    pub save_every: usize,
    /// Whether to go on from the state in the folder, if there is one; else a folder with one is refused.
    pub resume: bool,
    /// Writes the result (an adapter, a checkpoint) into the folder, after the state: whenever that is saved, and when a run is resumed
    /// that has nothing left to do.
    pub write: &'a dyn Fn(&Model, &Path) -> Result<()>,
}

/// The progress of [`run`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TrainProgress {
    /// It goes on after this many steps.
    Resumed {
        /// The steps that were done before.
        steps: usize,
    },
    /// A step is done, in this time.
    Step(StepReport, Duration),
    /// The held-out rows have this loss.
    Evaluated {
        /// After how many steps.
        steps: usize,
        /// The mean loss.
        loss: f64,
    },
    /// The run went back to where the held-out rows were predicted best.
    Restored {
        /// After how many steps that was.
        steps: usize,
        /// The mean loss there.
        loss: f64,
    },
    /// State and result are on disk.
    Saved {
        /// After how many steps.
        steps: usize,
    },
}

/// How a run ended, with everything saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunOutcome {
    /// All steps are done.
    Done,
    /// The caller asked for no more; it can be resumed.
    Interrupted,
}

/// Runs a trainer to its end, or until `progress` breaks (a Ctrl-C, say).
///
/// The log is `log.jsonl`: `{"step": 1, "loss": …, "learning_rate": …, "gradient_norm": …, "tokens": …, "seconds": …}` a step and
/// `{"step": 0, "held_out_loss": …}` an evaluation; a run with patience ends with `{"step": …, "restored_step": …, "restored_loss": …}`.
/// The state is `training.safetensors`: a run that was interrupted or killed goes on
/// from it to the same result. A run that ends by an error before its first save takes its files with it, and the folder if it made that.
///
/// # Errors
/// - `Busy`, if another run is writing the folder.
/// - `Value`, if it holds the state of a run that is not to be resumed, or files of none.
/// - `Value`, if settings differ from those of the run to resume, or there is patience and nothing held out to evaluate on.
/// - `NotConverged`, if numbers are not finite any more, with the last save as it was.
/// - `Format`, if the folder holds links or pipes, or a mapped file was written meanwhile.
/// - `Io`, if files cannot be written.
pub fn run(
    trainer: &mut Trainer,
    run: &RunOptions,
    progress: &mut dyn FnMut(TrainProgress) -> ControlFlow<()>,
) -> Result<RunOutcome> {
    if trainer.options().patience.is_some() && trainer.held_out.is_none() {
        return Err(Error::value("train: patience needs held-out rows to evaluate on, and there are none"));
    }
    let made = !run.folder.exists();
    let lock = Lock::within(&run.folder)?;
    check_folder(&run.folder)?;
    let outcome = go(trainer, run, progress);
    if outcome.is_err() && !run.folder.join(STATE).exists() {
        // They are of no use, and would hold off the next run. That they cannot be removed adds nothing to the first error.
        [LOG, BEGUN].iter().for_each(|name| drop(fs::remove_file(run.folder.join(name))));
    }
    drop(lock);
    if outcome.is_err() && made {
        // Only if it is empty.
        let _ = fs::remove_dir(&run.folder);
    }
    outcome
}

/// The run in its folder, which it holds.
fn go(trainer: &mut Trainer, run: &RunOptions, progress: &mut dyn FnMut(TrainProgress) -> ControlFlow<()>) -> Result<RunOutcome> {
    let state = run.folder.join(STATE);
    let mut log = Log { path: run.folder.join(LOG), lines: Vec::new() };
    let mut stopped = false;
    let resumed = state.exists();
    if resumed {
        if !run.resume {
            return Err(Error::value(format!("{}: a run was begun here; resume it or choose another folder", state.display())));
        }
        trainer.resume(&state)?;
        remove_mark(&run.folder)?;
        log.read_up_to(trainer.steps_done())?;
        stopped |= progress(TrainProgress::Resumed { steps: trainer.steps_done() }).is_break();
    } else {
        mark_begun(&run.folder)?;
        log.write()?;
        stopped |= evaluate(trainer, &mut log, progress)?;
    }
    let begun_at = trainer.steps_done();
    let mut saved = trainer.steps_done();
    while !stopped && !trainer.is_done() {
        let begun = Instant::now();
        let step = trainer.step()?;
        let time = begun.elapsed();
        log.add(json!({ "step": step.number, "loss": step.loss, "learning_rate": step.learning_rate,
            "gradient_norm": step.gradient_norm, "tokens": step.tokens, "seconds": time.as_secs_f64() }))?;
        stopped |= progress(TrainProgress::Step(step, time)).is_break();
        let due = |every: usize| every > 0 && step.number.is_multiple_of(every);
        if due(run.evaluate_every) || trainer.is_done() {
            stopped |= evaluate(trainer, &mut log, progress)?;
        }
        if due(run.save_every) && !trainer.is_done() && !stopped {
            save(trainer, run, &state)?;
            saved = step.number;
            stopped |= progress(TrainProgress::Saved { steps: saved }).is_break();
        }
    }
    if saved != trainer.steps_done() || !state.exists() {
        if trainer.is_done()
            && let Some((steps, loss)) = trainer.restore_best()
        {
            log.add(json!({ "step": trainer.steps_done(), "restored_step": steps, "restored_loss": number(loss) }))?;
            let _ = progress(TrainProgress::Restored { steps, loss });
        }
        save(trainer, run, &state)?;
        // There is nothing left to stop.
        let _ = progress(TrainProgress::Saved { steps: trainer.steps_done() });
    } else if resumed && saved == begun_at {
        // The result may be gone, or of an earlier state.
        write_result(trainer, run)?;
    }
    Ok(if trainer.is_done() { RunOutcome::Done } else { RunOutcome::Interrupted })
}

/// The state first: a folder without one holds no result of this run, so that any other's is noticed. What a kill leaves out of the
/// result, resuming writes. What is not finite, or learned from a file that was written meanwhile, is not saved over what was.
fn save(trainer: &Trainer, run: &RunOptions, state: &Path) -> Result<()> {
    trainer.check_finite()?;
    check_mapped()?;
    trainer.save(state)?;
    remove_mark(&run.folder)?;
    write_result(trainer, run)
}

fn write_result(trainer: &Trainer, run: &RunOptions) -> Result<()> {
    check_mapped()?;
    (run.write)(trainer.model(), &run.folder)
}

/// Marks a folder as that of a run.
fn mark_begun(folder: &Path) -> Result<()> {
    let opened = open_own(&folder.join(BEGUN), fs::File::options().write(true).create(true).truncate(true));
    opened.map(drop)
}

/// Refuses a folder with files that no run wrote, and one with links or pipes, through which it would be written elsewhere. [`run`] does
/// so too, but when all is read. Other hidden files than a run's own do not count.
///
/// # Errors
/// `Value`, naming one of them, or a mark that holds something; `Format`, naming a link or a pipe; `Io`, if the operating system refuses.
pub fn check_folder(folder: &Path) -> Result<()> {
    check_is_folder(folder)?;
    let mut names = visible_names(folder)?;
    names.sort();
    let own = [LOCK, BEGUN].map(|name| folder.join(name));
    let all = names.iter().map(|name| folder.join(name)).filter(|path| path.is_symlink() || !path.is_dir());
    all.chain(own.clone()).try_for_each(|path| check_own(&path))?;
    own.iter().try_for_each(|path| check_empty_mark(path))?;
    if folder.join(STATE).exists() {
        return Ok(());
    }
    // A run that was killed before its first save wrote this alone.
    let begun = folder.join(BEGUN).exists();
    match names.iter().find(|name| !(begun && *name == LOG)) {
        None => Ok(()),
        Some(name) => {
            let what =
                format!("{} and no run to resume; name a new folder, or move away what is in this one", Path::new(name).display());
            Err(Error::value(format!("{}: the folder holds {what}", folder.display())))
        }
    }
}

/// The names in a folder that are not hidden; none where there is no folder.
fn visible_names(folder: &Path) -> Result<Vec<OsString>> {
    let listed = match fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(|all| all.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<Vec<_>>>()),
    };
    let visible = |name: &OsString| !name.as_encoded_bytes().starts_with(b".");
    Ok(listed.map_err(|e| Error::io("writing", folder, &e))?.into_iter().filter(visible).collect())
}

fn remove_mark(folder: &Path) -> Result<()> {
    match fs::remove_file(folder.join(BEGUN)) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("writing", folder, &e)),
        _ => Ok(()),
    }
}

fn evaluate(trainer: &mut Trainer, log: &mut Log, progress: &mut dyn FnMut(TrainProgress) -> ControlFlow<()>) -> Result<bool> {
    let Some(loss) = trainer.evaluate_with_patience()? else { return Ok(false) };
    let steps = trainer.steps_done();
    log.add(json!({ "step": steps, "held_out_loss": number(loss) }))?;
    Ok(progress(TrainProgress::Evaluated { steps, loss }).is_break())
}

struct Log {
    path: PathBuf,
    lines: Vec<String>,
}

impl Log {
    /// Reads the lines up to a step; later ones are of steps that were not saved and come again.
    fn read_up_to(&mut self, steps: usize) -> Result<()> {
        if self.path.exists() {
            let text = monotile_adapters::json::read_text(&self.path, &monotile::limits::TEXT)?;
            let within = |line: &&str| {
                let value: Option<Value> = serde_json::from_str(line).ok();
                value.and_then(|v| v["step"].as_u64()).is_some_and(|step| step <= steps as u64)
            };
            self.lines = text.lines().filter(within).map(str::to_string).collect();
        }
        self.write()
    }

    fn write(&self) -> Result<()> {
        write_atomic(&self.path, |file| self.lines.iter().try_for_each(|line| writeln!(file, "{line}")))
    }

    fn add(&mut self, line: Value) -> Result<()> {
        let refuse = |e| Error::io("writing", &self.path, &e);
        let mut file = open_own(&self.path, fs::File::options().append(true))?;
        writeln!(file, "{line}").map_err(refuse)
    }
}
