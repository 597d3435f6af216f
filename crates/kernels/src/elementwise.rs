//! Maps over one, two or three operands of one shape, each through strides of its own, into a row-major result.
//!
//! A map runs in chunks of the result. An operand that lies in order is read where it is; any other is first gathered
//! into a small buffer, or, where its rows lie across memory as in a transposition, copied whole in blocks that stay in
//! cache. So the function itself is compiled for one loop over slices, which the compiler vectorizes, whatever the strides
//! and however short the rows.

use crate::buffer::Block;
use crate::real::{Element, Real};
use crate::view::View;
use crate::{simd, threads};

/// A cheap function of one element, in nanoseconds: what decides whether a map is worth a second thread.
const NS_PER_ELEMENT: f64 = 0.5;
/// Elements of a chunk: the buffers of three operands fit the first-level cache.
const CHUNK: usize = 1024;
/// Rows and columns of a block: enough rows that a page of memory, once its address is translated, is read in several cache lines,
/// and columns for a whole line of the result.
const BLOCK: (usize, usize) = (64, 16);

/// `out[i] = f(a[i])`
pub fn unary<A: Element, R: Element>(a: View<'_, A>, out: &mut [R], f: impl Fn(A) -> R + Sync + Copy) {
    assert_eq!(a.len(), out.len(), "the result of a map has the shape of its operands");
    let a = Source::new(a);
    run(out, |start, out| {
        let mut a_buffer = [A::zeroed(); CHUNK];
        simd::run(
            #[inline(always)]
            || {
                for (i, out) in out.chunks_mut(CHUNK).enumerate() {
                    let a = a.read(start + i * CHUNK, out.len(), &mut a_buffer);
                    for (y, &a) in out.iter_mut().zip(a) {
                        *y = f(a);
                    }
                }
            },
        );
    });
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
    assert_eq!(a.len(), out.len(), "the result of a map has the shape of its operands");
    let (a, b) = (Source::new(a), Source::new(b));
    run(out, |start, out| {
        let (mut a_buffer, mut b_buffer) = ([A::zeroed(); CHUNK], [B::zeroed(); CHUNK]);
        simd::run(
            #[inline(always)]
            || {
                for (i, out) in out.chunks_mut(CHUNK).enumerate() {
                    let (start, len) = (start + i * CHUNK, out.len());
                    let (a, b) = (a.read(start, len, &mut a_buffer), b.read(start, len, &mut b_buffer));
                    for ((y, &a), &b) in out.iter_mut().zip(a).zip(b) {
                        *y = f(a, b);
                    }
                }
            },
        );
    });
}

/// A function of one real number, for [`map`]. Its methods must be `#[inline(always)]`.
pub trait Function: Copy + Sync {
    /// f(x)
    fn apply<T: Real>(self, x: T) -> T;
    /// Whether f(x) takes [`exact`](Function::exact), which no vector unit computes.
    #[inline(always)]
    fn beyond<T: Real>(self, x: T) -> bool {
        let _ = x;
        false
    }
    /// f(x) where [`apply`](Function::apply) is not good for x.
    #[inline(always)]
    fn exact<T: Real>(self, x: T) -> T {
        self.apply(x)
    }
}

/// `out[i] = f(a[i])`, with fused multiply-adds where the processor has them.
pub fn map<T: Real>(a: View<'_, T>, out: &mut [T], f: impl Function) {
    assert_eq!(a.len(), out.len(), "the result of a map has the shape of its operands");
    let a = Source::new(a);
    run(out, |start, out| {
        let mut a_buffer = [T::zeroed(); CHUNK];
        for (i, here) in out.chunks_mut(CHUNK).enumerate() {
            let a = a.read(start + i * CHUNK, here.len(), &mut a_buffer);
            // Every closure is to be inlined, lest it keep the baseline's instructions.
            let beyond = simd::run_fused(
                &mut *here,
                #[inline(always)]
                |y| {
                    each(
                        a,
                        y,
                        #[inline(always)]
                        |x| T::from_fused(f.apply(x.fused())),
                        #[inline(always)]
                        |x| f.beyond(x),
                    )
                },
                #[inline(always)]
                |y| {
                    each(
                        a,
                        y,
                        #[inline(always)]
                        |x| f.apply(x),
                        #[inline(always)]
                        |x| f.beyond(x),
                    )
                },
            );
            if beyond {
                here.iter_mut().zip(a).filter(|(_, x)| f.beyond(**x)).for_each(|(y, &x)| *y = f.exact(x));
            }
        }
    });
}

