//! The tensor: a cheap, immutable handle on shared elements, read through a shape and strides.

// The page of `Tensor` has its parts in the order of these lines; blank ones keep rustfmt from sorting them.
pub mod create;

pub mod io;

mod shape;

mod read;

pub(crate) mod blocks;
mod convert;

mod device;

mod display;
pub mod dtype;
#[cfg(feature = "gpu")]
pub(crate) mod gpu;
mod item;
pub(crate) mod layout;
pub(crate) mod operand;
pub(crate) mod position;
pub(crate) mod storage;
pub(crate) mod uninit;

use std::sync::Arc;

use monotile_kernels::buffer::Buffer;
use monotile_kernels::shape::Shape;
pub use monotile_kernels::shape::{Dims, Strides, count};
use monotile_kernels::view::View;

use crate::tape::Origin;
pub use convert::TensorRows;
pub use device::Device;
pub(crate) use device::Processor;
use dtype::StorageElement;
pub use dtype::{DType, TensorElement};
pub(crate) use item::ItemKind;
pub use item::{Ellipsis, IndexItem, NewAxis};
use layout::Layout;
pub use operand::TensorOrNumber;
pub use position::{AxisIndex, AxisList, AxisRange};
use storage::Storage;

/// An n-dimensional array of numbers, of any rank, with a dtype known at run time.
///
/// A tensor is a handle: cloning it copies no elements, and neither do views such as [`permute`](Tensor::permute) or
/// [`slice`](Tensor::slice). Elements never change once written; operations return new tensors. A tensor made by
/// [`requires_grad`](Tensor::requires_grad), or computed from one, also remembers how, so that
/// [`backward`](Tensor::backward) can differentiate.
///
/// # Example
/// ```
/// use monotile::Tensor;
/// let a = Tensor::from_rows(&[[1.0_f32, 2.0], [3.0, 4.0]])?;
/// let b = a.matmul(&a.mt())?;
/// assert_eq!(b.to_vec::<f32>()?, [5.0, 11.0, 11.0, 25.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Clone)]
pub struct Tensor(Arc<Inner>);

// A caught panic leaves every tensor as it was: elements never change once written, except in memory that one owner holds alone, and that
// owner is consumed. What a rule keeps is read through `&self`. A rule with a cell inside, which only another crate could write, tells
// `Tensor` nothing: its answers are checked.
impl std::panic::UnwindSafe for Tensor {}
impl std::panic::RefUnwindSafe for Tensor {}

struct Inner {
    storage: Storage,
    layout: Layout,
    origin: Option<Origin>,
}

impl Tensor {
    pub(crate) fn new(storage: Storage, layout: Layout) -> Self {
        Self(Arc::new(Inner { storage, layout, origin: None }))
    }

    /// The tensor of this row-major buffer.
    pub(crate) fn from_buffer<T: StorageElement>(buffer: Buffer<T>, shape: Shape) -> Self {
        debug_assert_eq!(buffer.len(), shape.elements());
        Self::new(Storage::Cpu(T::wrap(buffer)), Layout::contiguous(shape))
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.0.storage
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.0.layout
    }

    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.0.origin.as_ref()
    }

    /// These elements read through another layout, unrecorded.
    pub(crate) fn with_layout(&self, layout: Layout) -> Self {
        Self::new(self.0.storage.clone(), layout)
    }

    pub(crate) fn with_origin(&self, origin: Option<Origin>) -> Self {
        Self(Arc::new(Inner { storage: self.0.storage.clone(), layout: self.0.layout.clone(), origin }))
    }

    /// A strided window on elements of this tensor's own buffer.
    pub(crate) fn view<'a, T: StorageElement>(&'a self, buffer: &'a Buffer<T>) -> View<'a, T> {
        let Layout { shape, strides, offset } = &self.0.layout;
        View::new(buffer, *offset, shape, strides).expect("a tensor's layout stays inside its buffer")
    }

    /// This tensor's elements, of the type that its dtype says.
    pub(crate) fn elements_view<T: StorageElement>(&self) -> View<'_, T> {
        self.view(T::open(self.storage().cpu()).expect("the caller asked for the dtype"))
    }

    /// The memory of a tensor that nobody else holds and that lies in order from its first element, for writing.
    pub(crate) fn unique_mut<T: StorageElement>(&mut self) -> Option<&mut [T]> {
        let inner = Arc::get_mut(&mut self.0)?;
        if inner.origin.is_some() || inner.layout.offset != 0 || !inner.layout.is_contiguous() {
            return None;
        }
        let len = inner.layout.len();
        match &mut inner.storage {
            Storage::Cpu(memory) => T::open_mut(memory)?.unique()?.get_mut(..len),
            #[cfg(feature = "gpu")]
            Storage::Gpu(_) => None,
        }
    }
}
