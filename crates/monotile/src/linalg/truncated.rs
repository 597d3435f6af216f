//! The nearest matrix of lower rank

use super::degenerate::{differences, replaced};
use super::parts::{batch, matrix_name, repeated, symmetric};
use super::svd::{Svd, SvdOptions, svd};
use crate::check;
use crate::error::{Error, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// How much of a matrix [`truncated`] keeps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Truncation {
    /// This many of the largest singular values.
    Rank(usize),
    /// The least number of them whose squares are at least this share of the sum of all.
    Energy(f64),
}

/// What [`truncated`] kept.
#[derive(Clone)]
pub struct Truncated {
    /// The nearest matrices of that rank, `(…, m, n)`.
    pub approximation: Tensor,
    /// How many singular values each has, `(…)` as i64.
    pub rank: Tensor,
}

/// The nearest matrices of lower rank: U_r S_r V_rᵀ, with the r largest singular values.
///
/// Shapes: `a` and the approximation are `(…, m, n)`, the ranks `(…)`. No matrix of rank r is nearer, in Frobenius' norm and in the
/// norm of two.
///
/// # Gradient
/// Exact, also where values on one side of the cut are equal or 0; refused where the values on both sides of the cut are equal, for
/// then there are several nearest matrices.
///
/// # Errors
/// If `a` is no matrix; if the share of energy is not between 0 and 1.
///
/// # Source
/// Eckart and Young (1936), The approximation of one matrix by another of lower rank.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::{Truncation, truncated}};
/// let a = Tensor::from_rows(&[[3.0_f64, 0.0], [0.0, 4.0]])?;
/// let kept = truncated(&a, Truncation::Energy(0.6))?;
/// assert_eq!(kept.rank.item::<i64>()?, 1);
/// assert_eq!(kept.approximation.to_vec::<f64>()?, [0.0, 0.0, 0.0, 4.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn truncated(a: &Tensor, keep: Truncation) -> Result<Truncated> {
    let a = a.to_compute_dtype("truncated")?;
    check::matrices("truncated", &a)?;
    let found = svd(&a.detach(), &SvdOptions::default())?;
    let ranks = ranks(&found.s, keep)?;
    let kept = kept(&found.s, &ranks)?;
    let approximation = found.u.mul(&found.s.mul(&kept)?.unsqueeze(-2)?)?.matmul(&found.vt)?;
    let rank = Tensor::from_vec(ranks.iter().map(|&r| r as i64).collect(), batch(&a))?;
    let approximation = Tensor::record(approximation, &[&a], TruncatedGradient { found, ranks });
    Ok(Truncated { approximation, rank })
}

/// How many values of each matrix are kept.
#[track_caller]
fn ranks(s: &Tensor, keep: Truncation) -> Result<Vec<usize>> {
    let (k, values) = (s.dim(-1), s.to_f64_vec()?);
    let count = monotile_kernels::shape::count(&s.shape()[..s.rank() - 1]);
    match keep {
        Truncation::Rank(rank) => repeated(count, rank.min(k)),
        Truncation::Energy(share) if (0.0..=1.0).contains(&share) => {
            let rank = |i: usize| {
                let values = &values[i * k..][..k];
                let relative = |s: &f64| if *s == 0.0 { 0.0 } else { (s / values[0]).powi(2) };
                let total: f64 = values.iter().map(relative).sum();
                let mut sum = 0.0;
                values
                    .iter()
                    .take_while(|s| {
                        sum < share * total && {
                            sum += relative(s);
                            true
                        }
                    })
                    .count()
            };
            Ok((0..count).map(rank).collect())
        }
        Truncation::Energy(share) => Err(Error::value(format!("truncated: the share of energy {share} is not between 0 and 1"))),
    }
}

/// 1 for the values that are kept, 0 for the others, `(…, k)`.
#[track_caller]
fn kept(s: &Tensor, ranks: &[usize]) -> Result<Tensor> {
    let k = s.dim(-1);
    let marks = (0..ranks.len() * k).map(|at| f64::from(at % k < ranks[at / k]));
    Tensor::from_vec(marks.collect(), s.shape())?.to_dtype(s.dtype())
}

struct TruncatedGradient {
    found: Svd,
    ranks: Vec<usize>,
}

impl TruncatedGradient {
    /// Refuses equal values on both sides of the cut.
    #[track_caller]
    fn check(&self) -> Result<()> {
        let s = &self.found.s;
        let (k, values) = (s.dim(-1), s.to_f64_vec()?);
        for (i, &rank) in self.ranks.iter().enumerate().filter(|&(_, &rank)| 0 < rank && rank < k) {
            let [a, b] = [values[i * k + rank - 1], values[i * k + rank]];
            if a - b <= 64.0 * k as f64 * s.dtype().epsilon() * values[i * k] {
                let (which, last) = (matrix_name(&self.found.u, i), rank - 1);
                return Err(Error::value(format!(
                    "the gradient of truncated: singular values {last} and {rank} of {which}, on both sides of the cut, are equal ({a} and {b})"
                )));
            }
        }
        Ok(())
    }
}

