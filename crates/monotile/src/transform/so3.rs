//! Rotation matrices and their logarithms.

use super::parts::{check_matrices, check_rows, common};
use super::quaternion::{from_matrix, from_rotation_vector, to_matrix, to_rotation_vector};
use crate::error::Result;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The rotation matrices about the directions of `v` by |v| radians: the exponential of (v)ₓ, by Rodrigues' formula.
///
/// Shapes: `v` is `(…, 3)`, the result `(…, 3, 3)`.
///
/// # Gradient
/// Smooth everywhere, also at v = 0.
///
/// # Errors
/// If rows have not 3 numbers.
///
/// # Source
/// Murray, Li and Sastry (1994), A Mathematical Introduction to Robotic Manipulation, 2.2.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::so3_exp};
/// let none = Tensor::zeros(&[3], monotile::DType::F64)?;
/// assert_eq!(so3_exp(&none)?.to_vec::<f64>()?, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn so3_exp(v: &Tensor) -> Result<Tensor> {
    check_rows("so3_exp", "v", v, 3)?;
    let [v] = common("so3_exp", [v])?;
    to_matrix(&from_rotation_vector(&v)?)
}

/// The rotation vectors of rotation matrices, axis times angle, at most π long: what [`so3_exp`] takes back.
///
/// The matrix becomes a quaternion first, so that no digits are lost near angles of 0 and π, as they are to the arccosine of a trace.
///
/// Shapes: `m` is `(…, 3, 3)`, the result `(…, 3)`.
///
/// # Gradient
/// Smooth at the identity. A turn by π has two such vectors, ±v, between which the result jumps.
///
/// # Errors
/// If the matrices are not 3 x 3. Matrices that do not rotate give numbers without meaning.
///
/// # Source
/// Shepperd (1978), Journal of Guidance and Control 1, 223; Grassia (1998), Journal of Graphics Tools 3(3), 29.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::{so3_exp, so3_log}};
/// let back = so3_log(&so3_exp(&Tensor::from_slice(&[1e-9_f64, 0.0, 3.1], &[3])?)?)?.to_vec::<f64>()?;
/// assert!((back[0] / 1e-9 - 1.0).abs() < 1e-6 && (back[2] - 3.1).abs() < 1e-14);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn so3_log(m: &Tensor) -> Result<Tensor> {
    check_matrices("so3_log", m, 3)?;
    let [m] = common("so3_log", [m])?;
    logarithm(&m)
}

/// [`so3_log`] of what has been checked.
#[track_caller]
pub(super) fn logarithm(m: &Tensor) -> Result<Tensor> {
    to_rotation_vector(&from_matrix(m)?)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, numbers};
    use std::f64::consts::PI;
    vec![
        Spec::new("so3_exp", |x| Ok(vec![so3_exp(&x[0])?]))
            .sample("batch", vec![normal(&[3, 3])])
            .sample("zero", vec![numbers(&[0.0; 3])])
            .sample("empty", vec![normal(&[0, 3])])
            .property("the rotation of a pose", |x, y| {
                let twist = Tensor::cat(&[&x[0].zeros_like(), &x[0]], -1)?;
                distance(&super::se3_exp(&twist)?.slice(-2, ..3)?.slice(-1, ..3)?, &y[0])
            })
            .may_drop_nan()
            .orders(2)
            .refuses(vec![normal(&[4])], "so3_exp: v must be rows of 3 numbers, got shape [4]"),
        Spec::new("so3_log", |x| Ok(vec![so3_log(&x[0])?]))
            .sample("batch", vec![so3_exp(&normal(&[2, 3, 3])).unwrap()])
            .sample("identity", vec![Tensor::eye(3, crate::DType::F64).unwrap()])
            .sample("small", vec![so3_exp(&numbers(&[1e-7, -1e-8, 1e-7])).unwrap()])
            .sample("nearly half a turn", vec![so3_exp(&numbers(&[0.1, PI - 0.05, 0.1])).unwrap()])
            .sample("empty", vec![normal(&[0, 3, 3])])
            .property("its exponential", |x, y| distance(&so3_exp(&y[0])?, &x[0]))
            .may_drop_nan()
            .orders(2)
            .refuses(vec![normal(&[4, 4])], "so3_log: needs 3 x 3 matrices, got shape [4, 4]"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: so3_exp, so3_log);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_keep_their_digits_near_none_and_near_half_a_turn() {
        for angle in [1e-12, 1e-8, 1e-4, 1.0, 3.0, std::f64::consts::PI - 1e-6, std::f64::consts::PI - 1e-9] {
            let v: Vec<f64> = [0.48, -0.6, 0.64].iter().map(|x| x * angle).collect();
            let back = so3_log(&so3_exp(&Tensor::from_slice(&v, &[3]).unwrap()).unwrap()).unwrap().to_f64_vec().unwrap();
            assert!(back.iter().zip(&v).all(|(a, b)| (a - b).abs() <= 4.0 * f64::EPSILON * angle), "{angle}: {back:?}");
        }
    }
}
