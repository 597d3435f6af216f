//! Pictures of textures: PNG and JPEG, told apart by their first bytes.

use std::cell::Cell;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use monotile::{Error, ErrorKind, Result, limits, memory};
use png::{ColorType, Transformations};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::source::Source;
use super::{called, fault, json, pick};
use crate::Image;

/// Texels a side.
const MAX_SIDE: u32 = 16384;

/// Texel bytes that a byte of a file may stand for: a zlib stream of pixels of one bit each.
const GROWTH: u64 = 32 * 1032;

/// The images of a file, each decoded when a texture wants it.
pub struct Images {
    places: Vec<Option<ImageSource>>,
    texels: u64,
}

/// What became of an image.
enum ImageSource {
    /// Where it is in the scene.
    There(usize),
    /// Why it is not.
    Broken,
}

impl Images {
    /// None of so many.
    pub fn new(count: usize) -> Self {
        Self { places: (0..count).map(|_| None).collect(), texels: 0 }
    }

    /// Where an image is in the scene; or none, where it cannot be read, and `told` is called with the reason the first time.
    ///
    /// # Errors
    /// An image that is not in the file, and texels beyond the limit.
    pub fn place(
        &mut self,
        source: &Source<'_>,
        index: json::Whole,
        images: &mut Vec<Image>,
        told: impl FnOnce(String),
    ) -> Result<Option<usize>> {
        let image = pick(&source.root.images, index, "image")?;
        match &self.places[index.get()] {
            Some(ImageSource::There(place)) => return Ok(Some(*place)),
            Some(ImageSource::Broken) => return Ok(None),
            None => {}
        }
        let within = |e: Error| e.with_context(called("image", index.get(), &image.name));
        match source.image(image).and_then(|bytes| self.decode(&bytes)) {
            Ok(decoded) => {
                self.places[index.get()] = Some(ImageSource::There(images.len()));
                images.push(Image { name: image.name.clone(), ..decoded });
                Ok(Some(images.len() - 1))
            }
            Err(error) if matches!(error.kind(), ErrorKind::Limit | ErrorKind::Memory) => Err(within(error)),
            Err(error) => {
                self.places[index.get()] = Some(ImageSource::Broken);
                told(within(error).to_string());
                Ok(None)
            }
        }
    }

    fn decode(&mut self, bytes: &[u8]) -> Result<Image> {
        let is_png = match bytes {
            [0x89, b'P', b'N', b'G', ..] => true,
            [0xff, 0xd8, ..] => false,
            _ => return Err(Error::new(ErrorKind::Unsupported, format!("it is {}, and PNG and JPEG are read", other(bytes)))),
        };
        let (width, height) = match bytes {
            // The header alone, so that nothing behind it is looked at before the size is known to fit.
            [_, _, _, _, _, _, _, _, _, _, _, _, b'I', b'H', b'D', b'R', a, b, c, d, e, f, g, h, ..] if is_png => {
                (u32::from_be_bytes([*a, *b, *c, *d]), u32::from_be_bytes([*e, *f, *g, *h]))
            }
            _ if is_png => return Err(undecoded("it has no header")),
            _ => guarded(|| jpeg_size(bytes))?,
        };
        if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
            return Err(fault(format!("a picture of {width} x {height} texels, and 1 to {MAX_SIDE} a side are read")));
        }
        let texels = u64::from(width) * u64::from(height);
        limits::TEXELS.admit(format!("a picture of {width} x {height}, with those before it"), self.texels + texels)?;
        if 4 * texels > (bytes.len() as u64 + 1024) * GROWTH {
            return Err(fault(format!("a picture of {width} x {height} texels in {} bytes", bytes.len())));
        }
        let mut rgba =
            memory::list(usize::try_from(4 * texels).unwrap_or(usize::MAX), format_args!("a picture of {width} x {height}"))?;
        match is_png {
            true => guarded(|| png(bytes, texels, &mut rgba))?,
            false => guarded(|| jpeg(bytes, texels, &mut rgba))?,
        }
        self.texels += texels;
        Ok(Image { name: String::new(), width, height, rgba })
    }
}

