//! Where a picture is taken from.

use glam::{DMat4, DVec3};
use monotile::{Error, Result};
use monotile_kernels::transform::{DepthRange, formulas};

use crate::pose::affine;

/// A camera: two matrices and a raster.
///
/// Matrices are in f64, by columns: a camera may be far from the origin. Where a picture is to have a gradient by them, they become tensors
/// ([`Camera::to_tensors`]).
#[derive(Debug, Clone, PartialEq)]
pub struct Camera {
    /// V, the inverse of the camera's own transform.
    pub view_from_world: [[f64; 4]; 4],
    /// P; depth 0 at the near plane and w at the far one.
    pub clip_from_view: [[f64; 4]; 4],
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
        match *self {
            Self::Perspective { fovy, near, far } => {
                let depth = if far.is_some() { DepthRange::ZeroOne } else { DepthRange::Infinite };
                let [fovy, near, far] = [fovy, near, far.unwrap_or(f32::INFINITY)].map(f64::from);
                DMat4::from_cols_array_2d(&formulas::perspective([fovy, aspect, near, far], depth)).transpose()
            }
            Self::Orthographic { half_height, near, far } => {
                let [up, near, far] = [half_height, near, far].map(f64::from);
                let right = up * aspect;
                affine(formulas::orthographic([-right, right, -up, up, near, far], DepthRange::ZeroOne))
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
        let clip_from_view = lens.clip_from_view(width as f64 / height as f64).to_cols_array_2d();
        Ok(Self { view_from_world: view_from_world.to_cols_array_2d(), clip_from_view, width, height })
    }

    /// V and P to calculate with.
    pub(crate) fn matrices(&self) -> (DMat4, DMat4) {
        (DMat4::from_cols_array_2d(&self.view_from_world), DMat4::from_cols_array_2d(&self.clip_from_view))
    }
}

/// V of an eye that looks at a target.
pub(crate) fn view(eye: DVec3, target: DVec3, up: DVec3) -> DMat4 {
    affine(formulas::look_along(eye.into(), (eye - target).into(), up.into()).0)
}

/// The most pixels a side of a picture.
const MAX_SIDE: usize = 16384;
