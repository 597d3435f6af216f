//! What reaches a terminal, a picture and a script of texts that files bring: nothing that acts.

use std::fs;
use std::path::Path;

use monotile::io::{write_npz, write_safetensors};
use monotile::text::is_plain;
use monotile::{DType, Rng, Tensor};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Finished, monotile};

/// A title of the window, an erased screen, text from the right to the left, and a forged line.
const ACTS: &str = "\u{1b}]0;t\u{7}\u{9b}2J\u{7f}\u{202e}\u{2066}\u{200f}\u{61c}\nerror: forged";

/// A long name that acts.
fn odd(end: &str) -> String {
    format!("a{ACTS}{}{end}", " b".repeat(1500))
}

/// Requires that nothing acts, that no line is forged, and that names are cut, but for those in JSON.
#[track_caller]
fn does_nothing(text: &str) {
    let acts = text.chars().find(|c| *c != '\n' && !is_plain(*c));
    assert!(acts.is_none(), "{acts:?} in {}", monotile::text::printable(text));
    for line in text.lines().filter(|line| !line.starts_with('{')) {
        assert!(!line.starts_with("error: forged") && line.chars().count() < 3000, "{}", monotile::text::printable(line));
    }
}

#[track_caller]
fn runs(folder: &Path, arguments: &[&str], status: i32) -> Finished {
    let ended = monotile(folder, arguments);
    assert_eq!(ended.status, Some(status), "{arguments:?}: {}{}", ended.stdout, ended.stderr);
    does_nothing(&ended.stdout);
    does_nothing(&ended.stderr);
    ended
}

/// A model of two square matrices, one that differs from it, and an adapter for it, all with names that act.
fn workshop() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut rng = Rng::new(11);
    let mut normal = |shape: &[usize]| rng.normal(shape, DType::F32).unwrap();
    let (mut base, mut tuned, mut factors) = (Vec::new(), Vec::new(), Vec::new());
    for block in 0..2 {
        let module = format!("model.layers.{block}.{}", odd("q_proj"));
        let (a, b, weight) = (normal(&[2, 8]), normal(&[8, 2]), normal(&[8, 8]));
        tuned.push((format!("{module}.weight"), weight.add(b.matmul(&a).unwrap()).unwrap()));
        base.push((format!("{module}.weight"), weight));
        factors.push((format!("base_model.model.{module}.lora_A.weight"), a));
        factors.push((format!("base_model.model.{module}.lora_B.weight"), b));
    }
    let norm = normal(&[8]);
    tuned.push((format!("{}norm.weight", odd("")), norm.mul_scalar(2.0).unwrap()));
    base.push((format!("{}norm.weight", odd("")), norm));
    tuned.push((odd("new"), normal(&[8])));
    for (name, file, tensors) in [("base", "model", &base), ("tuned", "model", &tuned), ("one", "adapter_model", &factors)] {
        fs::create_dir(at(name)).unwrap();
        let listed: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        write_safetensors(at(name).join(format!("{file}.safetensors")), &listed, &[("format", "pt")]).unwrap();
    }
    fs::write(at("base/config.json"), "{}").unwrap();
    let targets = [odd("q_proj")];
    let config =
        json!({"peft_type": "LORA", "r": 2, "lora_alpha": 2, "target_modules": targets, "base_model_name_or_path": odd("")});
    fs::write(at("one/adapter_config.json"), config.to_string()).unwrap();
    folder
}

