//! The tensors of a checkpoint: one file or several with an index, memory-mapped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use monotile::io::SafeTensors;
use monotile::{DType, Error, ErrorKind, Result, Tensor, limits};
use serde_json::Value;

use crate::foreign;
use crate::json::Fields;
use crate::natural_order::natural_order;

/// The file of a checkpoint that is not cut into shards.
pub const WEIGHTS: &str = "model.safetensors";
/// The list of a sharded checkpoint's tensors and files.
pub const INDEX: &str = "model.safetensors.index.json";

/// The tensor of the embedding.
pub const EMBEDDING: &str = "model.embed_tokens.weight";
/// The tensor of the output layer, where it is not the embedding.
pub const HEAD: &str = "lm_head.weight";
/// What stands before the names of a model's tensors; checkpoints that were saved without their output layer lack it.
const PREFIX: &str = "model.";

/// The open files of a checkpoint. Tensors stay in them, bf16 and f16 too, and are read as they are used.
pub struct Weights {
    /// What errors name: the file, or the index.
    source: PathBuf,
    files: Vec<SafeTensors>,
    /// In which of the files a tensor is.
    place: BTreeMap<String, usize>,
    /// All tensors, in the order that a person expects.
    names: Vec<String>,
    /// Whether the output layer may be the embedding, as far as `config.json` tells.
    ties: bool,
}

impl Weights {
    /// Opens `model.safetensors` of a folder, or the shards that `model.safetensors.index.json` lists.
    ///
    /// # Errors
    /// `Io` and `Format`, if a file is missing, truncated, or its header lies; each names the file.
    pub fn open(folder: &Path) -> Result<Self> {
        let whole = folder.join(WEIGHTS);
        let index = folder.join(INDEX);
        let opened = if !whole.exists() && index.exists() {
            Self::open_shards(folder, index)?
        } else if whole.exists() {
            let file = open_safetensors(&whole)?;
            let place = file.names().map(|name| (name.to_string(), 0)).collect();
            Self::new(whole, vec![file], place)
        } else {
            return Err(foreign::foreign_file_in(folder)
                .unwrap_or_else(|| Error::format(folder, format!("there is neither {WEIGHTS} nor {INDEX}"))));
        };
        Ok(Self { ties: ties(folder), ..opened })
    }

    fn open_shards(folder: &Path, index: PathBuf) -> Result<Self> {
        let fields = Fields::read_within(&index, &limits::HEADER)?;
        let Some(map) = fields.get("weight_map").and_then(Value::as_object) else {
            return Err(fields.refuse("weight_map", "is missing or no object"));
        };
        let mut shards: BTreeMap<&str, usize> = BTreeMap::new();
        let mut files = Vec::new();
        let mut place = BTreeMap::new();
        for (name, shard) in map {
            // A name with a path in it could lead anywhere.
            let plain = shard.as_str().filter(|s| Path::new(s).file_name().is_some_and(|f| f == *s));
            let Some(shard) = plain else {
                return Err(Error::format(&index, format!("tensor {name:?}: {shard} is not the name of a file in this folder")));
            };
            let number = match shards.get(shard) {
                Some(&number) => number,
                None => {
                    let path = folder.join(shard);
                    if !path.exists() {
                        return Err(Error::format(&index, format!("shard {shard:?} is not in the folder")));
                    }
                    files.push(open_safetensors(&path)?);
                    shards.insert(shard, files.len() - 1);
                    files.len() - 1
                }
            };
            place.insert(name.clone(), number);
        }
        Ok(Self::new(index, files, place))
    }

    fn new(source: PathBuf, files: Vec<SafeTensors>, place: BTreeMap<String, usize>) -> Self {
        let mut names: Vec<String> = place.keys().cloned().collect();
        names.sort_by(|one, other| natural_order(one, other));
        Self { source, files, place, names, ties: false }
    }

