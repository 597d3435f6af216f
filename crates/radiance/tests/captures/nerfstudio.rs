//! nerfstudio's `transforms.json`.

use monotile_radiance::{Capture, CaptureOptions, CaptureSplit, UpAxis};
use serde_json::{Value, json};

use super::shared::{cases, close, numbers, opencv, png, read, rgba, words};

#[test]
fn reference_files_have_their_verdicts() {
    let Some(folder) = cases("capture") else { return };
    let list: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("formats.json")).unwrap()).unwrap();
    let mut count = 0;
    for case in list.as_array().unwrap().iter().filter(|case| case["kind"] == "nerfstudio") {
        let path = folder.join(case["path"].as_str().unwrap());
        let read = read(&path);
        match (case["verdict"].as_str().unwrap(), &read) {
            ("refuse", Ok(_)) => panic!("{} is read", path.display()),
            ("read", Err(e)) => panic!("{e}"),
            _ => {}
        }
        if let Err(e) = &read {
            let words = e.to_string();
            assert!(words.starts_with(&path.display().to_string()) && !words.contains('\n') && words.len() < 400, "{words}");
        }
        count += 1;
        let (Ok(capture), Ok(text)) = (read, std::fs::read_to_string(path.join("expected.json"))) else { continue };
        let expected: Value = serde_json::from_str(&text).unwrap();
        for (view, frame) in capture.views.iter().zip(expected["frames"].as_array().into_iter().flatten()) {
            assert_eq!(view.name, frame["file_path"].as_str().unwrap());
            close(&view.name, &opencv(view), &numbers(&frame["view"]), 1e-13);
            let camera = &frame["camera"];
            let lens = view.lens().unwrap();
            assert_eq!(json!([lens.width, lens.height]), json!([camera["w"], camera["h"]]));
            let stated = ["fl_x", "fl_y", "cx", "cy"].map(|key| camera[key].as_f64().unwrap());
            close(&view.name, &lens.intrinsics, &stated, 1e-12);
            let k1 = camera["k1"].as_f64().unwrap_or(0.0);
            assert!(lens.is_pinhole() == (k1 == 0.0) && (k1 == 0.0 || lens.numbers()[4] == k1), "{lens:?}");
        }
        for split in CaptureSplit::ALL {
            let named = &expected[if split == CaptureSplit::Validation { "val" } else { split.name() }];
            let found: Vec<&str> = capture.of(split).map(|view| view.name.as_str()).collect();
            // A view that is in both lists is tested on.
            if split != CaptureSplit::Validation && named.is_array() {
                assert_eq!(json!(found), *named);
            }
        }
    }
    assert!(count >= 18);
}

/// A capture of one frame with these fields beside it and in it.
fn document(head: Value, frame: Value) -> Value {
    let mut whole = json!({ "w": 8, "h": 6, "fl_x": 7.0 });
    let mut one =
        json!({ "file_path": "images/a.png", "transform_matrix": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 4], [0, 0, 0, 1]] });
    for (to, from) in [(&mut whole, head), (&mut one, frame)] {
        to.as_object_mut().unwrap().extend(from.as_object().unwrap().clone());
        to.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    }
    whole["frames"] = json!([one]);
    whole
}

