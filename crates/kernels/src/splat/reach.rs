//! Which blocks of pixels a splat reaches.
//!
//! A splat is blended where o exp(−½ dᵀ Q d) ≥ least, so where dᵀ Q d ≤ q = 2 ln(o / least): an ellipse whose half extents are √(q Σxx) and √(q Σyy). Of the blocks of its
//! bounding box those are reached over whose pixels the smallest dᵀ Q d is at most q. A splat whose box is at most 4 x 4 blocks, most are, is one lane of a register in
//! which all of them are tried; of a larger one the blocks of a tile are the lanes.

use std::f64::consts::LOG2_E;

use super::bins::GEOMETRY;
use super::blend::{BlendRule, Sortable};
use super::lanes::columns;
use super::project::ScreenSplats;
use super::stated::{BLOCK, TILE};
use super::tile::{BLOCKS, SIDE};
use crate::buffer::{Block, OutOfMemory};
use crate::number::Number;
use crate::real::Real;
use crate::shape::count;
use crate::simd::{Enabled, Kernel, MAX_LANES, Square, Vector};

/// By how much an ellipse is taken for larger than it is, of its q and its extents, and in pixels: what f32 rounds is on the safe side.
const SLACK: f64 = 1e-3;
const PIXEL_SLACK: f64 = 0.01;
/// Bits of a tile's mask.
pub(super) const MASK_BITS: u32 = BLOCKS as u32;

/// The tiles of some splats, one splat after another: each above the mask of its blocks.
pub(super) struct Reached {
    tiles: Block<u64>,
    len: usize,
}

impl Reached {
    /// None yet.
    pub fn new() -> Result<Self, OutOfMemory> {
        Ok(Self { tiles: Block::new(0)?, len: 0 })
    }

    /// The tiles that were found.
    pub fn tiles(&self) -> &[u64] {
        &self.tiles[..self.len]
    }

    /// Makes room for so many more.
    #[inline(always)]
    fn reserve(&mut self, more: usize) -> Result<(), OutOfMemory> {
        if self.tiles.len() - self.len < more { self.grow(more) } else { Ok(()) }
    }

    #[cold]
    fn grow(&mut self, more: usize) -> Result<(), OutOfMemory> {
        let mut tiles = Block::new(self.len.saturating_mul(2).max(self.len.saturating_add(more)))?;
        tiles[..self.len].copy_from_slice(self.tiles());
        self.tiles = tiles;
        Ok(())
    }

    /// Adds a tile that has a block.
    #[inline(always)]
    fn push(&mut self, tile: u64, mask: u32) {
        self.tiles[self.len] = tile << MASK_BITS | u64::from(mask);
        self.len += usize::from(mask != 0);
    }

    /// Adds four tiles where they have a block. Nothing is asked, so that nothing is guessed wrong.
    #[inline(always)]
    fn push_four(&mut self, four: [(u64, u32); 4]) {
        let Some(tiles) = self.tiles[self.len..].first_chunk_mut::<4>() else { return };
        let mut len = 0;
        for (tile, mask) in four {
            tiles[len & 3] = tile << MASK_BITS | u64::from(mask);
            len += usize::from(mask != 0);
        }
        self.len += len;
    }
}

/// Tile and mask of a number of [`Reached::tiles`].
#[inline(always)]
pub(super) fn tile_and_mask(of: u64) -> (usize, u32) {
    ((of >> MASK_BITS) as usize, of as u32 & ((1 << MASK_BITS) - 1))
}

/// Finds the tiles of some splats, and writes what tiles read of them.
pub(super) struct TileReach<'a, T: Sortable> {
    pub rule: &'a BlendRule,
    pub splats: ScreenSplats<'a, T>,
    pub colors: &'a [T],
    pub records: &'a mut [T],
    /// How many tiles were found before each splat.
    pub slots: &'a mut [u32],
    pub found: &'a mut Reached,
}

