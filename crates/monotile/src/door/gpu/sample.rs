//! Pictures at the points of a grid.

use monotile_gpu::{GpuOperand, GpuSampler};

use super::GpuDoor;
use crate::door::gather::{SampleRule, sample_dims};
use crate::error::Result;
use crate::tensor::{Dims, Tensor};

impl GpuDoor {
    #[track_caller]
    fn sampler(&self, rule: SampleRule, pictures: &[usize], grid: &Tensor) -> Result<GpuSampler> {
        self.done(GpuSampler::new(self.stream(), sample_dims(pictures, grid), rule, &self.operand(grid)?))
    }

    #[track_caller]
    pub fn sample(&self, rule: SampleRule, x: &Tensor, grid: &Tensor) -> Result<Tensor> {
        let block = self.done(self.sampler(rule, x.shape(), grid)?.samples(&self.operand(x)?))?;
        let shape: Dims = x.shape()[..2].iter().chain(&grid.shape()[1..grid.rank() - 1]).copied().collect();
        self.tensor(block, &shape)
    }

    #[track_caller]
    pub fn picture_gradient(&self, rule: SampleRule, shape: &[usize], grid: &Tensor, g: &Tensor) -> Result<Tensor> {
        self.tensor(self.done(self.sampler(rule, shape, grid)?.by_pictures(&self.operand(g)?))?, shape)
    }

    #[track_caller]
    pub fn grid_gradient(&self, rule: SampleRule, x: &Tensor, grid: &Tensor, g: &Tensor) -> Result<Tensor> {
        let pictures: GpuOperand = self.operand(x)?;
        let block = self.done(self.sampler(rule, x.shape(), grid)?.by_grid(&pictures, &self.operand(g)?))?;
        self.tensor(block, grid.shape())
    }
}
