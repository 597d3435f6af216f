//! The rectifiers of neural networks beside relu: softplus, elu, leaky relu, mish, hardtanh, and the logarithm of the sigmoid.

use monotile_kernels::number::Number;

use super::{Reads, Unary, unary};
#[cfg(test)]
use super::{each, unary_spec};
use crate::error::{Error, Result};
use crate::tape::Saved;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// ln(1 + eˣ), which is never ∞ before x is.
#[inline(always)]
fn softplus<T: Number>(x: T) -> T {
    x.maximum(T::ZERO) + (-x.abs()).exp().log1p()
}

/// ln(1 + e^(βx)) / β
#[derive(Clone, Copy)]
struct Softplus {
    beta: f64,
}

impl Unary for Softplus {
    const NAME: &'static str = "softplus";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        let beta = T::from_f64(self.beta);
        softplus(beta * x) / beta
    }
    #[inline(always)]
    fn slope<T: Number>(self, x: T) -> T {
        (T::from_f64(self.beta) * x).sigmoid()
    }
}

/// ln σ(x)
#[derive(Clone, Copy)]
struct LogSigmoid;

impl Unary for LogSigmoid {
    const NAME: &'static str = "logsigmoid";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        -softplus(-x)
    }
    #[inline(always)]
    fn slope<T: Number>(self, x: T) -> T {
        (-x).sigmoid()
    }
}

/// x above 0, else α (eˣ - 1)
#[derive(Clone, Copy)]
struct Elu {
    alpha: f64,
}

impl Unary for Elu {
    const NAME: &'static str = "elu";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        // No exponential of what is above 0, which could be ∞.
        let below = T::select(x.greater(T::ZERO), T::ZERO, x);
        T::select(x.greater(T::ZERO), x, T::from_f64(self.alpha) * below.expm1())
    }
    #[inline(always)]
    fn slope<T: Number>(self, x: T) -> T {
        let below = T::select(x.greater(T::ZERO), T::ZERO, x);
        T::select(x.greater(T::ZERO), T::ONE, T::from_f64(self.alpha) * below.exp())
    }
}

/// x above 0, else s x
#[derive(Clone, Copy)]
struct LeakyRelu {
    negative_slope: f64,
}

impl Unary for LeakyRelu {
    const NAME: &'static str = "leaky_relu";
    const READS: Reads = Reads::Input;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        T::select(x.greater(T::ZERO), x, T::from_f64(self.negative_slope) * x)
    }
    #[inline(always)]
    fn slope<T: Number>(self, x: T) -> T {
        T::select(x.greater(T::ZERO), T::ONE, T::from_f64(self.negative_slope))
    }
}

/// x between two bounds
#[derive(Clone, Copy)]
struct Hardtanh {
    low: f64,
    high: f64,
}

impl Unary for Hardtanh {
    const NAME: &'static str = "hardtanh";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.maximum(T::from_f64(self.low)).minimum(T::from_f64(self.high))
    }
    #[inline(always)]
    fn slope<T: Number>(self, x: T) -> T {
        let outside = x.less_or_equal(T::from_f64(self.low)) | x.greater_or_equal(T::from_f64(self.high));
        T::select(outside, T::ZERO, T::ONE)
    }
}

/// tanh(ln(1 + eˣ)) = n / (n + 2) with n = eˣ (eˣ + 2).
#[inline(always)]
fn gate<T: Number>(x: T) -> T {
    // From 20 on this is 1 in every digit.
    let e = x.minimum(T::from_f64(20.0)).exp();
    let n = e * (e + T::from_f64(2.0));
    n / (n + T::from_f64(2.0))
}

/// x tanh(ln(1 + eˣ))
#[derive(Clone, Copy)]
struct Mish;

impl Unary for Mish {
    const NAME: &'static str = "mish";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        // Cut where the result is 0, as -∞ · 0 would be NaN.
        let x = x.maximum(T::from_f64(-1000.0));
        x * gate(x)
    }
    // t + x σ(x) (1 - t²) with t = tanh(ln(1 + eˣ))
    #[inline(always)]
    fn slope<T: Number>(self, x: T) -> T {
        let inside = x.maximum(T::from_f64(-1000.0)).minimum(T::from_f64(1000.0));
        let t = gate(inside);
        t + inside * inside.sigmoid() * ((T::ONE - t) * (T::ONE + t))
    }
    // The same.
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        let x = saved.input(0);
        let t = x.softplus(1.0)?.tanh()?;
        let rest = t.square()?.neg()?.add_scalar(1.0)?;
        g.mul(&t.add(&x.silu()?.mul(&rest)?)?)
    }
}

