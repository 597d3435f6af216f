//! `transforms.json`: nerfstudio's, and those of NeRF's Blender scenes, which have one for each split.
//!
//! A matrix takes the camera's space, which looks along -z with y up, to the world. A transform that was applied to it is not applied again.
//!
//! # Source
//! Mildenhall and others (2020), NeRF; Tancik and others (2023), Nerfstudio: the format as its documentation has it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use monotile::io::read_regular;
use monotile::text::{parser_report, printable};
use monotile::{Error, Result, limits};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::head::PictureFile;
use super::lens::CaptureLens;
use super::lens_model::LensModel;
use super::pose::inverse_pose;
use super::view::ViewInput;
use super::{Capture, CaptureOptions, CaptureOrigin, CaptureSplit, CaptureView, hold_out, points, viewer};

/// What stands at the head, and may stand in each frame.
#[derive(Debug, Clone, Default, Deserialize)]
struct LensFields {
    camera_model: Option<String>,
    camera_angle_x: Option<f64>,
    camera_angle_y: Option<f64>,
    fl_x: Option<f64>,
    fl_y: Option<f64>,
    cx: Option<f64>,
    cy: Option<f64>,
    w: Option<f64>,
    h: Option<f64>,
    k1: Option<f64>,
    k2: Option<f64>,
    k3: Option<f64>,
    k4: Option<f64>,
    k5: Option<f64>,
    k6: Option<f64>,
    p1: Option<f64>,
    p2: Option<f64>,
    distortion_params: Option<Vec<f64>>,
    is_fisheye: Option<bool>,
}

/// The rest of the head.
#[derive(Debug, Deserialize)]
struct Lists<'a> {
    #[serde(borrow)]
    frames: Option<Vec<&'a RawValue>>,
    train_filenames: Option<Vec<String>>,
    val_filenames: Option<Vec<String>>,
    test_filenames: Option<Vec<String>>,
    ply_file_path: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Frame<'a> {
    file_path: Option<String>,
    mask_path: Option<String>,
    #[serde(borrow)]
    transform_matrix: Option<&'a RawValue>,
}

/// Endings that are tried where a picture is named without one.
const ENDINGS: [&str; 6] = ["png", "jpg", "jpeg", "PNG", "JPG", "JPEG"];

/// The capture of some files, each of a split or of all.
#[track_caller]
pub(super) fn read(path: &Path, files: &[(PathBuf, Option<CaptureSplit>)], options: &CaptureOptions) -> Result<Capture> {
    let mut capture = Capture::from_views(Vec::new(), None);
    capture.format = if files[0].1.is_some() { "Blender transforms" } else { "nerfstudio transforms" };
    capture.origin = CaptureOrigin::Transforms(files.iter().map(|(file, _)| file.clone()).collect());
    for (number, (file, split)) in files.iter().enumerate() {
        read_file(file, (number, *split), options, &mut capture)?;
    }
    if capture.views.is_empty() {
        return Err(Error::format(path, "has no frames: no view of the capture is there"));
    }
    Ok(capture)
}

