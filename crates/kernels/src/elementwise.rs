//! Maps over one, two or three operands of one shape, each through strides of its own, into a row-major result.
//!
//! Dimensions that every operand walks as one are merged. The two innermost that are left make a tile, walked as plain
//! loops that the compiler vectorizes where steps are 1 or 0; tiles whose rows lie across an operand's memory, as in a
//! transposition, are walked in blocks that stay in cache.

use crate::real::Element;
use crate::view::View;
use crate::{simd, threads};

/// A cheap function of one element, in nanoseconds: what decides whether a map is worth a second thread.
const NS_PER_ELEMENT: f64 = 0.5;
/// Rows and columns of a block: a cache line's worth of rows, and few enough columns for the first level of address translation.
const BLOCK: (usize, usize) = (16, 32);

/// `out[i] = f(a[i])`
pub fn unary<A: Element, R: Element>(a: View<'_, A>, out: &mut [R], f: impl Fn(A) -> R + Sync + Copy) {
    let plan = Plan::new(a.shape(), [a.strides()]);
    let a = Address(a.as_ptr());
    plan.run(
        out,
        #[inline(always)]
        |out, tile| match tile.steps {
            [1] => tile.by_row(
                out,
                #[inline(always)]
                |row, [at]| {
                    // SAFETY: `Plan` yields only positions inside the view, whose constructor checked them all.
                    let a = unsafe { a.row(at, row.len()) };
                    row.iter_mut().zip(a).for_each(|(y, &a)| *y = f(a));
                },
            ),
            _ => tile.by_block(
                out,
                #[inline(always)]
                |[at]| {
                    // SAFETY: as above.
                    f(unsafe { a.element(at) })
                },
            ),
        },
    );
}

/// `out[i] = f(a[i], b[i])`
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
    plan.run(
        out,
        #[inline(always)]
        |out, tile| match tile.steps {
            [1, 1] => tile.by_row(
                out,
                #[inline(always)]
                |row, [at, bt]| {
                    // SAFETY: as in `unary`.
                    let (a, b) = unsafe { (a.row(at, row.len()), b.row(bt, row.len())) };
                    row.iter_mut().zip(a).zip(b).for_each(|((y, &a), &b)| *y = f(a, b));
                },
            ),
            [1, 0] => tile.by_row(
                out,
                #[inline(always)]
                |row, [at, bt]| {
                    // SAFETY: as in `unary`.
                    let (a, b) = unsafe { (a.row(at, row.len()), b.element(bt)) };
                    row.iter_mut().zip(a).for_each(|(y, &a)| *y = f(a, b));
                },
            ),
            [0, 1] => tile.by_row(
                out,
                #[inline(always)]
                |row, [at, bt]| {
                    // SAFETY: as in `unary`.
                    let (a, b) = unsafe { (a.element(at), b.row(bt, row.len())) };
                    row.iter_mut().zip(b).for_each(|(y, &b)| *y = f(a, b));
                },
            ),
            _ => tile.by_block(
                out,
                #[inline(always)]
                |[at, bt]| {
                    // SAFETY: as in `unary`.
                    unsafe { f(a.element(at), b.element(bt)) }
                },
            ),
        },
    );
}

