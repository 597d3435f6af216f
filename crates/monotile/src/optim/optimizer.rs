//! What optimizers have in common: the trait, their checks, what they write in place, and their state as named tensors.

use crate::door::update;
use crate::error::{Error, Result};
use crate::tensor::{DType, Tensor};

/// What moves parameters along gradients, a step at a time: code that trains can hold any.
///
/// # Example
/// A run is saved after one step, and goes on in another optimizer:
/// ```
/// use monotile::{Tensor, optim::{Optimizer, Sgd, SgdOptions}};
/// let options = SgdOptions { lr: 0.5, momentum: 0.5, ..Default::default() };
/// let mut first: Box<dyn Optimizer> = Box::new(Sgd::new(options.clone()));
/// let mut parameters = vec![Tensor::scalar(3.0_f64)];
/// first.step(&mut parameters, &[Tensor::scalar(1.0_f64)])?;
/// let saved = first.state_tensors();
/// assert_eq!(saved[1].0, "v.0");
/// let mut second = Sgd::new(options);
/// second.resume_tensors(&saved)?;
/// second.step(&mut parameters, &[Tensor::scalar(1.0_f64)])?;
/// assert_eq!(parameters[0].item::<f64>()?, 3.0 - 0.5 - 0.5 * 1.5);
/// # Ok::<(), monotile::Error>(())
/// ```
pub trait Optimizer {
    /// Refuses what [`step`](Self::step) would refuse, but a lack of memory, and changes nothing.
    ///
    /// # Errors
    /// If parameters, gradients and state do not fit each other, or an option is out of range.
    #[track_caller]
    fn check(&self, parameters: &[Tensor], gradients: &[Tensor]) -> Result<()>;

    /// Moves each parameter along its gradient, in place where nobody else holds its memory. The parameters are fresh leaves afterwards.
    ///
    /// # Errors
    /// As [`check`](Self::check), and if there is no memory.
    #[track_caller]
    fn step(&mut self, parameters: &mut [Tensor], gradients: &[Tensor]) -> Result<()>;

    /// The learning rate.
    fn lr(&self) -> f64;

    /// Sets the learning rate, as a [`Schedule`](super::Schedule) asks for.
    fn set_lr(&mut self, lr: f64);

    /// All that a run needs to go on, by name: the number of steps as `step`, and lists of one tensor a parameter as `v.0`, `v.1` and so on,
    /// with the letters of the optimizer's formula. [`write_safetensors`](crate::io::write_safetensors) writes them to a file.
    #[doc(alias = "state_dict")]
    fn state_tensors(&self) -> Vec<(String, Tensor)>;

    /// Goes on from what [`state_tensors`](Self::state_tensors) gave: the next step is as if the run had not stopped.
    ///
    /// # Errors
    /// If a tensor is missing, or one is not of this optimizer.
    #[doc(alias = "load_state_dict")]
    #[track_caller]
    fn resume_tensors(&mut self, tensors: &[(String, Tensor)]) -> Result<()>;
}

impl<O: Optimizer + ?Sized> Optimizer for Box<O> {
    #[track_caller]
    fn check(&self, parameters: &[Tensor], gradients: &[Tensor]) -> Result<()> {
        (**self).check(parameters, gradients)
    }
    #[track_caller]
    fn step(&mut self, parameters: &mut [Tensor], gradients: &[Tensor]) -> Result<()> {
        (**self).step(parameters, gradients)
    }
    fn lr(&self) -> f64 {
        (**self).lr()
    }
    fn set_lr(&mut self, lr: f64) {
        (**self).set_lr(lr);
    }
    fn state_tensors(&self) -> Vec<(String, Tensor)> {
        (**self).state_tensors()
    }
    #[track_caller]
    fn resume_tensors(&mut self, tensors: &[(String, Tensor)]) -> Result<()> {
        (**self).resume_tensors(tensors)
    }
}

