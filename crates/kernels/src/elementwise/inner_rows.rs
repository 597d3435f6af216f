//! Maps over rows that are read where they are: in each row an operand is one number, or elements that follow one another.
//!
//! Outer products are such, and what is scaled by rows or by columns. Nothing is gathered, whose copies would cost as much as the
//! results.

use super::CHUNK;
use super::walk::StridedWalk;
use crate::params::params;
use crate::real::Element;
use crate::simd::{self, Stream};
use crate::threads;
use crate::view::View;

/// Rows of fewer elements are not worth what each costs by itself.
const LEAST: usize = 16;

/// `out[i] = f(a[i], b[i])`, if these operands consist of such rows; whether they do.
pub(super) fn binary<A: Element, B: Element, R: Element>(
    a: View<'_, A>,
    b: View<'_, B>,
    out: &mut [R],
    f: impl Fn(A, B) -> R + Sync + Copy,
) -> bool {
    // An operand in order is a row of any length.
    if out.len() < CHUNK || (a.as_slice().is_some() && b.as_slice().is_some()) {
        return false;
    }
    let (a, b) = (StridedWalk::new(a), StridedWalk::new(b));
    let row = a.row.0.min(b.row.0);
    let readable = |step: isize| step == 0 || step == 1;
    // Rows that are all one number are filled by what gathers.
    if row < LEAST || !readable(a.row.1) || !readable(b.row.1) || a.row.1 + b.row.1 == 0 {
        return false;
    }
    // What is as large as its result is read past the caches' size too, and leaves no room for it there.
    let streamed = size_of_val(out) >= params().memory.streamed_bytes && (a.outer.is_empty() || b.outer.is_empty());
    let parts = threads::parts(out.len(), params().cost.elementwise_ns).min(out.len() / row);
    threads::split_mut(out, row, parts, |start, out| {
        simd::run(
            #[inline(always)]
            || {
                let (mut from_a, mut from_b) = (Cursor::new(&a, row, start / row), Cursor::new(&b, row, start / row));
                let (stream, mut buffer) = (streamed.then(Stream::new), [R::zeroed(); CHUNK]);
                for out in out.chunks_exact_mut(row) {
                    let (a, b) = (from_a.next(), from_b.next());
                    match &stream {
                        None => map(a, b, out, f),
                        Some(stream) => {
                            for (k, out) in out.chunks_mut(CHUNK).enumerate() {
                                let (y, at) = (&mut buffer[..out.len()], k * CHUNK);
                                map(a.from(at), b.from(at), y, f);
                                stream.copy(y, out);
                            }
                        }
                    }
                }
            },
        );
    });
    true
}

#[inline(always)]
fn map<A: Copy, B: Copy, R: Copy>(a: RowOperand<'_, A>, b: RowOperand<'_, B>, out: &mut [R], f: impl Fn(A, B) -> R) {
    match (a, b) {
        (RowOperand::Elements(a), RowOperand::Elements(b)) => {
            for ((y, &a), &b) in out.iter_mut().zip(a).zip(b) {
                *y = f(a, b);
            }
        }
        (RowOperand::Number(a), RowOperand::Elements(b)) => {
            for (y, &b) in out.iter_mut().zip(b) {
                *y = f(a, b);
            }
        }
        (RowOperand::Elements(a), RowOperand::Number(b)) => {
            for (y, &a) in out.iter_mut().zip(a) {
                *y = f(a, b);
            }
        }
        (RowOperand::Number(a), RowOperand::Number(b)) => out.fill(f(a, b)),
    }
}

#[derive(Clone, Copy)]
enum RowOperand<'a, A> {
    Number(A),
    Elements(&'a [A]),
}

impl<A: Copy> RowOperand<'_, A> {
    /// What follows the first `n` elements.
    #[inline(always)]
    fn from(self, n: usize) -> Self {
        match self {
            RowOperand::Number(x) => RowOperand::Number(x),
            RowOperand::Elements(x) => RowOperand::Elements(&x[n..]),
        }
    }
}

/// The place of the next row of an operand.
struct Cursor<'a, A> {
    walk: &'a StridedWalk<'a, A>,
    row: usize,
    /// Where in the data it begins.
    position: usize,
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
    fn new(walk: &'a StridedWalk<'a, A>, row: usize, at: usize) -> Self {
        let (size, step) = walk.row;
        let within = Some((size / row, step * row as isize)).filter(|&(n, _)| n > 1);
        let mut around: Vec<_> =
            walk.outer.iter().copied().chain(within).map(|(size, step)| Dimension { size, step, index: 0 }).collect();
        let mut rest = at;
        for d in around.iter_mut().rev() {
            d.index = rest % d.size;
            rest /= d.size;
        }
        Self { walk, row, position: walk.position(at * row), around }
    }

    /// This row; then the cursor is at the next.
    #[inline(always)]
    fn next(&mut self) -> RowOperand<'a, A> {
        let data = self.walk.data();
        let row = match self.walk.row.1 {
            0 => RowOperand::Number(data[self.position]),
            _ => RowOperand::Elements(&data[self.position..][..self.row]),
        };
        for d in self.around.iter_mut().rev() {
            d.index += 1;
            self.position = self.position.wrapping_add_signed(d.step);
            if d.index < d.size {
                break;
            }
            self.position = self.position.wrapping_add_signed(-(d.size as isize) * d.step);
            d.index = 0;
        }
        row
    }
}
