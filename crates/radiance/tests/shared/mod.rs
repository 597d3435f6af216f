//! What several test programs ask for.

use std::path::PathBuf;

/// A folder of larger reference results: in `MONOTILE_CASES`, else beside the workspace; none where it is absent, which is said.
pub fn cases(part: &str) -> Option<PathBuf> {
    let named = std::env::var_os("MONOTILE_CASES").map(PathBuf::from);
    let folder = named.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/cases"))).join(part);
    let found = folder.is_dir();
    if !found {
        println!("skipped: {} has no reference results", folder.display());
    }
    found.then_some(folder)
}
