//! Opening files that somebody names: regular ones, of a size that is known before they are read.

use std::fs::{File, FileType, OpenOptions};
use std::io::Read;
use std::path::Path;

use monotile_kernels::process::fallible;

use crate::error::{Error, Placed, Result};
use crate::limits::Limit;
use crate::memory;

/// Opens a regular file for reading, and tells its size in bytes.
///
/// # Errors
/// What the system says; a folder, a pipe, a socket or a device is refused by its name before anything is read from it, and
/// opening a pipe does not wait for a writer.
#[track_caller]
pub fn open_regular(path: &Path) -> Result<(File, u64)> {
    let refuse = |e: std::io::Error| Error::io("reading", path, &e);
    let file = open_without_waiting(path, OpenOptions::new().read(true)).map_err(refuse).placed()?;
    let metadata = file.metadata().map_err(refuse).placed()?;
    if metadata.is_file() { Ok((file, metadata.len())) } else { Err(not_a_file(path, metadata.file_type())) }
}

/// Opens a file of the program's own to be written, a lock or a record: a regular one, and through no link.
///
/// # Errors
/// As [`check_own`], and what the system says.
#[track_caller]
pub fn open_own(path: &Path, options: &mut OpenOptions) -> Result<File> {
    check_own(path)?;
    let refuse = |e: std::io::Error| Error::io("writing", path, &e);
    let file = open_without_waiting(path, options).map_err(refuse).placed()?;
    let kind = file.metadata().map_err(refuse).placed()?.file_type();
    if kind.is_file() { Ok(file) } else { Err(not_a_file(path, kind)) }
}

/// Refuses what stands where the program writes a file that nobody named: a link, a folder, a pipe, a socket or a device.
///
/// Nothing there is right, and so is a regular file.
///
/// # Errors
/// `Format`, saying what it is; `Io`, if the system does not tell.
///
/// # Example
/// ```
/// let folder = std::env::temp_dir();
/// assert!(monotile::io::check_own(&folder).unwrap_err().to_string().ends_with(": is a folder, not a file"));
/// assert!(monotile::io::check_own(&folder.join("no-such-file")).is_ok());
/// ```
#[track_caller]
pub fn check_own(path: &Path) -> Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Error::io("writing", path, &e)),
        Ok(found) if found.is_file() => Ok(()),
        Ok(found) if found.is_symlink() => {
            Err(Error::format(path, "is a link, and nothing is written through one here; put the file itself in its place"))
        }
        Ok(found) => Err(not_a_file(path, found.file_type())),
    }
}

/// Whether an open file is still the one at this path, and was not removed or replaced meanwhile.
///
/// Where the system is no Unix, an open file cannot be removed, and the answer is always yes.
pub fn is_still_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let number = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let (one, other) = (file.metadata().map(number).ok(), std::fs::symlink_metadata(path).map(number).ok());
        one.is_some() && one == other
    }
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        true
    }
}

/// Opens a file, and does not wait for somebody at the other end of a pipe.
fn open_without_waiting(path: &Path, options: &mut OpenOptions) -> std::io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(options, NONBLOCK);
    options.open(path)
}

#[track_caller]
fn not_a_file(path: &Path, found: FileType) -> Error {
    Error::format(path, format!("is {}, not a file", kind(found)))
}

/// `O_NONBLOCK`, which regular files do not heed.
#[cfg(any(target_os = "linux", target_os = "android"))]
const NONBLOCK: i32 = if cfg!(any(target_arch = "mips", target_arch = "mips64")) { 0x80 } else { 0o4000 };
#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
const NONBLOCK: i32 = 0x4;

#[cfg(unix)]
fn kind(of: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match of {
        of if of.is_dir() => "a folder",
        of if of.is_fifo() => "a pipe",
        of if of.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn kind(of: FileType) -> &'static str {
    if of.is_dir() { "a folder" } else { "a device" }
}

/// All bytes of a regular file that has at most `limit` of them.
///
/// # Errors
/// As [`open_regular`], and where the file is larger than the limit, also if it grows while it is read.
#[track_caller]
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
#[track_caller]
pub fn read_stdin(limit: &Limit) -> Result<Vec<u8>> {
    read_within(std::io::stdin().lock(), Path::new("standard input"), (0, limit))
}

/// All bytes of what is read, with room for so many from the start.
#[track_caller]
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
    fn errors_of_files_tell_the_line_of_the_call() {
        use crate::tensor::io::{Npz, SafeTensors, write_npz, write_safetensors};
        use crate::{DType, Tensor};
        let folder = tempfile::tempdir().unwrap();
        let (none, broken) = (folder.path().join("none"), folder.path().join("broken"));
        std::fs::write(&broken, "no tensors at all, but text").unwrap();
        let x = Tensor::zeros([2], DType::F32).unwrap();
        let into = none.join("x");
        let first = line!();
        let errors = [
            SafeTensors::open(&none).err(),
            SafeTensors::open(&broken).err(),
            Tensor::read_npy(&none).err(),
            Tensor::read_npy(&broken).err(),
            Npz::open(&none).err(),
            Npz::open(&broken).err(),
            x.write_npy(&into).err(),
            write_npz(&into, &[("x", &x)]).err(),
            write_safetensors(&into, &[("x", &x)], &[]).err(),
        ];
        for (error, line) in errors.into_iter().map(Option::unwrap).zip(first + 2..) {
            assert_eq!((error.place().file(), error.place().line()), (file!(), line), "{error}");
        }
    }

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

    #[cfg(unix)]
    #[test]
    fn a_file_of_the_programs_own_is_opened_through_no_link_and_is_no_pipe() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let open = |name: &str| open_own(&at(name), File::options().write(true).create(true).truncate(true));
        open("new").unwrap();
        open("new").unwrap();
        std::fs::write(at("foreign"), "mine").unwrap();
        std::os::unix::fs::symlink("foreign", at("link")).unwrap();
        std::os::unix::fs::symlink("nowhere", at("dangling")).unwrap();
        for name in ["link", "dangling"] {
            let words = open(name).unwrap_err().to_string();
            assert!(words.ends_with(": is a link, and nothing is written through one here; put the file itself in its place"));
        }
        assert!(std::fs::read(at("foreign")).unwrap() == b"mine" && !at("nowhere").exists());
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().is_ok_and(|status| status.success()));
        assert!(open("pipe").unwrap_err().to_string().ends_with("/pipe: is a pipe, not a file"));
    }

    #[test]
    fn a_file_that_was_replaced_is_at_its_path_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let [path, other] = ["a", "b"].map(|name| folder.path().join(name));
        let file = File::create(&path).unwrap();
        assert!(is_still_at(&file, &path));
        std::fs::write(&other, "").unwrap();
        std::fs::rename(&other, &path).unwrap();
        assert_eq!(is_still_at(&file, &path), cfg!(not(unix)));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(is_still_at(&file, &path), cfg!(not(unix)));
    }
}
