//! AVX-512: sixteen f32 or eight f64.

use std::arch::x86_64::*;

use super::Vector;

/// Sixteen f32.
#[derive(Clone, Copy)]
pub struct F32x16(__m512);

/// Eight f64.
#[derive(Clone, Copy)]
pub struct F64x8(__m512d);

/// The mask of the first `n` lanes of sixteen.
#[inline(always)]
fn first16(n: usize) -> __mmask16 {
    if n >= 16 { u16::MAX } else { (1 << n) - 1 }
}

/// The mask of the first `n` lanes of eight.
#[inline(always)]
fn first8(n: usize) -> __mmask8 {
    if n >= 8 { u8::MAX } else { (1 << n) - 1 }
}

/// One implementation: every method is the instruction named, under the caller's duty stated by [`Vector`].
macro_rules! vector {
    ($name:ident, $element:ty, $lanes:literal, $first:ident, $set1:ident, $load:ident, $load_first:ident, $store:ident, $store_first:ident,
     $add:ident, $sub:ident, $mul:ident, $fma:ident, $max:ident, $min:ident, $sum:ident, $largest:ident, $round:ident, $scale:ident) => {
        impl Vector for $name {
            type Element = $element;
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn splat(x: $element) -> Self {
                // SAFETY: the caller enabled AVX-512 (as in every method below) ...
                Self(unsafe { $set1(x) })
            }
            #[inline(always)]
            unsafe fn load(from: *const $element) -> Self {
                // SAFETY: ... and vouches for the memory.
                Self(unsafe { $load(from) })
            }
            #[inline(always)]
            unsafe fn load_first(from: *const $element, n: usize) -> Self {
                // SAFETY: masked lanes are not read.
                Self(unsafe { $load_first($first(n), from) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $element) {
                // SAFETY: as for `load`.
                unsafe { $store(to, self.0) }
            }
            #[inline(always)]
            unsafe fn store_first(self, to: *mut $element, n: usize) {
                // SAFETY: masked lanes are not written.
                unsafe { $store_first(to, $first(n), self.0) }
            }
            #[inline(always)]
            unsafe fn add(self, y: Self) -> Self {
                // SAFETY: as for `splat`.
                Self(unsafe { $add(self.0, y.0) })
            }
            #[inline(always)]
            unsafe fn sub(self, y: Self) -> Self {
                // SAFETY: as for `splat`.
                Self(unsafe { $sub(self.0, y.0) })
            }
            #[inline(always)]
            unsafe fn mul(self, y: Self) -> Self {
                // SAFETY: as for `splat`.
                Self(unsafe { $mul(self.0, y.0) })
            }
            #[inline(always)]
            unsafe fn mul_add(self, y: Self, z: Self) -> Self {
                // SAFETY: as for `splat`.
                Self(unsafe { $fma(self.0, y.0, z.0) })
            }
            #[inline(always)]
            unsafe fn max(self, y: Self) -> Self {
                // SAFETY: as for `splat`.
                Self(unsafe { $max(self.0, y.0) })
            }
            #[inline(always)]
            unsafe fn min(self, y: Self) -> Self {
                // SAFETY: as for `splat`.
                Self(unsafe { $min(self.0, y.0) })
            }
            #[inline(always)]
            unsafe fn sum(self) -> $element {
                // SAFETY: as for `splat`.
                unsafe { $sum(self.0) }
            }
            #[inline(always)]
            unsafe fn largest(self) -> $element {
                // SAFETY: as for `splat`.
                unsafe { $largest(self.0) }
            }
            #[inline(always)]
            unsafe fn round(self) -> Self {
                // SAFETY: as for `splat`.
                Self(unsafe { $round::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
            }
            #[inline(always)]
            unsafe fn scale_by_power_of_two(self, n: Self) -> Self {
                // SAFETY: as for `splat`.
                Self(unsafe { $scale(self.0, n.0) })
            }
        }
    };
}
vector!(
    F32x16,
    f32,
    16,
    first16,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_maskz_loadu_ps,
    _mm512_storeu_ps,
    _mm512_mask_storeu_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_fmadd_ps,
    _mm512_max_ps,
    _mm512_min_ps,
    _mm512_reduce_add_ps,
    _mm512_reduce_max_ps,
    _mm512_roundscale_ps,
    _mm512_scalef_ps
);
vector!(
    F64x8,
    f64,
    8,
    first8,
    _mm512_set1_pd,
    _mm512_loadu_pd,
    _mm512_maskz_loadu_pd,
    _mm512_storeu_pd,
    _mm512_mask_storeu_pd,
    _mm512_add_pd,
    _mm512_sub_pd,
    _mm512_mul_pd,
    _mm512_fmadd_pd,
    _mm512_max_pd,
    _mm512_min_pd,
    _mm512_reduce_add_pd,
    _mm512_reduce_max_pd,
    _mm512_roundscale_pd,
    _mm512_scalef_pd
);
