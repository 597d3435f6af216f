//! The structural similarity of two pictures, and its gradients.
//!
//! With w a Gaussian window of 11 x 11 pixels, s = x + y, d = x − y and means, variances under w,
//!
//! ```text
//! l = 1 − m_d² / B₁     B₁ = (m_s² + m_d²)/2 + C₁        c = 1 − v_d / B₂     B₂ = (v_s + v_d)/2 + C₂        SSIM = l c
//! ```
//!
//! These are the usual quotients of means and covariances: m_s and m_d stand for m_x and m_y, four fields do in the place of five, and nothing cancels where the pictures are alike.
//! The window is a product of two rows. A picture is `(height, width, channels)`; a neighbour along a row is `channels` numbers away.
//!
//! # Source
//! Wang, Bovik, Sheikh and Simoncelli (2004), Image quality assessment: from error visibility to structural similarity.

use crate::buffer::{Block, OutOfMemory};
use crate::compiled::compiled;
use crate::real::Real;
use crate::shape::count;
use crate::simd::{self, Enabled, Kernel, Lanes, MAX_LANES, Vector};
use crate::threads::{self, SharedSlice};

/// Pixels of the window to each side of its centre.
pub const REACH: usize = 5;
/// Pixels of a side of the window.
pub const WINDOW: usize = 2 * REACH + 1;
/// The window's standard deviation, in pixels.
const SIGMA: f64 = 1.5;
/// (0.01 L)² and (0.03 L)² of pictures with values from 0 to L = 1.
pub const STABILIZERS: [f64; 2] = [1e-4, 9e-4];
/// Fields of means and squares.
const FIELDS: usize = 4;
/// Nanoseconds a number, by which work is split.
const NUMBER_NS: f64 = 2.0;

/// The size of two pictures, and which windows count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SsimRule {
    /// Rows.
    pub height: usize,
    /// Pixels a row.
    pub width: usize,
    /// Numbers a pixel.
    pub channels: usize,
    /// Whether only windows count that lie within the picture; else there is one around each pixel, and zeros are around the picture.
    pub within: bool,
}

impl SsimRule {
    /// Windows that count, of all channels.
    pub fn windows(&self) -> usize {
        let lost = if self.within { 2 * REACH } else { 0 };
        count(&[self.height.saturating_sub(lost), self.width.saturating_sub(lost), self.channels])
    }

    /// Numbers of a row.
    fn row(&self) -> usize {
        self.width * self.channels
    }

    /// Numbers of a row of registers.
    fn stride(&self) -> usize {
        self.row().next_multiple_of(MAX_LANES)
    }

    /// Numbers of such a row with room for the window at both ends.
    fn padded(&self) -> usize {
        self.stride() + 2 * REACH * self.channels + MAX_LANES
    }

    fn check<T>(&self, pictures: [&[T]; 2]) -> usize {
        let numbers = count(&[self.height, self.width, self.channels]);
        assert!(pictures.iter().all(|x| x.len() == numbers), "two pictures of their size");
        assert!(self.windows() > 0, "a window");
        numbers
    }

    /// Which rows have windows that count.
    fn counts_row(&self, row: usize) -> bool {
        !self.within || (row >= REACH && row + REACH < self.height)
    }

    /// Which numbers of such a row do.
    fn counted(&self) -> std::ops::Range<usize> {
        let cut = if self.within { REACH * self.channels } else { 0 };
        cut..self.row() - cut
    }
}

/// Half of the window, from its end to its centre; the whole sums to 1.
pub fn window() -> [f64; REACH + 1] {
    let weight = |k: usize| (-((REACH - k) as f64).powi(2) / (2.0 * SIGMA * SIGMA)).exp();
    let sum: f64 = (0..REACH).map(|k| 2.0 * weight(k)).sum::<f64>() + 1.0;
    std::array::from_fn(|k| weight(k) / sum)
}

