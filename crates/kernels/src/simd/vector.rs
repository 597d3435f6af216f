//! The few operations of a vector register that kernels with hand-placed registers are written in, once for all
//! instruction sets.

use half::{bf16, f16};

use crate::number::Number;
use crate::real::Real;

/// The most lanes of any register.
pub const MAX_LANES: usize = 16;

/// A register of `LANES` numbers.
///
/// # Safety
/// Every method that touches the processor's vector unit may be called only where the instruction set of the
/// implementing type is available and enabled: inside [`super::dispatch`]. Methods are `#[inline(always)]`, so that they become single
/// instructions in the function that enables the instruction set.
pub trait Vector: Copy + 'static {
    /// The number in a lane.
    type Element: Real;
    /// How many numbers the register holds: a power of two up to [`MAX_LANES`].
    const LANES: usize;
    /// How many such registers the processor has: what sizes the tile that a kernel keeps in them.
    const REGISTERS: usize;

    /// Calls `f` with the instruction set of this register enabled; `f` must be `#[inline(always)]`.
    ///
    /// # Safety
    /// The processor must have that instruction set.
    unsafe fn enter<R>(f: impl FnOnce() -> R) -> R;

    /// All lanes `x`.
    ///
    /// # Safety
    /// The instruction set must be enabled.
    unsafe fn splat(x: Self::Element) -> Self;
    /// `LANES` numbers from memory of any alignment.
    ///
    /// # Safety
    /// The instruction set must be enabled and `LANES` elements must be readable.
    unsafe fn load(from: *const Self::Element) -> Self;
    /// The first `n` lanes from memory, 0 in the others; nothing beyond is read.
    ///
    /// # Safety
    /// The instruction set must be enabled and `n` elements must be readable.
    unsafe fn load_first(from: *const Self::Element, n: usize) -> Self;
    /// `LANES` f32 from memory of any alignment.
    ///
    /// # Safety
    /// The instruction set must be enabled and `LANES` elements must be readable.
    unsafe fn load_f32(from: *const f32) -> Self;
    /// `LANES` bf16 from memory of any alignment, widened exactly.
    ///
    /// # Safety
    /// The instruction set must be enabled and `LANES` elements must be readable.
    unsafe fn load_bf16(from: *const bf16) -> Self;
    /// `LANES` f16 from memory of any alignment, widened exactly.
    ///
    /// # Safety
    /// The instruction set must be enabled and `LANES` elements must be readable.
    unsafe fn load_f16(from: *const f16) -> Self;
    /// Writes all lanes to memory of any alignment.
    ///
    /// # Safety
    /// The instruction set must be enabled and `LANES` elements must be writable.
    unsafe fn store(self, to: *mut Self::Element);
    /// Writes all lanes, past the caches where they are a whole cache line and `to` is the start of one; [`fence`](super::fence) makes
    /// that seen by other threads.
    ///
    /// # Safety
    /// As for [`store`](Self::store).
    #[inline(always)]
    unsafe fn stream(self, to: *mut Self::Element) {
        // SAFETY: the caller's duty.
        unsafe { self.store(to) }
    }
    /// Writes the first `n` lanes; nothing beyond is written.
    ///
    /// # Safety
    /// The instruction set must be enabled and `n` elements must be writable.
    unsafe fn store_first(self, to: *mut Self::Element, n: usize);
    /// Swaps the lanes of `self` whose number has the bit `S` (1, 2, 4, 8) with those of `other` whose number has not:
    /// one step of the transposition of a square block of registers.
    ///
    /// # Safety
    /// The instruction set must be enabled and `S` must be a power of two below `LANES`.
    unsafe fn exchange<const S: usize>(self, other: Self) -> (Self, Self);
    /// Rows of 3 numbers, one after another, become rows of 4, as many as there is room for; what the fourth numbers are is
    /// unspecified.
    ///
    /// # Safety
    /// The instruction set must be enabled and there must be at least 4 lanes.
    #[inline(always)]
    unsafe fn widen_rows(self) -> Self {
        // SAFETY: the caller's duty.
        unsafe { moved(self, |lane| lane / 4 * 3 + lane % 4) }
    }
    /// Rows of 4 numbers become rows of the first 3, one after another; what the lanes that are left hold is unspecified.
    ///
    /// # Safety
    /// As for [`widen_rows`](Self::widen_rows).
    #[inline(always)]
    unsafe fn narrow_rows(self) -> Self {
        // SAFETY: the caller's duty.
        unsafe { moved(self, |lane| (lane / 3 * 4 + lane % 3).min(Self::LANES - 1)) }
    }
    /// self + y
    ///
    /// # Safety
    /// The instruction set must be enabled.
    unsafe fn add(self, y: Self) -> Self;
    /// self - y
    ///
    /// # Safety
    /// The instruction set must be enabled.
    unsafe fn sub(self, y: Self) -> Self;
    /// self · y
    ///
    /// # Safety
    /// The instruction set must be enabled.
    unsafe fn mul(self, y: Self) -> Self;
    /// self / y
    ///
    /// # Safety
    /// The instruction set must be enabled.
    unsafe fn div(self, y: Self) -> Self;
    /// √self
    ///
    /// # Safety
    /// The instruction set must be enabled.
    unsafe fn sqrt(self) -> Self;
    /// In each lane `yes` where self < bound, else `no`: also where either is NaN.
    ///
    /// # Safety
    /// The instruction set must be enabled.
    unsafe fn where_less(self, bound: Self, yes: Self, no: Self) -> Self;
    /// self · y + z, rounded once where the processor can.
    ///
    /// # Safety
    /// The instruction set must be enabled.
    unsafe fn mul_add(self, y: Self, z: Self) -> Self;
    /// The larger in each lane; the second operand where either is NaN.
    ///
    /// # Safety
    /// The instruction set must be enabled.
    unsafe fn max(self, y: Self) -> Self;
    /// The smaller in each lane; the second operand where either is NaN.
    ///
    /// # Safety
    /// The instruction set must be enabled.
    unsafe fn min(self, y: Self) -> Self;
    /// The sum of all lanes, pairwise.
    ///
    /// # Safety
    /// The instruction set must be enabled.
    unsafe fn sum(self) -> Self::Element;
    /// The largest lane.
    ///
    /// # Safety
    /// The instruction set must be enabled.
    unsafe fn largest(self) -> Self::Element;
    /// The nearest integers, ties to even.
    ///
    /// # Safety
    /// The instruction set must be enabled.
    unsafe fn round(self) -> Self;
    /// self · 2ⁿ for integer n within ±2000; 0 or ∞ beyond the range of the element.
    ///
    /// # Safety
    /// The instruction set must be enabled.
    unsafe fn scale_by_power_of_two(self, n: Self) -> Self;
}

/// Each lane is the one of `x` that `from` names, by way of memory.
///
/// # Safety
/// The instruction set must be enabled.
#[inline(always)]
unsafe fn moved<V: Vector>(x: V, from: impl Fn(usize) -> usize) -> V {
    let mut lanes = [V::Element::ZERO; MAX_LANES];
    // SAFETY: no register has more lanes; the instruction set is the caller's duty.
    unsafe {
        x.store(lanes.as_mut_ptr());
        let moved: [_; MAX_LANES] = std::array::from_fn(|lane| if lane < V::LANES { lanes[from(lane)] } else { V::Element::ZERO });
        V::load(moved.as_ptr())
    }
}
