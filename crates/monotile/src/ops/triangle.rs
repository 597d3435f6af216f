//! Triangles and diagonals of matrices, the other way round too: matrices of diagonals, of classes, and of coordinates.

use std::borrow::Borrow;

use super::cat::borrowed;
use crate::check;
use crate::error::{Error, Result};
use crate::tensor::{DType, Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The elements of matrices whose column less their row is on one side of `offset`, and 0 elsewhere.
#[track_caller]
fn triangle(op: &str, x: &Tensor, offset: isize, lower: bool) -> Result<Tensor> {
    let [m, n] = check::matrices(op, x)?;
    // Beyond the corners nothing changes.
    let offset = offset.clamp(-(m.min(1 << 62) as isize), n.min(1 << 62) as isize) as i64;
    let rows = Tensor::from_fn_i64(op, &[m], |i| i as i64 + offset)?.unsqueeze(1)?;
    let columns = Tensor::arange(n)?;
    let inside = if lower { columns.le(&rows)? } else { columns.ge(&rows)? };
    inside.to(&x.device())?.where_(x, Tensor::scalar_as(0.0, x.dtype()))
}

/// The range of an axis of `n` elements that a diagonal `offset` from the main one leaves out at its start.
fn behind(offset: isize, n: usize) -> std::ops::Range<usize> {
    n.min(offset.max(0).unsigned_abs())..n
}

/// # Reshape and join: diagonals, triangles and grids
///
/// Matrices from vectors, and parts of matrices.
impl Tensor {
    /// The lower triangles of matrices `(…, m, n)`: elements whose column is at most their row + `offset`, and 0 elsewhere.
    ///
    /// An `offset` of 0 keeps the main diagonal, -1 leaves it out. bf16 and f16 become f32.
    ///
    /// # Gradient
    /// The cotangent of the elements kept.
    ///
    /// # Errors
    /// If there are fewer than two dimensions.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::from_rows(&[[1_i64, 2], [3, 4]])?;
    /// assert_eq!(a.tril(0)?.to_vec::<i64>()?, [1, 0, 3, 4]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn tril(&self, offset: isize) -> Result<Tensor> {
        triangle("tril", self, offset, true)
    }

    /// The upper triangles of matrices `(…, m, n)`: elements whose column is at least their row + `offset`, and 0 elsewhere.
    ///
    /// # Gradient
    /// The cotangent of the elements kept.
    ///
    /// # Errors
    /// If there are fewer than two dimensions.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::from_rows(&[[1_i64, 2], [3, 4]])?;
    /// assert_eq!(a.triu(1)?.to_vec::<i64>()?, [0, 2, 0, 0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn triu(&self, offset: isize) -> Result<Tensor> {
        triangle("triu", self, offset, false)
    }

    /// The rows and the columns of the elements that [`tril`](Tensor::tril) keeps of a matrix `(rows, columns)`, in row-major order: `(2, count)` of i64.
    ///
    /// # Errors
    /// If there is no memory for as many.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// assert_eq!(Tensor::tril_indices(2, 2, 0)?.to_vec::<i64>()?, [0, 1, 1, 0, 0, 1]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn tril_indices(rows: usize, columns: usize, offset: isize) -> Result<Tensor> {
        all("tril_indices", rows, columns)?.tril(offset)?.nonzero()?.t().contiguous_for("tril_indices")
    }

    /// The rows and the columns of the elements that [`triu`](Tensor::triu) keeps of a matrix `(rows, columns)`, in row-major order: `(2, count)` of i64.
    ///
    /// # Errors
    /// If there is no memory for as many.
    ///
    /// # Example
    /// ```
    /// use monotile::{Tensor, s};
    /// let upper = Tensor::triu_indices(3, 3, 1)?;
    /// assert_eq!(upper.to_vec::<i64>()?, [0, 0, 1, 1, 2, 2]);
    /// let a = Tensor::arange(9)?.reshape(&[3, 3])?;
    /// assert_eq!(a.index(s![upper.select(0, 0)?, upper.select(0, 1)?])?.to_vec::<i64>()?, [1, 2, 5]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn triu_indices(rows: usize, columns: usize, offset: isize) -> Result<Tensor> {
        all("triu_indices", rows, columns)?.triu(offset)?.nonzero()?.t().contiguous_for("triu_indices")
    }

    /// The matrices `(…, n + |k|, n + |k|)` whose diagonal at offset `k` holds the vectors `(…, n)`; 0 elsewhere.
    ///
    /// A positive offset lies above the main diagonal. [`diagonal_offset`](Tensor::diagonal_offset) takes the diagonal of a matrix.
    ///
    /// # Gradient
    /// The diagonal of the cotangent.
    ///
    /// # Errors
    /// If there is no dimension, or no memory for the matrices.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let v = Tensor::from_slice(&[1.0_f64, 2.0], &[2])?;
    /// assert_eq!(v.diag(0)?.to_vec::<f64>()?, [1.0, 0.0, 0.0, 2.0]);
    /// assert_eq!(v.diag(-1)?.to_vec::<f64>()?, [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "diag_embed")]
    #[doc(alias = "diagflat")]
    #[track_caller]
    pub fn diag(&self, offset: isize) -> Result<Tensor> {
        check::at_least("diag", self, 1)?;
        let (n, away) = (self.dim(-1), offset.unsigned_abs());
        let mut shape: Dims = self.shape().into();
        shape[self.rank() - 1] = n.saturating_add(away);
        shape.push(n.saturating_add(away));
        check::shape("diag", &shape)?;
        // A row of the matrix is the vector's element, repeated, where the column is its own.
        let (before, after) = if offset > 0 { (0, away) } else { (away, 0) };
        let rows = Tensor::arange(n.saturating_add(away))?.unsqueeze(1)?;
        let own = Tensor::arange(n.saturating_add(away))?.eq(&rows.add(Tensor::scalar(offset as i64))?)?;
        let elements = self.unsqueeze(-1)?;
        let elements = if away == 0 { elements } else { elements.pad(-2, before, after, 0.0)? };
        own.to(&self.device())?.where_(&elements, Tensor::scalar_as(0.0, self.dtype()))
    }

    /// The elements whose index along axis `j` is that along axis `i` + `offset`, in a new last dimension: a view.
    ///
    /// The axes may differ in size. An offset beyond them leaves no element.
    ///
    /// # Gradient
    /// The cotangent at these elements, and 0 elsewhere.
    ///
    /// # Errors
    /// If the axes are the same or do not exist.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let a = Tensor::arange(6)?.reshape(&[2, 3])?;
    /// assert_eq!(a.diagonal_offset(1, 0, 1)?.to_vec::<i64>()?, [1, 5]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "diagonal")]
    #[doc(alias = "diag")]
    #[track_caller]
    pub fn diagonal_offset(&self, offset: isize, i: isize, j: isize) -> Result<Tensor> {
        let axis = |a| check::axis("diagonal_offset", a, self.rank()).map(|d| d as isize);
        let (i, j) = (axis(i)?, axis(j)?);
        if i == j {
            return Err(Error::shape(format!("diagonal_offset: needs two axes, got {i} twice")));
        }
        let rows = self.slice(i, behind(offset.saturating_neg(), self.dim(i)))?;
        let both = rows.slice(j, behind(offset, self.dim(j)))?;
        let n = both.dim(i).min(both.dim(j));
        both.slice(i, ..n)?.slice(j, ..n)?.diagonal(i, j)
    }

    /// Class numbers as vectors of 0 with a single 1: of integers `(…)` a tensor `(…, classes)`.
    ///
    /// # Errors
    /// If the elements are no integers, or one is not from 0 to classes - 1.
    ///
    /// # Example
    /// ```
    /// use monotile::{DType, Tensor};
    /// let labels = Tensor::from_slice(&[2_i64, 0], &[2])?;
    /// assert_eq!(labels.one_hot(3, DType::F32)?.to_vec::<f32>()?, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn one_hot(&self, classes: usize, dtype: DType) -> Result<Tensor> {
        let numbers = check::indices("one_hot", self)?;
        let shape: Dims = self.shape().iter().copied().chain([classes]).collect();
        check::shape("one_hot", &shape)?;
        if let Some(class) = crate::door::gather::outside(&numbers.contiguous_detached("one_hot")?, classes) {
            return Err(Error::value(format!("one_hot: class {class} is not one of {classes}")));
        }
        numbers.unsqueeze(-1)?.eq(Tensor::arange(classes)?.to(&numbers.device())?)?.to_dtype(dtype)
    }

    /// Coordinates of a grid: of vectors of n₁ … nₖ numbers k tensors `(n₁, …, nₖ)`, the i-th of which has vector i along axis i. All are
    /// views.
    ///
    /// This is the order "ij"; for NumPy's "xy" exchange the first two vectors, and transpose the first two axes of every result.
    ///
    /// # Gradient
    /// The cotangent, summed over the other axes.
    ///
    /// # Errors
    /// If an operand is no vector. An empty list needs its type: `Tensor::meshgrid::<Tensor>([])` is an empty list, too.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let grid = Tensor::meshgrid([Tensor::arange(2)?, Tensor::arange(3)?])?;
    /// assert_eq!(grid[0].to_vec::<i64>()?, [0, 0, 0, 1, 1, 1]);
    /// assert_eq!(grid[1].to_vec::<i64>()?, [0, 1, 2, 0, 1, 2]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "mgrid")]
    #[track_caller]
    pub fn meshgrid<T: Borrow<Tensor>>(vectors: impl AsRef<[T]>) -> Result<Vec<Tensor>> {
        meshgrid(&borrowed(vectors.as_ref()))
    }
}

