//! What a run of training will take, told before it begins: memory and tokens, and time as soon as that can be known.

use std::time::Duration;

use monotile::Device;
use monotile::text::printable;
use monotile_llama::train::{StepReport, TrainOptions, TrainingPlan};

use crate::command_error::CommandError;
use crate::machine;
use crate::progress::say;
use crate::report::{bytes, count, duration};

/// A run as far as its plan depends on it.
pub struct RunPlan<'a> {
    /// The plan for other options and another length of rows.
    pub plan: &'a dyn Fn(&TrainOptions, usize) -> TrainingPlan,
    /// The options asked for.
    pub options: &'a TrainOptions,
    /// The length asked for.
    pub length: usize,
    /// Bytes of weights that are not trained and stay in their file.
    pub frozen: u64,
    /// Where it computes.
    pub device: &'a Device,
}

impl RunPlan<'_> {
    /// Says what the run takes.
    ///
    /// # Errors
    /// If that is more memory than the machine has, with what would need less.
    pub fn announce(&self) -> Result<(), CommandError> {
        let plan = (self.plan)(self.options, self.length);
        let all = plan.tokens.saturating_mul(plan.steps as u64);
        say(&format!("run       {} steps of {} tokens, {} in all", count(plan.steps as u64), count(plan.tokens), count(all)));
        say(&format!("memory    {}", parts(&plan)));
        if !self.device.is_cpu() {
            // No interface tells how much memory an adapter has; what does not fit is refused where it is asked for.
            let all = bytes(plan.memory().saturating_add(self.frozen));
            let weights = if self.frozen > 0 {
                format!(", {} of them weights that stay as they are", bytes(self.frozen))
            } else {
                String::new()
            };
            say(&format!("          {all} on {}{weights}", printable(self.device.name())));
            return Ok(());
        }
        let memory = machine::memory();
        if self.frozen > 0 {
            let stays = "stay in their file, and in memory as far as there is room";
            say(&format!("weights   {} {stays}", bytes(self.frozen)));
            if memory.is_some_and(|memory| plan.memory() <= memory && plan.memory().saturating_add(self.frozen) > memory) {
                say("          there is not room for all of them: every pass reads some from the disk again");
            }
        }
        memory.map_or(Ok(()), |memory| self.refuse_beyond(&plan, memory))
    }

    fn refuse_beyond(&self, plan: &TrainingPlan, memory: u64) -> Result<(), CommandError> {
        if plan.memory() <= memory {
            return Ok(());
        }
        let sentence = format!("train: the run needs {} of memory and this machine has {}", bytes(plan.memory()), bytes(memory));
        Err(CommandError::new(sentence).hint(self.hint(memory)))
    }

    /// The changes that make the run fit, each alone if one is enough.
    fn hint(&self, memory: u64) -> String {
        let Self { options, length, .. } = *self;
        let needs = |options: &TrainOptions, length: usize| (self.plan)(options, length).memory();
        let halves =
            |from: usize, least: usize| std::iter::successors(Some(from / 2), |n| Some(n / 2)).take_while(move |&n| n >= least);
        let again = TrainOptions { checkpointing: true, ..options.clone() };
        let mut enough = Vec::new();
        if !options.checkpointing && needs(&again, length) <= memory {
            enough.push(format!("--checkpointing ({})", bytes(needs(&again, length))));
        }
        let with = |batch: usize| {
            let accumulate = options.batch.saturating_mul(options.accumulate).div_ceil(batch);
            TrainOptions { batch, accumulate, ..options.clone() }
        };
        let fewer = halves(options.batch, 1).map(with).find(|fewer| needs(fewer, length) <= memory);
        enough.extend(fewer.map(|fewer| {
            let TrainOptions { batch, accumulate, .. } = fewer;
            format!("--batch {batch} --accumulate {accumulate} ({})", bytes(needs(&fewer, length)))
        }));
        enough.extend(
            halves(length, 2)
                .find(|&length| needs(options, length) <= memory)
                .map(|length| format!("--length {length} ({})", bytes(needs(options, length)))),
        );
        if !enough.is_empty() {
            return format!("it fits with {}", enough.join(", or with "));
        }
        let least = TrainOptions { batch: 1, accumulate: 1, ..again };
        let found = halves(length.saturating_mul(2), 2).find(|&length| needs(&least, length) <= memory);
        match found {
            Some(length) => format!("it fits with --checkpointing --batch 1 --length {length} ({})", bytes(needs(&least, length))),
            None => format!("even --checkpointing --batch 1 --length 2 needs {}", bytes(needs(&least, 2))),
        }
    }
}

