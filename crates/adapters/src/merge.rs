//! Merging adapters into a checkpoint of any architecture, a block of rows at a time.

use std::fs;
use std::path::Path;

use monotile::io::{SafeTensors, SafeTensorsWriter, TensorSpec, write_atomic};
use monotile::{DType, Error, Result, Tensor};
use serde_json::{Value, json};

use crate::finite::{not_finite, overflow};
use crate::json::{read_json, write_json};
use crate::staged::{StagedFolder, StagedState, check_within, copy_others, fingerprint};
use crate::weighted::{WeightedAdapters, blocks, with_rows};
use crate::weights::{INDEX, Weights};

/// What [`merge`] tells of a tensor as it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct MergedTensor {
    /// Its name.
    pub tensor: String,
    /// Whether an adapter changes or replaces it.
    pub touched: bool,
    /// How many of its elements are other than before; `None` where an earlier run wrote it.
    pub changed: Option<u64>,
    /// How many elements it has.
    pub elements: u64,
    /// A number that is not finite in a tensor that this call copied as it is, if there is one: nothing computed holds any.
    pub not_finite: Option<f64>,
}

/// Merges adapters into the checkpoint that they were combined for: W' = W + Σ wᵢ ΔWᵢ, rounded as [`WeightedAdapters`] states.
///
/// What no adapter touches and no `dtype` converts is copied as it is, also where it holds NaN or ∞: [`MergedTensor`] tells of it.
///
/// The folder `out` gets the same shards, with the same names, and what the model's folder holds beside its weights. Floating-point
/// tensors become `dtype`, or keep their own.
///
/// The folder is filled beside its place and appears whole. The same call resumes a run that was killed, at the first tensor that was not
/// yet on the disk, and gives the same bytes.
///
/// # Errors
/// - `Value`, if the folder holds something, or a tensor that is computed would hold NaN or ∞.
/// - `Busy`, if another run is writing the folder.
/// - `Format`, if a file changed while it was read, or a tensor of the base model that is computed holds NaN or ∞.
/// - `Unsupported` for a touched tensor of an element type that is not read.
/// - `Io`, a full disk for example, naming the folder.
///
/// # Cost
/// Every byte is read and written once; 2 m n r operations a changed matrix. Memory: blocks of 2 Mi elements, and the adapters.
pub fn merge(
    base: &Weights,
    combined: &WeightedAdapters,
    dtype: Option<DType>,
    out: &Path,
    progress: &mut dyn FnMut(MergeProgress),
) -> Result<()> {
    stage_merge(base, combined, dtype, out, progress)?.finish()
}

/// As [`merge`], but leaves the folder beside its place, to be looked at before [`StagedFolder::finish`] puts it there.
///
/// # Errors
/// As [`merge`].
pub fn stage_merge(
    base: &Weights,
    combined: &WeightedAdapters,
    dtype: Option<DType>,
    out: &Path,
    progress: &mut dyn FnMut(MergeProgress),
) -> Result<StagedFolder> {
    let model = base.folder();
    let terms = combined.terms().map(|(source, weight)| Ok(json!([fingerprint(source)?, weight.to_string()])));
    let terms: Vec<Value> = terms.collect::<Result<_>>()?;
    let plan = json!({"merge": fingerprint(model)?, "adapters": terms, "dtype": dtype.map(DType::name)});
    let staged = StagedFolder::open(out, &plan)?;
    progress(MergeProgress::Opened(staged.state()));
    let mut filled = || {
        let mut bytes = 0;
        for file in base.files() {
            bytes += shard(file, combined, dtype, staged.folder(), &mut |one| progress(MergeProgress::Tensor(one)))?;
        }
        base.files().iter().try_for_each(SafeTensors::check_unchanged)?;
        copy_others(model, staged.folder())?;
        describe(model, staged.folder(), dtype, combined, bytes)
    };
    match filled() {
        Ok(()) => Ok(staged),
        Err(error) => Err(staged.fail(&error)),
    }
}

/// The progress of [`merge`].
#[derive(Debug, Clone, PartialEq)]
pub enum MergeProgress {
    /// The folder is open: whether a stopped run is resumed, before anything is written.
    Opened(StagedState),
    /// A tensor is written.
    Tensor(MergedTensor),
}

