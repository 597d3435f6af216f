//! Rigid motions as dual quaternions, which can be averaged: rows of 8 numbers, the rotation q and then the dual part d = ½ t q, over any
//! leading dimensions. As for quaternions, both signs are the same motion.

use crate::error::{Error, Result};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal, positive};

use super::parts::{batch_suffix, check_rows, common, dot, leading, refuse_where, shape};
use super::quaternion::{conjugate, product};

/// A rotation, then a translation.
#[derive(Debug, Clone)]
pub struct RigidTransform {
    /// A quaternion of length 1, `(…, 4)`.
    pub rotation: Tensor,
    /// Where the origin goes, `(…, 3)`.
    pub translation: Tensor,
}

/// The dual quaternions of rigid motions: (q, ½ (t, 0) q).
///
/// Shapes: `rotation` is `(…, 4)`, of length 1, `translation` `(…, 3)`; leading dimensions broadcast, the result is `(…, 8)`.
///
/// # Errors
/// If rows have not 4 and 3 numbers, or leading dimensions do not broadcast.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::dual_quaternion};
/// let row = |x: &[f64]| Tensor::from_slice(x, &[x.len()]);
/// let motion = dual_quaternion::from_rigid(&row(&[0.0, 0.0, 0.0, 1.0])?, &row(&[2.0, 4.0, 6.0])?)?;
/// assert_eq!(motion.to_vec::<f64>()?, [0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 3.0, 0.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn from_rigid(rotation: &Tensor, translation: &Tensor) -> Result<Tensor> {
    const OP: &str = "dual_quaternion::from_rigid";
    check_rows(OP, "rotation", rotation, 4)?;
    check_rows(OP, "translation", translation, 3)?;
    let all = leading(OP, &[(rotation, 1), (translation, 1)])?;
    let [q, t] = common(OP, [rotation, translation])?;
    let dual = product(&t.mul_scalar(0.5)?.pad(-1, 0, 1, 0.0)?, &q)?;
    Tensor::cat(&[&q.expand(&shape(&all, &[4]))?, &dual], -1)
}

/// The rigid motions of dual quaternions of length 1: q, and the vector part of 2 d q*.
///
/// Shapes: `dual` is `(…, 8)`.
///
/// # Errors
/// If rows have not 8 numbers.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::dual_quaternion};
/// let motion = Tensor::from_slice(&[0.0_f64, 0.0, 0.0, 1.0, 1.0, 2.0, 3.0, 0.0], &[8])?;
/// assert_eq!(dual_quaternion::to_rigid(&motion)?.translation.to_vec::<f64>()?, [2.0, 4.0, 6.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn to_rigid(dual: &Tensor) -> Result<RigidTransform> {
    check_rows("dual_quaternion::to_rigid", "dual", dual, 8)?;
    let [dual] = common("dual_quaternion::to_rigid", [dual])?;
    let (q, d) = (dual.slice(-1, ..4)?, dual.slice(-1, 4..)?);
    let translation = product(&d, &conjugate(&q)?)?.slice(-1, ..3)?.mul_scalar(2.0)?;
    Ok(RigidTransform { rotation: q, translation })
}

