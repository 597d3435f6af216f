//! What a model costs, from its sizes alone: parameters, products, memory.

use crate::config::Config;
use crate::linear::LinearKind;

/// Matrix products of one shape that a token goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatMulShape {
    /// Which linear layer.
    pub linear: LinearKind,
    /// How many of them: one a block, one output layer.
    pub count: usize,
    /// Numbers that one gives.
    pub rows: usize,
    /// Numbers that one takes.
    pub columns: usize,
}

impl Config {
    /// How many numbers the model has.
    ///
    /// # Example
    /// ```
    /// use monotile_llama::Config;
    /// let tied = Config { tie_word_embeddings: true, ..Config::default() };
    /// assert_eq!(Config::default().parameters() - tied.parameters(), 258 * 64);
    /// ```
    pub fn parameters(&self) -> usize {
        usize::try_from(self.parameters_wide()).unwrap_or(usize::MAX)
    }

    /// [`parameters`](Config::parameters) of any sizes: each is below 2³¹, so that no product wraps.
    pub(crate) fn parameters_wide(&self) -> u128 {
        let wide = |n: usize| n as u128;
        let linear = |linear| {
            let [rows, columns] = self.shape(linear).map(wide);
            rows * columns + if self.has_bias(linear) { rows } else { 0 }
        };
        let hidden = wide(self.hidden_size);
        let block = LinearKind::BLOCK.into_iter().map(linear).sum::<u128>() + 2 * hidden;
        let head = if self.tie_word_embeddings { 0 } else { linear(LinearKind::Head) };
        wide(self.vocab_size) * hidden + wide(self.num_hidden_layers) * block + hidden + head
    }

    /// The matrix products of one token's way through the model; attention's own are not among them.
    pub fn matmul_shapes(&self) -> Vec<MatMulShape> {
        let product = |linear, count| {
            let [rows, columns] = self.shape(linear);
            MatMulShape { linear, count, rows, columns }
        };
        let blocks = LinearKind::BLOCK.into_iter().map(|linear| product(linear, self.num_hidden_layers));
        blocks.chain([product(LinearKind::Head, 1)]).collect()
    }

    /// Additions and multiplications of one token's way forward, with this many tokens to attend to:
    /// two a weight, and 4 · heads · head_dim a block and attended token for scores and their weighted sum. Of a sliding window no more
    /// are attended to than it holds.
    pub fn flops(&self, attended: usize) -> f64 {
        let weights: f64 = self.matmul_shapes().iter().map(|p| (p.count * p.rows) as f64 * p.columns as f64).sum();
        let seen = |block| self.window(block).map_or(attended, |window| attended.min(window)) as f64;
        let seen: f64 = (0..self.num_hidden_layers).map(seen).sum();
        2.0 * weights + 4.0 * (self.num_attention_heads * self.head_dim) as f64 * seen
    }

    /// Bytes that the cache of keys and values grows by with every token, in f32.
    pub fn cache_bytes(&self) -> usize {
        2 * 4 * self.num_hidden_layers * self.num_key_value_heads * self.head_dim
    }

    /// How many numbers LoRA of this rank trains on some linear layers of every block: rank · (rows + columns) each. More than `usize`
    /// holds are told as its largest number.
    ///
    /// # Example
    /// ```
    /// use monotile_llama::{Config, LinearKind};
    /// assert_eq!(Config::default().lora_parameters([LinearKind::Q], 8), 2 * 8 * (64 + 64));
    /// ```
    pub fn lora_parameters(&self, layers: impl IntoIterator<Item = LinearKind>, rank: usize) -> usize {
        let sides = |linear| self.shape(linear).iter().map(|&n| n as u128).sum::<u128>();
        let block: u128 = layers.into_iter().map(sides).sum();
        let all = block.checked_mul(self.num_hidden_layers as u128).and_then(|n| n.checked_mul(rank as u128));
        all.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// LLaMA 2 7B, whose counts are published.
    fn seven_billion() -> Config {
        Config {
            vocab_size: 32_000,
            hidden_size: 4096,
            intermediate_size: 11_008,
            num_hidden_layers: 32,
            num_attention_heads: 32,
            num_key_value_heads: 32,
            head_dim: 128,
            max_position_embeddings: 4096,
            ..Config::default()
        }
    }

    #[test]
    fn llama_7b_has_the_published_count_of_parameters() {
        assert_eq!(seven_billion().parameters(), 6_738_415_616);
        assert_eq!(seven_billion().matmul_shapes().iter().map(|p| p.count).sum::<usize>(), 225);
    }

    #[test]
    fn rank_16_of_a_4096_square_trains_131072_numbers() {
        assert_eq!(seven_billion().lora_parameters([LinearKind::Q], 16), 32 * 131_072);
    }

    #[test]
    fn a_token_of_llama_7b_keeps_a_megabyte() {
        assert_eq!(seven_billion().cache_bytes(), 1 << 20);
    }

    #[test]
    fn flops_are_two_a_weight_and_attention() {
        let config = Config::default();
        let weights = 2 * (64 * 64 + 2 * 32 * 64 + 64 * 64 + 3 * 64 * 176) + 258 * 64;
        assert_eq!(config.flops(0), 2.0 * weights as f64);
        assert_eq!(config.flops(10) - config.flops(0), 4.0 * 64.0 * 2.0 * 10.0);
    }
}
