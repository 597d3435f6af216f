//! `config.json`: the sizes and switches of a LLaMA-family model, checked.

use std::path::Path;

use monotile::{Error, ErrorKind, Result, limits};
use serde_json::{Value, json};

use crate::linear::LinearKind;
use crate::rotary::Rotary;
use monotile_adapters::json::{Fields, write_json};

/// A family of models that this crate computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// LLaMA 1 to 3 and what shares their architecture.
    Llama,
    /// Mistral, with a sliding attention window.
    Mistral,
    /// Qwen2 and 2.5, with biases on queries, keys and values.
    Qwen2,
}

impl Family {
    /// The name in `model_type`.
    pub fn name(self) -> &'static str {
        match self {
            Family::Llama => "llama",
            Family::Mistral => "mistral",
            Family::Qwen2 => "qwen2",
        }
    }

    /// The name in `architectures`.
    pub fn architecture(self) -> &'static str {
        match self {
            Family::Llama => "LlamaForCausalLM",
            Family::Mistral => "MistralForCausalLM",
            Family::Qwen2 => "Qwen2ForCausalLM",
        }
    }

    const ALL: [Family; 3] = [Family::Llama, Family::Mistral, Family::Qwen2];

    /// `model_type` decides; `architectures` must then agree, or decides where there is no `model_type`.
    fn read(fields: &Fields) -> Result<Self> {
        let architectures = fields.texts("architectures")?.unwrap_or_default();
        let named = |name: &str| Self::ALL.into_iter().find(|f| f.architecture() == name).ok_or_else(|| unsupported(fields, name));
        match (fields.text("model_type")?, architectures.first()) {
            (None, None) => Err(fields.refuse("model_type", "is missing")),
            (None, Some(architecture)) => named(architecture),
            (Some(model_type), architecture) => {
                let family =
                    Self::ALL.into_iter().find(|f| f.name() == model_type).ok_or_else(|| unsupported(fields, model_type))?;
                match architecture {
                    Some(other) if other != family.architecture() => Err(unsupported(fields, other)),
                    _ => Ok(family),
                }
            }
        }
    }
}

fn unsupported(fields: &Fields, name: &str) -> Error {
    let message = format!("{}: architecture {name:?} is not supported; llama, mistral and qwen2 are", fields.path().display());
    Error::new(ErrorKind::Unsupported, message)
}

/// Numbers that a model may have: as f64 they still fit what a pointer can reach.
const MOST_NUMBERS: u128 = (isize::MAX / 32) as u128;

/// The sizes and switches of a model, under the names of `config.json`.
///
/// # Example
/// ```
/// let config = monotile_llama::Config { vocab_size: 258, hidden_size: 64, ..Default::default() };
/// assert_eq!(config.head_dim * config.num_attention_heads, 64);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Which family's architecture.
    pub family: Family,
    /// How many tokens there are.
    pub vocab_size: usize,
    /// Numbers a token in the residual stream.
    pub hidden_size: usize,
    /// Numbers a token inside the feed-forward part.
    pub intermediate_size: usize,
    /// How many blocks.
    pub num_hidden_layers: usize,
    /// How many query heads.
    pub num_attention_heads: usize,
    /// How many heads of keys and values; divides `num_attention_heads`.
    pub num_key_value_heads: usize,
    /// Numbers a head; even.
    pub head_dim: usize,
    /// The longest sequence in training.
    pub max_position_embeddings: usize,
    /// What RMSNorm adds to the mean square.
    pub rms_norm_eps: f64,
    /// Whether the output layer is the embedding.
    pub tie_word_embeddings: bool,
    /// Whether a LLaMA's attention layers have biases; Qwen2's always do on queries, keys and values, Mistral's never.
    pub attention_bias: bool,
    /// Whether a LLaMA's feed-forward layers have biases.
    pub mlp_bias: bool,
    /// Rotary position embeddings.
    pub rotary: Rotary,
    /// How many last positions a query sees, where that is limited.
    pub sliding_window: Option<usize>,
    /// The first block whose queries see only that many; those before it see all.
    pub max_window_layers: usize,
    /// The token that begins a text.
    pub bos_token_id: Option<u32>,
    /// The tokens that end one.
    pub eos_token_ids: Vec<u32>,
}

impl Default for Config {
    /// A small LLaMA over bytes with two special tokens.
    fn default() -> Self {
        Self {
            family: Family::Llama,
            vocab_size: 258,
            hidden_size: 64,
            intermediate_size: 176,
            num_hidden_layers: 2,
            num_attention_heads: 4,
            num_key_value_heads: 2,
            head_dim: 16,
            max_position_embeddings: 256,
            rms_norm_eps: 1e-5,
            tie_word_embeddings: false,
            attention_bias: false,
            mlp_bias: false,
            rotary: Rotary::default(),
            sliding_window: None,
            max_window_layers: 0,
            bos_token_id: Some(256),
            eos_token_ids: vec![257],
        }
    }
}

