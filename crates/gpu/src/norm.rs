//! RMS norm and layer norm of rows, and their gradients.

use monotile_kernels::shape::product;

use crate::error::{GpuError, GpuResult};
use crate::kernel::KernelText;
use crate::operand::{GpuOperand, GpuType, MergedDims, conversions};
use crate::pool::GpuBlock;
use crate::reduce::{GpuReduction, reduce};
use crate::stream::GpuStream;
use crate::team::{ADD, Team};
use crate::text::{Text, parameter, place_function};

/// Rows whose terms of a weight's gradient are summed one after another.
const ROWS: usize = 128;
/// Threads, a column each, that sum them.
const COLUMNS: usize = 64;

/// The gradients of [`rms_norm`]: contiguous blocks of f32.
#[derive(Debug, Clone)]
pub struct GpuRmsNormGradients {
    /// Of the operand's sizes.
    pub dx: GpuBlock,
    /// (n)
    pub dw: GpuBlock,
}

/// The gradients of [`layer_norm`]: contiguous blocks of f32.
#[derive(Debug, Clone)]
pub struct GpuLayerNormGradients {
    /// Of the operand's sizes.
    pub dx: GpuBlock,
    /// That of the weight and after it that of the bias, (2, n).
    pub dwb: GpuBlock,
}

/// y = x ρ w with ρ = (mean(x²) + ε)^(−1/2) over rows, the last dimension: a contiguous block of f32 of the operand's sizes.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuStream, GpuType, rms_norm};
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(bytemuck::cast_slice(&[1.0_f32, 7.0, 1.0, 2.0]))?;
/// let x = GpuOperand::contiguous(&block, GpuType::F32, &[1, 2])?;
/// let w = GpuOperand::strided(&block, GpuType::F32, &[2], &[1], 2)?;
/// let y = stream.read_blocking(&rms_norm(&stream, &x, &w, 0.0)?)?;
/// // The mean of 1 and 49 is 25.
/// let y = bytemuck::pod_collect_to_vec::<u8, f32>(&y);
/// assert!((y[0] - 0.2).abs() < 1e-6 && (y[1] - 2.8).abs() < 1e-6);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// If the operand has no dimension, or the weight is not of its last.
pub fn rms_norm(stream: &GpuStream, x: &GpuOperand, w: &GpuOperand, eps: f32) -> GpuResult<GpuBlock> {
    Norm { name: "rms_norm", x, affine: &[w] }.forward(stream, eps)
}

/// The gradients of [`rms_norm`]: with x̂ = ρ x, dx = ρ (w dy − x̂ mean(w dy x̂)) and dw the sum over rows of dy x̂.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuStream, GpuType, rms_norm_backward};
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(bytemuck::cast_slice(&[1.0_f32, 7.0, 1.0, 2.0, 5.0, 0.0]))?;
/// let x = GpuOperand::contiguous(&block, GpuType::F32, &[1, 2])?;
/// let w = GpuOperand::strided(&block, GpuType::F32, &[2], &[1], 2)?;
/// let dy = GpuOperand::strided(&block, GpuType::F32, &[1, 2], &[2, 1], 4)?;
/// let dw = stream.read_blocking(&rms_norm_backward(&stream, &x, &w, 0.0, &dy)?.dw)?;
/// // ρ = 1/5
/// let dw = bytemuck::pod_collect_to_vec::<u8, f32>(&dw);
/// assert!((dw[0] - 1.0).abs() < 1e-6 && dw[1] == 0.0);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// As [`rms_norm`]; if the cotangent has other sizes than the operand.
pub fn rms_norm_backward(
    stream: &GpuStream,
    x: &GpuOperand,
    w: &GpuOperand,
    eps: f32,
    dy: &GpuOperand,
) -> GpuResult<GpuRmsNormGradients> {
    let [dx, dw] = Norm { name: "rms_norm", x, affine: &[w] }.backward(stream, eps, dy)?;
    Ok(GpuRmsNormGradients { dx, dw })
}

