//! Operations on tensors: one file each, from the definition to its tests; a file a family for elementwise ones.

// The page of `Tensor` has its parts in the order of these lines; blank ones keep rustfmt from sorting them.
pub(crate) mod cast;

pub(crate) mod slice;

pub(crate) mod index;
pub(crate) mod indexing;

pub(crate) mod view;

pub(crate) mod rearrange;

pub(crate) mod repeat;

pub(crate) mod pad;

pub(crate) mod cat;
pub(crate) mod combine;
pub(crate) mod triangle;

pub mod elementwise;

pub(crate) mod softmax;

pub(crate) mod reduce;

pub(crate) mod sort;

pub(crate) mod matmul;

// Functions that are no methods.
pub(crate) mod distance;
pub(crate) mod dropout;
pub(crate) mod embedding;
pub(crate) mod gate;
pub(crate) mod linear;
pub(crate) mod loss;
pub(crate) mod map;
pub(crate) mod nll_loss;
pub(crate) mod norm;
pub(crate) mod pointwise_loss;
pub(crate) mod sample;

pub use distance::{cdist, squared_cdist};
pub use dropout::dropout;
pub use elementwise::rounding::NanToNumOptions;
pub use embedding::embedding;
pub use gate::swiglu;
pub use indexing::ScatterReduction;
pub use linear::linear;
pub use loss::{CrossEntropyOptions, cross_entropy};
pub use map::{Formula, Number, map};
pub use nll_loss::{NllLossOptions, nll_loss};
pub use norm::{layer_norm, rms_norm};
pub use pad::PadMode;
pub use pointwise_loss::{
    BceWithLogitsOptions, LossReduction, bce, bce_with_logits, huber_loss, kl_div, l1_loss, mse_loss, smooth_l1_loss,
};
pub use reduce::linear_recurrence;
pub use sample::{GridSampleOptions, SampleMode, SamplePadding, grid_sample, interp};
pub use sort::{QuantileLevels, Unique};

/// The specs of every operation here.
#[cfg(test)]
pub(crate) fn specs() -> Vec<crate::testing::Spec> {
    let all = [
        cast::specs(),
        cat::specs(),
        combine::specs(),
        distance::specs(),
        dropout::specs(),
        elementwise::specs(),
        embedding::specs(),
        gate::specs(),
        index::specs(),
        indexing::specs(),
        linear::specs(),
        loss::specs(),
        map::specs(),
        matmul::specs(),
        nll_loss::specs(),
        norm::specs(),
        pad::specs(),
        pointwise_loss::specs(),
        rearrange::specs(),
        reduce::specs(),
        repeat::specs(),
        sample::specs(),
        slice::specs(),
        softmax::specs(),
        sort::specs(),
        triangle::specs(),
        view::specs(),
    ];
    all.into_iter().flatten().collect()
}
