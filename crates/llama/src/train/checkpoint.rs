//! A run on disk: one file with what is trained, the optimizer's state and the losses, and a checksum of all of it.

use std::path::Path;

use monotile::io::{SafeTensors, write_elements, write_safetensors};
use monotile::optim::{AdamW, AdamWState};
use monotile::{DType, Error, Result, Tensor};
use monotile_adapters::LowRankFactors;
use serde_json::{Value, json};

use super::Trainer;
use super::early_stopping::EarlyStopping;
use crate::linear::LinearLayer;
use crate::model::{Model, TrainableParameters};

impl Trainer {
    /// Saves everything that going on needs to one file, whole or not at all.
    ///
    /// # Errors
    /// `Io`, if it cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut tensors: Vec<(String, Tensor)> = Vec::new();
        let AdamWState { m, v, .. } = self.optimizer.state();
        for (number, (name, tensor)) in self.model.parameters(self.trained).into_iter().enumerate() {
            // Before the first step there are no averages.
            tensors.extend(m.get(number).map(|m| (format!("m.{name}"), m.clone())));
            tensors.extend(v.get(number).map(|v| (format!("v.{name}"), v.clone())));
            let best = self.evaluations.best.as_ref().and_then(|best| best.get(number));
            tensors.extend(best.map(|best| (format!("best.{name}"), best.clone())));
            tensors.push((name, tensor.clone()));
        }
        for (layer, start) in self.model.initial_factors() {
            tensors.extend([("A", &start.a), ("B", &start.b)].map(|(which, tensor)| (start_name(layer, which), tensor.clone())));
        }
        let judged = &self.evaluations.losses;
        if !judged.is_empty() {
            let pairs: Vec<f64> = judged.iter().flat_map(|&(steps, loss)| [steps as f64, loss]).collect();
            tensors.push(("evaluations".into(), Tensor::from_slice(&pairs, &[judged.len(), 2])?));
        }
        tensors.push(("losses".into(), Tensor::from_slice(&self.losses, &[self.losses.len()])?));
        let settings = self.settings().to_string();
        let sum = checksum(&settings, tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)));
        let listed: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        write_safetensors(path, &listed, &[(CHECKSUM, &sum), (SETTINGS, &settings)])
    }

    /// Goes on from a file that [`save`](Trainer::save) wrote, in a run made with the same model, data and options.
    ///
    /// # Errors
    /// `Io` and `Format`, if the file cannot be read, or is not what was saved to the last bit; `Value`, naming the first setting that
    /// differs from those it was made with.
    pub fn resume(&mut self, path: &Path) -> Result<()> {
        let file = SafeTensors::open(path)?;
        let refuse = |what: String| Error::format(path, what);
        let settings = file.metadata().get(SETTINGS);
        let saved = settings.and_then(|text| Some((text, serde_json::from_str::<Value>(text).ok()?)));
        let Some((settings, saved)) = saved else { return Err(refuse("is not the state of a training run".into())) };
        match file.metadata().get(CHECKSUM) {
            Some(saved) if *saved == checksum_of(&file, settings) => {}
            Some(_) => return Err(refuse("has changed since it was saved: its checksum is another; begin the run anew".into())),
            None => return Err(refuse("was saved without a checksum, by an earlier version; begin the run anew".into())),
        }
        if let Some((name, now)) = self.settings().as_object().and_then(|now| now.iter().find(|(name, now)| saved[*name] != **now))
        {
            let what = match name.as_str() {
                "model" => Some("the run was begun on another base model; give that one, or begin a run in another folder"),
                "architecture" => {
                    Some("the run was begun with a model of another architecture; give the options that it was begun with")
                }
                _ => None,
            };
            if let Some(what) = what {
                return Err(Error::value(format!("{}: {what}", path.display())));
            }
            let then = &saved[name];
            return Err(Error::value(format!("{}: the run was begun with {name} {then}, now it is {now}", path.display())));
        }
        let read = |name: &str, like: &Tensor| {
            let (tensor, shape) = (file.tensor(name)?, like.shape());
            match tensor.shape() == shape && tensor.dtype() == like.dtype() {
                // A copy: the file is replaced while the run goes on.
                true if tensor.dtype() == DType::F64 => Tensor::from_vec(tensor.to_vec::<f64>()?, shape),
                true => Tensor::from_vec(tensor.to_vec::<f32>()?, shape)?.to(self.model.device()),
                false => Err(refuse(format!("tensor {name:?} has shape {:?}, the run needs {shape:?}", tensor.shape()))),
            }
        };
        let losses = file.tensor("losses")?.to_vec::<f64>()?;
        let mut state = AdamWState { step: losses.len() as u64, ..AdamWState::default() };
        let mut evaluations = EarlyStopping::default();
        if file.contains("evaluations") {
            let pairs = file.tensor("evaluations")?.to_vec::<f64>()?;
            let steps = |number: f64| number.to_string().parse().ok().filter(|steps| *steps <= losses.len());
            let judged: Option<Vec<_>> = pairs.chunks_exact(2).map(|pair| Some((steps(pair[0])?, pair[1]))).collect();
            evaluations.losses = judged.ok_or_else(|| refuse("has evaluations after no number of its steps".into()))?;
        }
        let (mut values, mut best) = (Vec::new(), Vec::new());
        for (name, tensor) in self.model.parameters(self.trained) {
            values.push(read(&name, tensor)?);
            if evaluations.losses.iter().any(|(_, loss)| !loss.is_nan()) {
                best.push(read(&format!("best.{name}"), tensor)?);
            }
            if !losses.is_empty() {
                state.m.push(read(&format!("m.{name}"), tensor)?);
                state.v.push(read(&format!("v.{name}"), tensor)?);
            }
        }
        let start = |(layer, start): (LinearLayer, &LowRankFactors)| {
            Ok([read(&start_name(layer, "A"), &start.a)?, read(&start_name(layer, "B"), &start.b)?])
        };
        let starts = self.model.initial_factors().map(start).collect::<Result<_>>()?;
        self.model.replace_initial_factors(starts);
        evaluations.best = (!best.is_empty()).then_some(best);
        self.evaluations = evaluations;
        self.losses = losses;
        self.optimizer = AdamW::resume(self.options.adamw(), state);
        self.model.replace_parameters(self.trained, values);
        Ok(())
    }

    /// What must be the same for a run to go on as if it had not stopped.
    fn settings(&self) -> Value {
        let mut settings = self.options.json();
        settings["compute"] = json!(self.model.compute_dtype().to_string());
        settings["rows"] = json!([self.rows.row_count(), self.rows.length()]);
        settings["data"] = json!(format!("{:016x}", self.rows.fingerprint()));
        let adapted = self.model.adapter_layers().map(|(layer, lora)| {
            let start = if lora.initial.is_some() { " less its start" } else { "" };
            format!("{layer} {} {}{start}", lora.factors.scaling, lora.dropout)
        });
        settings["adapter"] = json!(adapted.collect::<Vec<_>>());
        match self.trained {
            TrainableParameters::Adapter => settings["model"] = json!(self.base.get_or_init(|| base_checksum(&self.model))),
            // Its weights are the state; their shapes do not tell how many heads they are for, say.
            TrainableParameters::Everything => {
                settings["architecture"] = json!(checksum(&architecture(&self.model), [].into_iter()))
            }
        }
        settings
    }
}

