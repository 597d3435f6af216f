//! Elements picked, added and written along an axis by indices; integers compared.

use monotile_kernels::shape::{Shape, product};

use crate::accurate::functions_for;
use crate::error::{GpuError, GpuResult};
use crate::kernel::KernelText;
use crate::operand::{GpuOperand, GpuType, MergedDims, conversions};
use crate::pool::GpuBlock;
use crate::stream::GpuStream;
use crate::team::extreme;
use crate::text::{Text, join, parameter, place_function};

/// Threads of a workgroup.
const THREADS: usize = 64;

/// What an element becomes where an index names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GpuScatter {
    /// The sum of itself and all that is brought, in the order of the axis.
    Add,
    /// The product of itself and all that is brought, in the order of the axis.
    Multiply,
    /// The last that is brought.
    Put,
    /// The largest of itself and all that is brought, or NaN if there is one.
    Max,
    /// The smallest, or NaN if there is one.
    Min,
}

/// An axis, and the sizes of both but for it the same.
fn check(name: &str, x: &GpuOperand, index: &GpuOperand, axis: usize) -> GpuResult<()> {
    let (a, b) = (x.sizes(), index.sizes());
    let fits = axis < a.len() && a.len() == b.len() && (0..a.len()).all(|d| d == axis || a[d] == b[d]);
    match (fits, index.dtype()) {
        (true, GpuType::I32) => Ok(()),
        (true, other) => Err(GpuError::invalid(format!("{name}: indices are of type I32, not {other:?}"))),
        (false, _) => Err(GpuError::invalid(format!("{name}: sizes {a:?} and indices of sizes {b:?} differ outside axis {axis}"))),
    }
}

/// The strides, without a step along an axis.
fn without(strides: &[isize], axis: usize) -> Vec<isize> {
    strides.iter().enumerate().map(|(d, &stride)| if d == axis { 0 } else { stride }).collect()
}

/// out[…, j, …] = x[…, index[…, j, …], …] along an axis: a contiguous block of f32 of the sizes of the indices. What is not there is NaN.
/// Of `I32` the block is of that type, exactly, and what is not there is 0.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuStream, GpuType, gather_along};
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(bytemuck::cast_slice(&[1.0_f32, 2.0, 3.0, 4.0]))?;
/// let x = GpuOperand::contiguous(&block, GpuType::F32, &[2, 2])?;
/// let block = stream.upload(bytemuck::cast_slice(&[1_i32, 0]))?;
/// let index = GpuOperand::contiguous(&block, GpuType::I32, &[2, 1])?;
/// let y = stream.read_blocking(&gather_along(&stream, &x, &index, 1)?)?;
/// assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(&y), [2.0, 3.0]);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// If the sizes differ outside the axis, or the indices are not of type `I32`.
#[doc(alias = "take_along_axis")]
pub fn gather_along(stream: &GpuStream, x: &GpuOperand, index: &GpuOperand, axis: usize) -> GpuResult<GpuBlock> {
    check("gather_along", x, index, axis)?;
    let inputs = [x.block(), index.block()];
    let result = stream.pool().take(product([4, index.elements()]) as u64, &inputs)?;
    let walk = MergedDims::new(index.sizes(), &[&without(x.strides(), axis), index.strides()]);
    let mut words = [index.elements(), x.offset(), index.offset(), x.sizes()[axis]].map(|number| number as u32).to_vec();
    words.push(x.strides()[axis] as u32);
    words.extend(walk.sizes.iter().map(|&size| size as u32));
    words.extend(walk.strides.iter().flatten().map(|&stride| stride as u32));
    let (dtype, rank) = (x.dtype(), walk.rank());
    let kernel = stream.kernel(("gather_along", vec![dtype as u64, rank as u64]), || gather_text(dtype, rank))?;
    stream.dispatch(&kernel, &inputs, &[&result], &words, index.elements().div_ceil(THREADS) as u64)?;
    Ok(result)
}

/// The start of a kernel whose threads have an element each.
fn own_element() -> Text {
    let mut text = Text::default();
    text.line(format_args!("    let at = group * {THREADS}u + local;\n    if (at >= {}) {{ return; }}", parameter(0)));
    text
}

