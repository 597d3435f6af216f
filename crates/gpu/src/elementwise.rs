//! Formulas of up to six operands in one dispatch.

use monotile_kernels::number::{ExprNode, Graph, prefixed_wgsl_of, record};

use crate::accurate::{PREFIX, functions_for};
use crate::error::{GpuError, GpuResult};
use crate::kernel::KernelText;
use crate::operand::{GpuOperand, GpuType, MergedDims, conversions};
use crate::pool::GpuBlock;
use crate::stream::GpuStream;
use crate::text::{Text, join, parameter, place_function};

/// The most operands of a formula.
pub const MAX_OPERANDS: usize = 6;
/// Threads of a workgroup, each of which computes four results that lie side by side.
const THREADS: usize = 64;

/// How a kernel reads an operand.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Access {
    /// Four elements at once.
    Four,
    /// The same element always.
    Single,
    /// Each element by strides.
    Strided,
}

/// Each result of a formula of the operands' elements, as a contiguous block of type `dtype`.
///
/// All operands have the same sizes; where one is broadcast its strides are 0. A number that is not an integer loses its fraction in
/// `I32`, and all but 0 are true in `Bool`.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuStream, GpuType, map};
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(bytemuck::cast_slice(&[1.0_f32, 2.0, 3.0, 4.0]))?;
/// let x = GpuOperand::contiguous(&block, GpuType::F32, &[2, 2])?;
/// use monotile_kernels::number::{Expr, record};
/// let squares = map(&stream, &record(|[x]: [Expr; 1]| x * x), &[x], GpuType::F32)?.remove(0);
/// let y: Vec<f32> = bytemuck::pod_collect_to_vec(&stream.read_blocking(&squares)?);
/// assert_eq!(y, [1.0, 4.0, 9.0, 16.0]);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// If the operands are none, more than six, of different sizes, or not as many as the formula's variables; if the device binds fewer
/// buffers than there are operands and results.
pub fn map(stream: &GpuStream, graph: &Graph, operands: &[GpuOperand], dtype: GpuType) -> GpuResult<Vec<GpuBlock>> {
    map_with(stream, graph, operands, &[], dtype)
}

/// [`map`] of a formula whose last variables are numbers, the same for every element: another number needs no other kernel.
///
/// # Errors
/// As [`map`].
pub fn map_with(
    stream: &GpuStream,
    graph: &Graph,
    operands: &[GpuOperand],
    numbers: &[f32],
    dtype: GpuType,
) -> GpuResult<Vec<GpuBlock>> {
    let [first, ..] = operands else {
        return Err(GpuError::invalid("map: a formula needs an operand to take its sizes from"));
    };
    if operands.len() > MAX_OPERANDS || operands.len() + numbers.len() != graph.inputs {
        let (given, taken) = (operands.len() + numbers.len(), graph.inputs);
        return Err(GpuError::invalid(format!("map: {given} operands for a formula of {taken}; at most {MAX_OPERANDS}")));
    }
    if graph.results.is_empty() {
        return Err(GpuError::invalid("map: a formula without a result"));
    }
    if let Some(other) = operands.iter().find(|operand| operand.sizes() != first.sizes()) {
        return Err(GpuError::invalid(format!("map: operands of sizes {:?} and {:?}", first.sizes(), other.sizes())));
    }
    let elements = first.elements();
    let beside: Vec<&GpuBlock> = operands.iter().map(GpuOperand::block).collect();
    let bytes = (elements * dtype.bytes()) as u64;
    let results = (0..graph.results.len()).map(|_| stream.pool().take(bytes, &beside)).collect::<GpuResult<Vec<_>>>()?;

    let strides: Vec<&[isize]> = operands.iter().map(GpuOperand::strides).collect();
    let walk = MergedDims::new(first.sizes(), &strides);
    let access: Vec<Access> = operands
        .iter()
        .enumerate()
        .map(|(number, operand)| match operand.is_contiguous() && operand.offset().is_multiple_of(4) {
            true => Access::Four,
            false if walk.is_single(number) => Access::Single,
            false => Access::Strided,
        })
        .collect();
    let rank = if access.contains(&Access::Strided) { walk.rank() } else { 0 };
    let kind = Kind { graph, types: operands.iter().map(GpuOperand::dtype).collect(), dtype, access, numbers: numbers.len(), rank };

    let mut words = vec![elements as u32];
    for (operand, access) in operands.iter().zip(&kind.access) {
        words.push((operand.offset() / if *access == Access::Four { 4 } else { 1 }) as u32);
    }
    words.extend(numbers.iter().map(|number| number.to_bits()));
    if rank > 0 {
        words.extend(walk.sizes.iter().map(|&size| size as u32));
        words.extend(walk.strides.iter().flatten().map(|&stride| stride as u32));
    }
    let kernel = stream.kernel(("map", kind.key()), || kind.text())?;
    let outputs: Vec<&GpuBlock> = results.iter().collect();
    stream.dispatch(&kernel, &beside, &outputs, &words, elements.div_ceil(4 * THREADS) as u64)?;
    Ok(results)
}

