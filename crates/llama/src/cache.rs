//! The keys and values of the tokens that were seen.

use monotile::{Result, Tensor};

use crate::ops;

/// What attention keeps of the tokens so far, so that the next ones need not compute it again. Made by
/// [`Model::cache`](crate::Model::cache).
pub struct Cache {
    pub(crate) blocks: Vec<BlockCache>,
    pub(crate) length: usize,
}

/// The keys and values of one block: `(batch, key heads, tokens, head_dim)`.
#[derive(Default)]
pub(crate) struct BlockCache(Option<(Tensor, Tensor)>);

impl Cache {
    pub(crate) fn new(blocks: usize) -> Self {
        Self { blocks: (0..blocks).map(|_| BlockCache::default()).collect(), length: 0 }
    }

    /// How many tokens it holds.
    pub fn length(&self) -> usize {
        self.length
    }
}

impl BlockCache {
    /// Adds keys and values; returns all so far.
    pub(crate) fn extend(&mut self, k: Tensor, v: Tensor) -> Result<(Tensor, Tensor)> {
        let all = match self.0.take() {
            None => (k, v),
            Some((old_k, old_v)) => (ops::cat(&old_k, &k, 2)?, ops::cat(&old_v, &v, 2)?),
        };
        self.0 = Some(all.clone());
        Ok(all)
    }
}
