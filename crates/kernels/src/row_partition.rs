//! What kernels over rows share: cutting several results at whole rows over threads, and sums of many partial sums.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use crate::buffer::{Block, OutOfMemory};
use crate::real::Real;
use crate::shape::count;
use crate::threads;

/// Partial sums of a reduction: enough registers of them in every instruction set to hide the latency of an addition.
pub(crate) const LANES: usize = 32;

/// Cuts N results of `rows` rows each (of perhaps different widths) between rows into `parts`, and calls
/// `work(rows, slices)` for each part, in parallel. A result of no elements gives empty slices.
pub(crate) fn split<T: Send, const N: usize>(
    rows: usize,
    parts: usize,
    results: [&mut [T]; N],
    work: impl Fn(Range<usize>, [&mut [T]; N]) + Sync,
) {
    split_numbered(rows, parts, results, |_, range, slices| work(range, slices));
}

/// [`split`] with a sum over all rows beside the results: each part adds what its rows contribute to zeros of its own,
/// and the parts' sums are added in their order.
///
/// # Errors
/// If there is no memory for the sums of the parts.
pub(crate) fn split_and_sum<T: Real, const N: usize>(
    rows: usize,
    parts: usize,
    results: [&mut [T]; N],
    sum: &mut [T],
    work: impl Fn(Range<usize>, [&mut [T]; N], &mut [T]) + Sync,
) -> Result<(), OutOfMemory> {
    sum.fill(T::ZERO);
    if parts <= 1 {
        work(0..rows, results, sum);
        return Ok(());
    }
    if sum.is_empty() {
        split(rows, parts, results, |range, slices| work(range, slices, &mut []));
        return Ok(());
    }
    let n = sum.len();
    let mut sums = Block::filled(count(&[parts, n]), T::ZERO)?;
    let own: Vec<_> = sums.chunks_exact_mut(n).map(Mutex::new).collect();
    split_numbered(rows, parts, results, |part, range, slices| {
        work(range, slices, &mut own[part].lock().unwrap_or_else(PoisonError::into_inner));
    });
    drop(own);
    for part in sums.chunks_exact(n) {
        sum.iter_mut().zip(part).for_each(|(sum, &x)| *sum += x);
    }
    Ok(())
}

fn split_numbered<T: Send, const N: usize>(
    rows: usize,
    parts: usize,
    results: [&mut [T]; N],
    work: impl Fn(usize, Range<usize>, [&mut [T]; N]) + Sync,
) {
    if parts <= 1 {
        return work(0, 0..rows, results);
    }
    let widths = results.each_ref().map(|result| result.len() / rows.max(1));
    let mut rests = results;
    let mut slices = Vec::with_capacity(parts);
    for part in 0..parts {
        let range = threads::range(rows, 1, parts, part);
        let mut heads: [&mut [T]; N] = std::array::from_fn(|_| Default::default());
        for ((rest, head), width) in rests.iter_mut().zip(&mut heads).zip(widths) {
            (*head, *rest) = std::mem::take(rest).split_at_mut(range.len() * width);
        }
        slices.push(Mutex::new(Some((range, heads))));
    }
    threads::run(parts, |part| {
        if let Some((range, heads)) = slices[part].lock().unwrap_or_else(PoisonError::into_inner).take() {
            work(part, range, heads);
        }
    });
}

/// Σ x[i]
#[inline(always)]
pub(crate) fn sum<T: Real>(x: &[T]) -> T {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let sums = chunks.iter().fold([T::ZERO; LANES], |s, x| std::array::from_fn(|k| s[k] + x[k]));
    pairwise(sums) + rest.iter().fold(T::ZERO, |sum, &x| sum + x)
}

/// Σ a[i] b[i]
#[inline(always)]
pub(crate) fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let sums = a.iter().zip(b).fold([T::ZERO; LANES], |s, (a, b)| std::array::from_fn(|k| s[k] + a[k] * b[k]));
    pairwise(sums) + a_rest.iter().zip(b_rest).fold(T::ZERO, |sum, (&a, &b)| sum + a * b)
}

/// Σ a[i] b[i] (c[i] − shift)
#[inline(always)]
pub(crate) fn dot3<T: Real>(a: &[T], b: &[T], c: &[T], shift: T) -> T {
    let ((a, a_rest), (b, b_rest), (c, c_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>(), c.as_chunks::<LANES>());
    let term = |a: T, b: T, c: T| a * b * (c - shift);
    let chunks = a.iter().zip(b).zip(c);
    let sums = chunks.fold([T::ZERO; LANES], |s, ((a, b), c)| std::array::from_fn(|k| s[k] + term(a[k], b[k], c[k])));
    pairwise(sums) + a_rest.iter().zip(b_rest).zip(c_rest).fold(T::ZERO, |sum, ((&a, &b), &c)| sum + term(a, b, c))
}

/// The sum of the partial sums, halves at a time.
#[inline(always)]
pub(crate) fn pairwise<T: Real>(mut sums: [T; LANES]) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        (0..half).for_each(|k| sums[k] += sums[k + half]);
        half /= 2;
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_several_widths_are_cut_at_the_same_rows() {
        for parts in [1, 2, 3, 7] {
            let (mut wide, mut narrow, mut none) = (vec![0; 7 * 5], vec![0; 7], vec![]);
            split(7, parts, [&mut wide[..], &mut narrow[..], &mut none[..]], |rows, [wide, narrow, none]| {
                assert!(none.is_empty() && wide.len() == 5 * narrow.len() && narrow.len() == rows.len());
                narrow.iter_mut().enumerate().for_each(|(r, x)| *x = rows.start + r);
                wide.iter_mut().enumerate().for_each(|(i, x)| *x = (rows.start + i / 5) * 10 + i % 5);
            });
            assert!(narrow.iter().enumerate().all(|(r, &x)| x == r));
            assert!(wide.iter().enumerate().all(|(i, &x)| x == i / 5 * 10 + i % 5));
            let mut sum = [9.0; 2];
            split_and_sum(7, parts, [], &mut sum, |rows, [], sum| rows.for_each(|r| sum[r % 2] += r as f64)).unwrap();
            assert_eq!(sum, [12.0, 9.0]);
        }
    }

    #[test]
    fn sums_cover_every_element_at_any_length() {
        for n in [0, 1, 31, 32, 33, 64, 100] {
            let a: Vec<f64> = (0..n).map(f64::from).collect();
            let (squares, cubes) = (a.iter().map(|x| x * x).sum::<f64>(), a.iter().map(|x| x * x * x).sum::<f64>());
            assert_eq!((dot(&a, &a), dot3(&a, &a, &a, 0.0)), (squares, cubes));
            assert_eq!(sum(&a), a.iter().sum::<f64>());
        }
    }
}
