//! Factorizations and systems of matrices `(…, m, n)` of f32 or f64, read through their strides. Where a matrix has no result,
//! `refuse` is asked for the error, with its number in the batch and an order: a leading minor, a pivot or a diagonal element, counted
//! from 1. A GPU reads nothing back and asks nobody: there is NaN in what has no result.

use monotile_kernels::factor::lu::Factored;
pub use monotile_kernels::factor::qr::Kind;
pub use monotile_kernels::factor::svd::Vectors;
pub use monotile_kernels::factor::triangular::Triangle;
use monotile_kernels::factor::{self as kernel, Failure};
use monotile_kernels::simd::Lanes;
use monotile_kernels::view::View;

use super::real;
use crate::error::{Error, Result};
use crate::tensor::dtype::StorageElement;
use crate::tensor::uninit::UninitTensor;
use crate::tensor::{Dims, Tensor};

/// The L of A = L Lᵀ.
#[track_caller]
pub fn cholesky(op: &str, a: &Tensor, refuse: impl FnOnce(usize, usize) -> Error) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(op: &str, a: &Tensor, refuse: impl FnOnce(usize, usize) -> Error) -> Result<Tensor> {
        square(op, a, kernel::cholesky::cholesky::<T>, refuse)
    }
    real!(op, [a], run(op, a, refuse) => cholesky(a))
}

/// L and U of P A = L U in one matrix, and which row of A each row is, as i64; as i32 on a GPU.
#[track_caller]
pub fn lu(op: &str, a: &Tensor) -> Result<[Tensor; 2]> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(op: &str, a: &Tensor) -> Result<[Tensor; 2]> {
        let (mut factors, mut order) = (UninitTensor::<T>::like(op, a)?, UninitTensor::<i64>::new(op, &shape(a, &[a.dim(-2)]))?);
        kernel::lu::lu(a.elements_view(), &mut factors, &mut order).map_err(|failure| failed(op, failure, never))?;
        Ok([factors.tensor(), order.tensor()])
    }
    real!(op, [a], run(op, a) => lu(a))
}

/// X with A X = B, or Aᵀ X = B, from what [`lu`] returned; in the CPU's memory all contiguous.
#[track_caller]
pub fn lu_solve(
    op: &str,
    [factors, order]: [&Tensor; 2],
    transposed: bool,
    b: &Tensor,
    refuse: impl FnOnce(usize, usize) -> Error,
) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(
        op: &str,
        [factors, order]: [&Tensor; 2],
        transposed: bool,
        b: &Tensor,
        refuse: impl FnOnce(usize, usize) -> Error,
    ) -> Result<Tensor> {
        let mut x = UninitTensor::<T>::like(op, b)?;
        let factored = Factored { factors: factors.elements::<T>(), order: order.elements::<i64>(), n: order.dim(-1) };
        kernel::lu::lu_solve(factored, transposed, b.elements(), &mut x).map_err(|failure| failed(op, failure, refuse))?;
        Ok(x.tensor())
    }
    real!(op, [b, factors], run(op, [factors, order], transposed, b, refuse) => lu_solve([factors, order], transposed, b))
}

/// Q and R.
#[track_caller]
pub fn qr(op: &str, a: &Tensor, kind: Kind) -> Result<[Tensor; 2]> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(op: &str, a: &Tensor, kind: Kind) -> Result<[Tensor; 2]> {
        let (m, n) = (a.dim(-2), a.dim(-1));
        let k = if kind.full { m } else { m.min(n) };
        let (mut q, mut r) = (columns::<T>(op, a, [m, k])?, columns::<T>(op, a, [k, n])?);
        kernel::qr::qr(a.elements_view(), kind, &mut q, &mut r).map_err(|failure| failed(op, failure, never))?;
        Ok([q.tensor().mt(), r.tensor().mt()])
    }
    real!(op, [a], run(op, a, kind) => qr(a, kind))
}

/// R alone, of min(m, n) rows.
#[track_caller]
pub fn triangle(op: &str, a: &Tensor) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(op: &str, a: &Tensor) -> Result<Tensor> {
        let (m, n) = (a.dim(-2), a.dim(-1));
        let mut r = columns::<T>(op, a, [m.min(n), n])?;
        let kind = Kind { full: false, non_negative: false };
        kernel::qr::qr(a.elements_view(), kind, &mut [], &mut r).map_err(|failure| failed(op, failure, never))?;
        Ok(r.tensor().mt())
    }
    real!(op, [a], run(op, a) => triangle(a))
}

