//! Tensors from numbers and arrays by `From`, and a tensor's rows by `for`.

use std::ops::Range;

use super::{Tensor, TensorElement};

impl<T: TensorElement> From<T> for Tensor {
    /// A scalar: as [`Tensor::scalar`].
    fn from(value: T) -> Self {
        Self::scalar(value)
    }
}

impl<T: TensorElement> From<&[T]> for Tensor {
    /// A vector with a copy of these elements.
    ///
    /// # Panics
    /// If there is no memory for them, as `Vec` does.
    #[track_caller]
    fn from(data: &[T]) -> Self {
        shaped(data, &[data.len()])
    }
}

impl<T: TensorElement, const N: usize> From<&[T; N]> for Tensor {
    /// A vector with a copy of these elements.
    ///
    /// # Panics
    /// If there is no memory for them, as `Vec` does.
    #[track_caller]
    fn from(data: &[T; N]) -> Self {
        shaped(data, &[N])
    }
}

impl<T: TensorElement> From<&Vec<T>> for Tensor {
    /// A vector with a copy of these elements.
    ///
    /// # Panics
    /// If there is no memory for them, as `Vec` does.
    #[track_caller]
    fn from(data: &Vec<T>) -> Self {
        shaped(data, &[data.len()])
    }
}

impl<T: TensorElement> From<Vec<T>> for Tensor {
    /// A vector of these elements.
    ///
    /// # Panics
    /// If there is no memory for them, as `Vec` does.
    #[track_caller]
    fn from(data: Vec<T>) -> Self {
        shaped(&data, &[data.len()])
    }
}

impl<T: TensorElement, const N: usize> From<[T; N]> for Tensor {
    /// A vector of these elements.
    ///
    /// # Panics
    /// If there is no memory for them, as `Vec` does.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::from([[1.0_f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!((a.shape(), Tensor::from(2.5).rank(), Tensor::from(vec![1_i64, 2]).shape()), (&[2, 2][..], 0, &[2][..]));
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    fn from(data: [T; N]) -> Self {
        shaped(&data, &[N])
    }
}

impl<T: TensorElement, const M: usize, const N: usize> From<[[T; N]; M]> for Tensor {
    /// A matrix of these rows.
    ///
    /// # Panics
    /// If there is no memory for them, as `Vec` does.
    #[track_caller]
    fn from(rows: [[T; N]; M]) -> Self {
        shaped(rows.as_flattened(), &[M, N])
    }
}

impl<T: TensorElement, const L: usize, const M: usize, const N: usize> From<[[[T; N]; M]; L]> for Tensor {
    /// A tensor of these matrices.
    ///
    /// # Panics
    /// If there is no memory for them, as `Vec` does.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::from([[[1, 2, 3], [4, 5, 6]]]).shape(), [1, 2, 3]);
    /// assert_eq!(Tensor::from([[[[1.0], [2.0]]]]).shape(), [1, 1, 2, 1]);
    /// ```
    #[track_caller]
    fn from(matrices: [[[T; N]; M]; L]) -> Self {
        shaped(matrices.as_flattened().as_flattened(), &[L, M, N])
    }
}

impl<T: TensorElement, const K: usize, const L: usize, const M: usize, const N: usize> From<[[[[T; N]; M]; L]; K]> for Tensor {
    /// A tensor of batches of matrices.
    ///
    /// # Panics
    /// If there is no memory for them, as `Vec` does.
    #[track_caller]
    fn from(batches: [[[[T; N]; M]; L]; K]) -> Self {
        shaped(batches.as_flattened().as_flattened().as_flattened(), &[K, L, M, N])
    }
}

#[track_caller]
fn shaped<T: TensorElement>(data: &[T], shape: &[usize]) -> Tensor {
    match Tensor::from_slice(data, shape) {
        Ok(tensor) => tensor,
        Err(error) => panic!("{error}"),
    }
}

/// The parts of a tensor along its first axis, in order: views.
#[derive(Clone)]
pub struct TensorRows<'a> {
    tensor: &'a Tensor,
    left: Range<usize>,
}

