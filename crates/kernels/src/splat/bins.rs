//! Which tiles a splat reaches, and which splats a tile has, by depth.
//!
//! A splat is blended where o exp(−½ dᵀ Q d) ≥ least, so where dᵀ Q d ≤ q = 2 ln(o / least): an ellipse whose half extents are √(q Σxx) and √(q Σyy). Of the tiles
//! of its bounding box those count over which the smallest dᵀ Q d is at most q. Each splat has its slots one after another, a slot a tile. Visible splats are
//! sorted once by depth, equal ones by index; a stable counting sort by tiles then gives each tile its list in the order of depth.

use super::blend::BlendRule;
use super::project::ScreenSplats;
use super::stated::TILE;
use crate::buffer::{Block, OutOfMemory, list};
use crate::simd::{self, Lanes};
use crate::sort::{self, SortKey};
use crate::threads::{self, SharedSlice};

/// Nanoseconds a splat takes, and a slot.
const SPLAT_NS: f64 = 30.0;
const SLOT_NS: f64 = 4.0;
/// Splats whose boxes are found together.
const CHUNK: usize = 64;

/// By how much an ellipse is taken for larger than it is: what f32 rounds is on the safe side.
const SLACK: f64 = 1e-3;

/// Numbers of a splat before its features: x, y, a/2, b, c/2, the opacity, half of its height and 0.
pub(super) const GEOMETRY: usize = 8;

/// What tiles read of splats, their slots, and the lists of the tiles.
pub struct SplatBins<T: Lanes> {
    pub(super) rule: BlendRule,
    /// How many splats there are, visible or not.
    pub(super) splats: usize,
    visible: usize,
    /// Numbers of a record: a whole number of cache lines, so that a splat is one or two.
    pub(super) wide: usize,
    /// Of each visible splat [`GEOMETRY`] numbers, its channels and its depth.
    pub(super) records: Block<T>,
    /// The first slot of each splat, and how many slots there are.
    pub(super) slots: Vec<u32>,
    /// The first entry of each tile, and how many there are.
    pub(super) tiles: Vec<u32>,
    /// Of each entry its splat and its slot, all slots once.
    pub(super) entries: Vec<[u32; 2]>,
}

impl<T: Lanes> std::fmt::Debug for SplatBins<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SplatBins({} of {} splats, {} pairs)", self.visible, self.splats, self.entries.len())
    }
}

impl<T: Lanes + SortKey> SplatBins<T> {
    /// The bins of splats with their colours, which may be any numbers: what is not finite is not visible.
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
        let wide = (GEOMETRY + rule.channels + 1).next_multiple_of(64 / size_of::<T>());
        let mut records = Block::new(n.saturating_mul(wide))?;
        let mut slots: Vec<u32> = list(n + 1)?;
        slots.resize(n + 1, 0);
        // Tiles of each splat, one splat after another.
        let parts = threads::parts(n, SPLAT_NS).min(n.div_ceil(CHUNK).max(1));
        let mut found: Vec<PartOfSplats> = (0..parts).map(|_| PartOfSplats::default()).collect();
        let (shared_records, shared_slots) = (SharedSlice::new(&mut records), SharedSlice::new(&mut slots));
        threads::split_mut(&mut found, 1, parts, |part, found| {
            let range = threads::range(n, CHUNK, parts, part);
            // SAFETY: parts differ in their splats, and each writes the numbers of its own.
            let (records, slots) =
                unsafe { (shared_records.part(range.start * wide..range.end * wide), shared_slots.part(range.clone())) };
            simd::run(
                #[inline(always)]
                || found[0].fill(rule, &splats, colors, range.start, (records, slots)),
            );
        });
        if let Some(refused) = found.iter().find_map(|part| part.refused) {
            return Err(refused);
        }
        let total: usize = found.iter().map(|part| part.tiles.len()).sum();
        if total > u32::MAX as usize {
            return Err(OutOfMemory { bytes: total.saturating_mul(size_of::<[u32; 2]>()) });
        }
        let mut tile_of: Vec<u32> = list(total)?;
        found.iter().for_each(|part| tile_of.extend_from_slice(&part.tiles));
        // Visible splats, and counts that become first slots.
        let mut indices: Vec<u32> = list(n)?;
        let mut depths: Vec<T> = list(n)?;
        let mut before = 0;
        for (i, slot) in slots.iter_mut().enumerate() {
            let count = std::mem::replace(slot, before);
            before += count;
            if count > 0 {
                indices.push(i as u32);
                depths.push(splats.depths[i]);
            }
        }
        let mut places: Vec<i64> = list(indices.len())?;
        places.resize(indices.len(), 0);
        sort::sort(&depths, depths.len(), false, None, &mut places)?;
        let mut order: Vec<u32> = list(indices.len())?;
        order.extend(places.iter().map(|&p| indices[p as usize]));
        let (tiles, entries) = listed(rule, &order, &slots, &tile_of)?;
        Ok(Self { rule: *rule, splats: n, visible: order.len(), wide, records, slots, tiles, entries })
    }

    /// How many pairs of a splat and a tile there are.
    pub fn pairs(&self) -> usize {
        self.entries.len()
    }

    /// How many splats are visible.
    pub fn visible(&self) -> usize {
        self.visible
    }
}

