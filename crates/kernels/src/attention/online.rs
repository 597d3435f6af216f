//! The running softmax of a row over tiles of keys: the step that everything rests on.
//!
//! A row holds m, the largest score so far, l = Σ exp(s − m) and acc = Σ exp(s − m) v. A tile with scores s raises m to m′;
//! what was summed before is worth α = exp(m − m′) of what comes now (Milakov and Gimelshein 2018, algorithm 3):
//!
//! ```text
//! m′ = max(m, max s)    p = exp(s − m′)    l′ = α l + Σ p    acc′ = α acc + p v
//! ```

use super::mask::VisibleKeys;
use super::tile::{BC, BR, MR};
use crate::real::Real;
use crate::simd::math::exp;
use crate::simd::{Enabled, Kernel, Lanes, MAX_LANES, Vector};

/// How far scores may exceed m: p then stays below 3000, and m settles after a tile or two, so that the exponentials of a row
/// hardly ever wait for the largest of its scores.
const SLACK: f64 = 8.0;
/// Vectors whose exponentials are computed side by side: four chains keep the vector unit busy, and divide a row of a tile.
const ABREAST: usize = 4;

/// The state of the rows of a tile: accumulators lie in memory of their own.
pub(super) struct OnlineSoftmax<T> {
    /// The largest score so far, or a little less.
    pub m: [T; BR],
    /// Σ exp(s − m), in as many sums a row as a vector has lanes.
    l: [[T; MAX_LANES]; BR],
}

impl<T: Real> OnlineSoftmax<T> {
    /// Rows that have seen no key.
    pub fn new() -> Self {
        Self { m: [T::NEG_INFINITY; BR], l: [[T::ZERO; MAX_LANES]; BR] }
    }

    /// l of row `i`.
    pub fn sum(&self, i: usize) -> T {
        self.l[i].iter().fold(T::ZERO, |sum, &x| sum + x)
    }

    /// Makes row `i` continue from a log-sum-exp; its accumulator must be the output that belongs to it.
    pub fn start(&mut self, i: usize, lse: T) {
        self.m[i] = lse;
        self.l[i][0] = if lse == T::NEG_INFINITY { T::ZERO } else { T::ONE };
    }
}

impl<T: Real> OnlineSoftmax<T> {
    /// Adds to row 0, whose accumulator is `acc`, the (m, l, acc) of other keys: the step, once for all of them.
    pub fn add(&mut self, (m, l, other): (T, T, &[T]), acc: &mut [T]) {
        let new = self.m[0].maximum(m);
        if new == T::NEG_INFINITY {
            return;
        }
        let (alpha, beta) = ((self.m[0] - new).exp(), (m - new).exp());
        self.m[0] = new;
        self.l[0].iter_mut().for_each(|x| *x *= alpha);
        self.l[0][0] += beta * l;
        acc.iter_mut().zip(other).for_each(|(x, &y)| *x = alpha * *x + beta * y);
    }
}

/// The step for `rows` rows of scores, which it turns into p, 0 beyond the keys that a row sees; acc is multiplied by α.
pub(super) struct OnlineSoftmaxStep<'a, T> {
    pub state: &'a mut OnlineSoftmax<T>,
    pub rows: usize,
    pub visible: &'a VisibleKeys,
    /// The tile of scores, [`BC`] to a row.
    pub scores: &'a mut [T],
    /// The accumulators, `width` to a row: a multiple of the lanes.
    pub acc: &'a mut [T],
    pub width: usize,
}

impl<T: Lanes> Kernel<T> for OnlineSoftmaxStep<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let Self { state, rows, visible: seen, scores, acc, width } = self;
        let (window, slack) = (window::<T>(), T::from_f64(SLACK));
        for (i, (scores, acc)) in scores.chunks_exact_mut(BC).zip(acc.chunks_exact_mut(width)).take(rows).enumerate() {
            let vectors = seen.row[i].div_ceil(V::LANES);
            mask_rest(isa, scores, seen.row[i], &window);
            let s = &mut scores[..vectors * V::LANES];
            let most = largest(isa, s);
            if !(most <= state.m[i] + slack) {
                state.raise(isa, i, most, acc);
            }
            // While nothing is seen m is -∞, and any finite number gives exp(-∞ − m) = 0.
            let base = if state.m[i] == T::NEG_INFINITY { T::ZERO } else { state.m[i] };
            let l = &mut state.l[i];
            (isa.read(l) + exponentials(s, isa.splat(base))).write(l);
            zero_rest(scores, vectors * V::LANES, seen.panel[i / MR]);
        }
    }
}

