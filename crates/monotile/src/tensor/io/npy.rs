//! NumPy's `.npy` format: a magic string, a Python dictionary with type, order and shape, then the elements.

use std::io::Write;
use std::path::Path;

use super::{FileType, copied_tensor, map, mapped_tensor, write_beside, write_elements};
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

const MAGIC: &[u8] = b"\x93NUMPY";

/// What a header says.
struct Header {
    kind: FileType,
    fortran_order: bool,
    shape: Vec<usize>,
    /// Where the elements begin.
    start: usize,
}

impl Tensor {
    /// Reads a `.npy` file; its elements stay in the mapped file. Narrow integers become i64.
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
    pub fn read_npy(path: impl AsRef<Path>) -> Result<Tensor> {
        let path = path.as_ref();
        let map = map(path)?;
        let header = parse(map.bytes()).map_err(|what| Error::format(path, what))?;
        let stored = mapped_tensor(&map, header.start, &header.stored_shape(), header.kind);
        let stored = stored.ok_or_else(|| Error::format(path, header.truncated(map.bytes().len())))?;
        header.in_order(stored)
    }

    /// Writes a `.npy` file, which appears whole or not at all.
    ///
    /// # Errors
    /// For bf16, which NumPy does not have; or if the operating system refuses.
    pub fn write_npy(&self, path: impl AsRef<Path>) -> Result<()> {
        let header = header(self)?;
        write_beside(path.as_ref(), |file| {
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
}

/// The tensor in the bytes of a `.npy` file that is in memory.
pub(super) fn from_bytes(bytes: &[u8]) -> Result<Tensor, String> {
    let header = parse(bytes)?;
    let needed = header.shape.iter().try_fold(header.kind.size(), |n, &size| n.checked_mul(size));
    let data = needed.and_then(|n| bytes.get(header.start..header.start.checked_add(n)?));
    let data = data.ok_or_else(|| header.truncated(bytes.len()))?;
    header.in_order(copied_tensor(data, &header.stored_shape(), header.kind)).map_err(|e| e.to_string())
}

/// Where the elements of a `.npy` file begin, with their shape and type, for files inside an archive.
pub(super) fn locate(bytes: &[u8], map: &std::sync::Arc<monotile_kernels::buffer::Mapping>, at: usize) -> Result<Tensor, String> {
    let header = parse(bytes)?;
    let needed = header.shape.iter().try_fold(header.kind.size(), |n, &size| n.checked_mul(size));
    if needed.is_none_or(|n| n > bytes.len() - header.start) {
        return Err(header.truncated(bytes.len()));
    }
    let stored = mapped_tensor(map, at + header.start, &header.stored_shape(), header.kind);
    header.in_order(stored.ok_or_else(|| header.truncated(bytes.len()))?).map_err(|e| e.to_string())
}

/// The header of a `.npy` file with this tensor.
pub(super) fn header(tensor: &Tensor) -> Result<Vec<u8>> {
    let descr = match tensor.dtype() {
        DType::F32 => "<f4",
        DType::F64 => "<f8",
        DType::F16 => "<f2",
        DType::I64 => "<i8",
        DType::Bool => "|b1",
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

fn parse(bytes: &[u8]) -> Result<Header, String> {
    if bytes.get(..6) != Some(MAGIC) {
        return Err("does not begin as a .npy file does".into());
    }
    let version = bytes.get(6).copied().unwrap_or(0);
    let (length, text_at) = match (version, bytes.get(8..12)) {
        (1, Some(b)) => (u16::from_le_bytes([b[0], b[1]]) as usize, 10),
        (2 | 3, Some(b)) => (u32::from_le_bytes([b[0], b[1], b[2], b[3]]) as usize, 12),
        (1..=3, None) => return Err("the file ends inside its header".into()),
        _ => return Err(format!("version {version} of the .npy format is not known")),
    };
    let text = bytes.get(text_at..text_at + length).ok_or("the file ends inside its header")?;
    let text = std::str::from_utf8(text).map_err(|_| "the header is not text")?;
    let descr = value_of(text, "descr")?.trim_matches(['\'', '"']);
    let kind = match descr {
        "<f4" => FileType::Ours(DType::F32),
        "<f8" => FileType::Ours(DType::F64),
        "<f2" => FileType::Ours(DType::F16),
        "<i8" => FileType::Ours(DType::I64),
        "|b1" => FileType::Ours(DType::Bool),
        "|u1" => FileType::U8,
        "|i1" => FileType::I8,
        "<u2" => FileType::U16,
        "<i2" => FileType::I16,
        "<u4" => FileType::U32,
        "<i4" => FileType::I32,
        other => return Err(format!("elements of type '{other}' are not read; save the array as float32, float64 or int64")),
    };
    let fortran_order = match value_of(text, "fortran_order")? {
        "True" => true,
        "False" => false,
        other => return Err(format!("fortran_order is {other}, neither True nor False")),
    };
    let shape = value_of(text, "shape")?;
    let inside = shape.strip_prefix('(').and_then(|s| s.strip_suffix(')')).ok_or("the shape in the header is not a tuple")?;
    let sizes = inside.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::parse);
    let shape = sizes.collect::<Result<_, _>>().map_err(|_| format!("the shape in the header is {shape}"))?;
    Ok(Header { kind, fortran_order, shape, start: text_at + length })
}

/// The text of a value of a flat Python dictionary.
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

    #[test]
    fn arrays_come_back_in_either_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npy");
        for shape in [&[][..], &[5], &[2, 3], &[0, 2], &[2, 3, 4]] {
            let n = shape.iter().product::<usize>();
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
        assert_eq!(edit("<f4", ">f4"), "elements of type '>f4' are not read; save the array as float32, float64 or int64");
        assert_eq!(edit("(6,)", "(6,-1)"), "the shape in the header is (6,-1)");
        assert_eq!(
            edit("(6,)", "(99999999999,99999999999)"),
            "the header claims shape [99999999999, 99999999999] but only 0 bytes of elements follow"
        );
        assert_eq!(edit("shape", "shap"), "the header has no 'shape'");
    }
}
