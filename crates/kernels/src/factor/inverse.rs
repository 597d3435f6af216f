//! A⁻¹

use super::batch::sizes;
use super::lu::{Factored, lu, lu_solve};
use super::{Failure, lanes};
use crate::buffer::Block;
use crate::compiled::compiled;
use crate::shape::count;
use crate::simd::Lanes;
use crate::view::View;

compiled! {
    /// The inverses of square matrices, column by column.
    ///
    /// # Errors
    /// That there is no memory, or the first matrix that is singular, and the step whose pivot is 0, counted from 1.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn inverse<T: Lanes>(a: View<'_, T>, inverse: &mut [T]) -> Result<(), Failure> {
        let [batch, n, columns] = sizes(a);
        assert!(n == columns && inverse.len() == count(&[batch, n, n]), "a square result for each square matrix");
        if inverse.is_empty() {
            return Ok(());
        }
        if lanes::suit(a) {
            return lanes::inverse(a, inverse);
        }
        let (mut factors, mut order) = (Block::new(batch * n * n)?, Block::new(batch * n)?);
        lu(a, &mut factors, &mut order)?;
        let mut identity = Block::filled(batch * n * n, T::ZERO)?;
        identity.chunks_exact_mut(n * n).for_each(|x| x.iter_mut().step_by(n + 1).for_each(|x| *x = T::ONE));
        // Row by row, the solution of Aᵀ X = 1 is A⁻¹ column by column.
        lu_solve(Factored { factors: &factors, order: &order, n }, true, &identity, inverse)
    }
}
