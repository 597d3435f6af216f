//! The three products of attention's tiles, on one register tile of [`MR`] rows.
//!
//! Scores and their gradients lie in a tile of [`BR`] query rows by [`BC`] keys. A causal tile has a staircase of keys that
//! each row sees; every product visits only the register tiles under it.
//!
//! ```text
//! across   C[i, j]  = Σ_c A[i, c] B[c, j]     scores S = Q Kᵀ and dP = dO Vᵀ, up to the last key a row sees
//! along    C[i, c] += Σ_j A[i, j] B[j, c]     P V and dS K, over the keys that a row sees
//! down     C[j, c] += Σ_i A[i, j] B[i, c]     Pᵀ dO and dSᵀ Q, over the rows that see a key
//! ```

use crate::simd::{Enabled, Isa, Kernel, Lanes, Vector, dispatch_on};

/// Rows of the register tile: with four vectors a row, 24 of the 32 registers of AVX-512 hold sums.
pub(super) const MR: usize = 6;
/// Query rows of a tile.
pub(super) const BR: usize = 96;
/// Keys of a tile: a multiple of [`MR`] and of [`nr`], so that every product covers it exactly.
pub(super) const BC: usize = 192;

/// Vectors of a register tile: four where there are 32 registers, else two.
#[inline(always)]
pub(super) const fn nv<V: Vector>() -> usize {
    if V::REGISTERS >= 32 { 4 } else { 2 }
}

/// Columns of a register tile, the width of a packed panel.
#[inline(always)]
pub(super) const fn nr<V: Vector>() -> usize {
    nv::<V>() * V::LANES
}

/// The register tile of an instruction set for `T`.
pub(super) fn shape<T: Lanes>(isa: Isa) -> RegisterTile {
    struct Ask(Isa);
    impl<T: Lanes> Kernel<T> for Ask {
        type Output = RegisterTile;
        #[inline(always)]
        fn run<V: Vector<Element = T>>(self, _: Enabled<V>) -> RegisterTile {
            RegisterTile { isa: self.0, lanes: V::LANES, nr: nr::<V>() }
        }
    }
    dispatch_on::<T, _>(isa, Ask(isa))
}

/// A register tile, and the instruction set that all kernels of a call run on.
#[derive(Clone, Copy)]
pub(super) struct RegisterTile {
    /// The instruction set.
    pub isa: Isa,
    /// Elements of a vector.
    pub lanes: usize,
    /// Columns of a register tile.
    pub nr: usize,
}

/// A product's operands: A element by element, B and C by vectors.
pub(super) struct TileOperands<'a, T> {
    /// A, whose elements are broadcast.
    pub a: &'a [T],
    /// Elements between rows of A.
    pub a_row: usize,
    /// B, read by vectors along its rows.
    pub b: &'a [T],
    /// Elements between rows of B.
    pub b_row: usize,
    /// C, written by vectors along its rows.
    pub c: &'a mut [T],
    /// Elements between rows of C.
    pub c_row: usize,
}

/// C[i, j] = Σ_c A[i, c] B[c, j], for the keys j that the row panel of i sees, rounded up to whole vectors.
///
/// B lies in panels of `nr` columns one after another, each `depth` rows of `nr` elements (`b_row` is `nr · depth`).
pub(super) struct ScoreProduct<'a, T> {
    pub operands: TileOperands<'a, T>,
    pub depth: usize,
    /// For each panel of [`MR`] rows, how many keys of the tile its rows see at most.
    pub visible: &'a [usize],
}

impl<T: Lanes> Kernel<T> for ScoreProduct<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let Self { operands: o, depth, visible: seen } = self;
        let most = seen.iter().copied().max().unwrap_or(0);
        for panel in 0..most.div_ceil(nr::<V>()) {
            for (p, &seen) in seen.iter().enumerate() {
                let columns = seen.saturating_sub(panel * nr::<V>()).min(nr::<V>());
                let tile = ProductTile {
                    a: &o.a[p * MR * o.a_row..],
                    row: o.a_row,
                    step: 1,
                    b: &o.b[panel * o.b_row..],
                    b_row: nr::<V>(),
                    c: &mut o.c[p * MR * o.c_row + panel * nr::<V>()..],
                    c_row: o.c_row,
                };
                tile.product::<V, false>(isa, columns.div_ceil(V::LANES), depth);
            }
        }
    }
}

/// C[i, c] += Σ_j A[i, j] B[j, c] for all `vectors` of columns c, over the keys j that the row panel of i sees.
pub(super) struct WeightedSum<'a, T> {
    pub operands: TileOperands<'a, T>,
    pub vectors: usize,
    /// For each panel of [`MR`] rows, how many keys of the tile its rows see at most.
    pub visible: &'a [usize],
}

