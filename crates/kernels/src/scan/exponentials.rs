//! Running log-sum-exps: exponentials and logarithms of a block are computed together, and only a maximum and a sum wait for those before.

use std::marker::PhantomData;

use super::{HEAVY_NS, Scan};
use crate::math;
use crate::real::Real;

/// Elements of a row whose exponentials are computed together.
const BLOCK: usize = 64;

/// ln Σ eˣ, in f64.
#[derive(Clone, Copy)]
pub(super) struct LogSumExp<T>(PhantomData<T>);

impl<T> LogSumExp<T> {
    pub(super) const NEW: Self = Self(PhantomData);
}

/// Σ eˣ as e^shift · sum, where the shift is the largest x.
#[derive(Clone, Copy)]
pub(super) struct Exponentials {
    shift: f64,
    sum: f64,
}

/// The factors of two sums whose shifts are these, once they have one shift.
#[inline(always)]
fn factors(first: f64, second: f64) -> (f64, f64) {
    // One of the two is 1, also where both shifts are infinite and their difference is no number.
    let distance = if first == second { 0.0 } else { (second - first).abs() };
    let factor = math::exp(-distance);
    if second > first { (factor, 1.0) } else { (1.0, factor) }
}

impl<T: Real> Scan for LogSumExp<T> {
    type Item = T;
    type State = Exponentials;
    type Out = T;
    const MERGES: bool = true;
    const NS: f64 = HEAVY_NS;

    #[inline(always)]
    fn start(self) -> Exponentials {
        Exponentials { shift: f64::NEG_INFINITY, sum: 0.0 }
    }
    #[inline(always)]
    fn step(self, state: Exponentials, [x, _]: [T; 2], _: usize) -> Exponentials {
        self.merge(state, Exponentials { shift: x.to_f64(), sum: 1.0 })
    }
    #[inline(always)]
    fn merge(self, first: Exponentials, second: Exponentials) -> Exponentials {
        let (one, two) = factors(first.shift, second.shift);
        let shift = if second.shift > first.shift { second.shift } else { first.shift };
        Exponentials { shift, sum: first.sum * one + second.sum * two }
    }
    #[inline(always)]
    fn value(self, state: Exponentials) -> T {
        T::from_f64(state.shift + math::ln(state.sum))
    }
    #[inline(always)]
    fn row(self, [x, _]: [&[T]; 2], y: &mut [T], mut state: Exponentials, _: usize) -> bool {
        let (mut before, mut shifts, mut sums) = ([0.0; BLOCK], [0.0; BLOCK], [0.0; BLOCK]);
        let (mut one, mut two) = ([0.0; BLOCK], [0.0; BLOCK]);
        for (x, y) in x.chunks(BLOCK).zip(y.chunks_mut(BLOCK)) {
            for ((before, shift), &x) in before.iter_mut().zip(&mut shifts).zip(x) {
                let x = x.to_f64();
                *before = state.shift;
                state.shift = if x > state.shift { x } else { state.shift };
                *shift = state.shift;
            }
            for ((one, two), (&before, &x)) in one.iter_mut().zip(&mut two).zip(before.iter().zip(x)) {
                (*one, *two) = factors(before, x.to_f64());
            }
            for (sum, (&one, &two)) in sums[..x.len()].iter_mut().zip(one.iter().zip(&two)) {
                state.sum = state.sum * one + two;
                *sum = state.sum;
            }
            for (y, (&shift, &sum)) in y.iter_mut().zip(shifts.iter().zip(&sums)) {
                *y = self.value(Exponentials { shift, sum });
            }
        }
        true
    }
    #[inline(always)]
    fn fold(self, [x, _]: [&[T]; 2], _: usize) -> Exponentials {
        let mut terms = [0.0; BLOCK];
        x.chunks(BLOCK).fold(self.start(), |state, x| {
            let shift = x.iter().fold(f64::NEG_INFINITY, |most, x| if x.to_f64() > most { x.to_f64() } else { most });
            terms.iter_mut().zip(x).for_each(|(term, x)| *term = factors(shift, x.to_f64()).1);
            self.merge(state, Exponentials { shift, sum: terms[..x.len()].iter().sum() })
        })
    }
}
