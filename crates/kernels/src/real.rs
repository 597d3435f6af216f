//! The numbers that kernels compute in, and those they only store.

use half::{bf16, f16};

use crate::math::Fused;
use crate::number::Number;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
    impl Sealed for half::bf16 {}
    impl Sealed for half::f16 {}
    impl Sealed for i64 {}
    impl Sealed for i32 {}
    impl Sealed for u32 {}
    impl Sealed for u64 {}
    impl Sealed for u8 {}
    impl Sealed for super::BoolByte {}
    impl<T: Sealed> Sealed for crate::math::Fused<T> {}
}

/// A plain number that a buffer can hold: any bit pattern is a value.
pub trait Element: sealed::Sealed + bytemuck::Pod + PartialEq + PartialOrd + Send + Sync + 'static {}

impl Element for f32 {}
impl Element for f64 {}
impl Element for bf16 {}
impl Element for f16 {}
impl Element for i64 {}
impl Element for i32 {}
impl Element for u32 {}
impl Element for u64 {}
impl Element for u8 {}
impl Element for BoolByte {}

/// A truth value in a byte: false is 0, and true is every other byte, 1 where it is made here.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub struct BoolByte(pub(crate) u8);

// SAFETY: this is a byte, and 0 is one of its values.
unsafe impl bytemuck::Zeroable for BoolByte {}
// SAFETY: this is a byte, which takes any bit pattern and has no padding.
unsafe impl bytemuck::Pod for BoolByte {}

impl BoolByte {
    /// Whether it is true.
    #[inline(always)]
    pub fn get(self) -> bool {
        self.0 != 0
    }
}

impl From<bool> for BoolByte {
    #[inline(always)]
    fn from(x: bool) -> Self {
        Self(u8::from(x))
    }
}

impl PartialEq for BoolByte {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl PartialOrd for BoolByte {
    #[inline(always)]
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.get().partial_cmp(&other.get())
    }
    #[inline(always)]
    fn lt(&self, other: &Self) -> bool {
        !self.get() & other.get()
    }
    #[inline(always)]
    fn le(&self, other: &Self) -> bool {
        !self.get() | other.get()
    }
}

/// A number that a kernel computes in: f32 or f64, with what a formula does not need of it but a kernel does.
pub trait Real:
    Element
    + Number<Mask = bool>
    + std::ops::AddAssign
    + std::ops::SubAssign
    + std::ops::MulAssign
    + std::fmt::Debug
    + std::fmt::Display
{
    /// The same bits with fused multiply-adds: what loops compute in where the processor has them.
    type Fused: Real<Fused = Self::Fused>;

    /// The distance from 1 to the next larger number.
    const EPSILON: Self;
    /// +∞
    const INFINITY: Self;
    /// -∞
    const NEG_INFINITY: Self;
    /// Not a number.
    const NAN: Self;

    /// This number, exactly.
    fn to_f64(self) -> f64;
    /// The same number, whose [`mul_add`](Number::mul_add) rounds once.
    fn fused(self) -> Self::Fused;
    /// The number that [`fused`](Real::fused) made from this one.
    fn from_fused(x: Self::Fused) -> Self;
    /// xʸ for all numbers, by the system's library: one at a time.
    fn exact_powf(self, y: Self) -> Self;
    /// sin x for all numbers, by the system's library: one at a time.
    fn exact_sin(self) -> Self;
    /// cos x for all numbers, by the system's library: one at a time.
    fn exact_cos(self) -> Self;
    /// Whether xʸ is left to [`exact_powf`](Real::exact_powf).
    fn beyond_powf(self, y: Self) -> bool;
    /// Whether sin x and cos x are left to [`exact_sin`](Real::exact_sin) and [`exact_cos`](Real::exact_cos): beyond 10⁶, and NaN.
    fn far(self) -> bool;
    /// Whether this is NaN.
    fn is_nan(self) -> bool;
    /// Whether this is neither infinite nor NaN.
    fn is_finite(self) -> bool;
}

