//! Whether any or all elements are true, and how many.

use crate::check;
use crate::door;
use crate::error::Result;
use crate::tensor::position::AxisList;
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// What is not 0: NaN is not.
#[track_caller]
fn truths(x: &Tensor) -> Result<Tensor> {
    x.detach().to_dtype(DType::Bool)
}

#[track_caller]
fn logical(op: &str, x: &Tensor, axes: &[isize], all: bool, keepdim: bool) -> Result<Tensor> {
    let axes = check::axes(op, axes, x.rank())?;
    door::reduce::logical(op, &truths(x)?, &axes, all)?.with_axes_kept(x.shape(), &axes, keepdim)
}

/// # Reduce: any and all
///
/// Of what is not 0.
impl Tensor {
    /// Whether any element over `axes` is true, or over all of them where none are named: false over no elements. Numbers are true unless
    /// they are 0; NaN is true. The axes disappear, or stay with size 1 where `keepdim` is set.
    ///
    /// # Errors
    /// If an axis does not exist or is named twice.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::from_rows(&[[0_i64, 2], [0, 0]])?;
    /// assert_eq!(a.any(&[1], false)?.to_vec::<bool>()?, [true, false]);
    /// assert!(!a.all(&[], false)?.item::<bool>()?);
    /// assert_eq!(a.count_nonzero(&[], false)?.item::<i64>()?, 1);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn any(&self, axes: impl AxisList, keepdim: bool) -> Result<Tensor> {
        logical("any", self, &axes.list(self.rank()), false, keepdim)
    }

    /// Whether all elements over `axes` are true, as in [`any`](Tensor::any): true over no elements.
    ///
    /// # Errors
    /// As [`any`](Tensor::any).
    #[track_caller]
    pub fn all(&self, axes: impl AxisList, keepdim: bool) -> Result<Tensor> {
        logical("all", self, &axes.list(self.rank()), true, keepdim)
    }

    /// How many elements over `axes` are true in the sense of [`any`](Tensor::any): an exact i64.
    ///
    /// # Errors
    /// As [`any`](Tensor::any).
    #[track_caller]
    pub fn count_nonzero(&self, axes: impl AxisList, keepdim: bool) -> Result<Tensor> {
        let axes = check::axes("count_nonzero", &axes.list(self.rank()), self.rank())?;
        door::reduce::count_true("count_nonzero", &truths(self)?, &axes)?.with_axes_kept(self.shape(), &axes, keepdim)
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    /// Few numbers of which some are 0.
    fn some(shape: &[usize]) -> Tensor {
        normal(shape).clamp(0.0, 1.0).unwrap()
    }
    let record = |name: &'static str, f: fn(&Tensor) -> Result<Tensor>, plain: fn(usize) -> f64| {
        Spec::new(name, move |x| Ok(vec![f(&x[0])?]))
            .sample("matrix", vec![some(&[6, 2])])
            .sample("empty", vec![normal(&[0, 2])])
            .reference(move |x| {
                let rows = x[0].chunks(2);
                vec![rows.map(|row| plain(row.iter().filter(|v| **v != 0.0).count())).collect()]
            })
            .refuses(vec![normal(&[2])], format!("{name}: axis 1 is not an axis of a tensor of rank 1"))
    };
    vec![
        record("any", |x| x.any(&[1], false), |n| f64::from(u8::from(n > 0))),
        record("all", |x| x.all(&[1], false), |n| f64::from(u8::from(n == 2))),
        record("count_nonzero", |x| x.count_nonzero(&[1], false), |n| n as f64),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: any, all, count_nonzero);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_true_and_nothing_is_all_true() {
        let x = Tensor::from_slice(&[0.0_f32, -0.0, f32::NAN], &[3]).unwrap();
        assert!(x.any(&[], false).unwrap().item::<bool>().unwrap() && !x.all(&[], false).unwrap().item::<bool>().unwrap());
        assert_eq!(x.count_nonzero(&[], true).unwrap().shape(), [1]);
        let none = Tensor::zeros(&[0], DType::I64).unwrap();
        assert!(none.all(&[], false).unwrap().item::<bool>().unwrap() && !none.any(&[], false).unwrap().item::<bool>().unwrap());
    }
}
