//! L-BFGS: the minimum of a smooth function, by its gradients and an estimate of its curvature.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use super::minimize::{ListedParameters, MinimizeStep, MinimizeStop, Minimized, dot, flat, largest, number};
use crate::error::{Error, Result};
use crate::tape::grad;
use crate::tensor::Tensor;

/// How [`lbfgs`] searches.
#[derive(Debug, Clone, PartialEq)]
pub struct LbfgsOptions {
    /// The steps that the estimate of the curvature remembers.
    pub history: usize,
    /// The most steps.
    pub steps: usize,
    /// It ends where no part of the gradient exceeds this.
    pub gradient_tolerance: f64,
    /// It ends where a step lowers the value by less than this, relative to max(1, |value|).
    pub value_tolerance: f64,
    /// The most evaluations in one line search.
    pub evaluations: usize,
    /// c₁: the part of the promised descent that a step must reach.
    pub sufficient_decrease: f64,
    /// c₂: the part of the first slope that may be left.
    pub curvature: f64,
}

impl Default for LbfgsOptions {
    fn default() -> Self {
        Self {
            history: 10,
            steps: 200,
            gradient_tolerance: 1e-8,
            value_tolerance: 1e-14,
            evaluations: 25,
            sufficient_decrease: 1e-4,
            curvature: 0.9,
        }
    }
}

/// Minimizes a smooth scalar function from `start`: x ← x − t H ∇f, with H from the last steps and t by the strong Wolfe conditions.
///
/// f(x + t d) ≤ f(x) + c₁ t ∇fᵀ d and |∇f(x + t d)ᵀ d| ≤ c₂ |∇fᵀ d|
///
/// `f` gets leaves of the tape, like those of `start`, and returns a single number. Infinity and NaN tell that a step leads too far. The
/// numbers of the search are f64 on the host.
///
/// # Errors
/// If a parameter is not f32 or f64, `f` returns anything but one number, its value or gradient at the start is not finite, or an option
/// is out of range; or what `f` returns.
///
/// # Cost
/// Little more than one evaluation and one gradient a step, and memory for 2 · history copies of the parameters.
///
/// # Source
/// Nocedal and Wright (2006), Numerical Optimization, algorithms 7.5, 3.5 and 3.6.
///
/// # Example
/// The valley of Rosenbrock:
/// ```
/// use std::ops::ControlFlow;
/// use monotile::{Tensor, optim::{LbfgsOptions, lbfgs}};
/// let f = |x: &[Tensor]| {
///     let (a, b) = (x[0].select(0, 0)?, x[0].select(0, 1)?);
///     (1.0 - &a).square()?.add(&(&b - a.square()?).square()?.mul_scalar(100.0)?)
/// };
/// let start = Tensor::from(vec![-1.2_f64, 1.0]);
/// let found = lbfgs(f, &[start], &LbfgsOptions::default(), &mut |_| ControlFlow::Continue(()))?;
/// assert!(found.parameters[0].to_vec::<f64>()?.iter().all(|x| (x - 1.0).abs() < 1e-6));
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "LBFGS")]
#[doc(alias = "fmin_l_bfgs_b")]
#[doc(alias = "minimize")]
#[track_caller]
pub fn lbfgs(
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
    start: &[Tensor],
    options: &LbfgsOptions,
    progress: &mut dyn FnMut(MinimizeStep) -> ControlFlow<()>,
) -> Result<Minimized> {
    check(options)?;
    let parameters = ListedParameters::new("lbfgs", start)?;
    let mut line = Line { f: &f, parameters: &parameters, options, evaluations: 0 };
    let mut at = line.evaluate(parameters.start()?)?;
    if !at.value.is_finite() || !largest(&at.gradient).is_finite() {
        return Err(Error::value(format!(
            "lbfgs: the function is {} at the start and its gradient there must be finite; start elsewhere",
            at.value
        )));
    }
    let (mut history, mut steps) = (History(VecDeque::new()), 0);
    let stop = loop {
        if largest(&at.gradient) <= options.gradient_tolerance {
            break MinimizeStop::Gradient;
        }
        if steps == options.steps {
            break MinimizeStop::Steps;
        }
        let Some(next) = line.step(&at, &mut history)? else { break MinimizeStop::NoDescent };
        history.push(&at, &next, options.history);
        steps += 1;
        let descent = at.value - next.value;
        at = next;
        let event =
            MinimizeStep { step: steps, value: at.value, largest_gradient: largest(&at.gradient), evaluations: line.evaluations };
        if progress(event).is_break() {
            break MinimizeStop::Caller;
        }
        if descent <= options.value_tolerance * at.value.abs().max(1.0) && event.largest_gradient > options.gradient_tolerance {
            break MinimizeStop::Change;
        }
    };
    let (value, largest_gradient) = (at.value, largest(&at.gradient));
    Ok(Minimized { parameters: parameters.tensors(&at.x)?, value, largest_gradient, steps, evaluations: line.evaluations, stop })
}

