//! A tiny LLaMA, its tokenizer and an adapter, against what transformers and PEFT computed from them: the folder `references/llama`.
//!
//! Nothing here is skipped: a file that is missing, and a tensor that no test reads, are failures.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use monotile::io::SafeTensors;
use monotile::{DType, Tensor};
use monotile_llama::data::TokenDataset;
use monotile_llama::lora::Adapter;
use monotile_llama::train::{TrainOptions, Trainer};
use monotile_llama::{
    FinishReason, GenerateOptions, LinearKind, LinearLayer, Model, SamplingOptions, Tokenizer, TrainableParameters, generate,
};
use serde_json::Value;

/// Of the largest number of a tensor: the references were computed in f32, by sums of up to 48 terms through two blocks.
const ROUNDING: f64 = 2e-5;

/// Every file of the folder: what tests here read.
const READ: [&str; 19] = [
    "adapter/adapter_config.json",
    "adapter/adapter_model.safetensors",
    "adapter/reference.safetensors",
    "biases.safetensors",
    "config-linear.json",
    "config-llama3.json",
    "config-mistral.json",
    "config-qwen2.json",
    "config.json",
    "index-qwen2.json",
    "logits-linear.safetensors",
    "logits-llama3.safetensors",
    "logits-mistral.safetensors",
    "logits-qwen2.safetensors",
    "model.safetensors",
    "reference.safetensors",
    "texts.json",
    "tokenizer.json",
    "tokenizer_config.json",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../references/llama")
}

/// A file of reference results, which must be read whole.
struct Reference {
    file: SafeTensors,
    read: BTreeSet<String>,
}

impl Reference {
    fn open(name: &str) -> Self {
        Self { file: SafeTensors::open(folder().join(name)).unwrap(), read: BTreeSet::new() }
    }

    fn tensor(&mut self, name: &str) -> Tensor {
        self.read.insert(name.to_owned());
        self.file.tensor(name).unwrap()
    }

    /// The names that begin so, without that.
    fn below(&self, prefix: &str) -> Vec<String> {
        self.file.names().filter_map(|name| name.strip_prefix(prefix)).map(str::to_owned).collect()
    }

    /// Compares a tensor relative to the largest number expected.
    #[track_caller]
    fn compare(&mut self, name: &str, found: &Tensor, limit: f64) {
        let expected = self.tensor(name);
        assert_eq!(found.shape(), expected.shape(), "{name}");
        let (found, expected) = (found.to_f64_vec().unwrap(), expected.to_f64_vec().unwrap());
        let largest = expected.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        for (i, (x, e)) in found.iter().zip(&expected).enumerate() {
            assert!((x - e).abs() <= limit * largest, "{name}: number {i} is {x}, not {e}; off by {:e}", (x - e).abs() / largest);
        }
    }

    #[track_caller]
    fn finish(self) {
        let held: BTreeSet<String> = self.file.names().map(str::to_owned).collect();
        assert_eq!(held, self.read, "tensors of the file, and those that were compared");
    }
}

/// The logits of the last tokens, as many as the references keep.
fn last(logits: &Tensor) -> Tensor {
    let length = logits.dim(1);
    logits.slice(1, length - 3..length).unwrap()
}

fn row(tokens: &Tensor) -> TokenDataset {
    let numbers: Vec<u32> = tokens.to_vec::<i64>().unwrap().iter().map(|&id| id as u32).collect();
    TokenDataset::new(numbers, tokens.dim(1)).unwrap()
}

#[test]
fn the_folder_holds_what_tests_read_and_nothing_else() {
    fn list(folder: &Path, below: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{below}{}", entry.file_name().to_str().unwrap());
            if entry.path().is_dir() { list(&entry.path(), &format!("{name}/"), found) } else { found.push(name) }
        }
    }
    let mut found = Vec::new();
    list(&folder(), "", &mut found);
    found.sort_unstable();
    assert_eq!(found, READ);
}

