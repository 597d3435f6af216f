//! Advanced SIMD (NEON), which every AArch64 processor has: its registers in pairs, as eight f32 or four f64.
//!
//! In pairs, since a number of A that is read then meets twice as many columns: a tile of 6 × 2 pairs keeps 24 sums in 32
//! registers and reads 10 times for 24 multiply-adds, where 14 × 2 single registers would read 16 times for 28.

use std::arch::aarch64::*;
use std::arch::asm;

use std::ops::{Add, Div, Mul, Sub};

use half::{bf16, f16};

use super::vector::operators;
use super::{Enabled, Vector};

/// Eight f32.
#[derive(Clone, Copy)]
pub struct F32x8(float32x4_t, float32x4_t);

/// Four f64.
#[derive(Clone, Copy)]
pub struct F64x4(float64x2_t, float64x2_t);

#[inline(always)]
fn bf16_to_f32(x: uint16x4_t) -> float32x4_t {
    // SAFETY: every processor of this architecture has these instructions.
    unsafe { vreinterpretq_f32_u32(vshlq_n_u32::<16>(vmovl_u16(x))) }
}

/// By the instruction itself, as long as its intrinsic is not stable.
#[inline(always)]
fn f16_to_f32(x: uint16x4_t) -> float32x4_t {
    let y;
    // SAFETY: the instruction touches these registers alone.
    unsafe { asm!("fcvtl {y:v}.4s, {x:v}.4h", x = in(vreg) x, y = lateout(vreg) y, options(pure, nomem, nostack, preserves_flags)) }
    y
}

#[inline(always)]
fn f32_to_f64(x: float32x4_t) -> F64x4 {
    // SAFETY: every processor of this architecture has these instructions.
    unsafe { F64x4(vcvt_f64_f32(vget_low_f32(x)), vcvt_high_f64_f32(x)) }
}

#[inline(always)]
unsafe fn load_f32_as_f32(from: *const f32) -> F32x8 {
    // SAFETY: the caller vouches for the memory.
    unsafe { F32x8(vld1q_f32(from), vld1q_f32(from.add(4))) }
}

#[inline(always)]
unsafe fn load_bf16_as_f32(from: *const bf16) -> F32x8 {
    // SAFETY: the caller vouches for the memory.
    unsafe {
        let x = vld1q_u16(from.cast());
        F32x8(bf16_to_f32(vget_low_u16(x)), bf16_to_f32(vget_high_u16(x)))
    }
}

#[inline(always)]
unsafe fn load_f16_as_f32(from: *const f16) -> F32x8 {
    // SAFETY: the caller vouches for the memory.
    unsafe {
        let x = vld1q_u16(from.cast());
        F32x8(f16_to_f32(vget_low_u16(x)), f16_to_f32(vget_high_u16(x)))
    }
}

#[inline(always)]
unsafe fn load_f32_as_f64(from: *const f32) -> F64x4 {
    // SAFETY: the caller vouches for the memory.
    f32_to_f64(unsafe { vld1q_f32(from) })
}

#[inline(always)]
unsafe fn load_bf16_as_f64(from: *const bf16) -> F64x4 {
    // SAFETY: the caller vouches for the memory.
    f32_to_f64(bf16_to_f32(unsafe { vld1_u16(from.cast()) }))
}

#[inline(always)]
unsafe fn load_f16_as_f64(from: *const f16) -> F64x4 {
    // SAFETY: the caller vouches for the memory.
    f32_to_f64(f16_to_f32(unsafe { vld1_u16(from.cast()) }))
}

/// The first `n` of four f32 from memory, 0 in the others.
#[inline(always)]
unsafe fn load_first_f32(from: *const f32, n: usize) -> float32x4_t {
    // SAFETY: n elements are readable.
    unsafe {
        let zero = vdup_n_f32(0.0);
        match n {
            0 => vcombine_f32(zero, zero),
            1 => vcombine_f32(vld1_lane_f32::<0>(from, zero), zero),
            2 => vcombine_f32(vld1_f32(from), zero),
            3 => vcombine_f32(vld1_f32(from), vld1_lane_f32::<0>(from.add(2), zero)),
            _ => vld1q_f32(from),
        }
    }
}

