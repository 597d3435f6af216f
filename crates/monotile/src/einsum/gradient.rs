//! The gradient of a whole equation: its steps in reverse, each with pairs that the plan makes once.
//!
//! A step C = A · B gives its parts the cotangents Ā = C̄ · B and B̄ = C̄ · A, summed over what each lacks. Both are pairs
//! over the labels of the step, so that all gradients together take at most twice the operations of the forward pass.
//!
//! Nor would an order of its own be cheaper for one operand's gradient. Together with the cotangent of the result the
//! operands are a network of n + 1 terms, and an order is a tree with those as its leaves; forward it is read with the result
//! as its root, for a gradient with that operand as its root. A contraction takes the sizes of all labels that meet at
//! a node of the tree (twice if it sums), wherever the root is. So the order that is best forward is best for every gradient
//! too, up to that factor of two; and in one tree they share their cotangents, where n orders would share nothing.

use std::sync::Arc;

use crate::einsum::plan::ContractionPlan;
use crate::einsum::run::{contracted, prepared};
use crate::error::Result;
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;

/// Carries out the steps of a plan on operands of which one at least is recorded.
#[track_caller]
pub(super) fn recorded(plan: &Arc<ContractionPlan>, operands: &[&Tensor]) -> Result<Tensor> {
    let n = operands.len();
    let terms = operands.iter().zip(&plan.prepare).map(|(x, p)| prepared(x, p)).collect::<Result<Vec<_>>>()?;
    let wanted = plan.wanted(|i| terms[i].is_recorded());
    let mut read = vec![false; wanted.len()];
    for step in &plan.steps {
        let (i, j) = step.terms;
        (read[i], read[j]) = (wanted[j], wanted[i]);
    }
    let again = !plan.has_room_for(|k| read[n + k]);
    if again {
        read[..n].fill(true);
    }
    let mut kept = vec![None; plan.steps.len()];
    let value = contracted(
        plan,
        |i| Ok(terms[i].clone()),
        |k, result| {
            if read[n + k] && !again {
                kept[k] = Some(result.clone());
            }
        },
    )?;
    let inputs: Vec<&Tensor> = terms.iter().collect();
    Ok(Tensor::record(value, &inputs, Steps { plan: Arc::clone(plan), read, kept, again }))
}

/// The rule of all steps of a plan.
struct Steps {
    plan: Arc<ContractionPlan>,
    /// Which terms the gradient reads.
    read: Vec<bool>,
    /// The results of those steps that it reads.
    kept: Vec<Option<Tensor>>,
    /// Whether they are computed again instead.
    again: bool,
}

impl Steps {
    /// The value of a term that the gradient reads.
    #[track_caller]
    fn value(&self, saved: &Saved, term: usize) -> Result<Tensor> {
        let n = self.plan.prepare.len();
        let Some(k) = term.checked_sub(n) else { return Ok(saved.input(term)) };
        if let Some(value) = &self.kept[k] {
            return Ok(value.clone());
        }
        let step = &self.plan.steps[k];
        let (i, j) = step.terms;
        // What the plan made first takes the more memory on its way.
        let second_first = j < i;
        let first = self.value(saved, i.min(j))?;
        let second = self.value(saved, i.max(j))?;
        let (a, b) = if second_first { (second, first) } else { (first, second) };
        step.pair.value(&a, &b)
    }

    /// All terms but the last as if each pair had been recorded by itself; those that nobody reads have a place on the tape
    /// and no value.
    #[track_caller]
    fn traced(&self, saved: &Saved) -> Result<Vec<Tensor>> {
        let n = self.plan.prepare.len();
        let mut terms: Vec<Tensor> = (0..n).map(|i| saved.traced(i)).collect();
        let (_, steps) = self.plan.steps.split_last().expect("a rule of steps has one");
        for (k, step) in steps.iter().enumerate() {
            let (a, b) = (&terms[step.terms.0], &terms[step.terms.1]);
            let value = match &self.kept[k] {
                Some(value) => value.clone(),
                None if self.again => step.pair.value(a, b)?,
                None => Tensor::zeros(step.pair.shape(), step.pair.dtype(a, b)?)?,
            };
            let traced = step.pair.record(value, a, b);
            terms.push(traced);
        }
        Ok(terms)
    }
}

