//! One block: attention and a gated feed-forward part, each on a normalized residual stream.

use std::sync::Arc;

use monotile::attention::rotary;
use monotile::ops::{linear, rms_norm, swiglu};
use monotile::tape::checkpoint;
use monotile::{Result, Rng, Tensor};

use crate::cache::BlockCache;
use crate::config::Config;
use crate::linear::{Layer, Linear};
use crate::lora::Pair;
use crate::window::causal;

/// A linear layer, y = x Wᵀ + bias, with ΔW on top where an adapter is attached.
#[derive(Clone)]
pub(crate) struct Dense {
    /// `(rows, columns)`: what it gives, what it takes.
    pub weight: Tensor,
    pub bias: Option<Tensor>,
    pub lora: Option<Pair>,
    /// What the adapter began with, where that is part of the weight: it is subtracted, and not trained.
    pub start: Option<Pair>,
}

impl Dense {
    /// y = x Wᵀ + bias + scaling · (dropout(x) Aᵀ) Bᵀ − scaling · (x A₀ᵀ) B₀ᵀ: ΔW itself is never formed.
    pub fn apply(&self, x: &Tensor, dropout: &mut Option<Rng>) -> Result<Tensor> {
        let y = linear(x, &self.weight, self.bias.as_ref())?;
        let Some(pair) = &self.lora else { return Ok(y) };
        let mut change = pair.apply(x, dropout)?;
        if let Some(start) = &self.start {
            // Computed in the same way, so that both cancel exactly before the first step.
            change = change.sub(&start.apply(x, &mut None)?)?;
        }
        y.add(&change)
    }
}

/// What a pass through the blocks shares.
#[derive(Clone)]
pub(crate) struct Pass {
    pub config: Arc<Config>,
    /// cos and sin of every position's angles, `(tokens, head_dim / 2)`.
    pub turns: [Tensor; 2],
    /// The block's number, which decides whether its queries see all tokens before them.
    pub block: usize,
    /// How many tokens each text has where several lie one after another in a row, as [`Batch`](crate::data::Batch) says.
    pub lengths: Arc<[usize]>,
    /// Where adapters' dropout draws from, a stream for each block; `None` when not training.
    pub dropout: Option<Rng>,
}

#[derive(Clone)]
pub(crate) struct Block {
    pub input_norm: Tensor,
    pub attention_norm: Tensor,
    /// In the order of [`Linear::BLOCK`].
    pub linear: [Dense; 7],
}

impl Block {
    /// Makes a block out of tensors asked for by name and shape.
    pub fn build(config: &Config, index: usize, get: &mut impl FnMut(&str, &[usize]) -> Result<Tensor>) -> Result<Self> {
        let norm = |which: &str| format!("model.layers.{index}.{which}.weight");
        let mut dense = Vec::new();
        for linear in Linear::BLOCK {
            let layer = Layer::block(index, linear);
            let shape = config.shape(linear);
            let weight = get(&format!("{layer}.weight"), &shape)?;
            let bias = config.has_bias(linear).then(|| get(&format!("{layer}.bias"), &shape[..1])).transpose()?;
            dense.push(Dense { weight, bias, lora: None, start: None });
        }
        let Ok(linear) = dense.try_into() else { unreachable!("one layer was pushed for each of the seven") };
        Ok(Self {
            input_norm: get(&norm("input_layernorm"), &[config.hidden_size])?,
            attention_norm: get(&norm("post_attention_layernorm"), &[config.hidden_size])?,
            linear,
        })
    }

    pub fn dense(&self, linear: Linear) -> &Dense {
        &self.linear[linear as usize]
    }

    /// x ↦ x + attention(norm(x)), then x + down(silu(gate) ∘ up) of its norm; `(batch, tokens, hidden)`.
    pub fn apply(&self, x: &Tensor, pass: &mut Pass, cache: Option<&mut BlockCache>) -> Result<Tensor> {
        let eps = pass.config.rms_norm_eps;
        let x = x.add(&self.attend(&rms_norm(x, &self.input_norm, eps)?, pass, cache)?)?;
        let h = rms_norm(&x, &self.attention_norm, eps)?;
        let mut dense = |linear, h: &Tensor| self.dense(linear).apply(h, &mut pass.dropout);
        let inner = swiglu(&dense(Linear::Gate, &h)?, &dense(Linear::Up, &h)?)?;
        x.add(&dense(Linear::Down, &inner)?)
    }

    /// [`apply`](Block::apply), of which nothing but x is kept for the gradients: they compute the block again.
    pub fn apply_checkpointed(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
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
        for Dense { weight, bias, lora, .. } in &mut self.linear {
            tensors.push(weight);
            tensors.extend(bias);
            tensors.extend(lora.iter_mut().flat_map(|pair| [&mut pair.a, &mut pair.b]));
        }
        tensors
    }

    fn attend(&self, h: &Tensor, pass: &mut Pass, cache: Option<&mut BlockCache>) -> Result<Tensor> {
        let Config { num_attention_heads, num_key_value_heads, head_dim, .. } = *pass.config;
        let (batch, tokens) = (h.dim(0), h.dim(1));
        let mut heads = |linear, count| {
            let y = self.dense(linear).apply(h, &mut pass.dropout)?;
            y.reshape(&[batch, tokens, count, head_dim])?.permute(&[0, 2, 1, 3])
        };
        let q = heads(Linear::Q, num_attention_heads)?;
        let k = heads(Linear::K, num_key_value_heads)?;
        let v = heads(Linear::V, num_key_value_heads)?;
        let [cos, sin] = &pass.turns;
        let (q, k) = (rotary(&q, cos, sin)?, rotary(&k, cos, sin)?);
        let window = pass.config.window(pass.block);
        let o = match cache {
            Some(cache) => cache.attend(&q, k, v, window)?,
            None if !pass.lengths.is_empty() => attend_apart([&q, &k, &v], &pass.lengths, window)?,
            None => causal(&q, &k, &v, window)?,
        }; // (batch, heads, tokens, head_dim)
        let o = o.permute(&[0, 2, 1, 3])?.reshape(&[batch, tokens, num_attention_heads * head_dim])?;
        self.dense(Linear::O).apply(&o, &mut pass.dropout)
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
