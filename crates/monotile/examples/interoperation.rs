//! Beside other crates: data from ndarray, a picture of image, a rotation of nalgebra, and back.
//!
//! `Tensor::try_from` takes a reference to what the other crate holds, in any layout; `T::try_from(&tensor)` makes its type again. Both copy,
//! and both refuse what does not fit.
//!
//! ```text
//! cargo run --release -p monotile --example interoperation --features image,nalgebra,ndarray
//! ```

use image::{Rgb, RgbImage};
use monotile::linalg::{Truncation, truncated};
use monotile::stats::{LeastSquaresOptions, least_squares};
use monotile::tape::grad;
use monotile::transform::{so3_log, transform_vectors};
use monotile::{Result, Tensor};
use nalgebra::{DMatrix, Rotation3, SymmetricEigen, Vector3};
use ndarray::{Array1, Array2, ArrayD, Ix1, s};

/// ndarray: a table of measurements as it lies, columns of it as views, and residuals as an array again.
fn regression() -> Result<()> {
    // Time, temperature, and what they are to explain: 2 + 0.5 time − 3 temperature, and a disturbance.
    let table = Array2::from_shape_fn((24, 3), |(i, j)| {
        let (time, temperature) = (i as f64, (i as f64 * 0.7).sin());
        [time, temperature, 2.0 + 0.5 * time - 3.0 * temperature + 0.2 * (i as f64 * i as f64).sin()][j]
    });
    // A view of two columns is no block of memory; it need not be copied first.
    let x = Tensor::try_from(&table.slice(s![.., ..2]))?;
    let y = Tensor::try_from(&table.column(2))?;
    let fit = least_squares(&x, &y, &LeastSquaresOptions::default())?;
    println!("ndarray: {} rows\n{fit}\n", table.nrows());
    let residuals: ArrayD<f64> = ArrayD::try_from(&fit.residuals)?;
    let residuals: Array1<f64> = residuals.into_dimensionality::<Ix1>().expect("a residual a row");
    // What is left has nothing in common with the columns that explain.
    let common = table.slice(s![.., ..2]).t().dot(&residuals).mapv(f64::abs).sum();
    assert!(common < 1e-10, "residuals are orthogonal to the columns");
    Ok(())
}

/// image: a picture becomes `(height, width, 3)` of numbers in 0 … 1; each channel is kept by a few of its ranks.
fn picture() -> Result<()> {
    let scene = RgbImage::from_fn(64, 40, |x, y| {
        let (x, y) = (f64::from(x) / 64.0, f64::from(y) / 40.0);
        let sun = (-((x - 0.7).powi(2) + (y - 0.3).powi(2)) * 40.0).exp();
        let hill = if y > 0.75 - 0.2 * (x * 4.0).sin() { 0.6 } else { 0.0 };
        Rgb([sun.max(hill * 0.4), (0.8 * sun).max(hill), 0.8 - 0.6 * y - 0.6 * hill].map(|v| (255.0 * v.clamp(0.0, 1.0)) as u8))
    });
    let pixels = Tensor::try_from(&scene)?;
    println!("image: {:?}\nranks   numbers   error (dB below white)   as it is seen", pixels.shape());
    for rank in [1, 4, 12] {
        // Channels become a batch of matrices (3, height, width).
        let kept = truncated(&pixels.permute(&[2, 0, 1])?, Truncation::Rank(rank))?.approximation.permute(&[1, 2, 0])?;
        let error = kept.sub(&pixels)?.square()?.mean(&[], false)?.item::<f32>()?;
        let seen = RgbImage::try_from(&kept)?;
        let row: String = (0..64).step_by(2).map(|x| letter(seen.get_pixel(x, 14))).collect();
        println!("{rank:5}   {:7}   {:22.1}   {row}", 3 * rank * (64 + 40), -10.0 * error.log10());
        if rank == 12 {
            assert!(error < 1e-3, "a dozen ranks keep the picture");
        }
    }
    assert_eq!(RgbImage::try_from(&pixels)?, scene, "every byte comes back");
    println!();
    Ok(())
}

/// A pixel as a letter, by its light.
fn letter(pixel: &Rgb<u8>) -> char {
    let light = pixel.0.iter().map(|&v| usize::from(v)).sum::<usize>();
    char::from(b" .:-=+*#%@"[(light * 10 / 766).min(9)])
}

/// nalgebra: its rotations act on points here, and what is found here is checked by its own factorization.
fn rotation() -> Result<()> {
    let turn = Rotation3::from_axis_angle(&Vector3::z_axis(), std::f64::consts::FRAC_PI_3);
    let matrix = Tensor::try_from(turn.matrix())?;
    let vector: Vector3<f64> = Vector3::try_from(&so3_log(&matrix)?)?;
    println!(
        "nalgebra: a rotation by {:.1}° is the vector ({:.4}, {:.4}, {:.4})",
        turn.angle().to_degrees(),
        vector.x,
        vector.y,
        vector.z
    );
    assert!((vector - Vector3::z() * std::f64::consts::FRAC_PI_3).norm() < 1e-14);

    let pose = Tensor::try_from(&turn.to_homogeneous())?;
    let moved = Vector3::try_from(&transform_vectors(&pose, &Tensor::try_from(&Vector3::new(1.0, 2.0, 3.0))?)?)?;
    assert!((moved - turn * Vector3::new(1.0, 2.0, 3.0)).norm() < 1e-14);

    // What nalgebra has no gradient of: how the sum of squares of eigenvalues, Σ λ² = ‖A‖², changes with the matrix: 2 A.
    let a = DMatrix::from_fn(4, 4, |i, j| 1.0 / (i + j + 1) as f64);
    let leaf = Tensor::try_from(&a)?.requires_grad();
    let values = monotile::linalg::eigvalsh(&leaf)?;
    let slope: DMatrix<f64> = DMatrix::try_from(&grad(&values.square()?.sum(&[], false)?, &[&leaf])?.remove(0))?;
    let mut own: Vec<f64> = SymmetricEigen::new(a.clone()).eigenvalues.iter().copied().collect();
    own.sort_by(f64::total_cmp);
    let values = values.to_vec::<f64>()?;
    println!("eigenvalues here        {values:.6?}\neigenvalues of nalgebra {own:.6?}");
    println!("the gradient of Σ λ² is off 2 A by {:.0e}", (&slope - &a * 2.0).amax());
    assert!(values.iter().zip(&own).all(|(a, b)| (a - b).abs() < 1e-14) && (slope - a * 2.0).amax() < 1e-14);
    Ok(())
}

fn main() -> Result<()> {
    regression()?;
    picture()?;
    rotation()
}

#[test]
fn runs() {
    main().unwrap();
}
