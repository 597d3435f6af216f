//! Orders of rows, elements chosen by them, and counts. Places and counts are i32.
//! How many results there are is read on the host where that depends on values, and so are the ends of integers that are counted.

use monotile_gpu::{
    GpuBlock, GpuDistinct, coordinates, count_between, count_integers, distinct, most_frequent, order_rows, places_among,
    places_set, running_extrema,
};
use monotile_kernels::number::{Expr, Number, record};

use super::GpuDoor;
use crate::error::Result;
use crate::tensor::storage::Storage;
use crate::tensor::{DType, Tensor};

impl GpuDoor {
    /// Integers of a kernel as a tensor.
    #[track_caller]
    fn places(&self, block: GpuBlock, sizes: &[usize]) -> Result<Tensor> {
        Ok(self.gpu.tensor(block, DType::I32, self.shape(sizes)?))
    }

    #[track_caller]
    pub fn sort(&self, x: &Tensor, descending: bool) -> Result<(Tensor, Tensor)> {
        let places = self.argsort(x, descending)?;
        Ok((self.gather(x, x.rank() - 1, &places)?, places))
    }

    #[track_caller]
    pub fn argsort(&self, x: &Tensor, descending: bool) -> Result<Tensor> {
        self.places(self.done(order_rows(self.stream(), &self.operand(x)?, descending))?, x.shape())
    }

    #[track_caller]
    pub fn smallest(&self, x: &Tensor, k: usize, largest: bool) -> Result<Tensor> {
        self.argsort(x, largest)?.slice(-1, 0..k)?.contiguous_detached(&self.op)
    }

    #[track_caller]
    pub fn of_ranks(&self, x: &Tensor, ranks: &[usize], nan_for_all: bool) -> Result<Tensor> {
        let (order, axis, n) = (self.argsort(x, false)?, x.rank() - 1, x.dim(-1));
        let ranks: Vec<i64> = ranks.iter().map(|&rank| rank as i64).collect();
        let ranks = self.gpu.upload(&Tensor::from_slice(&ranks, &[ranks.len()])?)?;
        let chosen = self.select(&order, axis, &ranks)?;
        if !nan_for_all || n == 0 {
            return Ok(chosen);
        }
        // NaN is last.
        let last = order.slice(-1, n - 1..n)?.contiguous_detached(&self.op)?;
        let truth = record(|[x]: [Expr; 1]| Expr::select(x.equal(x), Expr::ZERO, Expr::ONE));
        let is_nan = self.map_one(&truth, &[&self.gather(x, axis, &last)?], DType::Bool)?;
        self.where_(&is_nan.expand(chosen.shape())?, &last.expand(chosen.shape())?, &chosen)
    }

    #[track_caller]
    pub fn mode(&self, x: &Tensor, sizes: &[usize]) -> Result<Tensor> {
        self.places(self.done(most_frequent(self.stream(), &self.operand(x)?))?, sizes)
    }

    #[track_caller]
    pub fn unique(&self, x: &Tensor) -> Result<[Tensor; 3]> {
        let GpuDistinct { count, first, inverse, counts } = self.done(distinct(self.stream(), &self.operand(x)?))?;
        Ok([self.places(first, &[count])?, self.places(inverse, x.shape())?, self.places(counts, &[count])?])
    }

    #[track_caller]
    pub fn search(&self, sorted: &Tensor, x: &Tensor, right: bool) -> Result<Tensor> {
        let found = places_among(self.stream(), &self.operand(sorted)?, &self.operand(x)?, right);
        self.places(self.done(found)?, x.shape())
    }

    /// The least and the largest of integers, which are read unless the host has them.
    #[track_caller]
    pub fn extent(&self, x: &Tensor) -> Result<Option<(i64, i64)>> {
        let Storage::Gpu(memory) = x.storage() else { return Err(self.refused()) };
        let all = memory.integers(&self.op, x.layout())?;
        Ok(all.iter().min().zip(all.iter().max()).map(|(&least, &most)| (i64::from(least), i64::from(most))))
    }

    #[track_caller]
    pub fn bincount(&self, x: &Tensor, size: usize) -> Result<Tensor> {
        self.places(self.done(count_integers(self.stream(), &self.operand(x)?, size))?, &[size])
    }

    #[track_caller]
    pub fn histogram(&self, x: &Tensor, edges: &Tensor) -> Result<Tensor> {
        let counts = self.done(count_between(self.stream(), &self.operand(x)?, &self.operand(edges)?))?;
        self.places(counts, &[edges.len() - 1])
    }

    #[track_caller]
    pub fn nonzero(&self, mask: &Tensor) -> Result<Tensor> {
        let (places, count) = self.done(places_set(self.stream(), &self.operand(mask)?))?;
        self.places(places, &[count])
    }

    #[track_caller]
    pub fn coordinates(&self, places: &Tensor, of: &Tensor) -> Result<Tensor> {
        let found = coordinates(self.stream(), &self.operand(places)?, of.shape());
        self.places(self.done(found)?, &[places.len(), of.rank()])
    }

    #[track_caller]
    pub fn scan_extrema(&self, x: &Tensor, axis: usize, largest: bool) -> Result<(Tensor, Tensor)> {
        let places = self.done(running_extrema(self.stream(), &self.operand(x)?, axis, largest))?;
        let places = self.places(places, x.shape())?;
        Ok((self.gather(x, axis, &places)?, places))
    }
}
