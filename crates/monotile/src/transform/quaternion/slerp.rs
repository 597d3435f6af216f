//! Rotations between two.

use monotile_kernels::transform::formulas::slerp_weights;

use crate::door;
use crate::error::Result;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal, uniform};
use crate::transform::arc::{angle_squared, stumpff};
use crate::transform::fused::{ComposedGradient, broadcast_rows};
use crate::transform::parts::{check_rows, common, dot, leading, on_cpu, shape};

/// Spherical linear interpolation: from `a` at t = 0 to `b` at t = 1 by the shorter way at constant speed.
///
/// With b negated where a · b < 0, d = a · b and θ = arccos d: (sin((1−t) θ) a + sin(t θ) b) / sin θ. The weights are computed as
/// t c(t² u) / c(u), where u = θ² is a smooth function of d and c(u) = sin √u / √u of u: where a and b are equal or opposite they are t and 1 − t
/// exactly, without a threshold.
///
/// Shapes: `a` and `b` are `(…, 4)`, of length 1, `t` is `(…)`; leading dimensions broadcast, the result is `(…, 4)`. t may leave 0 … 1.
///
/// # Gradient
/// Smooth also where a and b are equal or opposite. Where a · b = 0 the shorter way changes sides, and the gradient is that of
/// the way taken.
///
/// # Errors
/// If rows have not 4 numbers, or leading dimensions do not broadcast.
///
/// # Source
/// Shoemake (1985), SIGGRAPH 19(3), 245.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::quaternion};
/// let none = Tensor::from_slice(&[0.0_f64, 0.0, 0.0, 1.0], &[4])?;
/// let half = Tensor::from_slice(&[1.0_f64, 0.0, 0.0, 0.0], &[4])?; // half a turn about x
/// let third = quaternion::slerp(&none, &half, &Tensor::scalar(1.0_f64 / 3.0))?.to_vec::<f64>()?;
/// assert!((third[0] - 0.5).abs() < 4e-15 && (third[3] - 0.75_f64.sqrt()).abs() < 4e-15);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn slerp(a: &Tensor, b: &Tensor, t: &Tensor) -> Result<Tensor> {
    const NAME: &str = "quaternion::slerp";
    let [a, b, t] = operands(NAME, a, b, t)?;
    let composed = |[a, b, t]: [&Tensor; 3]| arc(a, &toward(a, b)?, t);
    if !on_cpu(&[&a, &b, &t]) {
        return composed([&a, &b, &t]);
    }
    let out = forward(&a, &b, &t)?;
    Ok(Tensor::record(out, &[&a, &b, &t], ComposedGradient { name: NAME, composed }))
}

#[track_caller]
fn forward(a: &Tensor, b: &Tensor, t: &Tensor) -> Result<Tensor> {
    let all = leading("quaternion::slerp", &[(a, 1), (b, 1), (t, 1)])?;
    let [a, b, t] = [
        broadcast_rows("quaternion::slerp", a, &all)?,
        broadcast_rows("quaternion::slerp", b, &all)?,
        broadcast_rows("quaternion::slerp", t, &all)?,
    ];
    door::transform::slerp("quaternion::slerp", [&a, &b, &t], &shape(&all, &[4]))
}

/// Normalized linear interpolation: from `a` at t = 0 to `b` at t = 1 by the shorter way, faster in the middle. Cheaper than [`slerp`], and
/// near it for small angles.
///
/// With b negated where a · b < 0 and r = (1 − t) a + t b: r / |r|.
///
/// Shapes: as [`slerp`]'s.
///
/// # Errors
/// If rows have not 4 numbers, or leading dimensions do not broadcast.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::quaternion};
/// let none = Tensor::from_slice(&[0.0_f64, 0.0, 0.0, 1.0], &[4])?;
/// let half = Tensor::from_slice(&[1.0_f64, 0.0, 0.0, 0.0], &[4])?;
/// let q = quaternion::nlerp(&none, &half, &Tensor::scalar(0.25_f64))?.to_vec::<f64>()?;
/// assert!((q[3] / q[0] - 3.0).abs() < 1e-15);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn nlerp(a: &Tensor, b: &Tensor, t: &Tensor) -> Result<Tensor> {
    let [a, b, t] = operands("quaternion::nlerp", a, b, t)?;
    let between = a.add(&t.mul(&toward(&a, &b)?.sub(&a)?)?)?;
    between.div(&dot(&between, &between)?.sqrt()?.unsqueeze(-1)?)
}

/// a, b and t, checked, in one type; t as rows of one number.
#[track_caller]
pub(super) fn operands(op: &str, a: &Tensor, b: &Tensor, t: &Tensor) -> Result<[Tensor; 3]> {
    check_rows(op, "a", a, 4)?;
    check_rows(op, "b", b, 4)?;
    leading(op, &[(a, 1), (b, 1), (t, 0)])?;
    let [a, b, t] = common(op, [a, b, t])?;
    Ok([a, b, t.unsqueeze(-1)?])
}

/// b, or −b where that is nearer to a.
#[track_caller]
pub(super) fn toward(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let d = dot(&a.detach(), &b.detach())?.unsqueeze(-1)?;
    d.lt(d.zeros_like())?.where_(&-b, b)
}

