//! The tensors of a checkpoint: one file or several with an index, memory-mapped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use monotile::io::SafeTensors;
use monotile::{Error, ErrorKind, Result, Tensor};
use serde_json::Value;

use crate::json::Fields;

/// The file of a checkpoint that is not cut into shards.
pub const WEIGHTS: &str = "model.safetensors";
/// The list of a sharded checkpoint's tensors and files.
pub const INDEX: &str = "model.safetensors.index.json";

/// The open files of a checkpoint. Tensors stay in them, bf16 and f16 too, and are read as they are used.
pub struct Weights {
    /// What errors name: the file, or the index.
    source: PathBuf,
    files: Vec<SafeTensors>,
    /// In which of the files a tensor is.
    place: BTreeMap<String, usize>,
}

impl Weights {
    /// Opens `model.safetensors` of a folder, or the shards that `model.safetensors.index.json` lists.
    ///
    /// # Errors
    /// `Io` and `Format`, if a file is missing, truncated, or its header lies; each names the file.
    pub fn open(folder: &Path) -> Result<Self> {
        let whole = folder.join(WEIGHTS);
        let index = folder.join(INDEX);
        if !whole.exists() && index.exists() {
            return Self::open_shards(folder, index);
        }
        if !whole.exists() {
            return Err(Error::format(folder, format!("there is neither {WEIGHTS} nor {INDEX}")));
        }
        let file = SafeTensors::open(&whole)?;
        let place = file.names().map(|name| (name.to_string(), 0)).collect();
        Ok(Self { source: whole, files: vec![file], place })
    }

    fn open_shards(folder: &Path, index: PathBuf) -> Result<Self> {
        let fields = Fields::read(&index)?;
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
                    files.push(SafeTensors::open(path)?);
                    shards.insert(shard, files.len() - 1);
                    files.len() - 1
                }
            };
            place.insert(name.clone(), number);
        }
        Ok(Self { source: index, files, place })
    }

    /// The names of all tensors, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.place.keys().map(String::as_str)
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.place.contains_key(name)
    }

    /// The shape of a tensor, without reading it.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.place.get(name).and_then(|&number| self.files[number].shape(name))
    }

    /// The tensor of this name, which must be of floating-point numbers and this shape.
    ///
    /// # Errors
    /// `Format`, naming the file, the tensor and both shapes.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let Some(&number) = self.place.get(name) else {
            return Err(Error::format(&self.source, format!("tensor {name:?} is missing")));
        };
        let file = &self.files[number];
        let tensor = file.tensor(name)?;
        if tensor.shape() != shape {
            let found = tensor.shape();
            return Err(Error::format(file.path(), format!("tensor {name:?} has shape {found:?}, config.json asks for {shape:?}")));
        }
        if !tensor.dtype().is_float() {
            let message =
                format!("{}: tensor {name:?} is of {}; f32, f16 and bf16 are read", file.path().display(), tensor.dtype());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Ok(tensor)
    }
}
