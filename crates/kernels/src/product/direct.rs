//! Small products, and many of them: tiles read A where it lies, and B too if its columns are neighbours.
//!
//! Of rows (or columns) that are several dimensions, the innermost make a matrix and the others a batch of matrices, which
//! share B (or A).

use std::ops::Range;

use smallvec::SmallVec;

use super::axes::{self, Offsets};
use super::epilogue::BoundEpilogue;
use super::micro::{Columns, Kernels, LINE, MAX_ROWS, Tile};
use super::pack::{PackSource, Panel};
use super::read::Address;
use super::{Axes, Axis, Group, Operand, Scaled, Stored};
use crate::buffer::Block;
use crate::params::params;
use crate::simd::{Enabled, Lanes, MAX_LANES, Vector};
use crate::threads::{self, SyncPtr};

/// Small products over single dimensions.
pub(super) struct Direct<'a, T> {
    scaled: Scaled<T>,
    finish: Option<BoundEpilogue<'a, T>>,
    a: Address,
    b: Operand<'a, T>,
    c: SyncPtr<T>,
    batch: SmallVec<[Axis; 4]>,
    rows: Axis,
    columns: Axis,
    contracted: Axis,
}

impl<'a, T: Lanes> Direct<'a, T> {
    /// The product, if it is a small one.
    pub(super) fn new(scaled: Scaled<T>, a: Operand<'a, T>, b: Operand<'a, T>, c: SyncPtr<T>, axes: &Axes) -> Option<Self> {
        let contracted = single(&axes.contracted)?;
        let (outer_rows, rows) = innermost(&axes.rows);
        let (outer_columns, columns) = innermost(&axes.columns);
        let Stored::Real(_) = a.data else { return None };
        let batch = axes.batch.iter().chain(outer_rows).chain(outer_columns).copied().collect();
        let it = Self { scaled, finish: None, a: Address::new(a.data, a.offset), b, c, batch, rows, columns, contracted };
        let (m, n, k) = (rows.size, columns.size, contracted.size);
        let tuned = &params().direct;
        let narrow = n <= tuned.narrow && n * k * size_of::<T>() <= tuned.narrow_bytes;
        let small = (1..=tuned.depth).contains(&k) && ((n <= tuned.side && (m <= tuned.side || narrow)) || it.is_wide());
        let whole = outer_rows.is_empty() && outer_columns.is_empty();
        // Packing a matrix of B over again for every outer row would take too long.
        let split = m.min(n) >= tuned.split_side && (outer_rows.is_empty() || it.in_place() || it.shares_b());
        (small && (whole || split)).then_some(it)
    }

    /// Whether B is read where it lies.
    fn in_place(&self) -> bool {
        let (n, k) = (self.columns.size, self.contracted.size);
        let near = (n + k * self.contracted.b.unsigned_abs()) * size_of::<T>() <= params().direct.span_bytes;
        matches!(self.b.data, Stored::Real(_)) && (self.columns.b == 1 || n == 1) && (near || self.is_wide())
    }

    /// Whether there are few rows and contracted indices, and so many columns that each is used once, for all rows.
    fn is_wide(&self) -> bool {
        let (m, k) = (self.rows.size, self.contracted.size);
        let tuned = &params().direct;
        let few = m <= tuned.narrow && k <= tuned.narrow && m * k * size_of::<T>() <= tuned.narrow_bytes;
        few && self.columns.size > tuned.side && self.columns.b == 1 && matches!(self.b.data, Stored::Real(_))
    }

    /// Whether all matrices have one and the same B.
    fn shares_b(&self) -> bool {
        self.batch.iter().all(|x| x.b == 0)
    }

    /// The same, and then this.
    pub(super) fn with_epilogue(self, finish: Option<BoundEpilogue<'a, T>>) -> Self {
        Self { finish, ..self }
    }

