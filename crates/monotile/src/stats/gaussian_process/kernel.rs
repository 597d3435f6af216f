//! Covariance functions, their sums and products.

use std::cell::OnceCell;
use std::fmt;

use crate::error::{Error, Placed, Result};
use crate::ops::{cdist, squared_cdist};
use crate::stats::parts::{argument, significant};
use crate::tensor::Tensor;

/// A covariance function k(x, z) of points, with r = ‖x − z‖, over lengths where it has some.
///
/// Sums and products of kernels are kernels: `CovarianceKernel::rbf(1.0, 2.0) + CovarianceKernel::white(0.1)`.
///
/// # Source
/// Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, chapter 4.
#[derive(Debug, Clone, PartialEq)]
pub enum CovarianceKernel {
    /// σ² f(r), where r² = Σₖ (xₖ − zₖ)² / ℓₖ²
    Stationary {
        /// f
        shape: StationaryKernel,
        /// σ²: how much the function varies.
        variance: f64,
        /// ℓ: over which distance it varies. One for all coordinates, or one each (automatic relevance determination).
        lengths: Vec<f64>,
    },
    /// σ² exp(−2 sin²(π r / p) / ℓ²): functions that repeat.
    Periodic {
        /// σ²: how much the function varies.
        variance: f64,
        /// ℓ: how much it varies within a period, as of a distance.
        length: f64,
        /// p: after which distance it repeats.
        period: f64,
    },
    /// σ² xᵀ z: planes through the origin. With a constant, any planes.
    Linear {
        /// σ²: of a slope.
        variance: f64,
    },
    /// σ²: functions that are constant.
    Constant {
        /// σ²
        variance: f64,
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
    /// σ² f(r), with one length for all coordinates, or one each: a coordinate of a large length has little to say.
    ///
    /// # Example
    /// ```
    /// use monotile::{Tensor, stats::{CovarianceKernel, StationaryKernel}};
    /// let kernel = CovarianceKernel::stationary(StationaryKernel::Rbf, 3.0, &[1.0, 2.0]);
    /// let (x, z) = (Tensor::from_rows(&[[0.0_f64, 0.0]])?, Tensor::from_rows(&[[1.0_f64, 2.0]])?);
    /// let k = kernel.covariance(&x, Some(&z), None)?.item::<f64>()?;
    /// assert!((k - 3.0 * (-1.0_f64).exp()).abs() < 1e-15);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "ARD")]
    pub fn stationary(shape: StationaryKernel, variance: f64, lengths: &[f64]) -> Self {
        Self::Stationary { shape, variance, lengths: lengths.to_vec() }
    }

    /// σ² exp(−r² / 2ℓ²)
    #[doc(alias = "squared exponential")]
    pub fn rbf(variance: f64, length: f64) -> Self {
        Self::stationary(StationaryKernel::Rbf, variance, &[length])
    }

    /// σ² exp(−r/ℓ)
    pub fn matern12(variance: f64, length: f64) -> Self {
        Self::stationary(StationaryKernel::Matern12, variance, &[length])
    }

    /// σ² (1 + √3 r/ℓ) exp(−√3 r/ℓ)
    pub fn matern32(variance: f64, length: f64) -> Self {
        Self::stationary(StationaryKernel::Matern32, variance, &[length])
    }

    /// σ² (1 + √5 r/ℓ + 5r²/3ℓ²) exp(−√5 r/ℓ)
    pub fn matern52(variance: f64, length: f64) -> Self {
        Self::stationary(StationaryKernel::Matern52, variance, &[length])
    }

    /// σ² exp(−2 sin²(π r / p) / ℓ²)
    #[doc(alias = "ExpSineSquared")]
    pub fn periodic(variance: f64, length: f64, period: f64) -> Self {
        Self::Periodic { variance, length, period }
    }

    /// σ² xᵀ z
    #[doc(alias = "DotProduct")]
    pub fn linear(variance: f64) -> Self {
        Self::Linear { variance }
    }

    /// σ²
    pub fn constant(variance: f64) -> Self {
        Self::Constant { variance }
    }

    /// Noise of this variance.
    pub fn white(variance: f64) -> Self {
        Self::White { variance }
    }

    /// The logarithms of all variances, lengths and periods, from left to right: a variance, then its lengths, then its period.
    pub fn parameters(&self) -> Vec<f64> {
        match self {
            Self::Stationary { variance, lengths, .. } => [variance].into_iter().chain(lengths).map(|p| p.ln()).collect(),
            Self::Periodic { variance, length, period } => [variance, length, period].map(|p| p.ln()).to_vec(),
            Self::Linear { variance } | Self::Constant { variance } | Self::White { variance } => vec![variance.ln()],
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
            Self::Stationary { shape, lengths, .. } => {
                Self::Stationary { shape: *shape, variance: next(), lengths: lengths.iter().map(|_| next()).collect() }
            }
            Self::Periodic { .. } => Self::Periodic { variance: next(), length: next(), period: next() },
            Self::Linear { .. } => Self::Linear { variance: next() },
            Self::Constant { .. } => Self::Constant { variance: next() },
            Self::White { .. } => Self::White { variance: next() },
            Self::Sum(a, b) => Self::Sum(Box::new(a.filled(next)), Box::new(b.filled(next))),
            Self::Product(a, b) => Self::Product(Box::new(a.filled(next)), Box::new(b.filled(next))),
        }
    }

    /// k(xᵢ, zⱼ), `(m, q)`, of points `x` `(m, d)` and `z` `(q, d)`; of the points `x` with themselves, noise included, where `z` is `None`.
    /// `parameters` `(count)` stands in for the kernel's own: logarithms, with gradients.
    ///
    /// # Errors
    /// If shapes do not fit; if there is neither one length nor one for each coordinate; if a variance is negative or a length not positive,
    /// and nothing stands in for them.
    ///
    /// # Cost
    /// 2 m q d operations for the distances, again for each part with lengths of its own for coordinates, and a few of m q for each part.
    /// Memory for a few matrices `(m, q)`, whatever d is.
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
        self.check_lengths(op, x.dim(1))?;
        let points = Points::new(x, other, z.is_none());
        self.evaluate(&points, &values, &mut 0)
    }

