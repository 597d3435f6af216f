//! Element types: eight that a tensor stores, three that arithmetic is done in, and blocks of quantized numbers.

use half::{bf16, f16};
use monotile_kernels::blocks::BlockFormat;
use monotile_kernels::buffer::Buffer;
use monotile_kernels::real::{BoolByte, Element};

use super::storage::CpuStorage;

/// The type of a tensor's elements.
///
/// Kernels compute in `F32` or `F64`, and of integers in `I64`. `BF16` and `F16` are storage: arithmetic reads them as f32 and returns f32.
/// `I32` and `U8` are storage too: arithmetic reads them as i64 and returns i64, so that 200 + 100 is 300 and nothing wraps around at 256.
/// `Quantized` numbers lie in blocks with common scales, as GGUF files hold weights. Products, [`embedding`](crate::ops::embedding), casts and
/// views read them; every other operation asks for a cast, so that no weight is expanded unseen.
/// Beyond i64 operators wrap, as PyTorch's and NumPy's do; sums, products and scans refuse. Views, joins, selections and orders keep the type.
///
/// Of two types the wider is computed in. A tensor without dimensions, as [`Tensor::scalar`](crate::Tensor::scalar) makes, does not widen one
/// that has dimensions: this is PyTorch's rule.
///
/// # Example
/// ```
/// use monotile::{DType, Tensor};
/// let x = Tensor::zeros(&[2], DType::F32)?;
/// assert_eq!(x.mul(&Tensor::scalar(2.0_f64))?.dtype(), DType::F32);
/// assert_eq!(x.mul(&Tensor::full(&[1], 2.0_f64)?)?.dtype(), DType::F64);
/// assert_eq!(Tensor::scalar(1.0_f32).mul(&Tensor::scalar(2.0_f64))?.dtype(), DType::F64);
/// let bytes = Tensor::from([200_u8, 100]);
/// assert_eq!(bytes.add(&bytes)?.to_vec::<i64>()?, [400, 200]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DType {
    /// 32-bit floating point.
    F32,
    /// 64-bit floating point.
    F64,
    /// bfloat16: the upper half of an f32.
    BF16,
    /// IEEE half precision.
    F16,
    /// 64-bit signed integer: counts, token numbers, indices.
    I64,
    /// 32-bit signed integer.
    I32,
    /// 8-bit unsigned integer: bytes, the channels of pictures.
    U8,
    /// True or false.
    Bool,
    /// Blocks of numbers along the last dimension, each with scales of its own.
    Quantized(BlockFormat),
}

impl DType {
    /// All that hold numbers one by one.
    #[cfg(any(test, feature = "serde"))]
    pub(crate) const ALL: [Self; 8] = [Self::F32, Self::F64, Self::BF16, Self::F16, Self::I64, Self::I32, Self::U8, Self::Bool];

    /// Bytes an element; of a quantized type, whose elements share those of a block, rounded up: [`bytes`](DType::bytes) counts exactly.
    pub fn size(self) -> usize {
        match self {
            Self::Quantized(format) => format.block_bytes().div_ceil(format.block_len()),
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::BF16 | Self::F16 => 2,
            Self::U8 | Self::Bool => 1,
        }
    }

    /// The bytes of so many elements in a row; `None` where memory cannot have them, or they do not fill blocks.
    ///
    /// # Example
    /// ```
    /// use monotile::{BlockFormat, DType};
    /// assert_eq!(DType::F32.bytes(64), Some(256));
    /// assert_eq!(DType::Quantized(BlockFormat::Q4_0).bytes(64), Some(36));
    /// assert_eq!(DType::Quantized(BlockFormat::Q4_0).bytes(65), None);
    /// ```
    pub fn bytes(self, elements: usize) -> Option<usize> {
        match self {
            Self::Quantized(format) if !elements.is_multiple_of(format.block_len()) => None,
            Self::Quantized(format) => (elements / format.block_len()).checked_mul(format.block_bytes()),
            plain => elements.checked_mul(plain.size()),
        }
    }

    /// How the blocks of a quantized type lie; `None` for the others.
    pub fn block_format(self) -> Option<BlockFormat> {
        if let Self::Quantized(format) = self { Some(format) } else { None }
    }

    /// Whether elements are floating-point numbers, so that a gradient can flow.
    #[doc(alias = "is_floating_point")]
    pub fn is_float(self) -> bool {
        !self.is_integer() && self != Self::Bool
    }

    /// Whether elements are integers; booleans are none.
    #[doc(alias = "issubdtype")]
    pub fn is_integer(self) -> bool {
        matches!(self, Self::I64 | Self::I32 | Self::U8)
    }