/// `fn name(place: u32) -> f32`, an element of an input.
fn number(name: &str, dtype: GpuType, input: usize) -> String {
    format!("fn {name}(place: u32) -> f32 {{\n    return {};\n}}\n", dtype.read(&format!("a{input}"), "place"))
}

/// The same, or the integer itself.
fn number_or_integer(name: &str, dtype: GpuType, input: usize, exact: bool) -> String {
    match exact {
        true => format!("fn {name}(place: u32) -> i32 {{\n    return a{input}[place];\n}}\n"),
        false => number(name, dtype, input),
    }
}

fn gather_text(dtype: GpuType, rank: usize) -> KernelText {
    let exact = dtype == GpuType::I32;
    let mut globals =
        functions_for("accurate_of_bits(") + &conversions(&[dtype], &[]) + "\n" + &number_or_integer("number", dtype, 0, exact);
    globals += &place_function("place_of_x", rank, 5, 5 + rank);
    globals += &place_function("place_of_index", rank, 5, 5 + 2 * rank);
    let mut text = own_element();
    text.line(format_args!("    let index = a1[{} + place_of_index(at)];", parameter(2)));
    text.line(if exact { "    var value = 0;" } else { "    var value = accurate_of_bits(0x7fc00000u);" });
    text.line(format_args!("    if (index >= 0 && u32(index) < {}) {{", parameter(3)));
    text.line(format_args!("        value = number({} + place_of_x(at) + u32(index) * {});", parameter(1), parameter(4)));
    text.line("    }\n    y0[at] = value;");
    KernelText {
        inputs: vec![dtype.single(), "i32"],
        outputs: vec![if exact { "i32" } else { "f32" }],
        words: 5 + 3 * rank,
        threads: THREADS,
        globals,
        body: text.finish(),
    }
}

/// x with source[…, j, …] brought to out[…, index[…, j, …], …] along an axis: a contiguous block of f32 of the sizes of x. Indices of
/// what is not there bring nothing. Where x and the source are of type `I32`, so is the block, exactly; sums and products wrap.
///
/// Each element looks through the indices of its line in their order, so that the same adapter gives the same bits, and the work
/// grows with the size of the axis twice.
///
/// # Errors
/// If the sizes differ outside the axis, those of the indices and the source differ, or the indices are not of type `I32`.
#[doc(alias = "scatter_add")]
pub fn scatter_along(
    stream: &GpuStream,
    how: GpuScatter,
    x: &GpuOperand,
    index: &GpuOperand,
    source: &GpuOperand,
    axis: usize,
) -> GpuResult<GpuBlock> {
    check("scatter_along", x, index, axis)?;
    if source.sizes() != index.sizes() {
        let (a, b) = (index.sizes(), source.sizes());
        return Err(GpuError::invalid(format!("scatter_along: indices of sizes {a:?} for a source of sizes {b:?}")));
    }
    let inputs = [x.block(), index.block(), source.block()];
    let result = stream.pool().take(product([4, x.elements()]) as u64, &inputs)?;
    let row_major = Shape::new(x.sizes()).map(|shape| shape.row_major()).unwrap_or_default();
    let strides = [x.strides(), &without(index.strides(), axis), &without(source.strides(), axis)];
    let walk = MergedDims::new(x.sizes(), &strides);
    let mut words = [x.elements(), x.offset(), index.offset(), source.offset()].map(|number| number as u32).to_vec();
    // Of the axis: elements from one index of it to the next, its size, and of the indices their number and steps.
    words.extend([row_major[axis] as u32, x.sizes()[axis] as u32, index.sizes()[axis] as u32]);
    words.extend([index.strides()[axis] as u32, source.strides()[axis] as u32]);
    words.extend(walk.sizes.iter().map(|&size| size as u32));
    words.extend(walk.strides.iter().flatten().map(|&stride| stride as u32));
    let (types, rank) = ([x.dtype(), source.dtype()], walk.rank());
    let key = vec![how as u64, types[0] as u64, types[1] as u64, rank as u64];
    let kernel = stream.kernel(("scatter_along", key), || scatter_text(how, types, rank))?;
    stream.dispatch(&kernel, &inputs, &[&result], &words, x.elements().div_ceil(THREADS) as u64)?;
    Ok(result)
}

