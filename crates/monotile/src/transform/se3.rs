//! Steps in the tangent space of poses.

use crate::error::Result;
use crate::tensor::Tensor;
#[cfg(test)]
use crate::testing::{Spec, normal};

use super::arc::stumpff;
use super::parts::{affine, check_matrices, check_rows, common, cross, dot, matrix, numbers, zero_and_one};
use super::so3::logarithm;

/// The rigid motions of twists ξ = (ρ, φ): the exponential of ((φ)ₓ, ρ; 0, 0). A pose is optimized by steps from where it is,
/// `se3_exp(ξ) · T₀`, at ξ = 0: six numbers without a constraint, and no place where they are singular.
///
/// With θ = |φ|, K = (φ)ₓ and a = sin θ / θ, b = (1 − cos θ) / θ², c = (θ − sin θ) / θ³: R = I + a K + b K², t = (I + b K + c K²) ρ.
///
/// Shapes: `xi` is `(…, 6)`, translation first, the result `(…, 4, 4)`.
///
/// # Gradient
/// Smooth everywhere, also at ξ = 0: a, b and c are functions of θ².
///
/// # Errors
/// If rows have not 6 numbers.
///
/// # Source
/// Murray, Li and Sastry (1994), A Mathematical Introduction to Robotic Manipulation, 2.36.
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::se3_exp};
/// // Half a turn about z while moving along x: a half circle, whose ends lie 2/π of its length apart.
/// let xi = Tensor::from_slice(&[1.0, 0.0, 0.0, 0.0, 0.0, std::f64::consts::PI], &[6])?;
/// let end = se3_exp(&xi)?.select(1, 3)?.to_vec::<f64>()?;
/// assert!(end[0].abs() < 1e-15 && (end[1] - 2.0 / std::f64::consts::PI).abs() < 1e-15);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn se3_exp(xi: &Tensor) -> Result<Tensor> {
    check_rows("se3_exp", "xi", xi, 6)?;
    let [xi] = common("se3_exp", [xi])?;
    let (rho, phi) = (xi.slice(-1, ..3)?, xi.slice(-1, 3..)?);
    let [x, y, z] = numbers(&phi)?;
    let [o, _] = &zero_and_one(xi.dtype());
    let k = matrix([[o, &-&z, &y], [&z, o, &-&x], [&-&y, &x, o]])?;
    let square = k.matmul(&k)?;
    let u = dot(&phi, &phi)?.unsqueeze(-1)?.unsqueeze(-1)?;
    let [a, b, c] = [stumpff(1, &u)?, stumpff(2, &u)?, stumpff(3, &u)?];
    let identity = Tensor::eye(3, xi.dtype())?.to(&xi.device())?;
    let linear = &a * &k + &b * &square + &identity;
    let along = &b * &k + &c * &square + &identity;
    affine(&linear, &along.mul(&rho.unsqueeze(-2)?)?.sum(&[-1], false)?)
}