/// The trait of a type with `options.lr` and a `state` of steps and lists, by the names of the lists.
macro_rules! optimizer {
    ($type:ident, $op:literal, $lists:expr) => {
        impl $crate::optim::Optimizer for $type {
            #[track_caller]
            fn check(&self, parameters: &[Tensor], gradients: &[Tensor]) -> Result<()> {
                $type::fits(self, parameters, gradients)
            }
            #[track_caller]
            fn step(&mut self, parameters: &mut [Tensor], gradients: &[Tensor]) -> Result<()> {
                $type::step(self, parameters, gradients)
            }
            fn lr(&self) -> f64 {
                self.options.lr
            }
            fn set_lr(&mut self, lr: f64) {
                self.options.lr = lr;
            }
            fn state_tensors(&self) -> Vec<(String, Tensor)> {
                $crate::optim::optimizer::named(self.state.step, $lists, self.state.lists())
            }
            #[track_caller]
            fn resume_tensors(&mut self, tensors: &[(String, Tensor)]) -> Result<()> {
                let (step, lists) = $crate::optim::optimizer::unnamed($op, tensors, $lists)?;
                self.state = super::optimizer::FromLists::from_lists(step, lists);
                Ok(())
            }
        }
    };
}
pub(super) use optimizer;

/// A state of the steps taken, and of lists of one tensor a parameter, which are empty before they are needed.
pub(super) trait FromLists<const K: usize> {
    fn from_lists(step: u64, lists: [Vec<Tensor>; K]) -> Self;
}

/// The state of most optimizers.
#[derive(Clone)]
pub(super) struct State<const K: usize> {
    pub step: u64,
    pub lists: [Vec<Tensor>; K],
}

impl<const K: usize> State<K> {
    pub fn lists(&self) -> [&[Tensor]; K] {
        self.lists.each_ref().map(Vec::as_slice)
    }
}

impl<const K: usize> Default for State<K> {
    fn default() -> Self {
        Self { step: 0, lists: std::array::from_fn(|_| Vec::new()) }
    }
}

impl<const K: usize> FromLists<K> for State<K> {
    fn from_lists(step: u64, lists: [Vec<Tensor>; K]) -> Self {
        Self { step, lists }
    }
}

/// Steps and lists by name.
pub(super) fn named<const K: usize>(step: u64, names: [&str; K], lists: [&[Tensor]; K]) -> Vec<(String, Tensor)> {
    let mut tensors = vec![("step".to_string(), Tensor::scalar(step as i64))];
    for (name, list) in names.iter().zip(lists) {
        tensors.extend(list.iter().enumerate().map(|(i, x)| (format!("{name}.{i}"), x.clone())));
    }
    tensors
}

/// What [`named`] was made of.
#[track_caller]
pub(super) fn unnamed<const K: usize>(op: &str, tensors: &[(String, Tensor)], names: [&str; K]) -> Result<(u64, [Vec<Tensor>; K])> {
    let find = |name: &str| tensors.iter().find(|(other, _)| other == name).map(|(_, x)| x);
    let Some(step) = find("step").filter(|x| x.dtype() == DType::I64 && x.len() == 1) else {
        return Err(Error::value(format!("{op}: a state needs the tensor \"step\", a number of i64")));
    };
    let Ok(step) = u64::try_from(step.item::<i64>()?) else {
        return Err(Error::value(format!("{op}: the state's number of steps must not be negative")));
    };
    let list = |name: &str| (0..).map_while(|i| find(&format!("{name}.{i}"))).map(Tensor::detach).collect::<Vec<_>>();
    let lists = names.map(list);
    let known = |name: &str| {
        let place =
            name.split_once('.').and_then(|(list, i)| Some((names.iter().position(|n| *n == list)?, i.parse::<usize>().ok()?)));
        name == "step" || place.is_some_and(|(list, i)| i < lists[list].len())
    };
    if let Some((name, _)) = tensors.iter().find(|(name, _)| !known(name)) {
        let names = names.map(|name| format!("{name}.0")).join(", ");
        return Err(Error::value(format!(
            "{op}: the state has the tensor {name:?}; known are step, {names} and those that follow"
        )));
    }
    Ok((step, lists))
}

