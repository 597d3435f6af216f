//! The exponential over registers, for kernels that place them by hand.
//!
//! eˣ = 2ⁿ · eᵗ with n the nearest integer to x log₂ e and t = x − n ln 2, where eᵗ is a polynomial whose constant term is
//! exactly 1: of degree 5 in f32, off by 9·10⁻⁸ at most, and of degree 11 in f64, off by a tenth of an ulp.
//!
//! Adding 1.5 · 2ᵖ, with p the bits of a number's fraction, rounds to an integer in the low bits, as part of a
//! multiply-add: additions, minima and roundings share one half of the vector unit, and multiply-adds have the other.

use std::f64::consts::{LN_2, LOG2_E};

use super::Vector;

const EXP_F32: [f64; 6] =
    [0.008290234031262627, 0.04189792137580852, 0.16667637365230473, 0.49999149644680724, 0.9999997069695138, 1.0];
const EXP_F64: [f64; 12] = [
    2.5105312729622103e-8,
    2.7626495546432196e-7,
    2.755725517000089e-6,
    2.4801504014426906e-5,
    0.0001984126987500228,
    0.0013888888932751,
    0.008333333333326084,
    0.04166666666657239,
    0.1666666666666667,
    0.5000000000000006,
    1.0,
    1.0,
];

const EXP2_F32: [f64; 6] = of_powers_of_two(EXP_F32);
const EXP2_F64: [f64; 12] = of_powers_of_two(EXP_F64);

/// The polynomial of 2ᵗ from that of eᵗ: cₖ becomes cₖ (ln 2)ᵏ, at the same errors.
const fn of_powers_of_two<const D: usize>(mut c: [f64; D]) -> [f64; D] {
    let (mut power, mut k) = (1.0, D);
    while k > 0 {
        k -= 1;
        c[k] *= power;
        power *= LN_2;
    }
    c
}

/// ln 2 in two parts, of which the first has so few digits that n times it is exact.
const LN_2_HEAD: f64 = f64::from_bits(LN_2.to_bits() & !0x1f_ffff);
/// What is left of 0.693147180559945309417232121458.
const LN_2_REST: f64 = (LN_2 - LN_2_HEAD) + 2.3190468138462996e-17;

/// Below this, eˣ is 0 in f32 and in f64.
const FAR: f64 = -760.0;

/// eˣ of several registers, for x up to 1000 and NaN, which stays NaN; e⁻∞ = 0. Off by 3 ulp in f64; in f32 by 2, and by
/// less than an ulp of x: an argument that is a difference of rounded numbers is no closer itself.
///
/// One exponential is a chain in which each operation waits for the one before; several pass through it side by side.
#[inline(always)]
pub fn exp<V: Vector, const N: usize>(x: [V; N]) -> [V; N] {
    let single = size_of::<V::Element>() == 4;
    let isa = x[0].isa();
    let magic = isa.constant(if single { 12_582_912.0 } else { 6_755_399_441_055_744.0 });
    let (mut n, mut t) = (x, x);
    for i in 0..N {
        // `x` is the second operand, which `max` returns where either is NaN.
        let x = isa.constant(FAR).max(x[i]);
        n[i] = x.mul_add(isa.constant(LOG2_E), magic) - magic;
        t[i] = if single {
            n[i].mul_add(isa.constant(-LN_2), x)
        } else {
            n[i].mul_add(isa.constant(-LN_2_REST), n[i].mul_add(isa.constant(-LN_2_HEAD), x))
        };
    }
    let mut y = if single { polynomial(&EXP_F32, t) } else { polynomial(&EXP_F64, t) };
    for i in 0..N {
        y[i] = y[i].scale_by_power_of_two(n[i]);
    }
    y
}

/// 2ˣ of several finite numbers up to 1000; NaN where one is NaN, and NaN or 0 where one is −∞. Off by 3 ulp in f64, and by 2 in f32: nothing of x is rounded.
#[inline(always)]
pub fn exp2<V: Vector, const N: usize>(x: [V; N]) -> [V; N] {
    let single = size_of::<V::Element>() == 4;
    let (mut n, mut t) = (x, x);
    for i in 0..N {
        n[i] = x[i].round();
        t[i] = x[i] - n[i];
    }
    let mut y = if single { polynomial(&EXP2_F32, t) } else { polynomial(&EXP2_F64, t) };
    for i in 0..N {
        y[i] = y[i].scale_by_any_power_of_two(n[i]);
    }
    y
}

