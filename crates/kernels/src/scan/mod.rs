//! Scans: every element becomes what a running state makes of all elements up to it along an axis.
//!
//! Long series are cut: parts are folded first, each on its own thread, and scanned from the state before them then. A fold runs in chains,
//! and a sum in groups, that do not wait for each other. A scan whose states cannot be merged runs in one go.

mod exponentials;
mod extrema;
mod kinds;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::buffer::{OutOfMemory, list};
use crate::compiled::compiled;
use crate::real::Real;
use crate::shape::count;
use crate::simd;
use crate::threads::{self, SharedSlice};
use exponentials::LogSumExp;
pub use extrema::{cumulative_max, cumulative_max_i64, cumulative_min, cumulative_min_i64};
use kinds::{IntegerProduct, IntegerSum, Product, Recurrence, Sum};

/// Chains of a fold that run side by side, so that one addition does not wait for the one before.
const CHAINS: usize = 8;
/// Elements of a chain: a block of all chains stays in the first-level cache.
const CHAIN: usize = 128;
/// Elements of a group: one addition to the sum before it, for four elements.
const GROUP: usize = 4;
/// Rows that are scanned side by side.
const SIDE: usize = 4;
/// Columns that are scanned together: their states stay in the first-level cache.
const COLUMNS: usize = 512;
/// Nanoseconds an element of a scan that adds, multiplies or compares.
const LIGHT_NS: f64 = 1.0;
/// Nanoseconds an element of a scan with an exponential.
const HEAVY_NS: f64 = 10.0;

compiled! {
    /// y[o, j, i] = Σ over k ≤ j of x[o, k, i], for x of `(outer, n, inner)` elements in row-major order.
    ///
    /// All add in f64: a sum of f32 is right to its last bit, or nearly so. Those of f64 never fall where no term is negative.
    ///
    /// # Errors
    /// Here and below: if there is no memory for the states of parts.
    ///
    /// # Panics
    /// Here and below: if the lengths differ, or are not those of whole series.
    pub fn cumulative_sum<T: Real>(x: &[T], n: usize, inner: usize, y: &mut [T]) -> Result<(), OutOfMemory> {
        scan(Sum::<T>::NEW, [x, x], n, inner, y).map(|_| ())
    }
}

compiled! {
    /// y[o, j, i] = Π over k ≤ j of x[o, k, i], multiplied in f64, in order.
    pub fn cumulative_product<T: Real>(x: &[T], n: usize, inner: usize, y: &mut [T]) -> Result<(), OutOfMemory> {
        scan(Product::<T>::NEW, [x, x], n, inner, y).map(|_| ())
    }
}

compiled! {
    /// y[o, j, i] = ln Σ over k ≤ j of e^x[o, k, i], in f64, without overflow.
    pub fn cumulative_log_sum_exp<T: Real>(x: &[T], n: usize, inner: usize, y: &mut [T]) -> Result<(), OutOfMemory> {
        scan(LogSumExp::<T>::NEW, [x, x], n, inner, y).map(|_| ())
    }
}

compiled! {
    /// y[o, j, i] = a[o, j, i] y[o, j - 1, i] + b[o, j, i], in f64 and in order; y[o, 0, i] is b[o, 0, i].
    pub fn recurrence<T: Real>(a: &[T], b: &[T], n: usize, inner: usize, y: &mut [T]) -> Result<(), OutOfMemory> {
        scan(Recurrence::<T>::NEW, [a, b], n, inner, y).map(|_| ())
    }
}

/// [`cumulative_sum`] of integers; whether every sum fits.
///
/// # Errors
/// If there is no memory for the states of parts.
pub fn cumulative_sum_i64(x: &[i64], n: usize, inner: usize, y: &mut [i64]) -> Result<bool, OutOfMemory> {
    scan(IntegerSum, [x, x], n, inner, y)
}

/// [`cumulative_product`] of integers; whether every product fits.
///
/// # Errors
/// If there is no memory for the states of parts.
pub fn cumulative_product_i64(x: &[i64], n: usize, inner: usize, y: &mut [i64]) -> Result<bool, OutOfMemory> {
    scan(IntegerProduct, [x, x], n, inner, y)
}

