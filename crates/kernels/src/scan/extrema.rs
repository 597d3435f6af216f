//! Running extrema, and where they are: a block in which nothing beats the extremum before it is filled without a look at each element.

use super::{COLUMNS, LIGHT_NS, Plan, list};
use crate::buffer::OutOfMemory;
use crate::compiled::compiled;
use crate::params::params;
use crate::real::{Element, Real};
use crate::shape::count;
use crate::simd::Stream;
use crate::threads::SharedSlice;

/// Elements of a row that are compared together.
const BLOCK: usize = 32;
/// Elements of a row that are scanned before they are written past the caches.
const NEAR: usize = 512;

compiled! {
    /// The largest x[o, k, i] of k ≤ j, and its k as a place: the last of equal ones, and the last NaN once there is one.
    ///
    /// # Errors
    /// Here and below: if there is no memory for the states of parts.
    ///
    /// # Panics
    /// Here and below: if the lengths differ, or are not those of whole series.
    pub fn cumulative_max<T: Real>(
        x: &[T],
        n: usize,
        inner: usize,
        values: &mut [T],
        places: &mut [i64],
    ) -> Result<(), OutOfMemory> {
        extrema::<T, true>(x, [n, inner], T::NEG_INFINITY, values, places)
    }
}

compiled! {
    /// The smallest x[o, k, i] of k ≤ j, as in [`cumulative_max`].
    pub fn cumulative_min<T: Real>(
        x: &[T],
        n: usize,
        inner: usize,
        values: &mut [T],
        places: &mut [i64],
    ) -> Result<(), OutOfMemory> {
        extrema::<T, false>(x, [n, inner], T::INFINITY, values, places)
    }
}

/// [`cumulative_max`] of integers.
///
/// # Errors
/// If there is no memory for the states of parts.
pub fn cumulative_max_i64(x: &[i64], n: usize, inner: usize, values: &mut [i64], places: &mut [i64]) -> Result<(), OutOfMemory> {
    extrema::<i64, true>(x, [n, inner], i64::MIN, values, places)
}

/// [`cumulative_min`] of integers.
///
/// # Errors
/// If there is no memory for the states of parts.
pub fn cumulative_min_i64(x: &[i64], n: usize, inner: usize, values: &mut [i64], places: &mut [i64]) -> Result<(), OutOfMemory> {
    extrema::<i64, false>(x, [n, inner], i64::MAX, values, places)
}

/// The extremum so far, and its place.
type State<T> = (T, i64);

/// Whether x takes the place of an extremum before it. NaN is the one value that differs from itself.
#[inline(always)]
#[expect(clippy::eq_op, reason = "elements have no is_nan")]
fn beats<T: Element, const LARGEST: bool>(x: T, than: T) -> bool {
    (if LARGEST { x >= than } else { x <= than }) | (x != x)
}

#[inline(always)]
fn later<T: Element, const LARGEST: bool>(first: State<T>, second: State<T>) -> State<T> {
    if beats::<T, LARGEST>(second.0, first.0) { second } else { first }
}

/// `start` is what no element is beyond.
fn extrema<T: Element, const LARGEST: bool>(
    x: &[T],
    [n, inner]: [usize; 2],
    start: T,
    values: &mut [T],
    places: &mut [i64],
) -> Result<(), OutOfMemory> {
    assert!(x.len() == values.len() && x.len() == places.len(), "results of the shape of the operand");
    if x.is_empty() {
        return Ok(());
    }
    let block = count(&[n, inner]);
    assert!(block > 0 && x.len().is_multiple_of(block), "whole series");
    let plan = Plan::new(n, inner, x.len() / block, LIGHT_NS, true);
    let starts = if plan.cuts > 1 { starts::<T, LARGEST>(x, &plan, start)? } else { Vec::new() };
    let streamed = size_of_val(values) + size_of_val(places) >= params().memory.streamed_bytes;
    let (values, places) = (SharedSlice::new(values), SharedSlice::new(places));
    plan.run(|o, columns, part, range| {
        let before = |i: usize| starts.get(part * inner + i).copied().unwrap_or((start, 0));
        if inner == 1 {
            let row = o * n + range.start..o * n + range.end;
            // SAFETY: tasks of one column differ in their series or in their range along it, and ranges do not overlap.
            let (values, places) = unsafe { (values.part(row.clone()), places.part(row.clone())) };
            along_row::<T, LARGEST>(&x[row], before(0), range.start, values, places, streamed);
            return;
        }
        let (mut best, mut at) = ([start; COLUMNS], [0; COLUMNS]);
        for ((best, at), i) in best.iter_mut().zip(&mut at).zip(columns.clone()) {
            (*best, *at) = before(i);
        }
        for j in range {
            let row = (o * n + j) * inner + columns.start..(o * n + j) * inner + columns.end;
            // SAFETY: tasks differ in their series, in their rows or in their columns, so that no two share a place.
            let (values, places) = unsafe { (values.part(row.clone()), places.part(row.clone())) };
            step_columns::<T, LARGEST>(&x[row], j, &mut best[..values.len()], &mut at[..values.len()]);
            values.copy_from_slice(&best[..values.len()]);
            places.copy_from_slice(&at[..places.len()]);
        }
    });
    Ok(())
}

