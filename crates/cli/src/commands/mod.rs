//! One subcommand a file: its arguments, the checks, the call into the library, what it prints.

pub mod bench;
mod checkpoint;
mod data;
pub mod devices;
pub mod einsum;
pub mod explain;
pub mod factor;
mod files;
pub mod generate;
pub mod info;
pub mod lora;
pub mod nerf;
mod plan;
pub mod render;
pub mod splat;
pub mod tour;
pub mod train;
mod training;
#[cfg(feature = "view")]
pub mod view;
mod viewpoint;