#[track_caller]
fn meshgrid(vectors: &[&Tensor]) -> Result<Vec<Tensor>> {
    if let Some(x) = vectors.iter().find(|x| x.rank() != 1) {
        return Err(Error::shape(format!("meshgrid: takes vectors, got shape {:?}", x.shape())));
    }
    let shape: Dims = vectors.iter().map(|x| x.len()).collect();
    check::shape("meshgrid", &shape)?;
    let mut grid = Vec::with_capacity(vectors.len());
    for (axis, x) in vectors.iter().enumerate() {
        let mut ones: Dims = vectors.iter().map(|_| 1).collect();
        ones[axis] = x.len();
        grid.push(x.reshape(&ones)?.expand(&shape)?);
    }
    Ok(grid)
}

/// A mask of every element of a matrix.
#[track_caller]
fn all(op: &str, rows: usize, columns: usize) -> Result<Tensor> {
    check::shape(op, &[rows, columns])?;
    Tensor::ones([rows, columns], DType::Bool)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let kept = |name: &'static str, f: fn(&Tensor) -> Result<Tensor>, keep: fn(isize, isize) -> bool| {
        Spec::new(name, move |x| Ok(vec![f(&x[0])?]))
            .sample("matrices", vec![normal(&[2, 3, 4])])
            .sample("empty", vec![normal(&[0, 3, 4])])
            .reference(move |x| {
                let element = |(i, &v): (usize, &f64)| if keep((i / 4 % 3) as isize, (i % 4) as isize) { v } else { 0.0 };
                vec![x[0].iter().enumerate().map(element).collect()]
            })
            .orders(2)
            .refuses(vec![normal(&[3])], format!("{name}: needs at least 2 dimensions, got shape [3]"))
    };
    let diagonal = |offset: isize| {
        Spec::new("diagonal_offset", move |x| Ok(vec![x[0].diagonal_offset(offset, 0, 1)?]))
            .sample("matrix", vec![normal(&[3, 4])])
            .reference(move |x| {
                let on = |&(i, _): &(usize, &f64)| (i % 4) as isize - (i / 4) as isize == offset;
                vec![x[0].iter().enumerate().filter(on).map(|(_, &v)| v).collect()]
            })
            .orders(2)
    };
    let diag = |offset: isize| {
        Spec::new("diag", move |x| Ok(vec![x[0].diag(offset)?]))
            .sample("vectors", vec![normal(&[2, 3])])
            .sample("empty", vec![normal(&[0, 3])])
            .reference(move |x| {
                let n = 3 + offset.unsigned_abs();
                let place = |i: usize, j: usize| j as isize - i as isize == offset;
                let element = move |v: &[f64], i: usize, j: usize| if place(i, j) { v[i.min(j)] } else { 0.0 };
                let matrix = |v: &[f64]| (0..n * n).map(|k| element(v, k / n, k % n)).collect::<Vec<_>>();
                vec![x[0].chunks(3).flat_map(matrix).collect()]
            })
            .orders(2)
            .refuses(vec![normal(&[])], "diag: needs at least 1 dimensions, got shape []")
    };
    let grid = Spec::new("meshgrid", |x| Tensor::meshgrid(&[&x[0], &x[1]]))
        .sample("vectors", vec![normal(&[2]), normal(&[3])])
        .reference(|x| {
            let first = x[0].iter().flat_map(|&v| [v; 3]).collect();
            vec![first, [x[1].clone(), x[1].clone()].concat()]
        })
        .orders(2)
        .may_drop_nan()
        .refuses(vec![normal(&[2]), normal(&[1, 2])], "meshgrid: takes vectors, got shape [1, 2]");
    let mut all = vec![
        kept("tril", |x| x.tril(0), |i, j| j <= i),
        kept("tril", |x| x.tril(-1), |i, j| j < i),
        kept("triu", |x| x.triu(1), |i, j| j > i),
        kept("triu", |x| x.triu(isize::MIN), |_, _| true),
        grid,
    ];
    all.extend([-2, 0, 1, 3].map(diagonal));
    all.extend([-1, 0, 2].map(diag));
    all
}

