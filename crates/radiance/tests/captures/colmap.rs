//! COLMAP's models.

use std::path::{Path, PathBuf};

use monotile_radiance::{Capture, CaptureSplit, CaptureView};
use serde_json::Value;

use super::shared::{cases, close, numbers, opencv, png, read, rgba, words};

#[test]
fn reference_models_have_their_verdicts() {
    let Some(folder) = cases("capture") else { return };
    let list: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("formats.json")).unwrap()).unwrap();
    let mut count = 0;
    for case in list.as_array().unwrap().iter().filter(|case| case["kind"] == "colmap") {
        let path = folder.join(case["path"].as_str().unwrap());
        let read = read(&path);
        match (case["verdict"].as_str().unwrap(), &read) {
            ("refuse", Ok(_)) => panic!("{} is read", path.display()),
            ("read", Err(e)) => panic!("{e}"),
            _ => {}
        }
        if let Err(e) = &read {
            println!("{e}");
            let words = e.to_string();
            assert!(words.starts_with(&path.display().to_string()) && !words.contains('\n') && words.len() < 400, "{words}");
        }
        count += 1;
        if let (Ok(capture), Ok(text)) = (read, std::fs::read_to_string(path.join("expected.json"))) {
            is_expected(&capture, &serde_json::from_str(&text).unwrap());
        }
    }
    assert!(count >= 30);
}

fn is_expected(capture: &Capture, expected: &Value) {
    let images = expected["images"].as_array().unwrap();
    // The six sides of a panorama are views of one image.
    let views: Vec<&CaptureView> =
        capture.views.iter().filter(|view| !view.name.contains('#') || view.name.ends_with("#front")).collect();
    assert_eq!(views.len(), images.len());
    for image in images {
        let name = image["name"].as_str().unwrap();
        let view = views.iter().find(|view| view.name.trim_end_matches("#front") == name).unwrap();
        close(name, &opencv(view), &numbers(&image["view"]), 1e-14);
        close(name, &view.position(), &numbers(&image["centre"]), 1e-13);
        let camera = expected["cameras"].as_array().unwrap().iter().find(|camera| camera["id"] == image["camera"]).unwrap();
        let lens = view.lens().unwrap();
        assert_eq!(lens.model.name(), camera["model"].as_str().unwrap());
        assert_eq!([lens.width as u64, lens.height as u64], ["width", "height"].map(|side| camera[side].as_u64().unwrap()));
        let panorama = lens.numbers().len() == 2;
        close(name, &lens.numbers(), &numbers(&camera["params"]), if panorama { 1e-13 } else { 0.0 });
    }
    let Some(cloud) = &capture.points else { return };
    let points = expected["points"].as_array().unwrap();
    assert_eq!(cloud.positions.len(), points.len());
    for point in points {
        let xyz = numbers(&point["xyz"]);
        let place = cloud.positions.iter().position(|p| p[..] == xyz[..]).unwrap();
        assert_eq!(cloud.colors[place].map(f64::from)[..], numbers(&point["rgb"])[..]);
    }
}

/// A model of two images as text: 1 a camera of two kinds, 2 poses, 3 points.
const CAMERAS: &str = "# cameras\n1 PINHOLE 8 6 7 7.5 4 3\n2 SIMPLE_RADIAL 8 6 7 4 3 0.1\n";
const IMAGES: &str = "# images\n1 1 0 0 0 0.25 -0.5 4 1 a b.png\n\n7 0.5 0.5 -0.5 0.5 0 0 3 2 c/d.png\n1.5 2.5 -1 3 4 5\n";
const POINTS: &str = "1 0.5 -1 2 255 0 7 0.1 1 0\n";

fn write_text(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, text) in [("cameras", CAMERAS), ("images", IMAGES), ("points3D", POINTS)] {
        std::fs::write(folder.join(name).with_extension("txt"), text).unwrap();
    }
}

