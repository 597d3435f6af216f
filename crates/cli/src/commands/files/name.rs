//! How an operand or a result is named: a file, and a tensor in it.

use std::path::PathBuf;

/// A kind of file that holds tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    Npy,
    Npz,
    SafeTensors,
}

/// `a.npy`, `b.npz:member`: the file, its kind by its ending, and the name in it.
pub fn split(text: &str) -> Option<(PathBuf, FileFormat, Option<String>)> {
    let archives = [(".npz", FileFormat::Npz), (".safetensors", FileFormat::SafeTensors)];
    for (suffix, format) in archives {
        if text.ends_with(suffix) {
            return Some((text.into(), format, None));
        }
        if let Some(at) = text.find(&format!("{suffix}:")) {
            let (path, name) = text.split_at(at + suffix.len());
            return Some((path.into(), format, Some(name[1..].to_string())));
        }
    }
    text.ends_with(".npy").then(|| (text.into(), FileFormat::Npy, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_after_the_suffix() {
        let parts = |text: &str| split(text).map(|(path, format, name)| (path.display().to_string(), format, name));
        assert_eq!(parts("a.npy"), Some(("a.npy".into(), FileFormat::Npy, None)));
        assert_eq!(parts("d:/w.npz:x:y"), Some(("d:/w.npz".into(), FileFormat::Npz, Some("x:y".into()))));
        assert_eq!(
            parts("m.safetensors:lm_head.weight"),
            Some(("m.safetensors".into(), FileFormat::SafeTensors, Some("lm_head.weight".into())))
        );
        assert_eq!(parts("m.safetensors"), Some(("m.safetensors".into(), FileFormat::SafeTensors, None)));
        assert_eq!(parts("m.txt"), None);
    }
}
