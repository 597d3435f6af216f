//! A = Q B Pᵀ by Householder reflections from both sides, with B upper bidiagonal.
//!
//! A panel of columns and rows is reduced while the matrix behind it stays as it is: what the panel's reflections change of it,
//! V Yᵀ + X Uᵀ, is taken off each column and row as its turn comes, and off the rest by one product in the end (Dongarra, Sorensen and
//! Hammarling 1989, "Block reduction of matrices to condensed forms"):
//!
//! ```text
//! for each column j of the panel:
//!     column j −= V yⱼᵀ + X uⱼᵀ         rows from j on
//!     v ← its reflection, dⱼ            column j becomes (dⱼ, 0, …)
//!     y ← τ (Aᵀ v − Y Vᵀ v − U Xᵀ v)
//!     row j −= vⱼ Yᵀ + xⱼ Uᵀ            columns after j
//!     u ← its reflection, eⱼ            row j becomes (dⱼ, eⱼ, 0, …)
//!     x ← τ (A u − V Yᵀ u − X Uᵀ u)
//! the rest −= [V X] [Y U]ᵀ
//! ```
//!
//! Half of the work are the products Aᵀ v and A u, for which the rest of the matrix is read once ([`both`]).

use super::columns::{add_scaled, scale};
use super::gemvt::{GemvtVectors, StridedColumns, both};
use super::matrix::{Matrix, Target, multiply};
use super::symmetric::Pairs;
use super::tridiagonal::reflection;
use crate::buffer::{Block, OutOfMemory};
use crate::params::params;
use crate::shape::count;
use crate::simd::{Isa, Lanes, MAX_LANES};

/// Columns of a panel, of matrices that are larger than the second-level cache, and others.
const PANEL: [usize; 2] = [32, 16];

/// The diagonal of B and what is beside it, of n columns of m ≥ n. The columns become the vectors of Q's reflections, which begin on the
/// diagonal; `rows`, columns of n, become those of P's, which begin one row below it, unless it is empty. Returns the factors of both.
///
/// # Errors
/// If there is no memory to work in.
///
/// # Panics
/// If the sizes do not fit.
pub(super) fn reduce<T: Lanes>(
    isa: Isa,
    a: &mut [T],
    [m, n]: [usize; 2],
    [diagonal, beside]: [&mut [T]; 2],
    rows: &mut [T],
) -> Result<[Block<T>; 2], OutOfMemory> {
    assert!(
        m >= n && n > 0 && a.len() == count(&[m, n]) && diagonal.len() == n && beside.len() == n - 1,
        "a matrix with no more columns than rows"
    );
    assert!(rows.is_empty() || rows.len() == count(&[n, n]), "a vector for each row");
    rows.fill(T::ZERO);
    let width = PANEL[usize::from(m * n * size_of::<T>() <= params().factor.near_bytes)];
    // Columns that lie a power of two apart would share a few lines of the caches.
    let [tall, wide] = [m, n].map(|size| size.next_multiple_of(MAX_LANES) + MAX_LANES);
    let mut panel = Panel {
        isa,
        sizes: [m, n],
        width,
        apart: [tall, wide],
        vx: Block::filled(2 * width * tall, T::ZERO)?,
        yu: Block::filled(2 * width * wide, T::ZERO)?,
        work: Block::new(m + 2 * n)?,
        tau: [Block::filled(n, T::ZERO)?, Block::filled(n - 1, T::ZERO)?],
    };
    for start in (0..n).step_by(width) {
        let end = (start + width).min(n);
        for j in start..end {
            let (d, e) = panel.step(a, start, j)?;
            diagonal[j] = d;
            if j + 1 < n {
                beside[j] = e;
                if !rows.is_empty() {
                    let u = &panel.yu[(width + j - start) * wide..];
                    rows[j * n + j + 1..(j + 1) * n].copy_from_slice(&u[j + 1..n]);
                }
            }
            a[j * m..j * m + j].fill(T::ZERO);
        }
        panel.change_rest(a, end)?;
    }
    Ok(panel.tau)
}

/// The panel that is reduced.
struct Panel<T: Lanes> {
    isa: Isa,
    sizes: [usize; 2],
    width: usize,
    /// From column to column of `vx` and of `yu`.
    apart: [usize; 2],
    /// V and X: columns of m.
    vx: Block<T>,
    /// Y and U: columns of n.
    yu: Block<T>,
    /// A column, and two rows.
    work: Block<T>,
    /// The factors of reflections of columns, and of rows.
    tau: [Block<T>; 2],
}

