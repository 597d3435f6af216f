//! Large products: packed panels, blocked for the caches, over threads.
//!
//! The loops are those of Goto and van de Geijn (2008) with rows and columns exchanged, since C's columns are neighbours
//! here: slabs of B and A over some contracted indices are packed by all threads together, then a thread takes the
//! tiles of a block of B that stays in its second-level cache.
//!
//! Threads take packing and tiles from counters, and which of them does what changes no bit of the result: a slab's
//! sizes follow from those of the product alone.

use std::ops::Range;

use super::axes::Offsets;
use super::epilogue::BoundEpilogue;
use super::micro::{Columns, Kernels, MAX_ROWS, Tile};
use super::pack::{PackSource, Panel};
use super::phase::Phase;
use crate::buffer::{Block, OutOfMemory, list};
use crate::params::params;
use crate::shape;
use crate::simd::{Lanes, MAX_LANES};
use crate::threads::{self, SharedSlice, SyncPtr};

/// Panels that are packed together, so that where their lanes are neighbours, more than a few are read at once.
const GROUP: usize = 4;

/// A product whose groups are simple, on operands that are ready to be packed.
#[derive(Clone, Copy)]
pub(super) struct Product<'a, T> {
    pub(super) kernels: &'a Kernels<T>,
    pub(super) alpha: T,
    pub(super) accumulate: bool,
    pub(super) finish: Option<&'a BoundEpilogue<'a, T>>,
    pub(super) a: &'a PackSource<T>,
    pub(super) b: &'a PackSource<T>,
    /// Index 0…0 of C, which several threads write to, each other elements.
    pub(super) c: SyncPtr<T>,
    pub(super) rows: &'a Offsets,
    pub(super) columns: &'a Offsets,
    /// The sizes m, n and k.
    pub(super) size: [usize; 3],
    /// Contracted indices of the operands before the first of the k.
    pub(super) skip: usize,
    /// Whether indices of C surely differ, so that threads cannot meet at one element.
    pub(super) distinct: bool,
}

/// `total` in the fewest parts of at most `most`, as equal as multiples of `unit` can be: the length of a part.
fn even(total: usize, most: usize, unit: usize) -> usize {
    let parts = total.div_ceil(most.max(unit)).max(1);
    total.div_ceil(parts).next_multiple_of(unit)
}

/// How the loops are cut.
struct Cut {
    depth: usize,
    rows: usize,
    columns: usize,
    /// Columns of a block within a slab.
    block: usize,
}

