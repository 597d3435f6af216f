//! Linear systems that are observed with noise.

use monotile_kernels::buffer::list;

use super::parts::{argument, positions, root};
use crate::check;
use crate::error::{Error, ErrorKind, Result};
use crate::linalg::{QrOptions, SolveTriangularOptions, lstsq, qr, solve_triangular};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The parts of a linear system with normal noise:
///
/// x₁ ~ N(m, P),  xₜ₊₁ = F xₜ + N(0, Q),  yₜ = H xₜ + N(0, R)
#[derive(Clone)]
pub struct KalmanModel {
    /// F, `(n, n)`
    pub transition: Tensor,
    /// Q, `(n, n)`: a covariance, which may be singular.
    pub transition_covariance: Tensor,
    /// H, `(p, n)`
    pub observation: Tensor,
    /// R, `(p, p)`: a covariance, which may be singular.
    pub observation_covariance: Tensor,
    /// m, `(n)`: the mean of the first state.
    pub mean: Tensor,
    /// P, `(n, n)`: its covariance.
    pub covariance: Tensor,
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
    transition: Tensor,
    transition_root: Tensor,
    observation: Tensor,
    observation_root: Tensor,
    mean: Tensor,
    root: Tensor,
}

/// What is known of each state from the observations up to its own.
#[derive(Clone)]
pub struct Filtered {
    /// E(xₜ | y₁ … yₜ), `(T, n)`
    pub means: Tensor,
    /// Lower triangular roots of the covariances, `(T, n, n)`.
    pub roots: Tensor,
    /// ln p(y₁ … y_T), a scalar: of the observations that are not missing.
    pub log_likelihood: Tensor,
}

/// What is known of each state from all observations.
#[derive(Clone)]
pub struct Smoothed {
    /// E(xₜ | y₁ … y_T), `(T, n)`
    pub means: Tensor,
    /// Lower triangular roots of the covariances, `(T, n, n)`.
    pub roots: Tensor,
}

impl Filtered {
    /// The covariances of the states, `(T, n, n)`.
    ///
    /// # Errors
    /// None that a filter's answer has.
    #[track_caller]
    pub fn covariances(&self) -> Result<Tensor> {
        self.roots.matmul(&self.roots.mt())
    }
}

impl Smoothed {
    /// The covariances of the states, `(T, n, n)`.
    ///
    /// # Errors
    /// None that a smoother's answer has.
    #[track_caller]
    pub fn covariances(&self) -> Result<Tensor> {
        self.roots.matmul(&self.roots.mt())
    }
}

/// A mean, `(n)`, and a root of a covariance, `(n, n)`.
type State = (Tensor, Tensor);

impl KalmanFilter {
    /// The filter of a system.
    ///
    /// # Errors
    /// If shapes do not fit; `NotPositiveDefinite` where a covariance has a negative eigenvalue.
    #[track_caller]
    pub fn new(model: &KalmanModel) -> Result<Self> {
        let op = "KalmanFilter";
        let n = model.mean.len();
        let p = model.observation.shape().first().copied().unwrap_or(0);
        let (state, seen) = (("n", Some(n)), ("p", Some(p)));
        let mean = argument(op, "the mean", &model.mean, &[("n", None)])?;
        let transition = argument(op, "the transition", &model.transition, &[state, state])?;
        let observation = argument(op, "the observation", &model.observation, &[("p", None), state])?;
        let noise = argument(op, "the covariance of the transition", &model.transition_covariance, &[state, state])?;
        let error = argument(op, "the covariance of the observation", &model.observation_covariance, &[seen, seen])?;
        let covariance = argument(op, "the covariance", &model.covariance, &[state, state])?;
        let dtype = [&transition, &observation, &noise, &error, &covariance]
            .into_iter()
            .try_fold(mean.dtype(), |dtype, x| check::common_float(op, &Tensor::zeros(&[0], dtype)?, x))?;
        Ok(Self {
            transition: transition.to_dtype(dtype)?,
            transition_root: root(op, "the covariance of the transition", &noise.to_dtype(dtype)?)?,
            observation: observation.to_dtype(dtype)?,
            observation_root: root(op, "the covariance of the observation", &error.to_dtype(dtype)?)?,
            mean: mean.to_dtype(dtype)?,
            root: root(op, "the covariance", &covariance.to_dtype(dtype)?)?,
        })
    }

