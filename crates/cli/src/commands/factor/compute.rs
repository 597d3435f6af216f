//! The decompositions of the command, each with its results by name.

use std::fmt;

use clap::ValueEnum;
use monotile::linalg::{
    Eigh, Lu, Qr, QrOptions, Svd, SvdLowrank, SvdLowrankOptions, SvdOptions, cholesky, eigh, lstsq, lu, pinv, qr, svd, svd_lowrank,
    svdvals,
};
use monotile::stats::{Pca, PcaOptions, PcaSolver};
use monotile::{Result, Tensor};

use super::spectrum::BatchSpectrum;
use crate::report::number;

/// What to do with a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Factorization {
    /// A = U S Vᵀ
    Svd,
    /// A = Q R
    Qr,
    /// A = L Lᵀ
    Cholesky,
    /// A = V Λ Vᵀ
    Eigh,
    /// P A = L U
    Lu,
    /// A⁺
    Pinv,
    /// min ‖A X − B‖
    Lstsq,
    /// principal components of rows
    Pca,
}

impl Factorization {
    /// The names of the results, in order.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::Svd => &["u", "s", "vt"],
            Self::Qr => &["q", "r"],
            Self::Cholesky => &["l"],
            Self::Eigh => &["values", "vectors"],
            Self::Lu => &["l", "u", "order"],
            Self::Pinv => &["pinv"],
            Self::Lstsq => &["x"],
            Self::Pca => &["mean", "components", "scores", "explained_variance"],
        }
    }

    /// How many files it takes.
    pub fn operands(self) -> usize {
        if self == Self::Lstsq { 2 } else { 1 }
    }

    /// Whether the upper triangle plays no part.
    pub fn reads_lower_triangle(self) -> bool {
        matches!(self, Self::Cholesky | Self::Eigh)
    }
}

impl fmt::Display for Factorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().expect("no variant is hidden").get_name())
    }
}

/// What was found.
pub struct FactorOutput {
    results: Vec<Tensor>,
    names: &'static [&'static str],
    /// The values of which the report speaks.
    pub spectrum: BatchSpectrum,
    /// What the values are.
    pub what_values: &'static str,
    /// A sentence of its own.
    pub remark: Option<String>,
}

impl FactorOutput {
    /// The results with their names.
    pub fn named(&self) -> Vec<(&'static str, &Tensor)> {
        self.names.iter().copied().zip(&self.results).collect()
    }
}

/// Whether this many of the k largest values are found by products with random directions, for a small part of the work of all.
fn few(rank: usize, k: usize) -> bool {
    k >= 64 && rank <= k / 8
}

/// More products than the library's default: a command is asked once, and its user may know nothing of the spectrum.
fn thorough(rank: usize) -> SvdLowrankOptions {
    SvdLowrankOptions { oversampling: 8 + rank / 2, power_iterations: 6, ..SvdLowrankOptions::default() }
}

