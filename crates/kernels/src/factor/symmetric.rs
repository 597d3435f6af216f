//! What reducing a symmetric matrix takes of it in registers: its product with a vector, and sums of panels' columns.

use std::ops::Range;

use super::columns::add_scaled;
use crate::buffer::{Block, OutOfMemory};
use crate::params::params;
use crate::shape::count;
use crate::simd::{Enabled, Isa, Kernel, Lanes, MAX_LANES, Vector, dispatch_on};
use crate::threads;

/// Columns of the matrix that pass together.
const COLUMNS: usize = 4;
/// Registers of rows, or pairs of columns, of a panel that pass together.
const GROUP: usize = 4;

/// y = A x of the symmetric matrix whose lower triangle lies column by column, `stride` apart.
///
/// # Errors
/// If there is no memory to work in.
///
/// # Panics
/// If x and y are of different lengths, or the triangle is not in `a`.
pub(super) fn product<T: Lanes>(isa: Isa, a: &[T], stride: usize, x: &[T], y: &mut [T]) -> Result<(), OutOfMemory> {
    let n = x.len();
    assert!(
        y.len() == n && stride >= n && (n == 0 || a.len() >= (n - 1).saturating_mul(stride).saturating_add(n)),
        "a triangle of as many columns"
    );
    let area = (n * n * size_of::<T>()) as f64 / 2.0;
    let parts = threads::brief_parts(n.div_ceil(COLUMNS), area * params().factor.symmetric_ns / n.div_ceil(COLUMNS).max(1) as f64);
    if parts < 2 {
        y.fill(T::ZERO);
        dispatch_on(isa, Product { a, stride, x, y, columns: 0..n });
        return Ok(());
    }
    // Columns are the shorter the later they come: equal parts of the triangle end where √(1 − part/parts) of them are left.
    let cut = |part: usize| {
        let left = n as f64 * (1.0 - part as f64 / parts as f64).sqrt();
        if part == parts { n } else { (n - left as usize) / COLUMNS * COLUMNS }
    };
    let (first, apart) = (lane(x), n.next_multiple_of(MAX_LANES) + MAX_LANES);
    let mut sums = Block::new(count(&[parts, apart]))?;
    threads::split_mut(&mut sums, apart, parts, |start, sums| {
        let (part, sums) = (start / apart, &mut sums[first..first + n]);
        sums.fill(T::ZERO);
        dispatch_on(isa, Product { a, stride, x, y: sums, columns: cut(part)..cut(part + 1) });
    });
    y.copy_from_slice(&sums[first..first + n]);
    for sums in sums.chunks_exact(apart).skip(1) {
        add_scaled(T::ONE, &sums[first..first + n], y);
    }
    Ok(())
}

/// The lane that the first element of a slice has where registers are aligned in memory.
pub(super) fn lane<T>(x: &[T]) -> usize {
    x.as_ptr() as usize / size_of::<T>() % MAX_LANES
}

/// Adds the product with some columns of the triangle, and with the rows that they are too, to y.
struct Product<'a, T> {
    a: &'a [T],
    stride: usize,
    x: &'a [T],
    y: &'a mut [T],
    columns: Range<usize>,
}

impl<T: Lanes> Kernel<T> for Product<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let n = self.x.len();
        for first in self.columns.clone().step_by(COLUMNS) {
            let width = COLUMNS.min(n - first);
            // What of these columns is beside the diagonal in the same rows.
            for j in first..first + width {
                let column = &self.a[j * self.stride..];
                let mut sum = column[j] * self.x[j];
                for i in j + 1..first + width {
                    sum = column[i].mul_add(self.x[i], sum);
                    self.y[i] = column[i].mul_add(self.x[j], self.y[i]);
                }
                self.y[j] += sum;
            }
            if first + width == n {
                return;
            }
            let (coefficients, x) = self.x[first..].split_at(COLUMNS);
            let (sums, y) = self.y[first..].split_at_mut(COLUMNS);
            let columns = std::array::from_fn(|c| &self.a[(first + c) * self.stride..][first + COLUMNS..n]);
            let mut pass = Pass { factors: [isa.zero(); COLUMNS], sums: [isa.zero(); COLUMNS] };
            for c in 0..COLUMNS {
                pass.factors[c] = isa.splat(coefficients[c]);
            }
            pass.run(columns, x, y);
            for c in 0..COLUMNS {
                sums[c] += pass.sums[c].sum();
            }
        }
    }
}