    /// The distance from 1 to the next number of the type that arithmetic is done in, [`compute`](DType::compute).
    pub(crate) fn epsilon(self) -> f64 {
        if self == Self::F64 { f64::EPSILON } else { f32::EPSILON.into() }
    }

    /// The type that arithmetic on elements of this type is done in and returns.
    pub fn compute(self) -> Self {
        match self {
            Self::BF16 | Self::F16 | Self::Quantized(_) => Self::F32,
            Self::I32 | Self::U8 => Self::I64,
            other => other,
        }
    }

    /// The name as Rust writes it: `f32`, `bf16`, `bool`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::BF16 => "bf16",
            Self::F16 => "f16",
            Self::I64 => "i64",
            Self::I32 => "i32",
            Self::U8 => "u8",
            Self::Bool => "bool",
            Self::Quantized(format) => format.name(),
        }
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that goes into and comes out of tensors: f32, f64, bf16, f16, i64, i32, u8 and bool.
pub trait TensorElement: sealed::Sealed + Copy + Send + Sync + 'static {
    /// The tensor's element type for it.
    const DTYPE: DType;
    /// How memory holds it.
    #[doc(hidden)]
    type Stored: StorageElement;
    #[doc(hidden)]
    fn store(self) -> Self::Stored;
    #[doc(hidden)]
    fn fetch(stored: Self::Stored) -> Self;
}

/// A type that memory holds, tied to its variant of [`CpuStorage`].
#[doc(hidden)]
pub trait StorageElement: Element {
    const DTYPE: DType;
    fn wrap(buffer: Buffer<Self>) -> CpuStorage;
    fn open(memory: &CpuStorage) -> Option<&Buffer<Self>>;
    fn open_mut(memory: &mut CpuStorage) -> Option<&mut Buffer<Self>>;
}

