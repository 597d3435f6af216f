//! Reductions over any axes: sum and mean here, products, extrema, variance, log-sum-exp, truth values and scans beside it.

mod cumulative;
mod extremum;
mod log_sum_exp;
mod logical;
mod product;
mod recurrence;
mod variance;

use monotile_kernels::shape::{count, product};

use crate::check;
use crate::door::reduce::{Reduction, count_true, reduce, reduce_integers};
use crate::error::Result;
use crate::ops::elementwise::broadcast_to;
use crate::tape::{Gradient, Saved};
use crate::tensor::{DType, Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};
pub use recurrence::linear_recurrence;

/// A shape with size 1 at `axes`.
fn ones_at(shape: &[usize], axes: &[usize]) -> Dims {
    shape.iter().enumerate().map(|(d, &n)| if axes.contains(&d) { 1 } else { n }).collect()
}

/// # Sum and mean
impl Tensor {
    /// The sum over `axes`, or over all of them where none are named. They disappear, or stay with size 1 where `keepdim` is set.
    ///
    /// Sums are pairwise: the error grows with the logarithm of the number of terms. Sums of integers are exact; those of booleans count,
    /// exactly, what is true, as i64.
    ///
    /// # Errors
    /// If an axis does not exist or is named twice, or a sum of integers does not fit i64.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::from_rows(&[[1.0_f64, 2.0], [3.0, 4.0]])?;
    /// assert_eq!(a.sum(&[0], false)?.to_vec::<f64>()?, [4.0, 6.0]);
    /// assert_eq!(a.sum(&[], false)?.item::<f64>()?, 10.0);
    /// assert_eq!(a.gt(&Tensor::scalar(1.5_f64))?.sum(&[], false)?.item::<i64>()?, 3);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    #[doc(alias = "count")]
    pub fn sum(&self, axes: &[isize], keepdim: bool) -> Result<Tensor> {
        if !self.dtype().is_float() {
            let axes = check::axes("sum", axes, self.rank())?;
            let y = match self.dtype() {
                DType::Bool => count_true("sum", self, &axes)?,
                _ => reduce_integers("sum", &self.widened("sum")?, &axes, Reduction::Sum)?,
            };
            return y.with_axes_kept(self.shape(), &axes, keepdim);
        }
        let x = self.to_compute_dtype("sum")?;
        let axes = check::axes("sum", axes, x.rank())?;
        let y = Tensor::record(reduce("sum", &x, &axes, Reduction::Sum)?, &[&x], Sum { axes: axes.clone(), count: 1.0 });
        y.with_axes_kept(x.shape(), &axes, keepdim)
    }

    /// The mean over `axes`, or over all of them where none are named: NaN over no elements. The axes disappear, or stay with size 1
    /// where `keepdim` is set.
    ///
    /// # Errors
    /// If an axis does not exist or is named twice; for integers and booleans.
    #[doc(alias = "average")]
    #[track_caller]
    pub fn mean(&self, axes: &[isize], keepdim: bool) -> Result<Tensor> {
        let x = self.to_compute_dtype("mean")?;
        let axes = check::axes("mean", axes, x.rank())?;
        let count = product(axes.iter().map(|&d| x.shape()[d])) as f64;
        let y = Tensor::record(reduce("mean", &x, &axes, Reduction::Mean)?, &[&x], Sum { axes: axes.clone(), count });
        y.with_axes_kept(x.shape(), &axes, keepdim)
    }

    /// A reduction of a tensor of `shape` over `axes`, which stay with size 1 where `keepdim` is set.
    #[track_caller]
    fn with_axes_kept(self, shape: &[usize], axes: &[usize], keepdim: bool) -> Result<Tensor> {
        if keepdim { self.reshape(&ones_at(shape, axes)) } else { Ok(self) }
    }
}

/// A sum divided by a count: 1 for a sum, the number of terms for a mean.
struct Sum {
    axes: Dims,
    count: f64,
}

impl Gradient for Sum {
    fn name(&self) -> &'static str {
        if self.count == 1.0 { "sum" } else { "mean" }
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    // x̄ = ȳ / count, repeated along the axes.
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        let shape = saved.input_shape(0);
        let g = if self.count == 1.0 { g.clone() } else { g.mul_scalar(1.0 / self.count)? };
        Ok(vec![Some(g.reshape(&ones_at(shape, &self.axes))?.expand(shape)?)])
    }
}

/// Sums `x` down to a shape that broadcasts to its own.
#[track_caller]
pub(crate) fn sum_to(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    if x.shape() == shape {
        return Ok(x.clone());
    }
    let new = x.rank().saturating_sub(shape.len());
    let repeated = |d: &usize| *d < new || (shape[d - new] == 1 && x.shape()[*d] != 1);
    let axes: Vec<isize> = (0..x.rank()).filter(repeated).map(|d| d as isize).collect();
    let summed = if axes.is_empty() { x.clone() } else { x.sum(&axes, false)? };
    // A rule may answer in a smaller shape than the result's: what was not repeated is repeated now.
    if summed.len() == count(shape) { summed.reshape(shape) } else { Ok(broadcast_to(&summed, &check::shape("sum", shape)?)) }
}

