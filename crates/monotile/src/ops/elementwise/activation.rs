//! The nonlinear functions of neural networks: tanh, sigmoid, silu, gelu, relu, and the error function.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI};

use monotile_kernels::number::Number;

use super::{Reads, Unary, unary};
use crate::error::Result;
use crate::tape::Saved;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// tanh x
#[derive(Clone, Copy)]
struct Tanh;

impl Unary for Tanh {
    const NAME: &'static str = "tanh";
    const READS: Reads = Reads::Output;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.tanh()
    }
    #[inline(always)]
    fn slope<T: Number>(self, y: T) -> T {
        T::ONE - y * y
    }
    // x̄ = ȳ (1 - y²)
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        let y = saved.output(0);
        g.sub(&g.mul(&y.mul(&y)?)?)
    }
}

/// σ(x) = 1 / (1 + e⁻ˣ)
#[derive(Clone, Copy)]
struct Sigmoid;

impl Unary for Sigmoid {
    const NAME: &'static str = "sigmoid";
    const READS: Reads = Reads::Output;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.sigmoid()
    }
    #[inline(always)]
    fn slope<T: Number>(self, y: T) -> T {
        y * (T::ONE - y)
    }
    // x̄ = ȳ y (1 - y)
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        let y = saved.output(0);
        let gy = g.mul(&y)?;
        gy.sub(&gy.mul(&y)?)
    }
}

/// x σ(x)
#[derive(Clone, Copy)]
struct Silu;

impl Unary for Silu {
    const NAME: &'static str = "silu";
    const READS: Reads = Reads::Input;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.silu()
    }
    // x̄ = ȳ (σ + x σ (1 - σ))
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        let x = saved.input(0);
        let s = x.sigmoid()?;
        let xs = x.mul(&s)?;
        g.mul(&s.add(&xs.sub(&xs.mul(&s)?)?)?)
    }
}

/// x Φ(x), Φ the distribution function of the standard normal distribution.
#[derive(Clone, Copy)]
struct Gelu;

/// 1 / √(2π)
const NORMAL_PEAK: f64 = 0.398_942_280_401_432_7;

impl Unary for Gelu {
    const NAME: &'static str = "gelu";
    const READS: Reads = Reads::Input;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.gelu()
    }
    // x̄ = ȳ (Φ(x) + x φ(x)),  Φ = ½ (1 + erf(x/√2)),  φ = e^(-x²/2) / √(2π)
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        let x = saved.input(0);
        let cdf = x.mul_scalar(FRAC_1_SQRT_2)?.erf()?.add_scalar(1.0)?.mul_scalar(0.5)?;
        let density = x.square()?.mul_scalar(-0.5)?.exp()?.mul_scalar(NORMAL_PEAK)?;
        g.mul(&cdf.add(&x.mul(&density)?)?)
    }
}

/// ½ x (1 + tanh u) with u = √(2/π) (x + 0.044715 x³)
#[derive(Clone, Copy)]
struct GeluTanh;

/// The coefficient of x³ that Hendrycks and Gimpel chose.
const CUBIC: f64 = 0.044_715;

