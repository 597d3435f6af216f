//! Where a tensor's elements are.

use half::{bf16, f16};
use monotile_kernels::buffer::Buffer;
use monotile_kernels::real::BoolByte;

use super::blocks::BlockBuffer;
use super::dtype::DType;

/// A tensor's memory. Only `tensor` and `door` match on it; no other code reaches elements.
#[derive(Clone)]
#[doc(hidden)]
pub enum Storage {
    /// Memory of the processor: allocated, or a mapped file.
    Cpu(CpuStorage),
    /// Memory of a GPU.
    #[cfg(feature = "gpu")]
    Gpu(super::gpu::GpuStorage),
}

impl Storage {
    /// The memory of the processor. A door that has an arm for another device, or refuses it, comes here for the processor alone.
    pub(crate) fn cpu(&self) -> &CpuStorage {
        match self {
            Self::Cpu(memory) => memory,
            #[cfg(feature = "gpu")]
            Self::Gpu(_) => unreachable!("a door looks where elements are before it opens them"),
        }
    }
}

/// Memory of the processor, by element type.
#[derive(Clone)]
#[doc(hidden)]
pub enum CpuStorage {
    F32(Buffer<f32>),
    F64(Buffer<f64>),
    BF16(Buffer<bf16>),
    F16(Buffer<f16>),
    I64(Buffer<i64>),
    I32(Buffer<i32>),
    U8(Buffer<u8>),
    Bool(Buffer<BoolByte>),
    Quantized(BlockBuffer),
}

impl CpuStorage {
    pub(crate) fn dtype(&self) -> DType {
        match self {
            Self::F32(_) => DType::F32,
            Self::F64(_) => DType::F64,
            Self::BF16(_) => DType::BF16,
            Self::F16(_) => DType::F16,
            Self::I64(_) => DType::I64,
            Self::I32(_) => DType::I32,
            Self::U8(_) => DType::U8,
            Self::Bool(_) => DType::Bool,
            Self::Quantized(blocks) => DType::Quantized(blocks.format()),
        }
    }
}
