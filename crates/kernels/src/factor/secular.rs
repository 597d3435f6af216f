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
//!
//! Every lane of a register has a root of its own, so that no sum goes over lanes. A division is of two poles' terms at once:
//! 1/a and 1/b are b and a times 1/(a b).

use crate::simd::{Enabled, Kernel, MAX_LANES, Vector, dispatch};
use crate::threads;

/// Steps after which a root is as good as it gets: far more than any takes.
const STEPS: usize = 80;
/// What the rounding of a sum adds, over that of its terms.
const ROUNDING: f64 = 8.0;
/// Nanoseconds that a root takes for each pole.
const NS_EACH: f64 = 3.0;

/// Poles that are numbers d, or, where `SQUARES`, their squares, and λ that of a number too; with what stands above them.
#[derive(Clone, Copy)]
pub(super) struct Equation<'a, const SQUARES: bool> {
    /// In increasing order; not negative where squares are meant.
    pub d: &'a [f64],
    /// A unit vector without zeros.
    pub z: &'a [f64],
    pub rho: f64,
    /// The precision of z.
    pub epsilon: f64,
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
}

/// A root in each lane.
#[derive(Clone, Copy)]
pub(super) struct Roots<V> {
    pub origin: V,
    pub offset: V,
}

impl<V: Vector<Element = f64>> Roots<V> {
    /// Those of the first lanes; the last again in the others.
    #[inline(always)]
    pub fn new(isa: Enabled<V>, roots: &[Root]) -> Self {
        let mut lanes = [[0.0; MAX_LANES]; 2];
        for l in 0..V::LANES {
            let root = roots[l.min(roots.len() - 1)];
            (lanes[0][l], lanes[1][l]) = (root.origin, root.offset);
        }
        Self { origin: isa.read(&lanes[0]), offset: isa.read(&lanes[1]) }
    }

    /// The poles of d less the roots.
    #[inline(always)]
    pub fn gap<const SQUARES: bool>(self, d: V) -> V {
        let difference = (d - self.origin) - self.offset;
        if SQUARES { difference * ((d + self.origin) + self.offset) } else { difference }
    }

    /// z over the gaps of two poles.
    #[inline(always)]
    pub fn quotients<const SQUARES: bool>(self, d: [f64; 2], z: [f64; 2]) -> [V; 2] {
        let isa = self.origin.isa();
        let gaps = [self.gap::<SQUARES>(isa.splat(d[0])), self.gap::<SQUARES>(isa.splat(d[1]))];
        let inverse = isa.splat(1.0) / (gaps[0] * gaps[1]);
        [isa.splat(z[0]) * (gaps[1] * inverse), isa.splat(z[1]) * (gaps[0] * inverse)]
    }

    /// z over the gap of a pole.
    #[inline(always)]
    pub fn quotient<const SQUARES: bool>(self, d: f64, z: f64) -> V {
        let isa = self.origin.isa();
        isa.splat(z) / self.gap::<SQUARES>(isa.splat(d))
    }
}

/// Σ zⱼ² / (pⱼ − λ), the same of absolute terms, and the derivative.
#[derive(Clone, Copy)]
struct Sums<V> {
    value: V,
    size: V,
    slope: V,
}

impl<V: Vector<Element = f64>> Sums<V> {
    #[inline(always)]
    fn add(&mut self, z: f64, quotient: V) {
        let value = self.value.isa().splat(z) * quotient;
        self.value += value;
        self.size += value.abs();
        self.slope = quotient.mul_add(quotient, self.slope);
    }
}

/// What a step is fitted to: the poles below and above, by their numbers and squares of z, and how far they are apart. No pole is above
/// the last root: its second is the last below.
struct Fit<V> {
    below: V,
    above: V,
    squares: [V; 2],
    apart: V,
    /// Above 0 in the lane of the last root.
    last: V,
}

/// Whether `yes` or `no`, by lanes that are above 0.
#[inline(always)]
fn select<V: Vector<Element = f64>>(mask: V, yes: V, no: V) -> V {
    mask.isa().zero().where_less(mask, yes, no)
}