impl Config {
    /// Reads `config.json` of a checkpoint's folder, and `generation_config.json`, where there is one, for the first and last tokens.
    ///
    /// # Errors
    /// `Io` and `Format` for files that cannot be read, `Unsupported` for other architectures, activations, scalings of positions or
    /// quantizations. Each names the file and the field.
    pub fn read(folder: &Path) -> Result<Self> {
        let fields = Fields::read(&folder.join("config.json"))?;
        let mut config = Self::from_fields(&fields)?;
        let generation = folder.join("generation_config.json");
        if generation.exists() {
            let fields = Fields::read(&generation)?;
            if let Some(&bos) = fields.ids("bos_token_id")?.first() {
                config.bos_token_id = Some(bos);
            }
            let eos = fields.ids("eos_token_id")?;
            if !eos.is_empty() {
                config.eos_token_ids = eos;
            }
        }
        Ok(config)
    }

    fn from_fields(fields: &Fields) -> Result<Self> {
        let family = Family::read(fields)?;
        refuse_unsupported(fields)?;
        let hidden_size = fields.count("hidden_size")?;
        let num_attention_heads = fields.count("num_attention_heads")?;
        let num_key_value_heads = fields.optional_count("num_key_value_heads")?.unwrap_or(match family {
            // What transformers takes where the field is absent.
            Family::Llama => num_attention_heads,
            Family::Mistral => 8,
            Family::Qwen2 => 32,
        });
        let head_dim = match fields.optional_count("head_dim")? {
            Some(head_dim) => head_dim,
            None if hidden_size % num_attention_heads == 0 => hidden_size / num_attention_heads,
            None => {
                let what = format!("is {hidden_size}, which {num_attention_heads} heads (num_attention_heads) do not divide");
                return Err(fields.refuse("hidden_size", what));
            }
        };
        let llama_flag = |name| Ok::<_, Error>(family == Family::Llama && fields.flag(name, false)?);
        let config = Self {
            family,
            vocab_size: fields.count("vocab_size")?,
            hidden_size,
            intermediate_size: fields.count("intermediate_size")?,
            num_hidden_layers: fields.count("num_hidden_layers")?,
            num_attention_heads,
            num_key_value_heads,
            head_dim,
            max_position_embeddings: fields.count("max_position_embeddings")?,
            rms_norm_eps: fields.optional_positive("rms_norm_eps")?.unwrap_or(1e-6),
            tie_word_embeddings: fields.flag("tie_word_embeddings", false)?,
            attention_bias: llama_flag("attention_bias")?,
            mlp_bias: llama_flag("mlp_bias")?,
            rotary: Rotary::read(fields)?,
            sliding_window: sliding_window(family, fields)?,
            max_window_layers: max_window_layers(family, fields)?,
            bos_token_id: fields.ids("bos_token_id")?.first().copied(),
            eos_token_ids: fields.ids("eos_token_id")?,
        };
        config.check().map_err(|e| e.with_context(fields.path().display()))?;
        Ok(config)
    }

    /// Checks that the sizes fit each other.
    ///
    /// # Errors
    /// `Value`, naming the sizes that do not.
    pub fn check(&self) -> Result<()> {
        let (heads, groups) = (self.num_attention_heads, self.num_key_value_heads);
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", heads),
            ("num_key_value_heads", groups),
            ("head_dim", self.head_dim),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        if let Some((name, size)) = sizes.into_iter().find(|&(_, size)| size == 0 || size > 0x7fff_ffff) {
            return Err(Error::value(format!("{name} must be from 1 to 2147483647, got {size}")));
        }
        limits::BLOCKS.admit("num_hidden_layers", self.num_hidden_layers as u64)?;
        // The shapes of matrices are products of two sizes, of which heads have one more.
        let wide = heads.checked_mul(self.head_dim).is_none_or(|width| width > 0x7fff_ffff);
        if wide {
            let head_dim = self.head_dim;
            return Err(Error::value(format!(
                "{heads} heads of head_dim {head_dim} are wider than the 2147483647 that a matrix may be"
            )));
        }
        let numbers = self.parameters_wide();
        if numbers > MOST_NUMBERS {
            return Err(Error::value(format!("the sizes make a model of {numbers} numbers, more than memory can address")));
        }
        if !heads.is_multiple_of(groups) {
            return Err(Error::value(format!(
                "num_key_value_heads {groups} does not divide num_attention_heads {heads}, so heads cannot share keys"
            )));
        }
        if !self.head_dim.is_multiple_of(2) {
            return Err(Error::value(format!("head_dim {} is odd; rotary embeddings rotate pairs", self.head_dim)));
        }
        if !(self.rms_norm_eps > 0.0 && self.rms_norm_eps.is_finite()) {
            return Err(Error::value(format!("rms_norm_eps must be above 0, got {}", self.rms_norm_eps)));
        }
        Ok(())
    }

