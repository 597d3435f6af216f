//! Rows along the last axis. What a norm's gradient needs it computes again, so that nothing is kept.
//! [`count_targets`] looks at targets on the host, where those that came from there have a copy.

use monotile_gpu::{
    GpuClasses, GpuOperand, GpuReduction, GpuType, cross_entropy, cross_entropy_backward, layer_norm, layer_norm_backward,
    log_softmax, rms_norm, rms_norm_backward, softmax,
};
use monotile_kernels::number::{Expr, Number, record};

use super::{GpuDoor, repeated};
use crate::error::Result;
use crate::tensor::gpu::number;
use crate::tensor::storage::Storage;
use crate::tensor::{DType, Tensor};

impl GpuDoor {
    #[track_caller]
    pub fn softmax(&self, x: &Tensor, logarithm: bool) -> Result<Tensor> {
        let kernel = if logarithm { log_softmax } else { softmax };
        let block = self.done(kernel(self.stream(), &self.operand(x)?, x.rank() - 1))?;
        self.tensor(block, x.shape())
    }

    /// x̄ = y (ȳ − Σ y ȳ), or ȳ − exp(y) Σ ȳ where y is the logarithm.
    #[track_caller]
    pub fn softmax_backward(&self, y: &Tensor, g: &Tensor, logarithm: bool) -> Result<Tensor> {
        let (shape, last) = (&y.layout().shape, y.rank() - 1);
        let sum = if logarithm {
            self.reduced(g, &[last], GpuReduction::Sum)?
        } else {
            self.reduced(&self.map_one(&record(|[y, g]: [Expr; 2]| y * g), &[y, g], DType::F32)?, &[last], GpuReduction::Sum)?
        };
        let rule = record(|[y, g, s]: [Expr; 3]| if logarithm { g - y.exp() * s } else { y * (g - s) });
        self.map_one(&rule, &[y, g, &repeated(&sum, shape, &[last])], DType::F32)
    }

    #[track_caller]
    pub fn layer_norm(&self, x: &Tensor, [w, b]: [&Tensor; 2], eps: f64) -> Result<(Tensor, [Tensor; 2])> {
        let (seen, w, b) = (self.operand(x)?, self.operand(w)?, self.operand(b)?);
        let block = self.done(layer_norm(self.stream(), &seen, [&w, &b], eps as f32))?;
        Ok((self.tensor(block, x.shape())?, [(); 2].map(|()| Tensor::scalar(eps as f32))))
    }

    /// `forward` is x, w, and ε twice.
    #[track_caller]
    pub fn layer_norm_backward(&self, [x, w, eps, _]: [&Tensor; 4], g: &Tensor, needs: [bool; 3]) -> Result<Vec<Option<Tensor>>> {
        let (seen, weight, dy) = (self.operand(x)?, self.operand(w)?, self.operand(g)?);
        let eps = number(eps).unwrap_or(0.0) as f32;
        let of = self.done(layer_norm_backward(self.stream(), &seen, [&weight, &weight], eps, &dy))?;
        let dwb = self.tensor(of.dwb, &[2, w.len()])?;
        let half = |wanted: bool, k: usize| wanted.then(|| dwb.select(0, k)).transpose();
        let dx = self.tensor(of.dx, x.shape())?;
        Ok(vec![needs[0].then_some(dx), half(needs[1], 0)?, half(needs[2], 1)?])
    }

    #[track_caller]
    pub fn rms_norm(&self, x: &Tensor, w: &Tensor, eps: f64) -> Result<[Tensor; 2]> {
        let block = self.done(rms_norm(self.stream(), &self.operand(x)?, &self.operand(w)?, eps as f32))?;
        Ok([self.tensor(block, x.shape())?, Tensor::scalar(eps as f32)])
    }

    /// `forward` is x, w and ε.
    #[track_caller]
    pub fn rms_norm_backward(&self, [x, w, eps]: [&Tensor; 3], g: &Tensor, needs: [bool; 2]) -> Result<Vec<Option<Tensor>>> {
        let (seen, weight, dy) = (self.operand(x)?, self.operand(w)?, self.operand(g)?);
        let of = self.done(rms_norm_backward(self.stream(), &seen, &weight, number(eps).unwrap_or(0.0) as f32, &dy))?;
        let (dx, dw) = (self.tensor(of.dx, x.shape())?, self.tensor(of.dw, w.shape())?);
        Ok(vec![needs[0].then_some(dx), needs[1].then_some(dw)])
    }