/// y[i] = f(x[i]), and whether any x[i] is beyond f: two loops, each of which becomes vector instructions.
#[inline(always)]
fn each<T: Copy>(x: &[T], y: &mut [T], f: impl Fn(T) -> T, beyond: impl Fn(T) -> bool) -> bool {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = f(x);
    }
    x.iter().fold(
        false,
        #[inline(always)]
        |any, &x| any | beyond(x),
    )
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
    assert_eq!(a.len(), out.len(), "the result of a map has the shape of its operands");
    let (a, b, c) = (Source::new(a), Source::new(b), Source::new(c));
    run(out, |start, out| {
        let (mut a_buffer, mut b_buffer) = ([A::zeroed(); CHUNK], [B::zeroed(); CHUNK]);
        let mut c_buffer = [C::zeroed(); CHUNK];
        simd::run(
            #[inline(always)]
            || {
                for (i, out) in out.chunks_mut(CHUNK).enumerate() {
                    let (start, len) = (start + i * CHUNK, out.len());
                    let (a, b) = (a.read(start, len, &mut a_buffer), b.read(start, len, &mut b_buffer));
                    let c = c.read(start, len, &mut c_buffer);
                    for (((y, &a), &b), &c) in out.iter_mut().zip(a).zip(b).zip(c) {
                        *y = f(a, b, c);
                    }
                }
            },
        );
    });
}

/// Calls `part(start, slice)` for parts of the result, over threads.
fn run<R: Send>(out: &mut [R], part: impl Fn(usize, &mut [R]) + Sync) {
    threads::split_mut(out, CHUNK.min(64), threads::parts(out.len(), NS_PER_ELEMENT), part);
}

/// The elements of a view in row-major order.
pub fn copy<A: Element>(a: View<'_, A>, out: &mut [A]) {
    assert_eq!(a.len(), out.len(), "a copy has the shape of its operand");
    let walk = Walk::new(a);
    let row = walk.row.0;
    if out.is_empty() {
        return;
    }
    // A single long row is cut anywhere, many rows only between them.
    let unit = if row == out.len() { 64 } else { row };
    threads::split_mut(out, unit, threads::parts(out.len(), NS_PER_ELEMENT), |start, out| match walk.across {
        false => walk.gather(start, out),
        true => walk.copy_blocks(start, out),
    });
}

/// An operand as chunks read it.
enum Source<'a, A: Element> {
    /// It lies in order.
    Slice(&'a [A]),
    /// Its rows lay across memory, so that it was copied.
    Copied(Block<A>),
    /// It is gathered chunk by chunk.
    Strided(Walk<'a, A>),
}

impl<'a, A: Element> Source<'a, A> {
    fn new(view: View<'a, A>) -> Self {
        if let Some(slice) = view.as_slice() {
            return Self::Slice(slice);
        }
        let walk = Walk::new(view);
        if walk.across && view.len() > CHUNK {
            let mut block = Block::new(view.len());
            copy(view, &mut block);
            return Self::Copied(block);
        }
        Self::Strided(walk)
    }

    /// The `len` elements from number `start` on in row-major order, in place or in the buffer.
    #[inline(always)]
    fn read<'b>(&'b self, start: usize, len: usize, buffer: &'b mut [A; CHUNK]) -> &'b [A] {
        match self {
            Self::Slice(slice) => &slice[start..start + len],
            Self::Copied(block) => &block[start..start + len],
            Self::Strided(walk) => {
                walk.gather(start, &mut buffer[..len]);
                &buffer[..len]
            }
        }
    }
}

/// A view's dimensions, merged where memory walks on from one to the next.
struct Walk<'a, A> {
    view: View<'a, A>,
    /// Sizes and steps of all dimensions but the innermost, outermost first.
    outer: Vec<(usize, isize)>,
    /// The innermost dimension.
    row: (usize, isize),
    /// Whether elements that are neighbours in memory belong to different rows.
    across: bool,
}

impl<'a, A: Element> Walk<'a, A> {
    fn new(view: View<'a, A>) -> Self {
        let mut outer: Vec<(usize, isize)> = Vec::with_capacity(view.shape().len());
        for (&size, &step) in view.shape().iter().zip(view.strides()) {
            match outer.last_mut() {
                _ if size == 1 => {}
                Some((n, before)) if *before == step * size as isize => {
                    *n *= size;
                    *before = step;
                }
                _ => outer.push((size, step)),
            }
        }
        let row = outer.pop().unwrap_or((1, 1));
        let across = row.1.abs() > 1 && outer.last().is_some_and(|last| last.1.abs() == 1);
        Self { view, outer, row, across }
    }

