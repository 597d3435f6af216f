//! `render`: the files it writes, that they are the same each time, and the words of its refusals.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use super::{Finished, monotile};

/// A triangle that a clip of one second turns by half a turn about z, and one that a clip moves; both of the same node.
const TURNING: &str = r#"{"asset":{"version":"2.0"},"nodes":[{"name":"place","mesh":0}],
"meshes":[{"name":"triangle","primitives":[{"attributes":{"POSITION":0}}]}],
"animations":[{"name":"Turn","samplers":[{"input":1,"output":2}],"channels":[{"sampler":0,"target":{"node":0,"path":"rotation"}}]},
{"name":"Move","samplers":[{"input":1,"output":3}],"channels":[{"sampler":0,"target":{"node":0,"path":"translation"}}]}],
"buffers":[{"byteLength":100,"uri":"data:;base64,BYTES"}],
"bufferViews":[{"buffer":0,"byteLength":36},{"buffer":0,"byteOffset":36,"byteLength":8},{"buffer":0,"byteOffset":44,"byteLength":32},
{"buffer":0,"byteOffset":76,"byteLength":24}],
"accessors":[{"bufferView":0,"componentType":5126,"count":3,"type":"VEC3"},{"bufferView":1,"componentType":5126,"count":2,"type":"SCALAR"},
{"bufferView":2,"componentType":5126,"count":2,"type":"VEC4"},{"bufferView":3,"componentType":5126,"count":2,"type":"VEC3"}]}"#;

/// The numbers of the buffer: corners, times, two rotations, two places.
const NUMBERS: [f32; 25] =
    [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0];

fn base64(bytes: &[u8]) -> String {
    let digit = |i: u32| char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[i as usize & 63]);
    let group = |part: &[u8]| {
        let all = part.iter().fold(0_u32, |all, byte| (all << 8) | u32::from(*byte)) << (8 * (3 - part.len()));
        (0..4).map(|i| if i <= part.len() { digit(all >> (18 - 6 * i)) } else { '=' }).collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = NUMBERS.iter().flat_map(|x| x.to_le_bytes()).collect();
    fs::write(folder.path().join("model.gltf"), TURNING.replace("BYTES", &base64(&bytes))).unwrap();
    folder
}

fn render(folder: &Path, more: &[&str]) -> Finished {
    monotile(folder, &[&["render", "model.gltf", "--cpu"], more].concat())
}

/// Width and height as a PNG file has them.
fn size(png: &[u8]) -> [u32; 2] {
    assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
    [16, 20].map(|at| u32::from_be_bytes(png[at..at + 4].try_into().unwrap()))
}

#[test]
fn a_picture_has_the_size_that_is_asked_for_and_the_same_bytes_each_time() {
    let folder = folder();
    let file = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert_eq!(render(folder.path(), &["--size", "40x30"]).succeeds(), "");
    assert_eq!(size(&file("model.png")), [40, 30]);
    render(folder.path(), &["--size", "40x30", "-o", "again.png"]).succeeds();
    assert!(file("model.png") == file("again.png"));
    render(folder.path(), &["--size", "40x30", "--animation", "Turn", "--time", "0.5", "-o", "turned.png"]).succeeds();
    assert!(file("model.png") != file("turned.png"));
    // Nothing is left beside the pictures.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
}

#[test]
fn standard_output_takes_the_bytes_of_the_file() {
    let folder = folder();
    render(folder.path(), &["--size", "20x20", "-o", "file.png"]).succeeds();
    let arguments = ["render", "model.gltf", "--cpu", "--size", "20x20", "-o", "-"];
    let output = Command::new(env!("CARGO_BIN_EXE_monotile")).args(arguments).current_dir(folder.path()).output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    assert!(output.stdout == fs::read(folder.path().join("file.png")).unwrap());
}

