//! A scene moved by an affine map, its harmonics with it.

use monotile::einsum::einsum;
use monotile::linalg::{SvdOptions, det, lstsq, svd};
use monotile::transform::{quaternion, transform_points};
use monotile::{DType, Error, Result, Tensor};
use monotile_kernels::splat::stated::harmonics::{Y0, Y1, Y2, Y20, Y30, Y31, Y32, Y33};

use crate::splats::Splats;

/// Directions in which harmonics are compared; those of a degree are fewer.
const DIRECTIONS: usize = 48;
/// Entries of a rotation of harmonics that differ from −1, 0 or 1 by less are these.
const SNAP: f64 = 1e-13;
/// Stretches whose ratio differs from 1 by less are equal.
const EQUAL: f64 = 1e-12;

impl Splats {
    /// The scene in another place: means A m + t, covariances A Σ Aᵀ, and harmonics in rotated directions, of a map (A t; 0 0 0 1), `(4, 4)`.
    ///
    /// A map that rotates and scales alike in all directions keeps the colours that a camera sees which moves with the scene. One that stretches has no such harmonics: they
    /// are rotated by the orthogonal factor of A, the closest there is. A reflection reflects them.
    ///
    /// # Gradient
    /// By the splats' tensors; not by the map. A map that stretches goes through singular values, and the gradient is of splats with three different ones.
    ///
    /// # Errors
    /// If the map is not `(4, 4)`, its last row is not 0, 0, 0, 1, it is not finite, or it leaves a plane of space.
    ///
    /// # Example
    /// A quarter turn about z:
    /// ```
    /// use monotile::{DType, Tensor, transform::{quaternion::from_axis_angle, rotation}};
    /// use monotile_radiance::Splats;
    /// let splats = Splats {
    ///     means: Tensor::from([[1.0_f64, 0.0, 3.0]]),
    ///     rotations: Tensor::from([[0.0_f64, 0.0, 0.0, 1.0]]),
    ///     log_scales: Tensor::from([[-3.0_f64, -2.0, -1.0]]),
    ///     logits: Tensor::from([0.5_f64]),
    ///     harmonics: Tensor::from_vec((0..12).map(f64::from).collect(), &[1, 4, 3])?,
    /// };
    /// let quarter = from_axis_angle(&Tensor::from([0.0_f64, 0.0, 1.0]), &Tensor::scalar(std::f64::consts::FRAC_PI_2))?;
    /// let moved = splats.transformed(&rotation(&quarter)?)?;
    /// let close = |x: &Tensor, y: &[f64]| x.to_vec::<f64>().unwrap().iter().zip(y).all(|(x, y)| (x - y).abs() < 1e-12);
    /// assert!(close(&moved.means, &[0.0, 1.0, 3.0]));
    /// // What was seen along x is seen along y: the coefficient of -y is now that of -x.
    /// assert!(close(&moved.harmonics, &[0.0, 1.0, 2.0, 9.0, 10.0, 11.0, 6.0, 7.0, 8.0, -3.0, -4.0, -5.0]));
    /// # Ok::<(), monotile::Error>(())
    /// ```
    ///
    /// # Source
    /// Green (2003), Spherical harmonic lighting: harmonics of a degree rotate among themselves. Their matrix is found here by least squares over directions.
    #[track_caller]
    pub fn transformed(&self, map: &Tensor) -> Result<Self> {
        self.check("transformed")?;
        if map.shape() != [4, 4] || !map.dtype().is_float() {
            return Err(Error::shape(format!("transformed: the map is 4 x 4 of floating-point numbers, got {:?}", map.shape())));
        }
        let map = map.detach().to_dtype(DType::F64)?;
        let numbers = map.to_vec::<f64>()?;
        if numbers[12..] != [0.0, 0.0, 0.0, 1.0] || numbers.iter().any(|x| !x.is_finite()) {
            return Err(Error::value(format!("transformed: the map is finite and its last row 0, 0, 0, 1, got {numbers:?}")));
        }
        let a = map.slice(0, ..3)?.slice(1, ..3)?;
        let factors = svd(&a, &SvdOptions::default())?;
        let stretch = factors.s.to_vec::<f64>()?;
        if !(stretch[2] > f64::EPSILON * stretch[0]) {
            return Err(Error::value(format!("transformed: the map leaves a plane or less of space, it stretches by {stretch:?}")));
        }
        let orthogonal = factors.u.matmul(&factors.vt)?;
        // −1 changes no ellipsoid, so a reflection rotates as its negative does.
        let turn = quaternion::from_matrix(&orthogonal.mul(det(&orthogonal)?.sign()?)?)?;
        let dtype = self.means.dtype();
        let (rotations, log_scales) = if stretch[2] > (1.0 - EQUAL) * stretch[0] {
            let turn = turn.to_dtype(self.rotations.dtype())?;
            (quaternion::multiply(&turn, &self.rotations)?, self.log_scales.add(stretch[0].ln())?)
        } else {
            self.stretched(&a)?
        };
        Ok(Self {
            means: transform_points(&map.to_dtype(dtype)?, &self.means)?,
            rotations,
            log_scales,
            logits: self.logits.clone(),
            harmonics: self.rotated_harmonics(&orthogonal)?,
        })
    }

