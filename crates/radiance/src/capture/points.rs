//! Points of a scene in a PLY file: text or binary, with colours or without.
//!
//! # Source
//! Turk (1994), The PLY polygon file format.

use std::path::Path;

use monotile::io::read_regular;
use monotile::text::printable;
use monotile::{Error, Result, limits, memory};

use super::PointCloud;

/// The most bytes of a header.
const MOST_HEADER: usize = 1 << 16;
/// The colour of points that have none.
const GRAY: [u8; 3] = [128; 3];

/// How rows are written.
#[derive(Clone, Copy, PartialEq)]
enum RowKind {
    Text,
    Little,
    Big,
}

/// A number's type: how many bytes, and whether it is a floating-point one or has a sign.
#[derive(Clone, Copy)]
struct Scalar {
    size: usize,
    float: bool,
    signed: bool,
}

impl Scalar {
    fn named(name: &str) -> Option<Self> {
        let (size, float, signed) = match name {
            "char" | "int8" => (1, false, true),
            "uchar" | "uint8" => (1, false, false),
            "short" | "int16" => (2, false, true),
            "ushort" | "uint16" => (2, false, false),
            "int" | "int32" => (4, false, true),
            "uint" | "uint32" => (4, false, false),
            "float" | "float32" => (4, true, true),
            "double" | "float64" => (8, true, true),
            _ => return None,
        };
        Some(Self { size, float, signed })
    }

    fn read(self, bytes: &[u8], kind: RowKind) -> f64 {
        // The bytes in the order of little-endian numbers, sign or zeros behind them.
        let mut eight = [0; 8];
        eight[..self.size].copy_from_slice(&bytes[..self.size]);
        if kind == RowKind::Big {
            eight[..self.size].reverse();
        }
        let whole = u64::from_le_bytes(eight);
        match (self.float, self.size) {
            (true, 4) => f64::from(f32::from_bits(whole as u32)),
            (true, _) => f64::from_bits(whole),
            _ if self.signed => {
                let unused = 64 - 8 * self.size as u32;
                ((whole << unused) as i64 >> unused) as f64
            }
            _ => whole as f64,
        }
    }
}

/// What a header says of the points.
struct PointHeader {
    kind: RowKind,
    count: usize,
    properties: Vec<(String, Scalar)>,
    /// Where the rows begin.
    body: usize,
}

