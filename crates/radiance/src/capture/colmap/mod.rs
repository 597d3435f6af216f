//! Models of COLMAP: cameras, images and points, as binary files or as text. Rigs and frames beside them are not needed.
//!
//! A pose takes the world to the camera's space, which looks along z with y down.
//!
//! # Source
//! Schönberger and Frahm (2016), Structure-from-motion revisited; the files as COLMAP's documentation has them.

mod binary;
mod text;
mod write;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use monotile::io::read_regular;
use monotile::text::printable;
use monotile::{Error, Result, limits};

pub(super) use write::write;

use super::lens::CaptureLens;
use super::lens_model::LensModel;
use super::pose::{flipped, rotation};
use super::view::ViewInput;
use super::{Capture, CaptureOptions, CaptureOrigin, CaptureSplit, CaptureView, PointCloud, hold_out};

/// An image as a model has it.
pub(super) struct ColmapImage {
    pub id: u32,
    /// w, x, y, z as they are stored.
    pub quaternion: [f64; 4],
    pub translation: [f64; 3],
    pub camera: u32,
    pub name: String,
    /// Where its pose begins: the byte of a binary file, or the number of a line of text.
    pub at: usize,
}

/// Where models are in a folder, in the order in which they are looked for.
const PLACES: [&str; 8] = ["sparse/0", "sparse", "colmap/sparse/0", "colmap/sparse", "dense/0/sparse", "dense/sparse", "0", ""];
/// Where pictures are in the folder of a capture.
const PICTURES: [&str; 6] = ["images", "images_2", "images_4", "images_8", "input", ""];
/// Images by whose names a folder of pictures is told.
const TRIED: usize = 16;

/// The folder of a model, and whether it is binary: the first that has a folder of pictures above it, else the first.
pub(super) fn find(path: &Path) -> Option<(PathBuf, bool)> {
    let models = PLACES.iter().filter_map(|place| {
        let folder = if place.is_empty() { path.to_path_buf() } else { path.join(place) };
        let has = |name: &str| folder.join(name).is_file();
        let kind = [("bin", true), ("txt", false)]
            .into_iter()
            .find(|(ending, _)| has(&format!("cameras.{ending}")) && (has(&format!("images.{ending}")) || !has("images.txt")))?;
        Some((folder, kind.1))
    });
    let mut models: Vec<_> = models.collect();
    let pictured = |(folder, _): &(PathBuf, bool)| {
        let named = || PICTURES.iter().filter(|place| !place.is_empty());
        bases(path, folder).iter().any(|base| named().any(|place| base.join(place).is_dir()))
    };
    let chosen = models.iter().position(pictured).unwrap_or(0);
    (!models.is_empty()).then(|| models.swap_remove(chosen))
}

/// Folders in which those of a model's pictures may be, the nearest first.
fn bases(path: &Path, model: &Path) -> Vec<PathBuf> {
    let within = model.ancestors().take_while(|folder| folder.starts_with(path)).map(Path::to_path_buf);
    // A model that is named itself stands up to three folders below its pictures.
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let above = whole.ancestors().skip(1).take(if model == path { 3 } else { 0 }).map(Path::to_path_buf);
    within.chain(above).collect()
}

/// The capture of a model.
#[track_caller]
pub(super) fn read(path: &Path, folder: &Path, binary: bool, options: &CaptureOptions) -> Result<Capture> {
    let file = |name: &str| folder.join(format!("{name}.{}", if binary { "bin" } else { "txt" }));
    let bytes = |path: &Path| read_regular(path, &limits::MODEL);
    let (cameras, images, points) = (file("cameras"), file("images"), file("points3D"));
    let lenses = if binary { binary::cameras(&cameras, &bytes(&cameras)?)? } else { text::cameras(&cameras, &bytes(&cameras)?)? };
    let list = images_of(&images, &bytes(&images)?, binary)?;
    let mut capture = Capture::from_views(Vec::new(), None);
    capture.format = if binary { "COLMAP binary model" } else { "COLMAP text model" };
    if list.is_empty() {
        return Err(Error::format(&images, "has no images: no view of the capture is there"));
    }
    let pictures = options.pictures.clone().unwrap_or_else(|| pictures(path, folder, &list));
    for (place, image) in list.iter().enumerate() {
        let lens = lenses.get(&image.camera).copied().ok_or_else(|| {
            let (id, name) = (image.camera, printable(&image.name));
            Error::format(&images, format!("has an image {} ({name}) with a camera {id}, which is not there", image.id))
        })?;
        let pose = pose(image).map_err(|words| {
            Error::format(&images, format!("has an image {} ({}) whose {words}", image.id, printable(&image.name)))
        })?;
        let input = ViewInput {
            name: image.name.clone(),
            split: CaptureSplit::Train,
            view_from_world: flipped(&pose),
            picture: pictures.join(&image.name),
            mask: mask(&pictures, &image.name),
            // COLMAP reads pixels as they are stored.
            turned: false,
            origin: [0, place],
        };
        capture.views.extend(CaptureView::of_file(input, |_| Ok(lens), options)?);
    }
    hold_out(&mut capture.views, options.hold_out);
    match points.is_file() {
        true => {
            let bytes = bytes(&points)?;
            capture.points = Some(if binary { binary::points(&points, &bytes)? } else { text::points(&points, &bytes)? });
        }
        false => capture.notes.push("the model has no points".to_owned()),
    }
    capture.origin = CaptureOrigin::Colmap { folder: folder.to_path_buf(), binary };
    Ok(capture)
}

