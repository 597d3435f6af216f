//! What adapters make of a model's tensors, in any of its rows.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use monotile::{DType, Error, ErrorKind, Result, Tensor};

use crate::adapter::Adapter;
use crate::config::SETTINGS;
use crate::factors::LowRankFactors;
use crate::weights::{HEAD, Weights};

/// How many elements are worked on at a time.
const BLOCK: usize = 1 << 21;

/// One adapter, or the weighted sum of several, by the names of the tensors that it changes.
///
/// # Rounding
/// One adapter of weight 1: ΔW = (B A) · s, the product and the scaling in f32 whatever the factors are stored in, and W + ΔW is computed
/// in f32 and rounded once to the element type that is written. That is what PEFT's `merge_and_unload` does, which widens the factors
/// of bf16 and f16 adapters as it loads them. For an embedding ΔW is first rounded to W's element type, as PEFT does there.
///
/// Otherwise the factors are concatenated, Aᵢ multiplied in f32 by the weight and then by the scaling: PEFT's `add_weighted_adapter` with
/// `combination_type="cat"`, so that ΔW = Σ wᵢ ΔWᵢ. PEFT's `"linear"` sums the factors
/// themselves, which is not the sum of the changes; and it makes the sum's factors in the base model's element type, here they are of f32.
///
/// # Source
/// PEFT 0.21, `tuners/lora/layer.py` and `model.py`.
///
/// # Tied output layers
/// Where the model's output layer is its embedding, PEFT adapts the one and leaves the other what it was: so does this, and the model
/// that comes out has an output layer of its own. (PEFT's own merge of factors changes both, so that its live adapter and its merged
/// model differ; the live one is what was trained.) A whole tensor that PEFT loads in place, not through `modules_to_save`, changes both.
pub struct WeightedAdapters {
    /// Where each adapter was read from, and its weight.
    terms: Vec<(PathBuf, f64)>,
    changes: BTreeMap<String, Change>,
    whole: BTreeMap<String, Tensor>,
    /// The embedding and the output layer that it is tied to in the model, and no longer afterwards.
    untied_head: Option<Parted>,
}

/// A tied model's embedding and output layer.
struct Parted {
    embedding: String,
    head: String,
    /// What both become before either is changed, where the adapter holds it.
    both: Option<Tensor>,
}

/// The change of one tensor, its factors in f32.
struct Change {
    factors: LowRankFactors,
    embedding: bool,
    /// ‖ΔW‖, once it was asked for.
    norm: OnceLock<f64>,
}

/// Some rows of a tensor.
pub(crate) struct RowBlock {
    /// In the model.
    pub before: Tensor,
    /// ΔW, in f32, where there is one.
    pub change: Option<Tensor>,
    /// With the adapter.
    pub after: Tensor,
}

impl WeightedAdapters {
    /// These adapters, each multiplied by its weight, for this model. Names may lack the `model.` before them on either side.
    ///
    /// # Errors
    /// `Value`, if two hold one tensor whole, none is given, or the model lacks a tensor that changes, naming what is missing and what
    /// there is; `Shape`, if changes of one module differ in size, or from the model's; `Unsupported`, if an adapter is of transposed
    /// layers (`fan_in_fan_out`), and for integers.
    pub fn new(adapters: &[(Adapter, f64)], weights: &Weights) -> Result<Self> {
        if adapters.is_empty() {
            return Err(Error::value("lora: there is no adapter to merge"));
        }
        let mut terms: BTreeMap<String, Vec<(LowRankFactors, f64, bool)>> = BTreeMap::new();
        let mut whole = BTreeMap::new();
        let stored = |name: String| weights.stored_name(&name).map(str::to_string).unwrap_or(name);
        let mut in_place = BTreeSet::new();
        for (adapter, weight) in adapters {
            refuse_transposed(adapter)?;
            for (module, delta) in adapter.modules() {
                let [a, b] = [&delta.factors.a, &delta.factors.b].map(|t| t.to_dtype(DType::F32));
                let factors = LowRankFactors::new(a?, b?, delta.factors.scaling);
                terms.entry(stored(format!("{module}.weight"))).or_default().push((factors, *weight, delta.embedding));
            }
            for (name, tensor) in adapter.whole_tensors() {
                // What PEFT saves of an adapted embedding beside its factors.
                let own = stored(name.replace(".base_layer.", "."));
                if adapter.loads_in_place(name) {
                    in_place.insert(own.clone());
                }
                let name = own;
                if whole.insert(name.clone(), tensor.clone()).is_some() {
                    return Err(Error::value(format!("lora: tensor {name:?} is whole in two adapters, which cannot be summed")));
                }
            }
        }
        let one = matches!(adapters, [(_, 1.0)]);
        let sum = |(name, terms): (String, Vec<(LowRankFactors, f64, bool)>)| {
            let embedding = terms.iter().any(|(_, _, embedding)| *embedding);
            let factors = if one { terms[0].0.clone() } else { concatenated(&terms).map_err(|e| e.with_context(&name))? };
            Ok((name, Change { factors, embedding, norm: OnceLock::new() }))
        };
        let changes = terms.into_iter().map(sum).collect::<Result<_>>()?;
        let terms = adapters.iter().map(|(adapter, weight)| (adapter.source().to_path_buf(), *weight)).collect();
        let mut this = Self { terms, changes, whole, untied_head: None };
        this.part(weights, &in_place);
        this.check(weights)?;
        Ok(this)
    }

