//! An adapter on a model: begun, attached, written, merged.

use std::path::Path;
use std::sync::Arc;

use monotile::io::SafeTensors;
use monotile::{DType, Error, ErrorKind, Result, Rng, Tensor};
use monotile_adapters::{Adapter, Delta, LoraConfig, LowRankFactors, peft_name};

use super::Model;
use crate::linear::LinearLayer;
use crate::lora::{AdaptedLayer, LoraInit, LoraLayer, with_doubled_rank};

impl Model {
    /// Puts a new adapter on top of the weights, in place of the one that is there. It is there to be trained, and changes nothing yet.
    ///
    /// # Errors
    /// As [`Config::adapted_layers`](crate::Config::adapted_layers); `Value`, for an orthogonal start of odd rank. The model then keeps
    /// what it has.
    ///
    /// # Cost
    /// PiSSA: ten products of each weight with 2 · rank columns, or all its singular values. OLoRA: one product with `rank` columns.
    /// A weight that is not in f32 is widened for as long as it is worked on.
    ///
    /// # Example
    /// ```
    /// use monotile_llama::{Config, Model, lora::{LoraConfig, LoraInit}};
    /// let mut model = Model::random(Config::default(), 1)?;
    /// let tokens = Model::token_tensor(&[&[72, 105]])?;
    /// let before = model.logits(&tokens)?.to_vec::<f32>()?;
    /// model.add_adapter(LoraConfig::default(), LoraInit::Pissa { exact: false }, 1)?;
    /// assert_eq!(model.logits(&tokens)?.to_vec::<f32>()?, before);
    /// // The start is subtracted, so the adapter that is written has twice the rank.
    /// assert_eq!(model.adapter()?.parameters(), 2 * (16 * (64 + 64) + 16 * (64 + 32)));
    /// # Ok::<(), monotile::Error>(())
    /// ```
    pub fn add_adapter(&mut self, config: LoraConfig, start: LoraInit, seed: u64) -> Result<()> {
        let mut rng = Rng::new(seed);
        let mut begun = |adapted: AdaptedLayer| {
            let factors = start.factors(adapted, self.weight(adapted.layer), &mut rng)?;
            let initial = start.needs_base_weight().then(|| factors.clone());
            Ok((adapted.layer, LoraLayer { factors, dropout: config.dropout, initial }))
        };
        let adapted = self.config.adapted_layers(&config)?;
        let layers = adapted.into_iter().map(&mut begun).collect::<Result<Vec<_>>>()?;
        self.place(config, layers)
    }

    /// Puts an adapter on top of the weights, in place of the one that is there.
    ///
    /// # Errors
    /// As [`Config::adapted_layers`](crate::Config::adapted_layers); `Unsupported`, if it holds whole modules; `Format` and `Shape`, if a
    /// matrix is missing, has another shape, or belongs to a layer that the settings do not name. The model then has none.
    pub fn attach(&mut self, adapter: &Adapter) -> Result<()> {
        self.detach();
        let layers = self.fit(adapter)?;
        self.place(adapter.config().clone(), layers)
    }

    fn place(&mut self, config: LoraConfig, mut layers: Vec<(LinearLayer, LoraLayer)>) -> Result<()> {
        for (_, lora) in &mut layers {
            for factors in [&mut lora.factors].into_iter().chain(&mut lora.initial) {
                (factors.a, factors.b) = (factors.a.to(&self.device)?, factors.b.to(&self.device)?);
            }
        }
        self.detach();
        layers.into_iter().for_each(|(layer, lora)| self.dense_mut(layer).lora = Some(lora));
        self.lora = Some(config);
        Ok(())
    }