impl Unary for GeluTanh {
    const NAME: &'static str = "gelu_tanh";
    const READS: Reads = Reads::Input;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        let cut = T::from_f64(-40.0);
        let x = T::select(x.less(cut), cut, x);
        let u = T::from_f64((2.0 / PI).sqrt()) * (x + T::from_f64(CUBIC) * x * x * x);
        T::from_f64(0.5) * x * (T::ONE + u.tanh())
    }
    #[inline(always)]
    fn slope<T: Number>(self, x: T) -> T {
        let cut = T::from_f64(40.0);
        let x = T::select(x.greater(cut), cut, x);
        let x = T::select(x.less(-cut), -cut, x);
        let (c, half) = (T::from_f64((2.0 / PI).sqrt()), T::from_f64(0.5));
        let t = (c * (x + T::from_f64(CUBIC) * x * x * x)).tanh();
        let inner = c * (T::ONE + T::from_f64(3.0 * CUBIC) * x * x);
        half * (T::ONE + t) + half * x * (T::ONE - t * t) * inner
    }
    // x̄ = ȳ ½ (1 + t + x (1 - t²) u′),  u′ = √(2/π) (1 + 3 · 0.044715 x²)
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        let x = saved.input(0);
        let (c, square) = ((2.0 / PI).sqrt(), x.square()?);
        let t = x.mul(&square.mul_scalar(c * CUBIC)?.add_scalar(c)?)?.tanh()?;
        let inner = square.mul_scalar(3.0 * c * CUBIC)?.add_scalar(c)?;
        let bend = x.mul(&inner)?.mul(&t.square()?.neg()?.add_scalar(1.0)?)?;
        g.mul(&t.add_scalar(1.0)?.add(&bend)?.mul_scalar(0.5)?)
    }
}

/// max(x, 0)
#[derive(Clone, Copy)]
struct Relu;

impl Unary for Relu {
    const NAME: &'static str = "relu";
    const READS: Reads = Reads::Output;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.maximum(T::ZERO)
    }
    #[inline(always)]
    fn slope<T: Number>(self, y: T) -> T {
        T::select(y.greater(T::ZERO), T::ONE, T::ZERO)
    }
    // x̄ = ȳ where x > 0, else 0
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        let y = saved.output(0).detach();
        y.gt(y.zeros_like())?.where_(g, g.zeros_like())
    }
}

/// erf x
#[derive(Clone, Copy)]
struct Erf;

impl Unary for Erf {
    const NAME: &'static str = "erf";
    const READS: Reads = Reads::Input;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.erf()
    }
    // x̄ = ȳ 2/√π e^(-x²)
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        g.mul(&saved.input(0).square()?.neg()?.exp()?)?.mul_scalar(FRAC_2_SQRT_PI)
    }
}

/// # Functions: activations
///
/// What networks bend numbers by, and the error function that one of them is made of.
impl Tensor {
    /// The hyperbolic tangent, elementwise.
    ///
    /// # Errors
    /// For integers and booleans.
    #[track_caller]
    pub fn tanh(&self) -> Result<Tensor> {
        unary(self, Tanh)
    }

    /// 1 / (1 + e⁻ˣ), elementwise.
    ///
    /// # Errors
    /// For integers and booleans.
    #[doc(alias = "expit")]
    #[track_caller]
    pub fn sigmoid(&self) -> Result<Tensor> {
        unary(self, Sigmoid)
    }

    /// x / (1 + e⁻ˣ), elementwise; also called swish.
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Source
    /// Elfwing, Uchibe and Doya (2018).
    #[doc(alias = "swish")]
    #[doc(alias = "SiLU")]
    #[track_caller]
    pub fn silu(&self) -> Result<Tensor> {
        unary(self, Silu)
    }

    /// x Φ(x), elementwise, with Φ the distribution function of the standard normal distribution.
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Source
    /// Hendrycks and Gimpel (2016).
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let y = Tensor::scalar(1.0_f64).gelu()?.item::<f64>()?;
    /// assert!((y - 0.841_344_746_068_542_9).abs() < 1e-15);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "GELU")]
    #[track_caller]
    pub fn gelu(&self) -> Result<Tensor> {
        unary(self, Gelu)
    }

    /// ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))), elementwise: the approximation of [`gelu`](Tensor::gelu) that GPT-2 was trained
    /// with, within 5e-4 of it.
    ///
    /// # Errors
    /// For integers and booleans.
    #[doc(alias = "gelu")]
    #[track_caller]
    pub fn gelu_tanh(&self) -> Result<Tensor> {
        unary(self, GeluTanh)
    }

    /// max(x, 0), elementwise.
    ///
    /// # Gradient
    /// 0 at x = 0.
    ///
    /// # Errors
    /// For integers and booleans.
    #[doc(alias = "ReLU")]
    #[track_caller]
    pub fn relu(&self) -> Result<Tensor> {
        unary(self, Relu)
    }

