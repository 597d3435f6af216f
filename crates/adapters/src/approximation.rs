//! The nearest low-rank change to a difference of two weights.

use monotile::linalg::{MatrixNorm, Svd, SvdLowrankOptions, SvdOptions, norm, svd, svd_lowrank};
use monotile::{DType, Result, Tensor, einsum};

use crate::factors::LowRankFactors;
use crate::rank_selection::{RankRule, RankSelection};
use crate::weighted::blocks;

/// Values that are computed first where a rule decides over the rank.
const FIRST: usize = 32;

/// What [`low_rank_approximation`] found.
#[derive(Clone)]
pub struct LowRankApproximation {
    /// B = U √S and A = √S Vᵀ, with scaling 1, in f32.
    pub factors: LowRankFactors,
    /// ‖ΔW‖
    pub norm: f64,
    /// ‖ΔW − B A‖ / ‖ΔW‖, measured on the factors; 0 where ΔW is 0.
    pub error: f64,
    /// Whether the decomposition is exact, not by random directions.
    pub exact: bool,
}

/// The nearest change of the rank that `keep` asks for, by random directions, or exactly where `exact` says so, the matrix is small, or
/// its spectrum is so flat that a share of energy needs a large part of it.
///
/// `change` is ΔW, `(m, n)`, computed in f32. With random directions Q, 8 more than the rank, taken through ΔW ΔWᵀ twice, B A is the best
/// approximation of Q Qᵀ ΔW: its error is that of the best one but for a few per cent, less where the spectrum falls. It is measured, not
/// estimated.
///
/// # Errors
/// `Value`, as [`RankSelection::check`]; `NotConverged`, if ΔW has NaN.
///
/// # Cost
/// 12 m n (r + 8) operations; exactly, some 26 m n min(m, n).
///
/// # Source
/// Halko, Martinsson and Tropp (2011), Finding structure with randomness, algorithms 4.4 and 5.1.
///
/// # Example
/// ```
/// use monotile::{DType, Rng};
/// use monotile_adapters::{RankSelection, low_rank_approximation};
/// let mut rng = Rng::new(1);
/// let change = rng.normal(&[300, 3], DType::F32)?.matmul(&rng.normal(&[3, 200], DType::F32)?)?;
/// let found = low_rank_approximation(&change, RankSelection::rank(3), false)?;
/// assert!(found.error < 1e-5 && found.factors.rank() == 3);
/// # Ok::<(), monotile::Error>(())
/// ```
pub fn low_rank_approximation(change: &Tensor, keep: RankSelection, exact: bool) -> Result<LowRankApproximation> {
    keep.check()?;
    let change = change.to_dtype(DType::F32)?;
    let length = frobenius_norm(&change)?;
    let (found, rank, exact) = decompose(&change, keep, exact)?;
    let factors = LowRankFactors::from_svd(&found, rank)?;
    let error = if length == 0.0 { 0.0 } else { distance(&change, &factors)? / length };
    Ok(LowRankApproximation { factors, norm: length, error, exact })
}

/// A decomposition with enough values, the rank, and whether it is exact.
fn decompose(change: &Tensor, keep: RankSelection, exact: bool) -> Result<(Svd, usize, bool)> {
    let least = change.dim(0).min(change.dim(1));
    let squares = |s: &[f64]| s.iter().map(|s| s * s).sum::<f64>();
    let mut width = if keep.rule == RankRule::All { keep.max_rank } else { FIRST.min(keep.max_rank) };
    // Random directions of half of all save nothing.
    while !exact && width.saturating_mul(2) < least {
        let found = svd_lowrank(change, width, &SvdLowrankOptions::default())?;
        let found = Svd { u: found.u, s: found.s, vt: found.vt };
        let values = found.s.to_f64_vec()?;
        // ‖ΔW‖² as the sum of what is known and what is left: their ratio is right far below the rounding of ‖ΔW‖² itself.
        let left =
            if keep.rule == RankRule::All { 0.0 } else { distance(change, &LowRankFactors::from_svd(&found, values.len())?)? };
        if let Some(rank) = keep.count(&values, squares(&values) + left * left) {
            return Ok((found, rank, false));
        }
        width = width.saturating_mul(4).min(keep.max_rank);
    }
    let found = svd(change, &SvdOptions::default())?;
    let values = found.s.to_f64_vec()?;
    let rank = keep.count(&values, squares(&values)).unwrap_or(least);
    Ok((found, rank, true))
}

/// ‖ΔW − s B A‖, formed a block of rows at a time.
///
/// # Errors
/// `Shape`, if the sizes differ.
pub(crate) fn distance(change: &Tensor, factors: &LowRankFactors) -> Result<f64> {
    let mut sum = 0.0;
    for rows in blocks(change.shape()) {
        // The scaling is applied where there is least to multiply.
        let part = factors.b.slice(0, rows.clone())?.mul_scalar(factors.scaling)?.matmul(&factors.a)?;
        sum += frobenius_norm(&change.slice(0, rows)?.sub(&part)?)?.powi(2);
    }
    Ok(sum.sqrt())
}

