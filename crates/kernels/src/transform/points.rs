//! Rows of points, directions or homogeneous coordinates through 4 x 4 matrices.

use super::CHUNK;
use super::broadcast_rows::{BroadcastRows, RowBlocks, RowReader, RowWriter, row_of_lane, transpose_matrices, write};
use crate::compiled::compiled;
use crate::params::params;
use crate::simd::{Enabled, Isa, Kernel, Lanes, Vector, dispatch_on, isa};
use crate::threads;

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VectorKind {
    /// 3 numbers, to which 1 is added; the result is divided by its fourth number.
    Points,
    /// 3 numbers, to which 0 is added.
    Vectors,
    /// 4 numbers.
    Homogeneous,
}

impl VectorKind {
    /// The numbers of a row.
    pub fn width(self) -> usize {
        if self == Self::Homogeneous { 4 } else { 3 }
    }
}

compiled! {
    /// Row i of `out` is row i of `rows` through matrix i / per, where each matrix, of 16 numbers row by row, takes `per` rows.
    ///
    /// # Panics
    /// If there are not `per` rows for each matrix, or `out` is not as long as the rows.
    pub fn transform<T: Lanes>(kind: VectorKind, matrices: &[T], per: usize, rows: &[T], out: &mut [T]) {
        transform_on(isa(), kind, matrices, per, rows, out);
    }
}

pub(super) fn transform_on<T: Lanes>(isa: Isa, kind: VectorKind, matrices: &[T], per: usize, rows: &[T], out: &mut [T]) {
    let width = kind.width();
    assert!(matrices.len().is_multiple_of(16) && matrices.len() / 16 * per * width == rows.len(), "rows for each matrix");
    assert_eq!(rows.len(), out.len(), "a result for each row");
    let streamed = size_of_val(out) >= params().memory.streamed_bytes;
    let parts = threads::parts(rows.len() / width, params().cost.points_ns);
    threads::split_mut(out, CHUNK * width, parts, |start, out| {
        let first = start / width;
        let rows = &rows[start..start + out.len()];
        match kind {
            VectorKind::Points => dispatch_on(isa, PointsPart::<T, 3, true> { matrices, per, first, rows, out, streamed }),
            VectorKind::Vectors => dispatch_on(isa, PointsPart::<T, 3, false> { matrices, per, first, rows, out, streamed }),
            VectorKind::Homogeneous => dispatch_on(isa, PointsPart::<T, 4, false> { matrices, per, first, rows, out, streamed }),
        }
    });
}

/// One thread's rows of `W` numbers, from number `first` on; those of 3 are points where they are divided, else directions.
struct PointsPart<'a, T, const W: usize, const DIVIDE: bool> {
    matrices: &'a [T],
    per: usize,
    first: usize,
    rows: &'a [T],
    out: &'a mut [T],
    streamed: bool,
}

impl<T: Lanes, const W: usize, const DIVIDE: bool> Kernel<T> for PointsPart<'_, T, W, DIVIDE> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let count = self.rows.len() / W;
        let mut source = RowReader::new(BroadcastRows::per_row(self.rows, W));
        let mut sink = RowWriter::<T, W>::new(self.out, self.streamed);
        let mut start = 0;
        while start < count {
            let row = self.first + start;
            // Rows that share a matrix, or, where each has its own, any.
            let left = if self.per == 1 { count - start } else { (self.per - row % self.per).min(count - start) };
            let len = left.min(CHUNK);
            let blocks = source.blocks(start, len, V::LANES);
            let out = sink.open(start, len, V::LANES);
            if self.per == 1 {
                each::<V, W, DIVIDE>(isa, &self.matrices[16 * row..16 * (row + len)], blocks, out);
            } else {
                let m = self.matrices[16 * (row / self.per)..].first_chunk().expect("a matrix for each row");
                one::<V, W, DIVIDE>(isa, m, blocks, out);
            }
            sink.close(start, len, V::LANES);
            start += len;
        }
    }
}

/// Blocks of rows through one matrix.
#[inline(always)]
fn one<V: Vector, const W: usize, const DIVIDE: bool>(
    isa: Enabled<V>,
    m: &[V::Element; 16],
    rows: RowBlocks<'_, V::Element>,
    out: &mut [V::Element],
) {
    let mut entries = [isa.zero(); 16];
    for (register, &x) in entries.iter_mut().zip(m) {
        *register = isa.splat(x);
    }
    for b in 0..out.len() / (4 * V::LANES) {
        write::<V, W>(product::<V, W, DIVIDE>(&entries, rows.columns(isa, b)), out, b);
    }
}

/// Blocks of rows, each through its own matrix.
#[inline(always)]
fn each<V: Vector, const W: usize, const DIVIDE: bool>(
    isa: Enabled<V>,
    matrices: &[V::Element],
    rows: RowBlocks<'_, V::Element>,
    out: &mut [V::Element],
) {
    let count = matrices.len() / 16;
    for b in 0..out.len() / (4 * V::LANES) {
        let mut entries = [isa.zero(); 16];
        for j in 0..V::LANES {
            // Lanes beyond the last matrix read that one again, and their results are left.
            let row = (b * V::LANES + row_of_lane::<V>(j)).min(count - 1);
            let m = &matrices[16 * row..][..16];
            for k in 0..16 / V::LANES {
                entries[k * V::LANES + j] = isa.read(&m[k * V::LANES..]);
            }
        }
        transpose_matrices(&mut entries);
        write::<V, W>(product::<V, W, DIVIDE>(&entries, rows.columns(isa, b)), out, b);
    }
}

/// M v, divided by its fourth number where that is asked for.
#[inline(always)]
fn product<V: Vector, const W: usize, const DIVIDE: bool>(m: &[V; 16], [x, y, z, w]: [V; 4]) -> [V; 4] {
    let mut sums = [x; 4];
    for i in 0..if W == 4 || DIVIDE { 4 } else { 3 } {
        let row = &m[4 * i..];
        let last = match W {
            4 => z.mul_add(row[2], row[3] * w),
            _ if DIVIDE => z.mul_add(row[2], row[3]),
            _ => z * row[2],
        };
        sums[i] = x.mul_add(row[0], y.mul_add(row[1], last));
    }
    if DIVIDE {
        let [a, b, c, d] = sums;
        return [a / d, b / d, c / d, d];
    }
    sums
}
