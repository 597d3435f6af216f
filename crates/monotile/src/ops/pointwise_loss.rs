//! Losses of predictions and targets of one shape, element by element.

use crate::error::{Error, Placed, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal, uniform};

/// What becomes of the losses of all elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LossReduction {
    /// Their mean; NaN where there are none.
    #[default]
    Mean,
    /// Their sum.
    Sum,
    /// They stay one an element.
    None,
}

/// The squared error (x − t)².
///
/// Shapes: predictions and targets have one shape, that of the result or of what is reduced. bf16 and f16 count as f32.
///
/// # Gradient
/// x̄ = 2 (x − t), and t̄ its opposite.
///
/// # Errors
/// If the shapes differ; for integers.
///
/// # Example
/// ```
/// use monotile::{Tensor, ops::{LossReduction, mse_loss}};
/// let (x, t) = (Tensor::from(vec![1.0_f64, 2.0]), Tensor::from(vec![0.0_f64, 4.0]));
/// assert_eq!(mse_loss(&x, &t, LossReduction::Mean)?.item::<f64>()?, 2.5);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "MSELoss")]
#[doc(alias = "mean_squared_error")]
#[track_caller]
pub fn mse_loss(predictions: &Tensor, targets: &Tensor, reduction: LossReduction) -> Result<Tensor> {
    let [x, t] = alike("mse_loss", predictions, targets)?;
    reduced(x.sub(&t)?.square()?, reduction)
}

/// The absolute error |x − t|.
///
/// Shapes: predictions and targets have one shape, that of the result or of what is reduced. bf16 and f16 count as f32.
///
/// # Gradient
/// x̄ = sign(x − t), 0 where they are equal, and t̄ its opposite.
///
/// # Errors
/// If the shapes differ; for integers.
///
/// # Example
/// ```
/// use monotile::{Tensor, ops::{LossReduction, l1_loss}};
/// let (x, t) = (Tensor::from(vec![1.0_f64, 2.0]), Tensor::from(vec![0.0_f64, 4.0]));
/// assert_eq!(l1_loss(&x, &t, LossReduction::Sum)?.item::<f64>()?, 3.0);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "L1Loss")]
#[doc(alias = "mean_absolute_error")]
#[track_caller]
pub fn l1_loss(predictions: &Tensor, targets: &Tensor, reduction: LossReduction) -> Result<Tensor> {
    let [x, t] = alike("l1_loss", predictions, targets)?;
    reduced(x.sub(&t)?.abs()?, reduction)
}

/// Huber's loss of e = x − t: e² / 2 where |e| ≤ δ, and δ (|e| − δ / 2) beyond.
///
/// Shapes: predictions and targets have one shape, that of the result or of what is reduced. bf16 and f16 count as f32.
///
/// # Gradient
/// x̄ = e between −δ and δ, ±δ beyond, and t̄ its opposite.
///
/// # Errors
/// If the shapes differ, or δ is not above 0 and finite; for integers.
///
/// # Source
/// Huber (1964), Robust estimation of a location parameter.
///
/// # Example
/// ```
/// use monotile::{Tensor, ops::{LossReduction, huber_loss}};
/// let (x, t) = (Tensor::from(vec![0.5_f64, 3.0]), Tensor::from(vec![0.0_f64, 0.0]));
/// assert_eq!(huber_loss(&x, &t, 1.0, LossReduction::None)?.to_vec::<f64>()?, [0.125, 2.5]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "HuberLoss")]
#[track_caller]
pub fn huber_loss(predictions: &Tensor, targets: &Tensor, delta: f64, reduction: LossReduction) -> Result<Tensor> {
    let [x, t] = alike("huber_loss", predictions, targets)?;
    check_bound("huber_loss", "delta", delta)?;
    reduced(huber(&x.sub(&t)?, delta)?, reduction)
}

