//! Cross-entropy of rows of logits with the numbers of their classes.

use monotile_kernels::shape::count;

use crate::accurate::functions_for;
use crate::error::{GpuError, GpuResult};
use crate::kernel::KernelText;
use crate::operand::{GpuOperand, GpuType, MergedDims, conversions};
use crate::pool::GpuBlock;
use crate::stream::GpuStream;
use crate::team::{ADD, Team, extreme};
use crate::text::{Text, parameter, place_function};

/// The losses of rows, and what their gradient needs: contiguous blocks of f32.
#[derive(Debug, Clone)]
pub struct GpuCrossEntropy {
    /// Of the sizes of the classes; 0 where a class is ignored.
    pub loss: GpuBlock,
    /// m and ln l of each row, with m = maxᵢ xᵢ and l = Σᵢ exp(xᵢ − m).
    pub sums: GpuBlock,
}

/// The class of each row.
#[derive(Debug, Clone, Copy)]
pub struct GpuClasses<'a> {
    /// Numbers of classes, of type `I32` and the sizes of the logits but for the last.
    pub classes: &'a GpuOperand,
    /// The number that stands for no class: such rows count for nothing.
    pub ignored: Option<i32>,
}

/// `−ln softmax(x)[class]` of each row of logits, the last dimension, as `(m − x[class]) + ln l`.
///
/// A row whose class is ignored has the loss 0, one whose class is not there NaN.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuClasses, GpuErrorKind, GpuOperand, GpuOptions, GpuStream, GpuType, cross_entropy};
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(bytemuck::cast_slice(&[1.0_f32, 1.0, 5.0, 6.0]))?;
/// let x = GpuOperand::contiguous(&block, GpuType::F32, &[2, 2])?;
/// let block = stream.upload(bytemuck::cast_slice(&[1_i32, -100]))?;
/// let classes = GpuOperand::contiguous(&block, GpuType::I32, &[2])?;
/// let loss = cross_entropy(&stream, &x, GpuClasses { classes: &classes, ignored: Some(-100) })?.loss;
/// let loss = bytemuck::pod_collect_to_vec::<u8, f32>(&stream.read_blocking(&loss)?);
/// // ln 2
/// assert!((loss[0] - 0.693_147_2).abs() < 1e-6 && loss[1] == 0.0);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// If there is not one class a row, of type `I32`.
pub fn cross_entropy(stream: &GpuStream, x: &GpuOperand, classes: GpuClasses<'_>) -> GpuResult<GpuCrossEntropy> {
    let rows = Rows::of("cross_entropy", x, classes, None)?;
    let inputs = [x.block(), classes.classes.block()];
    let take = |each: usize| stream.pool().take((4 * each * rows.rows) as u64, &inputs);
    let result = GpuCrossEntropy { loss: take(1)?, sums: take(2)? };
    let kernel = stream.kernel(("cross_entropy", rows.kind.key()), || rows.kind.forward())?;
    let groups = rows.rows.div_ceil(rows.kind.team.columns) as u64;
    stream.dispatch(&kernel, &inputs, &[&result.loss, &result.sums], &rows.words, groups)?;
    Ok(result)
}

