//! Formulas with several results, of numbers that lie in order.
//!
//! Numbers pass through blocks of their own, so that the compiler knows that no result overlaps an operand:
//!
//! ```text
//! for each block of 64 numbers:
//!     rows[k] ← x[k][block]            for each operand k
//!     y[j][i] ← f(rows[…][i])[j]       for i in 0..64: vector instructions
//!     out[j][block] ← y[j]             for each result j
//! ```

use super::Program;
use crate::number::{Formulas, RangeChecked, SystemMath, record};
use crate::params::params;
use crate::real::Real;
use crate::row_partition::split;
use crate::{simd, threads};

/// Numbers of a block.
const BLOCK: usize = 64;

/// `out[j][i] = f(x[0][i], x[1][i], …)[j]`
///
/// # Panics
/// If the lengths differ.
pub fn formulas<T: Real, const N: usize, const M: usize, F: Formulas<N, M>>(x: [&[T]; N], out: [&mut [T]; M], f: F) {
    if F::COMPILED {
        run(out, x, f);
    } else {
        carry_out(&x, out, &Program::new(&record(|x| f.apply(x))));
    }
}

/// [`formulas`] step by step.
fn carry_out<T: Real, const M: usize>(x: &[&[T]], out: [&mut [T]; M], program: &Program) {
    let n = out.first().map_or(0, |y| y.len());
    assert!(x.iter().all(|x| x.len() == n) && out.iter().all(|y| y.len() == n), "arrays of one length");
    split(n, threads::parts(n, params().cost.several_ns), out, |range, mut out| {
        let x: Vec<&[T]> = x.iter().map(|x| &x[range.clone()]).collect();
        program.run(&x, &mut out);
    });
}

/// `slots[j][i] ← f(slots[0][i], …, x[0][i], …)[j]`: N numbers, first those that are replaced.
///
/// # Panics
/// If the lengths differ, or N is not the number of slots and operands.
pub fn advance<T: Real, const M: usize, const K: usize, const N: usize>(
    slots: [&mut [T]; M],
    x: [&[T]; K],
    f: impl Formulas<N, M>,
) {
    assert!(N == M + K, "a formula of all slots and operands");
    run(slots, x, f);
}

/// A formula of N numbers: of the first N − K results as they are, and of K operands.
fn run<T: Real, const M: usize, const K: usize, const N: usize>(out: [&mut [T]; M], x: [&[T]; K], f: impl Formulas<N, M>) {
    let n = out.first().map_or(0, |y| y.len());
    assert!(x.iter().all(|x| x.len() == n) && out.iter().all(|y| y.len() == n), "arrays of one length");
    split(n, threads::parts(n, params().cost.several_ns), out, |range, out| {
        let x = x.map(|x| &x[range.clone()]);
        simd::run_fused(
            out,
            #[inline(always)]
            |out| blocks::<T, T::Fused, M, K, N>(out, x, f),
            #[inline(always)]
            |out| blocks::<T, T, M, K, N>(out, x, f),
        );
    });
}

/// [`run`] of a part, block by block, computed in `C`.
#[inline(always)]
fn blocks<T: Real, C: Real, const M: usize, const K: usize, const N: usize>(
    out: [&mut [T]; M],
    x: [&[T]; K],
    f: impl Formulas<N, M>,
) {
    let n = out[0].len();
    let mut start = 0;
    while start < n {
        let len = BLOCK.min(n - start);
        let mut rows = [[T::ZERO; BLOCK]; N];
        for k in 0..N {
            let from = if k < N - K { &*out[k] } else { x[k + K - N] };
            load(&from[start..start + len], &mut rows[k]);
        }
        let mut results = [[T::ZERO; BLOCK]; M];
        for i in 0..BLOCK {
            let mut x = [C::ZERO; N];
            for k in 0..N {
                x[k] = bytemuck::cast(rows[k][i]);
            }
            let y = f.apply(x);
            for j in 0..M {
                results[j][i] = bytemuck::cast(y[j]);
            }
        }
        recompute_out_of_range(&rows, &mut results, f);
        for j in 0..M {
            store(&results[j], &mut out[j][start..start + len]);
        }
        start += len;
    }
}

