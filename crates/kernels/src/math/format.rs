//! The constants of each format, and numbers whose products and sums are rounded at once.

use bytemuck::{Pod, Zeroable};

use super::{exp, ln_of_positive};
use crate::number::Number;
use crate::real::{Element, Real};

/// A format's constants and polynomials. The polynomials are minimax or Chebyshev fits to more digits than the format has, on
/// the intervals named. `scripts/coefficients.py` computes the best of each degree, and `--check` compares these with them.
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
    /// From this on eˣ is a normal number.
    const EXP_NORMAL: Self;
    /// What a number that [`times_power_of_two`](Format::times_power_of_two) lifted is to be multiplied by.
    const LIFTED: Self;
    /// Beyond this x · e⁻ˣ is 0.
    const TAIL: Self;
    /// Beyond this x · Φ(-x) is 0.
    const NORMAL_TAIL: Self;
    /// The power of two that [`LIFTED`](Format::LIFTED) takes off.
    const LIFT: Self;
    /// k of the variable x / (x + k) - ½ that `NORMAL_RATIO` is a polynomial in: few bits, and the first coefficient nearly has no more
    /// digits than the format.
    const NORMAL_CENTRE: Self;
    /// The largest size that [`sin`](super::sin) and [`cos`](super::cos) take.
    const FAR: Self;
    /// (eʳ - 1 - r) / r² on |r| ≤ ½ ln 2.
    const EXP_TAIL: &[f64];
    /// (2 atanh(s) - 2 s) / s³ by s², on |s| ≤ (√2 - 1) / (√2 + 1).
    const ATANH_TAIL: &[f64];
    /// (tanh x - x) / x³ by x², on |x| ≤ 0.6.
    const TANH_TAIL: &[f64];
    /// erf(x) / x - 1 by x², on |x| ≤ 1.
    const ERF_RATIO_LESS_ONE: &[f64];
    /// (x + k) e^(x²/2) Φ(-x) by x / (x + k) - ½, on 0 ≤ x ≤ `NORMAL_TAIL`.
    const NORMAL_RATIO: &[f64];
    /// a + b w near (1 + w R'(w) / R(w)) / (x + k), where R is that ratio and w = x / (x + k): how a rest of the division changes w R(w).
    const NORMAL_CHANGE: [f64; 2];
    /// (sin r - r) / r³ by r², on |r| ≤ π/4.
    const SIN_TAIL: &[f64];
    /// (cos r - 1 + r²/2) / r⁴ by r², on |r| ≤ π/4.
    const COS_TAIL: &[f64];

    /// self · 2ⁿ for self in ½..2 from n + `ROUNDER`, and where `lifted` divided by [`LIFTED`](Format::LIFTED): a normal number.
    fn times_power_of_two(self, n_and_rounder: Self, lifted: bool) -> Self;
    /// m in [√½, √2) and integer e with x = m · 2ᵉ, for finite positive x.
    fn split(self) -> (Self, Self);
    /// self · y + z - sum, where `sum` is that rounded, or 0: exact but for its own rounding, if |z| is 0 or at least |self · y|.
    fn mul_add_error(self, y: Self, z: Self, sum: Self) -> Self;
    /// n and r with x = n π/2 + r and |r| ≤ π/4, for |x| ≤ [`FAR`](Format::FAR).
    fn quarters(self) -> (u32, Self);
    /// xʸ = e^(y ln x) where a wider format is at hand, else NaN.
    fn powf_by_exp(self, y: Self) -> Self;
}

/// π/2 in three parts, the first two of 33 bits, so that their products with numbers below 2²⁰ are exact (Cody and Waite 1980).
const QUARTER: [f64; 3] = [1.5707963267341256, 6.077100506303966e-11, 2.0222662487959506e-21];

