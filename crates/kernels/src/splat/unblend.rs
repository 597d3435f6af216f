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
//!
//! Of some entries of a tile at a time, T α and σ̄ are found, a block after another with its pixels in registers; then they are added, a splat after another.

use super::bins::{GEOMETRY, SplatBins};
use super::blend::{PAIR_NS, PASS, Sortable};
use super::gather::{ScreenGradients, gather};
use super::passes::{PASSES, Passes, left_at, write_sums};
use super::project::ScreenSplatsMut;
use super::stated::TILE;
use super::tile::{
    ABREAST, BLOCKS, BlockKernel, Bounds, NEAR, NearRecords, PIXELS, Passage, TileCenters, TileLanes, TileSplat, alphas,
    dispatch_blocks, entries_of_blocks, open_blocks, open_pixels, take_bits,
};
use crate::buffer::{Block, OutOfMemory};
use crate::compiled::compiled;
use crate::shape::count;
use crate::simd::{Enabled, Vector};
use crate::threads::{self, SharedSlice};

/// Moments of a record.
pub(super) const MOMENTS: usize = 6;
/// Numbers of a record: the moments and the features of a pass, up to whole cache lines.
pub(super) const RECORD: usize = (MOMENTS + PASS).next_multiple_of(16);

compiled! {
    /// The gradients of [`blend`](super::blend()) from the cotangent of its picture, with that picture: of what is on the screen, and of the colours `(N, channels)`.
    ///
    /// # Errors
    /// If there is no memory for a record a slot and some scratch.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn blend_gradient<T: Sortable>(bins: &SplatBins<T>, pictures: [&[T]; 2], out: ScreenSplatsMut<'_, T>, colors_out: &mut [T]) -> Result<(), OutOfMemory> {
        let rule = bins.rule;
        let pixels = count(&[rule.height, rule.width, rule.wide()]);
        assert!(pictures.iter().all(|x| x.len() == pixels), "a picture and its cotangent");
        assert!(out.check() == bins.splats && colors_out.len() == count(&[bins.splats, rule.channels]), "a gradient for each splat");
        let mut out = ScreenGradients { out, colors: colors_out };
        let features = rule.channels + 1;
        let (columns, rows) = rule.tiles();
        for first in (0..features).step_by(PASS) {
            let here = PASS.min(features - first);
            let mut records = Block::new(count(&[bins.pairs(), RECORD]))?;
            let shared = SharedSlice::new(records.as_chunks_mut::<RECORD>().0);
            let parts = if threads::parts(bins.pairs(), 3.0 * PAIR_NS) > 1 { rows } else { 1 };
            let mut scratch = Block::new(count(&[parts, PASSES]))?;
            let scratch = SharedSlice::new(&mut scratch);
            threads::run(parts, |part| {
                for row in threads::range(rows, 1, parts, part) {
                    dispatch_blocks(BandGradient { bins, row, columns, first, here, pictures, records: shared, part, scratch });
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
    /// The part of the work that it belongs to, and memory for each.
    part: usize,
    scratch: SharedSlice<'a, T>,
}

impl<T: Sortable> BlockKernel<T> for BandGradient<'_, T> {
    #[inline(always)]
    fn run<V: Vector<Element = T>, const R: usize>(self, isa: Enabled<V>) {
        // SAFETY: each part has its own scratch.
        let mut passes = Passes::new(unsafe { self.scratch.part(self.part * PASSES..(self.part + 1) * PASSES) });
        for column in 0..self.columns {
            match self.here {
                1 => self.tile::<V, R, 1, 7>(isa, column, &mut passes),
                2 => self.tile::<V, R, 2, 8>(isa, column, &mut passes),
                3 => self.tile::<V, R, 3, 9>(isa, column, &mut passes),
                _ => self.tile::<V, R, 4, 10>(isa, column, &mut passes),
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
    fn tile<V: Vector<Element = T>, const R: usize, const F: usize, const M: usize>(
        &self,
        isa: Enabled<V>,
        column: usize,
        passes: &mut Passes<'_, T>,
    ) {
        let Self { bins, first, .. } = *self;
        let rule = &bins.rule;
        let (entries, after) = bins.tile(self.row * self.columns + column);
        if entries.is_empty() {
            return;
        }
        let mut blocks = self.blocks::<V, R, F>(isa, column);
        let centers = TileCenters::<V, R>::new(isa);
        let (zero, bounds) = (isa.zero(), Bounds::new(isa, rule));
        let record_of = |slot: u32| {
            // SAFETY: a slot belongs to one pair of a splat and a tile, and a tile to one part, which asks for one record at a time.
            let record = unsafe { self.records.part(slot as usize..slot as usize + 1) };
            &mut record[0]
        };
        let mut near = NearRecords::new(SplatBins::corner([column, self.row]), first);
        for (n, here) in entries.chunks(NEAR).enumerate() {
            let open = open_blocks(isa, blocks.iter().map(|block| block.t));
            if open == 0 {
                for &[_, slot, _] in here {
                    *record_of(slot) = [T::ZERO; RECORD];
                }
                continue;
            }
            near.copy(isa, bins, here, if n + 1 < entries.len().div_ceil(NEAR) { &entries[(n + 1) * NEAR..] } else { after });
            let reached = entries_of_blocks(here, open);
            passes.begin(here, open);
            for (b, block) in blocks.iter_mut().enumerate() {
                let mut reached = reached[b];
                if reached == 0 {
                    continue;
                }
                let BlockBars { mut t, mut behind, g } = *block;
                while reached != 0 {
                    let taken = take_bits::<ABREAST>(&mut reached);
                    let records = taken.map(|n| &near.records[n]);
                    let splats = records.map(|record| TileSplat::read(isa, record));
                    let mut found = [[[zero; 2]; R]; ABREAST];
                    for r in 0..R {
                        let alphas = alphas(&centers, &splats, (b, r));
                        for n in 0..ABREAST {
                            let passage = Passage::new(alphas[n], t[r], &bounds);
                            t[r] = passage.next;
                            let weight = passage.open(&bounds, passage.weight, zero);
                            let mut cg = zero;
                            for f in 0..F {
                                cg = g[f][r].mul_add(isa.splat(records[n][GEOMETRY + f]), cg);
                            }
                            // −α ᾱ = S α / (1 − α) − T α (c · g), where α / (1 − α) is T α / T′; 0 where the splat is passed over.
                            let seen = weight * cg;
                            behind[r] -= seen;
                            let sigma = behind[r] * (weight / passage.next) - seen;
                            let sigma = bounds.most.where_less(alphas[n], zero, sigma);
                            found[n][r] = [weight, sigma];
                        }
                    }
                    for n in 0..ABREAST {
                        passes.put(taken[n], &found[n]);
                    }
                }
                *block = BlockBars { t, behind, g };
            }
            for k in 0..here.len() {
                let n = passes.entry(k);
                let [_, slot, mask] = here[n];
                let mut reached = mask & open;
                let splat = TileSplat::read(isa, &near.records[n]);
                let mut sums = [zero; M];
                for left in passes.of(n) {
                    let b = reached.trailing_zeros() as usize % BLOCKS;
                    reached &= reached.wrapping_sub(1);
                    for r in 0..R {
                        let [weight, sigma] = left_at(isa, left, r);
                        let [dx, dy] = centers.to(&splat, b, r);
                        for f in 0..F {
                            sums[MOMENTS + f] = weight.mul_add(blocks[b].g[f][r], sums[MOMENTS + f]);
                        }
                        let (sx, sy) = (sigma * dx, sigma * dy);
                        sums[0] += sigma;
                        sums[1] += sx;
                        sums[2] += sy;
                        sums[3] = sx.mul_add(dx, sums[3]);
                        sums[4] = sx.mul_add(dy, sums[4]);
                        sums[5] = sy.mul_add(dy, sums[5]);
                    }
                }
                write_sums(isa, &sums, record_of(slot));
            }
        }
    }
}
