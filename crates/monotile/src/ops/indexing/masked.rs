//! Elements replaced where a mask is true: `masked_fill`, `masked_scatter`.

use super::put::{cast, put};
use crate::door;
use crate::error::{Error, Placed, Result};
use crate::tensor::operand::{OperandValue, TensorOrNumber};
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Index and slice: elements replaced by a mask
///
/// A mask is a tensor of booleans, and broadcasts.
impl Tensor {
    /// This tensor with `value` where a mask is true; the mask and the value broadcast to it. [`where_`](Tensor::where_) starts from the mask.
    ///
    /// # Gradient
    /// Of this tensor the cotangent where the mask is false; of the value where it is true.
    ///
    /// # Errors
    /// If the mask is not boolean, the mask or the value does not broadcast to this tensor, or integers or booleans meet another type.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[1.0_f32, -2.0, 3.0], &[3])?;
    /// assert_eq!(x.masked_fill(&x.lt(0.0)?, 0.0)?.to_vec::<f32>()?, [1.0, 0.0, 3.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "putmask")]
    #[doc(alias = "place")]
    #[track_caller]
    pub fn masked_fill(&self, mask: &Tensor, value: impl TensorOrNumber) -> Result<Tensor> {
        masked_fill(self, mask, value.value())
    }

    /// This tensor with the first elements of `source`, in row-major order, where a mask is true; the mask broadcasts to it.
    ///
    /// # Gradient
    /// Of this tensor the cotangent where the mask is false; of `source` the cotangent where its elements went.
    ///
    /// # Errors
    /// If the mask is not boolean, does not broadcast to this tensor, or is true for more elements than `source` has.
    /// If integers or booleans meet another type.
    ///
    /// # Cost
    /// Linear. The number of elements is read back.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[0.0_f32, -2.0, 3.0, -1.0], &[4])?;
    /// let y = x.masked_scatter(&x.lt(0.0)?, &Tensor::from(vec![7.0_f32, 8.0]))?;
    /// assert_eq!(y.to_vec::<f32>()?, [0.0, 7.0, 3.0, 8.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn masked_scatter(&self, mask: &Tensor, source: &Tensor) -> Result<Tensor> {
        let mask = broadcast_mask("masked_scatter", self, mask)?;
        let source = cast("masked_scatter", self, OperandValue::Tensor(source))?;
        let places = door::sort::nonzero("masked_scatter", &mask.contiguous_detached("masked_scatter")?)?;
        if source.len() < places.len() {
            return Err(Error::shape(format!(
                "masked_scatter: the mask is true for {} elements, and the source has {}",
                places.len(),
                source.len()
            )));
        }
        let first = source.reshape(&[source.len()])?.slice(0, ..places.len())?;
        put("masked_scatter", &self.reshape(&[self.len()])?, 0, places, &first)?.reshape(self.shape())
    }
}

#[track_caller]
fn broadcast_mask(op: &str, x: &Tensor, mask: &Tensor) -> Result<Tensor> {
    if mask.dtype() != DType::Bool {
        return Err(Error::dtype(format!("{op}: the mask must be bool, got {}", mask.dtype())));
    }
    broadcast(op, x, &mask.detach(), "a mask")
}

/// `part` in the shape of x.
#[track_caller]
fn broadcast(op: &str, x: &Tensor, part: &Tensor, what: &str) -> Result<Tensor> {
    let (a, b) = (part.shape(), x.shape());
    part.expand(b).map_err(|_| Error::shape(format!("{op}: {what} of shape {a:?} does not broadcast to {b:?}"))).placed()
}

#[track_caller]
fn masked_fill(x: &Tensor, mask: &Tensor, value: OperandValue<'_>) -> Result<Tensor> {
    let mask = broadcast_mask("masked_fill", x, mask)?;
    let value = broadcast("masked_fill", x, &cast("masked_fill", x, value)?, "a value")?;
    mask.where_(&value, x)?.to_dtype(x.dtype())
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let mask = |mask: &[bool], shape: &[usize]| Tensor::from_slice(mask, shape).expect("as many as the shape holds");
    vec![
        Spec::new("masked_fill", |x| Ok(vec![x[0].masked_fill(&x[1], &x[2])?]))
            .sample("a row and a number", vec![normal(&[2, 3]), mask(&[true, false, true], &[3]), Tensor::scalar(0.5)])
            .sample("a column of values", vec![normal(&[2, 3]), mask(&[true, false], &[2, 1]), normal(&[2, 1])])
            .shaped_reference(|x, s| {
                let masked = |i: usize| x[1][if s[1].len() == 1 { i % 3 } else { i / 3 }] != 0.0;
                vec![(0..6).map(|i| if masked(i) { x[2][i / 3 % x[2].len()] } else { x[0][i] }).collect()]
            })
            .may_drop_nan()
            .orders(2)
            .refuses(
                vec![normal(&[2, 3]), mask(&[true, false], &[2]), normal(&[])],
                "masked_fill: a mask of shape [2] does not broadcast to [2, 3]",
            )
            .refuses(
                vec![normal(&[3]), mask(&[true], &[1]), normal(&[2, 3])],
                "masked_fill: a value of shape [2, 3] does not broadcast to [3]",
            )
            .refuses(vec![normal(&[3]), normal(&[3]), normal(&[])], "masked_fill: the mask must be bool, got f64"),
        Spec::new("masked_scatter", |x| Ok(vec![x[0].masked_scatter(&x[2], &x[1])?]))
            .sample("more than are needed", vec![normal(&[2, 3]), normal(&[5]), mask(&[true, false, true], &[3])])
            .sample("nothing", vec![normal(&[2, 3]), normal(&[0]), mask(&[false; 3], &[3])])
            .reference(|x| {
                let mut next = x[1].iter();
                vec![(0..6).map(|i| if x[2][i % 3] != 0.0 { *next.next().unwrap() } else { x[0][i] }).collect()]
            })
            .may_drop_nan()
            .orders(2)
            .refuses(
                vec![normal(&[2, 3]), normal(&[3]), mask(&[true, false, true], &[3])],
                "masked_scatter: the mask is true for 4 elements, and the source has 3",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: masked_fill, masked_scatter);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_the_tensor_is_kept() {
        let mask = Tensor::from(vec![true, false]);
        let x = Tensor::ones(&[2], DType::BF16).unwrap().masked_fill(&mask, f64::NEG_INFINITY).unwrap();
        assert_eq!((x.dtype(), x.to_f64_vec().unwrap()), (DType::BF16, vec![f64::NEG_INFINITY, 1.0]));
        assert_eq!(Tensor::arange(2).unwrap().masked_fill(&mask, 7).unwrap().to_vec::<i64>().unwrap(), [7, 1]);
    }
}
