//! A = Q R of rows that fit in the caches, by Householder reflections a panel of a register's columns at a time.
//!
//! A panel is transposed so that its columns lie along registers, and reflected column by column. Its reflections together are
//! I − V T Vᵀ (Schreiber and Van Loan 1989): of a register of other columns, Vᵀ C stays in registers while the rows pass,
//! once to be summed and once to be changed.

use super::columns::norm;
use super::rows::{Rows, Strip};
use crate::buffer::{Block, OutOfMemory};
use crate::number::Number;
use crate::real::Real;
use crate::shape::count;
use crate::simd::{Enabled, Isa, Kernel, Lanes, MAX_LANES, Square, Vector, dispatch_on};

/// The reflections of `steps` columns of m rows.
pub(super) struct PanelReflections<'a, T> {
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

impl<'a, T: Lanes> PanelReflections<'a, T> {
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
            let x = Rows::new(a, [self.m, n], n);
            dispatch_on(isa, Run { of: self, x, n, panel: &mut panel, task: Task::Factor });
        }
        Ok(())
    }

    /// Takes reflections I − τ v vᵀ whose vectors are columns of m numbers, `apart` from the next: the j-th vector is 1 in place j and
    /// 0 before.
    ///
    /// # Panics
    /// If there is another number of τ than of steps, or the columns do not lie in `columns`.
    pub fn take(&mut self, isa: Isa, columns: &[T], apart: usize, tau: &[T]) {
        let last = self.steps.saturating_sub(1).saturating_mul(apart).saturating_add(self.m);
        assert!(tau.len() == self.steps && (self.steps == 0 || columns.len() >= last), "a column for each step");
        dispatch_on(isa, Take { of: self, columns, apart, tau });
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
            let x = Rows::new(c, [self.m, n], n);
            dispatch_on(isa, Run { of: self, x, n, panel: &mut [], task });
        }
    }

    fn check(&self, a: &[T], n: usize) {
        assert_eq!(a.len(), count(&[self.m, n]), "as many rows as were reflected");
    }
}

struct Run<'a, 'b, T> {
    of: &'a mut PanelReflections<'b, T>,
    x: Rows<'a, T>,
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
    fn run<V: Vector<Element = T>>(mut self, isa: Enabled<V>) {
        let (m, n, steps, apart) = (self.of.m, self.n, self.of.steps, padded(self.of.m));
        let (panels, factor) = (steps.div_ceil(V::LANES), self.task == Task::Factor);
        for p in 0..panels {
            let start = V::LANES * if factor { p } else { panels - 1 - p };
            if factor {
                let width = V::LANES.min(steps - start);
                self.load_panel(isa, start, width);
                self.reflect_panel(isa, start, width);
            }
            let v = &self.of.v[start * apart..][..(m - start) * V::LANES];
            let t = &self.of.t[start * V::LANES..][..V::LANES * V::LANES];
            let mut column = match self.task {
                Task::Factor => (start + V::LANES).min(steps),
                Task::Apply => 0,
                // Its columns before are 0 where this panel reflects.
                Task::ApplyToIdentity => start,
            };
            while column < n {
                // As many sums as there are registers for.
                if (n - column) / V::LANES >= 2 && V::LANES <= 8 && V::REGISTERS >= 32 {
                    let x = self.x.strip::<V, 2>(isa, column, V::LANES);
                    reflect(v, t, factor, x.part(start, m - start));
                    column += 2 * V::LANES;
                } else {
                    let x = self.x.strip::<V, 1>(isa, column, (n - column).min(V::LANES));
                    reflect(v, t, factor, x.part(start, m - start));
                    column += V::LANES;
                }
            }
        }
    }
}

impl<T: Lanes> Run<'_, '_, T> {
    /// Writes the columns of a panel, from row `start` on, to the panel, and 0 to where it is wider or longer.
    #[inline(always)]
    fn load_panel<V: Vector<Element = T>>(&mut self, isa: Enabled<V>, start: usize, width: usize) {
        let (apart, x) = (padded(self.of.m), self.x.strip::<V, 1>(isa, start, width));
        for first in (start..self.of.m).step_by(V::LANES) {
            let rows = V::LANES.min(self.of.m - first);
            let mut block = Square::<V>::zero(isa);
            for (r, row) in block.iter_mut().enumerate().take(rows) {
                [*row] = x.load(first + r);
            }
            block.transpose();
            for (c, column) in block.iter().enumerate() {
                column.write(&mut self.panel[c * apart + first - start..]);
            }
        }
    }

