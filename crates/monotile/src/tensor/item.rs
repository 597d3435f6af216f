//! Items of an index over several axes, which the macro [`s!`](crate::s) makes.

use std::fmt;
use std::ops::{Bound, Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

use super::position::{AxisIndex, AxisRange};
use super::{DType, Tensor};

/// As many whole axes as the other items of an index leave: NumPy's `...`.
///
/// # Example
/// ```
/// use monotile::{Ellipsis, Tensor, s};
/// let a = Tensor::arange(24)?.reshape(&[2, 3, 4])?;
/// assert_eq!(a.index(s![Ellipsis, 0])?.shape(), [2, 3]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ellipsis;

/// A new axis of size 1 in an index: NumPy's `None` and `newaxis`.
///
/// # Example
/// ```
/// use monotile::{NewAxis, Tensor, s};
/// assert_eq!(Tensor::arange(3)?.index(s![NewAxis, ..])?.shape(), [1, 3]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "None")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewAxis;

/// What stands for an axis in an index: a number, a range with or without a step, a tensor, [`NewAxis`] or [`Ellipsis`].
///
/// The macro [`s!`](crate::s) makes lists of them; `IndexItem::from` makes one, where a program has them one by one.
///
/// # Example
/// ```
/// use monotile::{Tensor, tensor::IndexItem};
/// let a = Tensor::arange(12)?.reshape(&[3, 4])?;
/// let items = [IndexItem::from(1), IndexItem::from(..).step(2)];
/// assert_eq!(a.index(items)?.to_vec::<i64>()?, [4, 6]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Clone)]
pub struct IndexItem {
    pub(crate) kind: ItemKind,
    pub(crate) step: Option<isize>,
}

#[derive(Clone)]
pub(crate) enum ItemKind {
    Index(i128),
    Range(Bound<i128>, Bound<i128>),
    NewAxis,
    Ellipsis,
    Tensor(Tensor),
}

impl IndexItem {
    /// This range with a step; a negative one goes backwards from the range's last element.
    #[must_use]
    pub fn step(self, step: isize) -> Self {
        Self { step: Some(step), ..self }
    }

    /// An index of any integer type.
    pub(crate) fn at(index: impl AxisIndex) -> Self {
        Self::new(ItemKind::Index(index.position()))
    }

    fn new(kind: ItemKind) -> Self {
        Self { kind, step: None }
    }

    /// How many axes it stands for; an [`Ellipsis`] for none of its own.
    pub(crate) fn axes(&self) -> usize {
        match &self.kind {
            ItemKind::Index(_) | ItemKind::Range(..) => 1,
            ItemKind::NewAxis | ItemKind::Ellipsis => 0,
            ItemKind::Tensor(t) if t.dtype() == DType::Bool => t.rank(),
            ItemKind::Tensor(_) => 1,
        }
    }
}

/// As it was written, as far as that is known.
impl fmt::Display for IndexItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ItemKind::Index(i) => write!(f, "{i}")?,
            ItemKind::Range(start, end) => {
                match start {
                    Bound::Included(i) => write!(f, "{i}..")?,
                    Bound::Excluded(i) => write!(f, "{}..", i + 1)?,
                    Bound::Unbounded => write!(f, "..")?,
                }
                match end {
                    Bound::Included(i) => write!(f, "={i}")?,
                    Bound::Excluded(i) => write!(f, "{i}")?,
                    Bound::Unbounded => {}
                }
            }
            ItemKind::NewAxis => write!(f, "NewAxis")?,
            ItemKind::Ellipsis => write!(f, "Ellipsis")?,
            ItemKind::Tensor(t) => write!(f, "a tensor of {} of shape {:?}", t.dtype(), t.shape())?,
        }
        self.step.map_or(Ok(()), |step| write!(f, "; {step}"))
    }
}

impl fmt::Debug for IndexItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

macro_rules! numbers {
    ($($t:ty)*) => {$(
        impl From<$t> for IndexItem {
            fn from(index: $t) -> Self {
                Self::at(index)
            }
        }
    )*};
}
numbers! { usize isize i64 i32 }

macro_rules! ranges {
    ($($range:ident)*) => {$(
        impl<I: AxisIndex> From<$range<I>> for IndexItem {
            fn from(range: $range<I>) -> Self {
                let (start, end) = range.bounds();
                Self::new(ItemKind::Range(start, end))
            }
        }
    )*};
}
ranges! { Range RangeFrom RangeTo RangeInclusive RangeToInclusive }

impl From<RangeFull> for IndexItem {
    fn from(_: RangeFull) -> Self {
        Self::new(ItemKind::Range(Bound::Unbounded, Bound::Unbounded))
    }
}

impl From<Ellipsis> for IndexItem {
    fn from(_: Ellipsis) -> Self {
        Self::new(ItemKind::Ellipsis)
    }
}

impl From<NewAxis> for IndexItem {
    fn from(_: NewAxis) -> Self {
        Self::new(ItemKind::NewAxis)
    }
}

impl From<&Tensor> for IndexItem {
    fn from(tensor: &Tensor) -> Self {
        Self::new(ItemKind::Tensor(tensor.detach()))
    }
}

impl From<Tensor> for IndexItem {
    fn from(tensor: Tensor) -> Self {
        Self::from(&tensor)
    }
}

macro_rules! lists {
    ($($list:ty, $($n:ident)?;)*) => {$(
        /// Elements by a list of indices, as by a tensor of them.
        impl$(<const $n: usize>)? From<$list> for IndexItem {
            fn from(indices: $list) -> Self {
                Self::new(ItemKind::Tensor(Tensor::from(indices)))
            }
        }
    )*};
}
lists! { [i64; N], N; &[i64; N], N; &[i64],; Vec<i64>,; &Vec<i64>,; }

/// The items of an index over several axes, for [`Tensor::index`](crate::Tensor::index) and [`Tensor::slice_assign`](crate::Tensor::slice_assign).
///
/// | item | what it takes of its axis | NumPy |
/// | --- | --- | --- |
/// | `3`, `-1` | one element; the axis disappears | the same |
/// | `1..4`, `..-1`, `2..`, `..` | a range | `1:4`, `:-1`, `2:`, `:` |
/// | `1..-1; 2` | every second element of a range | `1:-1:2` |
/// | `..; -1` | the range from its last element backwards | `::-1` |
/// | `[0, 2]`, `&t` of i64 | elements by their indices | the same |
/// | `&t` of booleans | elements where it is true, of as many axes as it has | the same |
/// | `NewAxis` | nothing: an axis of size 1 appears | `None` |
/// | `Ellipsis` | as many whole axes as are left | `...` |
///
/// # Example
/// ```
/// use monotile::{Tensor, s};
/// let a = Tensor::arange(12)?.reshape(&[3, 4])?;
/// assert_eq!(a.index(s![1.., -1])?.to_vec::<i64>()?, [7, 11]);
/// assert_eq!(a.index(s![0, 1..-1])?.to_vec::<i64>()?, [1, 2]);
/// assert_eq!(a.index(s![..; -2, 0])?.to_vec::<i64>()?, [8, 0]);
/// assert_eq!(a.index(s![[0, 2], [3, -1]])?.to_vec::<i64>()?, [3, 11]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[macro_export]
macro_rules! s {
    () => {{
        let items: [$crate::tensor::IndexItem; 0] = [];
        items
    }};
    ($($item:expr $(; $step:expr)?),+ $(,)?) => {{
        #[allow(clippy::reversed_empty_ranges, reason = "negative ends count from the end of an axis")]
        let items = [$($crate::tensor::IndexItem::from($item)$(.step($step))?),+];
        items
    }};
}
