//! Softmax and its logarithm over rows.

use crate::buffer::Block;
use crate::compiled::compiled;
use crate::number::rows::{self, weight};
use crate::params::params;
use crate::real::Real;
use crate::row_partition::{LANES, dot, pairwise, split, sum};
use crate::simd::{self, Stream};
use crate::threads;

/// Elements of the longest row that stays in the second cache beside its softmax.
const ROW: usize = 1 << 15;
/// Elements that stay in the first cache between finding their maximum and adding their exponentials.
const BLOCK: usize = 1024;

compiled! {
    /// (m, ln l) with `m = maxᵢ x[i]` and `l = Σᵢ exp(x[i] − m)`: their sum is the log-sum-exp. NaN where the row has one.
    ///
    /// One pass over memory: a block's maximum raises m and rescales the sum so far (Milakov and Gimelshein 2018).
    pub fn log_sum_exp<T: Real>(x: &[T]) -> (T, T) {
        simd::run_fused(
            x,
            #[inline(always)]
            |x| {
                let (m, ln_l) = log_sum_exp_of::<T::Fused>(bytemuck::cast_slice(x));
                (T::from_fused(m), T::from_fused(ln_l))
            },
            #[inline(always)]
            |x| log_sum_exp_of(x),
        )
    }
}

#[inline(always)]
fn log_sum_exp_of<T: Real>(x: &[T]) -> (T, T) {
    let (mut m, mut l) = (T::NEG_INFINITY, T::ZERO);
    for block in x.chunks(BLOCK) {
        let raised = max(block);
        if raised > m {
            l *= (m - raised).exp();
            m = raised;
        }
        // Where all so far is −∞ each exponential is 0, not that of −∞ − (−∞).
        let shift = if m > T::NEG_INFINITY { m } else { T::ZERO };
        l += sum_exp(block, shift);
    }
    (m, l.ln())
}

/// The largest element that is not NaN; -∞ where there is none.
#[inline(always)]
fn max<T: Real>(x: &[T]) -> T {
    let larger = |m: T, x: T| if x > m { x } else { m };
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut lanes = [T::NEG_INFINITY; LANES];
    for chunk in chunks {
        (0..LANES).for_each(|k| lanes[k] = larger(lanes[k], chunk[k]));
    }
    let mut half = LANES / 2;
    while half > 0 {
        (0..half).for_each(|k| lanes[k] = larger(lanes[k], lanes[k + half]));
        half /= 2;
    }
    rest.iter().fold(lanes[0], |m, &x| larger(m, x))
}

/// Σ exp(x[i] − m)
#[inline(always)]
fn sum_exp<T: Real>(x: &[T], m: T) -> T {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut sums = [T::ZERO; LANES];
    for chunk in chunks {
        (0..LANES).for_each(|k| sums[k] += weight(chunk[k], m));
    }
    pairwise(sums) + rest.iter().fold(T::ZERO, |sum, &x| sum + weight(x, m))
}

compiled! {
    /// y = exp(x − m) / Σ exp(x − m), or its logarithm where `logarithm`, over rows of n elements.
    ///
    /// A row of −∞ alone has no softmax and gives NaN.
    ///
    /// # Panics
    /// If the lengths differ or are not of whole rows.
    pub fn softmax<T: Real>(x: &[T], n: usize, logarithm: bool, y: &mut [T]) {
        let streamed = size_of_val(y) >= params().memory.streamed_bytes && n <= ROW;
        for_parts([x], n, y, |[x], y| {
            let stream = streamed.then(Stream::new);
            simd::run_fused(
                (x, y),
                #[inline(always)]
                |(x, y)| {
                    let (x, y) = (bytemuck::cast_slice::<_, T::Fused>(x), bytemuck::cast_slice_mut::<_, T::Fused>(y));
                    softmax_rows(x, n, logarithm, y, stream.as_ref());
                },
                #[inline(always)]
                |(x, y)| softmax_rows(x, n, logarithm, y, stream.as_ref()),
            );
        });
    }
}

#[inline(always)]
fn softmax_rows<T: Real>(x: &[T], n: usize, logarithm: bool, y: &mut [T], stream: Option<&Stream>) {
    let mut buffer = Block::<T>::small(if stream.is_some() { n } else { 0 });
    for (r, y) in y.chunks_exact_mut(n).enumerate() {
        let (x, next) = x[r * n..].split_at(n);
        let next = &next[..n.min(next.len())];
        let here = if stream.is_some() { &mut buffer[..] } else { &mut *y };
        if logarithm {
            log_softmax_of(x, next, here)
        } else {
            softmax_of(x, next, here)
        }
        if let Some(stream) = stream {
            stream.copy(&buffer, y);
        }
    }
}

/// Asks for the lines of `next` that lie where chunk `i` lies in this row: exponentials leave memory the time to bring them.
#[inline(always)]
fn prefetch_next<T>(next: &[T], i: usize) {
    for at in (i * LANES..(i + 1) * LANES).step_by(64 / size_of::<T>()) {
        simd::prefetch(next.as_ptr().wrapping_add(at));
    }
}

