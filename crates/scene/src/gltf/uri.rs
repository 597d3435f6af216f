//! What a URI in a file stands for: bytes in itself, or a file in the same folder.

use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use monotile::{Error, Result};

use super::fault;

/// The bytes of a URI, at most `most` of a file's.
pub fn read(uri: &str, folder: Option<&Path>, most: u64) -> Result<Vec<u8>> {
    match uri.strip_prefix("data:") {
        Some(data) => inside(data),
        None => outside(uri, folder, most),
    }
}

fn inside(data: &str) -> Result<Vec<u8>> {
    let Some((kind, payload)) = data.split_once(',') else {
        return Err(fault("a data URI without a comma"));
    };
    match kind.ends_with(";base64") {
        true => base64(payload),
        false => unescape(payload),
    }
}

fn outside(uri: &str, folder: Option<&Path>, most: u64) -> Result<Vec<u8>> {
    let path = confined(uri, folder)?;
    let failed = |source| Error::io("reading", &path, &source);
    // A pipe or a device would be opened for ever.
    if !fs::metadata(&path).map_err(failed)?.is_file() {
        return Err(fault(format!("{} is not a file", path.display())));
    }
    let mut bytes = Vec::new();
    fs::File::open(&path).map_err(failed)?.take(most).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// The path that a relative URI names, if it stays in the folder, by its words and, once symbolic links are followed, in truth.
fn confined(uri: &str, folder: Option<&Path>) -> Result<PathBuf> {
    let Some(folder) = folder else {
        return Err(fault(format!("{} is another file, and none is read here", quoted(uri))));
    };
    let leaves = || fault(format!("{} is not in the folder of the file, and nothing else is read", quoted(uri)));
    if uri.split('/').next().is_some_and(|first| first.contains(':')) {
        return Err(leaves());
    }
    let name = String::from_utf8(unescape(uri)?).map_err(|_| fault(format!("{} is not UTF-8", quoted(uri))))?;
    let inner = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if !Path::new(&name).components().all(inner) {
        return Err(leaves());
    }
    let path = folder.join(&name);
    let real = |path: &Path| fs::canonicalize(path).map_err(|source| Error::io("reading", path, &source));
    let home = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match real(&path)?.starts_with(real(home)?) {
        true => Ok(path),
        false => Err(leaves()),
    }
}

/// `%41` is A.
fn unescape(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digit = |i: usize| rest.get(i).and_then(|&c| (c as char).to_digit(16));
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            return Err(fault(format!("{} has a % without two hexadecimal digits after it", quoted(text))));
        };
        bytes.push((high * 16 + low) as u8);
        rest = &rest[2..];
    }
    Ok(bytes)
}

fn base64(text: &str) -> Result<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    let (mut bits, mut held) = (0u32, 0);
    for &digit in digits {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return Err(fault(format!("a data URI in base64 with the character {:?}", digit as char))),
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    Ok(bytes)
}

/// The text as a person can read it: long ones shortened.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(result: Result<Vec<u8>>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn data_is_read_from_the_uri_itself() {
        let read = |uri| read(uri, None, 0).unwrap();
        assert_eq!(read("data:application/octet-stream;base64,TW9ub3RpbGU="), b"Monotile");
        assert_eq!(read("data:;base64,AP_-"), [0, 255, 254]);
        assert_eq!(read("data:,a%20b"), b"a b");
        assert_eq!(read("data:;base64,"), b"");
    }

    #[test]
    fn what_is_no_data_is_refused() {
        assert_eq!(words(read("data:;base64,TW9u*", None, 0)), "a data URI in base64 with the character '*'");
        assert_eq!(words(read("data:base64", None, 0)), "a data URI without a comma");
        assert_eq!(words(read("data:,%4", None, 0)), "\"%4\" has a % without two hexadecimal digits after it");
    }

    #[test]
    fn a_file_is_read_within_the_folder_alone() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("model");
        fs::create_dir_all(home.join("parts")).unwrap();
        fs::write(home.join("parts/a b.bin"), b"12345").unwrap();
        fs::write(folder.path().join("secret"), b"secret").unwrap();
        let within = |uri| read(uri, Some(&home), 4);
        assert_eq!(within("parts/a%20b.bin").unwrap(), b"1234");
        assert_eq!(within("./parts/a b.bin").unwrap(), b"1234");
        for uri in ["../secret", "parts/../../secret", "%2e%2e/secret", "/etc/hostname", "file:///etc/hostname", "http://a/b"] {
            assert_eq!(words(within(uri)), format!("{uri:?} is not in the folder of the file, and nothing else is read"));
        }
        assert_eq!(words(within("parts")), format!("{} is not a file", home.join("parts").display()));
        assert_eq!(words(within("none")), format!("{}: no such file or folder (reading)", home.join("none").display()));
        assert_eq!(words(read("a.bin", None, 4)), "\"a.bin\" is another file, and none is read here");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_does_not_lead_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("model");
        fs::create_dir(&home).unwrap();
        fs::write(folder.path().join("secret"), b"secret").unwrap();
        std::os::unix::fs::symlink("../secret", home.join("link")).unwrap();
        assert_eq!(words(read("link", Some(&home), 9)), "\"link\" is not in the folder of the file, and nothing else is read");
    }
}
