//! Groups of parameters, each with options of its own.

use std::ops::Range;

use super::Optimizer;
use crate::error::{Error, Result};
use crate::tensor::Tensor;

/// Optimizers of consecutive parts of one list of parameters: an optimizer a group, with any options of its own.
///
/// What PyTorch writes as
///
/// ```text
/// AdamW([{'params': encoder, 'lr': 1e-4}, {'params': head, 'lr': 1e-3, 'weight_decay': 0}])
/// ```
///
/// is a list of an [`AdamW`](super::AdamW) for each group, with the number of its parameters. Groups of optimizers of different types are
/// `ParameterGroups<Box<dyn Optimizer>>`.
///
/// [`set_lr`](Optimizer::set_lr) sets the rate of the first group. The others follow it in the proportion that they were made with, so that
/// one schedule moves all. [`group`](Self::group) changes the options of one.
///
/// # Example
/// Two parameters, of which the second moves ten times as far:
/// ```
/// use monotile::{Tensor, optim::{Optimizer, ParameterGroups, Sgd, SgdOptions}};
/// let group = |lr: f64| Sgd::new(SgdOptions { lr, ..Default::default() });
/// let mut optimizer = ParameterGroups::new(vec![(group(0.1), 1), (group(1.0), 1)])?;
/// let mut parameters = vec![Tensor::scalar(3.0_f64), Tensor::scalar(3.0_f64)];
/// optimizer.set_lr(0.05);
/// optimizer.step(&mut parameters, &[Tensor::scalar(1.0_f64), Tensor::scalar(1.0_f64)])?;
/// assert_eq!(parameters[0].item::<f64>()?, 2.95);
/// assert_eq!(parameters[1].item::<f64>()?, 2.5);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "param_groups")]
#[doc(alias = "add_param_group")]
pub struct ParameterGroups<O> {
    groups: Vec<Group<O>>,
}

struct Group<O> {
    optimizer: O,
    /// How many parameters are its own.
    count: usize,
    /// Its learning rate is so many times that of the first group.
    proportion: f64,
}

impl<O: Optimizer> ParameterGroups<O> {
    /// Groups of these optimizers, each for so many parameters, in their order.
    ///
    /// # Errors
    /// If there is none, or the first's learning rate is not above 0: the others have none in proportion to it.
    #[track_caller]
    pub fn new(groups: Vec<(O, usize)>) -> Result<Self> {
        let first = groups.first().map_or(f64::NAN, |(optimizer, _)| optimizer.lr());
        if !(first > 0.0 && first.is_finite()) {
            return Err(Error::value(format!(
                "ParameterGroups: needs groups of which the first has a learning rate above 0, got {} groups and the rate {first}",
                groups.len()
            )));
        }
        let group = |(optimizer, count): (O, usize)| Group { proportion: optimizer.lr() / first, optimizer, count };
        Ok(Self { groups: groups.into_iter().map(group).collect() })
    }

    /// The optimizer of one group.
    pub fn group(&mut self, index: usize) -> Option<&mut O> {
        self.groups.get_mut(index).map(|group| &mut group.optimizer)
    }

    /// Where each group's parameters lie.
    fn ranges(&self) -> Vec<Range<usize>> {
        let mut start = 0;
        let range = |group: &Group<O>| {
            start += group.count;
            start - group.count..start
        };
        self.groups.iter().map(range).collect()
    }
}

impl<O: Optimizer> Optimizer for ParameterGroups<O> {
    #[track_caller]
    fn check(&self, parameters: &[Tensor], gradients: &[Tensor]) -> Result<()> {
        let all = self.groups.iter().fold(0, |all: usize, group| all.saturating_add(group.count));
        if parameters.len() != all || gradients.len() != all {
            let (p, g) = (parameters.len(), gradients.len());
            return Err(Error::value(format!("ParameterGroups: groups of {all} parameters together got {p}, with {g} gradients")));
        }
        for (i, (group, range)) in self.groups.iter().zip(self.ranges()).enumerate() {
            let fits = group.optimizer.check(&parameters[range.clone()], &gradients[range]);
            fits.map_err(|error| error.with_context(format!("group {i}")))?;
        }
        Ok(())
    }

    /// As its groups do, one after another; where memory lacks in one, those before it have moved.
    #[track_caller]
    fn step(&mut self, parameters: &mut [Tensor], gradients: &[Tensor]) -> Result<()> {
        self.check(parameters, gradients)?;
        let ranges = self.ranges();
        for (group, range) in self.groups.iter_mut().zip(ranges) {
            group.optimizer.step(&mut parameters[range.clone()], &gradients[range])?;
        }
        Ok(())
    }

    fn lr(&self) -> f64 {
        self.groups.first().map_or(f64::NAN, |group| group.optimizer.lr())
    }

    fn set_lr(&mut self, lr: f64) {
        self.groups.iter_mut().for_each(|group| group.optimizer.set_lr(group.proportion * lr));
    }

    /// As each group has them, their names after the group's number: `0.step`, `0.m.0`, …, `1.step`.
    fn state_tensors(&self) -> Vec<(String, Tensor)> {
        let named = |(i, group): (usize, &Group<O>)| {
            let tensors = group.optimizer.state_tensors();
            tensors.into_iter().map(move |(name, x)| (format!("{i}.{name}"), x))
        };
        self.groups.iter().enumerate().flat_map(named).collect()
    }