/// # Functions: more activations
///
/// Those that have a parameter, or are seldom used.
impl Tensor {
    /// ln(1 + e^(βx)) / β, elementwise: smooth where relu has its kink. It needs no threshold against overflow.
    ///
    /// # Gradient
    /// x̄ = ȳ σ(βx)
    ///
    /// # Errors
    /// If β is not above 0 and finite, or for integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[0.0, 1000.0], &[2])?;
    /// assert_eq!(x.softplus(1.0)?.to_vec::<f64>()?, [2.0_f64.ln(), 1000.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "Softplus")]
    #[track_caller]
    pub fn softplus(&self, beta: f64) -> Result<Tensor> {
        if !(beta > 0.0 && beta.is_finite()) {
            return Err(Error::value(format!("softplus: beta must be a positive finite number, got {beta:?}")));
        }
        unary(self, Softplus { beta })
    }

    /// ln σ(x), elementwise, with all digits in both tails.
    ///
    /// # Gradient
    /// x̄ = ȳ σ(-x)
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::scalar(-1000.0_f64).logsigmoid()?.item::<f64>()?, -1000.0);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "log_sigmoid")]
    #[track_caller]
    pub fn logsigmoid(&self) -> Result<Tensor> {
        unary(self, LogSigmoid)
    }

    /// x above 0, else α (eˣ - 1), elementwise.
    ///
    /// # Gradient
    /// x̄ = ȳ above 0, else ȳ α eˣ.
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Source
    /// Clevert, Unterthiner and Hochreiter (2016).
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[-1000.0, 2.0], &[2])?;
    /// assert_eq!(x.elu(1.0)?.to_vec::<f64>()?, [-1.0, 2.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "ELU")]
    #[track_caller]
    pub fn elu(&self, alpha: f64) -> Result<Tensor> {
        unary(self, Elu { alpha })
    }

    /// x above 0, else `negative_slope` x, elementwise. PyTorch's default is 0.01.
    ///
    /// # Gradient
    /// x̄ = ȳ above 0, else ȳ `negative_slope`.
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[-2.0, 2.0], &[2])?;
    /// assert_eq!(x.leaky_relu(0.25)?.to_vec::<f64>()?, [-0.5, 2.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "LeakyReLU")]
    #[track_caller]
    pub fn leaky_relu(&self, negative_slope: f64) -> Result<Tensor> {
        unary(self, LeakyRelu { negative_slope })
    }

    /// x between `low` and `high`, elementwise. PyTorch's defaults are -1 and 1.
    ///
    /// # Gradient
    /// x̄ = ȳ where low < x < high, else 0. ([`clamp`](Tensor::clamp) has ȳ at the bounds.)
    ///
    /// # Errors
    /// If the lower bound is above the upper one, or for integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[-2.0, 0.5, 2.0], &[3])?;
    /// assert_eq!(x.hardtanh(-1.0, 1.0)?.to_vec::<f64>()?, [-1.0, 0.5, 1.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "Hardtanh")]
    #[track_caller]
    pub fn hardtanh(&self, low: f64, high: f64) -> Result<Tensor> {
        if !(low <= high) {
            return Err(Error::value(format!("hardtanh: the lower bound {low:?} is above the upper bound {high:?}")));
        }
        unary(self, Hardtanh { low, high })
    }

    /// x tanh(ln(1 + eˣ)), elementwise; -0 at -∞.
    ///
    /// # Gradient
    /// x̄ = ȳ (t + x σ(x) (1 - t²)) with t = tanh(ln(1 + eˣ)).
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Source
    /// Misra (2020).
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let y = Tensor::scalar(1.0_f64).mish()?.item::<f64>()?;
    /// assert!((y - 0.865_098_388_267_3).abs() < 1e-12);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "Mish")]
    #[track_caller]
    pub fn mish(&self) -> Result<Tensor> {
        unary(self, Mish)
    }
}

