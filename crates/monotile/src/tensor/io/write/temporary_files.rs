//! Partial files: how they are named and locked, and which of them nobody writes any more.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io::Result;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::tensor::io::hidden::{hidden_sibling, stem};
use crate::tensor::io::regular::is_still_at;

/// The partial files of a folder, by the bytes of what stands for their target's name.
type TemporaryFiles = HashMap<Vec<u8>, Vec<PathBuf>>;

/// What the folders that were written to held when the first file was written there: a folder of many frames is listed once.
static FOLDERS: Mutex<Option<HashMap<PathBuf, TemporaryFiles>>> = Mutex::new(None);

/// How many partial files this process has begun.
static BEGUN: Mutex<u64> = Mutex::new(0);

/// Begins the partial file of a target, locked, and removes those of it that killed processes left.
#[track_caller]
pub(super) fn begin(path: &Path) -> Result<(File, PathBuf)> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = stem(path.file_name().unwrap_or_default());
    taken(folder, name.as_encoded_bytes()).iter().for_each(|left| remove_abandoned(left));
    loop {
        let beside = hidden_sibling(path, &format!("{}-{}.partial", std::process::id(), next()));
        match File::options().write(true).create_new(true).open(&beside) {
            // A process of this number, in another container perhaps, began it.
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
            Ok(file) => match file.try_lock() {
                // Another process took it for one that nobody writes, and removes it.
                Err(TryLockError::WouldBlock) => {}
                // Where a file system has no locks, no other process gets one to remove the file either.
                _ if is_still_at(&file, &beside) => return Ok((file, beside)),
                _ => {}
            },
        }
    }
}

fn next() -> u64 {
    let mut begun = BEGUN.lock().unwrap_or_else(PoisonError::into_inner);
    *begun += 1;
    *begun - 1
}

/// The partial files of a target that were there when its folder was first written to; each is told once.
fn taken(folder: &Path, name: &[u8]) -> Vec<PathBuf> {
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
        if let Some(name) = target_of(entry.file_name().as_encoded_bytes()) {
            found.entry(name.to_vec()).or_default().push(entry.path());
        }
    }
    found
}

/// What a partial file was to become: NAME of `.NAME.PROCESS-NUMBER.partial`, before without the number.
fn target_of(file: &[u8]) -> Option<&[u8]> {
    let inner = file.strip_prefix(b".")?.strip_suffix(b".partial")?;
    let dot = inner.iter().rposition(|&byte| byte == b'.')?;
    let (name, writer) = (&inner[..dot], &inner[dot + 1..]);
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let ours = writer.splitn(2, |&byte| byte == b'-').all(digits);
    (!name.is_empty() && ours).then_some(name)
}

/// Removes a partial file that nobody writes: its lock is free, whichever process has the number in its name now.
fn remove_abandoned(path: &Path) {
    let regular = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    // A pipe of such a name is not opened: it would wait for a reader.
    if regular && File::options().write(true).open(path).is_ok_and(|file| file.try_lock().is_ok()) {
        let _ = fs::remove_file(path);
    }
}
