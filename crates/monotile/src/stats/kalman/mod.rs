//! Linear systems that are observed with noise.

mod steps;
#[cfg(test)]
mod tests;

use monotile_kernels::buffer::list;

use self::steps::{FilterState, Measurement, stacked};
use super::parts::{batched_argument, root};
use crate::check;
use crate::error::{Error, Placed, Result};
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The parts of a linear system with normal noise:
///
/// x₁ ~ N(m, P),  xₜ₊₁ = F xₜ + N(0, Q),  yₜ = H xₜ + N(0, R)
///
/// F, Q, H and R may change with time: the dimension before their last two is then time, of size T or 1. F and Q of time t lead from state t
/// to the next, so that those of the last time are not used. Dimensions before time, and those before the shapes of m and P, are batches of
/// systems, which broadcast.
#[derive(Clone)]
pub struct KalmanModel {
    /// F, `(n, n)` or `(…, T, n, n)`
    pub transition: Tensor,
    /// Q, `(n, n)` or `(…, T, n, n)`: a covariance, which may be singular.
    pub transition_covariance: Tensor,
    /// H, `(p, n)` or `(…, T, p, n)`
    pub observation: Tensor,
    /// R, `(p, p)` or `(…, T, p, p)`: a covariance, which may be singular.
    pub observation_covariance: Tensor,
    /// m, `(…, n)`: the mean of the first state.
    pub mean: Tensor,
    /// P, `(…, n, n)`: its covariance.
    pub covariance: Tensor,
}

/// Inputs u that are known, and what they do: xₜ₊₁ = F xₜ + B uₜ + …, yₜ = H xₜ + D uₜ + …
#[derive(Clone)]
pub struct KalmanControls {
    /// u, `(…, T, k)`: an input a time.
    pub inputs: Tensor,
    /// B, `(n, k)` or `(…, T, n, k)`; none moves no state.
    pub transition: Option<Tensor>,
    /// D, `(p, k)` or `(…, T, p, k)`; none is not observed.
    pub observation: Option<Tensor>,
}

/// Kalman's filter and the smoother of Rauch, Tung and Striebel, in square-root form: covariances are held as triangular roots, which
/// orthogonal factorizations carry on, so that none of them can lose its symmetry or its positive values to rounding.
///
/// # Gradient
/// Of everything, with respect to all parts of the model and to the observations, where Q, R and P are positive definite; a singular
/// covariance is taken as a constant.
///
/// # Source
/// Kailath, Sayed and Hassibi (2000), Linear Estimation, chapter 12; Rauch, Tung and Striebel (1965), Maximum likelihood estimates
/// of linear dynamic systems.
///
/// # Example
/// A level that walks by steps of variance 1, seen with noise of variance 2; the second observation is missing:
/// ```
/// use monotile::{DType, Tensor, stats::{KalmanFilter, KalmanModel}};
/// let number = |x: f64| Tensor::full(&[1, 1], x);
/// let filter = KalmanFilter::new(&KalmanModel {
///     transition: number(1.0)?,
///     transition_covariance: number(1.0)?,
///     observation: number(1.0)?,
///     observation_covariance: number(2.0)?,
///     mean: Tensor::zeros(&[1], DType::F64)?,
///     covariance: number(2.0)?,
/// })?;
/// let seen = filter.filter(&Tensor::from_slice(&[4.0, f64::NAN, 2.0], &[3, 1])?)?;
/// let means = seen.means.to_vec::<f64>()?;
/// assert!((means[0] - 2.0).abs() < 1e-14 && (means[1] - 2.0).abs() < 1e-14);
/// assert!((seen.covariances()?.to_vec::<f64>()?[2] - 1.2).abs() < 1e-14);
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Clone)]
pub struct KalmanFilter {
    /// `(n, n)` or `(…, T, n, n)`, as the model has them; so are the others.
    transition: Tensor,
    transition_root: Tensor,
    observation: Tensor,
    observation_root: Tensor,
    /// `(…, n, 1)`
    mean: Tensor,
    root: Tensor,
    /// B u, `(…, T, n, 1)`
    moved: Option<Tensor>,
    /// D u, `(…, T, p, 1)`
    shown: Option<Tensor>,
}

/// What is known of each state from the observations up to its own.
#[derive(Clone)]
pub struct Filtered {
    /// E(xₜ | y₁ … yₜ), `(…, T, n)`
    pub means: Tensor,
    /// Lower triangular roots of the covariances, `(…, T, n, n)`.
    pub roots: Tensor,
    /// ln p(y₁ … y_T), one a series: of the observations that are not missing.
    pub log_likelihood: Tensor,
}