/// A state that takes one element after another. Operands of which there is one are given twice.
trait Scan: Copy + Send + Sync {
    type Item: Copy + Sync;
    type State: Copy + Send + Sync;
    type Out: Copy + Send + Sync;
    /// Whether states of parts can be merged without another result than that of one series.
    const MERGES: bool;
    /// Whether elements are merged in groups: where that is less work than to wait for the state before.
    const GROUPED: bool = false;
    /// Whether rows are scanned side by side: where a step takes less work than time, and every result fits.
    const SIDE_BY_SIDE: bool = false;
    /// What an element costs.
    const NS: f64 = LIGHT_NS;

    /// The state before the first element.
    fn start(self) -> Self::State;
    /// The state after element `j` of the series.
    fn step(self, state: Self::State, x: [Self::Item; 2], j: usize) -> Self::State;
    /// The state after two parts, from those after each; asked for where [`MERGES`](Scan::MERGES) or [`GROUPED`](Scan::GROUPED) is set.
    fn merge(self, first: Self::State, second: Self::State) -> Self::State;
    /// The result.
    fn value(self, state: Self::State) -> Self::Out;
    /// Scans a row from a state on; `at` is the first element's number in its series. Whether the results fit.
    #[inline(always)]
    fn row(self, x: [&[Self::Item]; 2], y: &mut [Self::Out], state: Self::State, at: usize) -> bool {
        scan_row(self, x, y, state, at)
    }
    /// The state after a row alone.
    #[inline(always)]
    fn fold(self, x: [&[Self::Item]; 2], at: usize) -> Self::State {
        fold_row(self, x, at)
    }
    /// Whether the result is a number of its type.
    #[inline(always)]
    fn fits(self, _: Self::State) -> bool {
        true
    }
}

/// Where series lie, and how they are cut.
#[derive(Clone, Copy)]
struct Plan {
    n: usize,
    inner: usize,
    outer: usize,
    /// Parts along the series.
    cuts: usize,
    threads: usize,
}

impl Plan {
    /// Series are cut where states can be merged, and there are fewer series than threads.
    fn new(n: usize, inner: usize, outer: usize, ns: f64, merges: bool) -> Self {
        let mut plan = Self { n, inner, outer, cuts: 1, threads: threads::parts(count(&[outer, n, inner]), ns) };
        if merges && outer * plan.pieces() < plan.threads {
            plan.cuts = plan.threads.min(n.div_ceil(CHAINS * CHAIN));
        }
        plan
    }

    /// Calls `work(series, columns, part, range)` for each piece of columns in each part of each series, over threads. Parts are counted
    /// through all series, and `range` is the part's along its own.
    fn run(&self, work: impl Fn(usize, Range<usize>, usize, Range<usize>) + Sync) {
        let tasks = self.outer * self.cuts * self.pieces();
        let parts = self.threads.min(tasks);
        threads::run(parts, |part| {
            simd::run(
                #[inline(always)]
                || {
                    for task in threads::range(tasks, 1, parts, part) {
                        let (piece, part) = (task % self.pieces(), task / self.pieces());
                        let columns = piece * COLUMNS..self.inner.min((piece + 1) * COLUMNS);
                        work(part / self.cuts, columns, part, self.range(part % self.cuts));
                    }
                },
            );
        });
    }

    fn range(&self, cut: usize) -> Range<usize> {
        threads::range(self.n, CHAINS * CHAIN, self.cuts, cut)
    }

    fn pieces(&self) -> usize {
        self.inner.div_ceil(COLUMNS)
    }
}

/// Scans all series; whether every result fits its type.
fn scan<S: Scan>(s: S, x: [&[S::Item]; 2], n: usize, inner: usize, y: &mut [S::Out]) -> Result<bool, OutOfMemory> {
    assert!(x[0].len() == y.len() && x[1].len() == y.len(), "a scan has the shape of its operands");
    if y.is_empty() {
        return Ok(true);
    }
    let block = count(&[n, inner]);
    assert!(block > 0 && y.len().is_multiple_of(block), "whole series");
    let plan = Plan::new(n, inner, y.len() / block, S::NS, S::MERGES);
    if S::SIDE_BY_SIDE && inner == 1 && plan.outer >= SIDE * plan.threads {
        scan_side_by_side(s, x, y, &plan);
        return Ok(true);
    }
    let starts = if plan.cuts > 1 { starts(s, x, &plan)? } else { Vec::new() };
    let (y, all_fit) = (SharedSlice::new(y), AtomicBool::new(true));
    plan.run(
        #[inline(always)]
        |o, columns, part, range| {
            if !scan_part(s, x, y, &plan, (o, columns, part, range), &starts) {
                all_fit.store(false, Ordering::Relaxed);
            }
        },
    );
    Ok(all_fit.into_inner())
}

