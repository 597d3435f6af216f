//! Sums, means, extremes, and what is composed of them.

use monotile_gpu::{GpuReduction, GpuScan, count_up, fill, recurrence, reduce, scan};
use monotile_kernels::number::{Expr, Number, record};
use monotile_kernels::shape::count;

use super::{GpuDoor, repeated};
use crate::door::reduce::{Reduction, Scan, without};
use crate::error::Result;
use crate::tensor::{DType, Dims, Tensor};

impl GpuDoor {
    #[track_caller]
    pub fn reduce(&self, x: &Tensor, axes: &[usize], reduction: Reduction) -> Result<Tensor> {
        let of = |kind| self.reduced(x, axes, kind);
        match reduction {
            Reduction::Sum => of(GpuReduction::Sum),
            Reduction::Mean => of(GpuReduction::Mean),
            Reduction::Max => of(GpuReduction::Max),
            Reduction::Min => of(GpuReduction::Min),
            Reduction::Prod => of(GpuReduction::Product),
            Reduction::Variance { correction } => {
                let mean = repeated(&of(GpuReduction::Mean)?, &x.layout().shape, axes);
                let squares = self.map_one(&record(|[x, mu]: [Expr; 2]| (x - mu) * (x - mu)), &[x, &mean], DType::F32)?;
                let n = count(&axes.iter().map(|&d| x.shape()[d]).collect::<Vec<_>>()) as f64;
                let n = Tensor::scalar((n - correction) as f32);
                let scaled = record(|[y, n]: [Expr; 2]| y / n);
                self.map_one(&scaled, &[&self.reduced(&squares, axes, GpuReduction::Sum)?, &n], DType::F32)
            }
            // m + ln Σ exp(x − m), with m = 0 where the largest is not finite.
            Reduction::LogSumExp => {
                let far = Expr::from_f64(f64::INFINITY);
                let finite = record(|[m]: [Expr; 1]| Expr::select(m.abs().less(far), m, Expr::ZERO));
                let shift = self.map_one(&finite, &[&of(GpuReduction::Max)?], DType::F32)?;
                let everywhere = repeated(&shift, &x.layout().shape, axes);
                let powers = self.map_one(&record(|[x, m]: [Expr; 2]| (x - m).exp()), &[x, &everywhere], DType::F32)?;
                let sum = self.reduced(&powers, axes, GpuReduction::Sum)?;
                self.map_one(&record(|[s, m]: [Expr; 2]| s.ln() + m), &[&sum, &shift], DType::F32)
            }
        }
    }

    #[track_caller]
    pub(super) fn reduced(&self, x: &Tensor, axes: &[usize], kind: GpuReduction) -> Result<Tensor> {
        let shape = without(x, axes);
        let none = axes.iter().any(|&d| x.shape()[d] == 0) && count(&shape) > 0;
        let block = match kind {
            GpuReduction::Max if none => fill(self.stream(), f32::NEG_INFINITY, count(&shape)),
            GpuReduction::Min if none => fill(self.stream(), f32::INFINITY, count(&shape)),
            kind => reduce(self.stream(), kind, &self.operand(x)?, axes),
        };
        self.tensor(self.done(block)?, &shape)
    }

    #[track_caller]
    pub fn scan(&self, x: &Tensor, axis: usize, kind: Scan) -> Result<Tensor> {
        if x.dtype().is_integer() {
            return Err(self.refused());
        }
        let kind = match kind {
            Scan::Sum => GpuScan::Sum,
            Scan::Product => GpuScan::Product,
            Scan::LogSumExp => GpuScan::LogSumExp,
        };
        self.tensor(self.done(scan(self.stream(), kind, &self.operand(x)?, axis))?, x.shape())
    }

    #[track_caller]
    pub fn recurrence(&self, a: &Tensor, b: &Tensor, axis: usize) -> Result<Tensor> {
        self.tensor(self.done(recurrence(self.stream(), &self.operand(a)?, &self.operand(b)?, axis))?, b.shape())
    }

    /// The first place of the largest or smallest, or of a NaN, in row-major order over the axes: as i32, exact up to 2²⁴.
    #[track_caller]
    pub fn index_of_extremum(&self, x: &Tensor, axes: &[usize], largest: bool) -> Result<Tensor> {
        if x.dtype().is_integer() {
            return Err(self.refused());
        }
        let kind = if largest { GpuReduction::Max } else { GpuReduction::Min };
        let extreme = repeated(&self.reduced(x, axes, kind)?, &x.layout().shape, axes);
        let sizes: Dims = axes.iter().map(|&d| x.shape()[d]).collect();
        let places = self.tensor(self.done(count_up(self.stream(), count(&sizes)))?, &sizes)?;
        let others: Vec<usize> = (0..x.rank()).filter(|d| !axes.contains(d)).collect();
        let places = repeated(&places, &x.layout().shape, &others);
        let chosen =
            record(|[x, m, place]: [Expr; 3]| Expr::select(x.equal(m) | !x.equal(x), place, Expr::from_f64(f64::from(f32::MAX))));
        let chosen = self.map_one(&chosen, &[x, &extreme, &places], DType::F32)?;
        self.cast(&self.reduced(&chosen, axes, GpuReduction::Min)?, DType::I32)
    }

    /// As i32; exact up to 2²⁴.
    #[track_caller]
    pub fn count_true(&self, x: &Tensor, axes: &[usize]) -> Result<Tensor> {
        self.cast(&self.reduced(x, axes, GpuReduction::Sum)?, DType::I32)
    }

    #[track_caller]
    pub fn logical(&self, x: &Tensor, axes: &[usize], all: bool) -> Result<Tensor> {
        let kind = if all { GpuReduction::Min } else { GpuReduction::Max };
        let extreme = self.reduced(x, axes, kind)?;
        // Of none, the largest is −∞ and the smallest ∞.
        let truth = record(|[x]: [Expr; 1]| Expr::select(Expr::ZERO.less(x), Expr::ONE, Expr::ZERO));
        self.map_one(&truth, &[&extreme], DType::Bool)
    }
}
