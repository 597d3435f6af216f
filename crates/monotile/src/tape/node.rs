//! A recorded operation: its rule, the values that the rule reads, and edges to the nodes of its inputs.

use monotile_kernels::shape::Shape;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use smallvec::SmallVec;

use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// How to differentiate an operation. Anybody may implement it: an operation of another crate is one like ours.
///
/// # Example
/// ```
/// use monotile::{tape::{Gradient, Saved}, Result, Tensor};
///
/// /// y = x³
/// struct Cube;
///
/// impl Gradient for Cube {
///     fn name(&self) -> &'static str {
///         "cube"
///     }
///     // ȳ ↦ 3 x² ȳ
///     fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
///         let x = saved.input(0);
///         Ok(vec![cotangents[0].as_ref().map(|g| &x * &x * g * 3.0)])
///     }
/// }
///
/// let x = Tensor::from_vec(vec![2.0_f64], &[1])?.requires_grad();
/// let y = Tensor::record(&x * &x * &x, &[&x], Cube);
/// assert_eq!(y.backward()?.get(&x).unwrap().to_vec::<f64>()?, [12.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "Function")]
#[doc(alias = "custom_vjp")]
pub trait Gradient: Send + Sync + 'static {
    /// The operation's name, for errors.
    fn name(&self) -> &'static str;

    /// The vector-Jacobian product: from the cotangents of the outputs, those of the inputs, in order.
    ///
    /// A cotangent is absent (`None`) where the loss does not depend on that output, which is not the same as zero; at least
    /// one is present. An answer may be absent where it is zero, and should be where [`Saved::needs`] is false. Written
    /// with differentiable operations, a rule can itself be differentiated.
    ///
    /// A recorded walk refuses a rule that leaves the tape. It does so where numbers are read to the host, and the answers do not depend on
    /// what [`Saved::input`] and [`Saved::output`] returned. It does so too where the rule keeps values and asks for none of them.
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>>;

    /// Whether the rule holds for first derivatives alone: a recorded walk then refuses it, in a sentence that names the operation.
    ///
    /// Say so of a rule that computes off the tape, by numbers of its own or by another library.
    fn once_differentiable(&self) -> bool {
        false
    }

    /// Whether the rule reads the value of input `i`, when it is asked for the inputs that `needs` marks.
    ///
    /// A linear operation reads none: `false` frees the memory, and says that the gradient is the same for all values.
    fn keeps_input(&self, i: usize, needs: &[bool]) -> bool {
        let _ = (i, needs);
        true
    }

    /// Whether the rule reads the value of output `k`.
    fn keeps_output(&self, k: usize) -> bool {
        let _ = k;
        false
    }
}

/// Which node a tensor came from, and which of its outputs it is.
#[derive(Clone)]
pub(crate) struct Origin {
    pub node: Arc<TapeNode>,
    pub output: usize,
}

impl Origin {
    /// What tells this output from all others.
    pub fn key(&self) -> (u64, usize) {
        (self.node.id, self.output)
    }
}

pub(crate) struct TapeNode {
    /// Increases with every recorded operation: a node's inputs have smaller ones.
    pub id: u64,
    pub inputs: SmallVec<[TapeInput; 3]>,
    pub outputs: SmallVec<[TapeOutput; 1]>,
    /// None for a leaf: a tensor made by `requires_grad`.
    pub rule: Option<Box<dyn Gradient>>,
}

pub(crate) struct TapeInput {
    /// Where the gradient goes on; None where nobody wants one.
    pub edge: Option<Origin>,
    /// The detached value, where the rule reads it.
    pub value: Option<Tensor>,
    pub shape: Shape,
    pub dtype: DType,
}

pub(crate) struct TapeOutput {
    /// The detached value, where the rule reads it: attached to the node again when asked for, so that there is no cycle.
    pub value: Option<Tensor>,
    pub shape: Shape,
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl TapeNode {
    fn new(inputs: SmallVec<[TapeInput; 3]>, outputs: SmallVec<[TapeOutput; 1]>, rule: Option<Box<dyn Gradient>>) -> Arc<Self> {
        Arc::new(Self { id: NEXT.fetch_add(1, Ordering::Relaxed), inputs, outputs, rule })
    }
}

impl Drop for TapeNode {
    fn drop(&mut self) {
        // A chain of a million nodes would overflow the stack if each dropped the next: they are dropped in a loop.
        let mut pending: Vec<Arc<TapeNode>> = self.inputs.iter_mut().filter_map(|i| i.edge.take()).map(|e| e.node).collect();
        while let Some(node) = pending.pop() {
            if let Some(mut node) = Arc::into_inner(node) {
                pending.extend(node.inputs.iter_mut().filter_map(|i| i.edge.take()).map(|e| e.node));
            }
        }
    }
}

/// What a rule may read: the values that were kept, and which gradients are wanted.
pub struct Saved<'a> {
    pub(crate) node: &'a Arc<TapeNode>,
    pub(crate) needs: &'a [bool],
    /// Whether what the rule computes is recorded in turn.
    pub(crate) recorded: bool,
    /// What a recorded walk must find again in the answers.
    handed: Mutex<Vec<Handed>>,
}

