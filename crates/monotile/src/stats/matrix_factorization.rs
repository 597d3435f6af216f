//! A matrix of which some entries are known, as a product of two of low rank.

use super::parts::argument;
use crate::error::{Error, Result};
use crate::linalg::{cholesky, cholesky_solve};
use crate::random::Rng;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// How [`MatrixFactorization::fit`] factors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MatrixFactorizationOptions {
    /// The columns of the factors.
    pub rank: usize,
    /// λ: what a unit of squared length of the factors costs. Above 0 every row has an answer, also one without entries.
    pub regularization: f64,
    /// Sweeps over both factors at most.
    pub sweeps: usize,
    /// A sweep that lowers the objective by less than this share of it is the last.
    pub tolerance: f64,
    /// Of the first factor.
    pub seed: u64,
}

impl Default for MatrixFactorizationOptions {
    fn default() -> Self {
        Self { rank: 8, regularization: 0.1, sweeps: 50, tolerance: 1e-6, seed: 0 }
    }
}

/// A ≈ U Vᵀ by alternating least squares: of users and what they rated, say.
///
/// min Σ w_ij (a_ij − uᵢ·vⱼ)² + λ (‖U‖² + ‖V‖²) over the entries that are known. With V fixed each row of U solves a system of its own,
/// (Vᵀ Wᵢ V + λ I) uᵢ = Vᵀ Wᵢ aᵢ, and with U fixed each row of V; a sweep never makes the sum larger.
///
/// # Source
/// Hu, Koren and Volinsky (2008), Collaborative filtering for implicit feedback datasets; Zhou, Wilkinson, Schreiber and Pan (2008),
/// Large-scale parallel collaborative filtering for the Netflix prize.
///
/// # Example
/// A matrix of rank 1 with an entry missing:
/// ```
/// use monotile::{Tensor, stats::{MatrixFactorization, MatrixFactorizationOptions}};
/// let a = Tensor::from_rows(&[[1.0_f64, 2.0, 3.0], [2.0, 4.0, f64::NAN]])?;
/// let options = MatrixFactorizationOptions { rank: 1, regularization: 1e-9, ..Default::default() };
/// let factors = MatrixFactorization::fit(&a, None, &options)?;
/// let (column, score) = factors.recommend(1, 5)?[0];
/// assert!(column == 2 && (score - 6.0).abs() < 1e-3);
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Clone)]
pub struct MatrixFactorization {
    options: MatrixFactorizationOptions,
    rows: Tensor,
    columns: Tensor,
    known: Tensor,
    objective: Vec<f64>,
}

impl MatrixFactorization {
    /// The factors of `a` `(m, n)`, in which NaN is an entry that is not known. `weights` `(m, n)` says how much each of the others counts: 1
    /// where they are not given.
    ///
    /// # Errors
    /// If shapes do not fit, an entry is infinite, a weight or λ is negative, or the rank is 0; `NotPositiveDefinite` where λ is 0 and a row or column has fewer
    /// entries than the rank.
    ///
    /// # Cost
    /// About 2 m n k² operations for a sweep at rank k, in products of matrices, and (m + n) k³ for the systems.
    #[track_caller]
    pub fn fit(a: &Tensor, weights: Option<&Tensor>, options: &MatrixFactorizationOptions) -> Result<Self> {
        let op = "MatrixFactorization";
        let a = argument(op, "the matrix", a, &[("m", None), ("n", None)])?.detach();
        let MatrixFactorizationOptions { rank, regularization, sweeps, tolerance, seed } = *options;
        if rank == 0 || !(regularization >= 0.0 && regularization.is_finite()) {
            return Err(Error::value(format!(
                "{op}: rank {rank} and regularization {regularization}; give at least 1 and at least 0"
            )));
        }
        let (known, entries, weights) = prepared(op, &a, weights)?;
        let mut rng = Rng::new(seed);
        let mut columns = rng.normal(&[a.dim(1), rank], a.dtype())?;
        let mut rows = solved(op, &entries, &weights, &columns, regularization)?;
        let mut objective: Vec<f64> = Vec::new();
        for _ in 0..sweeps {
            columns = solved(op, &entries.mt(), &weights.mt(), &rows, regularization)?;
            rows = solved(op, &entries, &weights, &columns, regularization)?;
            let missed = entries.sub(&rows.matmul(&columns.mt())?)?.square()?.mul(&weights)?.sum(&[], false)?;
            let lengths = rows.square()?.sum(&[], false)?.add(&columns.square()?.sum(&[], false)?)?.mul_scalar(regularization)?;
            let value = missed.add(&lengths)?.to_f64_vec()?[0];
            let done = objective.last().is_some_and(|last| last - value <= tolerance * last);
            objective.push(value);
            if done {
                break;
            }
        }
        Ok(Self { options: *options, rows, columns, known, objective })
    }

    /// U, `(m, rank)`
    pub fn rows(&self) -> &Tensor {
        &self.rows
    }

