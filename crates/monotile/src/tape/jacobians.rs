//! The walks that Jacobians are made of: one a row, or one a column.

use super::backward::{BackwardMode, leads_elsewhere, vjp};
use crate::door;
use crate::error::{Error, Placed, Result};
use crate::ops::view::IdentityGradient;
use crate::tensor::Tensor;

/// What a function is called with, so that its derivatives by its arguments can be taken, and by nothing else.
pub(super) struct Leaves {
    pub tensors: Vec<Tensor>,
}

impl Leaves {
    #[track_caller]
    pub fn new(op: &str, inputs: &[Tensor]) -> Result<Self> {
        if let Some((i, x)) = inputs.iter().enumerate().find(|(_, x)| !x.dtype().is_float()) {
            let dtype = x.dtype();
            return Err(Error::dtype(format!(
                "{op}: input {i} is {dtype}; pass floating-point inputs and capture others in the function"
            )));
        }
        // A place on the tape of its own, also where the function captures the same tensor.
        let leaf = |x: &Tensor| match x.is_recorded() {
            true => Tensor::record(x.detach(), &[x], IdentityGradient),
            false => x.requires_grad(),
        };
        Ok(Self { tensors: inputs.iter().map(leaf).collect() })
    }

    /// How the walks are taken: recorded, if a result depends on a leaf of the tape that was there before.
    pub fn mode(&self, results: &[&Tensor]) -> BackwardMode {
        match leads_elsewhere(results, &self.tensors) {
            true => BackwardMode::Recorded,
            false => BackwardMode::Plain,
        }
    }
}

/// Refuses what has no Jacobians, and those that there is no memory for, before the first walk.
#[track_caller]
pub(super) fn check_result(op: &str, y: &Tensor, leaves: &[Tensor]) -> Result<()> {
    if !y.dtype().is_float() {
        return Err(Error::dtype(format!("{op}: the function must return floating-point numbers, got {}", y.dtype())));
    }
    leaves.iter().try_for_each(|x| door::copy::check_memory(op, &[y.shape(), x.shape()].concat(), x.dtype().compute())).placed()
}

/// Jacobians by one walk a row: the one-hot cotangents of `y`.
#[track_caller]
pub(crate) fn rows(op: &str, y: &Tensor, leaves: &[Tensor], mode: BackwardMode) -> Result<Vec<Tensor>> {
    check_result(op, y, leaves)?;
    let mut rows = vec![Vec::new(); leaves.len()];
    for k in 0..y.len() {
        let found = pull(&[(y, &one_hot(y, k)?)], leaves, mode)?;
        rows.iter_mut().zip(found).for_each(|(rows, g)| rows.push(g));
    }
    let stacked = |(rows, x): (Vec<Tensor>, &Tensor)| {
        let shape = [y.shape(), x.shape()].concat();
        if rows.is_empty() { Tensor::zeros(&shape, x.dtype()) } else { Tensor::stack(&rows, 0)?.reshape(&shape) }
    };
    rows.into_iter().zip(leaves).map(stacked).collect::<Result<_>>().placed()
}

/// Jacobians by one walk a column: the one-hot tangents of each leaf.
#[track_caller]
pub(crate) fn columns(op: &str, y: &Tensor, leaves: &[Tensor], mode: BackwardMode) -> Result<Vec<Tensor>> {
    check_result(op, y, leaves)?;
    let pullback = Pullback::new(&[y], leaves)?;
    let jacobian = |(i, x): (usize, &Tensor)| {
        let column = |k: usize| {
            let direction = one_hot(x, k)?;
            let tangents: Vec<_> = (0..leaves.len()).map(|j| (i == j).then_some(&direction)).collect();
            Ok(pullback.push(&tangents, mode)?.swap_remove(0))
        };
        let columns = (0..x.len()).map(column).collect::<Result<Vec<_>>>()?;
        let shape = [y.shape(), x.shape()].concat();
        if columns.is_empty() { Tensor::zeros(&shape, y.dtype()) } else { Tensor::stack(&columns, -1)?.reshape(&shape) }
    };
    leaves.iter().enumerate().map(jacobian).collect::<Result<_>>().placed()
}

/// w ↦ wᵀ J of some outputs, recorded at w = 0.
pub(super) struct Pullback {
    /// w, one an output.
    cotangents: Vec<Tensor>,
    /// wᵀ J, one a leaf that an output depends on.
    pulled: Vec<Option<Tensor>>,
}

impl Pullback {
    #[track_caller]
    pub fn new(outputs: &[&Tensor], leaves: &[Tensor]) -> Result<Self> {
        let cotangents: Vec<_> = outputs.iter().map(|y| y.zeros_like().requires_grad()).collect();
        let pairs: Vec<_> = outputs.iter().copied().zip(&cotangents).filter(|(y, _)| y.dtype().is_float()).collect();
        let pulled = vjp(&pairs, &leaves.iter().collect::<Vec<_>>(), BackwardMode::Recorded)?;
        Ok(Self { cotangents, pulled })
    }

    /// J v of each output; a tangent that is absent is 0.
    #[track_caller]
    pub fn push(&self, tangents: &[Option<&Tensor>], mode: BackwardMode) -> Result<Vec<Tensor>> {
        let pairs: Vec<_> = self.pulled.iter().zip(tangents).filter_map(|(g, v)| Some((g.as_ref()?, (*v)?))).collect();
        pull(&pairs, &self.cotangents, mode)
    }
}

/// The cotangents of `leaves`, zeros where there are none.
#[track_caller]
pub(super) fn pull(outputs: &[(&Tensor, &Tensor)], leaves: &[Tensor], mode: BackwardMode) -> Result<Vec<Tensor>> {
    let found = vjp(outputs, &leaves.iter().collect::<Vec<_>>(), mode)?;
    Ok(found.into_iter().zip(leaves).map(|(g, x)| g.unwrap_or_else(|| x.zeros_like())).collect())
}

/// The gradient of a scalar, to be differentiated again; absent where it is 0 for all values.
#[track_caller]
pub(super) fn recorded_gradient(op: &str, y: &Tensor, leaves: &[Tensor]) -> Result<Vec<Option<Tensor>>> {
    if y.len() != 1 || !y.dtype().is_float() {
        let (dtype, shape) = (y.dtype(), y.shape());
        return Err(Error::shape(format!(
            "{op}: the function must return a single floating-point number, got {dtype} of shape {shape:?}"
        )));
    }
    vjp(&[(y, &y.ones_like())], &leaves.iter().collect::<Vec<_>>(), BackwardMode::Recorded)
}

/// 1 at element `k`, in row-major order, and 0 elsewhere.
#[track_caller]
pub(super) fn one_hot(x: &Tensor, k: usize) -> Result<Tensor> {
    Tensor::arange(x.len())?.eq(k as i64)?.to_dtype(x.dtype())?.reshape(x.shape())
}

/// Refuses vectors that are not like the inputs.
#[track_caller]
pub(super) fn fit(op: &str, inputs: &[Tensor], vectors: &[Tensor]) -> Result<()> {
    if inputs.len() != vectors.len() {
        return Err(Error::value(format!("{op}: {} inputs need a vector each, got {}", inputs.len(), vectors.len())));
    }
    match inputs.iter().zip(vectors).position(|(x, v)| x.shape() != v.shape() || x.dtype() != v.dtype()) {
        None => Ok(()),
        Some(i) => {
            let [x, v] = [&inputs[i], &vectors[i]].map(|x| format!("{} of shape {:?}", x.dtype(), x.shape()));
            Err(Error::shape(format!("{op}: input {i} is {x} and its vector {v}; they must be alike")))
        }
    }
}
