//! Rotations as quaternions: rows x, y, z, w of length 1, `(…, 4)`, over any leading dimensions.
//!
//! | what | where |
//! | --- | --- |
//! | products, inverses, rotated points | [`multiply`], [`conjugate`], [`inverse`], [`normalize`], [`rotate`] |
//! | rotation matrices | [`to_matrix`], [`from_matrix`] |
//! | axis and angle | [`from_axis_angle`], [`from_rotation_vector`], [`to_rotation_vector`] |
//! | Euler angles | [`from_euler`], [`to_euler`], [`EulerConvention`] |
//! | between rotations | [`slerp`], [`nlerp`], [`squad`], [`squad_control`] |
//!
//! q and −q are the same rotation. Except where a page says otherwise, operations take quaternions to have length 1, and do not check
//! it: [`normalize`] makes them so, and what is composed of such keeps it but for rounding.

mod algebra;
mod axis_angle;
mod euler;
mod matrix;
mod slerp;
mod squad;

pub(super) use algebra::product;
pub use algebra::{conjugate, inverse, multiply, normalize, rotate};
pub use axis_angle::{from_axis_angle, from_rotation_vector, to_rotation_vector};
pub use euler::{EulerAxis, EulerConvention, from_euler, to_euler};
pub use matrix::{from_matrix, to_matrix};
pub use slerp::{nlerp, slerp};
pub use squad::{squad, squad_control};

#[cfg(test)]
pub(crate) fn specs() -> Vec<crate::testing::Spec> {
    let all = [algebra::specs(), axis_angle::specs(), euler::specs(), matrix::specs(), slerp::specs(), squad::specs()];
    all.into_iter().flatten().collect()
}
