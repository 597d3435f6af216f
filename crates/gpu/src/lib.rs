//! Kernels of Monotile on a GPU, through WebGPU. No tensor is known here.
//!
//! | module | what |
//! | --- | --- |
//! | [`device`] | adapters, what they can do, an open device |
//! | [`pool`] | its memory, recycled |
//! | [`stream`] | commands in order, submitted in batches; uploads and reads |
//!
//! Kernels read operands ([`GpuOperand`]) where they lie, by any strides, and write contiguous blocks:
//!
//! | function | what |
//! | --- | --- |
//! | [`map`], [`map_with`], [`copy`] | a recorded formula of up to six operands, and numbers; casts |
//! | [`reduce`] | sums, means and extremes over any axes |
//! | [`scan`], [`recurrence`] | running sums, products and linear recurrences along an axis |
//! | [`softmax`], [`log_softmax`] | along an axis |
//! | [`product`], [`product_by`] | the matrix product, batched |
//! | [`attention`], [`attention_backward`] | scaled dot-product attention in tiles, and its gradients |
//! | [`rms_norm`], [`layer_norm`] and their `_backward` | norms of rows |
//! | [`cholesky`], [`lu`], [`solve_triangular`], [`qr`], [`eigh`], [`svd`] | of many small matrices |
//! | [`gather_rows`], [`gather_rows_backward`] | rows of a table by indices |
//! | [`gather_along`], [`scatter_along`] | elements along an axis by indices |
//! | [`order_rows`], [`places_among`], [`distinct`], [`most_frequent`], [`running_extrema`] | orders of rows, and places in them |
//! | [`places_set`], [`coordinates`], [`count_integers`], [`count_between`] | where a mask is true, and counts |
//! | [`distances`], [`weighted_differences`] | of all pairs of points, and the gradients |
//! | [`combine_integers`], [`compare_integers`], [`select_integers`] | integers that f32 does not tell apart |
//! | [`fill`], [`fill_integers`], [`count_up`], [`join`], [`embed`] | one number everywhere, places, operands one after another, an operand among zeros |
//! | [`cross_entropy`], [`cross_entropy_backward`] | the loss of rows of logits |
//! | [`project_splats`], [`splat_colors`], [`GpuSplatBins`], [`blend_splats`] and their `_backward` | pictures of Gaussian splats |
//! | [`walk_splats`] | splats that take a step at random |
//! | [`texture_numbers`] | what a renderer has drawn |
//! | [`GpuSampler`] | pictures at the points of a grid, and the gradients |
//! | [`ssim`], [`ssim_backward`] | the structural similarity of pictures |

#![forbid(unsafe_code)]

mod accurate;
mod along;
mod attention;
mod counts;
pub mod device;
mod distance;
mod each;
mod elementwise;
mod error;
mod factor;
mod gather;
mod integer;
mod kernel;
mod loss;
mod norm;
mod operand;
mod order;
mod place;
pub mod pool;
mod product;
mod radix;
mod reduce;
mod sample;
mod scan;
mod softmax;
mod splat;
mod ssim;
pub mod stream;
mod team;
mod text;
mod texture;

pub use along::{GpuScatter, compare_integers, gather_along, scatter_along, select_integers};
pub use attention::{
    GpuAttention, GpuAttentionCotangents, GpuAttentionGradients, GpuAttentionOptions, attention, attention_backward,
};
pub use counts::{GpuDistinct, coordinates, count_between, count_integers, distinct, places_set};
pub use device::{AdapterSummary, Capabilities, CooperativeShape, Gpu, GpuOptions, adapters, instance};
pub use distance::{distances, weighted_differences};
pub use elementwise::{copy, map, map_with};
pub use error::{GpuError, GpuErrorKind, GpuResult};
pub use factor::{GpuEigh, GpuLu, GpuQr, GpuSvd, GpuTriangular, MAX_SIDE, cholesky, eigh, lu, qr, solve_triangular, svd};
pub use gather::{GpuSegments, gather_rows, gather_rows_backward};
pub use integer::{GpuIntegers, combine_integers};
pub use loss::{GpuClasses, GpuCrossEntropy, cross_entropy, cross_entropy_backward};
pub use norm::{GpuLayerNormGradients, GpuRmsNormGradients, layer_norm, layer_norm_backward, rms_norm, rms_norm_backward};
pub use operand::{GpuOperand, GpuType};
pub use order::{most_frequent, order_rows, places_among, running_extrema};
pub use place::{count_up, embed, fill, fill_integers, join};
pub use pool::{GpuBlock, GpuPool};
pub use product::{ProductVariant, product, product_by};
pub use reduce::{GpuReduction, reduce};
pub use sample::GpuSampler;
pub use scan::{GpuScan, recurrence, scan};
pub use softmax::{log_softmax, softmax};
pub use splat::{
    GpuScreenSplats, GpuSplatBins, GpuSplatShapes, GpuWalk, PlanKernel, PlanPass, PlanSize, PlanWord, SplatPlan, blend_splats,
    blend_splats_backward, project_splats, project_splats_backward, splat_colors, splat_colors_backward, walk_splats,
};
pub use ssim::{GpuSsim, ssim, ssim_backward};
pub use stream::{GpuRead, GpuStream};
pub use texture::texture_numbers;

/// The README's example, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
