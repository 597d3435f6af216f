//! Rotations about three axes, one after the other.

use super::algebra::product;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};
use crate::transform::parts::{check_rows, common, numbers, row, zero_and_one};

/// An axis of space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EulerAxis {
    /// (1, 0, 0)
    X,
    /// (0, 1, 0)
    Y,
    /// (0, 0, 1)
    Z,
}

/// What three Euler angles mean. The default is x, y, z, intrinsic, as three.js has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct EulerConvention {
    /// The axis of the first, the second and the third angle: no two equal ones in succession, which leaves 12 orders.
    pub axes: [EulerAxis; 3],
    /// false: each rotation is about an axis of the body that the ones before have turned, R = R₁ R₂ R₃.
    /// true: about the fixed axes of space, R = R₃ R₂ R₁.
    pub extrinsic: bool,
}

impl Default for EulerConvention {
    fn default() -> Self {
        Self { axes: [EulerAxis::X, EulerAxis::Y, EulerAxis::Z], extrinsic: false }
    }
}

/// Rotations by Euler angles in radians, the first number for the first axis.
///
/// Shapes: `angles` is `(…, 3)`, the result `(…, 4)`.
///
/// # Errors
/// If rows have not 3 numbers, or two axes in succession are the same.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::quaternion::{self, EulerAxis, EulerConvention}};
/// let quarter = std::f64::consts::FRAC_PI_2;
/// let angles = Tensor::from_slice(&[quarter, 0.0, quarter], &[3])?; // yaw, pitch, roll
/// let q = quaternion::from_euler(&angles, &EulerConvention { axes: [EulerAxis::Y, EulerAxis::X, EulerAxis::Z], extrinsic: false })?;
/// assert!(q.to_vec::<f64>()?.iter().all(|x| (x - 0.5).abs() < 1e-15));
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn from_euler(angles: &Tensor, euler: &EulerConvention) -> Result<Tensor> {
    const OP: &str = "quaternion::from_euler";
    check_rows(OP, "angles", angles, 3)?;
    let [first, second, third] = euler.axes;
    if first == second || second == third {
        return Err(Error::value(format!("{OP}: the axes {first:?}, {second:?}, {third:?} have the same one in succession")));
    }
    let [angles] = common(OP, [angles])?;
    let angles: [Tensor; 3] = numbers(&angles)?;
    let turn = |i: usize| about(euler.axes[i], &angles[i]);
    let [outer, inner] = if euler.extrinsic { [2, 0] } else { [0, 2] };
    product(&product(&turn(outer)?, &turn(1)?)?, &turn(inner)?)
}

/// The rotations by `angle` about one axis.
#[track_caller]
fn about(axis: EulerAxis, angle: &Tensor) -> Result<Tensor> {
    let half = angle.mul_scalar(0.5)?;
    let (sin, cos) = (half.sin()?, half.cos()?);
    let [zero, _] = zero_and_one(angle.dtype());
    match axis {
        EulerAxis::X => row(&[&sin, &zero, &zero, &cos]),
        EulerAxis::Y => row(&[&zero, &sin, &zero, &cos]),
        EulerAxis::Z => row(&[&zero, &zero, &sin, &cos]),
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::to_matrix;
    use crate::transform::parts::samples::distance;
    // The matrix about one axis, from its definition.
    let plain = |axis: EulerAxis, angle: f64| -> Tensor {
        let (s, c) = angle.sin_cos();
        let rows = match axis {
            EulerAxis::X => [[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]],
            EulerAxis::Y => [[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]],
            EulerAxis::Z => [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]],
        };
        Tensor::from_rows(&rows).unwrap()
    };
    const AXES: [EulerAxis; 3] = [EulerAxis::X, EulerAxis::Y, EulerAxis::Z];
    let orders = (0..27).map(|i| [AXES[i / 9], AXES[i / 3 % 3], AXES[i % 3]]);
    let mut specs: Vec<Spec> = orders
        .filter(|[a, b, c]| a != b && b != c)
        .flat_map(|axes| [false, true].map(|extrinsic| EulerConvention { axes, extrinsic }))
        .map(|euler| {
            Spec::new("quaternion::from_euler", move |x| Ok(vec![from_euler(&x[0], &euler)?]))
                .sample("angles", vec![normal(&[3])])
                .sample("identity", vec![Tensor::zeros(&[3], crate::DType::F64).unwrap()])
                .property("the product of three matrices", move |x, y| {
                    let angles = x[0].to_f64_vec().unwrap();
                    let [a, b, c] = [0, 1, 2].map(|i| plain(euler.axes[i], angles[i]));
                    let product = if euler.extrinsic { c.matmul(&b)?.matmul(&a)? } else { a.matmul(&b)?.matmul(&c)? };
                    distance(&product, &to_matrix(&y[0])?)
                })
                .orders(2)
        })
        .collect();
    assert_eq!(specs.len(), 24, "12 orders, intrinsic and extrinsic");
    specs.push(
        Spec::new("quaternion::from_euler", |x| {
            Ok(vec![from_euler(
                &x[0],
                &EulerConvention { axes: [EulerAxis::X, EulerAxis::X, EulerAxis::Z], ..EulerConvention::default() },
            )?])
        })
        .refuses(vec![normal(&[3])], "quaternion::from_euler: the axes X, X, Z have the same one in succession"),
    );
    specs
}

#[cfg(test)]
crate::testing::records!(specs);
