//! Which tiles a splat reaches, and which splats a tile has, by depth.
//!
//! Each splat has its slots one after another, a slot a tile. A stable counting sort by tiles gives each tile its list, which is then sorted by depth; equal ones
//! stay in the order of their indices. An entry of a list tells which blocks of the tile its splat reaches.

use super::blend::{BlendRule, Sortable};
use super::project::ScreenSplats;
use super::reach::{MASK_BITS, Reached, TileReach, tile_and_mask};
use crate::buffer::{Block, OutOfMemory, list};
use crate::shape::count;
use crate::simd::{self, Lanes};
use crate::sort::{KeyBits, KeyOrder};
use crate::threads::{self, SharedSlice};

/// Nanoseconds a splat takes, and a slot.
const SPLAT_NS: f64 = 20.0;
const SLOT_NS: f64 = 8.0;
/// Splats by which work is split: a multiple of all lanes.
const CHUNK: usize = 64;

/// Numbers of a splat before its features: x, y, −½ log₂ e (a, and det / a), b/a between them, log₂ o; a, b, c, o.
pub(super) const GEOMETRY: usize = 10;
/// Numbers of an entry: its splat, its slot, and a bit for each block of the tile.
const ENTRY: usize = 3;

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
    pub(super) slots: Block<u32>,
    /// The first entry of each tile, and how many there are.
    tiles: Vec<u32>,
    /// The entries, each slot in one.
    entries: Block<u32>,
}

impl<T: Lanes> std::fmt::Debug for SplatBins<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SplatBins({} of {} splats, {} pairs)", self.visible, self.splats, self.pairs())
    }
}

impl<T: Lanes> SplatBins<T> {
    /// How many pairs of a splat and a tile there are.
    pub fn pairs(&self) -> usize {
        self.entries.len() / ENTRY
    }

    /// How many pairs of a splat and a block of pixels there are.
    pub fn block_pairs(&self) -> usize {
        self.entries.as_chunks::<ENTRY>().0.iter().map(|entry| entry[2].count_ones() as usize).sum()
    }

    /// How many splats are visible.
    pub fn visible(&self) -> usize {
        self.visible
    }

    /// Splat, slot and blocks of the splats of a tile, front to back, and those of the tiles after it.
    #[inline(always)]
    pub(super) fn tile(&self, tile: usize) -> (&[[u32; ENTRY]], &[[u32; ENTRY]]) {
        let (first, next) = (self.tiles[tile] as usize, self.tiles[tile + 1] as usize);
        self.entries.as_chunks().0[first..].split_at(next - first)
    }
}

impl<T: Sortable> SplatBins<T> {
    /// The bins of splats with their colours, which may be any numbers: what is not finite is not visible.
    ///
    /// # Errors
    /// If there is no memory for the lists, or there are 2³² slots.
    ///
    /// # Panics
    /// If lengths do not fit.
    pub fn new(rule: &BlendRule, splats: ScreenSplats<'_, T>, colors: &[T]) -> Result<Self, OutOfMemory> {
        let n = splats.check();
        assert!(rule.channels < 1 << 24 && colors.len() == count(&[n, rule.channels]), "colours of each splat");
        assert!(n < 1 << 31 && rule.width.max(rule.height) <= 1 << 16, "sizes that 32 bits count");
        let wide = (GEOMETRY + rule.channels + 1).next_multiple_of(64 / size_of::<T>());
        let mut records = Block::new(n.saturating_mul(wide))?;
        let mut slots: Block<u32> = Block::new(n + 1)?;
        let parts = threads::parts(n, SPLAT_NS).min(n.div_ceil(CHUNK).max(1));
        let mut found: Vec<Result<Reached, OutOfMemory>> = (0..parts).map(|_| Reached::new()).collect();
        let (shared_records, shared_slots) = (SharedSlice::new(&mut records), SharedSlice::new(&mut slots));
        threads::split_mut(&mut found, 1, parts, |part, found| {
            let range = threads::range(n, CHUNK, parts, part);
            // SAFETY: parts differ in their splats, and each writes the numbers of its own.
            let (records, slots) =
                unsafe { (shared_records.part(range.start * wide..range.end * wide), shared_slots.part(range.clone())) };
            let colors = &colors[range.start * rule.channels..range.end * rule.channels];
            let splats = splats.rows(range);
            if let Ok(of) = &mut found[0]
                && let Err(refused) = simd::dispatch(TileReach { rule, splats, colors, records, slots, found: of })
            {
                found[0] = Err(refused);
            }
        });
        let found = found.into_iter().collect::<Result<Vec<_>, _>>()?;
        let total: usize = found.iter().map(|part| part.tiles().len()).sum();
        if total > u32::MAX as usize {
            return Err(OutOfMemory { bytes: total.saturating_mul(ENTRY * size_of::<u32>()) });
        }
        slots[n] = total as u32;
        let (tiles, listed) = Listed::new(rule, &found, splats.depths, &mut slots[..n])?;
        let entries = listed.sorted(&tiles, rule.tiles())?;
        Ok(Self { rule: *rule, splats: n, visible: visible_of(&slots), wide, records, slots, tiles, entries })
    }
}

