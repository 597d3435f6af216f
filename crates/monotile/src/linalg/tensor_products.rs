//! Products that make larger tensors or contract some axes, and the trace.

use crate::check;
use crate::error::{Error, Result};
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The sum of the diagonals of matrices `(…, n, n)`: `(…)`.
///
/// # Gradient
/// ā = ȳ I
///
/// # Errors
/// If the matrices are not square; for integers.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::trace};
/// assert_eq!(trace(&Tensor::from_rows(&[[1.0_f64, 2.0], [3.0, 4.0]])?)?.item::<f64>()?, 5.0);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn trace(a: &Tensor) -> Result<Tensor> {
    check::square("trace", a)?;
    a.to_compute_dtype("trace")?.diagonal(-2, -1)?.sum(&[-1], false)
}

/// All products of two vectors' elements: aᵢ bⱼ, `(m, n)`.
///
/// # Gradient
/// ā = ȳ b, b̄ = ȳᵀ a
///
/// # Errors
/// If an operand is no vector.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::outer};
/// let (a, b) = (Tensor::from_slice(&[1.0_f64, 2.0], &[2])?, Tensor::from_slice(&[3.0_f64, 4.0], &[2])?);
/// assert_eq!(outer(&a, &b)?.to_vec::<f64>()?, [3.0, 4.0, 6.0, 8.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn outer(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.rank() != 1 || b.rank() != 1 {
        return Err(Error::shape(format!("outer: needs two vectors, got shapes {:?} and {:?}", a.shape(), b.shape())));
    }
    check_numbers("outer", a, b)?;
    a.unsqueeze(-1)?.mul(b)
}

/// Kronecker's product: blocks aᵢⱼ B, of size mₐ m_b by nₐ n_b; of any rank, the smaller one with leading sizes of 1.
///
/// # Gradient
/// ā sums ȳ times b over each block, b̄ sums the blocks of ȳ times a.
///
/// # Errors
/// If the product has more elements than memory.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::kron};
/// let (a, b) = (Tensor::from_rows(&[[1.0_f64, 2.0]])?, Tensor::from_rows(&[[1.0_f64], [10.0]])?);
/// assert_eq!(kron(&a, &b)?.to_vec::<f64>()?, [1.0, 2.0, 10.0, 20.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn kron(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    check_numbers("kron", a, b)?;
    let rank = a.rank().max(b.rank());
    let size = |t: &Tensor, d: usize| (d + t.rank()).checked_sub(rank).map_or(1, |d| t.shape()[d]);
    let shape: Dims = (0..rank).map(|d| size(a, d).saturating_mul(size(b, d))).collect();
    let shape = check::shape("kron", &shape)?;
    let rows: Dims = (0..rank).flat_map(|d| [size(a, d), 1]).collect();
    let columns: Dims = (0..rank).flat_map(|d| [1, size(b, d)]).collect();
    a.reshape(&rows)?.mul(&b.reshape(&columns)?)?.reshape(&shape)
}

/// The sum of products over pairs of axes, `axes[0]` of a with `axes[1]` of b; the other axes of a, then those of b, are in the result.
///
/// # Gradient
/// As of the product of matrices that it is.
///
/// # Errors
/// If there are not as many axes of both, one does not exist or is named twice, or sizes differ; for integers.
///
/// # Cost
/// 2 m n k operations, where k is the product of the sizes that are summed over.
///
/// # Example
/// ```
/// use monotile::{DType, Tensor, linalg::tensordot};
/// let (a, b) = (Tensor::ones(&[2, 3, 4], DType::F64)?, Tensor::ones(&[4, 3, 5], DType::F64)?);
/// let c = tensordot(&a, &b, [&[1, 2], &[1, 0]])?;
/// assert_eq!((c.shape(), c.to_vec::<f64>()?[0]), (&[2, 5][..], 12.0));
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn tensordot(a: &Tensor, b: &Tensor, axes: [&[isize]; 2]) -> Result<Tensor> {
    check::product_float("tensordot", a, b)?;
    let [first, second] = [contracted(a, axes[0])?, contracted(b, axes[1])?];
    let sizes = |t: &Tensor, of: &[usize]| of.iter().map(|&d| t.shape()[d]).collect::<Dims>();
    let (k, l) = (sizes(a, &first), sizes(b, &second));
    if k != l {
        let (a, b) = (a.shape(), b.shape());
        return Err(Error::shape(format!(
            "tensordot: axes {:?} of shape {a:?} and {:?} of {b:?} differ in size",
            axes[0], axes[1]
        )));
    }
    let rest = |t: &Tensor, of: &[usize]| (0..t.rank()).filter(|d| !of.contains(d)).collect::<Dims>();
    let (rows, columns) = (rest(a, &first), rest(b, &second));
    let order = |x: &[usize], y: &[usize]| x.iter().chain(y).map(|&d| d as isize).collect::<Vec<isize>>();
    let (m, n) = (sizes(a, &rows), sizes(b, &columns));
    let count = |sizes: &[usize]| check::shape("tensordot", sizes).map(|shape| shape.elements());
    let (outer, inner, last) = (count(&m)?, count(&k)?, count(&n)?);
    let left = a.permute(&order(&rows, &first))?.reshape(&[outer, inner])?;
    let right = b.permute(&order(&second, &columns))?.reshape(&[inner, last])?;
    let shape: Dims = m.iter().chain(&n).copied().collect();
    left.matmul(&right)?.reshape(&shape)
}

