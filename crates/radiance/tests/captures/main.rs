//! Captures: their formats, lenses and pictures, and what is refused.

mod blender;
mod lens;
mod nerfstudio;
mod shared;
