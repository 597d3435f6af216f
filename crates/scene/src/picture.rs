//! What a renderer makes, and the files that hold it.

mod animation;
mod png;

pub use animation::AnimationWriter;

/// Pixels, row by row from the top: sRGB and straight alpha, a byte each.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green, blue, alpha of each pixel.
    pub rgba: Vec<u8>,
}

impl Picture {
    /// Red, green, blue and alpha of one pixel.
    ///
    /// # Panics
    /// Outside the picture.
    pub fn pixel(&self, x: usize, y: usize) -> [u8; 4] {
        assert!(x < self.width && y < self.height, "a picture of {} x {} has no pixel ({x}, {y})", self.width, self.height);
        let at = 4 * (y * self.width + x);
        [self.rgba[at], self.rgba[at + 1], self.rgba[at + 2], self.rgba[at + 3]]
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} x {})", self.width, self.height)
    }
}
