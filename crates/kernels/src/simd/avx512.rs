//! AVX-512: sixteen f32 or eight f64.

use std::arch::x86_64::*;

use std::ops::{Add, Div, Mul, Sub};

use half::{bf16, f16};

use super::vector::operators;
use super::{Enabled, Vector, run_avx512, run_avx512_bf16};

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

/// Sixteen bf16 are the upper halves of sixteen f32.
#[inline(always)]
unsafe fn bf16_to_f32(from: *const bf16) -> __m512 {
    // SAFETY: the caller enabled AVX-512, and sixteen elements are readable.
    unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast())))) }
}

#[inline(always)]
unsafe fn f16_to_f32(from: *const f16) -> __m512 {
    // SAFETY: the caller enabled AVX-512, and sixteen elements are readable.
    unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
}

#[inline(always)]
unsafe fn f32_to_f64(from: *const f32) -> __m512d {
    // SAFETY: the caller enabled AVX-512, and eight elements are readable.
    unsafe { _mm512_cvtps_pd(_mm256_loadu_ps(from)) }
}

#[inline(always)]
unsafe fn bf16_to_f64(from: *const bf16) -> __m512d {
    // SAFETY: the caller enabled AVX-512, and eight elements are readable.
    unsafe { _mm512_cvtps_pd(_mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()))))) }
}

#[inline(always)]
unsafe fn f16_to_f64(from: *const f16) -> __m512d {
    // SAFETY: the caller enabled AVX-512 and F16C, and eight elements are readable.
    unsafe { _mm512_cvtps_pd(_mm256_cvtph_ps(_mm_loadu_si128(from.cast()))) }
}

/// [`Vector::gather_pairs`] of sixteen f32: a pair is gathered as one number of twice the size.
#[inline(always)]
unsafe fn pairs_f32(from: *const f32, places: *const u32) -> (__m512, __m512) {
    // SAFETY: the caller enabled AVX-512; sixteen places are readable, and a pair at each.
    unsafe {
        let places = _mm512_loadu_si512(places.cast());
        let x = _mm512_castpd_ps(_mm512_i32gather_pd::<4>(_mm512_castsi512_si256(places), from.cast()));
        let y = _mm512_castpd_ps(_mm512_i32gather_pd::<4>(_mm512_extracti64x4_epi64::<1>(places), from.cast()));
        let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
        (_mm512_permutex2var_ps(x, even, y), _mm512_permutex2var_ps(x, odd, y))
    }
}

/// [`Vector::gather_pairs`] of eight f64.
#[inline(always)]
unsafe fn pairs_f64(from: *const f64, places: *const u32) -> (__m512d, __m512d) {
    // SAFETY: the caller enabled AVX-512; eight places are readable, and a pair at each.
    unsafe {
        let places = _mm256_loadu_si256(places.cast());
        (_mm512_i32gather_pd::<8>(places, from), _mm512_i32gather_pd::<8>(places, from.add(1)))
    }
}

/// [`Vector::exchange`] of sixteen f32.
#[inline(always)]
unsafe fn exchange_f32<const S: usize>(x: __m512, y: __m512) -> (__m512, __m512) {
    // SAFETY: the caller enabled AVX-512.
    unsafe {
        match S {
            1 => (_mm512_mask_moveldup_ps(x, 0xAAAA, y), _mm512_mask_movehdup_ps(y, 0x5555, x)),
            2 => {
                let (x, y) = (_mm512_castps_pd(x), _mm512_castps_pd(y));
                (_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)), _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)))
            }
            4 => (
                _mm512_mask_shuffle_f32x4::<0b10_00_00_00>(x, 0xF0F0, y, y),
                _mm512_mask_shuffle_f32x4::<0b00_11_00_01>(y, 0x0F0F, x, x),
            ),
            _ => (_mm512_shuffle_f32x4::<0b01_00_01_00>(x, y), _mm512_shuffle_f32x4::<0b11_10_11_10>(x, y)),
        }
    }
}

/// [`Vector::exchange`] of eight f64.
#[inline(always)]
unsafe fn exchange_f64<const S: usize>(x: __m512d, y: __m512d) -> (__m512d, __m512d) {
    // SAFETY: the caller enabled AVX-512.
    unsafe {
        match S {
            1 => (_mm512_unpacklo_pd(x, y), _mm512_unpackhi_pd(x, y)),
            2 => (
                _mm512_mask_shuffle_f64x2::<0b10_00_00_00>(x, 0xCC, y, y),
                _mm512_mask_shuffle_f64x2::<0b00_11_00_01>(y, 0x33, x, x),
            ),
            _ => (_mm512_shuffle_f64x2::<0b01_00_01_00>(x, y), _mm512_shuffle_f64x2::<0b11_10_11_10>(x, y)),
        }
    }
}