/// Refuses what has no products: integers beside floating-point numbers, and booleans.
#[track_caller]
fn check_numbers(op: &str, a: &Tensor, b: &Tensor) -> Result<()> {
    if a.dtype().is_integer() && b.dtype().is_integer() {
        return Ok(());
    }
    check::common_float(op, a, b).map(|_| ())
}

/// The dimensions that the axes name, in their order.
#[track_caller]
fn contracted(t: &Tensor, axes: &[isize]) -> Result<Dims> {
    let mut found = Dims::new();
    for &axis in axes {
        let d = check::axis("tensordot", axis, t.rank())?;
        if found.contains(&d) {
            return Err(Error::shape(format!("tensordot: axes {axes:?} name one axis twice")));
        }
        found.push(d);
    }
    Ok(found)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    vec![
        Spec::new("trace", |x| Ok(vec![trace(&x[0])?]))
            .sample("matrices", vec![normal(&[2, 3, 3])])
            .sample("no elements", vec![normal(&[0, 0])])
            .shaped_reference(|x, s| {
                let n = s[0][s[0].len() - 1];
                let matrices = x[0].len().checked_div(n * n).unwrap_or(1);
                vec![(0..matrices).map(|b| (0..n).map(|i| x[0][b * n * n + i * (n + 1)]).sum()).collect()]
            })
            .may_drop_nan()
            .orders(2)
            .refuses(vec![normal(&[2, 3])], "trace: needs square matrices, got shape [2, 3]"),
        Spec::new("outer", |x| Ok(vec![outer(&x[0], &x[1])?]))
            .sample("vectors", vec![normal(&[3]), normal(&[4])])
            .sample("none", vec![normal(&[0]), normal(&[4])])
            .reference(|x| vec![x[0].iter().flat_map(|a| x[1].iter().map(move |b| a * b)).collect()])
            .orders(2)
            .refuses(vec![normal(&[3]), normal(&[2, 2])], "outer: needs two vectors, got shapes [3] and [2, 2]"),
        Spec::new("kron", |x| Ok(vec![kron(&x[0], &x[1])?]))
            .sample("matrices", vec![normal(&[2, 3]), normal(&[3, 2])])
            .sample("ranks that differ", vec![normal(&[2, 2, 1]), normal(&[3])])
            .sample("none", vec![normal(&[2, 0]), normal(&[3, 2])])
            .orders(2),
        Spec::new("tensordot", |x| Ok(vec![tensordot(&x[0], &x[1], [&[2, 0], &[0, -1]])?]))
            .sample("two axes", vec![normal(&[2, 3, 4]), normal(&[4, 5, 2])])
            .sample("none", vec![normal(&[0, 3, 4]), normal(&[4, 5, 0])])
            .orders(2)
            .refuses(
                vec![normal(&[2, 3, 4]), normal(&[4, 5, 3])],
                "tensordot: axes [2, 0] of shape [2, 3, 4] and [0, -1] of [4, 5, 3] differ in size",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: trace, outer, kron, tensordot);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::einsum;

    #[test]
    fn contractions_are_those_of_their_equations() {
        let (a, b) = (normal(&[2, 3, 4]), normal(&[4, 5, 2]));
        let same = |found: Tensor, expected: Tensor| {
            assert_eq!(found.shape(), expected.shape());
            let (found, expected) = (found.to_f64_vec().unwrap(), expected.to_f64_vec().unwrap());
            assert!(found.iter().zip(&expected).all(|(x, y)| (x - y).abs() < 1e-13), "{found:?} instead of {expected:?}");
        };
        same(tensordot(&a, &b, [&[2, 0], &[0, 2]]).unwrap(), einsum("aij,jba->ib", &[&a, &b]).unwrap());
        same(tensordot(&a, &b, [&[], &[]]).unwrap(), einsum("aij,kbc->aijkbc", &[&a, &b]).unwrap());
        let (p, q) = (normal(&[2, 3]), normal(&[3, 2]));
        same(kron(&p, &q).unwrap(), einsum("ij,kl->ikjl", &[&p, &q]).unwrap().reshape(&[6, 6]).unwrap());
    }
}
