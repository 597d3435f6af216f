//! Files that appear whole or not at all.

mod temporary_files;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Writes a file beside its target and renames it into place when all of it is on the disk: a full disk or a kill leaves
/// what was there before.
///
/// The file beside it is `.NAME.PROCESS-NUMBER.partial`, locked while it is written. One that a killed process left is removed
/// when the same target is written again.
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
pub fn write_atomic(path: &Path, content: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) -> Result<()> {
    let refuse = |e: std::io::Error| Error::io("writing", path, &e);
    let Some(name) = path.file_name() else {
        return Err(Error::value(format!("{}: is not the name of a file (writing)", path.display())));
    };
    let (file, beside) = temporary_files::begin(path, name).map_err(refuse)?;
    let written = (|| {
        let mut file = BufWriter::new(file);
        content(&mut file)?;
        file.flush()?;
        file.get_ref().sync_all()?;
        std::fs::rename(&beside, path)
    })();
    written.map_err(|e| {
        // The partial file is of no use; that it cannot be removed either adds nothing to the first error.
        let _ = std::fs::remove_file(&beside);
        refuse(e)
    })
}

#[cfg(test)]
mod tests {
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
        // No process has the number 0 but the system itself.
        let dead = [".a.txt.0-3.partial", ".a.txt.0.partial"];
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
}
