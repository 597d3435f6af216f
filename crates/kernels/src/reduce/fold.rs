//! Folds of one row that vector units can run, pairwise over blocks.

use crate::real::Real;

/// Partial results that a fold keeps side by side: two registers of f32 with AVX-512, and enough for latency elsewhere.
const LANES: usize = 32;
/// Elements folded in one go: partial results of blocks are merged pairwise, which keeps the error of long sums small.
const BLOCK: usize = 2048;

/// Merges partial results of blocks pairwise, as the leaves of a balanced tree.
struct Tree<T> {
    partial: [T; 48],
    height: usize,
    blocks: usize,
}

impl<T: Copy> Tree<T> {
    #[inline(always)]
    fn new(start: T) -> Self {
        Self { partial: [start; 48], height: 0, blocks: 0 }
    }

    #[inline(always)]
    fn push(&mut self, mut value: T, merge: impl Fn(T, T) -> T) {
        self.blocks += 1;
        let mut n = self.blocks;
        while n.is_multiple_of(2) {
            self.height -= 1;
            value = merge(self.partial[self.height], value);
            n /= 2;
        }
        self.partial[self.height] = value;
        self.height += 1;
    }

    #[inline(always)]
    fn finish(mut self, start: T, merge: impl Fn(T, T) -> T) -> T {
        let mut value = start;
        while self.height > 0 {
            self.height -= 1;
            value = merge(self.partial[self.height], value);
        }
        value
    }
}

#[inline(always)]
fn merge_lanes<T: Copy>(mut lanes: [T; LANES], merge: impl Fn(T, T) -> T) -> T {
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = merge(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// Folds a row; `start` must be neutral for `merge`.
#[inline(always)]
pub(crate) fn fold<T: Copy, S: Copy>(row: &[T], start: S, step: impl Fn(S, T) -> S, merge: impl Fn(S, S) -> S) -> S {
    let mut tree = Tree::new(start);
    for block in row.chunks(BLOCK) {
        let mut lanes = [start; LANES];
        let mut chunks = block.chunks_exact(LANES);
        for chunk in &mut chunks {
            for i in 0..LANES {
                lanes[i] = step(lanes[i], chunk[i]);
            }
        }
        for (lane, &x) in lanes.iter_mut().zip(chunks.remainder()) {
            *lane = step(*lane, x);
        }
        tree.push(merge_lanes(lanes, &merge), &merge);
    }
    tree.finish(start, merge)
}

/// Σ x
#[inline(always)]
pub(crate) fn sum<T: Real>(row: &[T]) -> T {
    fold(row, T::ZERO, |s, x| s + x, |s, x| s + x)
}

/// The largest element, NaN if there is one, -∞ of none.
#[inline(always)]
pub(crate) fn max<T: Real>(row: &[T]) -> T {
    fold(row, T::NEG_INFINITY, T::maximum, T::maximum)
}
