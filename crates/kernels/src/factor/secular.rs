//! Roots of the secular equation, which tells what a matrix's values become when one column or row is added to a diagonal one.
//!
//! With poles pⱼ in increasing order, a unit vector z and ρ > 0 it is
//!
//! ```text
//! f(λ) = 1/ρ + Σ zⱼ² / (pⱼ − λ) = 0
//! ```
//!
//! Between two poles f grows from −∞ to ∞, so that a root lies in each gap, and one above the last pole:
//!
//! ```text
//! f |      /|       /|        /            poles:  p₁  p₂  p₃
//!   |    ,' |     ,' |      ,'  1/ρ        roots:     λ₁  λ₂   λ₃
//! 0 +---/---|----/---|-----/--------
//!   |  /    |  ,'    |   ,'
//!   | |     | |      |  /
//! ```
//!
//! A root is kept as its distance from the nearest pole, and no difference of close numbers is ever taken: all pⱼ − λ have their digits.
//! A step takes the nearest pole's fraction as it is, and all others as one of the same value and slope at the next pole (Li 1993, "Solving
//! secular equations stably and efficiently", the fixed weight method); a bracket that shrinks guards it. Five sums over the poles are
//! usual.

use crate::simd;
use crate::threads;

/// Numbers of a sum that run beside each other: poles come in multiples of so many.
pub(super) const LANES: usize = 8;
/// A pole that fills up others.
const FAR: f64 = f64::INFINITY;
/// Steps after which a root is as good as it gets: far more than any takes.
const STEPS: usize = 80;
/// What the rounding of a sum adds, over that of its terms.
const ROUNDING: f64 = 8.0;
/// Nanoseconds that a root takes for each pole.
const NS_EACH: f64 = 6.0;

/// Poles that are numbers d, or, where `SQUARES`, their squares, and λ that of a number too; with what stands above them.
#[derive(Clone, Copy)]
pub(super) struct Equation<'a, const SQUARES: bool> {
    /// In increasing order; not negative where squares are meant.
    pub d: Padded<'a>,
    /// A unit vector without zeros.
    pub z: Padded<'a>,
    pub rho: f64,
    /// The precision of z.
    pub epsilon: f64,
}

/// Numbers, filled up to a multiple of [`LANES`].
#[derive(Clone, Copy)]
pub(super) struct Padded<'a> {
    all: &'a [f64],
    len: usize,
}

impl<'a> Padded<'a> {
    /// Fills up the poles.
    pub fn poles(d: &'a mut Vec<f64>) -> Self {
        Self::with(d, FAR)
    }

    /// Fills up what stands above the poles.
    pub fn shares(z: &'a mut Vec<f64>) -> Self {
        Self::with(z, 0.0)
    }

    fn with(numbers: &'a mut Vec<f64>, rest: f64) -> Self {
        let len = numbers.len();
        numbers.resize(len.next_multiple_of(LANES), rest);
        Self { all: numbers, len }
    }

    pub fn numbers(self) -> &'a [f64] {
        &self.all[..self.len]
    }
}

/// d[origin] + offset: a number whose pole, or square, solves the equation.
#[derive(Clone, Copy, Default)]
pub(super) struct Root {
    pub origin: f64,
    pub offset: f64,
}

impl Root {
    pub fn value(self) -> f64 {
        self.origin + self.offset
    }

    /// The pole of d less the root.
    #[inline(always)]
    pub fn gap<const SQUARES: bool>(self, d: f64) -> f64 {
        let difference = (d - self.origin) - self.offset;
        if SQUARES { difference * ((d + self.origin) + self.offset) } else { difference }
    }
}

/// Σ zⱼ² / (pⱼ − λ), the same of absolute terms, and the derivative.
#[derive(Clone, Copy, Default)]
struct Sums {
    value: f64,
    size: f64,
    slope: f64,
}

