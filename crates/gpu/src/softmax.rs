//! Softmax and its logarithm along an axis.

use monotile_kernels::shape::{Shape, count};

use crate::accurate::functions_for;
use crate::error::{GpuError, GpuResult};
use crate::kernel::KernelText;
use crate::operand::{GpuOperand, GpuType, MergedDims, conversions};
use crate::pool::GpuBlock;
use crate::stream::GpuStream;
use crate::team::{ADD, Team, extreme};
use crate::text::{Text, parameter, place_function};

/// exp(xᵢ − m) / Σⱼ exp(xⱼ − m) along `axis`, with m = maxⱼ xⱼ: a contiguous block of f32 of the operand's sizes.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuStream, GpuType, softmax};
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(bytemuck::cast_slice(&[1.0_f32, 2.0, 3.0, 4.0]))?;
/// let x = GpuOperand::contiguous(&block, GpuType::F32, &[2, 2])?;
/// let y = stream.read_blocking(&softmax(&stream, &x, 1)?)?;
/// let y: Vec<f32> = bytemuck::pod_collect_to_vec(&y);
/// // 1 / (1 + e⁻¹)
/// assert!((y[1] - 0.731_058_6).abs() < 1e-6 && (y[3] - y[1]).abs() < 1e-6);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// If there is no such axis.
pub fn softmax(stream: &GpuStream, x: &GpuOperand, axis: usize) -> GpuResult<GpuBlock> {
    run(stream, "softmax", x, axis)
}

/// xᵢ − m − ln Σⱼ exp(xⱼ − m) along `axis`, with m = maxⱼ xⱼ: a contiguous block of f32 of the operand's sizes.
///
/// # Errors
/// If there is no such axis.
pub fn log_softmax(stream: &GpuStream, x: &GpuOperand, axis: usize) -> GpuResult<GpuBlock> {
    run(stream, "log_softmax", x, axis)
}

fn run(stream: &GpuStream, name: &'static str, x: &GpuOperand, axis: usize) -> GpuResult<GpuBlock> {
    let rank = x.sizes().len();
    if axis >= rank {
        return Err(GpuError::invalid(format!("{name}: there is no axis {axis} of {rank} dimensions")));
    }
    let y_strides = Shape::new(x.sizes()).map(|shape| shape.row_major()).unwrap_or_default();
    let of_rows = |strides: &[isize]| -> Vec<isize> { (0..rank).filter(|&d| d != axis).map(|d| strides[d]).collect() };
    let sizes: Vec<usize> = (0..rank).filter(|&d| d != axis).map(|d| x.sizes()[d]).collect();
    let walk = MergedDims::new(&sizes, &[&of_rows(x.strides()), &of_rows(&y_strides)]);
    let (n, rows) = (x.sizes()[axis], count(&sizes));
    let result = stream.pool().take(4 * x.elements() as u64, &[x.block()])?;
    let between = walk.strides[0].last().map_or(isize::MAX, |stride| stride.abs());
    let kind = Kind {
        logarithm: name == "log_softmax",
        dtype: x.dtype(),
        team: Team::new(n, x.strides()[axis].abs() <= between),
        rank: walk.rank(),
    };
    let mut words = vec![x.offset() as u32, rows as u32, n as u32, x.strides()[axis] as u32, y_strides[axis] as u32];
    words.extend(walk.sizes.iter().map(|&size| size as u32));
    words.extend(walk.strides.iter().flatten().map(|&stride| stride as u32));
    let kernel = stream.kernel((name, kind.key()), || kind.text())?;
    let groups = if n == 0 { 0 } else { rows.div_ceil(kind.team.columns) };
    stream.dispatch(&kernel, &[x.block()], &[&result], &words, groups as u64)?;
    Ok(result)
}

/// What a kernel's text depends on.
struct Kind {
    logarithm: bool,
    dtype: GpuType,
    team: Team,
    rank: usize,
}

impl Kind {
    fn key(&self) -> Vec<u64> {
        vec![self.dtype as u64, self.team.key(), self.rank as u64]
    }

    fn text(&self) -> KernelText {
        let (team, sizes) = (self.team, 5);
        let functions = if self.logarithm { "accurate_exp( accurate_log(" } else { "accurate_exp(" };
        let mut globals = Text::default();
        globals.line(functions_for(functions)).line(conversions(&[self.dtype], &[]));
        globals.line(place_function("place_of_x", self.rank, sizes, sizes + self.rank));
        globals.line(place_function("place_of_y", self.rank, sizes, sizes + 2 * self.rank));
        globals.line(extreme("larger", '>')).line(ADD);
        globals.line(format_args!("var<workgroup> largest: array<f32, {}>;", team.threads()));
        globals.line(format_args!("var<workgroup> sums: array<f32, {}>;", team.threads()));
        globals.line("fn number(place: u32) -> f32 {");
        globals.line(format_args!("    return {};\n}}", self.dtype.read("a0", "place")));

        let mut body = Text::default();
        team.places(&mut body);
        let (rows, n, x_step, y_step) = (parameter(1), parameter(2), parameter(3), parameter(4));
        body.line(format_args!("    let row = group * {}u + column;\n    let inside = min(row, {rows} - 1u);", team.columns));
        body.line(format_args!("    let x = {} + place_of_x(inside);", parameter(0)));
        body.line("    var at = lane;\n    var m = 0.0;");
        body.line(format_args!("    if (at < {n}) {{ m = number(x + at * {x_step}); }}\n    at += {}u;", team.lanes));
        body.line(format_args!("    while (at < {n}) {{ m = larger(m, number(x + at * {x_step})); at += {}u; }}", team.lanes));
        body.line("    largest[local] = m;");
        team.tree(&mut body, "larger", "largest", &[0], &n);
        body.line(format_args!("    m = largest[{}];", team.head()));
        body.line("    var sum = 0.0;\n    at = lane;");
        body.line(format_args!(
            "    while (at < {n}) {{ sum += accurate_exp(number(x + at * {x_step}) - m); at += {}u; }}",
            team.lanes
        ));
        body.line("    sums[local] = sum;");
        team.tree(&mut body, "plus", "sums", &[0], &n);
        body.line(format_args!("    sum = sums[{}];\n    if (row >= {rows}) {{ return; }}", team.head()));
        body.line("    let y = place_of_y(inside);\n    at = lane;");
        if self.logarithm {
            body.line("    let shift = accurate_log(sum);");
        }
        let shifted = format!("number(x + at * {x_step}) - m");
        let value = if self.logarithm { format!("({shifted}) - shift") } else { format!("accurate_exp({shifted}) / sum") };
        body.line(format_args!("    while (at < {n}) {{ y0[y + at * {y_step}] = {value}; at += {}u; }}", team.lanes));
        KernelText {
            inputs: vec![self.dtype.single()],
            outputs: vec!["f32"],
            words: 5 + 3 * self.rank,
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
            for logarithm in [false, true] {
                validate(&Kind { logarithm, dtype, team: Team::new(n, along), rank: number }.text());
            }
        }
    }
}
