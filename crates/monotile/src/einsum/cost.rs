//! What an order costs: operations and intermediates, from label sets and sizes alone.
//!
//! Counted as opt_einsum counts: a step takes the product of the sizes of all its labels, once for the multiplications
//! and once more if it sums over a label; sums over labels of one operand alone take that operand's size.

use smallvec::SmallVec;

use crate::einsum::pair::Label;

/// A set of labels, as bits. Sets of one network have the same number of words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct LabelSet(SmallVec<[u64; 2]>);

impl LabelSet {
    fn insert(&mut self, label: Label) {
        let word = label as usize / 64;
        self.widen(word + 1);
        self.0[word] |= 1 << (label % 64);
    }

    /// Makes room for the labels of this many words.
    fn widen(&mut self, words: usize) {
        self.0.resize(words.max(self.0.len()), 0);
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

    /// The labels of either set.
    pub fn union(&self, other: &Self) -> Self {
        self.with(other, |a, b| a | b)
    }

    /// The labels of both sets.
    pub fn intersection(&self, other: &Self) -> Self {
        self.with(other, |a, b| a & b)
    }

    /// The labels of this set that the other lacks.
    pub fn without(&self, other: &Self) -> Self {
        self.with(other, |a, b| a & !b)
    }

    fn with(&self, other: &Self, f: impl Fn(u64, u64) -> u64) -> Self {
        debug_assert_eq!(self.0.len(), other.0.len());
        Self(self.0.iter().zip(&other.0).map(|(&a, &b)| f(a, b)).collect())
    }
}

impl FromIterator<Label> for LabelSet {
    fn from_iter<I: IntoIterator<Item = Label>>(labels: I) -> Self {
        let mut set = Self::default();
        labels.into_iter().for_each(|l| set.insert(l));
        set
    }
}

/// The most that a product of sizes counts for: sums and differences of such costs are numbers.
const MOST: f64 = 1e300;

/// x y, which is a number where both are.
pub(crate) fn times(x: f64, y: f64) -> f64 {
    (x * y).min(MOST)
}

/// What has to be ordered: operands without repeated labels and without labels of their own that nobody keeps.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub terms: Vec<LabelSet>,
    pub output: LabelSet,
    /// The size of each label, as a number that products of many do not overflow.
    pub sizes: Vec<f64>,
    /// Which operands are sums of what the caller gave, and take memory themselves.
    pub summed: Vec<bool>,
}

impl Network {
    pub fn new(mut terms: Vec<LabelSet>, mut output: LabelSet, sizes: Vec<f64>) -> Self {
        let words = sizes.len().div_ceil(64);
        terms.iter_mut().chain([&mut output]).for_each(|set| set.widen(words));
        let summed = vec![false; terms.len()];
        Self { terms, output, sizes, summed }
    }

    /// The product of the sizes of these labels.
    pub fn size(&self, set: &LabelSet) -> f64 {
        set.iter().map(|l| self.sizes[l as usize]).fold(1.0, times)
    }

    /// Every step of `path`, in order.
    pub fn steps(&self, path: &[(usize, usize)]) -> Vec<ContractionStep> {
        let mut walk = PartialContraction::new(self);
        path.iter().map(|&(i, j)| walk.join(i, j)).collect()
    }

    /// What all steps of `path` cost together.
    pub fn cost(&self, path: &[(usize, usize)]) -> Cost {
        let n = self.terms.len();
        let mut cost = Cost::default();
        // Elements that each term takes, and all terms that are there.
        let mut sizes: Vec<f64> = (0..n).map(|k| if self.summed[k] { self.size(&self.terms[k]) } else { 0.0 }).collect();
        let mut held: f64 = 0.0;
        for (step, &(i, j)) in self.steps(path).iter().zip(path) {
            cost.operations += step.operations;
            cost.written += step.size;
            cost.largest = cost.largest.max(step.size);
            // A sum is made just before it is used.
            held += [i, j].into_iter().filter(|&k| k < n).map(|k| sizes[k]).sum::<f64>() + step.size;
            cost.peak = cost.peak.max(held);
            held -= sizes[i] + sizes[j];
            sizes.push(step.size);
        }
        if path.is_empty() {
            cost.peak = sizes.iter().sum();
        }
        cost
    }
}

/// What an order costs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Cost {
    /// Multiplications and additions.
    pub operations: f64,
    /// Elements of all results of steps.
    pub written: f64,
    /// Elements of the largest result of a step.
    pub largest: f64,
    /// Elements of all results that are held at the same time, at most.
    pub peak: f64,
}

/// The contraction of two terms.
#[derive(Debug, Clone)]
pub(crate) struct ContractionStep {
    /// The labels of the result.
    pub result: LabelSet,
    pub operations: f64,
    /// Elements of the result.
    pub size: f64,
}

