//! The GGUF format: metadata by key, a list of tensors, and their elements at multiples of an alignment.
//!
//! ```text
//! "GGUF" | version, 4 bytes | tensors, 8 | entries, 8
//! entries:  key | kind, 4 | value                     a string: its length, 8 bytes, and UTF-8
//! tensors:  name | rank, 4 | sizes, 8 each, the innermost first | type, 4 | offset, 8
//! padding to the alignment | elements of the tensors, each at its offset from here
//! ```
//!
//! Versions 2 and 3 are read, little-endian; the list of values is that of [`GgufValue`].

mod cursor;
mod value;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use monotile_kernels::blocks::BlockFormat;
use monotile_kernels::buffer::Mapping;

use self::cursor::Cursor;
pub use self::value::{GgufArray, GgufValue};
use super::{FileType, map, mapped_tensor, written};
use crate::check;
use crate::error::{Error, Placed, Result};
use crate::limits;
use crate::tensor::{DType, Tensor};
use crate::text::printable;

/// The key of the alignment, and what it is where the file does not say.
const ALIGNMENT: &str = "general.alignment";
const USUAL_ALIGNMENT: u64 = 32;
/// The key that says of how many files a model consists.
const PARTS: &str = "split.count";

/// An open GGUF file, or several that hold the parts of one model. Tensors stay in the files, which are memory-mapped.
///
/// Quantized tensors have a [`DType::Quantized`]: products and `embedding` read them as they lie.
///
/// # Example
/// ```no_run
/// use monotile::io::GgufFile;
/// let file = GgufFile::open("model.gguf")?;
/// let family = file.metadata("general.architecture").and_then(|value| value.as_str());
/// let table = file.tensor("token_embd.weight")?;
/// println!("{family:?}: {:?} of {}", table.shape(), table.dtype());
/// # Ok::<(), monotile::Error>(())
/// ```
pub struct GgufFile {
    path: PathBuf,
    maps: Vec<Arc<Mapping>>,
    version: u32,
    metadata: BTreeMap<String, GgufValue>,
    entries: BTreeMap<String, Entry>,
}

/// What the list says of a tensor; the offset is its file's.
struct Entry {
    file: usize,
    kind: TensorType,
    shape: Vec<usize>,
    start: usize,
    end: usize,
}

/// What one file holds.
struct Header {
    version: u32,
    metadata: BTreeMap<String, GgufValue>,
    entries: BTreeMap<String, Entry>,
}

impl GgufFile {
    /// Opens a file and checks that its lists fit its length. Of a model in parts, `…-00001-of-00003.gguf`, any opens all.
    ///
    /// # Errors
    /// If a file cannot be read, is truncated, or its header is malformed or lies; if it has tensors of a type that is not read.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let first = Self::open_one(path, 0).placed()?;
        let count = first.metadata.get(PARTS).and_then(GgufValue::as_u64).unwrap_or(1);
        if count <= 1 {
            return Ok(first);
        }
        let Some(parts) = sibling_parts(path, count) else {
            let what = format!("it is one of {count} parts, and its name does not end with -00001-of-{count:05}.gguf as theirs do");
            return Err(Error::format(path, what));
        };
        let mut all: Option<Self> = None;
        for (i, part) in parts.iter().enumerate() {
            let opened = Self::open_one(part, i).placed()?;
            match &mut all {
                None => all = Some(Self { path: path.into(), ..opened }),
                Some(all) => all.join(opened).placed()?,
            }
        }
        Ok(all.unwrap_or(first))
    }

    #[track_caller]
    fn open_one(path: &Path, file: usize) -> Result<Self> {
        let map = map(path)?;
        let Header { version, metadata, entries } = parse(&map, file).map_err(|what| Error::format(path, what)).placed()?;
        Ok(Self { path: path.into(), maps: vec![map], version, metadata, entries })
    }

    /// Takes the tensors of the next part.
    #[track_caller]
    fn join(&mut self, part: Self) -> Result<()> {
        for (name, entry) in part.entries {
            if self.entries.contains_key(&name) {
                return Err(Error::format(&part.path, format!("tensor \"{}\" is in a part before it too", printable(&name))));
            }
            self.entries.insert(name, entry);
        }
        self.maps.extend(part.maps);
        Ok(())
    }

    /// The file's path; of several, that which was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The format's version, 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// All keys and values, sorted by key.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &GgufValue)> {
        self.metadata.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The value of a key.
    pub fn metadata(&self, key: &str) -> Option<&GgufValue> {
        self.metadata.get(key)
    }

    /// The names of the tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(name)
    }

    /// The shape of a tensor, outermost dimension first, without reading it.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.entries.get(name).map(|entry| entry.shape.as_slice())
    }

    /// The element type of a tensor as the file names it: `F16`, `Q4_K`.
    pub fn stored(&self, name: &str) -> Option<&'static str> {
        self.entries.get(name).map(|entry| entry.kind.name)
    }

    /// The element type that a tensor has when it is read, without reading it.
    pub fn dtype(&self, name: &str) -> Option<DType> {
        self.entries.get(name).map(|entry| match entry.kind.read {
            FileType::Ours(dtype) => dtype,
            _ => DType::I64,
        })
    }

    /// The bytes of a tensor, whatever its element type.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.entries.get(name).map(|entry| &self.maps[entry.file].bytes()[entry.start..entry.end])
    }

    /// The tensor of this name, in the mapped file where it is aligned. Integers of other types than i64 and i32 are read as i64.
    ///
    /// # Errors
    /// If there is none.
    #[track_caller]
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        let Some(entry) = self.entries.get(name) else {
            return Err(Error::format(&self.path, format!("there is no tensor \"{}\"", printable(name))));
        };
        let named = |error: Error| error.with_context(format!("{}: tensor \"{}\"", self.path.display(), printable(name)));
        let tensor = mapped_tensor(&self.maps[entry.file], entry.start, &entry.shape, entry.kind.read).map_err(named).placed()?;
        Ok(tensor.expect("its bytes were measured when the file was opened"))
    }

    /// Checks that nobody has written the files since they were opened, as far as their sizes and times of change tell.
    ///
    /// # Errors
    /// `Format`, if one has been written.
    #[track_caller]
    pub fn check_unchanged(&self) -> Result<()> {
        if self.maps.iter().any(|map| map.has_changed()) { Err(written(&self.path)) } else { Ok(()) }
    }
}

