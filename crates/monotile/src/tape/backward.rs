//! The walk from a loss back to the leaves.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::sync::Arc;

use super::dependence;
use super::node::{Saved, TapeNode, check_answer};
use crate::error::{Error, Result};
use crate::ops::cat::borrowed;
use crate::tensor::Tensor;

/// The gradients that [`Tensor::backward`] found, by tensor.
pub struct Gradients(HashMap<(u64, usize), Tensor>);

impl Gradients {
    /// The gradient with respect to this leaf; `None` where the loss does not depend on it.
    pub fn get(&self, leaf: &Tensor) -> Option<&Tensor> {
        self.0.get(&leaf.origin()?.key())
    }

    /// Takes the gradient with respect to this leaf out, leaving none.
    pub fn take(&mut self, leaf: &Tensor) -> Option<Tensor> {
        self.0.remove(&leaf.origin()?.key())
    }

    /// The number of leaves that have a gradient.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no leaf has one.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether a walk backward is itself recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackwardMode {
    /// Gradients are plain values.
    #[default]
    Plain,
    /// Gradients are recorded, so that they can be differentiated again.
    Recorded,
}

/// # Gradients: backward
///
/// From a loss to what it was computed from; [`tape`](crate::tape) has Jacobians, Hessians and products with them.
impl Tensor {
    /// The gradients of this scalar with respect to every leaf it was computed from.
    ///
    /// # Errors
    /// If this is not a single number, or not computed from a tensor made by [`requires_grad`](Tensor::requires_grad).
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_vec(vec![1.0_f64, 2.0, 3.0], &[3])?.requires_grad();
    /// let loss = (&x * &x).sum(&[], false)?;
    /// let gradients = loss.backward()?;
    /// assert_eq!(gradients.get(&x).unwrap().to_vec::<f64>()?, [2.0, 4.0, 6.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn backward(&self) -> Result<Gradients> {
        let seed = seed("backward", self)?;
        let found = propagate(&[(self, seed)], None, BackwardMode::Plain)?;
        Ok(Gradients(found))
    }
}

/// The gradients of the scalar `loss` with respect to each of `inputs`, in order; zeros where it does not depend on one.
///
/// `inputs` may be leaves or values computed on the way: a list of tensors, as a model's weights are, or of references.
///
/// # Errors
/// If `loss` is not a single recorded number, or an input is not on the tape.
///
/// # Example
/// ```
/// use monotile::{Tensor, tape::grad};
/// let weights = [2.0_f64, 3.0].map(|w| Tensor::scalar(w).requires_grad());
/// let product = &weights[0] * &weights[1];
/// assert_eq!(grad(&product, &weights)?[0].item::<f64>()?, 3.0);
/// assert_eq!(grad(&product, [&weights[1]])?[0].item::<f64>()?, 2.0);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn grad<T: Borrow<Tensor>>(loss: &Tensor, inputs: impl AsRef<[T]>) -> Result<Vec<Tensor>> {
    gradients("grad", loss, &borrowed(inputs.as_ref()), BackwardMode::Plain)
}

/// The gradients of a scalar, zeros where it does not depend on an input.
#[track_caller]
fn gradients(op: &str, loss: &Tensor, inputs: &[&Tensor], walk_kind: BackwardMode) -> Result<Vec<Tensor>> {
    check_on_tape(op, inputs)?;
    let found = vjp(&[(loss, &seed(op, loss)?)], inputs, walk_kind)?;
    Ok(found.into_iter().zip(inputs).map(|(g, x)| g.unwrap_or_else(|| x.constant_gradient(0.0))).collect())
}

/// [`grad`] whose results are recorded, so that they can be differentiated again.
///
/// # Errors
/// As [`grad`]. `Unsupported`, if the rule of an operation has left the tape, or is marked
/// [`once_differentiable`](super::Gradient::once_differentiable): a second derivative would be wrong.
///
/// # Example
/// The second derivative of x³ at 2 is 12:
/// ```
/// use monotile::{Tensor, tape::{grad, grad_recorded}};
/// let x = Tensor::scalar(2.0_f64).requires_grad();
/// let y = &(&x * &x) * &x;
/// let dy = grad_recorded(&y, &[&x])?.swap_remove(0);
/// assert_eq!(grad(&dy, &[&x])?[0].item::<f64>()?, 12.0);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "create_graph")]
#[track_caller]
pub fn grad_recorded<T: Borrow<Tensor>>(loss: &Tensor, inputs: impl AsRef<[T]>) -> Result<Vec<Tensor>> {
    gradients("grad_recorded", loss, &borrowed(inputs.as_ref()), BackwardMode::Recorded)
}

#[track_caller]
fn check_on_tape(op: &str, inputs: &[&Tensor]) -> Result<()> {
    match inputs.iter().position(|x| !x.is_recorded()) {
        Some(i) => Err(Error::value(format!("{op}: input {i} is not on the tape; make it with requires_grad before it is used"))),
        None => Ok(()),
    }
}

