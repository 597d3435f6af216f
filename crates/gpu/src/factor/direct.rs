//! Triangular factors, and systems with them.

use super::{Kind, Matrices, Places};
use crate::error::{GpuError, GpuResult};
use crate::operand::{GpuOperand, MergedDims};
use crate::pool::GpuBlock;
use crate::stream::GpuStream;
use crate::text::{Text, parameter, place_function};

/// L of A = L Lᵀ for symmetric positive definite matrices `(…, n, n)`: contiguous, of f32, zeros above the diagonal.
///
/// Only the lower triangle is read. Where a leading minor of a matrix is not positive, its L is NaN from that row on.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuStream, GpuType, cholesky};
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(bytemuck::cast_slice(&[4.0_f32, 0.0, 2.0, 2.0]))?;
/// let a = GpuOperand::contiguous(&block, GpuType::F32, &[2, 2])?;
/// let l = stream.read_blocking(&cholesky(&stream, &a)?)?;
/// assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(&l), [2.0, 0.0, 1.0, 1.0]);
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// If the matrices are not square, or larger than 32 x 32.
pub fn cholesky(stream: &GpuStream, a: &GpuOperand) -> GpuResult<GpuBlock> {
    let matrices = Matrices::square("cholesky", a)?;
    let result = stream.pool().take(4 * a.elements() as u64, &[a.block()])?;
    let kind = of_cholesky(&matrices);
    let kernel = stream.kernel(("cholesky", kind.key()), || kind.text())?;
    let groups = if a.elements() == 0 { 0 } else { kind.places.groups(matrices.count) };
    stream.dispatch(&kernel, &[a.block()], &[&result], &matrices.words(), groups)?;
    Ok(result)
}

fn of_cholesky(matrices: &Matrices) -> Kind<'_> {
    Kind {
        matrices,
        places: Places::new(matrices.rows, 1),
        beside: Vec::new(),
        outputs: vec!["f32"],
        parts: &[include_str!("cholesky.wgsl")],
        body: "    load(at, lane, inside);
    factor(at, lane);
    for (var e = lane; e < rows() * columns() && live; e += SIDE) {
        y0[matrix * rows() * columns() + e] = tile[at + e / columns() * PITCH + e % columns()];
    }",
        words: matrices.word_count(),
    }
}

/// The factors of P A = L U.
#[derive(Debug, Clone)]
pub struct GpuLu {
    /// L below the diagonal, whose own is 1, and U: contiguous, of f32.
    pub lu: GpuBlock,
    /// Row i of L U is row `order[i]` of A: contiguous, of i32, `(…, m)`.
    pub order: GpuBlock,
}

/// L and U of matrices `(…, m, n)` whose rows are brought into another order, the largest of each column as pivot.
///
/// # Errors
/// If the matrices are larger than 32 x 32.
pub fn lu(stream: &GpuStream, a: &GpuOperand) -> GpuResult<GpuLu> {
    let matrices = Matrices::small("lu", a)?;
    let take = |elements: usize| stream.pool().take(4 * elements as u64, &[a.block()]);
    let result = GpuLu { lu: take(a.elements())?, order: take(matrices.count * matrices.rows)? };
    let kind = of_lu(&matrices);
    let kernel = stream.kernel(("lu", kind.key()), || kind.text())?;
    let groups = if matrices.rows == 0 { 0 } else { kind.places.groups(matrices.count) };
    stream.dispatch(&kernel, &[a.block()], &[&result.lu, &result.order], &matrices.words(), groups)?;
    Ok(result)
}

fn of_lu(matrices: &Matrices) -> Kind<'_> {
    Kind {
        matrices,
        places: Places::new(matrices.rows.max(matrices.columns), 1),
        beside: Vec::new(),
        outputs: vec!["f32", "i32"],
        parts: &[include_str!("lu.wgsl")],
        body: "    load(at, lane, inside);
    let order = which * SIDE;
    factor(at, lane, order);
    if (live && lane < rows()) { y1[matrix * rows() + lane] = i32(places[order + lane]); }
    for (var e = lane; e < rows() * columns() && live; e += SIDE) {
        y0[matrix * rows() * columns() + e] = tile[at + e / columns() * PITCH + e % columns()];
    }",
        words: matrices.word_count(),
    }
}

/// Which triangle [`solve_triangular`] reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GpuTriangular {
    /// The upper one; else the lower.
    pub upper: bool,
    /// Whether the diagonal counts as ones.
    pub unit: bool,
}

