//! What a tensor says of itself: its shape, its type, and how its elements lie.

use super::storage::{CpuStorage, Storage};
use super::{DType, Tensor};

/// # Look at
///
/// Shape, type and layout, none of which looks at elements.
impl Tensor {
    /// The sizes of the dimensions, outermost first; empty for a scalar.
    #[doc(alias = "size")]
    pub fn shape(&self) -> &[usize] {
        &self.0.layout.shape
    }

    /// How many elements of memory a step along each dimension moves; 0 where a size is repeated, negative where reversed.
    #[doc(alias = "stride")]
    pub fn strides(&self) -> &[isize] {
        &self.0.layout.strides
    }

    /// The number of dimensions.
    #[doc(alias = "ndim")]
    #[doc(alias = "dim")]
    pub fn rank(&self) -> usize {
        self.shape().len()
    }

    /// The size of dimension `axis`, counted from the end when negative.
    ///
    /// # Panics
    /// If there is no such dimension, as indexing does.
    #[doc(alias = "size")]
    #[track_caller]
    pub fn dim(&self, axis: isize) -> usize {
        let d = if axis < 0 { axis + self.rank() as isize } else { axis };
        assert!((0..self.rank() as isize).contains(&d), "dim: axis {axis} of a tensor of rank {}", self.rank());
        self.shape()[d as usize]
    }

    /// The number of elements.
    #[doc(alias = "numel")]
    #[doc(alias = "size")]
    pub fn len(&self) -> usize {
        self.0.layout.len()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        match &self.0.storage {
            Storage::Cpu(memory) => memory.dtype(),
            #[cfg(feature = "gpu")]
            Storage::Gpu(memory) => memory.dtype,
        }
    }

    /// Whether elements lie one after another in row-major order.
    #[doc(alias = "flags")]
    pub fn is_contiguous(&self) -> bool {
        self.0.layout.is_contiguous()
    }

    /// Whether the elements lie in a memory-mapped file.
    pub fn is_mapped(&self) -> bool {
        #[cfg(feature = "gpu")]
        if let Storage::Gpu(_) = &self.0.storage {
            return false;
        }
        match self.0.storage.cpu() {
            CpuStorage::F32(b) => b.is_mapped(),
            CpuStorage::F64(b) => b.is_mapped(),
            CpuStorage::BF16(b) => b.is_mapped(),
            CpuStorage::F16(b) => b.is_mapped(),
            CpuStorage::I64(b) => b.is_mapped(),
            CpuStorage::I32(b) => b.is_mapped(),
            CpuStorage::U8(b) => b.is_mapped(),
            CpuStorage::Bool(b) => b.is_mapped(),
            CpuStorage::Quantized(b) => b.is_mapped(),
        }
    }
}
