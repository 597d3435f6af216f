//! What an adapter reaches: one JSON object a line, each written as soon as it is known.
//!
//!     cargo run --release -p monotile-gpu --example measure -- [--adapter NAME] [--seconds 240] [--small] [--only WORD]
//!
//! `benchmarks/gpu.py` runs it beside PyTorch and prints ratios. A case that would not end in time, or does not fit the adapter's
//! limits, says so in its line. `--small` takes sizes that an adapter of software computes in a minute.

mod orders;

use std::time::Instant;

use monotile_gpu::{
    Capabilities, Gpu, GpuAttentionCotangents, GpuAttentionOptions, GpuClasses, GpuOperand, GpuOptions, GpuReduction, GpuResult,
    GpuSplatBins, GpuSplatShapes, GpuStream, GpuType, ProductVariant, attention, attention_backward, blend_splats,
    blend_splats_backward, cholesky, cross_entropy, eigh, lu, map, product, product_by, project_splats, project_splats_backward,
    qr, reduce, rms_norm, softmax, splat_colors, splat_colors_backward, svd,
};
use monotile_kernels::number::{Expr, Number, record};
use monotile_kernels::splat::{BlendRule, CameraRows, ProjectRule, stated};

/// Seconds that the timed calls of a case take.
const TIMED: f64 = 0.3;
/// A first call longer than this is the measurement.
const PATIENCE: f64 = 5.0;

struct Arguments {
    adapter: Option<String>,
    seconds: f64,
    small: bool,
    only: String,
}

impl Arguments {
    fn read() -> Self {
        let mut it = Self { adapter: None, seconds: 240.0, small: false, only: String::new() };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--small" => it.small = true,
                "--adapter" => it.adapter = words.next(),
                "--seconds" => it.seconds = words.next().and_then(|x| x.parse().ok()).unwrap_or(it.seconds),
                "--only" => it.only = words.next().unwrap_or_default(),
                other => {
                    eprintln!("measure: {other} is no option; there are --adapter NAME, --seconds N, --small and --only WORD");
                    std::process::exit(2);
                }
            }
        }
        it
    }
}

/// The open device, and when to stop.
struct Bench {
    stream: GpuStream,
    sync: monotile_gpu::GpuBlock,
    arguments: Arguments,
    start: Instant,
}

/// What a case's time is divided by.
enum Work {
    Flop(f64),
    Bytes(f64),
    Calls(f64),
}

impl Bench {
    fn wait(&self) -> GpuResult<()> {
        self.stream.read_blocking(&self.sync).map(|_| ())
    }

    /// The least seconds of a call: as many at once as take `TIMED`, three times.
    fn seconds(&self, call: &mut dyn FnMut() -> GpuResult<()>) -> GpuResult<f64> {
        let mut several = |calls: usize| {
            let start = Instant::now();
            (0..calls).try_for_each(|_| call())?;
            self.wait()?;
            GpuResult::Ok(start.elapsed().as_secs_f64() / calls as f64)
        };
        // The first compiles kernels.
        if several(1)? > PATIENCE {
            return several(1);
        }
        let once = several(1)?;
        let calls = (TIMED / 3.0 / once).clamp(1.0, 2000.0) as usize;
        let mut least = once;
        for _ in 0..3 {
            least = least.min(several(calls)?);
        }
        Ok(least)
    }

