//! What an optimizer writes in place.

use monotile_kernels::optim as kernel;
pub use monotile_kernels::optim::AdamW;
use monotile_kernels::real::Real;

use super::real;
use crate::error::Result;
use crate::tensor::Tensor;
use crate::tensor::dtype::Stored;
use crate::tensor::fresh::Fresh;

/// Makes the memory of a tensor of f32 or f64 its own: as it is where nobody else holds it, else copied.
pub fn own(op: &str, slot: &mut Tensor) -> Result<()> {
    fn run<T: Stored + Real>(op: &str, slot: &mut Tensor) -> Result<()> {
        if slot.unique_mut::<T>().is_none() {
            let mut copy = Fresh::<T>::like(op, slot)?;
            copy.copy_from_slice(slot.dense()?.elements::<T>());
            *slot = copy.tensor();
        }
        Ok(())
    }
    real!(slot, run(op, slot))
}

/// One step of AdamW on a parameter and its averages, whose memory is their own, along a contiguous gradient of its type.
pub fn adamw(step: &AdamW, slots: [&mut Tensor; 3], g: &Tensor) {
    fn run<T: Stored + Real>(step: &AdamW, slots: [&mut Tensor; 3], g: &Tensor) {
        let [p, m, v] = slots.map(|x| x.unique_mut::<T>().expect("memory that was made its own"));
        kernel::adamw(step, p, m, v, g.elements());
    }
    real!(g, run(step, slots, g));
}
