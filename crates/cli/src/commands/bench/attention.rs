//! Attention: time, and the memory it holds.

use std::hint::black_box;

use monotile::attention::{AttentionOptions, scaled_dot_product_attention};
use monotile::tape::{BackwardMode, vjp};
use monotile::{DType, Rng, Tensor};

use super::{Case, Cases};
use crate::command_error::CommandError;
use crate::measure::Timed;

const HEADS: usize = 8;
const DIM: usize = 64;
const LENGTHS: [usize; 4] = [512, 1024, 4096, 16384];
const LONGEST_BACKWARD: usize = 4096;
const LONGEST_BF16: usize = 4096;
/// Heads, head size, keys that one query attends to.
const DECODE: [[usize; 3]; 2] = [[8, 64, 4096], [32, 128, 4096]];
const MEMORY_LENGTHS: [usize; 2] = [4096, 16384];

/// Queries and keys of the cases beside the peers'.
const MORE: usize = 1024;

/// Times the group.
pub fn run(cases: &mut Cases) -> Result<(), CommandError> {
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

/// Times what the peers' cases leave out: masks, head sizes, element types, grouped queries, parts of the keys.
pub fn run_more(cases: &mut Cases) -> Result<(), CommandError> {
    let mut rng = Rng::new(0);
    let work = |heads: usize, queries: usize, keys: usize, dim: usize| 4.0 * (heads * queries * keys * dim) as f64;
    let square = |dim| work(HEADS, MORE, MORE, dim);
    let plain = inputs(&mut rng, HEADS, MORE, DIM)?;
    cases.time(Case::new("fwd").flop(square(DIM)), || forward(&plain, false))?;
    let bias = rng.normal(&[MORE, MORE], DType::F32)?;
    let may_look = bias.gt(&Tensor::from_slice(&[-1.0_f32], &[])?)?;
    let cotangent = rng.normal(&[1, HEADS, MORE, DIM], DType::F32)?;
    let leaves = plain.each_ref().map(Tensor::requires_grad);
    for (name, mask) in [("boolean", &may_look), ("additive", &bias)] {
        let options = AttentionOptions { mask: Some(mask), ..AttentionOptions::default() };
        cases.time(Case::new(format!("fwd {name} mask")).flop(square(DIM)), || with_options(&plain, &options))?;
        cases.time(Case::new(format!("fwd+bwd {name} mask")).flop(3.5 * square(DIM)), || {
            let [q, k, v] = &leaves;
            let output = scaled_dot_product_attention(q, k, v, &options)?;
            black_box(vjp(&[(&output, &cotangent)], &leaves.each_ref(), BackwardMode::Plain)?);
            Ok(())
        })?;
    }
    for dim in [80, 96, 128, 256] {
        let inputs = inputs(&mut rng, HEADS, MORE, dim)?;
        cases.time(Case::new(format!("fwd d={dim}")).flop(square(dim)), || forward(&inputs, false))?;
        let cotangent = rng.normal(&[1, HEADS, MORE, dim], DType::F32)?;
        let leaves = inputs.each_ref().map(Tensor::requires_grad);
        cases.time(Case::new(format!("fwd+bwd d={dim}")).flop(3.5 * square(dim)), || both(&leaves, false, &cotangent))?;
    }
    let [q, k, v] = &plain;
    let double = [q.to_dtype(DType::F64)?, k.to_dtype(DType::F64)?, v.to_dtype(DType::F64)?];
    cases.time(Case::new("fwd f64").flop(square(DIM)), || forward(&double, false))?;
    let half = [q.clone(), k.to_dtype(DType::BF16)?, v.to_dtype(DType::BF16)?];
    cases.time(Case::new("fwd bf16 keys and values").flop(square(DIM)), || forward(&half, false))?;
    let many = rng.normal(&[1, 4 * HEADS, MORE, DIM], DType::F32)?;
    let grouped = [many, k.clone(), v.clone()];
    cases.time(Case::new("fwd 4 queries a key head").flop(4.0 * square(DIM)), || forward(&grouped, false))?;

    let [heads, dim, past] = DECODE[1];
    let [_, k, v] = inputs(&mut rng, heads, past, dim)?;
    let q = rng.normal(&[1, heads, 1, dim], DType::F32)?;
    let case = |name: &str, heads: usize, keys: usize, size: f64| {
        Case::new(format!("decode {name}")).flop(work(heads, 1, keys, dim)).bytes(2.0 * size * (heads * keys * dim) as f64)
    };
    let half = [q.clone(), k.to_dtype(DType::BF16)?, v.to_dtype(DType::BF16)?];
    cases.time(case("bf16 keys and values", heads, past, 2.0), || forward(&half, false))?;
    let last = past / 4;
    cases.time(case("the last quarter", heads, last, 4.0), || {
        let last = [q.clone(), k.slice(2, past - last..)?, v.slice(2, past - last..)?];
        forward(&last, false)
    })?;
    let shared = [q.clone(), k.slice(1, ..HEADS)?, v.slice(1, ..HEADS)?];
    cases.time(case("4 queries a key head", HEADS, past, 4.0).flop(work(heads, 1, past, dim)), || forward(&shared, false))
}

/// Measures the memory beyond inputs: the output, and for the backward pass the gradients, are counted.
pub fn run_memory(cases: &mut Cases) -> Result<(), CommandError> {
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
            gradients.push(output.sum(&[], false)?.backward()?);
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
    scaled_dot_product_attention(q, k, v, &AttentionOptions { causal, ..AttentionOptions::default() })
}

fn forward(inputs: &[Tensor; 3], causal: bool) -> Timed {
    black_box(attend(inputs, causal)?);
    Ok(())
}

fn with_options([q, k, v]: &[Tensor; 3], options: &AttentionOptions<'_>) -> Timed {
    black_box(scaled_dot_product_attention(q, k, v, options)?);
    Ok(())
}

fn both(leaves: &[Tensor; 3], causal: bool, cotangent: &Tensor) -> Timed {
    let output = attend(leaves, causal)?;
    black_box(vjp(&[(&output, cotangent)], &leaves.each_ref(), BackwardMode::Plain)?);
    Ok(())
}