fn read_file(
    path: &Path,
    (number, split): (usize, Option<CaptureSplit>),
    options: &CaptureOptions,
    capture: &mut Capture,
) -> Result<()> {
    let bytes = read_regular(path, &limits::JSON)?;
    if bytes.trim_ascii_start().starts_with(b"[") {
        *capture = viewer::read(path, &bytes, options)?;
        return Ok(());
    }
    let refuse = |words: String| Error::format(path, words);
    let json = |e: serde_json::Error| refuse(format!("is no JSON of a capture: {}", parser_report(&e)));
    let head: LensFields = serde_json::from_slice(&bytes).map_err(json)?;
    let lists: Lists<'_> = serde_json::from_slice(&bytes).map_err(json)?;
    let Some(frames) = &lists.frames else {
        return Err(refuse("has no \"frames\", the list of its views".to_owned()));
    };
    if frames.is_empty() && split.is_none() {
        return Err(refuse("has no frames: its list \"frames\" is empty".to_owned()));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let first = capture.views.len();
    let (mut names, mut size) = (HashSet::new(), None);
    for (i, raw) in frames.iter().enumerate() {
        let json = |e: serde_json::Error| refuse(format!("has a frame {i} that is none: {}", parser_report(&e)));
        let frame: Frame<'_> = serde_json::from_str(raw.get()).map_err(json)?;
        let own: LensFields = serde_json::from_str(raw.get()).map_err(json)?;
        let Some(name) = frame.file_path else {
            return Err(refuse(format!("has no file_path in frame {i}, the name of its picture")));
        };
        if !names.insert(name.clone()) {
            return Err(refuse(format!("names the picture {} in two frames, the second of them frame {i}", printable(&name))));
        }
        let Some(matrix) = frame.transform_matrix else {
            return Err(refuse(format!("has no transform_matrix in frame {i}")));
        };
        let world_from_view =
            matrix_of(matrix).map_err(|words| refuse(format!("has a transform_matrix in frame {i} that {words}")))?;
        let view_from_world =
            inverse_pose(&world_from_view).map_err(|words| refuse(format!("has a transform_matrix in frame {i} that {words}")))?;
        let (fields, input_name) = (own.over(&head), name.clone());
        let input = ViewInput {
            split: split.unwrap_or(CaptureSplit::Train),
            view_from_world,
            picture: picture(folder, &name, options),
            mask: frame.mask_path.map(|mask| folder.join(mask)),
            turned: true,
            origin: [number, i],
            name,
        };
        // Pictures that are not there are as large as the ones before them, or the first that is.
        let lens = |found: Option<[usize; 2]>| {
            size = found.or(size).or_else(|| frames.iter().find_map(|raw| size_of(folder, raw, options)));
            fields.lens(size).map_err(|words| refuse(format!("frame {i}, {}: {words}", printable(&input_name))))
        };
        capture.views.extend(CaptureView::of_file(input, lens, options)?);
    }
    if split.is_none() {
        if let Some(name) = &lists.ply_file_path {
            let file = folder.join(plain(name));
            match file.is_file() {
                true => capture.points = Some(points::read(&file)?),
                false => capture.notes.push(format!("its points, {}, are not there", printable(name))),
            }
        }
        assign(&lists, &mut capture.views[first..], options, &mut capture.notes);
    }
    Ok(())
}

/// The size of a frame's picture, if it is there.
fn size_of(folder: &Path, raw: &RawValue, options: &CaptureOptions) -> Option<[usize; 2]> {
    let frame: Frame<'_> = serde_json::from_str(raw.get()).ok()?;
    PictureFile::open(&picture(folder, &frame.file_path?, options)).ok().map(|file| file.size(true))
}

/// Splits by the lists of names; every so many if there is none.
fn assign(lists: &Lists<'_>, views: &mut [CaptureView], options: &CaptureOptions, notes: &mut Vec<String>) {
    let named = [
        (&lists.train_filenames, CaptureSplit::Train),
        (&lists.val_filenames, CaptureSplit::Validation),
        (&lists.test_filenames, CaptureSplit::Test),
    ];
    if named.iter().all(|(list, _)| list.is_none()) {
        return hold_out(views, options.hold_out);
    }
    let places: HashMap<String, usize> = views.iter().enumerate().map(|(i, view)| (plain(&view.name), i)).collect();
    // A view of two lists belongs to the later one: what is tested on is not learned from.
    for (list, split) in named {
        for name in list.iter().flatten() {
            match places.get(&plain(name)) {
                Some(&i) => views[i].split = split,
                None => notes.push(format!("the list of {} views names {}, which is no frame", split.name(), printable(name))),
            }
        }
    }
}

/// A name without what does not change the file that it names.
fn plain(name: &str) -> String {
    name.trim_start_matches("./").replace('\\', "/")
}

/// Where a picture is: as named, or with an ending; in the folder that the options say, if they say one.
pub(super) fn picture(folder: &Path, name: &str, options: &CaptureOptions) -> PathBuf {
    let name = plain(name);
    let at = match &options.pictures {
        None => folder.join(&name),
        Some(other) => {
            // images/left/0001.png is left/0001.png there, or 0001.png.
            let below: PathBuf = Path::new(&name).components().skip(1).collect();
            let within = other.join(below);
            if within.is_file() { within } else { other.join(Path::new(&name).file_name().unwrap_or_default()) }
        }
    };
    if at.is_file() {
        return at;
    }
    // r_0 is r_0.png, and so is v1.0.
    let with = |ending: &str| {
        let mut path = at.clone().into_os_string();
        path.push(".");
        path.push(ending);
        PathBuf::from(path)
    };
    let endings = ENDINGS.into_iter().map(with);
    let others = ENDINGS.into_iter().map(|ending| at.with_extension(ending));
    let named = at.extension().is_some_and(|e| ENDINGS.iter().any(|ending| e.eq_ignore_ascii_case(ending)));
    endings
        .chain(others.filter(|_| named))
        .find(|path| path.is_file())
        .unwrap_or_else(|| if named { at.clone() } else { with("png") })
}

/// A matrix of three or four rows.
fn matrix_of(raw: &RawValue) -> std::result::Result<[[f64; 4]; 4], String> {
    let rows: Vec<Vec<f64>> = serde_json::from_str(raw.get()).map_err(|_| "is no matrix of numbers".to_owned())?;
    if !(3..=4).contains(&rows.len()) || rows.iter().any(|row| row.len() != 4) {
        let wide = rows.first().map_or(0, Vec::len);
        return Err(format!("is {} x {wide}, and one of a camera is 4 x 4", rows.len()));
    }
    let mut matrix = [[0.0, 0.0, 0.0, 1.0]; 4];
    for (to, row) in matrix.iter_mut().zip(&rows) {
        to.copy_from_slice(row);
    }
    Ok(matrix)
}

/// A number of pixels, which may be written as 50.0.
pub(super) fn pixels(name: &str, x: f64) -> std::result::Result<usize, String> {
    if (1.0..=1e9).contains(&x) && x.fract() == 0.0 {
        return Ok(x as usize);
    }
    Err(format!("{name} is {x}, which is no number of pixels"))
}

impl LensFields {
    /// These, and those of the head where these have none.
    fn over(&self, head: &Self) -> Self {
        macro_rules! either {
            ($($name:ident),*) => { Self { $($name: self.$name.clone().or_else(|| head.$name.clone())),* } };
        }
        either!(
            camera_model,
            camera_angle_x,
            camera_angle_y,
            fl_x,
            fl_y,
            cx,
            cy,
            w,
            h,
            k1,
            k2,
            k3,
            k4,
            k5,
            k6,
            p1,
            p2,
            distortion_params,
            is_fisheye
        )
    }

    /// The lens before a picture of this size, if the fields name no other.
    fn lens(&self, found: Option<[usize; 2]>) -> std::result::Result<CaptureLens, String> {
        let size = match (self.w, self.h, found) {
            (Some(w), Some(h), _) => [pixels("w", w)?, pixels("h", h)?],
            (_, _, Some(size)) => size,
            _ => return Err("there is neither a picture nor its size, w and h".to_owned()),
        };
        let [w, h] = size.map(|x| x as f64);
        let of_angle = |angle: f64, side: f64| 0.5 * side / (0.5 * angle).tan();
        let [fx, fy] = match (self.fl_x, self.fl_y, self.camera_angle_x, self.camera_angle_y) {
            (Some(fx), fy, ..) => [fx, fy.unwrap_or(fx)],
            (None, Some(fy), ..) => [fy, fy],
            (None, None, Some(x), y) => [of_angle(x, w), y.map_or(of_angle(x, w), |y| of_angle(y, h))],
            (None, None, None, Some(y)) => [of_angle(y, h); 2],
            _ => return Err("there is no focal length, fl_x, and no angle, camera_angle_x".to_owned()),
        };
        let intrinsics = [fx, fy, self.cx.unwrap_or(0.5 * w), self.cy.unwrap_or(0.5 * h)];
        let (model, rest) = self.model()?;
        CaptureLens::of_distortion(model, size, intrinsics, &rest).map_err(|e| e.to_string())
    }

    /// The model, and the numbers of its distortion.
    fn model(&self) -> std::result::Result<(LensModel, Vec<f64>), String> {
        use LensModel as M;
        let params = self.distortion_params.as_deref().unwrap_or(&[]);
        let at = |own: Option<f64>, place: usize| own.or_else(|| params.get(place).copied()).unwrap_or(0.0);
        // The order of distortion_params is k1, k2, k3, k4, p1, p2.
        let k = [at(self.k1, 0), at(self.k2, 1), at(self.k3, 2), at(self.k4, 3)];
        let [k5, k6] = [self.k5, self.k6].map(|x| x.unwrap_or(0.0));
        let p = [at(self.p1, 4), at(self.p2, 5)];
        let usual = if self.is_fisheye == Some(true) { "OPENCV_FISHEYE" } else { "OPENCV" };
        let name = self.camera_model.as_deref().unwrap_or(usual);
        let none = [0.0; 4] == k && p == [0.0; 2] && k5 == 0.0 && k6 == 0.0;
        Ok(match name {
            "PINHOLE" | "SIMPLE_PINHOLE" | "PERSPECTIVE" => (M::Pinhole, vec![]),
            "OPENCV" | "SIMPLE_RADIAL" | "RADIAL" | "FULL_OPENCV" if none => (M::Pinhole, vec![]),
            "OPENCV" | "SIMPLE_RADIAL" | "RADIAL" | "FULL_OPENCV" if k[2..] == [0.0; 2] && k5 == 0.0 && k6 == 0.0 => {
                (M::OpenCv, vec![k[0], k[1], p[0], p[1]])
            }
            "OPENCV" | "FULL_OPENCV" => (M::FullOpenCv, vec![k[0], k[1], p[0], p[1], k[2], k[3], k5, k6]),
            "OPENCV_FISHEYE" | "SIMPLE_RADIAL_FISHEYE" | "RADIAL_FISHEYE" => (M::OpenCvFisheye, k.to_vec()),
            "EQUIRECTANGULAR" => (M::Equirectangular, vec![]),
            "FISHEYE624" if params.len() == 12 => (M::RadTanThinPrismFisheye, params.to_vec()),
            other => match M::named(other) {
                Some(model) => {
                    let wanted = model.rest();
                    if params.len() != wanted {
                        let got = params.len();
                        return Err(format!("camera_model {other} takes {wanted} distortion_params, and {got} are there"));
                    }
                    (model, params.to_vec())
                }
                None => return Err(format!("camera_model {} is none that is known", printable(other))),
            },
        })
    }
}
