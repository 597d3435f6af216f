//! Distances of all pairs of points: ‖x_i − y_j‖ in any p-norm, without the differences of coordinates in memory.

use crate::check;
use crate::door::distance::{self as door, Metric};
use crate::error::{Error, Result};
use crate::ops::map::named;
use crate::tape::{Gradient, Saved};
use crate::tensor::{Dims, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The distance of every point of `x` from every point of `y`: d\[i, j\] = (Σₖ |x\[i, k\] − y\[j, k\]|ᵖ)^(1/p).
///
/// Shapes: `x` is `(…, m, d)`, `y` `(…, q, d)`, the result `(…, m, q)`; leading dimensions broadcast. `p` = 1 and 2 are the usual
/// distances, ∞ the largest difference, 0 the number of coordinates that differ. Differences are taken before they are squared, so that
/// points near each other and far from the origin keep their digits. bf16 and f16 count as f32.
///
/// # Gradient
/// x̄ᵢ = Σⱼ d̄ᵢⱼ (xᵢ − yⱼ) / dᵢⱼ for p = 2. It is 0 from points that coincide, as PyTorch has it. For ∞ all coordinates that attain the
/// distance have it; for p = 0 there is none.
///
/// # Errors
/// If `x` or `y` has no rows, their points differ in size, or leading dimensions do not broadcast; for integers; if p is negative or NaN.
///
/// # Cost
/// 2 m q d operations, and memory for the result alone; a gradient takes as much again for each set. Second derivatives take
/// memory for m q d numbers, except for p = 2. For p other than 0, 1, 2 and ∞ each difference takes a power.
///
/// # Example
/// ```
/// use monotile::{Tensor, ops::cdist};
/// let x = Tensor::from_rows(&[[0.0_f64, 0.0], [3.0, 0.0]])?;
/// let y = Tensor::from_rows(&[[3.0_f64, 4.0]])?;
/// assert_eq!(cdist(&x, &y, 2.0)?.to_vec::<f64>()?, [5.0, 4.0]);
/// assert_eq!(cdist(&x, &y, 1.0)?.to_vec::<f64>()?, [7.0, 4.0]);
/// assert_eq!(cdist(&x, &y, f64::INFINITY)?.to_vec::<f64>()?, [4.0, 4.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "pairwise_distance")]
#[doc(alias = "pdist")]
#[doc(alias = "euclidean_distances")]
#[doc(alias = "distance_matrix")]
#[track_caller]
pub fn cdist(x: &Tensor, y: &Tensor, p: f64) -> Result<Tensor> {
    if p.is_nan() || p < 0.0 {
        return Err(Error::value(format!("cdist: p must be at least 0, or infinity for the largest difference, got {p}")));
    }
    let metric = match p {
        1.0 => Metric::Manhattan,
        2.0 => Metric::Euclidean,
        f64::INFINITY => Metric::Chebyshev,
        p => Metric::Minkowski(p),
    };
    pairwise("cdist", x, y, metric)
}

/// The squared distance of every point of `x` from every point of `y`: s\[i, j\] = Σₖ (x\[i, k\] − y\[j, k\])².
///
/// Shapes: `x` is `(…, m, d)`, `y` `(…, q, d)`, the result `(…, m, q)`; leading dimensions broadcast. Gaussian kernels and k-means
/// need no root, and have a gradient at 0 without one.
///
/// # Gradient
/// x̄ᵢ = 2 Σⱼ s̄ᵢⱼ (xᵢ − yⱼ)
///
/// # Errors
/// As [`cdist`].
///
/// # Cost
/// 2 m q d operations, and memory for the result alone, in derivatives too.
///
/// # Example
/// ```
/// use monotile::{Tensor, ops::squared_cdist};
/// let x = Tensor::from_rows(&[[0.0_f64, 0.0], [3.0, 0.0]])?;
/// let y = Tensor::from_rows(&[[3.0_f64, 4.0]])?;
/// assert_eq!(squared_cdist(&x, &y)?.to_vec::<f64>()?, [25.0, 16.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "sqeuclidean")]
#[doc(alias = "squared_distances")]
#[track_caller]
pub fn squared_cdist(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    pairwise("squared_cdist", x, y, Metric::Squared)
}

#[track_caller]
fn pairwise(op: &'static str, x: &Tensor, y: &Tensor, metric: Metric) -> Result<Tensor> {
    let dtype = check::common_float(op, x, y)?;
    let ([m, d], [q, e]) = (check::matrices(op, x)?, check::matrices(op, y)?);
    if d != e {
        let (x, y) = (x.shape(), y.shape());
        return Err(Error::shape(format!(
            "{op}: points of {d} and of {e} coordinates have no distance, of shapes {x:?} and {y:?}"
        )));
    }
    let batch = check::broadcast(op, &x.shape()[..x.rank() - 2], &y.shape()[..y.rank() - 2])?;
    let whole = |rows: usize| batch.iter().copied().chain([rows, d]).collect::<Dims>();
    let (x, y) = (x.to_dtype(dtype)?.expand(&whole(m))?, y.to_dtype(dtype)?.expand(&whole(q))?);
    let out = door::distances(op, metric, &x.contiguous_detached(op)?, &y.mt().contiguous_detached(op)?)?;
    Ok(Tensor::record(out, &[&x, &y], Distances { op, metric }))
}

struct Distances {
    op: &'static str,
    metric: Metric,
}

impl Gradient for Distances {
    fn name(&self) -> &'static str {
        self.op
    }
    fn keeps_output(&self, _: usize) -> bool {
        !matches!(self.metric, Metric::Squared | Metric::Manhattan)
    }
    // x̄ᵢ = Σⱼ wᵢⱼ s(xᵢ − yⱼ),  ȳⱼ = Σᵢ wᵢⱼ s(yⱼ − xᵢ)
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(g) = &cotangents[0] else { return Ok(vec![None, None]) };
        let (x, y) = (saved.input(0), saved.input(1));
        let g = g.to_dtype(x.dtype())?;
        let w = match self.metric {
            Metric::Minkowski(0.0) => return Ok(vec![None, None]),
            Metric::Squared => g.mul_scalar(2.0)?,
            Metric::Euclidean => over(&g, &saved.output(0))?,
            _ if saved.is_recorded() => return composed(self.metric, saved, &g),
            _ => return fused(self, saved, &g),
        };
        let wanted = |i: usize, w: &Tensor, x: &Tensor, y: &Tensor| saved.needs(i).then(|| weighted(w, x, y)).transpose();
        Ok(vec![wanted(0, &w, &x, &y)?, wanted(1, &w.mt(), &y, &x)?])
    }
}