/// Σ c[k] t^(D - 1 - k). The lengths are constants, so that all of it becomes a straight line.
#[inline(always)]
fn polynomial<V: Vector, const N: usize, const D: usize>(c: &[f64; D], t: [V; N]) -> [V; N] {
    let isa = t[0].isa();
    let mut y = [isa.constant(c[0]); N];
    for k in 1..D {
        let c = isa.constant(c[k]);
        for i in 0..N {
            y[i] = y[i].mul_add(t[i], c);
        }
    }
    y
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::real::Real;
    use crate::simd::{Enabled, Isa, Kernel, Lanes, available, dispatch_on};

    struct Map<'a, T>(&'a [T], &'a mut [T]);

    impl<T: Real> Kernel<T> for Map<'_, T> {
        type Output = ();

        #[inline(always)]
        fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
            for (x, y) in self.0.chunks(V::LANES).zip(self.1.chunks_mut(V::LANES)) {
                exp([isa.read_first(x)])[0].write_first(y);
            }
        }
    }

    struct MapExp2<'a, T>(&'a [T], &'a mut [T]);

    impl<T: Real> Kernel<T> for MapExp2<'_, T> {
        type Output = ();

        #[inline(always)]
        fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
            for (x, y) in self.0.chunks(V::LANES).zip(self.1.chunks_mut(V::LANES)) {
                exp2([isa.read_first(x)])[0].write_first(y);
            }
        }
    }

    #[test]
    fn powers_of_two_are_close_and_end_well() {
        fn check<T: Lanes>(isa: Isa, ulps: f64) {
            let x: Vec<T> = (0..200_001).map(|i| T::from_f64(f64::from(i) * 7e-4 - 120.0)).collect();
            let mut y = vec![T::ZERO; x.len()];
            dispatch_on(isa, MapExp2(&x, &mut y));
            for (&x, &y) in x.iter().zip(&y) {
                let exact = x.to_f64().exp2();
                assert!((y.to_f64() - exact).abs() <= ulps * T::EPSILON.to_f64() * exact, "{isa:?}: 2^{x} is {y}, not {exact}");
            }
            let x = [T::from_f64(-3e38), T::NAN, T::ZERO, T::from_f64(-1e30), T::ONE, T::from_f64(-1099.0)];
            let mut y = [T::ONE; 6];
            dispatch_on(isa, MapExp2(&x, &mut y));
            assert!(y[0] == T::ZERO && y[1].is_nan() && y[2] == T::ONE && y[3] == T::ZERO && y[5] == T::ZERO, "{isa:?}: {y:?}");
            assert!((y[4].to_f64() - 2.0).abs() <= 2.0 * ulps * T::EPSILON.to_f64(), "{isa:?}: {y:?}");
        }
        for isa in available() {
            check::<f32>(isa, 2.0);
            check::<f64>(isa, 3.0);
        }
    }

    fn on<T: Lanes>(isa: Isa, x: &[T]) -> Vec<T> {
        let mut y = vec![T::ZERO; x.len()];
        dispatch_on(isa, Map(x, &mut y));
        y
    }

    /// Units of eps · |x| in f32: a half where n ln 2 is rounded before x is added, and 0.15 for the f32 nearest to ln 2 itself.
    const FROM_X: f64 = 0.65;

    #[test]
    fn exponentials_are_as_close_as_their_argument() {
        for isa in available() {
            let x: Vec<f32> = (0..400_001).map(|i| i as f32 * 3e-4 - 87.0).take_while(|&x| x < 20.0).collect();
            for (&x, y) in x.iter().zip(on(isa, &x)) {
                let exact = f64::from(x).exp();
                let allowed = (2.0 + FROM_X * f64::from(x.abs())) * f64::from(f32::EPSILON);
                assert!((f64::from(y) - exact).abs() <= allowed * exact, "{isa:?}: e^{x} is {y}, not {exact}");
            }
            // The library's own f64 exponential is within 1 ulp.
            let x: Vec<f64> = (0..100_001).map(|i| f64::from(i) * 7e-3 - 680.0).collect();
            for (&x, y) in x.iter().zip(on(isa, &x)) {
                let allowed = 3.0 * f64::EPSILON;
                assert!((y - x.exp()).abs() <= allowed * x.exp(), "{isa:?}: e^{x} is {y}, not {}", x.exp());
            }
        }
    }

    #[test]
    fn exponentials_at_the_ends() {
        fn check<T: Lanes>(isa: Isa) {
            let y = on(isa, &[T::NEG_INFINITY, T::NAN, T::ZERO, T::from_f64(-1e30), T::from_f64(-1000.0), T::from_f64(1000.0)]);
            assert!(y[0] == T::ZERO && y[1].is_nan() && y[2] == T::ONE, "{isa:?}: {y:?}");
            assert!(y[3] == T::ZERO && y[4] == T::ZERO && y[5] == T::INFINITY, "{isa:?}: {y:?}");
        }
        for isa in available() {
            check::<f32>(isa);
            check::<f64>(isa);
            // Numbers too small to be normal come as they are, or 0.
            for y in on(isa, &[-88.0_f32, -95.0, -103.0]) {
                assert!((0.0..1e-37).contains(&y), "{isa:?}: {y:e}");
            }
        }
    }
}
