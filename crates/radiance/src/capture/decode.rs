//! Pictures in files: PNG of any kind and JPEG, told apart by their first bytes, as numbers from 0 to 1.

use std::io::Cursor;
use std::path::Path;

use monotile::io::read_regular;
use monotile::{Error, Result, limits, memory};
use png::{BitDepth, ColorType, Transformations};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use super::head::{PictureFile, PictureKind};
use crate::guard::guarded;

/// Pixel bytes that a byte of a file may stand for: a zlib stream of pixels of one bit each.
const GROWTH: u64 = 32 * 1032;

/// Red, green, blue and straight alpha of each pixel, row by row from the top.
pub(super) struct Pixels {
    pub width: usize,
    pub height: usize,
    pub rgba: Vec<f32>,
}

impl Pixels {
    /// Of a size, all 0.
    pub fn zeros([width, height]: [usize; 2]) -> Result<Self> {
        let count = monotile_kernels::shape::count(&[width, height, 4]);
        let rgba = memory::filled(count, 0.0, format_args!("a picture of {width} x {height} pixels"))?;
        Ok(Self { width, height, rgba })
    }
}

/// A whole picture, as it is stored: not turned.
pub(super) fn read(path: &Path) -> Result<(Pixels, PictureFile)> {
    let bytes = read_regular(path, &limits::MODEL)?;
    let head = PictureFile::of(path, &mut Cursor::new(&bytes))?;
    let PictureFile { width, height, .. } = head;
    let count = width as u64 * height as u64;
    if count > (bytes.len() as u64 + 1024) * GROWTH {
        return Err(Error::format(path, format!("says that it is {width} x {height} pixels, in {} bytes", bytes.len())));
    }
    let undecoded = |why: String| Error::format(path, format!("is a picture that cannot be decoded: {why}"));
    let mut pixels = Pixels::zeros([width, height])?;
    let filled = guarded(|| match head.kind {
        PictureKind::Png => png(&bytes, count, &mut pixels.rgba),
        PictureKind::Jpeg => jpeg(&bytes, &mut pixels.rgba),
    });
    let filled = filled.unwrap_or_else(|| Err("it is made as no encoder makes pictures".to_owned()));
    filled.map_err(undecoded)?;
    Ok((pixels, head))
}

/// Row by row, so that beside the result little more than a row is in memory.
fn png(bytes: &[u8], count: u64, out: &mut [f32]) -> std::result::Result<(), String> {
    let said = |e: png::DecodingError| e.to_string();
    let most = usize::try_from(count * 8 + (64 << 20)).unwrap_or(usize::MAX);
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), png::Limits { bytes: most });
    decoder.set_transformations(Transformations::EXPAND | Transformations::ALPHA);
    let mut reader = decoder.read_info().map_err(said)?;
    let (color, depth) = reader.output_color_type();
    let channels = color.samples();
    let mut at = 0;
    let mut add = |row: &[u8]| {
        let level = |k: usize| match depth {
            BitDepth::Sixteen => f32::from(u16::from_be_bytes([row[2 * k], row[2 * k + 1]])) / 65535.0,
            _ => f32::from(row[k]) / 255.0,
        };
        let width = if depth == BitDepth::Sixteen { 2 } else { 1 };
        for (pixel, out) in (0..row.len() / (channels * width)).zip(out[at..].chunks_exact_mut(4)) {
            let k = pixel * channels;
            let rgba = match color {
                ColorType::GrayscaleAlpha => [level(k), level(k), level(k), level(k + 1)],
                ColorType::Grayscale => [level(k), level(k), level(k), 1.0],
                ColorType::Rgb => [level(k), level(k + 1), level(k + 2), 1.0],
                _ => [level(k), level(k + 1), level(k + 2), level(k + 3)],
            };
            out.copy_from_slice(&rgba);
            at += 4;
        }
    };
    if reader.info().interlaced {
        let size = reader.output_buffer_size().ok_or("it is too large")?;
        let mut whole = memory::filled(size, 0, "an interlaced picture").map_err(|e| e.to_string())?;
        reader.next_frame(&mut whole).map_err(said)?;
        add(&whole);
    } else {
        while let Some(row) = reader.next_row().map_err(said)? {
            add(row.data());
        }
    }
    if at < out.len() { Err("it ends before its last row".to_owned()) } else { Ok(()) }
}

/// Whatever a file's colours are, they become red, green, blue and 1.
fn jpeg(bytes: &[u8], out: &mut [f32]) -> std::result::Result<(), String> {
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX)
        .jpeg_set_out_colorspace(ColorSpace::RGBA);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| e.to_string())?;
    if decoder.output_buffer_size() != Some(out.len()) {
        return Err("its colours are none that become red, green and blue".to_owned());
    }
    let mut rgba = memory::filled(out.len(), 0_u8, "a picture").map_err(|e| e.to_string())?;
    decoder.decode_into(&mut rgba).map_err(|e| e.to_string())?;
    out.iter_mut().zip(&rgba).for_each(|(x, &byte)| *x = f32::from(byte) / 255.0);
    Ok(())
}
