//! Taking adapters apart: what works, and what bad input gets told.

use std::fs;
use std::path::Path;

use monotile::io::{SafeTensors, write_safetensors};
use monotile::{DType, Rng, Tensor};
use tempfile::TempDir;

use super::monotile;

/// A folder with an adapter `one` of two layers, rank 4, whose singular values fall by tens.
fn workshop() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    adapter(&folder.path().join("one"), 4, 12);
    folder
}

fn adapter(folder: &Path, rank: usize, columns: usize) {
    fs::create_dir(folder).unwrap();
    let config = format!(
        r#"{{"peft_type": "LORA", "r": {rank}, "lora_alpha": 8, "target_modules": ["q_proj"], "base_model_name_or_path": "base"}}"#
    );
    fs::write(folder.join("adapter_config.json"), config).unwrap();
    let mut rng = Rng::new(7);
    let mut tensors = Vec::new();
    for block in [2, 10] {
        let scale = Tensor::from_vec((0..rank).map(|i| 0.1_f32.powi(i as i32)).collect(), &[rank, 1]).unwrap();
        let a = rng.normal(&[rank, columns], DType::F32).unwrap().mul(&scale).unwrap();
        let b = rng.normal(&[9, rank], DType::F32).unwrap();
        for (which, factor) in [("A", a), ("B", b)] {
            tensors.push((format!("base_model.model.model.layers.{block}.self_attn.q_proj.lora_{which}.weight"), factor));
        }
    }
    let listed: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, t)| (name.as_str(), t)).collect();
    write_safetensors(folder.join("adapter_model.safetensors"), &listed, &[("format", "pt")]).unwrap();
}

#[test]
fn resizing_keeps_what_was_asked_and_diff_tells_what_it_cost() {
    let at = workshop();
    let table = monotile(at.path(), &["lora", "resize", "--adapter", "one", "--rank", "2", "--out", "two"]).succeeds();
    let row = table.lines().nth(1).unwrap();
    assert_eq!(row.split_whitespace().take(3).collect::<Vec<_>>(), ["model.layers.2.self_attn.q_proj", "2", "4"], "{table}");
    let file = SafeTensors::open(at.path().join("two/adapter_model.safetensors")).unwrap();
    let name = "base_model.model.model.layers.10.self_attn.q_proj.lora_A.weight";
    assert_eq!(file.shape(name), Some(&[2, 12][..]));
    let told = monotile(at.path(), &["lora", "diff", "one", "two"]).succeeds();
    let cost = |line: &str, from_end: usize| line.split_whitespace().rev().nth(from_end).unwrap().to_string();
    assert_eq!(cost(table.lines().nth(1).unwrap(), 1), cost(told.lines().nth(1).unwrap(), 2), "{table}{told}");
    // The same rank again: the same bytes.
    monotile(at.path(), &["lora", "resize", "--adapter", "one", "--rank", "4", "--out", "same"]).succeeds();
    let bytes = |folder: &str| fs::read(at.path().join(folder).join("adapter_model.safetensors")).unwrap();
    assert_eq!(bytes("one"), bytes("same"));
    assert!(!at.path().join(".two.partial").exists());
}

#[test]
fn ranks_by_energy_differ_by_layer_and_read_back() {
    let at = workshop();
    monotile(at.path(), &["lora", "resize", "--adapter", "one", "--energy", "0.9", "--out", "small", "--dtype", "bf16"]).succeeds();
    let told = monotile(at.path(), &["lora", "inspect", "small", "--plot", "small.svg"]).succeeds();
    assert!(told.starts_with("layer ") && told.lines().count() == 3, "{told}");
    let svg = fs::read_to_string(at.path().join("small.svg")).unwrap();
    assert!(svg.contains("q_proj: singular values") && svg.contains("q_proj: rank over depth"));
    let file = SafeTensors::open(at.path().join("small/adapter_model.safetensors")).unwrap();
    assert!(file.names().all(|name| file.tensor(name).unwrap().dtype() == DType::BF16));
}

#[test]
fn two_models_are_compared_by_their_difference() {
    let at = tempfile::tempdir().unwrap();
    let mut rng = Rng::new(3);
    let mut normal = |shape: &[usize]| rng.normal(shape, DType::F32).unwrap();
    let (w, norm, b, a) = (normal(&[20, 30]), normal(&[30]), normal(&[20, 2]), normal(&[2, 30]));
    let tuned = w.add(b.matmul(&a).unwrap()).unwrap();
    for (folder, changed, norm) in [("base", &w, &norm), ("tuned", &tuned, &norm.mul_scalar(2.0).unwrap())] {
        fs::create_dir(at.path().join(folder)).unwrap();
        let listed = [("layers.0.q_proj.weight", changed), ("layers.1.q_proj.weight", &w), ("norm.weight", norm)];
        write_safetensors(at.path().join(folder).join("model.safetensors"), &listed, &[]).unwrap();
    }
    let ended = monotile(at.path(), &["lora", "inspect", "--base", "base", "--tuned", "tuned"]);
    assert!(
        ended.stderr.contains("norm.weight: changed, [30], no matrix\n1 matrices changed, 1 tensors did not\n"),
        "{}",
        ended.stderr
    );
    assert!(ended.stderr.contains("tuned-spectra.svg: spectra and ranks of 1 layers"), "{}", ended.stderr);
    let row = ended.succeeds().lines().nth(1).unwrap().split_whitespace().map(str::to_string).collect::<Vec<_>>();
    assert_eq!((row[0].as_str(), row.last().unwrap().as_str()), ("layers.0.q_proj", "100.0"), "{row:?}");
}

#[test]
fn what_cannot_be_done_is_told_in_a_sentence() {
    let at = workshop();
    let lora = |arguments: &[&str]| monotile(at.path(), &[&["lora"], arguments].concat());
    lora(&["resize", "--adapter", "one", "--out", "b"])
        .is_wrong_usage("error: lora resize: how much to keep is missing: --rank, --energy, --error or --ratio");
    lora(&["resize", "--adapter", "one", "--energy", "2", "--out", "b"])
        .is_wrong_usage("error: lora: the share of energy must be above 0 and at most 1, got 2");
    lora(&["resize", "--adapter", "none", "--rank", "2", "--out", "b"])
        .fails_with("error: none/adapter_config.json: no such file or folder (reading)");
    lora(&["resize", "--adapter", "one", "--rank", "2", "--out", "one"])
        .fails_with("error: one: the folder exists and is not empty (writing)\nhint: name a new folder, or remove this one");
    lora(&["inspect"]).is_wrong_usage("<ADAPTER>");
    adapter(&at.path().join("wider"), 4, 13);
    lora(&["diff", "one", "wider"])
        .fails_with("error: lora: module \"model.layers.2.self_attn.q_proj\" is [9, 12] in one adapter and [9, 13] in the other");
    assert!(!at.path().join("b").exists());
}
