//! Improving an order part by part: subtrees of a few contractions are replaced by their exact orders.
//!
//! A subtree is cut below a contraction where it is large, so that its (at most `width`) ends are operands or results; the
//! order in between is solved exactly. Repeated for every contraction until nothing changes.
//!
//! Source: Gray and Kourtis, Hyper-optimized tensor network contraction (2021), section 4.3: subtree reconfiguration.

use std::collections::HashSet;

use crate::einsum::cost::LabelSet;
use crate::einsum::path::goal::{Measure, Objective};
use crate::einsum::path::optimal::{Problem, Search, solve};
use crate::einsum::path::search::Deadline;
use crate::einsum::path::tree::Tree;

/// Improves a tree, subtrees of at most `width` ends at a time, until none can be.
pub(super) fn improve(tree: &mut Tree, goal: &Objective, width: usize, clock: &Deadline) {
    let n = tree.operands();
    let mut subtrees = Subtrees { seen: HashSet::new(), marks: marks(tree), goal, width };
    loop {
        let mut changed = false;
        let mut nodes: Vec<usize> = (n..tree.labels.len()).collect();
        let weight = |tree: &Tree, node: usize| if goal.measure == Measure::Sum { tree.operations[node] } else { tree.sizes[node] };
        nodes.sort_by(|&a, &b| weight(tree, b).total_cmp(&weight(tree, a)).then(a.cmp(&b)));
        for node in nodes {
            if clock.is_over() {
                return;
            }
            changed |= subtrees.improve_below(tree, node);
        }
        if !changed {
            return;
        }
    }
}

struct Subtrees<'g> {
    /// The marks of what has been solved.
    seen: HashSet<u64>,
    /// A number for each node that tells the operands below it.
    marks: Vec<u64>,
    goal: &'g Objective,
    width: usize,
}

fn marks(tree: &Tree) -> Vec<u64> {
    let mut marks: Vec<u64> = (0..tree.labels.len() as u64).map(|i| mix(i + 1)).collect();
    for node in tree.upwards() {
        if let Some([a, b]) = tree.parts(node) {
            marks[node] = marks[a] ^ marks[b];
        }
    }
    marks
}

