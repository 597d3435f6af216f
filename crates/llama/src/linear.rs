//! The linear layers of a model: their names in checkpoints and adapters.

/// Which of a model's linear layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LinearKind {
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

impl LinearKind {
    /// The linear layers of a block, in the order of computation.
    pub const BLOCK: [LinearKind; 7] =
        [LinearKind::Q, LinearKind::K, LinearKind::V, LinearKind::O, LinearKind::Gate, LinearKind::Up, LinearKind::Down];

    /// The last part of the layer's name, as `target_modules` lists it: `q_proj`.
    pub fn name(self) -> &'static str {
        match self {
            LinearKind::Q => "q_proj",
            LinearKind::K => "k_proj",
            LinearKind::V => "v_proj",
            LinearKind::O => "o_proj",
            LinearKind::Gate => "gate_proj",
            LinearKind::Up => "up_proj",
            LinearKind::Down => "down_proj",
            LinearKind::Head => "lm_head",
        }
    }
}

/// One linear layer of one model: which, and in which block.
///
/// # Example
/// ```
/// use monotile_llama::{LinearLayer, LinearKind};
/// assert_eq!(LinearLayer::block(3, LinearKind::Q).to_string(), "model.layers.3.self_attn.q_proj");
/// assert_eq!(LinearLayer::HEAD.to_string(), "lm_head");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinearLayer {
    block: usize,
    linear: LinearKind,
}

impl LinearLayer {
    /// The output layer; it stands after all blocks.
    pub const HEAD: LinearLayer = LinearLayer { block: usize::MAX, linear: LinearKind::Head };

    /// A layer of a block. The output layer is in none: for it this is [`LinearLayer::HEAD`].
    pub fn block(block: usize, linear: LinearKind) -> Self {
        if linear == LinearKind::Head { Self::HEAD } else { Self { block, linear } }
    }

    /// All linear layers of a model with this many blocks, the output layer last.
    pub fn all(blocks: usize) -> impl Iterator<Item = LinearLayer> {
        (0..blocks).flat_map(|block| LinearKind::BLOCK.map(|linear| LinearLayer { block, linear })).chain([Self::HEAD])
    }

    /// Which linear layer.
    pub fn kind(self) -> LinearKind {
        self.linear
    }

    /// The index of its block; `None` for the output layer.
    pub fn index(self) -> Option<usize> {
        (self.linear != LinearKind::Head).then_some(self.block)
    }
}

impl std::fmt::Display for LinearLayer {
    /// The module's name in transformers; with `.weight` it is the tensor's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let part = match self.linear {
            LinearKind::Q | LinearKind::K | LinearKind::V | LinearKind::O => "self_attn",
            LinearKind::Gate | LinearKind::Up | LinearKind::Down => "mlp",
            LinearKind::Head => return f.write_str("lm_head"),
        };
        write!(f, "model.layers.{}.{part}.{}", self.block, self.linear.name())
    }
}