/// The vector-Jacobian product: pulls the cotangents of `outputs`, given beside them, back to each of `inputs`.
///
/// `None` where no output depends on an input. Outputs that are not on the tape contribute nothing.
///
/// # Errors
/// If a cotangent has not its output's shape, or an input is not on the tape.
///
/// # Cost
/// One walk over what the outputs were computed from; [`batch_vjp`](super::batch_vjp) takes one a cotangent.
#[track_caller]
pub fn vjp(outputs: &[(&Tensor, &Tensor)], inputs: &[&Tensor], walk_kind: BackwardMode) -> Result<Vec<Option<Tensor>>> {
    for (output, cotangent) in outputs {
        if output.shape() != cotangent.shape() {
            let (y, g) = (output.shape(), cotangent.shape());
            return Err(Error::shape(format!("vjp: an output of shape {y:?} with a cotangent of shape {g:?}")));
        }
    }
    check_on_tape("vjp", inputs)?;
    let seeds: Vec<_> = outputs.iter().map(|&(y, g)| (y, g.clone())).collect();
    let found = propagate(&seeds, Some(inputs), walk_kind)?;
    Ok(inputs.iter().map(|x| x.origin().and_then(|o| found.get(&o.key()).cloned())).collect())
}

/// The cotangent 1 of a loss.
#[track_caller]
fn seed(op: &str, loss: &Tensor) -> Result<Tensor> {
    if loss.len() != 1 {
        return Err(Error::shape(format!("{op}: the loss must be a single number, got shape {:?}", loss.shape())));
    }
    if !loss.is_recorded() {
        return Err(Error::value(format!("{op}: the loss does not depend on any tensor made with requires_grad")));
    }
    Ok(loss.constant_gradient(1.0))
}

/// Pulls cotangents back. Returns those of `targets`, or of all leaves where no targets are named.
#[track_caller]
fn propagate(
    seeds: &[(&Tensor, Tensor)],
    targets: Option<&[&Tensor]>,
    kind: BackwardMode,
) -> Result<HashMap<(u64, usize), Tensor>> {
    let nodes = reachable(seeds.iter().filter_map(|(y, _)| y.origin()).map(|o| &o.node));
    let wanted = targets.map(|targets| leading_to(&nodes, targets));
    let is_wanted = |id: u64| wanted.as_ref().is_none_or(|w| w.contains(&id));
    let is_target = |key: (u64, usize), leaf: bool| match targets {
        None => leaf,
        Some(targets) => targets.iter().any(|t| t.origin().is_some_and(|o| o.key() == key)),
    };

    let mut pending: HashMap<(u64, usize), Tensor> = HashMap::new();
    let mut found = HashMap::new();
    for (y, g) in seeds {
        if let Some(origin) = y.origin() {
            accumulate(&mut pending, origin.key(), g.clone())?;
        }
    }
    // Every consumer of a node has a larger id, so that its cotangents are complete when its turn comes.
    for node in nodes.iter().rev() {
        let cotangents: Vec<_> = (0..node.outputs.len()).map(|k| pending.remove(&(node.id, k))).collect();
        if cotangents.iter().all(Option::is_none) || !is_wanted(node.id) {
            continue;
        }
        for (k, g) in cotangents.iter().enumerate() {
            if let Some(g) = g
                && is_target((node.id, k), node.rule.is_none())
            {
                found.insert((node.id, k), g.clone());
            }
        }
        let Some(rule) = &node.rule else { continue };
        let needs: Vec<bool> = node.inputs.iter().map(|i| i.edge.as_ref().is_some_and(|e| is_wanted(e.node.id))).collect();
        if !needs.contains(&true) {
            continue;
        }
        let recorded = kind == BackwardMode::Recorded;
        if recorded {
            dependence::check_mark(rule.as_ref())?;
        }
        let (saved, reads) = (Saved::new(node, &needs, recorded), dependence::reads());
        let answers = rule.vjp(&saved, &cotangents)?;
        check_answer(node, rule.as_ref(), &answers)?;
        if recorded {
            dependence::check(&saved, &cotangents, &answers, reads)?;
        }
        for ((input, answer), needed) in node.inputs.iter().zip(answers).zip(&needs) {
            if let (Some(edge), Some(answer), true) = (&input.edge, answer, needed) {
                accumulate(&mut pending, edge.key(), answer)?;
            }
        }
    }
    Ok(found)
}

#[track_caller]
fn accumulate(pending: &mut HashMap<(u64, usize), Tensor>, key: (u64, usize), g: Tensor) -> Result<()> {
    let sum = match pending.remove(&key) {
        Some(sum) => sum.add(&g)?,
        None => g,
    };
    pending.insert(key, sum);
    Ok(())
}

