//! NumPy's `.npy` format: a magic string, a Python dictionary with type, order and shape, then the elements.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;

use monotile_kernels::buffer::Mapping;

use super::{FileType, copied_tensor, map, mapped_tensor, write_atomic, write_elements};
use crate::error::{Error, Placed, Result};
use crate::limits;
use crate::tensor::{DType, Tensor};
use crate::text::printable;

const MAGIC: &[u8] = b"\x93NUMPY";

/// The most bytes of a header: NumPy itself reads 10,000 characters.
const HEADER: u64 = 1 << 20;

/// What a header says.
pub(super) struct Header {
    kind: FileType,
    /// Whether the bytes of an element lie in the order of a big-endian processor.
    swapped: bool,
    fortran_order: bool,
    shape: Vec<usize>,
    /// Where the elements begin.
    start: usize,
}

/// # Read and write
///
/// Files of NumPy; [`io`](crate::io) has archives and `.safetensors` too.
impl Tensor {
    /// Reads a `.npy` file; its elements stay in the mapped file. Integers of other types than
    /// int64, int32 and uint8 become i64, and of uint64 those that fit. Big-endian files are copied. `V2` is read as bf16, as the
    /// package `ml_dtypes` saves it.
    ///
    /// # Errors
    /// If the file cannot be read, is malformed or truncated, or holds a type that Monotile does not read.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let path = std::env::temp_dir().join("monotile-example.npy");
    /// Tensor::from_rows(&[[1.0_f32, 2.0]])?.write_npy(&path)?;
    /// assert_eq!(Tensor::read_npy(&path)?.to_vec::<f32>()?, [1.0, 2.0]);
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "load")]
    #[track_caller]
    pub fn read_npy(path: impl AsRef<Path>) -> Result<Tensor> {
        let path = path.as_ref();
        let map = map(path)?;
        let header = parse(map.bytes()).map_err(|what| Error::format(path, what)).placed()?;
        header.tensor(map.bytes(), Some((&map, 0))).map_err(|what| Error::format(path, what)).placed()
    }

    /// Writes a `.npy` file, which appears whole or not at all.
    ///
    /// # Errors
    /// For bf16, which NumPy does not have; or if the operating system refuses.
    #[doc(alias = "save")]
    #[track_caller]
    pub fn write_npy(&self, path: impl AsRef<Path>) -> Result<()> {
        let header = header(self)?;
        write_atomic(path.as_ref(), |file| {
            file.write_all(&header)?;
            write_elements(self, file)
        })
    }
}

impl Header {
    /// The shape in the order that elements lie in.
    fn stored_shape(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        if self.fortran_order {
            shape.reverse();
        }
        shape
    }

    /// The tensor in its own order: a permuted view where the file is column-major.
    #[track_caller]
    fn in_order(&self, stored: Tensor) -> Result<Tensor> {
        if !self.fortran_order {
            return Ok(stored);
        }
        let reversed: Vec<isize> = (0..stored.rank() as isize).rev().collect();
        stored.permute(&reversed)
    }

    fn truncated(&self, size: usize) -> String {
        format!("the header claims shape {:?} but only {} bytes of elements follow", self.shape, size.saturating_sub(self.start))
    }

    /// The bytes of the whole file.
    pub(super) fn file_size(&self) -> Option<usize> {
        let elements = self.shape.iter().try_fold(self.kind.size(), |n, &size| n.checked_mul(size))?;
        self.start.checked_add(elements)
    }

    /// The tensor in these bytes of a whole file, which lie `at` bytes into a mapping where there is one.
    #[track_caller]
    pub(super) fn tensor(&self, bytes: &[u8], mapped: Option<(&Arc<Mapping>, usize)>) -> Result<Tensor, String> {
        let truncated = || self.truncated(bytes.len());
        let words = |error: Error| error.to_string();
        let data = bytes.get(self.start..self.file_size().ok_or_else(truncated)?).ok_or_else(truncated)?;
        let shape = self.stored_shape();
        let stored = if self.swapped {
            let reversed: Vec<u8> = data.chunks_exact(self.kind.size()).flat_map(|element| element.iter().rev().copied()).collect();
            copied_tensor(&reversed, &shape, self.kind).map_err(words)?
        } else {
            match mapped {
                Some((map, at)) => mapped_tensor(map, at + self.start, &shape, self.kind).map_err(words)?.ok_or_else(truncated)?,
                None => copied_tensor(data, &shape, self.kind).map_err(words)?,
            }
        };
        let large = |x: &i64| *x < 0;
        if self.kind == FileType::U64 && stored.to_vec::<i64>().is_ok_and(|numbers| numbers.iter().any(large)) {
            return Err("holds uint64 beyond 2^63 - 1, the largest integer that is read; save the array as float64".into());
        }
        self.in_order(stored).map_err(|e| e.to_string())
    }
}

