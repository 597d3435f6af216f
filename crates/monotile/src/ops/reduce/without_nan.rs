//! Sums and means of what is not NaN.

use crate::check;
use crate::error::Result;
use crate::tensor::Tensor;
use crate::tensor::position::AxisList;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Reduce: numbers that are missing
///
/// NaN counts as absent.
impl Tensor {
    /// The sum over `axes` of what is not NaN, or over all of them where none are named: 0 over nothing else. Integers are summed as by [`sum`](Tensor::sum).
    ///
    /// # Gradient
    /// 0 where an element is NaN.
    ///
    /// # Errors
    /// As [`sum`](Tensor::sum).
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from([[1.0, f64::NAN], [2.0, 5.0]]);
    /// assert_eq!(x.nansum(0, false)?.to_vec::<f64>()?, [3.0, 5.0]);
    /// assert_eq!(x.nanmean(0, false)?.to_vec::<f64>()?, [1.5, 5.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn nansum(&self, axes: impl AxisList, keepdim: bool) -> Result<Tensor> {
        let axes = named("nansum", self, &axes.list(self.rank()))?;
        present(self)?.sum(&axes, keepdim)
    }

    /// The mean over `axes` of what is not NaN, or over all of them where none are named: NaN over nothing else.
    ///
    /// # Gradient
    /// 0 where an element is NaN.
    ///
    /// # Errors
    /// As [`mean`](Tensor::mean).
    #[track_caller]
    pub fn nanmean(&self, axes: impl AxisList, keepdim: bool) -> Result<Tensor> {
        let x = self.to_compute_dtype("nanmean")?;
        let axes = named("nanmean", &x, &axes.list(x.rank()))?;
        let count = x.detach().isnan()?.not()?.sum(&axes, keepdim)?.to_dtype(x.dtype())?;
        present(&x)?.sum(&axes, keepdim)?.div(&count)
    }
}

/// The axes, all of them where none are named.
#[track_caller]
fn named(op: &str, x: &Tensor, axes: &[isize]) -> Result<Vec<isize>> {
    Ok(check::axes(op, axes, x.rank())?.iter().map(|&d| d as isize).collect())
}

/// NaN as 0.
#[track_caller]
fn present(x: &Tensor) -> Result<Tensor> {
    if !x.dtype().is_float() {
        return Ok(x.clone());
    }
    x.detach().isnan()?.where_(x.zeros_like(), x)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    /// Some of the numbers are missing.
    fn holes(x: &Tensor) -> Result<Tensor> {
        x.detach().gt(0.8)?.where_(f64::NAN, x)
    }
    let columns = |x: &[f64], mean: bool| {
        let column = |j: usize| {
            let kept: Vec<f64> = x.iter().skip(j).step_by(3).copied().filter(|&v| !(v > 0.8)).collect();
            kept.iter().sum::<f64>() / if mean { kept.len() as f64 } else { 1.0 }
        };
        (0..3).map(column).collect::<Vec<f64>>()
    };
    let words = |op: &str| format!("{op}: axis 0 is not an axis of a tensor of rank 0");
    vec![
        Spec::new("nansum", |x| Ok(vec![holes(&x[0])?.nansum(0, false)?]))
            .sample("matrix", vec![normal(&[6, 3])])
            .sample("empty", vec![normal(&[0, 3])])
            .reference(move |x| vec![columns(&x[0], false)])
            .may_drop_nan()
            .orders(2)
            .refuses(vec![normal(&[])], words("nansum")),
        Spec::new("nanmean", |x| Ok(vec![holes(&x[0])?.nanmean(0, false)?]))
            .sample("matrix", vec![normal(&[6, 3])])
            .reference(move |x| vec![columns(&x[0], true)])
            .may_drop_nan()
            .orders(2)
            .refuses(vec![normal(&[])], words("nanmean")),
        Spec::new("nanmean", |x| Ok(vec![x[0].nanmean(0, false)?]))
            .refuses(vec![Tensor::arange(2).unwrap()], "nanmean: takes floating-point numbers, got i64; cast with to_dtype"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: nansum, nanmean);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::grad;

    #[test]
    fn where_all_is_missing_the_sum_is_0_and_the_mean_is_nan() {
        let x = Tensor::from([f64::NAN, f64::NAN]).requires_grad();
        assert_eq!(x.nansum(.., false).unwrap().item::<f64>().unwrap(), 0.0);
        assert!(x.nanmean(.., true).unwrap().to_vec::<f64>().unwrap()[0].is_nan());
        let g = grad(&x.nansum(.., false).unwrap(), [&x]).unwrap();
        assert_eq!(g[0].to_vec::<f64>().unwrap(), [0.0, 0.0]);
        assert_eq!(Tensor::arange(4).unwrap().nansum([], false).unwrap().item::<i64>().unwrap(), 6);
    }
}
