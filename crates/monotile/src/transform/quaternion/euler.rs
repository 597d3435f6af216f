//! Rotations about three axes, one after the other.

use super::algebra::product;
use crate::door::map::unary_f64;
use crate::error::{Error, Placed, Result};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};
use crate::transform::arc::angle_of;
use crate::transform::parts::{batch_suffix, check_rows, common, numbers, refuse_where, row, row_text, zero_and_one};

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
    check_axes(OP, euler)?;
    let [angles] = common(OP, [angles])?;
    let angles: [Tensor; 3] = numbers(&angles)?;
    let turn = |i: usize| about(euler.axes[i], &angles[i]);
    let [outer, inner] = if euler.extrinsic { [2, 0] } else { [0, 2] };
    product(&product(&turn(outer)?, &turn(1)?)?, &turn(inner)?)
}

/// The Euler angles of rotations in radians, the first number for the first axis: what [`from_euler`] takes back.
///
/// The first and the third lie in [−π, π]. The middle one lies in [0, π] where the first axis is the third, else in [−π/2, π/2]. At the ends
/// of its range, at gimbal lock, the other two turn about one axis: the third is 0 there.
///
/// Shapes: `q` is `(…, 4)`, of any length but 0, the result `(…, 3)`.
///
/// # Gradient
/// Smooth but at gimbal lock, where it is refused.
///
/// # Errors
/// If rows have not 4 numbers, or two axes in succession are the same; where a gradient is wanted, at gimbal lock.
///
/// # Source
/// Bernardes and Viollet (2022), Quaternion to Euler angles conversion, PLoS ONE 17(11).
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::quaternion::{self, EulerConvention}};
/// let euler = EulerConvention::default();
/// let q = quaternion::from_euler(&Tensor::from_slice(&[0.1_f64, -0.2, 0.3], &[3])?, &euler)?;
/// let angles = quaternion::to_euler(&q, &euler)?.to_vec::<f64>()?;
/// assert!(angles.iter().zip([0.1, -0.2, 0.3]).all(|(a, b)| (a - b).abs() < 1e-15));
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "as_euler")]
#[track_caller]
pub fn to_euler(q: &Tensor, euler: &EulerConvention) -> Result<Tensor> {
    const OP: &str = "quaternion::to_euler";
    check_rows(OP, "q", q, 4)?;
    check_axes(OP, euler)?;
    let [q] = common(OP, [q])?;
    let symmetric = euler.axes[0] == euler.axes[2];
    let ([a, b, c, d], sign) = halves(&q, euler)?;
    let (sum_square, difference_square) = (a.square()?.add(&b.square()?)?, c.square()?.add(&d.square()?)?);
    // Below rounding, one of the two angles between a, b and between c, d says nothing.
    let least = sum_square.detach().add(difference_square.detach())?.mul_scalar((8.0 * q.dtype().epsilon()).powi(2))?;
    let [low, high] = [difference_square.detach().le(&least)?, sum_square.detach().le(&least)?];
    if q.is_recorded() {
        let locked = low.where_(&low.to_dtype(q.dtype())?, &high.to_dtype(q.dtype())?)?;
        let own = &q.shape()[..q.rank() - 1];
        let refuse = |i| {
            let (row, which) = (row_text(&q, own, i), batch_suffix(own, i));
            Error::value(format!("{OP}: the rotation {row} is at gimbal lock, where its angles have no gradient; detach it{which}"))
        };
        refuse_where(&locked, |locked| locked == 1.0, refuse).placed()?;
    }
    let (sum, difference) = (angle_of(&b, &a)?, angle_of(&d, &c)?);
    let other = if euler.extrinsic { -1.0 } else { 1.0 };
    let [sum, difference] = [high.where_(&difference.mul_scalar(other)?, &sum)?, low.where_(&sum.mul_scalar(other)?, &difference)?];
    let middle = angle_of(&difference_square.sqrt()?, &sum_square.sqrt()?)?.mul_scalar(2.0)?;
    let middle = if symmetric { middle } else { middle.add_scalar(-std::f64::consts::FRAC_PI_2)? };
    let inner = within_a_turn(&sum.sub(&difference)?)?;
    let outer = within_a_turn(&sum.add(&difference)?)?.mul_scalar(if symmetric { 1.0 } else { sign })?;
    if euler.extrinsic { row(&[&inner, &middle, &outer]) } else { row(&[&outer, &middle, &inner]) }
}

/// Numbers a, b, c, d of which (a, b) has half the sum of the outer angles for its angle, (c, d) half their difference; and the
/// sign of the order of the axes.
#[track_caller]
fn halves(q: &Tensor, euler: &EulerConvention) -> Result<([Tensor; 4], f64)> {
    let numbers: [Tensor; 4] = numbers(q)?;
    // About axes of the body is about those of space in the reverse order.
    let [i, j, k] = if euler.extrinsic { [0, 1, 2] } else { [2, 1, 0] }.map(|at| euler.axes[at] as usize);
    let symmetric = i == k;
    let k = if symmetric { 3 - i - j } else { k };
    let sign = if (j + 3 - i) % 3 == 1 { 1.0 } else { -1.0 };
    let (w, x, y) = (&numbers[3], &numbers[i], &numbers[j]);
    let z = numbers[k].mul_scalar(sign)?;
    let all = if symmetric { [w.clone(), x.clone(), y.clone(), z] } else { [w.sub(y)?, x.add(&z)?, y.add(w)?, z.sub(x)?] };
    Ok((all, sign))
}

