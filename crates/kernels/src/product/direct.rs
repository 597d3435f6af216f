//! Small products, and many of them: tiles read A where it lies, and B too if its columns are neighbours.

use super::axes::{self, Offsets};
use super::blocked::Target;
use super::micro::{Columns, Kernels, MAX_ROWS, Tile};
use super::pack::{Panel, Source};
use super::read::Address;
use super::{Axes, Axis, Operand, Scaled, Stored};
use crate::buffer::Block;
use crate::simd::{Lanes, MAX_LANES, Vector};
use crate::threads;

/// The longest rows and columns for which packing costs more than it saves.
const SMALL: usize = 128;
/// The most multiplications and additions that are not worth a second thread.
const WORK: usize = 1 << 20;
/// The longest contracted dimension: B's rows stay in the first-level cache while tiles of A pass.
const DEPTH: usize = 256;
/// What a product costs beside its arithmetic, in nanoseconds.
const CALL_NS: f64 = 10.0;

/// Small products over single dimensions.
pub(super) struct Direct<'a, T> {
    scaled: Scaled<T>,
    a: Address,
    b: Operand<'a, T>,
    c: Target<T>,
    batch: &'a [Axis],
    rows: Axis,
    columns: Axis,
    contracted: Axis,
}

/// How a matrix of B lies: as the caller has it, or in panels.
#[derive(Clone, Copy)]
enum Layout {
    InPlace,
    Packed,
}

impl<'a, T: Lanes> Direct<'a, T> {
    /// The product, if it is a small one.
    pub(super) fn new(scaled: Scaled<T>, a: Operand<'a, T>, b: Operand<'a, T>, c: Target<T>, axes: &'a Axes) -> Option<Self> {
        let single = |group: &[Axis]| match group {
            [] => Some(Axis { size: 1, a: 0, b: 0, c: 0 }),
            &[axis] => Some(axis),
            _ => None,
        };
        let (rows, columns, contracted) = (single(&axes.rows)?, single(&axes.columns)?, single(&axes.contracted)?);
        let work = rows.size * columns.size * contracted.size;
        let small = rows.size.max(columns.size) <= SMALL && (1..=DEPTH).contains(&contracted.size) && work <= WORK;
        let Stored::Real(_) = a.data else { return None };
        let a = Address::new(a.data, a.offset);
        small.then_some(Self { scaled, a, b, c, batch: &axes.batch, rows, columns, contracted })
    }

    /// # Safety
    /// The processor has the instruction set of `V`; every index lies in its operand; nobody else uses C;
    /// `distinct` only if no two matrices share an element of C.
    pub(super) unsafe fn run<V: Vector<Element = T>>(&self, distinct: bool) {
        let kernels = Kernels::of::<V>();
        let matrices = axes::size(self.batch);
        let work = 2 * self.rows.size * self.columns.size * self.contracted.size;
        let parts = if distinct { threads::parts(matrices, CALL_NS + work as f64 / 80.0) } else { 1 };
        // A few pieces a thread, so that one that is held up leaves some to the others.
        let pieces = if parts > 1 { matrices.min(4 * parts) } else { 1 };
        let in_place = matches!(self.b.data, Stored::Real(_)) && (self.columns.b == 1 || self.columns.size == 1);
        let source = (!in_place).then(|| {
            let group = |axis: &Axis, f: fn(&Axis) -> isize| Offsets::new(std::slice::from_ref(axis), f);
            let (lanes, depth) = (group(&self.columns, |x| x.b), group(&self.contracted, |x| x.b));
            Source::new::<V>(self.b.data, self.b.offset, lanes, depth)
        });
        threads::run(pieces, |piece| {
            let room = if in_place { 0 } else { self.columns.size.next_multiple_of(kernels.columns()) * self.contracted.size };
            let mut room = Block::new(room);
            for matrix in threads::range(matrices, 1, pieces, piece) {
                let at = self.matrix(matrix);
                // SAFETY: the room holds all of B's panels; the rest is the caller's duty.
                unsafe {
                    match &source {
                        None => {
                            let b = Address::new(self.b.data, self.b.offset).at(at[1]).cast();
                            self.multiply(&kernels, at, b, Layout::InPlace);
                        }
                        Some(source) => {
                            self.pack(&kernels, source, at[1], &mut room);
                            self.multiply(&kernels, at, room.as_ptr(), Layout::Packed);
                        }
                    }
                }
            }
        });
    }

    /// Where a matrix of the batch begins in A, B and C.
    fn matrix(&self, mut index: usize) -> [isize; 3] {
        let mut at = [0; 3];
        for axis in self.batch.iter().rev() {
            let i = (index % axis.size) as isize;
            index /= axis.size;
            at = [at[0] + i * axis.a, at[1] + i * axis.b, at[2] + i * axis.c];
        }
        at
    }

    /// Packs all of a matrix of B, panel after panel.
    unsafe fn pack(&self, kernels: &Kernels<T>, source: &Source<T>, at: isize, room: &mut [T]) {
        let (n, k, tile) = (self.columns.size, self.contracted.size, kernels.columns());
        for lane in (0..n).step_by(tile) {
            let lanes = tile.min(n - lane);
            let panel = Panel { lane, lanes, depth: 0..k, width: lanes.next_multiple_of(kernels.lanes) };
            // SAFETY: the caller's duty, and the slice holds the panel.
            unsafe { source.pack(at, &panel, room[lane * k..].as_mut_ptr()) }
        }
    }

    /// Multiplies one matrix, whose B is at `b`.
    unsafe fn multiply(&self, kernels: &Kernels<T>, at: [isize; 3], b: *const T, layout: Layout) {
        let (m, n) = (self.rows.size, self.columns.size);
        let (tile, panels) = (kernels.columns(), m.div_ceil(kernels.rows));
        for panel in 0..panels {
            let rows = m * panel / panels..m * (panel + 1) / panels;
            let mut row_at = [0; MAX_ROWS];
            let row_at = &mut row_at[..rows.len()];
            row_at.iter_mut().zip(rows.clone()).for_each(|(at, i)| *at = i as isize * self.rows.c);
            for column in (0..n).step_by(tile) {
                let width = tile.min(n - column);
                let mut column_at = [0; 2 * MAX_LANES];
                let first = column as isize * self.columns.c;
                let columns = if self.columns.c == 1 || width == 1 {
                    Columns::Adjacent(first)
                } else {
                    column_at.iter_mut().zip(0..).for_each(|(at, j)| *at = first + j * self.columns.c);
                    Columns::Apart(&column_at[..width])
                };
                let (b_column, b_step) = match layout {
                    Layout::InPlace => (self.columns.b, self.contracted.b),
                    Layout::Packed => (self.contracted.size as isize, width.next_multiple_of(kernels.lanes) as isize),
                };
                let tile = Tile {
                    alpha: self.scaled.alpha,
                    depth: self.contracted.size,
                    a: self.a.at(at[0] + rows.start as isize * self.rows.a).cast(),
                    b: b.wrapping_offset(column as isize * b_column),
                    steps: Some([self.rows.a, self.contracted.a, b_step]),
                    c: self.c.at(at[2]),
                    rows: row_at,
                    width,
                    columns,
                    accumulate: self.scaled.accumulate,
                };
                // SAFETY: the caller's duty: the tile is part of the matrix.
                unsafe { kernels.run(&tile) }
            }
        }
    }
}
