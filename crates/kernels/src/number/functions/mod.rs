//! Functions that are formulas of simpler ones, each with its derivative: the methods of [`Number`] that every number has.

mod angle;
mod error;
mod exponential;
mod gamma;
mod hyperbolic;
#[cfg(test)]
mod tests;

pub(super) use angle::atan2;
pub use angle::{Acos, Asin, Atan, Tan};
pub use error::{Erfc, Erfinv};
pub use exponential::{Expm1, Log1p, Log2, Log10};
pub use gamma::{Digamma, Lgamma, Trigamma};
pub use hyperbolic::{Acosh, Asinh, Atanh, Cosh, Sinh};

use super::Number;

/// A function of one number by a formula, and its derivative by another.
///
/// A derivative that followed from the formula itself would be that of its choices and approximations: inaccurate, or NaN where both sides of a
/// choice are not finite.
pub trait Composite {
    /// y = f(x)
    fn value<T: Number>(x: T) -> T;
    /// dy/dx from x and y.
    fn slope<T: Number>(x: T, y: T) -> T;
}

/// Σ c[k] xᵏ
#[inline(always)]
fn polynomial<T: Number>(c: &[f64], x: T) -> T {
    let last = c.len() - 1;
    let mut sum = T::from_f64(c[last]);
    for k in (0..last).rev() {
        sum = sum.mul_add(x, T::from_f64(c[k]));
    }
    sum
}

/// Σ p[k] xᵏ / Σ q[k] xᵏ
#[inline(always)]
fn ratio<T: Number>(p: &[f64], q: &[f64], x: T) -> T {
    polynomial(p, x) / polynomial(q, x)
}

/// y with the sign of x for an odd function, and x itself where it is 0.
#[inline(always)]
fn odd<T: Number>(x: T, y: T) -> T {
    let y = T::select(x.less(T::ZERO), -y, y);
    T::select(x.equal(T::ZERO), x, y)
}
