//! A = U S Vᵀ

use super::degenerate::{SpectralCotangent, replaced, scales, with_diagonal};
use super::parts::{matrix_name, sum, symmetric, thin_q_cotangent};
use crate::check;
use crate::door::factor::{self, Vectors};
use crate::error::{Error, ErrorKind, Placed, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// How [`svd`] decomposes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SvdOptions {
    /// U is (m, m) and Vᵀ (n, n); else, with k = min(m, n), (m, k) and (k, n).
    pub full: bool,
}

/// The decomposition A = U S Vᵀ.
#[derive(Clone)]
pub struct Svd {
    /// Left singular vectors as columns.
    pub u: Tensor,
    /// Singular values in decreasing order, `(…, k)`.
    pub s: Tensor,
    /// Right singular vectors as rows.
    pub vt: Tensor,
}

/// Decomposes matrices as A = U S Vᵀ, with orthonormal columns in U and V and S diagonal, not negative and decreasing.
///
/// Shapes: `a` is `(…, m, n)`; with k = min(m, n), U is `(…, m, k)`, s `(…, k)` and Vᵀ `(…, k, n)`; `full` makes U and V square. Signs, and
/// the vectors of equal and of zero values, are as they come.
///
/// # Gradient
/// Right for every loss that does not depend on which vectors were chosen, equal values included, as long as it sees equal
/// values through one function of them (Σ g(s) u vᵀ: a reconstruction at a gap, an orthogonal factor; Σ g(s) u uᵀ: a projection);
/// take a decomposition for each of several. What does depend on the choice, or has no derivative or one that cannot be told at values
/// that are equal or 0, is refused, naming them. A loss of the values alone is always right.
///
/// # Errors
/// If `a` is no matrix, or of integers; `NotConverged`, naming the matrix. On a GPU nothing is read back: where values are equal, or 0, the
/// gradient is infinite or NaN there. Matrices are at most 32 x 32 there.
///
/// # Cost
/// About 4 m n k + 22 k³ operations a matrix.
///
/// # Source
/// Golub and Van Loan (2013), Matrix Computations, section 8.6; gradient: Townsend (2016), Differentiating the singular value
/// decomposition; Wan and Zhang (2019), arXiv 1909.02659.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::{SvdOptions, svd}};
/// let found = svd(&Tensor::from_rows(&[[0.0_f64, 2.0], [-3.0, 0.0]])?, &SvdOptions::default())?;
/// assert_eq!(found.s.to_vec::<f64>()?, [3.0, 2.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn svd(a: &Tensor, options: &SvdOptions) -> Result<Svd> {
    let a = a.to_compute_dtype("svd")?;
    check::matrices("svd", &a)?;
    let found = compute("svd", &a, if options.full { Vectors::Full } else { Vectors::Thin })?;
    let [u, s, vt] = <[Tensor; 3]>::try_from(Tensor::record_all(found.into(), &[&a], SvdGradient))
        .unwrap_or_else(|_| unreachable!("as many tensors are recorded as were given"));
    Ok(Svd { u, s, vt })
}

/// The singular values of matrices, in decreasing order.
///
/// Shapes: `a` is `(…, m, n)`, the result `(…, k)` with k = min(m, n).
///
/// # Gradient
/// U diag(s̄) Vᵀ: right also where values are equal, if the loss treats equal values alike; where values are 0, one of the
/// subgradients.
///
/// # Errors
/// As [`svd`].
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::svdvals};
/// let a = Tensor::from_rows(&[[3.0_f64, 0.0], [0.0, -4.0]])?;
/// assert_eq!(svdvals(&a)?.to_vec::<f64>()?, [4.0, 3.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "singular_values")]
#[track_caller]
pub fn svdvals(a: &Tensor) -> Result<Tensor> {
    let a = a.to_compute_dtype("svdvals")?;
    check::matrices("svdvals", &a)?;
    let [u, s, vt] = compute("svdvals", &a, if a.is_recorded() { Vectors::Thin } else { Vectors::None })?;
    Ok(Tensor::record(s, &[&a], Values { u, vt }))
}

#[track_caller]
fn compute(op: &str, a: &Tensor, vectors: Vectors) -> Result<[Tensor; 3]> {
    factor::svd(op, a, vectors, |matrix, _| {
        Error::new(ErrorKind::NotConverged, format!("{op}: the singular values of {} did not converge", matrix_name(a, matrix)))
    })
    .placed()
}

