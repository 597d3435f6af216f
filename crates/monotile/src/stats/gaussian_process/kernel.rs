//! Covariance functions, their sums and products.

use std::fmt;

use crate::error::{Error, Result};
use crate::stats::parts::{argument, significant};
use crate::tensor::Tensor;

/// A covariance function k(x, z) of points, with r = ‖x − z‖.
///
/// Sums and products of kernels are kernels: `CovarianceKernel::rbf(1.0, 2.0) + CovarianceKernel::white(0.1)`.
///
/// # Source
/// Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, chapter 4.
#[derive(Debug, Clone, PartialEq)]
pub enum CovarianceKernel {
    /// σ² f(r / ℓ)
    Stationary {
        /// f
        shape: StationaryKernel,
        /// σ²: how much the function varies.
        variance: f64,
        /// ℓ: over which distance it varies.
        length: f64,
    },
    /// σ² where both are the same observation, else 0: noise.
    White {
        /// σ²
        variance: f64,
    },
    /// k₁ + k₂
    Sum(Box<CovarianceKernel>, Box<CovarianceKernel>),
    /// k₁ k₂
    Product(Box<CovarianceKernel>, Box<CovarianceKernel>),
}

/// How a covariance falls with the distance u, in lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StationaryKernel {
    /// exp(−u²/2): functions that are smooth.
    Rbf,
    /// exp(−u): functions that have no derivative.
    Matern12,
    /// (1 + √3 u) exp(−√3 u): functions with a derivative.
    Matern32,
    /// (1 + √5 u + 5u²/3) exp(−√5 u): functions with two.
    Matern52,
}

impl CovarianceKernel {
    /// σ² exp(−r² / 2ℓ²)
    pub fn rbf(variance: f64, length: f64) -> Self {
        Self::Stationary { shape: StationaryKernel::Rbf, variance, length }
    }

    /// σ² exp(−r/ℓ)
    pub fn matern12(variance: f64, length: f64) -> Self {
        Self::Stationary { shape: StationaryKernel::Matern12, variance, length }
    }

    /// σ² (1 + √3 r/ℓ) exp(−√3 r/ℓ)
    pub fn matern32(variance: f64, length: f64) -> Self {
        Self::Stationary { shape: StationaryKernel::Matern32, variance, length }
    }

    /// σ² (1 + √5 r/ℓ + 5r²/3ℓ²) exp(−√5 r/ℓ)
    pub fn matern52(variance: f64, length: f64) -> Self {
        Self::Stationary { shape: StationaryKernel::Matern52, variance, length }
    }

    /// Noise of this variance.
    pub fn white(variance: f64) -> Self {
        Self::White { variance }
    }

    /// The logarithms of all variances and lengths, from left to right, a variance before its length.
    pub fn parameters(&self) -> Vec<f64> {
        match self {
            Self::Stationary { variance, length, .. } => vec![variance.ln(), length.ln()],
            Self::White { variance } => vec![variance.ln()],
            Self::Sum(a, b) | Self::Product(a, b) => [a.parameters(), b.parameters()].concat(),
        }
    }

    /// The same function with other [`parameters`](Self::parameters).
    ///
    /// # Errors
    /// If there are more or fewer than the function has.
    #[track_caller]
    pub fn with_parameters(&self, parameters: &[f64]) -> Result<Self> {
        let count = self.parameters().len();
        if parameters.len() != count {
            return Err(Error::value(format!("with_parameters: {} parameters of a kernel that has {count}", parameters.len())));
        }
        let mut rest = parameters.iter().map(|p| p.exp());
        Ok(self.filled(&mut || rest.next().expect("as many as were counted")))
    }

    fn filled(&self, next: &mut dyn FnMut() -> f64) -> Self {
        match self {
            Self::Stationary { shape, .. } => Self::Stationary { shape: *shape, variance: next(), length: next() },
            Self::White { .. } => Self::White { variance: next() },
            Self::Sum(a, b) => Self::Sum(Box::new(a.filled(next)), Box::new(b.filled(next))),
            Self::Product(a, b) => Self::Product(Box::new(a.filled(next)), Box::new(b.filled(next))),
        }
    }

