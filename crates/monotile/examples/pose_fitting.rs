//! The pose of a camera from a picture: where did it stand, if known points of the world lie at these pixels?
//!
//! A pose is a step ξ in the tangent space of rigid motions from where the search starts: view_from_world = exp(ξ) · start. Six numbers, none of
//! which is bound to others, as those of a matrix or a quaternion would be. Levenberg-Marquardt minimizes the distances of pixels. The
//! Jacobian at the end tells how far noise of a pixel may have moved the camera.
//!
//! ```text
//! cargo run --release -p monotile --example pose_fitting
//! ```

use std::ops::ControlFlow;

use monotile::linalg::inv;
use monotile::optim::{LevenbergMarquardtOptions, levenberg_marquardt};
use monotile::tape::jacobian_forward;
use monotile::transform::{DepthRange, look_at, perspective, project, rigid_inverse, se3_exp, se3_log, viewport};
use monotile::{DType, Result, Rng, Tensor};

/// The picture's size, and the standard deviation of what is measured in it, in pixels.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const NOISE: f64 = 0.5;

fn row(x: f64, y: f64, z: f64) -> Result<Tensor> {
    Tensor::from_slice(&[x, y, z], &[3])
}

/// Points `(points, 3)` along the edges of a house: its walls, its roof and its door.
fn house() -> Result<Tensor> {
    let mut edges = vec![([0.0, 3.0, -1.5], [0.0, 3.0, 1.5])];
    for x in [-1.0, 1.0] {
        edges.extend([([x, 0.0, -1.5], [x, 0.0, 1.5]), ([x, 2.0, -1.5], [x, 2.0, 1.5])]);
        for z in [-1.5, 1.5] {
            edges.extend([([x, 0.0, z], [x, 2.0, z]), ([x, 2.0, z], [0.0, 3.0, z])]);
        }
    }
    edges.extend([-1.5, 1.5].map(|z| ([-1.0, 0.0, z], [1.0, 0.0, z])));
    edges.extend([-0.3, 0.3].map(|x| ([x, 0.0, 1.5], [x, 1.2, 1.5])));
    let (from, to): (Vec<[f64; 3]>, Vec<[f64; 3]>) = edges.into_iter().unzip();
    let (from, to) = (Tensor::from_rows(&from)?, Tensor::from_rows(&to)?);
    // Eleven points an edge: from + t (to − from).
    from.lerp(&to, Tensor::linspace(0.0, 1.0, 11, DType::F64)?.reshape(&[-1, 1, 1])?)?.reshape(&[-1, 3])
}

/// How far one pose is from another: degrees of rotation, and the distance between the cameras.
fn difference(a: &Tensor, b: &Tensor) -> Result<(f64, f64)> {
    let between = se3_log(&a.matmul(&rigid_inverse(b)?)?)?.to_vec::<f64>()?;
    let length = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    Ok((length(&between[3..]).to_degrees(), length(&between[..3])))
}

/// Pixels as letters on a canvas; a later picture covers an earlier one.
fn draw(pictures: &[(char, &Tensor)]) -> Result<()> {
    const COLUMNS: usize = 64;
    const LINES: usize = 20;
    let mut canvas = [[' '; COLUMNS]; LINES];
    for (letter, pixels) in pictures {
        for p in pixels.to_vec::<f64>()?.chunks_exact(2) {
            let (x, y) = (p[0] / WIDTH * COLUMNS as f64, p[1] / HEIGHT * LINES as f64);
            if (0.0..COLUMNS as f64).contains(&x) && (0.0..LINES as f64).contains(&y) {
                canvas[y as usize][x as usize] = *letter;
            }
        }
    }
    canvas.iter().for_each(|line| println!("{}", line.iter().collect::<String>().trim_end()));
    Ok(())
}

fn main() -> Result<()> {
    let number = Tensor::scalar::<f64>;
    let clip_from_view = perspective(&number(0.8), &number(WIDTH / HEIGHT), &number(0.1), &number(100.0), DepthRange::ZeroOne)?;
    let pixel_from_ndc = viewport(&Tensor::zeros(&[2], DType::F64)?, &Tensor::from_slice(&[WIDTH, HEIGHT], &[2])?)?;
    let points = house()?;
    // Pixels (points, 2) that a camera of this pose sees; depth is not in a picture.
    let seen =
        |view_from_world: &Tensor| project(&clip_from_view.matmul(view_from_world)?, &pixel_from_ndc, &points)?.slice(-1, ..2);

    let truth = look_at(&row(4.0, 2.5, 6.0)?, &row(0.0, 1.3, 0.0)?, &row(0.0, 1.0, 0.0)?)?;
    let noise = Rng::new(0).normal(&[points.dim(0), 2], DType::F64)?.mul(NOISE)?;
    let measured = seen(&truth)?.add(noise)?;
    // What is known beforehand: the camera stands in front of the house.
    let start = look_at(&row(-1.0, 1.0, 9.0)?, &row(0.0, 2.0, 0.0)?, &row(0.0, 1.0, 0.0)?)?;

    let residuals = |x: &[Tensor]| seen(&se3_exp(&x[0])?.matmul(&start)?)?.sub(&measured);
    let still = Tensor::zeros(&[6], DType::F64)?;
    let (degrees, distance) = difference(&start, &truth)?;
    println!(" step   ½ Σ (pixels off)²   (the start is {degrees:.1}° and {distance:.2} away)");
    let found = levenberg_marquardt(residuals, &[still], &LevenbergMarquardtOptions::default(), &mut |step| {
        println!("{:5}   {:17.6}", step.step, step.value);
        ControlFlow::Continue(())
    })?;
    let pose = se3_exp(&found.parameters[0])?.matmul(&start)?;

    println!("\n. where the start would see the house, o where it is seen\n");
    draw(&[('.', &seen(&start)?), ('o', &measured)])?;

    // Noise of variance σ² in pixels moves ξ by a covariance of σ² (JᵀJ)⁻¹: J by a step from the pose that was found.
    let at_pose = |x: &Tensor| seen(&se3_exp(x)?.matmul(&pose)?);
    let j = jacobian_forward(at_pose, &Tensor::zeros([6], DType::F64)?)?.reshape([-1, 6])?;
    let covariance = inv(&j.mt().matmul(&j)?)?.mul(NOISE * NOISE)?;
    let variances = covariance.diagonal(0, 1)?.to_vec::<f64>()?;
    let (expected_angle, expected_distance) =
        (variances[3..].iter().sum::<f64>().sqrt().to_degrees(), variances[..3].iter().sum::<f64>().sqrt());
    let (degrees, distance) = difference(&pose, &truth)?;
    println!("\n                 off by      expected of {NOISE} pixels of noise");
    println!("rotation        {degrees:6.3}°     {expected_angle:6.3}°");
    println!("translation     {distance:6.4}      {expected_distance:6.4}");

    // Σ (pixels off)² / σ² is chi-squared with as many degrees of freedom as there are numbers beyond the six that were fitted.
    let freedom = (measured.len() - 6) as f64;
    let chi_squared = 2.0 * found.value / (NOISE * NOISE);
    println!("χ²              {chi_squared:6.1}      {freedom:6.1} ± {:.1}", (2.0 * freedom).sqrt());
    assert!((chi_squared - freedom).abs() < 3.0 * (2.0 * freedom).sqrt(), "what is left is noise");
    assert!(degrees < 3.0 * expected_angle && distance < 3.0 * expected_distance, "the camera is found");
    Ok(())
}

#[test]
fn runs() {
    main().unwrap();
}
