//! The logarithm of the gamma function and its derivatives.
//!
//! The polynomials interpolate at Chebyshev points, computed with 60 digits; largest relative errors are below each.

use std::f64::consts::PI;

use super::{Composite, polynomial, ratio};
use crate::number::{Dual, Number};

/// ln|Γ(x)| / ((x - 1) (x - 2)) by (x - 7/4) / (x + 7/4), on ½ ≤ x ≤ 6; 2e-16.
const NEAR: [f64; 29] = [
    0.4501393121092563,
    -0.4181855531883484,
    0.12718992499338663,
    -0.14437303879729335,
    0.08412964238231835,
    -0.08997434052910433,
    0.0631142050677612,
    -0.06579369040462053,
    0.050458664280696536,
    -0.05194744206779677,
    0.0420101187431233,
    -0.0429492945305765,
    0.03598440962867722,
    -0.036559275727393745,
    0.03136908435371572,
    -0.03248465415011427,
    0.028779129992458127,
    -0.024245071129612057,
    0.01954717153823539,
    -0.04572065827381215,
    0.04934876988015142,
    0.04778730713250612,
    -0.06674348564195799,
    -0.18653113872603722,
    0.21392213260010406,
    0.21877673782162083,
    -0.2486067154345548,
    -0.18947937853922037,
    0.1984165714710955,
];

/// x times what Stirling's formula lacks, by 1/x², for x ≥ 6; 6e-17.
const STIRLING: [f64; 8] = [
    0.08333333333333333,
    -0.0027777777777734623,
    0.0007936507903643918,
    -0.0005952371351851137,
    0.0008416117568838537,
    -0.001906405156123843,
    0.005901549297067006,
    -0.016450184918873966,
];

/// ½ ln 2π - ½
const STIRLING_CONSTANT: f64 = 0.418_938_533_204_672_7;

/// x less the nearest integer: from -½ to ½.
#[inline(always)]
fn from_integer<T: Number>(x: T) -> T {
    x - x.round()
}

/// ln|Γ(x)|; ∞ at 0, -1, -2, …
#[derive(Debug)]
pub struct Lgamma;

impl Composite for Lgamma {
    #[inline(always)]
    fn value<T: Number>(x: T) -> T {
        let (a, half, one) = (x.abs(), T::from_f64(0.5), T::ONE);
        let small = a.less(half);
        // Γ(x) = Γ(1 + x) / x
        let z = T::select(small, one + x, a);
        let centre = T::from_f64(1.75);
        let zeros = (z - one) * (z - T::from_f64(2.0));
        // The sum takes the sign of 0 off.
        let near = zeros.mul_add(polynomial(&NEAR, (z - centre) / (z + centre)), T::ZERO);
        let inverse = one / z;
        let rest = T::from_f64(STIRLING_CONSTANT) + inverse * polynomial(&STIRLING, inverse * inverse);
        let far = (z - half) * (z.ln() - one) + rest;
        let y = T::select(z.greater(T::from_f64(6.0)), far, near);
        // |Γ(-a) Γ(a)| = π / (a |sin πa|)
        let sine = (T::from_f64(PI) * from_integer(a)).sin().abs();
        let reflected = (T::from_f64(PI) / (a * sine)).ln() - y;
        let reflected = T::select(sine.greater(T::ZERO), reflected, T::from_f64(f64::INFINITY));
        T::select(small, y - a.ln(), T::select(x.less(T::ZERO), reflected, y))
    }
    #[inline(always)]
    fn slope<T: Number>(x: T, _: T) -> T {
        x.digamma()
    }
}

/// The zero of the digamma function: 24 bits, and the rest.
const ZERO: [f64; 2] = [1.4616321325302124, 1.243_814_993_891_890_9e-8];

/// ψ(x) / (x - x₀) by x - 3/2, on 1 ≤ x ≤ 2; 5e-17.
const DIGAMMA_NEAR: [&[f64]; 2] = [
    &[
        0.9510558760318328,
        1.1663702567214969,
        0.5137384479970142,
        0.0998201733015596,
        0.008297484863617567,
        0.00022636249078624788,
        4.22009395907132e-07,
    ],
    &[
        1.0,
        1.6718236205395554,
        1.0319333676352624,
        0.2978119036558111,
        0.041378314480827155,
        0.0025031842360786877,
        4.664959078686044e-05,
    ],
];

