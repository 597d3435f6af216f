//! See `bodies/template.rs`.
#![no_main]

#[allow(dead_code, reason = "each target calls one of the bodies")]
#[path = "../bodies/mod.rs"]
mod bodies;

/// Bounds the memory of chat templates, as in the command.
#[global_allocator]
static MEMORY: monotile_kernels::process::CountingAllocator = monotile_kernels::process::CountingAllocator;

libfuzzer_sys::fuzz_target!(|text: &str| bodies::template::run(text));
