//! The linear algebra that machine learning and graphics share: tensors of any rank, contractions, attention, and
//! the gradient of everything.
//!
//! | topic | where |
//! | --- | --- |
//! | tensors: made, read, sliced, reshaped, joined, added, compared, reduced, sorted | [`Tensor`], [`DType`] |
//! | contractions of any number of tensors, in an order that is searched for | [`einsum()`], [`einsum::Einsum`] |
//! | factorizations, linear systems, eigenvalues, functions of matrices | [`linalg`] |
//! | gradients, Jacobians, Hessians, operations of one's own | [`Tensor::backward`], [`tape`] |
//! | layers and losses of networks, distances, formulas of one's own | [`ops`], [`formula!`] |
//! | attention, rotary positions | [`attention`] |
//! | optimizers, schedules, least squares that are not linear | [`optim`] |
//! | regression, principal components, distributions, filters, Gaussian processes | [`stats`] |
//! | 3D: cameras, poses, quaternions | [`transform`] |
//! | models: their tensors listed, saved and read by name | [`Parameters`], [`parameters!`] |
//! | random numbers | [`Rng`] |
//! | devices: the processor, GPUs | [`Device`], [`Tensor::to`] |
//! | files: .safetensors, .npy, .npz | [`io`] |
//! | errors, which tell the line of the call | [`Error`], [`Result`] |
//! | threads, instruction set | [`set_threads`], [`threads()`], [`runtime_info`] |
//! | how much of a file is taken, lists as long as a file says | [`limits`], [`memory`] |
//!
//! The features `glam`, `image`, `nalgebra` and `ndarray` convert from and to the types of those crates. The feature `gpu` takes tensors to a GPU. The page `docs/from-pytorch.md` of the
//! repository pairs functions of PyTorch and NumPy with those here, and `docs/examples.md` has programs to start from.
//!
//! # Example
//! The slope and the intercept of a line by gradient descent, and by one call:
//! ```
//! use monotile::{Tensor, linalg::lstsq, tape::grad};
//! let a = Tensor::from_rows(&[[0.0_f64, 1.0], [1.0, 1.0], [2.0, 1.0]])?;
//! let y = Tensor::from_rows(&[[1.0_f64], [3.0], [5.0]])?;
//! let mut x = Tensor::from_rows(&[[0.0_f64], [0.0]])?.requires_grad();
//! for _ in 0..200 {
//!     let loss = a.matmul(&x)?.sub(&y)?.square()?.mean(.., false)?;
//!     let gradient = grad(&loss, [&x])?.remove(0);
//!     x = x.detach().sub(gradient.mul(0.3)?)?.requires_grad();
//! }
//! for found in [x, lstsq(&a, &y)?] {
//!     let line = found.to_vec::<f64>()?;
//!     assert!((line[0] - 2.0).abs() < 1e-6 && (line[1] - 1.0).abs() < 1e-6);
//! }
//! # Ok::<(), monotile::Error>(())
//! ```
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
mod parameters;
mod random;
mod runtime;
pub mod stats;
pub mod tape;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
pub mod transform;

#[cfg(feature = "gpu")]
pub use door::gpu::GpuAccess;
pub use einsum::einsum;
pub use error::{Error, ErrorKind, ErrorNote, Result};
#[cfg(feature = "gpu")]
pub use monotile_gpu::{Capabilities, GpuOptions};
pub use monotile_kernels::blocks::BlockFormat;
pub use parameters::Parameters;
#[doc(hidden)]
pub use parameters::joined as parameter_name;
pub use random::Rng;
pub use runtime::{RuntimeInfo, runtime_info, set_threads, threads};
pub use tensor::{DType, Device, Ellipsis, NewAxis, Tensor, TensorElement, TensorOrNumber, io};

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
