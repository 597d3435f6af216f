//! How long a running sum takes: `cargo run --release -p monotile-kernels --example scan`.
//!
//! The same in PyTorch: `torch.set_num_threads(2); x.cumsum(-1)`.

use std::time::Instant;

use monotile_kernels::scan;

/// The shortest of several runs, in milliseconds.
fn shortest(mut run: impl FnMut()) -> f64 {
    let times = (0..15).map(|_| {
        let start = Instant::now();
        run();
        start.elapsed().as_secs_f64() * 1e3
    });
    times.fold(f64::INFINITY, f64::min)
}

fn main() {
    for [outer, n, inner] in [[1, 1 << 22, 1], [2048, 2048, 1], [1, 2048, 2048]] {
        let x: Vec<f32> = (0..outer * n * inner).map(|i| (i % 7) as f32 * 0.1).collect();
        let wide: Vec<f64> = x.iter().map(|&x| x.into()).collect();
        let (mut y, mut wide_y) = (x.clone(), wide.clone());
        let single = shortest(|| scan::cumulative_sum(&x, n, inner, &mut y).expect("memory"));
        let double = shortest(|| scan::cumulative_sum(&wide, n, inner, &mut wide_y).expect("memory"));
        println!("cumulative_sum of {outer} x {n} x {inner}: {single:.2} ms in f32, {double:.2} ms in f64");
        let single = shortest(|| scan::cumulative_product(&x, n, inner, &mut y).expect("memory"));
        let logs = shortest(|| scan::cumulative_log_sum_exp(&x, n, inner, &mut y).expect("memory"));
        println!("cumulative_product {single:.2} ms, cumulative_log_sum_exp {logs:.2} ms in f32");
    }
}