impl Format for f32 {
    const ROUNDER: Self = (3_u64 << 22) as f32;
    const LOG2_E: Self = std::f32::consts::LOG2_E;
    const LN_2_HIGH: Self = 0.693_145_75;
    const LN_2_LOW: Self = 1.428_606_8e-6;
    const EXP_HIGH: Self = 88.722_84;
    const EXP_NORMAL: Self = -87.0;
    const LIFTED: Self = 1.0 / (1_u64 << 63) as f32 / 2.0;
    const TAIL: Self = 110.0;
    const NORMAL_TAIL: Self = 14.8;
    const NORMAL_CENTRE: Self = 2.6328125;
    const LIFT: Self = 64.0;
    const FAR: Self = 1e6;
    const EXP_TAIL: &[f64] = &[0.5, 0.1666652, 0.041666195, 0.008368848, 0.0013951142];
    const ATANH_TAIL: &[f64] = &[0.6666666, 0.40000334, 0.2853733, 0.23581828];
    const TANH_TAIL: &[f64] = &[-0.3333333, 0.1333325, -0.053952802, 0.021736374, -0.008272205, 0.0022360506];
    const ERF_RATIO_LESS_ONE: &[f64] = &[0.12837917, -0.37612626, 0.112836, -0.026854442, 0.005189533, -0.0008020829, 7.88909e-5];
    const NORMAL_RATIO: &[f64] = &[
        0.7135201096534729,
        -0.9121166467666626,
        0.636045515537262,
        -0.029815256274626764,
        -0.274770276,
        0.03104054182,
        0.1737527939,
        0.02499226756,
        -0.1053067935,
        -0.06368998779,
    ];
    const NORMAL_CHANGE: [f64; 2] = [0.2697, -0.3421];
    const SIN_TAIL: &[f64] = &[-0.16666664663925682, 0.008332748401714806, -0.00019587899536396134];
    const COS_TAIL: &[f64] = &[0.041666664660645766, -0.0013888303106225739, 2.4547940868618788e-05];

    #[inline(always)]
    fn times_power_of_two(self, n_and_rounder: Self, lifted: bool) -> Self {
        let lift = if lifted { 64 << 23 } else { 0 };
        Self::from_bits(self.to_bits().wrapping_add(n_and_rounder.to_bits() << 23).wrapping_add(lift))
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
    fn mul_add_error(self, y: Self, z: Self, sum: Self) -> Self {
        // The halves' products are exact (Dekker 1971).
        let halves = |x: Self| {
            let high = Self::from_bits(x.to_bits() & 0xffff_f000);
            (high, x - high)
        };
        let (product, (a, b), (c, d)) = (self * y, halves(self), halves(y));
        ((z - sum) + product) + (((a * c - product) + a * d + b * c) + b * d)
    }
    #[inline(always)]
    fn quarters(self) -> (u32, Self) {
        let (n, r) = f64::from(self).quarters();
        (n, r as f32)
    }
    #[inline(always)]
    fn powf_by_exp(self, y: Self) -> Self {
        // Without the logarithm's special values, whose branches would keep loops from becoming vector instructions.
        exp(f64::from(y) * ln_of_positive(f64::from(self))) as f32
    }
}

impl Format for f64 {
    const ROUNDER: Self = (3_u64 << 51) as f64;
    const LOG2_E: Self = std::f64::consts::LOG2_E;
    const LN_2_HIGH: Self = 0.693_147_180_369_123_8;
    const LN_2_LOW: Self = 1.908_214_929_270_587_7e-10;
    const EXP_HIGH: Self = 709.782_712_893_384;
    const EXP_NORMAL: Self = -708.0;
    const LIFTED: Self = 1.0 / (1_u128 << 127) as f64 / 2.0;
    const TAIL: Self = 760.0;
    const NORMAL_TAIL: Self = 38.7;
    const NORMAL_CENTRE: Self = 5.0;
    const LIFT: Self = 128.0;
    const FAR: Self = 1e6;
    const EXP_TAIL: &[f64] = &[
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
    ];
    const ATANH_TAIL: &[f64] = &[
        0.6666666666666735,
        0.3999999999941419,
        0.285714287424339,
        0.22222198570735682,
        0.1818356441903954,
        0.15314048108830391,
        0.1479597923138703,
    ];
    const TANH_TAIL: &[f64] = &[
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
    ];
    const ERF_RATIO_LESS_ONE: &[f64] = &[
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
    ];
    const NORMAL_RATIO: &[f64] = &[
        0.769193049750063,
        -1.3307650057801137,
        1.981222463879909,
        -2.50826525337037,
        2.640325858725436,
        -2.2117964386101403,
        1.3308842752504741,
        -0.3831522261456876,
        -0.20425456831675068,
        0.2789883054051796,
        -0.06080069422620861,
        -0.1019139251185564,
        0.0683255917062645,
        0.032607436157440835,
        -0.045366921312776545,
        -0.010996118544803798,
        0.028371403953163024,
        0.005365711568300088,
        -0.01730791090944061,
        -0.004373555499569574,
        0.008321272566416973,
        0.0030378952485115487,
        -0.001243510589777954,
    ];
    const NORMAL_CHANGE: [f64; 2] = [0.09, -0.1125];
    const SIN_TAIL: &[f64] = &[
        -0.16666666666666666,
        0.008333333333330946,
        -0.00019841269836756188,
        2.7557316101236044e-06,
        -2.505113155786021e-08,
        1.59181078709233e-10,
    ];
    const COS_TAIL: &[f64] = &[
        0.041666666666666664,
        -0.0013888888888887395,
        2.480158729876411e-05,
        -2.7557317270867773e-07,
        2.08761460816374e-09,
        -1.138261856047027e-11,
    ];