/// The points of a file.
#[track_caller]
pub(super) fn read(path: &Path) -> Result<PointCloud> {
    let bytes = read_regular(path, &limits::MODEL)?;
    let header = PointHeader::read(path, &bytes)?;
    let refuse = |words: String| Error::format(path, words);
    let find = |name: &str| header.properties.iter().position(|(other, _)| other == name);
    let [Some(x), Some(y), Some(z)] = ["x", "y", "z"].map(find) else {
        return Err(refuse("has no x, y and z: no points are in it".to_owned()));
    };
    let color = match ["red", "green", "blue"].map(find) {
        [Some(r), Some(g), Some(b)] => Some([r, g, b]),
        _ => None,
    };
    let body = &bytes[header.body..];
    let stride = header.properties.iter().fold(0_usize, |bytes, (_, scalar)| bytes.saturating_add(scalar.size));
    // A row of text has two bytes a number at least.
    let least = if header.kind == RowKind::Text { 2 * header.properties.len() - 1 } else { stride };
    if header.count > body.len() / least.max(1) {
        let (count, there) = (header.count, body.len());
        return Err(refuse(format!("says that it has {count} points, and {there} bytes are there")));
    }
    let mut cloud = PointCloud {
        positions: memory::list(header.count, "points of a capture")?,
        colors: memory::list(header.count, "points of a capture")?,
    };
    let mut add = |row: &dyn Fn(usize) -> f64| {
        cloud.positions.push([x, y, z].map(row));
        // Colours are bytes, or floating-point numbers from 0 to 1.
        let byte = |k: usize| {
            let scale = if header.properties[k].1.float { 255.0 } else { 1.0 };
            (row(k) * scale).round().clamp(0.0, 255.0) as u8
        };
        cloud.colors.push(color.map_or(GRAY, |color| color.map(byte)));
    };
    if header.kind == RowKind::Text {
        let text = std::str::from_utf8(body).map_err(|_| refuse("is PLY as text, and no text".to_owned()))?;
        let mut numbers = Vec::with_capacity(header.properties.len());
        let mut lines = text.lines().filter(|line| !line.trim().is_empty());
        for i in 0..header.count {
            let line = lines.next().ok_or_else(|| refuse(format!("ends before its point {i}")))?;
            numbers.clear();
            numbers.extend(line.split_ascii_whitespace().map_while(|word| word.parse::<f64>().ok()));
            if numbers.len() < header.properties.len() {
                return Err(refuse(format!("has a point {i} that is no row of {} numbers", header.properties.len())));
            }
            add(&|k| numbers[k]);
        }
    } else {
        let mut offsets = Vec::with_capacity(header.properties.len());
        let mut at = 0;
        for (_, scalar) in &header.properties {
            offsets.push(at);
            at += scalar.size;
        }
        for row in body.chunks_exact(stride).take(header.count) {
            add(&|k| header.properties[k].1.read(&row[offsets[k]..], header.kind));
        }
    }
    match cloud.positions.iter().position(|p| p.iter().any(|x| !x.is_finite())) {
        Some(odd) => Err(refuse(format!("has a point {odd} that is not finite"))),
        None => Ok(cloud),
    }
}

impl PointHeader {
    fn read(path: &Path, bytes: &[u8]) -> Result<Self> {
        let refuse = |words: String| Err(Error::format(path, words));
        let mut header = Self { kind: RowKind::Text, count: 0, properties: Vec::new(), body: 0 };
        let (mut kind, mut element) = (None, None::<bool>);
        for number in 0.. {
            let rest = &bytes[header.body..bytes.len().min(MOST_HEADER).max(header.body)];
            let Some(end) = rest.iter().position(|&byte| byte == b'\n') else {
                return refuse("has a PLY header without an end".to_owned());
            };
            header.body += end + 1;
            let Ok(line) = std::str::from_utf8(&rest[..end]) else {
                return refuse(format!("has a line {number} in its header that is no text"));
            };
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match (words.as_slice(), element) {
                (["ply"], _) if number == 0 => {}
                _ if number == 0 => return refuse("is no PLY file: its first line is not \"ply\"".to_owned()),
                (["end_header"], _) => break,
                (["comment" | "obj_info", ..] | [], _) => {}
                (["format", "ascii", _], _) => kind = Some(RowKind::Text),
                (["format", "binary_little_endian", _], _) => kind = Some(RowKind::Little),
                (["format", "binary_big_endian", _], _) => kind = Some(RowKind::Big),
                (["element", "vertex", count], None) => {
                    let Ok(count) = count.parse() else {
                        return refuse(format!("has a count {} of points that is none", printable(count)));
                    };
                    (header.count, element) = (count, Some(true));
                }
                (["element", name, _], None) => {
                    return refuse(format!("begins with an element {}, and points are read from the first", printable(name)));
                }
                // What follows the points is left.
                (["element", ..], Some(_)) => element = Some(false),
                (["property", ..], Some(false)) => {}
                (["property", scalar, name], Some(true)) if Scalar::named(scalar).is_some() => {
                    header.properties.extend(Scalar::named(scalar).map(|scalar| ((*name).to_owned(), scalar)));
                }
                _ => {
                    return refuse(format!(
                        "has a line {:?} in its header that no cloud of points has",
                        printable(line).to_string()
                    ));
                }
            }
        }
        match kind {
            Some(kind) => Ok(Self { kind, ..header }),
            None => refuse("has a PLY header without a format that is known".to_owned()),
        }
    }
}