/// y = (x − mean(x)) ρ w + b with ρ = (mean((x − mean(x))²) + ε)^(−1/2) over rows, the last dimension: a contiguous block of f32 of
/// the operand's sizes.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuStream, GpuType, layer_norm};
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(bytemuck::cast_slice(&[1.0_f32, 3.0, 1.0, 1.0, 0.0, 10.0]))?;
/// let x = GpuOperand::contiguous(&block, GpuType::F32, &[1, 2])?;
/// let w = GpuOperand::strided(&block, GpuType::F32, &[2], &[1], 2)?;
/// let b = GpuOperand::strided(&block, GpuType::F32, &[2], &[1], 4)?;
/// let y = stream.read_blocking(&layer_norm(&stream, &x, [&w, &b], 0.0)?)?;
/// let y = bytemuck::pod_collect_to_vec::<u8, f32>(&y);
/// assert!((y[0] + 1.0).abs() < 1e-6 && (y[1] - 11.0).abs() < 1e-5);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// If the operand has no dimension, or the weight and the bias are not of its last.
pub fn layer_norm(stream: &GpuStream, x: &GpuOperand, [w, b]: [&GpuOperand; 2], eps: f32) -> GpuResult<GpuBlock> {
    Norm { name: "layer_norm", x, affine: &[w, b] }.forward(stream, eps)
}

/// The gradients of [`layer_norm`]: with x̂ = ρ (x − mean(x)), dx = ρ (w dy − mean(w dy) − x̂ mean(w dy x̂)), and the sums over rows of
/// dy x̂ and of dy.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuStream, GpuType, layer_norm_backward};
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(bytemuck::cast_slice(&[1.0_f32, 3.0, 1.0, 1.0, 2.0, 4.0]))?;
/// let x = GpuOperand::contiguous(&block, GpuType::F32, &[1, 2])?;
/// let w = GpuOperand::strided(&block, GpuType::F32, &[2], &[1], 2)?;
/// let dy = GpuOperand::strided(&block, GpuType::F32, &[1, 2], &[2, 1], 4)?;
/// let dwb = stream.read_blocking(&layer_norm_backward(&stream, &x, [&w, &w], 0.0, &dy)?.dwb)?;
/// let dwb = bytemuck::pod_collect_to_vec::<u8, f32>(&dwb);
/// assert!((dwb[0] + 2.0).abs() < 1e-6 && (dwb[1] - 4.0).abs() < 1e-6 && dwb[2..] == [2.0, 4.0]);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// As [`layer_norm`]; if the cotangent has other sizes than the operand.
pub fn layer_norm_backward(
    stream: &GpuStream,
    x: &GpuOperand,
    [w, b]: [&GpuOperand; 2],
    eps: f32,
    dy: &GpuOperand,
) -> GpuResult<GpuLayerNormGradients> {
    let [dx, dwb] = Norm { name: "layer_norm", x, affine: &[w, b] }.backward(stream, eps, dy)?;
    Ok(GpuLayerNormGradients { dx, dwb })
}

/// A norm of rows: by a weight, or by a weight and a bias where the mean is taken off.
struct Norm<'a> {
    name: &'static str,
    x: &'a GpuOperand,
    affine: &'a [&'a GpuOperand],
}

