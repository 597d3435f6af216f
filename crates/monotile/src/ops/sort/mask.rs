//! Where elements are true, and the elements there.

use crate::check;
use crate::door;
use crate::error::{Error, Result};
use crate::ops::elementwise::broadcast_to;
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Sort and search: elements by mask
///
/// How many there are is known by the values alone.
impl Tensor {
    /// The indices of the elements that are not 0, in row-major order, as i64: `(count, rank)`. NaN is not 0.
    ///
    /// # Errors
    /// If there is no memory for as many.
    ///
    /// # Cost
    /// Linear, over threads. The number of elements is read back.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_rows(&[[0_i64, 5], [7, 0]])?;
    /// assert_eq!(x.nonzero()?.to_vec::<i64>()?, [0, 1, 1, 0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "argwhere")]
    #[doc(alias = "flatnonzero")]
    #[track_caller]
    pub fn nonzero(&self) -> Result<Tensor> {
        let mask = self.detach().to_dtype(DType::Bool)?.contiguous_detached("nonzero")?;
        let places = door::sort::nonzero("nonzero", &mask)?;
        if self.rank() == 1 { places.unsqueeze(1) } else { door::sort::coordinates("nonzero", &places, self) }
    }

    /// The elements where a boolean mask is true, in row-major order: a vector. The shapes broadcast.
    ///
    /// # Gradient
    /// The cotangent of an element where it came from, 0 elsewhere.
    ///
    /// # Errors
    /// If the mask is not boolean, or the shapes do not broadcast.
    ///
    /// # Cost
    /// Linear, over threads. The number of elements is read back.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from_slice(&[1.0_f32, -2.0, 3.0], &[3])?;
    /// assert_eq!(x.masked_select(&x.gt(0.0)?)?.to_vec::<f32>()?, [1.0, 3.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "compress")]
    #[doc(alias = "extract")]
    #[doc(alias = "boolean_mask")]
    #[track_caller]
    pub fn masked_select(&self, mask: &Tensor) -> Result<Tensor> {
        if mask.dtype() != DType::Bool {
            return Err(Error::dtype(format!("masked_select: the mask must be bool, got {}", mask.dtype())));
        }
        let shape = check::broadcast("masked_select", self.shape(), mask.shape())?;
        let mask = broadcast_to(&mask.detach(), &shape).contiguous_detached("masked_select")?;
        let places = door::sort::nonzero("masked_select", &mask)?;
        self.expand(&shape)?.reshape(&[shape.elements()])?.index_select(0, &places)
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let mask = |mask: &[bool], shape: &[usize]| Tensor::from_slice(mask, shape).expect("as many as the shape holds");
    vec![
        Spec::new("masked_select", |x| Ok(vec![x[0].masked_select(&x[1])?]))
            .sample("a row of the mask", vec![normal(&[3, 4]), mask(&[true, false, false, true], &[4])])
            .reference(|x| vec![x[0].iter().enumerate().filter(|(i, _)| x[1][i % 4] != 0.0).map(|(_, v)| *v).collect()])
            .orders(2)
            .refuses(vec![normal(&[2]), normal(&[2])], "masked_select: the mask must be bool, got f64")
            .refuses(
                vec![normal(&[2]), mask(&[true, false, true], &[3])],
                "masked_select: shapes [2] and [3] do not broadcast; sizes must be equal or 1, from the last",
            ),
        Spec::new("masked_select of a column", |x| Ok(vec![x[0].masked_select(&x[1])?]))
            .sample("matrix of the mask", vec![normal(&[2, 1]), mask(&[true, false, true, false, true, true], &[2, 3])])
            .sample("nothing", vec![normal(&[2, 1]), mask(&[false; 6], &[2, 3])])
            .reference(|x| vec![(0..6).filter(|&i| x[1][i] != 0.0).map(|i| x[0][i / 3]).collect()])
            .orders(2),
        Spec::new("nonzero", |x| Ok(vec![x[0].nonzero()?]))
            .sample("matrix", vec![normal(&[6, 2]).clamp(0.0, 1.0).expect("bounds in order")])
            .sample("empty", vec![normal(&[0, 2])])
            .reference(|x| {
                let some = x[0].iter().enumerate().filter(|(_, v)| **v != 0.0);
                vec![some.flat_map(|(i, _)| [(i / 2) as f64, (i % 2) as f64]).collect()]
            }),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: masked_select, masked_select_of_a_column, nonzero);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_numbers_and_three_dimensions_have_their_indices() {
        // torch.nonzero(torch.tensor(3)), of tensor(0), and of tensor([[[0, 0], [nan, 0]], [[0, -0.], [0, 1]]])
        assert_eq!(Tensor::scalar(3_i64).nonzero().unwrap().shape(), [1, 0]);
        assert_eq!(Tensor::scalar(0_i64).nonzero().unwrap().shape(), [0, 0]);
        let x = Tensor::from_slice(&[0.0, 0.0, f64::NAN, 0.0, 0.0, -0.0, 0.0, 1.0], &[2, 2, 2]).unwrap();
        assert_eq!(x.nonzero().unwrap().to_vec::<i64>().unwrap(), [0, 1, 0, 1, 1, 1]);
        let x = x.flip(0).unwrap();
        assert_eq!(x.nonzero().unwrap().to_vec::<i64>().unwrap(), [0, 1, 1, 1, 1, 0]);
    }

    #[test]
    fn a_number_and_integers_are_selected() {
        assert_eq!(Tensor::scalar(2.0_f32).masked_select(&Tensor::scalar(true)).unwrap().to_vec::<f32>().unwrap(), [2.0]);
        let x = Tensor::arange(5).unwrap();
        assert_eq!(x.masked_select(&x.gt(2).unwrap()).unwrap().to_vec::<i64>().unwrap(), [3, 4]);
    }
}
