//! Every subset of the terms: the labels that it leaves, how large its result is, and whether it can be part of an answer.

use super::{Problem, Search};
use crate::einsum::cost::times;
use crate::einsum::pair::Label;
use crate::einsum::path::goal::{Measure, Objective};

/// A subset of the terms, as bits.
pub(super) type Subset = usize;

/// Labels that occur in the same terms, as one label each.
pub(super) struct LabelClasses {
    /// The terms that have it, as bits; bit n for the output.
    holders: Vec<u32>,
    pub sizes: Vec<f64>,
}

impl LabelClasses {
    pub fn from_problem(problem: &Problem) -> Self {
        let mut pairs: Vec<(Label, u32)> = Vec::with_capacity(16 * problem.terms.len());
        for (i, term) in problem.terms.iter().copied().chain([problem.output]).enumerate() {
            pairs.extend(term.iter().map(|l| (l, 1 << i)));
        }
        pairs.sort_unstable();
        pairs.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 |= if same { next.1 } else { 0 };
            same
        });
        pairs.sort_unstable_by_key(|&(label, holders)| (holders, label));
        let mut alike = Self { holders: Vec::new(), sizes: Vec::new() };
        for (label, holders) in pairs {
            let size = problem.sizes[label as usize];
            if alike.holders.last() == Some(&holders) {
                *alike.sizes.last_mut().expect("there is a size for every holder") *= size;
            } else {
                alike.holders.push(holders);
                alike.sizes.push(size);
            }
        }
        alike
    }
}

/// What each subset leaves.
pub(super) struct SubsetTable<'a, const W: usize> {
    pub n: usize,
    pub held: &'a [f64],
    /// The labels that each subset leaves.
    pub left: Vec<[u64; W]>,
    /// Elements of its result.
    pub size: Vec<f64>,
    /// The terms that share a label with each term.
    neighbours: Vec<Subset>,
    /// For each byte of a label set, the product of the sizes of the labels that each of its values stands for.
    pub products: Vec<[f64; 256]>,
}

impl<'a, const W: usize> SubsetTable<'a, W> {
    pub fn new(problem: &Problem<'a>, labels: &LabelClasses) -> Self {
        let n = problem.terms.len();
        let all = (1 << n) - 1;
        let (mut terms, mut neighbours) = (vec![[0; W]; n + 1], vec![0; n]);
        for (label, &holders) in labels.holders.iter().enumerate() {
            for i in (0..=n).filter(|i| holders >> i & 1 == 1) {
                terms[i][label / 64] |= 1 << (label % 64);
                if i < n {
                    neighbours[i] |= holders as usize & all & !(1 << i);
                }
            }
        }
        // All labels of each subset: those of its first term and those of the rest.
        let mut has = vec![[0; W]; 1 << n];
        for subset in 1..=all {
            has[subset] = or(&has[subset & (subset - 1)], &terms[subset.trailing_zeros() as usize]);
        }
        let products: Vec<[f64; 256]> = labels.sizes.chunks(8).map(products).collect();
        let left: Vec<[u64; W]> = (0..=all).map(|s| and(&has[s], &or(&has[all ^ s], &terms[n]))).collect();
        let size = left.iter().map(|set| elements(set, &products)).collect();
        Self { n, held: problem.held, left, size, neighbours, products }
    }

    /// The subsets of two terms or more that can be part of an answer, parts before wholes.
    pub fn admitted(&self, search: &Search) -> Vec<Subset> {
        let all: Subset = (1 << self.n) - 1;
        let single = |s: Subset| s & (s - 1) == 0;
        let Objective { measure, written, cap } = search.goal;
        // What is made is written and, but for the last, read again by a step that is at least as large.
        let least = |size: f64| if measure == Measure::Sum { (2.0 + written) * size } else { size };
        let near = |reached: Subset| {
            let mut near = reached;
            (0..self.n).filter(|i| reached >> i & 1 == 1).for_each(|i| near |= self.neighbours[i]);
            near
        };
        let spread = |from: Subset, within: Subset| {
            let mut reached = from;
            loop {
                let next = near(reached) & within;
                if next | reached == reached {
                    return reached;
                }
                reached |= next;
            }
        };
        // Parts of the network that share no label with the rest.
        let mut islands = Vec::new();
        let mut rest = all;
        while rest != 0 {
            islands.push(spread(rest & rest.wrapping_neg(), all));
            rest &= !islands[islands.len() - 1];
        }
        let whole_islands = |s: Subset| islands.iter().all(|i| s & i == 0 || s & i == *i);
        let admits = |&s: &Subset| {
            let size = self.size[s];
            s == all
                || (size <= cap
                    && least(size) <= search.bound
                    && (size <= search.outer || spread(s & s.wrapping_neg(), s) == s || whole_islands(s)))
        };
        (1..=all).filter(|&s| !single(s)).filter(admits).collect()
    }
}

#[inline]
pub(super) fn or<const W: usize>(a: &[u64; W], b: &[u64; W]) -> [u64; W] {
    std::array::from_fn(|w| a[w] | b[w])
}

fn and<const W: usize>(a: &[u64; W], b: &[u64; W]) -> [u64; W] {
    std::array::from_fn(|w| a[w] & b[w])
}

/// The product of the sizes of the labels in a set.
#[inline]
pub(super) fn elements<const W: usize>(set: &[u64; W], products: &[[f64; 256]]) -> f64 {
    let of = |(byte, products): (usize, &[f64; 256])| products[(set[byte / 8] >> (byte % 8 * 8)) as usize & 255];
    products.iter().enumerate().map(of).fold(1.0, times)
}

/// The product of the sizes that each byte selects of (up to) eight labels.
fn products(sizes: &[f64]) -> [f64; 256] {
    let mut products = [1.0; 256];
    for byte in 1..256_usize {
        let first = byte.trailing_zeros() as usize;
        products[byte] = times(products[byte & (byte - 1)], sizes.get(first).copied().unwrap_or(1.0));
    }
    products
}
