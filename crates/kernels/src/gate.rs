//! Gated activations: one pass over the gate and what it gates.

use crate::compiled::compiled;
use crate::number::Number;
use crate::real::Real;
use crate::rows::split;
use crate::{simd, threads};

/// Nanoseconds an element: an exponential and a division.
const NS_PER_ELEMENT: f64 = 1.0;

compiled! {
    /// `y[i] = silu(a[i]) · b[i] with silu(a) = a σ(a), σ(a) = 1 / (1 + e⁻ᵃ)`
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn swiglu<T: Real>(a: &[T], b: &[T], y: &mut [T]) {
        assert!(a.len() == y.len() && b.len() == y.len(), "arrays of one length");
        let parts = threads::parts(y.len(), NS_PER_ELEMENT);
        split(y.len(), parts, [y], |range, [y]| {
            let (a, b) = (&a[range.clone()], &b[range]);
            simd::run_fused(
                y,
                #[inline(always)]
                |y| y.iter_mut().zip(a.iter().zip(b)).for_each(|(y, (&a, &b))| *y = T::from_fused(a.fused().silu()) * b),
                #[inline(always)]
                |y| y.iter_mut().zip(a.iter().zip(b)).for_each(|(y, (&a, &b))| *y = a.silu() * b),
            );
        });
    }
}

compiled! {
    /// The gradients of [`swiglu`]: da = dy b σ(a) (1 + a (1 − σ(a))) and db = dy silu(a).
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn swiglu_backward<T: Real>(a: &[T], b: &[T], dy: &[T], da: &mut [T], db: &mut [T]) {
        let n = dy.len();
        assert!([a.len(), b.len(), da.len(), db.len()] == [n; 4], "arrays of one length");
        split(n, threads::parts(n, NS_PER_ELEMENT), [da, db], |range, [da, db]| {
            let (a, b, dy) = (&a[range.clone()], &b[range.clone()], &dy[range]);
            simd::run(
                #[inline(always)]
                || {
                    let inputs = a.iter().zip(b).zip(dy);
                    for ((da, db), ((&a, &b), &dy)) in da.iter_mut().zip(db).zip(inputs) {
                        let s = a.sigmoid();
                        *da = dy * b * s * (T::ONE + a * (T::ONE - s));
                        *db = dy * a * s;
                    }
                },
            );
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive;

    #[test]
    fn swiglu_and_its_gradient_agree_with_the_twin_at_odd_sizes() {
        for n in [0, 1, 31, 33, 100_003] {
            let number = |i: usize, seed: usize| ((i * 7919 + seed) % 1009) as f64 / 50.0 - 10.0;
            let (a, b, dy): (Vec<_>, Vec<_>, Vec<_>) = (
                (0..n).map(|i| number(i, 1)).collect(),
                (0..n).map(|i| number(i, 400)).collect(),
                (0..n).map(|i| number(i, 800)).collect(),
            );
            let close = |x: &[f64], y: &[f64]| x.iter().zip(y).all(|(x, y)| (x - y).abs() <= 1e-13 * y.abs().max(1.0));
            let mut y = vec![0.0; n];
            swiglu(&a, &b, &mut y);
            assert!(close(&y, &naive::swiglu(&a, &b)));
            let (mut da, mut db) = (vec![0.0; n], vec![0.0; n]);
            swiglu_backward(&a, &b, &dy, &mut da, &mut db);
            let (expected_da, expected_db) = naive::swiglu_backward(&a, &b, &dy);
            assert!(close(&da, &expected_da) && close(&db, &expected_db));
        }
    }

    #[test]
    fn far_gates_close_and_open_without_overflow() {
        let mut y = [0.0_f32; 4];
        swiglu(&[-1e4, 1e4, f32::NAN, 0.0], &[2.0; 4], &mut y);
        assert!(y[0] == 0.0 && y[1] == 2e4 && y[2].is_nan() && y[3] == 0.0);
    }
}
