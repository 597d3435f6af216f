//! Every kernel against plain loops, on each adapter: with all that it has, and with no more than WebGPU 1.0 promises.

mod attention;
mod device;
mod elementwise;
mod factor;
mod order;
mod pictures;
mod places;
mod points;
mod product;
mod reduce;
mod rows;
mod splat;

use monotile_gpu::{Capabilities, Gpu, GpuBlock, GpuErrorKind, GpuOperand, GpuOptions, GpuStream, GpuType, adapters};

/// A stream with all that an adapter has, and one with WebGPU's defaults; none where there is no adapter.
fn streams() -> Vec<(String, GpuStream)> {
    let required = std::env::var_os("MONOTILE_REQUIRE_GPU").is_some_and(|v| v == "1");
    let mut streams = Vec::new();
    for adapter in adapters() {
        for capabilities in [None, Some(Capabilities::webgpu())] {
            let label = format!("{}{}", adapter.name, if capabilities.is_some() { " as WebGPU 1.0" } else { "" });
            let options = GpuOptions { adapter: Some(adapter.name.clone()), capabilities };
            match Gpu::open(&options) {
                Ok(gpu) => streams.push((label, GpuStream::new(&gpu))),
                // An adapter may be less than WebGPU.
                Err(error) if error.kind == GpuErrorKind::Unsupported && !required => eprintln!("skipped: {error}"),
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(!required || !streams.is_empty(), "no adapter");
    if streams.is_empty() {
        eprintln!("skipped: no adapter");
    }
    streams
}

/// Numbers from -2 to 2 without a pattern.
fn numbers(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(747_796_405).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 22) as f32 - 2.0
    };
    (0..n).map(|_| next()).collect()
}

fn upload(stream: &GpuStream, x: &[f32]) -> GpuBlock {
    stream.upload(bytemuck::cast_slice(x)).unwrap()
}

fn download(stream: &GpuStream, block: &GpuBlock) -> Vec<f32> {
    bytemuck::pod_collect_to_vec(&stream.read_blocking(block).unwrap())
}

/// Elements as a layout shows them.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Layout {
    Plain,
    Transposed,
    Expanded,
    Sliced,
    Reversed,
}

const LAYOUTS: [Layout; 5] = [Layout::Plain, Layout::Transposed, Layout::Expanded, Layout::Sliced, Layout::Reversed];

/// An operand of these sizes in a layout of its last two dimensions, and its elements in order as f32.
fn operand(stream: &GpuStream, sizes: &[usize], layout: Layout, dtype: GpuType, seed: u32) -> (GpuOperand, Vec<f32>) {
    let rank = sizes.len();
    let (rows, columns) = (sizes[rank - 2], sizes[rank - 1]);
    let ([r, c], block, offset): ([isize; 2], usize, usize) = match layout {
        Layout::Plain => ([columns as isize, 1], rows * columns, 0),
        Layout::Transposed => ([1, rows as isize], rows * columns, 0),
        Layout::Expanded => ([0, 1], columns, 0),
        Layout::Sliced => ([2 * columns as isize + 3, 2], rows * (2 * columns + 3), 3),
        Layout::Reversed => ([-(columns as isize), -1], rows * columns, rows * columns - 1),
    };
    let outer: usize = sizes[..rank - 2].iter().product();
    let mut strides = vec![0_isize; rank];
    (strides[rank - 2], strides[rank - 1]) = (r, c);
    let mut all = block as isize;
    for d in (0..rank - 2).rev() {
        strides[d] = all;
        all *= sizes[d] as isize;
    }
    let memory: Vec<f32> = numbers(outer * block + offset, seed).into_iter().map(|x| rounded(x, dtype)).collect();
    let bytes: Vec<u8> = memory.iter().flat_map(|&x| encoded(x, dtype)).collect();
    let block = stream.upload(&bytes).unwrap();
    let view = GpuOperand::strided(&block, dtype, sizes, &strides, offset).unwrap();
    let elements = indices(sizes).map(|index| {
        let place = index.iter().zip(&strides).map(|(&i, &s)| i as isize * s).sum::<isize>() + offset as isize;
        memory[place as usize]
    });
    (view, elements.collect())
}

fn rounded(x: f32, dtype: GpuType) -> f32 {
    match dtype {
        GpuType::F32 => x,
        GpuType::BF16 => monotile_kernels::bf16::from_f32(x).to_f32(),
        GpuType::F16 => monotile_kernels::f16::from_f32(x).to_f32(),
        GpuType::I32 => x as i32 as f32,
        GpuType::Bool => f32::from(x > 0.0),
    }
}

fn encoded(x: f32, dtype: GpuType) -> Vec<u8> {
    match dtype {
        GpuType::F32 => x.to_le_bytes().to_vec(),
        GpuType::BF16 => monotile_kernels::bf16::from_f32(x).to_le_bytes().to_vec(),
        GpuType::F16 => monotile_kernels::f16::from_f32(x).to_le_bytes().to_vec(),
        GpuType::I32 => (x as i32).to_le_bytes().to_vec(),
        GpuType::Bool => vec![u8::from(x != 0.0)],
    }
}

/// All indices below these sizes in row-major order.
fn indices(sizes: &[usize]) -> impl Iterator<Item = Vec<usize>> + '_ {
    (0..sizes.iter().product()).map(|mut rest: usize| {
        let mut index = vec![0; sizes.len()];
        for d in (0..sizes.len()).rev() {
            index[d] = rest % sizes[d];
            rest /= sizes[d];
        }
        index
    })
}

/// Panics unless numbers are equal but for `tolerance`, taken of the larger of one and the number expected.
#[track_caller]
fn close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (number, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let both_nan = found.is_nan() && expected.is_nan();
        let same =
            both_nan || f64::from(found) == expected || (f64::from(found) - expected).abs() <= tolerance * expected.abs().max(1.0);
        assert!(same, "{what}: number {number} is {found}, not {expected}");
    }
}
