//! P A = L U of a matrix that fits in the caches, by panels of a register's columns (Crout).
//!
//! ```text
//!   U           U₁₂            Rows of U come from `substitute`. The columns of a panel are reduced by L and U before them,
//!     ┌──────┬────────────     turned so that they lie along registers, factored with exchange of rows, and turned back;
//!   L │ panel│ next rows of U  then the rest of each exchanged row follows.
//!     │      ├────────────
//!     │      │ not yet touched
//! ```

use super::substitute::{Diagonal, Factor, Rows, Tile, residual, solve_rows, store};
use crate::buffer::{Block, OutOfMemory};
use crate::product::transpose;
use crate::simd::{Isa, Kernel, Lanes, MAX_LANES, Vector, dispatch_on};

/// The most columns.
pub(super) const LARGEST: usize = 128;

/// Factors m rows of n columns that lie `stride` apart. Step i exchanged rows i and `pivots[i]`, for i below min(m, n).
///
/// # Panics
/// If the sizes do not fit, or there are too many columns.
pub(super) fn factor<T: Lanes>(
    isa: Isa,
    a: &mut [T],
    m: usize,
    n: usize,
    stride: usize,
    pivots: &mut [usize],
) -> Result<(), OutOfMemory> {
    let end = m.saturating_sub(1).saturating_mul(stride).saturating_add(n);
    assert!(n <= LARGEST && n <= stride && (m == 0 || end <= a.len()) && pivots.len() == m.min(n));
    if m == 0 || n == 0 {
        return Ok(());
    }
    let rows = m.next_multiple_of(MAX_LANES);
    let mut panel = Block::new(rows.saturating_mul(MAX_LANES))?;
    dispatch_on(isa, Crout { x: Rows { at: a.as_mut_ptr(), stride: stride as isize }, m, n, pivots, panel: &mut panel });
    Ok(())
}

struct Crout<'a, T> {
    x: Rows<T>,
    m: usize,
    n: usize,
    pivots: &'a mut [usize],
    /// A panel column by column, as many elements apart as whole registers of rows need.
    panel: &'a mut [T],
}

impl<T: Lanes> Kernel<T> for Crout<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        // SAFETY: `dispatch_on` found the instruction set, and `factor` checked that the rows lie in their data.
        unsafe {
            match V::LANES {
                16 => self.panels::<V, 16>(),
                8 => self.panels::<V, 8>(),
                4 => self.panels::<V, 4>(),
                2 => self.panels::<V, 2>(),
                _ => self.panels::<V, 1>(),
            }
        }
    }
}

