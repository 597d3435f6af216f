//! A number with its derivative by one variable: forward differentiation.

use std::ops::{Add, Div, Mul, Neg, Sub};

use super::{Composite, Number};

/// A value and its derivative by whatever variable was given the slope 1.
///
/// # Source
/// Clifford (1871); Griewank and Walther, Evaluating Derivatives (2008), chapter 3.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dual<T> {
    /// f
    pub value: T,
    /// df/dx
    pub slope: T,
}

/// 1 / √(2π)
const NORMAL_PEAK: f64 = 0.398_942_280_401_432_7;

impl<T: Number> Dual<T> {
    /// A number that does not depend on the variable.
    #[inline(always)]
    pub fn constant(value: T) -> Self {
        Self { value, slope: T::ZERO }
    }

    /// The variable itself.
    #[inline(always)]
    pub fn variable(value: T) -> Self {
        Self { value, slope: T::ONE }
    }

    /// A function of this with this value and this derivative.
    #[inline(always)]
    fn chain(self, value: T, derivative: T) -> Self {
        Self { value, slope: self.slope * derivative }
    }

    /// φ(x), the density of the standard normal distribution; 0 far from 0, where x² could be ∞.
    #[inline(always)]
    fn density(x: T) -> T {
        let far = T::from_f64(40.0);
        let x = T::select(x.abs().greater(far), far, x);
        T::from_f64(NORMAL_PEAK) * (T::from_f64(-0.5) * x * x).exp()
    }
}

impl<T: Number> Add for Dual<T> {
    type Output = Self;
    #[inline(always)]
    fn add(self, y: Self) -> Self {
        Self { value: self.value + y.value, slope: self.slope + y.slope }
    }
}

impl<T: Number> Sub for Dual<T> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, y: Self) -> Self {
        Self { value: self.value - y.value, slope: self.slope - y.slope }
    }
}

impl<T: Number> Mul for Dual<T> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, y: Self) -> Self {
        Self { value: self.value * y.value, slope: self.slope * y.value + self.value * y.slope }
    }
}

impl<T: Number> Div for Dual<T> {
    type Output = Self;
    // (a / b)′ = (a′ − (a / b) b′) / b
    #[inline(always)]
    fn div(self, y: Self) -> Self {
        let value = self.value / y.value;
        Self { value, slope: (self.slope - value * y.slope) / y.value }
    }
}

impl<T: Number> Neg for Dual<T> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self { value: -self.value, slope: -self.slope }
    }
}

impl<T: Number> Number for Dual<T> {
    type Mask = T::Mask;

    const ZERO: Self = Self { value: T::ZERO, slope: T::ZERO };
    const ONE: Self = Self { value: T::ONE, slope: T::ZERO };

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        Self::constant(T::from_f64(x))
    }
    #[inline(always)]
    fn less(self, other: Self) -> T::Mask {
        self.value.less(other.value)
    }
    #[inline(always)]
    fn less_or_equal(self, other: Self) -> T::Mask {
        self.value.less_or_equal(other.value)
    }
    #[inline(always)]
    fn equal(self, other: Self) -> T::Mask {
        self.value.equal(other.value)
    }
    #[inline(always)]
    fn select(mask: T::Mask, yes: Self, no: Self) -> Self {
        Self { value: T::select(mask, yes.value, no.value), slope: T::select(mask, yes.slope, no.slope) }
    }
    #[inline(always)]
    fn mul_add(self, y: Self, z: Self) -> Self {
        let slope = self.slope.mul_add(y.value, self.value.mul_add(y.slope, z.slope));
        Self { value: self.value.mul_add(y.value, z.value), slope }
    }
    // The derivative at 0 is 0, between those on its sides.
    #[inline(always)]
    fn abs(self) -> Self {
        let x = self.value;
        self.chain(x.abs(), T::select(x.greater(T::ZERO), T::ONE, T::select(x.less(T::ZERO), -T::ONE, x)))
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        let root = self.value.sqrt();
        self.chain(root, T::from_f64(0.5) / root)
    }
    #[inline(always)]
    fn exp(self) -> Self {
        let y = self.value.exp();
        self.chain(y, y)
    }
    #[inline(always)]
    fn ln(self) -> Self {
        self.chain(self.value.ln(), T::ONE / self.value)
    }
    #[inline(always)]
    fn sin(self) -> Self {
        self.chain(self.value.sin(), self.value.cos())
    }
    #[inline(always)]
    fn cos(self) -> Self {
        self.chain(self.value.cos(), -self.value.sin())
    }
    // (xʸ)′ = y xʸ⁻¹ x′ + xʸ ln x y′; what does not depend on the variable adds nothing, also where its factor is none.
    #[inline(always)]
    fn powf(self, y: Self) -> Self {
        let (x, value) = (self.value, self.value.powf(y.value));
        let part = |slope: T, factor: T| T::select(slope.equal(T::ZERO), T::ZERO, slope * factor);
        let base = part(self.slope, y.value * x.powf(y.value - T::ONE));
        let power = T::select(value.equal(T::ZERO), T::ZERO, value * x.ln());
        Self { value, slope: base + part(y.slope, power) }
    }
    #[inline(always)]
    fn tanh(self) -> Self {
        let y = self.value.tanh();
        self.chain(y, T::ONE - y * y)
    }
    #[inline(always)]
    fn sigmoid(self) -> Self {
        let y = self.value.sigmoid();
        self.chain(y, y * (T::ONE - y))
    }
    #[inline(always)]
    fn silu(self) -> Self {
        let (x, s) = (self.value, self.value.sigmoid());
        let far = T::from_f64(1000.0);
        // x (1 − σ), which is ∞ · 0 far to the right, and multiplied by σ = 0 far to the left.
        let rest = T::select(x.abs().greater(far), T::ZERO, x * (T::ONE - s));
        self.chain(x.silu(), s + s * rest)
    }
    #[inline(always)]
    fn erf(self) -> Self {
        let x = self.value;
        self.chain(x.erf(), T::from_f64(std::f64::consts::FRAC_2_SQRT_PI) * (-(x * x)).exp())
    }
    #[inline(always)]
    fn normal_cdf(self) -> Self {
        self.chain(self.value.normal_cdf(), Self::density(self.value))
    }
    #[inline(always)]
    fn exp2(self) -> Self {
        let y = self.value.exp2();
        self.chain(y, T::from_f64(std::f64::consts::LN_2) * y)
    }
    #[inline(always)]
    fn floor(self) -> Self {
        Self::constant(self.value.floor())
    }
    #[inline(always)]
    fn round(self) -> Self {
        Self::constant(self.value.round())
    }
    #[inline(always)]
    fn composite<F: Composite>(self) -> Self {
        let y = F::value(self.value);
        self.chain(y, F::slope(self.value, y))
    }
    // (x y′ − y x′) / (x² + y²), with both divided by the larger so that no square is infinite.
    #[inline(always)]
    fn atan2(self, other: Self) -> Self {
        let (y, x) = (self.value, other.value);
        let size = y.abs().maximum(x.abs());
        let (v, u) = (y / size, x / size);
        let slope = (u * self.slope - v * other.slope) / (size * (u * u + v * v));
        Self { value: y.atan2(x), slope }
    }
    #[inline(always)]
    fn gelu(self) -> Self {
        let x = self.value;
        let far = T::from_f64(40.0);
        let inside = T::select(x.abs().greater(far), far, x);
        self.chain(x.gelu(), x.normal_cdf() + inside * Self::density(inside))
    }
}
