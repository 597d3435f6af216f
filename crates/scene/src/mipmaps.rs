//! A picture at half its size, again and again: what textures far away are read from, the same for all renderers.

use crate::{Image, srgb};

/// One level: four bytes a texel, encoded as the image is.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    pub width: u32,
    pub height: u32,
    pub rgba: Vec<u8>,
}

/// The image and all smaller ones down to one texel. Each side is half of the one before, rounded down, and each texel the mean of
/// those it covers, in part or whole; colours are averaged in linear RGB if the image is sRGB. Alpha is never encoded.
pub(crate) fn levels(image: &Image, srgb: bool) -> Vec<Level> {
    let table = if srgb { srgb::table() } else { std::array::from_fn(|i| i as f32 / 255.0) };
    let linear: [f32; 256] = std::array::from_fn(|i| i as f32 / 255.0);
    let mut levels = vec![Level { width: image.width, height: image.height, rgba: image.rgba.clone() }];
    let decode = |(i, &byte): (usize, &u8)| if i % 4 == 3 { linear[usize::from(byte)] } else { table[usize::from(byte)] };
    let mut texels: Vec<f32> = image.rgba.iter().enumerate().map(decode).collect();
    let (mut width, mut height) = (image.width as usize, image.height as usize);
    while width > 1 || height > 1 {
        let (w, h) = ((width / 2).max(1), (height / 2).max(1));
        // Rows first: a column of a narrower picture is shorter work.
        texels = halved(&texels, [height, width, 4], w);
        texels = halved(&texels, [1, height, w * 4], h);
        (width, height) = (w, h);
        let plain = |x: f32| (255.0 * x + 0.5) as u8;
        let encode = |(i, &x): (usize, &f32)| if srgb && i % 4 != 3 { srgb::byte(x) } else { plain(x) };
        let rgba = texels.iter().enumerate().map(encode).collect();
        levels.push(Level { width: w as u32, height: h as u32, rgba });
    }
    levels
}

/// The mean over cells of n/m neighbours along the middle one of three dimensions of n.
pub(crate) fn halved(from: &[f32], [outer, n, inner]: [usize; 3], m: usize) -> Vec<f32> {
    let mut to = vec![0.0; outer * m * inner];
    let cell = n as f32 / m as f32;
    for (from, to) in from.chunks(n * inner).zip(to.chunks_mut(m * inner)) {
        for (i, to) in to.chunks_mut(inner).enumerate() {
            let (begin, end) = (i as f32 * cell, ((i + 1) as f32 * cell).min(n as f32));
            for j in begin as usize..(end.ceil() as usize).min(n) {
                let share = ((j + 1) as f32).min(end) - (j as f32).max(begin);
                let row = &from[j * inner..(j + 1) * inner];
                to.iter_mut().zip(row).for_each(|(to, x)| *to += share / cell * x);
            }
        }
    }
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
            let levels = levels(&board, srgb);
            assert_eq!(levels.iter().map(|l| l.width).collect::<Vec<_>>(), [8, 4, 2, 1]);
            assert!(levels[1..].iter().all(|l| l.rgba.chunks(4).all(|t| t == [grey, grey, grey, 128])), "{levels:?}");
        }
    }

    #[test]
    fn sides_that_are_odd_lose_nothing() {
        // 1 of 5 texels is white: the last level has a fifth of it.
        let mut rgba = [0, 0, 0, 255].repeat(5);
        rgba[8..11].fill(255);
        let levels = levels(&image(5, rgba), false);
        assert_eq!(levels.len(), 3);
        assert_eq!(levels[2].rgba, [51, 51, 51, 255]);
        assert_eq!(levels[1].rgba[..4], levels[1].rgba[4..]);
    }
}