#[test]
fn what_is_no_capture_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("transforms.json");
    let words = |head: Value, frame: Value| {
        std::fs::write(&path, document(head, frame).to_string()).unwrap();
        words(read(folder.path()), &path)
    };
    let none = || json!({});
    assert_eq!(
        words(json!({ "fl_x": null }), none()),
        "frame 0, images/a.png: there is no focal length, fl_x, and no angle, camera_angle_x"
    );
    assert_eq!(words(json!({ "w": 8.5 }), none()), "frame 0, images/a.png: w is 8.5, which is no number of pixels");
    assert_eq!(words(json!({ "h": -6 }), none()), "frame 0, images/a.png: h is -6, which is no number of pixels");
    assert_eq!(words(json!({ "h": null }), none()), "frame 0, images/a.png: there is neither a picture nor its size, w and h");
    assert_eq!(words(json!({ "fl_x": 0 }), none()), "frame 0, images/a.png: a camera PINHOLE has focal lengths above 0, got 0");
    assert_eq!(
        words(json!({ "camera_model": "ORACLE" }), none()),
        "frame 0, images/a.png: camera_model ORACLE is none that is known"
    );
    assert_eq!(
        words(json!({ "camera_model": "EUCM" }), none()),
        "frame 0, images/a.png: camera_model EUCM takes 2 distortion_params, and 0 are there"
    );
    assert_eq!(words(none(), json!({ "file_path": null })), "has no file_path in frame 0, the name of its picture");
    assert_eq!(words(none(), json!({ "transform_matrix": null })), "has no transform_matrix in frame 0");
    let matrix = |matrix: Value| words(none(), json!({ "transform_matrix": matrix }));
    assert_eq!(matrix(json!("identity")), "has a transform_matrix in frame 0 that is no matrix of numbers");
    assert_eq!(matrix(json!([[1, 0], [0, 1]])), "has a transform_matrix in frame 0 that is 2 x 2, and one of a camera is 4 x 4");
    let rows = |a: f64, b: f64, last: f64| json!([[a, b, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, last]]);
    assert_eq!(matrix(rows(-1.0, 0.0, 1.0)), "has a transform_matrix in frame 0 that is a reflection: its determinant is below 0");
    assert_eq!(matrix(rows(0.0, 0.0, 1.0)), "has a transform_matrix in frame 0 that cannot be inverted");
    assert_eq!(
        matrix(rows(1.0, 0.5, 1.0)),
        "has a transform_matrix in frame 0 that is no rotation: its columns are not orthogonal and of one length"
    );
    assert_eq!(
        matrix(rows(1.0, 0.0, 2.0)),
        "has a transform_matrix in frame 0 that has the last row [0.0, 0.0, 0.0, 2.0], and that of a pose is 0, 0, 0, 1"
    );
    let text = |text: &str| {
        std::fs::write(&path, text).unwrap();
        super::shared::words(read(folder.path()), &path)
    };
    assert_eq!(text("{}"), "has no \"frames\", the list of its views");
    assert_eq!(text("{\"frames\": []}"), "has no frames: its list \"frames\" is empty");
    assert!(text("{\"frames\": [").starts_with("is no JSON of a capture: EOF"));
    assert!(text("{\"frames\": [5]}").starts_with("has a frame 0 that is none: "));
}

#[test]
fn a_picture_of_another_size_has_its_lens_scaled() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("transforms.json"), document(json!({ "cx": 5.0 }), json!({})).to_string()).unwrap();
    let picture = folder.path().join("images/a.png");
    rgba(&picture, [4, 3], |x, _| [50 * x as u8, 0, 0, 255]);
    let capture = read(folder.path()).unwrap();
    let view = &capture.views[0];
    assert_eq!(([view.width, view.height], view.split), ([4, 3], CaptureSplit::Train));
    close("intrinsics", &view.intrinsics, &[3.5, 3.5, 2.5, 1.5], 1e-15);
    assert_eq!(view.picture().unwrap().rgba.shape(), [3, 4, 4]);
    // Pictures of another folder, by the same names.
    let other = folder.path().join("small");
    rgba(&other.join("a.png"), [2, 2], |_, _| [9; 4]);
    let options = CaptureOptions { pictures: Some(other), ..CaptureOptions::default() };
    let view = &Capture::read(folder.path(), &options).unwrap().views[0];
    assert_eq!([view.width, view.height], [2, 2]);
    rgba(&picture, [4, 5], |_, _| [0; 4]);
    assert_eq!(words(read(folder.path()), &picture), "is 4 x 5 pixels, and its camera has 8 x 6, which is another shape");
}

#[test]
fn masks_are_read_beside_their_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let frame = json!({ "mask_path": "masks/a.png" });
    std::fs::write(folder.path().join("transforms.json"), document(json!({}), frame).to_string()).unwrap();
    rgba(&folder.path().join("images/a.png"), [8, 6], |_, _| [9, 9, 9, 255]);
    let path = folder.path().join("masks/a.png");
    let mask = || read(folder.path()).unwrap().views[0].picture().map(|picture| picture.mask.unwrap());
    let half: Vec<u8> = (0..48).map(|i| if i % 8 < 4 { 255 } else { 0 }).collect();
    png(&path, [8, 6], png::ColorType::Grayscale, png::BitDepth::Eight, &half);
    let found = mask().unwrap();
    assert_eq!((found.shape(), found.to_f64_vec().unwrap()[..8].to_vec()), (&[6, 8][..], vec![1., 1., 1., 1., 0., 0., 0., 0.]));
    png(&path, [4, 3], png::ColorType::Grayscale, png::BitDepth::Eight, &[255; 12]);
    assert_eq!(mask().unwrap().sum(&[], false).unwrap().to_f64_vec().unwrap(), [48.0]);
    png(&path, [8, 8], png::ColorType::Grayscale, png::BitDepth::Eight, &[255; 64]);
    assert_eq!(words(mask(), &path), "is a mask of 8 x 8 pixels, and its picture has 8 x 6");
}

