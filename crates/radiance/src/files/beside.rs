//! Files beside a file.

use std::path::{Component, Path, PathBuf};

use monotile::text::printable;
use monotile::{Error, Result};

/// The file of a name in the folder of another, or below; no other, whatever links there are.
#[track_caller]
pub(super) fn beside(path: &Path, folder: &Path, name: &str) -> Result<PathBuf> {
    let short: String = name.chars().take(80).collect();
    let words = format!("names {:?}, which is not in its folder, and nothing else is read", printable(&short).to_string());
    let leaves = || Error::format(path, &words);
    let inner = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if name.is_empty() || name.contains([':', '\\', '\0']) || !Path::new(name).components().all(inner) {
        return Err(leaves());
    }
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let whole = folder.join(name);
    let real = |path: &Path| path.canonicalize().map_err(|e| Error::io("reading", path, &e));
    if real(&whole)?.starts_with(real(folder)?) { Ok(whole) } else { Err(leaves()) }
}
