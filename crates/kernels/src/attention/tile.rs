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

use crate::simd::{Isa, Kernel, Lanes, Vector, dispatch_on};

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
        unsafe fn run<V: Vector<Element = T>>(self) -> RegisterTile {
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
#[derive(Clone, Copy)]
pub(super) struct TileOperands<T> {
    /// A, whose elements are broadcast.
    pub a: *const T,
    /// Elements between rows of A.
    pub a_row: usize,
    /// B, read by vectors along its rows.
    pub b: *const T,
    /// Elements between rows of B.
    pub b_row: usize,
    /// C, written by vectors along its rows.
    pub c: *mut T,
    /// Elements between rows of C.
    pub c_row: usize,
}

/// C[i, j] = Σ_c A[i, c] B[c, j], for the keys j that the row panel of i sees, rounded up to whole vectors.
///
/// B lies in panels of `nr` columns one after another, each `depth` rows of `nr` elements (`b_row` is `nr · depth`).
pub(super) struct ScoreProduct<'a, T> {
    pub operands: TileOperands<T>,
    pub depth: usize,
    /// For each panel of [`MR`] rows, how many keys of the tile its rows see at most.
    pub visible: &'a [usize],
}

impl<T: Lanes> Kernel<T> for ScoreProduct<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let Self { operands: o, depth, visible: seen } = self;
        let most = seen.iter().copied().max().unwrap_or(0);
        for panel in 0..most.div_ceil(nr::<V>()) {
            for (p, &seen) in seen.iter().enumerate() {
                let columns = seen.saturating_sub(panel * nr::<V>()).min(nr::<V>());
                // SAFETY: the constructor of this kernel vouches for the operands' sizes; `dispatch_on` enabled `V`.
                unsafe {
                    let tile = ProductTile {
                        a: o.a.add(p * MR * o.a_row),
                        row: o.a_row,
                        step: 1,
                        b: o.b.add(panel * o.b_row),
                        b_row: nr::<V>(),
                        c: o.c.add(p * MR * o.c_row + panel * nr::<V>()),
                        c_row: o.c_row,
                    };
                    tile.product::<V, false>(columns.div_ceil(V::LANES), depth);
                }
            }
        }
    }
}

/// C[i, c] += Σ_j A[i, j] B[j, c] for all `vectors` of columns c, over the keys j that the row panel of i sees.
pub(super) struct WeightedSum<'a, T> {
    pub operands: TileOperands<T>,
    pub vectors: usize,
    /// For each panel of [`MR`] rows, how many keys of the tile its rows see at most.
    pub visible: &'a [usize],
}

impl<T: Lanes> Kernel<T> for WeightedSum<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let Self { operands: o, vectors, visible: seen } = self;
        for first in (0..vectors).step_by(nv::<V>()) {
            for (p, &seen) in seen.iter().enumerate() {
                // SAFETY: as in `ScoreProduct`.
                unsafe {
                    let tile = ProductTile {
                        a: o.a.add(p * MR * o.a_row),
                        row: o.a_row,
                        step: 1,
                        b: o.b.add(first * V::LANES),
                        b_row: o.b_row,
                        c: o.c.add(p * MR * o.c_row + first * V::LANES),
                        c_row: o.c_row,
                    };
                    tile.product::<V, true>((vectors - first).min(nv::<V>()), seen);
                }
            }
        }
    }
}

/// C[j, c] += Σ_i A[i, j] B[i, c] for the first `keys` keys j and all `vectors` of columns c, over the rows i from the
/// first panel that sees j to the last.
pub(super) struct TransposedWeightedSum<'a, T> {
    pub operands: TileOperands<T>,
    pub vectors: usize,
    /// For each panel of [`MR`] rows, how many keys of the tile its rows see at most: never fewer than the panel before.
    pub visible: &'a [usize],
    /// Rows of A and B.
    pub rows: usize,
}

impl<T: Lanes> Kernel<T> for TransposedWeightedSum<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let Self { operands: o, vectors, visible: seen, rows } = self;
        let keys = seen.last().copied().unwrap_or(0);
        for first in (0..vectors).step_by(nv::<V>()) {
            let mut from = 0;
            for j in (0..keys).step_by(MR) {
                while seen[from] <= j {
                    from += 1;
                }
                // SAFETY: as in `ScoreProduct`.
                unsafe {
                    let tile = ProductTile {
                        a: o.a.add(from * MR * o.a_row + j),
                        row: 1,
                        step: o.a_row,
                        b: o.b.add(from * MR * o.b_row + first * V::LANES),
                        b_row: o.b_row,
                        c: o.c.add(j * o.c_row + first * V::LANES),
                        c_row: o.c_row,
                    };
                    tile.product::<V, true>((vectors - first).min(nv::<V>()), rows - from * MR);
                }
            }
        }
    }
}

/// One register tile: C[m, n] (+)= Σ_k A[m · row + k · step] B[k · b_row + n].
struct ProductTile<T> {
    a: *const T,
    row: usize,
    step: usize,
    b: *const T,
    b_row: usize,
    c: *mut T,
    c_row: usize,
}

impl<T: Lanes> ProductTile<T> {
    /// # Safety
    /// The instruction set of `V` must be enabled, and every element of A, B and C that the formula names, for MR rows and
    /// `vectors` ≤ 4 vectors of columns, must be readable (writable in C).
    #[inline(always)]
    unsafe fn product<V: Vector<Element = T>, const ADD: bool>(&self, vectors: usize, depth: usize) {
        // SAFETY: the caller's duty.
        unsafe {
            match vectors {
                0 => {}
                1 => self.sum::<V, 1, ADD>(depth),
                2 => self.sum::<V, 2, ADD>(depth),
                3 => self.sum::<V, 3, ADD>(depth),
                _ if nv::<V>() == 4 => self.sum::<V, 4, ADD>(depth),
                _ => unreachable!("a register tile is at most nv vectors wide"),
            }
        }
    }

    /// # Safety
    /// As for `product`, with `NV` vectors.
    #[inline(always)]
    unsafe fn sum<V: Vector<Element = T>, const NV: usize, const ADD: bool>(&self, depth: usize) {
        // SAFETY: the caller's duty.
        unsafe {
            let mut sums = [[V::splat(T::ZERO); NV]; MR];
            let (mut a, mut b) = (self.a, self.b);
            for _ in 0..depth {
                let row: [V; NV] = std::array::from_fn(
                    #[inline(always)]
                    |n| V::load(b.add(n * V::LANES)),
                );
                for m in 0..MR {
                    let x = V::splat(*a.add(m * self.row));
                    for n in 0..NV {
                        sums[m][n] = x.mul_add(row[n], sums[m][n]);
                    }
                }
                a = a.wrapping_add(self.step);
                b = b.wrapping_add(self.b_row);
            }
            for m in 0..MR {
                for n in 0..NV {
                    let c = self.c.add(m * self.c_row + n * V::LANES);
                    let sum = if ADD { V::load(c).add(sums[m][n]) } else { sums[m][n] };
                    sum.store(c);
                }
            }
        }
    }
}
