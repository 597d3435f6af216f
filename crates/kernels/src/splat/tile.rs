//! Pixels of a tile in registers: 16 blocks of 4 x 4 pixels, a block in one register or a few.

use super::bins::GEOMETRY;
use super::blend::BlendRule;
use super::stated::{BLOCK, TILE};
use crate::number::Number;
use crate::simd::{self, Enabled, Kernel, Lanes, Vector, math};

/// Blocks of a side of a tile.
pub(super) const SIDE: usize = TILE / BLOCK;
/// Blocks of a tile.
pub(super) const BLOCKS: usize = SIDE * SIDE;
/// Pixels of a tile.
pub(super) const PIXELS: usize = TILE * TILE;
/// Pixels of a block.
const BLOCK_PIXELS: usize = BLOCK * BLOCK;

/// What is computed in blocks of R registers each.
pub(super) trait BlockKernel<T: Lanes> {
    /// Must be `#[inline(always)]`.
    fn run<V: Vector<Element = T>, const R: usize>(self, isa: Enabled<V>);
}

/// Runs a kernel with the widest registers of this processor, as many as make up a block.
pub(super) fn dispatch_blocks<T: Lanes>(kernel: impl BlockKernel<T>) {
    simd::dispatch(InBlocks(kernel));
}

struct InBlocks<K>(K);

impl<T: Lanes, K: BlockKernel<T>> Kernel<T> for InBlocks<K> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        match V::LANES {
            16 => self.0.run::<V, 1>(isa),
            8 => self.0.run::<V, 2>(isa),
            4 => self.0.run::<V, 4>(isa),
            2 => self.0.run::<V, 8>(isa),
            _ => self.0.run::<V, 16>(isa),
        }
    }
}

/// One number of each pixel of a tile, a block after another.
#[derive(Clone, Copy)]
pub(super) struct TileLanes<T>(pub [T; PIXELS]);

impl<T: Lanes> TileLanes<T> {
    /// The numbers of pixels by column and row.
    #[inline(always)]
    pub fn from_fn(mut number: impl FnMut(usize, usize) -> T) -> Self {
        let mut lanes = [T::ZERO; PIXELS];
        for (block, lanes) in lanes.chunks_exact_mut(BLOCK_PIXELS).enumerate() {
            for (p, lane) in lanes.iter_mut().enumerate() {
                *lane = number(block % SIDE * BLOCK + p % BLOCK, block / SIDE * BLOCK + p / BLOCK);
            }
        }
        Self(lanes)
    }

    /// Where the number of a pixel is.
    #[inline(always)]
    pub fn place(column: usize, row: usize) -> usize {
        let block = row / BLOCK % SIDE * SIDE + column / BLOCK % SIDE;
        block * BLOCK_PIXELS + row % BLOCK * BLOCK + column % BLOCK
    }

    /// The registers of a block.
    #[inline(always)]
    pub fn block<V: Vector<Element = T>, const R: usize>(&self, isa: Enabled<V>, block: usize) -> [V; R] {
        let mut registers = [isa.zero(); R];
        for r in 0..R {
            registers[r] = isa.read(&self.0[block * BLOCK_PIXELS + r * V::LANES..]);
        }
        registers
    }

    /// Writes the registers of a block.
    #[inline(always)]
    pub fn set_block<V: Vector<Element = T>, const R: usize>(&mut self, block: usize, registers: &[V; R]) {
        for r in 0..R {
            registers[r].write(&mut self.0[block * BLOCK_PIXELS + r * V::LANES..]);
        }
    }
}

/// The centres of a tile's pixels, from its corner: those of a column of blocks, and those of a row.
pub(super) struct TileCenters<V, const R: usize> {
    x: [[V; R]; SIDE],
    y: [[V; R]; SIDE],
}

impl<V: Vector, const R: usize> TileCenters<V, R>
where
    V::Element: Lanes,
{
    #[inline(always)]
    pub fn new(isa: Enabled<V>) -> Self {
        let center = |at: usize| V::Element::from_f64(at as f64 + 0.5);
        let (x, y) = (TileLanes::from_fn(|x, _| center(x)), TileLanes::from_fn(|_, y| center(y)));
        let (mut of_columns, mut of_rows) = ([[isa.zero(); R]; SIDE], [[isa.zero(); R]; SIDE]);
        for k in 0..SIDE {
            (of_columns[k], of_rows[k]) = (x.block(isa, k), y.block(isa, k * SIDE));
        }
        Self { x: of_columns, y: of_rows }
    }

    /// From the pixels of a register of a block to a splat's centre.
    #[inline(always)]
    pub fn to(&self, splat: &TileSplat<V>, block: usize, r: usize) -> [V; 2] {
        [splat.center[0] - self.x[block % SIDE][r], splat.center[1] - self.y[block / SIDE % SIDE][r]]
    }
}

/// A splat in registers: log₂ α = log₂ o + along (dx + slope dy)² + across dy².
pub(super) struct TileSplat<V> {
    /// From the tile's corner.
    center: [V; 2],
    along: V,
    slope: V,
    across: V,
    log_opacity: V,
}

impl<V: Vector> TileSplat<V> {
    /// From its record, in a tile with this corner.
    #[inline(always)]
    pub fn read(isa: Enabled<V>, record: &[V::Element], corner: [V::Element; 2]) -> Self {
        let g = &record[..GEOMETRY];
        Self {
            center: [isa.splat(g[0] - corner[0]), isa.splat(g[1] - corner[1])],
            along: isa.splat(g[2]),
            slope: isa.splat(g[3]),
            across: isa.splat(g[4]),
            log_opacity: isa.splat(g[5]),
        }
    }

    /// o exp(−½ dᵀ Q d)
    #[inline(always)]
    pub fn alpha(&self, [dx, dy]: [V; 2]) -> V {
        let skewed = self.slope.mul_add(dy, dx);
        let rest = self.across.mul_add(dy * dy, self.log_opacity);
        math::exp2(self.along.mul_add(skewed * skewed, rest))
    }
}

/// T of a block's pixels. It is negative where a pixel is finished, or not in the picture: nothing passes any more, and |T| is what did.
#[inline(always)]
pub(super) fn open_pixels<T: Lanes>(rule: &BlendRule, [column, row]: [usize; 2]) -> TileLanes<T> {
    let (across, down) = (rule.width - column * TILE, rule.height - row * TILE);
    TileLanes::from_fn(|x, y| if x < across && y < down { T::ONE } else { -T::ONE })
}

/// A bit for each block with a pixel that is not finished.
#[inline(always)]
pub(super) fn open_blocks<V: Vector>(isa: Enabled<V>, blocks: impl Iterator<Item = impl AsRef<[V]>>) -> u32 {
    let mut open = 0;
    for (block, t) in blocks.enumerate() {
        let any = t.as_ref().iter().any(|&t| isa.zero().any_less(t));
        open |= u32::from(any) << block;
    }
    open
}

/// What becomes of a register of pixels by a splat with this α: the weight α T of its colour, 0 where it is passed over, and T afterwards.
#[inline(always)]
pub(super) fn pass_through<V: Vector>(alpha: V, t: V, stop: V) -> (V, V) {
    let weight = alpha * t;
    let next = t - weight;
    (stop.where_less(next, weight, t.isa().zero()), stop.where_less(next, next, t.min(-t)))
}
