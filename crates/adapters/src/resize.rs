//! Adapters of other ranks, adapters as sums, and how far two are apart: on the factors alone.

use monotile::{Error, Result};

use crate::adapter::{Adapter, Delta};
use crate::factors::LowRankFactors;
use crate::natural_order::natural_order;
use crate::rank_selection::RankSelection;
use crate::spectrum::Spectrum;

/// The progress of [`resize`]: what became of a module.
#[derive(Debug, Clone, PartialEq)]
pub struct ResizedModule {
    /// Its name.
    pub module: String,
    /// Its rank before and after.
    pub rank: (usize, usize),
    /// ‖ΔW‖ before.
    pub norm: f64,
    /// ‖ΔW − B A‖ / ‖ΔW‖, 0 where nothing was cut off.
    pub error: f64,
}

/// The nearest adapter of other ranks, a module at a time. Whole tensors stay as they are.
///
/// A module that would keep its rank, or get a larger one, is left as it is, to the last bit.
///
/// # Errors
/// `Value`, as [`RankSelection::check`]; as [`LowRankFactors::svd`].
///
/// # Cost
/// As [`LowRankFactors::svd`], a module.
pub fn resize(adapter: &Adapter, keep: RankSelection, progress: &mut dyn FnMut(ResizedModule)) -> Result<Adapter> {
    keep.check()?;
    let mut modules = Vec::new();
    for (module, Delta { factors, embedding }) in adapter.modules() {
        let found = factors.svd().map_err(|e| e.with_context(module))?;
        let spectrum = Spectrum::from_singular_values(factors, &found.s)?;
        let rank = keep.count(&spectrum.values, spectrum.total).unwrap_or(factors.rank()).min(factors.rank());
        let kept = if rank < factors.rank() { LowRankFactors::from_svd(&found, rank)? } else { factors.clone() };
        let error = if rank < factors.rank() { spectrum.error(rank) } else { 0.0 };
        progress(ResizedModule { module: module.clone(), rank: (factors.rank(), rank), norm: spectrum.norm(), error });
        modules.push((module.clone(), Delta { factors: kept, embedding: *embedding }));
    }
    let targets = adapter.config().targets.clone();
    Ok(Adapter::new(modules, adapter.whole_tensors().clone(), Some(targets)).with_base_of(adapter))
}

/// How far two changes of one module are apart.
#[derive(Debug, Clone, PartialEq)]
pub struct DeltaDistance {
    /// The module.
    pub module: String,
    /// ‖ΔW‖ of each; 0 where an adapter does not change the module.
    pub norms: [f64; 2],
    /// ‖ΔW₁ − ΔW₂‖.
    pub distance: f64,
    /// ⟨ΔW₁, ΔW₂⟩ / (‖ΔW₁‖ ‖ΔW₂‖); NaN where one is 0.
    pub cosine: f64,
}

impl DeltaDistance {
    /// The distance as a share of the longer of the two; 0 where both are 0.
    pub fn relative(&self) -> f64 {
        let longer = self.norms[0].max(self.norms[1]);
        if longer == 0.0 { 0.0 } else { self.distance / longer }
    }
}

