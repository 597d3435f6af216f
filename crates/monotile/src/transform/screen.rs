//! From the camera to the picture and back: viewports, pixels, and the planes that bound what is seen.

use crate::error::{Error, Placed, Result};
use crate::linalg::inv;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal, positive};

use super::inverse::renamed;
use super::parts::{
    batch_suffix, check_matrices, check_rows, common, leading, matrix, numbers, refuse_where, row_text, zero_and_one,
};
use super::{DepthRange, transform_points};

/// pixel_from_ndc: x from −1 … 1 to the columns of a picture, y to its rows, which are counted downward; depth stays.
///
/// x ↦ origin₀ + (x + 1) size₀ / 2, y ↦ origin₁ + (1 − y) size₁ / 2. The centre of the first pixel is at ½, ½.
///
/// Shapes: `origin`, the upper left corner, and `size` are `(…, 2)`, in pixels; leading dimensions broadcast, the result is `(…, 4, 4)`.
///
/// # Errors
/// If rows have not 2 numbers, leading dimensions do not broadcast, or a size is not above 0 and finite.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::{transform_points, viewport}};
/// let row = |x: &[f64]| Tensor::from_slice(x, &[x.len()]);
/// let pixel_from_ndc = viewport(&row(&[0.0, 0.0])?, &row(&[640.0, 400.0])?)?;
/// assert_eq!(transform_points(&pixel_from_ndc, &row(&[0.5, 1.0, 0.3])?)?.to_vec::<f64>()?, [480.0, 0.0, 0.3]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn viewport(origin: &Tensor, size: &Tensor) -> Result<Tensor> {
    const OP: &str = "viewport";
    check_rows(OP, "origin", origin, 2)?;
    check_rows(OP, "size", size, 2)?;
    leading(OP, &[(origin, 1), (size, 1)])?;
    let [origin, size] = common(OP, [origin, size])?;
    refuse_where(
        &size,
        |x| !(x > 0.0 && x.is_finite()),
        |i| {
            let own = &size.shape()[..size.rank() - 1];
            Error::value(format!(
                "{OP}: the size is {}; it must be above 0{}",
                row_text(&size, own, i / 2),
                batch_suffix(own, i / 2)
            ))
        },
    )?;
    let ([left, top], [width, height]) = (numbers(&origin)?, numbers(&size.mul_scalar(0.5)?)?);
    let [o, one] = &zero_and_one(origin.dtype());
    matrix([[&width, o, o, &(&left + &width)], [o, &-&height, o, &(&top + &height)], [o, o, one, o], [o, o, o, one]])
}

/// The pixels, and depths, of points: through clip_from_world, the division by w, and pixel_from_ndc.
///
/// Shapes: the matrices are `(…, 4, 4)`, `points` `(…, 3)`; leading dimensions broadcast as in [`transform_points`], the result is `(…, 3)`.
///
/// # Errors
/// If matrices are not 4 x 4, rows have not 3 numbers, or leading dimensions do not broadcast.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::{DepthRange, perspective, project, viewport}};
/// let number = |x: f64| Tensor::scalar(x);
/// let clip_from_view = perspective(&number(1.0), &number(2.0), &number(0.5), &number(9.0), DepthRange::ZeroOne)?;
/// let pixel_from_ndc = viewport(&Tensor::zeros(&[2], monotile::DType::F64)?, &Tensor::from_slice(&[200.0, 100.0], &[2])?)?;
/// let ahead = Tensor::from_slice(&[0.0, 0.0, -0.5], &[3])?;
/// assert_eq!(project(&clip_from_view, &pixel_from_ndc, &ahead)?.to_vec::<f64>()?, [100.0, 50.0, 0.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn project(clip_from_world: &Tensor, pixel_from_ndc: &Tensor, points: &Tensor) -> Result<Tensor> {
    let [clip_from_world, pixel_from_ndc, points] = operands("project", clip_from_world, pixel_from_ndc, points)?;
    transform_points(&pixel_from_ndc.matmul(&clip_from_world)?, &points)
}

