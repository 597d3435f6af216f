//! Factorizations of matrices and what they are for, over any leading dimensions.
//!
//! | what | where |
//! | --- | --- |
//! | A = L Lᵀ, and systems with it | [`cholesky`], [`cholesky_solve`] |
//! | P A = L U, and many systems with it | [`lu`], [`lu_factor`] |
//! | A = Q R | [`qr`] |
//! | linear systems, inverses | [`solve`], [`solve_triangular`], [`inv`] |
//! | A = U S Vᵀ | [`svd`], [`svdvals`] |
//! | A = V Λ Vᵀ for symmetric A | [`eigh`], [`eigvalsh`] |
//! | A V = V Λ and A = Z T Zᵀ for any A | [`eig`], [`eigvals`], [`schur`] |
//! | A X + X B = C | [`solve_sylvester`], [`solve_lyapunov`] |
//! | least squares | [`lstsq`], [`pinv`] |
//! | rank, condition, norms, traces | [`matrix_rank`], [`cond`], [`norm`], [`trace`] |
//! | vectors along axes | [`vector_norm`], [`normalize`], [`cosine_similarity`], [`vecdot`], [`cross`] |
//! | products of tensors | [`outer`], [`kron`], [`tensordot`] |
//! | low rank: the nearest matrix, randomized values | [`truncated`], [`svd_lowrank`], [`svd_lowrank_of_operator`] |
//! | powers, exponentials, roots, logarithms | [`matrix_power`], [`expm`], [`sqrtm`], [`logm`] |
//! | random orthogonal matrices | [`orthogonal`] |
//! | the QR algorithm step by step | [`qr_iteration`] |
//! | determinants | [`det`], [`slogdet`] |
//!
//! Every operation takes f32 and f64 (bf16 and f16 count as f32), and reads its operands through their strides. A matrix with
//! an entry that is not finite gives NaN and leaves the others of its batch alone.
//!
//! Determinants, ranks, pseudoinverses, least squares, truncation, powers and the gradients of spectra look at values to decide, and so read
//! them back to the host.
//!
//! On a GPU, matrices of up to 32 rows and columns are factored, many at once, and nothing is read back: where the processor refuses a matrix or a
//! gradient, there are NaN or infinities. Each operation tells its own.

mod cholesky;
mod degenerate;
mod dependent;
mod det;
mod eig;
mod eigh;
mod inv;
mod lowrank;
mod lstsq;
mod lu;
mod lu_factor;
mod matrix_functions;
mod norm;
mod orthogonal;
mod parts;
mod pinv;
mod power;
mod qr;
mod qr_iteration;
mod rank;
mod schur;
mod sketch;
mod solve;
mod svd;
mod sylvester;
mod tensor_products;
#[cfg(test)]
mod tests;
mod triangular;
mod truncated;
mod vector;

pub use cholesky::{cholesky, cholesky_solve};
pub use det::{SignLogDet, det, slogdet};
pub use eig::{ComplexTensor, Eig, eig, eigvals};
pub use eigh::{Eigh, eigh, eigvalsh};
pub use inv::inv;
pub use lowrank::{LinearOperator, SvdLowrank, SvdLowrankOptions, svd_lowrank, svd_lowrank_of_operator};
pub use lstsq::lstsq;
pub use lu::{Lu, lu};
pub use lu_factor::{LuFactorization, lu_factor};
pub use matrix_functions::{logm, sqrtm};
pub use norm::{MatrixNorm, norm};
pub use orthogonal::orthogonal;
pub use pinv::pinv;
pub use power::{expm, matrix_power};
pub use qr::{Qr, QrOptions, qr};
pub use qr_iteration::{QrIteration, QrIterationOptions, QrStep, Shift, qr_iteration};
pub use rank::{cond, matrix_rank};
pub use schur::{Schur, schur};
pub use solve::solve;
pub use svd::{Svd, SvdOptions, svd, svdvals};
pub use sylvester::{solve_lyapunov, solve_sylvester};
pub use tensor_products::{kron, outer, tensordot, trace};
pub use triangular::{SolveTriangularOptions, solve_triangular};
pub use truncated::{Truncated, Truncation, truncated};
pub use vector::{cosine_similarity, cross, normalize, vecdot, vector_norm};

#[cfg(test)]
pub(crate) fn specs() -> Vec<crate::testing::Spec> {
    let all = [
        cholesky::specs(),
        det::specs(),
        eig::specs(),
        eigh::specs(),
        inv::specs(),
        lstsq::specs(),
        lowrank::specs(),
        lu::specs(),
        lu_factor::specs(),
        matrix_functions::specs(),
        norm::specs(),
        orthogonal::specs(),
        pinv::specs(),
        power::specs(),
        qr::specs(),
        qr_iteration::specs(),
        rank::specs(),
        schur::specs(),
        solve::specs(),
        svd::specs(),
        sylvester::specs(),
        triangular::specs(),
        tensor_products::specs(),
        truncated::specs(),
        vector::specs(),
    ];
    all.into_iter().flatten().collect()
}
