//! Gradient checkpointing: a stretch of the tape is computed twice instead of kept.

use std::sync::Arc;

use super::backward::{BackwardMode, vjp};
use super::node::{Gradient, Saved};
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// `f(inputs)`, of which only the inputs are kept until gradients are asked for: what `f` computes on its way is dropped, and
/// computed again in the walk backward.
///
/// Values and gradients are those of calling `f` directly, bit for bit, as long as `f` depends on its arguments alone. What it
/// captures is held fixed: tensors that want a gradient are passed as inputs, and a generator of random numbers is cloned inside, so
/// that both computations draw the same. Where no input is on the tape this is `f(inputs)`.
///
/// # Gradient
/// With y = f(x) computed again, x̄ = ȳ ∂f/∂x; an input that `f` uses twice gets the sum. A walk that is recorded records the
/// second computation, so that gradients can be differentiated again; it keeps what this function saves.
///
/// # Errors
/// What `f` returns. `Value`, if `f` captures a tensor that is on the tape, whose gradient would be lost.
///
/// # Cost
/// `f` once more, in the walk backward; memory for its inputs, and for one such stretch at a time. A chain of n stretches of
/// equal size needs n inputs and one stretch instead of n stretches.
///
/// # Source
/// Griewank and Walther (2000), Algorithm 799: revolve; Chen et al. (2016), arXiv 1604.06174, for networks.
///
/// # Example
/// ```
/// use monotile::{Tensor, tape::checkpoint};
/// let x = Tensor::from_vec(vec![1.0_f64, 2.0], &[2])?.requires_grad();
/// let y = checkpoint(&[&x], |x| Ok(vec![x[0].exp()?.mul(&x[0])?]))?.swap_remove(0);
/// let gradient = y.sum(&[], false)?.backward()?.take(&x).unwrap().to_vec::<f64>()?;
/// assert!((gradient[1] - 3.0 * 2.0_f64.exp()).abs() < 1e-14);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "remat")]
#[track_caller]
pub fn checkpoint(inputs: &[&Tensor], f: impl Fn(&[Tensor]) -> Result<Vec<Tensor>> + Send + Sync + 'static) -> Result<Vec<Tensor>> {
    let plain: Vec<Tensor> = inputs.iter().map(|x| x.detach()).collect();
    let outputs = f(&plain)?;
    if outputs.iter().any(Tensor::is_recorded) {
        return Err(Error::value("checkpoint: the function captures a tensor that is on the tape; pass it as an input"));
    }
    Ok(Tensor::record_all(outputs, inputs, CheckpointGradient(Arc::new(f))))
}

type Function = dyn Fn(&[Tensor]) -> Result<Vec<Tensor>> + Send + Sync;

struct CheckpointGradient(Arc<Function>);

impl Gradient for CheckpointGradient {
    fn name(&self) -> &'static str {
        "checkpoint"
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        // Each wanted input starts a tape of its own, so that the walk ends there even where one was computed from another.
        let start = |i: usize| match (saved.needs(i), saved.is_recorded()) {
            (false, _) => saved.argument(i),
            (true, false) => saved.argument(i).requires_grad(),
            (true, true) => Tensor::record(saved.argument(i).detach(), &[&saved.argument(i)], CheckpointIdentity),
        };
        let inputs: Vec<Tensor> = (0..saved.inputs()).map(start).collect();
        let outputs = (self.0)(&inputs)?;
        let pairs: Vec<_> = outputs.iter().zip(cotangents).filter_map(|(y, g)| Some((y, g.as_ref()?))).collect();
        let wanted: Vec<&Tensor> = (0..inputs.len()).filter(|&i| saved.needs(i)).map(|i| &inputs[i]).collect();
        let mut found =
            vjp(&pairs, &wanted, if saved.is_recorded() { BackwardMode::Recorded } else { BackwardMode::Plain })?.into_iter();
        Ok((0..inputs.len()).map(|i| saved.needs(i).then(|| found.next().flatten()).flatten()).collect())
    }
}

/// y = x, as a node of its own.
struct CheckpointIdentity;

