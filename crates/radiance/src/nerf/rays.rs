//! The rays of a camera.

use monotile::linalg::inv;
use monotile::{DType, Error, Result, Tensor};

use crate::camera::MatrixCamera;

/// Rays in the world: points origin + t · direction.
#[derive(Debug, Clone)]
pub struct Rays {
    /// `(B, 3)`: where t is 0, in the plane of the eye.
    pub origins: Tensor,
    /// `(B, 3)`: of depth 1, so that t is the distance from the plane of the eye.
    pub directions: Tensor,
}

/// The rays of a camera through points of its picture.
///
/// A ray is the line on which the two planes meet that project to the point:
///
/// ```text
/// a = P₀ − X P₃,  b = P₁ − Y P₃ of X = 2 x/W − 1, Y = 1 − 2 y/H        a·(p, 1) = b·(p, 1) = 0 in view coordinates p = o + t d, d_z = −1        R⁻¹ (o − s), R⁻¹ d of V = (R s)
/// ```
///
/// Shapes: pixels `(B, 2)`, x to the right and y down from the upper left corner; the centre of the first pixel is ½, ½. Results are f64. Pinholes and
/// parallel projections, with any centre or skew, are of one form.
///
/// # Gradient
/// By the pixels and both matrices; a composition, so that second derivatives are there too.
///
/// # Errors
/// If shapes do not fit, or a matrix has no inverse.
///
/// # Example
/// A camera at z = 4 that looks at the origin, through the right edge of a picture that is 90° wide:
/// ```
/// use monotile::Tensor;
/// use monotile_radiance::{MatrixCamera, rays};
/// let view = Tensor::from_rows(&[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -4.0], [0.0, 0.0, 0.0, 1.0]])?;
/// let lens = Tensor::from_rows(&[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, -1.0, -0.1], [0.0, 0.0, -1.0, 0.0]])?;
/// let camera = MatrixCamera { view_from_world: view, clip_from_view: lens, width: 32, height: 32 };
/// let rays = rays(&camera, &Tensor::from_rows(&[[32.0_f64, 16.0]])?)?;
/// assert_eq!(rays.origins.to_vec::<f64>()?, [0.0, 0.0, 4.0]);
/// assert_eq!(rays.directions.to_vec::<f64>()?, [1.0, 0.0, -1.0]);
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn rays(camera: &MatrixCamera, pixels: &Tensor) -> Result<Rays> {
    camera.check("rays")?;
    if pixels.rank() != 2 || pixels.dim(1) != 2 || !pixels.dtype().is_float() {
        let (shape, dtype) = (pixels.shape(), pixels.dtype());
        return Err(Error::shape(format!("rays: takes floating-point pixels [B, 2], got {dtype} {shape:?}")));
    }
    let [v, p, pixels] = [&camera.view_from_world, &camera.clip_from_view, pixels].map(|m| m.to_dtype(DType::F64));
    let (v, p, pixels) = (v?, p?, pixels?);
    let (x, y) = (pixels.slice(1, ..1)?, pixels.slice(1, 1..)?);
    let (x, y) = (x.mul(2.0 / camera.width as f64)?.sub(1.0)?, y.mul(-2.0 / camera.height as f64)?.add(1.0)?);
    let last = p.slice(0, 3..)?;
    // (B, 4) each
    let (a, b) = (p.slice(0, ..1)?.sub(x.mul(&last)?)?, p.slice(0, 1..2)?.sub(y.mul(&last)?)?);
    let column = |m: &Tensor, k: usize| m.slice(1, k..k + 1);
    let [a, b] = [&a, &b].map(|m| [0, 1, 2, 3].map(|k| column(m, k)));
    let ([ax, ay, az, aw], [bx, by, bz, bw]) = (a, b);
    let (ax, ay, az, aw, bx, by, bz, bw) = (ax?, ay?, az?, aw?, bx?, by?, bz?, bw?);
    let determinant = ax.mul(&by)?.sub(ay.mul(&bx)?)?;
    // The solution of a pair of equations for x and y, and its third number.
    let solved = |c: &Tensor, d: &Tensor, third: f64| {
        let (x, y) = (by.mul(c)?.sub(ay.mul(d)?)?, ax.mul(d)?.sub(bx.mul(c)?)?);
        Tensor::cat(&[&x.div(&determinant)?, &y.div(&determinant)?, &x.zeros_like().add(third)?], 1)
    };
    let (origin, direction) = (solved(&aw.neg()?, &bw.neg()?, 0.0)?, solved(&az, &bz, -1.0)?);
    let back = inv(&v.slice(0, ..3)?.slice(1, ..3)?).map_err(|e| e.with_context("rays"))?.mt();
    let place = v.slice(0, ..3)?.slice(1, 3..)?.mt();
    Ok(Rays { origins: origin.sub(place)?.matmul(&back)?, directions: direction.matmul(&back)? })
}
