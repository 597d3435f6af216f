//! A step of time, an observation, and a step back.

use super::KalmanFilter;
use crate::error::{Error, ErrorKind, Result};
use crate::linalg::{QrOptions, SolveTriangularOptions, lstsq, qr, solve_triangular};
use crate::tensor::{Dims, Tensor};

/// A mean, `(…, n, 1)`, and a root of a covariance, `(…, n, n)`.
pub(super) type FilterState = (Tensor, Tensor);

/// The observations of one time.
pub(super) struct Measurement {
    /// `(…, p, 1)`, 0 where they are missing.
    y: Tensor,
    /// 1 where they are there and 0 where they are missing, `(…, p, 1)`; none if all are there.
    there: Option<Tensor>,
}

impl Measurement {
    #[track_caller]
    pub fn new(y: Tensor, some_missing: bool) -> Result<Self> {
        if !some_missing {
            return Ok(Self { y, there: None });
        }
        let missing = y.isnan()?;
        let [zero, one] = [0.0, 1.0].map(|x| Tensor::scalar_as(x, y.dtype()));
        Ok(Self { y: missing.where_(&zero, &y)?, there: Some(missing.where_(&zero, &one)?) })
    }

    /// Rows of what is missing become 0.
    #[track_caller]
    fn present(&self, x: Tensor) -> Result<Tensor> {
        match &self.there {
            Some(there) => x.mul(there),
            None => Ok(x),
        }
    }
}

impl KalmanFilter {
    /// One step from time t: the triangle of [(F L)ᵀ; L_Qᵀ] is a root of F P Fᵀ + Q.
    #[track_caller]
    pub(super) fn predicted(&self, t: usize, (mean, root): &FilterState) -> Result<FilterState> {
        let transition = at(&self.transition, t)?;
        let noise = like(root, &at(&self.transition_root, t)?.mt())?;
        let stacked = Tensor::cat(&[&transition.matmul(root)?.mt(), &noise], -2)?;
        Ok((self.moved(t, transition.matmul(mean)?)?, triangle(&stacked)?.mt()))
    }

    /// x + B u of time t.
    #[track_caller]
    fn moved(&self, t: usize, x: Tensor) -> Result<Tensor> {
        match &self.moved {
            Some(moved) => x.add(at(moved, t)?),
            None => Ok(x),
        }
    }

    /// One observation, and its log-density: the triangle of [[L_Rᵀ, 0]; [(H L)ᵀ, Lᵀ]] is [[Sᵀ, Kᵀ]; [0, L₊ᵀ]], with S Sᵀ the covariance of
    /// y, and K S⁻¹ the gain. What is missing reads nothing of the state, and has a variance of its own, 1, in which y is the mean.
    #[track_caller]
    pub(super) fn updated(&self, t: usize, (mean, root): &FilterState, seen: &Measurement) -> Result<(FilterState, Tensor)> {
        let (n, p) = (mean.dim(-2), self.observation.dim(-2));
        let h = seen.present(at(&self.observation, t)?)?;
        let mut noise = vec![like(root, &seen.present(at(&self.observation_root, t)?)?.mt())?];
        let mut count = Tensor::scalar_as(p as f64, mean.dtype());
        if let Some(there) = &seen.there {
            let apart = there.neg()?.add_scalar(1.0)?.mul(&Tensor::eye(p, mean.dtype())?)?;
            noise.push(like(root, &apart)?);
            count = there.sum(&[-2, -1], false)?;
        }
        let noise = Tensor::cat(&noise, -2)?;
        let nothing = like(root, &Tensor::zeros(&[noise.dim(-2), n], mean.dtype())?)?;
        let above = Tensor::cat(&[&noise, &nothing], -1)?;
        let below = Tensor::cat(&[&h.matmul(root)?.mt(), &root.mt()], -1)?;
        let r = triangle(&Tensor::cat(&[&above, &below], -2)?)?;
        let s = r.slice(-2, ..p)?.slice(-1, ..p)?.mt();
        let gain = r.slice(-2, ..p)?.slice(-1, p..)?.mt();
        let rest = r.slice(-2, p..)?.slice(-1, p..)?.mt();
        let mut expected = h.matmul(mean)?;
        if let Some(shown) = &self.shown {
            expected = expected.add(seen.present(at(shown, t)?)?)?;
        }
        let e = solve_triangular(&s, &seen.y.sub(&expected)?, &SolveTriangularOptions::default())?;
        let scale = s.diagonal(-2, -1)?.ln()?.sum(&[-1], false)?;
        let constant = count.mul_scalar(-0.5 * (2.0 * std::f64::consts::PI).ln())?;
        let term = e.square()?.sum(&[-2, -1], false)?.mul_scalar(-0.5)?.sub(&scale)?.add(constant)?;
        Ok(((mean.add(&gain.matmul(&e)?)?, rest), term))
    }

