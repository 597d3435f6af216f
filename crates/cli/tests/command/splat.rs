//! `splat`: the pictures it writes, what it tells of a file, and the words of its refusals.

use std::fs;
use std::path::Path;

use super::{Finished, monotile};

const PROPERTIES: [&str; 14] =
    ["x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"];

/// A red splat and a blue one; y points down.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let rows: [[f32; 14]; 2] = [
        [-0.5, 0.0, 0.0, 1.7, -1.7, -1.7, 4.0, -1.5, -1.5, -1.5, 1.0, 0.0, 0.0, 0.0],
        [0.5, 0.2, 0.1, -1.7, -1.7, 1.7, 4.0, -1.5, -1.2, -1.5, 1.0, 0.0, 0.0, 0.0],
    ];
    let header = PROPERTIES.map(|name| format!("property float {name}\n")).concat();
    let mut file =
        format!("ply\nformat binary_little_endian 1.0\ncomment a test\nelement vertex 2\n{header}end_header\n").into_bytes();
    file.extend(rows.as_flattened().iter().flat_map(|x| x.to_le_bytes()));
    fs::write(folder.path().join("scene.ply"), file).unwrap();
    folder
}

fn render(folder: &Path, more: &[&str]) -> Finished {
    monotile(folder, &[&["splat", "render", "scene.ply", "--size", "40x30"], more].concat())
}

#[test]
fn pictures_and_turns_are_the_same_each_time() {
    let folder = folder();
    let file = |name: &str| fs::read(folder.path().join(name)).unwrap();
    render(folder.path(), &[]).succeeds();
    render(folder.path(), &["-o", "again.png"]).succeeds();
    assert!(file("scene.png") == file("again.png"));
    for more in [&["--camera", "orbit:120,10,0.8"][..], &["--depth"], &["--background", "none"], &["--up", "z"], &["--antialiased"]]
    {
        render(folder.path(), &[more, &["-o", "other.png"]].concat()).succeeds();
        assert!(file("other.png") != file("scene.png"), "{more:?}");
    }
    render(folder.path(), &["--orbit", "--frames", "3", "-o", "frames/%02d.png"]).succeeds();
    assert!(file("frames/00.png") != file("frames/02.png"));
    render(folder.path(), &["--orbit", "--frames", "3", "-o", "scene.gif"]).succeeds();
    assert!(file("scene.gif").starts_with(b"GIF89a"));
}

