//! A run that learns a field, in a file: saved whole or not at all, and resumed to the same bits.

use std::path::Path;

use monotile::io::{SafeTensors, write_safetensors};
use monotile::optim::Optimizer;
use monotile::{DType, Error, Result, Tensor};
use serde_json::{Value, json};

use super::poses::FieldPoses;
use super::scene::FieldScene;
use super::train::{FieldBackground, FieldObjective, FieldTrainer};
use super::views::FieldView;

/// The keys of the file's strings: what the field is, what must be the same to go on, and how far the run is.
const FIELD: &str = "field";
const SETTINGS: &str = "settings";
const PROGRESS: &str = "progress";
/// What the optimizer's tensors begin with.
const OPTIMIZER: &str = "adam.";
/// What those of the poses begin with.
const POSES: &str = "poses.";

impl FieldTrainer {
    /// Saves all that going on needs to one file, whole or not at all; `seconds` is kept for the caller.
    ///
    /// # Errors
    /// `Io`, if it cannot be written.
    #[track_caller]
    pub fn save(&self, path: &Path, seconds: f64) -> Result<()> {
        let mut tensors = self.scene.tensors()?;
        tensors.extend(self.optimizer.state_tensors().into_iter().map(|(name, tensor)| (format!("{OPTIMIZER}{name}"), tensor)));
        tensors.extend(self.poses.tensors()?.into_iter().map(|(name, tensor)| (format!("{POSES}{name}"), tensor)));
        let listed: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        let progress = json!({ "steps": self.done, "rays": self.rays, "seconds": seconds }).to_string();
        let (field, settings) = (self.scene.about().to_string(), self.settings().to_string());
        write_safetensors(path, &listed, &[(FIELD, &field), (SETTINGS, &settings), (PROGRESS, &progress)])
    }

    /// Goes on from a file that [`save`](Self::save) wrote, in a run of the same views and options; gives the seconds that it was saved with.
    ///
    /// # Errors
    /// `Io` and `Format`, if the file cannot be read, or is no such state; `Value`, naming the first setting that differs.
    #[track_caller]
    pub fn resume(&mut self, path: &Path) -> Result<f64> {
        let file = SafeTensors::open(path)?;
        let refuse = |what: &str| Error::format(path, what);
        let read = |key: &str| -> Result<Value> {
            let value = file.metadata().get(key).and_then(|text| serde_json::from_str(text).ok());
            value.ok_or_else(|| refuse("is not the state of a run that learns a field"))
        };
        let (field, saved, progress) = (read(FIELD)?, read(SETTINGS)?, read(PROGRESS)?);
        // Numbers as they are read, which may miss the last bit of what was written.
        let as_read = |value: Value| serde_json::from_str::<Value>(&value.to_string()).unwrap_or(value);
        let (now, about) = (as_read(self.settings()), as_read(self.scene.about()));
        for (now, saved) in [(&now, &saved), (&about, &field)] {
            if let Some((name, now)) = now.as_object().into_iter().flatten().find(|(name, now)| saved[name.as_str()] != **now) {
                let then = &saved[name];
                return Err(Error::value(format!("{}: the run was begun with {name} {then}, now it is {now}", path.display())));
            }
        }
        let mut scene = FieldScene::from_parts(&field, path, &file)?;
        scene.field.keep_cube(self.scene.field.cube());
        // Copies: the file is replaced while the run goes on.
        let copies = |prefix: &str| -> Result<Vec<(String, Tensor)>> {
            let own = file.names().filter_map(|name| Some((name, name.strip_prefix(prefix)?)));
            own.map(|(name, own)| Ok((own.to_string(), copied(&file.tensor(name)?)?))).collect()
        };
        let whole = |name: &str| progress[name].as_u64().and_then(|n| usize::try_from(n).ok());
        let (Some(done), Some(rays), Some(seconds)) = (whole("steps"), whole("rays"), progress["seconds"].as_f64()) else {
            return Err(refuse("does not tell how far the run is"));
        };
        self.optimizer.resume_tensors(&copies(OPTIMIZER)?)?;
        self.poses.resume(copies(POSES)?)?;
        self.optimizer.check(&scene.field.values(), &scene.field.values())?;
        self.scene = scene;
        self.done = done;
        self.rays = rays.clamp(1, 1 << 20);
        Ok(seconds)
    }

    /// What must be the same for a run to go on as if it had not stopped.
    fn settings(&self) -> Value {
        let options = &self.options;
        json!({
            "samples": options.samples, "learning_rate": options.learning_rate, "decay": options.decay, "seed": options.seed,
            "objective": if options.objective == FieldObjective::Mse { "mse" } else { "huber" },
            "background": match options.background {
                FieldBackground::Random => json!("random"),
                FieldBackground::Color(color) => json!(color),
            },
            "poses": if options.poses == FieldPoses::Fixed { "fixed" } else { "refine" },
            "views": self.views.len(),
            "pictures": format!("{:016x}", self.views.iter().fold(FNV_START, FieldView::fingerprint)),
        })
    }
}

/// The same numbers in memory of their own.
fn copied(tensor: &Tensor) -> Result<Tensor> {
    match tensor.dtype() {
        DType::F32 => Tensor::from_vec(tensor.to_vec::<f32>()?, tensor.shape()),
        DType::I64 => Tensor::from_vec(tensor.to_vec::<i64>()?, tensor.shape()),
        _ => Tensor::from_vec(tensor.to_vec::<f64>()?, tensor.shape()),
    }
}

/// Fowler, Noll and Vo's hash of 64 bits, by words in the place of bytes.
const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// A hash with one more word in it.
pub(super) fn hashed(hash: u64, word: u64) -> u64 {
    (hash ^ word).wrapping_mul(FNV_PRIME)
}
