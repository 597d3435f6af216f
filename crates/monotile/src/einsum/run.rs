//! Execution of a plan, and the cache behind the plain call.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::panic::Location;
use std::sync::{Arc, LazyLock, Mutex};

use smallvec::SmallVec;

use crate::einsum::Einsum;
use crate::einsum::gradient;
use crate::einsum::plan::{ContractionPlan, OperandStep};
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::Tensor;

/// Carries a plan out on operands of the shapes that it was made for.
#[track_caller]
pub(super) fn run(plan: &Arc<ContractionPlan>, operands: &[&Tensor]) -> Result<Tensor> {
    if let Some(k) = operands.iter().position(|x| !x.dtype().is_float())
        && plan.computes()
    {
        let (dtype, equation) = (operands[k].dtype(), &plan.equation);
        let fault = format!("operand {k} holds {dtype}; sums and products take floating-point numbers, cast with to_dtype");
        return Err(Error::dtype(format!("einsum \"{equation}\": {fault}")));
    }
    let operand = |i: usize| prepared(operands[i], &plan.prepare[i]);
    let last = if plan.steps.is_empty() {
        operand(0)?
    } else if operands.iter().any(|x| x.is_recorded()) {
        gradient::recorded(plan, operands)?
    } else {
        contracted(plan, operand, |_, _| ())?
    };
    let ordered = match &plan.finish.permute {
        Some(order) => last.permute(order)?,
        None => last,
    };
    if ordered.shape() == plan.finish.shape.as_slice() { Ok(ordered) } else { ordered.reshape(&plan.finish.shape) }
}

/// Carries out the steps of a plan, unrecorded, on the operands that `operand` gives; `see` is shown each result.
///
/// Each result is dropped as soon as it is used, so that the pool can give its memory to the next; and an operand is asked
/// for just before it is used.
#[track_caller]
pub(super) fn contracted(
    plan: &ContractionPlan,
    operand: impl Fn(usize) -> Result<Tensor>,
    mut see: impl FnMut(usize, &Tensor),
) -> Result<Tensor> {
    let n = plan.prepare.len();
    let mut results: SmallVec<[Option<Tensor>; 8]> = SmallVec::new();
    for (k, step) in plan.steps.iter().enumerate() {
        let mut take = |i: usize| match i.checked_sub(n) {
            None => operand(i),
            Some(k) => Ok(results[k].take().expect("a path contracts each term once")),
        };
        let (a, b) = (take(step.terms.0)?, take(step.terms.1)?);
        let result = step.pair.value(&a, &b)?;
        see(k, &result);
        results.push(Some(result));
    }
    Ok(results.pop().flatten().expect("a plan with steps leaves one term"))
}

/// An operand as it meets others: without repeated labels, and summed over those that it alone has.
#[track_caller]
pub(super) fn prepared(x: &Tensor, prepare: &OperandStep) -> Result<Tensor> {
    let mut view = match &prepare.squeeze {
        Some(shape) => x.reshape(shape)?,
        None => x.clone(),
    };
    for &(i, j) in &prepare.diagonals {
        view = view.diagonal(i, j)?;
    }
    if prepare.sum.is_empty() { Ok(view) } else { view.sum(&prepare.sum, false) }
}

/// Refuses operands of other shapes than a plan was made for.
#[track_caller]
pub(super) fn check_shapes(plan: &ContractionPlan, operands: &[&Tensor]) -> Result<()> {
    let here = Location::caller();
    let refuse =
        |fault: String| Err(Error::new(ErrorKind::Equation, format!("einsum \"{}\": {fault}", plan.equation)).with_place(here));
    if operands.len() != plan.shapes.len() {
        return refuse(format!("compiled for {} operands, given {}", plan.shapes.len(), operands.len()));
    }
    match operands.iter().zip(&plan.shapes).position(|(x, shape)| x.shape() != shape.as_slice()) {
        None => Ok(()),
        Some(k) => {
            let (compiled, given) = (&plan.shapes[k], operands[k].shape());
            refuse(format!("compiled for shape {compiled:?} of operand {k}, given {given:?}"))
        }
    }
}

/// The most plans that a generation of the cache holds.
const GENERATION: usize = 512;

/// Plans by equation and shapes (they do not depend on dtypes), in two generations: when the young one is full it becomes
/// the old one, whose plans are forgotten unless they are asked for again.
#[derive(Default)]
struct ResultCache {
    young: HashMap<u64, Arc<ContractionPlan>>,
    old: HashMap<u64, Arc<ContractionPlan>>,
}

static CACHE: LazyLock<Mutex<ResultCache>> = LazyLock::new(Mutex::default);
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The plan of this equation for operands of these shapes, made at the first call.
#[track_caller]
pub(super) fn planned(equation: &str, operands: &[&Tensor]) -> Result<Arc<ContractionPlan>> {
    let shapes: SmallVec<[&[usize]; 8]> = operands.iter().map(|x| x.shape()).collect();
    let key = HASHER.hash_one((equation, shapes.as_slice()));
    // Two equations may share a key: then the newer one takes its place.
    let fits = |plan: &Arc<ContractionPlan>| {
        plan.equation == equation && plan.shapes.iter().map(|s| s.as_slice()).eq(shapes.iter().copied())
    };
    let lock = || CACHE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut cache = lock();
    if let Some(plan) = cache.young.get(&key).filter(|p| fits(p)) {
        return Ok(Arc::clone(plan));
    }
    let again = cache.old.remove(&key).filter(fits);
    drop(cache);
    let plan = match again {
        Some(plan) => plan,
        None => Arc::new(Einsum::new(equation)?.plan(&shapes)?),
    };
    let mut cache = lock();
    if cache.young.len() >= GENERATION {
        cache.old = std::mem::take(&mut cache.young);
    }
    cache.young.insert(key, Arc::clone(&plan));
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;

    #[test]
    fn a_plan_is_made_once_for_an_equation_and_shapes() {
        let (a, b) = (Tensor::ones(&[2, 3], DType::F64).unwrap(), Tensor::ones(&[3, 4], DType::F32).unwrap());
        let first = planned("pq,qr->rp", &[&a, &b]).unwrap();
        assert!(Arc::ptr_eq(&first, &planned("pq,qr->rp", &[&a, &b]).unwrap()));
        let c = Tensor::ones(&[3, 5], DType::F32).unwrap();
        assert_eq!(planned("pq,qr->rp", &[&a, &c]).unwrap().finish.shape.as_slice(), [5, 2]);
        assert!(planned("pq,qr->rp", &[&a, &a]).is_err());
    }

    #[test]
    fn the_cache_stays_bounded() {
        for n in 0..3 * GENERATION {
            planned("uv->vu", &[&Tensor::ones(&[n, 1], DType::F32).unwrap()]).unwrap();
        }
        let cache = CACHE.lock().unwrap();
        assert!(cache.young.len() <= GENERATION && cache.old.len() <= GENERATION);
    }
}
