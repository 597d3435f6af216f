//! A = Q R by Householder reflections in blocks: H₁ ⋯ H_w = I − V T Vᵀ (Schreiber and Van Loan 1989), whose columns are
//! factored recursively by halves (Elmroth and Gustavson 2000).

use super::batch::{each, load, matrix, sizes};
use super::columns::{add_scaled, inner, magnitude, norm, rescaling, scale};
use super::matrix::{Matrix, Target, multiply};
use super::{Failure, householder, lanes, tall};
use crate::buffer::{Block, OutOfMemory};
use crate::compiled::compiled;
use crate::params::params;
use crate::real::Real;
use crate::shape::count;
use crate::simd::{Lanes, isa};
use crate::view::View;

/// Columns of a block.
const BLOCK: usize = 64;
/// Columns that are reflected one by one.
const LEAF: usize = 4;

/// How many columns Q has, and the signs of R.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Q is (m, m) and R (m, n); else, with k = min(m, n), (m, k) and (k, n).
    pub full: bool,
    /// The diagonal of R has no negative element.
    pub non_negative: bool,
}

compiled! {
    /// Q with orthonormal columns and the upper triangular R, column by column; R alone where `q` is empty.
    ///
    /// # Errors
    /// If there is no memory to work in.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn qr<T: Lanes>(a: View<'_, T>, kind: Kind, q: &mut [T], r: &mut [T]) -> Result<(), Failure> {
        let [batch, m, n] = sizes(a);
        let k = if kind.full { m } else { m.min(n) };
        assert!((q.is_empty() || q.len() == count(&[batch, m, k])) && r.len() == count(&[batch, k, n]), "results for each matrix");
        if q.is_empty() && r.is_empty() {
            return Ok(());
        }
        if lanes::suit(a) && k == m.min(n) && !q.is_empty() {
            return lanes::qr(a, kind.non_negative, q, r);
        }
        let flops = (m * k) as f64 * m.min(n) as f64 + (m * n) as f64 * m.min(n) as f64;
        each(batch, 0.2 * flops + 5.0 * (m * n) as f64, [q, r], |i, [q, r]| Ok(one(matrix(a, i), kind, q, r)?))
    }
}

/// [`qr`] of one matrix.
pub(super) fn one<T: Lanes>(a: Matrix<'_, T>, kind: Kind, q: &mut [T], r: &mut [T]) -> Result<(), OutOfMemory> {
    let (m, n) = (a.rows, a.columns);
    let k = if kind.full { m } else { m.min(n) };
    let tall = tall::suits(m, n) && !kind.full && tall::qr(a, q, r)?;
    if !tall {
        let small = m * n * size_of::<T>() <= params().factor.near_bytes && m * k * size_of::<T>() <= params().factor.near_bytes;
        if small { near(a, k, q, r)? } else { blocked(a, k, q, r)? }
    }
    if kind.non_negative {
        for i in 0..m.min(n) {
            if r[i * k + i] < T::ZERO {
                (i..n).for_each(|j| r[j * k + i] = -r[j * k + i]);
                q.iter_mut().skip(i * m).take(m).for_each(|x| *x = -*x);
            }
        }
    }
    Ok(())
}

/// Of a matrix that stays in the second-level cache.
fn near<T: Lanes>(a: Matrix<'_, T>, k: usize, q: &mut [T], r: &mut [T]) -> Result<(), OutOfMemory> {
    let (m, n) = (a.rows, a.columns);
    let mut rows = Block::new(m * n)?;
    load(a.t(), &mut rows);
    let largest = magnitude(&rows);
    if !largest.is_finite() {
        q.fill(T::NAN);
        r.fill(T::NAN);
        return Ok(());
    }
    let scaling = rescaling(largest);
    if let Some(factor) = scaling {
        scale(&mut rows, factor);
    }
    let steps = m.min(n);
    let mut memory = Block::new(householder::len(m, steps))?;
    let mut reflections = householder::PanelReflections::new(&mut memory, m, steps);
    reflections.factor(isa(), &mut rows, n)?;
    load(Matrix::of_rows(&rows, m, n, n).block(0, 0, k, n), r);
    for j in 0..n.min(k) {
        r[j * k..][j + 1..k].fill(T::ZERO);
    }
    if let Some(factor) = scaling {
        scale(r, T::ONE / factor);
    }
    if !q.is_empty() {
        let mut rows = Block::new(m * k)?;
        reflections.columns(isa(), &mut rows, k);
        load(Matrix::of_rows(&rows, m, k, k), q);
    }
    Ok(())
}

