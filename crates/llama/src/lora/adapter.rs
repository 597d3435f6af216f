//! An adapter's matrices: made, read, written and merged.

use std::path::Path;

use monotile::io::{SafeTensors, write_safetensors};
use monotile::{DType, Error, ErrorKind, Result, Rng, Tensor};

use super::config::{AdaptedLayer, LoraConfig};
use super::factors::LowRankFactors;
use super::init::{InitBase, LoraInit};
use crate::config::Config;
use crate::foreign;
use crate::linear::LinearLayer;
use crate::model::Model;
use crate::weights::open_safetensors;

/// The file of an adapter's matrices.
pub(super) const MATRICES: &str = "adapter_model.safetensors";
/// What PEFT puts before a module's name.
pub(super) const PREFIX: &str = "base_model.model.";

/// A low-rank adapter: its settings and its matrices.
pub struct Adapter {
    config: LoraConfig,
    factors: Vec<(LinearLayer, LowRankFactors)>,
    /// What is subtracted again, for the same layers or none: the pairs that training started from, where they are part of the weights.
    initial_factors: Vec<(LinearLayer, LowRankFactors)>,
}

impl Adapter {
    /// An adapter to train, that changes nothing yet.
    ///
    /// # Errors
    /// As [`LoraConfig::adapted_layers`]; `Value`, for an orthogonal start of odd rank, and for starts that are made out of weights:
    /// [`from_weights`](Adapter::from_weights) makes those.
    ///
    /// # Example
    /// ```
    /// use monotile_llama::{Config, lora::{Adapter, LoraConfig, LoraInit}};
    /// let adapter = Adapter::new(LoraConfig::default(), &Config::default(), LoraInit::Gaussian, 1)?;
    /// assert_eq!(adapter.parameters(), 2 * (8 * (64 + 64) + 8 * (64 + 32)));
    /// # Ok::<(), monotile::Error>(())
    /// ```
    pub fn new(config: LoraConfig, model: &Config, start: LoraInit, seed: u64) -> Result<Self> {
        Self::initialize(config, model, start, seed, |layer| InitBase::Shape(model.shape(layer.kind())))
    }