    /// Runs over observations `(T, p)`, a time a row. An entry that is NaN is missing; the others of its row count.
    ///
    /// # Errors
    /// If the shape does not fit; `Singular` where an observation has no variance.
    #[track_caller]
    pub fn filter(&self, observations: &Tensor) -> Result<Filtered> {
        let mut log_likelihood = Tensor::scalar_as(0.0, self.mean.dtype());
        let states = self.states("filter", observations, &mut log_likelihood)?;
        let (means, roots) = stacked(&states, &self.mean)?;
        Ok(Filtered { means, roots, log_likelihood })
    }

    /// What all observations `(T, p)` say of each state; NaN as in [`filter`](Self::filter).
    ///
    /// # Errors
    /// As [`filter`](Self::filter).
    #[track_caller]
    pub fn smooth(&self, observations: &Tensor) -> Result<Smoothed> {
        let mut states = self.states("smooth", observations, &mut Tensor::scalar_as(0.0, self.mean.dtype()))?;
        for t in (0..states.len().saturating_sub(1)).rev() {
            states[t] = self.smoothed(&states[t], &states[t + 1])?;
        }
        let (means, roots) = stacked(&states, &self.mean)?;
        Ok(Smoothed { means, roots })
    }

    #[track_caller]
    fn states(&self, op: &str, observations: &Tensor, log_likelihood: &mut Tensor) -> Result<Vec<State>> {
        let p = self.observation.dim(0);
        let observations = argument(op, "the observations", observations, &[("T", None), ("p", Some(p))])?;
        let observations = observations.to_dtype(self.mean.dtype())?;
        let missing: Vec<bool> = observations.to_f64_vec()?.iter().map(|y| y.is_nan()).collect();
        let mut states: Vec<State> = list(observations.dim(0)).map_err(|e| Error::from(e).with_context(op))?;
        for t in 0..observations.dim(0) {
            let predicted = match states.last() {
                None => (self.mean.clone(), self.root.clone()),
                Some(state) => self.predicted(state)?,
            };
            let there: Vec<usize> = (0..p).filter(|&i| !missing[t * p + i]).collect();
            let there = positions(op, &there, p)?;
            let row = observations.select(0, t)?.index_select(0, &there)?;
            let (state, term) =
                self.updated(&predicted, &row, &there).map_err(|error| error.with_context(format!("{op}: observation {t}")))?;
            *log_likelihood = log_likelihood.add(&term)?;
            states.push(state);
        }
        Ok(states)
    }

    /// One step of time: the triangle of [(F L)ᵀ; L_Qᵀ] is a root of F P Fᵀ + Q.
    #[track_caller]
    fn predicted(&self, (mean, root): &State) -> Result<State> {
        let stacked = Tensor::cat(&[&self.transition.matmul(root)?.mt(), &self.transition_root.mt()], 0)?;
        Ok((self.transition.matmul(mean)?, triangle(&stacked)?.mt()))
    }

    /// One observation of the components `there`, and its log-density:
    /// the triangle of [[L_Rᵀ, 0]; [(H L)ᵀ, Lᵀ]] is [[Sᵀ, Kᵀ]; [0, L₊ᵀ]], with S Sᵀ the covariance of y, and K S⁻¹ the gain.
    #[track_caller]
    fn updated(&self, (mean, root): &State, y: &Tensor, there: &Tensor) -> Result<(State, Tensor)> {
        let (n, p, k) = (mean.len(), self.observation.dim(0), y.len());
        if k == 0 {
            return Ok(((mean.clone(), root.clone()), Tensor::scalar_as(0.0, mean.dtype())));
        }
        let h = self.observation.index_select(0, there)?;
        let noise = self.observation_root.index_select(0, there)?.mt();
        let above = Tensor::cat(&[&noise, &Tensor::zeros(&[p, n], mean.dtype())?], 1)?;
        let below = Tensor::cat(&[&h.matmul(root)?.mt(), &root.mt()], 1)?;
        let r = triangle(&Tensor::cat(&[&above, &below], 0)?)?;
        let s = r.slice(0, ..k)?.slice(1, ..k)?.mt();
        let gain = r.slice(0, ..k)?.slice(1, k..)?.mt();
        let rest = r.slice(0, k..)?.slice(1, k..)?.mt();
        let surprise = y.sub(&h.matmul(mean)?)?.unsqueeze(-1)?;
        let e = solve_triangular(&s, &surprise, &SolveTriangularOptions::default())?.squeeze(-1)?;
        let constant = 0.5 * k as f64 * (2.0 * std::f64::consts::PI).ln();
        let scale = s.diagonal(0, 1)?.ln()?.sum(&[], false)?;
        let term = e.square()?.sum(&[], false)?.mul_scalar(-0.5)?.sub(&scale)?.add_scalar(-constant)?;
        Ok(((mean.add(&gain.matmul(&e)?)?, rest), term))
    }

