//! Translations, scalings and rotations as 4 x 4 matrices.

use crate::error::Result;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

use super::parts::{affine, check_rows, common, matrix, numbers, zero_and_one};
use super::quaternion;

/// The matrices that move points by `offset`.
///
/// Shapes: `offset` is `(…, 3)`, the result `(…, 4, 4)`.
///
/// # Errors
/// If rows have not 3 numbers.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::translation};
/// let m = translation(&Tensor::from_slice(&[1.0_f64, 2.0, 3.0], &[3])?)?;
/// assert_eq!(m.select(1, 3)?.to_vec::<f64>()?, [1.0, 2.0, 3.0, 1.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn translation(offset: &Tensor) -> Result<Tensor> {
    check_rows("translation", "offset", offset, 3)?;
    let [offset] = common("translation", [offset])?;
    affine(&Tensor::eye(3, offset.dtype())?.to(&offset.device())?, &offset)
}

/// The matrices that scale points along the axes.
///
/// Shapes: `factors` is `(…, 3)`, the result `(…, 4, 4)`.
///
/// # Errors
/// If rows have not 3 numbers.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::scaling};
/// let m = scaling(&Tensor::from_slice(&[1.0_f64, 2.0, 3.0], &[3])?)?;
/// assert_eq!(m.diagonal(0, 1)?.to_vec::<f64>()?, [1.0, 2.0, 3.0, 1.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn scaling(factors: &Tensor) -> Result<Tensor> {
    check_rows("scaling", "factors", factors, 3)?;
    let [factors] = common("scaling", [factors])?;
    let [x, y, z] = numbers(&factors)?;
    let [o, one] = &zero_and_one(factors.dtype());
    matrix([[&x, o, o, o], [o, &y, o, o], [o, o, &z, o], [o, o, o, one]])
}

/// The matrices that rotate points by quaternions of length 1. Axes with angles and Euler angles come here by
/// [`from_axis_angle`](quaternion::from_axis_angle) and [`from_euler`](quaternion::from_euler).
///
/// Shapes: `q` is `(…, 4)`, the result `(…, 4, 4)`; [`to_matrix`](quaternion::to_matrix) gives the 3 x 3 ones.
///
/// # Errors
/// If rows have not 4 numbers.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::rotation};
/// let m = rotation(&Tensor::from_slice(&[0.0_f64, 1.0, 0.0, 0.0], &[4])?)?; // half a turn about y
/// assert_eq!(m.diagonal(0, 1)?.to_vec::<f64>()?, [-1.0, 1.0, -1.0, 1.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn rotation(q: &Tensor) -> Result<Tensor> {
    check_rows("rotation", "q", q, 4)?;
    let linear = quaternion::to_matrix(q)?;
    affine(&linear, &Tensor::zeros(&[3], linear.dtype())?)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::rotations;
    let placed = |at: fn(usize) -> usize| {
        move |x: &[Vec<f64>]| {
            let one = |row: &[f64]| {
                let mut m = vec![0.0; 16];
                (0..4).for_each(|i| m[i * 5] = 1.0);
                (0..3).for_each(|i| m[at(i)] = row[i]);
                m
            };
            vec![x[0].chunks(3).flat_map(one).collect()]
        }
    };
    let spec = |name, f: fn(&Tensor) -> Result<Tensor>| {
        Spec::new(name, move |x| Ok(vec![f(&x[0])?]))
            .sample("one", vec![normal(&[3])])
            .sample("batch", vec![normal(&[2, 2, 3])])
            .sample("empty", vec![normal(&[0, 3])])
            .orders(2)
    };
    vec![
        spec("translation", translation)
            .reference(placed(|i| 4 * i + 3))
            .refuses(vec![normal(&[4])], "translation: offset must be rows of 3 numbers, got shape [4]"),
        spec("scaling", scaling)
            .reference(placed(|i| 5 * i))
            .refuses(vec![normal(&[])], "scaling: factors must be rows of 3 numbers, got shape []"),
        Spec::new("rotation", |x| Ok(vec![rotation(&x[0])?]))
            .sample("batch", vec![rotations(&[3])])
            .property("its block is the 3 x 3 matrix", |x, y| {
                let block = y[0].slice(-1, ..3)?.slice(-2, ..3)?;
                super::parts::samples::distance(&block, &quaternion::to_matrix(&x[0])?)
            })
            .orders(2)
            .refuses(vec![normal(&[3])], "rotation: q must be rows of 4 numbers, got shape [3]"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: translation, scaling, rotation);