/// U diag(s̄) Vᵀ
#[track_caller]
fn from_values(u: &Tensor, bar: &Tensor, vt: &Tensor) -> Result<Tensor> {
    u.mul(&bar.unsqueeze(-2)?)?.matmul(vt)
}

struct Values {
    u: Tensor,
    vt: Tensor,
}

impl Gradient for Values {
    fn name(&self) -> &'static str {
        "svdvals"
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(bar) = &cotangents[0] else { return Ok(vec![None]) };
        if saved.is_recorded() {
            let Svd { u, vt, .. } = svd(&saved.input(0), &SvdOptions::default())?;
            return Ok(vec![Some(from_values(&u, bar, &vt)?)]);
        }
        Ok(vec![Some(from_values(&self.u, bar, &self.vt)?)])
    }
}

struct SvdGradient;

impl Gradient for SvdGradient {
    fn name(&self) -> &'static str {
        "svd"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let (u, s, v) = (saved.output(0), saved.output(1), saved.output(2).mt());
        let k = s.dim(-1);
        let u_bar = cotangents[0].as_ref().map(|bar| thin_q_cotangent("svd", &u, bar, k)).transpose()?;
        let v_bar = cotangents[2].as_ref().map(|bar| thin_q_cotangent("svd", &v, &bar.mt(), k)).transpose()?;
        let [left, right] = [&cotangents[0], &cotangents[2]].map(|bar| bar.as_ref().map(scales).transpose());
        let largest = match (left?, right?) {
            (Some(left), Some(right)) => left.into_iter().zip(right).map(|(a, b)| a.max(b)).collect(),
            (left, right) => left.or(right).unwrap_or_default(),
        };
        let found = SvdResult { u: u.slice(-1, ..k)?, s, v: v.slice(-1, ..k)?, recorded: saved.is_recorded(), scales: largest };
        Ok(vec![found.pull_back(u_bar, cotangents[1].as_ref(), v_bar)?])
    }
}

/// 1 / x; 0 where it is not to be divided.
#[track_caller]
fn inverse(x: &Tensor, zeros: Option<&Tensor>) -> Result<Tensor> {
    match zeros {
        Some(zeros) => replaced(&replaced(x, zeros, 1.0)?.recip()?, zeros, 0.0),
        None => x.recip(),
    }
}

/// A thin decomposition.
struct SvdResult {
    u: Tensor,
    s: Tensor,
    v: Tensor,
    recorded: bool,
    /// The largest element of the cotangents of the vectors, for each matrix.
    scales: Vec<f64>,
}

