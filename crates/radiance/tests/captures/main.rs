//! Captures: their formats, lenses and pictures, and what is refused.

mod blender;
#[path = "../shared/mod.rs"]
mod cases;
mod colmap;
mod lens;
mod nerfstudio;
mod pictures;
mod shared;
mod undistort;