impl Gradient for Steps {
    fn name(&self) -> &'static str {
        "einsum"
    }
    fn keeps_input(&self, i: usize, _: &[bool]) -> bool {
        self.read[i]
    }
    // Ā[labels_a] = Σ C̄[out] · B[labels_b], from the last step to the first.
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let n = self.plan.prepare.len();
        let wanted = self.plan.wanted(|i| saved.needs(i));
        let traced = if saved.is_recorded() { self.traced(saved)? } else { Vec::new() };
        let mut grads = vec![None; wanted.len()];
        if let Some(last) = grads.last_mut() {
            *last = cotangents[0].clone();
        }
        for (k, step) in self.plan.steps.iter().enumerate().rev() {
            let Some(g) = grads[n + k].take() else { continue };
            let (i, j) = step.terms;
            for (side, own, other) in [(0, i, j), (1, j, i)] {
                if wanted[own] {
                    let other = traced.get(other).cloned().map_or_else(|| self.value(saved, other), Ok)?;
                    grads[own] = Some(step.pair.gradient(side).apply(&g, &other)?);
                }
            }
        }
        grads.truncate(n);
        let answer = |(i, g): (usize, Option<Tensor>)| g.map(|g| g.to_dtype(saved.input_dtype(i).compute())).transpose();
        grads.into_iter().enumerate().map(answer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::einsum::pair::MADE;
    use crate::einsum::{Einsum, EinsumOptions, MemoryLimit, einsum};
    use crate::tape::{BackwardMode, CheckGradientOptions, check_gradient, grad, grad_recorded, vjp};
    use crate::{DType, Rng};

    /// An equation, and operands for it whose labels have sizes 2, 3, 4, … in alphabetical order.
    fn problem(equation: &str) -> Vec<Tensor> {
        let mut rng = Rng::new(3);
        let terms = equation.split("->").next().unwrap().split(',');
        let shape = |term: &str| term.bytes().map(|c| 2 + (c - b'a') as usize).collect::<Vec<_>>();
        terms.map(|t| rng.normal(&shape(t), DType::F64).unwrap()).collect()
    }

    const EQUATIONS: [&str; 8] = [
        "ab,bc->ac",
        "ab,bc,cd->da",
        "abc,cd,bd->ab",
        "ab,bc,cd,da->",
        "ab,ab,c,c->b",
        "abb,bc,c,cd->da",
        "ab,cd->abcd",
        "ca,db,abcd->",
    ];

    #[test]
    fn every_set_of_wanted_gradients_is_right_to_second_order() {
        for equation in EQUATIONS {
            let x = problem(equation);
            for wanted in 1..1 << x.len() {
                let chosen = |k: usize| wanted >> k & 1 == 1;
                let inputs: Vec<Tensor> = (0..x.len()).filter(|&k| chosen(k)).map(|k| x[k].clone()).collect();
                let function = |given: &[Tensor]| {
                    let mut given = given.iter();
                    let all: Vec<&Tensor> = (0..x.len()).map(|k| if chosen(k) { given.next().unwrap() } else { &x[k] }).collect();
                    Ok(vec![einsum(equation, &all)?])
                };
                let options = CheckGradientOptions { directions: 1, order: 2, ..Default::default() };
                check_gradient(function, &inputs, &options).unwrap_or_else(|e| panic!("{equation}, {wanted:b}: {e}"));
            }
        }
    }

    #[test]
    fn results_that_a_limit_does_not_let_stay_are_computed_again() {
        for equation in EQUATIONS {
            let x = problem(equation);
            let shapes: Vec<&[usize]> = x.iter().map(Tensor::shape).collect();
            let read = Einsum::new(equation).unwrap();
            let peak = read.compile(&shapes).unwrap().explain().peak as usize;
            let limit = MemoryLimit { bytes: 8 * peak, dtype: DType::F64 };
            let limited = read
                .with_options(EinsumOptions { memory_limit: Some(limit), ..EinsumOptions::default() })
                .compile(&shapes)
                .unwrap();
            assert!(limited.0.steps.len() < 2 || !limited.0.has_room_for(|k| k + 1 < limited.0.steps.len()), "{equation}");
            let function = |x: &[Tensor]| Ok(vec![limited.run(&x.iter().collect::<Vec<_>>())?]);
            let options = CheckGradientOptions { directions: 1, order: 2, ..Default::default() };
            check_gradient(function, &x, &options).unwrap_or_else(|e| panic!("{equation}: {e}"));
        }
    }

    #[test]
    fn a_second_pass_in_either_direction_plans_nothing() {
        for equation in EQUATIONS {
            let x: Vec<Tensor> = problem(equation).iter().map(Tensor::requires_grad).collect();
            let x: Vec<&Tensor> = x.iter().collect();
            let shapes: Vec<&[usize]> = x.iter().map(|x| x.shape()).collect();
            let compiled = Einsum::new(equation).unwrap().compile(&shapes).unwrap();
            let passes = || {
                let y = compiled.run(&x).unwrap();
                let first = vjp(&[(&y, &y.ones_like())], &x, BackwardMode::Plain).unwrap();
                let loss = y.mul(&y).unwrap().sum(&[], false).unwrap();
                let slope = grad_recorded(&loss, &x).unwrap()[0].sum(&[], false).unwrap();
                (first, grad(&slope, &x).unwrap())
            };
            let before = MADE.get();
            let once = passes();
            let made = MADE.get();
            assert!(made > before);
            let again = passes();
            assert_eq!(MADE.get(), made, "{equation}");
            let bits = |x: &Tensor| x.to_f64_vec().unwrap().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert!(once.1.iter().zip(&again.1).all(|(a, b)| bits(a) == bits(b)));
            assert_eq!(once.0.len(), again.0.len());
        }
    }

    #[test]
    fn only_what_a_gradient_reads_is_kept() {
        let chain = Einsum::new("ab,bc,cd->ad").unwrap();
        let compiled = chain.compile(&[&[2, 3], &[3, 4], &[4, 5]]).unwrap();
        assert_eq!(compiled.path(), [(0, 1), (1, 0)]);
        let x = [[2, 3], [3, 4], [4, 5]].map(|shape| Tensor::ones(&shape, DType::F64).unwrap());
        let kept = |wanted: [bool; 3]| {
            let x: Vec<Tensor> = x.iter().zip(wanted).map(|(x, w)| if w { x.requires_grad() } else { x.clone() }).collect();
            let y = compiled.run(&x.iter().collect::<Vec<_>>()).unwrap();
            let node = &y.origin().unwrap().node;
            node.inputs.iter().map(|i| i.value.is_some()).collect::<Vec<_>>()
        };
        assert_eq!(kept([true, false, false]), [false, true, true]);
        assert_eq!(kept([false, false, true]), [false, false, false]);
        assert_eq!(kept([true, true, true]), [true, true, true]);
    }
}
