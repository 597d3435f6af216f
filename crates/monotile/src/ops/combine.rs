//! Tensors of choices and of powers: Cartesian products, combinations, Vandermonde matrices.

use std::borrow::Borrow;

use super::cat::borrowed;
use crate::check;
use crate::error::{Error, Result};
use crate::memory;
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Reshape and join: choices
///
/// All pairs of elements, all choices of some, and powers of each.
impl Tensor {
    /// Every choice of one element from each vector, as rows; the last vector's element changes first. Of one vector it is a matrix with one column.
    ///
    /// Shapes: of vectors of n₁, …, nₖ elements a matrix (n₁ ⋯ nₖ, k).
    ///
    /// # Gradient
    /// The sum of the cotangents of an element's copies.
    ///
    /// # Errors
    /// If there is no vector, or an operand is none; if they differ in dtype.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let pairs = Tensor::cartesian_prod([Tensor::from([1_i64, 2]), Tensor::from([5_i64, 6])])?;
    /// assert_eq!(pairs.to_vec::<i64>()?, [1, 5, 1, 6, 2, 5, 2, 6]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "product")]
    #[track_caller]
    pub fn cartesian_prod<T: Borrow<Tensor>>(vectors: impl AsRef<[T]>) -> Result<Tensor> {
        cartesian_prod(&borrowed(vectors.as_ref()))
    }

    /// Every choice of `r` elements of a vector, in their order, as rows; with `replacement` an element may be chosen again.
    ///
    /// Shapes: of n elements a matrix (c, r), where c is the binomial coefficient n over r, or n + r - 1 over r.
    ///
    /// # Gradient
    /// The sum of the cotangents of an element's copies.
    ///
    /// # Errors
    /// If it is no vector, or there are more choices than memory holds.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from([1_i64, 2, 3]);
    /// assert_eq!(x.combinations(2, false)?.to_vec::<i64>()?, [1, 2, 1, 3, 2, 3]);
    /// assert_eq!(x.combinations(2, true)?.shape(), [6, 2]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn combinations(&self, r: usize, replacement: bool) -> Result<Tensor> {
        if self.rank() != 1 {
            return Err(Error::shape(format!("combinations: takes a vector, got shape {:?}", self.shape())));
        }
        let n = self.len();
        let rows = count(if replacement && n > 0 { n.saturating_add(r) - 1 } else { n }, r);
        let shape = check::shape("combinations", &[rows, r])?;
        let mut indices = memory::list::<i64>(shape.elements(), "combinations")?;
        let mut choice: Vec<usize> = if replacement { vec![0; r] } else { (0..r).collect() };
        for _ in 0..rows {
            indices.extend(choice.iter().map(|&i| i as i64));
            let last = |k: usize| if replacement { n - 1 } else { n + k - r };
            let Some(k) = (0..r).rev().find(|&k| choice[k] < last(k)) else { break };
            let first = choice[k] + 1;
            choice[k..].iter_mut().enumerate().for_each(|(j, i)| *i = if replacement { first } else { first + j });
        }
        self.index_select(0, &Tensor::from_vec(indices, [shape.elements()])?.to(&self.device())?)?.reshape([rows, r])
    }

    /// The powers of each element along a new last axis: x⁰, …, xᶜ⁻¹ for `columns` c if `increasing`, and in the opposite order if not, as in NumPy.
    ///
    /// Shapes: `(…)` to `(…, c)`; of a vector it is the Vandermonde matrix.
    ///
    /// # Gradient
    /// x̄ = Σₖ ȳₖ k xᵏ⁻¹
    ///
    /// # Errors
    /// For booleans, or if a power of an integer does not fit i64.
    ///
    /// # Example
    /// ```
    /// use monotile::Tensor;
    /// let x = Tensor::from([2_i64, 3]);
    /// assert_eq!(x.vander(3, true)?.to_vec::<i64>()?, [1, 2, 4, 1, 3, 9]);
    /// assert_eq!(x.vander(3, false)?.to_vec::<i64>()?, [4, 2, 1, 9, 3, 1]);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "vandermonde")]
    #[track_caller]
    pub fn vander(&self, columns: usize, increasing: bool) -> Result<Tensor> {
        if self.dtype() == crate::DType::Bool {
            return Err(Error::dtype("vander: takes numbers, got bool; cast with to_dtype"));
        }
        let x = if self.dtype().is_float() { self.to_compute_dtype("vander")? } else { self.widened("vander")? };
        let x = x.unsqueeze(-1)?;
        let mut shape: Dims = x.shape().into();
        shape[x.rank() - 1] = columns.saturating_sub(1);
        check::shape("vander", &shape)?;
        let ones = x.ones_like().slice(-1, ..columns.min(1))?;
        let powers = Tensor::cat([ones, x.expand(&shape)?], -1)?.cumprod(-1)?;
        if increasing { Ok(powers) } else { powers.flip(-1) }
    }
}

