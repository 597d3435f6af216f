//! Errors in units of the last place, and special values.

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

/// 1 / (1 + e⁻ˣ)
fn exact_sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// x / (1 + e⁻ˣ), where that is 0 without ∞ · 0.
fn exact_silu(x: f64) -> f64 {
    if x < -700.0 { 0.0 } else { x * exact_sigmoid(x) }
}

/// Φ(x) by another library's erfc, whose argument's rounding matters to no f32.
fn exact_normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

/// x Φ(x), where that is 0 without ∞ · 0.
fn exact_gelu(x: f64) -> f64 {
    if x < -40.0 { 0.0 } else { x * exact_normal_cdf(x) }
}

#[test]
fn f32_functions_are_as_exact_as_documented_over_every_exponent() {
    type Case = (&'static str, f64, fn(f32) -> f32, fn(Fused<f32>) -> Fused<f32>, fn(f64) -> f64);
    let cases: [Case; 8] = [
        ("exp", 1.1, exp, exp, f64::exp),
        ("ln", 1.1, ln, ln, f64::ln),
        ("tanh", 1.3, tanh, tanh, f64::tanh),
        ("sigmoid", 1.6, sigmoid, sigmoid, exact_sigmoid),
        ("silu", 1.8, silu, silu, exact_silu),
        ("gelu", 1.9, gelu, gelu, exact_gelu),
        ("erf", 1.3, erf, erf, libm::erf),
        ("normal_cdf", 4.5, normal_cdf, normal_cdf, exact_normal_cdf),
    ];
    for (name, most, plain, fused, exact) in cases {
        for (rounding, worst) in [("twice", worst_f32(plain, exact)), ("once", worst_f32(|x| fused(Fused(x)).0, exact))] {
            assert!(worst <= most, "{name}, a multiply-add rounded {rounding}: {worst}");
        }
    }
}

#[test]
fn f64_functions_are_within_a_few_units_of_the_last_place() {
    for (low, high) in [(-750.0, 715.0), (-1.0, 1.0), (-1e-3, 1e-3)] {
        let worst = worst_f64(dense_f64(low, high), exp, f64::exp);
        assert!(worst <= 2.0, "exp on {low}..{high}: {worst}");
        let worst = worst_f64(dense_f64(low, high), tanh, f64::tanh);
        assert!(worst <= 3.0, "tanh on {low}..{high}: {worst}");
        let (s, silu) = (
            worst_f64(dense_f64(low, high).map(|x| x.max(-700.0)), sigmoid, exact_sigmoid),
            worst_f64(dense_f64(low, high).map(|x| x.max(-700.0)), silu, exact_silu),
        );
        // The library's exponential, sum and quotient are off by 2 themselves.
        assert!(s <= 3.5 && silu <= 4.0, "sigmoid and silu on {low}..{high}: {s}, {silu}");
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
        assert!(gelu(inf) == inf && gelu(-inf) == zero && gelu(nan).is_nan());
        assert!(erf(inf) == T::ONE && erf(-inf) == -T::ONE && erf(nan).is_nan());
        assert!(normal_cdf(inf) == T::ONE && normal_cdf(-inf) == zero && normal_cdf(nan).is_nan());
    }
    check::<f32>();
    check::<f64>();
    assert!(tanh(-0.0_f32).is_sign_negative());
}

#[test]
fn sines_cosines_and_powers_are_exact_where_vectors_compute_them() {
    let near = |x: f32| if x.abs() <= f32::FAR { x } else { 1.0 };
    let wide = |x: f64| f64::from(near(x as f32));
    for (name, worst) in [
        ("sin", worst_f32(|x| sin(near(x)), |x| wide(x).sin())),
        ("cos", worst_f32(|x| cos(near(x)), |x| wide(x).cos())),
        ("sin, fused", worst_f32(|x| sin(Fused(near(x))).0, |x| wide(x).sin())),
        ("cos, fused", worst_f32(|x| cos(Fused(near(x))).0, |x| wide(x).cos())),
    ] {
        assert!(worst <= 2.0, "{name}: {worst}");
    }
    for (low, high) in [(-10.0, 10.0), (-1e6, 1e6), (-1e-3, 1e-3)] {
        for (name, worst) in
            [("sin", worst_f64(dense_f64(low, high), sin, f64::sin)), ("cos", worst_f64(dense_f64(low, high), cos, f64::cos))]
        {
            assert!(worst <= 2.0, "{name} on {low}..{high}: {worst}");
        }
    }
    // Multiples of π, where all digits of the first two parts cancel.
    for k in [1, 2, 3, 22, 355, 100_000, 318_309] {
        let x = f64::from(k) * std::f64::consts::PI;
        assert!(ulps_f64(sin(x), x.sin()) <= 2.0, "sin {x}: {} for {}", sin(x), x.sin());
    }
    for y in [2.5_f32, -1.7, 1e-3, 40.0, -33.0] {
        let x = |x: f32| if x > 0.0 && x < f32::INFINITY { x } else { 1.0 };
        let worst = worst_f32(|v| powf(x(v), y), |v| f64::from(x(v as f32)).powf(f64::from(y)));
        assert!(worst <= 1.0, "power {y}: {worst}");
    }
    assert!(sin(-0.0_f32).is_sign_negative() && cos(0.0_f64) == 1.0);
}

/// Φ(-x), from mpmath with 40 digits.
#[test]
fn tails_of_the_normal_distribution_are_right_to_the_last_digits_from_its_middle_to_its_end() {
    let tails: [(f64, f64); 12] = [
        (0.0, 0.5),
        (0.001, 0.499_601_057_786_088_94),
        (0.01, 0.496_010_643_685_368_4),
        (0.1, 0.460_172_162_722_971),
        (0.3, 0.382_088_577_811_047_4),
        (0.7, 0.241_963_652_223_073_03),
        (1.0, 0.158_655_253_931_457_05),
        (1.5, 0.066_807_201_268_858_07),
        (3.0, 0.001_349_898_031_630_094_5),
        (10.0, 7.619_853_024_160_526e-24),
        (25.0, 3.056_696_706_382_561e-138),
        (37.0, 5.725_571_222_524_577e-300),
    ];
    for (x, tail) in tails {
        assert!((normal_cdf(-x) - tail).abs() <= 4e-16 * tail, "Φ(-{x}) = {:e}", normal_cdf(-x));
        assert!((normal_cdf(x) - (1.0 - tail)).abs() <= 2.3e-16, "Φ({x})");
        assert!((gelu(-x) + x * tail).abs() <= 5e-16 * x * tail, "gelu(-{x})");
    }
}
