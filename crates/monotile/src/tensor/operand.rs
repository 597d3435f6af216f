//! What stands beside a tensor: another tensor, or a number.

use std::borrow::Cow;
use std::fmt;

use super::{DType, Tensor};
use crate::error::{Error, Result};

/// What an elementwise operation takes beside a tensor: `Tensor`, `&Tensor`, or a number.
///
/// A number takes the type of the tensor: `&x * 2` and `&x * 2.0` keep f32 and f64. Beside integers only integers stand, as i64, and beside
/// booleans only `true` and `false`: nothing is cast in silence, where PyTorch makes f32 of i64 and a fraction.
///
/// # Example
/// ```
/// use monotile::Tensor;
/// let x = Tensor::from_slice(&[-1.0_f32, 0.5, 2.0], &[3])?;
/// assert_eq!(x.gt(0)?.to_vec::<bool>()?, [false, true, true]);
/// assert_eq!(x.maximum(0.0)?.to_vec::<f32>()?, [0.0, 0.5, 2.0]);
/// assert_eq!((1 - &x * 2.0).to_vec::<f32>()?, [3.0, 0.0, -3.0]);
/// let words = Tensor::arange(3)?.add(0.5).err().unwrap().to_string();
/// assert_eq!(words, "add: 0.5 stands beside a tensor of i64; take an integer, or cast the tensor with to_dtype");
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "scalar")]
pub trait TensorOrNumber: sealed::Sealed {
    #[doc(hidden)]
    fn value(&self) -> OperandValue<'_>;
}

mod sealed {
    pub trait Sealed {}
}

/// A tensor or a number, whichever it is.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub enum OperandValue<'a> {
    Tensor(&'a Tensor),
    Integer(i128),
    /// With the type that it was written in.
    Float(f64, DType),
    Bool(bool),
}

impl<'a> OperandValue<'a> {
    /// This number, where the tensor beside it holds floating-point numbers.
    pub(crate) fn beside_floats(self, tensor: &Tensor) -> Option<f64> {
        match self {
            Self::Integer(n) if tensor.dtype().is_float() => Some(n as f64),
            Self::Float(x, _) if tensor.dtype().is_float() => Some(x),
            _ => None,
        }
    }

    /// This operand as a tensor: a number becomes a scalar of the type that arithmetic with `dtype` is done in.
    #[track_caller]
    pub(crate) fn beside(self, op: &str, dtype: DType) -> Result<Cow<'a, Tensor>> {
        let wanted = match (self, dtype.compute()) {
            (Self::Tensor(tensor), _) => return Ok(Cow::Borrowed(tensor)),
            (Self::Bool(b), DType::Bool) => return Ok(Cow::Owned(Tensor::scalar(b))),
            (Self::Integer(n), DType::I64) => match i64::try_from(n) {
                Ok(n) => return Ok(Cow::Owned(Tensor::scalar(n))),
                Err(_) => return Err(Error::value(format!("{op}: {n} does not fit in an i64"))),
            },
            (Self::Integer(n), float) if float.is_float() => return Ok(scalar(n as f64, float)),
            (Self::Float(x, _), float) if float.is_float() => return Ok(scalar(x, float)),
            (_, DType::I64) => "an integer",
            (_, DType::Bool) => "true or false",
            _ => "a number",
        };
        Err(Error::dtype(format!(
            "{op}: {self} stands beside a tensor of {dtype}; take {wanted}, or cast the tensor with to_dtype"
        )))
    }

    /// Both as tensors: a number takes the type of a tensor beside it, and of two numbers the wider type.
    #[track_caller]
    pub(crate) fn pair(op: &str, a: Self, b: Self) -> Result<[Cow<'a, Tensor>; 2]> {
        let dtype = match (a, b) {
            (Self::Tensor(x), _) | (_, Self::Tensor(x)) => x.dtype(),
            (Self::Float(_, DType::F64), _) | (_, Self::Float(_, DType::F64)) => DType::F64,
            (Self::Float(..), _) | (_, Self::Float(..)) => DType::F32,
            (Self::Integer(_), _) | (_, Self::Integer(_)) => DType::I64,
            (Self::Bool(_), Self::Bool(_)) => DType::Bool,
        };
        Ok([a.beside(op, dtype)?, b.beside(op, dtype)?])
    }
}

fn scalar(x: f64, dtype: DType) -> Cow<'static, Tensor> {
    Cow::Owned(Tensor::scalar_as(x, dtype.compute()))
}

impl fmt::Display for OperandValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tensor(tensor) => write!(f, "a tensor of {}", tensor.dtype()),
            Self::Integer(n) => write!(f, "{n}"),
            Self::Float(x, _) => write!(f, "{x:?}"),
            Self::Bool(b) => write!(f, "{b}"),
        }
    }
}

impl<T: TensorOrNumber + ?Sized> sealed::Sealed for &T {}
impl<T: TensorOrNumber + ?Sized> TensorOrNumber for &T {
    #[inline]
    fn value(&self) -> OperandValue<'_> {
        (**self).value()
    }
}

macro_rules! operand {
    ($($t:ty: |$x:ident| $value:expr;)*) => {$(
        impl sealed::Sealed for $t {}
        impl TensorOrNumber for $t {
            #[inline]
            fn value(&self) -> OperandValue<'_> {
                let $x = self;
                $value
            }
        }
    )*};
}
operand! {
    Tensor: |x| OperandValue::Tensor(x);
    f64: |x| OperandValue::Float(*x, DType::F64);
    f32: |x| OperandValue::Float((*x).into(), DType::F32);
    i64: |n| OperandValue::Integer((*n).into());
    i32: |n| OperandValue::Integer((*n).into());
    u8: |n| OperandValue::Integer((*n).into());
    u32: |n| OperandValue::Integer((*n).into());
    usize: |n| OperandValue::Integer(*n as i128);
    bool: |b| OperandValue::Bool(*b);
}
