//! What scans keep, and how it takes an element.

use std::marker::PhantomData;

use super::{HEAVY_NS, Scan};
use crate::math;
use crate::real::{Element, Real};

/// A kind of scan over numbers of type T.
macro_rules! kind {
    ($($(#[$meta:meta])* $name:ident),*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy)]
        pub(super) struct $name<T>(PhantomData<T>);

        impl<T> $name<T> {
            pub(super) const NEW: Self = Self(PhantomData);
        }
    )*};
}
kind! {
    /// Σ x, in f64.
    Sum,
    /// Π x, in f64.
    Product,
    /// ln Σ eˣ, in f64.
    LogSumExp,
    /// a y + b, in f64.
    Recurrence
}

impl<T: Real> Scan for Sum<T> {
    type Item = T;
    type State = f64;
    type Out = T;
    // Sums of f64 that are cut differ in their last bits from where the part before ends, and might fall where every term is positive.
    const MERGES: bool = size_of::<T>() < 8;
    const GROUPED: bool = true;

    #[inline(always)]
    fn start(self) -> f64 {
        0.0
    }
    #[inline(always)]
    fn step(self, sum: f64, [x, _]: [T; 2], _: usize) -> f64 {
        sum + x.to_f64()
    }
    #[inline(always)]
    fn merge(self, first: f64, second: f64) -> f64 {
        first + second
    }
    #[inline(always)]
    fn value(self, sum: f64) -> T {
        T::from_f64(sum)
    }
}

impl<T: Real> Scan for Product<T> {
    type Item = T;
    type State = f64;
    type Out = T;
    // A part may overflow that a 0 before it makes 0.
    const MERGES: bool = false;

    #[inline(always)]
    fn start(self) -> f64 {
        1.0
    }
    #[inline(always)]
    fn step(self, product: f64, [x, _]: [T; 2], _: usize) -> f64 {
        product * x.to_f64()
    }
    #[inline(always)]
    fn merge(self, first: f64, second: f64) -> f64 {
        first * second
    }
    #[inline(always)]
    fn value(self, product: f64) -> T {
        T::from_f64(product)
    }
}

/// Σ eˣ as e^shift · sum, where the shift is the largest x.
#[derive(Clone, Copy)]
pub(super) struct Exponentials {
    shift: f64,
    sum: f64,
}

impl<T: Real> Scan for LogSumExp<T> {
    type Item = T;
    type State = Exponentials;
    type Out = T;
    const MERGES: bool = true;
    const NS: f64 = HEAVY_NS;

    #[inline(always)]
    fn start(self) -> Exponentials {
        Exponentials { shift: f64::NEG_INFINITY, sum: 0.0 }
    }
    #[inline(always)]
    fn step(self, state: Exponentials, [x, _]: [T; 2], _: usize) -> Exponentials {
        self.merge(state, Exponentials { shift: x.to_f64(), sum: 1.0 })
    }
    #[inline(always)]
    fn merge(self, first: Exponentials, second: Exponentials) -> Exponentials {
        // One of the two factors is 1, also where both shifts are infinite and their difference is no number.
        let later = second.shift > first.shift;
        let distance = if first.shift == second.shift { 0.0 } else { (second.shift - first.shift).abs() };
        let factor = math::exp(-distance);
        let (one, two) = if later { (factor, 1.0) } else { (1.0, factor) };
        Exponentials { shift: if later { second.shift } else { first.shift }, sum: first.sum * one + second.sum * two }
    }
    #[inline(always)]
    fn value(self, state: Exponentials) -> T {
        T::from_f64(state.shift + math::ln(state.sum))
    }
}

impl<T: Real> Scan for Recurrence<T> {
    type Item = T;
    type State = f64;
    type Out = T;
    // The product of a part's factors may overflow where no result does.
    const MERGES: bool = false;

    #[inline(always)]
    fn start(self) -> f64 {
        0.0
    }
    #[inline(always)]
    fn step(self, y: f64, [a, b]: [T; 2], j: usize) -> f64 {
        // Nothing stands before the first element, whatever its factor.
        if j == 0 { b.to_f64() } else { a.to_f64() * y + b.to_f64() }
    }
    #[inline(always)]
    fn merge(self, _: f64, second: f64) -> f64 {
        second
    }
    #[inline(always)]
    fn value(self, y: f64) -> T {
        T::from_f64(y)
    }
}

/// Where the largest (or the smallest) element was, the last of equal ones.
#[derive(Clone, Copy)]
pub(super) struct Extremum<T, const LARGEST: bool> {
    /// What no element is beyond.
    pub(super) start: T,
}

impl<T: Element, const LARGEST: bool> Scan for Extremum<T, LARGEST> {
    type Item = T;
    type State = (T, i64);
    type Out = i64;
    const MERGES: bool = true;

    #[inline(always)]
    fn start(self) -> (T, i64) {
        (self.start, 0)
    }
    #[inline(always)]
    fn step(self, state: (T, i64), [x, _]: [T; 2], j: usize) -> (T, i64) {
        self.merge(state, (x, j as i64))
    }
    #[inline(always)]
    fn merge(self, first: (T, i64), second: (T, i64)) -> (T, i64) {
        let better = if LARGEST { second.0 >= first.0 } else { second.0 <= first.0 };
        // NaN is the one value that differs from itself.
        #[expect(clippy::eq_op, reason = "elements have no is_nan")]
        let nan = second.0 != second.0;
        if better || nan { second } else { first }
    }
    #[inline(always)]
    fn value(self, state: (T, i64)) -> i64 {
        state.1
    }
}

/// Σ x of integers.
#[derive(Clone, Copy)]
pub(super) struct IntegerSum;

impl Scan for IntegerSum {
    type Item = i64;
    type State = i128;
    type Out = i64;
    const MERGES: bool = true;

    #[inline(always)]
    fn start(self) -> i128 {
        0
    }
    #[inline(always)]
    fn step(self, sum: i128, [x, _]: [i64; 2], _: usize) -> i128 {
        sum + i128::from(x)
    }
    #[inline(always)]
    fn merge(self, first: i128, second: i128) -> i128 {
        first + second
    }
    #[inline(always)]
    fn value(self, sum: i128) -> i64 {
        sum as i64
    }
    #[inline(always)]
    fn fits(self, sum: i128) -> bool {
        i128::from(sum as i64) == sum
    }
}

/// Π x of integers.
#[derive(Clone, Copy)]
pub(super) struct IntegerProduct;

impl Scan for IntegerProduct {
    type Item = i64;
    type State = i128;
    type Out = i64;
    const MERGES: bool = false;

    #[inline(always)]
    fn start(self) -> i128 {
        1
    }
    #[inline(always)]
    fn step(self, product: i128, [x, _]: [i64; 2], _: usize) -> i128 {
        // The sign has no part in what is too large; 2⁶³ itself may still become -2⁶³, or 0.
        let product = product * i128::from(x);
        if product.unsigned_abs() > 1 << 63 { 1 << 64 } else { product }
    }
    #[inline(always)]
    fn merge(self, first: i128, second: i128) -> i128 {
        first * second
    }
    #[inline(always)]
    fn value(self, product: i128) -> i64 {
        product as i64
    }
    #[inline(always)]
    fn fits(self, product: i128) -> bool {
        i128::from(product as i64) == product
    }
}