/// All nodes that these depend on, themselves included, in the order they were recorded.
fn reachable<'a>(roots: impl Iterator<Item = &'a Arc<TapeNode>>) -> Vec<Arc<TapeNode>> {
    let mut pending: Vec<Arc<TapeNode>> = roots.cloned().collect();
    let mut seen: HashMap<u64, Arc<TapeNode>> = HashMap::new();
    while let Some(node) = pending.pop() {
        if seen.contains_key(&node.id) {
            continue;
        }
        pending.extend(node.inputs.iter().filter_map(|i| i.edge.as_ref()).map(|e| Arc::clone(&e.node)));
        seen.insert(node.id, node);
    }
    let mut nodes: Vec<_> = seen.into_values().collect();
    nodes.sort_unstable_by_key(|n| n.id);
    nodes
}

/// The nodes on a path from a target: the others need no gradient. `nodes` is in the order of recording.
fn leading_to(nodes: &[Arc<TapeNode>], targets: &[&Tensor]) -> std::collections::HashSet<u64> {
    let mut wanted: std::collections::HashSet<u64> = targets.iter().filter_map(|t| t.origin()).map(|o| o.node.id).collect();
    for node in nodes {
        if node.inputs.iter().filter_map(|i| i.edge.as_ref()).any(|e| wanted.contains(&e.node.id)) {
            wanted.insert(node.id);
        }
    }
    wanted
}

/// Whether one of these was computed from a leaf of the tape that none of `leaves` is; what `leaves` were computed from counts.
pub(super) fn leads_elsewhere(results: &[&Tensor], leaves: &[Tensor]) -> bool {
    let own: Vec<u64> = leaves.iter().filter_map(|x| x.origin()).map(|o| o.node.id).collect();
    let nodes = reachable(results.iter().filter_map(|y| y.origin()).map(|o| &o.node));
    nodes.iter().any(|node| node.rule.is_none() && !own.contains(&node.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::DType;

    fn leaf(values: &[f64]) -> Tensor {
        Tensor::from_slice(values, &[values.len()]).unwrap().requires_grad()
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_nodes_walks_and_drops_without_recursion() {
        let x = leaf(&[1.0]);
        let mut y = x.clone();
        for _ in 0..100_000 {
            y = &y + 1.0;
        }
        assert_eq!(y.sum(&[], false).unwrap().backward().unwrap().get(&x).unwrap().item::<f64>().unwrap(), 1.0);
    }

    #[test]
    fn inputs_off_the_tape_are_refused_in_the_name_of_the_call() {
        let (x, y) = (leaf(&[3.0]), Tensor::scalar(1.0));
        let loss = x.sum(&[], false).unwrap();
        let words = grad(&loss, &[&x, &y]).err().unwrap().to_string();
        assert_eq!(words, "grad: input 1 is not on the tape; make it with requires_grad before it is used");
        let words = vjp(&[(&loss, &y)], &[&y], BackwardMode::Plain).err().unwrap();
        assert_eq!(words.to_string(), "vjp: input 0 is not on the tape; make it with requires_grad before it is used");
        assert!(words.place().file().ends_with("backward.rs") && words.place().line() > 200, "{words:#}");
    }

    #[test]
    fn a_tensor_used_twice_gets_the_sum_of_both_gradients() {
        let x = leaf(&[3.0]);
        let y = &(&x * 2.0) + &(&x * &x);
        assert_eq!(grad(&y, &[&x]).unwrap()[0].to_f64_vec().unwrap(), [8.0]);
    }

    #[test]
    fn gradients_of_values_on_the_way_can_be_asked_for() {
        let x = leaf(&[3.0]);
        let y = &x * 2.0;
        let z = &y * &y;
        assert_eq!(grad(&z, &[&y]).unwrap()[0].to_f64_vec().unwrap(), [12.0]);
    }

    #[test]
    fn an_input_that_the_loss_does_not_depend_on_has_gradient_zero() {
        let (x, other) = (leaf(&[3.0]), leaf(&[1.0, 2.0]));
        let g = grad(&(&x * &x), &[&other]).unwrap();
        assert_eq!(g[0].to_f64_vec().unwrap(), [0.0, 0.0]);
        assert!((&x * &x).backward().unwrap().get(&other).is_none());
    }

    #[test]
    fn losses_without_a_gradient_are_refused_with_words() {
        let x = leaf(&[3.0, 4.0]);
        let sentence = |r: Result<Gradients>| r.err().unwrap().to_string();
        assert_eq!(sentence(x.backward()), "backward: the loss must be a single number, got shape [2]");
        let constant = Tensor::scalar_as(1.0, DType::F64);
        assert_eq!(sentence(constant.backward()), "backward: the loss does not depend on any tensor made with requires_grad");
    }

    #[test]
    fn a_plain_walk_records_nothing() {
        let x = leaf(&[3.0]);
        let g = grad(&(&x * &x), &[&x]).unwrap();
        assert!(!g[0].is_recorded());
        assert!(grad_recorded(&(&x * &x), &[&x]).unwrap()[0].is_recorded());
    }
}
