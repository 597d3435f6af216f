//! Pictures of image: 8 bits a channel, from and to numbers in 0 … 1, or the bytes as they are.

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

/// # Pictures
impl Tensor {
    /// A picture as u8 `(height, width, channels)`: its bytes as they are.
    ///
    /// # Errors
    /// If there is no memory for it.
    ///
    /// # Example
    /// ```
    /// use image::{Rgb, RgbImage};
    /// use monotile::Tensor;
    /// let picture = RgbImage::from_pixel(2, 1, Rgb([0, 51, 255]));
    /// let x = Tensor::from_image(&picture)?;
    /// assert_eq!((x.shape(), x.to_vec::<u8>()?), (&[1, 2, 3][..], vec![0, 51, 255, 0, 51, 255]));
    /// assert_eq!(RgbImage::try_from(&x)?, picture);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "imread")]
    #[doc(alias = "decode_image")]
    #[track_caller]
    pub fn from_image<P: Pixel<Subpixel = u8>, S: Deref<Target = [u8]>>(picture: &ImageBuffer<P, S>) -> Result<Tensor> {
        let shape = [picture.height() as usize, picture.width() as usize, usize::from(P::CHANNEL_COUNT)];
        let shape = crate::check::shape("from_image", &shape)?;
        // A buffer may be longer than its picture.
        Self::from_slice(&picture.as_raw()[..shape.elements()], &shape)
    }
}

/// The bytes of a tensor `(height, width, channels)`: those of u8 as they are; of numbers 255 x, rounded, below 0 as 0 and above 255 as
/// 255; NaN is 0.
#[track_caller]
fn bytes(x: &Tensor, channels: usize) -> Result<(u32, u32, Vec<u8>)> {
    let wrong = || Error::shape(format!("image: takes shape (height, width, {channels}), got {:?}", x.shape()));
    let &[height, width, c] = x.shape() else { return Err(wrong()) };
    let (Ok(h), Ok(w), true) = (u32::try_from(height), u32::try_from(width), c == channels) else { return Err(wrong()) };
    if x.dtype() == DType::U8 {
        return Ok((w, h, x.to_vec::<u8>()?));
    }
    let mut data = memory::list(x.len(), "a picture")?;
    data.extend(x.to_dtype(DType::F32)?.to_vec::<f32>()?.into_iter().map(|v| (v * 255.0).round() as u8));
    Ok((w, h, data))
}

macro_rules! picture {
    ($($picture:ty, $channels:literal;)*) => {$(
        /// A tensor `(height, width, channels)` of numbers in 0 … 1 as bytes: rounded, and cut at the ends; NaN is 0. Those of u8 are the bytes.
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
        let x = Tensor::from_image(&gray).unwrap();
        assert_eq!((x.dtype(), x.shape()), (DType::U8, &[16, 16, 1][..]));
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
