//! The header of a PLY file.
//!
//! # Source
//! Turk (1994), The PLY polygon file format.

use std::path::Path;

use monotile::{Error, Result};

/// The most bytes of a header: those of splats have some two thousand.
const MOST_HEADER: usize = 1 << 16;

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

impl PlyHeader {
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
