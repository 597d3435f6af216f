//! The speed of kernels that memory bounds, in bytes that must be read or written a second:
//! `cargo run --release -p monotile-kernels --example rows`

use std::time::Instant;

use monotile_kernels::loss::{ClassTargets, cross_entropy, cross_entropy_backward};
use monotile_kernels::norm::{RmsNormSaved, rms_norm, rms_norm_backward};
use monotile_kernels::softmax::softmax;

/// Prints the best of many runs, each of which moves `words` numbers of 4 bytes.
fn time(name: &str, words: usize, mut run: impl FnMut()) {
    run();
    let best = (0..30).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64()
    });
    let best = best.fold(f64::INFINITY, f64::min);
    println!("{name:<24} {:>8.3} ms {:>7.1} GB/s", best * 1e3, words as f64 * 4.0 / best / 1e9);
}

fn main() {
    for (rows, n) in [(64, 1024), (4096, 1024)] {
        println!("{rows} rows of {n}");
        let len = rows * n;
        let numbers = |seed: usize| -> Vec<f32> { (0..len).map(|i| ((i * 7919 + seed) % 1009) as f32 / 200.0 - 2.5).collect() };
        let (x, dy, w) = (numbers(0), numbers(600), numbers(900)[..n].to_vec());
        let (mut y, mut dx, mut rho, mut dw) = (numbers(0), numbers(0), vec![0.0; rows], vec![0.0; n]);
        time("copy", 2 * len, || y.copy_from_slice(&x));
        time("rms_norm", 2 * len, || rms_norm(&x, &w, 1e-5, &mut y, &mut rho));
        let forward = RmsNormSaved { x: &x, w: &w, rho: &rho };
        time("rms_norm backward", 3 * len, || rms_norm_backward(forward, &dy, &mut dx, &mut dw).expect("memory"));
        time("softmax", 2 * len, || softmax(&x, n, false, &mut y));
        let classes: Vec<i64> = (0..rows).map(|r| (r * 7 % n) as i64).collect();
        let targets = ClassTargets { classes: &classes, ignored: None };
        let mut kept = vec![0.0; rows];
        time("cross_entropy", len, || {
            cross_entropy(&x, targets, &mut kept, &mut rho);
        });
        time("cross_entropy backward", 2 * len, || cross_entropy_backward(&x, targets, [&kept, &rho], &[0.1], 1, &mut dx));
    }
}
