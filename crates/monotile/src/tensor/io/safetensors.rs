//! The safetensors format: eight bytes with the header's length, a JSON header, then all elements.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use monotile_kernels::buffer::Mapping;
use monotile_kernels::shape::count;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{FileType, map, mapped_tensor, write_atomic, write_elements, written};
use crate::error::{Error, ErrorKind, Placed, Result};
use crate::limits;
use crate::tensor::{DType, Tensor};
use crate::text::{parser_report, printable};

/// The bytes before the header: its length.
const LENGTH_BYTES: usize = 8;
/// The most bytes of the header that one tensor takes: names of types and some sizes have far fewer.
const ENTRY_BYTES: usize = 1 << 16;
/// The header's key for strings that describe the file.
const STRINGS: &str = "__metadata__";

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
    header: Header,
}

/// What lies in a file.
struct Header {
    entries: BTreeMap<String, Entry>,
    strings: HashMap<String, String>,
}

/// What the header says of a tensor; offsets are the file's.
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    start: usize,
    end: usize,
}

impl SafeTensors {
    /// Opens a file and checks that its header fits its length.
    ///
    /// # Errors
    /// If the file cannot be read, is truncated, or its header is malformed or lies.
    #[track_caller]
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let map = map(path)?;
        let length = map.bytes().first_chunk::<LENGTH_BYTES>().map(|bytes| u64::from_le_bytes(*bytes));
        if let Some(length) = length.filter(|&length| length <= map.bytes().len() as u64) {
            limits::HEADER.admit(format_args!("{}: its header", path.display()), length)?;
        }
        let header = parse(map.bytes()).map_err(|what| Error::format(path, what)).placed()?;
        Ok(Self { path: path.into(), map, header })
    }

    /// The file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of the tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.header.entries.keys().map(String::as_str)
    }

    /// The strings that the writer put in the header (`format`, for example).
    pub fn metadata(&self) -> &HashMap<String, String> {
        &self.header.strings
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.header.entries.contains_key(name)
    }

    /// The shape of a tensor, without reading it.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.header.entries.get(name).map(|entry| entry.shape.as_slice())
    }

    /// The element type that a tensor has when it is read, without reading it; `None` if there is none, or none that is read.
    pub fn dtype(&self, name: &str) -> Option<DType> {
        match file_type(self.stored(name)?)? {
            FileType::Ours(dtype) => Some(dtype),
            _ => Some(DType::I64),
        }
    }

    /// The element type of a tensor as the file names it: `BF16`, `F8_E4M3`.
    pub fn stored(&self, name: &str) -> Option<&str> {
        self.header.entries.get(name).map(|entry| entry.dtype.as_str())
    }

    /// The bytes of a tensor, whatever its element type.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.header.entries.get(name).map(|entry| &self.map.bytes()[entry.start..entry.end])
    }

    /// Gives back the memory that reading a tensor took: it is read from the file when it is used again.
    pub fn release(&self, name: &str) {
        if let Some(entry) = self.header.entries.get(name) {
            self.map.release(entry.start..entry.end);
        }
    }

    /// Checks that nobody has written the file since it was opened, as far as its size and time of change tell. What was read
    /// before from a file that has been written is worth nothing.
    ///
    /// # Errors
    /// `Format`, if it has been written.
    #[track_caller]
    pub fn check_unchanged(&self) -> Result<()> {
        if self.map.has_changed() { Err(written(&self.path)) } else { Ok(()) }
    }

    /// The tensor of this name, in the mapped file where it is aligned. Integers of other types than i64, i32 and u8 are read as i64.
    ///
    /// # Errors
    /// If there is none, or its element type is one that Monotile does not read.
    #[track_caller]
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        let Some(entry) = self.header.entries.get(name) else {
            return Err(Error::format(&self.path, format!("there is no tensor \"{name}\"")));
        };
        let Some(kind) = file_type(&entry.dtype) else {
            let what = format!("tensor \"{name}\" has element type {}, which is not read", entry.dtype);
            return Err(Error::new(ErrorKind::Unsupported, format!("{}: {what}", self.path.display())));
        };
        let named = |error: Error| error.with_context(format!("{}: tensor \"{name}\"", self.path.display()));
        mapped_tensor(&self.map, entry.start, &entry.shape, kind)
            .map_err(named)
            .placed()?
            .ok_or_else(|| Error::format(&self.path, format!("offset {}: tensor \"{name}\" leaves the file", entry.start)))
    }
}