macro_rules! element {
    ($($host:ty, $stored:ty, $variant:ident, |$x:ident| $store:expr, |$y:ident| $fetch:expr;)*) => {$(
        impl sealed::Sealed for $host {}
        impl TensorElement for $host {
            const DTYPE: DType = DType::$variant;
            type Stored = $stored;
            #[inline]
            fn store(self) -> $stored {
                let $x = self;
                $store
            }
            #[inline]
            fn fetch($y: $stored) -> Self {
                $fetch
            }
        }
        impl StorageElement for $stored {
            const DTYPE: DType = DType::$variant;
            fn wrap(buffer: Buffer<Self>) -> CpuStorage {
                CpuStorage::$variant(buffer)
            }
            fn open(memory: &CpuStorage) -> Option<&Buffer<Self>> {
                if let CpuStorage::$variant(buffer) = memory { Some(buffer) } else { None }
            }
            fn open_mut(memory: &mut CpuStorage) -> Option<&mut Buffer<Self>> {
                if let CpuStorage::$variant(buffer) = memory { Some(buffer) } else { None }
            }
        }
    )*};
}
element! {
    f32, f32, F32, |x| x, |y| y;
    f64, f64, F64, |x| x, |y| y;
    bf16, bf16, BF16, |x| x, |y| y;
    f16, f16, F16, |x| x, |y| y;
    i64, i64, I64, |x| x, |y| y;
    i32, i32, I32, |x| x, |y| y;
    u8, u8, U8, |x| x, |y| y;
    bool, BoolByte, Bool, |x| x.into(), |y| y.get();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tensor;

    fn i64s(x: crate::Result<Tensor>) -> Vec<i64> {
        x.unwrap().to_vec().unwrap()
    }

    #[test]
    fn arithmetic_on_narrow_integers_is_that_on_i64() {
        let (bytes, words) = (Tensor::from([200_u8, 3, 0]), Tensor::from([i32::MAX, -2, 5]));
        assert_eq!(i64s(bytes.add(&bytes)), [400, 6, 0]);
        assert_eq!(i64s(bytes.sub(201)), [-1, -198, -201]);
        assert_eq!(i64s(words.mul(&bytes)), [429_496_729_400, -6, 0]);
        assert_eq!(i64s(words.add(Tensor::from([1_i64]))), [2_147_483_648, -1, 6]);
        assert_eq!(
            (i64s(bytes.neg()), i64s(words.abs()), i64s(words.sign())),
            (vec![-200, -3, 0], vec![2_147_483_647, 2, 5], vec![1, -1, 1])
        );
        assert_eq!(
            (i64s(bytes.pow(2)), i64s(bytes.remainder(7)), i64s(words.floor_divide(2_u8))),
            (vec![40_000, 9, 0], vec![4, 3, 0], vec![1_073_741_823, -1, 2])
        );
        assert_eq!(
            (i64s(bytes.clamp(1, 100)), i64s(bytes.maximum(&words)), i64s(bytes.round())),
            (vec![100, 3, 1], vec![2_147_483_647, 3, 5], vec![200, 3, 0])
        );
        assert_eq!(
            (i64s(bytes.sum(&[], false)), i64s(words.prod(&[0], true)), i64s(bytes.cumsum(0))),
            (vec![203], vec![-21_474_836_470], vec![200, 203, 203])
        );
        assert_eq!(
            (i64s(bytes.max(&[], false)), i64s(words.min(&[], false)), i64s(bytes.argmin(&[], false))),
            (vec![200], vec![-2], vec![2])
        );
        let mut sum = bytes.clone();
        sum += &words;
        assert_eq!(i64s(Ok(sum)), [2_147_483_847, 1, 5]);
    }

    #[test]
    fn narrow_integers_are_compared_and_chosen_by_value() {
        let (bytes, words) = (Tensor::from([200_u8, 3, 0]), Tensor::from([200_i32, -2, 5]));
        let truths = |x: crate::Result<Tensor>| x.unwrap().to_vec::<bool>().unwrap();
        assert_eq!(truths(bytes.eq(&words)), [true, false, false]);
        assert_eq!((truths(bytes.gt(&words)), truths(bytes.le(3))), (vec![false, true, false], vec![false, true, true]));
        assert_eq!((truths(bytes.any(&[], false)), truths(bytes.isnan())), (vec![true], vec![false; 3]));
        let mask = Tensor::from([true, false, true]);
        assert_eq!(mask.where_(&bytes, bytes.flip(0).unwrap()).unwrap().to_vec::<u8>().unwrap(), [200, 3, 0]);
        assert_eq!(i64s(mask.where_(&bytes, &words)), [200, -2, 0]);
        assert_eq!(bytes.masked_select(&mask).unwrap().to_vec::<u8>().unwrap(), [200, 0]);
        assert_eq!((i64s(bytes.nonzero()), i64s(bytes.count_nonzero(&[], false))), (vec![0, 1], vec![2]));
    }

    #[test]
    fn what_moves_elements_keeps_their_type() {
        let x = Tensor::from([[5_u8, 1, 4], [1, 0, 255]]);
        let u8s = |x: crate::Result<Tensor>| x.unwrap().to_vec::<u8>().unwrap();
        assert_eq!(u8s(x.mt().contiguous()), [5, 1, 1, 0, 4, 255]);
        assert_eq!(u8s(Tensor::cat(&[&x, &x.flip(0).unwrap()], 1)), [5, 1, 4, 1, 0, 255, 1, 0, 255, 5, 1, 4]);
        assert_eq!(u8s(Tensor::stack(&[x.select(0, 0).unwrap(), x.select(0, 1).unwrap()], 1)), [5, 1, 1, 0, 4, 255]);
        assert_eq!(u8s(x.pad(1, 1, 0, 9.0)), [9, 5, 1, 4, 9, 1, 0, 255]);
        assert_eq!(u8s(x.tril(0)), [5, 0, 0, 1, 0, 0]);
        let (sorted, places) = x.sort(1, true).unwrap();
        assert_eq!((u8s(Ok(sorted)), i64s(Ok(places))), (vec![5, 4, 1, 255, 1, 0], vec![0, 2, 1, 2, 0, 1]));
        assert_eq!(u8s(x.topk(1, 1, true).map(|(values, _)| values)), [5, 255]);
        assert_eq!(u8s(x.kthvalue(2, 1, false).map(|(values, _)| values)), [4, 1]);
        assert_eq!(u8s(x.unique().map(|found| found.values)), [0, 1, 4, 5, 255]);
        assert_eq!(u8s(x.max_with_indices(1, false).map(|(values, _)| values)), [5, 255]);
        assert_eq!(x.to_dtype(DType::I32).unwrap().cummax(1).unwrap().0.to_vec::<i32>().unwrap(), [5, 5, 5, 1, 1, 255]);
    }

    #[test]
    fn narrow_integers_beside_floats_are_refused_as_i64_is() {
        let (bytes, numbers) = (Tensor::from([1_u8]), Tensor::from([1.0_f32]));
        let words = |x: crate::Result<Tensor>| x.err().unwrap().to_string();
        assert_eq!(words(bytes.mul(&numbers)), "mul: takes floating-point numbers, got u8 and f32; cast with to_dtype");
        assert_eq!(words(bytes.exp()), "exp: takes floating-point numbers, got u8; cast with to_dtype");
        assert_eq!(
            words(bytes.add(0.5)),
            "add: 0.5 stands beside a tensor of u8; take an integer, or cast the tensor with to_dtype"
        );
        assert_eq!(words(numbers.gather(0, &numbers)), "gather: indices must be integers, got f32");
        assert_eq!(bytes.to_vec::<i64>().unwrap_err().to_string(), "to_vec: the tensor holds u8, not i64; cast it with to_dtype");
    }
}