/// Every formula here, recorded.
#[cfg(test)]
pub(super) fn formulas() -> Vec<super::formulas::RecordedFormula> {
    use super::formulas::unary_formulas;
    [
        unary_formulas(Softplus { beta: 1.5 }),
        unary_formulas(LogSigmoid),
        unary_formulas(Elu { alpha: 0.7 }),
        unary_formulas(LeakyRelu { negative_slope: 0.01 }),
        unary_formulas(Hardtanh { low: -1.0, high: 1.0 }),
        unary_formulas(Mish),
    ]
    .concat()
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    // Normal numbers do not lie within a difference quotient's step of a kink.
    let unary = |name, f, plain: fn(f64) -> f64| unary_spec(name, f, normal).reference(each(plain));
    let plain_softplus = |v: f64| v.exp().ln_1p();
    vec![
        unary("softplus", |x| x.softplus(1.0), plain_softplus),
        unary("softplus", |x| x.softplus(2.5), |v| (2.5 * v).exp().ln_1p() / 2.5),
        unary("logsigmoid", |x| x.logsigmoid(), |v| -(-v).exp().ln_1p()),
        unary("elu", |x| x.elu(0.7), |v| if v > 0.0 { v } else { 0.7 * v.exp_m1() }),
        unary("leaky_relu", |x| x.leaky_relu(0.01), |v| if v > 0.0 { v } else { 0.01 * v }),
        unary("hardtanh", |x| x.hardtanh(-0.5, 0.7), |v| v.clamp(-0.5, 0.7)),
        unary("mish", |x| x.mish(), |v| v * v.exp().ln_1p().tanh()),
        Spec::new("softplus", |x| Ok(vec![x[0].softplus(0.0)?]))
            .refuses(vec![normal(&[2])], "softplus: beta must be a positive finite number, got 0.0"),
        Spec::new("hardtanh", |x| Ok(vec![x[0].hardtanh(1.0, 0.0)?]))
            .refuses(vec![normal(&[2])], "hardtanh: the lower bound 1.0 is above the upper bound 0.0"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: softplus, logsigmoid, elu, leaky_relu, hardtanh, mish);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_out_are_limits_and_their_slopes() {
        type Case = (fn(&Tensor) -> Result<Tensor>, [f64; 4], [f64; 4]);
        let inf = f64::INFINITY;
        let cases: [Case; 6] = [
            (|x| x.softplus(1.0), [0.0, 0.0, 1e6, inf], [0.0, 0.0, 1.0, 1.0]),
            (Tensor::logsigmoid, [-inf, -1e6, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]),
            (|x| x.elu(2.0), [-2.0, -2.0, 1e6, inf], [0.0, 0.0, 1.0, 1.0]),
            (|x| x.leaky_relu(0.5), [-inf, -5e5, 1e6, inf], [0.5, 0.5, 1.0, 1.0]),
            (|x| x.hardtanh(-1.0, 3.0), [-1.0, -1.0, 3.0, 3.0], [0.0; 4]),
            (Tensor::mish, [0.0, 0.0, 1e6, inf], [0.0, 0.0, 1.0, 1.0]),
        ];
        for (i, (f, values, slopes)) in cases.into_iter().enumerate() {
            let x = Tensor::from_slice(&[-inf, -1e6, 1e6, inf], &[4]).unwrap().requires_grad();
            let y = f(&x).unwrap();
            assert_eq!(y.to_vec::<f64>().unwrap(), values, "{i}");
            let ones = Tensor::ones(&[4], crate::tensor::DType::F64).unwrap();
            let pulled = crate::tape::vjp(&[(&y, &ones)], &[&x], crate::tape::BackwardMode::Plain).unwrap();
            assert_eq!(pulled[0].as_ref().unwrap().to_vec::<f64>().unwrap(), slopes, "{i}");
        }
    }

    #[test]
    fn kinks_have_the_slopes_of_pytorch() {
        // x = torch.tensor([-1., 0, 1], requires_grad=True); F.hardtanh(x).sum().backward(), and so on
        type Case = (fn(&Tensor) -> Result<Tensor>, [f32; 3]);
        let cases: [Case; 3] = [
            (|x| x.hardtanh(-1.0, 1.0), [0.0, 1.0, 0.0]),
            (|x| x.leaky_relu(0.25), [0.25, 0.25, 1.0]),
            (|x| x.elu(0.0), [0.0, 0.0, 1.0]),
        ];
        for (f, slopes) in cases {
            let x = Tensor::from_slice(&[-1.0_f32, 0.0, 1.0], &[3]).unwrap().requires_grad();
            let gradients = f(&x).unwrap().sum(&[], false).unwrap().backward().unwrap();
            assert_eq!(gradients.get(&x).unwrap().to_vec::<f32>().unwrap(), slopes);
        }
    }
}
