//! Copying what lies beside a checkpoint's weights: files of that folder, and nothing that a link leads to elsewhere.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use monotile::io::open_regular;
use monotile::{Error, Result};

/// The endings of weights, which are written anew.
const WEIGHTS: [&str; 9] = ["safetensors", "bin", "pt", "pth", "gguf", "h5", "msgpack", "onnx", "ckpt"];

/// Copies what a checkpoint's folder holds beside its weights: configuration, tokenizer, licence. Folders within, pipes, sockets
/// and devices are left out, and so is what is hidden.
///
/// A link is followed where it leads to a file of the same folder, or to a blob of the same cache: the Hugging Face hub keeps the
/// files of `models--NAME/snapshots/REVISION` as links into `models--NAME/blobs`.
///
/// # Errors
/// `Format`, naming a link that leads anywhere else; `Io`, if the operating system refuses.
pub fn copy_others(from: &Path, to: &Path) -> Result<()> {
    let refuse = |e: std::io::Error| Error::io("reading", from, &e);
    let whole = from.canonicalize().map_err(refuse)?;
    for entry in fs::read_dir(from).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        let (name, path) = (entry.file_name(), entry.path());
        let shown = name.to_string_lossy();
        let is_weights = path.extension().is_some_and(|e| WEIGHTS.contains(&e.to_string_lossy().as_ref()));
        if is_weights || shown.starts_with('.') || shown.ends_with(".index.json") {
            continue;
        }
        let kind = entry.file_type().map_err(|e| Error::io("reading", &path, &e))?;
        let source = if kind.is_symlink() { followed(&path, &whole)? } else { path };
        if source.is_file() {
            copy(&source, &to.join(&name))?;
        }
    }
    Ok(())
}

/// Refuses a file whose content is copied where it is a link that leads out of its folder, as [`copy_others`] does.
///
/// # Errors
/// As [`copy_others`].
pub fn check_within(file: &Path) -> Result<()> {
    let refuse = |e: std::io::Error| Error::io("reading", file, &e);
    if !fs::symlink_metadata(file).map_err(refuse)?.is_symlink() {
        return Ok(());
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    followed(file, &folder.canonicalize().map_err(refuse)?).map(drop)
}

/// Where a link leads, if that is within the folder or the cache that the folder belongs to.
fn followed(link: &Path, folder: &Path) -> Result<PathBuf> {
    let target = link.canonicalize().map_err(|e| Error::io("reading", link, &e))?;
    let within = target.parent() == Some(folder) || blobs(folder).is_some_and(|blobs| target.parent() == Some(&blobs));
    if within {
        return Ok(target);
    }
    let what = format!("is a link that leads out of the model's folder, to {}; put the file itself there", target.display());
    Err(Error::format(link, what))
}

/// The blobs of the hub's cache that a folder is a snapshot of.
fn blobs(folder: &Path) -> Option<PathBuf> {
    let snapshots = folder.parent().filter(|parent| parent.file_name() == Some(OsStr::new("snapshots")))?;
    let model = snapshots.parent().filter(|m| m.file_name().is_some_and(|n| n.to_string_lossy().starts_with("models--")))?;
    Some(model.join("blobs"))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let (mut source, _) = open_regular(from)?;
    let mut written = || -> std::io::Result<()> {
        let mut target = File::create(to)?;
        std::io::copy(&mut source, &mut target)?;
        target.set_permissions(source.metadata()?.permissions())
    };
    written().map_err(|e| Error::io("writing", to, &e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn everything_but_weights_is_copied() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for name in
            ["config.json", "tokenizer.model", "model.safetensors", "pytorch_model.bin", "model.safetensors.index.json", ".git"]
        {
            fs::write(from.path().join(name), name).unwrap();
        }
        fs::create_dir(from.path().join("onnx")).unwrap();
        copy_others(from.path(), to.path()).unwrap();
        assert_eq!(names(to.path()), ["config.json", "tokenizer.model"]);
        assert_eq!(fs::read_to_string(to.path().join("config.json")).unwrap(), "config.json");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_within_the_folder_and_to_blobs_of_the_same_cache_alone() {
        use std::os::unix::fs::symlink;
        use std::os::unix::net::UnixListener;
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for folder in ["models--a/blobs", "models--a/snapshots/1", "models--b/blobs", "plain", "plain/within", "to"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        fs::write(at("models--a/blobs/77"), "blob").unwrap();
        fs::write(at("models--b/blobs/88"), "another's").unwrap();
        fs::write(at("secret"), "secret").unwrap();
        fs::write(at("plain/LICENSE"), "free").unwrap();
        symlink("../../blobs/77", at("models--a/snapshots/1/config.json")).unwrap();
        // The folder may be reached by a link itself.
        symlink(at("models--a/snapshots/1"), at("latest")).unwrap();
        copy_others(&at("latest"), &at("to")).unwrap();
        assert_eq!(fs::read_to_string(at("to/config.json")).unwrap(), "blob");
        symlink("LICENSE", at("plain/COPYING")).unwrap();
        symlink("within", at("plain/folder")).unwrap();
        let _socket = UnixListener::bind(at("plain/socket")).unwrap();
        copy_others(&at("plain"), &at("to")).unwrap();
        assert_eq!(names(&at("to")), ["COPYING", "LICENSE", "config.json"]);
        assert!(!at("to/COPYING").is_symlink());
        for (folder, target) in
            [("plain", "../secret"), ("models--a/snapshots/1", "../../../models--b/blobs/88"), ("plain", "/etc/hosts")]
        {
            let link = at(folder).join("notes.txt");
            symlink(target, &link).unwrap();
            let words = copy_others(&at(folder), &at("to")).unwrap_err().to_string();
            assert!(
                words.starts_with(&format!("{}: is a link that leads out of the model's folder, to /", link.display())),
                "{words}"
            );
            fs::remove_file(&link).unwrap();
        }
        assert!(!at("to/notes.txt").exists());
        symlink("../secret", at("plain/model.safetensors.index.json")).unwrap();
        assert!(
            check_within(&at("plain/model.safetensors.index.json")).unwrap_err().to_string().contains("leads out of the model's")
        );
        check_within(&at("plain/COPYING")).and(check_within(&at("latest/config.json"))).unwrap();
        symlink("nowhere", at("plain/gone")).unwrap();
        let words = copy_others(&at("plain"), &at("to")).unwrap_err().to_string();
        assert!(words.ends_with("plain/gone: no such file or folder (reading)"), "{words}");
    }
}