/// The first entry of each tile, and the entries: splats in this order, and their slots.
fn listed(rule: &BlendRule, order: &[u32], slots: &[u32], tile_of: &[u32]) -> Result<(Vec<u32>, Vec<[u32; 2]>), OutOfMemory> {
    let tiles = rule.tiles().0 * rule.tiles().1;
    let parts = threads::parts(tile_of.len(), SLOT_NS);
    let mut counts: Vec<u32> = list(parts * tiles)?;
    counts.resize(parts * tiles, 0);
    let slots_of = |splat: u32| slots[splat as usize]..slots[splat as usize + 1];
    threads::split_mut(&mut counts, tiles, parts, |start, counts| {
        for &splat in &order[threads::range(order.len(), 1, parts, start / tiles)] {
            slots_of(splat).for_each(|slot| counts[tile_of[slot as usize] as usize] += 1);
        }
    });
    // Counts of a tile in each part become first entries: tiles in their order, the parts of a tile in theirs.
    let mut first: Vec<u32> = list(tiles + 1)?;
    let mut before = 0;
    for tile in 0..tiles {
        first.push(before);
        for part in 0..parts {
            before += std::mem::replace(&mut counts[part * tiles + tile], before);
        }
    }
    first.push(before);
    let mut entries: Vec<[u32; 2]> = list(tile_of.len())?;
    entries.resize(tile_of.len(), [0; 2]);
    assert!(before as usize == entries.len(), "an entry for each slot");
    let shared = SharedSlice::new(&mut entries);
    threads::split_mut(&mut counts, tiles, parts, |start, places| {
        for &splat in &order[threads::range(order.len(), 1, parts, start / tiles)] {
            for slot in slots_of(splat) {
                let place = &mut places[tile_of[slot as usize] as usize];
                // SAFETY: a part has as many places of a tile as it counted there over the same splats, whose slots and tiles are borrowed since, from the first one on; no
                // two parts share one, and all lie below the sum of counts, which is the length of `entries`.
                unsafe { shared.at(*place as isize).write([splat, slot]) };
                *place += 1;
            }
        }
    });
    Ok((first, entries))
}

/// The tiles of some splats.
#[derive(Default)]
struct PartOfSplats {
    tiles: Vec<u32>,
    refused: Option<OutOfMemory>,
}

impl PartOfSplats {
    /// Finds the tiles of splats from `start` on, how many each has, and writes what tiles read of them.
    #[inline(always)]
    fn fill<T: Lanes>(
        &mut self,
        rule: &BlendRule,
        splats: &ScreenSplats<'_, T>,
        colors: &[T],
        start: usize,
        (records, slots): (&mut [T], &mut [u32]),
    ) {
        let (channels, columns) = (rule.channels, rule.tiles().0);
        let wide = records.len().checked_div(slots.len()).unwrap_or(0);
        for (chunk, slots) in slots.chunks_mut(CHUNK).enumerate() {
            let first = start + chunk * CHUNK;
            let (reaches, heights, boxes) = boxes(rule, splats, first, slots.len());
            for (k, slots) in slots.iter_mut().enumerate() {
                *slots = 0;
                let [left, top, right, bottom] = [0, 1, 2, 3].map(|side| boxes[side][k] as usize);
                let color = &colors[(first + k) * channels..][..channels];
                if left >= right || top >= bottom || !color.iter().all(|c| c.is_finite()) {
                    continue;
                }
                let ellipse = Ellipse::of(splats, first + k, T::from_f64(reaches[k]));
                let area = (right - left) * (bottom - top);
                if self.tiles.try_reserve(area).is_err() {
                    self.refused = Some(OutOfMemory { bytes: area.saturating_mul(size_of::<u32>()) });
                    return;
                }
                let before = self.tiles.len();
                for y in top..bottom {
                    for x in left..right {
                        if area == 1 || ellipse.reaches(x, y) {
                            self.tiles.push((y * columns + x) as u32);
                        }
                    }
                }
                *slots = (self.tiles.len() - before) as u32;
                let record = &mut records[(first - start + k) * wide..][..wide];
                record[..GEOMETRY].copy_from_slice(&ellipse.geometry(splats.opacities[first + k], T::from_f64(heights[k])));
                record[GEOMETRY..GEOMETRY + channels].copy_from_slice(color);
                record[GEOMETRY + channels] = splats.depths[first + k];
            }
        }
    }
}