    /// Computes them; `distinct` only if no two matrices share an element of C.
    pub(super) fn run<V: Vector<Element = T>>(&self, isa: Enabled<V>, distinct: bool) {
        let (tuned, kernels) = (&params().direct, Kernels::for_registers(isa));
        let matrices = axes::size(&self.batch);
        let (m, n, k) = (self.rows.size, self.columns.size, self.contracted.size);
        let source = (!self.in_place()).then(|| {
            let (lanes, depth) =
                (Offsets::single(self.columns.size, self.columns.b), Offsets::single(self.contracted.size, self.contracted.b));
            PackSource::new(isa, self.b.data, self.b.offset, lanes, depth)
        });
        let mut small = Small { product: self, kernels, source, shared: None };
        if small.source.is_some() && self.shares_b() && (matrices > 1 || m > tuned.side) {
            small.shared = small.packed(0, 0..n);
        }
        let (panels, tile) = (small.panels(), small.kernels.columns());
        let ns = tuned.call_ns + (m * n * k) as f64 / (3 * V::LANES) as f64;
        let parts = if distinct { threads::brief_parts(matrices * panels, ns / panels as f64) } else { 1 };
        let multiply = |matrix, next, rows, columns| {
            small.multiply(self.matrix(matrix), (next < matrices).then(|| self.matrix(next)), rows, columns)
        };
        if parts == 1 || matrices >= 4 * parts {
            // A few pieces a thread, so that one that is held up leaves some to the others.
            let pieces = if parts > 1 { matrices.min(4 * parts) } else { 1 };
            return threads::run(pieces, |piece| {
                threads::range(matrices, 1, pieces, piece).for_each(|matrix| multiply(matrix, matrix + 1, 0..panels, 0..n));
            });
        }
        if small.source.is_some() && small.shared.is_none() {
            // By the columns that each thread packs for itself.
            let cuts = n.div_ceil(tile).min(4 * parts);
            return threads::run(matrices * cuts, |piece| {
                multiply(piece / cuts, matrices, 0..panels, threads::range(n, V::LANES, cuts, piece % cuts));
            });
        }
        // By rows, and by columns too where there are few rows.
        let rows = if self.is_wide() { 1 } else { panels.min(16 * parts) };
        let pieces = if self.is_wide() { 16 * parts } else { 4 * parts };
        let columns = pieces.div_ceil(rows).min(n.div_ceil(tile));
        threads::run(matrices * rows * columns, |piece| {
            let (matrix, piece) = (piece / (rows * columns), piece % (rows * columns));
            let panels = threads::range(panels, 1, rows, piece / columns);
            multiply(matrix, matrices, panels, threads::range(n, tile, columns, piece % columns));
        });
    }

