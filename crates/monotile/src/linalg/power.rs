//! Aⁿ and eᴬ

use super::inv::inv;
use super::parts::batch;
use super::solve::solve;
use crate::check;
use crate::error::Result;
use crate::tensor::{DType, Tensor};
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The powers Aⁿ of square matrices, of inverses for negative n.
///
/// Shapes: `a` is `(…, n, n)`, and so is the result. A⁰ is the identity.
///
/// # Errors
/// If the matrices are not square; for negative n as [`inv`].
///
/// # Cost
/// At most 2 log₂ n products.
///
/// # Example
/// The Fibonacci numbers:
/// ```
/// use monotile::{Tensor, linalg::matrix_power};
/// let step = Tensor::from_rows(&[[1.0_f64, 1.0], [1.0, 0.0]])?;
/// assert_eq!(matrix_power(&step, 10)?.to_vec::<f64>()?, [89.0, 55.0, 55.0, 34.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn matrix_power(a: &Tensor, n: i64) -> Result<Tensor> {
    let a = a.to_compute_dtype("matrix_power")?;
    let rows = check::square("matrix_power", &a)?;
    if n == 0 {
        return Tensor::eye(rows, a.dtype())?.to(&a.device())?.expand(a.shape());
    }
    let mut square = if n < 0 { inv(&a)? } else { a };
    let (mut left, mut power) = (n.unsigned_abs(), None::<Tensor>);
    loop {
        if left % 2 == 1 {
            power = Some(power.map_or_else(|| Ok(square.clone()), |power| power.matmul(&square))?);
        }
        left /= 2;
        if left == 0 {
            return Ok(power.expect("a power other than 0 has a highest bit"));
        }
        square = square.matmul(&square)?;
    }
}

/// The norm of 1 up to which the approximant of degree 13 is exact to f64 (Higham 2005, table 2.3).
const REACH: f64 = 5.371920351148152;

/// The coefficients of that approximant's numerator, from the constant up (Higham 2005, equation 2.2, times 26! / 13!).
const COEFFICIENTS: [f64; 14] = [
    64764752532480000.0,
    32382376266240000.0,
    7771770303897600.0,
    1187353796428800.0,
    129060195264000.0,
    10559470521600.0,
    670442572800.0,
    33522128640.0,
    1323241920.0,
    40840800.0,
    960960.0,
    16380.0,
    182.0,
    1.0,
];

