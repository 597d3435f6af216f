//! Operations that one kernel does, and that could be composed: their gradients are those of the composition.

use super::parts::shape;
use crate::error::Result;
use crate::ops::view::IdentityGradient;
use crate::tape::{BackwardMode, Gradient, Saved, vjp};
use crate::tensor::Tensor;

/// The rule of such an operation.
pub(super) struct ComposedGradient<const N: usize> {
    pub name: &'static str,
    /// The same of differentiable operations.
    pub composed: fn([&Tensor; N]) -> Result<Tensor>,
}

impl<const N: usize> Gradient for ComposedGradient<N> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None; N]) };
        // Each operand becomes a tensor of its own, since one tensor may be several of them.
        let operands: [Tensor; N] = std::array::from_fn(|i| {
            let x = saved.argument(i);
            match (saved.needs(i), x.is_recorded()) {
                (false, _) => x,
                (true, true) => Tensor::record(x.detach(), &[&x], IdentityGradient),
                (true, false) => x.requires_grad(),
            }
        });
        let y = (self.composed)(operands.each_ref())?;
        let targets: Vec<&Tensor> = operands.iter().enumerate().filter(|&(i, _)| saved.needs(i)).map(|(_, x)| x).collect();
        let walk = if saved.is_recorded() { BackwardMode::Recorded } else { BackwardMode::Plain };
        let mut found = vjp(&[(&y, g)], &targets, walk)?.into_iter();
        Ok((0..N).map(|i| if saved.needs(i) { found.next().flatten() } else { None }).collect())
    }
}

/// Rows `(…, width)` for a kernel: one for all, or brought to these leading dimensions, one after another.
#[track_caller]
pub(super) fn broadcast_rows(op: &str, rows: &Tensor, leading: &[usize]) -> Result<Tensor> {
    let width = rows.dim(-1);
    if rows.len() == width {
        rows.contiguous_detached(op)
    } else {
        rows.detach().expand(&shape(leading, &[width]))?.contiguous_detached(op)
    }
}
