//! Pictures of textures: PNG and JPEG, told apart by their first bytes.

use std::io::Cursor;

use image::{ImageFormat, ImageReader, Limits};
use monotile::{Error, ErrorKind, Result};

use super::source::Source;
use super::{called, fault, json, pick};
use crate::Image;

/// Texels a side.
const MAX_SIDE: u32 = 16384;

/// Bytes of texels that all images of a file may have together.
const MAX_BYTES: u64 = 2 << 30;

/// Texel bytes that a byte of a file may stand for: a zlib stream of pixels of one bit each.
const GROWTH: u64 = 32 * 1032;

/// The images of a file, each decoded when a texture wants it.
pub struct Images {
    places: Vec<Option<usize>>,
    bytes: u64,
}

impl Images {
    /// None of so many.
    pub fn new(count: usize) -> Self {
        Self { places: vec![None; count], bytes: 0 }
    }

    /// Where an image is in the scene.
    pub fn place(&mut self, source: &Source<'_>, index: json::Whole, images: &mut Vec<Image>) -> Result<usize> {
        let image = pick(&source.root.images, index, "image")?;
        if let Some(place) = self.places[index.get()] {
            return Ok(place);
        }
        let within = |e: Error| e.within(called("image", index.get(), &image.name));
        let decoded = self.decode(&source.image(image).map_err(within)?).map_err(within)?;
        self.places[index.get()] = Some(images.len());
        images.push(Image { name: image.name.clone(), ..decoded });
        Ok(images.len() - 1)
    }

    fn decode(&mut self, bytes: &[u8]) -> Result<Image> {
        let format = match bytes {
            [0x89, b'P', b'N', b'G', ..] => ImageFormat::Png,
            [0xff, 0xd8, ..] => ImageFormat::Jpeg,
            _ => return Err(Error::new(ErrorKind::Unsupported, "neither PNG nor JPEG, which are read")),
        };
        let failed = |e: image::ImageError| fault(format!("its picture cannot be decoded: {e}"));
        let reader = || ImageReader::with_format(Cursor::new(bytes), format);
        let (width, height) = reader().into_dimensions().map_err(failed)?;
        if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
            return Err(fault(format!("a picture of {width} x {height} texels, and 1 to {MAX_SIDE} a side are read")));
        }
        let size = u64::from(width) * u64::from(height) * 4;
        if size > (bytes.len() as u64 + 1024) * GROWTH {
            return Err(fault(format!("a picture of {width} x {height} texels in {} bytes", bytes.len())));
        }
        self.bytes += size;
        if self.bytes > MAX_BYTES {
            return Err(fault(format!("its pictures have more than {MAX_BYTES} bytes of texels together")));
        }
        let mut reader = reader();
        let mut limits = Limits::default();
        (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
        // Sixteen bits a channel, and what the decoder keeps beside.
        limits.max_alloc = Some(size * 2 + (64 << 20));
        reader.limits(limits);
        let rgba = reader.decode().map_err(failed)?.into_rgba8().into_raw();
        Ok(Image { name: String::new(), width, height, rgba })
    }
}