/// A saved value that a rule was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Handed {
    Input(usize),
    Output(usize),
    /// One that no answer need depend on.
    Constant,
}

impl fmt::Display for Handed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Handed::Input(i) => write!(f, "input {i}"),
            Handed::Output(k) => write!(f, "output {k}"),
            Handed::Constant => write!(f, "a constant"),
        }
    }
}

impl<'a> Saved<'a> {
    pub(crate) fn new(node: &'a Arc<TapeNode>, needs: &'a [bool], recorded: bool) -> Self {
        Self { node, needs, recorded, handed: Mutex::new(Vec::new()) }
    }
}

impl Saved<'_> {
    /// The value of input `i`, on the tape where the walk is recorded.
    ///
    /// # Panics
    /// If the rule's `keeps_input` said that it does not read it.
    pub fn input(&self, i: usize) -> Tensor {
        self.hand_out(Handed::Input(i));
        self.input_on_tape(i)
    }

    /// The value of input `i` off the tape, for what is constant between its jumps: a mask, an order, a choice.
    ///
    /// A second derivative takes what is computed from it for a constant.
    ///
    /// # Panics
    /// As [`input`](Saved::input).
    pub fn constant_input(&self, i: usize) -> Tensor {
        self.hand_out(Handed::Constant);
        self.input_on_tape(i).detach()
    }

    /// Input `i` for a function that may pass it by, or decide by its values.
    pub(crate) fn argument(&self, i: usize) -> Tensor {
        self.hand_out(Handed::Constant);
        self.input_on_tape(i)
    }

    fn input_on_tape(&self, i: usize) -> Tensor {
        let input = &self.node.inputs[i];
        let value =
            input.value.as_ref().unwrap_or_else(|| panic!("the rule of {} reads input {i}, which it does not keep", self.name()));
        if self.recorded { value.with_origin(input.edge.clone()) } else { value.clone() }
    }

    fn hand_out(&self, handed: Handed) {
        if self.recorded {
            self.handed.lock().unwrap_or_else(PoisonError::into_inner).push(handed);
        }
    }

    /// What was handed out of a recorded walk.
    pub(super) fn handed(&self) -> Vec<Handed> {
        self.handed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Input `i` where a record needs its place on the tape; its elements are zeros if its value was not kept.
    pub(crate) fn traced(&self, i: usize) -> Tensor {
        let input = &self.node.inputs[i];
        let value = input.value.clone().unwrap_or_else(|| Tensor::scalar_as(0.0, input.dtype).at_all(&input.shape));
        value.with_origin(input.edge.clone())
    }

    /// The value of output `k`, on the tape where the walk is recorded.
    ///
    /// # Panics
    /// If the rule's `keeps_output` said that it does not read it.
    pub fn output(&self, k: usize) -> Tensor {
        self.hand_out(Handed::Output(k));
        self.output_on_tape(k)
    }

    /// The value of output `k` off the tape: see [`constant_input`](Saved::constant_input).
    ///
    /// # Panics
    /// As [`output`](Saved::output).
    pub fn constant_output(&self, k: usize) -> Tensor {
        self.hand_out(Handed::Constant);
        self.output_on_tape(k).detach()
    }

    fn output_on_tape(&self, k: usize) -> Tensor {
        let output = &self.node.outputs[k];
        let value =
            output.value.as_ref().unwrap_or_else(|| panic!("the rule of {} reads output {k}, which it does not keep", self.name()));
        if !self.recorded {
            return value.clone();
        }
        value.with_origin(Some(Origin { node: Arc::clone(self.node), output: k }))
    }

    /// How many inputs there are.
    pub(crate) fn inputs(&self) -> usize {
        self.node.inputs.len()
    }

    /// Whether anybody wants the gradient of input `i`.
    pub fn needs(&self, i: usize) -> bool {
        self.needs[i]
    }

    /// Whether what the rule computes will be differentiated again: a fused backward kernel must then give way to a
    /// composition of differentiable operations.
    pub fn is_recorded(&self) -> bool {
        self.recorded
    }

    /// The shape of input `i`, kept whether its value is or not.
    pub fn input_shape(&self, i: usize) -> &[usize] {
        &self.node.inputs[i].shape
    }

    /// The dtype of input `i`.
    pub fn input_dtype(&self, i: usize) -> DType {
        self.node.inputs[i].dtype
    }

    /// The shape of output `k`.
    pub fn output_shape(&self, k: usize) -> &[usize] {
        &self.node.outputs[k].shape
    }

    fn name(&self) -> &'static str {
        self.node.rule.as_ref().map_or("a leaf", |rule| rule.name())
    }
}

