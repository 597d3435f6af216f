//! Tensors in files: `.safetensors`, `.gguf` (read), `.npy` and `.npz`, memory-mapped where they are read and replaced whole where
//! they are written.
//!
//! A file's lengths, offsets and shapes are checked against its size before anything is read. Elements that lie aligned in
//! the file stay there; the tensor keeps the file mapped for as long as it lives. This relies on nobody writing the file
//! meanwhile: what is written may or may not be seen, and reading what was cut off ends the process (in one sentence after
//! `monotile_kernels::process::exit_on_bus_error`). [`check_mapped`] and [`SafeTensors::check_unchanged`] tell of a change
//! afterwards. Replacing a file by renaming another over it, as [`write_atomic`] does, harms nothing.

mod gguf;
mod hidden;
mod npy;
mod npz;
mod regular;
mod safetensors;
mod write;
mod writer;

use std::path::Path;
use std::sync::Arc;

use half::{bf16, f16};
use monotile_kernels::buffer::{Block, Mapping};
use monotile_kernels::real::BoolByte;
use monotile_kernels::shape::Shape;

pub use gguf::{GgufArray, GgufFile, GgufValue};
pub use hidden::hidden_sibling;
pub use npz::{Npz, write_npz};
pub use regular::{check_own, is_still_at, open_own, open_regular, read_regular, read_stdin};
pub use safetensors::{SafeTensors, TensorSpec, write_safetensors};
pub use write::write_atomic;
pub use writer::SafeTensorsWriter;

use super::blocks::{BlockBuffer, block_bytes};
use super::dtype::StorageElement;
use super::uninit::UninitTensor;
use super::{DType, Tensor};
use crate::check;
use crate::error::{Error, Placed, Result};

/// How a file stores an element: our own types, and other integers, which become i64 while they are read. `U64` is read where
/// every number fits i64.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileType {
    Ours(DType),
    I8,
    U16,
    I16,
    U32,
    U64,
}

impl FileType {
    fn size(self) -> usize {
        match self {
            Self::Ours(dtype) => dtype.size(),
            Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 => 4,
            Self::U64 => 8,
        }
    }
}

/// Maps a file, which must not be empty.
#[track_caller]
fn map(path: &Path) -> Result<Arc<Mapping>> {
    let (file, size) = open_regular(path)?;
    if size == 0 {
        return Err(Error::format(path, "the file is empty"));
    }
    Mapping::watched(&file, path).map_err(|e| Error::io("reading", path, &e)).placed()
}

/// Checks that nobody has written any of the files that are mapped now, as far as their sizes and times of change tell: in a
/// program that is about to write what it computed from them.
///
/// # Errors
/// `Format`, naming a file that has been written.
///
/// # Example
/// ```
/// use monotile::{Tensor, io};
/// let path = std::env::temp_dir().join("monotile-changed.npy");
/// Tensor::arange(3)?.write_npy(&path)?;
/// let tensor = Tensor::read_npy(&path)?;
/// io::check_mapped()?;
/// std::fs::OpenOptions::new().append(true).open(&path).and_then(|mut file| std::io::Write::write_all(&mut file, b" ")).unwrap();
/// assert!(!tensor.is_mapped() || io::check_mapped().is_err());
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn check_mapped() -> Result<()> {
    monotile_kernels::process::changed().map_or(Ok(()), |path| Err(written(&path)))
}

/// The error of a file that was written while it was mapped.
#[track_caller]
fn written(path: &Path) -> Error {
    Error::format(path, "the file was written while it was in use, so that what was read from it cannot be relied on")
}

