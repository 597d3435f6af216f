//! Where a file that is written goes: links, pipes and devices.

use std::fs::{self, Permissions};
use std::io::Result;
use std::path::{Path, PathBuf};

/// Links that are followed, as many as Linux does.
const LINKS: usize = 40;

/// What stands at the path of an output.
pub(in super::super) enum Place {
    /// A regular file or nothing, where links lead to: it is replaced, and keeps the permissions that it had.
    File(PathBuf, Option<Permissions>),
    /// A pipe, a device, or a file that this process has open under a number: it is written as it is.
    Stream,
}

impl Place {
    /// What stands at a path.
    ///
    /// # Errors
    /// What the system says, of links that go in a circle for example.
    pub(in super::super) fn of(path: &Path) -> Result<Self> {
        let target = followed(path);
        match fs::metadata(path) {
            // `/dev/stdout` is a link into /proc.
            Ok(found) if found.is_file() && !target.starts_with("/proc") => Ok(Self::File(target, Some(found.permissions()))),
            // A folder cannot be replaced by a file, and renaming says so.
            Ok(found) if found.is_dir() => Ok(Self::File(target, None)),
            Ok(_) => Ok(Self::Stream),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::File(target, None)),
            Err(e) => Err(e),
        }
    }
}

/// Where links lead, though nothing be there; links into /proc are not followed further.
fn followed(path: &Path) -> PathBuf {
    let mut at = path.to_path_buf();
    for _ in 0..LINKS {
        match fs::read_link(&at) {
            Ok(next) if !at.starts_with("/proc") => at = at.parent().unwrap_or(Path::new("")).join(next),
            _ => break,
        }
    }
    at
}
