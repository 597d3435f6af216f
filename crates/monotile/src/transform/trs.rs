//! Poses: translation, rotation and scale in one matrix, and back.

use monotile_kernels::number::{Expr, Number};
use monotile_kernels::transform::formulas;

use crate::door;
use crate::error::{Error, Result};
use crate::ops::map::composed;
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal, positive};

use super::fused::{ComposedGradient, broadcast_rows};
use super::parts::{
    affine_of, batch_suffix, check_matrices, check_rows, common, constant, cross, dot, leading, numbers, on_cpu, refuse_where, row,
    row_text, shape,
};
use super::quaternion;

/// What a pose is made of.
#[derive(Debug, Clone)]
pub struct Trs {
    /// Where the origin goes, `(…, 3)`.
    pub translation: Tensor,
    /// A quaternion of length 1, `(…, 4)`.
    pub rotation: Tensor,
    /// Factors along the object's own axes, `(…, 3)`.
    pub scale: Tensor,
}

/// world_from_object = T R S: points are scaled, then rotated, then moved.
///
/// Shapes: `translation` and `scale` are `(…, 3)`, `rotation` `(…, 4)`, of length 1; leading dimensions broadcast, the result is
/// `(…, 4, 4)`.
///
/// # Errors
/// If rows have not 3, 4 and 3 numbers, or leading dimensions do not broadcast.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::compose};
/// let row = |x: &[f64]| Tensor::from_slice(x, &[x.len()]);
/// let m = compose(&row(&[1.0, 2.0, 3.0])?, &row(&[0.0, 0.0, 1.0, 0.0])?, &row(&[2.0, 2.0, 2.0])?)?;
/// assert_eq!(m.select(0, 0)?.to_vec::<f64>()?, [-2.0, 0.0, 0.0, 1.0]); // half a turn about z
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn compose(translation: &Tensor, rotation: &Tensor, scale: &Tensor) -> Result<Tensor> {
    posed("compose", false, [translation, rotation, scale], |parts| composed_of(parts, false))
}

/// object_from_world = (T R S)⁻¹ = S⁻¹ Rᵀ T⁻¹, from what the pose is made of: faster, and more exact, than an inverse of its matrix. The view
/// matrix of a camera from its pose in the world is such.
///
/// Shapes: as [`compose`]'s.
///
/// # Errors
/// As [`compose`]; and if a scale is 0.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::compose_inverse};
/// let row = |x: &[f64]| Tensor::from_slice(x, &[x.len()]);
/// let m = compose_inverse(&row(&[1.0, 2.0, 3.0])?, &row(&[0.0, 0.0, 0.0, 1.0])?, &row(&[2.0, 2.0, 2.0])?)?;
/// assert_eq!(m.select(1, 3)?.to_vec::<f64>()?, [-0.5, -1.0, -1.5, 1.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn compose_inverse(translation: &Tensor, rotation: &Tensor, scale: &Tensor) -> Result<Tensor> {
    posed("compose_inverse", true, [translation, rotation, scale], |parts| composed_of(parts, true))
}

/// The kernel's formula by operations that have gradients.
#[track_caller]
fn composed_of([t, q, s]: [&Tensor; 3], inverse: bool) -> Result<Tensor> {
    let ([tx, ty, tz], [x, y, z, w], [sx, sy, sz]) = (numbers(t)?, numbers(q)?, numbers(s)?);
    let parts = [&tx, &ty, &tz, &x, &y, &z, &w, &sx, &sy, &sz];
    affine_of(&composed(parts, |[tx, ty, tz, x, y, z, w, sx, sy, sz]| {
        let (t, q, s) = ([tx, ty, tz], [x, y, z, w], [sx, sy, sz]);
        let rows = if inverse { formulas::pose_inverse(t, q, s, Expr::ONE) } else { formulas::pose(t, q, s, Expr::ONE) };
        rows.as_flattened().to_vec()
    })?)
}

