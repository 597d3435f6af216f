//! `adapter_config.json` as PEFT writes and reads it.

use std::collections::BTreeMap;
use std::path::Path;

use monotile::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::json::{Fields, usize_of, write_json};
use crate::patterns::PatternBudget;
use crate::targets::{Matcher, PatternMap, TargetModules};

/// The file of an adapter's settings.
pub(crate) const SETTINGS: &str = "adapter_config.json";

/// How an adapter is made: the fields of `adapter_config.json` that say what ΔW is.
///
/// ΔW = scaling · B · A with scaling = alpha / rank, or alpha / √rank where `use_rslora` is set (Kalajdzievski 2023).
///
/// # Source
/// Hu et al. (2021), LoRA.
#[derive(Debug, Clone, PartialEq)]
pub struct LoraConfig {
    /// The layers that are adapted.
    pub targets: TargetModules,
    /// Names or a pattern that take layers out again.
    pub exclude: Option<TargetModules>,
    /// Only these blocks, if given.
    pub layers_to_transform: Option<Vec<usize>>,
    /// Columns of B and rows of A.
    pub rank: usize,
    /// The numerator of the scaling.
    pub alpha: f64,
    /// Other ranks for layers that a pattern matches.
    pub rank_pattern: BTreeMap<String, usize>,
    /// Other alphas for layers that a pattern matches.
    pub alpha_pattern: BTreeMap<String, f64>,
    /// Whether the scaling divides by the square root of the rank.
    pub use_rslora: bool,
    /// The share of an adapter's inputs that training sets to zero.
    pub dropout: f64,
    /// The model that the adapter belongs to, as a name or a path.
    pub base_model: Option<String>,
    /// Modules whose tensors the adapter holds whole, beside its pairs.
    pub modules_to_save: Vec<String>,
    /// Whether the modules' weights are stored as (in, out), as those of `Conv1D` layers are.
    pub fan_in_fan_out: bool,
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self {
            targets: TargetModules::default(),
            exclude: None,
            layers_to_transform: None,
            rank: 8,
            alpha: 16.0,
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
            use_rslora: false,
            dropout: 0.0,
            base_model: None,
            modules_to_save: Vec::new(),
            fan_in_fan_out: false,
        }
    }
}

/// Settings that change nothing in what a loaded adapter computes, or that are read by name.
const UNDERSTOOD: [&str; 34] = [
    "alpha_pattern",
    "auto_mapping",
    "base_model_name_or_path",
    "bias",
    "ensure_weight_tying",
    "exclude_modules",
    "fan_in_fan_out",
    "inference_mode",
    "init_lora_weights",
    "kasa_config",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "lora_dropout",
    "megatron_core",
    "modules_to_save",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "r",
    "rank_pattern",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
    "use_rslora",
    // How a start was computed; PEFT keeps it for the record.
    "corda_config",
    "eva_config",
    "loftq_config",
    "lora_ga_config",
    "velora_config",
    "monteclora_config",
    "arrow_config",
    "megatron_config",
];

/// Starts of training that leave the base weights as they are; others (PiSSA, OLoRA, ...) train on changed ones.
const STARTS: [&str; 4] = ["gaussian", "orthogonal", "eva", "mica"];

impl LoraConfig {
    /// Reads `adapter_config.json` of an adapter's folder.
    ///
    /// # Errors
    /// `Io`, `Format`; `Unsupported` for settings that would change the result and that nothing here computes (`use_dora`, biases,
    /// ...): they are refused by name, never ignored.
    pub fn read(folder: &Path) -> Result<Self> {
        let fields = Fields::read(&folder.join(SETTINGS))?;
        refuse_unsupported(&fields)?;
        // PEFT then takes those that it knows for the architecture: queries and values, for the models that are computed here.
        let targets = targets(&fields, "target_modules")?.unwrap_or_default();
        let rank = fields.count("r")?;
        let dropout = match fields.get("lora_dropout").map(Value::as_f64) {
            None => 0.0,
            Some(Some(p)) if (0.0..1.0).contains(&p) => p,
            Some(_) => return Err(fields.refuse("lora_dropout", "must be at least 0 and below 1")),
        };
        let blocks = fields.get("layers_to_transform").map(|_| fields.ids("layers_to_transform")).transpose()?;
        let mut config = Self {
            targets,
            exclude: targets_or_none(&fields)?,
            layers_to_transform: blocks.map(|blocks| blocks.into_iter().map(usize_of).collect()),
            rank,
            alpha: fields.optional_positive("lora_alpha")?.unwrap_or(8.0),
            use_rslora: fields.flag("use_rslora", false)?,
            dropout,
            base_model: fields.text("base_model_name_or_path")?.map(str::to_string),
            modules_to_save: fields.texts("modules_to_save")?.unwrap_or_default(),
            fan_in_fan_out: fields.flag("fan_in_fan_out", false)?,
            ..Self::default()
        };
        if let Some(patterns) = fields.object("rank_pattern")? {
            let entries = patterns.keys().map(|key| Ok((key.clone(), patterns.count(key)?)));
            config.rank_pattern = entries.collect::<Result<_>>()?;
        }
        if let Some(patterns) = fields.object("alpha_pattern")? {
            let entries = patterns.keys().map(|key| Ok((key.clone(), patterns.positive(key)?)));
            config.alpha_pattern = entries.collect::<Result<_>>()?;
        }
        Ok(config)
    }

