//! Spectral decompositions of one large matrix by the crate faer: the only file that knows it.
//!
//! Matrices are finite and lie column by column. `false` tells that the iteration did not converge.

use faer::diag::{DiagMut, DiagRef};
use faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd_scratch, tridiagonal_self_adjoint_evd};
use faer::linalg::svd::{ComputeSvdVectors, svd as faer_svd, svd_scratch};
use faer::traits::RealField;
use faer::{MatMut, MatRef, Par, Spec};

use crate::buffer::OutOfMemory;
use crate::real::Real;

/// Eigenvalues in increasing order, and vectors unless their slice is empty, of a tridiagonal matrix: its diagonal, and what is
/// beside it.
pub(super) fn tridiagonal<T: Real>(
    [diagonal, beside]: [&[T]; 2],
    values: &mut [T],
    vectors: &mut [T],
) -> Result<bool, OutOfMemory> {
    use bytemuck::{cast_slice as cast, cast_slice_mut as cast_mut};
    if size_of::<T>() == 8 {
        tridiagonal_of::<f64>([cast(diagonal), cast(beside)], cast_mut(values), cast_mut(vectors))
    } else {
        tridiagonal_of::<f32>([cast(diagonal), cast(beside)], cast_mut(values), cast_mut(vectors))
    }
}

fn tridiagonal_of<T: RealField>([diagonal, beside]: [&[T]; 2], values: &mut [T], vectors: &mut [T]) -> Result<bool, OutOfMemory> {
    let (n, wanted) = (diagonal.len(), !vectors.is_empty());
    let compute = if wanted { ComputeEigenvectors::Yes } else { ComputeEigenvectors::No };
    let params = Spec::<_, T>::default();
    let mut memory = memory(self_adjoint_evd_scratch(n, compute, Par::Seq, params))?;
    let u = wanted.then(|| MatMut::from_column_major_slice_mut(vectors, n, n));
    let [diagonal, beside] = [diagonal, beside].map(DiagRef::from_slice);
    let values = DiagMut::from_slice_mut(values);
    Ok(tridiagonal_self_adjoint_evd(diagonal, beside, values, u, Par::Seq, MemStack::new(&mut memory), params).is_ok())
}

/// What faer works in.
fn memory(size: StackReq) -> Result<MemBuffer, OutOfMemory> {
    MemBuffer::try_new(size).map_err(|_| OutOfMemory { bytes: size.size_bytes() })
}

/// Singular values in decreasing order, and as many columns of U and V unless their slices are empty.
pub(super) fn svd<T: Real>(a: &[T], sizes: [usize; 2], s: &mut [T], uv: [&mut [T]; 2]) -> Result<bool, OutOfMemory> {
    use bytemuck::{cast_slice as cast, cast_slice_mut as cast_mut};
    if size_of::<T>() == 8 {
        svd_of::<f64>(cast(a), sizes, cast_mut(s), uv.map(cast_mut))
    } else {
        svd_of::<f32>(cast(a), sizes, cast_mut(s), uv.map(cast_mut))
    }
}

fn svd_of<T: RealField>(a: &[T], [m, n]: [usize; 2], s: &mut [T], [u, v]: [&mut [T]; 2]) -> Result<bool, OutOfMemory> {
    let (wanted, k) = (!u.is_empty(), s.len());
    // A full U of a tall matrix comes out with columns that are not orthogonal, so that callers complete a thin one.
    let compute = if wanted { ComputeSvdVectors::Thin } else { ComputeSvdVectors::No };
    let params = Spec::<_, T>::default();
    let mut memory = memory(svd_scratch(m, n, compute, compute, Par::Seq, params))?;
    let a = MatRef::from_column_major_slice(a, m, n);
    let u = wanted.then(|| MatMut::from_column_major_slice_mut(u, m, k));
    let v = wanted.then(|| MatMut::from_column_major_slice_mut(v, n, k));
    Ok(faer_svd(a, DiagMut::from_slice_mut(s), u, v, Par::Seq, MemStack::new(&mut memory), params).is_ok())
}
