//! Whether what a rule answered under a recorded walk depends, on the tape, on what the rule read.
//!
//! A rule that reads numbers to the host leaves the tape: its answer is right, and what is differentiated again takes it for a constant.
//! So the walk looks at the few nodes that a rule has made. Each value that the rule was handed must be among what they lead to,
//! if numbers were read meanwhile; and a rule that keeps values, and asks for none of them, must have another way to one of its inputs.

use std::cell::Cell;
use std::collections::HashSet;

use super::node::{Gradient, Handed, Origin, Saved};
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::Tensor;

thread_local! {
    static READ: Cell<u64> = const { Cell::new(0) };
}

/// Notes that numbers of `x` are read to the host, where the tape does not follow.
pub(crate) fn note_read(x: &Tensor) {
    if x.dtype().is_float() {
        READ.with(|read| read.set(read.get().wrapping_add(1)));
    }
}

/// How often this thread has read numbers to the host.
pub(super) fn reads() -> u64 {
    READ.with(Cell::get)
}

/// Refuses a rule that is marked as right once only.
#[track_caller]
pub(super) fn check_mark(rule: &dyn Gradient) -> Result<()> {
    match rule.once_differentiable() {
        true => refuse(
            rule,
            "its rule is marked once_differentiable; take it by `grad`, which records nothing, or write the rule with operations",
        ),
        false => Ok(()),
    }
}

/// Refuses what a rule answered under a recorded walk, if it has left the tape. `before` is what [`reads`] was.
#[track_caller]
pub(super) fn check(saved: &Saved, cotangents: &[Option<Tensor>], answers: &[Option<Tensor>], before: u64) -> Result<()> {
    let rule = saved.node.rule.as_deref().expect("a leaf answers nothing");
    let given = || answers.iter().zip(saved.needs).filter(|(_, needed)| **needed).filter_map(|(x, _)| x.as_ref());
    if given().all(Tensor::is_empty) {
        return Ok(());
    }
    let (handed, left) = (saved.handed(), reads() != before);
    let silent = handed.is_empty() && keeps(saved, rule).is_some();
    if !left && !silent {
        return Ok(());
    }
    let met = met(saved, cotangents, given());
    let edges = || saved.node.inputs.iter().filter_map(|input| input.edge.as_ref());
    if left {
        let lost = |handed: &&Handed| match **handed {
            Handed::Input(i) => saved.node.inputs[i].edge.as_ref().is_some_and(|edge| !met.contains(&edge.key())),
            Handed::Output(k) => !met.contains(&(saved.node.id, k)),
            Handed::Constant => false,
        };
        if let Some(handed) = handed.iter().find(lost) {
            return refuse(rule, &left_by(&handed.to_string()));
        }
        let mut recorded = cotangents.iter().flatten().filter_map(Tensor::origin).peekable();
        if recorded.peek().is_some() && !recorded.any(|origin| met.contains(&origin.key())) {
            return refuse(rule, &left_by("its cotangents"));
        }
    }
    let own = |origin: &Origin| met.contains(&origin.key());
    match keeps(saved, rule) {
        Some(kept) if silent && !edges().any(own) => refuse(
            rule,
            &format!(
                "its rule keeps {kept}, and asks for no saved value; read what it depends on by Saved::input, say by keeps_input that it \
                 is linear, or mark it once_differentiable"
            ),
        ),
        _ => Ok(()),
    }
}

/// What the rule keeps of what is on the tape, for these gradients.
fn keeps(saved: &Saved, rule: &dyn Gradient) -> Option<Handed> {
    let inputs = saved.node.inputs.iter().enumerate();
    let mut kept = inputs.filter(|(_, input)| input.edge.is_some()).map(|(i, _)| i).filter(|&i| rule.keeps_input(i, saved.needs));
    let output = || (0..saved.node.outputs.len()).find(|&k| rule.keeps_output(k)).map(Handed::Output);
    kept.next().map(Handed::Input).or_else(output)
}

/// Which values of the rule's node, and which cotangents, its answers lead to: what the rule was handed is not followed further.
fn met<'a>(saved: &Saved, cotangents: &[Option<Tensor>], answers: impl Iterator<Item = &'a Tensor>) -> HashSet<(u64, usize)> {
    let edges = saved.node.inputs.iter().filter_map(|input| input.edge.as_ref());
    let mut ends: HashSet<u64> = edges.chain(cotangents.iter().flatten().filter_map(Tensor::origin)).map(|o| o.node.id).collect();
    ends.insert(saved.node.id);
    let first = ends.iter().copied().min().unwrap_or(0);
    let (mut met, mut followed) = (HashSet::new(), HashSet::new());
    let mut pending: Vec<Origin> = answers.filter_map(|x| x.origin().cloned()).collect();
    while let Some(origin) = pending.pop() {
        let id = origin.node.id;
        // Inputs of a node have smaller ids.
        if id < first || !met.insert(origin.key()) || ends.contains(&id) || !followed.insert(id) {
            continue;
        }
        pending.extend(origin.node.inputs.iter().filter_map(|input| input.edge.clone()));
    }
    met
}

fn left_by(what: &str) -> String {
    format!(
        "its rule reads numbers to the host, and what it answers does not depend on {what}; compute with operations, read what is \
         constant by Saved::constant_input, or mark the rule once_differentiable"
    )
}

#[track_caller]
fn refuse(rule: &dyn Gradient, why: &str) -> Result<()> {
    Err(Error::new(ErrorKind::Unsupported, format!("the gradient of {} cannot be differentiated again: {why}", rule.name())))
}

#[cfg(test)]
mod tests {
    use super::super::{CheckGradientOptions, check_gradient, checkpoint, grad, grad_recorded};
    use super::*;

