//! Cameras written back.

use std::io::Write;
use std::path::{Path, PathBuf};

use monotile::io::{read_regular, write_atomic};
use monotile::text::{parser_report, printable};
use monotile::{Error, Result, limits};
use serde_json::{Map, Value, json};

use super::lens_model::LensModel;
use super::pose::inverse_pose;
use super::view::PictureSource;
use super::{Capture, CaptureOrigin, CaptureSplit, CaptureView, colmap, places};

impl Capture {
    /// Writes the cameras of all views: to a `.json` as nerfstudio has them, else to a folder in the capture's own format and frame.
    ///
    /// Poses are those of the views, as they are now; a capture's own files are in the world that they were read in, whatever [`Capture::with_up`] did. Lenses are those of the pictures' files, before anything was undistorted or scaled; a pose that has
    /// not changed keeps its digits. What else a file of the capture says is kept. Of a panorama's views the first counts.
    ///
    /// # Errors
    /// What the system says; a pose that is no rotation and translation; views in memory, which have no format of their own but `.json`.
    #[track_caller]
    pub fn write_cameras(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        for view in &self.views {
            inverse_pose(&view.view_from_world).map_err(|words| {
                let name = printable(&view.name);
                Error::value(format!("write_cameras: the pose of the view {name} {words}"))
            })?;
        }
        if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")) {
            return write_json(path, &self.document(path.parent().unwrap_or(Path::new(""))));
        }
        match &self.origin {
            CaptureOrigin::Memory => {
                let words = "write_cameras: views in memory have no format of their own; name a file that ends in .json";
                Err(Error::value(words))
            }
            CaptureOrigin::Colmap { folder, binary } => colmap::write(&self.in_own_world(), folder, *binary, path),
            CaptureOrigin::Transforms(files) => self.in_own_world().write_transforms(files, path),
        }
    }

    fn write_transforms(&self, files: &[PathBuf], to: &Path) -> Result<()> {
        std::fs::create_dir_all(to).map_err(|e| Error::io("writing", to, &e))?;
        let views = places(self);
        for (number, file) in files.iter().enumerate() {
            let bytes = read_regular(file, &limits::JSON)?;
            let mut whole: Value = serde_json::from_slice(&bytes).map_err(|e| Error::format(file, parser_report(&e)))?;
            let frames = whole.get_mut("frames").and_then(Value::as_array_mut);
            for (place, frame) in frames.into_iter().flatten().enumerate() {
                if let (Some(view), Some(frame)) = (views.get(&[number, place]), frame.as_object_mut()) {
                    put_pose(frame.entry("transform_matrix").or_insert(Value::Null), view);
                }
            }
            let name = file.file_name().unwrap_or_default();
            write_json(&to.join(name), &whole)?;
        }
        Ok(())
    }

    /// All of it as one document, whose files are named from a folder.
    fn document(&self, folder: &Path) -> Value {
        let mut lists = CaptureSplit::ALL.map(|_| Vec::new());
        let mut frames = Vec::new();
        for view in self.views.iter().filter(|view| !view.is_other_side()) {
            let frame = frame(view, folder);
            let place = CaptureSplit::ALL.iter().position(|split| *split == view.split).unwrap_or(0);
            lists[place].push(frame["file_path"].clone());
            frames.push(frame);
        }
        let [train, validation, test] = lists;
        json!({ "frames": frames, "train_filenames": train, "val_filenames": validation, "test_filenames": test })
    }
}

fn write_json(path: &Path, document: &Value) -> Result<()> {
    write_atomic(path, |file| {
        serde_json::to_writer_pretty(&mut *file, document)?;
        file.write_all(b"\n")
    })
}

/// A frame of one view.
fn frame(view: &CaptureView, folder: &Path) -> Value {
    let mut frame = Map::new();
    let mut put = |key: &str, value: Value| frame.insert(key.to_owned(), value);
    let (size, intrinsics) = match &view.source {
        PictureSource::Memory(_) => {
            put("file_path", json!(view.name));
            put("camera_model", json!("PINHOLE"));
            ([view.width, view.height], view.intrinsics)
        }
        PictureSource::Files(files) => {
            put("file_path", json!(place(&files.picture, folder)));
            if let Some(mask) = &files.mask {
                put("mask_path", json!(place(mask, folder)));
            }
            let lens = &files.lens;
            let (model, numbers) = fields(lens.model);
            put("camera_model", json!(model));
            let rest = lens.distortion();
            match numbers {
                [] if !rest.is_empty() => {
                    put("distortion_params", json!(rest));
                }
                _ => numbers.iter().zip(rest).for_each(|(key, x)| {
                    put(key, json!(x));
                }),
            }
            ([lens.width, lens.height], lens.intrinsics)
        }
    };
    for (key, x) in ["w", "h"].into_iter().zip(size) {
        put(key, json!(x));
    }
    for (key, x) in ["fl_x", "fl_y", "cx", "cy"].into_iter().zip(intrinsics) {
        put(key, json!(x));
    }
    let mut matrix = Value::Null;
    put_pose(&mut matrix, view);
    put("transform_matrix", matrix);
    Value::Object(frame)
}

/// A model as nerfstudio calls it, and its names of the numbers that follow; none for a list of them.
fn fields(model: LensModel) -> (&'static str, &'static [&'static str]) {
    use LensModel as M;
    match model {
        M::SimplePinhole | M::Pinhole => ("PINHOLE", &[]),
        M::SimpleRadial | M::Radial => ("OPENCV", &["k1", "k2"]),
        M::OpenCv => ("OPENCV", &["k1", "k2", "p1", "p2"]),
        M::FullOpenCv => ("OPENCV", &["k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"]),
        M::OpenCvFisheye | M::SimpleRadialFisheye | M::RadialFisheye | M::SimpleFisheye | M::Fisheye => {
            ("OPENCV_FISHEYE", &["k1", "k2", "k3", "k4"])
        }
        M::RadTanThinPrismFisheye => ("FISHEYE624", &[]),
        other => (other.name(), &[]),
    }
}

/// Puts a view's pose into a matrix of a document, unless it is there already; a scale that the matrix has stays.
fn put_pose(matrix: &mut Value, view: &CaptureView) {
    let rows = serde_json::from_value::<Vec<[f64; 4]>>(matrix.clone()).unwrap_or_default();
    let mut stored = [[0.0, 0.0, 0.0, 1.0]; 4];
    rows.iter().take(4).zip(&mut stored).for_each(|(row, to)| *to = *row);
    let scale = match inverse_pose(&stored) {
        Ok(view_from_world) if view_from_world == view.view_from_world => return,
        Ok(_) => (0..3).map(|i| stored[i][0] * stored[i][0]).sum::<f64>().sqrt(),
        Err(_) => 1.0,
    };
    let scale = if (scale - 1.0).abs() < 1e-6 { 1.0 } else { scale };
    if let Ok(mut pose) = inverse_pose(&view.view_from_world) {
        pose[..3].iter_mut().for_each(|row| row[..3].iter_mut().for_each(|x| *x *= scale));
        *matrix = json!(pose);
    }
}

/// A file as a document in a folder names it.
fn place(file: &Path, folder: &Path) -> String {
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let (file, folder) = (whole(file), whole(folder));
    file.strip_prefix(&folder).unwrap_or(&file).to_string_lossy().into_owned()
}
