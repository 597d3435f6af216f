//! Scaled dot-product attention and what goes with it.
//!
//! | what | where |
//! | --- | --- |
//! | softmax(scale · Q Kᵀ + mask) V | [`scaled_dot_product_attention`] |
//! | its result with log-sum-exp, which can be continued with more keys | [`scaled_dot_product_attention_with_lse`], [`PartialAttention`] |
//! | results over different keys made one | [`merge`] |
//! | options: mask, causal limit, scale | [`AttentionOptions`] |
//! | rotary position embeddings | [`rotary`], [`rotary_tables`] |

mod composed;
mod mask;
mod merge;
mod rotary;
mod scaled_dot_product;
#[cfg(test)]
mod tests;

pub use mask::AttentionOptions;
pub use merge::merge;
pub use rotary::{rotary, rotary_tables};
pub use scaled_dot_product::{PartialAttention, scaled_dot_product_attention, scaled_dot_product_attention_with_lse};

#[cfg(test)]
pub(crate) fn specs() -> Vec<crate::testing::Spec> {
    [merge::specs(), rotary::specs(), scaled_dot_product::specs()].into_iter().flatten().collect()
}
