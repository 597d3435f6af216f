//! Pixels from splats, front to back.
//!
//! ```text
//! α = min(most, o exp(−½ dᵀ Q d))        T′ = T (1 − α)        C += T α c
//! ```
//!
//! A splat is passed over where α < least. A pixel is finished, without the splat at hand, where T′ ≤ stop. A tile is 16 blocks of 4 x 4 pixels, a splat's mask tells
//! which ones it reaches, and blocks whose pixels are all finished are passed over. Some entries of a tile at a time are blended, a block after another, so that a
//! block's pixels are in registers meanwhile. Up to four channels are blended in one pass, depth counting as one.

use super::bins::{GEOMETRY, SplatBins};
use super::stated::TILE;
use super::tile::{
    ABREAST, BLOCKS, BlockKernel, Bounds, NEAR, NearRecords, Passage, TileCenters, TileLanes, TileSplat, alphas, dispatch_blocks,
    entries_of_blocks, open_blocks, open_pixels, take_bits,
};
use crate::compiled::compiled;
use crate::simd::{Enabled, Lanes, Vector};
use crate::sort::SortKey;
use crate::threads;

/// The most channels of a pass.
pub(super) const PASS: usize = 4;
/// Nanoseconds a pair of a splat and a tile, by which work is split.
pub(super) const PAIR_NS: f64 = 40.0;

/// How splats are blended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlendRule {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Numbers of a colour.
    pub channels: usize,
    /// The least α that is blended; 0 for all.
    pub least: f64,
    /// The largest α.
    pub most: f64,
    /// T at which a pixel is finished.
    pub stop: f64,
}

impl BlendRule {
    /// Columns and rows of tiles.
    pub(super) fn tiles(&self) -> (usize, usize) {
        (self.width.div_ceil(TILE), self.height.div_ceil(TILE))
    }

    /// Numbers of a pixel: its channels, coverage and depth.
    pub fn wide(&self) -> usize {
        self.channels + 2
    }
}

compiled! {
    /// The picture `(height, width, channels + 2)`: Σ T α c, the coverage 1 − T, and Σ T α depth.
    ///
    /// # Panics
    /// If the picture's length does not fit.
    pub fn blend<T: Sortable>(bins: &SplatBins<T>, out: &mut [T]) {
        let rule = bins.rule;
        assert!(out.len() == crate::shape::count(&[rule.height, rule.width, rule.wide()]), "a picture of its size");
        if out.is_empty() {
            return;
        }
        let (columns, rows) = rule.tiles();
        let band = TILE * rule.width * rule.wide();
        let parts = if threads::parts(bins.pairs(), PAIR_NS) > 1 { rows } else { 1 };
        threads::split_mut(out, band, parts, |start, out| {
            for (row, out) in (start / band..).zip(out.chunks_mut(band)) {
                dispatch_blocks(Band { bins, row, columns, out });
            }
        });
    }
}

/// A number that is blended, and sorted by.
pub trait Sortable: Lanes + SortKey {}

impl<T: Lanes + SortKey> Sortable for T {}

impl<T: Sortable> SplatBins<T> {
    /// The corner of a tile.
    #[inline(always)]
    pub(super) fn corner([column, row]: [usize; 2]) -> [T; 2] {
        [T::from_f64((column * TILE) as f64), T::from_f64((row * TILE) as f64)]
    }
}

/// A row of tiles.
struct Band<'a, T: Sortable> {
    bins: &'a SplatBins<T>,
    row: usize,
    columns: usize,
    out: &'a mut [T],
}

impl<T: Sortable> BlockKernel<T> for Band<'_, T> {
    #[inline(always)]
    fn run<V: Vector<Element = T>, const R: usize>(self, isa: Enabled<V>) {
        let Self { bins, row, columns, out } = self;
        let wide = bins.rule.channels + 1;
        for column in 0..columns {
            for first in (0..wide).step_by(PASS) {
                match wide - first {
                    1 => tile::<V, R, 1>(isa, bins, [column, row], first, out),
                    2 => tile::<V, R, 2>(isa, bins, [column, row], first, out),
                    3 => tile::<V, R, 3>(isa, bins, [column, row], first, out),
                    _ => tile::<V, R, 4>(isa, bins, [column, row], first, out),
                }
            }
        }
    }
}

