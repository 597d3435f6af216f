//! Where training starts: A and B that change nothing yet.

use monotile::linalg::{QrOptions, SvdLowrankOptions, SvdOptions, orthogonal, qr, svd, svd_lowrank};
use monotile::{DType, Error, Result, Rng, Tensor};
use monotile_adapters::{LoraConfig, LowRankFactors, not_finite};
use serde_json::{Value, json};

use super::adapted_layers::AdaptedLayer;

/// What A and B are before the first step; with all of them the model computes what it computes without the adapter.
///
/// Two of them begin with a part of the weight itself, W ≈ W₀ + s · B A, so that training moves its strongest directions. Frozen
/// weights stay as they are here, so that part is subtracted beside them: ΔW = s · (B A − B₀ A₀).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LoraInit {
    /// A ~ N(0, 1/rank²), B = 0.
    #[default]
    Gaussian,
    /// A uniform within ±1/√columns, B = 0: PEFT's default.
    KaimingUniform,
    /// A = √(S/s) Vᵀ and B = U √(S/s) of the largest singular values of W = U S Vᵀ (Meng, Wang and Zhang 2024, PiSSA).
    Pissa {
        /// Whether all singular values are computed, or the largest alone, by products with random directions.
        exact: bool,
    },
    /// B = Q and A = R, the first columns and rows of W = Q R (Büyükakyüz 2024, OLoRA).
    Olora,
    /// A and B of normal numbers through the even and the odd rows of one orthogonal matrix, a hundredth in size, so that B A = 0
    /// while neither is; the rank is even.
    Orthogonal,
}

/// Products with W Wᵀ that make random directions good ones where singular values fall slowly, as those of weights do.
const POWER_ITERATIONS: usize = 4;

impl LoraInit {
    /// Whether A and B are made out of the weight, and what they start from is subtracted.
    pub fn needs_base_weight(self) -> bool {
        matches!(self, LoraInit::Pissa { .. } | LoraInit::Olora)
    }

    /// The value of `init_lora_weights`.
    pub(crate) fn json(self) -> Value {
        match self {
            LoraInit::Gaussian => json!("gaussian"),
            LoraInit::KaimingUniform => json!(true),
            LoraInit::Pissa { .. } => json!("pissa"),
            LoraInit::Olora => json!("olora"),
            LoraInit::Orthogonal => json!("orthogonal"),
        }
    }

    /// The factors that a layer's training starts with.
    pub(crate) fn factors(self, adapted: AdaptedLayer, weight: &Tensor, rng: &mut Rng) -> Result<LowRankFactors> {
        let AdaptedLayer { layer, rank, scaling } = adapted;
        let [rows, columns] = [weight.dim(0), weight.dim(1)];
        if self.needs_base_weight()
            && let Some(odd) = not_finite(weight)?
        {
            return Err(Error::value(format!("lora: the weight of {layer} holds {odd}; choose a start that needs no weights")));
        }
        let zeros = || Tensor::zeros(&[rows, rank], DType::F32)?.contiguous();
        let (a, b) = match self {
            LoraInit::Gaussian => (rng.normal(&[rank, columns], DType::F32)?.mul_scalar(1.0 / rank as f64)?, zeros()?),
            LoraInit::KaimingUniform => {
                let bound = 1.0 / (columns as f64).sqrt();
                (rng.uniform(&[rank, columns], -bound, bound, DType::F32)?, zeros()?)
            }
            LoraInit::Orthogonal if !rank.is_multiple_of(2) => {
                return Err(Error::value(format!("lora: an orthogonal start needs an even rank, got {rank} for {layer}")));
            }
            LoraInit::Orthogonal => orthogonal_pair([rows, columns], rank, rng)?,
            LoraInit::Pissa { exact } => principal(weight, &adapted, exact, rng)?,
            LoraInit::Olora => {
                let weight = weight.to_dtype(DType::F32)?;
                // The first columns of Q come from the first columns of W alone, and R = Qᵀ W.
                let q = qr(&weight.slice(1, ..rank)?, &QrOptions::default())?.q;
                (q.mt().matmul(&weight)?, q)
            }
        };
        Ok(LowRankFactors::new(a.contiguous()?, b.contiguous()?, scaling))
    }
}

/// Settings of the same ΔW with twice the rank.
pub(crate) fn with_doubled_rank(config: &LoraConfig) -> LoraConfig {
    // alpha / rank and alpha / √rank stay as they are.
    let factor = if config.use_rslora { std::f64::consts::SQRT_2 } else { 2.0 };
    LoraConfig {
        rank: 2 * config.rank,
        alpha: factor * config.alpha,
        rank_pattern: config.rank_pattern.iter().map(|(key, rank)| (key.clone(), 2 * rank)).collect(),
        alpha_pattern: config.alpha_pattern.iter().map(|(key, alpha)| (key.clone(), factor * alpha)).collect(),
        ..config.clone()
    }
}

/// √(S/s) Vᵀ and U √(S/s) of the `rank` largest singular values.
fn principal(weight: &Tensor, site: &AdaptedLayer, exact: bool, rng: &mut Rng) -> Result<(Tensor, Tensor)> {
    let rank = site.rank;
    let (u, s, vt) = if exact {
        // Values that lie close together turn rounding into other vectors; f64 leaves nothing of that in f32.
        let all = svd(&weight.to_dtype(DType::F64)?, &SvdOptions::default())?;
        (all.u.slice(1, ..rank)?, all.s.slice(0, ..rank)?, all.vt.slice(0, ..rank)?)
    } else {
        let seed = rng.below(usize::MAX) as u64;
        let options =
            SvdLowrankOptions { oversampling: rank.max(8), power_iterations: POWER_ITERATIONS, seed, ..Default::default() };
        let found = svd_lowrank(&weight.to_dtype(DType::F32)?, rank, &options)?;
        (found.u, found.s, found.vt)
    };
    let root = s.mul_scalar(1.0 / site.scaling)?.sqrt()?;
    let single = |t: Tensor| t.to_dtype(DType::F32);
    Ok((single(vt.mul(&root.unsqueeze(1)?)?)?, single(u.mul(&root)?)?))
}

/// A = (X Q₁)ᵀ / 10 and B = Y Q₂ / 10, where X and Y are normal numbers and Q₁ and Q₂ the even and odd rows of an orthogonal matrix,
/// so that B A = Y Q₂ Q₁ᵀ Xᵀ / 100 = 0.
fn orthogonal_pair([rows, columns]: [usize; 2], rank: usize, rng: &mut Rng) -> Result<(Tensor, Tensor)> {
    let q = orthogonal(&[rank, rank], rng, DType::F32)?;
    let half = |from: usize, count: usize, rng: &mut Rng| {
        rng.normal(&[count, rank / 2], DType::F32)?.matmul(&q.slice_step(0, from.., 2)?)?.mul_scalar(0.1)
    };
    Ok((half(0, columns, rng)?.mt().contiguous()?, half(1, rows, rng)?))
}

#[cfg(test)]
mod tests;
