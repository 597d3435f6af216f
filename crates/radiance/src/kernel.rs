//! How operations of this crate reach the kernels: dtypes, elements, results.

use monotile::{DType, Error, Result, Tensor, TensorElement};
use monotile_kernels::buffer::Block;
use monotile_kernels::splat::blend::Sortable;

/// A number that kernels take, and that a tensor holds as it is.
pub(crate) trait SplatNumber: Sortable + TensorElement<Stored = Self> {
    /// The elements of a tensor that [`prepared`] returned.
    fn elements(tensor: &Tensor) -> Result<&[Self]>;
    /// The tensor of a block.
    fn tensor(block: Block<Self>, shape: &[usize]) -> Result<Tensor>;
}

macro_rules! splat_number {
    ($($t:ty),*) => {$(
        impl SplatNumber for $t {
            fn elements(tensor: &Tensor) -> Result<&[Self]> {
                tensor.as_slice().ok_or_else(|| Error::dtype(format!("splats: a tensor of {} whose elements cannot be reached", tensor.dtype())))
            }
            fn tensor(block: Block<Self>, shape: &[usize]) -> Result<Tensor> {
                Tensor::from_block(block, shape)
            }
        }
    )*};
}
splat_number!(f32, f64);

/// Calls `$f::<T>(…)` with T the type of a prepared tensor's elements.
macro_rules! by_dtype {
    ($dtype:expr, $f:ident($($arg:expr),* $(,)?)) => {
        match $dtype {
            monotile::DType::F64 => $f::<f64>($($arg),*),
            _ => $f::<f32>($($arg),*),
        }
    };
}
pub(crate) use by_dtype;

/// As [`by_dtype`] where the processor has some prepared tensors; on a GPU the function of that name in `gpu`, with the GPU before its arguments.
macro_rules! by_place {
    ($op:expr, $operands:expr, $f:ident($($arg:expr),* $(,)?)) => {{
        let operands: &[&monotile::Tensor] = &$operands;
        #[cfg(feature = "gpu")]
        let there = monotile::GpuAccess::of($op, operands)?;
        #[cfg(feature = "gpu")]
        if let Some(gpu) = &there {
            crate::gpu::$f(gpu, $($arg),*)
        } else {
            crate::kernel::by_dtype!(operands[0].dtype(), $f($($arg),*))
        }
        #[cfg(not(feature = "gpu"))]
        crate::kernel::by_dtype!(operands[0].dtype(), $f($($arg),*))
    }};
}
pub(crate) use by_place;

/// The tensors in one dtype that kernels compute in, f64 if one of them is, and in row-major order; those of a GPU are refused.
#[track_caller]
pub(crate) fn prepared<const N: usize>(op: &str, tensors: [&Tensor; N]) -> Result<[Tensor; N]> {
    let all = prepared_all(op, &tensors)?;
    Ok(std::array::from_fn(|k| all[k].clone()))
}

/// The same of any number of tensors.
#[track_caller]
pub(crate) fn prepared_all(op: &str, tensors: &[&Tensor]) -> Result<Vec<Tensor>> {
    if let Some(there) = tensors.iter().map(|t| t.device()).find(|device| !device.is_cpu()) {
        let words = format!("{op}: not on a GPU yet; move the operands from {there} to the cpu with `to`");
        return Err(Error::new(monotile::ErrorKind::Unsupported, words));
    }
    in_one_dtype(op, tensors)
}

/// The same of an operation that a GPU carries out too: the tensors are of one device.
#[track_caller]
pub(crate) fn prepared_anywhere<const N: usize>(op: &str, tensors: [&Tensor; N]) -> Result<[Tensor; N]> {
    #[cfg(feature = "gpu")]
    monotile::GpuAccess::of(op, &tensors)?;
    let all = in_one_dtype(op, &tensors)?;
    Ok(std::array::from_fn(|k| all[k].clone()))
}

#[track_caller]
fn in_one_dtype(op: &str, tensors: &[&Tensor]) -> Result<Vec<Tensor>> {
    if let Some(odd) = tensors.iter().find(|t| !t.dtype().is_float()) {
        return Err(Error::dtype(format!("{op}: takes floating-point numbers, got {}; cast with to_dtype", odd.dtype())));
    }
    let dtype = if tensors.iter().any(|t| t.dtype() == DType::F64) { DType::F64 } else { DType::F32 };
    tensors.iter().map(|t| t.to_dtype(dtype)?.contiguous()).collect()
}

/// The elements of a cotangent, or zeros of this shape where there is none.
pub(crate) fn cotangent(of: &Option<Tensor>, shape: &[usize], dtype: DType) -> Result<Tensor> {
    match of {
        Some(g) => g.to_dtype(dtype)?.contiguous(),
        None => Tensor::zeros(shape, dtype),
    }
}

/// Refuses a second derivative.
pub(crate) fn once(op: &str, recorded: bool) -> Result<()> {
    if recorded {
        let words = format!("{op}: has no second derivatives: its rule is a kernel, which the tape does not see");
        return Err(Error::new(monotile::ErrorKind::Unsupported, words));
    }
    Ok(())
}
