//! Pictures read between their points: bilinear and nearest samples, and their gradients.
//!
//! A grid names points by coordinates from −1 to 1, x before y. Where they lie is computed once for a block of points and used for all channels.
//! Each thread owns what it writes, in an order that does not depend on their number.

mod locate;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::compiled::compiled;
use crate::params::params;
use crate::real::Real;
use crate::shape::count;
use crate::simd::{self, Enabled, Kernel, Lanes, Vector};
use crate::threads::{self, SharedSlice};
pub use locate::PixelCoordinate;
use locate::{BLOCK, LocatedPoints};

/// The most elements of a side of a picture.
pub const MOST_SIDE: usize = 1 << 30;

/// The most elements of a picture: places are counted in 32 bits.
pub const MOST_ELEMENTS: usize = 1 << 31;

/// Which elements a sample is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleMode {
    /// The four around a point, by their distances.
    Bilinear,
    /// The nearest one; of two as near, the one of even number.
    Nearest,
}

/// What lies outside a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SamplePadding {
    /// 0
    Zeros,
    /// The nearest element of the edge.
    Border,
    /// The picture, mirrored at its edges.
    Reflection,
}

/// How a grid is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleRule {
    /// Which elements a sample is made of.
    pub mode: SampleMode,
    /// What lies outside.
    pub padding: SamplePadding,
    /// Whether −1 and 1 are the centers of the outermost elements, and not the edges of the picture.
    pub align_corners: bool,
}

/// Pictures `(batch, channels, height, width)` and grids `(batch, points, 2)`.
#[derive(Debug, Clone, Copy)]
pub struct SampleDims {
    /// Groups of pictures with a grid each.
    pub batch: usize,
    /// Pictures of a group.
    pub channels: usize,
    /// Rows of a picture.
    pub height: usize,
    /// Elements of a row.
    pub width: usize,
    /// Points of a grid.
    pub points: usize,
}

impl SampleDims {
    fn plane(&self) -> usize {
        count(&[self.height, self.width])
    }

    fn check<T>(&self, x: Option<&[T]>, grid: &[T], samples: &[T]) {
        let &Self { batch, channels, height, width, points } = self;
        assert!(x.is_none_or(|x| x.len() == count(&[batch, channels, height, width])), "pictures of their shape");
        assert!(grid.len() == count(&[batch, points, 2]), "a grid of its shape");
        assert!(samples.len() == count(&[batch, channels, points]), "a sample for each channel and point");
        assert!(samples.is_empty() || (height > 0 && width > 0), "a picture with elements");
        assert!(height.max(width) <= MOST_SIDE && self.plane() <= MOST_ELEMENTS, "a picture whose elements can be counted");
    }

    /// Cuts the points of all grids into as many parts as the work is worth threads.
    fn parts(&self) -> usize {
        let cost = &params().cost;
        threads::parts(self.batch * self.points, cost.locate_ns + self.channels as f64 * cost.sample_ns)
    }

    /// Calls `work` with the blocks of a range of all points: the group, the first point of it, and how many.
    #[inline(always)]
    fn each_block(&self, range: Range<usize>, mut work: impl FnMut(usize, usize, usize)) {
        let mut at = range.start;
        while at < range.end {
            let (n, first) = (at / self.points, at % self.points);
            let here = BLOCK.min(range.end - at).min(self.points - first);
            work(n, first, here);
            at += here;
        }
    }
}

compiled! {
    /// `out[n, c, p]` is the picture `x[n, c]` at the point `grid[n, p]`.
    ///
    /// # Panics
    /// If a length is not its shape's.
    pub fn sample<T: Lanes>(dims: SampleDims, rule: SampleRule, x: &[T], grid: &[T], out: &mut [T]) {
        dims.check(Some(x), grid, out);
        if out.is_empty() {
            return;
        }
        let (parts, total) = (dims.parts(), dims.batch * dims.points);
        let out = &SharedSlice::new(out);
        threads::run(parts, |part| {
            simd::dispatch(Samples { dims, rule, x, grid, out, range: threads::range(total, BLOCK, parts, part) });
        });
    }

    /// Adds to `out[n, c]`, a picture of zeros, what each point gives it: the cotangent `g[n, c, p]` by the weights of the sample.
    ///
    /// # Panics
    /// If a length is not its shape's.
    pub fn sample_picture_gradient<T: Lanes>(dims: SampleDims, rule: SampleRule, grid: &[T], g: &[T], out: &mut [T]) {
        dims.check(Some(out), grid, g);
        if out.is_empty() || g.is_empty() {
            return;
        }
        let SampleDims { channels, points, .. } = dims;
        let (plane, parts) = (dims.plane(), dims.parts());
        // Each thread owns pictures.
        threads::split_mut(out, plane, parts, |start, slice| {
            let pictures = start / plane..(start + slice.len()) / plane;
            simd::run(
                #[inline(always)]
                || {
                    let mut located = LocatedPoints::new();
                    let groups = pictures.start / channels..pictures.end.div_ceil(channels);
                    dims.each_block(groups.start * points..groups.end * points, #[inline(always)] |n, first, here| {
                        located.locate::<false>(&dims, &rule, &grid[(n * points + first) * 2..][..here * 2]);
                        for c in pictures.start.max(n * channels)..pictures.end.min((n + 1) * channels) {
                            let to = &mut slice[(c - pictures.start) * plane..][..plane];
                            add_samples(&located, rule.mode, &g[c * points + first..][..here], to);
                        }
                    });
                },
            );
        });
    }

    /// `out[n, p]`: how the samples of all channels at a point, weighted by `g[n, c, p]`, grow with its coordinates.
    ///
    /// # Panics
    /// If a length is not its shape's.
    pub fn sample_grid_gradient<T: Lanes>(dims: SampleDims, rule: SampleRule, x: &[T], grid: &[T], g: &[T], out: &mut [T]) {
        dims.check(Some(x), grid, g);
        assert!(out.len() == grid.len(), "a gradient for each coordinate");
        if rule.mode == SampleMode::Nearest || g.is_empty() {
            return out.fill(T::ZERO);
        }
        threads::split_mut(out, 2 * BLOCK, dims.parts(), |start, out| {
            simd::dispatch(GridGradient { dims, rule, x, grid, g, out, start });
        });
    }
}

