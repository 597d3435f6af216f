//! Matrices and vectors of nalgebra, of sizes in the type or not.

use nalgebra::{DMatrix, DVector, Dim, Matrix, RawStorage, SMatrix, Scalar};

use crate::error::{Error, Result};
use crate::memory;
use crate::tensor::{Tensor, TensorElement};

/// A matrix `(rows, columns)`, or `(rows)` where the type has one column, as `DVector` and `Vector3` do. Views are read by their strides.
///
/// # Example
/// ```
/// use monotile::Tensor;
/// use nalgebra::{DMatrix, Matrix2x3, Vector3};
/// let x = Tensor::try_from(&Matrix2x3::new(1.0, 2.0, 3.0, 4.0, 5.0, 6.0))?;
/// assert_eq!((x.shape(), x.to_vec::<f64>()?), (&[2, 3][..], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]));
/// assert_eq!(DMatrix::<f64>::try_from(&x)?[(1, 0)], 4.0);
/// assert_eq!(Tensor::try_from(&Vector3::new(1.0, 2.0, 3.0))?.shape(), [3]);
/// # Ok::<(), monotile::Error>(())
/// ```
impl<T: TensorElement + Scalar, R: Dim, C: Dim, S: RawStorage<T, R, C>> TryFrom<&Matrix<T, R, C, S>> for Tensor {
    type Error = Error;

    #[track_caller]
    fn try_from(matrix: &Matrix<T, R, C, S>) -> Result<Self> {
        let (rows, columns) = matrix.shape();
        let mut data = memory::list(matrix.len(), "a matrix of nalgebra")?;
        (0..rows).for_each(|i| data.extend((0..columns).map(|j| matrix[(i, j)])));
        let shape = [rows, columns];
        Self::from_vec(data, if C::try_to_usize() == Some(1) { &shape[..1] } else { &shape })
    }
}

/// A tensor `(rows, columns)` as a matrix. It fails for another rank or another element type.
impl<T: TensorElement + Scalar> TryFrom<&Tensor> for DMatrix<T> {
    type Error = Error;

    #[track_caller]
    fn try_from(x: &Tensor) -> Result<Self> {
        let &[rows, columns] = x.shape() else {
            return Err(Error::shape(format!("nalgebra: DMatrix takes shape (rows, columns), got {:?}", x.shape())));
        };
        Ok(DMatrix::from_row_slice(rows, columns, &x.to_vec::<T>()?))
    }
}

/// A tensor `(n)` as a vector. It fails for another rank or another element type.
impl<T: TensorElement + Scalar> TryFrom<&Tensor> for DVector<T> {
    type Error = Error;

    #[track_caller]
    fn try_from(x: &Tensor) -> Result<Self> {
        if x.rank() != 1 {
            return Err(Error::shape(format!("nalgebra: DVector takes shape (n), got {:?}", x.shape())));
        }
        Ok(DVector::from_vec(x.to_vec::<T>()?))
    }
}

/// A tensor `(R, C)`, or `(R)` for one column. It fails for other sizes or another element type.
impl<T: TensorElement + Scalar, const R: usize, const C: usize> TryFrom<&Tensor> for SMatrix<T, R, C> {
    type Error = Error;

    #[track_caller]
    fn try_from(x: &Tensor) -> Result<Self> {
        if x.shape() != [R, C] && !(C == 1 && x.shape() == [R]) {
            return Err(Error::shape(format!("nalgebra: a matrix of {R} × {C} takes that shape, got {:?}", x.shape())));
        }
        Ok(SMatrix::from_row_slice(&x.to_vec::<T>()?))
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::{Matrix2x3, Vector3};

    use super::*;

    #[test]
    fn matrices_go_and_come_back_with_rows_as_rows() {
        let m = Matrix2x3::new(1_i64, 2, 3, 4, 5, 6);
        let x = Tensor::try_from(&m).unwrap();
        assert_eq!((x.shape(), x.to_vec::<i64>().unwrap()), (&[2, 3][..], vec![1, 2, 3, 4, 5, 6]));
        assert_eq!(Matrix2x3::try_from(&x).unwrap(), m);
        assert_eq!(DMatrix::<i64>::try_from(&x.mt()).unwrap(), DMatrix::from_row_slice(3, 2, &[1, 4, 2, 5, 3, 6]));
    }

    #[test]
    fn views_are_read_by_their_strides_and_empty_matrices_keep_their_sizes() {
        let m = DMatrix::from_row_slice(3, 3, &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        let x = Tensor::try_from(&m.view((1, 1), (2, 2))).unwrap();
        assert_eq!(x.to_vec::<f64>().unwrap(), [4.0, 5.0, 7.0, 8.0]);
        let empty = Tensor::try_from(&DMatrix::<f32>::zeros(0, 2)).unwrap();
        assert_eq!(DMatrix::<f32>::try_from(&empty).unwrap().shape(), (0, 2));
    }

    #[test]
    fn vectors_have_one_axis_and_wrong_sizes_are_refused() {
        let v = Tensor::try_from(&Vector3::new(1.0_f32, 2.0, 3.0)).unwrap();
        assert_eq!(v.shape(), [3]);
        assert_eq!(Vector3::<f32>::try_from(&v).unwrap(), Vector3::new(1.0, 2.0, 3.0));
        assert_eq!(DVector::<f32>::try_from(&v).unwrap().len(), 3);
        let refused = DMatrix::<f32>::try_from(&v).unwrap_err().to_string();
        assert!(refused.contains("DMatrix takes shape (rows, columns), got [3]"), "{refused}");
        assert!(Matrix2x3::<f32>::try_from(&v).is_err() && DVector::<f64>::try_from(&v).is_err());
    }
}