/// What is known of each state from all observations.
#[derive(Clone)]
pub struct Smoothed {
    /// E(xₜ | y₁ … y_T), `(…, T, n)`
    pub means: Tensor,
    /// Lower triangular roots of the covariances, `(…, T, n, n)`.
    pub roots: Tensor,
}

impl Filtered {
    /// The covariances of the states, `(…, T, n, n)`.
    ///
    /// # Errors
    /// None that a filter's answer has.
    #[track_caller]
    pub fn covariances(&self) -> Result<Tensor> {
        self.roots.matmul(&self.roots.mt())
    }
}

impl Smoothed {
    /// The covariances of the states, `(…, T, n, n)`.
    ///
    /// # Errors
    /// None that a smoother's answer has.
    #[track_caller]
    pub fn covariances(&self) -> Result<Tensor> {
        self.roots.matmul(&self.roots.mt())
    }
}

impl KalmanFilter {
    /// The filter of a system, or of a batch of them.
    ///
    /// # Errors
    /// If shapes do not fit; `NotPositiveDefinite` where a covariance has a negative eigenvalue.
    #[track_caller]
    pub fn new(model: &KalmanModel) -> Result<Self> {
        let op = "KalmanFilter";
        let n = model.mean.shape().last().copied().unwrap_or(0);
        let p = model.observation.shape().iter().rev().nth(1).copied().unwrap_or(0);
        let (state, seen) = (("n", Some(n)), ("p", Some(p)));
        let mean = batched_argument(op, "the mean", &model.mean, &[("n", None)])?;
        let transition = batched_argument(op, "the transition", &model.transition, &[state, state])?;
        let observation = batched_argument(op, "the observation", &model.observation, &[("p", None), state])?;
        let noise = batched_argument(op, "the covariance of the transition", &model.transition_covariance, &[state, state])?;
        let error = batched_argument(op, "the covariance of the observation", &model.observation_covariance, &[seen, seen])?;
        let covariance = batched_argument(op, "the covariance", &model.covariance, &[state, state])?;
        let dtype = check::common_float_of(op, &[&mean, &transition, &observation, &noise, &error, &covariance])?;
        Ok(Self {
            transition: transition.to_dtype(dtype)?,
            transition_root: root(op, "the covariance of the transition", &noise.to_dtype(dtype)?)?,
            observation: observation.to_dtype(dtype)?,
            observation_root: root(op, "the covariance of the observation", &error.to_dtype(dtype)?)?,
            mean: mean.to_dtype(dtype)?.unsqueeze(-1)?,
            root: root(op, "the covariance", &covariance.to_dtype(dtype)?)?,
            moved: None,
            shown: None,
        })
    }

