//! The safetensors format: eight bytes with the header's length, a JSON header, then all elements.

use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::safetensors::tensor::{Dtype, Metadata, SafeTensorError, TensorInfo};
use monotile_kernels::buffer::Mapping;

use super::{FileType, map, mapped_tensor, write_beside, write_elements};
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// The bytes before the header: its length.
const LENGTH_BYTES: usize = 8;

/// An open `.safetensors` file. Its tensors stay in the file, which is memory-mapped.
///
/// # Example
/// ```
/// use monotile::{Tensor, io::{SafeTensors, write_safetensors}};
/// let path = std::env::temp_dir().join("monotile-example.safetensors");
/// write_safetensors(&path, &[("w", &Tensor::from_rows(&[[1.0_f32, 2.0]])?)], &[("format", "pt")])?;
/// let file = SafeTensors::open(&path)?;
/// assert_eq!(file.tensor("w")?.to_vec::<f32>()?, [1.0, 2.0]);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), monotile::Error>(())
/// ```
pub struct SafeTensors {
    path: PathBuf,
    map: Arc<Mapping>,
    metadata: Metadata,
    /// Where the elements begin.
    start: usize,
}

impl SafeTensors {
    /// Opens a file and checks that its header fits its length.
    ///
    /// # Errors
    /// If the file cannot be read, is truncated, or its header is malformed or lies.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let map = map(path)?;
        let (header, metadata) =
            ::safetensors::SafeTensors::read_metadata(map.bytes()).map_err(|e| refusal(path, map.bytes(), &e))?;
        Ok(Self { path: path.into(), start: LENGTH_BYTES + header, map, metadata })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of the tensors, in the order they lie in the file.
    pub fn names(&self) -> Vec<String> {
        self.metadata.offset_keys()
    }

    /// The strings that the writer put in the header (`format`, for example).
    pub fn metadata(&self) -> HashMap<String, String> {
        self.metadata.metadata().clone().unwrap_or_default()
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.metadata.info(name).is_some()
    }

    /// The shape of a tensor, without reading it.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.metadata.info(name).map(|info| info.shape.as_slice())
    }

    /// The tensor of this name, in the mapped file where it is aligned. Narrow integers are read as i64.
    ///
    /// # Errors
    /// If there is none, or its element type is one that Monotile does not read.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        let Some(info) = self.metadata.info(name) else {
            return Err(Error::format(&self.path, format!("there is no tensor \"{name}\"")));
        };
        let Some(kind) = file_type(info.dtype) else {
            let what = format!("tensor \"{name}\" has element type {}, which is not read", info.dtype);
            return Err(Error::new(crate::ErrorKind::Unsupported, format!("{}: {what}", self.path.display())));
        };
        let offset = self.start + info.data_offsets.0;
        mapped_tensor(&self.map, offset, &info.shape, kind)
            .ok_or_else(|| Error::format(&self.path, format!("offset {offset}: tensor \"{name}\" leaves the file")))
    }
}

fn file_type(dtype: Dtype) -> Option<FileType> {
    Some(match dtype {
        Dtype::F32 => FileType::Ours(DType::F32),
        Dtype::F64 => FileType::Ours(DType::F64),
        Dtype::BF16 => FileType::Ours(DType::BF16),
        Dtype::F16 => FileType::Ours(DType::F16),
        Dtype::I64 => FileType::Ours(DType::I64),
        Dtype::BOOL => FileType::Ours(DType::Bool),
        Dtype::U8 => FileType::U8,
        Dtype::I8 => FileType::I8,
        Dtype::U16 => FileType::U16,
        Dtype::I16 => FileType::I16,
        Dtype::U32 => FileType::U32,
        Dtype::I32 => FileType::I32,
        _ => return None,
    })
}

/// What is wrong with a file, in a sentence with its sizes.
fn refusal(path: &Path, bytes: &[u8], error: &SafeTensorError) -> Error {
    let size = bytes.len();
    let declared = bytes.first_chunk::<LENGTH_BYTES>().map(|b| u64::from_le_bytes(*b));
    let what = match (error, declared) {
        (SafeTensorError::HeaderTooSmall, _) | (_, None) => format!("{size} bytes are too few for a safetensors file"),
        (SafeTensorError::HeaderTooLarge | SafeTensorError::InvalidHeaderLength, Some(n)) => {
            format!("offset 0: the header claims {n} bytes but the file has {size}; truncated, or not a safetensors file")
        }
        (SafeTensorError::MetadataIncompleteBuffer, Some(n)) => {
            format!("the file has {size} bytes, which is not the {} of its header and the tensors it lists", expected(bytes, n))
        }
        (SafeTensorError::InvalidOffset(name), _) => format!("tensor \"{name}\" does not begin where the one before it ends"),
        (SafeTensorError::TensorInvalidInfo, _) => "a tensor's offsets do not span the bytes of its shape and type".to_string(),
        (SafeTensorError::ValidationOverflow, _) => "a tensor's shape has more elements than memory has bytes".to_string(),
        (SafeTensorError::InvalidHeader(_), _) => "the header is not UTF-8; not a safetensors file".to_string(),
        (SafeTensorError::InvalidHeaderDeserialization(e) | SafeTensorError::JsonError(e), _) => {
            format!("the header is not what safetensors files have: {e}")
        }
        (other, _) => other.to_string(),
    };
    Error::format(path, what)
}

