//! Signs and steps: the step function, numbers with another's sign, the cardinal sine, and log-odds.

use monotile_kernels::number::{Formula, Number};

use super::{Reads, Unary, unary};
#[cfg(test)]
use super::{each, unary_spec};
use crate::error::Result;
use crate::ops::map::named;
use crate::tensor::Tensor;
use crate::tensor::operand::TensorOrNumber;
#[cfg(test)]
use crate::testing::{Spec, normal, positive, uniform};

/// 0, v or 1 by the sign of x.
#[derive(Clone, Copy)]
struct Heaviside;

impl Formula<2> for Heaviside {
    const RANGE_CHECKED: bool = false;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, [x, v]: [T; 2]) -> T {
        // NaN is neither greater nor less than 0, nor equal.
        let side = T::select(x.greater(T::ZERO), T::ONE, T::select(x.less(T::ZERO), T::ZERO, x * T::ZERO));
        T::select(x.equal(T::ZERO), v, side)
    }
}

/// |x| with the sign of s.
#[derive(Clone, Copy)]
struct Copysign;

impl Formula<2> for Copysign {
    const RANGE_CHECKED: bool = false;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, [x, s]: [T; 2]) -> T {
        // The reciprocal of -0 is -∞.
        let negative = s.less(T::ZERO) | (T::ONE / s).less(T::ZERO);
        T::select(negative, -x.abs(), x.abs())
    }
}

/// sin(π x) / (π x)
#[derive(Clone, Copy)]
struct Sinc;

impl Unary for Sinc {
    const NAME: &'static str = "sinc";
    const READS: Reads = Reads::Input;
    const RANGE_CHECKED: bool = true;
    const COMPILED: bool = false;
    // Σ (-1)ᵏ u²ᵏ / (2k + 1)! near 0, where the slopes of the quotient would cancel: up to u = 1 ten terms suffice, and for two derivatives.
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        let u = T::from_f64(std::f64::consts::PI) * x;
        let square = u * u;
        let mut series = T::ONE;
        for k in (1..=10).rev() {
            let n = f64::from(2 * k);
            series = T::ONE - square * T::from_f64(1.0 / (n * (n + 1.0))) * series;
        }
        let near = u.abs().less(T::ONE);
        T::select(near, series, u.sin() / T::select(near, T::ONE, u))
    }
}

/// ln(x / (1 - x))
#[derive(Clone, Copy)]
struct Logit;

impl Unary for Logit {
    const NAME: &'static str = "logit";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        (x / (T::ONE - x)).ln()
    }
    #[inline(always)]
    fn slope<T: Number>(self, x: T) -> T {
        T::ONE / (x * (T::ONE - x))
    }
}

/// # Functions: signs and steps
///
/// The step function, copied signs, the cardinal sine, and the inverse of the sigmoid.
impl Tensor {
    /// The step function, elementwise over shapes that broadcast: 0 where x < 0, 1 where x > 0, and `at_zero` where x = 0; NaN for NaN.
    ///
    /// # Gradient
    /// 0 by x; by `at_zero` ȳ where x = 0.
    ///
    /// # Errors
    /// If the shapes do not broadcast, or for integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from([-2.0, 0.0, 3.0]);
    /// assert_eq!(x.heaviside(0.5)?.to_vec::<f64>()?, [0.0, 0.5, 1.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "step")]
    #[track_caller]
    pub fn heaviside(&self, at_zero: impl TensorOrNumber) -> Result<Tensor> {
        named("heaviside", [self, &*at_zero.value().beside("heaviside", self.dtype())?], Heaviside)
    }

    /// |x| with the sign of `other`, elementwise over shapes that broadcast; -0 has a sign, and NaN counts as positive.
    ///
    /// # Gradient
    /// x̄ = ȳ or -ȳ, 0 at x = 0; 0 by `other`.
    ///
    /// # Errors
    /// If the shapes do not broadcast, or for integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from([1.0, -2.0, 3.0]);
    /// assert_eq!(x.copysign(-0.0)?.to_vec::<f64>()?, [-1.0, -2.0, -3.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn copysign(&self, other: impl TensorOrNumber) -> Result<Tensor> {
        named("copysign", [self, &*other.value().beside("copysign", self.dtype())?], Copysign)
    }

    /// The cardinal sine sin(π x) / (π x), elementwise: 1 at 0.
    ///
    /// # Gradient
    /// x̄ = ȳ (cos(π x) - y) / x, by a series near 0, where it is 0.
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let y = Tensor::from([0.0, 0.5]).sinc()?.to_vec::<f64>()?;
    /// assert!(y[0] == 1.0 && (y[1] - 2.0 / std::f64::consts::PI).abs() < 1e-15);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn sinc(&self) -> Result<Tensor> {
        unary(self, Sinc)
    }

    /// The log-odds ln(x / (1 - x)) of probabilities, elementwise: the inverse of [`sigmoid`](Tensor::sigmoid). ±∞ at 1 and 0, NaN beyond.
    ///
    /// PyTorch's `eps` is a [`clamp`](Tensor::clamp) to ε … 1 - ε before it.
    ///
    /// # Gradient
    /// x̄ = ȳ / (x (1 - x))
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert!((Tensor::scalar(0.75).logit()?.item::<f64>()? - 3.0_f64.ln()).abs() < 1e-15);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn logit(&self) -> Result<Tensor> {
        unary(self, Logit)
    }
}

