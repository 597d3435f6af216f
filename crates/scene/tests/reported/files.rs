//! Models in files, with others beside them.

use std::fs;

use monotile_scene::Scene;
use serde_json::json;

use crate::build::{Model, lost, png};

/// A folder with a model whose texture is named by this URI, and a picture in `tex tures`.
fn folder(uri: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("tex tures")).unwrap();
    fs::write(folder.path().join("tex tures/a b.png"), png([10, 200, 30, 255])).unwrap();
    let mut model = Model::cube(1.0).textured(&[]);
    model.json["images"][0] = json!({"uri": uri});
    fs::write(folder.path().join("model.glb"), model.glb()).unwrap();
    folder
}

#[test]
fn pictures_are_found_as_exporters_name_them() {
    for uri in ["tex%20tures/a%20b.png", "tex tures/a b.png", "tex tures\\a b.png", "tex tures/a b.png?v=2", "./tex tures/a b.png"]
    {
        let folder = folder(uri);
        let (scene, about) = Scene::inspect(folder.path().join("model.glb")).unwrap();
        assert_eq!((scene.images.len(), lost(&about)), (1, vec![]), "{uri}");
        assert_eq!(scene.images[0].rgba[..4], [10, 200, 30, 255]);
    }
}

#[test]
fn a_picture_that_is_missing_or_elsewhere_is_left_out_with_a_word() {
    for (uri, words) in [
        ("tex tures/none.png", "no such file or folder (reading)"),
        ("../../secret.png", "is not in the folder of the file, and nothing else is read"),
        ("tex tures", "is a folder, not a file"),
        ("data:image/png;base64,!", "a data URI in base64 with the character '!'"),
    ] {
        let folder = folder(uri);
        let (scene, about) = Scene::inspect(folder.path().join("model.glb")).unwrap();
        assert!(scene.images.is_empty() && scene.materials[0].base_color_texture.is_none(), "{uri}");
        let lost = lost(&about);
        assert!(lost.len() == 1 && lost[0].starts_with("1 image cannot be read") && lost[0].contains(words), "{uri}: {lost:?}");
    }
}

/// A number that says whether files are what they were, whatever their times.
#[test]
fn a_digest_changes_with_every_file_and_with_nothing_else() {
    let folder = folder("tex tures/a b.png");
    let digest = || Scene::inspect(folder.path().join("model.glb")).unwrap().1.digest;
    let first = digest();
    let texture = folder.path().join("tex tures/a b.png");
    fs::write(&texture, png([10, 200, 31, 255])).unwrap();
    let second = digest();
    fs::write(&texture, png([10, 200, 30, 255])).unwrap();
    assert!(first != second && digest() == first);
    fs::remove_file(&texture).unwrap();
    assert!(digest() != first);
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_not_read() {
    let folder = folder("pipe.png");
    let pipe = folder.path().join("pipe.png");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (_, about) = Scene::inspect(folder.path().join("model.glb")).unwrap();
    assert!(lost(&about)[0].contains("is a pipe, not a file"), "{about:?}");
    let words = Scene::open(&pipe).unwrap_err().to_string();
    assert!(words.ends_with("pipe.png: is a pipe, not a file"), "{words}");
    assert_eq!(Scene::open("/dev/zero").unwrap_err().to_string(), "/dev/zero: is a device, not a file");
}
