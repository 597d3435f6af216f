//! AVX2 with FMA and F16C: eight f32 or four f64.

use std::arch::x86_64::*;

use std::ops::{Add, Div, Mul, Sub};

use half::{bf16, f16};

use super::vector::operators;
use super::{Enabled, Vector, run_avx2};

/// Eight f32.
#[derive(Clone, Copy)]
pub struct F32x8(__m256);

/// Four f64.
#[derive(Clone, Copy)]
pub struct F64x4(__m256d);

/// The mask of the first `n` lanes of eight.
#[inline(always)]
unsafe fn first8(n: usize) -> __m256i {
    // SAFETY: the caller enabled AVX2.
    unsafe { _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)) }
}

/// The mask of the first `n` lanes of four.
#[inline(always)]
unsafe fn first4(n: usize) -> __m256i {
    // SAFETY: the caller enabled AVX2.
    unsafe { _mm256_cmpgt_epi64(_mm256_set1_epi64x(n as i64), _mm256_setr_epi64x(0, 1, 2, 3)) }
}

#[inline(always)]
unsafe fn bf16_to_f32(from: *const bf16) -> __m256 {
    // SAFETY: the caller enabled AVX2, and eight elements are readable.
    unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast())))) }
}

#[inline(always)]
unsafe fn f16_to_f32(from: *const f16) -> __m256 {
    // SAFETY: the caller enabled F16C, and eight elements are readable.
    unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
}

#[inline(always)]
unsafe fn f32_to_f64(from: *const f32) -> __m256d {
    // SAFETY: the caller enabled AVX2, and four elements are readable.
    unsafe { _mm256_cvtps_pd(_mm_loadu_ps(from)) }
}

#[inline(always)]
unsafe fn bf16_to_f64(from: *const bf16) -> __m256d {
    // SAFETY: the caller enabled AVX2, and four elements of two bytes are readable.
    unsafe { _mm256_cvtps_pd(_mm_castsi128_ps(_mm_slli_epi32::<16>(_mm_cvtepu16_epi32(_mm_loadl_epi64(from.cast()))))) }
}

#[inline(always)]
unsafe fn f16_to_f64(from: *const f16) -> __m256d {
    // SAFETY: the caller enabled F16C, and four elements of two bytes are readable.
    unsafe { _mm256_cvtps_pd(_mm_cvtph_ps(_mm_loadl_epi64(from.cast()))) }
}

/// [`Vector::exchange`] of eight f32.
#[inline(always)]
unsafe fn exchange_f32<const S: usize>(x: __m256, y: __m256) -> (__m256, __m256) {
    // SAFETY: the caller enabled AVX2.
    unsafe {
        match S {
            1 => (_mm256_blend_ps::<0b10101010>(x, _mm256_moveldup_ps(y)), _mm256_blend_ps::<0b01010101>(y, _mm256_movehdup_ps(x))),
            2 => {
                let (x, y) = (_mm256_castps_pd(x), _mm256_castps_pd(y));
                (_mm256_castpd_ps(_mm256_unpacklo_pd(x, y)), _mm256_castpd_ps(_mm256_unpackhi_pd(x, y)))
            }
            _ => (_mm256_permute2f128_ps::<0x20>(x, y), _mm256_permute2f128_ps::<0x31>(x, y)),
        }
    }
}

/// [`Vector::exchange`] of four f64.
#[inline(always)]
unsafe fn exchange_f64<const S: usize>(x: __m256d, y: __m256d) -> (__m256d, __m256d) {
    // SAFETY: the caller enabled AVX2.
    unsafe {
        match S {
            1 => (_mm256_unpacklo_pd(x, y), _mm256_unpackhi_pd(x, y)),
            _ => (_mm256_permute2f128_pd::<0x20>(x, y), _mm256_permute2f128_pd::<0x31>(x, y)),
        }
    }
}

