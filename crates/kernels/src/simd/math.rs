//! The exponential over registers, for kernels that place them by hand.
//!
//! 2ˣ = 2ⁿ · 2ᵗ with n the nearest integer to x and |t| ≤ ½, where 2ᵗ is a polynomial whose constant term is exactly 1:
//! of degree 6 in f32 and 11 in f64, each a Chebyshev fit of (2ᵗ − 1) / t whose error is a fifth of half an ulp.

use super::Vector;
use crate::real::Real;

const EXP2_F32: [f64; 6] = [0.00132645981, 0.009671510811, 0.05550734133, 0.240222421401, 0.69314697745, 1.0];
const EXP2_F64: [f64; 12] = [
    4.454960598224245e-10,
    7.072585949340003e-09,
    1.0178062445845584e-07,
    1.3215442587921336e-06,
    1.525273382983612e-05,
    0.0001540353044173605,
    0.0013333558146416936,
    0.009618129107606888,
    0.0555041086648216,
    0.24022650695910098,
    std::f64::consts::LN_2,
    1.0,
];

/// Beyond ±this, 2ˣ is 0 or ∞ in f32 and in f64.
const FAR: f64 = 1100.0;

/// 2ˣ of several registers, within 2 ulp for x in f32 and f64; 2⁻∞ = 0, 2⁺∞ = ∞ and NaN stays NaN.
///
/// One exponential is a chain in which each operation waits for the one before; several pass through it side by side.
///
/// # Safety
/// The instruction set of `V` must be enabled.
#[inline(always)]
pub unsafe fn exp2<V: Vector, const N: usize>(x: [V; N]) -> [V; N] {
    let number = V::Element::from_f64;
    // SAFETY: the caller's duty. `x` is the second operand, which `max` and `min` return where either is NaN.
    unsafe {
        let x = x.map(
            #[inline(always)]
            |x| V::splat(number(FAR)).min(V::splat(number(-FAR)).max(x)),
        );
        let n = x.map(
            #[inline(always)]
            |x| x.round(),
        );
        let t: [V; N] = std::array::from_fn(
            #[inline(always)]
            |i| x[i].sub(n[i]),
        );
        let y = if size_of::<V::Element>() == 4 { polynomial(&EXP2_F32, t) } else { polynomial(&EXP2_F64, t) };
        std::array::from_fn(
            #[inline(always)]
            |i| y[i].scale_by_power_of_two(n[i]),
        )
    }
}

/// Σ c[k] t^(D - 1 - k). The lengths are constants, so that all of it becomes a straight line.
///
/// # Safety
/// The instruction set of `V` must be enabled.
#[inline(always)]
unsafe fn polynomial<V: Vector, const N: usize, const D: usize>(c: &[f64; D], t: [V; N]) -> [V; N] {
    // SAFETY: the caller's duty.
    unsafe {
        let mut y = [V::splat(V::Element::from_f64(c[0])); N];
        for k in 1..D {
            let c = V::splat(V::Element::from_f64(c[k]));
            for i in 0..N {
                y[i] = y[i].mul_add(t[i], c);
            }
        }
        y
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Isa, Kernel, Lanes, available, dispatch_on};

    struct Map<'a, T>(&'a [T], &'a mut [T]);

    impl<T: Real> Kernel<T> for Map<'_, T> {
        type Output = ();

        #[inline(always)]
        unsafe fn run<V: Vector<Element = T>>(self) {
            for (x, y) in self.0.chunks(V::LANES).zip(self.1.chunks_mut(V::LANES)) {
                // SAFETY: the caller enabled the instruction set, and both chunks have the same length.
                unsafe { exp2([V::load_first(x.as_ptr(), x.len())])[0].store_first(y.as_mut_ptr(), y.len()) }
            }
        }
    }

    fn on<T: Lanes>(isa: Isa, x: &[T]) -> Vec<T> {
        let mut y = vec![T::ZERO; x.len()];
        dispatch_on(isa, Map(x, &mut y));
        y
    }

    #[test]
    fn exponentials_stay_within_two_ulp() {
        for isa in available() {
            let x: Vec<f32> = (0..400_001).map(|i| (i as f32 - 200_000.0) * 6e-4).collect();
            for (&x, y) in x.iter().zip(on(isa, &x)) {
                let exact = f64::from(x).exp2();
                let ulp = f64::from(f32::EPSILON) * exact.log2().floor().max(-126.0).exp2();
                assert!((f64::from(y) - exact).abs() <= 2.0 * ulp, "{isa:?}: 2^{x} is {y}, not {exact}");
            }
            // The library's own f64 exponential is within 1 ulp, so ours is held to 3 of it.
            let x: Vec<f64> = (0..100_001).map(|i| (f64::from(i) - 50_000.0) * 2e-2).collect();
            for (&x, y) in x.iter().zip(on(isa, &x)) {
                let exact = x.exp2();
                assert!((y - exact).abs() <= 3.0 * f64::EPSILON * exact, "{isa:?}: 2^{x} is {y}, not {exact}");
            }
        }
    }

    #[test]
    fn exponentials_of_what_is_not_finite() {
        fn check<T: Lanes>(isa: Isa) {
            let y = on(isa, &[T::NEG_INFINITY, T::INFINITY, T::NAN, T::ZERO, T::from_f64(-1e30), T::from_f64(1e30)]);
            assert!(y[0] == T::ZERO && y[1] == T::INFINITY && y[2].is_nan(), "{isa:?}: {y:?}");
            assert!(y[3] == T::ONE && y[4] == T::ZERO && y[5] == T::INFINITY, "{isa:?}: {y:?}");
        }
        for isa in available() {
            check::<f32>(isa);
            check::<f64>(isa);
        }
    }
}
