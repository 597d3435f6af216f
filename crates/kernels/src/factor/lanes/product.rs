//! Products of matrices of packs, four rows by four columns at a time in registers.

use crate::simd::{Enabled, Vector};

/// Rows and columns of a block.
pub(super) const BLOCK: usize = 4;

/// A matrix whose element (i, j) is the pack at i s₀ + j s₁, with s the strides.
#[derive(Clone, Copy)]
pub(super) struct LaneMatrix<'a, V> {
    pub packs: &'a [V],
    pub strides: [usize; 2],
}

/// The m x n matrix C = X Yᵀ, row by row, of X of k columns; where X is Y, the lower triangle alone.
#[inline(always)]
pub(super) fn multiply<V: Vector>(isa: Enabled<V>, [x, y]: [LaneMatrix<'_, V>; 2], [m, n, k]: [usize; 3], c: &mut [V]) {
    let symmetric = std::ptr::eq(x.packs, y.packs) && x.strides == y.strides;
    for i in (0..m).step_by(BLOCK) {
        for j in (0..if symmetric { i + 1 } else { n }).step_by(BLOCK) {
            let block = products(isa, [x, y], [i, j], [m, n, k]);
            for (c, block) in c[i * n..].chunks_mut(n).zip(&block) {
                let width = BLOCK.min(n - j);
                c[j..j + width].copy_from_slice(&block[..width]);
            }
        }
    }
}

/// The products Σ xᵢₗ yⱼₗ, over k of them, of the four rows from i on and the four rows from j on; of rows past the m of X
/// and the n of Y, unspecified.
#[inline(always)]
pub(super) fn products<V: Vector>(
    isa: Enabled<V>,
    [x, y]: [LaneMatrix<'_, V>; 2],
    [i, j]: [usize; 2],
    [m, n, k]: [usize; 3],
) -> [[V; BLOCK]; BLOCK] {
    let mut c = [[isa.constant(0.0); BLOCK]; BLOCK];
    let row = |r: usize| (i + r).min(m - 1) * x.strides[0];
    let columns = [j, j + 1, j + 2, j + 3].map(|j| j.min(n - 1) * y.strides[0]);
    // There are 32 registers of this size, 16 of others.
    if size_of::<V>() == 64 {
        accumulate(&mut c, [x, y], ([row(0), row(1), row(2), row(3)], columns), k);
    } else {
        let (upper, lower) = c.split_at_mut(2);
        accumulate::<V, 2>(upper.first_chunk_mut().expect("two rows"), [x, y], ([row(0), row(1)], columns), k);
        accumulate::<V, 2>(lower.first_chunk_mut().expect("two rows"), [x, y], ([row(2), row(3)], columns), k);
    }
    c
}

/// Adds the products of `R` rows and four columns that begin there.
#[inline(always)]
fn accumulate<V: Vector, const R: usize>(
    c: &mut [[V; BLOCK]; R],
    [x, y]: [LaneMatrix<'_, V>; 2],
    (rows, columns): ([usize; R], [usize; BLOCK]),
    k: usize,
) {
    let mut sums = *c;
    for l in 0..k {
        for r in 0..R {
            let x = x.packs[rows[r] + l * x.strides[1]];
            for s in 0..BLOCK {
                sums[r][s] = x.mul_add(y.packs[columns[s] + l * y.strides[1]], sums[r][s]);
            }
        }
    }
    *c = sums;
}
