//! Values and vectors of a tridiagonal matrix by the implicit QL iteration (Bowdler, Martin, Reinsch and Wilkinson 1968).
//!
//! The iteration asks for the matrix alone: it runs to its end first, and its rotations are kept. They then pass over the vectors.

use std::cmp::Ordering;

use super::columns::norm;
use super::eigh::rotate_columns;
use crate::buffer::{OutOfMemory, list};
use crate::real::Real;
use crate::simd;

/// Far more steps than a value takes.
const STEPS: usize = 60;
/// The rotations (c, s) of an iteration, one step after another.
pub(super) struct Rotations<T> {
    all: Vec<[T; 2]>,
    /// The column that a step begins with, and how many it rotates with those before.
    steps: Vec<[usize; 2]>,
}

/// Makes `d` the values of the matrix with this diagonal and `e` beside it, in no order, and `e` 0; whether that converged.
///
/// Rotations are kept where there is a place for them: T = Z Λ Zᵀ with the product Z of all.
pub(super) fn values<T: Real>(d: &mut [T], e: &mut [T], mut rotations: Option<&mut Rotations<T>>) -> bool {
    let two = T::ONE + T::ONE;
    // What is lost to the largest so far: values that come before larger ones keep their own digits.
    let mut lost = T::ZERO;
    for l in 0..d.len() {
        let most = d[l].abs() + e.get(l).map_or(T::ZERO, |e| e.abs());
        let least = T::EPSILON / two * most;
        lost = if least > lost { least } else { lost };
        for step in 0.. {
            let negligible = |i: usize| e[i].abs() <= lost || e[i].abs() <= T::EPSILON / two * (d[i].abs() + d[i + 1].abs());
            let end = (l..e.len()).find(|&i| negligible(i)).unwrap_or(e.len());
            if end == l {
                break;
            }
            if step == STEPS {
                return false;
            }
            let first = rotations.as_ref().map_or(0, |kept| kept.all.len());
            // Wilkinson's shift
            let g = (d[l + 1] - d[l]) / (two * e[l]);
            let r = length(g, T::ONE);
            let mut g = d[end] - d[l] + e[l] / if g < T::ZERO { g - r } else { g + r };
            let (mut s, mut c, mut p) = (T::ONE, T::ONE, T::ZERO);
            let mut whole = true;
            for i in (l..end).rev() {
                let (f, b) = (s * e[i], c * e[i]);
                let r = length(f, g);
                if i + 1 < end {
                    e[i + 1] = r;
                }
                if r == T::ZERO {
                    // The matrix falls apart here.
                    d[i + 1] -= p;
                    whole = false;
                    break;
                }
                (s, c) = (f / r, g / r);
                g = d[i + 1] - p;
                let r = (d[i] - g) * s + two * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
                if let Some(kept) = rotations.as_deref_mut() {
                    kept.all.push([c, s]);
                }
            }
            if whole {
                d[l] -= p;
                e[l] = g;
            }
            if let Some(kept) = rotations.as_deref_mut() {
                kept.steps.push([end, kept.all.len() - first]);
            }
        }
        if let Some(e) = e.get_mut(l) {
            *e = T::ZERO;
        }
    }
    true
}

/// √(x² + y²)
#[inline(always)]
fn length<T: Real>(x: T, y: T) -> T {
    let square = x * x + y * y;
    // As in `norm`, which looks at more than two numbers take.
    let (low, high) = if size_of::<T>() == 4 { (1e-24, 1e37) } else { (1e-260, 1e307) };
    if square > T::from_f64(low) && square < T::from_f64(high) { square.sqrt() } else { norm(&[x, y]) }
}

/// The order that makes values increase.
pub(super) fn order<T: Real>(values: &[T]) -> Result<Vec<usize>, OutOfMemory> {
    let mut order = list(values.len())?;
    order.extend(0..values.len());
    order.sort_by(|&i, &j| values[i].partial_cmp(&values[j]).unwrap_or(Ordering::Equal));
    Ok(order)
}

impl<T: Real> Rotations<T> {
    /// None, of values of n rows: room for about as many as there will be.
    pub fn new(n: usize) -> Self {
        Self { all: Vec::with_capacity(n * n), steps: Vec::with_capacity(2 * n) }
    }

    /// Multiplies columns of `height` by the product of the rotations.
    pub fn apply(&self, columns: &mut [T], height: usize) {
        simd::run(
            #[inline(always)]
            || {
                let mut rest = &self.all[..];
                for &[end, count] in &self.steps {
                    let (step, after) = rest.split_at(count);
                    rest = after;
                    for (i, &[c, s]) in step.iter().enumerate() {
                        let (before, high) = columns.split_at_mut((end - i) * height);
                        let low = &mut before[(end - i - 1) * height..];
                        rotate_columns(low, &mut high[..height], c, s);
                    }
                }
            },
        );
    }
}