impl Norm<'_> {
    /// The length of a row.
    fn check(&self) -> GpuResult<usize> {
        let Self { name, x, affine } = self;
        let Some(&n) = x.sizes().last() else {
            return Err(GpuError::invalid(format!("{name}: a number without dimensions has no rows")));
        };
        if let Some(other) = affine.iter().find(|of| of.sizes() != [n]) {
            let sizes = other.sizes();
            return Err(GpuError::invalid(format!("{name}: a weight or bias of sizes {sizes:?} for rows of {n}")));
        }
        Ok(n)
    }

    fn forward(&self, stream: &GpuStream, eps: f32) -> GpuResult<GpuBlock> {
        let n = self.check()?;
        let mut inputs = vec![self.x.block()];
        inputs.extend(self.affine.iter().map(|operand| operand.block()));
        let y = stream.pool().take(4 * self.x.elements() as u64, &inputs)?;
        let (kind, words, groups) = self.plan(n, eps, None);
        let kernel = stream.kernel((self.name, kind.key()), || kind.forward())?;
        stream.dispatch(&kernel, &inputs, &[&y], &words, groups)?;
        Ok(y)
    }

    /// The gradients with respect to x, and to the weight and the bias one after another.
    fn backward(&self, stream: &GpuStream, eps: f32, dy: &GpuOperand) -> GpuResult<[GpuBlock; 2]> {
        let (n, name) = (self.check()?, self.name);
        if dy.sizes() != self.x.sizes() {
            let (given, taken) = (dy.sizes(), self.x.sizes());
            return Err(GpuError::invalid(format!("{name}_backward: a cotangent of sizes {given:?} for a result of {taken:?}")));
        }
        let affine = self.affine.len();
        let rows = self.x.elements().checked_div(n).unwrap_or(0);
        if rows == 0 {
            let zeros = stream.upload(&vec![0; product([affine, n, 4])])?;
            return Ok([stream.pool().take(0, &[])?, zeros]);
        }
        let inputs = [self.x.block(), self.affine[0].block(), dy.block()];
        let dx = stream.pool().take(4 * self.x.elements() as u64, &inputs)?;
        // ρ and the mean of each row.
        let kept = stream.pool().take(8 * rows as u64, &inputs)?;
        let (kind, words, groups) = self.plan(n, eps, Some(dy));
        let kernel = stream.kernel(("norm's rows' gradient", kind.key()), || kind.rows())?;
        stream.dispatch(&kernel, &inputs, &[&dx, &kept], &words, groups)?;

        let parts = rows.div_ceil(ROWS);
        let inputs = [self.x.block(), dy.block(), &kept];
        let partial = stream.pool().take(product([parts, affine, n, 4]) as u64, &inputs)?;
        let kernel = stream.kernel(("norm's columns' gradient", kind.key()), || kind.columns())?;
        let groups = product([parts, n.div_ceil(COLUMNS)]) as u64;
        stream.dispatch(&kernel, &inputs, &[&partial], &words, groups)?;
        let sums = if parts == 1 {
            partial
        } else {
            let partial = GpuOperand::contiguous(&partial, GpuType::F32, &[parts, affine * n])?;
            reduce(stream, GpuReduction::Sum, &partial, &[0])?
        };
        Ok([dx, sums])
    }

    /// What the kernels' texts depend on, their parameters, and the workgroups of those that own rows.
    fn plan(&self, n: usize, eps: f32, dy: Option<&GpuOperand>) -> (Kind, Vec<u32>, u64) {
        let (x, last) = (self.x, self.x.sizes().len() - 1);
        // A cotangent walks with the operand.
        let other = dy.unwrap_or(x);
        let walk = MergedDims::new(&x.sizes()[..last], &[&x.strides()[..last], &other.strides()[..last]]);
        let rows = x.elements().checked_div(n).unwrap_or(0);
        let mut read: Vec<&GpuOperand> = vec![x];
        read.extend(if dy.is_some() { &self.affine[..1] } else { self.affine });
        read.extend(dy);
        let kind = Kind {
            centred: self.affine.len() == 2,
            types: read.iter().map(|operand| operand.dtype()).collect(),
            team: Team::new(n, true),
            rank: walk.rank(),
        };
        let mut words = vec![rows as u32, n as u32, eps.to_bits()];
        for i in 0..3 {
            let operand = read.get(i);
            words.push(operand.map_or(0, |operand| operand.offset() as u32));
            words.push(operand.and_then(|operand| operand.strides().last()).map_or(0, |&stride| stride as u32));
        }
        words.extend(walk.sizes.iter().map(|&size| size as u32));
        words.extend(walk.strides.iter().flatten().map(|&stride| stride as u32));
        let groups = rows.div_ceil(kind.team.columns) as u64;
        (kind, words, groups)
    }
}

