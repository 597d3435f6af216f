//! What splats are learned from: a capture of a folder, or one that is made of a 3D model.

use std::path::Path;

use monotile::Tensor;
use monotile_radiance::{Capture, CaptureOptions, CapturePicture, CaptureSplit, CaptureView};
use monotile_scene::raster::CpuRenderer;
use monotile_scene::{Background, Camera, Framing, Orbit, Picture, Pose, ReadOptions, Scene, Shot};

use crate::command_error::CommandError;
use crate::report;

/// Views of a model.
const VIEWS: usize = 96;
/// Pixels a side of a view of a model.
const SIDE: usize = 256;
/// Degrees below and above the horizon between which views of a model are, as dense on one side as on another.
const ELEVATIONS: [f64; 2] = [-25.0, 70.0];

/// How a capture of a model is made.
#[derive(Debug, Clone)]
pub struct OrbitCaptureOptions {
    /// How many views, each of eight held out.
    pub views: usize,
    /// Pixels of a view.
    pub size: [usize; 2],
}

impl Default for OrbitCaptureOptions {
    fn default() -> Self {
        Self { views: VIEWS, size: [SIDE; 2] }
    }
}

/// Whether a path is a 3D model by its name.
pub fn is_model(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("glb") || e.eq_ignore_ascii_case("gltf"))
}

/// The capture of a folder or a file; of a 3D model, pictures that are drawn of it.
pub fn open_data(path: &Path, options: &CaptureOptions) -> Result<Capture, CommandError> {
    if !is_model(path) {
        return Ok(Capture::read(path, options)?);
    }
    let (scene, _) = Scene::read(path, &ReadOptions::default())?;
    let side = options.longest_side.unwrap_or(SIDE);
    let capture = capture_scene(&scene, &OrbitCaptureOptions { size: [side; 2], ..OrbitCaptureOptions::default() });
    Ok(capture.map_err(|e| e.with_context(report::path(path)))?)
}

/// A capture of a model: pictures from all around with alpha, in the model's own light, whose cameras are exact.
///
/// Views follow a spiral whose turns are golden angles, so that no two stand above each other.
pub fn capture_scene(scene: &Scene, options: &OrbitCaptureOptions) -> monotile::Result<Capture> {
    let pose = Pose::rest(scene);
    let framing = Framing::new(scene, [pose.clone()])?.over_full_turn();
    let renderer = CpuRenderer::new(scene);
    let [low, high] = ELEVATIONS.map(|degrees| degrees.to_radians().sin());
    let golden = 180.0 * (3.0 - 5.0_f64.sqrt());
    let view = |i: usize| {
        let height = low + (high - low) * (i as f64 + 0.5) / options.views as f64;
        let azimuth = (golden * i as f64).rem_euclid(360.0) as f32;
        let orbit = Orbit { azimuth, elevation: height.asin().to_degrees() as f32, ..Orbit::default() };
        let camera = framing.camera(&orbit, options.size)?;
        let shot = Shot { background: Background::Transparent, ..Shot::new(camera.clone()) };
        let mut view = captured(format!("{i:04}"), &camera, &renderer.draw(&pose, &shot)?)?;
        view.split = if i.is_multiple_of(8) { CaptureSplit::Test } else { CaptureSplit::Train };
        Ok(view)
    };
    let views = (0..options.views).map(view).collect::<monotile::Result<Vec<_>>>()?;
    let mut capture = Capture::from_views(views, None);
    capture.format = "views around a 3D model";
    Ok(capture)
}

/// A picture of a renderer as a view.
fn captured(name: String, camera: &Camera, picture: &Picture) -> monotile::Result<CaptureView> {
    let (width, height) = (picture.width, picture.height);
    let numbers: Vec<f32> = picture.rgba.iter().map(|&byte| f32::from(byte) / 255.0).collect();
    let picture = CapturePicture { rgba: Tensor::from_vec(numbers, &[height, width, 4])?, mask: None };
    let [v, p] = [&camera.view_from_world, &camera.clip_from_view];
    // Matrices of a renderer's camera are columns.
    let view_from_world = [0, 1, 2, 3].map(|row| [0, 1, 2, 3].map(|column: usize| v[column][row]));
    let focal = [0.5 * p[0][0] * width as f64, 0.5 * p[1][1] * height as f64];
    CaptureView::from_picture(name, view_from_world, focal, picture)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a view's camera and the renderer's own put a point must be one pixel, and what is drawn there is seen.
    #[test]
    fn views_of_a_model_have_the_cameras_that_drew_them() {
        let scene = Scene::figure();
        let capture = capture_scene(&scene, &OrbitCaptureOptions { views: 16, size: [48, 32] }).unwrap();
        assert_eq!((capture.views.len(), capture.of(CaptureSplit::Test).count()), (16, 2));
        let framing = Framing::new(&scene, [Pose::rest(&scene)]).unwrap();
        let [least, most] = framing.bounds();
        let center = [0, 1, 2].map(|k| f64::from(least[k] + most[k]) * 0.5);
        for view in &capture.views {
            assert_eq!([view.width, view.height], [48, 32]);
            let v = &view.view_from_world;
            let own = [0, 1, 2].map(|row| (0..3).map(|k| v[row][k] * center[k]).sum::<f64>() + v[row][3]);
            let [fx, fy, cx, cy] = view.intrinsics;
            let pixel = [cx + fx * own[0] / -own[2], cy - fy * own[1] / -own[2]];
            assert!(own[2] < 0.0 && (pixel[0] - 24.0).abs() < 12.0 && (pixel[1] - 16.0).abs() < 8.0, "{pixel:?}");
            let rgba = view.picture().unwrap().rgba.to_f64_vec().unwrap();
            let covered: f64 = rgba.chunks(4).map(|p| p[3]).sum::<f64>() / (48.0 * 32.0);
            assert!(covered > 0.02 && covered < 0.9, "{covered}");
            // What is covered has its middle where the model's is, roughly.
            let mean = |axis: usize| {
                let place = |i: usize| [(i % 48) as f64 + 0.5, (i / 48) as f64 + 0.5][axis];
                rgba.chunks(4).enumerate().map(|(i, p)| p[3] * place(i)).sum::<f64>() / (covered * 48.0 * 32.0)
            };
            assert!((mean(0) - pixel[0]).abs() < 6.0 && (mean(1) - pixel[1]).abs() < 6.0, "{} {} {pixel:?}", mean(0), mean(1));
        }
    }
}
