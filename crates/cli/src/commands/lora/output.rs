//! A folder of results, which appears whole or not at all.

use std::fs;
use std::path::Path;

use monotile::Error;

use crate::failure::Failure;

/// Refuses a folder that holds something already.
pub fn vacant(folder: &Path) -> Result<(), Failure> {
    match fs::read_dir(folder).map(Iterator::count) {
        Ok(0) => Ok(()),
        Ok(_) => {
            let sentence = format!("{}: the folder exists and is not empty (writing)", folder.display());
            Err(Failure::new(sentence).hint("name a new folder, or remove this one"))
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(Error::io("writing", folder, &e).into()),
    }
}

/// Fills a folder beside its place, then renames it. What an earlier try left there is removed first.
pub fn folder(place: &Path, fill: impl FnOnce(&Path) -> monotile::Result<()>) -> Result<(), Failure> {
    let name = place.file_name().ok_or_else(|| Failure::new(format!("{}: this names no folder (writing)", place.display())))?;
    let beside = place.with_file_name(format!(".{}.partial", name.to_string_lossy()));
    let wrong = |path: &Path| {
        let path = path.to_path_buf();
        move |e: std::io::Error| Error::io("writing", &path, &e)
    };
    let _ = fs::remove_dir_all(&beside);
    fs::create_dir_all(&beside).map_err(wrong(place))?;
    let filled = fill(&beside).map_err(|e| {
        // A full disk should not be left fuller; the error names the folder that was asked for.
        let _ = fs::remove_dir_all(&beside);
        Error::new(e.kind(), e.to_string().replace(&beside.display().to_string(), &place.display().to_string()))
    });
    filled?;
    let _ = fs::remove_dir(place);
    Ok(fs::rename(&beside, place).map_err(wrong(place))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_appears_whole_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("new");
        let failed = folder(&place, |beside| {
            fs::write(beside.join("one"), "1").unwrap();
            Err(Error::value(format!("{}: no space", beside.join("two").display())))
        });
        assert_eq!(failed.unwrap_err().to_string(), format!("error: {}/two: no space", place.display()));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        folder(&place, |beside| fs::write(beside.join("one"), "1").map_err(|e| Error::io("writing", beside, &e))).unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(place.join("one")).unwrap(), "1");
    }

    #[test]
    fn a_folder_with_something_in_it_is_refused() {
        let root = tempfile::tempdir().unwrap();
        assert!(vacant(root.path()).is_ok() && vacant(&root.path().join("none")).is_ok());
        fs::write(root.path().join("one"), "1").unwrap();
        let words = vacant(root.path()).unwrap_err().to_string();
        assert!(
            words.contains("the folder exists and is not empty (writing)\nhint: name a new folder, or remove this one"),
            "{words}"
        );
    }
}
