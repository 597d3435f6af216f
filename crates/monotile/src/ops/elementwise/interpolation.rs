//! Linear interpolation, and a product or a quotient added.

use monotile_kernels::number::{Formula, Number};

use crate::error::Result;
use crate::ops::map::named;
use crate::tensor::Tensor;
use crate::tensor::operand::TensorOrNumber;
#[cfg(test)]
use crate::testing::{Spec, normal, positive, uniform};

/// a + w (b - a)
#[derive(Clone, Copy)]
struct Lerp;

impl Formula<3> for Lerp {
    const RANGE_CHECKED: bool = false;
    const COMPILED: bool = false;
    // From the nearer end, so that both ends are exact.
    #[inline(always)]
    fn apply<T: Number>(self, [a, b, w]: [T; 3]) -> T {
        let apart = b - a;
        T::select(w.abs().less(T::from_f64(0.5)), a + w * apart, b - (T::ONE - w) * apart)
    }
}

/// x + value a b
#[derive(Clone, Copy)]
struct Addcmul {
    value: f64,
}

impl Formula<3> for Addcmul {
    const RANGE_CHECKED: bool = false;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, [x, a, b]: [T; 3]) -> T {
        x + T::from_f64(self.value) * a * b
    }
}

/// x + value a / b
#[derive(Clone, Copy)]
struct Addcdiv {
    value: f64,
}

impl Formula<3> for Addcdiv {
    const RANGE_CHECKED: bool = false;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, [x, a, b]: [T; 3]) -> T {
        x + T::from_f64(self.value) * (a / b)
    }
}

/// # Functions: interpolation
///
/// Of tensors that broadcast.
impl Tensor {
    /// a + w (b - a), elementwise over shapes that broadcast: a where w = 0, b where w = 1.
    ///
    /// # Gradient
    /// ā = ȳ (1 - w), b̄ = ȳ w, w̄ = ȳ (b - a)
    ///
    /// # Errors
    /// If the shapes do not broadcast, or for integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let (a, b) = (Tensor::scalar(1.0_f64), Tensor::scalar(3.0_f64));
    /// assert_eq!(a.lerp(&b, 0.25)?.item::<f64>()?, 1.5);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "mix")]
    #[track_caller]
    pub fn lerp(&self, end: &Tensor, weight: impl TensorOrNumber) -> Result<Tensor> {
        named("lerp", [self, end, &*weight.value().beside("lerp", self.dtype())?], Lerp)
    }

    /// x + value a b, elementwise over shapes that broadcast, in one pass.
    ///
    /// # Gradient
    /// x̄ = ȳ, ā = ȳ value b, b̄ = ȳ value a
    ///
    /// # Errors
    /// If the shapes do not broadcast, or for integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[1.0, 2.0], &[2])?;
    /// assert_eq!(x.addcmul(&x, &x, 10.0)?.to_vec::<f64>()?, [11.0, 42.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn addcmul(&self, a: &Tensor, b: &Tensor, value: f64) -> Result<Tensor> {
        named("addcmul", [self, a, b], Addcmul { value })
    }

    /// x + value a / b, elementwise over shapes that broadcast, in one pass.
    ///
    /// # Gradient
    /// x̄ = ȳ, ā = ȳ value / b, b̄ = -ȳ value a / b²
    ///
    /// # Errors
    /// If the shapes do not broadcast, or for integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from([1.0, 2.0]);
    /// assert_eq!(x.addcdiv(&x, &Tensor::scalar(4.0), 2.0)?.to_vec::<f64>()?, [1.5, 3.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn addcdiv(&self, a: &Tensor, b: &Tensor, value: f64) -> Result<Tensor> {
        named("addcdiv", [self, a, b], Addcdiv { value })
    }
}

/// Every formula here, recorded.
#[cfg(test)]
pub(super) fn formulas() -> Vec<super::formulas::RecordedFormula> {
    use monotile_kernels::number::record;
    vec![
        ("lerp".to_string(), record(|x| Lerp.apply(x))),
        ("addcmul".to_string(), record(|x| Addcmul { value: 0.5 }.apply(x))),
        ("addcdiv".to_string(), record(|x| Addcdiv { value: 0.5 }.apply(x))),
    ]
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    vec![
        Spec::new("lerp", |x| Ok(vec![x[0].lerp(&x[1], &x[2])?]))
            .sample("matrix, row and column", vec![normal(&[3, 4]), normal(&[4]), uniform(&[3, 1], -0.4, 1.4)])
            .sample("empty", vec![normal(&[0, 4]), normal(&[4]), normal(&[])])
            .reference(|x| vec![x[0].iter().enumerate().map(|(i, a)| a + x[2][i / 4] * (x[1][i % 4] - a)).collect()])
            .orders(2)
            .refuses(
                vec![normal(&[2]), normal(&[3]), normal(&[])],
                "lerp: shapes [2] and [3] do not broadcast; sizes must be equal or 1, from the last",
            ),
        Spec::new("lerp", |x| Ok(vec![x[0].lerp(&x[1], 0.75)?]))
            .sample("rows", vec![normal(&[4]), normal(&[4])])
            .reference(|x| vec![x[0].iter().zip(&x[1]).map(|(a, b)| 0.25 * a + 0.75 * b).collect()])
            .orders(2),
        Spec::new("addcmul", |x| Ok(vec![x[0].addcmul(&x[1], &x[2], -0.5)?]))
            .sample("matrix, row and column", vec![normal(&[3, 4]), normal(&[4]), normal(&[3, 1])])
            .sample("empty", vec![normal(&[0, 4]), normal(&[4]), normal(&[])])
            .reference(|x| vec![x[0].iter().enumerate().map(|(i, v)| v - 0.5 * x[1][i % 4] * x[2][i / 4]).collect()])
            .orders(2)
            .refuses(
                vec![normal(&[2]), normal(&[3]), normal(&[])],
                "addcmul: shapes [2] and [3] do not broadcast; sizes must be equal or 1, from the last",
            ),
        Spec::new("addcdiv", |x| Ok(vec![x[0].addcdiv(&x[1], &x[2], -0.5)?]))
            .sample("matrix, row and column", vec![normal(&[3, 4]), normal(&[4]), positive(&[3, 1])])
            .sample("empty", vec![normal(&[0, 4]), normal(&[4]), positive(&[])])
            .reference(|x| vec![x[0].iter().enumerate().map(|(i, v)| v - 0.5 * (x[1][i % 4] / x[2][i / 4])).collect()])
            .orders(2)
            .refuses(
                vec![normal(&[2]), normal(&[3]), normal(&[])],
                "addcdiv: shapes [2] and [3] do not broadcast; sizes must be equal or 1, from the last",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: lerp, addcmul, addcdiv);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_exact() {
        let (a, b) = (Tensor::scalar(1e10_f32), Tensor::scalar(0.1_f32));
        assert_eq!(a.lerp(&b, 1.0).unwrap().item::<f32>().unwrap(), 0.1);
        assert_eq!(a.lerp(&b, 0.0).unwrap().item::<f32>().unwrap(), 1e10);
    }
}
