//! A folder of results that appears whole or not at all, and is gone on with after a kill.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use monotile::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use crate::json::write_json;

/// What a folder is made of: its inputs and options. While they are the same, what an earlier run left can be used.
const PLAN: &str = "plan.json";

/// A folder that is being filled: `.NAME.partial` beside its place.
///
/// # Example
/// ```
/// use monotile_llama::staged::Staged;
/// let place = std::env::temp_dir().join("monotile-staged-example");
/// let staged = Staged::open(&place, &serde_json::json!({"rank": 16}))?;
/// std::fs::write(staged.folder().join("numbers"), "1 2 3").unwrap();
/// staged.finish()?;
/// assert_eq!(std::fs::read_to_string(place.join("numbers")).unwrap(), "1 2 3");
/// # std::fs::remove_dir_all(&place).unwrap();
/// # Ok::<(), monotile::Error>(())
/// ```
pub struct Staged {
    place: PathBuf,
    beside: PathBuf,
    found: Found,
    /// Locked for as long as this run lasts.
    _lock: File,
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.beside.with_extension("lock"));
    }
}

/// What was beside the place before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// What a run of the same inputs and options left.
    Same,
    /// What a run of other inputs or options left; it was removed.
    Other,
}

impl Staged {
    /// Begins to fill a folder, or goes on where a run with the same plan was stopped.
    ///
    /// # Errors
    /// `Value`, if the place holds something already, or another run is filling it; `Io`, if the operating system refuses.
    pub fn open(place: &Path, plan: &Value) -> Result<Self> {
        vacant(place)?;
        let Some(name) = place.file_name() else {
            return Err(Error::value(format!("{}: this names no folder (writing)", place.display())));
        };
        let beside = place.with_file_name(format!(".{}.partial", name.to_string_lossy()));
        let refuse = |e: std::io::Error| Error::io("writing", place, &e);
        // The lock lies beside the folder, so that it outlives the folder's removal.
        let lock = beside.with_extension("lock");
        if let Some(above) = place.parent().filter(|above| !above.as_os_str().is_empty()) {
            fs::create_dir_all(above).map_err(refuse)?;
        }
        let file = File::create(&lock).map_err(refuse)?;
        if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
            return Err(Error::value(format!("{}: another run is writing this folder", place.display())));
        }
        let before = fs::read_to_string(beside.join(PLAN)).ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let found = match before {
            Some(before) if before == *plan => Found::Same,
            _ if beside.exists() => Found::Other,
            _ => Found::Nothing,
        };
        if found != Found::Same {
            let _ = fs::remove_dir_all(&beside);
            fs::create_dir_all(&beside).map_err(refuse)?;
            write_json(&beside.join(PLAN), plan)?;
        }
        Ok(Self { place: place.to_path_buf(), beside, found, _lock: file })
    }

    /// The folder to fill.
    pub fn folder(&self) -> &Path {
        &self.beside
    }

    /// What was there before.
    pub fn found(&self) -> Found {
        self.found
    }

    /// The same error about the folder that was asked for.
    fn named(&self, error: &Error) -> Error {
        let words = error.to_string().replace(&self.beside.display().to_string(), &self.place.display().to_string());
        Error::new(error.kind(), words)
    }

    /// Ends without a result: the same error about the folder that was asked for. What was begun is kept where the operating system
    /// refused, a full disk for example, so that the same call can go on; else it is worth nothing, and is removed.
    #[must_use]
    pub fn give_up(self, error: &Error) -> Error {
        if error.kind() != ErrorKind::Io {
            self.discard();
        }
        self.named(error)
    }

    /// Removes what was begun.
    pub fn discard(&self) {
        let _ = fs::remove_dir_all(&self.beside);
    }

    /// Puts the folder in its place.
    ///
    /// # Errors
    /// `Io`, if the operating system refuses.
    pub fn finish(self) -> Result<()> {
        let finished = || -> std::io::Result<()> {
            for entry in fs::read_dir(&self.beside)? {
                let entry = entry?;
                // What a run that was killed had begun.
                if entry.file_name().to_string_lossy().ends_with(".partial") {
                    fs::remove_file(entry.path())?;
                }
            }
            fs::remove_file(self.beside.join(PLAN))?;
            // An empty folder may be in the way.
            let _ = fs::remove_dir(&self.place);
            fs::rename(&self.beside, &self.place)?;
            #[cfg(unix)]
            if let Some(above) = self.place.canonicalize()?.parent() {
                File::open(above)?.sync_all()?;
            }
            Ok(())
        };
        finished().map_err(|e| Error::io("writing", &self.place, &e))
    }
}

/// Refuses a folder that holds something already.
///
/// # Errors
/// `Value`, if it does; `Io`, if the operating system refuses to tell.
pub fn vacant(place: &Path) -> Result<()> {
    match fs::read_dir(place).map(Iterator::count) {
        Ok(0) => Ok(()),
        Ok(_) => Err(Error::value(format!("{}: the folder exists and is not empty (writing)", place.display()))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Error::io("writing", place, &e)),
    }
}