/// The same as binary files.
fn write_binary(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let f64s = |x: &[f64]| x.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let camera = |id: u32, model: u32, params: &[f64]| {
        [&id.to_le_bytes()[..], &model.to_le_bytes(), &8_u64.to_le_bytes(), &6_u64.to_le_bytes(), &f64s(params)].concat()
    };
    let image = |id: u32, pose: &[f64], camera: u32, name: &str, observations: &[u8]| {
        let count = (observations.len() / 24) as u64;
        [&id.to_le_bytes()[..], &f64s(pose), &camera.to_le_bytes(), name.as_bytes(), &[0], &count.to_le_bytes(), observations]
            .concat()
    };
    let count = |n: u64| n.to_le_bytes().to_vec();
    let cameras = [count(2), camera(1, 1, &[7.0, 7.5, 4.0, 3.0]), camera(2, 2, &[7.0, 4.0, 3.0, 0.1])].concat();
    let first = image(1, &[1.0, 0.0, 0.0, 0.0, 0.25, -0.5, 4.0], 1, "a b.png", &[]);
    let second = image(7, &[0.5, 0.5, -0.5, 0.5, 0.0, 0.0, 3.0], 2, "c/d.png", &[0; 48]);
    let point = [&1_u64.to_le_bytes()[..], &f64s(&[0.5, -1.0, 2.0]), &[255, 0, 7], &f64s(&[0.1]), &count(1), &[0; 8]].concat();
    let images = [count(2), first, second].concat();
    for (name, bytes) in [("cameras", cameras), ("images", images), ("points3D", [count(1), point].concat())] {
        std::fs::write(folder.join(name).with_extension("bin"), bytes).unwrap();
    }
}

fn poses(capture: &Capture) -> Vec<[[f64; 4]; 4]> {
    capture.views.iter().map(|view| view.view_from_world).collect()
}

#[test]
fn text_and_binary_say_the_same_wherever_they_are() {
    let folder = tempfile::tempdir().unwrap();
    for (k, place) in ["sparse/0", "sparse", "colmap/sparse/0", "dense/0/sparse", ""].into_iter().enumerate() {
        let root = folder.path().join(k.to_string());
        let model = root.join(place);
        if k % 2 == 0 {
            write_text(&model)
        } else {
            write_binary(&model)
        }
        let pictures = if place.starts_with("dense") { root.join("dense/0/images") } else { root.join("images_2") };
        for name in ["a b.png", "c/d.png"] {
            rgba(&pictures.join(name), [4, 3], |_, _| [7; 4]);
        }
        for path in [&root, &model] {
            let capture = read(path).unwrap();
            assert_eq!((capture.views.len(), capture.of(CaptureSplit::Train).count()), (2, 2));
            let [first, second] = [&capture.views[0], &capture.views[1]];
            assert_eq!((first.name.as_str(), second.name.as_str()), ("a b.png", "c/d.png"));
            let expected = [1.0, 0.0, 0.0, 0.25, 0.0, -1.0, 0.0, 0.5, 0.0, 0.0, -1.0, -4.0, 0.0, 0.0, 0.0, 1.0];
            close("pose", first.view_from_world.as_flattened(), &expected, 0.0);
            // 120 degrees about (1, -1, 1) permute the axes with signs.
            let expected = [0.0, -1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 1.0];
            close("pose", &opencv(second), &expected, 1e-14);
            // Pictures of half the size that the model names.
            close("intrinsics", &first.intrinsics, &[3.5, 3.75, 2.0, 1.5], 0.0);
            assert!(first.has_picture() && first.picture().unwrap().rgba.shape() == [3, 4, 4], "{place}");
            let points = capture.points.unwrap();
            assert_eq!((points.positions, points.colors), (vec![[0.5, -1.0, 2.0]], vec![[255, 0, 7]]));
        }
    }
}

#[test]
fn of_two_models_the_one_with_pictures_is_read() {
    let folder = tempfile::tempdir().unwrap();
    write_text(&folder.path().join("sparse/0"));
    write_binary(&folder.path().join("dense/0/sparse"));
    assert_eq!(read(folder.path()).unwrap().format, "COLMAP text model");
    rgba(&folder.path().join("dense/0/images/a b.png"), [8, 6], |_, _| [7; 4]);
    let capture = read(folder.path()).unwrap();
    assert_eq!((capture.format, capture.info().missing), ("COLMAP binary model", vec!["c/d.png".to_owned()]));
}

#[test]
fn masks_stand_beside_the_pictures() {
    let folder = tempfile::tempdir().unwrap();
    write_text(&folder.path().join("sparse/0"));
    rgba(&folder.path().join("images/a b.png"), [8, 6], |_, _| [7; 4]);
    let mask = folder.path().join("masks/a b.png.png");
    png(&mask, [8, 6], png::ColorType::Grayscale, png::BitDepth::Eight, &[255; 48]);
    let capture = read(folder.path()).unwrap();
    assert!(capture.views[0].picture().unwrap().mask.is_some());
    let info = capture.info();
    assert_eq!((info.masks, info.missing, info.points), (1, vec!["c/d.png".to_owned()], Some(1)));
    assert_eq!(info.splits, [2, 0, 0]);
    assert_eq!(info.lenses.iter().map(|(model, n)| (model.name(), *n)).collect::<Vec<_>>(), [("PINHOLE", 1), ("SIMPLE_RADIAL", 1)]);
}

