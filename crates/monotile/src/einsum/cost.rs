//! What an order costs: operations and intermediates, from label sets and sizes alone.
//!
//! Counted as opt_einsum counts: a step takes the product of the sizes of all its labels, once for the multiplications
//! and once more if it sums over a label; sums over labels of one operand alone take that operand's size.

use smallvec::SmallVec;

use crate::einsum::pair::Label;

/// A set of labels, as bits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LabelSet(SmallVec<[u64; 2]>);

impl LabelSet {
    /// The words of the set; those that are missing at the end are zero.
    pub fn words(&self) -> &[u64] {
        &self.0
    }

    pub fn insert(&mut self, label: Label) {
        let word = label as usize / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (label % 64);
    }

    pub fn contains(&self, label: Label) -> bool {
        self.0.get(label as usize / 64).is_some_and(|w| w >> (label % 64) & 1 == 1)
    }

    pub fn iter(&self) -> impl Iterator<Item = Label> + '_ {
        self.0.iter().enumerate().flat_map(|(word, &bits)| {
            let rest = std::iter::successors(Some(bits), |b| Some(b & b.wrapping_sub(1))).take_while(|&b| b != 0);
            rest.map(move |b| word as Label * 64 + b.trailing_zeros())
        })
    }

    pub fn union(&self, other: &Self) -> Self {
        let (long, short) = if self.0.len() >= other.0.len() { (self, other) } else { (other, self) };
        let mut all = long.clone();
        all.0.iter_mut().zip(&short.0).for_each(|(a, b)| *a |= b);
        all
    }
}

impl FromIterator<Label> for LabelSet {
    fn from_iter<I: IntoIterator<Item = Label>>(labels: I) -> Self {
        let mut set = Self::default();
        labels.into_iter().for_each(|l| set.insert(l));
        set
    }
}

/// What has to be ordered: operands without repeated labels and without labels of their own that nobody keeps.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub terms: Vec<LabelSet>,
    pub output: LabelSet,
    /// The size of each label, as a number that products of many do not overflow.
    pub sizes: Vec<f64>,
}

impl Network {
    /// The product of the sizes of these labels.
    pub fn size(&self, set: &LabelSet) -> f64 {
        set.iter().map(|l| self.sizes[l as usize]).product()
    }

    /// Every step of `path`, in order.
    pub fn steps(&self, path: &[(usize, usize)]) -> Vec<Step> {
        let mut walk = Walk::new(self);
        path.iter().map(|&(i, j)| walk.join(i, j)).collect()
    }

    /// What all steps of `path` cost together.
    pub fn cost(&self, path: &[(usize, usize)]) -> Cost {
        let mut cost = Cost::default();
        for step in self.steps(path) {
            cost.operations += step.operations;
            cost.largest = cost.largest.max(step.size);
        }
        cost
    }
}

/// What an order costs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Cost {
    /// Multiplications and additions.
    pub operations: f64,
    /// Elements of the largest result of a step.
    pub largest: f64,
}

/// The contraction of two terms.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// The labels of the result.
    pub result: LabelSet,
    pub operations: f64,
    /// Elements of the result.
    pub size: f64,
}

/// A network while it is contracted: operands are 0..n, the result of step k is n + k.
#[derive(Clone)]
pub(crate) struct Walk<'n> {
    network: &'n Network,
    terms: Vec<Option<LabelSet>>,
    /// In how many terms that are left, and the output, each label occurs.
    uses: Vec<u32>,
}

impl<'n> Walk<'n> {
    pub fn new(network: &'n Network) -> Self {
        let mut uses = vec![0; network.sizes.len()];
        let sets = network.terms.iter().chain([&network.output]);
        sets.flat_map(LabelSet::iter).for_each(|l| uses[l as usize] += 1);
        Self { network, terms: network.terms.iter().cloned().map(Some).collect(), uses }
    }

    /// The labels of a term that is left; None once it has been contracted.
    pub fn term(&self, i: usize) -> Option<&LabelSet> {
        self.terms.get(i)?.as_ref()
    }

    /// The terms that are left.
    pub fn left(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.terms.len()).filter(|&i| self.terms[i].is_some())
    }

    /// What contracting these two sets would give: labels stay that occur elsewhere or in the output.
    pub fn peek(&self, a: &LabelSet, b: &LabelSet) -> Step {
        let all = a.union(b);
        let kept = |l: &Label| {
            let here = u32::from(a.contains(*l)) + u32::from(b.contains(*l));
            self.uses[*l as usize] > here
        };
        let result: LabelSet = all.iter().filter(kept).collect();
        let (product, size) = (self.network.size(&all), self.network.size(&result));
        let sums = result.iter().count() < all.iter().count();
        Step { result, operations: if sums { 2.0 * product } else { product }, size }
    }

    /// Contracts terms `i` and `j`; the result is the newest term.
    pub fn join(&mut self, i: usize, j: usize) -> Step {
        let mut take = |i: usize| self.terms[i].take().expect("a path contracts each term once");
        let (a, b) = (take(i), take(j));
        let step = self.peek(&a, &b);
        a.iter().chain(b.iter()).for_each(|l| self.uses[l as usize] -= 1);
        step.result.iter().for_each(|l| self.uses[l as usize] += 1);
        self.terms.push(Some(step.result.clone()));
        step
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::einsum::equation::Equation;

    /// The network of an equation without repeated labels, all of whose labels have the size that `size` gives.
    pub fn network(text: &str, size: impl Fn(usize) -> usize) -> Network {
        let equation = Equation::parse(text).unwrap();
        Network {
            terms: equation.inputs.iter().map(|t| t.labels.iter().copied().collect()).collect(),
            output: equation.output.labels.iter().copied().collect(),
            sizes: (0..equation.names.len()).map(|l| size(l) as f64).collect(),
        }
    }

    #[test]
    fn a_step_counts_every_label_once_and_twice_if_it_sums() {
        let chain = network("ij,jk,kl->il", |l| [2, 3, 5, 7][l]);
        let first = &chain.steps(&[(0, 1), (2, 3)]);
        assert_eq!((first[0].operations, first[1].operations), (2.0 * 30.0, 2.0 * 70.0));
        assert_eq!(chain.cost(&[(1, 2), (0, 3)]), Cost { operations: 2.0 * (105.0 + 42.0), largest: 21.0 });
        assert_eq!(network("ij,ij->ij", |_| 4).cost(&[(0, 1)]).operations, 16.0);
    }

    #[test]
    fn a_label_that_others_share_is_kept_until_its_last_use() {
        // b and k are needed by the third operand after the first step, g and d by the output.
        let shared = network("bgk,bkd,bk->bgd", |l| [2, 3, 5, 7][l]);
        let steps = shared.steps(&[(0, 2), (1, 3)]);
        assert_eq!(steps[0].result.iter().collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(steps[1].result.iter().collect::<Vec<_>>(), [0, 1, 3]);
        assert_eq!((steps[0].operations, steps[1].operations), (30.0, 420.0));
    }

    #[test]
    fn sets_hold_labels_beyond_one_word() {
        let set: LabelSet = [3, 64, 200].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [3, 64, 200]);
        assert!(set.contains(200) && !set.contains(201) && !set.contains(1000));
        assert_eq!(set.union(&[1].into_iter().collect()).iter().count(), 4);
    }
}
