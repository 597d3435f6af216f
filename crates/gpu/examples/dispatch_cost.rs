//! What a dispatch costs the CPU: microseconds to record one, on each adapter, with all that it has and as WebGPU 1.0.
//!
//!     cargo run --release -p monotile-gpu --example dispatch_cost

use std::time::Instant;

use monotile_gpu::{
    Capabilities, Gpu, GpuOperand, GpuOptions, GpuReduction, GpuResult, GpuStream, GpuType, adapters, map, product, reduce,
};
use monotile_kernels::number::{Expr, record};

const DISPATCHES: usize = 20_000;

fn main() -> GpuResult<()> {
    for adapter in adapters() {
        for capabilities in [None, Some(Capabilities::webgpu())] {
            let name = format!("{}{}", adapter.name, if capabilities.is_some() { " as WebGPU 1.0" } else { "" });
            let stream = GpuStream::new(&Gpu::open(&GpuOptions { adapter: Some(adapter.name.clone()), capabilities })?);
            let block = stream.upload(&[0; 4 * 256])?;
            let x = GpuOperand::contiguous(&block, GpuType::F32, &[16, 16])?;
            let add = record(|[x, y]: [Expr; 2]| x + y);
            let pair = [x.clone(), x.clone()];
            time(&stream, &format!("{name}: x + y"), || map(&stream, &add, &pair, GpuType::F32).map(|_| ()))?;
            time(&stream, &format!("{name}: sum of rows"), || reduce(&stream, GpuReduction::Sum, &x, &[1]).map(|_| ()))?;
            time(&stream, &format!("{name}: product"), || product(&stream, &x, &x).map(|_| ()))?;
        }
    }
    Ok(())
}

/// Seconds that this thread has computed, where Linux tells: a busy machine does not add to them.
fn computed() -> f64 {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    told.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).map_or(f64::NAN, |ns| 1e-9 * ns)
}

/// The least of five runs, since what else runs on the machine only adds.
fn time(stream: &GpuStream, what: &str, mut call: impl FnMut() -> GpuResult<()>) -> GpuResult<()> {
    let sync = stream.upload(&[0; 4])?;
    let (mut least, mut thread) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..5 {
        call()?;
        stream.read_blocking(&sync)?;
        let (start, before) = (Instant::now(), computed());
        for _ in 0..DISPATCHES / 5 {
            call()?;
        }
        least = least.min(start.elapsed().as_secs_f64() / (DISPATCHES / 5) as f64);
        thread = thread.min((computed() - before) / (DISPATCHES / 5) as f64);
        stream.read_blocking(&sync)?;
    }
    println!("{what}: {:.2} µs a dispatch, {:.2} µs of this thread", 1e6 * least, 1e6 * thread);
    Ok(())
}
