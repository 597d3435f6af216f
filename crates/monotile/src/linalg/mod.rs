//! Factorizations of matrices and what they are for, over any leading dimensions.
//!
//! | what | where |
//! | --- | --- |
//! | A = L Lᵀ, and systems with it | [`cholesky`], [`cholesky_solve`] |
//! | P A = L U | [`lu`] |
//! | A = Q R | [`qr`] |
//! | linear systems, inverses | [`solve`], [`solve_triangular`], [`inv`] |
//! | least squares | [`lstsq`] |
//! | determinants | [`det`], [`slogdet`] |
//!
//! Every operation takes f32 and f64 (bf16 and f16 count as f32), and reads its operands through their strides. A matrix with
//! an entry that is not finite gives NaN and leaves the others of its batch alone.

mod cholesky;
mod det;
mod inv;
mod lstsq;
mod lu;
mod parts;
mod qr;
mod solve;
mod triangular;

pub use cholesky::{cholesky, cholesky_solve};
pub use det::{SignLogDet, det, slogdet};
pub use inv::inv;
pub use lstsq::lstsq;
pub use lu::{Lu, lu};
pub use qr::{Qr, QrOptions, qr};
pub use solve::solve;
pub use triangular::{Triangular, solve_triangular};

#[cfg(test)]
pub(crate) fn specs() -> Vec<crate::testing::Spec> {
    let all = [
        cholesky::specs(),
        det::specs(),
        inv::specs(),
        lstsq::specs(),
        lu::specs(),
        qr::specs(),
        solve::specs(),
        triangular::specs(),
    ];
    all.into_iter().flatten().collect()
}