/// The twists ξ = (ρ, φ) of rigid motions: what [`se3_exp`] takes back. The rotation is at most π.
///
/// φ is [`so3_log`](super::so3_log) of R, and ρ = (I − ½ K + d K²) t with K = (φ)ₓ, d = (c − 2 e) / 2b, e = (½ θ² − 1 + cos θ) / θ⁴, and b and c as
/// there.
///
/// Shapes: `motion` is `(…, 4, 4)`, the result `(…, 6)`, translation first. The last row is not read.
///
/// # Gradient
/// Smooth at the identity, since no formula divides by θ. At half a turn the result jumps, as that of `so3_log` does.
///
/// # Errors
/// If the matrices are not 4 x 4. Matrices that are no rigid motions give numbers without meaning.
///
/// # Source
/// Murray, Li and Sastry (1994), as for [`se3_exp`].
///
/// # Example
/// ```
/// use monotile::{Tensor, transform::{se3_exp, se3_log}};
/// let xi = [1.0_f64, -2.0, 3.0, 0.1, 0.2, -0.3];
/// let back = se3_log(&se3_exp(&Tensor::from_slice(&xi, &[6])?)?)?.to_vec::<f64>()?;
/// assert!(back.iter().zip(xi).all(|(a, b)| (a - b).abs() < 1e-14));
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn se3_log(motion: &Tensor) -> Result<Tensor> {
    check_matrices("se3_log", motion, 4)?;
    let [motion] = common("se3_log", [motion])?;
    let upper = motion.slice(-2, ..3)?;
    let (phi, t) = (logarithm(&upper.slice(-1, ..3)?)?, upper.select(-1, 3)?);
    let u = dot(&phi, &phi)?.unsqueeze(-1)?;
    let [b, c, e] = [stumpff(2, &u)?, stumpff(3, &u)?, stumpff(4, &u)?];
    let d = c.sub(&e.mul_scalar(2.0)?)?.div(&b.mul_scalar(2.0)?)?;
    // K t and K² t
    let once = cross(&phi, &t)?;
    let twice = cross(&phi, &once)?;
    let rho = t.sub(&once.mul_scalar(0.5)?)?.add(&d.mul(&twice)?)?;
    Tensor::cat(&[&rho, &phi], -1)
}

#[cfg(test)]
pub(crate) fn specs() -> Vec<Spec> {
    use super::parts::samples::{distance, numbers};
    use crate::linalg::expm;
    vec![
        Spec::new("se3_exp", |x| Ok(vec![se3_exp(&x[0])?]))
            .sample("batch", vec![normal(&[3, 6])])
            .sample("zero", vec![numbers(&[0.0; 6])])
            .sample("no rotation", vec![numbers(&[1.0, -2.0, 3.0, 0.0, 0.0, 0.0])])
            .sample("small", vec![numbers(&[1.0, 2.0, 3.0, 1e-7, -1e-8, 1e-7])])
            .sample("half a turn", vec![numbers(&[1.0, 2.0, 3.0, 0.0, std::f64::consts::PI, 0.0])])
            .sample("empty", vec![normal(&[0, 6])])
            .property("the exponential of a matrix", |x, y| {
                let [a, b, c, x, y1, z] = numbers_of(&x[0])?;
                let [o, _] = &zero_and_one(crate::DType::F64);
                let generator = matrix([[o, &-&z, &y1, &a], [&z, o, &-&x, &b], [&-&y1, &x, o, &c], [o, o, o, o]])?;
                distance(&expm(&generator)?, &y[0])
            })
            .may_drop_nan()
            .orders(2)
            .refuses(vec![normal(&[3])], "se3_exp: xi must be rows of 6 numbers, got shape [3]"),
        Spec::new("se3_log", |x| Ok(vec![se3_log(&x[0])?]))
            .sample("batch", vec![se3_exp(&normal(&[2, 3, 6])).unwrap()])
            .sample("identity", vec![Tensor::eye(4, crate::DType::F64).unwrap()])
            .sample("small", vec![se3_exp(&numbers(&[1.0, 2.0, 3.0, 1e-7, -1e-8, 1e-7])).unwrap()])
            .sample("nearly half a turn", vec![se3_exp(&numbers(&[1.0, 2.0, 3.0, 0.0, 3.1, 0.3])).unwrap()])
            .sample("empty", vec![normal(&[0, 4, 4])])
            .property("its exponential", |x, y| distance(&se3_exp(&y[0])?, &x[0]))
            .may_drop_nan()
            .orders(2)
            .refuses(vec![normal(&[3, 3])], "se3_log: needs 4 x 4 matrices, got shape [3, 3]"),
    ]
}

#[cfg(test)]
crate::testing::spec_tests!(specs: se3_exp, se3_log);

#[cfg(test)]
fn numbers_of(xi: &Tensor) -> Result<[Tensor; 6]> {
    numbers(xi)
}
