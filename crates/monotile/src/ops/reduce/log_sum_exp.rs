//! ln Σ eˣ over axes, without overflow.

use super::ones_at;
use crate::check;
use crate::door::reduce::{Reduction, reduce};
use crate::error::Result;
use crate::tape::{Gradient, Saved};
use crate::tensor::position::AxisList;
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::Spec;

/// # Reduce: log-sum-exp
///
/// A sum of exponentials that does not overflow.
impl Tensor {
    /// ln Σ eˣ over `axes`, or over all of them where none are named: -∞ over no elements. The axes disappear, or stay with size 1
    /// where `keepdim` is set.
    ///
    /// The largest element is taken out first, so that nothing overflows.
    ///
    /// # Gradient
    /// x̄ = ȳ e^(x - y), the softmax; 0 where all elements are -∞.
    ///
    /// # Errors
    /// If an axis does not exist or is named twice; for integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[1000.0_f64, 1000.0], &[2])?;
    /// assert_eq!(x.logsumexp(&[], false)?.item::<f64>()?, 1000.0 + 2.0_f64.ln());
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn logsumexp(&self, axes: impl AxisList, keepdim: bool) -> Result<Tensor> {
        logsumexp(self, &axes.list(self.rank()), keepdim)
    }
}

#[track_caller]
fn logsumexp(x: &Tensor, axes: &[isize], keepdim: bool) -> Result<Tensor> {
    let x = x.to_compute_dtype("logsumexp")?;
    let axes = check::axes("logsumexp", axes, x.rank())?;
    let y = reduce("logsumexp", &x, &axes, Reduction::LogSumExp)?;
    Tensor::record(y, &[&x], LogSumExp { axes: axes.clone() }).with_axes_kept(x.shape(), &axes, keepdim)
}

struct LogSumExp {
    axes: Dims,
}

impl Gradient for LogSumExp {
    fn name(&self) -> &'static str {
        "logsumexp"
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    // x̄ = ȳ e^(x - y)
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        let shape = ones_at(saved.input_shape(0), &self.axes);
        // A finite bound in place of -∞, where x - y would be NaN: e^(-∞ - bound) is 0.
        let y = saved.output(0).clamp(f64::from(f32::MIN), f64::INFINITY)?.reshape(&shape)?;
        Ok(vec![Some(g.reshape(&shape)?.mul(&saved.input(0).sub(&y)?.exp()?)?)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let plain = |g: &[f64]| g.iter().map(|v| v.exp()).sum::<f64>().ln();
    let mut all = super::reduction_spec("logsumexp", |x, axes| x.logsumexp(axes, false), plain);
    let integers = vec![Tensor::arange(3).unwrap()];
    let words = "logsumexp: takes floating-point numbers, got i64; cast with to_dtype";
    all.push(Spec::new("logsumexp", |x| Ok(vec![x[0].logsumexp(&[], false)?])).refuses(integers, words));
    all
}

#[cfg(test)]
crate::testing::spec_tests!(specs: logsumexp);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_minus_infinity_have_gradient_zero() {
        let x = Tensor::full(&[3], f64::NEG_INFINITY).unwrap().requires_grad();
        let y = x.logsumexp(&[], false).unwrap();
        assert_eq!(y.item::<f64>().unwrap(), f64::NEG_INFINITY);
        assert_eq!(y.backward().unwrap().get(&x).unwrap().to_f64_vec().unwrap(), [0.0; 3]);
    }
}
