//! Logarithms to other bases, and what cancels near 0.

use std::f64::consts::{LOG2_E, LOG10_E};

use super::Composite;
use crate::number::Number;

/// ln(1 + x)
#[derive(Debug)]
pub struct Log1p;

impl Composite for Log1p {
    // ln u + (x - (u - 1)) / u, with u = 1 + x rounded: the second term is what rounding took.
    #[inline(always)]
    fn value<T: Number>(x: T) -> T {
        let u = T::ONE + x;
        let ln = u.ln();
        let inside = u.greater(T::ZERO) & u.less(T::from_f64(f64::INFINITY));
        let y = T::select(inside, ln + (x - (u - T::ONE)) / u, ln);
        T::select(x.equal(T::ZERO), x, y)
    }
    #[inline(always)]
    fn slope<T: Number>(x: T, _: T) -> T {
        T::ONE / (T::ONE + x)
    }
}

/// eˣ - 1
#[derive(Debug)]
pub struct Expm1;

impl Composite for Expm1 {
    // (u - 1) x / ln u, with u = eˣ rounded: both factors change by as much (Kahan).
    #[inline(always)]
    fn value<T: Number>(x: T) -> T {
        let u = x.exp();
        let near = T::select(u.equal(T::ONE), x, (u - T::ONE) * (x / u.ln()));
        T::select(x.abs().less(T::ONE), near, u - T::ONE)
    }
    #[inline(always)]
    fn slope<T: Number>(x: T, _: T) -> T {
        x.exp()
    }
}

/// m and integer e with x = m · 2ᵉ and m between √½ and √2, or hardly beyond; for finite positive x.
#[inline(always)]
fn split<T: Number>(x: T) -> (T, T) {
    let e = (x.ln() * T::from_f64(LOG2_E)).round();
    // By two powers of two, of which neither is infinite.
    let half = (e * T::from_f64(0.5)).floor();
    (x * (-half).exp2() * (half - e).exp2(), e)
}

/// `y` for finite positive x; else ln x, which is ±∞ or NaN.
#[inline(always)]
fn where_finite<T: Number>(x: T, y: T) -> T {
    T::select(x.greater(T::ZERO) & x.less(T::from_f64(f64::INFINITY)), y, x.ln())
}

/// log₂ x; exact for powers of two.
#[derive(Debug)]
pub struct Log2;

impl Composite for Log2 {
    #[inline(always)]
    fn value<T: Number>(x: T) -> T {
        let (m, e) = split(x);
        where_finite(x, m.ln().mul_add(T::from_f64(LOG2_E), e))
    }
    #[inline(always)]
    fn slope<T: Number>(x: T, _: T) -> T {
        T::from_f64(LOG2_E) / x
    }
}

/// log₁₀ 2 to 12 bits, whose product with an exponent is exact, and the rest.
const LOG10_2: [f64; 2] = [1233.0 / 4096.0, 4.605_038_981_195_214e-6];

/// log₁₀ x; exact for powers of ten that are numbers.
#[derive(Debug)]
pub struct Log10;

impl Composite for Log10 {
    #[inline(always)]
    fn value<T: Number>(x: T) -> T {
        let (m, e) = split(x);
        let [high, low] = LOG10_2.map(T::from_f64);
        where_finite(x, e * high + e.mul_add(low, m.ln() * T::from_f64(LOG10_E)))
    }
    #[inline(always)]
    fn slope<T: Number>(x: T, _: T) -> T {
        T::from_f64(LOG10_E) / x
    }
}
