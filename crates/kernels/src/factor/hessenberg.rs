//! A = Q H Qᵀ, where H is zero below its subdiagonal, by Householder reflections.
//!
//! ```text
//!       done   p ‥ end   rest
//!      ┌──────┬────────┬──────┐
//!      │      │        │      │          a panel's reflections Q = I − V T Vᵀ are found with Y = A V T,
//!      ├──────┼────────┼──────┤ p + 1    and the rest becomes Qᵀ (A − Y Vᵀ) by products
//!      │   0  │◹  V    │      │
//!      └──────┴────────┴──────┘
//! ```

use super::columns::{add_scaled, inner, norm, scale};
use super::matrix::{Matrix, Target, multiply};
use super::reflections::Reflections;
use crate::buffer::{Block, OutOfMemory};
use crate::params::params;
use crate::real::Real;
use crate::shape::count;
use crate::simd::{self, Lanes, isa};

/// Reduces n columns of n to H in place. `q` becomes Q column by column, or stays empty where none is wanted.
///
/// # Errors
/// If there is no memory to work in.
///
/// # Panics
/// If the sizes do not fit.
pub(super) fn reduce<T: Lanes>(a: &mut [T], q: &mut [T], n: usize) -> Result<(), OutOfMemory> {
    assert!(a.len() == count(&[n, n]) && (q.is_empty() || q.len() == a.len()), "square matrices of an order");
    let steps = n.saturating_sub(2);
    let mut v = Block::filled(count(&[n, steps]), T::ZERO)?;
    let mut tau = Block::filled(steps, T::ZERO)?;
    let most = params().factor.hessenberg_block.min(steps);
    let mut work =
        Work { y: Block::new(count(&[n, most]))?, t: Block::new(most * most)?, w: Block::new(count(&[n, most]))?, n, width: most };
    for start in (0..steps).step_by(most.max(1)) {
        work.reduce(a, &mut v, &mut tau, start, most.min(steps - start))?;
    }
    if !q.is_empty() {
        q.fill(T::ZERO);
        q.iter_mut().step_by(n + 1).for_each(|x| *x = T::ONE);
        Reflections { v: &v, tau: &tau, rows: n, shift: 1 }.apply(isa(), q)?;
    }
    Ok(())
}

/// What a panel is reduced with.
struct Work<T: Lanes> {
    /// Y, column by column of n.
    y: Block<T>,
    /// T, column by column of as many rows as the panel has columns.
    t: Block<T>,
    /// Products of V with something.
    w: Block<T>,
    n: usize,
    width: usize,
}

impl<T: Lanes> Work<T> {
    /// Reduces `width` columns from `start` on, and gives the columns after them what they become.
    fn reduce(&mut self, a: &mut [T], v: &mut [T], tau: &mut [T], start: usize, width: usize) -> Result<(), OutOfMemory> {
        let (n, top, end) = (self.n, start + 1, start + width);
        self.width = width;
        self.t.fill(T::ZERO);
        for i in 0..width {
            let j = start + i;
            self.update(a, v, start, i);
            let (before, own) = v.split_at_mut(j * n);
            let (before, own) = (&before[start * n..], &mut own[j + 1..n]);
            tau[j] = reflection(&mut a[j * n + j + 1..(j + 1) * n], own);
            // y = τ (A v − Y Vᵀ v) and the column −τ T Vᵀ v of T.
            let (known, y) = self.y.split_at_mut(i * n);
            let y = &mut y[top..n];
            y.fill(T::ZERO);
            add_columns(T::ONE, &a[(j + 1) * n + top..], n, own, y);
            let w = &mut self.w[..i];
            for (w, column) in w.iter_mut().zip(before.chunks_exact(n)) {
                *w = inner(&column[j + 1..], own);
            }
            if i > 0 {
                add_columns(-T::ONE, &known[top..], n, w, y);
            }
            scale(y, tau[j]);
            let (known, own) = self.t.split_at_mut(i * width);
            for (k, &w) in w.iter().enumerate() {
                add_scaled(-tau[j] * w, &known[k * width..][..i], &mut own[..i]);
            }
            own[i] = tau[j];
        }
        let rest = n - top;
        let v = Matrix::of_columns(&v[start * n + top..], rest, width, n);
        let t = Matrix::of_columns(&self.t, width, width, width);
        // The rows above: Y = (A V) T, and A − Y Vᵀ in the panel.
        multiply(
            T::ONE,
            Matrix::of_columns(&a[top * n..], top, rest, n),
            v,
            Target { data: &mut self.w, row: 1, column: top },
            false,
        )?;
        multiply(T::ONE, Matrix::of_columns(&self.w, top, width, top), t, Target { data: &mut self.y, row: 1, column: n }, false)?;
        let y = Matrix::of_columns(&self.y, n, width, n);
        let (above, within) = (y.block(0, 0, top, width), v.block(0, 0, width - 1, width));
        multiply(-T::ONE, above, within.t(), Target { data: &mut a[top * n..], row: 1, column: n }, true)?;
        // The columns after: A − Y Vᵀ, and Qᵀ of that below.
        let after = v.block(width - 1, 0, n - end, width);
        let columns = &mut a[end * n..];
        multiply(-T::ONE, y, after.t(), Target { data: &mut *columns, row: 1, column: n }, true)?;
        let below = &mut columns[top..];
        let (w, u) = (&mut self.w[..], &mut self.y[..]);
        multiply(
            T::ONE,
            v.t(),
            Matrix::of_columns(below, rest, n - end, n),
            Target { data: &mut *w, row: 1, column: width },
            false,
        )?;
        multiply(
            T::ONE,
            t.t(),
            Matrix::of_columns(w, width, n - end, width),
            Target { data: &mut *u, row: 1, column: width },
            false,
        )?;
        multiply(-T::ONE, v, Matrix::of_columns(u, width, n - end, width), Target { data: below, row: 1, column: n }, true)
    }