/// A register of splats: the form a dx² + 2b dx dy + c dy², and where it is least in a row, −b/a, and in a column, −b/c.
#[derive(Clone, Copy)]
struct Ellipses<V> {
    center: [V; 2],
    conic: [V; 3],
    valley: [V; 2],
    q: V,
}

/// One side of a block: its first pixel and its last from the centre, the place next to it, and what of the form depends on it.
#[derive(Clone, Copy)]
struct Strip<V> {
    low: V,
    high: V,
    /// Where the form is least in the other direction.
    valley: V,
    square: V,
    mixed: V,
}

#[inline(always)]
fn within<V: Vector>(x: V, low: V, high: V) -> V {
    x.max(low).min(high)
}

impl<V: Vector> Ellipses<V> {
    /// Of the axis `k`, the block whose first pixel's centre is at `low`, from the centre.
    #[inline(always)]
    fn strip(&self, k: usize, low: V) -> Strip<V> {
        let isa = low.isa();
        let high = low + isa.constant((BLOCK - 1) as f64);
        let at = within(isa.zero(), low, high);
        let b = self.conic[1] + self.conic[1];
        Strip { low, high, valley: self.valley[1 - k] * at, square: self.conic[2 * k] * at * at, mixed: b * at }
    }

    /// `bit` in the lanes whose form is at most q somewhere over a block: it is least at the pixel next to the centre in one direction, and as near to the form's valley as the
    /// block allows in the other. A NaN is found to be within reach.
    #[inline(always)]
    fn reaches(&self, x: &Strip<V>, y: &Strip<V>, bit: V) -> V {
        let [a, _, c] = self.conic;
        let (dy, dx) = (within(x.valley, y.low, y.high), within(y.valley, x.low, x.high));
        let one = dy.mul_add(c.mul_add(dy, x.mixed), x.square);
        let other = dx.mul_add(a.mul_add(dx, y.mixed), y.square);
        self.q.where_less(other.min(one), bit.isa().zero(), bit)
    }
}

impl<T: Sortable> Kernel<T> for TileReach<'_, T> {
    type Output = Result<(), OutOfMemory>;

    #[inline(always)]
    fn run<V: Vector<Element = T>>(mut self, isa: Enabled<V>) -> Result<(), OutOfMemory> {
        // Most splats have one tile or two.
        self.found.reserve(2 * self.slots.len())?;
        for at in (0..self.slots.len()).step_by(V::LANES) {
            self.found.reserve(4 * V::LANES)?;
            self.register(isa, at)?;
        }
        Ok(())
    }
}

