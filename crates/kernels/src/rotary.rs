//! Rotary position embedding: pairs of a row's elements rotated by angles given as cosines and sines.
//!
//! `out[i] = x[i] cos θᵢ − x[i + d/2] sin θᵢ, out[i + d/2] = x[i + d/2] cos θᵢ + x[i] sin θᵢ`

use crate::compiled::compiled;
use crate::params::params;
use crate::real::Real;
use crate::shape::count;
use crate::view::View;
use crate::{simd, threads};

/// The angles of every position: `(t, d/2)` in row-major order.
#[derive(Clone, Copy)]
pub struct Angles<'a, T> {
    /// cos θ
    pub cos: &'a [T],
    /// sin θ
    pub sin: &'a [T],
    /// Whether to rotate by −θ instead.
    pub inverse: bool,
}

compiled! {
    /// Turns every row of x, of shape (…, t, d) with d even and elements one after another, into the row-major `out`.
    ///
    /// # Panics
    /// If sizes do not fit, or the elements of a row lie apart.
    pub fn rotary<T: Real>(x: View<'_, T>, angles: Angles<'_, T>, out: &mut [T]) {
        let (&[.., t, d], &[.., element]) = (x.shape(), x.strides()) else { panic!("rotary takes rows of positions") };
        assert!(d.is_multiple_of(2) && (element == 1 || x.is_empty()), "rotary takes rows of an even length, one after another");
        assert!(
            [angles.cos.len(), angles.sin.len()] == [count(&[t, d / 2]); 2] && out.len() == x.len(),
            "rotary's tables fit its rows"
        );
        if x.is_empty() {
            return;
        }
        let (outer, strides) = (&x.shape()[..x.shape().len() - 1], x.strides());
        let (data, first) = x.data();
        threads::split_mut(out, d, threads::parts(x.len(), params().cost.rotary_ns), |start, slice| {
            for (r, to) in slice.chunks_exact_mut(d).enumerate() {
                let (mut index, mut at) = (start / d + r, 0);
                let position = index % t;
                for (&size, &stride) in outer.iter().zip(strides).rev() {
                    at += (index % size) as isize * stride;
                    index /= size;
                }
                let from = &data[first.wrapping_add_signed(at)..][..d];
                let range = position * (d / 2)..(position + 1) * (d / 2);
                rotate(from, &angles.cos[range.clone()], &angles.sin[range], angles.inverse, to);
            }
        });
    }
}

fn rotate<T: Real>(x: &[T], cos: &[T], sin: &[T], inverse: bool, out: &mut [T]) {
    let half = cos.len();
    let ((a, b), (p, q)) = (x.split_at(half), out.split_at_mut(half));
    let sign = if inverse { -T::ONE } else { T::ONE };
    simd::run(
        #[inline(always)]
        || {
            for i in 0..half {
                let (c, s) = (cos[i], sign * sin[i]);
                p[i] = a[i] * c - b[i] * s;
                q[i] = b[i] * c + a[i] * s;
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive;

    #[test]
    fn rows_of_any_stride_rotate_as_the_plain_twin_says_and_back() {
        for (shape, strides) in [([2, 3, 5, 8], [120, 8, 24, 1]), ([1, 1, 700, 64], [0, 0, 64, 1]), ([2, 2, 1, 2], [4, 2, 7, 1])] {
            let data: Vec<f64> = (0..240 * 200).map(|i| f64::from(i % 97) - 40.5).collect();
            let x = View::new(&data, 0, &shape, &strides).unwrap();
            let angles: Vec<f64> = (0..shape[2] * shape[3] / 2).map(|i| i as f64 * 0.37).collect();
            let (cos, sin): (Vec<f64>, Vec<f64>) = angles.iter().map(|a| (a.cos(), a.sin())).unzip();
            let (mut out, mut back) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            let angles = Angles { cos: &cos, sin: &sin, inverse: false };
            rotary(x, angles, &mut out);
            assert_eq!(out, naive::rotary(x, &cos, &sin));
            let straight = [shape[1] * shape[2] * shape[3], shape[2] * shape[3], shape[3], 1].map(|s| s as isize);
            rotary(View::new(&out, 0, &shape, &straight).unwrap(), Angles { inverse: true, ..angles }, &mut back);
            assert!(back.iter().zip(x.iter()).all(|(a, b)| (a - b).abs() < 1e-13));
        }
    }
}
