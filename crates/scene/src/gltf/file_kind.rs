//! What a file is that is no model: said in a sentence, as people keep such files under a model's name.

use monotile::{Error, ErrorKind};

use super::fault;

/// What bytes that are no glTF are, where that can be told.
pub fn other(bytes: &[u8]) -> Option<Error> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let begins = |with: &[u8]| text.get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with));
    if begins(b"version https://git-lfs") {
        return Some(fault("it is a pointer of Git LFS and not the model itself; `git lfs pull` brings that"));
    }
    if [&b"<!doctype html"[..], b"<html", b"<head", b"<body"].into_iter().any(begins) {
        return Some(fault("it is an HTML page and no model: what was downloaded is a page about it, or an error"));
    }
    if bytes.iter().all(|b| *b == 0) && !bytes.is_empty() {
        return Some(fault(format!("its {} bytes are all 0: it was not written or not downloaded whole", bytes.len())));
    }
    let what = match bytes {
        [b'P', b'K', 3, 4, ..] => "a ZIP archive",
        [0x1f, 0x8b, ..] => "a gzip archive",
        [0x89, b'P', b'N', b'G', ..] => "a PNG picture",
        [0xff, 0xd8, 0xff, ..] => "a JPEG picture",
        _ if begins(b"Kaydara FBX") => "an FBX model",
        _ if begins(b"BLENDER") => "a Blender file",
        _ if begins(b"ply\n") || begins(b"ply\r") => "a PLY model",
        _ if begins(b"solid ") => "an STL model",
        _ if begins(b"#usda") || bytes.starts_with(b"PXR-USDC") => "a USD file",
        _ if begins(b"<?xml") || begins(b"<") => "an XML file",
        _ => return None,
    };
    Some(Error::new(ErrorKind::Unsupported, format!("it is {what}, and models are read from glTF 2.0: .gltf or .glb")))
}

/// The refusal of another version of glTF.
pub fn version(says: &str) -> Error {
    let what = if says.starts_with("1.") || says == "1" || says.starts_with("0.") {
        format!("it is a file of glTF {says}, which has other contents; glTF 2.0 is read")
    } else {
        format!("it says that it is a file of glTF {}, and files that say \"2.0\" are read", super::uri::quoted(says))
    };
    Error::new(ErrorKind::Unsupported, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_another_kind_is_told_as_what_it_is() {
        let words = |bytes: &[u8]| other(bytes).unwrap().to_string();
        assert!(words(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n").contains("pointer of Git LFS"));
        assert!(words(b" <!DOCTYPE html><html>404</html>").contains("HTML page"));
        assert!(words(b"PK\x03\x04...").contains("a ZIP archive") && words(&[0; 64]).contains("64 bytes are all 0"));
        assert!(other(b"{\"asset\":{}}").is_none() && other(b"").is_none() && other(b"glTF\x02").is_none());
    }

    #[test]
    fn versions_are_told_as_they_stand() {
        assert_eq!(version("1.0").to_string(), "it is a file of glTF 1.0, which has other contents; glTF 2.0 is read");
        assert_eq!(version("2").to_string(), "it says that it is a file of glTF \"2\", and files that say \"2.0\" are read");
    }
}
