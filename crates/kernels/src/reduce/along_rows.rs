//! Reductions of rows: the reduced elements of each result lie one after another.

use super::fold::fold;
use crate::buffer::{OutOfMemory, list};
use crate::params::params;
use crate::real::Element;
use crate::{simd, threads};

/// out[i] = f(row i)
pub(super) fn map<T: Element, R: Send>(x: &[T], n: usize, out: &mut [R], f: impl Fn(&[T]) -> R + Sync) {
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

/// Folds each row of `n` elements; `start` must be neutral for `merge`.
pub(super) fn reduce<T: Element, S: Copy + Send + Sync>(
    x: &[T],
    n: usize,
    out: &mut [S],
    start: S,
    step: impl Fn(S, T) -> S + Sync + Copy,
    merge: impl Fn(S, S) -> S + Sync + Copy,
) -> Result<(), OutOfMemory> {
    let parts = threads::parts(x.len(), params().cost.reduce_ns);
    if out.len() >= parts || parts == 1 {
        threads::split_mut(out, 1, parts, |first, out| {
            simd::run(
                #[inline(always)]
                || {
                    for (i, y) in out.iter_mut().enumerate() {
                        *y = fold(&x[(first + i) * n..(first + i + 1) * n], start, step, merge);
                    }
                },
            );
        });
        return Ok(());
    }
    // Fewer rows than threads: each row is cut, and its parts merged in order.
    let mut partial = list(out.len() * parts)?;
    partial.resize(out.len() * parts, start);
    threads::split_mut(&mut partial, 1, parts, |first, partial| {
        for (k, y) in partial.iter_mut().enumerate() {
            let (row, part) = ((first + k) / parts, (first + k) % parts);
            let range = threads::range(n, 64, parts, part);
            let piece = &x[row * n + range.start..row * n + range.end];
            *y = simd::run(
                #[inline(always)]
                || fold(piece, start, step, merge),
            );
        }
    });
    for (y, partial) in out.iter_mut().zip(partial.chunks_exact(parts)) {
        *y = partial.iter().fold(start, |y, &x| merge(y, x));
    }
    Ok(())
}
