//! out = softmax(scale · Q Kᵀ + mask) V
//!
//! q `(b, h, t, d)`, k `(b, g, s, d)`, v `(b, g, s, e)` give out `(b, h, t, e)` and lse `(b, h, t)`, with h a multiple of g.

use super::composed;
use super::mask::{AttentionOperands, AttentionOptions};
use super::merge::merge;
use crate::door::attention as door;
use crate::error::{Error, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

const NAME: &str = "scaled_dot_product_attention";

/// Every query's average of the values, weighted by the softmax of its scores with the keys:
///
/// out = softmax(scale · Q Kᵀ + mask) V
///
/// Shapes: queries `(b, h, t, d)`, keys `(b, g, s, d)`, values `(b, g, s, e)`; the result is `(b, h, t, e)`. h is a multiple of
/// g, and query head i reads key head i / (h / g), which is not repeated in memory. Operands are read through their
/// strides; bf16 and f16 count as f32.
///
/// A query that sees no key gives 0.
///
/// # Gradient
/// Of queries, keys, values and an additive mask, each where it is wanted; 0 for a query that sees no key. A first
/// gradient without one of the mask recomputes scores in tiles; that of a mask, and gradients of gradients, go through
/// operations that hold all scores.
///
/// # Errors
/// If shapes do not fit, the mask does not broadcast to `(b, h, t, s)`, or a dtype is no floating-point one.
///
/// # Cost
/// 2 t s (d + e) operations a head, half under a causal limit, and 2.5 times as many for the gradient. Memory beyond
/// operands and result grows with the length, not with its square.
///
/// # Source
/// Vaswani et al. (2017), arXiv 1706.03762, section 3.2.1; tiles: Milakov and Gimelshein (2018), arXiv 1805.02867; Dao et
/// al. (2022), arXiv 2205.14135; Dao (2023), arXiv 2307.08691.
///
/// # Example
/// Two keys that score alike share the weight:
/// ```
/// use monotile::{Tensor, attention::{AttentionOptions, scaled_dot_product_attention}};
/// let q = Tensor::from_vec(vec![1.0_f64, 0.0], &[1, 1, 1, 2])?;
/// let k = Tensor::from_vec(vec![2.0_f64, 1.0, 2.0, -1.0], &[1, 1, 2, 2])?;
/// let v = Tensor::from_vec(vec![10.0_f64, 20.0], &[1, 1, 2, 1])?;
/// let out = scaled_dot_product_attention(&q, &k, &v, &AttentionOptions::default())?;
/// assert_eq!(out.item::<f64>()?, 15.0);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "sdpa")]
#[doc(alias = "flash_attention")]
#[doc(alias = "MultiheadAttention")]
#[track_caller]
pub fn scaled_dot_product_attention(q: &Tensor, k: &Tensor, v: &Tensor, options: &AttentionOptions<'_>) -> Result<Tensor> {
    Ok(attend([q, k, v], options, None)?.out)
}

/// [`scaled_dot_product_attention`] that also returns the log-sum-exp of every query's scores.
///
/// # Errors
/// As [`scaled_dot_product_attention`].
#[track_caller]
pub fn scaled_dot_product_attention_with_lse(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    options: &AttentionOptions<'_>,
) -> Result<PartialAttention> {
    attend([q, k, v], options, None)
}

/// The result of attention over some keys, with what is needed to add others.
#[derive(Clone)]
pub struct PartialAttention {
    /// softmax(scale · Q Kᵀ + mask) V, `(b, h, t, e)`.
    pub out: Tensor,
    /// ln Σ exp of every query's scores, `(b, h, t)`; -∞ where no key is seen.
    pub log_sum_exp: Tensor,
}

impl PartialAttention {
    /// The result for the same queries over these keys as well.
    ///
    /// Keys may come in parts of any size and order; a causal limit is that of the added keys alone. Where nothing is
    /// recorded the running result is continued in place of a merge.
    ///
    /// # Errors
    /// As [`scaled_dot_product_attention`], and if the queries are not as many as this result's.
    ///
    /// # Example
    /// ```
    /// use monotile::{DType, Rng, attention::{AttentionOptions, scaled_dot_product_attention_with_lse}};
    /// let mut rng = Rng::new(1);
    /// let q = rng.normal(&[1, 2, 3, 4], DType::F64)?;
    /// let (k, v) = (rng.normal(&[1, 2, 9, 4], DType::F64)?, rng.normal(&[1, 2, 9, 4], DType::F64)?);
    /// let options = AttentionOptions::default();
    /// let whole = scaled_dot_product_attention_with_lse(&q, &k, &v, &options)?;
    /// let first = scaled_dot_product_attention_with_lse(&q, &k.slice(2, ..5)?, &v.slice(2, ..5)?, &options)?;
    /// let both = first.append_keys(&q, &k.slice(2, 5..)?, &v.slice(2, 5..)?, &options)?;
    /// let difference = &both.out - &whole.out;
    /// assert!(difference.to_vec::<f64>()?.iter().all(|d| d.abs() < 1e-14));
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn append_keys(&self, q: &Tensor, k: &Tensor, v: &Tensor, options: &AttentionOptions<'_>) -> Result<PartialAttention> {
        let recorded = [q, k, v, &self.out, &self.log_sum_exp].into_iter().chain(options.mask).any(Tensor::is_recorded);
        if recorded || !q.device().is_cpu() {
            return merge(&[self, &attend([q, k, v], options, None)?]);
        }
        attend([q, k, v], options, Some(self))
    }
}

#[track_caller]
fn attend(operands: [&Tensor; 3], options: &AttentionOptions<'_>, before: Option<&PartialAttention>) -> Result<PartialAttention> {
    let x = AttentionOperands::new(NAME, operands, options)?;
    let (rows, value_dim) = (&x.q.shape()[..3], x.v.dim(3));
    if let Some(before) = before
        && (before.out.shape() != [rows, &[value_dim]].concat() || before.log_sum_exp.shape() != rows)
    {
        return Err(Error::shape(format!(
            "{NAME}: a result of shape {:?} cannot go on with queries of shape {:?} and values of shape {:?}",
            before.out.shape(),
            x.q.shape(),
            x.v.shape()
        )));
    }
    let scores = door::AttentionTensors { qkv: [&x.q, &x.k, &x.v], mask: x.mask.as_ref(), scale: x.scale, causal: x.causal };
    let [out, lse] = door::forward(NAME, scores, before.map(|before| [&before.out, &before.log_sum_exp]))?;
    let inputs: Vec<&Tensor> = [&x.q, &x.k, &x.v].into_iter().chain(x.additive()).collect();
    let rule =
        AttentionGradient { scale: x.scale, causal: x.causal, boolean: x.boolean().cloned(), additive: x.additive().is_some() };
    let [out, log_sum_exp] = <[Tensor; 2]>::try_from(Tensor::record_all(vec![out, lse], &inputs, rule))
        .unwrap_or_else(|_| unreachable!("as many tensors are recorded as were given"));
    Ok(PartialAttention { out, log_sum_exp })
}

struct AttentionGradient {
    scale: f64,
    causal: bool,
    boolean: Option<Tensor>,
    /// Whether there is an additive mask, the fourth input.
    additive: bool,
}

impl Gradient for AttentionGradient {
    fn name(&self) -> &'static str {
        NAME
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    // P = exp(S − lse), dv = Pᵀ dout, dP = dout vᵀ, delta = rowsum(dout ∘ out), dS = P ∘ (dP − delta + dlse),
    // dq = scale · dS k, dk = scale · dSᵀ q      (Dao et al. 2022, appendix B.2; dlse: ∂lse/∂S = P)
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        if saved.is_recorded() || self.additive && saved.needs(3) {
            return composed::gradients(saved, cotangents, self.scores());
        }
        let mut answers = self.backward(saved, cotangents)?;
        answers.resize(3 + usize::from(self.additive), None);
        Ok(answers)
    }
}

