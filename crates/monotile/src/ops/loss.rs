//! Cross-entropy of logits with the numbers of classes, or with their probabilities.

use super::nll_loss::{CountedRows, averaged, class_weights};
use super::pointwise_loss::LossReduction;
use crate::door::rowwise;
use crate::error::{Error, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal, positive};

/// What [`cross_entropy`] counts, and how often.
#[derive(Clone, Default)]
pub struct CrossEntropyOptions {
    /// The target that stands for none, as -100 does in many data sets: its row counts neither in the sum nor in the mean.
    pub ignore_index: Option<i64>,
    /// w `(classes)`: how often a row of each class counts; 1 if there is none.
    pub weight: Option<Tensor>,
    /// ε in \[0, 1\]: the share of each target that goes to all classes alike.
    pub label_smoothing: f64,
    /// What becomes of the rows' losses. The mean of classes is by Σ w of the rows that count, that of probabilities by the rows.
    pub reduction: LossReduction,
}

/// The mean over rows of −ln `softmax(logits)[target]`, or with targets q that are probabilities of −Σ q ln `softmax(logits)`
///
/// With weights w and smoothing ε a row's loss is −Σ w q' ln `softmax(logits)`, where q' = (1 − ε) q + ε / classes, and q is 1 at the target.
///
/// Shapes: logits `(…, classes)`, targets `(…)` of integers, or probabilities `(…, classes)` of a floating-point type. The result is a scalar, or
/// `(…)` with [`LossReduction::None`]. A plain mean or sum is taken in f64; bf16 and f16 logits count as f32.
///
/// # Gradient
/// (softmax − one-hot) / rows, 0 in ignored rows. Weights and probabilities have gradients too.
///
/// # Errors
/// If the targets have neither shape, one is neither a class nor ignored, weights are not one a class, or ε is outside \[0, 1\]. If a mean
/// is asked for and no target counts: it has no value. If probabilities come with an `ignore_index`.
///
/// # Cost
/// Of classes without weights or smoothing: one pass over the logits forward and one backward; two numbers a row are kept. All else is a
/// composition, which keeps ln softmax.
///
/// # Source
/// Szegedy et al. (2016), Rethinking the Inception architecture, section 7, for the smoothing.
///
/// # Example
/// Four classes that are equally likely, then a class that counts twice:
/// ```
/// use monotile::{DType, Tensor, ops::{CrossEntropyOptions, LossReduction, cross_entropy}};
/// let logits = Tensor::zeros(&[2, 4], DType::F64)?;
/// let targets = Tensor::from_slice(&[3_i64, 0], &[2])?;
/// let loss = cross_entropy(&logits, &targets, &CrossEntropyOptions::default())?;
/// assert!((loss.item::<f64>()? - 4.0_f64.ln()).abs() < 1e-15);
/// let weight = Some(Tensor::from(vec![1.0, 1.0, 1.0, 2.0]));
/// let options = CrossEntropyOptions { weight, reduction: LossReduction::Sum, ..Default::default() };
/// assert!((cross_entropy(&logits, &targets, &options)?.item::<f64>()? - 3.0 * 4.0_f64.ln()).abs() < 1e-15);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "CrossEntropyLoss")]
#[doc(alias = "label_smoothing")]
#[track_caller]
pub fn cross_entropy(logits: &Tensor, targets: &Tensor, options: &CrossEntropyOptions) -> Result<Tensor> {
    let op = "cross_entropy";
    let x = logits.to_compute_dtype(op)?;
    let smoothing = options.label_smoothing;
    if !(0.0..=1.0).contains(&smoothing) {
        return Err(Error::value(format!("{op}: label_smoothing must lie in [0, 1], got {smoothing}")));
    }
    if targets.dtype().is_float() {
        return of_probabilities(op, &x, targets, options);
    }
    let rows = CountedRows::new(op, "logits", &x, targets, options.ignore_index)?;
    if options.reduction == LossReduction::Mean {
        rows.check_mean(op)?;
    }
    if options.weight.is_none() && smoothing == 0.0 && options.reduction != LossReduction::None {
        let divisor = if options.reduction == LossReduction::Mean { rows.count } else { 1 };
        let (targets, ignored, x) = (rows.targets, rows.ignored, x.contiguous_for("cross_entropy")?);
        let (loss, kept) = rowwise::cross_entropy(op, &x, &targets, ignored, divisor)?;
        return Ok(Tensor::record(loss, &[&x], Fused { targets, ignored, divisor, kept }));
    }
    let weight = class_weights(op, &x, options.weight.as_ref())?;
    let logarithms = x.log_softmax(-1)?;
    let (mut losses, shares) = rows.losses(&logarithms, weight.as_ref())?;
    if smoothing > 0.0 {
        let all = match &weight {
            Some(w) => logarithms.mul(w)?.mean(&[-1], false)?,
            None => logarithms.mean(&[-1], false)?,
        };
        losses = losses.mul_scalar(1.0 - smoothing)?.sub(rows.counted(all)?.mul_scalar(smoothing)?)?;
    }
    averaged(losses, options.reduction, &rows, shares.as_ref())
}

