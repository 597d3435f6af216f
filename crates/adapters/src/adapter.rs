//! An adapter of any model: the changes of its modules, by their names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use monotile::io::{SafeTensors, write_safetensors};
use monotile::{DType, Error, ErrorKind, Result, Tensor};
use serde_json::Value;

use crate::config::{LoraConfig, ModuleScales};
use crate::factors::LowRankFactors;
use crate::finite::check_stored;
use crate::foreign;
use crate::natural_order::natural_order;
use crate::patterns::PatternBudget;
use crate::targets::{TargetModules, is_named};
use crate::weights::open_safetensors;

/// The file of an adapter's matrices.
const MATRICES: &str = "adapter_model.safetensors";
/// What PEFT puts before a module's name.
const PREFIX: &str = "base_model.model.";

/// The change of one module's weight.
#[derive(Clone)]
pub struct Delta {
    /// ΔW by its factors.
    pub factors: LowRankFactors,
    /// Whether the module is an embedding, whose factors PEFT stores the other way round.
    pub embedding: bool,
}

/// An adapter of a model of any architecture, as its files state it: a low-rank change for each of some modules, and whole tensors
/// (`modules_to_save`) for others.
#[derive(Clone)]
pub struct Adapter {
    source: PathBuf,
    config: LoraConfig,
    modules: Vec<(String, Delta)>,
    saved: BTreeMap<String, Tensor>,
}

impl Adapter {
    /// Reads `adapter_config.json` and `adapter_model.safetensors` of a folder. Scalings follow `rank_pattern`, `alpha_pattern` and
    /// `use_rslora`; factors of embeddings are turned so that every ΔW has its weight's shape.
    ///
    /// # Errors
    /// As [`LoraConfig::read`]; `Unsupported` for what is no pair of matrices (DoRA's magnitudes, convolutions); `Format`, if a factor is
    /// missing, has no numbers, has NaN or ∞, or a rank that the settings do not give it.
    ///
    /// # Example
    /// ```no_run
    /// let adapter = monotile_adapters::Adapter::read("adapter".as_ref())?;
    /// for (module, delta) in adapter.modules() {
    ///     println!("{module}: rank {}, norm {}", delta.factors.rank(), delta.factors.norm()?);
    /// }
    /// # Ok::<(), monotile::Error>(())
    /// ```
    pub fn read(folder: &Path) -> Result<Self> {
        let config = LoraConfig::read(folder)?;
        let file = open_matrices(folder)?;
        let scales = ModuleScales::new(&config, &PatternBudget::new("lora")).map_err(|e| e.with_context(folder.display()))?;
        let mut names: BTreeMap<&str, [Option<&str>; 2]> = BTreeMap::new();
        let mut saved = BTreeMap::new();
        for name in file.names() {
            match part(&file, name)? {
                AdapterTensor::Factor { module, which } => names.entry(module).or_default()[which] = Some(name),
                AdapterTensor::Whole(tensor) => {
                    let found = file.tensor(name)?;
                    let twice = saved
                        .insert(tensor.clone(), found.clone())
                        .map_or(Ok(false), |other| same(&other, &found).map(|same| !same))?;
                    if twice {
                        return Err(Error::format(file.path(), format!("tensor {tensor:?} is held twice, with other numbers")));
                    }
                }
                AdapterTensor::Before => {}
            }
        }
        if names.is_empty() && saved.is_empty() {
            return Err(Error::format(file.path(), "there is no tensor in it"));
        }
        let read = |(module, names): (&str, [Option<&str>; 2])| Ok((module.to_string(), delta(&file, module, names, &scales)?));
        let mut modules: Vec<(String, Delta)> = names.into_iter().map(read).collect::<Result<_>>()?;
        modules.sort_by(|one, other| natural_order(&one.0, &other.0));
        Ok(Self { source: folder.to_path_buf(), config, modules, saved })
    }

    /// An adapter of these changes, in f32, with settings that PEFT reads them by: the most frequent rank and scaling for all, patterns for
    /// the others. `targets` names the modules where their own full names should not.
    pub fn new(modules: Vec<(String, Delta)>, saved: BTreeMap<String, Tensor>, targets: Option<TargetModules>) -> Self {
        let config = settings(&modules, &saved, targets);
        Self { source: PathBuf::new(), config, modules, saved }
    }

    /// An adapter of these changes with settings that are known, which give each its rank and scaling. It is written in this order.
    pub fn from_config(config: LoraConfig, modules: Vec<(String, Delta)>) -> Self {
        Self { source: PathBuf::new(), config, modules, saved: BTreeMap::new() }
    }

    /// Writes the adapter as PEFT reads it, its factors as this element type. Whole tensors keep theirs.
    ///
    /// # Errors
    /// `Io`, if the folder or a file cannot be written; each file appears whole or not at all. `Value`, if a number is not finite, or
    /// not as this element type.
    pub fn write(&self, folder: &Path, dtype: DType) -> Result<()> {
        self.write_matrices(folder, dtype)?;
        self.config.write(folder)
    }

