//! Memory of a GPU: how elements come there and back, and how kernels see a tensor.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use monotile_gpu::{
    Gpu, GpuBlock, GpuError, GpuErrorKind, GpuOperand, GpuOptions, GpuRead, GpuResult, GpuStream, GpuType, copy, fill,
};
use monotile_kernels::real::BoolByte;
use monotile_kernels::shape::Shape;

use super::layout::Layout;
use super::storage::Storage;
use super::uninit::UninitTensor;
use super::{DType, Tensor, io};
use crate::error::{Error, ErrorKind, Result};

/// An open GPU: its stream of commands.
pub(crate) struct OpenGpu {
    stream: GpuStream,
}

/// GPUs that [`Device::open`](super::Device::open) opened, by the name that was asked for.
static SHARED: Mutex<Vec<(Option<String>, Weak<OpenGpu>)>> = Mutex::new(Vec::new());

impl OpenGpu {
    #[track_caller]
    pub fn open(options: &GpuOptions) -> Result<Arc<Self>> {
        let gpu = done("device", Gpu::open(options))?;
        Ok(Arc::new(Self { stream: GpuStream::new(&gpu) }))
    }

    #[track_caller]
    pub fn shared(name: Option<&str>) -> Result<Arc<Self>> {
        let shared = &mut *SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|(_, gpu)| gpu.strong_count() > 0);
        if let Some(gpu) = shared.iter().find(|(asked, _)| asked.as_deref() == name).and_then(|(_, gpu)| gpu.upgrade()) {
            return Ok(gpu);
        }
        let opened = Self::open(&GpuOptions { adapter: name.map(str::to_string), ..Default::default() })?;
        // One adapter is one device, whatever it was asked for by.
        let same = shared.iter().filter_map(|(_, gpu)| gpu.upgrade()).find(|gpu| gpu.name() == opened.name());
        let gpu = same.unwrap_or(opened);
        shared.push((name.map(str::to_string), Arc::downgrade(&gpu)));
        Ok(gpu)
    }

    pub fn name(&self) -> &str {
        &self.stream.gpu().summary().name
    }

    pub fn stream(&self) -> &GpuStream {
        &self.stream
    }

    /// A tensor of the processor as one of this GPU. What repeats one number does so there as well.
    ///
    /// # Errors
    /// If the type is none that a GPU holds, an integer is no i32, or there is no memory.
    #[track_caller]
    pub fn upload(self: &Arc<Self>, x: &Tensor) -> Result<Tensor> {
        let one = is_one_number(x) && !x.is_empty();
        let source = if one {
            x.with_layout(Layout { offset: x.layout().offset, ..Layout::contiguous(Shape::default()) })
        } else {
            x.clone()
        };
        let (source, host) = match x.dtype() {
            DType::I64 | DType::I32 => {
                let integers = self.integers(&source)?;
                let narrow = Tensor::from_slice(&integers, source.shape())?;
                (narrow, Some(Arc::from(integers)))
            }
            _ => (source, None),
        };
        gpu_type("to", self.name(), source.dtype())?;
        let dtype = source.dtype();
        let block = match number(&source) {
            Some(value) if one && dtype == DType::F32 => fill(&self.stream, value as f32, 1),
            _ => io::with_bytes(&source, |bytes| self.stream.upload(bytes))?,
        };
        let memory = GpuStorage { gpu: Arc::clone(self), block: done("to", block)?, dtype, host };
        let layout = if one { Layout { offset: 0, ..x.layout().clone() } } else { Layout::contiguous(x.layout().shape.clone()) };
        Ok(Tensor::new(Storage::Gpu(memory), layout))
    }

    /// Integers as i32.
    #[track_caller]
    fn integers(&self, x: &Tensor) -> Result<Vec<i32>> {
        if x.dtype() == DType::I32 {
            return x.to_vec();
        }
        let wide = x.to_vec::<i64>()?;
        match wide.iter().position(|&n| i32::try_from(n).is_err()) {
            Some(at) => {
                let (n, name) = (wide[at], self.name());
                Err(Error::value(format!("to: {name} holds integers as i32, and {n} at position {at} is none")))
            }
            None => Ok(wide.into_iter().map(|n| n as i32).collect()),
        }
    }

    /// A block of this GPU as a tensor in row-major order.
    pub fn tensor(self: &Arc<Self>, block: GpuBlock, dtype: DType, shape: Shape) -> Tensor {
        let memory = GpuStorage { gpu: Arc::clone(self), block, dtype, host: None };
        Tensor::new(Storage::Gpu(memory), Layout::contiguous(shape))
    }

    /// A tensor as kernels read it: one of this GPU, or one number of the processor, repeated.
    #[track_caller]
    pub fn operand(&self, op: &str, x: &Tensor) -> Result<GpuOperand> {
        let Layout { shape, strides, offset } = x.layout();
        match x.storage() {
            Storage::Gpu(memory) => {
                let dtype = gpu_type(op, self.name(), memory.dtype)?;
                done(op, GpuOperand::strided(&memory.block, dtype, shape, strides, *offset))
            }
            Storage::Cpu(_) => {
                let value = number(x).unwrap_or(0.0);
                let block = done(op, fill(&self.stream, value as f32, 1))?;
                done(op, GpuOperand::strided(&block, GpuType::F32, shape, &vec![0; shape.rank()], 0))
            }
        }
    }

    /// A block that holds the elements of a tensor in row-major order and nothing else: its own, or a copy.
    #[track_caller]
    pub fn whole_block(&self, op: &str, x: &Tensor) -> Result<GpuBlock> {
        if let Storage::Gpu(memory) = x.storage()
            && x.is_contiguous()
            && x.layout().offset == 0
            && Some(memory.block.bytes()) == memory.dtype.bytes(x.len()).map(|bytes| bytes as u64)
        {
            return Ok(memory.block.clone());
        }
        let operand = self.operand(op, x)?;
        done(op, copy(&self.stream, &operand, operand.dtype()))
    }
}

