//! The gradient of blending, by the same walk from front to back.
//!
//! With g the cotangents of a pixel's channels and depth and g_A that of its coverage, and S what is still behind, Σ T α (c · g) − T_final g_A,
//!
//! ```text
//! S ← S − T α (c · g)        ᾱ = T (c · g) − S / (1 − α)        c̄ += T α g        σ̄ = −α ᾱ        α = o exp(−σ), σ = ½ dᵀ Q d
//! ```
//!
//! and no gradient where α was capped. All that a splat's place, conic and opacity need are the moments Σ σ̄ (1, dx, dy, dx², dx dy, dy²) over pixels. They and the
//! features' sums are the record that a pair of a splat and a tile leaves in its own slot.

use super::bins::{GEOMETRY, SplatBins};
use super::blend::{ASKED, PAIR_NS, PASS, Sortable};
use super::gather::{ScreenGradients, gather};
use super::project::ScreenSplatsMut;
use super::stated::TILE;
use super::tile::{
    BLOCKS, BlockKernel, PIXELS, TileCenters, TileLanes, TileSplat, dispatch_blocks, open_blocks, open_pixels, pass_through,
};
use crate::buffer::{Block, OutOfMemory};
use crate::compiled::compiled;
use crate::shape::count;
use crate::simd::{Enabled, Square, Vector};
use crate::threads::{self, SharedSlice};

/// Moments of a record.
pub(super) const MOMENTS: usize = 6;
/// Numbers of a record: the moments and the features of a pass, up to whole cache lines.
pub(super) const RECORD: usize = (MOMENTS + PASS).next_multiple_of(16);

compiled! {
    /// The gradients of [`blend`](super::blend()) from the cotangent of its picture, with that picture: of what is on the screen, and of the colours `(N, channels)`.
    ///
    /// # Errors
    /// If there is no memory for a record a slot.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn blend_gradient<T: Sortable>(bins: &SplatBins<T>, pictures: [&[T]; 2], out: ScreenSplatsMut<'_, T>, colors_out: &mut [T]) -> Result<(), OutOfMemory> {
        let rule = bins.rule;
        let pixels = count(&[rule.height, rule.width, rule.wide()]);
        assert!(pictures.iter().all(|x| x.len() == pixels), "a picture and its cotangent");
        assert!(out.check() == bins.splats && colors_out.len() == count(&[bins.splats, rule.channels]), "a gradient for each splat");
        let mut out = ScreenGradients { out, colors: colors_out };
        out.clear();
        let features = rule.channels + 1;
        let (columns, rows) = rule.tiles();
        for first in (0..features).step_by(PASS) {
            let here = PASS.min(features - first);
            let mut records = Block::new(count(&[bins.pairs(), RECORD]))?;
            let shared = SharedSlice::new(records.as_chunks_mut::<RECORD>().0);
            let parts = if threads::parts(bins.pairs(), 3.0 * PAIR_NS) > 1 { rows } else { 1 };
            threads::run(parts, |part| {
                for row in threads::range(rows, 1, parts, part) {
                    dispatch_blocks(BandGradient { bins, row, columns, first, here, pictures, records: shared });
                }
            });
            gather(bins, records.as_chunks().0, first..first + here, &mut out);
        }
        Ok(())
    }
}

/// The records of a row of tiles.
struct BandGradient<'a, T: Sortable> {
    bins: &'a SplatBins<T>,
    row: usize,
    columns: usize,
    /// The first feature of the pass, and how many.
    first: usize,
    here: usize,
    /// What was drawn, and its cotangent.
    pictures: [&'a [T]; 2],
    records: SharedSlice<'a, [T; RECORD]>,
}

impl<T: Sortable> BlockKernel<T> for BandGradient<'_, T> {
    #[inline(always)]
    fn run<V: Vector<Element = T>, const R: usize>(self, isa: Enabled<V>) {
        for column in 0..self.columns {
            match self.here {
                1 => self.tile::<V, R, 1, 7>(isa, column),
                2 => self.tile::<V, R, 2, 8>(isa, column),
                3 => self.tile::<V, R, 3, 9>(isa, column),
                _ => self.tile::<V, R, 4, 10>(isa, column),
            }
        }
    }
}

/// A block: T, what is still behind, and the cotangents of F features.
#[derive(Clone, Copy)]
struct BlockBars<V, const R: usize, const F: usize> {
    t: [V; R],
    behind: [V; R],
    g: [[V; R]; F],
}

