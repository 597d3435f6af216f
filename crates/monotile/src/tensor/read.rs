//! The one entry point through which values leave a tensor: [`Tensor::to_vec`] waits for them, [`Tensor::read`] is awaited.

use std::future::Future;
#[cfg(not(feature = "gpu"))]
use std::future::ready;

use monotile_kernels::buffer::Block;
use monotile_kernels::elementwise;
use monotile_kernels::view::View;

use super::dtype::StorageElement;
use super::storage::{CpuStorage, Storage};
use super::uninit::UninitTensor;
use super::{DType, Tensor, TensorElement};
use crate::error::{Error, Result};
use crate::memory;

/// # Convert: to numbers of Rust
///
/// What reads elements out, and waits for the device where they lie on one.
impl Tensor {
    /// The elements in row-major order.
    ///
    /// # Errors
    /// If `T` is not the tensor's dtype; [`to_dtype`](Tensor::to_dtype) casts.
    #[doc(alias = "tolist")]
    #[doc(alias = "numpy")]
    #[track_caller]
    pub fn to_vec<T: TensorElement>(&self) -> Result<Vec<T>> {
        crate::tape::note_read(self);
        self.check_holds::<T>()?;
        #[cfg(feature = "gpu")]
        if let Storage::Gpu(_) = self.storage() {
            return self.on_cpu()?.to_vec();
        }
        let buffer = T::Stored::open(self.storage().cpu()).expect("its type was checked");
        let view = self.view(buffer);
        let mut elements = memory::list(view.len(), "to_vec")?;
        if let Some(slice) = view.as_slice() {
            elements.extend(slice.iter().map(|&x| T::fetch(x)));
            return Ok(elements);
        }
        let mut block = Block::new(view.len())?;
        elementwise::copy(view, &mut block);
        elements.extend(block.iter().map(|&x| T::fetch(x)));
        Ok(elements)
    }