/// Some columns on their way through the rows.
struct Pass<V: Vector> {
    factors: [V; COLUMNS],
    sums: [V; COLUMNS],
}

impl<V: Vector> Pass<V> {
    /// Passes all rows, whole registers of them from where the first column is aligned.
    #[inline(always)]
    fn run(&mut self, columns: [&[V::Element]; COLUMNS], x: &[V::Element], y: &mut [V::Element]) {
        let isa = self.sums[0].isa();
        let start = ((V::LANES - lane(columns[0]) % V::LANES) % V::LANES).min(x.len());
        let whole = start..x.len() - (x.len() - start) % V::LANES;
        self.part(columns, x, y, 0..start);
        let [a, b, c, d] = columns.map(|a| a[whole.clone()].chunks_exact(V::LANES));
        let (x_whole, y_whole) = (x[whole.clone()].chunks_exact(V::LANES), y[whole.clone()].chunks_exact_mut(V::LANES));
        for (((((to, x), a), b), c), d) in y_whole.zip(x_whole).zip(a).zip(b).zip(c).zip(d) {
            let (x, y) = (isa.read(x), isa.read(to));
            self.step([isa.read(a), isa.read(b), isa.read(c), isa.read(d)], x, y).write(to);
        }
        self.part(columns, x, y, whole.end..x.len());
    }

    /// Passes rows that are fewer than fill a register.
    #[inline(always)]
    fn part(&mut self, columns: [&[V::Element]; COLUMNS], x: &[V::Element], y: &mut [V::Element], rows: Range<usize>) {
        if rows.is_empty() {
            return;
        }
        let isa = self.sums[0].isa();
        let mut a = [isa.zero(); COLUMNS];
        for c in 0..COLUMNS {
            a[c] = isa.read_first(&columns[c][rows.clone()]);
        }
        let (x, to) = (isa.read_first(&x[rows.clone()]), &mut y[rows]);
        self.step(a, x, isa.read_first(to)).write_first(to);
    }

    /// What y becomes in these rows.
    #[inline(always)]
    fn step(&mut self, a: [V; COLUMNS], x: V, mut y: V) -> V {
        for c in 0..COLUMNS {
            y = a[c].mul_add(self.factors[c], y);
            self.sums[c] = a[c].mul_add(x, self.sums[c]);
        }
        y
    }
}

/// Columns v and w of a panel, each `apart` from the next, from row `first` on.
#[derive(Clone, Copy)]
pub(super) struct Pairs<'a, T> {
    pub v: &'a [T],
    pub w: &'a [T],
    pub apart: usize,
    pub first: usize,
}

impl<T: Lanes> Pairs<'_, T> {
    /// y += Σ α v + β w, a pair of factors for each pair of columns.
    pub fn add(self, isa: Isa, factors: &[[T; 2]], y: &mut [T]) {
        dispatch_on(isa, Add { of: self, factors, y });
    }

    /// (v · x, w · x) of each pair.
    pub fn products(self, isa: Isa, x: &[T], products: &mut [[T; 2]]) {
        dispatch_on(isa, Products { of: self, x, products });
    }

    /// Whether each of so many columns has so many rows.
    #[inline(always)]
    fn check(&self, columns: usize, rows: usize) {
        let least =
            if columns == 0 { 0 } else { (columns - 1).saturating_mul(self.apart).saturating_add(self.first).saturating_add(rows) };
        assert!(self.v.len() >= least && self.w.len() >= least, "rows of every column");
    }
}

struct Add<'a, T> {
    of: Pairs<'a, T>,
    factors: &'a [[T; 2]],
    y: &'a mut [T],
}

