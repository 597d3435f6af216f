//! Maps over up to six operands of one shape, each through strides of its own, into a row-major result.
//!
//! A map runs in chunks of the result. An operand that lies in order is read where it is; any other is first gathered
//! into a small buffer. Where rows of an operand lie across memory, as in a transposition, the chunks are tiles of several rows,
//! which are transposed in registers. So the function itself is compiled for one loop over slices, which the compiler vectorizes,
//! whatever the strides and however short the rows. A result that no cache holds is written past the caches.
//!
//! Two functions are few and cheap, [`light_binary`] and [`update`]: the way through memory is compiled with them. Formulas, casts and
//! comparisons are many: they are called for a row at a time, and the way is compiled once for all of a type.

mod formula;
mod inner_rows;
mod multi_output;
mod operand;
mod program;
#[cfg(test)]
mod tests;
mod tiles;
mod transpose;
mod walk;

pub use multi_output::{advance, formulas};
use operand::{MapOperand, OperandSource};
pub use program::Program;
use tiles::{OutputTile, TileOrder};
use walk::StridedWalk;

use crate::number::{Expr, Formula, Formulas, Graph, Partial, Partials, record};
use crate::params::params;
use crate::real::{BoolByte, Element, Real};
use crate::simd::{self, Stream};
use crate::threads;
use crate::view::View;

/// Elements of a chunk: the buffers of three operands fit the first-level cache.
const CHUNK: usize = 1024;

/// `out[i] = f(a[i])`
pub fn unary<A: Element, R: Element>(a: View<'_, A>, out: &mut [R], f: impl Fn(A) -> R + Sync + Copy) {
    each_row([a], out, &|[a], out| {
        simd::run(
            #[inline(always)]
            || {
                for (y, &a) in out.iter_mut().zip(a) {
                    *y = f(a);
                }
            },
        );
    });
}

/// `out[i] = f(a[i], b[i])`
///
/// # Panics
/// If the shapes differ: a broadcast dimension is one of stride 0.
pub fn binary<A: Element, R: Element>(a: View<'_, A>, b: View<'_, A>, out: &mut [R], f: impl Fn(A, A) -> R + Sync + Copy) {
    each_row([a, b], out, &|[a, b], out| {
        simd::run(
            #[inline(always)]
            || {
                for ((y, &a), &b) in out.iter_mut().zip(a).zip(b) {
                    *y = f(a, b);
                }
            },
        );
    });
}

/// As [`binary`], of a function that costs less than to gather what it reads: rows of all kinds are read where they are.
///
/// # Panics
/// As [`binary`].
pub fn light_binary<A: Element, R: Element>(a: View<'_, A>, b: View<'_, A>, out: &mut [R], f: impl Fn(A, A) -> R + Sync + Copy) {
    assert_eq!(a.shape(), b.shape(), "operands of one map");
    assert_eq!(a.len(), out.len(), "the result of a map has the shape of its operands");
    let (a, b) = (MapOperand::new(a), MapOperand::new(b));
    if inner_rows::binary(a.view(), b.view(), out, f) {
        return;
    }
    let tiles = TileOrder::new(out.len(), [a.across(), b.across()], rows_at_once::<A>());
    let (a, b) = (OperandSource::new(a.view(), &tiles), OperandSource::new(b.view(), &tiles));
    run(
        out,
        &tiles,
        Before::Unread,
        || (a.reader(), b.reader()),
        #[inline(always)]
        |(a, b), tile, row, out| {
            for ((y, &a), &b) in out.iter_mut().zip(a.row(tile, row)).zip(b.row(tile, row)) {
                *y = f(a, b);
            }
        },
    );
}

/// `out[i] = f(out[i], b[i])`
///
/// # Panics
/// If `b` has not as many elements as there are results.
pub fn update<A: Element>(out: &mut [A], b: View<'_, A>, f: impl Fn(A, A) -> A + Sync + Copy) {
    assert_eq!(b.len(), out.len(), "the result of a map has the shape of its operands");
    let b = MapOperand::new(b);
    let tiles = TileOrder::new(out.len(), [b.across()], rows_at_once::<A>());
    let b = OperandSource::new(b.view(), &tiles);
    run(
        out,
        &tiles,
        Before::Read,
        || b.reader(),
        #[inline(always)]
        |b, tile, row, out| {
            for (y, &b) in out.iter_mut().zip(b.row(tile, row)) {
                *y = f(*y, b);
            }
        },
    );
}