/// g / d, and 0 where points coincide.
#[track_caller]
fn over(g: &Tensor, d: &Tensor) -> Result<Tensor> {
    named("cdist", [g, d], crate::formula!(|g, d| T::select(d.equal(T::ZERO), T::ZERO, g / d)))
}

/// The gradients of a metric that is not a square, by their kernel.
#[track_caller]
fn fused(rule: &Distances, saved: &Saved, g: &Tensor) -> Result<Vec<Option<Tensor>>> {
    let Distances { op, metric } = *rule;
    let (x, y) = (saved.input(0), saved.input(1));
    let distances = rule.keeps_output(0).then(|| saved.output(0));
    let by = |a: &Tensor, b: &Tensor, w: &Tensor, d: Option<Tensor>| {
        let d = d.map(|d| d.contiguous_detached(op)).transpose()?;
        let (a, b) = (a.contiguous_detached(op)?, b.mt().contiguous_detached(op)?);
        door::weighted(op, metric, [&a, &b], &w.contiguous_detached(op)?, d.as_ref())
    };
    let first = saved.needs(0).then(|| by(&x, &y, g, distances.clone())).transpose()?;
    let second = saved.needs(1).then(|| by(&y, &x, &g.mt(), distances.map(|d| d.mt()))).transpose()?;
    Ok(vec![first, second])
}

