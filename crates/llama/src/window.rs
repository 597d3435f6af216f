//! Attention in which a query sees the tokens before it, all of them or as many as a window holds.

use monotile::attention::{AttentionOptions, scaled_dot_product_attention};
use monotile::{Result, Tensor};

/// Queries that are computed at a time where a window moves over the keys: fewer see too much that is masked again.
const STEP: usize = 128;

/// Attention of the last `q.dim(2)` tokens of `k.dim(2)`, all `(batch, heads, tokens, head_dim)`: token i sees token j if j ≤ i and, with
/// a window, i − j < window.
///
/// # Cost
/// With a window, tokens · (window + 128) scores.
pub(crate) fn causal(q: &Tensor, k: &Tensor, v: &Tensor, window: Option<usize>) -> Result<Tensor> {
    let causal = AttentionOptions { causal: true, ..AttentionOptions::default() };
    let (count, all) = (q.dim(2), k.dim(2));
    let Some(window) = window.filter(|&window| window < all) else {
        return scaled_dot_product_attention(q, k, v, &causal);
    };
    let before = all - count;
    let mut parts = Vec::new();
    for from in (0..count).step_by(STEP) {
        let to = (from + STEP).min(count);
        let keys = (before + from + 1).saturating_sub(window)..before + to;
        let sees = |query: usize| keys.clone().map(move |key| key <= query && query - key < window);
        let mask: Vec<bool> = (before + from..before + to).flat_map(sees).collect();
        let mask = Tensor::from_vec::<bool>(mask, &[to - from, keys.len()])?;
        let [q, k, v] = [q.slice(2, from..to)?, k.slice(2, keys.clone())?, v.slice(2, keys)?];
        parts.push(scaled_dot_product_attention(
            &q,
            &k,
            &v,
            &AttentionOptions { mask: Some(&mask), ..AttentionOptions::default() },
        )?);
    }
    Tensor::cat(&parts.iter().collect::<Vec<_>>(), 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use monotile::{DType, Rng};

    /// In parts or at once, with one mask over all keys or windows that move.
    #[test]
    fn a_window_hides_what_lies_before_it() {
        let mut rng = Rng::new(1);
        let mut draw = |heads, count| rng.normal(&[1, heads, count, 8], DType::F64).unwrap();
        let (q, k, v) = (draw(4, 300), draw(2, 310), draw(2, 310));
        for window in [1, 3, 64, 200, 309, 310, 1000] {
            let sees = (0..300_usize).flat_map(|i| (0..310).map(move |j| j <= i + 10 && i + 10 - j < window)).collect();
            let mask = Tensor::from_vec::<bool>(sees, &[300, 310]).unwrap();
            let options = AttentionOptions { mask: Some(&mask), ..AttentionOptions::default() };
            let plain = scaled_dot_product_attention(&q, &k, &v, &options).unwrap();
            let off = (&causal(&q, &k, &v, Some(window)).unwrap() - &plain).to_f64_vec().unwrap();
            let most = off.into_iter().fold(0.0f64, |most, d| most.max(d.abs()));
            // Sums of 310 terms of size 1 in another order.
            assert!(most < 1e-13, "a window of {window} differs by {most:e}");
        }
    }
}