/// The element types that are read.
fn file_type(dtype: &str) -> Option<FileType> {
    Some(match dtype {
        "F32" => FileType::Ours(DType::F32),
        "F64" => FileType::Ours(DType::F64),
        "BF16" => FileType::Ours(DType::BF16),
        "F16" => FileType::Ours(DType::F16),
        "I64" => FileType::Ours(DType::I64),
        "BOOL" => FileType::Ours(DType::Bool),
        "I32" => FileType::Ours(DType::I32),
        "U8" => FileType::Ours(DType::U8),
        "I8" => FileType::I8,
        "U16" => FileType::U16,
        "I16" => FileType::I16,
        "U32" => FileType::U32,
        _ => return None,
    })
}

/// Reads the header and checks that its tensors follow one another and end where the file does.
#[track_caller]
fn parse(bytes: &[u8]) -> Result<Header, String> {
    let size = bytes.len();
    let Some(length) = bytes.first_chunk::<LENGTH_BYTES>().map(|b| u64::from_le_bytes(*b)) else {
        return Err(format!("{size} bytes are too few for a safetensors file"));
    };
    let data = usize::try_from(length).ok().and_then(|n| n.checked_add(LENGTH_BYTES)).filter(|&end| end <= size);
    let Some(data) = data else {
        return Err(format!(
            "offset 0: the header claims {length} bytes but the file has {size}; truncated, or not a safetensors file"
        ));
    };
    // Each value is parsed by itself: parsed JSON takes many times the memory of its text.
    let header: BTreeMap<String, &RawValue> = serde_json::from_slice(&bytes[LENGTH_BYTES..data])
        .map_err(|e| format!("the header is not what safetensors files have: {}", parser_report(&e)))?;
    let (mut entries, mut strings) = (BTreeMap::new(), HashMap::new());
    for (name, value) in header {
        if name == STRINGS {
            strings = serde_json::from_str(value.get()).map_err(|_| format!("the header's {STRINGS} are not strings"))?;
        } else {
            let listed = entry(&name, value, data)?;
            entries.insert(name, listed);
        }
    }
    let mut in_order: Vec<(&String, &Entry)> = entries.iter().collect();
    in_order.sort_by_key(|(_, e)| (e.start, e.end));
    let mut at = data;
    for (name, entry) in in_order {
        if entry.start != at {
            return Err(format!(
                "tensor \"{name}\" begins at offset {} and not at {at}, where the one before it ends",
                entry.start
            ));
        }
        at = entry.end;
    }
    if at != size {
        return Err(format!("the file has {size} bytes, which is not the {at} of its header and the tensors it lists"));
    }
    Ok(Header { entries, strings })
}

/// One tensor of the header, whose offsets must span the bytes of its shape and type.
#[track_caller]
fn entry(name: &str, value: &RawValue, data: usize) -> Result<Entry, String> {
    let lacks = |field: &str| format!("tensor \"{name}\" has no valid {field} in the header");
    if value.get().len() > ENTRY_BYTES {
        return Err(format!("tensor \"{name}\" takes {} bytes of the header, and {ENTRY_BYTES} are read", value.get().len()));
    }
    let value: Value = serde_json::from_str(value.get()).map_err(|e| format!("tensor \"{name}\": {}", parser_report(&e)))?;
    let sizes = |field: &str| -> Result<Vec<usize>, String> {
        let list = value[field].as_array().ok_or_else(|| lacks(field))?;
        list.iter().map(|n| n.as_u64().and_then(|n| usize::try_from(n).ok()).ok_or_else(|| lacks(field))).collect()
    };
    let dtype = value["dtype"].as_str().ok_or_else(|| lacks("dtype"))?.to_string();
    let (shape, offsets) = (sizes("shape")?, sizes("data_offsets")?);
    limits::RANK.admit(format_args!("tensor \"{name}\""), shape.len() as u64).map_err(|e| e.to_string())?;
    let [first, last] = offsets[..] else { return Err(lacks("data_offsets")) };
    let (start, end) = (data.checked_add(first), data.checked_add(last));
    let (Some(start), Some(end), true) = (start, end, first <= last) else { return Err(lacks("data_offsets")) };
    // Types that are not read are not measured either: asking for such a tensor is refused by name.
    if let Some(kind) = file_type(&dtype) {
        let bytes = shape.iter().try_fold(kind.size(), |n, &size| n.checked_mul(size));
        if bytes != Some(last - first) {
            return Err(format!(
                "tensor \"{name}\" of {dtype} and shape {shape:?} does not fill the {} bytes of its offsets",
                last - first
            ));
        }
    }
    Ok(Entry { dtype, shape, start, end })
}

