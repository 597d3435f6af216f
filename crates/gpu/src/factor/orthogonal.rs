//! Orthogonal factors.

use super::{Kind, Matrices, Places};
use crate::error::GpuResult;
use crate::operand::GpuOperand;
use crate::pool::GpuBlock;
use crate::stream::GpuStream;

/// The factors of A = Q R: contiguous, of f32. With k = min(m, n):
#[derive(Debug, Clone)]
pub struct GpuQr {
    /// Orthonormal columns, `(…, m, k)`.
    pub q: GpuBlock,
    /// Upper triangular, `(…, k, n)`.
    pub r: GpuBlock,
}

/// Q and R of matrices `(…, m, n)`; `non_negative` makes the diagonal of R so, by other signs of Q's columns.
///
/// # Example
/// ```
/// use monotile_gpu::{Gpu, GpuErrorKind, GpuOperand, GpuOptions, GpuStream, GpuType, qr};
/// # let gpu = match Gpu::open(&GpuOptions::default()) {
/// #     Err(error) if error.kind == GpuErrorKind::NoAdapter => return Ok(()),
/// #     opened => opened?,
/// # };
/// let stream = GpuStream::new(&gpu);
/// let block = stream.upload(bytemuck::cast_slice(&[3.0_f32, 1.0, 4.0, 2.0]))?;
/// let a = GpuOperand::contiguous(&block, GpuType::F32, &[2, 2])?;
/// let r = stream.read_blocking(&qr(&stream, &a, true)?.r)?;
/// let r: Vec<f32> = bytemuck::pod_collect_to_vec(&r);
/// assert!([5.0, 2.2, 0.0, 0.4].iter().zip(r).all(|(expected, r)| (expected - r).abs() < 1e-6));
/// # Ok::<(), monotile_gpu::GpuError>(())
/// ```
///
/// # Errors
/// If the matrices are larger than 32 x 32.
pub fn qr(stream: &GpuStream, a: &GpuOperand, non_negative: bool) -> GpuResult<GpuQr> {
    let matrices = Matrices::small("qr", a)?;
    let rank = matrices.rows.min(matrices.columns);
    let take = |rows: usize, columns: usize| stream.pool().take((4 * matrices.count * rows * columns) as u64, &[a.block()]);
    let result = GpuQr { q: take(matrices.rows, rank)?, r: take(rank, matrices.columns)? };
    let kind = of_qr(&matrices, non_negative);
    let mut key = kind.key();
    key.push(u64::from(non_negative));
    let kernel = stream.kernel(("qr", key), || kind.text())?;
    let groups = if a.elements() == 0 { 0 } else { kind.places.groups(matrices.count) };
    stream.dispatch(&kernel, &[a.block()], &[&result.q, &result.r], &matrices.words(), groups)?;
    Ok(result)
}

/// Writing what reflections left as Q and R.
const STORE_QR: &str = "
fn store_qr(at: u32, of_q: u32, lane: u32, list: u32, matrix: u32, down: f32) {
    let rank = min(rows(), columns());
    for (var e = lane; e < rows() * rank; e += SIDE) {
        let k = e % rank;
        let x = tile[of_q + e / rank * PITCH + k];
        y0[matrix * rows() * rank + e] = select(x, -x, TURNED && lists[list + SIDE + k] < 0.0);
    }
    for (var e = lane; e < rank * columns(); e += SIDE) {
        let k = e / columns();
        let j = e % columns();
        let x = tile[at + k * PITCH + j] * down;
        y1[matrix * rank * columns() + e] = select(select(x, -x, TURNED && lists[list + SIDE + k] < 0.0), 0.0, j < k);
    }
}
";