/// # Gradients: recording
///
/// What is on the tape, and how an operation of your own gets there.
impl Tensor {
    /// Records that `output`, a freshly computed tensor, came from `inputs` by an operation with this rule; where no
    /// input is on the tape, `output` is returned as it is.
    ///
    /// Results of integers and booleans have no gradient and are never recorded.
    pub fn record(output: Tensor, inputs: &[&Tensor], rule: impl Gradient) -> Tensor {
        if inputs.iter().all(|t| t.origin().is_none()) {
            return output.detach();
        }
        Self::record_all(vec![output], inputs, rule).swap_remove(0)
    }

    /// [`record`](Tensor::record) for an operation with several outputs.
    pub fn record_all(outputs: Vec<Tensor>, inputs: &[&Tensor], rule: impl Gradient) -> Vec<Tensor> {
        if inputs.iter().all(|t| t.origin().is_none()) {
            return outputs.iter().map(Tensor::detach).collect();
        }
        let needs: SmallVec<[bool; 3]> = inputs.iter().map(|t| t.origin().is_some()).collect();
        let kept = |(i, t): (usize, &&Tensor)| TapeInput {
            edge: t.origin().cloned(),
            value: rule.keeps_input(i, &needs).then(|| t.detach()),
            shape: t.layout().shape.clone(),
            dtype: t.dtype(),
        };
        let node_inputs = inputs.iter().enumerate().map(kept).collect();
        let node_outputs = outputs
            .iter()
            .enumerate()
            .map(|(k, t)| TapeOutput { value: rule.keeps_output(k).then(|| t.detach()), shape: t.layout().shape.clone() });
        let node = TapeNode::new(node_inputs, node_outputs.collect(), Some(Box::new(rule)));
        let attach = |(output, t): (usize, &Tensor)| {
            let origin = t.dtype().is_float().then(|| Origin { node: Arc::clone(&node), output });
            t.with_origin(origin)
        };
        outputs.iter().enumerate().map(attach).collect()
    }

    /// The same elements as a leaf of the tape: gradients are wanted with respect to the returned tensor.
    ///
    /// What `self` was computed from is not differentiated further.
    ///
    /// # Panics
    /// For integers and booleans, which have no gradient.
    #[doc(alias = "requires_grad_")]
    #[must_use]
    #[track_caller]
    pub fn requires_grad(&self) -> Tensor {
        assert!(self.dtype().is_float(), "requires_grad: a tensor of {} has no gradient", self.dtype());
        let output = TapeOutput { value: None, shape: self.layout().shape.clone() };
        let node = TapeNode::new(SmallVec::new(), SmallVec::from_iter([output]), None);
        self.with_origin(Some(Origin { node, output: 0 }))
    }

    /// Whether the tape knows where this tensor came from, or it is a leaf.
    pub fn is_recorded(&self) -> bool {
        self.origin().is_some()
    }

    /// The same elements, off the tape.
    #[doc(alias = "stop_gradient")]
    #[doc(alias = "no_grad")]
    #[must_use]
    pub fn detach(&self) -> Tensor {
        if self.is_recorded() { self.with_origin(None) } else { self.clone() }
    }
}

/// Refuses an answer of a rule that cannot be the gradient of its input.
#[track_caller]
pub(crate) fn check_answer(node: &TapeNode, rule: &dyn Gradient, answers: &[Option<Tensor>]) -> Result<()> {
    let name = rule.name();
    if answers.len() != node.inputs.len() {
        return Err(Error::value(format!("the rule of {name} answers for {} of {} inputs", answers.len(), node.inputs.len())));
    }
    for (i, (answer, input)) in answers.iter().zip(&node.inputs).enumerate() {
        if let Some(answer) = answer
            && answer.shape() != &input.shape[..]
        {
            let (got, wanted) = (answer.shape(), &input.shape);
            return Err(Error::shape(format!(
                "the rule of {name} gives input {i} of shape {wanted:?} a gradient of shape {got:?}"
            )));
        }
    }
    Ok(())
}