impl<const SQUARES: bool> Equation<'_, SQUARES> {
    /// A root for each pole, in increasing order.
    pub fn solve(self, roots: &mut [Root]) {
        assert!(roots.len() == self.d.len() && self.z.len() == self.d.len(), "a root for each pole");
        dispatch::<f64, _>(Solve { equation: self, roots });
    }

    /// The roots from number `first` on, each in a lane; the last again in lanes without one.
    #[inline(always)]
    fn roots<V: Vector<Element = f64>>(self, isa: Enabled<V>, first: usize) -> Roots<V> {
        let (zero, one, two) = (isa.zero(), isa.splat(1.0), isa.splat(2.0));
        let Fit { below, above, squares, apart, last } = self.fit(isa, first);
        let (rho, inverse) = (isa.splat(self.rho), isa.splat(1.0 / self.rho));
        // The pole that a root follows: the last one's is the upper of its two.
        let own = select(last, above, below);
        let half = select(last, step::<V, SQUARES>(own, isa.splat(0.5) * rho), isa.splat(0.5) * (above - below));
        let mut root = Roots { origin: own, offset: half };
        let middle = inverse + self.sums(root).value;
        let rest = middle - squares[0] / root.gap::<SQUARES>(below) - squares[1] / root.gap::<SQUARES>(above);
        let negative = middle.where_less(zero, one, zero);
        let end = step::<V, SQUARES>(own, rho * isa.splat(1.0 + 64.0 * f64::EPSILON));
        let mut least = select(negative, select(last, half, -half), zero);
        let mut most = select(negative, select(last, end, zero), half);
        // With the rest as it is there, the two poles leave a quadratic equation for λ less the nearer pole.
        let upper = last.max(negative);
        root.origin = select(upper, above, below);
        let sign = select(upper, one, -one);
        let a = rest * apart - sign * (squares[0] + squares[1]);
        let b = select(upper, squares[1], squares[0]) * apart;
        let discriminant = (a * a + isa.splat(4.0) * sign * rest * b).max(zero).sqrt();
        // 2 b over the sum that does not cancel, or that sum over 2 c.
        let positive = zero.where_less(a, one, zero);
        let by_sum = select(upper, select(last, positive, one - positive), positive);
        let sum = select(positive, a + discriminant, a - discriminant);
        let turned = select(upper, -sum, sum);
        let guess = select(by_sum, two * b, turned) / select(by_sum, sum, two * rest);
        root.offset = step::<V, SQUARES>(root.origin, guess);
        root.offset = inside(root.offset, least, most);
        let mut active = one;
        for _ in 0..STEPS {
            let Sums { value, size, slope } = self.sums(root);
            let (value, size) = (inverse + value, inverse + size);
            let exact = isa.splat(ROUNDING * self.epsilon) * size;
            active = exact.where_less(value.abs(), active, zero);
            least = select(active, value.where_less(zero, root.offset, least), least);
            most = select(active, value.where_less(zero, most, root.offset), most);
            let near = isa.splat(2.0 * f64::EPSILON) * root.offset.abs();
            active = near.where_less(most - least, active, zero);
            if !active.any() {
                break;
            }
            let gaps = [root.gap::<SQUARES>(below), root.gap::<SQUARES>(above)];
            let [of_below, of_above] = [squares[0] / (gaps[0] * gaps[0]), squares[1] / (gaps[1] * gaps[1])];
            // c + s₁ / (g₁ − η) + s₂ / (g₂ − η) = 0, in terms of the sum and the product of its roots
            let of_last = value - gaps[0] * (slope - of_above) - gaps[1] * of_above;
            let of_upper = value - gaps[0] * slope - apart * of_above;
            let of_lower = value - gaps[1] * slope + apart * of_below;
            let c = select(last, of_last, select(upper, of_upper, of_lower));
            let product = gaps[0] * gaps[1];
            let (a, b) = ((gaps[0] + gaps[1]) * value - product * slope, product * value);
            let discriminant = (a * a - isa.splat(4.0) * b * c).max(zero).sqrt();
            let positive = zero.where_less(a, one, zero);
            let sum = select(positive, a + discriminant, a - discriminant);
            let by_sum = select(last, one - positive, positive);
            let divisor = two * select(last, c.abs(), c);
            let change = select(by_sum, two * b, sum) / select(by_sum, sum, divisor);
            // f grows: what lies on the wrong side, or is no number, is none.
            let change = (change * value).where_less(zero, change, -value / slope);
            let next = root.offset + step::<V, SQUARES>(root.origin + root.offset, change);
            root.offset = select(active, inside(next, least, most), root.offset);
        }
        root
    }

    /// What the roots of [`roots`](Self::roots) are fitted to.
    #[inline(always)]
    fn fit<V: Vector<Element = f64>>(self, isa: Enabled<V>, first: usize) -> Fit<V> {
        let (k, mut lanes) = (self.d.len(), [[0.0; MAX_LANES]; 6]);
        for l in 0..V::LANES {
            let i = (first + l).min(k - 1);
            let last = i + 1 == k;
            let below = if last { i - 1 } else { i };
            let [d, z] = [self.d, self.z].map(|x| [x[below], x[below + 1]]);
            let apart = if SQUARES { (d[1] - d[0]) * (d[1] + d[0]) } else { d[1] - d[0] };
            let of_lane = [d[0], d[1], z[0] * z[0], z[1] * z[1], apart, f64::from(u8::from(last))];
            lanes.iter_mut().zip(of_lane).for_each(|(lanes, x)| lanes[l] = x);
        }
        let [below, above, of_below, of_above, apart, last] = lanes;
        Fit {
            below: isa.read(&below),
            above: isa.read(&above),
            squares: [isa.read(&of_below), isa.read(&of_above)],
            apart: isa.read(&apart),
            last: isa.read(&last),
        }
    }

    #[inline(always)]
    fn sums<V: Vector<Element = f64>>(self, root: Roots<V>) -> Sums<V> {
        let zero = root.origin.isa().zero();
        let mut sums = [Sums { value: zero, size: zero, slope: zero }; 2];
        let ((d, d_last), (z, z_last)) = (self.d.as_chunks::<2>(), self.z.as_chunks::<2>());
        for (&d, &z) in d.iter().zip(z) {
            let [first, second] = root.quotients::<SQUARES>(d, z);
            sums[0].add(z[0], first);
            sums[1].add(z[1], second);
        }
        for (&d, &z) in d_last.iter().zip(z_last) {
            sums[0].add(z, root.quotient::<SQUARES>(d, z));
        }
        let [x, y] = sums;
        Sums { value: x.value + y.value, size: x.size + y.size, slope: x.slope + y.slope }
    }
}

