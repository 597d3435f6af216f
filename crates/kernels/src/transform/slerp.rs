//! Rotations between two, by the shorter way at constant speed.
//!
//! With b negated where a · b < 0 and d = a · b: c((1 − t)² u) / c(u) · (1 − t) a + c(t² u) / c(u) · t b, where u = arccos² d and c(u) = sin √u / √u. Both are
//! smooth, and polynomials for d from 0 to 1: there is no angle, no sine and no threshold, and where a and b are equal the
//! weights are 1 − t and t.

use std::convert::Infallible;

use super::CHUNK;
use super::broadcast_rows::{BroadcastRows, RowReader, RowWriter, write};
use super::formulas;
use crate::compiled::compiled;
use crate::params::params;
use crate::real::Real;
use crate::simd::{Enabled, Isa, Kernel, Lanes, Vector, dispatch_on, isa};
use crate::threads;

/// arccos²(1 − z) / 2z for z from 0 to 1, from the constant on: off by 7·10⁻⁹ in f32, 9·10⁻¹⁸ in f64.
const ANGLE_F32: [f64; 9] = [
    1.0000000047988182,
    0.16666589139992682,
    0.044464829330426545,
    0.014081973972666887,
    0.0060830568116312135,
    -0.0007905127219343937,
    0.004917238419657892,
    -0.0031453168331718293,
    0.0014233762470063727,
];
const ANGLE_F64: [f64; 20] = [
    1.0,
    0.16666666666667118,
    0.04444444444384508,
    0.014285714317189516,
    0.005079364207298261,
    0.0019240166483923326,
    0.0007609785797710362,
    0.00031209820687006873,
    0.00012257297092874034,
    8.725744308426975e-05,
    -7.964156659771115e-05,
    0.00026976388379197554,
    -0.0004958874215013867,
    0.0007469551119780557,
    -0.0008463692879191783,
    0.0007246816524476875,
    -0.0004510030446361221,
    0.0001941172780239896,
    -5.1743294110754355e-05,
    6.5633406427736165e-06,
];
/// sin √v / √v for v from 0 to π²/4: off by 7·10⁻⁹ in f32, 3·10⁻¹⁹ in f64.
const SINE_F32: [f64; 5] =
    [0.9999999956979537, -0.16666657946461763, 0.008333050137047349, -0.00019809014866864927, 2.60510175218337e-06];
const SINE_F64: [f64; 9] = [
    1.0,
    -0.16666666666666666,
    0.008333333333333186,
    -0.0001984126984120866,
    2.7557319211227065e-06,
    -2.5052106890331295e-08,
    1.6058940866200353e-10,
    -7.64302622970216e-13,
    2.7215713949149307e-15,
];

compiled! {
    /// Row i of `out` is the rotation from row i of `a` to row i of `b` at number i of `t`.
    ///
    /// # Panics
    /// If there are not as many rows of 4, 4 and 1 numbers as rows of the result, or one of each.
    pub fn slerp<T: Lanes>(a: BroadcastRows<'_, T>, b: BroadcastRows<'_, T>, t: BroadcastRows<'_, T>, out: &mut [T]) {
        slerp_on(isa(), a, b, t, out);
    }
}

pub(super) fn slerp_on<T: Lanes>(
    isa: Isa,
    a: BroadcastRows<'_, T>,
    b: BroadcastRows<'_, T>,
    t: BroadcastRows<'_, T>,
    out: &mut [T],
) {
    let count = out.len() / 4;
    assert!(out.len().is_multiple_of(4), "rows of 4 numbers");
    assert!(a.fit(4, count) && b.fit(4, count) && t.fit(1, count), "rows of each operand");
    let streamed = size_of_val(out) >= params().memory.streamed_bytes;
    threads::split_mut(out, 4 * CHUNK, threads::parts(count, params().cost.slerp_ns), |start, out| {
        dispatch_on(isa, SlerpPart { a, b, t, first: start / 4, out, streamed });
    });
}

/// One thread's rows, from number `first` on.
struct SlerpPart<'a, T> {
    a: BroadcastRows<'a, T>,
    b: BroadcastRows<'a, T>,
    t: BroadcastRows<'a, T>,
    first: usize,
    out: &'a mut [T],
    streamed: bool,
}

