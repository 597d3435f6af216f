//! Contractions of any number of tensors.

pub(crate) mod pair;

/// The record of every operation here.
#[cfg(test)]
pub(crate) fn specs() -> Vec<crate::testing::Spec> {
    pair::specs()
}
