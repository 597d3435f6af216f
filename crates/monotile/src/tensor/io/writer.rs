//! A `.safetensors` file that is written a tensor at a time, and goes on where it was killed.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::hidden::hidden_sibling;
use super::regular::{check_own, open_own, open_regular, read_regular};
use super::safetensors::{TensorSpec, check_types, header};
use super::write::Place;
use super::write_elements;
use crate::error::{Error, Placed, Result};
use crate::limits;
use crate::tensor::Tensor;

/// After so many bytes what is written is forced to the disk and recorded.
const STRIDE: u64 = 32 << 20;
/// After so long too.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes a `.safetensors` file whose tensors are known beforehand, in parts, so that none need be in memory whole.
///
/// Elements go into `.NAME.partial` beside the file; how many of them the disk holds for certain is recorded in `.NAME.done`, after at
/// most 32 MiB or a second. When a writer with the same plan is opened after a kill, or a power failure, it goes on at the first tensor
/// that was not yet certain. That the numbers would be the same is the caller's to know. [`finish`](Self::finish) renames the file.
///
/// # Example
/// ```
/// use monotile::{DType, Tensor, io::{TensorSpec, SafeTensors, SafeTensorsWriter}};
/// let path = std::env::temp_dir().join("monotile-writer.safetensors");
/// let mut writer = SafeTensorsWriter::open(&path, vec![TensorSpec::new("w", DType::F32, &[2, 3])], &[])?;
/// while let Some(planned) = writer.pending() {
///     assert_eq!(planned.name(), "w");
///     writer.write(&Tensor::ones(&[1, 3], DType::F32)?)?;
/// }
/// writer.finish()?;
/// assert_eq!(SafeTensors::open(&path)?.tensor("w")?.to_vec::<f32>()?, [1.0; 6]);
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), monotile::Error>(())
/// ```
pub struct SafeTensorsWriter {
    path: PathBuf,
    plan: Vec<TensorSpec>,
    /// The tensor that is being written.
    at: usize,
    /// How many bytes of it are written.
    within: usize,
    file: File,
    record: File,
    /// Bytes of the file up to the last whole tensor.
    whole: u64,
    /// Of those, the recorded ones, and since when.
    recorded: (u64, Instant),
}

