//! The nearest matrix of lower rank

use super::degenerate::{differences, replaced};
use super::lowrank::LinearOperator;
use super::norm::{MatrixNorm, norm};
use super::parts::{batch, matrix_name, repeated, symmetric};
use super::sketch::Sketch;
use super::svd::{Svd, SvdOptions, svd};
use crate::check;
use crate::error::{Error, Result};
use crate::random::Rng;
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
/// # Cost
/// That of [`svd`] and a product. A small rank of a large matrix that is not on the tape takes some products with random directions instead,
/// if the values fall fast enough for those to be exact to rounding. On the tape all values are needed: the gradient divides by their differences
/// across the cut.
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
#[doc(alias = "TruncatedSVD")]
#[track_caller]
pub fn truncated(a: &Tensor, keep: Truncation) -> Result<Truncated> {
    let a = a.to_compute_dtype("truncated")?;
    let [m, n] = check::matrices("truncated", &a)?;
    if let Truncation::Rank(rank) = keep
        && 0 < rank
        && directions(rank) <= m.min(n) / 16
        && !a.is_recorded()
        && let Some(approximation) = leading(&a, rank)?
    {
        let ranks = repeated(monotile_kernels::shape::count(batch(&a)), rank as i64)?;
        return Ok(Truncated { approximation, rank: Tensor::from_vec(ranks, batch(&a))? });
    }
    let found = svd(&a.detach(), &SvdOptions::default())?;
    let ranks = ranks(&found.s, keep)?;
    let kept = kept(&found.s, &ranks)?;
    let approximation = found.u.mul(&found.s.mul(&kept)?.unsqueeze(-2)?)?.matmul(&found.vt)?;
    let rank = Tensor::from_vec(ranks.iter().map(|&r| r as i64).collect(), batch(&a))?;
    let approximation = Tensor::record(approximation, &[&a], TruncatedGradient { found, ranks });
    Ok(Truncated { approximation, rank })
}

/// How many random directions find the largest `rank` values: those beyond the rank make the space converge.
fn directions(rank: usize) -> usize {
    rank.saturating_add(rank.max(16) / 2)
}