impl<T: Lanes> OnlineSoftmax<T> {
    /// Raises m of row `i` to the larger `most`, or to NaN: what was summed, in l and in whole vectors of `acc`, is worth
    /// less by α.
    #[inline(always)]
    fn raise<V: Vector<Element = T>>(&mut self, isa: Enabled<V>, i: usize, most: T, acc: &mut [T]) {
        let [alpha] = exp([isa.splat(self.m[i] - most)]);
        for x in acc.chunks_exact_mut(V::LANES).chain(self.l[i].chunks_exact_mut(V::LANES)) {
            (isa.read(x) * alpha).write(x);
        }
        self.m[i] = most;
    }
}

/// The largest score of whole vectors.
#[inline(always)]
fn largest<V: Vector>(isa: Enabled<V>, scores: &[V::Element]) -> V::Element {
    let mut most = [isa.splat(V::Element::NEG_INFINITY); ABREAST];
    let blocks = scores.chunks_exact(ABREAST * V::LANES);
    let rest = blocks.remainder();
    for block in blocks {
        for i in 0..ABREAST {
            most[i] = most[i].max(isa.read(&block[i * V::LANES..]));
        }
    }
    for x in rest.chunks_exact(V::LANES) {
        most[0] = most[0].max(isa.read(x));
    }
    let mut largest = most[0];
    for i in 1..ABREAST {
        largest = largest.max(most[i]);
    }
    largest.largest()
}

/// Turns whole vectors of scores into exp(s − m), and returns their sum, lane by lane; s is at most a little above m.
#[inline(always)]
pub(super) fn exponentials<V: Vector>(scores: &mut [V::Element], m: V) -> V {
    let isa = m.isa();
    let mut sums = [isa.zero(); ABREAST];
    let mut blocks = scores.chunks_exact_mut(ABREAST * V::LANES);
    for block in blocks.by_ref() {
        let mut s = [m; ABREAST];
        for i in 0..ABREAST {
            s[i] = isa.read(&block[i * V::LANES..]) - m;
        }
        let p = exp(s);
        for i in 0..ABREAST {
            p[i].write(&mut block[i * V::LANES..]);
            sums[i] += p[i];
        }
    }
    for x in blocks.into_remainder().chunks_exact_mut(V::LANES) {
        let [p] = exp([isa.read(x) - m]);
        p.write(x);
        sums[0] += p;
    }
    let mut sum = sums[0];
    for i in 1..ABREAST {
        sum += sums[i];
    }
    sum
}

/// +∞ as often as the longest vector has lanes, then -∞ as often: the smaller of a vector and a window on this hides lanes.
pub(super) fn window<T: Real>() -> [T; 2 * MAX_LANES] {
    std::array::from_fn(|i| if i < MAX_LANES { T::INFINITY } else { T::NEG_INFINITY })
}

/// Makes the scores from `seen` to the end of its vector -∞, NaN included; there are whole vectors of them.
#[inline(always)]
pub(super) fn mask_rest<V: Vector>(isa: Enabled<V>, scores: &mut [V::Element], seen: usize, window: &[V::Element; 2 * MAX_LANES]) {
    let tail = seen % V::LANES;
    if tail > 0 {
        let last = &mut scores[seen - tail..];
        // A hidden NaN loses to -∞, the second operand; a NaN that is seen becomes +∞, whose row ends as NaN too.
        isa.read(last).min(isa.read(&window[MAX_LANES - tail..])).write(last);
    }
}

/// Makes what lies between the scores written so far and the end of the register tiles that will read this row 0.
#[inline(always)]
pub(super) fn zero_rest<T: Real>(scores: &mut [T], written: usize, seen_by_panel: usize) {
    let end = seen_by_panel.next_multiple_of(MR);
    if written < end {
        scores[written..end].fill(T::ZERO);
    }
}
