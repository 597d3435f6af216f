//! Files that appear whole or not at all.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::error::{Error, Result};

/// Writes a file beside its target and renames it into place when all of it is on the disk: a full disk or a kill leaves
/// what was there before.
///
/// # Errors
/// What the operating system refuses, in a sentence with the path.
///
/// # Example
/// ```
/// use std::io::Write;
/// let path = std::env::temp_dir().join("monotile-write-beside.txt");
/// monotile::io::write_beside(&path, |file| file.write_all(b"whole"))?;
/// assert_eq!(std::fs::read(&path).unwrap(), b"whole");
/// # std::fs::remove_file(&path).unwrap();
/// # Ok::<(), monotile::Error>(())
/// ```
pub fn write_beside(path: &Path, content: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) -> Result<()> {
    let refuse = |e: std::io::Error| Error::io("writing", path, &e);
    let Some(name) = path.file_name() else {
        return Err(Error::value(format!("{}: is not the name of a file (writing)", path.display())));
    };
    let beside = path.with_file_name(format!(".{}.{}.partial", name.to_string_lossy(), std::process::id()));
    let written = (|| {
        let mut file = BufWriter::new(File::create(&beside)?);
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
        write_beside(&path, |f| f.write_all(b"old")).unwrap();
        let full = |f: &mut BufWriter<File>| {
            f.write_all(b"half")?;
            Err(std::io::Error::new(std::io::ErrorKind::StorageFull, "no space left on device"))
        };
        let words = write_beside(&path, full).unwrap_err().to_string();
        assert_eq!(words, format!("{}: no space left on device (writing)", path.display()));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_missing_is_named() {
        let words = write_beside(Path::new("/no/such/folder/a"), |_| Ok(())).unwrap_err().to_string();
        assert_eq!(words, "/no/such/folder/a: no such file or folder (writing)");
    }
}
