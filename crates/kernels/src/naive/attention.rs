//! Attention a row at a time, with all its scores.

use crate::attention::{AttentionCotangents, AttentionInputs, AttentionMask};
use crate::real::Real;
use crate::shape::count;
use crate::view::View;

/// Everything that attention returns.
pub struct NaiveAttention<T> {
    /// (b, h, t, e)
    pub out: Vec<T>,
    /// (b, h, t)
    pub lse: Vec<T>,
}

/// The gradients of attention.
pub struct NaiveAttentionGradients<T> {
    /// (b, h, t, d)
    pub dq: Vec<T>,
    /// (b, g, s, d)
    pub dk: Vec<T>,
    /// (b, g, s, e)
    pub dv: Vec<T>,
}

/// A copy of a view, and its rows by number.
struct Copy<T>(Vec<T>, usize);

impl<T: Real> Copy<T> {
    fn of(view: View<'_, T>) -> Self {
        Self(view.iter().collect(), view.shape()[3])
    }

    fn row(&self, i: usize) -> &[T] {
        &self.0[i * self.1..(i + 1) * self.1]
    }
}

fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    a.iter().zip(b).fold(T::ZERO, |sum, (&a, &b)| sum + a * b)
}

/// What is added to each score, -∞ where the mask hides it, in row-major order.
fn biases<T: Real>(x: &AttentionInputs<'_, T>) -> Vec<T> {
    match x.mask {
        AttentionMask::None => vec![T::ZERO; count(&x.q.shape()[..3]) * x.k.shape()[2]],
        AttentionMask::Boolean(mask) => mask.iter().map(|seen| if seen.get() { T::ZERO } else { T::NEG_INFINITY }).collect(),
        AttentionMask::Additive(mask) => mask.iter().collect(),
    }
}

/// A number for each key that a row sees, `None` for the others.
fn scores<T: Real>(x: &AttentionInputs<'_, T>, q: &[T], k: &Copy<T>, biases: &[T], [kv, t]: [usize; 2]) -> Vec<Option<T>> {
    let (queries, keys) = (x.q.shape()[2], x.k.shape()[2]);
    (0..keys)
        .map(|j| {
            let hidden = x.causal && j + queries > t + keys || biases[j] == T::NEG_INFINITY;
            (!hidden).then(|| x.scale * dot(q, k.row(kv * keys + j)) + biases[j])
        })
        .collect()
}

/// out = softmax(scale · q kᵀ + mask) v and its log-sum-exp, in T throughout.
pub fn attention<T: Real>(x: &AttentionInputs<'_, T>) -> NaiveAttention<T> {
    let (q, k, v) = (Copy::of(x.q), Copy::of(x.k), Copy::of(x.v));
    let mut result = NaiveAttention { out: Vec::new(), lse: Vec::new() };
    let (biases, keys) = (biases(x), x.k.shape()[2]);
    for_each_row(x, |row, kv, t| {
        let scores = scores(x, q.row(row), &k, &biases[row * keys..], [kv, t]);
        let m = scores.iter().flatten().fold(T::NEG_INFINITY, |m, &s| m.maximum(s));
        let l = scores.iter().flatten().fold(T::ZERO, |l, &s| l + (s - m).exp());
        let mut out = vec![T::ZERO; x.v.shape()[3]];
        for (j, s) in scores.iter().enumerate() {
            if let Some(s) = *s {
                let p = (s - m).exp() / l;
                out.iter_mut().zip(v.row(kv * keys + j)).for_each(|(o, &v)| *o += p * v);
            }
        }
        result.out.extend(out);
        result.lse.push(if l == T::ZERO { T::NEG_INFINITY } else { m + l.ln() });
    });
    result
}

/// The gradients of [`attention`] with respect to q, k and v, from the output and log-sum-exp given, in T throughout.
pub fn attention_gradients<T: Real>(
    x: &AttentionInputs<'_, T>,
    cotangents: &AttentionCotangents<'_, T>,
) -> NaiveAttentionGradients<T> {
    let (q, k, v) = (Copy::of(x.q), Copy::of(x.k), Copy::of(x.v));
    let (out, dout) = (Copy::of(cotangents.out), Copy::of(cotangents.dout));
    let zeros = |of: &Copy<T>| Copy(vec![T::ZERO; of.0.len()], of.1);
    let (mut dq, mut dk, mut dv) = (zeros(&q), zeros(&k), zeros(&v));
    let (biases, keys) = (biases(x), x.k.shape()[2]);
    for_each_row(x, |row, kv, t| {
        let delta = dot(out.row(row), dout.row(row)) - cotangents.dlse.map_or(T::ZERO, |d| d[row]);
        for (j, s) in scores(x, q.row(row), &k, &biases[row * keys..], [kv, t]).into_iter().enumerate() {
            let Some(s) = s else { continue };
            let (key, d, e) = (kv * keys + j, q.1, v.1);
            let p = (s - cotangents.lse[row]).exp();
            let ds = x.scale * p * (dot(dout.row(row), v.row(key)) - delta);
            for c in 0..e {
                dv.0[key * e + c] += p * dout.row(row)[c];
            }
            for c in 0..d {
                dq.0[row * d + c] += ds * k.row(key)[c];
                dk.0[key * d + c] += ds * q.row(row)[c];
            }
        }
    });
    NaiveAttentionGradients { dq: dq.0, dk: dk.0, dv: dv.0 }
}

/// Calls `f` with the number of each row, that of its key head, and its query.
fn for_each_row<T: Real>(x: &AttentionInputs<'_, T>, mut f: impl FnMut(usize, usize, usize)) {
    let (shape, kv_heads) = (x.q.shape(), x.k.shape()[1]);
    let (batch, heads, queries) = (shape[0], shape[1], shape[2]);
    for b in 0..batch {
        for h in 0..heads {
            for t in 0..queries {
                f((b * heads + h) * queries + t, b * kv_heads + h / (heads / kv_heads), t);
            }
        }
    }
}
