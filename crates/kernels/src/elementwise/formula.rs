//! A formula over rows: in vector instructions, and again one by one where those have no function for a number.

use crate::number::{Formula, Number, RangeChecked, SystemMath};
use crate::real::Real;
use crate::simd;

/// `out[i] = f(rows[0][i], rows[1][i], …)`
pub(super) fn strip<T: Real, const N: usize, F: Formula<N>>(rows: [&[T]; N], out: &mut [T], f: F) {
    let beyond = simd::run_fused(
        &mut *out,
        #[inline(always)]
        |y| each::<T, T::Fused, N, F>(&rows, y, f),
        #[inline(always)]
        |y| each::<T, T, N, F>(&rows, y, f),
    );
    if beyond {
        for (i, y) in out.iter_mut().enumerate() {
            let x = rows.map(|row| row[i]);
            if f.apply(x.map(RangeChecked::new)).out_of_range {
                *y = f.apply(x.map(SystemMath)).0;
            }
        }
    }
}

/// `y[i] = f(rows…[i])`, computed in `C`, and whether any of it has to be computed again: two loops, each of which becomes vector
/// instructions.
#[inline(always)]
fn each<T: Real, C: Real, const N: usize, F: Formula<N>>(rows: &[&[T]], y: &mut [T], f: F) -> bool {
    let n = y.len();
    macro_rules! loops {
        ($i:ident: $($x:expr),*) => {{
            for $i in 0..n {
                y[$i] = out_of::<T, C>(f.apply(operands([$(into::<T, C>($x)),*])));
            }
            let mut any = false;
            if F::RANGE_CHECKED {
                for $i in 0..n {
                    any |= f.apply(operands([$(RangeChecked::new($x)),*])).out_of_range;
                }
            }
            any
        }};
    }
    // Cut to the result's length, so that no index is checked.
    match rows {
        [a] => {
            let a = &a[..n];
            loops!(i: a[i])
        }
        [a, b] => {
            let (a, b) = (&a[..n], &b[..n]);
            loops!(i: a[i], b[i])
        }
        [a, b, c] => {
            let (a, b, c) = (&a[..n], &b[..n], &c[..n]);
            loops!(i: a[i], b[i], c[i])
        }
        [a, b, c, d] => {
            let (a, b, c, d) = (&a[..n], &b[..n], &c[..n], &d[..n]);
            loops!(i: a[i], b[i], c[i], d[i])
        }
        [a, b, c, d, e] => {
            let (a, b, c, d, e) = (&a[..n], &b[..n], &c[..n], &d[..n], &e[..n]);
            loops!(i: a[i], b[i], c[i], d[i], e[i])
        }
        [a, b, c, d, e, g] => {
            let (a, b, c, d, e, g) = (&a[..n], &b[..n], &c[..n], &d[..n], &e[..n], &g[..n]);
            loops!(i: a[i], b[i], c[i], d[i], e[i], g[i])
        }
        [a, b, c, d, e, g, h] => {
            let (a, b, c, d, e, g, h) = (&a[..n], &b[..n], &c[..n], &d[..n], &e[..n], &g[..n], &h[..n]);
            loops!(i: a[i], b[i], c[i], d[i], e[i], g[i], h[i])
        }
        _ => unreachable!("a formula of more than seven numbers"),
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
    #[allow(clippy::manual_memcpy, reason = "a call need not become a part of the function that has the instruction set")]
    for k in 0..M {
        all[k] = x[k];
    }
    all
}
