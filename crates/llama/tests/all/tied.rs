//! Output layers that are the embedding, and what parts them: twins of reported adapters, made here.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::common::difference;
use monotile::io::{SafeTensors, write_safetensors};
use monotile::{DType, Rng, Tensor};
use monotile_adapters::{Adapter, Verdict, WeightedAdapters, Weights, merge, verify};
use monotile_llama::{Config, Model};

const EMBEDDING: &str = "model.embed_tokens.weight";
const HEAD: &str = "lm_head.weight";
const VOCABULARY: usize = 40;

fn config() -> Config {
    Config {
        vocab_size: VOCABULARY,
        hidden_size: 16,
        head_dim: 4,
        intermediate_size: 24,
        tie_word_embeddings: true,
        ..Config::default()
    }
}

fn random(shape: &[usize], seed: u64) -> Tensor {
    Rng::new(seed).normal(shape, DType::F32).unwrap()
}

/// A tied model in a folder.
fn base(folder: &Path) {
    Model::random(config(), 3).unwrap().write(folder, DType::F32).unwrap();
}

/// An adapter of these tensors, named as PEFT names them in the model.
fn adapter(folder: &Path, tensors: &[(&str, &Tensor)], saved: &[&str], targets: &[&str]) {
    fs::create_dir_all(folder).unwrap();
    let named: Vec<(String, &Tensor)> = tensors.iter().map(|(name, t)| (format!("base_model.model.{name}"), *t)).collect();
    let listed: Vec<(&str, &Tensor)> = named.iter().map(|(name, t)| (name.as_str(), *t)).collect();
    write_safetensors(folder.join("adapter_model.safetensors"), &listed, &[("format", "pt")]).unwrap();
    let quoted = |names: &[&str]| names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(",");
    let saved = if saved.is_empty() { "null".to_string() } else { format!("[{}]", quoted(saved)) };
    let text = format!(
        r#"{{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": [{}], "modules_to_save": {saved}, "bias": "none"}}"#,
        quoted(targets)
    );
    fs::write(folder.join("adapter_config.json"), text).unwrap();
}

/// The merged tensors; whatever is in the folder passes the check.
fn merged(root: &Path) -> BTreeMap<String, Tensor> {
    let [base, adapter, out] = ["base", "adapter", "merged"].map(|name| root.join(name));
    let adapters = [(Adapter::read(&adapter).unwrap(), 1.0)];
    let base = Weights::open(&base).unwrap();
    let combined = WeightedAdapters::new(&adapters, &base).unwrap();
    merge(&base, &combined, None, &out, &mut |_| {}).unwrap();
    let out = Weights::open(&out).unwrap();
    verify(&base, &combined, &out, &mut |one| assert!(one.verdict.holds(), "{one:?}")).unwrap();
    out.names().map(|name| (name.to_string(), out.tensor_of_any_shape(name).unwrap())).collect()
}

fn tied(root: &Path) -> bool {
    Model::read(&root.join("merged")).unwrap().config().tie_word_embeddings
}

fn embedding(root: &Path) -> Tensor {
    Weights::open(&root.join("base")).unwrap().tensor_of_any_shape(EMBEDDING).unwrap()
}

/// PEFT: `modules_to_save=["embed_tokens"]` trains a copy, and the output layer stays the base model's embedding.
#[test]
fn a_saved_embedding_leaves_the_head_what_it_was() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    base(&root.join("base"));
    let saved = random(&[VOCABULARY, 16], 5);
    adapter(&root.join("adapter"), &[(EMBEDDING, &saved)], &["embed_tokens"], &["q_proj"]);
    let tensors = merged(root);
    assert_eq!(difference(&tensors[EMBEDDING], &saved), 0.0);
    assert_eq!(difference(&tensors[HEAD], &embedding(root)), 0.0);
    assert!(!tied(root));
    let config = fs::read_to_string(root.join("merged/config.json")).unwrap();
    assert!(config.contains("\"tie_word_embeddings\": false"), "{config}");
    // A merge that ties the head to the trained embedding is none.
    let out = root.join("other");
    fs::create_dir(&out).unwrap();
    let others: Vec<(&str, &Tensor)> = tensors.iter().filter(|(n, _)| *n != HEAD).map(|(n, t)| (n.as_str(), t)).collect();
    write_safetensors(out.join("model.safetensors"), &others, &[]).unwrap();
    let base = Weights::open(&root.join("base")).unwrap();
    let combined = WeightedAdapters::new(&[(Adapter::read(&root.join("adapter")).unwrap(), 1.0)], &base).unwrap();
    let mut missing = Vec::new();
    verify(&base, &combined, &Weights::open(&out).unwrap(), &mut |one| {
        if one.verdict == Verdict::Missing {
            missing.push(one.tensor);
        }
    })
    .unwrap();
    assert_eq!(missing, [HEAD]);
}

