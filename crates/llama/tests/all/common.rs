//! Where reference results lie, and how results are compared with them.

use std::path::{Path, PathBuf};

use monotile::Tensor;

/// The folder with checkpoints and reference results; `None`, with a word about it, where there is none.
pub fn data() -> Option<PathBuf> {
    cases("../data/llama")
}

/// A folder of the reference cases; `None`, with a word about it, where there is none.
pub fn cases(below: &str) -> Option<PathBuf> {
    let cases = std::env::var_os("MONOTILE_CASES").map(PathBuf::from);
    let cases = cases.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases"));
    let folder = cases.join(below);
    if !folder.is_dir() {
        eprintln!("skipped: {} is not there; set MONOTILE_CASES to the folder of reference cases", folder.display());
        return None;
    }
    Some(folder)
}

/// The largest difference of two tensors of one shape.
#[track_caller]
pub fn difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.shape(), b.shape());
    let pairs = a.to_f64_vec().unwrap().into_iter().zip(b.to_f64_vec().unwrap());
    // NaN must not hide, so the largest is kept by a comparison that NaN wins.
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, |most, d| if d <= most { most } else { d })
}
