//! Whether a merged checkpoint is what its base model and an adapter make.

use monotile::{DType, Result, Tensor};

use crate::finite::not_finite;
use crate::merge::count;
use crate::weighted::{RowBlock, WeightedAdapters, blocks, with_rows};
use crate::weights::Weights;

/// What a tensor of a merged checkpoint turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// To the last bit what the adapter makes of it; of a tensor that it does not touch, what it was.
    Exact,
    /// Within rounding: so many elements differ by no more than a second rounding and another order of summing explain.
    Rounded(u64),
    /// What it was before, although the adapter changes it.
    Nothing,
    /// Something else: so many times ΔW was added, and so much, as a share of ‖ΔW‖, is not explained by that.
    Other {
        /// ⟨W' − W, ΔW⟩ / ‖ΔW‖²
        times: f64,
        /// ‖W' − W − times · ΔW‖ / ‖ΔW‖
        rest: f64,
    },
    /// Another tensor than before, although no adapter touches it; or not the one that the adapter holds whole.
    Changed,
    /// It holds NaN or ∞.
    NotFinite,
    /// Of another shape.
    Shape(Vec<usize>),
    /// Not there.
    Missing,
    /// Not in the model.
    Extra,
}

impl Verdict {
    /// Whether this is as it should be.
    pub fn holds(&self) -> bool {
        matches!(self, Self::Exact | Self::Rounded(_))
    }
}

/// The progress of [`verify`]: a tensor, compared.
#[derive(Debug, Clone, PartialEq)]
pub struct VerifiedTensor {
    /// Its name.
    pub tensor: String,
    /// Whether an adapter changes or replaces it.
    pub touched: bool,
    /// ‖ΔW‖, where there is a change.
    pub norm: Option<f64>,
    /// How many times ΔW was added, ⟨W' − W, ΔW⟩ / ‖ΔW‖²; rounding to bf16 brings it below 1 where ΔW is small beside W.
    pub times: Option<f64>,
    /// What it is.
    pub verdict: Verdict,
}

/// Compares a merged checkpoint, tensor by tensor, with what the base model and the adapters make.
///
/// An element W' of a touched tensor is within rounding of W + ΔW if |W' − (W + ΔW)| ≤ u (|W + ΔW| + |ΔW|) + (r + 2) 2⁻²⁴ ‖bᵢ‖ ‖aⱼ‖, with u
/// the unit roundoff of what the merged file stores: one rounding of the sum, one of ΔW beforehand, and a sum of r products in f32 in any
/// order. As that may be more than a small ΔW itself, ΔW must also be there on the whole, within 0.05 as many times as the exact rule
/// adds it.
///
/// # Errors
/// `Unsupported` for a touched tensor of an element type that is not read.
///
/// # Cost
/// Both checkpoints are read once, in blocks of 2 Mi elements.
pub fn verify(
    base: &Weights,
    combined: &WeightedAdapters,
    merged: &Weights,
    progress: &mut dyn FnMut(VerifiedTensor),
) -> Result<()> {
    let parted = combined.untied_head().map(|(head, _)| head);
    let extra = merged.names().filter(|&name| !base.contains(name) && Some(name) != parted);
    for name in base.names().chain(parted).chain(extra) {
        let touched = combined.touches(name);
        let origin = combined.origin(name);
        let told = |verdict| VerifiedTensor { tensor: name.to_string(), touched, norm: None, times: None, verdict };
        let found = match (base.shape(origin), merged.shape(name)) {
            (None, _) => told(Verdict::Extra),
            (_, None) => told(Verdict::Missing),
            (Some(before), Some(after)) if before != after => told(Verdict::Shape(after.to_vec())),
            _ if !touched && bytes(base, origin) == bytes(merged, name) => told(Verdict::Exact),
            // Bytes of types that are not read can only be compared.
            _ if base.dtype(origin).is_none() || merged.dtype(name).is_none() => told(Verdict::Changed),
            _ => tensor(name, base, combined, merged)?,
        };
        base.release(origin);
        merged.release(name);
        progress(found);
    }
    Ok(())
}

/// The element type and the bytes of a tensor.
fn bytes<'a>(weights: &'a Weights, name: &str) -> Option<(&'a str, &'a [u8])> {
    let (file, name) = (weights.file(name)?, weights.stored_name(name)?);
    file.stored(name).zip(file.bytes(name))
}

/// What was counted and summed over the blocks of a tensor.
#[derive(Default)]
struct Sums {
    /// Elements that are not what the rule gives, and those beyond rounding of it.
    different: u64,
    beyond: u64,
    /// Whether any element is not finite.
    odd: bool,
    /// Elements that are not what they were, and those that should not be.
    moved: u64,
    expected: u64,
    /// ⟨W' − W, ΔW⟩, the same of the rule's W', ‖ΔW‖² and ‖W' − W‖².
    along: f64,
    rule: f64,
    change: f64,
    whole: f64,
}

