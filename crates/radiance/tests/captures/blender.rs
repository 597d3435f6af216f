//! Folders of NeRF's Blender scenes.

use std::path::Path;

use monotile_radiance::{Capture, CaptureOptions, CaptureSplit};

use super::shared::{cases, close, rgba, words};

/// A camera at (0, 0, 4) that looks down at the origin, and one on the x axis.
fn scene(folder: &Path) {
    let frame =
        |name: &str, matrix: &str| format!("{{\"file_path\": \"{name}\", \"rotation\": 0.1, \"transform_matrix\": {matrix}}}");
    let above = "[[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 4], [0, 0, 0, 1]]";
    let aside = "[[0, 0, 1, 4], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]";
    let document = |frames: &[String]| format!("{{\"camera_angle_x\": 0.8, \"frames\": [{}]}}", frames.join(", "));
    std::fs::write(folder.join("transforms_train.json"), document(&[frame("./train/r_0", above), frame("./train/v1.5", aside)]))
        .unwrap();
    std::fs::write(folder.join("transforms_val.json"), document(&[])).unwrap();
    std::fs::write(folder.join("transforms_test.json"), document(&[frame("./test/r_0", aside)])).unwrap();
    for name in ["train/r_0.png", "train/v1.5.png", "test/r_0.png"] {
        rgba(&folder.join(name), [6, 4], |x, y| [40 * x as u8, 60 * y as u8, 255, if x < 3 { 255 } else { 0 }]);
    }
}

#[test]
fn a_blender_folder_has_splits_poses_and_alpha() {
    let folder = tempfile::tempdir().unwrap();
    scene(folder.path());
    let capture = Capture::read(folder.path(), &CaptureOptions::default()).unwrap();
    assert_eq!((capture.format, capture.views.len(), capture.points.is_none()), ("Blender transforms", 3, true));
    assert_eq!([0, 1, 2].map(|k| CaptureSplit::ALL.map(|split| capture.of(split).count())[k]), [2, 0, 1]);
    let [above, aside] = [&capture.views[0], &capture.views[1]];
    assert_eq!((above.name.as_str(), above.width, above.height), ("./train/r_0", 6, 4));
    let f = 3.0 / 0.4_f64.tan();
    close("intrinsics", &above.intrinsics, &[f, f, 3.0, 2.0], 1e-12);
    close("above", above.view_from_world.as_flattened(), &[1., 0., 0., 0., 0., 1., 0., 0., 0., 0., 1., -4., 0., 0., 0., 1.], 1e-15);
    close("aside", aside.view_from_world.as_flattened(), &[0., 1., 0., 0., 0., 0., 1., 0., 1., 0., 0., -4., 0., 0., 0., 1.], 1e-15);
    // A point of the world is where the camera's matrices put it: (0.5, 0.25, 0) is 4 before the camera above.
    let camera = above.camera().unwrap();
    let point = monotile::Tensor::from([[0.5], [0.25], [0.0], [1.0]]);
    let clip = camera.clip_from_view.matmul(&camera.view_from_world.matmul(&point).unwrap()).unwrap().to_f64_vec().unwrap();
    let pixel = [(clip[0] / clip[3] + 1.0) * 3.0, (1.0 - clip[1] / clip[3]) * 2.0];
    close("pixel", &pixel, &[3.0 + f * 0.125, 2.0 - f * 0.0625], 1e-12);
    let picture = aside.picture().unwrap();
    assert_eq!((picture.rgba.shape(), picture.mask.is_none()), (&[4, 6, 4][..], true));
    let at = |x: usize, y: usize| picture.rgba.to_f64_vec().unwrap()[4 * (6 * y + x)..][..4].to_vec();
    close("pixel", &at(2, 3), &[80.0 / 255.0, 180.0 / 255.0, 1.0, 1.0], 1e-7);
    assert_eq!(at(3, 0)[3], 0.0);
}

#[test]
fn pictures_are_scaled_by_the_mean_of_what_is_not_transparent() {
    let folder = tempfile::tempdir().unwrap();
    scene(folder.path());
    let options = CaptureOptions { longest_side: Some(3), ..CaptureOptions::default() };
    let capture = Capture::read(folder.path(), &options).unwrap();
    let view = &capture.views[0];
    let f = 1.5 / 0.4_f64.tan();
    assert_eq!([view.width, view.height], [3, 2]);
    close("intrinsics", &view.intrinsics, &[f, f, 1.5, 1.0], 1e-12);
    let rgba = view.picture().unwrap().rgba;
    assert_eq!(rgba.shape(), [2, 3, 4]);
    let rgba = rgba.to_f64_vec().unwrap();
    // Columns 0 and 1; then 2, and the transparent 3.
    close("left", &rgba[..4], &[20.0 / 255.0, 30.0 / 255.0, 1.0, 1.0], 1e-6);
    close("middle", &rgba[4..8], &[80.0 / 255.0, 30.0 / 255.0, 1.0, 0.5], 1e-6);
    close("right", &rgba[8..12], &[0.0; 4], 0.0);
}

#[test]
fn what_is_missing_is_told_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let read = || Capture::read(folder.path(), &CaptureOptions::default());
    assert_eq!(
        words(read(), folder.path()),
        "has no capture that is known: no transforms.json, transforms_train.json or COLMAP model is there"
    );
    scene(folder.path());
    let picture = folder.path().join("train/r_0.png");
    std::fs::remove_file(&picture).unwrap();
    // It is as large as the next, until none is there.
    let capture = read().unwrap();
    assert_eq!((capture.views[0].width, capture.views[0].height, capture.info().missing.len()), (6, 4, 1));
    std::fs::remove_file(folder.path().join("train/v1.5.png")).unwrap();
    let train = folder.path().join("transforms_train.json");
    assert_eq!(words(read(), &train), "frame 0, ./train/r_0: there is neither a picture nor its size, w and h");
    std::fs::write(&picture, b"II\x2a\0").unwrap();
    assert_eq!(words(read(), &picture), "is a TIFF picture; pictures of a capture are PNG or JPEG");
    std::fs::write(&picture, b"\x89PNG\r\n").unwrap();
    assert_eq!(words(read(), &picture), "is a picture that ends before it says its size");
    rgba(&picture, [6, 4], |_, _| [0; 4]);
    let capture = read().unwrap();
    let whole = std::fs::read(&picture).unwrap();
    std::fs::write(&picture, &whole[..whole.len() - 20]).unwrap();
    assert!(words(capture.views[0].picture(), &picture).starts_with("is a picture that cannot be decoded: "));
    rgba(&picture, [8, 4], |_, _| [0; 4]);
    assert_eq!(words(capture.views[0].picture(), &picture), "is 8 x 4 pixels, and the capture says 6 x 4");
    std::fs::remove_file(&picture).unwrap();
    let said = words(capture.views[0].picture(), &picture);
    assert!(said.to_lowercase().contains("no such file"), "{said}");
}

#[test]
fn the_toy_has_eighty_views_and_ten() {
    let Some(folder) = cases("../data/lego") else { return };
    let capture = Capture::read(&folder, &CaptureOptions::default()).unwrap();
    assert_eq!(CaptureSplit::ALL.map(|split| capture.of(split).count()), [80, 0, 10]);
    let view = &capture.views[7];
    assert_eq!([view.width, view.height], [200, 200]);
    let mean = view.picture().unwrap().rgba.mean(&[0, 1], false).unwrap().to_f64_vec().unwrap();
    assert!(mean[3] > 0.1 && mean[3] < 0.6, "{mean:?}");
}
