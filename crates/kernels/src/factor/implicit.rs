//! Values of a tridiagonal matrix by the implicit QL iteration (Bowdler, Martin, Reinsch and Wilkinson 1968).

use std::cmp::Ordering;

use super::columns::norm;
use crate::buffer::{OutOfMemory, list};
use crate::real::Real;

/// Far more steps than a value takes.
const STEPS: usize = 60;

/// Makes `d` the values of the matrix with this diagonal and `e` beside it, in no order, and `e` 0; whether that converged.
pub(super) fn values<T: Real>(d: &mut [T], e: &mut [T]) -> bool {
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
            }
            if whole {
                d[l] -= p;
                e[l] = g;
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