impl<T: Sortable> TileReach<'_, T> {
    /// A register of splats, from `at` on.
    #[inline(always)]
    fn register<V: Vector<Element = T>>(&mut self, isa: Enabled<V>, at: usize) -> Result<(), OutOfMemory> {
        let here = V::LANES.min(self.slots.len() - at);
        let splats = self.splats.rows(at..at + here);
        let all = [true; MAX_LANES];
        let [x, y] = columns::<V, 2>(isa, &all, splats.positions);
        let [a, b, c] = columns::<V, 3>(isa, &all, splats.conics);
        let opacity = isa.read_first(splats.opacities);
        let depth = isa.read_first(splats.depths);
        // In f64, since the determinant cancels.
        let mut lanes = [[T::ZERO; MAX_LANES]; 2];
        for (lane, conic) in splats.conics.chunks_exact(3).enumerate() {
            let [a, b, c] = [0, 1, 2].map(|k| conic[k].to_f64());
            lanes[0][lane] = T::from_f64(a * c - b * b);
        }
        opacity.write(&mut lanes[1]);
        let logarithms = lanes[1].map(
            #[inline(always)]
            |x| x.ln(),
        );
        let (determinant, logarithm) = (isa.read(&lanes[0]), isa.read(&logarithms));
        let (zero, one) = (isa.zero(), isa.constant(1.0));
        let least = isa.constant(self.rule.least);
        let q = match self.rule.least > 0.0 {
            true => {
                let two = isa.constant(2.0);
                two.mul_add(logarithm, isa.constant(SLACK - 2.0 * self.rule.least.ln()))
            }
            false => isa.constant(f64::INFINITY),
        };
        // −½ log₂ e of the form: along (dx + slope dy)² + across dy².
        let scale = isa.constant(-0.5 * LOG2_E);
        let inverse = one / a;
        let geometry =
            [x, y, scale * a, b * inverse, scale * determinant * inverse, logarithm * isa.constant(LOG2_E), a, b, c, opacity];
        let mut visible = zero.where_less(determinant, one, zero);
        for positive in [a, opacity] {
            visible = zero.where_less(positive, visible, zero);
        }
        visible = opacity.where_less(least, zero, visible);
        // 0 times what is finite is 0, and a NaN else, which is not less than 1.
        let sum = geometry.iter().fold(depth, |sum, &x| sum + x * zero);
        visible = (sum * zero).where_less(one, visible, zero);
        // The first and the last block with a pixel's centre within the box.
        let mut boxes = [[[T::ZERO; MAX_LANES]; 2]; 2];
        let extent = q / determinant;
        let axes = [(x, c, self.rule.width), (y, a, self.rule.height)];
        let mut first = [zero; 2];
        for (k, (center, variance, pixels)) in axes.into_iter().enumerate() {
            let half = (extent * variance).sqrt().mul_add(isa.constant(1.0 + SLACK), isa.constant(PIXEL_SLACK));
            let (blocks, side) = (isa.constant(pixels.div_ceil(BLOCK) as f64 - 1.0), isa.constant(1.0 / BLOCK as f64));
            // Rounded up and down; by the slack no tie is rounded to the wrong side.
            let almost = isa.constant(0.4999);
            let low = ((center - half - isa.constant(BLOCK as f64 - 0.5)).mul_add(side, almost)).round().max(zero);
            let high = ((center + half - isa.constant(0.5)).mul_add(side, -almost)).round().min(blocks);
            visible = high.where_less(low, zero, visible);
            low.write(&mut boxes[k][0]);
            high.write(&mut boxes[k][1]);
            first[k] = low;
        }
        let ellipses = Ellipses { center: [x, y], conic: [a, b, c], valley: [-(b * inverse), -(b / c)], q };
        let mut masks = [T::ZERO; MAX_LANES];
        masks_of_boxes(&ellipses, first).write(&mut masks);
        let mut seen = [T::ZERO; MAX_LANES];
        self.write(isa, &geometry, (depth, visible), at).write(&mut seen);
        let (parts, large) = parts_of_masks(&masks, &seen, &boxes);
        let columns = self.rule.tiles().0;
        for lane in 0..here {
            self.slots[at + lane] = self.found.len as u32;
            let [left, top] = [0, 1].map(|k| boxes[k][0][lane].to_f64() as i32 as usize);
            if large[lane] {
                let [right, bottom] = [0, 1].map(|k| boxes[k][1][lane].to_f64() as i32 as usize);
                self.many(isa, [x, y, a, b, c, q], lane, [left, right, top, bottom])?;
                self.found.reserve(4 * V::LANES)?;
                continue;
            }
            let tile = (top / SIDE * columns + left / SIDE) as u64;
            let below = tile + columns as u64;
            let [here, next, under, last] = [0, 1, 2, 3].map(|k| parts[k][lane]);
            self.found.push_four([(tile, here), (tile + 1, next), (below, under), (below + 1, last)]);
        }
        Ok(())
    }

    /// The tiles of a splat with a larger box.
    #[inline(always)]
    fn many<V: Vector<Element = T>>(
        &mut self,
        isa: Enabled<V>,
        of: [V; 6],
        lane: usize,
        [left, right, top, bottom]: [usize; 4],
    ) -> Result<(), OutOfMemory> {
        let mut lanes = [[T::ZERO; MAX_LANES]; 6];
        for (lanes, x) in lanes.iter_mut().zip(of) {
            x.write(lanes);
        }
        let [x, y, a, b, c, q] = lanes.map(|lanes| lanes[lane]);
        let splat = |x: T| isa.splat(x);
        let ellipse = Ellipses {
            center: [splat(x), splat(y)],
            conic: [splat(a), splat(b), splat(c)],
            valley: [splat(-b / a), splat(-b / c)],
            q: splat(q),
        };
        let (tops, lefts) = (top / SIDE..bottom / SIDE + 1, left / SIDE..right / SIDE + 1);
        self.found.reserve(count(&[tops.len(), lefts.len()]))?;
        for row in tops {
            for column in lefts.clone() {
                let tile = row * self.rule.tiles().0 + column;
                self.found.push(tile as u64, mask_of_tile(&ellipse, [column, row]));
            }
        }
        Ok(())
    }

    /// Writes the records of a register of splats, and says which ones of the visible are seen: those with a colour that is not finite are not.
    #[inline(always)]
    fn write<V: Vector<Element = T>>(
        &mut self,
        isa: Enabled<V>,
        geometry: &[V; GEOMETRY],
        (depth, visible): (V, V),
        at: usize,
    ) -> V {
        let channels = self.rule.channels;
        let wide = self.records.len() / self.slots.len();
        let here = V::LANES.min(self.slots.len() - at);
        // 0 times what is finite is 0, and a NaN else, which is not less than 1.
        let (zero, one) = (isa.zero(), isa.constant(1.0));
        if channels == 3 && here == V::LANES && V::LANES > GEOMETRY + channels {
            let colors = columns::<V, 3>(isa, &[true; MAX_LANES], &self.colors[3 * at..3 * (at + V::LANES)]);
            let mut square = Square::zero(isa);
            square[..GEOMETRY].copy_from_slice(geometry);
            for c in 0..3 {
                square[GEOMETRY + c] = colors[c];
            }
            square[GEOMETRY + 3] = depth;
            square.transpose();
            for lane in 0..V::LANES {
                square[lane].write(&mut self.records[(at + lane) * wide..]);
            }
            return (colors[0] * zero + colors[1] * zero + colors[2] * zero).where_less(one, visible, zero);
        }
        for start in (0..GEOMETRY).step_by(V::LANES) {
            let mut square = Square::zero(isa);
            for k in 0..V::LANES {
                if start + k < GEOMETRY {
                    square[k] = geometry[start + k];
                }
            }
            square.transpose();
            for lane in 0..V::LANES {
                if lane < here {
                    let record = &mut self.records[(at + lane) * wide..][..wide];
                    square[lane].write_first(&mut record[start..GEOMETRY.min(start + V::LANES)]);
                }
            }
        }
        let mut seen = [T::ZERO; MAX_LANES];
        visible.write(&mut seen);
        for lane in 0..here {
            let record = &mut self.records[(at + lane) * wide..][..wide];
            let color = &self.colors[(at + lane) * channels..][..channels];
            let mut odd = T::ZERO;
            for (to, &x) in record[GEOMETRY..].iter_mut().zip(color) {
                *to = x;
                odd += x * T::ZERO;
            }
            record[GEOMETRY + channels] = self.splats.depths[at + lane];
            seen[lane] = if odd == T::ZERO { seen[lane] } else { T::ZERO };
        }
        isa.read(&seen)
    }
}

