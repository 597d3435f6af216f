//! Elementary functions without branches, so that a loop over them becomes vector instructions inside
//! [`simd::run`](crate::simd::run).
//!
//! Largest errors found by the tests, in units of the last place:
//!
//! | function | f32 | f64 |
//! | --- | --- | --- |
//! | [`exp`], [`ln`] | 2 | 2 |
//! | [`tanh`], [`sigmoid`], [`erf`] | 2 | 3 |
//!
//! [`silu`] adds the rounding of a product, and [`normal_cdf`] that of x/√2, which its lower tail magnifies by x². Infinities, NaN, subnormal numbers, overflow and underflow
//! come out as IEEE functions have them. Products and sums are rounded separately: a fused multiply-add is a call into a
//! library where the processor has none, and would make results depend on the instruction set.

use crate::real::Real;

/// A format's constants and polynomials. The polynomials are minimax fits to 60 digits on the intervals named.
pub trait Format: Real {
    /// 1.5 · 2ᵐ, m the mantissa's bits: adding it rounds to an integer, whose bits then are the sum's lowest.
    const ROUNDER: Self;
    /// log₂ e
    const LOG2_E: Self;
    /// ln 2 to so few bits that its product with an exponent is exact.
    const LN_2_HIGH: Self;
    /// ln 2 - `LN_2_HIGH`
    const LN_2_LOW: Self;
    /// Above this eˣ is ∞.
    const EXP_HIGH: Self;
    /// Below this eˣ is 0.
    const EXP_LOW: Self;
    /// Between this and [`EXP_LOW`](Format::EXP_LOW) squares are finite and x · e⁻ˣ is 0: where tails may be cut.
    const TAIL: Self;
    /// √½
    const SQRT_HALF: Self;

    /// 2ⁿ from n + `ROUNDER`, for exponents of normal numbers.
    fn power_of_two(n_and_rounder: Self) -> Self;
    /// m in [√½, √2) and integer e with x = m · 2ᵉ, for finite positive x.
    fn split(self) -> (Self, Self);
    /// The upper half of the mantissa: its square is exact.
    fn high_half(self) -> Self;
    /// (eʳ - 1 - r) / r² on |r| ≤ ½ ln 2.
    fn exp_tail(r: Self) -> Self;
    /// (2 atanh(s) - 2 s) / s³ by z = s², on |s| ≤ (√2 - 1) / (√2 + 1).
    fn atanh_tail(z: Self) -> Self;
    /// (tanh x - x) / x³ by z = x², on |x| ≤ 0.6.
    fn tanh_tail(z: Self) -> Self;
    /// erf(x) / x - 1 by z = x², on |x| ≤ 1.
    fn erf_ratio_less_one(z: Self) -> Self;
    /// (1 + 2 x) e^(x²) erfc x for x ≥ 0, up to where erfc is 0, by a polynomial in (x - k) / (x + k)
    /// (Shepherd and Laframboise 1981).
    fn scaled_erfc(x: Self) -> Self;
}

/// Horner's rule from the highest coefficient down.
#[inline(always)]
fn polynomial<T: Real, const N: usize>(coefficients: [T; N], x: T) -> T {
    let mut sum = coefficients[N - 1];
    for i in (0..N - 1).rev() {
        sum = sum * x + coefficients[i];
    }
    sum
}

