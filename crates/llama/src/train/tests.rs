mod packed;
mod patience;
mod runs;

use monotile::DType;

use super::*;
use crate::config::Config;
use crate::lora::{LoraConfig, LoraInit};

fn rows() -> TokenDataset {
    let text = "the cat sat on the mat and the dog sat on the log. ".repeat(8);
    TokenDataset::new(text.bytes().map(u32::from).collect(), 16).unwrap()
}

fn small() -> Config {
    Config {
        hidden_size: 16,
        intermediate_size: 24,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        head_dim: 8,
        ..Config::default()
    }
}

fn adapted(dropout: f64) -> Model {
    let mut model = Model::random(small(), 1).unwrap();
    let config = LoraConfig { rank: 2, dropout, ..LoraConfig::default() };
    model.add_adapter(config, LoraInit::Gaussian, 2).unwrap();
    model
}

fn options() -> TrainOptions {
    TrainOptions { steps: 6, batch: 2, learning_rate: 1e-2, clip: Some(1.0), weight_decay: 0.01, ..TrainOptions::default() }
}

fn values(trainer: &Trainer) -> Vec<Vec<f64>> {
    trainer.model.parameters(trainer.trained).iter().map(|(_, t)| t.to_f64_vec().unwrap()).collect()
}

#[test]
fn a_run_that_is_saved_and_resumed_gives_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    for (trained, dtype) in [
        (TrainableParameters::Everything, DType::F32),
        (TrainableParameters::Adapter, DType::F32),
        (TrainableParameters::Adapter, DType::F64),
    ] {
        let make = || {
            let model = if trained == TrainableParameters::Adapter { adapted(0.2) } else { Model::random(small(), 1).unwrap() };
            Trainer::new(model.with_compute_dtype(dtype).unwrap(), trained, rows(), options()).unwrap()
        };
        let mut whole = make();
        let mut first = make();
        while !whole.is_done() {
            whole.step().unwrap();
        }
        for _ in 0..3 {
            first.step().unwrap();
        }
        first.save(&path).unwrap();
        let mut second = make();
        second.resume(&path).unwrap();
        assert_eq!(second.steps_done(), 3);
        while !second.is_done() {
            second.step().unwrap();
        }
        assert_eq!(second.losses(), whole.losses());
        assert_eq!(values(&second), values(&whole));
    }
}

#[test]
fn a_start_that_is_subtracted_is_resumed_to_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let make = |seed| {
        let mut model = Model::random(small(), 1).unwrap();
        let config = LoraConfig { rank: 2, ..LoraConfig::default() };
        model.add_adapter(config, LoraInit::Pissa { exact: false }, seed).unwrap();
        Trainer::new(model, TrainableParameters::Adapter, rows(), options()).unwrap()
    };
    let written = |trainer: &Trainer, name: &str| {
        let out = folder.path().join(name);
        trainer.model().adapter().unwrap().write(&out, DType::F32).unwrap();
        std::fs::read(out.join("adapter_model.safetensors")).unwrap()
    };
    let mut whole = make(2);
    for _ in 0..3 {
        whole.step().unwrap();
    }
    whole.save(&path).unwrap();
    whole.step().unwrap();
    // Other random directions give another start, which the saved one replaces.
    let mut again = make(7);
    assert_ne!(written(&again, "a"), written(&make(2), "b"));
    again.resume(&path).unwrap();
    again.step().unwrap();
    assert_eq!(written(&again, "c"), written(&whole, "d"));
    let mut without = Trainer::new(adapted(0.0), TrainableParameters::Adapter, rows(), options()).unwrap();
    let refused = without.resume(&path).unwrap_err().to_string();
    assert!(refused.contains("q_proj 8 0 less its start\""), "{refused}");
}

#[test]
fn checkpointed_blocks_give_the_same_bits() {
    let tied = Config { tie_word_embeddings: true, ..small() };
    for (model, trained) in [
        (Model::random(small(), 1).unwrap(), TrainableParameters::Everything),
        (Model::random(Config { family: crate::Family::Qwen2, ..tied }, 1).unwrap(), TrainableParameters::Everything),
        (adapted(0.2), TrainableParameters::Adapter),
    ] {
        let folder = tempfile::tempdir().unwrap();
        model.write(folder.path(), DType::F32).unwrap();
        let run = |checkpointing| {
            let mut model = Model::read(folder.path()).unwrap();
            if trained == TrainableParameters::Adapter {
                let lora = LoraConfig { rank: 2, dropout: 0.2, ..LoraConfig::default() };
                model.add_adapter(lora, LoraInit::KaimingUniform, 2).unwrap();
            }
            let options = TrainOptions { checkpointing, accumulate: 2, ..options() };
            let mut trainer = Trainer::new(model, trained, rows(), options).unwrap();
            let gradients = trainer.gradients(&[0, 1]).unwrap().1.iter().map(|g| g.to_f64_vec().unwrap()).collect::<Vec<_>>();
            while !trainer.is_done() {
                trainer.step().unwrap();
            }
            (gradients, trainer.losses().to_vec(), values(&trainer))
        };
        assert_eq!(run(true), run(false));
    }
}