#[test]
fn a_file_that_ends_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_binary(folder.path());
    read(folder.path()).unwrap();
    for name in ["cameras.bin", "images.bin", "points3D.bin"] {
        let path = folder.path().join(name);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let error = read(folder.path()).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        // Any byte changed is read or refused, and no panic.
        for at in 0..whole.len() {
            for value in [0, 0x7f, 0xff] {
                let mut changed = whole.clone();
                changed[at] = value;
                std::fs::write(&path, &changed).unwrap();
                let _ = read(folder.path());
            }
        }
        std::fs::write(&path, [&whole[..], &[0]].concat()).unwrap();
        assert!(words(read(folder.path()), &path).ends_with("and 1 bytes follow them"));
        std::fs::write(&path, whole).unwrap();
    }
}

#[test]
fn what_is_no_model_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let said = |name: &str, text: &str| {
        write_text(folder.path());
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        words(read(folder.path()), &path)
    };
    assert_eq!(said("cameras.txt", "1 NIKON 8 6 7\n"), "has a line 1 with a camera model NIKON, which is none that is known");
    assert_eq!(said("cameras.txt", "1 PINHOLE wide 6 7\n"), "has a line 1 whose width is \"wide\"");
    assert_eq!(said("cameras.txt", "1 PINHOLE 8 6 7 7 4\n"), "has a camera 1 that is none: a camera PINHOLE has 4 numbers, got 3");
    assert_eq!(said("cameras.txt", &(CAMERAS.to_owned() + CAMERAS)), "has a camera 1 twice");
    assert_eq!(
        said("images.txt", &IMAGES.replace(" 2 c/d.png", " 9 c/d.png")),
        "has an image 7 (c/d.png) with a camera 9, which is not there"
    );
    assert_eq!(
        said("images.txt", &IMAGES.replace("0.5 0.5 -0.5 0.5", "0 0 0 0")),
        "has an image 7 (c/d.png) whose quaternion has a length of 0"
    );
    assert_eq!(said("images.txt", &IMAGES.replace("0 0 3 2", "0 nan 3 2")), "has an image 7 (c/d.png) whose pose is not finite");
    assert_eq!(
        said("images.txt", &IMAGES.replace(" -1 3 4 5", " -1 3 4")),
        "has a line 5 of 5 numbers; observations have three each"
    );
    assert_eq!(said("images.txt", &IMAGES.replace("a b.png\n\n", "a b.png\n")), "has a line 3 whose observation is \"c/d.png\"");
    assert_eq!(said("images.txt", "1 1 0 0 0\n"), "has a line 1 that ends before its translation");
    assert_eq!(said("images.txt", "1 1 0 0 0 0 0 0 1\n"), "has a line 1 that ends before its name");
    assert_eq!(said("images.txt", &IMAGES.replace("7 0.5", "1 0.5")), "has an image 1 twice");
    assert_eq!(said("images.txt", "# nothing\n"), "has no images: no view of the capture is there");
    assert_eq!(said("points3D.txt", "1 2 3 inf 0 0 0 1\n"), "has a point 1 that is not finite");
    assert_eq!(said("points3D.txt", "1 2 3 4 0 0 256 1\n"), "has a line 1 whose blue is \"256\"");
}

/// A view moved a little.
fn move_view(view: &mut CaptureView) {
    let (sin, cos) = 0.1_f64.sin_cos();
    let v = view.view_from_world;
    for k in 0..4 {
        view.view_from_world[0][k] = cos * v[0][k] - sin * v[1][k];
        view.view_from_world[1][k] = sin * v[0][k] + cos * v[1][k];
    }
    view.view_from_world[2][3] += 0.5;
}