compiled! {
    /// The mean of SSIM over all windows and channels.
    ///
    /// # Errors
    /// If there is no memory for a few pictures.
    ///
    /// # Panics
    /// If lengths do not fit, or no window counts.
    pub fn ssim<T: Lanes>(rule: SsimRule, pictures: [&[T]; 2]) -> Result<f64, OutOfMemory> {
        let numbers = rule.check(pictures);
        let means = means(rule, pictures, threads::parts(numbers, NUMBER_NS))?;
        similarity(rule, &means, None)
    }
}

compiled! {
    /// The mean of SSIM, and its gradients by both pictures, of which the second may be empty: then it is not computed.
    ///
    /// # Errors
    /// If there is no memory for a few pictures.
    ///
    /// # Panics
    /// If lengths do not fit, or no window counts.
    pub fn ssim_gradient<T: Lanes>(rule: SsimRule, pictures: [&[T]; 2], out: [&mut [T]; 2]) -> Result<f64, OutOfMemory> {
        let numbers = rule.check(pictures);
        assert!(out[0].len() == numbers && [0, numbers].contains(&out[1].len()), "a gradient of the picture's size");
        let parts = threads::parts(numbers, NUMBER_NS);
        let means = means(rule, pictures, parts)?;
        let mut slopes = Block::new(count(&[rule.height, FIELDS, rule.stride()]))?;
        let mean = similarity(rule, &means, Some(&mut slopes))?;
        drop(means);
        let (both, row) = (!out[1].is_empty(), rule.row());
        let mut scratch = Block::new(count(&[parts, FIELDS, rule.padded()]))?;
        let (scratch, out) = (SharedSlice::new(&mut scratch), out.map(SharedSlice::new));
        let each = FIELDS * rule.padded();
        threads::run(parts, |part| {
            // SAFETY: each part has its own scratch.
            let scratch = unsafe { scratch.part(part * each..(part + 1) * each) };
            for at in threads::range(rule.height, 1, parts, part) {
                let range = |wanted: bool| if wanted { at * row..(at + 1) * row } else { 0..0 };
                // SAFETY: parts differ in their rows.
                let out = unsafe { [out[0].part(range(true)), out[1].part(range(both))] };
                simd::dispatch(GradientRow { rule, at, slopes: &slopes, pictures, scratch: &mut *scratch, out });
            }
        });
        Ok(mean)
    }
}

/// The means along rows of s, d, s² and d²: `(height, 4, stride)`.
fn means<T: Lanes>(rule: SsimRule, pictures: [&[T]; 2], parts: usize) -> Result<Block<T>, OutOfMemory> {
    let mut out = Block::new(count(&[rule.height, FIELDS, rule.stride()]))?;
    let each = FIELDS * rule.padded();
    let mut scratch = Block::new(count(&[parts, each]))?;
    let (wide, scratch) = (FIELDS * rule.stride(), SharedSlice::new(&mut scratch));
    let rows = SharedSlice::new(&mut out);
    threads::run(parts, |part| {
        // SAFETY: each part has its own scratch.
        let scratch = unsafe { scratch.part(part * each..(part + 1) * each) };
        for at in threads::range(rule.height, 1, parts, part) {
            // SAFETY: parts differ in their rows.
            let out = unsafe { rows.part(at * wide..(at + 1) * wide) };
            simd::dispatch(MeansRow { rule, at, pictures, scratch: &mut *scratch, out });
        }
    });
    Ok(out)
}

