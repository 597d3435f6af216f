//! What the backward pass does to a tile beside its products: P from S, dS from P and dP, and each row's delta.

use super::Head;
use super::mask::VisibleKeys;
use super::online::{exponentials, mask_rest, window, zero_rest};
use super::tile::{BC, MR};
use crate::simd::{Enabled, Kernel, Lanes, Vector};

/// Σ_c dout[c] out[c], in the order and with the roundings of [`ScoreProduct`]: where one key has all the weight, out is its value,
/// and dP − delta is then exactly 0 and not the difference of two roundings.
pub(super) struct Delta<'a, T> {
    pub dout: &'a [T],
    /// The output, whose row `row` has as many elements as `dout`.
    pub out: Head<'a, T>,
    pub row: usize,
}

impl<T: Lanes> Kernel<T> for Delta<'_, T> {
    type Output = T;

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) -> T {
        let mut sum = isa.zero();
        for (c, &d) in self.dout.iter().enumerate() {
            sum = isa.splat(d).mul_add(isa.splat(self.out.at(self.row, c)), sum);
        }
        sum.largest()
    }
}

/// P = exp(S − lse), 0 beyond the keys that a row sees.
pub(super) struct Probabilities<'a, T> {
    pub lse: &'a [T],
    pub visible: &'a VisibleKeys,
    pub scores: &'a mut [T],
}

impl<T: Lanes> Kernel<T> for Probabilities<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let window = window::<T>();
        for (i, (scores, &lse)) in self.scores.chunks_exact_mut(BC).zip(self.lse).enumerate() {
            let vectors = self.visible.row[i].div_ceil(V::LANES);
            mask_rest(isa, scores, self.visible.row[i], &window);
            exponentials(&mut scores[..vectors * V::LANES], isa.splat(lse));
            zero_rest(scores, vectors * V::LANES, self.visible.panel[i / MR]);
        }
    }
}

/// dS = P ∘ (dP − delta), with dP in the place of dS, 0 beyond the keys that a row sees.
pub(super) struct ScoreGradients<'a, T> {
    pub p: &'a [T],
    pub delta: &'a [T],
    pub visible: &'a VisibleKeys,
    pub ds: &'a mut [T],
}

impl<T: Lanes> Kernel<T> for ScoreGradients<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let rows = self.p.chunks_exact(BC).zip(self.ds.chunks_exact_mut(BC)).zip(self.delta);
        for (i, ((p, ds), &delta)) in rows.enumerate() {
            let len = self.visible.row[i].next_multiple_of(V::LANES);
            let delta = isa.splat(delta);
            for (ds, p) in ds[..len].chunks_exact_mut(V::LANES).zip(p[..len].chunks_exact(V::LANES)) {
                (isa.read(p) * (isa.read(ds) - delta)).write(ds);
            }
            zero_rest(ds, len, self.visible.panel[i / MR]);
        }
    }
}
