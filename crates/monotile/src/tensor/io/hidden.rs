//! Names of hidden files and folders beside what they are to become.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The longest name, in bytes, that stands in a hidden one as it is: file systems take 255 with what is put around it.
const LONGEST: usize = 200;
/// How much of a longer name stays.
const KEPT: usize = 160;

/// `.NAME.WHAT` beside a path, whatever bytes its name has. A name of more than 200 bytes is cut, and a digest tells it from others.
///
/// # Example
/// ```
/// use monotile::io::hidden_sibling;
/// assert_eq!(hidden_sibling("models/merged".as_ref(), "partial"), std::path::Path::new("models/.merged.partial"));
/// let long = "x".repeat(250);
/// assert!(hidden_sibling(long.as_ref(), "partial").as_os_str().len() < 255);
/// ```
pub fn hidden_sibling(path: &Path, what: &str) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(stem(path.file_name().unwrap_or_default()));
    name.push(".");
    name.push(what);
    path.with_file_name(name)
}

/// What stands for a name in a hidden one.
pub(super) fn stem(name: &OsStr) -> OsString {
    let bytes = name.as_encoded_bytes();
    if bytes.len() <= LONGEST {
        return name.to_os_string();
    }
    let text = name.to_string_lossy();
    let end = (0..=KEPT).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    format!("{}-{:016x}", &text[..end], fnv1a(bytes)).into()
}

/// FNV-1a, 64 bits (Fowler, Noll and Vo 1991).
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_between_letters_and_stay_apart() {
        let hidden = |name: &str| hidden_sibling(name.as_ref(), "4294967295-18446744073709551615.partial");
        assert_eq!(hidden(&"a".repeat(200)).as_os_str().len(), 200 + 2 + 39);
        let names = ["ü".repeat(127) + "1", "ü".repeat(127) + "2", format!("a{}", "ü".repeat(127))];
        let hidden = names.each_ref().map(|name| hidden(name));
        assert!(hidden.iter().all(|name| name.as_os_str().len() <= 255 && name.to_str().unwrap().contains('ü')));
        assert!(hidden[0] != hidden[1] && hidden[1] != hidden[2]);
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_stay_apart() {
        use std::os::unix::ffi::OsStrExt;
        let hidden = |bytes: &[u8]| hidden_sibling(Path::new(OsStr::from_bytes(bytes)), "lock");
        assert_ne!(hidden(b"\xff"), hidden(b"\xfe"));
        assert_eq!(hidden(b"\xff").as_os_str().as_bytes(), b".\xff.lock");
        assert_ne!(hidden(&[0xff; 220]), hidden(&[0xfe; 220]));
    }
}
