//! Transforms beside glam's, on numbers drawn at random: both in f32, to a few of its roundings.

use glam::camera::rh::proj::{directx, opengl};
use glam::camera::rh::view::look_at_mat4;
use glam::{EulerRot, Mat3, Mat4, Quat, Vec3, Vec4, Vec4Swizzles};
use monotile::transform::quaternion::{self, EulerAxis, EulerConvention};
use monotile::transform::{
    DepthRange, ViewVolume, affine_inverse, compose, compose_inverse, decompose, look_at, normal_matrix, orthographic, perspective,
    se3_exp, transform_homogeneous, transform_points, transform_vectors,
};
use monotile::{Rng, Tensor};
use proptest::prelude::*;

/// A few roundings of numbers up to 1.
const TOLERANCE: f32 = 2e-5;

fn row(x: &[f32]) -> Tensor {
    Tensor::from_slice(x, &[x.len()]).unwrap()
}

fn number(x: f32) -> Tensor {
    Tensor::scalar(x)
}

/// Asserts equality relative to the largest number, at least 1.
fn same(ours: monotile::Result<Tensor>, theirs: &[f32]) {
    let ours = ours.unwrap().to_vec::<f32>().unwrap();
    let largest = theirs.iter().fold(1.0_f32, |m, x| m.max(x.abs()));
    assert_eq!(ours.len(), theirs.len());
    assert!(ours.iter().zip(theirs).all(|(x, e)| (x - e).abs() <= TOLERANCE * largest), "{ours:?} and {theirs:?}");
}

fn rows(m: Mat4) -> [f32; 16] {
    m.transpose().to_cols_array()
}

/// Numbers of the standard normal distribution.
fn drawn<const N: usize>(rng: &mut Rng) -> [f32; N] {
    rng.normal(&[N], monotile::DType::F32).unwrap().to_vec::<f32>().unwrap().try_into().unwrap()
}

