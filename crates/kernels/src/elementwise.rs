//! Maps over one, two or three operands of one shape, each through strides of its own, into a row-major result.
//!
//! Dimensions that every operand walks as one are merged; the innermost then runs as a plain loop that the compiler
//! vectorizes when all its strides are 1 or 0.

use crate::real::Element;
use crate::view::View;
use crate::{simd, threads};

/// A cheap function of one element, in nanoseconds: what decides whether a map is worth a second thread.
const NS_PER_ELEMENT: f64 = 0.5;

/// out[i] = f(a[i])
pub fn unary<A: Element, R: Element>(a: View<'_, A>, out: &mut [R], f: impl Fn(A) -> R + Sync + Copy) {
    let plan = Plan::new(a.shape(), [a.strides()]);
    let a = Address(a.as_ptr());
    plan.run(out, |row, [at], [step]| {
        // SAFETY: `Plan` yields only positions inside the view, whose constructor checked them all.
        unsafe {
            let a = a.at(at);
            match step {
                1 => simd::run(
                    #[inline(always)]
                    || (0..row.len()).for_each(|i| row[i] = f(*a.add(i))),
                ),
                _ => (0..row.len()).for_each(|i| row[i] = f(*a.offset(i as isize * step))),
            }
        }
    });
}

/// out[i] = f(a[i], b[i])
///
/// # Panics
/// If the shapes differ: a broadcast dimension is one of stride 0.
pub fn binary<A: Element, B: Element, R: Element>(
    a: View<'_, A>,
    b: View<'_, B>,
    out: &mut [R],
    f: impl Fn(A, B) -> R + Sync + Copy,
) {
    assert_eq!(a.shape(), b.shape(), "operands of one map");
    let plan = Plan::new(a.shape(), [a.strides(), b.strides()]);
    let (a, b) = (Address(a.as_ptr()), Address(b.as_ptr()));
    plan.run(out, |row, [at_a, at_b], steps| {
        // SAFETY: as in `unary`.
        unsafe {
            let (a, b) = (a.at(at_a), b.at(at_b));
            match steps {
                [1, 1] => simd::run(
                    #[inline(always)]
                    || (0..row.len()).for_each(|i| row[i] = f(*a.add(i), *b.add(i))),
                ),
                [1, 0] => simd::run(
                    #[inline(always)]
                    || {
                        let b = *b;
                        (0..row.len()).for_each(|i| row[i] = f(*a.add(i), b))
                    },
                ),
                [0, 1] => simd::run(
                    #[inline(always)]
                    || {
                        let a = *a;
                        (0..row.len()).for_each(|i| row[i] = f(a, *b.add(i)))
                    },
                ),
                [sa, sb] => (0..row.len() as isize).for_each(|i| row[i as usize] = f(*a.offset(i * sa), *b.offset(i * sb))),
            }
        }
    });
}

/// out[i] = f(a[i], b[i], c[i])
///
/// # Panics
/// If the shapes differ: a broadcast dimension is one of stride 0.
pub fn ternary<A: Element, B: Element, C: Element, R: Element>(
    a: View<'_, A>,
    b: View<'_, B>,
    c: View<'_, C>,
    out: &mut [R],
    f: impl Fn(A, B, C) -> R + Sync + Copy,
) {
    assert!(a.shape() == b.shape() && b.shape() == c.shape(), "operands of one map");
    let plan = Plan::new(a.shape(), [a.strides(), b.strides(), c.strides()]);
    let (a, b, c) = (Address(a.as_ptr()), Address(b.as_ptr()), Address(c.as_ptr()));
    plan.run(out, |row, [at_a, at_b, at_c], steps| {
        // SAFETY: as in `unary`.
        unsafe {
            let (a, b, c) = (a.at(at_a), b.at(at_b), c.at(at_c));
            match steps {
                [1, 1, 1] => simd::run(
                    #[inline(always)]
                    || (0..row.len()).for_each(|i| row[i] = f(*a.add(i), *b.add(i), *c.add(i))),
                ),
                [sa, sb, sc] => (0..row.len() as isize)
                    .for_each(|i| row[i as usize] = f(*a.offset(i * sa), *b.offset(i * sb), *c.offset(i * sc))),
            }
        }
    });
}

/// The elements of a view in row-major order.
pub fn copy<A: Element>(a: View<'_, A>, out: &mut [A]) {
    match a.as_slice() {
        Some(slice) => out.copy_from_slice(slice),
        None => unary(a, out, |x| x),
    }
}