/// How far two adapters are apart, module by module, whichever of them has it.
///
/// # Errors
/// `Shape`, if a module has other sizes in one than in the other.
///
/// # Cost
/// As [`LowRankFactors::svd`] of twice the rank, a module.
pub fn distances(one: &Adapter, other: &Adapter) -> Result<Vec<DeltaDistance>> {
    let mut names: Vec<&str> = [one, other].iter().flat_map(|d| d.modules()).map(|(name, _)| name.as_str()).collect();
    names.sort_by(|a, b| natural_order(a, b));
    names.dedup();
    let factors = |from: &'_ Adapter, name: &str| from.module(name).map(|delta| delta.factors.clone());
    let module = |name: &str| -> Result<DeltaDistance> {
        let (first, second) = (factors(one, name), factors(other, name));
        let norm = |factors: &Option<LowRankFactors>| factors.as_ref().map_or(Ok(0.0), LowRankFactors::norm);
        let norms = [norm(&first)?, norm(&second)?];
        let (distance, product) = match (&first, &second) {
            (Some(a), Some(b)) if a.shape() != b.shape() => {
                let (found, wanted) = (a.shape(), b.shape());
                return Err(Error::shape(format!("lora: module {name:?} is {found:?} in one adapter and {wanted:?} in the other")));
            }
            (Some(a), Some(b)) => (LowRankFactors::sum(&[(a, 1.0), (b, -1.0)])?.norm()?, a.dot(b)?),
            _ => (norms[0].max(norms[1]), 0.0),
        };
        Ok(DeltaDistance { module: name.to_string(), norms, distance, cosine: product / (norms[0] * norms[1]) })
    };
    names.into_iter().map(module).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use monotile::{DType, Rng};

    use super::*;
    use crate::config::LoraConfig;
    use crate::rank_selection::RankRule;

    fn adapter(ranks: &[usize], seed: u64) -> Adapter {
        let mut rng = Rng::new(seed);
        let mut normal = |shape: [usize; 2]| rng.normal(&shape, DType::F32).unwrap();
        let mut delta =
            |rank: usize| Delta { factors: LowRankFactors::new(normal([rank, 24]), normal([16, rank]), 0.5), embedding: false };
        let modules = ranks.iter().enumerate().map(|(i, &rank)| (format!("layers.{i}.q_proj"), delta(rank))).collect();
        Adapter::new(modules, BTreeMap::new(), None)
    }

    #[test]
    fn the_same_rank_changes_nothing_and_a_larger_one_neither() {
        let whole = adapter(&[4, 6], 1);
        for most in [6, 100] {
            let same = resize(&whole, RankSelection::rank(most), &mut |seen| assert_eq!(seen.error, 0.0)).unwrap();
            for (one, other) in whole.modules().iter().zip(same.modules()) {
                assert_eq!(one.1.factors.a.to_f64_vec().unwrap(), other.1.factors.a.to_f64_vec().unwrap());
                assert_eq!(
                    (one.1.factors.b.to_f64_vec().unwrap(), one.1.factors.scaling),
                    (other.1.factors.b.to_f64_vec().unwrap(), other.1.factors.scaling)
                );
            }
        }
    }

    #[test]
    fn the_error_that_is_told_is_the_distance_to_what_was() {
        let whole = adapter(&[6, 5], 2);
        let mut told = Vec::new();
        let less = resize(&whole, RankSelection::from_rule(RankRule::Energy(0.7)), &mut |seen| told.push(seen)).unwrap();
        for (seen, apart) in told.iter().zip(distances(&whole, &less).unwrap()) {
            assert!(seen.rank.1 < seen.rank.0 && seen.error < 0.3_f64.sqrt(), "{seen:?}");
            assert!((apart.distance / apart.norms[0] - seen.error).abs() < 1e-12);
            // The part kept is a projection, so its angle and its length are one.
            assert!((apart.cosine - apart.norms[1] / apart.norms[0]).abs() < 1e-12);
        }
        assert_eq!(less.config().targets, whole.config().targets);
    }

    #[test]
    fn weights_that_are_stored_transposed_stay_so() {
        let given = adapter(&[4], 2);
        let config = LoraConfig { fan_in_fan_out: true, base_model: Some("gpt2".into()), ..given.config().clone() };
        let given = Adapter::from_config(config, given.modules().to_vec());
        let less = resize(&given, RankSelection::rank(2), &mut |_| {}).unwrap();
        assert!(less.config().fan_in_fan_out && less.config().base_model.as_deref() == Some("gpt2") && less.config().rank == 2);
    }

    #[test]
    fn modules_of_one_adapter_only_are_as_far_apart_as_they_are_long() {
        let (two, one) = (adapter(&[2, 2], 3), adapter(&[2], 3));
        let found = distances(&two, &one).unwrap();
        assert!(found[0].distance < 1e-12 * found[0].norms[0] && (found[0].cosine - 1.0).abs() < 1e-12);
        assert!(found[1].norms[1] == 0.0 && found[1].distance == found[1].norms[0] && found[1].relative() == 1.0);
        assert!(found[1].cosine.is_nan());
    }
}
