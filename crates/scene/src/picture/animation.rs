//! Pictures one after another in one file: GIF and APNG.

use std::io::{Error, Result, Write};

use png::{BitDepth, ColorType, Encoder};

use super::{Picture, png::io_error};

/// A file that pictures are added to, all of one size, shown again and again.
pub struct AnimationWriter<W: Write> {
    size: [usize; 2],
    writer: Writer<W>,
}

enum Writer<W: Write> {
    Gif { encoder: gif::Encoder<W>, delay: u16 },
    Apng(Box<png::Writer<W>>),
}

impl<W: Write> AnimationWriter<W> {
    /// A GIF of so many pictures a second (at most 100, in steps of 1/100 s). Each picture has a palette of its own of 256 colours.
    ///
    /// # Errors
    /// A size beyond 65535, and what `to` refuses.
    pub fn gif(to: W, size: [usize; 2], fps: f64) -> Result<Self> {
        let side = |n: usize| u16::try_from(n).map_err(|_| Error::other(format!("a GIF has at most 65535 pixels a side, not {n}")));
        let mut encoder = gif::Encoder::new(to, side(size[0])?, side(size[1])?, &[]).map_err(gif_error)?;
        encoder.set_repeat(gif::Repeat::Infinite).map_err(gif_error)?;
        let delay = (100.0 / fps).round().clamp(1.0, f64::from(u16::MAX)) as u16;
        Ok(Self { size, writer: Writer::Gif { encoder, delay } })
    }

    /// An animated PNG of exactly `frames` pictures, so many a second: every colour as it is, and alpha.
    ///
    /// # Errors
    /// What `to` refuses.
    pub fn apng(to: W, size: [usize; 2], frames: usize, fps: f64) -> Result<Self> {
        let mut encoder = Encoder::new(to, size[0] as u32, size[1] as u32);
        encoder.set_color(ColorType::Rgba);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_animated(frames as u32, 0).map_err(io_error)?;
        encoder.set_frame_delay(1000, (1000.0 * fps).round().clamp(1.0, 65535.0) as u16).map_err(io_error)?;
        Ok(Self { size, writer: Writer::Apng(Box::new(encoder.write_header().map_err(io_error)?)) })
    }

    /// Adds a picture.
    ///
    /// # Errors
    /// A picture of another size, and what the file refuses.
    pub fn add(&mut self, picture: &Picture) -> Result<()> {
        if [picture.width, picture.height] != self.size {
            let [w, h] = self.size;
            return Err(Error::other(format!("a picture of {} x {} in an animation of {w} x {h}", picture.width, picture.height)));
        }
        match &mut self.writer {
            Writer::Gif { encoder, delay } => {
                let mut rgba = picture.rgba.clone();
                // Of a thousandth to a half of the pixels one is looked at to find the palette.
                let mut frame = gif::Frame::from_rgba_speed(self.size[0] as u16, self.size[1] as u16, &mut rgba, 10);
                frame.delay = *delay;
                encoder.write_frame(&frame).map_err(gif_error)
            }
            Writer::Apng(writer) => writer.write_image_data(&picture.rgba).map_err(io_error),
        }
    }

    /// Writes what belongs at the end.
    ///
    /// # Errors
    /// What the file refuses.
    pub fn finish(self) -> Result<()> {
        match self.writer {
            Writer::Gif { encoder, .. } => encoder.into_inner().map_err(gif_error)?.flush(),
            Writer::Apng(writer) => writer.finish().map_err(io_error),
        }
    }
}

fn gif_error(error: gif::EncodingError) -> Error {
    match error {
        gif::EncodingError::Io(error) => error,
        other => Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pictures() -> Vec<Picture> {
        let picture = |i: u8| Picture { width: 4, height: 2, rgba: [[255, 10 * i, 0, 255]; 8].concat() };
        (1..4).map(picture).collect()
    }

    #[test]
    fn a_gif_has_its_pictures_and_their_time() {
        let mut file = Vec::new();
        let mut animation = AnimationWriter::gif(&mut file, [4, 2], 25.0).unwrap();
        pictures().iter().for_each(|p| animation.add(p).unwrap());
        animation.finish().unwrap();
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut reader = options.read_info(&file[..]).unwrap();
        for picture in pictures() {
            let frame = reader.read_next_frame().unwrap().unwrap();
            assert_eq!((frame.delay, &frame.buffer[..]), (4, &picture.rgba[..]));
        }
        assert!(reader.read_next_frame().unwrap().is_none());
    }

    #[test]
    fn an_animated_png_has_every_pixel() {
        let mut file = Vec::new();
        let mut animation = AnimationWriter::apng(&mut file, [4, 2], 3, 12.5).unwrap();
        let wrong = Picture { width: 2, height: 4, rgba: vec![0; 32] };
        assert_eq!(animation.add(&wrong).unwrap_err().to_string(), "a picture of 2 x 4 in an animation of 4 x 2");
        pictures().iter().for_each(|p| animation.add(p).unwrap());
        animation.finish().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&file[..])).read_info().unwrap();
        assert_eq!(reader.info().animation_control().unwrap().num_frames, 3);
        for picture in pictures() {
            let mut pixels = vec![0; 32];
            reader.next_frame(&mut pixels).unwrap();
            let control = reader.info().frame_control().unwrap();
            assert_eq!((pixels, f64::from(control.delay_num) / f64::from(control.delay_den)), (picture.rgba, 0.08));
        }
    }
}
