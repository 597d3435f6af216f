//! The tangent, and angles from ratios.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

use super::{Composite, odd, polynomial};
use crate::number::Number;

/// tan x
#[derive(Debug)]
pub struct Tan;

impl Composite for Tan {
    #[inline(always)]
    fn value<T: Number>(x: T) -> T {
        x.sin() / x.cos()
    }
    #[inline(always)]
    fn slope<T: Number>(_: T, y: T) -> T {
        T::ONE + y * y
    }
}

/// (atan r - r) / r³ by r², on |r| ≤ tan(π/8).
const ATAN_TAIL: [f64; 11] = [
    -0.3333333333333333,
    0.1999999999999549,
    -0.1428571428466014,
    0.11111111014741562,
    -0.09090904557214267,
    0.0769218270524632,
    -0.06664504610032648,
    0.05858089538610203,
    -0.050851391487066376,
    0.03922268882347632,
    -0.0191659065063043,
];

/// arctan x
#[derive(Debug)]
pub struct Atan;

impl Composite for Atan {
    // atan a = π/2 + atan(-1/a) = π/4 + atan((a - 1) / (a + 1))
    #[inline(always)]
    fn value<T: Number>(x: T) -> T {
        let (a, one) = (x.abs(), T::ONE);
        let (far, middle) = (a.greater(T::from_f64(2.414_213_562_373_095)), a.greater(T::from_f64(0.414_213_562_373_095_03)));
        let choose = |third: T, second: T, first: T| T::select(far, third, T::select(middle, second, first));
        let r = choose(-one, a - one, a) / choose(a, a + one, one);
        let z = r * r;
        let y = choose(T::from_f64(FRAC_PI_2), T::from_f64(FRAC_PI_4), T::ZERO) + (r * z).mul_add(polynomial(&ATAN_TAIL, z), r);
        odd(x, y)
    }
    #[inline(always)]
    fn slope<T: Number>(x: T, _: T) -> T {
        T::ONE / (T::ONE + x * x)
    }
}

/// arcsin x = arctan(x / √(1 - x²))
#[derive(Debug)]
pub struct Asin;

impl Composite for Asin {
    #[inline(always)]
    fn value<T: Number>(x: T) -> T {
        Atan::value(x / ((T::ONE - x) * (T::ONE + x)).sqrt())
    }
    #[inline(always)]
    fn slope<T: Number>(x: T, _: T) -> T {
        T::ONE / ((T::ONE - x) * (T::ONE + x)).sqrt()
    }
}

/// arccos x = 2 arctan √((1 - x) / (1 + x))
#[derive(Debug)]
pub struct Acos;

impl Composite for Acos {
    #[inline(always)]
    fn value<T: Number>(x: T) -> T {
        let half = Atan::value(((T::ONE - x) / (T::ONE + x)).sqrt());
        half + half
    }
    #[inline(always)]
    fn slope<T: Number>(x: T, _: T) -> T {
        -T::ONE / ((T::ONE - x) * (T::ONE + x)).sqrt()
    }
}

/// The angle of the point (x, y), from -π to π; signs of zeros count, as in IEEE 754.
#[inline(always)]
pub fn atan2<T: Number>(y: T, x: T) -> T {
    let (a, b) = (y.abs(), x.abs());
    let infinity = T::from_f64(f64::INFINITY);
    let ratio = a / b;
    let ratio = T::select(a.equal(T::ZERO) & b.equal(T::ZERO), T::ZERO, ratio);
    let ratio = T::select(a.equal(infinity) & b.equal(infinity), T::ONE, ratio);
    let angle = Atan::value(ratio);
    let negative = |x: T| x.less(T::ZERO) | (x.equal(T::ZERO) & (T::ONE / x).less(T::ZERO));
    let angle = T::select(negative(x), T::from_f64(PI) - angle, angle);
    T::select(negative(y), -angle, angle)
}
