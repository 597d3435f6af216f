//! Merging, verifying and extracting adapters: what works, what is told, and that a kill at any moment costs nothing but time.

use std::fs;
use std::path::Path;

use monotile::io::{SafeTensors, write_safetensors};
use monotile::{DType, Rng, Tensor};
use tempfile::TempDir;

use super::{Finished, monotile};

const BLOCKS: usize = 6;

fn write(path: &Path, tensors: &[(String, Tensor)]) {
    let listed: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, t)| (name.as_str(), t)).collect();
    write_safetensors(path, &listed, &[("format", "pt")]).unwrap();
}

/// A folder with a checkpoint `base` of square bf16 matrices, and an adapter `one` for all of them.
fn workshop(size: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut rng = Rng::new(4);
    let mut normal = |shape: &[usize]| rng.normal(shape, DType::F32).unwrap();
    let (mut weights, mut factors) = (Vec::new(), Vec::new());
    for block in 0..BLOCKS {
        let module = format!("model.layers.{block}.self_attn.q_proj");
        weights.push((format!("{module}.weight"), normal(&[size, size]).to_dtype(DType::BF16).unwrap()));
        weights.push((format!("model.layers.{block}.norm.weight"), normal(&[size]).to_dtype(DType::BF16).unwrap()));
        factors.push((format!("base_model.model.{module}.lora_A.weight"), normal(&[4, size])));
        factors.push((format!("base_model.model.{module}.lora_B.weight"), normal(&[size, 4])));
    }
    fs::create_dir(at("base")).unwrap();
    fs::create_dir(at("one")).unwrap();
    write(&at("base/model.safetensors"), &weights);
    fs::write(at("base/config.json"), "{}").unwrap();
    write(&at("one/adapter_model.safetensors"), &factors);
    let config = r#"{"peft_type": "LORA", "r": 4, "lora_alpha": 2, "target_modules": ["q_proj"]}"#;
    fs::write(at("one/adapter_config.json"), config).unwrap();
    folder
}

fn lora(at: &TempDir, arguments: &[&str]) -> Finished {
    monotile(at.path(), &[&["lora"], arguments].concat())
}

const MERGE: &[&str] = &["merge", "--model", "base", "--adapter", "one", "--out", "merged"];
const VERIFY: &[&str] = &["verify", "--model", "base", "--adapter", "one", "--merged", "merged"];

#[test]
fn a_merge_holds_and_extracting_gives_the_adapter_back() {
    let at = workshop(96);
    let ended = lora(&at, &[MERGE, &["--check"]].concat());
    assert!(ended.stderr.contains("merged: 6 of 12 tensors changed, ‖ΔW‖ "), "{}", ended.stderr);
    assert!(ended.stderr.contains("merged: holds: 6 of 6 tensors exact, 0 rounded, 6 others as they were"), "{}", ended.stderr);
    let table = ended.succeeds();
    assert!(table.lines().count() == 7 && table.lines().nth(1).unwrap().ends_with(" %"), "{table}");
    let table = lora(&at, VERIFY).succeeds();
    assert!(table.lines().skip(1).all(|line| line.ends_with("exact")), "{table}");
    let ended = lora(&at, &["extract", "--base", "base", "--tuned", "merged", "--rank", "4", "--out", "again", "--check"]);
    assert!(
        ended.stderr.contains("again: 6 matrices (0 decomposed exactly), 0 tensors whole, 6 the same in both"),
        "{}",
        ended.stderr
    );
    ended.succeeds();
    // What bf16 rounded away is missing: a few thousandths of ‖ΔW‖.
    let apart = lora(&at, &["diff", "one", "again"]).succeeds();
    for line in apart.lines().skip(1) {
        assert!(line.ends_with(" 1.0000") || line.ends_with(" 0.9999"), "{apart}");
    }
}

#[test]
fn a_merge_that_overflows_writes_nothing_and_says_what_to_do() {
    let at = workshop(64);
    let ended = lora(&at, &[MERGE, &["--weights", "3e6", "--dtype", "f16", "--check"]].concat());
    assert_eq!(ended.status, Some(1));
    assert!(ended.stderr.contains("would hold") && ended.stderr.contains("as f16; choose an element type"), "{}", ended.stderr);
    assert!(!ended.stderr.contains("exact") && !at.path().join("merged").exists(), "{}", ended.stderr);
}

#[test]
fn a_merge_that_is_none_is_found_out() {
    let at = workshop(64);
    fs::create_dir(at.path().join("merged")).unwrap();
    fs::copy(at.path().join("base/model.safetensors"), at.path().join("merged/model.safetensors")).unwrap();
    let ended = lora(&at, VERIFY);
    assert_eq!(ended.status, Some(1));
    let words = "error: merged: the merge did nothing: all 6 tensors that the adapter changes are what they were\n\
                 hint: monotile lora merge writes a merged model, and says what changed\n";
    assert!(ended.stderr.ends_with(words), "{}", ended.stderr);
    assert!(ended.stdout.lines().skip(1).all(|line| line.ends_with("nothing was added")), "{}", ended.stdout);
    fs::remove_dir_all(at.path().join("merged")).unwrap();
    lora(&at, &[MERGE, &["--weights", "2"]].concat()).succeeds();
    let ended = lora(&at, VERIFY);
    assert_eq!(ended.status, Some(1));
    let first = "error: merged: 6 of 12 tensors are not what they should be, the first model.layers.0.self_attn.q_proj.weight: other, 2.000 times";
    assert!(ended.stderr.contains(first), "{}", ended.stderr);
    lora(&at, &[VERIFY, &["--weights", "2"]].concat()).succeeds();
}

