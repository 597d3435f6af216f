//! What the first bytes of a picture's file say: its kind, size, and how it is to be turned.
//!
//! # Source
//! W3C (2003), PNG; ITU-T T.81 (1992), JPEG; JEITA CP-3451 (2002), Exif 2.2, tag 274.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use monotile::io::open_regular;
use monotile::{Error, Result, limits};

use crate::camera::MatrixCamera;

/// The kinds of picture that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PictureKind {
    Png,
    Jpeg,
}

/// The head of a picture's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PictureFile {
    pub kind: PictureKind,
    /// Pixels a row, as they are stored.
    pub width: usize,
    /// Rows, as they are stored.
    pub height: usize,
    /// How Exif says that the picture is to be shown, from 1 to 8: 1 is as it is stored, from 5 on rows become columns.
    pub orientation: u8,
}

/// Markers of a JPEG that are passed over before its frame; files of cameras have some ten.
const MOST_SEGMENTS: usize = 4096;

impl PictureFile {
    /// Width and height, turned as Exif says or as they are stored.
    pub fn size(&self, turned: bool) -> [usize; 2] {
        if turned && self.orientation >= 5 { [self.height, self.width] } else { [self.width, self.height] }
    }

    /// The head of a file.
    #[track_caller]
    pub fn open(path: &Path) -> Result<Self> {
        let (file, _) = open_regular(path)?;
        Self::of(path, &mut BufReader::new(file))
    }

    /// The head of what is in a file, whose size is one that is read.
    #[track_caller]
    pub fn of(path: &Path, from: &mut (impl Read + Seek)) -> Result<Self> {
        let mut start = [0; 24];
        let got = read_up_to(from, &mut start).map_err(|e| Error::io("reading", path, &e))?;
        let head = match start[..got] {
            [0x89, b'P', b'N', b'G', _, _, _, _, _, _, _, _, b'I', b'H', b'D', b'R', a, b, c, d, e, f, g, h] => {
                let size = [[a, b, c, d], [e, f, g, h]].map(|x| u32::from_be_bytes(x) as usize);
                Some(Self { kind: PictureKind::Png, width: size[0], height: size[1], orientation: 1 })
            }
            [0x89, b'P', b'N', b'G', ..] => None,
            [0xff, 0xd8, ..] => jpeg(from),
            _ => {
                let what = other(&start[..got]);
                return Err(Error::format(path, format!("is {what}; pictures of a capture are PNG or JPEG")));
            }
        };
        let Some(head) = head else {
            return Err(Error::format(path, "is a picture that ends before it says its size"));
        };
        let (width, height, most) = (head.width, head.height, MatrixCamera::MOST_SIDE);
        if width == 0 || height == 0 || width > most || height > most {
            let words = format!("is a picture of {width} x {height} pixels; 1 to {most} a side are read");
            return Err(Error::format(path, words));
        }
        limits::PIXELS.admit(path.display(), width as u64 * height as u64)?;
        Ok(head)
    }
}

/// As many bytes as there are.
fn read_up_to(from: &mut impl Read, to: &mut [u8]) -> std::io::Result<usize> {
    let mut got = 0;
    while got < to.len() {
        match from.read(&mut to[got..])? {
            0 => break,
            n => got += n,
        }
    }
    Ok(got)
}

/// The frame's size and Exif's orientation, from the segments before the first scan.
fn jpeg(from: &mut (impl Read + Seek)) -> Option<PictureFile> {
    from.seek(SeekFrom::Start(2)).ok()?;
    let mut orientation = 1;
    for _ in 0..MOST_SEGMENTS {
        let mut marker = [0; 2];
        from.read_exact(&mut marker).ok()?;
        // Any number of fill bytes 0xff may stand before a marker.
        while marker[0] == 0xff && marker[1] == 0xff {
            from.read_exact(&mut marker[1..]).ok()?;
        }
        let [0xff, kind] = marker else { return None };
        if matches!(kind, 0x01 | 0xd0..=0xd7) {
            continue;
        }
        let mut length = [0; 2];
        from.read_exact(&mut length).ok()?;
        let length = usize::from(u16::from_be_bytes(length)).checked_sub(2)?;
        match kind {
            // Frames of all kinds; C4, C8 and CC are tables.
            0xc0..=0xcf if !matches!(kind, 0xc4 | 0xc8 | 0xcc) => {
                let mut frame = [0; 5];
                from.read_exact(&mut frame).ok()?;
                let side = |at: usize| usize::from(u16::from_be_bytes([frame[at], frame[at + 1]]));
                return Some(PictureFile { kind: PictureKind::Jpeg, width: side(3), height: side(1), orientation });
            }
            0xe1 => {
                let mut segment = vec![0; length];
                from.read_exact(&mut segment).ok()?;
                if let Some(found) = exif(&segment) {
                    orientation = found;
                }
            }
            0xd9 | 0xda => return None,
            _ => {
                from.seek(SeekFrom::Current(length as i64)).ok()?;
            }
        }
    }
    None
}

/// The orientation in an Exif segment: tag 274 of the first directory of a TIFF.
fn exif(segment: &[u8]) -> Option<u8> {
    let tiff = segment.strip_prefix(b"Exif\0\0")?;
    let little = match tiff.get(..4)? {
        b"II\x2a\0" => true,
        b"MM\0\x2a" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let two: [u8; 2] = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) })
    };
    let long = |at: usize| {
        let four: [u8; 4] = tiff.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) } as usize)
    };
    let directory = long(4)?;
    for entry in 0..usize::from(short(directory)?) {
        let at = directory.checked_add(2 + 12 * entry)?;
        // A SHORT, whose value stands in the first two of the last four bytes.
        if (short(at)?, short(at + 2)?, long(at + 4)?) == (274, 3, 1) {
            return short(at + 8).and_then(|x| u8::try_from(x).ok()).filter(|x| (1..=8).contains(x));
        }
    }
    None
}

/// What bytes are that are no picture that is read.
fn other(bytes: &[u8]) -> &'static str {
    match bytes {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "a WebP picture",
        [b'G', b'I', b'F', b'8', ..] => "a GIF picture",
        [b'B', b'M', ..] => "a BMP picture",
        [b'I', b'I', 0x2a, 0, ..] | [b'M', b'M', 0, 0x2a, ..] => "a TIFF picture",
        [0x76, 0x2f, 0x31, 0x01, ..] => "an OpenEXR picture",
        [_, _, _, _, b'f', b't', b'y', b'p', b'h', b'e', b'i', ..] => "a HEIC picture",
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', b'f', ..] => "an AVIF picture",
        [b'v', b'e', b'r', b's', b'i', b'o', b'n', b' ', b'h', b't', b't', b'p', b's', ..] => "a pointer of Git LFS",
        [] => "empty",
        _ => "no picture that is known",
    }
}