/// The address of a view's first element, which several threads read from.
struct Address<T>(*const T);

impl<T> Address<T> {
    /// # Safety
    /// The element at `offset` must lie in the view that this address came from.
    unsafe fn at(&self, offset: isize) -> *const T {
        // SAFETY: the caller's duty, above.
        unsafe { self.0.offset(offset) }
    }
}

// SAFETY: the view that the address came from borrows its data shared for as long as the map runs.
unsafe impl<T: Sync> Sync for Address<T> {}

/// The merged dimensions of N operands: outer ones to step through, and one inner row.
struct Plan<const N: usize> {
    outer: Vec<(usize, [isize; N])>,
    row: usize,
    steps: [isize; N],
}

impl<const N: usize> Plan<N> {
    fn new(shape: &[usize], strides: [&[isize]; N]) -> Self {
        let mut merged: Vec<(usize, [isize; N])> = Vec::with_capacity(shape.len());
        for (d, &size) in shape.iter().enumerate() {
            let step: [isize; N] = std::array::from_fn(|k| strides[k][d]);
            match merged.last_mut() {
                _ if size == 1 => {}
                // One dimension walks on where the next inner one ends, in every operand.
                Some((n, outer)) if (0..N).all(|k| outer[k] == step[k] * size as isize) => {
                    *n *= size;
                    *outer = step;
                }
                _ => merged.push((size, step)),
            }
        }
        let (row, steps) = merged.pop().unwrap_or((1, [1; N]));
        Self { outer: merged, row, steps }
    }

    /// Calls `body(row of out, offsets of its first element, steps)` for every row, over threads.
    fn run<R: Element>(&self, out: &mut [R], body: impl Fn(&mut [R], [isize; N], [isize; N]) + Sync) {
        let total = self.outer.iter().map(|x| x.0).product::<usize>() * self.row;
        assert_eq!(out.len(), total, "the result of a map has the shape of its operands");
        if total == 0 {
            return;
        }
        let parts = threads::parts(total, NS_PER_ELEMENT);
        // A single long row is cut anywhere, many rows only between them.
        let unit = if self.outer.is_empty() { 64 } else { self.row };
        threads::split_mut(out, unit, parts, |start, slice| {
            for (r, row) in slice.chunks_mut(self.row).enumerate() {
                let (mut index, mut at) = ((start + r * self.row) / self.row, [0; N]);
                let within = ((start + r * self.row) % self.row) as isize;
                for &(size, step) in self.outer.iter().rev() {
                    let i = (index % size) as isize;
                    index /= size;
                    (0..N).for_each(|k| at[k] += i * step[k]);
                }
                (0..N).for_each(|k| at[k] += within * self.steps[k]);
                body(row, at, self.steps);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_follow_strides_of_every_kind() {
        let data: Vec<f64> = (0..120).map(f64::from).collect();
        let shapes: [(&[usize], &[isize], usize); 6] = [
            (&[2, 3, 4], &[12, 4, 1], 0),
            (&[4, 3, 2], &[1, 4, 12], 0),
            (&[5, 6], &[0, 1], 3),
            (&[5, 6], &[1, 0], 3),
            (&[10], &[-3], 50),
            (&[], &[], 7),
        ];
        for (shape, strides, offset) in shapes {
            let a = View::new(&data, offset, shape, strides).unwrap();
            let mut out = vec![0.0; a.len()];
            unary(a, &mut out, |x| x + 1.0);
            assert_eq!(out, a.iter().map(|x| x + 1.0).collect::<Vec<_>>(), "{shape:?} {strides:?}");
            binary(a, a, &mut out, |x, y| x * y);
            assert_eq!(out, a.iter().map(|x| x * x).collect::<Vec<_>>());
            ternary(a, a, a, &mut out, |x, y, z| x + y - z);
            assert_eq!(out, a.iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn long_maps_split_over_threads_give_the_same() {
        let data: Vec<f32> = (0..400_000).map(|i| i as f32).collect();
        let (shape, strides) = ([400, 1000], [1, 400]);
        let a = View::new(&data, 0, &shape, &strides).unwrap();
        let mut out = vec![0.0; 400_000];
        unary(a, &mut out, |x| 2.0 * x);
        assert!(out.iter().zip(a.iter()).all(|(&y, x)| y == 2.0 * x));
        let flat = View::new(&data, 0, &[400_000], &[1]).unwrap();
        binary(flat, flat, &mut out, |x, y| x + y);
        assert!(out.iter().zip(&data).all(|(&y, &x)| y == 2.0 * x));
    }
}