    /// How a rule of y = x³ goes about x.
    #[derive(Clone, Copy, PartialEq)]
    enum Way {
        Operations,
        /// Both x and ȳ are read to the host.
        Host,
        /// The slope 3 x² is made of numbers, and multiplied by ȳ on the tape.
        HostSlope,
        /// The slope was computed with the value.
        Stored,
        Marked,
    }

    struct Cube(Way, Tensor);

    impl Gradient for Cube {
        fn name(&self) -> &'static str {
            "cube"
        }
        fn once_differentiable(&self) -> bool {
            self.0 == Way::Marked
        }
        fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
            let Some(g) = &cotangents[0] else { return Ok(vec![None]) };
            let slope = |x: &Tensor| {
                let slopes = x.to_vec::<f64>()?.iter().map(|x| 3.0 * x * x).collect();
                Tensor::from_vec(slopes, x.shape())
            };
            let x_bar = match self.0 {
                Way::Operations => g.mul(&saved.input(0).square()?.mul_scalar(3.0)?)?,
                Way::Host | Way::Marked => slope(&saved.input(0))?.mul(g.detach())?,
                Way::HostSlope => g.mul(&slope(&saved.input(0))?)?,
                Way::Stored => g.mul(&self.1)?,
            };
            Ok(vec![Some(x_bar)])
        }
    }

    fn cube(x: &Tensor, way: Way) -> Tensor {
        let value = &(x * x) * x;
        let slope = x.square().unwrap().mul_scalar(3.0).unwrap().detach();
        Tensor::record(value.detach(), &[x], Cube(way, slope))
    }

    /// d²/dx² of f(x)² at 2, with f(x) = x³: 30 x⁴ = 480.
    fn second(way: Way) -> Result<f64> {
        let x = Tensor::scalar(2.0_f64).requires_grad();
        let y = cube(&x, way).square()?;
        let first = grad_recorded(&y, &[&x])?.swap_remove(0);
        assert_eq!(first.item::<f64>()?, 192.0);
        grad(&first, &[&x])?[0].item::<f64>()
    }

    #[test]
    fn a_rule_that_leaves_the_tape_is_refused_where_its_gradient_would_be_differentiated_again() {
        assert_eq!(second(Way::Operations).unwrap(), 480.0);
        let words = |way| second(way).unwrap_err().to_string();
        let left = "the gradient of cube cannot be differentiated again: its rule reads numbers to the host, and what it answers does not \
                    depend on input 0; compute with operations, read what is constant by Saved::constant_input, or mark the rule \
                    once_differentiable";
        assert_eq!(words(Way::Host), left);
        assert_eq!(words(Way::HostSlope), left);
        assert_eq!(
            words(Way::Stored),
            "the gradient of cube cannot be differentiated again: its rule keeps input 0, and asks for no saved value; read what it depends \
             on by Saved::input, say by keeps_input that it is linear, or mark it once_differentiable"
        );
        assert_eq!(
            words(Way::Marked),
            "the gradient of cube cannot be differentiated again: its rule is marked once_differentiable; take it by `grad`, which records \
             nothing, or write the rule with operations"
        );
    }

    #[test]
    fn a_rule_that_leaves_the_tape_is_right_once_and_check_gradient_refuses_its_second_order() {
        let x = Tensor::from_slice(&[0.5, -1.5], &[2]).unwrap();
        for way in [Way::Operations, Way::Host, Way::HostSlope, Way::Stored, Way::Marked] {
            let check = |order| {
                let options = CheckGradientOptions { order, ..Default::default() };
                check_gradient(|x| Ok(vec![cube(&x[0], way)]), std::slice::from_ref(&x), &options)
            };
            check(1).unwrap();
            assert_eq!(check(2).is_ok(), way == Way::Operations);
        }
    }

    /// The k-th element from above, by an order that the host finds.
    struct Nth(bool);

    impl Gradient for Nth {
        fn name(&self) -> &'static str {
            "nth"
        }
        fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
            let x = if self.0 { saved.constant_input(0) } else { saved.input(0) };
            let x = x.to_vec::<f64>()?;
            let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let mask = Tensor::from_vec(x.iter().map(|&x| f64::from(x == largest)).collect(), &[x.len()])?;
            Ok(vec![cotangents[0].as_ref().map(|g| g.mul(&mask)).transpose()?])
        }
    }

    #[test]
    fn what_is_read_as_a_constant_may_be_read_to_the_host() {
        let second = |constant: bool| {
            let x = Tensor::from_slice(&[1.0_f64, 3.0], &[2])?.requires_grad();
            let y = Tensor::record(Tensor::scalar(3.0_f64), &[&x], Nth(constant)).square()?;
            let first = grad_recorded(&y, &[&x])?.swap_remove(0).sum(&[], false)?;
            grad(&first, &[&x])?[0].to_vec::<f64>()
        };
        assert_eq!(second(true).unwrap(), [0.0, 2.0]);
        assert!(second(false).unwrap_err().to_string().contains("does not depend on input 0;"));
    }

    #[test]
    fn a_checkpointed_function_may_decide_by_values_and_pass_an_input_by() {
        let (x, w) = (Tensor::scalar(3.0_f64).requires_grad(), Tensor::scalar(2.0_f64).requires_grad());
        let y = checkpoint(&[&x, &w], |x| Ok(vec![if x[1].item::<f64>()? > 0.0 { x[0].mul_scalar(2.0)? } else { x[0].neg()? }]));
        let y = y.unwrap()[0].square().unwrap();
        let first = grad_recorded(&y, &[&x]).unwrap().swap_remove(0);
        assert_eq!(grad(&first, &[&x]).unwrap()[0].item::<f64>().unwrap(), 8.0);
    }
}
