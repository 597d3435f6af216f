//! What the tests of captures write and compare.

use std::path::Path;

use monotile_radiance::{Capture, CaptureOptions, CaptureView};
use serde_json::Value;

pub use super::cases::cases;

/// Writes a PNG of a kind from its samples.
pub fn png(path: &Path, [width, height]: [u32; 2], color: png::ColorType, depth: png::BitDepth, samples: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(std::fs::File::create(path).unwrap(), width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        encoder.set_palette(vec![255, 0, 0, 0, 255, 0, 0, 0, 255]);
        encoder.set_trns(vec![255, 128]);
    }
    encoder.write_header().unwrap().write_image_data(samples).unwrap();
}

/// A PNG of red, green, blue and alpha that a function gives, a byte each.
pub fn rgba(path: &Path, size: [u32; 2], pixel: impl Fn(u32, u32) -> [u8; 4]) {
    let samples: Vec<u8> = (0..size[1]).flat_map(|y| (0..size[0]).map(move |x| (x, y))).flat_map(|(x, y)| pixel(x, y)).collect();
    png(path, size, png::ColorType::Rgba, png::BitDepth::Eight, &samples);
}

/// The largest difference of two arrays is at most this.
pub fn close(what: &str, found: &[f64], expected: &[f64], bound: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (x, y)) in found.iter().zip(expected).enumerate() {
        assert!((x - y).abs() <= bound, "{what}[{i}] is {x}, not {y}");
    }
}

/// The words of an error, without the path that they begin with.
pub fn words<T: std::fmt::Debug>(result: monotile::Result<T>, path: &Path) -> String {
    let words = result.unwrap_err().to_string();
    words.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&words).to_owned()
}

/// A capture, read as it is without options.
pub fn read(path: &Path) -> monotile::Result<Capture> {
    Capture::read(path, &CaptureOptions::default())
}

/// The pose in OpenCV's axes, as reference files have it.
pub fn opencv(view: &CaptureView) -> Vec<f64> {
    let sign = |i: usize| if i == 1 || i == 2 { -1.0 } else { 1.0 };
    (0..4).flat_map(|i| view.view_from_world[i].map(|x| sign(i) * x)).collect()
}

/// All numbers of nested arrays.
pub fn numbers(x: &Value) -> Vec<f64> {
    x.as_array().unwrap().iter().flat_map(|x| x.as_f64().map_or_else(|| numbers(x), |x| vec![x])).collect()
}