/// Refuses parameters, gradients and lists of a state that do not fit each other.
#[track_caller]
pub(super) fn check_fit(op: &str, parameters: &[Tensor], gradients: &[Tensor], step: u64, lists: &[&[Tensor]]) -> Result<()> {
    if parameters.len() != gradients.len() {
        return Err(Error::value(format!("{op}: {} parameters with {} gradients", parameters.len(), gradients.len())));
    }
    if let Some(list) = lists.iter().find(|list| step > 0 && list.len() != parameters.len()) {
        return Err(Error::value(format!("{op}: {} parameters with the state of {}", parameters.len(), list.len())));
    }
    for (i, (p, g)) in parameters.iter().zip(gradients).enumerate() {
        if !matches!(p.dtype(), DType::F32 | DType::F64) || !g.dtype().is_float() {
            let (p, g) = (p.dtype(), g.dtype());
            return Err(Error::dtype(format!("{op}: parameter {i} is {p} and its gradient {g}; train parameters of f32 or f64")));
        }
        if p.shape() != g.shape() {
            let (p, g) = (p.shape(), g.shape());
            return Err(Error::shape(format!("{op}: parameter {i} of shape {p:?} has a gradient of shape {g:?}")));
        }
        let held = lists.iter().filter_map(|list| list.get(i));
        if let Some(x) = held.into_iter().find(|x| x.shape() != p.shape() || x.dtype() != p.dtype()) {
            let (a, b) = (p.shape(), x.shape());
            return Err(Error::shape(format!(
                "{op}: parameter {i} is {} of shape {a:?} and its state {} of shape {b:?}",
                p.dtype(),
                x.dtype()
            )));
        }
    }
    Ok(())
}

/// Writes each parameter and what the lists hold of it in place, after memory is there for all; lists of none are filled with `first`.
///
/// Nothing has changed where it fails, but on a GPU, which tells its failures late. The parameters are fresh leaves afterwards.
#[track_caller]
pub(super) fn advance<const K: usize>(
    op: &str,
    parameters: &mut [Tensor],
    gradients: &[Tensor],
    mut lists: [&mut Vec<Tensor>; K],
    first: f64,
    mut write: impl FnMut(&mut Tensor, [&mut Tensor; K], &Tensor) -> Result<()>,
) -> Result<()> {
    let mut cast = Vec::with_capacity(gradients.len());
    for (g, p) in gradients.iter().zip(&*parameters) {
        cast.push(g.to_dtype(p.dtype())?.contiguous_detached(op)?);
    }
    let empty = lists.each_ref().map(|list| list.is_empty());
    for list in lists.iter_mut().filter(|list| list.is_empty()) {
        for p in &*parameters {
            let x = p.detach().zeros_like();
            list.push(if first == 0.0 { x } else { x.add_scalar(first)? });
        }
    }
    let slots = parameters.iter_mut().chain(lists.iter_mut().flat_map(|list| list.iter_mut()));
    let mut owned = Ok(());
    for slot in slots {
        owned = own(op, slot);
        if owned.is_err() {
            break;
        }
    }
    if owned.is_err() {
        lists.iter_mut().zip(empty).filter(|(_, empty)| *empty).for_each(|(list, _)| list.clear());
    }
    for (i, (p, g)) in parameters.iter_mut().zip(&cast).enumerate() {
        owned = owned.and_then(|()| write(p, lists.each_mut().map(|list| &mut list[i]), g));
    }
    parameters.iter_mut().for_each(|p| *p = p.requires_grad());
    owned
}

/// Takes a tensor off the tape and makes its memory its own: as it is where nobody else holds it, else copied.
#[track_caller]
fn own(op: &str, slot: &mut Tensor) -> Result<()> {
    // The leaf goes, so that only its detached value holds the memory.
    let leaf = std::mem::replace(slot, Tensor::scalar(0.0_f32));
    *slot = leaf.detach();
    drop(leaf);
    update::own(op, slot)
}

