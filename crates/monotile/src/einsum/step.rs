//! One step of a plan: which kernels contract a pair.
//!
//! C[out] = Σ over labels that `out` lacks of A[labels_a] · B[labels_b]

use crate::einsum::pair::{Label, contract};
use crate::error::Result;
use crate::tape::{Gradient, Saved};
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// Batched dot products of fewer elements than this go to the matrix product, whatever their layout: a second pass would
/// cost more calls than it saves time.
const SECOND_PASS: usize = 4096;

/// Contracts a pair: element by element where nothing is summed over, by a matrix product elsewhere; and by both passes,
/// products then sums, where dot products of a batch lie across each other in memory.
pub(super) fn step(a: &Tensor, labels_a: &[Label], b: &Tensor, labels_b: &[Label], out: &[Label]) -> Result<Tensor> {
    let kept = |l: &Label| out.contains(l);
    let same = labels_a.len() == labels_b.len() && labels_a.iter().all(|l| labels_b.contains(l));
    let sums = !labels_a.iter().all(kept);
    if same && sums && a.len() >= SECOND_PASS && innermost(a, labels_a).is_some_and(|l| kept(&l)) {
        // `ij,ij->j`: a matrix product would walk each column on its own.
        let summed: Vec<Label> = labels_a.iter().copied().filter(|l| !kept(l)).collect();
        let products = multiply(a, labels_a, b, labels_b, &[&summed, out].concat())?;
        return products.sum(&(0..summed.len() as isize).collect::<Vec<_>>());
    }
    one_pass(a, labels_a, b, labels_b, out)
}

/// The same without memory beyond the result.
pub(super) fn one_pass(a: &Tensor, labels_a: &[Label], b: &Tensor, labels_b: &[Label], out: &[Label]) -> Result<Tensor> {
    if labels_a.iter().chain(labels_b).all(|l| out.contains(l)) {
        return multiply(a, labels_a, b, labels_b, out);
    }
    contract(a, labels_a, b, labels_b, out)
}

/// The label whose elements lie closest in memory.
fn innermost(x: &Tensor, labels: &[Label]) -> Option<Label> {
    let steps = labels.iter().zip(x.strides()).filter(|(_, stride)| **stride != 0);
    steps.min_by_key(|(_, stride)| stride.unsigned_abs()).map(|(&l, _)| l)
}

/// The product of elements whose labels agree; `out` has every label of both operands.
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
        const SIZES: [usize; 4] = [2, 3, 4, SECOND_PASS];
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
        of("einsum: dot products across each other", &[3, 1, 0], &[0, 3, 1], &[1, 0]),
        of("einsum: both repeat", &[0, 1], &[2, 1], &[2, 1, 0]),
    ]
}
