//! What an optimizer writes: each slot becomes its result.

use monotile_kernels::number::{Expr, Formulas, record};

use super::GpuDoor;
use crate::error::Result;
use crate::tensor::{DType, Tensor};

impl GpuDoor {
    /// slots ← f(slots, x). Numbers in the formula, which change from step to step, are parameters of the kernel.
    #[track_caller]
    pub fn advance<const M: usize, const K: usize, const N: usize, F>(
        &self,
        slots: [&mut Tensor; M],
        x: [&Tensor; K],
        f: F,
    ) -> Result<()>
    where
        F: Formulas<N, M>,
    {
        let (graph, numbers) = record(|x: [Expr; N]| f.apply(x)).with_constants_apart();
        let mut operands = Vec::with_capacity(N);
        for x in slots.iter().map(|slot| &**slot).chain(x) {
            operands.push(self.operand(x)?);
        }
        let numbers: Vec<f32> = numbers.into_iter().map(|number| number as f32).collect();
        let results = self.map_operands(&graph, &operands, &numbers, DType::F32, x[0])?;
        slots.into_iter().zip(results).for_each(|(slot, result)| *slot = result);
        Ok(())
    }
}
