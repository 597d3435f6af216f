//! Attention: time, and the memory it holds.

use std::hint::black_box;

use monotile::attention::{Attention, scaled_dot_product_attention};
use monotile::tape::{Walk, vjp};
use monotile::{DType, Rng, Tensor};

use super::{Case, Cases};
use crate::failure::Failure;
use crate::measure::Timed;

const HEADS: usize = 8;
const DIM: usize = 64;
const LENGTHS: [usize; 4] = [512, 1024, 4096, 16384];
const LONGEST_BACKWARD: usize = 4096;
const LONGEST_BF16: usize = 4096;
/// Heads, head size, keys that one query attends to.
const DECODE: [[usize; 3]; 2] = [[8, 64, 4096], [32, 128, 4096]];
const MEMORY_LENGTHS: [usize; 2] = [4096, 16384];

/// Times the group.
pub fn run(cases: &mut Cases) -> Result<(), Failure> {
    let mut rng = Rng::new(0);
    for length in LENGTHS {
        for causal in [false, true] {
            let inputs = inputs(&mut rng, HEADS, length, DIM)?;
            let flop = 4.0 * (HEADS * length * length * DIM) as f64 / if causal { 2.0 } else { 1.0 };
            // The peers' cases are named by Python's words.
            let named = format!("T={length} causal={}", if causal { "True" } else { "False" });
            cases.time(Case::new(format!("fwd {named}")).flop(flop), || forward(&inputs, causal))?;
            if length <= LONGEST_BACKWARD {
                let cotangent = rng.normal(&[1, HEADS, length, DIM], DType::F32)?;
                let leaves = inputs.each_ref().map(Tensor::requires_grad);
                cases.time(Case::new(format!("fwd+bwd {named}")).flop(3.5 * flop), || both(&leaves, causal, &cotangent))?;
            }
        }
        if length <= LONGEST_BF16 {
            let [q, k, v] = inputs(&mut rng, HEADS, length, DIM)?;
            let half = [q.to_dtype(DType::BF16)?, k.to_dtype(DType::BF16)?, v.to_dtype(DType::BF16)?];
            let flop = 4.0 * (HEADS * length * length * DIM) as f64;
            cases.time(Case::new(format!("fwd bf16 T={length} causal=False")).flop(flop), || forward(&half, false))?;
        }
    }
    for [heads, dim, past] in DECODE {
        let [_, k, v] = inputs(&mut rng, heads, past, dim)?;
        let inputs = [rng.normal(&[1, heads, 1, dim], DType::F32)?, k, v];
        let work = (heads * dim * past) as f64;
        let case = Case::new(format!("decode H={heads} d={dim} kv={past}")).flop(4.0 * work).bytes(8.0 * work);
        cases.time(case, || forward(&inputs, false))?;
    }
    Ok(())
}

/// Measures the memory beyond inputs: the output, and for the backward pass the gradients, are counted.
pub fn run_memory(cases: &mut Cases) -> Result<(), Failure> {
    let mut rng = Rng::new(0);
    // Threads and their scratch exist from the first call on.
    forward(&inputs(&mut rng, HEADS, 256, DIM)?, false)?;
    // Nothing is given back before the end: a later case would find it in the process, and seem to need less than it does.
    let (mut outputs, mut gradients) = (Vec::new(), Vec::new());
    for length in MEMORY_LENGTHS {
        let leaves = inputs(&mut rng, HEADS, length, DIM)?.map(|t| t.requires_grad());
        let plain = leaves.each_ref().map(Tensor::detach);
        cases.memory(Case::new(format!("fwd T={length}")), || {
            outputs.push(attend(&plain, false)?);
            Ok(())
        })?;
        cases.memory(Case::new(format!("fwd+bwd T={length}")), || {
            let output = attend(&leaves, false)?;
            gradients.push(output.sum(&[])?.backward()?);
            outputs.push(output);
            Ok(())
        })?;
        outputs.extend(leaves);
    }
    Ok(())
}

/// Random queries, keys and values.
fn inputs(rng: &mut Rng, heads: usize, length: usize, dim: usize) -> monotile::Result<[Tensor; 3]> {
    let mut one = || rng.normal(&[1, heads, length, dim], DType::F32);
    Ok([one()?, one()?, one()?])
}

fn attend([q, k, v]: &[Tensor; 3], causal: bool) -> monotile::Result<Tensor> {
    scaled_dot_product_attention(q, k, v, &Attention { causal, ..Attention::default() })
}

fn forward(inputs: &[Tensor; 3], causal: bool) -> Timed {
    black_box(attend(inputs, causal)?);
    Ok(())
}

fn both(leaves: &[Tensor; 3], causal: bool, cotangent: &Tensor) -> Timed {
    let output = attend(leaves, causal)?;
    black_box(vjp(&[(&output, cotangent)], &leaves.each_ref(), Walk::Plain)?);
    Ok(())
}