/// The sum of four f32, pairwise.
#[inline(always)]
unsafe fn sum_f32(x: __m256) -> f32 {
    // SAFETY: the caller enabled AVX2.
    unsafe {
        let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
        _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
    }
}

#[inline(always)]
unsafe fn sum_f64(x: __m256d) -> f64 {
    // SAFETY: the caller enabled AVX2.
    unsafe {
        let x = _mm_add_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd::<1>(x));
        _mm_cvtsd_f64(_mm_add_sd(x, _mm_unpackhi_pd(x, x)))
    }
}

#[inline(always)]
unsafe fn largest_f32(x: __m256) -> f32 {
    // SAFETY: the caller enabled AVX2.
    unsafe {
        let x = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let x = _mm_max_ps(x, _mm_movehl_ps(x, x));
        _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)))
    }
}

#[inline(always)]
unsafe fn largest_f64(x: __m256d) -> f64 {
    // SAFETY: the caller enabled AVX2.
    unsafe {
        let x = _mm_max_pd(_mm256_castpd256_pd128(x), _mm256_extractf128_pd::<1>(x));
        _mm_cvtsd_f64(_mm_max_sd(x, _mm_unpackhi_pd(x, x)))
    }
}

/// x · 2ⁿ in three factors, each a number of the format: ±300 reaches from the smallest number beyond the largest.
#[inline(always)]
unsafe fn scale_f32(x: __m256, n: __m256) -> __m256 {
    // SAFETY: the caller enabled AVX2.
    unsafe {
        let n = _mm256_max_ps(_mm256_min_ps(n, _mm256_set1_ps(300.0)), _mm256_set1_ps(-300.0));
        let n = _mm256_cvtps_epi32(n);
        let bias = _mm256_set1_epi32(127);
        let third = _mm256_srai_epi32::<2>(n);
        let rest = _mm256_sub_epi32(n, _mm256_add_epi32(third, third));
        let half = _mm256_srai_epi32::<1>(rest);
        let factor = |n| _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(n, bias)));
        // The largest two parts are at most 76 beyond zero, and so are the others: all exponents are in range.
        let x = _mm256_mul_ps(_mm256_mul_ps(x, factor(third)), factor(half));
        _mm256_mul_ps(_mm256_mul_ps(x, factor(_mm256_sub_epi32(rest, half))), factor(third))
    }
}

/// x · 2ⁿ in four factors: ±2100 reaches from the smallest number beyond the largest.
#[inline(always)]
unsafe fn scale_f64(x: __m256d, n: __m256d) -> __m256d {
    // SAFETY: the caller enabled AVX2.
    unsafe {
        let n = _mm256_max_pd(_mm256_min_pd(n, _mm256_set1_pd(2100.0)), _mm256_set1_pd(-2100.0));
        let quarter = _mm256_round_pd::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(_mm256_mul_pd(n, _mm256_set1_pd(0.25)));
        let rest = _mm256_sub_pd(n, _mm256_mul_pd(quarter, _mm256_set1_pd(3.0)));
        // Adding 2⁵² puts an integer into the low bits of the mantissa, from where it moves into the exponent.
        let shift = _mm256_set1_pd(4503599627370496.0 + 1023.0);
        let factor = |n| _mm256_castsi256_pd(_mm256_slli_epi64::<52>(_mm256_castpd_si256(_mm256_add_pd(n, shift))));
        let q = factor(quarter);
        _mm256_mul_pd(_mm256_mul_pd(_mm256_mul_pd(_mm256_mul_pd(x, q), q), factor(rest)), q)
    }
}
#[inline(always)]
unsafe fn any_less_f32(x: __m256, bound: __m256) -> bool {
    // SAFETY: the caller enabled AVX2.
    unsafe { _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_LT_OQ>(x, bound)) != 0 }
}

#[inline(always)]
unsafe fn any_less_f64(x: __m256d, bound: __m256d) -> bool {
    // SAFETY: the caller enabled AVX2.
    unsafe { _mm256_movemask_pd(_mm256_cmp_pd::<_CMP_LT_OQ>(x, bound)) != 0 }
}