    #[inline(always)]
    fn times_power_of_two(self, n_and_rounder: Self, lifted: bool) -> Self {
        let lift = if lifted { 128 << 52 } else { 0 };
        Self::from_bits(self.to_bits().wrapping_add(n_and_rounder.to_bits() << 52).wrapping_add(lift))
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
    fn mul_add_error(self, y: Self, z: Self, sum: Self) -> Self {
        // The halves' products are exact (Dekker 1971).
        let halves = |x: Self| {
            let high = Self::from_bits(x.to_bits() & 0xffff_ffff_f800_0000);
            (high, x - high)
        };
        let (product, (a, b), (c, d)) = (self * y, halves(self), halves(y));
        ((z - sum) + product) + (((a * c - product) + a * d + b * c) + b * d)
    }
    #[inline(always)]
    fn quarters(self) -> (u32, Self) {
        let rounded = self * std::f64::consts::FRAC_2_PI + Self::ROUNDER;
        let n = rounded - Self::ROUNDER;
        // The first two products are exact, so that a fused multiply-add would change nothing.
        let r = ((self - n * QUARTER[0]) - n * QUARTER[1]) - n * QUARTER[2];
        (rounded.to_bits() as u32, r)
    }
    #[inline(always)]
    fn powf_by_exp(self, _: Self) -> Self {
        Self::NAN
    }
}

/// A number of the same bits whose [`mul_add`](Number::mul_add) rounds once: for loops compiled for processors that can. Elsewhere each
/// would be a call into a library.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
#[repr(transparent)]
pub struct Fused<T>(pub T);

// SAFETY: a transparent wrapper of a number for which all zeros are a value.
unsafe impl<T: Zeroable> Zeroable for Fused<T> {}
// SAFETY: a transparent wrapper of a plain number: no padding, and every bit pattern is a value.
unsafe impl<T: Pod> Pod for Fused<T> {}

impl<T: Element> Element for Fused<T> {}

macro_rules! fused {
    ($t:ident: $($constant:ident)*; $($table:ident)*) => {
        impl std::fmt::Display for Fused<$t> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
        impl std::ops::Neg for Fused<$t> {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                Self(-self.0)
            }
        }
        impl Number for Fused<$t> {
            const ZERO: Self = Self($t::ZERO);
            const ONE: Self = Self($t::ONE);

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                Self(x as $t)
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                Self(self.0.sqrt())
            }
            #[inline(always)]
            fn abs(self) -> Self {
                Self(self.0.abs())
            }
            #[inline(always)]
            fn floor(self) -> Self {
                Self(self.0.floor())
            }
            #[inline(always)]
            fn round(self) -> Self {
                Self(self.0.round_ties_even())
            }
            #[inline(always)]
            fn mul_add(self, y: Self, z: Self) -> Self {
                Self($t::mul_add(self.0, y.0, z.0))
            }
            crate::real::elementary!();
        }
        impl Real for Fused<$t> {
            type Fused = Self;
            const EPSILON: Self = Self($t::EPSILON);
            const INFINITY: Self = Self($t::INFINITY);
            const NEG_INFINITY: Self = Self($t::NEG_INFINITY);
            const NAN: Self = Self($t::NAN);

