//! Linear regression as a person uses it.

mod refine;
mod student;
mod table;

use refine::refine;
use student::StudentQuantiles;

use super::parts::{argument, constant};
use crate::check;
use crate::error::{Error, ErrorKind, Result};
use crate::linalg::{MatrixNorm, Qr, QrOptions, SolveTriangularOptions, norm, qr, solve_triangular};
#[cfg(test)]
use crate::tensor::DType;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal, uniform};

/// What [`least_squares`] fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeastSquaresOptions {
    /// The model has a constant, its first coefficient. It also says what R² compares with: the mean of y, or else 0.
    pub intercept: bool,
}

impl Default for LeastSquaresOptions {
    fn default() -> Self {
        Self { intercept: true }
    }
}

/// A fitted model y ≈ β₀ + β₁ x₁ + … + βₙ xₙ; its `Display` is the table that statistics packages print.
#[derive(Clone)]
pub struct LeastSquares {
    /// β, `(p)`: the constant first, where there is one.
    pub coefficients: Tensor,
    /// The estimated standard deviation of each coefficient, `(p)`.
    pub standard_errors: Tensor,
    /// y less the fitted values, `(m)`.
    pub residuals: Tensor,
    /// √(Σ r² / (m − p)), a scalar; NaN or ∞ where m = p.
    pub residual_deviation: Tensor,
    /// The share of the variation of y that the model explains, a scalar.
    pub r_squared: Tensor,
    /// m − p
    pub degrees_of_freedom: usize,
    intercept: bool,
}

/// Fits y ≈ β₀ + X β by least squares, and says how sure each coefficient is.
///
/// β = argmin ‖y − X β‖,  s² = ‖r‖² / (m − p),  se(βⱼ) = s √((XᵀX)⁻¹)ⱼⱼ,  R² = 1 − ‖r‖² / ‖y − ȳ‖²
///
/// Shapes: `x` is `(m, n)`, an observation a row, or `(m)` for one variable; `y` is `(m)`. p = n + 1 with a constant. Columns are scaled by
/// powers of two and factored by QR, never by XᵀX; coefficients and residuals are then refined together with residuals in twice the
/// precision, and so are right to the last digits unless the columns are dependent up to rounding.
///
/// # Gradient
/// Of everything, through the factorization. Where all residuals are 0, the deviation and the standard errors have a kink, and 0 for
/// their gradient.
///
/// # Errors
/// If the shapes do not fit, there are fewer observations than coefficients, or `Singular` where a column is a combination of those
/// before it up to rounding, naming it.
///
/// # Cost
/// That of [`qr`], and about 40 m n operations a refinement, of which there are two or three.
///
/// # Source
/// Björck (1996), Numerical Methods for Least Squares Problems, sections 1.4 and 2.9.
///
/// # Example
/// ```
/// use monotile::{Tensor, stats::{LeastSquaresOptions, least_squares}};
/// let x = Tensor::from_slice(&[0.0_f64, 1.0, 2.0, 3.0], &[4])?;
/// let y = Tensor::from_slice(&[1.0_f64, 2.9, 5.1, 7.0], &[4])?;
/// let fit = least_squares(&x, &y, &LeastSquaresOptions::default())?;
/// let b = fit.coefficients.to_vec::<f64>()?;
/// assert!((b[0] - 0.97).abs() < 1e-15 && (b[1] - 2.02).abs() < 1e-15);
/// assert!((fit.r_squared.item::<f64>()? - 0.9991185112634672).abs() < 1e-14);
/// // The slope is not there by chance; the constant may well be 0.79 or 1.15.
/// assert!(fit.p_values()?.to_vec::<f64>()?[1] < 0.001);
/// println!("{fit}");
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn least_squares(x: &Tensor, y: &Tensor, options: &LeastSquaresOptions) -> Result<LeastSquares> {
    let op = "least_squares";
    let m = y.shape().first().copied().unwrap_or(0);
    let y = argument(op, "y", y, &[("observations", None)])?;
    let x = if x.rank() == 1 { x.unsqueeze(-1)? } else { x.clone() };
    let x = argument(op, "x", &x, &[("observations", Some(m)), ("variables", None)])?;
    let dtype = check::common_float(op, &x, &y)?;
    let (x, y) = (x.to_dtype(dtype)?, y.to_dtype(dtype)?);
    let design = if options.intercept { Tensor::cat(&[&Tensor::ones(&[m, 1], dtype)?, &x], 1)? } else { x };
    let p = design.dim(1);
    if m < p {
        return Err(Error::shape(format!("{op}: {m} observations do not determine {p} coefficients")));
    }

    // Powers of two change no digit of the columns, and a triangle of unit columns shows which are dependent.
    let scale = constant(&lengths(&design)?, &[p], dtype)?;
    let scaled = design.div(&scale)?;
    let factors = qr(&scaled, &QrOptions::default())?;
    refuse_dependent(&factors, m, options.intercept)?;
    let upper = SolveTriangularOptions { upper: true, ..Default::default() };
    let Qr { q, r } = &factors;
    let composed = solve_triangular(r, &q.mt().matmul(&y.unsqueeze(-1)?)?, &upper)?;
    let refined = refine(&scaled.detach(), &y.detach(), &Qr { q: q.detach(), r: r.detach() })?;
    let solution = with_values(&composed.squeeze(-1)?, &refined.x)?;
    let residuals = with_values(&y.sub(&scaled.matmul(&composed)?.squeeze(-1)?)?, &refined.residuals)?;

    let length = |x: &Tensor| norm(&x.unsqueeze(0)?, MatrixNorm::Frobenius);
    let rest = length(&residuals)?;
    let degrees_of_freedom = m - p;
    let residual_deviation = rest.div(Tensor::scalar_as((degrees_of_freedom as f64).sqrt(), dtype))?;
    // (XᵀX)⁻¹ = R⁻¹ R⁻ᵀ: its diagonal is the rows of R⁻¹ squared.
    let inverse = solve_triangular(r, &Tensor::eye(p, dtype)?, &upper)?;
    let spread = inverse.square()?.sum(&[-1], false)?.sqrt()?.div(&scale)?;
    let centred = if options.intercept { y.sub(&y.mean(&[], false)?)? } else { y };
    let r_squared = rest.div(&length(&centred)?)?.square()?.neg()?.add_scalar(1.0)?;
    Ok(LeastSquares {
        coefficients: solution.div(&scale)?,
        standard_errors: spread.mul(&residual_deviation)?,
        residuals,
        residual_deviation,
        r_squared,
        degrees_of_freedom,
        intercept: options.intercept,
    })
}