#[inline(always)]
unsafe fn where_less_f32(x: __m256, bound: __m256, yes: __m256, no: __m256) -> __m256 {
    // SAFETY: the caller enabled AVX2.
    unsafe { _mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_LT_OQ>(x, bound)) }
}

#[inline(always)]
unsafe fn where_less_f64(x: __m256d, bound: __m256d, yes: __m256d, no: __m256d) -> __m256d {
    // SAFETY: the caller enabled AVX2.
    unsafe { _mm256_blendv_pd(no, yes, _mm256_cmp_pd::<_CMP_LT_OQ>(x, bound)) }
}

/// [`Vector::widen_rows`] of eight f32.
#[inline(always)]
unsafe fn widen_f32(x: __m256) -> __m256 {
    // SAFETY: the caller enabled AVX2.
    unsafe { _mm256_permutevar8x32_ps(x, _mm256_setr_epi32(0, 1, 2, 3, 3, 4, 5, 6)) }
}

/// [`Vector::narrow_rows`] of eight f32.
#[inline(always)]
unsafe fn narrow_f32(x: __m256) -> __m256 {
    // SAFETY: the caller enabled AVX2.
    unsafe { _mm256_permutevar8x32_ps(x, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 7, 7)) }
}

/// [`Vector::widen_rows`] of four f64, which are one row either way.
#[inline(always)]
unsafe fn widen_f64(x: __m256d) -> __m256d {
    x
}

/// [`Vector::narrow_rows`] of four f64.
#[inline(always)]
unsafe fn narrow_f64(x: __m256d) -> __m256d {
    x
}

/// One implementation: every method is the instruction named.
macro_rules! vector {
    ($name:ident, $element:ty, $lanes:literal, $load_f32:ident, $load_bf16:ident, $load_f16:ident, $exchange:ident, $widen:ident, $narrow:ident, $first:ident, $set1:ident, $load:ident, $load_first:ident, $store:ident, $store_first:ident,
     $add:ident, $sub:ident, $mul:ident, $div:ident, $sqrt:ident, $where_less:ident, $any_less:ident, $fma:ident, $max:ident, $min:ident, $sum:ident, $largest:ident, $round:ident, $scale:ident) => {
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
                // SAFETY: the token says that the processor has the instruction set.
                unsafe { run_avx2(f) }
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
                Self(unsafe { $load_first(from, $first(n)) })
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut $element) {
                // SAFETY: a register exists only where its instructions do; the elements are writable.
                unsafe { $store(to, self.0) }
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
    F32x8,
    f32,
    8,
    _mm256_loadu_ps,
    bf16_to_f32,
    f16_to_f32,
    exchange_f32,
    widen_f32,
    narrow_f32,
    first8,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_maskload_ps,
    _mm256_storeu_ps,
    _mm256_maskstore_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    _mm256_div_ps,
    _mm256_sqrt_ps,
    where_less_f32,
    any_less_f32,
    _mm256_fmadd_ps,
    _mm256_max_ps,
    _mm256_min_ps,
    sum_f32,
    largest_f32,
    _mm256_round_ps,
    scale_f32
);
vector!(
    F64x4,
    f64,
    4,
    f32_to_f64,
    bf16_to_f64,
    f16_to_f64,
    exchange_f64,
    widen_f64,
    narrow_f64,
    first4,
    _mm256_set1_pd,
    _mm256_loadu_pd,
    _mm256_maskload_pd,
    _mm256_storeu_pd,
    _mm256_maskstore_pd,
    _mm256_add_pd,
    _mm256_sub_pd,
    _mm256_mul_pd,
    _mm256_div_pd,
    _mm256_sqrt_pd,
    where_less_f64,
    any_less_f64,
    _mm256_fmadd_pd,
    _mm256_max_pd,
    _mm256_min_pd,
    sum_f64,
    largest_f64,
    _mm256_round_pd,
    scale_f64
);