/// Every formula here, recorded.
#[cfg(test)]
pub(super) fn formulas() -> Vec<super::formulas::RecordedFormula> {
    use super::formulas::unary_formulas;
    use monotile_kernels::number::record;
    let of_two =
        [("heaviside".to_string(), record(|x| Heaviside.apply(x))), ("copysign".to_string(), record(|x| Copysign.apply(x)))];
    [of_two.to_vec(), unary_formulas(Sinc), unary_formulas(Logit)].concat()
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    // Away from 0, where these jump.
    let apart = |shape: &[usize]| positive(shape).mul(normal(shape).sign().unwrap()).unwrap();
    let words = |op: &str| format!("{op}: shapes [2] and [3] do not broadcast; sizes must be equal or 1, from the last");
    vec![
        Spec::new("heaviside", |x| Ok(vec![x[0].heaviside(&x[1])?]))
            .sample("matrix and row", vec![apart(&[3, 4]), normal(&[4])])
            .sample("empty", vec![normal(&[0, 4]), normal(&[4])])
            .reference(|x| vec![x[0].iter().map(|&v| f64::from(v > 0.0)).collect()])
            .may_drop_nan()
            .orders(2)
            .refuses(vec![normal(&[2]), normal(&[3])], words("heaviside")),
        Spec::new("copysign", |x| Ok(vec![x[0].copysign(&x[1])?]))
            .sample("matrix and row", vec![apart(&[3, 4]), apart(&[4])])
            .sample("empty", vec![normal(&[0, 4]), normal(&[4])])
            .reference(|x| vec![x[0].iter().enumerate().map(|(i, v)| v.copysign(x[1][i % 4])).collect()])
            .may_drop_nan()
            .orders(2)
            .refuses(vec![normal(&[2]), normal(&[3])], words("copysign")),
        unary_spec("sinc", Tensor::sinc, |shape| uniform(shape, -2.5, 2.5))
            .reference(each(|x| (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x))),
        unary_spec("sinc", Tensor::sinc, |shape| uniform(shape, -1e-3, 1e-3)).reference(each(|x| {
            let u = std::f64::consts::PI * x;
            1.0 - u * u / 6.0 + u.powi(4) / 120.0
        })),
        unary_spec("logit", Tensor::logit, |shape| uniform(shape, 0.05, 0.95)).reference(each(|x| (x / (1.0 - x)).ln())),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: heaviside, copysign, sinc, logit);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::hessian;

    #[test]
    fn steps_and_signs_at_zero_and_nan_are_those_of_numpy() {
        let x = Tensor::from([-0.0, 0.0, f64::NAN, -1.0]);
        let step = x.heaviside(Tensor::from([2.0, 3.0, 4.0, 5.0])).unwrap().to_vec::<f64>().unwrap();
        assert!(step[..2] == [2.0, 3.0] && step[2].is_nan() && step[3] == 0.0, "{step:?}");
        let signs =
            Tensor::from([1.0, 1.0, 1.0, -1.0]).copysign(&Tensor::from([-0.0, 0.0, f64::NEG_INFINITY, f64::INFINITY])).unwrap();
        assert_eq!(signs.to_vec::<f64>().unwrap(), [-1.0, 1.0, -1.0, 1.0]);
        assert!(Tensor::from([0.0]).copysign(-1).unwrap().item::<f64>().unwrap().is_sign_negative());
    }

    #[test]
    fn the_cardinal_sine_is_smooth_at_zero() {
        // The second derivative at 0 is -π²/3.
        let h = hessian(|x| x.sinc()?.sum(.., false), &Tensor::scalar(0.0)).unwrap().item::<f64>().unwrap();
        assert!((h + std::f64::consts::PI.powi(2) / 3.0).abs() < 1e-14, "{h}");
        let ends = Tensor::from([0.0, 1.0, -0.2]).logit().unwrap().to_vec::<f64>().unwrap();
        assert!(ends[0] == f64::NEG_INFINITY && ends[1] == f64::INFINITY && ends[2].is_nan());
    }
}