impl SvdResult {
    // With X, Y the skew parts of Uᵀ Ū and Vᵀ V̄ (Townsend 2016, whose F ∘ (2 X S + 2 S Y) this is, in partial fractions):
    // Ā = U E Vᵀ + (I − U Uᵀ) Ū S⁻¹ Vᵀ + U S⁻¹ V̄ᵀ (I − V Vᵀ),  E_ij = (X + Y)_ij / (s_j − s_i) + (X − Y)_ij / (s_j + s_i) + δ_ij s̄_i
    #[track_caller]
    fn pull_back(&self, u_bar: Option<Tensor>, s_bar: Option<&Tensor>, v_bar: Option<Tensor>) -> Result<Option<Tensor>> {
        let (u, s, v) = (&self.u, &self.s, &self.v);
        if u_bar.is_none() && v_bar.is_none() {
            return s_bar.map(|bar| from_values(u, bar, &v.mt())).transpose();
        }
        let zeros = self.zeros(s_bar)?;
        let skew = |x: &Tensor| x.sub(x.mt())?.mul_scalar(0.5);
        let g = u_bar.as_ref().map(|bar| u.mt().matmul(bar)).transpose()?;
        let h = v_bar.as_ref().map(|bar| v.mt().matmul(bar)).transpose()?;
        let (x, y) = (g.as_ref().map(skew).transpose()?, h.as_ref().map(skew).transpose()?);
        let skew_part = sum(x.clone(), y.clone())?.expect("one of the cotangents is present");
        let apart = sum(x, y.map(|y| y.neg()).transpose()?)?.expect("one of the cotangents is present");
        let both = sum(g, h)?.expect("one of the cotangents is present");
        let symmetric_part = || symmetric(&both);

        let pairs = SpectralCotangent {
            op: "svd",
            what: "singular ",
            values: s,
            skew_part: &skew_part,
            symmetric_part: &symmetric_part,
            values_bar: s_bar,
            scales: &self.scales,
        };
        let quotients = pairs.quotients()?;
        if self.recorded && quotients.degenerate {
            return Err(Error::value("the second gradient of svd: it is not given where singular values are equal"));
        }
        let sums = s.unsqueeze(-2)?.add(&s.unsqueeze(-1)?)?;
        let summed = match &zeros {
            None => apart.div(&sums)?,
            // The sum of two values that are 0 is as little to be divided by as their difference.
            Some(zeros) => {
                let both = zeros.unsqueeze(-1)?.and(&zeros.unsqueeze(-2)?)?;
                self.refuse_zero(&apart, &both)?;
                apart.mul(&inverse(&sums, Some(&both))?)?
            }
        };
        let mut inner = skew_part.mul(&quotients.inverse)?.add(&summed)?;
        if let Some(limit) = quotients.limit {
            inner = inner.add(&limit)?;
        }
        if let Some(bar) = s_bar {
            inner = with_diagonal(&inner, bar)?;
        }
        let mut a_bar = Some(u.matmul(&inner)?.matmul(&v.mt())?);
        let inverse = inverse(s, zeros.as_ref())?.unsqueeze(-2)?;
        if let Some(bar) = u_bar.filter(|_| u.dim(-2) > u.dim(-1)) {
            let outside = bar.sub(&u.matmul(&u.mt().matmul(&bar)?)?)?;
            if let Some(zeros) = &zeros {
                self.refuse_zero(&outside, &zeros.unsqueeze(-2)?.expand(outside.shape())?)?;
            }
            a_bar = sum(a_bar, Some(outside.mul(&inverse)?.matmul(&v.mt())?))?;
        }
        if let Some(bar) = v_bar.filter(|_| v.dim(-2) > v.dim(-1)) {
            let outside = bar.sub(&v.matmul(&v.mt().matmul(&bar)?)?)?;
            if let Some(zeros) = &zeros {
                self.refuse_zero(&outside, &zeros.unsqueeze(-2)?.expand(outside.shape())?)?;
            }
            a_bar = sum(a_bar, Some(u.mul(&inverse)?.matmul(&outside.mt())?))?;
        }
        Ok(a_bar)
    }

    /// Which values are 0 up to rounding, where any is. Refuses a loss that depends on such a value where it is not alone with its vectors: the
    /// derivative is then not in the cotangents. On a GPU nothing is read back, and no value counts as 0.
    #[track_caller]
    fn zeros(&self, s_bar: Option<&Tensor>) -> Result<Option<Tensor>> {
        if !self.s.device().is_cpu() {
            return Ok(None);
        }
        let k = self.s.dim(-1);
        let (values, bar) = (self.s.to_f64_vec()?, s_bar.map(Tensor::to_f64_vec).transpose()?);
        let rounding = 8.0 * self.u.dim(-2).max(self.v.dim(-2)) as f64 * self.s.dtype().epsilon();
        let alone = self.u.dim(-2) == self.v.dim(-2);
        let mut zeros = vec![false; values.len()];
        for (matrix, s) in values.chunks(k.max(1)).enumerate() {
            let first = s.iter().position(|&x| x <= rounding * s[0]).unwrap_or(k);
            zeros[matrix * k + first..(matrix + 1) * k].fill(true);
            let Some(bar) = bar.as_ref().map(|bar| &bar[matrix * k..][..k]) else { continue };
            // A vector's cotangent of this size comes with one of its value that is smaller by the value.
            let beside = if s[0] > 0.0 { self.scales[matrix] / s[0] } else { 0.0 };
            let most = bar.iter().fold(beside, |m, x| m.max(x.abs()));
            let depends = (first..k).find(|&j| bar[j].abs() > rounding * most);
            if let Some(j) = depends.filter(|_| !alone || first + 1 < k) {
                return Err(self.refuse(matrix, j));
            }
        }
        zeros.contains(&true).then(|| Tensor::from_vec(zeros, self.s.shape())).transpose()
    }

    /// Refuses cotangents that do not vanish where `mask` marks what belongs to values of 0.
    #[track_caller]
    fn refuse_zero(&self, bar: &Tensor, mask: &Tensor) -> Result<()> {
        let (columns, each) = (bar.dim(-1), bar.dim(-1) * bar.dim(-2));
        let (bar, mask) = (bar.to_f64_vec()?, mask.to_f64_vec()?);
        let vanishing = |matrix: usize| 100.0 * self.s.dtype().epsilon().sqrt() * self.scales[matrix];
        match (0..bar.len()).find(|&at| mask[at] != 0.0 && bar[at].abs() > vanishing(at / each)) {
            Some(at) => Err(self.refuse(at / each, at % columns)),
            None => Ok(()),
        }
    }

