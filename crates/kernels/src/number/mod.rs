//! What a formula is written in, so that one function of Rust is the loop over numbers, the vector kernel, the derivative and the
//! shader.
//!
//! | implementor | the formula is |
//! | --- | --- |
//! | f32, f64, [`Fused`](crate::math::Fused) | computed, number by number; loops become vector instructions inside [`simd::run`](crate::simd::run) |
//! | [`Dual`] | computed together with its derivative |
//! | [`RangeChecked`], [`SystemMath`] | computed where vector instructions have no function for a number |
//! | [`Expr`] | recorded, to be printed as WGSL or carried out by operations of another kind |
//!
//! A formula never branches on a number: it asks by comparisons, which give a [`Mask`], and chooses by [`select`](Number::select).

mod dual;
mod expr;
pub mod functions;
mod range_checked;
pub mod rows;
#[cfg(test)]
mod tests;

pub use dual::Dual;
pub use expr::{Comparison, Condition, Expr, ExprNode, Function, Graph, Operator, prefixed_wgsl_of, record, wgsl_of};
pub use functions::Composite;
pub use range_checked::{RangeChecked, SystemMath};

use std::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

/// The answer to a comparison: one truth, or one a lane, or the record of one.
pub trait Mask: Copy + BitAnd<Output = Self> + BitOr<Output = Self> + Not<Output = Self> {}

impl Mask for bool {}

/// What a formula without functions and choices needs: a number has it, and a register of numbers too.
pub trait Arithmetic:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
}

impl<T> Arithmetic for T where T: Copy + Add<Output = T> + Sub<Output = T> + Mul<Output = T> + Div<Output = T> + Neg<Output = T> {}

/// A function of N numbers: what [`elementwise::formula`](crate::elementwise::formula) carries out.
pub trait Formula<const N: usize>: Copy + Send + Sync {
    /// Whether a sine, cosine or power is on the way, whose numbers have to be watched; without one, that is a waste of time.
    const RANGE_CHECKED: bool = true;
    /// Whether it gets loops of its own. Else it is carried out step by step, as a [`Program`](crate::elementwise::Program): some times slower
    /// if its steps are few and cheap, and nothing to compile. Right for what is seldom used or costs much by itself.
    const COMPILED: bool = true;

    /// The result. Mark it `#[inline(always)]`: else it keeps the instructions that every processor has.
    fn apply<T: Number>(self, x: [T; N]) -> T;
}

/// M functions of the same N numbers: what [`elementwise::formulas`](crate::elementwise::formulas) carries out in one pass.
pub trait Formulas<const N: usize, const M: usize>: Copy + Send + Sync {
    /// Whether a sine, cosine or power is on the way, as in [`Formula::RANGE_CHECKED`].
    const RANGE_CHECKED: bool = true;
    /// Whether it gets loops of its own, as in [`Formula::COMPILED`].
    const COMPILED: bool = true;

    /// The results. Mark it `#[inline(always)]`, as [`Formula::apply`].
    fn apply<T: Number>(self, x: [T; N]) -> [T; M];
}

