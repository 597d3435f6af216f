//! √A and ln A

use super::parts::matrix_name;
use super::schur::Schur;
use super::sylvester::{self, solve_sylvester};
use crate::check;
use crate::door;
use crate::error::{Error, Placed, Result};
use crate::tape::{Gradient, Saved};
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

/// The principal square roots of square matrices: X with X X = A, whose eigenvalues have positive real parts.
///
/// Shapes: `a` is `(…, n, n)`, and so is the result. Of a symmetric matrix the result is symmetric up to rounding.
///
/// # Gradient
/// Ā with Xᵀ Ā + Ā Xᵀ = X̄, by the form of the forward pass.
///
/// # Errors
/// If the matrices are not square, or one has an eigenvalue on the closed negative axis, 0 included, naming the matrix.
///
/// # Cost
/// About 30 n³ operations a matrix.
///
/// # Source
/// Higham (1987), Computing real square roots of a real matrix; by blocks: Deadman, Higham and Ralha (2012).
///
/// # Example
/// ```
/// use monotile::{Tensor, linalg::sqrtm};
/// let root = sqrtm(&Tensor::from_rows(&[[4.0_f64, 5.0], [0.0, 9.0]])?)?;
/// assert_eq!(root.to_vec::<f64>()?, [2.0, 1.0, 0.0, 3.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn sqrtm(a: &Tensor) -> Result<Tensor> {
    let a = a.to_compute_dtype("sqrtm")?;
    check::square("sqrtm", &a)?;
    let Schur { t, z } = Schur::of("sqrtm", &a)?;
    let t = door::factor::root("sqrtm", &t, refusal("sqrtm", &a, "square root")).placed()?;
    let x = z.matmul(&t)?.matmul(&z.mt())?;
    Ok(Tensor::record(x, &[&a], Root { form: Schur { t, z } }))
}

/// The principal logarithms of square matrices: X with eˣ = A, whose eigenvalues have imaginary parts within (−π, π).
///
/// Shapes: `a` is `(…, n, n)`, and so is the result. [`expm`](super::expm) takes it back.
///
/// # Gradient
/// The Fréchet derivative at Aᵀ towards X̄: the corner of the logarithm of [[Aᵀ, X̄], [0, Aᵀ]].
///
/// # Errors
/// If the matrices are not square, or one has an eigenvalue on the closed negative axis, 0 included, naming the matrix.
///
/// # Cost
/// About 45 n³ operations a matrix, and n³ for each halving of its logarithm's norm down to ¼. The gradient takes 8 times as
/// many.
///
/// # Source
/// Kenney and Laub (1989), Condition estimates for matrix functions; Higham (2008), Functions of Matrices, chapter 11.
///
/// # Example
/// A quarter turn:
/// ```
/// use monotile::{Tensor, linalg::logm};
/// let x = logm(&Tensor::from_rows(&[[0.0_f64, -1.0], [1.0, 0.0]])?)?.to_vec::<f64>()?;
/// let half_pi = std::f64::consts::FRAC_PI_2;
/// assert!(x.iter().zip([0.0, -half_pi, half_pi, 0.0]).all(|(x, expected)| (x - expected).abs() < 1e-14));
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn logm(a: &Tensor) -> Result<Tensor> {
    let a = a.to_compute_dtype("logm")?;
    check::square("logm", &a)?;
    let Schur { t, z } = Schur::of("logm", &a)?;
    let t = door::factor::logarithm("logm", &t, refusal("logm", &a, "logarithm")).placed()?;
    Ok(Tensor::record(z.matmul(&t)?.matmul(&z.mt())?, &[&a], Logarithm))
}

/// The refusal of a matrix of `a` without such a function.
#[track_caller]
fn refusal(op: &str, a: &Tensor, what: &str) -> impl Fn(usize, usize) -> Error {
    move |matrix, _| {
        let which = matrix_name(a, matrix);
        Error::value(format!("{op}: {which} has an eigenvalue that is 0 or negative, and so no principal {what}"))
    }
}