/// −Σ w q' ln softmax(x) of each row.
#[track_caller]
fn of_probabilities(op: &str, x: &Tensor, targets: &Tensor, options: &CrossEntropyOptions) -> Result<Tensor> {
    if x.rank() == 0 || x.shape() != targets.shape() {
        let (x, t) = (x.shape(), targets.shape());
        return Err(Error::shape(format!(
            "{op}: targets that are probabilities need the shape of the logits {x:?}, got {t:?}; classes are integers"
        )));
    }
    if let Some(ignored) = options.ignore_index {
        return Err(Error::value(format!("{op}: targets that are probabilities have no class {ignored} to ignore")));
    }
    let (classes, smoothing) = (x.dim(-1) as f64, options.label_smoothing);
    let mut q = targets.to_dtype(x.dtype())?;
    if smoothing > 0.0 {
        q = q.mul_scalar(1.0 - smoothing)?.add_scalar(smoothing / classes)?;
    }
    if let Some(w) = class_weights(op, x, options.weight.as_ref())? {
        q = q.mul(&w)?;
    }
    let losses = x.log_softmax(-1)?.mul(&q)?.sum(&[-1], false)?.neg()?;
    match options.reduction {
        LossReduction::Mean => losses.mean(&[], false),
        LossReduction::Sum => losses.sum(&[], false),
        LossReduction::None => Ok(losses),
    }
}

/// The sum over rows, divided, in one pass.
struct Fused {
    targets: Tensor,
    ignored: Option<i64>,
    /// The rows that count, for a mean; 1 for a sum.
    divisor: usize,
    /// m = max x and ln Σ exp(x − m), one each a row.
    kept: [Tensor; 2],
}

impl Gradient for Fused {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }
    // x̄ = ȳ / divisor · (softmax(x) − one-hot) in rows that count.
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        let x = saved.input(0);
        if !saved.is_recorded() {
            let targets = (&self.targets, self.ignored, self.divisor);
            let g = &g.to_dtype(x.dtype())?.contiguous_detached("cross_entropy")?;
            return Ok(vec![Some(rowwise::cross_entropy_backward("cross_entropy", &x, targets, self.kept.each_ref(), g)?)]);
        }
        let [one_hot, weight] = self.one_hot(&x)?;
        let dx = x.log_softmax(-1)?.exp()?.mul(&weight)?.sub(&one_hot)?.mul(g)?;
        Ok(vec![Some(dx)])
    }
}

