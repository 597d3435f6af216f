//! Hyperbolic functions and their inverses.

use monotile_kernels::number::Number;

use super::{Reads, Unary, unary};
#[cfg(test)]
use super::{each, unary_spec};
use crate::error::Result;
use crate::tape::Saved;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal, uniform};

/// sinh x
#[derive(Clone, Copy)]
struct Sinh;

impl Unary for Sinh {
    const NAME: &'static str = "sinh";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.sinh()
    }
    // x̄ = ȳ cosh x
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        g.mul(&saved.input(0).cosh()?)
    }
}

/// cosh x
#[derive(Clone, Copy)]
struct Cosh;

impl Unary for Cosh {
    const NAME: &'static str = "cosh";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.cosh()
    }
    // x̄ = ȳ sinh x
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        g.mul(&saved.input(0).sinh()?)
    }
}

/// arsinh x
#[derive(Clone, Copy)]
struct Asinh;

impl Unary for Asinh {
    const NAME: &'static str = "asinh";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.asinh()
    }
}

/// arcosh x
#[derive(Clone, Copy)]
struct Acosh;

impl Unary for Acosh {
    const NAME: &'static str = "acosh";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.acosh()
    }
}

/// artanh x
#[derive(Clone, Copy)]
struct Atanh;

impl Unary for Atanh {
    const NAME: &'static str = "atanh";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.atanh()
    }
}

/// # Functions: hyperbolic
///
/// And their inverses; `tanh` stands with the activations.
impl Tensor {
    /// sinh x = ½ (eˣ - e⁻ˣ), elementwise, with all digits near 0.
    ///
    /// # Gradient
    /// x̄ = ȳ cosh x
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::scalar(1e-20_f64).sinh()?.item::<f64>()?, 1e-20);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn sinh(&self) -> Result<Tensor> {
        unary(self, Sinh)
    }

    /// cosh x = ½ (eˣ + e⁻ˣ), elementwise.
    ///
    /// # Gradient
    /// x̄ = ȳ sinh x
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::scalar(0.0_f64).cosh()?.item::<f64>()?, 1.0);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn cosh(&self) -> Result<Tensor> {
        unary(self, Cosh)
    }

    /// arsinh x = ln(x + √(x² + 1)), elementwise, with all digits near 0.
    ///
    /// # Gradient
    /// x̄ = ȳ / √(x² + 1)
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::scalar(1e-20_f64).asinh()?.item::<f64>()?, 1e-20);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "arcsinh")]
    #[track_caller]
    pub fn asinh(&self) -> Result<Tensor> {
        unary(self, Asinh)
    }

    /// arcosh x = ln(x + √(x² - 1)), elementwise; NaN below 1.
    ///
    /// # Gradient
    /// x̄ = ȳ / √(x² - 1)
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::scalar(1.0_f64).acosh()?.item::<f64>()?, 0.0);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "arccosh")]
    #[track_caller]
    pub fn acosh(&self) -> Result<Tensor> {
        unary(self, Acosh)
    }

    /// artanh x = ½ ln((1 + x) / (1 - x)), elementwise; ±∞ at ±1, NaN beyond.
    ///
    /// # Gradient
    /// x̄ = ȳ / (1 - x²)
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::scalar(1e-20_f64).atanh()?.item::<f64>()?, 1e-20);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "arctanh")]
    #[track_caller]
    pub fn atanh(&self) -> Result<Tensor> {
        unary(self, Atanh)
    }
}

/// Every formula here, recorded.
#[cfg(test)]
pub(super) fn formulas() -> Vec<super::formulas::RecordedFormula> {
    use super::formulas::unary_formulas;
    [unary_formulas(Sinh), unary_formulas(Cosh), unary_formulas(Asinh), unary_formulas(Acosh), unary_formulas(Atanh)].concat()
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    vec![
        unary_spec("sinh", |x| x.sinh(), normal).reference(each(f64::sinh)),
        unary_spec("cosh", |x| x.cosh(), normal).reference(each(f64::cosh)),
        unary_spec("asinh", |x| x.asinh(), normal).reference(each(f64::asinh)),
        // Where the slopes are no larger than 3.
        unary_spec("acosh", |x| x.acosh(), |shape| uniform(shape, 1.2, 5.0)).reference(each(f64::acosh)),
        unary_spec("atanh", |x| x.atanh(), |shape| uniform(shape, -0.8, 0.8)).reference(each(f64::atanh)),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: sinh, cosh, asinh, acosh, atanh);