#[test]
fn token_numbers_and_texts_are_those_of_transformers() {
    let tokenizer = Tokenizer::read(&folder()).unwrap();
    let file: Value = serde_json::from_slice(&fs::read(folder().join("texts.json")).unwrap()).unwrap();
    let texts = file["texts"].as_array().unwrap();
    assert_eq!(texts.len(), 16);
    for case in texts {
        let text = case["text"].as_str().unwrap();
        let expected: Vec<u32> = case["tokens"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect();
        assert_eq!(tokenizer.encode(text).unwrap(), expected, "{text:?}");
        assert_eq!(tokenizer.decode(&expected).unwrap(), case["decoded"].as_str().unwrap(), "{text:?}");
    }
}

#[test]
fn logits_loss_and_gradients_are_those_of_transformers() {
    for dtype in [DType::F32, DType::F64] {
        let mut reference = Reference::open("reference.safetensors");
        let tokens = reference.tensor("tokens");
        let model = Model::read(&folder()).unwrap().with_compute_dtype(dtype).unwrap();
        reference.compare("logits", &last(&model.logits(&tokens).unwrap()), ROUNDING);
        let mut trainer = Trainer::new(model, TrainableParameters::Everything, row(&tokens), TrainOptions::default()).unwrap();
        let (loss, gradients) = trainer.gradients(&[0]).unwrap();
        reference.compare("loss", &Tensor::scalar(loss), ROUNDING);
        let names: Vec<String> =
            trainer.model().parameters(TrainableParameters::Everything).into_iter().map(|(name, _)| name).collect();
        let kept = reference.below("gradient.");
        assert_eq!(kept.len(), 7);
        for name in kept {
            let place = names.iter().position(|other| *other == name).unwrap();
            reference.compare(&format!("gradient.{name}"), &gradients[place], ROUNDING);
        }
        reference.tensor("continuation");
        reference.finish();
    }
}

#[test]
fn the_greedy_continuation_is_that_of_transformers() {
    let reference = SafeTensors::open(folder().join("reference.safetensors")).unwrap();
    let (model, tokenizer) = (Model::read(&folder()).unwrap(), Tokenizer::read(&folder()).unwrap());
    let about: Value = serde_json::from_str(&reference.metadata()["reference"]).unwrap();
    let [prompt, text] = ["prompt", "text"].map(|name| about[name].as_str().unwrap());
    let expected: Vec<u32> =
        reference.tensor("continuation").unwrap().to_vec::<i64>().unwrap().into_iter().map(|id| id as u32).collect();
    let greedy = SamplingOptions { temperature: 0.0, ..Default::default() };
    let generation = GenerateOptions { max_tokens: expected.len(), sampling: greedy, ..Default::default() };
    let mut shown = String::new();
    let found = generate(&model, &tokenizer, prompt, &generation, &mut |text: &str| {
        shown += text;
        std::ops::ControlFlow::Continue(())
    });
    let found = found.unwrap();
    assert_eq!((found.tokens, found.finish_reason), (expected, FinishReason::Length));
    assert_eq!((found.text.as_str(), shown.as_str()), (text, text));
}

/// Rotary scalings, Mistral's window, and Qwen2's biases in a file of their own: on the same weights.
#[test]
fn logits_of_other_configurations_are_those_of_transformers() {
    for name in ["linear", "llama3", "mistral", "qwen2"] {
        let copy = tempfile::tempdir().unwrap();
        let put = |from: &str, to: &str| fs::copy(folder().join(from), copy.path().join(to)).unwrap();
        put(&format!("config-{name}.json"), "config.json");
        if name == "qwen2" {
            put("index-qwen2.json", "model.safetensors.index.json");
            put("model.safetensors", "weights.safetensors");
            put("biases.safetensors", "biases.safetensors");
        } else {
            put("model.safetensors", "model.safetensors");
        }
        let model = Model::read(copy.path()).unwrap();
        let mut reference = Reference::open(&format!("logits-{name}.safetensors"));
        let tokens = reference.tensor("tokens");
        let found = last(&model.logits(&tokens).unwrap());
        reference.compare("logits", &found, ROUNDING);
        reference.finish();
        // The weights alone do not decide.
        let plain = last(&Model::read(&folder()).unwrap().logits(&tokens).unwrap());
        let apart = plain.sub(&found).unwrap().abs().unwrap().max(&[], false).unwrap().item::<f32>().unwrap();
        assert!(apart > 0.01, "{name} changes logits by {apart} only");
    }
}

#[test]
fn an_adapter_gives_what_peft_makes_of_it_live_merged_and_trained() {
    let mut reference = Reference::open("adapter/reference.safetensors");
    let tokens = reference.tensor("tokens");
    let mut model = Model::read(&folder()).unwrap();
    let adapter = Adapter::read(&folder().join("adapter")).unwrap();
    model.attach(&adapter).unwrap();
    reference.compare("logits", &last(&model.logits(&tokens).unwrap()), ROUNDING);

    let mut merged = Model::read(&folder()).unwrap().with_compute_dtype(DType::F64).unwrap();
    merged.attach(&adapter).unwrap();
    merged.merge().unwrap();
    reference.compare("merged_q_proj", merged.weight(LinearLayer::block(0, LinearKind::Q)), ROUNDING);
    reference.compare("merged_logits", &last(&merged.logits(&tokens).unwrap()), ROUNDING);

    let options = TrainOptions {
        steps: 1,
        batch: 1,
        learning_rate: 1e-2,
        epsilon: 1e-2,
        weight_decay: 0.125,
        clip: None,
        shuffle: false,
        ..TrainOptions::default()
    };
    let mut trainer = Trainer::new(model, TrainableParameters::Adapter, row(&tokens), options).unwrap();
    let (loss, gradients) = trainer.gradients(&[0]).unwrap();
    reference.compare("loss", &Tensor::scalar(loss), ROUNDING);
    let names: Vec<String> = trainer.model().parameters(TrainableParameters::Adapter).into_iter().map(|(name, _)| name).collect();
    for (name, gradient) in names.iter().zip(&gradients) {
        reference.compare(&format!("gradient.base_model.model.{name}"), gradient, ROUNDING);
    }
    trainer.step().unwrap();
    for (name, tensor) in trainer.model().parameters(TrainableParameters::Adapter) {
        // The step is η g / (|g| + ε), in which ε is so large that the rounding of g is not multiplied.
        reference.compare(&format!("after.base_model.model.{name}"), tensor, ROUNDING);
    }
    reference.finish();
}
