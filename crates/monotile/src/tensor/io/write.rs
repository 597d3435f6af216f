//! Files that appear whole or not at all.

mod place;
mod temporary_files;

use std::fs::{File, Permissions};
use std::io::BufWriter;
use std::path::Path;

use crate::error::{Error, Placed, Result};

pub(super) use place::Place;

/// Writes a file beside its target and renames it into place when all of it is on the disk: a full disk or a kill leaves
/// what was there before.
///
/// The file beside it is `.NAME.PROCESS-NUMBER.partial`, locked while it is written. One that a killed process left is removed
/// when the same target is written again.
///
/// A link is followed and what it leads to replaced. A file that is replaced keeps its permissions. A pipe or a device is written
/// as it is.
///
/// # Errors
/// What the operating system refuses, in a sentence with the path.
///
/// # Example
/// ```
/// use std::io::Write;
/// let path = std::env::temp_dir().join("monotile-write-atomic.txt");
/// monotile::io::write_atomic(&path, |file| file.write_all(b"whole"))?;
/// assert_eq!(std::fs::read(&path).unwrap(), b"whole");
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), monotile::Error>(())
/// ```
#[track_caller]
pub fn write_atomic(path: &Path, content: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) -> Result<()> {
    if path.file_name().is_none() {
        return Err(Error::value(format!("{}: is not the name of a file (writing)", path.display())));
    }
    let written = Place::of(path).and_then(|place| match place {
        Place::File(target, permissions) => replace(&target, permissions, content),
        Place::Stream => fill(File::options().write(true).truncate(true).open(path)?, content).map(drop),
    });
    written.map_err(|e| Error::io("writing", path, &e)).placed()
}

fn replace(
    target: &Path,
    permissions: Option<Permissions>,
    content: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let (file, beside) = temporary_files::begin(target)?;
    let written = (|| {
        // Before there is anything to read in it.
        permissions.map_or(Ok(()), |permissions| file.set_permissions(permissions))?;
        let file = fill(file, content)?;
        file.sync_all()?;
        std::fs::rename(&beside, target)
    })();
    written.inspect_err(|_| {
        // The partial file is of no use; that it cannot be removed either adds nothing to the first error.
        let _ = std::fs::remove_file(&beside);
    })
}

fn fill(file: File, content: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) -> std::io::Result<File> {
    let mut file = BufWriter::new(file);
    content(&mut file)?;
    file.into_inner().map_err(std::io::IntoInnerError::into_error)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_atomic(&path, |f| f.write_all(b"old")).unwrap();
        let full = |f: &mut BufWriter<File>| {
            f.write_all(b"half")?;
            Err(std::io::Error::new(std::io::ErrorKind::StorageFull, "no space left on device"))
        };
        let words = write_atomic(&path, full).unwrap_err().to_string();
        assert_eq!(words, format!("{}: no space left on device (writing)", path.display()));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_missing_is_named() {
        let words = write_atomic(Path::new("/no/such/folder/a"), |_| Ok(())).unwrap_err().to_string();
        assert_eq!(words, "/no/such/folder/a: no such file or folder (writing)");
    }

    #[test]
    fn what_a_killed_process_left_of_a_file_goes_when_it_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // A number says nothing: that of a killed process may be another's now, and this one's.
        let own = format!(".a.txt.{}-7.partial", std::process::id());
        let dead = [".a.txt.0-3.partial", ".a.txt.0.partial", ".a.txt.1-0.partial", own.as_str()];
        let not_ours =
            [".a.txt.partial", ".a.txt.x-1.partial", ".a.txt.0-x.partial", "a.txt.0-0.partial", ".b.txt.0-1.partial", ".a.txt.0-1"];
        for name in dead.iter().chain(&not_ours) {
            std::fs::write(at(name), "half").unwrap();
        }
        // Of one that is being written the lock is held.
        let held = File::create(at(".a.txt.0-9.partial")).unwrap();
        held.lock().unwrap();
        write_atomic(&at("a.txt"), |f| f.write_all(b"whole")).unwrap();
        for name in not_ours.iter().chain(&["a.txt", ".a.txt.0-9.partial"]) {
            assert!(at(name).exists(), "{name}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), not_ours.len() + 2);
    }

    #[test]
    fn threads_that_write_one_file_do_not_mix() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::thread::scope(|scope| {
            for letter in ["a", "b", "c", "d"] {
                let path = &path;
                scope.spawn(move || {
                    for _ in 0..10 {
                        let text = letter.repeat(100_000);
                        write_atomic(path, |f| text.as_bytes().chunks(1000).try_for_each(|part| f.write_all(part))).unwrap();
                    }
                });
            }
        });
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.len() == 100_000 && text.bytes().all(|byte| byte == text.as_bytes()[0]));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_name_as_long_as_names_may_be_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["a".repeat(255), "b".repeat(240), format!("{}.npy", "ü".repeat(125))];
        for name in &names {
            write_atomic(&folder.path().join(name), |f| f.write_all(b"whole")).unwrap();
        }
        assert!(names.iter().all(|name| std::fs::read(folder.path().join(name)).unwrap() == b"whole"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_and_a_file_keeps_its_permissions() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir(at("far")).unwrap();
        std::fs::write(at("far/a"), "old").unwrap();
        std::fs::set_permissions(at("far/a"), Permissions::from_mode(0o600)).unwrap();
        symlink("far/a", at("one")).unwrap();
        symlink("one", at("two")).unwrap();
        symlink("far/new", at("new")).unwrap();
        write_atomic(&at("two"), |f| f.write_all(b"whole")).unwrap();
        write_atomic(&at("new"), |f| f.write_all(b"whole")).unwrap();
        for name in ["one", "two", "new"] {
            assert!(at(name).is_symlink() && std::fs::read(at(name)).unwrap() == b"whole", "{name}");
        }
        assert_eq!(std::fs::metadata(at("far/a")).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(at("far")).unwrap().count(), 2);
        symlink("circle", at("circle")).unwrap();
        let words = write_atomic(&at("circle"), |f| f.write_all(b"whole")).unwrap_err().to_string();
        assert!(words.contains("circle: ") && words.ends_with("(writing)") && at("circle").is_symlink(), "{words}");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_and_a_device_are_written_as_they_are() {
        use std::os::unix::fs::FileTypeExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().is_ok_and(|status| status.success());
        assert!(made, "mkfifo is there");
        let reader = std::thread::spawn({
            let path = path.clone();
            move || std::fs::read(path).unwrap()
        });
        write_atomic(&path, |f| f.write_all(b"whole")).unwrap();
        assert_eq!(reader.join().unwrap(), b"whole");
        assert!(std::fs::symlink_metadata(&path).unwrap().file_type().is_fifo());
        write_atomic(Path::new("/dev/null"), |f| f.write_all(b"whole")).unwrap();
        assert!(std::fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    }
}
