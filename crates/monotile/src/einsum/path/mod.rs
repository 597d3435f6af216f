//! The order in which operands are contracted, two at a time.
//!
//! A path lists pairs of terms: operands are 0 to n - 1, and the result of step k is term n + k. `optimal` finds the best
//! exactly, `greedy` one quickly, `search` good ones of large networks, which `improve` makes better part by part; `goal` says
//! what good means, and `tree` turns an order into the path that holds the least memory.

mod goal;
mod greedy;
mod improve;
mod limit;
mod optimal;
mod search;
mod tree;

use std::time::Duration;

use crate::einsum::cost::{LabelSet, Network};
use crate::error::{Error, Result};
pub use goal::Minimize;
use goal::{Measure, Objective};
pub use limit::MemoryLimit;
use optimal::{Problem, Search};
use search::SearchBudget;
use tree::Tree;

/// Pairs of terms: operands are 0 to n - 1, the result of step k is n + k.
pub(crate) type Path = Vec<(usize, usize)>;

/// How the order of contractions is chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PathMethod {
    /// The best order for up to 13 operands, and for up to 20 where that takes well under a second (without large outer
    /// products); beyond them some hundred random orders, improved, in at most a few hundred milliseconds for networks of
    /// 100 operands.
    #[default]
    Auto,
    /// The best order, by dynamic programming over all subsets, outer products included: up to 3ⁿ / 2 comparisons for n
    /// operands, of which at most 20 are accepted.
    Optimal,
    /// Always the pair next whose result is smallest in comparison with its operands.
    Greedy,
    /// The best of many greedy orders with noise, as many as [`EinsumOptions::trials`] and [`EinsumOptions::time`] allow, improved part
    /// by part.
    RandomGreedy,
    /// The first two, then the result with the third, and so on.
    LeftToRight,
    /// These pairs of positions, as `np.einsum_path` gives them: each step removes two operands from the list and appends
    /// the result.
    Pairs(Vec<(usize, usize)>),
}

/// How an equation is planned.
///
/// # Example
/// ```
/// use std::time::Duration;
/// use monotile::einsum::{Einsum, Minimize, EinsumOptions, PathMethod};
/// let ring = Einsum::new("abi,bcj,cdk,dal->ijkl")?;
/// let options = EinsumOptions { order: PathMethod::RandomGreedy, minimize: Minimize::Both, time: Some(Duration::from_millis(50)), ..EinsumOptions::default() };
/// let compiled = ring.with_options(options).compile(&[&[16, 16, 6][..]; 4])?;
/// assert_eq!(compiled.path().len(), 3);
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct EinsumOptions {
    /// How the order is chosen.
    pub order: PathMethod,
    /// What is to be small.
    pub minimize: Minimize,
    /// The most memory that results may hold at the same time. An order that keeps to it is searched for; where there is
    /// none, the refusal says how much is needed.
    pub memory_limit: Option<MemoryLimit>,
    /// How many random orders are drawn, at most: 1,024 unless given, without end where a time is given.
    pub trials: Option<usize>,
    /// When the search ends. With a time the order depends on how fast the machine is, else on the seed and the number of
    /// trials alone.
    pub time: Option<Duration>,
    /// The seed of random orders.
    pub seed: u64,
}

/// The most operands that are ordered exactly before anything else is tried.
const SMALL: usize = 9;
/// The most operands of which all outer products are considered when nobody asks for it.
const OUTER: usize = 13;
/// Splits that are worth trying when nobody asks for it: under 100 ms.
const SPLITS: f64 = 3e7;
/// Random orders that are drawn when nobody says how many.
const TRIALS: usize = 1024;

/// A path of the kind that `options` ask for.
#[track_caller]
pub(crate) fn find(network: &Network, options: &EinsumOptions) -> Result<Path> {
    match &options.order {
        PathMethod::LeftToRight => limit::check(network, options, left_to_right(network.terms.len())),
        PathMethod::Pairs(pairs) => limit::check(network, options, from_positions(network.terms.len(), pairs)?),
        PathMethod::Greedy => limit::check(network, options, ordered(network, &greedy::path(network, None))),
        _ => limit::find(network, options),
    }
}

/// The best path that `options` find for a goal; None if the exact order is asked for and every order exceeds its cap.
#[track_caller]
fn best(network: &Network, options: &EinsumOptions, goal: Objective) -> Result<Option<Path>> {
    let n = network.terms.len();
    if n < 2 {
        return Ok(Some(Path::new()));
    }
    let path = match options.order {
        PathMethod::Optimal if n > optimal::MOST => {
            let most = optimal::MOST;
            return Err(Error::value(format!("the exact order of {n} operands is out of reach; at most {most} are possible")));
        }
        PathMethod::Optimal => exact(network, Search::everything(goal)),
        PathMethod::RandomGreedy => {
            let endless = if options.time.is_some() { usize::MAX / 2 } else { TRIALS };
            let trials = options.trials.unwrap_or(endless);
            Some(search::search(network, &goal, &SearchBudget { trials, time: options.time, seed: options.seed }).path())
        }
        _ => auto(network, options, goal),
    };
    Ok(path.map(|path| ordered(network, &path)))
}

