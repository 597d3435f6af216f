//! Checkpoints and adapters that the tests write themselves: what is written reads back, and what is broken is refused in a sentence.

use std::path::Path;

use crate::common::difference;
use monotile::io::{SafeTensors, write_safetensors};
use monotile::{DType, Rng, Tensor};
use monotile_adapters::Weights;
use monotile_llama::lora::{Adapter, LoraConfig, LoraInit, TargetModules};
use monotile_llama::{Config, Family, LinearKind, LinearLayer, Model, Rotary, RotaryScaling, Tokenizer, TrainableParameters};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A small model of each family, with biases, tied embeddings and scalings of positions between them.
fn configs() -> Vec<Config> {
    let llama3 =
        RotaryScaling::Llama3 { factor: 8.0, low_freq_factor: 1.0, high_freq_factor: 4.0, original_max_position_embeddings: 64 };
    vec![
        Config { rotary: Rotary { theta: 5e5, scaling: llama3 }, attention_bias: true, mlp_bias: true, ..Config::default() },
        Config { family: Family::Mistral, sliding_window: Some(64), head_dim: 24, ..Config::default() },
        Config { family: Family::Qwen2, tie_word_embeddings: true, ..Config::default() },
    ]
}

fn tokens() -> Tensor {
    Model::token_tensor(&[&[1, 50, 97, 200, 3, 7, 7, 257], &[9, 8, 7, 6, 5, 4, 3, 2]]).unwrap()
}

/// A folder with a written checkpoint.
fn written(config: Config, dtype: DType) -> (TempDir, Model) {
    let folder = tempfile::tempdir().unwrap();
    let model = Model::random(config, 5).unwrap();
    model.write(folder.path(), dtype).unwrap();
    (folder, model)
}

#[test]
fn a_written_checkpoint_reads_back_and_computes_the_same() {
    for config in configs() {
        let (folder, model) = written(config.clone(), DType::F32);
        let read = Model::read(folder.path()).unwrap();
        assert_eq!(*read.config(), config);
        let whole = read.logits(&tokens()).unwrap();
        assert_eq!(difference(&whole, &model.logits(&tokens()).unwrap()), 0.0);

        let mut cache = read.cache();
        for at in 0..tokens().dim(1) {
            let next = read.next_logits(&tokens().slice(1, at..=at).unwrap(), &mut cache).unwrap();
            let off = difference(&next, &whole.select(1, at).unwrap());
            // Logits are below 1 here; sums of f32 in another order differ by some 1e-7.
            assert!(off < 1e-5, "{:?}: token {at} differs by {off:e}", config.family);
        }
    }
}

#[test]
fn bf16_checkpoints_stay_mapped_and_compute_in_f32() {
    let (folder, _) = written(Config::default(), DType::BF16);
    let model = Model::read(folder.path()).unwrap();
    assert!(model.parameters(TrainableParameters::Everything).iter().all(|(_, t)| t.dtype() == DType::BF16 && t.is_mapped()));
    let rounded = Weights::open(folder.path()).unwrap();
    assert!(rounded.contains("lm_head.weight"));
    assert_eq!(model.logits(&tokens()).unwrap().dtype(), DType::F32);
}