/// Writes the first `n` of four f32.
#[inline(always)]
unsafe fn store_first_f32(to: *mut f32, x: float32x4_t, n: usize) {
    // SAFETY: n elements are writable.
    unsafe {
        match n {
            0 => {}
            1 => vst1q_lane_f32::<0>(to, x),
            2 => vst1_f32(to, vget_low_f32(x)),
            3 => {
                vst1_f32(to, vget_low_f32(x));
                vst1q_lane_f32::<2>(to.add(2), x);
            }
            _ => vst1q_f32(to, x),
        }
    }
}

/// The first `n` of two f64 from memory, 0 in the others.
#[inline(always)]
unsafe fn load_first_f64(from: *const f64, n: usize) -> float64x2_t {
    // SAFETY: n elements are readable.
    unsafe {
        match n {
            0 => vdupq_n_f64(0.0),
            1 => vld1q_lane_f64::<0>(from, vdupq_n_f64(0.0)),
            _ => vld1q_f64(from),
        }
    }
}

/// Writes the first `n` of two f64.
#[inline(always)]
unsafe fn store_first_f64(to: *mut f64, x: float64x2_t, n: usize) {
    // SAFETY: n elements are writable.
    unsafe {
        match n {
            0 => {}
            1 => vst1q_lane_f64::<0>(to, x),
            _ => vst1q_f64(to, x),
        }
    }
}

/// [`Vector::exchange`] of two f32 at a time.
#[inline(always)]
fn exchange_two_f32(x: float32x4_t, y: float32x4_t) -> (float32x4_t, float32x4_t) {
    // SAFETY: every processor of this architecture has these instructions.
    unsafe {
        let (x, y) = (vreinterpretq_f64_f32(x), vreinterpretq_f64_f32(y));
        (vreinterpretq_f32_f64(vtrn1q_f64(x, y)), vreinterpretq_f32_f64(vtrn2q_f64(x, y)))
    }
}

/// [`Vector::exchange`] of eight f32.
#[inline(always)]
fn exchange_f32<const S: usize>(x: F32x8, y: F32x8) -> (F32x8, F32x8) {
    // SAFETY: every processor of this architecture has these instructions.
    unsafe {
        match S {
            1 => (F32x8(vtrn1q_f32(x.0, y.0), vtrn1q_f32(x.1, y.1)), F32x8(vtrn2q_f32(x.0, y.0), vtrn2q_f32(x.1, y.1))),
            2 => {
                let ((a, b), (c, d)) = (exchange_two_f32(x.0, y.0), exchange_two_f32(x.1, y.1));
                (F32x8(a, c), F32x8(b, d))
            }
            _ => (F32x8(x.0, y.0), F32x8(x.1, y.1)),
        }
    }
}

/// [`Vector::exchange`] of four f64.
#[inline(always)]
fn exchange_f64<const S: usize>(x: F64x4, y: F64x4) -> (F64x4, F64x4) {
    // SAFETY: every processor of this architecture has these instructions.
    unsafe {
        match S {
            1 => (F64x4(vtrn1q_f64(x.0, y.0), vtrn1q_f64(x.1, y.1)), F64x4(vtrn2q_f64(x.0, y.0), vtrn2q_f64(x.1, y.1))),
            _ => (F64x4(x.0, y.0), F64x4(x.1, y.1)),
        }
    }
}

/// The larger in each lane; the second where either is NaN, which the instruction for it would return.
#[inline(always)]
fn max_f32(x: float32x4_t, y: float32x4_t) -> float32x4_t {
    // SAFETY: every processor of this architecture has these instructions.
    unsafe { vbslq_f32(vcgtq_f32(x, y), x, y) }
}

#[inline(always)]
fn min_f32(x: float32x4_t, y: float32x4_t) -> float32x4_t {
    // SAFETY: every processor of this architecture has these instructions.
    unsafe { vbslq_f32(vcltq_f32(x, y), x, y) }
}

#[inline(always)]
fn max_f64(x: float64x2_t, y: float64x2_t) -> float64x2_t {
    // SAFETY: every processor of this architecture has these instructions.
    unsafe { vbslq_f64(vcgtq_f64(x, y), x, y) }
}

#[inline(always)]
fn min_f64(x: float64x2_t, y: float64x2_t) -> float64x2_t {
    // SAFETY: every processor of this architecture has these instructions.
    unsafe { vbslq_f64(vcltq_f64(x, y), x, y) }
}

