//! Partial files: how they are named and locked, and which of them nobody writes any more.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Result;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The partial files of a folder, by the name of what they were to become.
type TemporaryFiles = HashMap<String, Vec<PathBuf>>;

/// What the folders that were written to held when the first file was written there: a folder of many frames is listed once.
static FOLDERS: Mutex<Option<HashMap<PathBuf, TemporaryFiles>>> = Mutex::new(None);

/// How many partial files this process has begun.
static BEGUN: Mutex<u64> = Mutex::new(0);

/// Begins the partial file of a target, locked, and removes those of it that killed processes left.
pub(super) fn begin(path: &Path, name: &OsStr) -> Result<(File, PathBuf)> {
    let name = name.to_string_lossy();
    // Held until the new file is locked, so that no other thread takes it for one that nobody writes.
    let mut begun = BEGUN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for left in taken(folder, &name) {
        if is_abandoned(&left) {
            let _ = fs::remove_file(left);
        }
    }
    let beside = path.with_file_name(format!(".{name}.{}-{}.partial", std::process::id(), *begun));
    *begun += 1;
    let file = File::create(&beside)?;
    // Where a file system has no locks, no other process gets one to remove the file either.
    let _ = file.try_lock();
    Ok((file, beside))
}

/// The partial files of a target that were there when its folder was first written to; each is told once.
fn taken(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut folders = FOLDERS.lock().unwrap_or_else(PoisonError::into_inner);
    let folders = folders.get_or_insert_default();
    if !folders.contains_key(folder) {
        folders.insert(folder.to_path_buf(), list(folder));
    }
    folders.get_mut(folder).and_then(|found| found.remove(name)).unwrap_or_default()
}

/// The partial files in a folder.
fn list(folder: &Path) -> TemporaryFiles {
    let mut found = TemporaryFiles::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let file = entry.file_name();
        if let Some((name, _)) = file.to_str().and_then(target_of) {
            found.entry(name.to_string()).or_default().push(entry.path());
        }
    }
    found
}

/// What a partial file was to become, and the process that wrote it: `.NAME.PROCESS-NUMBER.partial`, before without the number.
fn target_of(file: &str) -> Option<(&str, &str)> {
    let (name, writer) = file.strip_prefix('.')?.strip_suffix(".partial")?.rsplit_once('.')?;
    let (process, number) = writer.split_once('-').unwrap_or((writer, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (!name.is_empty() && digits(process) && digits(number)).then_some((name, process))
}

/// Whether nobody writes a partial file: its lock is free, and its process gone as far as that can be told.
fn is_abandoned(path: &Path) -> bool {
    let process = path.file_name().and_then(OsStr::to_str).and_then(target_of).map(|(_, process)| process.to_string());
    // Another process may have created its file and not locked it yet.
    let alive = process.is_none_or(|p| p != std::process::id().to_string() && Path::new("/proc").join(p).exists());
    let regular = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    !alive && regular && File::options().write(true).open(path).is_ok_and(|file| file.try_lock().is_ok())
}
