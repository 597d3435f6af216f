//! What reducing a symmetric matrix takes of it in registers: its product with a vector, and sums of panels' columns.

use std::ops::Range;

use super::columns::add_scaled;
use crate::buffer::{Block, OutOfMemory};
use crate::shape::count;
use crate::simd::{Isa, Kernel, Lanes, MAX_LANES, Vector, dispatch_on};
use crate::threads;

/// Columns of the matrix that pass together.
const COLUMNS: usize = 4;
/// Registers of rows, or pairs of columns, of a panel that pass together.
const GROUP: usize = 4;
/// Nanoseconds that a byte of the triangle takes.
const NS_EACH: f64 = 0.015;

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
    let parts = threads::brief_parts(n.div_ceil(COLUMNS), area * NS_EACH / n.div_ceil(COLUMNS).max(1) as f64);
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
    unsafe fn run<V: Vector<Element = T>>(self) {
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
            let mut pass = Pass::<V> {
                columns: std::array::from_fn(|c| self.a[(first + c) * self.stride..].as_ptr()),
                x: self.x.as_ptr(),
                y: self.y.as_mut_ptr(),
                // SAFETY: the instruction set is enabled.
                factors: std::array::from_fn(|c| unsafe { V::splat(self.x[first + c]) }),
                // SAFETY: the instruction set is enabled.
                sums: [unsafe { V::splat(T::ZERO) }; COLUMNS],
            };
            let mut i = first + COLUMNS;
            let before = (V::LANES - lane(&self.a[first * self.stride + i..]) % V::LANES) % V::LANES;
            // SAFETY: the instruction set is enabled, and `product` found n rows of every column, x and y.
            unsafe {
                if before > 0 {
                    let count = before.min(n - i);
                    pass.part(i, count);
                    i += count;
                }
                while i + V::LANES <= n {
                    pass.whole(i);
                    i += V::LANES;
                }
                if i < n {
                    pass.part(i, n - i);
                }
                for (y, sum) in self.y[first..].iter_mut().zip(pass.sums) {
                    *y += sum.sum();
                }
            }
        }
    }
}

/// Some columns on their way through the rows.
struct Pass<V: Vector> {
    columns: [*const V::Element; COLUMNS],
    x: *const V::Element,
    y: *mut V::Element,
    factors: [V; COLUMNS],
    sums: [V; COLUMNS],
}

impl<V: Vector> Pass<V> {
    /// # Safety
    /// The instruction set is enabled, and rows from i on fill a register.
    #[inline(always)]
    unsafe fn whole(&mut self, i: usize) {
        // SAFETY: the caller's duty.
        unsafe {
            let (x, mut y) = (V::load(self.x.add(i)), V::load(self.y.add(i)));
            for c in 0..COLUMNS {
                let a = V::load(self.columns[c].add(i));
                y = a.mul_add(self.factors[c], y);
                self.sums[c] = a.mul_add(x, self.sums[c]);
            }
            y.store(self.y.add(i));
        }
    }

    /// # Safety
    /// The instruction set is enabled, and there are `count` rows from i on.
    #[inline(always)]
    unsafe fn part(&mut self, i: usize, count: usize) {
        // SAFETY: the caller's duty.
        unsafe {
            let (x, mut y) = (V::load_first(self.x.add(i), count), V::load_first(self.y.add(i), count));
            for c in 0..COLUMNS {
                let a = V::load_first(self.columns[c].add(i), count);
                y = a.mul_add(self.factors[c], y);
                self.sums[c] = a.mul_add(x, self.sums[c]);
            }
            y.store_first(self.y.add(i), count);
        }
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
        self.check(factors.len(), y.len());
        dispatch_on(isa, Add { of: self, factors, y });
    }

    /// (v · x, w · x) of each pair.
    pub fn products(self, isa: Isa, x: &[T], products: &mut [[T; 2]]) {
        self.check(products.len(), x.len());
        dispatch_on(isa, Products { of: self, x, products });
    }

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
    unsafe fn run<V: Vector<Element = T>>(self) {
        let Pairs { v, w, apart, first } = self.of;
        let (v, w, rows) = (v.as_ptr().wrapping_add(first), w.as_ptr().wrapping_add(first), self.y.len());
        let y = self.y.as_mut_ptr();
        let mut i = 0;
        // SAFETY: the instruction set is enabled, and `check` found these rows in every column.
        unsafe {
            while i + GROUP * V::LANES <= rows {
                let mut sums: [V; GROUP] = std::array::from_fn(|g| V::load(y.add(i + g * V::LANES)));
                for (c, &[alpha, beta]) in self.factors.iter().enumerate() {
                    let (v, w) = (v.add(c * apart + i), w.add(c * apart + i));
                    let (alpha, beta) = (V::splat(alpha), V::splat(beta));
                    for (g, sum) in sums.iter_mut().enumerate() {
                        *sum = alpha.mul_add(V::load(v.add(g * V::LANES)), *sum);
                        *sum = beta.mul_add(V::load(w.add(g * V::LANES)), *sum);
                    }
                }
                for (g, sum) in sums.into_iter().enumerate() {
                    sum.store(y.add(i + g * V::LANES));
                }
                i += GROUP * V::LANES;
            }
            while i < rows {
                let count = V::LANES.min(rows - i);
                let mut sums = [V::load_first(y.add(i), count), V::splat(T::ZERO)];
                for (c, &[alpha, beta]) in self.factors.iter().enumerate() {
                    let (v, w) = (v.add(c * apart + i), w.add(c * apart + i));
                    sums[0] = V::splat(alpha).mul_add(V::load_first(v, count), sums[0]);
                    sums[1] = V::splat(beta).mul_add(V::load_first(w, count), sums[1]);
                }
                sums[0].add(sums[1]).store_first(y.add(i), count);
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
    unsafe fn run<V: Vector<Element = T>>(self) {
        let Pairs { v, w, apart, first } = self.of;
        let (v, w, rows) = (v.as_ptr().wrapping_add(first), w.as_ptr().wrapping_add(first), self.x.len());
        let x = self.x.as_ptr();
        for (c, products) in self.products.chunks_mut(GROUP).enumerate() {
            // A pair that is missing counts as the last that is there.
            let at: [usize; GROUP] = std::array::from_fn(|g| (c * GROUP + g.min(products.len() - 1)) * apart);
            // SAFETY: the instruction set is enabled, and `check` found these rows in every column.
            unsafe {
                let mut sums = [[V::splat(T::ZERO); 2]; GROUP];
                let mut i = 0;
                while i + V::LANES <= rows {
                    let x = V::load(x.add(i));
                    for (sums, at) in sums.iter_mut().zip(at) {
                        sums[0] = x.mul_add(V::load(v.add(at + i)), sums[0]);
                        sums[1] = x.mul_add(V::load(w.add(at + i)), sums[1]);
                    }
                    i += V::LANES;
                }
                if i < rows {
                    let count = rows - i;
                    let x = V::load_first(x.add(i), count);
                    for (sums, at) in sums.iter_mut().zip(at) {
                        sums[0] = x.mul_add(V::load_first(v.add(at + i), count), sums[0]);
                        sums[1] = x.mul_add(V::load_first(w.add(at + i), count), sums[1]);
                    }
                }
                for (to, sums) in products.iter_mut().zip(sums) {
                    *to = [sums[0].sum(), sums[1].sum()];
                }
            }
        }
    }
}
