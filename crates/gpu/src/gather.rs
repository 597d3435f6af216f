//! Rows of a table by indices, and the gradient: rows added in the order of the positions that named them.

use monotile_kernels::shape::product;

use crate::accurate::functions_for;
use crate::error::{GpuError, GpuResult};
use crate::kernel::KernelText;
use crate::operand::{GpuOperand, GpuType, MergedDims, conversions};
use crate::pool::GpuBlock;
use crate::stream::GpuStream;
use crate::text::{Text, parameter, place_function};

/// Threads of a workgroup, a column of a row each.
const THREADS: usize = 64;

/// Which positions name each row of a table, sorted on the host.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuSegments, GpuStream, GpuType, gather_rows_backward};
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(bytemuck::cast_slice(&[1.0_f32, 2.0, 4.0]))?;
/// let dy = GpuOperand::contiguous(&block, GpuType::F32, &[3, 1])?;
/// let segments = GpuSegments::new(&stream, &[1, 0, 1], 2)?;
/// let y = stream.read_blocking(&gather_rows_backward(&stream, &dy, &segments)?)?;
/// assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(&y), [2.0, 5.0]);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
#[derive(Debug, Clone)]
pub struct GpuSegments {
    /// Positions in the order of their rows, and of themselves.
    order: GpuBlock,
    /// Where each row's positions start, and where the last ones end.
    starts: GpuBlock,
    positions: usize,
    rows: usize,
}

impl GpuSegments {
    /// Of the row that each position names, of a table of so many `rows`.
    ///
    /// # Errors
    /// If there is no such row.
    pub fn new(stream: &GpuStream, indices: &[i32], rows: usize) -> GpuResult<Self> {
        let mut starts = vec![0_u32; rows + 1];
        for (position, &index) in indices.iter().enumerate() {
            let row = usize::try_from(index).ok().filter(|&row| row < rows).ok_or_else(|| {
                GpuError::invalid(format!("gather_rows: index {index} at position {position} is not of a table of {rows} rows"))
            })?;
            starts[row + 1] += 1;
        }
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let mut order = vec![0_u32; indices.len()];
        for (position, &index) in indices.iter().enumerate() {
            let place = &mut next[index as usize];
            order[*place as usize] = position as u32;
            *place += 1;
        }
        let upload = |words: &[u32]| stream.upload(bytemuck::cast_slice(words));
        Ok(Self { order: upload(&order)?, starts: upload(&starts)?, positions: indices.len(), rows })
    }
}

/// The rows of a table (v, n) that indices of type `I32` and any sizes name: a contiguous block of f32 of those sizes and n.
///
/// A row that is not there is NaN.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuStream, GpuType, gather_rows};
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(bytemuck::cast_slice(&[1.0_f32, 2.0, 3.0, 4.0]))?;
/// let table = GpuOperand::contiguous(&block, GpuType::F32, &[2, 2])?;
/// let block = stream.upload(bytemuck::cast_slice(&[1_i32, 1, 0]))?;
/// let indices = GpuOperand::contiguous(&block, GpuType::I32, &[3])?;
/// let y = stream.read_blocking(&gather_rows(&stream, &table, &indices)?)?;
/// assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(&y), [3.0, 4.0, 3.0, 4.0, 1.0, 2.0]);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// If the table has not two dimensions, or the indices are not of type `I32`.
#[doc(alias = "embedding")]
#[doc(alias = "index_select")]
#[doc(alias = "take")]
pub fn gather_rows(stream: &GpuStream, table: &GpuOperand, indices: &GpuOperand) -> GpuResult<GpuBlock> {
    let &[rows, n] = table.sizes() else {
        return Err(GpuError::invalid(format!("gather_rows: a table of sizes {:?} is not of (rows, columns)", table.sizes())));
    };
    if indices.dtype() != GpuType::I32 {
        return Err(GpuError::invalid(format!("gather_rows: indices are of type I32, not {:?}", indices.dtype())));
    }
    let walk = MergedDims::new(indices.sizes(), &[indices.strides()]);
    let inputs = [table.block(), indices.block()];
    let result = stream.pool().take(product([indices.elements(), n, 4]) as u64, &inputs)?;
    let mut words = [rows, n, table.offset(), indices.offset(), indices.elements()].map(|size| size as u32).to_vec();
    words.extend(table.strides().iter().map(|&stride| stride as u32));
    words.extend(walk.sizes.iter().map(|&size| size as u32));
    words.extend(walk.strides[0].iter().map(|&stride| stride as u32));
    let (dtype, rank) = (table.dtype(), walk.rank());
    let kernel = stream.kernel(("gather_rows", vec![dtype as u64, rank as u64]), || forward(dtype, rank))?;
    let groups = product([indices.elements(), n.div_ceil(THREADS)]) as u64;
    stream.dispatch(&kernel, &inputs, &[&result], &words, groups)?;
    Ok(result)
}