impl<const SQUARES: bool> Equation<'_, SQUARES> {
    /// A root for each pole, in increasing order.
    pub fn solve(self, roots: &mut [Root]) {
        assert!(roots.len() == self.d.len && self.z.len == self.d.len, "a root for each pole");
        let parts = threads::parts(roots.len(), NS_EACH * self.d.len as f64);
        threads::split_mut(roots, 1, parts, |first, roots| {
            simd::run(
                #[inline(always)]
                || {
                    for (i, root) in roots.iter_mut().enumerate() {
                        *root = self.root(first + i);
                    }
                },
            );
        });
    }

    #[inline(always)]
    fn root(self, i: usize) -> Root {
        let (d, z) = (self.d.numbers(), self.z.numbers());
        let k = d.len();
        if k == 1 {
            return Root { origin: d[0], offset: step::<SQUARES>(d[0], self.rho * z[0] * z[0]) };
        }
        // The two poles that a step is fitted to. No pole is above the last root: its second is the last below.
        let last = i + 1 == k;
        let below = if last { i - 1 } else { i };
        let above = below + 1;
        let squares = [z[below] * z[below], z[above] * z[above]];
        let apart = if SQUARES { (d[above] - d[below]) * (d[above] + d[below]) } else { d[above] - d[below] };

        let half = if last { step::<SQUARES>(d[i], 0.5 * self.rho) } else { 0.5 * (d[above] - d[below]) };
        let mut root = Root { origin: d[i], offset: half };
        let middle = 1.0 / self.rho + self.sums(root).value;
        let rest = middle - squares[0] / root.gap::<SQUARES>(d[below]) - squares[1] / root.gap::<SQUARES>(d[above]);
        let (mut least, mut most) = match (last, middle < 0.0) {
            (_, false) => (0.0, half),
            (true, true) => (half, step::<SQUARES>(d[i], self.rho * (1.0 + 64.0 * f64::EPSILON))),
            (false, true) => (-half, 0.0),
        };
        // With the rest as it is there, the two poles leave a quadratic equation for λ less the nearer pole.
        let upper = last || middle < 0.0;
        let guess = if upper {
            root.origin = d[above];
            let (a, b) = (rest * apart - squares[0] - squares[1], squares[1] * apart);
            let root = (a * a + 4.0 * rest * b).max(0.0).sqrt();
            match (last, a > 0.0) {
                (true, true) => 2.0 * b / (a + root),
                (true, false) => (root - a) / (2.0 * rest),
                (false, true) => -(a + root) / (2.0 * rest),
                (false, false) => 2.0 * b / (a - root),
            }
        } else {
            let (a, b) = (rest * apart + squares[0] + squares[1], squares[0] * apart);
            let root = (a * a - 4.0 * rest * b).max(0.0).sqrt();
            if a > 0.0 { 2.0 * b / (a + root) } else { (a - root) / (2.0 * rest) }
        };
        root.offset = step::<SQUARES>(root.origin, guess);
        if !(root.offset > least && root.offset < most) {
            root.offset = between(least, most);
        }
        for _ in 0..STEPS {
            let Sums { value, size, slope } = self.sums(root);
            let (value, size) = (1.0 / self.rho + value, 1.0 / self.rho + size);
            if value.abs() <= ROUNDING * self.epsilon * size {
                break;
            }
            *(if value < 0.0 { &mut least } else { &mut most }) = root.offset;
            if most - least <= 2.0 * f64::EPSILON * root.offset.abs() {
                break;
            }
            let gaps = [root.gap::<SQUARES>(d[below]), root.gap::<SQUARES>(d[above])];
            let [own_below, own_above] = [squares[0] / (gaps[0] * gaps[0]), squares[1] / (gaps[1] * gaps[1])];
            // c + s₁ / (g₁ − η) + s₂ / (g₂ − η) = 0, in terms of the sum and the product of its roots
            let c = if last {
                value - gaps[0] * (slope - own_above) - gaps[1] * own_above
            } else if upper {
                value - gaps[0] * slope - apart * own_above
            } else {
                value - gaps[1] * slope + apart * own_below
            };
            let (a, b) = ((gaps[0] + gaps[1]) * value - gaps[0] * gaps[1] * slope, gaps[0] * gaps[1] * value);
            let discriminant = (a * a - 4.0 * b * c).max(0.0).sqrt();
            let mut change = match (last, a > 0.0) {
                (false, true) => 2.0 * b / (a + discriminant),
                (false, false) => (a - discriminant) / (2.0 * c),
                (true, true) => (a + discriminant) / (2.0 * c.abs()),
                (true, false) => 2.0 * b / (a - discriminant),
            };
            // f grows: what lies on the wrong side, or is no number, is none.
            if change * value >= 0.0 || change.is_nan() {
                change = -value / slope;
            }
            let next = root.offset + step::<SQUARES>(root.value(), change);
            root.offset = if next > least && next < most { next } else { between(least, most) };
        }
        root
    }

    #[inline(always)]
    fn sums(self, root: Root) -> Sums {
        let (mut values, mut sizes, mut slopes) = ([0.0; LANES], [0.0; LANES], [0.0; LANES]);
        for (d, z) in self.d.all.as_chunks::<LANES>().0.iter().zip(self.z.all.as_chunks::<LANES>().0) {
            for l in 0..LANES {
                let quotient = z[l] / root.gap::<SQUARES>(d[l]);
                let value = z[l] * quotient;
                values[l] += value;
                sizes[l] += value.abs();
                slopes[l] += quotient * quotient;
            }
        }
        Sums { value: total(values), size: total(sizes), slope: total(slopes) }
    }
}

