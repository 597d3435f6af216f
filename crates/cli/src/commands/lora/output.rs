//! Folders of results, which appear whole or not at all, and what is said of those that are resumed.

use std::path::Path;

use monotile::{Error, ErrorKind};
use monotile_adapters::staged::{self, StagedFolder, StagedState};
use serde_json::Value;

use crate::command_error::CommandError;
use crate::progress::say;

/// Refuses a folder that holds something already.
pub fn check_vacant(folder: &Path) -> Result<(), CommandError> {
    staged::check_vacant(folder).map_err(|e| match e.kind() {
        ErrorKind::Value => CommandError::from(e).hint("name a new folder, or remove this one"),
        _ => CommandError::from(e),
    })
}

/// Fills a folder in a moment: what was begun is worth nothing, and is removed where it cannot be ended.
pub fn fill_folder(place: &Path, fill: impl FnOnce(&Path) -> monotile::Result<()>) -> Result<(), CommandError> {
    let staged = StagedFolder::open(place, &Value::Null)?;
    match fill(staged.folder()) {
        Ok(()) => Ok(staged.finish()?),
        Err(error) => {
            staged.discard();
            Err(staged.fail(&error).into())
        }
    }
}

/// Says what became of what an earlier run left.
pub fn report_resumed(found: Option<StagedState>, out: &Path) {
    match found {
        Some(StagedState::Same) => say(&format!("{}: went on where an earlier run stopped", out.display())),
        Some(StagedState::Other) => {
            say(&format!("{}: what a run with other inputs or options left was removed, and all begun anew", out.display()));
        }
        Some(StagedState::Nothing) | None => {}
    }
}

/// Adds what to do about a run that stopped.
pub fn explain(error: Error, out: &Path) -> CommandError {
    let io = error.kind() == ErrorKind::Io;
    let failure = CommandError::from(error);
    let kept = staged::beside(out);
    if io && kept.exists() {
        return failure.hint(format!("the same command goes on from {}; remove that folder to give up", kept.display()));
    }
    failure
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_folder_appears_whole_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("new");
        let failed = fill_folder(&place, |beside| {
            fs::write(beside.join("one"), "1").unwrap();
            Err(Error::value(format!("{}: no space", beside.join("two").display())))
        });
        assert_eq!(failed.unwrap_err().to_string(), format!("error: {}/two: no space", place.display()));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        fill_folder(&place, |beside| fs::write(beside.join("one"), "1").map_err(|e| Error::io("writing", beside, &e))).unwrap();
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(place.join("one")).unwrap(), "1");
    }

    #[test]
    fn a_folder_with_something_in_it_is_refused() {
        let root = tempfile::tempdir().unwrap();
        assert!(check_vacant(root.path()).is_ok() && check_vacant(&root.path().join("none")).is_ok());
        fs::write(root.path().join("one"), "1").unwrap();
        let words = check_vacant(root.path()).unwrap_err().to_string();
        assert!(
            words.contains("the folder exists and is not empty (writing)\nhint: name a new folder, or remove this one"),
            "{words}"
        );
    }
}
