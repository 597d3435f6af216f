//! Where a picture is taken from. A camera is tensors, so that it can be fitted as well as used.

use glam::camera::rh::{proj::directx as clip, view};
use glam::{Mat4, Vec3};
use monotile::{Error, Result, Tensor};

/// A camera: two matrices and a raster.
///
/// The matrices are tensors (4 x 4, rows), so a differentiable renderer takes them as inputs and a pose is recovered by its gradient.
#[derive(Debug, Clone)]
pub struct Camera {
    /// V, the inverse of the camera's own transform.
    pub view_from_world: Tensor,
    /// P; depth 0 at the near plane and w at the far one.
    pub clip_from_view: Tensor,
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// What makes P, but for the shape of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Lens {
    /// Things get smaller with distance.
    Perspective {
        /// The vertical field of view, radians.
        fovy: f32,
        /// Distance of the near plane.
        near: f32,
        /// Distance of the far plane, or none.
        far: Option<f32>,
    },
    /// They do not.
    Orthographic {
        /// Half of what is seen, vertically.
        half_height: f32,
        /// Distance of the near plane.
        near: f32,
        /// Distance of the far plane.
        far: f32,
    },
}

impl Lens {
    /// P for a picture of this width over height.
    pub(crate) fn clip_from_view(&self, aspect: f32) -> Mat4 {
        match *self {
            Self::Perspective { fovy, near, far: Some(far) } => clip::perspective(fovy, aspect, near, far),
            Self::Perspective { fovy, near, far: None } => clip::perspective_infinite(fovy, aspect, near),
            Self::Orthographic { half_height: h, near, far } => clip::orthographic(-h * aspect, h * aspect, -h, h, near, far),
        }
    }
}

impl Camera {
    /// A camera at `eye` that looks at `target` with `up` upwards.
    ///
    /// # Errors
    /// An empty raster, and a direction that does not exist: eye at the target, or up along the line of sight.
    pub fn look_at(eye: [f32; 3], target: [f32; 3], up: [f32; 3], lens: Lens, [width, height]: [usize; 2]) -> Result<Self> {
        let side = (Vec3::from(target) - Vec3::from(eye)).cross(Vec3::from(up));
        if !(side.length_squared() > 0.0) {
            return Err(Error::value(format!("look_at: no direction from {eye:?} to {target:?} with {up:?} upwards")));
        }
        Self::placed(view::look_at_mat4(eye.into(), target.into(), up.into()), lens, [width, height])
    }

    /// A camera with this V.
    pub(crate) fn placed(view_from_world: Mat4, lens: Lens, [width, height]: [usize; 2]) -> Result<Self> {
        if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
            return Err(Error::value(format!("camera: a picture has 1 to {MAX_SIDE} pixels a side, not {width} x {height}")));
        }
        let clip_from_view = lens.clip_from_view(width as f32 / height as f32);
        Ok(Self { view_from_world: tensor(view_from_world)?, clip_from_view: tensor(clip_from_view)?, width, height })
    }

    /// V and P as host matrices.
    pub(crate) fn matrices(&self) -> Result<(Mat4, Mat4)> {
        Ok((matrix(&self.view_from_world)?, matrix(&self.clip_from_view)?))
    }
}

/// The most pixels a side of a picture.
const MAX_SIDE: usize = 16384;

fn tensor(m: Mat4) -> Result<Tensor> {
    Tensor::from_slice(&m.transpose().to_cols_array(), &[4, 4])
}

fn matrix(t: &Tensor) -> Result<Mat4> {
    if t.shape() != [4, 4] {
        return Err(Error::shape(format!("camera: a matrix is 4 x 4, not {:?}", t.shape())));
    }
    let rows = t.to_f64_vec()?;
    Ok(Mat4::from_cols_array(&std::array::from_fn(|i| rows[i] as f32)).transpose())
}
