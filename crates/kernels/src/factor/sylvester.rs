//! R X + X S = F with quasi-triangular R and S, by halves (Jonsson and Kågström 2002) down to blocks of one or two rows (Bartels and Stewart
//! 1972).

use std::ops::Range;

use super::batch::{each, load, matrix, sizes};
use super::columns::magnitude;
use super::matrix::{Matrix, Target, multiply};
use super::{Failure, Fault};
use crate::buffer::Block;
use crate::compiled::compiled;
use crate::real::Real;
use crate::shape::count;
use crate::simd::Lanes;
use crate::view::View;

/// Up to so many rows and columns an equation is solved block by block.
const SMALL: usize = 24;

compiled! {
    /// Makes X of F, `(batch, m, n)` column by column; R is `(…, m, m)` and S `(…, n, n)`, as [`schur`](super::schur::schur) makes them.
    ///
    /// # Errors
    /// That there is no memory, or the first pair of matrices of which R and −S share a value up to rounding.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn quasi_triangular<T: Lanes>(r: View<'_, T>, s: View<'_, T>, f: &mut [T]) -> Result<(), Failure> {
        let ([batch, m, m1], [batch1, n, n1]) = (sizes(r), sizes(s));
        assert!(m == m1 && n == n1 && batch == batch1 && f.len() == count(&[batch, m, n]), "square matrices and their right-hand sides");
        if f.is_empty() {
            return Ok(());
        }
        each(batch, 2.0 * (m * n * (m + n)) as f64 + 200.0, [f], |i, [f]| {
            let (mut own, mut other) = (Block::new(m * m)?, Block::new(n * n)?);
            load(matrix(r, i), &mut own);
            load(matrix(s, i), &mut other);
            solve(Quasi { data: &own, n: m }, Some(Quasi { data: &other, n }), f)
        })
    }
}

/// A quasi-triangular matrix column by column.
#[derive(Clone, Copy)]
pub(super) struct Quasi<'a, T> {
    pub data: &'a [T],
    pub n: usize,
}

impl<'a, T: Real> Quasi<'a, T> {
    pub fn at(&self, i: usize, j: usize) -> T {
        self.data[j * self.n + i]
    }

    /// Where the block that holds row i begins.
    pub fn start(&self, i: usize) -> usize {
        if i > 0 && i < self.n && self.at(i, i - 1) != T::ZERO { i - 1 } else { i }
    }

    /// Whether the block that begins in row i has two rows.
    fn is_paired(&self, i: usize) -> bool {
        i + 1 < self.n && self.at(i + 1, i) != T::ZERO
    }

    fn block(&self, rows: Range<usize>, columns: Range<usize>) -> Matrix<'a, T> {
        let whole = Matrix::of_columns(self.data, self.n, self.n, self.n);
        whole.block(rows.start, columns.start, rows.len(), columns.len())
    }
}

/// Makes X of F column by column, with R X = F where there is no S.
///
/// # Errors
/// That there is no memory, or where R and −S share a value up to rounding.
pub(super) fn solve<T: Lanes>(r: Quasi<'_, T>, s: Option<Quasi<'_, T>>, f: &mut [T]) -> Result<(), Fault> {
    let columns = f.len() / r.n;
    let most = magnitude(r.data).maximum(s.map_or(T::ZERO, |s| magnitude(s.data)));
    if !most.is_finite() {
        f.fill(T::NAN);
        return Ok(());
    }
    Equation { r, s, f, least: T::EPSILON * most }.halves(0..r.n, 0..columns)
}

struct Equation<'a, T> {
    r: Quasi<'a, T>,
    s: Option<Quasi<'a, T>>,
    f: &'a mut [T],
    /// Pivots up to here are rounding.
    least: T,
}

