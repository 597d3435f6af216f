//! Casts between element types.

use crate::door;
use crate::error::Result;
use crate::tape::{Gradient, Saved};
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Convert: the type of elements
///
/// One function for all pairs of types.
impl Tensor {
    /// The same numbers in another element type, rounded to the nearest; a number becomes `true` unless it is 0, and
    /// floating-point numbers become integers by dropping their fraction. What an integer type does not hold becomes the nearest number that it
    /// holds, and NaN 0: 300 is 255 as u8, and -1 is 0.
    ///
    /// # Gradient
    /// The cotangent, cast to the type that arithmetic on this tensor uses.
    #[doc(alias = "astype")]
    #[doc(alias = "to")]
    #[doc(alias = "float")]
    #[doc(alias = "double")]
    #[doc(alias = "long")]
    #[doc(alias = "type_as")]
    #[track_caller]
    pub fn to_dtype(&self, dtype: DType) -> Result<Tensor> {
        if dtype == self.dtype() {
            return Ok(self.clone());
        }
        let out = door::map::cast("to_dtype", self, dtype)?;
        Ok(if dtype.is_float() { Tensor::record(out, &[self], Cast) } else { out })
    }
}

struct Cast;

impl Gradient for Cast {
    fn name(&self) -> &'static str {
        "to_dtype"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let g = cotangents[0].as_ref().map(|g| g.to_dtype(saved.input_dtype(0).compute()));
        Ok(vec![g.transpose()?])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    vec![
        Spec::new("to_dtype", |x| Ok(vec![x[0].to_dtype(DType::F64)?]))
            .sample("matrix", vec![normal(&[3, 4])])
            .sample("empty", vec![normal(&[0, 2])])
            .reference(|x| vec![x[0].clone()])
            .orders(2),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: to_dtype);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn casts_round_to_nearest_and_truncate_to_integers() {
        let x = Tensor::from_slice(&[1.0 + 2f64.powi(-30), -2.75, 0.0, 3.99], &[4]).unwrap();
        assert_eq!(x.to_dtype(DType::F32).unwrap().to_vec::<f32>().unwrap(), [1.0, -2.75, 0.0, 3.99]);
        assert_eq!(x.to_dtype(DType::I64).unwrap().to_vec::<i64>().unwrap(), [1, -2, 0, 3]);
        assert_eq!(x.to_dtype(DType::Bool).unwrap().to_vec::<bool>().unwrap(), [true, true, false, true]);
        assert_eq!(x.to_dtype(DType::BF16).unwrap().to_f64_vec().unwrap(), [1.0, -2.75, 0.0, 3.984375]);
    }

    /// Each type from and to each, where every number, or the nearest that it has, is one of the other.
    #[test]
    fn what_an_integer_type_does_not_hold_becomes_the_nearest_that_it_holds() {
        let numbers = [-3e9, -300.0, -1.5, 0.0, 1.0, 254.9, 300.0, 3e9, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
        let x = Tensor::from(numbers);
        let cut = |low: f64, high: f64| numbers.map(|x| if x.is_nan() { 0.0 } else { x.trunc().clamp(low, high) });
        for wide in [DType::F64, DType::F32, DType::BF16, DType::F16] {
            let given = x.to_dtype(wide).unwrap();
            let expected = |low, high| {
                let cut = |x: f64| if x.is_nan() { 0.0 } else { x.trunc().clamp(low, high) };
                given.to_f64_vec().unwrap().into_iter().map(cut).collect::<Vec<_>>()
            };
            let cast = |dtype| given.to_dtype(dtype).unwrap().to_f64_vec().unwrap();
            assert_eq!(cast(DType::U8), expected(0.0, 255.0), "{wide}");
            assert_eq!(cast(DType::I32), expected(-2_147_483_648.0, 2_147_483_647.0), "{wide}");
        }
        let whole = x.to_dtype(DType::I64).unwrap();
        assert_eq!(whole.to_dtype(DType::U8).unwrap().to_f64_vec().unwrap(), cut(0.0, 255.0));
        assert_eq!(whole.to_dtype(DType::I32).unwrap().to_f64_vec().unwrap(), cut(-2_147_483_648.0, 2_147_483_647.0));
        assert_eq!(Tensor::scalar(i64::MIN).to_dtype(DType::I32).unwrap().item::<i32>().unwrap(), i32::MIN);
    }

    #[test]
    fn small_integers_are_the_same_numbers_in_every_type() {
        let x = Tensor::from([0_u8, 1, 7, 128, 255]);
        for through in DType::ALL.into_iter().filter(|&dtype| dtype != DType::Bool) {
            for to in DType::ALL {
                let y = x.to_dtype(through).unwrap().to_dtype(to).unwrap();
                let expected: Vec<f64> =
                    [0.0, 1.0, 7.0, 128.0, 255.0].map(|x: f64| if to == DType::Bool { x.min(1.0) } else { x }).into();
                assert_eq!((y.dtype(), y.to_f64_vec().unwrap()), (to, expected), "{through} to {to}");
            }
        }
        let truths = Tensor::from([true, false]);
        assert_eq!(truths.to_dtype(DType::U8).unwrap().to_vec::<u8>().unwrap(), [1, 0]);
        assert_eq!(truths.to_dtype(DType::I32).unwrap().to_vec::<i32>().unwrap(), [1, 0]);
    }

    #[test]
    fn what_lies_beside_a_tie_is_no_tie() {
        let half = |x: f64, dtype| Tensor::scalar(x).to_dtype(dtype).unwrap().to_f64_vec().unwrap()[0];
        let single = |x: f32, dtype| Tensor::scalar(x).to_dtype(dtype).unwrap().to_f64_vec().unwrap()[0];
        for (dtype, digits) in [(DType::BF16, 8), (DType::F16, 11)] {
            let ulp = 2f64.powi(1 - digits);
            for (tie, below, above) in [(1.0 + ulp / 2.0, 1.0, 1.0 + ulp), (1.0 + 1.5 * ulp, 1.0 + ulp, 1.0 + 2.0 * ulp)] {
                let even = if below == 1.0 { below } else { above };
                assert_eq!([tie - 2f64.powi(-52), tie, tie + 2f64.powi(-52)].map(|x| half(x, dtype)), [below, even, above]);
                let (t, least) = (tie as f32, f32::EPSILON);
                assert_eq!([t - least, t, t + least].map(|x| single(x, dtype)), [below, even, above], "{dtype}");
                assert_eq!([-t + least, -t, -t - least].map(|x| single(x, dtype)), [-below, -even, -above], "{dtype}");
            }
        }
        assert_eq!([f64::MAX, -f64::INFINITY, 1e-300].map(|x| half(x, DType::BF16)), [f64::INFINITY, f64::NEG_INFINITY, 0.0]);
        assert!(half(f64::NAN, DType::F16).is_nan());
    }

    #[test]
    fn the_gradient_of_a_bf16_leaf_is_f32() {
        let x = Tensor::ones(&[2], DType::BF16).unwrap().requires_grad();
        let y = (&x * 3.0).sum(&[], false).unwrap();
        let g = y.backward().unwrap().take(&x).unwrap();
        assert_eq!((g.dtype(), g.to_f64_vec().unwrap()), (DType::F32, vec![3.0, 3.0]));
    }
}
