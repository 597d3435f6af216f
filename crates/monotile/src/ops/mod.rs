//! Operations on tensors: one file each, from the definition to its tests; a file a family for elementwise ones.

pub(crate) mod cast;
pub(crate) mod cat;
pub mod elementwise;
pub(crate) mod matmul;
pub(crate) mod reduce;
pub(crate) mod slice;
pub(crate) mod view;

/// The record of every operation here.
#[cfg(test)]
pub(crate) fn specs() -> Vec<crate::testing::Spec> {
    let all = [cast::specs(), cat::specs(), elementwise::specs(), matmul::specs(), reduce::specs(), slice::specs(), view::specs()];
    all.into_iter().flatten().collect()
}
