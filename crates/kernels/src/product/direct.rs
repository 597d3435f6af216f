//! Small products, and many of them: tiles read A where it lies, and B too if its columns are neighbours.

use std::ops::Range;

use super::axes::{self, Offsets};
use super::blocked::Target;
use super::micro::{Columns, Kernels, MAX_ROWS, Tile};
use super::pack::{Panel, Source};
use super::read::Address;
use super::{Axes, Axis, Operand, Scaled, Stored};
use crate::buffer::Block;
use crate::simd::{Lanes, MAX_LANES, Vector};
use crate::threads;

/// The longest rows and columns for which packing A costs more than it saves.
const SMALL: usize = 256;
/// The most multiplications and additions of a matrix, which the whole cache of a core holds.
const WORK: usize = 1 << 24;
/// The longest contracted dimension: a panel of B stays in the first-level cache, or near it, while tiles of A pass.
const DEPTH: usize = 256;
/// Bytes of B that are read as they lie; where there are more, its columns fall into the same sets of the cache.
const IN_PLACE: usize = 64 << 10;
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

impl<'a, T: Lanes> Direct<'a, T> {
    /// The product, if it is a small one.
    pub(super) fn new(scaled: Scaled<T>, a: Operand<'a, T>, b: Operand<'a, T>, c: Target<T>, axes: &'a Axes) -> Option<Self> {
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
        let (m, n, k) = (self.rows.size, self.columns.size, self.contracted.size);
        let in_place =
            matches!(self.b.data, Stored::Real(_)) && (self.columns.b == 1 || n == 1) && n * k * size_of::<T>() <= IN_PLACE;
        let source = (!in_place).then(|| {
            let group = |axis: &Axis, f: fn(&Axis) -> isize| Offsets::new(std::slice::from_ref(axis), f);
            let (lanes, depth) = (group(&self.columns, |x| x.b), group(&self.contracted, |x| x.b));
            Source::new::<V>(self.b.data, self.b.offset, lanes, depth)
        });
        let small = Small { product: self, kernels, source };
        let ns = CALL_NS + (m * n * k) as f64 / (3 * V::LANES) as f64;
        let panels = small.panels();
        let parts = if distinct { threads::parts(matrices * panels, ns / panels as f64) } else { 1 };
        // SAFETY: the caller's duty.
        let multiply = |matrix, rows, columns| unsafe { small.multiply(self.matrix(matrix), rows, columns) };
        if parts == 1 || matrices >= 4 * parts {
            // A few pieces a thread, so that one that is held up leaves some to the others.
            let pieces = if parts > 1 { matrices.min(4 * parts) } else { 1 };
            return threads::run(pieces, |piece| {
                threads::range(matrices, 1, pieces, piece).for_each(|matrix| multiply(matrix, 0..panels, 0..n));
            });
        }
        // A matrix is cut by rows, or where B is packed, by the columns that each thread packs for itself.
        let cuts = if in_place { panels } else { parts };
        threads::run(matrices * cuts, |piece| {
            let (matrix, cut) = (piece / cuts, piece % cuts);
            if in_place {
                multiply(matrix, cut..cut + 1, 0..n)
            } else {
                multiply(matrix, 0..panels, threads::range(n, V::LANES, cuts, cut))
            }
        });
    }

    fn matrix(&self, index: usize) -> [isize; 3] {
        matrix(self.batch, index)
    }
}

/// The only dimension of a group; one of size 1 where there is none.
pub(super) fn single(group: &[Axis]) -> Option<Axis> {
    match group {
        [] => Some(Axis { size: 1, a: 0, b: 0, c: 0 }),
        &[axis] => Some(axis),
        _ => None,
    }
}

/// Where a matrix of a batch begins in A, B and C.
#[inline(always)]
pub(super) fn matrix(batch: &[Axis], mut index: usize) -> [isize; 3] {
    let mut at = [0; 3];
    for (d, axis) in batch.iter().enumerate().rev() {
        let i = if d == 0 { index } else { index % axis.size } as isize;
        index = if d == 0 { 0 } else { index / axis.size };
        at = [at[0] + i * axis.a, at[1] + i * axis.b, at[2] + i * axis.c];
    }
    at
}