/// Of each splat the four tiles' parts of a mask, of the tile that its box begins in, the next one, and the two below; and whether its box is too large for them.
#[inline(always)]
fn parts_of_masks<T: Real>(
    masks: &[T; MAX_LANES],
    seen: &[T; MAX_LANES],
    boxes: &[[[T; MAX_LANES]; 2]; 2],
) -> ([[u32; MAX_LANES]; 4], [bool; MAX_LANES]) {
    let (mut parts, mut large) = ([[0; MAX_LANES]; 4], [false; MAX_LANES]);
    // The same steps for each lane, without a branch: vector instructions.
    for lane in 0..MAX_LANES {
        let whole = |x: T| x.to_f64() as i32;
        let [[left, right], [top, bottom]] = [0, 1].map(|k| [0, 1].map(|end| whole(boxes[k][end][lane])));
        let (across, down) = ((right - left).clamp(0, 31), (bottom - top).clamp(0, 31));
        let is_seen = seen[lane] != T::ZERO;
        large[lane] = is_seen & (across.max(down) >= SIDE as i32);
        // Blocks beyond the box are not reached, or not in the picture.
        let columns = 0x1111 * ((2_u32 << across.min(3)) - 1);
        let rows = ((0x10_u64 << (4 * down.min(3))) - 1) as u32;
        let mask = if is_seen { whole(masks[lane]) as u32 & columns & rows } else { 0 };
        // Rows of 4 bits become rows of 8, which begin at the tile's left: 4 bits of it, and 4 of the next one.
        let wide = (mask & 0xF | (mask & 0xF0) << 4 | (mask & 0xF00) << 8 | (mask & 0xF000) << 12) << (left as u32 % SIDE as u32);
        let narrow = |x: u32| x & 0xF | (x >> 4) & 0xF0 | (x >> 8) & 0xF00 | (x >> 12) & 0xF000;
        let below = SIDE as u32 * (top as u32 % SIDE as u32);
        let (here, next) = (narrow(wide) << below, narrow(wide >> SIDE) << below);
        parts[0][lane] = here & 0xFFFF;
        parts[1][lane] = next & 0xFFFF;
        parts[2][lane] = here >> MASK_BITS;
        parts[3][lane] = next >> MASK_BITS;
    }
    (parts, large)
}

