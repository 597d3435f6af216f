//! The files that are mapped now: where each lies in memory, and whether it is still the file that was mapped.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// What a file was when it was mapped. A file that is written in place gets another size or time of change; one that is
/// replaced by renaming is another file, and the mapping keeps the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileIdentity {
    path: PathBuf,
    /// The device and the number of the file on it, where the system has them.
    place: Option<(u64, u64)>,
    size: u64,
    modified: Option<SystemTime>,
}

impl FileIdentity {
    fn from_file(file: &File, path: &Path) -> std::io::Result<Self> {
        let metadata = file.metadata()?;
        let (place, size, modified) = (place(&metadata), metadata.len(), metadata.modified().ok());
        Ok(Self { path: path.to_path_buf(), place, size, modified })
    }

    /// The path by which the file was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file has been written since it was mapped, as far as its size and time of change tell.
    pub fn has_changed(&self) -> bool {
        let Ok(now) = std::fs::metadata(&self.path) else { return false };
        place(&now) == self.place && (now.len() != self.size || now.modified().ok() != self.modified)
    }
}

#[cfg(unix)]
fn place(of: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    Some((of.dev(), of.ino()))
}

#[cfg(not(unix))]
fn place(_: &Metadata) -> Option<(u64, u64)> {
    None
}

static LIVE: Mutex<Vec<Arc<FileIdentity>>> = Mutex::new(Vec::new());

/// A file that is mapped now and has been written since; `None` where there is none.
pub fn changed() -> Option<PathBuf> {
    // The files are asked outside of the lock.
    let live = LIVE.lock().unwrap_or_else(PoisonError::into_inner).clone();
    live.iter().find(|identity| identity.has_changed()).map(|identity| identity.path.clone())
}

/// A mapping in both lists; dropped before the memory is unmapped.
pub(crate) struct RegisteredMapping {
    identity: Option<Arc<FileIdentity>>,
    slot: Option<&'static Slot>,
}

impl RegisteredMapping {
    /// A mapping that nobody can name.
    pub const NOTHING: Self = Self { identity: None, slot: None };

    /// Lists the mapping of a file at these bytes.
    pub fn new(file: &File, path: &Path, bytes: &[u8]) -> std::io::Result<Self> {
        let identity = Arc::new(FileIdentity::from_file(file, path)?);
        LIVE.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&identity));
        Ok(Self { identity: Some(identity), slot: Slot::take(path, bytes) })
    }

    pub fn has_changed(&self) -> bool {
        self.identity.as_ref().is_some_and(|identity| identity.has_changed())
    }
}

impl Drop for RegisteredMapping {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            slot.free();
        }
        if let Some(identity) = &self.identity {
            LIVE.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| !Arc::ptr_eq(other, identity));
        }
    }
}

/// How many mappings a signal handler can name; those beyond are found nowhere.
const SLOTS: usize = 1024;
/// The longest end of a path that it can tell.
const NAME: usize = 240;

/// A mapped range and its file's name, readable at any moment without a lock.
struct Slot {
    /// 0 where the slot is free, [`TAKEN`] while it is filled, else the first address.
    begin: AtomicUsize,
    end: AtomicUsize,
    length: AtomicUsize,
    name: [AtomicU8; NAME],
}

/// No mapping begins here.
const TAKEN: usize = 1;

static ALL: [Slot; SLOTS] = [const {
    Slot {
        begin: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        length: AtomicUsize::new(0),
        name: [const { AtomicU8::new(0) }; NAME],
    }
}; SLOTS];

impl Slot {
    fn take(path: &Path, bytes: &[u8]) -> Option<&'static Self> {
        let free = |slot: &&Self| slot.begin.compare_exchange(0, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok();
        let slot = ALL.iter().find(free)?;
        let name = path.as_os_str().as_encoded_bytes();
        let name = &name[name.len().saturating_sub(NAME)..];
        slot.name.iter().zip(name).for_each(|(to, &byte)| to.store(byte, Ordering::Relaxed));
        slot.length.store(name.len(), Ordering::Relaxed);
        let begin = bytes.as_ptr() as usize;
        slot.end.store(begin + bytes.len(), Ordering::Relaxed);
        slot.begin.store(begin, Ordering::Release);
        Some(slot)
    }

    fn free(&self) {
        self.begin.store(0, Ordering::Release);
    }
}

/// Writes the name of the file that is mapped at an address to the front of `out`, control characters as `?`, and tells how
/// long it is; `None` where none is known to be. Takes no lock and no memory.
#[cfg_attr(not(all(unix, not(miri))), allow(dead_code, reason = "only a signal handler asks"))]
pub(super) fn name_at(address: usize, out: &mut [u8]) -> Option<usize> {
    let holds = |slot: &&Slot| {
        let begin = slot.begin.load(Ordering::Acquire);
        // The last page of a file reaches beyond its end.
        begin > TAKEN && (begin..slot.end.load(Ordering::Relaxed).next_multiple_of(PAGE)).contains(&address)
    };
    let slot = ALL.iter().find(holds)?;
    let length = slot.length.load(Ordering::Relaxed).min(NAME).min(out.len());
    for (to, from) in out[..length].iter_mut().zip(&slot.name) {
        let byte = from.load(Ordering::Relaxed);
        *to = if byte < 0x20 || byte == 0x7f { b'?' } else { byte };
    }
    Some(length)
}

/// As large as any system's pages.
const PAGE: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_by_the_name_of_its_file_while_that_is_mapped() {
        let bytes = vec![0_u8; 100];
        let address = bytes.as_ptr() as usize;
        let file = File::open(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
        let watched = RegisteredMapping::new(&file, Path::new("a\nb"), &bytes).unwrap();
        let name = |at: usize| {
            let mut out = [0; 8];
            name_at(at, &mut out).map(|length| String::from_utf8_lossy(&out[..length]).into_owned())
        };
        assert_eq!((name(address), name(address + 99)), (Some("a?b".into()), Some("a?b".into())));
        assert_eq!(name(address - 1), None);
        drop(watched);
        assert_eq!(name(address), None);
    }

    #[cfg(not(any(miri, target_family = "wasm")))]
    #[test]
    fn a_file_that_is_written_in_place_has_changed_and_one_that_is_replaced_has_not() {
        let path = std::env::temp_dir().join(format!("monotile-identity-{}", std::process::id()));
        let other = path.with_extension("other");
        std::fs::write(&path, "12").unwrap();
        let file = File::open(&path).unwrap();
        let identity = FileIdentity::from_file(&file, &path).unwrap();
        assert!(!identity.has_changed());
        std::fs::write(&path, "123").unwrap();
        assert!(identity.has_changed());
        let identity = FileIdentity::from_file(&file, &path).unwrap();
        // The same size, at another time.
        File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(identity.has_changed());
        let identity = FileIdentity::from_file(&file, &path).unwrap();
        std::fs::write(&other, "1").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(identity.has_changed(), cfg!(not(unix)));
        std::fs::remove_file(&path).unwrap();
        assert!(!identity.has_changed(), "a file that is gone stays mapped as it was");
    }
}
