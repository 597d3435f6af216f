//! The transformer: tokens in, logits out.

mod adapters;

use std::path::Path;
use std::sync::Arc;

use monotile::io::write_safetensors;
use monotile::ops::{CrossEntropyOptions, cross_entropy, embedding, rms_norm};
use monotile::{DType, Device, Error, Result, Rng, Tensor};
use monotile_adapters::LoraConfig;
use monotile_adapters::weights::{EMBEDDING, HEAD, WEIGHTS, Weights};

use crate::block::{ForwardContext, LinearWeights, TransformerBlock};
use crate::cache::KvCache;
use crate::config::Config;
use crate::data::Batch;
use crate::linear::{LinearKind, LinearLayer};
use crate::rotary::RotaryTables;

/// The standard deviation that weights start from.
const START_DEVIATION: f64 = 0.02;

/// A LLaMA-family model: RMSNorm, rotary positions, grouped queries, SwiGLU.
///
/// # Source
/// Touvron et al. (2023), LLaMA; Zhang and Sennrich (2019), RMSNorm; Ainslie et al. (2023), grouped queries; Shazeer (2020), SwiGLU.
///
/// # Example
/// ```
/// use monotile_llama::{Config, Model};
/// let model = Model::random(Config::default(), 1)?;
/// let logits = model.logits(&Model::token_tensor(&[&[72, 105]])?)?;
/// assert_eq!(logits.shape(), [1, 2, 258]);
/// # Ok::<(), monotile::Error>(())
/// ```
pub struct Model {
    /// Shared with every pass through the blocks.
    config: Arc<Config>,
    rotary: RotaryTables,
    embedding: Tensor,
    blocks: Vec<TransformerBlock>,
    norm: Tensor,
    head: LinearWeights,
    /// The settings of the attached adapter.
    lora: Option<LoraConfig>,
    compute: DType,
    checkpointing: bool,
    /// Where the weights are.
    device: Device,
}

/// Which of a model's numbers are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrainableParameters {
    /// All of them.
    Everything,
    /// The attached adapter's A and B.
    Adapter,
}

