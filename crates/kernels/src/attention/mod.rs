//! Scaled dot-product attention in tiles: out = softmax(scale · Q Kᵀ + mask) V, with memory that grows with the length
//! and not with its square.
//!
//! Tiles of queries stream over tiles of keys with a running maximum m, sum l and accumulator (`online.rs`; Milakov and
//! Gimelshein 2018; Dao et al. 2022; Dao 2023), and each row's log-sum-exp lse = m + ln l is kept. The backward pass
//! recomputes P = exp(S − lse) tile by tile. The letters are those of the papers:
//!
//! ```text
//! q (b, h, t, d)   k (b, g, s, d)   v (b, g, s, e)   out (b, h, t, e)   lse (b, h, t)      h = groups · g
//! S = scale · q kᵀ + mask    P = exp(S − lse)    out = P v
//! dv = Pᵀ dout    dP = dout vᵀ    delta = rowsum(dout ∘ out)    dS = P ∘ (dP − delta + dlse)    dq = scale · dS k    dk = scale · dSᵀ q
//! ```
//!
//! A hidden key's score is -∞ whatever it was, NaN included; but a hidden NaN in v (or in k, for dq) may reach a row through
//! 0 · NaN, as it does wherever P V is a product.

mod backward;
mod decode;
mod forward;
mod gradient;
mod mask;
mod online;
mod pack;
#[cfg(test)]
mod tests;
mod tile;

pub use backward::{AttentionCotangents, AttentionGradients, backward};
pub use forward::{AttentionOutput, forward, forward_from};

use crate::real::{BoolByte, Real};
use crate::shape::count;
use crate::view::View;

/// What may be looked at, beside the causal limit: a view of shape (b, h, t, s), broadcast by strides of 0.
#[derive(Clone, Copy)]
pub enum AttentionMask<'a, T> {
    /// Every key.
    None,
    /// The keys where it is true.
    Boolean(View<'a, BoolByte>),
    /// Every key, with this added to its score; -∞ hides it.
    Additive(View<'a, T>),
}

/// The operands of attention.
#[derive(Clone, Copy)]
pub struct AttentionInputs<'a, T> {
    /// Queries, (b, h, t, d).
    pub q: View<'a, T>,
    /// Keys, (b, g, s, d) where g divides h: query head i reads key head i / (h / g).
    pub k: View<'a, T>,
    /// Values, (b, g, s, e).
    pub v: View<'a, T>,
    /// What scores are multiplied by, commonly 1/√d.
    pub scale: T,
    /// Whether query i sees only the keys up to i + s − t.
    pub causal: bool,
    /// What else is hidden.
    pub mask: AttentionMask<'a, T>,
}

/// The sizes of [`AttentionInputs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AttentionDims {
    pub batch: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub queries: usize,
    pub keys: usize,
    pub dim: usize,
    pub value_dim: usize,
    pub causal: bool,
}

impl AttentionDims {
    /// How many keys query `t` sees at most: keys are hidden by the causal limit from there on.
    pub fn visible(&self, t: usize) -> usize {
        if self.causal { (t + 1 + self.keys).saturating_sub(self.queries).min(self.keys) } else { self.keys }
    }

    /// How many query heads share a key head.
    pub fn groups(&self) -> usize {
        self.heads / self.kv_heads.max(1)
    }

    /// Rows of all heads.
    pub fn rows(&self) -> usize {
        count(&[self.batch, self.heads, self.queries])
    }

    /// Pairs of a batch and a key head.
    pub fn units(&self) -> usize {
        count(&[self.batch, self.kv_heads])
    }
}

impl<T: Real> AttentionInputs<'_, T> {
    /// The sizes, checked against each other.
    ///
    /// # Panics
    /// If they do not fit.
    pub(crate) fn dims(&self) -> AttentionDims {
        let ([batch, heads, queries, dim], [kb, kv_heads, keys, kd], [vb, vh, vs, value_dim]) =
            (four(self.q.shape()), four(self.k.shape()), four(self.v.shape()));
        assert!(kb == batch && vb == batch && kd == dim && vh == kv_heads && vs == keys, "operands of attention fit each other");
        assert!(heads == 0 || kv_heads > 0 && heads.is_multiple_of(kv_heads), "query heads are a multiple of key heads");
        let mask = match &self.mask {
            AttentionMask::None => None,
            AttentionMask::Boolean(mask) => Some(mask.shape()),
            AttentionMask::Additive(mask) => Some(mask.shape()),
        };
        assert!(mask.is_none_or(|shape| shape == [batch, heads, queries, keys]), "a mask has the shape (b, h, t, s)");
        AttentionDims { batch, heads, kv_heads, queries, keys, dim, value_dim, causal: self.causal }
    }
}

/// The four sizes or strides of an operand.
fn four<N: Copy>(of: &[N]) -> [N; 4] {
    of.try_into().unwrap_or_else(|_| panic!("an operand of attention has four dimensions, not {}", of.len()))
}

/// One head of a strided operand: rows of elements.
#[derive(Clone, Copy)]
struct Head<'a, T> {
    /// What the operand is a view of.
    data: &'a [T],
    /// Where in it row 0 begins.
    start: usize,
    /// From a row to the next.
    row: isize,
    /// From an element to the next.
    element: isize,
}

impl<'a, T: Copy> Head<'a, T> {
    /// The rows of batch `b` and head `h` of a view of shape (b, h, t, d).
    fn from_view(view: &View<'a, T>, b: usize, h: usize) -> Self {
        let ([batches, heads, ..], [sb, sh, row, element]) = (four(view.shape()), four(view.strides()));
        debug_assert!(b < batches && h < heads);
        let (data, start) = view.data();
        Self { data, start: start.wrapping_add_signed(b as isize * sb + h as isize * sh), row, element }
    }

    /// Where in the data element `c` of row `i` is.
    #[inline(always)]
    fn position(&self, i: usize, c: usize) -> usize {
        self.start.wrapping_add_signed(i as isize * self.row).wrapping_add_signed(c as isize * self.element)
    }

    /// Element `c` of row `i`.
    #[inline(always)]
    fn at(&self, i: usize, c: usize) -> T {
        self.data[self.position(i, c)]
    }

    /// `n` elements of the data from element `c` of row `i` on.
    #[inline(always)]
    fn stretch(&self, i: usize, c: usize, n: usize) -> &'a [T] {
        if n == 0 { &[] } else { &self.data[self.position(i, c)..][..n] }
    }

    /// The data from row `i` on.
    fn onward(&self, i: usize) -> &'a [T] {
        &self.data[self.position(i, 0)..]
    }
}