/// The key of the settings among the file's strings.
const SETTINGS: &str = "settings";
/// The key of the checksum.
const CHECKSUM: &str = "checksum";

/// All that a model is beside its weights.
fn architecture(model: &Model) -> String {
    format!("{:?}", model.config())
}

/// A checksum of a frozen model, wherever it lies: of its configuration and every weight, each read once.
pub(super) fn base_checksum(model: &Model) -> String {
    let weights = model.parameters(TrainableParameters::Everything);
    checksum(&architecture(model), weights.iter().map(|(name, tensor)| (name.as_str(), *tensor)))
}

/// A sum over the settings and every tensor's name, type, shape and bytes, as hexadecimal digits.
///
/// CRC-32 (IEEE 802.3) notices every change of up to 32 bits in a row, and all but one in four billion others. It is computed by
/// instructions made for it, several times faster than a disk writes, by a library that the formats .npz and .png need anyway.
fn checksum<'a>(settings: &str, tensors: impl Iterator<Item = (&'a str, &'a Tensor)>) -> String {
    let mut listed: Vec<_> = tensors.collect();
    listed.sort_unstable_by_key(|(name, _)| *name);
    let mut sum = Sum::from_settings(settings);
    for (name, tensor) in listed {
        sum.begin(name, &tensor.dtype().name().to_uppercase(), tensor.shape());
        write_elements(tensor, &mut sum).expect("a sum takes everything");
    }
    sum.digits()
}

/// The same of a file.
fn checksum_of(file: &SafeTensors, settings: &str) -> String {
    let mut sum = Sum::from_settings(settings);
    for name in file.names() {
        sum.begin(name, file.stored(name).unwrap_or_default(), file.shape(name).unwrap_or_default());
        sum.0.update(file.bytes(name).unwrap_or_default());
    }
    sum.digits()
}

/// A checksum in the making.
struct Sum(crc32fast::Hasher);

impl Sum {
    fn from_settings(settings: &str) -> Self {
        let mut sum = crc32fast::Hasher::new();
        sum.update(settings.as_bytes());
        Self(sum)
    }

    fn begin(&mut self, name: &str, stored: &str, shape: &[usize]) {
        self.0.update(format!("\n{name} {stored} {shape:?}\n").as_bytes());
    }

    fn digits(self) -> String {
        format!("{:08x}", self.0.finalize())
    }
}

impl std::io::Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What a frozen matrix that a layer's pair started from is called.
fn start_name(layer: LinearLayer, which: &str) -> String {
    format!("start.{layer}.lora_{which}.weight")
}
