//! Rotations by an axis and an angle, or by both in one vector.

use crate::error::{Error, Result};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal, uniform};
use crate::transform::arc::{angle_over_sine, stumpff};
use crate::transform::parts::{batch_suffix, check_rows, common, dot, leading, row_text, shape, unit};

/// Rotations by `angle` radians about `axis`: (sin(θ/2) a, cos(θ/2)), a = axis / |axis|. Counterclockwise, seen from the tip of the axis.
///
/// Shapes: `axis` is `(…, 3)`, of any length but 0, `angle` `(…)`; leading dimensions broadcast, the result is `(…, 4)`.
///
/// # Errors
/// If rows have not 3 numbers, an axis is 0, or leading dimensions do not broadcast.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::quaternion};
/// let axis = Tensor::from_slice(&[0.0_f64, 2.0, 0.0], &[3])?;
/// let half_turn = quaternion::from_axis_angle(&axis, &Tensor::scalar(std::f64::consts::PI))?;
/// assert_eq!(half_turn.to_vec::<f64>()?[..3], [0.0, 1.0, 0.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn from_axis_angle(axis: &Tensor, angle: &Tensor) -> Result<Tensor> {
    const OP: &str = "quaternion::from_axis_angle";
    check_rows(OP, "axis", axis, 3)?;
    let all = leading(OP, &[(axis, 1), (angle, 0)])?;
    let [axis, angle] = common(OP, [axis, angle])?;
    let own = &axis.shape()[..axis.rank() - 1];
    let zero =
        |i| Error::value(format!("{OP}: the axis is {}, which has no direction{}", row_text(&axis, own, i), batch_suffix(own, i)));
    let direction = unit(&axis, zero)?;
    let half = angle.mul_scalar(0.5)?.unsqueeze(-1)?;
    let vector = half.sin()?.mul(&direction)?;
    Tensor::cat(&[&vector, &half.cos()?.expand(&shape(&all, &[1]))?], -1)
}

/// Rotations about the direction of `v` by |v| radians: (v sin(θ/2) / θ, cos(θ/2)) with θ = |v|. The exponential of v / 2.
///
/// Shapes: `v` is `(…, 3)`, the result `(…, 4)`.
///
/// # Gradient
/// Smooth everywhere, also at v = 0, since θ itself is not formed.
///
/// # Errors
/// If rows have not 3 numbers.
///
/// # Source
/// Grassia (1998), Journal of Graphics Tools 3(3), 29.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::quaternion};
/// let none = Tensor::zeros(&[3], monotile::DType::F64)?;
/// assert_eq!(quaternion::from_rotation_vector(&none)?.to_vec::<f64>()?, [0.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn from_rotation_vector(v: &Tensor) -> Result<Tensor> {
    check_rows("quaternion::from_rotation_vector", "v", v, 3)?;
    let [v] = common("quaternion::from_rotation_vector", [v])?;
    let half = v.mul_scalar(0.5)?;
    let u = dot(&half, &half)?.unsqueeze(-1)?;
    Tensor::cat(&[&half.mul(&stumpff(1, &u)?)?, &stumpff(0, &u)?], -1)
}

/// The rotation vectors of quaternions of length 1: axis times angle, by the shorter way, at most π long. Twice the logarithm.
///
/// With q = (u, w), negated where w < 0: v = 2 u · arccos w / √(1 − w²).
///
/// Shapes: `q` is `(…, 4)`, the result `(…, 3)`.
///
/// # Gradient
/// Smooth at the identity. A turn by π has two such vectors, ±v, between which the result jumps.
///
/// # Errors
/// If rows have not 4 numbers.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::quaternion};
/// let v = Tensor::from_slice(&[0.1_f64, -0.2, 0.3], &[3])?;
/// let back = quaternion::to_rotation_vector(&quaternion::from_rotation_vector(&v)?)?.to_vec::<f64>()?;
/// assert!(back.iter().zip([0.1, -0.2, 0.3]).all(|(a, b)| (a - b).abs() < 1e-15));
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn to_rotation_vector(q: &Tensor) -> Result<Tensor> {
    check_rows("quaternion::to_rotation_vector", "q", q, 4)?;
    let [q] = common("quaternion::to_rotation_vector", [q])?;
    logarithm(&q)?.mul_scalar(2.0)
}

