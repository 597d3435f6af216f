//! Low-rank adapters on the layers of these models: which layers, where training starts, and what is trained.
//!
//! An adapter of any checkpoint, its files and what is done with them are `monotile_adapters`; what a model takes of it is here too.

mod adapted_layers;
mod init;
mod layer;

pub use adapted_layers::AdaptedLayer;
pub use init::LoraInit;
pub use monotile_adapters::{Adapter, LoraConfig, TargetModules};

pub(crate) use init::with_doubled_rank;
pub(crate) use layer::LoraLayer;
