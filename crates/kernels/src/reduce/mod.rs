//! Reductions of a strided view over any of its dimensions into a row-major result.
//!
//! Three ways through memory: rows (the reduced dimensions lie one after another), columns (the kept ones do, and whole
//! rows are added to a row of results), and anything else, which is copied into rows first. Long sums are
//! pairwise in each: their error grows with the logarithm of the length.

mod fold;

use crate::buffer::Block;
use crate::real::{Element, Real};
use crate::view::View;
use crate::{elementwise, simd, threads};
use fold::fold;

/// A fold reads memory and does little else.
const NS_PER_ELEMENT: f64 = 0.25;
/// Columns reduced together: their partial results stay near, and rows are read in long runs.
const COLUMNS: usize = 4096;
/// Rows added one after another to a row of partial results, before those are merged pairwise.
const ROWS: usize = 64;

/// Σ over the dimensions `axes`, in increasing order.
///
/// # Panics
/// Here and below: if `out` has not an element for each index over the other dimensions.
pub fn sum<T: Real>(x: View<'_, T>, axes: &[usize], out: &mut [T]) {
    reduce(x, axes, out, T::ZERO, add);
}

/// The mean over the dimensions `axes`; NaN over none.
pub fn mean<T: Real>(x: View<'_, T>, axes: &[usize], out: &mut [T]) {
    sum(x, axes, out);
    let count: usize = axes.iter().map(|&d| x.shape()[d]).product();
    let size = T::from_f64(count as f64);
    out.iter_mut().for_each(|y| *y = *y / size);
}

/// The largest element over the dimensions `axes`, NaN if there is one; -∞ over none.
pub fn max<T: Real>(x: View<'_, T>, axes: &[usize], out: &mut [T]) {
    reduce(x, axes, out, T::NEG_INFINITY, T::maximum);
}

/// The smallest element over the dimensions `axes`, NaN if there is one; ∞ over none.
pub fn min<T: Real>(x: View<'_, T>, axes: &[usize], out: &mut [T]) {
    reduce(x, axes, out, T::INFINITY, T::minimum);
}

/// Σ (x - mean)² over the dimensions `axes`, divided by their number of elements less `correction`.
pub fn variance<T: Real>(x: View<'_, T>, axes: &[usize], correction: f64, out: &mut [T]) {
    by_rows(
        x,
        axes,
        out,
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
    );
}

/// ln Σ eˣ over the dimensions `axes`; -∞ over none or where all are -∞.
pub fn log_sum_exp<T: Real>(x: View<'_, T>, axes: &[usize], out: &mut [T]) {
    by_rows(
        x,
        axes,
        out,
        #[inline(always)]
        |row| {
            let largest = fold::max(row);
            // ∞ - ∞ would be NaN where the answer is the largest element itself.
            let shift = if largest.abs() == T::INFINITY { T::ZERO } else { largest };
            let sum = fold(
                row,
                T::ZERO,
                #[inline(always)]
                |s, x| s + (x - shift).exp(),
                add,
            );
            sum.ln() + shift
        },
    );
}

/// The position of the first largest element (of the first NaN, if there is one) along the dimensions `axes` in row-major order;
/// 0 over none.
pub fn argmax<T: Real>(x: View<'_, T>, axes: &[usize], out: &mut [i64]) {
    by_rows(
        x,
        axes,
        out,
        #[inline(always)]
        |row| position(row, fold::max(row)),
    );
}

/// The position of the first smallest element (of the first NaN, if there is one), as in [`argmax`].
pub fn argmin<T: Real>(x: View<'_, T>, axes: &[usize], out: &mut [i64]) {
    by_rows(
        x,
        axes,
        out,
        #[inline(always)]
        |row| position(row, fold(row, T::INFINITY, T::minimum, T::minimum)),
    );
}

#[inline(always)]
fn position<T: Real>(row: &[T], found: T) -> i64 {
    row.iter().position(|&x| x == found || x.is_nan()).unwrap_or(0) as i64
}

