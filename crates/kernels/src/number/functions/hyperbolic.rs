//! Hyperbolic functions and their inverses.

use std::f64::consts::LN_2;

use super::{Composite, odd};
use crate::number::Number;

/// ½ eᵃ for large a, also where eᵃ itself is ∞.
#[inline(always)]
fn half_exp<T: Number>(a: T) -> T {
    let root = (T::from_f64(0.5) * a).exp();
    T::from_f64(0.5) * root * root
}

/// sinh x
#[derive(Debug)]
pub struct Sinh;

impl Composite for Sinh {
    // ½ (t + t / (t + 1)) with t = eˣ - 1
    #[inline(always)]
    fn value<T: Number>(x: T) -> T {
        let a = x.abs();
        let t = a.expm1();
        let near = T::from_f64(0.5) * (t + t / (t + T::ONE));
        odd(x, T::select(t.less(T::from_f64(f64::INFINITY)), near, half_exp(a)))
    }
    #[inline(always)]
    fn slope<T: Number>(x: T, _: T) -> T {
        x.cosh()
    }
}

/// cosh x
#[derive(Debug)]
pub struct Cosh;

impl Composite for Cosh {
    #[inline(always)]
    fn value<T: Number>(x: T) -> T {
        let (a, half) = (x.abs(), T::from_f64(0.5));
        let e = a.exp();
        T::select(e.less(T::from_f64(f64::INFINITY)), half * e + half / e, half_exp(a))
    }
    #[inline(always)]
    fn slope<T: Number>(x: T, _: T) -> T {
        x.sinh()
    }
}

/// From here on x² + 1 is x², and x² is no infinity before x is far larger.
const LARGE: f64 = 1e9;

/// arsinh x
#[derive(Debug)]
pub struct Asinh;

impl Composite for Asinh {
    // ln(a + √(a² + 1)) = ln(1 + a + a² / (1 + √(a² + 1)))
    #[inline(always)]
    fn value<T: Number>(x: T) -> T {
        let (a, one) = (x.abs(), T::ONE);
        let square = a * a;
        let near = (a + square / (one + (square + one).sqrt())).log1p();
        odd(x, T::select(a.greater(T::from_f64(LARGE)), a.ln() + T::from_f64(LN_2), near))
    }
    #[inline(always)]
    fn slope<T: Number>(x: T, _: T) -> T {
        let a = x.abs();
        T::ONE / T::select(a.greater(T::from_f64(LARGE)), a, (a * a + T::ONE).sqrt())
    }
}

/// arcosh x; NaN below 1.
#[derive(Debug)]
pub struct Acosh;

impl Composite for Acosh {
    // ln(x + √(x² - 1)) = ln(1 + t + √(2t + t²)) with t = x - 1
    #[inline(always)]
    fn value<T: Number>(x: T) -> T {
        let t = x - T::ONE;
        let near = (t + (t + t + t * t).sqrt()).log1p();
        let y = T::select(x.greater(T::from_f64(LARGE)), x.ln() + T::from_f64(LN_2), near);
        T::select(x.less(T::ONE), T::from_f64(f64::NAN), y)
    }
    #[inline(always)]
    fn slope<T: Number>(x: T, _: T) -> T {
        T::ONE / ((x - T::ONE).sqrt() * (x + T::ONE).sqrt())
    }
}

/// artanh x; NaN beyond ±1.
#[derive(Debug)]
pub struct Atanh;

impl Composite for Atanh {
    // ½ ln((1 + a) / (1 - a)) = ½ ln(1 + 2a + 2a² / (1 - a))
    #[inline(always)]
    fn value<T: Number>(x: T) -> T {
        let a = x.abs();
        let twice = a + a;
        let rest = T::ONE - a;
        let t = T::select(a.less(T::from_f64(0.5)), twice + twice * a / rest, twice / rest);
        odd(x, T::from_f64(0.5) * t.log1p())
    }
    #[inline(always)]
    fn slope<T: Number>(x: T, _: T) -> T {
        T::ONE / ((T::ONE - x) * (T::ONE + x))
    }
}