/// The same of operations that have gradients, in memory for all differences.
#[track_caller]
fn composed(metric: Metric, saved: &Saved, g: &Tensor) -> Result<Vec<Option<Tensor>>> {
    let differences = saved.input(0).unsqueeze(-2)?.sub(&saved.input(1).unsqueeze(-3)?)?;
    let slopes = match metric {
        Metric::Manhattan => differences.detach().sign()?,
        Metric::Chebyshev => {
            let (delta, reach) = (differences.detach(), saved.output(0).detach().unsqueeze(-1)?);
            let attained = crate::formula!(|delta, reach| T::select(delta.abs().equal(reach), T::ONE, T::ZERO));
            delta.sign()?.mul(&named("cdist", [&delta, &reach], attained)?)?
        }
        Metric::Minkowski(p) => {
            // sign δ (|δ| / d)ᵖ⁻¹
            let slope = crate::formula!(
                [power = p - 1.0] | delta,
                reach | {
                    let size = delta.abs();
                    T::select(delta.equal(T::ZERO), T::ZERO, delta / size * (size / reach).powf(power))
                }
            );
            named("cdist", [&differences, &saved.output(0).unsqueeze(-1)?], slope)?
        }
        Metric::Squared | Metric::Euclidean => unreachable!("they are made of weighted differences"),
    };
    let terms = g.unsqueeze(-1)?.mul(&slopes)?;
    let first = saved.needs(0).then(|| terms.sum(&[-2], false)).transpose()?;
    let second = saved.needs(1).then(|| terms.sum(&[-3], false)?.neg()).transpose()?;
    Ok(vec![first, second])
}

/// Σⱼ wᵢⱼ (xᵢ − yⱼ), `(…, m, d)`, of weights `(…, m, q)` and points of one shape of leading dimensions.
#[track_caller]
fn weighted(w: &Tensor, x: &Tensor, y: &Tensor) -> Result<Tensor> {
    let points = [&x.contiguous_detached("cdist")?, &y.mt().contiguous_detached("cdist")?];
    let out = door::weighted("weighted differences", Metric::Squared, points, &w.contiguous_detached("cdist")?, None)?;
    Ok(Tensor::record(out, &[w, x, y], WeightedDifferences))
}

struct WeightedDifferences;