fn rotation(rng: &mut Rng) -> Quat {
    Quat::from_array(drawn(rng)).normalize()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn quaternions_are_those_of_glam(seed in any::<u64>(), t in 0.0_f32..1.0) {
        let rng = &mut Rng::new(seed);
        let (a, b, p) = (rotation(rng), rotation(rng), Vec3::from_array(drawn(rng)));
        let [x, y] = [a, b].map(|q| row(&q.to_array()));
        same(quaternion::multiply(&x, &y), &(a * b).to_array());
        same(quaternion::inverse(&x), &a.inverse().to_array());
        same(quaternion::rotate(&x, &row(&p.to_array())), &(a * p).to_array());
        same(quaternion::to_matrix(&x), &Mat3::from_quat(a).transpose().to_cols_array());
        same(quaternion::slerp(&x, &y, &number(t)), &a.slerp(b, t).to_array());
        same(quaternion::nlerp(&x, &y, &number(t)), &a.lerp(b, t).to_array());
        same(quaternion::from_rotation_vector(&row(&p.to_array())), &Quat::from_scaled_axis(p).to_array());
        same(quaternion::from_axis_angle(&row(&p.to_array()), &number(t)), &Quat::from_axis_angle(p.normalize(), t).to_array());
        let back = quaternion::from_matrix(&quaternion::to_matrix(&x).unwrap()).unwrap();
        prop_assert!((Quat::from_slice(&back.to_vec::<f32>().unwrap()).dot(a).abs() - 1.0).abs() < TOLERANCE);
    }

    #[test]
    fn euler_angles_are_those_of_glam(seed in any::<u64>()) {
        use EulerAxis::{X, Y, Z};
        let angles: [f32; 3] = drawn(&mut Rng::new(seed));
        let [a, b, c] = angles;
        for (axes, order, extrinsic) in [
            ([X, Y, Z], EulerRot::XYZ, EulerRot::XYZEx),
            ([Y, X, Z], EulerRot::YXZ, EulerRot::YXZEx),
            ([Z, Y, X], EulerRot::ZYX, EulerRot::ZYXEx),
            ([Z, X, Z], EulerRot::ZXZ, EulerRot::ZXZEx),
            ([X, Y, X], EulerRot::XYX, EulerRot::XYXEx),
        ] {
            same(quaternion::from_euler(&row(&angles), &EulerConvention { axes, extrinsic: false }), &Quat::from_euler(order, a, b, c).to_array());
            let theirs = Quat::from_euler(extrinsic, a, b, c).to_array();
            same(quaternion::from_euler(&row(&angles), &EulerConvention { axes, extrinsic: true }), &theirs);
        }
    }

    #[test]
    fn poses_are_those_of_glam(seed in any::<u64>()) {
        let rng = &mut Rng::new(seed);
        let (t, q) = (Vec3::from_array(drawn(rng)), rotation(rng));
        // Scales from 0.3 on of both signs keep inverses within a few roundings.
        let s = Vec3::from_array(drawn(rng).map(|x: f32| x + 0.3 * x.signum()));
        let m = Mat4::from_scale_rotation_translation(s, q, t);
        let [x, y, z] = [row(&t.to_array()), row(&q.to_array()), row(&s.to_array())];
        let ours = compose(&x, &y, &z).unwrap();
        same(Ok(ours.clone()), &rows(m));
        same(compose_inverse(&x, &y, &z), &rows(m.inverse()));
        same(affine_inverse(&ours), &rows(m.inverse()));
        same(normal_matrix(&ours), &Mat3::from_mat4(m).inverse().to_cols_array());
        let (v, p) = (Vec4::from_array(drawn(rng)), Vec3::from_array(drawn(rng)));
        same(transform_homogeneous(&ours, &row(&v.to_array())), &(m * v).to_array());
        same(transform_points(&ours, &row(&p.to_array())), &m.project_point3(p).to_array());
        same(transform_vectors(&ours, &row(&p.to_array())), &(m * p.extend(0.0)).xyz().to_array());
        let (scale, rotation, translation) = m.to_scale_rotation_translation();
        let parts = decompose(&ours).unwrap();
        same(Ok(parts.scale), &scale.to_array());
        same(Ok(parts.translation), &translation.to_array());
        let turned = Quat::from_slice(&parts.rotation.to_vec::<f32>().unwrap());
        prop_assert!((turned.dot(rotation).abs() - 1.0).abs() < TOLERANCE);
        // Without a translation, a step in the tangent space is a rotation.
        same(se3_exp(&row(&[0.0, 0.0, 0.0, p.x, p.y, p.z])), &rows(Mat4::from_quat(Quat::from_scaled_axis(p))));
    }

    #[test]
    fn cameras_are_those_of_glam(seed in any::<u64>(), fovy in 0.3_f32..2.5, aspect in 0.5_f32..2.0, near in 0.1_f32..1.0) {
        let far = near + 20.0;
        let lens = |depth| perspective(&number(fovy), &number(aspect), &number(near), &number(far), depth);
        same(lens(DepthRange::ZeroOne), &rows(directx::perspective(fovy, aspect, near, far)));
        same(lens(DepthRange::MinusOneOne), &rows(opengl::perspective(fovy, aspect, near, far)));
        same(lens(DepthRange::Reversed), &rows(directx::perspective(fovy, aspect, far, near)));
        same(lens(DepthRange::Infinite), &rows(directx::perspective_infinite(fovy, aspect, near)));
        same(lens(DepthRange::InfiniteReversed), &rows(directx::perspective_infinite_reverse(fovy, aspect, near)));
        let [left, bottom] = [-aspect, -fovy];
        let [l, r, b, t, n, f] = &[left, fovy, bottom, aspect, near, far].map(number);
        let bounds = ViewVolume { left: l, right: r, bottom: b, top: t, near: n, far: f };
        same(orthographic(&bounds, DepthRange::ZeroOne), &rows(directx::orthographic(left, fovy, bottom, aspect, near, far)));
        same(orthographic(&bounds, DepthRange::MinusOneOne), &rows(opengl::orthographic(left, fovy, bottom, aspect, near, far)));
        same(orthographic(&bounds, DepthRange::Reversed), &rows(directx::orthographic(left, fovy, bottom, aspect, far, near)));
        let rng = &mut Rng::new(seed);
        // Up is never near the direction of view, which is about −z.
        let (eye, target) = (Vec3::from_array(drawn(rng)), Vec3::from_array(drawn(rng)) - Vec3::Z * 9.0);
        let view = look_at(&row(&eye.to_array()), &row(&target.to_array()), &row(&[0.0, 1.0, 0.0]));
        same(view, &rows(look_at_mat4(eye, target, Vec3::Y)));
    }
}