#[test]
fn a_checkpoint_in_shards_is_the_same_as_in_one_file() {
    let (folder, model) = written(Config::default(), DType::F32);
    let whole = SafeTensors::open(folder.path().join("model.safetensors")).unwrap();
    let names: Vec<String> = whole.names().map(str::to_string).collect();
    let mut map = serde_json::Map::new();
    for (number, part) in names.chunks(names.len().div_ceil(3)).enumerate() {
        let shard = format!("model-0000{}-of-00003.safetensors", number + 1);
        let tensors: Vec<(&str, Tensor)> = part.iter().map(|name| (name.as_str(), whole.tensor(name).unwrap())).collect();
        let listed: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, tensor)| (*name, tensor)).collect();
        write_safetensors(folder.path().join(&shard), &listed, &[]).unwrap();
        map.extend(part.iter().map(|name| (name.clone(), json!(shard))));
    }
    std::fs::remove_file(folder.path().join("model.safetensors")).unwrap();
    let index = folder.path().join("model.safetensors.index.json");
    let write = |map: &serde_json::Map<String, Value>| std::fs::write(&index, json!({ "weight_map": map }).to_string()).unwrap();
    write(&map);
    let read = Model::read(folder.path()).unwrap();
    assert_eq!(difference(&read.logits(&tokens()).unwrap(), &model.logits(&tokens()).unwrap()), 0.0);

    let mut elsewhere = map.clone();
    elsewhere["lm_head.weight"] = json!("../model.safetensors");
    write(&elsewhere);
    assert_eq!(
        refusal(folder.path()),
        "model.safetensors.index.json: tensor \"lm_head.weight\": \"../model.safetensors\" is not the name of a file in this folder"
    );
    write(&map);
    std::fs::remove_file(folder.path().join("model-00002-of-00003.safetensors")).unwrap();
    assert_eq!(
        refusal(folder.path()),
        "model.safetensors.index.json: shard \"model-00002-of-00003.safetensors\" is not in the folder"
    );
    map.remove("lm_head.weight");
    map.retain(|_, shard| *shard != json!("model-00002-of-00003.safetensors"));
    write(&map);
    let missing = refusal(folder.path());
    assert!(missing.starts_with("model.safetensors.index.json: tensor \"") && missing.ends_with("\" is missing"), "{missing}");
}

/// What reading a model's folder says, without the folder's path.
fn refusal(folder: &Path) -> String {
    let place = format!("{}/", folder.display());
    Model::read(folder).err().unwrap().to_string().replace(&place, "")
}

