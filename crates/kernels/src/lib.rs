//! CPU kernels of Monotile: loops over slices and strides, with vector units and threads. No tensor is known here.
//!
//! A kernel may assume that its caller checked shapes; it checks bounds itself, once, where it makes a [`view::View`] or
//! at its own entry point, and trusts them inside. No safe call reads or writes what is not its own, whatever sizes it is given: what
//! does not fit panics, or is refused. Memory that cannot be had is an error ([`buffer::OutOfMemory`]). Every fast kernel has a
//! plain twin that tests compare it with; the feature `testing` opens the twins to other crates as `naive`.
//!
//! | module | what |
//! | --- | --- |
//! | [`shape`] | counts, strides and extents, none of which wraps |
//! | [`buffer`], [`pool`] | memory: recycled blocks and mapped files |
//! | [`process`] | signals, files that change while they are mapped, memory that is counted |
//! | [`view`] | strided windows |
//! | [`number`] | what formulas are written in: numbers, derivatives, shaders |
//! | [`real`], [`math`] | the element types and their elementary functions |
//! | [`params`] | what kernels are tuned by |
//! | [`simd`], [`threads`] | instruction sets chosen at run time; splitting work |
//! | [`product`] | the matrix product over groups of dimensions |
//! | [`adam`](mod@adam) | a step of an optimizer on rows whose columns have rates of their own |
//! | [`blocks`] | quantized numbers in blocks, read and written |
//! | [`attention`] | scaled dot-product attention in tiles, forward and backward |
//! | [`factor`] | Cholesky, LU, QR, SVD, symmetric eigenvalues, triangular systems |
//! | [`field`] | radiance fields: samples along rays as pixels, grids of features, and the gradients |
//! | [`rotary`] | rotary position embedding |
//! | [`distance`] | distances of all pairs of points, and their gradients |
//! | [`elementwise`] | maps over broadcast operands: formulas of any number of them |
//! | [`norm`], [`softmax`], [`loss`] | norms, softmax and cross-entropy of rows |
//! | [`gather`] | picking and adding by indices |
//! | [`reduce`] | sums, extrema and the like over any dimensions |
//! | [`sample`] | pictures read between their points, and the gradients |
//! | [`scan`] | running sums, products, extrema and recurrences along an axis |
//! | [`sort`] | orders of rows, the smallest elements, equal ones, counts |
//! | [`splat`] | Gaussian splats: to the screen, blended in tiles, and the gradients |
//! | [`ssim`](mod@ssim) | the similarity of pictures, and its gradients |
//! | [`transform`] | points through matrices, poses, rotations between two |
//! | `naive` | the twins, with the feature `testing` |

pub mod adam;
pub mod attention;
pub mod blocks;
pub mod buffer;
mod compiled;
pub mod distance;
pub mod elementwise;
pub mod factor;
pub mod field;
pub mod gather;
pub mod loss;
pub mod math;
#[cfg(any(test, feature = "testing"))]
pub mod naive;
pub mod norm;
pub mod number;
pub mod params;
pub mod pool;
pub mod process;
pub mod product;
pub mod real;
pub mod reduce;
pub mod rotary;
mod row_partition;
pub mod sample;
pub mod scan;
pub mod shape;
pub mod simd;
pub mod softmax;
pub mod sort;
pub mod splat;
pub mod ssim;
pub mod threads;
pub mod transform;
pub mod view;

pub use half::{bf16, f16};

/// The README's example, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
