//! Every input that a fuzzer was given or has found, through the code that the fuzzer runs.

#[path = "../../../fuzz/bodies/mod.rs"]
mod bodies;

use std::path::{Path, PathBuf};

/// Bounds the memory of chat templates, as in the command.
#[global_allocator]
static MEMORY: monotile_kernels::process::CountingAllocator = monotile_kernels::process::CountingAllocator;

/// Calls a target's body with every file of its folders of seeds and finds, and requires at least `least` of them.
fn replay(target: &str, least: usize, body: impl Fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
    let folders = ["seeds", "found"].map(|kind| fuzz.join(kind).join(target));
    let mut files: Vec<PathBuf> =
        folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= least, "{target}: {} files", files.len());
    for path in files {
        eprintln!("{}", path.display());
        body(&std::fs::read(&path).unwrap());
    }
    bodies::clean();
}

/// A body that takes text.
fn text(body: fn(&str)) -> impl Fn(&[u8]) {
    move |bytes| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            body(text);
        }
    }
}

#[test]
fn arrays() {
    replay("arrays", 1, bodies::arrays::run);
}

#[test]
fn capture() {
    replay("capture", 9, bodies::capture::run);
}

#[test]
fn checkpoint() {
    replay("checkpoint", 1, bodies::checkpoint::run);
}

#[test]
fn command() {
    replay("command", 1, text(bodies::command::run));
}

#[test]
fn equation() {
    replay("equation", 1, text(bodies::equation::run));
}

#[test]
fn gguf() {
    replay("gguf", 3, bodies::gguf::run);
}

#[test]
fn images() {
    replay("images", 1, bodies::images::run);
}

#[test]
fn samples() {
    replay("samples", 1, text(bodies::samples::run));
}

#[test]
fn scene() {
    replay("scene", 1, bodies::scene::run);
}

#[test]
fn splats() {
    replay("splats", 8, bodies::splats::run);
}

#[test]
fn state() {
    replay("state", 1, bodies::state::run);
}

#[test]
fn template() {
    replay("template", 1, text(bodies::template::run));
}

#[test]
fn tensors() {
    replay("tensors", 1, bodies::tensors::run);
}
