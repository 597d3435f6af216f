//! The micro-kernel: a tile of C kept in registers while the contracted index runs.

use crate::real::Real;
use crate::simd::{Lanes, MAX_LANES, Vector, prefetch};

/// The most rows of a tile in any instruction set.
pub(super) const MAX_ROWS: usize = 14;

/// One tile: C[i, j] (+)= α · Σ_κ A[i, κ] · B[κ, j], for the rows and columns of a tile.
pub(super) struct Tile<'a, T> {
    pub(super) alpha: T,
    /// The number of contracted indices.
    pub(super) depth: usize,
    /// A packed panel: the rows of one contracted index lie together.
    pub(super) a: *const T,
    /// A packed panel: the columns of one contracted index lie together, all registers of the tile's.
    pub(super) b: *const T,
    /// Index 0…0 of this matrix of C.
    pub(super) c: *mut T,
    /// Where each row of the tile lies in C.
    pub(super) rows: &'a [isize],
    /// Where each column of the tile lies in C.
    pub(super) columns: &'a [isize],
    /// Whether the columns are neighbours in C.
    pub(super) adjacent: bool,
    /// Whether the sums are added to what C holds.
    pub(super) accumulate: bool,
}

type Code<T> = unsafe fn(&Tile<'_, T>);

/// The micro-kernels of an instruction set, for every number of rows and registers of columns.
pub(super) struct Kernels<T> {
    /// The most rows of a tile.
    pub(super) rows: usize,
    /// The lanes of a register.
    pub(super) lanes: usize,
    /// The most registers of columns of a tile.
    pub(super) registers: usize,
    code: [[Code<T>; 2]; MAX_ROWS],
}

impl<T: Lanes> Kernels<T> {
    /// Tiles of 14 × 2 registers fill 28 of 32 registers with sums, 6 × 2 fill 12 of 16; B takes two more, A one.
    pub(super) fn of<V: Vector<Element = T>>() -> Self {
        let code = [
            [run::<V, 1, 1>, run::<V, 1, 2>],
            [run::<V, 2, 1>, run::<V, 2, 2>],
            [run::<V, 3, 1>, run::<V, 3, 2>],
            [run::<V, 4, 1>, run::<V, 4, 2>],
            [run::<V, 5, 1>, run::<V, 5, 2>],
            [run::<V, 6, 1>, run::<V, 6, 2>],
            [run::<V, 7, 1>, run::<V, 7, 2>],
            [run::<V, 8, 1>, run::<V, 8, 2>],
            [run::<V, 9, 1>, run::<V, 9, 2>],
            [run::<V, 10, 1>, run::<V, 10, 2>],
            [run::<V, 11, 1>, run::<V, 11, 2>],
            [run::<V, 12, 1>, run::<V, 12, 2>],
            [run::<V, 13, 1>, run::<V, 13, 2>],
            [run::<V, 14, 1>, run::<V, 14, 2>],
        ];
        Self { rows: if V::REGISTERS >= 32 { 14 } else { 6 }, lanes: V::LANES, registers: 2, code }
    }

    /// The widest tile, in columns.
    pub(super) fn columns(&self) -> usize {
        self.lanes * self.registers
    }

    /// Computes a tile.
    ///
    /// # Safety
    /// The processor has the instruction set of the `V` that these kernels are of; the tile has 1 to `self.rows` rows
    /// and 1 to `self.columns()` columns; its panels hold `depth` indices of that many rows, and of the columns rounded
    /// up to whole registers; its rows and columns lie in C, and nobody else uses those elements of C.
    #[inline]
    pub(super) unsafe fn run(&self, tile: &Tile<'_, T>) {
        let code = self.code[tile.rows.len() - 1][tile.columns.len().div_ceil(self.lanes) - 1];
        // SAFETY: the caller's duty.
        unsafe { code(tile) }
    }
}

unsafe fn run<V: Vector, const M: usize, const N: usize>(tile: &Tile<'_, V::Element>) {
    // SAFETY: the caller's duty, stated by `Kernels::run`.
    unsafe {
        V::enter(
            #[inline(always)]
            || sums::<V, M, N>(tile),
        )
    }
}

#[inline(always)]
unsafe fn sums<V: Vector, const M: usize, const N: usize>(tile: &Tile<'_, V::Element>) {
    // SAFETY: the panels hold `depth` indices of M rows and N registers; `Kernels::run` chose M and N by the tile.
    unsafe {
        if tile.adjacent {
            for &row in tile.rows {
                let row = tile.c.offset(row + tile.columns[0]);
                prefetch(row);
                prefetch(row.wrapping_add(tile.columns.len() - 1));
            }
        }
        let mut sums = [[V::splat(V::Element::ZERO); N]; M];
        let (mut a, mut b) = (tile.a, tile.b);
        for _ in 0..tile.depth {
            let mut column = [V::splat(V::Element::ZERO); N];
            for j in 0..N {
                column[j] = V::load(b.add(j * V::LANES));
            }
            for i in 0..M {
                let x = V::splat(*a.add(i));
                for j in 0..N {
                    sums[i][j] = x.mul_add(column[j], sums[i][j]);
                }
            }
            a = a.add(M);
            b = b.add(N * V::LANES);
        }
        if tile.adjacent { store::<V, M, N>(tile, &sums) } else { scatter::<V, M, N>(tile, &sums) }
    }
}

/// Writes a tile whose columns are neighbours in C.
#[inline(always)]
unsafe fn store<V: Vector, const M: usize, const N: usize>(tile: &Tile<'_, V::Element>, sums: &[[V; N]; M]) {
    let last = tile.columns.len() - (N - 1) * V::LANES;
    // SAFETY: rows and columns lie in C, the caller's duty; the last register writes only the columns there are.
    unsafe {
        let alpha = V::splat(tile.alpha);
        for i in 0..M {
            let row = tile.c.offset(*tile.rows.get_unchecked(i) + tile.columns[0]);
            for j in 0..N {
                let (to, n) = (row.add(j * V::LANES), if j + 1 == N { last } else { V::LANES });
                let x = sums[i][j];
                if n == V::LANES {
                    let x = if tile.accumulate { x.mul_add(alpha, V::load(to)) } else { x.mul(alpha) };
                    x.store(to);
                } else {
                    let x = if tile.accumulate { x.mul_add(alpha, V::load_first(to, n)) } else { x.mul(alpha) };
                    x.store_first(to, n);
                }
            }
        }
    }
}

/// Writes a tile whose columns are apart in C.
#[inline(always)]
unsafe fn scatter<V: Vector, const M: usize, const N: usize>(tile: &Tile<'_, V::Element>, sums: &[[V; N]; M]) {
    // A copy, since sums that are indexed by a variable would not stay in registers while they are summed.
    let mut lanes = [[V::Element::ZERO; 2 * MAX_LANES]; M];
    for i in 0..M {
        for j in 0..N {
            // SAFETY: N ≤ 2 registers of at most `MAX_LANES` lanes fit a row; the instruction set is the caller's duty.
            unsafe { sums[i][j].store(lanes[i].as_mut_ptr().add(j * V::LANES)) };
        }
    }
    for (row, lanes) in tile.rows.iter().zip(&lanes) {
        for (column, &sum) in tile.columns.iter().zip(lanes) {
            // SAFETY: rows and columns lie in C, the caller's duty.
            unsafe {
                let to = tile.c.offset(row + column);
                let x = tile.alpha * sum;
                *to = if tile.accumulate { *to + x } else { x };
            }
        }
    }
}
