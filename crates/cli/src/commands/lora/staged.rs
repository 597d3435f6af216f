//! What commands say that can be stopped and go on.

use std::path::Path;

use monotile::{Error, ErrorKind};
use monotile_llama::staged::Found;

use crate::failure::Failure;
use crate::progress::say;

/// Says what became of what an earlier run left.
pub fn tell(found: Option<Found>, out: &Path) {
    match found {
        Some(Found::Same) => say(&format!("{}: went on where an earlier run stopped", out.display())),
        Some(Found::Other) => {
            say(&format!("{}: what a run with other inputs or options left was removed, and all begun anew", out.display()));
        }
        Some(Found::Nothing) | None => {}
    }
}

/// Adds what to do about a run that stopped.
pub fn explain(error: Error, out: &Path) -> Failure {
    let io = error.kind() == ErrorKind::Io;
    let failure = Failure::from(error);
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let kept = out.with_file_name(format!(".{name}.partial"));
    if io && kept.exists() {
        return failure.hint(format!("the same command goes on from {}; remove that folder to give up", kept.display()));
    }
    failure
}