/// Row by row, so that beside the result little more than a row is in memory, whatever the file's own bits a texel are.
fn png(bytes: &[u8], texels: u64, rgba: &mut Vec<u8>) -> Result<()> {
    let failed = |e: png::DecodingError| undecoded(e);
    let most = usize::try_from(texels * 8 + (64 << 20)).unwrap_or(usize::MAX);
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: most });
    decoder.set_transformations(Transformations::normalize_to_color8() | Transformations::ALPHA);
    let mut reader = decoder.read_info().map_err(failed)?;
    let grey = reader.output_color_type().0 == ColorType::GrayscaleAlpha;
    let wanted = rgba.capacity();
    let mut add = |row: &[u8]| match grey {
        true => rgba.extend(row.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0], p[1]])),
        false => rgba.extend_from_slice(row),
    };
    if reader.info().interlaced {
        let size = reader.output_buffer_size().ok_or_else(|| undecoded("it is too large"))?;
        let mut whole = memory::filled(size, 0, "an interlaced picture")?;
        reader.next_frame(&mut whole).map_err(failed)?;
        add(&whole);
    } else {
        while let Some(row) = reader.next_row().map_err(failed)? {
            add(row.data());
        }
    }
    if (rgba.len() as u64) < (wanted as u64).min(4 * texels) { Err(undecoded("it ends before its last row")) } else { Ok(()) }
}

/// A decoder that has read the headers. Whatever a file's colours are, they become red, green, blue and 255.
fn jpeg_decoder(bytes: &[u8]) -> Result<JpegDecoder<ZCursor<&[u8]>>> {
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_out_colorspace(ColorSpace::RGBA);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(undecoded)?;
    Ok(decoder)
}

fn jpeg_size(bytes: &[u8]) -> Result<(u32, u32)> {
    let info = jpeg_decoder(bytes)?.info().ok_or_else(|| undecoded("it has no header"))?;
    Ok((info.width.into(), info.height.into()))
}

fn jpeg(bytes: &[u8], texels: u64, rgba: &mut Vec<u8>) -> Result<()> {
    let mut decoder = jpeg_decoder(bytes)?;
    let size = usize::try_from(4 * texels).ok().filter(|&size| decoder.output_buffer_size() == Some(size));
    rgba.resize(size.ok_or_else(|| undecoded("its colours are none that become red, green and blue"))?, 0);
    decoder.decode_into(rgba).map_err(undecoded)
}

thread_local! {
    static IN_DECODER: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is in the decoder of a picture. A panic there refuses the picture and goes no further, so that a panic hook need not
/// report it.
pub fn in_decoder() -> bool {
    IN_DECODER.get()
}

/// Decoders are other people's code, and a picture may be made for what they have not thought of.
fn guarded<T>(decode: impl FnOnce() -> Result<T>) -> Result<T> {
    IN_DECODER.set(true);
    let decoded = catch_unwind(AssertUnwindSafe(decode));
    IN_DECODER.set(false);
    decoded.unwrap_or_else(|_| Err(undecoded("it is made as no encoder makes pictures")))
}

fn undecoded(why: impl std::fmt::Display) -> Error {
    fault(format!("its picture cannot be decoded: {why}"))
}

/// What bytes are that are no picture that is read.
fn other(bytes: &[u8]) -> &'static str {
    match bytes {
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "a WebP picture",
        [0xab, b'K', b'T', b'X', b' ', ..] => "a KTX texture",
        [b'D', b'D', b'S', b' ', ..] => "a DDS texture",
        [b'G', b'I', b'F', b'8', ..] => "a GIF picture",
        [b'B', b'M', ..] => "a BMP picture",
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', b'f', ..] => "an AVIF picture",
        [b'v', b'e', b'r', b's', b'i', b'o', b'n', b' ', b'h', b't', b't', b'p', b's', ..] => "a pointer of Git LFS",
        [] => "empty",
        _ => "no picture that is known",
    }
}
