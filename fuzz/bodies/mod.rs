//! What each target does with bytes: one function a target, which panics where a promise is broken.
//!
//! The targets call these under libFuzzer, and a plain test (`crates/cli/tests/replay.rs`) calls them with every file under
//! `seeds` and `found`, so that an input that was found once is tried for ever, on the stable toolchain.

pub mod arrays;
pub mod capture;
pub mod checkpoint;
pub mod command;
pub mod equation;
pub mod gguf;
pub mod images;
pub mod samples;
pub mod scene;
pub mod splats;
pub mod state;
pub mod template;
pub mod tensors;

use std::path::PathBuf;

use monotile::Error;

/// A refusal is one sentence: no line break and no control character, whatever the file holds.
fn sentence(error: &Error) {
    let text = error.to_string();
    assert!(!text.is_empty() && text.chars().all(monotile::text::is_plain), "{text:?}");
    assert!(text.chars().count() < 4000, "{} characters", text.chars().count());
}

/// A file with these bytes, of this thread alone, in memory where the system has such folders.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    std::fs::write(&path, bytes).expect("a temporary file");
    path
}

/// A folder of this thread alone.
fn folder() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let root = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let thread = format!("{:?}", std::thread::current().id());
    let number: String = thread.chars().filter(char::is_ascii_digit).collect();
    let folder = root.join(format!("monotile-fuzz-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    folder
}

/// Removes what this thread wrote.
#[allow(dead_code, reason = "a fuzzer never ends its thread")]
pub fn clean() {
    let _ = std::fs::remove_dir_all(folder());
}
