//! A picture at half its size, again and again: what textures far away are read from, the same for all renderers.

use monotile::{Result, memory};

use crate::{Image, srgb};

/// One level but the finest, which is the image itself: four bytes a texel, encoded as the image is.
#[derive(Debug, Clone)]
pub(crate) struct MipLevel {
    pub width: u32,
    pub height: u32,
    pub rgba: Vec<u8>,
}

/// All levels below the image, down to one texel. Each side is half of the one before, rounded down, and each texel the mean of
/// those it covers, in part or whole; colours are averaged in linear RGB if the image is sRGB. Alpha is never encoded.
///
/// A row of the image is worked into all levels at once, so that no more than a few rows of any are there as numbers.
///
/// # Errors
/// `Memory`, where there is not enough for them.
pub(crate) fn levels(image: &Image, srgb: bool) -> Result<Vec<MipLevel>> {
    let linear: [f32; 256] = std::array::from_fn(|i| i as f32 / 255.0);
    let table = if srgb { srgb::table() } else { linear };
    let mut makers = Vec::new();
    let (mut width, mut height) = (image.width as usize, image.height as usize);
    while width > 1 || height > 1 {
        let maker = Maker::new([width, height], srgb)?;
        [width, height] = maker.size;
        makers.push(maker);
    }
    let Some((first, rest)) = makers.split_first_mut() else { return Ok(Vec::new()) };
    let mut row = vec![0.0; 4 * image.width as usize];
    for bytes in image.rgba.chunks_exact(4 * image.width as usize) {
        for (to, texel) in row.chunks_exact_mut(4).zip(bytes.chunks_exact(4)) {
            for k in 0..3 {
                to[k] = table[usize::from(texel[k])];
            }
            to[3] = linear[usize::from(texel[3])];
        }
        first.take(&row, rest);
    }
    Ok(makers.into_iter().map(Maker::finish).collect())
}

/// A level that is being made of the rows of the one above it.
struct Maker {
    /// Of the level above.
    from: [usize; 2],
    size: [usize; 2],
    srgb: bool,
    /// How many rows were taken.
    taken: usize,
    /// How many rows are made.
    made: usize,
    /// A row of the level above, as wide as this one.
    narrow: Vec<f32>,
    /// The row that is being made and the one after it: a row of an odd number may count for both.
    rows: [Vec<f32>; 2],
    rgba: Vec<u8>,
}

impl Maker {
    fn new(from: [usize; 2], srgb: bool) -> Result<Self> {
        let size = from.map(|n| (n / 2).max(1));
        let row = || vec![0.0; 4 * size[0]];
        let rgba = memory::list(4 * size[0] * size[1], format_args!("a mipmap of {} x {}", size[0], size[1]))?;
        Ok(Self { from, size, srgb, taken: 0, made: 0, narrow: row(), rows: [row(), row()], rgba })
    }

    /// Takes a row of the level above, and gives those that are whole to the levels below.
    fn take(&mut self, row: &[f32], below: &mut [Self]) {
        let [width, height] = self.from;
        if width == 2 * self.size[0] {
            for (to, pair) in self.narrow.chunks_exact_mut(4).zip(row.chunks_exact(8)) {
                (0..4).for_each(|k| to[k] = 0.5 * pair[k] + 0.5 * pair[4 + k]);
            }
        } else {
            self.narrow.fill(0.0);
            narrowed(row, [width, 4], &mut self.narrow);
        }
        let cell = height as f32 / self.size[1] as f32;
        let j = self.taken as f32;
        for (i, to) in self.rows.iter_mut().enumerate() {
            let begin = (self.made + i) as f32 * cell;
            let end = (begin + cell).min(height as f32);
            let share = (j + 1.0).min(end) - j.max(begin);
            if share > 0.0 && self.made + i < self.size[1] {
                let share = share / cell;
                to.iter_mut().zip(&self.narrow).for_each(|(to, x)| *to += share * x);
            }
        }
        self.taken += 1;
        // Whole with the last row that it covers; a part of a row behind it counts for nothing.
        let whole = (self.made + 1) as f32 * cell - 1e-3;
        if self.made < self.size[1] && (self.taken as f32 >= whole || self.taken == height) {
            self.encode();
            if let Some((next, rest)) = below.split_first_mut() {
                next.take(&self.rows[0], rest);
            }
            self.made += 1;
            self.rows.swap(0, 1);
            self.rows[1].fill(0.0);
        }
    }

    fn encode(&mut self) {
        let plain = |x: f32| (255.0 * x + 0.5) as u8;
        for texel in self.rows[0].chunks_exact(4) {
            let color = |x: f32| if self.srgb { srgb::byte(x) } else { plain(x) };
            self.rgba.extend([color(texel[0]), color(texel[1]), color(texel[2]), plain(texel[3])]);
        }
    }