/// `out[i] = f(a[i], b[i], c[i])`
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
    plan.run(
        out,
        #[inline(always)]
        |out, tile| match tile.steps {
            [1, 1, 1] => tile.by_row(
                out,
                #[inline(always)]
                |row, [at, bt, ct]| {
                    let n = row.len();
                    // SAFETY: as in `unary`.
                    let (a, b, c) = unsafe { (a.row(at, n), b.row(bt, n), c.row(ct, n)) };
                    row.iter_mut().zip(a).zip(b).zip(c).for_each(|(((y, &a), &b), &c)| *y = f(a, b, c));
                },
            ),
            [1, 1, 0] => tile.by_row(
                out,
                #[inline(always)]
                |row, [at, bt, ct]| {
                    let n = row.len();
                    // SAFETY: as in `unary`.
                    let (a, b, c) = unsafe { (a.row(at, n), b.row(bt, n), c.element(ct)) };
                    row.iter_mut().zip(a).zip(b).for_each(|((y, &a), &b)| *y = f(a, b, c));
                },
            ),
            [1, 0, 1] => tile.by_row(
                out,
                #[inline(always)]
                |row, [at, bt, ct]| {
                    let n = row.len();
                    // SAFETY: as in `unary`.
                    let (a, b, c) = unsafe { (a.row(at, n), b.element(bt), c.row(ct, n)) };
                    row.iter_mut().zip(a).zip(c).for_each(|((y, &a), &c)| *y = f(a, b, c));
                },
            ),
            _ => tile.by_block(
                out,
                #[inline(always)]
                |[at, bt, ct]| {
                    // SAFETY: as in `unary`.
                    unsafe { f(a.element(at), b.element(bt), c.element(ct)) }
                },
            ),
        },
    );
}

/// The elements of a view in row-major order.
pub fn copy<A: Element>(a: View<'_, A>, out: &mut [A]) {
    unary(
        a,
        out,
        #[inline(always)]
        |x| x,
    );
}

/// The address of a view's first element, which several threads read from.
struct Address<T>(*const T);

impl<T: Copy> Address<T> {
    /// # Safety
    /// The element at `offset` must lie in the view that this address came from.
    #[inline(always)]
    unsafe fn element(&self, offset: isize) -> T {
        // SAFETY: the caller's duty, above.
        unsafe { *self.0.offset(offset) }
    }

    /// # Safety
    /// The `len` elements from `offset` on must lie in the view that this address came from.
    #[inline(always)]
    unsafe fn row(&self, offset: isize, len: usize) -> &[T] {
        // SAFETY: the caller's duty, above; the view borrows the elements for as long as the map runs.
        unsafe { std::slice::from_raw_parts(self.0.offset(offset), len) }
    }
}

// SAFETY: the view that the address came from borrows its data shared for as long as the map runs.
unsafe impl<T: Sync> Sync for Address<T> {}

/// The merged dimensions of N operands: size and steps of each, outermost first.
struct Plan<const N: usize> {
    dimensions: Vec<(usize, [isize; N])>,
}

/// Rows of one length: where they begin in each operand, and the steps from row to row and within a row.
struct Tile<const N: usize> {
    at: [isize; N],
    row: usize,
    row_steps: [isize; N],
    steps: [isize; N],
}

impl<const N: usize> Tile<N> {
    #[inline(always)]
    fn position(&self, r: usize, c: usize) -> [isize; N] {
        std::array::from_fn(|k| self.at[k] + r as isize * self.row_steps[k] + c as isize * self.steps[k])
    }

    /// Calls `body(row of out, where it begins in each operand)`.
    #[inline(always)]
    fn by_row<R>(&self, out: &mut [R], body: impl Fn(&mut [R], [isize; N])) {
        for (r, row) in out.chunks_mut(self.row).enumerate() {
            body(row, self.position(r, 0));
        }
    }

    /// Sets every element to `value(where it lies in each operand)`, block by block.
    #[inline(always)]
    fn by_block<R>(&self, out: &mut [R], value: impl Fn([isize; N]) -> R) {
        for (b, rows) in out.chunks_mut(self.row * BLOCK.0).enumerate() {
            for first in (0..self.row).step_by(BLOCK.1) {
                for (r, row) in rows.chunks_mut(self.row).enumerate() {
                    // The last row of a part may be cut short.
                    let last = row.len().min(first + BLOCK.1);
                    for c in first..last {
                        row[c] = value(self.position(b * BLOCK.0 + r, c));
                    }
                }
            }
        }
    }
}