/// All rows, [`SIDE`] of them at a time: a step of one does not wait for those of the others.
fn scan_side_by_side<S: Scan>(s: S, x: [&[S::Item]; 2], y: &mut [S::Out], plan: &Plan) {
    let n = plan.n;
    threads::split_mut(y, SIDE * n, plan.threads, |start, y| {
        simd::run(
            #[inline(always)]
            || {
                for (k, y) in y.chunks_mut(SIDE * n).enumerate() {
                    let place = |r: usize, j: usize| start + (k * SIDE + r) * n + j;
                    let mut rows = y.chunks_exact_mut(n);
                    let [Some(y0), Some(y1), Some(y2), Some(y3)] = std::array::from_fn(|_| rows.next()) else {
                        for (r, y) in y.chunks_exact_mut(n).enumerate() {
                            s.row(x.map(|x| &x[place(r, 0)..place(r, n)]), y, s.start(), 0);
                        }
                        continue;
                    };
                    let [a, b] = x.map(|x| -> [&[S::Item]; SIDE] { std::array::from_fn(|r| &x[place(r, 0)..][..n]) });
                    let mut states = [s.start(); SIDE];
                    for j in 0..n {
                        for (r, state) in states.iter_mut().enumerate() {
                            *state = s.step(*state, [a[r][j], b[r][j]], j);
                        }
                        (y0[j], y1[j]) = (s.value(states[0]), s.value(states[1]));
                        (y2[j], y3[j]) = (s.value(states[2]), s.value(states[3]));
                    }
                }
            },
        );
    });
}

/// The states before each part of each series: (outer, cut, inner).
fn starts<S: Scan>(s: S, x: [&[S::Item]; 2], plan: &Plan) -> Result<Vec<S::State>, OutOfMemory> {
    let &Plan { n, inner, outer, cuts, .. } = plan;
    let mut states = list(count(&[outer, cuts, inner]))?;
    states.resize(outer * cuts * inner, s.start());
    threads::split_mut(&mut states, inner, plan.threads, |first, states| {
        simd::run(
            #[inline(always)]
            || {
                for (k, states) in states.chunks_exact_mut(inner).enumerate() {
                    let (o, cut) = ((first / inner + k) / cuts, (first / inner + k) % cuts);
                    // Nobody begins behind the last part.
                    if cut + 1 < cuts {
                        fold_part(s, x, o * n, plan.range(cut), states);
                    }
                }
            },
        );
    });
    for states in states.chunks_exact_mut(cuts * inner) {
        let mut before = list(inner)?;
        before.resize(inner, s.start());
        for states in states.chunks_exact_mut(inner) {
            for (state, before) in states.iter_mut().zip(&mut before) {
                let total = *state;
                *state = *before;
                *before = s.merge(*before, total);
            }
        }
    }
    Ok(states)
}

/// The states after the rows of a range alone, which begin at `first`.
#[inline(always)]
fn fold_part<S: Scan>(s: S, x: [&[S::Item]; 2], first: usize, range: Range<usize>, states: &mut [S::State]) {
    let inner = states.len();
    if inner == 1 {
        let rows = first + range.start..first + range.end;
        states[0] = s.fold([&x[0][rows.clone()], &x[1][rows]], range.start);
        return;
    }
    for j in range {
        let row = (first + j) * inner..(first + j + 1) * inner;
        for ((state, &a), &b) in states.iter_mut().zip(&x[0][row.clone()]).zip(&x[1][row]) {
            *state = s.step(*state, [a, b], j);
        }
    }
}

