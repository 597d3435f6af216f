//! Checkpoints and adapters against what transformers and peft compute from them, for every folder that is there.

use std::path::PathBuf;

use crate::common::{data, difference};
use monotile::Tensor;
use monotile::io::SafeTensors;
use monotile_llama::lora::Adapter;
use monotile_llama::{LinearKind, LinearLayer, Model, Tokenizer};

/// Logits of references and ours are both sums in f32 of some thousand terms, in different orders.
const LOGITS: f64 = 1e-4;
const LOSS: f64 = 1e-5;

/// Folders with a checkpoint and reference results.
fn checkpoints() -> Vec<PathBuf> {
    let Some(data) = data() else { return Vec::new() };
    let folders = std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> =
        folders.filter(|f| f.join("config.json").exists() && f.join("reference.safetensors").exists()).collect();
    found.sort();
    assert!(!found.is_empty(), "the folder of reference results holds no checkpoint");
    found
}

fn reference(folder: &std::path::Path) -> SafeTensors {
    SafeTensors::open(folder.join("reference.safetensors")).unwrap()
}

#[test]
fn logits_and_loss_are_those_of_transformers() {
    for folder in checkpoints() {
        let (model, reference) = (Model::read(&folder).unwrap(), reference(&folder));
        let tokens = reference.tensor("tokens").unwrap();
        let off = difference(&model.logits(&tokens).unwrap(), &reference.tensor("logits").unwrap());
        assert!(off < LOGITS, "{}: logits differ by {off:e}", folder.display());
        if reference.contains("loss") {
            let loss = model.loss(&tokens, None).unwrap().item::<f32>().unwrap();
            let wanted = reference.tensor("loss").unwrap().item::<f32>().unwrap();
            let off = f64::from((loss - wanted).abs());
            assert!(off < LOSS, "{}: loss {loss}, {wanted} in transformers", folder.display());
        }
    }
}

#[test]
fn token_by_token_gives_the_logits_of_the_whole_pass() {
    for folder in checkpoints() {
        let model = Model::read(&folder).unwrap();
        let tokens = reference(&folder).tensor("tokens").unwrap();
        let whole = model.logits(&tokens).unwrap();
        let mut cache = model.cache();
        for at in 0..tokens.dim(1) {
            let next = model.next_logits(&tokens.slice(1, at..=at).unwrap(), &mut cache).unwrap();
            let off = difference(&next, &whole.select(1, at).unwrap());
            assert!(off < LOGITS, "{}: logits of token {at} differ by {off:e}", folder.display());
        }
    }
}

#[test]
fn greedy_continuations_are_those_of_transformers() {
    for folder in checkpoints() {
        let reference = reference(&folder);
        if !reference.contains("generated") {
            continue;
        }
        let model = Model::read(&folder).unwrap();
        let wanted = reference.tensor("generated").unwrap().to_vec::<i64>().unwrap();
        let prompt = reference.tensor("tokens").unwrap().to_vec::<i64>().unwrap();
        let given = wanted.iter().zip(&prompt).take_while(|(a, b)| a == b).count().min(16);
        let mut tokens = wanted[..given].to_vec();
        let mut cache = model.cache();
        let mut logits = model.next_logits(&Tensor::from_vec(tokens.clone(), &[1, given]).unwrap(), &mut cache).unwrap();
        while tokens.len() < wanted.len() {
            let scores = logits.to_vec::<f32>().unwrap();
            let best = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap();
            tokens.push(best as i64);
            logits = model.next_logits(&Tensor::from_vec(vec![best as i64], &[1, 1]).unwrap(), &mut cache).unwrap();
        }
        assert_eq!(tokens, wanted, "{}", folder.display());
    }
}

#[test]
fn bf16_weights_stay_in_their_file() {
    for folder in checkpoints() {
        let model = Model::read(&folder).unwrap();
        for (name, tensor) in model.parameters(monotile_llama::TrainableParameters::Everything) {
            assert!(tensor.is_mapped(), "{}: {name} was copied", folder.display());
        }
    }
}

#[test]
fn tokenizers_fit_their_models_and_give_texts_back() {
    for folder in checkpoints() {
        if !folder.join("tokenizer.json").exists() {
            continue;
        }
        let tokenizer = Tokenizer::read(&folder).unwrap();
        let model = Model::read(&folder).unwrap();
        tokenizer.check_fits(model.config()).unwrap();
        let tokens: Vec<u32> =
            reference(&folder).tensor("tokens").unwrap().to_vec::<i64>().unwrap().iter().map(|&id| id as u32).collect();
        let text = tokenizer.decode(&tokens).unwrap();
        assert_eq!(tokenizer.encode(&text).unwrap(), tokens);
    }
}

#[test]
fn an_adapter_of_peft_gives_its_logits_and_merged_weight() {
    let Some(data) = data() else { return };
    let folder = data.join("adapter");
    let mut model = Model::read(&data.join("shakespeare")).unwrap();
    let adapter = Adapter::read(&folder).unwrap();
    model.attach(&adapter).unwrap();
    let reference = reference(&folder);
    let (tokens, wanted) = (reference.tensor("tokens").unwrap(), reference.tensor("logits").unwrap());
    let off = difference(&model.logits(&tokens).unwrap(), &wanted);
    assert!(off < LOGITS, "logits with the adapter differ by {off:e}");
    model.merge().unwrap();
    let merged = model.weight(LinearLayer::block(0, LinearKind::Q));
    let off = difference(merged, &reference.tensor("merged_q_proj_0").unwrap());
    assert!(off < LOGITS, "the merged weight differs by {off:e}");
    let off = difference(&model.logits(&tokens).unwrap(), &wanted);
    assert!(off < LOGITS, "logits of the merged model differ by {off:e}");
}
