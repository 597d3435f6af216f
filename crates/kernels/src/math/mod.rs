//! Elementary functions without branches, so that a loop over them becomes vector instructions inside
//! [`simd::run`](crate::simd::run).
//!
//! Largest errors in units of the last place, in f32 over every exponent, where a multiply-add is rounded once
//! ([`Fused`]) and where it is rounded twice:
//!
//! | function | f32 | f64 |
//! | --- | --- | --- |
//! | [`exp`], [`ln`] | 1.5 | 2 |
//! | [`tanh`], [`sigmoid`], [`erf`] | 2 | 3 |
//! | [`silu`] | 2.5, rounding twice 3 | |
//! | [`normal_cdf`], [`gelu`] | 5, rounding twice 6 | |
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

/// e^(x + low) as a normal number and a power of two to multiply it by, where low is small against x and x ≤ `EXP_HIGH`.
///
/// Where the exponential itself would be subnormal, or 0 though its product with something is not, the first factor
/// still has all its digits.
#[inline(always)]
fn exp_in_parts<T: Format>(x: T, low: T) -> (T, T) {
    let x = if x < -T::TAIL { -T::TAIL } else { x };
    // x = n ln 2 + r with an integer n and |r| ≤ ½ ln 2.
    let rounded = x.mul_add(T::LOG2_E, T::ROUNDER);
    let n = rounded - T::ROUNDER;
    let r = n.mul_add(-T::LN_2_LOW, n.mul_add(-T::LN_2_HIGH, x)) + low;
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

/// 1 / (1 + e⁻ˣ), accurate in both tails.
#[inline(always)]
pub fn sigmoid<T: Format>(x: T) -> T {
    let (y, scale) = sigmoid_in_parts(x, T::ONE);
    y * scale
}

/// a σ(x) as a number and a power of two to multiply it by.
#[inline(always)]
fn sigmoid_in_parts<T: Format>(x: T, a: T) -> (T, T) {
    let (p, scale) = exp_in_parts(-x.abs(), -T::ZERO);
    let e = p * scale;
    let (above, scale) = if x < T::ZERO { (p, scale) } else { (T::ONE, T::ONE) };
    let (sum, above) = (T::ONE + e, a * above);
    let y = above / sum;
    // What rounding took from the sum and, where a product is exact, from the quotient; with 1 / sum on 1..2 to 4 %.
    let lost = e - (sum - T::ONE);
    let rest = (-y).mul_add(lost, (-y).mul_add(sum, above));
    (rest.mul_add(T::from_f64(1.457) - T::from_f64(0.5) * sum, y), scale)
}

/// x / (1 + e⁻ˣ)
#[inline(always)]
pub fn silu<T: Format>(x: T) -> T {
    // Cut where the tail is 0, as -∞ · 0 would be NaN.
    let cut = if x < -T::TAIL { -T::TAIL } else { x };
    let (y, scale) = sigmoid_in_parts(cut, cut);
    if x < T::INFINITY { y * scale } else { x }
}

/// a Φ(-size), the upper tail of the normal distribution, as a number and a power of two: e^(-size²/2) · G(u) / (size + k) with
/// u = (size - k) / (size + k) (after Shepherd and Laframboise 1981, whose variable u is).
#[inline(always)]
fn normal_tail_in_parts<T: Format>(size: T, a: T) -> (T, T) {
    let (size, half) = (if size > T::NORMAL_TAIL { T::NORMAL_TAIL } else { size }, T::from_f64(0.5));
    // size² to twice the precision, as e^(-size²/2) magnifies its error by it.
    let high = size.high_half();
    let low = (size - high) * (size + high);
    let (p, scale) = exp_in_parts(-(half * high * high), -(half * low));
    let sum = size + T::NORMAL_CENTRE;
    let inverse = T::ONE / sum;
    // What rounding took from the sum and, where a product is exact, from the quotient.
    let lost = size - (sum - T::NORMAL_CENTRE);
    let rest = (-inverse).mul_add(lost, (-inverse).mul_add(sum, T::ONE));
    let inverse = inverse.mul_add(rest, inverse);
    let u = (size - T::NORMAL_CENTRE) * inverse;
    // In this order, in which nothing is subnormal before the result is.
    (p * (a * (inverse * polynomial(T::NORMAL_RATIO, u))), scale)
}

/// The distribution function of the standard normal distribution, Φ(x) = ½ erfc(-x/√2), accurate in the lower tail.
#[inline(always)]
pub fn normal_cdf<T: Format>(x: T) -> T {
    let (p, scale) = normal_tail_in_parts(x.abs(), T::ONE);
    let tail = p * scale;
    if x > T::ZERO { T::ONE - tail } else { tail }
}

/// x Φ(x)
#[inline(always)]
pub fn gelu<T: Format>(x: T) -> T {
    // Cut where the tail is 0, as ∞ · 0 would be NaN.
    let size = x.abs();
    let cut = if size > T::NORMAL_TAIL { T::NORMAL_TAIL } else { size };
    let (p, scale) = normal_tail_in_parts(cut, cut);
    let below = -(p * scale);
    if x > T::ZERO { x + below } else { below }
}

/// The error function 2/√π ∫₀ˣ e^(-t²) dt.
#[inline(always)]
pub fn erf<T: Format>(x: T) -> T {
    let size = x.abs();
    let near = x.mul_add(polynomial(T::ERF_RATIO_LESS_ONE, x * x), x);
    // From 1 on the tail is small, and so is what the rounding of √2 x does to it.
    let (p, scale) = normal_tail_in_parts(size * T::from_f64(std::f64::consts::SQRT_2), T::ONE);
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
    if (quarter + 1) & 2 == 0 { y } else { -y }
}

/// xʸ for positive finite x and finite y in f32, computed in f64; NaN in f64.
#[inline(always)]
pub fn powf<T: Format>(x: T, y: T) -> T {
    x.powf_by_exp(y)
}
