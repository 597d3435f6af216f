//! Pictures of a field beside those that cameras took.

use std::path::Path;

use monotile::Tensor;
use monotile_radiance::{FieldScene, FieldView};
use monotile_scene::Picture;

use crate::command_error::CommandError;

/// Bytes of numbers from 0 to 1.
pub(super) fn byte(x: f32) -> u8 {
    (255.0 * x).round().clamp(0.0, 255.0) as u8
}

/// Opaque pictures `(height, width, 3)` beside each other.
pub(super) fn beside(pictures: &[&Tensor]) -> Result<Picture, CommandError> {
    let [height, width] = [pictures[0].dim(0), pictures[0].dim(1)];
    let numbers = pictures.iter().map(|picture| picture.to_vec::<f32>()).collect::<monotile::Result<Vec<_>>>()?;
    let mut rgba = Vec::with_capacity(4 * pictures.len() * width * height);
    for row in 0..height {
        for picture in &numbers {
            let pixels = picture[3 * row * width..3 * (row + 1) * width].chunks_exact(3);
            rgba.extend(pixels.flat_map(|p| [byte(p[0]), byte(p[1]), byte(p[2]), 255]));
        }
    }
    Ok(Picture { width: pictures.len() * width, height, rgba })
}

/// The mean of the views' ratios; the first few are drawn to files of a folder, each beside what its camera took.
pub(super) fn judge(
    scene: &FieldScene,
    views: &[FieldView],
    background: [f64; 3],
    drawn: Option<(&Path, usize)>,
) -> Result<f64, CommandError> {
    let mut sum = 0.0;
    for (number, view) in views.iter().enumerate() {
        let judged = scene.judge(view, background)?;
        sum += judged.psnr;
        if let Some((folder, most)) = drawn
            && number < most
        {
            let picture = beside(&[&judged.picture, &judged.truth])?;
            picture.save_png(&folder.join(format!("{number:03}.png")), None)?;
        }
    }
    Ok(sum / views.len() as f64)
}
