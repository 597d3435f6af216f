//! A = Q R of rows that fit in the caches, by Householder reflections a panel of a register's columns at a time.
//!
//! A panel is turned so that its columns lie along registers, and reflected column by column. Its reflections together are
//! I − V T Vᵀ (Schreiber and Van Loan 1989): of a register of other columns, Vᵀ C stays in registers while the rows pass,
//! once to be summed and once to be changed.

use super::columns::norm;
use super::substitute::{Rows, Tile, load, store};
use crate::buffer::{Block, OutOfMemory};
use crate::number::Number;
use crate::product::transpose;
use crate::real::Real;
use crate::shape::count;
use crate::simd::{Isa, Kernel, Lanes, MAX_LANES, Vector, dispatch_on};

/// The reflections of `steps` columns of m rows.
pub(super) struct Reflections<'a, T> {
    /// V of each panel row by row, as many rows apart as [`padded`] says.
    v: &'a mut [T],
    /// T of each panel, column by column.
    t: &'a mut [T],
    m: usize,
    steps: usize,
}

/// Whole registers.
fn padded(m: usize) -> usize {
    m.next_multiple_of(MAX_LANES)
}

/// The elements that the reflections of `steps` columns of m rows take.
pub(super) fn len(m: usize, steps: usize) -> usize {
    count(&[padded(m) + MAX_LANES, padded(steps)])
}

impl<'a, T: Lanes> Reflections<'a, T> {
    /// Of [`len`] elements of unspecified content, or those that a factorization left there.
    ///
    /// # Panics
    /// If there are more steps than rows, or another number of elements.
    pub fn new(memory: &'a mut [T], m: usize, steps: usize) -> Self {
        assert!(steps <= m && memory.len() == len(m, steps), "memory for the reflections");
        let (v, t) = memory.split_at_mut(padded(m) * padded(steps));
        Self { v, t, m, steps }
    }

    /// Reflects m rows of n columns, one after another, so that the first `steps` columns become R; what was below it is unspecified.
    ///
    /// # Panics
    /// If the rows do not lie in `a`.
    pub fn factor(&mut self, isa: Isa, a: &mut [T], n: usize) -> Result<(), OutOfMemory> {
        self.check(a, n);
        assert!(self.steps <= n, "a column for each step");
        if self.steps > 0 {
            let mut panel = Block::new(count(&[padded(self.m), MAX_LANES]))?;
            let x = Rows { at: a.as_mut_ptr(), stride: n as isize };
            dispatch_on(isa, Run { of: self, x, n, panel: &mut panel, task: Task::Factor });
        }
        Ok(())
    }

    /// Multiplies m rows of n columns, one after another, by H₁ H₂ ⋯.
    ///
    /// # Panics
    /// If the rows do not lie in `c`.
    pub fn apply(&mut self, isa: Isa, c: &mut [T], n: usize) {
        self.apply_as(isa, c, n, Task::Apply);
    }

    /// Makes m rows of n columns, one after another, the first columns of H₁ H₂ ⋯.
    ///
    /// # Panics
    /// If the rows do not lie in `q`.
    pub fn columns(&mut self, isa: Isa, q: &mut [T], n: usize) {
        q.fill(T::ZERO);
        (0..n.min(self.m)).for_each(|i| q[i * n + i] = T::ONE);
        self.apply_as(isa, q, n, Task::ApplyToIdentity);
    }

    fn apply_as(&mut self, isa: Isa, c: &mut [T], n: usize, task: Task) {
        self.check(c, n);
        if self.steps > 0 {
            let x = Rows { at: c.as_mut_ptr(), stride: n as isize };
            dispatch_on(isa, Run { of: self, x, n, panel: &mut [], task });
        }
    }

    fn check(&self, a: &[T], n: usize) {
        assert_eq!(a.len(), count(&[self.m, n]), "as many rows as were reflected");
    }
}

struct Run<'a, 'b, T> {
    of: &'a mut Reflections<'b, T>,
    x: Rows<T>,
    n: usize,
    /// A panel column by column.
    panel: &'a mut [T],
    task: Task,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    Factor,
    Apply,
    ApplyToIdentity,
}

impl<T: Lanes> Kernel<T> for Run<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        // SAFETY: `dispatch_on` found the instruction set, and `check` that the rows lie in their data.
        unsafe {
            match V::LANES {
                16 => self.run_in::<V, 16>(),
                8 => self.run_in::<V, 8>(),
                4 => self.run_in::<V, 4>(),
                2 => self.run_in::<V, 2>(),
                _ => self.run_in::<V, 1>(),
            }
        }
    }
}