/// The way from a to b along the great circle that they span, which need not be the shorter one; t are rows of one number.
#[track_caller]
pub(super) fn arc(a: &Tensor, b: &Tensor, t: &Tensor) -> Result<Tensor> {
    let u = angle_squared(&dot(a, b)?.unsqueeze(-1)?)?;
    let [first, last] = slerp_weights(u, t.clone(), Tensor::scalar_as(1.0, t.dtype()), |v| stumpff(1, &v))?;
    first.mul(a)?.add(&last.mul(b)?)
}

/// Pairs of quaternions of length 1 that are singular for other formulas, for specs.
#[cfg(test)]
pub(super) fn pairs(spec: Spec) -> Spec {
    use crate::transform::parts::samples::rotations;
    use crate::transform::quaternion::normalize;
    let a = rotations(&[3]);
    let near = |eps: f64| normalize(&a.add(normal(&[3, 4]).mul_scalar(eps).unwrap()).unwrap()).unwrap();
    let t = || uniform(&[3], 0.0, 1.0);
    // The dot products of these differ from 0, where the shorter way changes, by more than a difference quotient's step.
    let clear = |a: Tensor, b: Tensor| {
        let nearest = dot(&a, &b).unwrap().abs().unwrap().min(&[], false).unwrap().to_f64_vec().unwrap()[0];
        assert!(nearest > 1e-3, "a sample lies near the kink: {nearest}");
        vec![a, b, t()]
    };
    spec.sample("general", clear(a.clone(), rotations(&[3, 1]).squeeze(1).unwrap()))
        .sample("one t for all", vec![a.clone(), rotations(&[3, 1]).squeeze(1).unwrap(), normal(&[])])
        .sample_with_equal_inputs("equal", vec![a.clone(), a.clone(), t()])
        .sample("opposite", vec![a.clone(), -&a, t()])
        .sample("nearly equal", vec![a.clone(), near(1e-4), t()])
        .sample("more nearly", vec![a.clone(), near(1e-8), t()])
        .sample("nearly opposite", vec![a.clone(), -near(1e-8), t()])
        .sample("ends", vec![a.clone(), near(0.3), Tensor::from_slice(&[0.0, 1.0, 0.5], &[3]).unwrap()])
        .sample("beyond", vec![a.clone(), near(0.3), Tensor::from_slice(&[-0.5, 1.5, 2.0], &[3]).unwrap()])
        .sample("empty", vec![normal(&[0, 4]), normal(&[4]), normal(&[])])
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    // Each function of rows a and b, of length 1 and on one side, and t.
    let rows = |f: fn(&[f64], &[f64], f64) -> Vec<f64>| {
        move |x: &[Vec<f64>], shapes: &[Vec<usize>]| {
            let n = x[0].len() / 4;
            let row = |which: usize, i: usize| if shapes[which].len() > 1 { &x[which][i * 4..i * 4 + 4] } else { &x[which][..] };
            let one = |i: usize| {
                let (a, mut b) = (row(0, i), row(1, i).to_vec());
                if a.iter().zip(&b).map(|(a, b)| a * b).sum::<f64>() < 0.0 {
                    b.iter_mut().for_each(|x| *x = -*x);
                }
                f(a, &b, x[2][if x[2].len() > 1 { i } else { 0 }])
            };
            vec![(0..n).flat_map(one).collect()]
        }
    };
    let sphere = |a: &[f64], b: &[f64], t: f64| {
        // The angle by its sine too, which a cosine near 1 does not hold.
        let chord = |s: f64| a.iter().zip(b).map(|(a, b)| (a + s * b).powi(2)).sum::<f64>().sqrt();
        let angle = 2.0 * chord(-1.0).atan2(chord(1.0));
        let weight = |t: f64| if angle < 1e-12 { t } else { (t * angle).sin() / angle.sin() };
        a.iter().zip(b).map(|(a, b)| weight(1.0 - t) * a + weight(t) * b).collect()
    };
    let chord = |a: &[f64], b: &[f64], t: f64| {
        let r: Vec<f64> = a.iter().zip(b).map(|(a, b)| (1.0 - t) * a + t * b).collect();
        let length = r.iter().map(|x| x * x).sum::<f64>().sqrt();
        r.iter().map(|x| x / length).collect()
    };
    vec![
        pairs(Spec::new("quaternion::slerp", |x| Ok(vec![slerp(&x[0], &x[1], &x[2])?])))
            .shaped_reference(rows(sphere))
            .orders(2)
            .refuses(
                vec![normal(&[2, 4]), normal(&[4]), normal(&[3])],
                "quaternion::slerp: the leading dimensions of shapes [2, 4] and [4] and [3] do not broadcast",
            ),
        pairs(Spec::new("quaternion::nlerp", |x| Ok(vec![nlerp(&x[0], &x[1], &x[2])?])))
            .shaped_reference(rows(chord))
            .orders(2)
            .refuses(
                vec![normal(&[4]), normal(&[3]), normal(&[])],
                "quaternion::nlerp: b must be rows of 4 numbers, got shape [3]",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: quaternion_slerp, quaternion_nlerp);
