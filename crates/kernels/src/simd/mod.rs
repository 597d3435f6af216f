//! One source for every vector unit, chosen at run time.
//!
//! [`run`] compiles a plain loop once an instruction set and lets the compiler vectorize it: enough for maps and
//! reductions. [`dispatch`] hands a [`Kernel`] the [`Vector`] of the best instruction set: for kernels that place
//! registers by hand.

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
mod enabled;
pub mod math;
#[cfg(target_arch = "aarch64")]
pub mod neon;
pub mod scalar;
mod square;
mod stream;
mod vector;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
pub mod wasm;

use std::sync::OnceLock;

pub use enabled::Enabled;
use half::{bf16, f16};
pub use square::{Square, transpose};
pub use stream::{Stream, fence};
pub use vector::{MAX_LANES, Vector};

use crate::real::Real;
use scalar::Scalar;

/// An instruction set that kernels are compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Isa {
    /// One number a register, and loops that the compiler vectorizes for what every processor of the target has.
    Baseline,
    /// AArch64 with Advanced SIMD.
    Neon,
    /// WebAssembly with SIMD.
    Simd128,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// x86-64 with AVX-512 F, BW, DQ and VL.
    Avx512,
}

impl Isa {
    /// Those of this architecture, each a part of the next.
    const ALL: &[Self] = if cfg!(target_arch = "x86_64") {
        &[Self::Baseline, Self::Avx2, Self::Avx512]
    } else if cfg!(target_arch = "aarch64") {
        &[Self::Baseline, Self::Neon]
    } else if cfg!(all(target_arch = "wasm32", target_feature = "simd128")) {
        &[Self::Baseline, Self::Simd128]
    } else {
        &[Self::Baseline]
    };
}

/// The best instruction set of this processor, or a lesser one named by `MONOTILE_ISA` (`baseline`, `avx2`, `avx512`, `neon`,
/// `simd128`).
pub fn isa() -> Isa {
    static ISA: OnceLock<Isa> = OnceLock::new();
    *ISA.get_or_init(|| {
        let wished = std::env::var("MONOTILE_ISA").unwrap_or_default();
        available().find(|isa| format!("{isa:?}").eq_ignore_ascii_case(&wished)).unwrap_or_else(best)
    })
}

/// Every instruction set of this processor, for tests that compare them.
pub fn available() -> impl Iterator<Item = Isa> {
    Isa::ALL.iter().copied().filter(|&isa| isa <= best())
}

