//! What a picture of splats takes, and its gradient: `cargo run --release -p monotile-radiance --example splat_times -- [SPLATS] [SIDE]`.
//!
//! The scene is a shell of small splats, most of them about a pixel wide, as those of a trained object are. Times are the least of many: what a
//! quiet machine takes.

use std::time::Instant;

use monotile::tape::grad;
use monotile::{DType, Result, Rng, Tensor};
use monotile_radiance::{MatrixCamera, SplatOptions, Splats, blend, project};

/// A shell of radius 1, a tenth thick.
fn shell(n: usize) -> Result<Splats> {
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

/// 4 in front of it, with the field of view of NeRF's synthetic scenes.
fn camera(side: usize) -> Result<MatrixCamera> {
    let f = 1.0 / 0.345_503_f64.tan();
    let view = Tensor::from_rows(&[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -4.0], [0.0, 0.0, 0.0, 1.0]])?;
    let lens = Tensor::from_rows(&[[f, 0.0, 0.0, 0.0], [0.0, f, 0.0, 0.0], [0.0, 0.0, -1.0, -0.1], [0.0, 0.0, -1.0, 0.0]])?;
    Ok(MatrixCamera { view_from_world: view, clip_from_view: lens, width: side, height: side })
}

fn least(rounds: usize, mut call: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..rounds {
        let start = Instant::now();
        call()?;
        least = least.min(start.elapsed().as_secs_f64());
    }
    Ok(1e3 * least)
}

fn main() -> Result<()> {
    let mut numbers = std::env::args().skip(1).map(|x| x.parse::<usize>().unwrap_or(0));
    let (n, side) = (numbers.next().unwrap_or(50_000), numbers.next().unwrap_or(200));
    let (splats, camera, options) = (shell(n)?, camera(side)?, SplatOptions::default());
    let seen = project(&splats, &camera, &options.project)?;
    println!("{n} splats of degree 3, {side} x {side}, {} threads", monotile::threads());
    println!("  project            {:>8.2} ms", least(60, || project(&splats, &camera, &options.project).map(drop))?);
    println!("  blend              {:>8.2} ms", least(60, || blend(&seen, [side, side], &options.blend).map(drop))?);
    println!("  forward            {:>8.2} ms", least(60, || splats.render(&camera, &options).map(drop))?);
    let leaves =
        [&splats.means, &splats.rotations, &splats.log_scales, &splats.logits, &splats.harmonics].map(Tensor::requires_grad);
    let [means, rotations, log_scales, logits, harmonics] = leaves.clone();
    let recorded = Splats { means, rotations, log_scales, logits, harmonics };
    let both = least(40, || {
        let seen = project(&recorded, &camera, &options.project)?;
        let picture = blend(&seen, [side, side], &options.blend)?;
        // Σ of all numbers: its cotangent costs next to nothing.
        grad(&picture.sum(&[], false)?, &leaves).map(drop)
    })?;
    println!("  forward, backward  {both:>8.2} ms");
    Ok(())
}