#[test]
fn names_of_arrays_do_nothing_to_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let ones = Tensor::from_vec(vec![1.0_f32; 4], &[2, 2]).unwrap();
    let names = [odd("0"), odd("1")];
    let listed = [(names[0].as_str(), &ones), (names[1].as_str(), &ones)];
    write_npz(folder.path().join("a.npz"), &listed).unwrap();
    write_safetensors(folder.path().join("a.safetensors"), &listed, &[]).unwrap();
    for file in ["a.npz", "a.safetensors"] {
        for command in [["einsum", "ij->ji"], ["factor", "svd"]] {
            let which = runs(folder.path(), &[&command[..], &[file]].concat(), 1);
            assert!(which.stderr.contains("which of its 2 tensors? it has a\\u{1b}]0;t\\u{7}"), "{}", which.stderr);
            runs(folder.path(), &[&command[..], &[&format!("{file}:{ACTS}")]].concat(), 1);
            runs(folder.path(), &[&command[..], &[&format!("{file}:{}", names[1])]].concat(), 0);
        }
        runs(folder.path(), &["einsum", "ij,jk->il", &format!("{file}:{}", names[0]), "a.npz"], 1);
        runs(folder.path(), &["einsum", "ijk->i", &format!("{file}:{}", names[0])], 1);
    }
    let operand = format!("a.npz:{}", names[0]);
    let object = runs(folder.path(), &["factor", "svd", &operand, "--json", "--plot", "s.svg"], 0).stdout;
    assert_eq!(serde_json::from_str::<Value>(&object).unwrap()["what"], "svd");
    does_nothing(&fs::read_to_string(folder.path().join("s.svg")).unwrap());
}

#[test]
fn names_of_files_do_nothing_to_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let ones = Tensor::from_vec(vec![1.0_f32; 4], &[2, 2]).unwrap();
    let [file, result] = [format!("a{ACTS}.npy"), format!("b{ACTS}.npy")];
    ones.write_npy(folder.path().join(&file)).unwrap();
    let told = runs(folder.path(), &["einsum", "ij->ji", &file, "-o", &result], 0);
    assert!(told.stderr.starts_with("b\\u{1b}]0;t\\u{7}\\u{9b}2J"), "{}", told.stderr);
    assert!(folder.path().join(&result).exists(), "the file has the name that was asked for");
    runs(folder.path(), &["factor", "svd", &file, "--plot", &format!("{ACTS}.svg")], 0);
    runs(folder.path(), &["factor", "cholesky", &file], 1);
    let missing = [
        vec!["einsum", "ij->ji", "none\u{1b}[2J.npy"],
        vec!["info", ACTS],
        vec!["info", "--model", ACTS],
        vec!["render", ACTS],
        vec!["render", ACTS, "--strict", "-o", "a\u{9b}.gif", "--turntable"],
        vec!["explain", ACTS, "--vertex", "1"],
        vec!["generate", "--model", ACTS, "--prompt", "a"],
        vec!["train", "--data", ACTS, "--out", "out"],
        vec!["lora", "train", "--model", ACTS, "--data", ACTS, "--out", "out"],
        vec!["lora", "inspect", ACTS],
        vec!["lora", "diff", ACTS, ACTS],
        vec!["lora", "resize", "--adapter", ACTS, "--rank", "1", "--out", "out"],
    ];
    missing.iter().for_each(|arguments| drop(runs(folder.path(), arguments, 1)));
    // What the reader of the command line says.
    for wrong in [vec![ACTS], vec!["info", "a", ACTS], vec!["einsum", &format!("--{ACTS}")], vec!["render", "a", "--size", ACTS]] {
        let ended = runs(folder.path(), &wrong, 2);
        assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains("\\u{1b}]0;t"), "{}", ended.stderr);
    }
}

