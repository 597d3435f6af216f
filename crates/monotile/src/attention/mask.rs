//! What a query may look at, and the operands checked against it.

use crate::check;
use crate::error::{Error, Result};
use crate::ops::elementwise::broadcast_to;
use crate::tensor::{DType, Tensor};

/// The options of [`scaled_dot_product_attention`](super::scaled_dot_product_attention).
///
/// # Example
/// ```
/// use monotile::attention::AttentionOptions;
/// let options = AttentionOptions { causal: true, ..Default::default() };
/// assert!(options.mask.is_none() && options.scale.is_none());
/// ```
#[derive(Clone, Copy, Default)]
pub struct AttentionOptions<'a> {
    /// Of booleans, true where a query may look; or of floating-point numbers that are added to the scores, -∞ hiding a
    /// key. Any shape that broadcasts to `(b, h, t, s)`.
    pub mask: Option<&'a Tensor>,
    /// Whether query i of t sees only the keys up to i + s − t of s, so that the last query sees the last key.
    pub causal: bool,
    /// What scores are multiplied by; 1/√d unless given.
    pub scale: Option<f64>,
}

/// The operands of attention, cast to one type, and sizes that fit each other.
pub(super) struct AttentionOperands {
    pub q: Tensor,
    pub k: Tensor,
    pub v: Tensor,
    /// Broadcast to (b, h, t, s): boolean, or of the type of the others.
    pub mask: Option<Tensor>,
    pub scale: f64,
    pub causal: bool,
}

impl AttentionOperands {
    /// Refuses operands that do not fit, in the name of `op`.
    #[track_caller]
    pub fn new(op: &str, [q, k, v]: [&Tensor; 3], options: &AttentionOptions<'_>) -> Result<Self> {
        for (name, x) in [("queries", q), ("keys", k), ("values", v)] {
            if x.rank() != 4 {
                return Err(Error::shape(format!("{op}: {name} must be (batch, heads, time, dim), got shape {:?}", x.shape())));
            }
        }
        let (qs, ks, vs) = (q.shape(), k.shape(), v.shape());
        if ks[..3] != vs[..3] {
            return Err(Error::shape(format!(
                "{op}: keys of shape {ks:?} and values of shape {vs:?} differ in batch, heads or time"
            )));
        }
        if qs[0] != ks[0] || qs[3] != ks[3] {
            let what = if qs[0] != ks[0] { "batch" } else { "dim" };
            return Err(Error::shape(format!("{op}: queries of shape {qs:?} and keys of shape {ks:?} differ in {what}")));
        }
        if ks[1] == 0 && qs[1] > 0 || ks[1] > 0 && !qs[1].is_multiple_of(ks[1]) {
            return Err(Error::shape(format!(
                "{op}: {} query heads cannot share {} key heads; the first must be a multiple of the second",
                qs[1], ks[1]
            )));
        }
        let dtype = match check::common_float(op, q, k)? {
            DType::F32 => check::common_float(op, q, v)?,
            wide => {
                check::common_float(op, q, v)?;
                wide
            }
        };
        let mask = options.mask.map(|mask| broadcast_mask(op, mask, &[qs[0], qs[1], qs[2], ks[2]], dtype)).transpose()?;
        Ok(Self {
            q: q.to_dtype(dtype)?,
            k: k.to_dtype(dtype)?,
            v: v.to_dtype(dtype)?,
            mask,
            scale: options.scale.unwrap_or(1.0 / (qs[3].max(1) as f64).sqrt()),
            causal: options.causal,
        })
    }

    /// The mask, where numbers are added.
    pub fn additive(&self) -> Option<&Tensor> {
        self.mask.as_ref().filter(|mask| mask.dtype() != DType::Bool)
    }

    /// The mask, where it allows and forbids.
    pub fn boolean(&self) -> Option<&Tensor> {
        self.mask.as_ref().filter(|mask| mask.dtype() == DType::Bool)
    }
}

#[track_caller]
fn broadcast_mask(op: &str, mask: &Tensor, scores: &[usize; 4], dtype: DType) -> Result<Tensor> {
    let shape = check::shape(op, scores)?;
    if check::broadcast(op, mask.shape(), scores).ok().as_ref() != Some(&shape) {
        let got = mask.shape();
        return Err(Error::shape(format!(
            "{op}: a mask of shape {got:?} does not broadcast to (batch, heads, queries, keys) = {scores:?}"
        )));
    }
    match mask.dtype() {
        DType::Bool => Ok(broadcast_to(mask, &shape)),
        float if float.is_float() => mask.to_dtype(dtype)?.expand(scores),
        other => Err(Error::dtype(format!("{op}: a mask is of booleans or floating-point numbers, got {other}"))),
    }
}
