//! Models on each adapter compute what they compute on the processor.

#![cfg(feature = "gpu")]

use std::ops::ControlFlow;

use monotile::{DType, Device, GpuOptions};
use monotile_llama::data::TokenDataset;
use monotile_llama::lora::{LoraConfig, LoraInit};
use monotile_llama::train::{TrainOptions, Trainer};
use monotile_llama::{Config, GenerateOptions, Model, SamplingOptions, Tokenizer, TrainableParameters, generate};

/// The preferred adapter, if there is one.
fn device() -> Option<Device> {
    let required = std::env::var_os("MONOTILE_REQUIRE_GPU").is_some_and(|v| v == "1");
    match Device::gpu(&GpuOptions::default()) {
        Ok(device) => Some(device),
        Err(error) if required => panic!("{error}"),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

fn model() -> Model {
    let config = Config { num_attention_heads: 4, num_key_value_heads: 2, head_dim: 16, ..Config::default() };
    Model::random(config, 3).unwrap()
}

#[test]
fn logits_and_generated_tokens_are_those_of_the_processor() {
    let Some(device) = device() else { return };
    let tokens = Model::token_tensor(&[&[72, 105, 32, 116, 104], &[1, 2, 3, 4, 5]]).unwrap();
    let expected = model().logits(&tokens).unwrap().to_vec::<f32>().unwrap();
    let there = model().to(&device).unwrap();
    assert_eq!(there.device(), &device);
    let found = there.logits(&tokens).unwrap();
    assert_eq!(found.device(), device);
    for (found, expected) in found.to_vec::<f32>().unwrap().into_iter().zip(expected) {
        assert!((found - expected).abs() < 2e-5, "{found} is not {expected}");
    }
    let options = GenerateOptions {
        max_tokens: 12,
        sampling: SamplingOptions { temperature: 0.0, ..SamplingOptions::default() },
        ..GenerateOptions::default()
    };
    let text = |model: &Model| {
        generate(model, &Tokenizer::bytes(), "To be, or", &options, &mut |_| ControlFlow::Continue(())).unwrap().tokens
    };
    assert_eq!(text(&there), text(&model()));
    // And back.
    let back = there.to(&Device::cpu()).unwrap();
    assert!(back.device().is_cpu());
    assert_eq!(text(&back), text(&model()));
}

#[test]
fn f64_is_refused_there() {
    let Some(device) = device() else { return };
    let Err(error) = model().with_compute_dtype(DType::F64).unwrap().to(&device) else { panic!("f64 is not computed there") };
    assert_eq!(error.to_string(), format!("model: {} does not compute in f64; compute in f32", device.name()));
}

fn rows() -> TokenDataset {
    let text = "the quick brown fox jumps over the lazy dog and the dog sleeps on. ".repeat(6);
    TokenDataset::new(text.bytes().map(u32::from).collect(), 24).unwrap()
}

fn trainer(trained: TrainableParameters) -> Trainer {
    let options = TrainOptions { steps: 12, batch: 2, accumulate: 2, learning_rate: 4e-3, ..TrainOptions::default() };
    let mut model = model();
    if trained == TrainableParameters::Adapter {
        model
            .add_adapter(LoraConfig { rank: 4, dropout: 0.1, ..LoraConfig::default() }, LoraInit::Pissa { exact: false }, 1)
            .unwrap();
    }
    Trainer::new(model, trained, rows(), options).unwrap()
}

#[test]
fn training_goes_as_on_the_processor_and_goes_on_on_another_device() {
    let Some(device) = device() else { return };
    for trained in [TrainableParameters::Everything, TrainableParameters::Adapter] {
        let (mut here, mut there) = (trainer(trained), trainer(trained).to(&device).unwrap());
        for step in 0..6 {
            let (here, there) = (here.step().unwrap(), there.step().unwrap());
            assert!((here.loss - there.loss).abs() < 1e-4, "{trained:?}, step {step}: loss {} and {}", here.loss, there.loss);
            assert!((here.gradient_norm - there.gradient_norm).abs() < 1e-3 * here.gradient_norm, "{trained:?}, step {step}");
        }
        // What is saved on a device is the state of a run on any.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        there.save(&path).unwrap();
        let mut resumed = trainer(trained);
        resumed.resume(&path).unwrap();
        here.save(&path).unwrap();
        let mut moved = trainer(trained).to(&device).unwrap();
        moved.resume(&path).unwrap();
        for step in 6..12 {
            let losses = [&mut here, &mut resumed, &mut moved].map(|run| run.step().unwrap().loss);
            assert!(
                (losses[0] - losses[1]).abs() < 1e-4 && (losses[0] - losses[2]).abs() < 1e-4,
                "{trained:?}, step {step}: {losses:?}"
            );
        }
    }
}

#[test]
fn a_token_and_a_step_record_few_kernels() {
    let Some(device) = device() else { return };
    let count = || device.dispatches().unwrap();
    let there = model().to(&device).unwrap();
    let mut cache = there.cache();
    let step = |cache: &mut _| there.next_logits(&Model::token_tensor(&[&[72]]).unwrap(), cache).unwrap().to_vec::<f32>().unwrap();
    step(&mut cache);
    let before = count();
    (0..4).for_each(|_| _ = step(&mut cache));
    let blocks = there.config().num_hidden_layers as u64;
    let a_token = (count() - before) / 4;
    let mut trainer = trainer(TrainableParameters::Everything).to(&device).unwrap();
    trainer.step().unwrap();
    let before = count();
    trainer.step().unwrap();
    let a_step = count() - before;
    println!("{blocks} blocks: {a_token} dispatches a token, {a_step} a step of two passes");
    assert!(a_token <= 4 + 24 * blocks && a_step <= 2 * (60 + 160 * blocks), "{a_token} a token, {a_step} a step");
}
