//! Checkpoints and adapters that were once read wrongly or refused, and what transformers 5.24 and PEFT 0.21.2 make of them.

use std::ops::ControlFlow;
use std::path::Path;

use crate::common::cases;
use monotile::{DType, ErrorKind};
use monotile_adapters::{Adapter, WeightedAdapters, Weights, merge, verify};
use monotile_llama::{GenerateOptions, GenerationOutput, Model, SamplingOptions, Tokenizer, generate};

/// Sums in f32 in another order.
const LOGITS: f64 = 1e-5;

fn greedy(folder: &Path, prompt: &str, max_tokens: usize) -> GenerationOutput {
    let (model, tokenizer) = (Model::read(folder).unwrap(), Tokenizer::read(folder).unwrap());
    let sampling = SamplingOptions { temperature: 0.0, ..SamplingOptions::default() };
    let generation = GenerateOptions { max_tokens, sampling, ..GenerateOptions::default() };
    generate(&model, &tokenizer, prompt, &generation, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// The first four logits after some tokens.
#[track_caller]
fn assert_logits(folder: &Path, tokens: &[u32], wanted: [f64; 4]) {
    let model = Model::read(folder).unwrap();
    let logits = model.next_logits(&Model::token_tensor(&[tokens]).unwrap(), &mut model.cache()).unwrap();
    let found = logits.to_f64_vec().unwrap();
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() < LOGITS, "{}: {found} and not {wanted}", folder.display());
    }
}

/// Merges an adapter, and has the result checked; the folder it is in.
fn merged(model: &Path, adapter: &Path) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("merged");
    let adapters = [(Adapter::read(adapter).unwrap(), 1.0)];
    let base = Weights::open(model).unwrap();
    let combined = WeightedAdapters::new(&adapters, &base).unwrap();
    merge(&base, &combined, None, &out, &mut |_| {}).unwrap();
    verify(&base, &combined, &Weights::open(&out).unwrap(), &mut |one| {
        assert!(one.verdict.holds(), "{}: {:?}", one.tensor, one.verdict);
    })
    .unwrap();
    root
}

#[test]
fn reported_models_generate_what_transformers_generates() {
    let Some(root) = cases("reported/llama") else { return };
    for which in ["stream-space/first", "stream-space/special"] {
        assert_eq!(greedy(&root.join(which), "b", 9).text, " a c", "{which}: the first word keeps its space");
    }
    let own = greedy(&root.join("tied-head-in-file/model"), "b", 6);
    assert_eq!((own.text.as_str(), own.tokens), (" a c", vec![264, 266, 2]), "the head of the file, not the embedding");
    let sliding = greedy(&root.join("sliding-window/model"), "a b c d a b c d", 4);
    assert_eq!(sliding.tokens, [92, 97, 41, 204]);
    let prompt = [264, 265, 266, 267, 264, 265, 266, 267];
    assert_logits(&root.join("sliding-window/model"), &prompt, [0.01546535, -0.08316996, -0.18735145, 0.08891726]);
    let double = root.join("f64-checkpoint/model");
    assert_logits(&double, &[1, 260, 261], [0.70575786, 0.54155903, 0.55226693, -0.13870066]);
    assert_eq!(Model::read(&double).unwrap().compute_dtype(), DType::F64);
    assert_eq!(greedy(&double, "a", 3).tokens.len(), 3);
}

#[test]
fn reported_adapters_merge_to_what_peft_computes() {
    let Some(root) = cases("reported/llama") else { return };
    let of = |model: &str, adapter: &str, wanted| {
        let folder = merged(&root.join(model), &root.join(adapter));
        assert_logits(&folder.path().join("merged"), &[1, 260, 261], wanted);
    };
    of("tied-embed-saved/base", "tied-embed-saved/adapter", [-0.16190784, 0.31289709, 0.74502015, -1.96127343]);
    of("vocab-extended/base", "mica/adapter", [0.56391436, 0.35143074, 0.32625118, 0.04816306]);
    of("vocab-extended/base274", "vocab-extended/adapter", [-0.40966907, -0.63087118, 1.16972315, 2.13602519]);
    let adapter = [(Adapter::read(&root.join("vocab-extended/adapter")).unwrap(), 1.0)];
    let small = Weights::open(&root.join("vocab-extended/base")).unwrap();
    let refused = WeightedAdapters::new(&adapter, &small).err().unwrap().to_string();
    assert!(refused.contains("is [268, 32] in the model and [274, 32] in the adapter"), "{refused}");
}

#[test]
fn reported_tokenizers_are_refused_before_they_take_memory() {
    let Some(root) = cases("reported/hostile") else { return };
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(root.join("tokenizers")).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join("tokenizer.json")).unwrap();
        let refused = Tokenizer::read(folder.path()).and_then(|tokenizer| tokenizer.encode("aaaa")).err().unwrap();
        assert_eq!(refused.kind(), ErrorKind::Limit, "{}: {refused}", path.display());
    }
}