/// A type of elements: its number in files, its name, and how it is read.
#[derive(Debug, Clone, Copy)]
struct TensorType {
    number: u32,
    name: &'static str,
    read: FileType,
}

const fn plain(number: u32, name: &'static str, dtype: DType) -> TensorType {
    TensorType { number, name, read: FileType::Ours(dtype) }
}

const fn blocks(number: u32, name: &'static str, format: BlockFormat) -> TensorType {
    plain(number, name, DType::Quantized(format))
}

/// The types that are read, by `ggml_type` of ggml.
const TYPES: [TensorType; 20] = [
    plain(0, "F32", DType::F32),
    plain(1, "F16", DType::F16),
    blocks(2, "Q4_0", BlockFormat::Q4_0),
    blocks(3, "Q4_1", BlockFormat::Q4_1),
    blocks(6, "Q5_0", BlockFormat::Q5_0),
    blocks(7, "Q5_1", BlockFormat::Q5_1),
    blocks(8, "Q8_0", BlockFormat::Q8_0),
    blocks(10, "Q2_K", BlockFormat::Q2K),
    blocks(11, "Q3_K", BlockFormat::Q3K),
    blocks(12, "Q4_K", BlockFormat::Q4K),
    blocks(13, "Q5_K", BlockFormat::Q5K),
    blocks(14, "Q6_K", BlockFormat::Q6K),
    blocks(20, "IQ4_NL", BlockFormat::Iq4Nl),
    blocks(23, "IQ4_XS", BlockFormat::Iq4Xs),
    TensorType { number: 24, name: "I8", read: FileType::I8 },
    TensorType { number: 25, name: "I16", read: FileType::I16 },
    plain(26, "I32", DType::I32),
    plain(27, "I64", DType::I64),
    plain(28, "F64", DType::F64),
    plain(30, "BF16", DType::BF16),
];

