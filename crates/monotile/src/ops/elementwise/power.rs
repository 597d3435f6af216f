//! Powers and roots: √x, 1/√x, 1/x, x², xᶜ and aᵇ.

use monotile_kernels::number::Number;

use super::{Binary, Reads, Unary, binary, broadcast_to, unary};
use crate::check;
use crate::door::map;
use crate::error::{Error, Result};
use crate::tape::Saved;
use crate::tensor::Tensor;
use crate::tensor::operand::{OperandValue, TensorOrNumber};
#[cfg(test)]
use crate::testing::{Spec, normal, positive};

/// √x
#[derive(Clone, Copy)]
struct Sqrt;

impl Unary for Sqrt {
    const NAME: &'static str = "sqrt";
    const READS: Reads = Reads::Output;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.sqrt()
    }
    #[inline(always)]
    fn slope<T: Number>(self, y: T) -> T {
        T::from_f64(0.5) / y
    }
    // x̄ = ȳ / 2y
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        g.mul_scalar(0.5)?.div(saved.output(0))
    }
}

/// 1 / √x
#[derive(Clone, Copy)]
struct Rsqrt;

impl Unary for Rsqrt {
    const NAME: &'static str = "rsqrt";
    const READS: Reads = Reads::Output;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        T::ONE / x.sqrt()
    }
    #[inline(always)]
    fn slope<T: Number>(self, y: T) -> T {
        T::from_f64(-0.5) * y * y * y
    }
    // x̄ = -½ y³ ȳ
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        let y = saved.output(0);
        g.mul(&y.mul(&y)?.mul(&y)?)?.mul_scalar(-0.5)
    }
}

/// 1 / x
#[derive(Clone, Copy)]
struct Recip;

impl Unary for Recip {
    const NAME: &'static str = "recip";
    const READS: Reads = Reads::Output;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        T::ONE / x
    }
    #[inline(always)]
    fn slope<T: Number>(self, y: T) -> T {
        -(y * y)
    }
    // x̄ = -y² ȳ
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        let y = saved.output(0);
        g.mul(&y.mul(&y)?)?.neg()
    }
}

/// x²
#[derive(Clone, Copy)]
struct Square;

impl Unary for Square {
    const NAME: &'static str = "square";
    const READS: Reads = Reads::Input;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x * x
    }
    // x̄ = 2 x ȳ
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        g.mul(saved.input(0))?.mul_scalar(2.0)
    }
}

/// xᶜ
#[derive(Clone, Copy)]
struct Powf(f64);

impl Unary for Powf {
    const NAME: &'static str = "powf";
    const READS: Reads = Reads::Input;
    const RANGE_CHECKED: bool = true;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.powf(T::from_f64(self.0))
    }
    // x̄ = c xᶜ⁻¹ ȳ
    fn rule(self, saved: &Saved, g: &Tensor) -> Result<Tensor> {
        g.mul(&saved.input(0).powf(self.0 - 1.0)?)?.mul_scalar(self.0)
    }
}

/// aᵇ
#[derive(Clone, Copy)]
struct Pow;

impl Binary for Pow {
    const NAME: &'static str = "pow";
    const RANGE_CHECKED: bool = true;
    #[inline(always)]
    fn apply<T: Number>(self, a: T, b: T) -> T {
        a.powf(b)
    }
    // ā = ȳ b aᵇ⁻¹,  b̄ = ȳ aᵇ ln a
    fn rule(self, saved: &Saved, g: &Tensor, operand: usize) -> Result<Tensor> {
        let (a, b) = (saved.input(0), saved.input(1));
        let zero = a.eq(0.0)?;
        if operand == 0 {
            // a⁰ is 1 at 0 too, and flat.
            let a = zero.and(&b.eq(0.0)?)?.where_(1.0, a)?;
            return g.mul(&b.mul(&a.pow(&b.add_scalar(-1.0)?)?)?);
        }
        // 0ᵇ is 0 beside every b ≥ 0 as well, where aᵇ ln a would be 0 · ∞.
        let a = zero.and(&b.ge(0.0)?)?.where_(1.0, a)?;
        g.mul(&a.pow(&b)?.mul(&a.ln()?)?)
    }
    fn keeps(self, _: usize, _: &[bool]) -> bool {
        true
    }
}

/// # Functions: powers and roots
///
/// Of numbers, or of tensors that broadcast.
impl Tensor {
    /// √x, elementwise: NaN below 0.
    ///
    /// # Errors
    /// For integers and booleans.
    #[track_caller]
    pub fn sqrt(&self) -> Result<Tensor> {
        unary(self, Sqrt)
    }