/// The header at the beginning of a file that is read as a stream, and the bytes that it took. Of the elements nothing is read.
#[track_caller]
pub(super) fn read_header(from: &mut dyn Read) -> Result<(Header, Vec<u8>), String> {
    let mut bytes = Vec::new();
    let mut read = |bytes: &mut Vec<u8>, most: u64| from.take(most).read_to_end(bytes).map_err(|e| e.to_string());
    read(&mut bytes, 12)?;
    let start = match bytes[..] {
        [b'\x93', b'N', b'U', b'M', b'P', b'Y', 1, _, a, b, ..] => 10 + u64::from(u16::from_le_bytes([a, b])),
        [b'\x93', b'N', b'U', b'M', b'P', b'Y', 2 | 3, _, a, b, c, d] => 12 + u64::from(u32::from_le_bytes([a, b, c, d])),
        _ => 0,
    };
    if start > HEADER {
        return Err(format!("its header claims {start} bytes, and at most {HEADER} are read"));
    }
    let more = start.saturating_sub(bytes.len() as u64);
    read(&mut bytes, more)?;
    Ok((parse(&bytes)?, bytes))
}

/// The header of a `.npy` file with this tensor.
#[track_caller]
pub(super) fn header(tensor: &Tensor) -> Result<Vec<u8>> {
    let descr = match tensor.dtype() {
        DType::F32 => "<f4",
        DType::F64 => "<f8",
        DType::F16 => "<f2",
        DType::I64 => "<i8",
        DType::I32 => "<i4",
        DType::U8 => "|u1",
        DType::Bool => "|b1",
        DType::Quantized(format) => {
            return Err(Error::dtype(format!("write_npy: NumPy has no {}; cast to f32", format.name())));
        }
        DType::BF16 => return Err(Error::dtype("write_npy: NumPy has no bf16; cast to f32, or write .safetensors")),
    };
    let sizes: String = tensor.shape().iter().map(|n| format!("{n}, ")).collect();
    let mut text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({}), }}", sizes.trim_end());
    // Magic, version and length take ten bytes; the elements begin at a multiple of 64.
    let total = (10 + text.len() + 1).next_multiple_of(64);
    text.push_str(&" ".repeat(total - 10 - text.len() - 1));
    text.push('\n');
    let mut bytes = [MAGIC, &[1, 0], &(text.len() as u16).to_le_bytes()].concat();
    bytes.extend(text.as_bytes());
    Ok(bytes)
}

#[track_caller]
fn parse(bytes: &[u8]) -> Result<Header, String> {
    if bytes.get(..6) != Some(MAGIC) {
        return Err("does not begin as a .npy file does".into());
    }
    let version = bytes.get(6).copied().unwrap_or(0);
    let (length, text_at) = match (version, bytes.get(8..12)) {
        (1, Some(b)) => (u32::from(u16::from_le_bytes([b[0], b[1]])), 10),
        (2 | 3, Some(b)) => (u32::from_le_bytes([b[0], b[1], b[2], b[3]]), 12),
        (1..=3, None) => return Err("the file ends inside its header".into()),
        _ => return Err(format!("version {version} of the .npy format is not known")),
    };
    let start = usize::try_from(length).ok().and_then(|length| length.checked_add(text_at));
    let (start, text) =
        start.and_then(|start| Some((start, bytes.get(text_at..start)?))).ok_or("the file ends inside its header")?;
    let text = std::str::from_utf8(text).map_err(|_| "the header is not text")?;
    let descr = value_of(text, "descr")?.trim_matches(['\'', '"']);
    let (kind, swapped) = element_type(descr)?;
    let fortran_order = match value_of(text, "fortran_order")? {
        "True" => true,
        "False" => false,
        other => return Err(format!("fortran_order is {other}, neither True nor False")),
    };
    let shape = value_of(text, "shape")?;
    let inside = shape.strip_prefix('(').and_then(|s| s.strip_suffix(')')).ok_or("the shape in the header is not a tuple")?;
    // Python 2 wrote some whole numbers with an L behind them.
    let size = |s: &str| s.strip_suffix('L').unwrap_or(s).parse();
    let sizes = inside.split(',').map(str::trim).filter(|s| !s.is_empty()).map(size);
    let shape: Vec<usize> =
        sizes.collect::<Result<_, _>>().map_err(|_| format!("the shape in the header is {}", printable(shape)))?;
    limits::RANK.admit("the array", shape.len() as u64).map_err(|e| e.to_string())?;
    Ok(Header { kind, swapped, fortran_order, shape, start })
}