/// Types that files have and that are not read.
const OTHERS: [(u32, &str); 12] = [
    (9, "Q8_1"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (29, "IQ1_M"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
];

fn tensor_type(name: &str, number: u32) -> Result<TensorType, String> {
    TYPES.into_iter().find(|kind| kind.number == number).ok_or_else(|| {
        let known = OTHERS.iter().find(|other| other.0 == number);
        let named = known.map_or_else(|| format!("an unknown type, {number}"), |other| format!("type {}", other.1));
        let read = TYPES.map(|kind| kind.name).join(", ");
        format!("tensor \"{}\" is of {named}, which is not read; {read} are", printable(name))
    })
}

/// The paths of all parts of a model, of which this is one.
fn sibling_parts(path: &Path, count: u64) -> Option<Vec<PathBuf>> {
    let name = path.file_name()?.to_str()?.strip_suffix(".gguf")?;
    let (stem, number) = name.strip_suffix(&format!("-of-{count:05}"))?.rsplit_once('-')?;
    let numbered = number.len() == 5 && number.bytes().all(|byte| byte.is_ascii_digit()) && count <= 99_999;
    numbered.then(|| (1..=count).map(|i| path.with_file_name(format!("{stem}-{i:05}-of-{count:05}.gguf"))).collect())
}

/// Reads the lists and checks that the tensors lie in the file, each by itself.
fn parse(map: &Arc<Mapping>, file: usize) -> Result<Header, String> {
    let size = map.bytes().len();
    let mut cursor = Cursor::new(map);
    if cursor.take(4).ok() != Some(b"GGUF") {
        return Err("offset 0: it does not begin with GGUF; it is no GGUF file".into());
    }
    let version = cursor.u32()?;
    match version {
        2 | 3 => {}
        1 => {
            return Err("GGUF version 1 is not read; versions 2 and 3 are: convert the model again with a present llama.cpp".into());
        }
        _ if version.swap_bytes() <= 3 => return Err("the file is big-endian; little-endian GGUF files are read".into()),
        _ => return Err(format!("GGUF version {version} is not known; versions 2 and 3 are read")),
    }
    let (tensors, values) = (cursor.u64()?, cursor.u64()?);
    let mut metadata = BTreeMap::new();
    for i in 0..values {
        let context = |what: String| format!("entry {i} of {values}: {what}");
        let key = cursor.string().map_err(context)?;
        let value = cursor.value().map_err(|what| format!("\"{}\": {what}", printable(&key)))?;
        if metadata.contains_key(&key) {
            return Err(format!("the key \"{}\" is there twice", printable(&key)));
        }
        metadata.insert(key, value);
    }
    let alignment = match metadata.get(ALIGNMENT) {
        None => USUAL_ALIGNMENT,
        Some(value) => {
            let fits = |n: &u64| n.is_power_of_two() && *n <= 1 << 20;
            value.as_u64().filter(fits).ok_or_else(|| format!("{ALIGNMENT} is no power of two up to 1048576"))?
        }
    };
    let mut listed: Vec<(String, TensorType, Vec<usize>, u64)> = Vec::new();
    for i in 0..tensors {
        let context = |what: String| format!("tensor {i} of {tensors}: {what}");
        let name = cursor.string().map_err(context)?;
        let context = |what: String| format!("tensor \"{}\": {what}", printable(&name));
        let rank = cursor.u32().map_err(context)?;
        limits::RANK.admit(format_args!("tensor \"{}\"", printable(&name)), rank.into()).map_err(|e| e.to_string())?;
        let mut shape = (0..rank).map(|_| cursor.size()).collect::<Result<Vec<usize>, String>>().map_err(context)?;
        shape.reverse();
        let kind = tensor_type(&name, cursor.u32().map_err(context)?)?;
        let offset = cursor.u64().map_err(context)?;
        if offset % alignment != 0 {
            return Err(context(format!("its offset {offset} is no multiple of the alignment, {alignment}")));
        }
        listed.push((name, kind, shape, offset));
    }
    let data = (cursor.at() as u64).next_multiple_of(alignment);
    let mut entries = BTreeMap::new();
    for (name, kind, shape, offset) in listed {
        let context = |what: String| format!("tensor \"{}\" of {} and shape {shape:?} {what}", printable(&name), kind.name);
        let bytes = tensor_bytes(&shape, kind).map_err(context)?;
        let start = data.checked_add(offset).and_then(|start| usize::try_from(start).ok());
        let range = start.and_then(|start| Some((start, start.checked_add(bytes)?))).filter(|range| range.1 <= size);
        let Some((start, end)) = range else {
            return Err(context(format!(
                "needs {bytes} bytes from offset {offset} of the data, and the file ends before; it is truncated, or lies"
            )));
        };
        if entries.contains_key(&name) {
            return Err(context("is there twice".into()));
        }
        entries.insert(name, Entry { file, kind, shape, start, end });
    }
    let mut in_order: Vec<(&String, &Entry)> = entries.iter().filter(|(_, entry)| entry.start < entry.end).collect();
    in_order.sort_by_key(|(_, entry)| entry.start);
    for pair in in_order.windows(2) {
        if pair[1].1.start < pair[0].1.end {
            return Err(format!("tensors \"{}\" and \"{}\" overlap", printable(pair[0].0), printable(pair[1].0)));
        }
    }
    Ok(Header { version, metadata, entries })
}

/// The bytes of a tensor, whose shape must be one.
fn tensor_bytes(shape: &[usize], kind: TensorType) -> Result<usize, String> {
    let whole = check::shape("read", shape).map_err(|e| format!("is none: {e}"))?;
    let too_many = || "has more elements than memory can hold".to_string();
    match kind.read {
        FileType::Ours(DType::Quantized(format)) => {
            super::super::blocks::block_bytes("read", &whole, format).map_err(|e| format!("is none: {e}"))
        }
        read => whole.elements().checked_mul(read.size()).ok_or_else(too_many),
    }
}

#[cfg(test)]
mod tests;
