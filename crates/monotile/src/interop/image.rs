//! Pictures of image: 8 bits a channel, from and to numbers in 0 … 1.

use std::ops::Deref;

use image::{GrayImage, ImageBuffer, Pixel, RgbImage, RgbaImage};

use crate::error::{Error, Result};
use crate::memory;
use crate::tensor::{DType, Tensor};

/// A picture as f32 `(height, width, channels)`: each channel divided by 255.
///
/// # Example
/// ```
/// use image::{Rgb, RgbImage};
/// use monotile::Tensor;
/// let picture = RgbImage::from_pixel(2, 1, Rgb([0, 51, 255]));
/// let x = Tensor::try_from(&picture)?;
/// assert_eq!((x.shape(), &x.to_vec::<f32>()?[..3]), (&[1, 2, 3][..], &[0.0, 0.2, 1.0][..]));
/// assert_eq!(RgbImage::try_from(&x)?, picture);
/// # Ok::<(), monotile::Error>(())
/// ```
impl<P: Pixel<Subpixel = u8>, S: Deref<Target = [u8]>> TryFrom<&ImageBuffer<P, S>> for Tensor {
    type Error = Error;

    #[track_caller]
    fn try_from(picture: &ImageBuffer<P, S>) -> Result<Self> {
        let shape = [picture.height() as usize, picture.width() as usize, usize::from(P::CHANNEL_COUNT)];
        let checked_shape = crate::check::shape("image", &shape)?;
        let mut data = memory::list(checked_shape.elements(), "a picture")?;
        data.extend(picture.pixels().flat_map(|p| p.channels()).map(|&byte| f32::from(byte) / 255.0));
        Self::from_vec(data, &shape)
    }
}

/// The bytes of a tensor `(height, width, channels)` of numbers: 255 x, rounded, below 0 as 0 and above 255 as 255; NaN is 0.
#[track_caller]
fn bytes(x: &Tensor, channels: usize) -> Result<(u32, u32, Vec<u8>)> {
    let wrong = || Error::shape(format!("image: takes shape (height, width, {channels}), got {:?}", x.shape()));
    let &[height, width, c] = x.shape() else { return Err(wrong()) };
    let (Ok(h), Ok(w), true) = (u32::try_from(height), u32::try_from(width), c == channels) else { return Err(wrong()) };
    let mut data = memory::list(x.len(), "a picture")?;
    data.extend(x.to_dtype(DType::F32)?.to_vec::<f32>()?.into_iter().map(|v| (v * 255.0).round() as u8));
    Ok((w, h, data))
}

macro_rules! picture {
    ($($picture:ty, $channels:literal;)*) => {$(
        /// A tensor `(height, width, channels)` of numbers in 0 … 1 as bytes: rounded, and cut at the ends; NaN is 0.
        impl TryFrom<&Tensor> for $picture {
            type Error = Error;

            #[track_caller]
            fn try_from(x: &Tensor) -> Result<Self> {
                let (width, height, data) = bytes(x, $channels)?;
                let refused = || Error::shape(format!("image: shape {:?} makes no picture", x.shape()));
                Self::from_raw(width, height, data).ok_or_else(refused)
            }
        }
    )*};
}

picture! {
    GrayImage, 1;
    RgbImage, 3;
    RgbaImage, 4;
}

#[cfg(test)]
mod tests {
    use image::{Luma, Rgba};

    use super::*;

    #[test]
    fn every_byte_comes_back() {
        let gray = GrayImage::from_fn(16, 16, |x, y| Luma([(16 * y + x) as u8]));
        let x = Tensor::try_from(&gray).unwrap();
        assert_eq!(x.shape(), [16, 16, 1]);
        assert_eq!(GrayImage::try_from(&x).unwrap(), gray);
        let rgba = RgbaImage::from_fn(3, 2, |x, y| Rgba([x as u8, y as u8, 7, 255]));
        let x = Tensor::try_from(&rgba).unwrap();
        assert_eq!((x.shape(), RgbaImage::try_from(&x).unwrap()), (&[2, 3, 4][..], rgba));
    }

    #[test]
    fn numbers_beyond_the_ends_are_cut_and_nan_is_0() {
        let x = Tensor::from_vec(vec![-1.0_f64, 2.0, f64::NAN, 0.5], &[2, 2, 1]).unwrap();
        assert_eq!(GrayImage::try_from(&x).unwrap().into_raw(), [0, 255, 0, 128]);
    }

    #[test]
    fn other_channels_are_refused() {
        let refused = RgbImage::try_from(&Tensor::zeros(&[2, 2, 1], DType::F32).unwrap()).unwrap_err().to_string();
        assert!(refused.contains("takes shape (height, width, 3), got [2, 2, 1]"), "{refused}");
    }
}