impl AttentionGradient {
    fn scores(&self) -> composed::ComposedScores<'_> {
        composed::ComposedScores { scale: self.scale, causal: self.causal, boolean: self.boolean.as_ref(), additive: self.additive }
    }

    #[track_caller]
    fn backward(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let operands = [saved.input(0), saved.input(1), saved.input(2)];
        let additive = self.additive.then(|| saved.input(3));
        let mask = additive.as_ref().or(self.boolean.as_ref());
        let scores = door::AttentionTensors { qkv: operands.each_ref(), mask, scale: self.scale, causal: self.causal };
        let (out, lse) = (saved.output(0), saved.output(1));
        let dout = cotangents[0].as_ref().map_or_else(|| Ok(out.zeros_like()), |g| g.to_dtype(out.dtype()))?;
        let dlse =
            cotangents[1].as_ref().map(|g| g.to_dtype(lse.dtype())?.contiguous_for("scaled_dot_product_attention")).transpose()?;
        let cotangents = door::AttentionBackwardTensors { out: &out, lse: &lse, dout: &dout, dlse: dlse.as_ref() };
        door::backward(NAME, scores, cotangents, [0, 1, 2].map(|i| saved.needs(i)))
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    fn attended(x: &[Tensor], options: &AttentionOptions<'_>) -> Result<Vec<Tensor>> {
        let PartialAttention { out, log_sum_exp } = scaled_dot_product_attention_with_lse(&x[0], &x[1], &x[2], options)?;
        Ok(vec![out, log_sum_exp])
    }
    // Every third key is hidden, and from the second query all keys.
    let hidden = |i: usize, j: usize| j % 3 == 1 || i == 1;
    let boolean = move |x: &[Tensor]| {
        let (t, s) = (x[0].dim(2), x[1].dim(2));
        Tensor::from_vec((0..t * s).map(|at| !hidden(at / s, at % s)).collect(), &[t, s])
    };
    let qkv = |b, [h, g]: [usize; 2], [t, s]: [usize; 2], [d, e]: [usize; 2]| {
        vec![normal(&[b, h, t, d]), normal(&[b, g, s, d]), normal(&[b, g, s, e])]
    };
    let masked = |mut inputs: Vec<Tensor>, mask: &[usize]| {
        inputs.push(normal(mask));
        inputs
    };
    let causal = AttentionOptions { causal: true, scale: Some(0.3), ..Default::default() };
    // Attention is smooth everywhere, so that normal numbers are as good as any.
    vec![
        Spec::new(NAME, |x| attended(x, &AttentionOptions::default()))
            .sample("groups", qkv(2, [4, 2], [3, 5], [4, 3]))
            .sample("more than a tile", qkv(1, [1, 1], [101, 197], [5, 9]))
            .shaped_reference(|x, shapes| plain(x, shapes, 1.0 / (shapes[0][3] as f64).sqrt(), |_, _| Some(0.0)))
            // Values do not reach the log-sum-exp.
            .may_drop_nan()
            .orders(2)
            .refuses(
                qkv(1, [32, 5], [2, 2], [4, 4]),
                "scaled_dot_product_attention: 32 query heads cannot share 5 key heads; the first must be a multiple of the second",
            )
            .refuses(
                vec![normal(&[2, 3]), normal(&[1, 1, 2, 3]), normal(&[1, 1, 2, 3])],
                "scaled_dot_product_attention: queries must be (batch, heads, time, dim), got shape [2, 3]",
            )
            .refuses(
                vec![normal(&[1, 1, 2, 4]), normal(&[1, 1, 2, 3]), normal(&[1, 1, 2, 3])],
                "scaled_dot_product_attention: queries of shape [1, 1, 2, 4] and keys of shape [1, 1, 2, 3] differ in dim",
            )
            .refuses(
                vec![normal(&[1, 1, 2, 3]), normal(&[1, 1, 2, 3]), normal(&[1, 1, 5, 3])],
                "scaled_dot_product_attention: keys of shape [1, 1, 2, 3] and values of shape [1, 1, 5, 3] differ in batch, heads or time",
            ),
        Spec::new(NAME, move |x| Ok(attended(x, &causal)?[..1].to_vec()))
            .sample("as many keys", qkv(1, [2, 1], [5, 5], [2, 2]))
            .sample("more keys", qkv(1, [2, 2], [3, 6], [2, 3]))
            .sample("queries that see nothing", qkv(1, [1, 1], [5, 2], [3, 2]))
            .shaped_reference(|x, shapes| {
                let (t, s) = (shapes[0][2], shapes[1][2]);
                plain(x, shapes, 0.3, |i, j| (j + t <= i + s).then_some(0.0))[..1].to_vec()
            })
            .orders(2),
        Spec::new(NAME, move |x| Ok(attended(x, &causal)?[..1].to_vec()))
            .sample("no keys", qkv(1, [1, 1], [2, 0], [2, 2]))
            .sample("no queries", qkv(1, [1, 1], [0, 2], [2, 2]))
            .shaped_reference(|_, shapes| vec![vec![0.0; shapes[0][2] * 2]])
            // Nobody sees the NaN.
            .may_drop_nan()
            .orders(2),
        Spec::new(NAME, move |x| {
            let mask = boolean(x)?;
            Ok(attended(x, &AttentionOptions { mask: Some(&mask), ..Default::default() })?[..1].to_vec())
        })
        .sample("a hidden row", qkv(1, [2, 1], [4, 5], [3, 3]))
        .shaped_reference(move |x, shapes| {
            let scale = 1.0 / (shapes[0][3] as f64).sqrt();
            plain(x, shapes, scale, |i, j| (!hidden(i, j)).then_some(0.0))[..1].to_vec()
        })
        .orders(2),
        Spec::new(NAME, |x| attended(x, &AttentionOptions { mask: Some(&x[3]), scale: Some(1.5), ..Default::default() }))
            .sample("a mask of all scores", masked(qkv(2, [2, 1], [3, 4], [2, 2]), &[2, 2, 3, 4]))
            .sample("a mask of keys", masked(qkv(2, [2, 1], [3, 4], [2, 2]), &[4]))
            .may_drop_nan()
            .orders(2)
            .refuses(
                masked(qkv(1, [1, 1], [3, 4], [2, 2]), &[3, 3]),
                "scaled_dot_product_attention: a mask of shape [3, 3] does not broadcast to (batch, heads, queries, keys) = [1, 1, 3, 4]",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: scaled_dot_product_attention);

/// out and lse from all scores; `bias` is what is added to the score of query i and key j, `None` where it is hidden.
#[cfg(test)]
fn plain(x: &[Vec<f64>], shapes: &[Vec<usize>], scale: f64, bias: impl Fn(usize, usize) -> Option<f64>) -> Vec<Vec<f64>> {
    let (&[b, h, t, d], &[_, g, s, e]) = (shapes[0].first_chunk().unwrap(), shapes[2].first_chunk().unwrap());
    let (mut out, mut lse) = (Vec::new(), Vec::new());
    for row in 0..b * h * t {
        let (i, head) = (row % t, row / t % h);
        let key = |j: usize| (row / (h * t) * g + head / (h / g)) * s + j;
        let score = |j: usize| (0..d).map(|c| x[0][row * d + c] * x[1][key(j) * d + c]).sum::<f64>() * scale;
        let p: Vec<f64> = (0..s).map(|j| bias(i, j).map_or(0.0, |bias| (score(j) + bias).exp())).collect();
        let sum: f64 = p.iter().sum();
        out.extend((0..e).map(|c| (0..s).map(|j| p[j] * x[2][key(j) * e + c]).sum::<f64>() / if sum > 0.0 { sum } else { 1.0 }));
        lse.push(sum.ln());
    }
    vec![out, lse]
}
