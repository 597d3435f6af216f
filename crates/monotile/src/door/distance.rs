//! Distances of all pairs of points. Operands are contiguous and of one type, f32 or f64; leading dimensions are those of both sets.

pub use monotile_kernels::distance::Metric;
use monotile_kernels::distance::{PairDims, distances as all, weighted_differences};
use monotile_kernels::shape::count;
use monotile_kernels::simd::Lanes;

use super::real;
use crate::error::Result;
use crate::tensor::dtype::StorageElement;
use crate::tensor::uninit::UninitTensor;
use crate::tensor::{Dims, Tensor};

/// The distance of each of the points x `(…, m, d)` from each of y, in columns `(…, d, q)`: `(…, m, q)`.
#[track_caller]
pub fn distances(op: &str, metric: Metric, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(op: &str, metric: Metric, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        let mut shape = Dims::from(x.shape());
        shape[x.rank() - 1] = y.dim(-1);
        let mut out = UninitTensor::<T>::new(op, &shape)?;
        all(sizes(x, y), metric, x.elements(), y.elements(), &mut out);
        Ok(out.tensor())
    }
    real!(op, [x, y], run(op, metric, x, y) => distances(metric, x, y))
}

/// What the gradient by x sums: weights w `(…, m, q)` times the slopes of the metric; `kept` are the distances, where the metric reads them.
#[track_caller]
pub fn weighted(op: &str, metric: Metric, [x, y]: [&Tensor; 2], w: &Tensor, kept: Option<&Tensor>) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Lanes>(
        op: &str,
        metric: Metric,
        [x, y]: [&Tensor; 2],
        w: &Tensor,
        kept: Option<&Tensor>,
    ) -> Result<Tensor> {
        let mut out = UninitTensor::<T>::like(op, x)?;
        let kept = kept.map_or(&[][..], Tensor::elements);
        weighted_differences(sizes(x, y), metric, x.elements(), y.elements(), w.elements(), kept, &mut out);
        Ok(out.tensor())
    }
    real!(op, [x, y, w], run(op, metric, [x, y], w, kept) => weighted(metric, [x, y], w, kept))
}

fn sizes(x: &Tensor, y: &Tensor) -> PairDims {
    let batch = count(&x.shape()[..x.rank() - 2]);
    PairDims { batch, rows: x.dim(-2), columns: y.dim(-1), coordinates: x.dim(-1) }
}
