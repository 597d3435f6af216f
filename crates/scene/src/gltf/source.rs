//! The bytes that a file's objects point into, and what may be made of them.

use std::borrow::Cow;
use std::cell::Cell;
use std::path::Path;

use monotile::{Error, Result, limits};

use super::{fault, json, pick, uri};

/// A file's JSON and buffers.
pub struct Source<'a> {
    pub root: &'a json::Root,
    folder: Option<&'a Path>,
    buffers: Vec<Cow<'a, [u8]>>,
    /// Bytes of the file, its buffers and the images read so far.
    bytes: Cell<u64>,
    /// A number of all those bytes.
    digest: Cell<u64>,
    /// Bytes of vertices, indices and keys that may still be made.
    left: Cell<u64>,
}

/// How many times its own size a file's geometry may have: parts that share vertices get copies, and bytes become floats.
const GROWTH: u64 = 64;

/// What a file may always make.
const FREE: u64 = 1 << 20;

impl<'a> Source<'a> {
    /// Reads the buffers.
    pub fn new(root: &'a json::Root, file: &'a [u8], binary: Option<&'a [u8]>, folder: Option<&'a Path>) -> Result<Self> {
        let size = file.len() as u64;
        let mut bytes = size;
        let mut digest = digest(0, file);
        let mut buffers = Vec::with_capacity(root.buffers.len());
        for (i, buffer) in root.buffers.iter().enumerate() {
            let length = buffer.byte_length.0;
            limits::MODEL.admit(format!("buffer {i}"), length)?;
            let content = match (&buffer.uri, binary) {
                (Some(uri), _) => {
                    let read = uri::read(uri, folder, length).map_err(|e| e.with_context(format!("buffer {i}")))?;
                    bytes = bytes.saturating_add(read.len() as u64);
                    digest = self::digest(digest, &read);
                    Cow::Owned(read)
                }
                (None, Some(binary)) if i == 0 => Cow::Borrowed(binary),
                // Some extensions leave the bytes away; what is in the buffer is then refused where it is wanted.
                (None, _) => Cow::Borrowed(&[][..]),
            };
            if (content.len() as u64) < length && !(content.is_empty() && buffer.uri.is_none()) {
                return Err(fault(format!("buffer {i} has {} bytes and says {length}", content.len())));
            }
            buffers.push(content);
        }
        let left = bytes.saturating_mul(GROWTH).saturating_add(FREE);
        Ok(Self { root, folder, buffers, bytes: Cell::new(bytes), digest: Cell::new(digest), left: Cell::new(left) })
    }

    /// Bytes of all that was read.
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// A number that changes with any byte of all that was read.
    pub fn digest(&self) -> u64 {
        self.digest.get()
    }

    /// Takes bytes from what may be made, before they are made.
    pub fn spend(&self, count: u64, size: usize) -> Result<()> {
        let wanted = count.saturating_mul(size as u64);
        match self.left.get().checked_sub(wanted) {
            Some(left) => {
                self.left.set(left);
                Ok(())
            }
            None => Err(fault(format!("it would take more than {GROWTH} times the {} bytes of the file", self.bytes.get()))),
        }
    }

    /// The bytes of a buffer view, and its stride where it has one.
    pub fn view(&self, index: json::Whole) -> Result<(&[u8], Option<usize>)> {
        let view = pick(&self.root.buffer_views, index, "buffer view")?;
        let within = |e: Error| e.with_context(format!("buffer view {}", index.0));
        pick(&self.root.buffers, view.buffer, "buffer").map_err(within)?;
        let buffer = &self.buffers[view.buffer.get()];
        let (offset, length) = (view.byte_offset.map_or(0, |o| o.0), view.byte_length.0);
        let end = offset.checked_add(length).map(|end| json::Whole(end).get());
        let Some(bytes) = end.and_then(|end| buffer.get(json::Whole(offset).get()..end)) else {
            if view.extensions.meshopt.is_some() {
                return Err(within(super::extensions::compressed("EXT_meshopt_compression")));
            }
            let what = format!("{length} bytes from {offset} are not in buffer {}, which has {}", view.buffer.0, buffer.len());
            return Err(within(fault(what)));
        };
        match view.byte_stride {
            Some(stride) if !(4..=252).contains(&stride.0) => {
                Err(within(fault(format!("a stride of {} bytes, and 4 to 252 are allowed", stride.0))))
            }
            stride => Ok((bytes, stride.map(json::Whole::get))),
        }
    }

    /// The bytes of an image.
    pub fn image(&self, image: &json::Image) -> Result<Cow<'_, [u8]>> {
        match (&image.uri, image.buffer_view) {
            (Some(uri), None) => {
                let most = limits::MODEL.get();
                let read = uri::read(uri, self.folder, most.saturating_add(1))?;
                limits::MODEL.admit("the picture's file", read.len() as u64)?;
                self.digest.set(digest(self.digest.get(), &read));
                self.bytes.set(self.bytes.get().saturating_add(read.len() as u64));
                Ok(Cow::Owned(read))
            }
            (None, Some(view)) => Ok(Cow::Borrowed(self.view(view)?.0)),
            (Some(_), Some(_)) => Err(fault("both a URI and a buffer view")),
            (None, None) => Err(fault("neither a URI nor a buffer view")),
        }
    }
}

/// Bytes in one number with those before them (FNV, eight bytes at a time): it tells files apart that nobody made to be confused.
fn digest(before: u64, bytes: &[u8]) -> u64 {
    let step = |hash: u64, word: u64| (hash.rotate_left(5) ^ word).wrapping_mul(0x0100_0000_01b3_5bd1);
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = words.iter().fold(step(before, bytes.len() as u64), |hash, word| step(hash, u64::from_le_bytes(*word)));
    let hash = rest.iter().fold(hash, |hash, byte| step(hash, u64::from(*byte)));
    hash ^ hash >> 32
}