    /// The filter of a system that is moved by known inputs.
    ///
    /// # Errors
    /// If shapes do not fit.
    ///
    /// # Example
    /// A level that is lifted by 3 between the two observations:
    /// ```
    /// use monotile::{DType, Tensor, stats::{KalmanControls, KalmanFilter, KalmanModel}};
    /// let number = |x: f64| Tensor::full(&[1, 1], x);
    /// let filter = KalmanFilter::new(&KalmanModel {
    ///     transition: number(1.0)?,
    ///     transition_covariance: number(0.0)?,
    ///     observation: number(1.0)?,
    ///     observation_covariance: number(1.0)?,
    ///     mean: Tensor::zeros(&[1], DType::F64)?,
    ///     covariance: number(1.0)?,
    /// })?;
    /// let inputs = Tensor::from_slice(&[3.0, 0.0], &[2, 1])?;
    /// let filter = filter.with_controls(&KalmanControls { inputs, transition: Some(number(1.0)?), observation: None })?;
    /// let seen = filter.filter(&Tensor::from_slice(&[f64::NAN, 5.0], &[2, 1])?)?;
    /// // Half way from the 3 that was expected to the 5 that was seen.
    /// assert!((seen.means.to_vec::<f64>()?[1] - 4.0).abs() < 1e-14);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn with_controls(&self, controls: &KalmanControls) -> Result<Self> {
        let (op, dtype) = ("KalmanControls", self.mean.dtype());
        let inputs = batched_argument(op, "the inputs", &controls.inputs, &[("T", None), ("k", None)])?;
        let inputs = inputs.to_dtype(dtype)?.unsqueeze(-1)?;
        let k = ("k", Some(inputs.dim(-2)));
        let product = |what: &str, matrix: &Option<Tensor>, rows: (&str, Option<usize>)| {
            let Some(matrix) = matrix else { return Ok(None) };
            let matrix = batched_argument(op, what, matrix, &[rows, k])?.to_dtype(dtype)?;
            steps::check_times(op, what, &matrix, inputs.dim(-3))?;
            matrix.matmul(&inputs).map(Some)
        };
        let moved = product("the transition", &controls.transition, ("n", Some(self.mean.dim(-2)))).placed()?;
        let shown = product("the observation", &controls.observation, ("p", Some(self.observation.dim(-2)))).placed()?;
        Ok(Self { moved, shown, ..self.clone() })
    }

    /// Runs over observations `(…, T, p)`, a time a row, of one series or of a batch. An entry that is NaN is missing; the others of its row
    /// count.
    ///
    /// # Errors
    /// If the shape does not fit; `Singular` where an observation has no variance.
    #[track_caller]
    pub fn filter(&self, observations: &Tensor) -> Result<Filtered> {
        let (states, log_likelihood, batch) = self.states("filter", observations)?;
        let (means, roots) = stacked(&states, &self.mean, &batch)?;
        Ok(Filtered { means, roots, log_likelihood })
    }

    /// What all observations `(…, T, p)` say of each state; NaN as in [`filter`](Self::filter).
    ///
    /// # Errors
    /// As [`filter`](Self::filter).
    #[track_caller]
    pub fn smooth(&self, observations: &Tensor) -> Result<Smoothed> {
        let (mut states, _, batch) = self.states("smooth", observations)?;
        for t in (0..states.len().saturating_sub(1)).rev() {
            states[t] = self.smoothed(t, &states[t], &states[t + 1])?;
        }
        let (means, roots) = stacked(&states, &self.mean, &batch)?;
        Ok(Smoothed { means, roots })
    }

    /// The filtered states, ln p of each series, and the leading dimensions of both.
    #[track_caller]
    fn states(&self, op: &str, observations: &Tensor) -> Result<(Vec<FilterState>, Tensor, Dims)> {
        let (n, p, dtype) = (self.mean.dim(-2), self.observation.dim(-2), self.mean.dtype());
        let observations = batched_argument(op, "the observations", observations, &[("T", None), ("p", Some(p))])?;
        let observations = observations.to_dtype(dtype)?;
        let times = observations.dim(-2);
        let batch = self.batch(op, &observations)?;
        let missing: Vec<bool> = observations.to_f64_vec()?.iter().map(|y| y.is_nan()).collect();
        let wide = |x: &Tensor, rows: usize, columns: usize| {
            let shape: Dims = batch.iter().copied().chain([rows, columns]).collect();
            x.expand(&shape)
        };
        let mut state = (wide(&self.mean, n, 1).placed()?, wide(&self.root, n, n).placed()?);
        let mut log_likelihood = Tensor::zeros(&batch, dtype)?;
        let mut states: Vec<FilterState> = list(times).map_err(|e| Error::from(e).with_context(op))?;
        for t in 0..times {
            if t > 0 {
                state = self.predicted(t - 1, &state)?;
            }
            let of_all = missing.chunks(p.max(1)).skip(t).step_by(times).flatten();
            let (absent, all) = of_all.fold((0, 0), |(absent, all), gone| (absent + usize::from(*gone), all + 1));
            // Where nothing is seen in any series, what was predicted stays.
            if absent < all {
                let row = wide(&observations.select(-2, t)?.unsqueeze(-1)?, p, 1).placed()?;
                let seen = Measurement::new(row, absent > 0)?;
                let (next, term) =
                    self.updated(t, &state, &seen).map_err(|error| error.with_context(format!("{op}: observation {t}")))?;
                log_likelihood = log_likelihood.add(term)?;
                state = next;
            }
            states.push(state.clone());
        }
        Ok((states, log_likelihood, batch))
    }

    /// The leading dimensions of all parts and observations together, if times fit each other.
    #[track_caller]
    fn batch(&self, op: &str, observations: &Tensor) -> Result<Dims> {
        let parts = [
            ("the transition", Some(&self.transition), true),
            ("the covariance of the transition", Some(&self.transition_root), true),
            ("the observation", Some(&self.observation), true),
            ("the covariance of the observation", Some(&self.observation_root), true),
            ("the inputs", self.moved.as_ref(), true),
            ("the inputs", self.shown.as_ref(), true),
            ("the mean", Some(&self.mean), false),
            ("the covariance", Some(&self.root), false),
        ];
        let mut batch = Dims::from(&observations.shape()[..observations.rank() - 2]);
        for (what, part, timed) in parts {
            let Some(part) = part else { continue };
            let mut leading = &part.shape()[..part.rank() - 2];
            if timed {
                steps::check_times(op, what, part, observations.dim(-2))?;
                leading = leading.split_last().map_or(&[][..], |(_, batch)| batch);
            }
            let Ok(wide) = check::broadcast(op, &batch, leading) else {
                return Err(Error::shape(format!(
                    "{op}: the batches {leading:?} of {what} and {batch:?} of the observations and other parts do not broadcast"
                )));
            };
            batch = Dims::from(&wide[..]);
        }
        Ok(batch)
    }
}