#[test]
fn views_are_held_out_where_no_list_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let mut whole = document(json!({}), json!({}));
    let one = whole["frames"][0].clone();
    let frame = |i: usize| {
        let mut frame = one.clone();
        frame["file_path"] = json!(format!("images/{:02}.png", 16 - i));
        frame
    };
    whole["frames"] = (0..17).map(frame).collect();
    std::fs::write(folder.path().join("transforms.json"), whole.to_string()).unwrap();
    let held = |hold_out: usize| {
        let capture = Capture::read(folder.path(), &CaptureOptions { hold_out, ..CaptureOptions::default() }).unwrap();
        capture.of(CaptureSplit::Test).map(|view| view.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(held(8), ["images/16.png", "images/08.png", "images/00.png"]);
    assert_eq!((held(0).len(), held(18).len(), held(17).len()), (0, 0, 1));
    whole["test_filenames"] = json!(["./images/03.png", "images/99.png"]);
    std::fs::write(folder.path().join("transforms.json"), whole.to_string()).unwrap();
    assert_eq!(held(8), ["images/03.png"]);
    assert_eq!(read(folder.path()).unwrap().notes, ["the list of test views names images/99.png, which is no frame"]);
}

#[test]
fn points_are_read_as_text_and_as_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let head = json!({ "ply_file_path": "points.ply" });
    std::fs::write(folder.path().join("transforms.json"), document(head, json!({})).to_string()).unwrap();
    let capture = read(folder.path()).unwrap();
    assert_eq!((capture.points, capture.notes), (None, vec!["its points, points.ply, are not there".to_owned()]));
    let path = folder.path().join("points.ply");
    let points = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        read(folder.path()).map(|capture| capture.points.unwrap())
    };
    let header = |format: &str, count: &str, end: &str| {
        let scalars = ["float x", "float y", "double z", "uchar red", "uchar green", "uchar blue", "short more"];
        let properties: String = scalars.map(|scalar| format!("property {scalar}{end}")).concat();
        format!("ply{end}format {format} 1.0{end}comment by hand{end}element vertex {count}{end}{properties}end_header{end}")
    };
    let found = points(format!("{}1 2.5 -3e1 255 0 7 9\r\n4 5 6 1 2 3 -9\r\n", header("ascii", "2", "\r\n")).as_bytes()).unwrap();
    assert_eq!((found.positions, found.colors), (vec![[1.0, 2.5, -30.0], [4.0, 5.0, 6.0]], vec![[255, 0, 7], [1, 2, 3]]));
    for (format, big) in [("binary_little_endian", false), ("binary_big_endian", true)] {
        let mut bytes = header(format, "1", "\n").into_bytes();
        for float in [1.0_f32, 2.5] {
            bytes.extend(if big { float.to_be_bytes() } else { float.to_le_bytes() });
        }
        bytes.extend(if big { (-30.0_f64).to_be_bytes() } else { (-30.0_f64).to_le_bytes() });
        bytes.extend([255, 0, 7, 1, 1]);
        let found = points(&bytes).unwrap();
        assert_eq!((found.positions, found.colors), (vec![[1.0, 2.5, -30.0]], vec![[255, 0, 7]]));
        for cut in 0..bytes.len() {
            points(&bytes[..cut]).unwrap_err();
        }
    }
    let said = |text: String| words(points(text.as_bytes()), &path);
    assert_eq!(
        said(header("ascii", "9223372036854775807", "\n")),
        "says that it has 9223372036854775807 points, and 0 bytes are there"
    );
    assert_eq!(said(header("ascii", "1", "\n") + "1 2 3 4 5 six 7\n"), "has a point 0 that is no row of 7 numbers");
    assert_eq!(said(header("ascii", "1", "\n") + "nan 2 3 4 5 6 7\n"), "has a point 0 that is not finite");
    assert_eq!(said(header("ascii", "-1", "\n")), "has a count -1 of points that is none");
}