/// y[o, j, i] = Σ over k ≤ j of x[o, k, i], for x of `(outer, n, inner)` elements in row-major order.
pub fn cumulative_sum<T: Real>(x: &[T], n: usize, inner: usize, y: &mut [T]) {
    assert_eq!(x.len(), y.len(), "the running sum has the shape of its operand");
    let block = n * inner;
    if y.is_empty() {
        return;
    }
    let parts = threads::parts(x.len(), 1.0).min(x.len() / block);
    threads::split_mut(y, block, parts, |start, y| {
        simd::run(
            #[inline(always)]
            || {
                for (y, x) in y.chunks_exact_mut(block).zip(x[start..].chunks_exact(block)) {
                    y[..inner].copy_from_slice(&x[..inner]);
                    for j in 1..n {
                        let (before, here) = y.split_at_mut(j * inner);
                        let (before, x) = (&before[(j - 1) * inner..], &x[j * inner..][..inner]);
                        here[..inner].iter_mut().zip(before).zip(x).for_each(|((y, &b), &x)| *y = b + x);
                    }
                }
            },
        );
    });
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
        (self.shape[..self.kept].iter().product(), self.shape[self.kept..].iter().product())
    }

    fn view<'a, T: Copy>(&'a self, x: &View<'a, T>) -> View<'a, T> {
        x.with_dimensions(&self.shape, &self.strides)
    }
}

/// out[i] = f(row i): the reduced elements of each index that is kept, one after another.
fn by_rows<T: Element, R: Send>(x: View<'_, T>, axes: &[usize], out: &mut [R], f: impl Fn(&[T]) -> R + Sync) {
    let sorted = Sorted::new(&x, axes);
    let (kept, n) = sorted.counts();
    assert_eq!(out.len(), kept, "a result for each index that is kept");
    let view = sorted.view(&x);
    match view.as_slice() {
        Some(slice) => rows_into(slice, n, out, f),
        None => {
            let mut copy = Block::new(view.len());
            elementwise::copy(view, &mut copy);
            rows_into(&copy, n, out, f);
        }
    }
}

fn rows_into<T: Element, R: Send>(x: &[T], n: usize, out: &mut [R], f: impl Fn(&[T]) -> R + Sync) {
    let parts = threads::parts(x.len(), 1.0).min(out.len().max(1));
    threads::split_mut(out, 1, parts, |start, out| {
        simd::run(
            #[inline(always)]
            || {
                for (i, y) in out.iter_mut().enumerate() {
                    *y = f(&x[(start + i) * n..(start + i + 1) * n]);
                }
            },
        );
    });
}

/// A fold whose step and merge are the same function, with neutral element `start`.
fn reduce<T: Real>(x: View<'_, T>, axes: &[usize], out: &mut [T], start: T, f: impl Fn(T, T) -> T + Sync + Copy) {
    let sorted = Sorted::new(&x, axes);
    let (kept, n) = sorted.counts();
    assert_eq!(out.len(), kept, "a result for each index that is kept");
    let view = sorted.view(&x);
    if let Some(slice) = view.as_slice() {
        return fold_rows(slice, n, out, start, f);
    }
    // Columns: as stored, the reduced dimensions come first.
    let columns = Sorted::new(&view, &(0..sorted.kept).collect::<Vec<_>>());
    if let Some(slice) = columns.view(&view).as_slice() {
        return fold_columns(slice, out, start, f);
    }
    let mut copy = Block::new(view.len());
    elementwise::copy(view, &mut copy);
    fold_rows(&copy, n, out, start, f);
}

fn fold_rows<T: Real>(x: &[T], n: usize, out: &mut [T], start: T, f: impl Fn(T, T) -> T + Sync + Copy) {
    let parts = threads::parts(x.len(), NS_PER_ELEMENT);
    if out.len() >= parts || parts == 1 {
        threads::split_mut(out, 1, parts, |first, out| {
            simd::run(
                #[inline(always)]
                || {
                    for (i, y) in out.iter_mut().enumerate() {
                        *y = fold(&x[(first + i) * n..(first + i + 1) * n], start, f, f);
                    }
                },
            );
        });
        return;
    }
    // Fewer rows than threads: each row is cut, and its parts merged in order.
    let mut partial = vec![start; out.len() * parts];
    threads::split_mut(&mut partial, 1, parts, |first, partial| {
        for (k, y) in partial.iter_mut().enumerate() {
            let (row, part) = ((first + k) / parts, (first + k) % parts);
            let range = threads::range(n, 64, parts, part);
            let piece = &x[row * n + range.start..row * n + range.end];
            *y = simd::run(
                #[inline(always)]
                || fold(piece, start, f, f),
            );
        }
    });
    for (y, partial) in out.iter_mut().zip(partial.chunks_exact(parts)) {
        *y = partial.iter().fold(start, |y, &x| f(y, x));
    }
}

