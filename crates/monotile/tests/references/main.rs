//! Results against those that PyTorch, SciPy and others computed: the files of the folder `references`, each read to the last number.
//!
//! Nothing here is skipped: a file that is missing, a case that no test knows and a tensor that no test reads are failures.

mod cases;
mod everyday;
mod functions;
mod linalg;
mod optimizers;
mod statistics;
mod tensors;
mod transforms;

/// The files that tests here read, and the folder of those that `monotile-llama` reads.
const READ: [&str; 19] = [
    "attention.safetensors",
    "distributions.safetensors",
    "einsum.safetensors",
    "elementwise.safetensors",
    "everyday.safetensors",
    "formats.npz",
    "formats.safetensors",
    "functions.safetensors",
    "likelihood.safetensors",
    "linalg.safetensors",
    "losses.safetensors",
    "matrices.safetensors",
    "llama",
    "optimizers.safetensors",
    "rotations.safetensors",
    "rows.safetensors",
    "sorts.safetensors",
    "statistics.safetensors",
    "transforms.safetensors",
];

/// What makes and describes them.
const BESIDE: [&str; 4] = ["README.md", "groups", "make.py", "requirements.txt"];

#[test]
fn the_folder_holds_what_tests_read_and_nothing_else() {
    let mut expected = [&READ[..], &BESIDE].concat();
    expected.sort_unstable();
    let names = std::fs::read_dir(cases::folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut found: Vec<String> = names.collect();
    found.sort_unstable();
    assert_eq!(found, expected);
}