    /// An adapter to train, that changes nothing yet, by any start: also by those that are made out of the model's weights.
    ///
    /// # Errors
    /// As [`Adapter::new`].
    ///
    /// # Cost
    /// PiSSA: ten products of each weight with 2 · rank columns, or all its singular values. OLoRA: one product with `rank` columns.
    /// A weight that is not in f32 is widened for as long as it is worked on.
    ///
    /// # Example
    /// ```
    /// use monotile_llama::{Config, Model, lora::{Adapter, LoraConfig, LoraInit}};
    /// let mut model = Model::random(Config::default(), 1)?;
    /// let tokens = Model::tokens(&[&[72, 105]])?;
    /// let before = model.logits(&tokens)?.to_vec::<f32>()?;
    /// model.attach(&Adapter::from_weights(LoraConfig::default(), &model, LoraInit::Pissa { exact: false }, 1)?)?;
    /// assert_eq!(model.logits(&tokens)?.to_vec::<f32>()?, before);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    pub fn from_weights(config: LoraConfig, model: &Model, start: LoraInit, seed: u64) -> Result<Self> {
        Self::initialize(config, model.config(), start, seed, |layer| InitBase::Weight(model.weight(layer)))
    }

    fn initialize<'a>(
        config: LoraConfig,
        model: &Config,
        start: LoraInit,
        seed: u64,
        base: impl Fn(LinearLayer) -> InitBase<'a>,
    ) -> Result<Self> {
        let mut rng = Rng::new(seed);
        let (mut pairs, mut starts) = (Vec::new(), Vec::new());
        for site in config.adapted_layers(model)? {
            let pair = start.pair(site, base(site.layer), config.dropout, &mut rng)?;
            if start.needs_base_weight() {
                starts.push((site.layer, LowRankFactors { dropout: 0.0, ..pair.clone() }));
            }
            pairs.push((site.layer, pair));
        }
        Ok(Self { config, factors: pairs, initial_factors: starts })
    }

    /// The adapter that is attached to a model, with the settings it was made with.
    pub fn from_model(model: &Model, config: LoraConfig) -> Self {
        let detached = |pair: &LowRankFactors| LowRankFactors { a: pair.a.detach(), b: pair.b.detach(), ..*pair };
        let pairs = model.adapted().map(|(layer, pair)| (layer, detached(pair))).collect();
        Self {
            config,
            factors: pairs,
            initial_factors: model.initial_factors().map(|(layer, start)| (layer, start.clone())).collect(),
        }
    }

    /// Reads `adapter_config.json` and `adapter_model.safetensors` of a folder, for this model.
    ///
    /// # Errors
    /// As [`LoraConfig::read`] and [`LoraConfig::adapted_layers`]; `Unsupported`, if it holds whole modules; `Format`, if a matrix is missing, has another shape, or belongs to a layer that
    /// the settings do not name.
    pub fn read(folder: &Path, model: &Config) -> Result<Self> {
        let config = LoraConfig::read(folder)?;
        if !config.modules_to_save.is_empty() {
            let saved = config.modules_to_save.join(", ");
            let what = format!("the adapter holds whole modules ({saved}), which only merging applies: monotile lora merge");
            return Err(Error::new(ErrorKind::Unsupported, format!("{}: {what}", folder.display())));
        }
        let file = open_matrices(folder)?;
        let refuse = |what: String| Error::format(file.path(), what);
        let sites = config.sites_of_any_rank(model).map_err(|e| e.within(folder.display()))?;
        let matrix = |site: &AdaptedLayer, which: &str, shape: [usize; 2]| {
            let name = format!("{PREFIX}{}.lora_{which}.weight", site.layer);
            if !file.contains(&name) {
                return Err(refuse(format!("tensor {name:?} is missing")));
            }
            let tensor = file.tensor(&name)?;
            if tensor.shape() != shape {
                let found = tensor.shape();
                return Err(refuse(format!("tensor {name:?} has shape {found:?}, the model's layer needs {shape:?}")));
            }
            tensor.to_dtype(DType::F32)
        };
        let pair = |site: &AdaptedLayer| {
            let [rows, columns] = model.shape(site.layer.kind());
            let (a, b) = (matrix(site, "A", [site.rank, columns])?, matrix(site, "B", [rows, site.rank])?);
            Ok((site.layer, LowRankFactors { a, b, scaling: site.scaling, dropout: config.dropout }))
        };
        let pairs: Vec<(LinearLayer, LowRankFactors)> = sites.iter().map(pair).collect::<Result<_>>()?;
        let known: Vec<String> = pairs.iter().map(|(layer, _)| format!("{PREFIX}{layer}.lora_")).collect();
        if let Some(stray) = file.names().find(|name| !known.iter().any(|known| name.starts_with(known))) {
            return Err(refuse(format!("tensor {stray:?} belongs to no layer that adapter_config.json names")));
        }
        Ok(Self { config, factors: pairs, initial_factors: Vec::new() })
    }

    /// Takes A and B from the tensors of a file, by the names that PEFT gives them, with or without the adapter's own name
    /// (`….lora_A.default.weight`), after `prefix`: to repeat a run that began elsewhere. Nothing is subtracted from them.
    ///
    /// # Errors
    /// `Format`, if a matrix is missing or has another shape.
    pub fn subtract_initial(&mut self, file: &SafeTensors, prefix: &str) -> Result<()> {
        let refuse = |what: String| Error::format(file.path(), what);
        let matrix = |layer: LinearLayer, which: &str, old: &Tensor| {
            let stem = format!("{prefix}{PREFIX}{layer}.lora_{which}");
            let names = [format!("{stem}.weight"), format!("{stem}.default.weight")];
            let Some(name) = names.iter().find(|name| file.contains(name)) else {
                return Err(refuse(format!("tensor {:?} is missing", names[0])));
            };
            let tensor = file.tensor(name)?;
            if tensor.shape() != old.shape() {
                let (found, wanted) = (tensor.shape(), old.shape());
                return Err(refuse(format!("tensor {name:?} has shape {found:?}, the adapter needs {wanted:?}")));
            }
            tensor.to_dtype(DType::F32)
        };
        for (layer, pair) in &mut self.factors {
            pair.a = matrix(*layer, "A", &pair.a)?;
            pair.b = matrix(*layer, "B", &pair.b)?;
        }
        self.initial_factors.clear();
        Ok(())
    }

    /// Writes `adapter_model.safetensors`, in f32, and `adapter_config.json` as PEFT reads them.
    ///
    /// An adapter that began with a part of the weights, by PiSSA or OLoRA, is written as one of twice the rank that is used on the
    /// weights as they are: ΔW = s (B A − B₀ A₀) = s [B, −B₀] [A; A₀].
    ///
    /// # Errors
    /// `Io`, if the folder or a file cannot be written; each file appears whole or not at all.
    pub fn write(&self, folder: &Path) -> Result<()> {
        if self.initial_factors.is_empty() {
            write_matrices(folder, &self.factors)?;
            return self.config.write(folder);
        }
        let both = |((layer, pair), (_, start)): (&(LinearLayer, LowRankFactors), &(LinearLayer, LowRankFactors))| {
            Ok((*layer, pair.subtract(start)?))
        };
        let plain: Vec<(LinearLayer, LowRankFactors)> =
            self.factors.iter().zip(&self.initial_factors).map(both).collect::<Result<_>>()?;
        write_matrices(folder, &plain)?;
        self.config.with_doubled_rank().write(folder)
    }

    /// Writes A and B as they are, and names in `adapter_config.json` the start that made them.
    ///
    /// PEFT takes B₀ A₀ of a start by PiSSA or OLoRA off the weights when it loads the folder, by computing it again: so the start must be
    /// exact.
    ///
    /// # Errors
    /// As [`write`](Adapter::write).
    pub fn write_initial(&self, folder: &Path, start: LoraInit) -> Result<()> {
        write_matrices(folder, &self.factors)?;
        self.config.write_initial(folder, &start.json())
    }

    /// The settings.
    pub fn config(&self) -> &LoraConfig {
        &self.config
    }

    /// The adapted layers with their matrices.
    pub fn factors(&self) -> impl Iterator<Item = (LinearLayer, &LowRankFactors)> {
        self.factors.iter().map(|(layer, pair)| (*layer, pair))
    }

    /// The pairs that are subtracted: those that training started from, where they are part of the weights; none otherwise.
    pub fn initial_factors(&self) -> impl Iterator<Item = (LinearLayer, &LowRankFactors)> {
        self.initial_factors.iter().map(|(layer, start)| (*layer, start))
    }

    /// How many numbers are trained.
    pub fn parameters(&self) -> usize {
        self.factors.iter().map(|(_, pair)| pair.a.len() + pair.b.len()).sum()
    }
}

/// Opens the file of an adapter's matrices.
pub(super) fn open_matrices(folder: &Path) -> Result<SafeTensors> {
    let path = folder.join(MATRICES);
    if !path.exists()
        && let Some(other) = foreign::foreign_file_in(folder)
    {
        return Err(other);
    }
    open_safetensors(&path)
}

fn write_matrices(folder: &Path, pairs: &[(LinearLayer, LowRankFactors)]) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| Error::io("writing", folder, &e))?;
    let named = |(layer, pair): &(LinearLayer, LowRankFactors)| {
        let stored = |t: &Tensor| t.detach().to_dtype(DType::F32);
        [("A", &pair.a), ("B", &pair.b)].map(|(which, t)| Ok((format!("{PREFIX}{layer}.lora_{which}.weight"), stored(t)?)))
    };
    let tensors: Vec<(String, Tensor)> = pairs.iter().flat_map(named).collect::<Result<_>>()?;
    let listed: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    write_safetensors(folder.join(MATRICES), &listed, &[("format", "pt")])
}
