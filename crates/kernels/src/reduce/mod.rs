//! Reductions of a strided view over any of its dimensions into a row-major result.
//!
//! Three ways through memory: rows (the reduced dimensions lie one after another), columns (the kept ones do, and whole
//! rows are added to a row of results), and anything else, which is copied into rows first. Long sums are
//! pairwise in each: their error grows with the logarithm of the length.

mod along_columns;
mod along_rows;
mod fold;
mod integers;
#[cfg(test)]
mod tests;

pub use integers::{all, any, argmax_i64, argmin_i64, count_true, max_i64, min_i64, prod_i64, sum_i64};

use crate::buffer::{Block, OutOfMemory};
use crate::compiled::compiled;
use crate::elementwise;
use crate::params::params;
use crate::real::{Element, Real};
use crate::shape::{count, product};
use crate::view::View;
use along_columns::RowMajorColumns;
use fold::fold;

compiled! {
    /// Σ over the dimensions `axes`, in increasing order.
    ///
    /// # Errors
    /// Here and below: if there is no memory to work in.
    ///
    /// # Panics
    /// Here and below: if `out` has not an element for each index over the other dimensions.
    pub fn sum<T: Real>(x: View<'_, T>, axes: &[usize], out: &mut [T]) -> Result<(), OutOfMemory> {
        reduce(x, axes, out, T::ZERO, add)
    }
}

compiled! {
    /// Π over the dimensions `axes`; 1 over none.
    pub fn prod<T: Real>(x: View<'_, T>, axes: &[usize], out: &mut [T]) -> Result<(), OutOfMemory> {
        reduce(
            x,
            axes,
            out,
            T::ONE,
            #[inline(always)]
            |a, b| a * b,
        )
    }
}

compiled! {
    /// The mean over the dimensions `axes`; NaN over none.
    pub fn mean<T: Real>(x: View<'_, T>, axes: &[usize], out: &mut [T]) -> Result<(), OutOfMemory> {
        sum(x, axes, out)?;
        let size = T::from_f64(product(axes.iter().map(|&d| x.shape()[d])) as f64);
        out.iter_mut().for_each(|y| *y = *y / size);
        Ok(())
    }
}

compiled! {
    /// The largest element over the dimensions `axes`, NaN if there is one; -∞ over none.
    pub fn max<T: Real>(x: View<'_, T>, axes: &[usize], out: &mut [T]) -> Result<(), OutOfMemory> {
        reduce(x, axes, out, T::NEG_INFINITY, T::maximum)
    }
}

compiled! {
    /// The smallest element over the dimensions `axes`, NaN if there is one; ∞ over none.
    pub fn min<T: Real>(x: View<'_, T>, axes: &[usize], out: &mut [T]) -> Result<(), OutOfMemory> {
        reduce(x, axes, out, T::INFINITY, T::minimum)
    }
}

compiled! {
    /// Σ (x - mean)² over the dimensions `axes`, divided by their number of elements less `correction`.
    pub fn variance<T: Real>(x: View<'_, T>, axes: &[usize], correction: f64, out: &mut [T]) -> Result<(), OutOfMemory> {
        let by_columns = |x: RowMajorColumns<'_, T>, out: &mut [T]| -> Result<(), OutOfMemory> {
            let n = x.rows as f64;
            let mut mu = Block::new(out.len())?;
            fold_columns(x, &mut mu, T::ZERO, add)?;
            mu.iter_mut().for_each(|m| *m = *m / T::from_f64(n));
            sum_columns_with(
                x,
                &mu,
                out,
                #[inline(always)]
                |x, mu| (x - mu) * (x - mu),
            )?;
            out.iter_mut().for_each(|y| *y = *y / T::from_f64(n - correction));
            Ok(())
        };
        by(
            x,
            axes,
            out,
            by_columns,
            #[inline(always)]
            |row| {
                let mu = fold::sum(row) / T::from_f64(row.len() as f64);
                let squares = fold(
                    row,
                    T::ZERO,
                    #[inline(always)]
                    |s, x| s + (x - mu) * (x - mu),
                    add,
                );
                squares / T::from_f64(row.len() as f64 - correction)
            },
        )
    }
}

