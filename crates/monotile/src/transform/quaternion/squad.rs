//! A smooth way through many rotations.

use super::algebra::{conjugate, product};
use super::axis_angle::{from_rotation_vector, logarithm};
use super::slerp::{arc, toward};
use crate::error::Result;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal, uniform};
use crate::transform::parts::{check_rows, common, leading};

/// Spherical quadrangle interpolation: from `a` at t = 0 to `b` at t = 1, bent by the control points `a_control` and `b_control`, so that
/// ways through many rotations have no kink: slerp(slerp(a, b, t), slerp(a_control, b_control, t), 2 t (1 − t)).
///
/// `b` and `b_control` are negated together where a · b < 0: the shorter way between the keys decides.
///
/// Shapes: the four are `(…, 4)`, of length 1, `t` is `(…)`; leading dimensions broadcast, the result is `(…, 4)`.
///
/// # Errors
/// If rows have not 4 numbers, or leading dimensions do not broadcast.
///
/// # Source
/// Shoemake (1987), Quaternion Calculus and Fast Animation.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::quaternion};
/// // Keys that turn about z at constant speed: so does the way between.
/// let z = Tensor::from_slice(&[0.0_f64, 0.0, 1.0], &[3])?;
/// let key = |angle: f64| quaternion::from_axis_angle(&z, &Tensor::scalar(angle));
/// let [before, a, b, after] = [key(0.0)?, key(0.4)?, key(0.8)?, key(1.2)?];
/// let (s, r) = (quaternion::squad_control(&before, &a, &b)?, quaternion::squad_control(&a, &b, &after)?);
/// let middle = quaternion::squad(&a, &b, &s, &r, &Tensor::scalar(0.5_f64))?.to_vec::<f64>()?;
/// assert!((middle[2] - 0.3_f64.sin()).abs() < 1e-15);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn squad(a: &Tensor, b: &Tensor, a_control: &Tensor, b_control: &Tensor, t: &Tensor) -> Result<Tensor> {
    const OP: &str = "quaternion::squad";
    for (what, x) in [("a", a), ("b", b), ("a_control", a_control), ("b_control", b_control)] {
        check_rows(OP, what, x, 4)?;
    }
    leading(OP, &[(a, 1), (b, 1), (a_control, 1), (b_control, 1), (t, 0)])?;
    let [a, b, p, q, t] = common(OP, [a, b, a_control, b_control, t])?;
    let t = t.unsqueeze(-1)?;
    let sign = Tensor::ones(&[4], a.dtype())?;
    let d = a.detach().mul(b.detach())?.sum(&[-1], true)?;
    let sign = d.lt(d.zeros_like())?.where_(Tensor::scalar_as(-1.0, a.dtype()), &sign)?;
    let along = arc(&a, &b.mul(&sign)?, &t)?;
    let beside = arc(&p, &q.mul(&sign)?, &t)?;
    arc(&along, &beside, &t.mul(&t.neg()?.add_scalar(1.0)?)?.mul_scalar(2.0)?)
}

