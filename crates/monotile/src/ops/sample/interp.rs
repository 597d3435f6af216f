//! Linear interpolation between points of a line.

use crate::check;
use crate::error::{Error, Result};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The piecewise linear function through the points (xpᵢ, fpᵢ) at x, of any shape: f(x) = fᵢ + (x − xpᵢ) (fᵢ₊₁ − fᵢ) / (xpᵢ₊₁ − xpᵢ)
///
/// `xp` is a vector that increases, in which points may be equal, and `fp` one as long. Beside a point at ±∞ the function is constant. Before the first point the value is the first `fp`, behind the last
/// one the last. bf16 and f16 count as f32.
///
/// # Gradient
/// To all three. The slope at a point is that of the piece to its right; outside it is 0.
///
/// # Errors
/// If `xp` and `fp` are no vectors of one length, or hold no point, or `xp` decreases or holds NaN; for integers.
///
/// # Cost
/// A binary search for each element, then elementwise operations. `xp` is read back, to refuse what is not sorted.
///
/// # Example
/// ```
/// use monotile::{Tensor, ops::interp};
/// let (xp, fp) = (Tensor::from(vec![0.0, 1.0, 3.0]), Tensor::from(vec![0.0, 10.0, 30.0]));
/// let x = Tensor::from(vec![-1.0, 0.5, 2.0, 9.0]);
/// assert_eq!(interp(&x, &xp, &fp)?.to_vec::<f64>()?, [0.0, 5.0, 20.0, 30.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "interp1d")]
#[track_caller]
pub fn interp(x: &Tensor, xp: &Tensor, fp: &Tensor) -> Result<Tensor> {
    let dtype = check::common_float_of("interp", &[x, xp, fp])?;
    if xp.rank() != 1 || xp.shape() != fp.shape() || xp.is_empty() {
        let (a, b) = (xp.shape(), fp.shape());
        return Err(Error::shape(format!("interp: points must be two vectors of one length, got shapes {a:?} and {b:?}")));
    }
    let (x, xp, fp) = (x.to_dtype(dtype)?, xp.to_dtype(dtype)?, fp.to_dtype(dtype)?);
    let points = xp.detach().to_f64_vec()?;
    // Positive comparisons, so that a NaN is refused.
    if let Some(i) = points.iter().position(|p| p.is_nan()).or_else(|| points.windows(2).position(|p| !(p[0] <= p[1]))) {
        let which =
            if points[i].is_nan() { "is NaN".to_string() } else { format!("is {} and the next {}", points[i], points[i + 1]) };
        return Err(Error::value(format!("interp: points must increase, but point {i} {which}; sort them, and the values alike")));
    }
    let (first, last) = (fp.select(0, 0)?, fp.select(0, -1)?);
    if xp.len() == 1 {
        // 0 times infinity would be no number, and NaN stays.
        return x.clamp(0.0, 0.0)?.mul_scalar(0.0)?.add(&first);
    }
    let upper = xp.detach().searchsorted(&x.detach(), true)?.clamp(1, xp.len() as i64 - 1)?;
    let lower = upper.sub(1)?;
    let (x0, x1, f0, f1) = (xp.take(&lower)?, xp.take(&upper)?, fp.take(&lower)?, fp.take(&upper)?);
    // Between equal points there is nothing, and behind them no slope is read.
    let width = x1.sub(&x0)?;
    let (left, far) = (x0.eq(f64::NEG_INFINITY)?, width.detach().isinf()?);
    let width = width.eq(0.0)?.or(&far)?.where_(1.0, &width)?;
    let slope = far.where_(0.0, f1.sub(&f0)?.div(&width)?)?;
    // A piece without an end has the value of the end that it has; at the point at -∞ itself that of this point.
    let start = left.and(&x.ne(f64::NEG_INFINITY)?)?.where_(&f1, &f0)?;
    let apart = left.where_(0.0, x.sub(&x0)?)?;
    let between = apart.mul(&slope)?.add(&start)?;
    let (before, behind) = (x.lt(&xp.select(0, 0)?)?, x.ge(&xp.select(0, -1)?)?);
    before.where_(&first, &behind.where_(&last, &between)?)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    // Normal numbers are no points.
    let points = |points: &[f64]| Tensor::from(points.to_vec());
    vec![
        Spec::new("interp", |x| Ok(vec![interp(&x[0], &x[1], &x[2])?]))
            .sample("a matrix, parts of it outside", vec![normal(&[3, 4]), points(&[-1.0, -0.25, 0.1, 0.7]), normal(&[4])])
            .sample("nothing", vec![normal(&[0]), points(&[-1.0, 0.5]), normal(&[2])])
            .reference(|x| {
                let (xp, fp) = (&x[1], &x[2]);
                let at = |v: f64| match xp.iter().position(|&p| p > v) {
                    Some(0) => fp[0],
                    None => fp[fp.len() - 1],
                    Some(k) => fp[k - 1] + (v - xp[k - 1]) * (fp[k] - fp[k - 1]) / (xp[k] - xp[k - 1]),
                };
                vec![x[0].iter().map(|&v| at(v)).collect()]
            })
            .may_drop_nan()
            .orders(2)
            .refuses(
                vec![normal(&[3]), normal(&[2]), normal(&[3])],
                "interp: points must be two vectors of one length, got shapes [2] and [3]",
            )
            .refuses(
                vec![normal(&[3]), points(&[1.0, 2.0, 0.5]), normal(&[3])],
                "interp: points must increase, but point 1 is 2 and the next 0.5; sort them, and the values alike",
            )
            .refuses(
                vec![normal(&[3]), points(&[1.0, f64::NAN]), normal(&[2])],
                "interp: points must increase, but point 1 is NaN; sort them, and the values alike",
            )
            .refuses(
                vec![normal(&[3]), normal(&[0]), normal(&[0])],
                "interp: points must be two vectors of one length, got shapes [0] and [0]",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: interp);

#[cfg(test)]
mod tests {
    use super::*;

    /// `np.interp([-1, 0, 1, 1.5, 2, 5, np.inf, np.nan], [0, 1, 1, 2], [3, 4, 6, 8])`
    #[test]
    fn values_at_points_are_those_of_numpy() {
        let (xp, fp) = (Tensor::from(vec![0.0, 1.0, 1.0, 2.0]), Tensor::from(vec![3.0, 4.0, 6.0, 8.0]));
        let x = Tensor::from(vec![-1.0, 0.0, 1.0, 1.5, 2.0, 5.0, f64::INFINITY, f64::NAN]);
        let found = interp(&x, &xp, &fp).unwrap().to_vec::<f64>().unwrap();
        assert_eq!(found[..7], [3.0, 3.0, 6.0, 7.0, 8.0, 8.0, 8.0]);
        assert!(found[7].is_nan());
        // np.interp([-1, 7, np.inf, np.nan], [2], [5])
        let x = Tensor::from(vec![-1.0, 7.0, f64::INFINITY, f64::NAN]);
        let one = interp(&x, &Tensor::from(vec![2.0]), &Tensor::from(vec![5.0])).unwrap().to_vec::<f64>().unwrap();
        assert!(one[..3] == [5.0; 3] && one[3].is_nan(), "{one:?}");
    }

    /// `np.interp([-np.inf, -5, 0, 0.5, 1, 7, np.inf], [-np.inf, 0, 1, np.inf], [3, 4, 6, 8])`
    #[test]
    fn beside_points_at_infinity_the_function_is_constant_as_in_numpy() {
        let inf = f64::INFINITY;
        let xp = Tensor::from([-inf, 0.0, 1.0, inf]);
        let x = Tensor::from([-inf, -5.0, 0.0, 0.5, 1.0, 7.0, inf]).requires_grad();
        let y = interp(&x, &xp, &Tensor::from([3.0, 4.0, 6.0, 8.0])).unwrap();
        assert_eq!(y.to_vec::<f64>().unwrap(), [3.0, 4.0, 4.0, 5.0, 6.0, 6.0, 8.0]);
        let g = crate::tape::grad(&y.sum(.., false).unwrap(), [&x]).unwrap();
        assert_eq!(g[0].to_vec::<f64>().unwrap(), [0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn gradients_stay_finite_where_points_are_equal() {
        let xp = Tensor::from(vec![0.0, 1.0, 1.0]).requires_grad();
        let x = Tensor::from(vec![0.5, 1.0, 2.0]).requires_grad();
        let y = interp(&x, &xp, &Tensor::from(vec![3.0, 4.0, 6.0])).unwrap();
        let g = crate::tape::grad(&y.sum(&[], false).unwrap(), &[&x, &xp]).unwrap();
        assert_eq!(g[0].to_vec::<f64>().unwrap(), [1.0, 0.0, 0.0]);
        assert_eq!(g[1].to_vec::<f64>().unwrap(), [-0.5, -0.5, 0.0]);
    }
}
