//! Losses: cross-entropy of logits with the numbers of classes.

use crate::check;
use crate::door::rowwise;
use crate::error::{Error, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// What [`cross_entropy`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CrossEntropyOptions {
    /// The target that stands for none, as -100 does in many data sets: its row counts neither in the sum nor in the mean.
    pub ignore_index: Option<i64>,
}

/// The mean over rows of −ln `softmax(logits)[target]`
///
/// Shapes: logits `(…, classes)`, targets `(…)` of integers; the result is a scalar. The mean is taken in f64; bf16 and f16 logits count
/// as f32.
///
/// # Gradient
/// (softmax − one-hot) / rows, 0 in ignored rows.
///
/// # Errors
/// If the targets' shape is not that of the rows, they are no integers, one is neither a class nor ignored, or there is none that
/// counts: such a mean has no value.
///
/// # Cost
/// One pass over the logits forward and one backward; two numbers a row are kept.
///
/// # Example
/// Four classes that are equally likely:
/// ```
/// use monotile::{DType, Tensor, ops::{CrossEntropyOptions, cross_entropy}};
/// let logits = Tensor::zeros(&[2, 4], DType::F64)?;
/// let targets = Tensor::from_slice(&[3_i64, 0], &[2])?;
/// let loss = cross_entropy(&logits, &targets, &CrossEntropyOptions::default())?;
/// assert!((loss.item::<f64>()? - 4.0_f64.ln()).abs() < 1e-15);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "CrossEntropyLoss")]
#[track_caller]
pub fn cross_entropy(logits: &Tensor, targets: &Tensor, options: &CrossEntropyOptions) -> Result<Tensor> {
    let x = logits.to_compute_dtype("cross_entropy")?;
    let targets = check::indices("cross_entropy", targets)?;
    let Some((&classes, _)) = x.shape().split_last().filter(|(_, leading)| *leading == targets.shape()) else {
        let (a, b) = (x.shape(), targets.shape());
        return Err(Error::shape(format!("cross_entropy: logits of shape {a:?} need a target a row, got targets of shape {b:?}")));
    };
    let (x, targets) = (x.contiguous()?, targets.contiguous_detached()?);
    let ignored = options.ignore_index;
    let count = match rowwise::count_targets(&targets, classes, ignored) {
        Err((row, target)) => {
            return Err(Error::value(format!("cross_entropy: target {target} of row {row} is not one of the {classes} classes")));
        }
        Ok(0) => {
            let all = targets.len();
            return Err(Error::value(format!("cross_entropy: none of {all} targets counts, so that there is no mean")));
        }
        Ok(count) => count,
    };
    let (loss, kept) = rowwise::cross_entropy("cross_entropy", &x, &targets, ignored, count)?;
    let rule = Mean { targets, ignored, count, kept };
    Ok(Tensor::record(loss, &[&x], rule))
}

struct Mean {
    targets: Tensor,
    ignored: Option<i64>,
    /// The rows that count.
    count: usize,
    /// m = max x and ln Σ exp(x − m), one each a row.
    kept: [Tensor; 2],
}

impl Gradient for Mean {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }
    // x̄ = ȳ / count · (softmax(x) − one-hot) in rows that count.
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        let x = saved.input(0);
        if !saved.is_recorded() {
            let targets = (&self.targets, self.ignored, self.count);
            let g = &g.to_dtype(x.dtype())?.contiguous_detached()?;
            return Ok(vec![Some(rowwise::cross_entropy_backward("cross_entropy", &x, targets, self.kept.each_ref(), g)?)]);
        }
        let [one_hot, weight] = self.one_hot(&x)?;
        let dx = x.log_softmax(-1)?.exp()?.mul(&weight)?.sub(&one_hot)?.mul(g)?;
        Ok(vec![Some(dx)])
    }
}

impl Mean {
    /// 1 / count at each row's class, and 1 / count for each row, 0 where it is ignored.
    #[track_caller]
    fn one_hot(&self, x: &Tensor) -> Result<[Tensor; 2]> {
        let targets = self.targets.unsqueeze(-1)?;
        let counts = match self.ignored {
            Some(ignored) => targets.ne(Tensor::scalar(ignored))?,
            None => targets.eq(&targets)?,
        };
        let classes = targets.eq(&Tensor::arange(x.dim(-1))?)?;
        let share = |mask: &Tensor| mask.to_dtype(x.dtype())?.mul_scalar(1.0 / self.count as f64);
        Ok([share(&classes.and(&counts)?)?, share(&counts)?])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let classes = |classes: &[i64], shape: &[usize]| Tensor::from_slice(classes, shape).expect("as many as the shape holds");
    let options = CrossEntropyOptions { ignore_index: Some(-100) };
    vec![
        Spec::new("cross_entropy", move |x| Ok(vec![cross_entropy(&x[0], &x[1], &options)?]))
            .sample("some ignored", vec![normal(&[2, 3, 5]), classes(&[4, -100, 0, 2, -100, 2], &[2, 3])])
            .sample("one row", vec![normal(&[4]), classes(&[1], &[])])
            .shaped_reference(|x, s| {
                let n = *s[0].last().unwrap_or(&1);
                let counted: Vec<_> = x[0].chunks(n).zip(&x[1]).filter(|(_, t)| **t >= 0.0).collect();
                let loss = |(row, t): &(&[f64], &f64)| row.iter().map(|v| v.exp()).sum::<f64>().ln() - row[**t as usize];
                vec![vec![counted.iter().map(loss).sum::<f64>() / counted.len() as f64]]
            })
            .orders(2)
            .refuses(vec![normal(&[2, 3]), classes(&[0, 3], &[2])], "cross_entropy: target 3 of row 1 is not one of the 3 classes")
            .refuses(
                vec![normal(&[2, 3]), classes(&[-100, -100], &[2])],
                "cross_entropy: none of 2 targets counts, so that there is no mean",
            )
            .refuses(
                vec![normal(&[2, 3]), classes(&[0, 0, 0], &[3])],
                "cross_entropy: logits of shape [2, 3] need a target a row, got targets of shape [3]",
            )
            .refuses(vec![normal(&[2, 3]), normal(&[2])], "cross_entropy: indices must be integers, got f64"),
    ]
}

#[cfg(test)]
crate::testing::records!(specs);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_an_ignored_index_a_negative_target_is_refused() {
        let target = Tensor::from_slice(&[-100_i64], &[1]).unwrap();
        let error = cross_entropy(&normal(&[1, 3]), &target, &CrossEntropyOptions::default()).err().unwrap();
        assert_eq!(error.to_string(), "cross_entropy: target -100 of row 0 is not one of the 3 classes");
    }
}
