//! `nerf`: the files of a run, what it resumes, the pictures it draws, and the words of its refusals.

use std::fs;
use std::path::Path;

use monotile_scene::Picture;

use super::{Finished, monotile};

const SIDE: usize = 12;

/// A Blender scene of four views around a square that is half red, before nothing.
fn capture() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (split, views) in [("train", 4), ("test", 1)] {
        let mut frames = Vec::new();
        for view in 0..views {
            let rgba = (0..SIDE * SIDE).flat_map(|p| {
                let inside = (3..9).contains(&(p % SIDE)) && (3..9).contains(&(p / SIDE));
                if inside { [200, 30 * (view as u8 + 1), 20, 255] } else { [0; 4] }
            });
            let picture = Picture { width: SIDE, height: SIDE, rgba: rgba.collect() };
            picture.save_png(&folder.path().join(format!("{split}_{view}.png")), None).unwrap();
            let (sin, cos) = (1.5 * view as f64).sin_cos();
            let rows = [[cos, 0.0, sin, 3.0 * sin], [0.0, 1.0, 0.0, 0.0], [-sin, 0.0, cos, 3.0 * cos], [0.0, 0.0, 0.0, 1.0]];
            frames.push(serde_json::json!({ "file_path": format!("./{split}_{view}"), "transform_matrix": rows }));
        }
        let text = serde_json::json!({ "camera_angle_x": 0.8, "frames": frames }).to_string();
        fs::write(folder.path().join(format!("transforms_{split}.json")), text).unwrap();
    }
    folder
}

fn train(folder: &Path, more: &[&str]) -> Finished {
    monotile(folder, &[&["nerf", "train", ".", "--samples", "256"], more].concat())
}

/// Exit status 1, and these words on standard error, which also tells what was read.
#[track_caller]
fn refused(of: Finished, words: &str) {
    assert!(of.status == Some(1) && of.stderr.contains(words), "{:?}: {}", of.status, of.stderr);
}

#[test]
fn a_run_leaves_its_files_and_goes_on() {
    let folder = capture();
    let file = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let told = train(folder.path(), &["-o", "a", "--steps", "6", "--eval-every", "3"]).succeeds();
    assert!(told.trim().parse::<f64>().is_ok_and(|psnr| psnr > 3.0), "{told}");
    for name in
        ["field.json", "field.safetensors", "training.safetensors", "curve.svg", "views/000.png", "views/step-000003/000.png"]
    {
        assert!(!file(&format!("a/{name}")).is_empty(), "{name}");
    }
    let log = String::from_utf8(file("a/log.csv")).unwrap();
    assert!(log.starts_with("step,seconds,loss,psnr,rays,samples,held_out_psnr\n1,") && log.lines().count() == 7, "{log}");
    // Nothing is left to do, and the files are the same.
    let before = [file("a/field.safetensors"), file("a/field.json")];
    train(folder.path(), &["-o", "a", "--steps", "6", "--eval-every", "3", "--resume"]).succeeds();
    assert!(before == [file("a/field.safetensors"), file("a/field.json")]);
    train(folder.path(), &["-o", "b", "--steps", "6"]).succeeds();
    assert!(file("a/field.safetensors") == file("b/field.safetensors"));
    train(folder.path(), &["-o", "c", "--steps", "2", "--poses", "refine"]).succeeds();
    assert!(String::from_utf8(file("c/cameras.json")).unwrap().contains("train_2"));

    refused(
        train(folder.path(), &["-o", "a", "--steps", "6"]),
        "a field is here; --resume goes on with it, or name another folder",
    );
    refused(
        train(folder.path(), &["-o", "a", "--steps", "6", "--resume", "--seed", "3"]),
        "the run was begun with seed 0, now it is 3",
    );
}

#[test]
fn fields_are_drawn_and_measured() {
    let folder = capture();
    train(folder.path(), &["-o", "field", "--steps", "4"]).succeeds();
    let told = monotile(folder.path(), &["nerf", "render", "field", "--cameras", ".", "-o", "pictures"]).succeeds();
    assert!(told.contains("test_0") && folder.path().join("pictures/000.png").exists(), "{told}");
    let told = monotile(folder.path(), &["nerf", "render", "field", "--cameras", ".", "--split", "train", "-o", "all"]).succeeds();
    assert_eq!(told.lines().count(), 4, "{told}");
    let turn = ["nerf", "render", "field", "--orbit", "--frames", "2", "--size", "16x12"];
    monotile(folder.path(), &[&turn[..], &["-o", "turn.gif"]].concat()).succeeds();
    assert!(fs::read(folder.path().join("turn.gif")).unwrap().starts_with(b"GIF89a"));
    monotile(folder.path(), &[&turn[..], &["-o", "turn/"]].concat()).succeeds();
    assert!(folder.path().join("turn/0001.png").exists());
    let missing = ["nerf", "render", "field", "--cameras", ".", "--split", "validation", "-o", "none"];
    refused(monotile(folder.path(), &missing), "has no validation views");
}

#[test]
fn what_cannot_be_learned_is_refused() {
    let folder = capture();
    let nothing = tempfile::tempdir().unwrap();
    refused(monotile(nothing.path(), &["nerf", "train", ".", "-o", "a"]), "has no capture that is known");
    refused(monotile(folder.path(), &["nerf", "render", "none", "--orbit", "-o", "a.gif"]), "field.json");
    let few = ["nerf", "train", ".", "-o", "a", "--steps", "2", "--samples", "1"];
    refused(monotile(folder.path(), &few), "nerf: takes 64 to 2^24 samples a step, got 1");
}