    fn matrix(&self, index: usize) -> [isize; 3] {
        matrix(&self.batch, index)
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

/// The innermost dimension of a group, one of size 1 where there is none, and those around it.
fn innermost(group: &Group) -> (&[Axis], Axis) {
    match group.split_last() {
        Some((&axis, outer)) => (outer, axis),
        None => (&[], Axis { size: 1, a: 0, b: 0, c: 0 }),
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
struct Small<'a, T: Lanes> {
    product: &'a Direct<'a, T>,
    kernels: Kernels<T>,
    /// How B is packed, unless it is read where it lies.
    source: Option<PackSource<T>>,
    /// The packed B of all matrices.
    shared: Option<Block<T>>,
}

/// The rows of a panel: the first, how many, and where each lies in C.
struct OperandRows {
    start: usize,
    len: usize,
    at: [isize; MAX_ROWS],
}

/// Where B's columns are read: its column `first`, and whether all are packed.
#[derive(Clone, Copy)]
struct Right<T> {
    at: *const T,
    first: usize,
    packed: bool,
}

impl<T: Lanes> Small<'_, T> {
    /// Tiles over the rows.
    fn panels(&self) -> usize {
        self.product.rows.size.div_ceil(self.kernels.rows)
    }

    /// Multiplies some panels of rows and some columns of the matrix at these offsets; `next` comes after it.
    fn multiply(&self, at: [isize; 3], next: Option<[isize; 3]>, panels: Range<usize>, columns: Range<usize>) {
        let product = self.product;
        let own = if self.shared.is_none() { self.packed(at[1], columns.clone()) } else { None };
        let b = match (&own, &self.shared) {
            (Some(own), _) => Right { at: own.as_ptr(), first: columns.start, packed: true },
            (None, Some(shared)) => Right { at: shared.as_ptr(), first: 0, packed: true },
            (None, None) => Right { at: Address::new(product.b.data, product.b.offset).at(at[1]).cast(), first: 0, packed: false },
        };
        self.tiles(at, next, panels, columns, b);
    }

    /// Columns of a matrix of B, packed panel after panel; none if B is read where it lies.
    fn packed(&self, at: isize, columns: Range<usize>) -> Option<Block<T>> {
        let source = self.source.as_ref()?;
        let (k, tile) = (self.product.contracted.size, self.kernels.columns());
        // Wider matrices are read in place.
        let mut room = Block::small(columns.len().next_multiple_of(tile) * k);
        for lane in columns.clone().step_by(tile) {
            let lanes = tile.min(columns.end - lane);
            let panel = Panel { lane, lanes, depth: 0..k, width: lanes.next_multiple_of(self.kernels.lanes) };
            source.pack(at, &panel, &mut room[(lane - columns.start) * k..]);
        }
        Some(room)
    }

    /// Multiplies tile by tile: all columns for a panel of rows, or where columns are many, all rows for some columns.
    fn tiles(&self, at: [isize; 3], next: Option<[isize; 3]>, panels: Range<usize>, columns: Range<usize>, b: Right<T>) {
        let tile = self.kernels.columns();
        let width = |column: usize| column..columns.end.min(column + tile);
        if self.product.is_wide() {
            for column in columns.clone().step_by(tile) {
                for panel in panels.clone() {
                    // The columns that come next, of which every panel asks for a line each.
                    let line = (column + tile) as isize * self.product.columns.b;
                    let ahead = Some(b.at.wrapping_offset(line).wrapping_byte_add((panel - panels.start) * LINE));
                    self.tile(at, &self.rows(panel), width(column), b, ahead.map(|x| (x, self.product.contracted.b)));
                }
            }
            return;
        }
        let lines = next.map(|next| self.lines(next));
        let mut asked = 0;
        for panel in panels {
            let rows = self.rows(panel);
            for column in columns.clone().step_by(tile) {
                let ahead = lines.and_then(|lines| lines.at(asked)).map(|x| (x, (LINE / size_of::<T>()) as isize));
                asked += self.product.contracted.size;
                self.tile(at, &rows, width(column), b, ahead);
            }
        }
    }

    /// The rows of a panel.
    fn rows(&self, panel: usize) -> OperandRows {
        let (Axis { size, c, .. }, panels) = (self.product.rows, self.panels());
        let (start, end) = (size * panel / panels, size * (panel + 1) / panels);
        OperandRows { start, len: end - start, at: std::array::from_fn(|i| (start + i) as isize * c) }
    }

    /// Multiplies a panel of rows by the columns of a tile, asking for lines of memory that lie so far apart.
    #[inline]
    fn tile(&self, at: [isize; 3], rows: &OperandRows, columns: Range<usize>, b: Right<T>, ahead: Option<(*const T, isize)>) {
        let &Direct { scaled, a, c, rows: row_axis, columns: column_axis, contracted, .. } = self.product;
        let width = columns.len();
        let mut column_at = [0; 2 * MAX_LANES];
        let first = columns.start as isize * column_axis.c;
        let to = if column_axis.c == 1 || width == 1 {
            Columns::Adjacent(first)
        } else {
            column_at.iter_mut().zip(0..).for_each(|(at, j)| *at = first + j * column_axis.c);
            Columns::Apart(&column_at[..width])
        };
        let (b_at, b_step) = if b.packed {
            (((columns.start - b.first) * contracted.size) as isize, width.next_multiple_of(self.kernels.lanes) as isize)
        } else {
            (columns.start as isize * column_axis.b, contracted.b)
        };
        let tile = Tile {
            alpha: scaled.alpha,
            depth: contracted.size,
            a: a.at(at[0] + rows.start as isize * row_axis.a).cast(),
            b: b.at.wrapping_offset(b_at),
            steps: Some([row_axis.a, contracted.a, b_step]),
            ahead,
            c: c.at(at[2]),
            rows: &rows.at[..rows.len],
            width,
            columns: to,
            accumulate: scaled.accumulate,
            finish: self.product.finish.as_ref(),
        };
        self.kernels.run(&tile);
    }

    /// The lines of the operands of the matrix at these offsets.
    fn lines(&self, at: [isize; 3]) -> Lines<T> {
        let Direct { a, b, rows, columns, contracted, .. } = self.product;
        let lines = |x: (usize, isize), y: (usize, isize)| {
            let dense = |(n, s): (usize, isize), (m, t): (usize, isize)| t == 1 && s == m as isize && n * m > 0;
            let whole = dense(x, y) || dense(y, x);
            if whole { (x.0 * y.0 * size_of::<T>()).div_ceil(LINE) } else { 0 }
        };
        let b_at = Address::new(b.data, b.offset);
        let of_b =
            if matches!(b.data, Stored::Real(_)) { lines((contracted.size, contracted.b), (columns.size, columns.b)) } else { 0 };
        Lines {
            at: [a.at(at[0]).cast(), b_at.at(at[1]).cast()],
            count: [lines((rows.size, rows.a), (contracted.size, contracted.a)).next_multiple_of(contracted.size), of_b],
        }
    }
}

/// The lines of memory that A and B of a matrix lie in, where each lies in one piece.
#[derive(Clone, Copy)]
struct Lines<T> {
    at: [*const T; 2],
    count: [usize; 2],
}

impl<T> Lines<T> {
    /// The line of that number: those of A, then those of B.
    fn at(&self, line: usize) -> Option<*const T> {
        let [a, b] = self.count;
        match line {
            _ if line < a => Some(self.at[0].wrapping_byte_add(line * LINE)),
            _ if line < a + b => Some(self.at[1].wrapping_byte_add((line - a) * LINE)),
            _ => None,
        }
    }
}
