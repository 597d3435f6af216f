//! Where the points of a grid lie in a picture.

use std::ops::Range;

use super::{MOST_SIDE, SampleDims, SampleMode, SamplePadding, SampleRule};
use crate::number::{Dual, Formula, Number};
use crate::real::Real;
use crate::simd::{Enabled, MAX_LANES, Vector};

/// Points that are located together: their places and weights stay in the first-level cache while all channels are read.
pub(super) const BLOCK: usize = 64;

/// Columns to the right and rows below of the elements around a point.
const CORNERS: [[i32; 2]; 4] = [[0, 0], [1, 0], [0, 1], [1, 1]];

/// A coordinate of a grid, from −1 to 1, as one of pixels, from 0 to `size` − 1, outside which padding applies.
///
/// Piecewise linear, so that its derivative is a constant almost everywhere; on an edge it is that of outside.
#[derive(Debug, Clone, Copy)]
pub struct PixelCoordinate {
    size: f64,
    padding: SamplePadding,
    align_corners: bool,
}

impl PixelCoordinate {
    /// Of an axis of `size` elements.
    pub fn new(size: usize, rule: &SampleRule) -> Self {
        Self { size: size as f64, padding: rule.padding, align_corners: rule.align_corners }
    }

    /// The same with constants that the compiler sees.
    #[inline(always)]
    fn chosen(self, padding: SamplePadding, align_corners: bool) -> Self {
        Self { padding, align_corners, ..self }
    }
}

impl Formula<1> for PixelCoordinate {
    const RANGE_CHECKED: bool = false;
    const COMPILED: bool = false;

    #[inline(always)]
    fn apply<T: Number>(self, [c]: [T; 1]) -> T {
        let [half, last] = [self.size / 2.0, self.size - 1.0].map(T::from_f64);
        let at = if self.align_corners {
            (c + T::ONE) * T::from_f64(last_half(self.size))
        } else {
            (c + T::ONE) * half - T::from_f64(0.5)
        };
        let at = match self.padding {
            // Beyond one pixel outside there is nothing; numbers stay small.
            SamplePadding::Zeros => return at.maximum(T::from_f64(-2.0)).minimum(T::from_f64(self.size + 1.0)),
            SamplePadding::Border => at,
            // The mirrors are the centers of the outermost elements, or their outer edges.
            SamplePadding::Reflection => {
                let (low, span) = if self.align_corners { (0.0, self.size - 1.0) } else { (-0.5, self.size) };
                if span == 0.0 {
                    return at * T::ZERO;
                }
                let [low, span] = [low, span].map(T::from_f64);
                let away = (at - low).abs();
                let turns = (away / span).floor();
                let rest = away - turns * span;
                let is_even = (turns - T::from_f64(2.0) * (turns * T::from_f64(0.5)).floor()).equal(T::ZERO);
                T::select(is_even, rest, span - rest) + low
            }
        };
        let above = T::select(at.greater_or_equal(last), last, at);
        T::select(at.less_or_equal(T::ZERO), T::ZERO, above)
    }
}

fn last_half(size: f64) -> f64 {
    (size - 1.0) / 2.0
}

/// Coordinates of a grid as those of pixels, in their place, and the derivatives where they are wanted.
#[inline(always)]
fn pixels<T: Real, const SLOPES: bool>(formula: PixelCoordinate, at: &mut [T; BLOCK], slopes: &mut [T; BLOCK]) {
    if !SLOPES {
        at.iter_mut().for_each(
            #[inline(always)]
            |at| *at = formula.apply([*at]),
        );
        return;
    }
    for (at, slope) in at.iter_mut().zip(slopes) {
        let pixel = formula.apply([Dual::variable(*at)]);
        (*at, *slope) = (pixel.value, pixel.slope);
    }
}

/// A block of points: the places of the elements around them, and how far between these they lie.
pub(super) struct LocatedPoints<T> {
    /// Columns and rows of the upper left elements, which may be outside.
    at: [[i32; BLOCK]; 2],
    /// The places of two neighbours in the picture, in the upper and in the lower row: of those around the point, where all are inside.
    pairs: [[u32; BLOCK]; 2],
    /// The width and the height of the picture.
    sizes: [i32; 2],
    /// Whether all elements around all points of a register are in the picture; the most points that one has.
    whole: [bool; BLOCK / MAX_LANES],
    /// How far to the right of the left ones, and below the upper ones, from 0 to 1.
    pub fractions: [[T; BLOCK]; 2],
    /// The derivatives of the pixels' coordinates by the grid's.
    pub slopes: [[T; BLOCK]; 2],
}