impl<T: Lanes> Kernel<T> for WeightedSum<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let Self { operands: o, vectors, visible: seen } = self;
        for first in (0..vectors).step_by(nv::<V>()) {
            for (p, &seen) in seen.iter().enumerate() {
                let tile = ProductTile {
                    a: &o.a[p * MR * o.a_row..],
                    row: o.a_row,
                    step: 1,
                    b: &o.b[first * V::LANES..],
                    b_row: o.b_row,
                    c: &mut o.c[p * MR * o.c_row + first * V::LANES..],
                    c_row: o.c_row,
                };
                tile.product::<V, true>(isa, (vectors - first).min(nv::<V>()), seen);
            }
        }
    }
}

/// C[j, c] += Σ_i A[i, j] B[i, c] for the first `keys` keys j and all `vectors` of columns c, over the rows i from the
/// first panel that sees j to the last.
pub(super) struct TransposedWeightedSum<'a, T> {
    pub operands: TileOperands<'a, T>,
    pub vectors: usize,
    /// For each panel of [`MR`] rows, how many keys of the tile its rows see at most: never fewer than the panel before.
    pub visible: &'a [usize],
    /// Rows of A and B.
    pub rows: usize,
}

impl<T: Lanes> Kernel<T> for TransposedWeightedSum<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let Self { operands: o, vectors, visible: seen, rows } = self;
        let keys = seen.last().copied().unwrap_or(0);
        for first in (0..vectors).step_by(nv::<V>()) {
            let mut from = 0;
            for j in (0..keys).step_by(MR) {
                while seen[from] <= j {
                    from += 1;
                }
                let tile = ProductTile {
                    a: &o.a[from * MR * o.a_row + j..],
                    row: 1,
                    step: o.a_row,
                    b: &o.b[from * MR * o.b_row + first * V::LANES..],
                    b_row: o.b_row,
                    c: &mut o.c[j * o.c_row + first * V::LANES..],
                    c_row: o.c_row,
                };
                tile.product::<V, true>(isa, (vectors - first).min(nv::<V>()), rows - from * MR);
            }
        }
    }
}

/// One register tile: C[m, n] (+)= Σ_k A[m · row + k · step] B[k · b_row + n].
struct ProductTile<'a, T> {
    a: &'a [T],
    row: usize,
    step: usize,
    b: &'a [T],
    b_row: usize,
    c: &'a mut [T],
    c_row: usize,
}

impl<T: Lanes> ProductTile<'_, T> {
    /// The product of `vectors` vectors of columns.
    #[inline(always)]
    fn product<V: Vector<Element = T>, const ADD: bool>(self, isa: Enabled<V>, vectors: usize, depth: usize) {
        match vectors {
            0 => {}
            1 => self.sum::<V, 1, ADD>(isa, depth),
            2 => self.sum::<V, 2, ADD>(isa, depth),
            3 => self.sum::<V, 3, ADD>(isa, depth),
            _ if nv::<V>() == 4 => self.sum::<V, 4, ADD>(isa, depth),
            _ => unreachable!("a register tile is at most nv vectors wide"),
        }
    }

    /// The product of `NV` vectors of columns.
    ///
    /// # Panics
    /// If an operand lacks an element that the formula names.
    #[inline(always)]
    fn sum<V: Vector<Element = T>, const NV: usize, const ADD: bool>(self, isa: Enabled<V>, depth: usize) {
        let Self { a, row, step, b, b_row, c, c_row } = self;
        let (last, width) = (depth.saturating_sub(1), NV * V::LANES);
        assert!(depth == 0 || extent([(MR - 1, row), (last, step)], 1) <= a.len(), "A of a register tile");
        assert!(depth == 0 || extent([(last, b_row), (0, 0)], width) <= b.len(), "B of a register tile");
        assert!(extent([(MR - 1, c_row), (0, 0)], width) <= c.len(), "C of a register tile");
        let mut sums = [[isa.zero(); NV]; MR];
        let (mut a, mut b, c) = (a.as_ptr(), b.as_ptr(), c.as_mut_ptr());
        // SAFETY: the assertions above are that all elements of A, B and C are there, for `MR` rows, `NV` vectors and `depth`.
        unsafe {
            for _ in 0..depth {
                let row_of_b: [V; NV] = std::array::from_fn(
                    #[inline(always)]
                    |n| isa.load(b.add(n * V::LANES)),
                );
                for m in 0..MR {
                    let x = isa.splat(*a.add(m * row));
                    for n in 0..NV {
                        sums[m][n] = x.mul_add(row_of_b[n], sums[m][n]);
                    }
                }
                a = a.wrapping_add(step);
                b = b.wrapping_add(b_row);
            }
            for m in 0..MR {
                for n in 0..NV {
                    let c = c.add(m * c_row + n * V::LANES);
                    let sum = if ADD { isa.load(c) + sums[m][n] } else { sums[m][n] };
                    sum.store(c);
                }
            }
        }
    }
}

/// How many elements the first and the `width` after these steps span; of each kind of step, its number and its length.
#[inline(always)]
fn extent([x, y]: [(usize, usize); 2], width: usize) -> usize {
    x.0.saturating_mul(x.1).saturating_add(y.0.saturating_mul(y.1)).saturating_add(width)
}
