//! Samples along rays as pixels: each ray owns a segment of the samples, in order of distance.
//!
//! ```text
//! αᵢ = 1 − exp(−σᵢ (eᵢ − sᵢ))        Tᵢ = Πⱼ (1 − αⱼ) over j < i        wᵢ = Tᵢ αᵢ        Σ wᵢ cᵢ,  Σ wᵢ,  Σ wᵢ (sᵢ + eᵢ)/2,  T
//! ```
//!
//! T behind the last sample is what is left of 1 − Σ wᵢ, without the cancellation.
//!
//! The gradient replays the ray. With gᵢ what a weight is worth, c̄·cᵢ + ō + d̄ (sᵢ + eᵢ)/2 + w̄ᵢ, it is
//!
//! ```text
//! qᵢ = Tᵢ₊₁ gᵢ − Σⱼ wⱼ gⱼ over j > i − T T̄        σ̄ᵢ = (eᵢ − sᵢ) qᵢ        ēᵢ = σᵢ qᵢ + ½ wᵢ d̄        s̄ᵢ = −σᵢ qᵢ + ½ wᵢ d̄        c̄ᵢ = wᵢ c̄
//! ```

use crate::compiled::compiled;
use crate::real::Real;
use crate::shape::count;
use crate::simd::{self, Lanes};
use crate::threads::{self, SharedSlice};

/// Nanoseconds a sample, by which work is split.
const SAMPLE_NS: f64 = 12.0;
/// Tasks a thread: rays are not equally long.
const TASKS: usize = 4;

/// How samples are composited.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompositeRule {
    /// Numbers of a colour.
    pub channels: usize,
    /// A ray is finished where T is below this.
    pub stop: f64,
}

impl CompositeRule {
    /// Numbers of a pixel: its channels, opacity, depth, and the light that passes.
    pub fn wide(&self) -> usize {
        self.channels + 3
    }
}

/// S samples of R rays.
#[derive(Debug, Clone, Copy)]
pub struct RaySamples<'a, T> {
    /// `(S)`: σ.
    pub densities: &'a [T],
    /// `(S, C)`
    pub colors: &'a [T],
    /// `(S)`: the distances at which samples begin,
    pub starts: &'a [T],
    /// and those at which they end.
    pub ends: &'a [T],
    /// `(R + 1)`: ray r owns the samples from `offsets[r]` to `offsets[r + 1]`.
    pub offsets: &'a [i64],
}

/// Gradients by the samples' numbers.
#[derive(Debug)]
pub struct RaySamplesMut<'a, T> {
    /// `(S)`
    pub densities: &'a mut [T],
    /// `(S, C)`
    pub colors: &'a mut [T],
    /// `(S)`
    pub starts: &'a mut [T],
    /// `(S)`
    pub ends: &'a mut [T],
}

impl<T> RaySamples<'_, T> {
    /// Whether lengths fit, and offsets go from 0 up to the number of samples.
    pub fn is_valid(&self, rule: &CompositeRule) -> bool {
        let n = self.densities.len();
        self.starts.len() == n
            && self.ends.len() == n
            && self.colors.len() == count(&[n, rule.channels])
            && self.offsets.first() == Some(&0)
            && self.offsets.last() == Some(&(n as i64))
            && self.offsets.is_sorted()
    }

    fn rays(&self) -> usize {
        self.offsets.len() - 1
    }

    fn tasks(&self) -> usize {
        let parts = threads::parts(self.densities.len(), SAMPLE_NS);
        if parts > 1 { (TASKS * parts).min(self.rays()) } else { 1 }
    }

    fn segment(&self, ray: usize) -> std::ops::Range<usize> {
        self.offsets[ray] as usize..self.offsets[ray + 1] as usize
    }
}

