//! Points, directions and homogeneous coordinates through 4 x 4 matrices.

use monotile_kernels::shape::count;

use crate::door::transform::{self as door, VectorKind};
use crate::error::Result;
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

use super::fused::ComposedGradient;
use super::parts::{check_matrices, check_rows, common, entries, leading, numbers, on_cpu, row, shape};

/// Points through matrices: with (x, y, z, w) = M (p, 1), the points (x, y, z) / w.
///
/// w is 1 for affine matrices; for a projection it is the distance ahead of the camera, and not above 0 for points that no picture shows.
///
/// Shapes: `m` is `(…, 4, 4)`, `points` `(…, 3)`; leading dimensions broadcast, so that one matrix may take all points, or each its own
/// (of a batch of matrices for a batch of clouds, `m` is `(b, 1, 4, 4)` and `points` `(b, n, 3)`). The result is `(…, 3)`.
///
/// # Errors
/// If matrices are not 4 x 4, rows have not 3 numbers, or leading dimensions do not broadcast.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::{transform_points, translation}};
/// let world_from_object = translation(&Tensor::from_slice(&[0.0_f64, 0.0, 1.0], &[3])?)?;
/// let corners = Tensor::from_rows(&[[0.0_f64, 0.0, 0.0], [1.0, 2.0, 3.0]])?;
/// assert_eq!(transform_points(&world_from_object, &corners)?.to_vec::<f64>()?, [0.0, 0.0, 1.0, 1.0, 2.0, 4.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn transform_points(m: &Tensor, points: &Tensor) -> Result<Tensor> {
    through("transform_points", VectorKind::Points, m, points, |[m, p]| {
        let (m, [x, y, z]) = (entries::<4, 4>(m)?, numbers(p)?);
        let sum = |[a, b, c, d]: &[Tensor; 4]| a * &x + b * &y + c * &z + d;
        let w = sum(&m[3]);
        row(&[&(sum(&m[0]) / &w), &(sum(&m[1]) / &w), &(sum(&m[2]) / &w)])
    })
}

/// Directions and offsets through matrices: A v, with A the upper left 3 x 3 block. Translations do not move them.
///
/// Normals are transformed by the [`normal_matrix`](super::normal_matrix) instead.
///
/// Shapes: as [`transform_points`]'.
///
/// # Errors
/// As [`transform_points`].
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::{scaling, transform_vectors}};
/// let m = scaling(&Tensor::from_slice(&[2.0_f64, 3.0, 4.0], &[3])?)?;
/// assert_eq!(transform_vectors(&m, &Tensor::ones(&[3], monotile::DType::F64)?)?.to_vec::<f64>()?, [2.0, 3.0, 4.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn transform_vectors(m: &Tensor, vectors: &Tensor) -> Result<Tensor> {
    through("transform_vectors", VectorKind::Vectors, m, vectors, |[m, v]| {
        let (m, [x, y, z]) = (entries::<4, 4>(m)?, numbers(v)?);
        let sum = |[a, b, c, _]: &[Tensor; 4]| a * &x + b * &y + c * &z;
        row(&[&sum(&m[0]), &sum(&m[1]), &sum(&m[2])])
    })
}

/// Homogeneous coordinates through matrices: M v. Clip coordinates come out so, before the division by w.
///
/// Shapes: `m` is `(…, 4, 4)`, `v` `(…, 4)`; leading dimensions broadcast, the result is `(…, 4)`.
///
/// # Errors
/// If matrices are not 4 x 4, rows have not 4 numbers, or leading dimensions do not broadcast.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::{transform_homogeneous, translation}};
/// let m = translation(&Tensor::from_slice(&[1.0_f64, 2.0, 3.0], &[3])?)?;
/// let v = Tensor::from_slice(&[0.0, 0.0, 0.0, 2.0], &[4])?;
/// assert_eq!(transform_homogeneous(&m, &v)?.to_vec::<f64>()?, [2.0, 4.0, 6.0, 2.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn transform_homogeneous(m: &Tensor, v: &Tensor) -> Result<Tensor> {
    through("transform_homogeneous", VectorKind::Homogeneous, m, v, |[m, v]| {
        let (m, [x, y, z, w]) = (entries::<4, 4>(m)?, numbers(v)?);
        let sum = |[a, b, c, d]: &[Tensor; 4]| a * &x + b * &y + c * &z + d * &w;
        row(&[&sum(&m[0]), &sum(&m[1]), &sum(&m[2]), &sum(&m[3])])
    })
}