/// The record of a reduction: over inner, outer and all axes, against a plain function of each group of elements.
#[cfg(test)]
fn reduction_spec(
    name: &'static str,
    f: impl Fn(&Tensor, &[isize]) -> Result<Tensor> + Send + Sync + Copy + 'static,
    plain: impl Fn(&[f64]) -> f64 + Send + Sync + Copy + 'static,
) -> Vec<Spec> {
    let record = |axes: &'static [isize]| {
        Spec::new(name, move |x| Ok(vec![f(&x[0], axes)?]))
            .sample("cube", vec![normal(&[2, 3, 4])])
            .shaped_reference(move |x, shapes| {
                let shape = &shapes[0];
                let named = check::axes("reference", axes, shape.len()).expect("axes of the sample");
                let mut groups: Vec<Vec<f64>> = Vec::new();
                for (i, &v) in x[0].iter().enumerate() {
                    let index = [i / (shape[1] * shape[2]), i / shape[2] % shape[1], i % shape[2]];
                    let at = (0..3).filter(|d| !named.contains(d)).fold(0, |at, d| at * shape[d] + index[d]);
                    groups.resize(groups.len().max(at + 1), Vec::new());
                    groups[at].push(v);
                }
                vec![groups.iter().map(|g| plain(g)).collect()]
            })
            .orders(2)
    };
    vec![record(&[2]), record(&[0]), record(&[-1, 0]), record(&[])]
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    [
        own(),
        cumulative::specs(),
        extremum::specs(),
        log_sum_exp::specs(),
        logical::specs(),
        product::specs(),
        recurrence::specs(),
        variance::specs(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
crate::testing::records!(own);

#[cfg(test)]
fn own() -> Vec<Spec> {
    let mut all = reduction_spec("sum", |x, axes| x.sum(axes, false), |g| g.iter().sum());
    all.extend(reduction_spec("mean", |x, axes| x.mean(axes, false), |g| g.iter().sum::<f64>() / g.len() as f64));
    all.push(
        Spec::new("sum", |x| Ok(vec![x[0].sum(&[0, -1], true)?]))
            .sample("empty", vec![normal(&[0, 3, 4])])
            .reference(|_| vec![vec![0.0; 3]])
            .orders(2)
            .refuses(vec![normal(&[3])], "sum: axes [0, -1] name one axis twice"),
    );
    let integers = vec![Tensor::arange(3).unwrap()];
    let refused = Spec::new("mean", |x| Ok(vec![x[0].mean(&[], false)?]))
        .refuses(integers, "mean: takes floating-point numbers, got i64; cast with to_dtype");
    all.push(refused);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_axes_have_size_one() {
        let x = normal(&[2, 3, 4]);
        assert_eq!(x.mean(&[1], true).unwrap().shape(), [2, 1, 4]);
        assert_eq!(x.sum(&[], true).unwrap().shape(), [1, 1, 1]);
        assert_eq!(x.max(&[0, 2], true).unwrap().shape(), [1, 3, 1]);
        assert_eq!(x.var(&[-1], 1.0, true).unwrap().shape(), [2, 3, 1]);
        assert_eq!(x.logsumexp(&[-2], true).unwrap().shape(), [2, 1, 4]);
    }

    #[test]
    fn sums_of_integers_and_booleans_are_exact() {
        let odd = (1_i64 << 53) + 1;
        let x = Tensor::from_slice(&[odd, -1, 1, 5, 5, 5], &[2, 3]).unwrap();
        assert_eq!(x.sum(&[1], false).unwrap().to_vec::<i64>().unwrap(), [odd, 15]);
        assert_eq!(x.sum(&[0], true).unwrap().to_vec::<i64>().unwrap(), [odd + 5, 4, 6]);
        assert_eq!(x.flip(1).unwrap().mt().sum(&[0], false).unwrap().to_vec::<i64>().unwrap(), [odd, 15]);
        // f32 holds no odd number from here on.
        let n = 20_000_001;
        let mask = Tensor::full(&[n], true).unwrap();
        assert_eq!(mask.sum(&[], false).unwrap().item::<i64>().unwrap(), n as i64);
        assert_eq!(Tensor::full(&[0], true).unwrap().sum(&[], false).unwrap().item::<i64>().unwrap(), 0);
        assert_eq!(Tensor::scalar(true).sum(&[], false).unwrap().item::<i64>().unwrap(), 1);
        let large = Tensor::from_slice(&[i64::MAX, 1], &[2]).unwrap();
        let words = large.sum(&[], false).unwrap_err().to_string();
        assert_eq!(words, "sum: a result does not fit i64; cast with to_dtype(DType::F64) for an approximation");
    }
}
