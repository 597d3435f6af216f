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
                let names: Vec<String> = file.names().map(str::to_string).collect();
                if let Some(name) = self.name.as_ref().filter(|name| !names.contains(name)) {
                    let fault = format!("{}: there is no tensor {name:?}; it has {}", self.path.display(), listed(&names));
                    return Err(Failure::new(fault));
                }
                file.tensor(&self.only_name(names)?)?
            }
        })
    }

    /// The name that was given, or the only one that there is.
    fn only_name(&self, names: Vec<String>) -> Result<String, Failure> {
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        let path = self.path.display();
        match names.as_slice() {
            [name] => Ok(name.clone()),
            [] => Err(Failure::new(format!("{path}: there is no tensor in it"))),
            [first, ..] => {
                let fault = format!("{path}: which of its {} tensors? it has {}", names.len(), listed(&names));
                let failure = Failure::new(fault);
                Err(failure.hint(format!("name one after a colon: {path}:{first}")))
            }
        }
    }
}

/// As many names as a sentence has room for.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 6;
    let more = if names.len() > SHOWN { ", …" } else { "" };
    format!("{}{more}", names[..names.len().min(SHOWN)].join(", "))
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