/// Tiles from a column and row up to others, which are not among them, of each of up to [`CHUNK`] splats, their q, and half of their heights. A box is empty where a splat is
/// not visible. In f64, since the determinant of a conic cancels; loops over arrays, which become vector instructions.
#[inline(always)]
fn boxes<T: Lanes>(
    rule: &BlendRule,
    splats: &ScreenSplats<'_, T>,
    first: usize,
    here: usize,
) -> ([f64; CHUNK], [f64; CHUNK], [[i32; CHUNK]; 4]) {
    let (columns, rows) = rule.tiles();
    // x, y, a, b, c, opacity, depth
    let mut of = [[0.0; CHUNK]; 7];
    for k in 0..here {
        let i = first + k;
        let numbers = [
            splats.positions[2 * i],
            splats.positions[2 * i + 1],
            splats.conics[3 * i],
            splats.conics[3 * i + 1],
            splats.conics[3 * i + 2],
            splats.opacities[i],
            splats.depths[i],
        ];
        for (of, x) in of.iter_mut().zip(numbers) {
            of[k] = x.to_f64();
        }
    }
    let [x, y, a, b, c, opacity, depth] = of;
    let (mut q, mut half) = ([0.0; CHUNK], [[0.0; CHUNK]; 2]);
    for k in 0..CHUNK {
        let determinant = a[k] * c[k] - b[k] * b[k];
        let ratio = if rule.least > 0.0 { opacity[k] / rule.least } else { f64::INFINITY };
        let reach = if rule.least > 0.0 { 2.0 * crate::math::ln(ratio.max(1.0)) + SLACK } else { f64::INFINITY };
        // 0 times what is finite is 0, and a NaN else.
        let finite = 0.0 * (x[k] + y[k] + determinant + opacity[k] + depth[k]) == 0.0;
        let visible = finite && determinant > 0.0 && a[k] > 0.0 && opacity[k] > 0.0 && ratio >= 1.0;
        q[k] = if visible { reach } else { -1.0 };
        let scale = reach / determinant;
        for (half, variance) in half.iter_mut().zip([c[k], a[k]]) {
            half[k] = if visible { (scale * variance).sqrt() * (1.0 + SLACK) + SLACK } else { -1.0 };
        }
    }
    let mut boxes = [[0; CHUNK]; 4];
    let axes = [(x, half[0], rule.width, columns), (y, half[1], rule.height, rows)];
    for (axis, (center, half, pixels, tiles)) in axes.into_iter().enumerate() {
        let (last_pixel, tile) = (pixels as f64 - 1.0, TILE as i32);
        for k in 0..CHUNK {
            // The first and the last pixel whose centre lies within.
            let (low, high) = ((center[k] - half[k] - 0.5).ceil().max(0.0), (center[k] + half[k] - 0.5).floor().min(last_pixel));
            let inside = half[k] >= 0.0 && low <= high;
            boxes[axis][k] = if inside { low as i32 / tile } else { 0 };
            boxes[axis + 2][k] = if inside { (high as i32 / tile + 1).min(tiles as i32) } else { 0 };
        }
    }
    (q, half[1], boxes)
}

/// Where a splat is blended.
#[derive(Clone, Copy)]
struct Ellipse<T> {
    center: [T; 2],
    conic: [T; 3],
    /// dᵀ Q d is at most this.
    q: T,
}

impl<T: Lanes> Ellipse<T> {
    #[inline(always)]
    fn of(splats: &ScreenSplats<'_, T>, i: usize, q: T) -> Self {
        let conic = [splats.conics[3 * i], splats.conics[3 * i + 1], splats.conics[3 * i + 2]];
        Self { center: [splats.positions[2 * i], splats.positions[2 * i + 1]], conic, q }
    }

    /// What a tile reads of it.
    #[inline(always)]
    fn geometry(&self, opacity: T, height: T) -> [T; GEOMETRY] {
        let half = T::from_f64(0.5);
        let [a, b, c] = self.conic;
        [self.center[0], self.center[1], a * half, b, c * half, opacity, height, T::ZERO]
    }

    /// Whether dᵀ Q d is at most q somewhere over the centres of a tile's pixels. It is least at the centre, or on an edge that faces it.
    #[inline(always)]
    fn reaches(&self, column: usize, row: usize) -> bool {
        let side = T::from_f64((TILE - 1) as f64);
        let (left, top) = (T::from_f64((column * TILE) as f64 + 0.5), T::from_f64((row * TILE) as f64 + 0.5));
        let (right, bottom) = (left + side, top + side);
        let [x, y] = self.center;
        let [a, b, c] = self.conic;
        let near = [left.maximum(right.minimum(x)) - x, top.maximum(bottom.minimum(y)) - y];
        if near[0] == T::ZERO && near[1] == T::ZERO {
            return true;
        }
        let mut least = T::INFINITY;
        if near[0] != T::ZERO {
            let dy = (-b * near[0] / c).maximum(top - y).minimum(bottom - y);
            least = a * near[0] * near[0] + (b + b) * near[0] * dy + c * dy * dy;
        }
        if near[1] != T::ZERO {
            let dx = (-b * near[1] / a).maximum(left - x).minimum(right - x);
            least = least.minimum(a * dx * dx + (b + b) * dx * near[1] + c * near[1] * near[1]);
        }
        // A NaN is drawn and found to reach nothing.
        !(least > self.q)
    }
}
