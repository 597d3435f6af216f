//! Sum and mean.

use monotile_kernels::shape::product;

use super::ones_at;
#[cfg(test)]
use super::reduction_spec;
use crate::check;
use crate::door::reduce::{Reduction, count_true, reduce, reduce_integers};
use crate::error::Result;
use crate::tape::{Gradient, Saved};
use crate::tensor::position::AxisList;
use crate::tensor::{DType, Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Reduce: sum and mean
///
/// Over the axes that are named, or over all.
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
    /// assert_eq!(a.sum(0, false)?.to_vec::<f64>()?, [4.0, 6.0]);
    /// assert_eq!(a.sum(.., false)?.item::<f64>()?, 10.0);
    /// assert_eq!(a.gt(&Tensor::scalar(1.5_f64))?.sum(.., false)?.item::<i64>()?, 3);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    #[doc(alias = "count")]
    pub fn sum(&self, axes: impl AxisList, keepdim: bool) -> Result<Tensor> {
        sum(self, &axes.list(self.rank()), keepdim)
    }

    /// The mean over `axes`, or over all of them where none are named: NaN over no elements. The axes disappear, or stay with size 1
    /// where `keepdim` is set.
    ///
    /// # Errors
    /// If an axis does not exist or is named twice; for integers and booleans.
    #[doc(alias = "average")]
    #[track_caller]
    pub fn mean(&self, axes: impl AxisList, keepdim: bool) -> Result<Tensor> {
        mean(self, &axes.list(self.rank()), keepdim)
    }
}

#[track_caller]
fn sum(x: &Tensor, axes: &[isize], keepdim: bool) -> Result<Tensor> {
    if !x.dtype().is_float() {
        let axes = check::axes("sum", axes, x.rank())?;
        let y = match x.dtype() {
            DType::Bool => count_true("sum", x, &axes)?,
            _ => reduce_integers("sum", &x.widened("sum")?, &axes, Reduction::Sum)?,
        };
        return y.with_axes_kept(x.shape(), &axes, keepdim);
    }
    let x = x.to_compute_dtype("sum")?;
    let axes = check::axes("sum", axes, x.rank())?;
    let y = Tensor::record(reduce("sum", &x, &axes, Reduction::Sum)?, &[&x], Sum { axes: axes.clone(), count: 1.0 });
    y.with_axes_kept(x.shape(), &axes, keepdim)
}

#[track_caller]
fn mean(x: &Tensor, axes: &[isize], keepdim: bool) -> Result<Tensor> {
    let x = x.to_compute_dtype("mean")?;
    let axes = check::axes("mean", axes, x.rank())?;
    let count = product(axes.iter().map(|&d| x.shape()[d])) as f64;
    let y = Tensor::record(reduce("mean", &x, &axes, Reduction::Mean)?, &[&x], Sum { axes: axes.clone(), count });
    y.with_axes_kept(x.shape(), &axes, keepdim)
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

#[cfg(test)]
crate::testing::spec_tests!(specs: sum, mean);

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
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
