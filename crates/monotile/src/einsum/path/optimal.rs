//! The exact order, by dynamic programming over subsets of operands.
//!
//! However a subset S is contracted, the same labels are left: those of S that occur outside of S or in the output. So
//! the best order of S splits it in two parts, each in its own best order, and
//!
//! best(S) = min over S = A ∪ B of best(A) + best(B) + step(A, B)
//!
//! where splits into parts that share no label, outer products, are no different from others.

use crate::einsum::cost::{LabelSet, Network};
use crate::einsum::path::Path;

/// A subset of the operands, as bits.
type Subset = usize;

/// The path of fewest operations; of several, the one whose results are smallest in all.
pub(super) fn path(network: &Network) -> Path {
    let n = network.terms.len();
    if n < 2 {
        return Path::new();
    }
    let table = Table::new(network);
    let mut best = vec![Best { operations: 0.0, written: 0.0, part: 0 }; 1 << n];
    for subset in (1..best.len()).filter(|s| s.count_ones() > 1) {
        best[subset] = table.best_split(subset, &best);
    }
    let mut path = Path::new();
    let mut next = n;
    unfold((1 << n) - 1, &best, &mut path, &mut next);
    path
}

/// The best order of a subset.
#[derive(Clone, Copy)]
struct Best {
    operations: f64,
    /// Elements of all results on the way, which decides between equals.
    written: f64,
    /// One of the two parts that are contracted last.
    part: Subset,
}

/// The labels that each subset leaves, and the products of sizes.
struct Table {
    /// Words of a label set.
    words: usize,
    /// The labels that each subset leaves.
    left: Vec<u64>,
    /// For each byte of a label set, the product of the sizes of the labels that each of its values stands for.
    products: Vec<[f64; 256]>,
}

impl Table {
    fn new(network: &Network) -> Self {
        let (n, words) = (network.terms.len(), network.sizes.len().div_ceil(64).max(1));
        let word = |set: &LabelSet, w: usize| set.words().get(w).copied().unwrap_or(0);
        // All labels of each subset: those of its first operand and those of the rest.
        let mut all = vec![0; words << n];
        for subset in 1_usize..1 << n {
            let (first, rest) = (subset.trailing_zeros() as usize, subset & (subset - 1));
            for w in 0..words {
                all[subset * words + w] = all[rest * words + w] | word(&network.terms[first], w);
            }
        }
        let outside = |subset: usize, w: usize| all[((1 << n) - 1 - subset) * words + w] | word(&network.output, w);
        let left = (0..words << n).map(|i| all[i] & outside(i / words, i % words)).collect();
        let products = (0..network.sizes.len().div_ceil(8)).map(|byte| products(&network.sizes[byte * 8..])).collect();
        Self { words, left, products }
    }

    fn labels(&self, subset: Subset) -> &[u64] {
        &self.left[subset * self.words..][..self.words]
    }

    fn size(&self, words: impl Iterator<Item = u64>) -> f64 {
        let bytes = words.flat_map(u64::to_le_bytes);
        bytes.zip(&self.products).map(|(byte, products)| products[byte as usize]).product()
    }

    fn best_split(&self, subset: Subset, best: &[Best]) -> Best {
        let mut found: Option<Best> = None;
        let size = self.size(self.labels(subset).iter().copied());
        // The part with the first operand names a split; the other part is what it leaves.
        let first = subset & subset.wrapping_neg();
        let rest = subset ^ first;
        let mut others = rest;
        while others != 0 {
            others = (others - 1) & rest;
            let (a, b) = (first | others, rest ^ others);
            let parts = best[a].operations + best[b].operations;
            if found.is_some_and(|f| parts > f.operations) {
                continue;
            }
            let operations = parts + self.step(a, b, subset);
            let written = best[a].written + best[b].written + size;
            if found.is_none_or(|f| (operations, written) < (f.operations, f.written)) {
                found = Some(Best { operations, written, part: a });
            }
        }
        found.expect("a subset of two operands or more can be split")
    }