/// The sum of all lanes.
#[inline(always)]
pub(super) fn total(mut lanes: [f64; LANES]) -> f64 {
    let mut half = LANES / 2;
    while half > 0 {
        for l in 0..half {
            lanes[l] += lanes[l + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// What takes the number d as far as `change` takes its pole.
#[inline(always)]
fn step<const SQUARES: bool>(d: f64, change: f64) -> f64 {
    if SQUARES && change != 0.0 { change / (d + (d * d + change).max(0.0).sqrt()) } else { change }
}

/// A number between two of the same sign: in their middle where they are alike, else by their exponents.
fn between(least: f64, most: f64) -> f64 {
    let (near, far) = if least.abs() < most.abs() { (least, most) } else { (most, least) };
    if near == 0.0 {
        far * 1e-3
    } else if far / near > 4.0 {
        (near * far).sqrt().copysign(far)
    } else {
        0.5 * (near + far)
    }
}

/// The column ẑ, with the signs of z, of which `roots` are the roots to the last digit (Gu and Eisenstat 1994, "A stable and efficient
/// algorithm for the rank-one modification of the symmetric eigenproblem"):
///
/// ```text
/// ẑⱼ² = ∏ᵢ (λᵢ − pⱼ) / ∏ᵢ≠ⱼ (pᵢ − pⱼ)
/// ```
///
/// So vectors that are made of it are orthogonal, as near as two roots may lie. It is √ρ z but for rounding.
pub(super) fn column<const SQUARES: bool>(d: &[f64], z: &[f64], roots: &[Root], column: &mut [f64]) {
    assert!(roots.len() == d.len() && z.len() == d.len() && column.len() == d.len(), "a root for each pole");
    let parts = threads::parts(d.len(), d.len() as f64);
    threads::split_mut(column, LANES, parts, |first, column| {
        column.fill(1.0);
        simd::run(
            #[inline(always)]
            || {
                let poles = &d[first..first + column.len()];
                for (i, (&root, &pole)) in roots.iter().zip(d).enumerate() {
                    let own = i.checked_sub(first).filter(|&own| own < poles.len());
                    // Its own factor has no partner below.
                    let (before, after) = own.map_or((poles.len(), poles.len()), |own| (own, own + 1));
                    quotients::<SQUARES>(&mut column[..before], &poles[..before], root, pole);
                    quotients::<SQUARES>(&mut column[after..], &poles[after..], root, pole);
                    if let Some(own) = own {
                        column[own] *= -root.gap::<SQUARES>(pole);
                    }
                }
                column.iter_mut().zip(&z[first..]).for_each(|(to, z)| *to = to.max(0.0).sqrt().copysign(*z));
            },
        );
    });
}

#[inline(always)]
fn quotients<const SQUARES: bool>(column: &mut [f64], poles: &[f64], root: Root, pole: f64) {
    for (to, &d) in column.iter_mut().zip(poles) {
        let apart = if SQUARES { (d - pole) * (d + pole) } else { d - pole };
        *to *= root.gap::<SQUARES>(d) / apart;
    }
}