fn of_qr(matrices: &Matrices, non_negative: bool) -> Kind<'_> {
    const TURNED: [&str; 3] = ["const TURNED = true;", HOUSEHOLDER, STORE_QR];
    const PLAIN: [&str; 3] = ["const TURNED = false;", HOUSEHOLDER, STORE_QR];
    Kind {
        matrices,
        places: Places::new(matrices.rows.max(matrices.columns), 2),
        beside: vec![],
        outputs: vec!["f32", "f32"],
        parts: if non_negative { &TURNED } else { &PLAIN },
        body: "    load(at, lane, inside);
    let down = scale(at, lane, list);
    reflect(at, lane, list);
    unreflect(at, lane, list, at + SQUARE);
    if (live) { store_qr(at, at + SQUARE, lane, list, matrix, down); }",
        words: matrices.word_count(),
    }
}

const HOUSEHOLDER: &str = include_str!("householder.wgsl");
const JACOBI: &str = include_str!("jacobi.wgsl");

/// Sweeps after which rotations of f32 no longer change anything, by the side of the matrices.
fn sweeps(side: usize) -> &'static str {
    match side {
        0..=2 => "const SWEEPS = 2u;",
        3..=4 => "const SWEEPS = 5u;",
        5..=8 => "const SWEEPS = 7u;",
        9..=16 => "const SWEEPS = 8u;",
        _ => "const SWEEPS = 9u;",
    }
}

/// The factors of A = V Λ Vᵀ: contiguous, of f32.
#[derive(Debug, Clone)]
pub struct GpuEigh {
    /// λ, ascending, `(…, n)`.
    pub values: GpuBlock,
    /// Orthonormal columns, `(…, n, n)`.
    pub vectors: GpuBlock,
}

/// Eigenvalues and eigenvectors of symmetric matrices `(…, n, n)`, of which the lower triangle is read.
///
/// # Errors
/// If the matrices are not square, or larger than 32 x 32.
pub fn eigh(stream: &GpuStream, a: &GpuOperand) -> GpuResult<GpuEigh> {
    let matrices = Matrices::square("eigh", a)?;
    let take = |elements: usize| stream.pool().take((4 * elements) as u64, &[a.block()]);
    let result = GpuEigh { values: take(matrices.count * matrices.rows)?, vectors: take(a.elements())? };
    let parts = [sweeps(Places::new(matrices.rows, 2).side), JACOBI, include_str!("eigh.wgsl")];
    let kind = of_eigh(&matrices, &parts);
    let kernel = stream.kernel(("eigh", kind.key()), || kind.text())?;
    let groups = if a.elements() == 0 { 0 } else { kind.places.groups(matrices.count) };
    stream.dispatch(&kernel, &[a.block()], &[&result.values, &result.vectors], &matrices.words(), groups)?;
    Ok(result)
}

fn of_eigh<'a>(matrices: &'a Matrices, parts: &'a [&'a str]) -> Kind<'a> {
    Kind {
        matrices,
        places: Places::new(matrices.rows, 2),
        beside: vec![],
        outputs: vec!["f32", "f32"],
        parts,
        body: "    let n = rows();
    for (var e = lane; e < n * n; e += SIDE) {
        tile[at + e / n * PITCH + e % n] = element(inside, max(e / n, e % n), min(e / n, e % n));
    }
    workgroupBarrier();
    let down = scale(at, lane, list);
    let vectors = at + SQUARE;
    diagonalize(at, vectors, lane, list);
    if (live && lane < n) {
        let to = place_of(list, lane, n, false);
        y0[matrix * n + to] = lists[list + lane] * down;
        for (var i = 0u; i < n; i += 1u) { y1[(matrix * n + i) * n + to] = tile[vectors + i * PITCH + lane]; }
    }",
        words: matrices.word_count(),
    }
}

/// The factors of A = U Σ Vᵀ: contiguous, of f32. With k = min(m, n):
#[derive(Debug, Clone)]
pub struct GpuSvd {
    /// Orthonormal columns, `(…, m, k)`.
    pub u: GpuBlock,
    /// σ, descending, `(…, k)`.
    pub s: GpuBlock,
    /// Orthonormal rows, `(…, k, n)`.
    pub vt: GpuBlock,
}

