//! Elementary functions without branches, so that a loop over them becomes vector instructions inside
//! [`simd::run`](crate::simd::run).
//!
//! Largest errors in units of the last place, in f32 over every exponent, whether a multiply-add is rounded once ([`Fused`]) or
//! twice:
//!
//! | function | f32 | f64 |
//! | --- | --- | --- |
//! | [`exp`], [`exp2`], [`ln`] | 1.1 | 2 |
//! | [`tanh`], [`erf`] | 1.3 | 3 |
//! | [`sigmoid`] | 1.6 | 3 |
//! | [`silu`] | 1.8 | 3 |
//! | [`gelu`] | 1.9 | |
//! | [`normal_cdf`] | 4.5 | |
//! | [`sin`], [`cos`] up to [`Format::FAR`] | 2 | 2 |
//! | [`powf`] | 1 | |
//!
//! They hold in the tails too: a result that is subnormal is rounded once more. Infinities, NaN, subnormal numbers, overflow
//! and underflow come out as IEEE functions have them: eˣ is 0 below -103.98 in f32, x σ(x) below -108.7 and x Φ(x) below -14.3.

mod format;
#[cfg(test)]
mod tests;

pub use format::{Format, Fused};

use crate::real::Real;

/// Horner's rule from the highest coefficient down.
#[inline(always)]
fn polynomial<T: Real>(coefficients: &[f64], x: T) -> T {
    let last = coefficients.len() - 1;
    let mut sum = T::from_f64(coefficients[last]);
    for i in (0..last).rev() {
        sum = sum.mul_add(x, T::from_f64(coefficients[i]));
    }
    sum
}

/// n + `ROUNDER` and r with x + low = n ln 2 + r, an integer n and |r| ≤ ½ ln 2, where low is small against x.
#[inline(always)]
fn reduce<T: Format>(x: T, low: T) -> (T, T) {
    let rounded = x.mul_add(T::LOG2_E, T::ROUNDER);
    let n = rounded - T::ROUNDER;
    (rounded, n.mul_add(-T::LN_2_LOW, n.mul_add(-T::LN_2_HIGH, x)) + low)
}

/// e^(x + low) as a normal number and a power of two to multiply it by, where low is small against x and x ≤ `EXP_HIGH`.
///
/// Where the exponential itself would be subnormal, or 0 though its product with something is not, the first factor
/// still has all its digits.
#[inline(always)]
fn exp_in_parts<T: Format>(x: T, low: T) -> (T, T) {
    let x = if x < -T::TAIL { -T::TAIL } else { x };
    let (rounded, r) = reduce(x, low);
    let p = (r * r).mul_add(polynomial(T::EXP_TAIL, r), r) + T::ONE;
    let tiny = x < T::EXP_NORMAL;
    (p.times_power_of_two(rounded, tiny), if tiny { T::LIFTED } else { T::ONE })
}

/// eˣ
#[inline(always)]
pub fn exp<T: Format>(x: T) -> T {
    let (p, scale) = exp_in_parts(x, -T::ZERO);
    // ∞ and NaN from what is too large or none.
    if x <= T::EXP_HIGH { p * scale } else { x + T::INFINITY }
}

/// 2ˣ; exact where x is an integer and the power a number.
#[inline(always)]
pub fn exp2<T: Format>(x: T) -> T {
    // Beyond this the power is 0.
    let lowest = T::from_f64(if size_of::<T>() > 4 { -1080.0 } else { -160.0 });
    let highest = T::from_f64(if size_of::<T>() > 4 { 1024.0 } else { 128.0 });
    let inside = if x < lowest { lowest } else { x };
    let rounded = inside + T::ROUNDER;
    let n = rounded - T::ROUNDER;
    let r = (inside - n) * T::from_f64(std::f64::consts::LN_2);
    let p = (r * r).mul_add(polynomial(T::EXP_TAIL, r), r) + T::ONE;
    let tiny = inside < T::EXP_NORMAL * T::LOG2_E;
    let y = p.times_power_of_two(rounded, tiny) * if tiny { T::LIFTED } else { T::ONE };
    // ∞ and NaN from what is too large or none.
    if x < highest { y } else { x + T::INFINITY }
}