impl<T: Real> LocatedPoints<T> {
    pub fn new() -> Self {
        Self {
            at: [[0; BLOCK]; 2],
            pairs: [[0; BLOCK]; 2],
            sizes: [0; 2],
            whole: [false; BLOCK / MAX_LANES],
            fractions: [[T::ZERO; BLOCK]; 2],
            slopes: [[T::ZERO; BLOCK]; 2],
        }
    }

    /// The points of a part of a grid, of pairs of coordinates; without `SLOPES` those are left as they are.
    ///
    /// Loops run over whole blocks, as the compiler makes vectors of them.
    #[inline(always)]
    pub fn locate<const SLOPES: bool>(&mut self, dims: &SampleDims, rule: &SampleRule, grid: &[T]) {
        let sizes = [dims.width, dims.height].map(|size| size as i32);
        let points = grid.as_chunks::<2>().0;
        let mut padded = [[T::ZERO; 2]; BLOCK];
        let points: &[[T; 2]; BLOCK] = points.try_into().unwrap_or_else(
            #[inline(always)]
            |_| {
                padded[..points.len()].copy_from_slice(points);
                &padded
            },
        );
        for axis in 0..2 {
            let mut at = [T::ZERO; BLOCK];
            for (at, point) in at.iter_mut().zip(points) {
                *at = point[axis];
            }
            let formula = PixelCoordinate::new(sizes[axis] as usize, rule);
            let (at, slopes) = (&mut at, &mut self.slopes[axis]);
            // A loop for each choice, so that none stands in a loop.
            match (rule.padding, rule.align_corners) {
                (SamplePadding::Zeros, false) => pixels::<T, SLOPES>(formula.chosen(SamplePadding::Zeros, false), at, slopes),
                (SamplePadding::Zeros, true) => pixels::<T, SLOPES>(formula.chosen(SamplePadding::Zeros, true), at, slopes),
                (SamplePadding::Border, false) => pixels::<T, SLOPES>(formula.chosen(SamplePadding::Border, false), at, slopes),
                (SamplePadding::Border, true) => pixels::<T, SLOPES>(formula.chosen(SamplePadding::Border, true), at, slopes),
                (SamplePadding::Reflection, false) => {
                    pixels::<T, SLOPES>(formula.chosen(SamplePadding::Reflection, false), at, slopes)
                }
                (SamplePadding::Reflection, true) => {
                    pixels::<T, SLOPES>(formula.chosen(SamplePadding::Reflection, true), at, slopes)
                }
            }
            match rule.mode {
                SampleMode::Bilinear => {
                    for k in 0..BLOCK {
                        // NaN becomes place 0, and its fraction stays NaN.
                        let floor = at[k].floor();
                        (self.fractions[axis][k], self.at[axis][k]) = (at[k] - floor, integer(floor));
                    }
                }
                SampleMode::Nearest => {
                    for k in 0..BLOCK {
                        (self.fractions[axis][k], self.at[axis][k]) = (at[k] * T::ZERO, integer(at[k].round()));
                    }
                }
            }
        }
        self.sizes = sizes;
        self.find_pairs();
    }

    #[inline(always)]
    fn find_pairs(&mut self) {
        let ([x, y], [width, height]) = (&self.at, self.sizes);
        for (group, whole) in self.whole.iter_mut().enumerate() {
            let mut outside = 0;
            for k in group * MAX_LANES..(group + 1) * MAX_LANES {
                outside |= margin([x[k], y[k]], self.sizes);
            }
            *whole = outside >= 0;
        }
        for k in 0..BLOCK {
            let left = x[k].min(width - 2).max(0) as u32;
            let [upper, lower] = [y[k], y[k] + 1].map(|y| y.min(height - 1).max(0) as u32);
            (self.pairs[0][k], self.pairs[1][k]) = (upper * width as u32 + left, lower * width as u32 + left);
        }
    }

