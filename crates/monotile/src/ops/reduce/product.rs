//! Products over axes.

use monotile_kernels::shape::product;

use super::recurrence::moved_on;
use crate::check;
use crate::door::reduce::{Reduction, reduce, reduce_integers};
use crate::error::Result;
use crate::tape::{Gradient, Saved};
use crate::tensor::position::AxisList;
use crate::tensor::{DType, Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Reduce: product
///
/// Over the axes that are named, or over all.
impl Tensor {
    /// The product over `axes`, or over all of them where none are named: 1 over no elements. They disappear, or stay with size 1 where
    /// `keepdim` is set.
    ///
    /// Products of integers are exact; booleans count as 0 and 1, and their product is an i64.
    ///
    /// # Gradient
    /// x̄ᵢ = ȳ Π xₖ over k ≠ i: nothing is divided by, so that zeros have their gradient too.
    ///
    /// # Errors
    /// If an axis does not exist or is named twice, or a product of integers does not fit i64.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::from_rows(&[[1.0_f64, 2.0], [3.0, 4.0]])?;
    /// assert_eq!(a.prod(&[0], false)?.to_vec::<f64>()?, [3.0, 8.0]);
    /// assert_eq!(Tensor::arange(21)?.slice(0, 1..)?.prod(&[], false)?.item::<i64>()?, 2_432_902_008_176_640_000);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "product")]
    #[track_caller]
    pub fn prod(&self, axes: impl AxisList, keepdim: bool) -> Result<Tensor> {
        prod(self, &axes.list(self.rank()), keepdim)
    }
}

#[track_caller]
fn prod(x: &Tensor, axes: &[isize], keepdim: bool) -> Result<Tensor> {
    let axes = check::axes("prod", axes, x.rank())?;
    if !x.dtype().is_float() {
        let y = reduce_integers("prod", &x.to_dtype(DType::I64)?, &axes, Reduction::Prod)?;
        return y.with_axes_kept(x.shape(), &axes, keepdim);
    }
    let x = x.to_compute_dtype("prod")?;
    let y = reduce("prod", &x, &axes, Reduction::Prod)?;
    Tensor::record(y, &[&x], Prod { axes: axes.clone() }).with_axes_kept(x.shape(), &axes, keepdim)
}

struct Prod {
    axes: Dims,
}

impl Gradient for Prod {
    fn name(&self) -> &'static str {
        "prod"
    }
    // x̄ᵢ = ȳ Π xₖ over k < i · Π xₖ over k > i
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let (Some(g), x) = (&cotangents[0], saved.input(0)) else { return Ok(vec![None]) };
        if x.is_empty() {
            return Ok(vec![None]);
        }
        let kept = (0..x.rank()).filter(|d| !self.axes.contains(d));
        let order: Vec<isize> = kept.chain(self.axes.iter().copied()).map(|d| d as isize).collect();
        let sorted = x.permute(&order)?;
        let flat = sorted.reshape(&[g.len(), product(self.axes.iter().map(|&d| x.shape()[d]))])?;
        let before = moved_on(&flat.cumprod(1)?, 1, 1.0)?;
        let after = moved_on(&flat.flip(1)?.cumprod(1)?, 1, 1.0)?.flip(1)?;
        let share = g.reshape(&[g.len(), 1])?.mul(&before.mul(&after)?)?.reshape(sorted.shape())?;
        let mut back = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, &d)| back[d as usize] = at as isize);
        Ok(vec![Some(share.permute(&back)?)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let mut all = super::reduction_spec("prod", |x, axes| x.prod(axes, false), |g| g.iter().fold(1.0, |y, x| y * x));
    all.push(
        Spec::new("prod", |x| Ok(vec![x[0].prod(&[0], true)?]))
            .sample("empty", vec![normal(&[0, 3])])
            .reference(|_| vec![vec![1.0; 3]])
            .orders(2)
            .refuses(vec![normal(&[])], "prod: axis 0 is not an axis of a tensor of rank 0"),
    );
    all
}

#[cfg(test)]
crate::testing::spec_tests!(specs: prod);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::{CheckGradientOptions, check_gradient};

    #[test]
    fn zeros_have_their_gradient() {
        for (numbers, gradient) in [([2.0, 0.0, 3.0], [0.0, 6.0, 0.0]), ([2.0, 0.0, 0.0], [0.0; 3])] {
            let x = Tensor::from_slice(&numbers, &[3]).unwrap().requires_grad();
            let y = x.prod(&[], false).unwrap();
            assert_eq!(y.backward().unwrap().get(&x).unwrap().to_f64_vec().unwrap(), gradient);
            let options = CheckGradientOptions { order: 2, ..Default::default() };
            check_gradient(|x| Ok(vec![x[0].prod(&[], false)?]), &[x.detach()], &options).unwrap();
        }
    }

    #[test]
    fn products_of_integers_are_exact_or_refused() {
        let x = Tensor::from_slice(&[3_i64, 6_004_799_503_160_661, 5, 7], &[2, 2]).unwrap();
        assert_eq!(x.prod(&[1], false).unwrap().to_vec::<i64>().unwrap(), [18_014_398_509_481_983, 35]);
        let words = Tensor::full(&[64], 2_i64).unwrap().prod(&[], false).unwrap_err().to_string();
        assert_eq!(words, "prod: a result does not fit i64; cast with to_dtype(DType::F64) for an approximation");
        assert_eq!(Tensor::full(&[0], true).unwrap().prod(&[], false).unwrap().item::<i64>().unwrap(), 1);
    }
}
