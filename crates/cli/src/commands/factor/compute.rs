//! The decompositions of the command, each with its results by name.

use std::fmt;

use clap::ValueEnum;
use monotile::linalg::{Eigh, Lu, Qr, QrOptions, Svd, SvdOptions, cholesky, eigh, lstsq, lu, pinv, qr, svd};
use monotile::stats::{Pca, PcaOptions};
use monotile::{Error, Result, Tensor};

/// What to do with a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum What {
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

impl What {
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

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().expect("no variant is hidden").get_name())
    }
}

/// What was found.
pub struct Found {
    results: Vec<Tensor>,
    names: &'static [&'static str],
    /// Values that are there already, of which the report speaks; else the singular values of the matrix.
    pub spectrum: Option<Tensor>,
    /// What the values are.
    pub what_values: &'static str,
    /// A sentence of its own.
    pub remark: Option<String>,
}

impl Found {
    /// The results with their names.
    pub fn named(&self) -> Vec<(&'static str, &Tensor)> {
        self.names.iter().copied().zip(&self.results).collect()
    }
}

/// Decomposes the first of the operands.
pub fn compute(what: What, operands: &[Tensor], rank: Option<usize>, full: bool) -> Result<Found> {
    let a = &operands[0];
    let (mut spectrum, mut remark, mut what_values) = (None, None, "singular values");
    let results = match what {
        What::Svd => {
            let Svd { u, s, vt } = svd(a, &SvdOptions { full })?;
            spectrum = Some(s.clone());
            match rank {
                None => vec![u, s, vt],
                Some(rank) => {
                    let kept = rank.min(s.dim(-1));
                    remark = Some(missed(&s, kept)?);
                    vec![u.slice(-1, ..kept)?, s.slice(-1, ..kept)?, vt.slice(-2, ..kept)?]
                }
            }
        }
        What::Qr => {
            let Qr { q, r } = qr(a, &QrOptions { full, non_negative: true })?;
            vec![q, r]
        }
        What::Cholesky => vec![cholesky(a)?],
        What::Eigh => {
            let Eigh { values, vectors } = eigh(a)?;
            what_values = "sizes of the eigenvalues";
            spectrum = Some(sorted(&values)?);
            vec![values, vectors]
        }
        What::Lu => {
            let Lu { l, u, order } = lu(a)?;
            vec![l, u, order]
        }
        What::Pinv => vec![pinv(a, None)?],
        What::Lstsq => {
            let b = &operands[1];
            let x = lstsq(a, b)?;
            let fitted = if b.rank() == 1 { a.matmul(&x.unsqueeze(-1)?)?.squeeze(-1)? } else { a.matmul(&x)? };
            let length = |x: &Tensor| Ok::<f64, Error>(x.square()?.sum(&[])?.to_f64_vec()[0].sqrt());
            let (rest, whole) = (length(&b.sub(&fitted)?)?, length(b)?);
            remark = Some(format!("‖A X − B‖ = {rest:.4e}, of ‖B‖ = {whole:.4e}"));
            vec![x]
        }
        What::Pca => {
            let pca = Pca::fit(a, &PcaOptions { components: rank, ..PcaOptions::default() })?;
            what_values = "singular values of the centred data";
            spectrum = Some(monotile::linalg::singular_values(&a.sub(pca.mean())?)?);
            let kept: f64 = pca.explained_variance_ratio()?.to_f64_vec().iter().sum();
            remark = Some(format!("{} components explain {:.2} % of the variance", pca.components().dim(0), 100.0 * kept));
            vec![pca.mean().clone(), pca.components().clone(), pca.transform(a)?, pca.explained_variance()?]
        }
    };
    Ok(Found { results, names: what.names(), spectrum, what_values, remark })
}

/// How far the first `kept` values are from all of them, in Frobenius' norm over the batch.
fn missed(s: &Tensor, kept: usize) -> Result<String> {
    let squares = |s: &Tensor| Ok::<f64, Error>(s.square()?.sum(&[])?.to_f64_vec()[0]);
    let (rest, whole) = (squares(&s.slice(-1, kept..)?)?, squares(s)?);
    Ok(format!("rank {kept}: ‖A − U S Vᵀ‖ is {:.4e} of ‖A‖", (rest / whole).sqrt()))
}

/// |λ| in decreasing order.
fn sorted(values: &Tensor) -> Result<Tensor> {
    let n = values.dim(-1);
    let mut sizes: Vec<f64> = values.to_f64_vec().iter().map(|x| x.abs()).collect();
    sizes.chunks_mut(n.max(1)).for_each(|part| part.sort_by(|a, b| b.total_cmp(a)));
    Tensor::from_vec(sizes, values.shape())?.to_dtype(values.dtype())
}
