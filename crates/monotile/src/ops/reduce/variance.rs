//! The variance over axes.

use monotile_kernels::shape::product;

use super::ones_at;
use crate::check;
use crate::door::reduce::{Reduction, reduce};
use crate::error::{Error, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::position::AxisList;
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Reduce: variance
///
/// Over the axes that are named, or over all, with a correction of the count.
impl Tensor {
    /// The variance Σ (x - mean)² / (n - correction) over `axes`, or over all of them where none are named. They disappear, or stay with
    /// size 1 where `keepdim` is set.
    ///
    /// `correction` is 0 for the variance of a population, 1 for its unbiased estimate from a sample (Bessel). Computed in
    /// two passes, so that a large mean does not cancel. NaN or ∞ where n does not exceed the correction.
    ///
    /// # Errors
    /// If an axis does not exist or is named twice, or `correction` is negative or no number; for integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[1.0_f64, 2.0, 3.0, 6.0], &[4])?;
    /// assert_eq!(x.var(&[], 0.0, false)?.item::<f64>()?, 3.5);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "variance")]
    #[track_caller]
    pub fn var(&self, axes: impl AxisList, correction: f64, keepdim: bool) -> Result<Tensor> {
        variance("var", self, &axes.list(self.rank()), correction, keepdim)
    }

    /// The standard deviation over `axes`: the root of [`var`](Tensor::var), whose arguments it has.
    ///
    /// # Gradient
    /// x̄ = ȳ (x - mean) / ((n - correction) y); 0 where y is 0.
    ///
    /// # Errors
    /// As [`var`](Tensor::var).
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[1.0_f64, 3.0, 3.0, 5.0], &[4])?;
    /// assert_eq!(x.std(&[], 0.0, false)?.item::<f64>()?, 2.0_f64.sqrt());
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "stddev")]
    #[track_caller]
    pub fn std(&self, axes: impl AxisList, correction: f64, keepdim: bool) -> Result<Tensor> {
        root(&variance("std", self, &axes.list(self.rank()), correction, keepdim)?)
    }

    /// The variance and the mean over `axes`: [`var`](Tensor::var) and [`mean`](Tensor::mean).
    ///
    /// # Errors
    /// As [`var`](Tensor::var).
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from([1.0, 3.0, 3.0, 5.0]);
    /// let (variance, mean) = x.var_mean(.., 0.0, false)?;
    /// assert_eq!((variance.item::<f64>()?, mean.item::<f64>()?), (2.0, 3.0));
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn var_mean(&self, axes: impl AxisList, correction: f64, keepdim: bool) -> Result<(Tensor, Tensor)> {
        let axes = axes.list(self.rank());
        Ok((variance("var_mean", self, &axes, correction, keepdim)?, self.mean(&axes, keepdim)?))
    }

    /// The standard deviation and the mean over `axes`: [`std`](Tensor::std) and [`mean`](Tensor::mean).
    ///
    /// # Errors
    /// As [`std`](Tensor::std).
    #[track_caller]
    pub fn std_mean(&self, axes: impl AxisList, correction: f64, keepdim: bool) -> Result<(Tensor, Tensor)> {
        let axes = axes.list(self.rank());
        Ok((root(&variance("std_mean", self, &axes, correction, keepdim)?)?, self.mean(&axes, keepdim)?))
    }
}

/// The root of a variance: the root of 0 has an infinite slope, which a slope of 0 would make NaN.
#[track_caller]
fn root(variance: &Tensor) -> Result<Tensor> {
    let zero = variance.eq(variance.zeros_like())?;
    let root = zero.where_(variance.ones_like(), variance)?.sqrt()?;
    zero.where_(variance.zeros_like(), &root)
}

#[track_caller]
fn variance(op: &str, x: &Tensor, axes: &[isize], correction: f64, keepdim: bool) -> Result<Tensor> {
    // Positive comparison, so that a NaN is refused.
    if !(correction >= 0.0) {
        return Err(Error::value(format!("{op}: the correction must be at least 0, got {correction}")));
    }
    let x = x.to_compute_dtype(op)?;
    let axes = check::axes(op, axes, x.rank())?;
    let y = reduce(op, &x, &axes, Reduction::Variance { correction })?;
    Tensor::record(y, &[&x], Variance { axes: axes.clone(), correction }).with_axes_kept(x.shape(), &axes, keepdim)
}