/// Writes tensors, and strings for the header, to a `.safetensors` file, which appears whole or not at all.
///
/// Views are written in row-major order. Wider element types come first in the file, so that every tensor is aligned.
///
/// # Errors
/// If two tensors have one name, or the operating system refuses.
#[doc(alias = "save_file")]
#[track_caller]
pub fn write_safetensors(path: impl AsRef<Path>, tensors: &[(&str, &Tensor)], metadata: &[(&str, &str)]) -> Result<()> {
    let path = path.as_ref();
    let mut order: Vec<&(&str, &Tensor)> = tensors.iter().collect();
    order.sort_by(|a, b| b.1.dtype().size().cmp(&a.1.dtype().size()).then(a.0.cmp(b.0)));
    if let Some(twice) = order.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Error::value(format!("write_safetensors: two tensors have the name \"{}\"", twice[0].0)));
    }
    let listed: Vec<TensorSpec> =
        order.iter().map(|(name, tensor)| TensorSpec::new(name, tensor.dtype(), tensor.shape())).collect();
    check_types("write_safetensors", &listed)?;
    write_atomic(path, |file| {
        file.write_all(&header(&listed, metadata))?;
        order.iter().try_for_each(|(_, tensor)| write_elements(tensor, file))
    })
}

/// Refuses types that the format does not have.
#[track_caller]
pub(super) fn check_types(op: &str, listed: &[TensorSpec]) -> Result<()> {
    match listed.iter().find(|planned| planned.quantized) {
        None => Ok(()),
        Some(TensorSpec { name, dtype, .. }) => {
            let name = printable(name);
            Err(Error::dtype(format!("{op}: \"{name}\" is of {}, which safetensors has not; cast it to f32", dtype.to_lowercase())))
        }
    }
}

/// A tensor that a file is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    pub(super) name: String,
    pub(super) dtype: String,
    pub(super) shape: Vec<usize>,
    pub(super) bytes: usize,
    /// Bytes an element.
    pub(super) width: usize,
    /// Whether it is of a type that the format does not have.
    pub(super) quantized: bool,
}

impl TensorSpec {
    /// A tensor of this name, element type and shape.
    pub fn new(name: &str, dtype: DType, shape: &[usize]) -> Self {
        let (width, elements) = (dtype.size(), count(shape));
        Self {
            name: name.to_string(),
            dtype: dtype.name().to_uppercase(),
            shape: shape.to_vec(),
            bytes: elements.saturating_mul(width),
            width,
            quantized: dtype.block_format().is_some(),
        }
    }

