//! Projections: what a lens, or a box, makes of the space in front of a camera.

use monotile_kernels::transform::formulas;

use crate::error::{Error, Result};
use crate::ops::map::composed;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, uniform};

use super::parts::{affine_of, batch_suffix, common, leading, matrix, refuse_where};

pub use monotile_kernels::transform::DepthRange;

/// clip_from_view of a lens: `fovy` is the angle of view from bottom to top in radians, `aspect` the picture's width over its height, `near` and
/// `far` are distances in front of the camera, which looks along −z.
///
/// With f = 1 / tan(fovy / 2), rows (f / aspect, 0, 0, 0), (0, f, 0, 0), (0, 0, a, b), (0, 0, −1, 0), where a and b are
///
/// | depth | a | b |
/// | --- | --- | --- |
/// | zero to one | far / (near − far) | near far / (near − far) |
/// | minus one to one | (far + near) / (near − far) | 2 far near / (near − far) |
/// | reversed | near / (far − near) | near far / (far − near) |
/// | infinite | −1 | −near |
/// | infinite, reversed | 0 | near |
///
/// Shapes: the four are `(…)` and broadcast, the result is `(…, 4, 4)`. `far` is not read where depth is infinite; elsewhere it may be infinite too, and
/// a and b are their limits.
///
/// # Errors
/// If fovy is not between 0 and π, aspect or near not above 0 and finite, or far not beyond near; or shapes do not broadcast.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::{DepthRange, perspective, transform_points}};
/// let number = |x: f64| Tensor::scalar(x);
/// let clip_from_view = perspective(&number(1.0), &number(1.6), &number(0.1), &number(100.0), DepthRange::ZeroOne)?;
/// let far = transform_points(&clip_from_view, &Tensor::from_slice(&[0.0, 0.0, -100.0], &[3])?)?;
/// assert!((far.to_vec::<f64>()?[2] - 1.0).abs() < 1e-15);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn perspective(fovy: &Tensor, aspect: &Tensor, near: &Tensor, far: &Tensor, depth: DepthRange) -> Result<Tensor> {
    const OP: &str = "perspective";
    leading(OP, &[(fovy, 0), (aspect, 0), (near, 0), (far, 0)])?;
    let [fovy, aspect, near, far] = common(OP, [fovy, aspect, near, far])?;
    // Comparisons are phrased so that NaN is refused.
    refuse(OP, &fovy, |x| x > 0.0 && x < std::f64::consts::PI, "the angle of view is", "it must be between 0 and π")?;
    let length = |x: f64| x > 0.0 && x.is_finite();
    refuse(OP, &aspect, length, "the aspect is", "it must be above 0")?;
    refuse(OP, &near, length, "near is", "it must be above 0")?;
    if !depth.is_infinite() {
        refuse(OP, &far.sub(&near)?, |x| x > 0.0, "far lies beyond near by", "that must be above 0")?;
    }
    let entries = composed([&fovy, &aspect, &near, &far], |lens| formulas::perspective(lens, depth).as_flattened().to_vec())?;
    matrix::<4, 4>(std::array::from_fn(|i| std::array::from_fn(|j| &entries[4 * i + j])))
}

/// The sides of a box in front of a camera, which looks along −z: each `(…)`, `near` and `far` distances ahead.
#[derive(Debug, Clone, Copy)]
pub struct ViewVolume<'a> {
    /// The least x.
    pub left: &'a Tensor,
    /// The greatest x.
    pub right: &'a Tensor,
    /// The least y.
    pub bottom: &'a Tensor,
    /// The greatest y.
    pub top: &'a Tensor,
    /// Where the box begins: may be behind the camera.
    pub near: &'a Tensor,
    /// Where it ends.
    pub far: &'a Tensor,
}

