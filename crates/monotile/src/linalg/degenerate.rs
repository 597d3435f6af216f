//! Gradients of singular and of eigenvectors where values are equal.
//!
//! To the vectors of two values, a decomposition responds by P / (λ_j − λ_i), where P is the part of the cotangent that says how
//! the loss changes when the two vectors are rotated into each other. If the loss does not depend on the choice of the
//! vectors, P vanishes where the values are equal, and the limit of the quotient counts. The limit is not in P: of a loss that
//! sees its matrix through one function g of the values, Σ g(λ) v vᵀ, it is g′ / 2g times the symmetric part W of the
//! same cotangent, whose diagonal is 2g/g′ times the cotangent of the values. So the cotangent of the values tells the limit:
//! absent, g is constant and the limit is 0; proportional to the diagonal of W, the factor is what is sought; else
//! the loss sees its matrix through several functions at once, and is refused.
//!
//! On a GPU nothing is read back: values count as apart there, and where two are equal the gradient is infinite or NaN.

use monotile_kernels::shape::count;

use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

use super::parts::{batch, matrix_name, repeated};

/// A decomposition whose cotangent is being pulled back, each of values `(…, k)` and matrices `(…, k, k)`.
pub(super) struct SpectralCotangent<'a> {
    pub op: &'static str,
    /// What the values and vectors are: `singular`, `eigen`.
    pub what: &'static str,
    /// In order, in either direction.
    pub values: &'a Tensor,
    /// The antisymmetric part of the cotangent, which rotates vectors into each other.
    pub skew_part: &'a Tensor,
    /// Its counterpart, symmetric, which is made where values are equal.
    pub symmetric_part: &'a dyn Fn() -> Result<Tensor>,
    /// The cotangent of the values.
    pub values_bar: Option<&'a Tensor>,
    /// The largest element of the cotangents of the vectors, for each matrix: rounding is measured against it.
    pub scales: &'a [f64],
}

/// How to divide by differences of values.
pub(super) struct DifferenceQuotients {
    /// 1 / (λ_j − λ_i); 0 on the diagonal and for equal values.
    pub inverse: Tensor,
    /// The symmetric part times what it counts for equal values, 0 elsewhere; `None` where no limit is other than 0.
    pub limit: Option<Tensor>,
    /// Whether vectors of equal values were met.
    pub degenerate: bool,
}

/// The largest absolute value in each of the matrices `(…, m, k)`; none on a GPU, where nobody compares with it.
#[track_caller]
pub(super) fn scales(x: &Tensor) -> Result<Vec<f64>> {
    if x.is_empty() || !x.device().is_cpu() {
        return repeated(count(batch(x)), 0.0);
    }
    x.detach().abs()?.max(&[-2, -1], false)?.to_f64_vec()
}

/// X with the elements that `mask` marks replaced by `value`.
#[track_caller]
pub(super) fn replaced(x: &Tensor, mask: &Tensor, value: f64) -> Result<Tensor> {
    mask.where_(Tensor::scalar_as(value, x.dtype()), x)
}

/// X with these numbers, `(…, k)`, for its diagonals.
#[track_caller]
pub(super) fn with_diagonal(x: &Tensor, numbers: &Tensor) -> Result<Tensor> {
    diagonal(x)?.where_(&numbers.unsqueeze(-1)?, x)
}

/// The marks of the diagonals of matrices `(…, k, k)`, or of k values, where those are: `(k, k)`.
#[track_caller]
fn diagonal(x: &Tensor) -> Result<Tensor> {
    let k = x.dim(-1);
    let mut marks = vec![false; k * k];
    marks.iter_mut().step_by(k + 1).for_each(|mark| *mark = true);
    Tensor::from_vec(marks, &[k, k])?.to(&x.device())
}

/// values[j] − values[i] at (i, j).
#[track_caller]
pub(super) fn differences(values: &Tensor) -> Result<Tensor> {
    values.unsqueeze(-2)?.sub(&values.unsqueeze(-1)?)
}

