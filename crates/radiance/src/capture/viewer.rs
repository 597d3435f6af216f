//! `cameras.json` as the first trainer of splats writes it beside a scene: a list of cameras without distortion, their centres in the middle.
//!
//! A rotation takes the camera's space, which looks along z with y down, to the world.
//!
//! # Source
//! Kerbl, Kopanas, Leimkühler and Drettakis (2023): the files of their program, which viewers read.

use std::path::Path;

use monotile::text::{parser_report, printable};
use monotile::{Error, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::lens::CaptureLens;
use super::pose::{flipped, inverse_pose};
use super::transforms::{picture, pixels};
use super::view::ViewInput;
use super::{Capture, CaptureOptions, CaptureSplit, CaptureView, hold_out};

#[derive(Debug, Deserialize)]
struct ViewerCamera {
    img_name: Option<String>,
    width: f64,
    height: f64,
    position: [f64; 3],
    rotation: [[f64; 3]; 3],
    fx: f64,
    fy: f64,
}

/// The capture of a list of cameras.
#[track_caller]
pub(super) fn read(path: &Path, bytes: &[u8], options: &CaptureOptions) -> Result<Capture> {
    let refuse = |words: String| Error::format(path, words);
    let list: Vec<&RawValue> =
        serde_json::from_slice(bytes).map_err(|e| refuse(format!("is no JSON of cameras: {}", parser_report(&e))))?;
    if list.is_empty() {
        return Err(refuse("has no cameras: its list is empty".to_owned()));
    }
    let mut capture = Capture::from_views(Vec::new(), None);
    capture.format = "list of cameras";
    let folder = path.parent().unwrap_or(Path::new(""));
    for (i, raw) in list.iter().enumerate() {
        let camera: ViewerCamera =
            serde_json::from_str(raw.get()).map_err(|e| refuse(format!("has a camera {i} that is none: {}", parser_report(&e))))?;
        let ([a, b, c], [x, y, z]) = (camera.rotation, camera.position);
        let row = |r: [f64; 3], t: f64| [r[0], r[1], r[2], t];
        let world_from_view = [row(a, x), row(b, y), row(c, z), [0.0, 0.0, 0.0, 1.0]];
        let pose = inverse_pose(&world_from_view).map_err(|words| refuse(format!("has a camera {i} whose pose {words}")))?;
        let name = camera.img_name.unwrap_or_else(|| i.to_string());
        let input = ViewInput {
            split: CaptureSplit::Train,
            view_from_world: flipped(&pose),
            picture: picture(folder, &format!("images/{name}"), options),
            mask: None,
            turned: false,
            origin: [0, i],
            name,
        };
        let lens = || {
            let size = [pixels("width", camera.width)?, pixels("height", camera.height)?];
            let [cx, cy] = size.map(|side| 0.5 * side as f64);
            CaptureLens::pinhole(size, [camera.fx, camera.fy, cx, cy]).map_err(|e| e.to_string())
        };
        let lens = lens().map_err(|words| refuse(format!("camera {i}, {}: {words}", printable(&input.name))))?;
        capture.views.extend(CaptureView::of_file(input, |_| Ok(lens), options)?);
    }
    hold_out(&mut capture.views, options.hold_out);
    Ok(capture)
}
