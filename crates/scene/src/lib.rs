//! 3D scenes: models, poses, cameras, and the renderers that draw them.
//!
//! A [`Scene`] is what a file holds and never changes: nodes, meshes, materials, skins, clips. A [`Pose`] is where its nodes are at one
//! moment. A [`Shot`] is how one looks at it: camera, light, background. A renderer draws scene, pose and shot into a [`Picture`].
//!
//! # Conventions
//! Right-handed, y up, a camera looks along its -z; meters, seconds, radians. Matrices act on column vectors, and their names say
//! both spaces: `clip_from_world = clip_from_view · view_from_world`. Clip depth runs from 0 (near) to w (far). Quaternions are
//! x, y, z, w. Colours are linear RGB unless a name says sRGB.
//!
//! Files keep their rows: a matrix is `[[f32; 4]; 4]` **of columns**, as glTF and every GPU have it; tensors have rows, as mathematics does.
#![forbid(unsafe_code)]

mod alpha;
mod animation;
mod bake;
mod camera;
mod check;
pub mod differentiable;
mod draws;
mod figure;
mod framing;
mod gltf;
#[cfg(feature = "gpu")]
pub mod gpu;
mod mipmaps;
mod picture;
mod placement;
mod pose;
pub mod raster;
mod rendering;
mod scene;
mod shot;
mod spaces;
mod srgb;

pub use camera::{Camera, Lens};
pub use framing::{Framing, Orbit};
pub use gltf::{GltfInfo, ImportNote, ReadOptions, in_decoder};
pub use monotile::{Error, ErrorKind, Result};
pub use picture::{AnimationWriter, Picture};
pub use pose::Pose;
pub use scene::{
    AlphaMode, Animation, Channel, Filter, Image, Interpolation, KeyframeValues, Material, Mesh, MorphTarget, Node, NodeTransform,
    NodeTrs, Primitive, Sampler, Scene, Skin, SkinWeights, Texture, TextureRef, Topology, WrapMode,
};
pub use shot::{Background, Ground, Light, Shot};
pub use spaces::{VertexId, VertexSpaces};