#[test]
fn files_that_are_absent_cut_or_lie_are_refused() {
    let (folder, _) = written(Config::default(), DType::F32);
    let path = folder.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();

    std::fs::write(&path, &bytes[..bytes.len() - 100]).unwrap();
    let cut = refusal(folder.path());
    assert!(cut.starts_with("model.safetensors: ") && cut.contains(&format!("{}", bytes.len() - 100)), "{cut}");

    let mut lying = bytes.clone();
    lying[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    std::fs::write(&path, &lying).unwrap();
    let lied = refusal(folder.path());
    assert!(lied.starts_with("model.safetensors: ") && lied.contains("18446744073709551615"), "{lied}");

    std::fs::remove_file(&path).unwrap();
    let absent = Model::read(folder.path()).err().unwrap().to_string();
    let place = folder.path().display();
    assert_eq!(absent, format!("{place}: there is neither model.safetensors nor model.safetensors.index.json"));

    std::fs::remove_file(folder.path().join("config.json")).unwrap();
    assert_eq!(refusal(folder.path()), "config.json: no such file or folder (reading)");
}

#[test]
fn tensors_that_do_not_fit_the_config_are_refused() {
    let (folder, _) = written(Config::default(), DType::F32);
    let config = Config { intermediate_size: 200, ..Config::default() };
    config.write(folder.path(), "float32").unwrap();
    assert_eq!(
        refusal(folder.path()),
        "model.safetensors: tensor \"model.layers.0.mlp.gate_proj.weight\" has shape [176, 64], config.json asks for [200, 64]"
    );
    let config = Config { num_hidden_layers: 3, ..Config::default() };
    config.write(folder.path(), "float32").unwrap();
    assert_eq!(refusal(folder.path()), "model.safetensors: tensor \"model.layers.2.self_attn.q_proj.weight\" is missing");
}

#[test]
fn tokens_that_the_model_cannot_take_are_refused() {
    let model = Model::random(Config { max_position_embeddings: 4, ..Config::default() }, 1).unwrap();
    let refused = |rows: &[&[u32]]| model.logits(&Model::token_tensor(rows).unwrap()).unwrap_err().to_string();
    assert_eq!(refused(&[&[1, 2, 3, 4, 5]]), "model: 5 tokens do not fit the context; 1 to 4 do");
    assert!(refused(&[&[1, 258]]).contains("258"));
    let ragged = Model::token_tensor(&[&[1, 2], &[3]]).unwrap_err().to_string();
    assert_eq!(ragged, "tokens: rows of 2 and of 1 tokens in one batch");
}

fn adapter(model: &Config, config: LoraConfig) -> Adapter {
    let mut fresh = Model::random(model.clone(), 1).unwrap();
    fresh.add_adapter(config.clone(), LoraInit::KaimingUniform, 3).unwrap();
    // B away from 0, so that the adapter does something.
    let mut rng = Rng::new(4);
    let folder = tempfile::tempdir().unwrap();
    fresh.adapter().unwrap().write(folder.path(), DType::F32).unwrap();
    let path = folder.path().join("adapter_model.safetensors");
    let file = SafeTensors::open(&path).unwrap();
    let moved = |name: &str| {
        let tensor = file.tensor(name).unwrap();
        let noise = rng.normal(tensor.shape(), DType::F32).unwrap();
        (name.to_string(), tensor.add(noise.mul_scalar(0.1).unwrap()).unwrap())
    };
    let tensors: Vec<(String, Tensor)> = file.names().map(moved).collect();
    let listed: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let moved = tempfile::tempdir().unwrap();
    write_safetensors(moved.path().join("adapter_model.safetensors"), &listed, &[]).unwrap();
    config.write(moved.path()).unwrap();
    Adapter::read(moved.path()).unwrap()
}

#[test]
fn an_adapter_that_was_just_made_changes_nothing() {
    for start in [LoraInit::Gaussian, LoraInit::KaimingUniform] {
        let mut model = Model::random(Config::default(), 1).unwrap();
        let before = model.logits(&tokens()).unwrap();
        model.add_adapter(LoraConfig::default(), start, 1).unwrap();
        assert_eq!(difference(&model.logits(&tokens()).unwrap(), &before), 0.0);
    }
}

#[test]
fn adapters_on_any_layers_equal_their_merged_weights() {
    let everything =
        TargetModules::Names(LinearKind::BLOCK.map(LinearKind::name).into_iter().chain(["lm_head"]).map(String::from).collect());
    for (config, targets) in
        configs().into_iter().zip([TargetModules::AllLinear, everything, TargetModules::parse("layers.1.mlp.down_proj")])
    {
        let lora = LoraConfig { targets, rank: 4, use_rslora: true, ..LoraConfig::default() };
        let mut model = Model::random(config.clone(), 1).unwrap();
        let before = model.logits(&tokens()).unwrap();
        model.attach(&adapter(&config, lora)).unwrap();
        let adapted = model.logits(&tokens()).unwrap();
        assert!(difference(&adapted, &before) > 1e-3);
        model.merge().unwrap();
        assert!(model.parameters(TrainableParameters::Adapter).is_empty());
        let off = difference(&model.logits(&tokens()).unwrap(), &adapted);
        assert!(off < 1e-4, "{:?}: merged logits differ by {off:e}", config.family);
    }
}

#[test]
fn an_adapter_on_the_output_layer_of_a_tied_model_leaves_the_embedding_alone() {
    let config = Config { tie_word_embeddings: true, ..Config::default() };
    let mut model = Model::random(config.clone(), 1).unwrap();
    model.attach(&adapter(&config, LoraConfig { targets: TargetModules::parse("lm_head"), ..LoraConfig::default() })).unwrap();
    let adapted = model.logits(&tokens()).unwrap();
    model.merge().unwrap();
    let off = difference(&model.logits(&tokens()).unwrap(), &adapted);
    assert!(off < 1e-4, "merged logits differ by {off:e}");
    assert!(!model.config().tie_word_embeddings);
    let folder = tempfile::tempdir().unwrap();
    model.write(folder.path(), DType::F32).unwrap();
    let read = Model::read(folder.path()).unwrap();
    assert_eq!(difference(read.weight(LinearLayer::HEAD), model.weight(LinearLayer::HEAD)), 0.0);
}

#[test]
fn an_adapter_is_written_as_it_was_read() {
    let config = Config::default();
    let made = adapter(&config, LoraConfig { targets: TargetModules::AllLinear, ..LoraConfig::default() });
    let folder = tempfile::tempdir().unwrap();
    made.write(folder.path(), DType::F32).unwrap();
    let read = Adapter::read(folder.path()).unwrap();
    assert_eq!(read.config(), made.config());
    let mut model = Model::random(config, 1).unwrap();
    model.attach(&read).unwrap();
    for again in [read, model.adapter().unwrap()] {
        assert_eq!((again.config(), again.modules().len()), (made.config(), made.modules().len()));
        for (module, a) in made.modules() {
            let (a, b) = (&a.factors, &again.module(module).unwrap().factors);
            assert_eq!(difference(&a.a, &b.a) + difference(&a.b, &b.b), 0.0, "{module}");
        }
    }
}

#[test]
fn adapters_for_other_shapes_and_files_that_lack_something_are_refused() {
    let config = Config::default();
    let folder = tempfile::tempdir().unwrap();
    adapter(&config, LoraConfig::default()).write(folder.path(), DType::F32).unwrap();
    let refused = |model: &Config| {
        let place = format!("{}/", folder.path().display());
        let mut model = Model::random(model.clone(), 1).unwrap();
        model.attach(&Adapter::read(folder.path()).unwrap()).unwrap_err().to_string().replace(&place, "")
    };
    let wider = Config { hidden_size: 96, head_dim: 24, ..config.clone() };
    assert_eq!(
        refused(&wider),
        "adapter_model.safetensors: tensor \"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight\" has shape [8, 64], \
         the model's layer needs [8, 96]"
    );
    let deeper = Config { num_hidden_layers: 3, ..config.clone() };
    assert_eq!(
        refused(&deeper),
        "adapter_model.safetensors: tensor \"base_model.model.model.layers.2.self_attn.q_proj.lora_A.weight\" is missing"
    );
    let shallower = Config { num_hidden_layers: 1, ..config.clone() };
    let stray = refused(&shallower);
    assert!(
        stray.starts_with("adapter_model.safetensors: tensor \"base_model.model.model.layers.1.self_attn.")
            && stray.ends_with("belongs to no layer that adapter_config.json names"),
        "{stray}"
    );
    let (mut model, mut other) = (Model::random(config, 1).unwrap(), Model::random(wider, 1).unwrap());
    assert_eq!(other.adapter().err().unwrap().to_string(), "model: no adapter is attached");
    model.add_adapter(LoraConfig::default(), LoraInit::Gaussian, 1).unwrap();
    let refused = other.attach(&model.adapter().unwrap()).unwrap_err().to_string();
    assert_eq!(refused, "attach: A [8, 64] and B [64, 8] do not fit model.layers.0.self_attn.q_proj, 96 by 96");
    assert!(other.parameters(TrainableParameters::Adapter).is_empty());
}

#[test]
fn a_tokenizer_with_more_tokens_than_rows_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    Tokenizer::bytes().write(folder.path()).unwrap();
    let tokenizer = Tokenizer::read(folder.path()).unwrap();
    let refused = tokenizer.check_fits(&Config { vocab_size: 200, ..Config::default() }).unwrap_err().to_string();
    let path = folder.path().join("tokenizer.json");
    assert_eq!(refused, format!("{}: token 257, \"</s>\", is beyond the model's vocabulary of 200", path.display()));
}

#[test]
fn nothing_half_written_is_left_where_a_folder_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let model = Model::random(Config::default(), 1).unwrap();
    let refused = model.write(&file.join("model"), DType::F32).unwrap_err().to_string();
    assert!(refused.starts_with(&format!("{}", file.join("model").display())) && refused.ends_with("(writing)"), "{refused}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
