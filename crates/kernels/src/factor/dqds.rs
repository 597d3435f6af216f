//! Singular values of a bidiagonal matrix by quotients and differences with shifts (Fernando and Parlett 1994, "Accurate singular values
//! and differential qd algorithms").
//!
//! With qᵢ = dᵢ² and eᵢ the square of what is beside it, a sweep with the shift τ takes every eigenvalue of BᵀB down by τ:
//!
//! ```text
//! d ← q₁ − τ
//! for i = 1, …, n − 1:
//!     q̂ᵢ ← d + eᵢ
//!     êᵢ ← eᵢ · qᵢ₊₁ / q̂ᵢ
//!     d ← d · qᵢ₊₁ / q̂ᵢ − τ
//! q̂ₙ ← d
//! ```
//!
//! It has no subtraction but the shifts', so that small values keep their digits, and holds while no d is negative: else τ was above the
//! least eigenvalue, and the sweep is done again with a smaller one. The last ê vanishes, most of the time cubically, and q̂ₙ plus all
//! shifts is the square of a value.

use crate::buffer::{OutOfMemory, list};

/// Far more sweeps than a value takes.
const SWEEPS: usize = 100;
/// Shifts that are tried before none.
const SHIFTS: usize = 8;
/// What is beside values and may be left out, over their precision: its square alone changes them.
const NEGLIGIBLE: f64 = 10.0;
/// Squares that are nothing beside numbers around 1: below, quotients would lose their digits.
const NOTHING: f64 = 1e-280;
/// How much of a guess by which the least eigenvalue lies lower is taken: too much costs a part of a sweep, too little a whole one.
const CAUTION: f64 = 1.5;

/// The singular values, in decreasing order, of the matrix with this diagonal and `beside` it, of numbers around 1 at most; `epsilon` is
/// the precision asked for, relative to a value. None where that did not converge.
///
/// # Errors
/// If there is no memory to work in.
pub(super) fn singular_values(diagonal: &[f64], beside: &[f64], epsilon: f64) -> Result<Option<Vec<f64>>, OutOfMemory> {
    let n = diagonal.len();
    let squares = |x: &[f64]| -> Result<Vec<f64>, OutOfMemory> {
        let mut squares = list(n)?;
        squares.extend(x.iter().map(|x| x * x));
        squares.resize(n, 0.0);
        Ok(squares)
    };
    let (q, e) = (squares(diagonal)?, squares(beside)?);
    let mut blocks = list(n)?;
    blocks.push(Block { first: 0, last: n.saturating_sub(1), taken: 0.0 });
    let mut found =
        Quotients { new: [squares(&[])?, squares(&[])?], q, e, least: (epsilon * NEGLIGIBLE).powi(2), values: list(n)? };
    if n > 0 {
        while let Some(block) = blocks.pop() {
            if !found.block(block, &mut blocks) {
                return Ok(None);
            }
        }
    }
    let mut values = found.values;
    values.iter_mut().for_each(|x| *x = x.sqrt());
    values.sort_by(|x, y| y.total_cmp(x));
    Ok(Some(values))
}

/// A part of the matrix that is apart from others, and what was taken off its eigenvalues.
#[derive(Clone, Copy)]
struct Block {
    first: usize,
    last: usize,
    taken: f64,
}

/// What a sweep found out.
struct Sweep {
    /// The least d, and the least of all but the last.
    least: f64,
    least_before: f64,
    last: f64,
}

struct Quotients {
    q: Vec<f64>,
    e: Vec<f64>,
    /// What a sweep makes of them.
    new: [Vec<f64>; 2],
    /// The square of what is negligible.
    least: f64,
    /// Squares of values.
    values: Vec<f64>,
}

impl Quotients {
    /// Finds the values of a block, or those at its end and leaves the rest as other blocks; whether that converged.
    fn block(&mut self, block: Block, others: &mut Vec<Block>) -> bool {
        let Block { first, mut last, mut taken } = block;
        self.reverse(first, last);
        let mut sweeps = SWEEPS;
        loop {
            // A value at the end, or two.
            if first == last {
                self.values.push(taken + self.q[last]);
                return true;
            }
            if self.negligible(last - 1, taken) {
                self.values.push(taken + self.q[last]);
                (last, sweeps) = (last - 1, SWEEPS);
                continue;
            }
            if last - first == 1 || self.negligible(last - 2, taken) {
                let [low, high] = self.pair(last);
                self.values.extend([taken + low, taken + high]);
                if last - first == 1 {
                    return true;
                }
                (last, sweeps) = (last - 2, SWEEPS);
                continue;
            }
            // A part that falls off goes on by itself.
            if let Some(at) = (first..last - 2).rev().find(|&i| self.negligible(i, taken)) {
                others.push(Block { first, last: at, taken });
                others.push(Block { first: at + 1, last, taken });
                return true;
            }
            if sweeps == 0 {
                return false;
            }
            sweeps -= 1;
            let Some(shift) = self.sweep_down(first, last) else { return false };
            taken += shift;
        }
    }