    /// The place of an element around point k, if it is in the picture.
    #[inline(always)]
    fn place(&self, k: usize, [right, down]: [i32; 2]) -> Option<usize> {
        let ([x, y], [width, height]) = ([self.at[0][k] + right, self.at[1][k] + down], self.sizes);
        let inside = x >= 0 && y >= 0 && x < width && y < height;
        inside.then(|| y as usize * width as usize + x as usize)
    }

    /// Asks whether this is the size of the picture for which the points were located.
    #[inline(always)]
    fn check(&self, elements: usize) {
        let [width, height] = self.sizes.map(|size| size as usize);
        assert!(elements == width * height, "the picture that the points were located in");
    }

    /// The elements of a picture around as many points as a register has lanes, from point k on: upper left, upper right, lower left and lower
    /// right ones, 0 where they are outside.
    ///
    /// # Panics
    /// If the picture has not the size for which the points were located, or there are not as many points.
    #[inline(always)]
    pub fn elements_around<V: Vector<Element = T>>(&self, isa: Enabled<V>, x: &[T], k: usize) -> [V; 4] {
        self.check(x.len());
        let mut found = [isa.zero(); 4];
        // A picture of one column has no pairs.
        if self.sizes[0] > 1 {
            let [upper, lower] = [&self.pairs[0][k..], &self.pairs[1][k..]];
            // SAFETY: `find_pairs` bounded the row by the height and the column by the width less two, which is not negative. So a pair lies
            // below their product, which `check` found to be the length of x.
            let [(a, b), (c, d)] = unsafe { [V::gather_pairs(isa, x.as_ptr(), upper), V::gather_pairs(isa, x.as_ptr(), lower)] };
            found = [a, b, c, d];
        }
        if self.whole[k / MAX_LANES] {
            return found;
        }
        let mut lanes = [[T::ZERO; MAX_LANES]; 4];
        (0..4).for_each(
            #[inline(always)]
            |i| found[i].write(&mut lanes[i]),
        );
        self.replace_outside(x, k..k + V::LANES, &mut lanes);
        (0..4).for_each(
            #[inline(always)]
            |i| found[i] = isa.read(&lanes[i]),
        );
        found
    }

    /// Gives points on an edge the elements around them.
    #[inline(never)]
    fn replace_outside(&self, x: &[T], points: Range<usize>, found: &mut [[T; MAX_LANES]; 4]) {
        for (lane, k) in points.enumerate() {
            if margin([self.at[0][k], self.at[1][k]], self.sizes) < 0 {
                for (found, offset) in found.iter_mut().zip(CORNERS) {
                    found[lane] = self.place(k, offset).map_or(T::ZERO, |place| x[place]);
                }
            }
        }
    }

    /// Adds numbers to the elements of a picture around each point, those that are outside left out.
    ///
    /// # Panics
    /// As [`elements_around`](Self::elements_around).
    #[inline(never)]
    pub fn add_around(&self, numbers: &[[T; BLOCK]; 4], here: usize, out: &mut [T]) {
        self.check(out.len());
        for k in 0..here {
            let of = numbers.each_ref().map(|numbers| numbers[k]);
            if self.whole[k / MAX_LANES] {
                for (row, of) in of.as_chunks::<2>().0.iter().enumerate() {
                    // SAFETY: as in `elements_around`.
                    let [left, right] = unsafe { &mut *out.as_mut_ptr().add(self.pairs[row][k] as usize).cast::<[T; 2]>() };
                    *left += of[0];
                    *right += of[1];
                }
                continue;
            }
            for (of, offset) in of.into_iter().zip(CORNERS) {
                if let Some(place) = self.place(k, offset) {
                    out[place] += of;
                }
            }
        }
    }
}

/// An integer, and 0 where it is NaN or beyond every coordinate of a picture.
#[inline(always)]
fn integer<T: Real>(x: T) -> i32 {
    let x = x.to_f64();
    let x = if x.abs() <= (MOST_SIDE + 1) as f64 { x } else { 0.0 };
    // SAFETY: the number was found to be within the range of the type. No instruction that every processor has converts several as `as` does.
    unsafe { x.to_int_unchecked() }
}

/// Negative where an element around a point with this upper left one is outside.
#[inline(always)]
fn margin([x, y]: [i32; 2], [width, height]: [i32; 2]) -> i32 {
    x | y | (width - 2 - x) | (height - 2 - y)
}
