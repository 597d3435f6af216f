//! Rotations, poses and cameras, against SciPy, GLM and PyTorch's exponential of matrices.

use monotile::transform::quaternion::{self, EulerAxis, EulerConvention};
use monotile::transform::{
    DepthRange, ViewVolume, affine_inverse, compose, compose_inverse, decompose, dual_quaternion, look_at, normal_matrix,
    orthographic, perspective, project, rigid_inverse, se3_exp, viewport,
};
use monotile::{Result, Tensor};
use serde_json::Value;

use crate::cases::{Tolerance, check};

/// Products of a few matrices, and inverses of scales from 1/2 to 2.
const ROUNDING: Tolerance = Tolerance { f64: 1e-14, f32: 5e-6 };

/// A quaternion and its negative are one rotation, so that matrices are compared.
fn matrix(q: Result<Tensor>) -> Result<Vec<Tensor>> {
    Ok(vec![quaternion::to_matrix(&q?)?])
}

fn depth(options: &Value) -> DepthRange {
    match options["depth"].as_str().unwrap() {
        "zero_one" => DepthRange::ZeroOne,
        "minus_one_one" => DepthRange::MinusOneOne,
        other => panic!("a depth that no case should have: {other}"),
    }
}

#[test]
fn transforms_are_those_of_other_packages() {
    check(
        "transforms.safetensors",
        ROUNDING,
        &[
            ("quaternion_to_matrix", |x, _| matrix(Ok(x[0].clone()))),
            ("quaternion_from_matrix", |x, _| matrix(quaternion::from_matrix(&x[0]))),
            ("multiply", |x, _| matrix(quaternion::multiply(&x[0], &x[1]))),
            ("inverse", |x, _| matrix(quaternion::inverse(&x[0]))),
            ("rotate", |x, _| Ok(vec![quaternion::rotate(&x[0], &x[1])?])),
            ("from_axis_angle", |x, _| matrix(quaternion::from_axis_angle(&x[0], &x[1]))),
            ("from_rotation_vector", |x, _| matrix(quaternion::from_rotation_vector(&x[0]))),
            ("to_rotation_vector", |x, _| Ok(vec![quaternion::to_rotation_vector(&x[0])?])),
            ("from_euler", |x, options| {
                let axis = |name: char| match name {
                    'x' => EulerAxis::X,
                    'y' => EulerAxis::Y,
                    _ => EulerAxis::Z,
                };
                let axes: Vec<EulerAxis> = options["axes"].as_str().unwrap().chars().map(axis).collect();
                let euler =
                    EulerConvention { axes: [axes[0], axes[1], axes[2]], extrinsic: options["extrinsic"].as_bool().unwrap() };
                matrix(quaternion::from_euler(&x[0], &euler))
            }),
            ("slerp", |x, _| matrix(quaternion::slerp(&x[0], &x[1], &x[2]))),
            ("compose", |x, _| Ok(vec![compose(&x[0], &x[1], &x[2])?])),
            ("compose_inverse", |x, _| Ok(vec![compose_inverse(&x[0], &x[1], &x[2])?])),
            ("decompose", |x, _| {
                let parts = decompose(&x[0])?;
                Ok(vec![parts.translation, quaternion::to_matrix(&parts.rotation)?, parts.scale])
            }),
            ("affine_inverse", |x, _| Ok(vec![affine_inverse(&x[0])?])),
            ("normal_matrix", |x, _| Ok(vec![normal_matrix(&x[0])?])),
            ("rigid_inverse", |x, _| Ok(vec![rigid_inverse(&x[0])?])),
            ("dual_quaternion", |x, _| Ok(vec![dual_quaternion::from_rigid(&x[0], &x[1])?])),
            ("from_dual_quaternion", |x, _| {
                let motion = dual_quaternion::to_rigid(&x[0])?;
                Ok(vec![compose(&motion.translation, &motion.rotation, &Tensor::ones(&[3], x[0].dtype())?)?])
            }),
            ("se3_exp", |x, _| Ok(vec![se3_exp(&x[0])?])),
            ("rotated", |x, _| Ok(vec![quaternion::rotate(&quaternion::from_rotation_vector(&x[0])?, &x[1])?])),
            ("look_at", |x, _| Ok(vec![look_at(&x[0], &x[1], &x[2])?])),
            ("perspective", |x, options| Ok(vec![perspective(&x[0], &x[1], &x[2], &x[3], depth(options))?])),
            ("orthographic", |x, options| {
                let [left, right, bottom, top, near, far] = [0, 1, 2, 3, 4, 5].map(|i| &x[i]);
                Ok(vec![orthographic(&ViewVolume { left, right, bottom, top, near, far }, depth(options))?])
            }),
            ("project", |x, _| {
                let pixel_from_ndc = viewport(&Tensor::zeros(&[2], x[1].dtype())?, &x[1])?;
                Ok(vec![project(&x[0], &pixel_from_ndc, &x[2])?])
            }),
        ],
    );
}
