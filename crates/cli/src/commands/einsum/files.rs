//! Operands and results in files: .npy, members of .npz, tensors of .safetensors.

use std::path::{Path, PathBuf};

use monotile::Tensor;
use monotile::io::{Npz, SafeTensors, write_npz, write_safetensors};

use super::name::{Format, split};
use crate::failure::Failure;

/// The name of a result in an archive when none is given.
const NAME: &str = "result";

fn unknown(text: &str) -> Failure {
    let known = "names end in .npy, .npz or .safetensors, with :name for a tensor in one of the last two";
    Failure::Usage(format!("einsum: {text:?} is no file of tensors; {known}"))
}

/// Where an operand comes from.
pub struct Source {
    path: PathBuf,
    format: Format,
    name: Option<String>,
}

impl Source {
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let (path, format, name) = split(text).ok_or_else(|| unknown(text))?;
        Ok(Self { path, format, name })
    }

    pub fn read(&self) -> Result<Tensor, Failure> {
        Ok(match self.format {
            Format::Npy => Tensor::read_npy(&self.path)?,
            Format::Npz => {
                let archive = Npz::open(&self.path)?;
                archive.tensor(&self.only_name(archive.names())?)?
            }
            Format::SafeTensors => {
                let file = SafeTensors::open(&self.path)?;
                file.tensor(&self.only_name(file.names().map(str::to_string).collect())?)?
            }
        })
    }

    /// The name that was given, or the only one that there is.
    fn only_name(&self, names: Vec<String>) -> Result<String, Failure> {
        /// Names that a sentence has room for.
        const SHOWN: usize = 6;
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        let path = self.path.display();
        match names.as_slice() {
            [name] => Ok(name.clone()),
            [] => Err(Failure::new(format!("{path}: there is no tensor in it"))),
            [first, ..] => {
                let more = if names.len() > SHOWN { ", …" } else { "" };
                let shown = names[..names.len().min(SHOWN)].join(", ");
                let failure = Failure::new(format!("{path}: which of its {} tensors? it has {shown}{more}", names.len()));
                Err(failure.hint(format!("name one after a colon: {path}:{first}")))
            }
        }
    }
}

/// Where the result goes.
pub struct Destination {
    pub path: PathBuf,
    format: Format,
    name: String,
}

impl Destination {
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let (path, format, name) = split(text).ok_or_else(|| unknown(text))?;
        let folder = path.parent().filter(|p| *p != Path::new("") && !p.is_dir());
        if let Some(folder) = folder {
            return Err(Failure::new(format!("{}: there is no folder {}", path.display(), folder.display())));
        }
        Ok(Self { path, format, name: name.unwrap_or_else(|| NAME.to_string()) })
    }

    pub fn write(&self, result: &Tensor) -> Result<(), Failure> {
        let named = [(self.name.as_str(), result)];
        match self.format {
            Format::Npy => result.write_npy(&self.path)?,
            Format::Npz => write_npz(&self.path, &named)?,
            Format::SafeTensors => write_safetensors(&self.path, &named, &[])?,
        }
        Ok(())
    }
}