    /// Reflects the columns of the panel; writes their part of R to the rows, and V and T to the reflections.
    #[inline(always)]
    fn reflect_panel<V: Vector<Element = T>>(&mut self, isa: Enabled<V>, start: usize, width: usize) {
        let (apart, rows) = (padded(self.of.m), self.of.m - start);
        let t = &mut self.of.t[start * V::LANES..][..V::LANES * V::LANES];
        t.fill(T::ZERO);
        for j in 0..width {
            let (diagonal, tau, products) = reflect_column(isa, self.panel, apart, rows, [j, width]);
            for i in 0..width {
                // What is above the diagonal is of R, and the vector 0 there.
                let x = &mut self.panel[j * apart + i];
                let r = if i < j { std::mem::replace(x, T::ZERO) } else { T::ZERO };
                self.x.cell(start + i, start + j).set(if i == j { diagonal } else { r });
            }
            add_to_triangle(isa, t, j, tau, &products);
        }
        let v = &mut self.of.v[start * apart..][..V::LANES * apart];
        for (i, v) in v.chunks_exact_mut(V::LANES * V::LANES).enumerate().take(rows.div_ceil(V::LANES)) {
            let mut block = Square::<V>::zero(isa);
            for (c, column) in block.iter_mut().enumerate() {
                *column = isa.read(&self.panel[c * apart + i * V::LANES..]);
            }
            block.transpose();
            for (row, to) in block.iter().zip(v.chunks_exact_mut(V::LANES)) {
                row.write(to);
            }
        }
    }
}

struct Take<'a, 'b, T> {
    of: &'a mut PanelReflections<'b, T>,
    columns: &'a [T],
    apart: usize,
    tau: &'a [T],
}

impl<T: Lanes> Kernel<T> for Take<'_, '_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let (m, padded) = (self.of.m, padded(self.of.m));
        for start in (0..self.tau.len()).step_by(V::LANES) {
            let (width, rows) = (V::LANES.min(self.tau.len() - start), m - start);
            let v = &mut self.of.v[start * padded..][..V::LANES * padded];
            let mut products = Square::<V>::zero(isa);
            for (i, v) in v.chunks_exact_mut(V::LANES * V::LANES).enumerate().take(rows.div_ceil(V::LANES)) {
                let mut block = Square::<V>::zero(isa);
                for (c, x) in block.iter_mut().enumerate().take(width) {
                    *x = isa.read_first(&self.columns[(start + c) * self.apart..][..m][start + i * V::LANES..]);
                }
                block.transpose();
                for (row, to) in block.iter().zip(v.chunks_exact_mut(V::LANES)) {
                    row.write(to);
                    for (sum, &x) in products.iter_mut().zip(&*to) {
                        *sum = isa.splat(x).mul_add(*row, *sum);
                    }
                }
            }
            let t = &mut self.of.t[start * V::LANES..][..V::LANES * V::LANES];
            t.fill(T::ZERO);
            for (j, &tau) in self.tau[start..][..width].iter().enumerate() {
                let mut of_before = [T::ZERO; MAX_LANES];
                products[j].write(&mut of_before);
                add_to_triangle(isa, t, j, tau, &of_before);
            }
        }
    }
}

/// T = [T, −τ T (Vᵀ v); 0, τ] for the reflection after j others, of whose vectors these are the products with v.
#[inline(always)]
fn add_to_triangle<V: Vector>(isa: Enabled<V>, t: &mut [V::Element], j: usize, tau: V::Element, products: &[V::Element]) {
    let (before, from_here) = t.split_at_mut(j * V::LANES);
    let mut column = isa.zero();
    for (t, &product) in before.chunks_exact(V::LANES).zip(products) {
        column = isa.splat(-tau * product).mul_add(isa.read(t), column);
    }
    column.write(from_here);
    from_here[j] = tau;
}