/// The gradient of [`cross_entropy`] with respect to the logits, `dy · (exp(x − m − ln l) − [i is the class])`, 0 in ignored rows: a
/// contiguous block of f32 of their sizes.
///
/// `sums` are those of the forward pass, and `dy` has the sizes of the classes; strides of 0 give every row the same.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuClasses, GpuErrorKind, GpuOperand, GpuOptions, GpuStream, GpuType, cross_entropy, cross_entropy_backward};
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(bytemuck::cast_slice(&[1.0_f32, 1.0]))?;
/// let x = GpuOperand::contiguous(&block, GpuType::F32, &[1, 2])?;
/// let dy = GpuOperand::strided(&block, GpuType::F32, &[1], &[1], 0)?;
/// let block = stream.upload(bytemuck::cast_slice(&[1_i32]))?;
/// let classes = GpuOperand::contiguous(&block, GpuType::I32, &[1])?;
/// let classes = GpuClasses { classes: &classes, ignored: None };
/// let sums = cross_entropy(&stream, &x, classes)?.sums;
/// let dx = stream.read_blocking(&cross_entropy_backward(&stream, &x, classes, &sums, &dy)?)?;
/// let dx = bytemuck::pod_collect_to_vec::<u8, f32>(&dx);
/// assert!((dx[0] - 0.5).abs() < 1e-6 && (dx[1] + 0.5).abs() < 1e-6);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// As [`cross_entropy`]; if the cotangent or the sums are not of these rows.
pub fn cross_entropy_backward(
    stream: &GpuStream,
    x: &GpuOperand,
    classes: GpuClasses<'_>,
    sums: &GpuBlock,
    dy: &GpuOperand,
) -> GpuResult<GpuBlock> {
    let rows = Rows::of("cross_entropy_backward", x, classes, Some(dy))?;
    if sums.bytes() != 8 * rows.rows as u64 {
        let (given, rows) = (sums.bytes(), rows.rows);
        return Err(GpuError::invalid(format!("cross_entropy_backward: {given} bytes are not two sums for each of {rows} rows")));
    }
    let inputs = [x.block(), classes.classes.block(), dy.block(), sums];
    let result = stream.pool().take(4 * x.elements() as u64, &inputs)?;
    let kernel = stream.kernel(("cross_entropy_backward", rows.kind.key()), || rows.kind.backward())?;
    let groups = rows.rows.div_ceil(rows.kind.team.columns) as u64;
    stream.dispatch(&kernel, &inputs, &[&result], &rows.words, groups)?;
    Ok(result)
}

/// Parameters before those of the rows' dimensions.
const WORDS: usize = 8;

/// Rows of logits, and the parameters of the kernels.
struct Rows {
    rows: usize,
    kind: Kind,
    words: Vec<u32>,
}

impl Rows {
    fn of(name: &str, x: &GpuOperand, classes: GpuClasses<'_>, dy: Option<&GpuOperand>) -> GpuResult<Self> {
        let GpuClasses { classes, ignored } = classes;
        let Some((&n, leading)) = x.sizes().split_last() else {
            return Err(GpuError::invalid(format!("{name}: a number without dimensions has no rows")));
        };
        if classes.dtype() != GpuType::I32 {
            return Err(GpuError::invalid(format!("{name}: classes are of type I32, not {:?}", classes.dtype())));
        }
        for (what, operand) in [("classes", Some(classes)), ("a cotangent", dy)] {
            if let Some(operand) = operand.filter(|operand| operand.sizes() != leading) {
                let (given, taken) = (operand.sizes(), x.sizes());
                return Err(GpuError::invalid(format!("{name}: {what} of sizes {given:?} for logits of {taken:?}")));
            }
        }
        // Without a cotangent the classes stand in for it.
        let other = dy.unwrap_or(classes);
        let walk = MergedDims::new(leading, &[&x.strides()[..leading.len()], classes.strides(), other.strides()]);
        let rows = count(leading);
        let team = Team::new(n, true);
        let kind = Kind { types: [x.dtype(), other.dtype()], team, rank: walk.rank() };
        let mut words = [rows, n, x.offset(), classes.offset(), other.offset()].map(|size| size as u32).to_vec();
        words.extend([x.strides()[leading.len()] as u32, u32::from(ignored.is_some()), ignored.unwrap_or(0) as u32]);
        words.extend(walk.sizes.iter().map(|&size| size as u32));
        words.extend(walk.strides.iter().flatten().map(|&stride| stride as u32));
        Ok(Self { rows, kind, words })
    }
}

/// What the kernels' texts depend on.
struct Kind {
    /// Of the logits and the cotangent.
    types: [GpuType; 2],
    team: Team,
    rank: usize,
}

impl Kind {
    fn key(&self) -> Vec<u64> {
        vec![self.types[0] as u64, self.types[1] as u64, self.team.key(), self.rank as u64]
    }

    fn globals(&self, types: &[GpuType]) -> Text {
        let mut text = Text::default();
        text.line(functions_for("accurate_exp( accurate_log( accurate_of_bits(")).line(conversions(types, &[]));
        for (i, name) in ["x", "classes", "dy"].into_iter().enumerate() {
            text.line(place_function(&format!("row_of_{name}"), self.rank, WORDS, WORDS + (i + 1) * self.rank));
        }
        text.line("fn number(place: u32) -> f32 {");
        text.line(format_args!("    return {};\n}}", self.types[0].read("a0", "place")));
        text
    }