/// U, the singular values and Vᵀ; with the vectors that are wanted.
#[track_caller]
pub fn svd(op: &str, a: &Tensor, vectors: Vectors, refuse: impl FnOnce(usize, usize) -> Error) -> Result<[Tensor; 3]> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(
        op: &str,
        a: &Tensor,
        vectors: Vectors,
        refuse: impl FnOnce(usize, usize) -> Error,
    ) -> Result<[Tensor; 3]> {
        let (m, n) = (a.dim(-2), a.dim(-1));
        let [ku, kv] = vectors.columns([m, n]);
        let (mut u, mut v) = (columns::<T>(op, a, [m, ku])?, columns::<T>(op, a, [n, kv])?);
        let mut s = UninitTensor::<T>::new(op, &shape(a, &[m.min(n)]))?;
        kernel::svd::svd(a.elements_view(), vectors, &mut s, &mut u, &mut v).map_err(|failure| failed(op, failure, refuse))?;
        Ok([u.tensor().mt(), s.tensor(), v.tensor()])
    }
    real!(op, [a], run(op, a, vectors, refuse) => svd(a, vectors))
}

/// Eigenvalues of symmetric matrices in increasing order, and vectors as columns, or an empty tensor where none are wanted.
#[track_caller]
pub fn eigh(op: &str, a: &Tensor, wanted: bool, refuse: impl FnOnce(usize, usize) -> Error) -> Result<[Tensor; 2]> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(
        op: &str,
        a: &Tensor,
        wanted: bool,
        refuse: impl FnOnce(usize, usize) -> Error,
    ) -> Result<[Tensor; 2]> {
        let n = a.dim(-1);
        let mut values = UninitTensor::<T>::new(op, &shape(a, &[n]))?;
        let mut vectors = if wanted { columns::<T>(op, a, [n, n])? } else { UninitTensor::new(op, &[0])? };
        kernel::eigh::eigh(a.elements_view(), &mut values, &mut vectors).map_err(|failure| failed(op, failure, refuse))?;
        let vectors = vectors.tensor();
        Ok([values.tensor(), if wanted { vectors.mt() } else { vectors }])
    }
    real!(op, [a], run(op, a, wanted, refuse) => eigh(a))
}

/// A⁻¹
#[track_caller]
pub fn inverse(op: &str, a: &Tensor, refuse: impl FnOnce(usize, usize) -> Error) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(op: &str, a: &Tensor, refuse: impl FnOnce(usize, usize) -> Error) -> Result<Tensor> {
        square(op, a, kernel::inverse::inverse::<T>, refuse)
    }
    real!(op, [a], run(op, a, refuse) => inverse(a))
}

/// X with T X = B, for a triangle T of A; both of one batch.
#[track_caller]
pub fn solve_triangular(
    op: &str,
    a: &Tensor,
    b: &Tensor,
    triangle: Triangle,
    refuse: impl FnOnce(usize, usize) -> Error,
) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(
        op: &str,
        a: &Tensor,
        b: &Tensor,
        triangle: Triangle,
        refuse: impl FnOnce(usize, usize) -> Error,
    ) -> Result<Tensor> {
        let mut x = UninitTensor::<T>::like(op, b)?;
        monotile_kernels::elementwise::copy(b.elements_view(), &mut x);
        kernel::triangular::solve_triangular(a.elements_view(), &mut x, triangle).map_err(|failure| failed(op, failure, refuse))?;
        Ok(x.tensor())
    }
    real!(op, [a, b], run(op, a, b, triangle, refuse) => solve_triangular(a, b, triangle))
}

/// T and Z of the real Schur form A = Z T Zᵀ.
#[track_caller]
pub fn schur(op: &str, a: &Tensor, refuse: impl FnOnce(usize, usize) -> Error) -> Result<[Tensor; 2]> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(op: &str, a: &Tensor, refuse: impl FnOnce(usize, usize) -> Error) -> Result<[Tensor; 2]> {
        let n = a.dim(-1);
        let (mut t, mut z) = (columns::<T>(op, a, [n, n])?, columns::<T>(op, a, [n, n])?);
        kernel::schur::schur(a.elements_view(), &mut t, &mut z).map_err(|failure| failed(op, failure, refuse))?;
        Ok([t.tensor().mt(), z.tensor().mt()])
    }
    real!(op, [a], run(op, a, refuse))
}

