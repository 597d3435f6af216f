//! The members of a SOG: in a zip archive, or files of a folder; and the pictures among them.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use image_webp::WebPDecoder;
use monotile::io::open_regular;
use monotile::text::printable;
use monotile::{Error, Result, limits, memory};
use zip::ZipArchive;

use super::super::beside::beside;
use crate::guard::guarded;

/// The most bytes of a `meta.json`: three tables of 256 numbers take some twenty thousand.
const MOST_META: u64 = 1 << 20;
/// How many bytes a byte of an archive may unpack to.
const MOST_PACKED: u64 = 1100;
/// The most pixels of a side of a WebP picture.
const MOST_SIDE: usize = 1 << 14;

/// Where members are.
enum Place<'a> {
    Zip(Box<ZipArchive<Cursor<&'a [u8]>>>),
    Folder(PathBuf),
}

/// Named bytes.
pub(super) struct Archive<'a> {
    path: &'a Path,
    place: Place<'a>,
    /// Those of the archive, or of the `meta.json`.
    bytes: &'a [u8],
}

impl<'a> Archive<'a> {
    #[track_caller]
    pub fn open(path: &'a Path, folder: Option<&Path>, bytes: &'a [u8]) -> Result<Self> {
        let place = if bytes.starts_with(b"PK") {
            let archive = ZipArchive::new(Cursor::new(bytes));
            Place::Zip(Box::new(archive.map_err(|e| Error::format(path, format!("is no zip archive that can be read: {e}")))?))
        } else if let Some(folder) = folder {
            Place::Folder(folder.to_owned())
        } else {
            return Err(Error::format(path, "is no zip archive, and no folder is read"));
        };
        Ok(Self { path, place, bytes })
    }

    /// The text of `meta.json`.
    #[track_caller]
    pub fn meta(&mut self) -> Result<Vec<u8>> {
        match self.place {
            Place::Zip(_) => self.member("meta.json", MOST_META),
            Place::Folder(_) if self.bytes.len() as u64 <= MOST_META => Ok(self.bytes.to_vec()),
            Place::Folder(_) => {
                Err(Error::format(self.path, format!("has {} bytes, more than a meta.json of SOG", self.bytes.len())))
            }
        }
    }

    /// How many bytes splats may be unpacked from: those of the archive, or of the folder's pictures.
    pub fn bytes(&self) -> usize {
        let Place::Folder(folder) = &self.place else { return self.bytes.len() };
        let size = |entry: std::fs::DirEntry| {
            let is_picture = entry.path().extension().is_some_and(|e| e.eq_ignore_ascii_case("webp"));
            is_picture.then(|| entry.metadata().ok()).flatten().map_or(0, |about| about.len())
        };
        let all: u64 = std::fs::read_dir(folder).into_iter().flatten().flatten().map(size).fold(0, u64::saturating_add);
        usize::try_from(all).unwrap_or(usize::MAX).min(1 << 40)
    }

    /// The bytes of a member, at most so many.
    #[track_caller]
    fn member(&mut self, name: &str, most: u64) -> Result<Vec<u8>> {
        let (path, all) = (self.path, self.bytes.len() as u64);
        let shown = printable(name).to_string();
        let refuse = |words: String| Err(Error::format(path, words));
        match &mut self.place {
            Place::Zip(archive) => {
                let mut member = match archive.by_name(name) {
                    Ok(member) => member,
                    Err(e) => return refuse(format!("has no {shown} that can be read: {e}")),
                };
                let most = most.min(all.saturating_mul(MOST_PACKED));
                if member.size() > most {
                    return refuse(format!("says that its {shown} has {} bytes, more than it can have", member.size()));
                }
                let size = member.size();
                let mut bytes = memory::list(size as usize, format_args!("{}: {shown}", path.display()))?;
                match member.by_ref().take(size).read_to_end(&mut bytes) {
                    Ok(read) if read as u64 == size => Ok(bytes),
                    Ok(_) => refuse(format!("has a {shown} that is cut off")),
                    Err(e) => refuse(format!("has a {shown} that does not unpack: {e}")),
                }
            }
            Place::Folder(folder) => {
                let file = beside(path, folder, name)?;
                let (from, size) = open_regular(&file)?;
                limits::MODEL.admit(file.display(), size)?;
                let mut bytes = memory::list(size as usize, file.display())?;
                from.take(size).read_to_end(&mut bytes).map_err(|e| Error::io("reading", &file, &e))?;
                Ok(bytes)
            }
        }
    }

    /// A picture with a pixel for each of `n` splats.
    #[track_caller]
    pub fn splat_texels(&mut self, name: &str, n: usize) -> Result<Texels> {
        // Pictures are nearly square, with sides of multiples of four.
        self.texels(name, &format!("{n} splats"), |size| size[0] * size[1] >= n && size[0] * size[1] <= 2 * n + (1 << 12))
    }

    /// A picture of this width and at least this height, and not much more.
    #[track_caller]
    pub fn palette_texels(&mut self, name: &str, size: [usize; 2]) -> Result<Texels> {
        let words = format!("a table of {} x {}", size[0], size[1]);
        self.texels(name, &words, |found| found[0] == size[0] && found[1] >= size[1] && found[1] <= size[1] + 64)
    }

    #[track_caller]
    fn texels(&mut self, name: &str, what: &str, fits: impl Fn([usize; 2]) -> bool) -> Result<Texels> {
        let bytes = self.member(name, limits::MODEL.get())?;
        let path = self.path;
        let shown = printable(name).to_string();
        let refuse = |words: String| Err(Error::format(path, format!("has a picture {shown} {words}")));
        let mut decoder = match guarded(|| WebPDecoder::new(Cursor::new(&bytes))) {
            Some(Ok(decoder)) => decoder,
            Some(Err(e)) => return refuse(format!("that is no WebP that can be read: {e}")),
            None => return refuse("with a head that no encoder makes".to_owned()),
        };
        let size = [decoder.dimensions().0 as usize, decoder.dimensions().1 as usize];
        let [width, height] = size;
        if decoder.is_lossy() || decoder.is_animated() {
            return refuse("that is lossy or moves, so that its bytes are not those that were meant".to_owned());
        }
        if width > MOST_SIDE || height > MOST_SIDE || !fits(size) {
            return refuse(format!("of {width} x {height} pixels, which does not fit {what}"));
        }
        let channels = if decoder.has_alpha() { 4 } else { 3 };
        let mut bytes = memory::filled(width * height * channels, 0, format_args!("{}: {shown}", path.display()))?;
        match guarded(|| decoder.read_image(&mut bytes)) {
            Some(Ok(())) => Ok(Texels { bytes, channels }),
            Some(Err(e)) => refuse(format!("that cannot be decoded: {e}")),
            None => refuse("that is made as no encoder makes pictures".to_owned()),
        }
    }
}

/// The pixels of a picture.
pub(super) struct Texels {
    bytes: Vec<u8>,
    channels: usize,
}

impl Texels {
    /// A pixel, opaque where the picture has no opacity.
    #[inline]
    pub fn pixel(&self, i: usize) -> [u8; 4] {
        let mut pixel = [255; 4];
        pixel[..self.channels].copy_from_slice(&self.bytes[i * self.channels..][..self.channels]);
        pixel
    }
}