/// The tensor of `shape` whose elements begin at `offset` of a mapped file; `None` where they leave it.
///
/// # Errors
/// If no tensor has this shape, or there is no memory for what has to be copied.
#[track_caller]
fn mapped_tensor(map: &Arc<Mapping>, offset: usize, shape: &[usize], kind: FileType) -> Result<Option<Tensor>> {
    #[track_caller]
    fn ours<T: StorageElement>(map: &Arc<Mapping>, offset: usize, shape: Shape) -> Result<Option<Tensor>> {
        Ok(map.elements::<T>(offset, shape.elements())?.map(|elements| Tensor::from_buffer(elements, shape)))
    }
    let shape = check::shape("read", shape)?;
    match kind {
        FileType::Ours(DType::F32) => ours::<f32>(map, offset, shape),
        FileType::Ours(DType::F64) => ours::<f64>(map, offset, shape),
        FileType::Ours(DType::BF16) => ours::<bf16>(map, offset, shape),
        FileType::Ours(DType::F16) => ours::<f16>(map, offset, shape),
        FileType::Ours(DType::I64) => ours::<i64>(map, offset, shape),
        FileType::Ours(DType::I32) => ours::<i32>(map, offset, shape),
        FileType::Ours(DType::U8) => ours::<u8>(map, offset, shape),
        FileType::Ours(DType::Bool) => ours::<BoolByte>(map, offset, shape),
        FileType::Ours(DType::Quantized(format)) => {
            let bytes = block_bytes("read", &shape, format)?;
            let blocks = map.elements::<u8>(offset, bytes)?;
            Ok(blocks.map(|blocks| Tensor::from_block_buffer(BlockBuffer::new(format, blocks), shape)))
        }
        kind => {
            let end = shape.elements().checked_mul(kind.size()).and_then(|bytes| offset.checked_add(bytes));
            let bytes = end.and_then(|end| map.bytes().get(offset..end));
            bytes.map(|bytes| widened(bytes, shape, kind)).transpose()
        }
    }
}

/// The tensor of `shape` with a copy of these bytes, which must be as many as it needs.
///
/// # Errors
/// If no tensor has this shape, or there is no memory for it.
#[track_caller]
fn copied_tensor(bytes: &[u8], shape: &[usize], kind: FileType) -> Result<Tensor> {
    #[track_caller]
    fn ours<T: StorageElement>(bytes: &[u8], shape: Shape) -> Result<Tensor> {
        let mut out = UninitTensor::<T>::with_shape("read", shape)?;
        bytemuck::cast_slice_mut::<T, u8>(&mut out).copy_from_slice(bytes);
        Ok(out.tensor())
    }
    let shape = check::shape("read", shape)?;
    match kind {
        FileType::Ours(DType::F32) => ours::<f32>(bytes, shape),
        FileType::Ours(DType::F64) => ours::<f64>(bytes, shape),
        FileType::Ours(DType::BF16) => ours::<bf16>(bytes, shape),
        FileType::Ours(DType::F16) => ours::<f16>(bytes, shape),
        FileType::Ours(DType::I64) => ours::<i64>(bytes, shape),
        FileType::Ours(DType::I32) => ours::<i32>(bytes, shape),
        FileType::Ours(DType::U8) => ours::<u8>(bytes, shape),
        FileType::Ours(DType::Bool) => ours::<BoolByte>(bytes, shape),
        FileType::Ours(DType::Quantized(format)) => {
            block_bytes("read", &shape, format)?;
            Ok(Tensor::from_block_buffer(BlockBuffer::new(format, Block::copied(bytes)?.into()), shape))
        }
        kind => widened(bytes, shape, kind),
    }
}

/// Integers of types that tensors do not have, as i64.
#[track_caller]
fn widened(bytes: &[u8], shape: Shape, kind: FileType) -> Result<Tensor> {
    let mut out = UninitTensor::<i64>::with_shape("read", shape)?;
    let wide = out.iter_mut().zip(bytes.chunks_exact(kind.size()));
    wide.for_each(|(to, b)| {
        *to = match (kind, b) {
            (FileType::I8, &[a]) => i64::from(a as i8),
            (FileType::U16, &[a, b]) => i64::from(u16::from_le_bytes([a, b])),
            (FileType::I16, &[a, b]) => i64::from(i16::from_le_bytes([a, b])),
            (FileType::U32, &[a, b, c, d]) => i64::from(u32::from_le_bytes([a, b, c, d])),
            (FileType::U64, &[a, b, c, d, e, f, g, h]) => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
            _ => unreachable!("chunks are as long as an element"),
        }
    });
    Ok(out.tensor())
}

