//! Values and vectors of a tridiagonal matrix by the implicit QL iteration (Bowdler, Martin, Reinsch and Wilkinson 1968).
//!
//! The iteration asks for the matrix alone: it runs to its end first, and its rotations are kept. They then pass over the
//! vectors a few registers of rows at a time, which stay in the caches, and each of which may be another thread's.

use std::cmp::Ordering;

use super::columns::norm;
use crate::buffer::{Block, OutOfMemory, list};
use crate::real::Real;
use crate::shape::count;
use crate::simd::{Isa, Kernel, Lanes, MAX_LANES, Vector, dispatch_on};
use crate::threads;

/// Far more steps than a value takes.
const STEPS: usize = 60;
/// Registers of rows that rotations pass over together.
const GROUP: usize = 4;
/// Nanoseconds that the rotation of a register takes.
const NS_EACH: f64 = 1.2;

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

impl<T: Lanes> Rotations<T> {
    /// None, of values of n rows: about as many as there will be.
    pub fn new(n: usize) -> Self {
        Self { all: Vec::with_capacity(n * n), steps: Vec::with_capacity(2 * n) }
    }

    /// Multiplies n columns of n by the product of the rotations, and puts its columns into an order.
    ///
    /// # Errors
    /// If there is no memory to work in.
    ///
    /// # Panics
    /// If there is another number of elements.
    pub fn apply(&self, isa: Isa, columns: &mut [T], order: &[usize]) -> Result<(), OutOfMemory> {
        let n = order.len();
        assert_eq!(columns.len(), count(&[n, n]), "as many columns as values");
        // Enough for any register: those of fewer lanes take more of a slab.
        let rows = GROUP * MAX_LANES / (size_of::<T>() / 4);
        let slabs = n.div_ceil(rows);
        let mut turned = Block::filled(count(&[slabs, rows, n]), T::ZERO)?;
        let parts = threads::parts(slabs, NS_EACH * (GROUP * self.all.len()) as f64);
        let from = &*columns;
        threads::split_mut(&mut turned, rows * n, parts, |start, slabs| {
            for (slab, to) in slabs.chunks_exact_mut(rows * n).enumerate() {
                let first = start / n + slab * rows;
                let count = rows.min(n - first);
                for (to, from) in to.chunks_exact_mut(rows).zip(from.chunks_exact(n)) {
                    to[..count].copy_from_slice(&from[first..][..count]);
                }
                dispatch_on(isa, Pass { of: self, slab: to, rows });
            }
        });
        for (to, &from) in columns.chunks_exact_mut(n).zip(order) {
            for (to, slab) in to.chunks_mut(rows).zip(turned.chunks_exact(rows * n)) {
                to.copy_from_slice(&slab[from * rows..][..to.len()]);
            }
        }
        Ok(())
    }
}

/// All rotations of some rows, that lie column by column.
struct Pass<'a, T> {
    of: &'a Rotations<T>,
    slab: &'a mut [T],
    rows: usize,
}

impl<T: Lanes> Kernel<T> for Pass<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<V: Vector<Element = T>>(self) {
        let Pass { of, slab, rows } = self;
        debug_assert!(rows.is_multiple_of(GROUP * V::LANES));
        for first in (0..rows).step_by(GROUP * V::LANES) {
            let mut rest = &of.all[..];
            for &[end, count] in &of.steps {
                let (step, after) = rest.split_at(count);
                rest = after;
                assert!(count <= end && (end + 1) * rows <= slab.len(), "columns that there are");
                let at = slab.as_mut_ptr().wrapping_add(end * rows + first);
                // SAFETY: the instruction set is enabled, and there are as many columns before this one as rotations, each
                // with the rows of the group.
                unsafe {
                    let mut high: [V; GROUP] = std::array::from_fn(|g| V::load(at.add(g * V::LANES)));
                    for (i, &[c, s]) in step.iter().enumerate() {
                        let to = at.sub(i * rows);
                        let (c, s) = (V::splat(c), V::splat(s));
                        for (g, high) in high.iter_mut().enumerate() {
                            // x, y = c x − s y, s x + c y
                            let low = V::load(to.sub(rows).add(g * V::LANES));
                            s.mul_add(low, c.mul(*high)).store(to.add(g * V::LANES));
                            *high = c.mul(low).sub(s.mul(*high));
                        }
                    }
                    for (g, high) in high.into_iter().enumerate() {
                        high.store(at.sub(count * rows).add(g * V::LANES));
                    }
                }
            }
        }
    }
}
