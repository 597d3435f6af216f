//! Elements as they are, into other places: filled, joined along an axis, written through strides.

use monotile_kernels::shape::{count, product, reach};

use crate::error::{GpuError, GpuResult};
use crate::kernel::KernelText;
use crate::operand::{GpuOperand, GpuType, MergedDims, conversions};
use crate::pool::GpuBlock;
use crate::stream::GpuStream;
use crate::text::{Text, join as joined, parameter, place_function};

/// Threads of a workgroup.
const THREADS: usize = 64;
/// The most operands that one kernel joins.
pub const MAX_JOINED: usize = 6;

/// So many times one number, as f32.
///
/// # Errors
/// If the device refuses so large a block.
#[doc(alias = "full")]
pub fn fill(stream: &GpuStream, value: f32, elements: usize) -> GpuResult<GpuBlock> {
    filled(stream, Filling::Bits(value.to_bits()), elements, &[])
}

/// So many times one integer, as i32.
///
/// # Errors
/// As [`fill`].
pub fn fill_integers(stream: &GpuStream, value: i32, elements: usize) -> GpuResult<GpuBlock> {
    filled(stream, Filling::Bits(value as u32), elements, &[])
}

/// 0, 1, … up to so many numbers, as f32.
///
/// # Errors
/// As [`fill`].
#[doc(alias = "arange")]
pub fn count_up(stream: &GpuStream, elements: usize) -> GpuResult<GpuBlock> {
    filled(stream, Filling::Places, elements, &[])
}

/// What fills a block.
enum Filling {
    /// One word.
    Bits(u32),
    /// The number of each place.
    Places,
}

fn filled(stream: &GpuStream, value: Filling, elements: usize, beside: &[&GpuBlock]) -> GpuResult<GpuBlock> {
    let (places, bits) = match value {
        Filling::Bits(bits) => (false, bits),
        Filling::Places => (true, 0),
    };
    let result = stream.pool().take(product([4, elements]) as u64, beside)?;
    let kernel = stream.kernel(("fill", vec![u64::from(places)]), || fill_text(places))?;
    let words = [elements as u32, bits];
    stream.dispatch(&kernel, &[], &[&result], &words, elements.div_ceil(THREADS) as u64)?;
    Ok(result)
}

fn fill_text(places: bool) -> KernelText {
    let mut text = Text::default();
    text.line(format_args!("    let at = group * {THREADS}u + local;\n    if (at >= {}) {{ return; }}", parameter(0)));
    let value = if places { "bitcast<u32>(f32(at))".to_string() } else { parameter(1) };
    text.line(format_args!("    y0[at] = {value};"));
    KernelText { outputs: vec!["u32"], words: 2, threads: THREADS, body: text.finish(), ..Default::default() }
}

/// Operands of one type one after another along an axis, at most six: a contiguous block of that type.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuStream, GpuType, join};
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(bytemuck::cast_slice(&[1.0_f32, 2.0, 3.0, 4.0]))?;
/// let x = GpuOperand::contiguous(&block, GpuType::F32, &[2, 2])?;
/// let y = GpuOperand::strided(&block, GpuType::F32, &[2, 1], &[2, 1], 1)?;
/// let both = stream.read_blocking(&join(&stream, &[x, y], 1)?)?;
/// assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(&both), [1.0, 2.0, 2.0, 3.0, 4.0, 4.0]);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// If there are none or more than six, or they differ in type or in a size that is not the axis.
#[doc(alias = "cat")]
#[doc(alias = "concatenate")]
pub fn join(stream: &GpuStream, operands: &[GpuOperand], axis: usize) -> GpuResult<GpuBlock> {
    let (dtype, sizes) = match operands {
        [first, ..] if operands.len() <= MAX_JOINED && axis < first.sizes().len() => (first.dtype(), first.sizes()),
        _ => return Err(GpuError::invalid(format!("join: {} operands along axis {axis}", operands.len()))),
    };
    let same = |other: &GpuOperand| {
        other.sizes().len() == sizes.len() && (0..sizes.len()).all(|d| d == axis || other.sizes()[d] == sizes[d])
    };
    if let Some(other) = operands.iter().find(|other| other.dtype() != dtype || !same(other)) {
        let (a, b) = (sizes, other.sizes());
        return Err(GpuError::invalid(format!("join: operands of sizes {a:?} and {b:?} along axis {axis}, or of two types")));
    }
    let inner = count(&sizes[axis + 1..]);
    let width = |operand: &GpuOperand| operand.sizes()[axis] * inner;
    let row: usize = operands.iter().map(width).sum();
    let elements = product([count(&sizes[..axis]), row]);
    let blocks: Vec<&GpuBlock> = operands.iter().map(GpuOperand::block).collect();
    let result = stream.pool().take(product([elements, dtype.bytes()]) as u64, &blocks)?;
    // Each is walked by itself: where it is contiguous its walk is one dimension.
    let walks: Vec<MergedDims> = operands.iter().map(|x| MergedDims::new(x.sizes(), &[x.strides()])).collect();
    let ranks: Vec<usize> = walks.iter().map(MergedDims::rank).collect();
    let mut words = vec![elements as u32, row as u32];
    let mut start = 0;
    for operand in operands {
        words.extend([start, operand.offset(), width(operand)].map(|number| number as u32));
        start += width(operand);
    }
    for walk in &walks {
        words.extend(walk.sizes.iter().map(|&size| size as u32));
        words.extend(walk.strides[0].iter().map(|&stride| stride as u32));
    }
    let key = [dtype as u64].into_iter().chain(ranks.iter().map(|&rank| rank as u64)).collect();
    let kernel = stream.kernel(("join", key), || join_text(dtype, &ranks))?;
    stream.dispatch(&kernel, &blocks, &[&result], &words, elements.div_ceil(4 * THREADS) as u64)?;
    Ok(result)
}