/// Writes one file; the bytes of its tensors.
fn shard(
    file: &SafeTensors,
    combined: &WeightedAdapters,
    dtype: Option<DType>,
    to: &Path,
    progress: &mut dyn FnMut(MergedTensor),
) -> Result<usize> {
    let planned = |name: &str| match file.dtype(name) {
        Some(own) if own.is_float() => Some(TensorSpec::new(name, dtype.unwrap_or(own), file.shape(name).unwrap_or_default())),
        _ => TensorSpec::copy(file, name),
    };
    let mut plan: Vec<TensorSpec> = file.names().filter_map(planned).collect();
    if let Some((head, embedding)) = combined.untied_head()
        && let Some(own) = file.dtype(embedding)
    {
        plan.push(TensorSpec::new(head, dtype.unwrap_or(own), file.shape(embedding).unwrap_or_default()));
    }
    let bytes = plan.iter().map(TensorSpec::bytes).sum();
    let elements = |planned: &TensorSpec| monotile::tensor::count(planned.shape()) as u64;
    let before = |planned: &TensorSpec| {
        let tensor = planned.name().to_string();
        MergedTensor { touched: combined.touches(&tensor), tensor, changed: None, elements: elements(planned), not_finite: None }
    };
    let path = to.join(file.path().file_name().unwrap_or_default());
    if path.exists() {
        plan.iter().map(before).for_each(progress);
        return Ok(bytes);
    }
    let mut strings: Vec<(&str, &str)> = file.metadata().iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    strings.sort_unstable();
    let mut writer = SafeTensorsWriter::open(&path, plan, &strings)?;
    writer.plan()[..writer.written()].iter().map(before).for_each(&mut *progress);
    while let Some(planned) = writer.pending().cloned() {
        let name = planned.name();
        let origin = combined.origin(name);
        let kept = file.dtype(origin).filter(|own| own.is_float()).is_none_or(|own| dtype.is_none_or(|dtype| dtype == own));
        let (changed, odd) = if !combined.touches(name) && kept {
            file.bytes(origin).map_or(Ok(()), |bytes| writer.write_bytes(bytes))?;
            let copied = file.dtype(origin).map(|_| file.tensor(origin)).transpose()?;
            (0, copied.map_or(Ok(None), |copied| not_finite(&copied))?)
        } else {
            (tensor(file, name, combined, dtype, &mut writer)?, None)
        };
        file.release(origin);
        progress(MergedTensor { changed: Some(changed), not_finite: odd, ..before(&planned) });
    }
    writer.finish()?;
    Ok(bytes)
}

/// Writes one tensor a block of rows at a time; how many of its elements changed.
fn tensor(
    file: &SafeTensors,
    name: &str,
    combined: &WeightedAdapters,
    dtype: Option<DType>,
    writer: &mut SafeTensorsWriter,
) -> Result<u64> {
    let origin = combined.origin(name);
    let weight = with_rows(&file.tensor(origin)?)?;
    let shape = file.shape(origin).unwrap_or_default();
    let dtype = dtype.unwrap_or(weight.dtype());
    let mut changed = 0;
    for rows in blocks(shape) {
        let range = rows;
        let rows = combined.rows(name, &weight, range.clone(), dtype)?;
        if let Some(odd) = not_finite(&rows.after)? {
            if !combined.replaces(name)
                && let Some(before) = not_finite(&rows.before)?
            {
                return Err(Error::format(file.path(), format!("tensor {origin:?} holds {before}")));
            }
            return Err(match not_finite(&combined.rows(name, &weight, range, DType::F64)?.after)? {
                Some(own) => {
                    Error::value(format!("lora: tensor {name:?} would hold {own}; the adapter or its weight is too large"))
                }
                None => overflow(name, odd, &rows.after),
            });
        }
        if combined.touches(name) {
            changed += count(&rows.after.ne(&rows.before.to_dtype(dtype)?)?)?;
        }
        writer.write(&if shape.is_empty() { rows.after.reshape::<usize>(&[])? } else { rows.after })?;
    }
    Ok(changed)
}

/// How many elements of a boolean tensor are true.
pub(crate) fn count(marks: &Tensor) -> Result<u64> {
    Ok(marks.to_vec::<bool>()?.iter().map(|&mark| u64::from(mark)).sum())
}

/// Writes the index, with the sum of bytes and a parted output layer, and the element type into `config.json`, and that the layer is not
/// tied.
fn describe(model: &Path, to: &Path, dtype: Option<DType>, combined: &WeightedAdapters, bytes: usize) -> Result<()> {
    let index = model.join(INDEX);
    if index.exists() && !model.join(crate::weights::WEIGHTS).exists() {
        check_within(&index)?;
        let mut value: Value = parse(&index)?;
        if !value["metadata"].is_object() {
            value["metadata"] = json!({});
        }
        value["metadata"]["total_size"] = json!(bytes);
        if let Some((head, embedding)) = combined.untied_head() {
            value["weight_map"][head] = value["weight_map"][embedding].clone();
        }
        write_json(&to.join(INDEX), &value)?;
    }
    let config = model.join("config.json");
    if config.exists() && (dtype.is_some() || combined.untied_head().is_some()) {
        let mut value: Value = parse(&config)?;
        if let Some(dtype) = dtype {
            let name = match dtype {
                DType::BF16 => "bfloat16",
                DType::F16 => "float16",
                DType::F64 => "float64",
                _ => "float32",
            };
            let field = if value.get("torch_dtype").is_some() { "torch_dtype" } else { "dtype" };
            value[field] = json!(name);
        }
        if combined.untied_head().is_some() {
            value["tie_word_embeddings"] = json!(false);
            if let Some(inner) = value.get_mut("text_config").and_then(|inner| inner.get_mut("tie_word_embeddings")) {
                *inner = json!(false);
            }
        }
        let text = serde_json::to_string_pretty(&value).unwrap_or_default();
        write_atomic(&to.join("config.json"), |file| std::io::Write::write_all(file, text.as_bytes()))?;
    }
    fs::File::open(to).and_then(|folder| folder.sync_all()).or(Ok(()))
}

/// A JSON object.
fn parse(path: &Path) -> Result<Value> {
    let value: Option<Value> = serde_json::from_str(&read_json(path, &monotile::limits::CONFIG)?).ok();
    value.filter(Value::is_object).ok_or_else(|| Error::format(path, "expected a JSON object"))
}

#[cfg(test)]
mod tests;