impl<T: Lanes> Product<'_, T> {
    fn cut(&self) -> Cut {
        let [m, n, k] = self.size;
        let (tuned, tile, bytes) = (&params().product, self.kernels.columns(), size_of::<T>());
        let depth = even(k.max(1), tuned.panel_bytes / (tile * bytes), 8);
        Cut {
            depth,
            rows: even(m, tuned.slab, self.kernels.rows),
            columns: even(n, tuned.slab, tile),
            block: even(n.min(tuned.slab), tuned.block_bytes / (depth * bytes), tile),
        }
    }

    /// Computes the matrices at these offsets in A, B and C.
    pub(super) fn run(&self, batch: &[[isize; 3]]) -> Result<(), OutOfMemory> {
        let (tuned, [m, n, k]) = (&params().product, self.size);
        if m * n <= tuned.split_elements && k / 2 >= tuned.split_depth && batch.len() == 1 {
            return self.run_segments(batch[0]);
        }
        let ns_each = 2.0 * k as f64 / 100.0;
        let parts = if self.distinct { threads::parts(m * n * batch.len(), ns_each) } else { 1 };
        if parts > 1 && batch.len() >= 4 * parts && m * n * k < tuned.whole {
            let pieces = batch.len().min(8 * parts);
            return threads::try_run(pieces, |i| self.run_on(1, &batch[threads::range(batch.len(), 1, pieces, i)]));
        }
        self.run_on(parts, batch)
    }

    /// Computes a matrix as the sum of those of segments of the contracted indices, which threads take.
    fn run_segments(&self, at: [isize; 3]) -> Result<(), OutOfMemory> {
        let [m, n, k] = self.size;
        let tuned = &params().product;
        let segments = (k / tuned.split_depth).min(tuned.splits);
        let (rows, columns) = (Offsets::single(m, n as isize), Offsets::single(n, 1));
        let mut sums = Block::new(segments * m * n)?;
        let target = SyncPtr::new(sums.as_mut_ptr());
        threads::try_run(segments, |i| {
            let range = threads::range(k, 64, segments, i);
            let c = SyncPtr::new(target.at((i * m * n) as isize));
            let size = [m, n, range.len()];
            let segment = Product {
                alpha: T::ONE,
                accumulate: false,
                finish: None,
                c,
                rows: &rows,
                columns: &columns,
                size,
                skip: range.start,
                ..*self
            };
            segment.run_on(1, &[[at[0], at[1], 0]])
        })?;
        for i in 0..m * n {
            let sum = (1..segments).fold(sums[i], |sum, segment| sum + sums[segment * m * n + i]);
            // SAFETY: the element lies in C.
            let to = unsafe { &mut *self.c.at(at[2] + self.rows.at(i / n) + self.columns.at(i % n)) };
            *to = if self.accumulate { *to + self.alpha * sum } else { self.alpha * sum };
            if let Some(finish) = self.finish {
                finish.run(to, 1);
            }
        }
        Ok(())
    }

    /// Computes matrices one after another, each on `parts` threads.
    fn run_on(&self, parts: usize, batch: &[[isize; 3]]) -> Result<(), OutOfMemory> {
        let [m, n, k] = self.size;
        let cut = self.cut();
        let own = match (m, n) {
            _ if m.div_ceil(self.kernels.rows) <= params().product.own_panels => Own::B,
            _ if n <= cut.block => Own::A,
            _ => Own::Neither,
        };
        let (a_rows, b_columns) = (self.kernels.rows, self.kernels.columns());
        let mut a = Block::new(if own == Own::A { 0 } else { cut.rows.min(m) * cut.depth })?;
        let mut b = Block::new(if own == Own::B { 0 } else { cut.columns.min(n).next_multiple_of(b_columns) * cut.depth })?;
        let (a, b) = (SharedSlice::new(&mut a), SharedSlice::new(&mut b));
        // Without contracted indices the sums are still to be written.
        let k = k.max(1);
        let slabs = shape::count(&[n.div_ceil(cut.columns), k.div_ceil(cut.depth), m.div_ceil(cut.rows), batch.len()]);
        let mut phases: Vec<[Phase; 3]> = list(slabs)?;
        phases.extend((0..slabs).map(|_| <[Phase; 3]>::default()));
        threads::run(parts, |part| {
            let mut phases = phases.iter();
            let mut panel = Block::small(if own == Own::Neither { 0 } else { GROUP * a_rows.max(b_columns) * cut.depth });
            let panel = SharedSlice::new(&mut panel);
            for &at in batch {
                for column in (0..n).step_by(cut.columns) {
                    for index in (0..k).step_by(cut.depth) {
                        for row in (0..m).step_by(cut.rows) {
                            let Some(phases) = phases.next() else { return };
                            let slab = Slab {
                                product: self,
                                at,
                                rows: row..m.min(row + cut.rows),
                                columns: column..n.min(column + cut.columns),
                                depth: index..self.size[2].min(index + cut.depth),
                                a: if own == Own::A { panel } else { a },
                                b: if own == Own::B { panel } else { b },
                                own,
                            };
                            slab.run(phases, &cut, (part, parts));
                        }
                    }
                }
            }
        });
        Ok(())
    }
}

/// The part of a product that is packed at once.
struct Slab<'a, T> {
    product: &'a Product<'a, T>,
    at: [isize; 3],
    rows: Range<usize>,
    columns: Range<usize>,
    depth: Range<usize>,
    /// Room for packed panels of A and of B: all of the slab's, or where it is the thread's own, one.
    a: SharedSlice<'a, T>,
    b: SharedSlice<'a, T>,
    own: Own,
}

/// Which operand's panels have but one user, and are packed by it when it needs them.
#[derive(Clone, Copy, PartialEq)]
enum Own {
    Neither,
    A,
    B,
}

