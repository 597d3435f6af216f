//! The order in which a map goes through its result: from first to last in chunks, or, where an operand lies across it, in tiles
//! of a few rows and columns, so that whole cache lines are read as well as written.

use super::CHUNK;
use super::walk::AdjacentDim;
use crate::params::params;
use crate::threads;

/// Fewer elements than this in a direction are not worth tiles.
const LEAST: usize = 8;

/// The way through a result.
pub(super) struct TileOrder {
    len: usize,
    pub(super) across: Option<AdjacentDim>,
    /// Rows and columns of a whole tile.
    tile: (usize, usize),
}

/// A part of the result: rows of `columns` elements, the first from number `first` on, each `step` after the one before.
pub(super) struct OutputTile {
    pub(super) first: usize,
    pub(super) rows: usize,
    pub(super) step: usize,
    pub(super) columns: usize,
}

impl TileOrder {
    /// The way through `len` elements that suits the first operand that lies across them; `rows` of such an operand are read at once.
    pub(super) fn new<const N: usize>(len: usize, operands: [Option<AdjacentDim>; N], rows: usize) -> Self {
        let worth = |a: &AdjacentDim| len > CHUNK && a.size >= LEAST && a.row >= LEAST;
        let across = operands.into_iter().flatten().find(worth);
        let tile = if across.is_some() { (rows, CHUNK / rows) } else { (1, CHUNK) };
        Self { len, across, tile }
    }

    /// What the result is cut at multiples of, for threads, and into how many parts.
    pub(super) fn cut(&self) -> (usize, usize) {
        let unit = self.across.map_or(64, |a| a.slab);
        (unit, threads::parts(self.len, params().cost.elementwise_ns).min(self.len.div_ceil(unit).max(1)))
    }

    /// Calls `f` for each tile of the part of the result that begins at `start`.
    #[inline(always)]
    pub(super) fn for_each(&self, start: usize, len: usize, mut f: impl FnMut(&OutputTile)) {
        let (rows, columns) = self.tile;
        let Some(AdjacentDim { slab, size, row }) = self.across else {
            for first in (start..start + len).step_by(CHUNK) {
                f(&OutputTile { first, rows: 1, step: 0, columns: CHUNK.min(start + len - first) });
            }
            return;
        };
        let (mut next, end) = (start / slab, (start + len) / slab);
        while next < end {
            let rows = rows.min(end - next).min(size - next % size);
            for line in (next * slab..(next + 1) * slab).step_by(row) {
                for column in (0..row).step_by(columns) {
                    f(&OutputTile { first: line + column, rows, step: slab, columns: columns.min(row - column) });
                }
            }
            next += rows;
        }
    }
}
