//! The space that a matrix spans, by products with random directions; its gradient, and what it misses.
//!
//! A matrix whose rank is below the number of directions gives columns that are rounding alone. They change no result, but a gradient
//! through their orthonormal basis divides by them. So where a gradient is wanted, and values are negligible, the directions are
//! replaced by the right singular vectors that were found, as constants. From there the same steps are recorded again, with each column divided by its value
//! first: what is made orthonormal is so already. A start error of the space shrinks by s_out / s_r with every product, and so does the derivative
//! that a constant start lacks.

use super::lowrank::LinearOperator;
use super::norm::{MatrixNorm, norm};
use super::parts::{batch, shape};
use super::qr::{QrOptions, qr};
use super::svd::{Svd, SvdOptions, svd};
use crate::error::{Error, Result};
use crate::random::Rng;
use crate::tensor::{DType, Tensor};

/// Random directions of the estimate: each leaves a quarter of the probability that it is too low.
const PROBES: usize = 10;
/// Products of the estimate.
const STEPS: usize = 5;

/// Orthonormal columns Q, and Aᵀ Q = V S Wᵀ.
pub(super) struct Sketch {
    pub q: Tensor,
    pub svd: Svd,
}

impl LinearOperator<'_> {
    #[track_caller]
    fn times(&self, x: &Tensor) -> Result<Tensor> {
        checked((self.matmul)(x)?, x, self.shape[0], "A")
    }

    #[track_caller]
    fn times_transposed(&self, x: &Tensor) -> Result<Tensor> {
        checked((self.matmul_transposed)(x)?, x, self.shape[1], "Aᵀ")
    }
}

#[track_caller]
fn checked(y: Tensor, x: &Tensor, rows: usize, name: &str) -> Result<Tensor> {
    if y.rank() >= 2 && [y.dim(-2), y.dim(-1)] == [rows, x.dim(-1)] {
        return Ok(y);
    }
    let (from, to, columns) = (x.shape(), y.shape(), x.dim(-1));
    Err(Error::shape(format!("svd_lowrank: the product of {name} and {from:?} has shape {to:?}, not (…, {rows}, {columns})")))
}

#[track_caller]
fn orthonormal(y: &Tensor) -> Result<Tensor> {
    qr(y, &QrOptions::default()).map(|qr| qr.q)
}

impl Sketch {
    /// Of the directions `start`, `(n, w)`, of which the largest `rank` values are wanted.
    #[track_caller]
    pub fn new(a: &LinearOperator<'_>, start: &Tensor, rank: usize, iterations: usize) -> Result<Self> {
        let mut q = orthonormal(&a.times(start)?)?;
        for _ in 0..iterations {
            q = orthonormal(&a.times(&orthonormal(&a.times_transposed(&q)?)?)?)?;
        }
        let svd = svd(&a.times_transposed(&q)?, &SvdOptions::default())?;
        let found = Self { q, svd };
        if !found.svd.s.is_recorded() {
            return Ok(found);
        }
        match Plan::new(&found.svd.s, a.shape[1], rank, iterations)? {
            Some(plan) => plan.again(a, start, &found),
            None => Ok(found),
        }
    }

    /// The first left singular vectors, Q W.
    #[track_caller]
    pub fn left(&self, count: usize) -> Result<Tensor> {
        self.q.matmul(&self.svd.vt.slice(-2, ..count)?.mt())
    }

    /// A bound of ‖(I − Q Qᵀ) A‖₂, which is too low with probability 4⁻¹⁰: with E that matrix, the norm of (E Eᵀ)² E is ‖E‖⁵, and at most
    /// 4 √(2/π) times the longest of its products with ten normal vectors.
    #[track_caller]
    pub fn missed(&self, a: &LinearOperator<'_>, rng: Rng) -> Result<Tensor> {
        let q = self.q.detach();
        let outside = |y: &Tensor| y.sub(&q.matmul(&q.mt().matmul(y)?)?);
        let root = 1.0 / STEPS as f64;
        let mut x = { rng }.normal(&[a.shape[1], PROBES], a.dtype)?;
        let mut roots: Option<Tensor> = None;
        for step in 0..STEPS {
            let product = if step % 2 == 0 { outside(&a.times(&x)?)? } else { a.times_transposed(&outside(&x)?)? }.detach();
            let lengths = norm(&product.mt().unsqueeze(-2)?, MatrixNorm::Frobenius)?;
            let none = lengths.eq(Tensor::scalar_as(0.0, a.dtype))?;
            x = product.div(&none.where_(Tensor::scalar_as(1.0, a.dtype), &lengths)?.unsqueeze(-2)?)?;
            let power = lengths.powf(root)?;
            roots = Some(match roots {
                Some(roots) => roots.mul(&power)?,
                None => power,
            });
        }
        let longest = roots.expect("there is a step").max(&[-1], false)?;
        longest.mul_scalar((4.0 * (2.0 / std::f64::consts::PI).sqrt()).powf(root))
    }
}

