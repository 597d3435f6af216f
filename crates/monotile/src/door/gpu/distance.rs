//! Distances of all pairs of points.

use monotile_gpu::{distances, weighted_differences};

use super::GpuDoor;
use crate::door::distance::Metric;
use crate::error::Result;
use crate::tensor::{Dims, Tensor};

impl GpuDoor {
    #[track_caller]
    pub fn distances(&self, metric: Metric, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        let block = self.done(distances(self.stream(), metric, &self.operand(x)?, &self.operand(y)?))?;
        let mut shape = Dims::from(x.shape());
        shape[x.rank() - 1] = y.dim(-1);
        self.tensor(block, &shape)
    }

    #[track_caller]
    pub fn weighted(&self, metric: Metric, [x, y]: [&Tensor; 2], w: &Tensor, kept: Option<&Tensor>) -> Result<Tensor> {
        let (points, weights) = ([self.operand(x)?, self.operand(y)?], [self.operand(w)?, self.operand(kept.unwrap_or(w))?]);
        let found = weighted_differences(self.stream(), metric, points.each_ref(), weights.each_ref());
        self.tensor(self.done(found)?, x.shape())
    }
}