#[cfg(test)]
crate::testing::spec_tests!(specs: tril, triu, meshgrid, diagonal_offset, diag);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_beyond_the_corners_leave_nothing() {
        let a = Tensor::arange(6).unwrap().reshape(&[2, 3]).unwrap();
        for offset in [isize::MIN, -2, 3, isize::MAX] {
            assert_eq!(a.diagonal_offset(offset, 0, 1).unwrap().shape(), [0]);
        }
        assert_eq!(a.tril(isize::MIN).unwrap().to_f64_vec().unwrap(), [0.0; 6]);
        assert_eq!(a.triu(isize::MAX).unwrap().to_f64_vec().unwrap(), [0.0; 6]);
        let words = a.diagonal_offset(0, 1, -1).unwrap_err().to_string();
        assert_eq!(words, "diagonal_offset: needs two axes, got 1 twice");
        assert!(Tensor::arange(2).unwrap().diag(isize::MAX).unwrap_err().to_string().starts_with("diag: shape"));
    }

    #[test]
    fn indices_of_a_triangle_that_is_too_large_are_refused_in_their_name() {
        for found in [Tensor::tril_indices(usize::MAX, 2, 0), Tensor::triu_indices(2, usize::MAX, 0)] {
            let words = found.err().unwrap().to_string();
            assert!(words.contains("_indices: shape [") && words.ends_with("has more elements than memory has bytes"), "{words}");
        }
    }

    #[test]
    fn triangles_keep_integers_and_booleans() {
        let mask = Tensor::full(&[2, 2], true).unwrap();
        assert_eq!(mask.tril(0).unwrap().to_vec::<bool>().unwrap(), [true, false, true, true]);
        assert_eq!(Tensor::arange(2).unwrap().diag(1).unwrap().to_vec::<i64>().unwrap(), [0, 0, 0, 0, 0, 1, 0, 0, 0]);
    }

    #[test]
    fn classes_beyond_their_number_are_refused() {
        let words = Tensor::arange(3).unwrap().one_hot(2, DType::I64).unwrap_err().to_string();
        assert_eq!(words, "one_hot: class 2 is not one of 2");
        let words = Tensor::from([1_i64]).one_hot(usize::MAX, DType::F32).err().unwrap().to_string();
        assert_eq!(words, "one_hot: shape [1, 18446744073709551615] has more elements than memory has bytes");
        assert_eq!(Tensor::scalar(1_i64).one_hot(2, DType::Bool).unwrap().to_vec::<bool>().unwrap(), [false, true]);
    }
}