/// The mean of SSIM, and what the means would have to change by, if wanted.
fn similarity<T: Lanes>(rule: SsimRule, means: &[T], slopes: Option<&mut Block<T>>) -> Result<f64, OutOfMemory> {
    let numbers = rule.height * rule.row();
    let parts = threads::parts(numbers, NUMBER_NS);
    let wanted = slopes.is_some();
    let mut none = [];
    let slopes = SharedSlice::new(slopes.map_or(&mut none[..], |slopes| slopes));
    let mut scratch = Block::new(count(&[parts, rule.stride()]))?;
    let (stride, scratch) = (rule.stride(), SharedSlice::new(&mut scratch));
    let mut rows = Block::<f64>::new(rule.height)?;
    let sums = SharedSlice::new(&mut rows);
    threads::run(parts, |part| {
        // SAFETY: each part has its own scratch.
        let scratch = unsafe { scratch.part(part * stride..(part + 1) * stride) };
        for at in threads::range(rule.height, 1, parts, part) {
            let wide = if wanted { FIELDS * stride } else { 0 };
            // SAFETY: parts differ in their rows.
            let (out, sum) = unsafe { (slopes.part(at * wide..(at + 1) * wide), sums.part(at..at + 1)) };
            sum[0] = simd::dispatch(SimilarityRow { rule, at, means, scratch: &mut *scratch, out });
        }
    });
    Ok(1.0 - rows.iter().sum::<f64>() / rule.windows() as f64)
}

/// Σ w x along a padded row.
#[inline(always)]
fn along<V: Vector>(isa: Enabled<V>, w: &[V; REACH + 1], padded: &[V::Element], channels: usize, at: usize) -> V {
    let x = &padded[at..at + 2 * REACH * channels + V::LANES];
    let mut sum = w[REACH] * isa.read(&x[REACH * channels..]);
    for k in 0..REACH {
        let pair = isa.read(&x[k * channels..]) + isa.read(&x[(2 * REACH - k) * channels..]);
        sum = pair.mul_add(w[k], sum);
    }
    sum
}

/// Σ w x over the rows around one, of a field of `(height, 4, stride)`; rows beyond the picture are zeros.
#[inline(always)]
fn down<V: Vector>(isa: Enabled<V>, w: &[V; REACH + 1], rule: &SsimRule, fields: &[V::Element], [row, field, at]: [usize; 3]) -> V {
    let stride = rule.stride();
    let mut sum = isa.zero();
    for k in 0..WINDOW {
        if row + k >= REACH && row + k < rule.height + REACH {
            let x = isa.read(&fields[((row + k - REACH) * FIELDS + field) * stride + at..]);
            sum = x.mul_add(w[k.min(2 * REACH - k)], sum);
        }
    }
    sum
}

#[inline(always)]
fn weights<V: Vector>(isa: Enabled<V>) -> [V; REACH + 1] {
    let half = window();
    let mut w = [isa.zero(); REACH + 1];
    for k in 0..=REACH {
        w[k] = isa.constant(half[k]);
    }
    w
}

struct MeansRow<'a, T> {
    rule: SsimRule,
    at: usize,
    pictures: [&'a [T]; 2],
    scratch: &'a mut [T],
    out: &'a mut [T],
}

impl<T: Real> Kernel<T> for MeansRow<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let Self { rule, at, pictures, scratch, out } = self;
        let (row, stride, padded, edge) = (rule.row(), rule.stride(), rule.padded(), REACH * rule.channels);
        let [x, y] = pictures.map(|x| &x[at * row..(at + 1) * row]);
        scratch.fill(T::ZERO);
        for i in (0..row).step_by(V::LANES) {
            let here = V::LANES.min(row - i);
            let (x, y) = (isa.read_first(&x[i..i + here]), isa.read_first(&y[i..i + here]));
            let (s, d) = (x + y, x - y);
            for (field, value) in [s, d, s * s, d * d].into_iter().enumerate() {
                value.write_first(&mut scratch[field * padded + edge + i..][..here]);
            }
        }
        let w = weights(isa);
        for field in 0..FIELDS {
            let from = &scratch[field * padded..][..padded];
            for i in (0..stride).step_by(V::LANES) {
                along(isa, &w, from, rule.channels, i).write(&mut out[field * stride + i..]);
            }
        }
    }
}

struct SimilarityRow<'a, T> {
    rule: SsimRule,
    at: usize,
    means: &'a [T],
    scratch: &'a mut [T],
    out: &'a mut [T],
}

