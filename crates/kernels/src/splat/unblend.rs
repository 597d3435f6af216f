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
use super::blend::{PAIR_NS, PASS, PIXELS, Sortable, TilePixels, TileSplat, pass_through};
use super::gather::{ScreenGradients, gather};
use super::project::ScreenSplatsMut;
use super::stated::TILE;
use crate::buffer::{Block, OutOfMemory};
use crate::compiled::compiled;
use crate::shape::count;
use crate::simd::{self, Enabled, Kernel, Square, Vector};
use crate::threads::{self, SharedSlice};

/// Moments of a record.
pub(super) const MOMENTS: usize = 6;

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
            let wide = MOMENTS + here;
            let mut records = Block::new(count(&[bins.pairs(), wide]))?;
            let shared = SharedSlice::new(&mut records);
            let parts = if threads::parts(bins.pairs(), 3.0 * PAIR_NS) > 1 { rows } else { 1 };
            threads::run(parts, |part| {
                for row in threads::range(rows, 1, parts, part) {
                    simd::dispatch(BandGradient { bins, row, columns, first, here, pictures, records: shared });
                }
            });
            gather(bins, &records, first..first + here, &mut out);
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
    records: SharedSlice<'a, T>,
}

impl<T: Sortable> Kernel<T> for BandGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        match V::LANES {
            16 => self.tiles::<V, 4>(isa),
            8 => self.tiles::<V, 8>(isa),
            4 => self.tiles::<V, 16>(isa),
            2 => self.tiles::<V, 32>(isa),
            _ => self.tiles::<V, 64>(isa),
        }
    }
}

impl<T: Sortable> BandGradient<'_, T> {
    #[inline(always)]
    fn tiles<V: Vector<Element = T>, const R: usize>(&self, isa: Enabled<V>) {
        for column in 0..self.columns {
            match self.here {
                1 => self.tile::<V, R, 1, 7>(isa, column),
                2 => self.tile::<V, R, 2, 8>(isa, column),
                3 => self.tile::<V, R, 3, 9>(isa, column),
                _ => self.tile::<V, R, 4, 10>(isa, column),
            }
        }
    }

    /// One number of each pixel of a tile: `at` of those of the picture or its cotangent.
    #[inline(always)]
    fn pixels<V: Vector<Element = T>, const R: usize>(&self, isa: Enabled<V>, picture: &[T], column: usize, at: usize) -> [V; R] {
        let rule = &self.bins.rule;
        let wide = rule.wide();
        let mut lanes = [T::ZERO; PIXELS];
        let columns = TILE.min(rule.width - column * TILE);
        let rows = picture[self.row * TILE * rule.width * wide..].chunks_exact(rule.width * wide);
        for (row, lanes) in rows.zip(lanes.chunks_exact_mut(TILE)) {
            for (pixel, x) in row[column * TILE * wide..].chunks_exact(wide).zip(&mut lanes[..columns]) {
                *x = pixel[at];
            }
        }
        let mut registers = [isa.zero(); R];
        for r in 0..R {
            registers[r] = isa.read(&lanes[r * V::LANES..]);
        }
        registers
    }

    /// M = [`MOMENTS`] + F sums for each splat of a tile.
    #[inline(always)]
    fn tile<V: Vector<Element = T>, const R: usize, const F: usize, const M: usize>(&self, isa: Enabled<V>, column: usize) {
        let Self { bins, first, pictures: [picture, cotangent], .. } = *self;
        let rule = &bins.rule;
        let entries = bins.tile(self.row * self.columns + column);
        if entries.is_empty() {
            return;
        }
        let mut g = [[isa.zero(); R]; F];
        let mut behind = [isa.zero(); R];
        for f in 0..F {
            let at = if first + f < rule.channels { first + f } else { rule.channels + 1 };
            g[f] = self.pixels::<V, R>(isa, cotangent, column, at);
            let drawn = self.pixels::<V, R>(isa, picture, column, at);
            for r in 0..R {
                behind[r] = g[f][r].mul_add(drawn[r], behind[r]);
            }
        }
        let one = isa.constant(1.0);
        if first == 0 {
            let coverage = self.pixels::<V, R>(isa, picture, column, rule.channels);
            let g = self.pixels::<V, R>(isa, cotangent, column, rule.channels);
            for r in 0..R {
                behind[r] -= (one - coverage[r]) * g[r];
            }
        }
        let mut pixels = TilePixels::<V, R>::new(isa, rule, [column, self.row]);
        let (zero, most, stop) = (isa.zero(), isa.constant(rule.most), isa.constant(rule.stop));
        let mut t = [one; R];
        let mut done = entries.len();
        for (n, &[_, slot]) in entries.iter().enumerate() {
            if n % 4 == 0 && !pixels.open(isa) {
                done = n;
                break;
            }
            let record = bins.record(entries, n);
            let splat = TileSplat::read(isa, record, self.row);
            let feature = &record[GEOMETRY + first..][..F];
            let mut sums = [zero; M];
            for r in splat.registers.start.min(R)..splat.registers.end.min(R) {
                let (dx, dy) = (pixels.x[r] - splat.center[0], pixels.y[r] - splat.center[1]);
                let whole = splat.alpha(splat.exponent(dx, dy));
                let (alpha, next, limit) = pass_through(whole.min(most), t[r], pixels.limit[r], stop);
                let weight = alpha * t[r];
                let mut cg = zero;
                for f in 0..F {
                    cg = g[f][r].mul_add(isa.splat(feature[f]), cg);
                    sums[MOMENTS + f] = weight.mul_add(g[f][r], sums[MOMENTS + f]);
                }
                behind[r] -= weight * cg;
                // Where α is 0, so is σ̄.
                let alpha_bar = t[r] * cg - behind[r] / (one - alpha);
                let sigma = most.where_less(whole, zero, -alpha * alpha_bar);
                let (sx, sy) = (sigma * dx, sigma * dy);
                sums[0] += sigma;
                sums[1] += sx;
                sums[2] += sy;
                sums[3] = sx.mul_add(dx, sums[3]);
                sums[4] = sx.mul_add(dy, sums[4]);
                sums[5] = sy.mul_add(dy, sums[5]);
                (t[r], pixels.limit[r]) = (next, limit);
            }
            // SAFETY: a slot belongs to one pair of a splat and a tile, and a tile to one part.
            let record = unsafe { self.records.part(slot as usize * M..(slot as usize + 1) * M) };
            write_sums(isa, &sums, record);
        }
        for &[_, slot] in &entries[done..] {
            // SAFETY: as above.
            unsafe { self.records.part(slot as usize * M..(slot as usize + 1) * M) }.fill(T::ZERO);
        }
    }
}

/// The sum of the lanes of each register. As many registers as lanes become one, half as many at each step.
#[inline(always)]
fn write_sums<V: Vector>(isa: Enabled<V>, sums: &[V], to: &mut [V::Element]) {
    #[inline(always)]
    fn halve<V: Vector, const S: usize>(block: &mut [V]) {
        if S < V::LANES {
            for i in (0..V::LANES).step_by(2 * S) {
                let (x, y) = block[i].exchange::<S>(block[i + S]);
                block[i] = x + y;
            }
        }
    }
    for (sums, to) in sums.chunks(V::LANES).zip(to.chunks_mut(V::LANES)) {
        let mut block = Square::zero(isa);
        block[..sums.len()].copy_from_slice(sums);
        halve::<V, 1>(&mut block);
        halve::<V, 2>(&mut block);
        halve::<V, 4>(&mut block);
        halve::<V, 8>(&mut block);
        block[0].write_first(to);
    }
}
