//! Numbers that know what vector instructions cannot compute, and numbers that are computed without them.

use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::{Mask, Number};
use crate::real::Real;

/// A number, and whether it may be wrong: on the way to it is a sine, cosine or power of what no vector unit computes.
#[derive(Debug, Clone, Copy)]
pub struct RangeChecked<T> {
    /// The number.
    pub value: T,
    /// Whether to compute it anew, by [`SystemMath`].
    pub out_of_range: bool,
}

/// A comparison of [`RangeChecked`] numbers.
#[derive(Debug, Clone, Copy)]
pub struct RangeCheckedMask {
    truth: bool,
    out_of_range: bool,
}

/// A number whose sine, cosine and powers are the system library's: right for every number, one at a time.
#[derive(Debug, Clone, Copy)]
pub struct SystemMath<T>(pub T);

impl<T: Real> RangeChecked<T> {
    /// A number that is right.
    #[inline(always)]
    pub fn new(value: T) -> Self {
        Self { value, out_of_range: false }
    }

    #[inline(always)]
    fn with(self, value: T) -> Self {
        Self { value, ..self }
    }

    #[inline(always)]
    fn compare(self, other: Self, truth: bool) -> RangeCheckedMask {
        RangeCheckedMask { truth, out_of_range: self.out_of_range | other.out_of_range }
    }
}

macro_rules! operators {
    ($($trait:ident::$method:ident),*) => {$(
        impl<T: Real> $trait for RangeChecked<T> {
            type Output = Self;
            #[allow(clippy::suspicious_arithmetic_impl, reason = "doubts are joined, whatever becomes of the numbers")]
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self { value: $trait::$method(self.value, other.value), out_of_range: self.out_of_range | other.out_of_range }
            }
        }
        impl<T: Real> $trait for SystemMath<T> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self($trait::$method(self.0, other.0))
            }
        }
    )*};
}
operators!(Add::add, Sub::sub, Mul::mul, Div::div);

impl<T: Real> Neg for RangeChecked<T> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        self.with(-self.value)
    }
}

impl<T: Real> Neg for SystemMath<T> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(-self.0)
    }
}

impl BitAnd for RangeCheckedMask {
    type Output = Self;
    #[inline(always)]
    fn bitand(self, other: Self) -> Self {
        Self { truth: self.truth & other.truth, out_of_range: self.out_of_range | other.out_of_range }
    }
}

impl BitOr for RangeCheckedMask {
    type Output = Self;
    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        Self { truth: self.truth | other.truth, out_of_range: self.out_of_range | other.out_of_range }
    }
}

impl Not for RangeCheckedMask {
    type Output = Self;
    #[inline(always)]
    fn not(self) -> Self {
        Self { truth: !self.truth, ..self }
    }
}

impl Mask for RangeCheckedMask {}

/// The functions that vector instructions compute for all numbers.
macro_rules! total {
    (range_checked: $($function:ident)*) => {$(
        #[inline(always)]
        fn $function(self) -> Self {
            self.with(self.value.$function())
        }
    )*};
    (exact: $($function:ident)*) => {$(
        #[inline(always)]
        fn $function(self) -> Self {
            Self(self.0.$function())
        }
    )*};
}

impl<T: Real> Number for RangeChecked<T> {
    type Mask = RangeCheckedMask;

    const ZERO: Self = Self { value: T::ZERO, out_of_range: false };
    const ONE: Self = Self { value: T::ONE, out_of_range: false };

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        Self::new(T::from_f64(x))
    }
    #[inline(always)]
    fn less(self, other: Self) -> RangeCheckedMask {
        self.compare(other, self.value < other.value)
    }
    #[inline(always)]
    fn less_or_equal(self, other: Self) -> RangeCheckedMask {
        self.compare(other, self.value <= other.value)
    }
    #[inline(always)]
    fn equal(self, other: Self) -> RangeCheckedMask {
        self.compare(other, self.value == other.value)
    }
    #[inline(always)]
    fn select(mask: RangeCheckedMask, yes: Self, no: Self) -> Self {
        let chosen = if mask.truth { yes } else { no };
        Self { out_of_range: chosen.out_of_range | mask.out_of_range, ..chosen }
    }
    #[inline(always)]
    fn mul_add(self, y: Self, z: Self) -> Self {
        Self { value: self.value.mul_add(y.value, z.value), out_of_range: self.out_of_range | y.out_of_range | z.out_of_range }
    }
    #[inline(always)]
    fn sin(self) -> Self {
        Self { value: self.value.sin(), out_of_range: self.out_of_range | self.value.far() }
    }
    #[inline(always)]
    fn cos(self) -> Self {
        Self { value: self.value.cos(), out_of_range: self.out_of_range | self.value.far() }
    }
    #[inline(always)]
    fn powf(self, y: Self) -> Self {
        Self { value: self.value.powf(y.value), out_of_range: self.out_of_range | y.out_of_range | self.value.beyond_powf(y.value) }
    }
    total!(range_checked: abs sqrt exp ln tanh sigmoid silu erf normal_cdf gelu exp2 floor round);
}

impl<T: Real> Number for SystemMath<T> {
    type Mask = bool;

    const ZERO: Self = Self(T::ZERO);
    const ONE: Self = Self(T::ONE);

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        Self(T::from_f64(x))
    }
    #[inline(always)]
    fn less(self, other: Self) -> bool {
        self.0 < other.0
    }
    #[inline(always)]
    fn less_or_equal(self, other: Self) -> bool {
        self.0 <= other.0
    }
    #[inline(always)]
    fn equal(self, other: Self) -> bool {
        self.0 == other.0
    }
    #[inline(always)]
    fn select(mask: bool, yes: Self, no: Self) -> Self {
        if mask { yes } else { no }
    }
    #[inline(always)]
    fn mul_add(self, y: Self, z: Self) -> Self {
        Self(self.0.mul_add(y.0, z.0))
    }
    #[inline(always)]
    fn sin(self) -> Self {
        Self(self.0.exact_sin())
    }
    #[inline(always)]
    fn cos(self) -> Self {
        Self(self.0.exact_cos())
    }
    #[inline(always)]
    fn powf(self, y: Self) -> Self {
        Self(self.0.exact_powf(y.0))
    }
    total!(exact: abs sqrt exp ln tanh sigmoid silu erf normal_cdf gelu exp2 floor round);
}
