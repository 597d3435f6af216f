//! Radiance fields that a network holds: their parts, and how they are learned.

mod composite;
mod encoding;
mod hash_grid;
mod perceptron;
mod rays;

#[cfg(feature = "capture")]
mod cube;
#[cfg(feature = "capture")]
mod field;
#[cfg(feature = "capture")]
mod occupancy;
#[cfg(feature = "capture")]
mod poses;
#[cfg(feature = "capture")]
mod scene;
#[cfg(feature = "capture")]
mod state;
#[cfg(feature = "capture")]
mod train;
#[cfg(feature = "capture")]
mod views;

pub use composite::{CompositeOptions, CompositedRays, composite};
#[cfg(feature = "capture")]
pub use cube::SceneCube;
pub use encoding::{FrequencyOptions, direction_harmonics, frequency_encoding};
#[cfg(feature = "capture")]
pub use field::{FieldKind, FieldOptions, RadianceField};
pub use hash_grid::{HashGrid, HashGridOptions, HashGridStyle, HashLevel};
pub use perceptron::perceptron;
#[cfg(feature = "capture")]
pub use poses::FieldPoses;
pub use rays::{Rays, rays};
#[cfg(feature = "capture")]
pub use scene::{FieldScene, RenderedField};
#[cfg(feature = "capture")]
pub use train::{FieldBackground, FieldObjective, FieldStep, FieldTrainOptions, FieldTrainer};
#[cfg(feature = "capture")]
pub use views::{FieldView, JudgedView};
