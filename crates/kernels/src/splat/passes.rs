//! What splats leave at blocks of pixels, and the sums of it over a splat's blocks.

use super::stated::BLOCK;
use super::tile::{BLOCKS, NEAR};
use super::unblend::RECORD;
use crate::number::Number;
use crate::simd::{Enabled, Square, Vector};

/// Numbers that a splat leaves at a block: a weight and σ̄ for each pixel.
const LEFT: usize = 2 * BLOCK * BLOCK;
/// Numbers of the memory of [`Passes`].
pub(super) const PASSES: usize = (NEAR * BLOCKS + 1) * LEFT;

/// What the splats of some entries leave at the blocks that they reach: the weight and σ̄ of each pixel. An entry's are side by side.
pub(super) struct Passes<'a, T> {
    left: &'a mut [[T; LEFT]],
    /// Where the next one of each entry goes; what no entry leaves goes to the end.
    next: [u16; NEAR + 1],
    many: [u8; NEAR],
    /// The entries by the number of their blocks: that of one is most often that of the next, and is guessed right.
    order: [u8; NEAR],
}

impl<'a, T: Number> Passes<'a, T> {
    /// In [`PASSES`] numbers of memory.
    #[inline(always)]
    pub fn new(memory: &'a mut [T]) -> Self {
        Self { left: memory.as_chunks_mut().0, next: [0; NEAR + 1], many: [0; NEAR], order: [0; NEAR] }
    }

    /// Makes room for the open blocks of some entries.
    #[inline(always)]
    pub fn begin(&mut self, entries: &[[u32; 3]], open: u32) {
        let (mut before, mut places) = (0, [0_u8; BLOCKS + 2]);
        for (n, &[_, _, mask]) in entries.iter().enumerate() {
            let many = (mask & open).count_ones() as usize % (BLOCKS + 1);
            (self.next[n], self.many[n]) = (before, many as u8);
            before += many as u16;
            places[many + 1] += 1;
        }
        for many in 0..BLOCKS {
            places[many + 1] += places[many];
        }
        for n in 0..entries.len() {
            let place = &mut places[self.many[n] as usize];
            self.order[*place as usize] = n as u8;
            *place += 1;
        }
        self.next[NEAR] = (NEAR * BLOCKS) as u16;
    }

    /// The entry whose turn it is after k others.
    #[inline(always)]
    pub fn entry(&self, k: usize) -> usize {
        self.order[k] as usize % NEAR
    }

    /// Puts what an entry leaves at its next block.
    #[inline(always)]
    pub fn put<V: Vector<Element = T>, const R: usize>(&mut self, n: usize, found: &[[V; 2]; R]) {
        let left = &mut self.left[(self.next[n] as usize).min(NEAR * BLOCKS)];
        self.next[n] += 1;
        for r in 0..R {
            found[r][0].write(&mut left[2 * r * V::LANES..]);
            found[r][1].write(&mut left[(2 * r + 1) * V::LANES..]);
        }
    }

    /// What an entry left, a block after another.
    #[inline(always)]
    pub fn of(&self, n: usize) -> &[[T; LEFT]] {
        let end = self.next[n] as usize;
        &self.left[end - self.many[n] as usize..end]
    }
}

/// Weight and σ̄ of a register of pixels.
#[inline(always)]
pub(super) fn left_at<V: Vector>(isa: Enabled<V>, left: &[V::Element; LEFT], r: usize) -> [V; 2] {
    [isa.read(&left[2 * r * V::LANES..]), isa.read(&left[(2 * r + 1) * V::LANES..])]
}

/// The sums of the lanes of each register. As many registers as lanes become one, half as many at each step. Which lanes of a record they are in [`place_of_sum`] says; what it has
/// beyond is unspecified.
#[inline(always)]
pub(super) fn write_sums<V: Vector, const M: usize>(isa: Enabled<V>, sums: &[V; M], to: &mut [V::Element; RECORD]) {
    /// Neighbours of the first `many` become one: with S lanes of the first one, then as many of the second.
    #[inline(always)]
    fn halve<V: Vector, const S: usize>(block: &mut Square<V>, many: usize) -> usize {
        if S >= V::LANES {
            return many;
        }
        for i in 0..V::LANES / 2 {
            if 2 * i < many {
                let (x, y) = block[2 * i].exchange::<S>(block[2 * i + 1]);
                block[i] = x + y;
            }
        }
        // One that is alone was added to what is left of an earlier step, which nobody reads.
        many.div_ceil(2)
    }
    for start in (0..M).step_by(V::LANES) {
        let mut block = Square::zero(isa);
        let mut many = V::LANES.min(M - start);
        for k in 0..many {
            block[k] = sums[start + k];
        }
        many = halve::<V, 8>(&mut block, many);
        many = halve::<V, 4>(&mut block, many);
        many = halve::<V, 2>(&mut block, many);
        halve::<V, 1>(&mut block, many);
        block[0].write(&mut to[start..]);
    }
}

/// Where in a record of registers with so many lanes the sum `k` is: the bits of its place in its register are in reverse.
#[inline(always)]
pub(super) fn place_of_sum(k: usize, lanes: usize) -> usize {
    let bits = lanes.trailing_zeros();
    let within = (k % lanes).reverse_bits().unbounded_shr(usize::BITS - bits);
    k / lanes * lanes + within
}
