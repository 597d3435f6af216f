//! Maps over rows that are read where they are: in each row an operand is one number, or elements that follow one another.
//!
//! Outer products are such, and what is scaled by rows or by columns. Nothing is gathered, whose copies would cost as much as the
//! results.

use super::walk::Walk;
use super::{CHUNK, NS_PER_ELEMENT, STREAMED, Strip};
use crate::real::Element;
use crate::simd::Stream;
use crate::threads;
use crate::view::View;

/// Rows of fewer elements are not worth what each costs by itself.
const LEAST: usize = 16;

/// Does a map, if its operands consist of such rows; whether they do.
pub(super) fn run<A: Element, R: Element, const N: usize>(x: [View<'_, A>; N], out: &mut [R], strip: &Strip<'_, A, R, N>) -> bool {
    // An operand in order is a row of any length.
    if out.len() < CHUNK || x.iter().all(|x| x.as_slice().is_some()) {
        return false;
    }
    let x = x.map(Walk::new);
    let row = x.iter().map(|x| x.row.0).min().unwrap_or(0);
    let readable = |x: &Walk<'_, A>| x.row.1 == 0 || x.row.1 == 1;
    // Rows that are all one number are filled by what gathers; and so is everything that is not two operands.
    if N != 2 || row < LEAST || !x.iter().all(readable) || x.iter().all(|x| x.row.1 == 0) {
        return false;
    }
    // What is as large as its result is read past the caches' size too, and leaves no room for it there.
    let streamed = size_of_val(out) >= STREAMED && x.iter().any(|x| x.outer.is_empty());
    let parts = threads::parts(out.len(), NS_PER_ELEMENT).min(out.len() / row);
    threads::split_mut(out, row, parts, |start, out| {
        let mut cursors = x.each_ref().map(|x| Cursor::new(x, row, start / row));
        let (stream, mut buffer) = (streamed.then(Stream::new), [R::zeroed(); CHUNK]);
        for out in out.chunks_exact_mut(row) {
            // SAFETY: `start` and thereby each row are whole rows of the result, whose shape the operands have.
            let rows = cursors.each_mut().map(|cursor| unsafe { cursor.next() });
            match &stream {
                None => strip(rows, out),
                Some(stream) => {
                    for (k, out) in out.chunks_mut(CHUNK).enumerate() {
                        let y = &mut buffer[..out.len()];
                        strip(rows.map(|x| x.part(k * CHUNK, y.len())), y);
                        stream.copy(y, out);
                    }
                }
            }
        }
    });
    true
}

/// `out[i] = f(a[i])`
#[inline(always)]
pub(super) fn map1<A: Copy, R: Copy, const N: usize>(rows: [Row<'_, A>; N], out: &mut [R], f: impl Fn(A) -> R) {
    match rows[0] {
        Row::Number(a) => out.fill(f(a)),
        Row::Elements(a) => {
            for (y, &a) in out.iter_mut().zip(a) {
                *y = f(a);
            }
        }
    }
}

/// `out[i] = f(a[i], b[i])`
#[inline(always)]
pub(super) fn map2<A: Copy, R: Copy>(rows: [Row<'_, A>; 2], out: &mut [R], f: impl Fn(A, A) -> R) {
    match rows {
        [Row::Elements(a), Row::Elements(b)] => {
            for ((y, &a), &b) in out.iter_mut().zip(a).zip(b) {
                *y = f(a, b);
            }
        }
        [Row::Number(a), Row::Elements(b)] => {
            for (y, &b) in out.iter_mut().zip(b) {
                *y = f(a, b);
            }
        }
        [Row::Elements(a), Row::Number(b)] => {
            for (y, &a) in out.iter_mut().zip(a) {
                *y = f(a, b);
            }
        }
        [Row::Number(a), Row::Number(b)] => out.fill(f(a, b)),
    }
}

/// A row of an operand.
#[derive(Clone, Copy)]
pub(super) enum Row<'a, A> {
    /// One number, as often as it is needed.
    Number(A),
    /// As many elements as the result's row has.
    Elements(&'a [A]),
}

impl<A: Copy> Row<'_, A> {
    /// `len` elements from number `start` on.
    fn part(self, start: usize, len: usize) -> Self {
        match self {
            Row::Number(x) => Row::Number(x),
            Row::Elements(x) => Row::Elements(&x[start..start + len]),
        }
    }
}

/// The place of the next row of an operand.
struct Cursor<'a, A> {
    walk: &'a Walk<'a, A>,
    row: usize,
    address: *const A,
    /// The dimensions around a row, outermost first.
    around: Vec<Dimension>,
}

struct Dimension {
    size: usize,
    step: isize,
    index: usize,
}

impl<'a, A: Copy> Cursor<'a, A> {
    /// At row number `at`, of rows of `row` elements.
    #[inline(always)]
    fn new(walk: &'a Walk<'a, A>, row: usize, at: usize) -> Self {
        let (size, step) = walk.row;
        let within = Some((size / row, step * row as isize)).filter(|&(n, _)| n > 1);
        let mut around: Vec<_> =
            walk.outer.iter().copied().chain(within).map(|(size, step)| Dimension { size, step, index: 0 }).collect();
        let mut rest = at;
        for d in around.iter_mut().rev() {
            d.index = rest % d.size;
            rest /= d.size;
        }
        Self { walk, row, address: walk.address(at * row), around }
    }

    /// This row; then the cursor is at the next.
    ///
    /// # Safety
    /// There is such a row.
    #[inline(always)]
    unsafe fn next(&mut self) -> Row<'a, A> {
        // SAFETY: the row lies in the view, whose constructor checked every position.
        let row = unsafe {
            match self.walk.row.1 {
                0 => Row::Number(*self.address),
                _ => Row::Elements(std::slice::from_raw_parts(self.address, self.row)),
            }
        };
        for d in self.around.iter_mut().rev() {
            d.index += 1;
            self.address = self.address.wrapping_offset(d.step);
            if d.index < d.size {
                break;
            }
            self.address = self.address.wrapping_offset(-(d.size as isize) * d.step);
            d.index = 0;
        }
        row
    }
}
