//! A = L Lᵀ, recursively by halves: L₁₁, then L₂₁ = A₂₁ L₁₁⁻ᵀ, then A₂₂ − L₂₁ L₂₁ᵀ.

use super::batch::{each, load, matrix, sizes};
use super::lanes;
use super::matrix::{Matrix, Target, multiply};
use super::rows::{Factor, Rows, Strip};
use super::substitute::{Diagonal, residual, solve_rows};
use super::triangular::{self, Triangle};
use super::{Failure, Fault};
use crate::buffer::{Block, OutOfMemory};
use crate::compiled::compiled;
use crate::params::params;
use crate::shape::count;
use crate::simd::{Enabled, Isa, Kernel, Lanes, Vector, dispatch_on, isa};
use crate::view::View;

/// The order of a block that is factored in registers.
const LEAF: usize = 128;
/// What halves are multiples of.
const UNIT: usize = 32;

compiled! {
    /// The lower triangular L with A = L Lᵀ and a positive diagonal, column by column, from the lower triangle of A.
    ///
    /// # Errors
    /// That there is no memory, or the first matrix that is not positive definite, and the order of its first leading minor that is
    /// not positive.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn cholesky<T: Lanes>(a: View<'_, T>, l: &mut [T]) -> Result<(), Failure> {
        let [batch, n, columns] = sizes(a);
        assert!(n == columns && l.len() == count(&[batch, n, n]), "a square result for each square matrix");
        if l.is_empty() {
            return Ok(());
        }
        if lanes::suit(a) {
            return lanes::cholesky(a, l);
        }
        each(batch, 0.05 * (n * n * n) as f64 + 2.0 * (n * n) as f64, [l], |i, [l]| {
            load(matrix(a, i), l);
            let outcome = match factor(l, n, n) {
                Err(Fault::Memory(refused)) => return Err(refused.into()),
                outcome => outcome,
            };
            // What is not finite leaves no pivot of its row that is positive and finite.
            if outcome.is_err() && !finite_below(matrix(a, i)) {
                l.fill(T::NAN);
                return Ok(());
            }
            outcome?;
            (0..n).for_each(|j| l[j * n..j * n + j].fill(T::ZERO));
            Ok(())
        })
    }
}

/// Whether the lower triangle has finite numbers alone.
fn finite_below<T: Lanes>(a: Matrix<'_, T>) -> bool {
    (0..a.rows).all(|i| (0..=i).all(|j| a.at(i, j).is_finite()))
}

/// Factors the lower triangle of n columns that lie `stride` apart; what is above it is not kept.
fn factor<T: Lanes>(a: &mut [T], n: usize, stride: usize) -> Result<(), Fault> {
    if n <= LEAF {
        return leaf(isa(), a, n, stride).map_err(Fault::Order);
    }
    let half = (n / 2).next_multiple_of(UNIT).min(n - 1);
    let rest = n - half;
    factor(a, half, stride)?;
    let (left, right) = a.split_at_mut(half * stride);
    // L₁₁ lies in the same columns as A₂₁, whose transpose lies row by row.
    let mut l11 = Block::new(half * half)?;
    for j in 0..half {
        l11[j * half + j..(j + 1) * half].copy_from_slice(&left[j * stride + j..j * stride + half]);
    }
    let lower = Triangle { upper: false, unit: false };
    triangular::solve(Matrix::of_columns(&l11, half, half, half), lower, &mut left[half..], rest, stride)?;
    let l21 = Matrix { at: half, ..Matrix::of_columns(left, rest, half, stride) };
    subtract_square(l21, &mut right[half..], stride)?;
    factor(&mut right[half..], rest, stride).map_err(|fault| match fault {
        Fault::Order(order) => Fault::Order(half + order),
        memory => memory,
    })
}