    /// What the next state's smoothed distribution says of that of time t: with the triangle [[A, B]; [0, C]] of [[(F L)ᵀ, Lᵀ]; [L_Qᵀ, 0]],
    /// the gain is G = Bᵀ A⁻ᵀ, and C a root of what stays unknown when the next state is known.
    #[track_caller]
    pub(super) fn smoothed(&self, t: usize, state: &FilterState, next: &FilterState) -> Result<FilterState> {
        let (mean, root) = state;
        let n = mean.dim(-2);
        let transition = at(&self.transition, t)?;
        let above = Tensor::cat(&[&transition.matmul(root)?.mt(), &root.mt()], -1)?;
        let noise = like(root, &at(&self.transition_root, t)?.mt())?;
        let below = Tensor::cat(&[&noise, &noise.zeros_like()], -1)?;
        let r = triangle(&Tensor::cat(&[&above, &below], -2)?)?;
        let a = r.slice(-2, ..n)?.slice(-1, ..n)?;
        let b = r.slice(-2, ..n)?.slice(-1, n..)?;
        let c = r.slice(-2, n..)?.slice(-1, n..)?;
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
        let surprise = next_mean.sub(self.moved(t, transition.matmul(mean)?)?)?;
        stacked.push(gain.matmul(next_root)?.mt());
        let stacked = Tensor::cat(&stacked, -2)?;
        Ok((mean.add(&gain.matmul(&surprise)?)?, triangle(&stacked)?.mt()))
    }
}

/// The matrix of time t.
#[track_caller]
pub(super) fn at(x: &Tensor, t: usize) -> Result<Tensor> {
    match x.rank() {
        2 => Ok(x.clone()),
        _ => x.select(-3, if x.dim(-3) == 1 { 0 } else { t }),
    }
}

/// Refuses matrices that are not there for each time.
#[track_caller]
pub(super) fn check_times(op: &str, what: &str, x: &Tensor, times: usize) -> Result<()> {
    if x.rank() > 2 && x.dim(-3) != 1 && x.dim(-3) != times {
        return Err(Error::shape(format!("{op}: {what} must be given for 1 or {times} times, got {}", x.dim(-3))));
    }
    Ok(())
}

/// Matrices, repeated over the leading dimensions of others.
#[track_caller]
fn like(batch: &Tensor, x: &Tensor) -> Result<Tensor> {
    let shape: Dims = batch.shape()[..batch.rank() - 2].iter().copied().chain([x.dim(-2), x.dim(-1)]).collect();
    x.expand(&shape)
}

/// R of the factors A = Q R, its diagonal not negative.
#[track_caller]
fn triangle(a: &Tensor) -> Result<Tensor> {
    Ok(qr(a, &QrOptions { non_negative: true, ..Default::default() })?.r)
}

/// Means `(…, T, n)` and roots `(…, T, n, n)`.
#[track_caller]
pub(super) fn stacked(states: &[FilterState], like: &Tensor, batch: &[usize]) -> Result<FilterState> {
    let n = like.dim(-2);
    if states.is_empty() {
        let shape = |sizes: &[usize]| batch.iter().chain(sizes).copied().collect::<Dims>();
        return Ok((Tensor::zeros(&shape(&[0, n]), like.dtype())?, Tensor::zeros(&shape(&[0, n, n]), like.dtype())?));
    }
    let (means, roots): (Vec<&Tensor>, Vec<&Tensor>) = states.iter().map(|(mean, root)| (mean, root)).unzip();
    Ok((Tensor::stack(&means, -3)?.squeeze(-1)?, Tensor::stack(&roots, -3)?))
}