/// The states before each part of each series: (outer, cut, inner).
fn starts<T: Element, const LARGEST: bool>(x: &[T], plan: &Plan, start: T) -> Result<Vec<State<T>>, OutOfMemory> {
    let &Plan { n, inner, outer, cuts, .. } = plan;
    let mut states = list(count(&[outer, cuts, inner]))?;
    states.resize(outer * cuts * inner, (start, 0));
    let shared = SharedSlice::new(&mut states);
    plan.run(|o, columns, part, range| {
        let row = |j: usize| (o * n + j) * inner + columns.start..(o * n + j) * inner + columns.end;
        // SAFETY: tasks differ in their part or in their columns.
        let states = unsafe { shared.part(part * inner + columns.start..part * inner + columns.end) };
        // Nobody begins behind the last part.
        if range.end == n {
            return;
        }
        if inner == 1 {
            states[0] = fold_row::<T, LARGEST>(&x[o * n + range.start..o * n + range.end], (start, 0), range.start);
            return;
        }
        let (mut best, mut at) = ([start; COLUMNS], [0; COLUMNS]);
        for j in range {
            step_columns::<T, LARGEST>(&x[row(j)], j, &mut best[..columns.len()], &mut at[..columns.len()]);
        }
        for (state, (&best, &at)) in states.iter_mut().zip(best.iter().zip(&at)) {
            *state = (best, at);
        }
    });
    for states in states.chunks_exact_mut(cuts * inner) {
        for i in 0..inner {
            let mut before = (start, 0);
            for state in states[i..].iter_mut().step_by(inner) {
                let total = std::mem::replace(state, before);
                before = later::<T, LARGEST>(before, total);
            }
        }
    }
    Ok(states)
}

/// Takes row j of some columns.
#[inline(always)]
fn step_columns<T: Element, const LARGEST: bool>(x: &[T], j: usize, best: &mut [T], at: &mut [i64]) {
    for ((&x, best), at) in x.iter().zip(best).zip(at) {
        let takes = beats::<T, LARGEST>(x, *best);
        *best = if takes { x } else { *best };
        *at = if takes { j as i64 } else { *at };
    }
}

/// Whether an element of a block beats the extremum before it.
#[inline(always)]
fn any_beats<T: Element, const LARGEST: bool>(block: &[T], best: T) -> bool {
    block.iter().fold(false, |any, &x| any | beats::<T, LARGEST>(x, best))
}

#[inline(always)]
fn fold_row<T: Element, const LARGEST: bool>(x: &[T], mut state: State<T>, first: usize) -> State<T> {
    for (b, block) in x.chunks(BLOCK).enumerate() {
        if any_beats::<T, LARGEST>(block, state.0) {
            for (i, &x) in block.iter().enumerate() {
                state = later::<T, LARGEST>(state, (x, (first + b * BLOCK + i) as i64));
            }
        }
    }
    state
}

/// A row whose first element has place `first`, from a state on.
#[inline(always)]
fn along_row<T: Element, const LARGEST: bool>(
    x: &[T],
    mut state: State<T>,
    first: usize,
    values: &mut [T],
    places: &mut [i64],
    streamed: bool,
) {
    let (mut near, stream) = (([state.0; NEAR], [0; NEAR]), streamed.then(Stream::new));
    let pieces = x.chunks(NEAR).zip(values.chunks_mut(NEAR).zip(places.chunks_mut(NEAR)));
    for (p, (x, (values, places))) in pieces.enumerate() {
        let first = first + p * NEAR;
        match &stream {
            Some(stream) => {
                let near = (&mut near.0[..x.len()], &mut near.1[..x.len()]);
                state = blocks::<T, LARGEST>(x, state, first, near.0, near.1);
                stream.copy(near.0, values);
                stream.copy(near.1, places);
            }
            None => state = blocks::<T, LARGEST>(x, state, first, values, places),
        }
    }
}

#[inline(always)]
fn blocks<T: Element, const LARGEST: bool>(
    x: &[T],
    mut state: State<T>,
    mut at: usize,
    values: &mut [T],
    places: &mut [i64],
) -> State<T> {
    for (x, (values, places)) in x.chunks(BLOCK).zip(values.chunks_mut(BLOCK).zip(places.chunks_mut(BLOCK))) {
        if any_beats::<T, LARGEST>(x, state.0) {
            for (i, ((value, place), &x)) in values.iter_mut().zip(places).zip(x).enumerate() {
                state = later::<T, LARGEST>(state, (x, (at + i) as i64));
                (*value, *place) = state;
            }
        } else {
            values.fill(state.0);
            places.fill(state.1);
        }
        at += x.len();
    }
    state
}
