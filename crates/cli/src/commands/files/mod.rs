//! Operands and results in files: .npy, members of .npz, tensors of .safetensors.

mod name;

use std::path::{Path, PathBuf};

use monotile::io::{Npz, SafeTensors, write_npz, write_safetensors};
use monotile::text::printable;
use monotile::{DType, Tensor};

use self::name::{FileFormat, split};
use crate::command_error::CommandError;

/// The name of a result in an archive when none is given.
const NAME: &str = "result";

fn unknown(command: &str, text: &str) -> CommandError {
    let known = "names end in .npy, .npz or .safetensors, with :name for a tensor in one of the last two";
    CommandError::Usage(format!("{command}: {text:?} is no file of tensors; {known}"))
}

/// Whether a text names a file of tensors.
pub fn is_file(text: &str) -> bool {
    split(text).is_some()
}

/// Where an operand comes from.
pub struct InputFile {
    path: PathBuf,
    format: FileFormat,
    name: Option<String>,
}

impl InputFile {
    pub fn parse(command: &str, text: &str) -> Result<Self, CommandError> {
        let (path, format, name) = split(text).ok_or_else(|| unknown(command, text))?;
        Ok(Self { path, format, name })
    }

    pub fn read(&self) -> Result<Tensor, CommandError> {
        Ok(match self.format {
            FileFormat::Npy => Tensor::read_npy(&self.path)?,
            FileFormat::Npz => {
                let archive = Npz::open(&self.path)?;
                archive.tensor(&self.only_name(archive.names())?)?
            }
            FileFormat::SafeTensors => {
                let file = SafeTensors::open(&self.path)?;
                let names: Vec<String> = file.names().map(str::to_string).collect();
                if let Some(name) = self.name.as_ref().filter(|name| !names.contains(name)) {
                    let fault = format!("{}: there is no tensor {name:?}; it has {}", self.path.display(), listed(&names));
                    return Err(CommandError::new(fault));
                }
                file.tensor(&self.only_name(names)?)?
            }
        })
    }

    /// The name that was given, or the only one that there is.
    fn only_name(&self, names: Vec<String>) -> Result<String, CommandError> {
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        let path = self.path.display();
        match names.as_slice() {
            [name] => Ok(name.clone()),
            [] => Err(CommandError::new(format!("{path}: there is no tensor in it"))),
            [first, ..] => {
                let fault = format!("{path}: which of its {} tensors? it has {}", names.len(), listed(&names));
                let failure = CommandError::new(fault);
                Err(failure.hint(format!("name one after a colon: {path}:{}", printable(first))))
            }
        }
    }
}

/// As many names as a sentence has room for.
fn listed(names: &[String]) -> String {
    const SHOWN: usize = 6;
    let more = if names.len() > SHOWN { ", …" } else { "" };
    let names: Vec<String> = names.iter().take(SHOWN).map(|name| printable(name).to_string()).collect();
    format!("{}{more}", names.join(", "))
}

/// Where the result goes.
pub struct OutputFile {
    pub path: PathBuf,
    format: FileFormat,
    name: Option<String>,
}

impl OutputFile {
    pub fn parse(command: &str, text: &str) -> Result<Self, CommandError> {
        let (path, format, name) = split(text).ok_or_else(|| unknown(command, text))?;
        let folder = path.parent().filter(|p| *p != Path::new("") && !p.is_dir());
        if let Some(folder) = folder {
            return Err(CommandError::new(format!("{}: there is no folder {}", path.display(), folder.display())));
        }
        Ok(Self { path, format, name })
    }

    /// Writes the only result there is.
    pub fn write(&self, result: &Tensor) -> Result<(), CommandError> {
        self.write_named(&[(NAME, result)])
    }

    /// Writes results under their names, or the only one under the name that was asked for. Several go where there are names.
    pub fn write_named(&self, results: &[(&str, &Tensor)]) -> Result<(), CommandError> {
        match (results, &self.name) {
            ([(_, result)], Some(name)) => self.write_as(&[(name, result)]),
            _ => self.write_as(results),
        }
    }

    /// Refuses a file that cannot hold results of these names, before anything is computed.
    pub fn check_names(&self, command: &str, names: &[&str]) -> Result<(), CommandError> {
        let (path, names_listed) = (self.path.display(), names.join(", "));
        if names.len() > 1 && self.format == FileFormat::Npy {
            let why = "write .npz or .safetensors";
            return Err(CommandError::Usage(format!("{command}: {path} holds one array, and there are {names_listed}; {why}")));
        }
        if let Some(name) = self.name.as_ref().filter(|_| names.len() > 1) {
            return Err(CommandError::Usage(format!(
                "{command}: the name {name:?} is for one result, and there are {names_listed}"
            )));
        }
        Ok(())
    }

    fn write_as(&self, named: &[(&str, &Tensor)]) -> Result<(), CommandError> {
        match (self.format, named) {
            (FileFormat::Npy, [(_, result)]) => result.write_npy(&self.path)?,
            (FileFormat::Npy, _) => return Err(CommandError::new(format!("{}: a .npy file holds one array", self.path.display()))),
            (FileFormat::Npz, _) => write_npz(&self.path, named)?,
            (FileFormat::SafeTensors, _) => write_safetensors(&self.path, named, &[])?,
        }
        Ok(())
    }
}

/// A shape as people say it: `2 x 3`.
pub fn shape(sizes: &[usize]) -> String {
    if sizes.is_empty() {
        return "scalar".to_string();
    }
    sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ")
}

/// The largest integer up to which f64 holds every one.
pub const EXACT: u64 = 1 << 53;

/// An operand as floating-point numbers: integers and truth values become f64, as NumPy converts them.
pub fn floating(operand: &str, tensor: Tensor) -> Result<Tensor, CommandError> {
    if tensor.dtype().is_float() {
        return Ok(tensor);
    }
    if largest(&tensor)? > EXACT {
        let fault = format!("{operand}: holds integers beyond 2^53, which f64 does not hold exactly");
        return Err(CommandError::new(fault).hint("save the array as float64 if rounded numbers will do"));
    }
    Ok(tensor.to_dtype(DType::F64)?)
}

/// The largest size of an integer; 0 of none.
pub fn largest(tensor: &Tensor) -> Result<u64, CommandError> {
    let numbers = tensor.to_dtype(DType::I64)?.to_vec::<i64>()?;
    Ok(numbers.iter().map(|n| n.unsigned_abs()).max().unwrap_or(0))
}