    /// The error function 2/√π ∫₀ˣ e^(-t²) dt, elementwise.
    ///
    /// # Errors
    /// For integers and booleans.
    #[track_caller]
    pub fn erf(&self) -> Result<Tensor> {
        unary(self, Erf)
    }
}

/// Every formula here, recorded.
#[cfg(test)]
pub(super) fn formulas() -> Vec<super::formulas::RecordedFormula> {
    use super::formulas::unary_formulas;
    [
        unary_formulas(Tanh),
        unary_formulas(Sigmoid),
        unary_formulas(Silu),
        unary_formulas(Gelu),
        unary_formulas(GeluTanh),
        unary_formulas(Relu),
        unary_formulas(Erf),
    ]
    .concat()
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let unary = |name, f: fn(&Tensor) -> Result<Tensor>| {
        Spec::new(name, move |x| Ok(vec![f(&x[0])?]))
            .sample("matrix", vec![normal(&[3, 4])])
            .sample("empty", vec![normal(&[0, 3])])
            .orders(2)
    };
    let with = |spec: Spec, plain: fn(f64) -> f64| spec.reference(move |x| vec![x[0].iter().map(|&v| plain(v)).collect()]);
    let gelu_tanh = |v: f64| 0.5 * v * (1.0 + ((2.0 / PI).sqrt() * (v + CUBIC * v * v * v)).tanh());
    vec![
        with(unary("tanh", Tensor::tanh), f64::tanh),
        with(unary("sigmoid", Tensor::sigmoid), |v| 1.0 / (1.0 + (-v).exp())),
        with(unary("silu", Tensor::silu), |v| v / (1.0 + (-v).exp())),
        with(unary("gelu_tanh", Tensor::gelu_tanh), gelu_tanh),
        // Normal numbers do not lie within a difference quotient's step of the kink.
        with(unary("relu", Tensor::relu), |v| v.max(0.0)),
        unary("erf", Tensor::erf).property("erf is odd", |x, y| largest(&x[0].neg()?.erf()?.add(&y[0])?)),
        unary("gelu", Tensor::gelu)
            .property("gelu(x) - gelu(-x) = x", |x, y| largest(&y[0].sub(&x[0].neg()?.gelu()?)?.sub(&x[0])?)),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: tanh, sigmoid, silu, gelu_tanh, relu, erf, gelu);

#[cfg(test)]
fn largest(x: &Tensor) -> Result<f64> {
    Ok(x.to_f64_vec().unwrap().iter().fold(0.0, |m: f64, v| m.max(v.abs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinities_have_their_limits_and_slopes() {
        let ends = Tensor::from_slice(&[f64::NEG_INFINITY, f64::INFINITY], &[2]).unwrap();
        type Case = (fn(&Tensor) -> Result<Tensor>, [f64; 2], [f64; 2]);
        let cases: [Case; 6] = [
            (Tensor::tanh, [-1.0, 1.0], [0.0, 0.0]),
            (Tensor::sigmoid, [0.0, 1.0], [0.0, 0.0]),
            (Tensor::relu, [0.0, f64::INFINITY], [0.0, 1.0]),
            (Tensor::gelu, [0.0, f64::INFINITY], [0.0, 1.0]),
            (Tensor::gelu_tanh, [0.0, f64::INFINITY], [0.0, 1.0]),
            (Tensor::erf, [-1.0, 1.0], [0.0, 0.0]),
        ];
        for (f, values, slopes) in cases {
            let x = ends.requires_grad();
            let y = f(&x).unwrap();
            assert_eq!(y.to_f64_vec().unwrap(), values);
            assert_eq!(
                crate::tape::vjp(&[(&y, &y.ones_like())], &[&x], crate::tape::BackwardMode::Plain).unwrap()[0]
                    .as_ref()
                    .unwrap()
                    .to_f64_vec()
                    .unwrap(),
                slopes
            );
        }
    }
}
