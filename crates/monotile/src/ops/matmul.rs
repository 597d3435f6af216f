//! The matrix product, batched over leading dimensions.
//!
//! C[…, m, n] = Σ_k A[…, m, k] B[…, k, n]

use std::panic::Location;

use smallvec::SmallVec;

use crate::check;
use crate::einsum::pair::contract;
use crate::error::{Error, Result};
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// # Products
///
/// The matrix product; [`einsum`](crate::einsum()) has all others, and [`linalg`](crate::linalg) what factors matrices.
impl Tensor {
    /// The product of matrices: `(…, m, k)` times `(…, k, n)` gives `(…, m, n)`, over leading dimensions that broadcast.
    ///
    /// A vector of n elements counts as a row `(1, n)` on the left and as a column `(n, 1)` on the right; its dimension of
    /// size 1 does not appear in the result. Transposed and repeated operands are read through their strides, not
    /// copied, and bf16 or f16 operands are widened while they are read.
    ///
    /// # Gradient
    /// Ā = C̄ Bᵀ and B̄ = Aᵀ C̄, summed over repeated leading dimensions; each only where it is wanted.
    ///
    /// # Errors
    /// If an operand is a scalar, the inner sizes differ, the leading sizes do not broadcast, or a dtype is no
    /// floating-point one.
    ///
    /// # Cost
    /// 2 m n k operations a matrix.
    ///
    /// # Example
    /// ```
    /// use monotile::{DType, Tensor};
    /// let (w, x) = (Tensor::ones(&[4, 3], DType::F32)?, Tensor::ones(&[2, 5, 3], DType::F32)?);
    /// let y = x.matmul(&w.mt())?;
    /// assert_eq!(y.shape(), [2, 5, 4]);
    /// assert_eq!(y.to_vec::<f32>()?[0], 3.0);
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[doc(alias = "@")]
    #[doc(alias = "dot")]
    #[doc(alias = "mm")]
    #[doc(alias = "bmm")]
    #[doc(alias = "mv")]
    #[track_caller]
    pub fn matmul(&self, other: &Tensor) -> Result<Tensor> {
        let (a, b) = (self, other);
        check::product_float("matmul", a, b)?;
        let here = Location::caller();
        let refuse =
            |why: &str| Err(Error::shape(format!("matmul: shapes {:?} and {:?}: {why}", a.shape(), b.shape())).with_place(here));
        if a.rank() == 0 || b.rank() == 0 {
            return refuse("a scalar is no matrix; use mul");
        }
        let (row, column) = (a.rank() == 1, b.rank() == 1);
        let (batch_a, batch_b) = (&a.shape()[..a.rank().saturating_sub(2)], &b.shape()[..b.rank().saturating_sub(2)]);
        if a.dim(-1) != b.shape()[batch_b.len()] {
            return refuse(&format!("the inner sizes {} and {} differ", a.dim(-1), b.shape()[batch_b.len()]));
        }
        let Ok(batch) = check::broadcast("matmul", batch_a, batch_b) else {
            return refuse("the leading dimensions do not broadcast");
        };

        // Labels: the batch dimensions, then m, k, n. A repeated dimension of size 1 loses its label, so that a matrix
        // that is shared by a batch is one operand of one large product.
        let m = batch.len() as u32;
        let (k, n) = (m + 1, m + 2);
        let ends_a: &[u32] = if row { &[k] } else { &[m, k] };
        let ends_b: &[u32] = if column { &[k] } else { &[k, n] };
        let (a, labels_a) = labelled(a, batch_a.len(), &batch, ends_a)?;
        let (b, labels_b) = labelled(b, batch_b.len(), &batch, ends_b)?;
        // A dimension of size 1 on both sides, or only on one: it stays in the result.
        let has = |d: &u32| labels_a.contains(d) || labels_b.contains(d);
        let out: Labels = (0..m).filter(has).chain((!row).then_some(m)).chain((!column).then_some(n)).collect();
        let c = contract(&a, &labels_a, &b, &labels_b, &out)?;
        if c.rank() == batch.len() + usize::from(!row) + usize::from(!column) {
            return Ok(c);
        }
        let shape: Dims =
            batch.iter().copied().chain((!row).then(|| self.dim(-2))).chain((!column).then(|| other.dim(-1))).collect();
        c.reshape(&shape)
    }
}

/// The labels of an operand's dimensions.
type Labels = SmallVec<[u32; 6]>;