impl<T: Sortable> BandGradient<'_, T> {
    /// Numbers of each pixel of a tile, of those of the picture or its cotangent; 0 outside.
    #[inline(always)]
    fn pixels(&self, picture: &[T], column: usize, numbers: &[usize; PASS + 1]) -> [TileLanes<T>; PASS + 1] {
        let rule = &self.bins.rule;
        let wide = rule.wide();
        let mut lanes = numbers.map(|_| TileLanes([T::ZERO; PIXELS]));
        let rows = picture[self.row * TILE * rule.width * wide..].chunks_exact(rule.width * wide).take(TILE);
        for (y, row) in rows.enumerate() {
            for (x, pixel) in row[column * TILE * wide..].chunks_exact(wide).take(TILE).enumerate() {
                let place = TileLanes::<T>::place(x, y);
                for (lanes, &number) in lanes.iter_mut().zip(numbers) {
                    lanes.0[place] = pixel[number];
                }
            }
        }
        lanes
    }

    /// What tiles begin with.
    #[inline(always)]
    fn blocks<V: Vector<Element = T>, const R: usize, const F: usize>(
        &self,
        isa: Enabled<V>,
        column: usize,
    ) -> [BlockBars<V, R, F>; BLOCKS] {
        let Self { bins: SplatBins { rule, .. }, first, pictures: [picture, cotangent], .. } = *self;
        let zero = [isa.zero(); R];
        let mut blocks = [BlockBars { t: zero, behind: zero, g: [zero; F] }; BLOCKS];
        let open = open_pixels(rule, [column, self.row]);
        for (b, block) in blocks.iter_mut().enumerate() {
            block.t = open.block(isa, b);
        }
        // The features, depth after the coverage, and last the coverage itself.
        let mut numbers = [rule.channels; PASS + 1];
        for f in 0..F {
            numbers[f] = if first + f < rule.channels { first + f } else { rule.channels + 1 };
        }
        let (g, drawn) = (self.pixels(cotangent, column, &numbers), self.pixels(picture, column, &numbers));
        for (b, block) in blocks.iter_mut().enumerate() {
            for f in 0..F {
                block.g[f] = g[f].block(isa, b);
                let drawn: [V; R] = drawn[f].block(isa, b);
                for r in 0..R {
                    block.behind[r] = block.g[f][r].mul_add(drawn[r], block.behind[r]);
                }
            }
            if first == 0 {
                let (g, coverage): ([V; R], [V; R]) = (g[PASS].block(isa, b), drawn[PASS].block(isa, b));
                for r in 0..R {
                    block.behind[r] -= (isa.constant(1.0) - coverage[r]) * g[r];
                }
            }
        }
        blocks
    }

    /// M = [`MOMENTS`] + F sums for each splat of a tile.
    #[inline(always)]
    fn tile<V: Vector<Element = T>, const R: usize, const F: usize, const M: usize>(&self, isa: Enabled<V>, column: usize) {
        let Self { bins, first, .. } = *self;
        let rule = &bins.rule;
        let entries = bins.tile(self.row * self.columns + column);
        if entries.is_empty() {
            return;
        }
        let mut blocks = self.blocks::<V, R, F>(isa, column);
        let centers = TileCenters::<V, R>::new(isa);
        let corner = SplatBins::corner([column, self.row]);
        let (zero, one) = (isa.zero(), isa.constant(1.0));
        let (least, most, stop) = (isa.constant(rule.least), isa.constant(rule.most), isa.constant(rule.stop));
        let mut open = 0;
        for (n, &[_, slot, mask]) in entries.iter().enumerate() {
            if n % ASKED == 0 && (n == 0 || open != 0) {
                open = open_blocks(isa, blocks.iter().map(|block| block.t));
            }
            // SAFETY: a slot belongs to one pair of a splat and a tile, and a tile to one part.
            let record_out = &mut unsafe { self.records.part(slot as usize..slot as usize + 1) }[0];
            let mut reached = mask & open;
            if reached == 0 {
                *record_out = [T::ZERO; RECORD];
                continue;
            }
            let record = bins.record(entries, n);
            let splat = TileSplat::read(isa, record, corner);
            let mut features = [zero; F];
            for f in 0..F {
                features[f] = isa.splat(record[GEOMETRY + first + f]);
            }
            let mut sums = [zero; M];
            while reached != 0 {
                let b = reached.trailing_zeros() as usize % BLOCKS;
                reached &= reached - 1;
                let block = &mut blocks[b];
                for r in 0..R {
                    let [dx, dy] = centers.to(&splat, b, r);
                    let whole = splat.alpha([dx, dy]);
                    let alpha = whole.min(most);
                    let alpha = alpha.where_less(least, zero, alpha);
                    let (weight, next) = pass_through(alpha, block.t[r], stop);
                    block.t[r] = next;
                    let mut cg = zero;
                    for f in 0..F {
                        cg = block.g[f][r].mul_add(features[f], cg);
                        sums[MOMENTS + f] = weight.mul_add(block.g[f][r], sums[MOMENTS + f]);
                    }
                    // −α ᾱ = S α / (1 − α) − T α (c · g); 0 where the splat is passed over.
                    let seen = weight * cg;
                    let behind = block.behind[r] - seen;
                    block.behind[r] = behind;
                    let sigma = behind * (alpha / (one - alpha)) - seen;
                    let sigma = zero.where_less(weight, most.where_less(whole, zero, sigma), zero);
                    let (sx, sy) = (sigma * dx, sigma * dy);
                    sums[0] += sigma;
                    sums[1] += sx;
                    sums[2] += sy;
                    sums[3] = sx.mul_add(dx, sums[3]);
                    sums[4] = sx.mul_add(dy, sums[4]);
                    sums[5] = sy.mul_add(dy, sums[5]);
                }
            }
            write_sums(isa, &sums, record_out);
        }
    }
}

/// The sum of the lanes of each register. As many registers as lanes become one, half as many at each step. What a record has beyond is unspecified.
#[inline(always)]
fn write_sums<V: Vector, const M: usize>(isa: Enabled<V>, sums: &[V; M], to: &mut [V::Element; RECORD]) {
    #[inline(always)]
    fn halve<V: Vector, const S: usize, const M: usize>(block: &mut [V]) {
        if S < V::LANES {
            for i in 0..V::LANES.min(M) {
                if i % (2 * S) == 0 {
                    let (x, y) = block[i].exchange::<S>(block[i + S]);
                    block[i] = x + y;
                }
            }
        }
    }
    for start in (0..M).step_by(V::LANES) {
        let mut block = Square::zero(isa);
        for k in 0..V::LANES.min(M - start) {
            block[k] = sums[start + k];
        }
        halve::<V, 1, M>(&mut block);
        halve::<V, 2, M>(&mut block);
        halve::<V, 4, M>(&mut block);
        halve::<V, 8, M>(&mut block);
        block[0].write(&mut to[start..]);
    }
}