/// The exponentials eᴬ = Σ Aᵏ / k! of square matrices.
///
/// Shapes: `a` is `(…, n, n)`, and so is the result.
///
/// # Errors
/// If the matrices are not square.
///
/// # Cost
/// 6 products, a solution, and a product more for every doubling of the norm beyond 5.
///
/// # Source
/// Higham (2005), The scaling and squaring method for the matrix exponential revisited, algorithm 2.3 at degree 13.
///
/// # Example
/// A quarter turn:
/// ```
/// use monotile::{Tensor, linalg::expm};
/// let half_pi = std::f64::consts::FRAC_PI_2;
/// let turn = expm(&Tensor::from_rows(&[[0.0_f64, -half_pi], [half_pi, 0.0]])?)?.to_vec::<f64>()?;
/// assert!(turn.iter().zip([0.0, -1.0, 1.0, 0.0]).all(|(x, expected)| (x - expected).abs() < 1e-15));
/// # Ok::<(), monotile::Error>(())
/// ```
#[doc(alias = "matrix_exp")]
#[track_caller]
pub fn expm(a: &Tensor) -> Result<Tensor> {
    let a = a.to_compute_dtype("expm")?;
    let n = check::square("expm", &a)?;
    if a.is_empty() {
        return Ok(a);
    }
    // Each matrix is halved until its norm is in reach, and the result squared as often.
    let norms = a.detach().abs()?.sum(&[-2], false)?.max(&[-1], false)?.to_f64_vec()?;
    let halvings = |norm: &f64| if norm.is_finite() { (norm / REACH).log2().ceil().clamp(0.0, 1100.0) as i32 } else { 0 };
    let halvings: Vec<i32> = norms.iter().map(halvings).collect();
    let each = |f: &dyn Fn(i32) -> f64| {
        let shape: Vec<usize> = batch(&a).iter().copied().chain([1, 1]).collect();
        Tensor::from_vec(halvings.iter().map(|&s| f(s)).collect(), &shape)
    };
    let there = a.device();
    let a = a.mul(&each(&|s| 0.5_f64.powi(s))?.to_dtype(a.dtype())?.to(&there)?)?;

    let identity = Tensor::eye(n, a.dtype())?.to(&there)?;
    let a2 = a.matmul(&a)?;
    let a4 = a2.matmul(&a2)?;
    let a6 = a4.matmul(&a2)?;
    let b = COEFFICIENTS.map(|b| b / COEFFICIENTS[0]);
    let sum = |c6: f64, c4: f64, c2: f64| a6.mul_scalar(c6)?.add(&a4.mul_scalar(c4)?)?.add(&a2.mul_scalar(c2)?);
    let odd = a6.matmul(&sum(b[13], b[11], b[9])?)?.add(&sum(b[7], b[5], b[3])?)?.add(&identity.mul_scalar(b[1])?)?;
    let odd = a.matmul(&odd)?;
    let even = a6.matmul(&sum(b[12], b[10], b[8])?)?.add(&sum(b[6], b[4], b[2])?)?.add(&identity.mul_scalar(b[0])?)?;
    let mut power = solve(&even.sub(&odd)?, &even.add(&odd)?)?;
    for step in 0..halvings.iter().copied().max().unwrap_or(0) {
        let squared = power.matmul(&power)?;
        let unfinished = each(&|s| f64::from(s > step))?.ne(Tensor::scalar_as(0.0, DType::F64))?;
        power = unfinished.to(&there)?.where_(&squared, &power)?;
    }
    Ok(power)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, regular};
    // Σ Aᵏ / k! of a matrix of norm below 8 in twice as many terms as are not rounding.
    fn series(a: &[f64], n: usize) -> Vec<f64> {
        let identity: Vec<f64> = (0..n * n).map(|at| f64::from(at / n == at % n)).collect();
        let (mut sum, mut term) = (identity.clone(), identity);
        for k in 1..80 {
            term =
                (0..n * n).map(|at| (0..n).map(|l| term[at / n * n + l] * a[l * n + at % n]).sum::<f64>() / f64::from(k)).collect();
            sum.iter_mut().zip(&term).for_each(|(sum, term)| *sum += term);
        }
        sum
    }
    vec![
        Spec::new("matrix_power", |x| Ok(vec![matrix_power(&x[0], 5)?, matrix_power(&x[0], 0)?, matrix_power(&x[0], 1)?]))
            .sample("batch", vec![normal(&[2, 3, 3])])
            .property("A⁵ = A A A A A", |x, y| {
                let a = &x[0];
                distance(&a.matmul(a)?.matmul(a)?.matmul(a)?.matmul(a)?, &y[0])
            })
            .orders(2)
            // A⁰ is the identity whatever A is.
            .may_drop_nan(),
        Spec::new("matrix_power", |x| Ok(vec![matrix_power(&x[0], -3)?]))
            .sample("inverse", vec![regular(&[3, 3])])
            .property("A³ A⁻³ = I", |x, y| distance(&matrix_power(&x[0], 0)?, &matrix_power(&x[0], 3)?.matmul(&y[0])?))
            .orders(2)
            .refuses(vec![normal(&[2, 3])], "matrix_power: needs square matrices, got shape [2, 3]"),
        Spec::new("expm", |x| Ok(vec![expm(&x[0])?]))
            .sample(
                "small and large",
                vec![
                    Tensor::stack(&[&normal(&[3, 3]).mul_scalar(1e-3).unwrap(), &normal(&[3, 3]).mul_scalar(2.0).unwrap()], 0)
                        .unwrap(),
                ],
            )
            .sample("one by one", vec![normal(&[1, 1])])
            .sample("no rows", vec![normal(&[2, 0, 0])])
            .shaped_reference(|x, shapes| {
                let n = shapes[0][shapes[0].len() - 1];
                vec![x[0].chunks((n * n).max(1)).flat_map(|a| series(a, n)).collect()]
            })
            .orders(2)
            // Squaring doubles the rounding each time.
            .tolerance_f32(5e-5)
            .refuses(vec![normal(&[2, 3])], "expm: needs square matrices, got shape [2, 3]"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: matrix_power, expm);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nilpotent_and_diagonal_matrices_have_known_exponentials() {
        let shift = Tensor::from_rows(&[[0.0_f64, 100.0], [0.0, 0.0]]).unwrap();
        let found = expm(&shift).unwrap().to_f64_vec().unwrap();
        assert!(found.iter().zip([1.0, 100.0, 0.0, 1.0]).all(|(x, e)| (x - e).abs() <= 1e-13 * 100.0), "{found:?}");
        let diagonal = Tensor::from_rows(&[[-700.0_f64, 0.0], [0.0, 700.0]]).unwrap();
        let found = expm(&diagonal).unwrap().to_f64_vec().unwrap();
        // Eight squarings of an error of ε, times the norm.
        for (x, e) in [(found[0], (-700.0_f64).exp()), (found[3], 700.0_f64.exp())] {
            assert!((x / e - 1.0).abs() < 700.0 * 4.0 * f64::EPSILON, "{x} {e}");
        }
        assert!(expm(&Tensor::full(&[2, 2], f64::NAN).unwrap()).unwrap().to_f64_vec().unwrap().iter().all(|x| x.is_nan()));
    }
}