/// The columns x, x², …, x^degree, `(m, degree)`, of a vector: the variables of a polynomial.
///
/// # Errors
/// If `x` is no vector, or of integers.
///
/// # Example
/// ```
/// use monotile::{Tensor, stats::polynomial_features};
/// let x = Tensor::from_slice(&[2.0_f64, 3.0], &[2])?;
/// assert_eq!(polynomial_features(&x, 3)?.to_vec::<f64>()?, [2.0, 4.0, 8.0, 3.0, 9.0, 27.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn polynomial_features(x: &Tensor, degree: usize) -> Result<Tensor> {
    let x = argument("polynomial_features", "x", x, &[("observations", None)])?;
    let mut columns: Vec<Tensor> = Vec::with_capacity(degree);
    for k in 1..=degree {
        // Halving keeps the rounding of the k-th power at log₂ k units instead of k.
        let next = if k == 1 { x.clone() } else { columns[k / 2 - 1].mul(&columns[k - k / 2 - 1])? };
        columns.push(next);
    }
    if columns.is_empty() {
        return Tensor::zeros(&[x.dim(0), 0], x.dtype());
    }
    Tensor::stack(&columns.iter().collect::<Vec<_>>(), 1)
}

impl LeastSquares {
    /// The fitted value of each row of `x`, `(k)`.
    ///
    /// # Errors
    /// If `x` has another number of variables than the model.
    #[track_caller]
    pub fn predict(&self, x: &Tensor) -> Result<Tensor> {
        let first = usize::from(self.intercept);
        let variables = self.coefficients.len() - first;
        let x = if x.rank() == 1 && variables == 1 { x.unsqueeze(-1)? } else { x.clone() };
        let x = argument("predict", "x", &x, &[("observations", None), ("variables", Some(variables))])?;
        let y = x.matmul(&self.coefficients.slice(0, first..)?)?;
        if self.intercept { y.add(&self.coefficients.select(0, 0)?) } else { Ok(y) }
    }

    /// Each coefficient divided by its standard error, `(p)`.
    ///
    /// # Errors
    /// None that a fitted model has.
    #[track_caller]
    pub fn t_values(&self) -> Result<Tensor> {
        self.coefficients.div(&self.standard_errors)
    }

