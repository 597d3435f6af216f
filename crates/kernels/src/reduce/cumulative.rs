//! Running sums.

use crate::compiled::compiled;
use crate::real::Real;
use crate::shape::count;
use crate::{simd, threads};

compiled! {
    /// y[o, j, i] = Σ over k ≤ j of x[o, k, i], for x of `(outer, n, inner)` elements in row-major order.
    ///
    /// # Panics
    /// If the lengths differ, or are not those of whole sums.
    pub fn cumulative_sum<T: Real>(x: &[T], n: usize, inner: usize, y: &mut [T]) {
        assert_eq!(x.len(), y.len(), "the running sum has the shape of its operand");
        let block = count(&[n, inner]);
        if y.is_empty() {
            return;
        }
        assert!(block > 0 && y.len().is_multiple_of(block), "whole sums");
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
}
