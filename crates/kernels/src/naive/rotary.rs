//! Rotary position embedding, an element at a time.

use crate::real::Real;
use crate::view::View;

/// x of shape (…, t, d) with every pair (i, i + d/2) turned by the angle of its position.
pub fn rotary<T: Real>(x: View<'_, T>, cos: &[T], sin: &[T]) -> Vec<T> {
    let (&[.., t, d], half) = (x.shape(), x.shape()[x.shape().len() - 1] / 2) else { return Vec::new() };
    let x: Vec<T> = x.iter().collect();
    (0..x.len())
        .map(|at| {
            let (row, i) = (at / d, at % d);
            let angle = row % t * half + i % half;
            let partner = if i < half { -x[at + half] } else { x[at - half] };
            x[at] * cos[angle] + partner * sin[angle]
        })
        .collect()
}