#[test]
fn a_state_of_other_settings_is_not_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let trainer = Trainer::new(adapted(0.0), TrainableParameters::Adapter, rows(), options()).unwrap();
    trainer.save(&path).unwrap();
    let mut other =
        Trainer::new(adapted(0.0), TrainableParameters::Adapter, rows(), TrainOptions { batch: 4, ..options() }).unwrap();
    let refused = other.resume(&path).unwrap_err().to_string();
    assert_eq!(refused, format!("{}: the run was begun with batch 2, now it is 4", path.display()));
    let mut model = Model::random(small(), 7).unwrap();
    model.add_adapter(LoraConfig { rank: 2, ..LoraConfig::default() }, LoraInit::Gaussian, 2).unwrap();
    let mut elsewhere = Trainer::new(model, TrainableParameters::Adapter, rows(), options()).unwrap();
    let refused = elsewhere.resume(&path).unwrap_err().to_string();
    let another = "the run was begun on another base model; give that one, or begin a run in another folder";
    assert_eq!(refused, format!("{}: {another}", path.display()));
    std::fs::write(&path, b"").unwrap();
    assert!(other.resume(&path).is_err());
    // Weights of the same shapes for other heads.
    let whole =
        |config| Trainer::new(Model::random(config, 1).unwrap(), TrainableParameters::Everything, rows(), options()).unwrap();
    whole(small()).save(&path).unwrap();
    let config = Config { num_attention_heads: 4, num_key_value_heads: 2, head_dim: 4, ..small() };
    let refused = whole(config).resume(&path).unwrap_err().to_string();
    assert!(refused.contains("the run was begun with a model of another architecture"), "{refused}");
    whole(small()).resume(&path).unwrap();
}

#[test]
fn a_base_model_is_known_by_every_weight_and_its_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let (path, base) = (folder.path().join("state"), folder.path().join("base"));
    let trainer = || {
        let mut model = Model::read(&base).unwrap();
        model.add_adapter(LoraConfig { rank: 2, ..LoraConfig::default() }, LoraInit::Gaussian, 2).unwrap();
        Trainer::new(model, TrainableParameters::Adapter, rows(), options()).unwrap()
    };
    Model::random(small(), 1).unwrap().write(&base, DType::F32).unwrap();
    trainer().save(&path).unwrap();
    // Elsewhere, with other times, it is the same.
    let moved = folder.path().join("moved");
    std::fs::create_dir(&moved).unwrap();
    for name in ["config.json", "model.safetensors"] {
        std::fs::write(moved.join(name), std::fs::read(base.join(name)).unwrap()).unwrap();
    }
    std::fs::remove_dir_all(&base).unwrap();
    std::fs::rename(&moved, &base).unwrap();
    trainer().resume(&path).unwrap();
    // The last byte is of the last row of some weight.
    for (name, old, new) in [("model.safetensors", None, 0x3f), ("config.json", Some("\"rope_theta\": "), b'2')] {
        let whole = std::fs::read(base.join(name)).unwrap();
        let mut changed = whole.clone();
        let at = old.map_or(whole.len() - 1, |old| String::from_utf8_lossy(&whole).find(old).unwrap() + old.len());
        changed[at] = if changed[at] == new { new + 1 } else { new };
        std::fs::write(base.join(name), changed).unwrap();
        let refused = trainer().resume(&path).unwrap_err().to_string();
        assert!(refused.contains("the run was begun on another base model"), "{name}: {refused}");
        std::fs::write(base.join(name), whole).unwrap();
    }
}

/// Every byte of weights, averages, losses and settings counts.
#[test]
fn a_state_of_which_a_byte_was_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let make = || Trainer::new(adapted(0.0), TrainableParameters::Adapter, rows(), options()).unwrap();
    let mut trainer = make();
    trainer.step().unwrap();
    trainer.save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    make().resume(&path).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let mut changed = 0;
    // In the header, what stands between words may be any blank.
    let places = (0..header).filter(|&at| whole[at] != b' ').chain((header..whole.len()).step_by(7)).chain([whole.len() - 1]);
    for at in places {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        std::fs::write(&path, &bytes).unwrap();
        let refused = make().resume(&path);
        assert!(refused.is_err(), "byte {at} of {} was changed and not noticed", whole.len());
        changed += usize::from(
            refused
                .unwrap_err()
                .to_string()
                .ends_with(": has changed since it was saved: its checksum is another; begin the run anew"),
        );
    }
    assert!(changed > (whole.len() - header) / 7, "{changed}");
    let text = |from: &str, to: &str| {
        let at = whole.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        let mut bytes = whole.clone();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        std::fs::write(&path, &bytes).unwrap();
        make().resume(&path).unwrap_err().to_string()
    };
    assert!(
        text("\"checksum\"", "\"checksun\"")
            .ends_with("state: was saved without a checksum, by an earlier version; begin the run anew")
    );
    assert!(text("\"settings\"", "\"settingt\"").ends_with("state: is not the state of a training run"));
}

