//! Files that are whole or not there: written beside their target, then renamed into place.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use monotile::{Error, Result};

/// Writes `content` to `path` so that a reader sees the old file or the new one, never a part.
///
/// What is not a regular file (a pipe, a device) is written to directly, since it cannot be replaced.
///
/// # Errors
/// `Io` with the path, after the unfinished file was removed.
pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    if fs::metadata(path).is_ok_and(|m| !m.is_file()) {
        let opened = fs::OpenOptions::new().write(true).open(path);
        return opened.and_then(|mut f| f.write_all(content)).map_err(|e| Error::io("writing", path, &e));
    }
    let beside = beside(path);
    let written = File::create(&beside).and_then(|mut f| {
        f.write_all(content)?;
        f.sync_all()
    });
    written.and_then(|()| fs::rename(&beside, path)).map_err(|e| {
        // The first failure is the one to report; the unfinished file may not even exist.
        let _ = fs::remove_file(&beside);
        Error::io("writing", path, &e)
    })
}

/// Makes the folder and those above it where they are missing.
///
/// # Errors
/// `Io` with the path.
pub fn folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| Error::io("making the folder", path, &e))
}

/// A name in the same folder, hence on the same disk, that belongs to this process alone.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.{}.part", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.txt");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error = write(Path::new("/nonexistent-folder/log.txt"), b"").unwrap_err();
        assert_eq!(error.to_string(), "/nonexistent-folder/log.txt: no such file or folder (writing)");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_device_is_an_error_and_stays_a_device() {
        let error = write(Path::new("/dev/full"), b"x").unwrap_err();
        assert!(error.to_string().starts_with("/dev/full: No space left on device"), "{error}");
        assert!(!fs::metadata("/dev/full").unwrap().is_file());
    }
}
