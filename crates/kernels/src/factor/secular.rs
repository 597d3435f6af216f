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
//! A step replaces the sums over the poles below and above by one fraction each, of the same value and slope, at the two poles beside the
//! root (Li 1993, "Solving secular equations stably and efficiently", the middle way); a bracket that shrinks guards it.

use crate::simd;
use crate::threads;

/// Numbers of a sum that run beside each other.
const LANES: usize = 8;
/// Steps after which a root is as good as it gets: far more than any takes.
const STEPS: usize = 80;
/// What the rounding of a sum adds, over its size.
const ROUNDING: f64 = 8.0 * f64::EPSILON;
/// Nanoseconds that a root takes for each pole.
const NS_EACH: f64 = 6.0;

/// Poles that are numbers d, or, where `SQUARES`, their squares, and λ that of a number too; with what stands above them.
#[derive(Clone, Copy)]
pub(super) struct Equation<'a, const SQUARES: bool> {
    /// In increasing order; not negative where squares are meant.
    pub d: &'a [f64],
    /// A unit vector without zeros.
    pub z: &'a [f64],
    pub rho: f64,
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

/// A sum of zⱼ² / (pⱼ − λ) over some poles, and its derivative.
#[derive(Clone, Copy, Default)]
struct Sum {
    value: f64,
    slope: f64,
}

impl<const SQUARES: bool> Equation<'_, SQUARES> {
    /// A root for each pole, in increasing order.
    pub fn solve(self, roots: &mut [Root]) {
        assert!(roots.len() == self.d.len() && self.z.len() == self.d.len(), "a root for each pole");
        let parts = threads::parts(roots.len(), NS_EACH * self.d.len() as f64);
        threads::split_mut(roots, 1, parts, |first, roots| {
            simd::run(
                #[inline(always)]
                || roots.iter_mut().enumerate().for_each(|(i, root)| *root = self.root(first + i)),
            );
        });
    }

    #[inline(always)]
    fn root(self, i: usize) -> Root {
        let (d, z, k) = (self.d, self.z, self.d.len());
        if k == 1 {
            return Root { origin: d[0], offset: step::<SQUARES>(d[0], self.rho * z[0] * z[0]) };
        }
        // The two poles that a step is fitted to. No pole is above the last root: its second is the last below.
        let last = i + 1 == k;
        let low = if last { i - 1 } else { i };
        let [below, above] = [low, low + 1];
        let squares = [z[below] * z[below], z[above] * z[above]];
        let apart = if SQUARES { (d[above] - d[below]) * (d[above] + d[below]) } else { d[above] - d[below] };

        let half = if last { step::<SQUARES>(d[i], 0.5 * self.rho) } else { 0.5 * (d[above] - d[below]) };
        let mut root = Root { origin: d[i], offset: half };
        let [sum_below, sum_above] = self.sums(root, above);
        let middle = 1.0 / self.rho + sum_below.value + sum_above.value;
        let rest = middle - squares[0] / root.gap::<SQUARES>(d[below]) - squares[1] / root.gap::<SQUARES>(d[above]);
        let (mut least, mut most) = match (last, middle < 0.0) {
            (_, false) => (0.0, half),
            (true, true) => (half, step::<SQUARES>(d[i], self.rho * (1.0 + 64.0 * f64::EPSILON))),
            (false, true) => (-half, 0.0),
        };
        // With the rest as it is there, the two poles leave a quadratic equation for λ less the nearer pole.
        let guess = if last || middle < 0.0 {
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
            let [sum_below, sum_above] = self.sums(root, above);
            let value = 1.0 / self.rho + sum_below.value + sum_above.value;
            let size = 1.0 / self.rho + sum_below.value.abs() + sum_above.value.abs();
            if value.abs() <= ROUNDING * size {
                break;
            }
            *(if value < 0.0 { &mut least } else { &mut most }) = root.offset;
            if most - least <= 2.0 * f64::EPSILON * root.offset.abs() {
                break;
            }
            let gaps = [root.gap::<SQUARES>(d[below]), root.gap::<SQUARES>(d[above])];
            // c + s₁ / (g₁ − η) + s₂ / (g₂ − η) = 0, in terms of the sum and the product of its roots
            let c = value - gaps[0] * sum_below.slope - gaps[1] * sum_above.slope;
            let a = (gaps[0] + gaps[1]) * value - gaps[0] * gaps[1] * (sum_below.slope + sum_above.slope);
            let b = gaps[0] * gaps[1] * value;
            let discriminant = (a * a - 4.0 * b * c).max(0.0).sqrt();
            let mut change = match (last, a > 0.0) {
                (false, true) => 2.0 * b / (a + discriminant),
                (false, false) => (a - discriminant) / (2.0 * c),
                (true, true) => (a + discriminant) / (2.0 * c.abs()),
                (true, false) => 2.0 * b / (a - discriminant),
            };
            if !(change * value < 0.0) {
                change = -value / (sum_below.slope + sum_above.slope);
            }
            let next = root.offset + step::<SQUARES>(root.value(), change);
            root.offset = if next > least && next < most { next } else { between(least, most) };
        }
        root
    }

    /// The sums over the poles before the `cut`-th, and from it on.
    #[inline(always)]
    fn sums(self, root: Root, cut: usize) -> [Sum; 2] {
        let (below, above) = (self.d.split_at(cut), self.z.split_at(cut));
        [sum::<SQUARES>(below.0, above.0, root), sum::<SQUARES>(below.1, above.1, root)]
    }
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

#[inline(always)]
fn sum<const SQUARES: bool>(d: &[f64], z: &[f64], root: Root) -> Sum {
    let term = |d: f64, z: f64| {
        let quotient = z / root.gap::<SQUARES>(d);
        [z * quotient, quotient * quotient]
    };
    let (mut values, mut slopes) = ([0.0; LANES], [0.0; LANES]);
    let ((d, d_rest), (z, z_rest)) = (d.as_chunks::<LANES>(), z.as_chunks::<LANES>());
    for (d, z) in d.iter().zip(z) {
        for l in 0..LANES {
            let [value, slope] = term(d[l], z[l]);
            values[l] += value;
            slopes[l] += slope;
        }
    }
    for (l, (&d, &z)) in d_rest.iter().zip(z_rest).enumerate() {
        let [value, slope] = term(d, z);
        values[l] += value;
        slopes[l] += slope;
    }
    Sum { value: values.iter().sum(), slope: slopes.iter().sum() }
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
