//! Reading an operand in whatever type it is stored.

use half::{bf16, f16};

use super::Stored;
use crate::number::Number;
use crate::simd::{Enabled, Lanes, MAX_LANES, Vector};
use crate::threads::SyncPtr;

/// The address of an operand's index 0…0, whatever the type of its elements, which several threads read.
#[derive(Clone, Copy)]
pub(super) struct Address {
    first: SyncPtr<()>,
    bytes: usize,
}

impl Address {
    pub(super) fn new<T>(data: Stored<'_, T>, offset: usize) -> Self {
        let (first, bytes): (*const (), _) = match data {
            Stored::Real(x) => (x.as_ptr().wrapping_add(offset).cast(), size_of::<T>()),
            Stored::F32(x) => (x.as_ptr().wrapping_add(offset).cast(), 4),
            Stored::BF16(x) => (x.as_ptr().wrapping_add(offset).cast(), 2),
            Stored::F16(x) => (x.as_ptr().wrapping_add(offset).cast(), 2),
        };
        Self { first: SyncPtr::new(first.cast_mut()), bytes }
    }

    /// The address of the element that lies `offset` elements further on.
    pub(super) fn at(self, offset: isize) -> *const () {
        self.first.get().cast_const().wrapping_byte_offset(offset * self.bytes as isize)
    }
}

/// A stored type, and how registers of it are loaded as `V`.
pub(super) trait Read<V: Vector> {
    type Item: Copy;

    /// # Safety
    /// As for [`Vector::load`].
    unsafe fn load(isa: Enabled<V>, from: *const Self::Item) -> V;

    /// The first `n` lanes, 0 in the others.
    ///
    /// # Safety
    /// As for [`Vector::load_first`].
    unsafe fn load_first(isa: Enabled<V>, from: *const Self::Item, n: usize) -> V;

    /// One element.
    fn widen(x: Self::Item) -> V::Element;
}

/// The type of the computation itself.
pub(super) struct Unconverted;

impl<V: Vector> Read<V> for Unconverted {
    type Item = V::Element;

    #[inline(always)]
    unsafe fn load(isa: Enabled<V>, from: *const V::Element) -> V {
        // SAFETY: the caller's duty.
        unsafe { isa.load(from) }
    }
    #[inline(always)]
    unsafe fn load_first(isa: Enabled<V>, from: *const V::Element, n: usize) -> V {
        // SAFETY: the caller's duty.
        unsafe { isa.load_first(from, n) }
    }
    #[inline(always)]
    fn widen(x: V::Element) -> V::Element {
        x
    }
}

macro_rules! narrower {
    ($t:ident, $load:ident) => {
        impl<V: Vector<Element: Lanes>> Read<V> for $t {
            type Item = $t;

            #[inline(always)]
            unsafe fn load(isa: Enabled<V>, from: *const $t) -> V {
                // SAFETY: the caller's duty.
                unsafe { V::$load(isa, from) }
            }
            #[inline(always)]
            unsafe fn load_first(isa: Enabled<V>, from: *const $t, n: usize) -> V {
                // SAFETY: the caller's duty.
                let from = unsafe { std::slice::from_raw_parts(from, n) };
                let mut lanes = [V::Element::ZERO; MAX_LANES];
                lanes.iter_mut().zip(from).for_each(|(lane, &x)| *lane = x.into());
                isa.read(&lanes)
            }
            #[inline(always)]
            fn widen(x: $t) -> V::Element {
                x.into()
            }
        }
    };
}
narrower!(f32, load_f32);
narrower!(bf16, load_bf16);
narrower!(f16, load_f16);