/// Decomposes the first of the operands.
pub fn compute(what: Factorization, operands: &[Tensor], rank: Option<usize>, full: bool) -> Result<FactorOutput> {
    let a = &operands[0];
    let k = a.dim(-1).min(a.dim(-2));
    let (mut spectrum, mut remark, mut what_values) = (None, None, "singular values");
    let results = match (what, rank) {
        (Factorization::Svd, Some(rank)) if few(rank, k) => {
            let SvdLowrank { u, s, vt, .. } = svd_lowrank(a, rank, &thorough(rank))?;
            let rest = a.sub(&u.mul(&s.unsqueeze(-2)?)?.matmul(&vt)?)?;
            remark = Some(missed(rank, length(&rest)?, length(a)?));
            spectrum = Some(BatchSpectrum::from_largest(a, &s, a)?);
            vec![u, s, vt]
        }
        (Factorization::Svd, _) => {
            let Svd { u, s, vt } = svd(a, &SvdOptions { full })?;
            spectrum = Some(BatchSpectrum::from_values(a, &s)?);
            match rank {
                None => vec![u, s, vt],
                Some(rank) => {
                    let kept = rank.min(k);
                    remark = Some(missed(kept, length(&s.slice(-1, kept..)?)?, length(&s)?));
                    vec![u.slice(-1, ..kept)?, s.slice(-1, ..kept)?, vt.slice(-2, ..kept)?]
                }
            }
        }
        (Factorization::Qr, _) => {
            let Qr { q, r } = qr(a, &QrOptions { full, non_negative: true })?;
            vec![q, r]
        }
        (Factorization::Cholesky, _) => vec![cholesky(a)?],
        (Factorization::Eigh, _) => {
            let Eigh { values, vectors } = eigh(a)?;
            what_values = "sizes of the eigenvalues";
            spectrum = Some(BatchSpectrum::from_values(a, &sorted(&values)?)?);
            vec![values, vectors]
        }
        (Factorization::Lu, _) => {
            let Lu { l, u, order } = lu(a)?;
            vec![l, u, order]
        }
        (Factorization::Pinv, _) => vec![pinv(a, None)?],
        (Factorization::Lstsq, _) => {
            let b = &operands[1];
            let x = lstsq(a, b)?;
            let fitted = if b.rank() == 1 { a.matmul(&x.unsqueeze(-1)?)?.squeeze(-1)? } else { a.matmul(&x)? };
            let (rest, whole) = (length(&b.sub(&fitted)?)?, length(b)?);
            remark = Some(format!("‖A X − B‖ = {}, of ‖B‖ = {}", number(rest), number(whole)));
            vec![x]
        }
        (Factorization::Pca, _) => {
            let randomized = rank.filter(|&rank| few(rank, k)).map(|rank| PcaSolver::Randomized(thorough(rank)));
            let solver = randomized.unwrap_or_default();
            let pca = Pca::fit(a, &PcaOptions { components: rank, solver, ..PcaOptions::default() })?;
            let centred = a.sub(pca.mean())?;
            what_values = "singular values of the centred data";
            spectrum = Some(match (rank, solver) {
                (None, _) => BatchSpectrum::from_values(a, pca.singular_values())?,
                (_, PcaSolver::Exact) => BatchSpectrum::from_values(a, &svdvals(&centred)?)?,
                (_, PcaSolver::Randomized(_)) => BatchSpectrum::from_largest(a, pca.singular_values(), &centred)?,
            });
            let kept: f64 = pca.explained_variance_ratio()?.to_f64_vec()?.iter().sum();
            remark = Some(format!("{} components explain {:.2} % of the variance", pca.components().dim(0), 100.0 * kept));
            vec![pca.mean().clone(), pca.components().clone(), pca.transform(a)?, pca.explained_variance()?]
        }
    };
    let spectrum = match spectrum {
        Some(spectrum) => spectrum,
        None => BatchSpectrum::from_values(a, &svdvals(a)?)?,
    };
    Ok(FactorOutput { results, names: what.names(), spectrum, what_values, remark })
}

/// What a rank leaves out.
fn missed(rank: usize, rest: f64, whole: f64) -> String {
    let share = if whole == 0.0 { 0.0 } else { rest / whole };
    format!("rank {rank}: ‖A − U S Vᵀ‖ is {} of ‖A‖", number(share))
}

/// The root of the sum of squares, which do not overflow.
fn length(x: &Tensor) -> Result<f64> {
    Ok(super::spectrum::length(&x.to_f64_vec()?))
}

/// |λ| in decreasing order.
fn sorted(values: &Tensor) -> Result<Tensor> {
    let n = values.dim(-1);
    let mut sizes: Vec<f64> = values.to_f64_vec()?.iter().map(|x| x.abs()).collect();
    sizes.chunks_mut(n.max(1)).for_each(|part| part.sort_by(|a, b| b.total_cmp(a)));
    Tensor::from_vec(sizes, values.shape())?.to_dtype(values.dtype())
}
