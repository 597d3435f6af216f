//! A = Z T Zᵀ with T quasi-triangular, by Francis's implicit QR iteration: with two shifts at a time (`francis`), or in large matrices with
//! many (`multishift`).
//!
//! T has 1×1 blocks for real values on its diagonal, and 2×2 blocks [[a, b], [c, a]] with b c < 0 for the pairs a ± i √(−b c).

use super::batch::{each, load, matrix, sizes};
use super::columns::{magnitude, rescaling, scale};
use super::francis::Iteration;
use super::multishift::Multishift;
use super::{Failure, Fault, hessenberg};
use crate::buffer::OutOfMemory;
use crate::compiled::compiled;
use crate::params::params;
use crate::real::Real;
use crate::shape::count;
use crate::simd::{self, Lanes};
use crate::view::View;

compiled! {
    /// T and Z, both column by column.
    ///
    /// # Errors
    /// That there is no memory, or the first matrix whose iteration did not converge.
    ///
    /// # Panics
    /// If the sizes do not fit.
    pub fn schur<T: Lanes>(a: View<'_, T>, t: &mut [T], z: &mut [T]) -> Result<(), Failure> {
        let [batch, n, columns] = sizes(a);
        assert!(n == columns && t.len() == count(&[batch, n, n]) && z.len() == t.len(), "two square results for each square matrix");
        if t.is_empty() {
            return Ok(());
        }
        each(batch, 30.0 * (n as f64).powi(3) + 200.0, [t, z], |i, [t, z]| -> Result<(), Fault> {
            load(matrix(a, i), t);
            let largest = magnitude(t);
            if !largest.is_finite() {
                t.fill(T::NAN);
                z.fill(T::NAN);
                return Ok(());
            }
            let scaling = rescaling(largest);
            if let Some(factor) = scaling {
                scale(t, factor);
            }
            let converged = decompose(t, z, n, true)?;
            if let Some(factor) = scaling {
                scale(t, T::ONE / factor);
            }
            if converged { Ok(()) } else { Err(Fault::Order(n)) }
        })
    }
}

/// Makes T of a matrix column by column, and Z, which may be empty; whether the iteration converged. Unless `whole`, only the diagonal blocks
/// of T are what they should be.
pub(super) fn decompose<T: Lanes>(a: &mut [T], z: &mut [T], n: usize, whole: bool) -> Result<bool, OutOfMemory> {
    hessenberg::reduce(a, z, n)?;
    if n > params().factor.schur_small {
        return Multishift::new(a, z, n, whole)?.run();
    }
    Ok(simd::run_fused(
        (a, z),
        #[inline(always)]
        |(a, z)| Iteration::<T::Fused> { h: bytemuck::cast_slice_mut(a), z: bytemuck::cast_slice_mut(z), n, whole }.run(),
        #[inline(always)]
        |(a, z)| Iteration { h: a, z, n, whole }.run(),
    ))
}

/// Real and imaginary parts of the values on the diagonal of T; of a pair the one above the real axis first.
pub(super) fn values<T: Real>(t: &[T], n: usize, re: &mut [T], im: &mut [T]) {
    im.fill(T::ZERO);
    for j in 0..n {
        re[j] = t[j * n + j];
        if j + 1 < n && t[j * n + j + 1] != T::ZERO {
            im[j] = t[j * n + j + 1].abs().sqrt() * t[(j + 1) * n + j].abs().sqrt();
            im[j + 1] = -im[j];
        }
    }
}
