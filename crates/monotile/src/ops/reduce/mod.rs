//! Reductions over any axes: sums, means, products, extrema, variance, log-sum-exp, truth values, and scans.

// The page of `Tensor` has its parts in the order of these lines; blank ones keep rustfmt from sorting them.
mod sum;

mod product;
mod variance;

mod extremum;

mod log_sum_exp;
mod logical;
mod without_nan;

mod cumulative;
mod differences;
mod recurrence;

use monotile_kernels::shape::count;

use crate::check;
use crate::error::Result;
use crate::ops::elementwise::broadcast_to;
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};
pub use recurrence::linear_recurrence;

/// A shape with size 1 at `axes`.
fn ones_at(shape: &[usize], axes: &[usize]) -> Dims {
    shape.iter().enumerate().map(|(d, &n)| if axes.contains(&d) { 1 } else { n }).collect()
}

/// A shape of ones of this rank, with `size` at axis `d`.
fn only_at(d: usize, rank: usize, size: usize) -> Dims {
    (0..rank).map(|axis| if axis == d { size } else { 1 }).collect()
}

impl Tensor {
    /// A reduction of a tensor of `shape` over `axes`, which stay with size 1 where `keepdim` is set.
    #[track_caller]
    fn with_axes_kept(self, shape: &[usize], axes: &[usize], keepdim: bool) -> Result<Tensor> {
        if keepdim { self.reshape(&ones_at(shape, axes)) } else { Ok(self) }
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
        cumulative::specs(),
        differences::specs(),
        extremum::specs(),
        log_sum_exp::specs(),
        logical::specs(),
        product::specs(),
        recurrence::specs(),
        sum::specs(),
        variance::specs(),
        without_nan::specs(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
