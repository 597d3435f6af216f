//! Contractions of any number of tensors.

pub(crate) mod pair;