/// `84.1 MiB: 2 MiB trained and averages, …`
fn parts(plan: &TrainingPlan) -> String {
    format!(
        "{} at the peak of a step: {} trained numbers and averages, {} gradients, {} activations, {} logits, {} passing",
        bytes(plan.memory()),
        bytes(plan.state),
        bytes(plan.gradients),
        bytes(plan.activations),
        bytes(plan.logits),
        bytes(plan.work)
    )
}

/// Steps whose time predicts that of the others; the first one warms up and does not count.
const COUNTED: usize = 3;
/// The shortest time left that is worth a line, in seconds.
const WORTH_A_LINE: f64 = 10.0;

/// How long a run still takes, as soon as a few steps tell.
pub struct TimeEstimate {
    steps: usize,
    times: Vec<Duration>,
}

impl TimeEstimate {
    /// For a run of this many steps.
    pub fn new(steps: usize) -> Self {
        Self { steps, times: Vec::new() }
    }

    /// Takes note of a step; what can be said, once.
    pub fn after(&mut self, step: &StepReport, time: Duration) -> Option<String> {
        if self.times.len() > COUNTED {
            return None;
        }
        self.times.push(time);
        if self.times.len() <= COUNTED {
            return None;
        }
        let each = self.times[1..].iter().sum::<Duration>().as_secs_f64() / COUNTED as f64;
        let left = each * self.steps.saturating_sub(step.number) as f64;
        (left >= WORTH_A_LINE).then(|| {
            let speed = count((step.tokens as f64 / each) as u64);
            format!(
                "about {} left: {} steps of {} each, {speed} tokens/s",
                duration(left),
                self.steps - step.number,
                duration(each)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use monotile::DType;
    use monotile_llama::Config;
    use monotile_llama::train::PlanSubject;

    fn plan(options: &TrainOptions, length: usize) -> TrainingPlan {
        TrainingPlan::new(&Config::default(), PlanSubject::Everything, length, options, DType::F32)
    }

    #[track_caller]
    fn refused(batch: usize, length: usize, memory: u64) -> String {
        let options = TrainOptions { batch, ..TrainOptions::default() };
        let planned = RunPlan { plan: &plan, options: &options, length, frozen: 0, device: &Device::cpu() };
        planned.refuse_beyond(&plan(&options, length), memory).unwrap_err().to_string()
    }

    #[test]
    fn a_run_that_does_not_fit_is_refused_with_what_would() {
        let whole = plan(&TrainOptions { batch: 64, ..TrainOptions::default() }, 129).memory();
        let words = refused(64, 129, whole - 1);
        assert!(words.starts_with("error: train: the run needs ") && words.contains(" of memory and this machine has "), "{words}");
        assert!(
            words.contains("\nhint: it fits with --checkpointing (") && words.contains("), or with --batch 32 --accumulate 2 (")
        );
        assert!(words.contains("), or with --length 64 ("), "{words}");
        // Between what the least length takes and what one row takes.
        let one = TrainOptions { batch: 1, checkpointing: true, ..TrainOptions::default() };
        let words = refused(1, 129, (plan(&one, 2).memory() + plan(&one, 129).memory()) / 2);
        assert!(words.contains("\nhint: it fits with --length "), "{words}");
        let words = refused(64, 129, 1000);
        assert!(words.contains("this machine has 1000 B\nhint: even --checkpointing --batch 1 --length 2 needs "), "{words}");
    }

    #[test]
    fn the_time_left_is_told_once_a_few_steps_are_done() {
        let mut pace = TimeEstimate::new(104);
        let step = |number| StepReport { number, loss: 1.0, learning_rate: 0.1, gradient_norm: 1.0, tokens: 500 };
        let said: Vec<_> = (1..=6).map(|n| pace.after(&step(n), Duration::from_millis(if n == 1 { 9000 } else { 250 }))).collect();
        assert_eq!(said[3].as_deref(), Some("about 25 s left: 100 steps of 250 ms each, 2,000 tokens/s"));
        assert!(said.iter().enumerate().all(|(i, line)| i == 3 || line.is_none()));
        let mut short = TimeEstimate::new(6);
        assert!((1..=6).all(|n| short.after(&step(n), Duration::from_millis(250)).is_none()));
    }
}
