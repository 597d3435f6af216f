//! Levenberg-Marquardt: the least squares of residuals that are not linear in the parameters.

use std::ops::ControlFlow;

use super::minimize::{ListedParameters, MinimizeStep, MinimizeStop, Minimized, dot, flat, largest};
use crate::error::{Error, ErrorKind, Result};
use crate::linalg::lstsq;
use crate::tape::{BackwardMode, columns, rows};
use crate::tensor::{DType, Tensor};

/// How [`levenberg_marquardt`] searches.
#[derive(Debug, Clone, PartialEq)]
pub struct LevenbergMarquardtOptions {
    /// The most steps that are tried.
    pub steps: usize,
    /// λ at the start, relative to the squares of the columns of J.
    pub damping: f64,
    /// It ends where no part of Jᵀ r exceeds this.
    pub gradient_tolerance: f64,
    /// It ends where a step changes the value, or the parameters, by less than this part of them.
    pub tolerance: f64,
}

impl Default for LevenbergMarquardtOptions {
    fn default() -> Self {
        Self { steps: 100, damping: 1e-3, gradient_tolerance: 1e-12, tolerance: 1e-14 }
    }
}

/// Minimizes ½ ‖r(x)‖² from `start`: each step solves min ‖J d + r‖² + λ ‖D d‖², and λ follows how well J told the descent.
///
/// D holds the largest norms that the columns of J have had, so that the units of parameters do not matter. The system is solved by
/// orthogonal factors, without JᵀJ. `r` gets leaves of the tape, like those of `start`, and returns residuals of any shape. Residuals that
/// are not finite tell that a step leads too far. [`Minimized::value`] is ½ ‖r‖².
///
/// # Errors
/// If a parameter is not f32 or f64, a residual or derivative at the start is not finite, or an option is out of range; or what `r`
/// returns.
///
/// # Cost
/// For m residuals of n parameters a step takes one evaluation, the smaller of m and 2 n walks for J, and (m + n) n² operations.
///
/// # Source
/// Moré (1978), The Levenberg-Marquardt algorithm; λ by Nielsen (1999), Damping parameter in Marquardt's method.
///
/// # Example
/// The rate of a decay, from four samples of exp(−2 t):
/// ```
/// use std::ops::ControlFlow;
/// use monotile::{Tensor, optim::{LevenbergMarquardtOptions, levenberg_marquardt}};
/// let t = Tensor::from(vec![0.0_f64, 0.5, 1.0, 1.5]);
/// let samples = t.mul_scalar(-2.0)?.exp()?;
/// let residuals = |x: &[Tensor]| t.mul(&x[0])?.neg()?.exp()?.sub(&samples);
/// let options = LevenbergMarquardtOptions::default();
/// let found = levenberg_marquardt(residuals, &[Tensor::scalar(0.1_f64)], &options, &mut |_| ControlFlow::Continue(()))?;
/// assert!((found.parameters[0].item::<f64>()? - 2.0).abs() < 1e-9);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "leastsq")]
#[doc(alias = "least_squares")]
#[doc(alias = "curve_fit")]
#[doc(alias = "Gauss-Newton")]
#[track_caller]
pub fn levenberg_marquardt(
    residuals: impl Fn(&[Tensor]) -> Result<Tensor>,
    start: &[Tensor],
    options: &LevenbergMarquardtOptions,
    progress: &mut dyn FnMut(MinimizeStep) -> ControlFlow<()>,
) -> Result<Minimized> {
    check(options)?;
    let parameters = ListedParameters::new("levenberg_marquardt", start)?;
    let mut problem = Problem { residuals: &residuals, parameters: &parameters, evaluations: 0 };
    let mut at = problem.evaluate(parameters.start()?)?;
    if !at.value.is_finite() {
        return Err(Error::value("levenberg_marquardt: residuals at the start must be finite; start elsewhere".to_string()));
    }
    let mut slopes = at.slopes()?;
    if !largest(&slopes.gradient).is_finite() {
        return Err(Error::value("levenberg_marquardt: derivatives at the start must be finite; start elsewhere".to_string()));
    }
    let mut scales = slopes.norms.clone();
    let (mut damping, mut growth, mut steps) = (options.damping, 2.0, 0);
    let mut stop = MinimizeStop::Steps;
    for _ in 0..options.steps {
        if largest(&slopes.gradient) <= options.gradient_tolerance {
            break;
        }
        let d = slopes.solve(&scales, damping)?;
        let next = problem.evaluate(at.x.iter().zip(&d).map(|(x, d)| x + d).collect())?;
        let predicted = slopes.descent(&d, &scales, damping);
        let descent = at.value - next.value;
        // Positive comparison, so that NaN is no descent.
        let candidate = if descent > 0.0 { Some(next.slopes()?).filter(|s| largest(&s.gradient).is_finite()) } else { None };
        let small = dot(&d, &d).sqrt() <= options.tolerance * dot(&at.x, &at.x).sqrt();
        let Some(found) = candidate else {
            if small || damping > 1e16 {
                stop = if small { MinimizeStop::Change } else { MinimizeStop::NoDescent };
                break;
            }
            (damping, growth) = (damping * growth, 2.0 * growth);
            continue;
        };
        damping = (damping * (1.0 - (2.0 * descent / predicted - 1.0).powi(3)).max(1.0 / 3.0)).max(f64::MIN_POSITIVE);
        growth = 2.0;
        let unchanged = descent <= options.tolerance * at.value || small;
        (at, slopes) = (next, found);
        scales.iter_mut().zip(&slopes.norms).for_each(|(s, n)| *s = s.max(*n));
        steps += 1;
        let (value, largest_gradient, evaluations) = (at.value, largest(&slopes.gradient), problem.evaluations);
        if progress(MinimizeStep { step: steps, value, largest_gradient, evaluations }).is_break() {
            stop = MinimizeStop::Caller;
            break;
        }
        if unchanged {
            stop = MinimizeStop::Change;
            break;
        }
    }
    let (value, largest_gradient, evaluations) = (at.value, largest(&slopes.gradient), problem.evaluations);
    if stop != MinimizeStop::Caller && largest_gradient <= options.gradient_tolerance {
        stop = MinimizeStop::Gradient;
    }
    Ok(Minimized { parameters: parameters.tensors(&at.x)?, value, largest_gradient, steps, evaluations, stop })
}