impl<T: Lanes> Slab<'_, T> {
    /// Packs and multiplies, together with the threads that share the phases.
    fn run(&self, [b, a, multiply]: &[Phase; 3], cut: &Cut, part: (usize, usize)) {
        let tile = self.product.kernels.columns();
        let row_panels = self.row_panels();
        let column_panels = self.columns.len().div_ceil(tile);
        // B's panels stay packed while further slabs of rows pass.
        let b_groups = if self.rows.start == 0 && self.own != Own::B { column_panels.div_ceil(GROUP) } else { 0 };
        let a_groups = if self.own != Own::A { row_panels.div_ceil(GROUP) } else { 0 };
        b.take(b_groups, part, |group| self.pack_b(group * GROUP));
        a.take(a_groups, part, |group| self.pack_a(group * GROUP));
        b.wait(b_groups);
        a.wait(a_groups);
        let block = if self.own == Own::B { GROUP } else { cut.block / tile };
        let blocks = column_panels.div_ceil(block);
        let panel_work = self.product.kernels.rows * cut.block.min(self.columns.len()) * self.depth.len().max(1);
        // Four pieces a thread even where that makes them short.
        let most = (row_panels * blocks).div_ceil(4 * part.1);
        let group = match self.own {
            Own::A => (params().product.piece / panel_work).clamp(1, most.max(1)).next_multiple_of(GROUP),
            Own::B => row_panels,
            Own::Neither => (params().product.piece / panel_work).clamp(1, most.max(1)),
        };
        let groups = row_panels.div_ceil(group);
        let pieces = groups * blocks;
        multiply.take(pieces, part, |piece| {
            let (block_at, group_at) = (piece / groups * block, piece % groups * group);
            let columns = block_at..column_panels.min(block_at + block);
            if self.own == Own::B {
                self.pack_b(block_at);
            }
            for row_panel in group_at..row_panels.min(group_at + group) {
                if self.own == Own::A && row_panel % GROUP == 0 {
                    self.pack_a(row_panel);
                }
                self.multiply(row_panel, columns.clone());
            }
        });
        multiply.wait(pieces);
    }

    fn row_panels(&self) -> usize {
        self.rows.len().div_ceil(self.product.kernels.rows)
    }

    /// The rows of a panel: as many in each as evenly go, the first panels one more.
    fn panel_rows(&self, panel: usize) -> Range<usize> {
        let (n, panels) = (self.rows.len(), self.row_panels());
        let start = |panel: usize| panel * (n / panels) + panel.min(n % panels);
        start(panel)..start(panel + 1)
    }

    fn panel_columns(&self, panel: usize) -> Range<usize> {
        let tile = self.product.kernels.columns();
        panel * tile..self.columns.len().min((panel + 1) * tile)
    }

    /// Where a panel of A is packed.
    fn a_at(&self, panel: usize) -> usize {
        let first = if self.own == Own::A { panel / GROUP * GROUP } else { 0 };
        (self.panel_rows(panel).start - self.panel_rows(first).start) * self.depth.len()
    }

    /// Where the panel of B that begins with this column is packed.
    fn b_at(&self, column: usize) -> usize {
        let own = if self.own == Own::B { GROUP * self.product.kernels.columns() } else { usize::MAX };
        column % own * self.depth.len()
    }

    /// The contracted indices of the operands.
    fn indices(&self) -> Range<usize> {
        self.product.skip + self.depth.start..self.product.skip + self.depth.end
    }

    /// Packs `GROUP` panels of A from this one on.
    fn pack_a(&self, panel: usize) {
        let end = self.row_panels().min(panel + GROUP);
        // Panels with one row more come first.
        let wide = (self.rows.len() % self.row_panels()).clamp(panel, end);
        for panels in [panel..wide, wide..end] {
            if panels.is_empty() {
                continue;
            }
            let (first, last) = (self.panel_rows(panels.start), self.panel_rows(panels.end - 1));
            let lane = self.rows.start + first.start;
            let panel = Panel { lane, lanes: last.end - first.start, depth: self.indices(), width: first.len() };
            let (at, len) = (self.a_at(panels.start), panel.lanes * panel.depth.len());
            // SAFETY: a panel has its own room, is packed by one thread, and multiplied when it is packed.
            self.product.a.pack(self.at[0], &panel, unsafe { self.a.part(at..at + len) });
        }
    }

    /// Packs `GROUP` panels of B from this one on.
    fn pack_b(&self, panel: usize) {
        let (tile, lanes) = (self.product.kernels.columns(), self.product.kernels.lanes);
        let (start, end) = (panel * tile, self.columns.len().min((panel + GROUP) * tile));
        // The last panel may be narrower than the others.
        let whole = start + (end - start) / tile * tile;
        for columns in [start..whole, whole..end] {
            if columns.is_empty() {
                continue;
            }
            let width = columns.len().next_multiple_of(lanes).min(tile);
            let panel = Panel { lane: self.columns.start + columns.start, lanes: columns.len(), depth: self.indices(), width };
            let (at, len) = (self.b_at(columns.start), panel.lanes.next_multiple_of(width) * panel.depth.len());
            // SAFETY: as in `pack_a`.
            self.product.b.pack(self.at[1], &panel, unsafe { self.b.part(at..at + len) });
        }
    }

    /// Multiplies a packed panel of A with some of B.
    fn multiply(&self, row_panel: usize, column_panels: Range<usize>) {
        let product = self.product;
        let rows = self.panel_rows(row_panel);
        let mut row_at = [0; MAX_ROWS];
        let row_at = &mut row_at[..rows.len()];
        product.rows.fill(self.rows.start + rows.start, row_at);
        for panel in column_panels {
            let columns = self.panel_columns(panel);
            let mut room = [0; 2 * MAX_LANES];
            let tile = Tile {
                alpha: product.alpha,
                depth: self.depth.len(),
                a: self.a.at(self.a_at(row_panel) as isize),
                b: self.b.at(self.b_at(columns.start) as isize),
                steps: None,
                ahead: None,
                c: product.c.at(self.at[2]),
                rows: row_at,
                width: columns.len(),
                columns: Columns::new(product.columns, self.columns.start + columns.start, &mut room[..columns.len()]),
                accumulate: product.accumulate || self.depth.start > 0,
                finish: product.finish.filter(|_| self.depth.end == product.size[2]),
            };
            product.kernels.run(&tile);
        }
    }
}