impl Gradient for TruncatedGradient {
    fn name(&self) -> &'static str {
        "truncated"
    }
    // With g(s) = s for what is kept and 0 else, and M = Uᵀ B̄ V:
    // Ā = U (α ∘ sym M + β ∘ skew M) Vᵀ + (I − U Uᵀ) B̄ V_r V_rᵀ + U_r U_rᵀ B̄ (I − V Vᵀ),
    // α_ij = (g_i − g_j) / (s_i − s_j),  β_ij = (g_i + g_j) / (s_i + s_j): both 1 within what is kept, and 0 within the rest
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(bar) = &cotangents[0] else { return Ok(vec![None]) };
        self.check()?;
        let Svd { u, s, vt } = if saved.is_recorded() { svd(&saved.input(0), &SvdOptions::default())? } else { self.found.clone() };
        let kept = kept(&s, &self.ranks)?;
        let v = vt.mt();
        let m = u.mt().matmul(bar)?.matmul(&v)?;
        let (row, column) = (kept.unsqueeze(-1)?, kept.unsqueeze(-2)?);
        let across = row.ne(&column)?;
        let g = s.mul(&kept)?;
        let quotient = |over: Tensor, under: Tensor| over.div(&replaced(&under, &across.not()?, 1.0)?);
        let alpha = quotient(differences(&g)?, differences(&s)?)?;
        let beta = quotient(g.unsqueeze(-2)?.add(&g.unsqueeze(-1)?)?, s.unsqueeze(-2)?.add(&s.unsqueeze(-1)?)?)?;
        let within = row.mul(&column)?;
        let (alpha, beta) = (across.where_(&alpha, &within)?, across.where_(&beta, &within)?);
        let sym = symmetric(&m)?;
        let inner = alpha.mul(&sym)?.add(&beta.mul(&m.sub(&sym)?)?)?;
        let mut a_bar = u.matmul(&inner)?.matmul(&vt)?;
        if u.dim(-2) > u.dim(-1) {
            let outside = bar.matmul(&v)?;
            let outside = outside.sub(&u.matmul(&m)?)?;
            a_bar = a_bar.add(&outside.mul(&column)?.matmul(&vt)?)?;
        }
        if v.dim(-2) > v.dim(-1) {
            let outside = u.mt().matmul(bar)?.sub(&m.matmul(&vt)?)?;
            a_bar = a_bar.add(&u.mul(&column)?.matmul(&outside)?)?;
        }
        Ok(vec![Some(a_bar)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, distinct};
    let to_rank = |x: &[Tensor]| Ok(vec![truncated(&distinct(&x[0])?, Truncation::Rank(2))?.approximation]);
    vec![
        Spec::new("truncated", to_rank)
            .sample("square", vec![normal(&[4, 4])])
            .sample("tall", vec![normal(&[2, 5, 3])])
            .sample("wide", vec![normal(&[3, 5])])
            .sample("all of it", vec![normal(&[3, 2])])
            .sample("no columns", vec![normal(&[3, 0])])
            .property("U₂ S₂ V₂ᵀ", |x, y| {
                let Svd { u, s, vt } = svd(&distinct(&x[0])?, &SvdOptions::default())?;
                let (u, s, vt) =
                    (u.slice(-1, ..s.dim(-1).min(2))?, s.slice(-1, ..s.dim(-1).min(2))?, vt.slice(-2, ..s.dim(-1).min(2))?);
                distance(&u.mul(&s.unsqueeze(-2)?)?.matmul(&vt)?, &y[0])
            })
            .orders(2),
        Spec::new("truncated", |x| Ok(vec![truncated(&x[0], Truncation::Energy(1.5))?.approximation]))
            .refuses(vec![normal(&[2, 2])], "truncated: the share of energy 1.5 is not between 0 and 1"),
    ]
}

#[cfg(test)]
crate::testing::records!(specs);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use crate::tape::grad;

    #[test]
    fn energy_decides_the_rank_of_each_matrix() {
        let diagonal = |a: f64, b: f64| Tensor::from_rows(&[[a, 0.0], [0.0, b]]).unwrap();
        let a = Tensor::stack(&[&diagonal(2.0, 2.0), &diagonal(9.0, 1.0), &diagonal(0.0, 0.0)], 0).unwrap();
        let kept = |share| truncated(&a, Truncation::Energy(share)).unwrap().rank.to_vec::<i64>().unwrap();
        assert_eq!(kept(0.9), [2, 1, 0]);
        assert_eq!(kept(1.0), [2, 2, 0]);
        assert_eq!(kept(0.0), [0, 0, 0]);
    }

    #[test]
    fn a_cut_between_equal_values_has_no_gradient() {
        let a = Tensor::eye(3, DType::F64).unwrap().requires_grad();
        let loss = truncated(&a, Truncation::Rank(1)).unwrap().approximation.sum(&[], false).unwrap();
        assert_eq!(
            grad(&loss, &[&a]).unwrap_err().to_string(),
            "the gradient of truncated: singular values 0 and 1 of the matrix, on both sides of the cut, are equal (1 and 1)"
        );
    }
}
