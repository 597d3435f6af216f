//! GGUF files.

use std::path::Path;

use super::monotile;

/// Files that the `gguf` package wrote, which the fuzzer starts from.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/gguf");
    for name in ["arrays.gguf", "blocks.gguf"] {
        std::fs::copy(seeds.join(name), folder.path().join(name)).unwrap();
    }
    folder
}

#[test]
fn what_is_no_gguf_file_is_refused() {
    let folder = folder();
    let whole = std::fs::read(folder.path().join("blocks.gguf")).unwrap();
    for (name, bytes, words) in [
        ("empty.gguf", &[][..], "empty.gguf: the file is empty"),
        ("cut.gguf", &whole[..whole.len() - 300], "the file ends before; it is truncated, or lies"),
        ("other.gguf", b"glTF", "other.gguf: offset 0: it does not begin with GGUF; it is no GGUF file"),
    ] {
        std::fs::write(folder.path().join(name), bytes).unwrap();
        monotile(folder.path(), &["info", name]).fails_with_all(&[words]);
    }
    monotile(folder.path(), &["info", "none.gguf"]).fails_with_all(&["none.gguf: no such file or folder"]);
    let scene = monotile(folder.path(), &["info", "blocks.gguf", "--scene", "0"]);
    scene.is_wrong_usage("--scene is for a 3D model, a .gltf or .glb file");
}

#[test]
fn info_tells_what_a_gguf_file_holds() {
    let folder = folder();
    let text = monotile(folder.path(), &["info", "blocks.gguf"]).succeeds();
    assert!(text.contains("GGUF version 3, 8 tensors of "), "{text}");
    assert!(text.contains("general.alignment     64\n"), "{text}");
    assert!(text.contains("t6        Q4_K  1 x 256"), "{text}");
    let object = monotile(folder.path(), &["info", "--model", "arrays.gguf", "--json"]).succeeds();
    let object: serde_json::Value = serde_json::from_str(&object).unwrap();
    assert_eq!(object["metadata"]["a.texts"], serde_json::json!({"length": 2, "first": ["a", "bc"]}));
    assert_eq!(object["tensors"], serde_json::json!([{"name": "t0", "type": "Q6_K", "shape": [1, 256], "bytes": 210}]));
}