#[test]
fn training_an_adapter_leaves_the_weights_alone() {
    let model = adapted(0.0);
    let before: Vec<Vec<f32>> =
        model.parameters(TrainableParameters::Everything).iter().map(|(_, t)| t.to_vec::<f32>().unwrap()).collect();
    let mut trainer = Trainer::new(model, TrainableParameters::Adapter, rows(), options()).unwrap();
    let start = values(&trainer);
    let first = trainer.step().unwrap();
    assert_eq!(first.tokens, 2 * 15);
    let after: Vec<Vec<f32>> =
        trainer.model.parameters(TrainableParameters::Everything).iter().map(|(_, t)| t.to_vec::<f32>().unwrap()).collect();
    assert_eq!(before, after);
    // A's gradient is 0 while B is: only B moves in the first step, but for weight decay.
    let moved = values(&trainer);
    assert_ne!(start[1], moved[1]);
}

#[test]
fn accumulated_passes_give_the_gradient_of_one_large_pass() {
    let trainer = |batch, accumulate| {
        let options = TrainOptions { batch, accumulate, ..options() };
        let mut trainer =
            Trainer::new(Model::random(small(), 1).unwrap(), TrainableParameters::Everything, rows(), options).unwrap();
        trainer.step().unwrap()
    };
    let (large, small) = (trainer(4, 1), trainer(1, 4));
    // Sums of the same f32 terms in another order.
    assert!((large.loss - small.loss).abs() < 1e-5 * large.loss);
    assert!((large.gradient_norm - small.gradient_norm).abs() < 1e-4 * large.gradient_norm);
}

#[test]
fn clipping_shortens_the_gradient_only() {
    let loss = |clip| {
        let options = TrainOptions { clip, learning_rate: 1e-3, ..options() };
        let mut trainer =
            Trainer::new(Model::random(small(), 1).unwrap(), TrainableParameters::Everything, rows(), options).unwrap();
        trainer.step().unwrap()
    };
    assert_eq!(loss(Some(1e-3)).gradient_norm, loss(None).gradient_norm);
}

#[test]
fn a_tied_output_layer_stays_the_embedding() {
    let config = Config { tie_word_embeddings: true, ..small() };
    let mut trainer = Trainer::new(Model::random(config, 1).unwrap(), TrainableParameters::Everything, rows(), options()).unwrap();
    let first = trainer.step().unwrap().loss;
    while !trainer.is_done() {
        trainer.step().unwrap();
    }
    assert!(trainer.losses()[5] < first);
    let model = trainer.model();
    let head = model.weight(crate::linear::LinearLayer::HEAD).to_vec::<f32>().unwrap();
    assert_eq!(head, model.parameters(TrainableParameters::Everything)[0].1.to_vec::<f32>().unwrap());
}

#[test]
fn computing_in_f64_rounds_less_and_nothing_else() {
    let run = |dtype| {
        let mut trainer =
            Trainer::new(adapted(0.0).with_compute_dtype(dtype).unwrap(), TrainableParameters::Adapter, rows(), options()).unwrap();
        let loss = trainer.step().unwrap().loss;
        (loss, trainer.model.parameters(TrainableParameters::Adapter)[0].1.dtype())
    };
    let ((single, f32), (double, f64)) = (run(DType::F32), run(DType::F64));
    assert_eq!((f32, f64), (DType::F32, DType::F64));
    assert!(single != double && (single - double).abs() < 1e-5 * double, "{single} and {double}");
    let refused = adapted(0.0).with_compute_dtype(DType::BF16).err().unwrap();
    assert_eq!(refused.to_string(), "model: computing in bf16 is not possible; f32 and f64 are");
}

#[test]
fn nothing_to_train_is_refused() {
    let refused = Trainer::new(Model::random(small(), 1).unwrap(), TrainableParameters::Adapter, rows(), options()).err().unwrap();
    assert_eq!(refused.to_string(), "train: no adapter is attached to the model, so there is nothing to train");
    let long = TokenDataset::new(vec![0; 600], 300).unwrap();
    let refused = Trainer::new(Model::random(small(), 1).unwrap(), TrainableParameters::Everything, long, options()).err().unwrap();
    assert_eq!(refused.to_string(), "train: rows of 300 tokens are longer than the model's context of 256");
}
