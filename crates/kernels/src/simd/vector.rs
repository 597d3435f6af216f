//! The few operations of a vector register that kernels with hand-placed registers are written in, once for all
//! instruction sets.

use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use half::{bf16, f16};

use super::Enabled;
use crate::number::Number;
use crate::real::Real;

/// The most lanes of any register.
pub const MAX_LANES: usize = 16;

/// A register of `LANES` numbers, which is calculated with like a number.
///
/// A register is made of a token, [`Enabled`], which says that the processor has the instructions; so whoever holds one may
/// calculate. Methods are `#[inline(always)]`, so that they become single instructions in the function that
/// enables the instruction set; elsewhere they are right, but calls.
pub trait Vector:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + 'static
{
    /// The number in a lane.
    type Element: Real;
    /// How many numbers the register holds: a power of two up to [`MAX_LANES`].
    const LANES: usize;
    /// As many registers as one has lanes: `[Self; LANES]`.
    type Registers: Copy + AsRef<[Self]> + AsMut<[Self]>;
    /// How many such registers the processor has: what sizes the tile that a kernel keeps in them.
    const REGISTERS: usize;

    /// Calls `f` with the instruction set of this register enabled; `f` must be `#[inline(always)]`.
    fn enter<R>(isa: Enabled<Self>, f: impl FnOnce() -> R) -> R;

    /// As many times this register as it has lanes.
    fn registers(self) -> Self::Registers;
    /// All lanes `x`.
    fn splat(isa: Enabled<Self>, x: Self::Element) -> Self;
    /// `LANES` numbers from memory of any alignment.
    ///
    /// # Safety
    /// `LANES` elements must be readable.
    unsafe fn load(isa: Enabled<Self>, from: *const Self::Element) -> Self;
    /// The first `n` lanes from memory, 0 in the others; nothing beyond is read.
    ///
    /// # Safety
    /// `n` elements must be readable.
    unsafe fn load_first(isa: Enabled<Self>, from: *const Self::Element, n: usize) -> Self;
    /// Pairs of neighbours at as many places, counted from `from`: the first ones, and the second ones.
    ///
    /// # Safety
    /// For each of the first `LANES` places two elements must be readable there; places are below 2³¹.
    ///
    /// # Panics
    /// If there are fewer than `LANES` places.
    #[inline(always)]
    unsafe fn gather_pairs(isa: Enabled<Self>, from: *const Self::Element, places: &[u32]) -> (Self, Self) {
        let mut lanes = [[Self::Element::ZERO; MAX_LANES]; 2];
        for (lane, &place) in places[..Self::LANES].iter().enumerate() {
            // SAFETY: the caller's duty.
            let pair = unsafe { from.add(place as usize).cast::<[Self::Element; 2]>().read_unaligned() };
            (lanes[0][lane], lanes[1][lane]) = (pair[0], pair[1]);
        }
        (isa.read(&lanes[0]), isa.read(&lanes[1]))
    }
    /// `LANES` f32 from memory of any alignment.
    ///
    /// # Safety
    /// `LANES` elements must be readable.
    unsafe fn load_f32(isa: Enabled<Self>, from: *const f32) -> Self;
    /// `LANES` bf16 from memory of any alignment, widened exactly.
    ///
    /// # Safety
    /// `LANES` elements must be readable.
    unsafe fn load_bf16(isa: Enabled<Self>, from: *const bf16) -> Self;
    /// `LANES` f16 from memory of any alignment, widened exactly.
    ///
    /// # Safety
    /// `LANES` elements must be readable.
    unsafe fn load_f16(isa: Enabled<Self>, from: *const f16) -> Self;
    /// Writes all lanes to memory of any alignment.
    ///
    /// # Safety
    /// `LANES` elements must be writable.
    unsafe fn store(self, to: *mut Self::Element);
    /// Writes all lanes, past the caches where they are a whole cache line and `to` is the start of one; [`fence`](super::fence) makes
    /// that seen by other threads.
    ///
    /// # Safety
    /// `LANES` elements must be writable.
    #[inline(always)]
    unsafe fn stream(self, to: *mut Self::Element) {
        // SAFETY: the caller's duty.
        unsafe { self.store(to) }
    }
    /// Writes the first `n` lanes; nothing beyond is written.
    ///
    /// # Safety
    /// `n` elements must be writable.
    unsafe fn store_first(self, to: *mut Self::Element, n: usize);
    /// Writes all lanes to the first elements.
    ///
    /// # Panics
    /// If there are fewer than `LANES`.
    #[inline(always)]
    fn write(self, to: &mut [Self::Element]) {
        assert!(to.len() >= Self::LANES, "a register of {} lanes to {} elements", Self::LANES, to.len());
        // SAFETY: as many elements are writable.
        unsafe { self.store(to.as_mut_ptr()) }
    }
    /// Writes the first lanes to the first elements, as many as there are.
    #[inline(always)]
    fn write_first(self, to: &mut [Self::Element]) {
        // SAFETY: as many elements are writable.
        unsafe { self.store_first(to.as_mut_ptr(), to.len().min(Self::LANES)) }
    }

    /// Swaps the lanes of `self` whose number has the bit `S` (1, 2, 4, 8; below `LANES`) with those of `other` whose number
    /// has not: one step of the transposition of a square block of registers.
    fn exchange<const S: usize>(self, other: Self) -> (Self, Self);
    /// Rows of 3 numbers, one after another, become rows of 4, as many as there is room for in the 4 lanes or more; what
    /// the fourth numbers are is unspecified.
    #[inline(always)]
    fn widen_rows(self) -> Self {
        moved(self, |lane| lane / 4 * 3 + lane % 4)
    }
    /// Rows of 4 numbers become rows of the first 3, one after another, in 4 lanes or more; what the lanes that are left
    /// hold is unspecified.
    #[inline(always)]
    fn narrow_rows(self) -> Self {
        moved(self, |lane| (lane / 3 * 4 + lane % 3).min(Self::LANES - 1))
    }