    /// A tensor as it is in another file; `None` if it is not there.
    pub fn copy(file: &SafeTensors, name: &str) -> Option<Self> {
        let Entry { dtype, shape, start, end } = file.header.entries.get(name)?;
        // Of types that are not read the file tells by how many bytes there are.
        let width = file_type(dtype).map_or((end - start) / count(shape).max(1), FileType::size);
        Some(Self {
            name: name.to_string(),
            dtype: dtype.clone(),
            shape: shape.clone(),
            bytes: end - start,
            width,
            quantized: false,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its sizes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many bytes its elements take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What stands before the elements: the header's length, the header, spaces up to a multiple of eight.
pub(super) fn header(order: &[TensorSpec], metadata: &[(&str, &str)]) -> Vec<u8> {
    let mut fields = Map::new();
    if !metadata.is_empty() {
        fields.insert(STRINGS.into(), metadata.iter().map(|&(k, v)| (k.to_string(), v.into())).collect::<Map<_, _>>().into());
    }
    let mut at = 0;
    for TensorSpec { name, dtype, shape, bytes, .. } in order {
        fields.insert(name.clone(), json!({"dtype": dtype, "shape": shape, "data_offsets": [at, at + bytes]}));
        at += bytes;
    }
    let json = Value::Object(fields).to_string();
    let padded = json.len().next_multiple_of(8);
    let mut header = (padded as u64).to_le_bytes().to_vec();
    header.extend(json.as_bytes());
    header.resize(LENGTH_BYTES + padded, b' ');
    header
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
    fn what_a_header_says_of_one_tensor_is_short() {
        let header = format!(r#"{{"a":{{"dtype":"F32","shape":[{}0],"data_offsets":[0,0]}}}}"#, "0,".repeat(40_000));
        let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
        let refused = parse(&bytes).err().unwrap();
        assert!(
            refused.starts_with("tensor \"a\" takes 80") && refused.ends_with(" bytes of the header, and 65536 are read"),
            "{refused}"
        );
    }

    /// The file has no more on the disk than its first eight bytes.
    #[test]
    fn a_header_beyond_the_limit_is_refused_before_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let length = limits::HEADER.default() + 1;
        std::fs::write(&path, length.to_le_bytes()).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_len(8 + length).unwrap();
        assert_eq!(SafeTensors::open(&path).err().unwrap().kind(), ErrorKind::Limit);
    }

    #[test]
    fn a_tensor_of_too_many_dimensions_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let header = json!({"a": {"dtype": "BOOL", "shape": vec![1; 65], "data_offsets": [0, 1]}}).to_string();
        std::fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[1]].concat()).unwrap();
        let words = SafeTensors::open(&path).err().unwrap().to_string();
        assert!(words.ends_with("tensor \"a\": asks for 65 dimensions, and the limit \"rank\" is 64"), "{words}");
    }

    #[test]
    fn every_type_and_layout_comes_back_and_stays_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.safetensors");
        let base = Tensor::arange(6).unwrap().reshape(&[2, 3]).unwrap();
        let tensors: Vec<_> = DType::ALL.iter().map(|&k| (k.name(), base.to_dtype(k).unwrap().mt())).collect();
        let empty = Tensor::zeros(&[0, 4], DType::F32).unwrap();
        let mut pairs: Vec<_> = tensors.iter().map(|(n, t)| (*n, t)).collect();
        pairs.push(("empty", &empty));
        write_safetensors(&path, &pairs, &[("format", "pt")]).unwrap();
        let read = SafeTensors::open(&path).unwrap();
        assert_eq!(read.metadata()["format"], "pt");
        for (name, tensor) in pairs {
            let back = read.tensor(name).unwrap();
            assert_eq!(
                (back.dtype(), back.shape(), back.to_f64_vec().unwrap()),
                (tensor.dtype(), tensor.shape(), tensor.to_f64_vec().unwrap())
            );
            assert!(back.is_mapped());
        }
        assert_eq!((read.dtype("bf16"), read.stored("bf16"), read.dtype("none")), (Some(DType::BF16), Some("BF16"), None));
        assert_eq!(read.bytes("i64").unwrap()[8..16], 3_i64.to_le_bytes());
        assert_eq!(
            (read.stored("u8"), read.bytes("u8"), read.dtype("u8")),
            (Some("U8"), Some(&[0, 3, 1, 4, 2, 5][..]), Some(DType::U8))
        );
        assert_eq!((read.stored("i32"), &read.bytes("i32").unwrap()[4..8]), (Some("I32"), &3_i32.to_le_bytes()[..]));
        let before = read.tensor("f32").unwrap().to_f64_vec().unwrap();
        read.release("f32");
        assert_eq!(read.tensor("f32").unwrap().to_f64_vec().unwrap(), before);
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
            "tensor \"a\" of F32 and shape [3] does not fill the 8 bytes of its offsets"
        );
        assert_eq!(
            lie(r#"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#),
            "tensor \"a\" of F32 and shape [4611686018427387904, 4] does not fill the 8 bytes of its offsets"
        );
        assert_eq!(
            lie(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#),
            "tensor \"a\" begins at offset 66 and not at 62, where the one before it ends"
        );
        assert_eq!(
            lie(r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,8]}}"#),
            "tensor \"a\" has no valid shape in the header"
        );
        assert_eq!(lie(r#"{"a":{"dtype":"F32","shape":[2]}}"#), "tensor \"a\" has no valid data_offsets in the header");
        assert!(lie("[]").starts_with("the header is not what safetensors files have"));
    }
}