/// x · 2ⁿ in four factors, each a number of the format: ±300 reaches from the smallest number beyond the largest.
#[inline(always)]
fn scale_f32(x: float32x4_t, n: float32x4_t) -> float32x4_t {
    // SAFETY: every processor of this architecture has these instructions.
    unsafe {
        let n = vcvtnq_s32_f32(vmaxq_f32(vminq_f32(n, vdupq_n_f32(300.0)), vdupq_n_f32(-300.0)));
        let quarter = vshrq_n_s32::<2>(n);
        let rest = vsubq_s32(n, vmulq_n_s32(quarter, 3));
        let factor = |n| vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(n, vdupq_n_s32(127))));
        let q = factor(quarter);
        vmulq_f32(vmulq_f32(vmulq_f32(vmulq_f32(x, q), q), factor(rest)), q)
    }
}

/// x · 2ⁿ in four factors: ±2100 reaches from the smallest number beyond the largest.
#[inline(always)]
fn scale_f64(x: float64x2_t, n: float64x2_t) -> float64x2_t {
    // SAFETY: every processor of this architecture has these instructions.
    unsafe {
        let n = vcvtnq_s64_f64(vmaxq_f64(vminq_f64(n, vdupq_n_f64(2100.0)), vdupq_n_f64(-2100.0)));
        let quarter = vshrq_n_s64::<2>(n);
        let rest = vsubq_s64(n, vaddq_s64(quarter, vaddq_s64(quarter, quarter)));
        let factor = |n| vreinterpretq_f64_s64(vshlq_n_s64::<52>(vaddq_s64(n, vdupq_n_s64(1023))));
        let q = factor(quarter);
        vmulq_f64(vmulq_f64(vmulq_f64(vmulq_f64(x, q), q), factor(rest)), q)
    }
}

