//! Factorizations of matrices.

pub mod lanes;
