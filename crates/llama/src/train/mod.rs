//! Training: a small model from scratch, or an adapter on a frozen one.

mod checkpoint;
mod early_stopping;
mod options;
mod plan;
mod run;

use std::sync::OnceLock;

use monotile::optim::{AdamW, AdamWState, clip_gradients, gradient_norm};
use monotile::{Device, Error, ErrorKind, Result, Rng, Tensor};

use crate::data::{Batch, BatchOrder, TokenDataset};
use crate::model::{Model, TrainableParameters};

use early_stopping::EarlyStopping;
pub use options::TrainOptions;
pub use plan::{PlanSubject, TrainingPlan};
pub use run::{RunOptions, RunOutcome, TrainProgress, check_folder, run};

/// A training run in the making: the model, the data, the optimizer's state and the step it is at.
///
/// A step depends on the options, the data and the state alone, so a run that is saved and resumed gives the same numbers as one that
/// was not interrupted.
///
/// # Example
/// ```
/// use monotile_llama::{Config, Model, TrainableParameters, data::TokenDataset, train::{TrainOptions, Trainer}};
/// let rows = TokenDataset::new("abcabcabcabc".bytes().map(u32::from).collect(), 6)?;
/// let options = TrainOptions { steps: 20, batch: 2, learning_rate: 1e-2, ..Default::default() };
/// let mut trainer = Trainer::new(Model::random(Config::default(), 1)?, TrainableParameters::Everything, rows, options)?;
/// let first = trainer.step()?.loss;
/// while !trainer.is_done() {
///     trainer.step()?;
/// }
/// assert!(trainer.losses().last().unwrap() < &(first / 2.0));
/// # Ok::<(), monotile::Error>(())
/// ```
pub struct Trainer {
    model: Model,
    trained: TrainableParameters,
    rows: TokenDataset,
    held_out: Option<TokenDataset>,
    options: TrainOptions,
    optimizer: AdamW,
    losses: Vec<f64>,
    evaluations: EarlyStopping,
    /// The checksum of the weights that stay as they are, once it was asked for.
    base: OnceLock<String>,
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// How many steps are done, this one included.
    pub number: usize,
    /// The mean loss before it.
    pub loss: f64,
    /// Its learning rate.
    pub learning_rate: f64,
    /// The length of the gradient before clipping.
    pub gradient_norm: f64,
    /// How many tokens were predicted.
    pub tokens: usize,
}

impl Trainer {
    /// A run at its beginning.
    ///
    /// What is trained is copied to the dtype that the model computes in; frozen weights stay as they are.
    ///
    /// # Errors
    /// `Value`, for options out of range, rows longer than the context, or an adapter that is not attached.
    pub fn new(mut model: Model, trained: TrainableParameters, rows: TokenDataset, options: TrainOptions) -> Result<Self> {
        options.check()?;
        check_rows(&model, &rows)?;
        let parameters = model.parameters(trained);
        if parameters.is_empty() {
            return Err(Error::value("train: no adapter is attached to the model, so there is nothing to train"));
        }
        let copies = parameters.into_iter().map(|(_, tensor)| tensor.detach().to_dtype(model.compute_dtype())?.contiguous());
        let copies: Vec<Tensor> = copies.collect::<Result<_>>()?;
        let optimizer = AdamW::new(options.adamw());
        model = model.with_checkpointing(options.checkpointing);
        model.replace_parameters(trained, copies);
        Ok(Self {
            model,
            trained,
            rows,
            held_out: None,
            options,
            optimizer,
            losses: Vec::new(),
            evaluations: EarlyStopping::default(),
            base: OnceLock::new(),
        })
    }

    /// The same run with rows to evaluate on.
    ///
    /// # Errors
    /// `Value`, if they are longer than the context.
    pub fn with_held_out(mut self, rows: Option<TokenDataset>) -> Result<Self> {
        if let Some(rows) = &rows {
            check_rows(&self.model, rows)?;
        }
        self.held_out = rows;
        Ok(self)
    }