/// Of any matrix, by products.
pub(super) fn blocked<T: Lanes>(a: Matrix<'_, T>, k: usize, q: &mut [T], r: &mut [T]) -> Result<(), OutOfMemory> {
    let (m, n) = (a.rows, a.columns);
    let mut work = Block::new(m * n)?;
    load(a, &mut work);
    let largest = magnitude(&work);
    if !largest.is_finite() {
        q.fill(T::NAN);
        r.fill(T::NAN);
        return Ok(());
    }
    let scaling = rescaling(largest);
    if let Some(factor) = scaling {
        scale(&mut work, factor);
    }
    let reflections = BlockReflections::of(&mut work, m, n)?;
    for j in 0..n {
        let (column, rows) = (&mut r[j * k..(j + 1) * k], (j + 1).min(m).min(k));
        column[..rows].copy_from_slice(&work[j * m..][..rows]);
        column[rows..].fill(T::ZERO);
    }
    if let Some(factor) = scaling {
        scale(r, T::ONE / factor);
    }
    if !q.is_empty() {
        reflections.columns_of_product(q, k)?;
    }
    Ok(())
}

/// The reflections that make a matrix upper triangular.
struct BlockReflections<T: Lanes> {
    /// The vectors, column by column: 1 on the diagonal, 0 above.
    v: Block<T>,
    /// T of each block, column by column, each of BLOCK².
    t: Block<T>,
    m: usize,
    steps: usize,
}

impl<T: Lanes> BlockReflections<T> {
    /// Leaves R in the upper triangle of `a`, n columns of m.
    fn of(a: &mut [T], m: usize, n: usize) -> Result<Self, OutOfMemory> {
        let steps = m.min(n);
        let blocks = steps.div_ceil(BLOCK);
        let (v, t) = (Block::filled(m * steps, T::ZERO)?, Block::filled(count(&[blocks, BLOCK, BLOCK]), T::ZERO)?);
        let mut found = Self { v, t, m, steps };
        for start in (0..steps).step_by(BLOCK) {
            let width = BLOCK.min(steps - start);
            let (now, rest) = a[start * m..].split_at_mut(width * m);
            let t = &mut found.t[start * BLOCK..][..BLOCK * BLOCK];
            panel(Panel { a: &mut now[start..], v: &mut found.v[start * m + start..], t, rows: m - start, width, stride: m })?;
            if start + width < n {
                let columns = n - start - width;
                found.reflect(start, &mut rest[start..], columns, true)?;
            }
        }
        Ok(found)
    }

    /// Multiplies `columns` columns, from row `start` on, by the block that begins there, or by its transpose.
    fn reflect(&self, start: usize, c: &mut [T], columns: usize, transposed: bool) -> Result<(), OutOfMemory> {
        let width = BLOCK.min(self.steps - start);
        let rows = self.m - start;
        let v = Matrix::of_columns(&self.v[start * self.m + start..], rows, width, self.m);
        let t = Matrix::of_columns(&self.t[start * BLOCK..][..BLOCK * BLOCK], width, width, BLOCK);
        apply(v, if transposed { t.t() } else { t }, c, columns, self.m)
    }

    /// The first k columns of H₁ H₂ ⋯, column by column.
    fn columns_of_product(&self, q: &mut [T], k: usize) -> Result<(), OutOfMemory> {
        let m = self.m;
        q.fill(T::ZERO);
        (0..k).for_each(|j| q[j * m + j] = T::ONE);
        // A block leaves the columns before its own as they are: those of the identity are 0 where it reflects.
        for start in (0..self.steps).step_by(BLOCK).rev() {
            self.reflect(start, &mut q[start * m + start..], k - start, false)?;
        }
        Ok(())
    }
}

/// C = (I − V T Vᵀ) C for columns that lie `stride` apart.
fn apply<T: Lanes>(v: Matrix<'_, T>, t: Matrix<'_, T>, c: &mut [T], columns: usize, stride: usize) -> Result<(), OutOfMemory> {
    let width = v.columns;
    let mut w = Block::new(count(&[2, width, columns]))?;
    let (first, second) = w.split_at_mut(width * columns);
    multiply(
        T::ONE,
        v.t(),
        Matrix::of_columns(c, v.rows, columns, stride),
        Target { data: first, row: columns, column: 1 },
        false,
    )?;
    let product = Matrix::of_rows(first, width, columns, columns);
    multiply(T::ONE, t, product, Target { data: second, row: columns, column: 1 }, false)?;
    let product = Matrix::of_rows(second, width, columns, columns);
    multiply(-T::ONE, v, product, Target { data: c, row: 1, column: stride }, true)
}