/// The vector part of the logarithm of quaternions of length 1, or of their negatives where w < 0.
#[track_caller]
pub(super) fn logarithm(q: &Tensor) -> Result<Tensor> {
    let (u, w) = (q.slice(-1, ..3)?, q.slice(-1, 3..)?);
    let negative = w.detach().lt(w.detach().zeros_like())?;
    let (u, w) = (negative.where_(&-&u, &u)?, negative.where_(&-&w, &w)?);
    u.mul(&angle_over_sine(&w)?)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use crate::transform::parts::samples::{distance, numbers, rotations};
    use crate::transform::quaternion::normalize;
    let zero = || Tensor::zeros(&[3], crate::DType::F64).unwrap();
    let near = |eps: f64| normalize(&numbers(&[eps, -2.0 * eps, eps, 1.0])).unwrap();
    vec![
        Spec::new("quaternion::from_axis_angle", |x| Ok(vec![from_axis_angle(&x[0], &x[1])?]))
            .sample("one each", vec![normal(&[4, 3]), normal(&[4])])
            .sample("one axis", vec![normal(&[3]), normal(&[5])])
            .sample("angle 0", vec![normal(&[2, 3]), Tensor::zeros(&[2], crate::DType::F64).unwrap()])
            .sample("half a turn", vec![normal(&[2, 3]), Tensor::full(&[1], std::f64::consts::PI).unwrap()])
            .shaped_reference(|x, s| {
                let n = x[1].len();
                let one = |i: usize| {
                    let a = if s[0].len() == 1 { &x[0][..] } else { &x[0][i * 3..i * 3 + 3] };
                    let (length, half) = (a.iter().map(|v| v * v).sum::<f64>().sqrt(), x[1][i % n] / 2.0);
                    [a[0], a[1], a[2]].map(|v| v / length * half.sin()).into_iter().chain([half.cos()]).collect::<Vec<_>>()
                };
                vec![(0..n.max(x[0].len() / 3)).flat_map(one).collect()]
            })
            .orders(2)
            .refuses(vec![zero(), normal(&[])], "quaternion::from_axis_angle: the axis is [0, 0, 0], which has no direction"),
        Spec::new("quaternion::from_rotation_vector", |x| Ok(vec![from_rotation_vector(&x[0])?]))
            .sample("batch", vec![normal(&[2, 3])])
            .sample("angle 0", vec![zero()])
            .sample("small angle", vec![numbers(&[1e-7, -2e-7, 1e-8])])
            .sample("several turns", vec![numbers(&[5.0, -8.0, 3.0])])
            .property("axis and angle", |x, y| {
                let length = x[0].square()?.sum(&[-1], false)?.sqrt()?;
                if length.to_f64_vec().unwrap().contains(&0.0) {
                    return distance(&y[0], &numbers(&[0.0, 0.0, 0.0, 1.0]));
                }
                distance(&from_axis_angle(&x[0], &length)?, &y[0])
            })
            .orders(2)
            .refuses(vec![normal(&[4])], "quaternion::from_rotation_vector: v must be rows of 3 numbers, got shape [4]"),
        Spec::new("quaternion::to_rotation_vector", |x| Ok(vec![to_rotation_vector(&x[0])?]))
            // Vectors of up to 2.6: far from a turn by π, where there are two.
            .sample("batch", vec![from_rotation_vector(&uniform(&[4, 3], -1.5, 1.5)).unwrap()])
            .sample("negated", vec![-from_rotation_vector(&uniform(&[4, 3], -1.5, 1.5)).unwrap()])
            .sample("identity", vec![numbers(&[0.0, 0.0, 0.0, 1.0])])
            .sample("minus identity", vec![numbers(&[0.0, 0.0, 0.0, -1.0])])
            .sample("small angle", vec![near(1e-7)])
            .sample("smaller angle", vec![near(1e-12)])
            .property("its quaternion is the input", |x, y| {
                let back = from_rotation_vector(&y[0])?;
                let product = back.mul(&x[0])?.sum(&[-1], false)?.abs()?;
                distance(&product, &product.ones_like())
            })
            .orders(2),
        Spec::new("quaternion::to_rotation_vector of any", |x| Ok(vec![to_rotation_vector(&x[0])?]))
            .sample("batch", vec![rotations(&[5])])
            .property("at most π", |_, y| {
                let longest = y[0].square()?.sum(&[-1], false)?.max(&[], false)?.sqrt()?.to_f64_vec().unwrap()[0];
                Ok((longest - std::f64::consts::PI).max(0.0))
            }),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs:
    quaternion_from_axis_angle, quaternion_from_rotation_vector, quaternion_to_rotation_vector,
    quaternion_to_rotation_vector_of_any,
);