impl<T: Real> Kernel<T> for SimilarityRow<'_, T> {
    /// Σ 1 − SSIM
    type Output = f64;

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) -> f64 {
        let Self { rule, at, means, scratch, out } = self;
        if !rule.counts_row(at) {
            out.fill(T::ZERO);
            return 0.0;
        }
        let (w, stride) = (weights(isa), rule.stride());
        let (one, half, zero) = (isa.constant(1.0), isa.constant(0.5), isa.zero());
        let [c1, c2] = [isa.constant(STABILIZERS[0]), isa.constant(STABILIZERS[1])];
        let share = isa.constant(1.0 / rule.windows() as f64);
        for i in (0..stride).step_by(V::LANES) {
            let mut m = [zero; FIELDS];
            for field in 0..FIELDS {
                m[field] = down(isa, &w, &rule, means, [at, field, i]);
            }
            let [ms, md, ss, dd] = m;
            let (vs, vd) = (ss - ms * ms, dd - md * md);
            let (b1, b2) = (half.mul_add(ms * ms + md * md, c1), half.mul_add(vs + vd, c2));
            let (inverse1, inverse2) = (one / b1, one / b2);
            // 1 − l and 1 − c
            let (l_lost, c_lost) = (md * md * inverse1, vd * inverse2);
            let (l, c) = (one - l_lost, one - c_lost);
            (l_lost + l * c_lost).write(&mut scratch[i..]);
            if !out.is_empty() {
                let (along_l, along_c) = (c * inverse1 * share, l * inverse2 * share);
                let of_s = ms * (along_l * l_lost - along_c * c_lost);
                let of_d = md * (along_c * (one + c) - along_l * (one + l));
                let slopes = [of_s + of_d, of_s - of_d, half * along_c * c_lost, -half * along_c * (one + c)];
                for (field, slope) in slopes.into_iter().enumerate() {
                    slope.write(&mut out[field * stride + i..]);
                }
            }
        }
        let counted = rule.counted();
        for row in out.chunks_exact_mut(stride) {
            row[..counted.start].fill(T::ZERO);
            row[counted.end..].fill(T::ZERO);
        }
        let mut sum = zero;
        for lost in scratch[counted].chunks(V::LANES) {
            sum += isa.read_first(lost);
        }
        sum.sum().to_f64()
    }
}