/// The type of elements that NumPy calls so, and whether their bytes are in the order of a big-endian processor.
#[track_caller]
fn element_type(descr: &str) -> Result<(FileType, bool), String> {
    let (swapped, name) = match descr.as_bytes().first() {
        Some(b'>') => (true, &descr[1..]),
        Some(b'<' | b'|' | b'=') => (false, &descr[1..]),
        _ => (false, descr),
    };
    let kind = match name {
        "f4" => FileType::Ours(DType::F32),
        "f8" => FileType::Ours(DType::F64),
        "f2" => FileType::Ours(DType::F16),
        // NumPy has no bfloat16; the package ml_dtypes, which adds it, saves it as two bytes of no type.
        "V2" | "bfloat16" => FileType::Ours(DType::BF16),
        "i8" => FileType::Ours(DType::I64),
        "b1" => FileType::Ours(DType::Bool),
        "u1" => FileType::Ours(DType::U8),
        "i4" => FileType::Ours(DType::I32),
        "i1" => FileType::I8,
        "u2" => FileType::U16,
        "i2" => FileType::I16,
        "u4" => FileType::U32,
        "u8" => FileType::U64,
        _ => {
            let what = match name.as_bytes().first() {
                Some(b'c') => "complex numbers, ",
                Some(b'O') => "Python objects, ",
                Some(b'U' | b'S') => "strings, ",
                Some(b'M' | b'm') => "times, ",
                _ => "",
            };
            let descr = printable(descr);
            return Err(format!("elements of type '{descr}' are {what}not read; save the array as float32, float64 or int64"));
        }
    };
    Ok((kind, swapped && kind.size() > 1))
}