#[track_caller]
fn check(options: &LevenbergMarquardtOptions) -> Result<()> {
    let LevenbergMarquardtOptions { damping, gradient_tolerance, tolerance, .. } = *options;
    // Positive comparisons, so that a NaN is refused.
    if !(damping > 0.0 && damping.is_finite() && gradient_tolerance >= 0.0 && tolerance >= 0.0) {
        return Err(Error::value(format!(
            "levenberg_marquardt: damping {damping} must be above 0, gradient_tolerance {gradient_tolerance} and tolerance {tolerance} not negative"
        )));
    }
    Ok(())
}

struct Problem<'a> {
    residuals: &'a dyn Fn(&[Tensor]) -> Result<Tensor>,
    parameters: &'a ListedParameters<'a>,
    evaluations: usize,
}

/// A point with the residuals there, whose Jacobian is taken where the point is kept.
struct Point {
    x: Vec<f64>,
    leaves: Vec<Tensor>,
    residuals: Tensor,
    /// ½ ‖r‖²
    value: f64,
}

impl Problem<'_> {
    #[track_caller]
    fn evaluate(&mut self, x: Vec<f64>) -> Result<Point> {
        let leaves: Vec<_> = self.parameters.tensors(&x)?.iter().map(Tensor::requires_grad).collect();
        let residuals = (self.residuals)(&leaves)?;
        self.evaluations += 1;
        if !residuals.dtype().is_float() {
            let dtype = residuals.dtype();
            return Err(Error::dtype(format!("levenberg_marquardt: the residuals must be floating-point, got {dtype}")));
        }
        let r = flat(std::slice::from_ref(&residuals))?;
        Ok(Point { x, leaves, value: 0.5 * dot(&r, &r), residuals })
    }
}

/// The linear model of the residuals at a point.
struct Slopes {
    /// J, `(m, n)` in f64.
    jacobian: Tensor,
    /// −r, `(m, 1)` in f64.
    opposite: Tensor,
    /// Jᵀ r
    gradient: Vec<f64>,
    /// The norms of the columns of J, 1 for a column of zeros.
    norms: Vec<f64>,
}