/// The tensor of this shape and type with a copy of the elements that [`write_elements`] wrote: in row-major order, little-endian.
///
/// # Errors
/// If `shape` takes more bytes or fewer; if no tensor has this shape, or there is no memory for it.
///
/// # Example
/// ```
/// use monotile::{DType, io};
/// let x = io::read_elements(&[0, 0, 128, 63, 0, 0, 0, 64], &[2], DType::F32)?;
/// assert_eq!(x.to_vec::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "frombuffer")]
#[track_caller]
pub fn read_elements(bytes: &[u8], shape: &[usize], dtype: DType) -> Result<Tensor> {
    check_bytes("read_elements", bytes.len(), shape, dtype)?;
    copied_tensor(bytes, shape, FileType::Ours(dtype))
}

/// Refuses as many bytes unless they are those of a shape and a type.
#[track_caller]
pub(crate) fn check_bytes(op: &str, bytes: usize, shape: &[usize], dtype: DType) -> Result<()> {
    let whole = check::shape(op, shape)?;
    if let DType::Quantized(format) = dtype {
        block_bytes(op, &whole, format)?;
    }
    match dtype.bytes(whole.elements()) {
        Some(taken) if taken == bytes => Ok(()),
        Some(taken) => Err(Error::shape(format!("{op}: shape {shape:?} of {dtype} takes {taken} bytes, got {bytes}"))),
        None => Err(Error::shape(format!("{op}: shape {shape:?} of {dtype} takes more bytes than memory has"))),
    }
}

/// Writes the elements in row-major order as little-endian bytes, as all formats here hold them.
///
/// # Errors
/// Those of the writer.
///
/// # Example
/// ```
/// let mut bytes = Vec::new();
/// monotile::io::write_elements(&monotile::Tensor::from_slice(&[1.0_f32, 2.0], &[2])?, &mut bytes).unwrap();
/// assert_eq!(bytes, [0, 0, 128, 63, 0, 0, 0, 64]);
/// # Ok::<(), monotile::Error>(())
/// ```
pub fn write_elements(tensor: &Tensor, to: &mut dyn std::io::Write) -> std::io::Result<()> {
    let no_memory = |error: Error| std::io::Error::new(std::io::ErrorKind::OutOfMemory, error.to_string());
    with_bytes(tensor, |bytes| to.write_all(bytes)).map_err(no_memory)?
}

/// Calls `f` with the bytes that [`write_elements`] writes.
///
/// # Errors
/// If there is no memory to put the elements in order.
#[track_caller]
pub(crate) fn with_bytes<T>(tensor: &Tensor, f: impl FnOnce(&[u8]) -> T) -> Result<T> {
    use super::storage::CpuStorage;
    let source = tensor.on_cpu()?.contiguous_detached("write")?;
    let range = source.layout().offset..source.layout().offset + source.len();
    let range = if source.is_empty() { 0..0 } else { range };
    // Elements are stored as the processor holds them; every processor that Monotile is built for is little-endian.
    Ok(f(match source.storage().cpu() {
        CpuStorage::F32(b) => bytemuck::cast_slice(&b[range]),
        CpuStorage::F64(b) => bytemuck::cast_slice(&b[range]),
        CpuStorage::BF16(b) => bytemuck::cast_slice(&b[range]),
        CpuStorage::F16(b) => bytemuck::cast_slice(&b[range]),
        CpuStorage::I64(b) => bytemuck::cast_slice(&b[range]),
        CpuStorage::I32(b) => bytemuck::cast_slice(&b[range]),
        CpuStorage::U8(b) => &b[range],
        CpuStorage::Bool(b) => bytemuck::cast_slice(&b[range]),
        CpuStorage::Quantized(b) => b.bytes_of(range).ok_or_else(|| {
            Error::dtype(format!(
                "write: a view of {} that begins or ends inside a block; cast it with to_dtype",
                b.format().name()
            ))
        })?,
    }))
}

#[cfg(target_endian = "big")]
compile_error!("monotile reads and writes little-endian files in place; big-endian processors are not supported");