/// The lower triangle of C − L Lᵀ.
fn subtract_square<T: Lanes>(l: Matrix<'_, T>, c: &mut [T], stride: usize) -> Result<(), OutOfMemory> {
    let (n, k) = (l.rows, l.columns);
    if n <= params().factor.whole_block {
        return multiply(-T::ONE, l, l.t(), Target { data: c, row: 1, column: stride }, true);
    }
    let half = (n / 2).next_multiple_of(UNIT);
    let (top, bottom) = (l.block(0, 0, half, k), l.block(half, 0, n - half, k));
    subtract_square(top, c, stride)?;
    multiply(-T::ONE, bottom, top.t(), Target { data: &mut c[half..], row: 1, column: stride }, true)?;
    subtract_square(bottom, &mut c[half * stride + half..], stride)
}

/// A block of n ≤ LEAF columns, about to be factored in registers.
struct Leaf<'a, T> {
    /// Row i of Lᵀ is column i of L.
    x: Rows<'a, T>,
    n: usize,
}

/// Factors n ≤ LEAF columns as [`factor`] does.
pub(super) fn leaf<T: Lanes>(isa: Isa, a: &mut [T], n: usize, stride: usize) -> Result<(), usize> {
    assert!(n <= LEAF, "columns that fit a leaf");
    dispatch_on(isa, Leaf { x: Rows::new(a, [n, n], stride), n })
}

impl<T: Lanes> Kernel<T> for Leaf<'_, T> {
    type Output = Result<(), usize>;

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) -> Result<(), usize> {
        // The diagonal of R rows from a multiple of R on is in one register where that has as many lanes.
        match V::LANES {
            8.. if V::REGISTERS >= 32 => self.rows::<V, 8>(isa),
            4.. => self.rows::<V, 4>(isa),
            _ => self.rows::<V, 1>(isa),
        }
    }
}

impl<T: Lanes> Leaf<'_, T> {
    /// R rows of Lᵀ after the other, whose part left of the diagonal takes part in the arithmetic, unread.
    #[inline(always)]
    fn rows<V: Vector<Element = T>, const R: usize>(&self, isa: Enabled<V>) -> Result<(), usize> {
        let mut inverses = [T::ZERO; LEAF];
        let t = self.x.factor().t();
        let mut row = 0;
        while row < self.n {
            let count = if row + R <= self.n { R } else { 1 };
            let column = row - row % V::LANES;
            let last = (self.n - column).min(V::LANES);
            let strip = self.x.strip(isa, column, last);
            if count == R {
                self.diagonal::<V, R>(t, strip, row, &mut inverses)?;
            } else {
                self.diagonal::<V, 1>(t, strip, row, &mut inverses)?;
            }
            solve_rows(isa, t, self.x, row..row + count, column + last..self.n, Diagonal::Inverses(&inverses));
            row += count;
        }
        Ok(())
    }

    /// The register of each of R rows from `first` on that their diagonal is in.
    #[inline(always)]
    fn diagonal<V: Vector<Element = T>, const R: usize>(
        &self,
        t: Factor<'_, T>,
        strip: Strip<'_, V, 1>,
        first: usize,
        inverses: &mut [T; LEAF],
    ) -> Result<(), usize> {
        let isa = strip.isa();
        let mut sums = residual::<V, R, 1>(t, strip, first, first);
        let (t, strip) = (t.block([first, first], [R, R]), strip.part(first, R));
        for r in 0..R {
            let i = first + r;
            let at = self.x.cell(i, i);
            strip.store(r, sums[r]);
            let pivot = -at.get();
            // Positive comparisons, so that a NaN is refused.
            if !(pivot > T::ZERO && pivot < T::INFINITY) {
                return Err(i + 1);
            }
            let root = pivot.sqrt();
            inverses[i] = -T::ONE / root;
            let row = sums[r][0] * isa.splat(inverses[i]);
            strip.store(r, [row]);
            at.set(root);
            for below in r + 1..R {
                // SAFETY: t was cut to R rows and columns.
                let factor = isa.splat(unsafe { t.at_unchecked(below, r) });
                sums[below][0] = factor.mul_add(row, sums[below][0]);
            }
        }
        Ok(())
    }
}