/// The state after a row.
#[inline(always)]
fn fold_row<S: Scan>(s: S, x: [&[S::Item]; 2], mut at: usize) -> S::State {
    let mut state = s.start();
    let (a, b) = (x[0].as_chunks::<{ CHAINS * CHAIN }>(), x[1].as_chunks::<{ CHAINS * CHAIN }>());
    for (a, b) in a.0.iter().zip(b.0) {
        state = fold_chains(s, [a, b], at).iter().fold(state, |state, &chain| s.merge(state, chain));
        at += CHAINS * CHAIN;
    }
    for (&a, &b) in a.1.iter().zip(b.1) {
        state = s.step(state, [a, b], at);
        at += 1;
    }
    state
}

/// The states after each chain of a block.
#[inline(always)]
fn fold_chains<S: Scan>(s: S, x: [&[S::Item; CHAINS * CHAIN]; 2], at: usize) -> [S::State; CHAINS] {
    let mut states = [s.start(); CHAINS];
    for j in 0..CHAIN {
        for (c, state) in states.iter_mut().enumerate() {
            let i = c * CHAIN + j;
            *state = s.step(*state, [x[0][i], x[1][i]], at + i);
        }
    }
    states
}

/// One part of one series, or of a piece of columns; whether its results fit.
#[inline(always)]
fn scan_part<S: Scan>(
    s: S,
    x: [&[S::Item]; 2],
    y: SharedSlice<'_, S::Out>,
    plan: &Plan,
    (o, columns, part, range): (usize, Range<usize>, usize, Range<usize>),
    starts: &[S::State],
) -> bool {
    let &Plan { n, inner, .. } = plan;
    if inner == 1 {
        let rows = o * n + range.start..o * n + range.end;
        let start = starts.get(part).copied().unwrap_or_else(|| s.start());
        // SAFETY: tasks of one column differ in their series or in their range along it, and ranges do not overlap.
        let y = unsafe { y.part(rows.clone()) };
        return s.row([&x[0][rows.clone()], &x[1][rows]], y, start, range.start);
    }
    let mut states = [s.start(); COLUMNS];
    let states = &mut states[..columns.len()];
    if let Some(starts) = starts.get(part * inner..(part + 1) * inner) {
        states.copy_from_slice(&starts[columns.clone()]);
    }
    let mut fits = true;
    for j in range {
        let row = (o * n + j) * inner;
        let places = row + columns.start..row + columns.end;
        // SAFETY: tasks differ in their series, in their rows or in their columns, so that no two share a place.
        let y = unsafe { y.part(places.clone()) };
        let operands = x[0][places.clone()].iter().zip(&x[1][places]);
        for ((y, state), (&a, &b)) in y.iter_mut().zip(&mut *states).zip(operands) {
            *state = s.step(*state, [a, b], j);
            *y = s.value(*state);
            fits &= s.fits(*state);
        }
    }
    fits
}

/// A row from a state on; whether its results fit.
#[inline(always)]
fn scan_row<S: Scan>(s: S, x: [&[S::Item]; 2], y: &mut [S::Out], mut state: S::State, mut at: usize) -> bool {
    let mut fits = true;
    let whole = if S::GROUPED { y.len() - y.len() % GROUP } else { 0 };
    let (groups, rest) = y.split_at_mut(whole);
    let (a, b) = (x[0][..whole].as_chunks::<GROUP>().0, x[1][..whole].as_chunks::<GROUP>().0);
    for ((a, b), y) in a.iter().zip(b).zip(groups.as_chunks_mut::<GROUP>().0) {
        // The states of a group alone do not wait for what stands before it. All is read before the first is written.
        let (mut alone, mut states) = (s.start(), [state; GROUP]);
        for (k, after) in states.iter_mut().enumerate() {
            alone = s.step(alone, [a[k], b[k]], at + k);
            *after = s.merge(state, alone);
        }
        for (y, after) in y.iter_mut().zip(states) {
            *y = s.value(after);
            fits &= s.fits(after);
        }
        state = s.merge(state, alone);
        at += GROUP;
    }
    for ((y, &a), &b) in rest.iter_mut().zip(&x[0][whole..]).zip(&x[1][whole..]) {
        state = s.step(state, [a, b], at);
        *y = s.value(state);
        fits &= s.fits(state);
        at += 1;
    }
    fits
}
