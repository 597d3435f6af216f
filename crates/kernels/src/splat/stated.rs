//! The constants of splatting, each stated once: kernels, shaders and operations read them here.

/// Square pixels added to the variances of a splat on the screen: no splat is narrower than a pixel.
pub const BLUR: f64 = 0.3;
/// The least distance before the camera at which a splat is drawn.
pub const NEAR: f64 = 0.01;
/// The least opacity of a splat at a pixel that is blended.
pub const LEAST_ALPHA: f64 = 1.0 / 255.0;
/// The largest opacity of a splat at a pixel: nothing is wholly hidden, so that gradients pass.
pub const MOST_ALPHA: f64 = 0.99;
/// A pixel is finished where what is behind would be seen by no more than this.
pub const LEAST_TRANSMITTANCE: f64 = 1e-4;
/// The least factor by which an antialiased splat becomes fainter.
pub const LEAST_COMPENSATION: f64 = 0.005;
/// How far beyond the picture, in half widths from its centre, a splat still changes its shape with its place.
pub const SHAPE_LIMIT: f64 = 1.3;
/// Pixels of a side of a tile, whose splats have a list.
pub const TILE: usize = 16;
/// Pixels of a side of a block, of which a tile has 16: a bit of a splat's mask tells whether it reaches one.
pub const BLOCK: usize = 4;
/// What 0.5 added to the sum of harmonics makes a colour.
pub const COLOR_OFFSET: f64 = 0.5;
/// The highest degree of harmonics.
pub const MOST_DEGREE: usize = 3;

/// The coefficients of the real spherical harmonics of degree 0 to 3, with the signs of Condon and Shortley.
///
/// # Source
/// Sloan (2013), Efficient spherical harmonic evaluation: the closed forms of Y, whose factors these are.
pub mod harmonics {
    /// ½ √(1/π)
    pub const Y0: f64 = 0.282_094_791_773_878_14;
    /// √(3/4π)
    pub const Y1: f64 = 0.488_602_511_902_919_9;
    /// ½ √(15/π)
    pub const Y2: f64 = 1.092_548_430_592_079_2;
    /// ¼ √(5/π)
    pub const Y20: f64 = 0.315_391_565_252_520_05;
    /// ¼ √(35/2π)
    pub const Y33: f64 = 0.590_043_589_926_643_5;
    /// ½ √(105/π)
    pub const Y32: f64 = 2.890_611_442_640_554;
    /// ¼ √(21/2π)
    pub const Y31: f64 = 0.457_045_799_464_465_8;
    /// ¼ √(7/π)
    pub const Y30: f64 = 0.373_176_332_590_115_4;
}