/// Whether all elements are one in memory, or there are none.
pub(crate) fn is_one_number(x: &Tensor) -> bool {
    x.is_empty() || x.shape().iter().zip(x.strides()).all(|(&size, &stride)| size == 1 || stride == 0)
}

/// The number that a tensor of the processor repeats; none of an empty one.
pub(crate) fn number(x: &Tensor) -> Option<f64> {
    let one = Layout { offset: x.layout().offset, ..Layout::contiguous(Shape::default()) };
    // It goes to a kernel and not to the host: the tape need not know.
    if x.is_empty() { None } else { x.with_layout(one).f64_vec().ok()?.first().copied() }
}

/// The type in a GPU's memory.
#[track_caller]
pub(crate) fn gpu_type(op: &str, name: &str, dtype: DType) -> Result<GpuType> {
    match dtype {
        DType::F32 => Ok(GpuType::F32),
        DType::BF16 => Ok(GpuType::BF16),
        DType::F16 => Ok(GpuType::F16),
        DType::I32 => Ok(GpuType::I32),
        DType::Bool => Ok(GpuType::Bool),
        DType::F64 | DType::I64 | DType::U8 | DType::Quantized(_) => {
            let cast = if dtype.is_float() { "f32" } else { "i32" };
            let words = format!("{op}: {name} holds f32, bf16, f16, i32 and bool, not {dtype}; cast to {cast}");
            Err(Error::dtype(words))
        }
    }
}

/// What a GPU returned, its failure in the name of an operation.
#[track_caller]
pub(crate) fn done<T>(op: &str, result: GpuResult<T>) -> Result<T> {
    match result {
        Ok(value) => Ok(value),
        Err(GpuError { kind, message }) => {
            let kind = match kind {
                GpuErrorKind::Memory => ErrorKind::Memory,
                GpuErrorKind::Limit => ErrorKind::Limit,
                GpuErrorKind::Lost => ErrorKind::Io,
                GpuErrorKind::NoAdapter | GpuErrorKind::Unsupported | GpuErrorKind::Invalid => ErrorKind::Unsupported,
            };
            Err(Error::new(kind, format!("{op}: {message}")))
        }
    }
}