fn auto(network: &Network, options: &EinsumOptions, goal: Objective) -> Option<Path> {
    let n = network.terms.len();
    if n <= SMALL {
        return exact(network, Search::everything(goal));
    }
    // Fewer where they take longer.
    let trials = if n <= OUTER { 1 } else { (16_384 / n).clamp(16, 512) };
    let found = search::search(network, &goal, &SearchBudget { trials, time: options.time, seed: options.seed });
    if n <= optimal::MOST {
        let [over, value, _] = goal.evaluate(&found.cost());
        let largest = network.terms.iter().map(|t| network.size(t)).fold(0.0, f64::max);
        let search = Search {
            goal,
            bound: if over > 0.0 { f64::INFINITY } else { value },
            outer: if n <= OUTER { f64::INFINITY } else { largest },
            splits: SPLITS,
        };
        if let Some(path) = exact(network, search) {
            return Some(path);
        }
    }
    Some(found.path())
}

/// The best order by dynamic programming.
fn exact(network: &Network, search: Search) -> Option<Path> {
    let terms: Vec<&LabelSet> = network.terms.iter().collect();
    let held: Vec<f64> = (0..terms.len()).map(|k| if network.summed[k] { network.size(terms[k]) } else { 0.0 }).collect();
    let problem = Problem { terms: &terms, output: &network.output, sizes: &network.sizes, held: &held };
    let found = optimal::solve(&problem, &search)?;
    if search.goal.measure != Measure::Largest {
        return Some(found.path);
    }
    // Of all orders whose results are no larger than that, the one of fewest operations.
    let goal = Objective { cap: found.value, ..Objective::OPERATIONS };
    optimal::solve(&problem, &Search { goal, bound: f64::INFINITY, ..search }).map(|found| found.path)
}

/// The same contractions in the sequence that holds the least memory.
fn ordered(network: &Network, path: &[(usize, usize)]) -> Path {
    if path.is_empty() { Path::new() } else { Tree::new(network, path).path() }
}

/// The first two operands, then the result with the third, and so on.
pub(crate) fn left_to_right(n: usize) -> Path {
    (1..n).map(|k| (if k == 1 { 0 } else { n + k - 2 }, k)).collect()
}

/// The path that these positions in the shrinking list of operands describe.
#[track_caller]
fn from_positions(n: usize, pairs: &[(usize, usize)]) -> Result<Path> {
    if pairs.len() + 1 != n.max(1) {
        return Err(Error::value(format!("the path has {} steps; {n} operands need {}", pairs.len(), n.saturating_sub(1))));
    }
    let mut list: Vec<usize> = (0..n).collect();
    let mut path = Path::new();
    for (step, &(i, j)) in pairs.iter().enumerate() {
        if i == j || i.max(j) >= list.len() {
            return Err(Error::value(format!("step {step} of the path contracts {i} and {j} of {} operands", list.len())));
        }
        path.push((list[i], list[j]));
        list.remove(i.max(j));
        list.remove(i.min(j));
        list.push(n + step);
    }
    Ok(path)
}

/// The positions in the shrinking list of operands that `path` contracts, as [`PathMethod::Pairs`] takes them.
pub(crate) fn to_positions(n: usize, path: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut list: Vec<usize> = (0..n).collect();
    let mut pairs = Vec::new();
    for (step, &(i, j)) in path.iter().enumerate() {
        let at = |term: usize| list.iter().position(|&t| t == term).expect("a path contracts each term once");
        let (i, j) = (at(i), at(j));
        pairs.push((i, j));
        list.remove(i.max(j));
        list.remove(i.min(j));
        list.push(n + step);
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::einsum::cost::tests::network;

    #[test]
    fn positions_and_terms_describe_the_same_path() {
        let pairs = vec![(1, 2), (0, 2), (1, 0)];
        let path = from_positions(4, &pairs).unwrap();
        assert_eq!(path, [(1, 2), (0, 4), (5, 3)]);
        assert_eq!(to_positions(4, &path), pairs);
        assert_eq!(left_to_right(4), [(0, 1), (4, 2), (5, 3)]);
        assert!(left_to_right(1).is_empty() && left_to_right(0).is_empty());
    }

    #[test]
    fn paths_that_cannot_be_walked_are_refused() {
        let chain = network("ij,jk,kl->il", |_| 2);
        let words = |pairs: &[(usize, usize)]| {
            let options = EinsumOptions { order: PathMethod::Pairs(pairs.to_vec()), ..EinsumOptions::default() };
            find(&chain, &options).unwrap_err().to_string()
        };
        assert_eq!(words(&[(0, 1)]), "the path has 1 steps; 3 operands need 2");
        assert_eq!(words(&[(0, 1), (0, 2)]), "step 1 of the path contracts 0 and 2 of 2 operands");
        assert_eq!(words(&[(1, 1), (0, 1)]), "step 0 of the path contracts 1 and 1 of 3 operands");
    }
}
