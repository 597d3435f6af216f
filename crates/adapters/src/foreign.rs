//! Files that stand where a checkpoint's should, and what they are.

use std::fs;
use std::io::Read;
use std::path::Path;

use monotile::io::open_regular;
use monotile::{Error, ErrorKind, Result};

/// How much of a file tells what it is.
const HEAD: u64 = 512;

/// Refuses a file that is no file of tensors, as what it is, if that can be told from its beginning.
///
/// # Errors
/// `Io`, if it cannot be read; `Format` and `Unsupported`, saying what it is and what to do.
pub(crate) fn refuse_foreign_file(path: &Path) -> Result<()> {
    let (file, _) = open_regular(path)?;
    let mut head = Vec::new();
    file.take(HEAD).read_to_end(&mut head).map_err(|e| Error::io("reading", path, &e))?;
    let pickle = "is a checkpoint in PyTorch's pickle format, which can run code and is not opened; save it as .safetensors: in \
                  transformers, from_pretrained(…).save_pretrained(…)";
    // A file of tensors begins with the length of its header, which is an object.
    if head.get(8) == Some(&b'{') {
        return Ok(());
    }
    match foreign_format(&head) {
        Some(what) => Err(Error::format(path, what)),
        None if head.starts_with(b"PK\x03\x04") || head.starts_with(b"\x80\x02") => Err(unsupported(path, pickle)),
        None if head.starts_with(b"GGUF") => Err(unsupported(path, "is a GGUF file, which is not read; .safetensors files are")),
        None => Ok(()),
    }
}

/// What a text is that stands in place of another file.
pub(crate) fn foreign_format(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"version https://git-lfs.github.com/spec/") {
        return Some("is a pointer of Git LFS, not the file itself; `git lfs pull` in its repository fetches that");
    }
    let begin = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let lower = begin[..begin.len().min(14)].to_ascii_lowercase();
    let page = ["<!doctype html", "<html", "<head", "<?xml", "<error"].iter().any(|tag| lower.starts_with(tag.as_bytes()));
    page.then_some("is a web page, not the file itself: what was downloaded is the page about it, or an error; download the file")
}

/// The checkpoint of another format that a folder holds instead, as an error that names it.
pub(crate) fn foreign_file_in(folder: &Path) -> Option<Error> {
    let entries = fs::read_dir(folder).ok()?;
    let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    let ends = |name: &&String, all: &[&str]| all.iter().any(|end| name.ends_with(end));
    let pickle = names.iter().find(|name| ends(name, &[".bin", ".pt", ".pth", ".ckpt"]) && *name != "training_args.bin");
    if let Some(name) = pickle {
        let what = "is a checkpoint in PyTorch's pickle format, which can run code and is not opened; save it as .safetensors: in \
                    transformers, from_pretrained(…).save_pretrained(…)";
        return Some(unsupported(&folder.join(name), what));
    }
    let other = names.iter().find(|name| ends(name, &[".gguf", ".h5", ".msgpack", ".onnx"]))?;
    Some(unsupported(&folder.join(other), "is of a format that is not read; .safetensors files are"))
}

fn unsupported(path: &Path, what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{}: {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::Weights;

    #[test]
    fn what_is_no_checkpoint_is_refused_as_what_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("model.safetensors");
        let words = |bytes: &[u8]| {
            fs::write(&place, bytes).unwrap();
            Weights::open(folder.path()).err().unwrap().to_string()
        };
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4\n";
        assert!(words(pointer).contains("model.safetensors: is a pointer of Git LFS, not the file itself; `git lfs pull`"));
        assert!(words(b"\xef\xbb\xbf\n <!DOCTYPE HTML><html>").contains("is a web page"));
        assert!(words(b"PK\x03\x04archive/data.pkl").contains("PyTorch's pickle format, which can run code"));
        assert!(words(b"GGUF\x03\0\0\0").contains("is a GGUF file"));
        fs::remove_file(&place).unwrap();
        for (name, kind) in
            [("pytorch_model.bin", "pickle"), ("consolidated.00.pth", "pickle"), ("x.gguf", "a format that is not read")]
        {
            fs::write(folder.path().join(name), b"PK").unwrap();
            let refused = Weights::open(folder.path()).err().unwrap().to_string();
            assert!(refused.contains(name) && refused.contains(kind), "{refused}");
            fs::remove_file(folder.path().join(name)).unwrap();
        }
    }
}