#[test]
fn what_cannot_be_merged_is_told() {
    let at = workshop(16);
    lora(&at, &[MERGE, &["--weights", "1,2"]].concat()).is_wrong_usage("lora merge: --weights has 2 numbers for 1 adapters");
    lora(&at, &["merge", "--model", "none", "--adapter", "one", "--out", "merged"])
        .fails_with("error: none: there is neither model.safetensors nor model.safetensors.index.json");
    fs::create_dir(at.path().join("full")).unwrap();
    fs::write(at.path().join("full/a"), "a").unwrap();
    lora(&at, &["merge", "--model", "base", "--adapter", "one", "--out", "full"])
        .fails_with("error: full: the folder exists and is not empty (writing)\nhint: name a new folder, or remove this one");
    let file = at.path().join("one/adapter_model.safetensors");
    let cut = fs::read(&file).unwrap();
    fs::write(&file, &cut[..cut.len() - 9]).unwrap();
    let ended = lora(&at, MERGE);
    assert!(ended.status == Some(1) && ended.stderr.contains("adapter_model.safetensors: the file has"), "{}", ended.stderr);
    assert!(!at.path().join("merged").exists());
    let ended = lora(&at, &["extract", "--base", "base", "--tuned", "base", "--rank", "4", "--out", "a"]);
    let words = "error: lora: no tensor that was asked for differs between the two models; there is nothing to extract\n";
    assert!(ended.status == Some(1) && ended.stderr.ends_with(words), "{}", ended.stderr);
    lora(&at, &["extract", "--base", "base", "--tuned", "base", "--out", "a"])
        .is_wrong_usage("lora extract: how much to keep is missing");
}

#[test]
fn an_adapter_of_zeros_warns() {
    let at = workshop(16);
    let path = at.path().join("one/adapter_model.safetensors");
    let file = SafeTensors::open(&path).unwrap();
    let zero = |name: &str| {
        let tensor = file.tensor(name).unwrap();
        let copy = if name.contains("lora_B") { Tensor::zeros(tensor.shape(), DType::F32).unwrap() } else { tensor };
        (name.to_string(), copy.mul_scalar(1.0).unwrap())
    };
    let tensors: Vec<(String, Tensor)> = file.names().map(zero).collect();
    drop(file);
    write(&path, &tensors);
    let ended = lora(&at, MERGE);
    assert!(ended.stderr.starts_with("warning: every B of the adapter is 0: it changes nothing"), "{}", ended.stderr);
    ended.succeeds();
}

/// Kills a command after waits that grow until it is through, and compares the files with those of an undisturbed run.
#[cfg(unix)]
fn killed_at_twenty_moments(at: &TempDir, arguments: &[&str], out: &str, files: &[&str]) {
    use std::process::{Command, Stdio};
    use std::time::Instant;
    fn run<'a>(arguments: &[&'a str], out: &'a str) -> Vec<&'a str> {
        [&["lora"], arguments, &["--out", out]].concat()
    }
    let begun = Instant::now();
    monotile(at.path(), &run(arguments, "undisturbed")).succeeds();
    let whole = begun.elapsed();
    let (mut rng, mut resumed) = (Rng::new(6), 0);
    for _ in 0..20 {
        let mut child = Command::new(env!("CARGO_BIN_EXE_monotile"));
        let mut child =
            child.args(run(arguments, out)).current_dir(at.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(whole.mul_f64(rng.next_f64()));
        let through = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        // Whole, or not there.
        let is_there = at.path().join(out).exists();
        assert!(is_there || !through);
        if is_there {
            for file in files {
                let of = |folder: &str| fs::read(at.path().join(folder).join(file)).unwrap();
                assert!(of("undisturbed") == of(out), "{file}");
            }
            fs::remove_dir_all(at.path().join(out)).unwrap();
        } else {
            resumed += 1;
        }
    }
    assert!(resumed >= 3, "only {resumed} of 20 kills came in time");
    let ended = monotile(at.path(), &run(arguments, out));
    ended.succeeds();
    for file in files {
        let of = |folder: &str| fs::read(at.path().join(folder).join(file)).unwrap();
        assert!(of("undisturbed") == of(out), "{file}");
    }
    let hidden = |name: &str| name.starts_with('.');
    let left: Vec<String> =
        fs::read_dir(at.path().join(out)).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!left.iter().any(|name| hidden(name)), "{left:?}");
}

#[cfg(unix)]
#[test]
fn a_merge_that_is_killed_goes_on_and_gives_the_same_bytes() {
    let at = workshop(2048);
    let merge = ["merge", "--model", "base", "--adapter", "one"];
    killed_at_twenty_moments(&at, &merge, "merged", &["model.safetensors", "config.json"]);
}

#[cfg(unix)]
#[test]
fn an_extraction_that_is_killed_goes_on_and_gives_the_same_bytes() {
    let at = workshop(512);
    lora(&at, MERGE).succeeds();
    let extract = ["extract", "--base", "base", "--tuned", "merged", "--rank", "8"];
    killed_at_twenty_moments(&at, &extract, "adapter", &["adapter_model.safetensors", "adapter_config.json"]);
}