    /// Writes the adapter for training to begin with, and names in `adapter_config.json` what made its factors.
    ///
    /// `init_lora_weights` is that setting. PEFT takes B₀ A₀ of a start by PiSSA or OLoRA off the weights when it loads the folder, by
    /// computing it again: so the start must be exact.
    ///
    /// # Errors
    /// As [`write`](Adapter::write).
    pub fn write_initial(&self, folder: &Path, dtype: DType, init_lora_weights: &Value) -> Result<()> {
        self.write_matrices(folder, dtype)?;
        self.config.write_initial(folder, init_lora_weights)
    }

    fn write_matrices(&self, folder: &Path, dtype: DType) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(|e| Error::io("writing", folder, &e))?;
        let mut tensors = Vec::new();
        for (module, Delta { factors, embedding }) in &self.modules {
            let stored = if *embedding { [factors.b.mt(), factors.a.mt()] } else { [factors.a.clone(), factors.b.clone()] };
            for (which, factor) in ["A", "B"].iter().zip(stored) {
                let name = if *embedding { format!("lora_embedding_{which}") } else { format!("lora_{which}.weight") };
                let (name, stored) = (peft_name(&format!("{module}.{name}")), factor.detach().to_dtype(dtype)?.contiguous()?);
                check_stored(&name, &factor, &stored)?;
                tensors.push((name, stored));
            }
        }
        self.saved.iter().try_for_each(|(name, tensor)| check_stored(name, tensor, tensor))?;
        tensors.extend(self.saved.iter().map(|(name, tensor)| (peft_name(name), tensor.clone())));
        let listed: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        write_safetensors(folder.join(MATRICES), &listed, &[("format", "pt")])
    }

    /// The same adapter for a base model of this name or path.
    #[must_use]
    pub fn with_base_model(mut self, base_model: Option<String>) -> Self {
        self.config.base_model = base_model;
        self
    }

    /// The same adapter for the base model of another.
    pub(crate) fn with_base_of(mut self, other: &Adapter) -> Self {
        self.config.base_model.clone_from(&other.config.base_model);
        self.config.fan_in_fan_out = other.config.fan_in_fan_out;
        self
    }

    /// The folder it was read from; empty for one that was made.
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// The settings.
    pub fn config(&self) -> &LoraConfig {
        &self.config
    }

    /// The modules that change, block 2 before block 10.
    pub fn modules(&self) -> &[(String, Delta)] {
        &self.modules
    }

    /// The change of a module.
    pub fn module(&self, name: &str) -> Option<&Delta> {
        self.modules.iter().find(|(module, _)| module == name).map(|(_, delta)| delta)
    }

    /// Whole tensors, by the names they have in the model.
    pub fn whole_tensors(&self) -> &BTreeMap<String, Tensor> {
        &self.saved
    }

    /// Whether PEFT loads a whole tensor into the base model itself, so that a tied output layer changes with the embedding: it does,
    /// unless `modules_to_save` gives the module a copy of its own.
    pub(crate) fn loads_in_place(&self, tensor: &str) -> bool {
        let module = tensor.rsplit_once('.').map_or(tensor, |(module, _)| module);
        !self.config.modules_to_save.iter().any(|name| is_named(module, name))
    }

    /// How many numbers its factors hold.
    pub fn parameters(&self) -> usize {
        self.modules.iter().map(|(_, delta)| delta.factors.parameters()).sum()
    }

    /// The file of its matrices, in the folder it was read from.
    pub fn matrices_path(&self) -> PathBuf {
        self.source.join(MATRICES)
    }

    /// The element type of its factors: that of the first.
    pub fn dtype(&self) -> DType {
        self.modules.first().map_or(DType::F32, |(_, delta)| delta.factors.a.dtype())
    }
}

/// The name that PEFT gives a tensor of the model in an adapter's file: `base_model.model.NAME`.
pub fn peft_name(tensor: &str) -> String {
    format!("{PREFIX}{tensor}")
}

/// Opens the file of an adapter's matrices.
fn open_matrices(folder: &Path) -> Result<SafeTensors> {
    let path = folder.join(MATRICES);
    if !path.exists()
        && let Some(other) = foreign::foreign_file_in(folder)
    {
        return Err(other);
    }
    open_safetensors(&path)
}

/// What a tensor of the file is.
enum AdapterTensor<'a> {
    Factor {
        module: &'a str,
        which: usize,
    },
    /// A tensor of the model, by its name there.
    Whole(String),
    /// What a module held before training, which PEFT keeps beside.
    Before,
}

