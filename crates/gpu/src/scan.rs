//! What elements become by those up to them along an axis.

use monotile_kernels::shape::{count, product};

use crate::accurate::functions_for;
use crate::error::{GpuError, GpuResult};
use crate::kernel::KernelText;
use crate::operand::{GpuOperand, GpuType, MergedDims, conversions};
use crate::pool::GpuBlock;
use crate::stream::GpuStream;
use crate::team::extreme;
use crate::text::{Text, parameter, place_function};

/// Threads of a workgroup, a line each.
const THREADS: usize = 64;

/// What a scan makes of the numbers up to each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GpuScan {
    /// Their sum.
    Sum,
    /// Their product.
    Product,
    /// ln Σ exp.
    LogSumExp,
}

/// The operand scanned along an axis: a contiguous block of f32 of its sizes.
///
/// A thread walks a line, in its order: the same adapter gives the same bits, and few long lines keep few threads busy.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuScan, GpuStream, GpuType, scan};
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(bytemuck::cast_slice(&[1.0_f32, 2.0, 3.0, 4.0]))?;
/// let x = GpuOperand::contiguous(&block, GpuType::F32, &[2, 2])?;
/// let y = stream.read_blocking(&scan(&stream, GpuScan::Sum, &x, 1)?)?;
/// assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(&y), [1.0, 3.0, 3.0, 7.0]);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// If there is no such axis.
#[doc(alias = "cumsum")]
#[doc(alias = "cumprod")]
#[doc(alias = "logcumsumexp")]
pub fn scan(stream: &GpuStream, kind: GpuScan, x: &GpuOperand, axis: usize) -> GpuResult<GpuBlock> {
    run(stream, Step::Scan(kind), &[x], axis)
}

/// yⱼ = aⱼ yⱼ₋₁ + bⱼ along an axis, from y = 0, of two operands of the same sizes: a contiguous block of f32.
///
/// # Errors
/// If there is no such axis, or the sizes differ.
pub fn recurrence(stream: &GpuStream, a: &GpuOperand, b: &GpuOperand, axis: usize) -> GpuResult<GpuBlock> {
    run(stream, Step::Recurrence, &[b, a], axis)
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Scan(GpuScan),
    Recurrence,
}

impl Step {
    fn key(self) -> u64 {
        match self {
            Self::Scan(kind) => kind as u64,
            Self::Recurrence => 3,
        }
    }
}

fn run(stream: &GpuStream, step: Step, operands: &[&GpuOperand], axis: usize) -> GpuResult<GpuBlock> {
    let sizes = operands[0].sizes();
    if axis >= sizes.len() || operands.iter().any(|x| x.sizes() != sizes) {
        let all: Vec<&[usize]> = operands.iter().map(|x| x.sizes()).collect();
        return Err(GpuError::invalid(format!("scan: operands of sizes {all:?} along axis {axis}")));
    }
    let others = |strides: &[isize]| -> Vec<isize> { (0..sizes.len()).filter(|&d| d != axis).map(|d| strides[d]).collect() };
    let lines: Vec<usize> = (0..sizes.len()).filter(|&d| d != axis).map(|d| sizes[d]).collect();
    let strides: Vec<Vec<isize>> = operands.iter().map(|x| others(x.strides())).collect();
    let walk = MergedDims::new(&lines, &strides.iter().map(|strides| &strides[..]).collect::<Vec<_>>());
    let blocks: Vec<&GpuBlock> = operands.iter().map(|x| x.block()).collect();
    let result = stream.pool().take(product([4, operands[0].elements()]) as u64, &blocks)?;
    // Lines, their length, and in the result the elements from one number of a line to the next.
    let mut words = [count(&lines), sizes[axis], count(&sizes[axis + 1..])].map(|number| number as u32).to_vec();
    for x in operands {
        words.extend([x.offset() as u32, x.strides()[axis] as u32]);
    }
    words.extend(walk.sizes.iter().map(|&size| size as u32));
    words.extend(walk.strides.iter().flatten().map(|&stride| stride as u32));
    let (types, rank) = (operands.iter().map(|x| x.dtype()).collect::<Vec<_>>(), walk.rank());
    let key = [step.key(), rank as u64].into_iter().chain(types.iter().map(|&dtype| dtype as u64)).collect();
    let kernel = stream.kernel(("scan", key), || text(step, &types, rank))?;
    // Without a number in a line there is nothing to walk.
    let groups = if sizes[axis] == 0 { 0 } else { count(&lines).div_ceil(THREADS) };
    stream.dispatch(&kernel, &blocks, &[&result], &words, groups as u64)?;
    Ok(result)
}

fn text(step: Step, types: &[GpuType], rank: usize) -> KernelText {
    let first = 3 + 2 * types.len();
    let mut globals = Text::default();
    globals.line(conversions(types, &[]));
    for (i, dtype) in types.iter().enumerate() {
        globals.line(place_function(&format!("line{i}"), rank, first, first + (i + 1) * rank));
        let read = dtype.read(&format!("a{i}"), "place");
        globals.line(format_args!("fn number{i}(place: u32) -> f32 {{\n    return {read};\n}}"));
    }
    let (start, next) = match step {
        Step::Scan(GpuScan::Sum) => ("x", "value + x"),
        Step::Scan(GpuScan::Product) => ("x", "value * x"),
        Step::Scan(GpuScan::LogSumExp) => {
            let functions = functions_for("accurate_exp( accurate_log(");
            globals.line(functions).line(extreme("larger", '>')).line(
                "fn both(a: f32, b: f32) -> f32 {
    let m = larger(a, b);
    let far = (bitcast<u32>(m) & 0x7fffffffu) >= 0x7f800000u;
    return select(m + accurate_log(1.0 + accurate_exp(-abs(a - b))), m, far);
}",
            );
            ("x", "both(value, x)")
        }
        Step::Recurrence => ("x", "fma(number1(place1), value, x)"),
    };
    let (lines, n, apart) = (parameter(0), parameter(1), parameter(2));
    let mut text = Text::default();
    text.line(format_args!("    let line = group * {THREADS}u + local;\n    if (line >= {lines}) {{ return; }}"));
    text.line(format_args!("    var result = (line / {apart}) * {apart} * {n} + line % {apart};"));
    for i in 0..types.len() {
        text.line(format_args!("    var place{i} = {} + line{i}(line);", parameter(3 + 2 * i)));
    }
    text.line("    var value = 0.0;");
    text.line(format_args!("    for (var j = 0u; j < {n}; j += 1u) {{\n        let x = number0(place0);"));
    text.line(format_args!("        if (j == 0u) {{ value = {start}; }} else {{ value = {next}; }}"));
    text.line(format_args!("        y0[result] = value;\n        result += {apart};"));
    for i in 0..types.len() {
        text.line(format_args!("        place{i} += {};", parameter(4 + 2 * i)));
    }
    text.line("    }");
    KernelText {
        inputs: types.iter().map(|dtype| dtype.single()).collect(),
        outputs: vec!["f32"],
        words: first + (types.len() + 1) * rank,
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
        let kinds = [GpuScan::Sum, GpuScan::Product, GpuScan::LogSumExp];
        for (rank, dtype) in [GpuType::F32, GpuType::BF16, GpuType::F16, GpuType::I32].into_iter().enumerate() {
            kinds.into_iter().for_each(|kind| validate(&text(Step::Scan(kind), &[dtype], rank)));
            validate(&text(Step::Recurrence, &[dtype, GpuType::F32], rank));
        }
    }
}
