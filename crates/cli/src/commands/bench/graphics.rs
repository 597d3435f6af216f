//! What moves points: matrices, poses and rotations between two, beside the speed of memory.

use std::hint::black_box;

use monotile::transform::{compose, compose_inverse, quaternion, transform_homogeneous, transform_points};
use monotile::{DType, Tensor};

use super::{Case, Cases};
use crate::command_error::CommandError;

const POINTS: [usize; 2] = [1_000_000, 10_000_000];
const SLERPS: usize = 1_000_000;
const POSES: usize = 100_000;

/// Times the group.
pub fn run(cases: &mut Cases) -> Result<(), CommandError> {
    let row = |x: &[f32]| Tensor::from_slice(x, &[x.len()]);
    let (ones, scale) = (row(&[1.0; 3])?, row(&[1.5; 3])?);
    let world_from_object = compose(&ones, &about([1.0, 0.0, 0.0], 0.3, 2)?.select(0, 1)?, &scale)?;
    for n in POINTS {
        let numbers = (0..n).flat_map(|i| [i as f32, 1.0, 2.0, 1.0]).collect();
        let v = Tensor::from_vec::<f32>(numbers, &[n, 4])?;
        value(cases, Case::new(format!("transform {n} vec4")).flop(32.0 * n as f64).bytes(32.0 * n as f64), || {
            transform_homogeneous(&world_from_object, &v)
        })?;
        let p = v.slice(1, ..3)?.contiguous()?;
        value(cases, Case::new(format!("transform {n} points")).bytes(24.0 * n as f64), || {
            transform_points(&world_from_object, &p)
        })?;
    }
    let (a, b) = (about([1.0, 0.0, 0.0], 1e-3, SLERPS)?, about([0.0, 1.0, 0.0], 2e-3, SLERPS)?);
    let t = Tensor::scalar(0.3_f32);
    value(cases, Case::new(format!("slerp {SLERPS}")).bytes(48.0 * SLERPS as f64), || quaternion::slerp(&a, &b, &t))?;
    let q = a.slice(0, ..POSES)?;
    let bytes = 80.0 * POSES as f64;
    value(cases, Case::new(format!("pose {POSES}")).bytes(bytes), || compose(&ones, &q, &scale))?;
    value(cases, Case::new(format!("pose and inverse {POSES}")).bytes(bytes), || compose_inverse(&ones, &q, &scale))?;
    value(cases, Case::new(format!("both pose and inverse {POSES}")).bytes(2.0 * bytes), || {
        black_box(compose(&ones, &q, &scale)?);
        compose_inverse(&ones, &q, &scale)
    })
}

/// Rotations about an axis by 0, 1, 2, … steps.
fn about(axis: [f32; 3], step: f32, n: usize) -> monotile::Result<Tensor> {
    let angles = Tensor::arange(n)?.to_dtype(DType::F32)?.mul_scalar(step.into())?;
    quaternion::from_axis_angle(&Tensor::from_slice(&axis, &[3])?, &angles)
}

fn value(cases: &mut Cases, case: Case, call: impl Fn() -> monotile::Result<Tensor>) -> Result<(), CommandError> {
    cases.time(case, || {
        black_box(call()?);
        Ok(())
    })
}