/// Methods of [`Number`] that are formulas.
macro_rules! composites {
    ($($(#[$doc:meta])* $name:ident: $function:ty;)*) => {$(
        $(#[$doc])*
        #[inline(always)]
        fn $name(self) -> Self {
            self.composite::<$function>()
        }
    )*};
}

/// Arithmetic, functions, constants and choices. All but the ones marked are total: they take every number, infinities and NaN too.
///
/// # Example
/// ```
/// use monotile_kernels::number::{Dual, Number, record};
/// /// x² where x is above 0, else 0.
/// fn half_parabola<T: Number>(x: T) -> T {
///     T::select(x.greater(T::ZERO), x * x, T::ZERO)
/// }
/// assert_eq!(half_parabola(3.0_f32), 9.0);
/// assert_eq!(half_parabola(Dual { value: 3.0_f64, slope: 1.0 }).slope, 6.0);
/// assert!(record(|[x]| half_parabola(x)).wgsl("f").contains("select(0.0f, "));
/// ```
pub trait Number: Arithmetic {
    /// What a comparison answers.
    type Mask: Mask;

    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;

    /// The nearest number to `x`.
    fn from_f64(x: f64) -> Self;

    /// Whether self < other; false where either is NaN, as in the next three.
    fn less(self, other: Self) -> Self::Mask;
    /// Whether self ≤ other.
    fn less_or_equal(self, other: Self) -> Self::Mask;
    /// Whether self > other.
    #[inline(always)]
    fn greater(self, other: Self) -> Self::Mask {
        other.less(self)
    }
    /// Whether self ≥ other.
    #[inline(always)]
    fn greater_or_equal(self, other: Self) -> Self::Mask {
        other.less_or_equal(self)
    }
    /// Whether self = other; false where either is NaN.
    fn equal(self, other: Self) -> Self::Mask;
    /// `yes` where the mask is true, else `no`. Both are computed.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;

    /// self · y + z, rounded once or twice.
    fn mul_add(self, y: Self, z: Self) -> Self;
    /// |x|
    fn abs(self) -> Self;
    /// √x; NaN below 0.
    fn sqrt(self) -> Self;
    /// eˣ
    fn exp(self) -> Self;
    /// ln x; NaN below 0.
    fn ln(self) -> Self;
    /// sin x of radians; in loops over numbers only for |x| up to [`Format::FAR`](crate::math::Format::FAR).
    fn sin(self) -> Self;
    /// cos x of radians, as [`sin`](Number::sin).
    fn cos(self) -> Self;
    /// xʸ; in loops over numbers only where [`beyond_powf`](crate::real::Real::beyond_powf) is false.
    fn powf(self, y: Self) -> Self;
    /// tanh x
    fn tanh(self) -> Self;
    /// 1 / (1 + e⁻ˣ)
    fn sigmoid(self) -> Self;
    /// x / (1 + e⁻ˣ)
    fn silu(self) -> Self;
    /// The error function 2/√π ∫₀ˣ e^(-t²) dt.
    fn erf(self) -> Self;
    /// Φ(x) = ½ erfc(-x/√2): the distribution function of the standard normal distribution.
    fn normal_cdf(self) -> Self;
    /// x Φ(x)
    fn gelu(self) -> Self;

    /// 2ˣ; exact where x is an integer and the power a number.
    fn exp2(self) -> Self;
    /// ⌊x⌋
    fn floor(self) -> Self;
    /// The nearest integer; of two as near, the even one.
    fn round(self) -> Self;

    /// A function that is a formula itself. [`Dual`] takes the slope that it names.
    #[inline(always)]
    fn composite<F: Composite>(self) -> Self {
        F::value(self)
    }
    /// ⌈x⌉
    #[inline(always)]
    fn ceil(self) -> Self {
        -(-self).floor()
    }
    /// x without what is behind the point.
    #[inline(always)]
    fn trunc(self) -> Self {
        Self::select(self.less(Self::ZERO), self.ceil(), self.floor())
    }
    composites! {
        /// log₂ x
        log2: functions::Log2;
        /// log₁₀ x
        log10: functions::Log10;
        /// ln(1 + x)
        log1p: functions::Log1p;
        /// eˣ - 1
        expm1: functions::Expm1;
        /// tan x of radians, as [`sin`](Number::sin).
        tan: functions::Tan;
        /// arcsin x, from -π/2 to π/2.
        asin: functions::Asin;
        /// arccos x, from 0 to π.
        acos: functions::Acos;
        /// arctan x, from -π/2 to π/2.
        atan: functions::Atan;
        /// sinh x
        sinh: functions::Sinh;
        /// cosh x
        cosh: functions::Cosh;
        /// arsinh x
        asinh: functions::Asinh;
        /// arcosh x; NaN below 1.
        acosh: functions::Acosh;
        /// artanh x; NaN beyond ±1.
        atanh: functions::Atanh;
        /// ln|Γ(x)|
        lgamma: functions::Lgamma;
        /// ψ(x) = Γ′(x) / Γ(x)
        digamma: functions::Digamma;
        /// ψ′(x)
        trigamma: functions::Trigamma;
        /// 1 - erf x
        erfc: functions::Erfc;
        /// The y with erf y = x.
        erfinv: functions::Erfinv;
    }
    /// The angle of the point (x, y) = (other, self), from -π to π.
    #[inline(always)]
    fn atan2(self, other: Self) -> Self {
        functions::atan2(self, other)
    }

    /// The larger of the two, NaN if either is NaN.
    #[inline(always)]
    fn maximum(self, other: Self) -> Self {
        // The first is false for a NaN on either side; the second is true for a NaN in `self`.
        Self::select(self.greater(other) | !self.equal(self), self, other)
    }
    /// The smaller of the two, NaN if either is NaN.
    #[inline(always)]
    fn minimum(self, other: Self) -> Self {
        Self::select(self.less(other) | !self.equal(self), self, other)
    }
}

/// ȳ ∂f/∂xᵢ of N numbers and ȳ, by variable number `I`: a [`Formula`] of N + 1 numbers.
#[derive(Clone, Copy)]
pub struct Partial<F, const N: usize, const I: usize>(pub F);

/// ȳ ∂f/∂xᵢ of N numbers and ȳ, by each of them: [`Formulas`] of N + 1 numbers.
#[derive(Clone, Copy)]
pub struct Partials<F, const N: usize>(pub F);

macro_rules! partial {
    ($($n:literal: $m:literal),*) => {$(
        impl<F: Formula<$n>> Formulas<$m, $n> for Partials<F, $n> {
            const RANGE_CHECKED: bool = F::RANGE_CHECKED;
            const COMPILED: bool = F::COMPILED;
            #[inline(always)]
            fn apply<T: Number>(self, x: [T; $m]) -> [T; $n] {
                let mut slopes = [T::ZERO; $n];
                for i in 0..$n {
                    let mut variables = [Dual::constant(T::ZERO); $n];
                    for k in 0..$n {
                        variables[k].value = x[k];
                    }
                    variables[i].slope = T::ONE;
                    slopes[i] = x[$n] * self.0.apply(variables).slope;
                }
                slopes
            }
        }
        impl<F: Formula<$n>, const I: usize> Formula<$m> for Partial<F, $n, I> {
            const RANGE_CHECKED: bool = F::RANGE_CHECKED;
            const COMPILED: bool = F::COMPILED;
            #[inline(always)]
            fn apply<T: Number>(self, x: [T; $m]) -> T {
                let mut variables = [Dual::constant(T::ZERO); $n];
                for k in 0..$n {
                    variables[k].value = x[k];
                }
                variables[I].slope = T::ONE;
                x[$n] * self.0.apply(variables).slope
            }
        }
    )*};
}
partial!(1: 2, 2: 3, 3: 4, 4: 5, 5: 6, 6: 7);
