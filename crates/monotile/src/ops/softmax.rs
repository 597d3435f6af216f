//! Softmax and its logarithm.
//!
//! y[i] = exp(x[i]) / Σⱼ exp(x[j]) along one axis

use crate::check;
use crate::door;
use crate::error::Result;
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Functions along an axis: softmax
///
/// Positive numbers that sum to 1.
impl Tensor {
    /// exp(x) / Σ exp(x) along an axis: positive numbers that add up to 1.
    ///
    /// The largest element is taken off first, so that nothing overflows. -∞ weighs nothing; where all are -∞ the result is
    /// NaN. bf16 and f16 count as f32.
    ///
    /// # Gradient
    /// x̄ = y (ȳ − Σ ȳ y)
    ///
    /// # Errors
    /// If there is no such axis; for integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[3.0_f64.ln(), 0.0], &[2])?;
    /// assert!((x.softmax(-1)?.to_vec::<f64>()?[0] - 0.75).abs() < 1e-15);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn softmax(&self, axis: isize) -> Result<Tensor> {
        along("softmax", self, axis, Softmax { logarithm: false })
    }

    /// ln softmax(x) = x − ln Σ exp(x) along an axis, accurate where the softmax itself would round to 0.
    ///
    /// # Gradient
    /// x̄ = ȳ − exp(y) Σ ȳ
    ///
    /// # Errors
    /// As [`softmax`](Tensor::softmax).
    #[track_caller]
    pub fn log_softmax(&self, axis: isize) -> Result<Tensor> {
        along("log_softmax", self, axis, Softmax { logarithm: true })
    }
}

/// Along the last axis by the kernel, along others through a transposition.
#[track_caller]
fn along(op: &str, x: &Tensor, axis: isize, rule: Softmax) -> Result<Tensor> {
    let x = x.to_compute_dtype(op)?;
    let d = check::axis(op, axis, x.rank())? as isize;
    let x = x.transpose(d, -1)?.contiguous_for(op)?;
    let y = door::rowwise::softmax(op, &x, rule.logarithm)?;
    Tensor::record(y, &[&x], rule).transpose(d, -1)
}

#[derive(Clone, Copy)]
struct Softmax {
    logarithm: bool,
}

impl Gradient for Softmax {
    fn name(&self) -> &'static str {
        if self.logarithm { "log_softmax" } else { "softmax" }
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    // x̄ = y (ȳ − Σ ȳ y); of the logarithm x̄ = ȳ − exp(y) Σ ȳ.
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        let y = saved.output(0);
        let g = g.to_dtype(y.dtype())?;
        let dx = if !saved.is_recorded() {
            door::rowwise::softmax_backward("softmax", &y, &g.contiguous_detached("softmax")?, self.logarithm)?
        } else if self.logarithm {
            g.sub(&y.exp()?.mul(&g.sum(&[-1], true)?)?)?
        } else {
            y.mul(&g.sub(&g.mul(&y)?.sum(&[-1], true)?)?)?
        };
        Ok(vec![Some(dx)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    // Columns of a matrix: the axis that the kernel reads through a transposition.
    let columns = |x: &[Vec<f64>], s: &[Vec<usize>], logarithm: bool| {
        let n = s[0][1];
        let sum = |j: usize| x[0].iter().skip(j).step_by(n).map(|v| v.exp()).sum::<f64>();
        let of = |(i, v): (usize, &f64)| if logarithm { v - sum(i % n).ln() } else { v.exp() / sum(i % n) };
        vec![x[0].iter().enumerate().map(of).collect()]
    };
    let samples = |spec: Spec| spec.sample("matrix", vec![normal(&[3, 4])]).sample("empty", vec![normal(&[3, 0])]).orders(2);
    vec![
        samples(Spec::new("softmax", |x| Ok(vec![x[0].softmax(0)?])))
            .shaped_reference(move |x, s| columns(x, s, false))
            .refuses(vec![normal(&[])], "softmax: axis 0 is not an axis of a tensor of rank 0"),
        samples(Spec::new("log_softmax", |x| Ok(vec![x[0].log_softmax(0)?]))).shaped_reference(move |x, s| columns(x, s, true)),
        Spec::new("softmax over the last axis", |x| Ok(vec![x[0].softmax(-1)?, x[0].log_softmax(-1)?]))
            .sample("cube", vec![normal(&[2, 3, 5])])
            .sample("one number a row", vec![normal(&[3, 1])])
            .property("Σ y = 1", |_, y| {
                Ok(y[0].sum(&[-1], false)?.to_f64_vec().unwrap().iter().fold(0.0, |m: f64, s| m.max((s - 1.0).abs())))
            })
            .property("exp(ln y) = y", |_, y| {
                Ok((y[1].exp()? - &y[0]).to_f64_vec().unwrap().iter().fold(0.0, |m: f64, d| m.max(d.abs())))
            })
            .orders(2),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: softmax, log_softmax, softmax_over_the_last_axis);
