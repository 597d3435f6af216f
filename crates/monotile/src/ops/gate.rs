//! Gated activations: y = silu(a) ∘ b, fused.

use super::map::named;
use crate::error::{Error, Result};
use crate::ops::{Formula, Number};
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
#[doc(alias = "SwiGLU")]
#[track_caller]
pub fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    if gate.shape() != up.shape() {
        return Err(Error::shape(format!(
            "swiglu: a gate of shape {:?} for shape {:?}; they must be equal",
            gate.shape(),
            up.shape()
        )));
    }
    named("swiglu", [gate, up], Swiglu)
}

#[derive(Clone, Copy)]
struct Swiglu;

impl Formula<2> for Swiglu {
    const RANGE_CHECKED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, [gate, up]: [T; 2]) -> T {
        gate.silu() * up
    }
}

#[cfg(test)]
pub(crate) fn formulas() -> Vec<crate::ops::elementwise::formulas::RecordedFormula> {
    vec![("swiglu".into(), monotile_kernels::number::record(|x| Swiglu.apply(x)))]
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

#[cfg(test)]
crate::testing::spec_tests!(specs: swiglu);