    /// V, `(n, rank)`
    pub fn columns(&self) -> &Tensor {
        &self.columns
    }

    /// What was minimized, after each sweep.
    pub fn objective(&self) -> &[f64] {
        &self.objective
    }

    /// U Vᵀ, `(m, n)`: a value for every entry, known or not.
    ///
    /// # Errors
    /// None that factors have.
    #[track_caller]
    pub fn predict(&self) -> Result<Tensor> {
        self.rows.matmul(&self.columns.mt())
    }

    /// The factors `(q, rank)` of further rows `(q, n)`, which leave V as it is; NaN and weights as in [`fit`](Self::fit).
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    #[track_caller]
    pub fn transform(&self, a: &Tensor, weights: Option<&Tensor>) -> Result<Tensor> {
        let a = argument("transform", "the rows", a, &[("q", None), ("n", Some(self.columns.dim(0)))])?;
        let (_, entries, weights) = prepared("transform", &a.to_dtype(self.columns.dtype())?, weights)?;
        solved("transform", &entries, &weights, &self.columns, self.options.regularization)
    }

    /// The columns with the largest predictions among those that are not known in a row, at most `count`, best first, each with its
    /// prediction.
    ///
    /// # Errors
    /// If there is no such row.
    #[track_caller]
    pub fn recommend(&self, row: usize, count: usize) -> Result<Vec<(usize, f64)>> {
        if row >= self.rows.dim(0) {
            return Err(Error::value(format!("recommend: there is no row {row} in a matrix of {}", self.rows.dim(0))));
        }
        let scores = self.columns.matmul(&self.rows.select(0, row)?)?.to_f64_vec()?;
        let known = self.known.select(0, row)?.to_f64_vec()?;
        let mut found: Vec<(usize, f64)> = scores.into_iter().enumerate().filter(|(j, _)| known[*j] == 0.0).collect();
        found.sort_by(|a, b| b.1.total_cmp(&a.1));
        found.truncate(count);
        Ok(found)
    }
}

/// Which entries are known, the entries with 0 for the others, and weights that are 0 there.
#[track_caller]
fn prepared(op: &str, a: &Tensor, weights: Option<&Tensor>) -> Result<(Tensor, Tensor, Tensor)> {
    let known = a.eq(a)?;
    let zero = Tensor::scalar_as(0.0, a.dtype());
    let weights = match weights {
        None => a.ones_like(),
        Some(w) => argument(op, "the weights", w, &[("m", Some(a.dim(0))), ("n", Some(a.dim(1)))])?.to_dtype(a.dtype())?,
    };
    if let Some(w) = weights.to_f64_vec()?.into_iter().find(|w| !(*w >= 0.0 && w.is_finite())) {
        return Err(Error::value(format!("{op}: a weight is {w}; weights are finite and not negative")));
    }
    if let Some(x) = a.to_f64_vec()?.into_iter().find(|x| x.is_infinite()) {
        return Err(Error::value(format!("{op}: an entry is {x}; entries are finite, or NaN where they are not known")));
    }
    Ok((known.clone(), known.where_(a, &zero)?, known.where_(&weights, &zero)?))
}