    /// The same run on a device: the model moves there, and what a resumed run has kept so far.
    ///
    /// A run goes on as well on another device as on its own, to the same numbers but for rounding.
    ///
    /// # Errors
    /// As [`Model::to`].
    ///
    /// # Cost
    /// The base model of an adapter is read once for its checksum, before it moves.
    pub fn to(mut self, device: &Device) -> Result<Self> {
        if !device.is_cpu() && self.trained == TrainableParameters::Adapter {
            self.base.get_or_init(|| checkpoint::base_checksum(&self.model));
        }
        self.model = self.model.to(device)?;
        let AdamWState { step, m, v } = self.optimizer.state().clone();
        let moved = |all: Vec<Tensor>| all.iter().map(|tensor| tensor.to(device)).collect::<Result<Vec<_>>>();
        self.optimizer = AdamW::resume(self.options.adamw(), AdamWState { step, m: moved(m)?, v: moved(v)? });
        self.evaluations.best = self.evaluations.best.map(moved).transpose()?;
        Ok(self)
    }

    /// The model as it is now.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The model as it is now, for good.
    pub fn into_model(self) -> Model {
        self.model
    }

    /// The options.
    pub fn options(&self) -> &TrainOptions {
        &self.options
    }

    /// The loss of every step so far.
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// How many steps are done.
    pub fn steps_done(&self) -> usize {
        self.losses.len()
    }

    /// Whether all steps are done, or the run's patience is at its end.
    pub fn is_done(&self) -> bool {
        self.steps_done() >= self.options.steps || self.is_out_of_patience()
    }

    /// How many numbers are trained.
    pub fn trained_parameters(&self) -> usize {
        self.model.parameters(self.trained).iter().map(|(_, tensor)| tensor.len()).sum()
    }

    /// Goes one step.
    ///
    /// # Errors
    /// `NotConverged`, if the loss or the gradient is not finite any more; what is trained then stays as it is.
    pub fn step(&mut self) -> Result<StepReport> {
        let done = self.steps_done();
        let TrainOptions { batch, accumulate, shuffle, seed, .. } = self.options;
        let order = BatchOrder { rows: self.rows.row_count(), batch: batch * accumulate, shuffle: shuffle.then_some(seed) };
        let chosen = order.step(done);
        let (loss, mut gradients) = self.gradients(&chosen)?;
        if !loss.is_finite() {
            return Err(diverged(format!("the loss of step {} is {loss}", done + 1)));
        }
        let gradient_norm = match self.options.clip {
            Some(clip) => clip_gradients(&mut gradients, clip)?,
            None => gradient_norm(&gradients)?,
        };
        let gradient_norm = number(&gradient_norm)?;
        if !gradient_norm.is_finite() {
            return Err(diverged(format!("the gradient of step {} is as long as {gradient_norm}", done + 1)));
        }
        self.optimizer.options.lr = self.options.learning_rate_at(done);
        // Out of the model, nobody else holds them, and the optimizer writes in place.
        let empty = vec![Tensor::scalar(0.0_f32); gradients.len()];
        let mut parameters = self.model.replace_parameters(self.trained, empty);
        let updated = self.optimizer.step(&mut parameters, &gradients);
        self.model.replace_parameters(self.trained, parameters.iter().map(Tensor::detach).collect());
        updated?;
        self.losses.push(loss);
        let tokens = chosen.iter().map(|&row| self.rows.loss_token_count_in(row)).sum();
        Ok(StepReport { number: done + 1, loss, learning_rate: self.options.learning_rate_at(done), gradient_norm, tokens })
    }

    /// Checks that a run can go on from what is trained: every number of it and of the optimizer's averages is finite, and so is the
    /// loss of one row.
    ///
    /// # Errors
    /// `NotConverged`, if not; such a state is not worth saving.
    ///
    /// # Cost
    /// One read of these numbers and one forward pass of a row.
    pub fn check_finite(&self) -> Result<()> {
        let steps = self.steps_done();
        let AdamWState { m, v, .. } = self.optimizer.state();
        let trained = self.model.parameters(self.trained);
        for tensor in trained.iter().map(|(_, tensor)| *tensor).chain(m).chain(v).filter(|tensor| !tensor.is_empty()) {
            let largest = number(&tensor.detach().abs()?.max(&[], false)?)?;
            if !largest.is_finite() {
                return Err(diverged(format!("after step {steps} what is trained holds {largest}")));
            }
        }
        let Some(row) = (0..self.rows.row_count()).find(|&row| self.rows.loss_token_count_in(row) > 0) else { return Ok(()) };
        let loss = number(&self.model.batch_loss(&Batch::from_dataset(&self.rows, &[row])?, None)?)?;
        if loss.is_finite() { Ok(()) } else { Err(diverged(format!("after step {steps} the loss is {loss}"))) }
    }