#[track_caller]
fn check(options: &LbfgsOptions) -> Result<()> {
    let LbfgsOptions { history, evaluations, sufficient_decrease: c1, curvature: c2, .. } = *options;
    // Positive comparisons, so that a NaN is refused.
    let tolerances = options.gradient_tolerance >= 0.0 && options.value_tolerance >= 0.0;
    if !(history > 0 && evaluations > 0 && 0.0 < c1 && c1 < c2 && c2 < 1.0 && tolerances) {
        return Err(Error::value(format!(
            "lbfgs: history {history}, evaluations {evaluations}, sufficient_decrease {c1}, curvature {c2}: \
             counts must be above 0, 0 < sufficient_decrease < curvature < 1, and no tolerance negative"
        )));
    }
    Ok(())
}

/// A point with the function's value and gradient there.
struct Point {
    x: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

/// A point x + t d of a line, with the slope along d.
struct Trial {
    t: f64,
    slope: f64,
    point: Point,
}

struct Line<'a> {
    f: &'a dyn Fn(&[Tensor]) -> Result<Tensor>,
    parameters: &'a ListedParameters<'a>,
    options: &'a LbfgsOptions,
    evaluations: usize,
}

impl Line<'_> {
    #[track_caller]
    fn evaluate(&mut self, x: Vec<f64>) -> Result<Point> {
        let leaves: Vec<_> = self.parameters.tensors(&x)?.iter().map(Tensor::requires_grad).collect();
        let y = (self.f)(&leaves)?;
        self.evaluations += 1;
        let value = number("lbfgs", &y)?;
        let gradient = match y.is_recorded() {
            true => flat(&grad(&y, &leaves)?)?,
            false => vec![0.0; x.len()],
        };
        Ok(Point { x, value, gradient })
    }

    /// The next point; none if no step goes down, neither along the estimate nor along the gradient.
    #[track_caller]
    fn step(&mut self, at: &Point, history: &mut History) -> Result<Option<Point>> {
        if !history.0.is_empty() {
            let direction = history.direction(&at.gradient);
            if let Some(next) = self.search(at, &direction, 1.0)? {
                return Ok(Some(next));
            }
            history.0.clear();
        }
        let direction: Vec<f64> = at.gradient.iter().map(|g| -g).collect();
        let length = dot(&direction, &direction).sqrt();
        self.search(at, &direction, (1.0 / length).min(1.0))
    }

    /// Doubles t until a stretch holds a point of the strong Wolfe conditions, then looks for it there.
    #[track_caller]
    fn search(&mut self, at: &Point, direction: &[f64], first: f64) -> Result<Option<Point>> {
        let slope = dot(&at.gradient, direction);
        if !(slope < 0.0) {
            return Ok(None);
        }
        let copy = Point { x: at.x.clone(), value: at.value, gradient: at.gradient.clone() };
        let mut last = Trial { t: 0.0, slope, point: copy };
        let (mut t, mut left) = (first, self.options.evaluations);
        while left > 0 {
            left -= 1;
            let trial = self.trial(at, direction, t)?;
            let goal = at.value + self.options.sufficient_decrease * t * slope;
            if !is_below(&trial, goal) || (last.t > 0.0 && trial.point.value >= last.point.value) {
                return self.zoom(at, direction, [last, trial], left);
            }
            if trial.slope.abs() <= -self.options.curvature * slope {
                return Ok(Some(trial.point));
            }
            if trial.slope >= 0.0 {
                return self.zoom(at, direction, [trial, last], left);
            }
            (last, t) = (trial, 2.0 * t);
        }
        Ok((last.t > 0.0).then_some(last.point))
    }

    /// Shrinks a stretch between `low`, the best point so far, and `high`, as long as evaluations are `left`.
    #[track_caller]
    fn zoom(&mut self, at: &Point, direction: &[f64], [mut low, mut high]: [Trial; 2], left: usize) -> Result<Option<Point>> {
        let slope = dot(&at.gradient, direction);
        for _ in 0..left {
            let t = between(&low, &high);
            if t == low.t || t == high.t {
                break;
            }
            let trial = self.trial(at, direction, t)?;
            let goal = at.value + self.options.sufficient_decrease * t * slope;
            if !is_below(&trial, goal) || trial.point.value >= low.point.value {
                high = trial;
                continue;
            }
            if trial.slope.abs() <= -self.options.curvature * slope {
                return Ok(Some(trial.point));
            }
            if trial.slope * (high.t - low.t) >= 0.0 {
                high = low;
            }
            low = trial;
        }
        Ok((low.t > 0.0).then_some(low.point))
    }

    #[track_caller]
    fn trial(&mut self, at: &Point, direction: &[f64], t: f64) -> Result<Trial> {
        let point = self.evaluate(at.x.iter().zip(direction).map(|(x, d)| x + t * d).collect())?;
        Ok(Trial { t, slope: dot(&point.gradient, direction), point })
    }
}

