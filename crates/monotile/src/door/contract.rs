//! Products of two operands over groups of dimensions.

use half::{bf16, f16};
use monotile_kernels::buffer::Buffer;
use monotile_kernels::product::{Activation, Bias, Epilogue, Operand, Stored};
pub use monotile_kernels::product::{Axes, Axis, Prepared};
use monotile_kernels::shape::Shape;
use monotile_kernels::simd::Lanes;
#[cfg(feature = "gpu")]
use smallvec::SmallVec;

#[cfg(feature = "gpu")]
use super::{OperandPlace, place};
use crate::error::{Error, Result};
use crate::tensor::dtype::StorageElement;
use crate::tensor::storage::CpuStorage;
use crate::tensor::uninit::UninitTensor;
use crate::tensor::{DType, Tensor};

/// The product of these operands in f32 or f64, which has this shape, plus a contiguous bias along its last dimension. What is narrower
/// than the computation is widened as it is read.
#[track_caller]
pub fn product(
    op: &str,
    product: &Prepared,
    x: [&Tensor; 2],
    dtype: DType,
    shape: &Shape,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    if x.iter().any(|x| x.dtype().block_format().is_some()) {
        return super::blocks::product(op, product, x, dtype, shape, bias);
    }
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &x.into_iter().chain(bias).collect::<SmallVec<[&Tensor; 3]>>())? {
        return gpu.product(product, x, shape, bias);
    }
    match dtype {
        DType::F64 => run(op, product, x.map(operand_f64), shape, bias),
        _ => run(op, product, x.map(operand_f32), shape, bias),
    }
}

#[track_caller]
fn run<T: StorageElement + Lanes>(
    op: &str,
    product: &Prepared,
    [a, b]: [Operand<'_, T>; 2],
    shape: &Shape,
    bias: Option<&Tensor>,
) -> Result<Tensor> {
    let mut c = UninitTensor::<T>::with_shape(op, shape.clone())?;
    let one = T::from_f64(1.0);
    match bias {
        Some(bias) => {
            let bias = Some(Bias { data: bias.elements(), step: 1 });
            product.product_with_epilogue(one, a, b, &mut c, Epilogue { bias, activation: Activation::Identity })
        }
        None => product.product(one, a, b, &mut c),
    }
    .map_err(|e| Error::from(e).with_context(op))?;
    Ok(c.tensor())
}

/// A tensor of the processor as an operand of a product in f32.
pub(super) fn operand_f32(x: &Tensor) -> Operand<'_, f32> {
    operand(x.storage().cpu(), x.layout().offset, widened_f32)
}

/// A tensor of the processor as an operand of a product in f64.
pub(super) fn operand_f64(x: &Tensor) -> Operand<'_, f64> {
    operand(x.storage().cpu(), x.layout().offset, widened_f64)
}

/// Memory that is read as numbers of T.
fn operand<'a, T>(memory: &'a CpuStorage, offset: usize, wide: fn(&'a CpuStorage) -> Option<Stored<'a, T>>) -> Operand<'a, T> {
    let half = |data| Operand { data, offset };
    match memory {
        CpuStorage::BF16(b) => half(Stored::BF16(slice::<bf16>(b))),
        CpuStorage::F16(b) => half(Stored::F16(slice::<f16>(b))),
        other => half(wide(other).expect("floating-point operands, none wider than the computation")),
    }
}

fn slice<T: StorageElement>(buffer: &Buffer<T>) -> &[T] {
    buffer
}

fn widened_f32(memory: &CpuStorage) -> Option<Stored<'_, f32>> {
    if let CpuStorage::F32(b) = memory { Some(Stored::Real(b)) } else { None }
}

fn widened_f64(memory: &CpuStorage) -> Option<Stored<'_, f64>> {
    match memory {
        CpuStorage::F64(b) => Some(Stored::Real(b)),
        CpuStorage::F32(b) => Some(Stored::F32(b)),
        _ => None,
    }
}
