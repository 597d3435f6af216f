//! The exact order, by dynamic programming over subsets of operands.
//!
//! However a subset S is contracted, the same labels are left: those of S that occur outside of S or in the output. So
//! the best order of S splits it in two parts, each in its own best order, and
//!
//! best(S) = min over S = A ∪ B of best(A) + best(B) + step(A, B)
//!
//! where splits into parts that share no label, outer products, are no different from others. What is known to be
//! attainable bounds the search: a subset whose result alone costs more to write and to read takes no part.

mod table;

use crate::einsum::cost::LabelSet;
use crate::einsum::path::goal::{Measure, Objective};
use table::{LabelClasses, Subset, SubsetTable, elements, or};

/// The most terms that a table is made for.
pub(super) const MOST: usize = 20;

/// Terms to be contracted.
pub(super) struct Problem<'a> {
    pub terms: &'a [&'a LabelSet],
    /// The labels that are wanted.
    pub output: &'a LabelSet,
    /// The size of each label.
    pub sizes: &'a [f64],
    /// Elements that each term takes in memory of the contraction, as opposed to the caller's.
    pub held: &'a [f64],
}

/// What is searched for, and where.
#[derive(Clone, Copy)]
pub(super) struct Search {
    pub goal: Objective,
    /// A value that is known to be attainable.
    pub bound: f64,
    /// The largest result of parts that share no label which is considered.
    pub outer: f64,
    /// The most splits that are worth trying.
    pub splits: f64,
}

impl Search {
    /// Everything, for the best value.
    pub fn everything(goal: Objective) -> Self {
        Self { goal, bound: f64::INFINITY, outer: f64::INFINITY, splits: f64::INFINITY }
    }
}

/// The best order.
pub(super) struct BestPath {
    pub value: f64,
    /// What decides between orders of one value: elements written, or operations where memory is minimized.
    pub second: f64,
    /// Pairs of terms: terms are 0 to n - 1, the result of step k is n + k.
    pub path: Vec<(usize, usize)>,
}

/// The best order of a problem; None if nothing keeps within the goal's and the search's limits.
pub(super) fn solve(problem: &Problem, search: &Search) -> Option<BestPath> {
    let n = problem.terms.len();
    debug_assert!((2..=MOST).contains(&n));
    let labels = LabelClasses::from_problem(problem);
    match labels.sizes.len().div_ceil(64) {
        0 | 1 => measured::<1>(problem, &labels, search),
        2 => measured::<2>(problem, &labels, search),
        3..=8 => measured::<8>(problem, &labels, search),
        _ => None,
    }
}

fn measured<const W: usize>(problem: &Problem, labels: &LabelClasses, search: &Search) -> Option<BestPath> {
    let written = search.goal.written;
    let table = SubsetTable::<W>::new(problem, labels);
    match search.goal.measure {
        Measure::Sum => table.solve(search, |a, b| a + b, |a, b, s| a.0 + b.0 + s.operations + written * s.size, |s| s.written()),
        Measure::Largest => table.solve(search, f64::max, |a, b, s| a.0.max(b.0).max(s.limited), |s| s.operations),
        // One part is made while the other's result waits.
        Measure::Peak => {
            let peak = |a: (f64, f64), b: (f64, f64), s: Split| a.0.max(a.1 + b.0).min(b.0.max(b.1 + a.0)).max(a.1 + b.1 + s.size);
            table.solve(search, f64::max, peak, |s| s.operations)
        }
    }
}

/// The contraction of two parts.
#[derive(Clone, Copy)]
struct Split {
    operations: f64,
    /// Elements of the result.
    size: f64,
    /// The same, but 0 for the last result, which every order has.
    limited: f64,
}

impl Split {
    fn written(&self) -> f64 {
        self.size
    }
}

