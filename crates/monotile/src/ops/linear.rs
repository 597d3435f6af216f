//! The linear layer: y = x Wᵀ + b, fused.

use std::panic::Location;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::check;
use crate::door;
use crate::einsum::pair::{Label, Labels, PairContraction, contract_and_add};
use crate::error::{Error, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The linear layer of a neural network: `y[…, o] = Σᵢ x[…, i] W[o, i] + b[o]`.
///
/// Shapes: x `(…, in)`, W `(out, in)` as checkpoints store it, b `(out)`; the result is `(…, out)`. The bias is added where the
/// product is written, before it leaves the cache; the bits are those of a [`matmul`](Tensor::matmul) and an addition.
///
/// # Gradient
/// x̄ = ȳ W, W̄ = ȳᵀ x and b̄ = Σ ȳ, sums running over the leading dimensions; each only where it is wanted.
///
/// # Errors
/// If W is no matrix, the inner sizes differ, the bias is no vector of `out` numbers, or a dtype is no floating-point one.
///
/// # Example
/// ```
/// use monotile::{Tensor, ops::linear};
/// let x = Tensor::from_rows(&[[1.0_f64, 2.0], [3.0, 4.0]])?;
/// let w = Tensor::from_rows(&[[1.0_f64, 1.0], [0.0, 2.0], [1.0, 0.0]])?;
/// let b = Tensor::from_slice(&[0.5_f64, 0.0, -1.0], &[3])?;
/// assert_eq!(linear(&x, &w, Some(&b))?.to_vec::<f64>()?, [3.5, 4.0, 0.0, 7.5, 8.0, 2.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "Linear")]
#[doc(alias = "addmm")]
#[track_caller]
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let here = Location::caller();
    let refuse =
        |why: &str| Err(Error::shape(format!("linear: shapes {:?} and {:?}: {why}", x.shape(), weight.shape())).with_place(here));
    let &[rows, columns] = weight.shape() else { return refuse("the weight is no matrix (out, in)") };
    if x.rank() == 0 || x.dim(-1) != columns {
        return refuse(&format!("the last dimension of the first is not {columns}"));
    }
    let Some(bias) = bias else { return x.matmul(&weight.mt()) };
    if bias.shape() != [rows] {
        return Err(Error::shape(format!("linear: a bias of shape {:?}; it must be [{rows}]", bias.shape())));
    }
    // A bias that is wider than both makes the product as wide.
    let x = if bias.dtype() == DType::F64 { &x.to_dtype(DType::F64)? } else { x };
    let dtype = check::product_float("linear", x, weight)?;
    door::blocks::refuse("linear", &[bias])?;
    check::product_float("linear", x, bias)?;

    let leading = x.rank() as Label - 1;
    let (i, o) = (leading, leading + 1);
    let with = |last| (0..leading).chain([last]).collect::<Labels>();
    let b = bias.to_dtype(dtype)?.contiguous_for("linear")?;
    let (pair, y) = contract_and_add((x, &with(i)), (weight, &[o, i]), &with(o), Some(&b))?;
    Ok(Tensor::record(y, &[x, weight, &b], Linear(Arc::new(pair))))
}

/// The pair of x and W.
struct Linear(Arc<PairContraction>);

impl Gradient for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }
    fn keeps_input(&self, i: usize, needs: &[bool]) -> bool {
        i < 2 && needs[1 - i]
    }
    // x̄ = ȳ W,  W̄ = ȳᵀ x,  b̄ = Σ ȳ over the leading dimensions.
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None, None, None]) };
        let factor = |i: usize| {
            let gradient = || self.0.gradient(i).apply(g, &saved.input(1 - i))?.to_dtype(saved.input_dtype(i).compute());
            saved.needs(i).then(gradient).transpose()
        };
        let leading: SmallVec<[isize; 4]> = (0..g.rank() as isize - 1).collect();
        let sum = || if leading.is_empty() { Ok(g.clone()) } else { g.sum(&leading, false) };
        Ok(vec![factor(0)?, factor(1)?, saved.needs(2).then(sum).transpose()?])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    vec![
        Spec::new("linear", |x| Ok(vec![linear(&x[0], &x[1], Some(&x[2]))?]))
            .sample("matrices", vec![normal(&[3, 4]), normal(&[5, 4]), normal(&[5])])
            .sample("a batch", vec![normal(&[2, 1, 3, 4]), normal(&[2, 4]), normal(&[2])])
            .sample("a vector", vec![normal(&[4]), normal(&[3, 4]), normal(&[3])])
            .sample("nothing to sum", vec![normal(&[2, 0]), normal(&[3, 0]), normal(&[3])])
            .orders(2)
            .property("x Wᵀ + b", |x, y| {
                let apart = x[0].matmul(&x[1].mt())?.add(&x[2])?;
                let pairs = apart.to_f64_vec().unwrap().into_iter().zip(y[0].to_f64_vec().unwrap());
                Ok(pairs.fold(0.0, |most: f64, (a, b)| most.max((a - b).abs())))
            })
            .refuses(
                vec![normal(&[2, 3]), normal(&[4, 2]), normal(&[4])],
                "linear: shapes [2, 3] and [4, 2]: the last dimension of the first is not 2",
            )
            .refuses(
                vec![normal(&[2, 3]), normal(&[3]), normal(&[3])],
                "linear: shapes [2, 3] and [3]: the weight is no matrix (out, in)",
            )
            .refuses(vec![normal(&[2, 3]), normal(&[4, 3]), normal(&[3])], "linear: a bias of shape [3]; it must be [4]"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: linear);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    #[test]
    fn the_bits_are_those_of_a_product_and_an_addition() {
        for (tokens, columns, rows, dtype) in [(1, 300, 700, DType::BF16), (37, 300, 700, DType::F32), (200, 900, 300, DType::BF16)]
        {
            let mut rng = Rng::new(7);
            let x = rng.normal(&[2, tokens, columns], DType::F32).unwrap();
            let (w, b) = (rng.normal(&[rows, columns], dtype).unwrap(), rng.normal(&[rows], dtype).unwrap());
            let apart = x.matmul(&w.mt()).unwrap().add(&b).unwrap();
            let y = linear(&x, &w, Some(&b)).unwrap();
            assert_eq!(y.shape(), [2, tokens, rows]);
            assert!(y.to_vec::<f32>().unwrap() == apart.to_vec::<f32>().unwrap(), "{tokens} tokens, {dtype}");
        }
    }

    #[test]
    fn the_widest_operand_says_what_is_computed_in() {
        let of = |dtype| Tensor::ones(&[2, 2], DType::F32).unwrap().to_dtype(dtype).unwrap();
        for (x, w, b, y) in [
            (DType::BF16, DType::F32, DType::F16, DType::F32),
            (DType::F32, DType::BF16, DType::F64, DType::F64),
            (DType::F32, DType::F64, DType::F32, DType::F64),
        ] {
            let bias = of(b).select(0, 0).unwrap();
            let out = linear(&of(x), &of(w), Some(&bias)).unwrap();
            assert_eq!((out.dtype(), out.to_f64_vec().unwrap()), (y, vec![3.0; 4]));
        }
    }
}
