//! What the backward pass does to a tile beside its products: P from S, dS from P and dP, and each row's delta.

use super::mask::VisibleKeys;
use super::online::{exponentials, mask_rest, window, zero_rest};
use super::tile::{BC, MR};
use crate::simd::{Kernel, Lanes, Vector};

/// Σ_c dout[c] out[c], in the order and with the roundings of [`ScoreProduct`]: where one key has all the weight, out is its value,
/// and dP − delta is then exactly 0 and not the difference of two roundings.
pub(super) struct Delta<'a, T> {
    pub dout: &'a [T],
    /// As many elements as `dout` has, `element` apart.
    pub out: *const T,
    pub element: isize,
}

impl<T: Lanes> Kernel<T> for Delta<'_, T> {
    type Output = T;

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) -> T {
        // SAFETY: `dispatch_on` enabled `V`; `out` is a row of the output's view, of shape (b, h, t, e) as `run` checked.
        unsafe {
            let mut sum = V::splat(T::ZERO);
            for (c, &d) in self.dout.iter().enumerate() {
                let o = V::splat(*self.out.wrapping_offset(c as isize * self.element));
                sum = V::splat(d).mul_add(o, sum);
            }
            sum.largest()
        }
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
    unsafe fn run<V: Vector<Element = T>>(self) {
        let window = window::<T>();
        for (i, (scores, &lse)) in self.scores.chunks_exact_mut(BC).zip(self.lse).enumerate() {
            let vectors = self.visible.row[i].div_ceil(V::LANES);
            // SAFETY: `dispatch_on` enabled `V`; a row holds `BC` scores, a multiple of the lanes, and no more are seen.
            unsafe {
                mask_rest::<V>(scores, self.visible.row[i], &window);
                exponentials(scores.as_mut_ptr(), vectors, V::splat(lse));
            }
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
    unsafe fn run<V: Vector<Element = T>>(self) {
        let rows = self.p.chunks_exact(BC).zip(self.ds.chunks_exact_mut(BC)).zip(self.delta);
        for (i, ((p, ds), &delta)) in rows.enumerate() {
            let vectors = self.visible.row[i].div_ceil(V::LANES);
            // SAFETY: as in `Probabilities`.
            unsafe {
                let (p, ds, delta) = (p.as_ptr(), ds.as_mut_ptr(), V::splat(delta));
                for j in 0..vectors {
                    let dp = V::load(ds.add(j * V::LANES));
                    V::load(p.add(j * V::LANES)).mul(dp.sub(delta)).store(ds.add(j * V::LANES));
                }
            }
            zero_rest(ds, vectors * V::LANES, self.visible.panel[i / MR]);
        }
    }
}