compiled! {
    /// The pixels `(R, C + 3)`: colours before a background, opacity, the sum of depths, and the light that passes; and the weights `(S)`.
    ///
    /// # Panics
    /// If lengths do not fit, or offsets are not sorted.
    pub fn composite<T: Lanes>(rule: CompositeRule, samples: RaySamples<'_, T>, out: &mut [T], weights: &mut [T]) {
        assert!(samples.is_valid(&rule), "samples of their rays");
        let (rays, wide) = (samples.rays(), rule.wide());
        assert!(out.len() == count(&[rays, wide]) && weights.len() == samples.densities.len(), "pixels and weights of their sizes");
        let tasks = samples.tasks();
        let [out, weights] = [out, weights].map(SharedSlice::new);
        threads::run(tasks, |task| {
            let range = threads::range(rays, 1, tasks, task);
            let segment = samples.offsets[range.start] as usize..samples.offsets[range.end] as usize;
            // SAFETY: tasks differ in their rays, and offsets are sorted, so that their samples differ too.
            let (out, weights) = unsafe { (out.part(wide * range.start..wide * range.end), weights.part(segment.clone())) };
            simd::run(
                #[inline(always)]
                || {
                    for (ray, pixel) in range.clone().zip(out.chunks_exact_mut(wide)) {
                        let of = samples.segment(ray);
                        let weights = &mut weights[of.start - segment.start..of.end - segment.start];
                        along(&rule, &samples, of, pixel, weights);
                    }
                },
            );
        });
    }

    /// The gradients of [`composite`] by its samples, of the pixels' cotangents and the weights', if they have any; `weights` is what it returned.
    ///
    /// # Panics
    /// As [`composite`].
    pub fn composite_gradient<T: Lanes>(
        rule: CompositeRule,
        samples: RaySamples<'_, T>,
        weights: &[T],
        bars: (&[T], Option<&[T]>),
        out: RaySamplesMut<'_, T>,
    ) {
        let (n, rays, wide) = (samples.densities.len(), samples.rays(), rule.wide());
        let (pixel_bars, weight_bars) = bars;
        assert!(samples.is_valid(&rule) && weights.len() == n, "samples of their rays");
        assert!(pixel_bars.len() == count(&[rays, wide]) && weight_bars.is_none_or(|bars| bars.len() == n), "cotangents of their sizes");
        let RaySamplesMut { densities, colors, starts, ends } = out;
        assert!(densities.len() == n && starts.len() == n && ends.len() == n && colors.len() == samples.colors.len(), "gradients of their sizes");
        let tasks = samples.tasks();
        let outs = [densities, colors, starts, ends].map(SharedSlice::new);
        threads::run(tasks, |task| {
            let range = threads::range(rays, 1, tasks, task);
            let mut passed = Vec::new();
            for ray in range {
                let of = samples.segment(ray);
                let c = rule.channels;
                // SAFETY: tasks differ in their rays, and offsets are sorted, so that their samples differ too.
                let [densities, colors, starts, ends] = [(0, 1), (1, c), (2, 1), (3, 1)]
                    .map(|(k, wide)| unsafe { outs[k].part(wide * of.start..wide * of.end) });
                let out = RaySamplesMut { densities, colors, starts, ends };
                let bars = (&pixel_bars[wide * ray..][..wide], weight_bars.map(|bars| &bars[of.clone()]));
                simd::run(
                    #[inline(always)]
                    || back((&rule, &samples), of.clone(), &mut passed, &weights[of.clone()], bars, out),
                );
            }
        });
    }
}

/// One ray's pixel and weights.
#[inline(always)]
fn along<T: Real>(
    rule: &CompositeRule,
    samples: &RaySamples<'_, T>,
    of: std::ops::Range<usize>,
    pixel: &mut [T],
    weights: &mut [T],
) {
    let (c, stop, half) = (rule.channels, T::from_f64(rule.stop), T::from_f64(0.5));
    pixel.fill(T::ZERO);
    weights.fill(T::ZERO);
    let mut t = T::ONE;
    for (i, weight) in of.zip(weights) {
        if t < stop {
            break;
        }
        let (start, end) = (samples.starts[i], samples.ends[i]);
        let x = -samples.densities[i] * (end - start);
        let w = t * -x.expm1();
        *weight = w;
        t *= x.exp();
        for (sum, &color) in pixel.iter_mut().zip(&samples.colors[c * i..][..c]) {
            *sum += w * color;
        }
        pixel[c] += w;
        pixel[c + 1] += w * (half * (start + end));
    }
    pixel[c + 2] = t;
}

/// One ray's gradients, from its last sample to its first; `passed` is memory for T. Weights are the ray's, and cotangents its pixel's and its weights'.
#[inline(always)]
fn back<T: Real>(
    (rule, samples): (&CompositeRule, &RaySamples<'_, T>),
    of: std::ops::Range<usize>,
    passed: &mut Vec<T>,
    weights: &[T],
    (pixel, weight_bars): (&[T], Option<&[T]>),
    out: RaySamplesMut<'_, T>,
) {
    let (c, stop, half) = (rule.channels, T::from_f64(rule.stop), T::from_f64(0.5));
    let RaySamplesMut { densities, colors, starts, ends } = out;
    passed.clear();
    let mut t = T::ONE;
    for i in of.clone() {
        if t < stop {
            break;
        }
        t *= (-samples.densities[i] * (samples.ends[i] - samples.starts[i])).exp();
        passed.push(t);
    }
    let seen = passed.len();
    densities[seen..].fill(T::ZERO);
    starts[seen..].fill(T::ZERO);
    ends[seen..].fill(T::ZERO);
    colors[c * seen..].fill(T::ZERO);
    let (opacity, depth) = (pixel[c], pixel[c + 1]);
    let mut behind = t * pixel[c + 2];
    for at in (0..seen).rev() {
        let i = of.start + at;
        let (start, end, density, w) = (samples.starts[i], samples.ends[i], samples.densities[i], weights[at]);
        let mut worth = opacity + depth * (half * (start + end));
        if let Some(bars) = weight_bars {
            worth += bars[at];
        }
        for k in 0..c {
            worth += pixel[k] * samples.colors[c * i + k];
            colors[c * at + k] = w * pixel[k];
        }
        let q = passed[at] * worth - behind;
        behind += w * worth;
        let (by_length, by_middle) = (density * q, half * w * depth);
        densities[at] = (end - start) * q;
        starts[at] = by_middle - by_length;
        ends[at] = by_middle + by_length;
    }
}