impl Point {
    #[track_caller]
    fn slopes(&self) -> Result<Slopes> {
        let (m, n) = (self.residuals.len(), self.x.len());
        // A walk over a recorded walk costs about two.
        let forward =
            if 2 * n < m { Some(columns("levenberg_marquardt", &self.residuals, &self.leaves, BackwardMode::Plain)) } else { None };
        let parts = match forward {
            Some(Err(error)) if error.kind() != ErrorKind::Unsupported => return Err(error),
            Some(Ok(parts)) => parts,
            _ => rows("levenberg_marquardt", &self.residuals, &self.leaves, BackwardMode::Plain)?,
        };
        let matrices = parts.iter().zip(&self.leaves).map(|(j, x)| j.to_dtype(DType::F64)?.reshape(&[m, x.len()]));
        let jacobian = match matrices.collect::<Result<Vec<_>>>()? {
            parts if parts.is_empty() => Tensor::zeros(&[m, 0], DType::F64)?,
            parts => Tensor::cat(&parts, 1)?,
        };
        let opposite = self.residuals.detach().to_dtype(DType::F64)?.neg()?.reshape(&[m, 1])?;
        let gradient = flat(&[jacobian.mt().matmul(&opposite)?.neg()?])?;
        let norms = flat(&[jacobian.square()?.sum(&[0], false)?.sqrt()?])?;
        let norms = norms.into_iter().map(|n| if n > 0.0 { n } else { 1.0 }).collect();
        Ok(Slopes { jacobian, opposite, gradient, norms })
    }
}

impl Slopes {
    /// d with min ‖J d + r‖² + λ ‖D d‖², solved for D d: its columns are then of length √(1 + λ) at most.
    #[track_caller]
    fn solve(&self, scales: &[f64], damping: f64) -> Result<Vec<f64>> {
        let n = scales.len();
        let scale = Tensor::from_slice(scales, &[n])?;
        let damped = Tensor::eye(n, DType::F64)?.mul_scalar(damping.sqrt())?;
        let a = Tensor::cat(&[self.jacobian.div(&scale)?, damped], 0)?;
        let b = Tensor::cat(&[self.opposite.clone(), Tensor::zeros(&[n, 1], DType::F64)?], 0)?;
        flat(&[lstsq(&a, &b)?.squeeze(-1)?.div(&scale)?])
    }

