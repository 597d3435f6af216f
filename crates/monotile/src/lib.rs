//! The linear algebra that machine learning and graphics share: tensors of any rank, contractions, attention, and
//! the gradient of everything.
//!
//! | topic | where |
//! | --- | --- |
//! | tensors, views, arithmetic | [`Tensor`], [`DType`] |
//! | attention, rotary positions | [`attention`] |
//! | factorizations, linear systems | [`linalg`] |
//! | norms, gates, losses, embeddings | [`ops`] |
//! | optimizers | [`optim`] |
//! | 3D: cameras, poses, quaternions | [`transform`] |
//! | regression, principal components, distributions, filters | [`stats`] |
//! | gradients | [`Tensor::backward`], [`tape`] |
//! | contractions | [`einsum()`], [`einsum::Einsum`] |
//! | random numbers | [`Rng`] |
//! | files: .safetensors, .npy, .npz | [`io`] |
//! | how much of a file is taken | [`limits`] |
//! | lists as long as a file says | [`memory`] |
#![forbid(unsafe_code)]

pub mod attention;
mod check;
mod door;
pub mod einsum;
mod error;
pub mod limits;
pub mod linalg;
pub mod memory;
pub mod ops;
pub mod optim;
mod random;
pub mod stats;
pub mod tape;
pub mod tensor;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
pub mod transform;

pub use einsum::einsum;
pub use error::{Error, ErrorKind, ErrorNote, Result};
pub use random::Rng;
pub use tensor::{DType, Tensor, TensorElement, TensorOrNumber, io};

/// The README's examples, as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The package's own, likewise.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct PackageReadme;

/// The examples of the library's chapter, as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/library.md")]
struct Library;