impl Fused {
    /// 1 / divisor at each row's class, and 1 / divisor for each row, 0 where it is ignored.
    #[track_caller]
    fn one_hot(&self, x: &Tensor) -> Result<[Tensor; 2]> {
        let targets = self.targets.unsqueeze(-1)?;
        let counts = match self.ignored {
            Some(ignored) => targets.ne(Tensor::scalar(ignored))?,
            None => targets.eq(&targets)?,
        };
        let classes = targets.eq(Tensor::arange(x.dim(-1))?.to(&x.device())?)?;
        let share = |mask: &Tensor| mask.to_dtype(x.dtype())?.mul_scalar(1.0 / self.divisor as f64);
        Ok([share(&classes.and(&counts)?)?, share(&counts)?])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let classes = |classes: &[i64], shape: &[usize]| Tensor::from_slice(classes, shape).expect("as many as the shape holds");
    let options = CrossEntropyOptions { ignore_index: Some(-100), ..Default::default() };
    let weighted = |x: &[Tensor], label_smoothing: f64, reduction: LossReduction| {
        let options = CrossEntropyOptions { ignore_index: Some(-1), weight: Some(x[2].clone()), label_smoothing, reduction };
        Ok(vec![cross_entropy(&x[0], &x[1], &options)?])
    };
    let soft = |x: &[Tensor]| {
        let options = CrossEntropyOptions { weight: Some(x[2].clone()), label_smoothing: 0.1, ..Default::default() };
        Ok(vec![cross_entropy(&x[0], &x[1], &options)?])
    };
    let ignored = || vec![normal(&[2, 3, 5]), classes(&[4, -1, 0, 2, -1, 2], &[2, 3]), positive(&[5])];
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
            .refuses(
                vec![normal(&[2, 3]), normal(&[2])],
                "cross_entropy: targets that are probabilities need the shape of the logits [2, 3], got [2]; classes are integers",
            )
            .refuses(
                vec![normal(&[2, 3]), normal(&[2, 3])],
                "cross_entropy: targets that are probabilities have no class -100 to ignore",
            ),
        Spec::new("the sum of cross_entropy", |x| {
            let options = CrossEntropyOptions { reduction: LossReduction::Sum, ..Default::default() };
            Ok(vec![cross_entropy(&x[0], &x[1], &options)?])
        })
        .sample("three rows", vec![normal(&[3, 4]), classes(&[3, 0, 3], &[3])])
        .sample("none", vec![normal(&[0, 4]), classes(&[], &[0])])
        .orders(2),
        Spec::new("cross_entropy with weights", move |x| weighted(x, 0.0, LossReduction::Mean))
            .sample("some ignored", ignored())
            .shaped_reference(|x, s| {
                let n = *s[0].last().unwrap_or(&1);
                let counted: Vec<_> = x[0].chunks(n).zip(&x[1]).filter(|(_, t)| **t >= 0.0).collect();
                let loss = |(row, t): &(&[f64], &f64)| {
                    x[2][**t as usize] * (row.iter().map(|v| v.exp()).sum::<f64>().ln() - row[**t as usize])
                };
                let weights: f64 = counted.iter().map(|(_, t)| x[2][**t as usize]).sum();
                vec![vec![counted.iter().map(loss).sum::<f64>() / weights]]
            })
            .orders(2)
            .may_drop_nan()
            .refuses(
                vec![normal(&[1, 3]), classes(&[0], &[1]), positive(&[4])],
                "cross_entropy: needs a weight for each of 3 classes, got weights of shape [4]",
            ),
        Spec::new("cross_entropy with weights and smoothing", move |x| weighted(x, 0.25, LossReduction::None))
            .sample("some ignored", ignored())
            .orders(2)
            .may_drop_nan(),
        Spec::new("cross_entropy of probabilities", soft)
            .sample("rows", vec![normal(&[3, 4]), positive(&[3, 4]), positive(&[4])])
            .shaped_reference(|x, s| {
                let n = s[0][1];
                let loss = |(row, q): (&[f64], &[f64])| {
                    let l = row.iter().map(|v| v.exp()).sum::<f64>().ln();
                    (0..n).map(|c| x[2][c] * (0.9 * q[c] + 0.1 / n as f64) * (l - row[c])).sum::<f64>()
                };
                vec![vec![x[0].chunks(n).zip(x[1].chunks(n)).map(loss).sum::<f64>() / s[0][0] as f64]]
            })
            .orders(2),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: cross_entropy, the_sum_of_cross_entropy, cross_entropy_with_weights, cross_entropy_with_weights_and_smoothing, cross_entropy_of_probabilities);

#[cfg(test)]
mod tests {
    use super::*;