/// A network while it is contracted: operands are 0..n, the result of step k is n + k.
#[derive(Clone)]
pub(crate) struct PartialContraction<'n> {
    network: &'n Network,
    terms: Vec<Option<LabelSet>>,
    /// In how many of the terms that are left, and the output, each label occurs.
    uses: Vec<u32>,
    /// The labels that two of them have: gone when those two have met.
    twice: LabelSet,
}

impl<'n> PartialContraction<'n> {
    pub fn new(network: &'n Network) -> Self {
        let mut uses = vec![0; network.sizes.len()];
        let sets = network.terms.iter().chain([&network.output]);
        sets.flat_map(LabelSet::iter).for_each(|l| uses[l as usize] += 1);
        let mut twice: LabelSet = (0..uses.len() as Label).filter(|&l| uses[l as usize] == 2).collect();
        twice.widen(network.output.0.len());
        let mut terms = Vec::with_capacity(2 * network.terms.len());
        terms.extend(network.terms.iter().cloned().map(Some));
        Self { network, terms, uses, twice }
    }

    /// The labels of a term that is left; None once it has been contracted.
    pub fn term(&self, i: usize) -> Option<&LabelSet> {
        self.terms.get(i)?.as_ref()
    }

    /// The terms that are left.
    pub fn left(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.terms.len()).filter(|&i| self.terms[i].is_some())
    }

    /// The labels that contracting these two sets would leave: those that occur elsewhere or in the output.
    pub fn peek(&self, a: &LabelSet, b: &LabelSet) -> LabelSet {
        a.union(b).without(&a.intersection(b).intersection(&self.twice))
    }

    /// Contracts terms `i` and `j`; the result is the newest term.
    pub fn join(&mut self, i: usize, j: usize) -> ContractionStep {
        let mut take = |i: usize| self.terms[i].take().expect("a path contracts each term once");
        let (a, b) = (take(i), take(j));
        let result = self.peek(&a, &b);
        for label in a.intersection(&b).intersection(&result).iter() {
            self.uses[label as usize] -= 1;
            if self.uses[label as usize] == 2 {
                self.twice.insert(label);
            }
        }
        let all = a.union(&b);
        let (product, size) = (self.network.size(&all), self.network.size(&result));
        let operations = if result == all { product } else { 2.0 * product };
        self.terms.push(Some(result.clone()));
        ContractionStep { result, operations, size }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::einsum::equation::Equation;

    /// The network of an equation without repeated labels, all of whose labels have the size that `size` gives.
    pub fn network(text: &str, size: impl Fn(usize) -> usize) -> Network {
        let equation = Equation::parse(text).unwrap();
        Network::new(
            equation.inputs.iter().map(|t| t.labels.iter().copied().collect()).collect(),
            equation.output.labels.iter().copied().collect(),
            (0..equation.names.len()).map(|l| size(l) as f64).collect(),
        )
    }

    #[test]
    fn a_step_counts_every_label_once_and_twice_if_it_sums() {
        let chain = network("ij,jk,kl->il", |l| [2, 3, 5, 7][l]);
        let first = &chain.steps(&[(0, 1), (2, 3)]);
        assert_eq!((first[0].operations, first[1].operations), (2.0 * 30.0, 2.0 * 70.0));
        let cost = Cost { operations: 2.0 * (105.0 + 42.0), written: 35.0, largest: 21.0, peak: 35.0 };
        assert_eq!(chain.cost(&[(1, 2), (0, 3)]), cost);
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
    fn memory_is_given_back_when_a_result_is_used() {
        // ab and cd are there when abcd is made; then abcd with the result e.
        let network = network("ax,xb,cy,yd,abcde->e", |l| [2, 9, 2, 2, 9, 2, 2][l]);
        let cost = network.cost(&[(0, 1), (2, 3), (5, 6), (7, 4)]);
        assert_eq!((cost.largest, cost.peak), (16.0, 4.0 + 4.0 + 16.0));
        let mut summed = network.clone();
        summed.summed[4] = true;
        assert_eq!(summed.cost(&[(0, 1), (2, 3), (5, 6), (7, 4)]).peak, 16.0 + 32.0 + 2.0);
    }

    #[test]
    fn sets_hold_labels_beyond_one_word() {
        let set: LabelSet = [3, 64, 200].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [3, 64, 200]);
        assert!(set.contains(200) && !set.contains(201) && !set.contains(1000));
        let other: LabelSet = [1, 3, 201].into_iter().collect();
        assert_eq!(set.union(&other).iter().collect::<Vec<_>>(), [1, 3, 64, 200, 201]);
        assert_eq!(set.intersection(&other).iter().collect::<Vec<_>>(), [3]);
        assert_eq!(set.without(&other).iter().collect::<Vec<_>>(), [64, 200]);
    }
}
