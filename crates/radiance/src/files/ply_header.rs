//! The header of a PLY file.
//!
//! # Source
//! Turk (1994), The PLY polygon file format.

use std::path::Path;

use monotile::text::printable;
use monotile::{Error, Result};

/// The most bytes of a header: those of splats have some two thousand.
const MOST_HEADER: usize = 1 << 16;

/// What a comment says of splats that are to be drawn antialiased.
pub(super) const ANTIALIASED: &str = "antialiased 1";

/// What a comment says of splats that are also drawn with the blur of this mode.
pub(super) const MIP: &str = "SplatRenderMode: mip";

fn words(comment: &str) -> Vec<&str> {
    comment.split([' ', ':', '=']).filter(|word| !word.is_empty()).collect()
}

/// Whether a comment names the mode.
pub(super) fn says_mip(comment: &str) -> bool {
    words(comment) == ["SplatRenderMode", "mip"]
}

/// Whether a comment says that splats are to be drawn antialiased, as one of several programs does.
pub(super) fn says_antialiased(comment: &str) -> bool {
    says_mip(comment) || matches!(words(comment)[..], ["antialiased", "1" | "true"])
}

/// A number's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlyNumber {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    F32,
    F64,
}

impl PlyNumber {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "char" | "int8" => Self::I8,
            "uchar" | "uint8" => Self::U8,
            "short" | "int16" => Self::I16,
            "ushort" | "uint16" => Self::U16,
            "int" | "int32" => Self::I32,
            "uint" | "uint32" => Self::U32,
            "float" | "float32" => Self::F32,
            "double" | "float64" => Self::F64,
            _ => return None,
        })
    }

    pub fn size(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// A property of a fixed size, and where it begins in its row.
#[derive(Debug)]
pub(super) struct PlyProperty {
    pub name: String,
    pub number: PlyNumber,
    pub offset: usize,
}

/// Rows of one kind.
#[derive(Debug)]
pub(super) struct PlyElement {
    pub name: String,
    pub count: usize,
    pub properties: Vec<PlyProperty>,
    /// Bytes of a row, if it has no list.
    pub stride: usize,
    /// The first property that is a list.
    pub list: Option<String>,
}

/// A header that was read.
#[derive(Debug)]
pub(super) struct PlyHeader {
    pub comments: Vec<String>,
    pub elements: Vec<PlyElement>,
    /// Where the rows begin.
    pub body: usize,
}

/// The rows of an element.
pub(super) struct PlyRows<'a> {
    pub bytes: &'a [u8],
    pub stride: usize,
    pub count: usize,
}

impl PlyHeader {
    /// Whether a comment says that splats are to be drawn antialiased.
    pub fn is_antialiased(&self) -> bool {
        self.comments.iter().any(|comment| says_antialiased(comment))
    }

