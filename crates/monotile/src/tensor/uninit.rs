//! Results that are about to be written.

use std::ops::{Deref, DerefMut};

use monotile_kernels::buffer::{Block, Buffer, OutOfMemory};
use monotile_kernels::shape::Shape;

use super::Tensor;
use super::dtype::StorageElement;
use crate::check;
use crate::error::{Error, ErrorKind, Result};

/// A tensor that a kernel has yet to write: its shape is one that a tensor can have, and its memory is there, in row-major
/// order, with unspecified contents.
pub(crate) struct UninitTensor<T: StorageElement> {
    block: Block<T>,
    shape: Shape,
}

impl<T: StorageElement> UninitTensor<T> {
    /// The result of `op` of this shape.
    ///
    /// # Errors
    /// If no tensor has this shape, or there is no memory for it.
    #[track_caller]
    pub fn new(op: &str, shape: &[usize]) -> Result<Self> {
        Self::with_shape(op, check::shape(op, shape)?)
    }

    /// [`new`](Self::new) of a shape that is known to be one.
    #[inline]
    #[track_caller]
    pub fn with_shape(op: &str, shape: Shape) -> Result<Self> {
        match Block::new(shape.elements()) {
            Ok(block) => Ok(Self { block, shape }),
            Err(refused) => Err(no_memory(op, &shape, refused)),
        }
    }

    /// The result of `op` that has the shape of another tensor.
    #[track_caller]
    pub fn like(op: &str, other: &Tensor) -> Result<Self> {
        Self::with_shape(op, other.layout().shape.clone())
    }

    /// [`new`](Self::new) with one value everywhere.
    #[track_caller]
    pub fn filled(op: &str, shape: &[usize], value: T) -> Result<Self> {
        let mut fresh = Self::new(op, shape)?;
        fresh.block.fill(value);
        Ok(fresh)
    }

    /// The tensor, once it is written.
    #[inline]
    pub fn tensor(self) -> Tensor {
        Tensor::from_buffer(Buffer::from(self.block), self.shape)
    }
}

#[cold]
#[track_caller]
fn no_memory(op: &str, shape: &Shape, OutOfMemory { bytes }: OutOfMemory) -> Error {
    let words = format!("{op}: a result of shape {shape:?} needs {bytes} bytes of memory, which cannot be had");
    Error::new(ErrorKind::Memory, words)
}

impl<T: StorageElement> Deref for UninitTensor<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.block
    }
}

impl<T: StorageElement> DerefMut for UninitTensor<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.block
    }
}