/// Singular values and vectors of matrices `(…, m, n)`.
///
/// # Errors
/// If the matrices are larger than 32 x 32.
pub fn svd(stream: &GpuStream, a: &GpuOperand) -> GpuResult<GpuSvd> {
    let given = Matrices::small("svd", a)?;
    // Of the longer sides' columns there are fewer: of a wide matrix the transpose is factored, U and V change places.
    let wide = given.columns > given.rows;
    let matrices = if wide { given.transposed() } else { given };
    let (m, n) = (matrices.rows, matrices.columns);
    let take = |elements: usize| stream.pool().take((4 * matrices.count * elements) as u64, &[a.block()]);
    let (left, s, right) = (take(m * n)?, take(n)?, take(n * n)?);
    let head = if wide { "const WIDE = true;" } else { "const WIDE = false;" };
    let parts = [head, sweeps(Places::new(m.max(n), 2).side), JACOBI, include_str!("svd.wgsl"), HOUSEHOLDER];
    let kind = of_svd(&matrices, &parts);
    let mut key = kind.key();
    key.push(u64::from(wide));
    let kernel = stream.kernel(("svd", key), || kind.text())?;
    let groups = if a.elements() == 0 { 0 } else { kind.places.groups(matrices.count) };
    stream.dispatch(&kernel, &[a.block()], &[&left, &s, &right], &matrices.words(), groups)?;
    let (u, vt) = if wide { (right, left) } else { (left, right) };
    Ok(GpuSvd { u, s, vt })
}

/// The columns of A V, sorted, are U Σ; their Q is U, also where some are 0.
fn of_svd<'a>(matrices: &'a Matrices, parts: &'a [&'a str]) -> Kind<'a> {
    Kind {
        matrices,
        places: Places::new(matrices.rows.max(matrices.columns), 2),
        beside: vec![],
        outputs: vec!["f32", "f32", "f32"],
        parts,
        body: "    load(at, lane, inside);
    let down = scale(at, lane, list);
    let m = rows();
    let n = columns();
    let other = at + SQUARE;
    orthogonalize(at, other, lane, list);
    if (live && lane < n) {
        let to = place_of(list, lane, n, true);
        y1[matrix * n + to] = lists[list + lane] * down;
        // Vᵀ, or of a wide matrix U.
        for (var i = 0u; i < n; i += 1u) {
            y2[matrix * n * n + select(to * n + i, i * n + to, WIDE)] = tile[other + i * PITCH + lane];
        }
    }
    sort_columns(at, lane, list);
    reflect(at, lane, list);
    unreflect(at, lane, list, other);
    for (var e = lane; e < m * n && live; e += SIDE) {
        let i = e / n;
        let k = e % n;
        let x = tile[other + i * PITCH + k];
        y0[matrix * m * n + select(e, k * m + i, WIDE)] = select(x, -x, lists[list + SIDE + k] < 0.0);
    }",
        words: matrices.word_count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::validate;
    use crate::operand::{GpuType, MergedDims};

    #[test]
    fn every_text_is_a_shader() {
        for (number, dtype) in [GpuType::F32, GpuType::BF16, GpuType::F16, GpuType::I32, GpuType::Bool].into_iter().enumerate() {
            let side = [1, 3, 8, 17, 32][number];
            let batch = MergedDims { sizes: vec![2; number], strides: vec![vec![9; number]] };
            let matrices = Matrices { rows: side, columns: side, count: 5, dtype, offset: 0, steps: [1, 1], batch };
            for non_negative in [false, true] {
                validate(&of_qr(&matrices, non_negative).text());
            }
            validate(&of_eigh(&matrices, &[sweeps(side), JACOBI, include_str!("eigh.wgsl")]).text());
            for wide in ["const WIDE = true;", "const WIDE = false;"] {
                validate(&of_svd(&matrices, &[wide, sweeps(side), JACOBI, include_str!("svd.wgsl"), HOUSEHOLDER]).text());
            }
        }
    }
}
