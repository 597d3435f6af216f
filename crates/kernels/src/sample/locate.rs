//! Where the points of a grid lie in a picture.

use super::{SampleDims, SampleMode, SamplePadding, SampleRule};
use crate::number::{Dual, Formula, Number};
use crate::real::Real;

/// Points that are located together: their places and weights stay in the first-level cache while all channels are read.
pub(super) const BLOCK: usize = 64;

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

/// Coordinates of a grid as those of pixels, in their place, and the derivatives.
#[inline(always)]
fn pixels<T: Real>(formula: PixelCoordinate, at: &mut [T; BLOCK], slopes: &mut [T; BLOCK]) {
    for (at, slope) in at.iter_mut().zip(slopes) {
        let pixel = formula.apply([Dual::variable(*at)]);
        (*at, *slope) = (pixel.value, pixel.slope);
    }
}

/// A block of points: the places of the elements around them, and how far between these they lie.
pub(super) struct LocatedPoints<T> {
    /// The places of the upper left, upper right, lower left and lower right element; of one outside, that of its neighbour inside.
    corners: [[u32; BLOCK]; 4],
    /// The elements of the picture that the places are of.
    elements: usize,
    /// Whether those elements are in the picture.
    inside: [[bool; BLOCK]; 4],
    /// Whether all are.
    whole: bool,
    /// How far to the right of the left ones, and below the upper ones, from 0 to 1.
    pub fractions: [[T; BLOCK]; 2],
    /// The derivatives of the pixels' coordinates by the grid's.
    pub slopes: [[T; BLOCK]; 2],
}

impl<T: Real> LocatedPoints<T> {
    pub fn new() -> Self {
        Self {
            corners: [[0; BLOCK]; 4],
            // No picture has as many.
            elements: usize::MAX,
            inside: [[false; BLOCK]; 4],
            whole: false,
            fractions: [[T::ZERO; BLOCK]; 2],
            slopes: [[T::ZERO; BLOCK]; 2],
        }
    }

    /// The points of a part of a grid, of pairs of coordinates. Loops run over whole blocks, as the compiler makes vectors of them.
    #[inline(always)]
    pub fn locate(&mut self, dims: &SampleDims, rule: &SampleRule, grid: &[T]) {
        let sizes = [dims.width, dims.height].map(|size| size as i32);
        let mut places = [[0_i32; BLOCK]; 2];
        for axis in 0..2 {
            let mut at = [T::ZERO; BLOCK];
            for (at, pair) in at.iter_mut().zip(grid.chunks_exact(2)) {
                *at = pair[axis];
            }
            let formula = PixelCoordinate::new(sizes[axis] as usize, rule);
            let (at, slopes) = (&mut at, &mut self.slopes[axis]);
            // A loop for each choice, so that none stands in a loop.
            match (rule.padding, rule.align_corners) {
                (SamplePadding::Zeros, false) => pixels(formula.chosen(SamplePadding::Zeros, false), at, slopes),
                (SamplePadding::Zeros, true) => pixels(formula.chosen(SamplePadding::Zeros, true), at, slopes),
                (SamplePadding::Border, false) => pixels(formula.chosen(SamplePadding::Border, false), at, slopes),
                (SamplePadding::Border, true) => pixels(formula.chosen(SamplePadding::Border, true), at, slopes),
                (SamplePadding::Reflection, false) => pixels(formula.chosen(SamplePadding::Reflection, false), at, slopes),
                (SamplePadding::Reflection, true) => pixels(formula.chosen(SamplePadding::Reflection, true), at, slopes),
            }
            match rule.mode {
                SampleMode::Bilinear => {
                    for k in 0..BLOCK {
                        // NaN becomes place 0, and its fraction stays NaN.
                        let floor = at[k].floor();
                        (self.fractions[axis][k], places[axis][k]) = (at[k] - floor, floor.to_f64() as i32);
                    }
                }
                SampleMode::Nearest => {
                    for k in 0..BLOCK {
                        (self.fractions[axis][k], places[axis][k]) = (at[k] * T::ZERO, at[k].round().to_f64() as i32);
                    }
                }
            }
        }
        self.corners_of(&places, sizes, grid.len() / 2);
    }

    #[inline(always)]
    fn corners_of(&mut self, [x, y]: &[[i32; BLOCK]; 2], [width, height]: [i32; 2], here: usize) {
        let mut outside = 0;
        for k in 0..here {
            // Negative where a side is outside.
            outside |= x[k] | y[k] | (width - 2 - x[k]) | (height - 2 - y[k]);
        }
        self.whole = outside >= 0;
        for (i, (down, right)) in [(0, 0), (0, 1), (1, 0), (1, 1)].into_iter().enumerate() {
            for k in 0..BLOCK {
                let (x, y) = (x[k] + right, y[k] + down);
                let (near_x, near_y) = (x.clamp(0, width - 1), y.clamp(0, height - 1));
                self.corners[i][k] = near_y as u32 * width as u32 + near_x as u32;
                self.inside[i][k] = (near_x == x) & (near_y == y);
            }
        }
        self.elements = width as usize * height as usize;
    }

    /// The elements of a picture around each point, 0 where they are outside: left and right ones beside each other, the upper row first.
    ///
    /// A function of its own, with the instructions that every processor has: its loads stay single ones, of two elements where all are inside.
    ///
    /// # Panics
    /// If the picture has not the size for which the points were located.
    #[inline(never)]
    pub fn elements_around(&self, x: &[T], here: usize, found: &mut [[[T; 2]; BLOCK]; 2]) {
        assert!(x.len() == self.elements && here <= BLOCK, "the picture that the points were located in");
        for (row, found) in found.iter_mut().enumerate() {
            let (left, right) = (&self.corners[2 * row], &self.corners[2 * row + 1]);
            if self.whole {
                for (found, &place) in found[..here].iter_mut().zip(left) {
                    // SAFETY: `corners_of` found every left element at least one before the end of its row, so that it and the next one lie
                    // below the number of elements, which is the length of x.
                    *found = unsafe { x.as_ptr().add(place as usize).cast::<[T; 2]>().read_unaligned() };
                }
                continue;
            }
            for k in 0..here {
                // SAFETY: `corners_of` clamps each coordinate to its side, so that a place is below the number of elements, which is the length of x.
                let (a, b) = unsafe { (*x.get_unchecked(left[k] as usize), *x.get_unchecked(right[k] as usize)) };
                found[k] = [T::select(self.inside[2 * row][k], a, T::ZERO), T::select(self.inside[2 * row + 1][k], b, T::ZERO)];
            }
        }
    }

    /// Adds numbers to the elements of a picture around each point, those that are outside left out.
    ///
    /// # Panics
    /// As [`elements_around`](Self::elements_around).
    #[inline(never)]
    pub fn add_around(&self, numbers: &[[T; BLOCK]; 4], here: usize, out: &mut [T]) {
        assert!(out.len() == self.elements && here <= BLOCK, "the picture that the points were located in");
        for k in 0..here {
            for i in 0..4 {
                if self.whole || self.inside[i][k] {
                    // SAFETY: as in `elements_around`.
                    unsafe { *out.get_unchecked_mut(self.corners[i][k] as usize) += numbers[i][k] };
                }
            }
        }
    }
}
