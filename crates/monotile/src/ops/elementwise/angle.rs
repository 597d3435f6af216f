//! The tangent, angles from ratios, and the hypotenuse.

use monotile_kernels::number::{Formula, Number};

use super::{Reads, Unary, unary};
#[cfg(test)]
use super::{each, unary_spec};
use crate::error::Result;
use crate::ops::map::named;
use crate::tensor::Tensor;
use crate::tensor::operand::TensorOrNumber;
#[cfg(test)]
use crate::testing::{Spec, normal, uniform};

/// tan x
#[derive(Clone, Copy)]
struct Tan;

impl Unary for Tan {
    const NAME: &'static str = "tan";
    const READS: Reads = Reads::Output;
    const RANGE_CHECKED: bool = true;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.tan()
    }
    #[inline(always)]
    fn slope<T: Number>(self, y: T) -> T {
        T::ONE + y * y
    }
}

/// arcsin x
#[derive(Clone, Copy)]
struct Asin;

impl Unary for Asin {
    const NAME: &'static str = "asin";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.asin()
    }
}

/// arccos x
#[derive(Clone, Copy)]
struct Acos;

impl Unary for Acos {
    const NAME: &'static str = "acos";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.acos()
    }
}

/// arctan x
#[derive(Clone, Copy)]
struct Atan;

impl Unary for Atan {
    const NAME: &'static str = "atan";
    const READS: Reads = Reads::Input;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, x: T) -> T {
        x.atan()
    }
}

/// The angle of the point (x, y).
#[derive(Clone, Copy)]
struct Atan2;

impl Formula<2> for Atan2 {
    const RANGE_CHECKED: bool = false;
    const COMPILED: bool = false;
    #[inline(always)]
    fn apply<T: Number>(self, [y, x]: [T; 2]) -> T {
        y.atan2(x)
    }
}

/// √(a² + b²)
#[derive(Clone, Copy)]
struct Hypot;

impl Formula<2> for Hypot {
    const RANGE_CHECKED: bool = false;
    const COMPILED: bool = false;
    // By the larger one, so that no square is infinite, nor 0 where the result is none.
    #[inline(always)]
    fn apply<T: Number>(self, [a, b]: [T; 2]) -> T {
        let (a, b) = (a.abs(), b.abs());
        let infinity = T::from_f64(f64::INFINITY);
        let (large, small) = (a.maximum(b), a.minimum(b));
        let ratio = small / T::select(large.equal(T::ZERO), T::ONE, large);
        let y = large * (T::ONE + ratio * ratio).sqrt();
        T::select(a.equal(infinity) | b.equal(infinity), infinity, y)
    }
}

/// # Functions: angles
///
/// The tangent, inverse functions, and what rectangles say of angles.
impl Tensor {
    /// tan x of radians, elementwise.
    ///
    /// # Gradient
    /// x̄ = ȳ (1 + y²)
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert!((Tensor::scalar(0.25 * std::f64::consts::PI).tan()?.item::<f64>()? - 1.0).abs() < 1e-15);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn tan(&self) -> Result<Tensor> {
        unary(self, Tan)
    }

    /// arcsin x, elementwise: from -π/2 to π/2; NaN beyond ±1.
    ///
    /// # Gradient
    /// x̄ = ȳ / √(1 - x²)
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::scalar(1.0_f64).asin()?.item::<f64>()?, std::f64::consts::FRAC_PI_2);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "arcsin")]
    #[track_caller]
    pub fn asin(&self) -> Result<Tensor> {
        unary(self, Asin)
    }

    /// arccos x, elementwise: from 0 to π; NaN beyond ±1.
    ///
    /// # Gradient
    /// x̄ = -ȳ / √(1 - x²)
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::scalar(-1.0_f64).acos()?.item::<f64>()?, std::f64::consts::PI);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "arccos")]
    #[track_caller]
    pub fn acos(&self) -> Result<Tensor> {
        unary(self, Acos)
    }

    /// arctan x, elementwise: from -π/2 to π/2.
    ///
    /// # Gradient
    /// x̄ = ȳ / (1 + x²)
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::scalar(1.0_f64).atan()?.item::<f64>()?, std::f64::consts::FRAC_PI_4);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "arctan")]
    #[track_caller]
    pub fn atan(&self) -> Result<Tensor> {
        unary(self, Atan)
    }

    /// The angle of the point (x, y), y this tensor, elementwise over shapes that broadcast: from -π to π.
    ///
    /// Signs of zeros count, as in IEEE 754: y = 0 and x = -0 give π.
    ///
    /// # Gradient
    /// ȳ' = ȳ x / (x² + y²), x̄ = -ȳ y / (x² + y²); NaN at the origin.
    ///
    /// # Errors
    /// If the shapes do not broadcast, or for integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let (y, x) = (Tensor::scalar(1.0_f64), Tensor::scalar(-1.0_f64));
    /// assert_eq!(y.atan2(&x)?.item::<f64>()?, 0.75 * std::f64::consts::PI);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "arctan2")]
    #[track_caller]
    pub fn atan2(&self, x: impl TensorOrNumber) -> Result<Tensor> {
        named("atan2", [self, &*x.value().beside("atan2", self.dtype())?], Atan2)
    }

    /// √(a² + b²), elementwise over shapes that broadcast, without overflow on the way. ∞ where either is infinite.
    ///
    /// # Gradient
    /// ā = ȳ a / y, b̄ = ȳ b / y; 0 where both are 0.
    ///
    /// # Errors
    /// If the shapes do not broadcast, or for integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let y = Tensor::scalar(3e200_f64).hypot(4e200)?.item::<f64>()?;
    /// assert!((y / 5e200 - 1.0).abs() < 1e-15);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn hypot(&self, other: impl TensorOrNumber) -> Result<Tensor> {
        named("hypot", [self, &*other.value().beside("hypot", self.dtype())?], Hypot)
    }

    /// Degrees of radians, elementwise: x 180 / π.
    ///
    /// # Errors
    /// For integers and booleans.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::scalar(std::f64::consts::PI);
    /// assert_eq!(x.rad2deg()?.item::<f64>()?, 180.0);
    /// assert_eq!(x.rad2deg()?.deg2rad()?.item::<f64>()?, std::f64::consts::PI);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "degrees")]
    #[doc(alias = "to_degrees")]
    #[track_caller]
    pub fn rad2deg(&self) -> Result<Tensor> {
        self.to_compute_dtype("rad2deg")?.mul_scalar(1.0_f64.to_degrees())
    }

    /// Radians of degrees, elementwise: x π / 180.
    ///
    /// # Errors
    /// For integers and booleans.
    #[doc(alias = "radians")]
    #[doc(alias = "to_radians")]
    #[track_caller]
    pub fn deg2rad(&self) -> Result<Tensor> {
        self.to_compute_dtype("deg2rad")?.mul_scalar(1.0_f64.to_radians())
    }
}

