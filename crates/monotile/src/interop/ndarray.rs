//! Arrays of ndarray: owned ones and views of any strides become tensors, and tensors become owned arrays.

use ndarray::{ArrayBase, ArrayD, Data, Dimension, IxDyn};

use crate::error::{Error, Result};
use crate::memory;
use crate::tensor::{Tensor, TensorElement};

/// The elements of an array or a view in row-major order.
///
/// # Example
/// ```
/// use monotile::Tensor;
/// use ndarray::{ArrayD, array};
/// let a = array![[1.0, 2.0], [3.0, 4.0]];
/// let x = Tensor::try_from(&a.t())?;
/// assert_eq!(x.to_vec::<f64>()?, [1.0, 3.0, 2.0, 4.0]);
/// let back: ArrayD<f64> = (&x).try_into()?;
/// assert_eq!(back, a.t().into_dyn());
/// # Ok::<(), monotile::Error>(())
/// ```
impl<T: TensorElement, S: Data<Elem = T>, D: Dimension> TryFrom<&ArrayBase<S, D>> for Tensor {
    type Error = Error;

    #[track_caller]
    fn try_from(array: &ArrayBase<S, D>) -> Result<Self> {
        let mut data = memory::list(array.len(), "an array of ndarray")?;
        data.extend(array.iter().copied());
        Self::from_vec(data, array.shape())
    }
}

/// A copy of the elements, in row-major order. It fails for another element type than the tensor's.
impl<T: TensorElement> TryFrom<&Tensor> for ArrayD<T> {
    type Error = Error;

    #[track_caller]
    fn try_from(x: &Tensor) -> Result<Self> {
        ArrayD::from_shape_vec(IxDyn(x.shape()), x.to_vec()?)
            .map_err(|e| Error::shape(format!("ndarray: shape {:?} makes no array: {e}", x.shape())))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array0, Array2, ArrayD, Axis, Slice};

    use super::*;

    #[test]
    fn arrays_and_views_of_any_strides_keep_their_elements() {
        let a = Array2::from_shape_fn((3, 4), |(i, j)| (10 * i + j) as i64);
        let mut view = a.view();
        view.invert_axis(Axis(0));
        view.slice_axis_inplace(Axis(1), Slice::new(1, None, 2));
        let x = Tensor::try_from(&view).unwrap();
        assert_eq!((x.shape(), x.to_vec::<i64>().unwrap()), (&[3, 2][..], vec![21, 23, 11, 13, 1, 3]));
        assert_eq!(ArrayD::<i64>::try_from(&x).unwrap(), view.into_dyn());
        assert_eq!(ArrayD::<i64>::try_from(&x.mt()).unwrap(), view.t().into_dyn());
    }

    #[test]
    fn empty_arrays_and_scalars_keep_their_shape() {
        let empty = Tensor::try_from(&Array2::<f32>::zeros((0, 3))).unwrap();
        assert_eq!(ArrayD::<f32>::try_from(&empty).unwrap().shape(), [0, 3]);
        let scalar = Tensor::try_from(&Array0::from_elem((), true)).unwrap();
        assert_eq!((scalar.rank(), scalar.item::<bool>().unwrap()), (0, true));
    }

    #[test]
    fn another_element_type_is_refused() {
        assert!(ArrayD::<f32>::try_from(&Tensor::from(vec![1.0_f64])).is_err());
    }
}