    /// Whether what is beside element i can be left out.
    fn negligible(&self, i: usize, taken: f64) -> bool {
        self.e[i] <= NOTHING || self.e[i] <= self.least * (taken + self.q[i + 1]) || self.e[i] <= self.least * self.q[i]
    }

    /// Puts the smaller end last, where values are found: the same matrix from its other end.
    fn reverse(&mut self, first: usize, last: usize) {
        if self.q[first] * 1.5 < self.q[last] {
            self.q[first..=last].reverse();
            self.e[first..last].reverse();
        }
    }

    /// Both eigenvalues of the last two rows.
    fn pair(&self, last: usize) -> [f64; 2] {
        let (a, b, c) = (self.q[last - 1], self.e[last - 1], self.q[last]);
        // Of [[a + 0, √(a b)], [√(a b), b + c]]: their sum and product are a + b + c and a c.
        let sum = a + b + c;
        if sum == 0.0 {
            return [0.0, 0.0];
        }
        let root = ((a - c) * (a - c) + b * (b + 2.0 * (a + c))).max(0.0).sqrt();
        let high = 0.5 * (sum + root);
        [a / high * c, high]
    }

    /// What the least eigenvalue may be: that of the last two rows, less what the row before them takes off it.
    fn guess(&self, first: usize, last: usize) -> f64 {
        let (q, e) = (&self.q, &self.e);
        // The last rows of BᵀB, reversed so that each e is in the row of its end: [[a, √b], [√b, c]].
        let (a, b, c) = (q[last - 1] + e[last - 2], q[last - 1] * e[last - 1], q[last] + e[last - 1]);
        let high = 0.5 * (a + c + ((a - c) * (a - c) + 4.0 * b).sqrt());
        let low = (a * c - b) / high;
        // The square of the residual of its vector in the row before, which is d.
        let beside = e[last - 2] * q[last - 2] * (b / (b + (low - a) * (low - a)));
        let d = q[last - 2] + if last - 2 > first { e[last - 3] } else { 0.0 };
        let gap = high.min(d) - low;
        let off = if gap * gap > 4.0 * beside { CAUTION * beside / gap } else { beside.sqrt() };
        // Positive comparison, so that NaN is no shift.
        if low - off > 0.0 { low - off } else { 0.0 }
    }

    /// One sweep with the largest shift that holds: the shift.
    fn sweep_down(&mut self, first: usize, last: usize) -> Option<f64> {
        let mut shift = self.guess(first, last);
        for _ in 0..SHIFTS {
            let found = self.sweep::<false>(first, last, shift);
            if found.least >= 0.0 {
                return Some(self.swept(first, last, shift));
            }
            // Where the last d alone is negative, it says by how much the shift was too large.
            let late = found.least_before > 0.0 && found.last < 0.0;
            let better = (shift + found.last) * (1.0 - 2.0 * f64::EPSILON);
            shift = if late && better > 0.0 { better } else { 0.25 * shift };
        }
        // Without a shift no d is negative.
        let found = self.sweep::<true>(first, last, 0.0);
        (found.least >= 0.0).then(|| self.swept(first, last, 0.0))
    }

    /// Takes over what a sweep with this shift made.
    fn swept(&mut self, first: usize, last: usize, shift: f64) -> f64 {
        let [q, e] = &mut self.new;
        self.q[first..=last].copy_from_slice(&q[first..=last]);
        self.e[first..last].copy_from_slice(&e[first..last]);
        shift
    }

