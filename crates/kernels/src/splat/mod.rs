//! Gaussian splats: from the world to the screen, blended front to back in tiles, and the gradients of both.
//!
//! | file | what |
//! | --- | --- |
//! | [`stated`] | every constant, once |
//! | [`project`](mod@project) | means, rotations and scales to places, inverse covariances, depths and opacities on the screen |
//! | `unproject` | its gradient, the camera's too |
//! | [`harmonics`](mod@harmonics) | colours seen from a direction; gradients by coefficients and direction |
//! | `reach` | which blocks of 4 x 4 pixels a splat reaches |
//! | [`bins`](mod@bins) | which tiles of 16 blocks: a contiguous range of slots for each splat, a list by depth for each tile |
//! | `tile` | a tile in registers: its pixels, and a splat before them |
//! | [`blend`](mod@blend) | a tile of pixels, front to back |
//! | [`unblend`](mod@unblend) | the same walk again, which leaves one record of sums in each slot |
//! | `passes` | what splats leave at blocks on that walk, and its sums over a splat's blocks |
//! | `gather` | the slots of a splat, added in their order |
//! | [`spz`] | splats from the bytes of a packed file |
//!
//! Each splat owns its slots and each tile its pixels. Nothing is added by two threads to the same number, so that a gradient has the same bits
//! on any number of threads.
//!
//! # Source
//! Zwicker, Pfister, van Baar and Gross (2001), EWA volume splatting; Kerbl, Kopanas, Leimkühler and Drettakis (2023), 3D Gaussian splatting
//! for real-time radiance field rendering; Yu, Chen, Huang, Sattler and Geiger (2024), Mip-Splatting.

pub mod bins;
pub mod blend;
mod gather;
pub mod harmonics;
mod lanes;
mod passes;
pub mod project;
mod reach;
pub mod spz;
pub mod stated;
#[cfg(test)]
mod tests;
mod tile;
pub mod unblend;
mod unproject;

pub use bins::SplatBins;
pub use blend::{BlendRule, blend};
pub use harmonics::{colors, colors_gradient};
pub use project::{ProjectRule, ScreenSplats, ScreenSplatsMut, SplatShapes, SplatShapesMut, project};
pub use unblend::blend_gradient;
pub use unproject::project_gradient;

/// What is read of a camera: six rows of four numbers.
///
/// Rows 0, 1 and 2 take a homogeneous point of the world to clip x, y and w, row 3 to its depth. Row 4 is the eye as a homogeneous point, which a
/// parallel camera has at infinity: its last number is 0 and the others point against the line of sight. Row 5 has the limits of x and
/// of y (low, high, low, high), in NDC, within which a splat changes its shape with its place.
pub type CameraRows = [f64; 24];
