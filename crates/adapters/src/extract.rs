//! An adapter from two checkpoints: what one was tuned by, in low rank.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use monotile::io::{SafeTensors, write_safetensors};
use monotile::{DType, Error, Result, Tensor};
use serde_json::json;

use crate::adapter::{Adapter, Delta};
use crate::approximation::{distance, frobenius_norm, low_rank_approximation};
use crate::factors::LowRankFactors;
use crate::natural_order::natural_order;
use crate::patterns::{NamePattern, PatternBudget};
use crate::rank_selection::RankSelection;
use crate::staged::{StagedFolder, StagedState, fingerprint};
use crate::targets::is_named;
use crate::weights::Weights;

/// Where factors are until the folder is put in its place, which removes what has such a name.
const PARTS: &str = ".parts.partial";

/// What [`extract`] takes out of two checkpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct ExtractOptions {
    /// The rank of each matrix.
    pub keep: RankSelection,
    /// Whether every decomposition is exact.
    pub exact: bool,
    /// Only modules in whose name this regular expression finds something.
    pub include: Option<String>,
    /// Not modules in whose name this one does.
    pub exclude: Option<String>,
    /// Whether embeddings get factors, as PEFT's `lora_embedding_A` and `B`.
    pub embeddings: bool,
    /// Modules, by their names or the ends of them after a dot, that are carried whole (`modules_to_save`).
    pub save: Vec<String>,
    /// The element type of the factors.
    pub dtype: DType,
}

impl ExtractOptions {
    /// Factors in f32 of all matrices but embeddings.
    pub fn new(keep: RankSelection) -> Self {
        Self { keep, exact: false, include: None, exclude: None, embeddings: false, save: Vec::new(), dtype: DType::F32 }
    }
}

/// What became of a tensor in [`extract`].
#[derive(Debug, Clone, PartialEq)]
pub enum ExtractedTensor {
    /// It is the same in both.
    Same,
    /// Its difference is in the adapter as factors.
    Factored(ExtractedLayer),
    /// It is in the adapter whole.
    Whole,
    /// It differs, and is not in the adapter: why.
    NotExtracted(String),
    /// It was excluded by name.
    Excluded,
}

/// A matrix whose difference has become factors.
#[derive(Debug, Clone, PartialEq)]
pub struct ExtractedLayer {
    /// Rows and columns.
    pub shape: [usize; 2],
    /// The rank that was kept.
    pub rank: usize,
    /// ‖ΔW‖
    pub norm: f64,
    /// ‖ΔW − B A‖ / ‖ΔW‖, measured.
    pub error: f64,
    /// Whether the decomposition is exact.
    pub exact: bool,
}

/// The progress of [`extract`].
#[derive(Debug, Clone, PartialEq)]
pub enum ExtractProgress {
    /// The folder is open: whether a stopped run is resumed, before anything is written.
    Opened(StagedState),
    /// What became of a tensor, by its name.
    Tensor(String, ExtractedTensor),
}

/// The progress of [`measure`]: the error of a module.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredModule {
    /// Its name.
    pub module: String,
    /// ‖ΔW − s B A‖ / ‖ΔW‖
    pub error: f64,
}

/// Writes the adapter that turns one checkpoint into another, as near as the ranks allow: for every matrix that differs the
/// [nearest low-rank change](low_rank_approximation) of W_tuned − W_base, with alpha = rank, so that PEFT scales it by 1.
///
/// The folder is filled beside its place and appears whole. The same call
/// resumes a run that was killed: it computes again what was not yet on the disk, and gives the same bytes.
///
/// # Errors
/// As [`Weights::open`], [`RankSelection::check`]; `Value`, if a pattern is none, the folder holds something, or there is nothing to extract;
/// `Format` for a tensor with NaN or ∞, naming it.
///
/// # Cost
/// As [`low_rank_approximation`], a matrix. Memory: a few times the largest matrix in f32.
pub fn extract(
    [base, tuned]: [&Path; 2],
    options: &ExtractOptions,
    out: &Path,
    progress: &mut dyn FnMut(ExtractProgress),
) -> Result<()> {
    stage_extract([base, tuned], options, out, progress)?.finish()
}