    /// What the next state's smoothed distribution says of this one: with the triangle [[A, B]; [0, C]] of [[(F L)ᵀ, Lᵀ]; [L_Qᵀ, 0]],
    /// the gain is G = Bᵀ A⁻ᵀ, and C a root of what stays unknown when the next state is known.
    #[track_caller]
    fn smoothed(&self, state: &State, next: &State) -> Result<State> {
        let (mean, root) = state;
        let n = mean.len();
        let above = Tensor::cat(&[&self.transition.matmul(root)?.mt(), &root.mt()], 1)?;
        let below = Tensor::cat(&[&self.transition_root.mt(), &Tensor::zeros(&[n, n], mean.dtype())?], 1)?;
        let r = triangle(&Tensor::cat(&[&above, &below], 0)?)?;
        let a = r.slice(0, ..n)?.slice(1, ..n)?;
        let b = r.slice(0, ..n)?.slice(1, n..)?;
        let c = r.slice(0, n..)?.slice(1, n..)?;
        let mut stacked = vec![c];
        let gain = match solve_triangular(&a, &b, &SolveTriangularOptions { upper: true, ..Default::default() }) {
            // Directions without variance take part in nothing: A⁺ in the place of A⁻¹, and what A cannot tell of B stays unknown.
            Err(error) if error.kind() == ErrorKind::Singular => {
                let least = lstsq(&a, &b)?;
                stacked.push(b.sub(&a.matmul(&least)?)?);
                least.mt()
            }
            solved => solved?.mt(),
        };
        let (next_mean, next_root) = next;
        let moved = gain.matmul(&next_mean.sub(&self.transition.matmul(mean)?)?)?;
        stacked.push(gain.matmul(next_root)?.mt());
        let stacked = Tensor::cat(&stacked.iter().collect::<Vec<_>>(), 0)?;
        Ok((mean.add(&moved)?, triangle(&stacked)?.mt()))
    }
}

/// R of the factors A = Q R, its diagonal not negative.
#[track_caller]
fn triangle(a: &Tensor) -> Result<Tensor> {
    Ok(qr(a, &QrOptions { non_negative: true, ..Default::default() })?.r)
}