fn scatter_text(how: GpuScatter, types: [GpuType; 2], rank: usize) -> KernelText {
    let exact = types == [GpuType::I32; 2];
    let mut globals = conversions(&types, &[]) + "\n" + &number_or_integer("number", types[0], 0, exact);
    globals += &number_or_integer("brought", types[1], 2, exact);
    for (i, name) in ["x", "index", "source"].into_iter().enumerate() {
        globals += &place_function(&format!("place_of_{name}"), rank, 9, 9 + (i + 1) * rank);
    }
    let combined = match how {
        GpuScatter::Add => "value + new_value",
        GpuScatter::Multiply => "value * new_value",
        GpuScatter::Put => "new_value",
        GpuScatter::Max if exact => "max(value, new_value)",
        GpuScatter::Min if exact => "min(value, new_value)",
        GpuScatter::Max => "larger(value, new_value)",
        GpuScatter::Min => "smaller(value, new_value)",
    };
    match how {
        GpuScatter::Max => globals += &extreme("larger", '>'),
        GpuScatter::Min => globals += &extreme("smaller", '<'),
        GpuScatter::Add | GpuScatter::Multiply | GpuScatter::Put => {}
    }
    let mut text = own_element();
    text.line(format_args!("    let own = (at / {}) % {};", parameter(4), parameter(5)));
    text.line(format_args!("    let indices = {} + place_of_index(at);", parameter(2)));
    text.line(format_args!("    let sources = {} + place_of_source(at);", parameter(3)));
    text.line(format_args!("    var value = number({} + place_of_x(at));", parameter(1)));
    text.line(format_args!("    for (var j = 0u; j < {}; j += 1u) {{", parameter(6)));
    text.line(format_args!("        if (a1[indices + j * {}] == i32(own)) {{", parameter(7)));
    text.line(format_args!("            let new_value = brought(sources + j * {});", parameter(8)));
    text.line(format_args!("            value = {combined};\n        }}\n    }}\n    y0[at] = value;"));
    KernelText {
        inputs: vec![types[0].single(), "i32", types[1].single()],
        outputs: vec![if exact { "i32" } else { "f32" }],
        words: 9 + 4 * rank,
        threads: THREADS,
        globals,
        body: text.finish(),
    }
}

/// Whether integers of two operands of type `I32` and the same sizes compare so, by a sign of WGSL: a contiguous block of `Bool`.
///
/// # Errors
/// If the sizes differ, a type is another, or the sign compares nothing.
pub fn compare_integers(stream: &GpuStream, a: &GpuOperand, b: &GpuOperand, sign: &'static str) -> GpuResult<GpuBlock> {
    let Some(known) = SIGNS.iter().position(|known| *known == sign) else {
        return Err(GpuError::invalid(format!("compare_integers: {sign} compares nothing")));
    };
    if a.sizes() != b.sizes() || [a.dtype(), b.dtype()] != [GpuType::I32; 2] {
        let seen = [a, b].map(|x| format!("{:?} of sizes {:?}", x.dtype(), x.sizes())).join(" and ");
        return Err(GpuError::invalid(format!("compare_integers: {seen} are not I32 of the same sizes")));
    }
    let inputs = [a.block(), b.block()];
    let result = stream.pool().take(a.elements() as u64, &inputs)?;
    let walk = MergedDims::new(a.sizes(), &[a.strides(), b.strides()]);
    let mut words = [a.elements(), a.offset(), b.offset()].map(|number| number as u32).to_vec();
    words.extend(walk.sizes.iter().map(|&size| size as u32));
    words.extend(walk.strides.iter().flatten().map(|&stride| stride as u32));
    let rank = walk.rank();
    let kernel = stream.kernel(("compare_integers", vec![known as u64, rank as u64]), || compare_text(sign, rank))?;
    stream.dispatch(&kernel, &inputs, &[&result], &words, a.elements().div_ceil(4 * THREADS) as u64)?;
    Ok(result)
}