compiled! {
    /// ln Σ eˣ over the dimensions `axes`; -∞ over none or where all are -∞.
    pub fn log_sum_exp<T: Real>(x: View<'_, T>, axes: &[usize], out: &mut [T]) -> Result<(), OutOfMemory> {
        // ∞ - ∞ would be NaN where the answer is the largest element itself.
        let shift = |largest: T| if largest.abs() == T::INFINITY { T::ZERO } else { largest };
        let by_columns = |x: RowMajorColumns<'_, T>, out: &mut [T]| -> Result<(), OutOfMemory> {
            let mut shifts = Block::new(out.len())?;
            fold_columns(x, &mut shifts, T::NEG_INFINITY, T::maximum)?;
            shifts.iter_mut().for_each(|m| *m = shift(*m));
            sum_columns_with(
                x,
                &shifts,
                out,
                #[inline(always)]
                |x, shift| (x - shift).exp(),
            )?;
            out.iter_mut().zip(&shifts[..]).for_each(|(y, &shift)| *y = y.ln() + shift);
            Ok(())
        };
        by(
            x,
            axes,
            out,
            by_columns,
            #[inline(always)]
            |row| {
                let shift = shift(fold::max(row));
                let sum = fold(
                    row,
                    T::ZERO,
                    #[inline(always)]
                    |s, x| s + (x - shift).exp(),
                    add,
                );
                sum.ln() + shift
            },
        )
    }
}

compiled! {
    /// The position of the first largest element (of the first NaN, if there is one) along the dimensions `axes` in row-major order;
    /// 0 over none.
    pub fn argmax<T: Real>(x: View<'_, T>, axes: &[usize], out: &mut [i64]) -> Result<(), OutOfMemory> {
        position(x, axes, out, T::NEG_INFINITY, T::maximum)
    }
}

compiled! {
    /// The position of the first smallest element (of the first NaN, if there is one), as in [`argmax`].
    pub fn argmin<T: Real>(x: View<'_, T>, axes: &[usize], out: &mut [i64]) -> Result<(), OutOfMemory> {
        position(x, axes, out, T::INFINITY, T::minimum)
    }
}

/// The first position of what a fold finds.
fn position<T: Element>(
    x: View<'_, T>,
    axes: &[usize],
    out: &mut [i64],
    start: T,
    better: impl Fn(T, T) -> T + Sync + Copy,
) -> Result<(), OutOfMemory> {
    let by_columns = |x: RowMajorColumns<'_, T>, out: &mut [i64]| -> Result<(), OutOfMemory> {
        let mut found = Block::new(out.len())?;
        fold_columns(x, &mut found, start, better)?;
        let found = &found[..];
        along_columns::fold(
            x,
            params().cost.reduce_more_ns,
            out,
            i64::MAX,
            #[inline(always)]
            |first: &mut [i64], x: &[T], at, row| {
                for ((first, &x), &found) in first.iter_mut().zip(x).zip(&found[at..]) {
                    *first = if x == found || is_nan(x) { (*first).min(row as i64) } else { *first };
                }
            },
            i64::min,
        )?;
        out.iter_mut().filter(|at| **at == i64::MAX).for_each(|at| *at = 0);
        Ok(())
    };
    by(
        x,
        axes,
        out,
        by_columns,
        #[inline(always)]
        |row| {
            let found = fold(row, start, better, better);
            row.iter().position(|&x| x == found || is_nan(x)).unwrap_or(0) as i64
        },
    )
}

/// Whether an element is the one value that differs from itself.
#[inline(always)]
#[expect(clippy::eq_op, reason = "elements have no is_nan of their own")]
fn is_nan<T: Element>(x: T) -> bool {
    x != x
}

#[inline(always)]
fn add<T: Real>(a: T, b: T) -> T {
    a + b
}

/// The dimensions of a view, those that are kept before those that are reduced.
struct Sorted {
    shape: Vec<usize>,
    strides: Vec<isize>,
    kept: usize,
}

impl Sorted {
    fn new<T: Copy>(x: &View<'_, T>, axes: &[usize]) -> Self {
        let (reduced, kept): (Vec<usize>, Vec<usize>) = (0..x.shape().len()).partition(|d| axes.contains(d));
        let order = || kept.iter().chain(&reduced);
        Self {
            shape: order().map(|&d| x.shape()[d]).collect(),
            strides: order().map(|&d| x.strides()[d]).collect(),
            kept: kept.len(),
        }
    }

    /// Elements kept, elements reduced for each.
    fn counts(&self) -> (usize, usize) {
        (count(&self.shape[..self.kept]), count(&self.shape[self.kept..]))
    }
}