impl<T: Lanes> Equation<'_, T> {
    fn halves(&mut self, rows: Range<usize>, columns: Range<usize>) -> Result<(), Fault> {
        if rows.len() <= SMALL && (columns.len() <= SMALL || self.s.is_none()) {
            return self.blocks(rows, columns);
        }
        let m = self.r.n;
        if rows.len() >= columns.len() || self.s.is_none() {
            let middle = self.r.start(rows.start + rows.len() / 2);
            self.halves(middle..rows.end, columns.clone())?;
            let below = self.copied(middle..rows.end, columns.clone())?;
            let below = Matrix::of_columns(&below, rows.end - middle, columns.len(), rows.end - middle);
            let target = Target { data: &mut self.f[columns.start * m + rows.start..], row: 1, column: m };
            multiply(-T::ONE, self.r.block(rows.start..middle, middle..rows.end), below, target, true)?;
            return self.halves(rows.start..middle, columns);
        }
        let s = self.s.expect("it was found above");
        let middle = s.start(columns.start + columns.len() / 2);
        self.halves(rows.clone(), columns.start..middle)?;
        let before = self.copied(rows.clone(), columns.start..middle)?;
        let before = Matrix::of_columns(&before, rows.len(), middle - columns.start, rows.len());
        let target = Target { data: &mut self.f[middle * m + rows.start..], row: 1, column: m };
        multiply(-T::ONE, before, s.block(columns.start..middle, middle..columns.end), target, true)?;
        self.halves(rows, middle..columns.end)
    }

    /// These rows and columns of F.
    fn copied(&self, rows: Range<usize>, columns: Range<usize>) -> Result<Block<T>, Fault> {
        let mut copy = Block::new(count(&[rows.len(), columns.len()]))?;
        for (to, j) in copy.chunks_exact_mut(rows.len()).zip(columns) {
            to.copy_from_slice(&self.f[j * self.r.n..][rows.clone()]);
        }
        Ok(copy)
    }

    /// Block by block: columns from the left, rows from below.
    fn blocks(&mut self, rows: Range<usize>, columns: Range<usize>) -> Result<(), Fault> {
        let m = self.r.n;
        let mut l = columns.start;
        while l < columns.end {
            let q = self.s.map_or(1, |s| 1 + usize::from(s.is_paired(l)));
            if let Some(s) = self.s {
                for j in l..l + q {
                    let (before, now) = self.f.split_at_mut(j * m);
                    for i in columns.start..l {
                        let factor = s.at(i, j);
                        let from = &before[i * m..][rows.clone()];
                        now[rows.clone()].iter_mut().zip(from).for_each(|(f, &x)| *f -= factor * x);
                    }
                }
            }
            let mut end = rows.end;
            while end > rows.start {
                let k = self.r.start(end - 1);
                self.block(k..end, l..l + q)?;
                for j in l..l + q {
                    let (above, now) = self.f[j * m..][..end].split_at_mut(k);
                    for (i, &x) in (k..end).zip(&*now) {
                        let column = &self.r.data[i * m..][rows.start..k];
                        above[rows.start..].iter_mut().zip(column).for_each(|(f, &r)| *f -= r * x);
                    }
                }
                end = k;
            }
            l += q;
        }
        Ok(())
    }

    /// The equation of one block of each, up to four numbers: (1 ⊗ R + Sᵀ ⊗ 1) x = f.
    fn block(&mut self, rows: Range<usize>, columns: Range<usize>) -> Result<(), Fault> {
        let (p, q, m) = (rows.len(), columns.len(), self.r.n);
        let n = p * q;
        let mut system = [[T::ZERO; 5]; 4];
        for (at, equation) in system.iter_mut().enumerate().take(n) {
            let (i, j) = (rows.start + at % p, columns.start + at / p);
            for unknown in 0..n {
                let (k, l) = (rows.start + unknown % p, columns.start + unknown / p);
                let own = if l == j { self.r.at(i, k) } else { T::ZERO };
                let other = if k == i { self.s.map_or(T::ZERO, |s| s.at(l, j)) } else { T::ZERO };
                equation[unknown] = own + other;
            }
            equation[4] = self.f[j * m + i];
        }
        let x = eliminate(&mut system, n, self.least).ok_or(Fault::Order(rows.start + 1))?;
        for (at, x) in x.into_iter().enumerate().take(n) {
            self.f[(columns.start + at / p) * m + rows.start + at % p] = x;
        }
        Ok(())
    }
}

/// The solution of n equations whose last numbers are their right-hand sides, unless a pivot is at most `least`.
fn eliminate<T: Real>(system: &mut [[T; 5]; 4], n: usize, least: T) -> Option<[T; 4]> {
    for k in 0..n {
        let pivot = (k..n).fold(k, |m, i| if system[i][k].abs() > system[m][k].abs() { i } else { m });
        system.swap(k, pivot);
        // A NaN goes on.
        if system[k][k].abs() <= least {
            return None;
        }
        let above = system[k];
        for row in &mut system[k + 1..n] {
            let factor = row[k] / above[k];
            row.iter_mut().zip(above).for_each(|(x, above)| *x -= factor * above);
        }
    }
    let mut x = [T::ZERO; 4];
    for k in (0..n).rev() {
        let sum = (k + 1..n).fold(system[k][4], |sum, j| sum - system[k][j] * x[j]);
        x[k] = sum / system[k][k];
    }
    Some(x)
}
