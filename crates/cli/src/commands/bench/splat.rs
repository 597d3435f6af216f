//! Gaussian splats: a picture, and its gradient by splats and colours.

use std::hint::black_box;

use monotile::tape::grad;
use monotile::{DType, Rng, Tensor};
use monotile_radiance::{MatrixCamera, SplatOptions, Splats, blend, project};

use super::{Case, Cases};
use crate::command_error::CommandError;

const SPLATS: [usize; 2] = [20_000, 50_000];
const SIDE: usize = 200;

/// Times the group.
pub fn run(cases: &mut Cases) -> Result<(), CommandError> {
    let options = SplatOptions::default();
    for n in SPLATS {
        let (splats, camera) = (shell(n)?, camera()?);
        let about = format!("{n} splats, {SIDE} x {SIDE}");
        let seen = project(&splats, &camera, &options.project)?;
        cases.time(Case::new(format!("project {about}")), || {
            project(&splats, &camera, &options.project).map(|x| drop(black_box(x)))
        })?;
        cases.time(Case::new(format!("blend {about}")), || blend(&seen, [SIDE; 2], &options.blend).map(|x| drop(black_box(x))))?;
        cases.time(Case::new(format!("forward {about}")), || splats.render(&camera, &options).map(|x| drop(black_box(x))))?;
        let leaves =
            [&splats.means, &splats.rotations, &splats.log_scales, &splats.logits, &splats.harmonics].map(Tensor::requires_grad);
        let [means, rotations, log_scales, logits, harmonics] = leaves.clone();
        let recorded = Splats { means, rotations, log_scales, logits, harmonics };
        cases.time(Case::new(format!("forward and backward {about}")), || {
            let seen = project(&recorded, &camera, &options.project)?;
            // The sum of all numbers: its cotangent costs next to nothing.
            let loss = blend(&seen, [SIDE; 2], &options.blend)?.sum(&[], false)?;
            grad(&loss, &leaves).map(|x| drop(black_box(x)))
        })?;
    }
    Ok(())
}

/// A shell of radius 1 of small splats, most of them about a pixel wide, as those of a trained object are.
fn shell(n: usize) -> monotile::Result<Splats> {
    let mut rng = Rng::new(1);
    let mut normal = |shape: &[usize], mean: f64, deviation: f64| rng.normal(shape, DType::F32)?.mul(deviation)?.add(mean);
    let directions = normal(&[n, 3], 0.0, 1.0)?;
    let lengths = directions.square()?.sum(&[1], true)?.sqrt()?;
    Ok(Splats {
        means: directions.div(&lengths)?.mul(normal(&[n, 1], 1.0, 0.03)?)?,
        rotations: normal(&[n, 4], 0.0, 1.0)?,
        log_scales: normal(&[n, 3], 0.012_f64.ln(), 0.5)?,
        logits: normal(&[n], 0.0, 2.5)?,
        harmonics: normal(&[n, 16, 3], 0.0, 0.15)?,
    })
}

/// 4 in front of it, with the field of view of NeRF's synthetic scenes: 0.691 radians.
fn camera() -> monotile::Result<MatrixCamera> {
    let f = 1.0 / 0.345_5_f64.tan();
    let view_from_world = Tensor::from([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -4.0], [0.0, 0.0, 0.0, 1.0]]);
    let clip_from_view = Tensor::from([[f, 0.0, 0.0, 0.0], [0.0, f, 0.0, 0.0], [0.0, 0.0, -1.0, -0.1], [0.0, 0.0, -1.0, 0.0]]);
    Ok(MatrixCamera { view_from_world, clip_from_view, width: SIDE, height: SIDE })
}
