//! Vectors along axes: their norms, angles and products.

use crate::check;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
use crate::tensor::position::AxisList;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The p-norm over axes, all of them where none are named: (Σ |x|ᵖ)^(1/p).
///
/// `p` = 2 is the length, 1 the sum of sizes, ∞ the largest size, −∞ the smallest, 0 the number of elements that are not 0. Powers are
/// taken of scaled numbers, so that none overflows or vanishes. bf16 and f16 count as f32.
///
/// # Gradient
/// x̄ = ȳ sign x (|x| / y)ᵖ⁻¹; 0 where x is 0.
///
/// # Errors
/// If an axis does not exist or is named twice; for integers; if p is NaN; for ±∞ over no element.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::vector_norm};
/// let x = Tensor::from_rows(&[[3.0_f64, 4.0], [0.0, -2.0]])?;
/// assert_eq!(vector_norm(&x, 2.0, -1, false)?.to_vec::<f64>()?, [5.0, 2.0]);
/// assert_eq!(vector_norm(&x, 1.0, &[], false)?.item::<f64>()?, 9.0);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "norm")]
#[track_caller]
pub fn vector_norm(x: &Tensor, p: f64, axes: impl AxisList, keepdim: bool) -> Result<Tensor> {
    norm_over(x, p, &axes.list(x.rank()), keepdim)
}

#[track_caller]
fn norm_over(x: &Tensor, p: f64, axes: &[isize], keepdim: bool) -> Result<Tensor> {
    let op = "vector_norm";
    if p.is_nan() {
        return Err(Error::value(format!("{op}: p must be a number or ±infinity, got {p}")));
    }
    let sizes = x.to_compute_dtype(op)?.abs()?;
    let named = check::axes(op, axes, x.rank())?;
    let none = named.iter().any(|&d| x.shape()[d] == 0);
    if p.is_infinite() && none {
        return Err(Error::shape(format!("{op}: over no element of shape {:?} there is no largest or smallest", x.shape())));
    }
    if p == 1.0 || none {
        return sizes.sum(axes, keepdim);
    }
    if p == f64::INFINITY {
        return sizes.max(axes, keepdim);
    }
    if p == f64::NEG_INFINITY {
        return sizes.min(axes, keepdim);
    }
    let (zero, one) = (Tensor::scalar_as(0.0, sizes.dtype()), Tensor::scalar_as(1.0, sizes.dtype()));
    if p == 0.0 {
        // NaN less itself is NaN, and counts as no number.
        let counted = sizes.detach().ne(&zero)?.where_(&one, &zero)?;
        return counted.add(&sizes.detach().ne(sizes.detach())?.where_(sizes.detach(), &zero)?)?.sum(axes, keepdim);
    }
    // The norm grows with its vector, so that scaling by a constant is no part of its gradient.
    let largest = sizes.detach().max(axes, true)?;
    let ordinary = largest.gt(&zero)?.and(&largest.lt(Tensor::scalar_as(f64::INFINITY, sizes.dtype()))?)?;
    let scale = ordinary.where_(&largest, &one)?;
    let scaled = sizes.div(&scale)?;
    let apart = scaled.detach().ne(&zero)?;
    let powers = match p {
        2.0 => scaled.square()?,
        _ if p > 0.0 => apart.where_(&apart.where_(&scaled, &one)?.powf(p)?, &zero)?,
        _ => scaled.powf(p)?,
    };
    let total = powers.sum(axes, true)?;
    let some = total.detach().ne(&zero)?;
    let root = some.where_(&total, &one)?.powf(1.0 / p)?.mul(&scale)?;
    let norm = some.where_(&root, &zero)?;
    if keepdim { Ok(norm) } else { norm.reshape(sizes.sum(axes, false)?.shape()) }
}

/// Vectors along an axis over their p-norm: x / max(‖x‖ₚ, ε), with ε = 10⁻¹², so that 0 stays 0.
///
/// # Gradient
/// Of the quotient; ȳ / ε at 0.
///
/// # Errors
/// As [`vector_norm`].
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::normalize};
/// let x = Tensor::from_rows(&[[3.0_f64, 4.0], [0.0, 0.0]])?;
/// assert_eq!(normalize(&x, 2.0, -1)?.to_vec::<f64>()?, [0.6, 0.8, 0.0, 0.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn normalize(x: &Tensor, p: f64, axis: isize) -> Result<Tensor> {
    check::axis("normalize", axis, x.rank())?;
    let x = &x.to_compute_dtype("normalize")?;
    x.div(&vector_norm(x, p, &[axis], true)?.clamp(1e-12, f64::INFINITY)?)
}

