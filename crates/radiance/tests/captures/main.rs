//! Captures: their formats, lenses and pictures, and what is refused.

mod blender;
mod colmap;
mod lens;
mod nerfstudio;
mod pictures;
mod shared;
mod undistort;