    /// Rotations and log scales of A Σ Aᵀ, by the singular values of A R S.
    fn stretched(&self, a: &Tensor) -> Result<(Tensor, Tensor)> {
        let wide = |t: &Tensor| t.to_dtype(DType::F64);
        let axes = quaternion::to_matrix(&quaternion::normalize(&wide(&self.rotations)?)?)?
            .mul(wide(&self.log_scales)?.exp()?.unsqueeze(-2)?)?;
        let factors = svd(&a.matmul(&axes)?, &SvdOptions::default())?;
        let sign = det(&factors.u)?.sign()?.unsqueeze(-1)?.unsqueeze(-1)?;
        let rotations = quaternion::from_matrix(&factors.u.mul(sign)?)?;
        Ok((rotations.to_dtype(self.rotations.dtype())?, factors.s.ln()?.to_dtype(self.log_scales.dtype())?))
    }

    fn rotated_harmonics(&self, orthogonal: &Tensor) -> Result<Tensor> {
        let coefficients = self.harmonics.dim(1);
        let matrix = rotation_of_harmonics(orthogonal, coefficients)?;
        let matrix = Tensor::from_vec(matrix, &[coefficients, coefficients])?.to_dtype(self.harmonics.dtype())?;
        if coefficients == 1 { Ok(self.harmonics.clone()) } else { einsum("kj,njc->nkc", &[&matrix, &self.harmonics]) }
    }
}

/// The matrix M `(K, K)` by which coefficients change when the world is mapped by an orthogonal matrix Q: Σ Yₖ(d) (M h)ₖ = Σ Yₖ(Qᵀ d) hₖ for every direction d.
#[track_caller]
pub(crate) fn rotation_of_harmonics(q: &Tensor, coefficients: usize) -> Result<Vec<f64>> {
    let q = q.to_vec::<f64>()?;
    let (mut here, mut there) = (Vec::with_capacity(16 * DIRECTIONS), Vec::with_capacity(16 * DIRECTIONS));
    for i in 0..DIRECTIONS {
        // Even steps along the axis and the golden angle about it.
        let z = 1.0 - (2 * i + 1) as f64 / DIRECTIONS as f64;
        let (sin, cos) = (2.399_963_229_728_653 * i as f64).sin_cos();
        let ring = (1.0 - z * z).sqrt();
        let d = [ring * cos, ring * sin, z];
        here.extend(harmonics_at(d));
        there.extend(harmonics_at([0, 1, 2].map(|k| (0..3).map(|j| q[3 * j + k] * d[j]).sum())));
    }
    let (here, there) = (Tensor::from_vec(here, &[DIRECTIONS, 16])?, Tensor::from_vec(there, &[DIRECTIONS, 16])?);
    let mut matrix = vec![0.0; coefficients * coefficients];
    for first in [0, 1, 4, 9].into_iter().take_while(|&first| first < coefficients) {
        let wide = 2 * (first as f64).sqrt() as usize + 1;
        let of = |t: &Tensor| t.slice(1, first..first + wide)?.contiguous();
        let block = lstsq(&of(&here)?, &of(&there)?)?.to_vec::<f64>()?;
        for (i, x) in block.into_iter().enumerate() {
            let near = x.round();
            matrix[(first + i / wide) * coefficients + first + i % wide] = if (x - near).abs() < SNAP { near } else { x };
        }
    }
    Ok(matrix)
}

/// The real spherical harmonics of degree 0 to 3 in a direction of length 1, in the order and with the signs of the kernels.
fn harmonics_at([x, y, z]: [f64; 3]) -> [f64; 16] {
    let (xx, yy, zz) = (x * x, y * y, z * z);
    let ring = 4.0 * zz - xx - yy;
    [
        Y0,
        -Y1 * y,
        Y1 * z,
        -Y1 * x,
        Y2 * x * y,
        -Y2 * y * z,
        Y20 * (2.0 * zz - xx - yy),
        -Y2 * x * z,
        0.5 * Y2 * (xx - yy),
        -Y33 * y * (3.0 * xx - yy),
        Y32 * x * y * z,
        -Y31 * y * ring,
        Y30 * z * (2.0 * zz - 3.0 * (xx + yy)),
        -Y31 * x * ring,
        0.5 * Y32 * z * (xx - yy),
        -Y33 * x * (xx - 3.0 * yy),
    ]
}