    /// √self
    fn sqrt(self) -> Self;
    /// self · y + z, rounded once where the processor can.
    fn mul_add(self, y: Self, z: Self) -> Self;
    /// In each lane `yes` where self < bound, else `no`: also where either is NaN.
    fn where_less(self, bound: Self, yes: Self, no: Self) -> Self;
    /// The larger in each lane; the second operand where either is NaN.
    fn max(self, y: Self) -> Self;
    /// The smaller in each lane; the second operand where either is NaN.
    fn min(self, y: Self) -> Self;
    /// The sum of all lanes, pairwise.
    fn sum(self) -> Self::Element;
    /// The largest lane.
    fn largest(self) -> Self::Element;
    /// The nearest integers, ties to even.
    fn round(self) -> Self;
    /// self · 2ⁿ for integer n within ±2000; 0 or ∞ beyond the range of the element.
    fn scale_by_power_of_two(self, n: Self) -> Self;

    /// self · 2ⁿ for any integer n up to 2000.
    #[inline(always)]
    fn scale_by_any_power_of_two(self, n: Self) -> Self {
        self.scale_by_power_of_two(self.isa().constant(-2000.0).max(n))
    }

    /// The token that this register was made of.
    #[inline(always)]
    fn isa(self) -> Enabled<Self> {
        // SAFETY: a register exists only where its instructions do.
        unsafe { Enabled::new() }
    }
    /// |self|; NaN stays NaN.
    #[inline(always)]
    fn abs(self) -> Self {
        // The second operand of `max` is taken where one is NaN.
        (-self).max(self)
    }
    /// |self| with the sign of `other`, + where that is 0.
    #[inline(always)]
    fn with_sign_of(self, other: Self) -> Self {
        let size = self.abs();
        other.where_less(self.isa().zero(), -size, size)
    }
    /// Whether a lane is above 0.
    #[inline(always)]
    fn any(self) -> bool {
        self.largest() > Self::Element::ZERO
    }
    /// Whether a lane is below the same one of `bound`; where either is NaN, it is not.
    #[inline(always)]
    fn any_less(self, bound: Self) -> bool {
        let (one, zero) = (self.isa().splat(Self::Element::ONE), self.isa().zero());
        self.where_less(bound, one, zero).any()
    }
    /// The number of each lane.
    #[inline(always)]
    fn lanes(self) -> impl Iterator<Item = Self::Element> {
        let mut lanes = [Self::Element::ZERO; MAX_LANES];
        self.write(&mut lanes);
        lanes.into_iter().take(Self::LANES)
    }
}

/// Each lane is the one of `x` that `from` names, by way of memory.
#[inline(always)]
fn moved<V: Vector>(x: V, from: impl Fn(usize) -> usize) -> V {
    let mut lanes = [V::Element::ZERO; MAX_LANES];
    x.write(&mut lanes);
    let moved: [_; MAX_LANES] = std::array::from_fn(|lane| if lane < V::LANES { lanes[from(lane)] } else { V::Element::ZERO });
    x.isa().read(&moved)
}

/// What follows from the four operations of a register: 0 - x, and those that assign.
macro_rules! operators {
    ($name:ty $(, $t:ident: $bound:path)?) => {
        impl$(<$t: $bound>)? std::ops::Neg for $name {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                Vector::isa(self).zero() - self
            }
        }
        impl$(<$t: $bound>)? std::ops::AddAssign for $name {
            #[inline(always)]
            fn add_assign(&mut self, y: Self) {
                *self = *self + y;
            }
        }
        impl$(<$t: $bound>)? std::ops::SubAssign for $name {
            #[inline(always)]
            fn sub_assign(&mut self, y: Self) {
                *self = *self - y;
            }
        }
        impl$(<$t: $bound>)? std::ops::MulAssign for $name {
            #[inline(always)]
            fn mul_assign(&mut self, y: Self) {
                *self = *self * y;
            }
        }
    };
}
pub(super) use operators;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Kernel, Lanes, available, dispatch_on};

    /// Whether a lane is below 1, of registers that are 2 everywhere but in one lane.
    struct AnyLess<T>(T);

    impl<T: Real> Kernel<T> for AnyLess<T> {
        type Output = Vec<bool>;

        #[inline(always)]
        fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) -> Vec<bool> {
            let asked = |lane: usize| {
                let mut lanes = [T::from_f64(2.0); MAX_LANES];
                lanes[lane] = self.0;
                isa.read(&lanes).any_less(isa.splat(T::ONE))
            };
            (0..V::LANES).map(asked).collect()
        }
    }

    #[test]
    fn one_lane_below_its_bound_is_enough_and_nan_is_below_nothing() {
        fn check<T: Lanes>() {
            for isa in available() {
                for (x, below) in [(0.5, true), (f64::NEG_INFINITY, true), (1.0, false), (f64::INFINITY, false), (f64::NAN, false)]
                {
                    let found = dispatch_on(isa, AnyLess(T::from_f64(x)));
                    assert!(found.iter().all(|&answer| answer == below), "{isa:?}: {x} below 1: {found:?}");
                }
            }
        }
        check::<f32>();
        check::<f64>();
    }
}