/// x unless it lies outside low ..= high; NaN stays.
#[inline(always)]
fn clamp<T: Real>(x: T, low: T, high: T) -> T {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// n + rounder, n and r with x = n ln 2 + r, n an integer and |r| ≤ ½ ln 2.
#[inline(always)]
fn reduce<T: Format>(x: T) -> (T, T, T) {
    let rounded = x * T::LOG2_E + T::ROUNDER;
    let n = rounded - T::ROUNDER;
    (rounded, n, (x - n * T::LN_2_HIGH) - n * T::LN_2_LOW)
}

/// e^(x + low), where low is small against x.
#[inline(always)]
fn exp_of_sum<T: Format>(x: T, low: T) -> T {
    let (_, n, r) = reduce(clamp(x, T::EXP_LOW, T::EXP_HIGH));
    let r = r + low;
    let p = T::ONE + (r + r * r * T::exp_tail(r));
    // In two steps: 2ⁿ alone may be subnormal or infinite where p · 2ⁿ is not.
    let half = n * T::from_f64(0.5) + T::ROUNDER;
    let rest = n - (half - T::ROUNDER) + T::ROUNDER;
    p * T::power_of_two(half) * T::power_of_two(rest)
}

/// eˣ
#[inline(always)]
pub fn exp<T: Format>(x: T) -> T {
    exp_of_sum(x, T::ZERO)
}

/// ln x
// ln m = f - (f²/2 - s (f²/2 + R)) with f = m - 1, s = f / (2 + f) and R = 2 atanh(s) / s - 2: exact to first order in f.
#[inline(always)]
pub fn ln<T: Format>(x: T) -> T {
    let (m, e) = x.split();
    let f = m - T::ONE;
    let s = f / (T::from_f64(2.0) + f);
    let z = s * s;
    let half_square = T::from_f64(0.5) * f * f;
    let r = z * T::atanh_tail(z);
    let y = e * T::LN_2_HIGH - ((half_square - (s * (half_square + r) + e * T::LN_2_LOW)) - f);
    let y = if x < T::INFINITY { y } else { x };
    let y = if x > T::ZERO { y } else { T::NAN };
    let y = if x == T::ZERO { T::NEG_INFINITY } else { y };
    if x.is_nan() { x } else { y }
}

/// tanh x = 1 - 2 / (e²ˣ + 1), and near 0, where that cancels, a polynomial.
#[inline(always)]
pub fn tanh<T: Format>(x: T) -> T {
    let (size, z, two) = (x.abs(), x * x, T::from_f64(2.0));
    let near = x + x * (z * T::tanh_tail(z));
    let far = T::ONE - two / (exp(size + size) + T::ONE);
    let far = if x < T::ZERO { -far } else { far };
    let y = if size > T::from_f64(0.6) { far } else { near };
    // Keeps the sign of 0.
    if z > T::ZERO { y } else { x }
}

/// 1 / (1 + e⁻ˣ), accurate in both tails.
#[inline(always)]
pub fn sigmoid<T: Format>(x: T) -> T {
    let e = exp(-x.abs());
    let above = if x < T::ZERO { e } else { T::ONE };
    let sum = T::ONE + e;
    let y = above / sum;
    // What rounding took from the sum: y (1 - lost / sum), with 1 / sum on 1..2 to 4 %.
    let lost = e - (sum - T::ONE);
    y - y * (lost * (T::from_f64(1.457) - T::from_f64(0.5) * sum))
}

/// x / (1 + e⁻ˣ)
#[inline(always)]
pub fn silu<T: Format>(x: T) -> T {
    let cut = if x < -T::TAIL { -T::TAIL } else { x };
    cut * sigmoid(cut)
}

/// erfc |x| = e^(-x²) · scaled / (1 + 2 |x|)
#[inline(always)]
fn erfc_of_size<T: Format>(size: T) -> T {
    let size = if size > T::TAIL { T::TAIL } else { size };
    // x² to twice the precision, as e^(-x²) magnifies its error by x².
    let high = size.high_half();
    let low = (size - high) * (size + high);
    exp_of_sum(-(high * high), -low) * T::scaled_erfc(size) / (T::ONE + size + size)
}

/// The error function 2/√π ∫₀ˣ e^(-t²) dt.
#[inline(always)]
pub fn erf<T: Format>(x: T) -> T {
    let size = x.abs();
    let near = x + x * T::erf_ratio_less_one(x * x);
    let far = T::ONE - erfc_of_size(size);
    let far = if x < T::ZERO { -far } else { far };
    if size > T::ONE { far } else { near }
}

/// The distribution function of the standard normal distribution, ½ erfc(-x/√2), accurate in the lower tail.
#[inline(always)]
pub fn normal_cdf<T: Format>(x: T) -> T {
    let tail = T::from_f64(0.5) * erfc_of_size(x.abs() * T::SQRT_HALF);
    if x > T::ZERO { T::ONE - tail } else { tail }
}

impl Format for f32 {
    const ROUNDER: Self = (3_u64 << 22) as f32;
    const LOG2_E: Self = std::f32::consts::LOG2_E;
    const LN_2_HIGH: Self = 0.693_145_75;
    const LN_2_LOW: Self = 1.428_606_8e-6;
    const EXP_HIGH: Self = 89.0;
    const EXP_LOW: Self = -104.0;
    const TAIL: Self = 110.0;
    const SQRT_HALF: Self = std::f32::consts::FRAC_1_SQRT_2;

    #[inline(always)]
    fn power_of_two(n_and_rounder: Self) -> Self {
        Self::from_bits((n_and_rounder.to_bits() << 23).wrapping_add(127 << 23))
    }
    #[inline(always)]
    fn split(self) -> (Self, Self) {
        // Subnormal numbers are made normal first.
        let subnormal = self < Self::MIN_POSITIVE;
        let (x, bias) = if subnormal { (self * 8388608.0, 1.5e2) } else { (self, 127.0) };
        let bits = x.to_bits().wrapping_add(0x3f80_0000 - 0x3f35_04f3);
        // The exponent's bits under a mantissa whose unit is 1.
        let e = Self::from_bits((bits >> 23) | (150 << 23)) - 8388608.0 - bias;
        (Self::from_bits((bits & ((1 << 23) - 1)).wrapping_add(0x3f35_04f3)), e)
    }
    #[inline(always)]
    fn high_half(self) -> Self {
        Self::from_bits(self.to_bits() & 0xffff_f000)
    }
    #[inline(always)]
    fn exp_tail(r: Self) -> Self {
        polynomial([0.5, 0.1666652, 0.041666195, 0.008368848, 0.0013951142], r)
    }
    #[inline(always)]
    fn atanh_tail(z: Self) -> Self {
        polynomial([0.6666666, 0.40000334, 0.2853733, 0.23581828], z)
    }
    #[inline(always)]
    fn tanh_tail(z: Self) -> Self {
        polynomial([-0.3333333, 0.1333325, -0.053952802, 0.021736374, -0.008272205, 0.0022360506], z)
    }
    #[inline(always)]
    fn erf_ratio_less_one(z: Self) -> Self {
        polynomial([0.12837917, -0.37612626, 0.112836, -0.026854442, 0.005189533, -0.0008020829, 7.88909e-5], z)
    }
    #[inline(always)]
    fn scaled_erfc(x: Self) -> Self {
        polynomial(
            [
                1.2648382,
                -0.1223567,
                -0.09902406,
                0.15762806,
                -0.10297548,
                0.032774404,
                0.0009870208,
                -0.0044065462,
                0.00033728438,
                0.0005938143,
                7.006505e-5,
            ],
            (x - 2.5) / (x + 2.5),
        )
    }
}

impl Format for f64 {
    const ROUNDER: Self = (3_u64 << 51) as f64;
    const LOG2_E: Self = std::f64::consts::LOG2_E;
    const LN_2_HIGH: Self = 0.693_147_180_369_123_8;
    const LN_2_LOW: Self = 1.908_214_929_270_587_7e-10;
    const EXP_HIGH: Self = 710.0;
    const EXP_LOW: Self = -746.0;
    const TAIL: Self = 760.0;
    const SQRT_HALF: Self = std::f64::consts::FRAC_1_SQRT_2;

    #[inline(always)]
    fn power_of_two(n_and_rounder: Self) -> Self {
        Self::from_bits((n_and_rounder.to_bits() << 52).wrapping_add(1023 << 52))
    }
    #[inline(always)]
    fn split(self) -> (Self, Self) {
        // Subnormal numbers are made normal first.
        let subnormal = self < Self::MIN_POSITIVE;
        let (x, bias) = if subnormal { (self * 4503599627370496.0, 1075.0) } else { (self, 1023.0) };
        let bits = x.to_bits().wrapping_add(0x3ff0_0000_0000_0000 - 0x3fe6_a09e_667f_3bcd);
        // The exponent's bits under a mantissa whose unit is 1.
        let e = Self::from_bits((bits >> 52) | (1075 << 52)) - 4503599627370496.0 - bias;
        (Self::from_bits((bits & ((1 << 52) - 1)).wrapping_add(0x3fe6_a09e_667f_3bcd)), e)
    }
    #[inline(always)]
    fn high_half(self) -> Self {
        Self::from_bits(self.to_bits() & 0xffff_ffff_f800_0000)
    }
    #[inline(always)]
    fn exp_tail(r: Self) -> Self {
        polynomial(
            [
                0.5000000000000013,
                0.1666666666666669,
                0.04166666666651382,
                0.008333333333311732,
                0.0013888888947408747,
                0.00019841269908106422,
                2.480148956830978e-5,
                2.7557224164359447e-6,
                2.763140181749737e-7,
                2.5115487095176632e-8,
            ],
            r,
        )
    }
    #[inline(always)]
    fn atanh_tail(z: Self) -> Self {
        polynomial(
            [
                0.6666666666666735,
                0.3999999999941419,
                0.285714287424339,
                0.22222198570735682,
                0.1818356441903954,
                0.15314048108830391,
                0.1479597923138703,
            ],
            z,
        )
    }
    #[inline(always)]
    fn tanh_tail(z: Self) -> Self {
        polynomial(
            [
                -0.3333333333333313,
                0.13333333333300643,
                -0.05396825394978511,
                0.02186948801420578,
                -0.008863226934309727,
                0.0035920386773532825,
                -0.001455222203217216,
                0.0005872114362699549,
                -0.00023044478735553903,
                7.937028642201118e-5,
                -1.720723886156025e-5,
            ],
            z,
        )
    }
    #[inline(always)]
    fn erf_ratio_less_one(z: Self) -> Self {
        polynomial(
            [
                0.12837916709551256,
                -0.3761263890318375,
                0.11283791670954885,
                -0.02686617064507784,
                0.005223977624828276,
                -0.0008548326981421161,
                0.00012055331132862608,
                -1.4925595770683133e-5,
                1.646100846070705e-6,
                -1.6350396095022845e-7,
                1.466032815845247e-8,
                -1.1374954538220158e-9,
                5.960684765885747e-11,
            ],
            z,
        )
    }
    #[inline(always)]
    fn scaled_erfc(x: Self) -> Self {
        polynomial(
            [
                1.2375126308378277,
                -0.1402405985855467,
                0.003585415485462509,
                0.08227673849011206,
                -0.10880393014164963,
                0.0923043211615414,
                -0.058693398591546195,
                0.028362277399998824,
                -0.009746579540860341,
                0.0017556260243087806,
                0.0002937135925174821,
                -0.00029015502122655296,
                5.1649175719246025e-5,
                2.2387508363440053e-5,
                -1.1443554181668883e-5,
                -9.808251649035466e-7,
                1.7488010799343297e-6,
                -4.7130368734288955e-8,
                -2.5296489633506885e-7,
                1.5122227590704228e-8,
                3.277623414345268e-8,
                -5.659432468468477e-10,
                -2.297404762777213e-9,
            ],
            (x - 3.75) / (x + 3.75),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distance of `y` from `exact` in units of the last place of an f32 there.
    fn ulps_f32(y: f32, exact: f64) -> f64 {
        let rounded = exact as f32;
        if rounded == y || (rounded.is_nan() && y.is_nan()) {
            return 0.0;
        }
        let size = rounded.abs().max(f32::MIN_POSITIVE);
        let unit = f64::from(f32::from_bits(size.to_bits() + 1)) - f64::from(size);
        (f64::from(y) - exact).abs() / unit
    }

    fn ulps_f64(y: f64, exact: f64) -> f64 {
        if exact == y || (exact.is_nan() && y.is_nan()) {
            return 0.0;
        }
        let size = exact.abs().max(f64::MIN_POSITIVE);
        (y - exact).abs() / (f64::from_bits(size.to_bits() + 1) - size)
    }

    /// Every 997th f32 there is: all exponents, both signs, NaN and infinities.
    fn all_f32() -> impl Iterator<Item = f32> {
        (0..u32::MAX / 997).map(|i| f32::from_bits(i * 997)).chain([0.0, -0.0, f32::INFINITY, -f32::INFINITY, f32::NAN, 1.0])
    }

    fn dense_f64(low: f64, high: f64) -> impl Iterator<Item = f64> {
        (0..=1_000_000).map(move |i| low + (high - low) * f64::from(i) / 1e6)
    }

    fn worst_f32(f: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64) -> f64 {
        all_f32().map(|x| ulps_f32(f(x), exact(f64::from(x)))).fold(0.0, |m, e| if e <= m { m } else { e })
    }

    fn worst_f64(xs: impl Iterator<Item = f64>, f: impl Fn(f64) -> f64, exact: impl Fn(f64) -> f64) -> f64 {
        xs.map(|x| ulps_f64(f(x), exact(x))).fold(0.0, |m, e| if e <= m { m } else { e })
    }

    #[test]
    fn f32_functions_are_within_two_units_of_the_last_place_everywhere() {
        let found = [
            ("exp", worst_f32(exp, f64::exp)),
            ("ln", worst_f32(ln, f64::ln)),
            ("tanh", worst_f32(tanh, f64::tanh)),
            ("sigmoid", worst_f32(sigmoid, |x| 1.0 / (1.0 + (-x).exp()))),
            ("erf", worst_f32(erf, erf::<f64>)),
        ];
        for (name, worst) in found {
            assert!(worst <= 2.0, "{name}: {worst}");
        }
        // One product more; below -87 the sigmoid is subnormal and has lost bits.
        let inside = |x: f32| if x < -87.0 { 0.0 } else { x };
        let silu_error =
            worst_f32(|x| silu(inside(x)), |x| f64::from(inside(x as f32)) / (1.0 + f64::from(-inside(x as f32)).exp()));
        assert!(silu_error <= 3.0, "silu: {silu_error}");
        // The argument x/√2 is rounded, which e^(-x²/2) magnifies by x² in the lower tail: here to x = -2.
        let cdf = |x: f64| if x.abs() > 2.0 { f64::NAN } else { normal_cdf(x) };
        let cdf_error = worst_f32(|x| if x.abs() > 2.0 { f32::NAN } else { normal_cdf(x) }, cdf);
        assert!(cdf_error <= 8.0, "normal_cdf: {cdf_error}");
    }

    #[test]
    fn f64_functions_are_within_a_few_units_of_the_last_place() {
        for (low, high) in [(-750.0, 715.0), (-1.0, 1.0), (-1e-3, 1e-3)] {
            let worst = worst_f64(dense_f64(low, high), exp, f64::exp);
            assert!(worst <= 2.0, "exp on {low}..{high}: {worst}");
            let worst = worst_f64(dense_f64(low, high), tanh, f64::tanh);
            assert!(worst <= 3.0, "tanh on {low}..{high}: {worst}");
        }
        for (low, high) in [(0.0, 2.0), (0.0, 1e300), (0.0, 1e-300), (0.0, 1e-310), (0.999, 1.001)] {
            let worst = worst_f64(dense_f64(low, high), ln, f64::ln);
            assert!(worst <= 2.0, "ln on {low}..{high}: {worst}");
        }
    }

    #[test]
    fn f64_erf_has_its_known_values() {
        // Abramowitz and Stegun (1964), table 7.1, and to more digits mpmath.
        let known = [
            (0.1, 0.112_462_916_018_284_9),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (1.5, 0.966_105_146_475_310_8),
            (2.5, 0.999_593_047_982_555),
            (6.0, 1.0),
        ];
        for (x, y) in known {
            assert!(ulps_f64(erf(x), y) <= 3.0 && ulps_f64(erf(-x), -y) <= 3.0, "erf({x}) = {}", erf(x));
        }
        // erfc 3 / 2, where the lower tail keeps its digits.
        let tail = normal_cdf(-3.0 * std::f64::consts::SQRT_2);
        assert!((tail / (2.209_049_699_858_544e-5 / 2.0) - 1.0).abs() < 1e-14, "{tail}");
    }

    #[test]
    fn special_values_are_those_of_ieee_functions() {
        fn check<T: Format>() {
            let (inf, zero, nan) = (T::INFINITY, T::ZERO, T::NAN);
            assert!(exp(inf) == inf && exp(-inf) == zero && exp(zero) == T::ONE && exp(nan).is_nan());
            assert!(ln(inf) == inf && ln(zero) == -inf && ln(-T::ONE).is_nan() && ln(nan).is_nan() && ln(T::ONE) == zero);
            assert!(tanh(inf) == T::ONE && tanh(-inf) == -T::ONE && tanh(nan).is_nan());
            assert!(sigmoid(inf) == T::ONE && sigmoid(-inf) == zero && sigmoid(nan).is_nan());
            assert!(silu(inf) == inf && silu(-inf) == zero && silu(nan).is_nan());
            assert!(erf(inf) == T::ONE && erf(-inf) == -T::ONE && erf(nan).is_nan());
            assert!(normal_cdf(inf) == T::ONE && normal_cdf(-inf) == zero && normal_cdf(nan).is_nan());
        }
        check::<f32>();
        check::<f64>();
        assert!(tanh(-0.0_f32).is_sign_negative());
    }
}