#[inline(always)]
fn softmax_of<T: Real>(x: &[T], next: &[T], y: &mut [T]) {
    let m = max(x);
    let ((x, x_rest), (chunks, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks_mut::<LANES>());
    let mut sums = [T::ZERO; LANES];
    for (i, (y, x)) in chunks.iter_mut().zip(x).enumerate() {
        prefetch_next(next, i);
        for k in 0..LANES {
            y[k] = weight(x[k], m);
            sums[k] += y[k];
        }
    }
    let mut l = pairwise(sums);
    for (y, &x) in y_rest.iter_mut().zip(x_rest) {
        *y = weight(x, m);
        l += *y;
    }
    let scale = T::ONE / l;
    y.iter_mut().for_each(|y| *y *= scale);
}

#[inline(always)]
fn log_softmax_of<T: Real>(x: &[T], next: &[T], y: &mut [T]) {
    let m = max(x);
    let (chunks, rest) = x.as_chunks::<LANES>();
    let mut sums = [T::ZERO; LANES];
    for (i, x) in chunks.iter().enumerate() {
        prefetch_next(next, i);
        (0..LANES).for_each(|k| sums[k] += weight(x[k], m));
    }
    let ln_l = rest.iter().fold(pairwise(sums), |sum, &x| sum + weight(x, m)).ln();
    y.iter_mut().zip(x).for_each(|(y, &x)| *y = rows::log_softmax(x, m, ln_l));
}

compiled! {
    /// The gradient of [`softmax`] from its result y: dx = y (dy − Σ dy y), or dx = dy − exp(y) Σ dy of the logarithm.
    ///
    /// # Panics
    /// If the lengths differ or are not of whole rows.
    pub fn softmax_backward<T: Real>(y: &[T], dy: &[T], n: usize, logarithm: bool, dx: &mut [T]) {
        for_parts([y, dy], n, dx, |[y, dy], dx| {
            simd::run_fused(
                (y, dy, dx),
                #[inline(always)]
                |(y, dy, dx)| {
                    let [y, dy] = [y, dy].map(bytemuck::cast_slice::<_, T::Fused>);
                    backward_rows(y, dy, n, logarithm, bytemuck::cast_slice_mut(dx));
                },
                #[inline(always)]
                |(y, dy, dx)| backward_rows(y, dy, n, logarithm, dx),
            );
        });
    }
}

#[inline(always)]
fn backward_rows<T: Real>(y: &[T], dy: &[T], n: usize, logarithm: bool, dx: &mut [T]) {
    for ((y, dy), dx) in y.chunks_exact(n).zip(dy.chunks_exact(n)).zip(dx.chunks_exact_mut(n)) {
        let inputs = y.iter().zip(dy);
        if logarithm {
            let total = sum(dy);
            dx.iter_mut().zip(inputs).for_each(|(dx, (&y, &dy))| *dx = rows::log_softmax_slope(y, dy, total));
        } else {
            let mean = dot(y, dy);
            dx.iter_mut().zip(inputs).for_each(|(dx, (&y, &dy))| *dx = rows::softmax_slope(y, dy, mean));
        }
    }
}

/// Calls `part` for parts of whole rows of n elements of the inputs and the result.
fn for_parts<T: Real, const N: usize>(inputs: [&[T]; N], n: usize, out: &mut [T], part: impl Fn([&[T]; N], &mut [T]) + Sync) {
    assert!(inputs.iter().all(|x| x.len() == out.len()), "arrays of one length");
    if out.is_empty() {
        return;
    }
    assert!(n > 0 && out.len().is_multiple_of(n), "whole rows");
    let rows = out.len() / n;
    split(rows, threads::parts(rows, n as f64 * params().cost.softmax_ns), [out], |range, [out]| {
        part(inputs.map(|x| &x[range.start * n..range.end * n]), out);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive;

    #[test]
    fn softmax_and_its_gradient_agree_with_the_twin_at_odd_sizes() {
        for (rows, n) in [(1, 1), (3, 7), (2, 32), (5, 33), (2, 1025), (400, 129), (0, 3)] {
            let number = |i: usize| ((i * 7919) % 1009) as f64 / 50.0 - 10.0;
            let x: Vec<f64> = (0..rows * n).map(number).collect();
            let dy: Vec<f64> = (0..rows * n).map(|i| number(i + 500) / 10.0).collect();
            let close = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-13 * b.abs().max(1.0));
            let (mut y, mut log_y, mut dx) = (vec![0.0; rows * n], vec![0.0; rows * n], vec![0.0; rows * n]);
            softmax(&x, n, false, &mut y);
            softmax(&x, n, true, &mut log_y);
            let expected = naive::softmax(&x, n);
            assert!(close(&y, &expected), "{rows} rows of {n}");
            assert!(close(&log_y, &expected.iter().map(|p| p.ln()).collect::<Vec<_>>()), "{rows} rows of {n}");
            softmax_backward(&y, &dy, n, false, &mut dx);
            assert!(close(&dx, &naive::softmax_backward(&expected, &dy, n, false)), "{rows} rows of {n}");
            softmax_backward(&log_y, &dy, n, true, &mut dx);
            assert!(close(&dx, &naive::softmax_backward(&expected, &dy, n, true)), "{rows} rows of {n}");
        }
    }

    #[test]
    fn hidden_elements_weigh_nothing_and_a_row_of_them_has_no_softmax() {
        let hidden = f32::NEG_INFINITY;
        let x = [hidden, 1e4, hidden, 1e4, hidden, hidden, hidden, hidden, 0.0, f32::NAN, 0.0, 0.0];
        let mut y = [0.0; 12];
        softmax(&x, 4, false, &mut y);
        assert_eq!(y[..4], [0.0, 0.5, 0.0, 0.5]);
        assert!(y[4..].iter().all(|y| y.is_nan()));
    }

    #[test]
    fn log_sum_exp_holds_where_whole_blocks_are_hidden() {
        let mut x = vec![f64::NEG_INFINITY; 3 * BLOCK];
        x[2 * BLOCK + 5] = 700.0;
        x[7] = 700.0;
        let (m, ln_l) = log_sum_exp(&x);
        assert_eq!((m, ln_l), (700.0, 2.0_f64.ln()));
        let (m, ln_l) = log_sum_exp(&x[BLOCK..2 * BLOCK]);
        assert_eq!((m, ln_l), (f64::NEG_INFINITY, f64::NEG_INFINITY));
    }
}
