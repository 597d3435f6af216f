//! Captures: their formats, lenses and pictures, and what is refused.

mod blender;
mod shared;