/// One implementation: every method is the instruction named, on both registers.
macro_rules! vector {
    ($name:ident, $element:ty, $half:literal, $load_f32:ident, $load_bf16:ident, $load_f16:ident, $exchange:ident, $load_first:ident, $store_first:ident, $set1:ident, $load:ident, $store:ident,
     $add:ident, $sub:ident, $mul:ident, $div:ident, $sqrt:ident, $less:ident, $choose:ident, $fma:ident, $max:ident, $min:ident, $sum:ident, $largest:ident, $round:ident, $scale:ident) => {
        impl Vector for $name {
            type Element = $element;
            type Registers = [Self; 2 * $half];
            const LANES: usize = 2 * $half;
            const REGISTERS: usize = 16;

            #[inline(always)]
            fn registers(self) -> [Self; 2 * $half] {
                [self; 2 * $half]
            }
            #[inline(always)]
            fn enter<R>(_: Enabled<Self>, f: impl FnOnce() -> R) -> R {
                f()
            }
            #[inline(always)]
            unsafe fn load_f32(_: Enabled<Self>, from: *const f32) -> Self {
                // SAFETY: the caller vouches for the memory.
                unsafe { $load_f32(from) }
            }
            #[inline(always)]
            unsafe fn load_bf16(_: Enabled<Self>, from: *const bf16) -> Self {
                // SAFETY: the caller vouches for the memory.
                unsafe { $load_bf16(from) }
            }
            #[inline(always)]
            unsafe fn load_f16(_: Enabled<Self>, from: *const f16) -> Self {
                // SAFETY: the caller vouches for the memory.
                unsafe { $load_f16(from) }
            }
            #[inline(always)]
            fn exchange<const S: usize>(self, other: Self) -> (Self, Self) {
                $exchange::<S>(self, other)
            }
            #[inline(always)]
            fn splat(_: Enabled<Self>, x: $element) -> Self {
                // SAFETY: every processor of this architecture has these instructions.
                unsafe { Self($set1(x), $set1(x)) }
            }
            #[inline(always)]
            unsafe fn load(_: Enabled<Self>, from: *const $element) -> Self {
                // SAFETY: every processor of this architecture has these instructions; the caller vouches for the memory.
                unsafe { Self($load(from), $load(from.add($half))) }
            }
            #[inline(always)]
            unsafe fn load_first(_: Enabled<Self>, from: *const $element, n: usize) -> Self {
                // SAFETY: as in `load`, for the first n elements.
                unsafe { Self($load_first(from, n), $load_first(from.wrapping_add($half), n.saturating_sub($half))) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $element) {
                // SAFETY: as in `load`.
                unsafe {
                    $store(to, self.0);
                    $store(to.add($half), self.1);
                }
            }
            #[inline(always)]
            unsafe fn store_first(self, to: *mut $element, n: usize) {
                // SAFETY: as in `load`, for the first n elements.
                unsafe {
                    $store_first(to, self.0, n);
                    $store_first(to.wrapping_add($half), self.1, n.saturating_sub($half));
                }
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                // SAFETY: every processor of this architecture has these instructions.
                unsafe { Self($sqrt(self.0), $sqrt(self.1)) }
            }
            #[inline(always)]
            fn where_less(self, bound: Self, yes: Self, no: Self) -> Self {
                // SAFETY: every processor of this architecture has these instructions.
                unsafe { Self($choose($less(self.0, bound.0), yes.0, no.0), $choose($less(self.1, bound.1), yes.1, no.1)) }
            }
            #[inline(always)]
            fn mul_add(self, y: Self, z: Self) -> Self {
                // SAFETY: every processor of this architecture has these instructions.
                unsafe { Self($fma(z.0, self.0, y.0), $fma(z.1, self.1, y.1)) }
            }
            #[inline(always)]
            fn max(self, y: Self) -> Self {
                Self($max(self.0, y.0), $max(self.1, y.1))
            }
            #[inline(always)]
            fn min(self, y: Self) -> Self {
                Self($min(self.0, y.0), $min(self.1, y.1))
            }
            #[inline(always)]
            fn sum(self) -> $element {
                // SAFETY: every processor of this architecture has these instructions.
                unsafe { $sum($add(self.0, self.1)) }
            }
            #[inline(always)]
            fn largest(self) -> $element {
                // SAFETY: every processor of this architecture has these instructions.
                unsafe { $largest($max(self.0, self.1)) }
            }
            #[inline(always)]
            fn round(self) -> Self {
                // SAFETY: every processor of this architecture has these instructions.
                unsafe { Self($round(self.0), $round(self.1)) }
            }
            #[inline(always)]
            fn scale_by_power_of_two(self, n: Self) -> Self {
                Self($scale(self.0, n.0), $scale(self.1, n.1))
            }
        }
        impl Add for $name {
            type Output = Self;
            #[inline(always)]
            fn add(self, y: Self) -> Self {
                // SAFETY: every processor of this architecture has these instructions.
                unsafe { Self($add(self.0, y.0), $add(self.1, y.1)) }
            }
        }
        impl Sub for $name {
            type Output = Self;
            #[inline(always)]
            fn sub(self, y: Self) -> Self {
                // SAFETY: every processor of this architecture has these instructions.
                unsafe { Self($sub(self.0, y.0), $sub(self.1, y.1)) }
            }
        }
        impl Mul for $name {
            type Output = Self;
            #[inline(always)]
            fn mul(self, y: Self) -> Self {
                // SAFETY: every processor of this architecture has these instructions.
                unsafe { Self($mul(self.0, y.0), $mul(self.1, y.1)) }
            }
        }
        impl Div for $name {
            type Output = Self;
            #[inline(always)]
            fn div(self, y: Self) -> Self {
                // SAFETY: every processor of this architecture has these instructions.
                unsafe { Self($div(self.0, y.0), $div(self.1, y.1)) }
            }
        }
        operators!($name);
    };
}
vector!(
    F32x8,
    f32,
    4,
    load_f32_as_f32,
    load_bf16_as_f32,
    load_f16_as_f32,
    exchange_f32,
    load_first_f32,
    store_first_f32,
    vdupq_n_f32,
    vld1q_f32,
    vst1q_f32,
    vaddq_f32,
    vsubq_f32,
    vmulq_f32,
    vdivq_f32,
    vsqrtq_f32,
    vcltq_f32,
    vbslq_f32,
    vfmaq_f32,
    max_f32,
    min_f32,
    vaddvq_f32,
    vmaxvq_f32,
    vrndnq_f32,
    scale_f32
);
vector!(
    F64x4,
    f64,
    2,
    load_f32_as_f64,
    load_bf16_as_f64,
    load_f16_as_f64,
    exchange_f64,
    load_first_f64,
    store_first_f64,
    vdupq_n_f64,
    vld1q_f64,
    vst1q_f64,
    vaddq_f64,
    vsubq_f64,
    vmulq_f64,
    vdivq_f64,
    vsqrtq_f64,
    vcltq_f64,
    vbslq_f64,
    vfmaq_f64,
    max_f64,
    min_f64,
    vaddvq_f64,
    vmaxvq_f64,
    vrndnq_f64,
    scale_f64
);