/// The points that [`project`] takes to these pixels and depths.
///
/// Shapes: as [`project`]'s.
///
/// # Errors
/// As [`project`]; and if a matrix is singular. Depth 1 of an infinite projection is no point: its coordinates are not finite.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::{DepthRange, perspective, unproject, viewport}};
/// let number = |x: f64| Tensor::scalar(x);
/// let clip_from_view = perspective(&number(1.0), &number(2.0), &number(0.5), &number(9.0), DepthRange::ZeroOne)?;
/// let pixel_from_ndc = viewport(&Tensor::zeros(&[2], monotile::DType::F64)?, &Tensor::from_slice(&[200.0, 100.0], &[2])?)?;
/// let far = unproject(&clip_from_view, &pixel_from_ndc, &Tensor::from_slice(&[100.0, 50.0, 1.0], &[3])?)?;
/// assert!((far.to_vec::<f64>()?[2] + 9.0).abs() < 1e-13);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn unproject(clip_from_world: &Tensor, pixel_from_ndc: &Tensor, pixels: &Tensor) -> Result<Tensor> {
    let [clip_from_world, pixel_from_ndc, pixels] = operands("unproject", clip_from_world, pixel_from_ndc, pixels)?;
    let inverse = |m: &Tensor| inv(m).map_err(|e| renamed("unproject", e));
    transform_points(&inverse(&clip_from_world).placed()?.matmul(&inverse(&pixel_from_ndc).placed()?)?, &pixels)
}

#[track_caller]
fn operands(op: &str, clip_from_world: &Tensor, pixel_from_ndc: &Tensor, points: &Tensor) -> Result<[Tensor; 3]> {
    check_matrices(op, clip_from_world, 4)?;
    check_matrices(op, pixel_from_ndc, 4)?;
    check_rows(op, "points", points, 3)?;
    leading(op, &[(clip_from_world, 2), (pixel_from_ndc, 2), (points, 1)])?;
    common(op, [clip_from_world, pixel_from_ndc, points])
}

