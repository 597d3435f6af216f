//! SIMD of WebAssembly: four f32 or two f64, whose multiply-adds are rounded twice.

use std::arch::wasm32::*;

use std::ops::{Add, Div, Mul, Sub};

use half::{bf16, f16};

use super::vector::operators;
use super::{Enabled, Vector};

/// Four f32.
#[derive(Clone, Copy)]
pub struct F32x4(v128);

/// Two f64.
#[derive(Clone, Copy)]
pub struct F64x2(v128);

/// f32 whose upper halves are these bf16.
#[inline(always)]
fn bf16_to_f32(x: v128) -> v128 {
    u32x4_shl(x, 16)
}

/// f32 from f16 in their lower halves: shifted into place, exponents are too small by 112, those of infinities and NaN by more.
#[inline(always)]
fn f16_to_f32(x: v128) -> v128 {
    let sign = u32x4_shl(v128_and(x, u32x4_splat(0x8000)), 16);
    let exponent = v128_and(x, u32x4_splat(0x7c00));
    let size = f32x4_mul(u32x4_shl(v128_and(x, u32x4_splat(0x7fff)), 13), u32x4_splat((127 + 112) << 23));
    let not_finite = v128_and(u32x4_eq(exponent, u32x4_splat(0x7c00)), u32x4_splat(0x7f80_0000));
    v128_or(v128_or(size, not_finite), sign)
}

#[inline(always)]
unsafe fn load_bf16_as_f32(from: *const bf16) -> v128 {
    // SAFETY: four elements of two bytes are readable.
    bf16_to_f32(unsafe { u32x4_load_extend_u16x4(from.cast()) })
}

#[inline(always)]
unsafe fn load_f16_as_f32(from: *const f16) -> v128 {
    // SAFETY: four elements of two bytes are readable.
    f16_to_f32(unsafe { u32x4_load_extend_u16x4(from.cast()) })
}

#[inline(always)]
unsafe fn load_f32_as_f64(from: *const f32) -> v128 {
    // SAFETY: two elements of four bytes are readable.
    f64x2_promote_low_f32x4(unsafe { v128_load64_zero(from.cast()) })
}

#[inline(always)]
unsafe fn load_bf16_as_f64(from: *const bf16) -> v128 {
    // SAFETY: two elements of two bytes are readable.
    f64x2_promote_low_f32x4(bf16_to_f32(u32x4_extend_low_u16x8(unsafe { v128_load32_zero(from.cast()) })))
}

#[inline(always)]
unsafe fn load_f16_as_f64(from: *const f16) -> v128 {
    // SAFETY: two elements of two bytes are readable.
    f64x2_promote_low_f32x4(f16_to_f32(u32x4_extend_low_u16x8(unsafe { v128_load32_zero(from.cast()) })))
}

#[inline(always)]
unsafe fn load_first_f32(from: *const f32, n: usize) -> v128 {
    // SAFETY: n elements are readable.
    unsafe {
        match n {
            0 => f32x4_splat(0.0),
            1 => v128_load32_zero(from.cast()),
            2 => v128_load64_zero(from.cast()),
            3 => v128_load32_lane::<2>(v128_load64_zero(from.cast()), from.add(2).cast()),
            _ => v128_load(from.cast()),
        }
    }
}

#[inline(always)]
unsafe fn store_first_f32(to: *mut f32, x: v128, n: usize) {
    // SAFETY: n elements are writable.
    unsafe {
        match n {
            0 => {}
            1 => v128_store32_lane::<0>(x, to.cast()),
            2 => v128_store64_lane::<0>(x, to.cast()),
            3 => {
                v128_store64_lane::<0>(x, to.cast());
                v128_store32_lane::<2>(x, to.add(2).cast());
            }
            _ => v128_store(to.cast(), x),
        }
    }
}

#[inline(always)]
unsafe fn load_first_f64(from: *const f64, n: usize) -> v128 {
    // SAFETY: n elements are readable.
    unsafe {
        match n {
            0 => f64x2_splat(0.0),
            1 => v128_load64_zero(from.cast()),
            _ => v128_load(from.cast()),
        }
    }
}

#[inline(always)]
unsafe fn store_first_f64(to: *mut f64, x: v128, n: usize) {
    // SAFETY: n elements are writable.
    unsafe {
        match n {
            0 => {}
            1 => v128_store64_lane::<0>(x, to.cast()),
            _ => v128_store(to.cast(), x),
        }
    }
}