impl SpectralCotangent<'_> {
    /// The quotients of every pair.
    ///
    /// # Errors
    /// Where the loss depends on the choice of vectors of equal values, or the limit cannot be told, naming the pair.
    #[track_caller]
    pub fn quotients(&self) -> Result<DifferenceQuotients> {
        let inverse = |mask: &Tensor| replaced(&replaced(&differences(self.values)?, mask, 1.0)?.recip()?, mask, 0.0);
        let apart = || Ok(DifferenceQuotients { inverse: inverse(&diagonal(self.values)?)?, limit: None, degenerate: false });
        if !self.values.device().is_cpu() {
            return apart();
        }
        let (k, values) = (self.values.dim(-1), self.values.to_f64_vec()?);
        if values.chunks(k.max(1)).all(|values| Tolerance::new(values, self.values.dtype()).all_apart(values)) {
            return apart();
        }
        let symmetric_part = (self.symmetric_part)()?;
        let (skew_values, symmetric_values) = (self.skew_part.to_f64_vec()?, symmetric_part.to_f64_vec()?);
        let values_bar = self.values_bar.map(Tensor::to_f64_vec).transpose()?;
        let mut equal = vec![false; skew_values.len()];
        let mut limit = vec![0.0; skew_values.len()];
        let mut degenerate = false;
        for matrix in 0..values.len().checked_div(k).unwrap_or(0) {
            let square = matrix * k * k..(matrix + 1) * k * k;
            let one = One {
                pairs: self,
                matrix,
                values: &values[matrix * k..][..k],
                skew_part: &skew_values[square.clone()],
                symmetric_part: &symmetric_values[square.clone()],
                values_bar: values_bar.as_ref().map(|bar| &bar[matrix * k..][..k]),
            };
            degenerate |= one.fill(&mut equal[square.clone()], &mut limit[square])?;
        }
        let mask = Tensor::from_vec(equal, self.skew_part.shape())?;
        let some = limit.iter().any(|&x| x != 0.0);
        let limited = || symmetric_part.mul(&Tensor::from_vec(limit, self.skew_part.shape())?.to_dtype(self.skew_part.dtype())?);
        Ok(DifferenceQuotients { inverse: inverse(&mask)?, limit: some.then(limited).transpose()?, degenerate })
    }
}

/// Which differences of the values of a matrix are none.
struct Tolerance {
    /// Below this a difference is rounding of the decomposition ...
    unresolved: f64,
    /// ... and up to this share of the values dividing by it loses half of all digits, which the limit does not, where it can be told.
    share: f64,
}

impl Tolerance {
    fn new(values: &[f64], dtype: DType) -> Self {
        let most = values.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
        let epsilon = dtype.epsilon();
        Self { unresolved: 8.0 * (values.len() as f64).sqrt() * epsilon * most, share: epsilon.sqrt() }
    }

    fn are_distinct(&self, x: f64, y: f64) -> bool {
        (x - y).abs() > self.unresolved.max(self.share * x.abs().max(y.abs()))
    }

    /// Whether every two of these values are apart: of values in order, every two neighbours, for between two that are not there is
    /// a pair of neighbours that differs by no more, beside the larger of the two.
    fn all_apart(&self, values: &[f64]) -> bool {
        values.windows(2).all(|pair| self.are_distinct(pair[0], pair[1]))
    }
}

/// One matrix of the batch.
struct One<'a> {
    pairs: &'a SpectralCotangent<'a>,
    matrix: usize,
    values: &'a [f64],
    skew_part: &'a [f64],
    symmetric_part: &'a [f64],
    values_bar: Option<&'a [f64]>,
}