impl<const N: usize> Plan<N> {
    fn new(shape: &[usize], strides: [&[isize]; N]) -> Self {
        let mut dimensions: Vec<(usize, [isize; N])> = Vec::with_capacity(shape.len() + 2);
        for (d, &size) in shape.iter().enumerate() {
            let step: [isize; N] = std::array::from_fn(|k| strides[k][d]);
            match dimensions.last_mut() {
                _ if size == 1 => {}
                // One dimension walks on where the next inner one ends, in every operand.
                Some((n, outer)) if (0..N).all(|k| outer[k] == step[k] * size as isize) => {
                    *n *= size;
                    *outer = step;
                }
                _ => dimensions.push((size, step)),
            }
        }
        while dimensions.len() < 2 {
            // A single row, or a single element, which is a row of one.
            dimensions.insert(0, (1, [1; N]));
        }
        Self { dimensions }
    }

    /// Calls `body(part of out, tile)` for every tile, over threads.
    fn run<R: Element>(&self, out: &mut [R], body: impl Fn(&mut [R], Tile<N>) + Sync) {
        let total: usize = self.dimensions.iter().map(|x| x.0).product();
        assert_eq!(out.len(), total, "the result of a map has the shape of its operands");
        if total == 0 {
            return;
        }
        let parts = threads::parts(total, NS_PER_ELEMENT);
        let row = self.dimensions[self.dimensions.len() - 1].0;
        // A single long row is cut anywhere, many rows only between them.
        let unit = if row == total { 64 } else { row };
        threads::split_mut(out, unit, parts, |start, out| {
            simd::run(
                #[inline(always)]
                || self.walk(start, out, &body),
            );
        });
    }

    #[inline(always)]
    fn walk<R>(&self, start: usize, out: &mut [R], body: &impl Fn(&mut [R], Tile<N>)) {
        let (outer, inner) = self.dimensions.split_at(self.dimensions.len() - 2);
        let [(rows, row_steps), (row, steps)] = [inner[0], inner[1]];
        let (mut first, within) = (start / row % rows, start % row);
        let mut tile_number = start / row / rows;
        let mut rest = out;
        while !rest.is_empty() {
            let mut index = tile_number;
            let mut at: [isize; N] = std::array::from_fn(|k| first as isize * row_steps[k] + within as isize * steps[k]);
            for &(size, step) in outer.iter().rev() {
                let i = (index % size) as isize;
                index /= size;
                (0..N).for_each(|k| at[k] += i * step[k]);
            }
            let len = rest.len().min((rows - first) * row - within);
            let (tile, tail) = rest.split_at_mut(len);
            body(tile, Tile { at, row, row_steps, steps });
            (rest, first) = (tail, 0);
            tile_number += 1;
        }
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
    fn transposed_and_broadcast_operands_are_walked_in_blocks() {
        let data: Vec<f64> = (0..8000).map(f64::from).collect();
        for (rows, columns) in [(1, 1), (15, 31), (16, 32), (17, 33), (40, 70), (3, 100)] {
            let (shape, across) = ([2, rows, columns], [0, 1, rows as isize]);
            let (along, repeated) = ([columns as isize * 2, columns as isize, 1], [0, 1, 0]);
            let a = View::new(&data, 5, &shape, &across).unwrap();
            let b = View::new(&data, 9, &shape, &along).unwrap();
            let c = View::new(&data, 2, &shape, &repeated).unwrap();
            let mut out = vec![0.0; a.len()];
            unary(a, &mut out, |x| -x);
            assert!(out.iter().zip(a.iter()).all(|(y, x)| *y == -x));
            for (p, q) in [(a, b), (b, a), (b, c), (c, b), (a, c)] {
                binary(p, q, &mut out, |x, y| x - y);
                assert!(out.iter().zip(p.iter().zip(q.iter())).all(|(z, (x, y))| *z == x - y));
                for r in [a, b, c] {
                    ternary(p, q, r, &mut out, |x, y, z| x - y * z);
                    assert!(out.iter().zip(p.iter().zip(q.iter()).zip(r.iter())).all(|(o, ((x, y), z))| *o == x - y * z));
                }
            }
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
