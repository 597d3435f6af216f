//! The keys and values of the tokens that were seen.

use monotile::attention::{AttentionOptions, scaled_dot_product_attention, scaled_dot_product_attention_with_lse};
use monotile::{Result, Tensor};

use crate::window::causal;

/// How many recent tokens a block keeps apart from the others. Adding a token copies the recent ones only, and all of them once in as
/// many tokens.
const RECENT: usize = 64;

/// What attention keeps of the tokens so far, so that the next ones need not compute it again. Made by
/// [`Model::cache`](crate::Model::cache).
pub struct KvCache {
    pub(crate) blocks: Vec<BlockKvCache>,
    pub(crate) length: usize,
}

/// Keys and values, both `(batch, key heads, tokens, head_dim)`.
type CachedKeysValues = Option<(Tensor, Tensor)>;

/// The keys and values of one block.
#[derive(Default)]
pub(crate) struct BlockKvCache {
    old: CachedKeysValues,
    recent: CachedKeysValues,
}

impl KvCache {
    pub(crate) fn new(blocks: usize) -> Self {
        Self { blocks: (0..blocks).map(|_| BlockKvCache::default()).collect(), length: 0 }
    }

    /// How many tokens it holds.
    pub fn length(&self) -> usize {
        self.length
    }
}

impl BlockKvCache {
    /// Adds the keys and values of some tokens, whose queries then see them and those before, each up to its own, as far back as a window
    /// reaches.
    pub fn append_and_attend(&mut self, q: &Tensor, k: Tensor, v: Tensor, window: Option<usize>) -> Result<Tensor> {
        if self.recent.as_ref().is_some_and(|(k, _)| k.dim(2) >= RECENT)
            && let Some((k, v)) = self.recent.take()
        {
            // What no later query sees is not kept.
            let old = self.old.take().map(|seen| last(seen, window)).transpose()?;
            self.old = joined(old, k, v)?;
        }
        self.recent = joined(self.recent.take(), k, v)?;
        let Some((k, v)) = &self.recent else { unreachable!("recent keys were just added") };
        let Some((old_k, old_v)) = &self.old else { return causal(q, k, v, window) };
        let (count, recent) = (q.dim(2), k.dim(2));
        match window {
            Some(window) if recent >= window.saturating_add(count) => causal(q, k, v, Some(window)),
            Some(_) if count > 1 => {
                let [k, v] = [Tensor::cat(&[old_k, k], 2)?, Tensor::cat(&[old_v, v], 2)?];
                causal(q, &k, &v, window)
            }
            _ => {
                // One token sees the last of the old keys, as many as the window holds beside the recent ones.
                let (k, v) = last((k.clone(), v.clone()), window)?;
                let left = window.map(|window| window - k.dim(2));
                let (old_k, old_v) = last((old_k.clone(), old_v.clone()), left)?;
                let options = AttentionOptions { causal: true, ..AttentionOptions::default() };
                if old_k.dim(2) == 0 {
                    return scaled_dot_product_attention(q, &k, &v, &options);
                }
                let old = scaled_dot_product_attention_with_lse(q, &old_k, &old_v, &AttentionOptions::default())?;
                Ok(old.append_keys(q, &k, &v, &options)?.out)
            }
        }
    }
}

/// The last keys and values, as many as a window holds.
fn last((k, v): (Tensor, Tensor), window: Option<usize>) -> Result<(Tensor, Tensor)> {
    match window.filter(|&window| window < k.dim(2)) {
        Some(window) => {
            let from = k.dim(2) - window;
            Ok((k.slice(2, from..)?, v.slice(2, from..)?))
        }
        None => Ok((k, v)),
    }
}

fn joined(before: CachedKeysValues, k: Tensor, v: Tensor) -> Result<CachedKeysValues> {
    Ok(Some(match before {
        None => (k, v),
        Some((old_k, old_v)) => (Tensor::cat(&[&old_k, &k], 2)?, Tensor::cat(&[&old_v, &v], 2)?),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use monotile::{DType, Rng};

    #[test]
    fn a_window_moves_over_what_is_kept() {
        let mut rng = Rng::new(2);
        let mut draw = |heads| rng.normal(&[1, heads, 300, 8], DType::F64).unwrap();
        let (q, k, v) = (draw(4), draw(2), draw(2));
        for window in [1, 4, 63, 64, 65, 100, 250] {
            let whole = causal(&q, &k, &v, Some(window)).unwrap();
            let mut cache = BlockKvCache::default();
            let mut at = 0;
            for count in [3, 70].into_iter().chain([1; 150]).chain([9, 68]) {
                let part = |x: &Tensor| x.slice(2, at..at + count).unwrap();
                let out = cache.append_and_attend(&part(&q), part(&k), part(&v), Some(window)).unwrap();
                let off = (&out - &part(&whole)).to_f64_vec().unwrap().into_iter().fold(0.0f64, |most, d| most.max(d.abs()));
                assert!(off < 1e-13, "window {window}: tokens {at} and on differ by {off:e}");
                at += count;
            }
            assert_eq!(at, 300);
            let kept = cache.old.map_or(0, |(k, _)| k.dim(2));
            assert!(kept <= window + 70 + RECENT, "{kept} old keys are kept for a window of {window}");
        }
    }

    #[test]
    fn tokens_in_parts_see_what_they_see_at_once() {
        let mut rng = Rng::new(1);
        let mut draw = |heads| rng.normal(&[1, heads, 150, 8], DType::F64).unwrap();
        let (q, k, v) = (draw(4), draw(2), draw(2));
        let whole =
            scaled_dot_product_attention(&q, &k, &v, &AttentionOptions { causal: true, ..AttentionOptions::default() }).unwrap();
        let mut cache = BlockKvCache::default();
        let mut at = 0;
        for count in [70, 1, 1, 5, 60, 1, 12] {
            let part = |x: &Tensor| x.slice(2, at..at + count).unwrap();
            let out = cache.append_and_attend(&part(&q), part(&k), part(&v), None).unwrap();
            let off = (&out - &part(&whole)).to_f64_vec().unwrap().into_iter().fold(0.0f64, |most, d| most.max(d.abs()));
            // Sums of 150 terms of size 1 in another order.
            assert!(off < 1e-13, "tokens {at} and on differ by {off:e}");
            at += count;
        }
        assert_eq!(at, 150);
    }
}