    /// The product of all labels of both parts, twice if one of them is summed over.
    fn step(&self, a: Subset, b: Subset, whole: Subset) -> f64 {
        let union = || self.labels(a).iter().zip(self.labels(b)).map(|(a, b)| a | b);
        let sums = union().zip(self.labels(whole)).any(|(all, left)| all != *left);
        self.size(union()) * if sums { 2.0 } else { 1.0 }
    }
}

/// The product of the sizes that each byte selects of (up to) eight labels.
fn products(sizes: &[f64]) -> [f64; 256] {
    let mut products = [1.0; 256];
    for byte in 1..256_usize {
        let first = byte.trailing_zeros() as usize;
        products[byte] = products[byte & (byte - 1)] * sizes.get(first).copied().unwrap_or(1.0);
    }
    products
}

/// Writes the steps of a subset after those of its parts; returns the term that holds its result.
fn unfold(subset: Subset, best: &[Best], path: &mut Path, next: &mut usize) -> usize {
    if subset.count_ones() == 1 {
        return subset.trailing_zeros() as usize;
    }
    let a = unfold(best[subset].part, best, path, next);
    let b = unfold(subset ^ best[subset].part, best, path, next);
    path.push((a, b));
    *next += 1;
    *next - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::einsum::cost::Walk;
    use crate::einsum::cost::tests::network;
    use rand::{RngExt, SeedableRng};

    /// The fewest operations over all orders, by trying them.
    fn brute_force(walk: &Walk) -> f64 {
        let left: Vec<usize> = walk.left().collect();
        let mut best = if left.len() < 2 { 0.0 } else { f64::INFINITY };
        for (k, &i) in left.iter().enumerate() {
            for &j in &left[k + 1..] {
                let mut walk = walk.clone();
                let step = walk.join(i, j);
                best = best.min(step.operations + brute_force(&walk));
            }
        }
        best
    }

    /// A random equation of `n` operands: each of up to 3 of `labels` labels, a few of them kept. Labels that one operand
    /// alone has are kept, as a network demands.
    fn random(rng: &mut impl RngExt, n: usize, labels: usize) -> Network {
        let draw = |rng: &mut _, most: usize| -> LabelSet {
            let count = RngExt::random_range(rng, 0..=most);
            (0..count).map(|_| RngExt::random_range(rng, 0..labels as u32)).collect()
        };
        let terms: Vec<LabelSet> = (0..n).map(|_| draw(rng, 3)).collect();
        let uses = |l: u32| terms.iter().filter(|t| t.contains(l)).count();
        let wanted = draw(rng, 3);
        let output = (0..labels as u32).filter(|&l| uses(l) == 1 || (uses(l) > 1 && wanted.contains(l))).collect();
        let sizes = (0..labels).map(|_| rng.random_range(1..6) as f64).collect();
        Network { terms, output, sizes }
    }

    #[test]
    fn the_cost_is_that_of_the_best_of_all_orders() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        for case in 0..300 {
            let network = random(&mut rng, 2 + case % 5, 3 + case % 6);
            let found = network.cost(&path(&network)).operations;
            assert_eq!(found, brute_force(&Walk::new(&network)), "case {case}: {network:?}");
        }
    }

    #[test]
    fn outer_products_are_taken_where_they_pay() {
        // Two vectors of 2 against a matrix product over 1000: (a b) first, then all of c at once.
        let pays = network("a,b,abc->c", |l| [2, 2, 1000][l]);
        assert_eq!(path(&pays), [(0, 1), (3, 2)]);
    }

    #[test]
    fn kept_and_shared_labels_are_counted_right() {
        // The weight goes onto the smaller operand first: 2·10·100 + 2·2·10·50·100 operations, not three at once.
        let shared = network("bgk,bkd,bk->bgd", |l| [2, 10, 100, 50][l]);
        assert_eq!(shared.cost(&path(&shared)).operations, 2.0 * 10.0 * 100.0 + 2.0 * 2.0 * 10.0 * 50.0 * 100.0);
    }
}
