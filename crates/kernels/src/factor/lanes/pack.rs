//! A register that is calculated with like a number.

use std::marker::PhantomData;
use std::ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign};

use crate::number::Number;
use crate::real::Real;
use crate::simd::{MAX_LANES, Vector};

/// Knowledge that the instruction set of `V` is enabled here.
///
/// Whoever holds it makes packs; whoever holds a pack calculates. Neither leaves the function that enabled the
/// instruction set, so that arithmetic needs no further promise.
#[derive(Clone, Copy)]
pub(super) struct Enabled<V>(PhantomData<V>);

impl<V: Vector> Enabled<V> {
    /// # Safety
    /// The instruction set of `V` is enabled wherever this value and the packs made by it are used.
    #[inline(always)]
    pub unsafe fn new() -> Self {
        Self(PhantomData)
    }

    /// `x` for every matrix.
    #[inline(always)]
    pub fn splat(self, x: f64) -> Pack<V> {
        // SAFETY: this value is the promise.
        Pack(unsafe { V::splat(V::Element::from_f64(x)) })
    }
}

/// One number of each matrix.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct Pack<V>(V);

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

/// The elements of packs: that of lane `l` of pack `i` is at `i · LANES + l`.
#[inline(always)]
pub(super) fn elements<V: Vector>(packs: &mut [Pack<V>]) -> &mut [V::Element] {
    const { assert!(size_of::<V>() == V::LANES * size_of::<V::Element>()) };
    // SAFETY: a pack is a register, and a register is `LANES` elements of which any bit pattern is a value.
    unsafe { std::slice::from_raw_parts_mut(packs.as_mut_ptr().cast(), packs.len() * V::LANES) }
}

/// Σ xᵢ yᵢ
#[inline(always)]
pub(super) fn dot<V: Vector>(zero: Pack<V>, x: &[Pack<V>], y: &[Pack<V>]) -> Pack<V> {
    let mut sums = [zero; 4];
    let (mut xs, mut ys) = (x.chunks_exact(4), y.chunks_exact(4));
    for (x, y) in (&mut xs).zip(&mut ys) {
        for i in 0..4 {
            sums[i] = x[i].mul_add(y[i], sums[i]);
        }
    }
    let rest = xs.remainder().iter().zip(ys.remainder()).fold(zero, |sum, (x, y)| x.mul_add(*y, sum));
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// Brings the matrices whose largest element is outside of `within` to one from 1 to 2, by a power of two.
/// Returns what gives the old scale back, if any matrix was changed.
#[inline(always)]
pub(super) fn normalize<V: Vector>(isa: Enabled<V>, a: &mut [Pack<V>], within: std::ops::Range<f64>) -> Option<Pack<V>> {
    let (zero, one) = (isa.splat(0.0), isa.splat(1.0));
    let largest = a.iter().fold(zero, |m, x| m.max(x.abs()));
    let outside = largest.where_less(isa.splat(within.start), one, largest.where_less(isa.splat(within.end), zero, one));
    if !outside.any() {
        return None;
    }
    let mut powers = [outside; 2];
    for (lane, (outside, largest)) in outside.lanes().zip(largest.lanes()).enumerate() {
        let largest = largest.to_f64();
        // The bits of the exponent alone; a subnormal f64 counts as the smallest normal number.
        let power = f64::from_bits(largest.max(f64::MIN_POSITIVE).to_bits() & f64::INFINITY.to_bits());
        let power = if outside > V::Element::ZERO && largest > 0.0 && power.is_finite() { power } else { 1.0 };
        // In two factors, since the reciprocal of a subnormal f32 leaves the range.
        let root = (power.log2() * 0.5).trunc().exp2();
        elements(&mut powers[..1])[lane] = V::Element::from_f64(root);
        elements(&mut powers[1..])[lane] = V::Element::from_f64(power / root);
    }
    let [root, rest] = powers;
    for x in a {
        *x = *x / root / rest;
    }
    Some(root * rest)
}

/// Where the largest element of a matrix must be for squares of elements, and sums of a few hundred, to keep what counts
/// beside the norm.
#[inline(always)]
pub(super) fn squares_fit<V: Vector>() -> std::ops::Range<f64> {
    if size_of::<V::Element>() == 4 { 1e-4..1e4 } else { 1e-140..1e130 }
}
