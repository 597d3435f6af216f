//! Quaternion ↔ rotation matrix.

use monotile_kernels::number::{Expr, Number};
use monotile_kernels::transform::formulas;

use crate::error::Result;
use crate::ops::map::composed;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};
use crate::transform::parts::{check_matrices, check_rows, common, entries, matrix, numbers, row, unit};

/// The rotation matrices of quaternions of length 1.
///
/// ```text
/// 1 − 2(y² + z²)   2(xy − wz)       2(xz + wy)
/// 2(xy + wz)       1 − 2(x² + z²)   2(yz − wx)
/// 2(xz − wy)       2(yz + wx)       1 − 2(x² + y²)
/// ```
///
/// Shapes: `q` is `(…, 4)`, the result `(…, 3, 3)`; [`rotation`](crate::transform::rotation) makes it a 4 x 4 matrix.
///
/// # Errors
/// If rows have not 4 numbers.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::quaternion};
/// let q = Tensor::from_slice(&[0.5_f64, 0.5, 0.5, 0.5], &[4])?; // x → y → z → x
/// assert_eq!(quaternion::to_matrix(&q)?.to_vec::<f64>()?, [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn to_matrix(q: &Tensor) -> Result<Tensor> {
    check_rows("quaternion::to_matrix", "q", q, 4)?;
    let [q] = common("quaternion::to_matrix", [q])?;
    let [x, y, z, w] = numbers(&q)?;
    let entries = composed([&x, &y, &z, &w], |q| formulas::rotation(q, Expr::ONE).as_flattened().to_vec())?;
    matrix::<3, 3>(std::array::from_fn(|i| std::array::from_fn(|j| &entries[3 * i + j])))
}

/// The quaternions of rotation matrices: of each pair ±q the one whose largest number is positive.
///
/// The sums and differences of a matrix's entries hold the rows of 4 q qᵀ. The row with the largest diagonal entry, which is at least
/// 1, over its length is q: no cancellation, whatever the rotation.
///
/// Shapes: `m` is `(…, 3, 3)`, the result `(…, 4)`. Of a 4 x 4 matrix take the upper left block, or
/// [`decompose`](crate::transform::decompose) it.
///
/// # Errors
/// If the matrices are not 3 x 3. Matrices that do not rotate give numbers without meaning.
///
/// # Source
/// Shepperd (1978), Journal of Guidance and Control 1, 223.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::quaternion};
/// let m = Tensor::from_rows(&[[-1.0_f64, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, 1.0]])?; // half a turn about z
/// assert_eq!(quaternion::from_matrix(&m)?.to_vec::<f64>()?, [0.0, 0.0, 1.0, 0.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn from_matrix(m: &Tensor) -> Result<Tensor> {
    check_matrices("quaternion::from_matrix", m, 3)?;
    let [m] = common("quaternion::from_matrix", [m])?;
    let [[xx, xy, xz], [yx, yy, yz], [zx, zy, zz]] = entries(&m)?;
    // Of 4 q qᵀ; `ab` sums stand for products of vector parts, differences for products with w.
    let [ww4, xx4, yy4, zz4] = [&xx + &yy + &zz + 1.0, &xx - &yy - &zz + 1.0, &yy - &xx - &zz + 1.0, &zz - &xx - &yy + 1.0];
    let (xy4, xz4, yz4) = (&xy + &yx, &xz + &zx, &yz + &zy);
    let (wx4, wy4, wz4) = (&zy - &yz, &xz - &zx, &yx - &xy);
    let mut best = (row(&[&wx4, &wy4, &wz4, &ww4])?, ww4.detach());
    for (numbers, diagonal) in
        [([&xx4, &xy4, &xz4, &wx4], &xx4), ([&xy4, &yy4, &yz4, &wy4], &yy4), ([&xz4, &yz4, &zz4, &wz4], &zz4)]
    {
        let larger = diagonal.detach().gt(&best.1)?;
        best = (larger.unsqueeze(-1)?.where_(&row(&numbers)?, &best.0)?, best.1.maximum(diagonal.detach())?);
    }
    unit(&best.0, |_| unreachable!("the diagonal of 4 q qᵀ sums to 4"))
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use crate::transform::parts::samples::{distance, numbers, rotations};
    // The angle about each axis in turn decides which row is taken; none is near a tie of two.
    let about = |axis: usize, angle: f64| {
        let mut q = [0.1, 0.1, 0.1, (angle / 2.0).cos()];
        q[axis] = (angle / 2.0).sin();
        super::normalize(&numbers(&q)).unwrap()
    };
    let mut back = Spec::new("quaternion::from_matrix", |x| Ok(vec![from_matrix(&x[0])?]))
        .sample("identity", vec![to_matrix(&numbers(&[0.0, 0.0, 0.0, 1.0])).unwrap()])
        .sample("small angle", vec![to_matrix(&about(0, 1e-7)).unwrap()])
        .sample("about x", vec![to_matrix(&about(0, 3.0)).unwrap()])
        .sample("about y", vec![to_matrix(&about(1, 3.1)).unwrap()])
        .sample("about z", vec![to_matrix(&about(2, std::f64::consts::PI)).unwrap()])
        .sample("batch", vec![to_matrix(&rotations(&[2, 3])).unwrap()])
        .property("its matrix is the input", |x, y| distance(&to_matrix(&y[0])?, &x[0]))
        .orders(2)
        .refuses(vec![normal(&[4, 4])], "quaternion::from_matrix: needs 3 x 3 matrices, got shape [4, 4]");
    for (i, name) in ["half about x", "half about y", "half about z"].into_iter().enumerate() {
        let mut q = [0.0; 4];
        q[i] = 1.0;
        back = back.sample(name, vec![to_matrix(&numbers(&q)).unwrap()]);
    }
    vec![
        back,
        Spec::new("quaternion::to_matrix", |x| Ok(vec![to_matrix(&x[0])?]))
            .sample("batch", vec![rotations(&[2, 3])])
            .sample("identity", vec![numbers(&[0.0, 0.0, 0.0, 1.0])])
            .sample("empty", vec![normal(&[0, 4])])
            .property("R Rᵀ = I", |x, y| {
                let product = y[0].matmul(&y[0].mt())?;
                let _ = x;
                distance(&product, &Tensor::eye(3, product.dtype())?.expand(product.shape())?)
            })
            .orders(2)
            .refuses(vec![normal(&[3])], "quaternion::to_matrix: q must be rows of 4 numbers, got shape [3]"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: quaternion_from_matrix, quaternion_to_matrix);