    /// The name that a tensor has in the files: with `model.` before it or without.
    pub fn stored_name<'a>(&'a self, name: &str) -> Option<&'a str> {
        let found = |name: &str| self.place.get_key_value(name).map(|(name, _)| name.as_str());
        let bare = || name.strip_prefix(PREFIX).and_then(found);
        found(name).or_else(bare).or_else(|| found(&format!("{PREFIX}{name}")))
    }

    /// The embedding that the output layer is, where there is no tensor of its own and `config.json` does not part them.
    pub fn tied_embedding(&self) -> Option<&str> {
        let embedding = self.stored_name(EMBEDDING);
        let embedding = embedding.or_else(|| self.names().find(|name| name.ends_with("embed_tokens.weight")));
        embedding.filter(|_| self.ties && !self.names().any(|name| name.ends_with(HEAD)))
    }

    /// Whether two tensors are there and the same to the last bit.
    pub fn are_identical(&self, one: &str, other: &str) -> bool {
        let bytes = |name: &str| {
            let (file, name) = (self.file(name)?, self.stored_name(name)?);
            Some((file.stored(name)?, file.shape(name)?, file.bytes(name)?))
        };
        bytes(one).zip(bytes(other)).is_some_and(|(one, other)| one == other)
    }

    /// The names of all tensors in [natural order](natural_order).
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.stored_name(name).is_some()
    }

    /// The shape of a tensor, without reading it.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        let name = self.stored_name(name)?;
        self.file(name)?.shape(name)
    }

    /// The element type of a tensor when it is read, without reading it; `None` if it is not there, or of a type that is not read.
    pub fn dtype(&self, name: &str) -> Option<DType> {
        let name = self.stored_name(name)?;
        self.file(name)?.dtype(name)
    }

    /// The folder that was opened.
    pub fn folder(&self) -> &Path {
        self.source.parent().unwrap_or(&self.source)
    }

    /// The files.
    pub fn files(&self) -> &[SafeTensors] {
        &self.files
    }

    /// The file that a tensor is in.
    pub fn file(&self, name: &str) -> Option<&SafeTensors> {
        self.place.get(self.stored_name(name)?).map(|&number| &self.files[number])
    }

    /// The tensor of this name, whatever its shape and element type.
    ///
    /// # Errors
    /// `Format`, if there is none; `Unsupported` for element types that are not read.
    pub fn tensor_of_any_shape(&self, name: &str) -> Result<Tensor> {
        match self.file(name).zip(self.stored_name(name)) {
            Some((file, name)) => file.tensor(name),
            None => Err(Error::format(&self.source, format!("tensor {name:?} is missing"))),
        }
    }

    /// Gives back the memory that reading a tensor took: it is read from the file when it is used again.
    pub fn release(&self, name: &str) {
        if let Some((file, name)) = self.file(name).zip(self.stored_name(name)) {
            file.release(name);
        }
    }

    /// The tensor of this name, which must be of floating-point numbers and this shape.
    ///
    /// # Errors
    /// `Format`, naming the file, the tensor and both shapes.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let tensor = self.tensor_of_any_shape(name)?;
        let path = self.file(name).map_or(self.source.as_path(), SafeTensors::path);
        if tensor.shape() != shape {
            let found = tensor.shape();
            return Err(Error::format(path, format!("tensor {name:?} has shape {found:?}, config.json asks for {shape:?}")));
        }
        if !tensor.dtype().is_float() {
            let message = format!("{}: tensor {name:?} is of {}; f64, f32, f16 and bf16 are read", path.display(), tensor.dtype());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Ok(tensor)
    }
}

/// Opens a file of tensors, if it is one and nothing else under its name.
pub(crate) fn open_safetensors(path: &Path) -> Result<SafeTensors> {
    foreign::refuse_foreign_file(path)?;
    SafeTensors::open(path)
}

/// Whether `config.json` leaves the output layer tied to the embedding: where it says nothing, a checkpoint without an output layer can
/// be no other.
fn ties(folder: &Path) -> bool {
    let Ok(fields) = Fields::read(&folder.join("config.json")) else { return false };
    let inner = fields.object("text_config").ok().flatten();
    let says = |fields: &Fields| fields.get("tie_word_embeddings").map(|value| *value == Value::Bool(true));
    says(&fields).or_else(|| inner.as_ref().and_then(says)).unwrap_or(true)
}