/// As [`extract`], but leaves the folder beside its place, to be looked at before [`StagedFolder::finish`] puts it there.
///
/// # Errors
/// As [`extract`].
pub fn stage_extract(
    [base, tuned]: [&Path; 2],
    options: &ExtractOptions,
    out: &Path,
    progress: &mut dyn FnMut(ExtractProgress),
) -> Result<StagedFolder> {
    options.keep.check()?;
    let budget = PatternBudget::new("lora");
    let pattern = |text: &Option<String>| text.as_ref().map(|text| NamePattern::new(text, text, &budget)).transpose();
    let work = ExtractRun {
        base: Weights::open(base)?,
        tuned: Weights::open(tuned)?,
        include: pattern(&options.include)?,
        exclude: pattern(&options.exclude)?,
        options,
    };
    let plan = json!({"extract": [fingerprint(base)?, fingerprint(tuned)?], "options": format!("{options:?}")});
    let staged = StagedFolder::open(out, &plan)?;
    progress(ExtractProgress::Opened(staged.state()));
    let files = || work.base.files().iter().chain(work.tuned.files());
    match work.fill(staged.folder(), base, progress).and_then(|()| files().try_for_each(SafeTensors::check_unchanged)) {
        Ok(()) => Ok(staged),
        Err(error) => Err(staged.fail(&error)),
    }
}

struct ExtractRun<'a> {
    base: Weights,
    tuned: Weights,
    include: Option<NamePattern>,
    exclude: Option<NamePattern>,
    options: &'a ExtractOptions,
}

impl ExtractRun<'_> {
    fn fill(&self, folder: &Path, base: &Path, progress: &mut dyn FnMut(ExtractProgress)) -> Result<()> {
        let parts = folder.join(PARTS);
        fs::create_dir_all(&parts).map_err(|e| Error::io("writing", &parts, &e))?;
        let (mut modules, mut saved, mut left) = (Vec::new(), BTreeMap::new(), Vec::new());
        for (i, name) in self.tuned.names().enumerate() {
            let part = parts.join(format!("{i:06}.safetensors"));
            let became = self.tensor(name, &part)?;
            match &became {
                ExtractedTensor::Factored(_) => {
                    let module = name.trim_end_matches(".weight").to_string();
                    let embedding = is_embedding(&module);
                    modules.push((module, Delta { factors: read(&part)?.0, embedding }));
                }
                ExtractedTensor::Whole => drop(saved.insert(name.to_string(), self.tuned.tensor_of_any_shape(name)?)),
                ExtractedTensor::NotExtracted(why) => left.push(format!("{name:?}: {why}")),
                ExtractedTensor::Same | ExtractedTensor::Excluded => {}
            }
            self.base.release(name);
            self.tuned.release(name);
            progress(ExtractProgress::Tensor(name.to_string(), became));
        }
        for name in self.base.names().filter(|name| !self.tuned.contains(name)) {
            let missing = ExtractedTensor::NotExtracted("only in the base model".into());
            progress(ExtractProgress::Tensor(name.to_string(), missing));
        }
        if modules.is_empty() && saved.is_empty() {
            return Err(Error::value(match left.first() {
                None => {
                    "lora: no tensor that was asked for differs between the two models; there is nothing to extract".to_string()
                }
                Some(first) => format!(
                    "lora: of the tensors that were asked for {} differ, and an adapter can hold none of them as asked: the first is {first}",
                    left.len()
                ),
            }));
        }
        modules.sort_by(|one, other| natural_order(&one.0, &other.0));
        let adapter = Adapter::new(modules, saved, None).with_base_model(Some(base.display().to_string()));
        adapter.write(folder, self.options.dtype)
    }

    /// What becomes of one tensor; its factors go into the file `part`, or are there already.
    fn tensor(&self, name: &str, part: &Path) -> Result<ExtractedTensor> {
        let module = name.trim_end_matches(".weight");
        let matches = |pattern: &Option<NamePattern>| pattern.as_ref().map(|pattern| pattern.is_match(module)).transpose();
        let excluded = matches(&self.include)? == Some(false) || matches(&self.exclude)? == Some(true);
        let whole = self.saves(name);
        if excluded && !whole {
            return Ok(ExtractedTensor::Excluded);
        }
        if part.exists() {
            return Ok(ExtractedTensor::Factored(read(part)?.1));
        }
        if whole {
            return Ok(ExtractedTensor::Whole);
        }
        let left = |why: &str| Ok(ExtractedTensor::NotExtracted(why.to_string()));
        let shape = self.tuned.shape(name).unwrap_or_default();
        match self.base.shape(name) {
            None => return left("only in the tuned model"),
            Some(before) if before != shape => {
                return left(&format!("{before:?} in the base model and {shape:?} in the tuned one"));
            }
            Some(_) if self.bytes_agree(name) => return Ok(ExtractedTensor::Same),
            Some(_) => {}
        }
        if ![&self.base, &self.tuned].iter().all(|w| w.dtype(name).is_some_and(DType::is_float)) {
            return left("differs, and is not of floating-point numbers");
        }
        if shape.len() != 2 || !name.ends_with(".weight") {
            return if self.difference(name)?.1 == 0.0 {
                Ok(ExtractedTensor::Same)
            } else {
                left("differs, and is no matrix of a layer")
            };
        }
        let (change, length) = self.difference(name)?;
        if length == 0.0 {
            return Ok(ExtractedTensor::Same);
        }
        if is_embedding(module) && !self.options.embeddings {
            return left("differs, and is an embedding");
        }
        let found = low_rank_approximation(&change, self.options.keep, self.options.exact).map_err(|e| e.with_context(name))?;
        let layer = ExtractedLayer {
            shape: [shape[0], shape[1]],
            rank: found.factors.rank(),
            norm: found.norm,
            error: found.error,
            exact: found.exact,
        };
        write(part, &found.factors, &layer)?;
        Ok(ExtractedTensor::Factored(layer))
    }

    /// W_tuned − W_base in f32, as a matrix, and its norm.
    fn difference(&self, name: &str) -> Result<(Tensor, f64)> {
        let (after, before) = (self.tuned.tensor_of_any_shape(name)?, self.base.tensor_of_any_shape(name)?);
        let change = after.sub(&before)?.to_dtype(DType::F32)?;
        let flat = if change.rank() == 2 { change.clone() } else { change.reshape(&[1, change.len()])? };
        let length = frobenius_norm(&flat)?;
        if !length.is_finite() {
            for (weights, tensor) in [(&self.base, before), (&self.tuned, after)] {
                if let Some(odd) = tensor.to_f64_vec()?.iter().find(|x| !x.is_finite()) {
                    let path = weights.file(name).map_or(Path::new(""), SafeTensors::path);
                    return Err(Error::format(path, format!("tensor {name:?} holds {odd}")));
                }
            }
        }
        Ok((change, length))
    }

    /// Whether the tensor is the same in both, to the last bit.
    fn bytes_agree(&self, name: &str) -> bool {
        let stored = |weights: &'_ Weights| weights.file(name).and_then(|file| file.stored(name).map(str::to_string));
        let [before, after] = [&self.base, &self.tuned].map(|w| w.file(name).and_then(|file| file.bytes(name)));
        before == after && stored(&self.base) == stored(&self.tuned)
    }

    /// Whether a tensor's module is carried whole.
    fn saves(&self, name: &str) -> bool {
        let module = name.rsplit_once('.').map_or(name, |(module, _)| module);
        self.options.save.iter().any(|save| is_named(module, save))
    }
}