/// [`Vector::widen_rows`] of sixteen f32.
#[inline(always)]
unsafe fn widen_f32(x: __m512) -> __m512 {
    // SAFETY: the caller enabled AVX-512.
    unsafe { _mm512_permutexvar_ps(_mm512_setr_epi32(0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11, 12), x) }
}

/// [`Vector::narrow_rows`] of sixteen f32.
#[inline(always)]
unsafe fn narrow_f32(x: __m512) -> __m512 {
    // SAFETY: the caller enabled AVX-512.
    unsafe { _mm512_permutexvar_ps(_mm512_setr_epi32(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 15, 15, 15, 15), x) }
}

/// [`Vector::widen_rows`] of eight f64.
#[inline(always)]
unsafe fn widen_f64(x: __m512d) -> __m512d {
    // SAFETY: the caller enabled AVX-512.
    unsafe { _mm512_permutexvar_pd(_mm512_setr_epi64(0, 1, 2, 3, 3, 4, 5, 6), x) }
}

/// [`Vector::narrow_rows`] of eight f64.
#[inline(always)]
unsafe fn narrow_f64(x: __m512d) -> __m512d {
    // SAFETY: the caller enabled AVX-512.
    unsafe { _mm512_permutexvar_pd(_mm512_setr_epi64(0, 1, 2, 4, 5, 6, 7, 7), x) }
}

/// Knowledge that this processor multiplies pairs of bf16, which [`bf16_pairs`](super::bf16_pairs) hands out.
#[derive(Clone, Copy)]
pub struct Bf16Pairs(());

impl Bf16Pairs {
    /// # Safety
    /// The processor has AVX-512 BF16, beside what [`F32x16`] needs.
    #[inline(always)]
    pub unsafe fn new() -> Self {
        Self(())
    }

    /// What the pairs are parts of.
    #[inline(always)]
    pub fn isa(self) -> Enabled<F32x16> {
        // SAFETY: whoever made this value knew that.
        unsafe { Enabled::new() }
    }

    /// Calls `f`, which must be `#[inline(always)]`, with the instructions for pairs enabled.
    #[inline(always)]
    pub fn enter<R>(self, f: impl FnOnce() -> R) -> R {
        // SAFETY: this value says that the processor has them.
        unsafe { run_avx512_bf16(f) }
    }

    /// Both products of each lane's pair in `x` with that in `y`, added to `sum`; subnormal numbers count as 0.
    #[inline(always)]
    pub fn mul_add(self, x: F32x16, y: F32x16, sum: F32x16) -> F32x16 {
        // SAFETY: this value says that the processor has it; a pair is the 32 bits of a lane, whatever they are called.
        unsafe {
            let [x, y] = [x, y].map(|v| std::mem::transmute::<__m512, __m512bh>(v.0));
            F32x16(_mm512_dpbf16_ps(sum.0, x, y))
        }
    }

    /// Pairs of the first `n` elements at `low` with those at `high` (absent: 0), 0 in the other lanes.
    ///
    /// # Safety
    /// `n` elements of each must be readable.
    #[inline(always)]
    pub unsafe fn load(self, low: *const bf16, high: Option<*const bf16>, n: usize) -> F32x16 {
        // SAFETY: this value says that the processor has AVX-512; masked elements are not read.
        unsafe {
            let load = |from: *const bf16| _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first16(n), from.cast()));
            let low = load(low);
            let both = high.map_or(low, |high| _mm512_or_si512(low, _mm512_slli_epi32::<16>(load(high))));
            F32x16(_mm512_castsi512_ps(both))
        }
    }
}

#[inline(always)]
unsafe fn any_less_f32(x: __m512, bound: __m512) -> bool {
    // SAFETY: the caller enabled AVX-512.
    unsafe { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, bound) != 0 }
}

#[inline(always)]
unsafe fn any_less_f64(x: __m512d, bound: __m512d) -> bool {
    // SAFETY: the caller enabled AVX-512.
    unsafe { _mm512_cmp_pd_mask::<_CMP_LT_OQ>(x, bound) != 0 }
}

#[inline(always)]
unsafe fn where_less_f32(x: __m512, bound: __m512, yes: __m512, no: __m512) -> __m512 {
    // SAFETY: the caller enabled AVX-512.
    unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, bound), no, yes) }
}

