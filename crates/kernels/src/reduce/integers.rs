//! Exact reductions of integers and of truth values.

use super::{position, reduce, reduce_to};
use crate::buffer::{OutOfMemory, list};
use crate::real::BoolByte;
use crate::view::View;

const LOW: i64 = 0xFFFF_FFFF;

/// A sum of integers of which none is lost: low + 2³² high.
#[derive(Clone, Copy)]
struct Wide {
    low: i64,
    high: i64,
}

impl Wide {
    const ZERO: Self = Self { low: 0, high: 0 };

    /// Halves are added apart, so that vector units can: some 2³¹ of them before they must be merged.
    #[inline(always)]
    fn plus(self, x: i64) -> Self {
        Self { low: self.low + (x & LOW), high: self.high + (x >> 32) }
    }

    #[inline(always)]
    fn merge(self, other: Self) -> Self {
        let low = self.low + other.low;
        Self { low: low & LOW, high: self.high.saturating_add(other.high).saturating_add(low >> 32) }
    }

    fn value(self) -> Option<i64> {
        i64::try_from((i128::from(self.high) << 32) + i128::from(self.low)).ok()
    }
}

/// Σ over the dimensions `axes`; whether every sum fits. No order of the terms matters: sums on the way may be as large as they like.
///
/// # Errors
/// Here and below: if there is no memory to work in.
///
/// # Panics
/// Here and below: if `out` has not an element for each index over the other dimensions.
pub fn sum_i64(x: View<'_, i64>, axes: &[usize], out: &mut [i64]) -> Result<bool, OutOfMemory> {
    let mut sums = list(out.len())?;
    sums.resize(out.len(), Wide::ZERO);
    reduce_to(x, axes, &mut sums, Wide::ZERO, Wide::plus, Wide::merge)?;
    Ok(write(out, sums.iter().map(|sum| sum.value())))
}

/// Π over the dimensions `axes`, 1 over none; whether every product fits.
pub fn prod_i64(x: View<'_, i64>, axes: &[usize], out: &mut [i64]) -> Result<bool, OutOfMemory> {
    /// More than any product that fits; only a 0 brings one back.
    const TOO_LARGE: i128 = 1 << 64;
    #[inline(always)]
    fn bounded(product: i128) -> i128 {
        // 2⁶³ itself may still become -2⁶³.
        if product.unsigned_abs() > 1 << 63 { TOO_LARGE } else { product }
    }
    #[inline(always)]
    fn merge(a: i128, b: i128) -> i128 {
        bounded(a.saturating_mul(b))
    }
    let mut products = list(out.len())?;
    products.resize(out.len(), 1);
    reduce_to(
        x,
        axes,
        &mut products,
        1,
        #[inline(always)]
        |product, x| bounded(product * i128::from(x)),
        merge,
    )?;
    Ok(write(out, products.iter().map(|&product| i64::try_from(product).ok())))
}

/// Results that fit; whether all do.
fn write(out: &mut [i64], values: impl Iterator<Item = Option<i64>>) -> bool {
    let mut fit = true;
    for (y, value) in out.iter_mut().zip(values) {
        fit &= value.is_some();
        *y = value.unwrap_or(0);
    }
    fit
}

/// The largest integer over the dimensions `axes`; the smallest of all over none.
pub fn max_i64(x: View<'_, i64>, axes: &[usize], out: &mut [i64]) -> Result<(), OutOfMemory> {
    reduce(x, axes, out, i64::MIN, i64::max)
}

/// The smallest integer over the dimensions `axes`; the largest of all over none.
pub fn min_i64(x: View<'_, i64>, axes: &[usize], out: &mut [i64]) -> Result<(), OutOfMemory> {
    reduce(x, axes, out, i64::MAX, i64::min)
}

/// The position of the first largest integer along the dimensions `axes` in row-major order; 0 over none.
pub fn argmax_i64(x: View<'_, i64>, axes: &[usize], out: &mut [i64]) -> Result<(), OutOfMemory> {
    position(x, axes, out, i64::MIN, i64::max)
}

/// The position of the first smallest integer, as in [`argmax_i64`].
pub fn argmin_i64(x: View<'_, i64>, axes: &[usize], out: &mut [i64]) -> Result<(), OutOfMemory> {
    position(x, axes, out, i64::MAX, i64::min)
}

/// How many are true over the dimensions `axes`.
pub fn count_true(x: View<'_, BoolByte>, axes: &[usize], out: &mut [i64]) -> Result<(), OutOfMemory> {
    reduce_to(
        x,
        axes,
        out,
        0,
        #[inline(always)]
        |count: i64, x| count + i64::from(x.get()),
        #[inline(always)]
        |a, b| a + b,
    )
}

/// Whether one or more are true over the dimensions `axes`.
pub fn any(x: View<'_, BoolByte>, axes: &[usize], out: &mut [BoolByte]) -> Result<(), OutOfMemory> {
    reduce(
        x,
        axes,
        out,
        false.into(),
        #[inline(always)]
        |a, b| (a.get() | b.get()).into(),
    )
}

/// Whether all are true over the dimensions `axes`.
pub fn all(x: View<'_, BoolByte>, axes: &[usize], out: &mut [BoolByte]) -> Result<(), OutOfMemory> {
    reduce(
        x,
        axes,
        out,
        true.into(),
        #[inline(always)]
        |a, b| (a.get() & b.get()).into(),
    )
}
