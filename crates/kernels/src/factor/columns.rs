//! Loops over the neighbours of a column.

use crate::real::Real;
use crate::row_partition::{LANES, dot, sum};
use crate::simd;

/// The largest absolute value; NaN if an element is not finite.
pub(super) fn magnitude<T: Real>(x: &[T]) -> T {
    simd::run(
        #[inline(always)]
        || {
            let larger = |m: T, x: T| if x.abs() > m { x.abs() } else { m };
            let (chunks, rest) = x.as_chunks::<LANES>();
            let (mut most, mut zero) = ([T::ZERO; LANES], [T::ZERO; LANES]);
            for x in chunks {
                (0..LANES).for_each(|k| most[k] = larger(most[k], x[k]));
                // 0 · x is NaN for what is not finite.
                (0..LANES).for_each(|k| zero[k] += T::ZERO * x[k]);
            }
            let most = most.iter().chain(rest).fold(T::ZERO, |m, &x| larger(m, x));
            most + rest.iter().fold(sum(&zero), |z, &x| z + T::ZERO * x)
        },
    )
}

/// The power of two that brings numbers up to `magnitude` near 1, where squares of theirs would overflow or vanish.
pub(super) fn rescaling<T: Real>(magnitude: T) -> Option<T> {
    let (far, most) = if size_of::<T>() == 4 { (40, 120) } else { (400, 1000) };
    let exponent = magnitude.to_f64().log2();
    // NaN and the exponent of 0 are no reason to scale.
    (exponent.is_finite() && exponent.abs() > f64::from(far)).then(|| {
        let n = (-exponent.floor() as i32).clamp(-most, most);
        T::from_f64(2.0_f64.powi(n))
    })
}

/// x = factor · x
pub(super) fn scale<T: Real>(x: &mut [T], factor: T) {
    simd::run(
        #[inline(always)]
        || x.iter_mut().for_each(|x| *x *= factor),
    );
}

/// √Σ x², without overflow or underflow.
pub(super) fn norm<T: Real>(x: &[T]) -> T {
    let square = square(x);
    // Squares keep their digits where their sum is far above the smallest number and below the largest.
    let (low, high) = if size_of::<T>() == 4 { (1e-24, 1e37) } else { (1e-260, 1e307) };
    if square > T::from_f64(low) && square < T::from_f64(high) {
        return square.sqrt();
    }
    let most = magnitude(x);
    if most == T::ZERO || !most.is_finite() {
        return most;
    }
    let squares = x.iter().fold(T::ZERO, |sum, &x| sum + (x / most) * (x / most));
    most * squares.sqrt()
}

fn square<T: Real>(x: &[T]) -> T {
    inner(x, x)
}

/// Σ x[i] y[i]
pub(super) fn inner<T: Real>(x: &[T], y: &[T]) -> T {
    simd::run_fused(
        (x, y),
        #[inline(always)]
        |(x, y)| T::from_fused(fused_dot::<T::Fused>(bytemuck::cast_slice(x), bytemuck::cast_slice(y))),
        #[inline(always)]
        |(x, y)| dot(x, y),
    )
}

#[inline(always)]
fn fused_dot<T: Real>(x: &[T], y: &[T]) -> T {
    let ((a, a_rest), (b, b_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    let sums = a.iter().zip(b).fold([T::ZERO; LANES], |s, (a, b)| std::array::from_fn(|k| a[k].mul_add(b[k], s[k])));
    crate::row_partition::pairwise(sums) + a_rest.iter().zip(b_rest).fold(T::ZERO, |sum, (&a, &b)| a.mul_add(b, sum))
}

/// y += α x
pub(super) fn add_scaled<T: Real>(alpha: T, x: &[T], y: &mut [T]) {
    #[inline(always)]
    fn add<T: Real>(alpha: T, x: &[T], y: &mut [T]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = x.mul_add(alpha, *y);
        }
    }
    simd::run_fused(
        (x, y),
        #[inline(always)]
        |(x, y)| add::<T::Fused>(alpha.fused(), bytemuck::cast_slice(x), bytemuck::cast_slice_mut(y)),
        #[inline(always)]
        |(x, y)| add(alpha, x, y),
    );
}
