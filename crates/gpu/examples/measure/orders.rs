//! Orders, distances, and pictures that are compared and sampled.

use monotile_gpu::{GpuOperand, GpuSampler, GpuType, distances, distinct, order_rows, ssim, ssim_backward};
use monotile_kernels::distance::Metric;
use monotile_kernels::sample::{SampleDims, SampleMode, SamplePadding, SampleRule};
use monotile_kernels::ssim::SsimRule;

use super::{Bench, Work, numbers};

/// Numbers in order, and which differ; distances of points.
pub fn orders(bench: &Bench) {
    let small = bench.arguments.small;
    for [rows, n] in if small { [[1, 10_000], [100, 100]] } else { [[1, 1 << 24], [16_384, 1024]] } {
        bench.case("order", &format!("argsort {rows}x{n}"), Work::Calls((rows * n) as f64 / 1e6), |stream| {
            let (x, stream) = (numbers(stream, &[rows, n], GpuType::F32)?, stream.clone());
            Ok(Box::new(move || order_rows(&stream, &x, false).map(|_| ())))
        });
    }
    let n = if small { 10_000 } else { 1 << 24 };
    bench.case("order", &format!("unique {n}"), Work::Calls(n as f64 / 1e6), |stream| {
        let (x, stream) = (numbers(stream, &[n], GpuType::F32)?, stream.clone());
        Ok(Box::new(move || distinct(&stream, &x).map(|_| ())))
    });
    let [n, d] = if small { [100, 8] } else { [8192, 64] };
    bench.case("order", &format!("cdist {n}x{n}x{d}"), Work::Flop(3.0 * (n * n * d) as f64), |stream| {
        let (x, y) = (numbers(stream, &[n, d], GpuType::F32)?, numbers(stream, &[d, n], GpuType::F32)?);
        let stream = stream.clone();
        Ok(Box::new(move || distances(&stream, Metric::Euclidean, &x, &y).map(|_| ())))
    });
}

/// SSIM with its gradient, and a grid with both of its gradients.
pub fn pictures(bench: &Bench) {
    let side = if bench.arguments.small { 64 } else { 1024 };
    let rule = SsimRule { height: side, width: side, channels: 3, within: false };
    bench.case("picture", &format!("ssim and its gradient {side}"), Work::Bytes((side * side * 3 * 8) as f64), |stream| {
        let sizes = [side, side, 3];
        let (x, y) = (numbers(stream, &sizes, GpuType::F32)?, numbers(stream, &sizes, GpuType::F32)?);
        let stream = stream.clone();
        Ok(Box::new(move || ssim_backward(&stream, &ssim(&stream, &rule, [&x, &y])?, false).map(|_| ())))
    });
    let [batch, channels, side] = if bench.arguments.small { [1, 4, 32] } else { [8, 64, 256] };
    let dims = SampleDims { batch, channels, height: side, width: side, points: side * side };
    let rule = SampleRule { mode: SampleMode::Bilinear, padding: SamplePadding::Zeros, align_corners: false };
    for backward in [false, true] {
        let name = format!("grid_sample {batch}x{channels}x{side}{}", if backward { " with gradients" } else { "" });
        bench.case("picture", &name, Work::Bytes((batch * channels * side * side * 8) as f64), |stream| {
            let sizes = [batch, channels, side, side];
            let (x, g) = (numbers(stream, &sizes, GpuType::F32)?, numbers(stream, &[batch, channels, side * side], GpuType::F32)?);
            let (grid, stream): (GpuOperand, _) = (numbers(stream, &[batch, side * side, 2], GpuType::F32)?, stream.clone());
            Ok(Box::new(move || {
                let sampler = GpuSampler::new(&stream, dims, rule, &grid)?;
                sampler.samples(&x)?;
                if backward {
                    sampler.by_pictures(&g)?;
                    sampler.by_grid(&x, &g)?;
                }
                Ok(())
            }))
        });
    }
}
