//! Greedy order: the pair next whose result is smallest in comparison with its operands.
//!
//! cost(A, B) = size(AB) - size(A) - size(B), among pairs that share a label; terms of the same labels are multiplied first,
//! and what shares nothing is multiplied last, the smallest first.
//!
//! With a taste of its own, each order is another: cost(A, B) = size(AB) - α (size(A) + size(B)) on a scale of logarithms,
//! with noise.
//!
//! Source: Smith and Gray, opt_einsum (2018), which names this cost `memory-removed`; Gray and Kourtis (2021) for α and noise.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};

use crate::Rng;
use crate::einsum::cost::{Network, PartialContraction};
use crate::einsum::path::Path;

/// What a random order likes.
pub(super) struct GreedyNoise {
    /// How much the sizes of operands count.
    weight: f64,
    /// How strong the noise is.
    temperature: f64,
    rng: Rng,
}

impl GreedyNoise {
    pub fn new(mut rng: Rng) -> Self {
        let weight = 0.1 + 3.9 * rng.next_f64();
        let temperature = 10_f64.powf(-3.0 + 3.0 * rng.next_f64());
        Self { weight, temperature, rng }
    }

    fn cost(&mut self, result: f64, operands: f64) -> f64 {
        let cost = result - self.weight * operands;
        // Noise of Gumbel's distribution: without it, the smallest would always be first.
        let noise = -(-self.rng.next_f64().max(f64::MIN_POSITIVE).ln()).ln();
        cost.signum() * cost.abs().ln_1p() - self.temperature * noise
    }
}

/// The greedy path, to a taste where one is given.
pub(super) fn path(network: &Network, taste: Option<GreedyNoise>) -> Path {
    let mut greedy = Greedy::new(network, taste);
    greedy.multiply_equals();
    greedy.contract_neighbours();
    greedy.multiply_the_rest();
    greedy.path
}

struct Greedy<'n> {
    network: &'n Network,
    walk: PartialContraction<'n>,
    /// The terms, also past ones, that have each label.
    holders: Vec<Vec<usize>>,
    /// The number of elements of each term.
    sizes: Vec<f64>,
    queue: BinaryHeap<Reverse<Candidate>>,
    path: Path,
    taste: Option<GreedyNoise>,
}

/// A pair that could be next.
#[derive(PartialEq)]
struct Candidate {
    cost: f64,
    pair: (usize, usize),
}

impl Eq for Candidate {}

impl Ord for Candidate {
    // Older terms win between equals, so that the order does not depend on the heap's.
    fn cmp(&self, other: &Self) -> Ordering {
        self.cost.total_cmp(&other.cost).then(self.pair.cmp(&other.pair))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<'n> Greedy<'n> {
    fn new(network: &'n Network, taste: Option<GreedyNoise>) -> Self {
        let mut holders = vec![Vec::new(); network.sizes.len()];
        for (i, term) in network.terms.iter().enumerate() {
            term.iter().for_each(|l| holders[l as usize].push(i));
        }
        let sizes = network.terms.iter().map(|t| network.size(t)).collect();
        Self { network, walk: PartialContraction::new(network), holders, sizes, queue: BinaryHeap::new(), path: Path::new(), taste }
    }

    fn join(&mut self, i: usize, j: usize) -> usize {
        let new = self.network.terms.len() + self.path.len();
        let step = self.walk.join(i, j);
        step.result.iter().for_each(|l| self.holders[l as usize].push(new));
        self.sizes.push(step.size);
        self.path.push((i, j));
        new
    }

    fn multiply_equals(&mut self) {
        let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (i, term) in self.network.terms.iter().enumerate() {
            groups.entry(term).or_default().push(i);
        }
        for group in groups.into_values() {
            group.into_iter().reduce(|i, j| self.join(i, j));
        }
    }

    fn contract_neighbours(&mut self) {
        let terms: Vec<usize> = self.walk.left().collect();
        for &i in &terms {
            self.push_candidate(i, |j| j > i);
        }
        while let Some(Reverse(Candidate { pair: (i, j), .. })) = self.queue.pop() {
            if self.walk.term(i).is_some() && self.walk.term(j).is_some() {
                let new = self.join(i, j);
                self.push_candidate(new, |_| true);
            }
        }
    }

    /// Queues the pairs of term `i` with those terms that share a label with it and that `with` admits.
    fn push_candidate(&mut self, i: usize, with: impl Fn(usize) -> bool) {
        let Some(term) = self.walk.term(i) else { return };
        let mut near: Vec<usize> = Vec::new();
        for label in term.iter() {
            let holders = &mut self.holders[label as usize];
            holders.retain(|&j| self.walk.term(j).is_some());
            near.extend(holders.iter().copied().filter(|&j| j != i && with(j)));
        }
        near.sort_unstable();
        near.dedup();
        for j in near {
            let other = self.walk.term(j).expect("terms that are past were removed");
            let size = self.network.size(&self.walk.peek(term, other));
            let operands = self.sizes[i] + self.sizes[j];
            let cost = self.taste.as_mut().map_or(size - operands, |taste| taste.cost(size, operands));
            self.queue.push(Reverse(Candidate { cost, pair: (i.min(j), i.max(j)) }));
        }
    }

    fn multiply_the_rest(&mut self) {
        let sized = |sizes: &[f64], i: usize| Reverse(Candidate { cost: sizes[i], pair: (i, i) });
        let mut rest: BinaryHeap<_> = self.walk.left().map(|i| sized(&self.sizes, i)).collect();
        while let (Some(Reverse(a)), Some(Reverse(b))) = (rest.pop(), rest.pop()) {
            let new = self.join(a.pair.0, b.pair.0);
            rest.push(sized(&self.sizes, new));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::einsum::cost::tests::network;

    #[test]
    fn a_chain_is_contracted_from_its_narrow_end() {
        let chain = network("ij,jk,kl,lm->im", |l| [512, 8, 512, 8, 512][l]);
        let cost = chain.cost(&path(&chain, None)).operations;
        assert_eq!(cost, 2.0 * (8.0 * 512.0 * 8.0 + 512.0 * 8.0 * 8.0 + 512.0 * 8.0 * 512.0));
    }

    #[test]
    fn disconnected_and_equal_terms_are_all_contracted() {
        for text in ["a,b,c,d->abcd", "ab,ab,ab->", ",a,,ab,cd,c->bd", "a->a", "ab,cd,ef,ef,ab,cd->"] {
            let network = network(text, |_| 3);
            let path = path(&network, None);
            assert_eq!(path.len() + 1, network.terms.len(), "{text}");
            let mut walk = PartialContraction::new(&network);
            path.iter().for_each(|&(i, j)| drop(walk.join(i, j)));
            let last = walk.left().next().unwrap();
            assert_eq!(walk.term(last).unwrap(), &network.output, "{text}");
        }
    }

    #[test]
    fn a_ring_of_a_thousand_is_ordered() {
        let terms = (0..1000).map(|i| [i, (i + 1) % 1000].into_iter().collect()).collect();
        let ring = Network::new(terms, Default::default(), vec![2.0; 1000]);
        let cost = ring.cost(&path(&ring, None));
        assert_eq!(cost.largest, 4.0);
    }
}