/// `out[i] = mask[i] ? a[i] : b[i]`, by a mask.
///
/// # Panics
/// If the shapes differ: a broadcast dimension is one of stride 0.
pub fn select<A: Element>(mask: View<'_, BoolByte>, a: View<'_, A>, b: View<'_, A>, out: &mut [A]) {
    assert!(mask.shape() == a.shape() && a.shape() == b.shape(), "operands of one map");
    assert_eq!(a.len(), out.len(), "the result of a map has the shape of its operands");
    let (mask, a, b) = (MapOperand::new(mask), MapOperand::new(a), MapOperand::new(b));
    let tiles = TileOrder::new(out.len(), [mask.across(), a.across(), b.across()], rows_at_once::<A>());
    let (mask, a, b) =
        (OperandSource::new(mask.view(), &tiles), OperandSource::new(a.view(), &tiles), OperandSource::new(b.view(), &tiles));
    run(
        out,
        &tiles,
        Before::Unread,
        || (mask.reader(), a.reader(), b.reader()),
        #[inline(always)]
        |(mask, a, b), tile, row, out| {
            let (mask, a, b) = (mask.row(tile, row), a.row(tile, row), b.row(tile, row));
            for (y, ((&mask, &a), &b)) in out.iter_mut().zip(mask.iter().zip(a).zip(b)) {
                *y = if mask.get() { a } else { b };
            }
        },
    );
}