impl<T: Lanes> Kernel<T> for SlerpPart<'_, T> {
    type Output = ();

    #[inline(always)]
    fn run<V: Vector<Element = T>>(self, isa: Enabled<V>) {
        let count = self.out.len() / 4;
        let (mut from_a, mut from_b, mut from_t) = (RowReader::new(self.a), RowReader::new(self.b), RowReader::new(self.t));
        let mut sink = RowWriter::<T, 4>::new(self.out, self.streamed);
        for start in (0..count).step_by(CHUNK) {
            let (row, len) = (self.first + start, CHUNK.min(count - start));
            let (a, b) = (from_a.blocks(row, len, V::LANES), from_b.blocks(row, len, V::LANES));
            let t = from_t.numbers::<V>(row, len);
            let out = sink.open(start, len, V::LANES);
            for k in 0..out.len() / (4 * V::LANES) {
                write::<V, 4>(between(isa, a.columns(isa, k), b.columns(isa, k), t.register(isa, k)), out, k);
            }
            leap(self.a, self.b, self.t, row, &mut out[..4 * len]);
            sink.close(start, len, V::LANES);
        }
    }
}

/// The rotations of the rows at `t`.
#[inline(always)]
fn between<V: Vector>(isa: Enabled<V>, a: [V; 4], b: [V; 4], t: V) -> [V; 4] {
    let (zero, one) = (isa.zero(), isa.constant(1.0));
    let single = size_of::<V::Element>() == 4;
    let d = a[0].mul_add(b[0], a[1].mul_add(b[1], a[2].mul_add(b[2], a[3] * b[3])));
    let z = one - d.abs();
    let ratio = if single { polynomial(isa, &ANGLE_F32, z) } else { polynomial(isa, &ANGLE_F64, z) };
    let Ok([first, last]) = formulas::slerp_weights(
        (z + z) * ratio,
        t,
        one,
        #[inline(always)]
        |v| Ok::<_, Infallible>(if single { polynomial(isa, &SINE_F32, v) } else { polynomial(isa, &SINE_F64, v) }),
    );
    let last = d.where_less(zero, -last, last);
    let mut out = [zero; 4];
    for i in 0..4 {
        out[i] = first.mul_add(a[i], last * b[i]);
    }
    out
}

/// Σ c[k] xᵏ
#[inline(always)]
fn polynomial<V: Vector, const N: usize>(isa: Enabled<V>, c: &[f64; N], x: V) -> V {
    let mut sum = isa.constant(c[N - 1]);
    for k in (0..N - 1).rev() {
        sum = sum.mul_add(x, isa.constant(c[k]));
    }
    sum
}

/// Writes the rows whose t leaves 0 … 1, where the polynomials end, once more: each by itself, in f64.
#[inline(always)]
fn leap<T: Real>(a: BroadcastRows<'_, T>, b: BroadcastRows<'_, T>, t: BroadcastRows<'_, T>, first: usize, out: &mut [T]) {
    // NaN need not be mended.
    let beyond = |t: T| (t < T::ZERO) | (t > T::ONE);
    if !t.numbers(first, out.len() / 4).iter().fold(false, |any, &t| any | beyond(t)) {
        return;
    }
    for (i, out) in out.chunks_exact_mut(4).enumerate() {
        let t = t.row(first + i)[0];
        if beyond(t) {
            let row = |rows: BroadcastRows<'_, T>| {
                let row = rows.row(first + i);
                [row[0], row[1], row[2], row[3]].map(T::to_f64)
            };
            out.copy_from_slice(&exact(row(a), row(b), t.to_f64()).map(T::from_f64));
        }
    }
}

/// The same of one row, for any t: the same function of a · b also where a and b are not quite of length 1, so that differences of it
/// are those of its gradient.
fn exact(a: [f64; 4], b: [f64; 4], t: f64) -> [f64; 4] {
    let [first, last] = weights(a.iter().zip(b).map(|(a, b)| a * b).sum(), t);
    [0, 1, 2, 3].map(|i| first * a[i] + last * b[i])
}

/// The weights of two rotations at any t, in f64, by the cosine between their quaternions. That of the second is negative where the cosine is: so
/// the way is the shorter one.
pub fn weights(cosine: f64, t: f64) -> [f64; 2] {
    let z = 1.0 - cosine.abs();
    let u = 2.0 * z * ANGLE_F64.iter().rev().fold(0.0, |sum, c| sum * z + c);
    // sin √v / √v goes on below 0 as sinh √−v / √−v.
    let sine = |v: f64| {
        let root = v.abs().sqrt();
        if v == 0.0 { 1.0 } else { (if v > 0.0 { root.sin() } else { root.sinh() }) / root }
    };
    let Ok([first, last]) = formulas::slerp_weights(u, t, 1.0, |v| Ok::<_, Infallible>(sine(v)));
    [first, if cosine < 0.0 { -last } else { last }]
}