/// An operand without its batch dimensions of size 1, and the labels of those that are left.
#[track_caller]
fn labelled(x: &Tensor, leading: usize, batch: &[usize], ends: &[u32]) -> Result<(Tensor, Labels)> {
    let first = (batch.len() - leading) as u32;
    let kept: Dims = (0..leading).filter(|&d| x.shape()[d] != 1).collect();
    let labels = kept.iter().map(|&d| first + d as u32).chain(ends.iter().copied()).collect();
    if kept.len() == leading {
        return Ok((x.clone(), labels));
    }
    let shape: Dims = kept.iter().map(|&d| x.shape()[d]).chain(x.shape()[leading..].iter().copied()).collect();
    Ok((x.reshape(&shape)?, labels))
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    vec![
        Spec::new("matmul", |x| Ok(vec![x[0].matmul(&x[1])?]))
            .sample("matrices", vec![normal(&[3, 4]), normal(&[4, 2])])
            .sample("a batch by a matrix", vec![normal(&[2, 3, 4]), normal(&[4, 5])])
            .sample("repeated batches", vec![normal(&[2, 1, 3, 4]), normal(&[5, 4, 2])])
            .sample("vectors", vec![normal(&[4]), normal(&[4])])
            .sample("nothing to sum", vec![normal(&[2, 0]), normal(&[0, 3])])
            .orders(2)
            .refuses(vec![normal(&[2, 3]), normal(&[4, 2])], "matmul: shapes [2, 3] and [4, 2]: the inner sizes 3 and 4 differ")
            .refuses(
                vec![normal(&[2, 3, 4]), normal(&[3, 4, 5])],
                "matmul: shapes [2, 3, 4] and [3, 4, 5]: the leading dimensions do not broadcast",
            )
            .property("C = Σ a bᵀ over the inner index", |x, y| {
                if x[0].rank() != 2 || x[0].is_empty() {
                    return Ok(0.0);
                }
                let mut sum = Tensor::zeros(y[0].shape(), y[0].dtype()).unwrap();
                for k in 0..x[0].dim(1) {
                    sum = &sum + &(x[0].slice(1, k..=k)? * x[1].slice(0, k..=k)?);
                }
                Ok((&sum - &y[0]).to_f64_vec().unwrap().iter().fold(0.0, |m, d| m.max(d.abs())))
            }),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: matmul);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tape::{CheckGradientOptions, check_gradient};
    use crate::{DType, Rng};

    #[test]
    fn products_broadcast_and_have_gradients_of_both_orders() {
        let mut rng = Rng::new(3);
        let cases: [(&[usize], &[usize], &[usize]); 8] = [
            (&[3, 4], &[4, 2], &[3, 2]),
            (&[4], &[4, 2], &[2]),
            (&[3, 4], &[4], &[3]),
            (&[4], &[4], &[]),
            (&[2, 1, 3, 4], &[5, 4, 2], &[2, 5, 3, 2]),
            (&[2, 3, 4], &[4, 2], &[2, 3, 2]),
            (&[1, 3, 4], &[1, 4, 2], &[1, 3, 2]),
            (&[2, 0, 4], &[4, 3], &[2, 0, 3]),
        ];
        for (a, b, out) in cases {
            let inputs = [rng.normal(a, DType::F64).unwrap(), rng.normal(b, DType::F64).unwrap()];
            assert_eq!(inputs[0].matmul(&inputs[1]).unwrap().shape(), out);
            let options = CheckGradientOptions { order: 2, ..Default::default() };
            check_gradient(|x| Ok(vec![x[0].matmul(&x[1])?]), &inputs, &options).unwrap();
        }
    }

    #[test]
    fn bf16_operands_are_read_as_f32() {
        let a = Rng::new(1).normal(&[5, 7], DType::F32).unwrap();
        let w = Rng::new(2).normal(&[3, 7], DType::BF16).unwrap();
        let expected = a.matmul(&w.to_dtype(DType::F32).unwrap().mt()).unwrap();
        let y = a.matmul(&w.mt()).unwrap();
        assert_eq!(y.dtype(), DType::F32);
        // The kernel may add in another order for another stored type: k roundings of products of size about 1.
        let close = |(a, b): (f64, f64)| (a - b).abs() <= 7.0 * f64::from(f32::EPSILON) * 4.0;
        assert!(y.to_f64_vec().unwrap().into_iter().zip(expected.to_f64_vec().unwrap()).all(close));
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused_with_words() {
        let (a, b) = (Tensor::ones(&[2, 3], DType::F32).unwrap(), Tensor::ones(&[4, 2], DType::F32).unwrap());
        assert_eq!(a.matmul(&b).err().unwrap().to_string(), "matmul: shapes [2, 3] and [4, 2]: the inner sizes 3 and 4 differ");
        let scalar = Tensor::scalar(1.0_f32);
        assert_eq!(a.matmul(&scalar).err().unwrap().to_string(), "matmul: shapes [2, 3] and []: a scalar is no matrix; use mul");
    }
}