    /// `row`, its `x`, the class `named`, and whether it is `ignored`.
    fn places(&self) -> Text {
        let mut text = Text::default();
        self.team.places(&mut text);
        text.line(format_args!(
            "    let row = group * {}u + column;\n    let inside = min(row, {} - 1u);",
            self.team.columns,
            parameter(0)
        ));
        text.line(format_args!("    let x = {} + row_of_x(inside);", parameter(2)));
        text.line(format_args!("    let named = a1[{} + row_of_classes(inside)];", parameter(3)));
        text.line(format_args!("    let ignored = {} == 1u && named == i32({});", parameter(6), parameter(7)));
        text
    }

    fn forward(&self) -> KernelText {
        let (rows, n, step) = (parameter(0), parameter(1), parameter(5));
        let team = self.team;
        let mut globals = self.globals(&self.types[..1]);
        globals.line(extreme("larger", '>')).line(ADD);
        globals.line(format_args!("var<workgroup> largest: array<f32, {}>;", team.threads()));
        globals.line(format_args!("var<workgroup> sums: array<f32, {}>;", team.threads()));
        let mut text = self.places();
        text.line(format_args!("    var m = 0.0;\n    if (lane < {n}) {{ m = number(x + lane * {step}); }}"));
        text.line(format_args!("    for (var at = lane + {0}u; at < {n}; at += {0}u) {{", team.lanes));
        text.line(format_args!("        m = larger(m, number(x + at * {step}));\n    }}\n    largest[local] = m;"));
        team.tree(&mut text, "larger", "largest", &[0], &n);
        text.line(format_args!("    m = largest[{}];\n    var sum = 0.0;", team.head()));
        text.line(format_args!("    for (var at = lane; at < {n}; at += {}u) {{", team.lanes));
        text.line(format_args!("        sum += accurate_exp(number(x + at * {step}) - m);\n    }}\n    sums[local] = sum;"));
        team.tree(&mut text, "plus", "sums", &[0], &n);
        text.line(format_args!("    if (lane != 0u || row >= {rows}) {{ return; }}\n    let shift = accurate_log(sums[local]);"));
        text.line("    var loss = accurate_of_bits(0x7fc00000u);");
        text.line(format_args!("    if (named >= 0 && u32(named) < {n}) {{"));
        text.line(format_args!("        loss = (m - number(x + u32(named) * {step})) + shift;\n    }}"));
        text.line("    y0[row] = select(loss, 0.0, ignored);\n    y1[2u * row] = m;\n    y1[2u * row + 1u] = shift;");
        self.kernel(vec![self.types[0].single(), "i32"], 2, globals, text)
    }

    fn backward(&self) -> KernelText {
        let (rows, n, step) = (parameter(0), parameter(1), parameter(5));
        let mut globals = self.globals(&self.types);
        globals.line("fn cotangent(place: u32) -> f32 {");
        globals.line(format_args!("    return {};\n}}", self.types[1].read("a2", "place")));
        let mut text = self.places();
        text.line(format_args!("    if (row >= {rows}) {{ return; }}"));
        text.line(format_args!("    let dy = cotangent({} + row_of_dy(row));", parameter(4)));
        text.line("    let m = a3[2u * row];\n    let shift = a3[2u * row + 1u];");
        text.line(format_args!("    for (var at = lane; at < {n}; at += {}u) {{", self.team.lanes));
        text.line(format_args!("        let share = accurate_exp((number(x + at * {step}) - m) - shift);"));
        text.line("        let slope = select(share, share - 1.0, named >= 0 && u32(named) == at);");
        text.line(format_args!("        y0[row * {n} + at] = select(dy * slope, 0.0, ignored);\n    }}"));
        self.kernel(vec![self.types[0].single(), "i32", self.types[1].single(), "f32"], 1, globals, text)
    }

    fn kernel(&self, inputs: Vec<&'static str>, outputs: usize, globals: Text, body: Text) -> KernelText {
        KernelText {
            inputs,
            outputs: vec!["f32"; outputs],
            words: WORDS + 4 * self.rank,
            threads: self.team.threads(),
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
        for (rank, dtype) in [GpuType::F32, GpuType::BF16, GpuType::F16].into_iter().enumerate() {
            let kind = Kind { types: [dtype, GpuType::F32], team: Team::new([1, 5, 900][rank], true), rank };
            validate(&kind.forward());
            validate(&kind.backward());
        }
    }
}