/// Checks, and calls the kernel, whose gradients are those of `composed`.
#[track_caller]
fn through(
    name: &'static str,
    kind: VectorKind,
    m: &Tensor,
    rows: &Tensor,
    composed: fn([&Tensor; 2]) -> Result<Tensor>,
) -> Result<Tensor> {
    check_matrices(name, m, 4)?;
    check_rows(name, "what it transforms", rows, kind.width())?;
    let all = leading(name, &[(m, 2), (rows, 1)])?;
    let [m, rows] = common(name, [m, rows])?;
    if !on_cpu(&[&m, &rows]) {
        return composed([&m, &rows])?.expand(&shape(&all, &[kind.width()]));
    }
    Ok(Tensor::record(forward(name, kind, &m, &rows, &all)?, &[&m, &rows], ComposedGradient { name, composed }))
}

#[track_caller]
fn forward(op: &str, kind: VectorKind, m: &Tensor, rows: &Tensor, all: &[usize]) -> Result<Tensor> {
    // The last leading dimensions along which matrices do not change: rows there share one.
    let own = &m.shape()[..m.rank() - 2];
    let shared = own.iter().rev().take_while(|&&n| n == 1).count();
    let split = if shared == own.len() { 0 } else { all.len() - shared };
    let (outer, inner) = all.split_at(split);
    let matrices = if split == 0 {
        m.contiguous_detached(op)?
    } else {
        m.detach().expand(&distinct(outer, inner.len()))?.contiguous_detached(op)?
    };
    let rows = rows.detach().expand(&shape(all, &[kind.width()]))?.contiguous_detached(op)?;
    door::points(op, kind, &matrices, count(inner), &rows)
}

/// The shape of matrices that do not change along `shared` last leading dimensions.
fn distinct(outer: &[usize], shared: usize) -> Dims {
    outer.iter().copied().chain(std::iter::repeat_n(1, shared)).chain([4, 4]).collect()
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::distance;
    // Last rows near 0, 0, 0, 4 keep w away from 0.
    let lens = |shape: &[usize]| {
        let base = Tensor::from_slice(&[0.0, 0.0, 0.0, 4.0], &[4]).unwrap().pad(0, 0, 0, 0.0).unwrap();
        let last = base.unsqueeze(0).unwrap().pad(0, 3, 0, 0.0).unwrap();
        normal(shape).mul_scalar(0.3).unwrap().add(&last).unwrap()
    };
    let spec = move |name, n: usize, f: fn(&Tensor, &Tensor) -> Result<Tensor>| {
        Spec::new(name, move |x| Ok(vec![f(&x[0], &x[1])?]))
            .sample("one matrix", vec![lens(&[4, 4]), normal(&[5, n])])
            .sample("one each", vec![lens(&[3, 4, 4]), normal(&[3, n])])
            .sample("one point", vec![lens(&[3, 4, 4]), normal(&[n])])
            .sample("batches of clouds", vec![lens(&[2, 1, 4, 4]), normal(&[2, 3, n])])
            .sample("outer batch of points", vec![lens(&[3, 4, 4]), normal(&[2, 1, n])])
            .sample("one matrix of rank 4", vec![lens(&[1, 1, 4, 4]), normal(&[3, n])])
            .sample("no points", vec![lens(&[4, 4]), normal(&[0, n])])
            .property("M v", move |x, y| {
                let ones = Tensor::filled(&[1], if name == "transform_vectors" { 0.0 } else { 1.0 }, x[1].dtype()).unwrap();
                let mut shape = x[1].shape().to_vec();
                *shape.last_mut().expect("rows have a last dimension") = 1;
                let v = if n == 4 { x[1].clone() } else { Tensor::cat(&[&x[1], &ones.expand(&shape)?], -1)? };
                let product = x[0].matmul(&v.unsqueeze(-1)?)?.squeeze(-1)?;
                let expected = match name {
                    "transform_points" => product.slice(-1, ..3)?.div(&product.slice(-1, 3..)?)?,
                    _ => product.slice(-1, ..n)?,
                };
                distance(&expected, &y[0])
            })
            .orders(2)
    };
    vec![
        spec("transform_points", 3, transform_points)
            .refuses(vec![normal(&[3, 3]), normal(&[3])], "transform_points: needs 4 x 4 matrices, got shape [3, 3]")
            .refuses(
                vec![normal(&[2, 4, 4]), normal(&[3, 3])],
                "transform_points: the leading dimensions of shapes [2, 4, 4] and [3, 3] do not broadcast",
            ),
        spec("transform_vectors", 3, transform_vectors).refuses(
            vec![normal(&[4, 4]), normal(&[4])],
            "transform_vectors: what it transforms must be rows of 3 numbers, got shape [4]",
        ),
        spec("transform_homogeneous", 4, transform_homogeneous).refuses(
            vec![normal(&[4, 4]), normal(&[3])],
            "transform_homogeneous: what it transforms must be rows of 4 numbers, got shape [3]",
        ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: transform_points, transform_vectors, transform_homogeneous);
