//! Which tiles a splat reaches, and which splats a tile has, by depth.
//!
//! A splat is blended where o exp(−½ dᵀ Q d) ≥ least, so where dᵀ Q d ≤ q = 2 ln(o / least): an ellipse whose half extents are √(q Σxx) and √(q Σyy). Of the tiles
//! of its bounding box those count over which the smallest dᵀ Q d is at most q. Visible splats are sorted once by depth, equal ones by index. Each
//! has its slots one after another, a slot a tile; a stable counting sort by tiles then gives each tile its list in the order of depth.

use super::blend::BlendRule;
use super::project::ScreenSplats;
use super::stated::TILE;
use crate::buffer::{OutOfMemory, list};
use crate::simd::Lanes;
use crate::sort::{self, SortKey};
use crate::threads::{self, SharedSlice};

/// Nanoseconds a splat takes, and a slot.
const SPLAT_NS: f64 = 15.0;

/// By how much an ellipse is taken for larger than it is: what f32 rounds is on the safe side.
const SLACK: f64 = 1e-3;

/// Numbers of a splat in its order: x, y, a/2, b, c/2, the opacity, the exponent beyond which nothing is blended, and 0.
pub(super) const GEOMETRY: usize = 8;

/// Visible splats by depth, their slots, and the lists of the tiles.
#[derive(Debug)]
pub struct SplatBins<T> {
    pub(super) splats: usize,
    /// The splat of each rank: distinct numbers below `splats`.
    pub(super) order: Vec<u32>,
    /// [`GEOMETRY`] numbers a rank.
    pub(super) geometry: Vec<T>,
    /// The first slot of each rank, and how many slots there are.
    pub(super) slots: Vec<u32>,
    /// The first entry of each tile, and how many there are.
    pub(super) tiles: Vec<u32>,
    /// Of each entry its rank and its slot, all slots once.
    pub(super) entries: Vec<[u32; 2]>,
}

/// Tiles from a column and row up to others, which are not among them.
type TileBox = [u16; 4];

