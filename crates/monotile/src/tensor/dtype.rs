//! Element types: six that a tensor stores, two that kernels compute in.

use half::{bf16, f16};
use monotile_kernels::buffer::Buffer;
use monotile_kernels::real::Element;

use super::storage::CpuStorage;

/// The type of a tensor's elements.
///
/// Kernels compute in `F32` or `F64`. `BF16` and `F16` are storage: arithmetic reads them as f32 and returns f32.
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
    /// True or false.
    Bool,
}

impl DType {
    /// Bytes an element.
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 => 4,
            Self::BF16 | Self::F16 => 2,
            Self::Bool => 1,
        }
    }

    /// Whether elements are floating-point numbers, so that a gradient can flow.
    #[doc(alias = "is_floating_point")]
    pub fn is_float(self) -> bool {
        !matches!(self, Self::I64 | Self::Bool)
    }

    /// The distance from 1 to the next number of the type that arithmetic is done in, [`compute`](DType::compute).
    pub(crate) fn epsilon(self) -> f64 {
        if self == Self::F64 { f64::EPSILON } else { f32::EPSILON.into() }
    }

    /// The type that arithmetic on elements of this type is done in and returns.
    pub fn compute(self) -> Self {
        match self {
            Self::BF16 | Self::F16 => Self::F32,
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
            Self::Bool => "bool",
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

/// A Rust type that goes into and comes out of tensors: f32, f64, bf16, f16, i64 and bool.
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
    bool, u8, Bool, |x| u8::from(x), |y| y != 0;
}