    /// The mean loss over the tokens that some rows learn, and the gradient of what is trained, in the order of [`Model::parameters`].
    ///
    /// # Errors
    /// None that rows of this run can cause.
    pub fn gradients(&mut self, rows: &[usize]) -> Result<(f64, Vec<Tensor>)> {
        let leaves: Vec<Tensor> = self.model.parameters(self.trained).iter().map(|(_, tensor)| tensor.requires_grad()).collect();
        let plain = self.model.replace_parameters(self.trained, leaves.clone());
        let found = self.accumulate(rows, &leaves);
        // Whatever happened, what stays in the model is not on the tape.
        self.model.replace_parameters(self.trained, plain);
        found
    }

    fn accumulate(&self, rows: &[usize], leaves: &[Tensor]) -> Result<(f64, Vec<Tensor>)> {
        let mut total: Vec<Option<Tensor>> = vec![None; leaves.len()];
        let mut losses = Vec::new();
        let learned: usize = rows.iter().map(|&row| self.rows.loss_token_count_in(row)).sum();
        let passes = rows.chunks(self.options.batch);
        for (pass, chosen) in passes.enumerate() {
            let batch = Batch::from_dataset(&self.rows, chosen)?;
            let step = self.steps_done() as u64;
            let dropout = Rng::new(self.options.seed).fork(step).fork(pass as u64);
            // Every pass counts by its share of the tokens, so that the mean is over all of them.
            let share = batch.loss_token_count() as f64 / learned as f64;
            let loss = self.model.batch_loss(&batch, Some(dropout))?.mul_scalar(share)?;
            let mut gradients = loss.backward()?;
            // Read after all passes: nobody waits for a device between them.
            losses.push(loss.detach());
            for (total, leaf) in total.iter_mut().zip(leaves) {
                *total = match (total.take(), gradients.take(leaf)) {
                    (Some(sum), Some(new)) => Some(sum.add(&new)?),
                    (sum, new) => sum.or(new),
                };
            }
        }
        let all = total.into_iter().zip(leaves).map(|(sum, leaf)| sum.unwrap_or_else(|| leaf.zeros_like()));
        let gradients = all.collect();
        let loss = losses.iter().try_fold(0.0, |sum, loss| Ok::<f64, Error>(sum + number(loss)?))?;
        Ok((loss, gradients))
    }

    /// The mean loss over the tokens that the held-out rows learn; `None` where there are none.
    ///
    /// # Errors
    /// None that rows of this run can cause.
    pub fn evaluate(&self) -> Result<Option<f64>> {
        let Some(rows) = &self.held_out else { return Ok(None) };
        let all: Vec<usize> = (0..rows.row_count()).collect();
        let mut sum = 0.0;
        for chosen in all.chunks(self.options.batch) {
            let batch = Batch::from_dataset(rows, chosen)?;
            sum += number(&self.model.batch_loss(&batch, None)?)? * batch.loss_token_count() as f64;
        }
        Ok(Some(sum / rows.loss_token_count() as f64))
    }
}

/// The error of a run whose numbers are none any more.
fn diverged(what: String) -> Error {
    Error::new(ErrorKind::NotConverged, format!("train: {what}; a lower learning rate may help"))
}

/// The one element of a loss, in whichever dtype it was computed.
fn number(loss: &Tensor) -> Result<f64> {
    Ok(loss.to_f64_vec()?[0])
}

fn check_rows(model: &Model, rows: &TokenDataset) -> Result<()> {
    let (longest, context) = (rows.longest(), model.config().context());
    if longest > context {
        return Err(Error::value(format!("train: rows of {longest} tokens are longer than the model's context of {context}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
