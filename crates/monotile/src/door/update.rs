//! What an optimizer writes in place.

use monotile_kernels::elementwise;
use monotile_kernels::number::Formulas;
use monotile_kernels::real::Real;

#[cfg(feature = "gpu")]
use smallvec::SmallVec;

use super::real;
#[cfg(feature = "gpu")]
use super::{OperandPlace, place};
use crate::error::Result;
use crate::tensor::Tensor;
use crate::tensor::dtype::StorageElement;
use crate::tensor::uninit::UninitTensor;

/// Makes the memory of a tensor of f32 or f64 its own: as it is where nobody else holds it, else copied.
#[track_caller]
pub fn own(op: &str, slot: &mut Tensor) -> Result<()> {
    #[track_caller]
    fn run<T: StorageElement + Real>(op: &str, slot: &mut Tensor) -> Result<()> {
        if slot.unique_mut::<T>().is_none() {
            let mut copy = UninitTensor::<T>::like(op, slot)?;
            copy.copy_from_slice(slot.contiguous_detached("step")?.elements::<T>());
            *slot = copy.tensor();
        }
        Ok(())
    }
    // A GPU writes elsewhere, and the slot becomes that.
    if !slot.device().is_cpu() {
        return Ok(());
    }
    real!(op, [&*slot], run(op, slot))
}

/// slots ← f(slots, x), element by element: slots whose memory is their own, and contiguous operands of their type and shape.
#[track_caller]
pub fn advance<const M: usize, const K: usize, const N: usize, F>(
    op: &str,
    slots: [&mut Tensor; M],
    x: [&Tensor; K],
    f: F,
) -> Result<()>
where
    F: Formulas<N, M>,
{
    fn run<T: StorageElement + Real, const M: usize, const K: usize, const N: usize, F>(
        slots: [&mut Tensor; M],
        x: [&Tensor; K],
        f: F,
    ) where
        F: Formulas<N, M>,
    {
        let slots = slots.map(|x| x.unique_mut::<T>().expect("memory that was made its own"));
        elementwise::advance(slots, x.map(Tensor::elements), f);
    }
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = {
        let all: SmallVec<[&Tensor; 6]> = slots.iter().map(|slot| &**slot).chain(x).collect();
        place(op, &all)?
    } {
        return gpu.advance(slots, x, f);
    }
    real!(op, x, run::<M, K, N, F>(slots, x, f));
    Ok(())
}
