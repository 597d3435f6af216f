//! Standard output that nobody reads, or that takes nothing.

use super::super::shell;
use super::workshop;

/// Commands that print their result.
const PRINTING: &[&str] = &[
    "einsum 'ij,jk->ik' a.npy a.npy",
    "factor svd a.npy",
    "info --model model",
    "info triangle.gltf --json",
    "explain triangle.gltf --vertex 0",
    "generate --model model --prompt The --max-tokens 20",
    "render triangle.gltf --cpu --size 64x64 -o -",
    "lora inspect one --plot one.svg",
    "lora diff one one",
    "lora resize --adapter one --rank 2 --out resized",
    "lora merge --model base --adapter one --out merged",
    "lora verify --model base --adapter one --merged merged",
    "lora extract --base base --tuned tuned --rank 2 --out extracted",
];

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let folder = workshop();
    for line in PRINTING {
        let ended = shell(folder.path(), &format!("monotile {line} | head -c 1 >/dev/null; exit ${{PIPESTATUS[0]}}"));
        assert_eq!(ended.status, Some(0), "{line}: {}", ended.stderr);
        assert!(!ended.stderr.contains("panicked") && !ended.stderr.contains("error"), "{line}: {}", ended.stderr);
        let ended = shell(folder.path(), &format!("rm -rf resized merged-2 extracted; monotile {line} >&- 2>err; cat err >&2"));
        assert!(!ended.stderr.contains("panicked"), "{line}: {}", ended.stderr);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_output_is_told_in_a_sentence() {
    let folder = workshop();
    for line in PRINTING {
        let ended = shell(folder.path(), &format!("monotile {line} >/dev/full"));
        assert_eq!(ended.status, Some(1), "{line}: {}", ended.stderr);
        let errors: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors, ["error: standard output: No space left on device (os error 28) (writing)"], "{line}: {}", ended.stderr);
    }
}
