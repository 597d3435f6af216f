//! `splat train`: what it leaves, the same bytes again, and the words of its refusals.

use std::fs;
use std::path::Path;

use monotile_scene::Picture;
use serde_json::json;

use super::{Finished, monotile};

/// A red ball, seen from seven sides: it looks the same from all of them.
fn capture() -> tempfile::TempDir {
    const SIDE: usize = 24;
    let folder = tempfile::tempdir().unwrap();
    let pixel = |i: usize| {
        let from = |k: usize| k as f64 + 0.5 - 0.5 * SIDE as f64;
        let inside = from(i % SIDE).hypot(from(i / SIDE)) < 7.0;
        if inside { [200, 40, 30, 255] } else { [0; 4] }
    };
    let picture = Picture { width: SIDE, height: SIDE, rgba: (0..SIDE * SIDE).flat_map(pixel).collect() };
    let mut file = Vec::new();
    picture.write_png(&mut file, None).unwrap();
    for (split, angles) in [("train", &[0.0_f64, 60.0, 120.0, 180.0, 240.0, 300.0][..]), ("test", &[30.0])] {
        let frames = angles.iter().map(|angle| {
            let name = format!("{split}_{angle}");
            fs::write(folder.path().join(format!("{name}.png")), &file).unwrap();
            let (sin, cos) = angle.to_radians().sin_cos();
            let to_world = [[cos, 0.0, sin, 4.0 * sin], [0.0, 1.0, 0.0, 0.0], [-sin, 0.0, cos, 4.0 * cos], [0.0, 0.0, 0.0, 1.0]];
            json!({ "file_path": name, "transform_matrix": to_world })
        });
        let all = json!({ "camera_angle_x": 0.7, "frames": frames.collect::<Vec<_>>() });
        fs::write(folder.path().join(format!("transforms_{split}.json")), all.to_string()).unwrap();
    }
    folder
}

fn train(folder: &Path, more: &[&str]) -> Finished {
    monotile(folder, &[&["splat", "train", ".", "--max-splats", "60", "--steps", "80"], more].concat())
}

#[test]
fn a_run_leaves_a_scene_and_how_it_came_to_be_with_the_same_bytes_again() {
    let folder = capture();
    let at = folder.path();
    let told = train(at, &["-o", "ball.ply", "--eval-every", "40"]);
    assert!(
        told.stderr.contains("6 to learn from, 1 held out") && told.stderr.contains("step 80: 1 view held out, PSNR"),
        "{}",
        told.stderr
    );
    told.succeeds();
    let file = |name: &str| fs::read(at.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    for name in
        ["log.csv", "curve.svg", "cameras.json", "pictures/000040-test_30.png", "pictures/000080-test_30.png", "state.safetensors"]
    {
        assert!(!file(&format!("ball.run/{name}")).is_empty(), "{name}");
    }
    let info = monotile(at, &["splat", "info", "ball.ply"]).succeeds();
    assert!(info.contains("60 splats"), "{info}");
    train(at, &["-o", "again.ply", "--eval-every", "40"]).succeeds();
    assert!(file("ball.ply") == file("again.ply"));
    train(
        at,
        &["-o", "densified.ply", "--strategy", "densify", "--background", "white", "--poses", "refine", "--appearance", "affine"],
    )
    .succeeds();
    // A run that is there is not begun again, and goes on from its end.
    let refused = train(at, &["-o", "ball.ply"]);
    assert!(
        refused.status == Some(1) && refused.stderr.contains("a run was begun here; resume it or choose another name"),
        "{}",
        refused.stderr
    );
    train(at, &["-o", "ball.ply", "--resume"]).succeeds();
    assert!(file("ball.ply") == file("again.ply"));
    // On an adapter, where one is there.
    let listed: serde_json::Value = serde_json::from_str(&monotile(at, &["devices", "--json"]).stdout).unwrap();
    if listed["adapters"].as_array().unwrap().is_empty() {
        println!("skipped: no adapter");
    } else {
        let told = train(at, &["-o", "there.ply", "--device", "gpu"]);
        assert!(told.stderr.contains("device    ") && told.stderr.contains(" on "), "{}", told.stderr);
        told.succeeds();
        train(at, &["-o", "there_again.ply", "--device", "gpu"]).succeeds();
        assert!(file("there.ply") == file("there_again.ply"));
    }
    let refused = train(at, &["-o", "nowhere.ply", "--device", "no such adapter"]);
    assert!(refused.status == Some(1) && refused.stderr.contains("device: "), "{}", refused.stderr);
    let other = train(at, &["-o", "ball.ply", "--resume", "--seed", "3"]);
    assert!(other.status == Some(1) && other.stderr.contains("the run was begun with other options"), "{}", other.stderr);
}

#[test]
fn what_cannot_be_trained_is_refused() {
    let folder = capture();
    let at = folder.path();
    train(at, &["-o", "ball.txt"]).is_wrong_usage("splat train: -o names a file that ends in");
    let refused = |more: &[&str], words: &str| {
        let finished = monotile(at, &[&["splat", "train", ".", "-o", "x.ply"], more].concat());
        assert!(finished.status == Some(1) && finished.stderr.contains(words), "{}", finished.stderr);
    };
    refused(&["--steps", "0"], "splat train: takes 1 step or more, not 0");
    refused(&["--max-splats", "2"], "splat train: the budget is 8 splats or more and fewer than 2^31, not 2");
    refused(&["--max-splats", "1000000", "--memory", "64"], "and 64 MiB are allowed; ");
    fs::remove_file(at.join("train_60.png")).unwrap();
    refused(&[], "train_60.png");
    fs::remove_file(at.join("transforms_train.json")).unwrap();
    refused(&[], "splat train: the capture has no views to train on; those held out are not learned from");
    let empty = tempfile::tempdir().unwrap();
    let nothing = monotile(empty.path(), &["splat", "train", "."]);
    assert!(nothing.status == Some(1) && nothing.stderr.contains("has no capture that is known"), "{}", nothing.stderr);
    assert!(!at.join("x.ply").exists() && !at.join("x.run").exists());
}