/// Huber's loss divided by its bound, e = x − t: e² / (2 β) where |e| ≤ β, and |e| − β / 2 beyond.
///
/// Shapes: predictions and targets have one shape, that of the result or of what is reduced. bf16 and f16 count as f32. [`l1_loss`]
/// is the limit for β = 0.
///
/// # Gradient
/// x̄ = e / β between −β and β, ±1 beyond, and t̄ its opposite.
///
/// # Errors
/// If the shapes differ, or β is not above 0 and finite; for integers.
///
/// # Source
/// Girshick (2015), Fast R-CNN, equation 3.
///
/// # Example
/// ```
/// use monotile::{Tensor, ops::{LossReduction, smooth_l1_loss}};
/// let (x, t) = (Tensor::from(vec![0.5_f64, 3.0]), Tensor::from(vec![0.0_f64, 0.0]));
/// assert_eq!(smooth_l1_loss(&x, &t, 2.0, LossReduction::None)?.to_vec::<f64>()?, [0.0625, 2.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "SmoothL1Loss")]
#[track_caller]
pub fn smooth_l1_loss(predictions: &Tensor, targets: &Tensor, beta: f64, reduction: LossReduction) -> Result<Tensor> {
    let [x, t] = alike("smooth_l1_loss", predictions, targets)?;
    check_bound("smooth_l1_loss", "beta", beta)?;
    reduced(huber(&x.sub(&t)?, beta)?.mul_scalar(1.0 / beta)?, reduction)
}

/// What [`bce_with_logits`] counts.
#[derive(Clone, Default)]
pub struct BceWithLogitsOptions {
    /// p: how often a positive target counts, broadcast over the logits; 1 if there is none.
    pub pos_weight: Option<Tensor>,
    /// What becomes of the losses.
    pub reduction: LossReduction,
}

/// The binary cross-entropy of logits x with targets t in \[0, 1\]: −p t ln σ(x) − (1 − t) ln(1 − σ(x)).
///
/// It is p t softplus(−x) + (1 − t) softplus(x), which neither overflows nor loses digits. Shapes: logits and targets have one shape, that
/// of the result or of what is reduced. bf16 and f16 count as f32.
///
/// # Gradient
/// x̄ = (1 − t) σ(x) − p t σ(−x);  t̄ = p softplus(−x) − softplus(x)
///
/// # Errors
/// If the shapes differ, or `pos_weight` does not broadcast to them; for integers.
///
/// # Example
/// ```
/// use monotile::{Tensor, ops::{BceWithLogitsOptions, bce_with_logits}};
/// let (x, t) = (Tensor::from(vec![0.0_f64, 1000.0]), Tensor::from(vec![1.0_f64, 1.0]));
/// let loss = bce_with_logits(&x, &t, &BceWithLogitsOptions::default())?.item::<f64>()?;
/// assert!((loss - 2.0_f64.ln() / 2.0).abs() < 1e-15);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "BCEWithLogitsLoss")]
#[doc(alias = "binary_cross_entropy_with_logits")]
#[track_caller]
pub fn bce_with_logits(logits: &Tensor, targets: &Tensor, options: &BceWithLogitsOptions) -> Result<Tensor> {
    let [x, t] = alike("bce_with_logits", logits, targets)?;
    let mut positive = t.mul(&x.neg()?.softplus(1.0)?)?;
    if let Some(weight) = &options.pos_weight {
        let Ok(p) = weight.to_dtype(x.dtype())?.expand(x.shape()) else {
            let (p, x) = (weight.shape(), x.shape());
            return Err(Error::shape(format!(
                "bce_with_logits: pos_weight of shape {p:?} does not broadcast to logits of shape {x:?}"
            )));
        };
        positive = positive.mul(&p)?;
    }
    let negative = t.neg()?.add_scalar(1.0)?.mul(&x.softplus(1.0)?)?;
    reduced(positive.add(&negative)?, options.reduction)
}

