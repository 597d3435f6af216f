//! Sums over axes.

use crate::check;
use crate::einsum::pair::contract;
use crate::error::Result;
use crate::ops::elementwise::spread;
use crate::tape::{Gradient, Saved};
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

impl Tensor {
    /// The sum over `axes`, which disappear; over all of them where none are named.
    ///
    /// # Errors
    /// If an axis does not exist or is named twice; for integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::from_rows(&[[1.0_f64, 2.0], [3.0, 4.0]])?;
    /// assert_eq!(a.sum(&[0])?.to_vec::<f64>()?, [4.0, 6.0]);
    /// assert_eq!(a.sum(&[])?.item::<f64>()?, 10.0);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    pub fn sum(&self, axes: &[isize]) -> Result<Tensor> {
        let x = self.computable("sum")?;
        let axes = check::axes("sum", axes, x.rank())?;
        let labels: Vec<u32> = (0..x.rank() as u32).collect();
        let kept: Vec<u32> = labels.iter().copied().filter(|&d| !axes.contains(&(d as usize))).collect();
        let one = Tensor::ones(&[], x.dtype());
        let y = contract(&x.detach(), &labels, &one, &[], &kept)?;
        Ok(Tensor::record(y, &[&x], Sum { axes }))
    }

    /// [`sum`](Tensor::sum) that leaves each summed axis with size 1.
    ///
    /// # Errors
    /// As [`sum`](Tensor::sum).
    pub fn sum_keepdim(&self, axes: &[isize]) -> Result<Tensor> {
        let named = check::axes("sum", axes, self.rank())?;
        let shape: Dims = self.shape().iter().enumerate().map(|(d, &n)| if named.contains(&d) { 1 } else { n }).collect();
        self.sum(axes)?.reshape(&shape)
    }
}

struct Sum {
    axes: Dims,
}

impl Gradient for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    // Every element adds once: x̄ = ȳ, repeated along the summed axes.
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
        let shape = saved.input_shape(0);
        let kept: Dims = shape.iter().enumerate().map(|(d, &n)| if self.axes.contains(&d) { 1 } else { n }).collect();
        Ok(vec![Some(g.reshape(&kept)?.expand(shape)?)])
    }
}

/// Sums `x` down to a shape that broadcasts to its own.
pub(crate) fn sum_to(x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    if x.shape() == shape {
        return Ok(x.clone());
    }
    let new = x.rank().saturating_sub(shape.len());
    let repeated = |d: &usize| *d < new || (shape[d - new] == 1 && x.shape()[*d] != 1);
    let axes: Vec<isize> = (0..x.rank()).filter(repeated).map(|d| d as isize).collect();
    let summed = if axes.is_empty() { x.clone() } else { x.sum(&axes)? };
    // A rule may answer in a smaller shape than the result's: what was not repeated is repeated now.
    if summed.len() == shape.iter().product::<usize>() { summed.reshape(shape) } else { Ok(spread(&summed, shape)) }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    vec![
        Spec::new("sum", |x| Ok(vec![x[0].sum(&[0, -1])?]))
            .sample("cube", vec![normal(&[2, 3, 4])])
            .sample("empty", vec![normal(&[0, 3, 4])])
            .shaped_reference(|x, shape| {
                let cell = |j: usize| (0..shape[0][0] * 4).map(|i| x[0][i / 4 * 12 + j * 4 + i % 4]).sum();
                vec![(0..3).map(cell).collect()]
            })
            .orders(2)
            .refuses(vec![normal(&[3])], "sum: axes [0, -1] name one axis twice"),
    ]
}
