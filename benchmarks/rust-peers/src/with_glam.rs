//! glam, on one thread and shared out by rayon, each value written where it belongs.

use std::hint::black_box;

use glam::{Mat4, Quat, Vec3, Vec4};
use rayon::prelude::*;

use crate::measure::time;

const POINTS: [usize; 2] = [1_000_000, 10_000_000];
const SLERPS: usize = 1_000_000;
const POSES: usize = 100_000;
/// Values that a task of rayon takes at least.
const GRAIN: usize = 1 << 12;

pub fn graphics() {
    let m = Mat4::from_scale_rotation_translation(Vec3::splat(1.5), Quat::from_rotation_x(0.3), Vec3::ONE);
    for n in POINTS {
        let v: Vec<Vec4> = (0..n).map(|i| Vec4::new(i as f32, 1.0, 2.0, 1.0)).collect();
        map(format!("transform {n} vec4"), &v, |v| m * *v);
        let p: Vec<Vec3> = v.iter().map(|v| v.truncate()).collect();
        map(format!("transform {n} points"), &p, |p| m.project_point3(*p));
    }
    let turn = |axis: Vec3, step: f32| (0..SLERPS).map(|i| Quat::from_axis_angle(axis, i as f32 * step)).collect::<Vec<_>>();
    let pairs: Vec<Quat> = turn(Vec3::X, 1e-3);
    let to = turn(Vec3::Y, 2e-3);
    let mut out = vec![Quat::IDENTITY; SLERPS];
    let case = format!("slerp {SLERPS}");
    time("glam one thread", &case, || {
        out.iter_mut().zip(&pairs).zip(&to).for_each(|((out, a), b)| *out = a.slerp(*b, 0.3));
    });
    time("glam + rayon", &case, || {
        out.par_iter_mut().zip(&pairs).zip(&to).with_min_len(GRAIN).for_each(|((out, a), b)| *out = a.slerp(*b, 0.3));
    });
    black_box(&out);
    let pose = |q: &Quat| Mat4::from_scale_rotation_translation(Vec3::splat(1.5), *q, Vec3::ONE);
    map(format!("pose {POSES}"), &pairs[..POSES], pose);
    map(format!("pose and inverse {POSES}"), &pairs[..POSES], |q| pose(q).inverse());
}

/// Times a function of each value, on one thread and on all.
fn map<A: Sync, B: Send + Sync + Copy>(case: String, from: &[A], f: impl Fn(&A) -> B + Sync) {
    let mut to: Vec<B> = from.iter().map(&f).collect();
    time("glam one thread", &case, || to.iter_mut().zip(from).for_each(|(to, from)| *to = f(from)));
    time("glam + rayon", &case, || to.par_iter_mut().zip(from).with_min_len(GRAIN).for_each(|(to, from)| *to = f(from)));
    black_box(&to);
}
