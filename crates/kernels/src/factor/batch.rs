//! A matrix of the batch at a time, over threads.

use std::sync::{Mutex, PoisonError};

use super::matrix::Matrix;
use super::{Failure, Fault};
use crate::elementwise;
use crate::real::Element;
use crate::row_partition::split;
use crate::shape::count;
use crate::threads;
use crate::view::View;

/// The number of matrices, of rows and of columns of a view `(…, m, n)`.
///
/// # Panics
/// If the view has less than two dimensions.
pub(super) fn sizes<T: Copy>(a: View<'_, T>) -> [usize; 3] {
    let [batch @ .., m, n] = a.shape() else { panic!("a matrix has two dimensions") };
    [count(batch), *m, *n]
}

/// A matrix of a view `(…, m, n)`.
pub(super) fn matrix<T: Copy>(a: View<'_, T>, index: usize) -> Matrix<'_, T> {
    let (data, offset) = a.data();
    let (shape, strides) = (a.shape(), a.strides());
    let leading = shape.len() - 2;
    let (mut rest, mut at) = (index, offset as isize);
    for d in (0..leading).rev() {
        at += (rest % shape[d]) as isize * strides[d];
        rest /= shape[d];
    }
    Matrix {
        data,
        at: at as usize,
        rows: shape[leading],
        columns: shape[leading + 1],
        row: strides[leading],
        column: strides[leading + 1],
    }
}

/// Copies a matrix column by column.
pub(super) fn load<T: Element>(a: Matrix<'_, T>, to: &mut [T]) {
    let view = View::new(a.data, a.at, &[a.columns, a.rows], &[a.column, a.row][..]).map(|view| elementwise::copy(view, to));
    view.expect("a matrix lies in its data");
}

/// Calls `one` for each matrix with its part of every result, over threads; the first failure in the order of the batch, or that
/// there was no memory.
///
/// `ns_each` is about how many nanoseconds a matrix takes.
pub(super) fn each<T: Send, const N: usize>(
    batch: usize,
    ns_each: f64,
    results: [&mut [T]; N],
    one: impl Fn(usize, [&mut [T]; N]) -> Result<(), Fault> + Sync,
) -> Result<(), Failure> {
    let first: Mutex<Option<Failure>> = Mutex::new(None);
    split(batch, threads::parts(batch, ns_each), results, |range, slices| {
        let widths = slices.each_ref().map(|slice| slice.len() / range.len().max(1));
        let mut rests = slices;
        for matrix in range {
            let mut own: [&mut [T]; N] = std::array::from_fn(|_| Default::default());
            for ((rest, own), width) in rests.iter_mut().zip(&mut own).zip(widths) {
                (*own, *rest) = std::mem::take(rest).split_at_mut(width);
            }
            if let Err(fault) = one(matrix, own) {
                let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
                let earlier = match (*first, fault) {
                    (Some(Failure::Memory(_)), _) => false,
                    (None, _) | (_, Fault::Memory(_)) => true,
                    (Some(Failure::Matrix { matrix: known, .. }), _) => matrix < known,
                };
                if earlier {
                    *first = Some(fault.of(matrix));
                }
            }
        }
    });
    first.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}
