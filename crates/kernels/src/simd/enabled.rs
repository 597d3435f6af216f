//! Knowledge of an instruction set, as a value.

use std::marker::PhantomData;

use super::Vector;
use crate::number::Number;

/// Knowledge that this processor has the instruction set of `V`.
///
/// [`super::dispatch`] asks the processor and hands it out. Registers are made of it and of nothing else, so that
/// arithmetic on registers needs no further promise; only memory behind a pointer still does.
pub struct Enabled<V>(PhantomData<fn() -> V>);

impl<V> Clone for Enabled<V> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Enabled<V> {}

impl<V: Vector> Enabled<V> {
    /// # Safety
    /// The processor has the instruction set of `V`.
    #[inline(always)]
    pub unsafe fn new() -> Self {
        Self(PhantomData)
    }

    /// Calls `f`, which must be `#[inline(always)]`, compiled for this instruction set.
    #[inline(always)]
    pub fn enter<R>(self, f: impl FnOnce() -> R) -> R {
        V::enter(self, f)
    }

    /// `x` in every lane.
    #[inline(always)]
    pub fn splat(self, x: V::Element) -> V {
        V::splat(self, x)
    }

    /// The number nearest to `x` in every lane.
    #[inline(always)]
    pub fn constant(self, x: f64) -> V {
        V::splat(self, V::Element::from_f64(x))
    }

    /// 0 in every lane.
    #[inline(always)]
    pub fn zero(self) -> V {
        V::splat(self, V::Element::ZERO)
    }

    /// The first `LANES` elements.
    ///
    /// # Panics
    /// If there are fewer.
    #[inline(always)]
    pub fn read(self, from: &[V::Element]) -> V {
        assert!(from.len() >= V::LANES, "a register of {} lanes from {} elements", V::LANES, from.len());
        // SAFETY: as many elements are readable.
        unsafe { V::load(self, from.as_ptr()) }
    }

    /// The first elements, as many as there are up to `LANES`; 0 in the other lanes.
    #[inline(always)]
    pub fn read_first(self, from: &[V::Element]) -> V {
        // SAFETY: as many elements are readable.
        unsafe { V::load_first(self, from.as_ptr(), from.len().min(V::LANES)) }
    }

    /// `LANES` numbers from memory of any alignment.
    ///
    /// # Safety
    /// `LANES` elements must be readable.
    #[inline(always)]
    pub unsafe fn load(self, from: *const V::Element) -> V {
        // SAFETY: the caller's duty.
        unsafe { V::load(self, from) }
    }

    /// The first `n` lanes from memory, 0 in the others; nothing beyond is read.
    ///
    /// # Safety
    /// `n` elements must be readable.
    #[inline(always)]
    pub unsafe fn load_first(self, from: *const V::Element, n: usize) -> V {
        // SAFETY: the caller's duty.
        unsafe { V::load_first(self, from, n) }
    }
}