/// Reduces the rows of a row-major matrix, each as long as `out`.
fn fold_columns<T: Real>(x: &[T], out: &mut [T], start: T, f: impl Fn(T, T) -> T + Sync + Copy) {
    let width = out.len();
    if width == 0 {
        return;
    }
    // Narrow matrices are one piece of columns, so that threads take rows instead.
    let (parts, pieces) = (threads::parts(x.len(), NS_PER_ELEMENT), width.div_ceil(COLUMNS));
    if pieces >= parts {
        return threads::split_mut(out, COLUMNS, parts, |first, out| columns_into((x, width), first, out, start, f));
    }
    let rows = x.len() / width;
    let mut partial = vec![start; width * parts];
    threads::split_mut(&mut partial, width, parts, |first, partial| {
        let range = threads::range(rows, 1, parts, first / width);
        columns_into((&x[range.start * width..range.end * width], width), 0, partial, start, f);
    });
    out.fill(start);
    for partial in partial.chunks_exact(width) {
        out.iter_mut().zip(partial).for_each(|(y, &p)| *y = f(*y, p));
    }
}

/// Reduces the columns `first..first + out.len()` of a matrix with rows of `width`.
fn columns_into<T: Real>((x, width): (&[T], usize), first: usize, out: &mut [T], start: T, f: impl Fn(T, T) -> T + Copy) {
    simd::run(
        #[inline(always)]
        || {
            for (c, out) in out.chunks_mut(COLUMNS).enumerate() {
                let at = first + c * COLUMNS;
                let n = out.len();
                // Levels of a balanced tree of partial results, as in `fold`.
                let mut levels: Vec<Vec<T>> = Vec::new();
                for (b, block) in x.chunks(ROWS * width).enumerate() {
                    let mut sums = vec![start; n];
                    for row in block.chunks_exact(width) {
                        for (s, &x) in sums.iter_mut().zip(&row[at..at + n]) {
                            *s = f(*s, x);
                        }
                    }
                    let mut blocks = b + 1;
                    while blocks.is_multiple_of(2) {
                        if let Some(level) = levels.pop() {
                            sums.iter_mut().zip(level).for_each(|(s, x)| *s = f(x, *s));
                        }
                        blocks /= 2;
                    }
                    levels.push(sums);
                }
                out.fill(start);
                for level in levels.iter().rev() {
                    out.iter_mut().zip(level).for_each(|(y, &x)| *y = f(x, *y));
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive;

    /// Shapes, strides and axes around every way through memory.
    const CASES: [(&[usize], &[isize], &[usize]); 14] = [
        (&[], &[], &[]),
        (&[5], &[1], &[0]),
        (&[5], &[1], &[]),
        (&[3, 33], &[33, 1], &[1]),
        (&[3, 33], &[33, 1], &[0]),
        (&[33, 3], &[1, 33], &[0]),
        (&[33, 3], &[1, 33], &[1]),
        (&[4, 5, 6], &[30, 6, 1], &[1]),
        (&[4, 5, 6], &[30, 6, 1], &[0, 2]),
        (&[4, 5, 6], &[-30, 6, -1], &[0, 1]),
        (&[4, 5], &[0, 1], &[0]),
        (&[130, 520], &[520, 1], &[0]),
        (&[0, 4], &[4, 1], &[0]),
        (&[4, 0], &[1, 1], &[0]),
    ];

    fn cases(mut check: impl FnMut(View<'_, f64>, &[usize])) {
        let data = naive::numbers(80_000, 5);
        for (shape, strides, axes) in CASES {
            let low: isize = shape.iter().zip(strides).map(|(&n, &s)| if s < 0 { (n as isize - 1) * -s } else { 0 }).sum();
            check(View::new(&data, low as usize, shape, strides).unwrap(), axes);
        }
    }

    #[test]
    fn reductions_over_any_axes_equal_the_twin() {
        cases(|x, axes| {
            let groups = naive::groups(x, axes);
            let mut out = vec![0.0; groups.len()];
            let mut compare = |kernel: &dyn Fn(&mut [f64]), plain: &dyn Fn(&[f64]) -> f64| {
                kernel(&mut out);
                let expected: Vec<f64> = groups.iter().map(|g| plain(g)).collect();
                naive::close(&out, &expected, 1e-13);
            };
            compare(&|out| sum(x, axes, out), &|g| g.iter().sum());
            compare(&|out| mean(x, axes, out), &|g| g.iter().sum::<f64>() / g.len() as f64);
            compare(&|out| max(x, axes, out), &|g| g.iter().copied().fold(f64::NEG_INFINITY, f64::max));
            compare(&|out| min(x, axes, out), &|g| g.iter().copied().fold(f64::INFINITY, f64::min));
            compare(&|out| log_sum_exp(x, axes, out), &|g| g.iter().map(|v| v.exp()).sum::<f64>().ln());
            compare(&|out| variance(x, axes, 0.0, out), &|g| {
                let mu = g.iter().sum::<f64>() / g.len() as f64;
                g.iter().map(|v| (v - mu).powi(2)).sum::<f64>() / g.len() as f64
            });
            let mut at = vec![0; groups.len()];
            let first = |g: &[f64], best: f64| g.iter().position(|&v| v == best).unwrap_or(0) as i64;
            argmax(x, axes, &mut at);
            assert!(at.iter().zip(&groups).all(|(&i, g)| i == first(g, g.iter().copied().fold(f64::NEG_INFINITY, f64::max))));
            argmin(x, axes, &mut at);
            assert!(at.iter().zip(&groups).all(|(&i, g)| i == first(g, g.iter().copied().fold(f64::INFINITY, f64::min))));
        });
    }

    #[test]
    fn a_sum_of_ten_million_f32_keeps_six_digits() {
        let n = 10_000_000;
        let x: Vec<f32> = (0..n).map(|i| 1.0 + (i % 7) as f32 * 0.1).collect();
        let exact: f64 = x.iter().map(|&v| f64::from(v)).sum();
        let mut out = [0.0];
        sum(View::new(&x, 0, &[n], &[1]).unwrap(), &[0], &mut out);
        assert!((f64::from(out[0]) / exact - 1.0).abs() < 1e-6, "rows: {} for {exact}", out[0]);
        // The same numbers as columns: two long ones.
        let mut pair = [0.0; 2];
        sum(View::new(&x, 0, &[n / 2, 2], &[2, 1]).unwrap(), &[0], &mut pair);
        let total = f64::from(pair[0]) + f64::from(pair[1]);
        assert!((total / exact - 1.0).abs() < 1e-6, "columns: {total} for {exact}");
    }

    #[test]
    fn nan_and_infinity_come_through() {
        let data = [1.0, f64::NAN, 3.0, -1.0, f64::INFINITY, 2.0, f64::NEG_INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
        let x = View::new(&data, 0, &[3, 3], &[3, 1]).unwrap();
        let mut out = [0.0; 3];
        max(x, &[1], &mut out);
        assert!(out[0].is_nan() && out[1..] == [f64::INFINITY, f64::NEG_INFINITY]);
        min(x, &[1], &mut out);
        assert!(out[0].is_nan() && out[1..] == [-1.0, f64::NEG_INFINITY]);
        log_sum_exp(x, &[1], &mut out);
        assert!(out[0].is_nan() && out[1..] == [f64::INFINITY, f64::NEG_INFINITY]);
        sum(x, &[1], &mut out);
        assert!(out[0].is_nan() && out[1..] == [f64::INFINITY, f64::NEG_INFINITY]);
        mean(x, &[1], &mut out);
        assert!(out[0].is_nan() && out[1..] == [f64::INFINITY, f64::NEG_INFINITY]);
        // A deviation from an infinite mean has no value.
        variance(x, &[1], 0.0, &mut out);
        assert!(out.iter().all(|y| y.is_nan()));
        let mut at = [0; 3];
        argmax(x, &[1], &mut at);
        assert_eq!(at, [1, 1, 0]);
        argmin(x, &[1], &mut at);
        assert_eq!(at, [1, 0, 0]);
    }

    #[test]
    fn running_sums_follow_the_axis() {
        let x: Vec<f64> = (0..24).map(f64::from).collect();
        let mut y = vec![0.0; 24];
        cumulative_sum(&x, 3, 4, &mut y);
        let expected: Vec<f64> = (0..24).map(|i| (0..=(i / 4 % 3)).map(|j| x[i / 12 * 12 + j * 4 + i % 4]).sum()).collect();
        assert_eq!(y, expected);
    }
}