    /// The descent that the model promises: ½ dᵀ (λ D² d − Jᵀ r).
    fn descent(&self, d: &[f64], scales: &[f64], damping: f64) -> f64 {
        let parts = d.iter().zip(scales).zip(&self.gradient);
        0.5 * parts.map(|((d, s), g)| d * (damping * s * s * d - g)).sum::<f64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::normal;
    use crate::transform::{se3_exp, transform_points};

    fn go(_: MinimizeStep) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn values(found: &Minimized, i: usize) -> Vec<f64> {
        found.parameters[i].to_f64_vec().unwrap()
    }

    #[test]
    fn rosenbrock_ends_at_its_minimum_by_rows_of_the_jacobian() {
        let r = |x: &[Tensor]| {
            let (a, b) = (x[0].select(0, 0)?, x[0].select(0, 1)?);
            Tensor::stack(&[b.sub(&a.square()?)?.mul_scalar(10.0)?, a.neg()?.add_scalar(1.0)?], 0)
        };
        let start = [Tensor::from(vec![-1.2_f64, 1.0])];
        let found = levenberg_marquardt(r, &start, &LevenbergMarquardtOptions::default(), &mut go).unwrap();
        assert!(values(&found, 0).iter().all(|x| (x - 1.0).abs() < 1e-10), "{:?}", values(&found, 0));
    }

    #[test]
    fn a_curve_of_three_parameters_is_found_again_by_columns_of_the_jacobian() {
        let t = Tensor::linspace(0.0, 3.0, 40, DType::F64).unwrap();
        let curve = |a: &Tensor, b: &Tensor, c: &Tensor| t.mul(b)?.neg()?.exp()?.mul(a)?.add(c);
        let truth = [2.5, 1.3, 0.5].map(Tensor::scalar::<f64>);
        let data = curve(&truth[0], &truth[1], &truth[2]).unwrap();
        let r = |x: &[Tensor]| curve(&x[0], &x[1], &x[2])?.sub(&data);
        let start = [1.0, 0.1, 0.0].map(Tensor::scalar::<f64>);
        let mut last = f64::INFINITY;
        let mut falls = |event: MinimizeStep| {
            assert!(event.value < last);
            last = event.value;
            ControlFlow::Continue(())
        };
        let found = levenberg_marquardt(r, &start, &LevenbergMarquardtOptions::default(), &mut falls).unwrap();
        for (i, truth) in truth.iter().enumerate() {
            assert!((values(&found, i)[0] - truth.item::<f64>().unwrap()).abs() < 1e-9);
        }
        assert!(found.steps < 20 && found.value < 1e-20, "{} steps to {}", found.steps, found.value);
    }

    #[test]
    fn linear_residuals_end_at_their_least_squares_whatever_the_units_of_parameters() {
        let units = Tensor::from(vec![1e6_f64, 1.0, 1e-6]);
        let (a, b) = (normal(&[9, 3]).mul(&units).unwrap(), normal(&[9, 1]));
        let exact = lstsq(&a, &b).unwrap().squeeze(-1).unwrap().mul(&units).unwrap().to_f64_vec().unwrap();
        let r = |x: &[Tensor]| a.matmul(&x[0])?.sub(&b);
        let start = [Tensor::zeros(&[3, 1], DType::F64).unwrap()];
        let options = LevenbergMarquardtOptions { gradient_tolerance: 0.0, ..Default::default() };
        let found = levenberg_marquardt(r, &start, &options, &mut go).unwrap();
        let got = found.parameters[0].squeeze(-1).unwrap().mul(&units).unwrap().to_f64_vec().unwrap();
        assert!(got.iter().zip(&exact).all(|(a, b)| (a - b).abs() < 1e-6), "{got:?} {exact:?}");
    }

    #[test]
    fn a_parameter_without_effect_stays_and_f32_is_taken() {
        let r = |x: &[Tensor]| x[0].square()?.sub(2.0);
        let start = [Tensor::full(&[3], 1.0_f32).unwrap(), Tensor::scalar(7.0_f32)];
        let found = levenberg_marquardt(r, &start, &LevenbergMarquardtOptions::default(), &mut go).unwrap();
        assert!(values(&found, 0).iter().all(|x| (x - 2.0_f64.sqrt()).abs() < 1e-6));
        assert_eq!((values(&found, 1), found.parameters[1].dtype()), (vec![7.0], DType::F32));
    }

    #[test]
    fn a_pose_is_found_from_the_images_of_twenty_points() {
        let points = normal(&[20, 3]).add(Tensor::from(vec![0.0_f64, 0.0, 8.0])).unwrap();
        let images = |pose: &Tensor| {
            let moved = transform_points(&se3_exp(pose)?, &points)?;
            moved.slice(-1, ..2)?.div(&moved.slice(-1, 2..)?)
        };
        let truth = Tensor::from(vec![0.3_f64, -0.2, 0.5, 0.1, -0.4, 0.2]);
        let data = images(&truth).unwrap();
        let start = [Tensor::zeros(&[6], DType::F64).unwrap()];
        let options = LevenbergMarquardtOptions::default();
        let found = levenberg_marquardt(|x| images(&x[0])?.sub(&data), &start, &options, &mut go).unwrap();
        let truth = truth.to_f64_vec().unwrap();
        assert!(values(&found, 0).iter().zip(&truth).all(|(a, b)| (a - b).abs() < 1e-9), "{:?}", values(&found, 0));
        assert!(found.value < 1e-20, "{} after {} steps", found.value, found.steps);
    }

    #[test]
    fn it_says_why_it_ended() {
        let r = |x: &[Tensor]| x[0].square()?.sub(2.0);
        let start = [Tensor::full(&[3], 9.0_f64).unwrap()];
        let options = LevenbergMarquardtOptions { steps: 1, ..Default::default() };
        assert_eq!(levenberg_marquardt(r, &start, &options, &mut go).unwrap().stop, MinimizeStop::Steps);
        let options = LevenbergMarquardtOptions::default();
        let stopped = levenberg_marquardt(r, &start, &options, &mut |_| ControlFlow::Break(())).unwrap();
        assert_eq!((stopped.stop, stopped.steps), (MinimizeStop::Caller, 1));
        let solved = [Tensor::full(&[3], 0.0_f64).unwrap()];
        assert_eq!(levenberg_marquardt(r, &solved, &options, &mut go).unwrap().stop, MinimizeStop::Gradient);
    }

    #[test]
    fn what_cannot_be_minimized_is_refused_with_words() {
        let words = |start: Tensor, options: &LevenbergMarquardtOptions| {
            levenberg_marquardt(|x| x[0].ln(), &[start], options, &mut go).err().unwrap().to_string()
        };
        let options = LevenbergMarquardtOptions::default();
        assert_eq!(
            words(Tensor::scalar(-1.0_f64), &options),
            "levenberg_marquardt: residuals at the start must be finite; start elsewhere"
        );
        assert_eq!(words(Tensor::scalar(1_i64), &options), "levenberg_marquardt: parameter 0 is i64; minimize over f32 or f64");
        let wrong = LevenbergMarquardtOptions { damping: 0.0, ..Default::default() };
        assert_eq!(
            words(Tensor::scalar(1.0_f64), &wrong),
            "levenberg_marquardt: damping 0 must be above 0, gradient_tolerance 0.000000000001 and tolerance 0.00000000000001 not negative"
        );
    }
}