impl<T: Lanes + SortKey> SplatBins<T> {
    /// The bins of splats with so many channels each, of any numbers: what is not finite is not visible.
    ///
    /// # Errors
    /// If there is no memory for the lists, or there are 2³² slots.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn new(rule: &BlendRule, splats: ScreenSplats<'_, T>, colors: &[T]) -> Result<Self, OutOfMemory> {
        let n = splats.check();
        assert!(colors.len() == n * rule.channels, "colours of each splat");
        assert!(n < 1 << 31 && rule.width.max(rule.height) <= 1 << 16, "sizes that 32 bits count");
        let mut boxes: Vec<TileBox> = list(n)?;
        boxes.resize(n, [0; 4]);
        threads::split_mut(&mut boxes, 1, threads::parts(n, SPLAT_NS), |start, boxes| {
            for (i, tiles) in (start..).zip(boxes) {
                let color = &colors[i * rule.channels..][..rule.channels];
                *tiles = tile_box(rule, &Ellipse::of(rule, &splats, i), color);
            }
        });
        // Ranks: visible splats by depth.
        let visible = |i: usize| boxes[i][0] < boxes[i][2];
        let mut indices: Vec<u32> = list(n)?;
        indices.extend((0..n).filter(|&i| visible(i)).map(|i| i as u32));
        let mut depths: Vec<T> = list(indices.len())?;
        depths.extend(indices.iter().map(|&i| splats.depths[i as usize]));
        let mut places: Vec<i64> = list(indices.len())?;
        places.resize(indices.len(), 0);
        sort::sort(&depths, depths.len(), false, None, &mut places)?;
        let mut order: Vec<u32> = list(indices.len())?;
        order.extend(places.iter().map(|&p| indices[p as usize]));
        Self::listed(rule, &splats, order, &boxes)
    }

    fn listed(rule: &BlendRule, splats: &ScreenSplats<'_, T>, order: Vec<u32>, boxes: &[TileBox]) -> Result<Self, OutOfMemory> {
        let (columns, rows) = rule.tiles();
        let visible = order.len();
        let parts = threads::parts(visible, 4.0 * SPLAT_NS);
        let mut geometry: Vec<T> = list(visible * GEOMETRY)?;
        geometry.resize(visible * GEOMETRY, T::ZERO);
        let mut slots: Vec<u32> = list(visible + 1)?;
        slots.resize(visible + 1, 0);
        // Tiles of each rank, one rank after another, and how many of them each tile is.
        let mut found: Vec<PartOfSlots> = (0..parts).map(|_| PartOfSlots::default()).collect();
        let (shared_geometry, shared_slots) = (SharedSlice::new(&mut geometry), SharedSlice::new(&mut slots));
        let failed = std::sync::Mutex::new(None);
        threads::split_mut(&mut found, 1, parts, |part, found| {
            let range = threads::range(visible, 1, parts, part);
            // SAFETY: parts differ in their ranks, and each writes the numbers of its own.
            let (geometry, slots) =
                unsafe { (shared_geometry.part(range.start * GEOMETRY..range.end * GEOMETRY), shared_slots.part(range.clone())) };
            let ranks = geometry.chunks_exact_mut(GEOMETRY).zip(slots).zip(&order[range]);
            if let Err(refused) = found[0].fill(rule, splats, boxes, columns * rows, ranks) {
                *failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(refused);
            }
        });
        if let Some(refused) = failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            return Err(refused);
        }
        let total: usize = found.iter().map(|part| part.tiles.len()).sum();
        if total > u32::MAX as usize {
            return Err(OutOfMemory { bytes: total.saturating_mul(size_of::<[u32; 2]>()) });
        }
        // Counts become first slots.
        let mut before = 0;
        for slot in &mut slots {
            before += std::mem::replace(slot, before);
        }
        // Counts of a tile in each part become first entries: tiles in their order, the parts of a tile in theirs.
        let mut tiles: Vec<u32> = list(columns * rows + 1)?;
        let mut before = 0;
        for tile in 0..columns * rows {
            tiles.push(before);
            for part in &mut found {
                before += std::mem::replace(&mut part.counts[tile], before);
            }
        }
        tiles.push(before);
        let mut entries: Vec<[u32; 2]> = list(total)?;
        entries.resize(total, [0; 2]);
        assert!(before as usize == total, "an entry for each slot");
        let shared = SharedSlice::new(&mut entries);
        threads::split_mut(&mut found, 1, parts, |part, found| {
            let PartOfSlots { tiles, counts } = &mut found[0];
            let range = threads::range(visible, 1, parts, part);
            let first = slots[range.start];
            let mut at = 0;
            for rank in range {
                while first + (at as u32) < slots[rank + 1] {
                    let place = &mut counts[tiles[at] as usize];
                    // SAFETY: a part has as many places of a tile as it counted there, from the first one on; no two parts share one, and all
                    // lie below the sum of counts, which is the length of `entries`. A part passes over its list of tiles once.
                    unsafe { shared.at(*place as isize).write([rank as u32, first + at as u32]) };
                    *place += 1;
                    at += 1;
                }
            }
        });
        Ok(Self { splats: splats.opacities.len(), order, geometry, slots, tiles, entries })
    }

    /// How many pairs of a splat and a tile there are.
    pub fn pairs(&self) -> usize {
        self.entries.len()
    }

    /// How many splats are visible.
    pub fn visible(&self) -> usize {
        self.order.len()
    }
}

/// The slots of some ranks.
#[derive(Default)]
struct PartOfSlots {
    tiles: Vec<u32>,
    counts: Vec<u32>,
}

impl PartOfSlots {
    /// Fills the tiles of some ranks, their geometry and how many tiles each has.
    fn fill<'a, T: Lanes>(
        &mut self,
        rule: &BlendRule,
        splats: &ScreenSplats<'_, T>,
        boxes: &[TileBox],
        count: usize,
        ranks: impl Iterator<Item = ((&'a mut [T], &'a mut u32), &'a u32)>,
    ) -> Result<(), OutOfMemory> {
        self.counts = list(count)?;
        self.counts.resize(count, 0);
        let columns = rule.tiles().0;
        for ((geometry, slots), &i) in ranks {
            let ellipse = Ellipse::of(rule, splats, i as usize);
            geometry.copy_from_slice(&ellipse.geometry());
            let [left, top, right, bottom] = boxes[i as usize].map(usize::from);
            let area = (right - left) * (bottom - top);
            let refused = |_| OutOfMemory { bytes: area * size_of::<u32>() };
            self.tiles.try_reserve(area).map_err(refused)?;
            let before = self.tiles.len();
            for y in top..bottom {
                for x in left..right {
                    if area == 1 || ellipse.reaches(x, y) {
                        let tile = (y * columns + x) as u32;
                        self.tiles.push(tile);
                        self.counts[tile as usize] += 1;
                    }
                }
            }
            *slots = (self.tiles.len() - before) as u32;
        }
        Ok(())
    }
}