/// Tells by its name what a tensor is: `base_model.model.M.lora_A.weight`, with an adapter's own name after `lora_A` or without.
fn part<'a>(file: &SafeTensors, name: &'a str) -> Result<AdapterTensor<'a>> {
    let Some(inner) = name.strip_prefix(PREFIX) else {
        return Err(Error::format(file.path(), format!("tensor {name:?} does not begin with {PREFIX:?}, as PEFT's tensors do")));
    };
    let Some((module, rest)) = inner.split_once(".lora_") else {
        if inner.contains(".original_module.") {
            return Ok(AdapterTensor::Before);
        }
        // Where the vocabulary has grown, PEFT writes what it saves under the name that it has in memory, too.
        let plain = inner.replace(".modules_to_save.default.", ".").replace(".modules_to_save.", ".");
        return Ok(AdapterTensor::Whole(plain));
    };
    let which = match rest.split('.').next() {
        Some("A" | "embedding_A") => 0,
        Some("B" | "embedding_B") => 1,
        _ => {
            let what = format!("tensor {name:?} is no factor of a low-rank change; lora_A and lora_B are read");
            return Err(Error::new(ErrorKind::Unsupported, format!("{}: {what}", file.path().display())));
        }
    };
    Ok(AdapterTensor::Factor { module, which })
}

fn delta(file: &SafeTensors, module: &str, names: [Option<&str>; 2], scales: &ModuleScales) -> Result<Delta> {
    let refuse = |what: String| Error::format(file.path(), what);
    let [Some(a), Some(b)] = names else {
        let (there, lacking) = if names[0].is_some() { ("lora_A", "lora_B") } else { ("lora_B", "lora_A") };
        return Err(refuse(format!("module {module:?} has {there} and no {lacking}")));
    };
    let (first, second) = (factor(file, a)?, factor(file, b)?);
    let embedding = a.contains(".lora_embedding_");
    // An embedding looks rows up in Aᵀ and multiplies them by Bᵀ: ΔW = (B A)ᵀ.
    let (a, b) = if embedding { (second.mt(), first.mt()) } else { (first, second) };
    let (rank, scaling) = scales.of_module(module).map_err(|e| e.with_context(file.path().display()))?;
    if a.dim(0) != b.dim(1) {
        return Err(refuse(format!("module {module:?}: A {:?} and B {:?} have no rank in common", a.shape(), b.shape())));
    }
    if a.dim(0) != rank {
        let found = a.dim(0);
        return Err(refuse(format!("module {module:?} has rank {found}, adapter_config.json gives it {rank}")));
    }
    Ok(Delta { factors: LowRankFactors::new(a, b, scaling), embedding })
}

/// Whether two tensors hold the same numbers.
fn same(one: &Tensor, other: &Tensor) -> Result<bool> {
    Ok(one.shape() == other.shape() && one.to_f64_vec()? == other.to_f64_vec()?)
}

fn factor(file: &SafeTensors, name: &str) -> Result<Tensor> {
    let tensor = file.tensor(name)?;
    if tensor.rank() != 2 || !tensor.dtype().is_float() {
        let what =
            format!("tensor {name:?} is {:?} of {}; a matrix of floating-point numbers is read", tensor.shape(), tensor.dtype());
        return Err(Error::new(ErrorKind::Unsupported, format!("{}: {what}", file.path().display())));
    }
    if let Some(odd) = tensor.to_f64_vec()?.iter().find(|x| !x.is_finite()) {
        return Err(Error::format(file.path(), format!("tensor {name:?} holds {odd}")));
    }
    Ok(tensor)
}

/// `adapter_config.json` of changes.
fn settings(modules: &[(String, Delta)], saved: &BTreeMap<String, Tensor>, targets: Option<TargetModules>) -> LoraConfig {
    let alpha = |factors: &LowRankFactors| factors.scaling * factors.rank() as f64;
    let mut counts: Vec<(usize, f64, usize)> = Vec::new();
    for (_, Delta { factors, .. }) in modules {
        match counts.iter_mut().find(|(rank, a, _)| (*rank, *a) == (factors.rank(), alpha(factors))) {
            Some((_, _, count)) => *count += 1,
            None => counts.push((factors.rank(), alpha(factors), 1)),
        }
    }
    let &(rank, common, _) = counts.iter().rev().max_by_key(|(_, _, count)| count).unwrap_or(&(1, 1.0, 0));
    let names = || modules.iter().map(|(name, _)| name.clone()).collect();
    let module = |tensor: &String| tensor.rsplit_once('.').map_or(tensor.clone(), |(module, _)| module.to_string());
    let mut modules_to_save: Vec<String> = saved.keys().map(module).collect();
    modules_to_save.dedup();
    let mut config = LoraConfig {
        targets: targets.unwrap_or_else(|| TargetModules::Names(names())),
        rank,
        alpha: common,
        modules_to_save,
        ..LoraConfig::default()
    };
    for (name, Delta { factors, .. }) in modules {
        if factors.rank() != rank {
            config.rank_pattern.insert(name.clone(), factors.rank());
        }
        if alpha(factors) != common {
            config.alpha_pattern.insert(name.clone(), alpha(factors));
        }
    }
    config
}

#[cfg(test)]
mod tests;