    /// `F.cross_entropy` of PyTorch in f64: of classes with `ignore_index=-100`, of probabilities, with `weight` and `label_smoothing=0.25`.
    #[test]
    fn losses_are_those_of_pytorch() {
        let rows = [[0.5, -1.0, 2.0], [1.5, 0.25, -0.75], [-2.0, 0.0, 1.0], [3.0, 0.5, -0.5]];
        let x = Tensor::from_rows(&rows).unwrap().requires_grad();
        let q = Tensor::from_rows(&[[0.25, 0.25, 0.5], [0.0, 1.0, 0.0], [0.125, 0.5, 0.375], [1.0, 0.0, 0.0]]).unwrap();
        let classes = Tensor::from_slice(&[2_i64, 0, -100, 1], &[4]).unwrap();
        let w = Tensor::from(vec![0.5, 1.0, 2.0]);
        let near = |got: &Tensor, expected: &[f64]| {
            let got = got.to_f64_vec().unwrap();
            let same = |(a, b): (&f64, &f64)| (a - b).abs() <= 2e-15 * b.abs().max(1.0);
            assert!(got.len() == expected.len() && got.iter().zip(expected).all(same), "{got:?} instead of {expected:?}");
        };
        let classes_with = |weight: Option<&Tensor>, label_smoothing: f64, reduction: LossReduction| {
            let options = CrossEntropyOptions { ignore_index: Some(-100), weight: weight.cloned(), label_smoothing, reduction };
            cross_entropy(&x, &classes, &options).unwrap()
        };
        let [mean, sum, none] = [LossReduction::Mean, LossReduction::Sum, LossReduction::None];
        near(&classes_with(None, 0.0, mean), &[1.059_466_003_448_112_3]);
        near(&classes_with(None, 0.0, sum), &[3.178_398_010_344_337]);
        near(&classes_with(None, 0.0, none), &[0.241_311_296_657_157_03, 0.330_672_609_407_224_1, 0.0, 2.606_414_104_279_956]);
        near(&classes_with(None, 0.25, mean), &[1.240_021_559_003_667_6]);
        near(&classes_with(Some(&w), 0.0, mean), &[0.929_820_857_799_394_5]);
        near(&classes_with(Some(&w), 0.0, sum), &[3.254_373_002_297_882]);
        near(&classes_with(Some(&w), 0.25, sum), &[4.221_979_171_407_176]);
        let each = [0.744_849_406_510_739_7, 0.699_615_072_938_149_4, 0.0, 2.777_514_691_958_287];
        near(&classes_with(Some(&w), 0.25, none), &each);
        let loss = classes_with(Some(&w), 0.25, mean);
        near(&loss, &[1.206_279_763_259_193]);
        near(
            &loss.backward().unwrap().take(&x).unwrap(),
            &[
                0.077_827_224_547_875_93,
                -0.003_787_611_301_909_996_3,
                -0.074_039_613_245_965_93,
                0.017_798_160_219_250_46,
                0.015_397_448_380_505_057,
                -0.033_195_608_599_755_52,
                0.0,
                0.0,
                0.0,
                0.255_670_318_329_387_7,
                -0.216_131_338_002_428_3,
                -0.039_538_980_326_959_364,
            ],
        );
        let soft = |reduction: LossReduction| {
            let options = CrossEntropyOptions { weight: Some(w.clone()), label_smoothing: 0.25, reduction, ..Default::default() };
            cross_entropy(&x, &q, &options).unwrap()
        };
        near(&soft(mean), &[1.281_974_726_156_774_2]);
        near(&soft(sum), &[5.127_898_904_627_097]);
        near(&soft(none), &[1.334_859_736_202_697_3, 1.761_117_301_465_858_5, 1.169_312_464_105_238, 0.862_609_402_853_303_8]);
    }

    #[test]
    fn without_an_ignored_index_a_negative_target_is_refused() {
        let target = Tensor::from_slice(&[-100_i64], &[1]).unwrap();
        let error = cross_entropy(&normal(&[1, 3]), &target, &CrossEntropyOptions::default()).err().unwrap();
        assert_eq!(error.to_string(), "cross_entropy: target -100 of row 0 is not one of the 3 classes");
    }

    #[test]
    fn smoothing_outside_its_range_is_refused_with_words() {
        for label_smoothing in [-0.5, 1.5, f64::NAN] {
            let options = CrossEntropyOptions { label_smoothing, ..Default::default() };
            let error = cross_entropy(&normal(&[1, 3]), &normal(&[1, 3]), &options).err().unwrap();
            assert_eq!(error.to_string(), format!("cross_entropy: label_smoothing must lie in [0, 1], got {label_smoothing}"));
        }
    }

    #[test]
    fn where_no_target_counts_the_sum_is_0() {
        let targets = Tensor::from_slice(&[7_i64, 7], &[2]).unwrap();
        for weight in [None, Some(positive(&[3]))] {
            let options =
                CrossEntropyOptions { ignore_index: Some(7), weight, reduction: LossReduction::Sum, ..Default::default() };
            let x = normal(&[2, 3]).requires_grad();
            let loss = cross_entropy(&x, &targets, &options).unwrap();
            assert_eq!(loss.item::<f64>().unwrap(), 0.0);
            let gradient = loss.backward().unwrap().take(&x).unwrap().to_f64_vec().unwrap();
            assert!(gradient.iter().all(|&g| g == 0.0));
        }
    }
}
