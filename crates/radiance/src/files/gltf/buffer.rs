//! The buffers of a glTF file, and numbers in them.

use std::borrow::Cow;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use monotile::io::read_regular;
use monotile::text::printable;
use monotile::{Error, Result, limits, memory};
use monotile_kernels::shape::count;

use super::super::beside::beside;
use super::json::{GltfAccessor, GltfRoot, GltfView};

/// Bytes of all buffers.
pub(super) struct Buffers<'a> {
    bytes: Vec<Cow<'a, [u8]>>,
    views: &'a [GltfView],
    accessors: &'a [GltfAccessor],
}

impl<'a> Buffers<'a> {
    #[track_caller]
    pub fn open(path: &Path, folder: Option<&Path>, root: &'a GltfRoot, inside: Option<&'a [u8]>) -> Result<Self> {
        let mut bytes = Vec::new();
        let mut all = 0_u64;
        for (i, buffer) in root.buffers.iter().enumerate() {
            let found = match (&buffer.uri, inside) {
                (Some(uri), _) => from_uri(path, folder, uri)?,
                (None, Some(inside)) if i == 0 => Cow::Borrowed(inside),
                (None, _) => return Err(Error::format(path, format!("has a buffer {i} without bytes"))),
            };
            if found.len() < buffer.byte_length {
                let words =
                    format!("has a buffer {i} of {} bytes, and {} are there: it is cut off", buffer.byte_length, found.len());
                return Err(Error::format(path, words));
            }
            all += found.len() as u64;
            limits::MODEL.admit(path.display(), all)?;
            bytes.push(found);
        }
        Ok(Self { bytes, views: &root.buffer_views, accessors: &root.accessors })
    }

    #[track_caller]
    fn accessor(&self, path: &Path, at: usize) -> Result<&GltfAccessor> {
        let words = || Error::format(path, format!("names an accessor {at}, and has {}", self.accessors.len()));
        self.accessors.get(at).ok_or_else(words)
    }

    /// How many rows an accessor has; each is there.
    #[track_caller]
    pub fn count(&self, path: &Path, at: usize) -> Result<usize> {
        let n = self.accessor(path, at)?.count;
        // Rows are bytes that exist, so no room is made for others.
        let most = self.bytes.iter().map(|b| b.len()).max().unwrap_or_default();
        if n > most {
            return Err(Error::format(path, format!("says that it has {n} splats, and no buffer has more than {most} bytes")));
        }
        Ok(n)
    }

    /// The numbers of an attribute's accessor, `n` rows of `wide`.
    #[track_caller]
    pub fn column(&self, path: &Path, (name, at): (&str, usize), n: usize, wide: usize) -> Result<Vec<f32>> {
        let refuse = |words: String| Err(Error::format(path, format!("has an attribute {name} {words}")));
        let accessor = self.accessor(path, at)?;
        let kind = ["", "SCALAR", "VEC2", "VEC3", "VEC4"][wide];
        if accessor.kind != kind {
            return refuse(format!("of {}, where {kind} belongs", printable(&accessor.kind)));
        }
        if accessor.count != n {
            return refuse(format!("of {} rows for {n} splats", accessor.count));
        }
        let read: fn(&[u8]) -> f32 = match (accessor.component_type, accessor.normalized) {
            (5126, _) => |b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
            (5120, false) => |b| f32::from(b[0].cast_signed()),
            (5121, false) => |b| f32::from(b[0]),
            (5122, false) => |b| f32::from(i16::from_le_bytes([b[0], b[1]])),
            (5123, false) => |b| f32::from(u16::from_le_bytes([b[0], b[1]])),
            (5120, true) => |b| (f32::from(b[0].cast_signed()) / 127.0).max(-1.0),
            (5121, true) => |b| f32::from(b[0]) / 255.0,
            (5122, true) => |b| (f32::from(i16::from_le_bytes([b[0], b[1]])) / 32767.0).max(-1.0),
            (5123, true) => |b| f32::from(u16::from_le_bytes([b[0], b[1]])) / 65535.0,
            (other, _) => return refuse(format!("of component type {other}, which splats have not")),
        };
        let size = match accessor.component_type {
            5126 => 4,
            5122 | 5123 => 2,
            _ => 1,
        };
        if accessor.sparse.is_some() {
            return refuse("that is sparse, which splats are not".to_owned());
        }
        let view = accessor.buffer_view.and_then(|at| self.views.get(at));
        let bytes = view.and_then(|view| {
            let end = view.byte_offset.checked_add(view.byte_length)?;
            self.bytes.get(view.buffer)?.get(view.byte_offset..end)?.get(accessor.byte_offset..)
        });
        let (Some(view), Some(bytes)) = (view, bytes) else {
            return refuse("whose bytes are not there".to_owned());
        };
        let row = size * wide;
        let stride = view.byte_stride.unwrap_or(row);
        let reaches = (n.max(1) - 1).checked_mul(stride).and_then(|last| last.checked_add(row));
        if stride < row || reaches.is_none_or(|end| end > bytes.len()) {
            return refuse(format!("of {n} rows of {row} bytes, {stride} apart, in {} bytes", bytes.len()));
        }
        let mut numbers = memory::list(count(&[n, wide]), path.display())?;
        for i in 0..n {
            numbers.extend(bytes[i * stride..][..row].chunks_exact(size).map(read));
        }
        Ok(numbers)
    }
}

/// The bytes of a data URI, or of a file in the folder of this one.
#[track_caller]
fn from_uri<'a>(path: &Path, folder: Option<&Path>, uri: &str) -> Result<Cow<'a, [u8]>> {
    let refuse = |words: String| Err(Error::format(path, words));
    if let Some(data) = uri.strip_prefix("data:") {
        let Some((_, text)) = data.split_once(";base64,") else {
            return refuse("has a buffer in a data URI that is not in base64".to_owned());
        };
        let mut bytes = memory::filled(text.len() / 4 * 3 + 3, 0, path.display())?;
        let Ok(length) = STANDARD.decode_slice(text, &mut bytes) else {
            return refuse("has a buffer whose base64 cannot be read".to_owned());
        };
        bytes.truncate(length);
        return Ok(Cow::Owned(bytes));
    }
    let Some(folder) = folder else {
        return refuse("has a buffer in another file, and none is read here".to_owned());
    };
    let file = beside(path, folder, unescaped(uri).as_deref().unwrap_or(uri))?;
    Ok(Cow::Owned(read_regular(&file, &limits::MODEL)?))
}

/// A name with its %20 and others as characters.
fn unescaped(uri: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(uri.len());
    let mut rest = uri.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match (first, after) {
            (b'%', [a, b, after @ ..]) => {
                let digit = |x: &u8| char::from(*x).to_digit(16);
                bytes.push((16 * digit(a)? + digit(b)?) as u8);
                rest = after;
            }
            (b'%', _) => return None,
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).ok()
}
