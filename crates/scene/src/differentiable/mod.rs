//! Models in pictures that can be differentiated: with respect to the camera, the colours and the vertices.
//!
//! A [`ColoredMesh`] is a model in one pose as a [`Surface`], whose picture has a gradient. [`ColoredMesh::fit`] finds camera and colours of a picture by it.

mod camera;
mod colored_mesh;
mod fit;

pub use colored_mesh::ColoredMesh;
pub use fit::{FitOptions, FitStage, FitState};
pub use monotile_radiance::{MatrixCamera, Surface};