impl Model {
    /// Reads `config.json` and the weights of a checkpoint's folder, which stay in their mapped files. A model whose weights are in f64
    /// computes in f64, others in f32.
    ///
    /// # Errors
    /// As [`Config::read`] and [`Weights::open`]; `Format` for tensors that are missing or do not have the shape that the configuration
    /// asks for.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut config = Config::read(folder)?;
        let weights = Weights::open(folder)?;
        // A head of the file's own that differs from the embedding is none that is tied to it, whatever the configuration says.
        config.tie_word_embeddings &= !weights.contains(HEAD) || weights.are_identical(HEAD, EMBEDDING);
        let model = Self::build(config, |name, shape| weights.tensor(name, shape))?;
        let compute = if model.embedding.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        Ok(Self { compute, ..model })
    }

    /// A model to train from scratch: weights drawn from N(0, 0.02²), norms 1, biases 0.
    ///
    /// # Errors
    /// As [`Config::check`].
    pub fn random(config: Config, seed: u64) -> Result<Self> {
        let mut rng = Rng::new(seed);
        Self::build(config, |name, shape| match shape {
            [_] if name.ends_with(".bias") => Tensor::zeros(shape, DType::F32),
            [_] => Tensor::ones(shape, DType::F32),
            _ => rng.normal(shape, DType::F32)?.mul_scalar(START_DEVIATION),
        })
    }

    /// Makes a model out of tensors asked for by name and shape.
    fn build(config: Config, mut get: impl FnMut(&str, &[usize]) -> Result<Tensor>) -> Result<Self> {
        config.check()?;
        let embedding = get(EMBEDDING, &config.shape(LinearKind::Head))?;
        let blocks =
            (0..config.num_hidden_layers).map(|index| TransformerBlock::build(&config, index, &mut get)).collect::<Result<_>>()?;
        let norm = get("model.norm.weight", &[config.hidden_size])?;
        let head = match config.tie_word_embeddings {
            true => embedding.clone(),
            false => get(HEAD, &config.shape(LinearKind::Head))?,
        };
        let head = LinearWeights { weight: head, bias: None, lora: None };
        let rotary = RotaryTables::new(&config);
        Ok(Self {
            config: Arc::new(config),
            rotary,
            embedding,
            blocks,
            norm,
            head,
            lora: None,
            compute: DType::F32,
            checkpointing: false,
            device: Device::cpu(),
        })
    }

    /// The same model computing in this dtype, f32 (as it does unless told) or f64, whatever its weights are stored in.
    ///
    /// # Errors
    /// `Dtype` for another one.
    pub fn with_compute_dtype(mut self, dtype: DType) -> Result<Self> {
        if !matches!(dtype, DType::F32 | DType::F64) {
            return Err(Error::dtype(format!("model: computing in {dtype} is not possible; f32 and f64 are")));
        }
        self.compute = dtype;
        if dtype == DType::F32 {
            // Products of f32 and f64 are in f64, so weights of that type are rounded.
            let parameters = self.parameters(TrainableParameters::Everything).into_iter().map(|(_, tensor)| tensor.clone());
            let single = |tensor: Tensor| if tensor.dtype() == DType::F64 { tensor.to_dtype(DType::F32) } else { Ok(tensor) };
            let rounded = parameters.map(single).collect::<Result<_>>()?;
            self.replace_parameters(TrainableParameters::Everything, rounded);
        }
        Ok(self)
    }

    /// The same model on a device: its weights and its adapter move there, and what it computes from now on is computed there.
    ///
    /// Weights in bf16 and f16 are uploaded as they lie in their files. A cache that was made before is of the other device.
    ///
    /// # Errors
    /// If the device has no memory for the weights, or does not compute in the model's type: a GPU has no f64.
    ///
    /// # Example
    /// ```
    /// use monotile::Device;
    /// use monotile_llama::{Config, Model};
    /// let model = Model::random(Config::default(), 1)?.to(&Device::open("auto")?)?;
    /// assert_eq!(model.logits(&Model::token_tensor(&[&[72, 105]])?)?.shape(), [1, 2, 258]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    pub fn to(mut self, device: &Device) -> Result<Self> {
        if self.compute == DType::F64 && !device.is_cpu() {
            return Err(Error::dtype(format!("model: {} does not compute in f64; compute in f32", device.name())));
        }
        for which in [TrainableParameters::Everything, TrainableParameters::Adapter] {
            let moved = self.parameters(which).into_iter().map(|(_, tensor)| tensor.to(device)).collect::<Result<_>>()?;
            self.replace_parameters(which, moved);
        }
        let initial = self.initial_factors().map(|(_, factors)| Ok([factors.a.to(device)?, factors.b.to(device)?]));
        let initial = initial.collect::<Result<_>>()?;
        self.replace_initial_factors(initial);
        // A head that was merged with an adapter differs from the embedding, which listed parameters tell by the configuration.
        self.head.weight = self.head.weight.to(device)?;
        self.device = device.clone();
        Ok(self)
    }

    /// Where the model computes.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The dtype that the model computes in.
    pub fn compute_dtype(&self) -> DType {
        self.compute
    }

    /// The same model, that keeps nothing of a block for the gradients but what goes in, and computes the block again in the walk
    /// backward: the same numbers in less memory, for a third more time.
    #[must_use]
    pub fn with_checkpointing(mut self, on: bool) -> Self {
        self.checkpointing = on;
        self
    }

    /// The sizes and switches.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Rows of tokens, all of one length, as the tensor `(rows, length)` that the model reads.
    ///
    /// # Errors
    /// `Shape`, if rows differ in length.
    pub fn token_tensor(rows: &[&[u32]]) -> Result<Tensor> {
        let length = rows.first().map_or(0, |row| row.len());
        if let Some(odd) = rows.iter().find(|row| row.len() != length) {
            return Err(Error::shape(format!("tokens: rows of {length} and of {} tokens in one batch", odd.len())));
        }
        let ids = rows.iter().flat_map(|row| row.iter().map(|&id| i64::from(id))).collect();
        Tensor::from_vec::<i64>(ids, &[rows.len(), length])
    }

    /// A cache for generation.
    pub fn cache(&self) -> KvCache {
        KvCache::new(self.blocks.len())
    }

    /// The logits of every position, `(batch, tokens, vocabulary)`, of tokens `(batch, tokens)`.
    ///
    /// # Errors
    /// `Value`, if there are more tokens than the context holds or one is beyond the vocabulary.
    pub fn logits(&self, tokens: &Tensor) -> Result<Tensor> {
        self.head.apply(&self.hidden(tokens, &[], None, None)?, &mut None)
    }

    /// The logits of the last position, `(batch, vocabulary)`, after tokens `(batch, tokens)` that follow those in the cache.
    ///
    /// # Errors
    /// As [`logits`](Model::logits).
    pub fn next_logits(&self, tokens: &Tensor, cache: &mut KvCache) -> Result<Tensor> {
        let hidden = self.hidden(tokens, &[], Some(cache), None)?;
        self.head.apply(&hidden.select(1, hidden.dim(1) - 1)?, &mut None)
    }

    /// The mean cross-entropy of predicting each token from those before it, of rows `(batch, tokens)`; `dropout` is where an adapter's
    /// dropout draws from.
    ///
    /// # Errors
    /// As [`logits`](Model::logits); `Shape` for rows of fewer than two tokens.
    pub fn loss(&self, tokens: &Tensor, dropout: Option<Rng>) -> Result<Tensor> {
        self.batch_loss(&Batch::from_tokens(tokens)?, dropout)
    }

    /// The mean cross-entropy of predicting each token of a batch that is learned from those before it in its text.
    ///
    /// # Errors
    /// As [`logits`](Model::logits), of each text.
    pub fn batch_loss(&self, batch: &Batch, mut dropout: Option<Rng>) -> Result<Tensor> {
        let hidden = self.hidden(&batch.tokens, &batch.lengths, None, dropout.as_ref())?.flatten(0, 1)?;
        // Logits are made where they are asked for only.
        let hidden = match &batch.places {
            None => hidden,
            Some(places) => hidden.index_select(0, &places.to(&self.device)?)?,
        };
        let targets = batch.targets.to(&self.device)?;
        cross_entropy(&self.head.apply(&hidden, &mut dropout)?, &targets, &CrossEntropyOptions::default())
    }

    /// The normalized residual stream after the last block, `(batch, tokens, hidden)`; `lengths` are those of texts that lie one after
    /// another in a row, if there are several.
    fn hidden(&self, tokens: &Tensor, lengths: &[usize], mut cache: Option<&mut KvCache>, dropout: Option<&Rng>) -> Result<Tensor> {
        let [_, count] = *tokens.shape() else {
            return Err(Error::shape(format!("model: tokens must be (batch, tokens), got {:?}", tokens.shape())));
        };
        let start = cache.as_ref().map_or(0, |cache| cache.length);
        let context = self.config.context();
        let whole = [count];
        let texts = if lengths.is_empty() { &whole[..] } else { lengths };
        if let Some(text) = texts.iter().find(|&&text| text == 0 || start + text > context) {
            return Err(Error::value(format!("model: {} tokens do not fit the context; 1 to {context} do", start + text)));
        }
        let mut pass = ForwardContext {
            config: Arc::clone(&self.config),
            cos_sin: self.rotary.at_positions(start, texts, &self.device)?,
            block: 0,
            lengths: lengths.into(),
            dropout: None,
        };
        let mut x = embedding(&self.embedding, &tokens.to(&self.device)?)?.to_dtype(self.compute)?;
        for (index, block) in self.blocks.iter().enumerate() {
            // A stream of its own, so that a block that is computed again draws the same.
            pass.dropout = dropout.map(|rng| rng.fork(index as u64));
            pass.block = index;
            x = match &mut cache {
                Some(cache) => block.apply(&x, &mut pass, Some(&mut cache.blocks[index]))?,
                None if self.checkpointing => block.apply_checkpointed(&x, &pass)?,
                None => block.apply(&x, &mut pass, None)?,
            };
        }
        if let Some(cache) = cache {
            cache.length += count;
        }
        rms_norm(&x, &self.norm, self.config.rms_norm_eps)
    }

    /// The weight of a linear layer, `(rows, columns)`.
    pub fn weight(&self, layer: LinearLayer) -> &Tensor {
        &self.linear_layer(layer).weight
    }

    fn linear_layer(&self, layer: LinearLayer) -> &LinearWeights {
        layer.index().map_or(&self.head, |index| self.blocks[index].linear_layer(layer.kind()))
    }

    fn dense_mut(&mut self, layer: LinearLayer) -> &mut LinearWeights {
        match layer.index() {
            Some(index) => &mut self.blocks[index].linear[layer.kind() as usize],
            None => &mut self.head,
        }
    }

    /// The tensors of the model, or of its adapter, by name, always in the same order.
    pub fn parameters(&self, which: TrainableParameters) -> Vec<(String, &Tensor)> {
        let mut found = Vec::new();
        if which == TrainableParameters::Adapter {
            for (layer, lora) in self.adapter_layers() {
                found.push((format!("{layer}.lora_A.weight"), &lora.factors.a));
                found.push((format!("{layer}.lora_B.weight"), &lora.factors.b));
            }
            return found;
        }
        found.push((EMBEDDING.to_string(), &self.embedding));
        for (index, block) in self.blocks.iter().enumerate() {
            found.push((format!("model.layers.{index}.input_layernorm.weight"), &block.input_norm));
            found.push((format!("model.layers.{index}.post_attention_layernorm.weight"), &block.attention_norm));
            for linear in LinearKind::BLOCK {
                let dense = block.linear_layer(linear);
                let layer = LinearLayer::block(index, linear);
                found.push((format!("{layer}.weight"), &dense.weight));
                found.extend(dense.bias.iter().map(|bias| (format!("{layer}.bias"), bias)));
            }
        }
        found.push(("model.norm.weight".to_string(), &self.norm));
        if !self.config.tie_word_embeddings {
            found.push((HEAD.to_string(), &self.head.weight));
        }
        found
    }

    /// Takes out the tensors that [`parameters`](Model::parameters) lists and puts these in their places, in its order.
    ///
    /// # Panics
    /// If there are more or fewer of them.
    pub(crate) fn replace_parameters(&mut self, which: TrainableParameters, values: Vec<Tensor>) -> Vec<Tensor> {
        let mut places: Vec<&mut Tensor> = Vec::new();
        if which == TrainableParameters::Adapter {
            let dense = self.blocks.iter_mut().flat_map(|block| &mut block.linear).chain([&mut self.head]);
            let factors = dense.filter_map(|dense| Some(&mut dense.lora.as_mut()?.factors));
            places.extend(factors.flat_map(|factors| [&mut factors.a, &mut factors.b]));
        } else {
            places.push(&mut self.embedding);
            for block in &mut self.blocks {
                places.extend([&mut block.input_norm, &mut block.attention_norm]);
                for dense in &mut block.linear {
                    places.push(&mut dense.weight);
                    places.extend(&mut dense.bias);
                }
            }
            places.push(&mut self.norm);
            if !self.config.tie_word_embeddings {
                places.push(&mut self.head.weight);
            }
        }
        assert_eq!(places.len(), values.len(), "as many tensors as parameters() lists");
        let taken = places.into_iter().zip(values).map(|(place, value)| std::mem::replace(place, value)).collect();
        if self.config.tie_word_embeddings {
            self.head.weight = self.embedding.clone();
        }
        taken
    }

    /// Writes `config.json`, `generation_config.json` and `model.safetensors` as transformers reads them, in this dtype.
    ///
    /// # Errors
    /// `Io`, if the folder or a file cannot be written; each file appears whole or not at all.
    pub fn write(&self, folder: &Path, dtype: DType) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(|e| Error::io("writing", folder, &e))?;
        let name = match dtype {
            DType::BF16 => "bfloat16",
            DType::F16 => "float16",
            DType::F64 => "float64",
            _ => "float32",
        };
        let stored: Vec<(String, Tensor)> = self
            .parameters(TrainableParameters::Everything)
            .into_iter()
            .map(|(name, tensor)| Ok((name, tensor.detach().to_dtype(dtype)?)))
            .collect::<Result<_>>()?;
        let listed: Vec<(&str, &Tensor)> = stored.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        write_safetensors(folder.join(WEIGHTS), &listed, &[("format", "pt")])?;
        self.config.write(folder, name)
    }
}
