//! Rows of a triangular system, a tile at a time in registers.
//!
//! ```text
//!         k < i        i ‥ i+R
//!      ┌──────────┬───────────┐  ┌───────────┐ k < i
//! i ‥  │  T[i, k] │ ◣ T[i, i] │  │   X[k]    │           X[i] = T[i, i]⁻¹ (B[i] − Σ T[i, k] X[k])
//!      └──────────┴───────────┘  ├───────────┤
//!                                │ B[i]→X[i] │ i ‥ i+R
//!                                └───────────┘
//! ```
//!
//! R rows of a few registers keep their sums in registers while k runs. Cholesky's factor and the factors L U are
//! made of the same step, with the triangle that they have found so far.

use super::matrix::Matrix;
use crate::number::Number;
use crate::simd::{Isa, Kernel, Lanes, Vector, dispatch_on};
use crate::threads;

/// Rows of B that become rows of X: element (i, j) at `at + i · stride + j`.
#[derive(Clone, Copy)]
pub(super) struct Rows<T> {
    pub at: *mut T,
    pub stride: isize,
}

impl<T> Rows<T> {
    /// # Safety
    /// The element is one of the rows'.
    #[inline(always)]
    pub unsafe fn at(self, i: usize, j: usize) -> *mut T {
        // SAFETY: the caller's duty.
        unsafe { self.at.offset(i as isize * self.stride + j as isize) }
    }
}

/// The triangle: T[i, k] at `at + i · row + k · column`.
#[derive(Clone, Copy)]
pub(super) struct Factor<T> {
    pub at: *const T,
    pub row: isize,
    pub column: isize,
}

impl<T: Copy> Factor<T> {
    /// # Safety
    /// The element is one of the matrix's.
    #[inline(always)]
    pub unsafe fn at(self, i: usize, k: usize) -> T {
        // SAFETY: the caller's duty.
        unsafe { *self.at.offset(i as isize * self.row + k as isize * self.column) }
    }
}

/// Registers of one row of a tile, of which the last may be partial.
#[derive(Clone, Copy)]
pub(super) struct Tile {
    /// The first row and column.
    pub row: usize,
    pub column: usize,
    /// Lanes of the last register that are columns.
    pub last: usize,
}

/// N registers of row `i`.
///
/// # Safety
/// The instruction set is enabled and the row holds those columns.
#[inline(always)]
pub(super) unsafe fn load<V: Vector, const N: usize>(x: Rows<V::Element>, i: usize, tile: Tile) -> [V; N] {
    std::array::from_fn(
        #[inline(always)]
        |v| {
            // SAFETY: the caller's duty.
            unsafe {
                let from = x.at(i, tile.column + v * V::LANES);
                if v + 1 == N && tile.last < V::LANES { V::load_first(from, tile.last) } else { V::load(from) }
            }
        },
    )
}

/// Writes N registers to row `i`.
///
/// # Safety
/// As for [`load`], and nobody else uses those elements.
#[inline(always)]
pub(super) unsafe fn store<V: Vector, const N: usize>(x: Rows<V::Element>, i: usize, tile: Tile, row: [V; N]) {
    for v in 0..N {
        // SAFETY: the caller's duty.
        unsafe {
            let to = x.at(i, tile.column + v * V::LANES);
            if v + 1 == N && tile.last < V::LANES { row[v].store_first(to, tile.last) } else { row[v].store(to) }
        }
    }
}

