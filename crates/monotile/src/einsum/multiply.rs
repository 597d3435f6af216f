//! The step that sums nothing: every element of the result is one product.
//!
//! C[out] = A[labels_a] · B[labels_b], where every label of A and of B is in `out`

use crate::einsum::pair::{Label, contract};
use crate::error::Result;
use crate::tape::{Gradient, Saved};
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// One step of a plan: elementwise where nothing is summed over, a matrix product elsewhere.
pub(super) fn step(a: &Tensor, labels_a: &[Label], b: &Tensor, labels_b: &[Label], out: &[Label]) -> Result<Tensor> {
    if labels_a.iter().chain(labels_b).all(|l| out.contains(l)) {
        multiply(a, labels_a, b, labels_b, out)
    } else {
        contract(a, labels_a, b, labels_b, out)
    }
}

fn multiply(a: &Tensor, labels_a: &[Label], b: &Tensor, labels_b: &[Label], out: &[Label]) -> Result<Tensor> {
    let c = aligned(&a.detach(), labels_a, out)?.mul(&aligned(&b.detach(), labels_b, out)?)?;
    let rule = Multiply { labels: [labels_a.into(), labels_b.into()], out: out.into() };
    Ok(Tensor::record(c, &[a, b], rule))
}

/// The operand as a view that broadcasts to `out`: its dimensions in that order, size 1 for labels that it lacks.
fn aligned(x: &Tensor, labels: &[Label], out: &[Label]) -> Result<Tensor> {
    if labels == out {
        return Ok(x.clone());
    }
    let position = |l: &Label| labels.iter().position(|m| m == l);
    let order: Vec<isize> = out.iter().filter_map(position).map(|d| d as isize).collect();
    let shape: Dims = out.iter().map(|l| position(l).map_or(1, |d| x.shape()[d])).collect();
    x.permute(&order)?.reshape(&shape)
}

struct Multiply {
    labels: [Box<[Label]>; 2],
    out: Box<[Label]>,
}

impl Gradient for Multiply {
    fn name(&self) -> &'static str {
        "einsum"
    }
    fn keeps_input(&self, i: usize, needs: &[bool]) -> bool {
        needs[1 - i]
    }
    // Ā[labels_a] = Σ C̄[out] · B[labels_b]
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let answer = |i: usize| -> Result<Option<Tensor>> {
            let Some(g) = cotangents[0].as_ref().filter(|_| saved.needs(i)) else { return Ok(None) };
            let x_bar = step(g, &self.out, &saved.input(1 - i), &self.labels[1 - i], &self.labels[i])?;
            x_bar.to_dtype(saved.input_dtype(i).compute()).map(Some)
        };
        Ok(vec![answer(0)?, answer(1)?])
    }
}

#[cfg(test)]
pub(super) fn specs() -> Vec<Spec> {
    fn of(name: &'static str, a: &'static [Label], b: &'static [Label], out: &'static [Label]) -> Spec {
        const SIZES: [usize; 3] = [2, 3, 4];
        let input = |labels: &[Label]| normal(&labels.iter().map(|&l| SIZES[l as usize]).collect::<Vec<_>>());
        // A contraction without contracted labels is the same product, on another kernel.
        let difference = move |x: &[Tensor], y: &[Tensor]| {
            let other = contract(&x[0], a, &x[1], b, out)?;
            let pairs = y[0].to_f64_vec().into_iter().zip(other.to_f64_vec());
            Ok(pairs.fold(0.0, |most: f64, (y, c)| most.max((y - c).abs())))
        };
        Spec::new(name, move |x| Ok(vec![step(&x[0], a, &x[1], b, out)?]))
            .sample("labels", vec![input(a), input(b)])
            .holds("equals the contraction", difference)
            .orders(2)
    }
    vec![
        of("einsum: elementwise", &[0, 1], &[1, 0], &[0, 1]),
        of("einsum: outer", &[0], &[2, 1], &[1, 0, 2]),
        of("einsum: broadcast", &[0, 1], &[1], &[1, 0]),
        of("einsum: scalar", &[], &[1, 2], &[2, 1]),
        of("einsum: both repeat", &[0, 1], &[2, 1], &[2, 1, 0]),
    ]
}
