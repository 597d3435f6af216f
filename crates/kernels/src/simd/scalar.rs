//! A register of one lane: every kernel's last resort, and the tail of every other.

use std::ops::{Add, Div, Mul, Sub};

use half::{bf16, f16};

use super::vector::operators;
use super::{Enabled, Lanes, Vector};

/// One number, as a register.
#[derive(Clone, Copy)]
pub struct Scalar<T>(T);

impl<T: Lanes> Vector for Scalar<T> {
    type Element = T;
    type Registers = [Self; 1];
    const LANES: usize = 1;
    const REGISTERS: usize = 16;

    #[inline(always)]
    fn registers(self) -> [Self; 1] {
        [self; 1]
    }
    #[inline(always)]
    fn enter<R>(_: Enabled<Self>, f: impl FnOnce() -> R) -> R {
        f()
    }
    #[inline(always)]
    unsafe fn load_f32(_: Enabled<Self>, from: *const f32) -> Self {
        // SAFETY: the caller's duty.
        Self(T::from(unsafe { from.read_unaligned() }))
    }
    #[inline(always)]
    unsafe fn load_bf16(_: Enabled<Self>, from: *const bf16) -> Self {
        // SAFETY: the caller's duty.
        Self(T::from(unsafe { from.read_unaligned() }))
    }
    #[inline(always)]
    unsafe fn load_f16(_: Enabled<Self>, from: *const f16) -> Self {
        // SAFETY: the caller's duty.
        Self(T::from(unsafe { from.read_unaligned() }))
    }
    #[inline(always)]
    fn exchange<const S: usize>(self, other: Self) -> (Self, Self) {
        (self, other)
    }

    #[inline(always)]
    fn splat(_: Enabled<Self>, x: T) -> Self {
        Self(x)
    }
    #[inline(always)]
    unsafe fn load(_: Enabled<Self>, from: *const T) -> Self {
        // SAFETY: the caller's duty.
        Self(unsafe { from.read_unaligned() })
    }
    #[inline(always)]
    unsafe fn load_first(isa: Enabled<Self>, from: *const T, n: usize) -> Self {
        // SAFETY: the caller's duty, for n = 1.
        if n == 0 { Self(T::ZERO) } else { unsafe { Self::load(isa, from) } }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut T) {
        // SAFETY: the caller's duty.
        unsafe { to.write_unaligned(self.0) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut T, n: usize) {
        if n > 0 {
            // SAFETY: the caller's duty, for n = 1.
            unsafe { self.store(to) }
        }
    }
    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(self.0.sqrt())
    }
    #[inline(always)]
    fn where_less(self, bound: Self, yes: Self, no: Self) -> Self {
        if self.0 < bound.0 { yes } else { no }
    }
    #[inline(always)]
    fn mul_add(self, y: Self, z: Self) -> Self {
        Self(self.0 * y.0 + z.0)
    }
    #[inline(always)]
    fn max(self, y: Self) -> Self {
        if self.0 > y.0 { self } else { y }
    }
    #[inline(always)]
    fn min(self, y: Self) -> Self {
        if self.0 < y.0 { self } else { y }
    }
    #[inline(always)]
    fn sum(self) -> T {
        self.0
    }
    #[inline(always)]
    fn largest(self) -> T {
        self.0
    }
    #[inline(always)]
    fn round(self) -> Self {
        Self(T::from_f64(self.0.to_f64().round_ties_even()))
    }
    #[inline(always)]
    fn scale_by_power_of_two(self, n: Self) -> Self {
        // Two factors, since 2ⁿ alone may leave the range where the product does not.
        let n = n.0.to_f64();
        let half = (n * 0.5).floor();
        Self(T::from_f64(self.0.to_f64() * half.exp2() * (n - half).exp2()))
    }
}
impl<T: Lanes> Add for Scalar<T> {
    type Output = Self;
    #[inline(always)]
    fn add(self, y: Self) -> Self {
        Self(self.0 + y.0)
    }
}
impl<T: Lanes> Sub for Scalar<T> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, y: Self) -> Self {
        Self(self.0 - y.0)
    }
}
impl<T: Lanes> Mul for Scalar<T> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, y: Self) -> Self {
        Self(self.0 * y.0)
    }
}
impl<T: Lanes> Div for Scalar<T> {
    type Output = Self;
    #[inline(always)]
    fn div(self, y: Self) -> Self {
        Self(self.0 / y.0)
    }
}
operators!(Scalar<T>, T: Lanes);
