//! Times attention, forward and with its backward pass, and prints milliseconds and GFLOP/s a case.
//!
//! `cargo run --release -p monotile-kernels --example attention [LENGTH …]`

use monotile_kernels::attention::{
    AttentionCotangents, AttentionGradients, AttentionInputs, AttentionMask, AttentionOutput, backward, forward,
};
use monotile_kernels::view::View;
use std::time::Instant;

const HEADS: usize = 8;
const DIM: usize = 64;

fn main() {
    let lengths: Vec<usize> = std::env::args().skip(1).filter_map(|x| x.parse().ok()).collect();
    for t in if lengths.is_empty() { vec![512, 1024, 4096] } else { lengths } {
        for causal in [false, true] {
            train(t, causal);
        }
    }
    for (heads, dim, past) in [(32, 128, 4096), (32, 64, 2048)] {
        decode(heads, dim, past);
    }
}

fn numbers(seed: u32, len: usize) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..len).map(|_| 1.7 * next()).collect()
}

fn train(t: usize, causal: bool) {
    let len = HEADS * t * DIM;
    let (q, k, v, dout) = (numbers(1, len), numbers(2, len), numbers(3, len), numbers(4, len));
    let (shape, strides) = ([1, HEADS, t, DIM], [len as isize, (t * DIM) as isize, DIM as isize, 1]);
    let view = |x| View::new(x, 0, &shape, &strides).expect("the sizes above");
    let x = AttentionInputs { q: view(&q), k: view(&k), v: view(&v), scale: 0.125, causal, mask: AttentionMask::None };
    let (mut out, mut lse) = (vec![0.0; len], vec![0.0; HEADS * t]);
    let flops = (4 * HEADS * t * t * DIM) as f64 / if causal { 2.0 } else { 1.0 };
    report(&format!("fwd T={t} causal={causal}"), flops, || {
        forward(&x, AttentionOutput::row_major(&mut out, &mut lse, [HEADS, t, DIM])).unwrap();
    });
    let (mut dq, mut dk, mut dv) = (vec![0.0; len], vec![0.0; len], vec![0.0; len]);
    report(&format!("bwd T={t} causal={causal}"), flops * 2.5, || {
        let cotangents = AttentionCotangents { out: view(&out), lse: &lse, dout: view(&dout), dlse: None };
        backward(&x, &cotangents, AttentionGradients { dq: Some(&mut dq), dk: Some(&mut dk), dv: Some(&mut dv) }).unwrap();
    });
}

fn decode(heads: usize, dim: usize, past: usize) {
    let (q, k, v) = (numbers(1, heads * dim), numbers(2, heads * past * dim), numbers(3, heads * past * dim));
    let (shape, strides) = ([1, heads, past, dim], [0, (past * dim) as isize, dim as isize, 1]);
    let (one, by_head) = ([1, heads, 1, dim], [0, dim as isize, 0, 1]);
    let x = AttentionInputs {
        q: View::new(&q, 0, &one, &by_head).expect("the sizes above"),
        k: View::new(&k, 0, &shape, &strides).expect("the sizes above"),
        v: View::new(&v, 0, &shape, &strides).expect("the sizes above"),
        scale: 0.125,
        causal: true,
        mask: AttentionMask::None,
    };
    let (mut out, mut lse) = (vec![0.0; heads * dim], vec![0.0; heads]);
    let name = format!("decode H={heads} d={dim} kv={past}");
    let seconds = report(&name, (4 * heads * dim * past) as f64, || {
        forward(&x, AttentionOutput::row_major(&mut out, &mut lse, [heads, 1, dim])).unwrap();
    });
    println!("{:41} {:8.1} GB/s", "", (8 * heads * dim * past) as f64 / seconds / 1e9);
}

/// Prints the least time of a second's runs, and returns it.
fn report(name: &str, flops: f64, mut f: impl FnMut()) -> f64 {
    f();
    let (begin, mut least) = (Instant::now(), f64::INFINITY);
    while begin.elapsed().as_secs_f64() < 1.0 {
        let start = Instant::now();
        f();
        least = least.min(start.elapsed().as_secs_f64());
    }
    println!("{name:30} {:8.3} ms {:8.1} GFLOP/s", least * 1e3, flops / least / 1e9);
    least
}