/// ln x for finite positive x.
// ln m = f - (f²/2 - s (f²/2 + R)) with f = m - 1, s = f / (2 + f) and R = 2 atanh(s) / s - 2: exact to first order in f.
#[inline(always)]
fn ln_of_positive<T: Format>(x: T) -> T {
    let (m, e) = x.split();
    let f = m - T::ONE;
    let s = f / (T::from_f64(2.0) + f);
    let z = s * s;
    let half_square = T::from_f64(0.5) * f * f;
    let r = z * polynomial(T::ATANH_TAIL, z);
    e * T::LN_2_HIGH - ((half_square - s.mul_add(half_square + r, e * T::LN_2_LOW)) - f)
}

/// ln x
#[inline(always)]
pub fn ln<T: Format>(x: T) -> T {
    let y = ln_of_positive(x);
    let y = if x < T::INFINITY { y } else { x };
    let y = if x > T::ZERO { y } else { T::NAN };
    let y = if x == T::ZERO { T::NEG_INFINITY } else { y };
    if x.is_nan() { x } else { y }
}

/// tanh x = 1 - 2 / (e²ˣ + 1), and near 0, where that cancels, a polynomial.
#[inline(always)]
pub fn tanh<T: Format>(x: T) -> T {
    let (size, z, two) = (x.abs(), x * x, T::from_f64(2.0));
    let near = x.mul_add(z * polynomial(T::TANH_TAIL, z), x);
    let far = T::ONE - two / (exp(size + size) + T::ONE);
    let far = if x < T::ZERO { -far } else { far };
    let y = if size > T::from_f64(0.6) { far } else { near };
    // Keeps the sign of 0.
    if z > T::ZERO { y } else { x }
}

/// s and s (1 + e⁻ˣ), where s is 1, or smaller where the sum itself could be ∞; x ≥ -`TAIL`.
///
/// With e⁻ˣ = 2ⁿ (1 + q) and |q| < ½ the sum is rounded once, unless it is 1 + 2ⁿ that has too many digits.
#[inline(always)]
fn one_and_exp<T: Format>(x: T) -> (T, T) {
    // From here on the exponential is too small to be seen in the sum.
    let x = if x > -T::EXP_NORMAL { -T::EXP_NORMAL } else { x };
    let (rounded, r) = reduce(-x, -T::ZERO);
    let q = (r * r).mul_add(polynomial(T::EXP_TAIL, r), r);
    let far = x < T::from_f64(-60.0);
    let (one, rounded) = if far { (T::LIFTED, rounded - T::LIFT) } else { (T::ONE, rounded) };
    let power = T::ONE.times_power_of_two(rounded, false);
    // The larger power is added last, where the smaller one would be lost in it.
    let large = rounded > T::ROUNDER;
    let (first, last) = if large { (one, power) } else { (one + power, T::ZERO) };
    (one, q.mul_add(power, first) + last)
}

/// 1 / (1 + e⁻ˣ), accurate in both tails.
#[inline(always)]
pub fn sigmoid<T: Format>(x: T) -> T {
    let (one, sum) = one_and_exp(if x < -T::TAIL { -T::TAIL } else { x });
    one / sum
}

/// x / (1 + e⁻ˣ)
#[inline(always)]
pub fn silu<T: Format>(x: T) -> T {
    // Cut where the tail is 0, as -∞ · 0 would be NaN.
    let x = if x < -T::TAIL { -T::TAIL } else { x };
    let (one, sum) = one_and_exp(x);
    x * one / sum
}

/// (z + k) e^(z²/2) Φ(-z) less what is added to its first coefficient c₀: a multiple of w - ½, with w = z / (z + k) (after
/// Shepherd and Laframboise 1981, whose variable that is but for a factor).
#[inline(always)]
fn normal_ratio_slope<T: Format>(w: T) -> (T, T) {
    (w - T::from_f64(0.5), polynomial(&T::NORMAL_RATIO[1..], w - T::from_f64(0.5)))
}

/// -z²/2 and what its rounding took, which the exponential magnifies by the first.
#[inline(always)]
fn minus_half_square<T: Format>(z: T) -> (T, T) {
    let half = T::from_f64(-0.5) * z;
    let square = half * z;
    (square, half.mul_add_error(z, T::ZERO, square))
}

/// Φ(-z) for z ≥ 0, as a number and a power of two to multiply it by.
#[inline(always)]
fn normal_tail_in_parts<T: Format>(z: T) -> (T, T) {
    let z = if z > T::NORMAL_TAIL { T::NORMAL_TAIL } else { z };
    let (square, low) = minus_half_square(z);
    let (p, scale) = exp_in_parts(square, low);
    let inverse = T::ONE / (z + T::NORMAL_CENTRE);
    let (u, slope) = normal_ratio_slope(z * inverse);
    // In this order, in which nothing is subnormal before the result is.
    (p * (inverse * u.mul_add(slope, T::from_f64(T::NORMAL_RATIO[0]))), scale)
}