    fn case(&self, group: &str, case: &str, work: Work, make: impl FnOnce(&GpuStream) -> GpuResult<Call>) {
        if !format!("{group} {case}").contains(&self.arguments.only) {
            return;
        }
        let head = format!(r#"{{"group": "{group}", "case": "{case}""#);
        if self.start.elapsed().as_secs_f64() > self.arguments.seconds {
            println!(r#"{head}, "left_out": "the time is over"}}"#);
            return;
        }
        match make(&self.stream).and_then(|mut call| self.seconds(&mut call)) {
            Ok(seconds) => {
                let (name, rate) = match work {
                    Work::Flop(flop) => ("tflops", flop / seconds / 1e12),
                    Work::Bytes(bytes) => ("gb_s", bytes / seconds / 1e9),
                    Work::Calls(calls) => ("us_each", 1e6 * seconds / calls),
                };
                println!(r#"{head}, "ms": {:.6}, "{name}": {rate:.4}}}"#, 1e3 * seconds);
            }
            Err(error) => println!(r#"{head}, "left_out": {:?}}}"#, error.to_string()),
        }
    }
}

type Call = Box<dyn FnMut() -> GpuResult<()>>;

/// Numbers between −½ and ½ on the device, computed there.
fn numbers(stream: &GpuStream, sizes: &[usize], dtype: GpuType) -> GpuResult<GpuOperand> {
    let seed: Vec<f32> = (0..251).map(|i| ((i * 97) % 251) as f32 / 251.0 - 0.5).collect();
    let elements: usize = sizes.iter().product();
    let rows = elements.div_ceil(seed.len());
    let block = stream.upload(bytemuck::cast_slice(&seed))?;
    let spread = GpuOperand::strided(&block, GpuType::F32, &[rows, seed.len()], &[0, 1], 0)?;
    let block = monotile_gpu::copy(stream, &spread, dtype)?;
    GpuOperand::contiguous(&block, dtype, sizes)
}

fn products(bench: &Bench) {
    let sides: &[usize] = if bench.arguments.small { &[128, 256] } else { &[512, 1024, 2048, 4096, 8192] };
    for (name, dtype) in [("f32", GpuType::F32), ("bf16", GpuType::BF16)] {
        for &n in sides {
            bench.case("product", &format!("{name} {n}"), Work::Flop(2.0 * (n as f64).powi(3)), |stream| {
                let (a, b) = (numbers(stream, &[n, n], dtype)?, numbers(stream, &[n, n], dtype)?);
                let stream = stream.clone();
                Ok(Box::new(move || product(&stream, &a, &b).map(|_| ())))
            });
        }
    }
    let (batch, n) = if bench.arguments.small { (500, 16) } else { (10_000, 16) };
    bench.case("product", &format!("f32 batched {batch}x{n}"), Work::Flop(2.0 * batch as f64 * (n as f64).powi(3)), |stream| {
        let (a, b) = (numbers(stream, &[batch, n, n], GpuType::F32)?, numbers(stream, &[batch, n, n], GpuType::F32)?);
        let stream = stream.clone();
        Ok(Box::new(move || product(&stream, &a, &b).map(|_| ())))
    });
    // A token's product with weights as they lie in a checkpoint, (out, in).
    let n = if bench.arguments.small { 1024 } else { 8192 };
    for (name, dtype) in [("f32", GpuType::F32), ("bf16", GpuType::BF16)] {
        let bytes = (n * n * dtype.bytes()) as f64;
        bench.case("product", &format!("a row by {name} weights {n}"), Work::Bytes(bytes), |stream| {
            let row = numbers(stream, &[1, n], GpuType::F32)?;
            let weights = numbers(stream, &[n, n], dtype)?;
            let weights = GpuOperand::strided(weights.block(), dtype, &[n, n], &[1, n as isize], 0)?;
            let stream = stream.clone();
            Ok(Box::new(move || product(&stream, &row, &weights).map(|_| ())))
        });
    }
}

fn attentions(bench: &Bench) {
    let (heads, lengths): (usize, &[usize]) =
        if bench.arguments.small { (2, &[128]) } else { (16, &[1024, 2048, 4096, 8192, 16384]) };
    let width = 64;
    for (name, dtype) in [("f32", GpuType::F32), ("bf16", GpuType::BF16)] {
        for &t in lengths {
            for causal in [false, true] {
                let options = GpuAttentionOptions { causal, ..Default::default() };
                let case = |pass: &str| format!("{pass} {name} T={t}{}", if causal { " causal" } else { "" });
                // Two products forward and five backward, half of each where causality hides half.
                let flop = |products: f64| products * 2.0 * (heads * t * t * width) as f64 / if causal { 2.0 } else { 1.0 };
                let sizes = [1, heads, t, width];
                bench.case("attention", &case("fwd"), Work::Flop(flop(2.0)), |stream| {
                    let x = numbers(stream, &sizes, dtype)?;
                    let stream = stream.clone();
                    Ok(Box::new(move || attention(&stream, [&x, &x, &x], &options).map(|_| ())))
                });
                bench.case("attention", &case("bwd"), Work::Flop(flop(5.0)), |stream| {
                    let x = numbers(stream, &sizes, dtype)?;
                    let forward = attention(stream, [&x, &x, &x], &options)?;
                    let stream = stream.clone();
                    Ok(Box::new(move || {
                        let cotangents = GpuAttentionCotangents { dout: &x, dlse: None };
                        attention_backward(&stream, [&x, &x, &x], &forward, &cotangents, &options).map(|_| ())
                    }))
                });
            }
        }
    }
}

/// A token of a model whose heads share key heads, against all that came before. What counts is how fast keys and values are read.
fn decoding(bench: &Bench) {
    let (heads, groups, lengths): (usize, usize, &[usize]) =
        if bench.arguments.small { (4, 1, &[512]) } else { (32, 8, &[1024, 8192, 65536]) };
    let width = 128;
    for (name, dtype) in [("f32", GpuType::F32), ("bf16", GpuType::BF16)] {
        for &keys in lengths {
            let bytes = (2 * groups * keys * width * dtype.bytes()) as f64;
            bench.case("decode", &format!("{name} keys={keys}"), Work::Bytes(bytes), |stream| {
                let q = numbers(stream, &[1, heads, 1, width], dtype)?;
                let (k, v) =
                    (numbers(stream, &[1, groups, keys, width], dtype)?, numbers(stream, &[1, groups, keys, width], dtype)?);
                let stream = stream.clone();
                Ok(Box::new(move || attention(&stream, [&q, &k, &v], &GpuAttentionOptions::default()).map(|_| ())))
            });
        }
    }
}

fn rows(bench: &Bench) {
    let (m, n) = if bench.arguments.small { (256, 1024) } else { (8192, 8192) };
    let bytes = (m * n * 4) as f64;
    let named = |name: &str| format!("{name} {m}x{n}");
    bench.case("rows", &named("gelu"), Work::Bytes(2.0 * bytes), |stream| {
        let x = numbers(stream, &[m, n], GpuType::F32)?;
        let (stream, gelu) = (stream.clone(), record(|[x]: [Expr; 1]| x.gelu()));
        Ok(Box::new(move || map(&stream, &gelu, std::slice::from_ref(&x), GpuType::F32).map(|_| ())))
    });
    bench.case("rows", &named("sum"), Work::Bytes(bytes), |stream| {
        let x = numbers(stream, &[m, n], GpuType::F32)?;
        let stream = stream.clone();
        Ok(Box::new(move || reduce(&stream, GpuReduction::Sum, &x, &[1]).map(|_| ())))
    });
    bench.case("rows", &named("softmax"), Work::Bytes(2.0 * bytes), |stream| {
        let x = numbers(stream, &[m, n], GpuType::F32)?;
        let stream = stream.clone();
        Ok(Box::new(move || softmax(&stream, &x, 1).map(|_| ())))
    });
    bench.case("rows", &named("rms_norm"), Work::Bytes(2.0 * bytes), |stream| {
        let (x, w) = (numbers(stream, &[m, n], GpuType::F32)?, numbers(stream, &[n], GpuType::F32)?);
        let stream = stream.clone();
        Ok(Box::new(move || rms_norm(&stream, &x, &w, 1e-5).map(|_| ())))
    });
    bench.case("rows", &named("cross_entropy"), Work::Bytes(bytes), |stream| {
        let x = numbers(stream, &[m, n], GpuType::F32)?;
        let classes = GpuOperand::contiguous(&stream.upload(&vec![0; 4 * m])?, GpuType::I32, &[m])?;
        let stream = stream.clone();
        Ok(Box::new(move || cross_entropy(&stream, &x, GpuClasses { classes: &classes, ignored: None }).map(|_| ())))
    });
}

/// Seconds that this thread has computed, where Linux tells: a busy machine does not add to them.
fn computed() -> Option<f64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    told.split(' ').next()?.parse::<f64>().ok().map(|ns| 1e-9 * ns)
}

/// What a dispatch costs the processor that records it, and all in all.
fn dispatches(bench: &Bench) {
    let calls = if bench.arguments.small { 1000 } else { 5000 };
    let make = |stream: &GpuStream| {
        let x = numbers(stream, &[16, 16], GpuType::F32)?;
        let (stream, add, pair) = (stream.clone(), record(|[x, y]: [Expr; 2]| x + y), [x.clone(), x]);
        GpuResult::Ok(move || (0..calls).try_for_each(|_| map(&stream, &add, &pair, GpuType::F32).map(|_| ())))
    };
    bench.case("dispatch", "x + y of 256 numbers", Work::Calls(f64::from(calls)), |stream| Ok(Box::new(make(stream)?)));
    let recorded = make(&bench.stream).and_then(|call| {
        let mut least = f64::INFINITY;
        for _ in 0..5 {
            let before = computed();
            call()?;
            if let (Some(before), Some(after)) = (before, computed()) {
                least = least.min((after - before) / f64::from(calls));
            }
            bench.wait()?;
        }
        Ok(least)
    });
    if let Ok(seconds) = recorded
        && seconds.is_finite()
    {
        println!(r#"{{"group": "dispatch", "case": "to record it", "ms": {:.6}, "us_each": {:.4}}}"#, 1e3 * seconds, 1e6 * seconds);
    }
}

/// Many small matrices.
fn factors(bench: &Bench) {
    type Factor = fn(&GpuStream, &GpuOperand) -> GpuResult<()>;
    let all: [(&str, Factor); 5] = [
        ("cholesky", |stream, a| cholesky(stream, a).map(|_| ())),
        ("lu", |stream, a| lu(stream, a).map(|_| ())),
        ("qr", |stream, a| qr(stream, a, false).map(|_| ())),
        ("eigh", |stream, a| eigh(stream, a).map(|_| ())),
        ("svd", |stream, a| svd(stream, a).map(|_| ())),
    ];
    let count = if bench.arguments.small { 100 } else { 10_000 };
    for (name, factor) in all {
        for n in [4, 8, 16, 32] {
            bench.case("factor", &format!("{name} {count}x{n}"), Work::Calls(count as f64), |stream| {
                let x = numbers(stream, &[count, n, n], GpuType::F32)?;
                let transposed =
                    GpuOperand::strided(x.block(), GpuType::F32, &[count, n, n], &[(n * n) as isize, 1, n as isize], 0)?;
                // X Xᵀ plus the identity, twice: symmetric and positive definite.
                let square = GpuOperand::contiguous(&product(stream, &x, &transposed)?, GpuType::F32, &[count, n, n])?;
                let ones = stream.upload(bytemuck::cast_slice(&identity(n)))?;
                let ones = GpuOperand::strided(&ones, GpuType::F32, &[count, n, n], &[0, n as isize, 1], 0)?;
                let sum = map(stream, &record(|[x, one]: [Expr; 2]| x + one), &[square, ones], GpuType::F32)?.remove(0);
                let a = GpuOperand::contiguous(&sum, GpuType::F32, &[count, n, n])?;
                let stream = stream.clone();
                Ok(Box::new(move || factor(&stream, &a)))
            });
        }
    }
}

/// A cloud of splats with harmonics of degree 3, drawn, and with the gradients of everything.
fn splats(bench: &Bench) {
    let (n, width, height) = if bench.arguments.small { (2000, 96, 64) } else { (1_000_000, 1920, 1080) };
    let camera: CameraRows = [
        [2.0, 0.0, 0.0, 0.0],
        [0.0, 3.5, 0.0, 0.0],
        [0.0, 0.0, 1.0, 2.0],
        [0.0, 0.0, 1.0, 2.0],
        [0.0, 0.0, -2.0, 1.0],
        [-1.3, 1.3, -1.3, 1.3],
    ]
    .as_flattened()
    .try_into()
    .expect("six rows of four");
    let project = ProjectRule { width, height, blur: stated::BLUR, near: stated::NEAR, antialiased: false };
    let (least, most, stop) = (stated::LEAST_ALPHA, stated::MOST_ALPHA, stated::LEAST_TRANSMITTANCE);
    let rule = BlendRule { width, height, channels: 3, least, most, stop };
    let shape = [height, width, rule.wide()];
    for backward in [false, true] {
        let case = format!("{} {n} splats {width}x{height}", if backward { "forward and backward" } else { "forward" });
        bench.case("splats", &case, Work::Calls(1.0), |stream| {
            // Not `numbers`, whose rows would lie on few places.
            let mut state = 1_u32;
            let mut uniform = |sizes: &[usize], low: f32, high: f32| {
                let mut next = || {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    low + (high - low) * (state >> 8) as f32 / (1 << 24) as f32
                };
                let x: Vec<f32> = (0..sizes.iter().product()).map(|_| next()).collect();
                GpuOperand::contiguous(&stream.upload(bytemuck::cast_slice(&x))?, GpuType::F32, sizes)
            };
            let (means, rotations) = (uniform(&[n, 3], -1.0, 1.0)?, uniform(&[n, 4], -1.0, 1.0)?);
            let (log_scales, logits) = (uniform(&[n, 3], -6.5, -5.0)?, uniform(&[n], -2.0, 3.0)?);
            let (harmonics, bar) = (uniform(&[n, 16, 3], -0.3, 0.3)?, uniform(&shape, -1.0, 1.0)?);
            let (stream, shapes) = (stream.clone(), GpuSplatShapes { means, rotations, log_scales, logits });
            Ok(Box::new(move || {
                let seen = project_splats(&stream, &project, &camera, &shapes)?;
                let colors = splat_colors(&stream, &camera, [&shapes.means, &harmonics, &seen.depths])?;
                let colors = GpuOperand::contiguous(&colors, GpuType::F32, &[n, 3])?;
                let bins = GpuSplatBins::new(&stream, &rule, &seen, &colors)?;
                let picture = GpuOperand::contiguous(&blend_splats(&stream, &bins)?, GpuType::F32, &shape)?;
                if backward {
                    let (screen, colors) = blend_splats_backward(&stream, &bins, [&picture, &bar])?;
                    splat_colors_backward(&stream, &camera, [&shapes.means, &harmonics, &seen.depths], &colors)?;
                    project_splats_backward(&stream, &project, &camera, &shapes, &seen.depths, &screen)?;
                }
                Ok(())
            }))
        });
    }
}

fn identity(n: usize) -> Vec<f32> {
    (0..n * n).map(|e| if e / n == e % n { 1.0 } else { 0.0 }).collect()
}

/// Each variant of the product where another is chosen, so that the table can be tuned.
fn variants(bench: &Bench) {
    let n = if bench.arguments.small { 256 } else { 4096 };
    for variant in [ProductVariant::Large, ProductVariant::Medium, ProductVariant::Small { parts: 1 }] {
        for (name, dtype) in [("f32", GpuType::F32), ("bf16", GpuType::BF16)] {
            let case = format!("{variant:?} {name} {n}").replace(['{', '}', ':'], "");
            bench.case("variants", &case, Work::Flop(2.0 * (n as f64).powi(3)), |stream| {
                let (a, b) = (numbers(stream, &[n, n], dtype)?, numbers(stream, &[n, n], dtype)?);
                let stream = stream.clone();
                Ok(Box::new(move || product_by(&stream, &a, &b, Some(variant)).map(|_| ())))
            });
        }
    }
}

fn main() -> GpuResult<()> {
    let arguments = Arguments::read();
    let start = Instant::now();
    let gpu = Gpu::open(&GpuOptions { adapter: arguments.adapter.clone(), capabilities: None })?;
    let (summary, Capabilities { workgroup_bytes, workgroup_invocations, binding_bytes, immediates, f16, .. }) =
        (gpu.summary(), gpu.capabilities());
    let (cooperative, subgroups) = (&gpu.capabilities().cooperative, &gpu.capabilities().subgroups);
    let tiles: Vec<String> = cooperative.iter().map(|c| format!("{:?} {} to {}", c.sizes, c.factors, c.sums)).collect();
    println!(
        r#"{{"adapter": {:?}, "backend": {:?}, "kind": {:?}, "workgroup_bytes": {workgroup_bytes}, "workgroup_invocations": {workgroup_invocations}, "binding_bytes": {binding_bytes}, "immediates": {immediates}, "f16": {f16}, "subgroups": {:?}, "cooperative": {tiles:?}}}"#,
        summary.name,
        summary.backend,
        summary.kind,
        subgroups.as_ref().map_or(String::new(), |s| format!("{s:?}")),
    );
    let stream = GpuStream::new(&gpu);
    let sync = stream.upload(&[0; 4])?;
    let bench = Bench { stream, sync, arguments, start };
    // What matters most comes first, since the time may not suffice for all.
    [dispatches, products, attentions, decoding, splats, factors, rows, orders::orders, orders::pictures, variants]
        .iter()
        .for_each(|group| group(&bench));
    Ok(())
}
