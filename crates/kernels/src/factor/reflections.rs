//! Products of Householder reflections, applied in blocks.

use super::matrix::{Matrix, Target, multiply};
use super::substitute::solve;
use crate::buffer::{Block, OutOfMemory};
use crate::shape::count;
use crate::simd::{Isa, Lanes};

/// Reflections that are applied together.
const BLOCK: usize = 64;

/// Q = H₁ H₂ ⋯ of reflections Hⱼ = I − τⱼ vⱼ vⱼᵀ, where vⱼ is 1 in row `j + shift` and 0 above.
pub(super) struct Reflections<'a, T: Lanes> {
    /// The vectors, column by column of `rows`.
    pub v: &'a [T],
    pub tau: &'a [T],
    pub rows: usize,
    pub shift: usize,
}

impl<T: Lanes> Reflections<'_, T> {
    /// Multiplies columns of as many rows by Q.
    ///
    /// # Panics
    /// If the columns are not whole.
    pub fn apply(&self, isa: Isa, c: &mut [T]) -> Result<(), OutOfMemory> {
        assert!(c.len().is_multiple_of(self.rows), "columns of as many rows");
        let steps = self.tau.len();
        (0..steps).step_by(BLOCK).rev().try_for_each(|start| self.reflect(isa, start, BLOCK.min(steps - start), c))
    }

    /// C = (I − V S⁻¹ Vᵀ) C, where S is the upper triangle of Vᵀ V with 1/τ on its diagonal (Puglisi 1992).
    fn reflect(&self, isa: Isa, start: usize, width: usize, c: &mut [T]) -> Result<(), OutOfMemory> {
        let (n, first, columns) = (self.rows, start + self.shift, c.len() / self.rows);
        let v = Matrix::of_columns(&self.v[start * n + first..], n - first, width, n);
        let mut s = Block::new(width * width)?;
        multiply(T::ONE, v.t(), v, Target { data: &mut s, row: 1, column: width }, false)?;
        // 1/0 makes 0 of what a reflection that does nothing would take away.
        (0..width).for_each(|j| s[j * width + j] = T::ONE / self.tau[start + j]);
        let c = &mut c[first..];
        let mut w = Block::new(count(&[width, columns]))?;
        let below = Matrix::of_columns(c, n - first, columns, n);
        multiply(T::ONE, v.t(), below, Target { data: &mut w, row: columns, column: 1 }, false)?;
        solve(isa, Matrix::of_columns(&s, width, width, width), [true, false], &mut w, columns, columns);
        let w = Matrix::of_rows(&w, width, columns, columns);
        multiply(-T::ONE, v, w, Target { data: c, row: 1, column: n }, true)
    }
}
