//! See `bodies/samples.rs`.
#![no_main]

#[allow(dead_code, reason = "each target calls one of the bodies")]
#[path = "../bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|text: &str| bodies::samples::run(text));