    /// Whether a linear layer adds a bias.
    pub fn has_bias(&self, linear: LinearKind) -> bool {
        use LinearKind::{Down, Gate, Head, K, O, Q, Up, V};
        match (self.family, linear) {
            (_, Head) | (Family::Mistral, _) => false,
            (Family::Qwen2, linear) => matches!(linear, Q | K | V),
            (Family::Llama, Q | K | V | O) => self.attention_bias,
            (Family::Llama, Gate | Up | Down) => self.mlp_bias,
        }
    }

    /// The sizes of a linear layer's weight: what it gives, then what it takes.
    pub fn shape(&self, linear: LinearKind) -> [usize; 2] {
        let (hidden, inner) = (self.hidden_size, self.intermediate_size);
        let (queries, keys) = (self.num_attention_heads * self.head_dim, self.num_key_value_heads * self.head_dim);
        match linear {
            LinearKind::Q => [queries, hidden],
            LinearKind::K | LinearKind::V => [keys, hidden],
            LinearKind::O => [hidden, queries],
            LinearKind::Gate | LinearKind::Up => [inner, hidden],
            LinearKind::Down => [hidden, inner],
            LinearKind::Head => [self.vocab_size, hidden],
        }
    }

    /// The longest sequence that the model computes as it was trained.
    pub fn context(&self) -> usize {
        self.max_position_embeddings
    }

    /// How many last positions a block's queries see; `None`, if all of them.
    pub fn window(&self, block: usize) -> Option<usize> {
        self.sliding_window.filter(|_| block >= self.max_window_layers)
    }

    /// Writes `config.json` and `generation_config.json` as transformers reads them; `dtype` is that of the weights beside.
    ///
    /// # Errors
    /// `Io`, if the files cannot be written.
    pub fn write(&self, folder: &Path, dtype: &str) -> Result<()> {
        let eos = match self.eos_token_ids.as_slice() {
            [] => Value::Null,
            [one] => json!(one),
            many => json!(many),
        };
        let mut config = json!({
            "architectures": [self.family.architecture()],
            "model_type": self.family.name(),
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "max_position_embeddings": self.max_position_embeddings,
            "rms_norm_eps": self.rms_norm_eps,
            "tie_word_embeddings": self.tie_word_embeddings,
            "attention_dropout": 0.0,
            "rope_theta": self.rotary.theta,
            "rope_scaling": self.rotary.scaling_json(),
            "bos_token_id": self.bos_token_id,
            "eos_token_id": eos,
            "torch_dtype": dtype,
            "use_cache": true,
        });
        match self.family {
            Family::Llama => {
                config["attention_bias"] = json!(self.attention_bias);
                config["mlp_bias"] = json!(self.mlp_bias);
            }
            Family::Mistral => config["sliding_window"] = json!(self.sliding_window),
            Family::Qwen2 => {
                config["use_sliding_window"] = json!(self.sliding_window.is_some());
                config["sliding_window"] = json!(self.sliding_window);
                config["max_window_layers"] = json!(self.max_window_layers);
            }
        }
        write_json(&folder.join("config.json"), &config)?;
        let generation = json!({ "bos_token_id": self.bos_token_id, "eos_token_id": eos });
        write_json(&folder.join("generation_config.json"), &generation)
    }
}

fn sliding_window(family: Family, fields: &Fields) -> Result<Option<usize>> {
    match family {
        Family::Llama => Ok(None),
        // Mistral's first configurations leave the field out and mean 4096; null means no window.
        Family::Mistral if !fields.keys().any(|key| key == "sliding_window") => Ok(Some(4096)),
        Family::Mistral => fields.optional_count("sliding_window"),
        Family::Qwen2 if fields.flag("use_sliding_window", false)? => fields.optional_count("sliding_window"),
        Family::Qwen2 => Ok(None),
    }
}

/// Blocks before this one have no window: Qwen2 says where, 28 unless told, and Mistral has it everywhere.
fn max_window_layers(family: Family, fields: &Fields) -> Result<usize> {
    match (family, fields.get("max_window_layers")) {
        (Family::Llama | Family::Mistral, _) => Ok(0),
        (Family::Qwen2, None) => Ok(28),
        (Family::Qwen2, Some(value)) => {
            let count = value.as_u64().and_then(|n| u32::try_from(n).ok()?.try_into().ok());
            count.ok_or_else(|| fields.refuse("max_window_layers", format!("must be a whole number, got {value}")))
        }
    }
}

fn refuse_unsupported(fields: &Fields) -> Result<()> {
    let refuse = |what: String| Err(Error::new(ErrorKind::Unsupported, format!("{}: {what}", fields.path().display())));
    let activation = fields.text("hidden_act")?.unwrap_or("silu");
    if activation != "silu" {
        return refuse(format!("hidden_act {activation:?} is not supported; silu is"));
    }
    if fields.get("quantization_config").is_some() {
        return refuse("quantization_config: quantized weights are not supported; f64, f32, f16 and bf16 are".into());
    }
    match fields.get("partial_rotary_factor").map(Value::as_f64) {
        None | Some(Some(1.0)) => Ok(()),
        _ => refuse("partial_rotary_factor must be 1: rotary embeddings here rotate whole heads".into()),
    }
}

#[cfg(test)]
mod tests;