/// Some columns about to be factored, and where their reflections go.
struct Panel<'a, T> {
    a: &'a mut [T],
    v: &'a mut [T],
    /// BLOCK elements from column to column.
    t: &'a mut [T],
    rows: usize,
    width: usize,
    /// From column to column of `a` and `v`.
    stride: usize,
}

fn panel<T: Lanes>(panel_of: Panel<'_, T>) -> Result<(), OutOfMemory> {
    let Panel { a, v, t, rows, width, stride } = panel_of;
    if width <= LEAF {
        leaf(Panel { a, v, t, rows, width, stride });
        return Ok(());
    }
    let half = width / 2;
    let rest = width - half;
    let (left, right) = a.split_at_mut(half * stride);
    let (v1, v2) = v.split_at_mut(half * stride);
    panel(Panel { a: left, v: &mut *v1, t: &mut *t, rows, width: half, stride })?;
    let reflected = Matrix::of_columns(v1, rows, half, stride);
    apply(reflected, Matrix::of_columns(t, half, half, BLOCK).t(), right, rest, stride)?;
    panel(Panel {
        a: &mut right[half..],
        v: &mut v2[half..],
        t: &mut t[half * BLOCK + half..],
        rows: rows - half,
        width: rest,
        stride,
    })?;

    // T₁₂ = −T₁ (V₁ᵀ V₂) T₂
    let mut w = Block::new(2 * half * rest)?;
    let (first, second) = w.split_at_mut(half * rest);
    let below = Matrix::of_columns(&v2[half..], rows - half, rest, stride);
    multiply(T::ONE, reflected.block(half, 0, rows - half, half).t(), below, Target { data: first, row: rest, column: 1 }, false)?;
    let (t1, t2) = t.split_at_mut(half * BLOCK);
    let (t1, product) = (Matrix::of_columns(t1, half, half, BLOCK), Matrix::of_rows(first, half, rest, rest));
    multiply(-T::ONE, t1, product, Target { data: second, row: rest, column: 1 }, false)?;
    let product = Matrix::of_rows(second, half, rest, rest);
    let corner = Block::copied(&t2[half..])?;
    let corner = Matrix::of_columns(&corner, rest, rest, BLOCK);
    multiply(T::ONE, product, corner, Target { data: t2, row: 1, column: BLOCK }, false)
}

fn leaf<T: Lanes>(panel_of: Panel<'_, T>) {
    let Panel { a, v, t, rows, width, stride } = panel_of;
    for j in 0..width {
        let (done, rest) = a.split_at_mut(((j + 1) * stride).min(a.len()));
        let column = &mut done[j * stride + j..][..rows - j];
        let (before, from_here) = v.split_at_mut(j * stride);
        let reflected = &mut from_here[j..][..rows - j];
        let tau = reflection(column, reflected);
        for c in 0..width - j - 1 {
            let to = &mut rest[c * stride + j..][..rows - j];
            add_scaled(-tau * inner(reflected, to), reflected, to);
        }
        // T = [T, −τ T (Vᵀ v); 0, τ]
        let mut products = [T::ZERO; LEAF];
        (0..j).for_each(|i| products[i] = inner(&before[i * stride + j..][..rows - j], reflected));
        for i in 0..j {
            let sum = (i..j).fold(T::ZERO, |sum, l| sum + t[l * BLOCK + i] * products[l]);
            t[j * BLOCK + i] = -tau * sum;
        }
        t[j * BLOCK + j] = tau;
    }
}

/// τ and v with v[0] = 1 such that (I − τ v vᵀ) x = (β, 0, …); x becomes that.
fn reflection<T: Real>(x: &mut [T], v: &mut [T]) -> T {
    v[0] = T::ONE;
    let alpha = x[0];
    let tail = norm(&x[1..]);
    if tail == T::ZERO {
        v[1..].fill(T::ZERO);
        return T::ZERO;
    }
    let length = norm(&[alpha, tail]);
    let beta = if alpha > T::ZERO { -length } else { length };
    let divisor = alpha - beta;
    for (v, x) in v[1..].iter_mut().zip(&mut x[1..]) {
        *v = *x / divisor;
        *x = T::ZERO;
    }
    x[0] = beta;
    (beta - alpha) / beta
}