    /// Writes `adapter_config.json`, in full, so that PEFT loads it.
    ///
    /// # Errors
    /// `Value` for a number that is not finite; `Io`, if the file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        self.write_initial(folder, &json!(true))
    }

    /// [`write`](LoraConfig::write) with another value of `init_lora_weights`.
    pub(crate) fn write_initial(&self, folder: &Path, start: &Value) -> Result<()> {
        let mut numbers = self.alpha_pattern.values().chain([&self.alpha, &self.dropout]);
        if let Some(odd) = numbers.find(|number| !number.is_finite()) {
            return Err(Error::value(format!("lora: alpha and dropout must be finite numbers, got {odd}")));
        }
        let targets = |targets: &TargetModules| match targets {
            TargetModules::AllLinear => json!("all-linear"),
            TargetModules::Names(names) => json!(names),
            TargetModules::Pattern(pattern) => json!(pattern),
        };
        let config = json!({
            "peft_type": "LORA",
            "task_type": "CAUSAL_LM",
            "base_model_name_or_path": self.base_model,
            "inference_mode": true,
            "r": self.rank,
            "lora_alpha": self.alpha,
            "lora_dropout": self.dropout,
            "target_modules": targets(&self.targets),
            "exclude_modules": self.exclude.as_ref().map(targets),
            "layers_to_transform": self.layers_to_transform,
            "layers_pattern": null,
            "rank_pattern": self.rank_pattern,
            "alpha_pattern": self.alpha_pattern,
            "use_rslora": self.use_rslora,
            "use_dora": false,
            "bias": "none",
            "fan_in_fan_out": self.fan_in_fan_out,
            "init_lora_weights": start,
            "modules_to_save": (!self.modules_to_save.is_empty()).then_some(&self.modules_to_save),
        });
        write_json(&folder.join(SETTINGS), &config)
    }

    /// What decides which modules these settings name.
    ///
    /// # Errors
    /// `Value`, if a pattern is no regular expression; `Limit`, if the patterns take too much memory.
    ///
    /// # Example
    /// ```
    /// use monotile_adapters::LoraConfig;
    /// let config = LoraConfig { layers_to_transform: Some(vec![1]), ..LoraConfig::default() };
    /// let selector = config.selector()?;
    /// assert!(selector.includes("model.layers.1.self_attn.q_proj")?);
    /// assert!(!selector.includes("model.layers.0.self_attn.q_proj")? && !selector.includes("model.layers.1.self_attn.k_proj")?);
    /// assert_eq!(selector.rank_and_scaling("model.layers.1.self_attn.q_proj")?, (8, 2.0));
    /// # Ok::<(), monotile::Error>(())
    /// ```
    pub fn selector(&self) -> Result<ModuleSelector<'_>> {
        let budget = PatternBudget::new("lora");
        Ok(ModuleSelector {
            include: Matcher::new(&self.targets, &budget)?,
            exclude: self.exclude.as_ref().map(|exclude| Matcher::new(exclude, &budget)).transpose()?,
            blocks: self.layers_to_transform.as_deref(),
            scales: ModuleScales::new(self, &budget)?,
        })
    }
}

/// Which modules an adapter's settings name, and their ranks and scalings.
pub struct ModuleSelector<'a> {
    include: Matcher<'a>,
    exclude: Option<Matcher<'a>>,
    blocks: Option<&'a [usize]>,
    scales: ModuleScales<'a>,
}

