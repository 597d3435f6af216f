//! The negative log-likelihood of classes, and what counts in a loss of classes.

use super::pointwise_loss::LossReduction;
use crate::check;
use crate::door::rowwise;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal, positive};

/// What [`nll_loss`] counts, and how often.
#[derive(Clone, Default)]
pub struct NllLossOptions {
    /// The target that stands for none: its row counts neither in the sum nor in the mean.
    pub ignore_index: Option<i64>,
    /// w `(classes)`: how often a row of each class counts; 1 if there is none.
    pub weight: Option<Tensor>,
    /// What becomes of the rows' losses; the mean is by Σ w of the rows that count.
    pub reduction: LossReduction,
}

/// The mean over rows of −w x at the target's class: the negative log-likelihood, if x are logarithms of probabilities.
///
/// Shapes: x `(…, classes)`, targets `(…)` of i64. The result is a scalar, or `(…)` with [`LossReduction::None`]. bf16 and f16 count as f32.
///
/// # Gradient
/// −w / Σ w at each target's class, 0 elsewhere; weights have a gradient too.
///
/// # Errors
/// If the targets' shape is not that of the rows, they are not i64, one is neither a class nor ignored, or weights are not one a class. If a
/// mean is asked for and no target counts.
///
/// # Example
/// ```
/// use monotile::{Tensor, ops::{NllLossOptions, nll_loss}};
/// let x = Tensor::from_rows(&[[0.25_f64, 0.75], [0.5, 0.5]])?.ln()?;
/// let targets = Tensor::from_slice(&[1_i64, 0], &[2])?;
/// let loss = nll_loss(&x, &targets, &NllLossOptions::default())?.item::<f64>()?;
/// assert!((loss + 0.5 * (0.75_f64.ln() + 0.5_f64.ln())).abs() < 1e-15);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "NLLLoss")]
#[doc(alias = "negative log-likelihood")]
#[track_caller]
pub fn nll_loss(log_probabilities: &Tensor, targets: &Tensor, options: &NllLossOptions) -> Result<Tensor> {
    let op = "nll_loss";
    let x = log_probabilities.to_compute_dtype(op)?;
    let rows = CountedRows::new(op, "log-probabilities", &x, targets, options.ignore_index)?;
    if options.reduction == LossReduction::Mean {
        rows.check_mean(op)?;
    }
    let weight = class_weights(op, &x, options.weight.as_ref())?;
    let (losses, shares) = rows.losses(&x, weight.as_ref())?;
    averaged(losses, options.reduction, &rows, shares.as_ref())
}

/// The classes of rows, of which some may not count.
pub(super) struct CountedRows {
    /// Contiguous, of i64.
    pub targets: Tensor,
    pub ignored: Option<i64>,
    /// The rows that count.
    pub count: usize,
}

impl CountedRows {
    /// Refuses targets that are not one a row, and such as are neither a class nor ignored.
    #[track_caller]
    pub fn new(op: &str, what: &str, x: &Tensor, targets: &Tensor, ignored: Option<i64>) -> Result<Self> {
        let targets = check::indices(op, targets)?;
        let Some((&classes, _)) = x.shape().split_last().filter(|(_, leading)| *leading == targets.shape()) else {
            let (a, b) = (x.shape(), targets.shape());
            return Err(Error::shape(format!("{op}: {what} of shape {a:?} need a target a row, got targets of shape {b:?}")));
        };
        let targets = targets.contiguous_detached(op)?;
        match rowwise::count_targets(&targets, classes, ignored) {
            Ok(count) => Ok(Self { targets, ignored, count }),
            Err((row, target)) => {
                Err(Error::value(format!("{op}: target {target} of row {row} is not one of the {classes} classes")))
            }
        }
    }

    #[track_caller]
    pub fn check_mean(&self, op: &str) -> Result<()> {
        if self.count == 0 {
            let all = self.targets.len();
            return Err(Error::value(format!("{op}: none of {all} targets counts, so that there is no mean")));
        }
        Ok(())
    }

    /// −w x at each row's class, and w there, both 0 in rows that do not count.
    #[track_caller]
    pub fn losses(&self, x: &Tensor, weight: Option<&Tensor>) -> Result<(Tensor, Option<Tensor>)> {
        // Rows that do not count read class 0.
        let classes = match self.ignored {
            Some(ignored) => self.targets.eq(Tensor::scalar(ignored))?.where_(Tensor::scalar(0_i64), &self.targets)?,
            None => self.targets.clone(),
        };
        let found = self.counted(x.gather(-1, &classes.unsqueeze(-1)?)?.squeeze(-1)?)?.neg()?;
        let Some(weight) = weight else { return Ok((found, None)) };
        let shares = weight.index_select(0, &classes.reshape(&[classes.len()])?)?.reshape(classes.shape())?;
        let shares = self.counted(shares)?;
        Ok((found.mul(&shares)?, Some(shares)))
    }

    /// A number a row, 0 where the row does not count.
    #[track_caller]
    pub fn counted(&self, x: Tensor) -> Result<Tensor> {
        let Some(ignored) = self.ignored else { return Ok(x) };
        self.targets.eq(Tensor::scalar(ignored))?.where_(Tensor::scalar_as(0.0, x.dtype()), x)
    }
}