/// The cosine of the angle between vectors along an axis: aᵀ b / (max(‖a‖, ε) max(‖b‖, ε)), with ε = 10⁻⁸.
///
/// Shapes broadcast; the axis is one of the broadcast shape, and is no more in the result.
///
/// # Gradient
/// Of the quotient.
///
/// # Errors
/// If the shapes do not broadcast, or there is no such axis; for integers.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::cosine_similarity};
/// let a = Tensor::from_rows(&[[1.0_f64, 0.0], [1.0, 1.0]])?;
/// let b = Tensor::from_slice(&[0.0_f64, 2.0], &[2])?;
/// let found = cosine_similarity(&a, &b, -1)?.to_vec::<f64>()?;
/// assert!(found[0] == 0.0 && (found[1] - 0.5_f64.sqrt()).abs() < 1e-15);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn cosine_similarity(a: &Tensor, b: &Tensor, axis: isize) -> Result<Tensor> {
    let (a, b, axis) = aligned("cosine_similarity", a, b, axis)?;
    let unit = |x: &Tensor| x.div(&vector_norm(x, 2.0, &[axis], true)?.clamp(1e-8, f64::INFINITY)?);
    unit(&a)?.mul(&unit(&b)?)?.sum(&[axis], false)
}

/// Products of vectors along an axis: Σᵢ aᵢ bᵢ.
///
/// Shapes broadcast; the axis is one of the broadcast shape, and is no more in the result.
///
/// # Gradient
/// ā = ȳ b, b̄ = ȳ a
///
/// # Errors
/// As [`cosine_similarity`].
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::vecdot};
/// let a = Tensor::from_rows(&[[1.0_f64, 2.0], [3.0, 4.0]])?;
/// let b = Tensor::from_slice(&[1.0_f64, -1.0], &[2])?;
/// assert_eq!(vecdot(&a, &b, -1)?.to_vec::<f64>()?, [-1.0, -1.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "vdot")]
#[doc(alias = "dot")]
#[doc(alias = "inner")]
#[track_caller]
pub fn vecdot(a: &Tensor, b: &Tensor, axis: isize) -> Result<Tensor> {
    let (a, b, axis) = aligned("vecdot", a, b, axis)?;
    a.mul(&b)?.sum(&[axis], false)
}

/// Cross products of vectors of 3 numbers along an axis: (a₂b₃ − a₃b₂, a₃b₁ − a₁b₃, a₁b₂ − a₂b₁).
///
/// # Gradient
/// ā = b × ȳ, b̄ = ȳ × a
///
/// # Errors
/// If the shapes do not broadcast, or the axis does not exist or is not of 3 numbers; for integers.
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::cross};
/// let (x, y) = (Tensor::from_slice(&[1.0_f64, 0.0, 0.0], &[3])?, Tensor::from_slice(&[0.0_f64, 1.0, 0.0], &[3])?);
/// assert_eq!(cross(&x, &y, -1)?.to_vec::<f64>()?, [0.0, 0.0, 1.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn cross(a: &Tensor, b: &Tensor, axis: isize) -> Result<Tensor> {
    let (a, b, axis) = aligned("cross", a, b, axis)?;
    if a.dim(axis) != 3 {
        return Err(Error::shape(format!("cross: needs vectors of 3 numbers, got {} along axis {axis}", a.dim(axis))));
    }
    // Element i is that of i + 1 in one times that of i + 2 in the other, less the reverse.
    let next = |x: &Tensor| Tensor::cat(&[&x.slice(axis, 1..)?, &x.slice(axis, ..1)?], axis);
    let last = |x: &Tensor| Tensor::cat(&[&x.slice(axis, 2..)?, &x.slice(axis, ..2)?], axis);
    next(&a)?.mul(&last(&b)?)?.sub(&last(&a)?.mul(&next(&b)?)?)
}