/// Checks, and calls the kernel, whose gradients are those of `composed`.
#[track_caller]
fn posed(
    name: &'static str,
    inverse: bool,
    [translation, rotation, scale]: [&Tensor; 3],
    composed: fn([&Tensor; 3]) -> Result<Tensor>,
) -> Result<Tensor> {
    check_rows(name, "translation", translation, 3)?;
    check_rows(name, "rotation", rotation, 4)?;
    check_rows(name, "scale", scale, 3)?;
    let all = leading(name, &[(translation, 1), (rotation, 1), (scale, 1)])?;
    let [t, q, s] = common(name, [translation, rotation, scale])?;
    if !on_cpu(&[&t, &q, &s]) {
        return composed([&t, &q, &s])?.expand(&shape(&all, &[4, 4]));
    }
    let parts = [broadcast_rows(name, &t, &all)?, broadcast_rows(name, &q, &all)?, broadcast_rows(name, &s, &all)?];
    let Some(out) = door::transform::compose(name, inverse, parts.each_ref(), &shape(&all, &[4, 4]))? else {
        let own = &s.shape()[..s.rank() - 1];
        let i = s.to_f64_vec()?.iter().position(|&s| s == 0.0).unwrap_or(0) / 3;
        return Err(Error::value(format!(
            "{name}: the scale {} has a 0, and so no inverse{}",
            row_text(&s, own, i),
            batch_suffix(own, i)
        )));
    };
    Ok(Tensor::record(out, &[&t, &q, &s], ComposedGradient { name, composed }))
}

/// Translation, rotation and scale of matrices T R S.
///
/// A matrix does not tell three scales' signs from half turns: all come out positive, but for the first where the matrix mirrors (its
/// determinant is negative), as three.js and glam have it too. [`compose`] gives the matrix back.
///
/// Shapes: `m` is `(…, 4, 4)`, the parts `(…, 3)`, `(…, 4)` and `(…, 3)`.
///
/// # Errors
/// If the matrices are not 4 x 4, or one is no such product: its last row is not 0, 0, 0, 1, a scale is 0, or it shears, so that two of its
/// first three columns are not perpendicular (their cosine is above 3·10⁻⁴, the root of the ε of f32, in which files keep matrices).
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::{decompose, scaling}};
/// let mirror = scaling(&Tensor::from_slice(&[2.0_f64, -3.0, 4.0], &[3])?)?;
/// let parts = decompose(&mirror)?;
/// assert_eq!(parts.scale.to_vec::<f64>()?, [-2.0, 3.0, 4.0]);
/// assert_eq!(parts.rotation.to_vec::<f64>()?, [0.0, 0.0, 1.0, 0.0]); // half a turn mirrors x and y
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn decompose(m: &Tensor) -> Result<Trs> {
    const OP: &str = "decompose";
    check_matrices(OP, m, 4)?;
    let [m] = common(OP, [m])?;
    let batch = &m.shape()[..m.rank() - 2];
    let last = m.select(-2, 3)?.sub(constant(&[0.0, 0.0, 0.0, 1.0], m.dtype())?.to(&m.device())?)?;
    refuse_where(
        &last,
        |x| x != 0.0,
        |i| {
            let row = row_text(&m.select(-2, 3).expect("a matrix has 4 rows"), batch, i / 4);
            Error::value(format!("{OP}: the last row is {row}, not [0, 0, 0, 1]{}", batch_suffix(batch, i / 4)))
        },
    )?;
    let linear = m.slice(-2, ..3)?.slice(-1, ..3)?;
    let columns = [0, 1, 2].map(|j| linear.select(-1, j));
    let [x, y, z] = columns;
    let (x, y, z) = (x?, y?, z?);
    // By powers of two, which change no digit, into the range in which squares are numbers.
    let [s, t, r] = [&x, &y, &z].map(power_of_two);
    let (s, t, r) = (s?, t?, r?);
    let (x, y, z) = (x.div(&s)?, y.div(&t)?, z.div(&r)?);
    let mirrored = dot(&cross(&x.detach(), &y.detach())?, &z.detach())?;
    let mirrored = mirrored.lt(mirrored.zeros_like())?;
    let lengths = row(&[&dot(&x, &x)?.sqrt()?, &dot(&y, &y)?.sqrt()?, &dot(&z, &z)?.sqrt()?])?;
    refuse_where(
        &lengths,
        |length| length == 0.0,
        |i| Error::value(format!("{OP}: column {} is 0, and so a scale{}", i % 3, batch_suffix(batch, i / 3))),
    )?;
    let sign = mirrored
        .unsqueeze(-1)?
        .where_(constant(&[-1.0, 1.0, 1.0], m.dtype())?.to(&m.device())?, &Tensor::ones(&[3], m.dtype())?)?;
    let signed = lengths.mul(&sign)?;
    let rotation = Tensor::stack(&[&x, &y, &z], -1)?.div(&signed.unsqueeze(-2)?)?;
    let scale = signed.mul(&Tensor::cat(&[&s, &t, &r], -1)?)?;
    refuse_shear(&rotation, batch)?;
    Ok(Trs { translation: m.select(-1, 3)?.slice(-1, ..3)?, rotation: quaternion::from_matrix(&rotation)?, scale })
}