/// Integers of `a` where the mask, of type `Bool`, is true, and of `b` elsewhere: a contiguous block of `I32`. All have the same sizes.
///
/// # Errors
/// If the sizes differ, or a type is another.
#[doc(alias = "where")]
pub fn select_integers(stream: &GpuStream, mask: &GpuOperand, a: &GpuOperand, b: &GpuOperand) -> GpuResult<GpuBlock> {
    let all = [mask, a, b];
    let types = all.map(GpuOperand::dtype) == [GpuType::Bool, GpuType::I32, GpuType::I32];
    if !types || all.iter().any(|x| x.sizes() != a.sizes()) {
        let seen = all.map(|x| format!("{:?} of sizes {:?}", x.dtype(), x.sizes())).join(", ");
        return Err(GpuError::invalid(format!("select_integers: {seen} are not a mask and two of I32 of the same sizes")));
    }
    let inputs = all.map(GpuOperand::block);
    let result = stream.pool().take(product([4, a.elements()]) as u64, &inputs)?;
    let walk = MergedDims::new(a.sizes(), &all.map(GpuOperand::strides));
    let mut words = vec![a.elements() as u32];
    words.extend(all.map(|x| x.offset() as u32));
    words.extend(walk.sizes.iter().map(|&size| size as u32));
    words.extend(walk.strides.iter().flatten().map(|&stride| stride as u32));
    let rank = walk.rank();
    let kernel = stream.kernel(("select_integers", vec![rank as u64]), || select_text(rank))?;
    stream.dispatch(&kernel, &inputs, &[&result], &words, a.elements().div_ceil(THREADS) as u64)?;
    Ok(result)
}

fn select_text(rank: usize) -> KernelText {
    let mut globals = number("truth_of", GpuType::Bool, 0);
    for (i, name) in ["mask", "a", "b"].into_iter().enumerate() {
        globals += &place_function(&format!("place_of_{name}"), rank, 4, 4 + (i + 1) * rank);
    }
    let mut text = own_element();
    let of = |i: usize, name: &str| format!("{} + place_of_{name}(at)", parameter(1 + i));
    let (a, b) = (format!("a1[{}]", of(1, "a")), format!("a2[{}]", of(2, "b")));
    text.line(format_args!("    y0[at] = select({b}, {a}, truth_of({}) != 0.0);", of(0, "mask")));
    KernelText {
        inputs: vec!["u32", "i32", "i32"],
        outputs: vec!["i32"],
        words: 4 + 4 * rank,
        threads: THREADS,
        globals,
        body: text.finish(),
    }
}

const SIGNS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

fn compare_text(sign: &str, rank: usize) -> KernelText {
    let globals = place_function("place_of_a", rank, 3, 3 + rank) + &place_function("place_of_b", rank, 3, 3 + 2 * rank);
    let mut text = Text::default();
    text.line(format_args!("    let quad = group * {THREADS}u + local;"));
    text.line(format_args!("    if (quad >= ({} + 3u) / 4u) {{ return; }}", parameter(0)));
    text.unrolled(4, |lane| format!("    let e{lane} = min(quad * 4u + {lane}u, {} - 1u);", parameter(0)));
    text.unrolled(4, |lane| {
        let (a, b) = (parameter(1), parameter(2));
        format!("    let t{lane} = a0[{a} + place_of_a(e{lane})] {sign} a1[{b} + place_of_b(e{lane})];")
    });
    text.line(format_args!("    y0[quad] = {};", join(4, " | ", |lane| format!("select(0u, {}u, t{lane})", 1 << (8 * lane)))));
    KernelText { inputs: vec!["i32"; 2], outputs: vec!["u32"], words: 3 + 3 * rank, threads: THREADS, globals, body: text.finish() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;

    #[test]
    fn every_text_is_a_shader() {
        for (rank, dtype) in [GpuType::F32, GpuType::BF16, GpuType::F16, GpuType::I32, GpuType::Bool].into_iter().enumerate() {
            validate(&gather_text(dtype, rank));
            let how = [GpuScatter::Add, GpuScatter::Put, GpuScatter::Max, GpuScatter::Min][rank % 4];
            validate(&scatter_text(how, [dtype, GpuType::F32], rank));
            validate(&scatter_text(how, [GpuType::I32; 2], rank));
            validate(&select_text(rank));
            SIGNS.into_iter().for_each(|sign| validate(&compare_text(sign, rank)));
        }
    }
}
