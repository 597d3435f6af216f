//! Gated activations: y = silu(a) ∘ b, fused.

use crate::check;
use crate::door;
use crate::error::{Error, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// What a gate lets through: silu(gate) · up, elementwise, with silu(a) = a / (1 + e⁻ᵃ).
///
/// Shapes: both operands have that of the result. bf16 and f16 count as f32.
///
/// # Gradient
/// Of both operands, in one pass over them.
///
/// # Errors
/// If the shapes differ, or a dtype is no floating-point one.
///
/// # Source
/// Shazeer (2020), arXiv 2002.05202.
///
/// # Example
/// ```
/// use monotile::{Tensor, ops::swiglu};
/// let (gate, up) = (Tensor::from_slice(&[0.0_f64, 1e3, -1e3], &[3])?, Tensor::full(&[3], 2.0_f64)?);
/// assert_eq!(swiglu(&gate, &up)?.to_vec::<f64>()?, [0.0, 2e3, 0.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
pub fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    if gate.shape() != up.shape() {
        return Err(Error::shape(format!(
            "swiglu: a gate of shape {:?} for shape {:?}; they must be equal",
            gate.shape(),
            up.shape()
        )));
    }
    let dtype = check::common_float("swiglu", gate, up)?;
    let (a, b) = (gate.to_dtype(dtype)?.contiguous()?, up.to_dtype(dtype)?.contiguous()?);
    Ok(Tensor::record(door::rows::swiglu("swiglu", &a, &b)?, &[&a, &b], Swiglu))
}

struct Swiglu;

impl Gradient for Swiglu {
    fn name(&self) -> &'static str {
        "swiglu"
    }
    // With σ = 1 / (1 + e⁻ᵃ):  ā = ȳ b σ (1 + a (1 − σ)),  b̄ = ȳ a σ.
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None, None]) };
        let (a, b) = (saved.input(0), saved.input(1));
        if !saved.is_recorded() {
            let g = g.to_dtype(a.dtype())?.dense()?;
            let [da, db] = door::rows::swiglu_backward("swiglu", &a, &b, &g)?;
            return Ok(vec![saved.needs(0).then_some(da), saved.needs(1).then_some(db)]);
        }
        let sigma = a.ones_like().div(&a.neg()?.exp()?.add_scalar(1.0)?)?;
        let silu = a.mul(&sigma)?;
        // 1 + a (1 − σ) = 1 + a − silu
        let da = || g.mul(&b)?.mul(&sigma)?.mul(&a.sub(&silu)?.add_scalar(1.0)?);
        let db = || g.mul(&silu);
        Ok(vec![saved.needs(0).then(da).transpose()?, saved.needs(1).then(db).transpose()?])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    vec![
        Spec::new("swiglu", |x| Ok(vec![swiglu(&x[0], &x[1])?]))
            .sample("matrices", vec![normal(&[3, 5]), normal(&[3, 5]).flip(-1).expect("a matrix has a last axis")])
            .sample("empty", vec![normal(&[0, 2]), normal(&[0, 2])])
            .reference(|x| vec![x[0].iter().zip(&x[1]).map(|(a, b)| a / (1.0 + (-a).exp()) * b).collect()])
            .orders(2)
            .refuses(vec![normal(&[2, 3]), normal(&[3])], "swiglu: a gate of shape [2, 3] for shape [3]; they must be equal"),
    ]
}