/// The model of these tensors: F, H and m as they are, X Xᵀ + I for each covariance.
#[cfg(test)]
fn model(x: &[Tensor]) -> Result<KalmanModel> {
    let covariance = |x: &Tensor| x.matmul(&x.mt())?.add(&Tensor::eye(x.dim(0), x.dtype())?);
    Ok(KalmanModel {
        transition: x[0].clone(),
        transition_covariance: covariance(&x[1])?,
        observation: x[2].clone(),
        observation_covariance: covariance(&x[3])?,
        mean: x[4].clone(),
        covariance: covariance(&x[5])?,
    })
}

#[cfg(test)]
fn sample() -> Vec<Tensor> {
    let small = |shape: &[usize]| normal(shape).mul_scalar(0.5).expect("numbers");
    vec![small(&[3, 3]), small(&[3, 3]), normal(&[2, 3]), small(&[2, 2]), normal(&[3]), small(&[3, 3]), normal(&[4, 2])]
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let filtered = |x: &[Tensor]| {
        let found = KalmanFilter::new(&model(x)?)?.filter(&x[6])?;
        Ok(vec![found.log_likelihood.clone(), found.means.clone(), found.covariances()?])
    };
    let smoothed = |x: &[Tensor]| {
        let found = KalmanFilter::new(&model(x)?)?.smooth(&x[6])?;
        Ok(vec![found.means.clone(), found.covariances()?])
    };
    // F and H change with time, the mean is another a series; the second observation of the first series is missing.
    let changing = |x: &[Tensor]| {
        let identity = |n: usize| Tensor::eye(n, x[0].dtype());
        let model = KalmanModel {
            transition: x[0].clone(),
            transition_covariance: identity(2)?,
            observation: x[1].clone(),
            observation_covariance: identity(1)?,
            mean: x[2].clone(),
            covariance: identity(2)?,
        };
        let controls =
            KalmanControls { inputs: x[4].clone(), transition: Some(Tensor::full(&[2, 1], 0.5_f64)?), observation: None };
        let gone = Tensor::from_slice(&[false, true, false, false, false, false], &[2, 3, 1])?;
        let y = gone.where_(Tensor::scalar_as(f64::NAN, x[3].dtype()), &x[3])?;
        let filter = KalmanFilter::new(&model)?.with_controls(&controls)?;
        let (found, smoothed) = (filter.filter(&y)?, filter.smooth(&y)?);
        Ok(vec![found.log_likelihood.clone(), found.means.clone(), found.covariances()?, smoothed.means.clone()])
    };
    let mut wrong = sample();
    wrong[2] = normal(&[2, 4]);
    let mut narrow = sample();
    narrow[6] = normal(&[4, 3]);
    vec![
        Spec::new("filter", filtered)
            .sample("four times", sample())
            .orders(2)
            .tolerance_f32(1e-4)
            // An observation that is NaN is missing.
            .may_drop_nan()
            .refuses(wrong, "KalmanFilter: the observation must have shape [p, 3], got [2, 4]")
            .refuses(narrow, "filter: the observations must have shape [T, 2], got [4, 3]"),
        Spec::new("filter of changing systems", changing)
            .sample(
                "two series of three times",
                vec![normal(&[3, 2, 2]), normal(&[3, 1, 2]), normal(&[2, 2]), normal(&[2, 3, 1]), normal(&[3, 1])],
            )
            .orders(1)
            .tolerance_f32(1e-4)
            .may_drop_nan(),
        Spec::new("smooth", smoothed).sample("four times", sample()).orders(1).tolerance_f32(1e-4).may_drop_nan(),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: filter, filter_of_changing_systems, smooth);