    /// Parts a tied output layer from its embedding, if the adapters do.
    fn part(&mut self, weights: &Weights, in_place: &BTreeSet<String>) {
        let Some(embedding) = weights.tied_embedding() else { return };
        let head = HEAD.to_string();
        if !self.touches(embedding) && !self.touches(&head) {
            return;
        }
        let taken = [embedding, head.as_str()].into_iter().find(|name| in_place.contains(*name));
        let both = taken.and_then(|name| self.whole.get(name).cloned());
        if both.is_some() && self.changes.keys().all(|name| name != embedding && *name != head) {
            let others = self.whole.keys().filter(|name| *name == embedding || **name == head);
            if others.clone().all(|name| in_place.contains(name)) {
                // Both are loaded with the same numbers, and stay one.
                if let Some(tensor) = self.whole.remove(&head) {
                    self.whole.entry(embedding.to_string()).or_insert(tensor);
                }
                return;
            }
        }
        self.untied_head = Some(Parted { embedding: embedding.to_string(), head, both });
    }

    /// Whether an output layer that was the embedding is a tensor of its own afterwards: its name, and the embedding's.
    pub fn untied_head(&self) -> Option<(&str, &str)> {
        self.untied_head.as_ref().map(|parted| (parted.head.as_str(), parted.embedding.as_str()))
    }

    /// The name of the model's tensor that a tensor is made of: its own, but that of a parted output layer.
    pub(crate) fn origin<'a>(&'a self, name: &'a str) -> &'a str {
        self.untied_head().filter(|(head, _)| *head == name).map_or(name, |(_, embedding)| embedding)
    }

    /// Requires that the model has every tensor that changes, in its shape.
    fn check(&self, weights: &Weights) -> Result<()> {
        let wanted: Vec<&String> = self.names().collect();
        let missing: Vec<&&String> = wanted.iter().filter(|name| !weights.contains(self.origin(name))).collect();
        if let Some(first) = missing.first() {
            let there = weights.names().find(|name| name.ends_with("_proj.weight")).or_else(|| weights.names().next());
            let there = there.unwrap_or("nothing");
            return Err(Error::value(format!(
                "lora: {} of the adapter's {} tensors are not in the model: it wants {first:?}, the model has {there:?}",
                if missing.len() == wanted.len() { "all".to_string() } else { missing.len().to_string() },
                wanted.len()
            )));
        }
        for name in wanted {
            let origin = self.origin(name);
            let found = weights.shape(origin).unwrap_or_default();
            let shape = self.shape(name);
            if shape != found {
                return Err(Error::shape(format!("lora: tensor {name:?} is {found:?} in the model and {shape:?} in the adapter")));
            }
            if !weights.dtype(origin).is_some_and(DType::is_float) {
                let stored = weights.file(origin).and_then(|file| file.stored(origin)).unwrap_or_default();
                let message = format!("lora: tensor {name:?} is of {stored} in the model; f64, f32, f16 and bf16 are merged");
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        }
        Ok(())
    }

    /// The names of the tensors that it changes or replaces.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.changes.keys().chain(self.whole.keys().filter(|name| !self.changes.contains_key(*name)))
    }

    /// Whether a tensor is changed or replaced.
    pub fn touches(&self, name: &str) -> bool {
        self.changes.contains_key(name) || self.whole.contains_key(name) || self.both(name).is_some()
    }

    /// What a tensor of a parted pair becomes before it is changed.
    fn both(&self, name: &str) -> Option<&Tensor> {
        let parted = self.untied_head.as_ref().filter(|parted| name == parted.head || name == parted.embedding)?;
        parted.both.as_ref()
    }

    /// Whether the adapter holds a tensor whole.
    pub fn replaces(&self, name: &str) -> bool {
        self.whole.contains_key(name) && !self.changes.contains_key(name)
    }

