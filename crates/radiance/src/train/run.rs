//! A whole run in a folder: steps, evaluations, a log, and saving often enough.

use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use monotile::io::{check_own, open_regular, write_atomic};
use monotile::{Error, Result, limits};

use super::{SplatEvaluation, SplatStep, SplatTrainer};

/// The file of a run's state, in its folder.
pub const STATE: &str = "state.safetensors";
/// The file with a line for some steps and for each evaluation.
pub const LOG: &str = "log.csv";
/// What the columns of the log are.
const HEAD: &str = "step,seconds,loss,l1,ssim_loss,splats,psnr,ssim,psnr_refined";
/// Steps whose losses are averaged in a line of the log.
const LINE: u64 = 10;

/// Where, how long and how often.
pub struct SplatRun<'a> {
    /// The folder for the log and the state; made if it is not there.
    pub folder: PathBuf,
    /// How long a run goes on; none for as many steps as the trainer's options say. Such a run depends on the machine's speed.
    pub duration: Option<Duration>,
    /// Steps between evaluations; there is one at the end anyway. 0 for no others.
    pub evaluate_every: u64,
    /// Steps between savings; there is one at the end anyway. 0 for no others.
    pub save_every: u64,
    /// Whether to go on from the state in the folder, if there is one; else a folder with one is refused.
    pub resume: bool,
    /// Writes the result, after the state, whenever that is saved.
    pub write: &'a mut dyn FnMut(&mut SplatTrainer) -> Result<()>,
}

/// The progress of [`SplatTrainer::run`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SplatProgress {
    /// It goes on after this many steps.
    Resumed(u64),
    /// A step is done; the part of the run that is over, from 0 to 1.
    Step(SplatStep, f64),
    /// The views that were held out look like this after so many steps.
    Evaluated(u64, SplatEvaluation),
    /// State and result are on disk after so many steps.
    Saved(u64),
}

impl SplatTrainer {
    /// Trains to the end, or until `progress` breaks, with a log and a state in a folder; says whether it came to the end.
    ///
    /// # Errors
    /// `Value`, if the folder holds the state of a run that is not to be resumed, or of one with other options; `NotConverged`, if the loss is not finite any more; `Io`, if files
    /// cannot be written.
    #[track_caller]
    pub fn run(
        &mut self,
        run: &mut SplatRun<'_>,
        progress: &mut dyn FnMut(&mut Self, SplatProgress) -> ControlFlow<()>,
    ) -> Result<bool> {
        let state = run.folder.join(STATE);
        check_own(&state)?;
        let mut before = 0.0;
        let mut stopped = false;
        let mut log = RunLog::new(run.folder.join(LOG));
        if state.exists() {
            if !run.resume {
                let words = "a run was begun here; resume it or choose another name";
                return Err(Error::value(format!("{}: {words}", state.display())));
            }
            before = self.resume(&state)?;
            log.read_up_to(self.step)?;
            stopped = progress(self, SplatProgress::Resumed(self.step)).is_break();
        }
        fs::create_dir_all(&run.folder).map_err(|e| Error::io("writing", &run.folder, &e))?;
        let begun = Instant::now();
        let spent = || before + begun.elapsed().as_secs_f64();
        let steps = self.options.steps as u64;
        let share = |step: u64| match run.duration {
            Some(duration) => (spent() / duration.as_secs_f64().max(1e-9)).min(1.0),
            None => (step as f64 / steps as f64).min(1.0),
        };
        let mut saved = None;
        while !stopped && share(self.step) < 1.0 {
            let step = self.step_at(share(self.step))?;
            log.add(&step, spent());
            stopped |= progress(self, SplatProgress::Step(step, share(self.step))).is_break();
            let due = |every: u64| every > 0 && step.number.is_multiple_of(every);
            let done = share(self.step) >= 1.0;
            if due(run.evaluate_every) && !done {
                stopped |= self.report(&mut log, spent(), false, progress)?;
            }
            if due(run.save_every) && !done && !stopped {
                self.save(&state, spent())?;
                log.write()?;
                (run.write)(self)?;
                saved = Some(self.step);
                stopped |= progress(self, SplatProgress::Saved(self.step)).is_break();
            }
        }
        let done = share(self.step) >= 1.0;
        if done && log.needs_evaluation(self.step) {
            self.report(&mut log, spent(), true, progress)?;
        }
        if saved != Some(self.step) {
            self.save(&state, spent())?;
            log.write()?;
            (run.write)(self)?;
            let _ = progress(self, SplatProgress::Saved(self.step));
        }
        Ok(done)
    }

    /// Evaluates, and says whether to stop.
    fn report(
        &mut self,
        log: &mut RunLog,
        seconds: f64,
        refine: bool,
        progress: &mut dyn FnMut(&mut Self, SplatProgress) -> ControlFlow<()>,
    ) -> Result<bool> {
        let Some(found) = self.evaluate(refine)? else { return Ok(false) };
        let refined = found.refined_psnr.map_or(String::new(), |x| format!("{x:.4}"));
        log.lines.push(format!("{},{seconds:.3},,,,{},{:.4},{:.5},{refined}", self.step, self.scene.len(), found.psnr, found.ssim));
        Ok(progress(self, SplatProgress::Evaluated(self.step, found)).is_break())
    }
}

/// Lines of a log, which are written whole when the state is saved: the log tells of no step that a resumed run makes again.
struct RunLog {
    path: PathBuf,
    lines: Vec<String>,
    sums: [f64; 3],
    /// Of how many steps.
    steps: usize,
}

impl RunLog {
    fn new(path: PathBuf) -> Self {
        Self { path, lines: Vec::new(), sums: [0.0; 3], steps: 0 }
    }

    fn add(&mut self, step: &SplatStep, seconds: f64) {
        let loss = &step.loss;
        self.sums.iter_mut().zip([loss.total, loss.l1, loss.ssim]).for_each(|(sum, x)| *sum += step.measured as f64 * x);
        self.steps += step.measured;
        if step.number.is_multiple_of(LINE) {
            let [total, l1, ssim] = self.sums.map(|x| x / self.steps.max(1) as f64);
            self.lines.push(format!("{},{seconds:.3},{total:.6},{l1:.6},{ssim:.6},{},,,", step.number, step.splats));
            (self.sums, self.steps) = ([0.0; 3], 0);
        }
    }

    fn needs_evaluation(&self, step: u64) -> bool {
        // The last line is one of an evaluation where its loss is empty.
        let evaluated = |line: &String| line.split(',').nth(2) == Some("") && step_of(line) == Some(step);
        !self.lines.last().is_some_and(evaluated)
    }

    fn read_up_to(&mut self, step: u64) -> Result<()> {
        if !self.path.exists() {
            return Ok(());
        }
        let (_, bytes) = open_regular(&self.path)?;
        limits::TEXT.admit(self.path.display(), bytes)?;
        let text = fs::read_to_string(&self.path).map_err(|e| Error::io("reading", &self.path, &e))?;
        self.lines = text.lines().skip(1).filter(|line| step_of(line).is_some_and(|of| of <= step)).map(str::to_owned).collect();
        Ok(())
    }

    fn write(&self) -> Result<()> {
        write_atomic(&self.path, |file| {
            writeln!(file, "{HEAD}")?;
            self.lines.iter().try_for_each(|line| writeln!(file, "{line}"))
        })
    }
}

fn step_of(line: &str) -> Option<u64> {
    line.split(',').next()?.parse().ok()
}