/// Parameters before those of the rows.
const WORDS: usize = 9;

/// What the kernels' texts depend on.
struct Kind {
    centred: bool,
    /// Of the operand, then forward of the weight and the bias, backward of the weight and the cotangent.
    types: Vec<GpuType>,
    team: Team,
    rank: usize,
}

impl Kind {
    fn key(&self) -> Vec<u64> {
        let types = self.types.iter().fold(1, |all, &dtype| all << 4 | dtype as u64);
        vec![u64::from(self.centred), types, self.team.key(), self.rank as u64]
    }

    /// Functions that read rows of x and of the cotangent, and the weight and the bias, from buffers of these numbers.
    fn globals(&self, names: &[(&str, usize, Option<usize>)]) -> String {
        let mut text = Text::default();
        text.line(conversions(&self.types, &[])).line(ADD);
        text.line(place_function("row_of_x", self.rank, WORDS, WORDS + self.rank));
        text.line(place_function("row_of_dy", self.rank, WORDS, WORDS + 2 * self.rank));
        for &(name, number, buffer) in names {
            let Some(buffer) = buffer else { continue };
            let (offset, step) = (parameter(3 + 2 * number), parameter(4 + 2 * number));
            let element = self.types[number].read(&format!("a{buffer}"), "place");
            text.line(format_args!(
                "fn {name}(row: u32, at: u32) -> f32 {{\n    let place = {offset} + row + at * {step};\n    return {element};\n}}"
            ));
        }
        text.finish()
    }

    /// `name`, the sum of `term` over `at`, in every lane of a column.
    fn sum(&self, text: &mut Text, name: &str, term: &str) {
        let (n, team) = (parameter(1), self.team);
        text.line(format_args!("    var {name} = 0.0;\n    for (var at = lane; at < {n}; at += {}u) {{", team.lanes));
        text.line(format_args!("        {name} += {term};\n    }}\n    workgroupBarrier();\n    sums[local] = {name};"));
        team.tree(text, "plus", "sums", &[0], &n);
        text.line(format_args!("    {name} = sums[{}];", team.head()));
    }

    /// `row`, where it lies, its `mean` if it is taken off, and `rho`.
    fn statistics(&self, text: &mut Text) {
        self.team.places(text);
        let (rows, n, eps) = (parameter(0), parameter(1), parameter(2));
        text.line(format_args!("    let row = group * {}u + column;\n    let inside = min(row, {rows} - 1u);", self.team.columns));
        text.line(format_args!("    let x = row_of_x(inside);\n    let count = f32({n});"));
        if self.centred {
            self.sum(text, "total", "number(x, at)");
            text.line("    let mean = total / count;");
        } else {
            text.line("    let mean = 0.0;");
        }
        self.sum(text, "squares", "(number(x, at) - mean) * (number(x, at) - mean)");
        text.line(format_args!("    let rho = 1.0 / sqrt(squares / count + bitcast<f32>({eps}));"));
    }