/// Whether a module looks tokens or positions up, as far as its name tells.
fn is_embedding(module: &str) -> bool {
    let last = module.rsplit('.').next().unwrap_or(module);
    last.contains("embed") || ["wte", "wpe"].contains(&last)
}

/// Writes the factors of one matrix with what is to be told of it.
fn write(part: &Path, factors: &LowRankFactors, layer: &ExtractedLayer) -> Result<()> {
    let strings = [
        ("norm", layer.norm.to_bits().to_string()),
        ("error", layer.error.to_bits().to_string()),
        ("exact", layer.exact.to_string()),
    ];
    let strings: Vec<(&str, &str)> = strings.iter().map(|(key, value)| (*key, value.as_str())).collect();
    write_safetensors(part, &[("a", &factors.a), ("b", &factors.b.contiguous()?)], &strings)
}

/// What [`write`] wrote.
fn read(part: &Path) -> Result<(LowRankFactors, ExtractedLayer)> {
    let file = SafeTensors::open(part)?;
    let factors = LowRankFactors::new(file.tensor("a")?, file.tensor("b")?, 1.0);
    let number = |key: &str| {
        let bits = file.metadata().get(key).and_then(|text| text.parse().ok());
        bits.map(f64::from_bits).ok_or_else(|| Error::format(part, format!("{key:?} is missing")))
    };
    let exact = file.metadata().get("exact").is_some_and(|text| text == "true");
    let layer =
        ExtractedLayer { shape: factors.shape(), rank: factors.rank(), norm: number("norm")?, error: number("error")?, exact };
    Ok((factors, layer))
}

/// ‖ΔW − s B A‖ / ‖ΔW‖ of every module of an adapter, read from its files.
///
/// # Errors
/// `Format`, if a model lacks a tensor; `Shape`, if sizes differ.
pub fn measure(base: &Path, tuned: &Path, adapter: &Adapter, progress: &mut dyn FnMut(MeasuredModule)) -> Result<()> {
    let (base, tuned) = (Weights::open(base)?, Weights::open(tuned)?);
    for (module, Delta { factors, .. }) in adapter.modules() {
        let name = format!("{module}.weight");
        let change = tuned.tensor_of_any_shape(&name)?.sub(&base.tensor_of_any_shape(&name)?)?.to_dtype(DType::F32)?;
        let length = frobenius_norm(&change)?;
        let off = distance(&change, factors).map_err(|e| e.with_context(&name))?;
        let error = if length == 0.0 { 0.0 } else { off / length };
        progress(MeasuredModule { module: module.clone(), error });
        base.release(&name);
        tuned.release(&name);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
