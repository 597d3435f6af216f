//! Times einsum calls: what a call costs beside its arithmetic, and equations forward and backward.
//!
//! ```text
//! cargo run --release -p monotile --example einsum             every row, as JSON objects
//! cargo run --release -p monotile --example einsum calls       only the overhead of calls
//! cargo run --release -p monotile --example einsum gradients   only forward and backward
//! cargo run --release -p monotile --example einsum first       what the first call of a process waits for
//! ```

use std::hint::black_box;
use std::time::Instant;

use monotile::einsum::{Einsum, einsum};
use monotile::tape::{BackwardMode, vjp};
use monotile::{DType, Result, Rng, Tensor};

/// Equations and the sizes of their operands, from no work to much.
const GRADIENTS: &[(&str, &[&[usize]])] = &[
    ("ij,jk->ik", &[&[2, 2], &[2, 2]]),
    ("ij,jk,kl->il", &[&[4, 4], &[4, 4], &[4, 4]]),
    ("bij,bj->bi", &[&[4, 4, 4], &[4, 4]]),
    ("ij,jk->ik", &[&[512, 512], &[512, 512]]),
    ("bthd,bshd->bhts", &[&[2, 512, 8, 64], &[2, 512, 8, 64]]),
    ("ij,jk,kl,lm->im", &[&[512, 8], &[8, 512], &[512, 8], &[8, 512]]),
    ("bi,oij,bj->bo", &[&[64, 128], &[128, 128, 128], &[64, 128]]),
    ("ij,ij->i", &[&[2048, 1024], &[2048, 1024]]),
    ("ij,j->i", &[&[2048, 2048], &[2048]]),
    ("ij->j", &[&[2048, 2048]]),
    ("ii->", &[&[512, 512]]),
    ("ea,fb,abcd,gc,hd->efgh", &[&[16, 16], &[16, 16], &[16, 16, 16, 16], &[16, 16], &[16, 16]]),
];

/// Equations whose call is what takes the time.
const CALLS: &[(&str, &[&[usize]])] = &[
    ("ij,jk->ik", &[&[2, 2], &[2, 2]]),
    ("ij,ij->i", &[&[4, 4], &[4, 4]]),
    ("bij,bj->bi", &[&[4, 4, 4], &[4, 4]]),
    ("ij,ij->ij", &[&[2, 2], &[2, 2]]),
    ("ij,jk,kl->il", &[&[2, 2], &[2, 2], &[2, 2]]),
    ("ij->ji", &[&[2, 2]]),
    ("ij->j", &[&[2, 2]]),
];

/// The least seconds a call takes, of some runs of many calls.
fn seconds(mut call: impl FnMut() -> Result<()>) -> Result<f64> {
    call()?;
    let start = Instant::now();
    call()?;
    let once = start.elapsed().as_secs_f64();
    let calls = ((2e-3 / once) as usize).clamp(1, 20_000);
    let mut times = Vec::new();
    for _ in 0..15 {
        let start = Instant::now();
        (0..calls).try_for_each(|_| call())?;
        times.push(start.elapsed().as_secs_f64() / calls as f64);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

fn row(kind: &str, equation: &str, shapes: &[&[usize]], seconds: f64) {
    println!("{{\"case\": \"{kind} {equation} {shapes:?}\", \"ms\": {:.6}}}", seconds * 1e3);
}

/// The first calls of a process on matrices of this size, one by one: reading and planning, the first run of a plan, the first
/// plain call, and calls after them.
fn first(n: usize) -> Result<()> {
    let x = Rng::new(0).normal(&[n, n], DType::F32)?;
    let shapes: [&[usize]; 2] = [&[n, n], &[n, n]];
    let mut last = Instant::now();
    let mut lap = |what: &str| {
        row(what, "ij,jk->ik", &shapes, last.elapsed().as_secs_f64());
        last = Instant::now();
    };
    let compiled = Einsum::new("ij,jk->ik")?.compile(&shapes)?;
    lap("first plan");
    black_box(compiled.run(&[&x, &x])?);
    lap("first run");
    black_box(einsum("ij,jk->ik", &[&x, &x])?);
    lap("first plain call");
    for _ in 0..20 {
        black_box(einsum("ij,jk->ik", &[&x, &x])?);
        lap("plain call");
    }
    Ok(())
}

fn main() -> Result<()> {
    let part = std::env::args().nth(1);
    if part.as_deref() == Some("first") {
        first(2)?;
        return first(512);
    }
    let asked = |name: &str| part.as_deref().is_none_or(|part| part == name);
    let mut rng = Rng::new(0);
    let mut drawn = |shapes: &[&[usize]]| shapes.iter().map(|s| rng.normal(s, DType::F32)).collect::<Result<Vec<_>>>();
    for &(equation, shapes) in CALLS.iter().filter(|_| asked("calls")) {
        let x = drawn(shapes)?;
        let x: Vec<&Tensor> = x.iter().collect();
        let compiled = Einsum::new(equation)?.compile(shapes)?;
        row("compiled", equation, shapes, seconds(|| compiled.run(&x).map(|y| drop(black_box(y))))?);
        row("plain", equation, shapes, seconds(|| einsum(equation, &x).map(|y| drop(black_box(y))))?);
    }
    for &(equation, shapes) in GRADIENTS.iter().filter(|_| asked("gradients")) {
        let x: Vec<Tensor> = drawn(shapes)?.iter().map(Tensor::requires_grad).collect();
        let x: Vec<&Tensor> = x.iter().collect();
        let y = einsum(equation, &x)?;
        let cotangent = y.detach().contiguous()?;
        row("forward", equation, shapes, seconds(|| einsum(equation, &x).map(|y| drop(black_box(y))))?);
        let both = || {
            let y = einsum(equation, &x)?;
            vjp(&[(&y, &cotangent)], &x, BackwardMode::Plain).map(|g| drop(black_box(g)))
        };
        row("forward+backward", equation, shapes, seconds(both)?);
    }
    Ok(())
}