    /// The rows of an element of this header that has no list.
    #[track_caller]
    pub fn rows<'a>(&self, path: &Path, bytes: &'a [u8], wanted: &PlyElement) -> Result<PlyRows<'a>> {
        let refuse = |words: String| Err(Error::format(path, words));
        let mut start = self.body;
        for element in self.elements.iter().take_while(|element| element.name != wanted.name) {
            let (name, count) = (printable(&element.name), element.count);
            if let Some(list) = &element.list {
                let list = printable(list);
                return refuse(format!("has an element {name} with a list {list} before its vertices, whose size nobody knows"));
            }
            match count.checked_mul(element.stride).and_then(|bytes| start.checked_add(bytes)) {
                Some(past) => start = past,
                None => return refuse(format!("has an element {name} of {count} rows, more than a file can hold")),
            }
        }
        let there = bytes.get(start..).unwrap_or_default();
        let (count, stride) = (wanted.count, wanted.stride);
        match count.checked_mul(stride).and_then(|size| there.get(..size)) {
            Some(bytes) if count == 0 || stride > 0 => Ok(PlyRows { bytes, stride, count }),
            _ => {
                let rows =
                    if wanted.name == "vertex" { "splats".to_owned() } else { format!("rows of {}", printable(&wanted.name)) };
                refuse(format!("says that it has {count} {rows} of {stride} bytes, and {} bytes are there", there.len()))
            }
        }
    }

    pub fn read(path: &Path, bytes: &[u8]) -> Result<Self> {
        let refuse = |words: String| Err(Error::format(path, words));
        let mut header = Self { comments: Vec::new(), elements: Vec::new(), body: 0 };
        let mut format = None;
        if header.line(bytes) != Some("ply") {
            return refuse("is no PLY file: its first line is not \"ply\"".to_owned());
        }
        loop {
            let Some(line) = header.line(bytes) else {
                return refuse(format!(
                    "has a PLY header without an end: no \"end_header\" in its first {} bytes",
                    bytes.len().min(MOST_HEADER)
                ));
            };
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match words[..] {
                ["end_header"] => break,
                ["comment", ..] => header.comments.push(line["comment".len()..].trim().to_owned()),
                ["obj_info", ..] | [] => {}
                ["format", name, _] => format = Some(name.to_owned()),
                ["element", name, count] => {
                    let Ok(count) = count.parse() else {
                        return refuse(format!("has an element {name} of {count:?} rows; that is no count of rows"));
                    };
                    header.elements.push(PlyElement {
                        name: name.to_owned(),
                        count,
                        properties: Vec::new(),
                        stride: 0,
                        list: None,
                    });
                }
                ["property", "list", count, item, name] => {
                    let known = PlyNumber::named(count).is_some() && PlyNumber::named(item).is_some();
                    let Some(element) = header.elements.last_mut().filter(|_| known) else {
                        return refuse(format!("has a line {line:?} in its header that is no property of an element"));
                    };
                    element.list.get_or_insert_with(|| name.to_owned());
                }
                ["property", number, name] => {
                    let (Some(element), Some(number)) = (header.elements.last_mut(), PlyNumber::named(number)) else {
                        return refuse(format!("has a line {line:?} in its header that is no property of an element"));
                    };
                    element.properties.push(PlyProperty { name: name.to_owned(), number, offset: element.stride });
                    element.stride += number.size();
                }
                _ => return refuse(format!("has a line {line:?} in its header, which PLY does not know")),
            }
        }
        match format.as_deref() {
            Some("binary_little_endian") => Ok(header),
            Some(other) => refuse(format!("is PLY in the format {other}; splats are read from binary_little_endian")),
            None => refuse("has a PLY header without a format".to_owned()),
        }
    }

    /// The next line, without its end; none where there is none within the header's bounds, or it is no text.
    fn line<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a str> {
        let rest = bytes.get(self.body..bytes.len().min(MOST_HEADER))?;
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        self.body += end + 1;
        std::str::from_utf8(&rest[..end]).ok().map(|line| line.trim_end_matches('\r'))
    }
}

#[inline(always)]
fn bytes_at<const N: usize>(row: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&row[at..at + N]);
    bytes
}

/// A number of a row, in f32.
pub(super) fn number(row: &[u8], (at, number): (usize, PlyNumber)) -> f32 {
    match number {
        PlyNumber::I8 => f32::from(i8::from_le_bytes(bytes_at(row, at))),
        PlyNumber::U8 => f32::from(row[at]),
        PlyNumber::I16 => f32::from(i16::from_le_bytes(bytes_at(row, at))),
        PlyNumber::U16 => f32::from(u16::from_le_bytes(bytes_at(row, at))),
        PlyNumber::I32 => i32::from_le_bytes(bytes_at(row, at)) as f32,
        PlyNumber::U32 => u32::from_le_bytes(bytes_at(row, at)) as f32,
        PlyNumber::F32 => f32::from_le_bytes(bytes_at(row, at)),
        PlyNumber::F64 => f64::from_le_bytes(bytes_at(row, at)) as f32,
    }
}
