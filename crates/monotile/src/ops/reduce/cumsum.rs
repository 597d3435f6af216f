//! Running sums along an axis.

use crate::check;
use crate::door;
use crate::error::Result;
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

impl Tensor {
    /// The running sum along `axis`: yⱼ = Σ xₖ over k ≤ j.
    ///
    /// # Gradient
    /// The running sum of the cotangent from the other end.
    ///
    /// # Errors
    /// If the axis does not exist; for integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[1.0_f64, 2.0, 3.0], &[3])?;
    /// assert_eq!(x.cumsum(0)?.to_vec::<f64>()?, [1.0, 3.0, 6.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn cumsum(&self, axis: isize) -> Result<Tensor> {
        let axis = check::axis("cumsum", axis, self.rank())?;
        let x = self.to_compute_dtype("cumsum")?;
        let y = door::reduce::cumulative_sum("cumsum", &x.contiguous_detached()?, axis)?;
        Ok(Tensor::record(y, &[&x], Cumsum { axis: axis as isize }))
    }
}

struct Cumsum {
    axis: isize,
}

impl Gradient for Cumsum {
    fn name(&self) -> &'static str {
        "cumsum"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    // x̄ₖ = Σ ȳⱼ over j ≥ k
    fn vjp(&self, _: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let backwards = |g: &Tensor| g.flip(self.axis)?.cumsum(self.axis)?.flip(self.axis);
        Ok(vec![cotangents[0].as_ref().map(backwards).transpose()?])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let record = |axis: isize| {
        Spec::new("cumsum", move |x| Ok(vec![x[0].cumsum(axis)?]))
            .sample("matrix", vec![normal(&[3, 4])])
            .sample("empty", vec![normal(&[0, 4])])
            .reference(move |x| {
                let before = move |i: usize| if axis == 0 { (i % 4..=i).step_by(4) } else { (i / 4 * 4..=i).step_by(1) };
                vec![(0..x[0].len()).map(|i| before(i).map(|k| x[0][k]).sum()).collect()]
            })
            .orders(2)
    };
    vec![record(0), record(1).refuses(vec![normal(&[3])], "cumsum: axis 1 is not an axis of a tensor of rank 1")]
}

#[cfg(test)]
crate::testing::records!(specs);