/// The planes that bound what a camera sees: left, right, bottom, top, near and, where depth ends, far.
///
/// Each is (n, d) with |n| = 1: a point p lies inside where n · p + d ≥ 0, and that is its distance from the plane.
///
/// Shapes: `clip_from_world` is `(…, 4, 4)`, the result `(…, 6, 4)`, or `(…, 5, 4)` where `depth` is infinite. Planes of clip_from_view lie in the
/// space of the camera, and so on.
///
/// # Errors
/// If the matrices are not 4 x 4.
///
/// # Source
/// Gribb and Hartmann (2001), Fast Extraction of Viewing Frustum Planes.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::{DepthRange, frustum_planes, perspective}};
/// let number = |x: f64| Tensor::scalar(x);
/// let clip_from_view = perspective(&number(1.0), &number(2.0), &number(0.5), &number(9.0), DepthRange::ZeroOne)?;
/// let near = frustum_planes(&clip_from_view, DepthRange::ZeroOne)?.select(0, 4)?.to_vec::<f64>()?;
/// assert!((near[2] + 1.0).abs() < 1e-15 && (near[3] + 0.5).abs() < 1e-15);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn frustum_planes(clip_from_world: &Tensor, depth: DepthRange) -> Result<Tensor> {
    check_matrices("frustum_planes", clip_from_world, 4)?;
    let [m] = common("frustum_planes", [clip_from_world])?;
    let [x, y, z, w] = [0, 1, 2, 3].map(|i| m.select(-2, i));
    let (x, y, z, w) = (x?, y?, z?, w?);
    let (near, far) = match depth {
        DepthRange::ZeroOne => (z.clone(), Some(&w - &z)),
        DepthRange::MinusOneOne => (&w + &z, Some(&w - &z)),
        DepthRange::Reversed => (&w - &z, Some(z.clone())),
        DepthRange::Infinite => (z.clone(), None),
        DepthRange::InfiniteReversed => (&w - &z, None),
    };
    let mut planes = vec![&w + &x, &w - &x, &w + &y, &w - &y, near];
    planes.extend(far);
    let planes = Tensor::stack(&planes.iter().collect::<Vec<_>>(), -2)?;
    planes.div(&planes.slice(-1, ..3)?.square()?.sum(&[-1], true)?.sqrt()?)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::row;
    use super::parts::samples::{distance, numbers};
    use super::{look_at, perspective};
    let number = |x: f64| Tensor::scalar(x);
    let lens = |depth| perspective(&number(1.0), &number(1.6), &number(1.0), &number(4.0), depth).unwrap();
    let view = || look_at(&normal(&[2, 3]), &numbers(&[0.0, 0.0, 7.0]), &numbers(&[0.1, 1.0, 0.0])).unwrap();
    let screen = || viewport(&numbers(&[0.5, 0.25]), &numbers(&[3.0, 2.0])).unwrap();
    // Points within 2 of the target, 4 and more ahead of the cameras.
    let points = || normal(&[2, 3]).mul_scalar(0.4).unwrap().add(numbers(&[0.0, 0.0, 7.0])).unwrap();
    let planes = |depth: DepthRange| {
        Spec::new("frustum_planes", move |x| Ok(vec![frustum_planes(&x[0], depth)?]))
            .sample("cameras", vec![lens(depth).matmul(&view()).unwrap()])
            .property("corners lie on three planes", move |x, y| {
                let (first, last) = match depth {
                    DepthRange::MinusOneOne => (-1.0, 1.0),
                    DepthRange::Reversed => (1.0, 0.0),
                    DepthRange::InfiniteReversed => (1.0, 0.2),
                    DepthRange::Infinite => (0.0, 0.8),
                    DepthRange::ZeroOne => (0.0, 1.0),
                };
                let world_from_clip = inv(&x[0])?.unsqueeze(-3)?;
                let corners = Tensor::from_rows(&[[-1.0, -1.0, first], [1.0, 1.0, last], [0.0, 0.0, 0.5 * (first + last)]])?;
                let world = transform_points(&world_from_clip, &corners)?;
                let distances = world.matmul(&y[0].slice(-1, ..3)?.mt())?.add(y[0].slice(-1, 3..)?.mt())?;
                let inside = distances.select(-2, 2)?.min(&[], false)?.to_f64_vec().unwrap()[0];
                assert!(inside > 1e-3, "the middle lies inside of every plane: {inside}");
                let at = |corner: usize, plane: usize| distances.select(-2, corner)?.select(-1, plane);
                let mut on = vec![at(0, 0)?, at(0, 2)?, at(0, 4)?, at(1, 1)?, at(1, 3)?];
                if !depth.is_infinite() {
                    on.push(at(1, 5)?);
                }
                let all = row(&on.iter().collect::<Vec<_>>())?;
                // Distances of up to 20.
                Ok(distance(&all, &all.zeros_like())? / 20.0)
            })
            .orders(2)
    };
    let mut specs: Vec<Spec> =
        [DepthRange::ZeroOne, DepthRange::MinusOneOne, DepthRange::Reversed, DepthRange::Infinite, DepthRange::InfiniteReversed]
            .map(planes)
            .into();
    specs.push(planes(DepthRange::ZeroOne).refuses(vec![normal(&[4])], "frustum_planes: needs 4 x 4 matrices, got shape [4]"));
    specs.extend([
        Spec::new("viewport", |x| Ok(vec![viewport(&x[0], &x[1])?]))
            .sample("broadcast", vec![normal(&[3, 2]), positive(&[2])])
            .property("corners", |x, y| {
                let corner = |x: f64, y: f64| numbers(&[x, y, 0.5]);
                let first = transform_points(&y[0], &corner(-1.0, 1.0))?.slice(-1, ..2)?;
                let last = transform_points(&y[0], &corner(1.0, -1.0))?.slice(-1, ..2)?;
                Ok(distance(&first, &x[0])?.max(distance(&last, &x[0].add(&x[1])?)?))
            })
            .may_drop_nan()
            .orders(2)
            .refuses(vec![normal(&[2]), normal(&[3])], "viewport: size must be rows of 2 numbers, got shape [3]")
            .refuses(vec![normal(&[2]), numbers(&[0.0, 9.0])], "viewport: the size is [0, 9]; it must be above 0")
            .refuses(
                vec![normal(&[2]), Tensor::from_rows(&[[4.0, 3.0], [4.0, f64::NAN]]).unwrap()],
                "viewport: the size is [4, NaN]; it must be above 0 (number 1 of the batch)",
            ),
        Spec::new("project", |x| Ok(vec![project(&x[0], &x[1], &x[2])?]))
            .sample("cameras", vec![lens(DepthRange::ZeroOne).matmul(&view()).unwrap(), screen(), points()])
            .property("two transformations", |x, y| distance(&transform_points(&x[1], &transform_points(&x[0], &x[2])?)?, &y[0]))
            .orders(2)
            .may_drop_nan()
            .refuses(
                vec![normal(&[4, 4]), normal(&[4, 4]), normal(&[2])],
                "project: points must be rows of 3 numbers, got shape [2]",
            ),
        Spec::new("unproject", |x| Ok(vec![unproject(&x[0], &x[1], &project(&x[0], &x[1], &x[2])?)?]))
            .sample("cameras", vec![lens(DepthRange::ZeroOne).matmul(&view()).unwrap(), screen(), points()])
            .sample("reversed", vec![lens(DepthRange::Reversed).matmul(&view()).unwrap(), screen(), points()])
            .property("what was projected", |x, y| distance(&y[0], &x[2]))
            // The inverse of what a point went through, which presses distances from 1 on into depths from 0 to 1.
            .tolerance_f32(1e-4)
            .orders(2)
            .refuses(
                vec![lens(DepthRange::ZeroOne), Tensor::zeros(&[4, 4], crate::DType::F64).unwrap(), normal(&[3])],
                "unproject: the matrix is singular (its pivot 0 is 0)",
            ),
    ]);
    specs
}

#[cfg(test)]
crate::testing::spec_tests!(specs: frustum_planes, viewport, project, unproject);