struct Variance {
    axes: Dims,
    correction: f64,
}

impl Gradient for Variance {
    fn name(&self) -> &'static str {
        "var"
    }
    // x̄ = ȳ 2 (x - mean) / (n - correction)
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        let (x, shape) = (saved.input(0), saved.input_shape(0));
        let axes: Vec<isize> = self.axes.iter().map(|&d| d as isize).collect();
        let n = product(self.axes.iter().map(|&d| shape[d])) as f64;
        // For a scalar no axis is named, which names all of them: none.
        let centred = x.sub(&x.mean(&axes, true)?)?;
        let g = g.reshape(&ones_at(shape, &self.axes))?.mul_scalar(2.0 / (n - self.correction))?;
        Ok(vec![Some(centred.mul(&g)?)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let squares = |g: &[f64]| {
        let mu = g.iter().sum::<f64>() / g.len() as f64;
        g.iter().map(|v| (v - mu).powi(2)).sum::<f64>()
    };
    let population = move |g: &[f64]| squares(g) / g.len() as f64;
    let sample = move |g: &[f64]| squares(g) / (g.len() as f64 - 1.0);
    let mut all = super::reduction_spec("var", |x, axes| x.var(axes, 0.0, false), population);
    all.extend(super::reduction_spec("var", |x, axes| x.var(axes, 1.0, false), sample));
    let refused = Spec::new("var", |x| Ok(vec![x[0].var(&[], -1.0, false)?]))
        .refuses(vec![normal(&[3])], "var: the correction must be at least 0, got -1");
    all.push(refused);
    all.extend(super::reduction_spec("std", |x, axes| x.std(axes, 1.0, false), move |g| sample(g).sqrt()));
    let two = |(spread, mean): (Tensor, Tensor)| Ok(vec![spread, mean]);
    let mean = |g: &[f64]| g.iter().sum::<f64>() / g.len() as f64;
    let with_mean = |spec: Spec, spread: fn(f64) -> f64| {
        spec.sample("matrix", vec![normal(&[3, 4])])
            .reference(move |x| {
                let rows = || x[0].chunks(4);
                vec![rows().map(|g| spread(sample(g))).collect(), rows().map(mean).collect()]
            })
            .orders(2)
    };
    all.push(with_mean(Spec::new("var_mean", move |x| two(x[0].var_mean(1, 1.0, false)?)), |v| v));
    all.push(
        with_mean(Spec::new("std_mean", move |x| two(x[0].std_mean(1, 1.0, true)?)), f64::sqrt)
            .refuses(vec![normal(&[3])], "std_mean: axis 1 is not an axis of a tensor of rank 1"),
    );
    let integers = vec![Tensor::arange(3).unwrap()];
    let words = "var: takes floating-point numbers, got i64; cast with to_dtype";
    all.push(Spec::new("var", |x| Ok(vec![x[0].var(&[], 1.0, false)?])).refuses(integers, words));
    all
}

#[cfg(test)]
crate::testing::spec_tests!(specs: var, std, var_mean, std_mean);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_mean_does_not_cancel() {
        let x = Tensor::from_slice(&[1e6_f32 + 1.0, 1e6 + 2.0, 1e6 + 3.0], &[3]).unwrap();
        assert_eq!(x.var(&[], 1.0, false).unwrap().item::<f32>().unwrap(), 1.0);
    }

    #[test]
    fn equal_numbers_have_a_deviation_and_a_gradient_of_zero() {
        let x = Tensor::full(&[3], 2.0_f64).unwrap().requires_grad();
        let y = x.std(&[], 1.0, false).unwrap();
        assert_eq!(y.item::<f64>().unwrap(), 0.0);
        assert_eq!(y.backward().unwrap().get(&x).unwrap().to_f64_vec().unwrap(), [0.0; 3]);
        assert!(Tensor::full(&[1], 2.0_f64).unwrap().std(&[], 1.0, false).unwrap().item::<f64>().unwrap().is_nan());
    }
}