/// Σ T[i + r, k] X[k] − B[i + r] over k below `depth`, for R rows from i = `tile.row` on.
///
/// # Safety
/// The instruction set is enabled, and every element lies in its matrix.
#[inline(always)]
pub(super) unsafe fn residual<V: Vector, const R: usize, const N: usize>(
    t: Factor<V::Element>,
    x: Rows<V::Element>,
    tile: Tile,
    depth: usize,
) -> [[V; N]; R] {
    // SAFETY: the caller's duty.
    unsafe {
        let zero = V::splat(V::Element::ZERO);
        let mut sums = [[zero; N]; R];
        for r in 0..R {
            let row = load::<V, N>(x, tile.row + r, tile);
            for v in 0..N {
                sums[r][v] = zero.sub(row[v]);
            }
        }
        for k in 0..depth {
            let row = load::<V, N>(x, k, tile);
            for r in 0..R {
                let factor = V::splat(t.at(tile.row + r, k));
                for v in 0..N {
                    sums[r][v] = factor.mul_add(row[v], sums[r][v]);
                }
            }
        }
        sums
    }
}

/// What the diagonal of T does.
#[derive(Clone, Copy)]
pub(super) enum Diagonal<T> {
    /// −1 / T[i, i], of each i.
    Inverses(*const T),
    /// An inverse is not finite where the quotient may be.
    Divides,
}

/// Writes R rows of X.
///
/// # Safety
/// As for [`residual`] and [`store`]; the rows of X before `tile.row` are known.
#[inline(always)]
unsafe fn solve_tile<V: Vector, const R: usize, const N: usize>(
    t: Factor<V::Element>,
    x: Rows<V::Element>,
    tile: Tile,
    diagonal: Diagonal<V::Element>,
) {
    // SAFETY: the caller's duty.
    unsafe {
        let mut sums = residual::<V, R, N>(t, x, tile, tile.row);
        for r in 0..R {
            let i = tile.row + r;
            for q in 0..r {
                let factor = V::splat(t.at(i, tile.row + q));
                for v in 0..N {
                    sums[r][v] = factor.mul_add(sums[q][v], sums[r][v]);
                }
            }
            match diagonal {
                Diagonal::Inverses(inverses) => {
                    let inverse = V::splat(*inverses.add(i));
                    (0..N).for_each(
                        #[inline(always)]
                        |v| sums[r][v] = sums[r][v].mul(inverse),
                    );
                }
                Diagonal::Divides => {
                    let divisor = V::splat(-t.at(i, i));
                    (0..N).for_each(
                        #[inline(always)]
                        |v| sums[r][v] = sums[r][v].div(divisor),
                    );
                }
            }
            store(x, i, tile, sums[r]);
        }
    }
}

/// Rows `rows` of X in the columns `columns`, where those before are known.
///
/// # Safety
/// As for [`solve_tile`].
#[inline(always)]
pub(super) unsafe fn solve_rows<V: Vector>(
    t: Factor<V::Element>,
    x: Rows<V::Element>,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    diagonal: Diagonal<V::Element>,
) {
    // SAFETY: the caller's duty.
    unsafe {
        // As many sums as leave registers for what they are made of.
        if V::REGISTERS >= 32 {
            solve_tiles::<V, 8, 3>(t, x, rows, columns, diagonal);
        } else {
            solve_tiles::<V, 4, 2>(t, x, rows, columns, diagonal);
        }
    }
}

/// # Safety
/// As for [`solve_tile`].
#[inline(always)]
unsafe fn solve_tiles<V: Vector, const R: usize, const N: usize>(
    t: Factor<V::Element>,
    x: Rows<V::Element>,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
    diagonal: Diagonal<V::Element>,
) {
    // SAFETY: the caller's duty.
    unsafe {
        let mut column = columns.start;
        while column < columns.end {
            let left = columns.end - column;
            let full = left / V::LANES;
            if full >= N && full != N + 1 {
                solve_column::<V, R, N>(t, x, rows.clone(), Tile { row: 0, column, last: V::LANES }, diagonal);
                column += N * V::LANES;
            } else if full >= 2 {
                solve_column::<V, R, 2>(t, x, rows.clone(), Tile { row: 0, column, last: V::LANES }, diagonal);
                column += 2 * V::LANES;
            } else {
                solve_column::<V, R, 1>(t, x, rows.clone(), Tile { row: 0, column, last: left.min(V::LANES) }, diagonal);
                column += V::LANES;
            }
        }
    }
}

