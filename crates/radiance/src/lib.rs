//! Differentiable pictures: Gaussian splats and triangles on the CPU, and the gradient of every pixel by what is drawn and by the camera.
//!
//! A scene is [`Splats`]: five tensors of N rows. A camera is two matrices ([`MatrixCamera`]), tensors too. [`Splats::render`] draws them by two operations,
//! [`project`](project()) and [`blend`](blend()), which the tape records. A pose, a lens or a rig is learned by whoever made the matrices.
//! With the feature `gpu` both are carried out where the splats' tensors are.
//! Triangles are drawn with gradients by [`Surface`], through the same cameras.
//!
//! # Conventions
//! Those of glTF and of this workspace: a camera looks along its -z with y up, clip depth runs from 0 to w, quaternions are x, y, z, w, matrices are
//! rows. A picture is `(height, width, channels)`, its first row the upper one; the centre of its first pixel is half a pixel from both edges. Files keep their own frame.
//!
//! # Source
//! Kerbl, Kopanas, Leimkühler and Drettakis (2023), 3D Gaussian splatting for real-time radiance field rendering.
#![forbid(unsafe_code)]

mod blend;
mod camera;
#[cfg(feature = "capture")]
mod capture;
mod files;
#[cfg(feature = "gpu")]
mod gpu;
#[cfg(any(feature = "capture", feature = "formats"))]
mod guard;
mod kernel;
mod nerf;
mod project;
mod splats;
mod ssim;
#[cfg(feature = "capture")]
pub mod train;
mod transformed;
mod triangles;
mod up;

pub use blend::{BlendOptions, blend};
pub use camera::MatrixCamera;
#[cfg(feature = "capture")]
pub use capture::{
    Capture, CaptureInfo, CaptureLens, CaptureOptions, CapturePicture, CaptureSplit, CaptureView, LensModel, PixelRays, PointCloud,
};
pub use files::{AxisFrame, SplatFileInfo, SplatFormat, SplatReadOptions, SplatWriteOptions};
#[cfg(any(feature = "capture", feature = "formats"))]
pub use guard::in_picture_decoder;
pub use nerf::{
    CompositeOptions, CompositedRays, FrequencyOptions, HashGrid, HashGridOptions, HashGridStyle, HashLevel, Rays, composite,
    direction_harmonics, frequency_encoding, perceptron, rays,
};
#[cfg(feature = "capture")]
pub use nerf::{
    FieldBackground, FieldKind, FieldObjective, FieldOptions, FieldPoses, FieldScene, FieldStep, FieldTrainOptions, FieldTrainer,
    FieldView, JudgedView, RadianceField, RenderedField, SceneCube,
};
pub use project::{ProjectOptions, ProjectedSplats, ShapeLimits, SightDirections, project};
pub use splats::{RenderedSplats, SplatOptions, Splats};
pub use ssim::{SsimWindows, ssim};
pub use triangles::Surface;
pub use up::UpAxis;

pub use monotile::{Error, ErrorKind, Result};

/// The README's example, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