/// The samples at a range of all points.
struct Samples<'a, T> {
    dims: SampleDims,
    rule: SampleRule,
    x: &'a [T],
    grid: &'a [T],
    /// All samples, of which parts of different points write different ones.
    out: &'a SharedSlice<'a, T>,
    range: Range<usize>,
}

impl<T: Lanes> Kernel<T> for Samples<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let Self { dims, rule, x, grid, out, range } = self;
        let (channels, points, plane) = (dims.channels, dims.points, dims.plane());
        let mut located = LocatedPoints::new();
        dims.each_block(
            range,
            #[inline(always)]
            |n, first, here| {
                located.locate::<false>(&dims, &rule, &grid[(n * points + first) * 2..][..here * 2]);
                for c in n * channels..(n + 1) * channels {
                    let from = c * points + first;
                    // SAFETY: parts differ in their points, and each writes the samples of its own.
                    let to = unsafe { out.part(from..from + here) };
                    samples(isa, &located, rule.mode, &x[c * plane..][..plane], to);
                }
            },
        );
    }
}

/// The gradient of a part of the grid.
struct GridGradient<'a, T> {
    dims: SampleDims,
    rule: SampleRule,
    x: &'a [T],
    grid: &'a [T],
    g: &'a [T],
    out: &'a mut [T],
    /// The coordinate that the part begins with.
    start: usize,
}

impl<T: Lanes> Kernel<T> for GridGradient<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let Self { dims, rule, x, grid, g, out, start } = self;
        let (channels, points, plane) = (dims.channels, dims.points, dims.plane());
        let mut located = LocatedPoints::new();
        dims.each_block(
            start / 2..(start + out.len()) / 2,
            #[inline(always)]
            |n, first, here| {
                located.locate::<true>(&dims, &rule, &grid[(n * points + first) * 2..][..here * 2]);
                let mut sums = [[T::ZERO; BLOCK]; 2];
                for c in n * channels..(n + 1) * channels {
                    slopes(isa, &located, &x[c * plane..][..plane], &g[c * points + first..][..here], &mut sums);
                }
                let to = &mut out[(n * points + first) * 2 - start..][..here * 2];
                for (k, to) in to.chunks_exact_mut(2).enumerate() {
                    to[0] = sums[0][k] * located.slopes[0][k];
                    to[1] = sums[1][k] * located.slopes[1][k];
                }
            },
        );
    }
}

/// The samples of one picture at a block of points. A point's arithmetic is the same in every block, so that bits do not depend on threads.
#[inline(always)]
fn samples<V: Vector>(
    isa: Enabled<V>,
    located: &LocatedPoints<V::Element>,
    mode: SampleMode,
    x: &[V::Element],
    out: &mut [V::Element],
) {
    for (k, out) in (0..BLOCK).step_by(V::LANES).zip(out.chunks_mut(V::LANES)) {
        let [a, b, c, d] = located.elements_around(isa, x, k);
        let (tx, ty) = (isa.read(&located.fractions[0][k..]), isa.read(&located.fractions[1][k..]));
        let sample = if mode == SampleMode::Nearest {
            // The fraction is 0, or NaN with its coordinate.
            a + tx + ty
        } else {
            let (left, right) = (a + ty * (c - a), b + ty * (d - b));
            left + tx * (right - left)
        };
        sample.write_first(out);
    }
}

/// Cotangents of the samples of one picture, added to its elements.
#[inline(always)]
fn add_samples<T: Real>(located: &LocatedPoints<T>, mode: SampleMode, g: &[T], out: &mut [T]) {
    let [tx, ty] = &located.fractions;
    let mut numbers = [[T::ZERO; BLOCK]; 4];
    for (k, &g) in g.iter().enumerate() {
        if mode == SampleMode::Nearest {
            numbers[0][k] = g;
            continue;
        }
        let (upper, lower) = (g * (T::ONE - ty[k]), g * ty[k]);
        numbers[0][k] = upper * (T::ONE - tx[k]);
        numbers[1][k] = upper * tx[k];
        numbers[2][k] = lower * (T::ONE - tx[k]);
        numbers[3][k] = lower * tx[k];
    }
    located.add_around(&numbers, g.len(), out);
}

/// Adds to `sums` how the samples of one picture, weighted by `g`, grow along x and along y.
#[inline(always)]
fn slopes<V: Vector>(
    isa: Enabled<V>,
    located: &LocatedPoints<V::Element>,
    x: &[V::Element],
    g: &[V::Element],
    sums: &mut [[V::Element; BLOCK]; 2],
) {
    for (k, g) in (0..BLOCK).step_by(V::LANES).zip(g.chunks(V::LANES)) {
        let [a, b, c, d] = located.elements_around(isa, x, k);
        let (tx, ty) = (isa.read(&located.fractions[0][k..]), isa.read(&located.fractions[1][k..]));
        let (upper, lower, left, right) = (b - a, d - c, c - a, d - b);
        let (g, [along_x, along_y]) = (isa.read_first(g), &mut *sums);
        (isa.read(&along_x[k..]) + g * (upper + ty * (lower - upper))).write(&mut along_x[k..]);
        (isa.read(&along_y[k..]) + g * (left + tx * (right - left))).write(&mut along_y[k..]);
    }
}