    /// Refuses variances that are negative, and lengths and periods that are not positive.
    #[track_caller]
    pub(super) fn check(&self, op: &str) -> Result<()> {
        let positive = |x: &f64| *x > 0.0 && x.is_finite();
        let (variance, others) = match self {
            Self::Sum(a, b) | Self::Product(a, b) => return a.check(op).and_then(|()| b.check(op)),
            Self::Stationary { variance, lengths, .. } => (variance, lengths.iter().all(positive)),
            Self::Periodic { variance, length, period } => (variance, positive(length) && positive(period)),
            Self::Linear { variance } | Self::Constant { variance } | Self::White { variance } => (variance, true),
        };
        if others && (0.0..f64::INFINITY).contains(variance) {
            return Ok(());
        }
        Err(Error::value(format!("{op}: {self}: variances are finite and not negative, lengths finite and positive")))
    }

    /// Refuses lengths that are neither one nor one for each of d coordinates.
    #[track_caller]
    fn check_lengths(&self, op: &str, d: usize) -> Result<()> {
        match self {
            Self::Sum(a, b) | Self::Product(a, b) => a.check_lengths(op, d).and_then(|()| b.check_lengths(op, d)),
            Self::Stationary { lengths, .. } if lengths.len() != 1 && lengths.len() != d => {
                let count = lengths.len();
                Err(Error::value(format!("{op}: {self}: {count} lengths for points of {d} coordinates; give one, or one each")))
            }
            _ => Ok(()),
        }
    }

    /// k(zᵢ, zᵢ) of points with themselves, `(q)`; of observations, noise included, where `noise`.
    #[track_caller]
    pub(super) fn diagonal(&self, z: &Tensor, noise: bool) -> Result<Tensor> {
        match self {
            Self::Stationary { variance, .. } | Self::Periodic { variance, .. } | Self::Constant { variance } => {
                Tensor::filled(&[z.dim(0)], *variance, z.dtype())
            }
            Self::Linear { variance } => z.square()?.sum(&[-1], false)?.mul_scalar(*variance),
            Self::White { variance } => Tensor::filled(&[z.dim(0)], if noise { *variance } else { 0.0 }, z.dtype()),
            Self::Sum(a, b) => a.diagonal(z, noise)?.add(&b.diagonal(z, noise)?),
            Self::Product(a, b) => a.diagonal(z, noise)?.mul(&b.diagonal(z, noise)?),
        }
    }