/// clip_from_view without perspective: the box becomes the cube of normalized device coordinates.
///
/// x ↦ (2 x − left − right) / (right − left), y alike, and −z from near … far to what `depth` says.
///
/// Shapes: the sides are `(…)` and broadcast, the result is `(…, 4, 4)`.
///
/// # Errors
/// If two opposite sides coincide or are not finite, depth is infinite, which no box is, or shapes do not broadcast.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::{ViewVolume, DepthRange, orthographic, transform_points}};
/// let [left, right, bottom, top, near, far] = &[-2.0_f64, 2.0, -1.0, 1.0, 0.0, 10.0].map(Tensor::scalar);
/// let clip_from_view = orthographic(&ViewVolume { left, right, bottom, top, near, far }, DepthRange::ZeroOne)?;
/// let point = transform_points(&clip_from_view, &Tensor::from_slice(&[1.0, 1.0, -5.0], &[3])?)?;
/// assert_eq!(point.to_vec::<f64>()?, [0.5, 1.0, 0.5]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn orthographic(bounds: &ViewVolume, depth: DepthRange) -> Result<Tensor> {
    const OP: &str = "orthographic";
    let ViewVolume { left, right, bottom, top, near, far } = *bounds;
    leading(OP, &[(left, 0), (right, 0), (bottom, 0), (top, 0), (near, 0), (far, 0)])?;
    let [left, right, bottom, top, near, far] = common(OP, [left, right, bottom, top, near, far])?;
    let (width, height, length) = (right.sub(&left)?, top.sub(&bottom)?, far.sub(&near)?);
    let extent = |x: f64| x != 0.0 && x.is_finite();
    refuse(OP, &width, extent, "right less left is", "it must be finite, and not 0")?;
    refuse(OP, &height, extent, "top less bottom is", "it must be finite, and not 0")?;
    refuse(OP, &length, extent, "far less near is", "it must be finite, and not 0")?;
    if depth.is_infinite() {
        return Err(Error::value(format!("{OP}: depth is {depth:?}, but a box ends somewhere")));
    }
    let sides = [&left, &right, &bottom, &top, &near, &far];
    affine_of(&composed(sides, |sides| formulas::orthographic(sides, depth).as_flattened().to_vec())?)
}

/// Refuses numbers that are not `good`: `{op}: {what} 3; {wanted}`.
#[track_caller]
fn refuse(op: &str, x: &Tensor, good: impl Fn(f64) -> bool, what: &str, wanted: &str) -> Result<()> {
    refuse_where(
        x,
        |x| !good(x),
        |i| {
            let value = x.to_f64_vec().map_or(f64::NAN, |x| x[i]);
            Error::value(format!("{op}: {what} {value}; {wanted}{}", batch_suffix(x.shape(), i)))
        },
    )
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, numbers};
    use super::transform_points;
    let number = |x: f64| Tensor::scalar(x);
    const ALL: [DepthRange; 5] =
        [DepthRange::ZeroOne, DepthRange::MinusOneOne, DepthRange::Reversed, DepthRange::Infinite, DepthRange::InfiniteReversed];
    // Where near and far must come to.
    let ends = |depth: DepthRange| match depth {
        DepthRange::ZeroOne | DepthRange::Infinite => [0.0, 1.0],
        DepthRange::MinusOneOne => [-1.0, 1.0],
        DepthRange::Reversed | DepthRange::InfiniteReversed => [1.0, 0.0],
    };
    let lens = |depth: DepthRange| {
        Spec::new("perspective", move |x| Ok(vec![perspective(&x[0], &x[1], &x[2], &x[3], depth)?]))
            // Far from the bounds: fovy between 0.5 and 2, near below 1, far from 2 on.
            .sample("one", vec![number(1.0), number(1.6), number(0.1), number(3.0)])
            .sample(
                "batch",
                vec![uniform(&[2], 0.5, 2.0), uniform(&[], 0.5, 2.0), uniform(&[3, 1], 0.1, 1.0), uniform(&[2], 2.0, 9.0)],
            )
            .property("corners of the picture and both ends", move |x, y| {
                let (half, zero) = (x[0].mul_scalar(0.5)?, x[0].zeros_like());
                let top = half.sin()?.div(&half.cos()?)?;
                let at = |z: &Tensor| -> Result<Tensor> {
                    let corner = super::parts::row(&[&top.mul(&x[1])?.mul(z)?, &top.mul(z)?, &z.neg()?.add(&zero)?])?;
                    transform_points(&y[0], &corner)
                };
                let [first, last] = ends(depth);
                let near = at(&x[2])?;
                let off = distance(&near, &numbers(&[1.0, 1.0, first]).expand(near.shape())?)?;
                if depth.is_infinite() {
                    return Ok(off);
                }
                let far = at(&x[3])?;
                Ok(off.max(distance(&far, &numbers(&[1.0, 1.0, last]).expand(far.shape())?)?))
            })
            .may_drop_nan()
            .orders(2)
    };
    let sides = |depth: DepthRange| {
        Spec::new("orthographic", move |x| {
            let bounds = ViewVolume { left: &x[0], right: &x[1], bottom: &x[2], top: &x[3], near: &x[4], far: &x[5] };
            Ok(vec![orthographic(&bounds, depth)?])
        })
    };
    let bounds = |x: [f64; 6]| x.map(Tensor::scalar).to_vec();
    let mut specs: Vec<Spec> = ALL.into_iter().map(lens).collect();
    specs.extend(ALL[..3].iter().map(|&depth| {
        sides(depth)
            .sample("one", bounds([-1.0, 3.0, -2.0, 1.0, 0.5, 4.0]))
            .sample(
                "batch",
                vec![uniform(&[2], -3.0, -1.0), number(2.0), number(-1.0), uniform(&[3, 1], 1.0, 2.0), number(-1.0), number(4.0)],
            )
            .property("two corners", move |x, y| {
                let [first, last] = ends(depth);
                let corner = |i: usize, ndc: [f64; 3]| {
                    let z = x[4 + i].neg()?;
                    let found = transform_points(&y[0], &super::parts::row(&[&x[i], &x[2 + i], &z])?)?;
                    distance(&found, &numbers(&ndc).expand(found.shape())?)
                };
                Ok(corner(0, [-1.0, -1.0, first])?.max(corner(1, [1.0, 1.0, last])?))
            })
            .may_drop_nan()
            .orders(2)
    }));
    let refused = |x: [f64; 4], words| lens(DepthRange::ZeroOne).refuses(x.map(Tensor::scalar).to_vec(), words);
    specs.extend([
        refused([0.0, 1.0, 1.0, 2.0], "perspective: the angle of view is 0; it must be between 0 and π"),
        refused([1.0, -1.0, 1.0, 2.0], "perspective: the aspect is -1; it must be above 0"),
        refused([1.0, 1.0, 0.0, 2.0], "perspective: near is 0; it must be above 0"),
        refused([1.0, 1.0, 2.0, 2.0], "perspective: far lies beyond near by 0; that must be above 0"),
        refused([1.0, 1.0, f64::NAN, 2.0], "perspective: near is NaN; it must be above 0"),
        sides(DepthRange::ZeroOne)
            .refuses(bounds([1.0, 1.0, 0.0, 1.0, 0.0, 1.0]), "orthographic: right less left is 0; it must be finite, and not 0"),
        sides(DepthRange::ZeroOne)
            .refuses(bounds([0.0, 1.0, 1.0, 1.0, 0.0, 1.0]), "orthographic: top less bottom is 0; it must be finite, and not 0"),
        sides(DepthRange::ZeroOne)
            .refuses(bounds([0.0, 1.0, 0.0, 1.0, 2.0, 2.0]), "orthographic: far less near is 0; it must be finite, and not 0"),
        sides(DepthRange::ZeroOne).refuses(
            bounds([0.0, 1.0, 0.0, 1.0, 0.0, f64::INFINITY]),
            "orthographic: far less near is inf; it must be finite, and not 0",
        ),
        sides(DepthRange::Infinite)
            .refuses(bounds([0.0, 1.0, 0.0, 1.0, 0.0, 1.0]), "orthographic: depth is Infinite, but a box ends somewhere"),
    ]);
    specs
}