/// A reduction by columns, where the view consists of such, else of each row by itself.
fn by<T: Element, R: Send>(
    x: View<'_, T>,
    axes: &[usize],
    out: &mut [R],
    columns: impl FnOnce(RowMajorColumns<'_, T>, &mut [R]) -> Result<(), OutOfMemory>,
    row: impl Fn(&[T]) -> R + Sync,
) -> Result<(), OutOfMemory> {
    either(x, axes, out, columns, |x, n, out| {
        along_rows::map(x, n, out, row);
        Ok(())
    })
}

/// A fold whose step and merge are the same function, with neutral element `start`.
fn reduce<T: Element>(
    x: View<'_, T>,
    axes: &[usize],
    out: &mut [T],
    start: T,
    f: impl Fn(T, T) -> T + Sync + Copy,
) -> Result<(), OutOfMemory> {
    reduce_to(x, axes, out, start, f, f)
}

/// A fold into partial results of another type; `start` must be neutral for `merge`.
fn reduce_to<T: Element, S: Copy + Send + Sync>(
    x: View<'_, T>,
    axes: &[usize],
    out: &mut [S],
    start: S,
    step: impl Fn(S, T) -> S + Sync + Copy,
    merge: impl Fn(S, S) -> S + Sync + Copy,
) -> Result<(), OutOfMemory> {
    let kept = (0..x.shape().len()).filter(|d| !axes.contains(d)).map(|d| x.shape()[d]);
    if x.is_empty() && out.len() == product(kept) {
        // Perhaps very many results, of nothing.
        out.fill(start);
        return Ok(());
    }
    either(
        x,
        axes,
        out,
        |x, out| fold_columns_to(x, out, start, step, merge),
        |x, n, out| along_rows::reduce(x, n, out, start, step, merge),
    )
}

/// Calls `columns` where the view consists of such, else `rows` with rows of as many elements as are reduced to one.
fn either<T: Element, R>(
    x: View<'_, T>,
    axes: &[usize],
    out: &mut [R],
    columns: impl FnOnce(RowMajorColumns<'_, T>, &mut [R]) -> Result<(), OutOfMemory>,
    rows: impl FnOnce(&[T], usize, &mut [R]) -> Result<(), OutOfMemory>,
) -> Result<(), OutOfMemory> {
    let sorted = Sorted::new(&x, axes);
    let (kept, n) = sorted.counts();
    assert_eq!(out.len(), kept, "a result for each index that is kept");
    let view = x.with_dimensions(&sorted.shape, &sorted.strides);
    if let Some(slice) = view.as_slice() {
        return rows(slice, n, out);
    }
    if let Some(found) = RowMajorColumns::from_view(&x, &sorted) {
        return columns(found, out);
    }
    let mut copy = Block::new(view.len())?;
    elementwise::copy(view, &mut copy);
    rows(&copy, n, out)
}

fn fold_columns<T: Element>(
    x: RowMajorColumns<'_, T>,
    out: &mut [T],
    start: T,
    f: impl Fn(T, T) -> T + Sync + Copy,
) -> Result<(), OutOfMemory> {
    fold_columns_to(x, out, start, f, f)
}

fn fold_columns_to<T: Element, S: Copy + Send + Sync>(
    x: RowMajorColumns<'_, T>,
    out: &mut [S],
    start: S,
    step: impl Fn(S, T) -> S + Sync + Copy,
    merge: impl Fn(S, S) -> S + Sync + Copy,
) -> Result<(), OutOfMemory> {
    along_columns::fold(
        x,
        params().cost.reduce_ns,
        out,
        start,
        #[inline(always)]
        |folded: &mut [S], x: &[T], _, _| {
            for (y, &x) in folded.iter_mut().zip(x) {
                *y = step(*y, x);
            }
        },
        merge,
    )
}

/// The sums of a function of each element and a number of its column.
fn sum_columns_with<T: Real>(
    x: RowMajorColumns<'_, T>,
    with: &[T],
    out: &mut [T],
    f: impl Fn(T, T) -> T + Sync + Copy,
) -> Result<(), OutOfMemory> {
    along_columns::fold(
        x,
        params().cost.reduce_more_ns,
        out,
        T::ZERO,
        #[inline(always)]
        |sums: &mut [T], x: &[T], at, _| {
            for ((s, &x), &with) in sums.iter_mut().zip(x).zip(&with[at..]) {
                *s += f(x, with);
            }
        },
        add,
    )
}