impl Gradient for CheckpointIdentity {
    fn name(&self) -> &'static str {
        "checkpoint's input"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, _: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![cotangents[0].clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{dropout, rms_norm};
    use crate::tape::{CheckGradientOptions, check_gradient, grad, grad_recorded};
    use crate::{DType, Rng};

    /// tanh of a product that is partly dropped out, and the normalized input: two outputs, and each input is used more than once.
    fn stretch(x: &[Tensor]) -> Result<Vec<Tensor>> {
        let h = dropout(&x[0], 0.3, &mut Rng::new(5))?.matmul(&x[1])?.tanh()?;
        Ok(vec![h.matmul(&x[1].mt())?.add(&x[0])?, rms_norm(&x[0], &x[1].select(1, 0)?, 1e-3)?])
    }

    fn inputs(dtype: DType) -> [Tensor; 2] {
        let mut rng = Rng::new(3);
        [rng.normal(&[4, 6], dtype).unwrap(), rng.normal(&[6, 5], dtype).unwrap()]
    }

    #[test]
    fn values_and_gradients_are_those_of_the_function_bit_for_bit() {
        for dtype in [DType::F32, DType::F64] {
            let run = |checkpointed: bool| {
                let [x, w] = inputs(dtype).map(|t| t.requires_grad());
                let mut y = x.clone();
                // A chain, so that cotangents come from the next stretch and from the second output.
                let mut sum = Tensor::scalar_as(0.0, dtype);
                for _ in 0..3 {
                    let outputs = if checkpointed {
                        checkpoint(&[&y, &w], stretch).unwrap()
                    } else {
                        stretch(&[y.clone(), w.clone()]).unwrap()
                    };
                    sum = sum.add(outputs[1].sum(&[], false).unwrap()).unwrap();
                    y = outputs[0].clone();
                }
                let loss = y.mul(&y).unwrap().sum(&[], false).unwrap().add(&sum).unwrap();
                let gradients = grad(&loss, &[&x]).unwrap();
                (loss.to_f64_vec().unwrap(), gradients[0].to_f64_vec().unwrap())
            };
            assert_eq!(run(true), run(false), "{dtype}");
        }
    }

    #[test]
    fn gradients_hold_to_second_order_with_absent_cotangents_and_inputs_that_depend_on_each_other() {
        let options = CheckGradientOptions { order: 2, ..Default::default() };
        check_gradient(|x| checkpoint(&[&x[0], &x[1]], stretch), &inputs(DType::F64), &options).unwrap();
        check_gradient(|x| Ok(checkpoint(&[&x[0], &x[1]], stretch)?[1..].to_vec()), &inputs(DType::F64), &options).unwrap();
        // The second input is computed from the first: what it passes on is not counted in the stretch as well.
        let product = |x: &[Tensor]| Ok(vec![x[0].mul(&x[1])?]);
        let chained = |x: &[Tensor]| checkpoint(&[&x[0], &x[0].exp()?], product);
        check_gradient(chained, &inputs(DType::F64)[..1], &options).unwrap();
    }

    #[test]
    fn an_input_that_is_not_wanted_still_counts_in_second_derivatives() {
        let [x, w] = [2.0_f64, 3.0].map(|v| Tensor::scalar(v).requires_grad());
        let y = checkpoint(&[&x, &w], |x| Ok(vec![x[0].mul(&x[0])?.mul(&x[1])?])).unwrap().swap_remove(0);
        // ∂y/∂x = 2 x w, and its derivative by w is 2 x.
        let first = grad_recorded(&y, &[&x]).unwrap().swap_remove(0);
        assert_eq!(first.item::<f64>().unwrap(), 12.0);
        assert_eq!(grad(&first, &[&w]).unwrap()[0].item::<f64>().unwrap(), 4.0);
    }

    #[test]
    fn nothing_recorded_is_plain_and_a_captured_tensor_on_the_tape_is_refused() {
        let [x, w] = inputs(DType::F32);
        assert!(!checkpoint(&[&x, &w], stretch).unwrap()[0].is_recorded());
        let captured = w.requires_grad();
        let refused = checkpoint(&[&x], move |x| Ok(vec![x[0].matmul(&captured)?])).err().unwrap().to_string();
        assert_eq!(refused, "checkpoint: the function captures a tensor that is on the tape; pass it as an input");
        let failing = |_: &[Tensor]| Err(Error::value("no"));
        assert_eq!(checkpoint(&[&x], failing).err().unwrap().to_string(), "no");
    }
}