/// The binary cross-entropy of probabilities x with targets t in \[0, 1\]: −t ln x − (1 − t) ln(1 − x), no logarithm below −100.
///
/// [`bce_with_logits`] keeps digits where x comes near 0 or 1. Shapes: probabilities and targets have one shape, that of the result or of
/// what is reduced. Where x lies outside \[0, 1\] the loss is NaN. bf16 and f16 count as f32.
///
/// # Gradient
/// x̄ = (x − t) / max(x (1 − x), 10⁻¹²), as PyTorch has it;  t̄ = ln(1 − x) − ln x, of logarithms that are not below −100
///
/// # Errors
/// If the shapes differ, or a target lies outside \[0, 1\]; for integers. On a GPU targets are not read back, and none is refused.
///
/// # Example
/// ```
/// use monotile::{Tensor, ops::{LossReduction, bce}};
/// let (x, t) = (Tensor::from(vec![0.5_f64, 0.0]), Tensor::from(vec![1.0_f64, 1.0]));
/// assert_eq!(bce(&x, &t, LossReduction::None)?.to_vec::<f64>()?, [2.0_f64.ln(), 100.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "BCELoss")]
#[doc(alias = "binary_cross_entropy")]
#[doc(alias = "log_loss")]
#[track_caller]
pub fn bce(probabilities: &Tensor, targets: &Tensor, reduction: LossReduction) -> Result<Tensor> {
    let [x, t] = alike("bce", probabilities, targets)?;
    if !t.is_empty() && t.device().is_cpu() {
        let (least, largest) = t.detach().aminmax(.., false)?;
        let wrong = [least.to_f64_vec()?[0], largest.to_f64_vec()?[0]].into_iter().find(|t| *t < 0.0 || *t > 1.0);
        if let Some(wrong) = wrong {
            return Err(Error::value(format!("bce: a target must lie in [0, 1], got {wrong}")));
        }
    }
    let [plain, target] = [x.detach(), t.detach()];
    let [yes, no] = bounded_logarithms(&plain)?;
    let losses = target.sub(1.0)?.mul(no)?.sub(target.mul(yes)?)?;
    reduced(Tensor::record(losses, &[&x, &t], OfProbabilities), reduction)
}

/// ln x and ln(1 − x), neither below −100; without a slope where they would be.
#[track_caller]
fn bounded_logarithms(x: &Tensor) -> Result<[Tensor; 2]> {
    let [never, always] = [x.eq(0.0)?, x.eq(1.0)?];
    let bounded = |edge: &Tensor, ln: Tensor| edge.where_(-100.0, ln.clamp(-100.0, f64::INFINITY)?);
    let yes = bounded(&never, never.where_(1.0, x)?.ln()?).placed()?;
    let no = bounded(&always, always.where_(0.0, x)?.neg()?.log1p()?).placed()?;
    Ok([yes, no])
}

struct OfProbabilities;

impl Gradient for OfProbabilities {
    fn name(&self) -> &'static str {
        "bce"
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None, None]) };
        let x = saved.input(0);
        let mut answers = vec![None, None];
        if saved.needs(0) {
            let slope = x.mul(&x.neg()?.add_scalar(1.0)?)?.clamp(1e-12, f64::INFINITY)?;
            answers[0] = Some(x.sub(saved.input(1))?.div(&slope)?.mul(g)?);
        }
        if saved.needs(1) {
            let [yes, no] = bounded_logarithms(&x)?;
            answers[1] = Some(no.sub(&yes)?.mul(g)?);
        }
        Ok(answers)
    }
    fn keeps_input(&self, i: usize, needs: &[bool]) -> bool {
        i == 0 || needs[0]
    }
}

/// The terms t (ln t − x) of the KL divergence of the distribution t from the one whose logarithms are x.
///
/// Shapes: both have one shape, that of the result or of what is reduced. Terms of t = 0 are 0. The divergence of a batch is the
/// sum of the terms divided by its size. bf16 and f16 count as f32.
///
/// # Gradient
/// x̄ = −t;  t̄ = ln t + 1 − x, and −x where t = 0, where the slope of t ln t is infinite.
///
/// # Errors
/// If the shapes differ; for integers.
///
/// # Example
/// ```
/// use monotile::{Tensor, ops::{LossReduction, kl_div}};
/// let (x, t) = (Tensor::from(vec![0.5_f64, 0.5]).ln()?, Tensor::from(vec![1.0_f64, 0.0]));
/// assert_eq!(kl_div(&x, &t, LossReduction::Sum)?.item::<f64>()?, 2.0_f64.ln());
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "KLDivLoss")]
#[doc(alias = "relative entropy")]
#[track_caller]
pub fn kl_div(log_predictions: &Tensor, targets: &Tensor, reduction: LossReduction) -> Result<Tensor> {
    let [x, t] = alike("kl_div", log_predictions, targets)?;
    let logarithm = t.eq(0.0)?.where_(1.0, &t)?.ln()?;
    reduced(t.mul(&logarithm.sub(&x)?)?, reduction)
}