    #[track_caller]
    fn resume_tensors(&mut self, tensors: &[(String, Tensor)]) -> Result<()> {
        let groups = self.groups.len();
        let mut parts = vec![Vec::new(); groups];
        for (name, x) in tensors {
            let place = name.split_once('.').and_then(|(i, rest)| Some((parts.get_mut(i.parse::<usize>().ok()?)?, rest)));
            let Some((part, rest)) = place else {
                return Err(Error::value(format!(
                    "ParameterGroups: the state has the tensor {name:?}, which is of none of {groups} groups"
                )));
            };
            part.push((rest.to_string(), x.clone()));
        }
        for (i, (group, part)) in self.groups.iter_mut().zip(&parts).enumerate() {
            group.optimizer.resume_tensors(part).map_err(|error| error.with_context(format!("group {i}")))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optim::optimizer::tests::numbers;
    use crate::optim::{Adam, AdamOptions, AdamW, AdamWOptions, Sgd, SgdOptions};

    fn groups() -> ParameterGroups<Box<dyn Optimizer>> {
        let adamw = AdamW::new(AdamWOptions { lr: 0.01, ..Default::default() });
        let sgd = Sgd::new(SgdOptions { lr: 0.1, momentum: 0.5, ..Default::default() });
        let groups: Vec<(Box<dyn Optimizer>, usize)> = vec![(Box::new(adamw), 2), (Box::new(sgd), 1)];
        ParameterGroups::new(groups).unwrap()
    }

    fn values(parameters: &[Tensor]) -> Vec<Vec<f64>> {
        parameters.iter().map(|p| p.to_f64_vec().unwrap()).collect()
    }

    #[test]
    fn each_group_steps_as_its_optimizer_alone() {
        let mut together = groups();
        let mut adamw = AdamW::new(AdamWOptions { lr: 0.02, ..Default::default() });
        let mut sgd = Sgd::new(SgdOptions { lr: 0.2, momentum: 0.5, ..Default::default() });
        let mut parameters = vec![numbers(1), numbers(2), numbers(3)];
        let (mut first, mut second) = (parameters[..2].to_vec(), parameters[2..].to_vec());
        together.set_lr(0.02);
        assert_eq!((together.lr(), together.group(1).unwrap().lr()), (0.02, 0.2));
        for t in 0..3 {
            let gradients = [numbers(10 + t), numbers(20 + t), numbers(30 + t)];
            together.step(&mut parameters, &gradients).unwrap();
            adamw.step(&mut first, &gradients[..2]).unwrap();
            sgd.step(&mut second, &gradients[2..]).unwrap();
        }
        first.append(&mut second);
        assert_eq!(values(&parameters), values(&first));
    }

    #[test]
    fn a_state_is_saved_and_resumed_whole() {
        let (mut whole, mut rest) = (groups(), groups());
        let mut parameters = vec![numbers(1), numbers(2), numbers(3)];
        let gradients = [numbers(4), numbers(5), numbers(6)];
        whole.step(&mut parameters, &gradients).unwrap();
        let state = whole.state_tensors();
        let names: Vec<&str> = state.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["0.step", "0.m.0", "0.m.1", "0.v.0", "0.v.1", "1.step", "1.v.0"]);
        rest.resume_tensors(&state).unwrap();
        let mut others = parameters.clone();
        whole.step(&mut parameters, &gradients).unwrap();
        rest.step(&mut others, &gradients).unwrap();
        assert_eq!(values(&parameters), values(&others));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_words_and_changes_nothing() {
        let mut optimizer = groups();
        let mut parameters = vec![numbers(1), numbers(2), numbers(3)];
        let words = optimizer.step(&mut parameters, &[numbers(4)]).unwrap_err().to_string();
        assert_eq!(words, "ParameterGroups: groups of 3 parameters together got 3, with 1 gradients");
        let words = optimizer.step(&mut parameters, &[numbers(4), numbers(5), Tensor::scalar(1.0_f64)]).unwrap_err().to_string();
        assert_eq!(words, "group 1: sgd: parameter 0 of shape [3, 5] has a gradient of shape []");
        assert_eq!(values(&parameters), values(&[numbers(1), numbers(2), numbers(3)]));
        let sgd = || Sgd::new(SgdOptions::default());
        let wide = ParameterGroups::new(vec![(sgd(), usize::MAX), (sgd(), 2)]).unwrap();
        let words = wide.check(&parameters[..1], &[numbers(4)]).unwrap_err().to_string();
        assert_eq!(words, format!("ParameterGroups: groups of {} parameters together got 1, with 1 gradients", usize::MAX));
        let words = optimizer.resume_tensors(&[("2.step".into(), Tensor::scalar(1_i64))]).unwrap_err().to_string();
        assert_eq!(words, "ParameterGroups: the state has the tensor \"2.step\", which is of none of 2 groups");
        let still = Adam::new(AdamOptions { lr: 0.0, ..Default::default() });
        assert_eq!(
            ParameterGroups::new(vec![(still, 1)]).err().unwrap().to_string(),
            "ParameterGroups: needs groups of which the first has a learning rate above 0, got 1 groups and the rate 0"
        );
    }
}
