//! A `.safetensors` file, and einsum on what it holds.

use monotile::io::SafeTensors;
use monotile::{Tensor, einsum};

use super::{file, sentence};

/// The most elements of an operand: larger ones only take time.
const MOST: usize = 1 << 16;

pub fn run(bytes: &[u8]) {
    let open = match SafeTensors::open(file("a.safetensors", bytes)) {
        Ok(open) => open,
        Err(error) => return sentence(&error),
    };
    for name in open.names().take(8) {
        match open.tensor(name) {
            Ok(tensor) => contract(&tensor),
            Err(error) => sentence(&error),
        }
    }
}

/// Sums over each end, and products with itself: results may be larger than memory, and are then refused.
fn contract(tensor: &Tensor) {
    let Ok(tensor) = tensor.to_dtype(tensor.dtype().compute()) else { return };
    if tensor.len() > MOST || !tensor.dtype().is_float() {
        return;
    }
    for equation in ["a...->...", "...a->...", "a...->a", "a...,b...->ab", "...a,...b->ab"] {
        match einsum(equation, &vec![&tensor; 1 + equation.matches(',').count()]) {
            Ok(result) if result.len() <= MOST => {
                assert_eq!(result.to_f64_vec().expect("a small result").len(), result.shape().iter().product::<usize>())
            }
            Ok(_) => {}
            Err(error) => sentence(&error),
        }
    }
}