/// Means and roots, a time a row.
#[track_caller]
fn stacked(states: &[State], like: &Tensor) -> Result<State> {
    let n = like.len();
    if states.is_empty() {
        return Ok((Tensor::zeros(&[0, n], like.dtype())?, Tensor::zeros(&[0, n, n], like.dtype())?));
    }
    let (means, roots): (Vec<&Tensor>, Vec<&Tensor>) = states.iter().map(|(mean, root)| (mean, root)).unzip();
    Ok((Tensor::stack(&means, 0)?, Tensor::stack(&roots, 0)?))
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
        Spec::new("smooth", smoothed).sample("four times", sample()).orders(1).tolerance_f32(1e-4).may_drop_nan(),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: filter, smooth);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::MultivariateNormal;
    use crate::stats::parts::constant;
    use crate::tensor::DType;

    /// The joint distribution of all states, then all observations, written out.
    fn joint(model: &KalmanModel, times: usize) -> MultivariateNormal {
        let (n, p) = (model.mean.len(), model.observation.dim(0));
        let block = |rows: Vec<Vec<Tensor>>| {
            let rows: Vec<Tensor> = rows.iter().map(|row| Tensor::cat(&row.iter().collect::<Vec<_>>(), 1).unwrap()).collect();
            Tensor::cat(&rows.iter().collect::<Vec<_>>(), 0).unwrap()
        };
        // x = A (x₁ − m, w₁, …) + means, with A_ts = F^(t−s), and noises of covariance P, Q, Q, …
        let power = |k: usize| (0..k).fold(Tensor::eye(n, DType::F64).unwrap(), |a, _| model.transition.matmul(&a).unwrap());
        let zero = Tensor::zeros(&[n, n], DType::F64).unwrap();
        let grid = |f: &dyn Fn(usize, usize) -> Tensor| block((0..times).map(|t| (0..times).map(|s| f(t, s)).collect()).collect());
        let a = grid(&|t, s| if s <= t { power(t - s) } else { zero.clone() });
        let noise = grid(&|t, s| match (t, s) {
            (0, 0) => model.covariance.clone(),
            (t, s) if t == s => model.transition_covariance.clone(),
            _ => zero.clone(),
        });
        let h = grid(&|t, s| if t == s { model.observation.clone() } else { Tensor::zeros(&[p, n], DType::F64).unwrap() });
        let error =
            grid(&|t, s| if t == s { model.observation_covariance.clone() } else { Tensor::zeros(&[p, p], DType::F64).unwrap() });
        let xx = a.matmul(&noise).unwrap().matmul(&a.mt()).unwrap();
        let yx = h.matmul(&xx).unwrap();
        let yy = yx.matmul(&h.mt()).unwrap().add(&error).unwrap();
        let covariance = block(vec![vec![xx, yx.mt()], vec![yx, yy]]);
        let means: Vec<Tensor> = (0..times).map(|t| power(t).matmul(&model.mean).unwrap()).collect();
        let x = Tensor::cat(&means.iter().collect::<Vec<_>>(), 0).unwrap();
        let mean = Tensor::cat(&[&x, &h.matmul(&x).unwrap()], 0).unwrap();
        MultivariateNormal::new(&mean, &covariance).unwrap()
    }

    #[test]
    fn all_of_it_agrees_with_the_normal_distribution_of_the_whole_trajectory() {
        let inputs = sample();
        let model = model(&inputs).unwrap();
        let filter = KalmanFilter::new(&model).unwrap();
        let (n, p, times) = (3, 2, 4);
        let joint = joint(&model, times);
        for missing in [&[][..], &[2], &[0, 2, 3, 7], &[0, 1, 2, 3, 4, 5, 6, 7]] {
            let mut y = inputs[6].to_f64_vec().unwrap();
            missing.iter().for_each(|&i| y[i] = f64::NAN);
            let observations = Tensor::from_slice(&y, &[times, p]).unwrap();
            let there: Vec<usize> = (0..times * p).filter(|i| !missing.contains(i)).collect();
            let at: Vec<usize> = there.iter().map(|i| times * n + i).collect();
            let values: Vec<f64> = there.iter().map(|&i| y[i]).collect();
            let values = Tensor::from_slice(&values, &[values.len()]).unwrap();
            let filtered = filter.filter(&observations).unwrap();
            let expected = joint.marginal(&at).unwrap().log_prob(&values).unwrap().item::<f64>().unwrap();
            assert!((filtered.log_likelihood.item::<f64>().unwrap() - expected).abs() < 1e-11, "{missing:?}");

            let smoothed = filter.smooth(&observations).unwrap();
            let known = joint.conditional(&at, &values).unwrap();
            for t in 0..times {
                let state = known.marginal(&[n * t, n * t + 1, n * t + 2]).unwrap();
                let off =
                    |a: &Tensor, b: &Tensor| a.sub(b).unwrap().to_f64_vec().unwrap().iter().fold(0.0, |m: f64, d| m.max(d.abs()));
                assert!(off(state.mean(), &smoothed.means.select(0, t).unwrap()) < 1e-11, "{missing:?} at {t}");
                let covariance = smoothed.covariances().unwrap().select(0, t).unwrap();
                assert!(off(&state.covariance().unwrap(), &covariance) < 1e-11, "{missing:?} at {t}");
            }
        }
    }

    /// A point whose second coordinate is known, and stays: smoothing the first is smoothing it alone.
    #[test]
    fn a_part_of_the_state_that_is_known_is_smoothed_as_if_it_were_not_there() {
        let diagonal = |a: f64, b: f64| Tensor::from_rows(&[[a, 0.0], [0.0, b]]).unwrap();
        let one = |x: f64| Tensor::full(&[1, 1], x).unwrap();
        let both = KalmanModel {
            transition: diagonal(0.9, 1.0),
            transition_covariance: diagonal(1.0, 0.0),
            observation: constant(&[1.0, 2.0], &[1, 2], DType::F64).unwrap(),
            observation_covariance: one(0.5),
            mean: constant(&[0.0, 3.0], &[2], DType::F64).unwrap(),
            covariance: diagonal(2.0, 0.0),
        };
        let alone = KalmanModel {
            transition: one(0.9),
            transition_covariance: one(1.0),
            observation: one(1.0),
            observation_covariance: one(0.5),
            mean: Tensor::zeros(&[1], DType::F64).unwrap(),
            covariance: one(2.0),
        };
        let y = Tensor::from_slice(&[1.0, -0.5, f64::NAN, 2.0], &[4, 1]).unwrap();
        let found = KalmanFilter::new(&both).unwrap().smooth(&y.add_scalar(6.0).unwrap()).unwrap();
        let expected = KalmanFilter::new(&alone).unwrap().smooth(&y).unwrap();
        let (means, covariances) = (found.means.to_f64_vec().unwrap(), found.covariances().unwrap().to_f64_vec().unwrap());
        let (mean, covariance) = (expected.means.to_f64_vec().unwrap(), expected.covariances().unwrap().to_f64_vec().unwrap());
        for t in 0..4 {
            assert!((means[2 * t] - mean[t]).abs() < 1e-14 && (means[2 * t + 1] - 3.0).abs() < 1e-14, "{t}: {means:?}");
            assert!((covariances[4 * t] - covariance[t]).abs() < 1e-14 && covariances[4 * t + 3].abs() < 1e-14, "{covariances:?}");
        }
        let exact = KalmanModel { observation_covariance: one(0.0), covariance: diagonal(0.0, 0.0), ..both };
        let error = KalmanFilter::new(&exact).unwrap().filter(&y).err().unwrap();
        assert_eq!(
            error.to_string(),
            "filter: observation 0: solve_triangular: the matrix is singular (its diagonal element 0 is 0)"
        );
    }

    /// Position and speed, moved by one noise: the covariance of the transition has rank 1.
    #[test]
    fn singular_noise_is_taken() {
        let matrix = |rows: [[f64; 2]; 2]| Tensor::from_rows(&rows).unwrap();
        let model = KalmanModel {
            transition: matrix([[1.0, 1.0], [0.0, 1.0]]),
            transition_covariance: matrix([[0.25, 0.5], [0.5, 1.0]]),
            observation: constant(&[1.0, 0.0], &[1, 2], DType::F64).unwrap(),
            observation_covariance: Tensor::full(&[1, 1], 1e-12).unwrap(),
            mean: Tensor::zeros(&[2], DType::F64).unwrap(),
            covariance: matrix([[1e6, 0.0], [0.0, 1e6]]),
        };
        // Positions t²/2 leave speeds t + (−1)ᵗ c open, with accelerations 1 − 2 (−1)ᵗ c; the sum of squares of seven of these is least
        // at c = 1/14.
        let y: Vec<f64> = (0..8).map(|t| 0.5 * f64::from(t * t)).collect();
        let smoothed = KalmanFilter::new(&model).unwrap().smooth(&Tensor::from_slice(&y, &[8, 1]).unwrap()).unwrap();
        let means = smoothed.means.to_f64_vec().unwrap();
        for t in 0..8 {
            let speed = t as f64 + if t % 2 == 0 { 1.0 } else { -1.0 } / 14.0;
            // The prior, of variance 10⁶, draws by a part in as many.
            assert!((means[2 * t] - y[t]).abs() < 1e-6 && (means[2 * t + 1] - speed).abs() < 1e-6, "{t}: {means:?}");
        }
    }
}