/// The images of a file, each with an id of its own.
#[track_caller]
fn images_of(path: &Path, bytes: &[u8], binary: bool) -> Result<Vec<ColmapImage>> {
    let list = if binary { binary::images(path, bytes)? } else { text::images(path, bytes)? };
    let mut ids = std::collections::HashSet::new();
    match list.iter().find(|image| !ids.insert(image.id)) {
        Some(image) => Err(Error::format(path, format!("has an image {} twice", image.id))),
        None => Ok(list),
    }
}

/// Adds a camera of a file.
#[track_caller]
fn add_camera(path: &Path, lenses: &mut HashMap<u32, CaptureLens>, id: u32, lens: Result<CaptureLens>) -> Result<()> {
    let lens = lens.map_err(|e| Error::format(path, format!("has a camera {id} that is none: {e}")))?;
    match lenses.insert(id, lens) {
        None => Ok(()),
        Some(_) => Err(Error::format(path, format!("has a camera {id} twice"))),
    }
}

/// Adds a point of a file.
#[track_caller]
fn add_point(path: &Path, cloud: &mut PointCloud, id: u64, position: [f64; 3], color: [u8; 3]) -> Result<()> {
    if position.iter().any(|x| !x.is_finite()) {
        return Err(Error::format(path, format!("has a point {id} that is not finite")));
    }
    cloud.positions.push(position);
    cloud.colors.push(color);
    Ok(())
}

/// World to camera, y down; or the end of a sentence that begins with the image.
fn pose(image: &ColmapImage) -> std::result::Result<[[f64; 4]; 4], &'static str> {
    let [x, y, z] = image.translation;
    if !image.translation.iter().chain(&image.quaternion).all(|x| x.is_finite()) {
        return Err("pose is not finite");
    }
    let r = rotation(image.quaternion).ok_or("quaternion has a length of 0")?;
    let row = |k: usize, t: f64| [r[k][0], r[k][1], r[k][2], t];
    Ok([row(0, x), row(1, y), row(2, z), [0.0, 0.0, 0.0, 1.0]])
}

/// The folder of pictures: the first that has one of the images; the usual one if none has.
fn pictures(path: &Path, model: &Path, images: &[ColmapImage]) -> PathBuf {
    let bases = bases(path, model);
    let places = bases.iter().flat_map(|base| PICTURES.iter().map(|place| base.join(place)));
    let has = |folder: &PathBuf| images.iter().take(TRIED).any(|image| folder.join(&image.name).is_file());
    places.into_iter().find(has).unwrap_or_else(|| path.join(PICTURES[0]))
}

/// The mask of a picture, if one stands in a folder `masks` beside those of the pictures.
fn mask(pictures: &Path, name: &str) -> Option<PathBuf> {
    let folder = pictures.parent()?.join("masks");
    let named = folder.join(format!("{name}.png"));
    let same = folder.join(name);
    let stem = same.with_extension("png");
    [named, same, stem].into_iter().find(|path| path.is_file())
}

/// The model of a number in a file.
fn model(number: i64) -> std::result::Result<LensModel, String> {
    let known = usize::try_from(number).ok().and_then(|k| LensModel::ALL.get(k).copied());
    known.ok_or_else(|| format!("model {number} is none of 0 to {}", LensModel::ALL.len() - 1))
}