    /// The address of the first element of row `row`.
    fn row_address(&self, mut row: usize) -> *const A {
        let mut offset = 0;
        for &(size, step) in self.outer.iter().rev() {
            offset += (row % size) as isize * step;
            row /= size;
        }
        self.view.as_ptr().wrapping_offset(offset)
    }

    /// Copies the elements from number `start` on.
    fn gather(&self, start: usize, out: &mut [A]) {
        let (size, step) = self.row;
        let (mut row, mut within) = (start / size, start % size);
        // Short rows are many: from one to the next is an addition until the dimension around them ends.
        let (rows, row_step) = self.outer.last().copied().unwrap_or((1, 0));
        let mut address = self.row_address(row);
        let mut rest = out;
        while !rest.is_empty() {
            let (here, tail) = rest.split_at_mut(rest.len().min(size - within));
            let from = address.wrapping_offset(within as isize * step);
            // SAFETY: the row's elements from `within` on lie in the view, whose constructor checked every position.
            unsafe {
                match step {
                    1 => here.copy_from_slice(std::slice::from_raw_parts(from, here.len())),
                    0 => here.fill(*from),
                    _ => here.iter_mut().enumerate().for_each(|(i, y)| *y = *from.wrapping_offset(i as isize * step)),
                }
            }
            (rest, row, within) = (tail, row + 1, 0);
            address = if row.is_multiple_of(rows) { self.row_address(row) } else { address.wrapping_offset(row_step) };
        }
    }

    /// Copies whole rows from element number `start` on, which begins one, in blocks of rows and columns.
    fn copy_blocks(&self, start: usize, out: &mut [A]) {
        let (size, step) = self.row;
        let first = start / size;
        for (b, rows) in out.chunks_mut(size * BLOCK.0).enumerate() {
            let mut from = [std::ptr::null(); BLOCK.0];
            for (r, from) in from.iter_mut().enumerate().take(rows.len() / size) {
                *from = self.row_address(first + b * BLOCK.0 + r);
            }
            let rows_here = rows.len() / size;
            for column in (0..size).step_by(BLOCK.1) {
                let end = size.min(column + BLOCK.1);
                // A cache line that holds a column of the block is read once, whole: steps of a power of two would have it
                // thrown out before the next row asks for it.
                let mut tile = [[A::zeroed(); BLOCK.1]; BLOCK.0];
                for c in column..end {
                    for (line, from) in tile.iter_mut().zip(&from[..rows_here]) {
                        // SAFETY: c < end ≤ size, so that the element lies in the view.
                        line[c - column] = unsafe { *from.wrapping_offset(c as isize * step) };
                    }
                }
                for (row, line) in rows.chunks_exact_mut(size).zip(&tile) {
                    row[column..end].copy_from_slice(&line[..end - column]);
                }
            }
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

    /// A function that vectors compute up to 2, and this file's tests beyond.
    #[derive(Clone, Copy)]
    struct Shifted;

    impl Function for Shifted {
        #[inline(always)]
        fn apply<T: Real>(self, x: T) -> T {
            x.mul_add(T::from_f64(0.5), T::ONE)
        }
        #[inline(always)]
        fn beyond<T: Real>(self, x: T) -> bool {
            !(x <= T::from_f64(2.0))
        }
        #[inline(always)]
        fn exact<T: Real>(self, x: T) -> T {
            -x
        }
    }

    #[test]
    fn functions_of_real_numbers_reach_every_element_of_any_view() {
        // Small multiples of ¼, for which a multiply-add is exact either way, and what is no number at odd places.
        let mut data: Vec<f32> = (0..70_000).map(|i| (i % 97) as f32 * 0.25 - 12.0).collect();
        (data[5], data[1023], data[40_001]) = (f32::NAN, f32::INFINITY, f32::NEG_INFINITY);
        let expected = |x: f32| if x <= 2.0 { x * 0.5 + 1.0 } else { -x };
        let check = |offset: usize, shape: &[usize], strides: &[isize]| {
            let a = View::new(&data, offset, shape, strides).unwrap();
            let mut out = vec![7.0; a.len()];
            map(a, &mut out, Shifted);
            let same = |(&y, x): (&f32, f32)| y == expected(x) || (y.is_nan() && x.is_nan());
            assert!(out.iter().zip(a.iter()).all(same), "{shape:?} {strides:?} from {offset}");
        };
        for n in [0, 1, 7, 8, 9, 15, 16, 17, 31, 33, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 13, 65_537] {
            [0, 1, 3].into_iter().for_each(|offset| check(offset, &[n], &[1]));
        }
        check(9000, &[3000], &[-3]);
        check(2, &[50, 61], &[1, 50]);
        check(4, &[40, 70], &[0, 1]);
        check(4, &[40, 70], &[1, 0]);
    }
}
