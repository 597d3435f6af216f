//! A camera of two matrices.

use monotile::linalg::inv;
use monotile::{DType, Error, ErrorKind, Result, Tensor};
use monotile_kernels::splat::CameraRows;
use monotile_kernels::splat::stated::SHAPE_LIMIT;

use crate::project::{ShapeLimits, SightDirections};

/// A camera whose matrices (4 x 4, rows) are tensors: those of `monotile::transform`, which know their gradients, or any others.
///
/// Perspective and parallel projections, with any centre, skew or shear, differ by their numbers alone.
#[derive(Debug, Clone)]
pub struct MatrixCamera {
    /// V: world to the camera's own space, in which it looks along -z with y up. Its last row is 0, 0, 0, 1 and has no gradient.
    pub view_from_world: Tensor,
    /// P: that space to clip coordinates. Depth, its third row, is not read.
    pub clip_from_view: Tensor,
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl MatrixCamera {
    /// The most pixels of a side.
    pub(crate) const MOST_SIDE: usize = 1 << 14;

    #[track_caller]
    pub(crate) fn check(&self, op: &str) -> Result<()> {
        for (name, m) in [("view_from_world", &self.view_from_world), ("clip_from_view", &self.clip_from_view)] {
            if m.shape() != [4, 4] {
                return Err(Error::shape(format!("{op}: {name} must be 4 x 4, got shape {:?}", m.shape())));
            }
            if !m.dtype().is_float() {
                return Err(Error::dtype(format!("{op}: {name} must hold floating-point numbers, got {}", m.dtype())));
            }
        }
        // A GPU has no f64.
        if let Some(m) = [&self.view_from_world, &self.clip_from_view].into_iter().find(|m| !m.device().is_cpu()) {
            let words = format!(
                "{op}: the camera's matrices are computed with in f64, by the cpu, and are on {}; move them with `to`",
                m.device()
            );
            return Err(Error::new(ErrorKind::Unsupported, words));
        }
        let (width, height, most) = (self.width, self.height, Self::MOST_SIDE);
        if width == 0 || height == 0 || width > most || height > most {
            return Err(Error::value(format!("{op}: a picture has 1 to {most} pixels a side, not {width} x {height}")));
        }
        Ok(())
    }

    /// What kernels read of it, `(6, 4)` in f64, by operations with gradients: rows 0, 1, 3 of P V, the depth, the eye −W⁻¹ d of V = (W d), and the limits of shapes.
    #[track_caller]
    pub(crate) fn rows(&self, op: &str, directions: SightDirections, limits: ShapeLimits) -> Result<Tensor> {
        self.check(op)?;
        let (v, p) = (self.view_from_world.to_dtype(DType::F64)?, self.clip_from_view.to_dtype(DType::F64)?);
        // The last row of a pose is no number that anyone chose: it is checked, and has no gradient.
        let (pose, last) = (v.slice(0, ..3)?, Tensor::from_rows(&[[0.0, 0.0, 0.0, 1.0]])?);
        let given = v.slice(0, 3..)?.to_f64_vec()?;
        if given != [0.0, 0.0, 0.0, 1.0] {
            return Err(Error::value(format!("{op}: the last row of view_from_world is 0, 0, 0, 1, not {given:?}")));
        }
        let clip = p.matmul(&Tensor::cat(&[&pose, &last], 0)?)?;
        let axis = v.slice(0, 2..3)?;
        let row = |x: [f64; 4]| Tensor::from_rows(&[x]);
        let eye = match directions {
            SightDirections::FromEye => {
                let inverse = inv(&pose.slice(1, ..3)?).map_err(|e| e.with_context(op))?;
                let center = inverse.matmul(&pose.slice(1, 3..)?)?.neg()?;
                Tensor::cat(&[&center.mt(), &Tensor::ones(&[1, 1], DType::F64)?], 1)?
            }
            SightDirections::AlongAxis => Tensor::cat(&[&axis.slice(1, ..3)?, &Tensor::zeros(&[1, 1], DType::F64)?], 1)?,
        };
        let most = SHAPE_LIMIT;
        let limits = match limits {
            ShapeLimits::Picture => row([-most, most, -most, most])?,
            ShapeLimits::Axis => {
                let [x, y] = [p.slice(0, 0..1)?.slice(1, 2..3)?, p.slice(0, 1..2)?.slice(1, 2..3)?];
                row([-most, most, -most, most])?.sub(Tensor::cat(&[&x, &x, &y, &y], 1)?)?
            }
            ShapeLimits::Unlimited => row([f64::NEG_INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY])?,
        };
        Tensor::cat(&[&clip.slice(0, ..2)?, &clip.slice(0, 3..)?, &axis.neg()?, &eye, &limits], 0)
    }
}

/// The numbers of [`MatrixCamera::rows`].
#[track_caller]
pub(crate) fn camera_rows(op: &str, rows: &Tensor) -> Result<CameraRows> {
    let numbers = rows.to_vec::<f64>()?;
    if let Some(odd) = numbers[..20].iter().find(|x| !x.is_finite()) {
        return Err(Error::value(format!("{op}: the camera's matrices must be finite, and give {odd}")));
    }
    let mut camera = [0.0; 24];
    camera.copy_from_slice(&numbers);
    Ok(camera)
}