#[test]
fn numbered_frames_go_on_where_they_were() {
    let folder = folder();
    let arguments = ["--size", "24x24", "--animation", "Turn", "--fps", "4", "-o", "frames/%03d.png"];
    let ended = render(folder.path(), &arguments);
    assert!(ended.stderr.contains("frames/%03d.png: 4 frames of 24 x 24, drawn by the processor"), "{}", ended.stderr);
    ended.succeeds();
    let path = |i: usize| folder.path().join(format!("frames/{i:03}.png"));
    let all = || (0..4).map(|i| fs::read(path(i)).unwrap()).collect::<Vec<_>>();
    let drawn = all();
    assert!((1..4).all(|i| drawn[i] != drawn[0]));
    // A frame that is missing, one that was cut off, and one that is kept: it is older than the others then.
    fs::remove_file(path(1)).unwrap();
    fs::write(path(2), &drawn[2][..drawn[2].len() / 2]).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH;
    fs::File::options().write(true).open(path(3)).unwrap().set_modified(long_ago).unwrap();
    render(folder.path(), &arguments).succeeds();
    assert!(all() == drawn);
    assert_eq!(fs::metadata(path(3)).unwrap().modified().unwrap(), long_ago);
    // Another size makes every frame another one.
    render(folder.path(), &["--size", "25x24", "--animation", "Turn", "--fps", "4", "-o", "frames/%03d.png"]).succeeds();
    assert!(all().iter().all(|png| size(png) == [25, 24]));
}

#[test]
fn animations_are_files_of_their_kind() {
    let folder = folder();
    for (name, begins) in [("turn.gif", &b"GIF89a"[..]), ("turn.apng", b"\x89PNG")] {
        render(folder.path(), &["--size", "16x16", "--turntable", "--duration", "0.5", "--fps", "6", "-o", name]).succeeds();
        let file = fs::read(folder.path().join(name)).unwrap();
        assert!(file.starts_with(begins), "{name}");
    }
    let animated = fs::read(folder.path().join("turn.apng")).unwrap();
    assert_eq!(animated.windows(4).filter(|chunk| chunk == b"fcTL").count(), 3);
}