    /// 1 / √x, elementwise: ∞ at 0.
    ///
    /// # Errors
    /// For integers and booleans.
    #[track_caller]
    pub fn rsqrt(&self) -> Result<Tensor> {
        unary(self, Rsqrt)
    }

    /// 1 / x, elementwise.
    ///
    /// # Errors
    /// For integers and booleans.
    #[doc(alias = "reciprocal")]
    #[track_caller]
    pub fn recip(&self) -> Result<Tensor> {
        unary(self, Recip)
    }

    /// x², elementwise.
    ///
    /// # Errors
    /// For integers and booleans.
    #[track_caller]
    pub fn square(&self) -> Result<Tensor> {
        unary(self, Square)
    }

    /// xᶜ, elementwise: NaN where x is negative and c no integer; x⁰ is 1 for every x, as in IEEE 754.
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[1.0_f64, 4.0, 9.0], &[3])?;
    /// assert_eq!(x.powf(1.5)?.to_vec::<f64>()?, [1.0, 8.0, 27.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "power")]
    #[doc(alias = "float_power")]
    #[track_caller]
    pub fn powf(&self, c: f64) -> Result<Tensor> {
        match c {
            // x⁰ is 1 everywhere, and so its slope 0, where c xᶜ⁻¹ would be 0 · ∞; also at ±∞ and for NaN.
            0.0 => {
                let x = self.to_compute_dtype("powf")?;
                x.isfinite()?.where_(x.mul_scalar(0.0)?, 0.0)?.add_scalar(1.0)
            }
            0.5 => self.sqrt(),
            1.0 => self.to_compute_dtype("powf"),
            2.0 => self.square(),
            -1.0 => self.recip(),
            -0.5 => self.rsqrt(),
            _ => unary(self, Powf(c)),
        }
    }

    /// aᵇ, elementwise over shapes that broadcast; b may be a [number](TensorOrNumber). Integers to integers stay integers, and wrap.
    ///
    /// # Gradient
    /// With respect to the exponent for positive a, where aᵇ is smooth in b, and 0 for a = 0 and b ≥ 0. Of 0⁰ it is 0 by both, as in PyTorch.
    ///
    /// # Errors
    /// If the shapes do not broadcast, integers meet floating-point numbers, or an integer has a negative exponent.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::arange(4)?.pow(3)?.to_vec::<i64>()?, [0, 1, 8, 27]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "power")]
    #[track_caller]
    pub fn pow(&self, exponent: impl TensorOrNumber) -> Result<Tensor> {
        pow(self, exponent.value())
    }
}

#[track_caller]
fn pow(a: &Tensor, exponent: OperandValue<'_>) -> Result<Tensor> {
    if let Some(c) = exponent.beside_floats(a) {
        return a.powf(c);
    }
    let b = &*exponent.beside("pow", a.dtype())?;
    if !a.dtype().is_integer() || !b.dtype().is_integer() {
        return binary(a, b, Pow);
    }
    let shape = check::broadcast("pow", a.shape(), b.shape())?;
    match map::partial_integers(
        "pow",
        &broadcast_to(&a.widened("pow")?, &shape),
        &broadcast_to(&b.widened("pow")?, &shape),
        integer_power,
    )? {
        Some(out) => Ok(out),
        None => Err(Error::value("pow: an integer has a negative exponent; cast with to_dtype")),
    }
}

/// aᵇ modulo 2⁶⁴, by squaring; none for a negative exponent.
fn integer_power(mut a: i64, b: i64) -> Option<i64> {
    let (mut b, mut y) = (u64::try_from(b).ok()?, 1_i64);
    while b > 0 {
        if b & 1 == 1 {
            y = y.wrapping_mul(a);
        }
        (a, b) = (a.wrapping_mul(a), b >> 1);
    }
    Some(y)
}

