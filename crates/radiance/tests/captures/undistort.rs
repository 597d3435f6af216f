//! Pictures through lenses with distortion, drawn again as a pinhole would have seen them.

use std::path::Path;

use monotile_radiance::{Capture, CaptureLens, CaptureOptions, CaptureView, LensModel, PixelRays};

use super::shared::{close, png, rgba};

/// What is seen in a direction: waves along two axes, so that a picture can be computed anywhere.
fn scene([x, y, z]: [f64; 3]) -> [f64; 3] {
    let (a, b) = (x / z, y / z);
    [0.5 + 0.4 * (5.0 * a).sin(), 0.5 + 0.4 * (5.0 * b).cos(), 0.5 + 0.3 * (3.0 * (a + b)).sin()]
}

/// A capture of a model with one camera, whose picture is drawn through it, red its first column alone transparent.
fn write(folder: &Path, lens: &CaptureLens) {
    let numbers: Vec<String> = lens.numbers().iter().map(f64::to_string).collect();
    let camera = format!("1 {} {} {} {}\n", lens.model.name(), lens.width, lens.height, numbers.join(" "));
    std::fs::write(folder.join("cameras.txt"), camera).unwrap();
    std::fs::write(folder.join("images.txt"), "1 1 0 0 0 0 0 0 1 a.png\n\n").unwrap();
    let color = |x: u32, y: u32| {
        let Some(ray) = lens.ray([f64::from(x) + 0.5, f64::from(y) + 0.5]) else { return [0; 4] };
        let [r, g, b] = scene(ray).map(|x| (255.0 * x).round() as u8);
        [r, g, b, 255]
    };
    rgba(&folder.join("images/a.png"), [lens.width as u32, lens.height as u32], color);
}

fn read(folder: &Path) -> CaptureView {
    Capture::read(folder, &CaptureOptions::default()).unwrap().views.remove(0)
}

fn lenses() -> Vec<CaptureLens> {
    use LensModel as M;
    [
        (M::SimpleRadial, vec![120.0, 64.0, 48.0, -0.2]),
        (M::Radial, vec![120.0, 66.0, 47.0, 0.2, 0.05]),
        (M::OpenCv, vec![120.0, 118.0, 62.0, 50.0, -0.15, 0.04, 0.004, -0.006]),
        (M::OpenCvFisheye, vec![80.0, 82.0, 64.0, 48.0, 0.05, -0.01, 0.0, 0.0]),
        (M::FieldOfView, vec![100.0, 100.0, 64.0, 48.0, 0.8]),
        (M::Division, vec![110.0, 110.0, 64.0, 48.0, -0.3]),
        (M::Eucm, vec![90.0, 90.0, 64.0, 48.0, 0.6, 1.1]),
    ]
    .into_iter()
    .map(|(model, numbers)| CaptureLens::new(model, [128, 96], &numbers).unwrap())
    .collect()
}

#[test]
fn a_pinhole_sees_what_the_lens_saw() {
    let folder = tempfile::tempdir().unwrap();
    for lens in lenses() {
        write(folder.path(), &lens);
        let view = read(folder.path());
        let [fx, fy, cx, cy] = view.intrinsics;
        assert_eq!([fx, fy], [lens.intrinsics[0], lens.intrinsics[1]], "the middle keeps its scale");
        let picture = view.picture().unwrap();
        assert!(picture.mask.is_none(), "{lens:?}: everything of {} x {} is seen", view.width, view.height);
        let found = picture.rgba.to_f64_vec().unwrap();
        let (mut worst, mut largest) = (0.0_f64, 0.0_f64);
        for (i, p) in found.chunks(4).enumerate() {
            let at = [(i % view.width) as f64 + 0.5, (i / view.width) as f64 + 0.5];
            let direction = [(at[0] - cx) / fx, (at[1] - cy) / fy, 1.0];
            let expected = scene(direction);
            assert_eq!(p[3], 1.0);
            (0..3).for_each(|k| worst = worst.max((p[k] - expected[k]).abs()));
            largest = largest.max(direction[0].abs()).max(direction[1].abs());
        }
        // Bilinear between pixels 1/80 apart, half a pixel from the edges: h² f'' / 8 of f'' = 10 inside, h f' / 2 of f' = 2 at the edges.
        assert!(worst < 0.02, "{}: {worst} in {} x {}", lens.model.name(), view.width, view.height);
        assert!(view.width >= 80 && view.height >= 60 && largest > 0.3, "{} x {}", view.width, view.height);
    }
}

#[test]
fn straight_lines_are_straight_again() {
    let folder = tempfile::tempdir().unwrap();
    for lens in lenses() {
        write(folder.path(), &lens);
        // A white line x = 0.1 + 0.5 y of the plane z = 1, four hundredths wide, drawn through the lens.
        let color = |x: u32, y: u32| {
            let Some([a, b, c]) = lens.ray([f64::from(x) + 0.5, f64::from(y) + 0.5]) else { return [0; 4] };
            let away = (a / c - 0.1 - 0.5 * b / c).abs();
            let level = (255.0 * (1.0 - away / 0.04).clamp(0.0, 1.0)).round() as u8;
            [level, level, level, 255]
        };
        rgba(&folder.path().join("images/a.png"), [128, 96], color);
        let view = read(folder.path());
        let found = view.picture().unwrap().rgba.to_f64_vec().unwrap();
        let [fx, fy, cx, cy] = view.intrinsics;
        for y in 2..view.height - 2 {
            // The middle of the light of a row.
            let row = &found[4 * view.width * y..][..4 * view.width];
            let total: f64 = row.chunks(4).map(|p| p[0]).sum();
            let mean = row.chunks(4).enumerate().map(|(x, p)| p[0] * (x as f64 + 0.5)).sum::<f64>() / total;
            let expected = cx + fx * (0.1 + 0.5 * (y as f64 + 0.5 - cy) / fy);
            let inside = expected > 8.0 && expected < view.width as f64 - 8.0;
            assert!(!inside || (mean - expected).abs() < 0.1, "{}: row {y} at {mean}, not {expected}", lens.model.name());
        }
    }
}

