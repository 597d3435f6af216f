//! The saved state of a training run, changed in places, with its checksum made good or not.
//!
//! The first byte says whether the checksum is made good. Then come splices of the JSON header: the place (two bytes, of the header's
//! length), how many bytes go (one) and come (one), and those that come. What is left over is written over the tensors' bytes.

use std::cell::RefCell;

use monotile::DType;
use monotile::io::SafeTensors;
use monotile_llama::data::TokenDataset;
use monotile_llama::lora::{LoraConfig, LoraInit};
use monotile_llama::train::{TrainOptions, Trainer};
use monotile_llama::{Config, Model, TrainableParameters};
use serde_json::Value;

use super::{file, folder, sentence};

thread_local! {
    /// A run of three steps, and the file that it saved.
    static BEGUN: RefCell<(Trainer, Vec<u8>)> = RefCell::new(begin());
}

/// The smallest model with a pair in every kind of layer that is adapted by default.
fn begin() -> (Trainer, Vec<u8>) {
    let config = Config {
        vocab_size: 8,
        hidden_size: 4,
        intermediate_size: 4,
        num_hidden_layers: 1,
        num_attention_heads: 1,
        num_key_value_heads: 1,
        head_dim: 4,
        ..Config::default()
    };
    let lora = LoraConfig { rank: 1, ..LoraConfig::default() };
    let mut model = Model::random(config, 1).expect("a model").with_compute_dtype(DType::F32).expect("single precision");
    model.add_adapter(lora, LoraInit::Gaussian, 2).expect("an adapter");
    let rows = TokenDataset::new((0..64).map(|token| token * token % 7).collect(), 4).expect("rows");
    let options = TrainOptions { steps: 6, batch: 2, ..TrainOptions::default() };
    let (rows, held_out) = rows.split(0.2).expect("a share that leaves both");
    let mut trainer = Trainer::new(model, TrainableParameters::Adapter, rows, options)
        .expect("a run")
        .with_held_out(held_out)
        .expect("rows held out");
    for _ in 0..3 {
        trainer.step().expect("a step");
    }
    let path = folder().join("begun");
    trainer.save(&path).expect("a state");
    let saved = std::fs::read(path).expect("the state");
    (trainer, saved)
}

pub fn run(bytes: &[u8]) {
    let Some((&first, edits)) = bytes.split_first() else { return };
    BEGUN.with_borrow_mut(|(trainer, saved)| {
        let mended = first % 2 == 1;
        let Some(changed) = edit(saved, edits, mended) else { return };
        let path = file("state", &changed);
        let losses = trainer.losses().to_vec();
        match trainer.resume(&path) {
            Ok(()) => {
                assert!(mended || same(&changed, saved), "a changed state was taken");
                if !trainer.is_done()
                    && let Err(error) = trainer.step()
                {
                    sentence(&error);
                }
            }
            Err(error) => {
                assert!(changed != *saved, "a state as it was saved is refused: {error}");
                assert!(bits(trainer.losses()) == bits(&losses), "a refused state changed the run");
                sentence(&error);
            }
        }
    });
}

/// Whether two files say the same: white space in a header has no meaning.
fn same(a: &[u8], b: &[u8]) -> bool {
    let parts = |file: &[u8]| {
        let length = u64::from_le_bytes(file[..8].try_into().expect("eight bytes")) as usize;
        let header: Value = serde_json::from_slice(&file[8..8 + length]).expect("a header that was read");
        (header, file[8 + length..].to_vec())
    };
    parts(a) == parts(b)
}

/// Losses as bits: a NaN is equal to itself.
fn bits(losses: &[f64]) -> Vec<u64> {
    losses.iter().map(|loss| loss.to_bits()).collect()
}

/// The saved file after its edits; none, if its checksum cannot be made good since it is no file of tensors any more.
fn edit(saved: &[u8], mut edits: &[u8], mended: bool) -> Option<Vec<u8>> {
    let length = u64::from_le_bytes(saved[..8].try_into().expect("eight bytes")) as usize;
    let (mut header, mut data) = (saved[8..8 + length].to_vec(), saved[8 + length..].to_vec());
    while let [high, low, goes, comes, rest @ ..] = edits {
        let at = (usize::from(*high) << 8 | usize::from(*low)).min(header.len());
        let end = (at + usize::from(*goes)).min(header.len());
        let (new, rest) = rest.split_at(usize::from(*comes).min(rest.len()));
        header.splice(at..end, new.iter().copied());
        edits = rest;
    }
    for (place, byte) in data.iter_mut().zip(edits) {
        *place ^= byte;
    }
    let changed = join(&header, &data);
    if !mended {
        return Some(changed);
    }
    let open = SafeTensors::open(file("mended", &changed)).map_err(|error| sentence(&error)).ok()?;
    let sum = checksum(&open)?;
    let mut json: Value = serde_json::from_slice(&header).ok()?;
    let metadata = json.get_mut("__metadata__")?.as_object_mut()?;
    if changed != saved {
        metadata.insert("checksum".into(), Value::String(sum));
        header = json.to_string().into_bytes();
        while header.len() % 8 != 0 {
            header.push(b' ');
        }
        return Some(join(&header, &data));
    }
    assert_eq!(metadata.get("checksum").and_then(Value::as_str), Some(sum.as_str()), "the saved sum is the documented one");
    Some(changed)
}

fn join(header: &[u8], data: &[u8]) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], header, data].concat()
}

/// The sum as the trainer documents it, computed anew here: over the settings, and each tensor's name, type, shape and bytes.
fn checksum(open: &SafeTensors) -> Option<String> {
    let mut sum = crc32fast::Hasher::new();
    sum.update(open.metadata().get("settings")?.as_bytes());
    for name in open.names() {
        let (stored, shape) = (open.stored(name).unwrap_or_default(), open.shape(name).unwrap_or_default());
        sum.update(format!("\n{name} {stored} {shape:?}\n").as_bytes());
        sum.update(open.bytes(name).unwrap_or_default());
    }
    Some(format!("{:08x}", sum.finalize()))
}
