//! A run on disk: one file with what is trained, the optimizer's state and the losses.

use std::path::Path;

use monotile::io::{SafeTensors, write_safetensors};
use monotile::optim::{AdamW, AdamWState};
use monotile::{DType, Error, Result, Tensor};
use serde_json::{Value, json};

use super::Trainer;
use super::patience::Evaluations;
use crate::linear::Layer;
use crate::lora::Pair;
use crate::model::Trained;

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
        for (layer, start) in self.model.starts() {
            tensors.extend([("A", &start.a), ("B", &start.b)].map(|(which, tensor)| (start_name(layer, which), tensor.clone())));
        }
        let judged = &self.evaluations.losses;
        if !judged.is_empty() {
            let pairs: Vec<f64> = judged.iter().flat_map(|&(steps, loss)| [steps as f64, loss]).collect();
            tensors.push(("evaluations".into(), Tensor::from_slice(&pairs, &[judged.len(), 2])?));
        }
        tensors.push(("losses".into(), Tensor::from_slice(&self.losses, &[self.losses.len()])?));
        let listed: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        write_safetensors(path, &listed, &[("settings", &self.settings().to_string())])
    }

    /// Goes on from a file that [`save`](Trainer::save) wrote, in a run made with the same model, data and options.
    ///
    /// # Errors
    /// `Io` and `Format`, if the file cannot be read; `Value`, naming the first setting that differs from those it was made with.
    pub fn resume(&mut self, path: &Path) -> Result<()> {
        let file = SafeTensors::open(path)?;
        let refuse = |what: String| Error::format(path, what);
        let saved = file.metadata().get("settings").and_then(|text| serde_json::from_str::<Value>(text).ok());
        let Some(saved) = saved else { return Err(refuse("is not the state of a training run".into())) };
        if let Some((name, now)) = self.settings().as_object().and_then(|now| now.iter().find(|(name, now)| saved[*name] != **now))
        {
            let then = &saved[name];
            return Err(Error::value(format!("{}: the run was begun with {name} {then}, now it is {now}", path.display())));
        }
        let read = |name: &str, like: &Tensor| {
            let (tensor, shape) = (file.tensor(name)?, like.shape());
            match tensor.shape() == shape && tensor.dtype() == like.dtype() {
                // A copy: the file is replaced while the run goes on.
                true if tensor.dtype() == DType::F64 => Tensor::from_vec(tensor.to_vec::<f64>()?, shape),
                true => Tensor::from_vec(tensor.to_vec::<f32>()?, shape),
                false => Err(refuse(format!("tensor {name:?} has shape {:?}, the run needs {shape:?}", tensor.shape()))),
            }
        };
        let losses = file.tensor("losses")?.to_vec::<f64>()?;
        let mut state = AdamWState { step: losses.len() as u64, ..AdamWState::default() };
        let mut evaluations = Evaluations::default();
        if file.contains("evaluations") {
            let pairs = file.tensor("evaluations")?.to_vec::<f64>()?;
            evaluations.losses = pairs.chunks_exact(2).map(|pair| (pair[0] as usize, pair[1])).collect();
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
        let start = |(layer, start): (Layer, &Pair)| {
            Ok([read(&start_name(layer, "A"), &start.a)?, read(&start_name(layer, "B"), &start.b)?])
        };
        let starts = self.model.starts().map(start).collect::<Result<_>>()?;
        self.model.replace_starts(starts);
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
        settings["compute"] = json!(self.model.compute().to_string());
        settings["rows"] = json!([self.rows.count(), self.rows.length()]);
        settings["data"] = json!(format!("{:016x}", self.rows.fingerprint()));
        let started: Vec<Layer> = self.model.starts().map(|(layer, _)| layer).collect();
        let adapted = self.model.adapted().map(|(layer, pair)| {
            let start = if started.contains(&layer) { " less its start" } else { "" };
            format!("{layer} {} {}{start}", pair.scaling, pair.dropout)
        });
        settings["adapter"] = json!(adapted.collect::<Vec<_>>());
        if self.trained == Trained::Adapter {
            settings["model"] = json!(self.model.fingerprint());
        }
        settings
    }
}

/// What a frozen matrix that a layer's pair started from is called.
fn start_name(layer: Layer, which: &str) -> String {
    format!("start.{layer}.lora_{which}.weight")
}