struct GradientRow<'a, T> {
    rule: SsimRule,
    at: usize,
    slopes: &'a [T],
    pictures: [&'a [T]; 2],
    scratch: &'a mut [T],
    out: [&'a mut [T]; 2],
}

impl<T: Real> Kernel<T> for GradientRow<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let Self { rule, at, slopes, pictures, scratch, out: [out_x, out_y] } = self;
        let (row, stride, padded, edge) = (rule.row(), rule.stride(), rule.padded(), REACH * rule.channels);
        let (w, both) = (weights(isa), !out_y.is_empty());
        scratch.fill(T::ZERO);
        for field in (0..FIELDS).filter(|&field| field != 1 || both) {
            for i in (0..stride).step_by(V::LANES) {
                down(isa, &w, &rule, slopes, [at, field, i]).write(&mut scratch[field * padded + edge + i..]);
            }
        }
        let [x, y] = pictures.map(|x| &x[at * row..(at + 1) * row]);
        let from = |field: usize| &scratch[field * padded..][..padded];
        for i in (0..row).step_by(V::LANES) {
            let here = V::LANES.min(row - i);
            let (x, y) = (isa.read_first(&x[i..i + here]), isa.read_first(&y[i..i + here]));
            let two = isa.constant(2.0);
            let s = two * (x + y) * along(isa, &w, from(2), rule.channels, i);
            let d = two * (x - y) * along(isa, &w, from(3), rule.channels, i);
            (along(isa, &w, from(0), rule.channels, i) + s + d).write_first(&mut out_x[i..i + here]);
            if both {
                (along(isa, &w, from(1), rule.channels, i) + s - d).write_first(&mut out_y[i..i + here]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::naive;

    fn pictures(numbers: usize) -> [Vec<f64>; 2] {
        let value = |i: usize, k: usize| ((i * 7919 + k * 104_729) % 1009) as f64 / 1008.0;
        [0, 1].map(|k| (0..numbers).map(|i| 0.7 * value(i / 5, k) + 0.3 * value(i, 3 * k)).collect())
    }

    const SIZES: [(usize, usize, usize, bool); 7] = [
        (1, 1, 3, false),
        (5, 7, 3, false),
        (24, 40, 3, false),
        (24, 40, 3, true),
        (33, 17, 1, true),
        (11, 11, 2, true),
        (70, 66, 4, false),
    ];

    #[test]
    fn the_mean_and_both_gradients_agree_with_the_twin() {
        for (height, width, channels, within) in SIZES {
            let rule = SsimRule { height, width, channels, within };
            let numbers = height * width * channels;
            let [x, y] = pictures(numbers);
            let (mut gx, mut gy) = (vec![9.0; numbers], vec![9.0; numbers]);
            let found = ssim_gradient(rule, [&x, &y], [&mut gx, &mut gy]).unwrap();
            assert!((ssim(rule, [&x, &y]).unwrap() - found).abs() < 1e-15);
            let expected = naive::ssim(rule, [&x, &y]);
            assert!((found - expected).abs() < 1e-13, "{rule:?}: {found}, not {expected}");
            let step = 1e-5;
            for i in (0..numbers).step_by(numbers.div_ceil(7)) {
                let moved = |which: usize, by: f64| {
                    let mut both = [x.clone(), y.clone()];
                    both[which][i] += by;
                    naive::ssim(rule, [&both[0], &both[1]])
                };
                for (which, g) in [gx[i], gy[i]].into_iter().enumerate() {
                    let slope = (moved(which, step) - moved(which, -step)) / (2.0 * step);
                    // Differences of numbers of about 1 over 2e-5, and the third derivative.
                    assert!((slope - g).abs() < 1e-9, "{rule:?} {which} {i}: {g}, not {slope}");
                }
            }
        }
    }

    #[test]
    fn f32_is_as_near_as_its_digits() {
        let rule = SsimRule { height: 70, width: 66, channels: 3, within: false };
        let [x, y] = pictures(70 * 66 * 3);
        let single = |x: &[f64]| x.iter().map(|&x| x as f32).collect::<Vec<_>>();
        let (mut g, mut single_g) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        let exact = ssim_gradient(rule, [&x, &y], [&mut g, &mut []]).unwrap();
        let found = ssim_gradient(rule, [&single(&x), &single(&y)], [&mut single_g, &mut []]).unwrap();
        assert!((found - exact).abs() < 1e-6, "{found}, not {exact}");
        let largest = g.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
        assert!(g.iter().zip(&single_g).all(|(g, &s)| (g - f64::from(s)).abs() < 1e-4 * largest));
    }

    #[test]
    fn the_bits_are_the_same_on_any_number_of_threads() {
        let rule = SsimRule { height: 150, width: 130, channels: 3, within: false };
        let [x, y] = pictures(150 * 130 * 3);
        let on = |count: usize| {
            let (mut gx, mut gy) = (vec![0.0; x.len()], vec![0.0; x.len()]);
            let mean = threads::with_count(count, || ssim_gradient(rule, [&x, &y], [&mut gx, &mut gy])).unwrap();
            (mean.to_bits(), gx, gy)
        };
        let one = on(1);
        assert!(on(2) == one && on(3) == one);
    }

    #[test]
    fn equal_pictures_are_wholly_similar() {
        let rule = SsimRule { height: 12, width: 13, channels: 3, within: true };
        let [x, _] = pictures(12 * 13 * 3);
        let mut g = vec![1.0; x.len()];
        assert_eq!(ssim_gradient(rule, [&x, &x], [&mut g, &mut []]).unwrap(), 1.0);
        assert!(g.iter().all(|g| g.abs() < 1e-12));
    }
}
