//! The memory that a plan predicts against the memory that a step takes.
//!
//! One test alone in this file: another on a second thread would be counted too.

use monotile::DType;
use monotile_kernels::pool;
use monotile_llama::data::TokenDataset;
use monotile_llama::lora::{LoraConfig, LoraInit, TargetModules};
use monotile_llama::train::{PlanSubject, TrainOptions, Trainer, TrainingPlan};
use monotile_llama::{Config, Model, TrainableParameters};

const LENGTH: usize = 257;

/// The bytes that a plan predicts and those that two steps hold at most, without frozen weights.
fn predicted_and_measured(config: &Config, lora: Option<(&LoraConfig, LoraInit)>, options: &TrainOptions) -> [u64; 2] {
    let tokens = (0..2 * options.batch * LENGTH).map(|i| (i * 2_654_435_761 % config.vocab_size) as u32).collect();
    let rows = TokenDataset::new(tokens, LENGTH).unwrap();
    let mut before = pool::reset_peak();
    let mut model = Model::random(config.clone(), 0).unwrap();
    let sites = lora.map(|(lora, _)| config.adapted_layers(lora).unwrap()).unwrap_or_default();
    let mut trained = TrainableParameters::Everything;
    let mut subject = PlanSubject::Everything;
    if let Some((lora, start)) = lora {
        before = pool::reset_peak();
        model.add_adapter(lora.clone(), start, 1).unwrap();
        (trained, subject) =
            (TrainableParameters::Adapter, PlanSubject::Adapter { layers: &sites, init: start, dropout: lora.dropout });
    }
    let mut trainer = Trainer::new(model, trained, rows, options.clone()).unwrap();
    // Only the steps: a start by singular values takes memory for a moment before.
    pool::reset_peak();
    for _ in 0..2 {
        trainer.step().unwrap();
    }
    let plan = TrainingPlan::new(config, subject, LENGTH, options, DType::F32);
    assert_eq!(plan.trained, trainer.trained_parameters());
    [plan.memory(), (pool::peak() - before) as u64]
}

#[test]
fn a_plan_predicts_the_memory_of_a_step() {
    pool::set_retained_limit(0);
    let config = Config {
        vocab_size: 1536,
        hidden_size: 256,
        intermediate_size: 688,
        num_hidden_layers: 4,
        num_attention_heads: 8,
        num_key_value_heads: 4,
        head_dim: 32,
        max_position_embeddings: 512,
        ..Config::default()
    };
    let wide = Config { vocab_size: 8192, ..config.clone() };
    let deep = Config { vocab_size: 258, num_hidden_layers: 12, ..config.clone() };
    let queries = LoraConfig::default();
    // Matrices below 64 KiB are not in the pool's count, so that adapters are wide.
    let all = LoraConfig { targets: TargetModules::AllLinear, rank: 64, dropout: 0.1, ..LoraConfig::default() };
    type Case<'a> = (&'a str, &'a Config, Option<(&'a LoraConfig, LoraInit)>);
    let cases: [Case; 6] = [
        ("queries and values", &config, Some((&queries, LoraInit::Gaussian))),
        ("all layers, by PiSSA, with dropout", &config, Some((&all, LoraInit::Pissa { exact: false }))),
        ("a large vocabulary", &wide, Some((&queries, LoraInit::Gaussian))),
        ("many blocks", &deep, Some((&all, LoraInit::Gaussian))),
        ("everything", &config, None),
        ("everything, many blocks", &deep, None),
    ];
    for (name, config, lora) in cases {
        for checkpointing in [false, true] {
            for accumulate in [1, 2] {
                let options = TrainOptions { batch: 4, accumulate, checkpointing, clip: Some(1.0), ..TrainOptions::default() };
                let [predicted, measured] = predicted_and_measured(config, lora, &options);
                let ratio = predicted as f64 / measured as f64;
                println!(
                    "{name}, checkpointing {checkpointing}, accumulate {accumulate}: {predicted} predicted, {measured} measured, {ratio:.2}"
                );
                assert!((0.8..1.25).contains(&ratio), "{name}: {predicted} bytes predicted, {measured} measured");
            }
        }
    }
}
