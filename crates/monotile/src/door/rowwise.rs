//! Rows along the last axis. Operands are contiguous and of one type, f32 or f64, unless it is said otherwise.
//! [`count_targets`] reads targets on the host, to refuse what is no class.

use monotile_kernels::loss::ClassTargets;
use monotile_kernels::real::Real;
use monotile_kernels::rotary::Angles;
use monotile_kernels::shape::count;
use monotile_kernels::{loss, norm, rotary as kernel_rotary, softmax as kernel};

use super::real;
#[cfg(feature = "gpu")]
use super::{OperandPlace, place};
use crate::error::Result;
use crate::tensor::Tensor;
use crate::tensor::dtype::StorageElement;
use crate::tensor::uninit::UninitTensor;

/// Softmax along the last axis, or its logarithm.
#[track_caller]
pub fn softmax(op: &str, x: &Tensor, logarithm: bool) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Real>(op: &str, x: &Tensor, logarithm: bool) -> Result<Tensor> {
        let mut y = UninitTensor::<T>::like(op, x)?;
        kernel::softmax(x.elements(), x.dim(-1), logarithm, &mut y);
        Ok(y.tensor())
    }
    real!(op, [x], run(op, x, logarithm) => softmax(x, logarithm))
}

/// x̄ from y and ȳ.
#[track_caller]
pub fn softmax_backward(op: &str, y: &Tensor, g: &Tensor, logarithm: bool) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Real>(op: &str, y: &Tensor, g: &Tensor, logarithm: bool) -> Result<Tensor> {
        let mut dx = UninitTensor::<T>::like(op, y)?;
        kernel::softmax_backward(y.elements(), g.elements(), y.dim(-1), logarithm, &mut dx);
        Ok(dx.tensor())
    }
    real!(op, [y, g], run(op, y, g, logarithm) => softmax_backward(y, g, logarithm))
}

/// y, and [μ, ρ] of each row: its mean and the reciprocal of its deviation.
#[track_caller]
pub fn layer_norm(op: &str, x: &Tensor, parameters: [&Tensor; 2], eps: f64) -> Result<(Tensor, [Tensor; 2])> {
    #[track_caller]
    fn run<T: StorageElement + Real>(op: &str, x: &Tensor, [w, b]: [&Tensor; 2], eps: f64) -> Result<(Tensor, [Tensor; 2])> {
        let mut y = UninitTensor::<T>::like(op, x)?;
        let (mut mu, mut rho) = (UninitTensor::<T>::new(op, &[rows(x)])?, UninitTensor::<T>::new(op, &[rows(x)])?);
        norm::layer_norm(x.elements(), [w.elements(), b.elements()], eps, &mut y, [&mut mu, &mut rho]);
        Ok((y.tensor(), [mu, rho].map(UninitTensor::tensor)))
    }
    real!(op, [x, parameters[0], parameters[1]], run(op, x, parameters, eps) => layer_norm(x, parameters, eps))
}

/// Those of x̄, w̄ and b̄ that are needed, from x, w, μ, ρ and ȳ.
#[track_caller]
pub fn layer_norm_backward(op: &str, forward: [&Tensor; 4], g: &Tensor, needs: [bool; 3]) -> Result<Vec<Option<Tensor>>> {
    #[track_caller]
    fn run<T: StorageElement + Real>(
        op: &str,
        [x, w, mu, rho]: [&Tensor; 4],
        g: &Tensor,
        needs: [bool; 3],
    ) -> Result<Vec<Option<Tensor>>> {
        let mut dx = if needs[0] { UninitTensor::<T>::like(op, x)? } else { UninitTensor::new(op, &[0])? };
        let mut dwb = UninitTensor::<T>::new(op, &[if needs[1] || needs[2] { 2 } else { 0 }, w.len()])?;
        let forward = norm::LayerNormSaved { x: x.elements(), w: w.elements(), mu: mu.elements(), rho: rho.elements() };
        norm::layer_norm_backward(forward, g.elements(), &mut dx, &mut dwb)?;
        let dwb = dwb.tensor();
        let half = |wanted: bool, k: usize| wanted.then(|| dwb.select(0, k)).transpose();
        Ok(vec![needs[0].then(|| dx.tensor()), half(needs[1], 0)?, half(needs[2], 1)?])
    }
    real!(op, [forward[0], forward[1], g], run(op, forward, g, needs) => layer_norm_backward(forward, g, needs))
}

/// y, and the reciprocal of the root mean square of each row.
#[track_caller]
pub fn rms_norm(op: &str, x: &Tensor, w: &Tensor, eps: f64) -> Result<[Tensor; 2]> {
    #[track_caller]
    fn run<T: StorageElement + Real>(op: &str, x: &Tensor, w: &Tensor, eps: f64) -> Result<[Tensor; 2]> {
        let (mut y, mut rho) = (UninitTensor::<T>::like(op, x)?, UninitTensor::<T>::new(op, &[rows(x)])?);
        norm::rms_norm(x.elements(), w.elements(), eps, &mut y, &mut rho);
        Ok([y, rho].map(UninitTensor::tensor))
    }
    real!(op, [x, w], run(op, x, w, eps) => rms_norm(x, w, eps))
}

