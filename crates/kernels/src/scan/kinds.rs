//! What scans keep, and how it takes an element.

use std::marker::PhantomData;

use super::Scan;
use crate::real::Real;

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
    const SIDE_BY_SIDE: bool = true;

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

impl<T: Real> Scan for Recurrence<T> {
    type Item = T;
    type State = f64;
    type Out = T;
    // The product of a part's factors may overflow where no result does.
    const MERGES: bool = false;
    const SIDE_BY_SIDE: bool = true;

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