/// Makes column j of a panel the vector v of its reflection, but for the part of R above the diagonal, and reflects the columns
/// after it; returns the element of R on the diagonal, τ, and the products of v with the vectors before.
#[inline(always)]
fn reflect_column<V: Vector>(
    isa: Enabled<V>,
    panel: &mut [V::Element],
    apart: usize,
    rows: usize,
    [j, width]: [usize; 2],
) -> (V::Element, V::Element, [V::Element; MAX_LANES]) {
    let (zero, one) = (V::Element::ZERO, V::Element::ONE);
    // Whole registers that hold all rows.
    let end = rows.next_multiple_of(V::LANES);
    assert!(j < V::LANES && end <= apart && apart <= panel.len() / V::LANES, "a register's columns of whole registers");
    let column = &mut panel[j * apart..][..apart];
    let (alpha, mut above) = (column[j], [zero; MAX_LANES]);
    above[..j].copy_from_slice(&column[..j]);
    // The vector's own part alone counts: 0 above the diagonal, where R is put back in the end.
    column[..=j].fill(zero);
    let mut squares = [isa.zero(); 2];
    let pairs = column[..end].chunks_exact(2 * V::LANES);
    let last = pairs.remainder();
    for pair in pairs {
        let (x, y) = (isa.read(pair), isa.read(&pair[V::LANES..]));
        squares = [x.mul_add(x, squares[0]), y.mul_add(y, squares[1])];
    }
    if !last.is_empty() {
        let x = isa.read(last);
        squares[0] = x.mul_add(x, squares[0]);
    }
    let square = (squares[0] + squares[1]).sum();
    // Squares keep their digits where their sum is far above the smallest number and below the largest.
    let (low, high) = if size_of::<V::Element>() == 4 { (1e-24, 1e37) } else { (1e-260, 1e307) };
    let fits = |x: V::Element| x > V::Element::from_f64(low) && x < V::Element::from_f64(high);
    let tail = if fits(square) { square.sqrt() } else { norm(&column[j + 1..rows]) };
    if tail == zero {
        column.fill(zero);
        column[j] = one;
        column[..j].copy_from_slice(&above[..j]);
        return (alpha, zero, [zero; MAX_LANES]);
    }
    let sum = alpha.mul_add(alpha, square);
    let length = if fits(square) && fits(sum) { sum.sqrt() } else { norm(&[alpha, tail]) };
    let beta = if alpha > zero { -length } else { length };
    let (tau, divisor) = ((beta - alpha) / beta, alpha - beta);
    let inverse = one / divisor;
    if inverse.is_finite() {
        for x in column[..end].chunks_exact_mut(V::LANES) {
            (isa.read(x) * isa.splat(inverse)).write(x);
        }
    } else {
        column[..rows].iter_mut().for_each(|x| *x = *x / divisor);
    }
    column[j] = one;
    let mut sums = Square::<V>::zero(isa);
    for i in (0..end).step_by(V::LANES) {
        let at = panel[i..].as_ptr();
        // SAFETY: a register from i on lies below `end`, and so in each of the columns, as was checked above.
        unsafe {
            let v = isa.load(at.add(j * apart));
            for c in 0..V::LANES {
                sums[c] = v.mul_add(isa.load(at.add(c * apart)), sums[c]);
            }
        }
    }
    sums.transpose();
    let (mut sum, mut products) = (isa.zero(), [zero; MAX_LANES]);
    for &x in sums.iter() {
        sum += x;
    }
    sum.write(&mut products);
    let (before, after) = panel.split_at_mut((j + 1) * apart);
    let vector = &mut before[j * apart..];
    for (column, &product) in after.chunks_exact_mut(apart).zip(&products[j + 1..width]) {
        let factor = isa.splat(-tau * product);
        for (v, x) in vector[..end].chunks_exact(V::LANES).zip(column[..end].chunks_exact_mut(V::LANES)) {
            factor.mul_add(isa.read(v), isa.read(x)).write(x);
        }
    }
    vector[..j].copy_from_slice(&above[..j]);
    (beta, tau, products)
}

/// C = (I − V T Vᵀ) C, or by its transpose, for N registers of columns.
#[inline(always)]
fn reflect<V: Vector, const N: usize>(v: &[V::Element], t: &[V::Element], transposed: bool, c: Strip<'_, V, N>) {
    let (isa, rows) = (c.isa(), c.height());
    assert_eq!(t.len(), V::LANES * V::LANES, "a square T");
    let mut sums = [Square::<V>::zero(isa); N];
    for (i, v) in (0..rows).zip(v.chunks_exact(V::LANES)) {
        let row = c.load(i);
        for r in 0..V::LANES {
            let factor = isa.splat(v[r]);
            for n in 0..N {
                sums[n][r] = factor.mul_add(row[n], sums[n][r]);
            }
        }
    }
    // −T W or −Tᵀ W
    let mut products = [Square::<V>::zero(isa); N];
    for r in 0..V::LANES {
        let range = if transposed { 0..r + 1 } else { r..V::LANES };
        for q in range {
            let at = if transposed { r * V::LANES + q } else { q * V::LANES + r };
            // SAFETY: r and q are below `LANES`, and T has as many rows and columns, as was checked above.
            let factor = isa.splat(-unsafe { *t.get_unchecked(at) });
            for n in 0..N {
                products[n][r] = factor.mul_add(sums[n][q], products[n][r]);
            }
        }
    }
    for (i, v) in (0..rows).zip(v.chunks_exact(V::LANES)) {
        let mut row = c.load(i);
        for r in 0..V::LANES {
            let factor = isa.splat(v[r]);
            for n in 0..N {
                row[n] = factor.mul_add(products[n][r], row[n]);
            }
        }
        c.store(i, row);
    }
}