fn join_text(dtype: GpuType, ranks: &[usize]) -> KernelText {
    let count = ranks.len();
    // Bits are moved: an `i32` is an `f32` as far as buffers are concerned, and no number is changed.
    let moved = if dtype == GpuType::F32 { GpuType::I32 } else { dtype };
    let (number, element) =
        if moved == GpuType::I32 { ("i32", "a@[place]".to_string()) } else { ("f32", moved.read("a@", "place")) };
    let mut globals = Text::default();
    globals.line(conversions(&[moved], &[moved]));
    let mut word = 2 + 3 * count;
    for (i, &rank) in ranks.iter().enumerate() {
        globals.line(place_function(&format!("place{i}"), rank, word, word + rank));
        word += 2 * rank;
    }
    globals.line(format_args!(
        "fn element(at: u32) -> {number} {{\n    let line = at / {0};\n    let column = at % {0};",
        parameter(1)
    ));
    for i in 0..count {
        let [start, offset, width] = [0, 1, 2].map(|k| parameter(2 + 3 * i + k));
        globals.line(format_args!("    if (column < {start} + {width}) {{"));
        globals.line(format_args!("        let place = {offset} + place{i}(line * {width} + (column - {start}));"));
        globals.line(format_args!("        return {};\n    }}", element.replace('@', &i.to_string())));
    }
    globals.line(format_args!("    return {number}(0);\n}}"));
    let mut text = Text::default();
    text.line(format_args!("    let quad = group * {THREADS}u + local;"));
    text.line(format_args!("    if (quad >= ({} + 3u) / 4u) {{ return; }}", parameter(0)));
    text.unrolled(4, |lane| format!("    let e{lane} = element(min(quad * 4u + {lane}u, {} - 1u));", parameter(0)));
    text.line(format_args!("    let w = vec4<{number}>({});", joined(4, ", ", |lane| format!("e{lane}"))));
    let value = if moved == GpuType::I32 { "w".to_string() } else { moved.write_four("w") };
    text.line(format_args!("    y0[quad] = {value};"));
    KernelText {
        inputs: vec![moved.single(); count],
        outputs: vec![moved.four()],
        words: word,
        threads: THREADS,
        globals: globals.finish(),
        body: text.finish(),
    }
}

/// Zeros as f32, `elements` of them, but for the operand's elements at `offset` and by these strides.
///
/// No two elements of the operand may have one place.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuStream, GpuType, embed};
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(bytemuck::cast_slice(&[1.0_f32, 2.0]))?;
/// let x = GpuOperand::contiguous(&block, GpuType::F32, &[2])?;
/// let y = stream.read_blocking(&embed(&stream, &x, 5, &[-3], 4)?)?;
/// assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(&y), [0.0, 2.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// If a place is not among the elements, or there is not one stride a dimension.
pub fn embed(stream: &GpuStream, x: &GpuOperand, elements: usize, strides: &[isize], offset: usize) -> GpuResult<GpuBlock> {
    let extent = reach(x.sizes().iter().copied().zip(strides.iter().copied()));
    let inside = extent.is_some_and(|extent| monotile_kernels::shape::inside(offset, extent, elements));
    if strides.len() != x.sizes().len() || x.elements() > 0 && !inside {
        let sizes = x.sizes();
        return Err(GpuError::invalid(format!(
            "embed: sizes {sizes:?} by strides {strides:?} from {offset} leave {elements} elements"
        )));
    }
    let result = filled(stream, Filling::Bits(0), elements, &[x.block()])?;
    let walk = MergedDims::new(x.sizes(), &[x.strides(), strides]);
    let mut words = [x.elements(), x.offset(), offset].map(|number| number as u32).to_vec();
    words.extend(walk.sizes.iter().map(|&size| size as u32));
    words.extend(walk.strides.iter().flatten().map(|&stride| stride as u32));
    let (dtype, rank) = (x.dtype(), walk.rank());
    let kernel = stream.kernel(("embed", vec![dtype as u64, rank as u64]), || embed_text(dtype, rank))?;
    stream.dispatch(&kernel, &[x.block()], &[&result], &words, x.elements().div_ceil(THREADS) as u64)?;
    Ok(result)
}

fn embed_text(dtype: GpuType, rank: usize) -> KernelText {
    let mut globals = Text::default();
    globals.line(conversions(&[dtype], &[]));
    globals.line(place_function("place_of_x", rank, 3, 3 + rank)).line(place_function("place_of_y", rank, 3, 3 + 2 * rank));
    let mut text = Text::default();
    text.line(format_args!("    let at = group * {THREADS}u + local;\n    if (at >= {}) {{ return; }}", parameter(0)));
    text.line(format_args!("    let source = {} + place_of_x(at);", parameter(1)));
    text.line(format_args!("    y0[{} + place_of_y(at)] = {};", parameter(2), dtype.read("a0", "source")));
    KernelText {
        inputs: vec![dtype.single()],
        outputs: vec!["f32"],
        words: 3 + 3 * rank,
        threads: THREADS,
        globals: globals.finish(),
        body: text.finish(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;

    #[test]
    fn every_text_is_a_shader() {
        [false, true].into_iter().for_each(|places| validate(&fill_text(places)));
        for (rank, dtype) in [GpuType::F32, GpuType::BF16, GpuType::F16, GpuType::I32, GpuType::Bool].into_iter().enumerate() {
            validate(&join_text(dtype, &[rank, 0, 1, 2][..=rank.min(3)]));
            validate(&embed_text(dtype, rank));
        }
    }
}
