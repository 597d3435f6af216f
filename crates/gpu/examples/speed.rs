//! What the kernels reach on each adapter: TFLOP/s of products, GB/s of what memory limits.
//!
//!     cargo run --release -p monotile-gpu --example speed -- [SIDE...]

use std::time::Instant;

use monotile_gpu::{
    Gpu, GpuOperand, GpuOptions, GpuReduction, GpuResult, GpuStream, GpuType, ProductVariant, adapters, map, product_by, reduce,
    softmax,
};
use monotile_kernels::number::{Expr, Number, record};

fn main() -> GpuResult<()> {
    let mut sides: Vec<usize> = std::env::args().skip(1).filter_map(|side| side.parse().ok()).collect();
    if sides.is_empty() {
        sides = vec![512, 1024, 2048, 4096];
    }
    for adapter in adapters() {
        println!("{} ({}, {}): {:?}", adapter.name, adapter.backend, adapter.kind, adapter.capabilities);
        let stream = GpuStream::new(&Gpu::open(&GpuOptions { adapter: Some(adapter.name.clone()), capabilities: None })?);
        for &n in &sides {
            let numbers: Vec<f32> = (0..n * n).map(|i| (i % 61) as f32 / 61.0 - 0.5).collect();
            let block = stream.upload(bytemuck::cast_slice(&numbers))?;
            let x = GpuOperand::contiguous(&block, GpuType::F32, &[n, n])?;
            let half = GpuOperand::contiguous(&monotile_gpu::copy(&stream, &x, GpuType::BF16)?, GpuType::BF16, &[n, n])?;
            let transposed = GpuOperand::strided(&block, GpuType::F32, &[n, n], &[1, n as isize], 0)?;
            let flop = 2.0 * (n as f64).powi(3) / 1e12;
            for variant in [ProductVariant::Large, ProductVariant::Medium, ProductVariant::Small { parts: 1 }] {
                for (name, b) in [("f32", &x), ("f32 transposed", &transposed), ("bf16", &half)] {
                    let a = if name == "bf16" { &half } else { &x };
                    let seconds = time(&stream, || product_by(&stream, a, b, Some(variant)).map(|_| ()))?;
                    println!("  product {n} {name} {variant:?}: {:.3} TFLOP/s", flop / seconds);
                }
            }
            let row = GpuOperand::contiguous(&block, GpuType::F32, &[1, n])?;
            let weights = GpuOperand::strided(half.block(), GpuType::BF16, &[n, n], &[1, n as isize], 0)?;
            let (bytes, gelu) = ((n * n) as f64 / 1e9, record(|[x]: [Expr; 1]| x.gelu()));
            let seconds = time(&stream, || product_by(&stream, &row, &weights, Some(ProductVariant::Rows)).map(|_| ()))?;
            println!("  row times bf16 weights {n}: {:.1} GB/s", 2.0 * bytes / seconds);
            let seconds = time(&stream, || map(&stream, &gelu, std::slice::from_ref(&x), GpuType::F32).map(|_| ()))?;
            println!("  gelu {n} x {n}: {:.1} GB/s", 8.0 * bytes / seconds);
            for axis in [0, 1] {
                let seconds = time(&stream, || reduce(&stream, GpuReduction::Sum, &x, &[axis]).map(|_| ()))?;
                println!("  sum {n} x {n} over axis {axis}: {:.1} GB/s", 4.0 * bytes / seconds);
            }
            let seconds = time(&stream, || softmax(&stream, &x, 1).map(|_| ()))?;
            println!("  softmax {n} x {n}: {:.1} GB/s", 8.0 * bytes / seconds);
        }
    }
    Ok(())
}

/// Seconds of one call, the least of three runs of so many that a read at the end costs little.
fn time(stream: &GpuStream, mut call: impl FnMut() -> GpuResult<()>) -> GpuResult<f64> {
    let sync = stream.upload(&[0; 4])?;
    let mut run = |calls: usize| -> GpuResult<f64> {
        let start = Instant::now();
        (0..calls).try_for_each(|_| call())?;
        stream.read_blocking(&sync)?;
        Ok(start.elapsed().as_secs_f64() / calls as f64)
    };
    run(1)?;
    let calls = (0.05 / run(1)?).clamp(1.0, 200.0) as usize;
    (0..3).try_fold(f64::INFINITY, |least, _| Ok(run(calls)?.min(least)))
}