/// The rows that fit best with the other factor fixed: (Vᵀ Wᵢ V + λ I) uᵢ = Vᵀ Wᵢ aᵢ. All Vᵀ Wᵢ V are one product of the weights with the
/// products of pairs of columns.
#[track_caller]
fn solved(op: &str, entries: &Tensor, weights: &Tensor, v: &Tensor, regularization: f64) -> Result<Tensor> {
    let (n, k) = (v.dim(0), v.dim(1));
    let pairs = v.unsqueeze(2)?.mul(&v.unsqueeze(1)?)?.reshape(&[n, k * k])?;
    let systems = weights.matmul(&pairs)?.reshape(&[entries.dim(0), k, k])?;
    let systems = systems.add(&Tensor::eye(k, v.dtype())?.mul_scalar(regularization)?)?;
    let sides = entries.mul(weights)?.matmul(v)?.unsqueeze(-1)?;
    let root = cholesky(&systems).map_err(|error| error.with_context(format!("{op}: a row or column has too few entries")))?;
    cholesky_solve(&root, &sides)?.squeeze(-1)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let options = MatrixFactorizationOptions { rank: 2, regularization: 0.5, ..Default::default() };
    let fit = move |x: &[Tensor]| Ok(vec![MatrixFactorization::fit(&x[0], x.get(1), &options)?.predict()?]);
    vec![
        // One sweep differs by rounding from another; the last one must not turn on it.
        Spec::new("MatrixFactorization", move |x| {
            let few = MatrixFactorizationOptions { sweeps: 3, tolerance: 0.0, ..options };
            Ok(vec![MatrixFactorization::fit(&x[0], None, &few)?.predict()?])
        })
        .sample("a matrix", vec![normal(&[5, 4])])
        .tolerance_f32(1e-4)
        .may_drop_nan(),
        Spec::new("MatrixFactorization", fit)
            .refuses(vec![normal(&[5])], "MatrixFactorization: the matrix must have shape [m, n], got [5]")
            .refuses(vec![normal(&[5, 4]), normal(&[4, 5])], "MatrixFactorization: the weights must have shape [5, 4], got [4, 5]")
            .refuses(
                vec![normal(&[1, 1]), Tensor::full(&[1, 1], -1.0).unwrap()],
                "MatrixFactorization: a weight is -1; weights are finite and not negative",
            )
            .refuses(
                vec![Tensor::full(&[1, 2], f64::INFINITY).unwrap()],
                "MatrixFactorization: an entry is inf; entries are finite, or NaN where they are not known",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: matrixfactorization);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::svdvals;
    use crate::tensor::DType;

    /// A matrix of rank 3, with every entry hidden that `hide` says.
    fn low_rank(m: usize, n: usize, hide: impl Fn(usize, usize) -> bool) -> (Tensor, Tensor) {
        let mut rng = Rng::new(6);
        let full = rng.normal(&[m, 3], DType::F64).unwrap().matmul(&rng.normal(&[3, n], DType::F64).unwrap()).unwrap();
        let seen =
            full.to_f64_vec().unwrap().iter().enumerate().map(|(at, &x)| if hide(at / n, at % n) { f64::NAN } else { x }).collect();
        (full, Tensor::from_vec(seen, &[m, n]).unwrap())
    }

    /// With every entry known and a factor of the least length, the best product of rank k has singular values sᵢ − λ (Srebro,
    /// Rennie and Jaakkola 2004): the objective is Σ s² over the rest, and 2 λ s − λ² for each that is kept.
    #[test]
    fn a_whole_matrix_reaches_the_objective_that_its_singular_values_give() {
        let a = normal(&[12, 9]);
        let (lambda, rank) = (0.5, 4);
        let options = MatrixFactorizationOptions { rank, regularization: lambda, sweeps: 2000, tolerance: 0.0, seed: 1 };
        let factors = MatrixFactorization::fit(&a, None, &options).unwrap();
        let s = svdvals(&a).unwrap().to_f64_vec().unwrap();
        let kept: f64 = s[..rank].iter().map(|s| 2.0 * lambda * s - lambda * lambda).sum();
        let expected = kept + s[rank..].iter().map(|s| s * s).sum::<f64>();
        let found = *factors.objective().last().unwrap();
        assert!((found - expected).abs() < 1e-8 * expected, "{found} and {expected}");
        assert!(factors.objective().windows(2).all(|pair| pair[1] <= pair[0] * (1.0 + 1e-14)));
    }

    #[test]
    fn hidden_entries_are_found_again() {
        let (full, seen) = low_rank(40, 30, |i, j| (7 * i + 3 * j) % 4 == 0);
        let options = MatrixFactorizationOptions { rank: 3, regularization: 1e-8, sweeps: 500, tolerance: 1e-9, seed: 0 };
        let factors = MatrixFactorization::fit(&seen, None, &options).unwrap();
        let off =
            factors.predict().unwrap().sub(&full).unwrap().to_f64_vec().unwrap().into_iter().fold(0.0, |m: f64, d| m.max(d.abs()));
        assert!(off < 1e-4, "{off}");
        let best = factors.recommend(2, 3).unwrap();
        let row = full.select(0, 2).unwrap().to_f64_vec().unwrap();
        let mut hidden: Vec<usize> = (0..30).filter(|j| (14 + 3 * j) % 4 == 0).collect();
        hidden.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        assert_eq!(best.iter().map(|(j, _)| *j).collect::<Vec<_>>(), hidden[..3]);
        // A row that was there gets the factor that it has.
        let again = factors.transform(&seen.slice(0, 2..3).unwrap(), None).unwrap().sub(factors.rows()).unwrap();
        assert!(again.select(0, 2).unwrap().to_f64_vec().unwrap().iter().all(|d| d.abs() < 1e-12));
    }

    #[test]
    fn an_entry_of_weight_zero_is_as_if_it_were_missing() {
        let (_, seen) = low_rank(8, 7, |i, j| (i + j) % 3 == 0);
        let (full, _) = low_rank(8, 7, |_, _| false);
        let weights = seen.eq(&seen).unwrap().to_dtype(DType::F64).unwrap();
        let options = MatrixFactorizationOptions { rank: 2, ..Default::default() };
        let hidden = MatrixFactorization::fit(&seen, None, &options).unwrap().predict().unwrap();
        let weighted = MatrixFactorization::fit(&full, Some(&weights), &options).unwrap().predict().unwrap();
        assert!(hidden.sub(&weighted).unwrap().to_f64_vec().unwrap().iter().all(|d| d.abs() < 1e-12));
        let error = MatrixFactorization::fit(&seen, None, &MatrixFactorizationOptions { rank: 7, regularization: 0.0, ..options });
        assert!(
            error.err().unwrap().to_string().starts_with("MatrixFactorization: a row or column has too few entries: cholesky: ")
        );
    }
}
