//! The exponential over registers.
//!
//! 2ˣ = 2ⁿ · 2ᵗ with n the nearest integer to x and |t| ≤ ½, where 2ᵗ is a polynomial whose constant term is exactly 1:
//! of degree 6 in f32 and 11 in f64, each a Chebyshev fit of (2ᵗ − 1) / t whose error is a fifth of half an ulp.

use super::Vector;
use crate::real::Real;

const EXP2_F32: [f64; 6] = [0.00015453163, 0.0013390863, 0.009618083, 0.05550357, 0.2402265, std::f64::consts::LN_2];
const EXP2_F64: [f64; 11] = [
    4.454960598224245e-10,
    7.072585949340003e-09,
    1.0178062445845584e-07,
    1.3215442587921336e-06,
    1.525273382983612e-05,
    0.0001540353044173605,
    0.0013333558146416936,
    0.009618129107606888,
    0.0555041086648216,
    0.24022650695910097,
    std::f64::consts::LN_2,
];

/// Beyond ±this, 2ˣ is 0 or ∞ in f32 and in f64.
const FAR: f64 = 1100.0;

/// 2ˣ, within 2 ulp for x in f32 and f64; 2⁻∞ = 0, 2⁺∞ = ∞ and NaN stays NaN.
///
/// # Safety
/// The instruction set of `V` must be enabled.
#[inline(always)]
pub unsafe fn exp2<V: Vector>(x: V) -> V {
    // SAFETY: the caller's duty.
    unsafe {
        let x = clamp(x);
        let n = x.round();
        scaled(n, x.sub(n))
    }
}

/// eˣ, within 2 ulp for x in f32 and f64; e⁻∞ = 0, e⁺∞ = ∞ and NaN stays NaN.
///
/// # Safety
/// The instruction set of `V` must be enabled.
#[inline(always)]
pub unsafe fn exp<V: Vector>(x: V) -> V {
    // ln 2 in two parts, of which n times the first is exact: t = (x − n · ln 2) · log₂e keeps all its digits where x is large.
    let (high, low) = if size_of::<V::Element>() == 4 {
        (0.693_359_375, -2.121_944_4e-4)
    } else {
        (6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10)
    };
    let log2_e = V::Element::from_f64(std::f64::consts::LOG2_E);
    // SAFETY: the caller's duty.
    unsafe {
        let (x, log2_e) = (clamp(x), V::splat(log2_e));
        let n = x.mul(log2_e).round();
        let (high, low) = (V::splat(V::Element::from_f64(-high)), V::splat(V::Element::from_f64(-low)));
        let rest = n.mul_add(low, n.mul_add(high, x));
        scaled(n, rest.mul(log2_e))
    }
}

/// x within ±[`FAR`]; NaN stays NaN.
///
/// # Safety
/// The instruction set of `V` must be enabled.
#[inline(always)]
unsafe fn clamp<V: Vector>(x: V) -> V {
    // SAFETY: the caller's duty. `x` is the second operand, which `max` and `min` return where either is NaN.
    unsafe { V::splat(V::Element::from_f64(FAR)).min(V::splat(V::Element::from_f64(-FAR)).max(x)) }
}

/// 2ⁿ · 2ᵗ for an integer n and |t| ≤ ½.
///
/// # Safety
/// The instruction set of `V` must be enabled.
#[inline(always)]
unsafe fn scaled<V: Vector>(n: V, t: V) -> V {
    let coefficients: &[f64] = if size_of::<V::Element>() == 4 { &EXP2_F32 } else { &EXP2_F64 };
    // SAFETY: the caller's duty.
    unsafe {
        let mut y = V::splat(V::Element::from_f64(coefficients[0]));
        for &c in &coefficients[1..] {
            y = y.mul_add(t, V::splat(V::Element::from_f64(c)));
        }
        y.mul_add(t, V::splat(V::Element::ONE)).scale_by_power_of_two(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::scalar::Scalar;
    use crate::simd::{Kernel, Lanes, dispatch};

    struct Map<'a, T>(&'a [T], &'a mut [T], bool);

    impl<T: Real> Kernel<T> for Map<'_, T> {
        type Output = ();

        #[inline(always)]
        unsafe fn run<V: Vector<Element = T>>(self) {
            for (x, y) in self.0.chunks(V::LANES).zip(self.1.chunks_mut(V::LANES)) {
                // SAFETY: the caller enabled the instruction set, and both chunks have the same length.
                unsafe {
                    let v = V::load_first(x.as_ptr(), x.len());
                    (if self.2 { exp2(v) } else { exp(v) }).store_first(y.as_mut_ptr(), y.len());
                }
            }
        }
    }

    fn map<T: Lanes>(x: &[T], base2: bool, scalar: bool) -> Vec<T> {
        let mut y = vec![T::ZERO; x.len()];
        let kernel = Map(x, &mut y, base2);
        if scalar {
            // SAFETY: a register of one lane needs no instruction set.
            unsafe { kernel.run::<Scalar<T>>() }
        } else {
            dispatch(kernel);
        }
        y
    }

    #[test]
    fn exponentials_stay_within_two_ulp_of_f64() {
        let x: Vec<f32> = (0..400_001).map(|i| (i as f32 - 200_000.0) * 4.3e-4).collect();
        for (base2, scalar) in [(false, false), (true, false), (false, true), (true, true)] {
            let y = map(&x, base2, scalar);
            for (&x, &y) in x.iter().zip(&y) {
                let exact = if base2 { f64::from(x).exp2() } else { f64::from(x).exp() };
                let ulp = f64::from(f32::EPSILON) * exact.log2().floor().max(-126.0).exp2();
                assert!((f64::from(y) - exact).abs() <= 2.0 * ulp, "base2 {base2}: f({x}) is {y}, not {exact}");
            }
        }
        // The library's own f64 exponential is within 1 ulp, so ours is held to 3 of it.
        let x: Vec<f64> = (0..100_001).map(|i| (f64::from(i) - 50_000.0) * 1.4e-2).collect();
        for (base2, scalar) in [(false, false), (true, false), (false, true), (true, true)] {
            for (&x, &y) in x.iter().zip(&map(&x, base2, scalar)) {
                let exact = if base2 { x.exp2() } else { x.exp() };
                assert!((y - exact).abs() <= 3.0 * f64::EPSILON * exact, "base2 {base2}: f({x}) is {y}, not {exact}");
            }
        }
    }

    #[test]
    fn exponentials_of_what_is_not_finite() {
        fn check<T: Lanes>() {
            for (base2, scalar) in [(false, false), (true, false), (false, true), (true, true)] {
                let y = map(&[T::NEG_INFINITY, T::INFINITY, T::NAN, T::ZERO, T::from_f64(-1e30), T::from_f64(1e30)], base2, scalar);
                assert!(y[0] == T::ZERO && y[1] == T::INFINITY && y[2].is_nan(), "{y:?}");
                assert!(y[3] == T::ONE && y[4] == T::ZERO && y[5] == T::INFINITY, "{y:?}");
            }
        }
        check::<f32>();
        check::<f64>();
    }
}