/// The elements of an operand one after another, as another type or the same.
///
/// # Errors
/// As [`map`].
pub fn copy(stream: &GpuStream, operand: &GpuOperand, dtype: GpuType) -> GpuResult<GpuBlock> {
    let identity = record(|[x]| x);
    let mut results = map(stream, &identity, std::slice::from_ref(operand), dtype)?;
    results.pop().ok_or_else(|| GpuError::invalid("copy: a formula without a result"))
}

/// What a kernel's text depends on.
struct Kind<'a> {
    graph: &'a Graph,
    types: Vec<GpuType>,
    dtype: GpuType,
    access: Vec<Access>,
    /// Variables of the formula that are no operands.
    numbers: usize,
    rank: usize,
}

impl Kind<'_> {
    fn key(&self) -> Vec<u64> {
        let mut key = vec![self.dtype as u64, self.rank as u64, self.numbers as u64];
        key.extend(self.types.iter().zip(&self.access).map(|(&dtype, &access)| (dtype as u64) << 8 | access as u64));
        key.extend(self.graph.results.iter().map(|&result| result as u64));
        for node in &self.graph.nodes {
            let (kind, operands) = match *node {
                ExprNode::Input(i) => (0, [i, 0, 0]),
                ExprNode::Constant(x) => (1, [x.to_bits() as usize, 0, 0]),
                ExprNode::Function(f, x) => (2 | (f as u64) << 8, [x, 0, 0]),
                ExprNode::Operator(f, a, b) => (3 | (f as u64) << 8, [a, b, 0]),
                ExprNode::MulAdd(a, b, c) => (4, [a, b, c]),
                ExprNode::Compare(f, a, b) => (5 | (f as u64) << 8, [a, b, 0]),
                ExprNode::And(a, b) => (6, [a, b, 0]),
                ExprNode::Or(a, b) => (7, [a, b, 0]),
                ExprNode::Not(a) => (8, [a, 0, 0]),
                ExprNode::Select(a, b, c) => (9, [a, b, c]),
            };
            key.push(kind);
            key.extend(operands.map(|operand| operand as u64));
        }
        key
    }

    /// Integers that are only moved stay what they are, where numbers would lose their last bits.
    fn moves_integers(&self) -> bool {
        let identity = self.graph.results == [0] && matches!(self.graph.nodes[0], ExprNode::Input(0));
        identity && self.types == [GpuType::I32] && self.dtype == GpuType::I32
    }

    fn text(&self) -> KernelText {
        let (count, results) = (self.types.len(), self.graph.results.len());
        let integers = self.moves_integers();
        // An `f32` as far as buffers are concerned.
        let types: Vec<GpuType> = self.types.iter().map(|&t| if integers { GpuType::F32 } else { t }).collect();
        let number = if integers { "i32" } else { "f32" };
        let formula =
            if integers { "fn f(x: i32) -> i32 { return x; }".into() } else { prefixed_wgsl_of(&[("f", self.graph)], PREFIX) };
        let mut globals = Text::default();
        globals.line(functions_for(&formula)).line(formula).line(conversions(&self.types, &[self.dtype]));
        for i in (0..count).filter(|&i| self.access[i] == Access::Strided) {
            let sizes = 1 + count + self.numbers;
            globals.line(place_function(&format!("place{i}"), self.rank, sizes, sizes + self.rank * (i + 1)));
        }

        let mut body = Text::default();
        body.line(format_args!("    let quad = group * {THREADS}u + local;"));
        body.line(format_args!("    if (quad >= ({} + 3u) / 4u) {{ return; }}", parameter(0)));
        body.unrolled(4, |lane| format!("    let e{lane} = min(quad * 4u + {lane}u, {} - 1u);", parameter(0)));
        for i in 0..count {
            let (array, at) = (format!("a{i}"), format!("at{i}"));
            match self.access[i] {
                Access::Four => {
                    body.line(format_args!("    let {at} = {} + quad;", parameter(1 + i)));
                    body.line(format_args!("    let x{i} = {};", types[i].read_four(&array, &at)));
                }
                Access::Single => {
                    body.line(format_args!("    let {at} = {};", parameter(1 + i)));
                    body.line(format_args!("    let x{i} = vec4<{number}>({});", types[i].read(&array, &at)));
                }
                Access::Strided => {
                    body.unrolled(4, |lane| format!("    let {at}_{lane} = {} + place{i}(e{lane});", parameter(1 + i)));
                    let parts = join(4, ", ", |lane| types[i].read(&array, &format!("{at}_{lane}")));
                    body.line(format_args!("    let x{i} = vec4<{number}>({parts});"));
                }
            }
        }
        body.unrolled(4, |lane| {
            let lane_name = ["x", "y", "z", "w"][lane];
            let variable = |i| match i < count {
                true => format!("x{i}.{lane_name}"),
                false => format!("bitcast<f32>({})", parameter(1 + i)),
            };
            format!("    let r{lane} = f({});", join(count + self.numbers, ", ", variable))
        });
        for r in 0..results {
            let part = |lane| if results == 1 { format!("r{lane}") } else { format!("r{lane}[{r}]") };
            body.line(format_args!("    let w{r} = vec4<{number}>({});", join(4, ", ", part)));
            let value = if integers { format!("w{r}") } else { self.dtype.write_four(&format!("w{r}")) };
            body.line(format_args!("    y{r}[quad] = {value};"));
        }
        KernelText {
            inputs: (0..count)
                .map(|i| if self.access[i] == Access::Four { self.types[i].four() } else { self.types[i].single() })
                .collect(),
            outputs: vec![self.dtype.four(); results],
            words: 1 + count + self.numbers + self.rank * (count + 1),
            threads: THREADS,
            globals: globals.finish(),
            body: body.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use monotile_kernels::number::{Expr, Number};

    use super::*;
    use crate::kernel::validate;

    const TYPES: [GpuType; 5] = [GpuType::F32, GpuType::BF16, GpuType::F16, GpuType::I32, GpuType::Bool];

    #[test]
    fn every_text_is_a_shader() {
        let identity = record(|[x]| x);
        for read in TYPES {
            for (number, written) in TYPES.into_iter().enumerate() {
                let (access, rank) = [(Access::Four, 0), (Access::Single, 0), (Access::Strided, 3)][(number + read as usize) % 3];
                validate(
                    &Kind { graph: &identity, types: vec![read], dtype: written, access: vec![access], numbers: 0, rank }.text(),
                );
            }
        }
        let all = record(|[a, b, c, d, e, f]: [Expr; 6]| {
            let powers = a.powf(b).maximum(c.exp2()) * d.sigmoid() + e.gelu() * f.silu();
            [powers, a.sin() + b.cos() * c.tanh() + d.erf().ln() + Expr::from_f64(f64::INFINITY) * e.round()]
        });
        let access = vec![Access::Four, Access::Single, Access::Strided, Access::Strided, Access::Four, Access::Strided];
        for rank in [1, 6] {
            let types = vec![GpuType::F32; 6];
            validate(&Kind { graph: &all, types, dtype: GpuType::F32, access: access.clone(), numbers: 0, rank }.text());
            let (types, access) = (vec![GpuType::F32; 4], access[..4].to_vec());
            validate(&Kind { graph: &all, types, dtype: GpuType::F32, access, numbers: 2, rank }.text());
        }
    }
}