/// What every real number does alike, as a [`Number`].
macro_rules! elementary {
    () => {
        type Mask = bool;

        #[inline(always)]
        fn less(self, other: Self) -> bool {
            self < other
        }
        #[inline(always)]
        fn less_or_equal(self, other: Self) -> bool {
            self <= other
        }
        #[inline(always)]
        fn greater(self, other: Self) -> bool {
            self > other
        }
        #[inline(always)]
        fn greater_or_equal(self, other: Self) -> bool {
            self >= other
        }
        #[inline(always)]
        fn equal(self, other: Self) -> bool {
            self == other
        }
        #[inline(always)]
        fn select(mask: bool, yes: Self, no: Self) -> Self {
            if mask { yes } else { no }
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
        fn exp(self) -> Self {
            $crate::math::exp(self)
        }
        #[inline(always)]
        fn ln(self) -> Self {
            $crate::math::ln(self)
        }
        #[inline(always)]
        fn tanh(self) -> Self {
            $crate::math::tanh(self)
        }
        #[inline(always)]
        fn sigmoid(self) -> Self {
            $crate::math::sigmoid(self)
        }
        #[inline(always)]
        fn silu(self) -> Self {
            $crate::math::silu(self)
        }
        #[inline(always)]
        fn erf(self) -> Self {
            $crate::math::erf(self)
        }
        #[inline(always)]
        fn normal_cdf(self) -> Self {
            $crate::math::normal_cdf(self)
        }
        #[inline(always)]
        fn gelu(self) -> Self {
            $crate::math::gelu(self)
        }
        #[inline(always)]
        fn exp2(self) -> Self {
            $crate::math::exp2(self)
        }
        #[inline(always)]
        fn sin(self) -> Self {
            $crate::math::sin(self)
        }
        #[inline(always)]
        fn cos(self) -> Self {
            $crate::math::cos(self)
        }
        #[inline(always)]
        fn powf(self, y: Self) -> Self {
            $crate::math::powf(self, y)
        }
    };
}
pub(crate) use elementary;

/// What every real number does alike, beside.
macro_rules! limits {
    () => {
        #[inline(always)]
        fn far(self) -> bool {
            !(self.abs() <= <Self as $crate::math::Format>::FAR)
        }
        #[inline(always)]
        fn beyond_powf(self, y: Self) -> bool {
            size_of::<Self>() > 4 || !(self > Self::ZERO && self < Self::INFINITY && y.abs() < Self::INFINITY)
        }
    };
}
pub(crate) use limits;

macro_rules! real {
    ($t:ident) => {
        impl Number for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $t
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
            fn floor(self) -> Self {
                $t::floor(self)
            }
            #[inline(always)]
            fn round(self) -> Self {
                $t::round_ties_even(self)
            }
            #[inline(always)]
            fn mul_add(self, y: Self, z: Self) -> Self {
                self * y + z
            }
            elementary!();
        }
        impl Real for $t {
            type Fused = Fused<Self>;
            const EPSILON: Self = $t::EPSILON;
            const INFINITY: Self = $t::INFINITY;
            const NEG_INFINITY: Self = $t::NEG_INFINITY;
            const NAN: Self = $t::NAN;

            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }
            #[inline(always)]
            fn fused(self) -> Fused<Self> {
                Fused(self)
            }
            #[inline(always)]
            fn from_fused(x: Fused<Self>) -> Self {
                x.0
            }
            #[inline(always)]
            fn exact_powf(self, y: Self) -> Self {
                $t::powf(self, y)
            }
            #[inline(always)]
            fn exact_sin(self) -> Self {
                $t::sin(self)
            }
            #[inline(always)]
            fn exact_cos(self) -> Self {
                $t::cos(self)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                $t::is_nan(self)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                $t::is_finite(self)
            }
            limits!();
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