struct Solve<'a, 'b, const SQUARES: bool> {
    equation: Equation<'a, SQUARES>,
    roots: &'b mut [Root],
}

impl<const SQUARES: bool> Kernel<f64> for Solve<'_, '_, SQUARES> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = f64>>(self, isa: Enabled<V>) {
        let Self { equation, roots } = self;
        if let ([root], &[d], [z]) = (&mut *roots, equation.d, equation.z) {
            let offset = step::<V, SQUARES>(isa.splat(d), isa.splat(equation.rho * z * z));
            *root = Root { origin: d, offset: offset.lanes().next().unwrap_or(0.0) };
            return;
        }
        let parts = threads::parts(roots.len(), NS_EACH * equation.d.len() as f64);
        threads::split_mut(roots, V::LANES, parts, |first, roots| {
            isa.enter(
                #[inline(always)]
                || {
                    for (i, roots) in roots.chunks_mut(V::LANES).enumerate() {
                        let found = equation.roots(isa, first + i * V::LANES);
                        for ((root, origin), offset) in roots.iter_mut().zip(found.origin.lanes()).zip(found.offset.lanes()) {
                            *root = Root { origin, offset };
                        }
                    }
                },
            );
        });
    }
}

/// What takes the number d as far as `change` takes its pole.
#[inline(always)]
fn step<V: Vector<Element = f64>, const SQUARES: bool>(d: V, change: V) -> V {
    if !SQUARES {
        return change;
    }
    let zero = change.isa().zero();
    zero.where_less(change.abs(), change / (d + d.mul_add(d, change).max(zero).sqrt()), change)
}

/// x where it lies between the two, which have the same sign; else a number that does: in their middle where they are alike, or by their
/// exponents.
#[inline(always)]
fn inside<V: Vector<Element = f64>>(x: V, least: V, most: V) -> V {
    let isa = x.isa();
    let near = least.abs().where_less(most.abs(), least, most);
    let far = least.abs().where_less(most.abs(), most, least);
    let geometric = (near * far).max(isa.zero()).sqrt().with_sign_of(far);
    let by_exponent = isa.zero().where_less(near.abs(), geometric, far * isa.splat(1e-3));
    let middle = isa.splat(0.5) * (least + most);
    let between = (isa.splat(4.0) * near.abs()).where_less(far.abs(), by_exponent, middle);
    least.where_less(x, x.where_less(most, x, between), between)
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
    dispatch::<f64, _>(Column::<SQUARES> { d, z, roots, column });
}

struct Column<'a, const SQUARES: bool> {
    d: &'a [f64],
    z: &'a [f64],
    roots: &'a [Root],
    column: &'a mut [f64],
}

impl<const SQUARES: bool> Kernel<f64> for Column<'_, SQUARES> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = f64>>(self, isa: Enabled<V>) {
        let Self { d, z, roots, column } = self;
        let parts = threads::parts(d.len(), d.len() as f64);
        threads::split_mut(column, V::LANES, parts, |first, column| {
            isa.enter(
                #[inline(always)]
                || {
                    for (i, column) in column.chunks_mut(V::LANES).enumerate() {
                        let from = first + i * V::LANES;
                        let own = isa.read_first(&d[from..]);
                        let mut product = isa.splat(1.0);
                        for i in (1..roots.len()).step_by(2) {
                            let [before, this] =
                                [factor::<V, SQUARES>(own, d[i - 1], roots[i - 1]), factor::<V, SQUARES>(own, d[i], roots[i])];
                            product *= (before[0] * this[0]) / (before[1] * this[1]);
                        }
                        if let (&[.., d], &[.., root]) = (d, roots)
                            && roots.len() % 2 == 1
                        {
                            let [gap, apart] = factor::<V, SQUARES>(own, d, root);
                            product *= gap / apart;
                        }
                        let signs = isa.read_first(&z[from..]);
                        product.max(isa.zero()).sqrt().with_sign_of(signs).write_first(column);
                    }
                },
            );
        });
    }
}

/// What the poles of these d have of a root, and what that is divided by: their distance from its pole, or −1 for the pole itself.
#[inline(always)]
fn factor<V: Vector<Element = f64>, const SQUARES: bool>(own: V, d: f64, root: Root) -> [V; 2] {
    let isa = own.isa();
    let root = Roots { origin: isa.splat(root.origin), offset: isa.splat(root.offset) };
    let pole = isa.splat(d);
    let apart = if SQUARES { (own - pole) * (own + pole) } else { own - pole };
    [root.gap::<SQUARES>(own), isa.zero().where_less(apart.abs(), apart, isa.splat(-1.0))]
}