/// Every formula here, recorded.
#[cfg(test)]
pub(super) fn formulas() -> Vec<super::formulas::RecordedFormula> {
    use super::formulas::{binary_formulas, unary_formulas};
    [
        unary_formulas(Sqrt),
        unary_formulas(Rsqrt),
        unary_formulas(Recip),
        unary_formulas(Square),
        unary_formulas(Powf(2.5)),
        binary_formulas(Pow),
    ]
    .concat()
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let unary = |name, f: fn(&Tensor) -> Result<Tensor>, plain: fn(f64) -> f64| {
        Spec::new(name, move |x| Ok(vec![f(&x[0])?]))
            .sample("matrix", vec![positive(&[3, 4])])
            .sample("empty", vec![positive(&[0])])
            .reference(move |x| vec![x[0].iter().map(|&v| plain(v)).collect()])
            .orders(2)
    };
    vec![
        unary("sqrt", Tensor::sqrt, f64::sqrt),
        unary("rsqrt", Tensor::rsqrt, |v| 1.0 / v.sqrt()),
        unary("recip", Tensor::recip, |v| 1.0 / v),
        unary("square", Tensor::square, |v| v * v),
        unary("powf 2.5", |x| x.powf(2.5), |v| v.powf(2.5)),
        unary("powf 3", |x| x.powf(3.0), |v| v * v * v).sample("negative", vec![normal(&[5])]),
        unary("powf 1", |x| x.powf(1.0)?.mul_scalar(1.0), |v| v),
        Spec::new("pow", |x| Ok(vec![x[0].pow(&x[1])?]))
            .sample("equal shapes", vec![positive(&[3]), normal(&[3])])
            .sample("broadcast", vec![positive(&[2, 1]), normal(&[3])])
            .shaped_reference(|x, s| {
                let n = if s[0] == s[1] { 3 } else { 6 };
                let at = |i: usize| if n == 3 { (i, i) } else { (i / 3, i % 3) };
                vec![(0..n).map(at).map(|(i, j)| x[0][i].powf(x[1][j])).collect()]
            })
            .orders(2),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: sqrt, rsqrt, recip, square, powf_2_5, powf_3, powf_1, pow);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_integer_powers() {
        let n = Tensor::from_slice(&[-3_i64, 0, 2, 3], &[4]).unwrap();
        let exponents = Tensor::from_slice(&[3_i64, 0, 62, 39], &[4]).unwrap();
        assert_eq!(n.pow(&exponents).unwrap().to_vec::<i64>().unwrap(), [-27, 1, 1 << 62, 4_052_555_153_018_976_267]);
        assert_eq!(n.pow(-1).err().unwrap().to_string(), "pow: an integer has a negative exponent; cast with to_dtype");
        let words = n.pow(0.5).err().unwrap().to_string();
        assert_eq!(words, "pow: 0.5 stands beside a tensor of i64; take an integer, or cast the tensor with to_dtype");
        assert_eq!(Tensor::scalar(3.0).pow(2).unwrap().item::<f64>().unwrap(), 9.0);
    }

    /// `torch.pow` of the same numbers, and its gradients.
    #[test]
    fn powers_at_zero_and_infinity_are_those_of_ieee_754_and_have_finite_slopes() {
        use crate::tape::{grad, grad_recorded};
        let x = Tensor::from([0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 2.0]).requires_grad();
        for y in [x.powf(0.0), x.powf(-0.0), x.pow(0.0)].map(Result::unwrap) {
            assert_eq!(y.to_vec::<f64>().unwrap(), [1.0; 5]);
            assert_eq!(grad(&y.sum(.., false).unwrap(), [&x]).unwrap()[0].to_vec::<f64>().unwrap(), [0.0; 5]);
        }
        let a = Tensor::from([0.0, 0.0, 0.0, -0.0, 2.0]).requires_grad();
        let b = Tensor::from([0.0, 2.0, 1000.0, 3.0, 0.0]).requires_grad();
        let g = grad_recorded(&a.pow(&b).unwrap().sum(.., false).unwrap(), [&a, &b]).unwrap();
        assert_eq!(g[0].to_vec::<f64>().unwrap(), [0.0; 5]);
        assert_eq!(g[1].to_vec::<f64>().unwrap(), [0.0, 0.0, 0.0, 0.0, 2.0_f64.ln()]);
        let second = grad(&g[0].add(&g[1]).unwrap().sum(.., false).unwrap(), [&a, &b]).unwrap();
        assert!(second.iter().all(|x| x.to_vec::<f64>().unwrap().iter().all(|x| x.is_finite())));
        // Below 0 the exponent has no slope, and a pole stays one.
        let a = Tensor::from([-2.0, 0.0]).requires_grad();
        let y = a.pow(Tensor::from([2.0, -1.0])).unwrap();
        assert_eq!(grad(&y.sum(.., false).unwrap(), [&a]).unwrap()[0].to_vec::<f64>().unwrap(), [-4.0, f64::NEG_INFINITY]);
    }

    #[test]
    fn the_zeroth_power_has_slope_zero_at_zero() {
        let x = Tensor::scalar(0.0_f64).requires_grad();
        let y = x.powf(0.0).unwrap();
        assert_eq!(y.item::<f64>().unwrap(), 1.0);
        assert_eq!(y.backward().unwrap().get(&x).unwrap().item::<f64>().unwrap(), 0.0);
    }
}
