//! An order as a tree: which terms are contracted, but not when.

use crate::einsum::cost::{Cost, LabelSet, Network};
use crate::einsum::path::Path;

/// The contractions of a network as a binary tree. Nodes 0 to n - 1 are the operands; the last is the result.
#[derive(Clone)]
pub(super) struct Tree<'n> {
    pub network: &'n Network,
    /// The labels that each node leaves.
    pub labels: Vec<LabelSet>,
    /// Elements of each node.
    pub sizes: Vec<f64>,
    /// What each contraction takes; 0 for operands.
    pub operations: Vec<f64>,
    /// The two nodes that node n + k contracts.
    pub parts: Vec<[usize; 2]>,
}

impl<'n> Tree<'n> {
    /// The tree of a path of a network of one operand or more.
    pub fn new(network: &'n Network, path: &[(usize, usize)]) -> Self {
        let mut tree = Self {
            network,
            labels: network.terms.clone(),
            sizes: network.terms.iter().map(|t| network.size(t)).collect(),
            operations: vec![0.0; network.terms.len()],
            parts: path.iter().map(|&(i, j)| [i, j]).collect(),
        };
        for step in network.steps(path) {
            tree.labels.push(step.result);
            tree.sizes.push(step.size);
            tree.operations.push(step.operations);
        }
        tree
    }

    pub fn operands(&self) -> usize {
        self.network.terms.len()
    }

    pub fn root(&self) -> usize {
        self.labels.len() - 1
    }

    /// The nodes that a node contracts; None for an operand.
    pub fn parts(&self, node: usize) -> Option<[usize; 2]> {
        Some(self.parts[node.checked_sub(self.operands())?])
    }

    /// Every node, parts before wholes.
    pub fn upwards(&self) -> impl Iterator<Item = usize> {
        let mut nodes = vec![self.root()];
        let mut at = 0;
        while let Some(&node) = nodes.get(at) {
            nodes.extend(self.parts(node).into_iter().flatten());
            at += 1;
        }
        nodes.into_iter().rev()
    }

    /// For each node, the elements that are held while it is made and while it waits, its parts made in the better order;
    /// and whether that is the second part first.
    fn peaks(&self) -> (Vec<f64>, Vec<bool>) {
        let held = |node: usize| {
            let own = node >= self.operands() || self.network.summed[node];
            if own { self.sizes[node] } else { 0.0 }
        };
        let mut peaks: Vec<f64> = (0..self.labels.len()).map(held).collect();
        let mut second_first = vec![false; self.labels.len()];
        for node in self.upwards() {
            let Some([a, b]) = self.parts(node) else { continue };
            let in_order = peaks[a].max(held(a) + peaks[b]);
            let turned = peaks[b].max(held(b) + peaks[a]);
            second_first[node] = turned < in_order;
            peaks[node] = in_order.min(turned).max(held(a) + held(b) + held(node));
        }
        (peaks, second_first)
    }

    pub fn cost(&self) -> Cost {
        let made = self.operands()..self.labels.len();
        Cost {
            operations: self.operations.iter().sum(),
            written: self.sizes[made.clone()].iter().sum(),
            largest: self.sizes[made].iter().copied().fold(0.0, f64::max),
            peak: self.peaks().0[self.root()],
        }
    }

    /// The tree as a path: of the two parts of every contraction, the one first that makes the peak of memory smaller.
    pub fn path(&self) -> Path {
        let n = self.operands();
        let second_first = self.peaks().1;
        let mut path = Path::with_capacity(self.parts.len());
        // The term that holds each node; a node is met twice, its parts are done at the second time.
        let mut terms: Vec<Option<usize>> = vec![None; self.labels.len()];
        let mut stack = vec![(self.root(), false)];
        while let Some((node, done)) = stack.pop() {
            let Some([a, b]) = self.parts(node) else {
                terms[node] = Some(node);
                continue;
            };
            if done {
                let term = |node: usize| terms[node].expect("parts come before wholes");
                path.push((term(a), term(b)));
                terms[node] = Some(n + path.len() - 1);
            } else {
                let (first, then) = if second_first[node] { (b, a) } else { (a, b) };
                stack.extend([(node, true), (then, false), (first, false)]);
            }
        }
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::einsum::cost::tests::network;

    #[test]
    fn a_path_survives_the_tree_and_the_part_that_needs_more_memory_comes_first() {
        // (ab cd) ends in 1 element but needs 16 on the way; (ef gh) needs 4 and leaves 4.
        let network = network("ab,cd,abcd,ex,xf->ef", |_| 2);
        let path = [(3, 4), (0, 1), (6, 2), (5, 7)];
        let tree = Tree::new(&network, &path);
        assert_eq!(network.cost(&path).peak, 4.0 + 16.0 + 1.0);
        assert_eq!(tree.path(), [(0, 1), (5, 2), (3, 4), (7, 6)]);
        assert_eq!(network.cost(&tree.path()).peak, 17.0);
        assert_eq!(tree.cost(), network.cost(&tree.path()));
        let chain: Vec<_> = [(0, 1), (5, 2), (6, 3), (7, 4)].into();
        assert_eq!(Tree::new(&network, &chain).path(), chain);
    }
}