/// [`Vector::exchange`] of four f32.
#[inline(always)]
fn exchange_f32<const S: usize>(x: v128, y: v128) -> (v128, v128) {
    match S {
        1 => (u32x4_shuffle::<0, 4, 2, 6>(x, y), u32x4_shuffle::<1, 5, 3, 7>(x, y)),
        _ => (u32x4_shuffle::<0, 1, 4, 5>(x, y), u32x4_shuffle::<2, 3, 6, 7>(x, y)),
    }
}

/// [`Vector::exchange`] of two f64.
#[inline(always)]
fn exchange_f64<const S: usize>(x: v128, y: v128) -> (v128, v128) {
    (u64x2_shuffle::<0, 2>(x, y), u64x2_shuffle::<1, 3>(x, y))
}

/// The larger in each lane; the second where either is NaN.
#[inline(always)]
fn max_f32(x: v128, y: v128) -> v128 {
    f32x4_pmax(y, x)
}

#[inline(always)]
fn min_f32(x: v128, y: v128) -> v128 {
    f32x4_pmin(y, x)
}

#[inline(always)]
fn max_f64(x: v128, y: v128) -> v128 {
    f64x2_pmax(y, x)
}

#[inline(always)]
fn min_f64(x: v128, y: v128) -> v128 {
    f64x2_pmin(y, x)
}

/// The sum of four f32, pairwise.
#[inline(always)]
fn sum_f32(x: v128) -> f32 {
    let x = f32x4_add(x, u32x4_shuffle::<2, 3, 0, 1>(x, x));
    f32x4_extract_lane::<0>(x) + f32x4_extract_lane::<1>(x)
}

#[inline(always)]
fn sum_f64(x: v128) -> f64 {
    f64x2_extract_lane::<0>(x) + f64x2_extract_lane::<1>(x)
}

#[inline(always)]
fn largest_f32(x: v128) -> f32 {
    let x = max_f32(x, u32x4_shuffle::<2, 3, 0, 1>(x, x));
    f32x4_extract_lane::<0>(max_f32(x, u32x4_shuffle::<1, 0, 3, 2>(x, x)))
}

#[inline(always)]
fn largest_f64(x: v128) -> f64 {
    f64x2_extract_lane::<0>(max_f64(x, u64x2_shuffle::<1, 0>(x, x)))
}

/// x · 2ⁿ in four factors, each a number of the format: ±300 reaches from the smallest number beyond the largest.
#[inline(always)]
fn scale_f32(x: v128, n: v128) -> v128 {
    let n = i32x4_trunc_sat_f32x4(f32x4_max(f32x4_min(n, f32x4_splat(300.0)), f32x4_splat(-300.0)));
    let quarter = i32x4_shr(n, 2);
    let rest = i32x4_sub(n, i32x4_mul(quarter, i32x4_splat(3)));
    let factor = |n| i32x4_shl(i32x4_add(n, i32x4_splat(127)), 23);
    let q = factor(quarter);
    f32x4_mul(f32x4_mul(f32x4_mul(f32x4_mul(x, q), q), factor(rest)), q)
}

/// x · 2ⁿ in four factors: ±2100 reaches from the smallest number beyond the largest.
#[inline(always)]
fn scale_f64(x: v128, n: v128) -> v128 {
    let n = i32x4_trunc_sat_f64x2_zero(f64x2_max(f64x2_min(n, f64x2_splat(2100.0)), f64x2_splat(-2100.0)));
    let quarter = i32x4_shr(n, 2);
    let rest = i32x4_sub(n, i32x4_mul(quarter, i32x4_splat(3)));
    let factor = |n| i64x2_shl(i64x2_extend_low_i32x4(i32x4_add(n, i32x4_splat(1023))), 52);
    let q = factor(quarter);
    f64x2_mul(f64x2_mul(f64x2_mul(f64x2_mul(x, q), q), factor(rest)), q)
}