    /// The layers of an adapter, which must be those that its settings name in this model.
    fn fit(&self, adapter: &Adapter) -> Result<Vec<(LinearLayer, LoraLayer)>> {
        let (config, source, path) = (adapter.config(), adapter.source(), adapter.matrices_path());
        let made_here = source.as_os_str().is_empty();
        let named = |e: Error| if made_here { e } else { e.with_context(source.display()) };
        if !config.modules_to_save.is_empty() {
            let saved = config.modules_to_save.join(", ");
            let what = format!("the adapter holds whole modules ({saved}), which only merging applies: monotile lora merge");
            return Err(named(Error::new(ErrorKind::Unsupported, what)));
        }
        let adapted = self.config.adapted_layers_of_any_rank(config).map_err(named)?;
        let lora = |&AdaptedLayer { layer, rank, .. }: &AdaptedLayer| {
            let name = |which: &str| peft_name(&format!("{layer}.lora_{which}.weight"));
            let Some(Delta { factors, embedding: false }) = adapter.module(&layer.to_string()) else {
                return Err(Error::format(&path, format!("tensor {:?} is missing", name("A"))));
            };
            let [rows, columns] = self.config.shape(layer.kind());
            let (a, b) = (factors.a.shape(), factors.b.shape());
            for (which, found, wanted) in [("A", a, [rank, columns]), ("B", b, [rows, rank])] {
                if found == wanted {
                    continue;
                }
                if made_here {
                    return Err(Error::shape(format!("attach: A {a:?} and B {b:?} do not fit {layer}, {rows} by {columns}")));
                }
                let name = name(which);
                let what = format!("tensor {name:?} has shape {found:?}, the model's layer needs {wanted:?}");
                return Err(Error::format(&path, what));
            }
            let [a, b] = [&factors.a, &factors.b].map(|t| t.to_dtype(DType::F32));
            let factors = LowRankFactors::new(a?, b?, factors.scaling);
            Ok((layer, LoraLayer { factors, dropout: config.dropout, initial: None }))
        };
        let layers: Vec<(LinearLayer, LoraLayer)> = adapted.iter().map(lora).collect::<Result<_>>()?;
        let known: Vec<String> = layers.iter().map(|(layer, _)| layer.to_string()).collect();
        let strays = adapter.modules().iter().filter(|(module, _)| !known.contains(module));
        let factor = |(module, delta): &(String, Delta)| {
            format!("{module}.{}", if delta.embedding { "lora_embedding_A" } else { "lora_A.weight" })
        };
        if let Some(stray) = strays.map(factor).chain(adapter.whole_tensors().keys().cloned()).next() {
            let what = format!("tensor {:?} belongs to no layer that adapter_config.json names", peft_name(&stray));
            return Err(Error::format(&path, what));
        }
        Ok(layers)
    }

    /// Takes the adapter away.
    pub fn detach(&mut self) {
        LinearLayer::all(self.blocks.len()).for_each(|layer| self.dense_mut(layer).lora = None);
        self.lora = None;
    }

    /// Adds the attached adapter's ΔW to the weights, in f32, and takes it away.
    ///
    /// # Errors
    /// None that an attached adapter can cause.
    ///
    /// # Cost
    /// Each adapted weight is copied to f32.
    pub fn merge(&mut self) -> Result<()> {
        for layer in LinearLayer::all(self.blocks.len()) {
            let dense = self.dense_mut(layer);
            if let Some(lora) = dense.lora.take() {
                dense.weight = lora.merge_into(&dense.weight)?;
                // An output layer that differs from the embedding is no longer tied to it.
                if layer == LinearLayer::HEAD {
                    Arc::make_mut(&mut self.config).tie_word_embeddings = false;
                }
            }
        }
        self.lora = None;
        Ok(())
    }

    /// The attached adapter, as it is now.
    ///
    /// One that began with a part of the weights, by PiSSA or OLoRA, has twice the rank here, and is used on the weights as they are:
    /// ΔW = s (B A − B₀ A₀) = s \[B, −B₀\] \[A; A₀\].
    ///
    /// # Errors
    /// `Value`, if there is none.
    pub fn adapter(&self) -> Result<Adapter> {
        let config = self.lora_config()?;
        let twice = self.adapter_layers().any(|(_, lora)| lora.initial.is_some());
        let config = if twice { with_doubled_rank(config) } else { config.clone() };
        self.adapter_of(config, LoraLayer::detached)
    }

