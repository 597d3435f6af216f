//! The linear layers of a model: their names in checkpoints and adapters.

/// Which of a model's linear layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Linear {
    /// Queries of the attention.
    Q,
    /// Keys.
    K,
    /// Values.
    V,
    /// The attention's output.
    O,
    /// The gate of the feed-forward part.
    Gate,
    /// Its way up.
    Up,
    /// Its way down.
    Down,
    /// The output layer, from the residual stream to logits; there is one a model.
    Head,
}

impl Linear {
    /// The linear layers of a block, in the order of computation.
    pub const BLOCK: [Linear; 7] = [Linear::Q, Linear::K, Linear::V, Linear::O, Linear::Gate, Linear::Up, Linear::Down];

    /// The last part of the layer's name, as `target_modules` lists it: `q_proj`.
    pub fn name(self) -> &'static str {
        match self {
            Linear::Q => "q_proj",
            Linear::K => "k_proj",
            Linear::V => "v_proj",
            Linear::O => "o_proj",
            Linear::Gate => "gate_proj",
            Linear::Up => "up_proj",
            Linear::Down => "down_proj",
            Linear::Head => "lm_head",
        }
    }
}

/// One linear layer of one model: which, and in which block.
///
/// # Example
/// ```
/// use monotile_llama::{Layer, Linear};
/// assert_eq!(Layer::block(3, Linear::Q).to_string(), "model.layers.3.self_attn.q_proj");
/// assert_eq!(Layer::HEAD.to_string(), "lm_head");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Layer {
    block: usize,
    linear: Linear,
}

impl Layer {
    /// The output layer; it stands after all blocks.
    pub const HEAD: Layer = Layer { block: usize::MAX, linear: Linear::Head };

    /// A layer of a block. The output layer is in none: for it this is [`Layer::HEAD`].
    pub fn block(block: usize, linear: Linear) -> Self {
        if linear == Linear::Head { Self::HEAD } else { Self { block, linear } }
    }

    /// All linear layers of a model with this many blocks, the output layer last.
    pub fn all(blocks: usize) -> impl Iterator<Item = Layer> {
        (0..blocks).flat_map(|block| Linear::BLOCK.map(|linear| Layer { block, linear })).chain([Self::HEAD])
    }

    /// Which linear layer.
    pub fn linear(self) -> Linear {
        self.linear
    }

    /// The index of its block; `None` for the output layer.
    pub fn index(self) -> Option<usize> {
        (self.linear != Linear::Head).then_some(self.block)
    }
}

impl std::fmt::Display for Layer {
    /// The module's name in transformers; with `.weight` it is the tensor's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let part = match self.linear {
            Linear::Q | Linear::K | Linear::V | Linear::O => "self_attn",
            Linear::Gate | Linear::Up | Linear::Down => "mlp",
            Linear::Head => return f.write_str("lm_head"),
        };
        write!(f, "model.layers.{}.{part}.{}", self.block, self.linear.name())
    }
}
