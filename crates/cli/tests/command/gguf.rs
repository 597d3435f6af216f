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
