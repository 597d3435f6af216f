//! Positions along an axis: indices and ranges of any integer type, negative ones counted from the end.

use std::ops::{Bound, Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use smallvec::SmallVec;

use crate::ops::slice::inside;

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

/// One axis, a list of them, or a range: `0`, `[0, -1]`, `&[0, -1]`, `1..`. Negative ones count from the end.
///
/// `..` names all axes. A reduction takes an empty list for all of them as well.
///
/// # Example
/// ```
/// use monotile::Tensor;
/// let a = Tensor::from([[1.0, 2.0], [3.0, 4.0]]);
/// assert_eq!(a.sum(-1, false)?.to_vec::<f64>()?, [3.0, 7.0]);
/// assert_eq!(a.sum([0, 1], false)?.item::<f64>()?, 10.0);
/// assert_eq!(a.sum(.., false)?.item::<f64>()?, 10.0);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "dim")]
#[doc(alias = "axis")]
pub trait AxisList: sealed::Sealed {
    /// The axes of a tensor of this rank that are named.
    #[doc(hidden)]
    fn list(&self, rank: usize) -> SmallVec<[isize; 4]>;
}

macro_rules! axis {
    ($($t:ty)*) => {$(
        impl AxisList for $t {
            fn list(&self, _: usize) -> SmallVec<[isize; 4]> {
                // What does not fit names no axis, and is refused as such.
                SmallVec::from_slice(&[isize::try_from(*self).unwrap_or(isize::MAX)])
            }
        }
    )*};
}
axis! { usize isize i64 i32 }

macro_rules! axes {
    ($(($($n:ident)?) $list:ty;)*) => {$(
        impl$(<const $n: usize>)? sealed::Sealed for $list {}
        impl$(<const $n: usize>)? AxisList for $list {
            fn list(&self, _: usize) -> SmallVec<[isize; 4]> {
                SmallVec::from_slice(&self[..])
            }
        }
    )*};
}
axes! {
    () &[isize];
    () Vec<isize>;
    () &Vec<isize>;
    (N) [isize; N];
    (N) &[isize; N];
}

impl<A: smallvec::Array<Item = isize>> sealed::Sealed for &SmallVec<A> {}
impl<A: smallvec::Array<Item = isize>> AxisList for &SmallVec<A> {
    fn list(&self, _: usize) -> SmallVec<[isize; 4]> {
        SmallVec::from_slice(self)
    }
}

impl<R: AxisRange> AxisList for R {
    fn list(&self, rank: usize) -> SmallVec<[isize; 4]> {
        named(self.bounds(), rank)
    }
}

/// The axes of a range. One that names none, or leaves the rank, becomes an axis that is refused, since no axes would mean all.
fn named((start, end): (Bound<i128>, Bound<i128>), rank: usize) -> SmallVec<[isize; 4]> {
    match inside(start, end, rank) {
        Some((first, last)) if first < last || rank == 0 => (first as isize..last as isize).collect(),
        _ => SmallVec::from_slice(&[rank as isize]),
    }
}

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
