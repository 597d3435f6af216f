//! Quantized elements in memory: blocks that lie one after another, and what a tensor does with them.

use std::ops::Range;

use monotile_kernels::blocks::BlockFormat;
use monotile_kernels::buffer::Buffer;
use monotile_kernels::shape::Shape;

use super::layout::Layout;
use super::storage::{CpuStorage, Storage};
use super::{DType, Tensor};
use crate::error::{Error, Result};

/// Blocks of one format. The element at position p is the (p mod length)-th of block p / length, so that strides and offsets mean what they
/// mean for other elements.
#[derive(Clone)]
#[doc(hidden)]
pub struct BlockBuffer {
    format: BlockFormat,
    bytes: Buffer<u8>,
}

impl BlockBuffer {
    pub(crate) fn new(format: BlockFormat, bytes: Buffer<u8>) -> Self {
        Self { format, bytes }
    }

    pub(crate) fn format(&self) -> BlockFormat {
        self.format
    }

    pub(crate) fn is_mapped(&self) -> bool {
        self.bytes.is_mapped()
    }

    /// The bytes of these elements; `None` unless they begin and end between blocks.
    pub(crate) fn bytes_of(&self, elements: Range<usize>) -> Option<&[u8]> {
        let (len, bytes) = (self.format.block_len(), self.format.block_bytes());
        let whole = elements.start.is_multiple_of(len) && elements.end.is_multiple_of(len);
        whole.then(|| self.bytes.get(elements.start / len * bytes..elements.end / len * bytes)).flatten()
    }
}

/// The bytes of a tensor of this shape in blocks along its last dimension.
///
/// # Errors
/// If that dimension does not consist of whole blocks.
#[track_caller]
pub(crate) fn block_bytes(op: &str, shape: &Shape, format: BlockFormat) -> Result<usize> {
    let (len, name) = (format.block_len(), format.name());
    match shape.last() {
        Some(last) if last.is_multiple_of(len) => DType::Quantized(format)
            .bytes(shape.elements())
            .ok_or_else(|| Error::shape(format!("{op}: shape {shape:?} of {name} takes more bytes than memory has"))),
        last => {
            let last = last.map_or("no dimension".into(), |last| format!("a last dimension of {last}"));
            Err(Error::shape(format!(
                "{op}: {name} has blocks of {len} along the last dimension, and the shape {shape:?} has {last}"
            )))
        }
    }
}

/// # Convert: to blocks and back
///
/// Weights in a few bits each.
impl Tensor {
    pub(crate) fn from_block_buffer(blocks: BlockBuffer, shape: Shape) -> Self {
        debug_assert_eq!(DType::Quantized(blocks.format).bytes(shape.elements()), Some(blocks.bytes.len()));
        Self::new(Storage::Cpu(CpuStorage::Quantized(blocks)), Layout::contiguous(shape))
    }

    /// The same numbers, rounded to blocks along the last dimension: [`to_dtype`](Tensor::to_dtype) with [`DType::Quantized`].
    ///
    /// # Errors
    /// If the last dimension is no multiple of the block's length, or the format is one that is only read.
    ///
    /// # Example
    /// ```
    /// use monotile::{BlockFormat, DType, Rng};
    /// let weight = Rng::new(1).normal(&[8, 64], DType::F32)?;
    /// let small = weight.quantize(BlockFormat::Q8_0)?;
    /// assert_eq!(small.dtype().name(), "q8_0");
    /// assert!(small.dequantize()?.sub(&weight)?.abs()?.max(&[], false)?.item::<f32>()? < 0.02);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn quantize(&self, format: BlockFormat) -> Result<Tensor> {
        self.to_dtype(DType::Quantized(format))
    }

    /// The numbers that blocks stand for, as f32; a tensor of other elements is cast.
    ///
    /// # Gradient
    /// The cotangent.
    #[track_caller]
    pub fn dequantize(&self) -> Result<Tensor> {
        self.to_dtype(DType::F32)
    }
}
