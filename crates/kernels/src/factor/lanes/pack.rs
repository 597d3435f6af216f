//! Packs, registers of one element of each of several matrices: their elements, and their scale.

use crate::number::Number;
use crate::real::Real;
use crate::simd::{Enabled, Vector};

/// The elements of packs: that of lane `l` of pack `i` is at `i · LANES + l`.
#[inline(always)]
pub(super) fn elements<V: Vector>(packs: &mut [V]) -> &mut [V::Element] {
    const { assert!(size_of::<V>() == V::LANES * size_of::<V::Element>()) };
    // SAFETY: a pack is a register, and a register is `LANES` elements of which any bit pattern is a value.
    unsafe { std::slice::from_raw_parts_mut(packs.as_mut_ptr().cast(), packs.len() * V::LANES) }
}

/// Σ xᵢ yᵢ
#[inline(always)]
pub(super) fn dot<V: Vector>(zero: V, x: &[V], y: &[V]) -> V {
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
pub(super) fn normalize<V: Vector>(isa: Enabled<V>, a: &mut [V], within: std::ops::Range<f64>) -> Option<V> {
    let (zero, one) = (isa.constant(0.0), isa.constant(1.0));
    let largest = a.iter().fold(zero, |m, x| m.max(x.abs()));
    let outside = largest.where_less(isa.constant(within.start), one, largest.where_less(isa.constant(within.end), zero, one));
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