/// The nearest matrices of this rank by random directions, where those reach what a whole decomposition does.
///
/// A step brings the space nearer by the square of the ratio of the first value beyond the directions and the last that is kept. So many are
/// taken as leave rounding, if they are few, and the result is checked: with A V = U S + E, it is the best for A − E Vᵀ.
#[track_caller]
fn leading(a: &Tensor, rank: usize) -> Result<Option<Tensor>> {
    const FIRST: usize = 1;
    const MOST: f64 = 10.0;
    let shape = [a.dim(-2), a.dim(-1)];
    let transposed = a.mt();
    let products =
        LinearOperator { matmul: &|x| a.matmul(x), matmul_transposed: &|x| transposed.matmul(x), shape, dtype: a.dtype() };
    let width = directions(rank).min(shape[0]).min(shape[1]);
    let mut found = Sketch::new(&products, &Rng::new(0).normal(&[shape[1], width], a.dtype())?, rank, FIRST)?;
    let epsilon = a.dtype().epsilon();
    let steps = |s: &[f64]| {
        let (largest, last, beyond) = (s[0], s[rank - 1], s[width - 1]);
        match beyond <= epsilon * largest {
            true => 0.0,
            // One more than the ratio asks for, since a random start is far. A NaN asks for more than there are.
            false if beyond < last => (0.5 * epsilon.ln() / (beyond / last).ln()).ceil() + 1.0,
            false => f64::INFINITY,
        }
    };
    let needed = found.svd.s.to_f64_vec()?.chunks(width).map(steps).fold(0.0, f64::max);
    if needed > MOST {
        return Ok(None);
    }
    let done = (FIRST + 1) as f64;
    if needed > done {
        found = Sketch::new(&products, &found.svd.u, rank, (needed - done) as usize)?;
    }
    let (u, s, v) = (found.left(rank)?, found.svd.s.slice(-1, ..rank)?, found.svd.u.slice(-1, ..rank)?);
    let scaled = u.mul(&s.unsqueeze(-2)?)?;
    let off = norm(&a.matmul(&v)?.sub(&scaled)?, MatrixNorm::Frobenius)?.to_f64_vec()?;
    let limit = 4.0 * (shape[0].max(shape[1]) as f64).sqrt() * epsilon;
    let largest = s.select(-1, 0)?.to_f64_vec()?;
    if !off.iter().zip(&largest).all(|(off, largest)| *off <= limit * largest) {
        return Ok(None);
    }
    scaled.matmul(&v.mt()).map(Some)
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
    Tensor::from_vec(marks.collect(), s.shape())?.to_dtype(s.dtype())?.to(&s.device())
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
crate::testing::spec_tests!(specs: truncated);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use crate::linalg::orthogonal;
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

    /// U diag(f(i)) Vᵀ, 60 × 50
    fn falling(f: impl Fn(usize) -> f64) -> Tensor {
        let mut rng = Rng::new(9);
        let (u, v) = (orthogonal(&[60, 50], &mut rng, DType::F64).unwrap(), orthogonal(&[50, 50], &mut rng, DType::F64).unwrap());
        u.mul(Tensor::from_vec((0..50).map(f).collect(), &[50]).unwrap()).unwrap().matmul(&v.mt()).unwrap()
    }

    #[test]
    fn random_directions_are_taken_where_they_are_exact_to_rounding_and_only_there() {
        let whole = |a: &Tensor, rank: usize| {
            let Svd { u, s, vt } = svd(a, &SvdOptions::default()).unwrap();
            u.slice(-1, ..rank).unwrap().mul(s.slice(-1, ..rank).unwrap()).unwrap().matmul(&vt.slice(-2, ..rank).unwrap()).unwrap()
        };
        let fast = [
            falling(|i| 0.3_f64.powi(i as i32)),
            falling(|i| 0.5_f64.powi(i as i32)),
            falling(|i| if i < 2 { 3.0 - i as f64 } else { 0.0 }),
        ];
        for a in fast.iter().flat_map(|a| [a.clone(), a.mt(), a.to_dtype(DType::F32).unwrap()]) {
            for rank in [1, 2, 5] {
                let found = leading(&a, rank).unwrap().expect("the values fall fast");
                let off = norm(&found.sub(whole(&a, rank)).unwrap(), MatrixNorm::Frobenius).unwrap().to_f64_vec().unwrap()[0];
                assert!(off < 100.0 * a.dtype().epsilon(), "rank {rank} of {}: {off:e}", a.dtype());
            }
        }
        let slow = [falling(|i| 0.95_f64.powi(i as i32)), falling(|_| 1.0), Tensor::full(&[60, 50], f64::NAN).unwrap()];
        for a in &slow {
            assert!(leading(a, 2).unwrap().is_none());
        }
        let batch = Tensor::stack(&[&fast[0], &fast[1]], 0).unwrap();
        let found = leading(&batch, 2).unwrap().unwrap();
        let each = Tensor::stack(&[&whole(&fast[0], 2), &whole(&fast[1], 2)], 0).unwrap();
        let off = norm(&found.sub(&each).unwrap(), MatrixNorm::Frobenius).unwrap().to_f64_vec().unwrap();
        assert!(off.iter().all(|&off| off < 1e-14), "{off:?}");
        assert!(leading(&Tensor::stack(&[&fast[0], &slow[0]], 0).unwrap(), 2).unwrap().is_none());
    }

    #[test]
    fn a_large_matrix_is_the_same_on_the_tape_and_off_it() {
        let low = |m: usize, n: usize| normal(&[m, 2]).matmul(&normal(&[2, n])).unwrap();
        let a = low(180, 170);
        let plain = truncated(&a, Truncation::Rank(2)).unwrap();
        let recorded = truncated(&a.requires_grad(), Truncation::Rank(2)).unwrap();
        assert_eq!(plain.rank.item::<i64>().unwrap(), 2);
        let off =
            norm(&plain.approximation.sub(&recorded.approximation).unwrap(), MatrixNorm::Frobenius).unwrap().item::<f64>().unwrap();
        assert!(off < 1e-12 * norm(&a, MatrixNorm::Frobenius).unwrap().item::<f64>().unwrap(), "{off:e}");
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
