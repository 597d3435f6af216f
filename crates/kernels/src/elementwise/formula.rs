//! A formula over rows: in vector instructions, and again one by one where those have no function for a number.

use super::CHUNK;
use super::rows::Row;
use crate::number::{Exact, Formula, Number, Watched};
use crate::real::Real;
use crate::simd;

/// `out[i] = f(rows[0][i], rows[1][i], …)`
pub(super) fn strip<T: Real, const N: usize, F: Formula<N>>(rows: [Row<'_, T>; N], out: &mut [T], f: F) {
    let beyond = simd::run_fused(
        &mut *out,
        #[inline(always)]
        |y| each::<T, T::Fused, N, F>(rows, y, f),
        #[inline(always)]
        |y| each::<T, T, N, F>(rows, y, f),
    );
    if beyond {
        again(rows, out, f, |x| f.apply(x.map(Watched::new)).beyond);
    }
}

/// `out[i] = f(out[i], b[i])`
pub(super) fn update<T: Real, F: Formula<2>>([b]: [Row<'_, T>; 1], out: &mut [T], f: F) {
    // A row is no longer than the buffers that gather one.
    let mut buffer = [T::ZERO; CHUNK];
    let a = &mut buffer[..out.len()];
    a.copy_from_slice(out);
    strip([Row::Elements(a), b], out, f);
}

/// `y[i] = f(rows…[i])`, computed in `C`, and whether any of it has to be computed again: two loops, each of which becomes vector
/// instructions.
#[inline(always)]
fn each<T: Real, C: Real, const N: usize, F: Formula<N>>(rows: [Row<'_, T>; N], y: &mut [T], f: F) -> bool {
    let n = y.len();
    macro_rules! loops {
        ($i:ident: $($x:expr),*) => {{
            for $i in 0..n {
                y[$i] = out_of::<T, C>(f.apply(operands([$(into::<T, C>($x)),*])));
            }
            let mut any = false;
            if F::WATCHED {
                for $i in 0..n {
                    any |= f.apply(operands([$(Watched::new($x)),*])).beyond;
                }
            }
            any
        }};
    }
    // Cut to the result's length, so that no index is checked.
    match &rows[..] {
        [Row::Elements(a)] => {
            let a = &a[..n];
            loops!(i: a[i])
        }
        [Row::Number(a)] => loops!(_i: *a),
        [Row::Elements(a), Row::Elements(b)] => {
            let (a, b) = (&a[..n], &b[..n]);
            loops!(i: a[i], b[i])
        }
        [Row::Number(a), Row::Elements(b)] => {
            let b = &b[..n];
            loops!(i: *a, b[i])
        }
        [Row::Elements(a), Row::Number(b)] => {
            let a = &a[..n];
            loops!(i: a[i], *b)
        }
        [Row::Elements(a), Row::Elements(b), Row::Elements(c)] => {
            let (a, b, c) = (&a[..n], &b[..n], &c[..n]);
            loops!(i: a[i], b[i], c[i])
        }
        [Row::Elements(a), Row::Elements(b), Row::Elements(c), Row::Elements(d)] => {
            let (a, b, c, d) = (&a[..n], &b[..n], &c[..n], &d[..n]);
            loops!(i: a[i], b[i], c[i], d[i])
        }
        _ => {
            again(rows, y, f, |_| true);
            false
        }
    }
}

/// The same bits in a type to compute in.
#[inline(always)]
fn into<T: Real, C: Real>(x: T) -> C {
    bytemuck::cast(x)
}

#[inline(always)]
fn out_of<T: Real, C: Real>(x: C) -> T {
    bytemuck::cast(x)
}

/// An array of a length that is known to be `N` where this is reached.
#[inline(always)]
fn operands<C: Number, const M: usize, const N: usize>(x: [C; M]) -> [C; N] {
    let mut all = [C::ZERO; N];
    for k in 0..M {
        all[k] = x[k];
    }
    all
}

/// `out[i] = f(rows…[i])` one by one, with the system library's functions, where this is wanted.
fn again<T: Real, const N: usize, F: Formula<N>>(rows: [Row<'_, T>; N], out: &mut [T], f: F, wanted: impl Fn([T; N]) -> bool) {
    for (i, y) in out.iter_mut().enumerate() {
        let x = rows.map(|row| match row {
            Row::Number(x) => x,
            Row::Elements(x) => x[i],
        });
        if wanted(x) {
            *y = f.apply(x.map(Exact)).0;
        }
    }
}