impl ModuleSelector<'_> {
    /// Whether the linear layer of this name is adapted.
    ///
    /// # Errors
    /// `Value`, if a pattern fails on the name; `Limit`, if it takes too long.
    pub fn includes(&self, module: &str) -> Result<bool> {
        let in_block = self.blocks.is_none_or(|blocks| block_index(module).is_some_and(|index| blocks.contains(&index)));
        if !in_block || !self.include.matches(module)? {
            return Ok(false);
        }
        Ok(!self.exclude.as_ref().map_or(Ok(false), |exclude| exclude.matches(module))?)
    }

    /// The rank of a module, and what its B · A is multiplied by.
    ///
    /// # Errors
    /// As [`includes`](ModuleSelector::includes).
    pub fn rank_and_scaling(&self, module: &str) -> Result<(usize, f64)> {
        self.scales.of_module(module)
    }
}

/// The number of the block that a module is in, as its name tells: the last number between dots.
fn block_index(module: &str) -> Option<usize> {
    module.rsplit('.').find_map(|part| part.parse().ok())
}

/// Ranks and scalings of modules by their names.
pub(crate) struct ModuleScales<'a> {
    config: &'a LoraConfig,
    ranks: PatternMap<'a, usize>,
    alphas: PatternMap<'a, f64>,
}

impl<'a> ModuleScales<'a> {
    pub(crate) fn new(config: &'a LoraConfig, budget: &PatternBudget) -> Result<Self> {
        let (ranks, alphas) = (PatternMap::new(&config.rank_pattern, budget)?, PatternMap::new(&config.alpha_pattern, budget)?);
        Ok(Self { config, ranks, alphas })
    }

    pub(crate) fn of_module(&self, module: &str) -> Result<(usize, f64)> {
        let rank = self.ranks.value_for(module)?.unwrap_or(self.config.rank);
        let alpha = self.alphas.value_for(module)?.unwrap_or(self.config.alpha);
        let divisor = if self.config.use_rslora { (rank as f64).sqrt() } else { rank as f64 };
        Ok((rank, alpha / divisor))
    }
}

/// `target_modules` or `exclude_modules`: a list of names, `all-linear`, or a string that is a regular expression.
fn targets(fields: &Fields, name: &str) -> Result<Option<TargetModules>> {
    Ok(match fields.get(name) {
        None => None,
        Some(Value::String(text)) if text.eq_ignore_ascii_case("all-linear") => Some(TargetModules::AllLinear),
        Some(Value::String(pattern)) => Some(TargetModules::Pattern(pattern.clone())),
        Some(_) => fields.texts(name)?.map(TargetModules::Names),
    })
}

/// `exclude_modules`, where an empty list is none.
fn targets_or_none(fields: &Fields) -> Result<Option<TargetModules>> {
    Ok(targets(fields, "exclude_modules")?.filter(|t| *t != TargetModules::Names(Vec::new())))
}

fn refuse_unsupported(fields: &Fields) -> Result<()> {
    let refuse = |what: String| Err(Error::new(ErrorKind::Unsupported, format!("{}: {what}", fields.path().display())));
    let kind = fields.text("peft_type")?.unwrap_or("LORA");
    if kind != "LORA" {
        return refuse(format!("peft_type {kind:?} is not supported; LORA is"));
    }
    let bias = fields.text("bias")?.unwrap_or("none");
    if bias != "none" {
        return refuse(format!("bias {bias:?} is not supported; \"none\" is"));
    }
    match fields.get("init_lora_weights") {
        None | Some(Value::Bool(_)) => {}
        Some(Value::String(start)) if STARTS.contains(&start.as_str()) => {}
        Some(start) => {
            return refuse(format!(
                "init_lora_weights {start} changes the base weights, so the adapter does not fit the published ones; \
                 PEFT's save_pretrained(…, path_initial_model_for_weight_conversion=…) makes one that does"
            ));
        }
    }
    if let Some(pattern) = fields.get("layers_pattern")
        && !["\"layers\"", "[\"layers\"]", "[]"].contains(&pattern.to_string().as_str())
    {
        return refuse(format!("layers_pattern {pattern} is in no layer; \"layers\" is"));
    }
    let does_nothing = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    for name in fields.keys() {
        if let Some(value) = fields.get(name).filter(|value| !does_nothing(value) && !UNDERSTOOD.contains(&name.as_str())) {
            return refuse(format!("field \"{name}\", {value}, is not supported"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
