//! Pixels from splats, front to back.
//!
//! ```text
//! α = min(most, o exp(−½ dᵀ Q d))        T′ = T (1 − α)        C += T α c
//! ```
//!
//! A splat is passed over where α < least. A pixel is finished, without the splat at hand, where T′ ≤ stop. A tile is 8 x 8 pixels in registers; up to four
//! channels are blended in one pass, depth counting as one. Rows that a splat does not reach are passed over.

use std::ops::Range;

use super::bins::{GEOMETRY, SplatBins};
use super::stated::TILE;
use crate::compiled::compiled;
use crate::number::Number;
use crate::real::Real;
use crate::simd::{self, Enabled, Kernel, Lanes, Vector, math};
use crate::sort::SortKey;
use crate::threads;

/// Pixels of a tile.
pub(super) const PIXELS: usize = TILE * TILE;
/// The most channels of a pass.
pub(super) const PASS: usize = 4;
/// How many entries ahead records are fetched.
const AHEAD: usize = 6;
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
                simd::dispatch(Band { bins, row, columns, out });
            }
        });
    }
}

/// A number that is blended, and sorted by.
pub trait Sortable: Lanes + SortKey {}

impl<T: Lanes + SortKey> Sortable for T {}

impl<T: Sortable> SplatBins<T> {
    /// Splat and slot of the splats of a tile, front to back.
    #[inline(always)]
    pub(super) fn tile(&self, tile: usize) -> &[[u32; 2]] {
        &self.entries[self.tiles[tile] as usize..self.tiles[tile + 1] as usize]
    }

    /// What a tile reads of a splat. That of an entry some way ahead is fetched: splats of a tile lie anywhere.
    #[inline(always)]
    pub(super) fn record(&self, entries: &[[u32; 2]], n: usize) -> &[T] {
        if let Some(&[ahead, _]) = entries.get(n + AHEAD) {
            simd::prefetch(self.records[ahead as usize * self.wide..].as_ptr());
        }
        &self.records[entries[n][0] as usize * self.wide..][..self.wide]
    }
}

/// A row of tiles.
struct Band<'a, T: Sortable> {
    bins: &'a SplatBins<T>,
    row: usize,
    columns: usize,
    out: &'a mut [T],
}

impl<T: Sortable> Kernel<T> for Band<'_, T> {
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

/// The pixels of a tile in R registers: their centres, and whether they are in the picture.
pub(super) struct TilePixels<V, const R: usize> {
    pub x: [V; R],
    pub y: [V; R],
    /// The least α that is blended: ∞ where nothing more is.
    pub limit: [V; R],
}

impl<V: Vector, const R: usize> TilePixels<V, R> {
    #[inline(always)]
    pub fn new(isa: Enabled<V>, rule: &BlendRule, [column, row]: [usize; 2]) -> Self {
        let center = |at: usize| V::Element::from_f64(at as f64 + 0.5);
        let mut lanes = [[V::Element::ZERO; PIXELS]; 3];
        for p in 0..PIXELS {
            let (x, y) = (column * TILE + p % TILE, row * TILE + p / TILE);
            let inside = x < rule.width && y < rule.height;
            lanes[0][p] = center(x);
            lanes[1][p] = center(y);
            lanes[2][p] = if inside { V::Element::from_f64(rule.least) } else { V::Element::INFINITY };
        }
        let registers = |lanes: &[V::Element; PIXELS]| {
            let mut registers = [isa.zero(); R];
            for r in 0..R {
                registers[r] = isa.read(&lanes[r * V::LANES..]);
            }
            registers
        };
        Self { x: registers(&lanes[0]), y: registers(&lanes[1]), limit: registers(&lanes[2]) }
    }

    /// Whether a pixel is not finished.
    #[inline(always)]
    pub fn open(&self, isa: Enabled<V>) -> bool {
        let bound = isa.constant(2.0);
        self.limit.iter().any(|limit| limit.any_less(bound))
    }
}

/// A splat in registers.
pub(super) struct TileSplat<V> {
    pub center: [V; 2],
    /// a/2, b, c/2
    pub conic: [V; 3],
    pub opacity: V,
    /// The registers that it reaches.
    pub registers: Range<usize>,
}