/// A block: T, and F sums of features.
#[derive(Clone, Copy)]
struct BlockSums<V, const R: usize, const F: usize> {
    t: [V; R],
    sums: [[V; R]; F],
}

/// F features of a tile's pixels, from the feature `first` on.
#[inline(always)]
fn tile<V: Vector, const R: usize, const F: usize>(
    isa: Enabled<V>,
    bins: &SplatBins<V::Element>,
    at: [usize; 2],
    first: usize,
    out: &mut [V::Element],
) where
    V::Element: Sortable,
{
    let rule = &bins.rule;
    let centers = TileCenters::<V, R>::new(isa);
    let (zero, bounds) = (isa.zero(), Bounds::new(isa, rule));
    let open_at_first = open_pixels(rule, at);
    let mut blocks = [BlockSums { t: [zero; R], sums: [[zero; R]; F] }; BLOCKS];
    for (b, block) in blocks.iter_mut().enumerate() {
        block.t = open_at_first.block(isa, b);
    }
    let (entries, after) = bins.tile(at[1] * rule.tiles().0 + at[0]);
    let mut near = NearRecords::new(SplatBins::corner(at), first);
    for (n, here) in entries.chunks(NEAR).enumerate() {
        let open = open_blocks(isa, blocks.iter().map(|block| block.t));
        if open == 0 {
            break;
        }
        near.copy(isa, bins, here, if n + 1 < entries.len().div_ceil(NEAR) { &entries[(n + 1) * NEAR..] } else { after });
        let reached = entries_of_blocks(here, open);
        for (b, block) in blocks.iter_mut().enumerate() {
            let mut reached = reached[b];
            if reached == 0 {
                continue;
            }
            // In registers while the block's splats pass.
            let BlockSums { mut t, mut sums } = *block;
            while reached != 0 {
                let near = take_bits::<ABREAST>(&mut reached).map(|n| &near.records[n]);
                let splats = near.map(|record| TileSplat::read(isa, record));
                for r in 0..R {
                    let alphas = alphas(&centers, &splats, (b, r));
                    for (alpha, record) in alphas.into_iter().zip(near) {
                        let passage = Passage::new(alpha, t[r], &bounds);
                        t[r] = passage.next;
                        for f in 0..F {
                            let sum = passage.weight.mul_add(isa.splat(record[GEOMETRY + f]), sums[f][r]);
                            sums[f][r] = passage.open(&bounds, sum, sums[f][r]);
                        }
                    }
                }
            }
            *block = BlockSums { t, sums };
        }
    }
    // Depth is the last feature, and stands after the coverage.
    let (mut lanes, mut numbers) = ([open_at_first; PASS + 1], [rule.channels; PASS + 1]);
    for (b, block) in blocks.iter_mut().enumerate() {
        for f in 0..F {
            numbers[f] = if first + f < rule.channels { first + f } else { rule.channels + 1 };
            lanes[f].set_block(b, &block.sums[f]);
        }
        for r in 0..R {
            block.t[r] = isa.constant(1.0) - block.t[r].max(-block.t[r]);
        }
        lanes[F].set_block(b, &block.t);
    }
    let wide = rule.wide();
    for (y, row) in out.chunks_exact_mut(rule.width * wide).enumerate() {
        for (x, pixel) in row[at[0] * TILE * wide..].chunks_exact_mut(wide).take(TILE).enumerate() {
            let place = TileLanes::<V::Element>::place(x, y);
            // The coverage once, with the first features.
            for f in 0..F + usize::from(first == 0) {
                pixel[numbers[f]] = lanes[f].0[place];
            }
        }
    }
}
