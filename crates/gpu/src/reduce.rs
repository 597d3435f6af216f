//! Sums, means and extremes over any dimensions.

use monotile_kernels::number::{Expr, record};
use monotile_kernels::shape::{count, product};

use crate::elementwise::map_with;
use crate::error::{GpuError, GpuResult};
use crate::kernel::KernelText;
use crate::operand::{GpuOperand, GpuType, MergedDims, conversions};
use crate::pool::GpuBlock;
use crate::stream::GpuStream;
use crate::team::{ADD, Team, extreme};
use crate::text::{Text, parameter, place_function};

/// Elements that one workgroup reduces for a result; of more there are partial results first.
const CHUNK: usize = 8192;

/// What a reduction makes of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GpuReduction {
    /// Their sum; 0 of none.
    Sum,
    /// Their mean; NaN of none.
    Mean,
    /// Their product; 1 of none.
    Product,
    /// The largest, or NaN if there is one.
    Max,
    /// The smallest, or NaN if there is one.
    Min,
}

/// The operand reduced over `axes`, all of them if none is named: a contiguous block of f32 of the sizes that are left.
///
/// Numbers are combined in an order that depends on the sizes alone.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuStream, GpuType, GpuReduction, reduce};
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(bytemuck::cast_slice(&[1.0_f32, 2.0, 3.0, 4.0]))?;
/// let x = GpuOperand::contiguous(&block, GpuType::F32, &[2, 2])?;
/// let y = stream.read_blocking(&reduce(&stream, GpuReduction::Sum, &x, &[1])?)?;
/// assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(&y), [3.0, 7.0]);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// If an axis is not there or is named twice, or an extreme is asked of no numbers.
#[doc(alias = "sum")]
#[doc(alias = "mean")]
#[doc(alias = "prod")]
#[doc(alias = "amax")]
#[doc(alias = "amin")]
pub fn reduce(stream: &GpuStream, reduction: GpuReduction, operand: &GpuOperand, axes: &[usize]) -> GpuResult<GpuBlock> {
    let rank = operand.sizes().len();
    let named = |d: usize| axes.iter().filter(|&&axis| axis == d).count();
    if axes.iter().any(|&axis| axis >= rank || named(axis) > 1) {
        return Err(GpuError::invalid(format!("reduce: {axes:?} are not axes of {rank} dimensions, each once")));
    }
    let part = |reduced: bool| {
        let of = (0..rank).filter(|&d| (axes.is_empty() || named(d) == 1) == reduced);
        let (sizes, strides): (Vec<usize>, Vec<isize>) = of.map(|d| (operand.sizes()[d], operand.strides()[d])).unzip();
        (count(&sizes), MergedDims::new(&sizes, &[&strides]))
    };
    let ((outputs, kept), (n, reduced)) = (part(false), part(true));
    if n == 0 && outputs > 0 {
        let value = match reduction {
            GpuReduction::Sum => 0.0,
            GpuReduction::Product => 1.0,
            GpuReduction::Mean => f32::NAN,
            _ => return Err(GpuError::invalid(format!("reduce: there is no extreme over axes {axes:?} of {:?}", operand.sizes()))),
        };
        return stream.upload(bytemuck::cast_slice(&vec![value; outputs]));
    }
    let parts = n.div_ceil(CHUNK).max(1);
    let bytes = product([outputs, parts, 4]) as u64;
    let result = stream.pool().take(bytes, &[operand.block()])?;
    let stride = |walk: &MergedDims| walk.strides[0].last().map_or(isize::MAX, |stride| stride.abs());
    let team = Team::new(n.min(CHUNK), stride(&reduced) <= stride(&kept));
    let kind = Kind { reduction, dtype: operand.dtype(), team, kept: kept.rank(), reduced: reduced.rank() };
    let scale = if reduction == GpuReduction::Mean && parts == 1 { 1.0 / n as f32 } else { 1.0 };
    let mut words = vec![operand.offset() as u32, outputs as u32, n as u32, parts as u32, scale.to_bits()];
    for walk in [&kept, &reduced] {
        words.extend(walk.sizes.iter().map(|&size| size as u32));
        words.extend(walk.strides[0].iter().map(|&stride| stride as u32));
    }
    let kernel = stream.kernel(("reduce", kind.key()), || kind.text())?;
    let groups = outputs.div_ceil(team.columns) as u64 * parts as u64;
    stream.dispatch(&kernel, &[operand.block()], &[&result], &words, groups)?;
    if parts == 1 || outputs == 0 {
        return Ok(result);
    }
    let partial = GpuOperand::contiguous(&result, GpuType::F32, &[parts, outputs])?;
    match reduction {
        GpuReduction::Mean => {
            let sum = reduce(stream, GpuReduction::Sum, &partial, &[0])?;
            let sum = GpuOperand::contiguous(&sum, GpuType::F32, &[outputs])?;
            let scaled = record(|[x, n]: [Expr; 2]| x / n);
            Ok(map_with(stream, &scaled, &[sum], &[n as f32], GpuType::F32)?.remove(0))
        }
        other => reduce(stream, other, &partial, &[0]),
    }
}

