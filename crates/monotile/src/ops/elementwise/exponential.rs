//! eˣ and ln x.

use monotile_kernels::number::Number;

use super::{Reads, Unary, unary};
use crate::error::Result;
use crate::tape::Saved;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, positive};

/// eˣ
#[derive(Clone, Copy)]
struct Exp;

impl Unary for Exp {
    const NAME: &'static str = "exp";
    const READS: Reads = Reads::Output;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.exp()
    }
    #[inline(always)]
    fn slope<T: Number>(self, y: T) -> T {
        y
    }
    // x̄ = ȳ y
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        g.mul(saved.output(0))
    }
}

/// ln x
#[derive(Clone, Copy)]
struct Ln;

impl Unary for Ln {
    const NAME: &'static str = "ln";
    const READS: Reads = Reads::Input;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.ln()
    }
    // x̄ = ȳ / x
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        g.div(saved.input(0))
    }
}

/// # Functions: exponential and logarithm
///
/// Of base e.
impl Tensor {
    /// eˣ, elementwise.
    ///
    /// # Errors
    /// For integers and booleans.
    #[track_caller]
    pub fn exp(&self) -> Result<Tensor> {
        unary(self, Exp)
    }

    /// The natural logarithm, elementwise: -∞ at 0, NaN below.
    ///
    /// # Errors
    /// For integers and booleans.
    #[doc(alias = "log")]
    #[track_caller]
    pub fn ln(&self) -> Result<Tensor> {
        unary(self, Ln)
    }

    /// The natural logarithm, by the name that NumPy and PyTorch have for it: [`ln`](Tensor::ln).
    ///
    /// # Errors
    /// For integers and booleans.
    #[doc(alias = "ln")]
    #[track_caller]
    pub fn log(&self) -> Result<Tensor> {
        self.ln()
    }
}

/// Every formula here, recorded.
#[cfg(test)]
pub(super) fn formulas() -> Vec<super::formulas::RecordedFormula> {
    use super::formulas::unary_formulas;
    [unary_formulas(Exp), unary_formulas(Ln)].concat()
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let unary = |spec: Spec| spec.sample("matrix", vec![positive(&[3, 4])]).sample("empty", vec![positive(&[0])]).orders(2);
    vec![
        unary(Spec::new("exp", |x| Ok(vec![x[0].exp()?]))).reference(|x| vec![x[0].iter().map(|v| v.exp()).collect()]),
        unary(Spec::new("ln", |x| Ok(vec![x[0].ln()?]))).reference(|x| vec![x[0].iter().map(|v| v.ln()).collect()]),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: exp, ln);