/// For each column of 3 numbers, `(…, 3)`, the power of two that is nearest to the largest of them, `(…, 1)`; 1 where all are 0 or none is finite.
#[track_caller]
fn power_of_two(column: &Tensor) -> Result<Tensor> {
    let largest = column.detach().abs()?.max(&[-1], true)?;
    // A power of which neither it nor its inverse leaves the type's normal numbers.
    let most = if column.dtype() == DType::F64 { 1020.0 } else { 124.0 };
    let power = largest.log2()?.round()?.clamp(-most, most)?.exp2()?;
    let zero = Tensor::scalar_as(0.0, column.dtype());
    largest.gt(&zero)?.and(&largest.isfinite()?)?.where_(&power, &Tensor::scalar_as(1.0, column.dtype()))
}

/// The largest cosine of two columns that rounding to f32 accounts for.
const SHEAR: f64 = 3e-4;

/// Refuses columns of length 1 that are not perpendicular.
#[track_caller]
fn refuse_shear(rotation: &Tensor, batch: &[usize]) -> Result<()> {
    let r = rotation.detach();
    let off = r.mt().matmul(&r)?.expand(&shape(batch, &[3, 3]))?.sub(Tensor::eye(3, r.dtype())?.to(&r.device())?)?;
    refuse_where(
        &off,
        |cosine| cosine.abs() > SHEAR,
        |i| {
            let (j, k) = (i % 9 / 3, i % 3);
            Error::value(format!(
                "decompose: the matrix shears: columns {j} and {k} are not perpendicular{}",
                batch_suffix(batch, i / 9)
            ))
        },
    )
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, numbers, rotations};
    // Scales of both signs away from 0.
    let signed = |shape: &[usize]| positive(shape).mul(normal(shape).sign().unwrap()).unwrap();
    let samples = |spec: Spec| {
        spec.sample("batch", vec![normal(&[3, 3]), rotations(&[3]), signed(&[3, 3])])
            .sample("broadcast", vec![normal(&[3]), rotations(&[2, 1]), signed(&[2, 3])])
            .sample("identity", vec![numbers(&[0.0; 3]), numbers(&[0.0, 0.0, 0.0, 1.0]), numbers(&[1.0; 3])])
            .sample("empty", vec![normal(&[3]), normal(&[0, 4]), normal(&[3])])
            .orders(2)
    };
    let composed = |t: Tensor, q: Tensor, s: Tensor| vec![compose(&t, &q, &s).unwrap()];
    vec![
        samples(Spec::new("compose", |x| Ok(vec![compose(&x[0], &x[1], &x[2])?])))
            .property("T R S", |x, y| {
                let [t, r, s] = [super::translation(&x[0])?, super::rotation(&x[1])?, super::scaling(&x[2])?];
                distance(&t.matmul(&r)?.matmul(&s)?, &y[0])
            })
            .may_drop_nan()
            .refuses(vec![normal(&[3]), normal(&[3]), normal(&[3])], "compose: rotation must be rows of 4 numbers, got shape [3]"),
        samples(Spec::new("compose_inverse", |x| Ok(vec![compose_inverse(&x[0], &x[1], &x[2])?])))
            .property("the inverse of T R S", |x, y| {
                let product = compose(&x[0], &x[1], &x[2])?.matmul(&y[0])?;
                distance(&product, &Tensor::eye(4, product.dtype())?.expand(product.shape())?)
            })
            .may_drop_nan()
            .refuses(
                vec![normal(&[3]), rotations(&[2]), Tensor::from_rows(&[[1.0, 1.0, 1.0], [1.0, 0.0, 2.0]]).unwrap()],
                "compose_inverse: the scale [1, 0, 2] has a 0, and so no inverse (number 1 of the batch)",
            ),
        // The last row is constant, and shear is refused: gradients are asked for along products T R S.
        Spec::new("decompose", |x| {
            let Trs { translation, rotation, scale } = decompose(&compose(&x[0], &x[1], &x[2])?)?;
            Ok(vec![translation, rotation, scale])
        })
        .sample("batch", vec![normal(&[3, 3]), rotations(&[3]), signed(&[3, 3])])
        .sample("identity", vec![numbers(&[0.0; 3]), numbers(&[0.0, 0.0, 0.0, 1.0]), numbers(&[1.0; 3])])
        .property("T R S is the matrix", |x, y| distance(&compose(&y[0], &y[1], &y[2])?, &compose(&x[0], &x[1], &x[2])?))
        .may_drop_nan(),
        Spec::new("decompose's gradient", |x| {
            // Along rotations of length 1 whatever the input, which a difference quotient changes.
            let m = compose(&x[0], &quaternion::normalize(&x[1])?, &x[2])?;
            let Trs { translation, rotation, scale } = decompose(&m)?;
            Ok(vec![translation, rotation, scale])
        })
        .sample("batch", vec![normal(&[3, 3]), rotations(&[3]), signed(&[3, 3])])
        .sample("identity", vec![numbers(&[0.0; 3]), numbers(&[0.0, 0.0, 0.0, 1.0]), numbers(&[1.0, 2.0, 1.0])])
        .orders(2)
        .may_drop_nan(),
        Spec::new("decompose", |x| Ok(vec![decompose(&x[0])?.scale]))
            .sample("mirrored", composed(normal(&[3]), rotations(&[]), numbers(&[1.0, -2.0, 3.0])))
            .reference(|_| vec![vec![-1.0, 2.0, 3.0]])
            .may_drop_nan()
            .refuses(
                vec![
                    Tensor::from_rows(&[[1.0, 0.5, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
                        .unwrap(),
                ],
                "decompose: the matrix shears: columns 0 and 1 are not perpendicular",
            )
            .refuses(
                composed(normal(&[2, 3]), rotations(&[2]), numbers(&[1.0, 0.0, 3.0])),
                "decompose: column 1 is 0, and so a scale (number 0 of the batch)",
            )
            .refuses(
                vec![Tensor::ones(&[4, 4], crate::DType::F64).unwrap()],
                "decompose: the last row is [1, 1, 1, 1], not [0, 0, 0, 1]",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: compose, compose_inverse, decompose, decompose_s_gradient);

#[cfg(test)]
mod tests {
    use super::*;

    /// Squares of these scales are 0 or infinite in their type.
    #[test]
    fn scales_of_every_size_come_back() -> Result<()> {
        for (dtype, scales) in [(DType::F32, [1e20, 1e-22, 3e37]), (DType::F64, [1e200, 1e-220, 3e300])] {
            for scale in scales.into_iter().chain([1.0]) {
                let turned = Tensor::from_slice(&[0.5, -0.5, 0.5, 0.5], &[4])?.to_dtype(dtype)?;
                let scales = Tensor::from_slice(&[scale, -scale, scale], &[3])?.to_dtype(dtype)?;
                let m = compose(&Tensor::zeros(&[3], dtype)?, &turned, &scales)?;
                let parts = decompose(&m)?;
                let epsilon = if dtype == DType::F32 { f64::from(f32::EPSILON) } else { f64::EPSILON };
                for (found, wanted) in parts.scale.to_f64_vec()?.into_iter().zip([-scale, scale, scale]) {
                    assert!((found / wanted - 1.0).abs() < 4.0 * epsilon, "{dtype:?} {scale:e}: {found:e}");
                }
                let back = compose(&parts.translation, &parts.rotation, &parts.scale)?;
                let apart =
                    back.mul_scalar(1.0 / scale)?.sub(&m.mul_scalar(1.0 / scale)?)?.abs()?.max(&[], false)?.to_f64_vec()?[0];
                assert!(apart < 8.0 * epsilon, "{dtype:?} {scale:e}: {apart:e}");
            }
        }
        Ok(())
    }
}