    /// The sweep with a shift, into `new`; NaN counts as negative. `ZEROS`: q̂ may be 0, and nothing is passed on then.
    fn sweep<const ZEROS: bool>(&mut self, first: usize, last: usize, shift: f64) -> Sweep {
        let (q, e) = (&self.q[first..=last], &self.e[first..last]);
        let [new_q, new_e] = &mut self.new;
        let (new_q, new_e) = (&mut new_q[first..=last], &mut new_e[first..last]);
        let mut d = q[0] - shift;
        let mut least = d;
        let steps = new_q.iter_mut().zip(new_e).zip(e.iter().zip(&q[1..]));
        for ((new_q, new_e), (&e, &next)) in steps {
            least = if d < least { d } else { least };
            *new_q = d + e;
            let nothing = ZEROS && *new_q == 0.0;
            let quotient = if nothing { 0.0 } else { next / *new_q };
            *new_e = e * quotient;
            d = if nothing { next - shift } else { d * quotient - shift };
        }
        new_q[last - first] = d;
        let whole = if d < least { d } else { least };
        let whole = if d.is_nan() || whole.is_nan() { -1.0 } else { whole };
        Sweep { least: whole, least_before: least, last: d }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the values of a bidiagonal matrix should be, from the products of its parts.
    fn check(diagonal: &[f64], beside: &[f64], expected: &[f64]) {
        let values = singular_values(diagonal, beside, f64::EPSILON).unwrap().expect("it converges");
        assert_eq!(values.len(), expected.len());
        for (value, expected) in values.iter().zip(expected) {
            // A sweep may cost each value some n ε of its own.
            let least = 1e-15 * diagonal.len().max(10) as f64;
            assert!((value - expected).abs() <= least * expected.abs(), "{value} for {expected}");
        }
    }

    #[test]
    fn values_are_right_in_relative_terms() {
        check(&[], &[], &[]);
        check(&[-3.0], &[], &[3.0]);
        check(&[3.0, -4.0, 0.0], &[0.0, 0.0], &[4.0, 3.0, 0.0]);
        // [[1, 1], [0, 1]]: the golden ratio and its inverse.
        check(&[1.0, 1.0], &[1.0], &[0.5 * (1.0 + 5f64.sqrt()), 0.5 * (5f64.sqrt() - 1.0)]);
        // Ones on the diagonal and beside it: 2 cos of multiples of π / (2 n + 1).
        for n in [3, 10, 57, 300] {
            let angle = |k: usize| (k + 1) as f64 * std::f64::consts::PI / (2 * n + 1) as f64;
            let expected: Vec<f64> = (0..n).map(|k| 2.0 * angle(k).cos()).collect();
            check(&vec![1.0; n], &vec![1.0; n - 1], &expected);
        }
        // Far apart, in either order: the smallest keep their digits.
        let powers: Vec<f64> = (0..12).map(|i| 10f64.powi(-i)).collect();
        let reversed: Vec<f64> = powers.iter().rev().copied().collect();
        let beside: Vec<f64> = powers[1..].iter().map(|x| x * 1e-9).collect();
        for diagonal in [&powers, &reversed] {
            let beside: Vec<f64> = beside.iter().map(|x| x.min(1e-21)).collect();
            check(diagonal, &beside, &powers);
        }
    }

    #[test]
    fn hard_matrices_converge_to_the_trace_of_their_squares() {
        for n in [2, 5, 33, 200] {
            for kind in 0..6 {
                let number = |i: usize, seed: usize| ((i * 7919 + seed * 104_729) % 1009) as f64 / 1009.0;
                let d: Vec<f64> = (0..n)
                    .map(|i| match kind {
                        0 => number(i, 1) - 0.5,
                        1 => f64::from(i % 3 != 0),
                        2 => 1.0 + 1e-12 * number(i, 2),
                        3 => 0.5_f64.powi(i as i32 % 60),
                        // All but one so small that their squares have few digits.
                        4 if i > 0 => 1e-160 * number(i, 4),
                        4 => 1.0,
                        _ => 0.0,
                    })
                    .collect();
                let e: Vec<f64> = (0..n - 1)
                    .map(|i| match kind {
                        2 => 1e-9,
                        4 => 1e-160 * number(i, 3),
                        _ => number(i, 3) - 0.3,
                    })
                    .collect();
                let values = singular_values(&d, &e, f64::EPSILON).unwrap().expect("it converges");
                let sum = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
                let (found, expected) = (sum(&values), sum(&d) + sum(&e));
                assert!((found - expected).abs() <= 1e-13 * expected, "kind {kind} of {n}: {found} for {expected}");
                assert!(values.is_sorted_by(|x, y| x >= y) && values.len() == n);
            }
        }
    }
}
