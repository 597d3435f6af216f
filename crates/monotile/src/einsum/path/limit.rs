//! Orders that keep within a memory limit.

use crate::einsum::cost::Network;
use crate::einsum::path::goal::{Measure, Objective};
use crate::einsum::path::optimal::{self, Search};
use crate::einsum::path::{EinsumOptions, Path, best, exact, ordered};
use crate::error::{Error, Result};
use crate::tensor::DType;

/// The most memory that the results of an equation's steps may hold at the same time, the last one included; operands are
/// the caller's and do not count.
///
/// What the matrix product packs for its own use, at most a few megabytes a thread, comes on top. A recorded call keeps
/// intermediates for its gradient only if all of them fit beside what the plan holds; else the walk backward computes
/// them again, one when it is read, within the limit. Beside those it holds the gradients that it was asked for and cotangents,
/// each of the size of a result. Sums of single operands are made before a recorded call's first step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MemoryLimit {
    /// The limit.
    pub bytes: usize,
    /// The type that results are counted in.
    pub dtype: DType,
}

impl MemoryLimit {
    /// The most elements of that type.
    pub(crate) fn elements(&self) -> f64 {
        (self.bytes / self.dtype.size()) as f64
    }

    /// The refusal of a limit that is below what `order` takes.
    #[track_caller]
    fn refuse(&self, elements: f64, order: &str) -> Error {
        let needed = elements * self.dtype.size() as f64;
        let (limit, dtype) = (self.bytes, self.dtype);
        Error::value(format!(
            "the memory limit is {limit} bytes; {order} takes {needed:.0} bytes ({elements:.0} elements of {dtype})"
        ))
    }
}

/// The path, if it keeps within the limit that there may be.
#[track_caller]
pub(super) fn check(network: &Network, options: &EinsumOptions, path: Path) -> Result<Path> {
    let Some(limit) = options.memory_limit else { return Ok(path) };
    let peak = network.cost(&path).peak;
    if peak <= limit.elements() { Ok(path) } else { Err(limit.refuse(peak, "this order")) }
}

/// The best path within the limit that there may be.
#[track_caller]
pub(super) fn find(network: &Network, options: &EinsumOptions) -> Result<Path> {
    let goal = Objective::from_minimize(options.minimize);
    let first = best(network, options, goal)?.expect("without a cap there is an order");
    let Some(limit) = options.memory_limit else { return Ok(first) };
    let most = limit.elements();
    let peak = |path: &Path| network.cost(path).peak;
    if peak(&first) <= most {
        return Ok(first);
    }
    // No result may be larger than the limit; but two results are held at the same time, so that smaller ones may be called
    // for. Each cap that is passed on is kept by a cheaper order than the next one.
    let mut tightest = first;
    let mut cap = most;
    while cap >= 1.0 {
        let Some(path) = best(network, options, Objective { cap, ..goal })? else { break };
        if peak(&path) <= most {
            return Ok(path);
        }
        let cost = network.cost(&path);
        let kept = network.steps(&path).iter().rev().skip(1).all(|step| step.size <= cap);
        if cost.peak < peak(&tightest) {
            tightest = path;
        }
        if !kept {
            break;
        }
        cap /= 2.0;
    }
    let n = network.terms.len();
    if n <= optimal::MOST {
        let search =
            Search { bound: peak(&tightest), ..Search::everything(Objective { measure: Measure::Peak, ..Objective::OPERATIONS }) };
        if let Some(path) = exact(network, search) {
            let path = ordered(network, &path);
            return if peak(&path) <= most { Ok(path) } else { Err(limit.refuse(peak(&path), "the order that takes least")) };
        }
    }
    Err(limit.refuse(peak(&tightest), "the order that takes least of those found"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::einsum::cost::tests::network;
    use crate::einsum::path::{PathMethod, find};

    fn limited(bytes: usize, order: PathMethod) -> EinsumOptions {
        EinsumOptions { order, memory_limit: Some(MemoryLimit { bytes, dtype: DType::F64 }), ..EinsumOptions::default() }
    }

    #[test]
    fn any_limit_is_kept_or_refused_with_the_least_that_can_be() {
        // A ring with a chord, and a network that falls apart.
        let rings = ["abx,bcy,cdz,dew,efxyzw,fa->", "ab,bc,cd,de,ea,xy,yz,zx->", "aij,bij,ajk,bjk,cki,ckj->abc"];
        for network in rings.map(|text| network(text, |l| 2 + l % 3)) {
            let free = network.cost(&find(&network, &EinsumOptions::default()).unwrap()).peak;
            let mut refused = 0;
            for elements in 0..=free as usize {
                match find(&network, &limited(8 * elements, PathMethod::Auto)) {
                    Ok(path) => assert!(network.cost(&path).peak <= elements as f64),
                    Err(error) => {
                        // The refusal names a need that is met, and nothing below it was accepted.
                        let words = error.to_string();
                        let (_, needed) =
                            words.split_once("the order that takes least takes ").unwrap_or_else(|| panic!("{words}"));
                        let bytes: usize = needed.split(' ').next().unwrap().parse().unwrap();
                        assert!(bytes > 8 * elements, "{words}");
                        assert!(find(&network, &limited(bytes, PathMethod::Auto)).is_ok(), "{words}");
                        assert!(find(&network, &limited(bytes - 8, PathMethod::Auto)).is_err(), "{words}");
                        refused += 1;
                    }
                }
            }
            assert!(refused > 0);
        }
    }

    #[test]
    fn orders_that_are_given_are_checked() {
        let chain = network("ab,bc,cd->ad", |l| [9, 2, 9, 2][l]);
        let words = find(&chain, &limited(99, PathMethod::LeftToRight)).err().map(|e| e.to_string());
        let expected = "the memory limit is 99 bytes; this order takes 792 bytes (99 elements of f64)";
        assert_eq!(words.as_deref(), Some(expected));
        assert!(find(&chain, &limited(792, PathMethod::LeftToRight)).is_ok());
        assert_eq!(find(&chain, &limited(200, PathMethod::Greedy)).unwrap(), [(1, 2), (0, 3)]);
    }
}