impl<V: Vector> TileSplat<V> {
    #[inline(always)]
    pub fn read(isa: Enabled<V>, record: &[V::Element], row: usize) -> Self {
        let g = &record[..GEOMETRY];
        // Rows whose centres are no farther than half of its height; a cast is 0 of what is below.
        let middle = g[1] - V::Element::from_f64((row * TILE) as f64 + 0.5);
        let below = |x: V::Element| x.to_f64().max(0.0).min(TILE as f64) as usize;
        let (first, end) = (below(middle - g[6] + V::Element::from_f64(0.999)), below(middle + g[6] + V::Element::ONE));
        Self {
            center: [isa.splat(g[0]), isa.splat(g[1])],
            conic: [isa.splat(g[2]), isa.splat(g[3]), isa.splat(g[4])],
            opacity: isa.splat(g[5]),
            registers: first * TILE / V::LANES..(end * TILE).div_ceil(V::LANES),
        }
    }

    /// ½ dᵀ Q d
    #[inline(always)]
    pub fn exponent(&self, dx: V, dy: V) -> V {
        let [a, b, c] = self.conic;
        dx * a.mul_add(dx, b * dy) + c * dy * dy
    }

    /// o exp(−exponent)
    #[inline(always)]
    pub fn alpha(&self, exponent: V) -> V {
        let [e] = math::exp([-exponent]);
        self.opacity * e
    }
}

/// What becomes of a register of pixels by a splat: α, 0 where it is passed over; T and the limit afterwards.
#[inline(always)]
pub(super) fn pass_through<V: Vector>(alpha: V, t: V, limit: V, stop: V) -> (V, V, V) {
    let isa = t.isa();
    let alpha = alpha.where_less(limit, isa.zero(), alpha);
    let next = t - t * alpha;
    let goes_on = |yes: V, no: V| stop.where_less(next, yes, no);
    (goes_on(alpha, isa.zero()), goes_on(next, t), goes_on(limit, isa.splat(V::Element::INFINITY)))
}

impl<T: Sortable> Band<'_, T> {
    #[inline(always)]
    fn tiles<V: Vector<Element = T>, const R: usize>(self, isa: Enabled<V>) {
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

/// F features of a tile's pixels, from the feature `first` on.
#[inline(always)]
fn tile<V: Vector, const R: usize, const F: usize>(
    isa: Enabled<V>,
    bins: &SplatBins<V::Element>,
    [column, row]: [usize; 2],
    first: usize,
    out: &mut [V::Element],
) where
    V::Element: Sortable,
{
    let rule = &bins.rule;
    let mut pixels = TilePixels::<V, R>::new(isa, rule, [column, row]);
    let (most, stop) = (isa.constant(rule.most), isa.constant(rule.stop));
    let mut t = [isa.constant(1.0); R];
    let mut sums = [[isa.zero(); R]; F];
    let entries = bins.tile(row * rule.tiles().0 + column);
    for n in 0..entries.len() {
        if n % 4 == 0 && !pixels.open(isa) {
            break;
        }
        let record = bins.record(entries, n);
        let splat = TileSplat::read(isa, record, row);
        let feature = &record[GEOMETRY + first..][..F];
        for r in splat.registers.start.min(R)..splat.registers.end.min(R) {
            let (dx, dy) = (pixels.x[r] - splat.center[0], pixels.y[r] - splat.center[1]);
            let alpha = splat.alpha(splat.exponent(dx, dy)).min(most);
            let (alpha, next, limit) = pass_through(alpha, t[r], pixels.limit[r], stop);
            let weight = alpha * t[r];
            for f in 0..F {
                sums[f][r] = weight.mul_add(isa.splat(feature[f]), sums[f][r]);
            }
            (t[r], pixels.limit[r]) = (next, limit);
        }
    }
    // Depth is the last feature, and stands after the coverage.
    for f in 0..F {
        let at = if first + f < rule.channels { first + f } else { rule.channels + 1 };
        put(rule, column, at, &sums[f], out);
    }
    if first == 0 {
        put(rule, column, rule.channels, &t.map(|t| isa.constant(1.0) - t), out);
    }
}

/// Writes one number of each pixel of a tile to a band of the picture.
#[inline(always)]
fn put<V: Vector>(rule: &BlendRule, column: usize, at: usize, registers: &[V], out: &mut [V::Element]) {
    let mut lanes = [V::Element::ZERO; PIXELS];
    for (x, to) in registers.iter().zip(lanes.chunks_exact_mut(V::LANES)) {
        x.write(to);
    }
    let wide = rule.wide();
    let columns = TILE.min(rule.width - column * TILE);
    for (row, lanes) in out.chunks_exact_mut(rule.width * wide).zip(lanes.chunks_exact(TILE)) {
        let pixels = row[column * TILE * wide..].chunks_exact_mut(wide);
        for (pixel, &x) in pixels.zip(&lanes[..columns]) {
            pixel[at] = x;
        }
    }
}