impl<T: Lanes> Kernel<T> for Add<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        self.of.check(self.factors.len(), self.y.len());
        let Pairs { v, w, apart, first } = self.of;
        let (v, w, rows) = (v.as_ptr().wrapping_add(first), w.as_ptr().wrapping_add(first), self.y.len());
        let y = self.y.as_mut_ptr();
        let mut i = 0;
        // SAFETY: i and what is passed with it stay within the rows of y, and `check` found as many in every column.
        unsafe {
            while i + GROUP * V::LANES <= rows {
                let mut sums = [isa.zero(); GROUP];
                for g in 0..GROUP {
                    sums[g] = isa.load(y.add(i + g * V::LANES));
                }
                for (c, &[alpha, beta]) in self.factors.iter().enumerate() {
                    let (v, w) = (v.add(c * apart + i), w.add(c * apart + i));
                    let (alpha, beta) = (isa.splat(alpha), isa.splat(beta));
                    for g in 0..GROUP {
                        sums[g] = alpha.mul_add(isa.load(v.add(g * V::LANES)), sums[g]);
                        sums[g] = beta.mul_add(isa.load(w.add(g * V::LANES)), sums[g]);
                    }
                }
                for g in 0..GROUP {
                    sums[g].store(y.add(i + g * V::LANES));
                }
                i += GROUP * V::LANES;
            }
            while i < rows {
                let count = V::LANES.min(rows - i);
                let mut sums = [isa.load_first(y.add(i), count), isa.zero()];
                for (c, &[alpha, beta]) in self.factors.iter().enumerate() {
                    let (v, w) = (v.add(c * apart + i), w.add(c * apart + i));
                    sums[0] = isa.splat(alpha).mul_add(isa.load_first(v, count), sums[0]);
                    sums[1] = isa.splat(beta).mul_add(isa.load_first(w, count), sums[1]);
                }
                (sums[0] + sums[1]).store_first(y.add(i), count);
                i += count;
            }
        }
    }
}

struct Products<'a, T> {
    of: Pairs<'a, T>,
    x: &'a [T],
    products: &'a mut [[T; 2]],
}

impl<T: Lanes> Kernel<T> for Products<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        self.of.check(self.products.len(), self.x.len());
        let Pairs { v, w, apart, first } = self.of;
        let (v, w) = (v.as_ptr().wrapping_add(first), w.as_ptr().wrapping_add(first));
        let whole = self.x.chunks_exact(V::LANES);
        let rest = whole.remainder();
        for (c, products) in self.products.chunks_mut(GROUP).enumerate() {
            // A pair that is missing counts as the last that is there.
            let at: [usize; GROUP] = std::array::from_fn(|g| (c * GROUP + g.min(products.len() - 1)) * apart);
            let mut sums = [[isa.zero(); 2]; GROUP];
            for (i, x) in whole.clone().enumerate() {
                let (i, x) = (i * V::LANES, isa.read(x));
                for (sums, at) in sums.iter_mut().zip(at) {
                    // SAFETY: x has a register of rows from i on, and `check` found as many as x has in every column.
                    let (v, w) = unsafe { (isa.load(v.add(at + i)), isa.load(w.add(at + i))) };
                    sums[0] = x.mul_add(v, sums[0]);
                    sums[1] = x.mul_add(w, sums[1]);
                }
            }
            if !rest.is_empty() {
                let (i, x) = (self.x.len() - rest.len(), isa.read_first(rest));
                for (sums, at) in sums.iter_mut().zip(at) {
                    let rows = at + first + i..at + first + self.x.len();
                    sums[0] = x.mul_add(isa.read_first(&self.of.v[rows.clone()]), sums[0]);
                    sums[1] = x.mul_add(isa.read_first(&self.of.w[rows]), sums[1]);
                }
            }
            for (to, sums) in products.iter_mut().zip(sums) {
                *to = [sums[0].sum(), sums[1].sum()];
            }
        }
    }
}