/// A small product in an instruction set.
struct Small<'a, T> {
    product: &'a Direct<'a, T>,
    kernels: Kernels<T>,
    /// How B is packed, unless it is read where it lies.
    source: Option<Source<T>>,
}

impl<T: Lanes> Small<'_, T> {
    /// Tiles over the rows.
    fn panels(&self) -> usize {
        self.product.rows.size.div_ceil(self.kernels.rows)
    }

    /// Multiplies some panels of rows and some columns of the matrix at these offsets.
    unsafe fn multiply(&self, at: [isize; 3], panels: Range<usize>, columns: Range<usize>) {
        let product = self.product;
        let Some(source) = &self.source else {
            let b = Address::new(product.b.data, product.b.offset).at(at[1]).cast();
            // SAFETY: the caller's duty.
            return unsafe { self.tiles(at, panels, columns, b) };
        };
        let mut room = Block::new(columns.len().next_multiple_of(self.kernels.columns()) * product.contracted.size);
        // SAFETY: the room holds the panels of these columns; the rest is the caller's duty.
        unsafe {
            self.pack(source, at[1], columns.clone(), &mut room);
            self.tiles(at, panels, columns, room.as_ptr())
        }
    }

    /// Packs columns of a matrix of B, panel after panel.
    unsafe fn pack(&self, source: &Source<T>, at: isize, columns: Range<usize>, room: &mut [T]) {
        let (k, tile) = (self.product.contracted.size, self.kernels.columns());
        for lane in columns.clone().step_by(tile) {
            let lanes = tile.min(columns.end - lane);
            let panel = Panel { lane, lanes, depth: 0..k, width: lanes.next_multiple_of(self.kernels.lanes) };
            // SAFETY: the caller's duty, and the slice holds the panel.
            unsafe { source.pack(at, &panel, room[(lane - columns.start) * k..].as_mut_ptr()) }
        }
    }

    /// Multiplies tile by tile; B begins at `b`, with the first of the columns where it is packed.
    unsafe fn tiles(&self, at: [isize; 3], panels: Range<usize>, columns: Range<usize>, b: *const T) {
        let &Direct { scaled, a, c, rows: row_axis, columns: column_axis, contracted, .. } = self.product;
        let (m, all, tile) = (row_axis.size, self.panels(), self.kernels.columns());
        for panel in panels {
            let rows = m * panel / all..m * (panel + 1) / all;
            let mut row_at = [0; MAX_ROWS];
            let row_at = &mut row_at[..rows.len()];
            row_at.iter_mut().zip(rows.clone()).for_each(|(at, i)| *at = i as isize * row_axis.c);
            for column in columns.clone().step_by(tile) {
                let width = tile.min(columns.end - column);
                let mut column_at = [0; 2 * MAX_LANES];
                let first = column as isize * column_axis.c;
                let to = if column_axis.c == 1 || width == 1 {
                    Columns::Adjacent(first)
                } else {
                    column_at.iter_mut().zip(0..).for_each(|(at, j)| *at = first + j * column_axis.c);
                    Columns::Apart(&column_at[..width])
                };
                let (b_at, b_step) = match self.source {
                    None => (column as isize * column_axis.b, contracted.b),
                    Some(_) => {
                        (((column - columns.start) * contracted.size) as isize, width.next_multiple_of(self.kernels.lanes) as isize)
                    }
                };
                let tile = Tile {
                    alpha: scaled.alpha,
                    depth: contracted.size,
                    a: a.at(at[0] + rows.start as isize * row_axis.a).cast(),
                    b: b.wrapping_offset(b_at),
                    steps: Some([row_axis.a, contracted.a, b_step]),
                    c: c.at(at[2]),
                    rows: row_at,
                    width,
                    columns: to,
                    accumulate: scaled.accumulate,
                };
                // SAFETY: the caller's duty: the tile is part of the matrix.
                unsafe { self.kernels.run(&tile) }
            }
        }
    }
}
