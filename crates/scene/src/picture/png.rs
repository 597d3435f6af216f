//! PNG files.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use monotile::io::{open_regular, write_atomic};
use monotile::{Error, Result};
use png::{BitDepth, ColorType, Compression, Decoder, Encoder, EncodingError, Transformations};

use super::Picture;

/// Where a picture says what made it.
const KEY: &str = "Source";

impl Picture {
    /// Writes the picture as PNG; `source` says what made it, and is kept in the file.
    ///
    /// # Errors
    /// What `to` refuses.
    pub fn write_png(&self, to: impl Write, source: Option<&str>) -> std::io::Result<()> {
        let mut encoder = Encoder::new(to, self.width as u32, self.height as u32);
        encoder.set_compression(Compression::Balanced);
        let opaque = self.rgba.chunks_exact(4).all(|p| p[3] == 255);
        encoder.set_color(if opaque { ColorType::Rgb } else { ColorType::Rgba });
        encoder.set_depth(BitDepth::Eight);
        encoder.set_source_srgb(png::SrgbRenderingIntent::Perceptual);
        if let Some(source) = source {
            encoder.add_itxt_chunk(KEY.to_string(), source.to_string()).map_err(io_error)?;
        }
        let mut writer = encoder.write_header().map_err(io_error)?;
        let written = match opaque {
            true => writer.write_image_data(&self.rgba.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect::<Vec<_>>()),
            false => writer.write_image_data(&self.rgba),
        };
        written.and_then(|()| writer.finish()).map_err(io_error)
    }

    /// Writes the picture to a PNG file, beside it first, and renames it into place.
    ///
    /// # Errors
    /// What the operating system refuses, in a sentence with the path.
    pub fn save_png(&self, path: &Path, source: Option<&str>) -> Result<()> {
        write_atomic(path, |file: &mut BufWriter<File>| self.write_png(file, source))
    }

    /// Reads a PNG file of any kind.
    ///
    /// # Errors
    /// A file that is not there or is no PNG.
    pub fn open_png(path: &Path) -> Result<Self> {
        let (file, _) = open_regular(path)?;
        let mut decoder = Decoder::new(BufReader::new(file));
        decoder.set_transformations(Transformations::normalize_to_color8() | Transformations::ALPHA);
        let fault = |e: png::DecodingError| Error::format(path, e);
        let mut reader = decoder.read_info().map_err(fault)?;
        let size = reader.output_buffer_size().ok_or_else(|| Error::format(path, "the picture is too large"))?;
        let mut pixels = vec![0; size];
        let info = reader.next_frame(&mut pixels).map_err(fault)?;
        let rgba = match info.color_type {
            ColorType::GrayscaleAlpha => pixels.chunks_exact(2).flat_map(|p| [p[0], p[0], p[0], p[1]]).collect(),
            _ => pixels,
        };
        Ok(Self { width: info.width as usize, height: info.height as usize, rgba })
    }

    /// What made the picture in a PNG file, as the file says; `None` where it does not, or is no whole PNG.
    pub fn source_of_png(path: &Path) -> Option<String> {
        let (file, _) = open_regular(path).ok()?;
        let mut reader = Decoder::new(BufReader::new(file)).read_info().ok()?;
        let mut pixels = vec![0; reader.output_buffer_size()?];
        reader.next_frame(&mut pixels).ok()?;
        let said = reader.info().utf8_text.iter().find(|text| text.keyword == KEY)?;
        said.get_text().ok()
    }
}

/// The encoder's own faults cannot arise from pictures; those of the file remain.
pub(super) fn io_error(error: EncodingError) -> std::io::Error {
    match error {
        EncodingError::IoError(error) => error,
        other => std::io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gives_back_every_pixel_and_what_made_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        for alpha in [255, 7] {
            let picture = Picture { width: 2, height: 3, rgba: (0..6).flat_map(|i| [i, 2 * i, 250, alpha]).collect() };
            picture.save_png(&path, Some("a füchsin fox")).unwrap();
            assert!(Picture::open_png(&path).unwrap() == picture);
            assert_eq!(Picture::source_of_png(&path).as_deref(), Some("a füchsin fox"));
        }
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 20]).unwrap();
        assert_eq!(Picture::source_of_png(&path), None);
        assert!(Picture::open_png(&path).unwrap_err().to_string().starts_with(&path.display().to_string()));
    }
}