    /// k(xᵢ, zⱼ), `(m, q)`, of points `x` `(m, d)` and `z` `(q, d)`; of the points `x` with themselves, noise included, where `z` is `None`.
    /// `parameters` `(count)` stands in for the kernel's own: logarithms, with gradients.
    ///
    /// # Errors
    /// If shapes do not fit; if a variance is negative or a length not positive, and nothing stands in for them.
    ///
    /// # Cost
    /// m q d operations for the distances, and a few of m q for each part of the kernel.
    ///
    /// # Example
    /// ```
    /// use monotile::{Tensor, stats::CovarianceKernel};
    /// let x = Tensor::from_rows(&[[0.0_f64], [2.0]])?;
    /// let kernel = CovarianceKernel::rbf(3.0, 2.0) + CovarianceKernel::white(1.0);
    /// let k = kernel.covariance(&x, None, None)?.to_vec::<f64>()?;
    /// assert_eq!(k[0], 4.0);
    /// assert!((k[1] - 3.0 * (-0.5_f64).exp()).abs() < 1e-15);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn covariance(&self, x: &Tensor, z: Option<&Tensor>, parameters: Option<&Tensor>) -> Result<Tensor> {
        let op = "covariance";
        let x = argument(op, "x", x, &[("points", None), ("d", None)])?;
        let other = argument(op, "z", z.unwrap_or(&x), &[("points", None), ("d", Some(x.dim(1)))])?;
        if parameters.is_none() {
            self.check(op)?;
        }
        let own = self.parameters();
        let count = own.len();
        let own = Tensor::from_vec(own, &[count])?;
        let parameters = argument(op, "the parameters", parameters.unwrap_or(&own), &[("parameters", Some(count))])?;
        let values = parameters.to_dtype(x.dtype())?.exp()?;
        let squares = x.unsqueeze(1)?.sub(&other.unsqueeze(0)?)?.square()?.sum(&[-1], false)?;
        let points = Points { distances: root(&squares)?, squares, same: z.is_none() };
        self.evaluate(&points, &values, &mut 0)
    }

    /// Refuses variances that are negative and lengths that are not positive.
    #[track_caller]
    pub(super) fn check(&self, op: &str) -> Result<()> {
        let fits = match self {
            Self::Sum(a, b) | Self::Product(a, b) => return a.check(op).and_then(|()| b.check(op)),
            Self::Stationary { variance, length, .. } => {
                (0.0..f64::INFINITY).contains(variance) && *length > 0.0 && length.is_finite()
            }
            Self::White { variance } => (0.0..f64::INFINITY).contains(variance),
        };
        if fits {
            return Ok(());
        }
        Err(Error::value(format!("{op}: {self}: variances are finite and not negative, lengths finite and positive")))
    }

    /// k(x, x) of a point with itself, without noise.
    pub(super) fn variance(&self) -> f64 {
        match self {
            Self::Stationary { variance, .. } => *variance,
            Self::White { .. } => 0.0,
            Self::Sum(a, b) => a.variance() + b.variance(),
            Self::Product(a, b) => a.variance() * b.variance(),
        }
    }

    /// k(x, x) of an observation with itself.
    pub(super) fn total_variance(&self) -> f64 {
        match self {
            Self::Stationary { variance, .. } | Self::White { variance } => *variance,
            Self::Sum(a, b) => a.total_variance() + b.total_variance(),
            Self::Product(a, b) => a.total_variance() * b.total_variance(),
        }
    }

    #[track_caller]
    fn evaluate(&self, points: &Points, values: &Tensor, at: &mut usize) -> Result<Tensor> {
        let mut next = || {
            *at += 1;
            values.select(0, *at - 1)
        };
        match self {
            Self::Stationary { shape, .. } => {
                let (variance, length) = (next()?, next()?);
                shape.covariance_of(points, &length)?.mul(&variance)
            }
            Self::White { .. } => {
                let variance = next()?;
                let shape = points.squares.shape();
                let ones = if points.same { Tensor::eye(shape[0], values.dtype())? } else { points.squares.zeros_like() };
                ones.mul(&variance)
            }
            Self::Sum(a, b) => a.evaluate(points, values, at)?.add(&b.evaluate(points, values, at)?),
            Self::Product(a, b) => a.evaluate(points, values, at)?.mul(&b.evaluate(points, values, at)?),
        }
    }
}

impl StationaryKernel {
    #[track_caller]
    fn covariance_of(self, points: &Points, length: &Tensor) -> Result<Tensor> {
        let scaled = |c: f64| points.distances.mul_scalar(c.sqrt())?.div(length);
        match self {
            Self::Rbf => points.squares.div(&length.square()?)?.mul_scalar(-0.5)?.exp(),
            Self::Matern12 => scaled(1.0)?.neg()?.exp(),
            Self::Matern32 => {
                let u = scaled(3.0)?;
                u.add_scalar(1.0)?.mul(&u.neg()?.exp()?)
            }
            Self::Matern52 => {
                let u = scaled(5.0)?;
                u.square()?.mul_scalar(1.0 / 3.0)?.add(&u)?.add_scalar(1.0)?.mul(&u.neg()?.exp()?)
            }
        }
    }
}

/// Distances between points, and whether both sets are one.
struct Points {
    squares: Tensor,
    distances: Tensor,
    same: bool,
}

/// The root, with 0 for its derivative at 0: of points that coincide, which no kernel tells from its kink.
#[track_caller]
fn root(squares: &Tensor) -> Result<Tensor> {
    let zero = Tensor::scalar_as(0.0, squares.dtype());
    let apart = squares.detach().ne(&zero)?;
    apart.where_(&apart.where_(squares, &zero.add_scalar(1.0)?)?.sqrt()?, &zero)
}

impl std::ops::Add for CovarianceKernel {
    type Output = CovarianceKernel;
    fn add(self, other: CovarianceKernel) -> CovarianceKernel {
        CovarianceKernel::Sum(Box::new(self), Box::new(other))
    }
}

impl std::ops::Mul for CovarianceKernel {
    type Output = CovarianceKernel;
    fn mul(self, other: CovarianceKernel) -> CovarianceKernel {
        CovarianceKernel::Product(Box::new(self), Box::new(other))
    }
}

impl fmt::Display for CovarianceKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stationary { shape, variance, length } => {
                let name = match shape {
                    StationaryKernel::Rbf => "rbf",
                    StationaryKernel::Matern12 => "matern12",
                    StationaryKernel::Matern32 => "matern32",
                    StationaryKernel::Matern52 => "matern52",
                };
                write!(f, "{name}(variance {}, length {})", significant(*variance, 4), significant(*length, 4))
            }
            Self::White { variance } => write!(f, "white(variance {})", significant(*variance, 4)),
            Self::Sum(a, b) => write!(f, "{a} + {b}"),
            Self::Product(a, b) => {
                let factor = |k: &CovarianceKernel| if matches!(k, Self::Sum(..)) { format!("({k})") } else { k.to_string() };
                write!(f, "{} · {}", factor(a), factor(b))
            }
        }
    }
}