fn tensor(name: &str, base: &Weights, combined: &WeightedAdapters, merged: &Weights) -> Result<VerifiedTensor> {
    let origin = combined.origin(name);
    let (before, after) = (with_rows(&base.tensor_of_any_shape(origin)?)?, with_rows(&merged.tensor_of_any_shape(name)?)?);
    let mut sums = Sums::default();
    for range in blocks(base.shape(origin).unwrap_or_default()) {
        let rows = combined.rows(name, &before, range.clone(), after.dtype())?;
        let found = after.slice(0, range.clone())?;
        sums.odd |= not_finite(&found)?.is_some();
        let different = count(&found.ne(&rows.after)?)?;
        sums.different += different;
        let was = rows.before.to_dtype(after.dtype())?;
        sums.moved += count(&found.ne(&was)?)?;
        sums.expected += count(&rows.after.ne(&was)?)?;
        if let Some(change) = &rows.change {
            sums.add(change, &rows, &found, different > 0)?;
            if different == 0 {
                continue;
            }
            let tolerance = combined.tolerance(name, range, &rows, after.dtype())?;
            let exact = rows.before.to_dtype(DType::F64)?.add(&change.to_dtype(DType::F64)?)?;
            sums.beyond += count(&found.to_dtype(DType::F64)?.sub(&exact)?.abs()?.le(&tolerance)?.not()?)?;
        }
    }
    let changes = sums.change > 0.0;
    let touched = combined.touches(name);
    let norm = combined.norm(name)?;
    Ok(VerifiedTensor {
        tensor: name.to_string(),
        touched,
        norm,
        times: (norm.is_some() && changes).then(|| sums.along / sums.change),
        verdict: sums.verdict(norm.is_some()),
    })
}

impl Sums {
    /// Adds the sums over some rows; `different`, whether any element of them is not what the rule gives.
    fn add(&mut self, change: &Tensor, rows: &RowBlock, found: &Tensor, different: bool) -> Result<()> {
        let wide = |t: &Tensor| t.to_dtype(DType::F64);
        let (change, before) = (wide(change)?, wide(&rows.before)?);
        let moved = wide(found)?.sub(&before)?;
        let total = |t: Tensor| t.sum(&[], false)?.item::<f64>();
        let along = total(moved.mul(&change)?)?;
        self.along += along;
        self.rule += if different { total(wide(&rows.after)?.sub(&before)?.mul(&change)?)? } else { along };
        self.change += total(change.square()?)?;
        self.whole += total(moved.square()?)?;
        Ok(())
    }

    fn verdict(&self, changes: bool) -> Verdict {
        if self.odd {
            return Verdict::NotFinite;
        }
        if self.different == 0 {
            return Verdict::Exact;
        }
        if self.moved == 0 && self.expected > 0 {
            return Verdict::Nothing;
        }
        if !changes {
            return Verdict::Changed;
        }
        let times = self.along / self.change;
        if self.beyond == 0 && (self.change == 0.0 || (self.along - self.rule).abs() <= 0.05 * self.change) {
            return Verdict::Rounded(self.different);
        }
        let rest = (self.whole - times * self.along).max(0.0) / self.change;
        Verdict::Other { times, rest: rest.sqrt() }
    }
}

/// Half the distance from 1 to the next number.
fn unit_roundoff(dtype: DType) -> f64 {
    match dtype {
        DType::BF16 => 2f64.powi(-8),
        DType::F16 => 2f64.powi(-11),
        DType::F64 => 2f64.powi(-53),
        _ => 2f64.powi(-24),
    }
}

impl WeightedAdapters {
    /// How far an element may be from W + ΔW.
    fn tolerance(&self, name: &str, range: std::ops::Range<usize>, rows: &RowBlock, dtype: DType) -> Result<Tensor> {
        let u = unit_roundoff(dtype);
        let wide = |t: &Tensor| t.to_dtype(DType::F64);
        let Some((factors, change)) = self.factors(name).zip(rows.change.as_ref()) else {
            return Tensor::zeros(rows.before.shape(), DType::F64);
        };
        let change = wide(change)?;
        let sum = wide(&rows.before)?.add(&change)?.abs()?;
        let b = wide(&factors.b.slice(0, range)?)?.square()?.sum(&[1], true)?.sqrt()?;
        let a = wide(&factors.a)?.square()?.sum(&[0], true)?.sqrt()?;
        let order = b.mul(&a)?.mul_scalar((factors.rank() + 2) as f64 * 2f64.powi(-24) * factors.scaling.abs())?;
        // Below its smallest normal number f16 is as far apart as there.
        let least = if dtype == DType::F16 { 2f64.powi(-25) } else { 0.0 };
        sum.add(&change.abs()?)?.mul_scalar(u)?.add(&order)?.add_scalar(least)
    }
}

#[cfg(test)]
mod tests;