/// The text of a value of a flat Python dictionary.
#[track_caller]
fn value_of<'a>(text: &'a str, key: &str) -> Result<&'a str, String> {
    let missing = || format!("the header has no '{key}'");
    let at = [format!("'{key}'"), format!("\"{key}\"")].iter().find_map(|k| text.find(k.as_str()).map(|i| i + k.len()));
    let rest = text[at.ok_or_else(missing)?..].trim_start().strip_prefix(':').ok_or_else(missing)?.trim_start();
    let end = if rest.starts_with('(') { rest.find(')').map(|i| i + 1) } else { rest.find([',', '}']) };
    Ok(rest[..end.ok_or_else(missing)?].trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_bytes(bytes: &[u8]) -> Result<Tensor, String> {
        parse(bytes)?.tensor(bytes, None)
    }

    /// A file of this type and shape.
    fn file(descr: &str, shape: &str, elements: &[u8]) -> Vec<u8> {
        let text = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
        [MAGIC, &[1, 0], &(text.len() as u16).to_le_bytes(), text.as_bytes(), elements].concat()
    }

    #[test]
    fn every_number_of_either_byte_order_is_read() {
        let read = |descr: &str, elements: &[u8]| {
            let t = from_bytes(&file(descr, "(2,)", elements)).unwrap();
            (t.dtype(), t.to_f64_vec().unwrap())
        };
        assert_eq!(read(">f4", &[1.5_f32.to_be_bytes(), (-2.0_f32).to_be_bytes()].concat()), (DType::F32, vec![1.5, -2.0]));
        assert_eq!(read(">f8", &[1.5_f64.to_be_bytes(), 3.0_f64.to_be_bytes()].concat()), (DType::F64, vec![1.5, 3.0]));
        assert_eq!(read(">i2", &[1, 0, 255, 255]), (DType::I64, vec![256.0, -1.0]));
        assert_eq!(read("|i1", &[1, 255]), (DType::I64, vec![1.0, -1.0]));
        assert_eq!(read("|u1", &[1, 255]), (DType::U8, vec![1.0, 255.0]));
        assert_eq!(read("<i4", &[1, 0, 0, 0, 0, 0, 0, 128]), (DType::I32, vec![1.0, -2_147_483_648.0]));
        assert_eq!(read(">i4", &[0, 0, 0, 1, 255, 255, 255, 254]), (DType::I32, vec![1.0, -2.0]));
        assert_eq!(read(">u4", &[0, 0, 1, 0, 255, 255, 255, 255]), (DType::I64, vec![256.0, 4_294_967_295.0]));
        assert_eq!(read("<V2", &[0x80, 0x3f, 0, 0xc0]), (DType::BF16, vec![1.0, -2.0]));
        assert_eq!(read("|V2", &[0x80, 0x3f, 0, 0xc0]), (DType::BF16, vec![1.0, -2.0]));
        assert_eq!(
            read("=u8", &[1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0]),
            (DType::I64, vec![1.0, 4_294_967_295.0])
        );
        assert_eq!(read(">b1", &[1, 0]), (DType::Bool, vec![1.0, 0.0]));
        let words = from_bytes(&file("<u8", "(1,)", &[255; 8])).err().unwrap();
        assert!(words.starts_with("holds uint64 beyond 2^63 - 1"), "{words}");
    }

    #[test]
    fn a_header_that_python_2_wrote_is_read() {
        let read = |shape: &str| from_bytes(&file("<i2", shape, &[1, 0, 2, 0])).map(|t| t.shape().to_vec());
        assert_eq!(read("(2L,)"), Ok(vec![2]));
        assert_eq!(read("(1, 2L)"), Ok(vec![1, 2]));
        for odd in ["(L,)", "(2LL,)", "(2 L,)", "(2l,)"] {
            assert_eq!(read(odd), Err(format!("the shape in the header is {odd}")));
        }
    }

    #[test]
    fn arrays_come_back_in_either_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        for shape in [&[][..], &[5], &[2, 3], &[0, 2], &[2, 3, 4]] {
            let n = monotile_kernels::shape::count(shape);
            let a = Tensor::from_vec((0..n).map(|i| i as f32 + 0.5).collect(), shape).unwrap();
            a.write_npy(&path).unwrap();
            let back = Tensor::read_npy(&path).unwrap();
            assert_eq!((back.shape(), back.to_vec::<f32>().unwrap()), (shape, a.to_vec::<f32>().unwrap()));
        }
        let text = "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }\n";
        let mut bytes = [MAGIC, &[1, 0], &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat();
        bytes.extend([1_i16, 4, 2, 5, 3, -6].iter().flat_map(|x| x.to_le_bytes()));
        std::fs::write(&path, &bytes).unwrap();
        let back = Tensor::read_npy(&path).unwrap();
        assert_eq!((back.shape(), back.to_vec::<i64>().unwrap()), (&[2, 3][..], vec![1, 2, 3, 4, 5, -6]));
    }

    #[test]
    fn malformed_files_are_refused_with_words() {
        let a = Tensor::from_vec(vec![1.0_f32; 6], &[6]).unwrap();
        let mut whole = header(&a).unwrap();
        whole.extend([0; 24]);
        from_bytes(&whole).unwrap();
        let words = |bytes: &[u8]| from_bytes(bytes).err().unwrap();
        assert_eq!(words(&whole[..whole.len() - 1]), "the header claims shape [6] but only 23 bytes of elements follow");
        assert_eq!(words(&whole[..20]), "the file ends inside its header");
        assert_eq!(words(b"PK"), "does not begin as a .npy file does");
        let edit = |from: &str, to: &str| {
            let text = String::from_utf8_lossy(&whole[10..128]).replace(from, to);
            words(&[MAGIC, &[1, 0], &(text.len() as u16).to_le_bytes(), text.as_bytes()].concat())
        };
        let refused = "are complex numbers, not read; save the array as float32, float64 or int64";
        assert_eq!(edit("<f4", "<c8"), format!("elements of type '<c8' {refused}"));
        assert_eq!(edit("(6,)", "(6,-1)"), "the shape in the header is (6,-1)");
        assert_eq!(
            edit("(6,)", "(99999999999,99999999999)"),
            "the header claims shape [99999999999, 99999999999] but only 0 bytes of elements follow"
        );
        assert_eq!(edit("shape", "shap"), "the header has no 'shape'");
        let words = words(&file("<f4", &format!("({})", "1, ".repeat(65)), &[0; 4]));
        assert_eq!(words, "the array: asks for 65 dimensions, and the limit \"rank\" is 64");
        assert_eq!(from_bytes(&file("<f4", &format!("({})", "1, ".repeat(64)), &[0; 4])).unwrap().rank(), 64);
    }
}
