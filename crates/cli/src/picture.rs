//! Pictures inside a page: files as addresses that hold them.

use std::io;

use monotile::{DType, Tensor};
use monotile_scene::{AnimationWriter, Picture};

/// A picture that a page holds.
#[derive(Debug, Clone)]
pub struct EmbeddedImage {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// The file, as a `data:` address.
    pub address: String,
}

impl EmbeddedImage {
    /// A picture.
    pub fn still(picture: &Picture) -> Self {
        Self::encode([picture.width, picture.height], |file| picture.write_png(file, None))
    }

    /// Pictures of one size, so many a second, again and again: an animated PNG.
    pub fn moving(pictures: &[Picture], fps: f64) -> Self {
        let size = pictures.first().map_or([1, 1], |picture| [picture.width, picture.height]);
        Self::encode(size, |file| {
            let mut animation = AnimationWriter::apng(file, size, pictures.len(), fps)?;
            pictures.iter().try_for_each(|picture| animation.add(picture))?;
            animation.finish()
        })
    }

    /// Brightness from 0 (black) to 1 (white), row by row.
    pub fn grey(width: usize, pixels: &[f64]) -> Self {
        let level = |x: &f64| (255.0 * x.clamp(0.0, 1.0)).round() as u8;
        let rgba = pixels.iter().flat_map(|x| [level(x), level(x), level(x), 255]).collect();
        Self::still(&Picture { width, height: pixels.len() / width, rgba })
    }

    fn encode([width, height]: [usize; 2], write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Self {
        let mut file = Vec::new();
        write(&mut file).expect("memory takes every byte, and pictures here have pixels, all of one size");
        Self { width, height, address: format!("data:image/png;base64,{}", base64(&file)) }
    }
}

/// The picture of colours from 0 to 1, `(height, width, 3)`.
pub fn picture_of(colors: &Tensor) -> monotile::Result<Picture> {
    let numbers = colors.to_dtype(DType::F32)?.to_vec::<f32>()?;
    let byte = |x: f32| (255.0 * x).round().clamp(0.0, 255.0) as u8;
    let rgba = numbers.chunks_exact(3).flat_map(|c| [byte(c[0]), byte(c[1]), byte(c[2]), 255]).collect();
    Ok(Picture { width: colors.dim(1), height: colors.dim(0), rgba })
}

/// Pictures of one height beside each other.
pub fn strip(pictures: &[Picture]) -> Picture {
    let height = pictures.iter().map(|picture| picture.height).min().unwrap_or(0);
    let row = |y: usize| pictures.iter().flat_map(move |p| &p.rgba[4 * p.width * y..4 * p.width * (y + 1)]);
    Picture {
        width: pictures.iter().map(|picture| picture.width).sum(),
        height,
        rgba: (0..height).flat_map(row).copied().collect(),
    }
}

pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let all = part.iter().fold(0, |all, byte| (all << 8) | u32::from(*byte)) << (8 * (3 - part.len()));
        for i in 0..4 {
            let digit = DIGITS[(all >> (18 - 6 * i)) as usize & 63];
            text.push(if i <= part.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_standard() {
        assert_eq!(["", "f", "fo", "foo", "foob"].map(|t| base64(t.as_bytes())), ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
    }

    #[test]
    fn pictures_stand_beside_each_other_row_by_row() {
        let picture = |width: usize, from: u8| Picture { width, height: 2, rgba: (from..from + 8 * width as u8).collect() };
        let both = strip(&[picture(1, 0), picture(2, 100)]);
        assert_eq!((both.width, both.height), (3, 2));
        assert_eq!(
            (both.pixel(0, 1), both.pixel(1, 0), both.pixel(2, 1)),
            ([4, 5, 6, 7], [100, 101, 102, 103], [112, 113, 114, 115])
        );
    }

    #[test]
    fn what_moves_is_one_file_of_all_frames() {
        let frame = |grey: u8| Picture { width: 2, height: 1, rgba: [grey, grey, grey, 255].repeat(2) };
        let shown = EmbeddedImage::moving(&[frame(0), frame(200)], 10.0);
        // The signature, in base64.
        assert!(shown.address.starts_with("data:image/png;base64,iVBORw0KGgo") && (shown.width, shown.height) == (2, 1));
    }
}