/// Whether a trial is a number, has a slope, and does not exceed a value.
fn is_below(trial: &Trial, goal: f64) -> bool {
    trial.point.value <= goal && trial.slope.is_finite() && trial.point.value.is_finite()
}

/// The minimum of the cubic through two values and slopes, a tenth of the stretch from its ends at least; else the middle.
fn between(low: &Trial, high: &Trial) -> f64 {
    let width = high.t - low.t;
    let d1 = low.slope + high.slope - 3.0 * (high.point.value - low.point.value) / width;
    let d2 = width.signum() * (d1 * d1 - low.slope * high.slope).sqrt();
    let t = high.t - width * (high.slope + d2 - d1) / (high.slope - low.slope + 2.0 * d2);
    let share = (t - low.t) / width;
    if (0.1..=0.9).contains(&share) { t } else { low.t + 0.5 * width }
}

/// The last changes of points and of gradients, s and y, with 1 / sᵀy.
struct History(VecDeque<(Vec<f64>, Vec<f64>, f64)>);

impl History {
    /// Remembers a step along which the slope grew; others tell no curvature.
    fn push(&mut self, from: &Point, to: &Point, most: usize) {
        let difference = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>();
        let (s, y) = (difference(&to.x, &from.x), difference(&to.gradient, &from.gradient));
        let product = dot(&s, &y);
        if product > f64::EPSILON * dot(&y, &y).sqrt() * dot(&s, &s).sqrt() {
            if self.0.len() == most {
                self.0.pop_front();
            }
            self.0.push_back((s, y, 1.0 / product));
        }
    }

