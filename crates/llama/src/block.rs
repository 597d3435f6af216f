//! One block: attention and a gated feed-forward part, each on a normalized residual stream.

use std::sync::Arc;

use monotile::attention::rotary;
use monotile::ops::{linear, rms_norm, swiglu};
use monotile::tape::checkpoint;
use monotile::{Result, Rng, Tensor};

use crate::cache::BlockKvCache;
use crate::config::Config;
use crate::linear::{LinearKind, LinearLayer};
use crate::lora::LoraLayer;
use crate::window::causal;

/// A linear layer, y = x Wᵀ + bias, with ΔW on top where an adapter is attached.
#[derive(Clone)]
pub(crate) struct LinearWeights {
    /// `(rows, columns)`: what it gives, what it takes.
    pub weight: Tensor,
    pub bias: Option<Tensor>,
    pub lora: Option<LoraLayer>,
}

impl LinearWeights {
    /// y = x Wᵀ + bias + scaling · (dropout(x) Aᵀ) Bᵀ − scaling · (x A₀ᵀ) B₀ᵀ: ΔW itself is never formed.
    pub fn apply(&self, x: &Tensor, dropout: &mut Option<Rng>) -> Result<Tensor> {
        let y = linear(x, &self.weight, self.bias.as_ref())?;
        match &self.lora {
            Some(lora) => y.add(&lora.apply(x, dropout)?),
            None => Ok(y),
        }
    }
}

/// What a pass through the blocks shares.
#[derive(Clone)]
pub(crate) struct ForwardContext {
    pub config: Arc<Config>,
    /// cos and sin of every position's angles, `(tokens, head_dim / 2)`.
    pub cos_sin: [Tensor; 2],
    /// The block's number, which decides whether its queries see all tokens before them.
    pub block: usize,
    /// How many tokens each text has where several lie one after another in a row, as [`Batch`](crate::data::Batch) says.
    pub lengths: Arc<[usize]>,
    /// Where adapters' dropout draws from, a stream for each block; `None` when not training.
    pub dropout: Option<Rng>,
}

#[derive(Clone)]
pub(crate) struct TransformerBlock {
    pub input_norm: Tensor,
    pub attention_norm: Tensor,
    /// In the order of [`LinearKind::BLOCK`].
    pub linear: [LinearWeights; 7],
}

impl TransformerBlock {
    /// Makes a block out of tensors asked for by name and shape.
    pub fn build(config: &Config, index: usize, get: &mut impl FnMut(&str, &[usize]) -> Result<Tensor>) -> Result<Self> {
        let norm = |which: &str| format!("model.layers.{index}.{which}.weight");
        let mut dense = Vec::new();
        for linear in LinearKind::BLOCK {
            let layer = LinearLayer::block(index, linear);
            let shape = config.shape(linear);
            let weight = get(&format!("{layer}.weight"), &shape)?;
            let bias = config.has_bias(linear).then(|| get(&format!("{layer}.bias"), &shape[..1])).transpose()?;
            dense.push(LinearWeights { weight, bias, lora: None });
        }
        let Ok(linear) = dense.try_into() else { unreachable!("one layer was pushed for each of the seven") };
        Ok(Self {
            input_norm: get(&norm("input_layernorm"), &[config.hidden_size])?,
            attention_norm: get(&norm("post_attention_layernorm"), &[config.hidden_size])?,
            linear,
        })
    }

    pub fn linear_layer(&self, linear: LinearKind) -> &LinearWeights {
        &self.linear[linear as usize]
    }

    /// x ↦ x + attention(norm(x)), then x + down(silu(gate) ∘ up) of its norm; `(batch, tokens, hidden)`.
    pub fn apply(&self, x: &Tensor, pass: &mut ForwardContext, cache: Option<&mut BlockKvCache>) -> Result<Tensor> {
        let eps = pass.config.rms_norm_eps;
        let x = x.add(&self.attend(&rms_norm(x, &self.input_norm, eps)?, pass, cache)?)?;
        let h = rms_norm(&x, &self.attention_norm, eps)?;
        let mut dense = |linear, h: &Tensor| self.linear_layer(linear).apply(h, &mut pass.dropout);
        let inner = swiglu(&dense(LinearKind::Gate, &h)?, &dense(LinearKind::Up, &h)?)?;
        x.add(&dense(LinearKind::Down, &inner)?)
    }