#[track_caller]
fn cartesian_prod(vectors: &[&Tensor]) -> Result<Tensor> {
    if let Some(x) = vectors.iter().find(|x| x.rank() != 1) {
        return Err(Error::shape(format!("cartesian_prod: takes vectors, got shape {:?}", x.shape())));
    }
    if let Some(x) = vectors.iter().find(|x| x.dtype() != vectors[0].dtype()) {
        let (a, b) = (vectors[0].dtype(), x.dtype());
        return Err(Error::dtype(format!("cartesian_prod: takes vectors of one type, got {a} and {b}; cast with to_dtype")));
    }
    let shape: Dims = vectors.iter().map(|x| x.len()).collect();
    let shape = check::shape("cartesian_prod", &shape)?;
    let rows = shape.elements();
    if vectors.is_empty() {
        return Err(Error::value("cartesian_prod: there is no vector"));
    }
    Tensor::stack(Tensor::meshgrid(vectors)?, -1)?.reshape([rows, vectors.len()])
}

/// n over r, or the largest number where it is larger.
fn count(n: usize, r: usize) -> usize {
    if r > n {
        return 0;
    }
    let mut product = 1_u128;
    for k in 0..r.min(n - r) {
        // The product of k + 1 numbers in succession is a multiple of (k + 1)!.
        product = product * (n - k) as u128 / (k as u128 + 1);
        if product > usize::MAX as u128 {
            return usize::MAX;
        }
    }
    product as usize
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    vec![
        Spec::new("cartesian_prod", |x| Ok(vec![Tensor::cartesian_prod(x)?]))
            .sample("two vectors", vec![normal(&[2]), normal(&[3])])
            .sample("one", vec![normal(&[3])])
            .sample("an empty one", vec![normal(&[2]), normal(&[0])])
            .reference(|x| match x {
                [a, b] => vec![a.iter().flat_map(|a| b.iter().flat_map(move |b| [*a, *b])).collect()],
                _ => vec![x[0].clone()],
            })
            .orders(2)
            .refuses(vec![normal(&[2]), normal(&[2, 1])], "cartesian_prod: takes vectors, got shape [2, 1]"),
        Spec::new("combinations", |x| Ok(vec![x[0].combinations(2, false)?, x[0].combinations(2, true)?]))
            .sample("vector", vec![normal(&[4])])
            .sample("empty", vec![normal(&[0])])
            .reference(|x| {
                let pairs = |apart: usize| {
                    let x = &x[0];
                    (0..x.len()).flat_map(|i| (i + apart..x.len()).flat_map(move |j| [x[i], x[j]])).collect()
                };
                vec![pairs(1), pairs(0)]
            })
            .orders(2)
            .refuses(vec![normal(&[2, 2])], "combinations: takes a vector, got shape [2, 2]"),
        Spec::new("vander", |x| Ok(vec![x[0].vander(4, true)?, x[0].vander(3, false)?]))
            .sample("matrix", vec![normal(&[2, 3])])
            .sample("empty", vec![normal(&[0])])
            .reference(|x| {
                let powers = |of: &[i32]| x[0].iter().flat_map(|v| of.iter().map(|&k| v.powi(k)).collect::<Vec<_>>()).collect();
                vec![powers(&[0, 1, 2, 3]), powers(&[2, 1, 0])]
            })
            .orders(2)
            .refuses(vec![Tensor::from([true])], "vander: takes numbers, got bool; cast with to_dtype"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: cartesian_prod, combinations, vander);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_counted_before_they_are_made() {
        let x = Tensor::arange(6).unwrap();
        for (r, replacement, rows) in [(0, false, 1), (6, false, 1), (7, false, 0), (3, false, 20), (3, true, 56), (0, true, 1)] {
            assert_eq!(x.combinations(r, replacement).unwrap().shape(), [rows, r]);
        }
        let all = x.combinations(4, true).unwrap();
        let rows: Vec<Vec<i64>> = all.iter().map(|row| row.to_vec().unwrap()).collect();
        assert!(rows.iter().all(|row| row.is_sorted()) && rows.windows(2).all(|pair| pair[0] < pair[1]) && rows.len() == 126);
        assert!(Tensor::arange(200).unwrap().combinations(100, false).is_err());
        assert_eq!(x.vander(0, true).unwrap().shape(), [6, 0]);
        assert!(Tensor::from([10_i64]).vander(21, true).err().unwrap().to_string().contains("i64"));
    }
}