/// The gradient of [`gather_rows`] with respect to the table, from that with respect to the result, (positions, n): a contiguous
/// block of f32, (rows, n). Rows that no position names are 0.
///
/// # Errors
/// If there is not one row a position.
pub fn gather_rows_backward(stream: &GpuStream, dy: &GpuOperand, segments: &GpuSegments) -> GpuResult<GpuBlock> {
    let GpuSegments { order, starts, positions, rows } = segments;
    let &[given, n] = dy.sizes() else {
        let sizes = dy.sizes();
        return Err(GpuError::invalid(format!(
            "gather_rows_backward: a cotangent of sizes {sizes:?} is not of (positions, columns)"
        )));
    };
    if given != *positions {
        return Err(GpuError::invalid(format!("gather_rows_backward: {given} rows for {positions} positions")));
    }
    let inputs = [dy.block(), order, starts];
    let result = stream.pool().take(product([*rows, n, 4]) as u64, &inputs)?;
    let mut words = [*rows, n, dy.offset()].map(|size| size as u32).to_vec();
    words.extend(dy.strides().iter().map(|&stride| stride as u32));
    let dtype = dy.dtype();
    let kernel = stream.kernel(("gather_rows_backward", vec![dtype as u64]), || backward(dtype))?;
    stream.dispatch(&kernel, &inputs, &[&result], &words, product([*rows, n.div_ceil(THREADS)]) as u64)?;
    Ok(result)
}

/// `row` and `at`: the workgroup's row and the thread's column.
fn places(text: &mut Text, n: &str) {
    text.line(format_args!("    let wide = ({n} + {}u) / {THREADS}u;\n    let row = group / wide;", THREADS - 1));
    text.line(format_args!("    let at = (group % wide) * {THREADS}u + local;\n    if (at >= {n}) {{ return; }}"));
}

fn read(dtype: GpuType) -> String {
    let mut text = Text::default();
    text.line(conversions(&[dtype], &[]));
    text.line(format_args!("fn number(place: u32) -> f32 {{\n    return {};\n}}", dtype.read("a0", "place")));
    text.finish()
}

fn forward(dtype: GpuType, rank: usize) -> KernelText {
    let (rows, n, base, first) = (parameter(0), parameter(1), parameter(2), parameter(3));
    let (of_row, of_column) = (parameter(5), parameter(6));
    let mut globals = functions_for("accurate_of_bits(") + &read(dtype);
    globals += &place_function("place_of_index", rank, 7, 7 + rank);
    let mut text = Text::default();
    places(&mut text, &n);
    text.line(format_args!("    let index = a1[{first} + place_of_index(row)];"));
    text.line("    var value = accurate_of_bits(0x7fc00000u);");
    text.line(format_args!("    if (index >= 0 && u32(index) < {rows}) {{"));
    text.line(format_args!("        value = number({base} + u32(index) * {of_row} + at * {of_column});\n    }}"));
    text.line(format_args!("    y0[row * {n} + at] = value;"));
    KernelText {
        inputs: vec![dtype.single(), "i32"],
        outputs: vec!["f32"],
        words: 7 + 2 * rank,
        threads: THREADS,
        globals,
        body: text.finish(),
    }
}

fn backward(dtype: GpuType) -> KernelText {
    let (n, base, of_row, of_column) = (parameter(1), parameter(2), parameter(3), parameter(4));
    let mut text = Text::default();
    places(&mut text, &n);
    text.line("    var sum = 0.0;\n    for (var i = a2[row]; i < a2[row + 1u]; i += 1u) {");
    text.line(format_args!("        sum += number({base} + a1[i] * {of_row} + at * {of_column});\n    }}"));
    text.line(format_args!("    y0[row * {n} + at] = sum;"));
    KernelText {
        inputs: vec![dtype.single(), "u32", "u32"],
        outputs: vec!["f32"],
        words: 5,
        threads: THREADS,
        globals: read(dtype),
        body: text.finish(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;

    #[test]
    fn every_text_is_a_shader() {
        for (rank, dtype) in [GpuType::F32, GpuType::BF16, GpuType::F16, GpuType::I32, GpuType::Bool].into_iter().enumerate() {
            validate(&forward(dtype, rank));
            validate(&backward(dtype));
        }
    }
}