#[test]
fn what_a_wide_lens_does_not_see_is_masked() {
    let folder = tempfile::tempdir().unwrap();
    // A circle of 180 degrees in the middle of the picture, and beyond it the directions behind.
    let lens = CaptureLens::new(LensModel::Fisheye, [128, 96], &[30.0, 30.0, 64.0, 48.0]).unwrap();
    write(folder.path(), &lens);
    let view = read(folder.path());
    assert_eq!([view.width, view.height], [256, 192], "at most twice as far from the centre");
    assert!(view.picture().unwrap().mask.is_none());
    // This one ends where it no longer grows.
    let lens = CaptureLens::new(LensModel::SimpleRadial, [128, 96], &[40.0, 64.0, 48.0, -0.2]).unwrap();
    write(folder.path(), &lens);
    let view = read(folder.path());
    let mask = view.picture().unwrap().mask.unwrap().to_f64_vec().unwrap();
    let at = |x: usize, y: usize| mask[y * view.width + x];
    assert_eq!((at(0, 0), at(view.width / 2, view.height / 2)), (0.0, 1.0));
    let alpha = view.picture().unwrap().rgba.to_f64_vec().unwrap()[3];
    assert_eq!(alpha, 0.0);
}

#[test]
fn masks_follow_their_pictures_through_the_lens() {
    let folder = tempfile::tempdir().unwrap();
    let lens = &lenses()[2];
    write(folder.path(), lens);
    // The mask is white where a direction has x < 0.1.
    let seen = |x: u32, y: u32| lens.ray([f64::from(x) + 0.5, f64::from(y) + 0.5]).is_some_and(|r| r[0] / r[2] < 0.1);
    let samples: Vec<u8> = (0..96).flat_map(|y| (0..128).map(move |x| if seen(x, y) { 255 } else { 0 })).collect();
    png(&folder.path().join("masks/a.png"), [128, 96], png::ColorType::Grayscale, png::BitDepth::Eight, &samples);
    let view = read(folder.path());
    let mask = view.picture().unwrap().mask.unwrap();
    assert_eq!(mask.shape(), [view.height, view.width]);
    for (i, m) in mask.to_f64_vec().unwrap().iter().enumerate() {
        let x = ((i % view.width) as f64 + 0.5 - view.intrinsics[2]) / view.intrinsics[0];
        assert!((x - 0.1).abs() < 0.02 || (*m - if x < 0.1 { 1.0 } else { 0.0 }).abs() < 1e-6, "{x} {m}");
    }
}

#[test]
fn a_panorama_is_six_views() {
    let folder = tempfile::tempdir().unwrap();
    let lens = CaptureLens::new(LensModel::Equirectangular, [256, 128], &[256.0, 128.0]).unwrap();
    write(folder.path(), &lens);
    // A colour of the direction itself.
    let color = |x: u32, y: u32| {
        let ray = lens.ray([f64::from(x) + 0.5, f64::from(y) + 0.5]).unwrap();
        let [r, g, b] = ray.map(|x| (127.5 + 127.5 * x).round() as u8);
        [r, g, b, 255]
    };
    rgba(&folder.path().join("images/a.png"), [256, 128], color);
    let capture = Capture::read(folder.path(), &CaptureOptions { hold_out: 0, ..CaptureOptions::default() }).unwrap();
    let names: Vec<&str> = capture.views.iter().map(|view| view.name.as_str()).collect();
    assert_eq!(names, ["a.png#front", "a.png#right", "a.png#back", "a.png#left", "a.png#up", "a.png#down"]);
    for view in &capture.views {
        assert_eq!((view.width, view.height, view.intrinsics), (64, 64, [32.0; 4]));
        let picture = view.picture().unwrap();
        assert!(picture.mask.is_none());
        for (i, p) in picture.rgba.to_f64_vec().unwrap().chunks(4).enumerate() {
            let [x, y] = [(i % 64) as f64 + 0.5, (i / 64) as f64 + 0.5];
            // In the view's own axes, y up and z backward; then in the world, whose axes are the panorama's.
            let own = [(x - 32.0) / 32.0, -(y - 32.0) / 32.0, -1.0];
            let v = &view.view_from_world;
            let world = [0, 1, 2].map(|k| (0..3).map(|row| v[row][k] * own[row]).sum::<f64>());
            let length = world.iter().map(|x| x * x).sum::<f64>().sqrt();
            close(&view.name, &p[..3], &world.map(|x| 0.5 + 0.5 * x / length), 0.01);
        }
    }
}

#[test]
fn pictures_have_the_same_bits_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let lens = CaptureLens::new(LensModel::SimpleRadial, [640, 480], &[500.0, 320.0, 240.0, -0.2]).unwrap();
    write(folder.path(), &lens);
    let options = CaptureOptions { longest_side: Some(300), ..CaptureOptions::default() };
    let bits = |threads: usize| {
        monotile::set_threads(threads);
        let view = Capture::read(folder.path(), &options).unwrap().views.remove(0);
        view.picture().unwrap().rgba.to_vec::<f32>().unwrap().iter().map(|x| x.to_bits()).collect::<Vec<_>>()
    };
    let one = bits(1);
    assert!(one == bits(2) && one == bits(3));
}