#[test]
fn refined_poses_are_written_in_the_capture_s_own_format() {
    let folder = tempfile::tempdir().unwrap();
    for (write, ending) in [(write_text as fn(&Path), "txt"), (write_binary, "bin")] {
        let from: PathBuf = folder.path().join(ending);
        write(&from);
        std::fs::write(from.join(format!("rigs.{ending}")), b"rigs").unwrap();
        let mut capture = read(&from).unwrap();
        move_view(&mut capture.views[1]);
        let to = folder.path().join(format!("{ending}-refined/sparse"));
        capture.write_cameras(&to).unwrap();
        let found = read(&to).unwrap();
        assert_eq!(poses(&found)[0], poses(&capture)[0]);
        close("pose", poses(&found)[1].as_flattened(), poses(&capture)[1].as_flattened(), 1e-14);
        assert_eq!((found.points, found.views[1].lens()), (capture.points.clone(), capture.views[1].lens()));
        assert_eq!(std::fs::read(to.join(format!("rigs.{ending}"))).unwrap(), b"rigs");
        // What has not moved is the same to the byte.
        let images = |folder: &Path| std::fs::read(folder.join(format!("images.{ending}"))).unwrap();
        let again = folder.path().join("again");
        read(&from).unwrap().write_cameras(&again).unwrap();
        assert_eq!(images(&again), images(&from));
        // And in place.
        capture.write_cameras(&from).unwrap();
        assert_eq!(images(&from), images(&to));
    }
    let mut capture = read(&folder.path().join("txt")).unwrap();
    capture.views[0].view_from_world[0] = [0.0; 4];
    let said = capture.write_cameras(folder.path().join("no")).unwrap_err().to_string();
    assert_eq!(said, "write_cameras: the pose of the view a b.png cannot be inverted");
    assert!(!folder.path().join("no").exists());
}

#[test]
fn any_capture_is_written_as_transforms() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("sparse/0");
    write_text(&model);
    // All models of lenses that a line can have.
    let one = "60 33 23";
    let two = "60 62 33 23";
    let lenses = [
        ("SIMPLE_PINHOLE", one, ""),
        ("PINHOLE", two, ""),
        ("SIMPLE_RADIAL", one, "0.1"),
        ("RADIAL", one, "0.1 -0.02"),
        ("OPENCV", two, "0.1 -0.02 0.001 0.002"),
        ("OPENCV_FISHEYE", two, "0.03 -0.01 0.002 0.001"),
        ("FULL_OPENCV", two, "0.1 0.02 0.001 -0.002 0.01 0.1 0.01 0.002"),
        ("FOV", two, "0.9"),
        ("SIMPLE_RADIAL_FISHEYE", one, "0.03"),
        ("RADIAL_FISHEYE", one, "0.03 -0.01"),
        ("THIN_PRISM_FISHEYE", two, "0.03 -0.01 0.002 0.001 0.002 -0.001 0.003 -0.002"),
        ("RAD_TAN_THIN_PRISM_FISHEYE", two, "0.03 -0.01 0.002 -0.001 0.0002 0.0001 0.002 0.001 0.003 -0.001 0.002 0.001"),
        ("SIMPLE_DIVISION", one, "-0.1"),
        ("DIVISION", two, "0.1"),
        ("SIMPLE_FISHEYE", one, ""),
        ("FISHEYE", two, ""),
        ("EUCM", two, "0.6 1.1"),
        ("EQUIRECTANGULAR", "64 48", ""),
    ];
    let line = |(i, (model, head, rest)): (usize, &(&str, &str, &str))| format!("{i} {model} 64 48 {head} {rest}\n");
    std::fs::write(model.join("cameras.txt"), lenses.iter().enumerate().map(line).collect::<String>()).unwrap();
    let image = |i: usize| format!("{i} 0.5 0.5 -0.5 {} 0 0 3 {i} {i}.png\n\n", 0.5 + 0.1 * i as f64);
    std::fs::write(model.join("images.txt"), (0..lenses.len()).map(image).collect::<String>()).unwrap();
    let capture = read(folder.path()).unwrap();
    let path = folder.path().join("out/transforms.json");
    std::fs::create_dir(folder.path().join("out")).unwrap();
    capture.write_cameras(&path).unwrap();
    let found = read(&path).unwrap();
    assert_eq!(found.views.len(), capture.views.len());
    for (found, view) in found.views.iter().zip(&capture.views) {
        assert_eq!((found.split, found.width, found.height), (view.split, view.width, view.height), "{}", view.name);
        close(&view.name, found.view_from_world.as_flattened(), view.view_from_world.as_flattened(), 1e-14);
        close(&view.name, &found.intrinsics, &view.intrinsics, 1e-9);
    }
    // Its own format is then nerfstudio's.
    let mut capture = found;
    move_view(&mut capture.views[3]);
    capture.write_cameras(folder.path().join("moved")).unwrap();
    let found = read(&folder.path().join("moved")).unwrap();
    assert_eq!(poses(&found)[2], poses(&capture)[2]);
    close("moved", poses(&found)[3].as_flattened(), poses(&capture)[3].as_flattened(), 1e-14);
}