#[test]
fn an_adapter_draws_the_same_scene_and_the_same_bytes_again() {
    let folder = folder();
    let file = |name: &str| fs::read(folder.path().join(name)).unwrap();
    // A driver may say something of its own on standard error.
    let refused = render(folder.path(), &["--device", "no such adapter"]);
    assert!(refused.status == Some(1) && refused.stderr.contains("device: "), "{}", refused.stderr);
    let listed = monotile(folder.path(), &["devices", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed.stdout).unwrap();
    if listed["adapters"].as_array().unwrap().is_empty() {
        return println!("skipped: no adapter");
    }
    for name in ["gpu.png", "again.png"] {
        render(folder.path(), &["--device", "gpu", "-o", name]).succeeds();
    }
    assert!(file("gpu.png") == file("again.png"));
    render(folder.path(), &["--orbit", "--frames", "2", "--depth", "--device", "gpu", "-o", "frames/%02d.png"]).succeeds();
    assert!(file("frames/00.png") != file("frames/01.png"));
}

#[test]
fn info_tells_what_a_file_holds() {
    let folder = folder();
    let told = monotile(folder.path(), &["splat", "info", "scene.ply"]).succeeds();
    assert!(told.contains("PLY, 2 splats, harmonics of degree 0") && told.contains("comment: a test"), "{told}");
    let json = monotile(folder.path(), &["splat", "info", "scene.ply", "--json"]).succeeds();
    assert!(json.contains("\"splats\":2") && json.contains("\"degree\":0"), "{json}");
}

#[test]
fn a_splat_that_cannot_be_drawn_is_left_out_and_counted() {
    let folder = folder();
    let path = folder.path().join("scene.ply");
    let mut bytes = fs::read(&path).unwrap();
    // The first number of the second splat.
    let at = bytes.len() - 56;
    bytes[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let told = monotile(folder.path(), &["splat", "info", "scene.ply"]);
    let (out, words) = (&told.stdout, &told.stderr);
    assert!(out.contains("PLY, 1 splat, harmonics") && out.contains("1 splat cannot be drawn, number 1 first"), "{out}");
    assert!(words.contains("1 splat is left out: a number there is NaN or infinite, or a quaternion is 0"), "{words}");
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let folder = folder();
    let at = folder.path();
    render(at, &["--orbit"])
        .is_wrong_usage("splat render: --orbit draws an animation, a .gif, an .apng or frames/%04d.png, and nothing else does");
    render(at, &["--camera", "front"])
        .is_wrong_usage("splat render: there is no file front of cameras; stand anywhere by --camera orbit:30,20");
    render(at, &["--fov", "180"]).is_wrong_usage("splat render: --fov is from 1 to 170 degrees");
    render(at, &["--background", "sky"]).is_wrong_usage("\"sky\" is no background; it is none, or a colour like #f4f0e8");
    fs::write(at.join("cut.splat"), [0; 33]).unwrap();
    monotile(at, &["splat", "info", "cut.splat"])
        .fails_with("error: cut.splat: has 33 bytes, and a .splat has 32 for each splat: it is cut off, or no such file");
}

#[test]
fn scenes_become_files_of_other_formats_and_look_alike() {
    let folder = folder();
    let at = folder.path();
    let formats = [
        ("b.spz", "SPZ 3", "RUB"),
        ("b.sog", "SOG 2", "RDF"),
        ("b.glb", "glTF", "RUB"),
        ("b.compressed.ply", "compressed PLY", "RDF"),
    ];
    for (name, format, frame) in formats {
        let told = monotile(at, &["splat", "convert", "scene.ply", name]);
        assert!(told.stderr.contains(&format!("{name}: 2 splats, harmonics of degree 0, ")), "{}", told.stderr);
        assert_eq!(told.stderr.contains("lost: "), name != "b.glb", "{}", told.stderr);
        told.succeeds();
        let info = monotile(at, &["splat", "info", name]).succeeds();
        assert!(info.contains(&format!("{format}, 2 splats")) && info.contains(&format!("axes {frame}: x right, y ")), "{info}");
        // The picture of the file as it stands is that of the scene, to a byte's rounding.
        let compared = monotile(at, &["splat", "compare", "scene.ply", name, "--views", "2", "--size", "40x30"]).succeeds();
        let mean = compared.lines().last().unwrap().split_whitespace().nth(1).unwrap();
        assert!(if name == "b.glb" { mean == "the" } else { mean.parse::<f64>().unwrap() > 35.0 }, "{name}: {compared}");
        monotile(at, &["splat", "convert", name, "back.ply"]).succeeds();
        render(at, &["-o", "a.png"]).succeeds();
        monotile(at, &["splat", "render", name, "--size", "40x30", "-o", "b.png"]).succeeds();
        assert!(fs::metadata(at.join("b.png")).unwrap().len() > 100);
    }
    let same = monotile(at, &["splat", "compare", "scene.ply", "scene.ply", "--views", "2", "--size", "40x30"]).succeeds();
    assert!(same.lines().last().unwrap().contains("the same"), "{same}");
    let json = monotile(at, &["splat", "compare", "scene.ply", "b.spz", "--views", "1", "--size", "40x30", "--json"]).succeeds();
    assert!(json.contains("\"psnr\":") && json.contains("\"view\":\"35°\""), "{json}");
    assert!(json.contains("\"ssim\":0.9"), "{json}");
}

#[test]
fn what_cannot_be_converted_or_compared_is_refused() {
    let folder = folder();
    let at = folder.path();
    monotile(at, &["splat", "convert", "scene.ply", "scene.obj"]).is_wrong_usage(
        "splat convert: scene.obj ends in no format's name; those are .ply, .compressed.ply, .splat, .spz, .sog, .glb, .gltf",
    );
    monotile(at, &["splat", "compare", "scene.ply", "scene.ply", "--camera", "front"])
        .is_wrong_usage("splat compare: cameras stand around the scene; begin anywhere by --camera orbit:30,20");
    fs::write(at.join("cut.spz"), [0x1f, 0x8b, 8, 0]).unwrap();
    monotile(at, &["splat", "convert", "cut.spz", "b.ply"])
        .fails_with_all(&["error: cut.spz: has a header that does not unpack: "]);
    assert!(!at.join("b.ply").exists());
}

/// Two cameras four units before the scene, one of them half as large, one to test by.
fn capture(folder: &Path) -> &'static str {
    let frame = |name: &str, x: f64, w: usize, h: usize| {
        let matrix = format!("[[1, 0, 0, {x}], [0, -1, 0, 0], [0, 0, -1, -4], [0, 0, 0, 1]]");
        format!("{{\"file_path\": \"images/{name}.png\", \"w\": {w}, \"h\": {h}, \"fl_x\": {w}, \"transform_matrix\": {matrix}}}")
    };
    let frames = [frame("a", 0.0, 40, 30), frame("b", 0.3, 40, 30), frame("c", 0.0, 20, 16)].join(", ");
    let document = format!("{{\"frames\": [{frames}], \"test_filenames\": [\"images/b.png\"]}}");
    fs::create_dir(folder.join("data")).unwrap();
    fs::write(folder.join("data/transforms.json"), document).unwrap();
    "data"
}

#[test]
fn a_picture_is_drawn_for_each_view_of_a_capture() {
    let folder = folder();
    let data = capture(folder.path());
    let draw = |more: &[&str]| monotile(folder.path(), &[&["splat", "render", "scene.ply"], more].concat());
    let size = |name: &str| {
        let file = fs::read(folder.path().join(name)).unwrap();
        [16, 20].map(|at| u32::from_be_bytes(file[at..at + 4].try_into().unwrap()))
    };
    draw(&["--cameras", data, "-o", "frames/%02d.png"]).succeeds();
    assert_eq!(["00", "01", "02"].map(|n| size(&format!("frames/{n}.png"))), [[40, 30], [40, 30], [20, 16]]);
    draw(&["--cameras", data, "--split", "test", "-o", "test.png"]).succeeds();
    draw(&["--camera", "data/transforms.json", "--split", "test", "-o", "again.png"]).succeeds();
    let [test, again] = ["test.png", "again.png"].map(|name| fs::read(folder.path().join(name)).unwrap());
    assert!(test == again && size("test.png") == [40, 30]);
    draw(&["--cameras", data, "-o", "one.png"])
        .is_wrong_usage("3 views are no single picture; name a .gif, an .apng or frames/%04d.png");
    draw(&["--cameras", data, "-o", "one.gif"])
        .is_wrong_usage("pictures of an animation have one size, and views are 40 x 30 and 20 x 16");
    draw(&["--cameras", data, "--split", "val", "-o", "one.gif"])
        .fails_with_all(&["there is no view for validation; it has 2 to train on, 0 to validate by and 1 to test by"]);
    draw(&["--camera", "nothing.json"]).is_wrong_usage("there is no file nothing.json of cameras");
}

#[test]
fn info_tells_what_a_capture_holds() {
    let folder = folder();
    let data = capture(folder.path());
    let told = monotile(folder.path(), &["splat", "info", data]).succeeds();
    assert!(told.contains("nerfstudio transforms, 3 views, no points") && told.contains("40 x 30"), "{told}");
    assert!(told.contains("3 pictures are not there: images/a.png, images/b.png, images/c.png"), "{told}");
    let json = monotile(folder.path(), &["splat", "info", data, "--json"]).succeeds();
    assert!(json.contains("\"train\":2") && json.contains("\"test\":1") && json.contains("\"model\":\"PINHOLE\""), "{json}");
}

#[test]
fn pictures_are_compared_with_scenes_and_with_each_other() {
    let folder = folder();
    let at = folder.path();
    let data = capture(at);
    monotile(at, &["splat", "render", "scene.ply", "--cameras", data, "-o", "frames/%02d.png"]).succeeds();
    // Bytes lie within half a step of the scene's own picture, by their order.
    let compared = monotile(at, &["splat", "compare", "frames", "scene.ply", "--cameras", data]).succeeds();
    let psnr: f64 = compared.lines().last().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(psnr > 50.0 && compared.lines().count() >= 5, "{compared}");
    // The same pictures as those of the capture.
    fs::create_dir_all(at.join("data/images")).unwrap();
    for (name, frame) in [("a", "00"), ("b", "01"), ("c", "02")] {
        fs::copy(at.join(format!("frames/{frame}.png")), at.join(format!("data/images/{name}.png"))).unwrap();
    }
    let held_out = monotile(at, &["splat", "compare", data, "scene.ply", "--split", "test", "--cameras", data]).succeeds();
    assert!(held_out.contains("b") && !held_out.contains("the same"), "{held_out}");
    let same = monotile(at, &["splat", "compare", "frames", "frames"]).succeeds();
    assert!(same.lines().last().unwrap().contains("the same"), "{same}");
    monotile(at, &["splat", "compare", "frames", "scene.ply"])
        .is_wrong_usage("splat compare: pictures have no cameras; name those that a scene is seen from by --cameras DATA");
    fs::remove_file(at.join("frames/02.png")).unwrap();
    let words = "error: there is no picture of the name a, nor one for each of 3 views";
    monotile(at, &["splat", "compare", "data/images", "frames"]).fails_with_all(&[words]);
}

#[test]
fn a_model_is_a_capture_that_is_looked_at_from_all_around() {
    let folder = folder();
    let triangle = r#"{"asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3", "min": [-1, -1, 0], "max": [1, 1, 0]}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "buffers": [{"byteLength": 36, "uri": "data:application/octet-stream;base64,BYTES"}]}"#;
    let bytes = "AACAvwAAgL8AAAAAAACAPwAAgL8AAAAAAAAAAAAAgD8AAAAA";
    fs::write(folder.path().join("model.gltf"), triangle.replace("BYTES", bytes)).unwrap();
    let more = ["--cameras", "model.gltf", "--split", "test", "-o", "frames/%d.png"];
    let told = monotile(folder.path(), &[&["splat", "render", "scene.ply"][..], &more].concat());
    assert!(told.stderr.contains("12 views, the first of 256 x 256"), "{}", told.stderr);
    told.succeeds();
    assert!(folder.path().join("frames/11.png").is_file() && !folder.path().join("frames/12.png").exists());
}