struct Root {
    /// That of the root.
    form: Schur,
}

impl Gradient for Root {
    fn name(&self) -> &'static str {
        "sqrtm"
    }
    fn keeps_input(&self, _: usize, _: &[bool]) -> bool {
        false
    }
    fn keeps_output(&self, _: usize) -> bool {
        true
    }
    // X dX + dX X = dA, hence  Xᵀ Ā + Ā Xᵀ = X̄
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(bar) = &cotangents[0] else { return Ok(vec![None]) };
        if saved.is_recorded() {
            let x = saved.output(0).mt();
            return Ok(vec![Some(solve_sylvester(&x, &x, bar)?)]);
        }
        let form = self.form.transposed()?;
        Ok(vec![Some(sylvester::solve("sqrtm", [&form, &form], &bar.to_dtype(saved.input_dtype(0))?)?)])
    }
}

struct Logarithm;

impl Gradient for Logarithm {
    fn name(&self) -> &'static str {
        "logm"
    }
    // ln [[A, E], [0, A]] = [[ln A, L(A, E)], [0, ln A]], and L(A, ·) has the adjoint L(Aᵀ, ·)      (Higham 2008, equation 3.16)
    fn vjp(&self, saved: &Saved, cotangents: &[Option<Tensor>]) -> Result<Vec<Option<Tensor>>> {
        let Some(bar) = &cotangents[0] else { return Ok(vec![None]) };
        let a = saved.input(0).mt();
        let n = a.dim(-1);
        if a.is_empty() {
            return Ok(vec![Some(a.zeros_like())]);
        }
        let bar = bar.to_dtype(a.dtype())?;
        // L is linear in E, which is brought to the size of A: else it would be rounding beside it.
        let size = |x: &Tensor| x.detach().abs()?.max(&[-2, -1], true);
        let (own, other) = (size(&a)?, size(&bar)?);
        let none = other.eq(other.zeros_like())?;
        let factor = none.where_(other.ones_like(), &own.div(&none.where_(other.ones_like(), &other)?)?)?;
        let above = Tensor::cat(&[&a, &bar.mul(&factor)?], -1)?;
        let below = Tensor::cat(&[&a.zeros_like(), &a], -1)?;
        let corner = logm(&Tensor::cat(&[&above, &below], -2)?)?.slice(-2, ..n)?.slice(-1, n..)?;
        Ok(vec![Some(corner.div(&factor)?)])
    }
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::expm;
    use super::parts::samples::{distance, regular};
    // Values about 2√n + 1, real ones and pairs: far from the negative axis.
    vec![
        Spec::new("sqrtm", |x| Ok(vec![sqrtm(&x[0])?]))
            .sample("matrix", vec![regular(&[4, 4])])
            .sample("batch", vec![regular(&[2, 3, 3, 3])])
            .sample("one by one", vec![regular(&[1, 1])])
            .sample("larger", vec![regular(&[9, 9])])
            .sample("no rows", vec![normal(&[2, 0, 0])])
            .property("X X = A", |x, y| distance(&x[0], &y[0].matmul(&y[0])?))
            .orders(2)
            .refuses(vec![normal(&[2, 3])], "sqrtm: needs square matrices, got shape [2, 3]")
            .refuses(
                vec![Tensor::from_rows(&[[1.0, 2.0], [0.0, -1.0]]).unwrap()],
                "sqrtm: the matrix has an eigenvalue that is 0 or negative, and so no principal square root",
            )
            .refuses(
                vec![Tensor::zeros(&[2, 2, 2], crate::DType::F64).unwrap()],
                "sqrtm: matrix 0 of the batch has an eigenvalue that is 0 or negative, and so no principal square root",
            ),
        Spec::new("logm", |x| Ok(vec![logm(&x[0])?]))
            .sample("matrix", vec![regular(&[4, 4])])
            .sample("batch", vec![regular(&[2, 3, 3])])
            .sample("one by one", vec![regular(&[1, 1])])
            .sample("no rows", vec![normal(&[2, 0, 0])])
            .property("exp ln A = A", |x, y| distance(&x[0], &expm(&y[0])?))
            .orders(2)
            .refuses(vec![normal(&[2, 3])], "logm: needs square matrices, got shape [2, 3]")
            .refuses(
                vec![Tensor::from_rows(&[[1.0, 2.0], [0.0, 0.0]]).unwrap()],
                "logm: the matrix has an eigenvalue that is 0 or negative, and so no principal logarithm",
            ),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: sqrtm, logm);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_and_logarithms_are_those_by_numpys_eigenvectors() {
        // w, V = np.linalg.eig(A); (V @ np.diag(np.sqrt(w)) @ np.linalg.inv(V)).real, and np.log
        let a = [[4.0, 1.0, -2.0, 0.5], [0.3, 3.0, 1.0, -1.0], [1.5, -0.7, 5.0, 2.0], [-1.0, 2.0, 0.25, 6.0]];
        let a = Tensor::from_rows(&a).unwrap();
        for (found, expected) in [(sqrtm(&a).unwrap(), ROOT), (logm(&a).unwrap(), LOGARITHM)] {
            for (x, e) in found.to_f64_vec().unwrap().iter().zip(expected) {
                assert!((x - e).abs() < 2e-14, "{x} {e}");
            }
        }
    }

    #[rustfmt::skip]
    const ROOT: [f64; 16] = [
        2.050128716976753, 0.21108355708962256, -0.473470936736272, 0.16354189285453347,
        0.03896710852724239, 1.782087480375858, 0.25057363657613085, -0.25916390118591415,
        0.36840052837383463, -0.23761831176556344, 2.2873717039090895, 0.3938125649105642,
        -0.22517856522324783, 0.48046899480919875, 0.00482086171105104, 2.4818234892846425,
    ];
    #[rustfmt::skip]
    const LOGARITHM: [f64; 16] = [
        1.4836944769662472, 0.16473369857483755, -0.43905081506321814, 0.18729865462771045,
        0.0038967579186651724, 1.2052835351774214, 0.2433131920020517, -0.2618293751177376,
        0.3511768042115551, -0.28390630324554084, 1.7086716311494248, 0.2958364352151638,
        -0.19599583429127573, 0.4555950330451547, -0.04170267293430105, 1.854222929170675,
    ];

    #[test]
    fn defective_matrices_have_roots_and_logarithms() {
        let jordan = Tensor::from_rows(&[[4.0, 1.0, 0.0], [0.0, 4.0, 1.0], [0.0, 0.0, 4.0]]).unwrap();
        // f(4), f′(4), f″(4) / 2
        let close = |x: Tensor, [a, b, c]: [f64; 3]| {
            let expected = [a, b, c, 0.0, a, b, 0.0, 0.0, a];
            assert!(x.to_f64_vec().unwrap().iter().zip(expected).all(|(x, e)| (x - e).abs() < 1e-14), "{x:?}");
        };
        close(sqrtm(&jordan).unwrap(), [2.0, 0.25, -1.0 / 64.0]);
        close(logm(&jordan).unwrap(), [4.0_f64.ln(), 0.25, -1.0 / 32.0]);
    }

    #[test]
    fn a_small_cotangent_of_a_logarithm_keeps_its_digits() {
        let a = Tensor::from_rows(&[[4.0, 1.0], [0.5, 3.0]]).unwrap().requires_grad();
        let of = |scale: f64| {
            let loss = logm(&a).unwrap().sum(&[], false).unwrap().mul_scalar(scale).unwrap();
            crate::tape::grad(&loss, &[&a]).unwrap()[0].to_f64_vec().unwrap()
        };
        for (x, y) in of(1.0).into_iter().zip(of(1e-40)) {
            assert!((x * 1e-40 / y - 1.0).abs() < 1e-13, "{x} {y}");
        }
    }
}
