//! What a URI in a file stands for: bytes in itself, or a file in the same folder, written as exporters write it.

use std::borrow::Cow;
use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use monotile::io::open_regular;
use monotile::text::printable;
use monotile::{Error, Result, memory};

use super::fault;

/// The bytes of a URI, at most `most` of a file's.
pub fn read(uri: &str, folder: Option<&Path>, most: u64) -> Result<Vec<u8>> {
    let data = uri.trim_ascii_start();
    match data.split_at_checked(5) {
        Some((scheme, data)) if scheme.eq_ignore_ascii_case("data:") => inside(data),
        _ => outside(uri, folder, most),
    }
}

fn inside(data: &str) -> Result<Vec<u8>> {
    let Some((kind, payload)) = data.split_once(',') else {
        return Err(fault("a data URI without a comma"));
    };
    let payload = if payload.contains('%') { Cow::Owned(unescape(payload)?) } else { Cow::Borrowed(payload.as_bytes()) };
    let encoding = kind.rsplit(';').next().unwrap_or_default().trim_ascii();
    match encoding.eq_ignore_ascii_case("base64") {
        true => base64(&payload),
        false => Ok(payload.into_owned()),
    }
}

fn outside(uri: &str, folder: Option<&Path>, most: u64) -> Result<Vec<u8>> {
    let path = found(uri, folder)?;
    let (file, length) = open_regular(&path)?;
    // One more, so that the end is seen without more room.
    let room = usize::try_from(length.min(most)).unwrap_or(usize::MAX).saturating_add(1);
    let mut bytes = memory::list(room, path.display())?;
    file.take(most).read_to_end(&mut bytes).map_err(|source| Error::io("reading", &path, &source))?;
    Ok(bytes)
}

/// The file that a relative URI names: as the specification reads it, else as exporters mean it. Some write backslashes, spaces, signs
/// that a URI would escape, and a query behind the name.
fn found(uri: &str, folder: Option<&Path>) -> Result<PathBuf> {
    let Some(folder) = folder else {
        return Err(fault(format!("{} is another file, and none is read here", quoted(uri))));
    };
    let forward = uri.replace('\\', "/");
    let without_query = forward.split(['?', '#']).next().unwrap_or_default();
    let meant = |text: &str| unescape(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let names = [
        meant(uri),
        meant(without_query),
        meant(&forward),
        Some(uri.to_string()),
        Some(forward.clone()),
        Some(without_query.to_string()),
    ];
    let mut first = None;
    for name in names.into_iter().flatten().filter(|name| !name.is_empty()) {
        match confined(uri, &name, folder) {
            Ok(path) => return Ok(path),
            // What leads away is refused, whatever else the words may mean.
            Err(error) if error.kind() == monotile::ErrorKind::Format => return Err(error),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| fault(format!("{} is the name of no file", quoted(uri)))))
}

/// The path of a name, if it stays in the folder, by its words and, once symbolic links are followed, in truth.
fn confined(uri: &str, name: &str, folder: &Path) -> Result<PathBuf> {
    let leaves = || fault(format!("{} is not in the folder of the file, and nothing else is read", quoted(uri)));
    if name.split(['/', '\\']).next().is_some_and(|first| first.contains(':')) {
        return Err(leaves());
    }
    let inner = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if !Path::new(name).components().all(inner) {
        return Err(leaves());
    }
    let path = folder.join(name);
    let real = |path: &Path| fs::canonicalize(path).map_err(|source| Error::io("reading", path, &source));
    let home = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match real(&path)?.starts_with(real(home)?) {
        true => Ok(path),
        false => Err(leaves()),
    }
}

/// `%41` is A.
fn unescape(text: &str) -> Result<Vec<u8>> {
    let mut bytes = memory::list(text.len(), "a data URI")?;
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

/// Spaces and ends of lines between the digits are skipped: writers wrap long texts.
fn base64(text: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = memory::list(text.len() / 4 * 3 + 2, "a data URI")?;
    let (mut bits, mut held) = (0u32, 0);
    for &digit in text {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' | b' ' | b'\t' | b'\r' | b'\n' => continue,
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

/// A text of the file in quotation marks, as it may be shown.
pub fn quoted(text: &str) -> String {
    format!("\"{}\"", printable(text))
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
        assert_eq!(read("DATA:image/png;BASE64,TW9u\r\n b3Rp\nbGU="), b"Monotile");
        assert_eq!(read("data:a/b;charset=utf-8;base64,TW9ub3RpbGU%3D"), b"Monotile");
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
        assert_eq!(words(within("parts")), format!("{}: is a folder, not a file", home.join("parts").display()));
        assert_eq!(words(within("none")), format!("{}: no such file or folder (reading)", home.join("none").display()));
        assert_eq!(words(read("a.bin", None, 4)), "\"a.bin\" is another file, and none is read here");
    }

    #[test]
    fn names_are_read_as_exporters_write_them() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("model");
        fs::create_dir_all(home.join("tex tures")).unwrap();
        fs::write(folder.path().join("secret"), b"secret").unwrap();
        for name in ["a b.png", "Größe#1?.png", "100%.png", "plus+plus.png", "Gr%C3%B6%C3%9Fe.png"] {
            fs::write(home.join("tex tures").join(name), name).unwrap();
        }
        let within = |uri: &str| read(uri, Some(&home), 99).map(|bytes| String::from_utf8(bytes).unwrap());
        for (uri, name) in [
            ("tex%20tures/a%20b.png", "a b.png"),
            ("tex tures\\a b.png", "a b.png"),
            ("tex%20tures\\a%20b.png", "a b.png"),
            ("tex tures/a b.png?v=2", "a b.png"),
            ("tex%20tures/a%20b.png?v=2#x", "a b.png"),
            ("tex%20tures/Gr%C3%B6%C3%9Fe%231%3F.png", "Größe#1?.png"),
            ("tex tures/Größe#1?.png", "Größe#1?.png"),
            ("tex tures/100%.png", "100%.png"),
            ("tex%20tures/100%25.png", "100%.png"),
            ("tex tures/plus+plus.png", "plus+plus.png"),
            ("tex%20tures/plus%2Bplus.png", "plus+plus.png"),
            ("tex tures/Gr%C3%B6%C3%9Fe.png", "Gr%C3%B6%C3%9Fe.png"),
        ] {
            assert_eq!(within(uri).unwrap(), name, "{uri}");
        }
        for uri in
            ["..\\secret", "tex tures\\..\\..\\secret", "..%5csecret", "C:\\secret", "../secret?v=2", "tex tures/..%2f..%2fsecret"]
        {
            let words = within(uri).unwrap_err().to_string();
            assert!(words.contains("is not in the folder of the file") || words.contains("no such file"), "{uri}: {words}");
        }
        assert!(within("none.png?v=1").unwrap_err().to_string().contains("no such file or folder"));
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