    /// The rank of a tensor's change; `None` where it is replaced, or not touched.
    pub fn rank(&self, name: &str) -> Option<usize> {
        self.changes.get(name).map(|change| change.factors.rank())
    }

    /// ‖ΔW‖ of a tensor's change, which is computed once; `None` where it is replaced, or not touched.
    ///
    /// # Errors
    /// As [`LowRankFactors::svd`].
    pub fn norm(&self, name: &str) -> Result<Option<f64>> {
        let Some(Change { factors, norm, .. }) = self.changes.get(name) else { return Ok(None) };
        if norm.get().is_none() {
            let _ = norm.set(factors.norm()?);
        }
        Ok(norm.get().copied())
    }

    /// Whether it changes nothing: no tensor is replaced, and every B, or every A, is 0.
    pub fn is_zero(&self) -> bool {
        // What no memory holds a copy of is not nothing.
        let zero = |t: &Tensor| t.to_f64_vec().is_ok_and(|t| t.iter().all(|&x| x == 0.0));
        self.whole.is_empty() && self.changes.values().all(|Change { factors, .. }| zero(&factors.b) || zero(&factors.a))
    }

    /// Where each adapter was read from, and its weight.
    pub(crate) fn terms(&self) -> impl Iterator<Item = (&Path, f64)> {
        self.terms.iter().map(|(source, weight)| (source.as_path(), *weight))
    }

    /// The factors of a tensor's change.
    pub(crate) fn factors(&self, name: &str) -> Option<&LowRankFactors> {
        self.changes.get(name).map(|change| &change.factors)
    }

    fn shape(&self, name: &str) -> Vec<usize> {
        match self.changes.get(name) {
            Some(change) => change.factors.shape().to_vec(),
            None => self.whole[name].shape().to_vec(),
        }
    }

    /// These rows of a tensor, before and after, the latter in `dtype`.
    pub(crate) fn rows(&self, name: &str, before: &Tensor, rows: Range<usize>, dtype: DType) -> Result<RowBlock> {
        let before = before.slice(0, rows.clone())?;
        let from = match self.whole.get(name).or_else(|| self.both(name)) {
            Some(whole) => whole.slice(0, rows.clone())?,
            None => before.clone(),
        };
        let Some(Change { factors, embedding, .. }) = self.changes.get(name) else {
            return Ok(RowBlock { before, change: None, after: from.to_dtype(dtype)? });
        };
        let mut change = factors.b.slice(0, rows)?.matmul(&factors.a)?.mul_scalar(factors.scaling)?;
        if *embedding {
            change = change.to_dtype(from.dtype())?.to_dtype(DType::F32)?;
        }
        let after = from.add(&change)?.to_dtype(dtype)?;
        Ok(RowBlock { before, change: Some(change), after })
    }
}

/// Σ wᵢ sᵢ Bᵢ Aᵢ as one product.
fn concatenated(terms: &[(LowRankFactors, f64, bool)]) -> Result<LowRankFactors> {
    let scaled = |(factors, weight, _): &(LowRankFactors, f64, bool)| factors.a.mul_scalar(*weight)?.mul_scalar(factors.scaling);
    let a: Vec<Tensor> = terms.iter().map(scaled).collect::<Result<_>>()?;
    let b: Vec<&Tensor> = terms.iter().map(|(factors, _, _)| &factors.b).collect();
    Ok(LowRankFactors::new(Tensor::cat(&a.iter().collect::<Vec<_>>(), 0)?, Tensor::cat(&b, 1)?, 1.0))
}

/// Refuses an adapter of layers whose weights are stored the other way round.
fn refuse_transposed(adapter: &Adapter) -> Result<()> {
    if adapter.config().fan_in_fan_out {
        let path = adapter.source().join(SETTINGS);
        let message = format!("{}: fan_in_fan_out is set: weights stored as (in, out) are not merged", path.display());
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    Ok(())
}

/// The rows of a tensor of this shape, a block at a time; a scalar has one.
pub(crate) fn blocks(shape: &[usize]) -> impl Iterator<Item = Range<usize>> + use<> {
    let rows = shape.first().copied().unwrap_or(1);
    let width = shape.get(1..).map_or(1, monotile::tensor::count);
    let step = (BLOCK / width.max(1)).max(1);
    (0..rows).step_by(step).map(move |start| start..(start + step).min(rows))
}

/// A tensor whose rows can be taken: a scalar becomes a row.
pub(crate) fn with_rows(tensor: &Tensor) -> Result<Tensor> {
    if tensor.rank() == 0 { tensor.reshape(&[1]) } else { Ok(tensor.clone()) }
}
