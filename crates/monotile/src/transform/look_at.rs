//! The view of a camera that looks at something.

use monotile_kernels::transform::formulas;

use crate::error::{Error, Result};
use crate::ops::map::composed;
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

use super::parts::{affine_of, batch_suffix, check_rows, common, leading, numbers, refuse_where, row_text, scaled, shape};

/// view_from_world of a camera at `eye` that looks at `target`, with `up` upward in its picture: right-handed, the camera looks along −z.
///
/// With z = (eye − target) / |…|, x = (up × z) / |…| and y = z × x: the rows of the rotation are x, y, z, and eye goes to 0.
///
/// Shapes: the three are `(…, 3)`; leading dimensions broadcast, the result is `(…, 4, 4)`.
///
/// # Errors
/// If rows have not 3 numbers, leading dimensions do not broadcast, a number is not finite, eye and target coincide, or up is 0 or parallel to the direction of view (their sine
/// is below 16 ε).
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::{look_at, transform_points}};
/// let row = |x: f64, y: f64, z: f64| Tensor::from_slice(&[x, y, z], &[3]);
/// let view = look_at(&row(3.0, 0.0, 0.0)?, &row(1.0, 0.0, 0.0)?, &row(0.0, 1.0, 0.0)?)?;
/// assert_eq!(transform_points(&view, &row(1.0, 0.5, 0.0)?)?.to_vec::<f64>()?, [0.0, 0.5, -2.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn look_at(eye: &Tensor, target: &Tensor, up: &Tensor) -> Result<Tensor> {
    const OP: &str = "look_at";
    for (what, x) in [("eye", eye), ("target", target), ("up", up)] {
        check_rows(OP, what, x, 3)?;
    }
    let all = leading(OP, &[(eye, 1), (target, 1), (up, 1)])?;
    let [eye, target, up] = common(OP, [eye, target, up])?;
    let rows = |x: &Tensor| x.expand(&shape(&all, &[3]));
    let (eye, target, up) = (rows(&eye)?, rows(&target)?, rows(&up)?);
    for (what, x) in [("eye", &eye), ("target", &target), ("up", &up)] {
        let refuse = |i: usize| {
            Error::value(format!("{OP}: {what} is {}, not finite{}", row_text(x, &all, i / 3), batch_suffix(&all, i / 3)))
        };
        refuse_where(x, |x| !x.is_finite(), refuse)?;
    }
    let back = scaled(&eye.sub(&target)?, |i| {
        Error::value(format!("{OP}: eye and target are both {}{}", row_text(&eye, &all, i), batch_suffix(&all, i)))
    })?;
    let parallel = |i: usize| {
        let way = row_text(&target.detach().sub(eye.detach()).expect("the same shape"), &all, i);
        let up = row_text(&up, &all, i);
        Error::value(format!("{OP}: up is {up}, parallel to the direction of view, {way}{}", batch_suffix(&all, i)))
    };
    let upward = scaled(&up, parallel)?;
    let ([ex, ey, ez], [bx, by, bz], [ux, uy, uz]) = (numbers(&eye)?, numbers(&back)?, numbers(&upward)?);
    let mut view = composed([&ex, &ey, &ez, &bx, &by, &bz, &ux, &uy, &uz], |[ex, ey, ez, bx, by, bz, ux, uy, uz]| {
        let (rows, square) = formulas::look_along([ex, ey, ez], [bx, by, bz], [ux, uy, uz]);
        [rows.as_flattened(), &[square]].concat()
    })?;
    let epsilon: f64 = if eye.dtype() == DType::F64 { f64::EPSILON } else { f32::EPSILON.into() };
    let square = view.pop().expect("the last result");
    refuse_where(&square, |square| square < (16.0 * epsilon).powi(2), parallel)?;
    affine_of(&view)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, numbers};
    let one = |x: f64| numbers(&[x; 3]);
    vec![
        Spec::new("look_at", |x| Ok(vec![look_at(&x[0], &x[1], &x[2])?]))
            .sample("one", vec![normal(&[3]), one(4.0), numbers(&[0.0, 1.0, 0.0])])
            // Targets are 3 and more away, across up.
            .sample(
                "batch",
                vec![normal(&[2, 1, 3]), normal(&[3, 3]).add(numbers(&[9.0, 0.0, 5.0])).unwrap(), numbers(&[0.3, 2.0, -0.2])],
            )
            .property("target lies ahead", |x, y| {
                let distance_to = x[0].sub(&x[1])?.square()?.sum(&[-1], false)?.sqrt()?;
                let seen = y[0].select(-1, 3)?.slice(-1, ..3)?;
                let linear = y[0].slice(-1, ..3)?.slice(-2, ..3)?;
                let seen = linear.mul(&x[1].unsqueeze(-2)?)?.sum(&[-1], false)?.add(&seen)?;
                let zero = distance_to.zeros_like();
                distance(&seen, &super::parts::row(&[&zero, &zero, &-&distance_to])?)
            })
            .orders(2)
            .may_drop_nan()
            .refuses(vec![one(1.0), numbers(&[0.0, f64::NAN, 2.0]), normal(&[3])], "look_at: target is [0, NaN, 2], not finite")
            .refuses(vec![one(f64::INFINITY), one(1.0), normal(&[3])], "look_at: eye is [inf, inf, inf], not finite")
            .refuses(vec![one(1.0), one(1.0), normal(&[3])], "look_at: eye and target are both [1, 1, 1]")
            .refuses(
                vec![
                    numbers(&[0.0, 2.0, 0.0]),
                    Tensor::from_rows(&[[1.0, 0.0, 0.0], [0.0; 3]]).unwrap(),
                    numbers(&[0.0, 1.0, 0.0]),
                ],
                "look_at: up is [0, 1, 0], parallel to the direction of view, [0, -2, 0] (number 1 of the batch)",
            )
            .refuses(vec![one(1.0), one(2.0), one(0.0)], "look_at: up is [0, 0, 0], parallel to the direction of view, [1, 1, 1]"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: look_at);