impl TensorRows<'_> {
    fn row(&self, i: usize) -> Tensor {
        self.tensor.select(0, i).expect("a view of a part that is there")
    }
}

impl Iterator for TensorRows<'_> {
    type Item = Tensor;
    fn next(&mut self) -> Option<Tensor> {
        self.left.next().map(|i| self.row(i))
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }
}

impl DoubleEndedIterator for TensorRows<'_> {
    fn next_back(&mut self) -> Option<Tensor> {
        self.left.next_back().map(|i| self.row(i))
    }
}

impl ExactSizeIterator for TensorRows<'_> {}

/// # Convert: rows
///
/// The tensors along the first axis, one after another; each is a view.
impl Tensor {
    /// The parts along the first axis, in order: the rows of a matrix, the elements of a vector. Views, also by `for row in &a`.
    ///
    /// # Panics
    /// For a tensor of rank 0, which has no rows.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::from([[1_i64, 2], [3, 4]]);
    /// let sums = a.iter().map(|row| Ok(row.to_vec::<i64>()?.iter().sum())).collect::<monotile::Result<Vec<i64>>>()?;
    /// assert_eq!(sums, [3, 7]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "unbind")]
    #[doc(alias = "rows")]
    #[track_caller]
    pub fn iter(&self) -> TensorRows<'_> {
        assert!(self.rank() > 0, "iter: a tensor of rank 0 has no rows");
        TensorRows { tensor: self, left: 0..self.shape()[0] }
    }
}

impl<'a> IntoIterator for &'a Tensor {
    type Item = Tensor;
    type IntoIter = TensorRows<'a>;
    #[track_caller]
    fn into_iter(self) -> TensorRows<'a> {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use crate::tape::grad;
    use crate::{DType, Tensor};

    #[test]
    fn rows_are_views_with_gradients() {
        let a = Tensor::from([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).requires_grad();
        assert_eq!((a.iter().len(), a.mt().iter().len(), Tensor::zeros(&[0, 3], DType::F32).unwrap().iter().len()), (3, 2, 0));
        let mut y = Tensor::from([0.0, 0.0]);
        for (i, row) in (&a).into_iter().enumerate() {
            y += row * i;
        }
        assert_eq!(y.to_vec::<f64>().unwrap(), [13.0, 16.0]);
        let g = grad(&y.sum(&[], false).unwrap(), &[&a]).unwrap();
        assert_eq!(g[0].to_vec::<f64>().unwrap(), [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]);
        assert_eq!(a.iter().next_back().unwrap().to_vec::<f64>().unwrap(), [5.0, 6.0]);
    }

    #[test]
    #[should_panic(expected = "iter: a tensor of rank 0 has no rows")]
    fn a_scalar_has_no_rows() {
        let _ = Tensor::from(1.0).iter();
    }

    #[test]
    fn arrays_become_tensors_of_their_shape() {
        let all = [Tensor::from(true), Tensor::from([1_i64; 3]), Tensor::from(&[1.0_f32][..]), Tensor::from([[0_i64; 0]; 2])];
        let shapes: Vec<&[usize]> = all.iter().map(Tensor::shape).collect();
        assert_eq!(shapes, [&[][..], &[3], &[1], &[2, 0]]);
        assert_eq!(all[2].dtype(), DType::F32);
        let borrowed = [Tensor::from(&[1.0, 2.0]), Tensor::from(&vec![1.0, 2.0])];
        assert!(borrowed.iter().all(|x| x.to_vec::<f64>().unwrap() == [1.0, 2.0]));
        let deep = [Tensor::from([[[1, 2, 3], [4, 5, 6]]]), Tensor::from([[[[1], [2]], [[3], [4]], [[5], [6]]]])];
        assert_eq!((deep[0].shape(), deep[1].shape()), (&[1, 2, 3][..], &[1, 3, 2, 1][..]));
        assert!(deep.iter().all(|x| x.to_vec::<i32>().unwrap() == [1, 2, 3, 4, 5, 6]));
    }
}
