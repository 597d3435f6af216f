//! An adapter's matrices: made, read, written and merged.

use std::path::Path;

use monotile::io::{SafeTensors, write_safetensors};
use monotile::{DType, Error, ErrorKind, Result, Rng, Tensor};

use super::config::{LoraConfig, Site};
use super::pair::Pair;
use crate::config::Config;
use crate::linear::Layer;
use crate::model::Model;

/// The file of an adapter's matrices.
pub(super) const MATRICES: &str = "adapter_model.safetensors";
/// What PEFT puts before a module's name.
pub(super) const PREFIX: &str = "base_model.model.";

/// How A starts; B starts at 0, so that training starts at the base model exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// A ~ N(0, 1/rank²).
    #[default]
    Gaussian,
    /// A uniform within ±1/√columns: PEFT's default.
    KaimingUniform,
}

/// A low-rank adapter: its settings and its matrices.
pub struct Adapter {
    config: LoraConfig,
    pairs: Vec<(Layer, Pair)>,
}

impl Adapter {
    /// An adapter to train, that changes nothing yet.
    ///
    /// # Errors
    /// As [`LoraConfig::sites`].
    ///
    /// # Example
    /// ```
    /// use monotile_llama::{Config, lora::{Adapter, LoraConfig, Start}};
    /// let adapter = Adapter::new(LoraConfig::default(), &Config::default(), Start::Gaussian, 1)?;
    /// assert_eq!(adapter.parameters(), 2 * (8 * (64 + 64) + 8 * (64 + 32)));
    /// # Ok::<(), monotile::Error>(())
    /// ```
    pub fn new(config: LoraConfig, model: &Config, start: Start, seed: u64) -> Result<Self> {
        let mut rng = Rng::new(seed);
        let mut make = |site: Site| {
            let [rows, columns] = model.shape(site.layer.linear());
            let shape = [site.rank, columns];
            let a = match start {
                Start::Gaussian => rng.normal(&shape, DType::F32)?.mul_scalar(1.0 / site.rank as f64)?,
                Start::KaimingUniform => {
                    let bound = 1.0 / (columns as f64).sqrt();
                    rng.uniform(&shape, -bound, bound, DType::F32)?
                }
            };
            let b = Tensor::zeros(&[rows, site.rank], DType::F32).contiguous()?;
            Ok((site.layer, Pair { a, b, scaling: site.scaling, dropout: config.dropout }))
        };
        let pairs = config.sites(model)?.into_iter().map(&mut make).collect::<Result<_>>()?;
        Ok(Self { config, pairs })
    }

    /// The adapter that is attached to a model, with the settings it was made with.
    pub fn of(model: &Model, config: LoraConfig) -> Self {
        let pairs = model.adapted().map(|(layer, pair)| (layer, Pair { a: pair.a.detach(), b: pair.b.detach(), ..*pair }));
        Self { config, pairs: pairs.collect() }
    }

    /// Reads `adapter_config.json` and `adapter_model.safetensors` of a folder, for this model.
    ///
    /// # Errors
    /// As [`LoraConfig::read`] and [`LoraConfig::sites`]; `Unsupported`, if it holds whole modules; `Format`, if a matrix is missing, has another shape, or belongs to a layer that
    /// the settings do not name.
    pub fn read(folder: &Path, model: &Config) -> Result<Self> {
        let config = LoraConfig::read(folder)?;
        if !config.modules_to_save.is_empty() {
            let saved = config.modules_to_save.join(", ");
            let what = format!("the adapter holds whole modules ({saved}), which only merging applies: monotile lora merge");
            return Err(Error::new(ErrorKind::Unsupported, format!("{}: {what}", folder.display())));
        }
        let file = SafeTensors::open(folder.join(MATRICES))?;
        let refuse = |what: String| Error::format(file.path(), what);
        let sites = config.sites(model).map_err(|e| e.within(folder.display()))?;
        let matrix = |site: &Site, which: &str, shape: [usize; 2]| {
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
        let pair = |site: &Site| {
            let [rows, columns] = model.shape(site.layer.linear());
            let (a, b) = (matrix(site, "A", [site.rank, columns])?, matrix(site, "B", [rows, site.rank])?);
            Ok((site.layer, Pair { a, b, scaling: site.scaling, dropout: config.dropout }))
        };
        let pairs: Vec<(Layer, Pair)> = sites.iter().map(pair).collect::<Result<_>>()?;
        let known: Vec<String> = pairs.iter().map(|(layer, _)| format!("{PREFIX}{layer}.lora_")).collect();
        if let Some(stray) = file.names().find(|name| !known.iter().any(|known| name.starts_with(known))) {
            return Err(refuse(format!("tensor {stray:?} belongs to no layer that adapter_config.json names")));
        }
        Ok(Self { config, pairs })
    }

    /// Takes A and B from the tensors of a file, by the names that PEFT gives them, with or without the adapter's own name
    /// (`….lora_A.default.weight`), after `prefix`: to repeat a run that began elsewhere.
    ///
    /// # Errors
    /// `Format`, if a matrix is missing or has another shape.
    pub fn start_from(&mut self, file: &SafeTensors, prefix: &str) -> Result<()> {
        let refuse = |what: String| Error::format(file.path(), what);
        let matrix = |layer: Layer, which: &str, old: &Tensor| {
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
        for (layer, pair) in &mut self.pairs {
            pair.a = matrix(*layer, "A", &pair.a)?;
            pair.b = matrix(*layer, "B", &pair.b)?;
        }
        Ok(())
    }

    /// Writes `adapter_model.safetensors`, in f32, and `adapter_config.json` as PEFT reads them.
    ///
    /// # Errors
    /// `Io`, if the folder or a file cannot be written; each file appears whole or not at all.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(|e| Error::io("writing", folder, &e))?;
        let named = |(layer, pair): &(Layer, Pair)| {
            let stored = |t: &Tensor| t.detach().to_dtype(DType::F32);
            [("A", &pair.a), ("B", &pair.b)].map(|(which, t)| Ok((format!("{PREFIX}{layer}.lora_{which}.weight"), stored(t)?)))
        };
        let tensors: Vec<(String, Tensor)> = self.pairs.iter().flat_map(named).collect::<Result<_>>()?;
        let listed: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        write_safetensors(folder.join(MATRICES), &listed, &[("format", "pt")])?;
        self.config.write(folder)
    }

    /// The settings.
    pub fn config(&self) -> &LoraConfig {
        &self.config
    }

    /// The adapted layers with their matrices.
    pub fn pairs(&self) -> impl Iterator<Item = (Layer, &Pair)> {
        self.pairs.iter().map(|(layer, pair)| (*layer, pair))
    }

    /// How many numbers it has.
    pub fn parameters(&self) -> usize {
        self.pairs.iter().map(|(_, pair)| pair.a.len() + pair.b.len()).sum()
    }
}
