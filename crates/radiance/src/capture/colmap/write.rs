//! A model with other poses.

use std::io::Write;
use std::path::Path;

use monotile::io::{read_regular, write_atomic};
use monotile::{Error, Result, limits};

use super::{ColmapImage, images_of, pose};
use crate::capture::pose::{flipped, quaternion};
use crate::capture::{Capture, places};

/// Bytes of a quaternion and a translation.
const POSE: usize = 7 * 8;

/// Writes the model of a folder into another one, or the same, with the poses of the capture's views.
#[track_caller]
pub(in crate::capture) fn write(capture: &Capture, from: &Path, binary: bool, to: &Path) -> Result<()> {
    let ending = if binary { "bin" } else { "txt" };
    let name = |what: &str| format!("{what}.{ending}");
    let source = from.join(name("images"));
    let mut bytes = read_regular(&source, &limits::MODEL)?;
    let images = images_of(&source, &bytes, binary)?;
    let (views, mut moved) = (places(capture), Vec::new());
    for (place, image) in images.iter().enumerate() {
        if let Some(view) = views.get(&[0, place])
            && let Some(pose) = pose_of(image, &view.view_from_world)?
        {
            moved.push((image, pose));
        }
    }
    if binary {
        for (image, pose) in &moved {
            let numbers: Vec<u8> = pose.iter().flat_map(|x| x.to_le_bytes()).collect();
            bytes[image.at..image.at + POSE].copy_from_slice(&numbers);
        }
    } else {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
        for (image, pose) in &moved {
            let line = &mut lines[image.at - 1];
            let numbers = pose.map(|x| x.to_string()).join(" ");
            let end = if line.ends_with('\r') { "\r" } else { "" };
            *line = format!("{} {numbers} {} {}{end}", image.id, image.camera, image.name);
        }
        bytes = lines.join("\n").into_bytes();
    }
    std::fs::create_dir_all(to).map_err(|e| Error::io("writing", to, &e))?;
    for other in ["cameras", "points3D", "rigs", "frames"].map(name) {
        let (source, target) = (from.join(&other), to.join(&other));
        if source.is_file() && source.canonicalize().ok() != target.canonicalize().ok() {
            let bytes = read_regular(&source, &limits::MODEL)?;
            write_atomic(&target, |file| file.write_all(&bytes))?;
        }
    }
    write_atomic(&to.join(name("images")), |file| file.write_all(&bytes))
}

/// A pose as images have it: w, x, y, z and the translation; none if it is the one that the image has.
#[track_caller]
fn pose_of(image: &ColmapImage, view: &[[f64; 4]; 4]) -> Result<Option<[f64; 7]>> {
    let mine = flipped(view);
    if pose(image).is_ok_and(|stored| stored == mine) {
        return Ok(None);
    }
    let [w, x, y, z] = quaternion([0, 1, 2].map(|i| [mine[i][0], mine[i][1], mine[i][2]]));
    Ok(Some([w, x, y, z, mine[0][3], mine[1][3], mine[2][3]]))
}