/// `out[i] = f(a[i], b[i], …)` of up to seven operands, six and a cotangent, with fused multiply-adds where the processor has them.
/// What vector units have no function for is computed again by the system's library.
///
/// # Panics
/// If the shapes differ: a broadcast dimension is one of stride 0.
pub fn formula<T: Real, const N: usize, F: Formula<N>>(x: [View<'_, T>; N], out: &mut [T], f: F) {
    if F::COMPILED {
        each_row(x, out, &|rows, out| formula::strip(rows, out, f));
    } else {
        carry_out(&x, out, &Program::new(&record(|x| f.apply(x))));
    }
}

/// [`formula`] step by step, of one to seven operands.
fn carry_out<T: Real>(x: &[View<'_, T>], out: &mut [T], program: &Program) {
    macro_rules! of {
        ($($n:literal)*) => {
            match x.len() {
                $($n => each_row::<T, T, $n>(std::array::from_fn(|i| x[i]), out, &|rows, out| program.run(&rows, &mut [out])),)*
                n => panic!("a formula of {n} numbers"),
            }
        };
    }
    of!(1 2 3 4 5 6 7);
}

/// What computes a row of the result from rows of the operands.
type RowMap<'a, A, R, const N: usize> = dyn Fn([&[A]; N], &mut [R]) + Sync + 'a;

/// Calls `row` for every row of the operands: one function for all formulas of as many numbers.
fn each_row<A: Element, R: Element, const N: usize>(x: [View<'_, A>; N], out: &mut [R], row: &RowMap<'_, A, R, N>) {
    for a in &x {
        assert_eq!(a.shape(), x[0].shape(), "operands of one map");
        assert_eq!(a.len(), out.len(), "the result of a map has the shape of its operands");
    }
    let x = x.map(MapOperand::new);
    let tiles = TileOrder::new(out.len(), x.each_ref().map(MapOperand::across), rows_at_once::<A>());
    let x = x.each_ref().map(|a| OperandSource::new(a.view(), &tiles));
    run(
        out,
        &tiles,
        Before::Unread,
        || x.each_ref().map(OperandSource::reader),
        #[inline(always)]
        |readers, tile, number, out| {
            let mut rows: [&[A]; N] = [&[]; N];
            for (row, reader) in rows.iter_mut().zip(readers) {
                *row = reader.row(tile, number);
            }
            row(rows, out);
        },
    );
}

/// How many operands a formula may have whose gradients are computed: implemented for 1 to 6.
pub trait Arity<const N: usize> {
    /// `out[i] = g[i] ∂f/∂x(x₀[i], x₁[i], …)`, x the operand number `by`.
    ///
    /// # Panics
    /// As [`formula`], and if there is no such operand.
    fn gradient<T: Real, F: Formula<N>>(x: [View<'_, T>; N], g: View<'_, T>, out: &mut [T], f: F, by: usize);

    /// `out[k][i] = g[i] ∂f/∂xₖ(x₀[i], x₁[i], …)` for every operand, in one pass over numbers in order.
    ///
    /// # Panics
    /// If the lengths differ.
    fn gradients<T: Real, F: Formula<N>>(x: [&[T]; N], g: &[T], out: [&mut [T]; N], f: F);

    /// What [`gradients`](Self::gradients) computes, of x₀, x₁, … and g, recorded for another device.
    fn recorded<F: Formula<N>>(f: F) -> Graph;
}

/// Implements [`Arity`].
#[derive(Debug, Clone, Copy)]
pub struct Arguments;

macro_rules! arity {
    ($n:literal: [$($x:expr),*] [$($i:literal)*]) => {
        impl Arity<$n> for Arguments {
            fn gradient<T: Real, F: Formula<$n>>(x: [View<'_, T>; $n], g: View<'_, T>, out: &mut [T], f: F, by: usize) {
                let at = |k: usize| x[k];
                arity!(@by by, at, g, out, f, $n, [$($x),*], [$($i)*]);
            }

            fn gradients<T: Real, F: Formula<$n>>(x: [&[T]; $n], g: &[T], out: [&mut [T]; $n], f: F) {
                let at = |k: usize| x[k];
                formulas(arity!(@all at, g, [$($x),*]), out, Partials::<F, $n>(f));
            }

            fn recorded<F: Formula<$n>>(f: F) -> Graph {
                record(|x: [Expr; $n + 1]| Formulas::<{ $n + 1 }, $n>::apply(Partials::<F, $n>(f), x))
            }
        }
    };
    (@by $by:ident, $at:ident, $g:ident, $out:ident, $f:ident, $n:literal, $x:tt, [$($i:literal)*]) => {
        match $by {
            $($i => formula(arity!(@all $at, $g, $x), $out, Partial::<F, $n, $i>($f)),)*
            _ => panic!("operand {} of {}", $by, $n),
        }
    };
    (@all $at:ident, $g:ident, [$($x:expr),*]) => {
        [$($at($x),)* $g]
    };
}
arity!(1: [0] [0]);
arity!(2: [0, 1] [0 1]);
arity!(3: [0, 1, 2] [0 1 2]);
arity!(4: [0, 1, 2, 3] [0 1 2 3]);
arity!(5: [0, 1, 2, 3, 4] [0 1 2 3 4]);
arity!(6: [0, 1, 2, 3, 4, 5] [0 1 2 3 4 5]);

/// The elements of a view in row-major order.
pub fn copy<A: Element>(a: View<'_, A>, out: &mut [A]) {
    assert_eq!(a.len(), out.len(), "a copy has the shape of its operand");
    let across = if a.as_slice().is_some() { None } else { StridedWalk::new(a).across() };
    let tiles = TileOrder::new(out.len(), [across], rows_at_once::<A>());
    let a = OperandSource::new(a, &tiles);
    run(
        out,
        &tiles,
        Before::Unread,
        || a.reader(),
        #[inline(always)]
        |a, tile, row, out| out.copy_from_slice(a.row(tile, row)),
    );
}

/// Rows of a tile: two cache lines of an operand that lies across, which memory gives faster than one.
fn rows_at_once<A>() -> usize {
    (128 / size_of::<A>()).clamp(16, 32)
}

/// What a map does with what its result held.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// It reads that, so that the result is in a cache when it is written.
    Read,
    /// Nothing, so that the result may be written past the caches.
    Unread,
}

/// Calls `row` for every row of every tile of the result, over threads, each with a state of its own.
fn run<R: Element, S>(
    out: &mut [R],
    tiles: &TileOrder,
    before: Before,
    state: impl Fn() -> S + Sync,
    row: impl Fn(&mut S, &OutputTile, usize, &mut [R]) + Sync,
) {
    let whole_lines = tiles.across.is_none_or(|a| (a.row * size_of::<R>()).is_multiple_of(64));
    let streamed = before == Before::Unread && size_of_val(out) >= params().memory.streamed_bytes && whole_lines;
    let (unit, parts) = tiles.cut();
    threads::split_mut(out, unit, parts, |start, out| {
        let (mut state, stream) = (state(), streamed.then(Stream::new));
        let mut buffer = [R::zeroed(); CHUNK];
        simd::run(
            #[inline(always)]
            || {
                tiles.for_each(
                    start,
                    out.len(),
                    #[inline(always)]
                    |tile| {
                        for r in 0..tile.rows {
                            let at = tile.first + r * tile.step - start;
                            let out = &mut out[at..at + tile.columns];
                            let y = if streamed { &mut buffer[..tile.columns] } else { &mut *out };
                            row(&mut state, tile, r, y);
                            if let Some(stream) = &stream {
                                stream.copy(&buffer[..tile.columns], out);
                            }
                        }
                    },
                );
            },
        );
    });
}