/// Both operands in one type and shape, and the axis of it.
#[track_caller]
fn aligned(op: &str, a: &Tensor, b: &Tensor, axis: isize) -> Result<(Tensor, Tensor, isize)> {
    let dtype = check::common_float(op, a, b)?;
    let shape = check::broadcast(op, a.shape(), b.shape())?;
    let axis = check::axis(op, axis, shape.len())? as isize;
    Ok((a.to_dtype(dtype)?.expand(&shape)?, b.to_dtype(dtype)?.expand(&shape)?, axis))
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    // Normal numbers are neither 0 nor equal.
    let norm = |p: f64, sum: fn(f64, &[f64]) -> f64| {
        Spec::new("vector_norm", move |x| Ok(vec![vector_norm(&x[0], p, &[-1], false)?]))
            .sample("rows", vec![normal(&[3, 4])])
            .sample("no rows", vec![normal(&[0, 4])])
            .reference(move |x| vec![x[0].chunks(4).map(|row| sum(p, row)).collect()])
            .orders(2)
    };
    let power = |p: f64, row: &[f64]| row.iter().map(|v| v.abs().powf(p)).sum::<f64>().powf(1.0 / p);
    let two = |name, f: fn(&Tensor, &Tensor, isize) -> Result<Tensor>| {
        Spec::new(name, move |x| Ok(vec![f(&x[0], &x[1], 1)?]))
            .sample("columns", vec![normal(&[2, 3, 4]), normal(&[3, 1])])
            .sample("none", vec![normal(&[0, 3]), normal(&[3])])
            .orders(2)
    };
    vec![
        norm(2.0, power),
        norm(1.0, power),
        norm(3.5, power),
        norm(0.5, power),
        norm(-1.5, power),
        norm(f64::INFINITY, |_, row| row.iter().fold(0.0, |m: f64, v| m.max(v.abs()))),
        norm(f64::NEG_INFINITY, |_, row| row.iter().fold(f64::INFINITY, |m: f64, v| m.min(v.abs()))),
        norm(0.0, |_, row| row.len() as f64),
        Spec::new("vector_norm over all", |x| Ok(vec![vector_norm(&x[0], 2.0, &[], true)?]))
            .sample("matrix", vec![normal(&[3, 4])])
            .sample("number", vec![normal(&[])])
            .sample("no elements", vec![normal(&[2, 0])])
            .orders(2)
            .refuses(
                vec![Tensor::arange(3).expect("three numbers")],
                "vector_norm: takes floating-point numbers, got i64; cast with to_dtype",
            ),
        Spec::new("normalize", |x| Ok(vec![normalize(&x[0], 2.0, 0)?, normalize(&x[0], 1.0, 1)?]))
            .sample("matrix", vec![normal(&[3, 4])])
            .orders(2)
            .refuses(vec![normal(&[3])], "normalize: axis 1 is not an axis of a tensor of rank 1"),
        two("cosine_similarity", cosine_similarity),
        two("vecdot", vecdot),
        two("cross", cross).refuses(vec![normal(&[2, 4]), normal(&[4])], "cross: needs vectors of 3 numbers, got 4 along axis 1"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: vector_norm, vector_norm_over_all, normalize, cosine_similarity, vecdot, cross);

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(x: &[f64]) -> Tensor {
        Tensor::from_slice(x, &[x.len()]).unwrap()
    }

    #[test]
    fn norms_neither_overflow_nor_vanish_and_have_slope_0_at_0() {
        for p in [2.0, 3.0, 0.5] {
            let of = |x: &[f64]| vector_norm(&numbers(x), p, &[], false).unwrap().item::<f64>().unwrap();
            assert!(of(&[1e300, 1e300]).is_finite() && of(&[1e-300, 1e-300]) > 0.0, "p = {p}");
            assert!(of(&[0.0, 0.0]) == 0.0 && of(&[f64::INFINITY, 1.0]) == f64::INFINITY && of(&[f64::NAN, 1.0]).is_nan());
            let x = numbers(&[0.0, 0.0]).requires_grad();
            let slope = vector_norm(&x, p, &[], false).unwrap().backward().unwrap().take(&x).unwrap();
            assert_eq!(slope.to_f64_vec().unwrap(), [0.0, 0.0]);
        }
        assert_eq!(vector_norm(&numbers(&[0.0, 3.0, -1.0]), 0.0, &[], false).unwrap().item::<f64>().unwrap(), 2.0);
    }

    /// x × y is normal to both, and (x × y) · z is the determinant.
    #[test]
    fn cross_products_are_normal_to_both_and_make_determinants() {
        let [x, y, z] = [[1.0, 2.0, 3.0], [-1.0, 0.5, 2.0], [4.0, -1.0, 0.25]].map(|v| numbers(&v));
        let normal = cross(&x, &y, 0).unwrap();
        let dot = |a: &Tensor, b: &Tensor| vecdot(a, b, 0).unwrap().item::<f64>().unwrap();
        assert!(dot(&normal, &x).abs() < 1e-14 && dot(&normal, &y).abs() < 1e-14);
        let rows = Tensor::stack(&[&x, &y, &z], 0).unwrap();
        assert!((dot(&normal, &z) - crate::linalg::det(&rows).unwrap().item::<f64>().unwrap()).abs() < 1e-13);
    }

    #[test]
    fn vectors_of_length_0_are_like_nothing_and_stay_0() {
        let zero = numbers(&[0.0, 0.0]);
        assert_eq!(cosine_similarity(&zero, &numbers(&[1.0, 2.0]), 0).unwrap().item::<f64>().unwrap(), 0.0);
        assert_eq!(normalize(&zero, 2.0, 0).unwrap().to_f64_vec().unwrap(), [0.0, 0.0]);
    }

    #[test]
    fn a_largest_of_nothing_and_a_power_that_is_no_number_are_refused() {
        let refused = |x: &Tensor, p: f64| vector_norm(x, p, &[], false).unwrap_err().to_string();
        let words = "vector_norm: over no element of shape [0] there is no largest or smallest";
        assert_eq!(refused(&numbers(&[]), f64::INFINITY), words);
        assert_eq!(refused(&numbers(&[1.0]), f64::NAN), "vector_norm: p must be a number or ±infinity, got NaN");
    }
}