/// Those of x̄ and w̄ that are needed, from x, w, ρ and ȳ.
#[track_caller]
pub fn rms_norm_backward(op: &str, forward: [&Tensor; 3], g: &Tensor, needs: [bool; 2]) -> Result<Vec<Option<Tensor>>> {
    #[track_caller]
    fn run<T: StorageElement + Real>(
        op: &str,
        [x, w, rho]: [&Tensor; 3],
        g: &Tensor,
        needs: [bool; 2],
    ) -> Result<Vec<Option<Tensor>>> {
        let wanted = |i: usize, x: &Tensor| if needs[i] { UninitTensor::<T>::like(op, x) } else { UninitTensor::new(op, &[0]) };
        let (mut dx, mut dw) = (wanted(0, x)?, wanted(1, w)?);
        let forward = norm::RmsNormSaved { x: x.elements(), w: w.elements(), rho: rho.elements() };
        norm::rms_norm_backward(forward, g.elements(), &mut dx, &mut dw)?;
        Ok(vec![needs[0].then(|| dx.tensor()), needs[1].then(|| dw.tensor())])
    }
    real!(op, [forward[0], forward[1], g], run(op, forward, g, needs) => rms_norm_backward(forward, g, needs))
}

fn rows(x: &Tensor) -> usize {
    count(&x.shape()[..x.rank() - 1])
}

/// Whether all targets, contiguous, are classes or ignored: how many are classes, or the first that is neither, and its row.
pub fn count_targets(targets: &Tensor, classes: usize, ignored: Option<i64>) -> std::result::Result<usize, (usize, i64)> {
    #[cfg(feature = "gpu")]
    if !targets.device().is_cpu() {
        return super::gpu::count_targets(targets, classes, ignored);
    }
    let mut count = 0;
    for (row, &target) in targets.elements::<i64>().iter().enumerate() {
        if Some(target) == ignored {
            continue;
        }
        if !(0..classes as i64).contains(&target) {
            return Err((row, target));
        }
        count += 1;
    }
    Ok(count)
}

/// The mean over `count` rows of −ln softmax(x)[target], and [m, ln l] of each row.
#[track_caller]
pub fn cross_entropy(op: &str, x: &Tensor, targets: &Tensor, ignored: Option<i64>, count: usize) -> Result<(Tensor, [Tensor; 2])> {
    #[track_caller]
    fn run<T: StorageElement + Real>(
        op: &str,
        x: &Tensor,
        targets: &Tensor,
        ignored: Option<i64>,
        count: usize,
    ) -> Result<(Tensor, [Tensor; 2])> {
        let (mut m, mut ln_l) = (UninitTensor::<T>::new(op, &[targets.len()])?, UninitTensor::<T>::new(op, &[targets.len()])?);
        let sum = loss::cross_entropy(x.elements(), ClassTargets { classes: targets.elements(), ignored }, &mut m, &mut ln_l);
        let mean = UninitTensor::filled(op, &[], T::from_f64(sum / count as f64))?.tensor();
        Ok((mean, [m, ln_l].map(UninitTensor::tensor)))
    }
    real!(op, [x, targets], run(op, x, targets, ignored, count) => cross_entropy(x, targets, ignored, count))
}

/// x̄ = ȳ / count · (softmax(x) − one-hot), from [m, ln l] of each row and the scalar ȳ.
#[track_caller]
pub fn cross_entropy_backward(
    op: &str,
    x: &Tensor,
    (targets, ignored, count): (&Tensor, Option<i64>, usize),
    kept: [&Tensor; 2],
    g: &Tensor,
) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Real>(
        op: &str,
        x: &Tensor,
        targets: ClassTargets<'_>,
        kept: [&Tensor; 2],
        (g, count): (&Tensor, usize),
    ) -> Result<Tensor> {
        let mut dx = UninitTensor::<T>::like(op, x)?;
        loss::cross_entropy_backward(x.elements(), targets, kept.map(Tensor::elements), g.elements(), count, &mut dx);
        Ok(dx.tensor())
    }
    #[cfg(feature = "gpu")]
    if let OperandPlace::Gpu(gpu) = place(op, &[x, targets, g])? {
        return gpu.cross_entropy_backward(x, (targets, ignored, count), kept[0], g);
    }
    real!(op, [x, targets, g], run(op, x, ClassTargets { classes: targets.elements(), ignored }, kept, (g, count)))
}

/// Pairs of each row rotated by the angles of its position; rows may lie anywhere, their elements one after another.
#[track_caller]
pub fn rotary(op: &str, x: &Tensor, [cos, sin]: [&Tensor; 2], inverse: bool) -> Result<Tensor> {
    #[track_caller]
    fn run<T: StorageElement + Real>(op: &str, x: &Tensor, cos: &Tensor, sin: &Tensor, inverse: bool) -> Result<Tensor> {
        let mut out = UninitTensor::<T>::like(op, x)?;
        kernel_rotary::rotary(x.elements_view(), Angles { cos: cos.elements(), sin: sin.elements(), inverse }, &mut out);
        Ok(out.tensor())
    }
    real!(op, [x, cos, sin], run(op, x, cos, sin, inverse) => rotary(x, [cos, sin], inverse))
}
