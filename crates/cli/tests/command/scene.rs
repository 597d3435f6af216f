//! 3D models: what `info` and `explain` tell of one, and what bad input gets told.

use std::fs;
use std::path::Path;

use super::monotile;

/// A triangle in a file of its own: one buffer inside, one node moved to the right.
pub const TRIANGLE: &str = r#"{"asset":{"version":"2.0"},"nodes":[{"name":"place","mesh":0,"translation":[2,0,0]}],
"meshes":[{"name":"triangle","primitives":[{"attributes":{"POSITION":0}}]}],
"buffers":[{"byteLength":36,"uri":"data:;base64,AAAAAAAAAAAAAAAAAACAPwAAAAAAAAAAAAAAAAAAgD8AAAAA"}],
"bufferViews":[{"buffer":0,"byteLength":36}],"accessors":[{"bufferView":0,"componentType":5126,"count":3,"type":"VEC3"}]}"#;

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("triangle.gltf"), TRIANGLE).unwrap();
    folder
}

fn run(folder: &Path, arguments: &[&str]) -> String {
    monotile(folder, arguments).succeeds()
}

#[test]
fn info_tells_what_a_model_holds() {
    let folder = folder();
    let text = run(folder.path(), &["info", "triangle.gltf"]);
    assert!(text.contains("3 vertices, 1 triangles") && text.contains("place  (mesh triangle)"), "{text}");
    assert!(text.contains("1 primitive has no normals: flat ones are made (mesh 0 \"triangle\")"), "{text}");
    let object = run(folder.path(), &["info", "triangle.gltf", "--json"]);
    let object: serde_json::Value = serde_json::from_str(&object).unwrap();
    assert_eq!(object["meshes"][0]["triangles"], 1);
    assert_eq!(object["bounds"], serde_json::json!([[2.0, 0.0, 0.0], [3.0, 1.0, 0.0]]));
}

#[test]
fn explain_follows_a_vertex_to_its_pixel() {
    let folder = folder();
    let text = run(folder.path(), &["explain", "triangle.gltf", "--vertex", "1", "--camera", "orbit:0,0", "-o", "v.svg"]);
    assert!(text.contains("p = (1.0000, 0.0000, 0.0000)") && text.contains("M p = (3.0000, 0.0000, 0.0000)"), "{text}");
    assert!(text.contains("[ 1.0000  0.0000  0.0000  2.0000 ]") && text.contains("it is in the picture"), "{text}");
    let svg = fs::read_to_string(folder.path().join("v.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.matches("class=\"mark\"").count() == 6, "{svg}");
}

#[test]
fn what_is_not_there_is_refused() {
    let folder = folder();
    let explain = |more: &[&str]| monotile(folder.path(), &[&["explain", "triangle.gltf"], more].concat());
    explain(&["--vertex", "3"]).fails_with("error: explain: there is no vertex 3: the mesh has 3, counted from 0");
    explain(&["--vertex", "0", "--mesh", "fox"]).fails_with("error: triangle.gltf: there is no mesh \"fox\"; it has \"triangle\"");
    explain(&["--vertex", "0", "--animation", "Run"]).fails_with("error: triangle.gltf: there is no clip \"Run\"; it has none");
    explain(&["--vertex", "0", "--camera", "orbit:30"]).is_wrong_usage(
        "\"30\" is no orbit; give degrees around and above, and perhaps a distance: orbit:30,20 or orbit:30,20,1.5",
    );
    explain(&["--vertex", "0", "--camera", "Front"])
        .fails_with("error: triangle.gltf: there is no camera \"Front\"; it has none\nhint: stand anywhere by orbit:30,20");
    monotile(folder.path(), &["info", "none.glb"]).fails_with("error: none.glb: no such file or folder (reading)");
    fs::write(folder.path().join("bad.gltf"), "{}").unwrap();
    let words = "error: bad.gltf: its JSON cannot be read: missing field `asset` at line 1 column 2";
    monotile(folder.path(), &["info", "bad.gltf"]).fails_with(words);
    monotile(folder.path(), &["info"]).is_wrong_usage("MODEL");
}