    fn finish(self) -> MipLevel {
        MipLevel { width: self.size[0] as u32, height: self.size[1] as u32, rgba: self.rgba }
    }
}

/// Adds the mean over cells of n/m neighbours to rows of m: `from` has n of `inner` numbers each.
fn narrowed(from: &[f32], [n, inner]: [usize; 2], to: &mut [f32]) {
    let m = to.len() / inner;
    let cell = n as f32 / m as f32;
    for (i, to) in to.chunks_mut(inner).enumerate() {
        let (begin, end) = (i as f32 * cell, ((i + 1) as f32 * cell).min(n as f32));
        for j in begin as usize..(end.ceil() as usize).min(n) {
            let share = ((j + 1) as f32).min(end) - (j as f32).max(begin);
            let row = &from[j * inner..(j + 1) * inner];
            to.iter_mut().zip(row).for_each(|(to, x)| *to += share / cell * x);
        }
    }
}

/// The mean over cells of n/m neighbours along the middle one of three dimensions of n.
pub(crate) fn halved(from: &[f32], [outer, n, inner]: [usize; 3], m: usize) -> Vec<f32> {
    let mut to = vec![0.0; outer * m * inner];
    from.chunks(n * inner).zip(to.chunks_mut(m * inner)).for_each(|(from, to)| narrowed(from, [n, inner], to));
    to
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(width: u32, rgba: Vec<u8>) -> Image {
        Image { name: String::new(), width, height: rgba.len() as u32 / 4 / width, rgba }
    }

    #[test]
    fn a_checkerboard_becomes_the_grey_that_is_half_as_bright() {
        let texel = |i: u32| [[0, 0, 0, 0], [255; 4]][((i % 8 + i / 8) % 2) as usize];
        let board = image(8, (0..64).flat_map(texel).collect());
        for (srgb, grey) in [(true, 188), (false, 128)] {
            let levels = levels(&board, srgb).unwrap();
            assert_eq!(levels.iter().map(|l| l.width).collect::<Vec<_>>(), [4, 2, 1]);
            assert!(levels.iter().all(|l| l.rgba.chunks(4).all(|t| t == [grey, grey, grey, 128])), "{levels:?}");
        }
    }

    #[test]
    fn sides_that_are_odd_lose_nothing() {
        // 1 of 5 texels is white: the last level has a fifth of it.
        let mut rgba = [0, 0, 0, 255].repeat(5);
        rgba[8..11].fill(255);
        let levels = levels(&image(5, rgba), false).unwrap();
        assert_eq!(levels.len(), 2);
        assert_eq!(levels[1].rgba, [51, 51, 51, 255]);
        assert_eq!(levels[0].rgba[..4], levels[0].rgba[4..]);
    }

    /// Every size up to 33 x 33: as halving whole pictures along rows and then along columns has it, and the last texel is the mean of all.
    #[test]
    fn rows_make_what_whole_pictures_do() {
        for (width, height) in (1..34).flat_map(|w| [(w, 1), (w, 2), (w, 7), (w, 32), (w, 33), (1, w)]) {
            let bytes = (0..4 * width * height).map(|i| (i * i * 7 + i / 3) as u8).collect();
            let picture = image(width, bytes);
            let mut texels: Vec<f32> = picture.rgba.iter().map(|&b| f32::from(b) / 255.0).collect();
            let mean: f32 = texels.chunks(4).map(|t| t[0]).sum::<f32>() / (width * height) as f32;
            let (mut w, mut h) = (width as usize, height as usize);
            let levels = levels(&picture, false).unwrap();
            for level in &levels {
                texels = halved(&texels, [h, w, 4], (w / 2).max(1));
                texels = halved(&texels, [1, h, (w / 2).max(1) * 4], (h / 2).max(1));
                (w, h) = ((w / 2).max(1), (h / 2).max(1));
                assert_eq!((level.width as usize, level.height as usize, level.rgba.len()), (w, h, 4 * w * h));
                for (found, wanted) in level.rgba.iter().zip(&texels) {
                    assert!(
                        (f32::from(*found) - 255.0 * wanted).abs() < 0.502,
                        "{width} x {height}: {found} for {}",
                        255.0 * wanted
                    );
                }
            }
            let last = levels.last().map_or(picture.rgba[0], |level| level.rgba[0]);
            assert!((f32::from(last) - 255.0 * mean).abs() < 0.51, "{width} x {height}: {last} for {}", 255.0 * mean);
        }
    }
}
