//! The mathematics of 3D on tensors: cameras, poses and rotations, over any leading dimensions, with gradients.
//!
//! A vertex goes through five spaces, and each matrix between two of them says both in its name:
//!
//! | from | to | matrix | by letter | made by |
//! | --- | --- | --- | --- | --- |
//! | object | world | `world_from_object` | M | [`compose`] of a translation, a rotation and a scale |
//! | world | view | `view_from_world` | V | [`look_at`], or [`compose_inverse`] of the camera's own pose |
//! | view | clip | `clip_from_view` | P | [`perspective`], [`orthographic`] |
//! | clip | normalized device coordinates | division by w | | [`transform_points`] |
//! | these | pixels | `pixel_from_ndc` | | [`viewport`] |
//!
//! So `clip_from_world` is `clip_from_view.matmul(&view_from_world)?`: names meet where matrices are multiplied.
//!
//! # Conventions
//! Space is right-handed with y up, the camera looks along −z. Vectors are columns, and matrices multiply them from the left; points
//! are rows of a tensor all the same, `(…, 3)`. Depth is 0 at near and 1 at far unless [`DepthRange`] says otherwise. Quaternions are rows x, y, z, w of
//! length 1. Angles are radians, counterclockwise seen from the tip of the axis.
//!
//! Leading dimensions broadcast: one matrix takes all points, or each its own. f32 and f64 (bf16 and f16 count as f32).
//!
//! What makes matrices and rotations looks for numbers that have no result, such as a scale of 0, and so reads values back to the host; what
//! moves points does not. On a GPU nothing is looked at: what has no result is NaN or infinite there.
//!
//! # Reading
//! First how a vertex reaches its pixel: [`compose`], [`look_at`], [`perspective`], [`transform_points`], [`viewport`], [`project`]. Then rotations:
//! [`quaternion`], whose [`slerp`](quaternion::slerp) moves between two; [`decompose`] takes a pose apart, and [`dual_quaternion`] averages several. Last
//! what optimization of poses needs: [`se3_exp`] steps from a pose in its tangent space, and [`se3_log`] tells the step between two.
//!
//! Everything is composed of differentiable operations, or has their gradients where one kernel does it all; no formula divides by an
//! angle, so that none has a gap at 0.
//!
//! The feature `glam` adds conversions: `From` glam's `Mat4`, `Quat`, `Vec3` and `Vec4`, or slices of them, and `TryFrom` a tensor back.
//!
//! # Example
//! ```
//! use monotile::{Tensor, transform::{DepthRange, compose, look_at, perspective, project, quaternion, viewport}};
//! let row = |x: &[f64]| Tensor::from_slice(x, &[x.len()]);
//! let number = |x: f64| Tensor::scalar(x);
//! let turn = quaternion::from_axis_angle(&row(&[0.0, 1.0, 0.0])?, &number(std::f64::consts::FRAC_PI_2))?;
//! let world_from_object = compose(&row(&[0.0, 0.0, -1.0])?, &turn, &row(&[1.0, 1.0, 1.0])?)?;
//! let view_from_world = look_at(&row(&[0.0, 0.0, 3.0])?, &row(&[0.0, 0.0, 0.0])?, &row(&[0.0, 1.0, 0.0])?)?;
//! let clip_from_view = perspective(&number(1.0), &number(1.6), &number(0.1), &number(100.0), DepthRange::ZeroOne)?;
//! let clip_from_object = clip_from_view.matmul(&view_from_world)?.matmul(&world_from_object)?;
//! let pixel_from_ndc = viewport(&row(&[0.0, 0.0])?, &row(&[640.0, 400.0])?)?;
//! // A quarter turn about y takes z to x, which is to the right.
//! let pixel = project(&clip_from_object, &pixel_from_ndc, &row(&[0.0, 0.0, 1.0])?)?.to_vec::<f64>()?;
//! assert!((pixel[0] - (320.0 + 50.0 / 0.5_f64.tan())).abs() < 1e-10 && (pixel[1] - 200.0).abs() < 1e-10);
//! # Ok::<(), monotile::Error>(())
//! ```

mod affine;
pub(crate) mod arc;
pub mod dual_quaternion;
mod fused;
#[cfg(any(test, feature = "glam"))]
mod glam;
mod inverse;
mod look_at;
mod parts;
mod points;
mod projection;
pub mod quaternion;
mod screen;
mod se3;
mod so3;
mod trs;

pub use affine::{rotation, scaling, translation};
pub use inverse::{affine_inverse, normal_matrix, rigid_inverse};
pub use look_at::look_at;
pub use points::{transform_homogeneous, transform_points, transform_vectors};
pub use projection::{DepthRange, ViewVolume, orthographic, perspective};
pub use screen::{frustum_planes, project, unproject, viewport};
pub use se3::{se3_exp, se3_log};
pub use so3::{so3_exp, so3_log};
pub use trs::{Trs, compose, compose_inverse, decompose};

#[cfg(test)]
pub(crate) fn specs() -> Vec<crate::testing::Spec> {
    let all = [
        affine::specs(),
        arc::specs(),
        dual_quaternion::specs(),
        inverse::specs(),
        look_at::specs(),
        points::specs(),
        projection::specs(),
        quaternion::specs(),
        screen::specs(),
        se3::specs(),
        so3::specs(),
        trs::specs(),
    ];
    all.into_iter().flatten().collect()
}