#[test]
fn names_of_tensors_do_nothing_to_a_terminal_or_a_picture() {
    let folder = workshop();
    let lora = |arguments: &[&str]| runs(folder.path(), &[&["lora"], arguments].concat(), 0);
    let table = lora(&["inspect", "one", "--plot", "one.svg"]).stdout;
    assert!(table.contains("model.layers.0.a\\u{1b}]0;t\\u{7}\\u{9b}2J"), "{table}");
    let ends: Vec<usize> = table.lines().map(|line| line.chars().count()).collect();
    assert!(table.lines().count() == 3 && ends.iter().all(|end| *end == ends[0]), "columns line up: {table}");
    let differ = lora(&["inspect", "--base", "base", "--tuned", "tuned", "--plot", "models.svg"]);
    assert!(differ.stderr.contains(": changed, [8], no matrix") && differ.stderr.contains(": only in tuned"), "{}", differ.stderr);
    for picture in ["one.svg", "models.svg"] {
        let svg = fs::read_to_string(folder.path().join(picture)).unwrap();
        assert!(svg.contains("a\\u{1b}]0;t\\u{7}") && svg.contains("…: singular values"), "{svg}");
        does_nothing(&svg);
    }
    lora(&["resize", "--adapter", "one", "--rank", "1", "--out", "small"]);
    lora(&["diff", "one", "small"]);
    lora(&["merge", "--model", "base", "--adapter", "one", "--out", "merged", "--check"]);
    lora(&["verify", "--model", "base", "--adapter", "one", "--merged", "merged"]);
    lora(&["extract", "--base", "base", "--tuned", "tuned", "--rank", "2", "--out", "found", "--check"]);
    for wrong in [
        vec!["verify", "--model", "base", "--adapter", "one", "--merged", "tuned"],
        vec!["verify", "--model", "base", "--adapter", "one", "--merged", "base"],
        vec!["merge", "--model", "found", "--adapter", "one", "--out", "none"],
    ] {
        runs(folder.path(), &[&["lora"], &wrong[..]].concat(), 1);
    }
}

#[test]
fn names_in_a_3d_model_do_nothing_to_a_terminal_and_json_keeps_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut model: Value = serde_json::from_str(super::scene::TRIANGLE).unwrap();
    let name = odd("");
    for (list, i) in [("nodes", 0), ("meshes", 0)] {
        model[list][i]["name"] = json!(name);
    }
    model["asset"]["generator"] = json!(name);
    model["asset"]["copyright"] = json!(name);
    model["extensionsUsed"] = json!([name]);
    fs::write(folder.path().join("a.gltf"), model.to_string()).unwrap();
    runs(folder.path(), &["info", "a.gltf"], 0);
    let object = runs(folder.path(), &["info", "a.gltf", "--json"], 0).stdout;
    let object: Value = serde_json::from_str(&object).unwrap();
    for found in [&object["nodes"][0]["name"], &object["meshes"][0]["name"], &object["generator"], &object["extensions"][0]] {
        assert_eq!(*found, json!(name));
    }
    runs(folder.path(), &["render", "a.gltf", "--cpu", "--size", "8x8"], 0);
    runs(folder.path(), &["render", "a.gltf", "--cpu", "--size", "8x8", "--animation", ACTS], 1);
    runs(folder.path(), &["explain", "a.gltf", "--vertex", "0", "--mesh", ACTS], 1);
    runs(folder.path(), &["explain", "a.gltf", "--vertex", "0", "-o", "v.svg"], 0);
}

/// A model of bytes, hardly trained, writes every byte.
#[cfg(target_os = "linux")]
#[test]
fn a_terminal_gets_escapes_of_what_a_pipe_gets_as_it_is() {
    let folder = super::language::workshop();
    let prompt = "\u{1b}[2J\u{9b}\u{202e}\n\t👩\u{200d}👧";
    fs::write(folder.path().join("prompt.txt"), prompt).unwrap();
    let mut written = String::new();
    for seed in 0..4 {
        let line = format!("generate --model model --prompt-file prompt.txt --temperature 40 --max-tokens 9 --seed {seed}");
        let piped = monotile(folder.path(), &line.split(' ').collect::<Vec<_>>()).succeeds();
        written.push_str(piped.strip_prefix(prompt).expect("a pipe gets the bytes of the prompt"));
        let terminal = super::shell(folder.path(), &format!("script -qec \"{} {line}\" /dev/null", env!("CARGO_BIN_EXE_monotile")));
        if terminal.status == Some(127) {
            eprintln!("skipped: script is not there");
            return;
        }
        // A terminal ends lines by two characters.
        let shown = terminal.succeeds().replace("\r\n", "\n");
        assert!(shown.starts_with(&monotile::text::prose(&piped).to_string()), "{shown:?} {piped:?}");
        assert!(shown.starts_with("\\u{1b}[2J\\u{9b}\\u{202e}\n\t👩\u{200d}👧"), "{shown:?}");
        assert!(!shown.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')), "{shown:?}");
    }
    assert!(written.chars().any(|c| c.is_control() && c != '\n'), "the model writes control characters: {written:?}");
}