/// The results of a step as recorded formulas, by the letters of what they replace.
#[cfg(test)]
pub(super) fn recorded<const N: usize, const M: usize>(
    name: &str,
    letters: [&str; M],
    step: impl monotile_kernels::number::Formulas<N, M>,
) -> Vec<crate::ops::elementwise::formulas::RecordedFormula> {
    let result = |i: usize| (format!("{name}_{}", letters[i]), monotile_kernels::number::record(|x| step.apply(x)[i]));
    (0..M).map(result).collect()
}

/// What every optimizer must do beside its formula.
#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::Rng;

    pub fn numbers(seed: u64) -> Tensor {
        Rng::new(seed).normal(&[3, 5], DType::F64).unwrap()
    }

    /// Steps on shared and on own memory, to f32, saved and resumed, and refused.
    pub fn keeps_its_promises<O: Optimizer>(op: &str, new: impl Fn() -> O) {
        let mut optimizer = new();
        let mut parameters = vec![numbers(1).requires_grad()];
        let held = parameters[0].clone();
        optimizer.step(&mut parameters, &[numbers(2)]).unwrap();
        assert_eq!(held.to_f64_vec().unwrap(), numbers(1).to_f64_vec().unwrap(), "{op}: what others hold keeps its values");
        assert!(parameters[0].is_recorded());
        let address = |p: &Tensor| p.elements::<f64>().as_ptr();
        let before = address(&parameters[0]);
        optimizer.step(&mut parameters, &[numbers(3)]).unwrap();
        assert_eq!(address(&parameters[0]), before, "{op}: memory that nobody else holds is written in place");

        let mut resumed = new();
        resumed.resume_tensors(&optimizer.state_tensors()).unwrap();
        let mut others = vec![parameters[0].clone()];
        optimizer.step(&mut parameters, &[numbers(4)]).unwrap();
        resumed.step(&mut others, &[numbers(4)]).unwrap();
        assert_eq!(parameters[0].to_f64_vec().unwrap(), others[0].to_f64_vec().unwrap(), "{op}: a state is all that a step reads");

        let words = optimizer.step(&mut parameters, &[]).unwrap_err().to_string();
        assert_eq!(words, format!("{op}: 1 parameters with 0 gradients"));
        let words = optimizer.check(&parameters, &[numbers(1).reshape(&[5, 3]).unwrap()]).unwrap_err().to_string();
        assert_eq!(words, format!("{op}: parameter 0 of shape [3, 5] has a gradient of shape [5, 3]"));
        let words = new().resume_tensors(&[]).unwrap_err().to_string();
        assert_eq!(words, format!("{op}: a state needs the tensor \"step\", a number of i64"));
        let mut wrong = optimizer.state_tensors();
        wrong.push(("w.7".into(), numbers(1)));
        assert!(
            new().resume_tensors(&wrong).unwrap_err().to_string().starts_with(&format!("{op}: the state has the tensor \"w.7\""))
        );
        optimizer.set_lr(f64::NAN);
        let error = optimizer.step(&mut parameters, &[numbers(1)]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{op}: lr NaN")), "{error}");

        let mut fresh = new();
        let huge = Tensor::zeros(&[1 << 46], DType::F32).unwrap();
        let mut all = vec![numbers(1), huge.clone()];
        let error = fresh.step(&mut all, &[numbers(2), huge]).err().unwrap();
        assert_eq!(error.kind(), crate::ErrorKind::Memory, "{error}");
        assert_eq!(all[0].to_f64_vec().unwrap(), numbers(1).to_f64_vec().unwrap());
        all.truncate(1);
        fresh.step(&mut all, &[numbers(2)]).unwrap();
        let single = numbers(1).to_dtype(DType::F32).unwrap();
        let mut narrow = vec![single];
        new().step(&mut narrow, &[numbers(2)]).unwrap();
        let pairs = narrow[0].to_f64_vec().unwrap().into_iter().zip(all[0].to_f64_vec().unwrap());
        pairs.for_each(|(a, b)| assert!((a - b).abs() < 1e-5 * b.abs().max(1.0), "{op}: {a} in f32 is {b}"));
    }
}
