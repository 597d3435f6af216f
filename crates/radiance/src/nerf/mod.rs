//! Radiance fields that a network holds: their parts, and how they are learned.

mod composite;
mod encoding;
mod hash_grid;
mod rays;

pub use composite::{CompositeOptions, CompositedRays, composite};
pub use encoding::{FrequencyOptions, direction_harmonics, frequency_encoding};
pub use hash_grid::{HashGrid, HashGridOptions, HashGridStyle};
pub use rays::{Rays, rays};