/// How a sketch is recorded anew. Matrices without a negligible value keep their random directions.
struct Plan {
    columns: usize,
    iterations: usize,
    /// Which matrices keep their directions, `(…, 1, 1)`.
    random: Tensor,
    /// Which columns are divided, `(…, 1, columns)`; the others are held fixed.
    moving: Tensor,
    /// By what: 1/s, `(…, 1, columns)`; 1 for what is random.
    scale: Tensor,
}

impl Plan {
    /// `None` where no value is negligible beside those that are wanted.
    #[track_caller]
    fn new(s: &Tensor, n: usize, rank: usize, iterations: usize) -> Result<Option<Self>> {
        let (width, epsilon, values) = (s.dim(-1), s.dtype().epsilon(), s.to_f64_vec()?);
        if values.is_empty() {
            return Ok(None);
        }
        // What is held fixed, or left out, is missing in this power: that is rounding; and dividing by what is not costs few digits.
        let share = epsilon.powf(1.0 / (2 * iterations.min(1 << 20) + 2) as f64);
        let tiny = if s.dtype() == DType::F64 { f64::MIN_POSITIVE } else { f32::MIN_POSITIVE.into() };
        let kept = |s: &[f64]| {
            // Half of what the rule of svd calls 0, so that it refuses a loss that depends on what is held fixed.
            let zero = tiny.max(4.0 * n as f64 * epsilon * s[0]);
            let nonzero = s.iter().take_while(|&&x| !(x <= zero)).count();
            let least = share * s[..nonzero].iter().take(rank).next_back().copied().unwrap_or(0.0);
            s[..nonzero].iter().take_while(|&&x| !(x <= least)).count()
        };
        let kept: Vec<usize> = values.chunks(width).map(kept).collect();
        let random = |matrix: usize| kept[matrix] == width;
        let some = (0..kept.len()).any(random);
        if (0..kept.len()).all(random) {
            return Ok(None);
        }
        if some && iterations == 0 {
            return Err(Error::value(
                "svd_lowrank: a gradient of matrices of low rank beside others in one batch needs power_iterations of 1 or more",
            ));
        }
        let columns = kept.iter().copied().max().unwrap_or(0).max(rank);
        let each = |f: &dyn Fn(usize, usize) -> f64| {
            let all = (0..kept.len()).flat_map(|matrix| (0..columns).map(move |j| (matrix, j)));
            let numbers = all.map(|(matrix, j)| f(matrix, j)).collect();
            Tensor::from_vec(numbers, &shape(&s.shape()[..s.rank() - 1], &[1, columns]))
        };
        let moving = each(&|matrix, j| f64::from(j < kept[matrix]))?.gt(Tensor::scalar(0.5_f64))?;
        let scale = each(&|matrix, j| if random(matrix) || j >= kept[matrix] { 1.0 } else { values[matrix * width + j].recip() })?;
        let marks = Tensor::from_vec((0..kept.len()).map(random).collect(), &shape(&s.shape()[..s.rank() - 1], &[1, 1]))?;
        Ok(Some(Self { columns, iterations: iterations.max(1), random: marks, moving, scale: scale.to_dtype(s.dtype())? }))
    }

    /// The same vectors, with a gradient.
    #[track_caller]
    fn again(&self, a: &LinearOperator<'_>, random: &Tensor, found: &Sketch) -> Result<Sketch> {
        let first = |x: &Tensor| x.detach().slice(-1, ..self.columns);
        let (left, right) = (found.left(self.columns)?.detach(), first(&found.svd.u)?);
        let basis = |y: &Tensor, fixed: &Tensor| orthonormal(&self.moving.where_(&y.mul(&self.scale)?, fixed)?);
        let start = if batch(&self.random).is_empty() { right.clone() } else { self.random.where_(&first(random)?, &right)? };
        let mut q = basis(&a.times(&start)?, &left)?;
        for _ in 0..self.iterations {
            let v = basis(&a.times_transposed(&q)?, &right)?;
            q = basis(&a.times(&v)?, &left)?;
        }
        let Svd { u, s, vt } = svd(&a.times_transposed(&q)?, &SvdOptions::default())?;
        // Signs are those that were found without a tape.
        let along = q.matmul(&vt.mt())?.detach().mul(&left)?.sum(&[-2], true)?;
        let one = Tensor::scalar_as(1.0, s.dtype());
        let signs = along.lt(Tensor::scalar_as(0.0, s.dtype()))?.where_(&one.neg()?, &one)?;
        Ok(Sketch { q, svd: Svd { u: u.mul(&signs)?, s, vt: vt.mul(signs.mt())? } })
    }
}