    #[track_caller]
    fn refuse(&self, matrix: usize, j: usize) -> Error {
        let which = matrix_name(&self.u, matrix);
        Error::value(format!(
            "the gradient of svd: the loss depends on singular value {j} of {which} or its vectors, where it is 0"
        ))
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, distinct};
    let options = SvdOptions::default();
    // Signs are a choice: what follows does not see them.
    let unsigned = move |x: &[Tensor]| {
        let Svd { u, s, vt } = svd(&distinct(&x[0])?, &options)?;
        Ok(vec![u.mul(&u)?, s, vt.mul(&vt)?, u.slice(-1, ..1)?.matmul(&vt.slice(-2, ..1)?)?])
    };
    let factors = |full| move |x: &[Tensor]| svd(&x[0], &SvdOptions { full }).map(|Svd { u, s, vt }| vec![u, s, vt]);
    let rebuilt =
        |_: &[Tensor], y: &[Tensor], k: usize| y[0].slice(-1, ..k)?.mul(&y[1].unsqueeze(-2)?)?.matmul(&y[2].slice(-2, ..k)?);
    let gram = |q: &Tensor| {
        let gram = q.mt().matmul(q)?;
        distance(&Tensor::eye(gram.dim(-1), gram.dtype())?.expand(gram.shape())?, &gram)
    };
    let checked = move |full, name: &'static str, shape: &[usize]| {
        // Signs differ between precisions and layouts.
        let norms = move |x: &[Tensor]| {
            let found = factors(full)(x)?;
            let k = found[1].dim(-1);
            Ok(vec![rebuilt(x, &found, k)?, found[1].clone()])
        };
        Spec::new("svd", norms)
            .sample(name, vec![normal(shape)])
            .property("A = U S Vᵀ", |x, y| distance(&x[0], &y[0]))
            .property("Uᵀ U = I", move |x, _| gram(&factors(full)(x)?[0]))
            .property("Vᵀ V = I", move |x, _| gram(&factors(full)(x)?[2].mt()))
    };
    let mut specs = vec![
        Spec::new("svd", unsigned)
            .sample("square", vec![normal(&[4, 4])])
            .sample("tall", vec![normal(&[2, 5, 3])])
            .sample("wide", vec![normal(&[2, 3, 5])])
            .sample("by bidiagonal form", vec![normal(&[20, 18])])
            .orders(2),
        // What does not depend on the choice of the columns that a full decomposition adds.
        Spec::new("svd", |x| {
            let Svd { u, s, vt } = svd(&distinct(&x[0])?, &SvdOptions { full: true })?;
            let (k, project) = (s.dim(-1), |q: &Tensor| q.matmul(&q.mt()));
            Ok(vec![s, project(&u.slice(-1, k..)?)?, project(&vt.slice(-2, k..)?.mt())?, project(&u.slice(-1, ..1)?)?])
        })
        .sample("tall", vec![normal(&[5, 3])])
        .sample("wide", vec![normal(&[2, 3, 5])])
        .orders(2)
        // Where one factor has no further columns, their projection is 0.
        .may_drop_nan(),
        Spec::new("svd", |x| Ok(vec![svd(&x[0], &SvdOptions::default())?.s]))
            .refuses(vec![normal(&[3])], "svd: needs at least 2 dimensions, got shape [3]"),
        Spec::new("svdvals", |x| Ok(vec![svdvals(&distinct(&x[0])?)?]))
            .sample("tall", vec![normal(&[2, 5, 3])])
            .sample("wide", vec![normal(&[3, 5])])
            .property("the values that svd finds", |x, y| distance(&svd(&distinct(&x[0])?, &SvdOptions::default())?.s, &y[0]))
            .orders(2),
    ];
    for (name, shape) in [
        ("tall", &[2, 5, 3][..]),
        ("wide", &[3, 5]),
        ("one by one", &[1, 1]),
        ("a row", &[1, 4]),
        ("a column", &[4, 1]),
        ("large", &[40, 20]),
        ("no rows", &[2, 0, 3]),
        ("no columns", &[2, 3, 0]),
    ] {
        specs.extend([checked(false, name, shape), checked(true, name, shape)]);
    }
    specs
}

#[cfg(test)]
crate::testing::spec_tests!(specs: svd, svdvals);