/// The control point of [`squad`] at the key `q` between its neighbours: q exp(−¼ (log(q⁻¹ after) + log(q⁻¹ before))), the neighbours
/// negated where that is nearer. The first and the last key are their own control points.
///
/// Shapes: the three are `(…, 4)`, of length 1; leading dimensions broadcast, the result is `(…, 4)`.
///
/// # Errors
/// If rows have not 4 numbers, or leading dimensions do not broadcast.
///
/// # Source
/// Shoemake (1987), as for [`squad`].
///
/// # Example
/// Between neighbours that lie opposite, a key is its own control point:
/// ```
/// use monotile::{Tensor, transform::quaternion};
/// let key = |x: f64| Tensor::from_slice(&[x.sin(), 0.0, 0.0, x.cos()], &[4]);
/// let control = quaternion::squad_control(&key(-0.3)?, &key(0.0)?, &key(0.3)?)?;
/// assert_eq!(control.to_vec::<f64>()?, [0.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn squad_control(before: &Tensor, q: &Tensor, after: &Tensor) -> Result<Tensor> {
    const OP: &str = "quaternion::squad_control";
    for (what, x) in [("before", before), ("q", q), ("after", after)] {
        check_rows(OP, what, x, 4)?;
    }
    leading(OP, &[(before, 1), (q, 1), (after, 1)])?;
    let [before, q, after] = common(OP, [before, q, after])?;
    let back = conjugate(&q)?;
    let toward = |x: &Tensor| logarithm(&product(&back, &toward(&q, x)?)?);
    // The exponential of v / 2.
    let bend = from_rotation_vector(&toward(&after)?.add(&toward(&before)?)?.mul_scalar(-0.5)?)?;
    product(&q, &bend)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::{normalize, slerp};
    use crate::transform::parts::samples::{distance, rotations};
    // Keys within a turn of about 1.5 of each other: far from where the shorter way changes.
    let key = |seed: usize| {
        let offset = normal(&[seed, 3, 4]).select(0, seed - 1).unwrap().mul_scalar(0.2).unwrap();
        normalize(&rotations(&[3]).add(&offset).unwrap()).unwrap()
    };
    let t = || uniform(&[3], 0.1, 0.9);
    let same = rotations(&[3]);
    vec![
        Spec::new("quaternion::squad", |x| Ok(vec![squad(&x[0], &x[1], &x[2], &x[3], &x[4])?]))
            .sample("general", vec![key(1), key(2), key(3), key(4), t()])
            .sample("negated keys", vec![key(1), -key(2), key(3), -key(4), t()])
            .sample_with_equal_inputs("equal", vec![same.clone(), same.clone(), same.clone(), same.clone(), t()])
            .property("three slerps", |x, y| {
                let t = &x[4];
                let (along, beside) = (slerp(&x[0], &x[1], t)?, slerp(&x[2], &x[3], t)?);
                let bend = t.mul(&t.neg()?.add_scalar(1.0)?)?.mul_scalar(2.0)?;
                distance(&slerp(&along, &beside, &bend)?, &y[0])
            })
            .orders(2)
            .refuses(
                vec![normal(&[4]), normal(&[4]), normal(&[4]), normal(&[2]), normal(&[])],
                "quaternion::squad: b_control must be rows of 4 numbers, got shape [2]",
            ),
        Spec::new("quaternion::squad_control", |x| Ok(vec![squad_control(&x[0], &x[1], &x[2])?]))
            .sample("general", vec![key(1), key(2), key(3)])
            .sample("negated", vec![-key(1), key(2), -key(3)])
            .sample_with_equal_inputs("equal", vec![same.clone(), same.clone(), same])
            .property("the length is 1", |_, y| {
                let squares = y[0].square()?.sum(&[-1], false)?;
                distance(&squares, &squares.ones_like())
            })
            .orders(2)
            .refuses(
                vec![normal(&[4]), normal(&[4]), normal(&[3])],
                "quaternion::squad_control: after must be rows of 4 numbers, got shape [3]",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: quaternion_squad, quaternion_squad_control);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::quaternion::slerp;

    #[test]
    fn the_way_through_a_key_has_no_kink() {
        let key = |x: f64, y: f64| from_rotation_vector(&Tensor::from_slice(&[x, y, 0.3 * x * y], &[3]).unwrap()).unwrap();
        let keys = [key(0.0, 0.0), key(0.4, 0.1), key(0.5, 0.7), key(0.2, 1.0), key(-0.3, 0.8)];
        let control = |i: usize| squad_control(&keys[i - 1], &keys[i], &keys[i + 1]).unwrap();
        let on = |i: usize, t: f64| {
            squad(&keys[i], &keys[i + 1], &control(i), &control(i + 1), &Tensor::scalar(t)).unwrap().to_f64_vec().unwrap()
        };
        let straight = |i: usize, t: f64| slerp(&keys[i], &keys[i + 1], &Tensor::scalar(t)).unwrap().to_f64_vec().unwrap();
        let jump = |before: Vec<f64>, key: Vec<f64>, after: Vec<f64>| {
            (0..4).map(|k| (before[k] - 2.0 * key[k] + after[k]).abs()).fold(0.0, f64::max)
        };
        let h = 1e-4;
        assert!(jump(on(1, 1.0 - h), on(2, 0.0), on(2, h)) < 1e-6);
        assert!(jump(straight(1, 1.0 - h), straight(2, 0.0), straight(2, h)) > 1e-5);
    }
}