/// Values of square matrices by real and imaginary parts, and vectors as columns likewise, or empty tensors where none are wanted.
#[track_caller]
pub fn eig(op: &str, a: &Tensor, wanted: bool, refuse: impl FnOnce(usize, usize) -> Error) -> Result<[Tensor; 4]> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(
        op: &str,
        a: &Tensor,
        wanted: bool,
        refuse: impl FnOnce(usize, usize) -> Error,
    ) -> Result<[Tensor; 4]> {
        let n = a.dim(-1);
        let values = || UninitTensor::<T>::new(op, &shape(a, &[n]));
        let vectors = || if wanted { columns::<T>(op, a, [n, n]) } else { UninitTensor::new(op, &[0, 0]) };
        let (mut re, mut im, mut x, mut y) = (values()?, values()?, vectors()?, vectors()?);
        let found = kernel::eig::Spectra { values: [&mut re, &mut im], vectors: [&mut x, &mut y] };
        kernel::eig::eig(a.elements_view(), found).map_err(|failure| failed(op, failure, refuse))?;
        Ok([re.tensor(), im.tensor(), x.tensor().mt(), y.tensor().mt()])
    }
    real!(op, [a], run(op, a, wanted, refuse))
}

/// X with R X + X S = F, for quasi-triangular R and S; all of one batch.
#[track_caller]
pub fn quasi_triangular(op: &str, [r, s]: [&Tensor; 2], f: &Tensor, refuse: impl FnOnce(usize, usize) -> Error) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(
        op: &str,
        [r, s]: [&Tensor; 2],
        f: &Tensor,
        refuse: impl FnOnce(usize, usize) -> Error,
    ) -> Result<Tensor> {
        let mut x = columns::<T>(op, f, [f.dim(-2), f.dim(-1)])?;
        monotile_kernels::elementwise::copy(f.mt().elements_view(), &mut x);
        kernel::sylvester::quasi_triangular(r.elements_view(), s.elements_view(), &mut x)
            .map_err(|failure| failed(op, failure, refuse))?;
        Ok(x.tensor().mt())
    }
    real!(op, [f, r, s], run(op, [r, s], f, refuse))
}

/// √T of quasi-triangular T.
#[track_caller]
pub fn root(op: &str, t: &Tensor, refuse: impl FnOnce(usize, usize) -> Error) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(op: &str, t: &Tensor, refuse: impl FnOnce(usize, usize) -> Error) -> Result<Tensor> {
        square(op, t, kernel::roots::root::<T>, refuse)
    }
    real!(op, [t], run(op, t, refuse))
}

/// ln T of quasi-triangular T.
#[track_caller]
pub fn logarithm(op: &str, t: &Tensor, refuse: impl FnOnce(usize, usize) -> Error) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(op: &str, t: &Tensor, refuse: impl FnOnce(usize, usize) -> Error) -> Result<Tensor> {
        square(op, t, kernel::roots::logarithm::<T>, refuse)
    }
    real!(op, [t], run(op, t, refuse))
}

/// What a kernel makes of square matrices, which is as large.
#[track_caller]
fn square<T: StorageElement>(
    op: &str,
    a: &Tensor,
    kernel: fn(View<'_, T>, &mut [T]) -> std::result::Result<(), Failure>,
    refuse: impl FnOnce(usize, usize) -> Error,
) -> Result<Tensor> {
    let mut result = columns::<T>(op, a, [a.dim(-1), a.dim(-1)])?;
    kernel(a.elements_view(), &mut result).map_err(|failure| failed(op, failure, refuse))?;
    Ok(result.tensor().mt())
}

/// Matrices m × n of the batch of `a` that a kernel is to write column by column: their transpose.
#[track_caller]
fn columns<T: StorageElement>(op: &str, a: &Tensor, [m, n]: [usize; 2]) -> Result<UninitTensor<T>> {
    UninitTensor::new(op, &shape(a, &[n, m]))
}

/// `(…, sizes)` with the leading dimensions of `a`.
pub(super) fn shape(a: &Tensor, sizes: &[usize]) -> Dims {
    a.shape()[..a.rank() - 2].iter().chain(sizes).copied().collect()
}

/// The error of `op` on a batch: what `refuse` says, or that there is no memory.
#[track_caller]
fn failed(op: &str, failure: Failure, refuse: impl FnOnce(usize, usize) -> Error) -> Error {
    match failure {
        Failure::Matrix { matrix, order } => refuse(matrix, order),
        Failure::Memory(refused) => Error::from(refused).with_context(op),
    }
}

#[track_caller]
fn never(_: usize, _: usize) -> Error {
    unreachable!("every matrix has such factors")
}
