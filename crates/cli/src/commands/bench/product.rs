//! Matrix products.

use std::hint::black_box;

use monotile::{DType, Rng, Tensor};
use monotile_kernels::threads;

use super::{Case, Cases};
use crate::command_error::CommandError;

const SQUARE: [usize; 6] = [64, 128, 256, 512, 1024, 2048];
const SKINNY: [[usize; 3]; 2] = [[4096, 4096, 1], [4096, 4096, 16]];
const BATCHED: [[usize; 2]; 2] = [[100_000, 4], [1000, 64]];
const BF16: [usize; 1] = [2048];
const ONE_THREAD: [usize; 2] = [256, 1024];

/// Times the group.
pub fn run(cases: &mut Cases) -> Result<(), CommandError> {
    let mut rng = Rng::new(0);
    for (name, dtype) in [("f32", DType::F32), ("f64", DType::F64)] {
        for n in SQUARE {
            product(cases, Case::new(format!("{name} {n}")), &rng.normal(&[n, n], dtype)?, &rng.normal(&[n, n], dtype)?)?;
        }
    }
    for [m, k, n] in SKINNY {
        let case = Case::new(format!("f32 {m}x{k}x{n}")).bytes(4.0 * (m * k + k * n + m * n) as f64);
        product(cases, case, &rng.normal(&[m, k], DType::F32)?, &rng.normal(&[k, n], DType::F32)?)?;
    }
    for [count, n] in BATCHED {
        let case = Case::new(format!("f32 batched {count}x{n}")).bytes(12.0 * (count * n * n) as f64);
        product(cases, case, &rng.normal(&[count, n, n], DType::F32)?, &rng.normal(&[count, n, n], DType::F32)?)?;
    }
    for n in BF16 {
        let a = rng.normal(&[n, n], DType::BF16)?;
        product(cases, Case::new(format!("bf16 {n}")), &a, &a)?;
        // Activations by frozen weights, as a checkpoint stores them: (out, in).
        let case = Case::new(format!("bf16 weights f32 {n}"));
        product(cases, case, &rng.normal(&[n, n], DType::F32)?, &a.mt())?;
    }
    let threads_before = threads::count();
    threads::set_count(1);
    for n in ONE_THREAD {
        let case = Case::new(format!("f32 {n} one thread"));
        product(cases, case, &rng.normal(&[n, n], DType::F32)?, &rng.normal(&[n, n], DType::F32)?)?;
    }
    threads::set_count(threads_before);
    Ok(())
}

/// Times a·b, which takes two operations an element of `a` and column of `b`.
fn product(cases: &mut Cases, case: Case, a: &Tensor, b: &Tensor) -> Result<(), CommandError> {
    let flop = 2.0 * a.len() as f64 * b.dim(-1) as f64;
    cases.time(case.flop(flop), || {
        black_box(a.matmul(b)?);
        Ok(())
    })
}