/// Angles less whole turns, in [−π, π].
#[track_caller]
fn within_a_turn(angle: &Tensor) -> Result<Tensor> {
    use std::f64::consts::TAU;
    if !angle.device().is_cpu() {
        return angle.sub(&angle.detach().mul_scalar(TAU.recip())?.round()?.mul_scalar(TAU)?);
    }
    angle.sub(&unary_f64("turns", &angle.detach(), |angle| (angle / TAU).round_ties_even() * TAU)?)
}

/// Refuses an order that no three angles have.
#[track_caller]
fn check_axes(op: &str, euler: &EulerConvention) -> Result<()> {
    let [first, second, third] = euler.axes;
    if first == second || second == third {
        return Err(Error::value(format!("{op}: the axes {first:?}, {second:?}, {third:?} have the same one in succession")));
    }
    Ok(())
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
    use crate::transform::parts::samples::{distance, rotations};
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
    let conventions: Vec<EulerConvention> = orders
        .filter(|[a, b, c]| a != b && b != c)
        .flat_map(|axes| [false, true].map(|extrinsic| EulerConvention { axes, extrinsic }))
        .collect();
    let mut specs: Vec<Spec> = conventions
        .iter()
        .copied()
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
    specs.extend(conventions.into_iter().map(|euler| {
        Spec::new("quaternion::to_euler", move |x| Ok(vec![to_euler(&x[0], &euler)?]))
            .sample("batch", vec![rotations(&[2, 3])])
            .sample("one", vec![rotations(&[])])
            .sample("empty", vec![normal(&[0, 4])])
            .property("the rotation that it came from", move |x, y| {
                distance(&to_matrix(&from_euler(&y[0], &euler)?)?, &to_matrix(&x[0])?)
            })
            .property("ranges", move |_, y| {
                use std::f64::consts::{FRAC_PI_2, PI};
                let (low, high) = if euler.axes[0] == euler.axes[2] { (0.0, PI) } else { (-FRAC_PI_2, FRAC_PI_2) };
                let angles = y[0].to_f64_vec()?;
                let inside = |a: &[f64]| a[0].abs() <= PI && a[2].abs() <= PI && low <= a[1] && a[1] <= high;
                Ok(f64::from(!angles.chunks(3).all(inside)))
            })
            .orders(2)
            .refuses(vec![normal(&[3])], "quaternion::to_euler: q must be rows of 4 numbers, got shape [3]")
    }));
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
crate::testing::spec_tests!(specs: quaternion_from_euler, quaternion_to_euler);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::parts::samples::{distance, numbers};
    use crate::transform::quaternion::to_matrix;
    use EulerAxis::{X, Y, Z};

    #[test]
    fn at_gimbal_lock_the_third_angle_is_zero_and_the_gradient_refused() {
        use std::f64::consts::{FRAC_PI_2, PI};
        for axes in [[X, Y, Z], [Z, Y, X], [Z, X, Z], [Y, X, Z], [X, Z, X]] {
            let ends = if axes[0] == axes[2] { [0.0, PI] } else { [-FRAC_PI_2, FRAC_PI_2] };
            for (extrinsic, end) in [(false, ends[0]), (false, ends[1]), (true, ends[0]), (true, ends[1])] {
                let euler = EulerConvention { axes, extrinsic };
                let q = from_euler(&numbers(&[0.4, end, 0.3]), &euler).unwrap();
                let angles = to_euler(&q, &euler).unwrap();
                let back = from_euler(&angles, &euler).unwrap();
                assert!(distance(&to_matrix(&q).unwrap(), &to_matrix(&back).unwrap()).unwrap() < 1e-14, "{euler:?}, {end}");
                assert_eq!(angles.to_f64_vec().unwrap()[2], 0.0, "{euler:?}, {end}");
                let error = to_euler(&q.requires_grad(), &euler).unwrap_err().to_string();
                assert!(error.ends_with("is at gimbal lock, where its angles have no gradient; detach it"), "{error}");
            }
        }
    }

    #[test]
    fn conventions_are_those_of_the_field() {
        // A quarter turn about y: as the middle angle of x, y, z at its end; as the first of y, x, z alone.
        let half = 0.5_f64.sqrt();
        let angles = to_euler(&numbers(&[0.0, half, 0.0, half]), &EulerConvention { axes: [Y, X, Z], extrinsic: false }).unwrap();
        let found = angles.to_f64_vec().unwrap();
        assert!((found[0] - std::f64::consts::FRAC_PI_2).abs() < 1e-15 && found[1].abs() < 1e-15 && found[2].abs() < 1e-15);
    }
}