/// What vector units have no function for, again by the system's library.
#[inline(always)]
fn recompute_out_of_range<T: Real, const N: usize, const M: usize, F: Formulas<N, M>>(
    rows: &[[T; BLOCK]; N],
    results: &mut [[T; BLOCK]; M],
    f: F,
) {
    if !F::RANGE_CHECKED {
        return;
    }
    for i in 0..BLOCK {
        let x: [T; N] = std::array::from_fn(|k| rows[k][i]);
        let beyond = f.apply(x.map(RangeChecked::new)).map(|y| y.out_of_range);
        if beyond.contains(&true) {
            let exact = f.apply(x.map(SystemMath));
            for j in 0..M {
                results[j][i] = exact[j].0;
            }
        }
    }
}

#[inline(always)]
fn load<T: Real>(from: &[T], to: &mut [T; BLOCK]) {
    match <&[T; BLOCK]>::try_from(from) {
        Ok(block) => *to = *block,
        Err(_) => to[..from.len()].copy_from_slice(from),
    }
}

#[inline(always)]
fn store<T: Real>(from: &[T; BLOCK], to: &mut [T]) {
    match <&mut [T; BLOCK]>::try_from(&mut *to) {
        Ok(block) => *block = *from,
        Err(_) => to.copy_from_slice(&from[..to.len()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::{Formula, Number, Partials};

    /// The step and the speed of a damped spring, in that order.
    #[derive(Clone, Copy)]
    struct Spring;

    impl Formulas<3, 2> for Spring {
        #[inline(always)]
        fn apply<T: Number>(self, [x, v, force]: [T; 3]) -> [T; 2] {
            let v = v * T::from_f64(0.9) + force - x.sin();
            [x + v, v]
        }
    }

    #[derive(Clone, Copy)]
    struct Gated;

    impl Formula<2> for Gated {
        const RANGE_CHECKED: bool = false;
        #[inline(always)]
        fn apply<T: Number>(self, [a, b]: [T; 2]) -> T {
            a.silu() * b
        }
    }

    fn numbers(n: usize, seed: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * 7919 + seed) % 1009) as f64 / 50.0 - 10.0).collect()
    }

    #[test]
    fn slots_advance_as_one_at_a_time_also_where_sines_are_far() {
        // An interpreter takes its time.
        let many = if cfg!(miri) { 503 } else { 100_003 };
        for n in [0, 1, 63, 64, 65, many] {
            let (mut x, mut v, force) = (numbers(n, 1), numbers(n, 400), numbers(n, 800));
            if n == many {
                (x[3], x[n - 7]) = (1e15, f64::NAN);
            }
            let expected: Vec<[f64; 2]> =
                (0..n).map(|i| (v[i] * 0.9 + force[i] - x[i].sin(), x[i])).map(|(v, x)| [x + v, v]).collect();
            advance([&mut x, &mut v], [&force], Spring);
            let close = |a: f64, b: f64| a == b || (a - b).abs() <= 1e-14 * b.abs().max(1.0) || (a.is_nan() && b.is_nan());
            assert!((0..n).all(|i| close(x[i], expected[i][0]) && close(v[i], expected[i][1])), "{n}");
        }
    }

    #[test]
    fn all_partial_derivatives_come_in_one_pass() {
        let n = 1000;
        let (a, b, dy) = (numbers(n, 1), numbers(n, 400), numbers(n, 800));
        let (mut da, mut db) = (vec![0.0; n], vec![0.0; n]);
        formulas([&a, &b, &dy], [&mut da, &mut db], Partials::<Gated, 2>(Gated));
        for i in 0..n {
            let s = 1.0 / (1.0 + (-a[i]).exp());
            assert!((da[i] - dy[i] * b[i] * s * (1.0 + a[i] * (1.0 - s))).abs() < 1e-12);
            assert!((db[i] - dy[i] * a[i] * s).abs() < 1e-12);
        }
    }
}