/// Weights in the type of the computation, if there is one a class.
#[track_caller]
pub(super) fn class_weights(op: &str, x: &Tensor, weight: Option<&Tensor>) -> Result<Option<Tensor>> {
    let Some(weight) = weight else { return Ok(None) };
    let classes = x.dim(-1);
    if weight.shape() != [classes] {
        let w = weight.shape();
        return Err(Error::shape(format!("{op}: needs a weight for each of {classes} classes, got weights of shape {w:?}")));
    }
    Ok(Some(weight.to_dtype(x.dtype())?))
}

/// What is asked for of the rows' losses; the mean divides by the sum of weights, or by the rows that count.
#[track_caller]
pub(super) fn averaged(losses: Tensor, reduction: LossReduction, rows: &CountedRows, shares: Option<&Tensor>) -> Result<Tensor> {
    match (reduction, shares) {
        (LossReduction::None, _) => Ok(losses),
        (LossReduction::Sum, _) => losses.sum(&[], false),
        (LossReduction::Mean, None) => losses.sum(&[], false)?.mul_scalar(1.0 / rows.count as f64),
        (LossReduction::Mean, Some(shares)) => losses.sum(&[], false)?.div(shares.sum(&[], false)?),
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let classes = |classes: &[i64], shape: &[usize]| Tensor::from_slice(classes, shape).expect("as many as the shape holds");
    let weighted = |x: &[Tensor], reduction: LossReduction| {
        let options = NllLossOptions { ignore_index: Some(-1), weight: Some(x[2].clone()), reduction };
        Ok(vec![nll_loss(&x[0], &x[1], &options)?])
    };
    vec![
        Spec::new("nll_loss", |x| Ok(vec![nll_loss(&x[0], &x[1], &NllLossOptions::default())?]))
            .sample("rows", vec![normal(&[3, 4]), classes(&[3, 0, 3], &[3])])
            .sample("one row", vec![normal(&[4]), classes(&[1], &[])])
            .shaped_reference(|x, s| {
                let n = *s[0].last().unwrap_or(&1);
                let sum: f64 = x[0].chunks(n).zip(&x[1]).map(|(row, t)| -row[*t as usize]).sum();
                vec![vec![sum / x[1].len() as f64]]
            })
            .orders(2)
            .may_drop_nan()
            .refuses(vec![normal(&[2, 3]), classes(&[0, 3], &[2])], "nll_loss: target 3 of row 1 is not one of the 3 classes")
            .refuses(vec![normal(&[0, 3]), classes(&[], &[0])], "nll_loss: none of 0 targets counts, so that there is no mean")
            .refuses(
                vec![normal(&[2, 3]), classes(&[0, 0, 0], &[3])],
                "nll_loss: log-probabilities of shape [2, 3] need a target a row, got targets of shape [3]",
            )
            .refuses(vec![normal(&[2, 3]), normal(&[2])], "nll_loss: indices must be integers, got f64"),
        Spec::new("nll_loss with weights", move |x| weighted(x, LossReduction::Mean))
            .sample("some ignored", vec![normal(&[2, 3, 5]), classes(&[4, -1, 0, 2, -1, 2], &[2, 3]), positive(&[5])])
            .orders(2)
            .may_drop_nan()
            .refuses(
                vec![normal(&[1, 3]), classes(&[0], &[1]), positive(&[3, 1])],
                "nll_loss: needs a weight for each of 3 classes, got weights of shape [3, 1]",
            ),
        Spec::new("nll_loss a row", move |x| weighted(x, LossReduction::None))
            .sample("some ignored", vec![normal(&[4, 5]), classes(&[4, -1, 0, 2], &[4]), positive(&[5])])
            .sample("none", vec![normal(&[0, 5]), classes(&[], &[0]), positive(&[5])])
            .orders(2)
            .may_drop_nan(),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: nll_loss, nll_loss_with_weights, nll_loss_a_row);

#[cfg(test)]
mod tests {
    use super::*;

    /// `F.nll_loss(x, t, weight=w, ignore_index=-100, reduction=…)` of PyTorch.
    #[test]
    fn losses_are_those_of_pytorch() {
        let rows = [[0.5, -1.0, 2.0], [1.5, 0.25, -0.75], [-2.0, 0.0, 1.0], [3.0, 0.5, -0.5]];
        let (x, w) = (Tensor::from_rows(&rows).unwrap(), Tensor::from(vec![0.5, 1.0, 2.0]));
        let classes = Tensor::from_slice(&[2_i64, 0, -100, 1], &[4]).unwrap();
        let loss = |reduction| {
            let options = NllLossOptions { ignore_index: Some(-100), weight: Some(w.clone()), reduction };
            nll_loss(&x, &classes, &options).unwrap().to_f64_vec().unwrap()
        };
        assert_eq!(loss(LossReduction::Mean), [-1.5]);
        assert_eq!(loss(LossReduction::Sum), [-5.25]);
        assert_eq!(loss(LossReduction::None), [-4.0, -0.75, 0.0, -0.5]);
    }
}