/// c (e − c / 2) with c = e between −δ and δ, and ±δ beyond.
#[track_caller]
fn huber(e: &Tensor, delta: f64) -> Result<Tensor> {
    let c = e.clamp(-delta, delta)?;
    c.mul(&e.sub(&c.mul_scalar(0.5)?)?)
}

/// Both in the dtype of the computation, if their shapes are the same: a broadcast of a column over a row is rarely meant.
#[track_caller]
fn alike(op: &str, x: &Tensor, t: &Tensor) -> Result<[Tensor; 2]> {
    if x.shape() != t.shape() {
        let (x, t) = (x.shape(), t.shape());
        return Err(Error::shape(format!("{op}: predictions of shape {x:?} need targets of that shape, got {t:?}")));
    }
    Ok([x.to_compute_dtype(op)?, t.to_compute_dtype(op)?])
}

#[track_caller]
fn check_bound(op: &str, name: &str, bound: f64) -> Result<()> {
    // Positive comparison, so that a NaN is refused.
    if !(bound > 0.0 && bound.is_finite()) {
        return Err(Error::value(format!("{op}: {name} must be above 0 and finite, got {bound}")));
    }
    Ok(())
}

#[track_caller]
fn reduced(losses: Tensor, reduction: LossReduction) -> Result<Tensor> {
    match reduction {
        LossReduction::Mean => losses.mean(&[], false),
        LossReduction::Sum => losses.sum(&[], false),
        LossReduction::None => Ok(losses),
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let each = |f: fn(f64, f64) -> f64| move |x: &[Vec<f64>]| vec![x[0].iter().zip(&x[1]).map(|(x, t)| f(*x, *t)).collect()];
    let mean = |f: fn(f64, f64) -> f64| {
        move |x: &[Vec<f64>]| vec![vec![x[0].iter().zip(&x[1]).map(|(x, t)| f(*x, *t)).sum::<f64>() / x[0].len() as f64]]
    };
    let sum =
        |f: fn(f64, f64) -> f64| move |x: &[Vec<f64>]| vec![vec![x[0].iter().zip(&x[1]).map(|(x, t)| f(*x, *t)).sum::<f64>()]];
    let apart = || Tensor::cat(&[uniform(&[2, 4], 1.0, 2.0), uniform(&[1, 4], -2.0, -1.0)], 0).expect("of four columns both");
    let pair = || vec![normal(&[3, 4]), normal(&[3, 4])];
    let weighted =
        || BceWithLogitsOptions { pos_weight: Some(Tensor::from(vec![0.5_f64, 1.0, 2.0, 3.0])), reduction: LossReduction::Sum };
    vec![
        Spec::new("mse_loss", |x| Ok(vec![mse_loss(&x[0], &x[1], LossReduction::Mean)?]))
            .sample("a matrix", pair())
            .sample("a number", vec![normal(&[]), normal(&[])])
            .reference(mean(|x, t| (x - t).powi(2)))
            .orders(2)
            .refuses(
                vec![normal(&[2, 1]), normal(&[2])],
                "mse_loss: predictions of shape [2, 1] need targets of that shape, got [2]",
            ),
        Spec::new("l1_loss", |x| Ok(vec![l1_loss(&x[0], &x[1], LossReduction::Sum)?]))
            .sample("predictions on both sides of targets, none near its own", vec![apart(), uniform(&[3, 4], -0.5, 0.5)])
            .reference(sum(|x, t| (x - t).abs()))
            .orders(2)
            .refuses(vec![normal(&[3]), normal(&[2])], "l1_loss: predictions of shape [3] need targets of that shape, got [2]"),
        Spec::new("huber_loss", |x| Ok(vec![huber_loss(&x[0], &x[1], 0.8, LossReduction::None)?]))
            .sample("differences on both sides of delta, none on it", pair())
            .reference(each(|x, t| {
                let e = (x - t).abs();
                if e <= 0.8 { 0.5 * e * e } else { 0.8 * (e - 0.4) }
            }))
            .orders(2)
            .refuses(vec![normal(&[3]), normal(&[2])], "huber_loss: predictions of shape [3] need targets of that shape, got [2]"),
        Spec::new("smooth_l1_loss", |x| Ok(vec![smooth_l1_loss(&x[0], &x[1], 0.8, LossReduction::None)?]))
            .sample("differences on both sides of beta, none on it", pair())
            .reference(each(|x, t| {
                let e = (x - t).abs();
                if e <= 0.8 { 0.5 * e * e / 0.8 } else { e - 0.4 }
            }))
            .orders(2)
            .refuses(
                vec![normal(&[3]), normal(&[2])],
                "smooth_l1_loss: predictions of shape [3] need targets of that shape, got [2]",
            ),
        Spec::new("bce_with_logits", move |x| Ok(vec![bce_with_logits(&x[0], &x[1], &weighted())?]))
            .sample("targets between 0 and 1", vec![normal(&[3, 4]), uniform(&[3, 4], 0.0, 1.0)])
            .shaped_reference(|x, _| {
                let p = [0.5, 1.0, 2.0, 3.0];
                let term = |(i, (x, t)): (usize, (&f64, &f64))| p[i % 4] * t * (-x).exp().ln_1p() + (1.0 - t) * x.exp().ln_1p();
                vec![vec![x[0].iter().zip(&x[1]).enumerate().map(term).sum()]]
            })
            .orders(2)
            .refuses(
                vec![normal(&[3]), normal(&[3])],
                "bce_with_logits: pos_weight of shape [4] does not broadcast to logits of shape [3]",
            ),
        Spec::new("bce", |x| Ok(vec![bce(&x[0], &x[1], LossReduction::None)?]))
            .sample("probabilities away from 0 and 1", vec![uniform(&[3, 4], 0.1, 0.9), uniform(&[3, 4], 0.0, 1.0)])
            .reference(each(|x, t| -t * x.ln() - (1.0 - t) * (1.0 - x).ln()))
            .orders(2)
            .refuses(vec![normal(&[3]), normal(&[2])], "bce: predictions of shape [3] need targets of that shape, got [2]"),
        Spec::new("kl_div", |x| Ok(vec![kl_div(&x[0], &x[1], LossReduction::None)?]))
            .sample("targets above 0", vec![normal(&[3, 4]), uniform(&[3, 4], 0.1, 1.0)])
            .reference(each(|x, t| t * (t.ln() - x)))
            .orders(2)
            .refuses(vec![normal(&[3]), normal(&[2])], "kl_div: predictions of shape [3] need targets of that shape, got [2]"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: mse_loss, l1_loss, huber_loss, smooth_l1_loss, bce_with_logits, bce, kl_div);

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: &Tensor, expected: &[f64]) {
        let got = got.to_f64_vec().unwrap();
        assert!(got.len() == expected.len() && got.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-14 * b.abs()), "{got:?}");
    }

    fn examples() -> [Tensor; 2] {
        let x = Tensor::from(vec![-60.0_f64, -1.5, 0.0, 0.25, 2.0, 45.0]);
        [x, Tensor::from(vec![0.0_f64, 1.0, 0.5, 0.25, 1.0, 0.0])]
    }

    /// `F.mse_loss(x, t)`, `F.l1_loss(x, t, reduction='sum')`, `F.huber_loss(x, t, delta=1.5, reduction='none')`,
    /// `F.smooth_l1_loss(x, t, beta=0.5, reduction='none')` and `F.kl_div(x, t, reduction='none')` of PyTorch in f64.
    #[test]
    fn losses_are_those_of_pytorch() {
        let [x, t] = examples();
        near(&mse_loss(&x, &t, LossReduction::Mean).unwrap(), &[938.75]);
        near(&l1_loss(&x, &t, LossReduction::Sum).unwrap(), &[109.0]);
        near(&huber_loss(&x, &t, 1.5, LossReduction::None).unwrap(), &[88.875, 2.625, 0.125, 0.0, 0.5, 66.375]);
        near(&smooth_l1_loss(&x, &t, 0.5, LossReduction::None).unwrap(), &[59.75, 2.25, 0.25, 0.0, 0.75, 44.75]);
        let terms = [0.0, 1.5, -0.34657359027997264, -0.40907359027997264, -2.0, 0.0];
        near(&kl_div(&x, &t, LossReduction::None).unwrap(), &terms);
    }

    /// `F.binary_cross_entropy(x, t, reduction='none')` of PyTorch in f64, and its gradient, in which 10⁻¹² is rounded to f32.
    #[test]
    fn the_cross_entropy_of_probabilities_is_that_of_pytorch_at_0_and_1_too() {
        let x = Tensor::from(vec![0.0_f64, 1.0, 0.25, 0.5, 1.0, 0.0, 1e-60]).requires_grad();
        let t = Tensor::from(vec![0.0_f64, 1.0, 0.5, 0.25, 0.25, 1.0, 1.0]).requires_grad();
        let losses = bce(&x, &t, LossReduction::None).unwrap();
        near(&losses, &[0.0, 0.0, 0.8369882167858358, std::f64::consts::LN_2, 75.0, 100.0, 100.0]);
        let mut gradients = losses.sum(&[], false).unwrap().backward().unwrap();
        near(&gradients.take(&x).unwrap(), &[0.0, 0.0, -4.0 / 3.0, 1.0, 7.5e11, -1e12, -1e12]);
        near(&gradients.take(&t).unwrap(), &[100.0, -100.0, 3.0_f64.ln(), 0.0, -100.0, 100.0, 100.0]);
    }

    /// `F.binary_cross_entropy_with_logits(x, t, pos_weight=torch.tensor(3.), reduction='none')`; the first element is ln(1 + e⁻⁶⁰) by
    /// `math.log1p(math.exp(-60))`, where PyTorch has 0.
    #[test]
    fn the_cross_entropy_of_logits_keeps_digits_where_pytorch_has_zero() {
        let [x, t] = examples();
        let options = BceWithLogitsOptions { pos_weight: Some(Tensor::scalar(3.0_f64)), reduction: LossReduction::None };
        let losses = bce_with_logits(&x, &t, &options).unwrap();
        let expected = [8.75651076269652e-27, 5.104239833948258, 1.3862943611198906, 1.0514091298182653, 0.3807840331289175, 45.0];
        near(&losses, &expected);
    }

    #[test]
    fn the_mean_of_nothing_is_nan_and_its_sum_zero() {
        let none = Tensor::zeros(&[0], crate::DType::F32).unwrap();
        assert!(mse_loss(&none, &none, LossReduction::Mean).unwrap().item::<f32>().unwrap().is_nan());
        assert_eq!(l1_loss(&none, &none, LossReduction::Sum).unwrap().item::<f32>().unwrap(), 0.0);
    }

    #[test]
    fn the_divergence_from_a_target_of_zero_has_finite_gradients() {
        let x = Tensor::from(vec![0.25_f64, 0.75]).ln().unwrap().requires_grad();
        let t = Tensor::from(vec![0.0_f64, 1.0]).requires_grad();
        let gradients = kl_div(&x, &t, LossReduction::Sum).unwrap().backward().unwrap();
        near(gradients.get(&x).unwrap(), &[0.0, -1.0]);
        near(gradients.get(&t).unwrap(), &[4.0_f64.ln(), 1.0 - 0.75_f64.ln()]);
    }

    #[test]
    fn bounds_that_are_no_bounds_are_refused() {
        let x = normal(&[2]);
        let words = huber_loss(&x, &x, 0.0, LossReduction::Mean).err().unwrap().to_string();
        assert_eq!(words, "huber_loss: delta must be above 0 and finite, got 0");
        let words = smooth_l1_loss(&x, &x, f64::NAN, LossReduction::Mean).err().unwrap().to_string();
        assert_eq!(words, "smooth_l1_loss: beta must be above 0 and finite, got NaN");
    }
}
