//! Positions along an axis: indices and ranges of any integer type, negative ones counted from the end.

use std::ops::{Bound, Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use smallvec::SmallVec;

mod sealed {
    pub trait Sealed {}
}

/// An index along an axis, or a size of one: `usize`, `isize`, `i64` or `i32`. A negative index counts from the end.
pub trait AxisIndex: sealed::Sealed + Copy {
    #[doc(hidden)]
    fn position(self) -> i128;
}

macro_rules! index {
    ($($t:ty)*) => {$(
        impl sealed::Sealed for $t {}
        impl AxisIndex for $t {
            #[inline]
            fn position(self) -> i128 {
                self as i128
            }
        }
    )*};
}
index! { usize isize i64 i32 }

/// One axis, or a list of them: `0`, `&[0, -1]`. Negative ones count from the end.
pub trait AxisList: sealed::Sealed {
    #[doc(hidden)]
    fn list(&self) -> SmallVec<[isize; 4]>;
}

impl AxisList for isize {
    fn list(&self) -> SmallVec<[isize; 4]> {
        SmallVec::from_slice(&[*self])
    }
}

impl AxisList for &[isize] {
    fn list(&self) -> SmallVec<[isize; 4]> {
        SmallVec::from_slice(self)
    }
}

impl<const N: usize> AxisList for &[isize; N] {
    fn list(&self) -> SmallVec<[isize; 4]> {
        SmallVec::from_slice(*self)
    }
}

impl sealed::Sealed for &[isize] {}
impl<const N: usize> sealed::Sealed for &[isize; N] {}

/// A range of [indices](AxisIndex) along an axis: `1..3`, `-2..`, `..=4`, `..`.
pub trait AxisRange: sealed::Sealed {
    #[doc(hidden)]
    fn bounds(&self) -> (Bound<i128>, Bound<i128>);
}

macro_rules! range {
    ($($range:ident: |$r:ident| $start:expr, $end:expr;)*) => {$(
        impl<I: AxisIndex> sealed::Sealed for $range<I> {}
        impl<I: AxisIndex> AxisRange for $range<I> {
            fn bounds(&self) -> (Bound<i128>, Bound<i128>) {
                let $r = self;
                ($start, $end)
            }
        }
    )*};
}
range! {
    Range: |r| Bound::Included(r.start.position()), Bound::Excluded(r.end.position());
    RangeFrom: |r| Bound::Included(r.start.position()), Bound::Unbounded;
    RangeTo: |r| Bound::Unbounded, Bound::Excluded(r.end.position());
    RangeInclusive: |r| Bound::Included(r.start().position()), Bound::Included(r.end().position());
    RangeToInclusive: |r| Bound::Unbounded, Bound::Included(r.end.position());
}

impl sealed::Sealed for RangeFull {}
impl AxisRange for RangeFull {
    fn bounds(&self) -> (Bound<i128>, Bound<i128>) {
        (Bound::Unbounded, Bound::Unbounded)
    }
}
