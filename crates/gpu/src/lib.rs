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
//! | [`compare_integers`], [`select_integers`] | integers that f32 does not tell apart |
//! | [`fill`], [`fill_integers`], [`count_up`], [`join`], [`embed`] | one number everywhere, places, operands one after another, an operand among zeros |
//! | [`cross_entropy`], [`cross_entropy_backward`] | the loss of rows of logits |
//! | [`project_splats`], [`splat_colors`], [`GpuSplatBins`], [`blend_splats`] and their `_backward` | pictures of Gaussian splats |

#![forbid(unsafe_code)]

mod accurate;
mod along;
mod attention;
pub mod device;
mod elementwise;
mod error;
mod factor;
mod gather;
mod kernel;
mod loss;
mod norm;
mod operand;
mod place;
pub mod pool;
mod product;
mod reduce;
mod scan;
mod softmax;
mod splat;
pub mod stream;
mod team;
mod text;

pub use along::{GpuScatter, compare_integers, gather_along, scatter_along, select_integers};
pub use attention::{
    GpuAttention, GpuAttentionCotangents, GpuAttentionGradients, GpuAttentionOptions, attention, attention_backward,
};
pub use device::{AdapterSummary, Capabilities, CooperativeShape, Gpu, GpuOptions, adapters};
pub use elementwise::{copy, map, map_with};
pub use error::{GpuError, GpuErrorKind, GpuResult};
pub use factor::{GpuEigh, GpuLu, GpuQr, GpuSvd, GpuTriangular, MAX_SIDE, cholesky, eigh, lu, qr, solve_triangular, svd};
pub use gather::{GpuSegments, gather_rows, gather_rows_backward};
pub use loss::{GpuClasses, GpuCrossEntropy, cross_entropy, cross_entropy_backward};
pub use norm::{GpuLayerNormGradients, GpuRmsNormGradients, layer_norm, layer_norm_backward, rms_norm, rms_norm_backward};
pub use operand::{GpuOperand, GpuType};
pub use place::{count_up, embed, fill, fill_integers, join};
pub use pool::{GpuBlock, GpuPool};
pub use product::{ProductVariant, product, product_by};
pub use reduce::{GpuReduction, reduce};
pub use scan::{GpuScan, recurrence, scan};
pub use softmax::{log_softmax, softmax};
pub use splat::{
    GpuScreenSplats, GpuSplatBins, GpuSplatShapes, PlanKernel, PlanPass, PlanSize, PlanWord, SplatPlan, blend_splats,
    blend_splats_backward, project_splats, project_splats_backward, splat_colors, splat_colors_backward,
};
pub use stream::{GpuRead, GpuStream};

/// The README's example, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
