//! The numbers that kernels compute in, and those they only store.

use half::{bf16, f16};

use crate::math;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for half::bf16 {}
    impl Sealed for half::f16 {}
    impl Sealed for i64 {}
    impl Sealed for u8 {}
}

/// A plain number that a buffer can hold: any bit pattern is a value.
pub trait Element: sealed::Sealed + bytemuck::Pod + PartialEq + PartialOrd + Send + Sync + 'static {}

impl Element for f32 {}
impl Element for f64 {}
impl Element for bf16 {}
impl Element for f16 {}
impl Element for i64 {}
impl Element for u8 {}

/// A number that a kernel computes in: f32 or f64, with the few functions that kernels use.
pub trait Real:
    Element
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
    + std::ops::Neg<Output = Self>
    + std::ops::AddAssign
    + std::ops::SubAssign
    + std::ops::MulAssign
    + std::fmt::Debug
    + std::fmt::Display
{
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// The distance from 1 to the next larger number.
    const EPSILON: Self;
    /// +∞
    const INFINITY: Self;
    /// -∞
    const NEG_INFINITY: Self;
    /// Not a number.
    const NAN: Self;

    /// The nearest number to `x`.
    fn from_f64(x: f64) -> Self;
    /// This number, exactly.
    fn to_f64(self) -> f64;
    /// √x
    fn sqrt(self) -> Self;
    /// |x|
    fn abs(self) -> Self;
    /// xʸ
    fn powf(self, y: Self) -> Self;
    /// sin x
    fn sin(self) -> Self;
    /// cos x
    fn cos(self) -> Self;
    /// The larger of the two, NaN if either is NaN.
    fn maximum(self, other: Self) -> Self;
    /// The smaller of the two, NaN if either is NaN.
    fn minimum(self, other: Self) -> Self;
    /// Whether this is NaN.
    fn is_nan(self) -> bool;
    /// Whether this is neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// eˣ
    fn exp(self) -> Self;
    /// ln x
    fn ln(self) -> Self;
    /// tanh x
    fn tanh(self) -> Self;
    /// 1 / (1 + e⁻ˣ)
    fn sigmoid(self) -> Self;
    /// x / (1 + e⁻ˣ)
    fn silu(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// ½ erfc(-x/√2): the distribution function of the standard normal distribution.
    fn normal_cdf(self) -> Self;
}

macro_rules! real {
    ($t:ident) => {
        impl Real for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const EPSILON: Self = $t::EPSILON;
            const INFINITY: Self = $t::INFINITY;
            const NEG_INFINITY: Self = $t::NEG_INFINITY;
            const NAN: Self = $t::NAN;

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $t::sqrt(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $t::abs(self)
            }
            #[inline(always)]
            fn powf(self, y: Self) -> Self {
                $t::powf(self, y)
            }
            #[inline(always)]
            fn sin(self) -> Self {
                $t::sin(self)
            }
            #[inline(always)]
            fn cos(self) -> Self {
                $t::cos(self)
            }
            #[inline(always)]
            fn maximum(self, other: Self) -> Self {
                // The first test is false for a NaN on either side; the second is true for a NaN in `self`.
                if self > other || self != self { self } else { other }
            }
            #[inline(always)]
            fn minimum(self, other: Self) -> Self {
                if self < other || self != self { self } else { other }
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                $t::is_nan(self)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                $t::is_finite(self)
            }
            #[inline(always)]
            fn exp(self) -> Self {
                math::exp(self)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                math::ln(self)
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                math::tanh(self)
            }
            #[inline(always)]
            fn sigmoid(self) -> Self {
                math::sigmoid(self)
            }
            #[inline(always)]
            fn silu(self) -> Self {
                math::silu(self)
            }
            #[inline(always)]
            fn erf(self) -> Self {
                math::erf(self)
            }
            #[inline(always)]
            fn normal_cdf(self) -> Self {
                math::normal_cdf(self)
            }
        }
    };
}
real!(f32);
real!(f64);

/// A stored number that can be read as `T` on the way into a kernel.
pub trait Widen<T: Real>: Element {
    /// This number as `T`; exact when `T` is at least as wide.
    fn widen(self) -> T;
}

macro_rules! widen {
    ($($from:ty),*) => {$(
        impl Widen<f32> for $from {
            #[inline(always)]
            fn widen(self) -> f32 {
                f32::from(self)
            }
        }
        impl Widen<f64> for $from {
            #[inline(always)]
            fn widen(self) -> f64 {
                f64::from(self)
            }
        }
    )*};
}
widen!(bf16, f16);

impl Widen<f32> for f32 {
    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }
}
impl Widen<f64> for f32 {
    #[inline(always)]
    fn widen(self) -> f64 {
        f64::from(self)
    }
}
impl Widen<f64> for f64 {
    #[inline(always)]
    fn widen(self) -> f64 {
        self
    }
}