/// What tells the files of a folder from those of another: names, sizes, times of change.
///
/// # Errors
/// `Io`, if the folder cannot be read.
pub fn fingerprint(folder: &Path) -> Result<Value> {
    let refuse = |e: std::io::Error| Error::io("reading", folder, &e);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        // What a link leads to, as the files of a model's cache are.
        let metadata = fs::metadata(entry.path()).map_err(refuse)?;
        // Hidden files are those of runs under way.
        if metadata.is_file() && !entry.file_name().to_string_lossy().starts_with('.') {
            let changed = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
            files.push((entry.file_name().to_string_lossy().into_owned(), metadata.len(), changed.map(|t| t.as_nanos() as u64)));
        }
    }
    files.sort();
    Ok(json!({"folder": folder.canonicalize().map_err(refuse)?, "files": files}))
}

/// Copies what a checkpoint's folder holds beside its weights: configuration, tokenizer, licence. Folders within are not copied.
///
/// # Errors
/// `Io`, if the operating system refuses.
pub fn copy_others(from: &Path, to: &Path) -> Result<()> {
    const WEIGHTS: [&str; 9] = ["safetensors", "bin", "pt", "pth", "gguf", "h5", "msgpack", "onnx", "ckpt"];
    let refuse = |e: std::io::Error| Error::io("reading", from, &e);
    for entry in fs::read_dir(from).map_err(refuse)? {
        let path = entry.map_err(refuse)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let weights = path.extension().is_some_and(|e| WEIGHTS.contains(&e.to_string_lossy().as_ref()));
        let skipped = weights || name.starts_with('.') || name.ends_with(".index.json");
        if fs::metadata(&path).map_err(refuse)?.is_file() && !skipped {
            let target = to.join(&name);
            fs::copy(&path, &target).map_err(|e| Error::io("writing", &target, &e))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_gone_on_with_under_the_same_plan_only() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("deep/out");
        let open = |rank: u32| Staged::open(&place, &json!({"rank": rank})).unwrap();
        let first = open(1);
        assert_eq!(first.found(), Found::Nothing);
        fs::write(first.folder().join("part"), "1").unwrap();
        drop(first);
        let second = open(1);
        assert!(second.found() == Found::Same && second.folder().join("part").exists());
        drop(second);
        let third = open(2);
        assert!(third.found() == Found::Other && !third.folder().join("part").exists());
        fs::write(third.folder().join("part"), "3").unwrap();
        assert!(!place.exists());
        third.finish().unwrap();
        assert_eq!(fs::read_to_string(place.join("part")).unwrap(), "3");
        assert_eq!(fs::read_dir(place.parent().unwrap()).unwrap().count(), 1, "nothing is left beside");
        assert_eq!(fs::read_dir(&place).unwrap().count(), 1);
        let words = Staged::open(&place, &json!({})).err().unwrap().to_string();
        assert_eq!(words, format!("{}: the folder exists and is not empty (writing)", place.display()));
    }

    #[test]
    fn what_was_begun_is_kept_only_where_it_can_be_gone_on_with() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("out");
        for (kind, kept) in [(ErrorKind::Io, true), (ErrorKind::Value, false)] {
            let staged = Staged::open(&place, &json!({})).unwrap();
            let beside = staged.folder().to_path_buf();
            let words = staged.give_up(&Error::new(kind, format!("{}: no", beside.join("a").display()))).to_string();
            assert_eq!((words, beside.exists()), (format!("{}: no", place.join("a").display()), kept));
        }
    }

    #[test]
    fn two_runs_do_not_write_one_folder() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("out");
        let _first = Staged::open(&place, &json!({})).unwrap();
        let words = Staged::open(&place, &json!({})).err().unwrap().to_string();
        assert_eq!(words, format!("{}: another run is writing this folder", place.display()));
    }

    #[test]
    fn a_file_that_changed_changes_the_fingerprint() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("a"), "1").unwrap();
        let before = fingerprint(root.path()).unwrap();
        assert_eq!(before, fingerprint(root.path()).unwrap());
        fs::write(root.path().join("a"), "12").unwrap();
        assert_ne!(before, fingerprint(root.path()).unwrap());
    }

    #[test]
    fn everything_but_weights_is_copied() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in
            ["config.json", "tokenizer.model", "model.safetensors", "pytorch_model.bin", "model.safetensors.index.json", ".git"]
        {
            fs::write(from.path().join(name), name).unwrap();
        }
        fs::create_dir(from.path().join("onnx")).unwrap();
        copy_others(from.path(), to.path()).unwrap();
        let mut names: Vec<_> = fs::read_dir(to.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["config.json", "tokenizer.model"]);
    }
}
