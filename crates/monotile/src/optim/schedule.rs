//! How a learning rate changes over a run.

use std::f64::consts::PI;

/// How a learning rate goes down after it has gone up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Decay {
    /// It stays.
    #[default]
    Constant,
    /// Straight down to the floor.
    Linear,
    /// Down to the floor by half a cosine (Loshchilov and Hutter 2017).
    Cosine,
}

/// A learning rate that rises linearly over `warmup` steps to `peak` and then decays to `floor` at step `steps`.
///
/// # Example
/// ```
/// use monotile::optim::{Decay, Schedule};
/// let schedule = Schedule { peak: 1.0, floor: 0.1, warmup: 4, steps: 12, decay: Decay::Cosine };
/// assert_eq!(schedule.learning_rate(0), 0.25);
/// assert_eq!(schedule.learning_rate(4), 1.0);
/// assert!((schedule.learning_rate(8) - 0.55).abs() < 1e-15);
/// assert_eq!(schedule.learning_rate(12), 0.1);
/// ```
#[doc(alias = "lr_scheduler")]
#[doc(alias = "LambdaLR")]
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// The largest rate.
    pub peak: f64,
    /// The rate at the end, where it decays.
    pub floor: f64,
    /// Steps over which it rises.
    pub warmup: usize,
    /// The steps of the run.
    pub steps: usize,
    /// How it goes down.
    pub decay: Decay,
}

impl Schedule {
    /// The rate of step `step`, counted from 0; the floor beyond the end of a schedule that decays.
    #[doc(alias = "get_last_lr")]
    pub fn learning_rate(&self, step: usize) -> f64 {
        if step < self.warmup {
            return self.peak * (step + 1) as f64 / self.warmup as f64;
        }
        let length = self.steps.saturating_sub(self.warmup).max(1) as f64;
        let progress = ((step - self.warmup) as f64 / length).min(1.0);
        let left = match self.decay {
            Decay::Constant => return self.peak,
            Decay::Linear => 1.0 - progress,
            Decay::Cosine => 0.5 * (1.0 + (PI * progress).cos()),
        };
        self.floor + (self.peak - self.floor) * left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_rise_to_the_peak_and_fall_to_the_floor() {
        for decay in [Decay::Linear, Decay::Cosine] {
            let schedule = Schedule { peak: 2.0, floor: 0.5, warmup: 3, steps: 10, decay };
            let rates: Vec<f64> = (0..13).map(|step| schedule.learning_rate(step)).collect();
            assert!(rates[..4].is_sorted() && rates[3] == 2.0 && rates[3..].iter().rev().is_sorted());
            assert!(rates[10..].iter().all(|&rate| rate == 0.5));
        }
    }

    #[test]
    fn a_constant_rate_only_warms_up_and_a_run_of_no_steps_has_a_rate() {
        let schedule = Schedule { peak: 2.0, floor: 0.0, warmup: 2, steps: 5, decay: Decay::Constant };
        assert_eq!([0, 1, 2, 9].map(|step| schedule.learning_rate(step)), [1.0, 2.0, 2.0, 2.0]);
        assert!(Schedule { steps: 0, warmup: 0, decay: Decay::Linear, ..schedule }.learning_rate(0).is_finite());
    }
}