/// # Safety
/// As for [`solve_tile`].
#[inline(always)]
unsafe fn solve_column<V: Vector, const R: usize, const N: usize>(
    t: Factor<V::Element>,
    x: Rows<V::Element>,
    rows: std::ops::Range<usize>,
    tile: Tile,
    diagonal: Diagonal<V::Element>,
) {
    let mut row = rows.start;
    // SAFETY: the caller's duty.
    unsafe {
        while row + R <= rows.end {
            solve_tile::<V, R, N>(t, x, Tile { row, ..tile }, diagonal);
            row += R;
        }
        while row < rows.end {
            solve_tile::<V, 1, N>(t, x, Tile { row, ..tile }, diagonal);
            row += 1;
        }
    }
}

/// The largest triangle that [`solve`] takes.
pub(super) const LARGEST: usize = 128;

/// A triangle and right-hand sides that fit it.
struct Solve<T> {
    t: Factor<T>,
    x: Rows<T>,
    n: usize,
    columns: usize,
    diagonal: Diagonal<T>,
}

// SAFETY: threads solve for columns of their own and only read the triangle.
unsafe impl<T: Send + Sync> Sync for Solve<T> {}

impl<T: Lanes> Kernel<T> for Solve<T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let Self { n, columns, .. } = self;
        // A multiply-add a lane and cycle.
        let parts = threads::brief_parts(columns.div_ceil(V::LANES), 0.15 * (n * n) as f64 + n as f64);
        let it = &self;
        threads::run(parts, |part| {
            let columns = threads::range(columns, V::LANES, parts, part);
            // SAFETY: `dispatch_on` found the instruction set, and `solve` checked that all lies in its matrix.
            unsafe {
                V::enter(
                    #[inline(always)]
                    || solve_rows::<V>(it.t, it.x, 0..n, columns, it.diagonal),
                )
            }
        });
    }
}

/// Overwrites B, t.rows rows of `columns` neighbours that lie `stride` apart, with T⁻¹ B, where T is the upper triangle of `t`
/// or else the lower, with ones on its diagonal where `unit`.
///
/// # Panics
/// If the triangle is too large or B too short.
pub(super) fn solve<T: Lanes>(isa: Isa, t: Matrix<'_, T>, [upper, unit]: [bool; 2], b: &mut [T], columns: usize, stride: usize) {
    let n = t.rows;
    assert!(
        n <= LARGEST
            && t.columns == n
            && columns <= stride
            && (n == 0 || (n - 1).saturating_mul(stride).saturating_add(columns) <= b.len())
    );
    if n == 0 || columns == 0 {
        return;
    }
    let corner = |i: usize, j: usize| t.at.wrapping_add_signed(i as isize * t.row + j as isize * t.column);
    let corners = [(0, 0), (0, n - 1), (n - 1, 0), (n - 1, n - 1)];
    assert!(corners.into_iter().all(|(i, j)| corner(i, j) < t.data.len()), "a triangle within its data");
    let mut inverses = [-T::ONE; LARGEST];
    if !unit {
        for (i, inverse) in inverses.iter_mut().enumerate().take(n) {
            let i = if upper { n - 1 - i } else { i };
            *inverse = -T::ONE / t.at(i, i);
        }
    }
    let finite = inverses.iter().all(|x| x.is_finite());
    let diagonal = if finite { Diagonal::Inverses(inverses.as_ptr()) } else { Diagonal::Divides };
    // An upper triangle is a lower one from its last row up.
    let (first, sign) = if upper { (n - 1, -1) } else { (0, 1) };
    let (t, x) = (
        Factor { at: t.data[corner(first, first)..].as_ptr(), row: sign * t.row, column: sign * t.column },
        Rows { at: b[first * stride..].as_mut_ptr(), stride: sign * stride as isize },
    );
    dispatch_on(isa, Solve { t, x, n, columns, diagonal });
}
