//! The linear algebra that machine learning and graphics share: tensors of any rank, contractions, attention, and
//! the gradient of everything.
//!
//! The page `docs/from-pytorch.md` of the repository pairs PyTorch's and NumPy's functions with those here.
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
//! | threads, instruction set | [`set_threads`], [`threads()`], [`runtime_info`] |
//! | files: .safetensors, .npy, .npz | [`io`] |
//! | how much of a file is taken | [`limits`] |
//! | lists as long as a file says | [`memory`] |
#![forbid(unsafe_code)]

// The page of `Tensor` has its parts in the order of modules: how a tensor is made, then what is done with it.
pub mod tensor;

pub mod ops;

pub mod attention;
mod check;
mod door;
pub mod einsum;
mod error;
mod interop;
pub mod limits;
pub mod linalg;
pub mod memory;
pub mod optim;
mod random;
mod runtime;
pub mod stats;
pub mod tape;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
pub mod transform;

pub use einsum::einsum;
pub use error::{Error, ErrorKind, ErrorNote, Result};
pub use random::Rng;
pub use runtime::{RuntimeInfo, runtime_info, set_threads, threads};
pub use tensor::{DType, Ellipsis, NewAxis, Tensor, TensorElement, TensorOrNumber, io};

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

/// The table of PyTorch's and NumPy's functions, likewise.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/from-pytorch.md")]
struct FromPyTorch;