/// SplitMix64's finalizer: numbers that look random.
fn mix(i: u64) -> u64 {
    let z = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Subtrees<'_> {
    /// Solves the subtree below a node; whether that is better than what was there.
    fn improve_below(&mut self, tree: &mut Tree, root: usize) -> bool {
        let (ends, inner) = self.cut(tree, root);
        let mark = ends.iter().fold(0, |sum: u64, &e| sum.wrapping_add(mix(self.marks[e])));
        if ends.len() < 3 || !self.seen.insert(mark) {
            return false;
        }
        let (value, second) = self.value(tree, root, &inner);
        let terms: Vec<&LabelSet> = ends.iter().map(|&e| &tree.labels[e]).collect();
        let held = vec![0.0; ends.len()];
        let problem = Problem { terms: &terms, output: &tree.labels[root], sizes: &tree.network.sizes, held: &held };
        let search = Search { bound: value, ..Search::everything(*self.goal) };
        let Some(found) = solve(&problem, &search) else { return false };
        let less = |a: f64, b: f64| a < b * (1.0 - 1e-9);
        if !(less(found.value, value) || (found.value <= value && less(found.second, second))) {
            return false;
        }
        self.replace(tree, root, &ends, inner, &found.path);
        true
    }

    /// Puts `path` over the ends of a subtree in the place of the contractions `inner`.
    fn replace(&mut self, tree: &mut Tree, root: usize, ends: &[usize], inner: Vec<usize>, path: &[(usize, usize)]) {
        let n = tree.operands();
        let mut nodes: Vec<usize> = ends.to_vec();
        let mut left: Vec<bool> = vec![true; ends.len()];
        let output = tree.labels[root].clone();
        for (&(i, j), node) in path.iter().zip(inner) {
            let (a, b) = (nodes[i], nodes[j]);
            (left[i], left[j]) = (false, false);
            let all = tree.labels[a].union(&tree.labels[b]);
            let elsewhere = nodes.iter().zip(&left).filter(|(_, left)| **left).map(|(&k, _)| &tree.labels[k]);
            let needed = elsewhere.fold(output.clone(), |set, labels| set.union(labels));
            let result = all.intersection(&needed);
            let product = tree.network.size(&all);
            tree.operations[node] = if result == all { product } else { 2.0 * product };
            tree.sizes[node] = tree.network.size(&result);
            tree.labels[node] = result;
            tree.parts[node - n] = [a, b];
            self.marks[node] = self.marks[a] ^ self.marks[b];
            nodes.push(node);
            left.push(true);
        }
    }

    /// The ends of the subtree below `root`, and the contractions in it, `root` last.
    fn cut(&self, tree: &Tree, root: usize) -> (Vec<usize>, Vec<usize>) {
        let mut ends: Vec<usize> = tree.parts(root).into_iter().flatten().collect();
        let mut inner = vec![root];
        while ends.len() < self.width {
            let open = ends.iter().copied().enumerate().filter(|&(_, e)| e >= tree.operands());
            let Some((at, node)) = open.max_by(|a, b| tree.sizes[a.1].total_cmp(&tree.sizes[b.1])) else { break };
            ends.swap_remove(at);
            ends.extend(tree.parts(node).into_iter().flatten());
            inner.push(node);
        }
        ends.sort_unstable();
        inner.reverse();
        (ends, inner)
    }

    /// What the subtree is worth as it is, and what decides between equals.
    fn value(&self, tree: &Tree, root: usize, inner: &[usize]) -> (f64, f64) {
        let operations: f64 = inner.iter().map(|&i| tree.operations[i]).sum();
        let written: f64 = inner.iter().map(|&i| tree.sizes[i]).sum();
        let largest = inner.iter().filter(|&&i| i != root).map(|&i| tree.sizes[i]).fold(0.0, f64::max);
        if largest > self.goal.cap {
            return (f64::INFINITY, f64::INFINITY);
        }
        match self.goal.measure {
            Measure::Sum => (operations + self.goal.written * written, written),
            Measure::Largest | Measure::Peak => (largest, operations),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::einsum::cost::tests::network;
    use crate::einsum::path::{greedy, left_to_right};

    #[test]
    fn a_bad_order_of_a_chain_becomes_the_best() {
        let text: Vec<String> =
            (0..12).map(|i| ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm'][i..i + 2].iter().collect()).collect();
        let chain = network(&format!("{}->am", text.join(",")), |l| [90, 3, 40, 2, 50, 7, 60, 2, 30, 80, 5, 70, 40][l]);
        let mut tree = Tree::new(&chain, &left_to_right(12));
        improve(&mut tree, &Objective::OPERATIONS, 6, &Deadline::endless());
        let path = tree.path();
        assert_eq!(chain.cost(&path), tree.cost());
        let terms: Vec<&LabelSet> = chain.terms.iter().collect();
        let problem = Problem { terms: &terms, output: &chain.output, sizes: &chain.sizes, held: &[0.0; 12] };
        let best = solve(&problem, &Search::everything(Objective::OPERATIONS)).unwrap();
        assert_eq!(tree.cost().operations, best.value);
        assert!(chain.cost(&greedy::path(&chain, None)).operations >= best.value);
    }

    #[test]
    fn a_cap_is_kept_once_it_can_be() {
        let ring = network("abx,bcy,cdz,dew,efxyzw,fa->", |_| 3);
        let goal = Objective { cap: 81.0, ..Objective::OPERATIONS };
        let mut tree = Tree::new(&ring, &[(0, 5), (1, 6), (2, 7), (3, 8), (4, 9)]);
        assert!(tree.cost().largest > 81.0);
        improve(&mut tree, &goal, 4, &Deadline::endless());
        assert!(tree.cost().largest <= 81.0, "{:?}", tree.cost());
    }
}