/// z Φ(-z) for z ≥ 0, in which only the last operation and q, of e^(-z²/2) = 2ⁿ (1 + q), are rounded to the number's own digits.
#[inline(always)]
fn normal_tail_product<T: Format>(z: T) -> T {
    // Cut where the tail is 0, as ∞ · 0 would be NaN.
    let z = if z > T::NORMAL_TAIL { T::NORMAL_TAIL } else { z };
    let (square, low) = minus_half_square(z);
    let (rounded, r) = reduce(square, low);
    let q_less_r = r * r * polynomial(T::EXP_TAIL, r);
    let (sum, first) = (z + T::NORMAL_CENTRE, T::from_f64(T::NORMAL_RATIO[0]));
    let w = z / sum;
    let (u, slope) = normal_ratio_slope(w);
    let ratio = u.mul_add(slope, first);
    let product = w * ratio;
    // What rounding took: from the ratio and its product with w; from the sum and the quotient, which change the ratio too.
    let mut lost = w.mul_add(u.mul_add_error(slope, first, ratio), w.mul_add_error(ratio, T::ZERO, product));
    let rest = (-w).mul_add(z - (sum - T::NORMAL_CENTRE), (-w).mul_add_error(sum, z, T::ZERO));
    let [constant, linear] = T::NORMAL_CHANGE.map(T::from_f64);
    lost = (rest * w.mul_add(linear, constant)).mul_add(ratio, lost);
    let y = product + product.mul_add(r, product.mul_add(q_less_r, lost));
    // Lifted, so that only the result can be subnormal.
    y * T::ONE.times_power_of_two(rounded, true) * T::LIFTED
}

/// The distribution function of the standard normal distribution, Φ(x) = ½ erfc(-x/√2), accurate in the lower tail.
#[inline(always)]
pub fn normal_cdf<T: Format>(x: T) -> T {
    let (p, scale) = normal_tail_in_parts(x.abs());
    let tail = p * scale;
    if x > T::ZERO { T::ONE - tail } else { tail }
}

/// x Φ(x)
#[inline(always)]
pub fn gelu<T: Format>(x: T) -> T {
    let below = -normal_tail_product(x.abs());
    if x > T::ZERO { x + below } else { below }
}

/// The error function 2/√π ∫₀ˣ e^(-t²) dt.
#[inline(always)]
pub fn erf<T: Format>(x: T) -> T {
    let size = x.abs();
    let near = x.mul_add(polynomial(T::ERF_RATIO_LESS_ONE, x * x), x);
    // From 1 on the tail is small, and so is what the rounding of √2 x does to it.
    let (p, scale) = normal_tail_in_parts(size * T::from_f64(std::f64::consts::SQRT_2));
    let far = T::ONE - (p + p) * scale;
    let far = if x < T::ZERO { -far } else { far };
    if size > T::ONE { far } else { near }
}

/// sin(r) and cos(r) for |r| ≤ π/4.
#[inline(always)]
fn sin_and_cos<T: Format>(r: T) -> (T, T) {
    let z = r * r;
    let sin = (r * z).mul_add(polynomial(T::SIN_TAIL, z), r);
    let cos = (z * z).mul_add(polynomial(T::COS_TAIL, z), z.mul_add(T::from_f64(-0.5), T::ONE));
    (sin, cos)
}

/// sin x for |x| ≤ [`Format::FAR`]; beyond, a number without meaning.
#[inline(always)]
pub fn sin<T: Format>(x: T) -> T {
    let (quarter, r) = x.quarters();
    let (sin, cos) = sin_and_cos(r);
    let y = if quarter & 1 == 0 { sin } else { cos };
    let y = if quarter & 2 == 0 { y } else { -y };
    // Keeps the sign of 0.
    if x == T::ZERO { x } else { y }
}

/// cos x for |x| ≤ [`Format::FAR`]; beyond, a number without meaning.
#[inline(always)]
pub fn cos<T: Format>(x: T) -> T {
    let (quarter, r) = x.quarters();
    let (sin, cos) = sin_and_cos(r);
    let y = if quarter & 1 == 0 { cos } else { sin };
    if quarter.wrapping_add(1) & 2 == 0 { y } else { -y }
}

/// xʸ for positive finite x and finite y in f32, computed in f64; NaN in f64.
#[inline(always)]
pub fn powf<T: Format>(x: T, y: T) -> T {
    x.powf_by_exp(y)
}
