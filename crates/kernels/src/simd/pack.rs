//! A register that is calculated with like a number.

use std::marker::PhantomData;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use super::{MAX_LANES, Vector};
use crate::number::Number;

/// Knowledge that the instruction set of `V` is enabled here.
///
/// Whoever holds it makes packs; whoever holds a pack calculates. Neither leaves the function that enabled the
/// instruction set, so that arithmetic needs no further promise.
#[derive(Clone, Copy)]
pub struct Enabled<V>(PhantomData<V>);

impl<V: Vector> Enabled<V> {
    /// # Safety
    /// The instruction set of `V` is enabled wherever this value and the packs made by it are used.
    #[inline(always)]
    pub unsafe fn new() -> Self {
        Self(PhantomData)
    }

    /// `x` in every lane.
    #[inline(always)]
    pub fn splat(self, x: f64) -> Pack<V> {
        // SAFETY: this value is the promise.
        Pack(unsafe { V::splat(V::Element::from_f64(x)) })
    }
}

/// A register, one number of each of several rows or matrices.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Pack<V>(V);

// Every block below: a pack exists only where `Enabled` or the caller of `Pack::new` promised the instruction set.
impl<V: Vector> Pack<V> {
    /// # Safety
    /// The instruction set of `V` is enabled wherever this pack is used.
    #[inline(always)]
    pub unsafe fn new(x: V) -> Self {
        Self(x)
    }

    #[inline(always)]
    pub fn register(self) -> V {
        self.0
    }

    /// self · y + z
    #[inline(always)]
    pub fn mul_add(self, y: Self, z: Self) -> Self {
        // SAFETY: the instruction set is enabled where a pack is.
        Self(unsafe { self.0.mul_add(y.0, z.0) })
    }

    /// √self
    #[inline(always)]
    pub fn sqrt(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { self.0.sqrt() })
    }

    /// |self|; NaN stays NaN.
    #[inline(always)]
    pub fn abs(self) -> Self {
        // SAFETY: as above. The second operand of `max` is taken where one is NaN.
        Self(unsafe { (-self).0.max(self.0) })
    }

    /// The larger in each lane; `y` where either is NaN.
    #[inline(always)]
    pub fn max(self, y: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { self.0.max(y.0) })
    }

    /// `yes` in the lanes where self < bound, else `no`, also where either is NaN.
    #[inline(always)]
    pub fn where_less(self, bound: Self, yes: Self, no: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { self.0.where_less(bound.0, yes.0, no.0) })
    }

    /// |self| with the sign of `other`, + where that is 0.
    #[inline(always)]
    pub fn with_sign_of(self, other: Self) -> Self {
        let size = self.abs();
        // SAFETY: as above.
        let zero = Self(unsafe { V::splat(V::Element::ZERO) });
        other.where_less(zero, -size, size)
    }

    /// Whether a lane is above 0.
    #[inline(always)]
    pub fn any(self) -> bool {
        // SAFETY: as above.
        unsafe { self.0.largest() > V::Element::ZERO }
    }

    /// The largest lane.
    #[inline(always)]
    pub fn largest(self) -> V::Element {
        // SAFETY: as above.
        unsafe { self.0.largest() }
    }

    /// The number of each lane.
    #[inline(always)]
    pub fn lanes(self) -> impl Iterator<Item = V::Element> {
        let mut lanes = [V::Element::ZERO; MAX_LANES];
        // SAFETY: as above, and no register has more lanes.
        unsafe { self.0.store(lanes.as_mut_ptr()) };
        lanes.into_iter().take(V::LANES)
    }
}

impl<V: Vector> Add for Pack<V> {
    type Output = Self;
    #[inline(always)]
    fn add(self, y: Self) -> Self {
        // SAFETY: the instruction set is enabled where a pack is.
        Self(unsafe { self.0.add(y.0) })
    }
}

impl<V: Vector> Sub for Pack<V> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, y: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { self.0.sub(y.0) })
    }
}

impl<V: Vector> Mul for Pack<V> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, y: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { self.0.mul(y.0) })
    }
}

impl<V: Vector> Div for Pack<V> {
    type Output = Self;
    #[inline(always)]
    fn div(self, y: Self) -> Self {
        // SAFETY: as above.
        Self(unsafe { self.0.div(y.0) })
    }
}

impl<V: Vector> Neg for Pack<V> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        // SAFETY: as above.
        Self(unsafe { V::splat(V::Element::ZERO).sub(self.0) })
    }
}

impl<V: Vector> AddAssign for Pack<V> {
    #[inline(always)]
    fn add_assign(&mut self, y: Self) {
        *self = *self + y;
    }
}

impl<V: Vector> SubAssign for Pack<V> {
    #[inline(always)]
    fn sub_assign(&mut self, y: Self) {
        *self = *self - y;
    }
}

impl<V: Vector> MulAssign for Pack<V> {
    #[inline(always)]
    fn mul_assign(&mut self, y: Self) {
        *self = *self * y;
    }
}
