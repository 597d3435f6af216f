//! A folder of results that appears whole or not at all, and is resumed after a kill.

mod copy;
mod lock;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use monotile::io::{check_own, hidden_sibling, read_regular};
use monotile::{Error, ErrorKind, Result, limits};
use serde_json::{Value, json};

use crate::json::write_json;

pub use copy::{check_within, copy_others};
pub use lock::{Lock, check_empty_mark, check_is_folder};

/// What a folder is made of: its inputs and options. While they are the same, what an earlier run left can be used.
const PLAN: &str = "plan.json";

/// A folder that is being filled: `.NAME.partial` beside its place.
///
/// # Example
/// ```
/// use monotile_adapters::staged::StagedFolder;
/// let place = std::env::temp_dir().join("monotile-staged-example");
/// let staged = StagedFolder::open(&place, &serde_json::json!({"rank": 16}))?;
/// std::fs::write(staged.folder().join("numbers"), "1 2 3").unwrap();
/// staged.finish()?;
/// assert_eq!(std::fs::read_to_string(place.join("numbers")).unwrap(), "1 2 3");
/// # std::fs::remove_dir_all(&place).unwrap();
/// # Ok::<(), monotile::Error>(())
/// ```
pub struct StagedFolder {
    place: PathBuf,
    beside: PathBuf,
    state: StagedState,
    /// The lock lies beside the folder, so that it outlives the folder's removal.
    _lock: Lock,
}

/// What was beside the place before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StagedState {
    /// Nothing.
    Nothing,
    /// What a run of the same inputs and options left.
    Same,
    /// What a run of other inputs or options left; it was removed.
    Other,
}

impl StagedFolder {
    /// Begins to fill a folder, or goes on where a run with the same plan was stopped.
    ///
    /// # Errors
    /// `Value`, if the place holds something already; `Busy`, if another run is filling it; `Format`, if a link or a pipe stands where a
    /// file of an earlier run should; `Io`, if the operating system refuses.
    pub fn open(place: &Path, plan: &Value) -> Result<Self> {
        check_vacant(place)?;
        let refuse = |e: std::io::Error| Error::io("writing", place, &e);
        let lock = Lock::next_to(place)?;
        let beside = beside(place);
        // Another run may have finished the folder meanwhile.
        check_vacant(place)?;
        let found = match earlier_plan(&beside)? {
            Some(before) if before == *plan => {
                check_files(&beside)?;
                StagedState::Same
            }
            _ if beside.exists() => StagedState::Other,
            _ => StagedState::Nothing,
        };
        let staged = Self { place: place.to_path_buf(), beside, state: found, _lock: lock };
        if found != StagedState::Same {
            staged.discard();
            fs::create_dir_all(&staged.beside).map_err(refuse)?;
            if let Err(error) = write_json(&staged.beside.join(PLAN), plan) {
                staged.discard();
                return Err(staged.named(&error));
            }
        }
        Ok(staged)
    }

    /// The folder to fill.
    pub fn folder(&self) -> &Path {
        &self.beside
    }

    /// What was there before.
    pub fn state(&self) -> StagedState {
        self.state
    }

    /// The same error about the folder that was asked for.
    fn named(&self, error: &Error) -> Error {
        let words = error.to_string().replace(&self.beside.display().to_string(), &self.place.display().to_string());
        Error::new(error.kind(), words)
    }