impl Gradient for WeightedDifferences {
    fn name(&self) -> &'static str {
        "weighted differences"
    }
    fn keeps_input(&self, i: usize, needs: &[bool]) -> bool {
        if i == 0 { needs[1] || needs[2] } else { needs[0] }
    }
    // w̄ᵢⱼ = hᵢ · (xᵢ − yⱼ),  x̄ᵢ = hᵢ Σⱼ wᵢⱼ,  ȳⱼ = −Σᵢ wᵢⱼ hᵢ
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(h) = &cotangents[0] else { return Ok(vec![None, None, None]) };
        let mut answers = vec![None, None, None];
        if saved.needs(0) {
            let (x, y) = (saved.input(1), saved.input(2));
            // Counted from a point among them, so that products of large coordinates do not cancel.
            let origin = y.detach().slice(-2, ..y.dim(-2).min(1))?.sum(&[-2], true)?;
            let (x, y) = (x.sub(&origin)?, y.sub(&origin)?);
            answers[0] = Some(h.mul(&x)?.sum(&[-1], true)?.sub(&h.matmul(&y.mt())?)?);
        }
        if saved.needs(1) {
            answers[1] = Some(h.mul(&saved.input(0).sum(&[-1], true)?)?);
        }
        if saved.needs(2) {
            answers[2] = Some(saved.input(0).mt().matmul(h)?.neg()?);
        }
        Ok(answers)
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    // Points drawn at random do not coincide, nor do two of their differences.
    let samples = |spec: Spec| {
        spec.sample("sets", vec![normal(&[3, 2]), normal(&[4, 2])])
            .sample("batches that broadcast", vec![normal(&[2, 1, 2, 3]), normal(&[3, 2, 3])])
            .sample("no points", vec![normal(&[0, 2]), normal(&[3, 2])])
            .sample("no second points", vec![normal(&[2, 2]), normal(&[0, 2])])
            .orders(2)
    };
    let record = |p: f64| samples(Spec::new("cdist", move |x| Ok(vec![cdist(&x[0], &x[1], p)?])));
    vec![
        record(2.0)
            .refuses(vec![normal(&[3]), normal(&[3, 3])], "cdist: needs at least 2 dimensions, got shape [3]")
            .refuses(
                vec![normal(&[4, 2]), normal(&[4, 3])],
                "cdist: points of 2 and of 3 coordinates have no distance, of shapes [4, 2] and [4, 3]",
            )
            .refuses(
                vec![normal(&[2, 4, 2]), normal(&[3, 4, 2])],
                "cdist: shapes [2] and [3] do not broadcast; sizes must be equal or 1, from the last",
            ),
        record(1.0),
        record(f64::INFINITY),
        record(3.5),
        record(0.0).may_drop_nan(),
        Spec::new("cdist", |x| Ok(vec![cdist(&x[0], &x[0], -1.0)?]))
            .refuses(vec![normal(&[3, 2])], "cdist: p must be at least 0, or infinity for the largest difference, got -1"),
        samples(Spec::new("squared_cdist", |x| Ok(vec![squared_cdist(&x[0], &x[1])?]))),
        // What the gradient of both is made of, whose own gradients are those of second order.
        Spec::new("weighted differences", |x| Ok(vec![weighted(&x[0], &x[1], &x[2])?]))
            .sample("sets", vec![normal(&[3, 4]), normal(&[3, 2]), normal(&[4, 2])])
            .sample("no second points", vec![normal(&[3, 0]), normal(&[3, 2]), normal(&[0, 2])])
            .orders(2)
            .may_drop_nan(),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: cdist, squared_cdist, weighted_differences);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::DType;

    /// Values of PyTorch 2, of points of which two coincide and of which differences are equal:
    /// `(torch.cdist(x, y, p, "donot_use_mm_for_euclid_dist") * torch.arange(1., 7.).reshape(3, 2)).sum().backward()`
    #[test]
    fn distances_and_gradients_are_those_of_pytorch_where_points_coincide_and_differences_tie() {
        let root = 2.0_f64.sqrt();
        let cases = [
            (
                2.0,
                [0.0, root, 3.0, 5.0_f64.sqrt(), root, 2.0],
                [-root, root, 6.577_708_763_999_663, 1.788_854_381_999_831_7, 3.535_533_905_932_737_3, 9.535_533_905_932_738],
                [-6.535_533_905_932_738, -3.535_533_905_932_737_3, -2.163_495_201_626_568_5, -9.203_067_944_372_926],
            ),
            (1.0, [0.0, 2.0, 3.0, 3.0, 2.0, 2.0], [-2.0, 2.0, 7.0, 4.0, 5.0, 11.0], [-8.0, -5.0, -2.0, -12.0]),
            (f64::INFINITY, [0.0, 1.0, 3.0, 2.0, 1.0, 2.0], [-2.0, 2.0, 7.0, 0.0, 5.0, 11.0], [-8.0, -5.0, -2.0, -8.0]),
            (
                3.0,
                [0.0, 1.259_921_049_894_873, 3.0, 2.080_083_823_051_904, 1.259_921_049_894_873, 2.0],
                [
                    -1.259_921_049_894_873,
                    1.259_921_049_894_873,
                    6.697_926_796_536_718,
                    0.924_481_699_134_179_5,
                    3.149_802_624_737_182_6,
                    9.149_802_624_737_182,
                ],
                [-6.149_802_624_737_182, -3.149_802_624_737_182_6, -2.438_005_746_641_845, -8.184_402_749_029_053],
            ),
            (
                0.5,
                [0.0, 4.0, 3.0, 5.828_427_124_746_19, 4.0, 2.0],
                [-4.0, 4.0, 9.828_427_124_746_19, 9.656_854_249_492_38, 10.0, 16.0],
                [-13.0, -10.0, -2.828_427_124_746_19, -19.656_854_249_492_38],
            ),
            (0.0, [0.0, 2.0, 1.0, 2.0, 2.0, 1.0], [0.0; 6], [0.0; 4]),
        ];
        let x = Tensor::from_rows(&[[0.0_f64, 0.0], [3.0, 0.0], [1.0, 1.0]]).unwrap().requires_grad();
        let y = Tensor::from_rows(&[[0.0_f64, 0.0], [1.0, -1.0]]).unwrap().requires_grad();
        let w = Tensor::from_slice(&[1.0_f64, 2.0, 3.0, 4.0, 5.0, 6.0], &[3, 2]).unwrap();
        for (p, distances, by_x, by_y) in cases {
            let found = cdist(&x, &y, p).unwrap();
            close(&found, &distances);
            let gradients = found.mul(&w).unwrap().sum(&[], false).unwrap().backward().unwrap();
            let of = |t: &Tensor| gradients.get(t).cloned().unwrap_or_else(|| t.zeros_like());
            close(&of(&x), &by_x);
            close(&of(&y), &by_y);
        }
    }

    fn close(found: &Tensor, expected: &[f64]) {
        let found = found.to_f64_vec().unwrap();
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-13), "{found:?} instead of {expected:?}");
    }

    /// Coordinates are multiples of 2⁻³⁰ below 2²¹, so that differences are exact; the product |x|² + |y|² − 2 x·y has 10⁻³ of them.
    #[test]
    fn points_near_each_other_and_far_from_the_origin_keep_their_digits() {
        let step = 2.0_f64.powi(-10);
        let at = |i: usize| [1e6 + step * i as f64, -1e6, 1e6 - 2.0 * step * i as f64];
        let points = Tensor::from_rows(&[at(0), at(1), at(3)]).unwrap().requires_grad();
        let found = cdist(&points, &points.detach(), 2.0).unwrap();
        let expected = [0.0, 1.0, 3.0, 1.0, 0.0, 2.0, 3.0, 2.0, 0.0].map(|i: f64| i * step * 5.0_f64.sqrt());
        assert!(found.to_f64_vec().unwrap().iter().zip(expected).all(|(a, b)| (a - b).abs() <= 1e-15 * b), "{found}");
        let gradient = found.sum(&[], false).unwrap().backward().unwrap().take(&points).unwrap().to_f64_vec().unwrap();
        // Unit vectors along (1, 0, -2): two from one side, none or two from the other.
        let along = 5.0_f64.sqrt().recip();
        close(&Tensor::from_slice(&gradient, &[9]).unwrap(), &[-2.0, 0.0, 4.0, 0.0, 0.0, 0.0, 2.0, 0.0, -4.0].map(|u| u * along));
    }

    #[test]
    fn a_set_has_finite_gradients_of_both_orders_with_itself() {
        use crate::tape::{CheckGradientOptions, check_gradient};
        let x = normal(&[4, 3]);
        // The loss squares distances, so that it is smooth where points coincide.
        let loss = |x: &[Tensor]| Ok(vec![cdist(&x[0], &x[0], 2.0)?.powf(3.0)?.sum(&[], false)?]);
        check_gradient(loss, &[x], &CheckGradientOptions { order: 2, ..Default::default() }).unwrap();
    }

    #[test]
    fn narrow_types_are_computed_in_f32_and_integers_are_refused() {
        let x = normal(&[3, 2]).to_dtype(DType::BF16).unwrap();
        assert_eq!(cdist(&x, &x, 2.0).unwrap().dtype(), DType::F32);
        let x = Tensor::from_rows(&[[1_i64, 2]]).unwrap();
        let words = "squared_cdist: takes floating-point numbers, got i64 and i64; cast with to_dtype";
        assert_eq!(squared_cdist(&x, &x).unwrap_err().to_string(), words);
    }
}
