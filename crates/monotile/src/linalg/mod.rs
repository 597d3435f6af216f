//! Factorizations of matrices and what they are for, over any leading dimensions.
//!
//! | what | where |
//! | --- | --- |
//! | A = L Lᵀ, and systems with it | [`cholesky`], [`cholesky_solve`] |
//! | P A = L U | [`lu`] |
//! | A = Q R | [`qr`] |
//! | linear systems, inverses | [`solve`], [`solve_triangular`], [`inv`] |
//! | A = U S Vᵀ | [`svd`], [`singular_values`] |
//! | A = V Λ Vᵀ for symmetric A | [`eigh`], [`eigvalsh`] |
//! | least squares | [`lstsq`], [`pinv`] |
//! | rank, condition, norms | [`matrix_rank`], [`cond`], [`norm`] |
//! | determinants | [`det`], [`slogdet`] |
//!
//! Every operation takes f32 and f64 (bf16 and f16 count as f32), and reads its operands through their strides. A matrix with
//! an entry that is not finite gives NaN and leaves the others of its batch alone.

mod cholesky;
mod degenerate;
mod det;
mod eigh;
mod inv;
mod lstsq;
mod lu;
mod norm;
mod parts;
mod pinv;
mod qr;
mod rank;
mod solve;
mod svd;
mod triangular;

pub use cholesky::{cholesky, cholesky_solve};
pub use det::{SignLogDet, det, slogdet};
pub use eigh::{Eigh, eigh, eigvalsh};
pub use inv::inv;
pub use lstsq::lstsq;
pub use lu::{Lu, lu};
pub use norm::{MatrixNorm, norm};
pub use pinv::pinv;
pub use qr::{Qr, QrOptions, qr};
pub use rank::{cond, matrix_rank};
pub use solve::solve;
pub use svd::{Svd, SvdOptions, singular_values, svd};
pub use triangular::{Triangular, solve_triangular};

#[cfg(test)]
pub(crate) fn specs() -> Vec<crate::testing::Spec> {
    let all = [
        cholesky::specs(),
        det::specs(),
        eigh::specs(),
        inv::specs(),
        lstsq::specs(),
        lu::specs(),
        norm::specs(),
        pinv::specs(),
        qr::specs(),
        rank::specs(),
        solve::specs(),
        svd::specs(),
        triangular::specs(),
    ];
    all.into_iter().flatten().collect()
}