impl<T: Lanes> Run<'_, '_, T> {
    /// # Safety
    /// The instruction set is enabled, registers have L lanes, and the rows lie in their data.
    #[inline(always)]
    unsafe fn run_in<V: Vector<Element = T>, const L: usize>(mut self) {
        let (m, n, steps, apart) = (self.of.m, self.n, self.of.steps, padded(self.of.m));
        let (panels, factor) = (steps.div_ceil(L), self.task == Task::Factor);
        for p in 0..panels {
            let p = if factor { p } else { panels - 1 - p };
            let (start, v) = (p * L, p * L * apart);
            // SAFETY: the caller's duty; a panel of reflections has room for L columns of whole registers.
            unsafe {
                if factor {
                    let width = L.min(steps - start);
                    self.turn::<V, L>(start, width);
                    self.reflect_panel::<V, L>(start, width);
                }
                let (v, t) = (self.of.v[v..].as_ptr(), self.of.t[start * L..][..L * L].as_ptr());
                let first = match self.task {
                    Task::Factor => (start + L).min(self.of.steps),
                    Task::Apply => 0,
                    // Its columns before are 0 where this panel reflects.
                    Task::ApplyToIdentity => start,
                };
                let rows = Tile { row: start, column: 0, last: 0 };
                let mut column = first;
                while column < n {
                    let full = (n - column) / V::LANES;
                    let tile = Tile { column, last: (n - column).min(V::LANES), ..rows };
                    // As many sums as there are registers for.
                    if full >= 2 && L <= 8 && V::REGISTERS >= 32 {
                        reflect::<V, L, 2>(v, t, factor, self.x, m, tile);
                        column += 2 * V::LANES;
                    } else {
                        reflect::<V, L, 1>(v, t, factor, self.x, m, tile);
                        column += V::LANES;
                    }
                }
            }
        }
    }

    /// Writes the columns of a panel, from row `start` on, to the panel, and 0 to where it is wider or longer.
    ///
    /// # Safety
    /// As for [`run_in`](Self::run_in).
    #[inline(always)]
    unsafe fn turn<V: Vector<Element = T>, const L: usize>(&mut self, start: usize, width: usize) {
        let apart = padded(self.of.m);
        for first in (start..self.of.m).step_by(L) {
            let rows = L.min(self.of.m - first);
            // SAFETY: the caller's duty.
            unsafe {
                let mut block = [V::splat(T::ZERO); L];
                for (r, row) in block.iter_mut().enumerate().take(rows) {
                    [*row] = load::<V, 1>(self.x, first + r, Tile { row: 0, column: start, last: width });
                }
                transpose(&mut block);
                for (c, column) in block.iter().enumerate() {
                    column.store(self.panel[c * apart + first - start..].as_mut_ptr());
                }
            }
        }
    }

    /// Reflects the columns of the panel; writes their part of R to the rows, and V and T to the reflections.
    ///
    /// # Safety
    /// As for [`run_in`](Self::run_in).
    #[inline(always)]
    unsafe fn reflect_panel<V: Vector<Element = T>, const L: usize>(&mut self, start: usize, width: usize) {
        let (apart, rows) = (padded(self.of.m), self.of.m - start);
        let t = &mut self.of.t[start * L..][..L * L];
        t.fill(T::ZERO);
        for j in 0..width {
            // SAFETY: the caller's duty.
            unsafe {
                let (diagonal, tau, products) = reflect_column::<V, L>(self.panel, apart, rows, [j, width]);
                let zero = V::splat(T::ZERO);
                for i in 0..width {
                    // What is above the diagonal is of R, and the vector 0 there.
                    let x = &mut self.panel[j * apart + i];
                    let r = if i < j { std::mem::replace(x, T::ZERO) } else { T::ZERO };
                    *self.x.at(start + i, start + j) = if i == j { diagonal } else { r };
                }
                // T = [T, −τ T (Vᵀ v); 0, τ]
                let mut column = zero;
                for (i, &product) in products.iter().enumerate().take(j) {
                    column = V::splat(-tau * product).mul_add(V::load(t[i * L..].as_ptr()), column);
                }
                column.store(t[j * L..].as_mut_ptr());
                t[j * L + j] = tau;
            }
        }
        for first in (0..rows).step_by(L) {
            // SAFETY: the caller's duty; columns of the panel and rows of V hold whole registers.
            unsafe {
                let mut block = [V::splat(T::ZERO); L];
                for (c, column) in block.iter_mut().enumerate() {
                    *column = V::load(self.panel[c * apart + first..].as_ptr());
                }
                transpose(&mut block);
                for (r, row) in block.iter().enumerate() {
                    row.store(self.of.v[start * apart + (first + r) * L..].as_mut_ptr());
                }
            }
        }
    }
}

