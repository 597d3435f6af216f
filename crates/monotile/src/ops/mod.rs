//! Operations on tensors: one file each, from the definition to its tests; a file a family for elementwise ones.

pub(crate) mod cast;
pub mod elementwise;
pub(crate) mod matmul;
pub(crate) mod reduce;
pub(crate) mod slice;
pub(crate) mod view;
