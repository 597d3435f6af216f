//! See `bodies/gguf.rs`.
#![no_main]

#[allow(dead_code, reason = "each target calls one of the bodies")]
#[path = "../bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bodies::gguf::run(bytes));