/// How many splats have a slot.
fn visible_of(slots: &[u32]) -> usize {
    slots.windows(2).filter(|pair| pair[0] != pair[1]).count()
}

/// The tiles' lists, in the order of splats.
struct Listed {
    /// Of each entry the key of its depth, and its slot above the mask of its blocks: one line of the cache is written for each.
    entries: Block<u64>,
    /// The splat of each slot.
    owners: Block<u32>,
}

impl Listed {
    /// The first entry of each tile, and the lists. Slots of a part, which are counted from its first, are counted from the first of all.
    fn new<T: Sortable>(
        rule: &BlendRule,
        found: &[Reached],
        depths: &[T],
        slots: &mut [u32],
    ) -> Result<(Vec<u32>, Self), OutOfMemory> {
        let (tiles, parts, n) = (rule.tiles().0 * rule.tiles().1, found.len(), slots.len());
        let mut counts: Vec<u32> = list(count(&[parts, tiles]))?;
        counts.resize(parts * tiles, 0);
        threads::split_mut(&mut counts, tiles, parts, |start, counts| {
            found[start / tiles].tiles().iter().for_each(|&of| counts[tile_and_mask(of).0] += 1);
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
        let total = before as usize;
        let mut out = Self { entries: Block::new(count(&[total, 2]))?, owners: Block::new(total)? };
        let (entries, owners) = (SharedSlice::new(out.entries.as_chunks_mut::<2>().0), SharedSlice::new(&mut out.owners));
        let slots = SharedSlice::new(slots);
        assert!(found.iter().map(|part| part.tiles().len()).sum::<usize>() == total, "an entry for each slot");
        threads::split_mut(&mut counts, tiles, parts, |start, places| {
            let part = start / tiles;
            let before: usize = found[..part].iter().map(|part| part.tiles().len()).sum();
            let range = threads::range(n, CHUNK, parts, part);
            let tiles = found[part].tiles();
            // SAFETY: parts differ in their splats, and so in their slots.
            let (slots, owners) = unsafe { (slots.part(range.clone()), owners.part(before..before + tiles.len())) };
            for k in 0..slots.len() {
                let (slot, end) = (slots[k] as usize, slots.get(k + 1).map_or(tiles.len(), |&slot| slot as usize));
                let (splat, key) = (range.start + k, depths[range.start + k].key().wide());
                for (slot, &of) in (slot..).zip(&tiles[slot..end]) {
                    let (tile, mask) = tile_and_mask(of);
                    let place = &mut places[tile];
                    owners[slot] = splat as u32;
                    // SAFETY: a part has as many places of a tile as it counted there over the same tiles, each of which is some splat's, from the first one on; no two parts
                    // share one, and all lie below the sum of counts, which is the length.
                    unsafe {
                        entries.at(*place as isize).write([key, ((before + slot) as u64) << MASK_BITS | u64::from(mask)]);
                    }
                    *place += 1;
                }
                slots[k] += before as u32;
            }
        });
        Ok((first, out))
    }

    /// The lists, each sorted by depth.
    fn sorted(&self, tiles: &[u32], (columns, rows): (usize, usize)) -> Result<Block<u32>, OutOfMemory> {
        let mut out = Block::new(count(&[self.owners.len(), ENTRY]))?;
        let (from, to) = (self.entries.as_chunks::<2>().0, SharedSlice::new(out.as_chunks_mut::<ENTRY>().0));
        let parts = if threads::parts(from.len(), SLOT_NS) > 1 { rows } else { 1 };
        threads::try_run(parts, |part| {
            let range = threads::range(rows, 1, parts, part);
            let tiles = &tiles[range.start * columns..=range.end * columns];
            let mut order = KeyOrder::new(tiles.windows(2).map(|ends| ends[1] - ends[0]).max().unwrap_or(0) as usize)?;
            for ends in tiles.windows(2) {
                let range = ends[0] as usize..ends[1] as usize;
                let from = &from[range.clone()];
                // SAFETY: parts differ in their tiles.
                let mut to = unsafe { to.part(range.clone()) }.iter_mut();
                order.each(from.iter().map(|entry| entry[0]), |place| {
                    if let Some(to) = to.next() {
                        let (slot, mask) = (from[place][1] >> MASK_BITS, from[place][1] & ((1 << MASK_BITS) - 1));
                        *to = [self.owners[slot as usize], slot as u32, mask as u32];
                    }
                });
            }
            Ok(())
        })?;
        Ok(out)
    }
}
