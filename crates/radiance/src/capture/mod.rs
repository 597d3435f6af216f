//! Captures: pictures of a scene with the camera of each, from a folder that another program wrote.
//!
//! A view's pose is V, world to the camera's space (it looks along -z with y up), whatever the file says. The world stays the file's.

mod colmap;
mod decode;
mod head;
mod info;
mod lens;
mod lens_model;
mod points;
mod pose;
mod scale;
mod transforms;
mod undistort;
mod upright;
mod view;
mod viewer;
mod write;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use monotile::{Error, Result};

pub use info::CaptureInfo;
pub use lens::{CaptureLens, PixelRays};
pub use lens_model::LensModel;
use view::PictureSource;
pub use view::{CapturePicture, CaptureView};

/// What a view is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CaptureSplit {
    /// Learned from.
    Train,
    /// Looked at while something is learned.
    Validation,
    /// Held out to measure by.
    Test,
}

impl CaptureSplit {
    /// All, in the order of their use.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// `train`, `validation` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// Points of a scene's surface that a program found in its pictures.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PointCloud {
    /// Places in the world.
    pub positions: Vec<[f64; 3]>,
    /// Red, green and blue of each.
    pub colors: Vec<[u8; 3]>,
}

/// How a capture is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureOptions {
    /// The most pixels of a picture's longer side: larger pictures are scaled down by the mean over each pixel's area.
    pub longest_side: Option<usize>,
    /// Of a capture that names no views to test on, each view of this many is held out, the first of all among them; 0 holds out none.
    pub hold_out: usize,
    /// The folder of the pictures, in the place of the one that the capture names or has.
    pub pictures: Option<PathBuf>,
}

impl Default for CaptureOptions {
    fn default() -> Self {
        Self { longest_side: None, hold_out: 8, pictures: None }
    }
}

/// Views of one scene.
#[derive(Debug, Clone)]
pub struct Capture {
    /// The format's name.
    pub format: &'static str,
    /// All views, in the file's order: those of one split one after another where a split has a file of its own.
    pub views: Vec<CaptureView>,
    /// Points of the scene, if the capture has some.
    pub points: Option<PointCloud>,
    /// What was unusual, a sentence each.
    pub notes: Vec<String>,
    origin: CaptureOrigin,
    /// Rows of the rotation of the files' world to that of the views.
    turned: [[f64; 3]; 3],
}

/// What a capture was read from.
#[derive(Debug, Clone)]
enum CaptureOrigin {
    Memory,
    Transforms(Vec<PathBuf>),
    Colmap { folder: PathBuf, binary: bool },
}

/// Where a capture is.
enum CapturePlace {
    Transforms(Vec<(PathBuf, Option<CaptureSplit>)>),
    Colmap(PathBuf, bool),
}

impl CapturePlace {
    /// The place that a path means; none where a folder has nothing that is known.
    fn of(path: &Path) -> Option<Self> {
        let one = |file: PathBuf| Some(Self::Transforms(vec![(file, None)]));
        if !path.is_dir() {
            return one(path.to_path_buf());
        }
        let named = CaptureSplit::ALL.map(|split| {
            let ending = if split == CaptureSplit::Validation { "val" } else { split.name() };
            (path.join(format!("transforms_{ending}.json")), Some(split))
        });
        let there: Vec<_> = named.into_iter().filter(|(file, _)| file.is_file()).collect();
        if !there.is_empty() {
            return Some(Self::Transforms(there));
        }
        let file = path.join("transforms.json");
        if file.is_file() {
            return one(file);
        }
        colmap::find(path).map(|(folder, binary)| Self::Colmap(folder, binary))
    }
}

/// The views by the places in the capture's files that tell of them.
fn places(capture: &Capture) -> HashMap<[usize; 2], &CaptureView> {
    let mut places = HashMap::new();
    for view in &capture.views {
        if let PictureSource::Files(files) = &view.source
            && files.side == 0
        {
            places.insert(files.origin, view);
        }
    }
    places
}

impl Capture {
    /// A capture in memory.
    pub fn from_views(views: Vec<CaptureView>, points: Option<PointCloud>) -> Self {
        Self {
            format: "views in memory",
            views,
            points,
            notes: Vec::new(),
            origin: CaptureOrigin::Memory,
            turned: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
        }
    }

    /// The capture of a folder, of a `transforms.json`, or of a list of cameras as trainers write it; the format is told by what is there.
    ///
    /// A folder with `transforms_train.json` is one of NeRF's Blender scenes, with `transforms.json` one of nerfstudio's,
    /// with `cameras.bin` or `cameras.txt`, also in `sparse/0` and the like, one of COLMAP.
    /// Pictures are looked at for their size alone; [`CaptureView::picture`] reads one.
    ///
    /// # Errors
    /// What the system says; and in a sentence what is not as the format has it. A picture that is not there is told by [`CaptureView::picture`].
    ///
    /// # Example
    /// ```
    /// use monotile_radiance::{Capture, CaptureOptions};
    /// let folder = std::env::temp_dir().join(format!("monotile-capture-{}", std::process::id()));
    /// std::fs::create_dir_all(&folder).unwrap();
    /// // A camera at (0, 0, 4) that looks at the origin.
    /// let frame = r#"{"file_path": "a.png", "transform_matrix": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 4], [0, 0, 0, 1]]}"#;
    /// let document = format!(r#"{{"w": 80, "h": 60, "fl_x": 100, "frames": [{frame}]}}"#);
    /// std::fs::write(folder.join("transforms.json"), document).unwrap();
    /// let capture = Capture::read(&folder, &CaptureOptions::default())?;
    /// let view = &capture.views[0];
    /// assert_eq!(view.intrinsics, [100.0, 100.0, 40.0, 30.0]);
    /// assert_eq!(view.position(), [0.0, 0.0, 4.0]);
    /// assert_eq!(view.camera()?.width, 80);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), monotile::Error>(())
    /// ```
    #[track_caller]
    pub fn read(path: impl AsRef<Path>, options: &CaptureOptions) -> Result<Self> {
        let path = path.as_ref();
        if options.longest_side == Some(0) {
            return Err(Error::value("capture: the longest side of a picture is at least 1 pixel, got 0"));
        }
        match CapturePlace::of(path) {
            Some(CapturePlace::Transforms(files)) => transforms::read(path, &files, options),
            Some(CapturePlace::Colmap(folder, binary)) => colmap::read(path, &folder, binary, options),
            None => {
                let words = "has no capture that is known: no transforms.json, transforms_train.json or COLMAP model is there";
                Err(Error::format(path, words))
            }
        }
    }

    /// Whether a path looks like a capture: a folder that has one, or a `.json`.
    pub fn is_at(path: impl AsRef<Path>) -> bool {
        let path = path.as_ref();
        match path.is_dir() {
            true => CapturePlace::of(path).is_some(),
            false => path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")),
        }
    }

    /// The views of a split.
    pub fn of(&self, split: CaptureSplit) -> impl Iterator<Item = &CaptureView> {
        self.views.iter().filter(move |view| view.split == split)
    }
}

/// Holds out each of so many views, by the order of their names, if there are at least as many.
fn hold_out(views: &mut [CaptureView], every: usize) {
    if every == 0 || views.len() < every {
        return;
    }
    let mut order: Vec<usize> = (0..views.len()).collect();
    order.sort_by(|&a, &b| views[a].name.cmp(&views[b].name));
    for place in order.into_iter().step_by(every) {
        views[place].split = CaptureSplit::Test;
    }
}