/// Makes column j of a panel the vector v of its reflection, but for the part of R above the diagonal, and reflects the columns
/// after it; returns the element of R on the diagonal, τ, and the products of v with the vectors before.
///
/// # Safety
/// The instruction set is enabled, registers have L lanes, and the panel L columns of whole registers.
#[inline(always)]
unsafe fn reflect_column<V: Vector<Element: Lanes>, const L: usize>(
    panel: &mut [V::Element],
    apart: usize,
    rows: usize,
    [j, width]: [usize; 2],
) -> (V::Element, V::Element, [V::Element; L]) {
    let (zero, one) = (V::Element::ZERO, V::Element::ONE);
    let first = j - j % L;
    let column = &mut panel[j * apart..][..apart];
    let (alpha, above): (_, [V::Element; L]) =
        (column[j], std::array::from_fn(|i| if i < j % L { column[first + i] } else { zero }));
    // The vector's own part alone counts: 0 above the diagonal, where R is put back in the end.
    column[first..=j].fill(zero);
    // SAFETY: the caller's duty.
    unsafe {
        let mut squares = [V::splat(zero); 2];
        for i in (first..rows).step_by(L) {
            let x = V::load(column[i..].as_ptr());
            squares[i / L % 2] = x.mul_add(x, squares[i / L % 2]);
        }
        let square = squares[0].add(squares[1]).sum();
        // Squares keep their digits where their sum is far above the smallest number and below the largest.
        let (low, high) = if size_of::<V::Element>() == 4 { (1e-24, 1e37) } else { (1e-260, 1e307) };
        let fits = |x: V::Element| x > V::Element::from_f64(low) && x < V::Element::from_f64(high);
        let tail = if fits(square) { square.sqrt() } else { norm(&column[j + 1..rows]) };
        if tail == zero {
            column.fill(zero);
            column[j] = one;
            column[first..j].copy_from_slice(&above[..j % L]);
            return (alpha, zero, [zero; L]);
        }
        let sum = alpha.mul_add(alpha, square);
        let length = if fits(square) && fits(sum) { sum.sqrt() } else { norm(&[alpha, tail]) };
        let beta = if alpha > zero { -length } else { length };
        let (tau, divisor) = ((beta - alpha) / beta, alpha - beta);
        let inverse = one / divisor;
        if inverse.is_finite() {
            for i in (first..rows).step_by(L) {
                let x = V::load(column[i..].as_ptr());
                x.mul(V::splat(inverse)).store(column[i..].as_mut_ptr());
            }
        } else {
            column[first..rows].iter_mut().for_each(|x| *x = *x / divisor);
        }
        column[j] = one;
        let mut sums = [V::splat(zero); L];
        for i in (first..rows).step_by(L) {
            let v = V::load(panel[j * apart + i..].as_ptr());
            for c in 0..L {
                sums[c] = v.mul_add(V::load(panel[c * apart + i..].as_ptr()), sums[c]);
            }
        }
        transpose(&mut sums);
        let mut products = [zero; L];
        sums.iter().fold(V::splat(zero), |sum, x| sum.add(*x)).store(products.as_mut_ptr());
        let (before, after) = panel.split_at_mut((j + 1) * apart);
        let vector = &mut before[j * apart..];
        for (c, column) in after.chunks_exact_mut(apart).enumerate().take(width - j - 1) {
            let factor = V::splat(-tau * products[j + 1 + c]);
            for i in (first..rows).step_by(L) {
                let sum = factor.mul_add(V::load(vector[i..].as_ptr()), V::load(column[i..].as_ptr()));
                sum.store(column[i..].as_mut_ptr());
            }
        }
        vector[first..j].copy_from_slice(&above[..j % L]);
        (beta, tau, products)
    }
}

/// C = (I − V T Vᵀ) C, or by its transpose, for N registers of columns and the rows from `tile.row` below m.
///
/// # Safety
/// The instruction set is enabled, registers have L lanes, the rows of C lie in their data, and there is a row of V for each
/// and L² elements of T.
#[inline(always)]
unsafe fn reflect<V: Vector, const L: usize, const N: usize>(
    v: *const V::Element,
    t: *const V::Element,
    transposed: bool,
    c: Rows<V::Element>,
    m: usize,
    tile: Tile,
) {
    // SAFETY: the caller's duty.
    unsafe {
        let zero = V::splat(V::Element::ZERO);
        let mut sums = [[zero; N]; L];
        for i in tile.row..m {
            let (row, v) = (load::<V, N>(c, i, tile), v.add((i - tile.row) * L));
            for r in 0..L {
                let factor = V::splat(*v.add(r));
                for n in 0..N {
                    sums[r][n] = factor.mul_add(row[n], sums[r][n]);
                }
            }
        }
        // −T W or −Tᵀ W
        let mut products = [[zero; N]; L];
        for r in 0..L {
            let range = if transposed { 0..r + 1 } else { r..L };
            for q in range {
                let at = if transposed { r * L + q } else { q * L + r };
                let factor = V::splat(-*t.add(at));
                for n in 0..N {
                    products[r][n] = factor.mul_add(sums[q][n], products[r][n]);
                }
            }
        }
        for i in tile.row..m {
            let (mut row, v) = (load::<V, N>(c, i, tile), v.add((i - tile.row) * L));
            for r in 0..L {
                let factor = V::splat(*v.add(r));
                for n in 0..N {
                    row[n] = factor.mul_add(products[r][n], row[n]);
                }
            }
            store(c, i, tile, row);
        }
    }
}
