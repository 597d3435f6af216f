//! Prints the speed of what moves points, beside that of memory: `cargo run --release -p monotile-kernels --example transform`.
//!
//! Each figure is the fastest of many runs, with all threads.

use std::time::{Duration, Instant};

use monotile_kernels::buffer::Block;
use monotile_kernels::simd::Lanes;
use monotile_kernels::transform::BroadcastRows;
use monotile_kernels::transform::points::{VectorKind, transform};
use monotile_kernels::transform::slerp::slerp;

const POINTS: usize = 10_000_000;
const SLERPS: usize = 1_000_000;

/// Prints the fewest milliseconds a call takes, over at least 0.3 s, and the bytes a second that are moved.
fn fastest(what: &str, bytes: usize, mut call: impl FnMut()) {
    call();
    let (start, mut best, mut calls) = (Instant::now(), f64::INFINITY, 0);
    while start.elapsed() < Duration::from_millis(300) || calls < 3 {
        let one = Instant::now();
        call();
        best = best.min(one.elapsed().as_secs_f64());
        calls += 1;
    }
    println!("{what:16} {:8.3} ms  {:6.1} GB/s", best * 1e3, bytes as f64 / best / 1e9);
}

fn time<T: Lanes>(name: &str) {
    // An affine matrix.
    let m: Vec<T> =
        (0..16_u8).map(|i| T::from_f64(if i % 5 == 0 { 1.0 } else { f64::from(12_u8.saturating_sub(i)) / 8.0 })).collect();
    let rows = Block::filled(4 * POINTS, T::ONE).unwrap();
    let mut out = Block::filled(4 * POINTS, T::ZERO).unwrap();
    for (kind, what) in [(VectorKind::Homogeneous, "vec4"), (VectorKind::Points, "points"), (VectorKind::Vectors, "vectors")] {
        let len = kind.width() * POINTS;
        fastest(&format!("{what} {name}"), 2 * len * size_of::<T>(), || transform(kind, &m, POINTS, &rows[..len], &mut out[..len]));
    }
    let quaternion = |i: usize, axis: usize, step: f64| {
        let angle = i as f64 * step;
        (0..4).map(move |k| {
            T::from_f64(if k == axis {
                angle.sin()
            } else if k == 3 {
                angle.cos()
            } else {
                0.0
            })
        })
    };
    let turns = |axis, step| (0..SLERPS).flat_map(move |i| quaternion(i, axis, step)).collect::<Vec<T>>();
    let (a, b, t) = (turns(0, 1e-3), turns(1, 2e-3), [T::from_f64(0.3)]);
    let out = &mut out[..4 * SLERPS];
    fastest(&format!("slerp {name}"), 12 * SLERPS * size_of::<T>(), || {
        slerp(BroadcastRows::per_row(&a, 4), BroadcastRows::per_row(&b, 4), BroadcastRows::shared(&t), out)
    });
}

fn main() {
    time::<f32>("f32");
    time::<f64>("f64");
}
