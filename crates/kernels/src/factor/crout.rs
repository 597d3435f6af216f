//! P A = L U of a matrix that fits in the caches, by panels of a register's columns (Crout).
//!
//! ```text
//!   U           U₁₂            Rows of U come from `substitute`. The columns of a panel are reduced by L and U before them,
//!     ┌──────┬────────────     transposed so that they lie along registers, factored with exchange of rows, and back;
//!   L │ panel│ next rows of U  then the rest of each exchanged row follows.
//!     │      ├────────────
//!     │      │ not yet touched
//! ```

use super::rows::{Factor, Rows};
use super::substitute::{Diagonal, residual, solve_rows};
use crate::buffer::{Block, OutOfMemory};
use crate::simd::{Enabled, Isa, Kernel, Lanes, MAX_LANES, Square, Vector, dispatch_on};

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
    assert!(n <= LARGEST && pivots.len() == m.min(n), "columns that are not too many, and a pivot for each step");
    let x = Rows::new(a, [m, n], stride);
    if m == 0 || n == 0 {
        return Ok(());
    }
    let rows = m.next_multiple_of(MAX_LANES);
    let mut panel = Block::new(rows.saturating_mul(MAX_LANES))?;
    dispatch_on(isa, Crout { x, m, n, pivots, panel: &mut panel });
    Ok(())
}

struct Crout<'a, T> {
    x: Rows<'a, T>,
    m: usize,
    n: usize,
    pivots: &'a mut [usize],
    /// A panel column by column, as many elements apart as whole registers of rows need.
    panel: &'a mut [T],
}

impl<T: Lanes> Kernel<T> for Crout<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(mut self, isa: Enabled<V>) {
        let (m, n) = (self.m, self.n);
        let ones = [-T::ONE; LARGEST];
        let t = self.x.factor();
        let steps = m.min(n);
        for start in (0..steps).step_by(V::LANES) {
            let end = steps.min(start + V::LANES);
            self.load_panel(isa, t, start, end - start);
            for s in 0..end - start {
                self.pivots[start + s] = start + self.step(isa, m - start, s, end - start);
            }
            self.store_panel(isa, start, end - start);
            for s in start..end {
                let rows = [s, self.pivots[s]];
                if rows[0] != rows[1] {
                    self.x.exchange(isa, rows, 0..start);
                    self.x.exchange(isa, rows, end..n);
                }
            }
            solve_rows(isa, t, self.x, start..end, end..n, Diagonal::Inverses(&ones));
        }
    }
}

impl<T: Lanes> Crout<'_, T> {
    /// The distance between columns of the panel.
    #[inline(always)]
    fn apart(&self) -> usize {
        self.panel.len() / MAX_LANES
    }

    /// Reduces the columns of a panel from row `start` on, and writes them to the panel.
    #[inline(always)]
    fn load_panel<V: Vector<Element = T>>(&mut self, isa: Enabled<V>, t: Factor<'_, T>, start: usize, width: usize) {
        let (apart, x) = (self.apart(), self.x.strip::<V, 1>(isa, start, width));
        for first in (start..self.m).step_by(V::LANES) {
            let rows = V::LANES.min(self.m - first);
            let mut block = Square::<V>::zero(isa);
            let mut r = 0;
            while r + 8 <= rows {
                let sums = residual::<V, 8, 1>(t, x, first + r, start);
                for i in 0..8 {
                    block[r + i] = -sums[i][0];
                }
                r += 8;
            }
            while r < rows {
                let [[sum]] = residual::<V, 1, 1>(t, x, first + r, start);
                block[r] = -sum;
                r += 1;
            }
            block.transpose();
            for (c, column) in block.iter().enumerate().take(width) {
                column.write(&mut self.panel[c * apart + first - start..]);
            }
        }
    }

    /// Writes the panel back to rows.
    #[inline(always)]
    fn store_panel<V: Vector<Element = T>>(&mut self, isa: Enabled<V>, start: usize, width: usize) {
        let (apart, x) = (self.apart(), self.x.strip::<V, 1>(isa, start, width));
        for first in (start..self.m).step_by(V::LANES) {
            let rows = V::LANES.min(self.m - first);
            let mut block = Square::<V>::zero(isa);
            for (c, column) in block.iter_mut().enumerate().take(width) {
                *column = isa.read(&self.panel[c * apart + first - start..]);
            }
            block.transpose();
            for (r, row) in block.iter().enumerate().take(rows) {
                x.store(first + r, [*row]);
            }
        }
    }

    /// Eliminates column s of a panel of `rows` rows and returns the row that its pivot was in.
    #[inline(always)]
    fn step<V: Vector<Element = T>>(&mut self, isa: Enabled<V>, rows: usize, s: usize, width: usize) -> usize {
        let apart = self.apart();
        let (before, panel) = self.panel.split_at_mut(s * apart);
        let (column, rest) = panel.split_at_mut(apart);
        // Registers that hold all rows, of which columns have room for whole ones.
        let registers = ..rows.next_multiple_of(V::LANES);
        let lane = |i: usize| T::from_f64(i as f64);
        let numbers = isa.read(&std::array::from_fn::<T, MAX_LANES, _>(lane));
        let (zero, here) = (isa.zero(), isa.splat(lane(s)));
        // The largest of each lane and its row; what is above the diagonal does not count.
        let (mut most, mut at) = (isa.splat(-T::ONE), here);
        for (i, x) in column[registers].chunks_exact(V::LANES).enumerate() {
            let (x, row) = (isa.read(x), numbers + isa.splat(lane(i * V::LANES)));
            let size = row.where_less(here, isa.splat(-T::ONE), x.abs());
            at = most.where_less(size, row, at);
            most = most.where_less(size, size, most);
        }
        let largest = most.largest();
        // Of equal ones the first row, as a search down the column finds it.
        let found = most.where_less(isa.splat(largest), isa.splat(lane(apart)), at);
        let pivot = -(-found).largest().to_f64();
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
        let rest = &mut rest[..(width - s - 1) * apart];
        assert!(s < apart && registers.end <= apart, "whole registers of each column");
        for (i, column) in column[registers].chunks_exact_mut(V::LANES).enumerate() {
            let (x, row) = (isa.read(column), numbers + isa.splat(lane(i * V::LANES)));
            let quotient = if inverse.is_finite() { x * isa.splat(inverse) } else { x / isa.splat(value) };
            let below = here.where_less(row, quotient, zero);
            here.where_less(row, quotient, x).write(column);
            for c in 0..width - s - 1 {
                // SAFETY: so many columns, `apart` from each other, hold whole registers, as was checked above.
                unsafe {
                    let to = rest.as_mut_ptr().add(c * apart);
                    let (factor, to) = (isa.splat(-*to.add(s)), to.add(i * V::LANES));
                    below.mul_add(factor, isa.load(to)).store(to);
                }
            }
        }
        pivot
    }
}