#[test]
fn lists_of_cameras_are_read_as_trainers_write_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cameras.json");
    let camera = |more: Value| {
        // At (1, 2, 3), looking along the world's x: right is -z, down is y.
        let rotation = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]];
        let mut camera = json!({
            "id": 0, "img_name": "0007", "width": 8, "height": 6, "position": [1, 2, 3], "rotation": rotation, "fx": 7.0, "fy": 7.5
        });
        camera.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        std::fs::write(&path, json!([camera]).to_string()).unwrap();
        read(&path)
    };
    let capture = camera(json!({})).unwrap();
    let view = &capture.views[0];
    assert_eq!((view.name.as_str(), view.width, view.height, view.intrinsics), ("0007", 8, 6, [7.0, 7.5, 4.0, 3.0]));
    close("opencv", &opencv(view), &[0., 0., -1., 3., 0., 1., 0., -2., 1., 0., 0., -1., 0., 0., 0., 1.], 1e-15);
    close("position", &view.position(), &[1.0, 2.0, 3.0], 1e-15);
    let said = |more: Value| words(camera(more), &path);
    assert_eq!(said(json!({ "fx": 0 })), "camera 0, 0007: a camera PINHOLE has focal lengths above 0, got 0");
    assert_eq!(said(json!({ "rotation": [[0, 0, 0], [0, 0, 0], [0, 0, 0]] })), "has a camera 0 whose pose cannot be inverted");
    assert!(said(json!({ "position": [1] })).starts_with("has a camera 0 that is none: "));
    std::fs::write(&path, " []").unwrap();
    assert_eq!(words(read(&path), &path), "has no cameras: its list is empty");
    assert!(Capture::is_at(&path) && !Capture::is_at(folder.path()));
}

/// Three cameras with z up: in a world with y down they are rotated by whole axes, and what is written back is what was read.
#[test]
fn a_capture_stands_upright_and_is_written_back_as_it_lay() {
    let folder = tempfile::tempdir().unwrap();
    // Cameras that look along y, x and their middle; the columns are right, up, backward, place.
    let half = 0.5_f64.sqrt();
    let poses = [
        [[1.0, 0.0, 0.0, 0.5], [0.0, 0.0, -1.0, -3.0], [0.0, 1.0, 0.0, 1.0]],
        [[0.0, 0.0, -1.0, -3.0], [-1.0, 0.0, 0.0, 0.25], [0.0, 1.0, 0.0, 1.5]],
        [[half, 0.0, -half, -2.0], [-half, 0.0, -half, -2.0], [0.0, 1.0, 0.0, 2.0]],
    ];
    let frame = |(i, rows): (usize, &[[f64; 4]; 3])| json!({ "file_path": format!("{i}.png"), "transform_matrix": [rows[0], rows[1], rows[2], [0.0, 0.0, 0.0, 1.0]] });
    let frames: Vec<Value> = poses.iter().enumerate().map(frame).collect();
    let document = json!({ "w": 80, "h": 60, "fl_x": 100.0, "frames": frames });
    std::fs::write(folder.path().join("transforms.json"), document.to_string()).unwrap();
    let capture = Capture::read(folder.path(), &CaptureOptions::default()).unwrap();
    assert_eq!(capture.up(), Some(UpAxis::Z));
    let upright = capture.clone().with_up(UpAxis::MinusY);
    assert_eq!(upright.up(), Some(UpAxis::MinusY));
    for (lay, stands) in capture.views.iter().zip(&upright.views) {
        let [x, y, z] = lay.position();
        assert_eq!(stands.position(), [x, -z, y]);
    }
    let out = folder.path().join("written");
    upright.write_cameras(&out).unwrap();
    let written: Value = serde_json::from_slice(&std::fs::read(out.join("transforms.json")).unwrap()).unwrap();
    assert_eq!(written, document);
    // Fewer cameras agree on nothing, and those that lie on all sides neither.
    let mut few = capture.clone();
    few.views.truncate(2);
    assert_eq!(few.up(), None);
    let mut lying = capture.clone();
    for (i, view) in lying.views.iter_mut().enumerate() {
        let up = [[1.0, 0.0, 0.0, 0.0], [-0.5, 0.8, 0.0, 0.0], [-0.5, -0.8, 0.0, 0.0]][i];
        view.view_from_world[1] = up;
    }
    assert_eq!(lying.up(), None);
    assert_eq!(lying.clone().with_up(UpAxis::MinusY).views[0].view_from_world, lying.views[0].view_from_world);
}