/// Averages of rigid motions that are rigid motions again: what skins are bent by without losing volume.
///
/// Each of the k motions is negated where that is nearer to the first; their sum Σ wᵢ (qᵢ, dᵢ) = (q, d) is brought to length 1:
/// (q, d − q (q · d) / |q|²) / |q|.
///
/// Shapes: `motions` is `(…, k, 8)`, of length 1, `weights` `(…, k)`; leading dimensions broadcast, the result is `(…, 8)`.
///
/// # Errors
/// If rows have not 8 numbers, there are not as many weights as motions, or the rotations cancel.
///
/// # Source
/// Kavan, Collins, Žára and O'Sullivan (2008), ACM Transactions on Graphics 27(4), 105: linear blending.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::dual_quaternion};
/// let still = [0.0_f64, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
/// let moved = [0.0_f64, 0.0, 0.0, 1.0, 0.5, 0.0, 0.0, 0.0]; // by 1 along x
/// let motions = Tensor::from_rows(&[still, moved])?;
/// let blend = dual_quaternion::blend(&motions, &Tensor::from_slice(&[0.75_f64, 0.25], &[2])?)?;
/// assert_eq!(dual_quaternion::to_rigid(&blend)?.translation.to_vec::<f64>()?, [0.25, 0.0, 0.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn blend(motions: &Tensor, weights: &Tensor) -> Result<Tensor> {
    const OP: &str = "dual_quaternion::blend";
    check_rows(OP, "motions", motions, 8)?;
    if motions.rank() < 2 || weights.rank() < 1 || motions.dim(-2) != weights.dim(-1) {
        let (m, w) = (motions.shape(), weights.shape());
        return Err(Error::shape(format!(
            "{OP}: motions of shape {m:?} and weights of shape {w:?}; a weight is needed for each motion"
        )));
    }
    let all = leading(OP, &[(motions, 2), (weights, 1)])?;
    let [motions, weights] = common(OP, [motions, weights])?;
    if motions.dim(-2) == 0 {
        return Err(Error::shape(format!("{OP}: there are no motions to average, shape {:?}", motions.shape())));
    }
    let rotations = motions.detach().slice(-1, ..4)?;
    let nearness = dot(&rotations, &rotations.slice(-2, ..1)?)?;
    let weights = nearness.lt(nearness.zeros_like())?.where_(&weights.neg()?, &weights)?;
    let sum = motions.mul(&weights.unsqueeze(-1)?)?.sum(&[-2], false)?;
    let (q, d) = (sum.slice(-1, ..4)?, sum.slice(-1, 4..)?);
    let square = dot(&q, &q)?.unsqueeze(-1)?;
    refuse_where(
        &square,
        |square| square == 0.0,
        |i| Error::value(format!("{OP}: the weighted rotations sum to 0{}", batch_suffix(&all, i))),
    )?;
    let d = d.sub(&q.mul(&dot(&q, &d)?.unsqueeze(-1)?.div(&square)?)?)?;
    Tensor::cat(&[&q, &d], -1)?.div(&square.sqrt()?)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, numbers, rotations};
    use crate::transform::quaternion::normalize;
    let motions = |q: Tensor, t: Tensor| from_rigid(&q, &t).unwrap();
    // Rotations within a quarter turn of each other: far from where signs change.
    let near = || normalize(&rotations(&[2, 1]).add(normal(&[2, 3, 4]).mul_scalar(0.2).unwrap()).unwrap()).unwrap();
    let equal = || motions(rotations(&[1]).expand(&[3, 4]).unwrap(), normal(&[3]));
    vec![
        Spec::new("dual_quaternion::from_rigid", |x| Ok(vec![from_rigid(&x[0], &x[1])?]))
            .sample("batch", vec![rotations(&[2, 1]), normal(&[3, 3])])
            .sample("identity", vec![numbers(&[0.0, 0.0, 0.0, 1.0]), numbers(&[0.0; 3])])
            .property("and back", |x, y| {
                let RigidTransform { rotation, translation } = to_rigid(&y[0])?;
                Ok(distance(&rotation, &x[0])?.max(distance(&translation, &x[1])?))
            })
            .orders(2)
            .may_drop_nan()
            .refuses(
                vec![normal(&[3]), normal(&[3])],
                "dual_quaternion::from_rigid: rotation must be rows of 4 numbers, got shape [3]",
            ),
        Spec::new("dual_quaternion::to_rigid", |x| {
            let RigidTransform { rotation, translation } = to_rigid(&x[0])?;
            Ok(vec![rotation, translation])
        })
        .sample("batch", vec![motions(rotations(&[3]), normal(&[3, 3]))])
        .property("and back", |x, y| distance(&from_rigid(&y[0], &y[1])?, &x[0]))
        .orders(2)
        .refuses(vec![normal(&[4])], "dual_quaternion::to_rigid: dual must be rows of 8 numbers, got shape [4]"),
        Spec::new("dual_quaternion::blend", |x| Ok(vec![blend(&x[0], &x[1])?]))
            .sample("batch", vec![motions(near(), normal(&[2, 3, 3])), positive(&[2, 3])])
            .sample("negated", vec![-motions(near(), normal(&[2, 3, 3])), positive(&[3])])
            .sample("equal", vec![equal(), positive(&[3])])
            .property("length 1", |_, y| {
                let (q, d) = (y[0].slice(-1, ..4)?, y[0].slice(-1, 4..)?);
                let (square, across) = (dot(&q, &q)?, dot(&q, &d)?);
                Ok(distance(&square, &square.ones_like())?.max(distance(&across, &across.zeros_like())?))
            })
            .orders(2)
            .refuses(
                vec![normal(&[2, 8]), normal(&[3])],
                "dual_quaternion::blend: motions of shape [2, 8] and weights of shape [3]; a weight is needed for each motion",
            )
            .refuses(
                vec![equal().slice(0, ..2).unwrap(), numbers(&[1.0, -1.0])],
                "dual_quaternion::blend: the weighted rotations sum to 0",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: dual_quaternion_from_rigid, dual_quaternion_to_rigid, dual_quaternion_blend);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::normal;
    use crate::transform::parts::samples::{distance, rotations};

    #[test]
    fn one_motion_with_any_weight_and_sign_is_itself() {
        let motion = from_rigid(&rotations(&[1]), &normal(&[3])).unwrap();
        for weight in [0.3, 1.0, 4.0] {
            let blended = blend(&Tensor::cat(&[&motion, &-&motion], 0).unwrap(), &Tensor::full(&[2], weight).unwrap()).unwrap();
            assert!(distance(&blended, &motion.squeeze(0).unwrap()).unwrap() < 1e-15);
        }
    }
}