    /// The logits and the targets as rows, and the class that is ignored.
    #[track_caller]
    fn rows_and_classes(
        &self,
        x: &Tensor,
        targets: &Tensor,
        ignored: Option<i64>,
    ) -> Result<(GpuOperand, GpuOperand, Option<i32>)> {
        let rows = x.reshape(&[targets.len(), x.dim(-1)])?;
        let classes = targets.reshape(&[targets.len()])?;
        Ok((self.operand(&rows)?, self.operand(&classes)?, ignored.and_then(|class| i32::try_from(class).ok())))
    }

    /// The mean, and m and ln l of each row in one tensor, twice.
    #[track_caller]
    pub fn cross_entropy(&self, x: &Tensor, targets: &Tensor, ignored: Option<i64>, count: usize) -> Result<(Tensor, [Tensor; 2])> {
        let (rows, classes, ignored) = self.rows_and_classes(x, targets, ignored)?;
        let of = self.done(cross_entropy(self.stream(), &rows, GpuClasses { classes: &classes, ignored }))?;
        let losses = self.tensor(of.loss, &[targets.len()])?;
        let sum = self.reduced(&losses, &[0], GpuReduction::Sum)?;
        let count = Tensor::scalar(count as f32);
        let mean = self.map_one(&record(|[s, n]: [Expr; 2]| s / n), &[&sum, &count], DType::F32)?;
        let sums = self.tensor(of.sums, &[targets.len(), 2])?;
        Ok((mean, [sums.clone(), sums]))
    }

    #[track_caller]
    pub fn cross_entropy_backward(
        &self,
        x: &Tensor,
        (targets, ignored, count): (&Tensor, Option<i64>, usize),
        sums: &Tensor,
        g: &Tensor,
    ) -> Result<Tensor> {
        let (rows, classes, ignored) = self.rows_and_classes(x, targets, ignored)?;
        let count = Tensor::scalar(count as f32);
        let share = self.map_one(&record(|[g, n]: [Expr; 2]| g / n), &[g, &count], DType::F32)?;
        let share = self.gpu.whole_block(&self.op, &share)?;
        let dy = self.done(GpuOperand::strided(&share, GpuType::F32, &[targets.len()], &[0], 0))?;
        let sums = self.gpu.whole_block(&self.op, sums)?;
        let classes = GpuClasses { classes: &classes, ignored };
        let block = self.done(cross_entropy_backward(self.stream(), &rows, classes, &sums, &dy))?;
        self.tensor(block, x.shape())
    }

    /// y₁ = x₁ cos − x₂ sin, y₂ = x₂ cos + x₁ sin of the halves of each row.
    #[track_caller]
    pub fn rotary(&self, x: &Tensor, [cos, sin]: [&Tensor; 2], inverse: bool) -> Result<Tensor> {
        let (d, x) = (x.dim(-1) / 2, x.detach());
        let halves = [x.slice(-1, ..d)?, x.slice(-1, d..)?];
        let tables = [cos.detach().expand(halves[0].shape())?, sin.detach().expand(halves[0].shape())?];
        let graph = record(|[a, b, cos, sin]: [Expr; 4]| {
            let sin = if inverse { -sin } else { sin };
            [a * cos - b * sin, b * cos + a * sin]
        });
        let turned = self.map(&graph, &[&halves[0], &halves[1], &tables[0], &tables[1]], DType::F32)?;
        self.join(&turned, x.rank() - 1, &x.layout().shape)
    }
}

/// How many targets are classes, or the first that is neither a class nor ignored, and its row.
pub(crate) fn count_targets(targets: &Tensor, classes: usize, ignored: Option<i64>) -> std::result::Result<usize, (usize, i64)> {
    let Storage::Gpu(memory) = targets.storage() else { return Ok(0) };
    // A device that fails tells it when its results are read.
    let integers = memory.integers("cross_entropy", targets.layout()).unwrap_or_default();
    let mut counted = 0;
    for (row, target) in integers.into_iter().map(i64::from).enumerate() {
        match target {
            target if Some(target) == ignored => {}
            target if (0..classes as i64).contains(&target) => counted += 1,
            target => return Err((row, target)),
        }
    }
    Ok(counted)
}
