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

/// A block of points: the places of the elements around them, and how far between these they lie.
pub(super) struct LocatedPoints<T> {
    /// The places of the upper left, upper right, lower left and lower right element; of one outside, that of another.
    pub corners: [[usize; BLOCK]; 4],
    /// Whether those elements are in the picture.
    pub inside: [[bool; BLOCK]; 4],
    /// Whether all are: then the first one's place tells the others'.
    pub whole: bool,
    /// How far to the right of the left ones, and below the upper ones, from 0 to 1.
    pub fractions: [[T; BLOCK]; 2],
    /// The derivatives of the pixels' coordinates by the grid's.
    pub slopes: [[T; BLOCK]; 2],
}

impl<T: Real> LocatedPoints<T> {
    pub fn new() -> Self {
        Self {
            corners: [[0; BLOCK]; 4],
            inside: [[false; BLOCK]; 4],
            whole: false,
            fractions: [[T::ZERO; BLOCK]; 2],
            slopes: [[T::ZERO; BLOCK]; 2],
        }
    }

    /// The points of a part of a grid, of pairs of coordinates.
    #[inline(always)]
    pub fn locate(&mut self, dims: &SampleDims, rule: &SampleRule, grid: &[T]) {
        let sizes = [dims.width, dims.height];
        let formulas = sizes.map(|size| PixelCoordinate::new(size, rule));
        let here = grid.len() / 2;
        let mut at = [[T::ZERO; BLOCK]; 2];
        for axis in 0..2 {
            for k in 0..here {
                let Dual { value, slope } = formulas[axis].apply([Dual::variable(grid[2 * k + axis])]);
                (at[axis][k], self.slopes[axis][k]) = (value, slope);
            }
        }
        if rule.mode == SampleMode::Nearest {
            return self.nearest(sizes, &at, here);
        }
        let mut all = true;
        for k in 0..here {
            let floors = [at[0][k].floor(), at[1][k].floor()];
            // NaN becomes place 0, and its fraction stays NaN.
            let [left, upper] = floors.map(|floor| floor.to_f64() as i64);
            for axis in 0..2 {
                self.fractions[axis][k] = at[axis][k] - floors[axis];
            }
            for (i, (y, x)) in [(upper, left), (upper, left + 1), (upper + 1, left), (upper + 1, left + 1)].into_iter().enumerate()
            {
                let inside = (0..sizes[0] as i64).contains(&x) & (0..sizes[1] as i64).contains(&y);
                self.inside[i][k] = inside;
                self.corners[i][k] = if inside { y as usize * sizes[0] + x as usize } else { 0 };
                all &= inside;
            }
        }
        self.whole = all;
    }

    #[inline(always)]
    fn nearest(&mut self, [width, height]: [usize; 2], at: &[[T; BLOCK]; 2], here: usize) {
        for k in 0..here {
            let [x, y] = [at[0][k], at[1][k]].map(|at| at.round().to_f64() as i64);
            let inside = (0..width as i64).contains(&x) & (0..height as i64).contains(&y);
            self.inside[0][k] = inside;
            self.corners[0][k] = if inside { y as usize * width + x as usize } else { 0 };
            for axis in 0..2 {
                self.fractions[axis][k] = at[axis][k] * T::ZERO;
            }
        }
    }
}