    /// [`apply`](TransformerBlock::apply), of which nothing but x is kept for the gradients: they compute the block again.
    pub fn apply_checkpointed(&self, x: &Tensor, pass: &ForwardContext) -> Result<Tensor> {
        let (mut block, pass) = (self.clone(), pass.clone());
        let held: Vec<Tensor> = block.tensors_mut().into_iter().map(|tensor| tensor.clone()).collect();
        let inputs: Vec<&Tensor> = [x].into_iter().chain(&held).collect();
        let outputs = checkpoint(&inputs, move |inputs| {
            let mut block = block.clone();
            block.tensors_mut().into_iter().zip(&inputs[1..]).for_each(|(place, input)| *place = input.clone());
            Ok(vec![block.apply(&inputs[0], &mut pass.clone(), None)?])
        })?;
        Ok(outputs[0].clone())
    }

    /// Every tensor that may be trained.
    fn tensors_mut(&mut self) -> Vec<&mut Tensor> {
        let mut tensors = vec![&mut self.input_norm, &mut self.attention_norm];
        for LinearWeights { weight, bias, lora } in &mut self.linear {
            tensors.push(weight);
            tensors.extend(bias);
            tensors.extend(lora.iter_mut().flat_map(|lora| [&mut lora.factors.a, &mut lora.factors.b]));
        }
        tensors
    }

    fn attend(&self, h: &Tensor, pass: &mut ForwardContext, cache: Option<&mut BlockKvCache>) -> Result<Tensor> {
        let Config { num_attention_heads, num_key_value_heads, head_dim, .. } = *pass.config;
        let (batch, tokens) = (h.dim(0), h.dim(1));
        let mut heads = |linear, count| {
            let y = self.linear_layer(linear).apply(h, &mut pass.dropout)?;
            y.reshape(&[batch, tokens, count, head_dim])?.permute(&[0, 2, 1, 3])
        };
        let q = heads(LinearKind::Q, num_attention_heads)?;
        let k = heads(LinearKind::K, num_key_value_heads)?;
        let v = heads(LinearKind::V, num_key_value_heads)?;
        let [cos, sin] = &pass.cos_sin;
        let (q, k) = (rotary(&q, cos, sin)?, rotary(&k, cos, sin)?);
        let window = pass.config.window(pass.block);
        let o = match cache {
            Some(cache) => cache.append_and_attend(&q, k, v, window)?,
            None if !pass.lengths.is_empty() => attend_apart([&q, &k, &v], &pass.lengths, window)?,
            None => causal(&q, &k, &v, window)?,
        }; // (batch, heads, tokens, head_dim)
        let o = o.permute(&[0, 2, 1, 3])?.reshape(&[batch, tokens, num_attention_heads * head_dim])?;
        self.linear_layer(LinearKind::O).apply(&o, &mut pass.dropout)
    }
}

/// Attention of texts that lie one after another, `(1, heads, tokens, head_dim)`, each within itself.
fn attend_apart(operands: [&Tensor; 3], lengths: &[usize], window: Option<usize>) -> Result<Tensor> {
    let [q, k, v] = operands.map(|x| x.split(lengths, 2));
    let texts = q?.into_iter().zip(k?).zip(v?);
    // Heads beside each other, as the results lie and as they are read next.
    let attend = |((q, k), v)| causal(&q, &k, &v, window)?.permute(&[0, 2, 1, 3]);
    let parts: Vec<Tensor> = texts.map(attend).collect::<Result<_>>()?;
    Tensor::cat(&parts.iter().collect::<Vec<_>>(), 1)?.permute(&[0, 2, 1, 3])
}