#[test]
fn what_cannot_be_drawn_is_refused_in_one_sentence() {
    let folder = folder();
    let at = folder.path();
    render(at, &["--animation", "Run"]).fails_with("error: model.gltf: there is no clip \"Run\"; it has \"Turn\", \"Move\"");
    render(at, &["--animation", "2"]).fails_with("error: model.gltf: there is no clip \"2\"; it has \"Turn\", \"Move\"");
    render(at, &["--camera", "Top"])
        .fails_with("error: model.gltf: there is no camera \"Top\"; it has none\nhint: stand anywhere by orbit:30,20");
    render(at, &["-o", "nowhere/a.png"]).fails_with("error: nowhere/a.png: there is no folder nowhere");
    let model = |name: &str| monotile(at, &["render", name]);
    model("none.glb").fails_with("error: none.glb: no such file or folder (reading)");
    model(".").fails_with("error: .: is a folder, and a model is a .gltf or .glb file");
    model("..").fails_with("error: ..: is a folder, and a model is a .gltf or .glb file");
    fs::create_dir(at.join("models")).unwrap();
    model("models").fails_with("error: models: is a folder, and a model is a .gltf or .glb file");
    fs::write(at.join("empty.glb"), "").unwrap();
    model("empty.glb").fails_with("error: empty.glb: the file is empty");
    fs::write(at.join("short.glb"), b"glTF\x02\0\0\0\xff\0\0\0").unwrap();
    model("short.glb").fails_with("error: short.glb: its header says 255 bytes, and it has 12");
    fs::write(at.join("bare.gltf"), r#"{"asset":{"version":"2.0"},"nodes":[{}]}"#).unwrap();
    model("bare.gltf").fails_with("error: bare.gltf: there is nothing to see: no node of the scene draws a mesh");
    // Nothing was written.
    assert!(!fs::read_dir(at).unwrap().any(|entry| entry.unwrap().path().extension().is_some_and(|e| e == "png")));
}

#[test]
fn options_that_do_not_fit_together_are_wrong_usage() {
    let folder = folder();
    let wrong = |more: &[&str], words: &str| render(folder.path(), more).is_wrong_usage(words);
    for size in ["40", "0x30", "40x-3", "99999x10", "axb"] {
        let words = format!("\"{size}\" is no size; give pixels across and down, 1 to 16384 each: 1280x720");
        wrong(&["--size", size], &words);
    }
    wrong(&["--camera", "orbit:1,2,0"], "\"1,2,0\" is no orbit; give degrees around and above, and perhaps a distance");
    wrong(&["--background", "blue"], "\"blue\" is no background; it is sky, none, or a colour like #f4f0e8");
    wrong(&["--time", "1"], "error: render: --time is a time of a clip: name one by --animation");
    wrong(&["-o", "a.gif"], "error: render: nothing moves: give --animation CLIP, or --turntable, or a .png");
    wrong(&["-o", "a.jpg"], "error: render: \"a.jpg\" is no picture; outputs end in .png, .gif or .apng");
    wrong(&["-o", "f%xd.png", "--turntable"], "error: render: \"f%xd.png\" has no number of digits");
    wrong(&["--turntable", "--camera", "Top", "-o", "a.gif"], "error: render: --turntable goes around by itself");
    wrong(&["--animation", "Turn", "--fps", "0", "-o", "a.gif"], "error: render: --fps is above 0 and at most 1000");
    wrong(
        &["--animation", "Turn", "--duration", "1e9", "-o", "a.gif"],
        "error: render: 24000000000 frames are more than 100000; give a shorter --duration",
    );
}

/// The model with a material that reads a picture beside it, and a second scene of nothing but a moved triangle.
fn textured(folder: &Path) {
    let model = fs::read_to_string(folder.join("model.gltf")).unwrap();
    let mut model: serde_json::Value = serde_json::from_str(&model).unwrap();
    model["images"] = serde_json::json!([{"uri": "t.png"}]);
    model["textures"] = serde_json::json!([{"source": 0}]);
    model["materials"] = serde_json::json!([{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]);
    model["meshes"][0]["primitives"][0]["material"] = 0.into();
    model["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_0"] = 4.into();
    model["accessors"]
        .as_array_mut()
        .unwrap()
        .push(serde_json::json!({"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC2"}));
    model["nodes"].as_array_mut().unwrap().push(serde_json::json!({"mesh": 0, "scale": [1, 3, 1]}));
    model["scenes"] = serde_json::json!([{"name": "first", "nodes": [0]}, {"name": "second", "nodes": [1]}]);
    fs::write(folder.join("model.gltf"), model.to_string()).unwrap();
}

/// A picture of one colour.
fn color(folder: &Path, [r, g, b]: [u8; 3]) {
    let picture = monotile_scene::Picture { width: 8, height: 8, rgba: [r, g, b, 255].repeat(64) };
    picture.save_png(&folder.join("t.png"), None).unwrap();
}

#[test]
fn what_is_left_out_is_said_in_a_line_and_refused_where_that_is_asked_for() {
    let folder = folder();
    textured(folder.path());
    let said =
        "model.gltf: 1 image cannot be read and its textures are left out (image 0: t.png: no such file or folder (reading))";
    let ended = render(folder.path(), &["--size", "20x20"]);
    assert_eq!(ended.stderr, format!("warning: {said}\nmodel.png: 20 x 20\n"));
    ended.succeeds();
    fs::remove_file(folder.path().join("model.png")).unwrap();
    let hint = "without --strict it is drawn all the same; `monotile info` tells everything that is unusual";
    render(folder.path(), &["--size", "20x20", "--strict"]).fails_with(&format!("error: {said}\nhint: {hint}"));
    assert!(!folder.path().join("model.png").exists());
    let explained = monotile(folder.path(), &["explain", "model.gltf", "--vertex", "0"]);
    assert_eq!(explained.stderr, format!("warning: {said}\n"));
    color(folder.path(), [200, 10, 10]);
    let ended = render(folder.path(), &["--size", "20x20", "--strict"]);
    assert_eq!(ended.stderr, "model.png: 20 x 20\n");
    ended.succeeds();
}

#[test]
fn a_scene_is_chosen_by_name_or_number() {
    let folder = folder();
    textured(folder.path());
    color(folder.path(), [200, 10, 10]);
    let picture = |more: &[&str]| {
        render(folder.path(), &[&["--size", "20x20", "-o", "s.png"], more].concat()).succeeds();
        fs::read(folder.path().join("s.png")).unwrap()
    };
    let first = picture(&[]);
    assert!(picture(&["--scene", "first"]) == first && picture(&["--scene", "0"]) == first);
    assert!(picture(&["--scene", "second"]) != first);
    let told = |more: &[&str]| {
        let ended = monotile(folder.path(), &[&["info", "model.gltf", "--json"], more].concat());
        serde_json::from_str::<serde_json::Value>(&ended.succeeds()).unwrap()["bounds"].clone()
    };
    let height = |bounds: serde_json::Value| bounds[1][1].as_f64().unwrap() - bounds[0][1].as_f64().unwrap();
    assert_eq!(height(told(&["--scene", "second"])), 3.0 * height(told(&[])));
    render(folder.path(), &["--scene", "third"])
        .fails_with("error: model.gltf: there is no scene \"third\"; it has \"first\", \"second\"");
}

/// The time of a texture does not matter, and that of the model neither: what is in them does.
#[test]
fn frames_are_drawn_anew_when_any_file_has_changed() {
    let folder = folder();
    textured(folder.path());
    color(folder.path(), [200, 10, 10]);
    let arguments = ["--size", "24x24", "--animation", "Turn", "--fps", "3", "-o", "frames/%03d.png"];
    let all = || (0..3).map(|i| fs::read(folder.path().join(format!("frames/{i:03}.png"))).unwrap()).collect::<Vec<_>>();
    let draw = || render(folder.path(), &arguments).succeeds();
    draw();
    let red = all();
    let texture = folder.path().join("t.png");
    let time = fs::metadata(&texture).unwrap().modified().unwrap();
    color(folder.path(), [10, 10, 200]);
    fs::File::options().write(true).open(&texture).unwrap().set_modified(time).unwrap();
    draw();
    let blue = all();
    assert!((0..3).all(|i| red[i] != blue[i]));
    // The same bytes at another time are the same frames: none is drawn.
    color(folder.path(), [10, 10, 200]);
    let kept = folder.path().join("frames/001.png");
    fs::File::options().write(true).open(&kept).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    draw();
    assert_eq!(fs::metadata(&kept).unwrap().modified().unwrap(), SystemTime::UNIX_EPOCH);
}

#[test]
fn a_longer_animation_than_the_limit_is_refused_and_the_limit_can_be_changed() {
    let folder = folder();
    let arguments = ["--size", "8x8", "--animation", "Turn", "--fps", "10", "-o", "f/%d.png"];
    render(folder.path(), &[&["--limit", "frames=9"], &arguments[..]].concat())
        .is_wrong_usage("render: 10 frames are more than 9; give a shorter --duration, or --limit frames=10");
    render(folder.path(), &[&["--limit", "frames=10"], &arguments[..]].concat()).succeeds();
    render(folder.path(), &["--point-size", "0"]).is_wrong_usage("render: --point-size is above 0 and at most 1000");
}

/// A driver's libraries have nothing to say; where there is no driver, our own sentence is there.
#[cfg(target_os = "linux")]
#[test]
fn a_driver_s_libraries_print_nothing() {
    let folder = folder();
    for session in [None, Some(""), Some("."), Some("/none"), Some("/tmp")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_monotile"));
        command.args(["render", "model.gltf", "--gpu", "--size", "20x20"]).current_dir(folder.path());
        match session {
            None => command.env_remove("XDG_RUNTIME_DIR"),
            Some(session) => command.env("XDG_RUNTIME_DIR", session),
        };
        nothing_of_a_driver(&mut command, &format!("{session:?}"));
    }
    for (home, cache) in [("", "/dev/null"), ("/none/at/all", ""), ("/dev/null", "/none/at/all")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_monotile"));
        command.args(["render", "model.gltf", "--gpu", "--size", "20x20"]).current_dir(folder.path());
        command.env("HOME", home).env_remove("XDG_CACHE_HOME");
        if !cache.is_empty() {
            command.env("XDG_CACHE_HOME", cache);
        }
        nothing_of_a_driver(&mut command, &format!("{home}, {cache}"));
    }
}

#[cfg(target_os = "linux")]
fn nothing_of_a_driver(command: &mut Command, case: &str) {
    let ended = Finished::new(command.output().unwrap());
    match ended.status {
        Some(0) => assert_eq!(ended.stderr, "model.png: 20 x 20\n", "{case}"),
        _ => assert!(ended.stderr.starts_with("error: gpu: there is no graphics adapter here"), "{case}: {}", ended.stderr),
    }
}