    fn kernel(&self, inputs: &[&'static str], outputs: usize, globals: String, body: Text) -> KernelText {
        KernelText {
            inputs: inputs.to_vec(),
            outputs: vec!["f32"; outputs],
            words: WORDS + 3 * self.rank,
            threads: self.team.threads(),
            globals,
            body: body.finish(),
        }
    }

    fn shared(&self) -> String {
        format!("var<workgroup> sums: array<f32, {}>;\n", self.team.threads())
    }

    fn forward(&self) -> KernelText {
        let (rows, n) = (parameter(0), parameter(1));
        let names = [("number", 0, Some(0)), ("weight", 1, Some(1)), ("bias", 2, self.centred.then_some(2))];
        let mut text = Text::default();
        self.statistics(&mut text);
        let bias = if self.centred { " + bias(0u, at)" } else { "" };
        text.line(format_args!("    if (row >= {rows}) {{ return; }}"));
        text.line(format_args!("    for (var at = lane; at < {n}; at += {}u) {{", self.team.lanes));
        text.line(format_args!("        y0[row * {n} + at] = (number(x, at) - mean) * rho * weight(0u, at){bias};\n    }}"));
        let inputs: Vec<&str> = self.types.iter().map(|dtype| dtype.single()).collect();
        self.kernel(&inputs, 1, self.globals(&names) + &self.shared(), text)
    }

    fn rows(&self) -> KernelText {
        let (rows, n) = (parameter(0), parameter(1));
        let names = [("number", 0, Some(0)), ("weight", 1, Some(1)), ("cotangent", 2, Some(2))];
        let mut text = Text::default();
        self.statistics(&mut text);
        text.line("    let dy = row_of_dy(inside);");
        if self.centred {
            self.sum(&mut text, "pull", "weight(0u, at) * cotangent(dy, at)");
        } else {
            text.line("    let pull = 0.0;");
        }
        self.sum(&mut text, "turn", "weight(0u, at) * cotangent(dy, at) * ((number(x, at) - mean) * rho)");
        text.line(format_args!("    if (row >= {rows}) {{ return; }}"));
        text.line(format_args!("    for (var at = lane; at < {n}; at += {}u) {{", self.team.lanes));
        text.line("        let unit = (number(x, at) - mean) * rho;");
        text.line("        let own = weight(0u, at) * cotangent(dy, at);");
        text.line(format_args!("        y0[row * {n} + at] = rho * (own - pull / count - unit * (turn / count));\n    }}"));
        text.line("    if (lane == 0u) {\n        y1[2u * row] = rho;\n        y1[2u * row + 1u] = mean;\n    }");
        let inputs: Vec<&str> = self.types.iter().map(|dtype| dtype.single()).collect();
        self.kernel(&inputs, 2, self.globals(&names) + &self.shared(), text)
    }

    fn columns(&self) -> KernelText {
        let (rows, n) = (parameter(0), parameter(1));
        let names = [("number", 0, Some(0)), ("cotangent", 2, Some(1))];
        let mut text = Text::default();
        text.line(format_args!("    let wide = ({n} + {}u) / {COLUMNS}u;\n    let part = group / wide;", COLUMNS - 1));
        text.line(format_args!("    let at = (group % wide) * {COLUMNS}u + local;\n    if (at >= {n}) {{ return; }}"));
        text.line("    var dw = 0.0;\n    var db = 0.0;");
        text.line(format_args!("    let end = min((part + 1u) * {ROWS}u, {rows});"));
        text.line(format_args!("    for (var row = part * {ROWS}u; row < end; row += 1u) {{"));
        text.line("        let dy = cotangent(row_of_dy(row), at);");
        text.line("        dw += dy * ((number(row_of_x(row), at) - a2[2u * row + 1u]) * a2[2u * row]);\n        db += dy;\n    }");
        if self.centred {
            text.line(format_args!("    y0[2u * part * {n} + at] = dw;\n    y0[(2u * part + 1u) * {n} + at] = db;"));
        } else {
            text.line(format_args!("    y0[part * {n} + at] = dw;"));
        }
        let inputs = [self.types[0].single(), self.types[2].single(), "f32"];
        KernelText { threads: COLUMNS, ..self.kernel(&inputs, 1, self.globals(&names), text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;

    #[test]
    fn every_text_is_a_shader() {
        for (number, n) in [1, 5, 64].into_iter().enumerate() {
            for centred in [false, true] {
                let types = [[GpuType::F32; 3], [GpuType::BF16, GpuType::F32, GpuType::F16]][number % 2].to_vec();
                let kind = Kind { centred, types, team: Team::new(n, true), rank: number };
                validate(&kind.rows());
                validate(&kind.columns());
                let types = kind.types[..if centred { 3 } else { 2 }].to_vec();
                validate(&Kind { types, ..kind }.forward());
            }
        }
    }
}
