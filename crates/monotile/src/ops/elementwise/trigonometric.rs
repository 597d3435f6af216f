//! sin x and cos x, of radians.

use monotile_kernels::number::Number;

use super::{Reads, Unary, unary};
#[cfg(test)]
use super::{each, unary_spec};
use crate::error::Result;
use crate::tape::Saved;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// sin x
#[derive(Clone, Copy)]
struct Sin;

impl Unary for Sin {
    const NAME: &'static str = "sin";
    const READS: Reads = Reads::Input;
    const RANGE_CHECKED: bool = true;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.sin()
    }
    // x̄ = ȳ cos x
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        g.mul(&saved.input(0).cos()?)
    }
}

/// cos x
#[derive(Clone, Copy)]
struct Cos;

impl Unary for Cos {
    const NAME: &'static str = "cos";
    const READS: Reads = Reads::Input;
    const RANGE_CHECKED: bool = true;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.cos()
    }
    // x̄ = -ȳ sin x
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        g.mul(&saved.input(0).sin()?)?.neg()
    }
}

/// # Functions: sine and cosine
///
/// Of radians.
impl Tensor {
    /// The sine of radians, elementwise.
    ///
    /// # Errors
    /// For integers and booleans.
    #[track_caller]
    pub fn sin(&self) -> Result<Tensor> {
        unary(self, Sin)
    }

    /// The cosine of radians, elementwise.
    ///
    /// # Errors
    /// For integers and booleans.
    #[track_caller]
    pub fn cos(&self) -> Result<Tensor> {
        unary(self, Cos)
    }
}

/// Every formula here, recorded.
#[cfg(test)]
pub(super) fn formulas() -> Vec<super::formulas::RecordedFormula> {
    use super::formulas::unary_formulas;
    [unary_formulas(Sin), unary_formulas(Cos)].concat()
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let unary = |name, f, plain: fn(f64) -> f64| unary_spec(name, f, normal).reference(each(plain));
    vec![unary("sin", Tensor::sin, f64::sin), unary("cos", Tensor::cos, f64::cos)]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: sin, cos);