    /// Ends without a result: the same error about the folder that was asked for. What was begun is kept where the operating system
    /// refused, a full disk for example, so that the same call can go on; else it is worth nothing, and is removed.
    #[must_use]
    pub fn fail(self, error: &Error) -> Error {
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
                let name = entry.file_name();
                let name = name.as_encoded_bytes();
                // What a run that was killed had begun, and what only this one needed.
                if name.starts_with(b".") && (name.ends_with(b".partial") || name.ends_with(b".done")) {
                    if entry.file_type()?.is_dir() {
                        fs::remove_dir_all(entry.path())?
                    } else {
                        fs::remove_file(entry.path())?
                    };
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

/// What the folder that an earlier run left is made of; `None` where there is none, or its plan is no JSON.
fn earlier_plan(beside: &Path) -> Result<Option<Value>> {
    if beside.is_symlink() {
        return check_own(beside).map(|()| None);
    }
    let path = beside.join(PLAN);
    check_own(&path)?;
    if !path.exists() {
        return Ok(None);
    }
    Ok(serde_json::from_slice(&read_regular(&path, &limits::JSON)?).ok())
}

/// Refuses links, pipes and devices in a folder and all below: what is written there stays there.
fn check_files(folder: &Path) -> Result<()> {
    let refuse = |e: std::io::Error| Error::io("reading", folder, &e);
    for entry in fs::read_dir(folder).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        match entry.file_type().map_err(refuse)?.is_dir() {
            true => check_files(&entry.path())?,
            false => check_own(&entry.path())?,
        }
    }
    Ok(())
}

/// Where a folder is filled before it appears at its place.
pub fn beside(place: &Path) -> PathBuf {
    hidden_sibling(place, "partial")
}

/// Refuses a folder that holds something already, and a link.
///
/// # Errors
/// `Value`, if it does or is one; `Io`, if the operating system refuses to tell.
pub fn check_vacant(place: &Path) -> Result<()> {
    if place.is_symlink() {
        return Err(Error::value(format!("{}: is a link, and a new folder goes in its place (writing)", place.display())));
    }
    check_is_folder(place)?;
    match fs::read_dir(place).map(Iterator::count) {
        Ok(0) => Ok(()),
        Ok(_) => {
            // A run may have been killed after it had put the folder in its place.
            Lock::sweep(place);
            Err(Error::value(format!("{}: the folder exists and is not empty (writing)", place.display())))
        }
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
        if metadata.is_file() && !entry.file_name().as_encoded_bytes().starts_with(b".") {
            let changed = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
            files.push((entry.file_name(), metadata.len(), changed.map(|t| t.as_nanos() as u64)));
        }
    }
    files.sort();
    let files: Vec<Value> = files.into_iter().map(|(name, size, changed)| json!([lossless(&name), size, changed])).collect();
    Ok(json!({"folder": lossless(folder.canonicalize().map_err(refuse)?.as_os_str()), "files": files}))
}

/// A name in JSON: text as it is, and other bytes escaped in an object, so that two names are never the same.
fn lossless(name: &OsStr) -> Value {
    match name.to_str() {
        Some(text) => json!(text),
        None => json!({"bytes": name.as_encoded_bytes().escape_ascii().to_string()}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_gone_on_with_under_the_same_plan_only() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("deep/out");
        let open = |rank: u32| StagedFolder::open(&place, &json!({"rank": rank})).unwrap();
        let first = open(1);
        assert_eq!(first.state(), StagedState::Nothing);
        fs::write(first.folder().join("part"), "1").unwrap();
        drop(first);
        let second = open(1);
        assert!(second.state() == StagedState::Same && second.folder().join("part").exists());
        drop(second);
        let third = open(2);
        assert!(third.state() == StagedState::Other && !third.folder().join("part").exists());
        fs::write(third.folder().join("part"), "3").unwrap();
        assert!(!place.exists());
        third.finish().unwrap();
        assert_eq!(fs::read_to_string(place.join("part")).unwrap(), "3");
        assert_eq!(fs::read_dir(place.parent().unwrap()).unwrap().count(), 1, "nothing is left beside");
        assert_eq!(fs::read_dir(&place).unwrap().count(), 1);
        let words = StagedFolder::open(&place, &json!({})).err().unwrap().to_string();
        assert_eq!(words, format!("{}: the folder exists and is not empty (writing)", place.display()));
    }

    #[test]
    fn what_was_begun_is_kept_only_where_it_can_be_gone_on_with() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("out");
        for (kind, kept) in [(ErrorKind::Io, true), (ErrorKind::Value, false)] {
            let staged = StagedFolder::open(&place, &json!({})).unwrap();
            let beside = staged.folder().to_path_buf();
            let words = staged.fail(&Error::new(kind, format!("{}: no", beside.join("a").display()))).to_string();
            assert_eq!((words, beside.exists()), (format!("{}: no", place.join("a").display()), kept));
        }
    }

    #[test]
    fn what_a_killed_run_left_within_and_beside_goes() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("out");
        let staged = StagedFolder::open(&place, &json!({})).unwrap();
        for name in [".a.safetensors.done", ".b.json.77.0.partial", ".kept", "a.partial"] {
            fs::write(staged.folder().join(name), "").unwrap();
        }
        staged.finish().unwrap();
        let mut names: Vec<_> = fs::read_dir(&place).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".kept", "a.partial"]);
        // A run that was killed after it had put the folder in its place leaves its lock.
        fs::write(root.path().join(".out.lock"), "").unwrap();
        check_vacant(&place).unwrap_err();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn two_runs_do_not_write_one_folder() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("out");
        let _first = StagedFolder::open(&place, &json!({})).unwrap();
        let words = StagedFolder::open(&place, &json!({})).err().unwrap().to_string();
        assert_eq!(words, format!("{}: another run is writing this folder", place.display()));
    }

    #[cfg(unix)]
    #[test]
    fn folders_whose_names_are_no_text_are_filled_and_told_apart() {
        use std::os::unix::ffi::OsStrExt;
        let root = tempfile::tempdir().unwrap();
        let [one, other] = [b"\xff", b"\xfe"].map(|name| root.path().join(OsStr::from_bytes(name)));
        let staged = [&one, &other].map(|place| StagedFolder::open(place, &json!({})).unwrap());
        assert_ne!(staged[0].folder(), staged[1].folder());
        staged.into_iter().for_each(|staged| staged.finish().unwrap());
        assert!(fingerprint(&one).unwrap() != fingerprint(&other).unwrap());
        let of = |name: &[u8]| {
            fs::write(one.join(OsStr::from_bytes(name)), "").unwrap();
            let found = fingerprint(&one).unwrap()["files"][0][0].clone();
            fs::remove_file(one.join(OsStr::from_bytes(name))).unwrap();
            found
        };
        assert_eq!(of(b"a\xff"), json!({"bytes": "a\\xff"}));
        assert_ne!(of(b"a\xff"), of(b"a\\xff"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_replaced_by_a_folder() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("out");
        std::os::unix::fs::symlink("elsewhere", &place).unwrap();
        let words = StagedFolder::open(&place, &json!({})).err().unwrap().to_string();
        assert_eq!(words, format!("{}: is a link, and a new folder goes in its place (writing)", place.display()));
    }

    #[cfg(unix)]
    #[test]
    fn links_and_pipes_in_what_an_earlier_run_left_are_refused() {
        use std::os::unix::fs::symlink;
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("out");
        let open = || StagedFolder::open(&place, &json!({}));
        let refused = || open().err().unwrap().to_string();
        let kept = open().unwrap().folder().to_path_buf();
        fs::create_dir(kept.join("within")).unwrap();
        symlink("/elsewhere", kept.join("within/part")).unwrap();
        assert!(refused().contains("/within/part: is a link, and nothing is written through one here"));
        fs::remove_file(kept.join("within/part")).unwrap();
        assert_eq!(open().unwrap().state(), StagedState::Same);
        fs::remove_file(kept.join(PLAN)).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(kept.join(PLAN)).status().is_ok_and(|status| status.success()));
        assert!(refused().ends_with("/.out.partial/plan.json: is a pipe, not a file"));
        fs::rename(&kept, root.path().join("far")).unwrap();
        symlink("far", &kept).unwrap();
        assert!(refused().contains("/.out.partial: is a link, and nothing is written through one here"));
    }

    #[test]
    fn a_folder_with_a_long_name_is_filled() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("n".repeat(250));
        let staged = StagedFolder::open(&place, &json!({})).unwrap();
        fs::write(staged.folder().join("a"), "1").unwrap();
        staged.finish().unwrap();
        assert!(place.join("a").exists());
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
}