/// Where a splat is blended.
#[derive(Clone, Copy)]
struct Ellipse<T> {
    center: [T; 2],
    conic: [T; 3],
    opacity: T,
    depth: T,
    /// dᵀ Q d is at most this.
    q: T,
}

impl<T: Lanes> Ellipse<T> {
    #[inline(always)]
    fn of(rule: &BlendRule, splats: &ScreenSplats<'_, T>, i: usize) -> Self {
        let opacity = splats.opacities[i];
        let q = if rule.least > 0.0 { opacity.to_f64() / rule.least } else { f64::INFINITY };
        Self {
            center: [splats.positions[2 * i], splats.positions[2 * i + 1]],
            conic: [splats.conics[3 * i], splats.conics[3 * i + 1], splats.conics[3 * i + 2]],
            opacity,
            depth: splats.depths[i],
            q: T::from_f64(if q >= 1.0 { 2.0 * q.ln() + SLACK } else { -1.0 }),
        }
    }

    /// What a tile reads of it.
    fn geometry(&self) -> [T; GEOMETRY] {
        let half = T::from_f64(0.5);
        let [a, b, c] = self.conic;
        [self.center[0], self.center[1], a * half, b, c * half, self.opacity, self.q * half, T::ZERO]
    }

    /// Whether dᵀ Q d is at most q somewhere over the centres of a tile's pixels. It is least at the centre, or on an edge that faces it.
    #[inline(always)]
    fn reaches(&self, column: usize, row: usize) -> bool {
        let edges = |at: usize| {
            let low = T::from_f64((at * TILE) as f64 + 0.5);
            [low, low + T::from_f64((TILE - 1) as f64)]
        };
        let ([left, right], [top, bottom]) = (edges(column), edges(row));
        let [x, y] = self.center;
        let [a, b, c] = self.conic;
        let near = [left.maximum(right.minimum(x)) - x, top.maximum(bottom.minimum(y)) - y];
        if near[0] == T::ZERO && near[1] == T::ZERO {
            return true;
        }
        let form = |dx: T, dy: T| a * dx * dx + (b + b) * dx * dy + c * dy * dy;
        let mut least = T::INFINITY;
        if near[0] != T::ZERO {
            let dy = (-b * near[0] / c).maximum(top - y).minimum(bottom - y);
            least = form(near[0], dy);
        }
        if near[1] != T::ZERO {
            let dx = (-b * near[1] / a).maximum(left - x).minimum(right - x);
            least = least.minimum(form(dx, near[1]));
        }
        // A NaN is drawn and found to reach nothing.
        !(least > self.q)
    }
}

/// The tiles of the bounding box of what a splat reaches; none of one that is not visible.
#[inline(always)]
fn tile_box<T: Lanes>(rule: &BlendRule, of: &Ellipse<T>, color: &[T]) -> TileBox {
    let nowhere = [0; 4];
    if !(of.q >= T::ZERO && of.opacity > T::ZERO) {
        return nowhere;
    }
    let [a, b, c] = of.conic.map(T::to_f64);
    let ([x, y], determinant) = (of.center.map(T::to_f64), a * c - b * b);
    let finite = (x + y + determinant + of.opacity.to_f64()).is_finite() && of.depth.is_finite();
    if !(finite && determinant > 0.0 && a > 0.0 && color.iter().all(|c| c.is_finite())) {
        return nowhere;
    }
    let (columns, rows) = rule.tiles();
    let scale = of.q.to_f64() / determinant;
    let span = |center: f64, half: f64, pixels: usize, tiles: usize| {
        // The first and the last pixel whose centre lies within; a cast keeps within its bounds.
        let (first, last) = ((center - half - 0.5).ceil().max(0.0), (center + half - 0.5).floor().min(pixels as f64 - 1.0));
        if first <= last { [first as usize / TILE, (last as usize / TILE + 1).min(tiles)] } else { [0, 0] }
    };
    let half = |variance: f64| (scale * variance).sqrt() * (1.0 + SLACK) + SLACK;
    let [left, right] = span(x, half(c), rule.width, columns);
    let [top, bottom] = span(y, half(a), rule.height, rows);
    if left < right && top < bottom { [left as u16, top as u16, right as u16, bottom as u16] } else { nowhere }
}