/// Every formula here, recorded.
#[cfg(test)]
pub(super) fn formulas() -> Vec<super::formulas::RecordedFormula> {
    use super::formulas::unary_formulas;
    use monotile_kernels::number::record;
    let of_two = vec![("atan2".to_string(), record(|x| Atan2.apply(x))), ("hypot".to_string(), record(|x| Hypot.apply(x)))];
    [unary_formulas(Tan), unary_formulas(Asin), unary_formulas(Acos), unary_formulas(Atan), of_two].concat()
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    // Where the slopes are no larger than 3.
    let unary = |name, f, plain: fn(f64) -> f64| unary_spec(name, f, |shape| uniform(shape, -0.9, 0.9)).reference(each(plain));
    let pair = |name, f: fn(&Tensor, &Tensor) -> Result<Tensor>, plain: fn(f64, f64) -> f64| {
        // Far enough from the origin for difference quotients.
        let from = |shape: &[usize]| normal(shape).add(normal(shape).sign().unwrap()).unwrap();
        Spec::new(name, move |x| Ok(vec![f(&x[0], &x[1])?]))
            .sample("row and column", vec![from(&[3, 1]), from(&[4])])
            .sample("empty", vec![from(&[0, 1]), from(&[4])])
            .reference(move |x| vec![x[0].iter().flat_map(|a| x[1].iter().map(|b| plain(*a, *b))).collect()])
            .orders(2)
            .refuses(
                vec![normal(&[2]), normal(&[3])],
                format!("{name}: shapes [2] and [3] do not broadcast; sizes must be equal or 1, from the last"),
            )
    };
    vec![
        unary("tan", |x| x.tan(), f64::tan),
        unary("asin", |x| x.asin(), f64::asin),
        unary("acos", |x| x.acos(), f64::acos),
        unary("atan", |x| x.atan(), f64::atan),
        unary("rad2deg", |x| x.rad2deg(), f64::to_degrees),
        unary("deg2rad", |x| x.deg2rad(), f64::to_radians),
        pair("atan2", |a, b| a.atan2(b), f64::atan2),
        pair("hypot", |a, b| a.hypot(b), f64::hypot),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: tan, asin, acos, atan, rad2deg, deg2rad, atan2, hypot);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn angles_far_out_are_the_systems() {
        let x = Tensor::from_slice(&[1e9_f32, f32::INFINITY, -3e6], &[3]).unwrap();
        let y = x.tan().unwrap().to_vec::<f32>().unwrap();
        assert!((y[0] - 1e9_f32.tan()).abs() < 1e-6 && y[1].is_nan() && (y[2] + 3e6_f32.tan()).abs() < 1e-6, "{y:?}");
    }

    #[test]
    fn hypotenuses_at_the_ends_have_values_and_gradients() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let a = Tensor::from_slice(&[0.0, inf, nan, 3e-300, -0.0], &[5]).unwrap().requires_grad();
        let b = Tensor::from_slice(&[0.0, nan, 1.0, 4e-300, 2.0], &[5]).unwrap();
        let y = a.hypot(&b).unwrap();
        // torch.hypot(a, b)
        let values = y.to_vec::<f64>().unwrap();
        assert!(values[..2] == [0.0, inf] && values[2].is_nan() && (values[3] - 5e-300).abs() < 1e-315 && values[4] == 2.0);
        let gradients = y.sum(&[], false).unwrap().backward().unwrap();
        let gradient = gradients.get(&a).unwrap().to_vec::<f64>().unwrap();
        assert!(gradient[0] == 0.0 && (gradient[3] - 0.6).abs() < 1e-15 && gradient[4] == 0.0, "{gradient:?}");
    }
}
