//! A file of a capture: the first byte says which one the others are. Files beside it are whole.

use std::path::Path;

use monotile_radiance::{Capture, CaptureOptions};

use super::{file, folder, sentence};

/// A model of one image, as text.
const MODEL: [(&str, &str); 3] = [
    ("cameras.txt", "1 OPENCV 8 6 7 7.5 4 3 0.1 -0.02 0.001 0.002\n"),
    ("images.txt", "1 1 0 0 0 0.25 -0.5 4 1 a.png\n\n"),
    ("points3D.txt", "1 0.5 -1 2 255 0 7 0.1 1 0\n"),
];

const TRANSFORMS: &str = r#"{"w": 8, "h": 6, "fl_x": 7, "ply_file_path": "points.ply",
    "frames": [{"file_path": "a.png", "transform_matrix": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 4]]}]}"#;

pub fn run(bytes: &[u8]) {
    let Some((which, content)) = bytes.split_first() else { return };
    let _ = std::fs::remove_dir_all(folder());
    let name = [
        "transforms.json",
        "cameras.bin",
        "images.bin",
        "points3D.bin",
        "cameras.txt",
        "images.txt",
        "points3D.txt",
        "points.ply",
        "a.png",
    ][usize::from(which % 9)];
    match name {
        "transforms.json" => {}
        "points.ply" | "a.png" => drop(file("transforms.json", TRANSFORMS.as_bytes())),
        binary if binary.ends_with(".bin") => {
            file("cameras.bin", &camera());
            file("images.bin", &image());
            file("points3D.bin", &0_u64.to_le_bytes());
        }
        _ => MODEL.iter().for_each(|(name, text)| drop(file(name, text.as_bytes()))),
    }
    file(name, content);
    read(&folder());
}

/// What is read is told, and has pictures of its size; cameras that are written again are read again.
fn read(path: &Path) {
    let options = CaptureOptions { longest_side: Some(64), ..CaptureOptions::default() };
    let capture = match Capture::read(path, &options) {
        Ok(capture) => capture,
        Err(error) => return sentence(&error),
    };
    let _ = capture.info();
    for view in capture.views.iter().take(2) {
        match view.picture() {
            Ok(picture) => assert_eq!(picture.rgba.shape(), [view.height, view.width, 4]),
            Err(error) => sentence(&error),
        }
    }
    let written = path.join("written.json");
    match capture.write_cameras(&written) {
        Ok(()) => drop(Capture::read(&written, &options).map_err(|error| sentence(&error))),
        Err(error) => sentence(&error),
    }
}

fn camera() -> Vec<u8> {
    let numbers: Vec<u8> = [7.0_f64, 7.5, 4.0, 3.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    [&1_u64.to_le_bytes()[..], &1_u32.to_le_bytes(), &1_u32.to_le_bytes(), &8_u64.to_le_bytes(), &6_u64.to_le_bytes(), &numbers]
        .concat()
}

fn image() -> Vec<u8> {
    let numbers: Vec<u8> = [1.0_f64, 0.0, 0.0, 0.0, 0.25, -0.5, 4.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    [&1_u64.to_le_bytes()[..], &1_u32.to_le_bytes(), &numbers, &1_u32.to_le_bytes(), b"a.png\0", &0_u64.to_le_bytes()].concat()
}