impl SafeTensorsWriter {
    /// Opens a file for these tensors, wider element types first and then by name, or one that was left unfinished with the same plan.
    ///
    /// # Errors
    /// `Value`, if two tensors have one name, or the path is that of a pipe or a device; `Format`, if one of the files beside it is a link
    /// or no file; `Io`, if the operating system refuses.
    #[track_caller]
    pub fn open(path: &Path, mut plan: Vec<TensorSpec>, metadata: &[(&str, &str)]) -> Result<Self> {
        plan.sort_by(|a, b| b.width.cmp(&a.width).then_with(|| a.name.cmp(&b.name)));
        let mut names: Vec<&str> = plan.iter().map(TensorSpec::name).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::value(format!("{}: two tensors have the name \"{}\" (writing)", path.display(), twice[0])));
        }
        check_types(&path.display().to_string(), &plan)?;
        let header = header(&plan, metadata);
        let refuse = |e: std::io::Error| Error::io("writing", path, &e);
        let Place::File(target, permissions) = Place::of(path).map_err(refuse).placed()? else {
            return Err(Error::value(format!("{}: is a pipe or a device, and a file is written here in parts", path.display())));
        };
        let path = target.as_path();
        let beside = ["partial", "done"].map(|what| hidden_sibling(path, what));
        beside.iter().try_for_each(|file| check_own(file))?;
        let (at, whole) = resumed(path, &plan, &header).unwrap_or((0, 0));
        if whole == 0 {
            // Without its record a file counts for nothing: what it held cannot be taken for what comes.
            let _ = fs::remove_file(hidden_sibling(path, "done"));
        }
        let open = |file| open_own(file, OpenOptions::new().write(true).create(true).truncate(false));
        let (mut file, record) = (open(&beside[0])?, open(&beside[1])?);
        let begin = || -> std::io::Result<u64> {
            permissions.map_or(Ok(()), |permissions| file.set_permissions(permissions))?;
            file.set_len(whole)?;
            if whole == 0 {
                file.write_all(&header)?;
            }
            file.seek(SeekFrom::End(0))
        };
        let whole = begin().map_err(refuse).placed()?;
        let mut writer = Self { path: path.into(), plan, at, within: 0, file, record, whole, recorded: (whole, Instant::now()) };
        writer.pass_empty();
        Ok(writer)
    }

    /// The tensor that is to be written next, or whose rest is; `None` when all are written.
    pub fn pending(&self) -> Option<&TensorSpec> {
        self.plan.get(self.at)
    }

    /// All tensors, in the order in which they are written.
    pub fn plan(&self) -> &[TensorSpec] {
        &self.plan
    }

    /// How many tensors are written.
    pub fn written(&self) -> usize {
        self.at
    }

    /// Writes the next rows of the pending tensor, or all of it.
    ///
    /// # Errors
    /// `Dtype` and `Shape`, if these are not what was planned; as [`write_bytes`](Self::write_bytes).
    #[track_caller]
    pub fn write(&mut self, rows: &Tensor) -> Result<()> {
        let bytes = rows.len() * rows.dtype().size();
        if let Some(TensorSpec { name, dtype, shape, .. }) = self.pending() {
            if !dtype.eq_ignore_ascii_case(rows.dtype().name()) {
                return Err(Error::dtype(format!("writing \"{name}\": it was planned as {dtype}, got {}", rows.dtype())));
            }
            if rows.shape().get(1..) != shape.get(1..) {
                return Err(Error::shape(format!("writing \"{name}\": rows of {:?} do not fill {shape:?}", rows.shape())));
            }
        }
        self.put(bytes, |file| write_elements(rows, file))
    }

    /// Writes the next bytes of the pending tensor.
    ///
    /// # Errors
    /// `Shape`, if they are more than are missing; `Io`, if the operating system refuses.
    #[track_caller]
    pub fn write_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.put(bytes.len(), |file| file.write_all(bytes))
    }

    #[track_caller]
    fn put(&mut self, bytes: usize, write: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<()> {
        let missing = self.pending().map_or(0, |planned| planned.bytes - self.within);
        if bytes > missing {
            let name = self.pending().map_or("the last tensor", TensorSpec::name);
            return Err(Error::shape(format!("writing \"{name}\": {bytes} bytes are more than the {missing} that are missing")));
        }
        write(&mut self.file).map_err(|e| Error::io("writing", &self.path, &e)).placed()?;
        self.within += bytes;
        if bytes == missing {
            self.whole += self.plan[self.at].bytes as u64;
            self.at += 1;
            self.within = 0;
            self.pass_empty();
            self.keep_record()?;
        }
        Ok(())
    }

    /// Tensors without an element are written as soon as it is their turn.
    fn pass_empty(&mut self) {
        while self.pending().is_some_and(|planned| planned.bytes == 0) {
            self.at += 1;
        }
    }

    /// Records what is written, where that is worth a wait for the disk.
    #[track_caller]
    fn keep_record(&mut self) -> Result<()> {
        let (before, when) = self.recorded;
        if self.whole - before < STRIDE && when.elapsed() < PAUSE {
            return Ok(());
        }
        let whole = self.whole;
        let recorded = || -> std::io::Result<()> {
            self.file.sync_data()?;
            let mut record = &self.record;
            record.seek(SeekFrom::Start(0))?;
            // Twice, so that a record of which the disk holds a part is known for one.
            record.write_all(format!("{whole:020} {whole:020}\n").as_bytes())?;
            record.sync_data()
        };
        recorded().map_err(|e| Error::io("writing", &self.path, &e)).placed()?;
        self.recorded = (whole, Instant::now());
        Ok(())
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// `Value`, if a tensor is missing; `Io`, if the operating system refuses.
    #[track_caller]
    pub fn finish(self) -> Result<()> {
        if let Some(planned) = self.pending() {
            return Err(Error::value(format!("{}: tensor \"{}\" was not written", self.path.display(), planned.name)));
        }
        let finished = || -> std::io::Result<()> {
            self.file.sync_all()?;
            fs::rename(hidden_sibling(&self.path, "partial"), &self.path)?;
            fs::remove_file(hidden_sibling(&self.path, "done"))
        };
        finished().map_err(|e| Error::io("writing", &self.path, &e)).placed()
    }
}

/// How many tensors of an unfinished file are certain, and where the last of them ends; `None` if it was not one of this plan.
fn resumed(path: &Path, plan: &[TensorSpec], header: &[u8]) -> Option<(usize, u64)> {
    let record = String::from_utf8(read_regular(&hidden_sibling(path, "done"), &limits::CONFIG).ok()?).ok()?;
    let (one, other) = record.trim_end().split_once(' ')?;
    let certain: u64 = one.parse().ok().filter(|_| one == other)?;
    let (file, size) = open_regular(&hidden_sibling(path, "partial")).ok()?;
    if size < certain {
        return None;
    }
    let mut found = Vec::new();
    BufReader::new(file).take(header.len() as u64).read_to_end(&mut found).ok()?;
    let mut end = header.len() as u64;
    let ends = plan.iter().map(|planned| {
        end += planned.bytes as u64;
        end
    });
    let at = ends.take_while(|&end| end <= certain).count();
    let whole = header.len() as u64 + plan[..at].iter().map(|planned| planned.bytes as u64).sum::<u64>();
    (found == header && whole == certain).then_some((at, whole))
}

#[cfg(test)]
mod tests {
    use super::super::{SafeTensors, write_safetensors};
    use super::*;
    use crate::{DType, Rng};

    fn tensors() -> Vec<(String, Tensor)> {
        let mut rng = Rng::new(1);
        let dtype = |i: usize| if i.is_multiple_of(2) { DType::BF16 } else { DType::F32 };
        (0..6).map(|i| (format!("t{i}"), rng.normal(&[i, 5], dtype(i)).unwrap())).collect()
    }

    fn plan(tensors: &[(String, Tensor)]) -> Vec<TensorSpec> {
        tensors.iter().map(|(name, t)| TensorSpec::new(name, t.dtype(), t.shape())).collect()
    }

    /// Writes so many tensors, each in two parts, recording each.
    fn fill(writer: &mut SafeTensorsWriter, tensors: &[(String, Tensor)], count: usize) {
        for _ in 0..count {
            let Some(planned) = writer.pending() else { return };
            let tensor = &tensors.iter().find(|(name, _)| *name == planned.name).unwrap().1;
            let half = tensor.dim(0) / 2;
            for part in [tensor.slice(0, ..half).unwrap(), tensor.slice(0, half..).unwrap()] {
                writer.recorded.1 = Instant::now().checked_sub(PAUSE).unwrap();
                writer.write(&part).unwrap();
            }
        }
    }

    #[test]
    fn a_file_written_in_parts_and_interrupted_everywhere_has_the_bytes_of_one_written_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a.safetensors"), folder.path().join("b.safetensors"));
        let tensors = tensors();
        let listed: Vec<(&str, &Tensor)> = tensors.iter().map(|(name, t)| (name.as_str(), t)).collect();
        write_safetensors(&other, &listed, &[("format", "pt")]).unwrap();
        for stop in 0..7 {
            let open = || SafeTensorsWriter::open(&path, plan(&tensors), &[("format", "pt")]).unwrap();
            let mut writer = open();
            fill(&mut writer, &tensors, stop);
            let written = writer.written();
            // Of the next tensor a row, which does not count, even if that is all of it: nothing recorded it.
            if let Some(planned) = writer.pending() {
                let dtype = if planned.dtype == "F32" { DType::F32 } else { DType::BF16 };
                writer.write(&Tensor::ones(&[1, 5], dtype).unwrap()).unwrap();
            }
            drop(writer);
            assert!(!path.exists());
            let mut writer = open();
            assert!(writer.written() == written, "{stop}: {} of {written}", writer.written());
            fill(&mut writer, &tensors, 7);
            writer.finish().unwrap();
            assert!(fs::read(&path).unwrap() == fs::read(&other).unwrap(), "stopped after {stop}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_trusted_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let tensors = tensors();
        let interrupted = || {
            let mut writer = SafeTensorsWriter::open(&path, plan(&tensors), &[]).unwrap();
            fill(&mut writer, &tensors, 3);
        };
        let again = |plan: Vec<TensorSpec>| SafeTensorsWriter::open(&path, plan, &[]).unwrap().written();
        interrupted();
        assert_eq!(again(plan(&tensors)), 4, "three, and one without an element");
        assert_eq!(again(plan(&tensors[1..])), 0, "another plan");
        interrupted();
        fs::write(hidden_sibling(&path, "done"), "00000000000000000700 000000000").unwrap();
        assert_eq!(again(plan(&tensors)), 0, "half a record");
        interrupted();
        OpenOptions::new().write(true).open(hidden_sibling(&path, "partial")).unwrap().set_len(100).unwrap();
        assert_eq!(again(plan(&tensors)), 0, "a file shorter than its record");
    }

    #[cfg(unix)]
    #[test]
    fn files_beside_that_are_links_or_pipes_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        std::fs::write(folder.path().join("foreign"), "mine").unwrap();
        for what in ["partial", "done"] {
            let beside = hidden_sibling(&path, what);
            let refused = || SafeTensorsWriter::open(&path, plan(&tensors()), &[]).err().unwrap().to_string();
            std::os::unix::fs::symlink("foreign", &beside).unwrap();
            assert!(refused().contains(": is a link, and nothing is written through one here"));
            fs::remove_file(&beside).unwrap();
            assert!(std::process::Command::new("mkfifo").arg(&beside).status().is_ok_and(|status| status.success()));
            assert_eq!(refused(), format!("{}: is a pipe, not a file", beside.display()));
            fs::remove_file(&beside).unwrap();
        }
        assert_eq!(fs::read(folder.path().join("foreign")).unwrap(), b"mine");
    }

    #[test]
    fn what_was_not_planned_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let planned = vec![TensorSpec::new("w", DType::BF16, &[2, 3])];
        let mut writer = SafeTensorsWriter::open(&path, planned.clone(), &[]).unwrap();
        let ones = |shape: &[usize], dtype| Tensor::ones(shape, dtype).unwrap();
        let mut words = |t: Tensor| writer.write(&t).unwrap_err().to_string();
        assert_eq!(words(ones(&[2, 3], DType::F32)), "writing \"w\": it was planned as BF16, got f32");
        assert_eq!(words(ones(&[2, 4], DType::BF16)), "writing \"w\": rows of [2, 4] do not fill [2, 3]");
        assert_eq!(words(ones(&[3, 3], DType::BF16)), "writing \"w\": 18 bytes are more than the 12 that are missing");
        assert!(writer.finish().unwrap_err().to_string().ends_with("a.safetensors: tensor \"w\" was not written"));
        let twice = SafeTensorsWriter::open(&path, [planned.clone(), planned].concat(), &[]).err().unwrap();
        assert!(twice.to_string().ends_with("two tensors have the name \"w\" (writing)"));
        assert!(!path.exists() && SafeTensors::open(&path).is_err());
    }
}