    /// Gives column i of a panel what the reflections before it make of the rows below.
    fn update(&mut self, a: &mut [T], v: &[T], start: usize, i: usize) {
        if i == 0 {
            return;
        }
        let (n, top, j) = (self.n, start + 1, start + i);
        let column = &mut a[j * n + top..(j + 1) * n];
        let v = &v[start * n..j * n];
        let (w, u) = self.w.split_at_mut(i);
        (0..i).for_each(|k| w[k] = v[k * n + j]);
        add_columns(-T::ONE, &self.y[top..], n, w, column);
        (0..i).for_each(|k| w[k] = inner(&v[k * n + top..(k + 1) * n], column));
        // Tᵀ w
        let (u, width) = (&mut u[..i], self.width);
        (0..i).for_each(|k| u[k] = inner(&self.t[k * width..][..k + 1], &w[..k + 1]));
        add_columns(-T::ONE, &v[top..], n, u, column);
    }
}

/// y += α Σ x[k] a[k], of columns that lie `stride` apart, as long as y.
fn add_columns<T: Lanes>(alpha: T, a: &[T], stride: usize, x: &[T], y: &mut [T]) {
    simd::run_fused(
        (a, x, y),
        #[inline(always)]
        |(a, x, y)| {
            let [a, x] = [bytemuck::cast_slice(a), bytemuck::cast_slice(x)];
            add_all::<T::Fused>(alpha.fused(), a, stride, x, bytemuck::cast_slice_mut(y));
        },
        #[inline(always)]
        |(a, x, y)| add_all(alpha, a, stride, x, y),
    );
}

/// [`add_columns`], eight of them at a time.
#[inline(always)]
fn add_all<T: Real>(alpha: T, a: &[T], stride: usize, x: &[T], y: &mut [T]) {
    let m = y.len();
    let (eights, rest) = x.as_chunks::<8>();
    for (group, x) in eights.iter().enumerate() {
        let mut columns = [&a[..0]; 8];
        for (k, column) in columns.iter_mut().enumerate() {
            *column = &a[(group * 8 + k) * stride..][..m];
        }
        let [c0, c1, c2, c3, c4, c5, c6, c7] = columns;
        for r in 0..m {
            let one = c3[r].mul_add(x[3], c2[r].mul_add(x[2], c1[r].mul_add(x[1], c0[r] * x[0])));
            let other = c7[r].mul_add(x[7], c6[r].mul_add(x[6], c5[r].mul_add(x[5], c4[r] * x[4])));
            y[r] = (one + other).mul_add(alpha, y[r]);
        }
    }
    for (k, &x) in rest.iter().enumerate() {
        let column = &a[(eights.len() * 8 + k) * stride..][..m];
        (0..m).for_each(
            #[inline(always)]
            |r| y[r] = column[r].mul_add(alpha * x, y[r]),
        );
    }
}

/// The reflection I − τ v vᵀ, v₀ = 1, that leaves of x its first element alone; returns τ, which is 0 where nothing has to be done.
pub(super) fn reflection<T: Lanes>(x: &mut [T], v: &mut [T]) -> T {
    let (first, length) = (x[0], norm(x));
    v[0] = T::ONE;
    if norm(&x[1..]) == T::ZERO {
        return T::ZERO;
    }
    let end = if first < T::ZERO { length } else { -length };
    v[1..].copy_from_slice(&x[1..]);
    scale(&mut v[1..], T::ONE / (first - end));
    x.fill(T::ZERO);
    x[0] = end;
    (end - first) / end
}
