//! The order in which operands are contracted, two at a time.
//!
//! A path lists pairs of terms: operands are 0 to n - 1, and the result of step k is term n + k. Each way to find one is
//! a file with one function from a [`Network`] to a path.

mod greedy;
mod optimal;

use crate::einsum::cost::Network;
use crate::error::{Error, Result};

/// Pairs of terms: operands are 0 to n - 1, the result of step k is n + k.
pub(crate) type Path = Vec<(usize, usize)>;

/// The most operands that are ordered exactly when nobody asks for it: 3¹³ / 2 pairs of subsets are a few milliseconds.
const EXACT: usize = 13;
/// The most operands that are ordered exactly at all: beyond it the tables leave memory, and patience ends before.
const POSSIBLE: usize = 20;

/// How the order of contractions is chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Order {
    /// The exact order for up to 13 operands, beyond them greedy.
    #[default]
    Auto,
    /// The order of fewest operations, by dynamic programming over all subsets, outer products included: 3ⁿ / 2
    /// comparisons for n operands, of which at most 20 are accepted.
    Optimal,
    /// Always the pair next whose result is smallest in comparison with its operands.
    Greedy,
    /// The first two, then the result with the third, and so on.
    LeftToRight,
    /// These pairs of positions, as `np.einsum_path` gives them: each step removes two operands from the list and appends
    /// the result.
    Pairs(Vec<(usize, usize)>),
}

/// A path of the kind that `order` asks for.
pub(crate) fn find(network: &Network, order: &Order) -> Result<Path> {
    let n = network.terms.len();
    match order {
        Order::Auto if n <= EXACT => Ok(optimal::path(network)),
        Order::Auto | Order::Greedy => Ok(greedy::path(network)),
        Order::Optimal if n <= POSSIBLE => Ok(optimal::path(network)),
        Order::Optimal => {
            Err(Error::value(format!("the exact order of {n} operands is out of reach; at most {POSSIBLE} are possible")))
        }
        Order::LeftToRight => Ok(left_to_right(n)),
        Order::Pairs(pairs) => from_positions(n, pairs),
    }
}

/// The first two operands, then the result with the third, and so on.
pub(crate) fn left_to_right(n: usize) -> Path {
    (1..n).map(|k| (if k == 1 { 0 } else { n + k - 2 }, k)).collect()
}

/// The path that these positions in the shrinking list of operands describe.
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

/// The positions in the shrinking list of operands that `path` contracts, as [`Order::Pairs`] takes them.
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
        let words = |pairs: &[(usize, usize)]| find(&chain, &Order::Pairs(pairs.to_vec())).unwrap_err().to_string();
        assert_eq!(words(&[(0, 1)]), "the path has 1 steps; 3 operands need 2");
        assert_eq!(words(&[(0, 1), (0, 2)]), "step 1 of the path contracts 0 and 2 of 2 operands");
        assert_eq!(words(&[(1, 1), (0, 1)]), "step 0 of the path contracts 1 and 1 of 3 operands");
    }
}
