//! Prints the speed of the matrix product: `cargo run --release -p monotile-kernels --example product [filter]`.
//!
//! Each figure is the fastest of many runs; `%` is the share of what chains of fused multiply-adds reach.

use std::hint::black_box;
use std::time::{Duration, Instant};

use monotile_kernels::product::{Axes, Axis, Operand, Stored, product};
use monotile_kernels::real::Real;
use monotile_kernels::simd::{Enabled, Kernel, Lanes, Vector, dispatch};
use monotile_kernels::{bf16, threads};

/// Independent chains of multiply-adds, as many as keep every unit busy.
struct Peak;

impl<T: Lanes> Kernel<T> for Peak {
    type Output = f64;

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) -> f64 {
        let steps = 20_000;
        let start = Instant::now();
        let (x, y) = (isa.splat(black_box(T::from_f64(0.5))), isa.splat(black_box(T::ONE)));
        let mut sums = [y; 12];
        for _ in 0..steps {
            for sum in &mut sums {
                *sum = sum.mul_add(x, y);
            }
        }
        for sum in sums {
            black_box(sum.sum());
        }
        (2 * 12 * steps * V::LANES) as f64 / start.elapsed().as_secs_f64() / 1e9
    }
}

/// The fewest seconds a call takes, over at least 0.3 s.
fn fastest(mut call: impl FnMut()) -> f64 {
    call();
    let (start, mut best, mut calls) = (Instant::now(), f64::INFINITY, 0);
    while start.elapsed() < Duration::from_millis(300) || calls < 3 {
        let one = Instant::now();
        call();
        best = best.min(one.elapsed().as_secs_f64());
        calls += 1;
    }
    best
}

/// `batch` products of (m, k) and (k, n), the right operand stored as (n, k) if `transposed`.
struct Case {
    batch: usize,
    m: usize,
    n: usize,
    k: usize,
    transposed: bool,
}

impl Case {
    fn axes(&self) -> Axes {
        let &Self { batch, m, n, k, transposed } = self;
        let axis = |size, a: usize, b: usize, c: usize| Axis { size, a: a as isize, b: b as isize, c: c as isize };
        let (row, column) = if transposed { (1, k) } else { (n, 1) };
        Axes {
            batch: vec![axis(batch, m * k, k * n, m * n)].into(),
            rows: vec![axis(m, k, 0, n)].into(),
            columns: vec![axis(n, 0, column, 1)].into(),
            contracted: vec![axis(k, 1, row, 0)].into(),
        }
    }

    /// Elements of A and of B.
    fn elements<T: Real>(&self) -> [Vec<T>; 2] {
        let &Self { batch, m, n, k, .. } = self;
        [batch * m * k, batch * k * n].map(|len| (0..len).map(|i| T::from_f64((i % 17) as f64 * 0.1)).collect())
    }

    fn time<T: Lanes>(&self, a: Stored<'_, T>, b: Stored<'_, T>) -> f64 {
        let mut c = vec![T::ZERO; self.batch * self.m * self.n];
        let axes = self.axes();
        fastest(|| product(T::ONE, Operand { data: a, offset: 0 }, Operand { data: b, offset: 0 }, &mut c, &axes).expect("memory"))
    }

    fn flops(&self) -> f64 {
        2.0 * (self.batch * self.m * self.n * self.k) as f64
    }
}

fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    let peak = |run: fn() -> f64| (0..200).map(|_| run()).fold(0.0, f64::max);
    let peaks = [peak(|| dispatch::<f32, _>(Peak)), peak(|| dispatch::<f64, _>(Peak))];
    println!("one core: {:.1} GFLOP/s in f32, {:.1} in f64", peaks[0], peaks[1]);
    let all = threads::count();
    for (name, batch, m, n, k) in cases() {
        for transposed in [false, true] {
            let case = Case { batch, m, n, k, transposed };
            let name = format!("{name}{}", if transposed { " Bt" } else { "" });
            if !name.contains(&filter) {
                continue;
            }
            let ([a32, b32], [a64, b64]) = (case.elements::<f32>(), case.elements::<f64>());
            let [a16, b16] = [&a32, &b32].map(|x| x.iter().map(|&x| bf16::from_f32(x)).collect::<Vec<_>>());
            for threads in [1, all] {
                threads::set_count(threads);
                let print = |name: &str, [a, b, c]: [usize; 3], seconds: f64, peak: f64| {
                    let bytes = (batch * (m * k * a + k * n * b + m * n * c)) as f64;
                    let (us, rate, share) = (seconds * 1e6, case.flops() / seconds / 1e9, case.flops() / seconds / 1e7);
                    let share = share / peak / threads as f64;
                    println!(
                        "{name:38} {threads} thr {us:10.1} us {rate:7.1} GFLOP/s {share:5.1} % {:6.1} GB/s",
                        bytes / seconds / 1e9
                    );
                };
                let (single, double) =
                    (case.time(Stored::Real(&a32), Stored::Real(&b32)), case.time(Stored::Real(&a64), Stored::Real(&b64)));
                print(&format!("f32 {name}"), [4, 4, 4], single, peaks[0]);
                print(&format!("f64 {name}"), [8, 8, 8], double, peaks[1]);
                let mixed = case.time::<f32>(Stored::Real(&a32), Stored::BF16(&b16));
                print(&format!("f32 by bf16 {name}"), [4, 2, 4], mixed, peaks[0]);
                let half = case.time::<f32>(Stored::BF16(&a16), Stored::BF16(&b16));
                print(&format!("bf16 {name}"), [2, 2, 4], half, peaks[0]);
            }
        }
    }
}

fn cases() -> Vec<(String, usize, usize, usize, usize)> {
    let mut cases: Vec<_> = [16, 32, 64, 128, 256, 512, 1024, 2048].map(|n| (format!("square {n}"), 1, n, n, n)).into();
    for m in [1, 4, 16] {
        cases.push((format!("skinny {m}x4096x4096"), 1, m, 4096, 4096));
        cases.push((format!("tall 4096x{m}x4096"), 1, 4096, m, 4096));
    }
    cases.push(("dot 1000000".into(), 1, 1, 1, 1_000_000));
    cases.push(("outer 2000".into(), 1, 2000, 2000, 1));
    cases.push(("batched 100000x4".into(), 100_000, 4, 4, 4));
    cases.push(("batched 1000x64".into(), 1000, 64, 64, 64));
    cases
}