    #[track_caller]
    fn evaluate(&self, points: &Points, values: &Tensor, at: &mut usize) -> Result<Tensor> {
        let first = *at;
        let value = |k: usize| values.select(0, first + k);
        match self {
            Self::Sum(a, b) => return a.evaluate(points, values, at)?.add(&b.evaluate(points, values, at)?),
            Self::Product(a, b) => return a.evaluate(points, values, at)?.mul(&b.evaluate(points, values, at)?),
            Self::Stationary { lengths, .. } => *at += 1 + lengths.len(),
            Self::Periodic { .. } => *at += 3,
            Self::Linear { .. } | Self::Constant { .. } | Self::White { .. } => *at += 1,
        }
        let shape = match self {
            Self::Stationary { shape, lengths, .. } if lengths.len() == 1 => shape.covariance_of(points, &value(1)?)?,
            Self::Stationary { shape, lengths, .. } => {
                let lengths = values.slice(0, first + 1..first + 1 + lengths.len())?;
                let scaled = Points::new(points.x.div(&lengths)?, points.z.div(&lengths)?, points.same);
                shape.covariance_of(&scaled, &Tensor::scalar_as(1.0, values.dtype()))?
            }
            Self::Periodic { .. } => {
                let turn = points.distances()?.mul_scalar(std::f64::consts::PI)?.div(&value(2)?)?;
                turn.sin()?.div(&value(1)?)?.square()?.mul_scalar(-2.0)?.exp()?
            }
            Self::Linear { .. } => points.x.matmul(&points.z.mt())?,
            Self::White { .. } if points.same => Tensor::eye(points.x.dim(0), values.dtype())?,
            Self::White { .. } => Tensor::zeros(&[points.x.dim(0), points.z.dim(0)], values.dtype())?,
            Self::Constant { .. } => Tensor::ones(&[points.x.dim(0), points.z.dim(0)], values.dtype())?,
            Self::Sum(..) | Self::Product(..) => unreachable!("they returned above"),
        };
        shape.mul(&value(0)?)
    }
}

impl StationaryKernel {
    #[track_caller]
    fn covariance_of(self, points: &Points, length: &Tensor) -> Result<Tensor> {
        let scaled = |c: f64| points.distances()?.mul_scalar(c.sqrt())?.div(length).placed();
        match self {
            Self::Rbf => points.squares()?.div(&length.square()?)?.mul_scalar(-0.5)?.exp(),
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

/// Two sets of points, whether both are one, and their distances, once they are asked for.
struct Points {
    x: Tensor,
    z: Tensor,
    same: bool,
    squares: OnceCell<Tensor>,
    distances: OnceCell<Tensor>,
}

impl Points {
    fn new(x: Tensor, z: Tensor, same: bool) -> Self {
        Self { x, z, same, squares: OnceCell::new(), distances: OnceCell::new() }
    }

    #[track_caller]
    fn squares(&self) -> Result<Tensor> {
        once(&self.squares, || squared_cdist(&self.x, &self.z).placed())
    }

    /// With 0 for the derivative at 0: of points that coincide, which no kernel tells from its kink.
    #[track_caller]
    fn distances(&self) -> Result<Tensor> {
        once(&self.distances, || cdist(&self.x, &self.z, 2.0).placed())
    }
}

/// What was computed, or is now.
#[track_caller]
fn once(cell: &OnceCell<Tensor>, compute: impl FnOnce() -> Result<Tensor>) -> Result<Tensor> {
    if let Some(known) = cell.get() {
        return Ok(known.clone());
    }
    let fresh = compute()?;
    Ok(cell.get_or_init(|| fresh).clone())
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
            Self::Stationary { shape, variance, lengths } => {
                let name = match shape {
                    StationaryKernel::Rbf => "rbf",
                    StationaryKernel::Matern12 => "matern12",
                    StationaryKernel::Matern32 => "matern32",
                    StationaryKernel::Matern52 => "matern52",
                };
                let lengths: Vec<String> = lengths.iter().map(|&length| significant(length, 4)).collect();
                let plural = if lengths.len() == 1 { "" } else { "s" };
                write!(f, "{name}(variance {}, length{plural} {})", significant(*variance, 4), lengths.join(" "))
            }
            Self::Periodic { variance, length, period } => {
                let [variance, length, period] = [variance, length, period].map(|&x| significant(x, 4));
                write!(f, "periodic(variance {variance}, length {length}, period {period})")
            }
            Self::Linear { variance } => write!(f, "linear(variance {})", significant(*variance, 4)),
            Self::Constant { variance } => write!(f, "constant(variance {})", significant(*variance, 4)),
            Self::White { variance } => write!(f, "white(variance {})", significant(*variance, 4)),
            Self::Sum(a, b) => write!(f, "{a} + {b}"),
            Self::Product(a, b) => {
                let factor = |k: &CovarianceKernel| if matches!(k, Self::Sum(..)) { format!("({k})") } else { k.to_string() };
                write!(f, "{} · {}", factor(a), factor(b))
            }
        }
    }
}