#[inline(always)]
unsafe fn where_less_f64(x: __m512d, bound: __m512d, yes: __m512d, no: __m512d) -> __m512d {
    // SAFETY: the caller enabled AVX-512.
    unsafe { _mm512_mask_blend_pd(_mm512_cmp_pd_mask::<_CMP_LT_OQ>(x, bound), no, yes) }
}

/// One implementation: every method is the instruction named.
macro_rules! vector {
    ($name:ident, $element:ty, $lanes:literal, $load_f32:ident, $load_bf16:ident, $load_f16:ident, $exchange:ident, $widen:ident, $narrow:ident, $pairs:ident, $first:ident, $set1:ident, $load:ident, $load_first:ident, $store:ident, $store_first:ident,
     $add:ident, $sub:ident, $mul:ident, $div:ident, $sqrt:ident, $where_less:ident, $any_less:ident, $fma:ident, $max:ident, $min:ident, $sum:ident, $largest:ident, $round:ident, $scale:ident) => {
        impl Vector for $name {
            type Element = $element;
            type Registers = [Self; $lanes];
            const LANES: usize = $lanes;
            const REGISTERS: usize = 32;

            #[inline(always)]
            fn registers(self) -> [Self; $lanes] {
                [self; $lanes]
            }
            #[inline(always)]
            fn enter<R>(_: Enabled<Self>, f: impl FnOnce() -> R) -> R {
                // SAFETY: the token says that the processor has the instruction set.
                unsafe { run_avx512(f) }
            }
            #[inline(always)]
            unsafe fn gather_pairs(_: Enabled<Self>, from: *const $element, places: &[u32]) -> (Self, Self) {
                assert!(places.len() >= $lanes, "a place for each lane");
                // SAFETY: the token says that the processor has the instruction; there are as many places, and the pairs are readable.
                let (first, second) = unsafe { $pairs(from, places.as_ptr()) };
                (Self(first), Self(second))
            }
            #[inline(always)]
            unsafe fn load_f32(_: Enabled<Self>, from: *const f32) -> Self {
                // SAFETY: the token says that the processor has the instruction; the elements are readable.
                Self(unsafe { $load_f32(from) })
            }
            #[inline(always)]
            unsafe fn load_bf16(_: Enabled<Self>, from: *const bf16) -> Self {
                // SAFETY: the token says that the processor has the instruction; the elements are readable.
                Self(unsafe { $load_bf16(from) })
            }
            #[inline(always)]
            unsafe fn load_f16(_: Enabled<Self>, from: *const f16) -> Self {
                // SAFETY: the token says that the processor has the instruction; the elements are readable.
                Self(unsafe { $load_f16(from) })
            }
            #[inline(always)]
            fn exchange<const S: usize>(self, other: Self) -> (Self, Self) {
                // SAFETY: a register exists only where its instructions do.
                let (x, y) = unsafe { $exchange::<S>(self.0, other.0) };
                (Self(x), Self(y))
            }
            #[inline(always)]
            fn widen_rows(self) -> Self {
                // SAFETY: a register exists only where its instructions do.
                Self(unsafe { $widen(self.0) })
            }
            #[inline(always)]
            fn narrow_rows(self) -> Self {
                // SAFETY: a register exists only where its instructions do.
                Self(unsafe { $narrow(self.0) })
            }
            #[inline(always)]
            fn splat(_: Enabled<Self>, x: $element) -> Self {
                // SAFETY: the token says that the processor has the instruction.
                Self(unsafe { $set1(x) })
            }
            #[inline(always)]
            unsafe fn load(_: Enabled<Self>, from: *const $element) -> Self {
                // SAFETY: the token says that the processor has the instruction; the elements are readable.
                Self(unsafe { $load(from) })
            }
            #[inline(always)]
            unsafe fn load_first(_: Enabled<Self>, from: *const $element, n: usize) -> Self {
                // SAFETY: the token says that the processor has the instruction; masked lanes are not read.
                Self(unsafe { $load_first($first(n), from) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $element) {
                // SAFETY: a register exists only where its instructions do; the elements are writable.
                unsafe { $store(to, self.0) }
            }
            #[inline(always)]
            unsafe fn stream(self, to: *mut $element) {
                // SAFETY: as in `store`; the line is aligned. A register is 64 bytes of any kind.
                unsafe {
                    if to.addr().is_multiple_of(64) {
                        _mm512_stream_si512(to.cast(), std::mem::transmute::<Self, __m512i>(self))
                    } else {
                        self.store(to)
                    }
                }
            }
            #[inline(always)]
            unsafe fn store_first(self, to: *mut $element, n: usize) {
                // SAFETY: a register exists only where its instructions do; masked lanes are not written.
                unsafe { $store_first(to, $first(n), self.0) }
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                // SAFETY: a register exists only where its instructions do.
                Self(unsafe { $sqrt(self.0) })
            }
            #[inline(always)]
            fn where_less(self, bound: Self, yes: Self, no: Self) -> Self {
                // SAFETY: a register exists only where its instructions do.
                Self(unsafe { $where_less(self.0, bound.0, yes.0, no.0) })
            }
            #[inline(always)]
            fn any_less(self, bound: Self) -> bool {
                // SAFETY: a register exists only where its instructions do.
                unsafe { $any_less(self.0, bound.0) }
            }
            #[inline(always)]
            fn mul_add(self, y: Self, z: Self) -> Self {
                // SAFETY: a register exists only where its instructions do.
                Self(unsafe { $fma(self.0, y.0, z.0) })
            }
            #[inline(always)]
            fn max(self, y: Self) -> Self {
                // SAFETY: a register exists only where its instructions do.
                Self(unsafe { $max(self.0, y.0) })
            }
            #[inline(always)]
            fn min(self, y: Self) -> Self {
                // SAFETY: a register exists only where its instructions do.
                Self(unsafe { $min(self.0, y.0) })
            }
            #[inline(always)]
            fn sum(self) -> $element {
                // SAFETY: a register exists only where its instructions do.
                unsafe { $sum(self.0) }
            }
            #[inline(always)]
            fn largest(self) -> $element {
                // SAFETY: a register exists only where its instructions do.
                unsafe { $largest(self.0) }
            }
            #[inline(always)]
            fn round(self) -> Self {
                // SAFETY: a register exists only where its instructions do.
                Self(unsafe { $round::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0) })
            }
            #[inline(always)]
            fn scale_by_power_of_two(self, n: Self) -> Self {
                // SAFETY: a register exists only where its instructions do.
                Self(unsafe { $scale(self.0, n.0) })
            }
            #[inline(always)]
            fn scale_by_any_power_of_two(self, n: Self) -> Self {
                self.scale_by_power_of_two(n)
            }
        }
        impl Add for $name {
            type Output = Self;
            #[inline(always)]
            fn add(self, y: Self) -> Self {
                // SAFETY: a register exists only where its instructions do.
                Self(unsafe { $add(self.0, y.0) })
            }
        }
        impl Sub for $name {
            type Output = Self;
            #[inline(always)]
            fn sub(self, y: Self) -> Self {
                // SAFETY: a register exists only where its instructions do.
                Self(unsafe { $sub(self.0, y.0) })
            }
        }
        impl Mul for $name {
            type Output = Self;
            #[inline(always)]
            fn mul(self, y: Self) -> Self {
                // SAFETY: a register exists only where its instructions do.
                Self(unsafe { $mul(self.0, y.0) })
            }
        }
        impl Div for $name {
            type Output = Self;
            #[inline(always)]
            fn div(self, y: Self) -> Self {
                // SAFETY: a register exists only where its instructions do.
                Self(unsafe { $div(self.0, y.0) })
            }
        }
        operators!($name);
    };
}
vector!(
    F32x16,
    f32,
    16,
    _mm512_loadu_ps,
    bf16_to_f32,
    f16_to_f32,
    exchange_f32,
    widen_f32,
    narrow_f32,
    pairs_f32,
    first16,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_maskz_loadu_ps,
    _mm512_storeu_ps,
    _mm512_mask_storeu_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_div_ps,
    _mm512_sqrt_ps,
    where_less_f32,
    any_less_f32,
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
    f32_to_f64,
    bf16_to_f64,
    f16_to_f64,
    exchange_f64,
    widen_f64,
    narrow_f64,
    pairs_f64,
    first8,
    _mm512_set1_pd,
    _mm512_loadu_pd,
    _mm512_maskz_loadu_pd,
    _mm512_storeu_pd,
    _mm512_mask_storeu_pd,
    _mm512_add_pd,
    _mm512_sub_pd,
    _mm512_mul_pd,
    _mm512_div_pd,
    _mm512_sqrt_pd,
    where_less_f64,
    any_less_f64,
    _mm512_fmadd_pd,
    _mm512_max_pd,
    _mm512_min_pd,
    _mm512_reduce_add_pd,
    _mm512_reduce_max_pd,
    _mm512_roundscale_pd,
    _mm512_scalef_pd
);