            #[inline(always)]
            fn fused(self) -> Self {
                self
            }
            #[inline(always)]
            fn from_fused(x: Self) -> Self {
                x
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                f64::from(self.0)
            }
            #[inline(always)]
            fn exact_powf(self, y: Self) -> Self {
                Self(self.0.powf(y.0))
            }
            #[inline(always)]
            fn exact_sin(self) -> Self {
                Self(self.0.sin())
            }
            #[inline(always)]
            fn exact_cos(self) -> Self {
                Self(self.0.cos())
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                self.0.is_nan()
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                self.0.is_finite()
            }
            crate::real::limits!();
        }
        impl Format for Fused<$t> {
            $(const $constant: Self = Self($t::$constant);)*
            $(const $table: &[f64] = $t::$table;)*
            const NORMAL_CHANGE: [f64; 2] = $t::NORMAL_CHANGE;

            #[inline(always)]
            fn times_power_of_two(self, n_and_rounder: Self, lifted: bool) -> Self {
                Self(self.0.times_power_of_two(n_and_rounder.0, lifted))
            }
            #[inline(always)]
            fn split(self) -> (Self, Self) {
                let (m, e) = self.0.split();
                (Self(m), Self(e))
            }
            #[inline(always)]
            fn mul_add_error(self, y: Self, z: Self, sum: Self) -> Self {
                self.mul_add(y, z - sum)
            }
            #[inline(always)]
            fn quarters(self) -> (u32, Self) {
                let (n, r) = self.0.quarters();
                (n, Self(r))
            }
            #[inline(always)]
            fn powf_by_exp(self, y: Self) -> Self {
                Self(self.0.powf_by_exp(y.0))
            }
        }
        fused!(@operators $t; Add::add Sub::sub Mul::mul Div::div; AddAssign::add_assign SubAssign::sub_assign MulAssign::mul_assign);
    };
    (@operators $t:ident; $($trait:ident::$method:ident)*; $($assign:ident::$with:ident)*) => {
        $(impl std::ops::$trait for Fused<$t> {
            type Output = Self;
            #[inline(always)]
            fn $method(self, other: Self) -> Self {
                Self(std::ops::$trait::$method(self.0, other.0))
            }
        })*
        $(impl std::ops::$assign for Fused<$t> {
            #[inline(always)]
            fn $with(&mut self, other: Self) {
                std::ops::$assign::$with(&mut self.0, other.0);
            }
        })*
    };
}
fused!(f32: ROUNDER LOG2_E LN_2_HIGH LN_2_LOW EXP_HIGH EXP_NORMAL LIFTED LIFT TAIL NORMAL_TAIL NORMAL_CENTRE FAR;
       EXP_TAIL ATANH_TAIL TANH_TAIL ERF_RATIO_LESS_ONE NORMAL_RATIO SIN_TAIL COS_TAIL);
fused!(f64: ROUNDER LOG2_E LN_2_HIGH LN_2_LOW EXP_HIGH EXP_NORMAL LIFTED LIFT TAIL NORMAL_TAIL NORMAL_CENTRE FAR;
       EXP_TAIL ATANH_TAIL TANH_TAIL ERF_RATIO_LESS_ONE NORMAL_RATIO SIN_TAIL COS_TAIL);
