//! Opening files that somebody names: regular ones, of a size that is known before they are read.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::Path;

use monotile_kernels::process::fallible;

use crate::error::{Error, Result};
use crate::limits::Limit;
use crate::memory;

/// Opens a regular file for reading, and tells its size in bytes.
///
/// # Errors
/// What the system says; a folder, a pipe, a socket or a device is refused by its name before anything is read from it, and
/// opening a pipe does not wait for a writer.
pub fn open_regular(path: &Path) -> Result<(File, u64)> {
    let mut options = OpenOptions::new();
    options.read(true);
    // A pipe without a writer would keep `open` waiting.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, NONBLOCK);
    let file = options.open(path).map_err(|e| Error::io("reading", path, &e))?;
    let metadata = file.metadata().map_err(|e| Error::io("reading", path, &e))?;
    if metadata.is_file() {
        return Ok((file, metadata.len()));
    }
    Err(Error::format(path, format!("is {}, not a file", kind(metadata.file_type()))))
}

/// `O_NONBLOCK`, which regular files do not heed.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NONBLOCK: i32 = if cfg!(any(target_arch = "mips", target_arch = "mips64")) { 0x80 } else { 0o4000 };
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
const NONBLOCK: i32 = 0x4;

#[cfg(unix)]
fn kind(of: std::fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match of {
        of if of.is_dir() => "a folder",
        of if of.is_fifo() => "a pipe",
        of if of.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn kind(of: std::fs::FileType) -> &'static str {
    if of.is_dir() { "a folder" } else { "a device" }
}

/// All bytes of a regular file that has at most `limit` of them.
///
/// # Errors
/// As [`open_regular`], and where the file is larger than the limit, also if it grows while it is read.
pub fn read_regular(path: &Path, limit: &Limit) -> Result<Vec<u8>> {
    let (file, size) = open_regular(path)?;
    limit.admit(path.display(), size)?;
    // One more, so that the end is seen without more room.
    let room = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1);
    read_within(file, path, (room, limit))
}

/// All bytes of standard input, if it has at most `limit` of them.
///
/// # Errors
/// What the system says, and more bytes than the limit.
pub fn read_stdin(limit: &Limit) -> Result<Vec<u8>> {
    read_within(std::io::stdin().lock(), Path::new("standard input"), (0, limit))
}

/// All bytes of what is read, with room for so many from the start.
fn read_within(from: impl Read, path: &Path, (room, limit): (usize, &Limit)) -> Result<Vec<u8>> {
    let mut bytes = memory::list(room, path.display())?;
    let read = fallible(|| from.take(limit.get().saturating_add(1)).read_to_end(&mut bytes));
    match read {
        Ok(_) => {}
        Err(e) if e.kind() == std::io::ErrorKind::OutOfMemory => {
            return Err(Error::memory(path.display(), format_args!("more than {}", bytes.len())));
        }
        Err(e) => return Err(Error::io("reading", path, &e)),
    }
    limit.admit(path.display(), bytes.len() as u64)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    #[test]
    fn what_is_no_regular_file_is_refused_by_its_name() {
        let words = |path: &str| read_regular(Path::new(path), &limits::JSON).unwrap_err().to_string();
        let folder = std::env::temp_dir();
        assert!(words(folder.to_str().unwrap()).ends_with("is a folder, not a file"));
        #[cfg(unix)]
        assert_eq!(words("/dev/zero"), "/dev/zero: is a device, not a file");
        assert!(words("/no/such").contains("no such file or folder"));
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_nobody_writes_to_is_refused_at_once() {
        let path = std::env::temp_dir().join(format!("monotile-pipe-{}", std::process::id()));
        let made = std::process::Command::new("mkfifo").arg(&path).status().is_ok_and(|status| status.success());
        if !made {
            eprintln!("skipped: mkfifo is not there");
            return;
        }
        let refused = open_regular(&path).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert!(refused.ends_with("is a pipe, not a file"), "{refused}");
    }
}