impl<T: Lanes> Crout<'_, T> {
    /// # Safety
    /// The instruction set is enabled, registers have L lanes, and the rows lie in their data.
    #[inline(always)]
    unsafe fn panels<V: Vector<Element = T>, const L: usize>(mut self) {
        let (m, n) = (self.m, self.n);
        let ones = [-T::ONE; LARGEST];
        let t = Factor { at: self.x.at.cast_const(), row: self.x.stride, column: 1 };
        let steps = m.min(n);
        for start in (0..steps).step_by(L) {
            let width = L.min(steps - start);
            // SAFETY: the caller's duty; rows and columns of the panel and right of it are below m and n.
            unsafe {
                self.turn::<V, L>(t, start, width);
                for s in 0..width {
                    self.pivots[start + s] = start + self.step::<V>(m - start, s, width);
                }
                self.turn_back::<V, L>(start, width);
                for s in start..start + width {
                    self.exchange::<V>(s, self.pivots[s], start..start + width);
                }
                solve_rows::<V>(t, self.x, start..start + width, start + width..n, Diagonal::Inverses(ones.as_ptr()));
            }
        }
    }

    /// The distance between columns of the panel.
    #[inline(always)]
    fn apart(&self) -> usize {
        self.panel.len() / MAX_LANES
    }

    /// Reduces the columns of a panel from row `start` on, and writes them to the panel.
    ///
    /// # Safety
    /// As for [`panels`](Self::panels).
    #[inline(always)]
    unsafe fn turn<V: Vector<Element = T>, const L: usize>(&mut self, t: Factor<T>, start: usize, width: usize) {
        let apart = self.apart();
        for first in (start..self.m).step_by(L) {
            let rows = L.min(self.m - first);
            // SAFETY: the caller's duty; the panel has room for whole registers of rows.
            unsafe {
                let mut block = [V::splat(T::ZERO); L];
                let tile = Tile { row: first, column: start, last: width };
                let mut r = 0;
                while r + 8 <= rows {
                    let sums = residual::<V, 8, 1>(t, self.x, Tile { row: first + r, ..tile }, start);
                    (0..8).for_each(
                        #[inline(always)]
                        |i| block[r + i] = V::splat(T::ZERO).sub(sums[i][0]),
                    );
                    r += 8;
                }
                while r < rows {
                    let [[sum]] = residual::<V, 1, 1>(t, self.x, Tile { row: first + r, ..tile }, start);
                    block[r] = V::splat(T::ZERO).sub(sum);
                    r += 1;
                }
                transpose(&mut block);
                for (c, column) in block.iter().enumerate().take(width) {
                    column.store(self.panel[c * apart + first - start..].as_mut_ptr());
                }
            }
        }
    }

    /// Writes the panel back to rows.
    ///
    /// # Safety
    /// As for [`panels`](Self::panels).
    #[inline(always)]
    unsafe fn turn_back<V: Vector<Element = T>, const L: usize>(&mut self, start: usize, width: usize) {
        let apart = self.apart();
        for first in (start..self.m).step_by(L) {
            let rows = L.min(self.m - first);
            // SAFETY: the caller's duty; the panel has whole registers of rows.
            unsafe {
                let mut block = [V::splat(T::ZERO); L];
                for (c, column) in block.iter_mut().enumerate().take(width) {
                    *column = V::load(self.panel[c * apart + first - start..].as_ptr());
                }
                transpose(&mut block);
                let tile = Tile { row: first, column: start, last: width };
                for (r, row) in block.iter().enumerate().take(rows) {
                    store(self.x, first + r, tile, [*row]);
                }
            }
        }
    }

    /// Eliminates column s of a panel of `rows` rows and returns the row that its pivot was in.
    ///
    /// # Safety
    /// The instruction set is enabled.
    #[inline(always)]
    unsafe fn step<V: Vector<Element = T>>(&mut self, rows: usize, s: usize, width: usize) -> usize {
        let apart = self.apart();
        let lane = |i: usize| T::from_f64(i as f64);
        let numbers: [T; MAX_LANES] = std::array::from_fn(lane);
        let (before, panel) = self.panel.split_at_mut(s * apart);
        let (column, rest) = panel.split_at_mut(apart);
        let first = s - s % V::LANES;
        // SAFETY: the caller's duty; columns hold whole registers of rows.
        unsafe {
            let (zero, numbers) = (V::splat(T::ZERO), V::load(numbers.as_ptr()));
            // The largest of each lane and its row; what is above the diagonal does not count.
            let (mut most, mut at) = (V::splat(-T::ONE), V::splat(lane(s)));
            for i in (first..rows).step_by(V::LANES) {
                let (x, row) = (V::load(column[i..].as_ptr()), numbers.add(V::splat(lane(i))));
                let size = row.where_less(V::splat(lane(s)), V::splat(-T::ONE), zero.sub(x).max(x));
                at = most.where_less(size, row, at);
                most = most.where_less(size, size, most);
            }
            let largest = most.largest();
            // Of equal ones the first row, as a search down the column finds it.
            let far = V::splat(lane(apart));
            let found = most.where_less(V::splat(largest), far, at);
            let pivot = -zero.sub(found).largest().to_f64();
            let pivot = if pivot < rows as f64 { pivot as usize } else { s };
            if !(largest > T::ZERO) {
                return s;
            }
            if pivot != s {
                before.chunks_exact_mut(apart).for_each(|c| c.swap(s, pivot));
                column.swap(s, pivot);
                rest.chunks_exact_mut(apart).take(width - s - 1).for_each(|c| c.swap(s, pivot));
            }
            let value = column[s];
            let inverse = T::ONE / value;
            for i in (first..rows).step_by(V::LANES) {
                let (x, row) = (V::load(column[i..].as_ptr()), numbers.add(V::splat(lane(i))));
                let quotient = if inverse.is_finite() { x.mul(V::splat(inverse)) } else { x.div(V::splat(value)) };
                let below = V::splat(lane(s)).where_less(row, quotient, zero);
                V::splat(lane(s)).where_less(row, quotient, x).store(column[i..].as_mut_ptr());
                for c in 0..width - s - 1 {
                    let to = &mut rest[c * apart..];
                    let factor = V::splat(-to[s]);
                    let sum = below.mul_add(factor, V::load(to[i..].as_ptr()));
                    sum.store(to[i..].as_mut_ptr());
                }
            }
            pivot
        }
    }

    /// Exchanges rows i and j outside of the panel's columns.
    ///
    /// # Safety
    /// As for [`panels`](Self::panels).
    #[inline(always)]
    unsafe fn exchange<V: Vector<Element = T>>(&self, i: usize, j: usize, panel: std::ops::Range<usize>) {
        if i == j {
            return;
        }
        for range in [0..panel.start, panel.end..self.n] {
            for column in range.clone().step_by(V::LANES) {
                let count = V::LANES.min(range.end - column);
                // SAFETY: the caller's duty.
                unsafe {
                    let (x, y) = (self.x.at(i, column), self.x.at(j, column));
                    if count == V::LANES {
                        let (a, b) = (V::load(x), V::load(y));
                        b.store(x);
                        a.store(y);
                    } else {
                        let (a, b) = (V::load_first(x, count), V::load_first(y, count));
                        b.store_first(x, count);
                        a.store_first(y, count);
                    }
                }
            }
        }
    }
}