/// The best instruction set of this processor.
fn best() -> Isa {
    static BEST: OnceLock<Isa> = OnceLock::new();
    *BEST.get_or_init(detect)
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Isa {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c");
    let avx512 = is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl");
    match (avx2, avx512) {
        (true, true) => Isa::Avx512,
        (true, false) => Isa::Avx2,
        _ => Isa::Baseline,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Isa {
    Isa::ALL[Isa::ALL.len() - 1]
}

/// What multiplies pairs of bf16 in AVX-512 registers and adds both products to an f32, if the processor does.
#[cfg(target_arch = "x86_64")]
pub fn bf16_pairs() -> Option<avx512::Bf16Pairs> {
    static PAIRS: OnceLock<bool> = OnceLock::new();
    let pairs = *PAIRS.get_or_init(|| best() == Isa::Avx512 && is_x86_feature_detected!("avx512bf16"));
    // SAFETY: the processor was asked for both.
    pairs.then(|| unsafe { avx512::Bf16Pairs::new() })
}

/// Calls `f` compiled for the best instruction set: loops inside it are vectorized by the compiler.
///
/// `f` must be `#[inline(always)]` (write `run(#[inline(always)] || …)`), else it keeps the baseline's instructions.
#[inline]
pub fn run<R>(f: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    match isa() {
        // SAFETY: `isa` returns these only where `detect` found every feature they enable.
        Isa::Avx512 => return unsafe { run_avx512(f) },
        // SAFETY: as above.
        Isa::Avx2 => return unsafe { run_avx2(f) },
        _ => {}
    }
    f()
}

/// [`run`] of `fused` where the processor has fused multiply-adds, else of `plain`: one loop over a
/// [`Real::Fused`] and over the number itself, either with `data`. Both must be `#[inline(always)]`.
#[inline]
pub fn run_fused<D, R>(data: D, fused: impl FnOnce(D) -> R, plain: impl FnOnce(D) -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    if isa() > Isa::Baseline {
        return run(
            #[inline(always)]
            || fused(data),
        );
    }
    // Every processor of this architecture has them.
    if cfg!(target_arch = "aarch64") { fused(data) } else { plain(data) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")]
fn run_avx512<R>(f: impl FnOnce() -> R) -> R {
    f()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c")]
fn run_avx512_bf16<R>(f: impl FnOnce() -> R) -> R {
    f()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn run_avx2<R>(f: impl FnOnce() -> R) -> R {
    f()
}

/// An algorithm written over a vector register of `T`s.
pub trait Kernel<T: Real> {
    /// What it returns.
    type Output;

    /// Runs the algorithm with the instruction set of `isa`; must be `#[inline(always)]`.
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) -> Self::Output;
}

/// A number that has registers in every instruction set, and that every narrower stored type widens to.
pub trait Lanes: Real + From<f32> + From<bf16> + From<f16> {
    /// Its AVX-512 register.
    #[cfg(target_arch = "x86_64")]
    type Avx512: Vector<Element = Self>;
    /// Its AVX2 register.
    #[cfg(target_arch = "x86_64")]
    type Avx2: Vector<Element = Self>;
    /// Its pair of Advanced SIMD registers.
    #[cfg(target_arch = "aarch64")]
    type Neon: Vector<Element = Self>;
    /// Its register of WebAssembly.
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    type Simd128: Vector<Element = Self>;
}

impl Lanes for f32 {
    #[cfg(target_arch = "x86_64")]
    type Avx512 = avx512::F32x16;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = avx2::F32x8;
    #[cfg(target_arch = "aarch64")]
    type Neon = neon::F32x8;
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    type Simd128 = wasm::F32x4;
}

impl Lanes for f64 {
    #[cfg(target_arch = "x86_64")]
    type Avx512 = avx512::F64x8;
    #[cfg(target_arch = "x86_64")]
    type Avx2 = avx2::F64x4;
    #[cfg(target_arch = "aarch64")]
    type Neon = neon::F64x4;
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    type Simd128 = wasm::F64x2;
}

/// Runs `kernel` with the widest registers of this processor.
pub fn dispatch<T: Lanes, K: Kernel<T>>(kernel: K) -> K::Output {
    dispatch_on(isa(), kernel)
}

/// Runs `kernel` with the registers of `isa`, or of the best lesser instruction set that this processor has.
pub fn dispatch_on<T: Lanes, K: Kernel<T>>(isa: Isa, kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    match isa.min(best()) {
        // SAFETY: `best` returns at least this only where `detect` found every feature that the registers need.
        Isa::Avx512 => return enter(unsafe { Enabled::<T::Avx512>::new() }, kernel),
        // SAFETY: as above.
        Isa::Avx2 => return enter(unsafe { Enabled::<T::Avx2>::new() }, kernel),
        _ => {}
    }
    #[cfg(target_arch = "aarch64")]
    if isa >= Isa::Neon {
        // SAFETY: every processor of this architecture has these registers.
        return enter(unsafe { Enabled::<T::Neon>::new() }, kernel);
    }
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    if isa >= Isa::Simd128 {
        // SAFETY: a module that was compiled for these registers runs only where they are.
        return enter(unsafe { Enabled::<T::Simd128>::new() }, kernel);
    }
    let _ = isa;
    // SAFETY: a register of one lane needs no instruction set.
    enter(unsafe { Enabled::<Scalar<T>>::new() }, kernel)
}

#[inline(always)]
fn enter<V: Vector, K: Kernel<V::Element>>(isa: Enabled<V>, kernel: K) -> K::Output {
    isa.enter(
        #[inline(always)]
        || kernel.run(isa),
    )
}

/// Asks the processor to fetch the cache line at `address`, which need not be readable.
#[inline(always)]
pub fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: prefetching has no effect but on the caches, and every x86-64 processor has it.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast())
    };
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(nomem, nostack, preserves_flags))
    };
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}

/// As [`prefetch`], but no nearer than the second-level cache: for what is used later than the first level would keep it.
#[inline(always)]
pub fn prefetch_far<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: prefetching has no effect but on the caches, and every x86-64 processor has it.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T1 }>(address.cast())
    };
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
