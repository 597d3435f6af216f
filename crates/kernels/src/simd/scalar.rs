//! A register of one lane: every kernel's last resort, and the tail of every other.

use half::{bf16, f16};

use super::{Lanes, Vector};

/// One number, as a register.
#[derive(Clone, Copy)]
pub struct Scalar<T>(T);

impl<T: Lanes> Vector for Scalar<T> {
    type Element = T;
    const LANES: usize = 1;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn enter<R>(f: impl FnOnce() -> R) -> R {
        f()
    }
    #[inline(always)]
    unsafe fn load_f32(from: *const f32) -> Self {
        // SAFETY: the caller's duty.
        Self(T::from(unsafe { from.read_unaligned() }))
    }
    #[inline(always)]
    unsafe fn load_bf16(from: *const bf16) -> Self {
        // SAFETY: the caller's duty.
        Self(T::from(unsafe { from.read_unaligned() }))
    }
    #[inline(always)]
    unsafe fn load_f16(from: *const f16) -> Self {
        // SAFETY: the caller's duty.
        Self(T::from(unsafe { from.read_unaligned() }))
    }
    #[inline(always)]
    unsafe fn exchange<const S: usize>(self, other: Self) -> (Self, Self) {
        (self, other)
    }

    #[inline(always)]
    unsafe fn splat(x: T) -> Self {
        Self(x)
    }
    #[inline(always)]
    unsafe fn load(from: *const T) -> Self {
        // SAFETY: the caller's duty.
        Self(unsafe { from.read_unaligned() })
    }
    #[inline(always)]
    unsafe fn load_first(from: *const T, n: usize) -> Self {
        // SAFETY: the caller's duty, for n = 1.
        if n == 0 { Self(T::ZERO) } else { unsafe { Self::load(from) } }
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
    unsafe fn add(self, y: Self) -> Self {
        Self(self.0 + y.0)
    }
    #[inline(always)]
    unsafe fn sub(self, y: Self) -> Self {
        Self(self.0 - y.0)
    }
    #[inline(always)]
    unsafe fn mul(self, y: Self) -> Self {
        Self(self.0 * y.0)
    }
    #[inline(always)]
    unsafe fn div(self, y: Self) -> Self {
        Self(self.0 / y.0)
    }
    #[inline(always)]
    unsafe fn sqrt(self) -> Self {
        Self(self.0.sqrt())
    }
    #[inline(always)]
    unsafe fn where_less(self, bound: Self, yes: Self, no: Self) -> Self {
        if self.0 < bound.0 { yes } else { no }
    }
    #[inline(always)]
    unsafe fn mul_add(self, y: Self, z: Self) -> Self {
        Self(self.0 * y.0 + z.0)
    }
    #[inline(always)]
    unsafe fn max(self, y: Self) -> Self {
        if self.0 > y.0 { self } else { y }
    }
    #[inline(always)]
    unsafe fn min(self, y: Self) -> Self {
        if self.0 < y.0 { self } else { y }
    }
    #[inline(always)]
    unsafe fn sum(self) -> T {
        self.0
    }
    #[inline(always)]
    unsafe fn largest(self) -> T {
        self.0
    }
    #[inline(always)]
    unsafe fn round(self) -> Self {
        Self(T::from_f64(self.0.to_f64().round_ties_even()))
    }
    #[inline(always)]
    unsafe fn scale_by_power_of_two(self, n: Self) -> Self {
        // Two factors, since 2ⁿ alone may leave the range where the product does not.
        let n = n.0.to_f64();
        let half = (n * 0.5).floor();
        Self(T::from_f64(self.0.to_f64() * half.exp2() * (n - half).exp2()))
    }
}