/// x² (ln x - 1 / 2x - ψ(x)) by 1/x², for x ≥ 2; 4e-14 of what is a twentieth of ψ.
const DIGAMMA_FAR: [&[f64]; 2] = [
    &[0.08333333333333025, 1.037460379458373, 3.7801139597302478, 4.658922196194453, 1.6532110092440915, 0.07867861781325165],
    &[1.0, 12.549524553463826, 46.568700930983894, 60.01633955202808, 24.159196823709603, 1.942234985620383],
];

/// ψ(x) = Γ'(x) / Γ(x)
#[derive(Debug)]
pub struct Digamma;

impl Composite for Digamma {
    #[inline(always)]
    fn value<T: Number>(x: T) -> T {
        let (one, two) = (T::ONE, T::from_f64(2.0));
        let negative = x.less(T::ZERO);
        let z = T::select(negative, one - x, x);
        // ψ(z) = ψ(z + 1) - 1 / z
        let below = z.less(one);
        let u = T::select(below, z + one, z);
        let from_zero = (u - T::from_f64(ZERO[0])) - T::from_f64(ZERO[1]);
        let near = from_zero * ratio(DIGAMMA_NEAR[0], DIGAMMA_NEAR[1], u - T::from_f64(1.5));
        let inverse = one / u;
        let w = inverse * inverse;
        let far = u.ln() - T::from_f64(0.5) * inverse - w * ratio(DIGAMMA_FAR[0], DIGAMMA_FAR[1], w);
        let y = T::select(u.less(two), near, far);
        let y = T::select(below, y - one / z, y);
        // ψ(x) = ψ(1 - x) - π / tan πx
        let r = from_integer(x);
        let reflected = y - T::from_f64(PI) / (T::from_f64(PI) * r).tan();
        let reflected = T::select(r.equal(T::ZERO), T::from_f64(f64::NAN), reflected);
        T::select(negative, reflected, y)
    }
    #[inline(always)]
    fn slope<T: Number>(x: T, _: T) -> T {
        x.trigamma()
    }
}

/// x³ (ψ′(x) - 1/x - 1/2x²) by 1/x², for x ≥ 2; 3e-13 of what is a thirtieth of ψ′.
const TRIGAMMA_FAR: [&[f64]; 2] = [
    &[0.16666666666662516, 2.324372339216271, 9.591780403298833, 13.540000034622498, 5.5418051147671825, 0.29520426701404323],
    &[1.0, 14.146234035050883, 60.237072128132866, 91.46652067282308, 45.31368849104293, 4.898936212593438],
];

/// ψ′(x)
#[derive(Debug)]
pub struct Trigamma;

impl Composite for Trigamma {
    #[inline(always)]
    fn value<T: Number>(x: T) -> T {
        let (one, two) = (T::ONE, T::from_f64(2.0));
        let negative = x.less(T::ZERO);
        // ψ′(z) = ψ′(z + 1) + 1 / z², once or twice.
        let z = T::select(negative, one - x, x);
        let once = z.less(one);
        let u = T::select(once, z + one, z);
        let twice = u.less(two);
        let v = one / T::select(twice, u + one, u);
        let w = v * v;
        let far = v + w * (T::from_f64(0.5) + v * ratio(TRIGAMMA_FAR[0], TRIGAMMA_FAR[1], w));
        let y = T::select(twice, far + one / (u * u), far);
        let y = T::select(once, y + one / (z * z), y);
        // ψ′(x) = (π / sin πx)² - ψ′(1 - x)
        let sine = T::from_f64(PI) / (T::from_f64(PI) * from_integer(x)).sin();
        T::select(negative, sine * sine - y, y)
    }
    #[inline(always)]
    fn slope<T: Number>(x: T, _: T) -> T {
        Self::value(Dual::variable(x)).slope
    }
}