/// X of T X = B, for T `(…, n, n)` and B `(…, n, k)` of the same leading sizes: contiguous, of f32, of B's sizes.
///
/// The other triangle of T is not read. A 0 on the diagonal gives infinities and NaN.
///
/// # Errors
/// If T is not square, larger than 32 x 32, or does not fit B.
pub fn solve_triangular(stream: &GpuStream, t: &GpuOperand, b: &GpuOperand, which: GpuTriangular) -> GpuResult<GpuBlock> {
    const NAME: &str = "solve_triangular";
    let (matrices, right) = (Matrices::square(NAME, t)?, Matrices::of(NAME, b)?);
    let leading = |x: &GpuOperand| x.sizes()[..x.sizes().len() - 2].to_vec();
    if leading(t) != leading(b) || matrices.rows != right.rows {
        return Err(GpuError::invalid(format!("{NAME}: sizes {:?} and {:?} do not fit", t.sizes(), b.sizes())));
    }
    let result = stream.pool().take(4 * b.elements() as u64, &[t.block(), b.block()])?;
    let side = Places::new(matrices.rows, 2).side;
    let chunks = right.columns.div_ceil(side);
    // Each of the units that workgroups hold is a matrix and as many columns of B as there are lanes.
    let mut words = matrices.words();
    words[1] = (matrices.count * chunks) as u32;
    words.extend([chunks, right.columns].map(|x| x as u32));
    words.extend([right.offset as u32, right.steps[0] as u32, right.steps[1] as u32]);
    words.extend(right.batch.sizes.iter().map(|&size| size as u32));
    words.extend(right.batch.strides[0].iter().map(|&stride| stride as u32));
    let kind = of_triangular(&matrices, &right, &words, which);
    let mut key = kind.key();
    key.extend([which.upper, which.unit].map(u64::from));
    let kernel = stream.kernel((NAME, key), || kind.text())?;
    let groups = if b.elements() == 0 { 0 } else { kind.places.groups(matrices.count * chunks) };
    stream.dispatch(&kernel, &[t.block(), b.block()], &[&result], &words, groups)?;
    Ok(result)
}

/// What the text needs beside the matrices.
fn of_triangular<'a>(matrices: &'a Matrices, right: &Matrices, words: &[u32], which: GpuTriangular) -> Kind<'a> {
    let first = matrices.word_count();
    let MergedDims { sizes, .. } = &right.batch;
    let mut text = Text::default();
    text.line(format_args!("const UPPER = {};\nconst UNIT = {};", which.upper, which.unit));
    text.line(format_args!("fn chunks() -> u32 {{ return {}; }}", parameter(first)));
    text.line(format_args!("fn right_columns() -> u32 {{ return {}; }}", parameter(first + 1)));
    text.line(place_function("place_of_b", sizes.len(), first + 5, first + 5 + sizes.len()));
    text.line(format_args!("fn right(place: u32) -> f32 {{ return {}; }}", right.dtype.read("a1", "place")));
    text.line(format_args!(
        "fn right_element(matrix: u32, row: u32, column: u32) -> f32 {{
    return right({} + place_of_b(matrix) + row * {} + column * {});
}}",
        parameter(first + 2),
        parameter(first + 3),
        parameter(first + 4)
    ));
    Kind {
        matrices,
        places: Places::new(matrices.rows, 2),
        beside: vec![(right.dtype, text.finish())],
        outputs: vec!["f32"],
        parts: &[include_str!("triangular.wgsl")],
        body: "    let own = at + SQUARE + lane;
    let number_of_matrix = inside / chunks();
    let column = inside % chunks() * SIDE + lane;
    load(at, lane, number_of_matrix);
    if (live && column < right_columns()) {
        for (var i = 0u; i < rows(); i += 1u) { tile[own + i * PITCH] = right_element(number_of_matrix, i, column); }
        solve(at, own);
        for (var i = 0u; i < rows(); i += 1u) {
            y0[(number_of_matrix * rows() + i) * right_columns() + column] = tile[own + i * PITCH];
        }
    }",
        words: words.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;
    use crate::operand::GpuType;

    #[test]
    fn every_text_is_a_shader() {
        for (number, dtype) in [GpuType::F32, GpuType::BF16, GpuType::F16, GpuType::I32, GpuType::Bool].into_iter().enumerate() {
            let side = [1, 3, 8, 17, 32][number];
            let batch = MergedDims { sizes: vec![2; number], strides: vec![vec![9; number]] };
            let matrices = Matrices { rows: side, columns: side, count: 5, dtype, offset: 0, steps: [1, 1], batch };
            validate(&of_cholesky(&matrices).text());
            validate(&of_lu(&matrices).text());
            let words = vec![0; 2 * matrices.word_count() + 1];
            for which in [(false, false), (true, false), (false, true)].map(|(upper, unit)| GpuTriangular { upper, unit }) {
                validate(&of_triangular(&matrices, &matrices, &words, which).text());
            }
        }
    }
}
