//! An adapter's part in one linear layer, as it is trained.

use monotile::ops::dropout;
use monotile::{Result, Rng, Tensor};
use monotile_adapters::LowRankFactors;

/// ΔW = scaling · (B A − B₀ A₀) of one layer.
#[derive(Clone)]
pub(crate) struct LoraLayer {
    /// A and B, which are trained.
    pub factors: LowRankFactors,
    /// The share of inputs that training sets to zero.
    pub dropout: f64,
    /// A₀ and B₀ that training started from, where they are part of the weight: they are subtracted, and not trained.
    pub initial: Option<LowRankFactors>,
}

impl LoraLayer {
    /// scaling · (dropout(x) Aᵀ) Bᵀ − scaling · (x A₀ᵀ) B₀ᵀ
    pub fn apply(&self, x: &Tensor, rng: &mut Option<Rng>) -> Result<Tensor> {
        let change = match rng {
            Some(rng) if self.dropout > 0.0 => apply(&self.factors, &dropout(x, self.dropout, rng)?)?,
            _ => apply(&self.factors, x)?,
        };
        // Computed in the same way, so that both cancel exactly before the first step.
        match &self.initial {
            Some(initial) => change.sub(&apply(initial, x)?),
            None => Ok(change),
        }
    }

    /// W + ΔW, in f32.
    pub fn merge_into(&self, weight: &Tensor) -> Result<Tensor> {
        let weight = self.factors.merge_into(weight)?;
        match &self.initial {
            Some(initial) => LowRankFactors { scaling: -initial.scaling, ..initial.clone() }.merge_into(&weight),
            None => Ok(weight),
        }
    }

    /// The factors of ΔW, off the tape: s (B A − B₀ A₀) = s \[B, −B₀\] \[A; A₀\].
    pub fn detached(&self) -> Result<LowRankFactors> {
        let (a, b) = (self.factors.a.detach(), self.factors.b.detach());
        let Some(initial) = &self.initial else { return Ok(LowRankFactors { a, b, ..self.factors }) };
        debug_assert!(self.factors.scaling == initial.scaling);
        let all_a = Tensor::cat(&[&a, &initial.a.to_dtype(a.dtype())?], 0)?;
        let all_b = Tensor::cat(&[&b, &initial.b.to_dtype(b.dtype())?.neg()?], 1)?;
        Ok(LowRankFactors { a: all_a, b: all_b, ..self.factors })
    }
}

/// scaling · (x Aᵀ) Bᵀ
fn apply(factors: &LowRankFactors, x: &Tensor) -> Result<Tensor> {
    // The scaling is applied where there is least to multiply.
    x.matmul(&factors.a.mt())?.mul_scalar(factors.scaling)?.matmul(&factors.b.mt())
}