    /// How likely a coefficient at least so far from 0 is where the true one is 0 and the noise normal, `(p)`, without gradients:
    /// P(|T| ≥ |tⱼ|) of Student's distribution with m − p degrees of freedom. NaN where there are none.
    ///
    /// # Errors
    /// None that a fitted model has.
    #[track_caller]
    pub fn p_values(&self) -> Result<Tensor> {
        let student = StudentQuantiles::new(self.degrees_of_freedom);
        let found: Vec<f64> = self.t_values()?.to_f64_vec()?.into_iter().map(|t| student.two_sided(t)).collect();
        constant(&found, &[found.len()], self.coefficients.dtype())
    }

    /// Between which two numbers each coefficient lies, `(p, 2)`: an interval that covers the true one with probability `level`, as
    /// 0.95, where the noise is normal. βⱼ ± t se(βⱼ)
    ///
    /// # Errors
    /// If the level is not between 0 and 1.
    #[track_caller]
    pub fn confidence_intervals(&self, level: f64) -> Result<Tensor> {
        if !(0.0 < level && level < 1.0) {
            return Err(Error::value(format!("confidence_intervals: the level {level} is not between 0 and 1")));
        }
        let t = if self.degrees_of_freedom == 0 {
            f64::NAN
        } else {
            StudentQuantiles::new(self.degrees_of_freedom).quantile(1.0 - level)
        };
        let reach = self.standard_errors.mul_scalar(t)?;
        Tensor::stack(&[&self.coefficients.sub(&reach)?, &self.coefficients.add(&reach)?], 1)
    }

    /// R² less what so many coefficients explain by chance, a scalar: 1 − (1 − R²) (m − 1) / (m − p), or with m for m − 1 where the
    /// model has no constant.
    ///
    /// # Errors
    /// None that a fitted model has.
    #[track_caller]
    pub fn adjusted_r_squared(&self) -> Result<Tensor> {
        let before = self.residuals.len() as f64 - f64::from(u8::from(self.intercept));
        self.r_squared.add_scalar(-1.0)?.mul_scalar(before / self.degrees_of_freedom as f64)?.add_scalar(1.0)
    }
}

/// The length of each column, rounded to a power of two; 1 where it is 0 or not finite.
#[track_caller]
fn lengths(x: &Tensor) -> Result<Vec<f64>> {
    let n = x.dim(1);
    let mut largest = vec![0.0_f64; n];
    for row in x.to_f64_vec()?.chunks(n.max(1)) {
        largest.iter_mut().zip(row).for_each(|(l, x)| *l = l.max(x.abs()));
    }
    let size = |l: f64| if l > 0.0 && l.is_finite() { l.log2().round().exp2() } else { 1.0 };
    Ok(largest.into_iter().map(size).collect())
}

/// Refuses a column that those before it leave nothing of but rounding.
#[track_caller]
fn refuse_dependent(factors: &Qr, m: usize, intercept: bool) -> Result<()> {
    let (r, p) = (factors.r.to_f64_vec()?, factors.r.dim(1));
    for j in 0..p {
        let length = (0..=j).map(|i| r[i * p + j] * r[i * p + j]).sum::<f64>().sqrt();
        if r[j * p + j].abs() <= factors.r.dtype().epsilon() * (m as f64).sqrt() * length {
            let what = match (intercept, j) {
                (true, 0) => "the constant".to_string(),
                _ => format!("variable {}", j + usize::from(!intercept)),
            };
            let why = format!("least_squares: {what} is a combination of those before it, or 0; leave it out");
            return Err(Error::new(ErrorKind::Singular, why));
        }
    }
    Ok(())
}