impl One<'_> {
    /// Marks the diagonal and the pairs of equal values, and fills in their limits; whether there is such a pair.
    #[track_caller]
    fn fill(&self, equal: &mut [bool], limit: &mut [f64]) -> Result<bool> {
        let k = self.values.len();
        let tolerance = Tolerance::new(self.values, self.pairs.values.dtype());
        let unresolved = tolerance.unresolved;
        let vanishing = 100.0 * tolerance.share * self.pairs.scales[self.matrix];
        let mut groups: Vec<usize> = (0..k).collect();
        for i in 0..k {
            equal[i * k + i] = true;
            for j in i + 1..k {
                if tolerance.are_distinct(self.values[i], self.values[j]) {
                    continue;
                }
                if self.skew_part[i * k + j].abs() <= vanishing {
                    (equal[i * k + j], equal[j * k + i]) = (true, true);
                    let (from, to) = (groups[j], groups[i]);
                    groups.iter_mut().filter(|g| **g == from).for_each(|g| *g = to);
                } else if (self.values[i] - self.values[j]).abs() <= unresolved {
                    return Err(self.refuse(i, j, "on the choice of"));
                }
            }
        }
        let mut any = false;
        for group in 0..k {
            let members: Vec<usize> = (0..k).filter(|&i| groups[i] == group).collect();
            if members.len() < 2 {
                continue;
            }
            let resolved = |i: usize, j: usize| (self.values[i] - self.values[j]).abs() > unresolved;
            let pairs = || members.iter().flat_map(|&i| members.iter().filter(move |&&j| j > i).map(move |&j| (i, j)));
            match self.fit(&members, vanishing, limit) {
                // Values that differ by more than rounding are not equal: their quotients count, with fewer digits.
                Err(_) if pairs().all(|(i, j)| resolved(i, j)) => {
                    pairs().for_each(|(i, j)| (equal[i * k + j], equal[j * k + i]) = (false, false));
                }
                fitted => {
                    fitted?;
                    any = true;
                }
            }
        }
        Ok(any)
    }

    /// The factor of the symmetric part for these equal values.
    #[track_caller]
    fn fit(&self, members: &[usize], vanishing: f64, limit: &mut [f64]) -> Result<()> {
        let k = self.values.len();
        let Some(bar) = self.values_bar else { return Ok(()) };
        let off = members.iter().flat_map(|&i| members.iter().filter(move |&&j| j != i).map(move |&j| (i, j)));
        let (symmetric_part, largest) = off.clone().fold(((0, 0), 0.0), |(at, m), (i, j)| {
            let w = self.symmetric_part[i * k + j].abs();
            if w > m { ((i, j), w) } else { (at, m) }
        });
        if largest <= vanishing {
            return Ok(());
        }
        let diagonal: Vec<(f64, f64)> = members.iter().map(|&i| (bar[i], self.symmetric_part[i * k + i])).collect();
        let norm = diagonal.iter().map(|(_, w)| w * w).sum::<f64>();
        let factor = diagonal.iter().map(|(s, w)| s * w).sum::<f64>() / norm;
        let most = diagonal.iter().fold(0.0, |m: f64, (s, _)| m.max(s.abs()));
        let off_line = diagonal.iter().fold(0.0, |m: f64, (s, w)| m.max((s - factor * w).abs()));
        // A diagonal that is rounding against the rest says nothing, and a NaN must not pass.
        let told = norm.sqrt() > 1e-3 * largest && off_line <= 1e-4 * most.max(f64::MIN_POSITIVE);
        if !told {
            let (i, j) = (symmetric_part.0.min(symmetric_part.1), symmetric_part.0.max(symmetric_part.1));
            return Err(self.refuse(i, j, "in more than one way on the"));
        }
        off.for_each(|(i, j)| limit[i * k + j] = factor);
        Ok(())
    }

    #[track_caller]
    fn refuse(&self, i: usize, j: usize, how: &str) -> Error {
        let SpectralCotangent { op, what, skew_part, .. } = self.pairs;
        let which = matrix_name(skew_part, self.matrix);
        let (a, b) = (self.values[i], self.values[j]);
        Error::value(format!(
            "the gradient of {op}: the loss depends {how} {what}vectors {i} and {j} of {which}, whose values {a} and {b} are equal"
        ))
    }
}
