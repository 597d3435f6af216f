//! Prints the speed of factorizations: `cargo run --release -p monotile-kernels --example factor [filter]`.
//!
//! Each figure is the fastest of many runs, with all threads. `batched` is the filter of many small matrices alone.

use std::time::{Duration, Instant};

use monotile_kernels::factor::cholesky::cholesky;
use monotile_kernels::factor::eigh::eigh;
use monotile_kernels::factor::inverse::inverse;
use monotile_kernels::factor::lu::{Factored, lu, lu_solve};
use monotile_kernels::factor::qr::{Kind, qr};
use monotile_kernels::factor::svd::{Vectors, svd};
use monotile_kernels::simd::Lanes;
use monotile_kernels::view::View;

/// The fewest seconds a call takes, over at least 0.2 s.
fn fastest(mut call: impl FnMut()) -> f64 {
    call();
    let (start, mut best, mut calls) = (Instant::now(), f64::INFINITY, 0);
    while start.elapsed() < Duration::from_millis(200) || calls < 3 {
        let one = Instant::now();
        call();
        best = best.min(one.elapsed().as_secs_f64());
        calls += 1;
    }
    best
}

/// Numbers without a pattern, with n on the diagonal.
fn matrix<T: Lanes>(m: usize, n: usize) -> Vec<T> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / (1_u64 << 31) as f64 - 0.5
    };
    (0..m * n).map(|at| T::from_f64(next() + if at / n == at % n { n as f64 } else { 0.0 })).collect()
}

fn time<T: Lanes>(name: &str, [m, n]: [usize; 2]) -> f64 {
    let a = matrix::<T>(m, n);
    let (shape, strides) = ([m, n], [n as isize, 1]);
    let view = View::new(&a, 0, &shape, &strides).expect("a whole matrix");
    let zeros = |len: usize| vec![T::ZERO; len];
    let (mut x, mut y, mut s, mut order) = (zeros(m * n), zeros(n * n), zeros(n), vec![0; m]);
    match name {
        "cholesky" => fastest(|| cholesky(view, &mut x).expect("the diagonal dominates")),
        "qr" => fastest(|| qr(view, Kind { full: false, non_negative: false }, &mut x, &mut y).expect("memory")),
        "solve" => {
            let b = zeros(n).iter().map(|_| T::ONE).collect::<Vec<_>>();
            fastest(|| {
                lu(view, &mut x, &mut order).unwrap();
                lu_solve(Factored { factors: &x, order: &order, n }, false, &b, &mut s).expect("the diagonal dominates");
            })
        }
        "eigh" => fastest(|| eigh(view, &mut s, &mut x).expect("the iteration converges")),
        "svd" => fastest(|| svd(view, Vectors::Thin, &mut s, &mut x, &mut y).expect("the iteration converges")),
        _ => fastest(|| svd(view, Vectors::None, &mut s, &mut [], &mut []).expect("the iteration converges")),
    }
}

/// Matrices of a batch.
const BATCH: usize = 10_000;

/// `general` matrices have no pattern, others n on the diagonal too.
fn time_batched<T: Lanes>(name: &str, n: usize, general: bool) -> f64 {
    let mut a = matrix::<T>(BATCH * n, n);
    for (at, x) in a.iter_mut().enumerate() {
        let (i, j) = (at / n % n, at % n);
        *x = if at / n == j { T::ZERO } else { *x } + T::from_f64(if !general && i == j { n as f64 } else { 0.0 });
    }
    let (shape, strides) = ([BATCH, n, n], [(n * n) as isize, n as isize, 1]);
    let view = View::new(&a, 0, &shape, &strides).expect("whole matrices");
    let zeros = |len: usize| vec![T::ZERO; len];
    let (mut x, mut y, mut s) = (zeros(a.len()), zeros(a.len()), zeros(BATCH * n));
    match name {
        "cholesky" => fastest(|| cholesky(view, &mut x).expect("the diagonal dominates")),
        "inverse" => fastest(|| inverse(view, &mut x).expect("numbers without a pattern")),
        "qr" => fastest(|| qr(view, Kind { full: false, non_negative: false }, &mut x, &mut y).expect("memory")),
        "eigh" => fastest(|| eigh(view, &mut s, &mut x).expect("the iteration converges")),
        _ => fastest(|| svd(view, Vectors::Thin, &mut s, &mut x, &mut y).expect("the iteration converges")),
    }
}

fn batched() {
    let cases = [("cholesky", false), ("inverse", false), ("inverse", true), ("qr", true), ("eigh", true), ("svd", true)];
    for (name, general) in cases {
        for n in [4, 8, 16, 32] {
            let (single, double) = (time_batched::<f32>(name, n, general), time_batched::<f64>(name, n, general));
            let kind = if general { "" } else { "dominant" };
            println!("{name:8} {kind:8} {BATCH}x{n:<3}  f32 {:10.1} us  f64 {:10.1} us", single * 1e6, double * 1e6);
        }
    }
}

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    if filter.is_empty() || filter == "batched" {
        batched();
    }
    for name in ["cholesky", "qr", "solve", "eigh", "svd", "svdvals"] {
        let most = if ["cholesky", "qr", "solve"].contains(&name) { 2048 } else { 512 };
        for n in [64, 128, 256, 512, 1024, 2048].into_iter().filter(|&n| n <= most) {
            let [single, double] =
                [time::<f32>, time::<f64>].map(|time| if name.contains(&filter) { time(name, [n, n]) * 1e6 } else { 0.0 });
            if single > 0.0 {
                println!("{name:10} {n:5}  f32 {single:10.1} us  f64 {double:10.1} us");
            }
        }
    }
}
