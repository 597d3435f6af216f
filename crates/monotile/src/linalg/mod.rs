//! Factorizations of matrices and what they are for, over any leading dimensions.
//!
//! | what | where |
//! | --- | --- |
//! | A = L Lᵀ, and systems with it | [`cholesky`], [`cholesky_solve`] |
//! | P A = L U | [`lu`] |
//! | A = Q R | [`qr`] |
//! | linear systems, inverses | [`solve`], [`solve_triangular`], [`inv`] |
//! | A = U S Vᵀ | [`svd`], [`svdvals`] |
//! | A = V Λ Vᵀ for symmetric A | [`eigh`], [`eigvalsh`] |
//! | least squares | [`lstsq`], [`pinv`] |
//! | rank, condition, norms, traces | [`matrix_rank`], [`cond`], [`norm`], [`trace`] |
//! | vectors along axes | [`vector_norm`], [`normalize`], [`cosine_similarity`], [`vecdot`], [`cross`] |
//! | products of tensors | [`outer`], [`kron`], [`tensordot`] |
//! | low rank: the nearest matrix, randomized values | [`truncated`], [`svd_lowrank`], [`svd_lowrank_of_operator`] |
//! | powers, exponentials | [`matrix_power`], [`expm`] |
//! | random orthogonal matrices | [`orthogonal`] |
//! | the QR algorithm step by step | [`qr_iteration`] |
//! | determinants | [`det`], [`slogdet`] |
//!
//! Every operation takes f32 and f64 (bf16 and f16 count as f32), and reads its operands through their strides. A matrix with
//! an entry that is not finite gives NaN and leaves the others of its batch alone.
//!
//! Determinants, ranks, pseudoinverses, least squares, truncation, powers and the gradients of spectra look at values to decide, and so read
//! them back to the host.

mod cholesky;
mod degenerate;
mod dependent;
mod det;
mod eigh;
mod inv;
mod lowrank;
mod lstsq;
mod lu;
mod norm;
mod orthogonal;
mod parts;
mod pinv;
mod power;
mod qr;
mod qr_iteration;
mod rank;
mod sketch;
mod solve;
mod svd;
mod tensor_products;
#[cfg(test)]
mod tests;
mod triangular;
mod truncated;
mod vector;

pub use cholesky::{cholesky, cholesky_solve};
pub use det::{SignLogDet, det, slogdet};
pub use eigh::{Eigh, eigh, eigvalsh};
pub use inv::inv;
pub use lowrank::{LinearOperator, SvdLowrank, SvdLowrankOptions, svd_lowrank, svd_lowrank_of_operator};
pub use lstsq::lstsq;
pub use lu::{Lu, lu};
pub use norm::{MatrixNorm, norm};
pub use orthogonal::orthogonal;
pub use pinv::pinv;
pub use power::{expm, matrix_power};
pub use qr::{Qr, QrOptions, qr};
pub use qr_iteration::{QrIteration, QrIterationOptions, QrStep, Shift, qr_iteration};
pub use rank::{cond, matrix_rank};
pub use solve::solve;
pub use svd::{Svd, SvdOptions, svd, svdvals};
pub use triangular::{SolveTriangularOptions, solve_triangular};
pub use tensor_products::{kron, outer, tensordot, trace};
pub use truncated::{Truncated, Truncation, truncated};

#[cfg(test)]
pub(crate) fn specs() -> Vec<crate::testing::Spec> {
    let all = [
        cholesky::specs(),
        det::specs(),
        eigh::specs(),
        inv::specs(),
        lstsq::specs(),
        lowrank::specs(),
        lu::specs(),
        norm::specs(),
        orthogonal::specs(),
        pinv::specs(),
        power::specs(),
        qr::specs(),
        qr_iteration::specs(),
        rank::specs(),
        solve::specs(),
        svd::specs(),
        triangular::specs(),
        tensor_products::specs(),
        truncated::specs(),
        vector::specs(),
    ];
    all.into_iter().flatten().collect()
}
