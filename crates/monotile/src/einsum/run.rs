//! Execution of a plan, and the cache behind the plain call.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, LazyLock, Mutex};

use smallvec::SmallVec;

use crate::einsum::Einsum;
use crate::einsum::plan::{Plan, Prepare};
use crate::einsum::step::{one_pass, step};
use crate::error::{Error, ErrorKind, Result};
use crate::tensor::Tensor;

/// Carries a plan out on operands of the shapes that it was made for.
pub(super) fn run(plan: &Plan, operands: &[&Tensor]) -> Result<Tensor> {
    if plan.computes()
        && let Some(k) = operands.iter().position(|x| !x.dtype().is_float())
    {
        let (dtype, equation) = (operands[k].dtype(), &plan.equation);
        let fault = format!("operand {k} holds {dtype}; sums and products take floating-point numbers, cast with to_dtype");
        return Err(Error::dtype(format!("einsum \"{equation}\": {fault}")));
    }
    let n = operands.len();
    // The results of steps. Each is dropped as soon as it is used, so that the pool can give its memory to the next; and an
    // operand that has to be summed first is summed just before it is used.
    let mut results: SmallVec<[Option<Tensor>; 8]> = SmallVec::new();
    for pair in &plan.steps {
        let mut take = |i: usize| match i.checked_sub(n) {
            None => prepared(operands[i], &plan.prepare[i]),
            Some(k) => Ok(results[k].take().expect("a path contracts each term once")),
        };
        let (a, b) = (take(pair.pair.0)?, take(pair.pair.1)?);
        let ([labels_a, labels_b], out) = (&pair.labels, &pair.out);
        let result = if plan.frugal { one_pass(&a, labels_a, &b, labels_b, out) } else { step(&a, labels_a, &b, labels_b, out) };
        results.push(Some(result?));
    }
    let last = match results.pop() {
        Some(last) => last.expect("a path leaves one term"),
        None => prepared(operands[0], &plan.prepare[0])?,
    };
    let ordered = match &plan.finish.permute {
        Some(order) => last.permute(order)?,
        None => last,
    };
    ordered.reshape(&plan.finish.shape)
}

fn prepared(x: &Tensor, prepare: &Prepare) -> Result<Tensor> {
    let mut view = match &prepare.squeeze {
        Some(shape) => x.reshape(shape)?,
        None => x.clone(),
    };
    for &(i, j) in &prepare.diagonals {
        view = view.diagonal(i, j)?;
    }
    if prepare.sum.is_empty() { Ok(view) } else { view.sum(&prepare.sum) }
}

/// Refuses operands of other shapes than a plan was made for.
pub(super) fn check_shapes(plan: &Plan, operands: &[&Tensor]) -> Result<()> {
    let refuse = |fault: String| Err(Error::new(ErrorKind::Equation, format!("einsum \"{}\": {fault}", plan.equation)));
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
struct Cache {
    young: HashMap<u64, Arc<Plan>>,
    old: HashMap<u64, Arc<Plan>>,
}

static CACHE: LazyLock<Mutex<Cache>> = LazyLock::new(Mutex::default);
static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The plan of this equation for operands of these shapes, made at the first call.
pub(super) fn planned(equation: &str, operands: &[&Tensor]) -> Result<Arc<Plan>> {
    let shapes: SmallVec<[&[usize]; 8]> = operands.iter().map(|x| x.shape()).collect();
    let key = HASHER.hash_one((equation, shapes.as_slice()));
    // Two equations may share a key: then the newer one takes its place.
    let fits = |plan: &Arc<Plan>| plan.equation == equation && plan.shapes.iter().map(|s| s.as_slice()).eq(shapes.iter().copied());
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
        let (a, b) = (Tensor::ones(&[2, 3], DType::F64), Tensor::ones(&[3, 4], DType::F32));
        let first = planned("pq,qr->rp", &[&a, &b]).unwrap();
        assert!(Arc::ptr_eq(&first, &planned("pq,qr->rp", &[&a, &b]).unwrap()));
        let c = Tensor::ones(&[3, 5], DType::F32);
        assert_eq!(planned("pq,qr->rp", &[&a, &c]).unwrap().finish.shape.as_slice(), [5, 2]);
        assert!(planned("pq,qr->rp", &[&a, &a]).is_err());
    }

    #[test]
    fn the_cache_stays_bounded() {
        for n in 0..3 * GENERATION {
            planned("uv->vu", &[&Tensor::ones(&[n, 1], DType::F32)]).unwrap();
        }
        let cache = CACHE.lock().unwrap();
        assert!(cache.young.len() <= GENERATION && cache.old.len() <= GENERATION);
    }
}