impl<T: Lanes> Panel<T> {
    /// Reduces column j and row j: the elements of B there.
    fn step(&mut self, a: &mut [T], start: usize, j: usize) -> Result<(T, T), OutOfMemory> {
        let ([m, n], [tall, wide], k) = (self.sizes, self.apart, j - start);
        let (v, x) = self.vx.split_at_mut(self.width * tall);
        let (y, u) = self.yu.split_at_mut(self.width * wide);
        let mut factors = [[T::ZERO; 2]; PANEL[0]];

        let column = &mut a[j * m + j..(j + 1) * m];
        for (c, factors) in factors[..k].iter_mut().enumerate() {
            *factors = [-y[c * wide + j], -u[c * wide + j]];
        }
        Pairs { v, w: x, apart: tall, first: j }.add(self.isa, &factors[..k], column);
        let mut d = T::ZERO;
        let tau = reflection(column, &mut d);
        self.tau[0][j] = tau;
        v[k * tall + j..k * tall + m].copy_from_slice(column);
        if j + 1 == n {
            return Ok((d, T::ZERO));
        }

        // z = Y Vᵀ v + U Xᵀ v
        let reflected = &v[k * tall + j..k * tall + m];
        Pairs { v, w: x, apart: tall, first: j }.products(self.isa, reflected, &mut factors[..k]);
        let (rows, columns) = self.work.split_at_mut(m);
        let (z, row) = columns.split_at_mut(n);
        let (z, row, image) = (&mut z[..n - j - 1], &mut row[..n - j - 1], &mut rows[..m - j - 1]);
        z.fill(T::ZERO);
        Pairs { v: y, w: u, apart: wide, first: j + 1 }.add(self.isa, &factors[..k], z);
        // The row but for what v takes off it, which is y: so A times it is summed as y is found.
        for (c, factors) in factors[..k].iter_mut().enumerate() {
            *factors = [-v[c * tall + j], -x[c * tall + j]];
        }
        row.iter_mut().zip(a[(j + 1) * m + j..].iter().step_by(m)).for_each(|(to, &from)| *to = from);
        Pairs { v: y, w: u, apart: wide, first: j + 1 }.add(self.isa, &factors[..k], row);
        let rest = StridedColumns { data: &a[(j + 1) * m + j..], rows: m - j, stride: m };
        let at = &mut y[k * wide + j + 1..k * wide + n];
        both(rest, GemvtVectors { v: reflected, tau, z, r: row }, at, image)?;

        add_scaled(-T::ONE, at, row);
        let (alpha, mut e) = (row[0], T::ZERO);
        let tau = reflection(row, &mut e);
        self.tau[1][j] = tau;
        // u = (row − e · first) / (α − e), and A u likewise.
        add_scaled(-e, &a[(j + 1) * m + j + 1..(j + 2) * m], image);
        let divisor = alpha - e;
        // The last column of U and of X are not there yet.
        u[k * wide..][..n].fill(T::ZERO);
        x[k * tall..][..m].fill(T::ZERO);
        Pairs { v: y, w: u, apart: wide, first: j + 1 }.products(self.isa, row, &mut factors[..=k]);
        factors[..=k].iter_mut().flatten().for_each(|factor| *factor = -*factor);
        u[k * wide + j + 1..k * wide + n].copy_from_slice(row);
        if tau != T::ZERO {
            let (before, at) = x.split_at_mut(k * tall);
            let at = &mut at[j + 1..m];
            at.iter_mut().zip(&*image).for_each(|(to, &from)| *to = from / divisor);
            Pairs { v, w: before, apart: tall, first: j + 1 }.add(self.isa, &factors[..k], at);
            // V has one column more than X.
            add_scaled(factors[k][0], &v[k * tall + j + 1..k * tall + m], at);
            scale(at, tau);
        }
        Ok((d, e))
    }

    /// A − V Yᵀ − X Uᵀ of rows and columns from `end` on.
    fn change_rest(&mut self, a: &mut [T], end: usize) -> Result<(), OutOfMemory> {
        let ([m, n], [tall, wide]) = (self.sizes, self.apart);
        if end == n {
            return Ok(());
        }
        let vx = Matrix::of_columns(&self.vx, m, 2 * self.width, tall).block(end, 0, m - end, 2 * self.width);
        let yu = Matrix::of_columns(&self.yu, n, 2 * self.width, wide).block(end, 0, n - end, 2 * self.width);
        multiply(-T::ONE, vx, yu.t(), Target { data: &mut a[end * m + end..], row: 1, column: m }, true)
    }
}