/// Memory of a GPU, and the type of its elements.
#[derive(Clone)]
#[doc(hidden)]
pub struct GpuStorage {
    pub(crate) gpu: Arc<OpenGpu>,
    pub(crate) block: GpuBlock,
    pub(crate) dtype: DType,
    /// Integers that came from the processor, in the order of the block: they are checked and sorted there, where nobody waits for them.
    pub(crate) host: Option<Arc<[i32]>>,
}

impl GpuStorage {
    /// The elements that this layout names, in row-major order on the device.
    #[track_caller]
    pub fn contiguous(&self, op: &str, layout: &Layout) -> Result<Tensor> {
        let x = Tensor::new(Storage::Gpu(self.clone()), layout.clone());
        let operand = self.gpu.operand(op, &x)?;
        let block = done(op, copy(self.gpu.stream(), &operand, operand.dtype()))?;
        let host = match &self.host {
            Some(_) => Some(Arc::from(self.integers(op, layout)?)),
            None => None,
        };
        let memory = Self { gpu: Arc::clone(&self.gpu), block, dtype: self.dtype, host };
        Ok(Tensor::new(Storage::Gpu(memory), Layout::contiguous(layout.shape.clone())))
    }

    /// The integers that this layout names: those of the host, or read from the device.
    #[track_caller]
    pub fn integers(&self, op: &str, layout: &Layout) -> Result<Vec<i32>> {
        match &self.host {
            Some(host) => Tensor::from_slice(host, [host.len()])?.with_layout(layout.clone()).to_vec(),
            None => self.read(op, layout)?.to_vec(),
        }
    }

    /// Starts to read the elements that this layout names.
    #[track_caller]
    pub fn start_read(&self, op: &'static str, layout: &Layout) -> Result<Transfer> {
        let x = Tensor::new(Storage::Gpu(self.clone()), layout.clone());
        let block = self.gpu.whole_block(op, &x)?;
        Ok(Transfer { op, read: self.gpu.stream().read(&block), dtype: self.dtype, shape: layout.shape.clone() })
    }

    /// The elements that this layout names, in the processor's memory.
    #[track_caller]
    pub fn read(&self, op: &str, layout: &Layout) -> Result<Tensor> {
        let x = Tensor::new(Storage::Gpu(self.clone()), layout.clone());
        let block = self.gpu.whole_block(op, &x)?;
        let bytes = done(op, self.gpu.stream().read_blocking(&block))?;
        of_bytes(op, &bytes, self.dtype, layout.shape.clone())
    }
}

/// A read that the device was told of.
pub(crate) struct Transfer {
    op: &'static str,
    read: GpuRead,
    dtype: DType,
    shape: Shape,
}

impl Transfer {
    /// The elements, once they are there.
    pub async fn finish(self) -> Result<Tensor> {
        of_bytes(self.op, &done(self.op, self.read.await)?, self.dtype, self.shape)
    }
}

/// Bytes of a GPU's memory as a tensor of the processor.
#[track_caller]
fn of_bytes(op: &str, bytes: &[u8], dtype: DType, shape: Shape) -> Result<Tensor> {
    #[track_caller]
    fn cast<T: super::dtype::StorageElement>(op: &str, bytes: &[u8], shape: Shape, of: impl Fn(&[u8]) -> T) -> Result<Tensor> {
        let mut out = UninitTensor::<T>::with_shape(op, shape)?;
        out.iter_mut().zip(bytes.chunks_exact(size_of::<T>())).for_each(|(to, from)| *to = of(from));
        Ok(out.tensor())
    }
    match dtype {
        DType::F32 => cast(op, bytes, shape, bytemuck::pod_read_unaligned::<f32>),
        DType::BF16 => cast(op, bytes, shape, bytemuck::pod_read_unaligned::<half::bf16>),
        DType::F16 => cast(op, bytes, shape, bytemuck::pod_read_unaligned::<half::f16>),
        DType::I32 => cast(op, bytes, shape, bytemuck::pod_read_unaligned::<i32>),
        _ => cast(op, bytes, shape, |byte| BoolByte::from(byte[0] != 0)),
    }
}
