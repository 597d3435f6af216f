//! Random restarts: many greedy orders, drawn with noise, the best of each batch improved part by part.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use monotile_kernels::threads;

use crate::Rng;
use crate::einsum::cost::Network;
use crate::einsum::path::goal::{Measure, Objective};
use crate::einsum::path::greedy::{self, GreedyNoise};
use crate::einsum::path::improve::improve;
use crate::einsum::path::tree::Tree;

/// Random orders of which the best is improved.
const BATCH: usize = 16;
/// Ends of the subtrees that are solved exactly: of each batch's best, and of the best of all.
const WIDTHS: [usize; 2] = [8, 11];
/// How many of the best are improved further, and the share of the time after which that begins.
const KEPT: usize = 4;
const DRAWING: f64 = 0.7;

/// How long to search.
#[derive(Debug, Clone, Copy)]
pub(super) struct SearchBudget {
    /// How many random orders are drawn, at most.
    pub trials: usize,
    pub time: Option<Duration>,
    pub seed: u64,
}

/// When to stop.
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    #[cfg(test)]
    pub fn endless() -> Self {
        Self(None)
    }

    pub fn is_over(&self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }
}

/// The best of many orders. Without a time it depends on the seed and the number of trials alone.
pub(super) fn search<'n>(network: &'n Network, goal: &Objective, effort: &SearchBudget) -> Tree<'n> {
    let begun = Instant::now();
    let clock = |share: f64| Deadline(effort.time.map(|time| begun + time.mul_f64(share)));
    let (drawing, end) = (clock(DRAWING), clock(1.0));
    let rounds = effort.trials.div_ceil(BATCH);
    let mut drawn = in_parallel(rounds, |round| {
        if drawing.is_over() {
            return None;
        }
        let trials = round * BATCH..effort.trials.min((round + 1) * BATCH);
        let mut tree = best_of(network, goal, trials, &Rng::new(effort.seed), &drawing);
        improve(&mut tree, goal, WIDTHS[0], &drawing);
        Some(Judged { value: goal.evaluate(&tree.cost()), number: round, tree })
    });
    if drawn.is_empty() {
        return Tree::new(network, &greedy::path(network, None));
    }
    drawn.sort_by(Judged::compare);
    drawn.truncate(KEPT);
    let polished = in_parallel(drawn.len(), |k| {
        let mut tree = drawn[k].tree.clone();
        improve(&mut tree, goal, WIDTHS[1], &end);
        if goal.measure == Measure::Largest {
            // Of all orders whose results are no larger, one of few operations.
            let cap = (tree.operands()..tree.root()).map(|node| tree.sizes[node]).fold(0.0, f64::max);
            improve(&mut tree, &Objective { cap, ..Objective::OPERATIONS }, WIDTHS[0], &end);
        }
        Some(Judged { value: goal.evaluate(&tree.cost()), number: k, tree })
    });
    polished.into_iter().min_by(Judged::compare).expect("at least one order was drawn").tree
}

/// A tree, and how good it is.
struct Judged<'n> {
    value: [f64; 3],
    number: usize,
    tree: Tree<'n>,
}

impl Judged<'_> {
    // Between equals the earlier one wins, whichever thread ends first.
    fn compare(&self, other: &Self) -> std::cmp::Ordering {
        let values = self.value.iter().zip(&other.value).map(|(a, b)| a.total_cmp(b));
        values.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then).then(self.number.cmp(&other.number))
    }
}

/// The results of `work(0)` to `work(items - 1)`, as they come, until the first that is None on each thread.
fn in_parallel<'n>(items: usize, work: impl Fn(usize) -> Option<Judged<'n>> + Sync) -> Vec<Judged<'n>> {
    let workers = threads::count().min(items).max(1);
    let results = Mutex::new(Vec::new());
    threads::run(workers, |worker| {
        for result in (worker..items).step_by(workers).map_while(&work) {
            results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(result);
        }
    });
    results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The best of the random orders with these numbers; the first of all has no noise.
fn best_of<'n>(network: &'n Network, goal: &Objective, trials: std::ops::Range<usize>, rng: &Rng, clock: &Deadline) -> Tree<'n> {
    let draw = |trial: usize| {
        let path = greedy::path(network, (trial > 0).then(|| GreedyNoise::new(rng.fork(trial as u64))));
        (goal.evaluate(&network.cost(&path)), path)
    };
    let mut best = draw(trials.start);
    for trial in trials.skip(1) {
        if clock.is_over() {
            break;
        }
        let next = draw(trial);
        if next.0 < best.0 {
            best = next;
        }
    }
    Tree::new(network, &best.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::einsum::cost::tests::network;

    #[test]
    fn the_same_seed_gives_the_same_order_on_any_number_of_threads() {
        let terms: Vec<String> =
            (0..24).map(|i| format!("{}{}{}", letter(i), letter((i + 1) % 24), letter((i * 7 + 3) % 24))).collect();
        let network = network(&format!("{}->", terms.join(",")), |l| 2 + l % 4);
        let effort = SearchBudget { trials: 64, time: None, seed: 5 };
        let before = threads::count();
        let paths = [1, 2, 3].map(|count| {
            threads::set_count(count);
            search(&network, &Objective::OPERATIONS, &effort).path()
        });
        threads::set_count(before);
        assert_eq!(paths[0], paths[1]);
        assert_eq!(paths[0], paths[2]);
    }

    fn letter(i: usize) -> char {
        (b'A' + i as u8) as char
    }

    #[test]
    fn time_that_is_over_leaves_the_greedy_order() {
        let ring = network("ab,bc,cd,de,ea->", |_| 3);
        let effort = SearchBudget { trials: usize::MAX / 2, time: Some(Duration::ZERO), seed: 0 };
        assert_eq!(search(&ring, &Objective::OPERATIONS, &effort).cost(), Tree::new(&ring, &greedy::path(&ring, None)).cost());
    }
}
