//! How to train: the numbers a person chooses.

use monotile::optim::{AdamWOptions, Decay, Schedule};
use monotile::{Error, Result};
use serde_json::{Value, json};

/// The numbers of a training run.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainOptions {
    /// How many steps.
    pub steps: usize,
    /// Rows a pass.
    pub batch: usize,
    /// Passes whose gradients are averaged before a step.
    pub accumulate: usize,
    /// The largest learning rate.
    pub learning_rate: f64,
    /// How it goes down after rising; it ends at 0.
    pub decay: Decay,
    /// Steps over which it first goes up.
    pub warmup: usize,
    /// AdamW's averages of gradients and of their squares.
    pub betas: (f64, f64),
    /// What AdamW adds to the root of the latter.
    pub epsilon: f64,
    /// The share of matrices that a step of rate 1 takes away; vectors (norms, biases) decay never.
    pub weight_decay: f64,
    /// The longest gradient, over all numbers trained; longer ones are shortened to it.
    pub clip: Option<f64>,
    /// Evaluations in a row that may pass without a better one; then the run ends, with the best of what was trained. `None` goes all
    /// steps and keeps the last.
    pub patience: Option<usize>,
    /// Whether rows are shuffled every epoch; else step i takes rows i · batch and on.
    pub shuffle: bool,
    /// The seed of shuffling and dropout.
    pub seed: u64,
    /// Whether blocks are computed again for their gradients instead of being kept: the same numbers, less memory, more time.
    pub checkpointing: bool,
}

/// The most rows of one step: their numbers are drawn beforehand.
const MOST_ROWS: usize = 1 << 30;

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            steps: 300,
            batch: 8,
            accumulate: 1,
            learning_rate: 1e-3,
            decay: Decay::Constant,
            warmup: 0,
            betas: (0.9, 0.999),
            epsilon: 1e-8,
            weight_decay: 0.0,
            clip: None,
            patience: None,
            shuffle: true,
            seed: 0,
            checkpointing: false,
        }
    }
}

impl TrainOptions {
    /// Checks that the numbers make sense.
    ///
    /// # Errors
    /// `Value`, naming the first that does not.
    pub fn check(&self) -> Result<()> {
        for (name, count) in [("steps", self.steps), ("batch", self.batch), ("accumulate", self.accumulate)] {
            if count == 0 {
                return Err(Error::value(format!("train: {name} must be 1 or above, got 0")));
            }
        }
        if self.batch.checked_mul(self.accumulate).is_none_or(|rows| rows > MOST_ROWS) {
            let (batch, accumulate) = (self.batch, self.accumulate);
            return Err(Error::value(format!(
                "train: batch {batch} times accumulate {accumulate} is more than {MOST_ROWS} rows a step"
            )));
        }
        if self.patience == Some(0) {
            return Err(Error::value("train: patience must be 1 or above, got 0"));
        }
        let rate = |x: f64| (0.0..1.0).contains(&x);
        let refuse = |name: &str, wanted: &str, got: f64| Err(Error::value(format!("train: {name} must be {wanted}, got {got}")));
        if !(self.learning_rate > 0.0 && self.learning_rate.is_finite()) {
            return refuse("learning_rate", "above 0", self.learning_rate);
        }
        if !(rate(self.betas.0) && rate(self.betas.1)) {
            let odd = if rate(self.betas.0) { self.betas.1 } else { self.betas.0 };
            return refuse("each of betas", "at least 0 and below 1", odd);
        }
        if !(self.epsilon >= 0.0 && self.epsilon.is_finite()) {
            return refuse("epsilon", "0 or above", self.epsilon);
        }
        if !(self.weight_decay >= 0.0 && self.weight_decay.is_finite()) {
            return refuse("weight_decay", "0 or above", self.weight_decay);
        }
        match self.clip {
            Some(clip) if !(clip > 0.0 && clip.is_finite()) => refuse("clip", "above 0", clip),
            _ => Ok(()),
        }
    }

    /// The learning rate of a step, the first being 0.
    ///
    /// # Example
    /// ```
    /// use monotile::optim::Decay;
    /// use monotile_llama::train::TrainOptions;
    /// let options = TrainOptions { steps: 110, warmup: 10, learning_rate: 1.0, decay: Decay::Cosine, ..Default::default() };
    /// assert_eq!((options.learning_rate_at(0), options.learning_rate_at(9), options.learning_rate_at(10)), (0.1, 1.0, 1.0));
    /// assert!((options.learning_rate_at(60) - 0.5).abs() < 1e-12);
    /// ```
    pub fn learning_rate_at(&self, step: usize) -> f64 {
        let TrainOptions { steps, warmup, decay, learning_rate: peak, .. } = *self;
        Schedule { peak, floor: 0.0, warmup, steps, decay }.learning_rate(step)
    }

    /// The optimizer's options, at the largest learning rate.
    pub(super) fn adamw(&self) -> AdamWOptions {
        AdamWOptions {
            lr: self.learning_rate,
            betas: self.betas,
            eps: self.epsilon,
            weight_decay: self.weight_decay,
            decay_from_rank: 2,
        }
    }

    /// The options as a checkpoint keeps them, to be compared when a run goes on.
    pub(super) fn json(&self) -> Value {
        json!({
            "steps": self.steps, "batch": self.batch, "accumulate": self.accumulate, "learning_rate": self.learning_rate,
            "schedule": format!("{:?}", self.decay).to_lowercase(), "warmup": self.warmup, "betas": [self.betas.0, self.betas.1],
            "epsilon": self.epsilon, "weight_decay": self.weight_decay, "clip": self.clip, "patience": self.patience, "shuffle": self.shuffle,
            "seed": self.seed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_make_no_sense_are_refused() {
        let default = TrainOptions::default;
        let refused = |options: TrainOptions| options.check().unwrap_err().to_string();
        assert_eq!(refused(TrainOptions { batch: 0, ..default() }), "train: batch must be 1 or above, got 0");
        let rows = "train: batch 9223372036854775808 times accumulate 2 is more than 1073741824 rows a step";
        assert_eq!(refused(TrainOptions { batch: 1 << 63, accumulate: 2, ..default() }), rows);
        assert_eq!(refused(TrainOptions { learning_rate: f64::NAN, ..default() }), "train: learning_rate must be above 0, got NaN");
        assert_eq!(
            refused(TrainOptions { betas: (0.9, 1.0), ..default() }),
            "train: each of betas must be at least 0 and below 1, got 1"
        );
        assert_eq!(refused(TrainOptions { patience: Some(0), ..default() }), "train: patience must be 1 or above, got 0");
        assert_eq!(refused(TrainOptions { clip: Some(0.0), ..default() }), "train: clip must be above 0, got 0");
    }
}
