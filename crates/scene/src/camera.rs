//! Where a picture is taken from. A camera is tensors, so that it can be fitted as well as used.

use glam::{DMat4, DVec3, DVec4};
use monotile::{Error, Result, Tensor};

/// A camera: two matrices and a raster.
///
/// The matrices are tensors (4 x 4, rows, f64 unless they are made otherwise: a camera may be far from the origin), so a differentiable renderer takes them as inputs and a pose is recovered by its gradient.
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
    pub(crate) fn clip_from_view(&self, aspect: f64) -> DMat4 {
        let wide = f64::from;
        match *self {
            Self::Perspective { fovy, near, far } => {
                let (f, near) = (1.0 / (0.5 * wide(fovy)).tan(), wide(near));
                let (a, b) = match far.map(wide) {
                    Some(far) => (far / (near - far), near / (near - far) * far),
                    None => (-1.0, -near),
                };
                let [x, y] = [DVec4::X * f / aspect, DVec4::Y * f];
                DMat4::from_cols(x, y, DVec4::new(0.0, 0.0, a, -1.0), DVec4::Z * b)
            }
            Self::Orthographic { half_height, near, far } => {
                let (h, near, far) = (wide(half_height), wide(near), wide(far));
                let [x, y, z] = [DVec4::X / (h * aspect), DVec4::Y / h, DVec4::Z / (near - far)];
                DMat4::from_cols(x, y, z, DVec4::new(0.0, 0.0, near / (near - far), 1.0))
            }
        }
    }
}

impl Camera {
    /// A camera at `eye` that looks at `target` with `up` upwards.
    ///
    /// # Errors
    /// An empty raster, and a direction that does not exist: eye at the target, up along the line of sight, or a number that is not finite.
    pub fn look_at(eye: [f32; 3], target: [f32; 3], up: [f32; 3], lens: Lens, [width, height]: [usize; 2]) -> Result<Self> {
        let [from, to, upwards] = [eye, target, up].map(|v| DVec3::from(v.map(f64::from)));
        let side = (to - from).cross(upwards);
        if !(side.length_squared() > 0.0 && side.is_finite()) {
            return Err(Error::value(format!("look_at: no direction from {eye:?} to {target:?} with {up:?} upwards")));
        }
        Self::from_view_matrix(view(from, to, upwards), lens, [width, height])
    }

    /// A camera with this V.
    pub(crate) fn from_view_matrix(view_from_world: DMat4, lens: Lens, [width, height]: [usize; 2]) -> Result<Self> {
        if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
            return Err(Error::value(format!("camera: a picture has 1 to {MAX_SIDE} pixels a side, not {width} x {height}")));
        }
        let clip_from_view = lens.clip_from_view(width as f64 / height as f64);
        Ok(Self { view_from_world: tensor(view_from_world)?, clip_from_view: tensor(clip_from_view)?, width, height })
    }

    /// V and P as host matrices.
    pub(crate) fn matrices(&self) -> Result<(DMat4, DMat4)> {
        Ok((matrix(&self.view_from_world)?, matrix(&self.clip_from_view)?))
    }
}

/// V of an eye that looks at a target.
pub(crate) fn view(eye: DVec3, target: DVec3, up: DVec3) -> DMat4 {
    let backward = (eye - target).normalize();
    let right = up.normalize().cross(backward).normalize();
    let up = backward.cross(right);
    let world_from_view = glam::DMat3::from_cols(right, up, backward);
    DMat4::from_mat3(world_from_view.transpose()) * DMat4::from_translation(-eye)
}

/// The most pixels a side of a picture.
const MAX_SIDE: usize = 16384;

fn tensor(m: DMat4) -> Result<Tensor> {
    Tensor::from_slice(&m.transpose().to_cols_array(), &[4, 4])
}

fn matrix(t: &Tensor) -> Result<DMat4> {
    if t.shape() != [4, 4] {
        return Err(Error::shape(format!("camera: a matrix is 4 x 4, not {:?}", t.shape())));
    }
    let rows = t.to_f64_vec()?;
    Ok(DMat4::from_cols_array(&std::array::from_fn(|i| rows[i])).transpose())
}
