//! Times faer, glam or nalgebra on the cases of `monotile bench` and prints a JSON object a line.

mod measure;
mod with_faer;
mod with_glam;
mod with_nalgebra;

use std::process::ExitCode;

/// Sides of square products and factorizations, as in `monotile bench`.
const SQUARE: [usize; 6] = [64, 128, 256, 512, 1024, 2048];
/// Up to this size a library may be faster on one thread, so that both settings are timed.
const SMALL: usize = 256;
/// How many small matrices are factored in one call.
const BATCH: usize = 10_000;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["faer", "gemm"] => with_faer::gemm(),
        ["faer", "factor"] => with_faer::factor(),
        ["glam", "graphics"] => with_glam::graphics(),
        ["nalgebra", "gemm"] => with_nalgebra::gemm(),
        ["nalgebra", "factor"] => with_nalgebra::factor(),
        _ => {
            eprintln!("usage: rust-peers faer|nalgebra gemm|factor, or rust-peers glam graphics");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
