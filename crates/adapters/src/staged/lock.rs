//! One run at a time in a folder.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use monotile::io::{hidden_sibling, is_still_at, open_own};
use monotile::{Error, ErrorKind, Result};

/// The right to write a folder, held by at most one run: a locked file beside the folder or in it.
///
/// The system gives the lock back when the process ends, however it ends; a file that a killed run left does not count, and
/// goes with the next run. Where a file system knows no locks, nothing is held.
///
/// # Example
/// ```
/// use monotile_adapters::staged::Lock;
/// let place = std::env::temp_dir().join("monotile-lock-example");
/// let lock = Lock::next_to(&place)?;
/// assert!(Lock::next_to(&place).err().unwrap().to_string().ends_with(": another run is writing this folder"));
/// drop(lock);
/// assert!(Lock::next_to(&place).is_ok());
/// # Ok::<(), monotile::Error>(())
/// ```
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    /// Locked for as long as this lives.
    _file: File,
}

impl Lock {
    /// The lock of a folder that appears whole: `.NAME.lock` beside it. The folder above is made if it is not there.
    ///
    /// # Errors
    /// `Busy`, if another run has it; `Format`, if a link, a pipe or a folder has its name; `Io`, if the operating system refuses.
    pub fn next_to(place: &Path) -> Result<Self> {
        let path = Self::lock_path(place)?;
        check_is_folder(place)?;
        if let Some(above) = place.parent().filter(|above| !above.as_os_str().is_empty()) {
            fs::create_dir_all(above).map_err(|e| Error::io("writing", place, &e))?;
        }
        Self::take(path, place)
    }

    /// The lock of a folder that is written in its place: `.lock` in it. The folder is made if it is not there.
    ///
    /// # Errors
    /// As [`next_to`](Lock::next_to).
    pub fn within(place: &Path) -> Result<Self> {
        check_is_folder(place)?;
        fs::create_dir_all(place).map_err(|e| Error::io("writing", place, &e))?;
        Self::take(place.join(".lock"), place)
    }

    /// Removes what a killed run left of the lock beside a folder.
    pub fn sweep(place: &Path) {
        if let Some(path) = Self::lock_path(place).ok().filter(|path| path.exists()) {
            drop(Self::take(path, place));
        }
    }

    fn lock_path(place: &Path) -> Result<PathBuf> {
        match place.file_name() {
            Some(_) => Ok(hidden_sibling(place, "lock")),
            None => Err(Error::value(format!("{}: this names no folder (writing)", place.display()))),
        }
    }

    fn take(path: PathBuf, place: &Path) -> Result<Self> {
        loop {
            let opened = open_own(&path, File::options().write(true).create(true).truncate(false));
            let file = opened.map_err(|e| named(e, &path, place))?;
            check_empty_mark(&path)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    let sentence = format!("{}: another run is writing this folder", place.display());
                    return Err(Error::new(ErrorKind::Busy, sentence));
                }
                // The run before may have removed the file between the two calls: a lock on that one holds nobody off.
                _ if is_still_at(&file, &path) => return Ok(Self { path, _file: file }),
                _ => {}
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Refuses a file that holds something under the name of a mark, which is empty, and is removed in the end.
///
/// # Errors
/// `Value`, if it does.
pub fn check_empty_mark(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() && found.len() > 0 => {
            let what = "has the name of a mark of this command, which is empty, and holds something; move it away";
            Err(Error::value(format!("{}: {what}", path.display())))
        }
        _ => Ok(()),
    }
}

/// Refuses a place where no folder can be made, because something else is there or on the way.
///
/// # Errors
/// `Value`, saying what it is and what to do.
pub fn check_is_folder(place: &Path) -> Result<()> {
    let Some(nearest) = place.ancestors().find(|path| path.symlink_metadata().is_ok()) else { return Ok(()) };
    let what = match fs::metadata(nearest) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(found) if found.is_file() => "is a file, and a folder goes there; name another, or move it away",
        Ok(_) => "is a pipe, a socket or a device, and a folder goes there; name another",
        Err(_) if nearest.is_symlink() => "is a link to nothing; make the folder that it leads to, or name another",
        Err(_) => return Ok(()),
    };
    Err(Error::value(format!("{}: {what} (writing)", nearest.display())))
}

/// The same error about the folder where the system refuses: a lock is nothing that the user named.
fn named(error: Error, path: &Path, place: &Path) -> Error {
    if error.kind() != ErrorKind::Io {
        return error;
    }
    let words = error.to_string().replace(&path.display().to_string(), &place.display().to_string());
    Error::new(ErrorKind::Io, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_by_one_and_a_file_without_a_holder_does_not_count() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("deep/out");
        let first = Lock::next_to(&place).unwrap();
        let words = Lock::next_to(&place).unwrap_err().to_string();
        assert_eq!(words, format!("{}: another run is writing this folder", place.display()));
        drop(first);
        assert_eq!(fs::read_dir(root.path().join("deep")).unwrap().count(), 0);
        fs::write(root.path().join("deep/.out.lock"), "").unwrap();
        drop(Lock::next_to(&place).unwrap());
        assert_eq!(fs::read_dir(root.path().join("deep")).unwrap().count(), 0);
        let within = Lock::within(&place).unwrap();
        assert!(Lock::within(&place).is_err());
        drop(within);
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
    }

    #[test]
    fn a_file_that_holds_something_is_no_lock_and_stays() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(".lock");
        fs::write(&path, "mine").unwrap();
        let words = Lock::within(root.path()).unwrap_err().to_string();
        assert!(words.ends_with("which is empty, and holds something; move it away"), "{words}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_folder_is_told_with_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let refused = |name: &str| Lock::within(&at(name)).unwrap_err().to_string();
        fs::write(at("file"), "mine").unwrap();
        std::os::unix::fs::symlink("nowhere", at("link")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().is_ok_and(|status| status.success()));
        let file = format!("{}: is a file, and a folder goes there; name another, or move it away (writing)", at("file").display());
        assert_eq!(refused("file"), file);
        assert_eq!(refused("file/deeper"), file);
        assert!(refused("link").ends_with("is a link to nothing; make the folder that it leads to, or name another (writing)"));
        assert!(refused("pipe").ends_with("is a pipe, a socket or a device, and a folder goes there; name another (writing)"));
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_that_is_a_pipe_or_a_link_is_refused_at_once() {
        let root = tempfile::tempdir().unwrap();
        let (place, path) = (root.path().join("out"), root.path().join(".out.lock"));
        assert!(std::process::Command::new("mkfifo").arg(&path).status().is_ok_and(|status| status.success()));
        assert_eq!(Lock::next_to(&place).unwrap_err().to_string(), format!("{}: is a pipe, not a file", path.display()));
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        assert!(Lock::next_to(&place).unwrap_err().to_string().contains(": is a link, and nothing is written through one here"));
        assert!(!root.path().join("nowhere").exists());
    }

    #[cfg(unix)]
    #[test]
    fn a_lock_on_a_file_that_was_removed_holds_nobody_off_and_is_not_taken() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join(".out.lock");
        let file = File::create(&path).unwrap();
        assert!(is_still_at(&file, &path));
        fs::remove_file(&path).unwrap();
        assert!(!is_still_at(&file, &path));
        File::create(&path).unwrap();
        assert!(!is_still_at(&file, &path));
    }
}