/// Frobenius' norm.
pub(crate) fn frobenius_norm(matrix: &Tensor) -> Result<f64> {
    // One pass over the elements, where their squares stay well within the range of f32.
    let square = einsum("ij,ij->", &[matrix, matrix])?.to_f64_vec()?[0];
    if (1e-25..1e35).contains(&square) {
        return Ok(square.sqrt());
    }
    Ok(norm(matrix, MatrixNorm::Frobenius)?.to_f64_vec()?[0])
}

#[cfg(test)]
mod tests {
    use monotile::Rng;
    use monotile::linalg::svdvals;

    use super::*;

    /// A matrix whose singular values fall by this factor each.
    fn falling(m: usize, n: usize, factor: f64) -> Tensor {
        let mut rng = Rng::new(5);
        let mut orthonormal = |rows: usize, columns: usize| {
            let random = rng.normal(&[rows, columns], DType::F64).unwrap();
            svd(&random, &SvdOptions::default()).unwrap().u
        };
        let k = m.min(n);
        let s = Tensor::from_vec((0..k).map(|i| factor.powi(i as i32)).collect::<Vec<f64>>(), &[k]).unwrap();
        orthonormal(m, k).mul(&s).unwrap().matmul(&orthonormal(n, k).mt()).unwrap().to_dtype(DType::F32).unwrap()
    }

    #[test]
    fn the_error_is_that_of_the_best_approximation() {
        for (m, n, factor) in [(120, 90, 0.8), (70, 150, 0.9), (20, 30, 0.9)] {
            let change = falling(m, n, factor);
            let s = svdvals(&change).unwrap().to_f64_vec().unwrap();
            let total: f64 = s.iter().map(|s| s * s).sum();
            let best = (s[6..].iter().map(|s| s * s).sum::<f64>() / total).sqrt();
            for exact in [false, true] {
                let found = low_rank_approximation(&change, RankSelection::rank(6), exact).unwrap();
                assert_eq!((found.factors.rank(), found.exact), (6, exact));
                // Random directions are allowed a hundredth more; no approximation is better than the best.
                assert!(found.error > best * (1.0 - 1e-4) && found.error < best * 1.01, "{} {best}", found.error);
                assert!((found.norm / total.sqrt() - 1.0).abs() < 1e-5);
                let [b, a] = [&found.factors.b, &found.factors.a].map(|t| frobenius_norm(t).unwrap());
                assert!((b / a - 1.0).abs() < 1e-4, "the factors share the singular values evenly");
            }
        }
    }

    #[test]
    fn lengths_are_right_also_where_squares_leave_the_range() {
        for scale in [1e-30_f64, 1e-10, 1.0, 1e10, 1e30] {
            let matrix = Tensor::full(&[3, 5], scale).unwrap().to_dtype(DType::F32).unwrap();
            assert!((frobenius_norm(&matrix).unwrap() / (15_f64.sqrt() * scale) - 1.0).abs() < 1e-6, "{scale}");
        }
        assert_eq!(frobenius_norm(&Tensor::zeros(&[3, 5], DType::F32).unwrap()).unwrap(), 0.0);
        let nan = Tensor::from_rows(&[[f32::NAN, 1.0]]).unwrap();
        assert!(!frobenius_norm(&nan).unwrap().is_finite());
    }

    #[test]
    fn rules_are_kept_on_what_is_measured() {
        let change = falling(120, 90, 0.8);
        for (rule, bound) in
            [(RankRule::Energy(0.95), 0.05_f64.sqrt()), (RankRule::Error(1e-2), 1e-2), (RankRule::Error(1e-4), 1e-4)]
        {
            let found = low_rank_approximation(&change, RankSelection::from_rule(rule), false).unwrap();
            assert!(found.error <= bound * 1.001, "{rule:?}: {}", found.error);
            let less = low_rank_approximation(&change, RankSelection::rank(found.factors.rank() - 1), true).unwrap();
            assert!(less.error > bound * 0.999, "{rule:?}: rank {} would do", found.factors.rank() - 1);
        }
    }

    #[test]
    fn a_flat_spectrum_is_decomposed_exactly_where_a_rule_needs_it() {
        let flat = falling(120, 90, 1.0);
        let found = low_rank_approximation(&flat, RankSelection::from_rule(RankRule::Energy(0.9)), false).unwrap();
        assert!(found.exact && (80..=82).contains(&found.factors.rank()), "rank {}", found.factors.rank());
        assert!(!low_rank_approximation(&flat, RankSelection::rank(6), false).unwrap().exact);
        let nothing = low_rank_approximation(&Tensor::zeros(&[4, 3], DType::F32).unwrap(), RankSelection::rank(2), false).unwrap();
        assert_eq!((nothing.norm, nothing.error), (0.0, 0.0));
    }
}