/// What a kernel's text depends on.
struct Kind {
    reduction: GpuReduction,
    dtype: GpuType,
    team: Team,
    kept: usize,
    reduced: usize,
}

impl Kind {
    fn key(&self) -> Vec<u64> {
        // A mean is a scaled sum.
        let combine = if self.reduction == GpuReduction::Mean { GpuReduction::Sum } else { self.reduction };
        vec![combine as u64, self.dtype as u64, self.team.key(), self.kept as u64, self.reduced as u64]
    }

    fn text(&self) -> KernelText {
        let (kept, reduced, team) = (5, 5 + 2 * self.kept, self.team);
        let mut globals = Text::default();
        globals.line(conversions(&[self.dtype], &[]));
        globals.line(place_function("kept_place", self.kept, kept, kept + self.kept));
        globals.line(place_function("reduced_place", self.reduced, reduced, reduced + self.reduced));
        let (combine, function) = match self.reduction {
            GpuReduction::Sum | GpuReduction::Mean => ("plus", ADD.to_string()),
            GpuReduction::Product => ("times", "fn times(a: f32, b: f32) -> f32 { return a * b; }".to_string()),
            GpuReduction::Max => ("larger", extreme("larger", '>')),
            GpuReduction::Min => ("smaller", extreme("smaller", '<')),
        };
        globals.line(function);
        globals.line(format_args!("var<workgroup> partial: array<f32, {}>;", team.threads()));
        globals.line("fn number(place: u32) -> f32 {");
        globals.line(format_args!("    return {};\n}}", self.dtype.read("a0", "place")));

        let mut body = Text::default();
        team.places(&mut body);
        let (outputs, n, parts) = (parameter(1), parameter(2), parameter(3));
        body.line(format_args!("    let part = group % {parts};"));
        body.line(format_args!("    let result = (group / {parts}) * {}u + column;", team.columns));
        body.line(format_args!("    let start = part * {CHUNK}u;\n    let end = min(start + {CHUNK}u, {n});"));
        body.line(format_args!("    let base = {} + kept_place(min(result, {outputs} - 1u));", parameter(0)));
        body.line("    var value = 0.0;\n    var at = start + lane;");
        body.line("    if (at < end) { value = number(base + reduced_place(at)); }");
        body.line(format_args!("    at += {}u;", team.lanes));
        body.line(format_args!("    while (at < end) {{\n        value = {combine}(value, number(base + reduced_place(at)));"));
        body.line(format_args!("        at += {}u;\n    }}", team.lanes));
        body.line("    partial[local] = value;");
        team.tree(&mut body, combine, "partial", &[0], "end - start");
        body.line(format_args!("    if (lane == 0u && result < {outputs}) {{"));
        body.line(format_args!("        y0[part * {outputs} + result] = partial[local] * bitcast<f32>({});\n    }}", parameter(4)));
        KernelText {
            inputs: vec![self.dtype.single()],
            outputs: vec!["f32"],
            words: 5 + 2 * (self.kept + self.reduced),
            threads: team.threads(),
            globals: globals.finish(),
            body: body.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;

    #[test]
    fn every_text_is_a_shader() {
        for (number, dtype) in [GpuType::F32, GpuType::BF16, GpuType::F16, GpuType::I32, GpuType::Bool].into_iter().enumerate() {
            let (n, along) = [(1, true), (5, true), (9000, true), (3, false), (100, false)][number];
            for reduction in [GpuReduction::Mean, GpuReduction::Product, GpuReduction::Max, GpuReduction::Min] {
                validate(&Kind { reduction, dtype, team: Team::new(n, along), kept: 3, reduced: 3 }.text());
            }
        }
        for kept in 0..=6 {
            let (reduction, team) = (GpuReduction::Sum, Team::new(64, true));
            validate(&Kind { reduction, dtype: GpuType::F32, team, kept, reduced: 6 - kept }.text());
        }
    }
}