/// One implementation: every method is the instruction named.
macro_rules! vector {
    ($name:ident, $element:ty, $lanes:literal, $load_f32:ident, $load_bf16:ident, $load_f16:ident, $exchange:ident, $load_first:ident,
     $store_first:ident, $set1:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $sqrt:ident, $less:ident, $max:ident, $min:ident, $sum:ident, $largest:ident,
     $round:ident, $scale:ident) => {
        impl Vector for $name {
            type Element = $element;
            type Registers = [Self; $lanes];
            const LANES: usize = $lanes;
            const REGISTERS: usize = 16;

            #[inline(always)]
            fn registers(self) -> [Self; $lanes] {
                [self; $lanes]
            }
            #[inline(always)]
            fn enter<R>(_: Enabled<Self>, f: impl FnOnce() -> R) -> R {
                f()
            }
            #[inline(always)]
            unsafe fn load_f32(_: Enabled<Self>, from: *const f32) -> Self {
                // SAFETY: the caller vouches for the memory.
                Self(unsafe { $load_f32(from.cast()) })
            }
            #[inline(always)]
            unsafe fn load_bf16(_: Enabled<Self>, from: *const bf16) -> Self {
                // SAFETY: the caller vouches for the memory.
                Self(unsafe { $load_bf16(from) })
            }
            #[inline(always)]
            unsafe fn load_f16(_: Enabled<Self>, from: *const f16) -> Self {
                // SAFETY: the caller vouches for the memory.
                Self(unsafe { $load_f16(from) })
            }
            #[inline(always)]
            fn exchange<const S: usize>(self, other: Self) -> (Self, Self) {
                let (x, y) = $exchange::<S>(self.0, other.0);
                (Self(x), Self(y))
            }
            #[inline(always)]
            fn splat(_: Enabled<Self>, x: $element) -> Self {
                Self($set1(x))
            }
            #[inline(always)]
            unsafe fn load(_: Enabled<Self>, from: *const $element) -> Self {
                // SAFETY: the caller vouches for the memory.
                Self(unsafe { v128_load(from.cast()) })
            }
            #[inline(always)]
            unsafe fn load_first(_: Enabled<Self>, from: *const $element, n: usize) -> Self {
                // SAFETY: the caller vouches for the memory.
                Self(unsafe { $load_first(from, n) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $element) {
                // SAFETY: the caller vouches for the memory.
                unsafe { v128_store(to.cast(), self.0) }
            }
            #[inline(always)]
            unsafe fn store_first(self, to: *mut $element, n: usize) {
                // SAFETY: the caller vouches for the memory.
                unsafe { $store_first(to, self.0, n) }
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                Self($sqrt(self.0))
            }
            #[inline(always)]
            fn where_less(self, bound: Self, yes: Self, no: Self) -> Self {
                Self(v128_bitselect(yes.0, no.0, $less(self.0, bound.0)))
            }
            #[inline(always)]
            fn mul_add(self, y: Self, z: Self) -> Self {
                Self($add($mul(self.0, y.0), z.0))
            }
            #[inline(always)]
            fn max(self, y: Self) -> Self {
                Self($max(self.0, y.0))
            }
            #[inline(always)]
            fn min(self, y: Self) -> Self {
                Self($min(self.0, y.0))
            }
            #[inline(always)]
            fn sum(self) -> $element {
                $sum(self.0)
            }
            #[inline(always)]
            fn largest(self) -> $element {
                $largest(self.0)
            }
            #[inline(always)]
            fn round(self) -> Self {
                Self($round(self.0))
            }
            #[inline(always)]
            fn scale_by_power_of_two(self, n: Self) -> Self {
                Self($scale(self.0, n.0))
            }
        }
        impl Add for $name {
            type Output = Self;
            #[inline(always)]
            fn add(self, y: Self) -> Self {
                Self($add(self.0, y.0))
            }
        }
        impl Sub for $name {
            type Output = Self;
            #[inline(always)]
            fn sub(self, y: Self) -> Self {
                Self($sub(self.0, y.0))
            }
        }
        impl Mul for $name {
            type Output = Self;
            #[inline(always)]
            fn mul(self, y: Self) -> Self {
                Self($mul(self.0, y.0))
            }
        }
        impl Div for $name {
            type Output = Self;
            #[inline(always)]
            fn div(self, y: Self) -> Self {
                Self($div(self.0, y.0))
            }
        }
        operators!($name);
    };
}
vector!(
    F32x4,
    f32,
    4,
    v128_load,
    load_bf16_as_f32,
    load_f16_as_f32,
    exchange_f32,
    load_first_f32,
    store_first_f32,
    f32x4_splat,
    f32x4_add,
    f32x4_sub,
    f32x4_mul,
    f32x4_div,
    f32x4_sqrt,
    f32x4_lt,
    max_f32,
    min_f32,
    sum_f32,
    largest_f32,
    f32x4_nearest,
    scale_f32
);
vector!(
    F64x2,
    f64,
    2,
    load_f32_as_f64,
    load_bf16_as_f64,
    load_f16_as_f64,
    exchange_f64,
    load_first_f64,
    store_first_f64,
    f64x2_splat,
    f64x2_add,
    f64x2_sub,
    f64x2_mul,
    f64x2_div,
    f64x2_sqrt,
    f64x2_lt,
    max_f64,
    min_f64,
    sum_f64,
    largest_f64,
    f64x2_nearest,
    scale_f64
);