    /// −H g by the two loops of algorithm 7.4, with H₀ = sᵀy / yᵀy.
    fn direction(&self, gradient: &[f64]) -> Vec<f64> {
        let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut shares = Vec::with_capacity(self.0.len());
        for (s, y, rho) in self.0.iter().rev() {
            let share = rho * dot(s, &q);
            q.iter_mut().zip(y).for_each(|(q, y)| *q -= share * y);
            shares.push(share);
        }
        if let Some((_, y, rho)) = self.0.back() {
            let scale = 1.0 / (rho * dot(y, y));
            q.iter_mut().for_each(|q| *q *= scale);
        }
        for ((s, y, rho), share) in self.0.iter().zip(shares.into_iter().rev()) {
            let rest = share - rho * dot(y, &q);
            q.iter_mut().zip(s).for_each(|(q, s)| *q += rest * s);
        }
        q
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::DType;
    use crate::testing::normal;

    fn go(_: MinimizeStep) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Σ 100 (x₂ᵢ − x₁ᵢ²)² + (1 − x₁ᵢ)²
    fn rosenbrock(x: &[Tensor]) -> Result<Tensor> {
        let valley = x[1].sub(&x[0].square()?)?.square()?.mul_scalar(100.0)?;
        valley.add(&x[0].neg()?.add_scalar(1.0)?.square()?)?.sum(&[], false)
    }

    #[test]
    fn the_valley_of_rosenbrock_is_followed_to_its_end_in_many_dimensions() {
        let start = [Tensor::full(&[50], -1.2_f64).unwrap(), normal(&[50])];
        let mut events = Vec::new();
        let mut note = |event: MinimizeStep| {
            events.push(event);
            ControlFlow::Continue(())
        };
        let found = lbfgs(rosenbrock, &start, &LbfgsOptions::default(), &mut note).unwrap();
        assert!(found.parameters.iter().all(|x| x.to_f64_vec().unwrap().iter().all(|x| (x - 1.0).abs() < 1e-6)));
        assert_eq!((found.steps, found.evaluations), (events.len(), events.last().unwrap().evaluations));
        // A line search takes two evaluations on average at most.
        assert!(found.evaluations < 2 * found.steps + 10, "{} evaluations in {} steps", found.evaluations, found.steps);
        assert!(events.windows(2).all(|e| e[1].value <= e[0].value), "every step goes down");
        assert!(!found.parameters[0].is_recorded());
    }

    #[test]
    fn a_quadratic_function_ends_at_the_solution_of_its_system() {
        let a = normal(&[8, 8]);
        let a = a.matmul(&a.mt()).unwrap().add(Tensor::eye(8, DType::F64).unwrap()).unwrap();
        let b = normal(&[8, 1]);
        let f = |x: &[Tensor]| x[0].mul(&a.matmul(&x[0])?.mul_scalar(0.5)?.sub(&b)?)?.sum(&[], false);
        let found = lbfgs(f, &[Tensor::zeros(&[8, 1], DType::F64).unwrap()], &LbfgsOptions::default(), &mut go).unwrap();
        let exact = crate::linalg::solve(&a, &b).unwrap().to_f64_vec().unwrap();
        let got = found.parameters[0].to_f64_vec().unwrap();
        // The smallest eigenvalue is at least 1, so that x is off by the gradient at most.
        assert!(got.iter().zip(&exact).all(|(a, b)| (a - b).abs() < 1e-6), "{got:?} {exact:?}");
        assert!(found.largest_gradient < 1e-6);
    }

    #[test]
    fn steps_that_leave_the_domain_are_shortened() {
        // x − ln x has its minimum at 1, and no value below 0.
        let f = |x: &[Tensor]| x[0].sub(&x[0].ln()?)?.sum(&[], false);
        let found = lbfgs(f, &[Tensor::scalar(9.0_f64)], &LbfgsOptions::default(), &mut go).unwrap();
        assert!((found.parameters[0].item::<f64>().unwrap() - 1.0).abs() < 1e-7);
    }

    #[test]
    fn f32_parameters_end_where_rounding_hides_the_descent() {
        let start = [Tensor::full(&[2], -1.2_f32).unwrap(), Tensor::full(&[2], 1.0_f32).unwrap()];
        let found = lbfgs(rosenbrock, &start, &LbfgsOptions::default(), &mut go).unwrap();
        assert_eq!(found.parameters[0].dtype(), DType::F32);
        assert!(found.parameters[0].to_f64_vec().unwrap().iter().all(|x| (x - 1.0).abs() < 1e-2));
    }

    #[test]
    fn it_says_why_it_ended() {
        let start = [Tensor::scalar(-1.2_f64), Tensor::scalar(1.0_f64)];
        let run = |options: &LbfgsOptions, progress: &mut dyn FnMut(MinimizeStep) -> ControlFlow<()>| {
            let found = lbfgs(rosenbrock, &start, options, progress).unwrap();
            (found.stop, found.steps)
        };
        let few = LbfgsOptions { steps: 3, ..Default::default() };
        assert_eq!(run(&few, &mut go), (MinimizeStop::Steps, 3));
        assert_eq!(run(&few, &mut |_| ControlFlow::Break(())), (MinimizeStop::Caller, 1));
        let loose = LbfgsOptions { gradient_tolerance: 1e-3, ..Default::default() };
        assert_eq!(run(&loose, &mut go).0, MinimizeStop::Gradient);
        let constant = lbfgs(|_| Ok(Tensor::scalar(1.0_f64)), &start, &few, &mut go).unwrap();
        assert_eq!((constant.stop, constant.steps), (MinimizeStop::Gradient, 0));
    }

    #[test]
    fn what_cannot_be_minimized_is_refused_with_words() {
        let words =
            |start: Tensor, options: &LbfgsOptions| lbfgs(|x| x[0].ln(), &[start], options, &mut go).err().unwrap().to_string();
        let options = LbfgsOptions::default();
        assert_eq!(
            words(Tensor::ones(&[2], DType::F64).unwrap(), &options),
            "lbfgs: the function must return a single floating-point number, got f64 of shape [2]"
        );
        assert_eq!(
            words(Tensor::scalar(-1.0_f64), &options),
            "lbfgs: the function is NaN at the start and its gradient there must be finite; start elsewhere"
        );
        assert_eq!(words(Tensor::scalar(1_i64), &options), "lbfgs: parameter 0 is i64; minimize over f32 or f64");
        let wrong = LbfgsOptions { curvature: 1.0, ..Default::default() };
        assert_eq!(
            words(Tensor::scalar(1.0_f64), &wrong),
            "lbfgs: history 10, evaluations 25, sufficient_decrease 0.0001, curvature 1: counts must be above 0, \
             0 < sufficient_decrease < curvature < 1, and no tolerance negative"
        );
    }
}
