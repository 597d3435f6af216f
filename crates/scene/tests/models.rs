//! Every model at hand: those that must load and those that must be refused.

use std::path::{Path, PathBuf};

use monotile_scene::{Pose, Scene};

/// The folder of models, or none where the tests run without it.
fn models() -> Option<PathBuf> {
    let cases = std::env::var_os("MONOTILE_CASES").map(PathBuf::from);
    let cases = cases.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases"));
    let folder = cases.join("../data/gltf");
    if !folder.is_dir() {
        eprintln!("skipped: there are no models at {}", folder.display());
        return None;
    }
    Some(folder)
}

/// Files that end in .gltf or .glb, in a folder and, one deeper, in its folders but for `malformed`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("malformed") {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|e| e == "gltf" || e == "glb") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn every_model_loads_and_moves() {
    let Some(folder) = models() else { return };
    let files = files(&folder);
    assert!(files.len() >= 10, "{files:?}");
    for path in files {
        let scene = Scene::open(&path).unwrap();
        let corners: usize = scene.meshes.iter().flat_map(|m| &m.primitives).map(|p| p.indices.len()).sum();
        assert!(corners > 0 && !scene.nodes.is_empty(), "{}", path.display());
        for clip in &scene.animations {
            let rest = Pose::rest(&scene);
            let moves = (0..32).any(|i| {
                let mut pose = rest.clone();
                clip.sample(i as f32 / 32.0 * clip.duration, &mut pose);
                pose != rest
            });
            assert!(moves, "{}: {}", path.display(), clip.name);
        }
    }
}

#[test]
fn every_malformed_file_is_refused_in_one_sentence_that_names_it() {
    let Some(folder) = models() else { return };
    let files = files(&folder.join("malformed"));
    assert!(files.len() >= 6, "{files:?}");
    for path in files {
        let error = Scene::open(&path).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}: ", path.display())) && !error.contains('\n'), "{error}");
        eprintln!("{}", error.replace(&format!("{}/", folder.display()), ""));
    }
}

/// Numbers that the model's makers state.
#[test]
fn the_fox_has_its_bones_and_clips() {
    let Some(folder) = models() else { return };
    let scene = Scene::open(folder.join("Fox.glb")).unwrap();
    let clips: Vec<&str> = scene.animations.iter().map(|clip| clip.name.as_str()).collect();
    assert_eq!(clips, ["Survey", "Walk", "Run"]);
    assert_eq!((scene.skins[0].joints.len(), scene.meshes[0].primitives[0].positions.len()), (24, 1728));
}
