//! Products, conjugates, inverses, lengths, and rotated points.

use crate::error::{Error, Result};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};
use crate::transform::parts::{
    batch_suffix, check_rows, common, constant, cross, leading, numbers, refuse_where, row, row_text, unit,
};

/// The product a b: the rotation b, then a.
///
/// With a = (u, s) and b = (v, t): a b = (s v + t u + u × v, s t − u · v).
///
/// Shapes: `a` and `b` are `(…, 4)`, leading dimensions broadcast.
///
/// # Errors
/// If rows have not 4 numbers, or leading dimensions do not broadcast.
///
/// # Source
/// Hamilton (1844).
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::quaternion};
/// let (i, j) = (Tensor::from_slice(&[1.0_f64, 0.0, 0.0, 0.0], &[4])?, Tensor::from_slice(&[0.0, 1.0, 0.0, 0.0], &[4])?);
/// assert_eq!(quaternion::multiply(&i, &j)?.to_vec::<f64>()?, [0.0, 0.0, 1.0, 0.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn multiply(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    const OP: &str = "quaternion::multiply";
    check_rows(OP, "a", a, 4)?;
    check_rows(OP, "b", b, 4)?;
    leading(OP, &[(a, 1), (b, 1)])?;
    let [a, b] = common(OP, [a, b])?;
    product(&a, &b)
}

/// [`multiply`] of what has been checked.
pub(in crate::transform) fn product(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let ([ax, ay, az, aw], [bx, by, bz, bw]) = (numbers(a)?, numbers(b)?);
    row(&[
        &(&aw * &bx + &ax * &bw + &ay * &bz - &az * &by),
        &(&aw * &by + &ay * &bw + &az * &bx - &ax * &bz),
        &(&aw * &bz + &az * &bw + &ax * &by - &ay * &bx),
        &(&aw * &bw - &ax * &bx - &ay * &by - &az * &bz),
    ])
}

/// The conjugates (−v, w), which are the inverses of quaternions of length 1.
///
/// Shapes: `q` is `(…, 4)`, and so is the result.
///
/// # Errors
/// If rows have not 4 numbers.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::quaternion};
/// let q = Tensor::from_slice(&[0.5_f64, -0.5, 0.5, 0.5], &[4])?;
/// assert_eq!(quaternion::conjugate(&q)?.to_vec::<f64>()?, [-0.5, 0.5, -0.5, 0.5]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn conjugate(q: &Tensor) -> Result<Tensor> {
    check_rows("quaternion::conjugate", "q", q, 4)?;
    let [q] = common("quaternion::conjugate", [q])?;
    q.mul(constant(&[-1.0, -1.0, -1.0, 1.0], q.dtype())?.to(&q.device())?)
}

/// The inverses (−v, w) / |q|², of any length.
///
/// Shapes: `q` is `(…, 4)`, and so is the result.
///
/// # Errors
/// If rows have not 4 numbers, or all 4 are 0.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::quaternion};
/// let q = Tensor::from_slice(&[0.0_f64, 2.0, 0.0, 0.0], &[4])?;
/// assert_eq!(quaternion::inverse(&q)?.to_vec::<f64>()?, [0.0, -0.5, 0.0, 0.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn inverse(q: &Tensor) -> Result<Tensor> {
    const OP: &str = "quaternion::inverse";
    check_rows(OP, "q", q, 4)?;
    let squares = q.square()?.sum(&[-1], true)?;
    refuse_where(&squares, |square| square == 0.0, |i| zero(OP, q, i, "which has no inverse"))?;
    conjugate(q)?.div(&squares)
}

/// Quaternions over their length, whatever that is.
///
/// Shapes: `q` is `(…, 4)`, and so is the result.
///
/// # Errors
/// If rows have not 4 numbers, or all 4 are 0: that is no rotation.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::quaternion};
/// let q = Tensor::from_slice(&[0.0_f64, 3.0, 0.0, 4.0], &[4])?;
/// assert_eq!(quaternion::normalize(&q)?.to_vec::<f64>()?, [0.0, 0.6, 0.0, 0.8]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn normalize(q: &Tensor) -> Result<Tensor> {
    const OP: &str = "quaternion::normalize";
    check_rows(OP, "q", q, 4)?;
    let [q] = common(OP, [q])?;
    unit(&q, |i| zero(OP, &q, i, "which is no rotation"))
}

/// The refusal of quaternion `i`.
#[track_caller]
fn zero(op: &str, q: &Tensor, i: usize, why: &str) -> Error {
    let leading = &q.shape()[..q.rank() - 1];
    Error::value(format!("{op}: the quaternion is {}, {why}{}", row_text(q, leading, i), batch_suffix(leading, i)))
}

