//! Memory that the machine does not have, and inputs that ask for more memory or time than the limits give.

use std::fs::{self, File};
use std::path::Path;

use super::super::{Finished, monotile, shell};
use super::workshop;

/// Runs a command that may have 400 MiB, of which threads take a part each.
fn short_of_memory(folder: &Path, line: &str) -> Finished {
    shell(folder, &format!("ulimit -v 409600; MONOTILE_THREADS=2 monotile {line}"))
}

/// A file of so many bytes that takes no room on the disk.
fn sparse(path: &Path, bytes: u64) {
    File::create(path).unwrap().set_len(bytes).unwrap();
}

/// A model of one triangle whose lists are longer than need be.
fn model(path: &Path, nodes: &str, primitives: &str, more: &str) {
    let buffer = r#"{"byteLength":36,"uri":"data:;base64,AAAAAAAAAAAAAAAAAACAPwAAAAAAAAAAAAAAAAAAgD8AAAAA"}"#;
    let text = format!(
        r#"{{"asset":{{"version":"2.0"}},"nodes":[{nodes}],"meshes":[{{"primitives":[{primitives}]}}],"buffers":[{buffer}],
        "bufferViews":[{{"buffer":0,"byteLength":36}}],"accessors":[{{"bufferView":0,"componentType":5126,"count":3,"type":"VEC3"}}]{more}}}"#
    );
    fs::write(path, text).unwrap();
}

const NODE: &str = r#"{"mesh":0}"#;
const PRIMITIVE: &str = r#"{"attributes":{"POSITION":0}}"#;

#[cfg(target_os = "linux")]
#[test]
fn memory_that_the_machine_does_not_have_is_told_in_a_sentence() {
    let folder = workshop();
    let at = |name: &str| folder.path().join(name);
    sparse(&at("big.txt"), 500_000_000);
    // The size that a picture says is believed before anything of it is decoded.
    let png = [&b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR"[..], &11000_u32.to_be_bytes(), &11000_u32.to_be_bytes(), &[0; 16384]].concat();
    fs::write(at("big.png"), png).unwrap();
    let textured = r#"{"attributes":{"POSITION":0},"material":0}"#;
    let material = r#","materials":[{"pbrMetallicRoughness":{"baseColorTexture":{"index":0}}}],"textures":[{"source":0}],"images":[{"uri":"big.png"}]"#;
    model(&at("picture.gltf"), NODE, textured, material);
    model(&at("nodes.gltf"), &vec![NODE; 400_000].join(","), PRIMITIVE, "");
    model(&at("lists.gltf"), &vec!["{}"; 1_200_000].join(","), PRIMITIVE, "");
    let train = "train --data big.txt --out out --tokenizer bytes --steps 1 --layers 1 --hidden 16 --heads 2";
    for (line, words) in [
        (train, "big.txt: needs 500000001 bytes of memory, which cannot be had"),
        ("generate --model model --prompt-file big.txt", "big.txt: needs 500000001 bytes of memory, which cannot be had"),
        ("generate --model model --prompt-file - <big.txt", "standard input: needs more than "),
        ("render picture.gltf --cpu -o a.png", "a picture of 11000 x 11000: needs 484000000 bytes of memory, which cannot be had"),
        ("info lists.gltf", "lists.gltf: what its JSON lists: needs "),
        // Here it is memory that nobody says the purpose of.
        ("render nodes.gltf --cpu -o a.png", "which cannot be had"),
    ] {
        let ended = short_of_memory(folder.path(), line);
        assert_eq!(ended.status, Some(1), "{line}: {}", ended.stderr);
        let errors: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(errors.len() == 1 && errors[0].contains(words), "{line}: {}", ended.stderr);
    }
}

#[test]
fn a_prompt_is_read_from_a_file_or_standard_input_within_the_limit() {
    let folder = workshop();
    let generate = "generate --model model --max-tokens 1 --prompt-file";
    let refused = |line: &str, words: &str| {
        let ended = shell(folder.path(), line);
        assert!(ended.status == Some(1) && ended.stderr.contains(words), "{line}: {}", ended.stderr);
    };
    refused(&format!("monotile {generate} /dev/zero"), "/dev/zero: is a device, not a file");
    refused(&format!("monotile {generate} ."), "is a folder, not a file");
    refused(&format!("mkfifo pipe && monotile {generate} pipe"), "pipe: is a pipe, not a file");
    refused(&format!("echo The cat | monotile {generate} - --limit text=4"), "standard input: asks for 5 bytes");
    refused(&format!("echo The cat >prompt; monotile {generate} prompt --limit text=4"), "prompt: asks for 8 bytes");
    refused(&format!("printf 'a\\xff' | monotile {generate} -"), "standard input: not UTF-8 at byte 1");
    shell(folder.path(), &format!("printf 'The' | monotile {generate} -")).succeeds();
}

#[test]
fn a_file_of_settings_has_a_limit_of_its_own() {
    let folder = workshop();
    sparse(&folder.path().join("model/config.json"), 9_000_000);
    let ended = monotile(folder.path(), &["info", "--model", "model"]);
    assert_eq!(ended.status, Some(1));
    assert!(ended.stderr.contains("asks for 9000000 bytes, and the limit \"config\" is 8388608"), "{}", ended.stderr);
}

#[test]
fn a_tokenizers_pattern_that_takes_long_is_stopped() {
    let folder = workshop();
    let path = folder.path().join("model/tokenizer.json");
    let mut file: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    let slow = serde_json::json!({ "type": "Split", "pattern": { "Regex": r"(a*)\1z" }, "behavior": "Isolated" });
    let before = file["pre_tokenizer"].take();
    file["pre_tokenizer"] = serde_json::json!({ "type": "Sequence", "pretokenizers": [slow, before] });
    fs::write(&path, file.to_string()).unwrap();
    fs::write(folder.path().join("prompt"), "a".repeat(300_000)).unwrap();
    let line = ["generate", "--model", "model", "--prompt-file", "prompt", "--limit", "tokenizer-time=1"];
    let ended = monotile(folder.path(), &line);
    assert_eq!(ended.status, Some(1));
    let words = "patterns in a text of 300000 bytes: asks for more seconds, and the limit \"tokenizer-time\" is 1";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
}

#[test]
fn a_picture_that_takes_a_graphics_processor_long_is_given_up() {
    let folder = workshop();
    model(&folder.path().join("layers.gltf"), NODE, &vec![PRIMITIVE; 3000].join(","), "");
    let ended = monotile(folder.path(), &["render", "layers.gltf", "--gpu", "-o", "a.png", "--limit", "gpu-time=0"]);
    if ended.stderr.contains("there is no graphics adapter here") || ended.stderr.contains("built without graphics devices") {
        eprintln!("skipped: there is no graphics adapter");
        return;
    }
    assert_eq!(ended.status, Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("asks for more seconds, and the limit \"gpu-time\" is 0"), "{}", ended.stderr);
}
