//! The complement of the error function, and its inverse.

use std::f64::consts::{FRAC_2_SQRT_PI, SQRT_2};

use super::{Composite, polynomial, ratio};
use crate::math::Format;
use crate::number::Number;

/// (a + k / √2) e^(a²) erfc a by a / (a + k / √2) - ½: √2 times the ratio of Φ, of which erfc a = 2 Φ(-√2 a).
const RATIO: [f64; f64::NORMAL_RATIO.len()] = {
    let mut c = [0.0; f64::NORMAL_RATIO.len()];
    let mut k = 0;
    while k < c.len() {
        c[k] = f64::NORMAL_RATIO[k] * SQRT_2;
        k += 1;
    }
    c
};

/// erfc x = 1 - erf x
#[derive(Debug)]
pub struct Erfc;

impl Composite for Erfc {
    // e^(-h²) e^((h - a)(h + a)) for h of few digits near a, whose square is exact, times the ratio that Φ has too.
    #[inline(always)]
    fn value<T: Number>(x: T) -> T {
        let (a, end) = (x.abs(), T::from_f64(28.0));
        let a = T::select(a.greater(end), end, a);
        let sum = a + T::from_f64(f64::NORMAL_CENTRE / SQRT_2);
        let ratio = polynomial(&RATIO, a / sum - T::from_f64(0.5)) / sum;
        let h = (a * T::from_f64(256.0)).round() * T::from_f64(1.0 / 256.0);
        let tail = (-(h * h)).exp() * (((h - a) * (h + a)).exp() * ratio);
        T::select(x.less(T::ZERO), T::from_f64(2.0) - tail, tail)
    }
    #[inline(always)]
    fn slope<T: Number>(x: T, _: T) -> T {
        T::from_f64(-FRAC_2_SQRT_PI) * (-(x * x)).exp()
    }
}

/// erf⁻¹(x) / x by w = -ln(1 - x²), on 0 ≤ w ≤ 5; 1e-8.
const NEAR: [&[f64]; 2] = [
    &[0.8862269348506154, 0.31830356818207545, 0.058385343745345666, 0.00676336376210224, 0.0004315930689084995],
    &[1.0, 0.09736807173340409, 0.02735600889487837, 0.001839719225347882, 4.579382243706322e-05],
];

/// erf⁻¹(x) / x by √w - 4, on 5 ≤ w ≤ 37; 1e-6.
const FAR: [f64; 11] = [
    3.839783021366159,
    1.0094968048420108,
    0.0012705643493000486,
    -0.0008928148750971678,
    0.0003007943199429735,
    -7.527513775892939e-05,
    6.261045558105498e-05,
    -6.131434740109501e-05,
    2.406741334148258e-05,
    -2.2499308979965864e-06,
    -3.6612428322981097e-07,
];

/// The y with erf y = x; ±∞ at ±1, NaN beyond.
///
/// # Source
/// The variable w: Giles (2012), Approximating the erfinv function.
#[derive(Debug)]
pub struct Erfinv;

impl Composite for Erfinv {
    // A start, and a step of Halley's method: y - u / (1 + u y) with u = (erf y - x) / erf′ y.
    #[inline(always)]
    fn value<T: Number>(x: T) -> T {
        let (a, one) = (x.abs(), T::ONE);
        let w = -((one - a) * (one + a)).ln();
        let near = ratio(NEAR[0], NEAR[1], w);
        let far = polynomial(&FAR, w.sqrt() - T::from_f64(4.0));
        let y = a * T::select(w.less(T::from_f64(5.0)), near, far);
        // Near 1 by the complements, which have more digits.
        let off = T::select(a.greater(T::from_f64(0.65)), (one - a) - y.erfc(), y.erf() - a);
        let u = off / (T::from_f64(FRAC_2_SQRT_PI) * (-(y * y)).exp());
        let y = y - u / (one + u * y);
        let y = T::select(a.equal(one), T::from_f64(f64::INFINITY), y);
        super::odd(x, y)
    }
    #[inline(always)]
    fn slope<T: Number>(_: T, y: T) -> T {
        T::from_f64(1.0 / FRAC_2_SQRT_PI) * (y * y).exp()
    }
}