    /// Writes the attached adapter's A and B as they are, and names in `adapter_config.json` the start that made them.
    ///
    /// PEFT takes B₀ A₀ of a start by PiSSA or OLoRA off the weights when it loads the folder, by computing it again: so the start must be
    /// exact.
    ///
    /// # Errors
    /// `Value`, if there is none; `Io`, if the folder or a file cannot be written.
    pub fn write_initial_adapter(&self, folder: &Path, start: LoraInit) -> Result<()> {
        let adapter = self.adapter_of(self.lora_config()?.clone(), |lora| Ok(lora.factors.clone()))?;
        adapter.write_initial(folder, DType::F32, &start.json())
    }

    fn adapter_of(&self, config: LoraConfig, factors: impl Fn(&LoraLayer) -> Result<LowRankFactors>) -> Result<Adapter> {
        let delta =
            |(layer, lora): (LinearLayer, &LoraLayer)| Ok((layer.to_string(), Delta { factors: factors(lora)?, embedding: false }));
        Ok(Adapter::from_config(config, self.adapter_layers().map(delta).collect::<Result<_>>()?))
    }

    fn lora_config(&self) -> Result<&LoraConfig> {
        self.lora.as_ref().ok_or_else(|| Error::value("model: no adapter is attached"))
    }

    /// Takes A and B of the attached adapter from the tensors of a file, by the names that PEFT gives them, with or without the adapter's
    /// own name (`….lora_A.default.weight`), after `prefix`: to repeat a run that began elsewhere. Nothing is subtracted from them.
    ///
    /// # Errors
    /// `Format`, if a matrix is missing or has another shape.
    pub fn read_adapter_factors(&mut self, file: &SafeTensors, prefix: &str) -> Result<()> {
        let refuse = |what: String| Error::format(file.path(), what);
        let matrix = |layer: LinearLayer, which: &str, old: &Tensor| {
            let stem = format!("{prefix}{}", peft_name(&format!("{layer}.lora_{which}")));
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
        for layer in LinearLayer::all(self.blocks.len()) {
            if let Some(lora) = &mut self.dense_mut(layer).lora {
                lora.factors.a = matrix(layer, "A", &lora.factors.a)?.to(&lora.factors.a.device())?;
                lora.factors.b = matrix(layer, "B", &lora.factors.b)?.to(&lora.factors.b.device())?;
                lora.initial = None;
            }
        }
        Ok(())
    }

    /// The attached adapter's layers.
    pub(crate) fn adapter_layers(&self) -> impl Iterator<Item = (LinearLayer, &LoraLayer)> {
        LinearLayer::all(self.blocks.len()).filter_map(|layer| Some((layer, self.linear_layer(layer).lora.as_ref()?)))
    }

    /// The factors that the attached adapter subtracts, with their layers.
    pub(crate) fn initial_factors(&self) -> impl Iterator<Item = (LinearLayer, &LowRankFactors)> {
        self.adapter_layers().filter_map(|(layer, lora)| Some((layer, lora.initial.as_ref()?)))
    }

    /// Puts others in the places of the factors that [`initial_factors`](Model::initial_factors) lists, in its order.
    pub(crate) fn replace_initial_factors(&mut self, starts: Vec<[Tensor; 2]>) {
        let dense = self.blocks.iter_mut().flat_map(|block| &mut block.linear).chain([&mut self.head]);
        let initial = dense.filter_map(|dense| dense.lora.as_mut()?.initial.as_mut());
        for (initial, [a, b]) in initial.zip(starts) {
            (initial.a, initial.b) = (a, b);
        }
    }
}
