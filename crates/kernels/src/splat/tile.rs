//! Pixels of a tile in registers: 16 blocks of 4 x 4 pixels, a block in one register or a few; and the splats before them, some at a time.

use super::bins::{GEOMETRY, SplatBins};
use super::blend::{BlendRule, Sortable};
use super::stated::{BLOCK, TILE};
use crate::number::Number;
use crate::real::Real;
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
    /// From its record in [`NearRecords`].
    #[inline(always)]
    pub fn read(isa: Enabled<V>, record: &[V::Element; NEAR_WIDE]) -> Self {
        Self {
            center: [isa.splat(record[0]), isa.splat(record[1])],
            along: isa.splat(record[2]),
            slope: isa.splat(record[3]),
            across: isa.splat(record[4]),
            log_opacity: isa.splat(record[5]),
        }
    }

    /// log₂ of o exp(−½ dᵀ Q d)
    #[inline(always)]
    pub fn log_alpha(&self, [dx, dy]: [V; 2]) -> V {
        let skewed = self.slope.mul_add(dy, dx);
        let rest = self.across.mul_add(dy * dy, self.log_opacity);
        self.along.mul_add(skewed * skewed, rest)
    }
}

/// o exp(−½ dᵀ Q d) of N splats over the pixels of a register: they pass through the exponential side by side, since each is a chain in which operations wait.
#[inline(always)]
pub(super) fn alphas<V: Vector, const R: usize, const N: usize>(
    centers: &TileCenters<V, R>,
    splats: &[TileSplat<V>; N],
    (block, r): (usize, usize),
) -> [V; N]
where
    V::Element: Lanes,
{
    let mut logs = [splats[0].log_opacity; N];
    for n in 0..N {
        logs[n] = splats[n].log_alpha(centers.to(&splats[n], block, r));
    }
    math::exp2(logs)
}

/// Entries of a tile whose splats are read at once: a bit of a word each.
pub(super) const NEAR: usize = u64::BITS as usize;
/// Splats that pass a block side by side.
pub(super) const ABREAST: usize = 2;
/// log₂ of the opacity of a splat that is nowhere.
const NOWHERE: f64 = -1e4;
/// The bit of each block.
const BLOCK_BITS: [u32; BLOCKS] = {
    let mut bits = [0; BLOCKS];
    let mut b = 0;
    while b < BLOCKS {
        bits[b] = 1 << b;
        b += 1;
    }
    bits
};
/// Numbers of a record there: its geometry and the features of a pass.
const NEAR_WIDE: usize = 16;

/// What tiles read of the splats of some entries, side by side: splats of a tile lie anywhere.
pub(super) struct NearRecords<T> {
    /// The last one is of a splat that is nowhere.
    pub records: [[T; NEAR_WIDE]; NEAR + 1],
    /// The tile's corner, from which places are counted.
    corner: [T; NEAR_WIDE],
    /// The first feature of the pass.
    first: usize,
}

impl<T: Sortable> NearRecords<T> {
    #[inline(always)]
    pub fn new([x, y]: [T; 2], first: usize) -> Self {
        let mut corner = [T::ZERO; NEAR_WIDE];
        (corner[0], corner[1]) = (x, y);
        let mut records = [[T::ZERO; NEAR_WIDE]; NEAR + 1];
        records[NEAR][5] = T::from_f64(NOWHERE);
        Self { records, corner, first }
    }

    /// Copies the records of some entries, and has those of the `next` ones fetched.
    #[inline(always)]
    pub fn copy<V: Vector<Element = T>>(&mut self, isa: Enabled<V>, bins: &SplatBins<T>, entries: &[[u32; 3]], next: &[[u32; 3]]) {
        for (n, (near, &[splat, ..])) in self.records[..NEAR].iter_mut().zip(entries).enumerate() {
            if let Some(&[ahead, ..]) = next.get(n) {
                simd::prefetch(bins.records.as_ptr().wrapping_add(ahead as usize * bins.wide));
            }
            let record = &bins.records[splat as usize * bins.wide..][..bins.wide];
            let (from, corner) = (&record[..NEAR_WIDE], &self.corner);
            for k in (0..NEAR_WIDE).step_by(V::LANES) {
                (isa.read(&from[k..]) - isa.read(&corner[k..])).write(&mut near[k..]);
            }
            if self.first > 0 {
                let features = &record[GEOMETRY + self.first..];
                near[GEOMETRY..].iter_mut().zip(features).for_each(|(to, &x)| *to = x);
            }
        }
    }
}

/// Takes the lowest bits that are set, N of them; [`NEAR`] where there are no more.
#[inline(always)]
pub(super) fn take_bits<const N: usize>(bits: &mut u64) -> [usize; N] {
    let mut taken = [0; N];
    for n in 0..N {
        taken[n] = bits.trailing_zeros() as usize;
        *bits &= bits.wrapping_sub(1);
    }
    taken
}

/// Of each block, a bit for each of up to [`NEAR`] entries that reaches it, of the blocks that are open.
#[inline(always)]
pub(super) fn entries_of_blocks(entries: &[[u32; 3]], open: u32) -> [u64; BLOCKS] {
    let mut halves = [[0_u32; BLOCKS]; 2];
    for (half, entries) in halves.iter_mut().zip(entries.chunks(NEAR / 2)) {
        for (n, &[_, _, mask]) in entries.iter().enumerate() {
            let (mask, bit) = (mask & open, 1 << n);
            for (half, of) in half.iter_mut().zip(BLOCK_BITS) {
                *half |= if mask & of == 0 { 0 } else { bit };
            }
        }
    }
    std::array::from_fn(|b| u64::from(halves[0][b]) | u64::from(halves[1][b]) << (NEAR / 2))
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

/// What blending compares with.
#[derive(Clone, Copy)]
pub(super) struct Bounds<V> {
    /// The next number below the least α.
    below: V,
    pub most: V,
    stop: V,
}

impl<V: Vector> Bounds<V> {
    #[inline(always)]
    pub fn new(isa: Enabled<V>, rule: &BlendRule) -> Self {
        let least = V::Element::from_f64(rule.least);
        // Three quarters to one and a half of what its last bit counts.
        let below = least - least * V::Element::from_f64(0.75 * V::Element::EPSILON.to_f64());
        Self { below: isa.splat(below), most: isa.constant(rule.most), stop: isa.constant(rule.stop) }
    }
}

/// What becomes of a register of pixels by a splat.
pub(super) struct Passage<V> {
    /// α T of the least α or more, also where nothing passes any more; 0 where α is a NaN.
    pub weight: V,
    /// T without the splat's light.
    through: V,
    /// T afterwards.
    pub next: V,
}

impl<V: Vector> Passage<V> {
    /// By the splat's α, up to the largest one and more.
    #[inline(always)]
    pub fn new(alpha: V, t: V, bounds: &Bounds<V>) -> Self {
        // The second operand, where either is a NaN. Masked as it is multiplied.
        let alpha = bounds.most.min(alpha);
        let weight = bounds.below.where_less(alpha, alpha * t, t.isa().zero());
        let through = t - weight;
        Self { weight, through, next: bounds.stop.where_less(through, through, t.min(-t)) }
    }

    /// `yes` where the splat is seen or passed over, and `no` where nothing passes any more.
    #[inline(always)]
    pub fn open(&self, bounds: &Bounds<V>, yes: V, no: V) -> V {
        bounds.stop.where_less(self.through, yes, no)
    }
}