#[cfg(test)]
crate::testing::spec_tests!(specs: perspective, orthographic);

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside a plane that is somewhere, so that both are right in one batch; and the gradient is that of the limit.
    #[test]
    fn a_far_plane_may_be_at_infinity() -> Result<()> {
        let number = |x: f64| Tensor::scalar(x);
        let pairs = [
            (DepthRange::ZeroOne, DepthRange::Infinite, 1.0),
            (DepthRange::Reversed, DepthRange::InfiniteReversed, 1.0),
            (DepthRange::MinusOneOne, DepthRange::Infinite, 2.0),
        ];
        for (depth, limit, times) in pairs {
            let near = number(0.1).requires_grad();
            let far = Tensor::from_slice(&[f64::INFINITY, 8.0], &[2])?.requires_grad();
            let m = perspective(&number(1.0), &number(1.0), &near, &far, depth)?;
            let wanted = perspective(&number(1.0), &number(1.0), &number(0.1), &number(1.0), limit)?.to_f64_vec()?;
            let plain = perspective(&number(1.0), &number(1.0), &number(0.1), &number(8.0), depth)?.to_f64_vec()?;
            let found = m.to_f64_vec()?;
            assert_eq!(found[16..], plain);
            for i in 0..16 {
                let factor = if i == 11 { times } else { 1.0 };
                assert_eq!(found[i], factor * wanted[i], "{depth:?}: {i}");
            }
            let gradients = m.select(0, 0)?.sum(&[], false)?.backward()?;
            let slope = if limit == DepthRange::InfiniteReversed { 1.0 } else { -times };
            assert_eq!(gradients.get(&near).unwrap().to_f64_vec()?, [slope], "{depth:?}");
            assert_eq!(gradients.get(&far).unwrap().to_f64_vec()?, [0.0, 0.0], "{depth:?}");
        }
        Ok(())
    }
}