    /// The elements in row-major order where they lie, if they are `T`s and lie so in the memory of the CPU.
    ///
    /// What works on elements in another crate reads them here without a copy, after [`contiguous`](Tensor::contiguous).
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from([[1.0_f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.as_slice::<f32>(), Some(&[1.0, 2.0, 3.0, 4.0][..]));
    /// assert_eq!((x.as_slice::<f64>(), x.mt().as_slice::<f32>()), (None, None));
    /// ```
    pub fn as_slice<T: TensorElement<Stored = T> + StorageElement>(&self) -> Option<&[T]> {
        crate::tape::note_read(self);
        match self.storage() {
            Storage::Cpu(memory) => self.view(T::open(memory)?).as_slice(),
            #[cfg(feature = "gpu")]
            Storage::Gpu(_) => None,
        }
    }

    /// The elements in row-major order, to be awaited
    ///
    /// The values are those at the time of the call. The future borrows nothing. On the CPU it is ready at once. Where nobody may
    /// block, as in a browser, this is the way to values.
    ///
    /// # Errors
    /// As [`to_vec`](Tensor::to_vec), when it is awaited.
    ///
    /// # Cost
    /// That of [`to_vec`](Tensor::to_vec).
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// # async fn example() -> monotile::Result<()> {
    /// let y = Tensor::from_slice(&[1.0_f32, 2.0], &[2])?.mul_scalar(2.0)?;
    /// assert_eq!(y.read::<f32>().await?, [2.0, 4.0]);
    /// # Ok(())
    /// # }
    /// # let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    /// # let std::task::Poll::Ready(done) = std::pin::pin!(example()).poll(&mut context) else { panic!("ready at once") };
    /// # done.unwrap();
    /// ```
    #[doc(alias = "cpu")]
    #[track_caller]
    pub fn read<T: TensorElement>(&self) -> impl Future<Output = Result<Vec<T>>> + use<T> {
        #[cfg(feature = "gpu")]
        {
            let place = std::panic::Location::caller();
            let started = match self.storage() {
                Storage::Cpu(_) => Err(self.to_vec()),
                Storage::Gpu(memory) => {
                    crate::tape::note_read(self);
                    Ok(self.check_holds::<T>().and_then(|()| memory.start_read("read", self.layout())))
                }
            };
            async move {
                match started {
                    Err(ready) => ready,
                    Ok(started) => match started {
                        Ok(transfer) => transfer.finish().await.and_then(|x| x.to_vec()).map_err(|error| error.with_place(place)),
                        Err(error) => Err(error.with_place(place)),
                    },
                }
            }
        }
        #[cfg(not(feature = "gpu"))]
        ready(self.to_vec())
    }

    #[track_caller]
    fn check_holds<T: TensorElement>(&self) -> Result<()> {
        if self.dtype() == T::DTYPE {
            return Ok(());
        }
        let (holds, wanted) = (self.dtype(), T::DTYPE);
        Err(Error::dtype(format!("to_vec: the tensor holds {holds}, not {wanted}; cast it with to_dtype")))
    }

    /// These elements in the processor's memory, unrecorded.
    ///
    /// # Errors
    /// If the device that they are on fails.
    #[track_caller]
    pub(crate) fn on_cpu(&self) -> Result<Tensor> {
        match self.storage() {
            Storage::Cpu(_) => Ok(self.detach()),
            #[cfg(feature = "gpu")]
            Storage::Gpu(memory) => memory.read("read", self.layout()),
        }
    }

    /// The elements in row-major order as f64, whatever the dtype; booleans are 0 and 1.
    ///
    /// # Errors
    /// If there is no memory for so many.
    #[doc(alias = "tolist")]
    #[track_caller]
    pub fn to_f64_vec(&self) -> Result<Vec<f64>> {
        crate::tape::note_read(self);
        self.f64_vec()
    }

    /// [`to_f64_vec`](Tensor::to_f64_vec) that the tape is not told of.
    #[track_caller]
    pub(crate) fn f64_vec(&self) -> Result<Vec<f64>> {
        #[track_caller]
        fn read<T: StorageElement>(view: View<'_, T>, f: impl Fn(T) -> f64) -> Result<Vec<f64>> {
            let mut numbers = memory::list(view.len(), "to_f64_vec")?;
            numbers.extend(view.iter().map(f));
            Ok(numbers)
        }
        #[cfg(feature = "gpu")]
        if let Storage::Gpu(_) = self.storage() {
            return self.on_cpu()?.f64_vec();
        }
        match self.storage().cpu() {
            CpuStorage::F32(b) => read(self.view(b), f64::from),
            CpuStorage::F64(b) => read(self.view(b), |x| x),
            CpuStorage::BF16(b) => read(self.view(b), f64::from),
            CpuStorage::F16(b) => read(self.view(b), f64::from),
            CpuStorage::I64(b) => read(self.view(b), |x| x as f64),
            CpuStorage::I32(b) => read(self.view(b), f64::from),
            CpuStorage::U8(b) => read(self.view(b), f64::from),
            CpuStorage::Bool(b) => read(self.view(b), |x| f64::from(u8::from(x.get()))),
            CpuStorage::Quantized(_) => crate::door::blocks::dequantized("to_f64_vec", self)?.f64_vec(),
        }
    }

    /// The only element.
    ///
    /// # Errors
    /// If there is not exactly one element, or `T` is not the tensor's dtype.
    #[doc(alias = "as_scalar")]
    #[track_caller]
    pub fn item<T: TensorElement>(&self) -> Result<T> {
        if self.len() != 1 {
            return Err(Error::shape(format!("item: the tensor has {} elements, shape {:?}", self.len(), self.shape())));
        }
        Ok(self.to_vec::<T>()?[0])
    }

    /// The same elements in row-major order in memory of their own, unless they lie so already.
    ///
    /// # Gradient
    /// The identity.
    #[doc(alias = "clone")]
    #[doc(alias = "ascontiguousarray")]
    #[doc(alias = "copy")]
    #[track_caller]
    pub fn contiguous(&self) -> Result<Tensor> {
        self.contiguous_for("contiguous")
    }

    /// [`contiguous`](Self::contiguous) in the name of an operation.
    #[track_caller]
    pub(crate) fn contiguous_for(&self, op: &str) -> Result<Tensor> {
        if self.is_contiguous() {
            return Ok(self.clone());
        }
        Ok(Tensor::record(self.copied_contiguous(op)?, &[self], crate::ops::view::IdentityGradient))
    }

    /// An unrecorded copy in row-major order, for an operation in whose name missing memory is told.
    #[track_caller]
    pub(crate) fn copied_contiguous(&self, op: &str) -> Result<Tensor> {
        #[track_caller]
        fn copy<T: StorageElement>(op: &str, tensor: &Tensor, buffer: &monotile_kernels::buffer::Buffer<T>) -> Result<Tensor> {
            let mut out = UninitTensor::like(op, tensor)?;
            elementwise::copy(tensor.view(buffer), &mut out);
            Ok(out.tensor())
        }
        #[cfg(feature = "gpu")]
        if let Storage::Gpu(memory) = self.storage() {
            return memory.contiguous(op, self.layout());
        }
        match self.storage().cpu() {
            CpuStorage::F32(b) => copy(op, self, b),
            CpuStorage::F64(b) => copy(op, self, b),
            CpuStorage::BF16(b) => copy(op, self, b),
            CpuStorage::F16(b) => copy(op, self, b),
            CpuStorage::I64(b) => copy(op, self, b),
            CpuStorage::I32(b) => copy(op, self, b),
            CpuStorage::U8(b) => copy(op, self, b),
            CpuStorage::Bool(b) => copy(op, self, b),
            CpuStorage::Quantized(_) => Err(crate::door::blocks::out_of_order(op, self.dtype())),
        }
    }

    /// The elements in row-major order, unrecorded: where they lie, or copied if they lie otherwise.
    #[track_caller]
    pub(crate) fn contiguous_detached(&self, op: &str) -> Result<Tensor> {
        if self.is_contiguous() { Ok(self.detach()) } else { self.copied_contiguous(op) }
    }

    /// The elements of a tensor of `T`s that is contiguous.
    pub(crate) fn elements<T: StorageElement>(&self) -> &[T] {
        let buffer = T::open(self.storage().cpu()).expect("the caller matched the dtype");
        self.view(buffer).as_slice().expect("the caller made it contiguous")
    }

    /// This tensor cast to the type that arithmetic on it uses: bf16 and f16 become f32.
    ///
    /// # Errors
    /// For integers and booleans, in the name of `op`.
    #[track_caller]
    pub(crate) fn to_compute_dtype(&self, op: &str) -> Result<Tensor> {
        match self.dtype() {
            DType::F32 | DType::F64 => Ok(self.clone()),
            DType::BF16 | DType::F16 => self.to_dtype(DType::F32),
            DType::Quantized(_) => Err(crate::door::blocks::refused(op, self.dtype())),
            other => Err(Error::dtype(format!("{op}: takes floating-point numbers, got {other}; cast with to_dtype"))),
        }
    }

    /// This tensor, as i64 where it holds narrower integers.
    ///
    /// # Errors
    /// If there is no memory for that, in the name of `op`.
    #[track_caller]
    pub(crate) fn widened(&self, op: &str) -> Result<Tensor> {
        match self.dtype() {
            // On a GPU nothing is wider.
            DType::I32 if !self.device().is_cpu() => Ok(self.clone()),
            DType::I32 | DType::U8 => crate::door::map::cast(op, self, DType::I64),
            _ => Ok(self.clone()),
        }
    }
}
