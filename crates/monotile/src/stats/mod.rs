//! Statistics made of factorizations: each a small type that is fitted, predicts and draws as its users expect.
//!
//! | what | where |
//! | --- | --- |
//! | regression with its standard errors | [`least_squares`], [`powers`] |
//!
//! All of it is composed of public operations, so that gradients run through wherever a page says nothing else. f32 and f64 (bf16 and f16
//! count as f32).

mod least_squares;
mod parts;

pub use least_squares::{LeastSquares, LeastSquaresOptions, least_squares, powers};

#[cfg(test)]
pub(crate) fn specs() -> Vec<crate::testing::Spec> {
    [least_squares::specs()].into_iter().flatten().collect()
}