/// The bytes that a file with this header should have, for the sentence about one that has others.
fn expected(bytes: &[u8], header: u64) -> String {
    let end = usize::try_from(header).ok().and_then(|n| n.checked_add(LENGTH_BYTES));
    let text = end.and_then(|end| bytes.get(LENGTH_BYTES..end));
    let metadata = text.and_then(|text| serde_json::from_slice::<Metadata>(text).ok());
    match (metadata, end) {
        (Some(metadata), Some(end)) => (end + metadata.data_len()).to_string(),
        _ => "size".to_string(),
    }
}

/// Writes tensors, and strings for the header, to a `.safetensors` file, which appears whole or not at all.
///
/// Views are written in row-major order. Wider element types come first in the file, so that every tensor is aligned.
///
/// # Errors
/// If two tensors have one name, or the operating system refuses.
pub fn write_safetensors(path: impl AsRef<Path>, tensors: &[(&str, &Tensor)], metadata: &[(&str, &str)]) -> Result<()> {
    let path = path.as_ref();
    let mut order: Vec<&(&str, &Tensor)> = tensors.iter().collect();
    order.sort_by(|a, b| b.1.dtype().size().cmp(&a.1.dtype().size()).then(a.0.cmp(b.0)));
    if let Some(twice) = order.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Error::value(format!("write_safetensors: two tensors have the name \"{}\"", twice[0].0)));
    }
    let mut at = 0;
    let info = |&&(name, tensor): &&(&str, &Tensor)| {
        let bytes = tensor.len() * tensor.dtype().size();
        let offsets = (at, at + bytes);
        at += bytes;
        let dtype = match tensor.dtype() {
            DType::F32 => Dtype::F32,
            DType::F64 => Dtype::F64,
            DType::BF16 => Dtype::BF16,
            DType::F16 => Dtype::F16,
            DType::I64 => Dtype::I64,
            DType::Bool => Dtype::BOOL,
        };
        (name.to_string(), TensorInfo { dtype, shape: tensor.shape().into(), data_offsets: offsets })
    };
    let infos = order.iter().map(info).collect();
    let strings: HashMap<String, String> = metadata.iter().map(|&(k, v)| (k.into(), v.into())).collect();
    let header = Metadata::new((!strings.is_empty()).then_some(strings), infos)
        .and_then(|m| serde_json::to_vec(&m).map_err(SafeTensorError::from))
        .map_err(|e| Error::value(format!("write_safetensors: {e}")))?;
    write_beside(path, |file| {
        // Spaces after the JSON put the first element at a multiple of eight.
        let padded = header.len().next_multiple_of(8);
        file.write_all(&(padded as u64).to_le_bytes())?;
        file.write_all(&header)?;
        file.write_all(&b"       "[..padded - header.len()])?;
        order.iter().try_for_each(|(_, tensor)| write_elements(tensor, file))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.safetensors");
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    fn words(bytes: &[u8]) -> String {
        let (_folder, path) = file(bytes);
        let text = SafeTensors::open(&path).err().unwrap().to_string();
        text.split_once(": ").unwrap().1.to_string()
    }

    #[test]
    fn every_type_and_layout_comes_back_and_stays_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.safetensors");
        let base = Tensor::arange(6).reshape(&[2, 3]).unwrap();
        let kinds = [DType::F32, DType::F64, DType::BF16, DType::F16, DType::I64, DType::Bool];
        let tensors: Vec<_> = kinds.iter().map(|&k| (k.name(), base.to_dtype(k).unwrap().mt())).collect();
        let empty = Tensor::zeros(&[0, 4], DType::F32);
        let mut pairs: Vec<_> = tensors.iter().map(|(n, t)| (*n, t)).collect();
        pairs.push(("empty", &empty));
        write_safetensors(&path, &pairs, &[("format", "pt")]).unwrap();
        let read = SafeTensors::open(&path).unwrap();
        assert_eq!(read.metadata()["format"], "pt");
        for (name, tensor) in pairs {
            let back = read.tensor(name).unwrap();
            assert_eq!((back.dtype(), back.shape(), back.to_f64_vec()), (tensor.dtype(), tensor.shape(), tensor.to_f64_vec()));
            assert!(back.is_mapped());
        }
        assert!(read.tensor("none").err().unwrap().to_string().ends_with("t.safetensors: there is no tensor \"none\""));
    }

    #[test]
    fn files_that_lie_or_are_cut_are_refused_with_their_sizes() {
        let header = br#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        let mut whole = (header.len() as u64).to_le_bytes().to_vec();
        whole.extend(header);
        whole.extend([0; 8]);
        let (_keep, path) = file(&whole);
        SafeTensors::open(&path).unwrap();
        assert_eq!(
            words(&whole[..whole.len() - 3]),
            "the file has 67 bytes, which is not the 70 of its header and the tensors it lists"
        );
        assert_eq!(words(&whole[..5]), "5 bytes are too few for a safetensors file");
        assert_eq!(
            words(&whole[..20]),
            "offset 0: the header claims 54 bytes but the file has 20; truncated, or not a safetensors file"
        );
        assert_eq!(words(b""), "the file is empty");
        let mut huge = whole.clone();
        huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(words(&huge).starts_with("offset 0: the header claims 18446744073709551615 bytes"));
        let lie = |header: &str| {
            let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
            bytes.extend(header.as_bytes());
            bytes.extend([0; 8]);
            words(&bytes)
        };
        assert_eq!(
            lie(r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#),
            "a tensor's offsets do not span the bytes of its shape and type"
        );
        assert_eq!(
            lie(r#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#),
            "a tensor's shape has more elements than memory has bytes"
        );
        assert_eq!(
            lie(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#),
            "tensor \"a\" does not begin where the one before it ends"
        );
        assert!(lie("[]").starts_with("the header is not what safetensors files have"));
    }
}
