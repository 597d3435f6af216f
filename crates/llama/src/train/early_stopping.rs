//! Early stopping: what the evaluations said, and the best of what they were made of.

use monotile::{Result, Tensor};

use super::Trainer;

/// The evaluations of a run that stops where they no longer get better.
#[derive(Default)]
pub(super) struct EarlyStopping {
    /// After how many steps, and the loss.
    pub losses: Vec<(usize, f64)>,
    /// What was trained, as it was at the lowest of them.
    pub best: Option<Vec<Tensor>>,
}

impl EarlyStopping {
    /// The place of the first of the lowest losses.
    fn lowest(&self) -> Option<usize> {
        // A loss that is no number is lower than none.
        (0..self.losses.len())
            .filter(|&i| !self.losses[i].1.is_nan())
            .min_by(|&i, &j| self.losses[i].1.total_cmp(&self.losses[j].1))
    }
}

impl Trainer {
    /// [`evaluate`](Trainer::evaluate) that counts towards the run's patience: the best of what is trained is kept.
    ///
    /// # Errors
    /// As [`evaluate`](Trainer::evaluate).
    pub fn evaluate_with_patience(&mut self) -> Result<Option<f64>> {
        let Some(loss) = self.evaluate()? else { return Ok(None) };
        if self.options.patience.is_some() {
            self.evaluations.losses.push((self.steps_done(), loss));
            if self.evaluations.lowest() == Some(self.evaluations.losses.len() - 1) {
                let now = self.model.parameters(self.trained);
                self.evaluations.best = Some(now.into_iter().map(|(_, tensor)| tensor.clone()).collect());
            }
        }
        Ok(Some(loss))
    }

    /// The steps and the loss of the best evaluation so far, in a run with patience.
    pub fn best(&self) -> Option<(usize, f64)> {
        self.evaluations.lowest().map(|at| self.evaluations.losses[at])
    }

    /// Whether as many evaluations as the run's patience allows have passed without a better one.
    pub fn is_out_of_patience(&self) -> bool {
        let since = self.evaluations.lowest().map_or(0, |at| self.evaluations.losses.len() - 1 - at);
        self.options.patience.is_some_and(|patience| since >= patience)
    }

    /// Puts what was trained back to where it was best, and says where that was; `None` in a run without patience.
    pub fn restore_best(&mut self) -> Option<(usize, f64)> {
        let best = self.evaluations.best.clone()?;
        self.model.replace_parameters(self.trained, best);
        self.best()
    }
}