/// A bit for each of the 4 x 4 blocks from the first ones on, a row after another, as numbers.
#[inline(always)]
fn masks_of_boxes<V: Vector>(of: &Ellipses<V>, first: [V; 2]) -> V {
    let isa = of.q.isa();
    let (side, half) = (isa.constant(BLOCK as f64), isa.constant(0.5));
    let mut strips = [[of.strip(0, of.q); SIDE]; 2];
    for k in 0..2 {
        let low = first[k].mul_add(side, half) - of.center[k];
        for i in 0..SIDE {
            strips[k][i] = of.strip(k, low + isa.constant((i * BLOCK) as f64));
        }
    }
    let mut masks = isa.zero();
    for j in 0..SIDE {
        for i in 0..SIDE {
            masks += of.reaches(&strips[0][i], &strips[1][j], isa.constant(f64::from(1_u32 << (j * SIDE + i))));
        }
    }
    masks
}

/// The blocks of a tile that one splat, in all lanes, reaches.
#[inline(always)]
fn mask_of_tile<V: Vector>(of: &Ellipses<V>, [column, row]: [usize; 2]) -> u32 {
    let isa = of.q.isa();
    let mut mask = 0;
    for start in (0..BLOCKS).step_by(V::LANES) {
        let mut lanes = [[V::Element::ZERO; MAX_LANES]; 3];
        for lane in 0..V::LANES {
            let block = start + lane;
            lanes[0][lane] = V::Element::from_f64((column * TILE + block % SIDE * BLOCK) as f64 + 0.5);
            lanes[1][lane] = V::Element::from_f64((row * TILE + block / SIDE * BLOCK) as f64 + 0.5);
            lanes[2][lane] = V::Element::from_f64(f64::from(1_u32 << block));
        }
        let (x, y) = (of.strip(0, isa.read(&lanes[0]) - of.center[0]), of.strip(1, isa.read(&lanes[1]) - of.center[1]));
        mask |= of.reaches(&x, &y, isa.read(&lanes[2])).sum().to_f64() as i32 as u32;
    }
    mask
}