impl<const W: usize> SubsetTable<'_, W> {
    /// Tries every split of every subset: `lower` bounds the value of a split by the values of its parts, `value` is that
    /// of a split whose parts have these values and sizes, `second` is added up and decides between equals.
    fn solve(
        &self,
        search: &Search,
        lower: impl Fn(f64, f64) -> f64,
        value: impl Fn((f64, f64), (f64, f64), Split) -> f64,
        second: impl Fn(&Split) -> f64,
    ) -> Option<BestPath> {
        let all = (1 << self.n) - 1;
        let admitted = self.admitted(search);
        let splits: f64 = admitted.iter().map(|s| (1_u64 << (s.count_ones() - 1)) as f64).sum();
        if splits > search.splits {
            return None;
        }
        let mut best = vec![f64::INFINITY; 1 << self.n];
        let mut seconds = vec![0.0; 1 << self.n];
        let mut parts: Vec<u32> = vec![0; 1 << self.n];
        let peak = search.goal.measure == Measure::Peak;
        let mut held = if peak { self.size.clone() } else { Vec::new() };
        for i in 0..self.n {
            best[1 << i] = if peak { self.held[i] } else { 0.0 };
            if peak {
                held[1 << i] = self.held[i];
            }
        }
        for subset in admitted {
            let size = self.size[subset];
            // The part with the first term names a split; the other part is what it leaves.
            let first = subset & subset.wrapping_neg();
            let rest = subset ^ first;
            let (mut found, mut found_second, mut part) = (f64::INFINITY, f64::INFINITY, 0);
            let mut others = rest;
            while others != 0 {
                others = (others - 1) & rest;
                let (a, b) = (first | others, rest ^ others);
                if !(lower(best[a], best[b]) <= found) {
                    continue;
                }
                let met = or(&self.left[a], &self.left[b]);
                let product = elements(&met, &self.products);
                let operations = if met == self.left[subset] { product } else { 2.0 * product };
                let split = Split { operations, size, limited: if subset == all { 0.0 } else { size } };
                let size_of = |s: Subset| if peak { held[s] } else { 0.0 };
                let whole = value((best[a], size_of(a)), (best[b], size_of(b)), split);
                let then = seconds[a] + seconds[b] + second(&split);
                if whole < found || (whole == found && then < found_second) {
                    (found, found_second, part) = (whole, then, a);
                }
            }
            if found <= search.bound {
                (best[subset], seconds[subset], parts[subset]) = (found, found_second, part as u32);
            }
        }
        if best[all] == f64::INFINITY {
            return None;
        }
        let mut path = Vec::with_capacity(self.n - 1);
        self.unfold(all, &parts, &mut path);
        Some(BestPath { value: best[all], second: seconds[all], path })
    }

    /// Writes the steps of a subset after those of its parts; returns the term that holds its result.
    fn unfold(&self, subset: Subset, parts: &[u32], path: &mut Vec<(usize, usize)>) -> usize {
        if subset & (subset - 1) == 0 {
            return subset.trailing_zeros() as usize;
        }
        let part = parts[subset] as Subset;
        let a = self.unfold(part, parts, path);
        let b = self.unfold(subset ^ part, parts, path);
        path.push((a, b));
        self.n + path.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::einsum::cost::Cost;
    use crate::einsum::cost::tests::network;
    use crate::einsum::cost::{Network, PartialContraction};
    use crate::einsum::path::tree::Tree;
    use rand::{RngExt, SeedableRng};

    /// The path of fewest operations.
    fn path(network: &Network) -> Vec<(usize, usize)> {
        solved(network, &Search::everything(Objective::OPERATIONS)).expect("something is found").path
    }

    fn solved(network: &Network, search: &Search) -> Option<BestPath> {
        let terms: Vec<&LabelSet> = network.terms.iter().collect();
        let held = vec![0.0; terms.len()];
        solve(&Problem { terms: &terms, output: &network.output, sizes: &network.sizes, held: &held }, search)
    }

    /// The least value of all orders, by trying them.
    fn brute_force(
        network: &Network,
        walk: &PartialContraction,
        path: &mut Vec<(usize, usize)>,
        value: &impl Fn(&Cost) -> f64,
    ) -> f64 {
        let left: Vec<usize> = walk.left().collect();
        if left.len() == 1 {
            return value(&Tree::new(network, path).cost());
        }
        let mut best = f64::INFINITY;
        for (k, &i) in left.iter().enumerate() {
            for &j in &left[k + 1..] {
                let mut walk = walk.clone();
                walk.join(i, j);
                path.push((i, j));
                best = best.min(brute_force(network, &walk, path, value));
                path.pop();
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
        Network::new(terms, output, sizes)
    }

    #[test]
    fn values_are_those_of_the_best_of_all_orders() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        // Seven operands have 56,700 orders.
        let counts = (0..300).map(|case| 2 + case % 5).chain([7; 8]);
        for (case, n) in counts.enumerate() {
            let network = random(&mut rng, n, 3 + case % 6);
            let goals = [
                Objective::OPERATIONS,
                Objective { written: 64.0, ..Objective::OPERATIONS },
                Objective { measure: Measure::Largest, ..Objective::OPERATIONS },
                Objective { measure: Measure::Peak, ..Objective::OPERATIONS },
            ];
            for goal in goals.into_iter().take(if n > 6 { 1 } else { 4 }) {
                let value = |c: &Cost| match goal.measure {
                    Measure::Largest => c.largest,
                    Measure::Peak => c.peak,
                    Measure::Sum => c.operations + goal.written * c.written,
                };
                let least = brute_force(&network, &PartialContraction::new(&network), &mut Vec::new(), &|c| value(c));
                let found = solved(&network, &Search::everything(goal)).unwrap();
                let last = network.size(&network.output);
                let reached = if goal.measure == Measure::Largest { found.value.max(last) } else { found.value };
                assert_eq!(reached, least, "case {case}, {:?}: {network:?}", goal.measure);
                assert_eq!(value(&Tree::new(&network, &found.path).cost()), least, "case {case}: {network:?}");
                // What is attainable is found again when it is known to be.
                let again = solved(&network, &Search { bound: found.value, ..Search::everything(goal) });
                assert_eq!(again.map(|f| f.value), Some(found.value), "case {case}: {network:?}");
            }
        }
    }

    #[test]
    fn a_cap_holds_for_every_result_but_the_last() {
        // The middle first leaves 4 x 4, an end first 2 x 9.
        let chain = network("ab,bc,cd,de->ae", |l| [9, 4, 2, 4, 9][l]);
        let capped = |cap| solved(&chain, &Search::everything(Objective { cap, ..Objective::OPERATIONS }));
        let largest = |path: &[(usize, usize)]| chain.steps(path)[..2].iter().map(|s| s.size).fold(0.0, f64::max);
        assert_eq!(largest(&capped(18.0).unwrap().path), 18.0);
        assert!(capped(15.0).is_none());
    }

    #[test]
    fn outer_products_are_taken_where_they_pay() {
        // Two vectors of 2 against a matrix product over 1000: (a b) first, then all of c at once.
        let pays = network("a,b,abc->c", |l| [2, 2, 1000][l]);
        assert_eq!(path(&pays), [(0, 1), (3, 2)]);
        let none = Search { outer: 3.0, ..Search::everything(Objective::OPERATIONS) };
        assert_ne!(solved(&pays, &none).unwrap().path, [(0, 1), (3, 2)]);
    }

    #[test]
    fn kept_and_shared_labels_are_counted_right() {
        // The weight goes onto the smaller operand first: 2·10·100 + 2·2·10·50·100 operations, not three at once.
        let shared = network("bgk,bkd,bk->bgd", |l| [2, 10, 100, 50][l]);
        assert_eq!(shared.cost(&path(&shared)).operations, 2.0 * 10.0 * 100.0 + 2.0 * 2.0 * 10.0 * 50.0 * 100.0);
    }
}