/// Points rotated: q p q⁻¹ for quaternions of length 1.
///
/// With q = (u, w) and t = 2 u × p: p + w t + u × t.
///
/// Shapes: `q` is `(…, 4)`, `points` `(…, 3)`, leading dimensions broadcast; one rotation for all points, or each its own.
///
/// # Errors
/// If rows have not 4 and 3 numbers, or leading dimensions do not broadcast.
///
/// # Example
/// A quarter turn about z takes x to y:
/// ```
/// use monotile::{Tensor, transform::quaternion};
/// let half = 0.5_f64.sqrt();
/// let q = Tensor::from_slice(&[0.0, 0.0, half, half], &[4])?;
/// let x = Tensor::from_slice(&[1.0_f64, 0.0, 0.0], &[3])?;
/// let y = quaternion::rotate(&q, &x)?.to_vec::<f64>()?;
/// assert!((y[0]).abs() < 1e-15 && (y[1] - 1.0).abs() < 1e-15 && y[2] == 0.0);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn rotate(q: &Tensor, points: &Tensor) -> Result<Tensor> {
    const OP: &str = "quaternion::rotate";
    check_rows(OP, "q", q, 4)?;
    check_rows(OP, "points", points, 3)?;
    leading(OP, &[(q, 1), (points, 1)])?;
    let [q, p] = common(OP, [q, points])?;
    let (u, w) = (q.slice(-1, ..3)?, q.slice(-1, 3..)?);
    let t = cross(&u, &p)?.mul_scalar(2.0)?;
    p.add(&w.mul(&t)?)?.add(&cross(&u, &t)?)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use crate::transform::parts::samples::{distance, numbers, rotations};
    let identity = numbers(&[0.0, 0.0, 0.0, 1.0]);
    vec![
        Spec::new("quaternion::multiply", |x| Ok(vec![multiply(&x[0], &x[1])?]))
            .sample("general", vec![normal(&[2, 4]), normal(&[2, 4]).flip(-1).unwrap()])
            .sample("broadcast", vec![normal(&[3, 1, 4]), normal(&[2, 4])])
            .sample("identity", vec![identity.clone(), identity.clone()])
            .sample("empty", vec![normal(&[0, 4]), normal(&[4])])
            .property("lengths multiply", |x, y| {
                let length = |q: &Tensor| q.square()?.sum(&[-1], false)?.sqrt();
                distance(&length(&x[0])?.mul(&length(&x[1])?)?, &length(&y[0])?)
            })
            .orders(2)
            .refuses(vec![normal(&[3]), normal(&[4])], "quaternion::multiply: a must be rows of 4 numbers, got shape [3]")
            .refuses(
                vec![normal(&[2, 4]), normal(&[3, 4])],
                "quaternion::multiply: the leading dimensions of shapes [2, 4] and [3, 4] do not broadcast",
            ),
        Spec::new("quaternion::conjugate", |x| Ok(vec![conjugate(&x[0])?]))
            .sample("general", vec![normal(&[2, 4])])
            .reference(|x| vec![x[0].iter().enumerate().map(|(i, x)| if i % 4 < 3 { -x } else { *x }).collect()])
            .orders(2)
            .may_drop_nan(),
        Spec::new("quaternion::inverse", |x| Ok(vec![inverse(&x[0])?]))
            // Lengths about 2: a difference quotient stays far from 0.
            .sample("general", vec![normal(&[3, 4])])
            .sample("identity", vec![identity.clone()])
            .property("q q⁻¹ = 1", |x, y| {
                let product = multiply(&x[0], &y[0])?;
                distance(&product, &numbers(&[0.0, 0.0, 0.0, 1.0]).expand(product.shape())?)
            })
            .orders(2)
            .refuses(
                vec![Tensor::zeros(&[4], crate::DType::F64).unwrap()],
                "quaternion::inverse: the quaternion is [0, 0, 0, 0], which has no inverse",
            ),
        Spec::new("quaternion::normalize", |x| Ok(vec![normalize(&x[0])?]))
            .sample("general", vec![normal(&[3, 4])])
            .sample("identity", vec![identity.clone()])
            .property("the length is 1", |x, y| {
                let squares = y[0].square()?.sum(&[-1], false)?;
                let _ = x;
                distance(&squares, &squares.ones_like())
            })
            .orders(2)
            .refuses(
                vec![Tensor::zeros(&[2, 4], crate::DType::F64).unwrap()],
                "quaternion::normalize: the quaternion is [0, 0, 0, 0], which is no rotation (number 0 of the batch)",
            ),
        Spec::new("quaternion::rotate", |x| Ok(vec![rotate(&x[0], &x[1])?]))
            .sample("one each", vec![rotations(&[3]), normal(&[3, 3])])
            .sample("one for all", vec![rotations(&[]), normal(&[5, 3])])
            .sample("identity", vec![identity, normal(&[2, 3])])
            .property("p ↦ q p q⁻¹", |x, y| {
                let pure = x[1].pad(-1, 0, 1, 0.0)?;
                distance(&multiply(&multiply(&x[0], &pure)?, &conjugate(&x[0])?)?.slice(-1, ..3)?, &y[0])
            })
            .orders(2)
            .refuses(vec![normal(&[4]), normal(&[4])], "quaternion::rotate: points must be rows of 3 numbers, got shape [4]"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs:
    quaternion_multiply, quaternion_conjugate, quaternion_inverse, quaternion_normalize, quaternion_rotate,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_near_the_ends_of_the_range_are_brought_to_1() {
        for scale in [1e-300, 1e300] {
            let q = Tensor::from_slice(&[3.0 * scale, 0.0, -4.0 * scale, 0.0], &[4]).unwrap();
            let unit = normalize(&q).unwrap().to_f64_vec().unwrap();
            assert!((unit[0] - 0.6).abs() < 1e-15 && (unit[2] + 0.8).abs() < 1e-15, "{unit:?}");
        }
    }
}
