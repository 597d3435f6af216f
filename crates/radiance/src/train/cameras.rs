//! The cameras of a run, as a file that is read as a capture again.

use std::io::Write;
use std::path::Path;

use monotile::Result;
use monotile::io::write_atomic;
use serde_json::{Value, json};

use super::{PoseTraining, SplatTrainer};
use crate::camera::MatrixCamera;

impl SplatTrainer {
    /// The cameras of the training views as they are learned, then those that are held out, each with its name.
    #[track_caller]
    pub fn cameras(&self) -> Result<Vec<(&str, MatrixCamera)>> {
        let mut all = Vec::new();
        for (number, view) in self.views.iter().enumerate() {
            let camera = match self.options.poses {
                PoseTraining::Fixed => view.camera.clone(),
                PoseTraining::Refine => view.moved(&self.twists.row(number), self.region.center)?,
            };
            all.push((view.name.as_str(), camera));
        }
        all.extend(self.held_out.iter().map(|view| (view.name.as_str(), view.camera.clone())));
        Ok(all)
    }

    /// Writes the cameras as nerfstudio's `transforms.json`, with focal lengths and sizes of each frame.
    ///
    /// # Errors
    /// What the system says.
    #[track_caller]
    pub fn write_cameras(&self, path: &Path) -> Result<()> {
        let mut frames = Vec::new();
        let mut names = [Vec::new(), Vec::new()];
        for (number, (name, camera)) in self.cameras()?.into_iter().enumerate() {
            frames.push(frame(name, &camera)?);
            names[usize::from(number >= self.views.len())].push(name);
        }
        let [train, test] = names;
        let text = json!({ "camera_model": "PINHOLE", "frames": frames, "train_filenames": train, "test_filenames": test });
        write_atomic(path, |file| writeln!(file, "{text:#}"))
    }
}

fn frame(name: &str, camera: &MatrixCamera) -> Result<Value> {
    let (v, p) = (camera.view_from_world.to_f64_vec()?, camera.clip_from_view.to_f64_vec()?);
    let (width, height) = (camera.width as f64, camera.height as f64);
    let place = |k: usize| -(0..3).map(|i| v[4 * i + k] * v[4 * i + 3]).sum::<f64>();
    let row = |k: usize| json!([v[k], v[4 + k], v[8 + k], place(k)]);
    Ok(json!({
        "file_path": name,
        "w": camera.width,
        "h": camera.height,
        "fl_x": 0.5 * width * p[0],
        "fl_y": 0.5 * height * p[5],
        "cx": 0.5 * width * (1.0 - p[2]),
        "cy": 0.5 * height * (1.0 + p[6]),
        "transform_matrix": [row(0), row(1), row(2), [0.0, 0.0, 0.0, 1.0]],
    }))
}