/// PEFT's live adapter of an embedding does not reach the output layer, though its merge does.
#[test]
fn factors_of_an_embedding_or_a_head_change_that_one_alone() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    base(&root.join("base"));
    let (a, b) = (random(&[2, VOCABULARY], 6), random(&[16, 2], 7));
    let factors = [("model.embed_tokens.lora_embedding_A", &a), ("model.embed_tokens.lora_embedding_B", &b)];
    adapter(&root.join("adapter"), &factors, &[], &["embed_tokens"]);
    let tensors = merged(root);
    let change = b.matmul(&a).unwrap().mul_scalar(2.0).unwrap().mt();
    assert!(difference(&tensors[EMBEDDING], &embedding(root).add(&change).unwrap()) < 1e-6);
    assert_eq!(difference(&tensors[HEAD], &embedding(root)), 0.0);

    fs::remove_dir_all(root.join("merged")).unwrap();
    fs::remove_dir_all(root.join("adapter")).unwrap();
    let (a, b) = (random(&[2, 16], 6), random(&[VOCABULARY, 2], 7));
    adapter(&root.join("adapter"), &[("lm_head.lora_A.weight", &a), ("lm_head.lora_B.weight", &b)], &[], &["lm_head"]);
    let tensors = merged(root);
    let change = b.matmul(&a).unwrap().mul_scalar(2.0).unwrap();
    assert!(difference(&tensors[HEAD], &embedding(root).add(&change).unwrap()) < 1e-6);
    assert_eq!(difference(&tensors[EMBEDDING], &embedding(root)), 0.0);
    assert!(!tied(root));
}

/// Where the vocabulary has grown, PEFT writes what it saves under three names, and one of them is the old.
#[test]
fn tensors_of_a_grown_vocabulary_are_found_under_any_of_their_names() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    base(&root.join("base"));
    let (saved, old) = (random(&[VOCABULARY, 16], 5), random(&[VOCABULARY, 16], 9));
    let names = ["weight", "modules_to_save.weight", "original_module.weight"].map(|name| format!("model.embed_tokens.{name}"));
    let tensors = [(names[0].as_str(), &saved), (names[1].as_str(), &saved), (names[2].as_str(), &old)];
    adapter(&root.join("adapter"), &tensors, &["embed_tokens"], &["q_proj"]);
    assert_eq!(difference(&merged(root)[EMBEDDING], &saved), 0.0);
    let torn = [(names[0].as_str(), &saved), (names[1].as_str(), &old)];
    adapter(&root.join("torn"), &torn, &["embed_tokens"], &["q_proj"]);
    let refused = Adapter::read(&root.join("torn")).err().unwrap().to_string();
    assert!(refused.contains("is held twice, with other numbers"), "{refused}");
    // Without a copy of its own PEFT loads the tensor into the model, where the head is tied to it.
    fs::remove_dir_all(root.join("merged")).unwrap();
    adapter(&root.join("adapter"), &[(EMBEDDING, &saved)], &[], &["q_proj"]);
    let tensors = merged(root);
    assert_eq!(difference(&tensors[EMBEDDING], &saved), 0.0);
    assert!(tied(root) && !tensors.contains_key(HEAD));
}

/// A file's own head counts, unless it is the embedding once more.
#[test]
fn the_head_of_a_file_wins_over_the_configuration() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    base(&root.join("base"));
    let file = SafeTensors::open(root.join("base/model.safetensors")).unwrap();
    let mut tensors: Vec<(String, Tensor)> = file.names().map(|n| (n.to_string(), file.tensor(n).unwrap())).collect();
    let with = |head: &Tensor, tensors: &[(String, Tensor)]| {
        let mut all: Vec<(&str, &Tensor)> = tensors.iter().map(|(n, t)| (n.as_str(), t)).collect();
        all.push((HEAD, head));
        write_safetensors(root.join("base/model.safetensors"), &all, &[]).unwrap();
        Model::read(&root.join("base")).unwrap()
    };
    let tokens = Model::token_tensor(&[&[1, 2, 3]]).unwrap();
    let tied = Model::read(&root.join("base")).unwrap().logits(&tokens).unwrap();
    let own = with(&random(&[VOCABULARY, 16], 8), &tensors);
    assert!(!own.config().tie_word_embeddings && difference(&own.logits(&tokens).unwrap(), &tied) > 0.01);
    let same = with(&embedding(root), &tensors);
    assert!(same.config().tie_word_embeddings);
    assert_eq!(difference(&same.logits(&tokens).unwrap(), &tied), 0.0);
    // Without `model.` before the names, as base models are saved.
    for (name, _) in &mut tensors {
        *name = name.trim_start_matches("model.").to_string();
    }
    let all: Vec<(&str, &Tensor)> = tensors.iter().map(|(n, t)| (n.as_str(), t)).collect();
    write_safetensors(root.join("base/model.safetensors"), &all, &[]).unwrap();
    assert_eq!(difference(&Model::read(&root.join("base")).unwrap().logits(&tokens).unwrap(), &tied), 0.0);
    let (a, b) = (random(&[2, 16], 6), random(&[16, 2], 7));
    let name = |which: &str| format!("model.layers.0.self_attn.q_proj.lora_{which}.weight");
    adapter(&root.join("adapter"), &[(&name("A"), &a), (&name("B"), &b)], &[], &["q_proj"]);
    assert!(merged(root).contains_key("layers.0.self_attn.q_proj.weight"));
}

/// Weights in f64 are computed with in f64, or rounded where f32 is asked for.
#[test]
fn a_checkpoint_in_f64_computes() {
    let root = tempfile::tempdir().unwrap();
    let model = Model::random(config(), 3).unwrap();
    model.write(root.path(), DType::F64).unwrap();
    let tokens = Model::token_tensor(&[&[1, 2, 3]]).unwrap();
    let single = model.logits(&tokens).unwrap();
    let double = Model::read(root.path()).unwrap();
    let logits = double.logits(&tokens).unwrap();
    assert_eq!(logits.dtype(), DType::F64);
    let off = difference(&logits, &single);
    assert!(off > 0.0 && off < 1e-5, "{off:e}");
    let rounded = double.with_compute_dtype(DType::F32).unwrap().logits(&tokens).unwrap();
    assert_eq!(difference(&rounded, &single), 0.0);
}