/// These values with the gradient of `composed`, which is nearly the same.
#[track_caller]
fn with_values(composed: &Tensor, values: &[f64]) -> Result<Tensor> {
    let values = constant(values, composed.shape(), composed.dtype())?;
    if !composed.is_recorded() {
        return Ok(values);
    }
    composed.add(&values.sub(composed.detach())?)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    let fitted = |intercept: bool| {
        move |x: &[Tensor]| {
            let fit = least_squares(&x[0], &x[1], &LeastSquaresOptions { intercept })?;
            Ok(vec![fit.coefficients, fit.standard_errors, fit.residuals, fit.residual_deviation, fit.r_squared])
        }
    };
    let mut specs: Vec<Spec> = [false, true]
        .into_iter()
        .map(|intercept| {
            Spec::new("least_squares", fitted(intercept))
                // Of normal numbers, far from dependent, with residuals that are not small.
                .sample("tall", vec![normal(&[9, 3]), normal(&[9])])
                .sample("one variable", vec![uniform(&[5], -1.0, 1.0), normal(&[5])])
                .orders(2)
                // The standard errors are those of f32 times the condition of the samples, up to 5.
                .tolerance_f32(5e-5)
        })
        .collect();
    let wrong = Spec::new("least_squares", fitted(true))
        .refuses(vec![normal(&[4, 2]), normal(&[3])], "least_squares: x must have shape [3, variables], got [4, 2]")
        .refuses(vec![normal(&[2, 2]), normal(&[2])], "least_squares: 2 observations do not determine 3 coefficients")
        .refuses(
            vec![Tensor::ones(&[4, 1], DType::F64).unwrap(), normal(&[4])],
            "least_squares: variable 1 is a combination of those before it, or 0; leave it out",
        );
    specs.push(wrong);
    specs.push(
        Spec::new("polynomial_features", |x| Ok(vec![polynomial_features(&x[0], 5)?]))
            .sample("a vector", vec![normal(&[4])])
            .shaped_reference(|x, _| vec![x[0].iter().flat_map(|x| (1..=5).map(|k| x.powi(k))).collect()])
            .orders(2),
    );
    specs
}

#[cfg(test)]
crate::testing::spec_tests!(specs: least_squares, polynomial_features);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predictions_are_the_fitted_values() {
        for intercept in [true, false] {
            let (x, y) = (normal(&[9, 3]), normal(&[9]));
            let fit = least_squares(&x, &y, &LeastSquaresOptions { intercept }).unwrap();
            let sum = fit.predict(&x).unwrap().add(&fit.residuals).unwrap().sub(&y).unwrap();
            assert!(sum.to_f64_vec().unwrap().iter().all(|d| d.abs() < 1e-14));
        }
    }

    /// The table of a regression that was worked by hand: y = 0.97 + 2.02 x.
    #[test]
    fn the_table_reads_as_those_of_statistics_packages() {
        let x = Tensor::from_slice(&[0.0_f64, 1.0, 2.0, 3.0], &[4]).unwrap();
        let y = Tensor::from_slice(&[1.0_f64, 2.9, 5.1, 7.0], &[4]).unwrap();
        let fit = least_squares(&x, &y, &LeastSquaresOptions::default()).unwrap();
        let expected = "          coefficient  standard error      t         p
constant     0.970000       0.0793725  12.22   0.00663
x1            2.02000       0.0424264  47.61  0.000441
residual standard deviation 0.0948683 on 2 degrees of freedom
R² 0.999119, adjusted 0.998678
";
        assert_eq!(fit.to_string(), expected);
        // The 5 % point of two degrees of freedom is 4.303.
        let interval = fit.confidence_intervals(0.95).unwrap().select(0, 1).unwrap().to_f64_vec().unwrap();
        assert!((interval[0] - (2.02 - 4.303 * 0.0424264)).abs() < 2e-5 && (interval[1] - (2.02 + 4.303 * 0.0424264)).abs() < 2e-5);
        let error = fit.confidence_intervals(95.0).unwrap_err();
        assert_eq!(error.to_string(), "confidence_intervals: the level 95 is not between 0 and 1");
    }

    #[test]
    fn scales_do_not_matter() {
        let (x, y) = (normal(&[9, 2]), normal(&[9]));
        let of = |scale: f64| {
            let fit = least_squares(&x, &y.mul_scalar(scale).unwrap(), &LeastSquaresOptions::default()).unwrap();
            let sum = fit.t_values().unwrap().sum(&[], false).unwrap();
            [fit.r_squared, fit.residual_deviation.mul_scalar(1.0 / scale).unwrap(), sum].map(|x| x.item::<f64>().unwrap())
        };
        let expected = of(1.0);
        for scale in [1e-200, 1e200] {
            assert!(of(scale).iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{scale}: {:?}", of(scale));
        }
    }

    /// A model without observations to spare tells nothing of its errors, and says so by NaN.
    #[test]
    fn as_many_coefficients_as_observations_leave_no_errors() {
        let fit = least_squares(&normal(&[3, 2]), &normal(&[3]), &LeastSquaresOptions::default()).unwrap();
        assert!(fit.p_values().unwrap().to_f64_vec().unwrap().iter().all(|p| p.is_nan()));
        assert!(fit.confidence_intervals(0.9).unwrap().to_f64_vec().unwrap().iter().all(|x| x.is_nan()));
    }
}
